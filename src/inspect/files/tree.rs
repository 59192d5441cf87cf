//! The paths of an image, and the entries of each.

use std::collections::BTreeMap;
use std::io;

use super::entry::{EntryState, FileEntry, FileKind, FileMode};
use super::links::HardLinks;

use crate::formats::untar::TarEntry;
use crate::inspect::layer_reader::{LayerVisitor, ProgressReader, normal, read_layer};
use crate::inspect::reading_error::ReadingError;
use crate::oci::{Descriptor, Image};
use crate::runtime::budget::{Budget, OverBudget, unpacking};
use crate::runtime::events::{Phase, Progress};
use crate::runtime::interrupt::Interrupt;
use crate::transport::Source;
use crate::types::error::BoxedError;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// So many symbolic links are followed to a file, as Linux does.
const MAX_LINKS: usize = 40;
/// Bytes that may be kept of an image, with the page or the table that is made of it: some hundred thousand files.
const MAX_KEPT: u64 = 176 << 20;
/// Steps beside those for unpacking: parts of paths, and paths that a layer covers.
const STEPS: u64 = 24 << 20;
/// The cost of an allocation beside its bytes, and of a place in a tree.
const ALLOCATION: usize = 24;
const PLACE: usize = 48;

/// How to list files.
#[derive(Clone, Debug, Default)]
pub struct FilesOptions {
    /// Receives progress events.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

/// A path.
#[derive(Debug, Default)]
pub(super) struct PathNode {
    /// By name: the names of a path have no slash.
    pub(super) children: BTreeMap<Box<[u8]>, u32>,
    parent: u32,
    /// The last entry.
    pub(super) last: Option<u32>,
    /// The entry that a container sees so far.
    seen: Option<u32>,
}

/// The entries of all layers of an image.
#[derive(Debug)]
pub struct ImageFiles {
    /// The root is the first; each path comes after its directory.
    pub(super) nodes: Vec<PathNode>,
    pub(super) entries: Vec<FileEntry>,
    modes: Vec<FileMode>,
    numbers: BTreeMap<FileMode, u32>,
    links: HardLinks,
    layers: u32,
    budget: Budget,
}

/// The entries of a layer in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerTotals {
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that no container sees, because a later layer replaces or removes all their names.
    pub covered_files: u64,
    /// Their bytes.
    pub covered_bytes: u64,
}

/// A path with all that is below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathTotals {
    /// Regular files that a container sees.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that no container sees.
    pub covered_bytes: u64,
    /// The first and the last layer with something that a container sees; 0 if there is none.
    pub layers: (u32, u32),
}

impl PathTotals {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.covered_bytes = self.covered_bytes.saturating_add(other.covered_bytes);
        self.layers = match (self.layers, other.layers) {
            (layers, (0, _)) | ((0, _), layers) => layers,
            (own, other) => (own.0.min(other.0), own.1.max(other.1)),
        };
    }
}

impl ImageFiles {
    /// Reads all layers of `image`, one after the other.
    ///
    /// # Errors
    /// When a layer cannot be read, or all are too much.
    pub fn read(source: &dyn Source, image: &Image, options: &FilesOptions) -> Result<Self, BoxedError> {
        let mut files = Self::new(format!("the list of files of `{}`", source.name()));
        for layer in image.layers() {
            files.budget.allow(unpacking(layer.size) - unpacking(0));
            files.read_layer_of(source, layer, options)?;
        }
        files.settle();
        Ok(files)
    }

    pub(super) fn new(name: String) -> Self {
        Self {
            nodes: vec![PathNode::default()],
            entries: Vec::new(),
            modes: Vec::new(),
            numbers: BTreeMap::new(),
            links: HardLinks::default(),
            layers: 0,
            budget: Budget::with_unpacking(name, MAX_KEPT, STEPS, unpacking(0)),
        }
    }

    fn read_layer_of(
        &mut self,
        source: &dyn Source,
        layer: &Descriptor,
        options: &FilesOptions,
    ) -> Result<(), BoxedError> {
        let blob = source.blob(layer)?;
        let name = format!("layer {}", layer.digest.short());
        let task = options.progress.task(Phase::Read, name, Some(layer.size));
        let counted = ProgressReader { inner: blob, advance: |bytes| task.advance(bytes) };
        self.add_layer(counted, &options.interrupt)
            .map_err(|error| ReadingError::of(source.name(), layer, &options.interrupt, error))?;
        task.finish("read");
        Ok(())
    }

    /// Puts a layer on top of the others.
    pub(super) fn add_layer(&mut self, blob: impl io::Read, interrupt: &Interrupt) -> io::Result<()> {
        self.layers += 1;
        let budget = self.budget.clone();
        read_layer(blob, &budget, interrupt, self)
    }

    /// Counts the bytes of files with several names, once all layers are there.
    pub(super) fn settle(&mut self) {
        self.links.settle(&mut self.entries);
    }

    /// The permissions and owners that occur.
    #[must_use]
    pub fn modes(&self) -> &[FileMode] {
        &self.modes
    }

    /// The budget of the list: pages and tables of the files draw on it, too.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The figures of each layer, bottom first.
    #[must_use]
    pub fn layer_totals(&self) -> Vec<LayerTotals> {
        let mut all = vec![LayerTotals::default(); self.layers as usize];
        for entry in self.entries.iter().filter(|entry| entry.kind == FileKind::Regular) {
            let totals = &mut all[entry.layer as usize - 1];
            totals.files += 1;
            totals.bytes = totals.bytes.saturating_add(entry.size);
            if entry.has_bytes && entry.state != EntryState::Seen {
                totals.covered_files += 1;
                totals.covered_bytes = totals.covered_bytes.saturating_add(entry.size);
            }
        }
        for (link, file) in self.links.counted(&self.entries) {
            let totals = &mut all[file.layer as usize - 1];
            totals.bytes = totals.bytes.saturating_add(link.size);
        }
        all
    }

    /// The figures of each path with all that is below it, by its number in [`FileRow::path`](super::FileRow::path).
    ///
    /// # Errors
    /// When they are too much.
    pub fn path_totals(&self) -> Result<Vec<PathTotals>, OverBudget> {
        self.budget.keep(self.nodes.len() * size_of::<PathTotals>())?;
        let mut all = vec![PathTotals::default(); self.nodes.len()];
        // Each path comes after its directory, so that from the end all below is counted before.
        for number in (0..self.nodes.len()).rev() {
            for entry in self.entries_of(number) {
                let covered_bytes = entry.covered_bytes();
                let is_seen = entry.state == EntryState::Seen && !entry.kind.is_mark();
                let layers = if is_seen { (entry.layer, entry.layer) } else { (0, 0) };
                let files = u64::from(is_seen && entry.has_bytes);
                all[number].add(PathTotals {
                    files,
                    bytes: entry.size - covered_bytes,
                    covered_bytes,
                    layers,
                });
            }
            if number > 0 {
                let totals = all[number];
                all[self.nodes[number].parent as usize].add(totals);
            }
        }
        Ok(all)
    }

    /// The entries of a path, the last layer's first.
    pub(super) fn entries_of(&self, path: usize) -> impl Iterator<Item = &FileEntry> {
        let mut next = self.nodes[path].last;
        std::iter::from_fn(move || {
            let entry = &self.entries[next? as usize];
            next = entry.before;
            Some(entry)
        })
    }

    fn add(&mut self, entry: &TarEntry) -> Result<(), OverBudget> {
        let path = normal(&entry.path);
        let (directory, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], &path[..]),
        };
        if name == OPAQUE {
            let directory = self.path(directory)?;
            self.cover_below(directory, self.layers)?;
            return self.push(directory, entry, FileKind::Opaque);
        }
        if let Some(gone) = name.strip_prefix(WHITEOUT).filter(|gone| !gone.is_empty()) {
            let directory = self.path(directory)?;
            let gone = self.child(directory, gone)?;
            self.cover(gone, self.layers);
            self.cover_below(gone, self.layers)?;
            return self.push(gone, entry, FileKind::Whiteout);
        }
        let number = self.path(&path)?;
        let kind = FileKind::of(entry.kind);
        // Before the entry takes the place of another one: a link may name its own path.
        let file = if kind == FileKind::HardLink { self.linked_file(&entry.link)? } else { None };
        if kind != FileKind::Directory {
            // The directory goes with all in it, also with the files of this layer.
            self.cover_below(number, self.layers + 1)?;
        }
        if let Some(seen) = self.nodes[number as usize].seen {
            self.entries[seen as usize].state = EntryState::Replaced(self.layers);
        }
        let at = self.entries.len() as u32;
        self.nodes[number as usize].seen = Some(at);
        self.push(number, entry, kind)?;
        file.map_or(Ok(()), |file| self.links.push(at, file, &self.budget))
    }

    /// The regular file that a container sees so far where a link leads, through directories that are symbolic links. A link
    /// to a path that comes later leads nowhere: runtimes unpack one entry after the other.
    fn linked_file(&self, target: &[u8]) -> Result<Option<u32>, OverBudget> {
        let target = normal(target);
        let mut left: Vec<&[u8]> = target.split(|byte| *byte == b'/').rev().collect();
        let (mut path, mut links) = (0, 0);
        while let Some(part) = left.pop() {
            self.budget.step(1)?;
            match part {
                b"" | b"." => continue,
                b".." => {
                    path = self.nodes[path as usize].parent;
                    continue;
                }
                _ => {}
            }
            let Some(child) = self.nodes[path as usize].children.get(part) else { return Ok(None) };
            match self.directory_link(*child) {
                Some(target) if !left.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Ok(None);
                    }
                    path = if target.starts_with(b"/") { 0 } else { path };
                    left.extend(target.split(|byte| *byte == b'/').rev());
                }
                _ => path = *child,
            }
        }
        let seen = self.nodes[path as usize].seen;
        Ok(seen.and_then(|seen| self.links.file_of(seen, &self.entries)))
    }

    /// The target of the symbolic link that a container sees at a path so far.
    fn directory_link(&self, path: u32) -> Option<&[u8]> {
        let entry = &self.entries[self.nodes[path as usize].seen? as usize];
        if entry.kind == FileKind::Symlink { entry.link.as_deref() } else { None }
    }

    fn push(&mut self, path: u32, entry: &TarEntry, kind: FileKind) -> Result<(), OverBudget> {
        let is_link = matches!(kind, FileKind::Symlink | FileKind::HardLink);
        let link: Option<Box<[u8]>> = is_link.then(|| Box::from(&*entry.link));
        // Twice, because a vector grows by doubling.
        self.budget
            .keep(2 * size_of::<FileEntry>() + link.as_ref().map_or(0, |link| link.len() + ALLOCATION))?;
        let before = self.chain(path, kind)?;
        let mode = FileMode::of(entry);
        let mode = match self.numbers.get(&mode) {
            Some(number) => *number,
            None => {
                self.budget.keep(3 * size_of::<FileMode>() + PLACE)?;
                let number = self.modes.len() as u32;
                self.modes.push(mode);
                self.numbers.insert(mode, number);
                number
            }
        };
        let has_bytes = kind == FileKind::Regular;
        let size = if has_bytes { entry.size } else { 0 };
        let (layer, state) = (self.layers, EntryState::Seen);
        self.entries.push(FileEntry { kind, layer, size, has_bytes, mode, link, state, before });
        Ok(())
    }

    /// Makes the next entry one of a path, and returns the one before it. Entries of later layers come last. A mark comes before
    /// the other entries of its layer, because it is about the layers below.
    fn chain(&mut self, path: u32, kind: FileKind) -> Result<Option<u32>, OverBudget> {
        let next = self.entries.len() as u32;
        let (mut after, mut before) = (None, self.nodes[path as usize].last);
        while kind.is_mark()
            && let Some(other) = before.map(|at| &self.entries[at as usize])
            && other.layer == self.layers
            && !other.kind.is_mark()
        {
            self.budget.step(1)?;
            (after, before) = (before, other.before);
        }
        match after {
            Some(after) => self.entries[after as usize].before = Some(next),
            None => self.nodes[path as usize].last = Some(next),
        }
        Ok(before)
    }

    /// The number of a path, which is made if it is new.
    fn path(&mut self, path: &[u8]) -> Result<u32, OverBudget> {
        let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        parts.into_iter().try_fold(0, |directory, part| self.child(directory, part))
    }

    fn child(&mut self, directory: u32, name: &[u8]) -> Result<u32, OverBudget> {
        self.budget.step(1)?;
        if let Some(child) = self.nodes[directory as usize].children.get(name) {
            return Ok(*child);
        }
        // The first child of a directory makes room for eleven.
        let room = if self.nodes[directory as usize].children.is_empty() { 5 * PLACE } else { PLACE };
        self.budget.keep(2 * size_of::<PathNode>() + room + name.len() + ALLOCATION)?;
        // There is not room for as many as 32 bits can count.
        let number = self.nodes.len() as u32;
        self.nodes[directory as usize].children.insert(name.into(), number);
        self.nodes.push(PathNode { parent: directory, ..PathNode::default() });
        Ok(number)
    }

    /// Takes what layers below `layer` have at a path out of sight.
    fn cover(&mut self, path: u32, layer: u32) {
        let node = &mut self.nodes[path as usize];
        if let Some(seen) = node.seen
            && self.entries[seen as usize].layer < layer
        {
            self.entries[seen as usize].state = EntryState::Removed(self.layers);
            node.seen = None;
        }
    }

    /// Takes all out of sight that layers below `layer` have below a path.
    fn cover_below(&mut self, path: u32, layer: u32) -> Result<(), OverBudget> {
        let mut waiting: Vec<u32> = self.nodes[path as usize].children.values().copied().collect();
        while let Some(next) = waiting.pop() {
            self.budget.step(1)?;
            self.cover(next, layer);
            waiting.extend(self.nodes[next as usize].children.values());
        }
        Ok(())
    }
}

impl LayerVisitor for ImageFiles {
    fn piece(&mut self, _: &[u8]) {}

    fn entry(&mut self, entry: TarEntry) -> io::Result<()> {
        Ok(self.add(&entry)?)
    }
}
