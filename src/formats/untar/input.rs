//! Input that is read through, and input that is skipped in.

use std::io::{self, Read, Seek, SeekFrom};

/// Input that can pass over bytes.
pub(crate) trait Skip: Read {
    /// Passes over `bytes`.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;

    /// Passes over `bytes`, or says that the input ends before.
    fn skip_if_there(&mut self, bytes: u64) -> io::Result<bool>;
}

/// Skips by reading, for what must be read anyway.
pub(crate) struct ReadThrough<R>(pub(crate) R);

impl<R: Read> Read for ReadThrough<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Skip for ReadThrough<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if !self.skip_if_there(bytes)? {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends within a file"));
        }
        Ok(())
    }

    fn skip_if_there(&mut self, bytes: u64) -> io::Result<bool> {
        Ok(io::copy(&mut (&mut self.0).take(bytes), &mut io::sink())? == bytes)
    }
}

/// Skips by seeking. Whether the bytes exist is for the caller to compare with the file's length.
pub(crate) struct SeekInput<R>(pub(crate) R);

impl<R: Read> Read for SeekInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read + Seek> Skip for SeekInput<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
        self.0.seek(SeekFrom::Current(bytes)).map(|_| ())
    }

    fn skip_if_there(&mut self, bytes: u64) -> io::Result<bool> {
        self.skip(bytes).map(|()| true)
    }
}
