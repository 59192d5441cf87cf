//! Building a layer: bodies are read, looked up or encoded on all cores, and come out in order.
//!
//! ```text
//!                    ┌► read → BLAKE3 → cached? else encode ─┐            ┌► SHA-256 of the tar (diffID)
//! bodies ─► window ──┼► …                                    ├─► in order ┤
//!                    └► read → BLAKE3 → cached? else encode ─┘            └► SHA-256 of the blob, store
//! ```
//!
//! A layer that begins like an earlier one goes on from where the two part: the encoded bodies before that are
//! copied, their files are not read, and both digests continue from the states that were kept there.
//!
//! At most a window of bodies is in flight, so memory is bounded by cores × body size however large the
//! layer is. The two digests are sequential by nature: that of the tar is computed by whoever puts the bodies in
//! order, that of the blob by whoever writes it, on a thread of its own.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::body::{self, Bodies, Body, Kind, Segment};
use super::content::{self, Chain, ContentError};
use super::encode::Compression;
use super::entry::{Content, ContentSource, EntryKind};
use super::identity::{self, body_key};
use super::known::{Beginning, BodyList, BodyRecord, KnownBodies, NotKnown, Place};
use super::spec::LayerSpec;
use super::tar::{self, TarError};
use super::trail::{self, Mark};
use crate::blob::Grower;
use crate::deflate;
use crate::digest::{ContentId, Digest, Key, Midstate, Sha256};
use crate::error::{Explain, Kind as ErrorKind};
use crate::image::Descriptor;
use crate::interrupt::{Interrupt, Interrupted};
use crate::observer::{Phase, Progress, Stage, Task};
use crate::store::{BlobWriter, Blobs};
use crate::workers::{Workers, WorkersError};

/// Why a layer cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A payload cannot be read.
    #[error("layer `{layer}`: {source}")]
    Content {
        /// The layer.
        layer: String,
        /// The reason.
        source: ContentError,
    },
    /// An entry cannot be written as tar.
    #[error("layer `{layer}`: {source}")]
    Tar {
        /// The layer.
        layer: String,
        /// The reason.
        source: TarError,
    },
    /// The blob cannot be stored.
    #[error("layer `{layer}`: cannot store the blob: {source}")]
    Store {
        /// The layer.
        layer: String,
        /// The reason.
        source: io::Error,
    },
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// There are no threads to work with.
    #[error(transparent)]
    Threads(#[from] WorkersError),
    /// A worker panicked.
    #[error("layer `{0}`: a worker thread panicked")]
    Panicked(String),
    /// The blob that it begins like turned out to be gone or damaged.
    #[error("layer `{0}`: the blob that it begins like is gone or damaged")]
    NoBeginning(String),
}

impl Explain for LayerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Content { .. } | Self::Tar { .. } | Self::Store { .. } => ErrorKind::Input,
            Self::Interrupted(_) => ErrorKind::Interrupted,
            Self::Threads(error) => error.kind(),
            Self::Panicked(_) | Self::NoBeginning(_) => ErrorKind::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Threads(error) => error.hint(),
            Self::Content { source: ContentError::Changed(_), .. } => {
                Some("wait until the artifact is finished, then build again".into())
            }
            Self::Store { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, or set PACK_CACHE_DIR to another disk; `pack cache prune` empties the store".into())
            }
            _ => None,
        }
    }
}

/// What layers are built with.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// Where blobs go.
    pub blobs: &'a Blobs,
    /// The threads that read and encode.
    pub workers: &'a Workers,
    /// Encoded bodies that are known already.
    pub known: &'a KnownBodies,
    /// Buffers to use again.
    pub buffers: &'a Buffers,
    /// Who reads the blob while it is written.
    pub grower: Option<&'a Grower>,
    /// Who is told.
    pub progress: &'a Progress,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// Called when all bodies are handed to the threads, so that they will soon have time for others.
    pub handed_out: &'a (dyn Fn() + Sync),
}

/// A finished layer, in the store.
#[derive(Clone, Debug)]
pub struct Built {
    /// The blob.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The bodies of the blob, in order.
    pub bodies: Vec<BodyRecord>,
    /// The states of both hashes after some of them.
    pub(crate) marks: Vec<Mark>,
    /// The content ids of files that were read, by entry index.
    pub ids: Vec<(usize, ContentId)>,
    /// How much work it was.
    pub work: Work,
}

/// How much of a layer had to be done and how much was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Bodies in the layer.
    pub bodies: usize,
    /// Bodies that were encoded.
    pub encoded: usize,
    /// Bytes of tar.
    pub bytes: u64,
    /// Bytes of tar that were encoded.
    pub encoded_bytes: u64,
    /// Bodies that were encoded again because the blob that had them is gone or damaged.
    pub lost: usize,
    /// Bodies that were copied because the layer begins like an earlier one: neither read nor hashed.
    pub kept: usize,
    /// Bytes of tar of those.
    pub kept_bytes: u64,
}

impl Built {
    /// What others need to use its blob, if the layer's entries have these keys.
    #[must_use]
    pub fn list(&self, layer: &LayerSpec, compression: Compression, keys: &[Key]) -> BodyList {
        let checkpoints = trail::checkpoints(layer, compression, keys, &self.marks);
        BodyList { bodies: self.bodies.clone(), checkpoints }
    }
}

/// Builds the layer and stores its blob. With the keys of its entries, it goes on from an earlier blob that begins
/// alike.
///
/// # Errors
/// When a payload cannot be read or is not what was planned, when the blob cannot be stored, or when the
/// user interrupts. Nothing is left behind.
pub fn build(
    layer: &LayerSpec,
    keys: Option<&[Key]>,
    compression: Compression,
    workshop: &Workshop<'_>,
) -> Result<Built, LayerError> {
    let beginning = keys.and_then(|keys| workshop.known.beginning(layer, compression, keys));
    let is_resumed = beginning.is_some();
    match build_from(beginning, layer, compression, workshop) {
        // What readers have seen of it is checked when it was read, and will come again.
        Err(LayerError::NoBeginning(_)) if is_resumed => build_from(None, layer, compression, workshop),
        result => result,
    }
}

fn build_from(
    beginning: Option<Beginning>,
    layer: &LayerSpec,
    compression: Compression,
    workshop: &Workshop<'_>,
) -> Result<Built, LayerError> {
    let store_error = |source| LayerError::Store { layer: layer.name().to_owned(), source };
    let (places, mut marks) =
        beginning.map_or_else(Default::default, |beginning| (beginning.places, beginning.marks));
    let writer = workshop.blobs.writer().map_err(store_error)?;
    let output = Output::new(writer, workshop.grower, marks.last());
    let task = workshop.progress.task(Phase::Layer, layer.name(), Some(layer.payload_size()));
    let pool = workshop.workers.pool()?;
    let window = 2 * pool.current_num_threads() + 2;
    let shared = Shared {
        layer: layer.clone(),
        compression,
        encoder: compression.encoder_id(),
        buffers: workshop.buffers.clone(),
    };
    let shared = Arc::new(shared);
    let collected = std::thread::scope(|scope| {
        let (coded, coded_in) = sync_channel::<Encoded>(2);
        let blob = scope.spawn({
            let shared = &shared;
            move || write_blob(output, coded_in, shared)
        });
        let collector = Collector::new(marks.last());
        let collected = run(&shared, workshop, pool, window, &places, collector, &task, &coded);
        drop(coded);
        let panicked = || LayerError::Panicked(layer.name().to_owned());
        let blob = blob.join().map_err(|_| panicked())?;
        // The writer's error is the cause when collecting stopped because its channel closed.
        let collected = match (collected, &blob) {
            (Err(Stop::ChannelClosed), Ok(_)) => return Err(panicked()),
            (Err(Stop::ChannelClosed), Err(_)) => Collected::default(),
            (Err(Stop::Failed(error)), _) => return Err(error),
            (Ok(collected), _) => collected,
        };
        Ok((blob.map_err(store_error)?, collected))
    });
    let (mut output, collected) = collected?;
    output
        .write(&compression.epilogue(collected.crc.clone().finalize(), collected.work.bytes))
        .map_err(store_error)?;
    let blob_states = std::mem::take(&mut output.states);
    let (digest, size) = output.commit().map_err(store_error)?;
    let states = collected.states.into_iter().zip(blob_states);
    marks.extend(states.map(|((bodies, tar), blob)| Mark { bodies, tar, blob }));
    task.finish("built");
    Ok(Built {
        descriptor: Descriptor::new(compression.media_type(), digest, size),
        diff_id: collected.tar.finish(),
        bodies: collected.records,
        marks,
        ids: collected.ids,
        work: collected.work,
    })
}

/// What every worker needs; owned, because the pool outlives the call.
struct Shared {
    layer: LayerSpec,
    compression: Compression,
    encoder: String,
    buffers: Buffers,
}

/// Buffers that went through the pipeline once and can go again, of this layer or of another.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        // Of full size at once: growing would move it, and only what is used of it takes memory.
        let fresh = || Vec::with_capacity(body::PIECE as usize + (64 << 10));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_else(fresh)
    }

    fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    fn give_shared(&self, buffer: Arc<Vec<u8>>) {
        if let Ok(buffer) = Arc::try_unwrap(buffer) {
            self.give(buffer);
        }
    }
}

/// A body that a worker has finished.
struct Finished {
    /// Nothing of a body that is copied with what stands before it.
    plain: Arc<Vec<u8>>,
    encoded: Encoded,
    record: BodyRecord,
    /// Why it had to be encoded; `None` if it was known.
    unknown: Option<NotKnown>,
    ids: Vec<(usize, ContentId)>,
    /// For a piece of a large file: the entry and the piece's hash.
    piece: Option<(usize, ContentId)>,
}

impl Finished {
    const fn outcome(&self) -> &'static str {
        match (&self.encoded, self.unknown) {
            (Encoded::Kept(_), _) => "kept",
            (Encoded::Same(_), _) => "copied",
            (_, None) => "known",
            (_, Some(_)) => "encoded",
        }
    }
}

/// Encoded bytes; an uncompressed layer's are the plain ones.
enum Encoded {
    Same(Arc<Vec<u8>>),
    Own(Vec<u8>),
    /// A part of the beginning, which the state that was resumed has hashed.
    Kept(Vec<u8>),
}

impl Encoded {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Same(bytes) => bytes,
            Self::Own(bytes) | Self::Kept(bytes) => bytes,
        }
    }
}

#[derive(Default)]
struct Collected {
    tar: Sha256,
    /// Its states after some bodies.
    states: Vec<(usize, Midstate)>,
    crc: crc32fast::Hasher,
    records: Vec<BodyRecord>,
    ids: Vec<(usize, ContentId)>,
    work: Work,
}

enum Stop {
    Failed(LayerError),
    ChannelClosed,
}

impl<E: Into<LayerError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

type Slot = Receiver<Result<Finished, LayerError>>;

/// Keeps the window full and passes finished bodies on, in order; the first ones are copied from `places`.
#[allow(clippy::too_many_arguments)]
fn run(
    shared: &Arc<Shared>,
    workshop: &Workshop<'_>,
    pool: &rayon::ThreadPool,
    window: usize,
    places: &[Place],
    mut collector: Collector,
    task: &Task,
    coded: &SyncSender<Encoded>,
) -> Result<Collected, Stop> {
    let mut slots: VecDeque<Slot> = VecDeque::new();
    let mut dispatcher = Dispatcher { shared, workshop, pool, chain: None };
    let result = (|| {
        for (number, body) in Bodies::new(shared.layer.entries()).enumerate() {
            workshop.interrupt.check().map_err(LayerError::from)?;
            let body =
                body.map_err(|source| LayerError::Tar { layer: shared.layer.name().to_owned(), source })?;
            slots.push_back(match places.get(number) {
                Some(place) => dispatcher.keep(*place),
                None => dispatcher.start(body),
            });
            if slots.len() >= window
                && let Some(slot) = slots.pop_front()
            {
                collector.take(shared, &slot, task, coded)?;
            }
        }
        (workshop.handed_out)();
        while let Some(slot) = slots.pop_front() {
            collector.take(shared, &slot, task, coded)?;
        }
        Ok(())
    })();
    if result.is_err() {
        dispatcher.abandon();
        // Workers borrow nothing, but what they write into must not outlive a failed build unnoticed.
        slots.iter().for_each(|slot| drop(slot.recv()));
    }
    result.map(|()| collector.collected)
}

/// Starts bodies on the pool.
struct Dispatcher<'a, 'w> {
    shared: &'a Arc<Shared>,
    workshop: &'a Workshop<'w>,
    pool: &'a rayon::ThreadPool,
    /// The large zip entry under way.
    chain: Option<(usize, Arc<Chain>)>,
}

impl Dispatcher<'_, '_> {
    /// Reads, and encodes what is not known.
    fn start(&mut self, body: Body) -> Slot {
        let chain = self.chain_for(&body);
        self.spawn(move |shared, known| {
            let result = finish_body(shared, known, &body, chain.as_deref());
            if let (Err(_), Some(chain)) = (&result, &chain) {
                chain.abandon();
            }
            result
        })
    }

    /// Copies a body of the beginning.
    fn keep(&self, place: Place) -> Slot {
        self.spawn(move |shared, known| {
            let mut encoded = shared.buffers.take();
            let record = known
                .read_at(&place, place.record.plain_length as usize, &mut encoded)
                .map_err(|_| LayerError::NoBeginning(shared.layer.name().to_owned()))?;
            let (plain, encoded) = (Arc::default(), Encoded::Kept(encoded));
            Ok(Finished { plain, encoded, record, unknown: None, ids: Vec::new(), piece: None })
        })
    }

    fn spawn(
        &self,
        work: impl FnOnce(&Shared, &KnownBodies) -> Result<Finished, LayerError> + Send + 'static,
    ) -> Slot {
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
            // Nobody waits any more when the build has failed elsewhere.
            let _ = sender.send(result);
        });
        receiver
    }

    fn chain_for(&mut self, body: &Body) -> Option<Arc<Chain>> {
        let [Segment::Payload { entry, offset, .. }] = body.segments[..] else { return None };
        if body.kind != Kind::Data {
            return None;
        }
        if self.chain.as_ref().is_none_or(|(of, _)| *of != entry) {
            let content = content_of(&self.shared.layer, entry)?;
            self.chain = Chain::new(content, offset).map(|chain| (entry, chain));
        }
        self.chain.as_ref().filter(|(of, _)| *of == entry).map(|(_, chain)| Arc::clone(chain))
    }

    fn abandon(&self) {
        if let Some((_, chain)) = &self.chain {
            chain.abandon();
        }
    }
}

fn content_of(layer: &LayerSpec, entry: usize) -> Option<&Content> {
    match &layer.entries()[entry].kind {
        EntryKind::File(content) => Some(content),
        _ => None,
    }
}

/// The work of one worker on one body.
fn finish_body(
    shared: &Shared,
    known: &KnownBodies,
    body: &Body,
    chain: Option<&Chain>,
) -> Result<Finished, LayerError> {
    let mut plain = shared.buffers.take();
    let ids = fill(shared, body, chain, &mut plain)?;
    let content = ContentId::of(&plain);
    let key = body_key(&shared.encoder, body.kind, &content);
    let piece = piece_of(shared, body, content);
    let plain = Arc::new(plain);
    if shared.compression == Compression::None {
        let record = BodyRecord::new(key, &plain, &plain);
        let encoded = Encoded::Same(Arc::clone(&plain));
        return Ok(Finished { plain, encoded, record, unknown: Some(NotKnown::New), ids, piece });
    }
    let mut encoded = shared.buffers.take();
    let (record, unknown) = match known.read(&key, plain.len(), &mut encoded) {
        Ok(record) => (record, None),
        Err(why) => (encode(shared, key, &plain, &mut encoded)?, Some(why)),
    };
    Ok(Finished { plain, encoded: Encoded::Own(encoded), record, unknown, ids, piece })
}

fn encode(shared: &Shared, key: Key, plain: &[u8], out: &mut Vec<u8>) -> Result<BodyRecord, LayerError> {
    thread_local! {
        static SCRATCH: std::cell::RefCell<deflate::Scratch> = std::cell::RefCell::default();
    }
    SCRATCH
        .with_borrow_mut(|scratch| shared.compression.encode(plain, scratch, out))
        .map_err(|source| LayerError::Store { layer: shared.layer.name().to_owned(), source })?;
    Ok(BodyRecord::new(key, plain, out))
}

/// Reads a body's bytes; returns the ids of the small files in it.
fn fill(
    shared: &Shared,
    body: &Body,
    chain: Option<&Chain>,
    plain: &mut Vec<u8>,
) -> Result<Vec<(usize, ContentId)>, LayerError> {
    let layer = || shared.layer.name().to_owned();
    plain.reserve(body.length as usize);
    let mut ids = Vec::new();
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
                    ids.push((entry, ContentId::of(&plain[start..])));
                }
            }
        }
    }
    Ok(ids)
}

fn piece_of(shared: &Shared, body: &Body, content: ContentId) -> Option<(usize, ContentId)> {
    let [Segment::Payload { entry, .. }] = body.segments[..] else { return None };
    let is_file = matches!(content_of(&shared.layer, entry)?.source, ContentSource::File(..));
    (body.kind == Kind::Data && is_file).then_some((entry, content))
}

/// Takes finished bodies in order.
#[derive(Default)]
struct Collector {
    collected: Collected,
    /// The large file under way: its entry and the hashes of its pieces so far.
    pieces: Option<(usize, Vec<ContentId>)>,
}

impl Collector {
    /// After what `mark` stands for, which others pass on.
    fn new(mark: Option<&Mark>) -> Self {
        let tar = mark.map_or_else(Sha256::new, |mark| Sha256::resume(&mark.tar));
        Self { collected: Collected { tar, ..Collected::default() }, pieces: None }
    }

    fn take(
        &mut self,
        shared: &Shared,
        slot: &Slot,
        task: &Task,
        coded: &SyncSender<Encoded>,
    ) -> Result<(), Stop> {
        let panicked = || LayerError::Panicked(shared.layer.name().to_owned());
        let finished = slot.recv().map_err(|_| panicked())??;
        let length = u64::from(finished.record.plain_length);
        let is_kept = matches!(finished.encoded, Encoded::Kept(_));
        self.count(&finished);
        self.remember_piece(shared, finished.piece);
        self.collected.ids.extend(finished.ids);
        coded.send(finished.encoded).map_err(|_| Stop::ChannelClosed)?;
        if !is_kept {
            self.collected.tar.update(&finished.plain);
            let bodies = self.collected.work.bodies;
            if trail::is_marked(bodies) {
                self.collected.states.push((bodies, self.collected.tar.midstate()));
            }
            shared.buffers.give_shared(finished.plain);
        }
        task.advance(length);
        Ok(())
    }

    fn count(&mut self, finished: &Finished) {
        let record = finished.record;
        let work = &mut self.collected.work;
        work.bodies += 1;
        work.bytes += u64::from(record.plain_length);
        if let Encoded::Kept(_) = finished.encoded {
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

    fn remember_piece(&mut self, shared: &Shared, piece: Option<(usize, ContentId)>) {
        let Some((entry, hash)) = piece else { return };
        match &mut self.pieces {
            Some((of, hashes)) if *of == entry => hashes.push(hash),
            pieces => *pieces = Some((entry, vec![hash])),
        }
        let size = shared.layer.entries()[entry].payload_size();
        if let Some((_, hashes)) = &self.pieces
            && hashes.len() as u64 == size.div_ceil(body::PIECE)
        {
            self.collected.ids.push((entry, identity::of_pieces(hashes)));
        }
    }
}

fn write_blob<'g>(
    mut output: Output<'g>,
    bodies: Receiver<Encoded>,
    shared: &Shared,
) -> io::Result<Output<'g>> {
    let prologue = shared.compression.prologue();
    if output.is_resumed {
        output.write_hashed(prologue)?
    } else {
        output.write(prologue)?
    }
    for (number, encoded) in bodies.into_iter().enumerate() {
        if let Encoded::Kept(bytes) = &encoded {
            output.write_hashed(bytes)?;
        } else {
            output.write(encoded.bytes())?;
            output.mark(number + 1);
        }
        match encoded {
            Encoded::Own(buffer) | Encoded::Kept(buffer) => shared.buffers.give(buffer),
            Encoded::Same(buffer) => shared.buffers.give_shared(buffer),
        }
    }
    Ok(output)
}

/// The blob on its way to the store, hashed, and shown to whoever reads along.
struct Output<'g> {
    writer: BlobWriter,
    hasher: Sha256,
    /// Whether the hasher has the beginning already.
    is_resumed: bool,
    /// The hasher's states after some bodies.
    states: Vec<Midstate>,
    sum: crc32fast::Hasher,
    length: u64,
    grower: Option<&'g Grower>,
    /// Which of the writer's files the readers have.
    shown: Option<u32>,
}

impl<'g> Output<'g> {
    fn new(writer: BlobWriter, grower: Option<&'g Grower>, mark: Option<&Mark>) -> Self {
        let hasher = mark.map_or_else(Sha256::new, |mark| Sha256::resume(&mark.blob));
        let (is_resumed, states, sum) = (mark.is_some(), Vec::new(), crc32fast::Hasher::new());
        Self { writer, hasher, is_resumed, states, sum, length: 0, grower, shown: None }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
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

    fn commit(self) -> io::Result<(Digest, u64)> {
        let digest = self.hasher.finish();
        self.writer.commit(digest, self.length)?;
        Ok((digest, self.length))
    }
}

impl LayerError {
    /// The file at fault, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Content { source: ContentError::Io { path, .. } | ContentError::Changed(path), .. } => {
                Some(path)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::layer::{Entry, EntryPath, Metadata};
    use crate::zip::fixture::Item;

    struct Bench {
        directory: tempfile::TempDir,
        blobs: Blobs,
        progress: Progress,
        interrupt: Interrupt,
    }

    impl Bench {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("temporary directory");
            let blobs = Blobs::new(directory.path().join("blobs"), crate::store::Durability::Relaxed);
            Self { directory, blobs, progress: Progress::default(), interrupt: Interrupt::default() }
        }

        fn build(&self, spec: &LayerSpec, threads: usize, known: &KnownBodies) -> Result<Built, LayerError> {
            self.build_as(spec, Compression::default(), threads, known)
        }

        fn build_as(
            &self,
            spec: &LayerSpec,
            compression: Compression,
            threads: usize,
            known: &KnownBodies,
        ) -> Result<Built, LayerError> {
            let workers = Workers::new(std::num::NonZeroUsize::new(threads).expect("a thread"));
            let workshop = Workshop {
                buffers: &Buffers::default(),
                blobs: &self.blobs,
                workers: &workers,
                grower: None,
                known,
                progress: &self.progress,
                interrupt: &self.interrupt,
                handed_out: &|| (),
            };
            build(spec, None, compression, &workshop)
        }

        fn blob(&self, built: &Built) -> Vec<u8> {
            let mut bytes = Vec::new();
            let mut file = self.blobs.open(&built.descriptor.digest).expect("blob");
            file.read_to_end(&mut bytes).expect("readable");
            assert_eq!(Digest::of(&bytes), built.descriptor.digest);
            assert_eq!(bytes.len() as u64, built.descriptor.size);
            bytes
        }
    }

    /// Bytes that neither compress to nothing nor refuse to.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b"abcdefghijklmnop \n"[(state >> 33) as usize % 18]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn tree() -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> =
            (0..150).map(|i| (format!("app/f{i:03}"), noise(i * 97 % 5000, i as u64))).collect();
        files.push(("app/big".into(), noise(3_500_000, 7)));
        files.push(("app/empty".into(), Vec::new()));
        files.push(("app/middle".into(), noise(300_000, 8)));
        files
    }

    fn spec(files: &[(String, Vec<u8>)]) -> LayerSpec {
        let path = |text: &str| EntryPath::new(text.as_bytes()).expect("path");
        let mut entries = vec![Entry::directory(path("app"))];
        entries
            .extend(files.iter().map(|(name, bytes)| Entry::bytes(path(name), Metadata::file(false), bytes)));
        LayerSpec::new("app", entries).expect("valid")
    }

    fn decoded(blob: &[u8]) -> Vec<u8> {
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(blob).read_to_end(&mut tar).expect("one gzip member");
        tar
    }

    #[test]
    fn the_blob_is_the_canonical_tar_whatever_the_threads() {
        let bench = Bench::new();
        let spec = spec(&tree());
        let one = bench.build(&spec, 1, &KnownBodies::default()).expect("builds");
        let eight = bench.build(&spec, 8, &KnownBodies::default()).expect("builds");
        assert_eq!((&one.descriptor, one.diff_id), (&eight.descriptor, eight.diff_id));
        let tar = decoded(&bench.blob(&one));
        let mut expected = Vec::new();
        for entry in spec.entries() {
            tar::write_header(entry, &mut expected).expect("header");
            if let EntryKind::File(content) = &entry.kind {
                content::read(content, 0, content.size, &mut expected).expect("content");
                expected.resize(expected.len() + tar::padding(content.size), 0);
            }
        }
        expected.extend_from_slice(&tar::END);
        assert_eq!(tar, expected);
        assert_eq!(Digest::of(&tar), one.diff_id);
    }

    #[test]
    fn every_compression_holds_the_same_tar() {
        let bench = Bench::new();
        let spec = spec(&tree());
        let gzip = bench.build(&spec, 2, &KnownBodies::default()).expect("builds");
        let zstd = Compression::Zstd(crate::layer::ZstdLevel::default());
        for compression in [zstd, Compression::None] {
            let built = bench.build_as(&spec, compression, 2, &KnownBodies::default()).expect("builds");
            assert_eq!(built.diff_id, gzip.diff_id);
            let blob = bench.blob(&built);
            let tar = if compression == zstd { zstd::decode_all(&blob[..]).expect("zstd") } else { blob };
            assert_eq!(Digest::of(&tar), built.diff_id);
        }
    }

    #[test]
    fn a_change_encodes_only_the_bodies_it_touches() {
        let bench = Bench::new();
        let mut files = tree();
        let first = bench.build(&spec(&files), 2, &KnownBodies::default()).expect("builds");
        assert_eq!(first.work.encoded, first.work.bodies);
        let lists =
            || [(first.descriptor.digest, BodyList { bodies: first.bodies.clone(), ..BodyList::default() })];
        let known = KnownBodies::new(&bench.blobs, Compression::default(), lists());
        files[40].1 = noise(1000, 99);
        let warm = bench.build(&spec(&files), 2, &known).expect("builds");
        assert_eq!(warm.work.encoded, 1);
        let cold = bench.build(&spec(&files), 2, &KnownBodies::default()).expect("builds");
        assert_eq!(warm.descriptor, cold.descriptor);
    }

    fn keys(spec: &LayerSpec) -> Vec<Key> {
        let key = |entry: &Entry| identity::entry_key(entry, None).expect("its bytes are here");
        spec.entries().iter().map(key).collect()
    }

    impl Bench {
        /// What is known after these builds.
        fn known(&self, compression: Compression, builds: &[(&LayerSpec, &Built)]) -> KnownBodies {
            let lists = builds
                .iter()
                .map(|(spec, built)| (built.descriptor.digest, built.list(spec, compression, &keys(spec))));
            KnownBodies::new(&self.blobs, compression, lists)
        }

        fn rebuild(&self, spec: &LayerSpec, compression: Compression, known: &KnownBodies) -> Built {
            let workers = Workers::new(std::num::NonZeroUsize::new(2).expect("two"));
            let workshop = Workshop {
                buffers: &Buffers::default(),
                blobs: &self.blobs,
                workers: &workers,
                grower: None,
                known,
                progress: &self.progress,
                interrupt: &self.interrupt,
                handed_out: &|| (),
            };
            build(spec, Some(&keys(spec)), compression, &workshop).expect("builds")
        }
    }

    #[test]
    fn what_stands_before_a_change_is_kept() {
        for compression in [Compression::default(), Compression::Zstd(Default::default()), Compression::None]
        {
            let bench = Bench::new();
            let mut files = tree();
            let old = spec(&files);
            let first = bench.build_as(&old, compression, 2, &KnownBodies::default()).expect("builds");
            let known = bench.known(compression, &[(&old, &first)]);
            files[149].1 = noise(1000, 99);
            let new = spec(&files);
            let second = bench.rebuild(&new, compression, &known);
            let work = second.work;
            assert!(work.kept >= 4 && work.kept_bytes > 3_000_000, "{work:?}");
            assert!(work.kept < work.bodies && work.encoded < work.bodies, "{work:?}");
            let cold = bench.build_as(&new, compression, 2, &KnownBodies::default()).expect("builds");
            assert_eq!((&second.descriptor, second.diff_id), (&cold.descriptor, cold.diff_id));
            assert_eq!((&second.bodies, &second.marks), (&cold.bodies, &cold.marks));
            bench.blob(&second);
            // A layer that went on can be gone on from.
            files[148].1 = noise(1000, 98);
            let third =
                bench.rebuild(&spec(&files), compression, &bench.known(compression, &[(&new, &second)]));
            assert!(third.work.kept >= 4, "{:?}", third.work);
            let cold =
                bench.build_as(&spec(&files), compression, 1, &KnownBodies::default()).expect("builds");
            assert_eq!((&third.descriptor, third.diff_id), (&cold.descriptor, cold.diff_id));
        }
    }

    #[test]
    fn a_damaged_beginning_is_built_again() {
        let bench = Bench::new();
        let mut files = tree();
        let old = spec(&files);
        let first = bench.build(&old, 2, &KnownBodies::default()).expect("builds");
        let path = bench.blobs.path(&first.descriptor.digest);
        let good = std::fs::read(&path).expect("blob");
        files[149].1 = noise(1000, 99);
        let new = spec(&files);
        let cold = bench.build(&new, 2, &KnownBodies::default()).expect("builds");
        for at in [0, 12, good.len() / 3] {
            let mut bytes = good.clone();
            bytes.truncate(if at == 0 { 1000 } else { good.len() });
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).expect("damaged");
            let (growing, grower) = crate::blob::growing("app");
            let mut reader = growing.reader();
            let reading = std::thread::spawn(move || {
                let mut seen = Vec::new();
                reader.read_to_end(&mut seen).map(|_| seen)
            });
            let workers = Workers::new(std::num::NonZeroUsize::new(2).expect("two"));
            let workshop = Workshop {
                buffers: &Buffers::default(),
                blobs: &bench.blobs,
                workers: &workers,
                grower: Some(&grower),
                known: &bench.known(Compression::default(), &[(&old, &first)]),
                progress: &bench.progress,
                interrupt: &bench.interrupt,
                handed_out: &|| (),
            };
            let second = build(&new, Some(&keys(&new)), Compression::default(), &workshop).expect("builds");
            assert_eq!((second.work.kept, second.work.lost > 0), (0, true), "{:?}", second.work);
            assert_eq!((&second.descriptor, second.diff_id), (&cold.descriptor, cold.diff_id));
            let blob = bench.blob(&second);
            grower.finish(crate::blob::Blob::in_memory(second.descriptor.clone(), blob.clone(), "app"));
            assert_eq!(reading.join().expect("no panic").expect("readable"), blob, "readers see the whole");
        }
    }

    #[test]
    fn a_layer_can_go_on_within_a_large_zip_entry() {
        let bench = Bench::new();
        let large = noise(9 << 20, 5);
        let archive = |last: &[u8]| {
            let file = bench.directory.path().join(format!("{}.zip", last.len()));
            let items = [Item::deflated("a/large", &large), Item::deflated("b/last", last)];
            std::fs::write(&file, crate::zip::fixture::write(&items)).expect("written");
            Arc::new(crate::zip::Archive::open(&file).expect("an archive"))
        };
        let spec = |archive: &Arc<crate::zip::Archive>| {
            let entry = |index: usize| Entry {
                path: EntryPath::new(&archive.entries()[index].name).expect("path"),
                metadata: Metadata::file(false),
                kind: EntryKind::File(Content {
                    size: archive.entries()[index].size,
                    source: ContentSource::Zip(Arc::clone(archive), index),
                }),
            };
            LayerSpec::new("app", vec![entry(0), entry(1)]).expect("valid")
        };
        let keys = |archive: &Arc<crate::zip::Archive>, spec: &LayerSpec| -> Vec<Key> {
            let id = |index| identity::identify_zipped(archive, index).expect("readable");
            let key = |(index, entry)| identity::entry_key(entry, Some(&id(index))).expect("known");
            spec.entries().iter().enumerate().map(key).collect()
        };
        let (old, new) = (archive(b"one"), archive(b"three"));
        let (before, after) = (spec(&old), spec(&new));
        let compression = Compression::default();
        let first = bench.build(&before, 2, &KnownBodies::default()).expect("builds");
        let list = first.list(&before, compression, &keys(&old, &before));
        let known = KnownBodies::new(&bench.blobs, compression, [(first.descriptor.digest, list)]);
        let workers = Workers::new(std::num::NonZeroUsize::new(2).expect("two"));
        let workshop = Workshop {
            buffers: &Buffers::default(),
            blobs: &bench.blobs,
            workers: &workers,
            grower: None,
            known: &known,
            progress: &bench.progress,
            interrupt: &bench.interrupt,
            handed_out: &|| (),
        };
        let second = build(&after, Some(&keys(&new, &after)), compression, &workshop).expect("builds");
        // A header, nine pieces: eight bodies are a multiple of the marks' distance.
        assert_eq!(second.work.kept, 8, "{:?}", second.work);
        let cold = bench.build(&after, 2, &KnownBodies::default()).expect("builds");
        assert_eq!((&second.descriptor, second.diff_id), (&cold.descriptor, cold.diff_id));
    }

    #[test]
    fn a_damaged_blob_is_a_miss() {
        let bench = Bench::new();
        let files = tree();
        let first = bench.build(&spec(&files), 2, &KnownBodies::default()).expect("builds");
        let path = bench.blobs.path(&first.descriptor.digest);
        let good = std::fs::read(&path).expect("blob");
        for damage in 0..3 {
            let mut bytes = good.clone();
            match damage {
                0 => bytes.truncate(1000),
                1 => bytes.iter_mut().for_each(|byte| *byte = 0),
                _ => bytes[good.len() / 2] ^= 1,
            }
            std::fs::write(&path, &bytes).expect("damaged");
            let list = BodyList { bodies: first.bodies.clone(), ..BodyList::default() };
            let lists = [(first.descriptor.digest, list)];
            let known = KnownBodies::new(&bench.blobs, Compression::default(), lists);
            let again = bench.build(&spec(&files), 2, &known).expect("builds");
            assert_eq!(again.descriptor, first.descriptor);
            assert!(again.work.encoded > 0);
            assert_eq!(std::fs::read(&path).expect("blob"), good, "healed");
        }
    }

    #[test]
    fn ids_of_files_are_those_that_identify_gives() {
        let bench = Bench::new();
        let mut entries = Vec::new();
        for (name, bytes) in tree() {
            let file = bench.directory.path().join(name.replace('/', "-"));
            std::fs::write(&file, &bytes).expect("written");
            let stamp = crate::layer::Stamp::of(&file.symlink_metadata().expect("stat"));
            let content = Content { size: bytes.len() as u64, source: ContentSource::File(file, stamp) };
            entries.push(Entry {
                path: EntryPath::new(name.as_bytes()).expect("path"),
                metadata: Metadata::file(false),
                kind: EntryKind::File(content),
            });
        }
        let layer = LayerSpec::new("files", entries).expect("valid");
        let built = bench.build(&layer, 2, &KnownBodies::default()).expect("builds");
        let with_bytes = layer.entries().iter().filter(|entry| entry.payload_size() > 0).count();
        assert_eq!(built.ids.len(), with_bytes);
        for (index, id) in built.ids {
            let content = content_of(&layer, index).expect("file");
            assert_eq!(identity::identify(content).expect("readable"), id);
        }
    }

    #[test]
    fn a_file_that_changed_is_an_error_and_leaves_nothing() {
        let bench = Bench::new();
        let file = bench.directory.path().join("grows");
        std::fs::write(&file, noise(400_000, 1)).expect("written");
        let stamp = crate::layer::Stamp::of(&file.symlink_metadata().expect("stat"));
        let content = Content { size: 400_000, source: ContentSource::File(file.clone(), stamp) };
        let entry = Entry {
            path: EntryPath::new(b"grows").expect("path"),
            metadata: Metadata::file(false),
            kind: EntryKind::File(content),
        };
        let layer = LayerSpec::new("l", vec![entry]).expect("valid");
        std::fs::write(&file, noise(400_001, 1)).expect("changed");
        let error = bench.build(&layer, 2, &KnownBodies::default()).expect_err("changed");
        assert!(error.to_string().contains("changed while it was read"), "{error}");
    }
}
