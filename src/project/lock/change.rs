//! The decisions in which two locks differ.

use std::fmt;

use crate::types::digest::Digest;

/// The change of a reference between two locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockChange {
    /// It has become locked.
    Added(String, Digest),
    /// It is no longer locked.
    Removed(String, Digest),
    /// It means other bytes now.
    Moved {
        /// The reference.
        reference: String,
        /// The old digest.
        from: Digest,
        /// The new digest.
        to: Digest,
    },
}

impl fmt::Display for LockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(reference, digest) => write!(f, "{reference}: locked at {}", digest.short()),
            Self::Removed(reference, digest) => {
                write!(f, "{reference}: no longer locked at {}", digest.short())
            }
            Self::Moved { reference, from, to } => {
                write!(f, "{reference}: {} → {}", from.short(), to.short())
            }
        }
    }
}
