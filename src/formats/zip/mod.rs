//! Zip archives (PKWARE APPNOTE 6.3), read only, with every name and size checked before use.
//!
//! The central directory is the only truth: local headers serve just to find where the data begins, so data
//! descriptors, prefixed bytes (executable jars) and comments need no special care.
//!
//! Invariants of an open [`Archive`]:
//! - every name is relative and normal, so joined to a root it stays below that root; no file or symbolic link occurs
//!   twice, and nothing lies below one; a directory that is listed again is one entry;
//! - names, with those of the directories that they imply, have at most [`MAX_NAME`] bytes each and [`MAX_NAMES`]
//!   together, so that what is made of them is bounded;
//! - entries use no method but stored and deflate, are not encrypted, and do not overlap;
//! - a reader gives exactly the declared bytes or an error: size and CRC-32 are verified, output never
//!   exceeds the declared size, and an archive that was changed since it was opened is noticed.
//!
//! Nothing here writes, extracts or follows links.

mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fixture;
mod inflate;
mod names;
mod reader;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rawzip::{CompressionMethod, ErrorKind, ReaderAt, ZipFileHeaderRecord, ZipLocator};

pub use error::{EntryProblem, ZipError};
pub use names::{MAX_NAME, MAX_NAMES};
pub use reader::EntryReader;

use crate::runtime::input;
use crate::types::stamp::Stamp;

/// An open archive: its path and the checked entries of its central directory.
///
/// Shared between threads: each reader reads at its own position.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    stamp: Stamp,
    bytes: Bytes,
    entries: Vec<ArchiveEntry>,
    /// Where the bytes of each entry begin, once its local header was read.
    offsets: Vec<OnceLock<u64>>,
}

/// Where the archive's own bytes are.
#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

impl ReaderAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Memory(bytes) => ReaderAt::read_at(&bytes[..], buffer, offset),
        }
    }
}

/// One entry of an archive.
#[derive(Clone, Debug)]
pub struct ArchiveEntry {
    /// Its name, raw bytes, normalised: no leading or trailing slash, no `.` or `..`.
    pub name: Vec<u8>,
    /// Size of the file in bytes.
    pub size: u64,
    /// The kind of entry.
    pub kind: ArchiveEntryKind,
    /// Permission bits, if the archive was made on Unix.
    pub mode: Option<u32>,
    /// CRC-32 of the uncompressed bytes.
    pub crc32: u32,
    /// How it is compressed.
    pub method: Method,
    /// Size of the compressed bytes.
    pub compressed_size: u64,
    /// Where its local header begins in the file.
    header_offset: u64,
    /// Where the next entry, or the central directory, begins.
    limit: u64,
}

/// The kind of an archive's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArchiveEntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link; its content is the target.
    Symlink,
}

/// The compression methods that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Method 0: not compressed.
    Stored,
    /// Method 8: raw deflate.
    Deflate,
}

/// Where the compressed bytes of an entry lie in the archive's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompressedRange {
    /// From the start of the file.
    pub offset: u64,
    /// In bytes.
    pub len: u64,
    /// How they are compressed.
    pub method: Method,
}

const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const LOCAL_HEADER_LEN: u64 = 30;

/// Deflate spends at least two bits on a copy of 258 bytes, so it cannot expand by more.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Upper bits of a Unix mode.
const TYPE_MASK: u32 = 0o170_000;

impl Archive {
    /// Opens the archive at `path` and reads its central directory.
    ///
    /// # Errors
    /// When it cannot be read, is no zip archive, is truncated, or has an entry that breaks an invariant of
    /// this module.
    pub fn open(path: &Path) -> Result<Self, ZipError> {
        let io = |source| ZipError::Io { path: path.to_owned(), source };
        let (file, metadata) = input::open(path).map_err(|source| {
            if input::is_refused(&source) { ZipError::NotAFile { path: path.to_owned() } } else { io(source) }
        })?;
        Self::new(path, Stamp::of(&metadata), Bytes::File(file))
    }

    /// An archive in memory, such as a jar in a WAR; `path` serves for messages.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ZipError> {
        let size = bytes.len() as u64;
        let stamp = Stamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };
        Self::new(path, stamp, Bytes::Memory(bytes))
    }

    fn new(path: &Path, stamp: Stamp, bytes: Bytes) -> Result<Self, ZipError> {
        if stamp.size == 0 {
            return Err(ZipError::EmptyFile { path: path.to_owned() });
        }
        let (bytes, mut entries) = read_directory(path, bytes, stamp.size)?;
        names::check(path, &mut entries)?;
        let offsets = entries.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { path: path.to_owned(), stamp, bytes, entries, offsets })
    }

    /// Whether `start`, the first bytes of a file, are those of an archive without prefixed bytes.
    #[must_use]
    pub fn is_zip(start: &[u8]) -> bool {
        start.starts_with(LOCAL_HEADER) || start.starts_with(b"PK\x05\x06")
    }

    /// Where the archive is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The result of `fstat` when it was opened.
    #[must_use]
    pub const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The entries, in central directory order.
    #[must_use]
    pub fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    /// The index of the entry `name`; looks at every entry.
    #[must_use]
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    /// Reads the uncompressed bytes of entry `index`.
    ///
    /// The reader fails with [`io::ErrorKind::InvalidData`] and a [`ZipError`] inside when the bytes
    /// are not what the directory declares. The check is done with the last byte, not after it.
    ///
    /// # Errors
    /// When there is no such entry, its local header is damaged or it overlaps the next entry, or the
    /// archive was changed.
    pub fn reader(&self, index: usize) -> Result<EntryReader<&Self>, ZipError> {
        let range = self.compressed_range(index)?;
        Ok(EntryReader::new(self, index, range))
    }

    /// As [`Archive::reader`], for a reader that outlives the borrow.
    ///
    /// # Errors
    /// As [`Archive::reader`].
    pub fn shared_reader(self: &Arc<Self>, index: usize) -> Result<EntryReader<Arc<Self>>, ZipError> {
        let range = self.compressed_range(index)?;
        Ok(EntryReader::new(Arc::clone(self), index, range))
    }

    /// Passes the compressed bytes of entry `index` to `take`, in pieces.
    ///
    /// # Errors
    /// When they cannot be read, or the archive was changed.
    pub fn read_compressed(&self, index: usize, mut take: impl FnMut(&[u8])) -> Result<(), ZipError> {
        const PIECE: u64 = 64 << 10;
        let range = self.compressed_range(index)?;
        let mut buffer = vec![0; usize::try_from(range.len.min(PIECE)).unwrap_or_default()];
        let mut done = 0;
        while done < range.len {
            let length = usize::try_from((range.len - done).min(PIECE)).unwrap_or_default();
            self.bytes
                .read_exact_at(&mut buffer[..length], range.offset + done)
                .map_err(|source| self.read_error(source))?;
            take(&buffer[..length]);
            done += length as u64;
        }
        self.check_unchanged()
    }

    /// The uncompressed bytes of entry `index`, which must not be larger than `limit`.
    ///
    /// # Errors
    /// As [`Archive::reader`], and when it is larger or its bytes are not what the directory declares.
    pub fn read(&self, index: usize, limit: u64) -> Result<Vec<u8>, ZipError> {
        let mut reader = self.reader(index)?;
        let entry = &self.entries[index];
        if entry.size > limit {
            return Err(self.problem(entry, EntryProblem::TooLarge { size: entry.size, limit }));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or_default());
        io::Read::read_to_end(&mut reader, &mut bytes).map_err(|source| self.read_error(source))?;
        Ok(bytes)
    }

    /// Where the compressed bytes of entry `index` lie.
    ///
    /// # Errors
    /// When there is no such entry, its local header is damaged, or it overlaps the next entry.
    pub fn compressed_range(&self, index: usize) -> Result<CompressedRange, ZipError> {
        let entry = self.entries.get(index).ok_or_else(|| ZipError::NoSuchEntry {
            path: self.path.clone(),
            index,
            count: self.entries.len(),
        })?;
        if let Some(offset) = self.offsets[index].get() {
            return Ok(CompressedRange { offset: *offset, len: entry.compressed_size, method: entry.method });
        }
        let mut header = [0; LOCAL_HEADER_LEN as usize];
        self.bytes
            .read_exact_at(&mut header, entry.header_offset)
            .map_err(|source| self.check_unchanged().err().unwrap_or_else(|| self.read_error(source)))?;
        if !header.starts_with(LOCAL_HEADER) {
            return Err(self.problem(entry, EntryProblem::NoLocalHeader { offset: entry.header_offset }));
        }
        let variable = u64::from(u16::from_le_bytes([header[26], header[27]]))
            + u64::from(u16::from_le_bytes([header[28], header[29]]));
        let offset = entry.header_offset + LOCAL_HEADER_LEN + variable;
        match offset.checked_add(entry.compressed_size) {
            Some(end) if end <= entry.limit => {}
            _ => return Err(self.problem(entry, EntryProblem::Overlap)),
        }
        let offset = *self.offsets[index].get_or_init(|| offset);
        Ok(CompressedRange { offset, len: entry.compressed_size, method: entry.method })
    }

    /// Fails if the file was written to since it was opened.
    ///
    /// # Errors
    /// When it was, or when its status cannot be read.
    pub fn check_unchanged(&self) -> Result<(), ZipError> {
        let Bytes::File(file) = &self.bytes else { return Ok(()) };
        let metadata = file.metadata().map_err(|source| self.read_error(source))?;
        if Stamp::of(&metadata) == self.stamp {
            Ok(())
        } else {
            Err(ZipError::Changed { path: self.path.clone() })
        }
    }

    /// An error for this entry; if the archive was written to meanwhile, an error about that instead.
    fn problem(&self, entry: &ArchiveEntry, problem: EntryProblem) -> ZipError {
        if let Err(changed) = self.check_unchanged() {
            return changed;
        }
        ZipError::Entry { path: self.path.clone(), name: entry.name.clone(), problem }
    }

    /// A reader wraps our own errors for [`std::io::Read`]; this takes them out again.
    fn read_error(&self, source: io::Error) -> ZipError {
        match source.downcast::<ZipError>() {
            Ok(error) => error,
            Err(source) => ZipError::Io { path: self.path.clone(), source },
        }
    }
}

impl ArchiveEntry {
    /// Whether it is a file that its owner may execute.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.kind == ArchiveEntryKind::File && self.mode.is_some_and(|mode| mode & 0o100 != 0)
    }
}

/// Reads the central directory and sets each entry's limit.
fn read_directory(path: &Path, bytes: Bytes, len: u64) -> Result<(Bytes, Vec<ArchiveEntry>), ZipError> {
    let damaged = |source: rawzip::Error| match source.into_kind() {
        ErrorKind::IO(source) => ZipError::Io { path: path.to_owned(), source },
        kind => ZipError::Directory { path: path.to_owned(), why: kind.to_string() },
    };
    // The largest record fits, so that none is refused for its size.
    let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let mut start = [0; 4];
    let start_len =
        bytes.read_at(&mut start, 0).map_err(|source| ZipError::Io { path: path.to_owned(), source })?;
    let starts_with_entry = start[..start_len] == *LOCAL_HEADER;

    let archive = ZipLocator::new().locate_in_reader(bytes, &mut buffer, len).map_err(|(_, error)| {
        match error.kind() {
            ErrorKind::MissingEndOfCentralDirectory | ErrorKind::Eof if starts_with_entry => {
                ZipError::Truncated { path: path.to_owned() }
            }
            ErrorKind::MissingEndOfCentralDirectory => ZipError::NotZip { path: path.to_owned() },
            _ => damaged(error),
        }
    })?;
    // A truncated archive may end in the directory of another one that it contains: what is found must be
    // the end of this file, and describe its beginning.
    if archive.end_offset() != len {
        return Err(ZipError::Truncated { path: path.to_owned() });
    }
    let declared = archive.entries_hint();
    let directory = archive.directory_offset();
    let mut entries = Vec::with_capacity(usize::try_from(declared.min(len / 46)).unwrap_or_default());
    let mut count: u64 = 0;
    let mut describes_start = !starts_with_entry;
    let mut budget = names::Budget::new(path);
    let mut records = archive.entries(&mut buffer);
    while let Some(record) = records.next_entry().map_err(damaged)? {
        count += 1;
        describes_start |= record.local_header_offset() == 0;
        if let Some(entry) = check_record(path, &record)? {
            budget.take(entry.name.len())?;
            entries.push(entry);
        }
    }
    // Writers without zip64 count modulo 65,536.
    if count != declared && count & 0xffff != declared {
        let why = format!("it declares {declared} entries and lists {count}");
        return Err(ZipError::Directory { path: path.to_owned(), why });
    }
    if !describes_start {
        return Err(ZipError::Truncated { path: path.to_owned() });
    }
    set_limits(path, &mut entries, directory)?;
    Ok((archive.into_inner(), entries))
}

/// Checks one record on its own; `None` for the root directory, which some writers list as `./`.
fn check_record(path: &Path, record: &ZipFileHeaderRecord<'_>) -> Result<Option<ArchiveEntry>, ZipError> {
    let file_path = record.file_path();
    let raw: &[u8] = file_path.as_bytes();
    let fail = |problem| Err(ZipError::Entry { path: path.to_owned(), name: raw.to_vec(), problem });
    let name = match names::normalise(raw) {
        Ok(name) => name,
        Err(problem) => return fail(problem),
    };
    let flags = record.flags();
    if flags.is_encrypted() || flags.bits() & 0x2040 != 0 {
        return fail(EntryProblem::Encrypted);
    }
    let method = match record.compression_method() {
        CompressionMethod::STORE => Method::Stored,
        CompressionMethod::DEFLATE => Method::Deflate,
        other => return fail(EntryProblem::Method { id: other.as_u16(), name: other.name() }),
    };
    let unix = matches!(
        record.version_made_by().creator_system(),
        rawzip::CreatorSystem::UNIX | rawzip::CreatorSystem::MACOS
    );
    let mode = if unix { record.external_attributes() >> 16 } else { 0 };
    let slash = raw.ends_with(b"/");
    let kind = match mode & TYPE_MASK {
        0o120_000 if !slash => ArchiveEntryKind::Symlink,
        0o040_000 => ArchiveEntryKind::Directory,
        _ if slash => ArchiveEntryKind::Directory,
        0 | 0o100_000 => ArchiveEntryKind::File,
        kind => return fail(EntryProblem::Special { kind }),
    };
    let (size, compressed_size) = (record.uncompressed_size_hint(), record.compressed_size_hint());
    let possible = match method {
        Method::Stored => size == compressed_size,
        Method::Deflate => size <= compressed_size.saturating_mul(MAX_DEFLATE_RATIO),
    };
    if !possible {
        return fail(EntryProblem::ImpossibleSize { size, compressed_size });
    }
    if kind == ArchiveEntryKind::Directory && size != 0 {
        return fail(EntryProblem::DirectoryWithContent { size });
    }
    if name.is_empty() {
        return if kind == ArchiveEntryKind::Directory { Ok(None) } else { fail(EntryProblem::EmptyName) };
    }
    // Some writers leave the Unix half of the attributes empty.
    let mode = (mode != 0).then_some(mode & 0o7777);
    Ok(Some(ArchiveEntry {
        name,
        size,
        kind,
        mode,
        crc32: record.crc32(),
        method,
        compressed_size,
        header_offset: record.local_header_offset(),
        limit: 0,
    }))
}

/// Gives each entry the place where the next one begins; an entry that must reach beyond it overlaps.
fn set_limits(path: &Path, entries: &mut [ArchiveEntry], directory: u64) -> Result<(), ZipError> {
    let mut order: Vec<(u64, usize)> =
        entries.iter().enumerate().map(|(index, entry)| (entry.header_offset, index)).collect();
    order.sort_unstable();
    let mut limit = directory;
    for (offset, index) in order.into_iter().rev() {
        let entry = &mut entries[index];
        let least = entry.compressed_size.checked_add(LOCAL_HEADER_LEN);
        match least.and_then(|least| offset.checked_add(least)) {
            Some(end) if end <= limit => {}
            Some(end) if end <= directory => {
                let (name, problem) = (entry.name.clone(), EntryProblem::Overlap);
                return Err(ZipError::Entry { path: path.to_owned(), name, problem });
            }
            _ => {
                let (name, problem) = (entry.name.clone(), EntryProblem::Outside);
                return Err(ZipError::Entry { path: path.to_owned(), name, problem });
            }
        }
        entry.limit = limit;
        limit = offset;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
