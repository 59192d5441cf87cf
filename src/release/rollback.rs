//! Rollback: a new release that has the content of an earlier one. Nothing is built, and no blob moves.

use std::time::Instant;

use super::append::{EnvironmentHead, NewRelease, ReleaseOptions, ReleaseReport, append};
use super::ledger::Ledger;
use super::record::{PassedGate, ReleaseKind, ReleaseNote, StoredRelease};
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::reference::Repository;
use crate::types::release::{EnvironmentName, ReleaseNumber};

/// Why there is nothing to go back to.
#[derive(Debug, thiserror::Error)]
#[error("the environment `{environment}` of `{repository}` never had another image than its newest release")]
pub struct NothingBefore {
    repository: Repository,
    environment: EnvironmentName,
}

impl Explain for NothingBefore {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        Some(format!("`pack promote IMAGE --to {}` releases any other image", self.environment))
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
    to: Option<ReleaseNumber>,
    options: &ReleaseOptions,
) -> Result<ReleaseReport, BoxedError> {
    let looked = Instant::now();
    let numbers = ledger.numbers()?;
    let newest = ledger.newest(&numbers, environment)?;
    let head = EnvironmentHead::read(ledger, environment, Some(newest), looked, options)?;
    let old = match to {
        Some(number) if number == newest => ledger.read(environment, newest)?,
        Some(number) => ledger.find(&numbers, environment, Some(number))?,
        None => before(ledger, environment, &head, numbers.of_environment(environment).rev())?,
    };
    let evidence = Some(old.descriptor.digest);
    let release = format!("{environment}@{}", old.record.number.get());
    let note = |text: &str| ReleaseNote::fitted(text).unwrap_or_else(|| unreachable!("`{text}` is a line"));
    let new = NewRelease {
        manifest: ledger.manifest(&old)?,
        kind: ReleaseKind::Rollback,
        source: note(&release),
        revision: old.record.revision,
        checks: vec![PassedGate { check: note(&format!("release:{environment}")), evidence }],
    };
    append(ledger, environment, head, &new, options)
}

/// The newest release that has another image than the head.
fn before(
    ledger: &Ledger,
    environment: &EnvironmentName,
    head: &EnvironmentHead,
    numbers: impl Iterator<Item = ReleaseNumber>,
) -> Result<StoredRelease, BoxedError> {
    for number in numbers.skip(1) {
        let release = ledger.read(environment, number)?;
        if !head.has(&release.image.digest) {
            return Ok(release);
        }
    }
    Err(NothingBefore { repository: ledger.repository().clone(), environment: environment.clone() }.into())
}
