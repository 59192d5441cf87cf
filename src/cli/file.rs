//! Files that a command writes beside its result: metadata, references, timings, a build file, manual pages.
//!
//! - Whether a file can be written is asked before the work begins ([`OutputFile::open`]): what a registry has taken
//!   cannot be taken back because of a file.
//! - A regular file is replaced whole or not at all, and keeps its mode; a link is followed. Where its directory takes
//!   no other file, as with one that is mounted by itself, it is written in place.
//! - A pipe or a device is written into and never replaced. Our own standard output or error, under any name, is
//!   written to as such, so that nothing overwrites the result.
//! - A file in a directory that the user named, under a name that the user did not type, is written through no link
//!   ([`OutputFile::open_below`]): a checkout of others may hold a link to a file of the user.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

use super::error::{CommandError, ExitStatus};
use super::invocation::Invocation;
use crate::engine::own::real_path;
use crate::runtime::atomic::{self, Durability, NewFileMode};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// How often it is looked whether somebody reads a pipe.
const PAUSE: Duration = Duration::from_millis(50);

/// A file that can be written, as far as can be known before.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    sink: FileSink,
}

#[derive(Debug)]
enum FileSink {
    /// Replaced by rename; where it really is, and what it has been.
    Replaced(PathBuf, Option<Metadata>),
    /// A regular file in a directory that takes no other.
    InPlace,
    /// A pipe or a device, open.
    Stream(File),
    /// Our own.
    Stdout,
    /// Our own.
    Stderr,
}

impl OutputFile {
    /// Asks whether `path` can be written. Waits until somebody reads a named pipe, as a shell does.
    ///
    /// # Errors
    /// When it cannot.
    pub fn open(invocation: &Invocation, path: &Path) -> Result<Self, CommandError> {
        let path = invocation.absolute(path);
        let sink = Self::sink(invocation, &path).map_err(|error| failed(&path, &error))?;
        match &sink {
            FileSink::Replaced(real, _) => invocation.files.write(real)?,
            FileSink::InPlace => invocation.files.write(&path)?,
            FileSink::Stream(_) | FileSink::Stdout | FileSink::Stderr => {}
        }
        Ok(Self { path, sink })
    }

    /// Asks whether `place` below `directory` can be written. The directory may be a link; nothing below it may.
    ///
    /// # Errors
    /// When it cannot, or when `place` or a directory on the way to it is a link.
    pub fn open_below(invocation: &Invocation, directory: &Path, place: &Path) -> Result<Self, CommandError> {
        let path = directory.join(place);
        let mut part = invocation.absolute(directory);
        for name in place {
            part.push(name);
            if part.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
                let cause = format!("`{}` is a link inside of the output directory", shown_path(&part));
                return Err(CommandError::new(ExitStatus::Input, cause)
                    .coded(ErrorCode::FileUnwritable)
                    .context(format!("cannot write `{}`", shown_path(&path)))
                    .hint("remove the link, or name another directory"));
            }
        }
        Self::open(invocation, &path)
    }

    fn sink(invocation: &Invocation, path: &Path) -> io::Result<FileSink> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = real_path(path);
                takes_files(&path)?;
                return Ok(FileSink::Replaced(path, None));
            }
            Err(error) => return Err(error),
        };
        if is_same(&metadata, rustix::fs::fstat(io::stdout())) {
            return Ok(FileSink::Stdout);
        }
        if is_same(&metadata, rustix::fs::fstat(io::stderr())) {
            return Ok(FileSink::Stderr);
        }
        let kind = metadata.file_type();
        let refused = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}")));
        if kind.is_file() {
            let path = std::fs::canonicalize(path)?;
            if takes_files(&path).is_ok() {
                return Ok(FileSink::Replaced(path, Some(metadata)));
            }
            rustix::fs::access(&path, rustix::fs::Access::WRITE_OK)?;
            return Ok(FileSink::InPlace);
        }
        match kind {
            kind if kind.is_fifo() || kind.is_char_device() => {
                Ok(FileSink::Stream(open_stream(invocation, path)?))
            }
            kind if kind.is_dir() => refused("a directory"),
            kind if kind.is_block_device() => refused("a block device"),
            _ => refused("neither a file nor a pipe nor a device"),
        }
    }

    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When it cannot be written after all; a regular file is as it was.
    pub fn write(self, invocation: &Invocation, bytes: &[u8]) -> Result<(), CommandError> {
        let Self { path, sink } = self;
        let written = match sink {
            FileSink::Replaced(real, before) => replace(&real, before.as_ref(), bytes),
            FileSink::InPlace => in_place(&path, bytes),
            FileSink::Stream(mut file) => file.write_all(bytes),
            FileSink::Stdout => {
                invocation.printer.raw(bytes);
                Ok(())
            }
            FileSink::Stderr => io::stderr().write_all(bytes),
        };
        written.map_err(|error| failed(&path, &error))
    }
}

/// Asks whether `path` can be made or replaced.
///
/// # Errors
/// When its directory takes no files.
pub fn check_replaceable(path: &Path) -> Result<(), CommandError> {
    takes_files(&real_path(path)).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error)
        .or_unwritable()
        .context(format!("cannot write `{}`", shown_path(path)))
}

/// Whether a file can be put at `path`: into the directory that it is in, or into one that is made for it, as for archives
/// and layouts.
fn takes_files(path: &Path) -> io::Result<()> {
    let is_there = |directory: &&Path| directory.symlink_metadata().is_ok();
    let directory = path.ancestors().skip(1).find(is_there).unwrap_or(Path::new("/"));
    let described = |error: rustix::io::Errno| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("{error}: `{}`", shown_path(directory)))
    };
    if !std::fs::metadata(directory).map_or(true, |metadata| metadata.is_dir()) {
        return Err(described(rustix::io::Errno::NOTDIR));
    }
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .map_err(described)?;
    // Root may write everywhere, and yet some file systems take no file. This one has no name, and goes at once.
    match tempfile::tempfile_in(directory) {
        Ok(_) => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("{error}: `{}`", shown_path(directory)))),
    }
}

fn is_same(metadata: &Metadata, other: rustix::io::Result<rustix::fs::Stat>) -> bool {
    #[allow(clippy::useless_conversion, reason = "their widths differ between processors")]
    other.is_ok_and(|other| {
        (metadata.dev(), metadata.ino()) == (u64::from(other.st_dev), u64::from(other.st_ino))
    })
}

/// Opens a pipe or a device to write into. Only a pipe without a reader is waited for.
fn open_stream(invocation: &Invocation, path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).map_err(io::Error::other)?;
    let mut told = false;
    let file = loop {
        match OpenOptions::new().write(true).custom_flags(flags).open(path) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                if !std::mem::replace(&mut told, true) {
                    invocation.printer.note(format!("waiting for someone to read `{}`", shown_path(path)));
                }
                invocation.interrupt.check().map_err(io::Error::other)?;
                std::thread::sleep(PAUSE);
            }
            result => break result?,
        }
    };
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

fn replace(path: &Path, before: Option<&Metadata>, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    match atomic::replace(path, bytes, ".pack-", NewFileMode::Usual, before, Durability::Relaxed) {
        // A file that is mounted by itself.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => in_place(path, bytes),
        written => written,
    }
}

fn in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let mut file = OpenOptions::new().write(true).truncate(true).custom_flags(flags).open(path)?;
    file.write_all(bytes)
}
