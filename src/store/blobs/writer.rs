//! Blobs that are written, and go on elsewhere where the directory takes no more.

use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::directory::Blobs;
use crate::oci::Descriptor;
use crate::store::files::{QUARANTINED, TEMPORARY, at, move_aside, persist, temporary_in};
use crate::types::digest::{Digest, VerifyingReader};

const COPY_BUFFER: usize = 256 << 10;

impl Blobs {
    /// Begins a blob whose digest the caller computes. It does not buffer: write in large pieces.
    ///
    /// # Errors
    /// When a temporary file cannot be created.
    pub fn writer(&self) -> io::Result<BlobWriter> {
        let begin = |file, dir: &Path| BlobWriter {
            file,
            dir: dir.to_owned(),
            length: 0,
            spilled: dir != self.0.dir,
            blobs: self.clone(),
        };
        let spill = self.0.spill.as_ref();
        if let Some(spill) = spill.filter(|spill| spill.always) {
            let dir = spill.scratch.dir()?;
            return Ok(begin(temporary_in(dir, TEMPORARY)?, dir));
        }
        match (temporary_in(&self.0.dir, TEMPORARY), spill) {
            (Ok(file), _) => Ok(begin(file, &self.0.dir)),
            (Err(error), None) => Err(error),
            (Err(error), Some(spill)) => {
                (spill.told)(&error);
                let dir = spill.scratch.dir()?;
                Ok(begin(temporary_in(dir, TEMPORARY)?, dir))
            }
        }
    }

    /// Begins a blob that is hashed on its way: `finish()` gives the writer to commit, the digest and the
    /// size.
    ///
    /// # Errors
    /// As for [`Blobs::writer`].
    #[cfg(test)]
    pub fn hashing_writer(&self) -> io::Result<crate::types::digest::HashingWriter<BlobWriter>> {
        self.writer().map(crate::types::digest::HashingWriter::new)
    }

    /// Stores bytes from memory; what is there already is compared and, if damaged, replaced.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        if self.contains(&digest) == Some(bytes.len() as u64)
            && let Ok(mut file) = self.open(&digest)
        {
            let mut found = Vec::with_capacity(bytes.len());
            if file.read_to_end(&mut found).is_ok() && found == bytes {
                return Ok(digest);
            }
        }
        let mut writer = self.writer()?;
        writer.write_all(bytes)?;
        writer.commit(digest, bytes.len() as u64)?;
        Ok(digest)
    }

    /// Stores a stream that must be what `descriptor` says, calling `advance` with each piece's length.
    ///
    /// # Errors
    /// When it cannot be read or written, or, with kind [`io::ErrorKind::InvalidData`], when the bytes are
    /// others.
    pub fn copy_in(
        &self,
        descriptor: &Descriptor,
        stream: impl Read,
        mut advance: impl FnMut(u64),
    ) -> io::Result<()> {
        let mut reader = VerifyingReader::new(stream, descriptor.digest, descriptor.size);
        let mut writer = self.writer()?;
        let mut buffer = vec![0; COPY_BUFFER];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            writer.write_all(&buffer[..read])?;
            advance(read as u64);
        }
        writer.commit(descriptor.digest, descriptor.size)
    }
}

/// A blob being written. Dropping it removes what was written.
#[derive(Debug)]
pub struct BlobWriter {
    pub(super) file: NamedTempFile,
    dir: PathBuf,
    length: u64,
    spilled: bool,
    blobs: Blobs,
}

impl BlobWriter {
    /// Another handle of the file that is written, to read along by position, as long as
    /// [`BlobWriter::moves`] is the same.
    ///
    /// # Errors
    /// When the system has no handle left.
    pub fn handle(&self) -> io::Result<std::fs::File> {
        self.file.as_file().try_clone()
    }

    /// How often what was written has moved to another file.
    #[must_use]
    pub const fn moves(&self) -> u32 {
        self.spilled as u32
    }

    /// Gives the blob its name. The caller vouches for the digest; the size is checked.
    ///
    /// # Errors
    /// When the size is another than was written, or the file cannot be renamed.
    pub fn commit(self, digest: Digest, size: u64) -> io::Result<()> {
        if self.length != size {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{digest}: {} bytes were written, {size} were announced", self.length),
            ));
        }
        let target = self.dir.join(digest.hex());
        // A rename replaces a file or a link, but not a directory: that is damage.
        if std::fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_dir()) {
            move_aside(&target, &target.with_file_name(format!("{QUARANTINED}{}", digest.hex())))?;
        }
        persist(self.file, &target, self.blobs.0.durability)
    }

    /// Goes on elsewhere with what was written so far, if there is an elsewhere.
    fn spill(&mut self, trouble: io::Error) -> io::Result<()> {
        let Some(spill) = self.blobs.0.spill.as_ref().filter(|_| !self.spilled) else { return Err(trouble) };
        (spill.told)(&trouble);
        let dir = spill.scratch.dir()?;
        let mut file = temporary_in(dir, TEMPORARY)?;
        // A failed write may have left part of a piece behind what counts.
        self.file.rewind()?;
        let copied = io::copy(&mut (&mut self.file).take(self.length), &mut file)?;
        if copied != self.length {
            return Err(trouble);
        }
        self.dir = dir.to_owned();
        self.file = file;
        self.spilled = true;
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self.file.as_file_mut().write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.spill(at(&error, self.file.path()))?;
                self.file.as_file_mut().write(bytes).map_err(|error| at(&error, self.file.path()))?
            }
            result => result?,
        };
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
