//! A layer read to its end, entry by entry, at the expense of a budget. Payloads are handed on piece by piece.

use std::io::{self, BufReader, Cursor, Read};

use super::unpack::unpacked;
use crate::formats::untar::{LAYER, ReadThrough, TarEntry, TarWalk, UntarError};
use crate::oci::media_type::{LayerCompression, MAGIC};
use crate::runtime::budget::{Budget, MeteredReader};
use crate::runtime::interrupt::Interrupt;
use crate::types::digest::{Digest, Sha256};
use crate::types::error::carry;

/// How often to look whether the user interrupted, in entries.
const GLANCE: u64 = 256;

/// Takes the entries of a layer.
pub(super) trait LayerVisitor {
    /// A piece of the payload of the entry that comes next.
    fn piece(&mut self, bytes: &[u8]);

    /// An entry, after its payload.
    ///
    /// # Errors
    /// When it costs too much.
    fn entry(&mut self, entry: TarEntry) -> io::Result<()>;
}

/// Reads a blob to its end, so that its digest is checked on all of it.
///
/// # Errors
/// When it is no layer, or costs too much.
pub(super) fn read_layer(
    mut blob: impl Read,
    budget: &Budget,
    interrupt: &Interrupt,
    visitor: &mut impl LayerVisitor,
) -> io::Result<()> {
    read_tar(tar_of(&mut blob)?, budget, interrupt, visitor)?;
    io::copy(&mut blob, &mut io::sink())?;
    Ok(())
}

/// The digest of the tar of a layer, which is its diff ID.
///
/// # Errors
/// When it cannot be unpacked, or costs too much.
pub(super) fn tar_digest(mut blob: impl Read, budget: &Budget, interrupt: &Interrupt) -> io::Result<Digest> {
    let mut tar = MeteredReader::new(tar_of(&mut blob)?, budget);
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        interrupt.check().map_err(carry)?;
        match tar.read(&mut piece)? {
            0 => return Ok(hash.finish()),
            read => hash.update(&piece[..read]),
        }
    }
}

/// The decompressed bytes of a blob.
fn tar_of<'a>(mut blob: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut start = Vec::new();
    (&mut blob).take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = LayerCompression::of_bytes(&start);
    unpacked(BufReader::with_capacity(128 << 10, Cursor::new(start).chain(blob)), compression)
}

fn read_tar(
    tar: impl Read,
    budget: &Budget,
    interrupt: &Interrupt,
    visitor: &mut impl LayerVisitor,
) -> io::Result<()> {
    let mut tar = MeteredReader::new(tar, budget);
    let mut walk = TarWalk::new(ReadThrough(&mut tar), LAYER);
    while let Some(entry) = walk.next().map_err(UntarError::into_io)? {
        if entry.sparse.is_some() {
            let name = String::from_utf8_lossy(&entry.path).into_owned();
            return Err(UntarError::Sparse(name).into_io());
        }
        if walk.entries() % GLANCE == 1 {
            interrupt.check().map_err(carry)?;
        }
        walk.payload(|piece| visitor.piece(piece)).map_err(UntarError::into_io)?;
        visitor.entry(entry)?;
    }
    io::copy(&mut tar, &mut io::sink())?;
    Ok(())
}

/// Tells how much of a blob was read.
pub(super) struct ProgressReader<R, F> {
    pub(super) inner: R,
    pub(super) advance: F,
}

impl<R: Read, F: Fn(u64)> Read for ProgressReader<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        (self.advance)(read as u64);
        Ok(read)
    }
}

/// A path without `.`, empty parts and slashes at either end.
pub(super) fn normal(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.collect::<Vec<_>>().join(&b'/')
}
