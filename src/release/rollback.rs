//! Rollback: a new release that has the content of an earlier one. Nothing is built, and no blob moves.

use super::append::{EnvironmentHead, NewRelease, ReleaseOptions, ReleaseReport, append};
use super::ledger::Ledger;
use super::record::{PassedGate, ReleaseKind, ReleaseNote, StoredRelease};
use super::shelf::ReleaseShelf;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::reference::Repository;
use crate::types::release::{EnvironmentName, ReleaseChoice, ReleaseKey};

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
        (None, _) => before(ledger, environment, &head, list.of_environment(environment).rev())?,
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
    keys: impl Iterator<Item = ReleaseKey>,
) -> Result<StoredRelease, BoxedError> {
    for key in keys.skip(1) {
        let release = ledger.read(environment, key)?;
        if !head.has(&release.image.digest) {
            return Ok(release);
        }
    }
    Err(NothingBefore { repository: ledger.repository().clone(), environment: environment.clone() }.into())
}
