//! The files that a scan found in a directory, by their paths, and where the links among them lead.
//!
//! Links are followed by their text alone, as the kernel would in the image: nothing on disk is asked, so that the answer
//! is a function of the scan.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::ArtifactError;
use super::options::AppOptions;
use crate::layer::scan::{FoundKind, TreeItem, entries};
use crate::layer::{Entry, EntryKind, EntryPath, Rules};
use crate::runtime::input;
use crate::runtime::interrupt::Interrupt;

/// Links that lead from one to the next; the kernel follows as many.
const MAX_LINKS: usize = 40;

/// The most paths that are looked up to follow links. A link may lead through forty others, each with two thousand names
/// in its text; a hundred thousand links of package managers take a million.
const MAX_STEPS: u64 = 8_000_000;

/// The most that is read of files that describe packages. Those of ten thousand packages have some 40 MB.
const MAX_READ: u64 = 512 << 20;

/// The files of a scan.
pub(super) struct FoundTree {
    /// Sorted by path.
    items: Arc<Vec<TreeItem>>,
    /// Ends the reading of files.
    interrupt: Interrupt,
    /// The paths that may still be looked up.
    steps: Cell<u64>,
    /// The bytes that may still be read.
    bytes: Cell<u64>,
}

/// The end of a path, after all links.
#[derive(Debug)]
pub(super) enum PathEnd<'a> {
    /// Something in the tree: its path without links.
    Here(Vec<u8>, &'a TreeItem),
    /// The directory that was scanned.
    Root,
    /// Nothing: a link dangles, or the path does.
    Nothing,
    /// A link leads out of the tree, or to an absolute path.
    Outside,
}

impl FoundTree {
    pub(super) fn new(items: Arc<Vec<TreeItem>>) -> Self {
        Self {
            items,
            interrupt: Interrupt::default(),
            steps: Cell::new(MAX_STEPS),
            bytes: Cell::new(MAX_READ),
        }
    }

    /// The tree for work that ends when the user interrupts: each file that is read asks.
    pub(super) fn until(self, interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), ..self }
    }

    /// All that was found, sorted by path.
    pub(super) fn items(&self) -> &[TreeItem] {
        &self.items
    }

    /// The item at a path, links not followed.
    pub(super) fn get(&self, path: &[u8]) -> Option<&TreeItem> {
        self.place(path).map(|place| &self.items[place])
    }

    /// The place in [`Self::items`] of the item at a path, links not followed.
    pub(super) fn place(&self, path: &[u8]) -> Option<usize> {
        self.items.binary_search_by(|item| item.relative().cmp(path)).ok()
    }

    /// All that is below a directory; nothing stands for the root.
    pub(super) fn below(&self, directory: &[u8]) -> &[TreeItem] {
        &self.items[self.range_below(directory)]
    }

    fn range_below(&self, directory: &[u8]) -> Range<usize> {
        if directory.is_empty() {
            return 0..self.items.len();
        }
        // `0` is the byte after `/`.
        let bounds = [b"/", b"0"].map(|end| [directory, end].concat());
        let [start, end] =
            bounds.map(|bound| self.items.partition_point(|item| item.relative() < &bound[..]));
        start..end
    }

    /// The names right below a directory, sorted; nothing stands for the root.
    pub(super) fn names_in<'a>(
        &'a self,
        directory: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a TreeItem)> + use<'a> {
        let start = if directory.is_empty() { 0 } else { directory.len() + 1 };
        let named = self.below(directory).iter().map(move |item| (&item.relative()[start..], item));
        named.filter(|(name, _)| !name.contains(&b'/'))
    }

    /// The names right below a directory, sorted, each with the place of its item in [`Self::items`].
    pub(super) fn places_in(&self, directory: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
        let range = self.range_below(directory);
        let start = if directory.is_empty() { 0 } else { directory.len() + 1 };
        let named = range.map(move |place| (&self.items[place].relative()[start..], place));
        named.filter(|(name, _)| !name.contains(&b'/'))
    }

    /// Where `path` leads, a path below the root that may contain `.` and `..`.
    pub(super) fn follow(&self, path: &[u8]) -> PathEnd<'_> {
        self.follow_from(b"", path)
    }

    /// Where `path` leads from a directory of the tree whose own path has no links; nothing stands for the root.
    pub(super) fn follow_from(&self, directory: &[u8], path: &[u8]) -> PathEnd<'_> {
        let mut left = MAX_LINKS;
        let mut at: Vec<u8> = directory.to_vec();
        let mut rest: Vec<&[u8]> = path.rsplit(|byte| *byte == b'/').collect();
        // The file that the path is at, where it is no directory.
        let mut file = None;
        while let Some(part) = rest.last().copied() {
            match part {
                b"" | b"." => {
                    rest.pop();
                    continue;
                }
                _ if file.is_some() => return PathEnd::Nothing,
                b".." if at.is_empty() => return PathEnd::Outside,
                b".." => {
                    rest.pop();
                    at.truncate(parent_length(&at));
                    continue;
                }
                _ => {}
            }
            let Some(item) = self.descend(&mut at, &mut rest) else { return PathEnd::Nothing };
            match &item.kind {
                FoundKind::Symlink(target) if target.starts_with(b"/") => return PathEnd::Outside,
                FoundKind::Symlink(target) => {
                    let Some(fewer) = left.checked_sub(1) else { return PathEnd::Nothing };
                    left = fewer;
                    at.truncate(parent_length(&at));
                    rest.extend(target.rsplit(|byte| *byte == b'/'));
                }
                FoundKind::Directory => {}
                _ => file = Some(item),
            }
        }
        match file.or_else(|| self.look_up(&at)) {
            _ if at.is_empty() => PathEnd::Root,
            Some(item) => PathEnd::Here(at, item),
            None => PathEnd::Nothing,
        }
    }

    /// Goes from the directory `at` down the names that come next, as far as there is something. `None` where the first
    /// of them is not there.
    ///
    /// All directories above an item are items too, so that the last that is there is found by halving.
    fn descend(&self, at: &mut Vec<u8>, rest: &mut Vec<&[u8]>) -> Option<&TreeItem> {
        let names = rest.iter().rev().take_while(|part| !matches!(**part, b"" | b"." | b".."));
        let mut ends = Vec::new();
        for name in names {
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(name);
            ends.push(at.len());
        }
        let mut found = self.look_up(at).map(|item| (item, ends.len()));
        if found.is_none() {
            let (mut there, mut gone) = (0, ends.len());
            while gone - there > 1 {
                let middle = usize::midpoint(there, gone);
                match self.look_up(&at[..ends[middle - 1]]) {
                    Some(item) => {
                        found = Some((item, middle));
                        there = middle;
                    }
                    None => gone = middle,
                }
            }
        }
        let (item, names) = found?;
        at.truncate(ends[names - 1]);
        rest.truncate(rest.len() - names);
        Some(item)
    }

    /// As [`Self::get`], at the expense of the steps that are left.
    fn look_up(&self, path: &[u8]) -> Option<&TreeItem> {
        self.steps.set(self.steps.get().checked_sub(1)?);
        self.get(path)
    }

    /// How many paths may still be looked up to follow links.
    pub(super) const fn steps_left(&self) -> u64 {
        self.steps.get()
    }

    /// Refuses a tree whose links took too many steps to follow: some of them were not followed.
    ///
    /// # Errors
    /// When that is so.
    pub(super) fn check(&self, artifact: &Path) -> Result<(), ArtifactError> {
        if self.steps_left() > 0 {
            return Ok(());
        }
        Err(ArtifactError::Unfit {
            path: artifact.to_owned(),
            why: format!("following its symbolic links takes more than {MAX_STEPS} steps"),
            hint: "replace links that lead through many others with the files that they lead to".to_owned(),
        })
    }

    /// Whether `path` leads to a regular file.
    pub(super) fn is_file(&self, path: &[u8]) -> bool {
        matches!(self.follow(path), PathEnd::Here(_, item) if matches!(item.kind, FoundKind::File { .. }))
    }

    /// Whether `path` leads to a directory.
    pub(super) fn is_directory(&self, path: &[u8]) -> bool {
        match self.follow(path) {
            PathEnd::Here(_, item) => item.kind == FoundKind::Directory,
            PathEnd::Root => true,
            _ => false,
        }
    }

    /// The bytes of the regular file that `path` leads to.
    ///
    /// # Errors
    /// When it cannot be read, or the user interrupted.
    pub(super) fn read(&self, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
        self.interrupt.check()?;
        match self.follow(path) {
            PathEnd::Here(_, item) if matches!(item.kind, FoundKind::File { .. }) => {
                self.pay_for(item)?;
                read_item(item, limit).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Counts the bytes of a file that is read: by links, one file may be that of many packages.
    fn pay_for(&self, item: &TreeItem) -> Result<(), ArtifactError> {
        let Some(left) = self.bytes.get().checked_sub(item.stamp.size) else {
            // The answers that follow are not certain.
            self.steps.set(0);
            let why =
                format!("the files that describe packages have more than {} MiB in all", MAX_READ >> 20);
            let source = std::io::Error::new(std::io::ErrorKind::QuotaExceeded, why);
            return Err(ArtifactError::Io { path: item.path.to_path_buf(), source });
        };
        self.bytes.set(left);
        Ok(())
    }
}

/// The length of the directory that a path is in.
fn parent_length(path: &[u8]) -> usize {
    path.iter().rposition(|byte| *byte == b'/').unwrap_or(0)
}

/// The bytes of a regular file that was found.
pub(super) fn read_item(item: &TreeItem, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    input::read(&item.path, limit)
        .map_err(|source| ArtifactError::Io { path: item.path.to_path_buf(), source })
}

/// The paths that are left out of a tree, with all below them.
#[derive(Clone, Debug, Default)]
pub(super) struct Omissions(BTreeSet<Vec<u8>>);

impl Omissions {
    /// Leaves out `path`.
    pub(super) fn add(&mut self, path: &[u8]) {
        self.0.insert(path.to_vec());
    }

    /// Whether `path` or a directory above it is left out.
    pub(super) fn contains(&self, path: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        self.0.contains(path) || slashes.map(|(at, _)| &path[..at]).any(|above| self.0.contains(above))
    }
}

/// The entries of `items` below `root`. Names of one inode become files of their own: package managers link files to
/// their store where they can, and an image must not depend on that.
pub(super) fn unlinked_entries<'a>(
    items: impl Iterator<Item = &'a TreeItem>,
    root: Option<&EntryPath>,
    rules: &Rules,
) -> Result<Vec<Entry>, ArtifactError> {
    let items: Vec<TreeItem> = items.map(|item| TreeItem { links: 1, ..item.clone() }).collect();
    Ok(entries(items.iter(), root, rules)?)
}

/// Adds the root and the directories above entries that are in another layer, and sorts them.
pub(super) fn add_directories(entries: &mut Vec<Entry>, root: Option<&EntryPath>, options: &AppOptions) {
    let mut needed = BTreeSet::new();
    for entry in &*entries {
        needed.extend(entry.path.ancestors().filter(|above| root.is_none_or(|root| above.starts_with(root))));
    }
    for entry in &*entries {
        needed.remove(&entry.path);
    }
    let directory = |path| Entry { path, metadata: options.rules.directory(), kind: EntryKind::Directory };
    entries.extend(needed.into_iter().map(directory));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::layer::ScanOptions;
    use crate::layer::Scanner;

    fn tree(files: &[&str], links: &[(&str, &str)]) -> (tempfile::TempDir, FoundTree) {
        let directory = tempfile::tempdir().expect("a directory");
        let made = |name: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            path
        };
        for name in files {
            std::fs::write(made(name), name).expect("written");
        }
        for (name, target) in links {
            symlink(target, made(name)).expect("linked");
        }
        let found = Scanner::default().scan(directory.path(), &ScanOptions::default()).expect("scanned");
        (directory, FoundTree::new(found))
    }

    fn shown(end: &PathEnd<'_>) -> String {
        match end {
            PathEnd::Here(path, _) => String::from_utf8_lossy(path).into_owned(),
            PathEnd::Root => "/".to_owned(),
            PathEnd::Nothing => "nothing".to_owned(),
            PathEnd::Outside => "outside".to_owned(),
        }
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let links = [
            ("l", "a/b"),
            ("a/up", ".."),
            ("out", "../x"),
            ("abs", "/etc/passwd"),
            ("loop", "loop"),
            ("gone", "a/none"),
            ("a/b/back", "../../l/f"),
        ];
        let (directory, tree) = tree(&["a/b/f", "a-b/g", "z"], &links);
        for path in [
            "l/f",
            "a/up/z",
            "out",
            "abs",
            "loop",
            "gone",
            "a/b/back",
            "l/../b/f",
            "z/x",
            "z/.",
            "a/..",
            "none",
            "a/b",
            "l",
            "a/../../x",
        ] {
            let end = shown(&tree.follow(path.as_bytes()));
            let real = directory.path().join(path);
            let root = directory.path().canonicalize().expect("there");
            // `z/.` is an error of the kernel; nothing writes that.
            match std::fs::canonicalize(&real) {
                Ok(real) if path != "abs" && real.starts_with(&root) => {
                    let expected = real.strip_prefix(&root).expect("below").display().to_string();
                    assert_eq!(end, if expected.is_empty() { "/".to_owned() } else { expected }, "{path}");
                }
                _ => assert!(["nothing", "outside"].contains(&&*end) || path == "z/.", "{path}: {end}"),
            }
        }
        assert_eq!(tree.below(b"a").len(), 4);
        assert_eq!(tree.below(b"").len(), tree.items().len());
        let names: Vec<&[u8]> = tree.names_in(b"a").map(|(name, _)| name).collect();
        assert_eq!(names, [&b"b"[..], b"up"]);
        assert!(tree.names_in(b"").any(|(name, _)| name == b"a-b"));
        assert!(tree.is_file(b"l/f") && !tree.is_file(b"l") && tree.is_directory(b"l"));
    }

    #[test]
    fn what_is_left_out_is_left_out_with_all_below() {
        let mut omissions = Omissions::default();
        assert!(!omissions.contains(b"a"));
        omissions.add(b"a/b");
        assert!(omissions.contains(b"a/b/c") && omissions.contains(b"a/b"));
        assert!(!omissions.contains(b"a") && !omissions.contains(b"a/b2"));
    }
}
