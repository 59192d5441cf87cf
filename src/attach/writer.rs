//! The one place that brings manifests of attached documents to where an image is.

use crate::oci::Descriptor;
use crate::oci::attached::AttachedManifest;
use crate::runtime::interrupt::Interrupt;
use crate::transport::Destination;
use crate::transport::deliver::deliver;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// Stores what refers to one image: blobs, manifests, and then once the list where the place does not list by itself.
///
/// # Errors
/// When anything cannot be stored.
pub(super) fn write(
    destination: &dyn Destination,
    subject: &Digest,
    attached: &[AttachedManifest],
    interrupt: &Interrupt,
) -> Result<(), BoxedError> {
    let mut blobs = Vec::new();
    for blob in attached.iter().flat_map(|one| &one.blobs) {
        if !blobs.iter().any(|known: &crate::oci::blob::Blob| known.descriptor == blob.descriptor) {
            blobs.push(blob.clone());
        }
    }
    deliver(destination, &blobs, interrupt)?;
    for one in attached {
        destination.document(&one.document)?;
    }
    let entries: Vec<Descriptor> = attached.iter().map(|one| one.entry.clone()).collect();
    if entries.is_empty() { Ok(()) } else { destination.refer(subject, &entries) }
}
