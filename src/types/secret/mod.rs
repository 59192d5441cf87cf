//! Secrets by their forms: which text is one, and text without them.

mod escaped;
mod form;
mod kind;
mod password;
mod pem;
mod redact;
pub(crate) mod text;
mod variable;

#[cfg(test)]
pub(crate) use form::tests::with_checksum;
pub(crate) use form::{FoundSecret, SecretFinder};
pub(crate) use kind::SecretKind;
#[cfg(test)]
pub(crate) use pem::tests::{der, pem};
pub(crate) use redact::{RedactedText, redact, redact_message, redact_values, secrets_of_settings};
pub(crate) use variable::is_secret_variable;
