//! `pack plan` and `pack check` of several members.

use std::path::Path;

use super::super::super::args::{CheckArgs, CheckFormat, PlanArgs};
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::file::OutputFile;
use super::super::super::format::{self, printable};
use super::super::super::invocation::Invocation;
use super::super::super::view::check::CheckReport;
use super::super::super::view::sarif::SarifLog;
use super::super::check;
use super::super::plan;
use super::chosen::ChosenMembers;
use super::told::ToldMessages;
use crate::engine::BaseTable;

/// Prints what a build of the members would do, one after the other.
///
/// # Errors
/// When one of them cannot be planned.
pub(in super::super) fn plan(invocation: &Invocation, args: &PlanArgs) -> Result<(), CommandError> {
    let chosen = ChosenMembers::choose(invocation, &args.image, &args.workspace, &[])?;
    let mut bases = None;
    let mut documents = Vec::new();
    for member in chosen.members {
        let of_member = |error: CommandError| error.context(format!("the member `{}` failed", member.name));
        let request = member.request.map_err(of_member)?.asked.request;
        let (session, bases) = match &bases {
            Some(known) => known,
            None => bases.insert((invocation.session(&request.settings)?, BaseTable::default())),
        };
        let _lease = session.store.lease();
        if !args.format.json {
            invocation.printer.result(format!(
                "member    {}: {}",
                printable(&member.name),
                printable(&member.place)
            ));
        }
        let json = &mut |view: &plan::PlanView<'_>| {
            let why = member.why.as_ref().map(ToString::to_string);
            documents.push(
                serde_json::json!({ "member": member.name, "path": member.place, "why": why, "plan": view }),
            );
        };
        plan::show(invocation, args, session, &request, bases, json).map_err(of_member)?;
        if !args.format.json {
            invocation.printer.result("");
        }
    }
    if args.format.json {
        let document = serde_json::json!({ "members": documents, "leftOut": chosen.left_out });
        invocation.printer.json(&document);
    }
    Ok(())
}

/// Checks the members; one with errors is no error of the command, and exit code 1 all the same.
///
/// # Errors
/// When one of them cannot be planned.
pub(in super::super) fn check(invocation: &Invocation, args: &CheckArgs) -> Result<ExitStatus, CommandError> {
    let files: Vec<(&str, &Path)> = args.sarif.iter().map(|file| ("--sarif", &**file)).collect();
    let chosen = ChosenMembers::choose(invocation, &args.image, &args.workspace, &files)?;
    let sarif = args.sarif.as_ref().map(|file| OutputFile::open(invocation, file)).transpose()?;
    let mut shared = None;
    let (mut names, mut reports) = (Vec::new(), Vec::new());
    for member in chosen.members {
        let of_member = |error: CommandError| error.context(format!("the member `{}` failed", member.name));
        let mut request = member.request.map_err(of_member)?.asked.request;
        let (session, bases) = match &shared {
            Some(known) => known,
            None => shared.insert((invocation.session(&request.settings)?, BaseTable::default())),
        };
        let _lease = session.store.lease();
        reports.push(check::report(args, session, &mut request, bases).map_err(of_member)?);
        names.push(member.name);
    }
    let log = SarifLog::of_many(&reports, &invocation.environment.cwd);
    if let Some(file) = sarif {
        let mut bytes = Vec::new();
        // Memory takes it.
        let _ = format::write_json(&log, &mut bytes);
        file.write(invocation, &bytes)?;
    }
    tell(invocation, args, &names, &reports, &log);
    let has_errors = reports.iter().any(|report| report.summary.errors > 0);
    Ok(if has_errors { ExitStatus::Input } else { ExitStatus::Done })
}

fn tell(
    invocation: &Invocation,
    args: &CheckArgs,
    names: &[String],
    reports: &[CheckReport],
    log: &SarifLog,
) {
    let printer = &invocation.printer;
    let mut told = ToldMessages::default();
    for (name, report) in names.iter().zip(reports) {
        told.of(name, &report.notes, &report.warnings, &[]);
    }
    told.tell(printer);
    match args.format() {
        CheckFormat::Json => {
            let members: Vec<_> = names
                .iter()
                .zip(reports)
                .map(|(name, report)| serde_json::json!({ "member": name, "report": report }))
                .collect();
            printer.json(&serde_json::json!({ "members": members }));
        }
        CheckFormat::Sarif => printer.json(log),
        CheckFormat::Text => {
            let is_verbose = printer.options().verbose > 0;
            for (name, report) in names.iter().zip(reports) {
                printer.result(format!("{}:", printable(name)));
                printer.result(report.text(is_verbose, |style, text| printer.paint_result(style, text)));
            }
        }
    }
}
