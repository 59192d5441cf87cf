//! The faults of names, and parts of names in messages.

use crate::types::secret::redact_message;
use crate::types::shown::{Foreign, cut};

/// Why a string is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {what}: {}", Foreign::new(given), .fault.why)]
pub struct ReferenceError {
    given: String,
    what: &'static str,
    fault: NameFault,
}

/// A fault: the character or part, and the allowed ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameFault {
    why: String,
    hint: Option<String>,
}

impl NameFault {
    /// A fault without a suggestion.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    /// The same with a suggestion.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with a better spelling as the suggestion. One that is too long to be shown whole is none.
    pub(super) fn better(self, better: &str) -> Self {
        let shown = cited(better);
        if shown == better { self.hint(format!("write `{shown}`")) } else { self }
    }

    /// The fault of `given`, which was to be `what`.
    pub(super) fn of(self, what: &'static str, given: &str) -> ReferenceError {
        ReferenceError { given: given.to_owned(), what, fault: self }
    }
}

impl ReferenceError {
    /// A suggestion of a valid form, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.fault.hint.clone()
    }
}

/// A character in a message.
pub(super) fn shown(character: char) -> String {
    match character {
        ' ' => "a space".to_owned(),
        _ => format!("`{}`", cited(&character.to_string())),
    }
}

/// A part of a reference in a message.
pub(super) fn cited(text: &str) -> String {
    Foreign::new(&cut(&redact_message(text), 100)).to_string()
}

/// A name without the user and the password before its host.
pub(super) fn without_login(name: &str) -> &str {
    let host = name.find('/').unwrap_or(name.len());
    name[..host].rfind('@').map_or(name, |login| &name[login + 1..])
}
