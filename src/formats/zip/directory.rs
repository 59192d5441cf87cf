//! Reads the central directory: each record on its own, then how entries lie beside each other.

use std::path::Path;

use rawzip::extra_fields::ExtraFieldId;
use rawzip::{CompressionMethod, CreatorSystem, ErrorKind, ReaderAt, ZipFileHeaderRecord, ZipLocator};

use super::entry::{ArchiveEntry, ArchiveEntryKind, Method, TYPE_MASK};
use super::error::{EntryProblem, ZipError};
use super::names;

pub(super) const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
pub(super) const LOCAL_HEADER_LEN: u64 = 30;

/// The flag of patched data, which Python refuses.
const PATCH: u16 = 0x20;

/// The flag that says that a name is UTF-8.
const UTF8: u16 = 0x800;

/// Deflate spends at least two bits on a copy of 258 bytes, so it cannot expand by more.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Reads the central directory of an archive of `len` bytes and sets each entry's limit.
pub(super) fn read<R: ReaderAt>(path: &Path, bytes: R, len: u64) -> Result<(R, Vec<ArchiveEntry>), ZipError> {
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
    if !ends_where_it_says(&archive).map_err(|source| ZipError::Io { path: path.to_owned(), source })? {
        let why = "it has another size or place than it declares".to_owned();
        return Err(ZipError::Directory { path: path.to_owned(), why });
    }
    let declared = archive.entries_hint();
    let directory = archive.directory_offset();
    let mut entries = Vec::with_capacity(usize::try_from(declared.min(len / 46)).unwrap_or_default());
    let mut count: u64 = 0;
    let mut describes_start = !starts_with_entry;
    let mut budget = names::NameBudget::new(path);
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

/// Whether the directory begins where its declared size says, and no earlier than its declared place. Some readers go by its
/// size, others by its place; bytes before an archive move it back.
fn ends_where_it_says<R: ReaderAt>(archive: &rawzip::ZipArchive<R>) -> std::io::Result<bool> {
    const END: usize = 22;
    const LOCATOR: usize = 20;
    const WIDE_END: usize = 56;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    let (bytes, end) = (archive.get_ref(), archive.eocd_offset());
    let start = archive.directory_offset();
    let mut record = [0; END];
    bytes.read_exact_at(&mut record, end)?;
    if start.checked_add(number(&record[12..16])) == Some(end) {
        return Ok(number(&record[16..20]) <= start);
    }
    // The record of zip64 stands between.
    let Some(place) = end.checked_sub(LOCATOR as u64) else { return Ok(false) };
    let mut locator = [0; LOCATOR];
    bytes.read_exact_at(&mut locator, place)?;
    let wide_end = number(&locator[8..16]);
    // The first and only part of it.
    let is_one = number(&locator[4..8]) == 0 && number(&locator[16..20]) <= 1;
    if !locator.starts_with(b"PK\x06\x07") || !is_one || wide_end.saturating_add(WIDE_END as u64) > end {
        return Ok(false);
    }
    let mut record = [0; WIDE_END];
    bytes.read_exact_at(&mut record, wide_end)?;
    let is_place = start.checked_add(number(&record[40..48])) == Some(wide_end);
    Ok(record.starts_with(b"PK\x06\x06") && is_place && number(&record[48..56]) <= start)
}

/// The valid name in the extra field of Info-ZIP, which programs may take instead of the entry's own.
fn second_name<'a>(record: &'a ZipFileHeaderRecord<'_>) -> Option<&'a [u8]> {
    let mut fields = record.extra_fields();
    let (_, field) = fields.find(|(id, _)| *id == ExtraFieldId::INFO_ZIP_UNICODE_PATH)?;
    let (head, name) = field.split_at_checked(5)?;
    let raw = record.file_path();
    let raw: &[u8] = raw.as_bytes();
    let is_valid = head[0] == 1 && head[1..] == crc32fast::hash(raw).to_le_bytes();
    (is_valid && name != raw).then_some(name)
}

/// Whether the name of an entry means the same to every program.
fn check_name(record: &ZipFileHeaderRecord<'_>, raw: &[u8]) -> Result<(), EntryProblem> {
    /// Systems whose programs write names in the code page of DOS, unless they say that it is UTF-8.
    const OF_CODE_PAGES: [CreatorSystem; 3] = [CreatorSystem::FAT, CreatorSystem::NTFS, CreatorSystem::VFAT];
    if let Some(name) = second_name(record) {
        return Err(EntryProblem::SecondName(name.to_vec()));
    }
    if std::str::from_utf8(raw).is_ok() {
        return Ok(());
    }
    if record.flags().bits() & UTF8 != 0 {
        return Err(EntryProblem::NotUtf8);
    }
    match OF_CODE_PAGES.contains(&record.version_made_by().creator_system()) {
        true => Err(EntryProblem::CodePage),
        // As they are on the disk of a Unix.
        false => Ok(()),
    }
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
    if let Err(problem) = check_name(record, raw) {
        return fail(problem);
    }
    let flags = record.flags();
    if flags.is_encrypted() || flags.bits() & 0x2040 != 0 {
        return fail(EntryProblem::Encrypted);
    }
    if flags.bits() & PATCH != 0 {
        return fail(EntryProblem::Patch);
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
        written_name: u16::try_from(raw.len()).unwrap_or(u16::MAX),
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
