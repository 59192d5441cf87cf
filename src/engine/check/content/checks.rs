//! The rules about content, over the files of all planned layers of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::jar::JarFacts;
use super::report::{self, FoundFile, FoundJar, ReportScope};
use super::role::FileRole;
use super::scan::{FileScanner, MOST, SMALL, Scanned};
use super::scan_record::{ScanKey, ScanRecord, scan_key};
use super::settings;
use super::sighting::Sighting;
use crate::engine::apps::Start;
use crate::engine::error::BuildError;
use crate::engine::memo::{ContentObserver, Memos};
use crate::engine::request::Request;
use crate::formats::zip::{ArchiveEntryKind, ZipArchive, ZipError};
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath};
use crate::plan::PlannedLayer;
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;
use crate::types::digest::{ContentId, Key, KeyBuilder};
use crate::types::error::BoxedError;
use crate::types::finding::Finding;

const NAMESPACE: &str = "scans";

/// How much is inflated of the files in archives that stay packed, in bytes. A scan of so much takes seconds.
const MOST_PACKED: u64 = 2 << 30;

/// Checks the content of planned layers, and remembers what it saw.
pub(in crate::engine) struct ContentChecks {
    observer: Arc<ScanObserver>,
    key: Key,
    /// The scans of this build.
    new: ScanRecord,
    /// The scans that this build asked for, for the next one, in any order.
    asked: Vec<ScanKey>,
    /// How much more is inflated of archives that stay packed, for the image under way.
    left: u64,
}

/// Scans short files while they are identified.
struct ScanObserver {
    scanner: FileScanner,
    /// The scans of the last build.
    before: ScanRecord,
    /// The scans of files that were identified.
    seen: Mutex<Vec<(ScanKey, Vec<Sighting>)>>,
}

impl ScanObserver {
    fn take_seen(&self) -> Vec<(ScanKey, Vec<Sighting>)> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ContentObserver for ScanObserver {
    fn see(&self, path: &EntryPath, bytes: &[u8], id: &ContentId) {
        let role = FileRole::of(path);
        let is_looked_at = !bytes.is_empty() && bytes.len() as u64 <= SMALL;
        if !is_looked_at || matches!(role, FileRole::Skipped | FileRole::Jar) {
            return;
        }
        let key = scan_key(role, id);
        if self.before.get(&key).is_none() {
            let sightings = self.scanner.scan(role, bytes);
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((key, sightings));
        }
    }
}

/// The sightings in all files.
struct SeenFiles<'e> {
    files: Vec<FoundFile<'e>>,
    jars: Vec<FoundJar<'e>>,
    /// Files that were not searched, as they are more than is inflated.
    unsearched: Vec<EntryPath>,
}

/// A file: an entry of a layer, or one in an archive of the application that stays packed.
struct ScannedFile<'e> {
    entry: &'e Entry,
    /// Where it is in the archive.
    inner: Option<EntryPath>,
    role: FileRole,
    content: Content,
    key: Option<ScanKey>,
}

impl ContentChecks {
    /// For a build of the request's project.
    pub(in crate::engine) fn new(store: &Store, request: &Request) -> Self {
        let project = request.project.as_os_str().as_encoded_bytes();
        let key = KeyBuilder::new("pack content scans 5").part(project).finish();
        let observer = ScanObserver {
            scanner: FileScanner::new(build_directory(&request.project)),
            before: store.memo_load(NAMESPACE, &key).unwrap_or_default(),
            seen: Mutex::default(),
        };
        Self {
            observer: Arc::new(observer),
            key,
            new: ScanRecord::default(),
            asked: Vec::new(),
            left: MOST_PACKED,
        }
    }

    /// The observer that scans files while they are read to be identified.
    pub(in crate::engine) fn observer(&self) -> Arc<dyn ContentObserver> {
        Arc::<ScanObserver>::clone(&self.observer)
    }

    /// All findings about the content of `layers` and about the texts of the configuration.
    pub(in crate::engine) fn run(
        &mut self,
        memos: &mut Memos<'_>,
        layers: &[PlannedLayer],
        (request, interrupt): (&Request, &Interrupt),
        start: &Start,
    ) -> Result<Vec<Finding>, BoxedError> {
        let paths = request.settings.apps.iter().flat_map(|app| app.paths.as_slice());
        let own: Vec<&Path> = paths.map(|path| path.value.path()).collect();
        let seen = self.scan(memos, layers, &own, interrupt)?;
        let volumes = request.settings.config.volumes.iter().map(|volume| volume.value.as_str());
        let volumes: BTreeSet<EntryPath> =
            volumes.filter_map(|path| EntryPath::new(path.as_bytes()).ok()).collect();
        let reported = ReportScope { layers, volumes: &volumes, most: request.most_findings };
        let mut findings = report::files(&self.observer.scanner, reported, &seen.files, interrupt)?;
        findings.extend(report::unsearched(&seen.files, &seen.unsearched));
        findings.extend(report::jars(reported, &seen.jars));
        findings.extend(report::case_clashes(reported));
        findings.extend(settings::findings(&self.observer.scanner, request, start));
        Ok(findings)
    }

    /// All files in which something was seen, and all jars, in the order of the layers.
    fn scan<'e>(
        &mut self,
        memos: &mut Memos<'_>,
        layers: &'e [PlannedLayer],
        own: &[&Path],
        interrupt: &Interrupt,
    ) -> Result<SeenFiles<'e>, BuildError> {
        self.left = MOST_PACKED;
        for (key, sightings) in self.observer.take_seen() {
            self.new.add(key, &sightings);
        }
        let mut unsearched = Vec::new();
        let mut found: BTreeMap<(usize, usize, usize), FoundFile<'e>> = BTreeMap::new();
        let mut jars: BTreeMap<(usize, usize), FoundJar<'e>> = BTreeMap::new();
        let (mut unknown, mut unknown_jars) = (Vec::new(), Vec::new());
        for (number, layer) in layers.iter().enumerate() {
            for (index, entry) in layer.spec.entries().iter().enumerate() {
                let EntryKind::File(content) = &entry.kind else { continue };
                interrupt.check()?;
                let role = FileRole::of(&entry.path);
                if content.size == 0 || role == FileRole::Skipped {
                    continue;
                }
                let ids = layer.keys.as_ref().map(|keys| &keys.contents);
                let id = match ids.and_then(|ids| ids.get(index).copied().flatten()) {
                    Some(id) => Some(id),
                    None => memos.content_id(content).map_err(BuildError::Content)?,
                };
                let key = id.map(|id| scan_key(role, &id));
                self.asked.extend(key);
                let files = self.packed(memos, (entry, content), own, (&mut unsearched, interrupt))?;
                for (inner, file) in files.into_iter().enumerate() {
                    self.look_up(file, (number, index, inner + 1), &mut found, &mut unknown);
                }
                if role == FileRole::Jar {
                    match key.and_then(|key| self.known_jar(&key)) {
                        Some(facts) => {
                            jars.insert((number, index), FoundJar { entry, facts: facts.clone() });
                        }
                        None => unknown_jars.push(((number, index), entry, content, key)),
                    }
                    continue;
                }
                match key.as_ref().and_then(|key| self.known(key)) {
                    Some([]) => {}
                    _ => {
                        let file = ScannedFile { entry, inner: None, role, content: content.clone(), key };
                        self.look_up(file, (number, index, 0), &mut found, &mut unknown);
                    }
                }
            }
        }
        let scanner = &self.observer.scanner;
        let scanned: Result<Vec<_>, BuildError> = unknown
            .into_par_iter()
            .map(|(place, file)| {
                interrupt.check()?;
                let scanned = scanner.read(file.role, &file.content).map_err(BuildError::Content)?;
                Ok((place, file, scanned))
            })
            .collect();
        for (place, file, Scanned { sightings, id }) in scanned? {
            if let Some(key) = file.key.or_else(|| id.map(|id| scan_key(file.role, &id))) {
                self.asked.push(key);
                self.new.add(key, &sightings);
            }
            if !sightings.is_empty() {
                found.insert(place, FoundFile { entry: file.entry, inner: file.inner, sightings });
            }
        }
        let read: Result<Vec<_>, BuildError> = unknown_jars
            .into_par_iter()
            .map(|(place, entry, content, key)| {
                interrupt.check()?;
                let facts = JarFacts::read(content, interrupt)?;
                Ok((place, entry, key, facts))
            })
            .collect();
        for (place, entry, key, facts) in read? {
            if let Some(key) = key {
                self.new.add_jar(key, &facts);
            }
            jars.insert(place, FoundJar { entry, facts });
        }
        let (files, jars) = (found.into_values().collect(), jars.into_values().collect());
        Ok(SeenFiles { files, jars, unsearched })
    }

    /// Takes what is known of a file, or puts it among those that are not.
    fn look_up<'e>(
        &mut self,
        file: ScannedFile<'e>,
        place: (usize, usize, usize),
        found: &mut BTreeMap<(usize, usize, usize), FoundFile<'e>>,
        unknown: &mut Vec<((usize, usize, usize), ScannedFile<'e>)>,
    ) {
        self.asked.extend(file.key);
        match file.key.as_ref().and_then(|key| self.known(key)) {
            Some([]) => {}
            Some(sightings) => {
                let sightings = sightings.to_vec();
                found.insert(place, FoundFile { entry: file.entry, inner: file.inner, sightings });
            }
            None => unknown.push((place, file)),
        }
    }

    /// The files in an archive that the application is, or that is made of its entries.
    fn packed<'e>(
        &mut self,
        memos: &mut Memos<'_>,
        (entry, content): (&'e Entry, &Content),
        own: &[&Path],
        (unsearched, interrupt): (&mut Vec<EntryPath>, &Interrupt),
    ) -> Result<Vec<ScannedFile<'e>>, BuildError> {
        let (archive, members): (Arc<ZipArchive>, Vec<usize>) = match &content.source {
            ContentSource::Repacked(repacked) => {
                (Arc::clone(repacked.archive()), repacked.copied().collect())
            }
            ContentSource::File(path, _) if own.contains(&&**path) => match ZipArchive::open(path) {
                Ok(archive) => {
                    let members = 0..archive.entries().len();
                    (Arc::new(archive), members.collect())
                }
                // A program, a script.
                Err(ZipError::NotZip { .. }) if FileRole::of(&entry.path) != FileRole::Jar => {
                    return Ok(Vec::new());
                }
                Err(_) => {
                    unsearched.push(entry.path.clone());
                    return Ok(Vec::new());
                }
            },
            _ => return Ok(Vec::new()),
        };
        let mut files = Vec::new();
        for member in members {
            interrupt.check()?;
            let Some(inner) = archive.entries().get(member) else { continue };
            let Ok(path) = EntryPath::new(&inner.name) else { continue };
            let role = FileRole::of(&path);
            let is_looked_at = inner.kind == ArchiveEntryKind::File && inner.size > 0;
            if !is_looked_at || matches!(role, FileRole::Skipped | FileRole::Jar) {
                continue;
            }
            match self.left.checked_sub(inner.size.min(MOST)) {
                Some(left) => self.left = left,
                None => {
                    unsearched.push(path.below(&entry.path));
                    continue;
                }
            }
            let content =
                Content { size: inner.size, source: ContentSource::Zip(Arc::clone(&archive), member) };
            let id = memos.content_id(&content).map_err(BuildError::Content)?;
            let key = id.map(|id| scan_key(role, &id));
            files.push(ScannedFile { entry, inner: Some(path), role, content, key });
        }
        Ok(files)
    }

    /// The sightings of this build's scan or the last one.
    fn known(&self, key: &ScanKey) -> Option<&[Sighting]> {
        self.observer.before.get(key).or_else(|| self.new.get(key))
    }

    fn known_jar(&self, key: &ScanKey) -> Option<&JarFacts> {
        self.observer.before.jar(key).or_else(|| self.new.jar(key))
    }

    /// Has what was seen remembered, if it is another record than before.
    pub(in crate::engine) fn save(mut self, memos: &Memos<'_>) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.sort_unstable();
        asked.dedup();
        asked.retain(|key| self.known(key).is_some() || self.known_jar(key).is_some());
        if self.new.len() == 0 && self.observer.before.len() == asked.len() {
            return;
        }
        let mut record = ScanRecord::default();
        for key in &asked {
            if let Some(sightings) = self.known(key) {
                record.add(*key, sightings);
            } else if let Some(facts) = self.known_jar(key) {
                record.add_jar(*key, facts);
            }
        }
        memos.writer().save(NAMESPACE, self.key, record);
    }
}

/// The directory that the project was built in, if it is there: a build file or an archive lies in it.
fn build_directory(project: &Path) -> &Path {
    if project.is_dir() { project } else { project.parent().unwrap_or(project) }
}
