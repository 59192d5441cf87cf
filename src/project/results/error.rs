//! The faults of results.

use super::version::SCHEMA_VERSION;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// Why results cannot be read or put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultsError {
    /// There are none.
    #[error("there are no results to put together")]
    None,
    /// A document that is none, or not all of one.
    #[error("`{name}` is not the results of a run: {why}")]
    Torn {
        /// Where it is.
        name: String,
        /// Why.
        why: String,
    },
    /// A document of another version.
    #[error("`{name}` has version {version} of the results, and this `pack` reads version {SCHEMA_VERSION}")]
    Schema {
        /// Where it is.
        name: String,
        /// Its version.
        version: u32,
    },
    /// Two documents are not of one run.
    #[error("`{a}` and `{b}` are not of one run: they differ in {what}: {values}")]
    Different {
        /// The one.
        a: String,
        /// The other.
        b: String,
        /// The field in words.
        what: &'static str,
        /// Its two values.
        values: String,
    },
    /// Two shards have the same member.
    #[error("the member `{member}` is in two shards, of `{a}` and of `{b}`")]
    TwoShards {
        /// The member.
        member: String,
        /// The one.
        a: String,
        /// The other.
        b: String,
    },
    /// One shard ran twice, and made different images.
    #[error(
        "the member `{member}` is {first} in `{a}` and {second} in `{b}`, from the same commit and settings"
    )]
    TwoImages {
        /// The member.
        member: Box<str>,
        /// The one.
        a: Box<str>,
        /// Its image.
        first: Digest,
        /// The other.
        b: Box<str>,
        /// Its image.
        second: Digest,
    },
    /// Two shards built on different images under one name.
    #[error("the base `{base}` is {first} for the shards of `{a}` and {second} for those of `{b}`")]
    TwoBases {
        /// The base.
        base: Box<str>,
        /// The one.
        a: Box<str>,
        /// Its digest.
        first: Digest,
        /// The other.
        b: Box<str>,
        /// Its digest.
        second: Digest,
    },
    /// All shards are there, and a member is not.
    #[error("the results of all {count} shards are there, and none has the member `{member}`")]
    Lost {
        /// The member.
        member: String,
        /// How many there are.
        count: u32,
    },
}

impl Explain for ResultsError {
    fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::Usage,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::TwoImages { .. } => ErrorCode::NotReproducible,
            _ => ErrorCode::ShardsDisagree,
        })
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::None => "give the files that `pack build --workspace --results FILE` wrote",
                Self::Torn { .. } => {
                    "give a file that `pack build --workspace --results FILE` wrote; if it was cut off on its way, run \
                     its shard again"
                }
                Self::Schema { .. } | Self::Different { what: "the version of `pack`", .. } => {
                    "run all shards and `pack merge` with one version of `pack`"
                }
                Self::Different { what: "the number of shards" | "the measures", .. } => {
                    "give all shards the same `--shard …/N` and the same file for `--balance-by`"
                }
                Self::Different { what: "the settings", .. } => {
                    "give all shards the same flags, variables and build files, and run those again that had others"
                }
                Self::Different { .. } => "take the results of one run, and run the shards that it lacks",
                Self::TwoShards { .. } | Self::Lost { .. } => {
                    "give all shards the same checkout, flags and `--balance-by`, and run them again"
                }
                Self::TwoImages { .. } => {
                    "the build is not reproducible: `pack diff` of the two images shows where they differ"
                }
                Self::TwoBases { .. } => {
                    "the base's tag moved between the shards: run `pack update --workspace`, commit `build.lock`, and \
                     run the shards again"
                }
            }
            .to_owned(),
        )
    }
}
