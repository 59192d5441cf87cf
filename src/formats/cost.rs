//! A text whose values take more memory than is given for it.

/// A text whose values take more memory than is given for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has so many values that reading it would take more than {} MB of memory", megabytes(*.most))]
pub struct CostlyText {
    /// The most that may be taken, in bytes.
    most: u64,
}

impl CostlyText {
    pub(super) fn check(cost: u64, most: u64) -> Result<u64, Self> {
        if cost > most { Err(Self { most }) } else { Ok(cost) }
    }
}

/// In whole megabytes.
const fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}
