//! The words of a user that say which shard is meant.

use std::fmt;
use std::str::FromStr;

use super::error::ShardError;
use super::share::Shard;

/// Which shard is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardChoice {
    /// This one: `2/4`.
    Given(Shard),
    /// The one that the variables of a CI system say: `auto`, or `auto/4` where they do not say how many there are.
    Auto {
        /// How many there are.
        count: Option<u32>,
    },
}

impl FromStr for ShardChoice {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let form = || ShardError::Form(text.to_owned());
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u32>().map_err(|_| form()),
            false => Err(form()),
        };
        match text.split_once('/') {
            None if text == "auto" => Ok(Self::Auto { count: None }),
            None => Err(form()),
            Some(("auto", count)) => {
                let count = number(count)?;
                Shard::new(1, count)?;
                Ok(Self::Auto { count: Some(count) })
            }
            Some((index, count)) => Shard::new(number(index)?, number(count)?).map(Self::Given),
        }
    }
}

impl fmt::Display for ShardChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(shard) => shard.fmt(f),
            Self::Auto { count: None } => f.write_str("auto"),
            Self::Auto { count: Some(count) } => write!(f, "auto/{count}"),
        }
    }
}
