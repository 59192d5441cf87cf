//! The statements of a lock that agree with the layers, remembered: the indexes of layers are not loaded for them again.
//!
//! A statement is compared with what was remembered byte for byte, and the memo is found by the digests of all layers.
//! So a lock that says something else is compared with the layers as before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::index::BaseNode;
use super::said;
use crate::formats::elf::Dynamic;
use crate::layer::EntryPath;
use crate::oci::Descriptor;
use crate::project::lock::Ancestor;
use crate::store::Store;
use crate::types::digest::{Key, KeyBuilder};

const NAMESPACE: &str = "lock-agrees";

/// A statement of a lock about a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    node: Option<BaseNode>,
    /// The names in a directory, if it is about them.
    names: Option<BTreeSet<String>>,
    /// The dynamic section of a file, if it is about that.
    dynamic: Option<Dynamic>,
    /// The content of a file, if it is about that.
    content: Option<String>,
}

impl Statement {
    fn of(said: &Ancestor) -> Self {
        let names = match said {
            Ancestor::Listed { names, .. } => Some(names.clone()),
            _ => None,
        };
        let (dynamic, content) = match said {
            Ancestor::File { dynamic, content, .. } => (dynamic.clone(), content.clone()),
            _ => (None, None),
        };
        Self { node: said::node(said), names, dynamic, content }
    }
}

/// The statements that agree with the layers of one image.
#[derive(Debug)]
pub(super) struct AgreedStatements {
    key: Key,
    statements: BTreeMap<EntryPath, Statement>,
    is_changed: bool,
}

impl AgreedStatements {
    /// Those that the store remembers of an image with these layers.
    pub(super) fn load(store: &Store, layers: &[Descriptor]) -> Self {
        let mut key = KeyBuilder::new("pack lock agrees 5");
        for layer in layers {
            key = key.part(layer.digest.as_bytes());
        }
        let key = key.finish();
        let statements = store.memo_load(NAMESPACE, &key).unwrap_or_default();
        Self { key, statements, is_changed: false }
    }

    pub(super) fn contains(&self, path: &EntryPath, said: &Ancestor) -> bool {
        self.statements.get(path).is_some_and(|statement| *statement == Statement::of(said))
    }

    pub(super) fn insert(&mut self, path: EntryPath, said: &Ancestor) {
        self.statements.insert(path, Statement::of(said));
        self.is_changed = true;
    }

    /// Remembers those about paths that the lock still speaks of.
    pub(super) fn save(mut self, store: &Store, is_spoken_of: impl Fn(&EntryPath) -> bool) {
        if self.is_changed {
            self.statements.retain(|path, _| is_spoken_of(path));
            store.memo_save(NAMESPACE, &self.key, &self.statements);
        }
    }
}
