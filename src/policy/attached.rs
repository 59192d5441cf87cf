//! One attached document after the other, and what it claims.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use crate::attest::provenance::{PROVENANCE_PREDICATE, ProvenanceClaim};
use crate::attest::{
    BUNDLE, BUNDLE_PREDICATE, CHECKS_PREDICATE, ChecksRecord, IN_TOTO, ImageStatement, PREDICATE_TYPE,
    ProofError, PublicKey, SignatureBundle,
};
use crate::oci::artifact::listed_type;
use crate::oci::attestation::entries_about;
use crate::oci::{Descriptor, Index, ManifestOrIndex};
use crate::runtime::budget::Budget;
use crate::sbom::stated::{SBOM_PREDICATES, SBOM_TYPES, StatedError, stated_budget, stated_packages};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, code_behind};
use crate::types::error_code::ErrorCode;
use crate::types::policy::{DocumentClaim, EvidenceKind, JudgedDocument, KeyName};

/// So many entries of a list are looked at.
const MOST_ENTRIES: usize = 500;
/// A document has at most so many bytes.
const MOST_BYTES: u64 = 32 << 20;

/// The claims about one image.
pub(super) enum AttachedClaims {
    /// All that are needed.
    Found(Vec<JudgedDocument>),
    /// There is more than is read.
    TooMuch(String),
}

/// A document that refers to an image, as it was read.
pub(super) struct FoundDocument {
    /// Its manifest.
    pub(super) digest: Digest,
    /// Its type.
    kind: String,
    bytes: Vec<u8>,
}

/// Documents that were read, and why there may be more, if that is so.
pub(super) type ReadDocuments = (Vec<FoundDocument>, Option<String>);

/// A statement, and the keys that signed it.
pub(super) struct SaidStatement {
    pub(super) signers: BTreeSet<KeyName>,
    pub(super) statement: ImageStatement,
}

/// Reads the documents that refer to images of one place.
pub(super) struct AttachedReader<'a> {
    source: &'a dyn Source,
    needed: &'a BTreeSet<EvidenceKind>,
    keys: &'a BTreeMap<KeyName, PublicKey>,
    /// That of the packages of all documents.
    packages: Budget,
}

impl<'a> AttachedReader<'a> {
    /// The bound on what is read of `source` in all is its own.
    pub(super) fn new(
        source: &'a dyn Source,
        needed: &'a BTreeSet<EvidenceKind>,
        keys: &'a BTreeMap<KeyName, PublicKey>,
    ) -> Self {
        Self { source, needed, keys, packages: stated_budget() }
    }

    /// The claims of the documents that refer to `subject`; each must be about one of `about`, which `subject` is the first of.
    ///
    /// # Errors
    /// When the place cannot be asked.
    pub(super) fn read(&mut self, subject: &Digest, about: &[Digest]) -> Result<AttachedClaims, BoxedError> {
        let read = self.documents(subject)?;
        self.claims_of(read, about)
    }

    /// The claims of the statements about `image` that an index lists. Who signed the index signed what it lists.
    ///
    /// # Errors
    /// When the place cannot be asked.
    pub(super) fn listed(
        &mut self,
        index: &Index,
        image: &Digest,
        signers: &BTreeSet<KeyName>,
    ) -> Result<AttachedClaims, BoxedError> {
        let read = self.listed_documents(index, image)?;
        let mut claims = self.claims_of(read, &[*image])?;
        if let AttachedClaims::Found(found) = &mut claims {
            found.iter_mut().for_each(|document| document.signers.clone_from(signers));
        }
        Ok(claims)
    }

    /// The statements about `image` that an index lists and that may be needed; and why there may be more, if that is so.
    ///
    /// # Errors
    /// When the place cannot be asked.
    pub(super) fn listed_documents(
        &mut self,
        index: &Index,
        image: &Digest,
    ) -> Result<ReadDocuments, BoxedError> {
        let mut found = Vec::new();
        for entry in entries_about(index, image) {
            let Ok(ManifestOrIndex::Manifest(manifest)) = self.source.document(entry)?.parse() else {
                continue;
            };
            let is_needed = |layer: &&Descriptor| {
                layer.media_type.to_string() == IN_TOTO
                    && self.is_needed(layer.annotations.get(PREDICATE_TYPE))
            };
            let layers: Vec<&Descriptor> = manifest.layers.iter().filter(is_needed).collect();
            if layers.len() > MOST_ENTRIES {
                let why =
                    format!("the index lists more than {MOST_ENTRIES} statements about {}", image.short());
                return Ok((found, Some(why)));
            }
            for layer in layers {
                match self.bytes(entry, layer)? {
                    Ok(bytes) => {
                        let kind = IN_TOTO.to_owned();
                        found.push(FoundDocument { digest: entry.digest, kind, bytes });
                    }
                    Err(why) => return Ok((found, Some(why))),
                }
            }
        }
        Ok((found, None))
    }

    /// The claims of documents that were read.
    fn claims_of(
        &self,
        (documents, too_much): ReadDocuments,
        about: &[Digest],
    ) -> Result<AttachedClaims, BoxedError> {
        if let Some(why) = too_much {
            return Ok(AttachedClaims::TooMuch(why));
        }
        let mut found = Vec::new();
        for document in documents {
            self.source.check()?;
            match self.claims(&document, about) {
                Ok(claims) => found.extend(claims),
                Err(over) => return Ok(AttachedClaims::TooMuch(over.to_string())),
            }
        }
        Ok(AttachedClaims::Found(found))
    }

    /// The documents that refer to `subject` and may be needed; and why there may be more, if that is so.
    ///
    /// # Errors
    /// When the place cannot be asked.
    pub(super) fn documents(&mut self, subject: &Digest) -> Result<ReadDocuments, BoxedError> {
        let listed = self.source.referrers(subject)?.unwrap_or_default();
        let mut found = Vec::new();
        let listed: Vec<&Descriptor> = listed.iter().filter(|entry| self.may_be_needed(entry)).collect();
        if listed.len() > MOST_ENTRIES {
            let why = format!("more than {MOST_ENTRIES} documents refer to {}", subject.short());
            return Ok((found, Some(why)));
        }
        for entry in listed {
            let Some((kind, layer)) = self.layer(subject, entry)? else { continue };
            match self.bytes(entry, &layer)? {
                Ok(bytes) => found.push(FoundDocument { digest: entry.digest, kind, bytes }),
                Err(why) => return Ok((found, Some(why))),
            }
        }
        Ok((found, None))
    }

    /// The bytes of a document, or that they are too many.
    fn bytes(&self, entry: &Descriptor, layer: &Descriptor) -> Result<Result<Vec<u8>, String>, BoxedError> {
        if layer.size > MOST_BYTES {
            return Ok(Err(format!("the document {} has more than {} MiB", entry.digest, MOST_BYTES >> 20)));
        }
        let mut bytes = Vec::new();
        self.source
            .blob(layer)?
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| EvidenceError { name: self.source.name(), digest: layer.digest, source })?;
        Ok(Ok(bytes))
    }

    /// Whether a claim of a type may be needed; of one that is not told, it may.
    fn is_needed(&self, said: Option<&String>) -> bool {
        said.is_none_or(|said| evidence_of(said).is_some_and(|evidence| self.needed.contains(&evidence)))
    }

    /// Whether what the list says of an entry leaves it open that it is needed. A list is a hint and no proof.
    fn may_be_needed(&self, entry: &Descriptor) -> bool {
        let Some(kind) = listed_type(entry) else { return true };
        if SBOM_TYPES.contains(&kind) {
            return self.needed.contains(&EvidenceKind::Sbom);
        }
        let annotation = match kind {
            IN_TOTO => PREDICATE_TYPE,
            BUNDLE => BUNDLE_PREDICATE,
            _ => return false,
        };
        self.is_needed(entry.annotations.get(annotation))
    }

    /// The type of an entry and its one document, if its manifest is one that refers to `subject`.
    fn layer(
        &self,
        subject: &Digest,
        entry: &Descriptor,
    ) -> Result<Option<(String, Descriptor)>, BoxedError> {
        let document = self.source.document(entry)?;
        let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return Ok(None) };
        if manifest.subject.as_ref().is_none_or(|link| link.digest != *subject) {
            return Ok(None);
        }
        let kind = manifest.artifact_type.unwrap_or_else(|| manifest.config.media_type.to_string());
        let [layer] = &manifest.layers[..] else { return Ok(None) };
        Ok(Some((kind, layer.clone())))
    }

    /// The claims of a document that are needed: one, or none. One that has more in it than is read may be any.
    ///
    /// # Errors
    /// When the packages of all documents are more than are read.
    fn claims(&self, document: &FoundDocument, about: &[Digest]) -> Result<Vec<JudgedDocument>, StatedError> {
        let judged = |signers, claim| JudgedDocument { digest: document.digest, signers, image: None, claim };
        let mut claims = Vec::new();
        if SBOM_TYPES.contains(&&*document.kind) {
            claims.push(judged(BTreeSet::new(), sbom(&document.bytes, about, &self.packages)?));
        } else {
            match self.said(document) {
                Ok(None) => {}
                Ok(Some(SaidStatement { signers, statement })) => {
                    let claim = claimed(&statement, about, &self.packages)?;
                    claims.extend(claim.map(|claim| judged(signers, claim)));
                }
                Err(why) => {
                    let unreadable = |kind: &EvidenceKind| DocumentClaim::Unreadable(*kind, why.to_string());
                    let of = |kind| judged(BTreeSet::new(), unreadable(kind));
                    claims.extend(self.needed.iter().map(of));
                }
            }
        }
        claims.retain(|document| self.needed.contains(&document.claim.evidence()));
        Ok(claims)
    }

    /// The statement of a document, and who signed it, where the document itself says that.
    ///
    /// # Errors
    /// When it has more in it than is read. Another one that cannot be read is no statement.
    pub(super) fn said(&self, document: &FoundDocument) -> Result<Option<SaidStatement>, ProofError> {
        match &*document.kind {
            IN_TOTO => {
                let statement = readable(ImageStatement::read(&document.bytes))?;
                Ok(statement.map(|statement| SaidStatement { signers: BTreeSet::new(), statement }))
            }
            BUNDLE => {
                let Some(bundle) = readable(SignatureBundle::read(&document.bytes))? else { return Ok(None) };
                let proves =
                    |(name, key): (&KeyName, &PublicKey)| Some((name.clone(), bundle.proves(key).ok()?));
                let signed: Vec<(KeyName, ImageStatement)> = self.keys.iter().filter_map(proves).collect();
                let signers = signed.iter().map(|(name, _)| name.clone()).collect();
                // Without a key that fits it is worth what a document without a signature is.
                let statement = match signed.into_iter().next() {
                    Some((_, said)) => Some(said),
                    None => readable(bundle.unproved())?,
                };
                Ok(statement.map(|statement| SaidStatement { signers, statement }))
            }
            _ => Ok(None),
        }
    }
}

/// Nothing of what cannot be read, unless it has more in it than is read.
fn readable<T>(read: Result<T, ProofError>) -> Result<Option<T>, ProofError> {
    match read {
        Err(error) if error.is_too_many() => Err(error),
        read => Ok(read.ok()),
    }
}

/// The evidence that a statement of this type is.
fn evidence_of(predicate_type: &str) -> Option<EvidenceKind> {
    match predicate_type {
        PROVENANCE_PREDICATE => Some(EvidenceKind::Provenance),
        CHECKS_PREDICATE => Some(EvidenceKind::Checks),
        other if SBOM_PREDICATES.contains(&other) => Some(EvidenceKind::Sbom),
        _ => None,
    }
}

fn claimed(
    statement: &ImageStatement,
    about: &[Digest],
    packages: &Budget,
) -> Result<Option<DocumentClaim>, StatedError> {
    let Some(evidence) = evidence_of(&statement.predicate_type) else { return Ok(None) };
    let errors: Vec<String> = about
        .iter()
        .map_while(|subject| statement.is_about(subject).err())
        .map(|error| error.to_string())
        .collect();
    if errors.len() == about.len() {
        let first = errors.into_iter().next();
        return Ok(first.map(|why| DocumentClaim::OfAnother(evidence, why)));
    }
    let predicate = statement.predicate.value().text().as_bytes();
    Ok(Some(match evidence {
        EvidenceKind::Sbom => sbom(predicate, about, packages)?,
        EvidenceKind::Checks => match ChecksRecord::read(predicate) {
            Ok(record) => DocumentClaim::Checks(record.is_clean()),
            Err(error) => DocumentClaim::Unreadable(evidence, error.to_string()),
        },
        EvidenceKind::Provenance | EvidenceKind::Signature => match ProvenanceClaim::read(predicate) {
            Ok(_) => DocumentClaim::Provenance,
            Err(error) => DocumentClaim::Unreadable(evidence, error.to_string()),
        },
    }))
}

fn sbom(bytes: &[u8], about: &[Digest], budget: &Budget) -> Result<DocumentClaim, StatedError> {
    match stated_packages(bytes, about, budget) {
        Ok(packages) => Ok(DocumentClaim::Sbom(packages)),
        Err(over @ StatedError::Budget(_)) => Err(over),
        Err(error @ StatedError::Subject { .. }) => {
            Ok(DocumentClaim::OfAnother(EvidenceKind::Sbom, error.to_string()))
        }
        Err(error) => Ok(DocumentClaim::Unreadable(EvidenceKind::Sbom, error.to_string())),
    }
}

/// A document that cannot be read where it is stored.
#[derive(Debug, thiserror::Error)]
#[error("the document {digest} of {name} cannot be read")]
struct EvidenceError {
    name: String,
    digest: Digest,
    source: std::io::Error,
}

impl crate::types::error::Explain for EvidenceError {
    fn kind(&self) -> crate::types::error::Kind {
        crate::types::error::kind_behind(self, crate::types::error::Kind::Registry)
    }

    fn code(&self) -> Option<ErrorCode> {
        code_behind(self, ErrorCode::ImageDamaged)
    }
}
