//! Documents that refer to images: attached, listed, signed and checked.
//!
//! Invariants:
//! - Nothing that is attached moves the digest of an image, and nothing is attached twice.
//! - A list of referrers proves nothing: the manifest must name its subject, and a signature must fit the key.

mod document;
mod error;
mod external;
mod found;
mod legacy;
mod referrers;
mod sign;
mod signature;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

#[cfg(test)]
use document::AttachReport;
pub use document::attach_document;
pub use error::AttachError;
pub use external::ExternalSigner;
pub use legacy::{LegacyPlace, merged, older_tag};
pub use referrers::{Referrer, ReferrerTree, list, tree};
pub use sign::{SignOptions, SignReport, SignatureFormat, sign};
pub use signature::{found_signature, remember_signature, remembered_signature, signature};
#[cfg(test)]
use verify::SignatureForm;
pub use verify::{ProvedSignature, prove, prove_each};
