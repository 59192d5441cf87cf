//! The result of a check: a stable rule, an answer, a sentence, the remedy, and the evidence.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rules, by their stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A program is for another platform than the image.
    Platform,
    /// The loader of a program is not in the image.
    ElfInterpreter,
    /// The image has another C library than the program was linked with.
    ElfLibc,
    /// A library of a program is not in the image.
    ElfLibrary,
    /// The base's container runs another generation of the servlet API.
    ServletApi,
    /// The base's Java is too old.
    JavaVersion,
    /// A program that must be started is not in the image.
    ExecutableMissing,
    /// A named user or group is not in the image.
    UserUnknown,
    /// A TLS client finds no certificates.
    CaCertificates,
    /// Files lie below a volume of the base.
    BelowVolume,
    /// Another servlet container, or another place for applications, than the image was made for.
    ServletContainer,
}

impl Rule {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 11] = [
        Self::Platform,
        Self::ElfInterpreter,
        Self::ElfLibc,
        Self::ElfLibrary,
        Self::ServletApi,
        Self::JavaVersion,
        Self::ExecutableMissing,
        Self::UserUnknown,
        Self::CaCertificates,
        Self::BelowVolume,
        Self::ServletContainer,
    ];

    /// Whether files of a base may decide it. Of a servlet container, only the configuration tells.
    #[must_use]
    pub const fn is_about_files(self) -> bool {
        matches!(
            self,
            Self::ElfInterpreter
                | Self::ElfLibc
                | Self::ElfLibrary
                | Self::JavaVersion
                | Self::ExecutableMissing
                | Self::UserUnknown
        )
    }

    /// The stable name, as JSON has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::ElfInterpreter => "elf-interpreter",
            Self::ElfLibc => "elf-libc",
            Self::ElfLibrary => "elf-library",
            Self::ServletApi => "servlet-api",
            Self::JavaVersion => "java-version",
            Self::ExecutableMissing => "executable-missing",
            Self::UserUnknown => "user-unknown",
            Self::CaCertificates => "ca-certificates",
            Self::BelowVolume => "below-volume",
            Self::ServletContainer => "servlet-container",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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

    /// The base does not fulfil the rule, and the image would not run.
    #[must_use]
    pub const fn not_met(rule: Rule, message: String) -> Self {
        Self {
            rule,
            answer: Answer::NotMet,
            level: Severity::Error,
            message,
            hint: None,
            evidence: Vec::new(),
        }
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
    fn rules_have_the_names_that_json_has() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_string(&rule).expect("JSON"), format!("\"{}\"", rule.name()));
        }
    }

    #[test]
    fn what_is_not_known_is_no_pass() {
        let finding = Finding::unknown(Rule::ElfLibc, "cannot be known here".to_owned()).hint("look");
        let json = serde_json::to_value(&finding).expect("JSON");
        assert_eq!((json["answer"].as_str(), json["level"].as_str()), (Some("unknown"), Some("warning")));
        assert_eq!(serde_json::from_value::<Finding>(json).expect("JSON"), finding);
    }
}
