//! A tree as it was found: for each directory the names in it, in one piece of memory, and the facts about them.
//!
//! Most builds change nothing: what was found is hashed and dropped. So a thing has no path of its own here, and is neither
//! moved nor copied to bring all of them into their order.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::super::xattrs::Xattrs;
use super::found::{FoundKind, TreeItem};
use crate::types::stamp::Stamp;

/// The facts about one thing in a tree.
#[derive(Clone, Debug)]
pub struct ItemFacts {
    /// The kind of file.
    pub kind: FoundKind,
    /// As [`TreeItem::stamp`].
    pub stamp: Stamp,
    /// As [`TreeItem::mode`].
    pub mode: u32,
    /// Number of hard links.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes, if asked for.
    pub xattrs: Xattrs,
}

impl ItemFacts {
    /// Those of a thing with a path.
    pub(super) fn of(item: &TreeItem) -> Self {
        let TreeItem { path: _, below: _, kind, stamp, mode, links, uid, gid, xattrs, leads_out: _ } = item;
        let (kind, xattrs) = (kind.clone(), xattrs.clone());
        Self { kind, stamp: *stamp, mode: *mode, links: *links, uid: *uid, gid: *gid, xattrs }
    }

    /// A thing with these facts at `path`, whose part below the root begins at `below`.
    pub(super) fn at(self, path: &[u8], below: u32) -> TreeItem {
        let Self { kind, stamp, mode, links, uid, gid, xattrs } = self;
        let path = Path::new(OsStr::from_bytes(path)).into();
        TreeItem { path, below, kind, stamp, mode, links, uid, gid, xattrs, leads_out: false }
    }
}

/// A thing in a directory.
#[derive(Debug)]
pub(super) struct DirectoryItem {
    /// The place of its name among those of the directory.
    pub(super) name: Range<u32>,
    pub(super) facts: ItemFacts,
    /// Whether it is part of what was asked for.
    pub(super) is_included: bool,
}

impl DirectoryItem {
    pub(super) fn is_directory(&self) -> bool {
        self.facts.kind == FoundKind::Directory
    }
}

/// The things in one directory.
#[derive(Debug)]
pub(super) struct FoundDirectory {
    /// The path of the directory, with a slash at its end if there is anything in it and it is not empty.
    pub(super) path: Box<[u8]>,
    pub(super) names: Box<[u8]>,
    /// By name.
    pub(super) items: Vec<DirectoryItem>,
}

impl FoundDirectory {
    pub(super) fn name(&self, item: &DirectoryItem) -> &[u8] {
        self.names.get(item.name.start as usize..item.name.end as usize).unwrap_or_default()
    }
}

/// Things beside each other in a directory that come one after the other.
#[derive(Debug)]
struct ItemRun {
    directory: usize,
    items: Range<usize>,
}

/// All that was found below a root.
#[derive(Debug, Default)]
pub(super) struct ScannedTree {
    /// Where the part below the root begins in paths.
    below: u32,
    /// First the root; then those of each level in the order in which their names come.
    directories: Vec<FoundDirectory>,
    /// The order of the raw bytes of the paths.
    runs: Vec<ItemRun>,
}

impl ScannedTree {
    /// A tree of `directories`, in the order that the field has.
    pub(super) fn new(below: u32, directories: Vec<FoundDirectory>) -> Self {
        let runs = in_order(&directories);
        let mut tree = Self { below, directories, runs };
        tree.include_above();
        tree
    }

    /// Takes in the directories that lead to what is included.
    fn include_above(&mut self) {
        let all = || self.directories.iter().flat_map(|directory| &directory.items);
        if all().all(|item| item.is_included) {
            return;
        }
        let first_below = first_below(&self.directories);
        // Those of lower levels come last.
        for number in (0..self.directories.len()).rev() {
            let mut next = first_below[number];
            for at in 0..self.directories[number].items.len() {
                if !self.directories[number].items[at].is_directory() {
                    continue;
                }
                let has_some = self.directories[next].items.iter().any(|item| item.is_included);
                self.directories[number].items[at].is_included |= has_some;
                next += 1;
            }
        }
    }

    /// Whether nothing is included.
    pub(super) fn is_empty(&self) -> bool {
        !self.directories.iter().flat_map(|directory| &directory.items).any(|item| item.is_included)
    }

    /// Shows all that is included with its path below the root, in the order of the raw bytes of the paths.
    pub(super) fn visit<'t>(&'t self, mut see: impl FnMut(&[u8], &'t ItemFacts)) {
        let mut path = Vec::new();
        for ItemRun { directory, items } in &self.runs {
            let directory = &self.directories[*directory];
            path.clear();
            path.extend_from_slice(&directory.path[self.below as usize..]);
            let above = path.len();
            for item in directory.items[items.clone()].iter().filter(|item| item.is_included) {
                path.truncate(above);
                path.extend_from_slice(directory.name(item));
                see(&path, &item.facts);
            }
        }
    }

    /// The same as things with paths. A directory is dropped with its last thing.
    pub(super) fn into_items(self) -> Vec<TreeItem> {
        let Self { below, directories, runs } = self;
        let count =
            |directory: &FoundDirectory| directory.items.iter().filter(|item| item.is_included).count();
        let mut items = Vec::with_capacity(directories.iter().map(count).sum());
        let mut rests: Vec<_> = directories
            .into_iter()
            .map(|FoundDirectory { path, names, items }| (path, names, items.into_iter()))
            .collect();
        let mut whole = Vec::new();
        for run in runs {
            let (path, names, rest) = &mut rests[run.directory];
            for DirectoryItem { name, facts, is_included } in rest.by_ref().take(run.items.len()) {
                if is_included {
                    whole.clear();
                    whole.extend_from_slice(path);
                    whole.extend_from_slice(&names[name.start as usize..name.end as usize]);
                    items.push(facts.at(&whole, below));
                }
            }
            if rest.len() == 0 {
                rests[run.directory] = Default::default();
            }
        }
        items
    }
}

/// The order of the raw bytes of the paths of all that is in `directories`.
///
/// The things below `a` come where `a/` would: after `a-b`, though `a` comes before that.
fn in_order(directories: &[FoundDirectory]) -> Vec<ItemRun> {
    struct Frame {
        directory: usize,
        next: usize,
        /// The number of the next directory below.
        below: usize,
        /// Directories that were passed, and whose things come later: place among the things, and number.
        open: Vec<(usize, usize)>,
    }
    let first_below = first_below(directories);
    let frame = |number: usize| {
        first_below.get(number).map(|below| Frame {
            directory: number,
            next: 0,
            below: *below,
            open: Vec::new(),
        })
    };
    let mut runs: Vec<ItemRun> = Vec::with_capacity(directories.len());
    let mut frames: Vec<Frame> = frame(0).into_iter().collect();
    while let Some(at) = frames.last_mut() {
        let directory = &directories[at.directory];
        let next = directory.items.get(at.next);
        if let Some((place, number)) = at.open.last().copied()
            && next.is_none_or(|next| {
                is_below_before(directory.name(&directory.items[place]), directory.name(next))
            })
        {
            at.open.pop();
            frames.extend(frame(number));
            continue;
        }
        let Some(next) = next else {
            frames.pop();
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.directory == at.directory && run.items.end == at.next => run.items.end += 1,
            _ => runs.push(ItemRun { directory: at.directory, items: at.next..at.next + 1 }),
        }
        if next.is_directory() {
            at.open.push((at.next, at.below));
            at.below += 1;
        }
        at.next += 1;
    }
    runs
}

/// For each directory the number of the first one in it.
fn first_below(directories: &[FoundDirectory]) -> Vec<usize> {
    let mut below = 1;
    let count = |directory: &FoundDirectory| {
        let count = directory.items.iter().filter(|item| item.is_directory()).count();
        let first = below;
        below += count;
        first
    };
    directories.iter().map(count).collect()
}

/// Whether what is below `directory` comes before the thing of this name beside it.
fn is_below_before(directory: &[u8], name: &[u8]) -> bool {
    directory.iter().chain(b"/").cmp(name.iter()) == Ordering::Less
}
