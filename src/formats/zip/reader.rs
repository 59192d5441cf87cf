//! Streams the uncompressed bytes of one entry, and verifies them.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::io::{Error, ErrorKind, Read, Result};
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress, Status};
use rawzip::ReaderAt as _;

use super::archive::ZipArchive;
use super::entry::{ArchiveEntry, CompressedRange, Method};
use super::error::{EntryProblem, ZipError};
use super::inflate::inflate;

const INPUT: u64 = 32 * 1024;

/// An entry is inflated at once if it is at most so large, before and after.
const AT_ONCE: u64 = 4 << 20;

impl ZipArchive {
    /// Reads the uncompressed bytes of entry `index`.
    ///
    /// The reader fails with [`ErrorKind::InvalidData`] and a [`ZipError`] inside when the bytes
    /// are not what the directory declares. The check is done with the last byte, not after it.
    ///
    /// # Errors
    /// When there is no such entry, its local header is damaged or it overlaps the next entry, or the
    /// archive was changed.
    pub fn reader(&self, index: usize) -> std::result::Result<EntryReader<&Self>, ZipError> {
        let range = self.compressed_range(index)?;
        Ok(EntryReader::new(self, index, range))
    }

    /// As [`ZipArchive::reader`], for a reader that outlives the borrow.
    ///
    /// # Errors
    /// As [`ZipArchive::reader`].
    pub fn shared_reader(
        self: &Arc<Self>,
        index: usize,
    ) -> std::result::Result<EntryReader<Arc<Self>>, ZipError> {
        let range = self.compressed_range(index)?;
        Ok(EntryReader::new(Arc::clone(self), index, range))
    }

    /// The uncompressed bytes of entry `index`, which must not be larger than `limit`.
    ///
    /// # Errors
    /// As [`ZipArchive::reader`], and when it is larger or its bytes are not what the directory declares.
    pub fn read(&self, index: usize, limit: u64) -> std::result::Result<Vec<u8>, ZipError> {
        let mut reader = self.reader(index)?;
        let entry = &self.entries[index];
        if entry.size > limit {
            return Err(self.problem(entry, EntryProblem::TooLarge { size: entry.size, limit }));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or_default());
        reader.read_to_end(&mut bytes).map_err(|source| self.read_error(source))?;
        Ok(bytes)
    }
}

impl ZipArchive {
    /// The first uncompressed bytes of entry `index`, at most `length`. The rest is not checked.
    ///
    /// # Errors
    /// As [`ZipArchive::reader`], and when they are damaged.
    pub fn head(&self, index: usize, length: u64) -> std::result::Result<Vec<u8>, ZipError> {
        /// A larger entry is not inflated at once for the sake of its first bytes.
        const SMALL: u64 = 64 << 10;
        let mut bytes = Vec::new();
        let mut reader = self.reader(index)?;
        if self.entries[index].size > SMALL {
            reader.whole = Whole::No;
        }
        reader.take(length).read_to_end(&mut bytes).map_err(|source| self.read_error(source))?;
        Ok(bytes)
    }
}

/// Reads the uncompressed bytes of one entry: exactly as many as declared, with the declared CRC-32, else
/// it fails.
pub struct EntryReader<A> {
    archive: A,
    index: usize,
    /// The compressed bytes not yet read from the file.
    position: u64,
    end: u64,
    inflate: Option<Inflate>,
    whole: Whole,
    crc: crc32fast::Hasher,
    produced: u64,
    state: ReadState,
}

struct Inflate {
    /// Made when it is needed: it has a window of 32 KiB.
    decoder: Option<Box<Decompress>>,
    input: Vec<u8>,
    consumed: usize,
    ended: bool,
}

thread_local! {
    /// The compressed bytes of an entry that is inflated at once; at most [`AT_ONCE`].
    static COMPRESSED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An entry that is small enough is inflated at once, which is much faster. Whatever that does not take is
/// inflated in pieces, which says what is wrong.
enum Whole {
    /// It is to be tried.
    Untried,
    /// All bytes, where the caller's buffer did not take them.
    Done(Vec<u8>),
    /// It is too large, or was no success.
    No,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadState {
    Reading,
    Verified,
    Failed,
}

impl<A: Borrow<ZipArchive>> std::fmt::Debug for EntryReader<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryReader").field("entry", self.entry()).field("produced", &self.produced).finish()
    }
}

impl<A: Borrow<ZipArchive>> EntryReader<A> {
    fn new(archive: A, index: usize, range: CompressedRange) -> Self {
        let inflate = (range.method == Method::Deflate).then(|| Inflate {
            decoder: None,
            input: Vec::new(),
            consumed: 0,
            ended: false,
        });
        let size = archive.borrow().entries[index].size;
        let fits = inflate.is_some() && (1..=AT_ONCE).contains(&size) && range.len <= AT_ONCE;
        Self {
            whole: if fits { Whole::Untried } else { Whole::No },
            archive,
            index,
            position: range.offset,
            end: range.offset + range.len,
            inflate,
            crc: crc32fast::Hasher::new(),
            produced: 0,
            state: ReadState::Reading,
        }
    }

    fn entry(&self) -> &ArchiveEntry {
        &self.archive.borrow().entries[self.index]
    }

    fn invalid(&self, problem: EntryProblem) -> Error {
        Error::new(ErrorKind::InvalidData, self.archive.borrow().problem(self.entry(), problem))
    }

    fn wrong_size(&self) -> Error {
        self.invalid(EntryProblem::WrongSize { declared: self.entry().size })
    }

    fn advance(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.entry().size - self.produced).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let count = match self.inflate {
            _ if wanted == 0 => 0,
            None => self.copy(&mut buffer[..wanted])?,
            Some(_) => match self.inflate_whole(&mut buffer[..wanted])? {
                0 => self.inflate(&mut buffer[..wanted])?,
                count => count,
            },
        };
        self.crc.update(&buffer[..count]);
        self.produced += count as u64;
        if self.produced == self.entry().size {
            self.verify()?;
            self.state = ReadState::Verified;
        } else if count == 0 {
            return Err(self.wrong_size());
        }
        Ok(count)
    }

    fn copy(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.archive.borrow().bytes.read_at(buffer, self.position)?;
        if count == 0 {
            return Err(self.cut_off());
        }
        self.position += count as u64;
        Ok(count)
    }

    /// The file ends where it did not when it was opened.
    fn cut_off(&self) -> Error {
        let path = self.archive.borrow().path.clone();
        Error::new(ErrorKind::InvalidData, ZipError::Changed { path })
    }

    /// Inflates all of the entry, into `buffer` if that takes it; 0 means that this is not how it is done.
    fn inflate_whole(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if matches!(self.whole, Whole::Untried) {
            self.whole = Whole::No;
            let length = usize::try_from(self.end - self.position).unwrap_or_default();
            let Ok(size) = usize::try_from(self.entry().size) else { return Ok(0) };
            let done = COMPRESSED.with_borrow_mut(|input| -> Result<Option<Vec<u8>>> {
                input.clear();
                input.resize(length, 0);
                let archive = self.archive.borrow();
                archive.bytes.read_exact_at(input, self.position).map_err(|_| self.cut_off())?;
                if buffer.len() == size {
                    return Ok(inflate(input, buffer).then(Vec::new));
                }
                let mut bytes = vec![0; size];
                Ok(inflate(input, &mut bytes).then_some(bytes))
            })?;
            if let Some(bytes) = done {
                let is_out = bytes.is_empty();
                self.whole = Whole::Done(bytes);
                if is_out {
                    return Ok(size);
                }
            }
        }
        let Whole::Done(bytes) = &self.whole else { return Ok(0) };
        let start = usize::try_from(self.produced).unwrap_or_default();
        let bytes = &bytes[start..start + buffer.len()];
        buffer.copy_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Inflates into `buffer`; 0 means the end of the stream or of the compressed bytes.
    fn inflate(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Some(inflate) = &mut self.inflate else { return Ok(0) };
        while !inflate.ended {
            if inflate.consumed == inflate.input.len() && self.position < self.end {
                let count = usize::try_from((self.end - self.position).min(INPUT)).unwrap_or_default();
                inflate.input.resize(count, 0);
                inflate.consumed = 0;
                let count = self.archive.borrow().bytes.read_at(&mut inflate.input, self.position)?;
                inflate.input.truncate(count);
                if count == 0 {
                    return Err(self.cut_off());
                }
                self.position += count as u64;
            }
            let decoder = inflate.decoder.get_or_insert_with(|| Box::new(Decompress::new(false)));
            let (taken, given) = (decoder.total_in(), decoder.total_out());
            let input = &inflate.input[inflate.consumed..];
            let status = decoder.decompress(input, buffer, FlushDecompress::None);
            let taken = usize::try_from(decoder.total_in() - taken).unwrap_or_default();
            let given = usize::try_from(decoder.total_out() - given).unwrap_or_default();
            inflate.consumed += taken;
            let problem = match status {
                Ok(status) => {
                    inflate.ended = status == Status::StreamEnd;
                    if given > 0 {
                        return Ok(given);
                    }
                    let exhausted = inflate.consumed == inflate.input.len() && self.position >= self.end;
                    if taken > 0 || inflate.ended || !exhausted {
                        continue;
                    }
                    EntryProblem::Damaged("its deflate stream is cut off".to_owned())
                }
                Err(error) => EntryProblem::Damaged(error.to_string()),
            };
            return Err(self.invalid(problem));
        }
        Ok(0)
    }

    /// All declared bytes are out: nothing may follow, and the checksum must be right.
    fn verify(&mut self) -> Result<()> {
        // At once, all was used and nothing is left.
        let in_pieces = self.inflate.is_some() && !matches!(self.whole, Whole::Done(_));
        if in_pieces && self.entry().compressed_size > 0 {
            let more = self.inflate(&mut [0])?;
            let unused = self.inflate.as_ref().is_some_and(|inflate| inflate.consumed < inflate.input.len());
            if more > 0 || unused || self.position < self.end {
                return Err(self.wrong_size());
            }
        }
        let found = self.crc.clone().finalize();
        if found != self.entry().crc32 {
            let declared = self.entry().crc32;
            return Err(self.invalid(EntryProblem::WrongChecksum { declared, found }));
        }
        self.archive.borrow().check_unchanged().map_err(|error| Error::new(ErrorKind::InvalidData, error))
    }
}

impl<A: Borrow<ZipArchive>> Read for EntryReader<A> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.state {
            ReadState::Verified => return Ok(0),
            ReadState::Failed => {
                return Err(self.invalid(EntryProblem::Damaged("an earlier read failed".to_owned())));
            }
            ReadState::Reading if buffer.is_empty() => return Ok(0),
            ReadState::Reading => {}
        }
        let result = self.advance(buffer);
        if result.as_ref().is_err_and(|error| error.kind() != ErrorKind::Interrupted) {
            self.state = ReadState::Failed;
        }
        result
    }
}
