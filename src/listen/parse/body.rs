//! The result of reading a message.

use super::super::notice::Notice;

/// The notices of a message, and how much of it was none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedBody {
    /// Tags that have images.
    pub notices: Vec<Notice>,
    /// Things of other kinds: pulls, blobs, deletions, manifests without a tag.
    pub others: usize,
    /// Things whose names are none.
    pub invalid: usize,
}

/// The message is not what its source sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableBody {
    /// It is not such JSON.
    #[error("the message is not JSON of this kind")]
    NotJson,
    /// None of its names is one.
    #[error("the message names no repository, tag or digest that can be one")]
    Invalid,
}

/// The most notices of one message.
const MOST_NOTICES: usize = 1000;

impl ParsedBody {
    /// Adds a notice, or counts what was none.
    pub(super) fn add(&mut self, notice: Option<Notice>) {
        match notice {
            Some(notice) if self.notices.len() < MOST_NOTICES => self.notices.push(notice),
            _ => self.invalid += 1,
        }
    }
}
