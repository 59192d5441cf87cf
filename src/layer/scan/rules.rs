//! The rules that turn scanned files into entries of a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Link, ScanError};
use super::found::{FoundKind, TreeItem};
use crate::layer::{Content, ContentSource, DEFAULT_MTIME, Entry, EntryKind, EntryPath, Metadata};
use crate::types::stamp::Stamp;

/// The rules for scanned files. The default: mode 0644 or 0755, owner 0:0, [`DEFAULT_MTIME`].
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

    /// Whether modes or owners of directories count, so that a scan has to look at them.
    #[must_use]
    pub const fn keeps_what_directories_have(&self) -> bool {
        self.keep_modes || self.keep_owners
    }

    /// The metadata of what was found.
    #[must_use]
    pub fn metadata(&self, found: &TreeItem) -> Metadata {
        debug_assert!(
            !self.keeps_what_directories_have() || found.stamp != Stamp::default(),
            "not looked at: {found:?}"
        );
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

/// The entries for `found`, which must be in the order of `scan` and go into one layer, below
/// `target_root`; `None` is the image's root.
///
/// Files with the same device and inode become hard links to the first of them. Below a `target_root` a
/// relative symbolic link must stay in its tree; at the image's root the kernel itself stops at the root.
///
/// # Errors
/// For sockets, for devices and named pipes that are not declared, and for symbolic links that lead out.
pub fn entries<'a>(
    found: impl IntoIterator<Item = &'a TreeItem, IntoIter: ExactSizeIterator>,
    target_root: Option<&EntryPath>,
    rules: &Rules,
) -> Result<Vec<Entry>, ScanError> {
    let mut first_names: BTreeMap<(u64, u64), EntryPath> = BTreeMap::new();
    let found = found.into_iter();
    // All of them are told at once.
    let mut leaving = Vec::new();
    // Callers add the directory that all is in.
    let mut entries = Vec::with_capacity(found.len() + 1);
    for found in found {
        let path = target_root
            .map_or_else(|| EntryPath::new(found.relative()), |root| root.join(found.relative()))
            .map_err(|source| ScanError::Name { path: found.path.to_path_buf(), source })?;
        let special = |kind| ScanError::Special { path: found.path.to_path_buf(), kind };
        let kind = match &found.kind {
            FoundKind::Directory => EntryKind::Directory,
            FoundKind::File { .. } => {
                let content = Content {
                    size: found.stamp.size,
                    source: ContentSource::File(Arc::clone(&found.path), found.stamp),
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
                let out =
                    if absolute { !rules.absolute_links } else { target_root.is_some() && found.leads_out };
                if out {
                    leaving.push(Link { path: found.path.to_path_buf(), target: target.to_vec() });
                }
                EntryKind::Symlink(target.to_vec())
            }
            FoundKind::Socket => return Err(ScanError::Socket { path: found.path.to_path_buf() }),
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
    if !leaving.is_empty() {
        return Err(ScanError::LinksLeave { links: leaving, absolute: rules.absolute_links });
    }
    Ok(entries)
}
