//! The package that Node.js finds for a name: that of the nearest `node_modules` above the module that asks.
//!
//! Each `node_modules` is listed once, and a name is looked up in the lists by numbers. To ask the tree for a path at each
//! level would cost the number of names times the levels times the length of the paths.

use std::collections::BTreeMap;

use super::super::super::found_tree::{FoundTree, PathEnd};
use crate::layer::scan::FoundKind;

const MODULES: &[u8] = b"node_modules";

/// The `node_modules` of a tree, as far as they were asked for. Packages are places in [`FoundTree::items`].
pub(super) struct PackageSearch<'a> {
    tree: &'a FoundTree,
    /// The directories of those who asked, by their paths; the root has none.
    numbers: BTreeMap<&'a [u8], usize>,
    levels: Vec<Level>,
    /// The directories that were listed, by their places; the root has none.
    lists: BTreeMap<Option<usize>, usize>,
    /// The packages of each name: the list that has it, and its place. In the order of the lists.
    packages: BTreeMap<&'a [u8], Vec<(usize, usize)>>,
}

/// A directory that modules may lie in.
#[derive(Clone, Copy)]
struct Level {
    /// The list of its `node_modules`, or of the nearest one above.
    list: Option<usize>,
    /// The nearest level above with another list.
    above: Option<usize>,
}

impl<'a> PackageSearch<'a> {
    pub(super) fn new(tree: &'a FoundTree) -> Self {
        Self {
            tree,
            numbers: BTreeMap::new(),
            levels: Vec::new(),
            lists: BTreeMap::new(),
            packages: BTreeMap::new(),
        }
    }

    /// The place of each package of `names` that a module in a directory finds; `None` for one that is not there. The path of
    /// the directory has no links; nothing stands for the root.
    pub(super) fn find<'n, 's>(
        &'s mut self,
        directory: &'a [u8],
        names: impl IntoIterator<Item = &'n str> + 's,
    ) -> impl Iterator<Item = Option<usize>> + 's
    where
        'n: 's,
    {
        let level = self.level(directory);
        names.into_iter().map(move |name| self.find_at(level, name.as_bytes()))
    }

    fn find_at(&self, level: usize, name: &[u8]) -> Option<usize> {
        let (first, second) = match name.iter().position(|byte| *byte == b'/') {
            Some(slash) if name.starts_with(b"@") => (&name[..slash], Some(&name[slash + 1..])),
            _ => (name, None),
        };
        let first = self.packages.get(first)?;
        let second = match second {
            Some(second) => Some(self.packages.get(second)?),
            None => None,
        };
        let in_list = |packages: &[(usize, usize)], list: usize| {
            let found = packages.binary_search_by_key(&list, |(list, _)| *list).ok()?;
            Some(packages[found].1)
        };
        let mut level = Some(level);
        while let Some(Level { list, above }) = level.map(|level| self.levels[level]) {
            let found = list.and_then(|list| in_list(first, list));
            let found = match (found, second) {
                (Some(scope), Some(second)) => {
                    self.lists.get(&Some(scope)).and_then(|list| in_list(second, *list))
                }
                (found, _) => found,
            };
            if found.is_some() {
                return found;
            }
            level = above;
        }
        None
    }

    /// The number of the level of a directory, after all above it.
    fn level(&mut self, directory: &'a [u8]) -> usize {
        let mut missing = Vec::new();
        let mut above = None;
        let mut next = Some(directory);
        while let Some(directory) = next {
            if let Some(number) = self.numbers.get(directory) {
                above = Some(*number);
                break;
            }
            missing.push(directory);
            let end = directory.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            next = (!directory.is_empty()).then(|| &directory[..end]);
        }
        for directory in missing.into_iter().rev() {
            let level = match (self.list_of(directory), above) {
                (Some(list), _) => Level { list: Some(list), above },
                (None, Some(above)) => self.levels[above],
                (None, None) => Level { list: None, above: None },
            };
            above = Some(self.levels.len());
            self.numbers.insert(directory, self.levels.len());
            self.levels.push(level);
        }
        above.unwrap_or_default()
    }

    /// The list of the `node_modules` of a directory.
    fn list_of(&mut self, directory: &[u8]) -> Option<usize> {
        if directory.rsplit(|byte| *byte == b'/').next() == Some(MODULES) {
            return None;
        }
        let modules = match self.tree.follow_from(directory, MODULES) {
            PathEnd::Here(path, item) if item.kind == FoundKind::Directory => Some(self.tree.place(&path)?),
            PathEnd::Root => None,
            _ => return None,
        };
        if let Some(list) = self.lists.get(&modules) {
            return Some(*list);
        }
        let tree = self.tree;
        let list = self.list(modules);
        // Names of scopes are looked up in the lists of these.
        for (name, _) in tree.places_in(self.path_of(modules)).filter(|(name, _)| name.starts_with(b"@")) {
            let place = self.packages[name].last().filter(|(of, _)| *of == list).map(|(_, place)| *place);
            if let Some(scope) = place.filter(|scope| !self.lists.contains_key(&Some(*scope))) {
                self.list(Some(scope));
            }
        }
        Some(list)
    }

    fn path_of(&self, directory: Option<usize>) -> &'a [u8] {
        directory.map_or(b"", |place| self.tree.items()[place].relative())
    }

    /// Lists the directories in a directory, and the links to directories.
    fn list(&mut self, directory: Option<usize>) -> usize {
        let list = self.lists.len();
        self.lists.insert(directory, list);
        let path = self.path_of(directory);
        let tree = self.tree;
        for (name, place) in tree.places_in(path) {
            let place = match &tree.items()[place].kind {
                FoundKind::Directory => Some(place),
                FoundKind::Symlink(_) => match tree.follow_from(path, name) {
                    PathEnd::Here(path, item) if item.kind == FoundKind::Directory => tree.place(&path),
                    _ => None,
                },
                _ => None,
            };
            if let Some(place) = place {
                self.packages.entry(name).or_default().push((list, place));
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::layer::{ScanOptions, Scanner};

    #[test]
    fn a_package_is_the_nearest_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for package in [
            "node_modules/a/node_modules/b",
            "node_modules/b",
            "node_modules/@s/c",
            "node_modules/a/node_modules/@s/d",
            "node_modules/.store/e/node_modules/e",
            "node_modules/.store/e/node_modules/f",
            "common/g",
            "x/y",
        ] {
            std::fs::create_dir_all(root.join(package)).expect("made");
        }
        std::fs::write(root.join("node_modules/file"), "").expect("written");
        symlink(".store/e/node_modules/e", root.join("node_modules/e")).expect("linked");
        symlink("../common", root.join("x/node_modules")).expect("linked");
        symlink("nowhere", root.join("node_modules/gone")).expect("linked");
        symlink("@s", root.join("node_modules/@t")).expect("linked");
        let found = Scanner::default().scan(root, &ScanOptions::default()).expect("scanned");
        let tree = FoundTree::new(found);
        let mut search = PackageSearch::new(&tree);
        for (from, name, expected) in [
            ("", "a", Some("node_modules/a")),
            ("", "b", Some("node_modules/b")),
            ("node_modules/a", "b", Some("node_modules/a/node_modules/b")),
            ("node_modules/a/node_modules/b", "b", Some("node_modules/a/node_modules/b")),
            ("node_modules/a", "@s/c", Some("node_modules/@s/c")),
            ("node_modules/a", "@s/d", Some("node_modules/a/node_modules/@s/d")),
            ("", "@s/d", None),
            ("", "@t/c", Some("node_modules/@s/c")),
            ("", "c", None),
            ("", "file", None),
            ("", "gone", None),
            ("", "e", Some("node_modules/.store/e/node_modules/e")),
            ("node_modules/.store/e/node_modules/e", "f", Some("node_modules/.store/e/node_modules/f")),
            ("node_modules/.store/e/node_modules/e", "a", Some("node_modules/a")),
            ("", "f", None),
            ("x/y", "g", Some("common/g")),
            ("x/y", "b", Some("node_modules/b")),
            ("common", "g", None),
        ] {
            let from = if from.is_empty() { b"" } else { tree.get(from.as_bytes()).expect(from).relative() };
            let place = search.find(from, [name]).next().expect("one");
            let path = place.map(|place| String::from_utf8_lossy(tree.items()[place].relative()));
            assert_eq!(path.as_deref(), expected, "{name} from {}", String::from_utf8_lossy(from));
        }
    }

    /// Packages in packages in packages, and as many names in each.
    #[test]
    fn the_tree_is_asked_once_for_each_level() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut path = directory.path().to_owned();
        for _ in 0..50 {
            path.push("node_modules/a");
            std::fs::create_dir_all(&path).expect("made");
        }
        let found = Scanner::default().scan(directory.path(), &ScanOptions::default()).expect("scanned");
        let tree = FoundTree::new(found);
        let mut search = PackageSearch::new(&tree);
        let steps = tree.steps_left();
        let names: Vec<String> = (0..1_000).map(|number| format!("q{number}")).collect();
        let mut there = 0;
        for item in tree.items() {
            let names = names.iter().map(String::as_str).chain(["a"]);
            there += search.find(item.relative(), names).flatten().count();
        }
        assert_eq!((there, tree.items().len()), (100, 100));
        assert!(steps - tree.steps_left() < 1_000, "{}", steps - tree.steps_left());
    }
}
