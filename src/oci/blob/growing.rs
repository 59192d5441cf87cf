//! Blobs that are still being made: what there is of them can be read already, so that a layer is on its
//! way to the registry while its end is being compressed.
//!
//! ```text
//! maker ─► piece, piece, piece │ the last few in memory ─► readers that keep up
//!                └► file ──────┘ the others, checked    ─► readers that do not
//! ```
//!
//! Invariants: readers see the bytes in order, only after they are written, and exactly as they were made. Readers
//! wait for more bytes. If the maker of a blob gave up, its readers get an error, never a short blob. Memory is
//! bounded, however slow the readers are.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::Blob;

/// How much is kept for readers before they must turn to the file: so many bytes, and so many pieces, since the memory
/// that a piece lies in may be larger than the piece.
const WINDOW: usize = 2 << 20;
const PIECES: usize = 8;
/// How many bytes of a finished blob are kept: on a slow line many wait, while others are being made. Nothing of a
/// larger one that has no reader yet.
const REST: usize = 512 << 10;

/// A blob that is being made; cheap to clone.
#[derive(Clone)]
pub struct GrowingBlob(Arc<GrowingState>);

struct GrowingState {
    title: String,
    state: Mutex<GrowthState>,
    /// The blob has come to its end.
    ended: Condvar,
}

#[derive(Default)]
struct GrowthState {
    /// Where pieces are that are no longer in memory.
    file: Option<Arc<File>>,
    /// Those pieces, in order.
    stored: Vec<StoredPiece>,
    /// The pieces after them.
    recent: VecDeque<Bytes>,
    /// Bytes of those.
    in_memory: usize,
    end: Option<GrowthEnd>,
    /// Where readers are, by number; at the end of all when they are gone.
    positions: Vec<u64>,
    /// Readers that wait for more.
    waiting: Vec<Waker>,
}

/// A piece that only the file has.
#[derive(Clone, Copy)]
struct StoredPiece {
    /// Where it ends; it begins where the one before it ends.
    end: u64,
    crc32: u32,
}

enum GrowthEnd {
    Finished(Box<Blob>),
    Abandoned,
}

/// The maker's side of a [`GrowingBlob`]. Dropping it before the end is giving up.
pub struct BlobGrower(GrowingBlob);

/// A blob that begins to be made, and the maker's side of it. `title` is for people.
#[must_use]
pub fn growing(title: &str) -> (GrowingBlob, BlobGrower) {
    let shared = GrowingState { title: title.to_owned(), state: Mutex::default(), ended: Condvar::new() };
    let growing = GrowingBlob(Arc::new(shared));
    (growing.clone(), BlobGrower(growing))
}

impl GrowthState {
    /// Where the pieces in memory begin.
    fn stored_length(&self) -> u64 {
        self.stored.last().map_or(0, |last| last.end)
    }

    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        if !self.waiting.iter().any(|waiting| waiting.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Lets go of the oldest pieces, if the file has them: of those that all readers have, and of more than is kept.
    fn evict(&mut self) {
        let passed = self.positions.iter().copied().min().unwrap_or(0);
        let window = match self.end {
            None => WINDOW,
            Some(_) if self.stored.is_empty() || !self.positions.is_empty() => REST,
            Some(_) => 0,
        };
        while self.file.is_some()
            && let Some(piece) = self.recent.front()
        {
            let end = self.stored_length() + piece.len() as u64;
            if end > passed && self.in_memory <= window && self.recent.len() <= PIECES {
                break;
            }
            self.stored.push(StoredPiece { end, crc32: crc32fast::hash(piece) });
            self.in_memory -= piece.len();
            self.recent.pop_front();
        }
    }

    /// The bytes from `position` on, up to the end of a piece.
    fn after(&self, position: u64) -> Option<BlobPart> {
        let number = self.stored.partition_point(|piece| piece.end <= position);
        if let (Some(piece), Some(file)) = (self.stored.get(number), &self.file) {
            let start = number.checked_sub(1).map_or(0, |before| self.stored[before].end);
            let skip = (position - start) as usize;
            return Some(BlobPart::Stored(StoredPart { file: Arc::clone(file), start, piece: *piece, skip }));
        }
        let mut start = self.stored_length();
        for piece in &self.recent {
            let end = start + piece.len() as u64;
            if position < end {
                return Some(BlobPart::Memory(piece.slice((position - start) as usize..)));
            }
            start = end;
        }
        None
    }
}

impl BlobGrower {
    /// Says that the maker begins, or once more: readers who have seen some of it go on where they are.
    pub fn begin(&self) {
        let mut state = self.0.state();
        (state.file, state.in_memory) = (None, 0);
        state.stored.clear();
        state.recent.clear();
    }

    /// Says which file has all pieces so far and those that follow; to be said again if they move. Without one, all
    /// stay in memory.
    pub fn file(&self, file: File) {
        self.0.state().file = Some(Arc::new(file));
    }

    /// Says what the next bytes are, which the file has, if there is one.
    pub fn push(&self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        let mut state = self.0.state();
        state.in_memory += piece.len();
        state.recent.push_back(piece);
        state.evict();
        state.wake();
    }

    /// Says that all bytes are there, and what they are.
    pub fn finish(self, blob: Blob) {
        self.0.end(GrowthEnd::Finished(Box::new(blob)));
    }
}

impl Drop for BlobGrower {
    fn drop(&mut self) {
        self.0.end(GrowthEnd::Abandoned);
    }
}

impl GrowingBlob {
    /// For people: the name of the layer.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// Whether there is anything to read yet.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        let state = self.state();
        !state.recent.is_empty() || !state.stored.is_empty() || state.end.is_some()
    }

    /// The blob when it is finished: waits for that; `None` when its maker gave up.
    #[must_use]
    pub fn finished(&self) -> Option<Blob> {
        let mut state = self.state();
        loop {
            if let Some(end) = &state.end {
                return end.blob();
            }
            state = self.0.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`GrowingBlob::finished`], for a task.
    pub async fn ended(&self) -> Option<Blob> {
        std::future::poll_fn(|context| {
            let mut state = self.state();
            match &state.end {
                Some(end) => Poll::Ready(end.blob()),
                None => state.wait(context),
            }
        })
        .await
    }

    /// Reads from the first byte on.
    #[must_use]
    pub fn reader(&self) -> GrowingReader {
        let positions = &mut self.state().positions;
        positions.push(0);
        GrowingReader { growing: self.clone(), number: positions.len() - 1 }
    }

    fn state(&self) -> MutexGuard<'_, GrowthState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only the first end counts.
    fn end(&self, end: GrowthEnd) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        state.evict();
        state.wake();
        drop(state);
        self.0.ended.notify_all();
    }
}

impl GrowthEnd {
    fn blob(&self) -> Option<Blob> {
        match self {
            Self::Finished(blob) => Some(Blob::clone(blob)),
            Self::Abandoned => None,
        }
    }
}

/// Reads a [`GrowingBlob`] blob.
pub struct GrowingReader {
    growing: GrowingBlob,
    number: usize,
}

impl Drop for GrowingReader {
    fn drop(&mut self) {
        self.growing.state().positions[self.number] = u64::MAX;
    }
}

/// Bytes of a blob that grows.
pub enum BlobPart {
    /// Here they are.
    Memory(Bytes),
    /// They have to be read, which may block.
    Stored(StoredPart),
}

/// Bytes that only the file has.
pub struct StoredPart {
    file: Arc<File>,
    start: u64,
    piece: StoredPiece,
    /// How many bytes of the piece were read before.
    skip: usize,
}

impl StoredPart {
    /// How much memory it takes to read them.
    #[must_use]
    pub const fn size(&self) -> usize {
        (self.piece.end - self.start) as usize
    }

    /// Reads them into `memory`, which has that size; they are what comes after the number of bytes that is returned.
    /// The maker may have failed to write them, or somebody else may have changed them since: what is not what was
    /// made is an error.
    ///
    /// # Errors
    /// When they cannot be read, or are others.
    pub fn read(&self, memory: &mut [u8]) -> io::Result<usize> {
        self.file.read_exact_at(memory, self.start)?;
        if crc32fast::hash(memory) != self.piece.crc32 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the bytes that were read back are not those of the layer",
            ));
        }
        Ok(self.skip)
    }
}

impl GrowingReader {
    /// The next bytes; nothing at the end of a finished blob.
    ///
    /// # Errors
    /// When the blob was not made to its end.
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<io::Result<Option<BlobPart>>> {
        let mut state = self.growing.state();
        let position = state.positions[self.number];
        let next = state.after(position);
        let length = match (&next, &state.end) {
            (_, Some(GrowthEnd::Abandoned)) => {
                return Poll::Ready(Err(io::Error::other("the layer was not built to its end")));
            }
            (Some(BlobPart::Memory(bytes)), _) => bytes.len() as u64,
            (Some(BlobPart::Stored(part)), _) => part.piece.end - position,
            (None, Some(GrowthEnd::Finished(_))) => 0,
            (None, None) => return state.wait(context),
        };
        state.positions[self.number] = position + length;
        state.evict();
        Poll::Ready(Ok(next))
    }
}

/// Wakes a thread that is parked.
#[cfg(test)]
struct Unpark(std::thread::Thread);

#[cfg(test)]
impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
impl GrowingBlob {
    /// All bytes, and how many of them came from the file.
    pub(crate) fn read_to_end(&self) -> io::Result<(Vec<u8>, usize)> {
        let mut reader = self.reader();
        let (mut bytes, mut stored) = (Vec::new(), 0);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match reader.poll_next(&Context::from_waker(&waker)) {
                Poll::Pending => std::thread::park(),
                Poll::Ready(part) => match part? {
                    Some(BlobPart::Memory(piece)) => bytes.extend_from_slice(&piece),
                    Some(BlobPart::Stored(part)) => {
                        let mut memory = vec![0; part.size()];
                        let skip = part.read(&mut memory)?;
                        stored += memory.len() - skip;
                        bytes.extend_from_slice(&memory[skip..]);
                    }
                    None => return Ok((bytes, stored)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::oci::{Descriptor, MediaType};
    use crate::types::digest::Digest;

    fn blob(bytes: &[u8]) -> Blob {
        let descriptor = Descriptor::new(MediaType::ImageLayerGzip, Digest::of(bytes), bytes.len() as u64);
        Blob::in_memory(descriptor, bytes.to_vec(), "layer")
    }

    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn readers_see_all_bytes_in_order_while_they_come() {
        let (growing, grower) = growing("layer");
        let mut file = tempfile::tempfile().expect("temporary file");
        let bytes = numbers(2_000_000);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let growing = growing.clone();
                std::thread::spawn(move || growing.read_to_end())
            })
            .collect();
        grower.begin();
        grower.file(file.try_clone().expect("another handle"));
        for piece in bytes.chunks(70_001) {
            file.write_all(piece).expect("written");
            grower.push(Bytes::copy_from_slice(piece));
        }
        grower.finish(blob(&bytes));
        for reader in readers {
            assert_eq!(reader.join().expect("no panic").expect("whole").0, bytes);
        }
        let (late, stored) = growing.read_to_end().expect("whole");
        assert_eq!(late, bytes);
        assert!(bytes.len() - stored <= REST, "no more than the window is in memory");
        assert_eq!(growing.finished().expect("finished").descriptor.digest, Digest::of(&bytes));
    }

    #[test]
    fn a_finished_blob_that_nobody_reads_yet_takes_no_memory() {
        for (count, in_memory) in [(2_000_000, 0), (100_000, 400_000)] {
            let (growing, grower) = growing("layer");
            let bytes = numbers(count);
            let mut file = tempfile::tempfile().expect("temporary file");
            file.write_all(&bytes).expect("written");
            grower.file(file);
            bytes.chunks(1 << 20).for_each(|piece| grower.push(Bytes::copy_from_slice(piece)));
            grower.finish(blob(&bytes));
            let (read, stored) = growing.read_to_end().expect("whole");
            assert_eq!((read.len() - stored, read == bytes), (in_memory, true));
        }
    }

    #[test]
    fn content_without_a_file_is_read_as_well() {
        let (growing, grower) = growing("config");
        let bytes = numbers(2_000_000);
        bytes.chunks(1 << 20).for_each(|piece| grower.push(Bytes::copy_from_slice(piece)));
        grower.finish(blob(&bytes));
        assert_eq!(growing.read_to_end().expect("whole"), (bytes, 0));
    }

    #[test]
    fn giving_up_is_an_error_and_no_short_blob() {
        let (growing, grower) = growing("layer");
        grower.push(Bytes::from_static(b"begin"));
        drop(grower);
        assert!(growing.read_to_end().is_err());
        assert!(growing.finished().is_none());
    }

    #[test]
    fn a_maker_that_begins_again_does_not_disturb_readers() {
        let (growing, grower) = growing("layer");
        let bytes = numbers(100);
        let mut reader = growing.reader();
        grower.begin();
        grower.push(Bytes::copy_from_slice(&bytes[..300]));
        let context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(Some(BlobPart::Memory(first)))) = reader.poll_next(&context) else {
            panic!("there is something")
        };
        grower.begin();
        bytes.chunks(70).for_each(|piece| grower.push(Bytes::copy_from_slice(piece)));
        let Poll::Ready(Ok(Some(BlobPart::Memory(second)))) = reader.poll_next(&context) else {
            panic!("there is something")
        };
        assert_eq!((&first[..], &second[..]), (&bytes[..300], &bytes[300..350]));
        grower.finish(blob(&bytes));
        assert_eq!(growing.read_to_end().expect("whole").0, bytes);
    }

    #[test]
    fn what_the_file_has_is_checked() {
        let (growing, grower) = growing("layer");
        let bytes = numbers(2_000_000);
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(&bytes).expect("written");
        file.write_all_at(b"other", 1_000_000).expect("damaged");
        grower.file(file);
        bytes.chunks(1 << 20).for_each(|piece| grower.push(Bytes::copy_from_slice(piece)));
        grower.finish(blob(&bytes));
        let error = growing.read_to_end().expect_err("damaged");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
