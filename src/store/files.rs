//! Files and directories that the store makes, replaces, sets aside and removes.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::runtime::atomic::{self, Durability};
use crate::types::shown::shown_path;

/// Unfinished files start with this.
pub(super) const TEMPORARY: &str = ".tmp-";
/// Blobs that were found damaged start with this.
pub(super) const QUARANTINED: &str = ".bad-";

/// Adds a path to an error that lacks one.
pub(crate) fn at(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{error}: `{}`", shown_path(path)))
}

/// A temporary file in `dir`, which is created if it is missing. Its mode is what the umask leaves of 0644.
pub(crate) fn temporary_in(dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let create = || atomic::draft_in(dir, prefix, 0o644);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dir)?;
            create()
        }
        result => result,
    }
}

/// Gives a finished temporary file its name; an error says which.
pub(crate) fn persist(file: NamedTempFile, target: &Path, durability: Durability) -> io::Result<()> {
    atomic::persist(file, target, durability).map_err(|error| at(&error, target))
}

/// Replaces a small file, whose directory is created if it is missing.
pub(crate) fn replace(target: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = temporary_in(atomic::directory_of(target), TEMPORARY)?;
    file.write_all(bytes).map_err(|error| at(&error, target))?;
    persist(file, target, durability)
}

/// The later of writing and reading. Most mounts keep a reading time to the day (`relatime`), which is
/// what pruning by age needs.
pub(super) fn last_used(metadata: &std::fs::Metadata) -> SystemTime {
    let times = [metadata.modified(), metadata.accessed()];
    times.into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Whether an error comes from what the machine lacks or the user may not do, and says nothing about the bytes of a file.
/// An error of `fs_err` has a kind and no number: of one, a lack of handles is not seen.
pub(super) fn is_no_damage(error: &io::Error) -> bool {
    let lacks_handles = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::OutOfMemory)
        || lacks_handles.contains(&error.raw_os_error())
}

/// Opens a file so that reading it does not count as use. Only its owner may ask for that.
pub(super) fn open_unnoticed(path: &Path) -> io::Result<fs::File> {
    let flags = i32::try_from(rustix::fs::OFlags::NOATIME.bits()).map_err(io::Error::other)?;
    match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => fs::File::open(path),
        result => result,
    }
}

/// Sets a file's times to the file system's now.
pub(super) fn touch(path: &Path) -> io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty())?)
}

/// Renames what is damaged, whatever was set aside under that name before; nothing is not an error.
pub(super) fn move_aside(path: &Path, aside: &Path) -> io::Result<()> {
    // A rename puts neither a file over a directory nor a directory over anything but an empty one.
    if std::fs::symlink_metadata(path).is_ok() {
        remove(aside)?;
    }
    match fs::rename(path, aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes whatever a path names, with all that is in it; links are not followed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(at(&error, path)),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Names and metadata of everything in a directory, of a file as of a directory that is where a file should
/// be; names that are not UTF-8 are not ours.
pub(super) fn entries_in(dir: &Path) -> io::Result<Vec<(String, std::fs::Metadata)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Another process may have removed it meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, metadata));
        }
    }
    Ok(found)
}
