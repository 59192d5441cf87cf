//! Why a database of rpm is not read.

use std::io;

use crate::formats::sqlite::SqliteError;
use crate::runtime::budget::OverBudget;

/// Why the packages of a database of rpm are not known.
#[derive(Debug, thiserror::Error)]
pub enum RpmDatabaseError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The table of packages cannot be read.
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    /// It is damaged.
    #[error("it is a damaged database of rpm: {0}")]
    Damaged(&'static str),
    /// It is a database of another form.
    #[error(
        "it is a database of rpm in the form of Berkeley DB, which is not read: its packages are unknown"
    )]
    Berkeley,
    /// It is none.
    #[error("it is no database of rpm of a known form: its packages are unknown")]
    Unknown,
    /// A package is larger than any that is read.
    #[error("the header of a package has {0} bytes, which is more than is read")]
    LargeHeader(u64),
    /// It has more packages than are kept.
    #[error("it tells of more packages than are kept")]
    TooMany,
    /// It costs too much.
    #[error(transparent)]
    TooMuch(#[from] OverBudget),
}
