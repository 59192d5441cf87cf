//! Writing a release: its record first, then the tag of the environment.
//!
//! No registry writes a tag only if it does not exist yet (distribution specification, issue 251), so the writers keep to
//! rules that need no such promise:
//! - A record is written to a tag that did not exist a moment ago. The writer waits longer than that moment was and looks
//!   again: another writer that saw the tag missing has written by then. The one that the tag resolves to has the number,
//!   and the others take the next one.
//! - A record that is younger than that is read again before another record follows it.
//! - A writer that met others, or is slow, waits once more: its record must have its tag still, and follow the record that
//!   has the number before it.
//! - The tag of the environment is set after the record is known to be there. A writer that met others, or is slow, looks
//!   afterwards whether there are newer releases, and lets the tag mean the newest.
//!
//! Waiting times follow from how fast this writer is, so one on a slow line or a busy machine waits longer. Clocks of
//! machines are not compared for order: numbers order, times are told.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::copy::DeliveryCount;
use super::ledger::{Ledger, TagClaim};
use super::record::{
    PassedGate, PreviousRelease, RecordFault, ReleaseKind, ReleaseNote, ReleaseRecord, StoredRelease,
};
use crate::oci::{DocumentError, RawDocument};
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseNumber, ReleaseTime};

/// A look at a tag holds for so long.
const GLANCE: Duration = Duration::from_millis(40);
/// A writer waits at least so long before it looks again.
const SETTLE: Duration = Duration::from_millis(20);
/// It waits at most so long.
const LONGEST: Duration = Duration::from_secs(1);
/// A writer that has to wait longer may have met others without a sign of them.
const SLOW: Duration = Duration::from_millis(60);
/// So often a writer takes another number.
const ATTEMPTS: u32 = 100;
/// So often a writer looks for a record that the registry does not show yet.
const LOOKS: u32 = 20;
/// The pause between such looks: a registry may write over a tag in several steps.
const BLINK: Duration = Duration::from_millis(25);

/// The time, from the one who started the program.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseClock {
    start: ReleaseTime,
    since: Instant,
}

impl ReleaseClock {
    /// A clock that shows `start` now.
    #[must_use]
    pub fn starting(start: ReleaseTime) -> Self {
        Self { start, since: Instant::now() }
    }

    fn now(&self) -> ReleaseTime {
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        ReleaseTime::from_milliseconds(self.start.milliseconds().saturating_add(passed))
    }
}

/// Told of a release: once when its record is there and its environment has another image still, and once after.
pub trait ReleaseWitness: fmt::Debug + Send + Sync {
    /// The tag of the environment is about to mean `manifest`.
    ///
    /// # Errors
    /// When it must not: the next run goes on from here.
    fn before(&self, release: &ReleaseReport, manifest: &RawDocument) -> Result<(), BoxedError>;

    /// The tag does mean it, or an error prevented that.
    fn after(&self, has_happened: bool);
}

/// How to write a release.
#[derive(Clone, Debug)]
pub struct ReleaseOptions {
    /// Who does it.
    pub actor: Option<ReleaseNote>,
    /// Why.
    pub reason: Option<ReleaseNote>,
    /// Whether the tag of the environment is set.
    pub pointer: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// The time.
    pub clock: ReleaseClock,
    /// Receives the release.
    pub witness: Option<Arc<dyn ReleaseWitness>>,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

/// An image on its way into an environment.
#[derive(Clone, Debug)]
pub(super) struct NewRelease {
    pub(super) manifest: RawDocument,
    pub(super) kind: ReleaseKind,
    pub(super) source: ReleaseNote,
    pub(super) revision: Option<ReleaseNote>,
    pub(super) checks: Vec<PassedGate>,
}

/// The state of the tag of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PointerState {
    /// It was set.
    Set,
    /// It had the image already.
    Current,
    /// It was not asked for.
    Left,
}

/// The release that an environment has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseReport {
    /// The environment.
    pub environment: EnvironmentName,
    /// The number of the release.
    pub number: ReleaseNumber,
    /// The repository.
    pub image: Repository,
    /// The manifest or index.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// How the release came about.
    pub kind: ReleaseKind,
    /// The name of the image or release that was released.
    pub source: ReleaseNote,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<ReleaseNote>,
    /// The release before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousRelease>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<ReleaseNote>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReleaseNote>,
    /// When.
    pub time: ReleaseTime,
    /// The checks that it passed.
    pub checks: Vec<PassedGate>,
    /// The tag of the record.
    pub tag: Tag,
    /// The record; of a dry run, the one that would be written.
    pub record: Digest,
    /// Whether the environment had this image already, so that no record was written.
    pub current: bool,
    /// Whether nothing was written at all.
    pub dry_run: bool,
    /// The tag of the environment.
    pub pointer: PointerState,
    /// The blobs that were brought from another place; absent where there was nothing to bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<DeliveryCount>,
    /// The referrers of the image that came along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrers: Option<Vec<Digest>>,
}

/// Why a release cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// All numbers are used.
    #[error("the environment `{environment}` of `{repository}` has no number left")]
    Full {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
    },
    /// Others were faster, each time.
    #[error(
        "`{repository}`: others write releases of `{environment}` all the time: {ATTEMPTS} numbers were taken"
    )]
    Contended {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
    },
    /// The registry took a record and does not show it.
    #[error("`{repository}` took the record `{tag}` and does not have it")]
    Vanished {
        /// The repository.
        repository: Repository,
        /// The tag of the record.
        tag: Tag,
    },
    /// The record cannot be written.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for AppendError {
    fn kind(&self) -> Kind {
        match self {
            Self::Full { .. } => Kind::Input,
            Self::Contended { .. } | Self::Vanished { .. } => Kind::Registry,
            Self::Document(_) => Kind::Bug,
            Self::Interrupted(_) => Kind::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Full { .. } => Some("begin another environment".to_owned()),
            Self::Contended { .. } | Self::Vanished { .. } => {
                Some("run it again: what was written stays, and nothing is written twice".to_owned())
            }
            _ => None,
        }
    }
}

/// The newest release of an environment, as it was read.
pub(super) struct EnvironmentHead {
    newest: Option<StoredRelease>,
    /// When the list of tags was asked for: a later record is not in it.
    looked: Instant,
    /// Whether other writers were met.
    contended: bool,
}

impl EnvironmentHead {
    /// Reads the newest release, whose number is `newest`. The list that it is from was asked for at `looked`.
    ///
    /// # Errors
    /// When it cannot be read, or its record is not sound.
    pub(super) fn read(
        ledger: &Ledger,
        environment: &EnvironmentName,
        newest: Option<ReleaseNumber>,
        looked: Instant,
        options: &ReleaseOptions,
    ) -> Result<Self, BoxedError> {
        let Some(number) = newest else { return Ok(Self { newest: None, looked, contended: false }) };
        let release = read_listed(ledger, environment, number, options)?;
        // The tag of a record that was written just now may still go to another writer.
        let settles = settle(looked, options) * 3 / 2;
        let now = options.clock.now().milliseconds();
        let age = now.checked_sub(release.record.time.milliseconds()).map(Duration::from_millis);
        let Some(rest) = age.and_then(|age| settles.checked_sub(age)).filter(|rest| !rest.is_zero()) else {
            return Ok(Self { newest: Some(release), looked, contended: false });
        };
        pause(rest, &options.interrupt)?;
        let release = read_listed(ledger, environment, number, options)?;
        Ok(Self { newest: Some(release), looked, contended: true })
    }

    /// The release.
    pub(super) const fn release(&self) -> Option<&StoredRelease> {
        self.newest.as_ref()
    }

    /// Whether the environment has this image.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.newest.as_ref().is_some_and(|release| release.image.digest == *digest)
    }

    /// The link from the next release.
    fn link(&self) -> Option<PreviousRelease> {
        self.newest.as_ref().map(|release| PreviousRelease {
            release: release.record.number,
            record: release.descriptor.digest,
            image: release.image.digest,
        })
    }
}

/// Writes the release after `head`, or a later one if others write at the same time.
///
/// # Errors
/// When the registry cannot be asked or refuses. A record that is there stays, and running again goes on from it.
pub(super) fn append(
    ledger: &Ledger,
    environment: &EnvironmentName,
    mut head: EnvironmentHead,
    new: &NewRelease,
    options: &ReleaseOptions,
) -> Result<ReleaseReport, BoxedError> {
    let repository = || ledger.repository().clone();
    let digest = new.manifest.digest();
    let mut contended = head.contended;
    let mut settles = SETTLE;
    for attempt in 0..ATTEMPTS {
        options.interrupt.check().map_err(AppendError::from)?;
        if let Some(release) = head.release().filter(|_| head.has(&digest)) {
            return current(ledger, release, &new.manifest, options);
        }
        let number = match head.release() {
            None => ReleaseNumber::FIRST,
            Some(release) => release.record.number.next().ok_or_else(|| AppendError::Full {
                repository: repository(),
                environment: environment.clone(),
            })?,
        };
        let record = ReleaseRecord {
            environment: environment.clone(),
            number,
            kind: new.kind,
            image: repository(),
            digest,
            revision: new.revision.clone(),
            source: new.source.clone(),
            previous: head.link(),
            actor: options.actor.clone(),
            reason: options.reason.clone(),
            time: options.clock.now(),
            checks: new.checks.clone(),
        };
        let (release, document) = StoredRelease::new(record, &new.manifest).map_err(AppendError::from)?;
        if options.dry_run {
            return Ok(report(ledger, &release, options));
        }
        let mut written = WrittenRecord { release, document };
        let is_written = written.write(ledger, &new.manifest, &head, &mut settles, options)?;
        let is_doubtful = contended || settles > SLOW;
        if is_written && (!is_doubtful || written.confirm(ledger, &new.manifest, settles, options)?) {
            let report = place(ledger, &written.release, &new.manifest, options)?;
            if options.pointer && is_doubtful {
                ledger.follow(environment, number)?;
            }
            return Ok(report);
        }
        contended = true;
        // Writers that met do not meet again at once: each has another digest.
        let spread = u64::from(written.document.digest().as_bytes()[0] % 32);
        pause(Duration::from_millis(spread * u64::from(attempt.min(4) + 1)), &options.interrupt)?;
        let looked = Instant::now();
        let newest = ledger.numbers()?.newest(environment).max(Some(number));
        head = EnvironmentHead::read(ledger, environment, newest, looked, options)?;
    }
    Err(AppendError::Contended { repository: repository(), environment: environment.clone() }.into())
}

/// The time after which another writer that saw a tag missing has written it: longer than this one took since its look, and
/// as long as all that it did until now, which tells of a slow registry or a busy machine.
fn settle(looked: Instant, options: &ReleaseOptions) -> Duration {
    (looked.elapsed() * 3).max(options.clock.since.elapsed()).clamp(SETTLE, LONGEST)
}

/// A record that is listed. A registry may list it before it shows it, or write over its tag in several steps.
fn read_listed(
    ledger: &Ledger,
    environment: &EnvironmentName,
    number: ReleaseNumber,
    options: &ReleaseOptions,
) -> Result<StoredRelease, BoxedError> {
    for _ in 0..LOOKS {
        match ledger.read_or_fault(environment, number)? {
            Err(RecordFault::Missing { .. }) => pause(BLINK, &options.interrupt)?,
            Ok(release) => return Ok(release),
            Err(_) => break,
        }
    }
    ledger.read(environment, number)
}

/// The digest of a tag that exists, once the registry shows it.
fn shown(ledger: &Ledger, tag: &Tag, options: &ReleaseOptions) -> Result<Digest, BoxedError> {
    for _ in 0..LOOKS {
        if let Some(found) = ledger.resolve(tag.clone())? {
            return Ok(found);
        }
        pause(BLINK, &options.interrupt)?;
    }
    Err(AppendError::Vanished { repository: ledger.repository().clone(), tag: tag.clone() }.into())
}

/// A record on its way.
struct WrittenRecord {
    release: StoredRelease,
    document: RawDocument,
}

impl WrittenRecord {
    /// Writes it and makes sure that its tag is not another one's; whether it has the tag. `settles` is how long that took.
    fn write(
        &self,
        ledger: &Ledger,
        manifest: &RawDocument,
        head: &EnvironmentHead,
        settles: &mut Duration,
        options: &ReleaseOptions,
    ) -> Result<bool, BoxedError> {
        let mut looked = head.looked;
        if looked.elapsed() > GLANCE {
            looked = Instant::now();
            if ledger.resolve(self.release.tag())?.is_some() {
                return Ok(false);
            }
        }
        if ledger.claim(&self.release, &self.document, manifest)? == TagClaim::Taken {
            return Ok(false);
        }
        // Once slow, slow for the rest: what made the first try slow is there still. But tries add up.
        let first = (looked.elapsed() * 3).clamp(SETTLE, LONGEST);
        *settles = if *settles == SETTLE { settle(looked, options) } else { first.max(*settles) };
        pause(*settles, &options.interrupt)?;
        Ok(shown(ledger, &self.release.tag(), options)? == self.document.digest())
    }

    /// Where other writers may be on their way: waits once more, and makes sure that the record has its tag still and follows
    /// the one that has the number before it. A record that does not is written anew under its own number.
    fn confirm(
        &mut self,
        ledger: &Ledger,
        manifest: &RawDocument,
        settles: Duration,
        options: &ReleaseOptions,
    ) -> Result<bool, BoxedError> {
        for _ in 0..LOOKS {
            pause(settles, &options.interrupt)?;
            if shown(ledger, &self.release.tag(), options)? != self.document.digest() {
                return Ok(false);
            }
            let record = &self.release.record;
            let Some(link) = &record.previous else { return Ok(true) };
            if shown(ledger, &record.environment.record_tag(link.release), options)? == link.record {
                return Ok(true);
            }
            let before = read_listed(ledger, &record.environment, link.release, options)?;
            let previous = Some(PreviousRelease {
                release: link.release,
                record: before.descriptor.digest,
                image: before.image.digest,
            });
            let record = ReleaseRecord { previous, time: options.clock.now(), ..record.clone() };
            let (release, document) = StoredRelease::new(record, manifest).map_err(AppendError::from)?;
            ledger.replace(&release, &document)?;
            *self = Self { release, document };
        }
        let record = &self.release.record;
        let (repository, environment) = (record.image.clone(), record.environment.clone());
        Err(AppendError::Contended { repository, environment }.into())
    }
}

/// The release that an environment has already; its tag is set if an earlier run did not come so far.
fn current(
    ledger: &Ledger,
    release: &StoredRelease,
    manifest: &RawDocument,
    options: &ReleaseOptions,
) -> Result<ReleaseReport, BoxedError> {
    let environment = &release.record.environment;
    let is_set = options.pointer && ledger.resolve(environment.pointer())? == Some(manifest.digest());
    let report = if is_set || !options.pointer || options.dry_run {
        let pointer = if is_set { PointerState::Current } else { PointerState::Left };
        ReleaseReport { pointer, ..report(ledger, release, options) }
    } else {
        let placed = place(ledger, release, manifest, options)?;
        ledger.follow(environment, release.record.number)?;
        placed
    };
    Ok(ReleaseReport { current: true, ..report })
}

/// Lets the tag of an environment mean a release whose record is there, before a witness.
fn place(
    ledger: &Ledger,
    release: &StoredRelease,
    manifest: &RawDocument,
    options: &ReleaseOptions,
) -> Result<ReleaseReport, BoxedError> {
    let pointer = if options.pointer { PointerState::Set } else { PointerState::Left };
    let report = ReleaseReport { pointer, ..report(ledger, release, options) };
    if let Some(witness) = &options.witness {
        witness.before(&report, manifest)?;
    }
    let set = match options.pointer {
        true => ledger.point(&release.record.environment, release.record.number, manifest),
        false => Ok(()),
    };
    if let Some(witness) = &options.witness {
        witness.after(set.is_ok());
    }
    set.map(|()| report)
}

fn report(ledger: &Ledger, release: &StoredRelease, options: &ReleaseOptions) -> ReleaseReport {
    let record = release.record.clone();
    ReleaseReport {
        tag: release.tag(),
        environment: record.environment,
        number: record.number,
        image: ledger.repository().clone(),
        digest: record.digest,
        media_type: release.image.media_type.to_string(),
        size: release.image.size,
        kind: record.kind,
        source: record.source,
        revision: record.revision,
        previous: record.previous,
        actor: record.actor,
        reason: record.reason,
        time: record.time,
        checks: record.checks,
        record: release.descriptor.digest,
        current: false,
        dry_run: options.dry_run,
        pointer: PointerState::Left,
        blobs: None,
        referrers: None,
    }
}

/// Waits, unless the user interrupts.
fn pause(time: Duration, interrupt: &Interrupt) -> Result<(), BoxedError> {
    const STEP: Duration = Duration::from_millis(25);
    let end = Instant::now() + time;
    loop {
        interrupt.check().map_err(AppendError::from)?;
        let rest = end.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(());
        }
        thread::sleep(rest.min(STEP));
    }
}
