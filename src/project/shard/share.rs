//! One of several parts.

use std::fmt;

use super::error::{MOST_SHARDS, ShardError};

/// One of the parts of a run, such as the second of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// From 1.
    index: u32,
    count: u32,
}

impl Shard {
    /// The shard `index` of `count`; the first is 1.
    ///
    /// # Errors
    /// When there is no such shard.
    pub const fn new(index: u32, count: u32) -> Result<Self, ShardError> {
        if count == 0 || count > MOST_SHARDS {
            return Err(ShardError::Count(count));
        }
        if index == 0 || index > count {
            return Err(ShardError::Index { index, count });
        }
        Ok(Self { index, count })
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}
