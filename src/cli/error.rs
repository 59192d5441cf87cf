//! The end of a command: an exit code, and an error with its causes and hints.
//!
//! Errors of the library know their [`Kind`] and perhaps a hint ([`Explain`]); here they become the one
//! type that a command returns, and text.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

use super::format::{printable, printable_lines};
use crate::types::error::{BoxedError, Explain, Kind, carried, io_code_among, io_error_among, io_hint};
use crate::types::error_code::ErrorCode;
use crate::types::policy::PolicyRefusal;
use crate::types::secret::redact_message;

/// How the process ends. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// Done.
    Done,
    /// Two images that were compared differ; no error, and the same number as diff(1) has.
    Different,
    /// Something is wrong with what the user gave.
    Input,
    /// The command line cannot be understood.
    Usage,
    /// A registry or the network failed.
    Registry,
    /// A policy refused.
    Policy,
    /// A bug in this program (`EX_SOFTWARE` of sysexits).
    Bug,
    /// Stopped by a signal, as shells report SIGINT.
    Interrupted,
}

impl ExitStatus {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Different | Self::Input => 1,
            Self::Usage => 2,
            Self::Registry => 3,
            Self::Policy => 4,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }

    /// Whether `docs/errors.md` explains errors that end so. The words of the command line are explained by `--help`.
    const fn has_codes(self) -> bool {
        matches!(self, Self::Input | Self::Registry | Self::Policy)
    }

    /// The status of another run that ended with this number.
    #[must_use]
    pub const fn of_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            2 => Self::Usage,
            3 => Self::Registry,
            4 => Self::Policy,
            70 => Self::Bug,
            130 => Self::Interrupted,
            _ => Self::Input,
        }
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}

impl From<Kind> for ExitStatus {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Usage => Self::Usage,
            Kind::Input => Self::Input,
            Kind::Registry => Self::Registry,
            Kind::Policy => Self::Policy,
            Kind::Interrupted => Self::Interrupted,
            Kind::Bug => Self::Bug,
        }
    }
}

/// Why a command failed: a message, what caused it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// Decides the exit code.
    pub status: ExitStatus,
    /// The situation, where the documents explain it.
    pub code: Option<ErrorCode>,
    /// The message, then its causes, outermost first; no entry repeats one before it. Never empty.
    pub chain: Vec<String>,
    /// The hints, a sentence each, without a trailing period.
    pub hints: Vec<String>,
    /// The refusal of a policy, as data.
    pub refusal: Option<Box<PolicyRefusal>>,
    /// Which message of the chain is several lines, laid out by ourselves; every other is one line.
    laid_out: Option<usize>,
}

impl CommandError {
    /// An error of the command line itself.
    #[must_use]
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        let chain = vec![message.into()];
        Self { status, code: None, chain, hints: Vec::new(), refusal: None, laid_out: None }
    }

    /// Flags that make no sense together, or an argument that is none: exit code 2.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, message)
    }

    /// Wraps any error that does not know its own kind.
    #[must_use]
    pub fn from_error(status: ExitStatus, error: &(dyn Error + 'static)) -> Self {
        let code = io_code_among(error).filter(|_| status.has_codes());
        let hints = Vec::from_iter(io_error_among(error).and_then(io_hint).map(str::to_owned));
        Self { status, code, chain: chain(error), hints, refusal: None, laid_out: None }
    }

    /// The same in this situation, whatever was found out about it before.
    #[must_use]
    pub fn coded(mut self, code: impl Into<Option<ErrorCode>>) -> Self {
        self.code = code.into().filter(|_| self.status.has_codes());
        self
    }

    /// The same of a file that was to be written: the disk may be full, and all else is about its place.
    #[must_use]
    pub fn or_unwritable(self) -> Self {
        match self.code {
            Some(ErrorCode::DiskFull) => self,
            _ => self.coded(ErrorCode::FileUnwritable),
        }
    }

    /// Says what was being done; the error so far becomes the cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.chain.insert(0, message.into());
        self.laid_out = self.laid_out.map(|depth| depth + 1);
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The text to show: `error[CODE]: …`, `  caused by: …`, `hint: …`. `label` dresses up the three labels,
    /// which a terminal may colour; the words stay.
    #[must_use]
    pub fn render(&self, label: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        let first = self.code.map_or_else(|| "error:".to_owned(), |code| format!("error[{code}]:"));
        for (depth, message) in self.chain.iter().enumerate() {
            let message = redact_message(message.trim_end());
            let message = match self.laid_out {
                Some(laid_out) if laid_out == depth => printable_lines(&message),
                _ => one_line(&message),
            };
            if depth == 0 {
                push_line(&mut text, &label(&first), &message);
            } else {
                // A cause of several lines stays a block of its own.
                push_line(&mut text, &label("  caused by:"), &message.replace('\n', "\n    "));
            }
        }
        let bug = (self.status == ExitStatus::Bug).then_some(BUG_HINT);
        for hint in self.hints.iter().map(String::as_str).chain(bug) {
            push_line(&mut text, &label("hint:"), &one_line(&redact_message(hint.trim_end())));
        }
        text
    }
}

/// The hint about a bug.
pub(super) const BUG_HINT: &str =
    "this is a bug in `pack`; please report it with this message and the output of `pack --version`";

/// The most characters of a message: what others wrote may be of any length.
const LONGEST: usize = 8_192;

fn one_line(message: &str) -> Cow<'_, str> {
    match message.char_indices().nth(LONGEST) {
        None => printable(message),
        Some((end, _)) => Cow::Owned(format!("{}…", printable(&message[..end]))),
    }
}

fn push_line(text: &mut String, label: &str, message: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{label} {message}");
}

/// The messages of an error and its sources. Many errors print their source as part of their own message;
/// such a source is left out, for it says nothing new.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !messages.iter().any(|before| before.contains(message.trim())) {
            messages.push(message);
        }
        source = cause.source();
    }
    messages
}

impl<E: Explain> From<E> for CommandError {
    fn from(error: E) -> Self {
        explained(&error)
    }
}

impl From<BoxedError> for CommandError {
    fn from(error: BoxedError) -> Self {
        explained(&*error)
    }
}

/// An error that came here within an I/O error decides for itself about its kind.
fn explained(error: &dyn Explain) -> CommandError {
    let cause = carried(error);
    let hint = cause.and_then(Explain::hint).or_else(|| error.hint());
    let status: ExitStatus = cause.map_or_else(|| error.kind(), Explain::kind).into();
    CommandError {
        status,
        code: cause.map_or_else(|| error.code(), Explain::code).filter(|_| status.has_codes()),
        chain: chain(error),
        hints: hint.into_iter().collect(),
        refusal: refusal_behind(error),
        laid_out: error.is_laid_out().then_some(0),
    }
}

/// The refusal of a policy that an error is or carries.
fn refusal_behind(error: &dyn Explain) -> Option<Box<PolicyRefusal>> {
    let found = |error: &dyn Explain| {
        let error: &(dyn Error + 'static) = error;
        error.downcast_ref::<PolicyRefusal>().cloned()
    };
    found(error).or_else(|| found(carried(error)?)).map(Box::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("`app.war` cannot be read")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("entry 7: {0}")]
    struct Middle(#[source] std::io::Error);

    impl Explain for Outer {
        fn kind(&self) -> Kind {
            Kind::Input
        }
        fn code(&self) -> Option<ErrorCode> {
            Some(ErrorCode::ArtifactBroken)
        }
        fn hint(&self) -> Option<String> {
            Some("build it again".into())
        }
    }

    fn outer() -> Outer {
        Outer(Middle(std::io::Error::other("checksum mismatch")))
    }

    #[test]
    fn causes_follow_and_nothing_is_said_twice() {
        let error = CommandError::from(outer()).hint("or take another");
        insta::assert_snapshot!(error.render(str::to_owned), @r"
        error[artifact-broken]: `app.war` cannot be read
          caused by: entry 7: checksum mismatch
        hint: build it again
        hint: or take another
        ");
        let boxed: BoxedError = outer().into();
        assert_eq!(CommandError::from(boxed), CommandError::from(outer()));
    }

    #[test]
    fn a_bug_asks_to_be_reported() {
        let error = CommandError::new(ExitStatus::Bug, "two layers with one name").context("building");
        insta::assert_snapshot!(error.render(str::to_owned), @r"
        error: building
          caused by: two layers with one name
        hint: this is a bug in `pack`; please report it with this message and the output of `pack --version`
        ");
    }

    #[test]
    fn a_message_cannot_move_the_cursor() {
        let error = CommandError::usage("no \u{1b}[2J\r");
        assert_eq!(error.render(str::to_owned), "error: no \\u{1b}[2J\n");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("line 1\n  line 2 \u{1b}")]
    struct LaidOut;

    impl Explain for LaidOut {
        fn kind(&self) -> Kind {
            Kind::Input
        }
        fn code(&self) -> Option<ErrorCode> {
            None
        }
        fn is_laid_out(&self) -> bool {
            true
        }
    }

    #[test]
    fn lines_of_ours_stay_lines() {
        let error = CommandError::from(LaidOut).context("not\nours");
        insta::assert_snapshot!(error.render(str::to_owned), @r"
        error: not\nours
          caused by: line 1
              line 2 \u{1b}
        ");
    }

    /// An error that came through an I/O error keeps its kind and its hint.
    #[test]
    fn a_carried_error_decides_the_code() {
        #[derive(Debug, thiserror::Error)]
        #[error("layer 1: {0}")]
        struct Around(#[source] std::io::Error);
        impl Explain for Around {
            fn kind(&self) -> Kind {
                Kind::Bug
            }
            fn code(&self) -> Option<ErrorCode> {
                None
            }
        }
        let error = CommandError::from(Around(crate::types::error::carry(outer())));
        assert_eq!(error.code, Some(ErrorCode::ArtifactBroken), "the innermost decides");
        assert_eq!((error.status, error.hints), (ExitStatus::Input, vec!["build it again".to_owned()]));
        let interrupted =
            CommandError::from(Around(crate::types::error::carry(crate::runtime::interrupt::Interrupted)));
        assert_eq!(interrupted.status, ExitStatus::Interrupted);
    }

    proptest! {
        #[test]
        fn a_message_and_a_hint_are_a_line_each(messages in proptest::collection::vec("(\\PC|[\n\r\u{85}\u{2028}:]){0,20}", 1..4), hint in any::<String>()) {
            let mut error = CommandError::new(ExitStatus::Input, messages[0].clone()).hint(hint);
            error.chain.extend(messages[1..].iter().cloned());
            let text = error.render(str::to_owned);
            prop_assert_eq!(text.lines().count(), messages.len() + 1, "{:?}", text);
        }
    }

    #[test]
    fn the_codes_are_a_promise() {
        use ExitStatus as S;
        let codes = [S::Done, S::Input, S::Usage, S::Registry, S::Policy, S::Bug, S::Interrupted];
        assert_eq!(codes.map(S::code), [0, 1, 2, 3, 4, 70, 130]);
    }
}
