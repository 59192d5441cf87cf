//! The findings of checks, as lines of text.

use super::super::printer::Printer;
use crate::types::finding::{Finding, Severity};

/// Prints findings; notes as details where there is no news.
pub fn findings(printer: &Printer, findings: &[Finding], is_news: bool) {
    for finding in findings {
        match finding.level {
            Severity::Info => {}
            Severity::Note if is_news => printer.note(text(finding)),
            Severity::Note => printer.detail(text(finding)),
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
