//! The result of `pack check`: the findings and their number, and what rules are about, as text and as JSON.

use serde::Serialize;

use super::super::format::{Column, Screen, Table, count, printable};
use super::super::printer::Style;
use crate::plan::Plan;
use crate::types::finding::{Answer, Finding, Severity};
use crate::types::rule::Rule;

/// The findings about a planned image.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The image's name, without tag and digest.
    pub name: String,
    /// Its base, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// All findings: errors first.
    pub findings: Vec<Finding>,
    /// Facts that the user may want to know.
    pub notes: Vec<String>,
    /// Problems that the user should probably solve.
    pub warnings: Vec<String>,
    /// How many there are.
    pub summary: CheckSummary,
}

/// Numbers of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckSummary {
    /// Findings that are errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
    /// Findings that are notes.
    pub notes: u64,
    /// Requirements that the image meets.
    pub met: u64,
    /// Answers that cannot be known here, of any level.
    pub unknown: u64,
    /// Findings that the user allows.
    pub allowed: u64,
}

impl CheckReport {
    /// The findings of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut findings = plan.findings.clone();
        // Stable, so that findings of one level stay in the order in which they were made.
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        let base = plan.images.iter().find_map(|image| image.base.as_ref());
        Self {
            name: plan.name.clone(),
            base: base.map(|base| base.reference.clone()),
            summary: CheckSummary::of(&findings),
            findings,
            notes: plan.notes.clone(),
            warnings: plan.warnings.clone(),
        }
    }

    /// The findings as lines, and their number. `is_verbose` adds what is met, and the evidence. `paint` may colour
    /// levels.
    pub fn text(&self, is_verbose: bool, paint: impl Fn(Style, &str) -> String) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let is_told = is_verbose || finding.level > Severity::Info;
            if is_told {
                let (style, word) = label(finding);
                let head = paint(style, &format!("{word}[{}]:", finding.rule));
                text.push_str(&format!("{head} {}\n", printable(&finding.message)));
                details(finding, is_verbose, &mut text);
            }
        }
        text.push_str(&format!("{}: {}\n", self.name, self.summary.text()));
        text
    }
}

/// The lines below the sentence of a finding.
fn details(finding: &Finding, is_verbose: bool, text: &mut String) {
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name}: {}\n", printable(value)));
    if let Some(place) = &finding.setting {
        line("at", &place.to_string());
    }
    if let Some(why) = &finding.allowed {
        line("allowed", why);
    } else if let Some(hint) = &finding.hint {
        line("hint", hint);
    }
    for evidence in finding.evidence.iter().filter(|_| is_verbose) {
        line("evidence", evidence);
    }
}

/// The word for a finding, which its colour repeats.
fn label(finding: &Finding) -> (Style, &'static str) {
    match (finding.answer, finding.level) {
        (Answer::Met, Severity::Info) => (Style::Hint, "met"),
        (_, Severity::Error) => (Style::Error, "error"),
        (_, Severity::Warning) => (Style::Warning, "warning"),
        (_, Severity::Note) => (Style::Hint, "note"),
        (_, Severity::Info) => (Style::Hint, "unknown"),
    }
}

impl CheckSummary {
    /// The numbers of these findings.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let number = |is_meant: &dyn Fn(&Finding) -> bool| {
            findings.iter().filter(|finding| is_meant(finding)).count() as u64
        };
        let of_level = |level| number(&|finding| finding.level == level);
        Self {
            errors: of_level(Severity::Error),
            warnings: of_level(Severity::Warning),
            notes: of_level(Severity::Note),
            met: number(&Finding::is_pass),
            unknown: number(&|finding| finding.answer == Answer::Unknown),
            allowed: number(&|finding| finding.allowed.is_some()),
        }
    }

    fn text(self) -> String {
        let Self { errors, warnings, notes, met, unknown, allowed } = self;
        let mut parts = vec![count(errors, "error"), count(warnings, "warning"), count(notes, "note")];
        parts.push(format!("{} met", super::super::format::number(met)));
        let mut text = parts.join(", ");
        for (number, what) in [(unknown, "cannot be known here"), (allowed, "allowed")] {
            if number > 0 {
                text.push_str(&format!("; {} {what}", super::super::format::number(number)));
            }
        }
        text
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RuleView {
    /// Its name.
    rule: Rule,
    /// The level of its findings, where neither a finding nor the user says otherwise.
    level: Severity,
    /// Why it is there.
    reason: &'static str,
    /// The remedy.
    remedy: &'static str,
}

impl RuleView {
    /// The facts about a rule.
    #[must_use]
    pub const fn of(rule: Rule) -> Self {
        Self { rule, level: rule.level(), reason: rule.reason(), remedy: rule.remedy() }
    }
}

/// The word for a level.
const fn level_word(level: Severity) -> &'static str {
    match level {
        Severity::Info => "info",
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// All rules in a table.
#[must_use]
pub fn rules(screen: Option<Screen>) -> String {
    let mut table = Table::new([Column::left("RULE"), Column::left("LEVEL"), Column::flexible("REASON")]);
    for rule in Rule::ALL {
        table.row([rule.name().to_owned(), level_word(rule.level()).to_owned(), rule.reason().to_owned()]);
    }
    table.render(screen)
}

/// The text about one rule.
#[must_use]
pub fn explained(rule: Rule) -> String {
    format!("{rule} ({})\n  {}\n  {}\n", level_word(rule.level()), rule.reason(), rule.remedy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(_: Style, text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn findings_are_lines_and_a_number() {
        let findings = vec![
            Finding::not_met(Rule::Secret, "`key.pem` is a private key".to_owned()).hint("leave it out"),
            Finding {
                allowed: Some("a test".to_owned()),
                ..Finding::not_met(Rule::CaseClash, "two names".to_owned())
            }
            .at(Severity::Note),
            Finding::unknown(Rule::ElfLibc, "cannot be known here".to_owned()),
            Finding::met(Rule::JavaVersion, "it has Java 21".to_owned()).evidence(vec!["release".to_owned()]),
        ];
        let report = CheckReport {
            name: "localhost/app".to_owned(),
            base: None,
            summary: CheckSummary::of(&findings),
            findings,
            notes: Vec::new(),
            warnings: Vec::new(),
        };
        insta::assert_snapshot!(report.text(false, plain), @r"
        error[secret]: `key.pem` is a private key
          hint: leave it out
        note[case-clash]: two names
          allowed: a test
        warning[elf-libc]: cannot be known here
        localhost/app: 1 error, 1 warning, 1 note, 1 met; 1 cannot be known here; 1 allowed
        ");
        let verbose = report.text(true, plain);
        assert!(verbose.contains("met[java-version]: it has Java 21\n  evidence: release\n"), "{verbose}");
    }

    #[test]
    fn a_rule_is_explained() {
        insta::assert_snapshot!(explained(Rule::JavaMissing), @r"
        java-missing (error)
          A jar does not start without Java.
          Take a base that has a Java runtime.
        ");
        let all = rules(None);
        assert!(Rule::ALL.iter().all(|rule| all.contains(rule.name())), "{all}");
    }
}
