//! The registry of the tests, in the types of this crate.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

pub(crate) use pack_test_registry::{
    Action, At, Auth, End, Fate, Fault, Kind, Logged, Mount, PROFILES, Place, Quirks, Replicas, Reply,
};

use super::Clock;
use crate::types::digest::Digest;

/// A running registry; stops when dropped.
pub(crate) struct Fake(pack_test_registry::Fake);

impl pack_test_registry::Clock for Clock {
    fn now(&self) -> Instant {
        Self::now(self)
    }

    fn advance(&self, time: Duration) {
        Self::advance(self, time);
    }
}

fn own(digest: &pack_test_registry::Digest) -> Digest {
    digest.to_string().parse().expect("the same form")
}

fn theirs(digest: &Digest) -> pack_test_registry::Digest {
    digest.to_string().parse().expect("the same form")
}

impl Fake {
    /// Starts one on free ports of this machine.
    pub(crate) fn start() -> io::Result<Self> {
        pack_test_registry::Fake::start().map(Self)
    }

    /// The same, with delays that move `clock`.
    pub(crate) fn with_clock(clock: Clock) -> io::Result<Self> {
        pack_test_registry::Fake::with_clock(clock).map(Self)
    }

    /// Puts a blob into a repository.
    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        own(&self.0.put_blob(repository, bytes))
    }

    /// Puts a manifest into a repository, under a tag.
    pub(crate) fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> Digest {
        own(&self.0.put_manifest(repository, tag, media_type, bytes))
    }

    /// A blob's bytes.
    pub(crate) fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.0.blob(repository, &theirs(digest))
    }

    /// A manifest's bytes.
    pub(crate) fn manifest(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.0.manifest(repository, &theirs(digest))
    }

    /// The digest that a tag resolves to.
    pub(crate) fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        self.0.tag(repository, tag).as_ref().map(own)
    }

    /// How often each blob was uploaded to the end.
    pub(crate) fn commits(&self) -> BTreeMap<Digest, usize> {
        self.0.commits().iter().map(|(digest, count)| (own(digest), *count)).collect()
    }
}

impl Deref for Fake {
    type Target = pack_test_registry::Fake;

    fn deref(&self) -> &pack_test_registry::Fake {
        &self.0
    }
}

impl DerefMut for Fake {
    fn deref_mut(&mut self) -> &mut pack_test_registry::Fake {
        &mut self.0
    }
}
