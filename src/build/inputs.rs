//! All that decides a build, seen from outside: settings, lock, facts, and the stamps of files.
//!
//! No file but a tree's `.packignore` is opened. The key of a build is that of its outcome: where both are as
//! they were, nothing is left to do but to ask whether the targets have it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cache::CachePolicy;
use super::{Context, Request, prepare};
use crate::artifact;
use crate::config::{self, Facts};
use crate::digest::{Key, KeyBuilder};
use crate::error::BoxedError;
use crate::layer::scan::{Found, FoundKind};
use crate::layer::{self, ContentSource, Entry, EntryKind, ScanOptions, Scanner, Stamp};
use crate::lock::LockedBase;
use crate::plan::Plan;

/// What a build starts from.
pub(super) struct Inputs {
    base: Key,
    /// Whether a change from now on must show in the stamps.
    settled: bool,
    /// The single files. Unlike a tree's, they are looked at again when they are planned.
    files: BTreeMap<PathBuf, Stamp>,
}

impl Inputs {
    /// Looks at everything that the request names; `None` where the base is not pinned, so that what it is
    /// cannot be told from outside.
    pub(super) fn look(
        context: &Context,
        request: &Request,
        scanner: &Scanner,
    ) -> Result<Option<Self>, BoxedError> {
        let mut looker = Looker {
            key: KeyBuilder::new("pack build 1").part(env!("CARGO_PKG_VERSION").as_bytes()),
            settled: true,
            files: BTreeMap::new(),
            context,
            scanner,
        };
        looker.settings(request);
        let settings = &request.settings;
        for path in settings.app.iter().flat_map(|app| app.paths.as_slice()) {
            let app = settings.app.as_ref().map(prepare::scan_options_of_app).unwrap_or_default();
            looker.artifact(path.value.path(), &app)?;
        }
        for files in settings.layers.iter().flat_map(|layer| &layer.files) {
            looker.path(files.from.value.path(), &prepare::scan_options_of(files))?;
        }
        let known = match settings.base.as_ref().map(|base| &base.value) {
            None | Some(config::Base::Scratch | config::Base::Registry(_)) => true,
            Some(config::Base::Layout { path, .. }) => looker.file(&path.path().join("index.json")),
            Some(config::Base::OciArchive(path) | config::Base::DockerArchive(path)) => {
                looker.file(path.path())
            }
        };
        Ok(known.then(|| Self { base: looker.key.finish(), settled: looker.settled, files: looker.files }))
    }

    /// The key of the outcome, where the base is what `locked` says; `None` where nothing pins it. `policy` is
    /// that of the cache where it had a part in the outcome: what the cache said is not believed without it.
    pub(super) fn key(
        &self,
        request: &Request,
        locked: Option<&LockedBase>,
        policy: Option<&CachePolicy>,
    ) -> Option<Key> {
        let base = request.settings.base.as_ref().map(|base| &base.value);
        let needs_lock = !matches!(base, None | Some(config::Base::Scratch));
        if needs_lock && locked.is_none_or(|locked| locked.facts.is_none()) {
            return None;
        }
        let locked = format!("{locked:?}");
        let mut key = KeyBuilder::new("pack outcome 1").part(&self.base.0).part(locked.as_bytes());
        if let Some(policy) = policy {
            key.add(&policy.key().0);
        }
        Some(key.finish())
    }

    /// Whether what is built by `plan` may be remembered under the key of these inputs.
    ///
    /// A file, or what a link leads to, may have been exchanged after it was looked at. The image is right
    /// then, but its key is that of another one, which comes back when the link is led back.
    pub(super) fn decide(&self, plan: &Plan) -> bool {
        let is_as_seen = |(path, seen): (&PathBuf, &Stamp)| {
            std::fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == *seen)
        };
        let is_planned_as_seen = |entry: &Entry| {
            let EntryKind::File(content) = &entry.kind else { return true };
            let (path, stamp) = match &content.source {
                ContentSource::File(path, stamp) => (path.as_path(), stamp),
                ContentSource::Zip(archive, _) => (archive.path(), archive.stamp()),
                ContentSource::Bytes(_) => return true,
            };
            self.files.get(path).is_none_or(|seen| seen == stamp)
        };
        let mut layers = plan.images.iter().flat_map(|image| &image.layers);
        self.settled
            && self.files.iter().all(is_as_seen)
            && layers.all(|layer| layer.spec.entries().iter().all(is_planned_as_seen))
    }
}

struct Looker<'a> {
    key: KeyBuilder,
    settled: bool,
    files: BTreeMap<PathBuf, Stamp>,
    context: &'a Context,
    scanner: &'a Scanner,
}

impl Looker<'_> {
    /// The settings as they print for debugging, which has every field of them, and new ones by itself.
    fn settings(&mut self, request: &Request) {
        let Request { settings, has_build_file: _, facts, lock: _, project, name, cache: _ } = request;
        let Facts { git, version, env, content: _ } = facts;
        let text = format!("{settings:?} {git:?} {version:?} {env:?} {project:?} {name}");
        self.key.add(text.as_bytes());
        self.key.add(&layer::FORMAT.to_le_bytes());
    }

    /// An artifact: what a directory is taken for depends on files that need not be part of it.
    fn artifact(&mut self, path: &Path, options: &ScanOptions) -> Result<(), BoxedError> {
        if path.is_dir() {
            let kind = artifact::detect(path).map(|artifact| artifact.kind);
            self.key.add(format!("{kind:?}").as_bytes());
        }
        self.path(path, options)
    }

    fn path(&mut self, path: &Path, options: &ScanOptions) -> Result<(), BoxedError> {
        // What is wrong with it is found, and told better, when it is planned.
        if !path.is_dir() {
            self.file(path);
            return Ok(());
        }
        let found = self.context.workers.pool()?.install(|| self.scanner.scan(path, options))?;
        let mut bytes = Vec::with_capacity(found.len() * 128);
        for found in found.iter() {
            self.settled &= found.kind == FoundKind::Directory || found.stamp.is_settled(self.context.now);
            describe(found, &mut bytes);
        }
        self.key.add(&bytes);
        Ok(())
    }

    fn file(&mut self, path: &Path) -> bool {
        let Ok(metadata) = std::fs::metadata(path) else { return false };
        let stamp = Stamp::of(&metadata);
        self.settled &= stamp.is_settled(self.context.now);
        let mut bytes = Vec::new();
        describe_stamp(&stamp, &mut bytes);
        self.key.add(&bytes);
        self.files.insert(path.to_owned(), stamp);
        true
    }
}

/// Everything of a found thing that can reach an image. A directory's own times change with whatever is
/// made and removed in it, part of the image or not.
fn describe(found: &Found, out: &mut Vec<u8>) {
    let Found { relative, path: _, kind, stamp, mode, links, uid, gid, xattrs } = found;
    let mut put = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    put(relative);
    match kind {
        FoundKind::Directory => put(b"directory"),
        FoundKind::File { .. } => put(b"file"),
        FoundKind::Symlink(target) => put(target),
        other => put(format!("{other:?}").as_bytes()),
    }
    for (name, value) in xattrs {
        put(name.as_bytes());
        put(value);
    }
    for number in [*mode, *uid, *gid] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    if *kind != FoundKind::Directory {
        out.extend_from_slice(&links.to_le_bytes());
        describe_stamp(stamp, out);
    }
}

fn describe_stamp(stamp: &Stamp, out: &mut Vec<u8>) {
    let Stamp { size, mtime_ns, ctime_ns, inode, device } = *stamp;
    for number in [size, mtime_ns.cast_unsigned(), ctime_ns.cast_unsigned(), inode, device] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}
