//! Keys for ECDSA on the curve P-256, and signatures by them over SHA-256.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::pem;
use crate::types::digest::Digest;

/// The DER before the point of a key on P-256 that is not compressed (RFC 5480): each key has one spelling.
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The bytes of such a key.
const P256_LENGTH: usize = P256.len() + 64;

/// A signature of ECDSA on P-256 in DER has at most so many bytes.
const MAX_SIGNATURE: usize = 72;

/// Object identifiers of what others make keys for.
const OTHERS: [(&[u8], &str); 6] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01], "RSA"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "ECDSA on the curve P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "ECDSA on the curve P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "ECDSA on the curve secp256k1"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x71], "Ed448"),
];

/// Why DER is no key on P-256.
pub(super) fn not_p256(der: &[u8]) -> KeyError {
    let start = &der[..der.len().min(64)];
    let other = OTHERS.iter().find(|(id, _)| start.windows(id.len()).any(|window| window == *id));
    other.map_or(KeyError::Invalid, |(_, name)| KeyError::Algorithm(name))
}

/// The name of a key: the SHA-256 of its public half in DER, as sigstore has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(Digest);

/// In base64.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A signature in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// A signature that has the form of one; `None` for anything else.
    #[must_use]
    pub fn from_der(bytes: &[u8]) -> Option<Self> {
        let is_sequence = matches!(bytes, [0x30, length, rest @ ..] if usize::from(*length) == rest.len());
        (is_sequence && bytes.len() <= MAX_SIGNATURE).then(|| Self(bytes.to_vec()))
    }

    /// The same from base64.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_der(&STANDARD.decode(text).ok()?)
    }

    /// In base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

/// The public half of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: Vec<u8>,
    id: KeyId,
}

impl PublicKey {
    /// A key from its DER (`SubjectPublicKeyInfo`).
    ///
    /// # Errors
    /// When it is a key of another kind, or none.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() != P256_LENGTH || !der.starts_with(&P256) {
            return Err(not_p256(der));
        }
        // Whether the point is on the curve.
        let parsed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).parse();
        parsed.map_err(|_| KeyError::Invalid)?;
        Ok(Self { der: der.to_vec(), id: KeyId(Digest::of(der)) })
    }

    /// A key from PEM.
    ///
    /// # Errors
    /// When there is no public key in it, or one of another kind.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let blocks = pem::blocks(text)?;
        let block = &blocks[0];
        match (&*block.label, &block.body) {
            ("PUBLIC KEY", Some(der)) => Self::from_der(der),
            ("CERTIFICATE", _) => Err(KeyError::Certificate),
            ("RSA PUBLIC KEY", _) => Err(KeyError::Algorithm("RSA")),
            (label, _) if label.ends_with("PRIVATE KEY") => Err(KeyError::Private),
            (label, _) => Err(KeyError::Label(label.to_owned())),
        }
    }

    /// The key in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.der).to_string()
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Whether it signed these bytes.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.der).verify(message, &signature.0).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// A key that signs. Its secret part is never shown, and is overwritten when it goes.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| KeyError::Random)?;
        Self::of(pair)
    }

    /// A key from DER (PKCS#8).
    ///
    /// # Errors
    /// When it is a key of another kind, or none.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der);
        Self::of(pair.map_err(|_| not_p256(der))?)
    }

    /// A key from DER (SEC 1).
    ///
    /// # Errors
    /// When it is a key of another kind, or none.
    pub(super) fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der);
        // The curve stands at the end there.
        Self::of(pair.map_err(|_| not_p256(&der[der.len().min(32)..]))?)
    }

    fn of(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let der = pair.public_key().as_der().map_err(|_| KeyError::Invalid)?;
        let public = PublicKey::from_der(der.as_ref())?;
        Ok(Self { pair, public })
    }

    /// The key in DER (PKCS#8).
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyError::Invalid)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs these bytes.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Random)?;
        Signature::from_der(signature.as_ref()).ok_or(KeyError::Invalid)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.id)
    }
}
