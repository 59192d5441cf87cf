//! Finished bodies, taken in order: the tar's hash and checksum, and what is remembered of each.

use std::sync::mpsc::SyncSender;

use super::super::body;
use super::super::estargz::FileDigests;
use super::super::identity;
use super::super::lookup::NotKnown;
use super::super::record::BodyRecord;
use super::super::trail::{self, Mark};
use super::error::LayerError;
use super::result::LayerWork;
use super::work::{EncodedBody, EncodedBytes, FinishedBody, PendingBody};
use super::workshop::{Stop, WorkerState};
use crate::runtime::events::Task;
use crate::types::digest::{ContentId, Midstate, Sha256};

/// Totals of the bodies so far.
#[derive(Default)]
pub(super) struct BodyTotals {
    pub(super) tar: Sha256,
    /// Its states after some bodies.
    pub(super) states: Vec<(usize, Midstate)>,
    pub(super) crc: crc32fast::Hasher,
    pub(super) records: Vec<BodyRecord>,
    pub(super) ids: Vec<(usize, ContentId)>,
    pub(super) work: LayerWork,
    /// For a table of contents.
    pub(super) files: FileDigests,
}

/// Takes finished bodies in order.
#[derive(Default)]
pub(super) struct BodyCollector {
    pub(super) collected: BodyTotals,
    /// The large file under way: its entry and the hashes of its pieces so far.
    pieces: Option<(usize, Vec<ContentId>)>,
}

impl BodyCollector {
    /// After what `mark` stands for, which others pass on.
    pub(super) fn new(mark: Option<&Mark>) -> Self {
        let tar = mark.map_or_else(Sha256::new, |mark| Sha256::resume(&mark.tar));
        Self { collected: BodyTotals { tar, ..BodyTotals::default() }, pieces: None }
    }

    pub(super) fn take(
        &mut self,
        shared: &WorkerState,
        slot: &PendingBody,
        task: &Task,
        coded: &SyncSender<EncodedBody>,
    ) -> Result<(), Stop> {
        let panicked = || LayerError::Panicked(shared.layer.name().to_owned());
        let finished = slot.recv().map_err(|_| panicked())??;
        let length = u64::from(finished.record.plain_length);
        let is_kept = matches!(finished.encoded, EncodedBytes::Kept(_));
        let number = self.collected.work.bodies;
        self.collected.files.take(number, &finished.chunks, &finished.plain, &shared.layer);
        self.count(&finished);
        self.remember_piece(shared, finished.piece);
        self.collected.ids.extend(finished.ids);
        let body = EncodedBody { encoded: finished.encoded, plain_length: length };
        coded.send(body).map_err(|_| Stop::ChannelClosed)?;
        if !is_kept {
            self.collected.tar.update(&finished.plain);
            let bodies = self.collected.work.bodies;
            if trail::is_marked(bodies) {
                self.collected.states.push((bodies, self.collected.tar.midstate()));
            }
            shared.buffers.plain.give(finished.plain);
        }
        task.advance(length);
        Ok(())
    }

    fn count(&mut self, finished: &FinishedBody) {
        let record = finished.record;
        let work = &mut self.collected.work;
        work.bodies += 1;
        work.bytes += u64::from(record.plain_length);
        if let EncodedBytes::Kept(_) = finished.encoded {
            work.kept += 1;
            work.kept_bytes += u64::from(record.plain_length);
        }
        if let Some(why) = finished.unknown {
            work.encoded += 1;
            work.encoded_bytes += u64::from(record.plain_length);
            work.lost += usize::from(why == NotKnown::Lost);
        }
        let part = crc32fast::Hasher::new_with_initial_len(record.crc32, u64::from(record.plain_length));
        self.collected.crc.combine(&part);
        self.collected.records.push(record);
    }

    fn remember_piece(&mut self, shared: &WorkerState, piece: Option<(usize, ContentId)>) {
        let Some((entry, hash)) = piece else { return };
        match &mut self.pieces {
            Some((of, hashes)) if *of == entry => hashes.push(hash),
            pieces => *pieces = Some((entry, vec![hash])),
        }
        let size = shared.layer.entries()[entry].payload_size();
        if let Some((_, hashes)) = &self.pieces
            && hashes.len() as u64 == size.div_ceil(body::PIECE)
        {
            self.collected.ids.push((entry, identity::of_pieces(hashes, size)));
        }
    }
}
