//! How much a finding of a check matters.

use serde::{Deserialize, Serialize};

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
