//! Writing a release: its record first, then the tag of the environment.
//!
//! No registry writes a tag only if it does not exist yet (distribution specification, issue 251). So no two writers share
//! a tag: each record has a tag of its own, with a number and an identity. Whatever the order and the speed of the writers,
//! each record stays, and all readers put the records in one order ([`super::list`]). A writer does this:
//! 1. It lists the tags, and takes the number after the newest release.
//! 2. It writes its record, waits ([`SETTLE`]) and lists the tags again.
//! 3. If others have its number, one of them keeps it: the one with the smallest identity, if it was quick ([`QUICK`]). The
//!    others go back to the first step and write the same release under a later number.
//! 4. The last release in the order is the newest. If that is its own, it sets the tag of the environment.
//! 5. Unless it was quick, it lists the tags once more, and lets the tag mean the newest release if that is another one now.
//!
//! Why at most one writer keeps a number: of two that have one, at least one sees the other, because both write before they
//! list. If one does not see the other, the other one is not quick: a quick writer had written before any other could wait
//! and list. So the one that sees gives way, unless it was quick; and then both see, and compare identities.
//!
//! Why the tag of the environment ends at the newest release: a writer whose record is not in a list waits [`SETTLE`] before
//! it sets the tag. A writer that has set the tag sooner than that after its list was first; any other one looks again.
//!
//! Both need clocks of machines to run equally fast, within [`QUICK`] to [`SETTLE`]; they are not compared otherwise. No
//! writer needs to be fast: one that is stopped for an hour is not quick. A writer that is killed before the last step may
//! leave two releases with one number, or a tag that is behind: both are seen, and the next writer goes on from there.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::ledger::{FaultRemedy, LedgerError};
use super::list::ReleaseList;
use super::record::{
    MAX_RECORD, PassedGate, PreviousRelease, RecordFault, ReleaseKind, ReleaseNonce, ReleaseNote,
    ReleaseRecord, StoredRelease,
};
use super::shelf::ReleaseShelf;
use crate::oci::{DocumentError, RawDocument};
use crate::policy::PolicySet;
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::transport::deliver::DeliveryCount;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseKey, ReleaseNumber, ReleaseTime};

/// Each writer waits so long between its record and its second look, at least.
pub(super) const SETTLE: Duration = Duration::from_millis(20);
/// A writer is quick in what took less than this. It is shorter than [`SETTLE`] by what clocks may differ.
pub(super) const QUICK: Duration = Duration::from_millis(15);
/// Writers that met wait for a part of this time at least.
const SPREAD: Duration = Duration::from_millis(32);
/// So often a writer takes another number.
const ATTEMPTS: u32 = 100;
/// So often a writer looks for a record that the registry does not show yet.
const LOOKS: u32 = 20;
/// The pause between such looks.
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
    /// The policies that an image must pass.
    pub policies: Arc<PolicySet>,
    /// Whether the tag of the environment is set.
    pub pointer: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// The time.
    pub clock: ReleaseClock,
    /// A value of this run alone.
    pub nonce: ReleaseNonce,
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
    /// A newer release was written at the same time, and the tag has that.
    Passed,
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
    /// Sentences about it that the user should read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
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
    /// The record is too large to be read again.
    #[error("the record of the release has {size} bytes, and a record has at most {MAX_RECORD}")]
    TooLarge {
        /// Its size.
        size: usize,
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
            Self::Full { .. } | Self::TooLarge { .. } => Kind::Input,
            Self::Contended { .. } | Self::Vanished { .. } => Kind::Registry,
            Self::Document(_) => Kind::Bug,
            Self::Interrupted(_) => Kind::Interrupted,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Full { .. } | Self::TooLarge { .. } => Some(ErrorCode::LimitReached),
            Self::Contended { .. } => Some(ErrorCode::TagMoved),
            Self::Vanished { .. } => Some(ErrorCode::RegistryUnsound),
            Self::Document(_) | Self::Interrupted(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Full { .. } => Some("begin another environment".to_owned()),
            Self::TooLarge { .. } => Some("ask for fewer gates: the record tells each of these".to_owned()),
            Self::Contended { .. } | Self::Vanished { .. } => {
                Some("run it again: records that were written stay".to_owned())
            }
            _ => None,
        }
    }
}

/// The newest release of an environment, as it was read.
pub(super) struct EnvironmentHead {
    newest: Option<StoredRelease>,
    /// When the list of tags was asked for: a later record is not in it.
    looked: Duration,
}

impl EnvironmentHead {
    /// Reads the newest release, which is at `newest`. The list that it is from was asked for at `looked`.
    ///
    /// # Errors
    /// When it cannot be read, or its record is not sound.
    pub(super) fn read<S: ReleaseShelf>(
        shelf: &S,
        environment: &EnvironmentName,
        newest: Option<ReleaseKey>,
        looked: Duration,
        options: &ReleaseOptions,
    ) -> Result<Self, BoxedError> {
        let newest = newest.map(|key| read_listed(shelf, environment, key, options)).transpose()?;
        Ok(Self { newest, looked })
    }

    /// The release.
    pub(super) const fn release(&self) -> Option<&StoredRelease> {
        self.newest.as_ref()
    }

    /// Whether the environment has this image.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.newest.as_ref().is_some_and(|release| release.image.digest == *digest)
    }

    /// The number of the next release.
    fn next_number(&self) -> Option<ReleaseNumber> {
        self.newest.as_ref().map_or(Some(ReleaseNumber::FIRST), |release| release.key.number.next())
    }

    /// The link from the next release.
    fn link(&self) -> Option<PreviousRelease> {
        self.newest.as_ref().map(|release| PreviousRelease {
            release: release.key.number,
            record: release.descriptor.digest,
            image: release.image.digest,
        })
    }
}

/// Whether the tag of an environment may mean an image that others released; an error says why not.
pub(super) type RecordAdmission<'a> = dyn Fn(&RawDocument) -> Result<(), BoxedError> + 'a;

/// Writes the release after `head`, or a later one if others write at the same time. The image of `new` was judged;
/// `admits` judges those of others, before the tag means one of them.
///
/// # Errors
/// When the registry cannot be asked or refuses. A record that is there stays, and running again goes on from it.
pub(super) fn append<S: ReleaseShelf>(
    shelf: &S,
    environment: &EnvironmentName,
    mut head: EnvironmentHead,
    new: &NewRelease,
    options: &ReleaseOptions,
    admits: &RecordAdmission<'_>,
) -> Result<ReleaseReport, BoxedError> {
    let repository = || shelf.repository().clone();
    let digest = new.manifest.digest();
    if let Some(release) = head.release().filter(|_| head.has(&digest)) {
        return current(shelf, release, &new.manifest, head.looked, options, admits);
    }
    let time = options.clock.now();
    for attempt in 1..=ATTEMPTS {
        options.interrupt.check().map_err(AppendError::from)?;
        let number = head.next_number().ok_or_else(|| AppendError::Full {
            repository: repository(),
            environment: environment.clone(),
        })?;
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
            time,
            checks: new.checks.clone(),
            nonce: options.nonce,
        };
        let (release, document) = StoredRelease::new(record, &new.manifest).map_err(AppendError::from)?;
        if document.bytes.len() as u64 > MAX_RECORD {
            return Err(AppendError::TooLarge { size: document.bytes.len() }.into());
        }
        if options.dry_run {
            return Ok(report(shelf, &release, options));
        }
        // The tag of the environment would bring an image back that was collected.
        if !options.pointer && !shelf.has_image(&digest)? {
            shelf.write_image(&new.manifest)?;
        }
        shelf.write(&release, &document, &new.manifest)?;
        let is_quick = shelf.elapsed().saturating_sub(head.looked) < QUICK;
        shelf.pause(SETTLE, &options.interrupt)?;
        let look = ReleaseLook::after(shelf, environment, release.key, options)?;
        if look.keeps(environment, release.key, is_quick) {
            return conclude(shelf, &release, &new.manifest, &look, options, admits);
        }
        // Writers that met do not meet again at once: each has another identity, and waits for a part of the time that a
        // try takes it, so that it also leaves the step of others where each request is slow.
        let tried = shelf.elapsed().saturating_sub(head.looked).max(SPREAD);
        let part = u32::from(release.key.id.byte(attempt as usize));
        shelf.pause(tried * part / 256 * attempt.min(5), &options.interrupt)?;
        let looked = shelf.elapsed();
        let list = shelf.list()?;
        let newest = list.of_environment(environment).rfind(|key| key.id != release.key.id);
        head = EnvironmentHead::read(shelf, environment, newest, looked, options)?;
    }
    Err(AppendError::Contended { repository: repository(), environment: environment.clone() }.into())
}

/// The releases after a record was written.
struct ReleaseLook {
    list: ReleaseList,
    /// When the list was asked for.
    looked: Duration,
}

impl ReleaseLook {
    /// Lists the releases until the one of this writer is among them: a registry may be late.
    fn after<S: ReleaseShelf>(
        shelf: &S,
        environment: &EnvironmentName,
        own: ReleaseKey,
        options: &ReleaseOptions,
    ) -> Result<Self, BoxedError> {
        let mut tries = 0..LOOKS;
        loop {
            let looked = shelf.elapsed();
            let mut list = shelf.list()?;
            if list.has(environment, own) {
                return Ok(Self { list, looked });
            }
            if tries.next().is_none() {
                let tag = environment.record_tag(own);
                if shelf.resolve(tag.clone())?.is_none() {
                    return Err(AppendError::Vanished { repository: shelf.repository().clone(), tag }.into());
                }
                list.add(environment, own);
                return Ok(Self { list, looked });
            }
            shelf.pause(BLINK, &options.interrupt)?;
        }
    }

    /// Whether a writer keeps its number.
    fn keeps(&self, environment: &EnvironmentName, own: ReleaseKey, is_quick: bool) -> bool {
        let mut same = self.list.with_number(environment, own.number).into_iter();
        same.all(|other| other == own || (is_quick && own.id < other.id))
    }
}

/// A record that is listed. A registry may list it before it shows it.
fn read_listed<S: ReleaseShelf>(
    shelf: &S,
    environment: &EnvironmentName,
    key: ReleaseKey,
    options: &ReleaseOptions,
) -> Result<StoredRelease, BoxedError> {
    let mut looks = 0..LOOKS;
    loop {
        match shelf.read_or_fault(environment, key)? {
            Ok(release) => return Ok(release),
            Err(RecordFault::Missing { .. }) if looks.next().is_some() => {
                shelf.pause(BLINK, &options.interrupt)?;
            }
            Err(fault) => {
                let repository = shelf.repository().clone();
                return Err(LedgerError::fault(repository, fault, FaultRemedy::DeleteTheTag).into());
            }
        }
    }
}

/// The record has its number: the tag of the environment is next.
fn conclude<S: ReleaseShelf>(
    shelf: &S,
    release: &StoredRelease,
    manifest: &RawDocument,
    look: &ReleaseLook,
    options: &ReleaseOptions,
    admits: &RecordAdmission<'_>,
) -> Result<ReleaseReport, BoxedError> {
    let environment = &release.record.environment;
    if options.pointer && look.list.newest(environment) != Some(release.key) {
        follow(shelf, environment, None, options, admits)?;
        return Ok(ReleaseReport { pointer: PointerState::Passed, ..report(shelf, release, options) });
    }
    let report = place(shelf, release, manifest, options)?;
    if options.pointer && shelf.elapsed().saturating_sub(look.looked) >= QUICK {
        follow(shelf, environment, Some(release.key), options, admits)?;
    }
    Ok(report)
}

/// Lets the tag mean the newest release. `set` is the release that it means now, as far as this writer knows: others may
/// have been written since.
fn follow<S: ReleaseShelf>(
    shelf: &S,
    environment: &EnvironmentName,
    mut set: Option<ReleaseKey>,
    options: &ReleaseOptions,
    admits: &RecordAdmission<'_>,
) -> Result<(), BoxedError> {
    for _ in 0..ATTEMPTS {
        let looked = shelf.elapsed();
        let Some(newest) =
            shelf.list()?.newest(environment).filter(|newest| set.is_none_or(|set| set < *newest))
        else {
            return Ok(());
        };
        let release = read_listed(shelf, environment, newest, options)?;
        let manifest = shelf.manifest(&release)?;
        match admits(&manifest) {
            // The tag means an image that was judged. The writer of the newer release answers for that one.
            Err(error) if set.is_some() && error.kind() == Kind::Policy => return Ok(()),
            admitted => admitted?,
        }
        shelf.point(environment, newest.number, &manifest)?;
        set = Some(newest);
        if shelf.elapsed().saturating_sub(looked) < QUICK {
            return Ok(());
        }
    }
    // Each of so many others follows, too.
    Ok(())
}

/// The release that an environment has already; its tag is set if an earlier run did not come so far.
fn current<S: ReleaseShelf>(
    shelf: &S,
    release: &StoredRelease,
    manifest: &RawDocument,
    looked: Duration,
    options: &ReleaseOptions,
    admits: &RecordAdmission<'_>,
) -> Result<ReleaseReport, BoxedError> {
    let environment = &release.record.environment;
    let is_set = options.pointer && shelf.resolve(environment.pointer())? == Some(manifest.digest());
    let report = if is_set || !options.pointer || options.dry_run {
        let pointer = if is_set { PointerState::Current } else { PointerState::Left };
        ReleaseReport { pointer, ..report(shelf, release, options) }
    } else {
        let placed = place(shelf, release, manifest, options)?;
        if shelf.elapsed().saturating_sub(looked) >= QUICK {
            follow(shelf, environment, Some(release.key), options, admits)?;
        }
        placed
    };
    Ok(ReleaseReport { current: true, ..report })
}

/// Lets the tag of an environment mean a release whose record is there, before a witness.
fn place<S: ReleaseShelf>(
    shelf: &S,
    release: &StoredRelease,
    manifest: &RawDocument,
    options: &ReleaseOptions,
) -> Result<ReleaseReport, BoxedError> {
    let pointer = if options.pointer { PointerState::Set } else { PointerState::Left };
    let report = ReleaseReport { pointer, ..report(shelf, release, options) };
    if let Some(witness) = &options.witness {
        witness.before(&report, manifest)?;
    }
    let set = match options.pointer {
        true => shelf.point(&release.record.environment, release.key.number, manifest),
        false => Ok(()),
    };
    if let Some(witness) = &options.witness {
        witness.after(set.is_ok());
    }
    set.map(|()| report)
}

fn report<S: ReleaseShelf>(shelf: &S, release: &StoredRelease, options: &ReleaseOptions) -> ReleaseReport {
    let record = release.record.clone();
    ReleaseReport {
        tag: release.tag(),
        environment: record.environment,
        number: record.number,
        image: shelf.repository().clone(),
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
        warnings: Vec::new(),
    }
}
