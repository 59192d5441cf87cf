//! The blob on its way to the store, hashed, and shown to whoever reads along.

use std::io::{self, Write as _};
use std::sync::mpsc::Receiver;

use super::super::trail::{self, Mark};
use super::super::ztoc::Spans;
use super::Shared;
use super::work::{Coded, Encoded};
use crate::blob::Grower;
use crate::digest::{Digest, Midstate, Sha256};
use crate::store::BlobWriter;

pub(super) fn write_blob<'g>(
    mut output: Output<'g>,
    bodies: Receiver<Coded>,
    shared: &Shared,
) -> io::Result<Output<'g>> {
    let prologue = shared.compression.prologue();
    if output.is_resumed {
        output.write_hashed(prologue)?;
    } else {
        output.write(prologue)?;
    }
    for (number, Coded { encoded, plain_length }) in bodies.into_iter().enumerate() {
        if let Encoded::Kept(bytes) = &encoded {
            output.write_hashed(bytes)?;
        } else {
            output.write(encoded.bytes())?;
            output.mark(number + 1);
        }
        if let Some(spans) = &mut output.spans {
            spans.body(encoded.bytes(), plain_length);
        }
        match encoded {
            Encoded::Own(buffer) | Encoded::Kept(buffer) => shared.buffers.give(buffer),
            Encoded::Same(buffer) => shared.buffers.give_shared(buffer),
        }
    }
    Ok(output)
}

/// The blob on its way to the store, hashed, and shown to whoever reads along.
pub(super) struct Output<'g> {
    writer: BlobWriter,
    hasher: Sha256,
    /// Whether the hasher has the beginning already.
    is_resumed: bool,
    /// The hasher's states after some bodies.
    pub(super) states: Vec<Midstate>,
    sum: crc32fast::Hasher,
    pub(super) length: u64,
    grower: Option<&'g Grower>,
    /// Which of the writer's files the readers have.
    shown: Option<u32>,
    /// Of a SOCI layer.
    pub(super) spans: Option<Spans>,
}

impl<'g> Output<'g> {
    pub(super) fn new(
        writer: BlobWriter,
        grower: Option<&'g Grower>,
        mark: Option<&Mark>,
        spans: Option<Spans>,
    ) -> Self {
        let hasher = mark.map_or_else(Sha256::new, |mark| Sha256::resume(&mark.blob));
        let (is_resumed, states, sum) = (mark.is_some(), Vec::new(), crc32fast::Hasher::new());
        Self { writer, hasher, is_resumed, states, sum, length: 0, grower, shown: None, spans }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_hashed(bytes)?;
        // After the readers know of the bytes: they have work of their own to do with them.
        self.hasher.update(bytes);
        Ok(())
    }

    /// Writes what the hasher has already.
    fn write_hashed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.length += bytes.len() as u64;
        if let Some(grower) = self.grower {
            let file = Some(self.writer.moves());
            if self.shown != file {
                grower.file(self.writer.handle()?);
                self.shown = file;
            }
            self.sum.update(bytes);
            grower.reach(self.length, self.sum.clone().finalize());
        }
        Ok(())
    }

    fn mark(&mut self, bodies: usize) {
        if trail::is_marked(bodies) {
            self.states.push(self.hasher.midstate());
        }
    }

    pub(super) fn commit(self) -> io::Result<(Digest, u64)> {
        let digest = self.hasher.finish();
        self.writer.commit(digest, self.length)?;
        Ok((digest, self.length))
    }
}
