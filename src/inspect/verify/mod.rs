//! `pack verify`: derives every digest, size and diff ID of an image again and lists all that disagrees.
//!
//! This is the oracle at the end of build tests, so it shares as little as it can with what writes images:
//! another SHA-256 (the `sha2` crate), and decoders that take any stream the formats allow rather than the
//! one shape that is written here. It judges bytes, not taste.

mod blob;
mod documents;
mod flatbuffer;
mod hashing;
mod image;
mod options;
mod report;
pub(crate) mod soci;
#[cfg(test)]
mod tests;
mod watched;

pub use image::{verify, verify_documents};
pub use options::VerifyOptions;
#[cfg(test)]
pub use report::Disagreement;
#[cfg(any(test, feature = "testing"))]
pub use report::DisagreementKind;
pub use report::Verification;
