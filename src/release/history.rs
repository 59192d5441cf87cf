//! The releases of an environment: who, when, which commit, and what each changed against the one before.
//!
//! All that is wrong with the history is told with it, and nothing is left out: a record that was tampered with, that is
//! missing, that does not follow the one before it, or that has lost its tag to another one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ledger::Ledger;
use super::record::{ENVIRONMENT_KEY, NUMBER_KEY, RecordFault, ReleaseRecord, StoredRelease};
use crate::inspect::diff::{self, DiffOptions};
use crate::oci::select::is_attestation;
use crate::oci::{Descriptor, ManifestOrIndex, RawDocument, media_type};
use crate::transport::registry;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseNumber};

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
    /// The record.
    pub tag: Tag,
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
    let numbers = ledger.numbers()?;
    let newest = ledger.newest(&numbers, environment)?;
    let all: BTreeSet<ReleaseNumber> = numbers.of_environment(environment).collect();
    let mut reader = HistoryReader { ledger, environment, faults: Vec::new(), read: BTreeMap::new() };
    let mut wanted: Vec<ReleaseNumber> = Vec::new();
    let mut next = Some(newest);
    while let Some(number) = next.filter(|_| wanted.len() < options.most) {
        wanted.push(number);
        next = number.before();
    }
    // One more, to compare the oldest with.
    for number in wanted.iter().copied().chain(next) {
        let is_asked = wanted.contains(&number);
        if !all.contains(&number) {
            if is_asked {
                reader.fault(&RecordFault::Missing { tag: environment.record_tag(number) });
            }
        } else if let Some(release) = reader.release(number)? {
            reader.read.insert(number, release);
        }
    }
    reader.check_chain(&wanted);
    reader.check_lost(&wanted)?;
    let mut releases = Vec::new();
    for number in &wanted {
        let Some(release) = reader.read.get(number) else { continue };
        let before = number.before().and_then(|before| reader.read.get(&before));
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
        total: all.len(),
        releases,
        faults: reader.faults,
    })
}

/// The records of a history, as far as they are sound.
struct HistoryReader<'a> {
    ledger: &'a Ledger,
    environment: &'a EnvironmentName,
    faults: Vec<HistoryFault>,
    read: BTreeMap<ReleaseNumber, StoredRelease>,
}

impl HistoryReader<'_> {
    fn fault(&mut self, fault: &RecordFault) {
        let (tag, message) = (fault.tag().clone(), fault.to_string());
        self.faults.push(HistoryFault { tag, fault: fault.word(), message });
    }

    /// A record, unless it is not sound.
    fn release(&mut self, number: ReleaseNumber) -> Result<Option<StoredRelease>, BoxedError> {
        match self.ledger.read_or_fault(self.environment, number)? {
            Ok(release) => Ok(Some(release)),
            Err(fault) => {
                self.fault(&fault);
                Ok(None)
            }
        }
    }

    /// Each record follows the one before it.
    fn check_chain(&mut self, wanted: &[ReleaseNumber]) {
        let mut faults = Vec::new();
        for release in wanted.iter().filter_map(|number| self.read.get(number)) {
            let tag = release.tag();
            let number = release.record.number;
            let fault = match (&release.record.previous, number.before()) {
                (None, None) => continue,
                (None, Some(_)) => {
                    RecordFault::Chain { tag, why: "it says that it is the first release".into() }
                }
                (Some(previous), before) if Some(previous.release) != before => {
                    let why = format!("it says that it follows {}", previous.release);
                    RecordFault::Chain { tag, why }
                }
                (Some(previous), _) => match self.read.get(&previous.release) {
                    Some(before) if before.descriptor.digest != previous.record => {
                        RecordFault::Fork { tag, expected: previous.record, found: before.descriptor.digest }
                    }
                    _ => continue,
                },
            };
            faults.push(fault);
        }
        faults.into_iter().for_each(|fault| self.fault(&fault));
    }

    /// No other record has the number and the image of one of these. Only a registry that lists referrers can tell. A
    /// record with the number and another image is that of a writer that met another one, and took a later number.
    fn check_lost(&mut self, wanted: &[ReleaseNumber]) -> Result<(), BoxedError> {
        let images: BTreeSet<Digest> = wanted
            .iter()
            .filter_map(|number| self.read.get(number))
            .map(|release| release.image.digest)
            .collect();
        let mut faults = Vec::new();
        for image in images {
            let Some(listed) = self.ledger.listed_for(&image)? else { return Ok(()) };
            for other in listed {
                let is = |name: &str| other.annotations.get(name).map(String::as_str);
                let number = is(NUMBER_KEY).and_then(|number| number.parse().ok());
                let Some(own) = number.and_then(|number: ReleaseNumber| self.read.get(&number)) else {
                    continue;
                };
                if is(ENVIRONMENT_KEY) == Some(self.environment.as_str())
                    && own.image.digest == image
                    && own.descriptor.digest != other.digest
                    && wanted.contains(&own.record.number)
                {
                    faults.push(RecordFault::Twice { tag: own.tag(), other: other.digest });
                }
            }
        }
        faults.into_iter().for_each(|fault| self.fault(&fault));
        Ok(())
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
