//! Why something cannot be attached, signed or proved.

use crate::attest::KeyId;
use crate::oci::{DocumentError, ImageError};
use crate::runtime::interrupt::Interrupted;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::policy::TOO_MUCH_ADVICE;
use crate::types::shown::Foreign;

/// Why something cannot be attached, signed or proved.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No signature by the key.
    #[error("`{name}` has no signature by the key `{key}`{}", reasons(.why))]
    Unproved {
        /// The image.
        name: String,
        /// The key.
        key: KeyId,
        /// Why those that are there prove nothing.
        why: Vec<String>,
    },
    /// A signature of the older form, where there are no tags for it.
    #[error("`{0}` is in no registry, and signatures of the older form lie under a tag of one")]
    NoLegacy(String),
    /// Others write the tag of older signatures all the time.
    #[error("others write the signatures of {0} all the time")]
    Contended(Digest),
    /// More signatures than are read, of which none that was read is by the key.
    #[error(
        "more than {most} signatures of {} are in `{}`, and none of those that were read is by a key that was asked for",
        .subject.short(), Foreign::new(name)
    )]
    TooMany {
        /// The place.
        name: String,
        /// The image.
        subject: Digest,
        /// So many are read.
        most: usize,
    },
    /// The tag of older signatures has something else.
    #[error("the tag `{0}` is no list of signatures")]
    NotSignatures(String),
    /// A document of an image cannot be read.
    #[error("{digest} cannot be read: {source}")]
    Document {
        /// The document.
        digest: Digest,
        /// Why.
        source: DocumentError,
    },
    /// A part of a document cannot be read.
    #[error("{digest} cannot be read: {source}")]
    Blob {
        /// The part.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
    /// A manifest cannot be written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The program that signs cannot be run.
    #[error("`{}` cannot be started: {why}", Foreign::new(program))]
    Start {
        /// The program.
        program: String,
        /// Why.
        why: String,
    },
    /// The program that signs failed.
    #[error("`{}` did not sign: {}", Foreign::new(program), Foreign::new(why))]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        why: String,
    },
    /// The program printed no signature, or one that does not fit the key.
    #[error("`{}` printed {what}", Foreign::new(program))]
    NoSignature {
        /// The program.
        program: String,
        /// Its output.
        what: &'static str,
    },
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn reasons(why: &[String]) -> String {
    const MOST: usize = 8;
    let mut text = String::new();
    for (number, reason) in why.iter().take(MOST).enumerate() {
        text += if number == 0 { ": " } else { "; " };
        text += &Foreign::short(reason, 300).to_string();
    }
    if why.len() > MOST {
        text += &format!("; and {} more", why.len() - MOST);
    }
    text
}

impl Explain for AttachError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unproved { .. } | Self::TooMany { .. } => Kind::Policy,
            Self::Contended(_) | Self::Document { .. } | Self::Blob { .. } => Kind::Registry,
            Self::Interrupted(_) => Kind::Interrupted,
            Self::NoLegacy(_)
            | Self::NotSignatures(_)
            | Self::Image(_)
            | Self::Start { .. }
            | Self::Failed { .. }
            | Self::NoSignature { .. } => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Unproved { .. } => Some(ErrorCode::SignatureMissing),
            Self::NoLegacy(_) => Some(ErrorCode::SettingWrong),
            Self::Contended(_) => Some(ErrorCode::TagMoved),
            Self::TooMany { .. } => Some(ErrorCode::LimitReached),
            Self::NotSignatures(_) | Self::Document { .. } => Some(ErrorCode::ImageDamaged),
            Self::Blob { source, .. } => io_code(source, ErrorCode::ImageDamaged),
            Self::Image(error) => error.code(),
            Self::Start { .. } | Self::Failed { .. } | Self::NoSignature { .. } => {
                Some(ErrorCode::KeyUnusable)
            }
            Self::Interrupted(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoLegacy(_) => "leave `--signature-format` out".to_owned(),
            Self::TooMany { .. } => TOO_MUCH_ADVICE.to_owned(),
            Self::Contended(_) => "run it again: what was written stays".to_owned(),
            Self::NoSignature { .. } => {
                "it gets the bytes to sign on standard input, and prints an ECDSA signature over their SHA-256, in \
                 base64 or DER, by the key that `--key` names"
                    .to_owned()
            }
            _ => return None,
        })
    }
}
