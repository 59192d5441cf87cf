//! Scans that are remembered.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::ScanError;
use super::found::TreeItem;
use super::look::{SeenTree, TreeLook, look_at_file};
use super::options::{LeftOut, ScanOptions};
use super::readings::Readings;
use super::remarks::{Remarks, all_left_out};
use super::room::PathRoom;
use super::tree::ItemFacts;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers::Workers;

/// Scans that are remembered: all parts of a build see a tree once, and as it was then.
#[derive(Debug, Default)]
pub struct Scanner {
    workers: Workers,
    left_out: LeftOut,
    seen: Mutex<Memory>,
    readings: Readings,
    /// For what is found, and for the entries that are made of it for layers of the build file.
    room: [PathRoom; 2],
    interrupt: Interrupt,
    is_beside_others: bool,
}

#[derive(Debug, Default)]
struct Memory {
    scanned: Vec<ScanResult>,
    remarks: Remarks,
}

/// A tree that was scanned.
#[derive(Debug)]
struct ScanResult {
    root: PathBuf,
    options: ScanOptions,
    found: FoundThings,
}

#[derive(Debug)]
enum FoundThings {
    /// Before things with paths are wanted.
    Tree(Box<SeenTree>),
    Items(Arc<Vec<TreeItem>>),
}

impl Memory {
    fn place(&self, root: &Path, options: &ScanOptions) -> Option<usize> {
        self.scanned.iter().position(|scanned| scanned.root == root && scanned.options == *options)
    }
}

impl Scanner {
    /// One that has looked at nothing yet.
    #[must_use]
    pub fn new(workers: &Workers) -> Self {
        Self { workers: workers.clone(), ..Self::default() }
    }

    /// One that passes by what is `left_out`.
    #[must_use]
    pub fn without(self, left_out: &LeftOut) -> Self {
        Self { left_out: left_out.clone(), ..self }
    }

    /// One of several that look at trees at the same time.
    #[must_use]
    pub fn beside_others(self, is_beside_others: bool) -> Self {
        Self { is_beside_others, ..self }
    }

    /// One for work that ends when the user interrupts.
    #[must_use]
    pub fn until(self, interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), ..self }
    }

    /// The user's wish to stop, for those who go through what was found.
    pub const fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// As `scan`, the first time; then what was found.
    ///
    /// # Errors
    /// As for `scan`.
    pub fn scan(&self, root: &Path, options: &ScanOptions) -> Result<Arc<Vec<TreeItem>>, ScanError> {
        let mut seen = self.look(root, options)?;
        let Some(place) = seen.place(root, options) else { return Ok(Arc::default()) };
        if let FoundThings::Items(items) = &seen.scanned[place].found {
            return Ok(Arc::clone(items));
        }
        let ScanResult { found, .. } = seen.scanned.swap_remove(place);
        let FoundThings::Tree(tree) = found else { return Ok(Arc::default()) };
        let (items, remarks) = tree.into_items(root, options, &self.workers)?;
        let items = Arc::new(items);
        let found = FoundThings::Items(Arc::clone(&items));
        seen.scanned.push(ScanResult { root: root.to_owned(), options: options.clone(), found });
        seen.remarks.extend(remarks);
        Ok(items)
    }

    /// Scans as well, and shows what was found with the paths below the root. Nothing with a path of its own is made for it.
    ///
    /// # Errors
    /// As for `scan`.
    pub fn visit(
        &self,
        root: &Path,
        options: &ScanOptions,
        mut see: impl FnMut(&[u8], &ItemFacts),
    ) -> Result<(), ScanError> {
        let seen = self.look(root, options)?;
        let scanned = seen.place(root, options).map(|place| &seen.scanned[place].found);
        match scanned {
            Some(FoundThings::Tree(seen)) => seen.tree.visit(see),
            Some(FoundThings::Items(items)) => {
                items.iter().for_each(|item| see(item.relative(), &ItemFacts::of(item)));
            }
            None => {}
        }
        Ok(())
    }

    /// Looks at a tree, unless that was done.
    fn look(&self, root: &Path, options: &ScanOptions) -> Result<MutexGuard<'_, Memory>, ScanError> {
        let seen = self.seen();
        if seen.place(root, options).is_some() {
            return Ok(seen);
        }
        drop(seen);
        let Self { left_out, room: [room, _], workers, is_beside_others, .. } = self;
        let look = TreeLook { left_out, room, workers, is_beside_others: *is_beside_others };
        let found = FoundThings::Tree(Box::new(look.at(root, options)?));
        let mut seen = self.seen();
        seen.scanned.push(ScanResult { root: root.to_owned(), options: options.clone(), found });
        Ok(seen)
    }

    /// The patterns that leave out all files of the tree `root`, in words; `None` if it has no files or there are none.
    pub fn all_left_out(&self, root: &Path, options: &ScanOptions) -> Option<String> {
        all_left_out(root, options, &self.left_out.below(root), &self.workers)
    }

    /// Drops what was found, when entries are made of it: it takes as much memory as they do. The remarks stay.
    pub fn forget_items(&self) {
        self.seen().scanned.clear();
    }

    /// Takes room for entries of what was found below `root`, whose paths begin with `target` bytes.
    ///
    /// # Errors
    /// When the paths of all of them are too many or too long.
    pub fn keep_copies(&self, root: &Path, target: usize, found: &[TreeItem]) -> Result<(), ScanError> {
        self.room[1].copy(root, target, found)
    }

    /// As [`look_at_file`]. Of the options, those count that are about a single file.
    ///
    /// # Errors
    /// As for [`look_at_file`].
    pub fn file(&self, path: &Path, options: &ScanOptions) -> Result<TreeItem, ScanError> {
        let found = look_at_file(path, options.xattrs)?;
        self.seen().remarks.extend(Remarks::on_file(path, options, &found));
        Ok(found)
    }

    /// The readings of the files that were found.
    pub const fn readings(&self) -> &Readings {
        &self.readings
    }

    /// The remarks about everything that was looked at so far.
    #[must_use]
    pub fn remarks(&self) -> Remarks {
        self.seen().remarks.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Memory> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
