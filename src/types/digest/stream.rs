//! Streams that are hashed on their way.

use std::io::{self, Read, Write};

use super::sha256::Sha256;
use super::value::Digest;

/// Hashes everything that passes through to `inner`.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Starts an empty hash over `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), length: 0 }
    }

    /// The inner writer, the digest and the number of bytes that passed.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.length)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads exactly the bytes that a descriptor promised: a longer, shorter or different stream is an
/// error of kind [`io::ErrorKind::InvalidData`] at its end, never silently passed on.
pub struct VerifyingReader<R> {
    inner: R,
    hasher: Sha256,
    expected: Digest,
    size: u64,
    seen: u64,
    done: bool,
}

impl<R: Read> VerifyingReader<R> {
    /// Expects `size` bytes whose digest is `expected`.
    pub fn new(inner: R, expected: Digest, size: u64) -> Self {
        Self { inner, hasher: Sha256::new(), expected, size, seen: 0, done: false }
    }

    fn check_end(&mut self) -> io::Result<()> {
        if self.done {
            return Ok(());
        }
        self.done = true;
        if self.seen != self.size {
            return Err(bad(format!(
                "{}: {} bytes arrived, {} were announced",
                self.expected, self.seen, self.size
            )));
        }
        let found = std::mem::take(&mut self.hasher).finish();
        if found != self.expected {
            return Err(bad(format!("{}: the bytes hash to {found}", self.expected)));
        }
        Ok(())
    }
}

fn bad(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        if read == 0 {
            self.check_end()?;
            return Ok(0);
        }
        self.seen += read as u64;
        if self.seen > self.size {
            self.done = true;
            return Err(bad(format!("{}: more than {} bytes arrived", self.expected, self.size)));
        }
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
