//! The layers of an image, where all of them are known.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::index::{BaseNode, LayerIndex, Lookup};
use super::probes::{ProbeResult, account_file};
use super::seen::BaseAnswer;
use super::tree::{FileTree, directory};
use crate::formats::elf::LibraryFlaw;
use crate::layer::{AccountFile, AccountKind, EntryPath};
use crate::types::error::BoxedError;

/// The most names of a directory that are looked at.
pub(super) const MAX_INCLUDES: usize = 64;

/// Layers that are all known, bottom first.
pub(super) struct KnownLayers(pub(super) Vec<Arc<LayerIndex>>);

impl KnownLayers {
    pub(super) fn find(&self, path: &EntryPath) -> Option<(&LayerIndex, &BaseNode)> {
        for index in self.0.iter().rev() {
            match index.lookup(path) {
                Lookup::Here(node) => return Some((index, node)),
                Lookup::Hidden => return None,
                Lookup::Below => {}
            }
        }
        None
    }

    /// Whether the file at `path` may be a loader: a text file, or one that was cut off, is none.
    pub(super) fn is_loader(&self, path: &EntryPath) -> bool {
        match self.find(path).map(|(index, node)| index.dynamic(path, node)) {
            Some(BaseAnswer::Here(dynamic)) => dynamic.flaw != Some(LibraryFlaw::Truncated),
            Some(BaseAnswer::Unknown) => true,
            Some(BaseAnswer::Nothing) | None => false,
        }
    }

    /// Whether something that no layer hides is below `path`, where no layer has an entry.
    fn implies(&self, path: &EntryPath) -> bool {
        for index in self.0.iter().rev() {
            if index.implies(path) {
                return true;
            }
            if index.lookup(path) == Lookup::Hidden {
                return false;
            }
        }
        false
    }

    /// The reading of the file at `path`, links not followed.
    pub(super) fn reading(&self, path: &EntryPath) -> Option<&ProbeResult> {
        self.find(path).and_then(|(index, _)| index.reading(path))
    }

    /// The names in a directory.
    pub(super) fn names(&self, directory: &EntryPath) -> BTreeSet<Vec<u8>> {
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for index in self.0.iter().rev() {
            if !index.names_in(directory, MAX_INCLUDES, &mut names, &mut hidden) {
                break;
            }
        }
        names
    }
}

impl FileTree for KnownLayers {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        Ok(self.find(path).map(|(_, node)| node.clone()))
    }

    fn peek(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        Ok(match self.find(path) {
            Some((_, node)) => BaseAnswer::Here(node.clone()),
            None if self.implies(path) => BaseAnswer::Here(directory()),
            None => BaseAnswer::Nothing,
        })
    }

    fn accounts(&mut self, kind: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
        let Some(path) = account_file(kind) else { return Ok(BaseAnswer::Unknown) };
        Ok(match (self.find(&path), self.reading(&path)) {
            (None, _) => BaseAnswer::Nothing,
            (_, Some(ProbeResult::Accounts(file))) => BaseAnswer::Here(file.clone()),
            _ => BaseAnswer::Unknown,
        })
    }
}
