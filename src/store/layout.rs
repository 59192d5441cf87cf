//! An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/` (image specification,
//! `image-layout.md`).
//!
//! Invariants:
//! - `index.json` changes under a lock, by rename: readers see the old one or the new one, and of two
//!   writers neither loses the other's names. Where the file system has no locks, the last writer wins.
//! - A name is set after everything it reaches is stored; setting it is the one step that makes an image
//!   visible.
//! - A directory that holds something else is never written to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::blobs::{Blobs, Durability, TEMPORARY, at, replace};
use crate::formats::json::{self, Decode, JsonError, Object, Value};
use crate::oci::select::is_attestation;
use crate::oci::{
    Descriptor, DocumentError, Index, MAX_DOCUMENT, ManifestOrIndex, MediaType, RawDocument, parse_file,
    to_json,
};
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, kind_behind, nearest_name};
use crate::types::reference::Reference;
use crate::types::shown::{Foreign, shown_path};

/// The annotation that names an entry of an index: a tag, or in the local store a whole reference.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's annotation for the whole reference, which `docker load` and `ctr import` prefer.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The content of the file `oci-layout`.
pub const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A store of many images has a longer index than any one document may be.
const MAX_INDEX: u64 = 64 << 20;
/// So many JSON values: eight or so for each image.
const MAX_INDEX_VALUES: usize = 1 << 20;

/// Why a layout cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Reading or writing failed; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The directory does not exist.
    #[error("there is no directory `{}`", shown_path(.0))]
    NoDirectory(PathBuf),
    /// Nothing says that the directory is a layout.
    #[error("`{}` is not an OCI image layout: {why}", shown_path(.dir))]
    NotALayout {
        /// The directory.
        dir: PathBuf,
        /// The missing or wrong part.
        why: String,
    },
    /// There is something else in the directory that was to become a layout.
    #[error("`{}` is not empty and not an OCI image layout", shown_path(.0))]
    NotEmpty(PathBuf),
    /// The index is damaged.
    #[error("`{}`: {source}", shown_path(.path))]
    Index {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: DocumentError,
    },
    /// The image cannot be told from the index.
    #[error("{place}: {source}")]
    Pick {
        /// The layout or archive.
        place: String,
        /// Why.
        source: PickError,
    },
    /// A blob that is linked to is missing or damaged.
    #[error("{place}: {source}")]
    Blob {
        /// The layout or archive.
        place: String,
        /// Names the digest.
        source: io::Error,
    },
    /// A manifest or index cannot be trusted.
    #[error("{place}: {digest}: {source}")]
    Document {
        /// The layout or archive.
        place: String,
        /// Which one.
        digest: Digest,
        /// The fault.
        source: DocumentError,
    },
}

impl Explain for LayoutError {
    fn kind(&self) -> Kind {
        kind_behind(self, Kind::Input)
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotEmpty(_) => {
                Some("name a new or empty directory, or one that already is an OCI layout".to_owned())
            }
            Self::Pick { source, .. } => source.hint(),
            Self::Io(source) | Self::Blob { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space; `pack cache prune` empties the local store".to_owned())
            }
            _ => None,
        }
    }
}

/// Why an index does not say which image is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// No entry has the name.
    #[error("there is no image `{wanted}`{}", listed(related(wanted, .existing)))]
    Unknown {
        /// The requested name.
        wanted: String,
        /// The existing names.
        existing: Vec<String>,
    },
    /// No name was given and there are several images.
    #[error("there are several images; name one of them{}", listed(.0.iter().map(String::as_str)))]
    Several(Vec<String>),
    /// There are no images.
    #[error("there are no images")]
    Empty,
}

/// The names that are of the same repository as `wanted`: other tags of it. In a layout of one repository, whose names are
/// tags alone, that is each.
fn related<'a>(wanted: &'a str, existing: &'a [String]) -> impl Iterator<Item = &'a str> {
    let wanted = repository_of(wanted);
    existing.iter().map(String::as_str).filter(move |name| repository_of(name) == wanted)
}

/// A name without its tag, and without the registry that a build without one has; nothing for a tag alone.
fn repository_of(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.strip_prefix("localhost/").unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ if name.contains('/') => name,
        _ => "",
    }
}

/// At most ten names, so that a message stays readable.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| Foreign::new(name).to_string()).collect();
    match names.len() {
        0 => String::new(),
        1..=10 => format!("; there is {}", names.join(", ")),
        more => format!("; there is {} and {} more", names[..10].join(", "), more - 10),
    }
}

impl PickError {
    /// The next thing to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { wanted, existing } => nearest_name(wanted, existing.iter().map(String::as_str))
                .map(|name| format!("did you mean `{name}`?")),
            Self::Several(names) => names.first().map(|name| format!("append the name, such as `:{name}`")),
            Self::Empty => None,
        }
    }
}

/// The names of an entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryName {
    /// For [`REF_NAME`]; unique in the index.
    pub reference: String,
    /// For [`CONTAINERD_NAME`].
    pub containerd: Option<String>,
}

impl EntryName {
    /// The name of an image in a layout of one repository: its tag.
    #[must_use]
    pub fn tag(tag: &str) -> Self {
        Self { reference: tag.to_owned(), containerd: None }
    }

    /// The name of an image among those of many repositories: its whole reference.
    #[must_use]
    pub fn full(reference: &Reference) -> Self {
        let name = reference.to_string();
        Self { reference: name.clone(), containerd: Some(name) }
    }

    /// Puts the name on `descriptor`.
    pub fn put_on(&self, descriptor: &mut Descriptor) {
        descriptor.annotations.insert(REF_NAME.to_owned(), self.reference.clone());
        match &self.containerd {
            Some(name) => descriptor.annotations.insert(CONTAINERD_NAME.to_owned(), name.clone()),
            None => descriptor.annotations.remove(CONTAINERD_NAME),
        };
    }
}

/// The name of an entry, for people and for looking up.
#[must_use]
pub fn name_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).or_else(|| entry.annotations.get(CONTAINERD_NAME)).map(String::as_str)
}

/// Finds the entry that `wanted` names, by either annotation or by `sha256:` digest. Without a name, the
/// only image is meant.
///
/// # Errors
/// When no entry has the name, or none was given and there is not exactly one image.
pub fn pick<'a>(entries: &'a [Descriptor], wanted: Option<&str>) -> Result<&'a Descriptor, PickError> {
    let shown = |entry: &Descriptor| name_of(entry).map_or_else(|| entry.digest.to_string(), str::to_owned);
    let existing = || entries.iter().map(shown).collect::<Vec<_>>();
    let Some(wanted) = wanted else {
        // A document that refers to an image is not another image.
        let images = || entries.iter().filter(|entry| !is_attestation(entry) || name_of(entry).is_some());
        let Some(first) = images().next() else { return Err(PickError::Empty) };
        // One image under several names is still one image.
        if images().any(|entry| entry.digest != first.digest) {
            return Err(PickError::Several(existing()));
        }
        return Ok(first);
    };
    let by = |key: &str| {
        entries.iter().find(|entry| entry.annotations.get(key).is_some_and(|name| name == wanted))
    };
    let by_digest = || {
        let digest: Digest = wanted.parse().ok()?;
        entries.iter().find(|entry| entry.digest == digest)
    };
    by(REF_NAME)
        .or_else(|| by(CONTAINERD_NAME))
        .or_else(by_digest)
        .ok_or_else(|| PickError::Unknown { wanted: wanted.to_owned(), existing: existing() })
}

/// An image layout on disk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    blobs: Blobs,
    durability: Durability,
}

struct LayoutFile {
    image_layout_version: String,
}

impl Decode for LayoutFile {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["imageLayoutVersion"])?;
        let file = Self { image_layout_version: object.require("imageLayoutVersion")? };
        object.finish()?;
        Ok(file)
    }
    fn wanted() -> String {
        "an object".to_owned()
    }
}

impl Layout {
    fn at(root: &Path, durability: Durability) -> Self {
        let blobs = Blobs::new(root.join("blobs").join("sha256"), durability);
        Self { root: root.to_owned(), blobs, durability }
    }

    /// Opens a layout that exists.
    ///
    /// # Errors
    /// When it does not, or is of another version.
    pub fn open(root: &Path) -> Result<Self, LayoutError> {
        let not = |why: String| LayoutError::NotALayout { dir: root.to_owned(), why };
        let bytes = match read_bounded(&root.join("oci-layout"), 64 << 10) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(if std::fs::metadata(root).is_ok_and(|metadata| metadata.is_dir()) {
                    not("it has no file `oci-layout`".to_owned())
                } else {
                    LayoutError::NoDirectory(root.to_owned())
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(not("it is a file".to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(not(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let file: LayoutFile = json::decode(&bytes).map_err(|error| not(format!("`oci-layout`: {error}")))?;
        if !file.image_layout_version.starts_with("1.") {
            return Err(not(format!("its version is `{}`, not 1.0.0", file.image_layout_version)));
        }
        Ok(Self::at(root, Durability::Fsync))
    }

    /// A layout that is there or can be made: in a directory that is missing or empty. Nothing is made yet.
    ///
    /// # Errors
    /// When the directory holds something else, or cannot be written.
    pub fn to_write(root: &Path) -> Result<Self, LayoutError> {
        match Self::open(root) {
            Err(LayoutError::NotALayout { .. }) if is_barely_begun(root)? => {}
            Err(LayoutError::NotALayout { .. }) => {
                // Unless what is there now is a layout that somebody else was making just then.
                return Self::open(root).map_err(|_| LayoutError::NotEmpty(root.to_owned()));
            }
            Err(LayoutError::NoDirectory(_)) => {}
            result => {
                let layout = result?;
                layout.check_writable(layout.blobs.dir())?;
                layout.check_writable(root)?;
                return Ok(layout);
            }
        }
        let layout = Self::at(root, Durability::Fsync);
        layout.check_writable(root)?;
        Ok(layout)
    }

    /// Opens a layout, or makes one where [`Layout::to_write`] would.
    ///
    /// # Errors
    /// As for [`Layout::to_write`].
    pub fn create(root: &Path) -> Result<Self, LayoutError> {
        let layout = Self::to_write(root)?;
        layout.make()?;
        Ok(layout)
    }

    /// Makes whatever of the layout is missing.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn make(&self) -> Result<(), LayoutError> {
        if Self::open(&self.root).is_err() || !self.blobs.dir().is_dir() {
            Self::create_among(&self.root, self.durability)?;
        }
        Ok(())
    }

    /// Asks whether the nearest directory that there is above `dir`, or itself, takes files.
    fn check_writable(&self, dir: &Path) -> Result<(), LayoutError> {
        let there = dir.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(dir);
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
            .map_err(|error| at(&error.into(), there).into())
    }

    /// Removes the layout if no image is in it, and then the directories above it that are in `made`, as far as they
    /// are empty. The caller knows that no other process is writing to it.
    pub(crate) fn remove_unused(&self, made: &[PathBuf]) {
        if !self.index().is_ok_and(|index| index.manifests.is_empty()) {
            return;
        }
        // Best effort: what stays is an empty layout.
        let _ = std::fs::remove_dir_all(self.root.join("blobs"));
        let _ = std::fs::remove_file(self.index_path());
        let _ = std::fs::remove_file(self.root.join("oci-layout"));
        for dir in made {
            let _ = std::fs::remove_dir(dir);
        }
    }

    /// Makes a layout in a directory whatever else it holds: the local store's own.
    pub(super) fn create_among(root: &Path, durability: Durability) -> Result<Self, LayoutError> {
        let layout = Self::at(root, durability);
        fs::create_dir_all(layout.blobs.dir())?;
        // This is the first file: a process that is killed after it has left a layout, if an empty one.
        replace(&root.join("oci-layout"), OCI_LAYOUT, durability)?;
        if std::fs::symlink_metadata(layout.index_path()).is_err() {
            layout.update(|_| false)?;
        }
        Ok(layout)
    }

    /// The local store's layout, which it knows to exist.
    pub(super) fn of_store(root: &Path) -> Self {
        let mut layout = Self::at(root, Durability::Relaxed);
        layout.blobs = Blobs::of_store(layout.blobs.dir().to_owned(), None);
        layout
    }

    /// The same layout, whose blobs are read without leaving a trace.
    pub(super) fn unnoticed(&self) -> Self {
        Self { blobs: self.blobs.unnoticed(), ..self.clone() }
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its blobs.
    #[must_use]
    pub const fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    /// The index. One that is missing is empty: a writer was stopped before its first name.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn index(&self) -> Result<Index, LayoutError> {
        let path = self.index_path();
        let bytes = match read_bounded(&path, MAX_INDEX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(empty_index()),
            Err(error) => return Err(error.into()),
        };
        parse_file("index", &bytes, MAX_INDEX_VALUES).map_err(|source| LayoutError::Index { path, source })
    }

    /// Every entry of the index with its name, in the index's order.
    ///
    /// # Errors
    /// As for [`Layout::index`].
    pub fn list(&self) -> Result<Vec<(Option<String>, Descriptor)>, LayoutError> {
        let entries = self.index()?.manifests;
        Ok(entries.into_iter().map(|entry| (name_of(&entry).map(str::to_owned), entry)).collect())
    }

    /// The descriptor for a name; a name is the value of either annotation, or a `sha256:` digest.
    ///
    /// # Errors
    /// As for [`Layout::index`].
    pub fn resolve(&self, name: &str) -> Result<Option<Descriptor>, LayoutError> {
        Ok(pick(&self.index()?.manifests, Some(name)).ok().cloned())
    }

    /// Lets `name` stand for `descriptor`, and no longer for anything else.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn set(&self, name: &EntryName, descriptor: &Descriptor) -> Result<(), LayoutError> {
        self.set_all(std::slice::from_ref(name), descriptor)
    }

    /// Sets several names at once: a reader sees all or none of them. With no names the image is listed
    /// by digest only.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn set_all(&self, names: &[EntryName], descriptor: &Descriptor) -> Result<(), LayoutError> {
        self.update(|index| {
            let before = index.manifests.clone();
            enter(&mut index.manifests, names, descriptor);
            before != index.manifests
        })
    }

    /// Takes a name away, and says whether it was there.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn remove(&self, name: &str) -> Result<bool, LayoutError> {
        let mut removed = false;
        self.update(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|entry| name_of(entry) != Some(name));
            removed = index.manifests.len() < before;
            removed
        })?;
        Ok(removed)
    }

    /// Takes names away, all of them or, where one is not there, none. Those that are not there.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn remove_all(&self, names: &[String]) -> Result<Vec<String>, LayoutError> {
        let mut unknown = Vec::new();
        self.update(|index| {
            let has = |name: &str| index.manifests.iter().any(|entry| name_of(entry) == Some(name));
            unknown = names.iter().filter(|name| !has(name)).cloned().collect();
            if unknown.is_empty() {
                index
                    .manifests
                    .retain(|entry| name_of(entry).is_none_or(|name| !names.iter().any(|it| it == name)));
            }
            unknown.is_empty() && !names.is_empty()
        })?;
        Ok(unknown)
    }

    /// Keeps other writers of the index away until the file is closed.
    ///
    /// The directory itself is locked, so that no lock file lies about in what the user asked for. Network
    /// file systems may refuse; then the rename alone keeps the file whole.
    pub(super) fn lock(&self) -> io::Result<fs::File> {
        let directory = fs::File::open(&self.root)?;
        let _ = directory.lock();
        Ok(directory)
    }

    /// Changes the index under the lock; `change` says whether it did.
    pub(super) fn update(&self, change: impl FnOnce(&mut Index) -> bool) -> Result<(), LayoutError> {
        let _unlocked_on_close = self.lock()?;
        let mut index = self.index()?;
        let missing = std::fs::symlink_metadata(self.index_path()).is_err();
        if change(&mut index) || missing {
            let bytes = to_json("index", &index)
                .map_err(|source| LayoutError::Index { path: self.index_path(), source })?;
            replace(&self.index_path(), &bytes, self.durability)?;
        }
        Ok(())
    }

    /// The manifest or index that `descriptor` links to, checked.
    ///
    /// # Errors
    /// When it is missing, damaged, or not to be trusted.
    pub fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, LayoutError> {
        let place = || format!("`{}`", shown_path(&self.root));
        let bytes = self
            .blobs
            .read(descriptor, MAX_DOCUMENT)
            .map_err(|source| LayoutError::Blob { place: place(), source })?;
        RawDocument::new(Some(&descriptor.media_type), bytes).map_err(|source| LayoutError::Document {
            place: place(),
            digest: descriptor.digest,
            source,
        })
    }

    /// Whether everything that `root` reaches is there, by name and size.
    #[must_use]
    pub fn is_complete(&self, root: &Descriptor) -> bool {
        is_complete(root, &|descriptor| self.document(descriptor).ok(), &|blob| self.blobs.has(blob))
    }
}

/// Whether everything is there that `descriptor` reaches within the permitted depth.
pub(crate) fn is_complete(
    descriptor: &Descriptor,
    document: &dyn Fn(&Descriptor) -> Option<RawDocument>,
    has: &dyn Fn(&Descriptor) -> bool,
) -> bool {
    fn walk(
        descriptor: &Descriptor,
        depth: usize,
        document: &dyn Fn(&Descriptor) -> Option<RawDocument>,
        has: &dyn Fn(&Descriptor) -> bool,
    ) -> bool {
        match document(descriptor).and_then(|document| document.parse().ok()) {
            Some(ManifestOrIndex::Manifest(manifest)) => {
                has(&manifest.config) && manifest.layers.iter().all(has)
            }
            Some(ManifestOrIndex::Index(index)) => {
                depth > 0 && index.manifests.iter().all(|entry| walk(entry, depth - 1, document, has))
            }
            None => false,
        }
    }
    walk(descriptor, 4, document, has)
}

/// Puts `descriptor` under `names` into the entries of an index, in place where a name exists.
pub(crate) fn enter(entries: &mut Vec<Descriptor>, names: &[EntryName], descriptor: &Descriptor) {
    let same = |entry: &Descriptor| entry.digest == descriptor.digest;
    if names.is_empty() {
        if !entries.iter().any(same) {
            entries.push(descriptor.clone());
        }
        return;
    }
    // A name makes the nameless entry of the same image superfluous.
    entries.retain(|entry| !(same(entry) && name_of(entry).is_none()));
    for name in names {
        let mut entry = descriptor.clone();
        name.put_on(&mut entry);
        let named = |entry: &Descriptor| name_of(entry) == Some(name.reference.as_str());
        match entries.iter().position(named) {
            Some(position) => entries[position] = entry,
            None => entries.push(entry),
        }
    }
}

/// An index without entries.
pub(crate) fn empty_index() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(MediaType::ImageIndex),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: BTreeMap::new(),
        rest: BTreeMap::new(),
    }
}

/// Whether `root` holds nothing but what is there before a layout's first file.
///
/// Its creator may have been killed, or may be at work.
fn is_barely_begun(root: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let is_begun = match entry.file_name().to_str() {
            Some("blobs") => is_empty_but_for(&entry.path(), "sha256")?,
            Some(name) => name.starts_with(TEMPORARY),
            None => false,
        };
        if !is_begun {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a directory has nothing in it, or one empty directory of this name.
fn is_empty_but_for(dir: &Path, name: &str) -> io::Result<bool> {
    let is_empty = |dir: &Path| match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    };
    match fs::read_dir(dir) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                if entry.file_name() != name || !is_empty(&entry.path())? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

/// A whole small regular file; one that is larger, or no regular file, is an error of kind
/// [`io::ErrorKind::InvalidData`]. A link is followed.
fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    crate::runtime::input::read(path, limit).map_err(|error| {
        // A link that leads to itself is nothing that anyone could read either.
        let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        let is_refused = crate::runtime::input::is_refused(&error);
        let kind = if is_loop || is_refused { io::ErrorKind::InvalidData } else { error.kind() };
        io::Error::new(kind, format!("`{}`: {error}", shown_path(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let layout = Layout::create(&dir.path().join("layout")).expect("created");
        (dir, layout)
    }

    fn image(text: &str) -> Descriptor {
        Descriptor::of(MediaType::ImageManifest, text.as_bytes())
    }

    #[test]
    fn a_new_layout_is_what_the_specification_says() {
        let (_dir, layout) = layout();
        let read = |name: &str| std::fs::read_to_string(layout.root().join(name)).expect(name);
        assert_eq!(read("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
        assert_eq!(
            read("index.json"),
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#
        );
        let mut names: Vec<_> = std::fs::read_dir(layout.root())
            .expect("readable")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        assert_eq!(names, ["blobs", "index.json", "oci-layout"]);
    }

    #[test]
    fn refuses_what_is_no_layout() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        assert!(matches!(Layout::create(dir.path()), Err(LayoutError::NotEmpty(_))));
        assert!(matches!(Layout::open(dir.path()), Err(LayoutError::NotALayout { .. })));
        assert!(matches!(Layout::open(&file), Err(LayoutError::NotALayout { .. })));
        assert!(Layout::create(&file).is_err());
        assert!(matches!(Layout::open(&dir.path().join("none")), Err(LayoutError::NoDirectory(_))));
        for text in ["", "{}", r#"{"imageLayoutVersion":"2.0.0"}"#] {
            let dir = tempfile::tempdir().expect("temporary directory");
            std::fs::write(dir.path().join("oci-layout"), text).expect("written");
            assert!(Layout::create(dir.path()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_killed_creator_left_is_finished() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("oci-layout"), OCI_LAYOUT).expect("written");
        let layout = Layout::create(dir.path()).expect("opened");
        assert!(layout.list().expect("empty").is_empty());
        layout.set(&EntryName::tag("a"), &image("a")).expect("set");
        assert_eq!(layout.list().expect("listed").len(), 1);
    }

    #[test]
    fn a_layout_that_was_barely_begun_is_finished() {
        type Begin = fn(&Path);
        let begun: [Begin; 4] = [
            |dir| std::fs::create_dir(dir.join("blobs")).expect("created"),
            |dir| std::fs::create_dir_all(dir.join("blobs/sha256")).expect("created"),
            |dir| std::fs::write(dir.join(".tmp-Ab3xYz"), "{").expect("written"),
            |dir| {
                std::fs::create_dir_all(dir.join("blobs/sha256")).expect("created");
                std::fs::write(dir.join(".tmp-Ab3xYz"), "").expect("written");
            },
        ];
        for begin in begun {
            let dir = tempfile::tempdir().expect("temporary directory");
            begin(dir.path());
            assert!(Layout::open(dir.path()).is_err());
            Layout::create(dir.path()).expect("finished");
            assert!(Layout::open(dir.path()).is_ok());
        }
        for other in ["blobs/sha256/file", "blobs/sha512", "other", "blobs/file"] {
            let dir = tempfile::tempdir().expect("temporary directory");
            let path = dir.path().join(other);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            std::fs::write(path, "x").expect("written");
            assert!(matches!(Layout::create(dir.path()), Err(LayoutError::NotEmpty(_))), "{other}");
        }
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("blobs"), "x").expect("written");
        assert!(matches!(Layout::create(dir.path()), Err(LayoutError::NotEmpty(_))));
    }

    #[test]
    fn many_make_one_layout_at_the_same_time() {
        for _ in 0..150 {
            let dir = tempfile::tempdir().expect("temporary directory");
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let layout = Layout::create(dir.path()).expect("made by somebody");
                        layout.blobs().put(b"blob").expect("stored");
                    });
                }
            });
        }
    }

    #[test]
    fn names_move_and_are_unique() {
        let (_dir, layout) = layout();
        layout.set_all(&[], &image("one")).expect("set");
        layout.set_all(&[], &image("one")).expect("set");
        assert_eq!(layout.list().expect("listed").len(), 1);
        layout.set(&EntryName::tag("a"), &image("one")).expect("set");
        layout.set(&EntryName::tag("b"), &image("one")).expect("set");
        layout.set(&EntryName::tag("a"), &image("two")).expect("set");
        let names: Vec<_> = layout.list().expect("listed").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [Some("a".to_owned()), Some("b".to_owned())]);
        let digest = |name: &str| layout.resolve(name).expect("readable").map(|entry| entry.digest);
        assert_eq!(digest("a"), Some(image("two").digest));
        assert_eq!(digest(&image("one").digest.to_string()), Some(image("one").digest));
        assert_eq!(digest("c"), None);
        assert!(layout.remove("a").expect("removed"));
        assert_eq!(digest("a"), None);
        assert!(!layout.remove("a").expect("nothing to remove"));
    }

    #[test]
    fn the_whole_reference_is_a_name_for_both_annotations() {
        let (_dir, layout) = layout();
        let reference: Reference = "localhost:5000/shop/bookstore:1.0".parse().expect("valid");
        layout.set(&EntryName::full(&reference), &image("one")).expect("set");
        let entry = layout.resolve(&reference.to_string()).expect("readable").expect("there");
        assert_eq!(entry.annotations[REF_NAME], entry.annotations[CONTAINERD_NAME]);
    }

    #[test]
    fn picking_without_a_name_needs_one_image() {
        let named = |text: &str, name: &str| {
            let mut entry = image(text);
            EntryName::tag(name).put_on(&mut entry);
            entry
        };
        assert_eq!(pick(&[], None), Err(PickError::Empty));
        let one = [named("one", "latest"), named("one", "1.0")];
        assert_eq!(pick(&one, None).expect("one image").digest, image("one").digest);
        let two = [named("one", "latest"), named("two", "1.0")];
        assert!(matches!(pick(&two, None), Err(PickError::Several(_))));
        let error = pick(&two, Some("latst")).expect_err("unknown");
        assert_eq!(error.to_string(), "there is no image `latst`; there is latest, 1.0");
        let existing = ["localhost/shop:1", "localhost:5000/shop:2", "r.example/other:1", "shop/app:1"];
        let existing = existing.map(str::to_owned).to_vec();
        for (wanted, expected) in [
            ("shop:3", "; there is localhost/shop:1"),
            ("localhost:5000/shop", "; there is localhost:5000/shop:2"),
            ("localhost:5000/shop@sha256:00", "; there is localhost:5000/shop:2"),
            ("new/app:1", ""),
        ] {
            let error = PickError::Unknown { wanted: wanted.to_owned(), existing: existing.clone() };
            assert_eq!(error.to_string(), format!("there is no image `{wanted}`{expected}"));
        }
        assert_eq!(error.hint().as_deref(), Some("did you mean `latest`?"));
    }

    #[test]
    fn concurrent_writers_lose_no_name() {
        let (_dir, layout) = layout();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let layout = &layout;
                scope.spawn(move || {
                    for number in 0..10 {
                        let name = format!("{thread}-{number}");
                        layout.set(&EntryName::tag(&name), &image(&name)).expect("set");
                    }
                });
            }
        });
        assert_eq!(layout.list().expect("listed").len(), 80);
    }

    #[test]
    fn a_damaged_index_is_an_error_and_stays() {
        let (_dir, layout) = layout();
        std::fs::write(layout.index_path(), "{").expect("written");
        assert!(matches!(layout.index(), Err(LayoutError::Index { .. })));
        layout.set(&EntryName::tag("a"), &image("a")).expect_err("damaged");
        assert_eq!(std::fs::read_to_string(layout.index_path()).expect("there"), "{");
    }
}
