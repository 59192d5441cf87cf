//! The releases of an environment: who, when, which commit, and what each changed against the one before.
//!
//! All that is wrong with the history is told with it, and nothing is left out: a record that was tampered with, that is
//! missing, or that follows another one than its history has. Two releases of one number are no fault: their writers met.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ledger::Ledger;
use super::list::ReleaseList;
use super::record::{PreviousRelease, RecordFault, ReleaseRecord, StoredRelease};
use super::shelf::ReleaseShelf;
use crate::inspect::diff::{self, DiffOptions};
use crate::oci::select::is_attestation;
use crate::oci::{Descriptor, ManifestOrIndex, RawDocument, media_type};
use crate::transport::registry;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseKey};

/// Platforms of an index that are compared.
const PLATFORMS: usize = 16;

/// The extent of a history.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// So many releases, the newest ones.
    pub most: usize,
    /// How to find the changed paths; not at all where there is none.
    pub files: Option<DiffOptions>,
}

/// The releases of an environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseHistory {
    /// The environment.
    pub environment: EnvironmentName,
    /// The repository.
    pub image: Repository,
    /// The digest that the tag of the environment has; absent where there is no such tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<Digest>,
    /// How many releases there are.
    pub total: usize,
    /// The newest ones, newest first.
    pub releases: Vec<PastRelease>,
    /// Everything that is wrong with them.
    pub faults: Vec<HistoryFault>,
}

/// A release of the past.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PastRelease {
    /// The tag of its record.
    pub tag: Tag,
    /// The digest of its record.
    #[serde(rename = "recordDigest")]
    pub digest: Digest,
    /// The record.
    #[serde(flatten)]
    pub record: ReleaseRecord,
    /// The change against the release before it; absent for the first one, and where that one cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ReleaseChange>,
}

/// The difference between two releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseChange {
    /// Layers that the release before did not have.
    pub added_layers: usize,
    /// Their bytes, as stored: what a machine that ran the release before has to fetch.
    pub added_bytes: u64,
    /// Layers that only the release before had.
    pub removed_layers: usize,
    /// Layers that both have.
    pub kept_layers: usize,
    /// The paths that changed, each with `+`, `-` or `~` before it, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
}

/// Something that is wrong with a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryFault {
    /// The tag of the record; of one that is missing, a pattern.
    pub tag: String,
    /// `tampered`, `missing` or `fork`.
    pub fault: &'static str,
    /// In words.
    pub message: String,
}

/// A history that is not sound.
#[derive(Debug, thiserror::Error)]
#[error("the releases of `{environment}` are not sound: {first}{}", more(*others))]
pub struct UnsoundHistory {
    environment: EnvironmentName,
    first: String,
    others: usize,
    kind: Kind,
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

impl Explain for UnsoundHistory {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn hint(&self) -> Option<String> {
        Some(format!("find out who can write tags that begin with `{}-r`", self.environment))
    }
}

impl ReleaseHistory {
    /// Whether all of it is sound.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), UnsoundHistory> {
        let Some(first) = self.faults.first() else { return Ok(()) };
        // A record that is gone is no attack: somebody cleaned up.
        let is_policy = self.faults.iter().any(|fault| fault.fault != "missing");
        Err(UnsoundHistory {
            environment: self.environment.clone(),
            first: first.message.clone(),
            others: self.faults.len() - 1,
            kind: if is_policy { Kind::Policy } else { Kind::Input },
        })
    }
}

/// Reads the newest releases of an environment.
///
/// # Errors
/// When there is no such environment, or the registry cannot be asked. A record that is not sound is no error here.
pub fn history(
    ledger: &Ledger,
    environment: &EnvironmentName,
    options: &HistoryOptions,
) -> Result<ReleaseHistory, BoxedError> {
    let list = ledger.releases()?;
    ledger.newest(&list, environment)?;
    let mut reader = HistoryReader::new(ledger, environment, &list);
    let wanted = reader.read(options.most)?;
    let mut releases = Vec::new();
    for (at, release) in wanted.iter().enumerate() {
        let before = wanted.get(at + 1).or(reader.older.as_ref());
        let change = before.map(|before| change(ledger, before, release, options)).transpose()?;
        releases.push(PastRelease {
            tag: release.tag(),
            digest: release.descriptor.digest,
            record: release.record.clone(),
            change,
        });
    }
    Ok(ReleaseHistory {
        environment: environment.clone(),
        image: ledger.repository().clone(),
        pointer: ledger.resolve(environment.pointer())?,
        total: list.of_environment(environment).count(),
        releases,
        faults: reader.faults,
    })
}

/// Reads the records of a history, and finds what is wrong with them.
pub(super) struct HistoryReader<'a, S> {
    shelf: &'a S,
    environment: &'a EnvironmentName,
    list: &'a ReleaseList,
    /// The release before the oldest one that was read.
    older: Option<StoredRelease>,
    /// Everything that is wrong.
    pub(super) faults: Vec<HistoryFault>,
}

impl<'a, S: ReleaseShelf> HistoryReader<'a, S> {
    pub(super) const fn new(shelf: &'a S, environment: &'a EnvironmentName, list: &'a ReleaseList) -> Self {
        Self { shelf, environment, list, older: None, faults: Vec::new() }
    }

    /// The newest releases, newest first, as far as they are sound.
    pub(super) fn read(&mut self, most: usize) -> Result<Vec<StoredRelease>, BoxedError> {
        let mut found = Vec::new();
        let mut next = self.list.newest(self.environment).map(|newest| newest.number);
        let mut count = 0;
        while let Some(number) = next.filter(|_| count < most) {
            next = number.before();
            let mut keys = self.list.with_number(self.environment, number);
            if self.list.records_with_number(self.environment, number).is_empty() {
                self.fault(&RecordFault::Missing { tag: self.environment.record_tags(number) });
            }
            keys.reverse();
            // A number without a release counts, too: the work is bounded.
            count += keys.len().max(1);
            for key in keys {
                found.extend(self.release(key)?);
            }
        }
        // One more, to compare the oldest with.
        let oldest = next.map(|number| self.list.with_number(self.environment, number));
        if let Some(key) = oldest.and_then(|keys| keys.last().copied()) {
            self.older = self.release(key)?;
        }
        self.check_chain(&found)?;
        Ok(found)
    }

    fn fault(&mut self, fault: &RecordFault) {
        let (tag, message) = (fault.tag().to_owned(), fault.to_string());
        self.faults.push(HistoryFault { tag, fault: fault.word(), message });
    }

    /// A record, unless it is not sound.
    fn release(&mut self, key: ReleaseKey) -> Result<Option<StoredRelease>, BoxedError> {
        match self.shelf.read_or_fault(self.environment, key)? {
            Ok(release) => Ok(Some(release)),
            Err(fault) => {
                self.fault(&fault);
                Ok(None)
            }
        }
    }

    /// Each record follows one that has the number before it.
    fn check_chain(&mut self, releases: &[StoredRelease]) -> Result<(), BoxedError> {
        for release in releases {
            let tag = release.tag();
            let fault = match (&release.record.previous, release.key.number.before()) {
                (None, None) => continue,
                (None, Some(_)) => {
                    RecordFault::Chain { tag, why: "it says that it is the first release".into() }
                }
                (Some(previous), before) if Some(previous.release) != before => {
                    RecordFault::Chain { tag, why: format!("it says that it follows {}", previous.release) }
                }
                (Some(previous), _) if self.has_record(previous, releases)? => continue,
                (Some(previous), _) => RecordFault::Fork { tag, expected: previous.record },
            };
            self.fault(&fault);
        }
        Ok(())
    }

    /// Whether a record that another one follows is there, or nothing is known of it: its number is not in the list any
    /// more, or its record was named as a fault.
    fn has_record(&self, link: &PreviousRelease, releases: &[StoredRelease]) -> Result<bool, BoxedError> {
        let is_it = |release: &StoredRelease| release.descriptor.digest == link.record;
        if releases.iter().chain(&self.older).any(is_it) {
            return Ok(true);
        }
        for key in self.list.records_with_number(self.environment, link.release) {
            // Its writer may have given up its number after this one had followed it.
            if self.list.has(self.environment, key) {
                if !releases.iter().chain(&self.older).any(|release| release.key == key) {
                    match self.shelf.read_or_fault(self.environment, key)? {
                        Ok(release) if !is_it(&release) => {}
                        _ => return Ok(true),
                    }
                }
            } else if self.shelf.read_or_fault(self.environment, key)?.is_ok_and(|release| is_it(&release)) {
                return Ok(true);
            }
        }
        Ok(self.list.records_with_number(self.environment, link.release).is_empty())
    }
}

/// The layers of an image, or of all images of an index, with their sizes.
fn layers(ledger: &Ledger, manifest: &RawDocument) -> Result<BTreeMap<Digest, u64>, BoxedError> {
    let mut found = BTreeMap::new();
    match manifest.parse() {
        Ok(ManifestOrIndex::Manifest(manifest)) => {
            found.extend(manifest.layers.iter().map(|layer| (layer.digest, layer.size)));
        }
        Ok(ManifestOrIndex::Index(index)) => {
            let is_image = |entry: &&Descriptor| {
                media_type::document(&entry.media_type).is_some() && !is_attestation(entry)
            };
            for entry in index.manifests.iter().filter(is_image).take(PLATFORMS) {
                let child = ledger.document(&entry.digest.to_string(), Some(entry))?;
                if let Ok(ManifestOrIndex::Manifest(manifest)) = child.parse() {
                    found.extend(manifest.layers.iter().map(|layer| (layer.digest, layer.size)));
                }
            }
        }
        Err(_) => {}
    }
    Ok(found)
}

/// The change from one release to the next.
fn change(
    ledger: &Ledger,
    before: &StoredRelease,
    release: &StoredRelease,
    options: &HistoryOptions,
) -> Result<ReleaseChange, BoxedError> {
    let is_same = before.image.digest == release.image.digest;
    let (old, new) =
        (layers(ledger, &ledger.manifest(before)?)?, layers(ledger, &ledger.manifest(release)?)?);
    let added = || new.iter().filter(|(digest, _)| !old.contains_key(digest));
    let files = match &options.files {
        Some(_) if is_same => Some(Vec::new()),
        Some(how) => Some(files(ledger, before, release, how)?),
        None => None,
    };
    Ok(ReleaseChange {
        added_layers: added().count(),
        added_bytes: added().fold(0, |sum, (_, size)| sum.saturating_add(*size)),
        removed_layers: old.keys().filter(|digest| !new.contains_key(digest)).count(),
        kept_layers: new.keys().filter(|digest| old.contains_key(digest)).count(),
        files,
    })
}

/// The paths that changed, of all platforms.
fn files(
    ledger: &Ledger,
    before: &StoredRelease,
    release: &StoredRelease,
    how: &DiffOptions,
) -> Result<Vec<String>, BoxedError> {
    let image = |release: &StoredRelease| {
        let reference = ledger.repository().at_digest(release.image.digest);
        registry::source(ledger.client().clone(), reference)
    };
    let found = diff::diff(&image(before), &image(release), how)?;
    let mut paths = Vec::new();
    for image in &found.images {
        let platform = image.platform.as_deref().filter(|_| found.images.len() > 1);
        let prefix = platform.map(|platform| format!("{platform}: ")).unwrap_or_default();
        for path in &image.files {
            let sign = match path.change {
                diff::ChangeKind::Added => '+',
                diff::ChangeKind::Removed => '-',
                diff::ChangeKind::Changed => '~',
            };
            paths.push(format!("{sign} {prefix}{}", path.path.text));
        }
    }
    Ok(paths)
}
