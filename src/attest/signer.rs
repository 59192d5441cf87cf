//! Signers: keys here, and programs that have a key elsewhere.

use super::key::{PrivateKey, PublicKey, Signature};
use crate::types::error::BoxedError;

/// Something that signs.
pub trait Signer: Send + Sync {
    /// Signs these bytes.
    ///
    /// # Errors
    /// When it cannot.
    fn sign(&self, message: &[u8]) -> Result<Signature, BoxedError>;

    /// The key that checks what it signs.
    fn public(&self) -> &PublicKey;
}

impl Signer for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Signature, BoxedError> {
        Ok(Self::sign(self, message)?)
    }

    fn public(&self) -> &PublicKey {
        Self::public(self)
    }
}
