//! The rules about content, over the files of all planned layers of a run.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::report::{self, FoundFile};
use super::role::FileRole;
use super::scan::{FileScanner, Scanned};
use super::scan_record::{ScanKey, ScanRecord, scan_key};
use super::sighting::Sighting;
use crate::engine::apps::Start;
use crate::engine::error::BuildError;
use crate::engine::memo::Memos;
use crate::engine::request::Request;
use crate::layer::{Content, Entry, EntryKind, EntryPath};
use crate::plan::PlannedLayer;
use crate::store::Store;
use crate::types::digest::{Key, KeyBuilder};
use crate::types::error::BoxedError;
use crate::types::finding::Finding;

const NAMESPACE: &str = "scans";

/// Checks the content of planned layers, and remembers what it saw.
pub(in crate::engine) struct ContentChecks {
    scanner: FileScanner,
    key: Key,
    before: ScanRecord,
    /// The scans of this build.
    new: BTreeMap<ScanKey, Vec<Sighting>>,
    /// The scans that this build asked for, for the next one, in any order.
    asked: Vec<ScanKey>,
}

/// A file that was not looked at before.
struct UnknownFile<'e> {
    /// The number of its layer, and its own in it.
    place: (usize, usize),
    role: FileRole,
    content: &'e Content,
    key: Option<ScanKey>,
}

impl ContentChecks {
    /// For a build of the request's project.
    pub(in crate::engine) fn new(store: &Store, request: &Request) -> Self {
        let project = request.project.as_os_str().as_encoded_bytes();
        let key = KeyBuilder::new("pack content scans 1").part(project).finish();
        Self {
            scanner: FileScanner::new(build_directory(&request.project)),
            before: store.memo_load(NAMESPACE, &key).unwrap_or_default(),
            key,
            new: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// All findings about the content of `layers` and about the texts of the configuration.
    pub(in crate::engine) fn run(
        &mut self,
        memos: &mut Memos<'_>,
        layers: &[PlannedLayer],
        request: &Request,
        start: &Start,
    ) -> Result<Vec<Finding>, BoxedError> {
        let found = self.scan(memos, layers)?;
        let paths: Vec<FoundFile<'_>> = found
            .into_iter()
            .filter_map(|((layer, index), sightings)| {
                let entry = layers.get(layer)?.spec.entries().get(index)?;
                Some(FoundFile { entry, sightings })
            })
            .collect();
        let volumes = request.settings.config.volumes.iter().map(|volume| volume.value.as_str());
        let volumes: Vec<EntryPath> =
            volumes.filter_map(|path| EntryPath::new(path.as_bytes()).ok()).collect();
        let mut findings = report::files(&self.scanner, layers, &paths, &volumes);
        findings.extend(report::settings(&self.scanner, request, start));
        Ok(findings)
    }

    /// The sightings of all files that have any, by the numbers of layer and entry.
    fn scan(
        &mut self,
        memos: &mut Memos<'_>,
        layers: &[PlannedLayer],
    ) -> Result<BTreeMap<(usize, usize), Vec<Sighting>>, BoxedError> {
        let mut found = BTreeMap::new();
        let mut unknown = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            for (index, entry) in layer.spec.entries().iter().enumerate() {
                let Some((role, content)) = scanned_content(entry) else { continue };
                let ids = layer.keys.as_ref().map(|keys| &keys.contents);
                let id = match ids.and_then(|ids| ids.get(index).copied().flatten()) {
                    Some(id) => Some(id),
                    None => memos.content_id(content).map_err(BuildError::Content)?,
                };
                let key = id.map(|id| scan_key(role, &id));
                let place = (number, index);
                match key.as_ref().and_then(|key| self.known(key)) {
                    Some([]) => {}
                    Some(sightings) => {
                        found.insert(place, sightings.to_vec());
                    }
                    None => unknown.push(UnknownFile { place, role, content, key }),
                }
                self.asked.extend(key);
            }
        }
        let scanner = &self.scanner;
        let scanned: Result<Vec<(UnknownFile<'_>, Scanned)>, _> = unknown
            .into_par_iter()
            .map(|file| scanner.read(file.role, file.content).map(|scanned| (file, scanned)))
            .collect();
        for (file, Scanned { sightings, id }) in scanned.map_err(BuildError::Content)? {
            if let Some(key) = file.key.or_else(|| id.map(|id| scan_key(file.role, &id))) {
                self.asked.push(key);
                self.new.insert(key, sightings.clone());
            }
            if !sightings.is_empty() {
                found.insert(file.place, sightings);
            }
        }
        Ok(found)
    }

    /// What a scan of this build or the last one saw.
    fn known(&self, key: &ScanKey) -> Option<&[Sighting]> {
        self.before.get(key).or_else(|| self.new.get(key).map(Vec::as_slice))
    }

    /// Has what was seen remembered, if it is another record than before.
    pub(in crate::engine) fn save(mut self, memos: &Memos<'_>) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.sort_unstable();
        asked.dedup();
        asked.retain(|key| self.known(key).is_some());
        if !self.new.is_empty() || self.before.len() != asked.len() {
            let scans = asked.iter().filter_map(|key| Some((*key, self.known(key)?)));
            memos.writer().save(NAMESPACE, self.key, ScanRecord::of(scans));
        }
    }
}

/// The directory that the project was built in, if it is there: a build file or an archive lies in it.
fn build_directory(project: &Path) -> &Path {
    if project.is_dir() { project } else { project.parent().unwrap_or(project) }
}

/// The role and content of an entry whose content may tell something.
fn scanned_content(entry: &Entry) -> Option<(FileRole, &Content)> {
    let EntryKind::File(content) = &entry.kind else { return None };
    let role = FileRole::of(&entry.path);
    (content.size > 0 && role != FileRole::Skipped).then_some((role, content))
}
