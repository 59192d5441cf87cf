//! A layer before it is placed on the base: what goes into it, and which directories are its own.

use std::collections::BTreeSet;

use super::declared::DeclaredLayer;
use crate::layer::{Entry, EntryPath, Metadata};

/// A layer before its entries are placed: what it owns decides which directories are the base's.
pub(super) struct Draft<'a> {
    pub(super) name: String,
    pub(super) why: String,
    /// Directories may be there more than once, where sources differ about one that is perhaps the base's.
    pub(super) entries: Vec<Entry>,
    pub(super) owned: Owned,
    /// What the user named by its own path, so that the base is asked what is in its place.
    pub(super) named: BTreeSet<EntryPath>,
    pub(super) is_divisible: bool,
    pub(super) times: Times,
    /// The table that it comes from, where it comes from one.
    pub(super) declared: Option<DeclaredLayer<'a>>,
    /// Whether its entries stand for what it removes of the base.
    pub(super) removes: bool,
}

impl Draft<'_> {
    /// The layer that removes `paths` of the base, if there are any. It lies below all others of ours, so that what they
    /// have at these paths stays.
    pub(super) fn removing(paths: &[EntryPath]) -> Option<Self> {
        let stand_in = |path: &EntryPath| Entry::bytes(path.clone(), Metadata::file(false), b"");
        let named: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        (!paths.is_empty()).then(|| Self {
            name: "removals".to_owned(),
            why: format!("removes {} of the base, which the application replaces", named.join(" and ")),
            entries: paths.iter().map(stand_in).collect(),
            owned: Owned::Some(BTreeSet::new()),
            named: BTreeSet::new(),
            is_divisible: false,
            times: Times::Given,
            declared: None,
            removes: true,
        })
    }
}

/// The modification times of a layer's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// As its entries have them.
    Given,
    /// A function of their contents.
    OfContents,
}

/// Which of its directories a layer owns.
pub(super) enum Owned {
    /// This one and all below it.
    From(EntryPath),
    /// These.
    Some(BTreeSet<EntryPath>),
}

impl Owned {
    pub(super) fn contains(&self, path: &EntryPath) -> bool {
        match self {
            Self::From(root) => path.starts_with(root),
            Self::Some(directories) => directories.contains(path),
        }
    }
}
