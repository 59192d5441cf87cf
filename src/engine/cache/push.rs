//! Documents of the cache on their way to the registry.

use crate::oci::RawDocument;
use crate::registry::{Client, PushedParts};
use crate::transport::Blob;
use crate::types::error::BoxedError;
use crate::types::reference::{Repository, Tag};

/// Whether `tag` leads to `document` already.
pub(super) fn is_there(
    client: &Client,
    repository: &Repository,
    tag: &Tag,
    document: &RawDocument,
) -> Result<bool, BoxedError> {
    let found = client.resolve_for_push(&repository.at_tag(tag.clone()))?;
    Ok(found.is_some_and(|found| found.digest == document.digest()))
}

/// Pushes `blobs`, and then the document that names them.
pub(super) fn push(
    client: &Client,
    repository: &Repository,
    tag: &Tag,
    document: &RawDocument,
    blobs: &[Blob],
) -> Result<(), BoxedError> {
    for blob in blobs {
        client.push_blob(repository, blob)?;
    }
    let parts = PushedParts { blobs, ..PushedParts::default() };
    client.push_document(repository, tag.as_str(), document, parts)?;
    Ok(())
}
