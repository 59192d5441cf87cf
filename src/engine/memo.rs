//! What earlier builds learned, under keys that hash everything it depends on.
//!
//! | record | key | value |
//! |---|---|---|
//! | `files` | project | path, stamp → content id, or that the file was too young: an unchanged file is not read |
//! | `archive` | path of a zip archive | stamp, content id of every entry: an unchanged archive is not read |
//! | `layer` | layer key | digest, size, diffID: a known layer is not built |
//! | `bodies` | blob digest | the bodies of the blob and the states of its hashes: a known body is not encoded, a known beginning not read |
//! | `listing` | project, platform and layer | encoder, path → metadata and content: what made the layer change |
//! | `outcome` | all that decides a build, seen from outside | the report: nothing is planned |
//! | `inputs` | project | keys of the last build's inputs: which of them changed |
//! | `recent` | | blobs of the latest builds, to look for bodies in |
//!
//! Every record may be lost, stale or damaged: then the work is done again.

mod files;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::files::Files;
use super::notes::Notes;
use super::report::Report;
use crate::formats::zip::Archive;
use crate::layer::{
    self, BodyList, Compression, Content, ContentSource, EntryKind, KnownBodies, LayerSpec, Stamp,
};
use crate::plan::{Difference, FileMemo, LayerFacts, LayerKeys, LayerMemo, Listing, Unknown};
use crate::store::Store;
use crate::types::digest::{ContentId, Digest, Key, KeyBuilder};
use crate::types::platform::Platform;

/// How many blobs of earlier builds are searched for bodies.
const RECENT: usize = 64;

/// What is known of a layer's files before any is read.
pub struct Remembered<'l> {
    /// By entry index.
    pub ids: Vec<Option<ContentId>>,
    /// The files whose ids are not remembered.
    unknown: Vec<(usize, &'l Content, Unknown)>,
    /// The same, counted.
    counts: FileMemo,
}

/// What was learned of files, on its way to the store.
struct Noted(Arc<Files>);

impl Serialize for Noted {
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
struct LookedInto {
    ids: Vec<ContentId>,
    /// Why it was read; `None` if it was not.
    unknown: Option<Unknown>,
}

/// The memos of one project. A project is where its build file or artifact lies; that decides only what
/// is found quickly, never what is built.
///
/// What is noted is written when they are dropped at the latest.
pub struct Memos<'a> {
    store: &'a Store,
    notes: Notes,
    project: Key,
    /// Nanoseconds since the epoch when this build began.
    now: i64,
    files: Arc<Files>,
    is_saved: bool,
    /// Identities of archives, once they are known in this build.
    archives: BTreeMap<PathBuf, LookedInto>,
    /// Layers that this build finished.
    finished: BTreeMap<Key, LayerFacts>,
    /// Blobs of this machine's latest builds, newest first.
    recent: OnceCell<Vec<Digest>>,
}

impl<'a> Memos<'a> {
    /// Opens the memos of the project at `project`; `now` is the time in nanoseconds since the epoch.
    pub fn open(store: &'a Store, project: &Path, now: i64) -> Self {
        let project = KeyBuilder::new("pack project 2").part(project.as_os_str().as_bytes()).finish();
        let files: Files = store.memo_load("files", &project).unwrap_or_default();
        Self {
            store,
            notes: Notes::new(store),
            project,
            now,
            files: Arc::new(files),
            is_saved: false,
            archives: BTreeMap::new(),
            finished: BTreeMap::new(),
            recent: OnceCell::new(),
        }
    }

    /// Whether the project, or anything on this machine, was built before: only then, or if others are asked, can
    /// hashing files ahead of building find a finished layer.
    fn may_know(&self) -> bool {
        !self.files.is_empty() || !self.recent().is_empty()
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
        let Remembered { mut ids, unknown, mut counts } = self.remembered(layer)?;
        if !unknown.is_empty() && (self.may_know() || asks_others()) {
            let found: Result<Vec<(usize, &Content, ContentId, Unknown)>, _> = unknown
                .into_par_iter()
                .map(|(index, content, why)| Ok((index, content, layer::identify(content)?, why)))
                .collect();
            for (index, content, id, why) in found? {
                counts.read_bytes += content.size;
                if why == Unknown::Restamped
                    && let Some(before) = self.content_before(content)
                {
                    counts.restamped -= 1;
                    *(if before == id { &mut counts.touched } else { &mut counts.changed }) += 1;
                }
                ids[index] = Some(id);
                self.learn(content, id);
            }
        }
        Ok((ids, counts))
    }

    /// The keys of a layer, if every file's identity is remembered; reads no file.
    ///
    /// # Errors
    /// When a zip archive must be read and cannot be.
    pub fn keys_if_known(
        &mut self,
        layer: &LayerSpec,
        compression: Compression,
    ) -> Result<Option<LayerKeys>, layer::ContentError> {
        let remembered = self.remembered(layer)?;
        Ok(keys_of(layer, compression, remembered.ids))
    }

    fn files(&mut self) -> &mut Files {
        self.is_saved = false;
        Arc::make_mut(&mut self.files)
    }

    fn file(&mut self, path: &Path, stamp: &Stamp) -> Result<ContentId, Unknown> {
        let path = path.as_os_str().as_bytes();
        let (known, id) = self.files().get(path).ok_or(Unknown::New)?;
        if known != *stamp {
            return Err(Unknown::Restamped);
        }
        let id = id.ok_or(Unknown::Untrusted)?;
        self.files().mark(path);
        Ok(id)
    }

    /// What a file held according to a record whose stamp is not its stamp any more.
    fn content_before(&mut self, content: &Content) -> Option<ContentId> {
        let ContentSource::File(path, _) = &content.source else { return None };
        self.files().get(path.as_os_str().as_bytes())?.1
    }

    /// The ids that are remembered, and the files that are not.
    ///
    /// # Errors
    /// When a zip archive must be read and cannot be.
    pub fn remembered<'l>(&mut self, layer: &'l LayerSpec) -> Result<Remembered<'l>, layer::ContentError> {
        let mut ids: Vec<Option<ContentId>> = vec![None; layer.entries().len()];
        let mut unknown = Vec::new();
        let mut counts = FileMemo::default();
        for (index, entry) in layer.entries().iter().enumerate() {
            let EntryKind::File(content) = &entry.kind else { continue };
            match &content.source {
                // Building does not open it, so that nobody else says what is in it.
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
                            Unknown::New => &mut counts.new,
                            Unknown::Restamped => &mut counts.restamped,
                            Unknown::Untrusted => &mut counts.untrusted,
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
                ContentSource::Bytes(_) => counts.free += 1,
            }
        }
        Ok(Remembered { ids, unknown, counts })
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
        self.files().learn(path.as_os_str().as_bytes(), (*stamp, trusted));
    }

    /// The identities of a zip archive's entries: hashes of their compressed bytes, so that nothing is
    /// inflated to see that nothing changed.
    fn archive(&mut self, archive: &Archive) -> Result<&LookedInto, layer::ContentError> {
        let looked = match self.archives.remove(archive.path()) {
            Some(looked) => looked,
            None => self.look_into(archive)?,
        };
        Ok(self.archives.entry(archive.path().to_owned()).or_insert(looked))
    }

    fn look_into(&mut self, archive: &Archive) -> Result<LookedInto, layer::ContentError> {
        let key = KeyBuilder::new("pack archive 2").part(archive.path().as_os_str().as_bytes()).finish();
        let record: Option<ArchiveRecord> = self.store.memo_load("archive", &key);
        let unknown = match record {
            None => Unknown::New,
            Some(record) if record.stamp != *archive.stamp() => Unknown::Restamped,
            Some(ArchiveRecord { ids: Some(ids), .. }) if ids.len() == archive.entries().len() => {
                return Ok(LookedInto { ids, unknown: None });
            }
            Some(_) => Unknown::Untrusted,
        };
        let ids: Result<Vec<ContentId>, _> = (0..archive.entries().len())
            .into_par_iter()
            .map(|index| layer::identify_zipped(archive, index))
            .collect();
        let ids = ids?;
        let trusted = archive.stamp().is_settled(self.now).then(|| ids.clone());
        self.notes.save("archive", key, ArchiveRecord { stamp: *archive.stamp(), ids: trusted });
        Ok(LookedInto { ids, unknown: Some(unknown) })
    }

    /// What is known of the layer with this key.
    pub fn layer(&self, key: &Key) -> Option<LayerFacts> {
        self.finished.get(key).copied().or_else(|| self.store.memo_load("layer", key))
    }

    /// Remembers a finished layer.
    pub fn learn_layer(&mut self, key: &Key, facts: &LayerFacts, list: BodyList) {
        self.finished.insert(*key, *facts);
        self.notes.save("layer", *key, *facts);
        self.notes.save("bodies", blob_key(&facts.digest), list);
        let mut recent = self.recent().to_vec();
        recent.retain(|known| *known != facts.digest);
        recent.insert(0, facts.digest);
        recent.truncate(RECENT);
        self.notes.save("recent", recent_key(), recent.clone());
        self.recent = OnceCell::from(recent);
    }

    fn recent(&self) -> &[Digest] {
        self.recent.get_or_init(|| self.store.memo_load("recent", &recent_key()).unwrap_or_default())
    }

    /// Encoded bodies of earlier builds.
    pub fn known_bodies(&self, compression: Compression) -> KnownBodies {
        let lists = self.recent().iter().filter_map(|blob| {
            let list: BodyList = self.store.memo_load("bodies", &blob_key(blob))?;
            Some((*blob, list))
        });
        KnownBodies::new(self.store.blobs(), compression, lists)
    }

    /// What is known of a layer with these keys and this place for its listing, and why nothing is.
    pub fn look_up(
        &self,
        layer: &LayerSpec,
        compression: Compression,
        listing: &Key,
        keys: Option<&LayerKeys>,
    ) -> (Option<LayerFacts>, LayerMemo, Option<Difference>) {
        let Some(keys) = keys else { return (None, LayerMemo::NothingKnown, None) };
        if let Some(facts) = self.layer(&keys.layer) {
            return (Some(facts), LayerMemo::Known, None);
        }
        let Some(before) = self.store.memo_load::<Listing>("listing", listing) else {
            return (None, LayerMemo::New, None);
        };
        let now = Listing::new(compression, layer.entries(), &keys.contents);
        match now.and_then(|now| Difference::between(&before, &now)) {
            Some(difference) => (None, LayerMemo::Changed, Some(difference)),
            None => (None, LayerMemo::Lost, None),
        }
    }

    /// Remembers the layer's entries, to say next time what changed.
    pub fn learn_listing(&mut self, key: Key, layer: &LayerSpec, compression: Compression, keys: &LayerKeys) {
        if let Some(listing) = Listing::new(compression, layer.entries(), &keys.contents) {
            self.notes.save("listing", key, listing);
        }
    }

    /// Where the listing of a layer is remembered: platforms may have different ones.
    pub fn listing_key(&self, platform: &Platform, layer: &LayerSpec) -> Key {
        KeyBuilder::new("pack listing 2")
            .part(&self.project.0)
            .part(platform.to_string().as_bytes())
            .part(layer.name().as_bytes())
            .finish()
    }

    /// Writes what was learned of files; those that this build did not see are forgotten.
    pub fn save(&mut self) {
        if !std::mem::replace(&mut self.is_saved, true) && self.files.is_changed() {
            self.notes.save("files", self.project, Noted(Arc::clone(&self.files)));
        }
    }

    /// Where more can be noted, which is written after all that was.
    pub(super) const fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }
}

/// What came of an earlier build with the inputs of this key. Kept as JSON, since the image model is only that.
pub(super) fn outcome(store: &Store, key: &Key) -> Option<Report> {
    let record: String = store.memo_load("outcome", key)?;
    serde_json::from_str(&record).ok()
}

/// Remembers what came of a build, but for how it went.
pub(super) fn learn_outcome(notes: &mut Notes, key: Key, report: &Report) {
    if let Ok(record) = serde_json::to_string(&report.without_work()) {
        notes.save("outcome", key, record);
    }
}

/// The keys of a layer, if no file's identity is missing.
pub fn keys_of(
    layer: &LayerSpec,
    compression: Compression,
    contents: Vec<Option<ContentId>>,
) -> Option<LayerKeys> {
    let pairs = layer.entries().iter().zip(&contents);
    let entries: Option<Vec<Key>> = pairs.map(|(entry, id)| layer::entry_key(entry, id.as_ref())).collect();
    let entries = entries?;
    Some(LayerKeys { layer: layer::layer_key(compression, &entries), entries, contents })
}

fn blob_key(blob: &Digest) -> Key {
    KeyBuilder::new("pack bodies of").part(blob.as_bytes()).finish()
}

fn recent_key() -> Key {
    KeyBuilder::new("pack recent blobs").finish()
}
