//! The result of a check: a stable rule, an answer, a sentence, the remedy, and the evidence.

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// Whether what a rule asks for is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is.
    Met,
    /// It is not.
    NotMet,
    /// Nothing at hand tells: this is no pass.
    Unknown,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it should be: nothing that text says.
    Info,
    /// Something that the user may want to know.
    Note,
    /// Something that the user should probably change.
    Warning,
    /// The image would not run.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Finding {
    /// The base fulfils the rule.
    #[must_use]
    pub const fn met(rule: Rule, message: String) -> Self {
        Self { rule, answer: Answer::Met, level: Severity::Info, message, hint: None, evidence: Vec::new() }
    }

    /// The image does not fulfil the rule, which matters as the table of rules says.
    #[must_use]
    pub const fn not_met(rule: Rule, message: String) -> Self {
        Self { rule, answer: Answer::NotMet, level: rule.level(), message, hint: None, evidence: Vec::new() }
    }

    /// Nothing at hand tells whether it is there.
    #[must_use]
    pub const fn unknown(rule: Rule, message: String) -> Self {
        Self {
            rule,
            answer: Answer::Unknown,
            level: Severity::Warning,
            message,
            hint: None,
            evidence: Vec::new(),
        }
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
        self.hint = Some(hint.into());
        self
    }

    /// With what was read.
    #[must_use]
    pub fn evidence(mut self, evidence: Vec<String>) -> Self {
        self.evidence = evidence;
        self
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
