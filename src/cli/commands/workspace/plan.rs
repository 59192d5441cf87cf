//! `pack plan` and `pack check` of several members.

use std::path::Path;

use serde_json::{Value, json};

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
use crate::engine::{BaseTable, Request, Session};

/// Prints what a build of the members would do, one after the other. One that cannot be planned keeps no other from
/// being told of; the exit code is that of the first such member.
///
/// # Errors
/// Whatever is wrong with the command or the workspace as a whole.
pub(in super::super) fn plan(invocation: &Invocation, args: &PlanArgs) -> Result<ExitStatus, CommandError> {
    let chosen = ChosenMembers::choose(invocation, &args.image, &args.workspace, &[])?;
    let printer = &invocation.printer;
    let mut shared = SharedSession::default();
    let mut failed = FailedMembers::default();
    let mut documents = Vec::new();
    for member in chosen.members {
        invocation
            .interrupt
            .check()
            .map_err(|error| CommandError::from_error(ExitStatus::Interrupted, &error))?;
        if !args.format.json {
            printer.result(format!("member    {}: {}", printable(&member.name), printable(&member.place)));
        }
        let why = member.why.as_ref().map(ToString::to_string);
        let place = member.place;
        let name = member.name;
        let planned = member.asked.and_then(|asked| {
            let request = asked.request;
            let (session, bases) = shared.of(invocation, &request)?;
            let _lease = session.store.lease();
            let json = &mut |view: &plan::PlanView<'_>| {
                documents.push(json!({ "member": name, "path": place, "why": why, "plan": view }));
            };
            plan::show(invocation, args, session, &request, bases, json)
        });
        if let Err(error) = planned {
            let mut document =
                json!({ "member": name, "path": place, "why": why, "error": error.chain.join(": ") });
            if let Some(code) = error.code {
                document["code"] = json!(code);
            }
            if let Some(refusal) = &error.refusal {
                document["policy"] = json!(refusal);
            }
            documents.push(document);
            failed.add(invocation, &name, error);
        }
        if !args.format.json {
            printer.result("");
        }
    }
    if args.format.json {
        printer.json(&json!({ "members": documents, "leftOut": chosen.left_out }));
    }
    Ok(failed.status())
}

/// Checks the members; one with errors is no error of the command, and exit code 1 all the same. One that cannot be
/// planned keeps no other from being checked; the exit code is that of the first such member.
///
/// # Errors
/// Whatever is wrong with the command or the workspace as a whole.
pub(in super::super) fn check(invocation: &Invocation, args: &CheckArgs) -> Result<ExitStatus, CommandError> {
    let files: Vec<(&str, &Path)> = args.sarif.iter().map(|file| ("--sarif", &**file)).collect();
    let chosen = ChosenMembers::choose(invocation, &args.image, &args.workspace, &files)?;
    let sarif = args.sarif.as_ref().map(|file| OutputFile::open(invocation, file)).transpose()?;
    let mut shared = SharedSession::default();
    let mut failed = FailedMembers::default();
    let (mut names, mut reports) = (Vec::new(), Vec::new());
    for member in chosen.members {
        invocation
            .interrupt
            .check()
            .map_err(|error| CommandError::from_error(ExitStatus::Interrupted, &error))?;
        let report = member.asked.and_then(|asked| {
            let mut request = asked.request;
            let (session, bases) = shared.of(invocation, &request)?;
            let _lease = session.store.lease();
            check::report(args, session, &mut request, bases)
        });
        match report {
            Ok(report) => {
                reports.push(report);
                names.push(member.name);
            }
            Err(error) => failed.add(invocation, &member.name, error),
        }
    }
    let log = SarifLog::of_many(&reports, &invocation.environment.cwd);
    if let Some(file) = sarif {
        let mut bytes = Vec::new();
        // Memory takes it.
        let _ = format::write_json(&log, &mut bytes);
        file.write(invocation, &bytes)?;
    }
    tell(invocation, args, &names, &reports, &failed, &log);
    let has_errors = reports.iter().any(|report| report.summary.errors > 0);
    Ok(match failed.status() {
        ExitStatus::Done if has_errors => ExitStatus::Input,
        status => status,
    })
}

/// The session and the bases that all members share, once the first asks for them.
#[derive(Default)]
struct SharedSession(Option<(Session, BaseTable)>);

impl SharedSession {
    fn of(
        &mut self,
        invocation: &Invocation,
        request: &Request,
    ) -> Result<(&Session, &BaseTable), CommandError> {
        let known = match self.0.take() {
            Some(known) => known,
            None => (invocation.session(&request.settings)?, BaseTable::default()),
        };
        let (session, bases) = self.0.insert(known);
        Ok((session, bases))
    }
}

/// The members that cannot be planned.
#[derive(Default)]
struct FailedMembers {
    /// Each with its error, as JSON.
    all: Vec<Value>,
    first: Option<ExitStatus>,
}

impl FailedMembers {
    /// Adds one, and says so.
    fn add(&mut self, invocation: &Invocation, name: &str, error: CommandError) {
        self.first = self.first.or(Some(error.status));
        let mut document = json!({ "member": name, "error": error.chain.join(": ") });
        if let Some(code) = error.code {
            document["code"] = json!(code);
        }
        self.all.push(document);
        invocation.printer.error(&error.context(format!("the member `{name}` failed")));
    }

    fn status(&self) -> ExitStatus {
        self.first.unwrap_or(ExitStatus::Done)
    }
}

fn tell(
    invocation: &Invocation,
    args: &CheckArgs,
    names: &[String],
    reports: &[CheckReport],
    failed: &FailedMembers,
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
            let checked =
                names.iter().zip(reports).map(|(name, report)| json!({ "member": name, "report": report }));
            let failed = failed.all.iter().cloned();
            printer.json(&json!({ "members": checked.chain(failed).collect::<Vec<_>>() }));
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
