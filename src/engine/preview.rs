//! The steps before building: the plan, the facts about it, and the lock.

use super::base_table::BaseTable;
use super::build_memo::{find_outcome, lookups};
use super::derive;
use super::inputs::Inputs;
use super::memo::MemoWriter;
use super::outcome::Outcome;
use super::prepare::{self, prepare_with};
use super::prepared::PreparedBuild;
use super::request::Request;
use super::session::Session;
use crate::layer::Scanner;
use crate::project::lock::LockedBase;
use crate::types::error::BoxedError;
use crate::types::reference::Tag;

/// The scanner for the trees of `request`.
#[must_use]
pub fn scanner(session: &Session, request: &Request) -> Scanner {
    Scanner::new(&session.workers).without(request.own.left_out()).until(&session.interrupt)
}

/// Makes the plan. The `bases` of several images are opened once.
///
/// # Errors
/// When the artifact, the base or a file cannot be read, or they do not suit each other.
pub fn prepare<'a>(
    session: &'a Session,
    request: &Request,
    scanner: &Scanner,
    bases: &BaseTable,
) -> Result<PreparedBuild<'a>, BoxedError> {
    derive::check(request, &derive::early(&request.facts))?;
    let lookups = lookups(session, request)?;
    let writer = MemoWriter::new(&session.store);
    session.workers.pool()?.install(|| prepare_with(session, request, scanner, writer, lookups, bases, None))
}

/// The tags of an image, where these are known without building it.
///
/// # Errors
/// When a template needs what only a build knows.
pub fn known_tags(request: &Request) -> Result<Vec<Tag>, BoxedError> {
    derive::tags(request, &request.facts)
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

/// The work of `pack update --check`: compares the lock's facts about the base with the base's layers, which it
/// reads. How many paths it says something of.
///
/// # Errors
/// When it says otherwise, or the layers cannot be read.
pub fn check_lock(session: &Session, request: &Request) -> Result<usize, BoxedError> {
    let _lease = session.store.lease();
    prepare::check_lock(session, request)
}

/// The work of `pack update`: the base as it is now, with the facts that the plan needs, and why the image cannot run on
/// it, if it cannot.
///
/// # Errors
/// As for [`prepare()`].
pub fn lock(
    session: &Session,
    request: &Request,
    bases: &BaseTable,
) -> Result<(Option<LockedBase>, Option<BoxedError>), BoxedError> {
    let _lease = session.store.lease();
    let scanner = scanner(session, request);
    let mut prepared = prepare(session, request, &scanner, bases)?;
    let found = (prepared.locked.take(), prepared.unmet.take());
    prepared.memos.save();
    Ok(found)
}
