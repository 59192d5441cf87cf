//! The outcomes of earlier builds of the same inputs, and the memory of this one.

use super::cache::{Lookups, SharedLayers};
use super::compression::compression as compression_of;
use super::error::BuildError;
use super::inputs::Inputs;
use super::memo::{self, MemoWriter};
use super::outcome::Outcome;
use super::report::Report;
use super::request::Request;
use super::session::Session;
use crate::types::finding::Answer;

/// Looks for finished layers where the request says.
pub(super) fn lookups(session: &Session, request: &Request) -> Result<Lookups, BuildError> {
    let compression = compression_of(request.settings.compression)?;
    Ok(Lookups::new(&session.client, &request.cache, &request.name, compression))
}

/// The outcome of an earlier build of the same inputs, or the reason why there is none.
pub(super) fn find_outcome(
    session: &Session,
    request: &Request,
    inputs: Option<&Inputs>,
) -> Result<Box<Report>, Outcome> {
    let inputs = inputs.ok_or(Outcome::NotPinned)?;
    if request.policies.asks_for_age() {
        return Err(Outcome::Dated);
    }
    match outcome(session, request, inputs) {
        None => Err(inputs.explain(&session.store, request)),
        Some(report) if is_answered_by_now(session, request, &report) => Err(Outcome::Told),
        Some(report) => Ok(Box::new(report)),
    }
}

/// Whether a check of an earlier build could not know what the base has, and another machine may have told the cache in a
/// registry since. That costs one request, and none where there is no such cache.
fn is_answered_by_now(session: &Session, request: &Request, report: &Report) -> bool {
    let is_open = report
        .findings
        .iter()
        .any(|finding| finding.answer == Answer::Unknown && finding.rule.is_about_files());
    let layer = report.images.iter().find_map(|image| image.base.first());
    let (true, Some(repository), Some(layer)) = (is_open, &request.cache.read, layer) else { return false };
    let shared = SharedLayers::new(session.client.clone(), repository.clone());
    !request.settings.offline && shared.has_entry(&layer.digest)
}

/// The outcome of an earlier build with the same inputs. One that the cache in a registry had a part in is taken only
/// by who would ask it again; and who writes to the cache takes none that did not write.
fn outcome(session: &Session, request: &Request, inputs: &Inputs) -> Option<Report> {
    let policy = &request.cache;
    let own = policy.write.is_none().then_some(None);
    let shared = policy.is_used().then_some(Some(policy));
    own.into_iter().chain(shared).find_map(|policy| {
        let key = inputs.key(request, request.locked_base(), policy)?;
        memo::outcome(&session.store, &key)
    })
}

/// Whether a check may have used the statements of other machines about base layers.
fn may_have_answers_of_others(request: &Request, report: &Report) -> bool {
    request.cache.read.is_some()
        && report.images.iter().any(|image| !image.base.is_empty())
        && report.findings.iter().any(|finding| finding.rule.is_about_files())
}

/// Remembers what came of a build.
pub(super) fn learn(
    request: &Request,
    writer: &MemoWriter,
    inputs: Inputs,
    report: &Report,
    is_written: bool,
) {
    let locked = report.locked.as_ref().or(request.locked_base());
    let is_shared = report.has_layers_of_others() || may_have_answers_of_others(request, report);
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
