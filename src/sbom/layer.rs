//! The statements of the files of one layer, read once while the layer streams by.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::catalog::{
    CatalogDraft, CataloguedFile, Cataloguer, DigestQueue, FileBody, FileCatalog, MAX_MEMORY,
    is_link_to_package,
};
use super::layer_paths::LayerPaths;
use crate::formats::untar::{LAYER, ReadThrough, Skip, TarEntry, TarWalk, UntarError};
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath, LayerSpec, read_start};
use crate::oci::media_type::LayerCompression;
use crate::runtime::budget::{Budget, MeteredReader, OverBudget};
use crate::runtime::input;
use crate::runtime::workers::Workers;
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::stamp::Stamp;

/// The first bytes of a file say whether it is a program.
const START: u64 = 64;
/// The window of a zstd frame, as a power of two: 32 MiB, four times what tools that make images use.
const WINDOW_LOG: u32 = 25;

/// The statements of a layer about packages, and the files of lower layers that it hides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerCatalog {
    /// The files that tell something, in the order of their paths.
    pub files: Vec<CataloguedFile>,
    /// Its paths.
    pub paths: LayerPaths,
}

/// The means to read layers with.
#[derive(Clone, Copy)]
pub struct LayerMeans<'a> {
    /// Where large files lie for a while.
    pub scratch: &'a Path,
    /// The budget that reading draws on.
    pub budget: &'a Budget,
    /// The threads that compute digests.
    pub workers: &'a Workers,
}

/// The key of the memo of a layer, which changes with what cataloguers read.
pub fn memo_key(layer: &Digest) -> Key {
    KeyBuilder::new("pack sbom layer 3").part(layer.as_bytes()).finish()
}

impl LayerCatalog {
    /// Reads a layer's blob to its end.
    ///
    /// # Errors
    /// When the blob cannot be read or decompressed, is no tar that all tools read alike, or costs too much.
    pub fn read(blob: impl Read, compression: LayerCompression, means: LayerMeans<'_>) -> io::Result<Self> {
        match compression {
            LayerCompression::None => Self::read_tar(blob, means),
            LayerCompression::Gzip => Self::read_tar(flate2::read::MultiGzDecoder::new(blob), means),
            LayerCompression::Zstd => {
                let mut decoder = zstd::Decoder::new(blob)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Self::read_tar(decoder, means)
            }
        }
    }

    /// The catalog of a layer from the files that it is made of: that of its blob, of which only the files that tell something
    /// are read. `None` where a file cannot be read so any more.
    ///
    /// # Errors
    /// When it costs too much.
    pub fn of_files(spec: &LayerSpec, means: LayerMeans<'_>) -> Result<Option<Self>, OverBudget> {
        let mut reader = LayerReader::new(means);
        for entry in spec.entries() {
            if !reader.planned(entry)? {
                return Ok(None);
            }
        }
        // A file that was changed meanwhile is not the layer's.
        Ok(reader.finish().ok())
    }

    fn read_tar(tar: impl Read, means: LayerMeans<'_>) -> io::Result<Self> {
        let mut tar = MeteredReader::new(tar, means.budget);
        let mut walk = TarWalk::new(ReadThrough(&mut tar), LAYER);
        let mut reader = LayerReader::new(means);
        while let Some(entry) = walk.next().map_err(UntarError::into_io)? {
            reader.entry(&entry, &mut walk)?;
        }
        // To the end of the blob, so that its digest is checked on all of it.
        io::copy(&mut tar, &mut io::sink())?;
        reader.finish()
    }

    /// Pays for one that was remembered as for one that is read.
    ///
    /// # Errors
    /// When less than that is left.
    pub fn charge(&self, budget: &Budget) -> Result<(), OverBudget> {
        let files = self.files.iter().map(|file| LayerPaths::cost(&file.path) + file.catalog.cost());
        budget.keep(self.paths.total_cost() + files.sum::<usize>())
    }
}

/// The statement of a symbolic link, if it makes one.
fn link(path: &EntryPath, target: &[u8]) -> Option<CatalogDraft> {
    is_link_to_package(path).then(|| FileCatalog::Link(target.to_vec()).into())
}

struct LayerReader<'a> {
    paths: LayerPaths,
    files: BTreeMap<EntryPath, CatalogDraft>,
    scratch: &'a Path,
    budget: &'a Budget,
    queue: DigestQueue<'a>,
    /// Files that are read where they lie, and what was known of them when they were planned.
    open: Vec<(File, Stamp)>,
}

impl<'a> LayerReader<'a> {
    fn new(LayerMeans { scratch, budget, workers }: LayerMeans<'a>) -> Self {
        let (paths, files, queue) = (LayerPaths::default(), BTreeMap::new(), DigestQueue::new(workers));
        Self { paths, files, scratch, budget, queue, open: Vec::new() }
    }

    /// The catalog, once all digests are known.
    fn finish(self) -> io::Result<LayerCatalog> {
        let digests = self.queue.finish()?;
        for (file, planned) in &self.open {
            if Stamp::of(&file.metadata()?) != *planned {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let files = self.files.into_iter();
        let files = files.map(|(path, draft)| CataloguedFile { path, catalog: draft.complete(&digests) });
        Ok(LayerCatalog { files: files.collect(), paths: self.paths })
    }

    fn entry<R: Skip>(&mut self, entry: &TarEntry, walk: &mut TarWalk<R>) -> io::Result<()> {
        // The root itself is no entry; a name that climbs out is nothing that a runtime would unpack.
        let Ok(path) = EntryPath::new(&entry.path) else { return Ok(()) };
        self.budget.keep(LayerPaths::cost(&path))?;
        let Some(replaced) = self.paths.add(&path, entry.kind == tar::EntryType::Directory) else {
            return Ok(());
        };
        for path in &replaced {
            self.files.remove(path);
        }
        let catalog = match entry.kind {
            tar::EntryType::Regular | tar::EntryType::Continuous if entry.sparse.is_none() => {
                self.file(&path, entry, walk)?
            }
            // A further name of a file that this layer has.
            tar::EntryType::Link => {
                EntryPath::new(&entry.link).ok().and_then(|target| self.files.get(&target).cloned())
            }
            tar::EntryType::Symlink => link(&path, &entry.link),
            _ => None,
        };
        if let Some(catalog) = catalog {
            self.budget.keep(LayerPaths::cost(&path) + catalog.catalog.cost())?;
            self.files.insert(path, catalog);
        }
        Ok(())
    }

    /// Takes an entry of a layer before it is a tar; whether its file could be read.
    fn planned(&mut self, entry: &Entry) -> Result<bool, OverBudget> {
        let path = &entry.path;
        self.budget.keep(LayerPaths::cost(path))?;
        let Some(replaced) = self.paths.add(path, entry.is_directory()) else { return Ok(true) };
        for path in &replaced {
            self.files.remove(path);
        }
        let catalog = match &entry.kind {
            EntryKind::File(content) => match self.planned_file(entry, content)? {
                Some(catalog) => catalog,
                None => return Ok(false),
            },
            EntryKind::Hardlink(target) => self.files.get(target).cloned(),
            EntryKind::Symlink(target) => link(path, target),
            _ => None,
        };
        if let Some(catalog) = catalog {
            self.budget.keep(LayerPaths::cost(path) + catalog.catalog.cost())?;
            self.files.insert(path.clone(), catalog);
        }
        Ok(true)
    }

    /// The statements of a planned file, if it makes any; `None` where it cannot be read.
    fn planned_file(
        &mut self,
        entry: &Entry,
        content: &Content,
    ) -> Result<Option<Option<CatalogDraft>>, OverBudget> {
        let Some(cataloguer) = Cataloguer::of(&entry.path, entry.metadata.mode) else {
            return Ok(Some(None));
        };
        if content.size > cataloguer.limit() {
            return Ok(Some(Some(cataloguer.too_large().into())));
        }
        let memory = if cataloguer.reads() { FileBody::memory(content.size) } else { 0 };
        self.budget.keep(memory)?;
        let body = match cataloguer.reads() {
            false => Some(Some(FileBody::Memory(Vec::new()))),
            true => self.planned_body(cataloguer, content),
        };
        let catalog = match body {
            None => None,
            Some(None) => Some(None),
            Some(Some(body)) => Some(cataloguer.read(&entry.path, body, self.budget, &mut self.queue)),
        };
        self.budget.release(memory);
        Ok(catalog)
    }

    /// The body of a planned file; nothing and `None` as for [`LayerReader::bytes`]. A large one is read where it lies.
    fn planned_body(&mut self, cataloguer: Cataloguer, content: &Content) -> Option<Option<FileBody>> {
        if content.size <= MAX_MEMORY {
            return Some(Self::bytes(cataloguer, content)?.map(FileBody::Memory));
        }
        // One in an archive streams by when the blob is read.
        let ContentSource::File(path, planned) = &content.source else { return None };
        if !cataloguer.takes(&read_start(content, START).ok()?) {
            return Some(None);
        }
        let file = input::open_seen(path).ok()?;
        if Stamp::of(&file.metadata().ok()?) != *planned {
            return None;
        }
        self.open.push((file.try_clone().ok()?, *planned));
        Some(Some(FileBody::Disk(file)))
    }

    /// The bytes of a planned file: nothing where its first bytes say that it is of another kind, `None` where it cannot be
    /// read.
    fn bytes(cataloguer: Cataloguer, content: &Content) -> Option<Option<Vec<u8>>> {
        let is_program = cataloguer == Cataloguer::Program;
        if is_program && (content.size == 0 || !cataloguer.takes(&read_start(content, START).ok()?)) {
            return Some(None);
        }
        Some(Some(read_start(content, content.size).ok()?))
    }

    fn file<R: Skip>(
        &mut self,
        path: &EntryPath,
        entry: &TarEntry,
        walk: &mut TarWalk<R>,
    ) -> io::Result<Option<CatalogDraft>> {
        let Some(cataloguer) = Cataloguer::of(path, entry.mode) else { return Ok(None) };
        if entry.size > cataloguer.limit() {
            return Ok(Some(cataloguer.too_large().into()));
        }
        let memory = FileBody::memory(entry.size);
        // The cataloguer pays for archives within the file.
        self.budget.keep(memory)?;
        let Some(body) = self.body(cataloguer, entry, walk)? else {
            self.budget.release(memory);
            return Ok(None);
        };
        let catalog = cataloguer.read(path, body, self.budget, &mut self.queue);
        self.budget.release(memory);
        Ok(catalog)
    }

    /// The file's bytes; `None` where its first bytes say that it is of another kind.
    fn body<R: Skip>(
        &self,
        cataloguer: Cataloguer,
        entry: &TarEntry,
        walk: &mut TarWalk<R>,
    ) -> io::Result<Option<FileBody>> {
        if !cataloguer.reads() {
            return Ok(Some(FileBody::Memory(Vec::new())));
        }
        let mut body: Option<io::Result<FileBody>> = None;
        let mut is_other = false;
        walk.payload(|piece| {
            if is_other {
                return;
            }
            if body.is_none() && !cataloguer.takes(piece) {
                is_other = true;
                return;
            }
            let body = body.get_or_insert_with(|| FileBody::new(entry.size, self.scratch));
            let failed = body.as_mut().ok().and_then(|body| body.push(piece).err());
            if let Some(error) = failed {
                *body = Err(error);
            }
        })
        .map_err(UntarError::into_io)?;
        match body {
            None if is_other || cataloguer == Cataloguer::Program => Ok(None),
            None => Ok(Some(FileBody::Memory(Vec::new()))),
            Some(body) => body.map(Some),
        }
    }
}
