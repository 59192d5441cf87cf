//! Blobs in motion: bytes with a descriptor, wherever they are, that can be opened as often as it takes.

mod growing;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

pub use growing::{BlobGrower, BlobPart, GrowingBlob, GrowingReader, growing};

use crate::oci::Descriptor;
use crate::types::reference::Repository;

/// A stream of a blob's bytes.
pub type BlobStream = Box<dyn Read + Send>;

/// Bytes that can be opened again as often as an upload must be retried.
pub trait BlobContent: Send + Sync {
    /// Opens the content at its first byte. The reader checks the digest.
    ///
    /// # Errors
    /// When the content is gone or cannot be reached.
    fn open(&self) -> io::Result<BlobStream>;

    /// As [`BlobContent::open`], for a caller that checks the bytes and, if they are wrong, opens and reads the
    /// content the other way: that one may find out what is wrong and set it right for the next time.
    ///
    /// # Errors
    /// As for [`BlobContent::open`].
    fn open_unchecked(&self) -> io::Result<BlobStream> {
        self.open()
    }
}

impl<F: Fn() -> io::Result<BlobStream> + Send + Sync> BlobContent for F {
    fn open(&self) -> io::Result<BlobStream> {
        self()
    }
}

/// A blob on its way to a destination.
#[derive(Clone)]
pub struct Blob {
    /// The blob's type, digest and size.
    pub descriptor: Descriptor,
    /// Its bytes; never opened when the destination has them.
    pub content: Arc<dyn BlobContent>,
    /// The repository that is known to hold it, to mount it from.
    pub origin: Option<Repository>,
    /// For people: `base layer 2`, `classes`, `config`.
    pub title: String,
    /// Whether it was made a moment ago, so that no place is asked whether it has it.
    pub is_new: bool,
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
        Self { descriptor, content: Arc::new(content), origin: None, title: title.to_owned(), is_new: false }
    }
}

impl Blob {
    /// The same, made a moment ago.
    #[must_use]
    pub fn made_now(self) -> Self {
        Self { is_new: true, ..self }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} {})", self.title, self.descriptor.digest)
    }
}

/// How a blob came to be at its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// It was there.
    Present,
    /// The registry took it from another of its repositories.
    Mounted,
    /// Its bytes were sent.
    Uploaded,
}
