//! What earlier builds learned, under keys that hash everything it depends on.
//!
//! | record | key | value |
//! |---|---|---|
//! | `files` | project | path, stamp → content id: an unchanged file is not read |
//! | `archive` | path of a zip archive | stamp, content id of every entry: an unchanged archive is not read |
//! | `layer` | layer key | digest, size, diffID: a known layer is not built |
//! | `bodies` | blob digest | the bodies of the blob: a known body is not encoded |
//! | `listing` | project and layer | path → entry key: which file made the layer change |
//! | `outcome` | all that decides a build, seen from outside | the report: nothing is planned |
//! | `recent` | | blobs of the latest builds, to look for bodies in |
//!
//! Every record may be lost, stale or damaged: then the work is done again.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::digest::{ContentId, Digest, Key, KeyBuilder};
use crate::layer::{
    self, BodyRecord, Compression, Content, ContentSource, EntryKind, EntryPath, KnownBodies, LayerSpec,
    Stamp,
};
use crate::plan::{Difference, LayerFacts, LayerKeys};
use crate::store::Store;
use crate::zip::Archive;

/// How many blobs of earlier builds are searched for bodies.
const RECENT: usize = 64;

/// Ids by entry index, and the files whose ids are not remembered.
type Remembered<'l> = (Vec<Option<ContentId>>, Vec<(usize, &'l Content)>);

/// What files hold, by path.
type Files = BTreeMap<Vec<u8>, (Stamp, ContentId)>;

#[derive(Serialize, Deserialize)]
struct ArchiveRecord {
    stamp: Stamp,
    ids: Vec<ContentId>,
}

/// The memos of one project. A project is where its build file or artifact lies; that decides only what
/// is found quickly, never what is built.
pub struct Memos<'a> {
    store: &'a Store,
    project: Key,
    /// Nanoseconds since the epoch when this build began.
    now: i64,
    files: Files,
    /// Those that this build saw.
    used: Files,
    learned: bool,
    /// Whether others may know what this machine does not.
    asks_others: bool,
    /// Identities of archives, once they are known in this build.
    archives: BTreeMap<PathBuf, Vec<ContentId>>,
}

impl<'a> Memos<'a> {
    /// Opens the memos of the project at `project`; `now` is the time in nanoseconds since the epoch. With
    /// `asks_others`, layers are identified even where no memo can know them.
    pub fn open(store: &'a Store, project: &Path, now: i64, asks_others: bool) -> Self {
        let project = KeyBuilder::new("pack project").part(project.as_os_str().as_bytes()).finish();
        let files: Files = store.memo_load("files", &project).unwrap_or_default();
        let (used, archives) = (Files::new(), BTreeMap::new());
        Self { store, project, now, files, used, learned: false, asks_others, archives }
    }

    /// Whether the project, or anything on this machine, was built before, or others are asked: only then can
    /// hashing files ahead of building find a finished layer.
    fn may_know(&self) -> bool {
        self.asks_others || !self.files.is_empty() || !self.recent().is_empty()
    }

    /// The content ids of a layer's entries, by index; `None` where one is not needed or not known.
    ///
    /// # Errors
    /// When a file that must be read cannot be, or changed since it was planned.
    pub fn identities(&mut self, layer: &LayerSpec) -> Result<Vec<Option<ContentId>>, layer::ContentError> {
        let (mut ids, unknown) = self.remembered(layer)?;
        if !unknown.is_empty() && self.may_know() {
            let found: Result<Vec<(usize, &Content, ContentId)>, _> = unknown
                .into_par_iter()
                .map(|(index, content)| Ok((index, content, layer::identify(content)?)))
                .collect();
            for (index, content, id) in found? {
                ids[index] = Some(id);
                self.learn(content, id);
            }
        }
        Ok(ids)
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
        let (ids, _) = self.remembered(layer)?;
        Ok(keys_of(layer, compression, &ids))
    }

    fn file(&mut self, path: &Path, stamp: &Stamp) -> Option<ContentId> {
        let path = path.as_os_str().as_bytes();
        let (known, id) = self.files.get(path)?;
        if known != stamp {
            return None;
        }
        let id = *id;
        self.used.insert(path.to_vec(), (*stamp, id));
        Some(id)
    }

    /// The ids that are remembered, and the files that are not.
    ///
    /// # Errors
    /// When a zip archive must be read and cannot be.
    pub fn remembered<'l>(&mut self, layer: &'l LayerSpec) -> Result<Remembered<'l>, layer::ContentError> {
        let mut ids: Vec<Option<ContentId>> = vec![None; layer.entries().len()];
        let mut unknown = Vec::new();
        for (index, entry) in layer.entries().iter().enumerate() {
            let EntryKind::File(content) = &entry.kind else { continue };
            match &content.source {
                // Building does not open it, so that nobody else says what is in it.
                ContentSource::File(..) if content.size == 0 => ids[index] = Some(ContentId::of(&[])),
                ContentSource::File(path, stamp) => {
                    ids[index] = self.file(path, stamp);
                    if ids[index].is_none() {
                        unknown.push((index, content));
                    }
                }
                ContentSource::Zip(archive, of) => {
                    ids[index] = self.archive(archive)?.get(*of).copied();
                }
                ContentSource::Bytes(_) => {}
            }
        }
        Ok((ids, unknown))
    }

    /// The keys of a layer whose every file is known.
    ///
    /// # Errors
    /// As [`Memos::identities`].
    pub fn keys(
        &mut self,
        layer: &LayerSpec,
        compression: Compression,
    ) -> Result<Option<LayerKeys>, layer::ContentError> {
        let ids = self.identities(layer)?;
        Ok(keys_of(layer, compression, &ids))
    }

    /// Remembers what a file holds, unless it may have changed after it was read without its stamp showing
    /// it: git's racy-timestamp rule.
    pub fn learn(&mut self, content: &Content, id: ContentId) {
        let ContentSource::File(path, stamp) = &content.source else { return };
        if stamp.is_settled(self.now) {
            let path = path.as_os_str().as_bytes().to_vec();
            self.files.insert(path.clone(), (*stamp, id));
            self.used.insert(path, (*stamp, id));
            self.learned = true;
        }
    }

    /// The identities of a zip archive's entries: hashes of their compressed bytes, so that nothing is
    /// inflated to see that nothing changed.
    fn archive(&mut self, archive: &Archive) -> Result<&[ContentId], layer::ContentError> {
        if !self.archives.contains_key(archive.path()) {
            let ids = self.look_into(archive)?;
            self.archives.insert(archive.path().to_owned(), ids);
        }
        Ok(self.archives.get(archive.path()).map_or(&[], |ids| ids))
    }

    fn look_into(&self, archive: &Archive) -> Result<Vec<ContentId>, layer::ContentError> {
        let key = KeyBuilder::new("pack archive").part(archive.path().as_os_str().as_bytes()).finish();
        let record: Option<ArchiveRecord> = self.store.memo_load("archive", &key);
        if let Some(record) = record
            && record.stamp == *archive.stamp()
            && record.ids.len() == archive.entries().len()
        {
            return Ok(record.ids);
        }
        let ids: Result<Vec<ContentId>, _> = (0..archive.entries().len())
            .into_par_iter()
            .map(|index| layer::identify_zipped(archive, index))
            .collect();
        let ids = ids?;
        if archive.stamp().is_settled(self.now) {
            self.store.memo_save(
                "archive",
                &key,
                &ArchiveRecord { stamp: *archive.stamp(), ids: ids.clone() },
            );
        }
        Ok(ids)
    }

    /// What is known of the layer with this key.
    pub fn layer(&self, key: &Key) -> Option<LayerFacts> {
        self.store.memo_load("layer", key)
    }

    /// Remembers a finished layer.
    pub fn learn_layer(&self, key: &Key, facts: &LayerFacts, bodies: &[BodyRecord]) {
        self.store.memo_save("layer", key, facts);
        if !bodies.is_empty() {
            self.store.memo_save("bodies", &blob_key(&facts.digest), &bodies);
            self.remember_blob(facts.digest);
        }
    }

    fn recent(&self) -> Vec<Digest> {
        self.store.memo_load("recent", &recent_key()).unwrap_or_default()
    }

    /// Blobs of this machine's latest builds, newest first.
    fn remember_blob(&self, blob: Digest) {
        let mut recent = self.recent();
        recent.retain(|known| *known != blob);
        recent.insert(0, blob);
        recent.truncate(RECENT);
        self.store.memo_save("recent", &recent_key(), &recent);
    }

    /// Encoded bodies of earlier builds.
    pub fn known_bodies(&self, compression: Compression) -> KnownBodies {
        let lists = self.recent().into_iter().filter_map(|blob| {
            let records: Vec<BodyRecord> = self.store.memo_load("bodies", &blob_key(&blob))?;
            Some((blob, records))
        });
        KnownBodies::new(self.store.blobs(), compression, lists)
    }

    /// What differs from the last time this layer of the project was built; `None` the first time, and
    /// when nothing differs.
    pub fn difference(&self, layer: &LayerSpec, keys: &[Key]) -> Option<Difference> {
        let before: Vec<(EntryPath, Key)> = self.store.memo_load("listing", &self.listing_key(layer))?;
        let before: BTreeMap<&EntryPath, &Key> = before.iter().map(|(path, key)| (path, key)).collect();
        let now: BTreeMap<&EntryPath, &Key> =
            layer.entries().iter().map(|entry| &entry.path).zip(keys).collect();
        Difference::between(&before, &now)
    }

    /// Remembers the layer's paths, to say next time what changed.
    pub fn learn_listing(&self, layer: &LayerSpec, keys: &[Key]) {
        let listing: Vec<(&EntryPath, &Key)> =
            layer.entries().iter().map(|entry| &entry.path).zip(keys).collect();
        self.store.memo_save("listing", &self.listing_key(layer), &listing);
    }

    fn listing_key(&self, layer: &LayerSpec) -> Key {
        KeyBuilder::new("pack listing").part(&self.project.0).part(layer.name().as_bytes()).finish()
    }

    /// Writes what was learned of files; those that this build did not see are forgotten.
    pub fn save(self) {
        if self.learned || self.used.len() != self.files.len() {
            self.store.memo_save("files", &self.project, &self.used);
        }
    }
}

/// What came of an earlier build with the inputs of this key. Kept as JSON, since the image model is only that.
pub(super) fn outcome(store: &Store, key: &Key) -> Option<Report> {
    let record: String = store.memo_load("outcome", key)?;
    serde_json::from_str(&record).ok()
}

/// Remembers what came of a build, but for how it went.
pub(super) fn learn_outcome(store: &Store, key: &Key, report: &Report) {
    if let Ok(record) = serde_json::to_string(&report.without_work()) {
        store.memo_save("outcome", key, &record);
    }
}

/// The keys of a layer, if no file's identity is missing.
pub fn keys_of(layer: &LayerSpec, compression: Compression, ids: &[Option<ContentId>]) -> Option<LayerKeys> {
    let pairs = layer.entries().iter().zip(ids);
    let entries: Option<Vec<Key>> = pairs.map(|(entry, id)| layer::entry_key(entry, id.as_ref())).collect();
    let entries = entries?;
    Some(LayerKeys { layer: layer::layer_key(compression, &entries), entries })
}

fn blob_key(blob: &Digest) -> Key {
    KeyBuilder::new("pack bodies of").part(blob.as_bytes()).finish()
}

fn recent_key() -> Key {
    KeyBuilder::new("pack recent blobs").finish()
}
