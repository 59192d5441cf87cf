//! Why a key cannot be used.

use crate::formats::json::JsonError;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// Why a key cannot be read, opened or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no PEM in it.
    #[error("it has no key in PEM, which begins with `-----BEGIN`")]
    NoPem,
    /// A block of PEM is cut off or not base64.
    #[error("its PEM is damaged: {0}")]
    Pem(&'static str),
    /// A certificate, in the place of a key.
    #[error("it is a certificate, and certificates are not checked here")]
    Certificate,
    /// A private key, in the place of a public one.
    #[error("it is a private key, and the public key is needed here")]
    Private,
    /// A public key, in the place of a private one.
    #[error("it is a public key, and the private key is needed here")]
    Public,
    /// A passphrase of another tool.
    #[error("its passphrase is in a form of OpenSSL, `{0}`")]
    OpenSsl(&'static str),
    /// Another block.
    #[error("it is no key that can be read: `{0}`")]
    Label(String),
    /// Another algorithm or curve.
    #[error("it is a key for {0}; keys here are for ECDSA on the curve P-256")]
    Algorithm(&'static str),
    /// The numbers are no key.
    #[error("it is not a valid key for ECDSA on the curve P-256")]
    Invalid,
    /// The JSON of an encrypted key.
    #[error("its encrypted part cannot be read: {0}")]
    Json(#[from] JsonError),
    /// A field of an encrypted key.
    #[error("its encrypted part cannot be read: `{field}` {why}")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// The fault.
        why: &'static str,
    },
    /// The key derivation would take too much memory or time.
    #[error("its numbers for scrypt (N {n}, r {r}, p {p}) are out of bounds")]
    Scrypt {
        /// The cost.
        n: u64,
        /// The size of a block.
        r: u64,
        /// How many of them.
        p: u64,
    },
    /// The password does not open it.
    #[error("the password is wrong, or the key is damaged")]
    Password,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl Explain for KeyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Random => Kind::Bug,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Random => None,
            _ => Some(ErrorCode::KeyUnusable),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Certificate => "`openssl x509 -in FILE -noout -pubkey` prints the key in it".to_owned(),
            Self::Private => "`pack key public FILE` prints its public key".to_owned(),
            Self::Public => "give the private key, such as `cosign.key`".to_owned(),
            Self::OpenSsl(_) => {
                "`openssl pkcs8 -topk8 -nocrypt -in FILE` prints the key without a passphrase".to_owned()
            }
            Self::NoPem | Self::Label(_) | Self::Algorithm(_) => {
                "`pack key generate` makes a key that can be used".to_owned()
            }
            _ => return None,
        })
    }
}
