//! One look at a tree: what its filter takes, checked and remarked on.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::chains::LinkChains;
use super::error::{Link, ScanError, io_error};
use super::filter::Filter;
use super::found::{FoundKind, TreeItem};
use super::options::{LeftOut, ScanOptions};
use super::remarks::{self, Remarks};
use super::room::PathRoom;
use super::walk::{self, TreeWalk, included};
use crate::runtime::workers::Workers;

/// Everything below `root`, sorted by the raw bytes of the relative path; without `root` itself.
///
/// # Errors
/// When something cannot be read, is named like a deletion, is a symbolic link to an absolute path below
/// `root`, or when a glob is wrong or includes nothing.
#[cfg(test)]
pub fn scan(root: &Path, options: &ScanOptions, workers: &Workers) -> Result<Vec<TreeItem>, ScanError> {
    look(root, options, &LeftOut::default(), &PathRoom::default(), workers).map(|(found, _)| found)
}

/// As `scan`, without what is left out, and with what is worth telling.
pub(super) fn look(
    root: &Path,
    options: &ScanOptions,
    left_out: &LeftOut,
    room: &PathRoom,
    workers: &Workers,
) -> Result<(Vec<TreeItem>, Remarks), ScanError> {
    let metadata = fs::metadata(root).map_err(io_error("read", root))?;
    if !metadata.is_dir() {
        return Err(ScanError::NotADirectory { path: root.to_owned() });
    }
    let ScanOptions { xattrs, directories, .. } = *options;
    let (filter, left_out) = (Filter::new(root, options)?, left_out.below(root));
    let walk = TreeWalk { filter, left_out, xattrs, directories, room: room.clone(), workers };
    let mut found = included(walk.tree(root)?);
    if found.is_empty() && !options.include.is_empty() {
        return Err(ScanError::NothingIncluded {
            path: root.to_owned(),
            patterns: options.include.clone(),
            literally: remarks::literal_includes(root, options, &options.include, workers),
        });
    }
    mark_links(&mut found);
    check_absolute_links(root, &found)?;
    let remarks = Remarks::on_tree(root, &metadata, options, &walk.filter, &found, &walk.left_out, workers)?;
    Ok((found, remarks))
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
fn check_absolute_links(root: &Path, found: &[TreeItem]) -> Result<(), ScanError> {
    let mut places: Option<Vec<PathBuf>> = None;
    let mut links = Vec::new();
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
            links.push(Link { path: found.path.to_path_buf(), target: target.to_vec() });
        }
    }
    if links.is_empty() { Ok(()) } else { Err(ScanError::LinksToMachine { links }) }
}
