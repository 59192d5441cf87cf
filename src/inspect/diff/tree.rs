//! The result of stacked layers: whiteouts taken into account, and layers that were not read.
//!
//! A layer that both images share need not be read to tell what differs: what no other layer touches is the
//! same. Of a path that only one side's other layers have, it is then not known whether the shared layers have
//! it, too; such a difference is marked as not certain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::listing::{EntryFacts, LayerListing, ListedKind, charge};
use super::report::{ChangeKind, PathDifference};
use crate::runtime::budget::{Budget, OverBudget};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The tree of an image, of the layers that were read.
#[derive(Default)]
pub(super) struct ImageTree<'a> {
    nodes: BTreeMap<&'a [u8], &'a EntryFacts>,
    /// Paths that are gone with all that is below them, whatever layers that were not read have there.
    hidden: BTreeSet<Vec<u8>>,
    /// Directories of which only that is left.
    opaque: BTreeSet<Vec<u8>>,
    /// Whether there are layers that were not read.
    partial: bool,
    /// Whether one of them lies on one that was.
    covered: bool,
}

/// The facts about a path.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PathState<'a> {
    Here(&'a EntryFacts),
    Gone,
    /// Whatever the layers have that were not read.
    Unread,
}

impl<'a> ImageTree<'a> {
    /// Stacks layers, the bottom one first; `None` is one that was not read.
    pub(super) fn of(layers: impl IntoIterator<Item = Option<&'a LayerListing>>) -> Self {
        let mut tree = Self::default();
        for layer in layers {
            match layer {
                Some(layer) => tree.stack(layer),
                None => {
                    tree.partial = true;
                    tree.covered |=
                        !tree.nodes.is_empty() || !tree.hidden.is_empty() || !tree.opaque.is_empty();
                    // The entries above are not gone.
                    tree.hidden.clear();
                    tree.opaque.clear();
                }
            }
        }
        tree
    }

    fn stack(&mut self, layer: &'a LayerListing) {
        // Whiteouts are about the layers below, wherever in this one they stand.
        for (path, _) in layer.paths() {
            let (directory, name) = split(path);
            if name == OPAQUE {
                self.remove_below(directory);
                self.opaque.insert(directory.to_vec());
            } else if let Some(name) = name.strip_prefix(WHITEOUT) {
                let gone = join(directory, name);
                self.nodes.remove(&gone[..]);
                self.remove_below(&gone);
                self.hidden.insert(gone);
            }
        }
        for (path, node) in layer.paths() {
            if split(path).1.starts_with(WHITEOUT) {
                continue;
            }
            if node.kind != ListedKind::Directory {
                self.remove_below(path);
            }
            let before = self.nodes.insert(path, node);
            // A path that a file hid does not come back with the directory that takes its place.
            if node.kind == ListedKind::Directory
                && before.is_some_and(|before| before.kind != ListedKind::Directory)
            {
                self.opaque.insert(path.to_vec());
            }
        }
    }

    fn remove_below(&mut self, directory: &[u8]) {
        let gone: Vec<&[u8]> = below(&self.nodes, directory).collect();
        for path in gone {
            self.nodes.remove(path);
        }
    }

    fn state(&self, path: &[u8], budget: &Budget) -> Result<PathState<'a>, OverBudget> {
        if let Some(node) = self.nodes.get(path) {
            return Ok(PathState::Here(node));
        }
        let is_gone = !self.partial || self.hidden.contains(path) || self.is_below_hidden(path, budget)?;
        Ok(if is_gone { PathState::Gone } else { PathState::Unread })
    }

    /// Whether a directory above `path` hides what it had. A path of thousands of parts takes as many steps.
    fn is_below_hidden(&self, path: &[u8], budget: &Budget) -> Result<bool, OverBudget> {
        for above in ancestors(path) {
            budget.step(1 + above.len() / 64)?;
            if self.hides(above) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether nothing of what layers that were not read have in `directory` is left, as far as that is its
    /// own doing.
    fn hides(&self, directory: &[u8]) -> bool {
        let is_file = |node: &&EntryFacts| node.kind != ListedKind::Directory;
        self.hidden.contains(directory)
            || self.opaque.contains(directory)
            || self.nodes.get(directory).is_some_and(is_file)
    }

    /// Every path in which `self` and `other` differ, in order.
    ///
    /// # Errors
    /// When they are more than `budget` allows.
    pub(super) fn changes(&self, other: &Self, budget: &Budget) -> Result<Vec<PathDifference>, OverBudget> {
        let mut changes = Vec::new();
        let mut told = BTreeSet::new();
        for path in self.paths_with(other) {
            let (a, b) = (self.state(path, budget)?, other.state(path, budget)?);
            let change = match (a, b) {
                (PathState::Here(a), PathState::Here(b)) => {
                    let fields = a.differences(b);
                    if fields.is_empty() {
                        continue;
                    }
                    PathDifference { fields, ..change(path, ChangeKind::Changed, Some(b)) }
                }
                (PathState::Here(a), PathState::Gone) => change(path, ChangeKind::Removed, Some(a)),
                (PathState::Gone, PathState::Here(b)) => change(path, ChangeKind::Added, Some(b)),
                (PathState::Here(a), PathState::Unread) => {
                    uncertain_change(path, ChangeKind::Removed, Some(a))
                }
                (PathState::Unread, PathState::Here(b)) => uncertain_change(path, ChangeKind::Added, Some(b)),
                (PathState::Unread, PathState::Gone) => uncertain_change(path, ChangeKind::Removed, None),
                (PathState::Gone, PathState::Unread) => uncertain_change(path, ChangeKind::Added, None),
                (PathState::Gone, PathState::Gone) | (PathState::Unread, PathState::Unread) => continue,
            };
            charge(budget, &change)?;
            changes.push(change);
            told.insert(path);
        }
        let emptied = [&self.opaque, &other.opaque, &self.hidden, &other.hidden].into_iter().flatten();
        let emptied: BTreeSet<&[u8]> =
            emptied.filter(|_| self.partial || other.partial).map(Vec::as_slice).collect();
        for directory in emptied.into_iter().filter(|path| !told.contains(path)) {
            let kind = match (self.empties(directory, budget)?, other.empties(directory, budget)?) {
                (true, false) => ChangeKind::Added,
                (false, true) => ChangeKind::Removed,
                _ => continue,
            };
            let what = Some("all that shared layers have in this directory".to_owned());
            let change = PathDifference { kind: what, ..uncertain_change(directory, kind, None) };
            charge(budget, &change)?;
            changes.push(change);
        }
        if self.covered || other.covered {
            changes.iter_mut().for_each(|change| change.uncertain = true);
        }
        Ok(changes)
    }

    /// The paths that either of two trees has a statement about, in order.
    fn paths_with<'t>(&'t self, other: &'t Self) -> impl Iterator<Item = &'t [u8]> {
        let hidden = [self, other].into_iter().filter(|_| self.partial || other.partial);
        let mut paths: Vec<&[u8]> = self.nodes.keys().chain(other.nodes.keys()).copied().collect();
        paths.extend(hidden.flat_map(|tree| &tree.hidden).map(Vec::as_slice));
        paths.sort_unstable();
        paths.dedup();
        paths.into_iter()
    }

    /// Whether nothing of what layers that were not read have in `directory` is left.
    fn empties(&self, directory: &[u8], budget: &Budget) -> Result<bool, OverBudget> {
        Ok(self.hides(directory) || self.is_below_hidden(directory, budget)?)
    }
}

/// Every path in which two layers differ by themselves, whiteouts as the entries that they are.
pub(super) fn layer_changes(
    a: &LayerListing,
    b: &LayerListing,
    budget: &Budget,
) -> Result<Vec<PathDifference>, OverBudget> {
    let mut paths: Vec<&[u8]> = a.paths().chain(b.paths()).map(|(path, _)| path).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut changes = Vec::new();
    for path in paths {
        let change = match (a.get(path), b.get(path)) {
            (Some(x), Some(y)) => {
                let fields = x.differences(y);
                if fields.is_empty() {
                    continue;
                }
                PathDifference { fields, ..change(path, ChangeKind::Changed, Some(y)) }
            }
            (Some(x), None) => change(path, ChangeKind::Removed, Some(x)),
            (None, Some(y)) => change(path, ChangeKind::Added, Some(y)),
            (None, None) => continue,
        };
        charge(budget, &change)?;
        changes.push(change);
    }
    Ok(changes)
}

/// The paths strictly below `directory`.
fn below<'a, 'm, V>(
    nodes: &'m BTreeMap<&'a [u8], V>,
    directory: &[u8],
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'm, V> {
    let mut start = directory.to_vec();
    if !start.is_empty() {
        start.push(b'/');
    }
    let range = nodes.range::<[u8], _>((Bound::Excluded(&start[..]), Bound::Unbounded));
    range
        .map(|(path, _)| *path)
        .take_while(move |path| path.starts_with(&start))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Directory and name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// The directories above `path`, the root last, which is empty.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(path).filter(|path| !path.is_empty());
    std::iter::from_fn(move || {
        let directory = split(rest?).0;
        rest = Some(directory).filter(|directory| !directory.is_empty());
        Some(directory)
    })
}

/// The change of a path, with its kind; of two, the kind in the other.
fn change(path: &[u8], change: ChangeKind, node: Option<&EntryFacts>) -> PathDifference {
    PathDifference {
        path: path.into(),
        change,
        uncertain: false,
        kind: node.map(|node| node.kind.name().to_owned()),
        size: node.filter(|node| node.content.is_some()).map(|node| node.size),
        fields: Vec::new(),
    }
}

/// As [`change`], where layers that were not read may have the path, too.
fn uncertain_change(path: &[u8], change: ChangeKind, node: Option<&EntryFacts>) -> PathDifference {
    PathDifference { uncertain: true, ..self::change(path, change, node) }
}
