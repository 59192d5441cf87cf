//! `pack copy`, `pack tag`.

use super::super::args::{CopyArgs, TagArgs};
use super::super::error::CommandError;
use super::super::invocation::{Invocation, Opened};
use super::super::view;
use super::place::{self, WritableImage};
use super::{delivery, events, judgement};
use crate::release::copy;

/// Copies an image.
///
/// # Errors
/// Whatever stopped it; no tag then resolves to anything new.
pub(super) fn run(invocation: &Invocation, args: &CopyArgs) -> Result<(), CommandError> {
    let client = invocation.client()?;
    let _lease = invocation.store().ok().map(|store| store.lease());
    let Opened { source, location } = invocation.published(&args.from, &client)?;
    if let Some(file) = &args.policy {
        let verdict = judgement::judge(invocation, &*source, file)
            .map_err(|error| invocation.or_in_store(error, &args.from))?;
        verdict.accept(&location.to_string())?;
    }
    let mut target = place::target(invocation, &client, (&args.from, &*source), &args.to)?;
    let is_announced = delivery::announce(invocation, &client, &mut target)?;
    let options = copy::CopyOptions {
        platforms: args.platforms.clone(),
        referrers: args.referrers,
        except: &[],
        expected: target.expected,
        allow_retag: args.retag.allow_retag,
        progress: invocation.progress.clone(),
        interrupt: invocation.interrupt.clone(),
    };
    let report = copy::copy(&source, &*target.destination, &target.tags, &options)
        .map_err(|error| invocation.or_in_store(error.into(), &args.from))?;
    if report.new_index {
        invocation
            .printer
            .note("several platforms were chosen: the copy is a new index, with a digest of its own");
    }
    show(invocation, args.format.json, &target.prefix, &report, view::copy::copied(&report));
    if is_announced {
        events::deliver(invocation, &client);
    }
    Ok(())
}

/// Adds tags.
///
/// # Errors
/// When the image is not there, or a tag cannot be set.
pub(super) fn tag(invocation: &Invocation, args: &TagArgs) -> Result<(), CommandError> {
    let client = invocation.client()?;
    let _lease = invocation.store().ok().map(|store| store.lease());
    let WritableImage { source, mut target } = place::place(invocation, &client, &args.image)?;
    let is_announced = delivery::announce(invocation, &client, &mut target)?;
    let report =
        copy::tag(&*source, &*target.destination, target.tags.first(), &args.tags, args.retag.allow_retag)
            .map_err(|error| invocation.or_in_store(error.into(), &args.image))?;
    show(invocation, args.format.json, &target.prefix, &report, view::copy::tagged(&report));
    if is_announced {
        events::deliver(invocation, &client);
    }
    Ok(())
}

fn show(invocation: &Invocation, json: bool, prefix: &str, report: &copy::CopyReport, message: String) {
    let reference = format!("{prefix}{}", report.digest);
    invocation.printer.published(&reference);
    invocation.printer.message(message);
    if json {
        invocation.printer.json(report);
    } else {
        invocation.printer.result(reference);
    }
}
