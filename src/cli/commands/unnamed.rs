//! Images of the store that have no name there, such as bases of builds.

use crate::oci::{Descriptor, MAX_DOCUMENT, MediaType, RawDocument};
use crate::store::Store;
use crate::transport::load::LoadError;
use crate::transport::{BlobStream, Source};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// An image whose documents are in the store, where no name of its own leads to it.
pub(super) struct UnnamedImage {
    pub(super) store: Store,
    pub(super) digest: Digest,
}

impl Source for UnnamedImage {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        let size = self.store.blobs().contains(&self.digest).unwrap_or(MAX_DOCUMENT + 1);
        // The document itself says what it is.
        let descriptor = Descriptor::new(MediaType::ImageManifest, self.digest, size);
        let bytes = self.store.blobs().read(&descriptor, MAX_DOCUMENT).map_err(|error| self.failed(error))?;
        RawDocument::new(None, bytes).map_err(|error| self.failed(std::io::Error::other(error)))
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        Ok(self.store.layout().document(descriptor)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        let reader = self.store.blobs().reader(descriptor).map_err(|error| self.failed(error))?;
        Ok(Box::new(reader))
    }

    fn name(&self) -> String {
        self.digest.to_string()
    }
}

impl UnnamedImage {
    fn failed(&self, source: std::io::Error) -> BoxedError {
        LoadError::Config { place: self.name(), digest: self.digest, source }.into()
    }
}
