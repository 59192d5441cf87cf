//! All that decides a build, seen from outside: settings, lock, facts, and the stamps of files.
//!
//! No file but a tree's `.packignore` is opened. The key of a build is that of its outcome: where both are as
//! they were, nothing is left to do but to ask whether the targets have it.
//!
//! | input | in the key of the outcome as | told as changed by |
//! |---|---|---|
//! | version of the program | `program` | its version |
//! | texts of the build file and the command line | `text` | "text", where no setting changed |
//! | each table of settings, `layer format` | `settings`, by name | the name |
//! | documents to attach: their forms, and the key that signs | `settings`, as "attest" | the name |
//! | git, version of the artifact, variables of templates, project, image name | `facts`, by name | the name |
//! | file: size, times, inode, device | `paths`, by path | the path |
//! | tree: names, kinds, modes, owners, attributes, stamps of files; its own mode and owner where they are kept | `paths`, by path | the path |
//! | directory as an artifact: its kind and version | `paths`, by path | the path |
//! | files that a jar names in its class path | `paths`, by path | the path |
//! | base: its entry in the lock | `lock` | the digest, or "lock" |
//! | policy of the cache in a registry, where it had a part in the outcome | `policy` | "cache" |
//!
//! Settings, facts, lock and policy are written field by field ([`crate::types::fingerprint`]). Not in any key: where
//! targets are, how progress is shown, the time, the number of processors.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::cache::CachePolicy;
use super::memo::MemoWriter;
use super::options;
use super::outcome::{LastInputs, Outcome, OutcomeMemory, Parts, PinnedBase};
use super::request::Request;
use super::session::Session;
use crate::artifact::{self, Version};
use crate::layer::scan::{FoundKind, ItemFacts};
use crate::layer::{self, ContentSource, Entry, EntryKind, ScanOptions, Scanner, Stamp};
use crate::plan::Plan;
use crate::project::config::{self, Facts, Settings};
use crate::project::lock::LockedBase;
use crate::runtime::events::Stage;
use crate::runtime::input;
use crate::store::Store;
use crate::types::digest::{Key, KeyBuilder};
use crate::types::error::BoxedError;
use crate::types::fingerprint::fingerprint;
use crate::types::shown::shown_path;

/// The inputs of a build.
pub(super) struct Inputs {
    parts: Parts,
    /// Whether a change from now on must show in the stamps, and what is planned is what was seen.
    settled: bool,
    /// Where the inputs of the project's last build are remembered.
    project: Key,
    /// The single files. Unlike a tree's, they are looked at again when they are planned.
    files: BTreeMap<PathBuf, Stamp>,
}

/// Whether nothing is remembered of the last build of the request's project.
pub(super) fn is_new(store: &Store, request: &Request) -> bool {
    !LastInputs::are_kept(store, &project_key(&request.project))
}

fn project_key(project: &Path) -> Key {
    KeyBuilder::new("pack inputs 1").part(project.as_os_str().as_bytes()).finish()
}

impl Inputs {
    /// Looks at everything that the request names; `None` where the base is not pinned, so that what it is
    /// cannot be told from outside.
    pub(super) fn look(
        session: &Session,
        request: &Request,
        scanner: &Scanner,
    ) -> Result<Option<Self>, BoxedError> {
        let _step = session.progress.step(Stage::Look, "inputs");
        let Request {
            settings,
            has_build_file: _,
            facts,
            lock: _,
            project,
            name,
            attest,
            allow_retag: _,
            policies,
            now: _,
            cache: _,
            own: _,
            reads_base: _,
            plans_refused: _,
            most_findings: _,
        } = request;
        let mut looker = Looker {
            parts: parts_of(settings, facts),
            settled: true,
            files: BTreeMap::new(),
            session,
            scanner,
        };
        looker.parts.fact("project", project);
        looker.parts.fact("name", name);
        looker.parts.setting("attest", attest);
        looker.parts.fact("files of the policy", &**policies);
        for app in &settings.apps {
            let taken = options::scan_options_of_app(app);
            for path in app.paths.as_slice() {
                looker.artifact(path.value.path(), &taken)?;
            }
        }
        for files in settings.layers.iter().flat_map(|layer| &layer.files) {
            looker.path(files.from.value.path(), &options::scan_options_of(files))?;
        }
        let known = match settings.base.as_ref().map(|base| &base.value) {
            None | Some(config::BaseSetting::Scratch | config::BaseSetting::Registry(_)) => true,
            Some(config::BaseSetting::Layout { path, .. }) => looker.file(&path.path().join("index.json")),
            Some(config::BaseSetting::Store(_)) => looker.file(&session.store.dir().join("index.json")),
            Some(
                config::BaseSetting::OciArchive { path, .. }
                | config::BaseSetting::DockerArchive { path, .. },
            ) => looker.file(path.path()),
        };
        let project = project_key(project);
        Ok(known.then_some(Self {
            parts: looker.parts,
            settled: looker.settled,
            project,
            files: looker.files,
        }))
    }

    /// The key of the outcome, where the base is what `locked` says; `None` where nothing pins it. `policy` is
    /// that of the cache where it had a part in the outcome: what the cache said is not believed without it.
    pub(super) fn key(
        &self,
        request: &Request,
        locked: Option<&LockedBase>,
        policy: Option<&CachePolicy>,
    ) -> Option<Key> {
        let base = pinned(request, locked)?;
        let mut key = KeyBuilder::new("pack outcome 3").part(&self.parts.key().0).part(&base.lock.0);
        if let Some(policy) = policy {
            key.add(&policy.key().0);
        }
        Some(key.finish())
    }

    /// Decides whether what is built by `plan` may be remembered under the key of these inputs.
    ///
    /// A file, or what a link leads to, may have been exchanged after it was looked at. The image is right
    /// then, but its key is that of another one, which comes back when the link is led back.
    pub(super) fn decide(&mut self, plan: &Plan) {
        let is_as_seen = |(path, seen): (&PathBuf, &Stamp)| {
            std::fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == *seen)
        };
        let is_planned_as_seen = |entry: &Entry| {
            let EntryKind::File(content) = &entry.kind else { return true };
            let (path, stamp) = match &content.source {
                ContentSource::File(path, stamp) => (&**path, stamp),
                ContentSource::Zip(archive, _) => (archive.path(), archive.stamp()),
                ContentSource::Repacked(made) => (made.archive().path(), made.archive().stamp()),
                ContentSource::Bytes(_) => return true,
            };
            self.files.get(path).is_none_or(|seen| seen == stamp)
        };
        let mut layers = plan.images.iter().flat_map(|image| &image.layers);
        self.settled = self.settled
            && self.files.iter().all(is_as_seen)
            && layers.all(|layer| layer.spec.entries().iter().all(is_planned_as_seen));
    }

    /// Whether what comes of them is worth remembering.
    pub(super) const fn are_settled(&self) -> bool {
        self.settled
    }

    /// Why the outcome is not known.
    pub(super) fn explain(&self, store: &Store, request: &Request) -> Outcome {
        let Some(last) = LastInputs::load(store, &self.project) else { return Outcome::New };
        let Some(base) = pinned(request, request.locked_base()) else { return Outcome::NotPinned };
        last.explain(&self.parts, &base, request.cache.key())
    }

    /// Remembers these inputs, to say next time what changed.
    pub(super) fn remember(
        self,
        writer: &MemoWriter,
        request: &Request,
        locked: Option<&LockedBase>,
        is_written: bool,
    ) {
        let Some(base) = pinned(request, locked) else { return };
        let Self { parts, settled, project, files: _ } = self;
        let kept = match (settled, is_written) {
            (false, _) => OutcomeMemory::Untrusted,
            (true, false) => OutcomeMemory::Unshared,
            (true, true) => OutcomeMemory::Yes,
        };
        LastInputs { parts, base, cache: request.cache.key(), kept }.save(writer, project);
    }
}

/// The base, where something says what it is.
fn pinned(request: &Request, locked: Option<&LockedBase>) -> Option<PinnedBase> {
    let base = request.settings.base.as_ref().map(|base| &base.value);
    let needs_lock = !matches!(base, None | Some(config::BaseSetting::Scratch));
    if needs_lock && locked.is_none_or(|locked| locked.facts.is_none()) {
        return None;
    }
    let lock = fingerprint("pack locked 2", &locked);
    Some(PinnedBase { digest: locked.map(|locked| locked.digest), lock })
}

/// The settings and facts, each under its name. A new one does not compile before it has a name here.
fn parts_of(settings: &Settings, facts: &Facts) -> Parts {
    let Settings {
        sources,
        format,
        name,
        base,
        tags,
        platforms,
        annotations,
        compression,
        apps,
        layers,
        users,
        config,
        check,
        // It refuses a build before this, and changes none.
        refuse_changes: _,
        strict,
        // The documents that it asks for are in the request.
        attest: _,
        cache,
        registries,
        // Receivers of events decide nothing in an image.
        webhooks: _,
        // An image is the same wherever it is released.
        environments: _,
        policy,
        workspace,
        offline,
        locked,
        untrusted,
        jobs,
        source_date_epoch,
    } = settings;
    let mut parts = Parts::new(sources);
    parts.setting("format", format);
    parts.setting("image.name", name);
    parts.setting("image.base", base);
    parts.setting("image.tags", tags);
    parts.setting("image.platforms", platforms);
    parts.setting("image.annotations", annotations);
    parts.setting("image.compression", compression);
    parts.setting("app", apps);
    parts.setting("layer", layers);
    parts.setting("user", users);
    parts.setting("config", config);
    parts.setting("check", check);
    parts.setting("--strict", strict);
    parts.setting("cache", cache);
    parts.setting("registry", registries);
    parts.setting("policy", policy);
    parts.setting("workspace", workspace);
    parts.setting("--offline", offline);
    parts.setting("--locked", locked);
    parts.setting("--untrusted", untrusted);
    parts.setting("--jobs", jobs);
    parts.setting("SOURCE_DATE_EPOCH", source_date_epoch);
    parts.setting("layer format", &layer::FORMAT);
    // Where a version was looked for is for messages, and the content follows from the layers.
    let Facts { git, version, version_sought: _, env, content: _ } = facts;
    parts.fact("git", git);
    parts.fact("version", version);
    parts.fact("environment variables of templates", env);
    parts
}

/// The kind and version of a directory. An error is an answer too: it is the same as long as the files are.
fn detection_key(path: &Path, scratch: &Path) -> Key {
    let mut key = KeyBuilder::new("pack detection");
    match artifact::detect(path, scratch) {
        Err(error) => key.field("error", &error.to_string()),
        Ok(artifact) => {
            key.field("kind", artifact.kind.describe());
            match artifact::version(&artifact) {
                Err(error) => key.field("version error", &error.to_string()),
                Ok(Version { value, looked_at }) => {
                    key.field("version", &value);
                    key.field("looked at", &looked_at);
                }
            }
        }
    }
    key.finish()
}

/// Whether a file may need others beside it: a jar, or a program.
fn may_have_companions(path: &Path) -> bool {
    let is_jar = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jar"));
    is_jar || is_program(path)
}

/// Whether a file begins as ELF files do.
fn is_program(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = input::open(path).and_then(|(mut file, _)| file.read_exact(&mut start));
    read.is_ok() && start == *b"\x7fELF"
}

struct Looker<'a> {
    parts: Parts,
    settled: bool,
    files: BTreeMap<PathBuf, Stamp>,
    session: &'a Session,
    scanner: &'a Scanner,
}

impl Looker<'_> {
    /// An artifact: what a directory is taken for depends on files that need not be part of it, and a jar may need others.
    fn artifact(&mut self, path: &Path, options: &ScanOptions) -> Result<(), BoxedError> {
        if path.is_dir() {
            self.parts.path(&shown_path(path), &detection_key(path, self.session.store.scratch()).0);
        } else if may_have_companions(path) {
            // Jars that it names, or libraries, are beside it. Planning finds a fault in it.
            let companions = artifact::detect(path, self.session.store.scratch())
                .and_then(|artifact| artifact.companions());
            for companion in companions.unwrap_or_default() {
                self.file(&companion);
            }
        }
        self.path(path, options)
    }

    fn path(&mut self, path: &Path, options: &ScanOptions) -> Result<(), BoxedError> {
        // Planning finds a fault in it, and words it better.
        if !path.is_dir() {
            self.file(path);
            return Ok(());
        }
        let (mut key, mut bytes) = (KeyBuilder::new("pack tree"), Vec::new());
        let (settled, now) = (&mut self.settled, self.session.now);
        self.scanner.visit(path, options, |path, facts| {
            *settled &= facts.kind == FoundKind::Directory || facts.stamp.is_settled(now);
            bytes.clear();
            describe(path, facts, &mut bytes);
            key.add(&bytes);
        })?;
        if options.directories {
            // The directory itself is not among what is found in it.
            let itself = std::fs::metadata(path).map(|itself| [itself.mode(), itself.uid(), itself.gid()]);
            key.add(&itself.unwrap_or_default().map(u32::to_le_bytes).concat());
        }
        self.parts.path(&shown_path(path), &key.finish().0);
        Ok(())
    }

    fn file(&mut self, path: &Path) -> bool {
        let Ok(metadata) = std::fs::metadata(path) else { return false };
        let stamp = Stamp::of(&metadata);
        self.settled &= stamp.is_settled(self.session.now);
        let mut bytes = Vec::new();
        describe_stamp(&stamp, &mut bytes);
        self.parts.path(&shown_path(path), &bytes);
        self.files.insert(path.to_owned(), stamp);
        true
    }
}

/// Everything of a found thing that can reach an image. A directory's own times change with whatever is
/// made and removed in it, part of the image or not.
fn describe(path: &[u8], facts: &ItemFacts, out: &mut Vec<u8>) {
    let ItemFacts { kind, stamp, mode, links, uid, gid, xattrs } = facts;
    let mut put = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    put(path);
    match kind {
        FoundKind::Directory => put(b"directory"),
        FoundKind::File { executable } => put(if *executable { b"executable" } else { b"file" }),
        FoundKind::Symlink(target) => put(target),
        FoundKind::Socket => put(b"socket"),
        FoundKind::Fifo => put(b"fifo"),
        FoundKind::CharacterDevice(major, minor) => put(format!("character {major} {minor}").as_bytes()),
        FoundKind::BlockDevice(major, minor) => put(format!("block {major} {minor}").as_bytes()),
    }
    for (name, value) in xattrs {
        put(name.as_bytes());
        put(value);
    }
    for number in [*mode, *uid, *gid] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    if *kind != FoundKind::Directory {
        out.extend_from_slice(&u64::from(*links).to_le_bytes());
        describe_stamp(stamp, out);
    }
}

fn describe_stamp(stamp: &Stamp, out: &mut Vec<u8>) {
    let Stamp { size, mtime_ns, ctime_ns, inode, device } = *stamp;
    for number in [size, mtime_ns.cast_unsigned(), ctime_ns.cast_unsigned(), inode, device] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}
