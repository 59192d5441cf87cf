//! Content digests: the names of everything.
//!
//! A [`Digest`] is a SHA-256 content identifier in the sense of the OCI image specification
//! (`descriptor.md`, "Digests"). The type cannot hold anything else, so a digest can be used as a file
//! name or in a URL without another check (CVE-2024-3727 came from a digest that was only a string).
//!
//! [`Sha256`] computes them. [`ContentId`] and [`Key`] are BLAKE3 hashes used only as local cache keys;
//! they never appear in an image, but for the CRC-32 in a `ContentId`.

mod key;
mod sha256;
mod stream;
#[cfg(test)]
mod tests;
mod value;

pub use key::{ContentId, Key, KeyBuilder};
pub use sha256::{Midstate, Sha256};
pub use stream::{HashingWriter, VerifyingReader};
pub use value::{Digest, DigestError, hex};
