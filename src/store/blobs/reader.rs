//! Blobs that are checked while they are read.

use std::io::{self, Read};

use fs_err as fs;

use super::directory::Blobs;
use crate::oci::Descriptor;
use crate::types::digest::{Digest, VerifyingReader};

/// Blobs of up to this many bytes are hashed whenever somebody asks whether they are there: half a millisecond.
const CHEAP: u64 = 1 << 20;

impl Blobs {
    /// Whether there is the blob that `descriptor` announces: by its bytes where they are few, such as a
    /// configuration's; by its size where hashing them would cost more than it is worth on every build.
    #[must_use]
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        self.contains(&descriptor.digest) == Some(descriptor.size)
            && (descriptor.size > CHEAP || self.read(descriptor, CHEAP).is_ok())
    }

    /// Opens the blob for reading that fails, at the latest at the end, unless the bytes are those of
    /// `descriptor`.
    ///
    /// # Errors
    /// As for [`Blobs::open`], and of kind [`io::ErrorKind::InvalidData`] when the size is another.
    pub fn reader(&self, descriptor: &Descriptor) -> io::Result<BlobReader> {
        let file = self.open(&descriptor.digest)?;
        let size = file.metadata()?.len();
        if size != descriptor.size {
            // Which of the two is wrong is not known: the name alone says nothing about a size.
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {size} bytes are stored, {} were announced", descriptor.digest, descriptor.size),
            ));
        }
        let inner = VerifyingReader::new(file, descriptor.digest, descriptor.size);
        let heals = self.0.heals.then(|| self.clone());
        Ok(BlobReader { inner, digest: descriptor.digest, heals })
    }

    /// The whole blob, checked; for documents.
    ///
    /// # Errors
    /// As for [`Blobs::reader`], and when it has more than `limit` bytes.
    pub fn read(&self, descriptor: &Descriptor, limit: u64) -> io::Result<Vec<u8>> {
        if descriptor.size > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {} bytes, more than {limit}", descriptor.digest, descriptor.size),
            ));
        }
        let mut bytes = Vec::new();
        self.reader(descriptor)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads a blob and checks it; see [`Blobs::reader`].
pub struct BlobReader {
    inner: VerifyingReader<fs::File>,
    digest: Digest,
    heals: Option<Blobs>,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::InvalidData
            && let Some(blobs) = self.heals.take()
        {
            // Best effort: one that cannot be moved is found out again.
            let _ = blobs.quarantine(&self.digest);
        }
        result
    }
}
