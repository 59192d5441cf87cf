//! One build: the order of its steps.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::cache::{self, Lookups, NewEntry};
use super::derive::{self, finish, tags};
use super::error::BuildError;
use super::inputs::{self, Inputs};
use super::layers::Workbench;
use super::memo::MemoWriter;
use super::outcome::Outcome;
use super::prepare::{self, prepare_with};
use super::prepared::Prepared;
use super::publish::{Presence, presence};
use super::report::Report;
use super::request::Request;
use super::session::Session;
use super::target::Target;
use super::{deliver, memo};
use crate::layer::Scanner;
use crate::project::lock::LockedBase;
use crate::runtime::observer::Stage;
use crate::types::error::BoxedError;

/// Builds what `request` asks for and delivers it to `targets`.
///
/// # Errors
/// When anything on the way fails. No tag then resolves to anything new, but for those of targets that
/// were finished before.
pub fn build(session: &Session, request: &Request, targets: &[Target]) -> Result<Report, BoxedError> {
    let _lease = session.store.lease();
    derive::check(request, &derive::early(&request.facts))?;
    // The targets are asked while the files are looked at.
    let mut looked = Looking::start(request, targets);
    let mut lookups = lookups(session, request)?;
    if inputs::is_new(&session.store, request) {
        lookups.begin();
    }
    let scanner = scanner(session, request);
    let mut inputs = Inputs::look(session, request, &scanner)?;
    let whole = match find_outcome(session, request, inputs.as_ref()) {
        Err(unknown) => unknown,
        Ok(outcome) => {
            let step = session.progress.step(Stage::Ask, "targets");
            looked.wait()?;
            let there = unchanged(*outcome, targets)?;
            drop(step);
            match there {
                Ok(report) => return Ok(report),
                Err(target) => Outcome::NotThere { target },
            }
        }
    };
    let planning = session.progress.step(Stage::Plan, "plan");
    let pool = session.workers.pool()?;
    let mut prepared = pool.install(|| prepare_with(session, request, &scanner, lookups))?;
    if let Some(inputs) = &mut inputs {
        inputs.decide(&prepared.plan);
    }
    check_layer_count(&prepared)?;
    drop(planning);
    let asking = session.progress.step(Stage::Ask, "targets");
    looked.wait()?;
    drop(asking);
    let (mut report, entries) = execute_or_start_over(session, request, &mut prepared, targets)?;
    report.outcome = whole;
    let is_written = write_cache(session, request, entries, &mut report);
    report.locked = prepared.locked.take();
    prepared.memos.save();
    if let Some(inputs) = inputs {
        learn(request, prepared.memos.writer(), inputs, &report, is_written);
    }
    Ok(report)
}

/// What looks at the trees of `request`.
#[must_use]
pub fn scanner(session: &Session, request: &Request) -> Scanner {
    Scanner::new(&session.workers).without(request.own.left_out())
}

/// Makes the plan.
///
/// # Errors
/// When the artifact, the base or a file cannot be read, or they do not suit each other.
pub fn prepare<'a>(
    session: &'a Session,
    request: &Request,
    scanner: &Scanner,
) -> Result<Prepared<'a>, BoxedError> {
    derive::check(request, &derive::early(&request.facts))?;
    let lookups = lookups(session, request)?;
    session.workers.pool()?.install(|| prepare_with(session, request, scanner, lookups))
}

/// Looks for finished layers where the request says.
fn lookups(session: &Session, request: &Request) -> Result<Lookups, BuildError> {
    let compression = prepare::compression(request.settings.compression)?;
    Ok(Lookups::new(&session.client, &request.cache, &request.name, compression))
}

/// What came of an earlier build of the same inputs, else why that is not known.
fn find_outcome(
    session: &Session,
    request: &Request,
    inputs: Option<&Inputs>,
) -> Result<Box<Report>, Outcome> {
    let inputs = inputs.ok_or(Outcome::NotPinned)?;
    let outcome = outcome(session, request, inputs);
    outcome.map(Box::new).ok_or_else(|| inputs.explain(&session.store, request))
}

/// Whether the outcome of a build of `request` is known without planning it: what `pack plan` can say of that
/// without asking the targets.
///
/// # Errors
/// When a file cannot be looked at.
pub fn look_up(session: &Session, request: &Request, scanner: &Scanner) -> Result<Outcome, BoxedError> {
    let inputs = Inputs::look(session, request, scanner)?;
    Ok(find_outcome(session, request, inputs.as_ref()).map_or_else(|unknown| unknown, |_| Outcome::Known))
}

/// Executes the plan. If the cache in a registry turns out to have said something wrong, nothing that it said is
/// believed: the plan is executed once more without. No tag was moved by then.
fn execute_or_start_over(
    session: &Session,
    request: &Request,
    prepared: &mut Prepared<'_>,
    targets: &[Target],
) -> Result<(Report, Vec<NewEntry>), BoxedError> {
    let error = match execute(session, request, prepared, targets) {
        Ok(done) => return Ok(done),
        Err(error) => error,
    };
    let Some(why) = prepared.distrust.take() else { return Err(error) };
    session.interrupt.check().map_err(BuildError::from)?;
    session.progress.warn(format!("the cache in the registry is wrong and is not used: {why}"));
    prepared.forget_cached();
    execute(session, request, prepared, targets)
}

/// Builds what is not known and delivers all; with the report comes what the cache in a registry may be told.
fn execute(
    session: &Session,
    request: &Request,
    prepared: &mut Prepared<'_>,
    targets: &[Target],
) -> Result<(Report, Vec<NewEntry>), BoxedError> {
    let mut report = Report::new(&prepared.plan);
    let bench = Workbench::new(session, request, prepared);
    if let Some(known) = derive::all_known(&prepared.plan) {
        let finished = finish(request, prepared, &known)?;
        deliver::deliver_known(session, prepared, &bench, &finished, targets, &mut report)?;
        report.finish(request, &finished);
        let writes = request.cache.write.is_some();
        let entries = if writes { bench.entries_of_known(&prepared.plan) } else { Vec::new() };
        return Ok((report, entries));
    }
    let (finished, entries) =
        deliver::build_and_deliver(session, request, prepared, &bench, targets, &mut report)?;
    report.finish(request, &finished);
    Ok((report, entries))
}

/// Tells the cache in a registry what this machine knows. Whether it knows all of it now; that it does not is no
/// reason for a finished build to fail.
fn write_cache(session: &Session, request: &Request, entries: Vec<NewEntry>, report: &mut Report) -> bool {
    let Some(repository) = &request.cache.write else { return true };
    match cache::write(&session.client, repository, &request.name, entries) {
        Ok(written) => {
            report.cache_entries_written = written;
            true
        }
        Err(error) => {
            session.progress.warn(format!("the cache cannot be written: {error}"));
            false
        }
    }
}

/// What came of an earlier build with the same inputs. One that the cache in a registry had a part in is taken
/// only by who would ask it again; and who writes to the cache takes none that did not write.
fn outcome(session: &Session, request: &Request, inputs: &Inputs) -> Option<Report> {
    let policy = &request.cache;
    let own = policy.write.is_none().then_some(None);
    let shared = policy.is_used().then_some(Some(policy));
    own.into_iter().chain(shared).find_map(|policy| {
        let key = inputs.key(request, request.locked_base(), policy)?;
        memo::outcome(&session.store, &key)
    })
}

/// Remembers what came of a build.
fn learn(request: &Request, writer: &MemoWriter, inputs: Inputs, report: &Report, is_written: bool) {
    let locked = report.locked.as_ref().or(request.locked_base());
    let is_shared = report.has_layers_of_others();
    let own = (!is_shared).then_some(None);
    let has_part = is_shared || request.cache.write.is_some();
    let shared = (has_part && is_written).then_some(Some(&request.cache));
    for policy in own.into_iter().chain(shared) {
        if let Some(key) = inputs.key(request, locked, policy).filter(|_| inputs.are_settled()) {
            memo::learn_outcome(writer, key, report);
        }
    }
    inputs.remember(writer, request, locked, is_written);
}

/// The outcome of an earlier build of the same inputs, if all targets have it, else a target that has not.
fn unchanged(outcome: Report, targets: &[Target]) -> Result<Result<Report, String>, BoxedError> {
    let mut report = outcome;
    for target in targets {
        let is_current = match &report.digest {
            Some(digest) => {
                presence(&**target, digest, &report.tags, &report.attachments)? == Presence::Current
            }
            None => false,
        };
        if !is_current {
            return Ok(Err(target.name()));
        }
        report.current(target);
    }
    Ok(Ok(report))
}

/// The question to all targets what the tags mean there now, asked by a thread of its own.
struct Looking(Option<JoinHandle<Result<(), BoxedError>>>);

impl Looking {
    /// Asks, unless the tags depend on what is going to be built. Whoever fails before the answer comes does
    /// not wait for it.
    fn start(request: &Request, targets: &[Target]) -> Self {
        let elsewhere = targets.iter().filter(|target| !target.capabilities().is_local());
        let destinations: Vec<_> = elsewhere.map(Arc::clone).collect();
        // A tag that is wrong is reported where it is used.
        let tags = tags(request, &request.facts).unwrap_or_default();
        if destinations.is_empty() || tags.is_empty() {
            return Self(None);
        }
        let ask = move || destinations.iter().try_for_each(|destination| destination.begin(&tags));
        Self(thread::Builder::new().name("looking".to_owned()).spawn(ask).ok())
    }

    /// Waits for the answer, the first time.
    fn wait(&mut self) -> Result<(), BoxedError> {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(BuildError::Panicked.into()),
        }
    }
}

/// overlayfs stacks 128 layers, of which a runtime needs one for itself.
fn check_layer_count(prepared: &Prepared<'_>) -> Result<(), BuildError> {
    for image in &prepared.plan.images {
        let base = image.base.as_ref().map_or(0, |base| base.layers.len());
        let all = base + image.layers.len();
        if all > 127 {
            return Err(BuildError::TooManyLayers(all));
        }
    }
    Ok(())
}

/// What `pack update --check` does: compares what the lock says of the base with the base's layers, which are read.
/// How many paths it says something of.
///
/// # Errors
/// When it says otherwise, or the layers cannot be read.
pub fn check_lock(session: &Session, request: &Request) -> Result<usize, BoxedError> {
    let _lease = session.store.lease();
    prepare::check_lock(session, request)
}

/// What `pack update` does: the base as it is now, with what the plan needs of it.
///
/// # Errors
/// As for [`prepare`].
pub fn lock(session: &Session, request: &Request) -> Result<Option<LockedBase>, BoxedError> {
    let _lease = session.store.lease();
    let scanner = scanner(session, request);
    let mut prepared = prepare(session, request, &scanner)?;
    let locked = prepared.locked.take();
    prepared.memos.save();
    Ok(locked)
}
