//! Names of entries: one spelling each, never outside the root, no file twice, within a budget.

use std::collections::BTreeSet;
#[allow(
    clippy::disallowed_types,
    reason = "only looked up in, never walked; twice as fast for 15,000 names"
)]
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::path::Path;

use super::entry::{ArchiveEntry, ArchiveEntryKind, MAX_NAME, MAX_NAMES};
use super::error::{EntryProblem, ZipError};

/// The cost of a name besides its bytes: everything that is kept of it is a record. With this, the most of the shortest
/// names that [`MAX_NAMES`] lets in, each directory with a file of its own, are planned and built within 256 MiB.
const OVERHEAD: usize = 72;

/// Normalises a raw name: doubled and trailing slashes and `.` parts go. May come out empty.
///
/// A backslash is refused although Linux allows it: programs on other systems write and read it as a
/// separator, so `..\x` would be harmless here and not there.
pub(super) fn normalise(raw: &[u8]) -> Result<Vec<u8>, EntryProblem> {
    if raw.is_empty() {
        return Err(EntryProblem::EmptyName);
    }
    if raw.len() > MAX_NAME {
        return Err(EntryProblem::LongName { length: raw.len() });
    }
    if raw[0] == b'/' {
        return Err(EntryProblem::Absolute);
    }
    if raw.contains(&0) {
        return Err(EntryProblem::Nul);
    }
    if raw.contains(&b'\\') {
        return Err(EntryProblem::Backslash);
    }
    let mut name = Vec::with_capacity(raw.len());
    for part in raw.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(EntryProblem::Parent),
            part => {
                if !name.is_empty() {
                    name.push(b'/');
                }
                name.extend_from_slice(part);
            }
        }
    }
    Ok(name)
}

/// Facts about a path: whether it is listed, and whether things may lie below it.
struct KnownPath {
    listed: bool,
    directory: bool,
}

/// The bytes that are left for the names of an archive.
///
/// One name of many short parts implies thousands of directories, each with a path of its own: without a limit,
/// an archive of a megabyte would become gigabytes of paths.
pub(super) struct NameBudget<'a> {
    path: &'a Path,
    left: usize,
}

impl<'a> NameBudget<'a> {
    pub(super) const fn new(path: &'a Path) -> Self {
        Self { path, left: MAX_NAMES }
    }

    /// Spends what a path of so many bytes costs.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ZipError> {
        self.left = self
            .left
            .checked_sub(bytes + OVERHEAD)
            .ok_or_else(|| ZipError::Names { path: self.path.to_owned(), limit: MAX_NAMES })?;
        Ok(())
    }
}

/// No file or symbolic link twice, and nothing below one. A directory that was listed before goes: build tools list
/// the directories of each of their inputs, and nothing that is taken of a directory can differ.
pub(super) fn check(path: &Path, entries: &mut Vec<ArchiveEntry>) -> Result<(), ZipError> {
    let again = listed_again(path, entries)?;
    let mut index = 0;
    entries.retain(|_| {
        let keep = !again.contains(&index);
        index += 1;
        keep
    });
    Ok(())
}

/// The directories that were listed before, by their place.
fn listed_again(path: &Path, entries: &[ArchiveEntry]) -> Result<BTreeSet<usize>, ZipError> {
    let fail =
        |name: &[u8], problem| Err(ZipError::Entry { path: path.to_owned(), name: name.to_vec(), problem });
    let mut budget = NameBudget::new(path);
    for entry in entries {
        budget.take(entry.name.len())?;
    }
    let mut again = BTreeSet::new();
    #[allow(clippy::disallowed_types, reason = "see the import")]
    let mut known: HashMap<&[u8], KnownPath> = HashMap::with_capacity(entries.len() + entries.len() / 8);
    for (index, entry) in entries.iter().enumerate() {
        let directory = entry.kind == ArchiveEntryKind::Directory;
        match known.entry(&entry.name) {
            Slot::Vacant(slot) => {
                slot.insert(KnownPath { listed: true, directory });
            }
            Slot::Occupied(slot) if slot.get().listed && directory && slot.get().directory => {
                again.insert(index);
                continue;
            }
            Slot::Occupied(slot) if slot.get().listed => return fail(&entry.name, EntryProblem::Duplicate),
            Slot::Occupied(mut slot) if directory => slot.get_mut().listed = true,
            // Something before it lies below it.
            Slot::Occupied(_) => {
                let below = below(entries, &entry.name).unwrap_or(&entry.name);
                return fail(below, EntryProblem::BelowFile(entry.name.clone()));
            }
        }
        // Ancestors, innermost first: the first that is known has known ancestors too.
        let mut rest: &[u8] = &entry.name;
        while let Some(slash) = rest.iter().rposition(|byte| *byte == b'/') {
            rest = &rest[..slash];
            match known.entry(rest) {
                Slot::Vacant(slot) => {
                    budget.take(rest.len())?;
                    slot.insert(KnownPath { listed: false, directory: true });
                }
                Slot::Occupied(slot) if slot.get().directory => break,
                Slot::Occupied(_) => return fail(&entry.name, EntryProblem::BelowFile(rest.to_vec())),
            }
        }
    }
    Ok(again)
}

/// The first entry below `directory`.
fn below<'a>(entries: &'a [ArchiveEntry], directory: &[u8]) -> Option<&'a [u8]> {
    let mut names = entries.iter().map(|entry| &entry.name[..]);
    names.find(|name| name.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/")))
}
