//! Files of private keys: cosign's encrypted ones, PKCS#8 and SEC 1.

use super::error::KeyError;
use super::key::PrivateKey;
use super::pem;
use super::sealed::{SEALED, SealedKey};

/// A private key as it lies in a file.
#[derive(Debug)]
pub enum KeyFile {
    /// It needs a password.
    Sealed(SealedKey),
    /// It is as it is.
    Open(PrivateKey),
}

impl KeyFile {
    /// Reads PEM.
    ///
    /// # Errors
    /// When there is no private key in it, or one of another kind.
    pub fn read(text: &[u8]) -> Result<Self, KeyError> {
        let mut other = None;
        for block in pem::blocks(text)? {
            let Some(body) = &block.body else { return Err(KeyError::OpenSsl("Proc-Type: 4,ENCRYPTED")) };
            match &*block.label {
                label if SEALED.contains(&label) => return SealedKey::read(body).map(Self::Sealed),
                "PRIVATE KEY" => return PrivateKey::from_pkcs8(body).map(Self::Open),
                "EC PRIVATE KEY" => return PrivateKey::from_sec1(body).map(Self::Open),
                // OpenSSL writes the curve before the key.
                "EC PARAMETERS" => {}
                "ENCRYPTED PRIVATE KEY" => return Err(KeyError::OpenSsl("ENCRYPTED PRIVATE KEY")),
                "RSA PRIVATE KEY" => return Err(KeyError::Algorithm("RSA")),
                "PUBLIC KEY" => return Err(KeyError::Public),
                "CERTIFICATE" => return Err(KeyError::Certificate),
                label => other = Some(label.to_owned()),
            }
        }
        Err(other.map_or(KeyError::NoPem, KeyError::Label))
    }
}
