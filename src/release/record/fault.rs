//! The faults of a history.

use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::Tag;
use crate::types::release::{EnvironmentName, ReleaseNumber};
use crate::types::shown::Foreign;

/// Something that a sound history does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// A record says something else than its tag, its subject or itself.
    #[error("the record `{tag}` was tampered with: {}", Foreign::new(why))]
    Tampered {
        /// Its tag.
        tag: Tag,
        /// The disagreement.
        why: String,
    },
    /// A record is not there, and a later one is.
    #[error("the record `{tag}` is missing, and there are later ones")]
    Missing {
        /// Its tag; where that is not known, a pattern that it matches.
        tag: String,
    },
    /// The records of several numbers are not there, and later ones are.
    #[error("the records `{first}` to `{last}` are missing, and there are later ones")]
    MissingRange {
        /// A pattern of the tags of the first number.
        first: String,
        /// The same of the last number.
        last: String,
    },
    /// The record that a record follows is not there, and others with its number are: two histories were written.
    #[error(
        "the history forks at `{tag}`: it follows the record {expected}, and no record of that number is it"
    )]
    Fork {
        /// The tag of the later record.
        tag: Tag,
        /// The record that it says it follows.
        expected: Digest,
    },
    /// A record that is not the first one follows none, or the first one follows another.
    #[error("the history forks at `{tag}`: {why}")]
    Chain {
        /// The tag of the record.
        tag: Tag,
        /// The words of its `previous`.
        why: String,
    },
}

/// The hint about records that are gone.
pub const KEEP_TAGS: &str = "keep all tags of releases when tags are cleaned up";

impl RecordFault {
    /// The records with these numbers are missing.
    #[must_use]
    pub fn missing(environment: &EnvironmentName, first: ReleaseNumber, last: ReleaseNumber) -> Self {
        match (environment.record_tags(first), environment.record_tags(last)) {
            (tag, last) if tag == last => Self::Missing { tag },
            (first, last) => Self::MissingRange { first, last },
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Tampered { .. } => "tampered",
            Self::Missing { .. } | Self::MissingRange { .. } => "missing",
            Self::Fork { .. } | Self::Chain { .. } => "fork",
        }
    }

    /// The environment, where one record is not sound.
    #[must_use]
    pub fn environment(&self) -> Option<EnvironmentName> {
        match self {
            Self::Missing { .. } | Self::MissingRange { .. } => None,
            Self::Tampered { tag, .. } | Self::Fork { tag, .. } | Self::Chain { tag, .. } => {
                EnvironmentName::of_record_tag(tag).map(|(environment, _)| environment)
            }
        }
    }

    /// The tag of the record that it is about, or a pattern of it; of a range, the first and the last.
    #[must_use]
    pub fn tag(&self) -> String {
        match self {
            Self::Missing { tag } => tag.clone(),
            Self::MissingRange { first, last } => format!("{first} to {last}"),
            Self::Tampered { tag, .. } | Self::Fork { tag, .. } | Self::Chain { tag, .. } => tag.to_string(),
        }
    }
}

impl Explain for RecordFault {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } | Self::MissingRange { .. } => Kind::Input,
            _ => Kind::Policy,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::RecordUnsound)
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Tampered { .. } | Self::Fork { .. } | Self::Chain { .. } => {
                "find out who can write to the repository".to_owned()
            }
            Self::Missing { .. } | Self::MissingRange { .. } => KEEP_TAGS.to_owned(),
        })
    }
}
