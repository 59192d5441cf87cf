//! Faults, and the requests that they happen to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::message::{Kind, Reply};

/// A place in a request's body or in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before the first byte.
    Start,
    /// After one byte.
    One,
    /// In the middle.
    Middle,
    /// Before the last byte.
    Last,
    /// After the last byte.
    End,
}

impl At {
    /// Every place.
    pub const ALL: [Self; 5] = [Self::Start, Self::One, Self::Middle, Self::Last, Self::End];

    /// Among so many bytes.
    pub(super) fn of(self, length: usize) -> usize {
        match self {
            Self::Start => 0,
            Self::One => length.min(1),
            Self::Middle => length / 2,
            Self::Last => length.saturating_sub(1),
            Self::End => length,
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "byte 0",
            Self::One => "byte 1",
            Self::Middle => "mid",
            Self::Last => "last byte",
            Self::End => "end",
        })
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: FIN.
    Closed,
    /// Torn down: RST.
    Reset,
}

impl End {
    /// Either.
    pub const ALL: [Self; 2] = [Self::Closed, Self::Reset];
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
        })
    }
}

/// The fate of the request in whose place a GOAWAY is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is not among those that the server has taken, and is not done; the connection stays open.
    Refused,
    /// It is done, and the connection ends without an answer.
    Lost,
    /// It is done and answered, as the last one of the connection.
    Answered,
}

/// A fault of a request.
#[derive(Clone)]
pub enum Action {
    /// It is not done, and this is the answer.
    Answer(Reply),
    /// It is done, and this is the answer.
    Instead(Reply),
    /// It is done, and the answer is changed.
    Edit(Arc<dyn Fn(&mut Reply) + Send + Sync>),
    /// It is answered as if it were done, but is not.
    Lose,
    /// This is the answer, before the body is read; the connection closes.
    Early(Reply),
    /// The connection ends while the body is read; nothing is done.
    Cut(At, End),
    /// It is done, and the connection ends without an answer.
    Unanswered(End),
    /// It is done, but the connection ends while it is answered.
    CutAnswer(At, End),
    /// It is done, but the answer's body ends after so many bytes.
    Truncate(usize),
    /// It is done, and answered late.
    Delay(Duration),
    /// The request is read, but nothing is done nor answered for so long; then the connection ends, unless
    /// the client has ended it.
    Stall(Duration),
    /// It is done, and the answer stands still half-way for so long.
    StallAnswer(Duration),
    /// It is done, and the answer's body comes byte by byte, with so long before each.
    Trickle(Duration),
    /// Nothing is done; the registry says that it will send no more, and goes on reading.
    HalfClose,
    /// These bytes are the answer; nothing is done.
    Raw(Vec<u8>),
    /// RST_STREAM with an error code (RFC 9113, 6.4 and 7). Over HTTP/1.1 the connection closes.
    ResetStream {
        /// The error code.
        code: u32,
        /// Whether the request is done first.
        done: bool,
    },
    /// GOAWAY with an error code (RFC 9113, 6.8). Over HTTP/1.1 the connection closes.
    GoAway {
        /// The error code.
        code: u32,
        /// The fate of the request.
        fate: Fate,
    },
}

impl Action {
    /// Whether nothing is done and the body is not read, the line being what fails.
    pub(super) const fn refuses(&self) -> bool {
        matches!(self, Self::ResetStream { done: false, .. } | Self::GoAway { fate: Fate::Refused, .. })
    }

    /// Changes the answer.
    pub fn edit(change: impl Fn(&mut Reply) + Send + Sync + 'static) -> Self {
        Self::Edit(Arc::new(change))
    }
}

/// Which requests something happens to.
#[derive(Clone)]
pub struct Fault {
    method: &'static str,
    kind: Kind,
    first: usize,
    times: usize,
    action: Action,
    seen: usize,
}

impl Fault {
    /// The first request with this method and of this kind.
    #[must_use]
    pub const fn once(method: &'static str, kind: Kind, action: Action) -> Self {
        Self::nth(method, kind, 1, 1, action)
    }

    /// Every such request.
    #[must_use]
    pub const fn always(method: &'static str, kind: Kind, action: Action) -> Self {
        Self::nth(method, kind, 1, usize::MAX, action)
    }

    /// So many of such requests, beginning with the `first`, counted from 1. The method `*` is any.
    #[must_use]
    pub const fn nth(method: &'static str, kind: Kind, first: usize, times: usize, action: Action) -> Self {
        Self { method, kind, first, times, action, seen: 0 }
    }

    /// Counts a request; what happens to it, if anything.
    pub(super) fn meet(&mut self, method: &str, kind: Kind) -> Option<Action> {
        if self.kind != kind || (self.method != method && self.method != "*") {
            return None;
        }
        self.seen += 1;
        let is_active = self.seen >= self.first && self.seen - self.first < self.times;
        is_active.then(|| self.action.clone())
    }
}
