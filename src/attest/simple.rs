//! The payload of cosign's older signatures, which lie under the tag `sha256-HEX.sig`
//! ([format](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)).

use serde_json::json;

use super::key::{PublicKey, Signature};
use super::proof::ProofError;
use crate::formats::json::{FromJson, JsonError, JsonValue, Object, Raw, decode_within};
use crate::types::digest::Digest;
use crate::types::reference::Repository;

/// The media type of a payload.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation of a payload's layer that has the signature.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

const TYPE: &str = "cosign container image signature";

/// A payload has at most so many bytes.
const MAX_PAYLOAD: usize = 64 << 10;
/// It has at most so many values.
const MAX_VALUES: usize = 10_000;

/// The payload of an older signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimplePayload {
    digest: String,
    /// The repository that the signer named; anyone may copy the image elsewhere.
    pub reference: String,
}

impl SimplePayload {
    /// The bytes that are signed.
    #[must_use]
    pub fn bytes(repository: &Repository, subject: &Digest) -> Vec<u8> {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": repository.to_string() },
                "image": { "docker-manifest-digest": subject.to_string() },
                "type": TYPE,
            },
            "optional": null,
        });
        payload.to_string().into_bytes()
    }

    /// The payload, if the key signed it and it is about this digest.
    ///
    /// # Errors
    /// When it did not, or it is not.
    pub fn prove(
        payload: &[u8],
        signature: &str,
        key: &PublicKey,
        subject: &Digest,
    ) -> Result<Self, ProofError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(ProofError::TooLarge(MAX_PAYLOAD));
        }
        let signature = Signature::from_base64(signature).ok_or(ProofError::Field {
            field: SIGNATURE_ANNOTATION,
            why: "is not a signature of ECDSA on P-256",
        })?;
        if !key.has_signed(payload, &signature) {
            return Err(ProofError::Wrong(key.id()));
        }
        let critical = decode_within::<PayloadJson>(payload, MAX_VALUES)?.0;
        if critical.kind != TYPE {
            return Err(ProofError::Type { found: critical.kind, wanted: TYPE });
        }
        if critical.digest != subject.to_string() {
            let found = critical.digest.parse::<Digest>();
            let found = found.map_or_else(|_| "something else".to_owned(), |digest| digest.to_string());
            return Err(ProofError::Subject { found, wanted: *subject });
        }
        Ok(Self { digest: critical.digest, reference: critical.reference })
    }
}

struct PayloadJson(CriticalJson);

struct CriticalJson {
    kind: String,
    digest: String,
    reference: String,
}

struct ImageJson(String);

struct IdentityJson(String);

impl FromJson for PayloadJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["critical", "optional"])?;
        let critical = object.require("critical")?;
        let _: Option<Raw> = object.take("optional")?;
        object.finish()?;
        Ok(Self(critical))
    }
}

impl FromJson for CriticalJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["identity", "image", "type"])?;
        let identity: Option<IdentityJson> = object.take("identity")?;
        let image: ImageJson = object.require("image")?;
        let kind = object.require("type")?;
        object.finish()?;
        Ok(Self { kind, digest: image.0, reference: identity.map(|it| it.0).unwrap_or_default() })
    }
}

impl FromJson for ImageJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["docker-manifest-digest"])?;
        let digest = object.require("docker-manifest-digest")?;
        object.finish()?;
        Ok(Self(digest))
    }
}

impl FromJson for IdentityJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["docker-reference"])?;
        let reference = object.take_or_default("docker-reference")?;
        object.finish()?;
        Ok(Self(reference))
    }
}
