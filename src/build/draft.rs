//! A layer before it is placed on the base: what goes into it, and which directories are its own.

use crate::layer::{Entry, EntryPath};

/// A layer before its entries are placed: what it owns decides which directories are the base's.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) why: String,
    pub(super) entries: Vec<Entry>,
    pub(super) owned: Owned,
    pub(super) is_divisible: bool,
}

/// Which directories a layer owns.
pub(super) enum Owned {
    /// Everything: modes were kept on purpose.
    All,
    /// This one and all below it.
    From(EntryPath),
    /// These, and all below those.
    Some { exactly: Vec<EntryPath>, below: Vec<EntryPath> },
}

impl Owned {
    pub(super) fn contains(&self, path: &EntryPath) -> bool {
        match self {
            Self::All => true,
            Self::From(root) => path.starts_with(root),
            Self::Some { exactly, below } => {
                exactly.contains(path) || below.iter().any(|root| path != root && path.starts_with(root))
            }
        }
    }
}
