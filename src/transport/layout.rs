//! `oci:DIR[:NAME]`: an OCI image layout as source and destination.
//!
//! The local store is one too, with whole references for names: [`OciLayout::of_store`].

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Blob, BlobStream, Capabilities, Delivery, Destination, ImageName, Locality, Source};
use crate::oci::{Descriptor, RawDocument};
use crate::runtime::events::{Phase, Progress};
use crate::store::{EntryName, Layout, LayoutError, PickError, Store, StoreError, name_of, pick};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::location::Name;
use crate::types::reference::{Reference, Repository, Tag};
use crate::types::shown::{Foreign, shown_path};

/// Blobs that are written at the same time: a disk gains little from more.
const PARALLEL_BLOBS: usize = 2;

/// An image layout, and an image in it.
#[derive(Clone, Debug)]
pub struct OciLayout {
    layout: Layout,
    name: Option<String>,
    naming: TagNaming,
    progress: Progress,
    draft: Option<Arc<LayoutDraft>>,
}

/// How a tag becomes an entry's name.
#[derive(Clone, Debug)]
enum TagNaming {
    /// As it is: the layout is about one repository.
    Tag,
    /// As a whole reference: the layout holds many repositories.
    Full(Repository),
    /// Not at all: an image in the local store, to read.
    Stored,
}

impl OciLayout {
    /// The image `name` in the layout `dir`, or its only image.
    ///
    /// # Errors
    /// When the directory is no layout.
    pub fn open(dir: &Path, name: Option<&str>) -> Result<Self, LayoutError> {
        let layout = Layout::open(dir).map_err(|error| match error {
            LayoutError::NoDirectory(dir) if name.is_some() => LayoutError::NoDirectoryBefore(dir),
            error => error,
        })?;
        Ok(Self::new(layout, name, TagNaming::Tag, &Progress::default()))
    }

    /// The layout `dir` to write to; `name` is the tag where none else is given. One that is missing is made when
    /// the first thing is written, and goes again if no image comes to be in it.
    ///
    /// # Errors
    /// When the directory holds something else or cannot be written.
    pub fn create(dir: &Path, name: Option<&str>, progress: &Progress) -> Result<Self, LayoutError> {
        let layout = Layout::to_write(dir)?;
        let draft = Some(Arc::new(LayoutDraft::new(layout.clone())));
        Ok(Self { draft, ..Self::new(layout, name, TagNaming::Tag, progress) })
    }

    /// The local store, to write images of `repository` to.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn of_store(store: &Store, repository: &Repository, progress: &Progress) -> Result<Self, StoreError> {
        let layout = store.writable_layout()?.clone();
        Ok(Self::new(layout, None, TagNaming::Full(repository.clone()), progress))
    }

    /// The image in the local store, if it has one under any of the names that `name` may stand for there.
    #[must_use]
    pub fn in_store(store: &Store, name: &Name) -> Option<Self> {
        let found = name.in_store().into_iter().find(|name| store.resolve(name).is_some())?;
        Some(Self::new(store.layout().clone(), Some(&found), TagNaming::Stored, &Progress::default()))
    }

    /// The image in the local store.
    ///
    /// # Errors
    /// When the store has none of that name; the error lists those that it has.
    pub fn stored(store: &Store, name: &Name) -> Result<Self, LayoutError> {
        if let Some(found) = Self::in_store(store, name) {
            return Ok(found);
        }
        let entries = store.layout().index()?.manifests;
        let existing = entries.iter().filter_map(name_of).map(str::to_owned).collect();
        let source = PickError::Unknown { wanted: name.to_string(), existing };
        Err(LayoutError::Pick { place: "the local store".to_owned(), source })
    }

    fn new(layout: Layout, name: Option<&str>, naming: TagNaming, progress: &Progress) -> Self {
        Self { layout, name: name.map(str::to_owned), naming, progress: progress.clone(), draft: None }
    }

    /// The layout.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The name of the image, if it has one.
    #[must_use]
    pub fn image_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Makes the layout, if it is not there.
    fn begin_writing(&self) -> Result<(), LayoutError> {
        self.draft.as_ref().map_or(Ok(()), |draft| draft.begin())
    }

    fn place(&self) -> String {
        match (&self.naming, &self.name) {
            (TagNaming::Full(_), _) => return "the local store".to_owned(),
            (TagNaming::Stored, Some(name)) => return format!("store:{}", Foreign::new(name)),
            _ => {}
        }
        let dir = shown_path(self.layout.root());
        match &self.name {
            Some(name) => format!("oci:{dir}:{name}"),
            None => format!("oci:{dir}"),
        }
    }

    fn failed(&self, source: std::io::Error) -> LayoutError {
        LayoutError::Blob { place: self.place(), source }
    }

    /// Whether an entry is of the repository that this is about.
    fn is_ours(&self, entry: &Descriptor) -> bool {
        match &self.naming {
            TagNaming::Full(repository) => {
                let reference = name_of(entry).and_then(|name| name.parse::<Reference>().ok());
                reference.is_some_and(|reference| reference.repository() == repository)
            }
            TagNaming::Tag | TagNaming::Stored => true,
        }
    }

    /// The name of an entry that is no image of its own.
    fn name_beside(&self, tag: &Tag) -> EntryName {
        match &self.naming {
            TagNaming::Full(repository) => EntryName::full(&repository.at_tag(tag.clone())),
            TagNaming::Tag | TagNaming::Stored => EntryName::tag(tag.as_str()),
        }
    }

    fn entry_names(&self, tags: &[Tag]) -> Vec<EntryName> {
        match (&self.naming, &self.name) {
            (TagNaming::Full(repository), _) => {
                tags.iter().map(|tag| EntryName::full(&repository.at_tag(tag.clone()))).collect()
            }
            // A named image is called so, whatever tags it has elsewhere.
            (TagNaming::Tag | TagNaming::Stored, Some(name)) => vec![EntryName::tag(name)],
            (TagNaming::Tag | TagNaming::Stored, None) => {
                tags.iter().map(|tag| EntryName::tag(tag.as_str())).collect()
            }
        }
    }
}

/// A layout while it is written to, which is not left behind without an image.
#[derive(Debug)]
struct LayoutDraft {
    layout: Layout,
    begun: Mutex<Option<LayoutWrite>>,
}

#[derive(Debug)]
struct LayoutWrite {
    /// Directories that were not there before, the innermost first; `None` if the layout was there.
    made: Option<Vec<PathBuf>>,
    /// Tells others that somebody writes here; where the file system has no locks, nothing is taken away.
    writing: Option<File>,
}

impl LayoutDraft {
    const fn new(layout: Layout) -> Self {
        Self { layout, begun: Mutex::new(None) }
    }

    fn begin(&self) -> Result<(), LayoutError> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.is_some() {
            return Ok(());
        }
        let root = self.layout.root();
        let is_new = Layout::open(root).is_err();
        let missing = root.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let made = is_new.then(|| missing.map(Path::to_owned).collect());
        // A process that removes an unused layout may do so between the two steps.
        let writing = loop {
            self.layout.make()?;
            match self.lock(false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => break result.ok(),
            }
        };
        *begun = Some(LayoutWrite { made, writing });
        Ok(())
    }

    /// Locks the directory of the blobs, for us alone or with others who write; fails if it is not there any more.
    fn lock(&self, alone: bool) -> io::Result<File> {
        let path = self.layout.blobs().dir();
        let file = File::open(path)?;
        if alone {
            file.try_lock()?;
        } else {
            file.lock_shared()?;
        }
        let (ours, there) = (file.metadata()?, std::fs::metadata(path)?);
        let is_same = (ours.dev(), ours.ino()) == (there.dev(), there.ino());
        if is_same { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

impl Drop for LayoutDraft {
    fn drop(&mut self) {
        let begun = self.begun.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(LayoutWrite { made: Some(made), writing: Some(writing) }) = begun else { return };
        drop(writing);
        // Others who write to it have found it there, and it stays.
        if let Ok(_alone) = self.lock(true) {
            self.layout.remove_unused(&made);
        }
    }
}

impl Source for OciLayout {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        let entries = self.layout.index()?.manifests;
        let entry = pick(&entries, self.name.as_deref())
            .map_err(|source| LayoutError::Pick { place: self.place(), source })?;
        Ok(self.layout.document(entry)?)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        Ok(self.layout.document(descriptor)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        let reader = self.layout.blobs().reader(descriptor).map_err(|error| self.failed(error))?;
        Ok(Box::new(reader))
    }

    fn own_name(&self) -> Option<String> {
        let entries = self.layout.index().ok()?.manifests;
        super::only_name(&entries, pick(&entries, self.name.as_deref()).ok()?)
    }

    fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, BoxedError> {
        let entries = self.layout.index()?.manifests;
        let document = |descriptor: &Descriptor| self.layout.document(descriptor).ok();
        Ok(Some(super::referrers_among(&entries, subject, &document)))
    }

    fn under_tag(&self, tag: &Tag) -> Result<Option<RawDocument>, BoxedError> {
        let name = self.name_beside(tag);
        let entries = self.layout.index()?.manifests;
        let is_it = |entry: &&Descriptor| name_of(entry) == Some(name.reference.as_str());
        let document = |entry: &Descriptor| Ok(self.layout.document(entry)?);
        entries.iter().find(is_it).map(document).transpose()
    }

    fn name(&self) -> String {
        self.place()
    }
}

impl Destination for OciLayout {
    /// A blob that is there in the right size is taken to be right: a layout is written whole or not at
    /// all, and reading it checks the bytes.
    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError> {
        self.begin_writing()?;
        let blobs = self.layout.blobs();
        let descriptor = &blob.descriptor;
        if blobs.has(descriptor) {
            // Used now, as far as a prune is concerned.
            blobs.touch(&descriptor.digest);
            return Ok(Delivery::Present);
        }
        let task = self.progress.task(Phase::Write, &blob.title, Some(descriptor.size));
        blob.content
            .open()
            .and_then(|stream| blobs.copy_in(descriptor, stream, |bytes| task.advance(bytes)))
            .map_err(|error| self.failed(error))?;
        task.finish("written");
        Ok(Delivery::Uploaded)
    }

    fn document(&self, document: &RawDocument) -> Result<Delivery, BoxedError> {
        self.begin_writing()?;
        self.layout.blobs().put(&document.bytes).map_err(|error| self.failed(error))?;
        Ok(Delivery::Uploaded)
    }

    fn holds(&self, document: &Descriptor) -> Result<bool, BoxedError> {
        Ok(self.layout.is_complete(document))
    }

    /// A layout lists what refers to an image beside it, without a name of its own.
    fn refer(&self, _: &Digest, referrers: &[Descriptor]) -> Result<(), BoxedError> {
        self.begin_writing()?;
        for referrer in referrers {
            self.layout.set_all(&[], &super::nameless(referrer))?;
        }
        Ok(())
    }

    fn lacks(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<Vec<Digest>, BoxedError> {
        let listed = match self.reader(subject) {
            Some(reader) => reader.referrers(subject)?.unwrap_or_default(),
            None => Vec::new(),
        };
        let is_there = |wanted: &&Descriptor| {
            listed.iter().any(|entry| entry.digest == wanted.digest) && self.layout.is_complete(wanted)
        };
        Ok(referrers.iter().filter(|wanted| !is_there(wanted)).map(|wanted| wanted.digest).collect())
    }

    fn reader(&self, _: &Digest) -> Option<Box<dyn Source>> {
        let is_there = std::fs::symlink_metadata(self.layout.root()).is_ok();
        is_there.then(|| Box::new(self.clone()) as Box<dyn Source>)
    }

    fn list_under(&self, tag: &Tag, document: &RawDocument, _: Option<Digest>) -> Result<bool, BoxedError> {
        Destination::document(self, document)?;
        self.layout.set_all(&[self.name_beside(tag)], &document.descriptor())?;
        Ok(true)
    }

    fn finish(&self, root: &RawDocument, tags: &[Tag]) -> Result<Delivery, BoxedError> {
        self.begin_writing()?;
        self.layout.blobs().put(&root.bytes).map_err(|error| self.failed(error))?;
        self.layout.set_all(&self.entry_names(tags), &root.descriptor())?;
        Ok(Delivery::Uploaded)
    }

    /// In the local store an image may have names in other repositories too, and keeps those.
    fn delete(&self, name: &ImageName) -> Result<bool, BoxedError> {
        if std::fs::symlink_metadata(self.layout.root()).is_err() {
            return Ok(false);
        }
        let is_named = |entry: &Descriptor| match name {
            ImageName::Tag(tag) => {
                let names = self.entry_names(std::slice::from_ref(tag));
                names.iter().any(|name| name_of(entry) == Some(name.reference.as_str()))
            }
            ImageName::Digest(digest) => entry.digest == *digest && self.is_ours(entry),
        };
        Ok(self.layout.remove(is_named)?)
    }

    fn capabilities(&self) -> Capabilities {
        let in_store = matches!(self.naming, TagNaming::Full(_) | TagNaming::Stored);
        Capabilities {
            locality: if in_store { Locality::Store } else { Locality::Machine },
            parallel_blobs: PARALLEL_BLOBS,
            follows: false,
            needs_all_blobs: false,
            referrers: true,
            deletes: true,
            mounts_from: None,
        }
    }

    fn is_current(&self, digest: &Digest, tags: &[Tag]) -> Result<bool, BoxedError> {
        let index = self.layout.shared_index()?;
        let names = self.entry_names(tags);
        let mut wanted: Vec<&str> = names.iter().map(|name| name.reference.as_str()).collect();
        let by_digest = digest.to_string();
        if wanted.is_empty() {
            wanted.push(&by_digest);
        }
        let current = |name: &&str| {
            pick(&index.manifests, Some(name))
                .is_ok_and(|entry| entry.digest == *digest && self.layout.is_complete(entry))
        };
        Ok(wanted.iter().all(current))
    }

    fn name(&self) -> String {
        self.place()
    }
}
