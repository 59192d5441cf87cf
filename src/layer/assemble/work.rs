//! The work of workers: reading a body, looking it up or encoding it, or copying it from a blob that begins alike.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::super::body::{self, Body, BodyKind, Segment};
use super::super::content::{self, Chain};
use super::super::encode::Compression;
use super::super::entry::{Content, ContentSource, EntryKind};
use super::super::estargz::Chunk;
use super::super::identity::body_key;
use super::super::list::BodyPlace;
use super::super::lookup::{BodyLookup, NotKnown};
use super::super::record::BodyRecord;
use super::super::spec::LayerSpec;
use super::super::tar;
use super::error::LayerError;
use super::workshop::{WorkerState, Workshop};
use crate::formats::deflate;
use crate::runtime::events::Stage;
use crate::types::digest::{ContentId, Key};

/// A body that a worker has finished.
pub(super) struct FinishedBody {
    /// Nothing of a body that is copied with what stands before it.
    pub(super) plain: Arc<Vec<u8>>,
    pub(super) encoded: EncodedBytes,
    pub(super) record: BodyRecord,
    /// Why it had to be encoded; `None` if it was known.
    pub(super) unknown: Option<NotKnown>,
    pub(super) ids: Vec<(usize, ContentId)>,
    /// For a piece of a large file: the entry and the piece's hash.
    pub(super) piece: Option<(usize, ContentId)>,
    /// Where files' bytes are in it, for a table of contents.
    pub(super) chunks: Vec<Chunk>,
}

impl FinishedBody {
    const fn outcome(&self) -> &'static str {
        match (&self.encoded, self.unknown) {
            (EncodedBytes::Kept(_), _) => "kept",
            (EncodedBytes::Same(_), _) => "copied",
            (_, None) => "known",
            (_, Some(_)) => "encoded",
        }
    }
}

/// Encoded bytes; an uncompressed layer's are the plain ones.
pub(super) enum EncodedBytes {
    Same(Arc<Vec<u8>>),
    Own(Vec<u8>),
    /// A part of the beginning, which the state that was resumed has hashed.
    Kept(Vec<u8>),
}

/// An encoded body on its way into the blob.
pub(super) struct EncodedBody {
    pub(super) encoded: EncodedBytes,
    /// Before it was encoded.
    pub(super) plain_length: u64,
}

pub(super) type PendingBody = Receiver<Result<FinishedBody, LayerError>>;

/// Starts bodies on the pool.
pub(super) struct Dispatcher<'a, 'w> {
    pub(super) shared: &'a Arc<WorkerState>,
    pub(super) workshop: &'a Workshop<'w>,
    pub(super) pool: &'a rayon::ThreadPool,
    /// The large zip entry under way.
    pub(super) chain: Option<(usize, Arc<Chain>)>,
}

impl Dispatcher<'_, '_> {
    /// Reads, and encodes what is not known.
    pub(super) fn start(&mut self, body: Body) -> PendingBody {
        let chain = self.chain_for(&body);
        let interrupt = self.workshop.interrupt.clone();
        self.spawn(move |shared, known| {
            let result = interrupt
                .check()
                .map_err(LayerError::from)
                .and_then(|()| finish_body(shared, known, &body, chain.as_deref()));
            if let (Err(_), Some(chain)) = (&result, &chain) {
                chain.abandon();
            }
            result
        })
    }

    /// Copies a body of the beginning, which is `length` bytes long before it is encoded.
    pub(super) fn keep(&self, place: BodyPlace, length: u64) -> PendingBody {
        self.spawn(move |shared, known| {
            let mut encoded = shared.buffers.encoded.take();
            let record = known
                .read_at(&place, length as usize, &mut encoded)
                .map_err(|_| LayerError::NoBeginning(shared.layer.name().to_owned()))?;
            let (plain, encoded) = (Arc::default(), EncodedBytes::Kept(encoded));
            Ok(FinishedBody {
                plain,
                encoded,
                record,
                unknown: None,
                ids: Vec::new(),
                piece: None,
                chunks: Vec::new(),
            })
        })
    }

    fn spawn(
        &self,
        work: impl FnOnce(&WorkerState, &BodyLookup) -> Result<FinishedBody, LayerError> + Send + 'static,
    ) -> PendingBody {
        let (sender, receiver) = sync_channel(1);
        let shared = Arc::clone(self.shared);
        let known = self.workshop.known.clone();
        let progress = self.workshop.progress.clone();
        self.pool.spawn_fifo(move || {
            let step = progress.step(Stage::Body, shared.layer.name());
            let result = work(&shared, &known);
            if let Ok(finished) = &result {
                step.finish(u64::from(finished.record.plain_length), finished.outcome());
            }
            // The receiver is gone when the build has failed elsewhere.
            let _ = sender.send(result);
        });
        receiver
    }

    fn chain_for(&mut self, body: &Body) -> Option<Arc<Chain>> {
        let [Segment::Payload { entry, offset, .. }] = body.segments[..] else { return None };
        if body.kind != BodyKind::Data {
            return None;
        }
        if self.chain.as_ref().is_none_or(|(of, _)| *of != entry) {
            let content = content_of(&self.shared.layer, entry)?;
            self.chain = Chain::new(content, offset).map(|chain| (entry, chain));
        }
        self.chain.as_ref().filter(|(of, _)| *of == entry).map(|(_, chain)| Arc::clone(chain))
    }

    pub(super) fn abandon(&self) {
        if let Some((_, chain)) = &self.chain {
            chain.abandon();
        }
    }
}

pub(super) fn content_of(layer: &LayerSpec, entry: usize) -> Option<&Content> {
    match &layer.entries()[entry].kind {
        EntryKind::File(content) => Some(content),
        _ => None,
    }
}

/// The work of one worker on one body.
fn finish_body(
    shared: &WorkerState,
    known: &BodyLookup,
    body: &Body,
    chain: Option<&Chain>,
) -> Result<FinishedBody, LayerError> {
    let mut plain = shared.buffers.plain.take_empty();
    let BodyContents { ids, chunks } = fill(shared, body, chain, &mut plain)?;
    let content = match (&body.segments[..], &ids[..]) {
        // A body that is one whole file has its hash.
        ([Segment::Payload { .. }], [(_, id)]) => *id,
        _ => ContentId::of(&plain),
    };
    let key = body_key(&shared.encoder, body.kind, &content);
    let piece = piece_of(shared, body, content);
    let plain = Arc::new(plain);
    if shared.compression == Compression::None {
        let record = BodyRecord::new(key, &plain, &plain);
        let encoded = EncodedBytes::Same(Arc::clone(&plain));
        return Ok(FinishedBody { plain, encoded, record, unknown: Some(NotKnown::New), ids, piece, chunks });
    }
    let mut encoded = shared.buffers.encoded.take();
    let (record, unknown) = match known.read(&key, plain.len(), &mut encoded) {
        Ok(record) => (record, None),
        Err(why) => (encode(shared, key, &plain, &mut encoded)?, Some(why)),
    };
    Ok(FinishedBody { plain, encoded: EncodedBytes::Own(encoded), record, unknown, ids, piece, chunks })
}

fn encode(shared: &WorkerState, key: Key, plain: &[u8], out: &mut Vec<u8>) -> Result<BodyRecord, LayerError> {
    thread_local! {
        static SCRATCH: std::cell::RefCell<deflate::DeflateScratch> = std::cell::RefCell::default();
    }
    SCRATCH
        .with_borrow_mut(|scratch| shared.compression.encode(plain, scratch, out))
        .map_err(|source| LayerError::Store { layer: shared.layer.name().to_owned(), source })?;
    Ok(BodyRecord::new(key, plain, out))
}

/// The facts about a body's bytes that are found while they are read.
#[derive(Default)]
struct BodyContents {
    /// Of the small files in it.
    ids: Vec<(usize, ContentId)>,
    chunks: Vec<Chunk>,
}

/// Reads a body's bytes.
fn fill(
    shared: &WorkerState,
    body: &Body,
    chain: Option<&Chain>,
    plain: &mut Vec<u8>,
) -> Result<BodyContents, LayerError> {
    let layer = || shared.layer.name().to_owned();
    plain.reserve(body.length as usize);
    let mut filled = BodyContents::default();
    for segment in &body.segments {
        match *segment {
            Segment::Header(index) => tar::write_header(&shared.layer.entries()[index], plain)
                .map_err(|source| LayerError::Tar { layer: layer(), source })?,
            Segment::Zeros(length) => plain.resize(plain.len() + length, 0),
            Segment::Payload { entry, offset, length } => {
                let Some(content) = content_of(&shared.layer, entry) else { continue };
                let start = plain.len();
                match chain {
                    Some(chain) => chain.read(offset, length, plain),
                    None => content::read(content, offset, length, plain),
                }
                .map_err(|source| LayerError::Content { layer: layer(), source })?;
                if matches!(content.source, ContentSource::File(..)) && content.size < body::LARGE {
                    filled.ids.push((entry, ContentId::of(&plain[start..])));
                }
                if shared.compression.has_contents() {
                    filled.chunks.push(Chunk::new(entry, offset, start, &plain[start..]));
                }
            }
        }
    }
    Ok(filled)
}

fn piece_of(shared: &WorkerState, body: &Body, content: ContentId) -> Option<(usize, ContentId)> {
    let [Segment::Payload { entry, .. }] = body.segments[..] else { return None };
    let is_file = matches!(content_of(&shared.layer, entry)?.source, ContentSource::File(..));
    (body.kind == BodyKind::Data && is_file).then_some((entry, content))
}
