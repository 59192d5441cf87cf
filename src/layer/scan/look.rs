//! One look at a tree: what its filter takes, checked and remarked on.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::chains::LinkChains;
use super::error::{Link, ScanError, io_error};
use super::filter::Filter;
use super::found::{FoundKind, TreeItem};
use super::options::{LeftOut, ScanOptions};
use super::remarks::{self, Remarks};
use super::room::PathRoom;
use super::tree::ScannedTree;
use super::walk::{self, TreeWalk};
use crate::runtime::workers::Workers;

/// Everything below `root`, sorted by the raw bytes of the relative path; without `root` itself.
///
/// # Errors
/// When something cannot be read, is named like a deletion, is a symbolic link to an absolute path below
/// `root`, or when a glob is wrong or includes nothing.
#[cfg(test)]
pub fn scan(root: &Path, options: &ScanOptions, workers: &Workers) -> Result<Vec<TreeItem>, ScanError> {
    let (left_out, room) = (LeftOut::default(), PathRoom::default());
    let seen =
        TreeLook { left_out: &left_out, room: &room, workers, is_beside_others: false }.at(root, options)?;
    seen.into_items(root, options, workers).map(|(found, _)| found)
}

/// A tree that was looked at.
#[derive(Debug)]
pub(super) struct SeenTree {
    pub(super) tree: ScannedTree,
    filter: Filter,
    /// Below the root.
    left_out: BTreeSet<Vec<u8>>,
    /// Of the root.
    metadata: Metadata,
}

/// Looks at trees.
pub(super) struct TreeLook<'a> {
    pub(super) left_out: &'a LeftOut,
    pub(super) room: &'a PathRoom,
    pub(super) workers: &'a Workers,
    /// Whether other trees are looked at meanwhile.
    pub(super) is_beside_others: bool,
}

impl TreeLook<'_> {
    /// Looks at everything below `root` but what is left out.
    pub(super) fn at(&self, root: &Path, options: &ScanOptions) -> Result<SeenTree, ScanError> {
        let Self { left_out, room, workers, is_beside_others } = *self;
        let metadata = fs::metadata(root).map_err(io_error("read", root))?;
        if !metadata.is_dir() {
            return Err(ScanError::NotADirectory { path: root.to_owned() });
        }
        let ScanOptions { xattrs, directories, .. } = *options;
        let (filter, left_out) = (Filter::new(root, options)?, left_out.below(root));
        let room = room.clone();
        let walk = TreeWalk { filter, left_out, xattrs, directories, room, workers, is_beside_others };
        let tree = walk.tree(root)?;
        if !options.include.is_empty() && tree.is_empty() {
            return Err(ScanError::NothingIncluded {
                path: root.to_owned(),
                patterns: options.include.clone(),
                literally: remarks::literal_includes(root, options, &options.include, workers),
            });
        }
        check_absolute_links(root, &tree)?;
        Ok(SeenTree { tree, filter: walk.filter, left_out: walk.left_out, metadata })
    }
}

impl SeenTree {
    /// All that was found, with what is worth telling.
    pub(super) fn into_items(
        self,
        root: &Path,
        options: &ScanOptions,
        workers: &Workers,
    ) -> Result<(Vec<TreeItem>, Remarks), ScanError> {
        let Self { tree, filter, left_out, metadata } = self;
        let mut found = tree.into_items();
        mark_links(&mut found);
        let remarks = Remarks::on_tree(root, &metadata, options, &filter, &found, &left_out, workers)?;
        Ok((found, remarks))
    }
}

/// The one file at `path`, or what a link there leads to: what `scan` would find of it in its directory.
///
/// # Errors
/// When it cannot be read.
pub fn look_at_file(path: &Path, xattrs: bool) -> Result<TreeItem, ScanError> {
    walk::file(path, xattrs)
}

/// Whether a scan of `root` finds `relative`, a path below it that need not exist.
///
/// # Errors
/// When a glob is wrong or the ignore file cannot be read.
pub fn takes(root: &Path, options: &ScanOptions, relative: &Path, is_dir: bool) -> Result<bool, ScanError> {
    Filter::new(root, options)?.takes(relative.as_os_str().as_bytes(), is_dir)
}

/// Marks the links that lead out of the tree.
fn mark_links(found: &mut [TreeItem]) {
    let link = |(index, item): (usize, &TreeItem)| match &item.kind {
        FoundKind::Symlink(target) => Some((index, item.relative().to_vec(), target.to_vec())),
        _ => None,
    };
    let links: Vec<(usize, Vec<u8>, Vec<u8>)> = found.iter().enumerate().filter_map(link).collect();
    let mut chains = LinkChains::new(links.iter().map(|(_, path, target)| (&path[..], &target[..])));
    for (index, path, _) in &links {
        found[*index].leads_out = chains.leave(path);
    }
}

/// An absolute target means a path in the image; one that begins with the tree's own place means this machine.
fn check_absolute_links(root: &Path, tree: &ScannedTree) -> Result<(), ScanError> {
    let mut absolute = Vec::new();
    tree.visit(|path, facts| {
        if let FoundKind::Symlink(target) = &facts.kind
            && target.starts_with(b"/")
        {
            absolute.push((path.to_vec(), target));
        }
    });
    if absolute.is_empty() {
        return Ok(());
    }
    let canonical = root.canonicalize().map_err(io_error("resolve", root))?;
    let mut places = vec![canonical, root.to_owned()];
    places.retain(|place| place.is_absolute() && place != Path::new("/"));
    let leads_here = |target: &[u8]| {
        let target = Path::new(OsStr::from_bytes(target));
        places.iter().any(|place| target.starts_with(place))
    };
    let links: Vec<Link> = absolute
        .into_iter()
        .filter(|(_, target)| leads_here(target))
        .map(|(path, target)| Link { path: root.join(OsStr::from_bytes(&path)), target: target.to_vec() })
        .collect();
    if links.is_empty() { Ok(()) } else { Err(ScanError::LinksToMachine { links }) }
}
