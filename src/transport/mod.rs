//! Where images come from and go to: one file per kind of place, reading and writing side by side.
//!
//! A [`Source`] gives bytes that are already checked against their descriptor. A [`Destination`] takes
//! blobs in any order, from several threads, then manifests, then names: whoever stops in between has
//! changed nothing that a name resolves to.

pub mod archive;
pub mod layout;
pub mod load;
pub mod name;
pub mod registry;

pub use crate::blob::{Blob, BlobContent, BlobStream, Delivery, Grower, Growing, growing};
use crate::digest::Digest;
use crate::error::BoxedError;
use crate::image::{Descriptor, RawDocument};
use crate::reference::{Repository, Tag};

/// Somewhere to read an image from.
pub trait Source: Send + Sync {
    /// The manifest or index that the reference names, and that is checked to be one.
    ///
    /// # Errors
    /// When it does not exist, cannot be read, or is not to be trusted.
    fn root(&self) -> Result<RawDocument, BoxedError>;

    /// The manifest or index that `descriptor` links to, checked against it.
    ///
    /// # Errors
    /// As for [`Source::root`].
    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError>;

    /// The bytes of a blob. Reading to the end fails unless they are what `descriptor` says.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError>;

    /// The repository that blobs can be mounted from, if the source is a registry.
    fn origin(&self) -> Option<Repository> {
        None
    }

    /// The source as the user would write it, for messages.
    fn name(&self) -> String;
}

/// Somewhere to write an image to.
pub trait Destination: Send + Sync {
    /// Says which tags are about to be set, before any blob comes: a destination may look at what they
    /// resolve to now, to be asked less later, and fails early where it cannot be reached.
    ///
    /// # Errors
    /// When the destination cannot be reached or refuses.
    fn begin(&self, _tags: &[Tag]) -> Result<(), BoxedError> {
        Ok(())
    }

    /// Makes sure that the blob is there. Called from several threads.
    ///
    /// # Errors
    /// When it cannot be stored or sent, or its bytes are not what its descriptor says.
    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError>;

    /// Whether [`Destination::follow`] does anything.
    fn follows(&self) -> bool {
        false
    }

    /// Takes a blob while it is being made, so that it is there soon after it is finished. `None` whenever
    /// that does not come off: [`Destination::blob`] is the one to try again and to say what is wrong.
    fn follow(&self, _growing: &Growing) -> Option<Delivery> {
        None
    }

    /// Stores a manifest or index by its digest, after all it refers to.
    ///
    /// # Errors
    /// When it cannot be stored or sent.
    fn document(&self, document: &RawDocument) -> Result<Delivery, BoxedError>;

    /// Makes `tags` resolve to `root`, last of all; with no tags the image is reachable by digest only.
    ///
    /// # Errors
    /// When a name cannot be set. Names before it in the list may be set already.
    fn finish(&self, root: &RawDocument, tags: &[Tag]) -> Result<(), BoxedError>;

    /// Whether every tag resolves to `digest` already, so that nothing need be done.
    ///
    /// # Errors
    /// When the question cannot be asked.
    fn is_current(&self, digest: &Digest, tags: &[Tag]) -> Result<bool, BoxedError>;

    /// The destination as the user would write it, for messages.
    fn name(&self) -> String;
}
