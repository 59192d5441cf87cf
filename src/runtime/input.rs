//! Opens the files that a user names or that lie in a tree: regular ones only, never blocking, never more than a limit.
//!
//! A build file, a lock or a certificate may be a link to `/dev/zero`, which fills memory, or a named pipe, which
//! blocks for ever. Every file that is read whole is read by [`read`] or [`read_text`]; every file that is streamed
//! is opened by [`open`]. Links are followed; the file at their end counts.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// The largest text by a person, or by a tool for a person, that is read: 4 MiB.
pub(crate) const MAX_TEXT: u64 = 4 << 20;

/// The reason to refuse a file that the system would open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputRefusal {
    /// A directory, a device, a pipe or a socket.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// More bytes than anyone expects.
    #[error("it has more than {}, the most that is read of such a file", size(*.0))]
    TooLarge(u64),
    /// A link in a directory of others, which leads out of it.
    #[error("a link leads out of the directory, and is not followed")]
    LeadsOut,
}

/// A bound in the largest unit that it is a number of.
fn size(bytes: u64) -> String {
    match (bytes % (1 << 20), bytes % (1 << 10)) {
        (0, _) => format!("{} MiB", bytes >> 20),
        (_, 0) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

impl From<InputRefusal> for io::Error {
    fn from(refused: InputRefusal) -> Self {
        let kind = match refused {
            InputRefusal::NotRegular("a directory") => io::ErrorKind::IsADirectory,
            InputRefusal::NotRegular(_) => io::ErrorKind::InvalidInput,
            InputRefusal::TooLarge(_) => io::ErrorKind::FileTooLarge,
            InputRefusal::LeadsOut => io::ErrorKind::PermissionDenied,
        };
        Self::new(kind, refused)
    }
}

/// Opens the regular file at `path`, and returns its metadata too.
///
/// # Errors
/// [`InputRefusal::NotRegular`] as an [`io::Error`] for anything else, and the system's own errors.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Opening a device can have side effects, so the path is checked first; then again, because it may have changed.
    check(std::fs::metadata(path)?.file_type())?;
    open_checked(path, OFlags::empty())
}

/// The same for a path that is no link: one that has become a link since is refused.
///
/// # Errors
/// As for [`open`].
pub(super) fn open_real(path: &Path) -> io::Result<(File, Metadata)> {
    check(std::fs::symlink_metadata(path)?.file_type())?;
    open_checked(path, OFlags::NOFOLLOW)
}

fn open_checked(path: &Path, flags: OFlags) -> io::Result<(File, Metadata)> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    check(metadata.file_type())?;
    Ok((file, metadata))
}

/// Opens the file at `path`, which was a regular file when its directory was read, with one call. Its metadata must be
/// looked at after it was read: [`refuse_other`] says what it is instead.
///
/// # Errors
/// As for [`open`].
pub fn open_seen(path: &Path) -> io::Result<File> {
    // A link, which may lead to a device, goes the careful way, as does everything that cannot be opened.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags | OFlags::RDONLY, rustix::fs::Mode::empty()) {
        Ok(file) => Ok(file.into()),
        Err(_) => open(path).map(|(file, _)| file),
    }
}

/// Refuses an open file that is not a regular one.
///
/// # Errors
/// [`InputRefusal::NotRegular`] as an [`io::Error`].
pub fn refuse_other(metadata: &Metadata) -> io::Result<()> {
    Ok(check(metadata.file_type())?)
}

/// The bytes of the regular file at `path`, at most `limit`.
///
/// # Errors
/// As for [`open`], and [`InputRefusal::TooLarge`] for a file with more bytes, which is not read to its end.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open(path)?;
    read_open(file, &metadata, limit)
}

/// The bytes of an open file, at most `limit`.
///
/// # Errors
/// As for [`read`].
pub(super) fn read_open(file: File, metadata: &Metadata, limit: u64) -> io::Result<Vec<u8>> {
    if metadata.len() > limit {
        return Err(InputRefusal::TooLarge(limit).into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // Some file systems give 0 as the size of files that have bytes.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(InputRefusal::TooLarge(limit).into());
    }
    Ok(bytes)
}

/// The text of the regular file at `path`, at most `limit` bytes.
///
/// # Errors
/// As for [`read`], and [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Whether this module refused the file, not the system.
pub(crate) fn is_refused(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<InputRefusal>)
}

fn check(file_type: FileType) -> Result<(), InputRefusal> {
    let what = match file_type {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() => "a character device",
        kind if kind.is_block_device() => "a block device",
        _ => "something else",
    };
    Err(InputRefusal::NotRegular(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &io::Error) -> Option<&InputRefusal> {
        error.get_ref()?.downcast_ref()
    }

    #[test]
    fn a_regular_file_is_read_whole_and_a_larger_one_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "hello").expect("written");
        assert_eq!(read_text(&path, 5).expect("read"), "hello");
        let error = read(&path, 4).expect_err("too large");
        assert_eq!(refused(&error), Some(&InputRefusal::TooLarge(4)));
        std::fs::write(&path, b"\xff").expect("written");
        assert_eq!(read_text(&path, 5).expect_err("no text").kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            read(&directory.path().join("none"), 1).expect_err("none").kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn links_to_devices_pipes_sockets_and_directories_are_refused_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::os::unix::fs::symlink("/dev/zero", at("zero")).expect("a link");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a pipe");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        std::fs::create_dir(at("directory")).expect("made");
        for (name, what) in [
            ("zero", "a character device"),
            ("pipe", "a named pipe"),
            ("socket", "a socket"),
            ("directory", "a directory"),
        ] {
            let error = read(&at(name), 10).expect_err(name);
            assert_eq!(refused(&error), Some(&InputRefusal::NotRegular(what)), "{name}");
            assert!(error.to_string().contains("not a regular file"), "{error}");
        }
    }
}
