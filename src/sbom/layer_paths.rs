//! The paths of a layer, as far as they decide which files of lower layers a container sees.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::layer::EntryPath;

/// The mark of a file that deletes another one of a lower layer.
const WHITEOUT: &[u8] = b".wh.";
/// The file that hides all that lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The paths of one layer. Whiteouts are about lower layers alone, wherever in a layer they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerPaths {
    /// Each path, and whether it is a directory.
    nodes: BTreeMap<EntryPath, bool>,
    removed: BTreeSet<EntryPath>,
    opaque: BTreeSet<EntryPath>,
    is_root_opaque: bool,
}

impl LayerPaths {
    /// Takes note of an entry. Returns the paths of this layer that it replaces; `None` for a whiteout.
    pub fn add(&mut self, path: &EntryPath, is_directory: bool) -> Option<Vec<EntryPath>> {
        if path.file_name() == OPAQUE {
            match path.parent() {
                Some(directory) => drop(self.opaque.insert(directory)),
                None => self.is_root_opaque = true,
            }
            return None;
        }
        if let Some(name) = path.file_name().strip_prefix(WHITEOUT) {
            let removed = match path.parent() {
                Some(parent) => parent.join(name),
                None => EntryPath::new(name),
            };
            self.removed.extend(removed);
            return None;
        }
        let mut replaced = Vec::new();
        if let Some(was_directory) = self.nodes.insert(path.clone(), is_directory) {
            if was_directory != is_directory || !is_directory {
                replaced.push(path.clone());
            }
            // Paths of lower layers that the file hid do not come back with the directory.
            if !was_directory && is_directory {
                self.opaque.insert(path.clone());
            }
        }
        if !is_directory {
            // Directories need no entry of their own.
            let below = self.nodes.range(EntryPath::first_below(path)..).map(|(found, _)| found);
            let below: Vec<EntryPath> = below.take_while(|found| found.starts_with(path)).cloned().collect();
            for found in &below {
                self.nodes.remove(found);
            }
            replaced.extend(below);
        }
        Some(replaced)
    }

    /// Whether the file that a lower layer has at `path` is not seen any more.
    #[must_use]
    pub fn hides(&self, path: &EntryPath) -> bool {
        let is_above = |above: &EntryPath| {
            self.removed.contains(above)
                || self.opaque.contains(above)
                || self.nodes.get(above) == Some(&false)
        };
        self.is_root_opaque
            || self.nodes.contains_key(path)
            || self.removed.contains(path)
            || path.ancestors().any(|above| is_above(&above))
    }

    /// About how many bytes of memory an entry takes.
    #[must_use]
    pub fn cost(path: &EntryPath) -> usize {
        96 + path.as_bytes().len()
    }

    /// About how many bytes of memory all of it takes.
    #[must_use]
    pub fn total_cost(&self) -> usize {
        self.nodes.keys().chain(&self.removed).chain(&self.opaque).map(Self::cost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).expect("path")
    }

    fn layer(entries: &[&str]) -> LayerPaths {
        let mut paths = LayerPaths::default();
        for entry in entries {
            paths.add(&path(entry), entry.ends_with('/'));
        }
        paths
    }

    #[test]
    fn whiteouts_and_replacements_hide_what_is_below() {
        let upper = layer(&["a/", "a/.wh.gone", "b/.wh..wh..opq", "b/", "b/new", "c", "d/", "d/file"]);
        for (lower, is_hidden) in [
            ("a/gone", true),
            ("a/gone/x", true),
            ("a/kept", false),
            ("b/old", true),
            ("c", true),
            ("c/x", true),
            ("d/file", true),
            ("d/other", false),
            ("e", false),
        ] {
            assert_eq!(upper.hides(&path(lower)), is_hidden, "{lower}");
        }
        assert!(layer(&[".wh..wh..opq"]).hides(&path("e")));
    }

    #[test]
    fn what_takes_the_place_of_another_tells_what_is_gone() {
        let mut paths = layer(&["a/", "a/b", "a/c", "f"]);
        assert_eq!(paths.add(&path("a"), false), Some(vec![path("a"), path("a/b"), path("a/c")]));
        assert_eq!(paths.add(&path("f"), true), Some(vec![path("f")]));
        assert!(paths.hides(&path("f/lower")));
        assert_eq!(paths.add(&path("x/.wh.y"), false), None);
    }
}
