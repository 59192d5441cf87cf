//! Files at places of their own, with the directories that they need.

use std::collections::BTreeMap;

use super::error::ArtifactError;
use super::options::{AppOptions, AppRoot};
use super::root::root_entry;
use crate::layer::scan::is_whiteout;
use crate::layer::{Entry, EntryKind, EntryPath, Metadata};
use crate::types::shown::shown;

/// A file without a place.
#[derive(Clone, Debug)]
pub(super) struct PlacedFile {
    pub(super) metadata: Metadata,
    pub(super) kind: EntryKind,
}

/// The entries of files by their paths below `root`, and of the directories above them, sorted.
pub(super) fn entries(
    files: BTreeMap<Vec<u8>, PlacedFile>,
    root: &AppRoot,
    options: &AppOptions,
) -> Result<Vec<Entry>, ArtifactError> {
    let mut all: BTreeMap<EntryPath, Entry> = BTreeMap::new();
    for (name, PlacedFile { metadata, kind }) in files {
        let bad = || ArtifactError::BadName { name: shown(&name) };
        if name.split(|byte| *byte == b'/').any(is_whiteout) {
            return Err(bad());
        }
        let below = EntryPath::new(&name).map_err(|_| bad())?;
        let at_root = |path: &EntryPath| root.path().map_or_else(|| path.clone(), |root| path.below(root));
        for directory in below.ancestors().map(|directory| at_root(&directory)) {
            let (metadata, kind) = (options.rules.directory(), EntryKind::Directory);
            all.entry(directory.clone()).or_insert(Entry { path: directory, metadata, kind });
        }
        let path = at_root(&below);
        all.insert(path.clone(), Entry { path, metadata, kind });
    }
    Ok(root_entry(root, options).into_iter().chain(all.into_values()).collect())
}

/// The absolute path of `name` below `root`.
pub(super) fn absolute(root: &AppRoot, name: &str) -> String {
    match root.path() {
        Some(root) => format!("/{}/{name}", String::from_utf8_lossy(root.as_bytes())),
        None => format!("/{name}"),
    }
}
