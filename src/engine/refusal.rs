//! An image that was refused because its tag is taken, at hand for a comparison.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::finished::Finished;
use crate::oci::{Descriptor, Image, RawDocument};
use crate::store::Store;
use crate::transport::taken_tag::{TakenTag, revision_of, with_revision};
use crate::transport::{BlobStream, Source};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;

/// A tag is taken by another image than the one that was built.
pub struct RefusedImage {
    /// The tag and both images.
    pub taken: TakenTag,
    /// The image that was built, as far as this machine has it.
    pub image: Arc<dyn Source>,
}

impl RefusedImage {
    /// Why a build failed, if it is this.
    #[must_use]
    pub fn behind(error: &BoxedError) -> Option<&Self> {
        let error: &(dyn Error + 'static) = &**error;
        error.downcast_ref()
    }
}

impl fmt::Debug for RefusedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.taken.fmt(f)
    }
}

impl fmt::Display for RefusedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.taken, f)
    }
}

impl Error for RefusedImage {}

impl Explain for RefusedImage {
    fn kind(&self) -> Kind {
        self.taken.kind()
    }

    fn code(&self) -> Option<ErrorCode> {
        self.taken.code()
    }

    fn hint(&self) -> Option<String> {
        self.taken.hint()
    }
}

/// Adds the image to an error about a taken tag.
pub(super) fn refused(error: BoxedError, finished: &Finished, store: &Store) -> BoxedError {
    let error = with_revision(error, || finished.images.first().and_then(revision_of));
    let Some(taken) = TakenTag::behind(&error) else { return error };
    let image =
        FinishedImage { root: finished.root.clone(), images: finished.images.clone(), store: store.clone() };
    RefusedImage { taken: taken.clone(), image: Arc::new(image) }.into()
}

/// An image that is finished and was not delivered: its documents, and those layers that the store has.
struct FinishedImage {
    root: RawDocument,
    images: Vec<Image>,
    store: Store,
}

impl Source for FinishedImage {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        let all = self.images.iter().map(Image::raw).chain([&self.root]);
        let found = all.into_iter().find(|document| document.digest() == descriptor.digest);
        Ok(found.cloned().ok_or(NotAtHand(descriptor.digest))?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        let config = self.images.iter().find(|image| image.manifest().config.digest == descriptor.digest);
        if let Some(image) = config {
            return Ok(Box::new(std::io::Cursor::new(image.raw_config().to_vec())));
        }
        let reader = self.store.blobs().reader(descriptor).map_err(|_| NotAtHand(descriptor.digest))?;
        Ok(Box::new(reader))
    }

    fn name(&self) -> String {
        "the new image".to_owned()
    }
}

/// A part of an image that this machine does not have.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not at hand")]
struct NotAtHand(Digest);

impl Explain for NotAtHand {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::ImageNotFound)
    }
}
