//! `pack diff`.

use super::super::args::DiffArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::super::view;
use crate::inspect::diff::{self, DiffOptions};

/// Compares two images; different ones are no error, and exit code 1 all the same, as diff(1) has it.
///
/// # Errors
/// When one cannot be read.
pub(super) fn run(invocation: &Invocation, args: &DiffArgs) -> Result<ExitStatus, CommandError> {
    let client = invocation.client()?;
    let (a, b) = (invocation.image_with(&args.a, &client)?, invocation.image_with(&args.b, &client)?);
    let options = DiffOptions {
        platform: args.platform.clone(),
        full: args.full,
        jobs: invocation.jobs(None).get(),
        progress: invocation.progress.clone(),
        interrupt: invocation.interrupt.clone(),
    };
    let mut report = diff::diff(&*a.source, &*b.source, &options)?;
    (report.a.name, report.b.name) = (a.location.to_string(), b.location.to_string());
    if args.format.json {
        invocation.printer.json(&report);
    } else {
        invocation.printer.result(view::diff::text(&report, args.layers));
    }
    Ok(if report.equal { ExitStatus::Done } else { ExitStatus::Different })
}
