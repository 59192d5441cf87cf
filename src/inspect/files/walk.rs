//! The rows of a list of files: each directory before all that is in it, and names in the order of their bytes.

use std::collections::btree_map;

use super::entry::{EntryState, FileEntry, FileKind};
use super::tree::ImageFiles;

/// A path with one of its entries, or with none.
#[derive(Clone, Copy, Debug)]
pub struct FileRow<'a> {
    /// The number of the path; that of the root is 0.
    pub path: usize,
    /// How many directories are above it.
    pub depth: usize,
    /// Its last part; empty for the root.
    pub name: &'a [u8],
    /// The entry; `None` for a directory that no layer has an entry for. That of the last layer comes first, and a mark only if
    /// there is nothing else.
    pub entry: Option<&'a FileEntry>,
    /// Whether the row before is about the same path, with an entry of a later layer.
    pub is_again: bool,
}

/// A path that is under way: its children that are still to come.
type Children<'a> = btree_map::Iter<'a, Box<[u8]>, u32>;

impl ImageFiles {
    /// Calls `take` with each row, until it fails.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn each_row<'a, E>(&'a self, mut take: impl FnMut(FileRow<'a>) -> Result<(), E>) -> Result<(), E> {
        self.rows_of(0, 0, b"", &mut take)?;
        // A stack of its own: a path may have thousands of parts.
        let mut open: Vec<Children<'a>> = vec![self.nodes[0].children.iter()];
        while let Some(children) = open.last_mut() {
            let Some((name, path)) = children.next() else {
                open.pop();
                continue;
            };
            let path = *path as usize;
            self.rows_of(path, open.len(), name, &mut take)?;
            open.push(self.nodes[path].children.iter());
        }
        Ok(())
    }

    fn rows_of<'a, E>(
        &'a self,
        path: usize,
        depth: usize,
        name: &'a [u8],
        take: &mut impl FnMut(FileRow<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let row = |entry, is_again| FileRow { path, depth, name, entry, is_again };
        let main = self.main_entry(path);
        let is_made =
            main.is_none() && (self.nodes[path].last.is_none() || !self.nodes[path].children.is_empty());
        if is_made || main.is_some() {
            take(row(main, false))?;
        }
        let others =
            self.entries_of(path).filter(|entry| !main.is_some_and(|main| std::ptr::eq(main, *entry)));
        for (number, entry) in others.enumerate() {
            take(row(Some(entry), is_made || main.is_some() || number > 0))?;
        }
        Ok(())
    }

    /// The paths in a directory, by number, with their names.
    pub fn children(&self, path: usize) -> impl Iterator<Item = (&[u8], usize)> {
        self.nodes[path].children.iter().map(|(name, path)| (&**name, *path as usize))
    }

    /// The entry that is shown for a path: that of the last layer which has the path, and no mark.
    #[must_use]
    pub fn main_entry(&self, path: usize) -> Option<&FileEntry> {
        self.entries_of(path).find(|entry| !entry.kind.is_mark())
    }

    /// Whether the last statement of the layers about a path is that it is removed.
    #[must_use]
    pub fn is_removed(&self, path: usize) -> bool {
        match self.main_entry(path) {
            Some(entry) => matches!(entry.state, EntryState::Removed(_)),
            None => self.entries_of(path).next().is_some_and(|entry| entry.kind == FileKind::Whiteout),
        }
    }
}
