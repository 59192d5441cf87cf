//! The faults, each by name, and what kind of trouble they are.

use super::super::Duration;
use crate::registry::fake::{Action, At, End, Reply};

/// How a fault should be taken, wherever the rules make no difference between operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It changes nothing.
    Harmless,
    /// It may pass: try again (P4).
    Passing,
    /// The registry said no, with this status: do not (P4).
    Refused(u16),
    /// The token is not good: one new one (A3).
    Unauthorized,
    /// The registry asks for a longer pause than is allowed (P4).
    TooLong,
    /// A success with a page instead of an answer.
    Page,
    /// Not HTTP at all.
    Garbage,
}

pub(super) struct Trouble {
    pub(super) name: String,
    pub(super) class: Class,
    /// Whether the registry does what it was asked for all the same.
    pub(super) done: bool,
    /// Whether this is one that every play is played with.
    pub(super) is_common: bool,
    pub(super) action: Action,
}

impl Trouble {
    pub(super) fn new(name: impl Into<String>, class: Class, done: bool, action: Action) -> Self {
        Self { name: name.into(), class, done, is_common: false, action }
    }

    fn common(self) -> Self {
        Self { is_common: true, ..self }
    }
}

/// Longer than any limit on an answer, shorter than two of them may take together.
fn stall(is_upload: bool) -> Duration {
    Duration::from_secs(if is_upload { 310 } else { 80 })
}

/// Every fault for an operation; `realm` is the true token server's.
pub(super) fn troubles(is_upload: bool, has_body: bool, realm: &str) -> Vec<Trouble> {
    let mut all = statuses(realm);
    all.extend(waits());
    all.extend(connections(is_upload, has_body));
    all
}

fn statuses(realm: &str) -> Vec<Trouble> {
    let mut all = Vec::new();
    for status in [408, 429, 499, 500, 502, 503, 504, 520, 524] {
        let trouble =
            Trouble::new(status.to_string(), Class::Passing, false, Action::Answer(Reply::new(status)));
        all.push(Trouble { is_common: status == 503, ..trouble });
    }
    for status in [500, 502, 504] {
        let action = Action::Instead(Reply::new(status));
        all.push(Trouble {
            is_common: status == 500,
            ..Trouble::new(format!("{status}, done"), Class::Passing, true, action)
        });
    }
    for status in [400, 403, 404, 405, 409, 413, 415, 416, 418, 501] {
        let action = Action::Answer(Reply::error(status, "DENIED", "because"));
        all.push(Trouble {
            is_common: status == 403,
            ..Trouble::new(status.to_string(), Class::Refused(status), false, action)
        });
    }
    for status in [400, 403, 404, 409, 416] {
        let action = Action::Instead(Reply::new(status));
        all.push(Trouble::new(format!("{status}, done"), Class::Refused(status), true, action));
    }
    let challenge = format!(r#"Bearer realm="{realm}",service="fake""#);
    let unauthorized =
        || Reply::error(401, "UNAUTHORIZED", "no").header("WWW-Authenticate", challenge.clone());
    all.push(Trouble::new("401", Class::Unauthorized, false, Action::Answer(unauthorized())).common());
    all.push(Trouble::new("401, done", Class::Unauthorized, true, Action::Instead(unauthorized())));
    let page = || Reply::new(200).header("Content-Type", "text/html").body("<html>welcome</html>");
    all.push(Trouble::new("page", Class::Page, false, Action::Answer(page())));
    all.push(Trouble::new("page, done", Class::Page, true, Action::Instead(page())));
    let huge = || Reply::new(500).body(vec![b'x'; 300_000]);
    all.push(Trouble::new("500 with 300 kB", Class::Passing, false, Action::Answer(huge())));
    all
}

/// Every form of `Retry-After` (RFC 9110, 10.2.3).
fn waits() -> Vec<Trouble> {
    let date = "Tue, 01 Jul 2025 10:00:00 GMT";
    let forms = [
        ("0", "0", Class::Passing),
        ("7 s", "7", Class::Passing),
        ("60 s", "60", Class::Passing),
        ("a date 7 s away", "Tue, 01 Jul 2025 10:00:07 GMT", Class::Passing),
        ("a date gone by", "Tue, 01 Jul 2025 09:00:00 GMT", Class::Passing),
        ("nonsense", "soon", Class::Passing),
        ("61 s", "61", Class::TooLong),
        ("a date far away", "Tue, 01 Jul 2025 11:00:00 GMT", Class::TooLong),
        ("without end", "99999999999999999999", Class::TooLong),
    ];
    let with = |(name, value, class): (&str, &str, Class)| {
        let reply = Reply::error(429, "TOOMANYREQUESTS", "slow down").header("Retry-After", value);
        let trouble = Trouble::new(
            format!("429, wait {name}"),
            class,
            false,
            Action::Answer(reply.header("Date", date)),
        );
        Trouble { is_common: name == "7 s", ..trouble }
    };
    forms.into_iter().map(with).collect()
}

fn connections(is_upload: bool, has_body: bool) -> Vec<Trouble> {
    let mut all = Vec::new();
    let passing = |name: String, done, action| Trouble::new(name, Class::Passing, done, action);
    for end in End::ALL {
        for at in At::ALL.into_iter().filter(|at| has_body || *at == At::Start) {
            all.push(passing(format!("{end} at {at}"), false, Action::Cut(at, end)));
        }
        for at in [At::One, At::Middle, At::Last] {
            all.push(passing(format!("answer {end} at {at}"), true, Action::CutAnswer(at, end)));
        }
        let unanswered = passing(format!("{end} when done"), true, Action::Unanswered(end));
        all.push(Trouble { is_common: end == End::Reset, ..unanswered });
    }
    let (short, long) = (Duration::from_secs(30), stall(is_upload));
    all.push(Trouble::new("slow", Class::Harmless, true, Action::Delay(short)));
    all.push(passing("later than the limit".to_owned(), true, Action::Delay(long)));
    all.push(passing("stall".to_owned(), false, Action::Stall(long)).common());
    all.push(passing("answer stalls".to_owned(), true, Action::StallAnswer(long)));
    all.push(passing("half close".to_owned(), false, Action::HalfClose));
    let garbage = b"SSH-2.0-registry\r\n\r\n".to_vec();
    all.push(Trouble::new("garbage", Class::Garbage, false, Action::Raw(garbage)));
    // An answer of Docker Hub's balancers: lines end with LF alone (docker/hub-feedback#1907).
    let bare = b"HTTP/1.1 429 Too Many Requests\nRetry-After: 60\nConnection: close\n\nslow down\n".to_vec();
    all.push(passing("429 with bare LF".to_owned(), false, Action::Raw(bare)));
    if has_body {
        all.push(Trouble::new("early 413", Class::Refused(413), false, Action::Early(Reply::new(413))));
        all.push(passing("early 503".to_owned(), false, Action::Early(Reply::new(503))));
    }
    all
}
