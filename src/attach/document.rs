//! Attaching one document to an image.

use serde::Serialize;

use super::writer::write;
use crate::oci::attached::AttachedDocument;
use crate::runtime::interrupt::Interrupt;
use crate::transport::{Destination, Source};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

use super::error::AttachError;

/// A document that is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachReport {
    /// The image.
    pub subject: Digest,
    /// The manifest of the document.
    pub digest: Digest,
    /// Whether it was there already.
    pub current: bool,
}

/// Attaches a document to the image that `source` names, at the place where it is.
///
/// # Errors
/// When the image is not there, or the document cannot be stored.
pub fn attach_document(
    source: &dyn Source,
    destination: &dyn Destination,
    document: AttachedDocument,
    interrupt: &Interrupt,
) -> Result<AttachReport, BoxedError> {
    let root = source.root()?;
    let attached = document.refer_to(&root.descriptor()).map_err(AttachError::from)?;
    let (subject, digest) = (root.digest(), attached.document.digest());
    let listed = source.referrers(&subject)?.unwrap_or_default();
    let is_listed = listed.iter().any(|entry| entry.digest == digest);
    let current = is_listed && destination.holds(&attached.entry)?;
    if !current {
        write(destination, &subject, &[attached], interrupt)?;
    }
    Ok(AttachReport { subject, digest, current })
}
