//! The directory of a layout: made, read, and its index changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err as fs;

use super::error::LayoutError;
use super::names::{EntryName, empty_index, enter, name_of, pick};
use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object};
use crate::oci::{Descriptor, Index, MAX_DOCUMENT, ManifestOrIndex, RawDocument, parse_file, to_json};
use crate::runtime::atomic::{Durability, takes_files};
use crate::store::blobs::Blobs;
use crate::store::files::{TEMPORARY, at, replace};
use crate::types::shown::shown_path;

/// The content of the file `oci-layout`.
pub const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A store of many images has a longer index than any one document may be.
const MAX_INDEX: u64 = 64 << 20;
/// So many JSON values: eight or so for each image.
const MAX_INDEX_VALUES: usize = 1 << 20;

/// An image layout on disk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    blobs: Blobs,
    durability: Durability,
    /// The index as it was read last, for all clones.
    last: Arc<Mutex<LastIndex>>,
}

/// An index as it was read last. A run of many images looks at one index for each of them.
#[derive(Debug, Default)]
struct LastIndex {
    bytes: Vec<u8>,
    index: Option<Arc<Index>>,
}

struct LayoutFile {
    image_layout_version: String,
}

impl FromJson for LayoutFile {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["imageLayoutVersion"])?;
        let file = Self { image_layout_version: object.require("imageLayoutVersion")? };
        object.finish()?;
        Ok(file)
    }
}

impl Layout {
    fn at(root: &Path, durability: Durability) -> Self {
        let blobs = Blobs::new(root.join("blobs").join("sha256"), durability);
        Self { root: root.to_owned(), blobs, durability, last: Arc::default() }
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
                let file = root.ancestors().find(|above| above.exists()).unwrap_or(root);
                return Err(match file == root {
                    true => LayoutError::File(file.to_owned()),
                    false => LayoutError::BelowFile { path: root.to_owned(), file: file.to_owned() },
                });
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
    /// When the directory holds something else, or cannot be written, or when its directories of blobs are links: a
    /// checkout of others may hold a link to a directory of the user.
    pub fn to_write(root: &Path) -> Result<Self, LayoutError> {
        match Self::open(root) {
            Err(LayoutError::NotALayout { .. }) if is_barely_begun(root)? => {}
            Err(LayoutError::NotALayout { .. }) => {
                // Unless what is there now is a layout that somebody else was making just then.
                let layout = Self::open(root).map_err(|_| LayoutError::NotEmpty(root.to_owned()))?;
                layout.check_unlinked()?;
                return Ok(layout);
            }
            Err(LayoutError::NoDirectory(_)) => {}
            result => {
                let layout = result?;
                layout.check_unlinked()?;
                layout.check_writable(layout.blobs.dir())?;
                layout.check_writable(root)?;
                return Ok(layout);
            }
        }
        let layout = Self::at(root, Durability::Fsync);
        layout.check_unlinked()?;
        layout.check_writable(root)?;
        Ok(layout)
    }

    /// Opens a layout, or makes one where [`Layout::to_write`] would.
    ///
    /// # Errors
    /// As for [`Layout::to_write`].
    #[cfg(test)]
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
            Self::create_among(&self.root, self.durability).map_err(|error| match error {
                LayoutError::Io(source) => LayoutError::Write(source),
                error => error,
            })?;
        }
        Ok(())
    }

    fn check_unlinked(&self) -> Result<(), LayoutError> {
        let blobs = self.root.join("blobs");
        let linked = [blobs.as_path(), self.blobs.dir()]
            .into_iter()
            .find(|dir| dir.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()));
        linked.map_or(Ok(()), |dir| Err(LayoutError::Linked(dir.to_owned())))
    }

    /// Asks whether the nearest directory that there is above `dir`, or itself, takes files.
    fn check_writable(&self, dir: &Path) -> Result<(), LayoutError> {
        let there = dir.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(dir);
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        takes_files(there).map_err(|error| LayoutError::Write(at(&error, there)))
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
    pub(crate) fn create_among(root: &Path, durability: Durability) -> Result<Self, LayoutError> {
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
    pub(crate) fn of_store(root: &Path) -> Self {
        let mut layout = Self::at(root, Durability::Relaxed);
        layout.blobs = Blobs::of_store(layout.blobs.dir().to_owned(), None);
        layout
    }

    /// The same layout, whose blobs are read without leaving a trace.
    pub(crate) fn unnoticed(&self) -> Self {
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

    pub(crate) fn index_path(&self) -> PathBuf {
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

    /// The index, which is parsed only if its bytes are others than those that were read last.
    ///
    /// # Errors
    /// As for [`Layout::index`].
    pub fn shared_index(&self) -> Result<Arc<Index>, LayoutError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(bytes) = read_bounded(&self.index_path(), MAX_INDEX) else {
            return self.index().map(Arc::new);
        };
        if let Some(index) = last.index.as_ref().filter(|_| last.bytes == bytes) {
            return Ok(Arc::clone(index));
        }
        let path = self.index_path();
        let index = parse_file("index", &bytes, MAX_INDEX_VALUES)
            .map_err(|source| LayoutError::Index { path, source })?;
        let index = Arc::new(index);
        *last = LastIndex { bytes, index: Some(Arc::clone(&index)) };
        Ok(index)
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
    #[cfg(test)]
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

    /// Takes entries out of the index, and says whether there were any. Their blobs stay.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn remove(&self, is_unwanted: impl Fn(&Descriptor) -> bool) -> Result<bool, LayoutError> {
        let mut removed = false;
        self.update(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|entry| !is_unwanted(entry));
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
    pub(crate) fn lock(&self) -> io::Result<fs::File> {
        let directory = fs::File::open(&self.root)?;
        let _ = directory.lock();
        Ok(directory)
    }

    /// Changes the index under the lock; `change` says whether it did.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Index) -> bool) -> Result<(), LayoutError> {
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
