//! The result of a check: a stable rule, an answer, a sentence, the remedy, and the evidence.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::secret::redact_message;
pub use super::severity::Severity;
use super::shown::shown_path;

/// Whether what a rule asks for is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is.
    Met,
    /// It is not.
    NotMet,
    /// Nothing at hand tells: this is no pass.
    Unknown,
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingPlace {
    /// The file, or the flag or variable as it was typed.
    pub name: String,
    /// The line in a file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The bytes in the texts of all settings, for a report that shows them.
    #[serde(skip)]
    pub bytes: Range<usize>,
}

impl fmt::Display for SettingPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

impl SettingPlace {
    fn key(&self) -> (&str, Option<usize>, Option<usize>, usize, usize) {
        let Self { name, line, column, bytes } = self;
        (name, *line, *column, bytes.start, bytes.end)
    }
}

impl Ord for SettingPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for SettingPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// Its answer.
    pub answer: Answer,
    /// How much it matters.
    pub level: Severity,
    /// The finding, in one sentence.
    pub message: String,
    /// The remedy, or the way to know.
    pub hint: Option<String>,
    /// The files and fields that were read.
    pub evidence: Vec<String>,
    /// The file or directory on this machine that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The setting that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<SettingPlace>,
    /// Why the user allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl Finding {
    /// The base fulfils the rule.
    #[must_use]
    pub fn met(rule: Rule, message: String) -> Self {
        Self::new(rule, Answer::Met, Severity::Info, message)
    }

    /// The image does not fulfil the rule, which matters as the table of rules says.
    #[must_use]
    pub fn not_met(rule: Rule, message: String) -> Self {
        Self::new(rule, Answer::NotMet, rule.level(), message)
    }

    /// Nothing at hand tells whether it is there.
    #[must_use]
    pub fn unknown(rule: Rule, message: String) -> Self {
        Self::new(rule, Answer::Unknown, Severity::Warning, message)
    }

    fn new(rule: Rule, answer: Answer, level: Severity, message: String) -> Self {
        Self {
            rule,
            answer,
            level,
            message: without_secrets(message),
            hint: None,
            evidence: Vec::new(),
            file: None,
            line: None,
            setting: None,
            allowed: None,
        }
    }

    /// Whether it tells of nothing that a user has to know: what the rule asks for is there, and no more is said.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.answer == Answer::Met && self.level == Severity::Info
    }

    /// With another level.
    #[must_use]
    pub const fn at(mut self, level: Severity) -> Self {
        self.level = level;
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(without_secrets(hint.into()));
        self
    }

    /// With what was read.
    #[must_use]
    pub fn evidence(mut self, evidence: Vec<String>) -> Self {
        self.evidence = evidence.into_iter().map(without_secrets).collect();
        self
    }

    /// About this file on this machine, where it is not about another one.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.file.get_or_insert_with(|| shown_path(file));
        self
    }

    /// About this line of its file; 0 is the file as a whole.
    #[must_use]
    pub const fn on_line(mut self, line: u32) -> Self {
        self.line = if line > 0 { Some(line) } else { None };
        self
    }

    /// About a setting that was written there.
    #[must_use]
    pub fn at_setting(mut self, place: Option<SettingPlace>) -> Self {
        self.setting = place.or(self.setting);
        self
    }
}

fn without_secrets(text: String) -> String {
    match redact_message(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(redacted) => redacted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_no_pass() {
        let finding = Finding::unknown(Rule::ElfLibc, "cannot be known here".to_owned()).hint("look");
        let json = serde_json::to_value(&finding).expect("JSON");
        assert_eq!((json["answer"].as_str(), json["level"].as_str()), (Some("unknown"), Some("warning")));
        assert_eq!(serde_json::from_value::<Finding>(json).expect("JSON"), finding);
    }
}
