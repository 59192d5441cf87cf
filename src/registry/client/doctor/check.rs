//! The parts of a diagnosis.

use serde::Serialize;

use super::super::super::wire::error::RegistryError;
use crate::types::error::Explain;

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
        Self { name, health, found: vec![found.into()], advice: None }
    }

    pub(super) fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, CheckStatus::Good, found)
    }

    pub(super) fn skipped(name: &'static str, why: &str) -> Self {
        Self::new(name, CheckStatus::Skipped, why)
    }

    pub(super) fn bad(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { advice: Some(advice.to_owned()), ..Self::new(name, CheckStatus::Bad, found) }
    }

    pub(super) fn failed(name: &'static str, error: &RegistryError) -> Self {
        Self { advice: error.hint(), ..Self::new(name, CheckStatus::Bad, error.to_string()) }
    }

    pub(super) fn and(mut self, found: impl Into<String>) -> Self {
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
