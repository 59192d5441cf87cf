//! The variables in which CI systems tell a job its number.

use std::fmt;

/// A system that runs one job several times and tells each run its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CiSystem {
    /// GitLab CI with `parallel`.
    GitLab,
    /// CircleCI with `parallelism`.
    CircleCi,
    /// Buildkite with `parallelism`.
    Buildkite,
    /// An indexed Job of Kubernetes, which does not say how many pods it has.
    Kubernetes,
}

impl CiSystem {
    /// In the order of their weight: a pod may run the job of another system.
    pub(super) const ALL: [Self; 4] = [Self::GitLab, Self::CircleCi, Self::Buildkite, Self::Kubernetes];

    /// The variable with the number.
    #[must_use]
    pub const fn index_variable(self) -> &'static str {
        match self {
            Self::GitLab => "CI_NODE_INDEX",
            Self::CircleCi => "CIRCLE_NODE_INDEX",
            Self::Buildkite => "BUILDKITE_PARALLEL_JOB",
            Self::Kubernetes => "JOB_COMPLETION_INDEX",
        }
    }

    /// The variable with the count.
    #[must_use]
    pub const fn count_variable(self) -> Option<&'static str> {
        match self {
            Self::GitLab => Some("CI_NODE_TOTAL"),
            Self::CircleCi => Some("CIRCLE_NODE_TOTAL"),
            Self::Buildkite => Some("BUILDKITE_PARALLEL_JOB_COUNT"),
            Self::Kubernetes => None,
        }
    }

    /// The number of the first job.
    pub(super) const fn first(self) -> u32 {
        match self {
            Self::GitLab => 1,
            Self::CircleCi | Self::Buildkite | Self::Kubernetes => 0,
        }
    }
}

impl fmt::Display for CiSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitLab => "GitLab",
            Self::CircleCi => "CircleCI",
            Self::Buildkite => "Buildkite",
            Self::Kubernetes => "Kubernetes",
        })
    }
}
