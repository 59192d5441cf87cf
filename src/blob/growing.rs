//! Blobs that are still being made: what there is of them can be read already, so that a layer is on its
//! way to the registry while its end is being compressed.
//!
//! Invariants: readers see the bytes in order and never one that is not written; they wait where there is
//! nothing yet; a blob whose maker gave up is an error to whoever reads it, never a short blob.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Blob, BlobStream};

/// A blob that is being made; cheap to clone.
#[derive(Clone)]
pub struct Growing(Arc<Shared>);

struct Shared {
    title: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the bytes are, once there are any.
    file: Option<Arc<File>>,
    /// How many.
    length: u64,
    /// Their CRC-32.
    crc32: u32,
    end: Option<End>,
}

enum End {
    Finished(Box<Blob>),
    Abandoned,
}

/// The maker's side of a [`Growing`]. Dropping it before the end is giving up.
pub struct Grower(Growing);

/// A blob that begins to be made, and the maker's side of it. `title` is for people.
#[must_use]
pub fn growing(title: &str) -> (Growing, Grower) {
    let shared = Shared { title: title.to_owned(), state: Mutex::default(), changed: Condvar::new() };
    let growing = Growing(Arc::new(shared));
    (growing.clone(), Grower(growing))
}

impl Grower {
    /// Says where the bytes are; to be said again if they move.
    pub fn file(&self, file: File) {
        self.0.state().file = Some(Arc::new(file));
    }

    /// Says that the first `length` bytes are there, and their CRC-32: who reads them back can tell at the end
    /// whether they are the bytes that were made, for much less than another SHA-256.
    pub fn reach(&self, length: u64, crc32: u32) {
        let mut state = self.0.state();
        (state.length, state.crc32) = (length, crc32);
        drop(state);
        self.0.0.changed.notify_all();
    }

    /// Says that all bytes are there, and what they are.
    pub fn finish(self, blob: Blob) {
        self.0.end(End::Finished(Box::new(blob)));
    }
}

impl Drop for Grower {
    fn drop(&mut self) {
        self.0.end(End::Abandoned);
    }
}

impl Growing {
    /// For people: the name of the layer.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// Whether there is anything to read yet.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        let state = self.state();
        state.length > 0 || state.end.is_some()
    }

    /// The blob when it is finished: waits for that; `None` when its maker gave up.
    #[must_use]
    pub fn finished(&self) -> Option<Blob> {
        let mut state = self.state();
        loop {
            match &state.end {
                Some(End::Finished(blob)) => return Some(Blob::clone(blob)),
                Some(End::Abandoned) => return None,
                None => state = self.wait(state),
            }
        }
    }

    /// The CRC-32 of a finished blob that was seen to grow; `None` of one that was not.
    #[must_use]
    pub fn crc32(&self) -> Option<u32> {
        let state = self.state();
        state.file.is_some().then_some(state.crc32)
    }

    /// Reads from the first byte on, waiting for those that are not there yet.
    #[must_use]
    pub fn reader(&self) -> GrowingReader {
        GrowingReader { growing: self.clone(), position: 0, rest: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Only the first end counts.
    fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.0.changed.notify_all();
    }
}

/// Reads a [`Growing`] blob.
pub struct GrowingReader {
    growing: Growing,
    position: u64,
    /// The finished content, where it never was in a file of its own.
    rest: Option<BlobStream>,
}

/// What to do next.
enum Step {
    Read(Arc<File>, u64),
    Open(Box<Blob>),
    End,
}

impl GrowingReader {
    fn next(&self) -> io::Result<Step> {
        let mut state = self.growing.state();
        loop {
            match (&state.file, &state.end) {
                (_, Some(End::Abandoned)) => {
                    return Err(io::Error::other("the layer was not built to its end"));
                }
                (Some(file), _) if state.length > self.position => {
                    return Ok(Step::Read(Arc::clone(file), state.length - self.position));
                }
                (Some(_), Some(End::Finished(_))) => return Ok(Step::End),
                (None, Some(End::Finished(blob))) => return Ok(Step::Open(blob.clone())),
                (_, None) => state = self.growing.wait(state),
            }
        }
    }
}

impl Read for GrowingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(rest) = &mut self.rest {
                return rest.read(buffer);
            }
            match self.next()? {
                Step::End => return Ok(0),
                Step::Open(blob) => self.rest = Some(blob.content.open()?),
                Step::Read(file, there) => {
                    let wanted = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
                    let read = file.read_at(&mut buffer[..wanted], self.position)?;
                    if read == 0 && wanted > 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.position += read as u64;
                    return Ok(read);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::digest::Digest;
    use crate::image::{Descriptor, MediaType};

    fn blob(bytes: &[u8]) -> Blob {
        let descriptor = Descriptor::new(MediaType::ImageLayerGzip, Digest::of(bytes), bytes.len() as u64);
        Blob::in_memory(descriptor, bytes.to_vec(), "layer")
    }

    #[test]
    fn a_reader_sees_all_bytes_in_order_while_they_come() {
        let (growing, grower) = growing("layer");
        let mut file = tempfile::tempfile().expect("temporary file");
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let mut reader = growing.reader();
                std::thread::spawn(move || {
                    let mut read = Vec::new();
                    reader.read_to_end(&mut read).map(|_| read)
                })
            })
            .collect();
        grower.file(file.try_clone().expect("another handle"));
        let (mut length, mut sum) = (0, crc32fast::Hasher::new());
        for piece in bytes.chunks(7001) {
            file.write_all(piece).expect("written");
            length += piece.len() as u64;
            sum.update(piece);
            grower.reach(length, sum.clone().finalize());
        }
        grower.finish(blob(&bytes));
        for reader in readers {
            assert_eq!(reader.join().expect("no panic").expect("whole"), bytes);
        }
        assert_eq!(growing.finished().expect("finished").descriptor.digest, Digest::of(&bytes));
        assert_eq!(growing.crc32(), Some(crc32fast::hash(&bytes)));
    }

    #[test]
    fn content_that_appears_only_at_the_end_is_read_as_well() {
        let (growing, grower) = growing("config");
        grower.finish(blob(b"{}"));
        let mut read = Vec::new();
        growing.reader().read_to_end(&mut read).expect("readable");
        assert_eq!(read, b"{}");
        assert_eq!(growing.crc32(), None);
    }

    #[test]
    fn giving_up_is_an_error_and_no_short_blob() {
        let (growing, grower) = growing("layer");
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(b"begin").expect("written");
        grower.file(file);
        grower.reach(5, crc32fast::hash(b"begin"));
        drop(grower);
        assert!(growing.reader().read_to_end(&mut Vec::new()).is_err());
        assert!(growing.finished().is_none());
    }
}
