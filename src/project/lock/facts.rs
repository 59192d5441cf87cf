//! An entry of a lock: the digest of a base, and the facts that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::elf::{Dynamic, Machine};
use crate::layer::{Account, EntryPath};
use crate::oci::MediaType;
use crate::types::digest::Digest;
use crate::types::platform::Platform;

/// The longest document that a lock holds, in bytes. Manifests have about 0.2 kB for each layer and configurations
/// 1 to 8 kB; what is longer is fetched.
pub(super) const MAX_DOCUMENT: usize = 16 << 10;

/// The longest file whose content a lock holds, in bytes: `/etc/passwd` and `/etc/group` have 1 to 4 kB.
pub const MAX_CONTENT: usize = 64 << 10;

/// The meaning of a base's name.
#[derive(Clone, Debug, PartialEq)]
pub struct LockedBase {
    /// The base as the build file has it.
    pub reference: String,
    /// The digest of its index or manifest.
    pub digest: Digest,
    /// The facts about those bytes; `None` if they must be derived from the digest first.
    pub facts: Option<BaseFacts>,
}

/// The facts that follow from the digest of a base.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseFacts {
    /// The media type of the index or manifest.
    pub media_type: MediaType,
    /// Its size in bytes.
    pub size: u64,
    /// The keys of a policy that signed it, by their identities, as was proved when they were written down.
    pub signed_by: BTreeSet<String>,
    /// The image of each platform.
    pub platforms: Vec<LockedPlatform>,
    /// Manifests, configurations and the index, as text. Each hashes to its digest.
    pub documents: BTreeMap<Digest, String>,
}

impl BaseFacts {
    /// Adds a document, unless it is longer than is good for a file that people review.
    pub fn add_document(&mut self, bytes: &[u8]) {
        if bytes.len() <= MAX_DOCUMENT
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            self.documents.insert(Digest::of(bytes), text.to_owned());
        }
    }
}

/// The image of one platform.
#[derive(Clone, Debug, PartialEq)]
pub struct LockedPlatform {
    /// The platform.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The media type of its manifest.
    pub media_type: MediaType,
    /// The size of its manifest in bytes.
    pub size: u64,
    /// The entries at the ancestors of the application. Paths that are not UTF-8 are not written.
    pub ancestors: BTreeMap<EntryPath, Ancestor>,
    /// Whether it has the users and groups that somebody asked for.
    pub accounts: BTreeMap<Account, bool>,
    /// The facts that follow from all of its layers; `None` if not all were read.
    pub system: Option<SystemFacts>,
}

/// The facts that follow from all layers of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemFacts {
    /// The distribution, for people.
    pub os: Option<String>,
    /// The C libraries that it has a loader of: `glibc`, `musl`.
    pub libc: BTreeSet<String>,
    /// The major version of the newest Java.
    pub java: Option<u32>,
    /// Where the configuration of the loader says that libraries are.
    pub library_path: Vec<String>,
    /// The version of its Node.js, or the major version alone, where a file tells.
    pub node: Option<String>,
    /// The minor versions of Python that it has, such as `3.11`. None are in a lock of an older version.
    pub python: BTreeSet<String>,
}

/// The entry of a base at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ancestor {
    /// A directory.
    Directory {
        /// Its permission bits, at most `0o7777`.
        mode: u32,
        /// Its owner.
        uid: u64,
        /// Its group.
        gid: u64,
    },
    /// A directory, and all that is in it: few enough names to tell what is not there.
    Listed {
        /// Its permission bits, at most `0o7777`.
        mode: u32,
        /// Its owner.
        uid: u64,
        /// Its group.
        gid: u64,
        /// The names in it.
        names: BTreeSet<String>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as written. One that is not UTF-8 is not written.
        target: Vec<u8>,
    },
    /// A file, or anything else that nothing can be below. Locks of older versions say no more of it.
    File {
        /// Its permission bits.
        mode: Option<u32>,
        /// Its user and group, where they decide who may execute it.
        owner: Option<(u32, u32)>,
        /// Of a library: what it was compiled for.
        machine: Option<Machine>,
        /// Its dynamic section, if a check asked for that.
        dynamic: Option<Dynamic>,
        /// Its content, where names of users and groups are looked up in it: at most [`MAX_CONTENT`] bytes.
        content: Option<String>,
    },
    /// Nothing.
    Missing,
}

impl LockedBase {
    /// A pin of which nothing else is known yet.
    #[must_use]
    pub fn pin(reference: &str, digest: Digest) -> Self {
        Self { reference: reference.to_owned(), digest, facts: None }
    }

    /// Whether the facts are there and follow from the digest.
    #[must_use]
    pub const fn is_consistent(&self) -> bool {
        self.facts.is_some()
    }

    /// Forgets what follows from the digest.
    pub fn invalidate(&mut self) {
        self.facts = None;
    }

    /// The image of a platform, if it is known.
    #[must_use]
    pub fn platform(&self, platform: &Platform) -> Option<&LockedPlatform> {
        self.facts.as_ref()?.platforms.iter().find(|locked| locked.platform == *platform)
    }

    /// Adds facts of the same digest.
    pub(super) fn join(&mut self, found: Option<BaseFacts>) {
        let Some(found) = found else { return };
        let Some(known) = &mut self.facts else {
            self.facts = Some(found);
            return;
        };
        (known.media_type, known.size) = (found.media_type, found.size);
        known.documents.extend(found.documents);
        known.signed_by.extend(found.signed_by);
        for platform in found.platforms {
            let same = |known: &&mut LockedPlatform| {
                known.platform == platform.platform && known.digest == platform.digest
            };
            match known.platforms.iter_mut().find(same) {
                Some(known) => {
                    known.ancestors.extend(platform.ancestors);
                    known.accounts.extend(platform.accounts);
                    known.system = platform.system.or_else(|| known.system.take());
                }
                None => known.platforms.push(platform),
            }
        }
    }
}
