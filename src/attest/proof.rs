//! Why a signature proves nothing.

use super::key::KeyId;
use crate::formats::json::JsonError;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::Foreign;

/// Why a signature does not prove what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It has more bytes than any signature.
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    /// It is no document of its kind.
    #[error("it cannot be read: {0}")]
    Json(#[from] JsonError),
    /// A field is not what it must be.
    #[error("`{field}` {why}")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// The fault.
        why: &'static str,
    },
    /// It is a type of document that is not checked here.
    #[error("it is of the type `{}`, not `{wanted}`", Foreign::new(found))]
    Type {
        /// The type.
        found: String,
        /// The type that is checked.
        wanted: &'static str,
    },
    /// The key is in a certificate.
    #[error("it is signed by a certificate, and certificates are not checked here")]
    Certificate,
    /// There is not exactly one signature.
    #[error("it has {0} signatures; a bundle has exactly one")]
    Count(usize),
    /// Another key made it.
    #[error("it is signed by another key, `{}`", Foreign::new(.0))]
    OtherKey(String),
    /// The key did not sign these bytes.
    #[error("the signature is not one by the key `{0}` over this content")]
    Wrong(KeyId),
    /// It is about another image.
    #[error("it is about {found}, not about {wanted}")]
    Subject {
        /// The digest that it is about, or a word.
        found: String,
        /// The digest that is asked for.
        wanted: Digest,
    },
}

impl ProofError {
    /// Whether it has more values than are read, so that nothing in it is known.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        matches!(self, Self::Json(error) if error.is_too_many())
    }
}

impl Explain for ProofError {
    fn kind(&self) -> Kind {
        Kind::Policy
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::SignatureMissing)
    }
}
