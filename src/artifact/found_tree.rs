//! The files that a scan found in a directory, by their paths, and where the links among them lead.
//!
//! Links are followed by their text alone, as the kernel would in the image: nothing on disk is asked, so that the answer
//! is a function of the scan.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::ArtifactError;
use super::options::AppOptions;
use crate::layer::scan::{FoundKind, TreeItem, entries};
use crate::layer::{Entry, EntryKind, EntryPath, Rules};
use crate::runtime::input;
use crate::runtime::interrupt::Interrupt;

/// Links that lead from one to the next; the kernel follows as many.
const MAX_LINKS: usize = 40;

/// The files of a scan.
pub(super) struct FoundTree {
    /// Sorted by path.
    items: Arc<Vec<TreeItem>>,
    /// Ends the reading of files.
    interrupt: Interrupt,
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
        Self { items, interrupt: Interrupt::default() }
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
        let at = self.items.binary_search_by(|item| item.relative().cmp(path)).ok()?;
        Some(&self.items[at])
    }

    /// All that is below a directory; nothing stands for the root.
    pub(super) fn below(&self, directory: &[u8]) -> &[TreeItem] {
        if directory.is_empty() {
            return &self.items;
        }
        let start = self.items.partition_point(|item| item.relative() < &[directory, b"/"].concat()[..]);
        // `0` is the byte after `/`.
        let end = self.items.partition_point(|item| item.relative() < &[directory, b"0"].concat()[..]);
        &self.items[start..end]
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

    /// Where `path` leads, a path below the root that may contain `.` and `..`.
    pub(super) fn follow(&self, path: &[u8]) -> PathEnd<'_> {
        let mut left = MAX_LINKS;
        let mut at: Vec<u8> = Vec::new();
        let mut rest: Vec<Vec<u8>> = path.rsplit(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        let mut last = None;
        while let Some(part) = rest.pop() {
            match &part[..] {
                b"" | b"." => continue,
                b".." => {
                    if at.is_empty() {
                        return PathEnd::Outside;
                    }
                    let end = at.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    at.truncate(end);
                    last = self.get(&at);
                    continue;
                }
                part => {
                    if !at.is_empty() {
                        at.push(b'/');
                    }
                    at.extend_from_slice(part);
                }
            }
            let Some(item) = self.get(&at) else { return PathEnd::Nothing };
            match &item.kind {
                FoundKind::Symlink(target) if target.starts_with(b"/") => return PathEnd::Outside,
                FoundKind::Symlink(target) => {
                    let Some(fewer) = left.checked_sub(1) else { return PathEnd::Nothing };
                    left = fewer;
                    let end = at.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    at.truncate(end);
                    rest.extend(target.rsplit(|byte| *byte == b'/').map(<[u8]>::to_vec));
                    last = self.get(&at);
                }
                FoundKind::Directory => last = Some(item),
                _ if rest.iter().any(|part| !matches!(&part[..], b"" | b".")) => return PathEnd::Nothing,
                _ => last = Some(item),
            }
        }
        match last {
            Some(item) if !at.is_empty() => PathEnd::Here(at, item),
            _ if at.is_empty() => PathEnd::Root,
            _ => PathEnd::Nothing,
        }
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
                read_item(item, limit).map(Some)
            }
            _ => Ok(None),
        }
    }
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
