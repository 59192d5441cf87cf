//! The project as an import sees it: the kinds of its paths, each asked for once, and the files that `.dockerignore` leaves out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::ImportSurroundings;
use super::budget::ImportBudget;
use super::copy::in_project;
use super::ignore::{IgnoreRules, IgnoredFiles};

/// A longer path is none on any system.
const MAX_PATH: usize = 4096;
/// The paths whose kind is remembered.
const MOST_KNOWN: usize = 2000;
/// The steps that a rule of `.dockerignore` costs.
const RULE: usize = 10;
/// The steps that a question to the disk costs.
const QUESTION: usize = 200;

/// The project, as far as it was asked about.
pub(super) struct ProjectView<'a> {
    around: &'a ImportSurroundings<'a>,
    budget: ImportBudget,
    kinds: RefCell<BTreeMap<String, Option<bool>>>,
    rules: IgnoreRules,
    ignored: RefCell<BTreeMap<String, Rc<IgnoredFiles>>>,
}

impl<'a> ProjectView<'a> {
    pub(super) fn new(around: &'a ImportSurroundings<'a>, budget: ImportBudget) -> Self {
        let rules = IgnoreRules::parse(around.ignored.unwrap_or_default());
        Self { around, budget, kinds: RefCell::default(), rules, ignored: RefCell::default() }
    }

    /// Takes steps; whether there were enough.
    pub(super) fn step(&self, steps: usize) -> bool {
        self.budget.step(steps)
    }

    /// Whether a path is a directory, if it is there.
    pub(super) fn kind(&self, path: &str) -> Option<bool> {
        if path == "." {
            return Some(true);
        }
        if path.len() > MAX_PATH || !self.step(1 + path.len() / 64) {
            return None;
        }
        if let Some(kind) = self.kinds.borrow().get(path) {
            return *kind;
        }
        let kind = if self.step(QUESTION) { (self.around.is_directory)(path) } else { None };
        let mut kinds = self.kinds.borrow_mut();
        if kinds.len() < MOST_KNOWN {
            kinds.insert(path.to_owned(), kind);
        }
        kind
    }

    /// Whether a path is known to be a directory.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        self.kind(path).unwrap_or(false)
    }

    /// The directories in a directory, if that can be read.
    pub(super) fn directories_in(&self, directory: &str) -> Option<Vec<String>> {
        match self.step(QUESTION) {
            true => (self.around.directories)(directory),
            false => None,
        }
    }

    /// The part of `.dockerignore` that is about files below a directory.
    pub(super) fn ignored(&self, directory: &str) -> Rc<IgnoredFiles> {
        if let Some(known) = self.ignored.borrow().get(directory) {
            return Rc::clone(known);
        }
        let files = match self.step(RULE * self.rules.len() * (1 + directory.len() / 16)) {
            true => self.rules.below(directory),
            false => IgnoredFiles::default(),
        };
        let files = Rc::new(files);
        self.ignored.borrow_mut().insert(directory.to_owned(), Rc::clone(&files));
        files
    }

    /// Whether `.dockerignore` leaves a path out, packages aside.
    pub(super) fn is_left_out(&self, path: &str) -> bool {
        self.step(RULE * self.rules.len() * (1 + path.len() / 16)) && self.rules.leave_out(&in_project(path))
    }
}
