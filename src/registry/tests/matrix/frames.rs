//! Faults that only HTTP/2 has: the end of a request's stream, or of the connection with a word on which requests
//! were taken (RFC 9113, 6.4 and 6.8). nginx says GOAWAY after every thousand requests and when it restarts.

use super::super::super::fake::{Action, End, Fate};
use super::troubles::{Class, Trouble};
use super::*;

/// Error codes of RFC 9113, section 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

fn troubles() -> Vec<Trouble> {
    let passing =
        |name: &str, done, action| Trouble { done, ..Trouble::new(name, Class::Passing, done, action) };
    let goaway = |code, fate| Action::GoAway { code, fate };
    let reset = |code, done| Action::ResetStream { code, done };
    vec![
        passing("GOAWAY, not taken", false, goaway(NO_ERROR, Fate::Refused)),
        passing("GOAWAY, calm down, not taken", false, goaway(ENHANCE_YOUR_CALM, Fate::Refused)),
        passing("GOAWAY, done and lost", true, goaway(NO_ERROR, Fate::Lost)),
        passing("GOAWAY, internal error, done and lost", true, goaway(INTERNAL_ERROR, Fate::Lost)),
        Trouble::new("GOAWAY, answered", Class::Harmless, true, goaway(NO_ERROR, Fate::Answered)),
        passing("stream refused", false, reset(REFUSED_STREAM, false)),
        passing("stream reset", false, reset(INTERNAL_ERROR, false)),
        passing("stream cancelled", false, reset(CANCEL, false)),
        passing("stream reset when done", true, reset(INTERNAL_ERROR, true)),
        passing("connection closed when done", true, Action::Unanswered(End::Closed)),
    ]
}

/// Every operation with each of them, and everything without any.
pub(super) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for play in [Push, Pull, Both, Chunked, Index] {
        let name = format!("HTTP/2/{play:?}/nothing");
        cells.push(Cell::new(name, (play, Protocol::Http2), Succeeds, |_| ()));
    }
    for step in STEPS.iter().filter(|step| !matches!(step.play, Both | Index) || step.is("mount")) {
        for trouble in troubles() {
            for (when, count) in [("once", 1), ("for ever", usize::MAX)] {
                let name = format!("HTTP/2/{:?}/{}/{}/{when}", step.play, step.name, trouble.name);
                let outcome = step.outcome(&trouble, count == usize::MAX);
                let action = trouble.action.clone();
                cells.push(Cell::new(name, (step.play, Protocol::Http2), outcome, move |scene| {
                    scene.fake.fault(Fault::nth(step.method, step.kind, 1, count, action.clone()));
                }));
            }
        }
    }
    cells
}
