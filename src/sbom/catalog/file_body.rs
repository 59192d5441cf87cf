//! The bytes of a file that is looked into at any place of it: in memory, or in a nameless file where it is large.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::formats::zip::{ZipArchive, ZipError};
use crate::types::digest::{Digest, HashingWriter};

/// A larger file does not stay in memory.
pub const MAX_MEMORY: u64 = 32 << 20;

/// The bytes of a file.
#[derive(Debug)]
pub enum FileBody {
    /// In memory.
    Memory(Vec<u8>),
    /// In a nameless file.
    Disk(File),
}

impl FileBody {
    /// A body for `size` bytes; a large one lies in `scratch`.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn new(size: u64, scratch: &Path) -> io::Result<Self> {
        if size <= MAX_MEMORY {
            return Ok(Self::Memory(Vec::with_capacity(usize::try_from(size).unwrap_or_default())));
        }
        Ok(Self::Disk(tempfile::tempfile_in(scratch)?))
    }

    /// How many bytes of memory a file of `size` takes.
    #[must_use]
    pub fn memory(size: u64) -> usize {
        if size <= MAX_MEMORY { usize::try_from(size).unwrap_or_default() } else { 0 }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => bytes.extend_from_slice(piece),
            Self::Disk(file) => file.write_all(piece)?,
        }
        Ok(())
    }

    /// The bytes of a file that is small; `None` of a large one.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::Disk(_) => None,
        }
    }

    /// How many bytes it has.
    ///
    /// # Errors
    /// When the status of a large one cannot be read.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::Memory(bytes) => Ok(bytes.len() as u64),
            Self::Disk(file) => Ok(file.metadata()?.len()),
        }
    }

    /// Reads the bytes from `offset` on that fill `buffer`.
    ///
    /// # Errors
    /// When it does not have so many, or they cannot be read.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let part = bytes.get(start..).and_then(|rest| rest.get(..buffer.len()));
                buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::Disk(file) => file.read_exact_at(buffer, offset),
        }
    }

    /// The file on the disk of a large one.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Self::Memory(_) => None,
            Self::Disk(file) => Some(file),
        }
    }

    /// Its digest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&self) -> io::Result<Digest> {
        match self {
            Self::Memory(bytes) => Ok(Digest::of(bytes)),
            Self::Disk(file) => {
                let mut file = file;
                file.seek(SeekFrom::Start(0))?;
                let mut hasher = HashingWriter::new(io::sink());
                io::copy(&mut file, &mut hasher)?;
                Ok(hasher.finish().1)
            }
        }
    }

    /// The zip archive that it is.
    pub(super) fn into_archive(self) -> Result<Arc<ZipArchive>, ZipError> {
        let path = Path::new("archive");
        Ok(Arc::new(match self {
            Self::Memory(bytes) => ZipArchive::from_bytes(path, bytes)?,
            Self::Disk(file) => ZipArchive::from_file(path, file)?,
        }))
    }
}
