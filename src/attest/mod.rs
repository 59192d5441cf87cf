//! Statements about images, and who says so: in-toto statements, DSSE envelopes, sigstore bundles, cosign's older
//! payloads, and the keys that sign and check them.
//!
//! All of it is a function of bytes: no file, no network, no clock. A key never shows what is secret in it. A signature
//! is checked before anything that it covers is read.

mod bundle;
mod checks;
mod dsse;
mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod key;
mod key_file;
mod pem;
mod proof;
pub mod provenance;
mod resource;
mod sealed;
mod signer;
mod simple;
mod statement;
#[cfg(test)]
mod tests;

pub use bundle::{BUNDLE, BUNDLE_PREDICATE, SignatureBundle};
pub use checks::{CHECKS_PREDICATE, ChecksRecord};
pub use dsse::IN_TOTO;
#[cfg(test)]
use dsse::pae;
pub use error::KeyError;
pub use key::{KeyId, PrivateKey, PublicKey, Signature};
pub use key_file::KeyFile;
pub use proof::ProofError;
pub use resource::ResourceDescriptor;
pub use signer::Signer;
pub use simple::{SIGNATURE_ANNOTATION, SIMPLE_SIGNING, SimplePayload};
pub use statement::{COSIGN_SIGN, ImageStatement, PREDICATE_TYPE};
