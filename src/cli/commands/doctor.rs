//! `pack doctor`.

use super::super::args::DoctorArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::format;
use super::super::invocation::Invocation;
use super::super::printer::{Printer, Style};
use super::machine;
use crate::registry::{Check, CheckStatus, Diagnosis};

/// The subject of a diagnosis without a registry.
const THIS_MACHINE: &str = "this machine";

/// Examines a registry, or this machine.
///
/// # Errors
/// When a step fails.
pub(super) fn run(invocation: &Invocation, args: &DoctorArgs) -> Result<(), CommandError> {
    let Some(scope) = &args.scope else {
        let checks = machine::checks(invocation);
        let well = checks.iter().all(|check| check.health != CheckStatus::Bad);
        let diagnosis = Diagnosis { scope: THIS_MACHINE.to_owned(), well, checks };
        return tell(invocation, args, &diagnosis, ExitStatus::Input);
    };
    let registries = invocation.registries(args.file.as_deref())?;
    let client = invocation.client_with(invocation.credentials(args.authfile.as_deref()), registries);
    let diagnosis = client.diagnose(scope, args.push, invocation.environment.now)?;
    tell(invocation, args, &diagnosis, ExitStatus::Registry)
}

/// Prints the steps, and fails so if one of them did.
fn tell(
    invocation: &Invocation,
    args: &DoctorArgs,
    diagnosis: &Diagnosis,
    status: ExitStatus,
) -> Result<(), CommandError> {
    let printer = &invocation.printer;
    if args.format.json {
        printer.json(diagnosis);
    } else {
        let checks: Vec<String> = diagnosis.checks.iter().map(|check| text(printer, check)).collect();
        printer.result(checks.concat().trim_end());
    }
    if diagnosis.well {
        return Ok(());
    }
    let bad: Vec<&Check> = diagnosis.checks.iter().filter(|check| check.health == CheckStatus::Bad).collect();
    let names: Vec<&str> = bad.iter().map(|check| check.name).collect();
    let count = format::count(bad.len() as u64, "step");
    let message = format!("{}: {count} failed: {}", diagnosis.scope, names.join(", "));
    let error = CommandError::new(status, message).coded(bad.first().and_then(|check| check.code));
    Err(bad.iter().filter_map(|check| check.advice.as_ref()).fold(error, CommandError::hint))
}

/// A step: its name and how it went, then what was found, a line each.
fn text(printer: &Printer, check: &Check) -> String {
    let (word, style) = match check.health {
        CheckStatus::Good => ("ok", Style::Hint),
        CheckStatus::Note => ("note", Style::Warning),
        CheckStatus::Bad => ("FAILED", Style::Error),
        CheckStatus::Skipped => ("-", Style::Dim),
    };
    let mut text = format!("{:<12} {}\n", check.name, printer.paint_result(style, word));
    for found in &check.found {
        text.push_str(&format!("  {}\n", format::printable(found)));
    }
    if let Some(advice) = &check.advice {
        text.push_str(&format!("  => {}\n", format::printable(advice)));
    }
    text
}
