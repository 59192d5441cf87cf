//! The findings of checks, as lines of text.

use super::super::printer::Printer;
use crate::types::finding::{Finding, Severity};

/// The findings that a command tells of, besides warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldNotes {
    /// Notes of rules that may be errors: a build stays quiet.
    Important,
    /// All of them.
    All,
}

/// Prints findings, but those that a user need not know.
pub fn findings(printer: &Printer, findings: &[Finding], notes: ToldNotes) {
    for finding in findings {
        match finding.level {
            Severity::Info => {}
            Severity::Note if notes == ToldNotes::Important && is_advice(finding) => {}
            Severity::Note => printer.note(text(finding)),
            Severity::Warning | Severity::Error => printer.warning(text(finding)),
        }
    }
}

/// Whether a note is of a rule that never is more than one, or is about what the user allows.
pub fn is_advice(finding: &Finding) -> bool {
    finding.rule.level() == Severity::Note || finding.allowed.is_some()
}

/// The sentence with its rule and what to do.
pub fn text(finding: &Finding) -> String {
    let Finding { rule, message, .. } = finding;
    match (&finding.allowed, &finding.hint) {
        (Some(why), _) => format!("{message} [{rule}], which is allowed: {why}"),
        (None, None) => format!("{message} [{rule}]"),
        (None, Some(hint)) if message.ends_with('.') => format!("{message} [{rule}] Hint: {hint}"),
        (None, Some(hint)) => format!("{message} [{rule}]; {hint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::rule::Rule;

    #[test]
    fn a_finding_has_its_rule_and_what_to_do() {
        let finding = Finding::not_met(Rule::Secret, "a key".to_owned()).hint("leave it out");
        assert_eq!(text(&finding), "a key [secret]; leave it out");
        let sentence = Finding { message: "A key.".to_owned(), ..finding.clone() };
        assert_eq!(text(&sentence), "A key. [secret] Hint: leave it out");
        let allowed = Finding { allowed: Some("a test".to_owned()), ..finding.at(Severity::Note) };
        assert_eq!(text(&allowed), "a key [secret], which is allowed: a test");
    }

    #[test]
    fn a_build_leaves_advice_out() {
        let note = |rule| Finding::not_met(rule, String::new()).at(Severity::Note);
        assert!(is_advice(&note(Rule::RunsAsRoot)));
        assert!(!is_advice(&note(Rule::ServletApi)));
        assert!(is_advice(&Finding { allowed: Some(String::new()), ..note(Rule::ServletApi) }));
    }
}
