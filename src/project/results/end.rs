//! How a member ended.

use serde::{Deserialize, Serialize};

/// How a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberEnd {
    /// Its image is where it was wanted.
    Built,
    /// It was there before.
    Unchanged,
    /// It failed.
    Failed,
    /// It was stopped while it was under way.
    Stopped,
    /// It was not begun.
    NotStarted,
}

impl MemberEnd {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Built, Self::Unchanged, Self::Failed, Self::Stopped, Self::NotStarted];

    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::NotStarted => "not started",
        }
    }

    /// Whether there is an image.
    #[must_use]
    pub const fn has_image(self) -> bool {
        matches!(self, Self::Built | Self::Unchanged)
    }
}
