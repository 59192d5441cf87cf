//! Directories: where they really are on the base, and whose owner and mode they get.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, VecDeque};

use super::error::{MAX_DEPTH, PlaceError};
use crate::bases::{BaseNode, FileTree};
use crate::layer::{Entry, EntryKind, EntryPath, Metadata};

/// The kernel follows at most 40 links, and so does this code.
const MAX_LINKS: usize = 40;

/// Statements about a directory by its entry, or by several of them.
pub(super) struct DirectoryDeclaration {
    metadata: Metadata,
    is_contested: bool,
}

/// The statements of all directories among `entries`.
pub(super) fn declared(entries: &[Entry]) -> BTreeMap<EntryPath, DirectoryDeclaration> {
    let mut declared: BTreeMap<EntryPath, DirectoryDeclaration> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.is_directory()) {
        match declared.entry(entry.path.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(DirectoryDeclaration { metadata: entry.metadata.clone(), is_contested: false });
            }
            Slot::Occupied(mut slot) => {
                let is_other = slot.get().metadata != entry.metadata;
                slot.get_mut().is_contested |= is_other;
            }
        }
    }
    declared
}

/// The sources of a directory's metadata; the greatest wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// No statement: the directory exists because something is in it.
    Implied,
    /// The nodes below.
    Below,
    /// The layer.
    Layer,
}

/// A directory to write.
pub(super) struct PlacedDirectory {
    pub(super) entry: Entry,
    word: Word,
    /// The path as it is written that led here.
    pub(super) written: EntryPath,
}

/// The layer's statement about a directory, at its real path.
#[derive(Clone)]
pub(super) struct OwnFile {
    metadata: Metadata,
    word: Word,
    written: EntryPath,
}

/// Finds out where directories really are, and gathers those that must be written.
pub(super) struct Placer<'a, B, F> {
    base: &'a mut B,
    declared: BTreeMap<EntryPath, DirectoryDeclaration>,
    owned: &'a F,
    /// Directories as written → as they are behind the base's links.
    real: BTreeMap<EntryPath, EntryPath>,
    /// Directories to write, by real path.
    pub(super) out: BTreeMap<EntryPath, PlacedDirectory>,
}

impl<'a, B: FileTree, F: Fn(&EntryPath) -> bool> Placer<'a, B, F> {
    pub(super) const fn new(
        base: &'a mut B,
        declared: BTreeMap<EntryPath, DirectoryDeclaration>,
        owned: &'a F,
    ) -> Self {
        Self { base, declared, owned, real: BTreeMap::new(), out: BTreeMap::new() }
    }

    /// The directories to write. All else is given back: an archive of many directories takes tens of megabytes here.
    pub(super) fn into_directories(self) -> BTreeMap<EntryPath, PlacedDirectory> {
        self.out
    }

    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, PlaceError> {
        self.base.lookup(path).map_err(PlaceError::Base)
    }

    /// `path` below the real directory of its parent.
    pub(super) fn below_real_parent(&mut self, path: &EntryPath) -> Result<EntryPath, PlaceError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let real = self.directory(&parent, path, None, 0)?;
        Ok(real.join(path.file_name())?)
    }

    /// Makes sure that the directory will exist, and returns its real path. `own` is what the layer says of it where
    /// a link of that name led here.
    pub(super) fn directory(
        &mut self,
        path: &EntryPath,
        for_entry: &EntryPath,
        own: Option<OwnFile>,
        links: usize,
    ) -> Result<EntryPath, PlaceError> {
        if path.as_bytes().iter().filter(|byte| **byte == b'/').count() >= MAX_DEPTH {
            return Err(PlaceError::TooDeep(path.clone()));
        }
        if own.is_none()
            && let Some(real) = self.real.get(path)
        {
            return Ok(real.clone());
        }
        // From the top down, and not by recursion: a path may be as deep as its text is long.
        let new: Vec<EntryPath> =
            path.ancestors().take_while(|above| !self.real.contains_key(above)).collect();
        for above in new.iter().rev() {
            self.directory_below_known(above, for_entry, None, links)?;
        }
        self.directory_below_known(path, for_entry, own, links)
    }

    /// The same for a directory in one that is known already.
    fn directory_below_known(
        &mut self,
        path: &EntryPath,
        for_entry: &EntryPath,
        own: Option<OwnFile>,
        links: usize,
    ) -> Result<EntryPath, PlaceError> {
        let is_link = own.is_some();
        let parent = path.parent();
        let at = match parent.as_ref().and_then(|parent| self.real.get(parent)) {
            Some(parent) => parent.join(path.file_name())?,
            None => path.clone(),
        };
        let own = match own {
            None if (self.owned)(path) => Some(self.own(path)?),
            own => own,
        };
        let real = match self.lookup(&at)? {
            Some(BaseNode::Directory { mode, uid, gid }) => {
                let metadata = Metadata { mode, uid, gid, ..Metadata::directory() };
                let below = OwnFile { metadata, word: Word::Below, written: path.clone() };
                self.write(at, own.unwrap_or(below))?
            }
            Some(BaseNode::Symlink(target)) => {
                let leads_nowhere = |why| PlaceError::Link(at.clone(), self.base.holder(&at), why);
                if links >= MAX_LINKS {
                    return Err(leads_nowhere("too many links"));
                }
                let target = resolve(&at, &target).map_err(leads_nowhere)?;
                self.directory(&target, for_entry, own, links + 1)?
            }
            Some(BaseNode::File(_)) => {
                let holder = self.base.holder(&at);
                return Err(PlaceError::NotADirectory { path: at, holder, needed: for_entry.clone() });
            }
            None => {
                let own = own.map_or_else(|| self.own(path), Ok)?;
                self.write(at, own)?
            }
        };
        if !is_link {
            self.real.insert(path.clone(), real.clone());
        }
        Ok(real)
    }

    /// The layer's statement about the directory at `path`.
    fn own(&self, path: &EntryPath) -> Result<OwnFile, PlaceError> {
        let written = path.clone();
        match self.declared.get(path) {
            Some(DirectoryDeclaration { is_contested: true, .. }) => {
                Err(PlaceError::Contested { path: path.clone(), written: [written.clone(), written] })
            }
            Some(DirectoryDeclaration { metadata, .. }) => {
                Ok(OwnFile { metadata: metadata.clone(), word: Word::Layer, written })
            }
            None => Ok(OwnFile { metadata: Metadata::directory(), word: Word::Implied, written }),
        }
    }

    fn write(&mut self, at: EntryPath, own: OwnFile) -> Result<EntryPath, PlaceError> {
        let OwnFile { metadata, word, written } = own;
        let entry = Entry { path: at.clone(), metadata, kind: EntryKind::Directory };
        let directory = PlacedDirectory { entry, word, written };
        match self.out.entry(at.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(directory);
            }
            Slot::Occupied(mut slot) => {
                let there = slot.get();
                if word > there.word {
                    slot.insert(directory);
                } else if word == Word::Layer && there.entry.metadata != directory.entry.metadata {
                    let written = [there.written.clone(), directory.written];
                    return Err(PlaceError::Contested { path: at, written });
                }
            }
        }
        Ok(at)
    }

    /// Whether `entry`, which is no directory, would take the place of one with all that is in it. A file would also hide
    /// one that a link leads to.
    pub(super) fn check_place(
        &mut self,
        entry: &Entry,
        written: Option<&EntryPath>,
    ) -> Result<(), PlaceError> {
        let is_link = matches!(entry.kind, EntryKind::Symlink(_));
        let is_directory = match self.lookup(&entry.path)? {
            Some(BaseNode::Directory { .. }) => true,
            Some(BaseNode::Symlink(_)) if !is_link => self.leads_to_directory(&entry.path)?,
            _ => false,
        };
        if !is_directory {
            return Ok(());
        }
        Err(PlaceError::ReplacesDirectory {
            path: written.unwrap_or(&entry.path).clone(),
            holder: self.base.holder(&entry.path),
            with: if is_link { "a link" } else { "a file" },
        })
    }

    /// Whether a directory is at the end of the links at `path`.
    fn leads_to_directory(&mut self, path: &EntryPath) -> Result<bool, PlaceError> {
        let parts = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
        };
        let (mut at, mut rest, mut links) = (None::<EntryPath>, VecDeque::from(parts(path.as_bytes())), 0);
        while let Some(part) = rest.pop_front() {
            if matches!(&part[..], b"" | b".") {
                continue;
            }
            if part == b".." {
                at = at.and_then(|at| at.parent());
                continue;
            }
            let next = at.as_ref().map_or_else(|| EntryPath::new(&part), |at| at.join(&part))?;
            match self.lookup(&next)? {
                Some(BaseNode::Directory { .. }) => at = Some(next),
                Some(BaseNode::Symlink(target)) if links < MAX_LINKS => {
                    links += 1;
                    if target.starts_with(b"/") {
                        at = None;
                    }
                    parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Where a link at `at` points, within the image.
fn resolve(at: &EntryPath, target: &[u8]) -> Result<EntryPath, &'static str> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let parent = at.parent();
    if !target.starts_with(b"/")
        && let Some(parent) = &parent
    {
        parts.extend(parent.as_bytes().split(|byte| *byte == b'/'));
    }
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            // Above the root is the root.
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    EntryPath::new(&parts.join(&b'/')).map_err(|_| "it points to the root")
}
