//! The things that the scan saw in a file: enough for a finding, and nothing of a secret but its length.

use serde::{Deserialize, Serialize};

use crate::types::secret::SecretKind;

/// Something that a rule asks for, at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sighting {
    /// The line, from 1 on; 0 where it is the file as a whole.
    pub(super) line: u32,
    pub(super) what: What,
}

/// The subject of a sighting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// A secret, with the length of its text in bytes. The text itself is kept nowhere.
    Secret { kind: SecretKind, length: u32 },
    /// A path of the machine that built the file, and the part of it that is a place of builds.
    BuildPath { path: String, place: String },
    /// The file is a database.
    Database(DatabaseKind),
    /// An address of one network.
    Address(String),
    /// The file is a text that goes on behind what is looked at.
    Rest,
}

/// The kinds of databases in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DatabaseKind {
    Sqlite,
    H2,
}

impl DatabaseKind {
    /// The kind of a file that begins so.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let starts = |start: &[u8]| head.starts_with(start);
        match () {
            () if starts(b"SQLite format 3\0") => Some(Self::Sqlite),
            () if starts(b"H:2,block:") || starts(b"H:3,block:") || starts(b"-- H2 0.5/B --") => {
                Some(Self::H2)
            }
            () => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::H2 => "H2",
        }
    }
}
