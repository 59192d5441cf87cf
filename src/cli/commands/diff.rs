//! `pack diff`.

use super::super::args::DiffArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::{Invocation, Opened};
use super::super::picture::difference_page;
use super::super::view;
use super::delivery;
use super::page::PageOutput;
use crate::inspect::diff::{self, DiffOptions};
use crate::registry::Client;
use crate::types::location::Location;

/// Compares two images; different ones are no error, and exit code 1 all the same, as diff(1) has it.
///
/// # Errors
/// When one cannot be read.
pub(super) fn run(invocation: &Invocation, args: &DiffArgs) -> Result<ExitStatus, CommandError> {
    let page = PageOutput::open(invocation, args.html.as_deref())?;
    let client = invocation.client()?;
    let (a, b) = (open(invocation, &args.a, &client)?, open(invocation, &args.b, &client)?);
    let options = DiffOptions {
        platform: args.platform.clone(),
        full: args.full,
        jobs: invocation.jobs(None).get(),
        progress: invocation.progress.clone(),
        interrupt: invocation.interrupt.clone(),
    };
    let mut report = diff::diff(&*a.source, &*b.source, &options)
        .map_err(|error| delivery::with_meanings(invocation, [&args.a, &args.b], error.into()))?;
    (report.a.name, report.b.name) = (a.location.to_string(), b.location.to_string());
    // Before the result: an error comes without one.
    let page = page.map(|output| difference_page(&report).map(|page| (output, page))).transpose()?;
    if !page.as_ref().is_some_and(|(output, _)| output.is_result()) {
        if args.format.json {
            invocation.printer.json(&report);
        } else {
            invocation.printer.result(view::diff::text(&report, args.layers));
        }
    }
    if let Some((output, page)) = page {
        output.write(invocation, &page, &format!("{} and {}", report.a.name, report.b.name))?;
    }
    Ok(if report.equal { ExitStatus::Done } else { ExitStatus::Different })
}

/// An image, or the image that a release has.
fn open(invocation: &Invocation, text: &str, client: &Client) -> Result<Opened, CommandError> {
    match delivery::released(invocation, client, text)? {
        Some((source, reference)) => Ok(Opened { source, location: Location::Registry(reference) }),
        None => {
            let opened = invocation.image_with(text, client)?;
            delivery::check_compared(invocation, text, &opened)?;
            Ok(opened)
        }
    }
}
