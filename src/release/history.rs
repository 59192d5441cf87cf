//! The releases of an environment: who, when, which commit, and what each changed against the one before.
//!
//! All that is wrong with the history is told with it, and nothing is left out: a record that was tampered with, that is
//! missing, or that follows another one than its history has, and an image that is gone. Two releases of one number are no
//! fault: their writers met.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ledger::Ledger;
use super::list::ReleaseList;
use super::record::{KEEP_TAGS, PreviousRelease, RecordFault, ReleaseRecord, StoredRelease};
use super::shelf::ReleaseShelf;
use crate::inspect::diff::{self, DiffOptions};
use crate::oci::select::is_attestation;
use crate::oci::{Descriptor, ManifestOrIndex, media_type};
use crate::registry::RegistryError;
use crate::runtime::interrupt::Interrupt;
use crate::transport::registry;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseKey, ReleaseNumber};

/// Platforms of an index that are compared.
const PLATFORMS: usize = 16;

/// The records of a history may have so many bytes in memory: the number that a user asks for may be any.
const MAX_WEIGHT: usize = 64 << 20;

/// The extent of a history.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// So many releases, the newest ones.
    pub most: usize,
    /// How to find the changed paths; not at all where there is none.
    pub files: Option<DiffOptions>,
    /// Whether to stop.
    pub interrupt: Interrupt,
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
    /// How many of these are older than the ones that were read.
    pub older: usize,
    /// The first number that has a record.
    pub first: ReleaseNumber,
    /// The newest ones, newest first.
    pub releases: Vec<PastRelease>,
    /// Everything that is wrong with them.
    pub faults: Vec<HistoryFault>,
}

/// A release of the past.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PastRelease {
    /// The tag of its record.
    pub tag: Tag,
    /// The digest of its record.
    #[serde(rename = "recordDigest")]
    pub digest: Digest,
    /// The record.
    #[serde(flatten)]
    pub record: ReleaseRecord,
    /// Whether the repository does not have the manifest of the image any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub image_gone: bool,
    /// The change against the release before it; absent for the first one, and where one of both cannot be read.
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
    /// The tag of the record; of one that is missing, a pattern; of several that are missing, two.
    pub tag: String,
    /// `tampered`, `missing`, `fork` or `gone`.
    pub fault: &'static str,
    /// In words.
    pub message: String,
}

/// The fault of a release whose image is not there any more.
const GONE: &str = "gone";

/// A history that is not sound.
#[derive(Debug, thiserror::Error)]
#[error("the releases of `{environment}` are not sound: {first}{}", more(*others))]
pub struct UnsoundHistory {
    environment: EnvironmentName,
    first: String,
    others: usize,
    kind: Kind,
    hint: String,
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

impl Explain for UnsoundHistory {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::RecordUnsound)
    }

    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }
}

/// More records than fit into memory.
#[derive(Debug, thiserror::Error)]
#[error("the newest {read} releases of `{environment}` have more than {} MiB of records", MAX_WEIGHT >> 20)]
pub struct HistoryTooLarge {
    environment: EnvironmentName,
    read: usize,
}

impl Explain for HistoryTooLarge {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::LimitReached)
    }

    fn hint(&self) -> Option<String> {
        Some(format!("`--limit {}` lists fewer", self.read / 2))
    }
}

impl ReleaseHistory {
    /// Whether all of it is sound.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), UnsoundHistory> {
        let Some(first) = self.faults.first() else { return Ok(()) };
        let environment = self.environment.clone();
        // A record or an image that is gone is no attack: a clean-up took it.
        let attack = self.faults.iter().find(|fault| !matches!(fault.fault, "missing" | GONE));
        let hint = match attack {
            Some(_) => format!("find out who can write tags that begin with `{environment}-r`"),
            None if self.faults.iter().all(|fault| fault.fault == GONE) => format!(
                "`pack rollback {environment} --to N` puts an image back as long as its layers are there; keep the images \
                 that records name when tags are cleaned up"
            ),
            None => KEEP_TAGS.to_owned(),
        };
        Err(UnsoundHistory {
            environment,
            first: attack.unwrap_or(first).message.clone(),
            others: self.faults.len() - 1,
            kind: if attack.is_some() { Kind::Policy } else { Kind::Input },
            hint,
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
    let newest = ledger.newest(&list, environment)?;
    let mut table = HistoryTable::new(ledger, options);
    let mut reader = HistoryReader::new(ledger, environment, &list, &options.interrupt);
    let older = reader.read(options.most, &mut |record| table.add(record))?;
    let (releases, gone) = table.finish()?;
    let mut faults = reader.faults;
    faults.extend(gone);
    Ok(ReleaseHistory {
        environment: environment.clone(),
        image: ledger.repository().clone(),
        pointer: ledger.resolve(environment.pointer())?,
        total: list.of_environment(environment).count(),
        older,
        first: list.numbers(environment).first().copied().unwrap_or(newest.number),
        releases,
        faults,
    })
}

/// A record of a history, in the order of reading.
pub(super) enum PastRecord {
    /// One that was asked for.
    Listed(StoredRelease),
    /// The one before the oldest that was asked for, to compare that with.
    Before(StoredRelease),
}

/// Receives the records of a history, newest first.
pub(super) type RecordReceiver<'a> = dyn FnMut(PastRecord) -> Result<(), BoxedError> + 'a;

/// The part of a record that tells its place in the history.
struct HistoryLink {
    tag: Tag,
    digest: Digest,
    previous: Option<PreviousRelease>,
    /// Whether its own link is to be followed.
    is_listed: bool,
}

/// Reads the records of a history, and finds what is wrong with them. It keeps no record: a history may be long.
pub(super) struct HistoryReader<'a, S> {
    shelf: &'a S,
    environment: &'a EnvironmentName,
    list: &'a ReleaseList,
    interrupt: &'a Interrupt,
    /// The records that were read and are sound.
    links: BTreeMap<ReleaseKey, HistoryLink>,
    /// Everything that is wrong.
    pub(super) faults: Vec<HistoryFault>,
}

impl<'a, S: ReleaseShelf> HistoryReader<'a, S> {
    pub(super) const fn new(
        shelf: &'a S,
        environment: &'a EnvironmentName,
        list: &'a ReleaseList,
        interrupt: &'a Interrupt,
    ) -> Self {
        Self { shelf, environment, list, interrupt, links: BTreeMap::new(), faults: Vec::new() }
    }

    /// Reads the newest releases, as far as they are sound; how many older ones there are. The work is bounded by the records
    /// that there are: numbers without a record are told as ranges.
    pub(super) fn read(
        &mut self,
        most: usize,
        receive: &mut RecordReceiver<'_>,
    ) -> Result<usize, BoxedError> {
        // A number that its writers gave up counts, too: the work is bounded.
        let (mut count, mut listed) = (0, 0);
        let mut later: Option<ReleaseNumber> = None;
        for number in self.list.numbers(self.environment).into_iter().rev() {
            self.interrupt.check()?;
            let mut keys = self.list.with_number(self.environment, number);
            keys.reverse();
            if count >= most {
                if let Some(key) = keys.first() {
                    self.release(*key, false, receive)?;
                    break;
                }
                continue;
            }
            self.tell_gap(number, later);
            later = Some(number);
            count += keys.len().max(1);
            listed += keys.len();
            for key in keys {
                self.release(key, true, receive)?;
            }
        }
        self.check_chain()?;
        Ok(self.list.of_environment(self.environment).count().saturating_sub(listed))
    }

    /// Tells of the numbers between two that have records.
    fn tell_gap(&mut self, number: ReleaseNumber, later: Option<ReleaseNumber>) {
        let (Some(first), Some(last)) = (number.next(), later.and_then(ReleaseNumber::before)) else {
            return;
        };
        if first <= last {
            self.fault(&RecordFault::missing(self.environment, first, last));
        }
    }

    fn fault(&mut self, fault: &RecordFault) {
        let (tag, message) = (fault.tag(), fault.to_string());
        self.faults.push(HistoryFault { tag, fault: fault.word(), message });
    }

    /// Reads a record, unless it is not sound.
    fn release(
        &mut self,
        key: ReleaseKey,
        is_listed: bool,
        receive: &mut RecordReceiver<'_>,
    ) -> Result<(), BoxedError> {
        match self.shelf.read_or_fault(self.environment, key)? {
            Ok(release) => {
                let previous = release.record.previous.clone();
                let (tag, digest) = (release.tag(), release.descriptor.digest);
                self.links.insert(key, HistoryLink { tag, digest, previous, is_listed });
                receive(if is_listed { PastRecord::Listed(release) } else { PastRecord::Before(release) })
            }
            Err(fault) => {
                self.fault(&fault);
                Ok(())
            }
        }
    }

    /// Each record follows one that has the number before it.
    fn check_chain(&mut self) -> Result<(), BoxedError> {
        let digests: BTreeSet<Digest> = self.links.values().map(|link| link.digest).collect();
        let mut found = Vec::new();
        for (key, link) in self.links.iter().rev().filter(|(_, link)| link.is_listed) {
            self.interrupt.check()?;
            let tag = link.tag.clone();
            found.push(match (&link.previous, key.number.before()) {
                (None, None) => continue,
                (None, Some(_)) => {
                    RecordFault::Chain { tag, why: "it says that it is the first release".into() }
                }
                (Some(previous), before) if Some(previous.release) != before => {
                    RecordFault::Chain { tag, why: format!("it says that it follows {}", previous.release) }
                }
                (Some(previous), _) if self.has_record(previous, &digests)? => continue,
                (Some(previous), _) => RecordFault::Fork { tag, expected: previous.record },
            });
        }
        for fault in &found {
            self.fault(fault);
        }
        Ok(())
    }

    /// Whether a record that another one follows is there, or nothing is known of it: its number is not in the list any
    /// more, or its record was named as a fault.
    fn has_record(&self, link: &PreviousRelease, digests: &BTreeSet<Digest>) -> Result<bool, BoxedError> {
        if digests.contains(&link.record) {
            return Ok(true);
        }
        let is_it = |release: &StoredRelease| release.descriptor.digest == link.record;
        let records = self.list.records_with_number(self.environment, link.release);
        for key in &records {
            // Its writer may have given up its number after this one had followed it.
            if self.list.has(self.environment, *key) {
                if !self.links.contains_key(key) {
                    match self.shelf.read_or_fault(self.environment, *key)? {
                        Ok(release) if !is_it(&release) => {}
                        _ => return Ok(true),
                    }
                }
            } else if self.shelf.read_or_fault(self.environment, *key)?.is_ok_and(|release| is_it(&release)) {
                return Ok(true);
            }
        }
        Ok(records.is_empty())
    }
}

/// The releases of a history with their changes. It holds two at a time: a release, and the one after it.
struct HistoryTable<'a> {
    ledger: &'a Ledger,
    options: &'a HistoryOptions,
    /// The release that waits for the one before it.
    waiting: Option<ReleaseContent>,
    /// Whether an image is there.
    images: BTreeMap<Digest, bool>,
    weight: usize,
    releases: Vec<PastRelease>,
    faults: Vec<HistoryFault>,
}

/// A release with the layers of its image.
struct ReleaseContent {
    release: StoredRelease,
    /// Absent where a document of it is gone.
    layers: Option<BTreeMap<Digest, u64>>,
    is_there: bool,
}

impl<'a> HistoryTable<'a> {
    const fn new(ledger: &'a Ledger, options: &'a HistoryOptions) -> Self {
        Self {
            ledger,
            options,
            waiting: None,
            images: BTreeMap::new(),
            weight: 0,
            releases: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn add(&mut self, record: PastRecord) -> Result<(), BoxedError> {
        let (release, is_listed) = match record {
            PastRecord::Listed(release) => (release, true),
            PastRecord::Before(release) => (release, false),
        };
        let digest = release.image.digest;
        let layers = match self.waiting.as_ref().filter(|later| later.release.image.digest == digest) {
            Some(later) => later.layers.clone(),
            None => layers(self.ledger, &release)?,
        };
        let is_there = match self.images.get(&digest) {
            Some(is_there) => *is_there,
            None => self.ledger.has_image(&digest)?,
        };
        self.images.insert(digest, is_there);
        let content = ReleaseContent { release, layers, is_there };
        self.take_waiting(Some(&content))?;
        if is_listed {
            self.weight += content.release.record.weight();
            if self.weight > MAX_WEIGHT {
                let (environment, read) = (content.release.record.environment, self.releases.len() + 1);
                return Err(HistoryTooLarge { environment, read }.into());
            }
            self.waiting = Some(content);
        }
        Ok(())
    }

    /// The release that waits has all that belongs to it.
    fn take_waiting(&mut self, before: Option<&ReleaseContent>) -> Result<(), BoxedError> {
        let Some(content) = self.waiting.take() else { return Ok(()) };
        let change = match before {
            Some(before) => change(self.ledger, before, &content, self.options)?,
            None => None,
        };
        let ReleaseContent { release, is_there, .. } = content;
        let tag = release.tag();
        if !is_there {
            let message = format!(
                "the image of release {}, {}, is gone from the repository",
                release.record.number.get(),
                release.image.digest
            );
            self.faults.push(HistoryFault { tag: tag.to_string(), fault: GONE, message });
        }
        self.releases.push(PastRelease {
            tag,
            digest: release.descriptor.digest,
            record: release.record,
            image_gone: !is_there,
            change,
        });
        Ok(())
    }

    /// The releases, newest first, and those whose image is gone.
    fn finish(mut self) -> Result<(Vec<PastRelease>, Vec<HistoryFault>), BoxedError> {
        self.take_waiting(None)?;
        Ok((self.releases, self.faults))
    }
}

/// The layers of an image, or of all images of an index, with their sizes; `None` where a document of it is gone.
fn layers(ledger: &Ledger, release: &StoredRelease) -> Result<Option<BTreeMap<Digest, u64>>, BoxedError> {
    match layers_of(ledger, release) {
        Ok(layers) => Ok(Some(layers)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn layers_of(ledger: &Ledger, release: &StoredRelease) -> Result<BTreeMap<Digest, u64>, RegistryError> {
    let mut found = BTreeMap::new();
    let root = match &release.manifest {
        Some(manifest) => manifest.clone(),
        None => ledger.document(&release.image.digest.to_string(), Some(&release.image))?,
    };
    match root.parse() {
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

/// The change from one release to the next; `None` where one of both is not there.
fn change(
    ledger: &Ledger,
    before: &ReleaseContent,
    after: &ReleaseContent,
    options: &HistoryOptions,
) -> Result<Option<ReleaseChange>, BoxedError> {
    let (Some(old), Some(new)) = (&before.layers, &after.layers) else { return Ok(None) };
    let is_same = before.release.image.digest == after.release.image.digest;
    let added = || new.iter().filter(|(digest, _)| !old.contains_key(digest));
    let files = match &options.files {
        Some(_) if is_same => Some(Vec::new()),
        Some(how) if before.is_there && after.is_there => {
            Some(files(ledger, &before.release, &after.release, how)?)
        }
        _ => None,
    };
    Ok(Some(ReleaseChange {
        added_layers: added().count(),
        added_bytes: added().fold(0, |sum, (_, size)| sum.saturating_add(*size)),
        removed_layers: old.keys().filter(|digest| !new.contains_key(digest)).count(),
        kept_layers: new.keys().filter(|digest| old.contains_key(digest)).count(),
        files,
    }))
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
