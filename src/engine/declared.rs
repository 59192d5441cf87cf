//! The `[[layer]]` tables of a build file: what is copied into a layer, and what is made in it.
//!
//! Two sources for one path are an error that names both, whatever comes first. Only directories may have several, as
//! long as they say the same; what `directories` says of one decides.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;

use super::draft::{Draft, DraftOrigin, OwnedDirectories, Times};
use super::options::{rules, scan_options_of};
use super::owners::Owners;
use super::permissions;
use super::request::at;
use super::{BuildError, Request};
use crate::layer::{Entry, EntryKind, EntryPath, Metadata, Rules, Scanner, SpecError, entries};
use crate::plan::PlaceError;
use crate::project::config::{self, Spanned};
use crate::types::error::{BoxedError, Explain as _};
use crate::types::error_code::ErrorCode;

/// A `[[layer]]` with what it takes to look at its files.
#[derive(Clone, Copy)]
pub(super) struct DeclaredLayer<'a, 'o> {
    request: &'a Request,
    scanner: &'a Scanner,
    owners: &'o Owners,
    layer: &'a config::LayerSettings,
    /// The modification time of everything in it.
    mtime: u64,
    times: Times,
}

/// The source of an entry of a `[[layer]]`.
#[derive(Clone, Copy)]
enum DeclaredSource<'a> {
    Files(&'a config::FilesSettings),
    Directory(&'a config::DirectorySettings),
    Link(&'a config::LinkSettings),
}

impl DeclaredSource<'_> {
    const fn span(&self) -> config::Span {
        match self {
            Self::Files(files) => files.from.span,
            Self::Directory(directory) => directory.path.span,
            Self::Link(link) => link.path.span,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Files(files) => format!("`{}`", files.from.value.written()),
            Self::Directory(_) => "`directories`".to_owned(),
            Self::Link(_) => "`links`".to_owned(),
        }
    }
}

impl<'a, 'o> DeclaredLayer<'a, 'o> {
    pub(super) fn new(
        request: &'a Request,
        scanner: &'a Scanner,
        owners: &'o Owners,
        layer: &'a config::LayerSettings,
    ) -> Self {
        let (mtime, times) = Times::of(request, layer.mtime.as_ref());
        Self { request, scanner, owners, layer, mtime, times }
    }

    /// The entries of the layer.
    pub(super) fn draft(self) -> Result<Draft<'a>, BoxedError> {
        let mut all: BTreeMap<EntryPath, (Entry, DeclaredSource<'a>)> = BTreeMap::new();
        let mut others: Vec<Entry> = Vec::new();
        let mut owned: BTreeSet<EntryPath> = BTreeSet::new();
        let mut named: BTreeSet<EntryPath> = BTreeSet::new();
        let go_on = || self.scanner.interrupt().check().map_err(BuildError::from);
        for directory in &self.layer.directories {
            go_on()?;
            let Some(path) = directory.path.value.entry() else { continue };
            let entry = self.directory(directory, path)?;
            owned.insert(path.clone());
            match all.entry(path.clone()) {
                Slot::Vacant(slot) => drop(slot.insert((entry, DeclaredSource::Directory(directory)))),
                Slot::Occupied(slot) if slot.get().0.metadata == entry.metadata => {}
                Slot::Occupied(slot) => {
                    return Err(self.clash(slot.get(), &entry, DeclaredSource::Directory(directory)));
                }
            }
        }
        for files in &self.layer.files {
            go_on()?;
            let to = files.to.value.entry();
            let keeps = to.is_some() || files.keep_modes;
            for entry in self.copy(files)? {
                if entry.is_directory() {
                    if keeps && to != Some(&entry.path) {
                        owned.insert(entry.path.clone());
                    }
                } else if files.is_one_file() {
                    named.insert(entry.path.clone());
                }
                match all.entry(entry.path.clone()) {
                    Slot::Vacant(slot) => drop(slot.insert((entry, DeclaredSource::Files(files)))),
                    Slot::Occupied(slot) => {
                        let (there, source) = slot.get();
                        if !(entry.is_directory() && there.is_directory()) {
                            return Err(self.clash(slot.get(), &entry, DeclaredSource::Files(files)));
                        }
                        if matches!(source, DeclaredSource::Files(_)) && there.metadata != entry.metadata {
                            others.push(entry);
                        }
                    }
                }
            }
        }
        for link in &self.layer.links {
            let Some(path) = link.path.value.entry() else { continue };
            let kind = EntryKind::Symlink(link.to.value.as_str().as_bytes().to_vec());
            let metadata = Metadata { mtime: self.mtime, ..Metadata::symlink() };
            let entry = Entry { path: path.clone(), metadata, kind };
            named.insert(path.clone());
            match all.entry(path.clone()) {
                Slot::Vacant(slot) => drop(slot.insert((entry, DeclaredSource::Link(link)))),
                Slot::Occupied(slot) => {
                    return Err(self.clash(slot.get(), &entry, DeclaredSource::Link(link)));
                }
            }
        }
        self.check_below(&all)?;
        let entries = all.into_values().map(|(entry, _)| entry).chain(others).collect();
        let name = format!("the layer `{}`", self.layer.name.value.as_str());
        let mut draft = Draft {
            name: self.layer.name.value.as_str().to_owned(),
            why: "declared in the build file".to_owned(),
            entries,
            owned: OwnedDirectories::Some(owned),
            named,
            splitting: None,
            times: self.times,
            origin: DraftOrigin::Layer(self.layer),
        };
        let (request, tables) = (self.request, &self.layer.permissions);
        let drafts = std::slice::from_mut(&mut draft);
        permissions::apply((request, self.scanner.interrupt()), self.owners, tables, (&name, None), drafts)?;
        Ok(draft)
    }

    fn directory(
        &self,
        directory: &config::DirectorySettings,
        path: &EntryPath,
    ) -> Result<Entry, BoxedError> {
        let mode = directory.mode.as_ref().map_or(0o755, |mode| mode.value.bits());
        let mut metadata = Metadata { mtime: self.mtime, ..Metadata::with_mode(mode) };
        if let Some(owner) = &directory.owner {
            (metadata.uid, metadata.gid) = self.owners.of(self.request, owner)?;
        }
        Ok(Entry { path: path.clone(), metadata, kind: EntryKind::Directory })
    }

    fn copy(&self, files: &config::FilesSettings) -> Result<Vec<Entry>, BoxedError> {
        let from = files.from.value.path();
        let metadata = std::fs::metadata(from).map_err(|source| {
            let error = BuildError::Missing { path: from.to_owned(), source };
            let hint = error.hint();
            at(self.request, &files.from, error.into(), hint)
        })?;
        let owner = files.owner.as_ref().map(|owner| self.owners.of(self.request, owner)).transpose()?;
        let rules = rules(files, self.mtime, owner);
        if !metadata.is_dir() {
            return Ok(vec![self.one_file(files, &rules)?]);
        }
        let found = self.scanner.scan(from, &scan_options_of(files))?;
        let target = files.to.value.entry().map_or(0, |to| to.as_bytes().len());
        self.scanner.keep_copies(from, target, &found)?;
        let mut copied = entries(found.iter(), files.to.value.entry(), &rules)?;
        if let Some(to) = files.to.value.entry() {
            // The directory that is copied is like those in it.
            let mut own = rules.directory();
            if rules.keep_modes && rules.directory_mode.is_none() {
                own.mode = metadata.mode() & 0o7777;
            }
            if rules.keep_owners && rules.owner.is_none() {
                (own.uid, own.gid) = (metadata.uid().into(), metadata.gid().into());
            }
            copied.push(Entry { path: to.clone(), metadata: own, kind: EntryKind::Directory });
        }
        Ok(copied)
    }

    fn one_file(&self, files: &config::FilesSettings, rules: &Rules) -> Result<Entry, BoxedError> {
        if let Some(pattern) = files.include.first().or(files.exclude.first()) {
            let message = format!(
                "`include` and `exclude` choose from a directory, and `{}` is none",
                files.from.value.written()
            );
            let hint = "remove them, or give the directory that it is in as `from`".to_owned();
            return Err(self.request.settings.error_at(pattern.span, message, Some(hint)).into());
        }
        let failed = |error| {
            let error = BuildError::OneFile(error);
            let (text, hint) = (error.to_string(), error.hint());
            self.at(&files.from, error.into(), text, hint)
        };
        let found = self.scanner.file(files.from.value.path(), &scan_options_of(files)).map_err(failed)?;
        let mut made = entries([&found], None, rules).map_err(failed)?;
        let mut entry = made.swap_remove(0);
        entry.path = match files.to.value.entry() {
            Some(to) if files.to.value.has_trailing_slash() => {
                to.join(found.relative()).map_err(BuildError::Path)?
            }
            Some(to) => to.clone(),
            None => entry.path,
        };
        Ok(entry)
    }

    /// An error with another text, at the line of the build file where there is one.
    fn at<T>(
        &self,
        written: &Spanned<T>,
        error: BoxedError,
        text: String,
        hint: Option<String>,
    ) -> BoxedError {
        if self.request.has_build_file {
            self.request.settings.error_at(written.span, text, hint).about(error.code()).into()
        } else {
            error
        }
    }

    /// Nothing may go below what is no directory.
    fn check_below(&self, all: &BTreeMap<EntryPath, (Entry, DeclaredSource<'_>)>) -> Result<(), BoxedError> {
        // Most entries lie beside the one before.
        let mut last: &[u8] = b"";
        for (path, (entry, source)) in all {
            if std::mem::replace(&mut last, path.directory()) == path.directory() {
                continue;
            }
            let file =
                path.ancestors().find_map(|above| all.get(&above).filter(|(there, _)| !there.is_directory()));
            let Some((there, of_file)) = file else { continue };
            let message = format!(
                "layer `{}` has {path} below {}, which is not a directory: {} from {} and {} from {}",
                self.layer.name.value.as_str(),
                there.path,
                what(there),
                self.told(*of_file),
                what(entry),
                self.told(*source)
            );
            let hint = "give one of them another place".to_owned();
            let error = self.request.settings.error_at(source.span(), message, Some(hint));
            return Err(error.about(ErrorCode::PathConflict).into());
        }
        Ok(())
    }

    /// Two things at one path.
    fn clash(
        &self,
        there: &(Entry, DeclaredSource<'_>),
        entry: &Entry,
        source: DeclaredSource<'_>,
    ) -> BoxedError {
        let message = format!(
            "layer `{}` has two things at {}: {} from {} and {} from {}",
            self.layer.name.value.as_str(),
            entry.path,
            what(&there.0),
            self.told(there.1),
            what(entry),
            self.told(source)
        );
        let of_file = |entry: &Entry, source: DeclaredSource<'_>| match source {
            DeclaredSource::Files(files) if !entry.is_directory() && files.is_one_file() => {
                Some(files.to.clone())
            }
            _ => None,
        };
        let is_directory = entry.is_directory() || there.0.is_directory();
        let hint = match of_file(&there.0, there.1).or_else(|| of_file(entry, source)) {
            Some(to) if is_directory && !to.value.has_trailing_slash() => {
                format!("write `to = \"{}/\"` to put the file into the directory", to.value)
            }
            _ if matches!((there.1, source), (DeclaredSource::Directory(_), DeclaredSource::Directory(_))) => {
                "remove one".to_owned()
            }
            _ => "give one of them another place, or leave it out: by itself, or with `exclude` from a directory"
                .to_owned(),
        };
        let error = self.request.settings.error_at(source.span(), message, Some(hint));
        error.about(ErrorCode::PathConflict).into()
    }

    /// The name of a source, and where it is written.
    fn told(&self, source: DeclaredSource<'_>) -> String {
        let location = self.request.settings.sources.location(source.span());
        if location.is_empty() { source.name() } else { format!("{} ({location})", source.name()) }
    }

    /// The source of an entry for `path`, or for something below it.
    fn source_of(&self, path: &EntryPath) -> Option<DeclaredSource<'a>> {
        let is_it = |directory: &&config::DirectorySettings| directory.path.value.entry() == Some(path);
        if let Some(directory) = self.layer.directories.iter().find(is_it) {
            return Some(DeclaredSource::Directory(directory));
        }
        let is_link = |link: &&config::LinkSettings| link.path.value.entry() == Some(path);
        if let Some(link) = self.layer.links.iter().find(is_link) {
            return Some(DeclaredSource::Link(link));
        }
        let has = |files: &&config::FilesSettings, is_it: &dyn Fn(&EntryPath) -> bool| {
            self.copy(files).is_ok_and(|copied| copied.iter().any(|entry| is_it(&entry.path)))
        };
        let files = || self.layer.files.iter();
        let exact = files().find(|files| has(files, &|entry| entry == path));
        exact
            .or_else(|| files().find(|files| has(files, &|entry| entry.starts_with(path))))
            .map(DeclaredSource::Files)
    }

    /// The sources of directories at `path` that differ: the first of them, and the first that differs from it.
    fn contesting(&self, path: &EntryPath) -> Vec<DeclaredSource<'a>> {
        let mut first: Option<Metadata> = None;
        let mut sources = Vec::new();
        for files in &self.layer.files {
            let copied = self.copy(files).unwrap_or_default();
            let Some(entry) = copied.into_iter().find(|entry| entry.path == *path) else { continue };
            if first.as_ref().is_none_or(|first| *first != entry.metadata) {
                first.get_or_insert(entry.metadata);
                sources.push(DeclaredSource::Files(files));
            }
        }
        sources.truncate(2);
        sources
    }

    /// Why its entries cannot be placed, with the lines that they come from.
    pub(super) fn misplaced(&self, error: PlaceError) -> BoxedError {
        let (sources, hint) = match &error {
            PlaceError::Base(_) => return error.into(),
            PlaceError::Contested { written: [one, other], .. } => {
                let hint =
                    "list it in `directories` with the owner and the mode that it is to have".to_owned();
                if one == other {
                    (self.contesting(one), Some(hint))
                } else {
                    (self.sources(&[one, other]), error.hint())
                }
            }
            PlaceError::ReplacesDirectory { path, .. } => {
                let sources = self.sources(&[path]);
                let hint = match sources.first() {
                    Some(DeclaredSource::Files(files))
                        if files.is_one_file() && files.to.value.entry() == Some(path) =>
                    {
                        Some(format!(
                            "write `to = \"{}/\"` to put the file into the directory",
                            files.to.value
                        ))
                    }
                    _ => error.hint(),
                };
                (sources, hint)
            }
            PlaceError::Twice { written: [one, other], .. } => {
                (self.sources(&[one, other]), Some("give one of them another place".to_owned()))
            }
            _ => (self.sources(&error.paths()), error.hint()),
        };
        let message = format!("layer `{}`: {error}", self.layer.name.value.as_str());
        self.from(&sources, &message, hint, error.into())
    }

    /// Why its entries are no layer, likewise.
    pub(super) fn malformed(&self, error: SpecError) -> BoxedError {
        let paths = match &error {
            SpecError::Duplicate { path, .. } | SpecError::Whiteout { path, .. } => vec![path],
            SpecError::NotADirectory { path, parent, .. } => vec![parent, path],
        };
        let error_text = error.to_string();
        let sources = self.sources(&paths);
        let error = BuildError::Spec(error);
        let hint = error.hint();
        self.from(&sources, &error_text, hint, error.into())
    }

    fn sources(&self, paths: &[&EntryPath]) -> Vec<DeclaredSource<'a>> {
        paths.iter().filter_map(|path| self.source_of(path)).collect()
    }

    /// `error` with the names of what it is about, at the line of the last.
    fn from(
        &self,
        sources: &[DeclaredSource<'a>],
        message: &str,
        hint: Option<String>,
        error: BoxedError,
    ) -> BoxedError {
        let Some(last) = sources.last() else { return error };
        let told: Vec<String> = sources.iter().map(|source| self.told(*source)).collect();
        let message = format!("{message}; from {}", told.join(" and "));
        self.request.settings.error_at(last.span(), message, hint).about(error.code()).into()
    }
}

/// The kind of an entry, for people.
const fn what(entry: &Entry) -> &'static str {
    match entry.kind {
        EntryKind::Directory => "a directory",
        EntryKind::Symlink(_) => "a symbolic link",
        EntryKind::File(_) | EntryKind::Hardlink(_) => "a file",
        EntryKind::CharacterDevice(..) | EntryKind::BlockDevice(..) => "a device",
        EntryKind::Fifo => "a named pipe",
    }
}

impl config::FilesSettings {
    /// Whether `from` is something else than a directory.
    fn is_one_file(&self) -> bool {
        !self.from.value.path().is_dir()
    }
}
