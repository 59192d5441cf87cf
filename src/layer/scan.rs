//! Trees on disk: what is there, and what becomes of it in a layer.
//!
//! [`scan`] looks at every file once with `lstat`, in parallel where the tree is large, and never follows a
//! symbolic link or opens a file. [`entries`] turns what was found into entries by fixed [`Rules`].
//!
//! Invariants: the result depends on the tree and the options alone, not on readdir order, umask, user,
//! locale or the number of threads; names are raw bytes; nothing is left out silently except what the caller's
//! globs or the tree's `.packignore` name.
//!
//! # `.packignore`
//! One pattern a line, at the root of the tree, a subset of gitignore: blank lines and lines that begin with
//! `#` say nothing; `!` takes back what an earlier line excluded; the last line that matches decides. `*`, `?`
//! and `[…]` match within a name, `**` across names. A trailing `/` matches directories alone. A pattern with a
//! `/` at its beginning or in its middle is anchored at the root, else it matches at any depth. What lies in
//! an excluded directory cannot be taken back. `\#` and `\!` begin a pattern with that character. The file
//! itself is never part of the result.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use rayon::prelude::*;

use super::{
    Content, ContentSource, DEFAULT_MTIME, Entry, EntryKind, EntryPath, EntryPathError, Metadata, Stamp,
};
use crate::error::{Explain, Kind};
use crate::shown::{shown, shown_path};
use crate::workers::{Workers, WorkersError};

/// The file at the root of a tree that says what to leave out.
pub const IGNORE_FILE: &str = ".packignore";

/// A tree of fewer entries than this is looked at by one thread: starting others, and taking the processor from
/// whoever asks the registry meanwhile, costs more than they spare.
const MANY_ENTRIES: usize = 1000;
/// Levels of fewer directories than this are, too.
const FEW_DIRECTORIES: usize = 8;
/// Levels of more are not, however few entries were seen so far.
const MANY_DIRECTORIES: usize = 64;
/// Directories of more names than this are looked at by all threads.
const MANY_NAMES: usize = 1000;

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// Globs of paths relative to the root; if any, only what matches one, or lies below a directory that
    /// does, is found, with the directories that lead there.
    pub include: Vec<String>,
    /// Globs of paths relative to the root that are left out, with all that lies below them.
    pub exclude: Vec<String>,
    /// Whether the root's [`IGNORE_FILE`] is obeyed.
    pub ignore_file: bool,
    /// Whether `security.capability` and `user.*` attributes are read.
    pub xattrs: bool,
}

/// One thing in a tree.
#[derive(Clone, Debug)]
pub struct Found {
    /// Path below the root, raw bytes.
    pub relative: Vec<u8>,
    /// The root joined with it.
    pub path: PathBuf,
    /// What it is.
    pub kind: FoundKind,
    /// What tells whether it changed.
    pub stamp: Stamp,
    /// Permission bits, at most `0o7777`.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes, if asked for.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a thing in a tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link with its target.
    Symlink(Vec<u8>),
    /// A socket.
    Socket,
    /// A named pipe.
    Fifo,
    /// A character device: major, minor.
    CharacterDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

/// What becomes of what was found. The default: mode 0644 or 0755, owner 0:0, [`DEFAULT_MTIME`].
#[derive(Clone, Debug)]
pub struct Rules {
    /// Keep permission bits as they are, setuid, setgid and sticky included.
    pub keep_modes: bool,
    /// Keep numeric owners and groups.
    pub keep_owners: bool,
    /// Mode of every regular file; over `keep_modes`.
    pub file_mode: Option<u32>,
    /// Mode of every directory; over `keep_modes`.
    pub directory_mode: Option<u32>,
    /// Owner and group of everything; over `keep_owners`.
    pub owner: Option<(u64, u64)>,
    /// Modification time of everything, seconds since the epoch.
    pub mtime: u64,
    /// Allow devices and named pipes.
    pub devices: bool,
    /// Allow symbolic links with an absolute target, which means a path in the image.
    pub absolute_links: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            keep_modes: false,
            keep_owners: false,
            file_mode: None,
            directory_mode: None,
            owner: None,
            mtime: DEFAULT_MTIME,
            devices: false,
            absolute_links: true,
        }
    }
}

impl Rules {
    /// The metadata of a directory that is made, not found.
    #[must_use]
    pub fn directory(&self) -> Metadata {
        self.apply(Metadata::with_mode(self.directory_mode.unwrap_or(0o755)))
    }

    /// The metadata of a file that is made, not found.
    #[must_use]
    pub fn file(&self, executable: bool) -> Metadata {
        let mode = self.file_mode.unwrap_or(if executable { 0o755 } else { 0o644 });
        self.apply(Metadata::with_mode(mode))
    }

    /// The metadata of a symbolic link.
    #[must_use]
    pub fn symlink(&self) -> Metadata {
        self.apply(Metadata::symlink())
    }

    fn apply(&self, mut metadata: Metadata) -> Metadata {
        metadata.mtime = self.mtime;
        if let Some((uid, gid)) = self.owner {
            (metadata.uid, metadata.gid) = (uid, gid);
        }
        metadata
    }

    fn metadata(&self, found: &Found) -> Metadata {
        let mut metadata = match found.kind {
            FoundKind::Symlink(_) => self.symlink(),
            FoundKind::Directory => self.directory(),
            FoundKind::File { executable } => self.file(executable),
            _ => self.apply(Metadata::with_mode(0o644)),
        };
        let overridden = match found.kind {
            FoundKind::Symlink(_) => true,
            FoundKind::Directory => self.directory_mode.is_some(),
            FoundKind::File { .. } => self.file_mode.is_some(),
            _ => false,
        };
        if self.keep_modes && !overridden {
            metadata.mode = found.mode;
        }
        if self.keep_owners && self.owner.is_none() {
            (metadata.uid, metadata.gid) = (found.uid.into(), found.gid.into());
        }
        metadata.xattrs.clone_from(&found.xattrs);
        metadata
    }
}

/// Why a tree cannot be packaged.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The system refused.
    #[error("cannot {action} `{}`", shown_path(path))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The root is something else.
    #[error("`{}` is not a directory", shown_path(path))]
    NotADirectory {
        /// The root.
        path: PathBuf,
    },
    /// A name that means a deletion in a layer.
    #[error("`{}` has a name that means a deletion in an image layer", shown_path(path))]
    Whiteout {
        /// The file.
        path: PathBuf,
    },
    /// A socket.
    #[error("`{}` is a socket, which cannot be in an image", shown_path(path))]
    Socket {
        /// The socket.
        path: PathBuf,
    },
    /// A device or named pipe.
    #[error("`{}` is a {kind}, which is only packaged when declared", shown_path(path))]
    Special {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A symbolic link out of the tree.
    #[error("the symbolic link `{}` leads out of its tree: `{}`", shown_path(path), shown(target))]
    LinkLeaves {
        /// The link.
        path: PathBuf,
        /// Its target.
        target: Vec<u8>,
    },
    /// A symbolic link to a path of this machine.
    #[error(
        "the symbolic link `{}` has a path of this machine as its target: `{}`",
        shown_path(path),
        shown(target)
    )]
    LinkToMachine {
        /// The link.
        path: PathBuf,
        /// Its target.
        target: Vec<u8>,
    },
    /// There are no threads to look with.
    #[error(transparent)]
    Threads(#[from] WorkersError),
    /// A glob that is none.
    #[error("`{pattern}`{} is not a glob: {why}", origin.as_ref().map(|origin| format!(" in `{}`", shown_path(origin))).unwrap_or_default())]
    Glob {
        /// As written.
        pattern: String,
        /// The file that it is in.
        origin: Option<PathBuf>,
        /// What is wrong.
        why: String,
    },
    /// Nothing matches.
    #[error("nothing in `{}` matches {}", shown_path(path), patterns.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(" or "))]
    NothingIncluded {
        /// The root.
        path: PathBuf,
        /// The globs.
        patterns: Vec<String>,
    },
    /// A name that cannot be in an image; no file system has one.
    #[error("`{}` cannot be in an image", shown_path(path))]
    Name {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: EntryPathError,
    },
}

impl Explain for ScanError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Threads(error) => return error.hint(),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!("make it readable, or leave it out with a line in `{IGNORE_FILE}`")
                }
                io::ErrorKind::NotFound => "check the path; or the tree was changed while it was read".to_owned(),
                _ => return None,
            },
            Self::NotADirectory { .. } => "give the path of a directory".to_owned(),
            Self::Whiteout { .. } => format!("rename it, or leave it out with a line in `{IGNORE_FILE}`"),
            Self::Socket { .. } => format!("remove it, or leave it out with a line in `{IGNORE_FILE}`"),
            Self::Special { .. } => {
                format!("declare that devices are wanted, or leave it out with a line in `{IGNORE_FILE}`")
            }
            Self::LinkLeaves { .. } => "replace it with the file it leads to, or with an absolute target that means a path in the image".to_owned(),
            Self::LinkToMachine { .. } => "make its target relative to the link".to_owned(),
            Self::Glob { .. } => "`*` and `?` match within a name, `**` across names; escape others with `\\`".to_owned(),
            Self::NothingIncluded { .. } => {
                "globs match the whole path below the root; begin one with `**/` to match at any depth".to_owned()
            }
            Self::Name { .. } => return None,
        };
        Some(hint)
    }
}

/// Whether a file of this name would be read as a deletion (image specification, `layer.md`).
pub(crate) fn is_whiteout(name: &[u8]) -> bool {
    name.starts_with(b".wh.")
}

/// Everything below `root`, sorted by the raw bytes of the relative path; without `root` itself.
///
/// # Errors
/// When something cannot be read, is named like a deletion, is a symbolic link to an absolute path below
/// `root`, or when a glob is wrong or includes nothing.
pub fn scan(root: &Path, options: &ScanOptions, workers: &Workers) -> Result<Vec<Found>, ScanError> {
    let metadata = fs::metadata(root).map_err(io_error("read", root))?;
    if !metadata.is_dir() {
        return Err(ScanError::NotADirectory { path: root.to_owned() });
    }
    let walk = Walk { filter: Filter::new(root, options)?, xattrs: options.xattrs, workers };
    let mut found: Vec<Seen> = Vec::new();
    let mut level =
        vec![Directory { path: root.to_owned(), relative: Vec::new(), included: walk.filter.all() }];
    // Level by level instead of recursively: the stack stays small however deep the tree is.
    while !level.is_empty() {
        let many = if found.len() < MANY_ENTRIES { MANY_DIRECTORIES } else { FEW_DIRECTORIES };
        let read: Vec<Vec<Seen>> = if level.len() < many {
            level.iter().map(|directory| walk.read(directory)).collect::<Result<_, _>>()?
        } else {
            let read = || level.par_iter().map(|directory| walk.read(directory)).collect::<Result<_, _>>();
            workers.pool()?.install(read)?
        };
        level = read.iter().flatten().filter_map(Seen::directory).collect();
        found.extend(read.into_iter().flatten());
    }
    let mut found = included(found);
    if found.is_empty() && !options.include.is_empty() {
        return Err(ScanError::NothingIncluded { path: root.to_owned(), patterns: options.include.clone() });
    }
    if found.len() < MANY_ENTRIES {
        found.sort_unstable_by(|a, b| a.relative.cmp(&b.relative));
    } else {
        workers.pool()?.install(|| found.par_sort_unstable_by(|a, b| a.relative.cmp(&b.relative)));
    }
    check_absolute_links(root, &found)?;
    Ok(found)
}

/// Scans that are remembered: all parts of a build see a tree once, and as it was then.
#[derive(Debug, Default)]
pub struct Scanner {
    workers: Workers,
    scanned: Mutex<Vec<Scanned>>,
}

/// A root, what was looked at, and what was found.
type Scanned = (PathBuf, ScanOptions, Arc<Vec<Found>>);

impl Scanner {
    /// One that has looked at nothing yet.
    #[must_use]
    pub fn new(workers: &Workers) -> Self {
        Self { workers: workers.clone(), scanned: Mutex::default() }
    }

    /// As [`scan`], the first time; then what was found.
    ///
    /// # Errors
    /// As for [`scan`].
    pub fn scan(&self, root: &Path, options: &ScanOptions) -> Result<Arc<Vec<Found>>, ScanError> {
        let scanned = || self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(of, with, _): &&Scanned| of == root && with == options;
        if let Some((_, _, found)) = scanned().iter().find(same) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(scan(root, options, &self.workers)?);
        scanned().push((root.to_owned(), options.clone(), Arc::clone(&found)));
        Ok(found)
    }
}

/// A thing that was seen, and whether an include glob takes it.
struct Seen {
    found: Found,
    included: bool,
}

impl Seen {
    fn directory(&self) -> Option<Directory> {
        (self.found.kind == FoundKind::Directory).then(|| Directory {
            path: self.found.path.clone(),
            relative: self.found.relative.clone(),
            included: self.included,
        })
    }
}

struct Directory {
    path: PathBuf,
    relative: Vec<u8>,
    included: bool,
}

struct Walk<'a> {
    filter: Filter,
    xattrs: bool,
    workers: &'a Workers,
}

impl Walk<'_> {
    fn read(&self, directory: &Directory) -> Result<Vec<Seen>, ScanError> {
        let unreadable = || io_error("read the directory", &directory.path);
        let names: Vec<DirEntry> = fs::read_dir(&directory.path)
            .map_err(unreadable())?
            .collect::<Result<_, _>>()
            .map_err(unreadable())?;
        if names.len() < MANY_NAMES {
            names.iter().filter_map(|entry| self.look(directory, entry).transpose()).collect()
        } else {
            let look = |entry: &DirEntry| self.look(directory, entry).transpose();
            let look_at_all = || names.par_iter().with_min_len(64).filter_map(look).collect();
            self.workers.pool()?.install(look_at_all)
        }
    }

    fn look(&self, directory: &Directory, entry: &DirEntry) -> Result<Option<Seen>, ScanError> {
        let name = entry.file_name();
        let relative = if directory.relative.is_empty() {
            name.as_bytes().to_vec()
        } else {
            [&directory.relative, &b"/"[..], name.as_bytes()].concat()
        };
        let path = entry.path();
        let file_type = entry.file_type().map_err(io_error("look at", &path))?;
        if self.filter.excludes(&relative, file_type.is_dir()) {
            return Ok(None);
        }
        let included = directory.included || self.filter.includes(&relative);
        if !included && !file_type.is_dir() {
            return Ok(None);
        }
        if is_whiteout(name.as_bytes()) {
            return Err(ScanError::Whiteout { path });
        }
        let metadata = entry.metadata().map_err(io_error("look at", &path))?;
        let kind = kind_of(&path, &metadata)?;
        let mode = metadata.permissions().mode() & 0o7777;
        let is_file = matches!(kind, FoundKind::File { .. });
        // Most files are readable for everyone; asking the kernel for each would cost as much as the scan.
        if is_file && mode & 0o444 != 0o444 {
            rustix::fs::access(&path, rustix::fs::Access::READ_OK)
                .map_err(|error| io_error("read", &path)(error.into()))?;
        }
        let xattrs = if self.xattrs && (is_file || kind == FoundKind::Directory) {
            read_xattrs(&path).map_err(io_error("read the extended attributes of", &path))?
        } else {
            BTreeMap::new()
        };
        let (stamp, links) = (Stamp::of(&metadata), metadata.nlink());
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let found = Found { relative, path, kind, stamp, mode, links, uid, gid, xattrs };
        Ok(Some(Seen { found, included }))
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ScanError {
    move |source| ScanError::Io { action, path: path.to_owned(), source }
}

fn kind_of(path: &Path, metadata: &fs::Metadata) -> Result<FoundKind, ScanError> {
    let file_type = metadata.file_type();
    let device = || (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    Ok(if file_type.is_dir() {
        FoundKind::Directory
    } else if file_type.is_symlink() {
        let target = fs::read_link(path).map_err(io_error("read the symbolic link", path))?;
        FoundKind::Symlink(target.into_os_string().into_vec())
    } else if file_type.is_socket() {
        FoundKind::Socket
    } else if file_type.is_fifo() {
        FoundKind::Fifo
    } else if file_type.is_char_device() {
        let (major, minor) = device();
        FoundKind::CharacterDevice(major, minor)
    } else if file_type.is_block_device() {
        let (major, minor) = device();
        FoundKind::BlockDevice(major, minor)
    } else {
        FoundKind::File { executable: metadata.permissions().mode() & 0o100 != 0 }
    })
}

/// Others describe the build machine (`security.selinux`, `trusted.*`) or belong to the kernel.
fn read_xattrs(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let names = match xattr::list(path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(BTreeMap::new()),
        names => names?,
    };
    let mut read = BTreeMap::new();
    for name in names {
        // A name that is not text cannot be the key of a PAX record.
        let Some(text) = name.to_str() else { continue };
        if text != "security.capability" && !text.starts_with("user.") {
            continue;
        }
        if let Some(value) = xattr::get(path, &name)? {
            read.insert(text.to_owned(), value);
        }
    }
    Ok(read)
}

/// Keeps what is included and the directories that lead there.
fn included(seen: Vec<Seen>) -> Vec<Found> {
    if seen.iter().all(|seen| seen.included) {
        return seen.into_iter().map(|seen| seen.found).collect();
    }
    let mut needed: BTreeSet<Vec<u8>> = BTreeSet::new();
    for seen in seen.iter().filter(|seen| seen.included) {
        let mut rest = &seen.found.relative[..];
        while let Some(slash) = rest.iter().rposition(|byte| *byte == b'/') {
            rest = &rest[..slash];
            if !needed.insert(rest.to_vec()) {
                break;
            }
        }
    }
    let kept = seen.into_iter().filter(|seen| seen.included || needed.contains(&seen.found.relative));
    kept.map(|seen| seen.found).collect()
}

/// An absolute target means a path in the image; one that begins with the tree's own place means this machine.
fn check_absolute_links(root: &Path, found: &[Found]) -> Result<(), ScanError> {
    let mut places: Option<Vec<PathBuf>> = None;
    for found in found {
        let FoundKind::Symlink(target) = &found.kind else { continue };
        if !target.starts_with(b"/") {
            continue;
        }
        let places = match &mut places {
            Some(places) => places,
            empty => {
                let canonical = root.canonicalize().map_err(io_error("resolve", root))?;
                let mut places = vec![canonical, root.to_owned()];
                places.retain(|place| place.is_absolute() && place != Path::new("/"));
                empty.insert(places)
            }
        };
        let path = Path::new(OsStr::from_bytes(target));
        if places.iter().any(|place| path.starts_with(place)) {
            return Err(ScanError::LinkToMachine { path: found.path.clone(), target: target.clone() });
        }
    }
    Ok(())
}

/// Whether a relative `target`, written in the link at `relative`, climbs above the root on its way.
pub(crate) fn leaves(relative: &[u8], target: &[u8]) -> bool {
    let mut depth = relative.iter().filter(|byte| **byte == b'/').count();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// The entries for `found`, which must be in the order of [`scan`] and go into one layer, below
/// `target_root`; `None` is the image's root.
///
/// Files with the same device and inode become hard links to the first of them. Below a `target_root` a
/// relative symbolic link must stay in its tree; at the image's root the kernel itself stops at the root.
///
/// # Errors
/// For sockets, for devices and named pipes that are not declared, and for symbolic links that lead out.
pub fn entries<'a>(
    found: impl IntoIterator<Item = &'a Found>,
    target_root: Option<&EntryPath>,
    rules: &Rules,
) -> Result<Vec<Entry>, ScanError> {
    let mut first_names: BTreeMap<(u64, u64), EntryPath> = BTreeMap::new();
    let mut entries = Vec::new();
    for found in found {
        let name = EntryPath::new(&found.relative)
            .map_err(|source| ScanError::Name { path: found.path.clone(), source })?;
        let path = target_root.map_or_else(|| name.clone(), |root| name.below(root));
        let special = |kind| ScanError::Special { path: found.path.clone(), kind };
        let kind = match &found.kind {
            FoundKind::Directory => EntryKind::Directory,
            FoundKind::File { .. } => {
                let content = Content {
                    size: found.stamp.size,
                    source: ContentSource::File(found.path.clone(), found.stamp),
                };
                if found.links > 1 {
                    match first_names.entry((found.stamp.device, found.stamp.inode)) {
                        std::collections::btree_map::Entry::Occupied(first) => {
                            EntryKind::Hardlink(first.get().clone())
                        }
                        std::collections::btree_map::Entry::Vacant(slot) => {
                            slot.insert(path.clone());
                            EntryKind::File(content)
                        }
                    }
                } else {
                    EntryKind::File(content)
                }
            }
            FoundKind::Symlink(target) => {
                let absolute = target.starts_with(b"/");
                let out = if absolute {
                    !rules.absolute_links
                } else {
                    target_root.is_some() && leaves(&found.relative, target)
                };
                if out {
                    return Err(ScanError::LinkLeaves { path: found.path.clone(), target: target.clone() });
                }
                EntryKind::Symlink(target.clone())
            }
            FoundKind::Socket => return Err(ScanError::Socket { path: found.path.clone() }),
            FoundKind::Fifo if rules.devices => EntryKind::Fifo,
            FoundKind::Fifo => return Err(special("named pipe")),
            FoundKind::CharacterDevice(major, minor) if rules.devices => {
                EntryKind::CharacterDevice(*major, *minor)
            }
            FoundKind::CharacterDevice(..) => return Err(special("character device")),
            FoundKind::BlockDevice(major, minor) if rules.devices => EntryKind::BlockDevice(*major, *minor),
            FoundKind::BlockDevice(..) => return Err(special("block device")),
        };
        entries.push(Entry { path, metadata: rules.metadata(found), kind });
    }
    Ok(entries)
}

/// The compiled globs of a scan.
struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
    ignore: Option<Ignore>,
}

impl Filter {
    fn new(root: &Path, options: &ScanOptions) -> Result<Self, ScanError> {
        let include = (!options.include.is_empty()).then(|| globs(&options.include)).transpose()?;
        let ignore = if options.ignore_file { Ignore::read(&root.join(IGNORE_FILE))? } else { None };
        Ok(Self { include, exclude: globs(&options.exclude)?, ignore })
    }

    /// Whether everything is included.
    const fn all(&self) -> bool {
        self.include.is_none()
    }

    fn includes(&self, relative: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match_candidate(&Candidate::from_bytes(relative)))
    }

    fn excludes(&self, relative: &[u8], directory: bool) -> bool {
        if self.exclude.is_empty() && self.ignore.is_none() {
            return false;
        }
        let candidate = Candidate::from_bytes(relative);
        self.exclude.is_match_candidate(&candidate)
            || self.ignore.as_ref().is_some_and(|ignore| {
                relative == IGNORE_FILE.as_bytes() || ignore.excludes(&candidate, directory)
            })
    }
}

/// Bytes of a pattern, which nobody writes by hand; the compiler of globs calls itself for each `{` in another.
const MAX_PATTERN: usize = 4096;
/// How deep `{…}` may be nested.
const MAX_BRACES: usize = 16;

/// Why a pattern is too long or too deep to be compiled; `None` where it is not.
#[must_use]
pub fn pattern_is_too_much(pattern: &str) -> Option<String> {
    if pattern.len() > MAX_PATTERN {
        return Some(format!("it is longer than {MAX_PATTERN} bytes"));
    }
    let mut depth = 0_usize;
    for byte in pattern.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACES {
            return Some(format!("its braces are nested more than {MAX_BRACES} deep"));
        }
    }
    None
}

fn glob(pattern: &str) -> Result<globset::Glob, String> {
    if let Some(why) = pattern_is_too_much(pattern) {
        return Err(why);
    }
    let built = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    built.map_err(|error| error.kind().to_string())
}

/// Globs of whole relative paths; `./x`, `/x` and `x/` mean `x`.
fn globs(patterns: &[String]) -> Result<GlobSet, ScanError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let wrong = |why: String| ScanError::Glob { pattern: pattern.clone(), origin: None, why };
        let path = pattern.strip_prefix("./").unwrap_or(pattern).trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        set.add(glob(path).map_err(wrong)?);
    }
    set.build().map_err(|error| ScanError::Glob {
        pattern: patterns.join(" "),
        origin: None,
        why: error.kind().to_string(),
    })
}

/// The patterns of an ignore file.
struct Ignore {
    set: GlobSet,
    lines: Vec<IgnoreLine>,
}

struct IgnoreLine {
    taken_back: bool,
    directory: bool,
}

impl Ignore {
    /// `None` if there is no such file.
    fn read(path: &Path) -> Result<Option<Self>, ScanError> {
        match fs::read(path) {
            Ok(bytes) => Self::parse(path, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", path)(error)),
        }
    }

    fn parse(origin: &Path, bytes: &[u8]) -> Result<Self, ScanError> {
        let wrong = |pattern: &str, why: String| ScanError::Glob {
            pattern: pattern.to_owned(),
            origin: Some(origin.to_owned()),
            why,
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| wrong(&shown(&bytes[..bytes.len().min(40)]), "it is not UTF-8".to_owned()))?;
        let (mut set, mut lines) = (GlobSetBuilder::new(), Vec::new());
        for line in text.lines() {
            let written = line.trim_end();
            // A backslash keeps the space after it.
            let written = if written.ends_with('\\') && line.len() > written.len() {
                &line[..=written.len()]
            } else {
                written
            };
            if written.is_empty() || written.starts_with('#') {
                continue;
            }
            let (taken_back, pattern) = match written.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, written),
            };
            let (directory, pattern) = match pattern.strip_suffix('/') {
                Some(rest) => (true, rest),
                None => (false, pattern),
            };
            let pattern = if let Some(rest) = pattern.strip_prefix('/') {
                rest.to_owned()
            } else if pattern.contains('/') {
                pattern.to_owned()
            } else {
                format!("**/{pattern}")
            };
            if pattern.is_empty() || pattern == "**/" {
                return Err(wrong(written, "it is empty".to_owned()));
            }
            set.add(glob(&pattern).map_err(|why| wrong(written, why))?);
            lines.push(IgnoreLine { taken_back, directory });
        }
        let set = set.build().map_err(|error| wrong("", error.kind().to_string()))?;
        Ok(Self { set, lines })
    }

    fn excludes(&self, candidate: &Candidate<'_>, directory: bool) -> bool {
        let matching = self.set.matches_candidate(candidate);
        let deciding = matching.into_iter().filter(|line| directory || !self.lines[*line].directory).max();
        deciding.is_some_and(|line| !self.lines[line].taken_back)
    }
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;

    /// Whether each of `paths` is excluded by the ignore file `bytes`, if it is one.
    pub(crate) fn ignored(bytes: &[u8], paths: &[&[u8]], directory: bool) -> Option<Vec<bool>> {
        let ignore = match Ignore::parse(Path::new(IGNORE_FILE), bytes) {
            Ok(ignore) => ignore,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return None;
            }
        };
        Some(paths.iter().map(|path| ignore.excludes(&Candidate::from_bytes(path), directory)).collect())
    }

    /// Whether each of `paths` matches one of `patterns`, if they are globs.
    pub(crate) fn matched(patterns: &[String], paths: &[&[u8]]) -> Option<Vec<bool>> {
        let set = globs(patterns).ok()?;
        Some(paths.iter().map(|path| set.is_match_candidate(&Candidate::from_bytes(path))).collect())
    }
}

#[cfg(test)]
mod tests;
