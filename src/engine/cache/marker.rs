//! The tag that says that a repository has entries.

use super::record;
use crate::registry::{Client, PushedParts};
use crate::types::error::BoxedError;
use crate::types::reference::Repository;

/// Makes sure that readers see that there are entries.
pub(super) fn mark(client: &Client, repository: &Repository) -> Result<(), BoxedError> {
    let (tag, document) = (record::marker_tag(), record::marker()?);
    let found = client.resolve_for_push(&repository.at_tag(tag.clone()))?;
    if found.is_some_and(|found| found.digest == document.digest()) {
        return Ok(());
    }
    let empty = [record::empty()];
    client.push_blob(repository, &empty[0])?;
    client.push_document(
        repository,
        tag.as_str(),
        &document,
        PushedParts { blobs: &empty, ..PushedParts::default() },
    )?;
    Ok(())
}
