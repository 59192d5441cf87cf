//! Whether the outcome of a whole build was known before anything was planned, and which of its inputs changed
//! where it was not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::memo::MemoWriter;
use crate::store::Store;
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::fingerprint::{Fingerprint, fingerprint};

/// The domain of the keys of single inputs.
const INPUT: &str = "pack input 2";

/// The result of looking for the outcome of the same build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Outcome {
    /// The inputs are those of an earlier build, and every target has what came of it.
    Known,
    /// The inputs are those of an earlier build, and this target has not what came of it.
    NotThere {
        /// The first such target, as the user would write it.
        target: String,
    },
    /// Nothing pins the base, so that what it is cannot be told from outside.
    #[default]
    NotPinned,
    /// A policy asks how old the base is, which another day answers otherwise.
    Dated,
    /// Nothing is remembered of this project.
    New,
    /// These inputs are not those of the last build.
    Changed {
        /// At least one.
        inputs: Vec<InputChange>,
    },
    /// The inputs are those of the last build, some of which were too young then for their stamps to be trusted.
    Untrusted,
    /// The inputs are those of the last build, which could not write to the cache in a registry, as it was asked to.
    Unshared,
    /// The inputs are those of the last build, which could not know what the base has; another machine has told since.
    Told,
    /// The inputs are those of the last build, and the record of what came of it is lost.
    Lost,
}

/// An input that is not what it was in the last build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "kebab-case")]
pub enum InputChange {
    /// The program, by its version.
    Program {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// The base.
    Base {
        /// The digest of its name in the last build; `None` if there was no base.
        from: Option<Digest>,
        /// The digest now.
        to: Option<Digest>,
    },
    /// The lock's facts about the same base.
    Lock,
    /// The use of the cache in a registry.
    Cache,
    /// A setting.
    Setting {
        /// Its table or key in the build file.
        name: String,
    },
    /// The text of the build file or the command line, but no setting.
    Text,
    /// Something else that templates and labels may use.
    Fact {
        /// What.
        name: String,
    },
    /// A file, or something below a directory: stamp, mode, owner, names.
    Path {
        /// As the build file means it.
        path: String,
    },
}

/// The inputs of a build, by name, as keys that tell whether they are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    program: String,
    settings: BTreeMap<String, Key>,
    text: Key,
    facts: BTreeMap<String, Key>,
    paths: BTreeMap<String, Key>,
}

impl Parts {
    /// With the texts that settings come from.
    pub(super) fn new(text: &(impl Fingerprint + ?Sized)) -> Self {
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            settings: BTreeMap::new(),
            text: fingerprint(INPUT, text),
            facts: BTreeMap::new(),
            paths: BTreeMap::new(),
        }
    }

    pub(super) fn setting(&mut self, name: &str, value: &(impl Fingerprint + ?Sized)) {
        self.settings.insert(name.to_owned(), fingerprint(INPUT, value));
    }

    pub(super) fn fact(&mut self, name: &str, value: &(impl Fingerprint + ?Sized)) {
        self.facts.insert(name.to_owned(), fingerprint(INPUT, value));
    }

    /// A path may be looked at more than once, with other options.
    pub(super) fn path(&mut self, path: &str, description: &[u8]) {
        let mut all = KeyBuilder::new("pack input path");
        if let Some(before) = self.paths.get(path) {
            all.add(&before.0);
        }
        all.add(description);
        self.paths.insert(path.to_owned(), all.finish());
    }

    /// The key of all of them.
    pub(super) fn key(&self) -> Key {
        let mut all = KeyBuilder::new("pack build 3").part(self.program.as_bytes()).part(&self.text.0);
        for map in [&self.settings, &self.facts, &self.paths] {
            all.add(&(map.len() as u64).to_le_bytes());
            for (name, value) in map {
                all.add(name.as_bytes());
                all.add(&value.0);
            }
        }
        all.finish()
    }
}

/// The base of a build: what its name meant, and all that the lock says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PinnedBase {
    pub(super) digest: Option<Digest>,
    pub(super) lock: Key,
}

/// The remembered inputs of a project's last build.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastInputs {
    pub(super) parts: Parts,
    pub(super) base: PinnedBase,
    /// A hash of the policy for the cache in a registry.
    pub(super) cache: Key,
    pub(super) kept: OutcomeMemory,
}

/// Whether what came of a build was remembered, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum OutcomeMemory {
    Yes,
    /// A change after the build need not show in the stamps.
    Untrusted,
    /// The cache in a registry could not be written.
    Unshared,
}

impl LastInputs {
    /// Whether there are any, without reading them.
    pub(super) fn are_kept(store: &Store, project: &Key) -> bool {
        store.has_memo("inputs", project)
    }

    pub(super) fn load(store: &Store, project: &Key) -> Option<Self> {
        store.memo_load("inputs", project)
    }

    pub(super) fn save(self, writer: &MemoWriter, project: Key) {
        writer.save("inputs", project, self);
    }

    /// Why the outcome of a build with these inputs is not known, this being the last one.
    pub(super) fn explain(&self, parts: &Parts, base: &PinnedBase, cache: Key) -> Outcome {
        let inputs = self.changes(parts, base, cache);
        match (inputs.is_empty(), self.kept) {
            (false, _) => Outcome::Changed { inputs },
            (true, OutcomeMemory::Untrusted) => Outcome::Untrusted,
            (true, OutcomeMemory::Unshared) => Outcome::Unshared,
            (true, OutcomeMemory::Yes) => Outcome::Lost,
        }
    }

    fn changes(&self, now: &Parts, base: &PinnedBase, cache: Key) -> Vec<InputChange> {
        let before = &self.parts;
        let mut changes = Vec::new();
        if before.program != now.program {
            changes.push(InputChange::Program { from: before.program.clone(), to: now.program.clone() });
        }
        if self.base.digest != base.digest {
            changes.push(InputChange::Base { from: self.base.digest, to: base.digest });
        } else if self.base.lock != base.lock {
            changes.push(InputChange::Lock);
        }
        let settings = differing(&before.settings, &now.settings);
        if settings.is_empty() && before.text != now.text {
            changes.push(InputChange::Text);
        }
        if self.cache != cache {
            changes.push(InputChange::Cache);
        }
        changes.extend(settings.into_iter().map(|name| InputChange::Setting { name }));
        changes
            .extend(differing(&before.facts, &now.facts).into_iter().map(|name| InputChange::Fact { name }));
        changes
            .extend(differing(&before.paths, &now.paths).into_iter().map(|path| InputChange::Path { path }));
        changes
    }
}

/// The names whose values differ, or that only one of both has.
fn differing(before: &BTreeMap<String, Key>, now: &BTreeMap<String, Key>) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    names.into_iter().filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(digest: Option<&[u8]>, lock: u8) -> PinnedBase {
        PinnedBase { digest: digest.map(Digest::of), lock: Key([lock; 32]) }
    }

    fn parts(text: &str) -> Parts {
        let mut parts = Parts::new(text);
        parts.setting("config", "user");
        parts.fact("git", "1");
        parts.path("/app", b"stamp");
        parts
    }

    const CACHE: Key = Key([7; 32]);

    fn last(kept: OutcomeMemory) -> LastInputs {
        LastInputs { parts: parts("text"), base: base(Some(b"1"), 1), cache: CACHE, kept }
    }

    #[test]
    fn what_changed_is_named() {
        let mut now = parts("other text");
        now.setting("config", "group");
        now.setting("app", "new");
        now.fact("git", "2");
        now.path("/app", b"again");
        let found = last(OutcomeMemory::Yes).explain(&now, &base(Some(b"2"), 2), CACHE);
        assert_eq!(
            found,
            Outcome::Changed {
                inputs: vec![
                    InputChange::Base { from: Some(Digest::of(b"1")), to: Some(Digest::of(b"2")) },
                    InputChange::Setting { name: "app".into() },
                    InputChange::Setting { name: "config".into() },
                    InputChange::Fact { name: "git".into() },
                    InputChange::Path { path: "/app".into() },
                ]
            }
        );
    }

    #[test]
    fn a_comment_is_no_setting_and_a_lock_no_base() {
        let found = last(OutcomeMemory::Yes).explain(&parts("other text"), &base(Some(b"1"), 2), CACHE);
        assert_eq!(found, Outcome::Changed { inputs: vec![InputChange::Lock, InputChange::Text] });
    }

    #[test]
    fn nothing_changed() {
        assert_eq!(
            last(OutcomeMemory::Yes).explain(&parts("text"), &base(Some(b"1"), 1), CACHE),
            Outcome::Lost
        );
        assert_eq!(
            last(OutcomeMemory::Untrusted).explain(&parts("text"), &base(Some(b"1"), 1), CACHE),
            Outcome::Untrusted
        );
    }

    #[test]
    fn the_cache_in_a_registry_has_its_reasons() {
        let base = base(Some(b"1"), 1);
        assert_eq!(last(OutcomeMemory::Unshared).explain(&parts("text"), &base, CACHE), Outcome::Unshared);
        let found = last(OutcomeMemory::Yes).explain(&parts("text"), &base, Key([8; 32]));
        assert_eq!(found, Outcome::Changed { inputs: vec![InputChange::Cache] });
    }

    #[test]
    fn every_part_is_in_the_key() {
        let one = parts("text").key();
        assert_eq!(one, parts("text").key());
        assert_ne!(one, parts("texts").key());
        let changes: [fn(&mut Parts); 4] = [
            |parts| parts.setting("config", "x"),
            |parts| parts.fact("git", "x"),
            |parts| parts.path("/app", b"x"),
            |parts| parts.path("/other", b""),
        ];
        for change in changes {
            let mut other = parts("text");
            change(&mut other);
            assert_ne!(one, other.key());
        }
    }
}
