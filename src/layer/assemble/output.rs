//! The blob on its way to the store, hashed, and shown to its readers.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;

use super::super::trail::{self, Mark};
use super::super::ztoc::Spans;
use super::work::{EncodedBody, EncodedBytes};
use super::workshop::WorkerState;
use crate::oci::blob::BlobGrower;
use crate::store::BlobWriter;
use crate::types::digest::{Digest, Midstate, Sha256};

pub(super) fn write_blob<'g>(
    mut output: LayerOutput<'g>,
    bodies: Receiver<EncodedBody>,
    shared: &WorkerState,
) -> io::Result<LayerOutput<'g>> {
    let prologue = Bytes::from_static(shared.compression.prologue());
    output.append(&prologue)?;
    if !output.is_resumed {
        output.hasher.update(&prologue);
    }
    for (number, EncodedBody { encoded, plain_length }) in bodies.into_iter().enumerate() {
        let is_kept = matches!(encoded, EncodedBytes::Kept(_));
        let bytes = match encoded {
            EncodedBytes::Own(buffer) | EncodedBytes::Kept(buffer) => {
                shared.buffers.encoded.lend(Arc::new(buffer))
            }
            EncodedBytes::Same(buffer) => shared.buffers.plain.lend(buffer),
        };
        output.append(&bytes)?;
        if !is_kept {
            output.hasher.update(&bytes);
            output.mark(number + 1);
        }
        if let Some(spans) = &mut output.spans {
            spans.body(&bytes, plain_length);
        }
    }
    Ok(output)
}

/// The blob on its way to the store, hashed, and shown to its readers.
pub(super) struct LayerOutput<'g> {
    writer: BlobWriter,
    hasher: Sha256,
    /// Whether the hasher has the beginning already.
    is_resumed: bool,
    /// The hasher's states after some bodies.
    pub(super) states: Vec<Midstate>,
    pub(super) length: u64,
    grower: Option<&'g BlobGrower>,
    /// Which of the writer's files the readers have.
    shown: Option<u32>,
    /// Of a SOCI layer.
    pub(super) spans: Option<Spans>,
}

impl<'g> LayerOutput<'g> {
    pub(super) fn new(
        writer: BlobWriter,
        grower: Option<&'g BlobGrower>,
        mark: Option<&Mark>,
        spans: Option<Spans>,
    ) -> Self {
        let hasher = mark.map_or_else(Sha256::new, |mark| Sha256::resume(&mark.blob));
        grower.iter().for_each(|grower| grower.begin());
        let is_resumed = mark.is_some();
        Self { writer, hasher, is_resumed, states: Vec::new(), length: 0, grower, shown: None, spans }
    }

    pub(super) fn write(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let bytes = Bytes::from(bytes);
        self.append(&bytes)?;
        self.hasher.update(&bytes);
        Ok(())
    }

    /// Writes bytes that are hashed before or afterwards: readers have work of their own to do with them meanwhile.
    fn append(&mut self, bytes: &Bytes) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.length += bytes.len() as u64;
        if let Some(grower) = self.grower {
            let file = Some(self.writer.moves());
            if self.shown != file {
                grower.file(self.writer.handle()?);
                self.shown = file;
            }
            grower.push(bytes.clone());
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
