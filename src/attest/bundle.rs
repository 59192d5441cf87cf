//! sigstore bundles, version 0.3: an envelope with a statement, its signature, and the name of the key
//! ([format](https://docs.sigstore.dev/about/bundle/)).
//!
//! A reader checks in this order: size, form, one signature, the key, the signature over the payload and its type; then what
//! the statement says. Nothing in the payload is read before the signature is known to be right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::dsse::{IN_TOTO, pae};
use super::key::{PublicKey, Signature};
use super::proof::ProofError;
use super::signer::Signer;
use super::statement::ImageStatement;
use crate::formats::json::{FromJson, JsonError, JsonValue, Object, Raw, decode_within};
use crate::types::error::BoxedError;

/// The media type of a bundle, and the type of the artifact that holds it.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The annotation of its manifest with the type of the statement in it, by which others find it.
pub const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// A bundle has at most so many bytes: an SBOM may be in it.
const MAX_BUNDLE: usize = 16 << 20;
/// It has at most so many values around its payload.
const MAX_VALUES: usize = 10_000;

/// A bundle that has the right form; what it says is not proved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureBundle {
    payload: Vec<u8>,
    signature: Signature,
    hint: String,
}

impl SignatureBundle {
    /// Has a statement signed; the bytes of the bundle.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(statement: &ImageStatement, signer: &dyn Signer) -> Result<Vec<u8>, BoxedError> {
        let payload = statement.to_bytes();
        let signature = signer.sign(&pae(IN_TOTO, &payload))?;
        let hint = signer.public().id().to_string();
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": { "publicKey": { "hint": hint } },
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload),
                "payloadType": IN_TOTO,
                // Without `keyid`: libraries differ in how they spell it, and skip a signature whose name they do not know.
                "signatures": [{ "sig": signature.to_base64() }],
            },
        });
        Ok(bundle.to_string().into_bytes())
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// When it has not the form of one, or of one that is not checked here.
    pub fn read(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(ProofError::TooLarge(MAX_BUNDLE));
        }
        let BundleJson { media_type, hint, has_certificate, envelope } = decode_within(bytes, MAX_VALUES)?;
        if media_type != BUNDLE {
            return Err(ProofError::Type { found: media_type, wanted: BUNDLE });
        }
        if has_certificate {
            return Err(ProofError::Certificate);
        }
        let envelope = envelope
            .ok_or(ProofError::Field { field: "dsseEnvelope", why: "is missing: no statement is signed" })?;
        if envelope.payload_type != IN_TOTO {
            return Err(ProofError::Type { found: envelope.payload_type, wanted: IN_TOTO });
        }
        let [signature] = &envelope.signatures[..] else {
            return Err(ProofError::Count(envelope.signatures.len()));
        };
        let payload = STANDARD.decode(&envelope.payload);
        let payload = payload.map_err(|_| ProofError::Field { field: "payload", why: "is not base64" })?;
        let signature = Signature::from_base64(signature)
            .ok_or(ProofError::Field { field: "sig", why: "is not a signature of ECDSA on P-256" })?;
        Ok(Self { payload, signature, hint: hint.unwrap_or_default() })
    }

    /// The statement, if the key signed it.
    ///
    /// # Errors
    /// When it did not.
    pub fn proves(&self, key: &PublicKey) -> Result<ImageStatement, ProofError> {
        if !key.has_signed(&pae(IN_TOTO, &self.payload), &self.signature) {
            let is_other = !self.hint.is_empty() && self.hint != key.id().to_string();
            return Err(if is_other {
                ProofError::OtherKey(self.hint.clone())
            } else {
                ProofError::Wrong(key.id())
            });
        }
        ImageStatement::read(&self.payload)
    }

    /// The statement, whether a key signed it or not: it is worth what a statement without a signature is.
    ///
    /// # Errors
    /// When it is none.
    pub fn unproved(&self) -> Result<ImageStatement, ProofError> {
        ImageStatement::read(&self.payload)
    }
}

struct BundleJson {
    media_type: String,
    hint: Option<String>,
    has_certificate: bool,
    envelope: Option<EnvelopeJson>,
}

struct EnvelopeJson {
    payload: String,
    payload_type: String,
    signatures: Vec<String>,
}

impl FromJson for BundleJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object =
            Object::open(value, &["mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"])?;
        let media_type = object.require("mediaType")?;
        let material: MaterialJson = object.require("verificationMaterial")?;
        let envelope = object.take("dsseEnvelope")?;
        object.finish()?;
        Ok(Self { media_type, hint: material.hint, has_certificate: material.has_certificate, envelope })
    }
}

struct MaterialJson {
    hint: Option<String>,
    has_certificate: bool,
}

impl FromJson for MaterialJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(
            value,
            &["publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData"],
        )?;
        let has_certificate = object.has("certificate") || object.has("x509CertificateChain");
        let key: Option<HintJson> = object.take("publicKey")?;
        object.finish()?;
        Ok(Self { hint: key.and_then(|key| key.0), has_certificate })
    }
}

struct HintJson(Option<String>);

impl FromJson for HintJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["hint"])?;
        let hint = object.take("hint")?;
        object.finish()?;
        Ok(Self(hint))
    }
}

impl FromJson for EnvelopeJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["payload", "payloadType", "signatures"])?;
        let (payload, payload_type) = (object.require("payload")?, object.require("payloadType")?);
        let signatures: Vec<SignatureJson> = object.take_or_default("signatures")?;
        object.finish()?;
        Ok(Self { payload, payload_type, signatures: signatures.into_iter().map(|it| it.0).collect() })
    }
}

struct SignatureJson(String);

impl FromJson for SignatureJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["sig", "keyid"])?;
        let signature = object.require("sig")?;
        let _: Option<Raw> = object.take("keyid")?;
        object.finish()?;
        Ok(Self(signature))
    }
    fn several() -> String {
        "signatures".to_owned()
    }
}
