//! An open archive, and where the bytes of its entries lie.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rawzip::ReaderAt;

use super::directory::{self, LOCAL_HEADER, LOCAL_HEADER_LEN};
use super::entry::{ArchiveEntry, CompressedRange, Method};
use super::error::{EntryProblem, ZipError};
use super::names;
use crate::runtime::input;
use crate::types::stamp::Stamp;

/// An open archive: its path and the checked entries of its central directory.
///
/// Shared between threads: each reader reads at its own position.
#[derive(Debug)]
pub struct ZipArchive {
    pub(super) path: PathBuf,
    stamp: Stamp,
    pub(super) bytes: Bytes,
    pub(super) entries: Vec<ArchiveEntry>,
    /// Where the bytes of each entry begin, once its local header was read.
    offsets: Vec<OnceLock<u64>>,
}

/// Where the archive's own bytes are.
#[derive(Debug)]
pub(super) enum Bytes {
    File(File),
    /// A nameless file that no other process can change.
    Own(File),
    Memory(Vec<u8>),
    /// A part of another archive.
    Part {
        of: Arc<ZipArchive>,
        offset: u64,
        len: u64,
    },
}

impl ReaderAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) | Self::Own(file) => file.read_at(buffer, offset),
            Self::Memory(bytes) => ReaderAt::read_at(&bytes[..], buffer, offset),
            Self::Part { of, offset: start, len } => {
                let left = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
                let wanted = buffer.len().min(left);
                of.bytes.read_at(&mut buffer[..wanted], start + offset)
            }
        }
    }
}

impl ZipArchive {
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
    /// As [`ZipArchive::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ZipError> {
        let size = bytes.len() as u64;
        let stamp = Stamp { size, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };
        Self::new(path, stamp, Bytes::Memory(bytes))
    }

    /// An archive in a nameless file of this process; `path` serves for messages.
    ///
    /// # Errors
    /// As [`ZipArchive::open`].
    pub fn from_file(path: &Path, file: File) -> Result<Self, ZipError> {
        let metadata = file.metadata().map_err(|source| ZipError::Io { path: path.to_owned(), source })?;
        Self::new(path, Stamp::of(&metadata), Bytes::Own(file))
    }

    /// The archive that entry `index` is, without reading all of it; `None` where that is compressed, or cannot be found.
    #[must_use]
    pub fn within(self: &Arc<Self>, index: usize) -> Option<Result<Self, ZipError>> {
        let range = self.compressed_range(index).ok()?;
        let stamp = Stamp { size: range.len, mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };
        let bytes = Bytes::Part { of: Arc::clone(self), offset: range.offset, len: range.len };
        (range.method == Method::Stored).then(|| Self::new(&self.path, stamp, bytes))
    }

    /// Where the bytes of the stored entry `index` lie in `outer`, which this archive is, or is a part of; `None` where it is
    /// neither, or the entry is compressed or cannot be found.
    #[must_use]
    pub fn range_in(&self, outer: &Self, index: usize) -> Option<Range<u64>> {
        let range = self.compressed_range(index).ok().filter(|range| range.method == Method::Stored)?;
        let (mut archive, mut start) = (self, range.offset);
        while let Bytes::Part { of, offset, .. } = &archive.bytes {
            start += offset;
            archive = of;
        }
        std::ptr::eq(archive, outer).then_some(start..start + range.len)
    }

    /// Passes the archive's own bytes in `range` to `take`, in pieces.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_range(&self, range: Range<u64>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        const PIECE: u64 = 64 << 10;
        if let Bytes::Memory(bytes) = &self.bytes {
            let part = (usize::try_from(range.start).ok()).zip(usize::try_from(range.end).ok());
            let part = part.and_then(|(start, end)| bytes.get(start..end));
            take(part.ok_or(io::ErrorKind::UnexpectedEof)?);
            return Ok(());
        }
        let mut buffer = vec![0; usize::try_from(PIECE.min(range.end - range.start)).unwrap_or_default()];
        let mut position = range.start;
        while position < range.end {
            let length = usize::try_from((range.end - position).min(PIECE)).unwrap_or_default();
            self.bytes.read_exact_at(&mut buffer[..length], position)?;
            take(&buffer[..length]);
            position += length as u64;
        }
        Ok(())
    }

    fn new(path: &Path, stamp: Stamp, bytes: Bytes) -> Result<Self, ZipError> {
        if stamp.size == 0 {
            return Err(ZipError::EmptyFile { path: path.to_owned() });
        }
        let (bytes, mut entries) = directory::read(path, bytes, stamp.size)?;
        names::check(path, &mut entries)?;
        let offsets = entries.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { path: path.to_owned(), stamp, bytes, entries, offsets })
    }

    /// An archive whose entries lie stored in `file`, each where its `header_offset` says; `stamp` is that of the file at
    /// `path`, which they were taken from.
    pub(super) fn of_stored(
        path: &Path,
        stamp: Stamp,
        file: File,
        mut entries: Vec<ArchiveEntry>,
    ) -> Result<Self, ZipError> {
        names::check(path, &mut entries)?;
        let offsets = entries.iter().map(|entry| OnceLock::from(entry.header_offset)).collect();
        Ok(Self { path: path.to_owned(), stamp, bytes: Bytes::Own(file), entries, offsets })
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

    /// Appends a part of the compressed bytes of entry `index`. That the archive was not changed is for the caller to
    /// check.
    pub(super) fn append_compressed(
        &self,
        index: usize,
        part: Range<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), ZipError> {
        let range = self.compressed_range(index)?;
        let start = out.len();
        out.resize(start + usize::try_from(part.end - part.start).unwrap_or_default(), 0);
        self.bytes
            .read_exact_at(&mut out[start..], range.offset + part.start)
            .map_err(|source| self.check_unchanged().err().unwrap_or_else(|| self.read_error(source)))
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
        // Up to the end of the name, where the next entry leaves so much room.
        let room = entry.limit.saturating_sub(entry.header_offset);
        let length = room.min(LOCAL_HEADER_LEN + u64::from(entry.written_name)).max(LOCAL_HEADER_LEN);
        let mut header = vec![0; usize::try_from(length).unwrap_or_default()];
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
        if let Some(differs) = differs(entry, &header) {
            return Err(self.problem(entry, EntryProblem::LocalHeader(differs)));
        }
        let offset = *self.offsets[index].get_or_init(|| offset);
        Ok(CompressedRange { offset, len: entry.compressed_size, method: entry.method })
    }

    /// Fails if the file was written to since it was opened.
    ///
    /// # Errors
    /// When it was, or when its status cannot be read.
    pub fn check_unchanged(&self) -> Result<(), ZipError> {
        let file = match &self.bytes {
            Bytes::File(file) => file,
            Bytes::Part { of, .. } => return of.check_unchanged(),
            Bytes::Own(_) | Bytes::Memory(_) => return Ok(()),
        };
        let metadata = file.metadata().map_err(|source| self.read_error(source))?;
        if Stamp::of(&metadata) == self.stamp {
            Ok(())
        } else {
            Err(ZipError::Changed { path: self.path.clone() })
        }
    }

    /// An error for this entry; if the archive was written to meanwhile, an error about that instead.
    pub(super) fn problem(&self, entry: &ArchiveEntry, problem: EntryProblem) -> ZipError {
        if let Err(changed) = self.check_unchanged() {
            return changed;
        }
        ZipError::Entry { path: self.path.clone(), name: entry.name.clone(), problem }
    }

    /// A reader wraps our own errors for [`std::io::Read`]; this takes them out again.
    pub(super) fn read_error(&self, source: io::Error) -> ZipError {
        match source.downcast::<ZipError>() {
            Ok(error) => error,
            Err(source) => ZipError::Io { path: self.path.clone(), source },
        }
    }
}

/// The part of a local header, up to the end of the name, that says something else of an entry than the directory.
fn differs(entry: &ArchiveEntry, header: &[u8]) -> Option<&'static str> {
    /// The sizes and the checksum stand behind the data.
    const STREAMED: u16 = 8;
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let name = &header[usize::try_from(LOCAL_HEADER_LEN).unwrap_or_default()..];
    let is_same = || name == entry.name || names::normalise(name).is_ok_and(|name| name == entry.name);
    if half(26) != entry.written_name || name.len() != usize::from(entry.written_name) || !is_same() {
        return Some("name");
    }
    let method = match entry.method {
        Method::Stored => 0,
        Method::Deflate => 8,
    };
    if half(8) != method {
        return Some("method");
    }
    if half(6) & 1 != 0 {
        return Some("word on encryption");
    }
    if half(6) & STREAMED != 0 {
        return None;
    }
    // Zero where a writer did not know it, all ones where it is in a field of zip64.
    let is_other = |at, value: u64| ![0, u32::MAX].contains(&word(at)) && u64::from(word(at)) != value;
    if is_other(18, entry.compressed_size) || is_other(22, entry.size) {
        return Some("size");
    }
    is_other(14, u64::from(entry.crc32)).then_some("checksum")
}
