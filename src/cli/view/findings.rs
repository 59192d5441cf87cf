//! The findings of checks, as lines of text.

use super::super::printer::Printer;
use crate::types::finding::{Finding, Severity};

/// Prints findings, but those that a user need not know.
pub fn findings(printer: &Printer, findings: &[Finding]) {
    for finding in findings {
        match finding.level {
            Severity::Info => {}
            Severity::Note => printer.note(text(finding)),
            Severity::Warning | Severity::Error => printer.warning(text(finding)),
        }
    }
}

/// The sentence with what to do.
fn text(finding: &Finding) -> String {
    match &finding.hint {
        None => finding.message.clone(),
        Some(hint) if finding.message.ends_with('.') => format!("{} Hint: {hint}", finding.message),
        Some(hint) => format!("{}; {hint}", finding.message),
    }
}
