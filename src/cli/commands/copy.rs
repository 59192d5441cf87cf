//! `pack copy`, `pack tag`.

use super::super::args::{CopyArgs, TagArgs};
use super::super::error::CommandError;
use super::super::session::Session;
use super::super::view;
use super::place::{self, Place};
use crate::release::copy;

/// Copies an image.
///
/// # Errors
/// Whatever stopped it; no tag then resolves to anything new.
pub(super) fn run(session: &Session, args: &CopyArgs) -> Result<(), CommandError> {
    let client = session.client()?;
    let _lease = session.store().ok().map(|store| store.lease());
    let source = session.published(&args.from, &client)?.source;
    let target = place::target(session, &client, (&args.from, &*source), &args.to)?;
    let options = copy::Options {
        platforms: args.platforms.clone(),
        referrers: args.referrers,
        expected: target.expected,
        progress: session.progress.clone(),
        interrupt: session.interrupt.clone(),
    };
    let report = copy::copy(&source, &*target.destination, &target.tags, &options)
        .map_err(|error| session.or_in_store(error.into(), &args.from))?;
    if report.new_index {
        session
            .printer
            .note("several platforms were chosen: the copy is a new index, with a digest of its own");
    }
    show(session, args.format.json, &target.prefix, &report, view::copy::copied(&report));
    Ok(())
}

/// Adds tags.
///
/// # Errors
/// When the image is not there, or a tag cannot be set.
pub(super) fn tag(session: &Session, args: &TagArgs) -> Result<(), CommandError> {
    let client = session.client()?;
    let _lease = session.store().ok().map(|store| store.lease());
    let Place { source, target } = place::place(session, &client, &args.image)?;
    let report = copy::tag(&*source, &*target.destination, target.tags.first(), &args.tags)
        .map_err(|error| session.or_in_store(error.into(), &args.image))?;
    show(session, args.format.json, &target.prefix, &report, view::copy::tagged(&report));
    Ok(())
}

fn show(session: &Session, json: bool, prefix: &str, report: &copy::Report, message: String) {
    let reference = format!("{prefix}{}", report.digest);
    session.printer.published(&reference);
    session.printer.message(message);
    if json {
        session.printer.json(report);
    } else {
        session.printer.result(reference);
    }
}
