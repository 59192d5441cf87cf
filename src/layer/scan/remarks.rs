//! Remarks about a tree that can be packaged: a setting that names something and does not reach it, and files that
//! are less private in an image than on disk.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use globset::Candidate;

use super::error::{ScanError, listed, quoted};
use super::filter::{Filter, few_globs, literally};
use super::found::{FoundKind, TreeItem};
use super::options::{IGNORE_FILE, ScanOptions};
use super::room::PathRoom;
use super::tree::ScannedTree;
use super::walk::TreeWalk;
use crate::runtime::workers::Workers;
use crate::types::shown::{shown, shown_path};

/// The file that Docker reads for the same purpose.
const DOCKER_IGNORE_FILE: &str = ".dockerignore";

/// Remarks about the scanned trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Facts that the user may want to know.
    pub notes: Vec<String>,
    /// Problems that the user should probably solve.
    pub warnings: Vec<String>,
}

impl Remarks {
    pub(super) fn extend(&mut self, other: Self) {
        self.notes.extend(other.notes);
        self.warnings.extend(other.warnings);
    }

    /// On a tree whose root has this `metadata`, and in which `found` was found.
    pub(super) fn on_tree(
        root: &Path,
        metadata: &Metadata,
        options: &ScanOptions,
        filter: &Filter,
        found: &[TreeItem],
        left_out: &BTreeSet<Vec<u8>>,
        workers: &Workers,
    ) -> Result<Self, ScanError> {
        let mut remarks = Self::default();
        if !found.iter().any(is_file) {
            let by = all_left_out(root, options, left_out, workers);
            let note = |by| format!("{by} leaves out all files of `{}`", shown_path(root));
            remarks.notes.extend(by.map(note));
        }
        if options.ignore_file && !filter.has_ignore_file() {
            remarks.notes.extend(docker_ignore_file(root));
        }
        if options.include.len() > 1 {
            remarks.notes.extend(without_match(root, options, filter, found, workers));
        }
        remarks.warnings.extend(left_in(root, options, filter, found)?);
        if options.published {
            remarks.warnings.extend(published(root, metadata, found));
        }
        Ok(remarks)
    }

    /// On a single file.
    pub(super) fn on_file(path: &Path, options: &ScanOptions, found: &TreeItem) -> Self {
        let mut remarks = Self::default();
        if options.published && is_private(found) {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let is_open = fs::metadata(parent.unwrap_or(Path::new("."))).is_ok_and(|parent| is_open(&parent));
            if is_open {
                remarks.warnings.push(format!(
                    "`{}` can be read only by its owner on this machine, and by everybody in the image; `mode` says \
                     who may read it",
                    shown_path(path)
                ));
            }
        }
        remarks
    }
}

fn docker_ignore_file(root: &Path) -> Option<String> {
    let path = root.join(DOCKER_IGNORE_FILE);
    fs::symlink_metadata(&path).ok()?;
    Some(format!(
        "`{}` is not read, as Docker means other paths by its patterns: write what is to be left out into `{IGNORE_FILE}`",
        shown_path(&path)
    ))
}

fn is_file(item: &TreeItem) -> bool {
    item.kind != FoundKind::Directory
}

/// The patterns that leave out all files of a tree, in words; `None` if it has no files, or there are no patterns.
pub(super) fn all_left_out(
    root: &Path,
    options: &ScanOptions,
    left_out: &BTreeSet<Vec<u8>>,
    workers: &Workers,
) -> Option<String> {
    let has_ignore_file = Filter::new(root, options).is_ok_and(|filter| filter.has_ignore_file());
    let all = [
        (has_ignore_file, IGNORE_FILE),
        (!options.include.is_empty(), "include"),
        (!options.exclude.is_empty(), "exclude"),
    ];
    let by: Vec<String> =
        all.iter().filter(|(is_one, _)| *is_one).map(|(_, name)| format!("`{name}`")).collect();
    if by.is_empty() {
        return None;
    }
    let walk = TreeWalk {
        filter: Filter::new(root, &ScanOptions::default()).ok()?,
        left_out: left_out.clone(),
        xattrs: false,
        directories: false,
        room: PathRoom::default(),
        workers,
        is_beside_others: false,
    };
    // A tree that cannot be read all the same was refused before.
    let all = walk.tree(root).ok()?.into_items();
    let has_files = all.iter().any(|item| is_file(item) && item.relative() != IGNORE_FILE.as_bytes());
    has_files.then(|| by.join(" or "))
}

/// The globs to include that match nothing, while others do.
fn without_match(
    root: &Path,
    options: &ScanOptions,
    filter: &Filter,
    found: &[TreeItem],
    workers: &Workers,
) -> Option<String> {
    let patterns = &options.include;
    let unmatched: Vec<String> = filter
        .unmatched(patterns.len(), found.iter().map(TreeItem::relative))
        .into_iter()
        .map(|at| patterns[at].clone())
        .collect();
    if unmatched.is_empty() {
        return None;
    }
    let mut note = format!("Nothing in `{}` matches {}", shown_path(root), listed(&quoted(&unmatched)));
    let literally = literal_includes(root, options, &unmatched, workers);
    if !literally.is_empty() {
        note = format!(
            "{note}; `[…]` is one of several characters, `{{…}}` one of several texts: write {} for the name itself",
            listed(&quoted(&literally))
        );
    }
    Some(note + ".")
}

/// How those of `patterns` are written literally that are, taken so, the names of something below `root`.
pub(super) fn literal_includes(
    root: &Path,
    options: &ScanOptions,
    patterns: &[String],
    workers: &Workers,
) -> Vec<String> {
    let literal: Vec<String> = patterns.iter().filter_map(|pattern| literally(pattern)).collect();
    if literal.is_empty() {
        return literal;
    }
    let options = ScanOptions {
        include: literal.clone(),
        exclude: options.exclude.clone(),
        ignore_file: options.ignore_file,
        ..ScanOptions::default()
    };
    // A fault of the tree was found before, or does not matter to a hint.
    let Ok(filter) = Filter::new(root, &options) else { return Vec::new() };
    let walk = TreeWalk {
        filter,
        left_out: BTreeSet::new(),
        xattrs: false,
        directories: false,
        room: PathRoom::default(),
        workers,
        is_beside_others: false,
    };
    let found = walk.tree(root).map(ScannedTree::into_items).unwrap_or_default();
    let unmatched = walk.filter.unmatched(literal.len(), found.iter().map(TreeItem::relative));
    let is_matched = |(at, _): &(usize, String)| !unmatched.contains(at);
    literal.into_iter().enumerate().filter(is_matched).map(|(_, text)| text).collect()
}

/// The paths that an excluding pattern would match if its brackets were plain characters, and does not match.
fn left_in(
    root: &Path,
    options: &ScanOptions,
    filter: &Filter,
    found: &[TreeItem],
) -> Result<Vec<String>, ScanError> {
    let of_options = options.exclude.iter().map(|pattern| (pattern.as_str(), pattern.as_str()));
    let of_file = filter.ignored().map(|line| (line.glob.as_str(), line.written.as_str()));
    let (mut globs, mut texts) = (Vec::new(), Vec::new());
    for (glob, written) in of_options.chain(of_file) {
        if let (Some(glob), Some(literal)) = (literally(glob), literally(written)) {
            globs.push(glob);
            texts.push((written, literal));
        }
    }
    if globs.is_empty() {
        return Ok(Vec::new());
    }
    let set = few_globs(root, &globs)?;
    let mut first: Vec<Option<&TreeItem>> = vec![None; globs.len()];
    for found in found {
        for at in set.matches_candidate(&Candidate::from_bytes(found.relative())) {
            first[at].get_or_insert(found);
        }
    }
    let missed = first.into_iter().zip(&texts).filter_map(|(found, (written, literal))| {
        let name = shown_path(&found?.path);
        let (written, literal) = (shown(written.as_bytes()), shown(literal.as_bytes()));
        Some(format!(
            "`{name}` is not left out by `{written}`: `[…]` is one of several characters, `{{…}}` one of several texts; \
             write `{literal}` for the name itself"
        ))
    });
    Ok(missed.collect())
}

/// Whether only its owner may read a file.
fn is_private(found: &TreeItem) -> bool {
    matches!(found.kind, FoundKind::File { .. }) && found.mode & 0o044 == 0
}

/// Whether others than its owner may read or enter a directory.
fn is_open(directory: &Metadata) -> bool {
    directory.permissions().mode() & 0o055 != 0
}

/// Files that somebody closed to others on purpose. Under a umask of 077 everything is closed, the root too, and says
/// nothing about the files.
fn published(root: &Path, metadata: &Metadata, found: &[TreeItem]) -> Option<String> {
    let private: Vec<String> = found
        .iter()
        .filter(|found| is_private(found))
        .map(|found| format!("`{}`", shown(found.relative())))
        .collect();
    let is_shared =
        |found: &TreeItem| matches!(found.kind, FoundKind::File { .. }) && found.mode & 0o044 != 0;
    if private.is_empty() || !is_open(metadata) && !found.iter().any(is_shared) {
        return None;
    }
    let files = if private.len() == 1 { "file" } else { "files" };
    Some(format!(
        "{} {files} in `{}` can be read only by the owner on this machine, and by everybody in the image: {}; lines in \
         `{IGNORE_FILE}` leave them out, `mode` says who may read them",
        private.len(),
        shown_path(root),
        listed(&private)
    ))
}
