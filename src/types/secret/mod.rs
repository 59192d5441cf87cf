//! Secrets by their forms: which text is one, and text without them.

mod form;
mod kind;
mod pem;
mod redact;
pub(crate) mod text;

#[cfg(test)]
pub(crate) use form::tests::with_checksum;
pub(crate) use form::{FoundSecret, SecretFinder};
pub(crate) use kind::SecretKind;
#[cfg(test)]
pub(crate) use pem::tests::{der, pem};
pub(crate) use redact::{RedactedText, redact};
