//! `pack diff`.

use super::super::args::DiffArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::session::Session;
use super::super::view;
use crate::inspect::diff::{self, DiffOptions};

/// Compares two images; different ones are no error, and exit code 1 all the same, as diff(1) has it.
///
/// # Errors
/// When one cannot be read.
pub(super) fn run(session: &Session, args: &DiffArgs) -> Result<ExitStatus, CommandError> {
    let client = session.client()?;
    let (a, b) = (session.image_with(&args.a, &client)?, session.image_with(&args.b, &client)?);
    let options = DiffOptions {
        platform: args.platform.clone(),
        full: args.full,
        jobs: session.jobs(None).get(),
        progress: session.progress.clone(),
        interrupt: session.interrupt.clone(),
    };
    let mut report = diff::diff(&*a.source, &*b.source, &options)?;
    (report.a.name, report.b.name) = (a.location.to_string(), b.location.to_string());
    if args.format.json {
        session.printer.json(&report);
    } else {
        session.printer.result(view::diff::text(&report, args.layers));
    }
    Ok(if report.equal { ExitStatus::Done } else { ExitStatus::Different })
}
