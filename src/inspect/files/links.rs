//! Hard links: the names of a file, and the one of them that its bytes are counted at.
//!
//! The bytes of a file are in its layer once, however many names it has. They are counted at its own entry, or, if no container
//! sees that one, at the first link that a container sees. They are covered if there is none.

use super::entry::{EntryState, FileEntry, FileKind};
use crate::runtime::budget::{Budget, OverBudget};

/// Another name of a file: the entry of the link, and that of the file.
#[derive(Clone, Copy, Debug)]
struct LinkedName {
    link: u32,
    file: u32,
}

/// The hard links of an image to regular files, in the order of their entries.
#[derive(Debug, Default)]
pub(super) struct HardLinks(Vec<LinkedName>);

impl HardLinks {
    /// The entry of the regular file that an entry is a name of.
    pub(super) fn file_of(&self, number: u32, entries: &[FileEntry]) -> Option<u32> {
        match entries[number as usize].kind {
            FileKind::Regular => Some(number),
            FileKind::HardLink => {
                let at = self.0.binary_search_by_key(&number, |name| name.link).ok()?;
                Some(self.0[at].file)
            }
            _ => None,
        }
    }

    /// Adds the entry `link`, which comes after all others, as a name of `file`.
    pub(super) fn push(&mut self, link: u32, file: u32, budget: &Budget) -> Result<(), OverBudget> {
        // Twice, because a vector grows by doubling.
        budget.keep(2 * size_of::<LinkedName>())?;
        self.0.push(LinkedName { link, file });
        Ok(())
    }

    /// Moves the bytes of files that no container sees by their own entries to the first link that it sees.
    pub(super) fn settle(&self, entries: &mut [FileEntry]) {
        for LinkedName { link, file } in &self.0 {
            let of = &mut entries[*file as usize];
            if of.state == EntryState::Seen || !of.has_bytes {
                continue;
            }
            let size = of.size;
            let name = &mut entries[*link as usize];
            if name.state != EntryState::Seen {
                continue;
            }
            (name.size, name.has_bytes) = (size, true);
            let of = &mut entries[*file as usize];
            (of.size, of.has_bytes) = (0, false);
        }
    }

    /// The links that bytes are counted at, each with the file whose layer has the bytes.
    pub(super) fn counted<'a>(
        &'a self,
        entries: &'a [FileEntry],
    ) -> impl Iterator<Item = (&'a FileEntry, &'a FileEntry)> {
        let both = |name: &LinkedName| (&entries[name.link as usize], &entries[name.file as usize]);
        self.0.iter().map(both).filter(|(link, _)| link.has_bytes)
    }
}
