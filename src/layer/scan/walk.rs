//! Looking at a tree, directory by directory: the names in it, and one `lstat` for each that is not a directory.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat};

use super::super::xattrs::Xattrs;
use super::error::{ScanError, io_error};
use super::filter::Filter;
use super::found::{FoundKind, TreeItem, is_whiteout};
use super::room::PathRoom;
use super::tree::{DirectoryItem, FoundDirectory, ItemFacts, ScannedTree};
use crate::runtime::workers::Workers;
use crate::types::stamp::Stamp;

/// One thread scans a tree with fewer entries than this: starting others, and taking the processor from the thread
/// that asks the registry meanwhile, costs more than they save.
const MANY_ENTRIES: usize = 1000;
/// The same where each processor has a tree of its own to look at: threads that wait for each other only change places.
const MANY_ENTRIES_BESIDE_OTHERS: usize = 50_000;
/// Levels of fewer directories than this are, too.
const FEW_DIRECTORIES: usize = 8;
/// Levels of more are not, however few entries were seen so far.
const MANY_DIRECTORIES: usize = 64;
/// Directories of more names than this are looked at by all threads.
const MANY_NAMES: usize = 1000;
/// Bytes of names that the system is asked for at a time.
const NAMES: usize = 8 << 10;

/// A directory to look into.
struct OpenDirectory {
    path: Box<[u8]>,
    is_root: bool,
    included: bool,
}

impl OpenDirectory {
    /// Those in `directory`.
    fn below(directory: &FoundDirectory) -> impl Iterator<Item = Self> {
        let directories = directory.items.iter().filter(|item| item.is_directory());
        directories.map(|item| {
            let path = [&directory.path, directory.name(item)].concat();
            Self { path: path.into(), is_root: false, included: item.is_included }
        })
    }

    fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }
}

/// Looks at trees.
pub(super) struct TreeWalk<'a> {
    pub(super) filter: Filter,
    /// Paths below the root that are passed by.
    pub(super) left_out: BTreeSet<Vec<u8>>,
    pub(super) xattrs: bool,
    /// Whether directories are looked at, too.
    pub(super) directories: bool,
    /// The room for the paths that are found.
    pub(super) room: PathRoom,
    pub(super) workers: &'a Workers,
    /// Whether other trees are looked at meanwhile.
    pub(super) is_beside_others: bool,
}

impl TreeWalk<'_> {
    /// Everything below `root`.
    pub(super) fn tree(&self, root: &Path) -> Result<ScannedTree, ScanError> {
        let mut start = Vec::new();
        join(&mut start, root.as_os_str().as_bytes(), b"");
        let below = length(&start);
        let path = root.as_os_str().as_bytes().into();
        let mut level = vec![OpenDirectory { path, is_root: true, included: self.filter.all() }];
        let (mut directories, mut count, mut names) = (Vec::new(), 0, DirectoryNames::default());
        // Level by level instead of recursively: the stack stays small however deep the tree is.
        while !level.is_empty() {
            let many = match self.is_beside_others {
                true if count < MANY_ENTRIES_BESIDE_OTHERS => usize::MAX,
                false if count < MANY_ENTRIES => MANY_DIRECTORIES,
                _ => FEW_DIRECTORIES,
            };
            let read = |names: &mut DirectoryNames, directory| self.read(root, below, names, directory);
            let read: Vec<FoundDirectory> = if level.len() < many {
                level.iter().map(|directory| read(&mut names, directory)).collect::<Result<_, _>>()?
            } else {
                let read_all =
                    || level.par_iter().map_init(DirectoryNames::default, read).collect::<Result<_, _>>();
                self.workers.pool()?.install(read_all)?
            };
            level = read.iter().flat_map(OpenDirectory::below).collect();
            count += read.iter().map(|directory| directory.items.len()).sum::<usize>();
            directories.extend(read);
        }
        Ok(ScannedTree::new(below, directories))
    }

    /// The things in a directory; `names` is where its names are read to.
    fn read(
        &self,
        root: &Path,
        below: u32,
        names: &mut DirectoryNames,
        directory: &OpenDirectory,
    ) -> Result<FoundDirectory, ScanError> {
        let unreadable =
            |error: rustix::io::Errno| io_error("read the directory", directory.path())(error.into());
        let open = open(directory).map_err(unreadable)?;
        names.read(&open).map_err(unreadable)?;
        let names = &*names;
        let look = |path: &mut Vec<u8>, name: &DirectoryName| -> Result<_, ScanError> {
            join(path, &directory.path, names.get(name).to_bytes());
            let found = self.look(directory, open.as_fd(), (path, below), names.get(name), name.file_type)?;
            Ok(found.map(|(facts, is_included)| {
                let size = PathRoom::size(path, below, &facts);
                (size, DirectoryItem { name: name.range(), facts, is_included })
            }))
        };
        let many = if self.is_beside_others { MANY_ENTRIES_BESIDE_OTHERS } else { MANY_NAMES };
        let items = if names.entries.len() < many {
            // Of a tree of many directories, what a growing list has in reserve would be a third of all.
            let (mut items, mut path, mut size) = (Vec::with_capacity(names.entries.len()), Vec::new(), 0);
            for name in &names.entries {
                let Some((more, item)) = look(&mut path, name)? else { continue };
                size += more;
                items.push(item);
            }
            self.room.take(root, size)?;
            items
        } else {
            let look_and_keep = |path: &mut Vec<u8>, name: &DirectoryName| -> Result<_, ScanError> {
                let keep = |(size, item)| self.room.take(root, size).map(|()| item);
                look(path, name)?.map(keep).transpose()
            };
            let look_at_all = || {
                let names = names.entries.par_iter().with_min_len(64);
                let found = names.map_init(Vec::new, look_and_keep);
                found.filter_map(Result::transpose).collect::<Result<_, ScanError>>()
            };
            self.workers.pool()?.install(look_at_all)?
        };
        let mut path = Vec::new();
        join(&mut path, &directory.path, b"");
        Ok(FoundDirectory { path: path.into(), names: names.bytes.as_slice().into(), items })
    }

    /// The facts about what is at a path, and whether it is included; `None` for what is left out.
    fn look(
        &self,
        directory: &OpenDirectory,
        open: BorrowedFd<'_>,
        (bytes, below): (&[u8], u32),
        name: &CStr,
        file_type: FileType,
    ) -> Result<Option<(ItemFacts, bool)>, ScanError> {
        let (path, relative) = (Path::new(OsStr::from_bytes(bytes)), &bytes[below as usize..]);
        let stat = || {
            let stat = rustix::fs::statat(open, name, AtFlags::SYMLINK_NOFOLLOW);
            stat.map_err(|error| io_error("look at", path)(error.into()))
        };
        // Some file systems do not say.
        let (file_type, known) = match file_type {
            FileType::Unknown => {
                let stat = stat()?;
                (FileType::from_raw_mode(stat.st_mode), Some(stat))
            }
            said => (said, None),
        };
        if self.left_out.contains(relative) || self.filter.excludes(relative, file_type.is_dir())? {
            return Ok(None);
        }
        let is_included = directory.included || self.filter.includes(relative);
        if !is_included && !file_type.is_dir() {
            return Ok(None);
        }
        if is_whiteout(name.to_bytes()) {
            return Err(ScanError::Whiteout { path: path.to_owned() });
        }
        let facts = if file_type.is_dir() && !self.directories {
            self.directory(path)?
        } else {
            let stat = known.map_or_else(stat, Ok)?;
            facts(path, &stat, self.xattrs)?
        };
        Ok(Some((facts, is_included)))
    }

    /// A directory that is not looked at.
    fn directory(&self, path: &Path) -> Result<ItemFacts, ScanError> {
        let xattrs = self.xattrs_of(path)?;
        let (kind, stamp) = (FoundKind::Directory, Stamp::default());
        Ok(ItemFacts { kind, stamp, mode: 0o755, links: 1, uid: 0, gid: 0, xattrs })
    }

    fn xattrs_of(&self, path: &Path) -> Result<Xattrs, ScanError> {
        if self.xattrs { read_xattrs(path) } else { Ok(Xattrs::NONE) }
    }
}

fn facts(path: &Path, stat: &Stat, xattrs: bool) -> Result<ItemFacts, ScanError> {
    let kind = kind_of(path, stat)?;
    let mode = stat.st_mode & 0o7777;
    let is_file = matches!(kind, FoundKind::File { .. });
    // Most files are readable for everyone; asking the kernel for each would cost as much as the scan.
    if is_file && mode & 0o444 != 0o444 {
        rustix::fs::access(path, rustix::fs::Access::READ_OK)
            .map_err(|error| io_error("read", path)(error.into()))?;
    }
    let has_some = xattrs && (is_file || kind == FoundKind::Directory);
    let xattrs = if has_some { read_xattrs(path)? } else { Xattrs::NONE };
    #[allow(clippy::useless_conversion, reason = "its width differs between processors")]
    let links = u32::try_from(stat.st_nlink).unwrap_or(u32::MAX);
    let (stamp, uid, gid) = (Stamp::of_stat(stat), stat.st_uid, stat.st_gid);
    Ok(ItemFacts { kind, stamp, mode, links, uid, gid, xattrs })
}

/// The one thing at `path`, or what a link there leads to. Its attributes are asked for where it really is.
pub(super) fn file(path: &Path, xattrs: bool) -> Result<TreeItem, ScanError> {
    let stat = rustix::fs::stat(path).map_err(|error| io_error("read", path)(error.into()))?;
    let name = path.file_name().unwrap_or_default().as_bytes();
    let below = length(path.as_os_str().as_bytes()) - length(name);
    let mut found = facts(path, &stat, false)?.at(path.as_os_str().as_bytes(), below);
    if xattrs && matches!(found.kind, FoundKind::File { .. }) {
        found.xattrs = read_xattrs(&path.canonicalize().map_err(io_error("resolve", path))?)?;
    }
    Ok(found)
}

/// The names in a directory, sorted, in one piece of memory that those of the next one are read to.
#[derive(Default)]
struct DirectoryNames {
    bytes: Vec<u8>,
    entries: Vec<DirectoryName>,
}

struct DirectoryName {
    start: usize,
    /// After the zero byte.
    end: usize,
    file_type: FileType,
}

impl DirectoryName {
    /// Without the zero byte.
    fn range(&self) -> Range<u32> {
        let place = |at| u32::try_from(at).unwrap_or_else(|_| unreachable!("names of less than 4 GiB"));
        place(self.start)..place(self.end - 1)
    }
}

impl DirectoryNames {
    fn read(&mut self, directory: &OwnedFd) -> Result<(), rustix::io::Errno> {
        let mut buffer = [const { MaybeUninit::uninit() }; NAMES];
        let mut names = RawDir::new(directory, &mut buffer);
        let Self { bytes, entries } = self;
        bytes.clear();
        entries.clear();
        while let Some(entry) = names.next() {
            let entry = entry?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            let start = bytes.len();
            bytes.extend_from_slice(entry.file_name().to_bytes_with_nul());
            entries.push(DirectoryName { start, end: bytes.len(), file_type: entry.file_type() });
        }
        entries.sort_unstable_by(|a, b| bytes[a.start..a.end].cmp(&bytes[b.start..b.end]));
        Ok(())
    }

    fn get(&self, name: &DirectoryName) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes[name.start..name.end])
            .unwrap_or_else(|error| unreachable!("copied with its zero byte: {error}"))
    }
}

/// A directory that has become a link leads elsewhere; the root may be a link.
fn open(directory: &OpenDirectory) -> Result<OwnedFd, rustix::io::Errno> {
    let follow = if directory.is_root { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
    rustix::fs::openat(CWD, directory.path(), flags, Mode::empty())
}

/// The length of a path, which the system keeps below 4096.
fn length(path: &[u8]) -> u32 {
    u32::try_from(path.len()).unwrap_or_else(|_| unreachable!("a path that the system took"))
}

/// Makes `path` that of `name` below `directory`, which may be empty or end with a slash.
fn join(path: &mut Vec<u8>, directory: &[u8], name: &[u8]) {
    path.clear();
    path.extend_from_slice(directory);
    if directory.last().is_some_and(|last| *last != b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

fn kind_of(path: &Path, stat: &Stat) -> Result<FoundKind, ScanError> {
    let device = || (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => FoundKind::Directory,
        FileType::Symlink => {
            let target = std::fs::read_link(path).map_err(io_error("read the symbolic link", path))?;
            FoundKind::Symlink(target.into_os_string().into_vec().into_boxed_slice())
        }
        FileType::Socket => FoundKind::Socket,
        FileType::Fifo => FoundKind::Fifo,
        FileType::CharacterDevice => {
            let (major, minor) = device();
            FoundKind::CharacterDevice(major, minor)
        }
        FileType::BlockDevice => {
            let (major, minor) = device();
            FoundKind::BlockDevice(major, minor)
        }
        FileType::RegularFile | FileType::Unknown => {
            FoundKind::File { executable: stat.st_mode & 0o100 != 0 }
        }
    })
}

/// Others describe the build machine (`security.selinux`, `trusted.*`) or belong to the kernel.
fn read_xattrs(path: &Path) -> Result<Xattrs, ScanError> {
    let cannot = || io_error("read the extended attributes of", path);
    let names = match xattr::list(path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Xattrs::NONE),
        names => names.map_err(cannot())?,
    };
    let mut read = Xattrs::NONE;
    for name in names {
        // A name that is not text cannot be the key of a PAX record.
        let Some(text) = name.to_str() else { continue };
        if text != "security.capability" && !text.starts_with("user.") {
            continue;
        }
        if let Some(value) = xattr::get(path, &name).map_err(cannot())? {
            read.insert(text.to_owned(), value);
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_became_a_link_is_not_followed() {
        let tree = tempfile::tempdir().expect("temporary directory");
        std::os::unix::fs::symlink("/etc", tree.path().join("link")).expect("linked");
        let path = tree.path().join("link");
        let directory =
            |is_root| OpenDirectory { path: path.as_os_str().as_bytes().into(), is_root, included: true };
        assert!(open(&directory(false)).is_err());
        assert!(open(&directory(true)).is_ok(), "the root may be a link");
    }
}
