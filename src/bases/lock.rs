//! The facts of `build.lock` about a base, beside those of the base's layers.
//!
//! The lock decides modes, owners and links of directories without a layer being read, and its checksum is no
//! signature: who can edit a lock can make it say anything of a directory. So each fact that a build takes from it
//! is compared with the layers as far as these are at hand: in the store's index of a layer, in a base on this
//! machine, in a blob of the store. [`BaseLayers::check_lock`] reads the layers for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::agreed::AgreedStatements;
use super::error::BaseError;
use super::index::{BaseNode, LayerIndex, Lookup};
use super::layers::{BaseLayers, Reach};
use super::probes::{ProbeResult, account_file};
use super::said;
use super::seen::BaseAnswer;
use super::tree::FileTree as _;
use crate::formats::elf::Dynamic;
use crate::layer::EntryPath;
use crate::project::lock::{Ancestor, SystemFacts};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::shown::Foreign;

/// The entry of a base's layers at a path.
enum LockMatch {
    /// This layer says so.
    Here(Digest, BaseNode, Option<Box<ProbeResult>>),
    /// None has it, or one deletes what others have.
    Nothing,
    /// That is in a layer which is elsewhere.
    Elsewhere,
}

impl LockMatch {
    /// Whether it is what the lock says, but for the names in a directory.
    fn agrees(&self, said: &Ancestor) -> bool {
        match (self, said) {
            (
                Self::Here(_, BaseNode::Directory { mode, uid, gid }, _),
                Ancestor::Directory { mode: m, uid: u, gid: g }
                | Ancestor::Listed { mode: m, uid: u, gid: g, .. },
            ) => (mode, uid, gid) == (m, u, g),
            (Self::Here(_, BaseNode::Symlink(found), _), Ancestor::Symlink { target }) => found == target,
            // An older lock says no more than that it is a file.
            (
                Self::Here(_, BaseNode::File(_), _),
                Ancestor::File { mode: None, owner: None, machine: None, dynamic: None, content: None },
            ) => true,
            (
                Self::Here(_, BaseNode::File(facts), found),
                Ancestor::File { mode, owner, machine, dynamic, content },
            ) => {
                let found = found.as_deref();
                let is_loaded_so = match (dynamic, found) {
                    (Some(said), Some(ProbeResult::Elf(found))) => says_the_same(said, found),
                    (dynamic, _) => dynamic.is_none(),
                };
                let has_content = match (content, found) {
                    (Some(content), Some(ProbeResult::Accounts(found))) => {
                        content.as_bytes() == found.bytes()
                    }
                    (content, _) => content.is_none(),
                };
                // A lock of an older version has no owners of files.
                let is_owned_so = owner.is_none() || facts.owner == *owner;
                (facts.mode, facts.machine) == (*mode, *machine) && is_owned_so && is_loaded_so && has_content
            }
            (Self::Nothing, said) => *said == Ancestor::Missing,
            (Self::Here(..), _) => false,
            (Self::Elsewhere, _) => true,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Here(layer, node, _) => {
                let found = said::ancestor(Some(node));
                format!("{}, says layer {layer}", words(&found))
            }
            Self::Nothing | Self::Elsewhere => "in no layer".to_owned(),
        }
    }
}

/// Whether a lock says of a file what a layer says. It has no versions of symbols where no check asked for them.
fn says_the_same(said: &Dynamic, found: &Dynamic) -> bool {
    let mut found = found.clone().without_needed_versions();
    if said.versions.is_none() {
        found.versions = None;
    }
    *said == found
}

fn words(said: &Ancestor) -> String {
    match said {
        Ancestor::Directory { mode, uid, gid } => format!("a directory {mode:04o} of {uid}:{gid}"),
        Ancestor::Listed { mode, uid, gid, names } => {
            format!("a directory {mode:04o} of {uid}:{gid} with {} names in it", names.len())
        }
        Ancestor::Symlink { target } => format!("a link to `{}`", crate::types::shown::shown(target)),
        Ancestor::File { mode: None, machine: None, .. } => "a file".to_owned(),
        Ancestor::File { mode, owner, machine, dynamic, content } => {
            let mode = mode.map(|mode| format!(" {mode:04o}")).unwrap_or_default();
            let owner = owner.map(|(uid, gid)| format!(" of {uid}:{gid}")).unwrap_or_default();
            let machine = machine.map(|machine| format!(" for {machine}")).unwrap_or_default();
            let with = |dynamic: &Dynamic| format!(" that is loaded with {}", dynamic.needed.join(", "));
            let dynamic = dynamic.as_ref().map(with).unwrap_or_default();
            let content = content.as_ref().map(|content| format!(" of {} bytes", content.len()));
            format!("a file{mode}{owner}{machine}{dynamic}{}", content.unwrap_or_default())
        }
        Ancestor::Missing => "missing".to_owned(),
    }
}

impl BaseLayers<'_> {
    /// Compares what the lock says of `path` with the layers that are at hand.
    pub(super) fn check_at_hand(&mut self, path: &EntryPath) -> Result<(), BoxedError> {
        if !self.unchecked.remove(path) {
            return Ok(());
        }
        let Some(said) = self.known.nodes.get(path).cloned() else { return Ok(()) };
        if self.agreed().contains(path, &said) {
            return Ok(());
        }
        let found = self.find(path, Self::at_hand)?;
        if found.agrees(&said) && self.has_names(path, &said, Self::at_hand)? {
            let is_sure = match said {
                Ancestor::Listed { .. } => self.are_loaded(),
                _ => !matches!(found, LockMatch::Elsewhere),
            };
            if is_sure {
                self.agreed().insert(path.clone(), &said);
            }
            return Ok(());
        }
        // An index that was remembered is no proof.
        self.forget_indexes();
        self.check(path, &said)
    }

    fn agreed(&mut self) -> &mut AgreedStatements {
        let (store, layers) = (self.store, self.image.layers());
        self.agreed.get_or_insert_with(|| AgreedStatements::load(store, layers))
    }

    /// Compares all that the lock says with the layers, which are read, whatever is remembered of them. How many
    /// paths there were.
    ///
    /// # Errors
    /// When the lock says otherwise, or a layer cannot be read.
    pub fn check_lock(&mut self) -> Result<usize, BoxedError> {
        self.forget_indexes();
        let unchecked = std::mem::take(&mut self.unchecked);
        for path in &unchecked {
            if let Some(said) = self.known.nodes.get(path).cloned() {
                self.check(path, &said)?;
            }
        }
        Ok(unchecked.len() + self.check_accounts()? + self.check_system()?)
    }

    /// Compares the users and groups that the lock speaks of. How many there were.
    fn check_accounts(&mut self) -> Result<usize, BoxedError> {
        let accounts = std::mem::take(&mut self.known.accounts);
        for number in 0..self.count() {
            self.index(number)?;
        }
        for (account, said) in &accounts {
            let Some(path) = account_file(account.kind) else { continue };
            let found = self.has_account(account)?;
            if found != BaseAnswer::Unknown && (found == BaseAnswer::Here(())) != *said {
                let words = |is_there| {
                    if is_there { format!("with {account}") } else { format!("without {account}") }
                };
                return Err(BaseError::LockDiffers {
                    base: self.base.reference.clone(),
                    path,
                    said: words(*said),
                    found: format!("{}, say the layers", words(!said)),
                    strict: self.base.strict,
                }
                .into());
            }
        }
        Ok(accounts.len())
    }

    /// Compares what the lock says of the whole image. How many facts there were.
    fn check_system(&mut self) -> Result<usize, BoxedError> {
        let Some(said) = self.known.system.take() else { return Ok(0) };
        self.reach = Reach::All;
        let Some(mut found) = self.system()? else { return Ok(0) };
        // A lock of an older version does not speak of interpreters.
        if said.node.is_none() && said.python.is_empty() {
            (found.node, found.python) = (None, BTreeSet::new());
        }
        if found == said {
            return Ok(1);
        }
        let words = |facts: &SystemFacts| {
            let libc: Vec<&str> = facts.libc.iter().map(String::as_str).collect();
            let java = facts.java.map_or_else(|| "no Java".to_owned(), |java| format!("Java {java}"));
            let libc = if libc.is_empty() { "no C library".to_owned() } else { libc.join(" and ") };
            let os = facts.os.as_deref().unwrap_or("an unnamed system");
            let node = facts.node.iter().map(|node| format!("Node.js {}", Foreign::new(node)));
            let python = facts.python.iter().map(|python| format!("Python {}", Foreign::new(python)));
            let interpreters: String = node.chain(python).map(|name| format!(", {name}")).collect();
            format!(
                "{} with {libc} and {java}{interpreters}, whose loader looks in {:?}",
                Foreign::new(os),
                facts.library_path
            )
        };
        Err(BaseError::SystemDiffers {
            base: self.base.reference.clone(),
            said: words(&said),
            found: words(&found),
            strict: self.base.strict,
        }
        .into())
    }

    fn check(&mut self, path: &EntryPath, said: &Ancestor) -> Result<(), BoxedError> {
        let index = |tree: &mut Self, number| tree.index(number).map(Some);
        let found = self.find(path, index)?;
        let found = match found.agrees(said) {
            true if self.has_names(path, said, index)? => return Ok(()),
            true => "a directory with other names in it, say the layers".to_owned(),
            false => found.words(),
        };
        Err(BaseError::LockDiffers {
            base: self.base.reference.clone(),
            path: path.clone(),
            said: words(said),
            found,
            strict: self.base.strict,
        }
        .into())
    }

    fn find(
        &mut self,
        path: &EntryPath,
        index: impl Fn(&mut Self, usize) -> Result<Option<Arc<LayerIndex>>, BoxedError>,
    ) -> Result<LockMatch, BoxedError> {
        for number in (0..self.count()).rev() {
            let Some(index) = index(self, number)? else { return Ok(LockMatch::Elsewhere) };
            match index.lookup(path) {
                Lookup::Here(node) => {
                    let reading = index.reading(path).cloned();
                    return Ok(LockMatch::Here(
                        self.image.layers()[number].digest,
                        node.clone(),
                        reading.map(Box::new),
                    ));
                }
                Lookup::Hidden => return Ok(LockMatch::Nothing),
                Lookup::Below => {}
            }
        }
        Ok(LockMatch::Nothing)
    }

    /// Whether a directory has in it what the lock says, if the lock says it.
    fn has_names(
        &mut self,
        directory: &EntryPath,
        said: &Ancestor,
        index: impl Fn(&mut Self, usize) -> Result<Option<Arc<LayerIndex>>, BoxedError>,
    ) -> Result<bool, BoxedError> {
        let Ancestor::Listed { names: said, .. } = said else { return Ok(true) };
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for number in (0..self.count()).rev() {
            let Some(index) = index(self, number)? else { return Ok(true) };
            if !index.names_in(directory, said.len() + 1, &mut names, &mut hidden) {
                break;
            }
        }
        Ok(names.iter().map(Vec::as_slice).eq(said.iter().map(String::as_bytes)))
    }
}
