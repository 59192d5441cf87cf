//! All entries of a layer, placed: where links lead them, which of them collide, and which directories they need.

use std::collections::BTreeMap;

use super::error::PlaceError;
use super::placer::{PlacedDirectory, Placer, declared};
use crate::bases::FileTree;
use crate::layer::{Entry, EntryKind, EntryPath};
use crate::types::error::BoxedError;

/// Where a directory of the base really is, links followed; `None` where it has something else in the way.
///
/// # Errors
/// When the base cannot be read.
pub fn real_directory<B: FileTree>(path: &EntryPath, base: &mut B) -> Result<Option<EntryPath>, BoxedError> {
    match Placer::new(base, BTreeMap::new(), &|_: &EntryPath| false).directory(path, path, None, 0) {
        Ok(real) => Ok(Some(real)),
        Err(PlaceError::Base(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Places `entries` and adds the ancestors that they need. `owned` decides whether a directory is the
/// layer's own, to be written as it is; any other is written as the base has it. `named` decides whether the base is asked
/// what is in the place of a file. Directories may occur more than once where that makes no difference.
///
/// # Errors
/// When the base cannot be read, has something in the way, or two entries have one path.
pub fn place<B: FileTree>(
    mut entries: Vec<Entry>,
    owned: impl Fn(&EntryPath) -> bool,
    named: impl Fn(&EntryPath) -> bool,
    base: &mut B,
) -> Result<Vec<Entry>, PlaceError> {
    let mut placer = Placer::new(base, declared(&entries), &owned);
    // The directory, with its slash, of the entry before, where that is no link of the base's: most entries lie beside it.
    let mut plain: Vec<u8> = Vec::new();
    // Paths that links of the base moved: real path → path as written.
    let mut moved: BTreeMap<EntryPath, EntryPath> = BTreeMap::new();
    let mut place = |entry: &mut Entry| {
        if entry.is_directory() {
            return placer.directory(&entry.path, &entry.path, None, 0).map(drop);
        }
        if let EntryKind::Hardlink(target) = &entry.kind {
            entry.kind = EntryKind::Hardlink(placer.below_real_parent(target)?);
        }
        let is_named = named(&entry.path);
        if plain.is_empty() || entry.path.directory() != plain {
            let real = placer.below_real_parent(&entry.path)?;
            plain.clear();
            if real == entry.path {
                plain.extend_from_slice(entry.path.directory());
            } else {
                let path = std::mem::replace(&mut entry.path, real);
                if let Some(other) = moved.insert(entry.path.clone(), path.clone()) {
                    return Err(PlaceError::Twice { path: entry.path.clone(), written: [other, path] });
                }
            }
        }
        if is_named || matches!(entry.kind, EntryKind::Symlink(_)) {
            placer.check_place(entry, moved.get(&entry.path))?;
        }
        Ok(())
    };
    entries.iter_mut().try_for_each(&mut place)?;
    entries.retain(|entry| !entry.is_directory());
    if !moved.is_empty() {
        check_moved(&entries, &moved, &placer.out)?;
    }
    entries.extend(placer.into_directories().into_values().map(|directory| directory.entry));
    Ok(entries)
}

/// Whether something that a link moved comes to lie where something else is, or below what is no directory.
fn check_moved(
    entries: &[Entry],
    moved: &BTreeMap<EntryPath, EntryPath>,
    out: &BTreeMap<EntryPath, PlacedDirectory>,
) -> Result<(), PlaceError> {
    let mut seen: BTreeMap<&EntryPath, usize> = BTreeMap::new();
    for entry in entries {
        let written = moved.get(&entry.path);
        if let Some(directory) = out.get(&entry.path) {
            let written = written.unwrap_or(&entry.path).clone();
            let written = [written, directory.written.clone()];
            return Err(PlaceError::Twice { path: entry.path.clone(), written });
        }
        let Some(written) = written else { continue };
        let times = seen.entry(&entry.path).or_default();
        *times += 1;
        if *times > 1 {
            let written = [written.clone(), entry.path.clone()];
            return Err(PlaceError::Twice { path: entry.path.clone(), written });
        }
    }
    Ok(())
}
