//! Rollback: a new release that has the content of an earlier one. Nothing is built, and no blob moves.

use super::append::{EnvironmentHead, NewRelease, ReleaseOptions, ReleaseReport, append};
use super::gate;
use super::ledger::Ledger;
use super::list::ReleaseList;
use super::record::{KEEP_TAGS, PassedGate, RecordFault, ReleaseKind, ReleaseNote, StoredRelease};
use super::shelf::ReleaseShelf;
use crate::oci::RawDocument;
use crate::runtime::interrupt::Interrupt;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::Repository;
use crate::types::release::{EnvironmentName, ReleaseChoice, ReleaseKey};

/// So many releases are read in search of another image. Two that follow each other have one image only if their writers
/// met.
const MOST_READ: usize = 100;

/// Why there is nothing to go back to.
#[derive(Debug, thiserror::Error)]
pub enum NothingBefore {
    /// There is no other image.
    #[error(
        "the environment `{environment}` of `{repository}` never had another image than its newest release"
    )]
    OneImage {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
    },
    /// There is none among the newest releases.
    #[error("the newest {MOST_READ} releases of `{environment}` of `{repository}` have one image")]
    NotFound {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
    },
}

impl Explain for NothingBefore {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::ReleaseUnknown)
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OneImage { environment, .. } => {
                format!("`pack promote IMAGE --to {environment}` releases any other image")
            }
            Self::NotFound { environment, .. } => {
                format!("`pack rollback {environment} --to N` goes back to the release that you name")
            }
        })
    }
}

/// Goes back to a release of the environment; without a number, to the newest one with another image than the current
/// one has.
///
/// # Errors
/// When there is none, or the registry cannot be asked or refuses.
pub fn rollback(
    ledger: &Ledger,
    environment: &EnvironmentName,
    to: Option<ReleaseChoice>,
    options: &ReleaseOptions,
) -> Result<ReleaseReport, BoxedError> {
    let looked = ledger.elapsed();
    let list = ledger.releases()?;
    let newest = ledger.newest(&list, environment)?;
    let to = to.map(|to| ledger.choose(&list, environment, Some(to))).transpose()?;
    let head = EnvironmentHead::read(ledger, environment, Some(newest), looked, options)?;
    let old = match (to, head.release()) {
        (Some(to), Some(release)) if to == release.key => release.clone(),
        (Some(to), _) => ledger.read(environment, to)?,
        (None, _) => {
            let keys = list.of_environment(environment).rev();
            before(ledger, environment, &head, keys, &options.interrupt)?
        }
    };
    let evidence = Some(old.descriptor.digest);
    let warnings: Vec<String> = match (to, head.release()) {
        (None, Some(current)) => passed_over(&list, environment, &old, current).into_iter().collect(),
        _ => Vec::new(),
    };
    let release = format!("{environment}@{}", old.record.number.get());
    let note = |text: &str| ReleaseNote::fitted(text).unwrap_or_else(|| unreachable!("`{text}` is a line"));
    let manifest = ledger.manifest(&old)?;
    let mut checks = vec![PassedGate { check: note(&format!("release:{environment}")), evidence }];
    // The release that the environment has already was perhaps not judged by these rules, or not at all.
    checks.extend(gate::passed(ledger, &manifest, &options.policies)?);
    let new = NewRelease {
        manifest,
        kind: ReleaseKind::Rollback,
        source: note(&release),
        revision: old.record.revision,
        checks,
    };
    let admits = |manifest: &RawDocument| gate::passed(ledger, manifest, &options.policies).map(drop);
    let report = append(ledger, environment, head, &new, options, &admits)?;
    Ok(ReleaseReport { warnings, ..report })
}

/// Says that a rollback goes back further than the user may expect, because records in between are gone.
fn passed_over(
    list: &ReleaseList,
    environment: &EnvironmentName,
    old: &StoredRelease,
    current: &StoredRelease,
) -> Option<String> {
    let (old, current) = (old.key.number, current.key.number);
    let before = list.numbers(environment).range(..current).next_back().copied()?;
    let (first, last) = (before.next()?, current.before()?);
    if first > last {
        return None;
    }
    let fault = RecordFault::missing(environment, first, last);
    Some(format!("{fault}: this goes back to release {}; {KEEP_TAGS}", old.get()))
}

/// The newest release that has another image than the head.
fn before(
    ledger: &Ledger,
    environment: &EnvironmentName,
    head: &EnvironmentHead,
    keys: impl Iterator<Item = ReleaseKey>,
    interrupt: &Interrupt,
) -> Result<StoredRelease, BoxedError> {
    let (repository, of) = (ledger.repository().clone(), environment.clone());
    for (count, key) in keys.skip(1).enumerate() {
        interrupt.check()?;
        if count + 1 == MOST_READ {
            return Err(NothingBefore::NotFound { repository, environment: of }.into());
        }
        let release = ledger.read(environment, key)?;
        if !head.has(&release.image.digest) {
            return Ok(release);
        }
    }
    Err(NothingBefore::OneImage { repository, environment: of }.into())
}
