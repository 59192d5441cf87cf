//! The few files of planned layers that a check reads.

use std::io::Read as _;

use super::error::BaseError;
use super::probes::{LoaderLine, ProbeResult};
use super::seen::BaseAnswer;
use object::ReadCache;

use crate::formats::elf::{self, Dynamic, Machine, is_library_name};
use crate::layer::{AccountFile, Content, ContentSource, Entry, EntryKind, MAX_ACCOUNTS};
use crate::runtime::input;
use crate::types::error::BoxedError;

/// A file of users or groups; unknown for what is not read: a link, or more than such a file has.
pub(super) fn accounts(entry: &Entry) -> Result<BaseAnswer<AccountFile>, BoxedError> {
    let EntryKind::File(content) = &entry.kind else { return Ok(BaseAnswer::Unknown) };
    if content.size > MAX_ACCOUNTS {
        return Ok(BaseAnswer::Unknown);
    }
    Ok(BaseAnswer::Here(AccountFile::new(small_file(content, MAX_ACCOUNTS)?)))
}

/// The most that is read of a configuration of the loader.
const MAX_CONFIGURATION: u64 = 64 << 10;

/// The directories that a file of the loader's configuration names.
pub(super) fn loader_directories(entry: &Entry) -> Result<Vec<String>, BoxedError> {
    let EntryKind::File(content) = &entry.kind else { return Ok(Vec::new()) };
    if content.size > MAX_CONFIGURATION {
        return Ok(Vec::new());
    }
    let Some(ProbeResult::Loader(lines)) =
        ProbeResult::of(&entry.path, &small_file(content, MAX_CONFIGURATION)?)
    else {
        return Ok(Vec::new());
    };
    let directory = |line| match line {
        LoaderLine::Directory(path) => Some(path),
        LoaderLine::Include(_) => None,
    };
    Ok(lines.into_iter().filter_map(directory).collect())
}

/// The machine of a library; `None` for a file on disk that is not ELF.
pub(super) fn machine(entry: &Entry) -> Result<Option<Machine>, BoxedError> {
    let EntryKind::File(content) = &entry.kind else { return Ok(None) };
    if !is_library_name(entry.path.file_name()) {
        return Ok(None);
    }
    match &content.source {
        ContentSource::File(path, _) => {
            let unreadable = |source| BaseError::File { path: path.to_path_buf(), source };
            let (file, _) = input::open(path).map_err(unreadable)?;
            let mut head = Vec::with_capacity(elf::HEAD);
            file.take(elf::HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
            Ok(Machine::of(&head))
        }
        ContentSource::Bytes(bytes) => Ok(Machine::of(bytes)),
        ContentSource::Zip(archive, index) if content.size <= MAX_UNPACKED => {
            Ok(Machine::of(&archive.read(*index, MAX_UNPACKED)?))
        }
        ContentSource::Zip(..) | ContentSource::Repacked(_) => Ok(None),
    }
}

/// So much of a script is read for its interpreter: the kernel reads no more.
const MAX_FIRST_LINE: u64 = 256;

/// The first bytes of a file; `None` for one in an archive, which only unpacking the whole would tell.
pub(super) fn head(entry: &Entry) -> Result<Option<Vec<u8>>, BoxedError> {
    let EntryKind::File(content) = &entry.kind else { return Ok(None) };
    match &content.source {
        ContentSource::File(path, _) => {
            let unreadable = |source| BaseError::File { path: path.to_path_buf(), source };
            let (file, _) = input::open(path).map_err(unreadable)?;
            let mut head = Vec::new();
            file.take(MAX_FIRST_LINE).read_to_end(&mut head).map_err(unreadable)?;
            Ok(Some(head))
        }
        ContentSource::Bytes(bytes) => Ok(Some(bytes[..bytes.len().min(MAX_FIRST_LINE as usize)].to_vec())),
        ContentSource::Zip(archive, index) => {
            let mut head = Vec::new();
            let file = archive.reader(*index)?;
            let unreadable = |source| BaseError::File { path: archive.path().to_owned(), source };
            file.take(MAX_FIRST_LINE).read_to_end(&mut head).map_err(unreadable)?;
            Ok(Some(head))
        }
        ContentSource::Repacked(_) => Ok(None),
    }
}

/// The largest library in an archive that is unpacked for its dynamic section.
const MAX_UNPACKED: u64 = 32 << 20;

/// The dynamic section of a program or library; nothing for what is no ELF file, unknown for what is not understood and for
/// a file in an archive that is too large to be unpacked.
pub(super) fn dynamic(entry: &Entry) -> Result<BaseAnswer<Dynamic>, BoxedError> {
    let EntryKind::File(content) = &entry.kind else { return Ok(BaseAnswer::Unknown) };
    let read = match &content.source {
        ContentSource::File(path, _) => {
            let unreadable = |source| BaseError::File { path: path.to_path_buf(), source };
            // Only headers and tables are read.
            Dynamic::of(&ReadCache::new(input::open(path).map_err(unreadable)?.0))
        }
        ContentSource::Bytes(bytes) => Dynamic::of(&bytes[..]),
        ContentSource::Zip(..) if content.size > MAX_UNPACKED => return Ok(BaseAnswer::Unknown),
        // An archive is no library.
        ContentSource::Repacked(_) => return Ok(BaseAnswer::Nothing),
        ContentSource::Zip(archive, index) => Dynamic::of(&archive.read(*index, MAX_UNPACKED)?[..]),
    };
    Ok(match read {
        Ok(Some(dynamic)) => BaseAnswer::Here(dynamic),
        Ok(None) => BaseAnswer::Nothing,
        Err(_) => BaseAnswer::Unknown,
    })
}

/// The bytes of a file of at most `limit` bytes.
/// The most that is read of a document of a package, such as `package.json`.
const MAX_DOCUMENT: u64 = 1 << 20;

/// The whole of a short file.
pub(super) fn text(entry: &Entry) -> Result<Option<Vec<u8>>, BoxedError> {
    match &entry.kind {
        EntryKind::File(content) if content.size <= MAX_DOCUMENT => {
            small_file(content, MAX_DOCUMENT).map(Some)
        }
        _ => Ok(None),
    }
}

fn small_file(content: &Content, limit: u64) -> Result<Vec<u8>, BoxedError> {
    Ok(match &content.source {
        ContentSource::File(path, _) => {
            input::read(path, limit).map_err(|source| BaseError::File { path: path.to_path_buf(), source })?
        }
        ContentSource::Zip(archive, index) => archive.read(*index, limit)?,
        ContentSource::Repacked(archive) => {
            let mut bytes = Vec::new();
            archive.read(0, archive.size().min(limit), &mut bytes)?;
            bytes
        }
        ContentSource::Bytes(bytes) => bytes.to_vec(),
    })
}
