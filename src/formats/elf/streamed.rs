//! An ELF file that streams by.
//!
//! Names of libraries lie near the start of most files, and the dynamic section near the end. So the start is kept, up
//! to a limit, and of a longer file also the dynamic section. A file whose names lie elsewhere is not understood.

use std::ops::Range;

use memchr::memmem;
use object::ReadRef;

use super::dynamic::{Dynamic, place_of_dynamic};
use super::machine::{HEAD, Machine};

/// The longest start of a file that is kept, in bytes. Most libraries are shorter as a whole.
const MAX_START: usize = 8 << 20;
/// The program headers are in this many bytes at the start.
const HEADERS: usize = 64 << 10;

/// Whether a file of this name may be a library.
#[must_use]
pub fn is_library_name(name: &[u8]) -> bool {
    memmem::find(name, b".so").is_some()
}

/// Keeps of a file what its dynamic section is read from, while the bytes of the file stream by.
#[derive(Debug, Default)]
pub struct StreamedElf {
    size: u64,
    /// Bytes that streamed by.
    position: u64,
    start: Vec<u8>,
    /// The dynamic section, where it lies behind the start: its offset and its bytes.
    dynamic: Option<(Range<u64>, Vec<u8>)>,
    is_placed: bool,
    is_other: bool,
}

impl StreamedElf {
    /// For a file of `size` bytes.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    /// The next bytes.
    pub fn push(&mut self, piece: &[u8]) {
        if self.is_other {
            return;
        }
        let room = MAX_START - self.start.len();
        self.start.extend_from_slice(&piece[..room.min(piece.len())]);
        if self.start.len() >= HEAD && Machine::of(&self.start).is_none() {
            (self.is_other, self.start) = (true, Vec::new());
            return;
        }
        if !self.is_placed && self.start.len() >= HEADERS && self.size > MAX_START as u64 {
            self.is_placed = true;
            let place = place_of_dynamic(&self.start[..HEADERS]);
            let place = place.and_then(|(start, size)| Some(start..start.checked_add(size)?));
            self.dynamic = place.map(|place| (place, Vec::new()));
        }
        if let Some((place, bytes)) = &mut self.dynamic {
            // The part of the piece that is in its place.
            let offset = |at: u64| usize::try_from(at.saturating_sub(self.position)).unwrap_or(usize::MAX);
            let end = offset(place.end).min(piece.len());
            bytes.extend_from_slice(&piece[offset(place.start).min(end)..end]);
        }
        self.position += piece.len() as u64;
    }

    /// The machine of the file, and its dynamic section; `None` for what is no ELF file, or is not understood.
    #[must_use]
    pub fn finish(self) -> (Option<Machine>, Option<Dynamic>) {
        if self.is_other {
            return (None, None);
        }
        let machine = Machine::of(&self.start);
        (machine, Dynamic::of(&self).ok().flatten())
    }
}

impl<'a> ReadRef<'a> for &'a StreamedElf {
    fn len(self) -> Result<u64, ()> {
        Ok(self.size)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        // As of a whole file: nothing is anywhere.
        if size == 0 {
            return Ok(&[]);
        }
        let within = |bytes: &'a [u8], start: u64| {
            let from = usize::try_from(offset.checked_sub(start)?).ok()?;
            bytes.get(from..from.checked_add(usize::try_from(size).ok()?)?)
        };
        let dynamic = || self.dynamic.as_ref().and_then(|(place, bytes)| within(bytes, place.start));
        within(&self.start, 0).or_else(dynamic).ok_or(())
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let end = range.end.min(self.start.len() as u64);
        let bytes = self.read_bytes_at(range.start, end.checked_sub(range.start).ok_or(())?)?;
        let length = memchr::memchr(delimiter, bytes).ok_or(())?;
        Ok(&bytes[..length])
    }
}
