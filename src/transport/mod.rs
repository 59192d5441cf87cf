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

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::BoxedError;
use crate::image::{Descriptor, RawDocument};
use crate::reference::{Repository, Tag};

/// A stream of a blob's bytes.
pub type BlobStream = Box<dyn Read + Send>;

/// Bytes that can be opened again as often as an upload must be retried.
pub trait BlobContent: Send + Sync {
    /// Opens the content at its first byte. Whoever reads it checks the digest.
    ///
    /// # Errors
    /// When the content is gone or cannot be reached.
    fn open(&self) -> io::Result<BlobStream>;
}

impl<F: Fn() -> io::Result<BlobStream> + Send + Sync> BlobContent for F {
    fn open(&self) -> io::Result<BlobStream> {
        self()
    }
}

/// A blob on its way to a destination.
#[derive(Clone)]
pub struct Blob {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes; never opened when the destination has them.
    pub content: Arc<dyn BlobContent>,
    /// The repository that is known to hold it, to mount it from.
    pub origin: Option<Repository>,
    /// For people: `base layer 2`, `classes`, `config`.
    pub title: String,
}

impl Blob {
    /// A blob whose bytes are in memory.
    #[must_use]
    pub fn in_memory(descriptor: Descriptor, bytes: Vec<u8>, title: &str) -> Self {
        let bytes: Arc<[u8]> = bytes.into();
        let content = move || {
            let bytes = Arc::clone(&bytes);
            Ok(Box::new(io::Cursor::new(bytes)) as BlobStream)
        };
        Self { descriptor, content: Arc::new(content), origin: None, title: title.to_owned() }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} {})", self.title, self.descriptor.digest)
    }
}

/// How a blob came to be at its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// It was there.
    Present,
    /// The registry took it from another of its repositories.
    Mounted,
    /// Its bytes were sent.
    Uploaded,
}

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
    /// Makes sure that the blob is there. Called from several threads.
    ///
    /// # Errors
    /// When it cannot be stored or sent, or its bytes are not what its descriptor says.
    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError>;

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
