//! Reading payloads: from files, zip archives, archives that are made of others, or memory, in pieces, from many threads at once.
//!
//! The bytes that are read must be the planned ones: a file whose stamp changed, or that ends early, is an error,
//! because the tar header with its size is already fixed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::entry::{Content, ContentSource};
use crate::formats::zip::{EntryReader, ZipArchive, ZipError};
use crate::runtime::input;
use crate::runtime::interrupt::Interrupted;
use crate::types::error::{Explain as _, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{Foreign, shown_path};
use crate::types::stamp::Stamp;

/// Why a payload cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The operating system refused.
    #[error("cannot read `{}`: {source}", shown_path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Not what it was when the layer was planned.
    #[error("`{}` changed while it was read", shown_path(.0))]
    Changed(PathBuf),
    /// The zip archive is damaged.
    #[error("{}", in_archive(archive, entry, source))]
    Zip {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// The reason.
        source: io::Error,
    },
    /// The encoder of a compressed sibling failed.
    #[error("cannot compress it: {0}")]
    Encoder(io::Error),
    /// An earlier piece of the same entry failed.
    #[error("an earlier part of the entry could not be read")]
    Earlier,
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ContentError {
    /// The situation that it is.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Io { source, .. } => io_code(source, ErrorCode::FileUnreadable),
            Self::Changed(_) => Some(ErrorCode::FileChanged),
            Self::Zip { source, .. } => io_code(source, ErrorCode::ArtifactBroken),
            Self::Encoder(_) | Self::Earlier | Self::Interrupted(_) => None,
        }
    }

    /// The next step for the user.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Changed(_) => "wait until the artifact is finished, then build again",
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => {
                    "it was there when the build began: wait until the artifact is finished, then build again"
                }
                io::ErrorKind::PermissionDenied => "make it readable",
                _ => return None,
            },
            Self::Zip { source, .. } => return of_archive(source)?.hint(),
            Self::Encoder(_) | Self::Earlier | Self::Interrupted(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// The fault of an archive that a reader of its entry wraps.
fn of_archive(source: &io::Error) -> Option<&ZipError> {
    source.get_ref()?.downcast_ref()
}

/// A fault of an archive, which names archive and entry itself, or another error with both.
fn in_archive(archive: &Path, entry: &str, source: &io::Error) -> String {
    match of_archive(source) {
        Some(error) => error.to_string(),
        None => format!("`{}`, entry `{}`: {source}", shown_path(archive), Foreign::new(entry)),
    }
}

/// Appends `length` bytes of a payload that is not a large zip entry, from `offset` on.
pub(crate) fn read(
    content: &Content,
    offset: u64,
    length: u64,
    out: &mut Vec<u8>,
) -> Result<(), ContentError> {
    match &content.source {
        ContentSource::Bytes(bytes) => {
            out.extend_from_slice(&bytes[offset as usize..(offset + length) as usize]);
            Ok(())
        }
        ContentSource::File(path, stamp) => read_file(path, stamp, offset, length, out),
        ContentSource::Zip(archive, index) => {
            let mut stream = open_zip(archive, *index)?;
            read_exact(&mut stream, length, out)
                .and_then(|()| expect_end(&mut stream, offset + length == content.size))
                .map_err(|source| zip_error(archive, *index, source))
        }
        ContentSource::Repacked(archive) => archive.read(offset, length, out).map_err(|error| {
            ContentError::Io { path: archive.archive().path().to_owned(), source: io::Error::other(error) }
        }),
    }
}

/// The first bytes of a payload, at most `most` of them.
///
/// # Errors
/// When they cannot be read or changed since they were planned.
pub fn read_start(content: &Content, most: u64) -> Result<Vec<u8>, ContentError> {
    let mut bytes = Vec::new();
    read(content, 0, content.size.min(most), &mut bytes)?;
    Ok(bytes)
}

fn read_file(
    path: &Path,
    planned: &Stamp,
    offset: u64,
    length: u64,
    out: &mut Vec<u8>,
) -> Result<(), ContentError> {
    let io_error = |source| ContentError::Io { path: path.to_owned(), source };
    let file = input::open_seen(path).map_err(io_error)?;
    let metadata = || file.metadata().map_err(io_error);
    let end = out.len() + length as usize;
    out.reserve(length as usize);
    let mut position = offset;
    while out.len() < end {
        // Straight into memory that has not been cleared.
        match rustix::io::pread(&file, rustix::buffer::spare_capacity(out), position) {
            Ok(0) => {
                input::refuse_other(&metadata()?).map_err(io_error)?;
                return Err(ContentError::Changed(path.to_owned()));
            }
            Ok(read) => position += read as u64,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                // A path that was a file when it was planned may be a named pipe by now.
                input::refuse_other(&metadata()?).map_err(io_error)?;
                return Err(io_error(error.into()));
            }
        }
    }
    // As much was read as there was room for.
    out.truncate(end);
    // After the read, so that a change before or during it shows.
    let metadata = metadata()?;
    if Stamp::of(&metadata) == *planned {
        return Ok(());
    }
    input::refuse_other(&metadata).map_err(io_error)?;
    Err(ContentError::Changed(path.to_owned()))
}

fn open_zip(archive: &Arc<ZipArchive>, index: usize) -> Result<EntryReader<Arc<ZipArchive>>, ContentError> {
    archive.shared_reader(index).map_err(|error| zip_error(archive, index, io::Error::other(error)))
}

pub(crate) fn zip_error(archive: &ZipArchive, index: usize, source: io::Error) -> ContentError {
    let name = archive.entries().get(index).map_or(&b"?"[..], |entry| &entry.name);
    ContentError::Zip {
        archive: archive.path().to_owned(),
        entry: String::from_utf8_lossy(name).into_owned(),
        source,
    }
}

fn read_exact(stream: &mut impl Read, length: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.resize(start + length as usize, 0);
    stream.read_exact(&mut out[start..])
}

/// The bytes before the first wanted one must be inflated, too.
fn skip(stream: &mut impl Read, length: u64) -> io::Result<()> {
    if io::copy(&mut stream.take(length), &mut io::sink())? == length {
        return Ok(());
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// The archive's checksum is checked where the stream ends, so the end must be reached.
fn expect_end(stream: &mut impl Read, at_end: bool) -> io::Result<()> {
    if at_end && stream.read(&mut [0])? != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than its directory entry says"));
    }
    Ok(())
}

/// A large zip entry, inflated piece by piece, in order, by whichever thread needs the next piece.
///
/// Pieces are handed to the pool in order and the pool starts them in order, so a thread that waits here waits for a
/// thread that runs already.
pub(crate) struct Chain {
    archive: Arc<ZipArchive>,
    index: usize,
    size: u64,
    state: Mutex<ChainState>,
    turn: Condvar,
}

struct ChainState {
    next: u64,
    stream: Option<EntryReader<Arc<ZipArchive>>>,
    failed: bool,
}

impl Chain {
    /// A chain over the payload from `first` on, if it is one that needs it.
    pub(crate) fn new(content: &Content, first: u64) -> Option<Arc<Self>> {
        let ContentSource::Zip(archive, index) = &content.source else { return None };
        let state = ChainState { next: first, stream: None, failed: false };
        Some(Arc::new(Self {
            archive: Arc::clone(archive),
            index: *index,
            size: content.size,
            state: Mutex::new(state),
            turn: Condvar::new(),
        }))
    }

    /// Appends the piece at `offset`, after all pieces before it.
    pub(crate) fn read(&self, offset: u64, length: u64, out: &mut Vec<u8>) -> Result<(), ContentError> {
        let mut state = self.lock();
        while state.next != offset && !state.failed {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed {
            return Err(ContentError::Earlier);
        }
        let result = self.read_next(&mut state, length, out);
        state.failed = result.is_err();
        state.next += length;
        drop(state);
        self.turn.notify_all();
        result
    }

    fn read_next(&self, state: &mut ChainState, length: u64, out: &mut Vec<u8>) -> Result<(), ContentError> {
        let at_end = state.next + length == self.size;
        let stream = match &mut state.stream {
            Some(stream) => stream,
            empty => {
                let mut stream = open_zip(&self.archive, self.index)?;
                skip(&mut stream, state.next)
                    .map_err(|source| zip_error(&self.archive, self.index, source))?;
                empty.insert(stream)
            }
        };
        read_exact(stream, length, out)
            .and_then(|()| expect_end(stream, at_end))
            .map_err(|source| zip_error(&self.archive, self.index, source))
    }

    /// Releases everyone who waits for a piece that will never be read.
    pub(crate) fn abandon(&self) {
        self.lock().failed = true;
        self.turn.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, ChainState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn what_is_no_longer_the_file_that_was_planned_is_an_error_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "four").expect("written");
        let stamp = Stamp::of(&std::fs::metadata(&path).expect("there"));
        let content = Content { size: 4, source: ContentSource::File(path.clone().into(), stamp) };
        let read_it = || {
            let mut out = Vec::new();
            read(&content, 0, 4, &mut out).map(|()| out)
        };
        assert_eq!(read_it().expect("as it was planned"), b"four");
        let replace: [&dyn Fn(); 4] = [
            &|| mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).expect("a pipe"),
            &|| symlink("/dev/zero", &path).expect("a link"),
            &|| std::fs::write(&path, "five").expect("written"),
            &|| {},
        ];
        for replace in replace {
            std::fs::remove_file(&path).expect("removed");
            replace();
            let error = read_it().expect_err("not what was planned");
            assert!(error.to_string().contains("file`"), "{error}");
        }
    }
}
