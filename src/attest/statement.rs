//! in-toto statements: a claim about content that is named by its digest
//! ([specification](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md)).

use std::collections::BTreeMap;

use serde::Serialize;

use super::proof::ProofError;
use crate::formats::json::{FromJson, JsonError, JsonValue, Object, Raw, decode_within};
use crate::types::digest::Digest;

/// The predicate type of a plain signature: that the signer has seen the image.
pub const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// The annotation of an attached statement that is not signed, with the type of its claim.
pub const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// The type of statements; the first one is written.
const TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// A statement has at most so many values: an SBOM may be in it.
const MAX_VALUES: usize = 500_000;

/// A statement about images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<StatementSubject>,
    /// The type of the claim.
    pub predicate_type: String,
    /// The claim.
    pub predicate: Raw,
}

/// The content that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct StatementSubject {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: BTreeMap<String, String>,
}

impl ImageStatement {
    /// That this is claimed of the manifest or index with this digest.
    #[must_use]
    pub fn new(subject: &Digest, predicate_type: &str, predicate: Raw) -> Self {
        let digest = BTreeMap::from([("sha256".to_owned(), subject.hex())]);
        Self {
            kind: TYPES[0].to_owned(),
            subject: vec![StatementSubject { name: None, digest }],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }

    /// That the image is signed, and no more.
    #[must_use]
    pub fn signature(subject: &Digest) -> Self {
        Self::new(subject, COSIGN_SIGN, Raw::empty_object())
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("strings are JSON: {error}"))
    }

    /// Reads a statement.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, ProofError> {
        let statement: Self = decode_within(bytes, MAX_VALUES)?;
        if !TYPES.contains(&&*statement.kind) {
            return Err(ProofError::Type { found: statement.kind, wanted: TYPES[0] });
        }
        Ok(statement)
    }

    /// Makes sure that it is about this digest.
    ///
    /// # Errors
    /// When it is about others.
    pub fn is_about(&self, wanted: &Digest) -> Result<(), ProofError> {
        let sha256 = |subject: &StatementSubject| subject.digest.get("sha256").cloned();
        let digests: Vec<String> = self.subject.iter().filter_map(sha256).collect();
        if digests.iter().any(|digest| *digest == wanted.hex()) {
            return Ok(());
        }
        let is_digest = |text: &String| format!("sha256:{text}").parse::<Digest>().ok();
        let found = digests.iter().find_map(is_digest);
        let found =
            found.map_or_else(|| "nothing that has a SHA-256".to_owned(), |digest| digest.to_string());
        Err(ProofError::Subject { found, wanted: *wanted })
    }
}

impl FromJson for ImageStatement {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["_type", "subject", "predicateType", "predicate"])?;
        let statement = Self {
            kind: object.require("_type")?,
            subject: object.require("subject")?,
            predicate_type: object.require("predicateType")?,
            predicate: object.take("predicate")?.unwrap_or_else(Raw::empty_object),
        };
        object.finish()?;
        Ok(statement)
    }
}

impl FromJson for StatementSubject {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(
            value,
            &["name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"],
        )?;
        let subject = Self { name: object.take("name")?, digest: object.require("digest")? };
        object.finish()?;
        Ok(subject)
    }
    fn several() -> String {
        "subjects".to_owned()
    }
}
