//! The documents that a build attaches to its images: lists of packages, statements about the build, and signatures.
//!
//! They are a function of the image, but for the signatures: two by one key differ. So a signature that this machine made
//! before, or that a target has, is taken again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::BuildError;
use super::finished::{Attachment, Finished, ReferrerEntry, SubjectStatement};
use super::session::Session;
use super::target::Target;
use crate::attach::{
    LegacyPlace, SignatureFormat, found_signature, remember_signature, remembered_signature, signature,
};
use crate::attest::provenance::{PROVENANCE_PREDICATE, ProvenanceBuilder};
use crate::attest::{IN_TOTO, ImageStatement, KeyId, PREDICATE_TYPE, Signer};
use crate::formats::json::decode;
use crate::layer::LayerSpec;
use crate::oci::attached::{AttachedDocument, AttachedManifest};
use crate::oci::attestation::{AttestationManifest, ListedStatement, listed_in};
use crate::oci::{Descriptor, Image, RawDocument};
use crate::sbom::document::SpecVersion;
use crate::sbom::stated::{stated_budget, stated_packages};
use crate::sbom::{BillOptions, bill_of};
use crate::transport::{Blob, BlobStream, Source};
use crate::types::digest::{Digest, KeyBuilder};
use crate::types::error::{BoxedError, uncarry};
use crate::types::fingerprint::Fingerprint;
use crate::types::policy::{DocumentClaim, EvidenceKind, JudgedDocument};
use crate::types::reference::Repository;

/// The documents that a build attaches.
#[derive(Clone, Default)]
pub struct AttestRequest {
    /// The list of packages of each image, in this form.
    pub sbom: Option<SpecVersion>,
    /// The provenance of the whole and the record of its checks, as this builder states them.
    pub provenance: Option<ProvenanceBuilder>,
    /// The signature of each image, of the index, and of what is stated about them.
    pub signature: Option<SignatureRequest>,
    /// Where the list of packages and the statements go.
    pub place: AttestPlace,
}

/// Where documents about an image go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttestPlace {
    /// Beside the image: they refer to it, and its digest stays.
    #[default]
    Referrers,
    /// Into the index, as BuildKit has it: the tag means an index, and another one with other documents.
    Index,
}

impl AttestRequest {
    /// Whether anything goes into the index.
    pub(super) fn is_in_index(&self) -> bool {
        self.place == AttestPlace::Index && (self.sbom.is_some() || self.provenance.is_some())
    }
}

/// How a build signs.
#[derive(Clone)]
pub struct SignatureRequest {
    /// Signs.
    pub signer: Arc<dyn Signer>,
    /// The forms of the signatures.
    pub format: SignatureFormat,
    /// The time of a signature that is made now, as RFC 3339 has it.
    pub created: String,
}

impl SignatureRequest {
    /// The key.
    pub(super) fn key(&self) -> KeyId {
        self.signer.public().id()
    }

    /// Whether documents are signed, too: the older form signs images alone.
    pub(super) fn has_bundles(&self) -> bool {
        self.format != SignatureFormat::Legacy
    }

    fn has_older_form(&self) -> bool {
        self.format != SignatureFormat::Bundle
    }
}

/// All that decides which documents an image gets. The time of a signature does not: one that is there stays.
impl Fingerprint for AttestRequest {
    fn add_to(&self, key: &mut KeyBuilder) {
        let Self { sbom, provenance, signature, place: _ } = self;
        if self.is_in_index() {
            key.field("place", "index");
        }
        if let Some(ProvenanceBuilder { id, level, why }) = provenance {
            key.field("builder", id);
            key.field("level", level);
            key.field("why", why);
        }
        if let Some(version) = sbom {
            key.field("sbom", version.media_type());
            key.field("sbom version", version.number());
        }
        if let Some(SignatureRequest { signer, format, created: _ }) = signature {
            key.field("key", &signer.public().id().to_string());
            key.field("signature format", &format!("{format:?}"));
        }
    }
}

/// The images of a build with the blobs of all their layers.
pub(super) struct BuiltImages<'a> {
    name: &'a Repository,
    layers: BTreeMap<Digest, Blob>,
}

impl<'a> BuiltImages<'a> {
    /// Of these layers.
    pub(super) fn new(name: &'a Repository, layers: impl IntoIterator<Item = Blob>) -> Self {
        Self { name, layers: layers.into_iter().map(|blob| (blob.descriptor.digest, blob)).collect() }
    }
}

impl Source for BuiltImages<'_> {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        Err(BuildError::Panicked.into())
    }

    fn document(&self, _: &Descriptor) -> Result<RawDocument, BoxedError> {
        Err(BuildError::Panicked.into())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        let blob = self.layers.get(&descriptor.digest).ok_or(BuildError::Panicked)?;
        let unreadable = |source| BuildError::Unreadable { digest: descriptor.digest, source }.into();
        blob.content.open().map_err(|error| uncarry(error).unwrap_or_else(unreadable))
    }

    fn name(&self) -> String {
        self.name.to_string()
    }
}

/// Makes documents and looks for those that are there.
pub(super) struct Attestor<'a> {
    pub(super) session: &'a Session,
    pub(super) request: &'a AttestRequest,
    pub(super) name: &'a Repository,
    pub(super) targets: &'a [Target],
}

impl Attestor<'_> {
    /// Adds all documents to a finished image, `statements` of the build among them; the contents of the documents, for
    /// a policy. `layers` has the blobs of its layers, and `planned` the files of ours.
    pub(super) fn add_to(
        &self,
        finished: &mut Finished,
        layers: &dyn Source,
        planned: &BTreeMap<Digest, &LayerSpec>,
        statements: &[SubjectStatement],
    ) -> Result<Vec<JudgedDocument>, BoxedError> {
        let made = match self.request.is_in_index() {
            true => self.list_in_index(finished, layers, planned, statements)?,
            false => self.add_beside(finished, layers, planned, statements)?,
        };
        if let Some(request) = self.request.signature.as_ref().filter(|request| request.has_bundles()) {
            for subject in finished.subjects() {
                let statement = ImageStatement::signature(&subject.digest);
                let signature = self.signature(request, &subject, &statement)?;
                finished.attachments.push(attachment(subject.digest, signature, Some(request.key())));
            }
        }
        Ok(made)
    }

    /// Lists the documents in the index, one manifest for each image. Those that are signed refer to the image, too: no
    /// signature has a place in an index.
    fn list_in_index(
        &self,
        finished: &mut Finished,
        layers: &dyn Source,
        planned: &BTreeMap<Digest, &LayerSpec>,
        statements: &[SubjectStatement],
    ) -> Result<Vec<JudgedDocument>, BoxedError> {
        let signs = self.request.signature.as_ref().filter(|request| request.has_bundles());
        let (mut made, mut entries) = (Vec::new(), Vec::new());
        for image in &finished.images {
            let (subject, mut claims) = (image.raw().descriptor(), Vec::new());
            let mut own: Vec<ImageStatement> = Vec::new();
            if let Some(version) = self.request.sbom {
                let ImageBillOfBuild { bytes, unknown, .. } = self.bill(image, layers, planned, version)?;
                claims.push(sbom_claim(&bytes, &subject.digest));
                own.push(sbom_statement(&subject.digest, version, &bytes)?);
                finished.notes.extend(unknown);
            }
            let about = statements.iter().filter(|one| one.subject.digest == subject.digest);
            own.extend(about.map(|one| one.statement.clone()));
            claims.extend(self.request.provenance.as_ref().map(|_| DocumentClaim::Provenance));
            let manifest = AttestationManifest::new(&subject.digest, own.iter().map(listed).collect())?;
            let digest = manifest.document.digest();
            let judged = claims.into_iter().map(|claim| JudgedDocument {
                digest,
                signers: BTreeSet::new(),
                image: None,
                claim,
            });
            made.extend(judged);
            entries.push(manifest.entry);
            let (document, blobs) = (manifest.document, manifest.blobs);
            finished.attachments.push(Attachment { document, blobs, referrer: None });
            for (request, statement) in
                signs.iter().flat_map(|request| own.iter().map(move |it| (request, it)))
            {
                let signed = self.signature(request, &subject, statement)?;
                finished.attachments.push(attachment(subject.digest, signed, Some(request.key())));
            }
        }
        finished.root = listed_in(&finished.root, entries)?;
        Ok(made)
    }

    /// Makes the documents that refer to the images and the root.
    fn add_beside(
        &self,
        finished: &mut Finished,
        layers: &dyn Source,
        planned: &BTreeMap<Digest, &LayerSpec>,
        statements: &[SubjectStatement],
    ) -> Result<Vec<JudgedDocument>, BoxedError> {
        let mut made = Vec::new();
        let signs = self.request.signature.as_ref().filter(|request| request.has_bundles());
        if let Some(version) = self.request.sbom {
            for image in &finished.images {
                let ImageBillOfBuild { attached, bytes, unknown } =
                    self.bill(image, layers, planned, version)?;
                made.push(judged(&attached, sbom_claim(&bytes, &image.digest())));
                finished.attachments.push(attachment(image.digest(), attached, None));
                finished.notes.extend(unknown);
                if let Some(request) = signs {
                    let statement = sbom_statement(&image.digest(), version, &bytes)?;
                    let signed = self.signature(request, &image.raw().descriptor(), &statement)?;
                    finished.attachments.push(attachment(image.digest(), signed, Some(request.key())));
                }
            }
        }
        for SubjectStatement { subject, statement } in statements {
            let (attached, key) = match signs {
                Some(request) => (self.signature(request, subject, statement)?, Some(request.key())),
                None => (unsigned(subject, statement)?, None),
            };
            if statement.predicate_type == PROVENANCE_PREDICATE {
                made.push(judged(&attached, DocumentClaim::Provenance));
            }
            finished.attachments.push(attachment(subject.digest, attached, key));
        }
        Ok(made)
    }

    /// The list of packages of an image, and what is not in it.
    fn bill(
        &self,
        image: &Image,
        layers: &dyn Source,
        planned: &BTreeMap<Digest, &LayerSpec>,
        version: SpecVersion,
    ) -> Result<ImageBillOfBuild, BoxedError> {
        let options = BillOptions {
            repository: Some(self.name),
            store: &self.session.store,
            planned: planned.clone(),
            workers: &self.session.workers,
            progress: &self.session.progress,
            interrupt: &self.session.interrupt,
        };
        let bill = bill_of(layers, image, &options)?;
        let unknown = bill.unknown().iter();
        let unknown =
            unknown.map(|part| format!("`{}` is not in the list of packages: {}", part.path, part.why));
        let document = bill.document(version)?;
        let bytes = document.bytes;
        let document = AttachedDocument::new(document.version.media_type(), bytes.clone());
        let attached = document.refer_to(&image.raw().descriptor())?;
        Ok(ImageBillOfBuild { attached, bytes, unknown: unknown.collect() })
    }

    /// A signed statement about a manifest or index: the one that this machine knows, else one that a target has, else a
    /// new one.
    fn signature(
        &self,
        request: &SignatureRequest,
        subject: &Descriptor,
        statement: &ImageStatement,
    ) -> Result<AttachedManifest, BoxedError> {
        let (store, key) = (&self.session.store, request.signer.public());
        if let Some(known) = remembered_signature(store, &subject.digest, key, statement) {
            return Ok(known);
        }
        let mut found = None;
        for reader in self.targets.iter().filter_map(|target| target.reader(&subject.digest)) {
            found = found_signature(&*reader, &subject.digest, key, statement)?;
            if found.is_some() {
                break;
            }
        }
        let signed =
            found.map_or_else(|| signature(subject, &*request.signer, &request.created, statement), Ok)?;
        remember_signature(store, &subject.digest, key, statement, &signed);
        Ok(signed)
    }

    /// Writes signatures of the older form to a target, for those of `subjects` that have none there.
    pub(super) fn sign_in_older_form(
        &self,
        target: &Target,
        subjects: impl IntoIterator<Item = Digest>,
    ) -> Result<(), BoxedError> {
        if let Some((request, place)) = self.older_form(target) {
            for subject in subjects {
                place.add(&*request.signer, &subject)?;
            }
        }
        Ok(())
    }

    /// Whether all of `subjects` are signed in the older form at a target, where that is wanted.
    pub(super) fn is_signed_in_older_form(
        &self,
        target: &Target,
        subjects: impl IntoIterator<Item = Digest>,
    ) -> Result<bool, BoxedError> {
        if let Some((request, place)) = self.older_form(target) {
            for subject in subjects {
                if !place.is_signed(request.signer.public(), &subject)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn older_form(&self, target: &Target) -> Option<(&SignatureRequest, LegacyPlace)> {
        let request = self.request.signature.as_ref().filter(|request| request.has_older_form())?;
        let is_registry = target.capabilities().is_remote();
        let place = || {
            LegacyPlace::new(self.session.client.clone(), self.name.clone()).with_store(&self.session.store)
        };
        is_registry.then(|| (request, place()))
    }
}

/// The list of packages of an image, as it is attached.
struct ImageBillOfBuild {
    attached: AttachedManifest,
    bytes: Vec<u8>,
    unknown: Vec<String>,
}

fn judged(attached: &AttachedManifest, claim: DocumentClaim) -> JudgedDocument {
    JudgedDocument { digest: attached.document.digest(), signers: BTreeSet::new(), image: None, claim }
}

fn sbom_claim(bytes: &[u8], image: &Digest) -> DocumentClaim {
    match stated_packages(bytes, &[*image], &stated_budget()) {
        Ok(packages) => DocumentClaim::Sbom(packages),
        Err(error) => DocumentClaim::Unreadable(EvidenceKind::Sbom, error.to_string()),
    }
}

/// A list of packages as a statement, to be signed.
fn sbom_statement(image: &Digest, version: SpecVersion, bytes: &[u8]) -> Result<ImageStatement, BoxedError> {
    let predicate = decode(bytes).map_err(BuildError::Statement)?;
    Ok(ImageStatement::new(image, version.predicate_type(), predicate))
}

/// A statement without a signature.
fn unsigned(subject: &Descriptor, statement: &ImageStatement) -> Result<AttachedManifest, BoxedError> {
    let document = AttachedDocument::new(IN_TOTO, statement.to_bytes())
        .annotation(PREDICATE_TYPE, statement.predicate_type.clone());
    Ok(document.refer_to(subject)?)
}

/// A statement as a manifest in an index has it.
fn listed(statement: &ImageStatement) -> ListedStatement {
    ListedStatement {
        media_type: IN_TOTO,
        claim: (PREDICATE_TYPE, statement.predicate_type.clone()),
        bytes: statement.to_bytes(),
    }
}

fn attachment(subject: Digest, made: AttachedManifest, key: Option<KeyId>) -> Attachment {
    let AttachedManifest { document, blobs, entry } = made;
    Attachment { document, blobs, referrer: Some(ReferrerEntry::new(subject, entry, key)) }
}
