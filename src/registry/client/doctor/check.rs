//! The parts of a diagnosis.

use serde::Serialize;

use super::super::super::wire::error::RegistryError;
use crate::types::error::Explain;
use crate::types::error_code::ErrorCode;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// As it should be.
    Good,
    /// Worth knowing, and no reason for failure.
    Note,
    /// This is what fails.
    Bad,
    /// Not tried: an earlier step failed, or it was not asked for.
    Skipped,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The subject, in a word or two.
    pub name: &'static str,
    /// How it went.
    pub health: CheckStatus,
    /// The findings, a sentence each.
    pub found: Vec<String>,
    /// The advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// The situation in which it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

/// All steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The registry or repository.
    pub scope: String,
    /// Whether no step is bad.
    pub well: bool,
    /// The steps, in order.
    pub checks: Vec<Check>,
}

impl Check {
    pub(super) fn new(name: &'static str, health: CheckStatus, found: impl Into<String>) -> Self {
        Self { health, found: vec![found.into()], ..Self::none(name) }
    }

    /// A step that is as it should be.
    pub fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Good, found)
    }

    pub(super) fn skipped(name: &'static str, why: &str) -> Self {
        Self::new(name, CheckStatus::Skipped, why)
    }

    /// A step of which nothing is known yet.
    pub fn none(name: &'static str) -> Self {
        Self { name, health: CheckStatus::Good, found: Vec::new(), advice: None, code: None }
    }

    /// A step that fails in a situation.
    pub fn bad(
        name: &'static str,
        code: ErrorCode,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(name, CheckStatus::Bad, found).fails(code, advice)
    }

    pub(super) fn failed(name: &'static str, error: &RegistryError) -> Self {
        Self::new(name, CheckStatus::Bad, error.to_string()).fails_by(error)
    }

    /// The same step, which fails after all.
    pub fn fails(self, code: ErrorCode, advice: impl Into<String>) -> Self {
        Self { health: CheckStatus::Bad, advice: Some(advice.into()), code: Some(code), ..self }
    }

    /// The same step, which an error ends.
    pub(super) fn fails_by(self, error: &RegistryError) -> Self {
        Self { health: CheckStatus::Bad, advice: error.hint(), code: error.code(), ..self }
    }

    /// Adds a finding.
    pub fn and(mut self, found: impl Into<String>) -> Self {
        self.found.push(found.into());
        self
    }

    /// Adds what is worth knowing, and makes a good step one of note.
    pub(super) fn note(mut self, found: impl Into<String>) -> Self {
        if self.health == CheckStatus::Good {
            self.health = CheckStatus::Note;
        }
        self.and(found)
    }
}
