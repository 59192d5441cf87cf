//! Hostile keys, bundles, statements and payloads.

use super::bundle::SignatureBundle;
use super::key::{PrivateKey, PublicKey};
use super::key_file::KeyFile;
use super::simple::SimplePayload;
use super::statement::ImageStatement;
use crate::types::digest::Digest;

fn key() -> PrivateKey {
    PrivateKey::generate().unwrap_or_else(|error| unreachable!("a key: {error}"))
}

/// A private or public key: one that is read gives a key that checks what it signs.
pub fn keys(bytes: &[u8]) {
    if let Ok(KeyFile::Open(key)) = KeyFile::read(bytes) {
        let signature = key.sign(b"text").unwrap_or_else(|error| unreachable!("signed: {error}"));
        assert!(key.public().has_signed(b"text", &signature));
    }
    if let Ok(key) = PublicKey::from_pem(bytes) {
        assert_eq!(PublicKey::from_pem(key.to_pem().as_bytes()), Ok(key));
    }
}

/// A bundle, and a payload: nothing that a key did not sign is proved by it.
pub fn bundle(bytes: &[u8]) {
    let key = key();
    if let Ok(bundle) = SignatureBundle::read(bytes) {
        assert!(bundle.proves(key.public()).is_err());
    }
    assert!(SimplePayload::prove(bytes, "MAYCAQECAQE=", key.public(), &Digest::of(bytes)).is_err());
}

/// A statement: one that is read is written so that it is read again.
pub fn statement(bytes: &[u8]) {
    if let Ok(statement) = ImageStatement::read(bytes) {
        assert_eq!(ImageStatement::read(&statement.to_bytes()), Ok(statement));
    }
}

/// Keys to begin with.
pub fn key_seeds() -> Vec<Vec<u8>> {
    let key = key();
    let sealed = key.seal(b"password").map(|text| text.as_bytes().to_vec()).unwrap_or_default();
    let open = key.to_pkcs8().map(|der| super::pem::write("PRIVATE KEY", &der).as_bytes().to_vec());
    vec![sealed, open.unwrap_or_default(), key.public().to_pem().into_bytes()]
}

/// Bundles to begin with.
pub fn bundle_seeds() -> Vec<Vec<u8>> {
    let statement = ImageStatement::signature(&Digest::of(b"image"));
    vec![SignatureBundle::sign(&statement, &key()).unwrap_or_default()]
}

/// Statements to begin with.
pub fn statement_seeds() -> Vec<Vec<u8>> {
    vec![ImageStatement::signature(&Digest::of(b"image")).to_bytes()]
}
