//! Java web applications: unpacked into layers by how often they change, or as the one file that they are.
//!
//! Exploded layers, bottom first: `dependencies` (files of `WEB-INF/lib`, and of `WEB-INF/lib-provided`, which
//! Spring Boot's launcher adds to them where the WAR runs without a container), `snapshots` (those named
//! `SNAPSHOT`), `resources` (all the rest, class files outside `WEB-INF/classes` included) and `classes`. Each has
//! the directories that its own files need, so a layer's bytes depend on nothing but its own files.

mod servlet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::tree::root_entry;
use super::{
    AppOptions, AppRoot, Artifact, ArtifactError, Layout, Proposal, ProposedLayer, count, not_empty, root_of,
};
use crate::bases::container;
use crate::formats::zip::{Archive, ArchiveEntryKind, EntryProblem, ZipError};
use crate::layer::scan::{Found, FoundKind, Scanner, entries, is_whiteout, leaves};
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath, EntryPathError};
use crate::oci::ConfigFile;
use crate::runtime::input;
use crate::types::shown::shown;

pub(super) use servlet::requirements;

/// Where an executable WAR has the libraries that a servlet container brings itself: `WarLauncher` of Spring Boot has
/// this path in its code.
const PROVIDED: &[u8] = b"WEB-INF/lib-provided/";

/// What the user may want to know of them.
fn note_of_provided<'a>(names: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let files = names.filter(|name| name.starts_with(PROVIDED) && name.len() > PROVIDED.len()).count();
    (files > 0).then(|| {
        format!(
            "{} of `WEB-INF/lib-provided` only serve to start the WAR without a container: a servlet container does \
             not load them",
            count(files, "library", "libraries")
        )
    })
}

/// The change classes of a WAR's files, in layer order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Group {
    Dependencies,
    Snapshots,
    Resources,
    Classes,
}

impl Group {
    /// Of a file, by its path in the archive.
    fn of(name: &[u8]) -> Self {
        let library = name.strip_prefix(b"WEB-INF/lib/").or_else(|| name.strip_prefix(PROVIDED));
        if let Some(library) = library
            && !library.contains(&b'/')
        {
            return if memchr::memmem::find(library, b"SNAPSHOT").is_some() {
                Self::Snapshots
            } else {
                Self::Dependencies
            };
        }
        if name.starts_with(b"WEB-INF/classes/") && name.ends_with(b".class") {
            Self::Classes
        } else {
            Self::Resources
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dependencies => "dependencies",
            Self::Snapshots => "snapshots",
            Self::Resources => "resources",
            Self::Classes => "classes",
        }
    }

    /// The layer of `entries`, in which `files` are no directories and `provided` of these are the launcher's.
    fn layer(self, files: usize, provided: usize, entries: Vec<Entry>) -> ProposedLayer {
        // The other groups are what changes from build to build.
        let is_divisible = self == Self::Dependencies;
        let why = self.why(files, provided);
        ProposedLayer { name: self.name().to_owned(), why, entries, is_divisible }
    }

    fn why(self, files: usize, provided: usize) -> String {
        let libraries = count(files, "library", "libraries");
        let places = match provided {
            0 => "`WEB-INF/lib`".to_owned(),
            _ if provided == files => "`WEB-INF/lib-provided`".to_owned(),
            _ => format!("`WEB-INF/lib`, {provided} of them of `WEB-INF/lib-provided`"),
        };
        match self {
            Self::Dependencies => format!("{libraries} of {places}, which change seldom"),
            Self::Snapshots => {
                format!("{libraries} of {places}, named `SNAPSHOT`, which change more often than others")
            }
            Self::Resources => {
                format!("{}, neither library nor class of the application", count(files, "file", "files"))
            }
            Self::Classes => {
                format!("{} of `WEB-INF/classes`, which change most often", count(files, "class", "classes"))
            }
        }
    }
}

/// What goes into one layer: paths, each with its index in the caller's list if it is listed there.
type Members<'a> = Vec<(&'a [u8], Option<usize>)>;

/// Sorts files and directories, given by path, into the layers that have any.
///
/// A directory is in each layer that has a file below it; one without any counts as a resource.
fn layers_of<'a>(names: impl Iterator<Item = (&'a [u8], bool)>) -> BTreeMap<Group, Members<'a>> {
    let names: Vec<(&[u8], bool)> = names.collect();
    let mut directories: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (index, (name, directory)) in names.iter().enumerate() {
        if *directory {
            directories.insert(name, index);
        }
    }
    let mut parents: BTreeSet<&[u8]> = BTreeSet::new();
    for (name, _) in &names {
        for parent in ancestors(name) {
            if !parents.insert(parent) {
                break;
            }
        }
    }
    let mut layers: BTreeMap<Group, (BTreeSet<&[u8]>, Members<'a>)> = BTreeMap::new();
    for (index, (name, directory)) in names.iter().enumerate() {
        if *directory && parents.contains(name) {
            continue;
        }
        let group = if *directory { Group::Resources } else { Group::of(name) };
        let (needed, members) = layers.entry(group).or_default();
        members.push((name, Some(index)));
        for parent in ancestors(name).take_while(|parent| needed.insert(parent)) {
            members.push((parent, directories.get(parent).copied()));
        }
    }
    let sorted = layers.into_iter().map(|(group, (_, mut members))| {
        members.sort_unstable();
        (group, members)
    });
    sorted.collect()
}

/// The directories above `name`, innermost first.
fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    slashes.map(move |(at, _)| &name[..at])
}

pub(super) fn propose_directory(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    if options.layout == Some(Layout::Packaged) {
        return Err(ArtifactError::NotPacked { path: artifact.path.clone() });
    }
    let (root, mut notes) = place(artifact, options, base)?;
    let found = scanner.scan(&artifact.path, &options.scan_options())?;
    notes.extend(note_of_provided(
        found.iter().filter(|found| found.kind != FoundKind::Directory).map(Found::relative),
    ));
    let mut rules = options.rules.clone();
    // An archive cannot say what an absolute target means, and its unpacked form is to be the same.
    rules.absolute_links = false;
    let names = found.iter().map(|found| (found.relative(), found.kind == FoundKind::Directory));
    let layers = layers_of(names).into_iter().map(|(group, members)| {
        let provided = provided(&members);
        let members: Vec<&Found> = members.iter().filter_map(|(_, index)| Some(&found[(*index)?])).collect();
        let files = members.iter().filter(|found| found.kind != FoundKind::Directory).count();
        let mut all: Vec<Entry> = root_entry(&root, options).into_iter().collect();
        all.extend(entries(members, root.path(), &rules)?);
        Ok(group.layer(files, provided, all))
    });
    let layers = layers.collect::<Result<Vec<_>, ArtifactError>>()?;
    not_empty(&artifact.path, &layers)?;
    Ok(exploded(layers, &root, notes))
}

/// An unpacked application owns its directory: whatever a base has there, or packed beside it, is another one.
fn exploded(layers: Vec<ProposedLayer>, root: &AppRoot, notes: Vec<String>) -> Proposal {
    let app_root = root.path().cloned();
    let packed = app_root.as_ref().and_then(|root| beside(root, &[root.file_name(), b".war"].concat()).ok());
    let replaces = app_root.iter().cloned().chain(packed).collect();
    Proposal { layers, app_root, notes, replaces, ..Proposal::default() }
}

/// `name` in the directory that `path` is in.
fn beside(path: &EntryPath, name: &[u8]) -> Result<EntryPath, EntryPathError> {
    path.parent().map_or_else(|| EntryPath::new(name), |parent| parent.join(name))
}

/// How many files of a layer are the launcher's libraries.
fn provided(members: &Members<'_>) -> usize {
    members
        .iter()
        .filter(|(name, _)| name.strip_prefix(PROVIDED).is_some_and(|rest| !rest.is_empty()))
        .count()
}

/// Refuses symbolic links that lead out of an archive, which cannot say what a path of another file system means. Of a
/// directory they are found when its files become entries.
fn check_links<'a>(
    path: &Path,
    links: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), ArtifactError> {
    let out = links
        .filter(|(name, target)| target.starts_with(b"/") || target.is_empty() || leaves(name, target))
        .map(|(name, target)| (name.to_vec(), target.to_vec()));
    let links: Vec<(Vec<u8>, Vec<u8>)> = out.collect();
    if links.is_empty() {
        return Ok(());
    }
    Err(ArtifactError::LinksLeave { path: path.to_owned(), links })
}

pub(super) fn propose_archive(
    artifact: &Artifact,
    archive: &Arc<Archive>,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<Proposal, ArtifactError> {
    let (root, mut notes) = place(artifact, options, base)?;
    if options.layout == Some(Layout::Packaged) {
        return packaged(artifact, archive, &root, options, notes);
    }
    let targets = link_targets(archive)?;
    let links = targets.iter().map(|(index, target)| (&archive.entries()[*index].name[..], &target[..]));
    check_links(archive.path(), links)?;
    let files = archive.entries().iter().filter(|entry| entry.kind != ArchiveEntryKind::Directory);
    notes.extend(note_of_provided(files.map(|entry| &entry.name[..])));
    let names =
        archive.entries().iter().map(|entry| (&entry.name[..], entry.kind == ArchiveEntryKind::Directory));
    let layers = layers_of(names).into_iter().map(|(group, members)| {
        let mut all: Vec<Entry> = root_entry(&root, options).into_iter().collect();
        for (name, index) in &members {
            all.push(archive_entry(archive, name, *index, &targets, &root, options)?);
        }
        let files = all.iter().filter(|entry| !entry.is_directory()).count();
        Ok(group.layer(files, provided(&members), all))
    });
    let layers = layers.collect::<Result<Vec<_>, ArtifactError>>()?;
    not_empty(&artifact.path, &layers)?;
    Ok(exploded(layers, &root, notes))
}

/// Where the symbolic links of an archive lead, by their index.
fn link_targets(archive: &Archive) -> Result<BTreeMap<usize, Vec<u8>>, ArtifactError> {
    let entries = archive.entries().iter().enumerate();
    let links = entries.filter(|(_, entry)| entry.kind == ArchiveEntryKind::Symlink);
    links.map(|(index, _)| Ok((index, archive.read(index, MAX_TARGET)?))).collect()
}

/// Where it goes, with notes about that.
fn place(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<(AppRoot, Vec<String>), ArtifactError> {
    let found = base.and_then(container);
    let by_base = |_: &ConfigFile| {
        let container = found.as_ref()?;
        let path = container.webapps.join(b"ROOT").ok()?;
        let why = format!(
            "The base has {} ({}): the application goes to `{path}`.",
            container.describe(),
            container.sign
        );
        Some((path, why))
    };
    let (root, why) = root_of(artifact, options, base, by_base)?;
    Ok((root, why.into_iter().collect()))
}

/// The archive itself, `ROOT.war` beside where the directory `ROOT` would be.
fn packaged(
    artifact: &Artifact,
    archive: &Arc<Archive>,
    root: &AppRoot,
    options: &AppOptions,
    notes: Vec<String>,
) -> Result<Proposal, ArtifactError> {
    let Some(root) = root.path() else {
        return Err(ArtifactError::FileAsRoot { path: artifact.path.clone() });
    };
    let stem = match &options.name {
        Some(name)
            if name.is_empty() || name.contains('/') || name.contains('\0') || name.starts_with('.') =>
        {
            return Err(ArtifactError::BadName { name: name.clone() });
        }
        Some(name) => name.strip_suffix(".war").unwrap_or(name).as_bytes().to_vec(),
        None => root.file_name().strip_suffix(b".war").unwrap_or(root.file_name()).to_vec(),
    };
    let name = [&stem[..], b".war"].concat();
    let bad = |_| ArtifactError::BadName { name: shown(&name) };
    let path = beside(root, &name).map_err(bad)?;
    // A container takes the directory of that name for the archive unpacked, and looks no further.
    let replaces = beside(root, &stem).into_iter().collect();
    let stamp = *archive.stamp();
    let content =
        Content { size: stamp.size, source: ContentSource::File(artifact.path.as_path().into(), stamp) };
    let entry =
        Entry { path: path.clone(), metadata: options.rules.file(false), kind: EntryKind::File(content) };
    let why = format!("the WAR as it is, to `{path}`; the container unpacks it when it starts");
    let layers =
        vec![ProposedLayer { name: "app".to_owned(), why, entries: vec![entry], is_divisible: false }];
    Ok(Proposal { layers, app_root: Some(path), notes, replaces, ..Proposal::default() })
}

/// The entry for the archive's entry `index`; without one, for the directory `name` that it implies.
fn archive_entry(
    archive: &Arc<Archive>,
    name: &[u8],
    index: Option<usize>,
    targets: &BTreeMap<usize, Vec<u8>>,
    root: &AppRoot,
    options: &AppOptions,
) -> Result<Entry, ArtifactError> {
    let own = index.map(|index| (index, &archive.entries()[index]));
    if name.split(|byte| *byte == b'/').any(is_whiteout) {
        return Err(ArtifactError::Whiteout { path: archive.path().to_owned(), name: name.to_vec() });
    }
    // Names of an archive are checked when it is opened.
    let below = EntryPath::new(name).map_err(|_| ZipError::Entry {
        path: archive.path().to_owned(),
        name: name.to_vec(),
        problem: EntryProblem::EmptyName,
    })?;
    let path = root.path().map_or_else(|| below.clone(), |root| below.below(root));
    let rules = &options.rules;
    let (kind, mut metadata) = match own {
        None => (EntryKind::Directory, rules.directory()),
        Some((index, entry)) => match entry.kind {
            ArchiveEntryKind::Directory => (EntryKind::Directory, rules.directory()),
            ArchiveEntryKind::File => {
                let source = ContentSource::Zip(Arc::clone(archive), index);
                let content = Content { size: entry.size, source };
                (EntryKind::File(content), rules.file(entry.is_executable()))
            }
            ArchiveEntryKind::Symlink => {
                let target = targets.get(&index).cloned().unwrap_or_default();
                (EntryKind::Symlink(target), rules.symlink())
            }
        },
    };
    let overridden = match kind {
        EntryKind::Directory => rules.directory_mode.is_some(),
        EntryKind::File(_) => rules.file_mode.is_some(),
        _ => true,
    };
    if rules.keep_modes
        && !overridden
        && let Some(mode) = own.and_then(|(_, entry)| entry.mode)
    {
        metadata.mode = mode;
    }
    Ok(Entry { path, metadata, kind })
}

/// `PATH_MAX` of Linux: no longer target can be followed.
const MAX_TARGET: u64 = 4096;

/// One file of a WAR for reading, packed or not.
struct Member<'a> {
    name: &'a [u8],
    place: Place<'a>,
}

enum Place<'a> {
    Archive(&'a Archive, usize),
    File(&'a Path),
}

impl Member<'_> {
    fn read(&self, limit: u64) -> Result<Vec<u8>, ArtifactError> {
        match self.place {
            Place::Archive(archive, index) => Ok(archive.read(index, limit)?),
            Place::File(path) => read_file(path, limit),
        }
    }

    fn size(&self) -> u64 {
        match self.place {
            Place::Archive(archive, index) => archive.entries()[index].size,
            Place::File(path) => std::fs::symlink_metadata(path).map_or(0, |metadata| metadata.len()),
        }
    }
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    input::read(path, limit).map_err(|source| ArtifactError::Io { path: path.to_owned(), source })
}
