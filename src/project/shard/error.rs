//! The faults of shards.

use super::system::CiSystem;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// The most shards of a run.
pub(super) const MOST_SHARDS: u32 = 10_000;

/// Why it is not known which shard is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// The text is no shard.
    #[error("`{0}` is not a shard")]
    Form(String),
    /// There cannot be so many.
    #[error("a run has from 1 to {MOST_SHARDS} shards, not {0}")]
    Count(u32),
    /// There is no such shard.
    #[error("there is no shard {index} of {count}: the first is 1 and the last is {count}")]
    Index {
        /// The number.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// A variable has no number.
    #[error("the variable `{variable}` is `{text}`, which is not a number")]
    Number {
        /// The variable.
        variable: &'static str,
        /// Its value.
        text: String,
    },
    /// Variables say a shard that is none.
    #[error("`{}` is {index} and `{}` is {count}: there is no such shard", .system.index_variable(), .system.count_variable().unwrap_or("--shard"))]
    Variables {
        /// The system.
        system: CiSystem,
        /// The number.
        index: u32,
        /// The count.
        count: u32,
    },
    /// The count alone.
    #[error("`{count}` is set and `{index}` is not: the shard is unknown")]
    NoIndex {
        /// The variable with the number.
        index: &'static str,
        /// The variable with the count.
        count: &'static str,
    },
    /// The number alone.
    #[error("`{}` is set, and {} how many shards there are", .0.index_variable(), no_count(*.0))]
    NoCount(CiSystem),
    /// The variables and the flag differ.
    #[error("`{variable}` says that there are {said} shards, and `--shard` says {given}")]
    OtherCount {
        /// The variable.
        variable: &'static str,
        /// Its value.
        said: u32,
        /// The flag's.
        given: u32,
    },
    /// Two systems.
    #[error("both `{}` and `{}` are set: the shard is not clear", .0.index_variable(), .1.index_variable())]
    TwoSystems(CiSystem, CiSystem),
    /// No system says anything.
    #[error("`--shard auto` takes the shard from the variables of a CI system, and none of them is set")]
    NoSystem,
}

fn no_count(system: CiSystem) -> String {
    match system.count_variable() {
        Some(variable) => format!("`{variable}` does not say"),
        None => "nothing says".to_owned(),
    }
}

impl Explain for ShardError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn code(&self) -> Option<ErrorCode> {
        None
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Form(_) => {
                "write `2/4` for the second of four, or `auto` for what the CI system says".to_owned()
            }
            Self::Count(_) | Self::Index { .. } => {
                "the shards of four are `1/4`, `2/4`, `3/4` and `4/4`".to_owned()
            }
            Self::NoCount(CiSystem::Kubernetes) => {
                "give the number of completions of the Job: `--shard auto/4`".to_owned()
            }
            Self::OtherCount { said, .. } => format!("write `--shard auto`, or `--shard auto/{said}`"),
            Self::Number { .. }
            | Self::Variables { .. }
            | Self::NoIndex { .. }
            | Self::NoCount(_)
            | Self::TwoSystems(..)
            | Self::NoSystem => "say which shard it is: `--shard 2/4` is the second of four".to_owned(),
        })
    }
}
