//! The results of earlier builds, under keys that hash everything that they depend on.
//!
//! | record | key | value |
//! |---|---|---|
//! | `files` | project | path, stamp → content id, or that the file was too young: an unchanged file is not read |
//! | `archive` | path of a zip archive | stamp, content id of every entry: an unchanged archive is not read |
//! | `layer` | layer key | digest, size, diffID: a known layer is not built |
//! | `bodies` | blob digest | the bodies of the blob and the states of its hashes: a known body is not encoded, a known beginning not read |
//! | `requirements` | kind, options, extent of the search, paths and contents of an artifact | its requirements: no file of it is read for them |
//! | `scans` | project | role and content of files → what the rules about content saw: a clean file is not looked at again |
//! | `sibling` | encoder, content of a file → the blob that it is compressed to: an unchanged file is not compressed again |
//! | `listing` | project, platform and layer | encoder, path → metadata and content: what made the layer change |
//! | `outcome` | all that decides a build, seen from outside | the report: nothing is planned |
//! | `inputs` | project | keys of the last build's inputs: which of them changed |
//! | `blobs` | project, image, or the store | blobs of earlier builds by layer, to look for bodies in; see `history.rs` |
//!
//! Every record may be lost, stale or damaged: then the work is done again.

mod contents;
mod files;
mod history;
mod learned;
mod writer;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::contents::{PendingRecord, content_key};
use self::files::FileContents;
pub use self::history::{BlobHistory, layer_slot};
use self::history::{LISTS, NewBlobs, Scopes, blob_key};
pub use self::writer::MemoWriter;
use super::report::Report;
use crate::formats::zip::ZipArchive;
use crate::layer::{
    self, BodyList, Compression, Content, ContentSource, Entry, EntryKind, EntryPath, LayerSpec, Stamp,
};
use crate::plan::{
    Difference, FileMemo, LayerFacts, LayerKeys, LayerMemo, Listing, ListingRecord, ReadReason,
};
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;
use crate::types::digest::{ContentId, Key, KeyBuilder};
use crate::types::reference::Repository;

/// So many files are read before their identities are noted: those of all files of a large layer would take tens of megabytes
/// twice.
const IDENTIFIED: usize = 16 << 10;

/// Knowledge of a layer's files before one of them is read.
pub struct FileIds<'l> {
    /// By entry index.
    pub ids: Vec<Option<ContentId>>,
    /// The files whose ids are not remembered.
    unknown: Vec<(usize, &'l Content, ReadReason)>,
    /// The same, counted.
    counts: FileMemo,
}

/// New facts about files, on their way to the store.
struct FilesRecord(Arc<FileContents>);

impl Serialize for FilesRecord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[derive(Serialize, Deserialize)]
struct ArchiveRecord {
    stamp: Stamp,
    /// None where it was too young for its stamp to be trusted.
    ids: Option<Vec<ContentId>>,
}

/// The identities of an archive's entries.
struct ArchiveIds {
    ids: Vec<ContentId>,
    /// Why it was read; `None` if it was not.
    unknown: Option<ReadReason>,
}

/// Looks at files while they are identified, so that they are not read once more for it.
pub trait ContentObserver: Send + Sync {
    /// A short file with all of its bytes; `path` is its place in the image.
    fn see(&self, path: &EntryPath, bytes: &[u8], id: &ContentId);
}

/// The memos of one project. A project is where its build file or artifact lies; that decides only what
/// is found quickly, never what is built.
///
/// They are written when they are dropped at the latest.
pub struct Memos<'a> {
    store: &'a Store,
    writer: MemoWriter,
    project: Key,
    /// Nanoseconds since the epoch when this build began.
    now: i64,
    files: Arc<FileContents>,
    is_saved: bool,
    /// Identities of archives, once they are known in this build.
    archives: BTreeMap<PathBuf, ArchiveIds>,
    /// Layers that this build finished.
    finished: BTreeMap<Key, LayerFacts>,
    /// Where blobs of earlier builds are named.
    scopes: Scopes,
    /// Blobs that this build made and that are not named there yet.
    blobs: NewBlobs,
    /// Records that wait for the identities of files.
    pending: Vec<PendingRecord>,
    /// The user's wish to stop.
    interrupt: Interrupt,
    observer: Option<Arc<dyn ContentObserver>>,
}

impl<'a> Memos<'a> {
    /// Opens the memos of the project at `project`, whose image goes to `image`; `now` is the time in nanoseconds
    /// since the epoch. New facts go to `writer`.
    pub fn open(store: &'a Store, writer: MemoWriter, project: &Path, image: &Repository, now: i64) -> Self {
        let scopes = Scopes::new(project, image);
        let project = KeyBuilder::new("pack project 3").part(project.as_os_str().as_bytes()).finish();
        let files: FileContents = store.memo_load("files", &project).unwrap_or_default();
        Self {
            store,
            writer,
            project,
            now,
            files: Arc::new(files),
            is_saved: false,
            archives: BTreeMap::new(),
            finished: BTreeMap::new(),
            scopes,
            blobs: NewBlobs::default(),
            pending: Vec::new(),
            interrupt: Interrupt::default(),
            observer: None,
        }
    }

    /// Those of a build that ends when the user interrupts.
    #[must_use]
    pub fn until(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// Those of a build in which `observer` sees the files that are read to be identified.
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn ContentObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Whether the project, or anything on this machine, was built before: only then, or if others are asked, can
    /// hashing files ahead of building find a finished layer.
    fn may_know(&self) -> bool {
        !self.files.is_empty() || self.scopes.any_in(self.store)
    }

    /// The content ids of a layer's entries, by index, `None` where one is not needed or not known; and what
    /// was known before. `asks_others` says whether layers are identified even where no memo can know them.
    ///
    /// # Errors
    /// When a file that must be read cannot be, or changed since it was planned.
    fn identities(
        &mut self,
        layer: &LayerSpec,
        asks_others: impl FnOnce() -> bool,
    ) -> Result<(Vec<Option<ContentId>>, FileMemo), layer::ContentError> {
        let FileIds { mut ids, unknown, mut counts } = self.file_ids(layer)?;
        if !unknown.is_empty() && (self.may_know() || asks_others()) {
            for some in unknown.chunks(IDENTIFIED) {
                self.identify(layer, some, &mut ids, &mut counts)?;
            }
        }
        Ok((ids, counts))
    }

    /// Reads files that are not remembered, and remembers them.
    fn identify(
        &mut self,
        layer: &LayerSpec,
        unknown: &[(usize, &Content, ReadReason)],
        ids: &mut [Option<ContentId>],
        counts: &mut FileMemo,
    ) -> Result<(), layer::ContentError> {
        let (interrupt, observer) = (&self.interrupt, self.observer.as_deref());
        let found: Result<Vec<ContentId>, layer::ContentError> = unknown
            .par_iter()
            .map(|(index, content, _)| {
                interrupt.check()?;
                let path = &layer.entries()[*index].path;
                let see = |bytes: &[u8], id: &ContentId| {
                    if let Some(observer) = observer {
                        observer.see(path, bytes, id);
                    }
                };
                layer::identify_and_see(content, interrupt, see)
            })
            .collect();
        for ((index, content, why), id) in unknown.iter().zip(found?) {
            counts.read_bytes += content.size;
            if *why == ReadReason::Restamped
                && let Some(before) = self.content_before(content)
            {
                counts.restamped -= 1;
                *(if before == id { &mut counts.touched } else { &mut counts.changed }) += 1;
            }
            ids[*index] = Some(id);
            self.learn(content, id);
        }
        Ok(())
    }

    fn files(&mut self) -> &mut FileContents {
        self.is_saved = false;
        Arc::make_mut(&mut self.files)
    }

    fn file(&mut self, path: &Path, stamp: &Stamp) -> Result<ContentId, ReadReason> {
        let path = path.as_os_str().as_bytes();
        let (known, id) = self.files().get(path).ok_or(ReadReason::New)?;
        if known != *stamp {
            return Err(ReadReason::Restamped);
        }
        let id = id.ok_or(ReadReason::Untrusted)?;
        self.files().mark(path);
        Ok(id)
    }

    /// The content of a file according to a record with another stamp.
    fn content_before(&mut self, content: &Content) -> Option<ContentId> {
        let ContentSource::File(path, _) = &content.source else { return None };
        self.files().get(path.as_os_str().as_bytes())?.1
    }

    /// The ids that are remembered, and the files that are not.
    ///
    /// # Errors
    /// When a zip archive must be read and cannot be.
    pub fn file_ids<'l>(&mut self, layer: &'l LayerSpec) -> Result<FileIds<'l>, layer::ContentError> {
        let mut ids: Vec<Option<ContentId>> = vec![None; layer.entries().len()];
        let mut unknown = Vec::new();
        let mut counts = FileMemo::default();
        for (index, entry) in layer.entries().iter().enumerate() {
            let EntryKind::File(content) = &entry.kind else { continue };
            match &content.source {
                // Building does not open it, so that its identity is only known here.
                ContentSource::File(..) if content.size == 0 => {
                    ids[index] = Some(ContentId::of(&[]));
                    counts.free += 1;
                }
                ContentSource::File(path, stamp) => match self.file(path, stamp) {
                    Ok(id) => {
                        ids[index] = Some(id);
                        counts.remembered += 1;
                    }
                    Err(why) => {
                        *match why {
                            ReadReason::New => &mut counts.new,
                            ReadReason::Restamped => &mut counts.restamped,
                            ReadReason::Untrusted => &mut counts.untrusted,
                        } += 1;
                        counts.young += usize::from(!stamp.is_settled(self.now));
                        unknown.push((index, content, why));
                    }
                },
                ContentSource::Zip(archive, of) => {
                    let looked = self.archive(archive)?;
                    ids[index] = looked.ids.get(*of).copied();
                    *match looked.unknown {
                        Some(_) => &mut counts.archive_read,
                        None => &mut counts.archive_remembered,
                    } += 1;
                    counts.archive = looked.unknown;
                }
                ContentSource::Repacked(repacked) => {
                    let looked = self.archive(repacked.archive())?;
                    ids[index] = layer::identify_repacked(repacked, &looked.ids);
                    *match looked.unknown {
                        Some(_) => &mut counts.archive_read,
                        None => &mut counts.archive_remembered,
                    } += repacked.copied().count();
                    counts.archive = looked.unknown;
                }
                ContentSource::Bytes(_) => counts.free += 1,
            }
        }
        Ok(FileIds { ids, unknown, counts })
    }

    /// The key of `question` about the paths and contents of `entries`; `None` where a content is not known yet. No file
    /// is read for it, but a zip archive that changed.
    ///
    /// # Errors
    /// When a zip archive must be read and cannot be.
    pub fn content_key<'e>(
        &mut self,
        question: &Key,
        entries: impl IntoIterator<Item = &'e Entry>,
    ) -> Result<Option<Key>, layer::ContentError> {
        content_key(question, entries, |content| self.content_id(content))
    }

    /// Has `save` called with the key of `question` about `entries` when the memos are saved, if it is known by then.
    pub fn when_contents_are_known(
        &mut self,
        question: Key,
        entries: Vec<Entry>,
        save: impl FnOnce(&MemoWriter, Key) + Send + 'static,
    ) {
        self.pending.push(PendingRecord { question, entries, save: Box::new(save) });
    }

    /// Saves the records whose contents are known by now.
    fn save_pending(&mut self) {
        for PendingRecord { question, entries, save } in std::mem::take(&mut self.pending) {
            // An archive that cannot be read has stopped the build.
            if let Ok(Some(key)) = self.content_key(&question, &entries) {
                save(&self.writer, key);
            }
        }
    }

    /// The identity of a content; `None` for a file that is not remembered.
    ///
    /// # Errors
    /// When a zip archive must be read and cannot be.
    pub(super) fn content_id(&mut self, content: &Content) -> Result<Option<ContentId>, layer::ContentError> {
        Ok(match &content.source {
            ContentSource::File(..) if content.size == 0 => Some(ContentId::of(&[])),
            ContentSource::File(path, stamp) => self.file(path, stamp).ok(),
            ContentSource::Zip(archive, of) => self.archive(archive)?.ids.get(*of).copied(),
            ContentSource::Repacked(repacked) => {
                layer::identify_repacked(repacked, &self.archive(repacked.archive())?.ids)
            }
            ContentSource::Bytes(bytes) => Some(ContentId::of(bytes)),
        })
    }

    /// The identities of contents, in their order. Files that are not remembered are read.
    ///
    /// # Errors
    /// When a file that must be read cannot be, or changed since it was planned.
    pub fn content_ids(&mut self, contents: &[&Content]) -> Result<Vec<ContentId>, layer::ContentError> {
        let known: Vec<Option<ContentId>> =
            contents.iter().map(|content| self.content_id(content)).collect::<Result<_, _>>()?;
        let interrupt = &self.interrupt;
        let read = contents.par_iter().zip(known).map(|(content, known)| -> Result<_, layer::ContentError> {
            interrupt.check()?;
            match known {
                Some(id) => Ok((id, false)),
                None => Ok((layer::identify(content, interrupt)?, true)),
            }
        });
        let ids: Vec<(ContentId, bool)> = read.collect::<Result<_, layer::ContentError>>()?;
        for (content, (id, is_new)) in contents.iter().zip(&ids) {
            if *is_new {
                self.learn(content, *id);
            }
        }
        Ok(ids.into_iter().map(|(id, _)| id).collect())
    }

    /// The keys of a layer whose every file is known, and what was known of the files before. `asks_others` says
    /// whether files are read for that even where no memo can know the layer.
    ///
    /// # Errors
    /// When a file that must be read cannot be, or changed since it was planned.
    pub fn keys(
        &mut self,
        layer: &LayerSpec,
        compression: Compression,
        asks_others: impl FnOnce() -> bool,
    ) -> Result<(Option<LayerKeys>, FileMemo), layer::ContentError> {
        let (ids, counts) = self.identities(layer, asks_others)?;
        Ok((keys_of(layer, compression, ids), counts))
    }

    /// The layer with a time for each file that is a function of its content, with what [`Memos::keys`] says of it. Files that
    /// are not remembered are read: their times stand before their contents.
    ///
    /// # Errors
    /// As for [`Memos::keys`].
    pub fn keys_with_times(
        &mut self,
        layer: LayerSpec,
        compression: Compression,
    ) -> Result<(LayerSpec, Option<LayerKeys>, FileMemo), layer::ContentError> {
        let (ids, counts) = self.identities(&layer, || true)?;
        let of_bytes = |entry: &layer::Entry| match &entry.kind {
            EntryKind::File(Content { source: ContentSource::Bytes(bytes), .. }) => {
                Some(ContentId::of(bytes))
            }
            _ => None,
        };
        let times: Vec<Option<u64>> = layer
            .entries()
            .iter()
            .zip(&ids)
            .map(|(entry, id)| id.or_else(|| of_bytes(entry)).map(|id| layer::content_time(&id)))
            .collect();
        let layer = layer.with_file_times(|index| times[index]);
        let keys = keys_of(&layer, compression, ids);
        Ok((layer, keys, counts))
    }

    /// Remembers what a file holds, but for a file that may have changed after it was read without its stamp
    /// showing it: git's racy-timestamp rule. Of that one, only that it was seen.
    pub fn learn(&mut self, content: &Content, id: ContentId) {
        let ContentSource::File(path, stamp) = &content.source else { return };
        let trusted = stamp.is_settled(self.now).then_some(id);
        self.files().learn(path, (*stamp, trusted));
    }

    /// The identities of a zip archive's entries: hashes of their compressed bytes, so that nothing is
    /// inflated to see that nothing changed.
    fn archive(&mut self, archive: &ZipArchive) -> Result<&ArchiveIds, layer::ContentError> {
        let looked = match self.archives.remove(archive.path()) {
            Some(looked) => looked,
            None => self.look_into(archive)?,
        };
        Ok(self.archives.entry(archive.path().to_owned()).or_insert(looked))
    }

    fn look_into(&mut self, archive: &ZipArchive) -> Result<ArchiveIds, layer::ContentError> {
        let key = KeyBuilder::new("pack archive 3").part(archive.path().as_os_str().as_bytes()).finish();
        let record: Option<ArchiveRecord> = self.store.memo_load("archive", &key);
        let unknown = match record {
            None => ReadReason::New,
            Some(record) if record.stamp != *archive.stamp() => ReadReason::Restamped,
            Some(ArchiveRecord { ids: Some(ids), .. }) if ids.len() == archive.entries().len() => {
                return Ok(ArchiveIds { ids, unknown: None });
            }
            Some(_) => ReadReason::Untrusted,
        };
        let interrupt = &self.interrupt;
        let ids: Result<Vec<ContentId>, layer::ContentError> = (0..archive.entries().len())
            .into_par_iter()
            .map(|index| {
                interrupt.check()?;
                layer::identify_zipped(archive, index)
            })
            .collect();
        let ids = ids?;
        let trusted = archive.stamp().is_settled(self.now).then(|| ids.clone());
        self.writer.save("archive", key, ArchiveRecord { stamp: *archive.stamp(), ids: trusted });
        Ok(ArchiveIds { ids, unknown: Some(unknown) })
    }

    /// The facts about the layer with this key.
    pub fn layer(&self, key: &Key) -> Option<LayerFacts> {
        self.finished.get(key).copied().or_else(|| self.store.memo_load("layer", key))
    }

    /// Remembers a finished layer, which is the one of the project with this slot.
    pub fn learn_layer(
        &mut self,
        slot: Key,
        compression: Compression,
        key: &Key,
        facts: &LayerFacts,
        list: BodyList,
    ) {
        self.finished.insert(*key, *facts);
        self.writer.save("layer", *key, *facts);
        self.writer.save(LISTS, blob_key(&facts.digest), list);
        self.blobs.add(slot, compression, facts.digest);
    }

    /// Where encoded bodies of earlier builds are looked for.
    #[must_use]
    pub fn history(&self, compression: Compression) -> BlobHistory {
        BlobHistory::new(self.store, compression, self.scopes)
    }

    fn save_blobs(&mut self) {
        if !self.blobs.is_empty() {
            let (blobs, scopes) = (std::mem::take(&mut self.blobs), self.scopes);
            self.writer.run(move |store| blobs.save(store, &scopes));
        }
    }

    /// The facts about the layer with these keys and this slot, or the reason why there are none.
    pub fn look_up(
        &self,
        layer: &LayerSpec,
        compression: Compression,
        slot: &Key,
        keys: Option<&LayerKeys>,
    ) -> (Option<LayerFacts>, LayerMemo, Option<Difference>) {
        let Some(keys) = keys else { return (None, LayerMemo::NothingKnown, None) };
        if let Some(facts) = self.layer(&keys.layer) {
            return (Some(facts), LayerMemo::Known, None);
        }
        let Some(before) = self.store.memo_load::<Listing>("listing", &self.listing_key(slot)) else {
            let is_first = self.files.began_empty() && !self.scopes.any_in(self.store);
            return (None, if is_first { LayerMemo::NothingKnown } else { LayerMemo::New }, None);
        };
        let now = Listing::new(compression, layer.entries(), &keys.contents);
        match now.and_then(|now| Difference::between(&before, &now)) {
            Some(difference) => (None, LayerMemo::Changed, Some(difference)),
            None => (None, LayerMemo::Lost, None),
        }
    }

    /// Remembers the layer's entries, to say next time what changed.
    pub fn learn_listing(
        &mut self,
        slot: &Key,
        layer: &LayerSpec,
        compression: Compression,
        keys: &LayerKeys,
    ) {
        if let Some(listing) = ListingRecord::new(compression, layer, &keys.contents) {
            self.writer.save("listing", self.listing_key(slot), listing);
        }
    }

    /// Where the listing of the layer with this slot is remembered.
    fn listing_key(&self, slot: &Key) -> Key {
        KeyBuilder::new("pack listing 4").part(&self.project.0).part(&slot.0).finish()
    }

    /// Writes what was learned of files and blobs; files that this build did not see are forgotten.
    pub fn save(&mut self) {
        self.save_blobs();
        self.save_pending();
        if !std::mem::replace(&mut self.is_saved, true) && self.files.is_changed() {
            self.writer.save("files", self.project, FilesRecord(Arc::clone(&self.files)));
        }
    }

    /// Where more can be noted, which is written after all that was.
    pub(super) const fn writer(&self) -> &MemoWriter {
        &self.writer
    }
}

impl Drop for Memos<'_> {
    /// Layers that were built are of use to the next build, though this one may have failed.
    fn drop(&mut self) {
        self.save_blobs();
    }
}

/// The outcome of an earlier build with the inputs of this key. Kept as JSON, since the image model is only that.
pub(super) fn outcome(store: &Store, key: &Key) -> Option<Report> {
    let record: String = store.memo_load("outcome", key)?;
    serde_json::from_str(&record).ok()
}

/// Remembers what came of a build, but for how it went.
pub(super) fn learn_outcome(writer: &MemoWriter, key: Key, report: &Report) {
    if let Ok(record) = serde_json::to_string(&report.without_work()) {
        writer.save("outcome", key, record);
    }
}

/// The keys of a layer, if no file's identity is missing.
pub fn keys_of(
    layer: &LayerSpec,
    compression: Compression,
    contents: Vec<Option<ContentId>>,
) -> Option<LayerKeys> {
    // Of a large layer they take tens of megabytes, so nothing is moved to make room for more of them.
    let mut entries = Vec::with_capacity(contents.len());
    for (entry, id) in layer.entries().iter().zip(&contents) {
        entries.push(layer::entry_key(entry, id.as_ref())?);
    }
    Some(LayerKeys {
        layer: layer::layer_key(compression, &entries),
        entries: entries.into(),
        contents: contents.into(),
    })
}
