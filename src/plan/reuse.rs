//! The results of earlier builds that a layer reused, and the reasons why it built the rest, from the code that
//! looked.

use serde::{Deserialize, Serialize};

/// The result of looking for a finished layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerMemo {
    /// An earlier build made exactly this layer.
    Known,
    /// The build as a whole was known, so there was no lookup.
    NotAsked,
    /// Nothing of any earlier build is known, so that files are hashed when the layer is built and not before.
    NothingKnown,
    /// This project had no layer of this name.
    New,
    /// It differs from the layer of this name that was built last: see the [`Difference`](super::Difference).
    Changed,
    /// It is the layer of the last build, whose record is lost.
    Lost,
    /// It was unknown when it was planned, and another layer of the same build turned out to be equal.
    SameAsAnother,
}

/// Knowledge of a layer's files before one of them was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileMemo {
    /// Files whose stamp is the one with which their content was remembered.
    pub remembered: usize,
    /// Files with a stamp and nothing remembered.
    pub new: usize,
    /// Files with another stamp than the remembered one, whose content was not compared.
    pub restamped: usize,
    /// Files with another stamp that turned out to have the same content.
    pub touched: usize,
    /// Files with another stamp and another content.
    pub changed: usize,
    /// Files with an unchanged stamp that were too young then to trust it.
    pub untrusted: usize,
    /// Bytes of the files that were read to see whether they changed.
    pub read_bytes: u64,
    /// Files that are too young to trust their stamps next time.
    pub young: usize,
    /// Entries of zip archives that did not change since their contents were remembered.
    pub archive_remembered: usize,
    /// Entries of zip archives that were read.
    pub archive_read: usize,
    /// Why the archive was read; `None` if it was not.
    pub archive: Option<ReadReason>,
    /// Files that need no reading: empty, or made here.
    pub free: usize,
}

/// The reason why a file must be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadReason {
    /// It was not seen before.
    New,
    /// Its stamp is another.
    Restamped,
    /// When it was read last, it was too young to trust its stamp.
    Untrusted,
}
