//! The layers of an image on a base that they were not built on.
//!
//! They are asked like planned layers, but nothing is known of them but what an index of each says. Where nothing at
//! hand tells what a layer has, it may have anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::index::{BaseNode, LayerIndex, Lookup};
use super::probes::{LoaderLine, ProbeResult, account_file};
use super::seen::BaseAnswer;
use super::tree::{FileTree, defined_by, directory};
use crate::formats::elf::Dynamic;
use crate::layer::{AccountFile, AccountKind, EntryPath};
use crate::project::lock::SystemFacts;
use crate::types::error::BoxedError;

/// The layers of an image on a base.
pub struct Overlay<'a, B> {
    /// The base.
    pub base: &'a mut B,
    /// The image's own layers, bottom first; `None` for one that nothing at hand tells of.
    pub layers: &'a [Option<Arc<LayerIndex>>],
}

/// The statement of the own layers about a path.
enum Own<'a> {
    Here(&'a LayerIndex, &'a BaseNode),
    Hidden,
    Below,
    Unknown,
}

impl<B> Overlay<'_, B> {
    fn own(&self, path: &EntryPath) -> Own<'_> {
        for layer in self.layers.iter().rev() {
            let Some(index) = layer else { return Own::Unknown };
            match index.lookup(path) {
                Lookup::Here(node) => return Own::Here(index, node),
                Lookup::Hidden => return Own::Hidden,
                Lookup::Below => {}
            }
        }
        Own::Below
    }

    /// Whether something of the own layers is below `path`, where no layer has an entry.
    fn implies(&self, path: &EntryPath) -> bool {
        for index in self.layers.iter().rev().flatten() {
            if index.implies(path) {
                return true;
            }
            if index.lookup(path) == Lookup::Hidden {
                return false;
            }
        }
        false
    }

    /// The programs and libraries of the own layers that no layer above hides, with what is loaded with them.
    pub fn own_programs(&self) -> impl Iterator<Item = (&EntryPath, &Dynamic)> {
        let readings =
            self.layers.iter().flatten().flat_map(|index| index.readings().map(move |it| (index, it)));
        readings.filter_map(|(index, (path, reading))| match (reading, self.own(path)) {
            (ProbeResult::Elf(dynamic), Own::Here(found, _)) if std::ptr::eq(found, &**index) => {
                Some((path, dynamic))
            }
            _ => None,
        })
    }
}

impl<B: FileTree> FileTree for Overlay<'_, B> {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        Ok(match self.own(path) {
            Own::Here(_, node) => Some(node.clone()),
            Own::Hidden | Own::Unknown => None,
            Own::Below => self.base.lookup(path)?,
        })
    }

    fn peek(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        let found = match self.own(path) {
            Own::Here(_, node) => BaseAnswer::Here(node.clone()),
            Own::Hidden => BaseAnswer::Nothing,
            Own::Unknown => BaseAnswer::Unknown,
            Own::Below => self.base.peek(path)?,
        };
        let is_implied = found == BaseAnswer::Nothing && self.implies(path);
        Ok(if is_implied { BaseAnswer::Here(directory()) } else { found })
    }

    fn dynamic(&mut self, path: &EntryPath) -> Result<BaseAnswer<Dynamic>, BoxedError> {
        Ok(match self.own(path) {
            Own::Here(index, node) => index.dynamic(path, node),
            Own::Hidden => BaseAnswer::Nothing,
            Own::Unknown => BaseAnswer::Unknown,
            Own::Below => self.base.dynamic(path)?,
        })
    }

    fn versions(&mut self, path: &EntryPath) -> Result<BaseAnswer<BTreeSet<String>>, BoxedError> {
        Ok(match self.own(path) {
            Own::Here(index, node) => match index.dynamic(path, node) {
                BaseAnswer::Here(dynamic) => defined_by(dynamic),
                BaseAnswer::Nothing => BaseAnswer::Nothing,
                BaseAnswer::Unknown => BaseAnswer::Unknown,
            },
            Own::Hidden => BaseAnswer::Nothing,
            Own::Unknown => BaseAnswer::Unknown,
            Own::Below => self.base.versions(path)?,
        })
    }

    fn accounts(&mut self, kind: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
        let Some(path) = account_file(kind) else { return Ok(BaseAnswer::Unknown) };
        Ok(match self.own(&path) {
            Own::Here(index, _) => {
                index.accounts(kind).cloned().map_or(BaseAnswer::Unknown, BaseAnswer::Here)
            }
            Own::Hidden => BaseAnswer::Nothing,
            Own::Unknown => BaseAnswer::Unknown,
            Own::Below => self.base.accounts(kind)?,
        })
    }

    fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        self.base.system()
    }

    fn is_ours(&self, path: &EntryPath) -> bool {
        matches!(self.own(path), Own::Here(..))
    }

    fn own_loader_directories(&self) -> Result<Vec<String>, BoxedError> {
        let readings = self.layers.iter().flatten().flat_map(|index| index.readings());
        let lines = readings.flat_map(|(_, reading)| match reading {
            ProbeResult::Loader(lines) => lines.as_slice(),
            _ => &[],
        });
        let directory = |line: &LoaderLine| match line {
            LoaderLine::Directory(path) => Some(path.clone()),
            LoaderLine::Include(_) => None,
        };
        Ok(lines.filter_map(directory).collect())
    }
}
