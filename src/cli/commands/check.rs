//! `pack check`.

use std::path::Path;

use super::super::args::{CheckArgs, CheckFormat};
use super::super::error::{CommandError, ExitStatus};
use super::super::file::OutputFile;
use super::super::format::write_json;
use super::super::invocation::Invocation;
use super::super::view::check::{CheckReport, RuleView, explained, rules};
use super::super::view::sarif::SarifLog;
use super::request;
use crate::engine;
use crate::types::rule::Rule;

/// Checks an image that is planned; one with errors is no error of the command, and exit code 1 all the same.
///
/// # Errors
/// Whatever would stop a build before its plan is made.
pub(super) fn run(invocation: &Invocation, args: &CheckArgs) -> Result<ExitStatus, CommandError> {
    if let Some(rule) = args.explain {
        return tell(invocation, args, &[rule], &explained(rule));
    }
    if args.rules {
        return tell(invocation, args, Rule::ALL, &rules(invocation.printer.screen()));
    }
    let files: Vec<(&str, &Path)> = args.sarif.iter().map(|file| ("--sarif", &**file)).collect();
    let mut asked = request::ask(invocation, &args.image, &files)?;
    let sarif = args.sarif.as_ref().map(|file| OutputFile::open(invocation, file)).transpose()?;
    let session = invocation.session(&asked.request.settings)?;
    let _lease = session.store.lease();
    let report = report(args, &session, &mut asked.request, &engine::BaseTable::default())?;
    let log = || SarifLog::of(&report, &invocation.environment.cwd);
    if let Some(file) = sarif {
        let mut bytes = Vec::new();
        // Memory takes it.
        let _ = write_json(&log(), &mut bytes);
        file.write(invocation, &bytes)?;
    }
    let printer = &invocation.printer;
    for note in &report.notes {
        printer.note(note);
    }
    for warning in &report.warnings {
        printer.warning(warning);
    }
    match args.format() {
        CheckFormat::Json => printer.json(&report),
        CheckFormat::Sarif => printer.json(&log()),
        CheckFormat::Text => {
            printer.result(
                report.text(printer.options().verbose > 0, |style, text| printer.paint_result(style, text)),
            );
        }
    }
    Ok(if report.summary.errors == 0 { ExitStatus::Done } else { ExitStatus::Input })
}

/// The findings about the image of `request`.
///
/// # Errors
/// Whatever would stop a build before its plan is made.
pub(super) fn report(
    args: &CheckArgs,
    session: &engine::Session,
    request: &mut engine::Request,
    bases: &engine::BaseTable,
) -> Result<CheckReport, CommandError> {
    request.plans_refused = true;
    request.most_findings = engine::ALL_FINDINGS;
    request.reads_base = args.deep;
    let scanner = engine::scanner(session, request);
    let prepared = engine::prepare(session, request, &scanner, bases)?;
    Ok(CheckReport::of(&prepared.plan))
}

/// Prints what rules are about.
fn tell(
    invocation: &Invocation,
    args: &CheckArgs,
    rules: &[Rule],
    text: &str,
) -> Result<ExitStatus, CommandError> {
    match args.format() {
        CheckFormat::Text => invocation.printer.result(text.trim_end()),
        CheckFormat::Json => {
            let views: Vec<RuleView> = rules.iter().copied().map(RuleView::of).collect();
            invocation.printer.json(&views);
        }
        CheckFormat::Sarif => {
            return Err(CommandError::usage("rules alone are no SARIF").hint("give `--json`"));
        }
    }
    Ok(ExitStatus::Done)
}
