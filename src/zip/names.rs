//! Names of entries: one spelling each, never outside the root, never twice.

#[allow(
    clippy::disallowed_types,
    reason = "only looked up in, never walked; twice as fast for 15,000 names"
)]
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::path::Path;

use super::{ArchiveEntry, ArchiveEntryKind, EntryProblem, ZipError};

/// Normalises a raw name: doubled and trailing slashes and `.` parts go. May come out empty.
///
/// A backslash is refused although Linux allows it: programs on other systems write and read it as a
/// separator, so `..\x` would be harmless here and not there.
pub(super) fn normalise(raw: &[u8]) -> Result<Vec<u8>, EntryProblem> {
    if raw.is_empty() {
        return Err(EntryProblem::EmptyName);
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

/// What is known of a path: that it is listed, and whether things may lie below it.
struct Known {
    listed: bool,
    directory: bool,
}

/// No path twice, and nothing below a file or symbolic link.
pub(super) fn check(path: &Path, entries: &[ArchiveEntry]) -> Result<(), ZipError> {
    let fail =
        |name: &[u8], problem| Err(ZipError::Entry { path: path.to_owned(), name: name.to_vec(), problem });
    #[allow(clippy::disallowed_types, reason = "see the import")]
    let mut known: HashMap<&[u8], Known> = HashMap::with_capacity(entries.len() + entries.len() / 8);
    for entry in entries {
        let directory = entry.kind == ArchiveEntryKind::Directory;
        match known.entry(&entry.name) {
            Slot::Vacant(slot) => {
                slot.insert(Known { listed: true, directory });
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
                    slot.insert(Known { listed: false, directory: true });
                }
                Slot::Occupied(slot) if slot.get().directory => break,
                Slot::Occupied(_) => return fail(&entry.name, EntryProblem::BelowFile(rest.to_vec())),
            }
        }
    }
    Ok(())
}

/// The first entry below `directory`.
fn below<'a>(entries: &'a [ArchiveEntry], directory: &[u8]) -> Option<&'a [u8]> {
    let mut names = entries.iter().map(|entry| &entry.name[..]);
    names.find(|name| name.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/")))
}
