//! `pack promote`, `pack releases`, `pack rollback`.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::super::args::{PromoteArgs, ReleaseFlags, ReleasesArgs, RollbackArgs};
use super::super::environment::Environment;
use super::super::error::CommandError;
use super::super::invocation::Invocation;
use super::super::view;
use super::delivery::DeliveryProject;
use super::events::{self, ReleaseEvents};
use crate::inspect::diff::DiffOptions;
use crate::registry::Client;
use crate::release::append::{ReleaseClock, ReleaseOptions, ReleaseReport, ReleaseWitness};
use crate::release::history::{HistoryOptions, history};
use crate::release::ledger::Ledger;
use crate::release::promote::{PromotionRequest, PromotionSource, promote};
use crate::release::record::{ReleaseNonce, ReleaseNote};
use crate::release::rollback::rollback;
use crate::types::error::BoxedError;
use crate::types::reference::Repository;
use crate::types::release::{EnvironmentName, Gate, ReleaseName, ReleaseTime};

/// Promotes.
///
/// # Errors
/// Whatever stopped it.
pub(super) fn run(invocation: &Invocation, args: &PromoteArgs) -> Result<(), CommandError> {
    let from = ReleaseName::read(&args.source).and_then(|name| name.image);
    let named = args.to.image.as_deref().or(from.as_deref());
    let project = DeliveryProject::read(invocation, args.release.file.as_deref(), named)?;
    project.check_source(&args.source, args.to.image.is_some())?;
    let client = project.client(invocation)?;
    let _lease = invocation.store().ok().map(|store| store.lease());
    let environment = &args.to.environment;
    let repository = project.target(&args.to, &args.source)?;
    let settings = project.settings_of(environment, &repository);
    let mut gates: Vec<Gate> =
        settings.iter().flat_map(|settings| &settings.require).map(|gate| gate.value.clone()).collect();
    gates.extend(args.require.iter().cloned());
    gates.sort();
    gates.dedup();
    let has_pointer = settings.and_then(|settings| settings.pointer).unwrap_or(true);
    let source = match ReleaseName::read(&args.source) {
        Some(name) => {
            let repository = project.repository(name.image.as_deref(), &name.environment)?;
            PromotionSource::Release {
                ledger: Ledger::new(client.clone(), repository),
                environment: name.environment,
                choice: name.number,
            }
        }
        None => PromotionSource::Image {
            source: invocation.published(&args.source, &client)?.source,
            name: args.source.clone(),
        },
    };
    let policies = Arc::new(project.policies(invocation, &repository, args.release.policy.as_deref())?);
    let place = |of: &EnvironmentName| Ledger::to_read(client.clone(), project.beside(&repository, of));
    let witness = witness(invocation, &project, &client, &repository, &args.release)?;
    let request = PromotionRequest {
        source,
        target: Ledger::new(client.clone(), repository.clone()),
        environment: environment.clone(),
        gates: &gates,
        place: &place,
        options: ReleaseOptions {
            witness: witness.clone(),
            policies: policies.clone(),
            ..options(invocation, &args.release, has_pointer)?
        },
        progress: invocation.progress.clone(),
    };
    let explained = |error: BoxedError| {
        project.with_meaning(&args.source, invocation.or_in_store(error.into(), &args.source))
    };
    let report = promote(&request).map_err(explained)?;
    show(invocation, &args.release, &report);
    if witness.is_some() {
        events::deliver(invocation, &client);
    }
    Ok(())
}

/// Rolls back.
///
/// # Errors
/// Whatever stopped it.
pub(super) fn back(invocation: &Invocation, args: &RollbackArgs) -> Result<(), CommandError> {
    let named = args.environment.image.as_deref().or(args.image.as_deref());
    let project = DeliveryProject::read(invocation, args.release.file.as_deref(), named)?;
    let client = project.client(invocation)?;
    let environment = &args.environment.environment;
    let repository = project.chosen(&args.environment, args.image.as_deref())?;
    let settings = project.settings_of(environment, &repository);
    let has_pointer = settings.and_then(|settings| settings.pointer).unwrap_or(true);
    let witness = witness(invocation, &project, &client, &repository, &args.release)?;
    let policies = Arc::new(project.policies(invocation, &repository, args.release.policy.as_deref())?);
    let ledger = Ledger::new(client.clone(), repository);
    let options = ReleaseOptions {
        witness: witness.clone(),
        policies,
        ..options(invocation, &args.release, has_pointer)?
    };
    let report = rollback(&ledger, environment, args.to, &options)?;
    show(invocation, &args.release, &report);
    if witness.is_some() {
        events::deliver(invocation, &client);
    }
    Ok(())
}

/// Tells the receivers of the build file of the release; `None` if there are none.
fn witness(
    invocation: &Invocation,
    project: &DeliveryProject,
    client: &Client,
    repository: &Repository,
    flags: &ReleaseFlags,
) -> Result<Option<Arc<dyn ReleaseWitness>>, CommandError> {
    if flags.dry_run {
        return Ok(None);
    }
    let announcer = project.announcer(invocation, client, repository)?;
    Ok(announcer.map(|announcer| Arc::new(ReleaseEvents::new(announcer)) as Arc<dyn ReleaseWitness>))
}

/// Lists releases.
///
/// # Errors
/// When there is no such environment, the registry fails, or the history is not sound: it is shown then, too.
pub(super) fn list(invocation: &Invocation, args: &ReleasesArgs) -> Result<(), CommandError> {
    let named = args.environment.image.as_deref().or(args.image.as_deref());
    let project = DeliveryProject::read(invocation, args.file.as_deref(), named)?;
    let client = project.client(invocation)?;
    let repository = project.chosen(&args.environment, args.image.as_deref())?;
    let files = args.files.then(|| DiffOptions {
        jobs: invocation.jobs(None).get(),
        progress: invocation.progress.clone(),
        interrupt: invocation.interrupt.clone(),
        ..DiffOptions::default()
    });
    let interrupt = invocation.interrupt.clone();
    let options = HistoryOptions { most: args.limit as usize, files, interrupt };
    let found = history(&Ledger::to_read(client, repository), &args.environment.environment, &options)?;
    if args.format.json {
        invocation.printer.json(&found);
    } else {
        invocation.printer.result(view::release::releases(&found, invocation.printer.screen()));
    }
    Ok(found.check()?)
}

fn options(
    invocation: &Invocation,
    flags: &ReleaseFlags,
    has_pointer: bool,
) -> Result<ReleaseOptions, CommandError> {
    let actor = match &flags.actor {
        Some(actor) => Some(ReleaseNote::new("actor", actor)?),
        None => actor(&invocation.environment).as_deref().and_then(ReleaseNote::fitted),
    };
    let reason = flags.reason.as_deref().map(|reason| ReleaseNote::new("reason", reason)).transpose()?;
    let now = invocation.environment.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = now + invocation.started.elapsed();
    let now = ReleaseTime::from_milliseconds(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    Ok(ReleaseOptions {
        policies: Arc::default(),
        actor,
        reason,
        pointer: has_pointer && !flags.no_pointer,
        dry_run: flags.dry_run,
        clock: ReleaseClock::starting(now),
        // Its keys are random.
        nonce: ReleaseNonce(RandomState::new().hash_one(std::process::id())),
        witness: None,
        interrupt: invocation.interrupt.clone(),
    })
}

/// The variables in which CI systems name the user who started a run.
const ACTORS: [&str; 8] = [
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILDKITE_BUILD_CREATOR",
    "CIRCLE_USERNAME",
    "BUILD_USER_ID",
    "DRONE_BUILD_TRIGGER",
    "BITBUCKET_STEP_TRIGGERER_UUID",
    "BUILD_REQUESTEDFOR",
];

/// Who runs this: the user of the CI system, else of this machine.
fn actor(environment: &Environment) -> Option<String> {
    let of_ci = ACTORS.iter().filter(|_| environment.is_ci());
    let named = of_ci.chain(&["USER", "LOGNAME"]).find_map(|name| environment.text(name));
    named.map(str::to_owned).or_else(|| environment.user())
}

fn show(invocation: &Invocation, flags: &ReleaseFlags, report: &ReleaseReport) {
    let reference = format!("{}@{}", report.image, report.digest);
    if !report.dry_run {
        invocation.printer.published(&reference);
    }
    invocation.printer.message(view::release::released(report));
    report.warnings.iter().for_each(|warning| invocation.printer.warning(warning));
    if flags.format.json {
        invocation.printer.json(report);
    } else {
        invocation.printer.result(reference);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::environment::for_test;
    use super::*;

    #[test]
    fn the_actor_is_the_user_of_the_ci_system() {
        let variables = [("USER", "build"), ("GITLAB_USER_LOGIN", "alice")];
        let actor = |environment: &Environment| super::actor(environment).unwrap_or_default();
        assert_eq!(actor(&for_test(&variables)), "build");
        let in_ci = [("CI", "true"), ("USER", "build"), ("GITLAB_USER_LOGIN", "alice")];
        assert_eq!(actor(&for_test(&in_ci)), "alice");
        assert_eq!(actor(&for_test(&[("CI", "true"), ("LOGNAME", "bob")])), "bob");
        assert_eq!(super::actor(&for_test(&[])), None, "the user of this machine is not known");
    }
}
