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
        /// Its tag.
        tag: Tag,
    },
    /// A record does not follow the one that has the number before it: two histories were written.
    #[error(
        "the history forks at `{tag}`: it follows {expected}, and the release before it has the record {found}"
    )]
    Fork {
        /// The tag of the later record.
        tag: Tag,
        /// The record that it says it follows.
        expected: Digest,
        /// The record that the tag before it has.
        found: Digest,
    },
    /// A record that is not the first one follows none, or the first one follows another.
    #[error("the history forks at `{tag}`: {why}")]
    Chain {
        /// The tag of the record.
        tag: Tag,
        /// The words of its `previous`.
        why: String,
    },
    /// Another record has the number of one, and refers to the same image.
    #[error("the history forks at `{tag}`: {other} is another record of the same number")]
    Twice {
        /// The tag of the record.
        tag: Tag,
        /// The record that has lost its tag.
        other: Digest,
    },
}

impl RecordFault {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Tampered { .. } => "tampered",
            Self::Missing { .. } => "missing",
            Self::Fork { .. } | Self::Chain { .. } | Self::Twice { .. } => "fork",
        }
    }

    /// The record that it is about.
    #[must_use]
    pub const fn tag(&self) -> &Tag {
        match self {
            Self::Tampered { tag, .. }
            | Self::Missing { tag }
            | Self::Fork { tag, .. }
            | Self::Chain { tag, .. }
            | Self::Twice { tag, .. } => tag,
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
            Self::Tampered { .. } | Self::Fork { .. } | Self::Chain { .. } | Self::Twice { .. } => {
                "find out who can write to the repository; name the image by its digest to release it all the same"
                    .to_owned()
            }
            Self::Missing { .. } => "keep all tags of releases when tags are cleaned up".to_owned(),
        })
    }
}
