//! The work of looking for files: each directory and file once, up to a limit, until the user interrupts.
//!
//! A file names the libraries that it needs and the directories that it wants searched, in any number. A search that
//! takes more than the limit has no answer, which is no pass.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::bases::{BaseAnswer, BaseNode, FileFacts, FileTree};
use crate::layer::EntryPath;
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::types::error::BoxedError;

/// The most lookups of paths for all programs of one image. Large ones take some ten thousand.
pub(super) const MAX_LOOKUPS: u64 = 400_000;
/// So many directories that are passed over cost as much as one lookup.
const PASSED_OVER: u64 = 16;
/// So many bytes of a path cost as much as one lookup more.
const PATH_LENGTH: usize = 64;

/// A directory where the loader looks, and how it knows of the place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SearchedPlace {
    pub(super) path: Rc<str>,
    /// Whether it looks there by the configuration of the base alone, of which the base has a cache (`ld.so.cache`).
    pub(super) is_cached: bool,
}

impl SearchedPlace {
    pub(super) fn direct(path: &str) -> Self {
        Self { path: path.into(), is_cached: false }
    }
}

/// The file that a path of a program or library leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileAt {
    /// A file that fits the platform.
    Fits(EntryPath, FileFacts),
    /// A file for another machine, by its name.
    OtherMachine(String),
    /// A file that no loader loads: its path, and the reason.
    Unfit(String, &'static str),
    /// No file.
    Nothing,
    /// Nothing at hand tells.
    Unknown,
}

/// The lookups for an image.
pub(crate) struct PathLookups {
    interrupt: Interrupt,
    /// The rest of the limit, in parts of a lookup.
    left: u64,
    is_exhausted: bool,
    /// The places, by their numbers, and whether they are there, once that was asked.
    places: Vec<(SearchedPlace, Option<BaseAnswer<()>>)>,
    numbers: BTreeMap<SearchedPlace, usize>,
    names: BTreeMap<Rc<str>, usize>,
    /// The files, by the numbers of place and name.
    files: BTreeMap<(usize, usize), FileAt>,
}

impl PathLookups {
    /// PathLookups that end when the user interrupts.
    pub(crate) fn new(interrupt: &Interrupt) -> Self {
        Self {
            interrupt: interrupt.clone(),
            left: MAX_LOOKUPS * PASSED_OVER,
            is_exhausted: false,
            places: Vec::new(),
            numbers: BTreeMap::new(),
            names: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// Goes on with work that asks for no path, unless the user interrupts.
    pub(super) fn go_on(&self) -> Result<(), Interrupted> {
        self.interrupt.check()
    }

    /// Whether the limit was reached: what was not found since then may be there.
    pub(super) const fn are_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Pays for a lookup of a path of `length` bytes; `false` where the limit is reached.
    pub(super) fn look(&mut self, length: usize) -> Result<bool, Interrupted> {
        self.pay(PASSED_OVER * (1 + length / PATH_LENGTH) as u64)
    }

    /// Pays for `count` directories of a list.
    pub(super) fn pass(&mut self, count: usize) -> Result<bool, Interrupted> {
        self.pay(count as u64)
    }

    fn pay(&mut self, cost: u64) -> Result<bool, Interrupted> {
        self.interrupt.check()?;
        match self.left.checked_sub(cost) {
            Some(left) if !self.is_exhausted => self.left = left,
            _ => self.is_exhausted = true,
        }
        Ok(!self.is_exhausted)
    }

    /// The number of a place; `None` where the limit is reached.
    pub(super) fn number(&mut self, place: SearchedPlace) -> Result<Option<usize>, Interrupted> {
        if let Some(number) = self.numbers.get(&place).copied() {
            return Ok(self.pass(1)?.then_some(number));
        }
        if !self.look(place.path.len())? {
            return Ok(None);
        }
        let number = self.places.len();
        self.places.push((place.clone(), None));
        self.numbers.insert(place, number);
        Ok(Some(number))
    }

    pub(super) fn place(&self, number: usize) -> &SearchedPlace {
        &self.places[number].0
    }

    /// Whether a place is there, if that was asked.
    pub(super) fn known(&self, number: usize) -> Option<&BaseAnswer<()>> {
        self.places[number].1.as_ref()
    }

    pub(super) fn keep(&mut self, number: usize, answer: BaseAnswer<()>) {
        self.places[number].1 = Some(answer);
    }

    /// The number of a name of a library.
    pub(super) fn name(&mut self, name: &str) -> usize {
        let next = self.names.len();
        match self.names.get(name) {
            Some(number) => *number,
            None => *self.names.entry(name.into()).or_insert(next),
        }
    }

    pub(super) fn file(&self, place: usize, name: usize) -> Option<&FileAt> {
        self.files.get(&(place, name))
    }

    pub(super) fn keep_file(&mut self, place: usize, name: usize, file: &FileAt) {
        self.files.insert((place, name), file.clone());
    }
}

/// A tree whose paths are paid for.
pub(super) struct MeteredTree<'a, T> {
    pub(super) tree: &'a mut T,
    pub(super) lookups: &'a mut PathLookups,
}

impl<T: FileTree> FileTree for MeteredTree<'_, T> {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        self.tree.lookup(path)
    }

    fn peek(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        if self.lookups.look(path.as_bytes().len())? { self.tree.peek(path) } else { Ok(BaseAnswer::Unknown) }
    }
}
