//! The faults of a history.

use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::reference::Tag;
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

impl RecordFault {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Tampered { .. } => "tampered",
            Self::Missing { .. } => "missing",
            Self::Fork { .. } | Self::Chain { .. } => "fork",
        }
    }

    /// The tag of the record that it is about, or a pattern of it.
    #[must_use]
    pub fn tag(&self) -> &str {
        match self {
            Self::Missing { tag } => tag,
            Self::Tampered { tag, .. } | Self::Fork { tag, .. } | Self::Chain { tag, .. } => tag.as_str(),
        }
    }
}

impl Explain for RecordFault {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } => Kind::Input,
            _ => Kind::Policy,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Tampered { .. } | Self::Fork { .. } | Self::Chain { .. } => {
                "find out who can write to the repository; name the image by its digest to release it all the same"
                    .to_owned()
            }
            Self::Missing { .. } => "keep all tags of releases when tags are cleaned up".to_owned(),
        })
    }
}
