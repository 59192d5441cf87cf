//! The documents that a build attaches to its images: lists of packages, and signatures.
//!
//! They are a function of the image, but for the signatures: two by one key differ. So a signature that this machine made
//! before, or that a target has, is taken again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::BuildError;
use super::finished::{Attachment, Finished, ReferrerEntry};
use super::session::Session;
use super::target::Target;
use crate::attach::{
    LegacyPlace, SignatureFormat, found_signature, remember_signature, remembered_signature, signature,
};
use crate::attest::{KeyId, Signer};
use crate::layer::LayerSpec;
use crate::oci::attached::{AttachedDocument, AttachedManifest};
use crate::oci::{Descriptor, Image, RawDocument};
use crate::sbom::document::SpecVersion;
use crate::sbom::{BillOptions, bill_of};
use crate::transport::{Blob, BlobStream, Source};
use crate::types::digest::{Digest, KeyBuilder};
use crate::types::error::{BoxedError, uncarry};
use crate::types::fingerprint::Fingerprint;
use crate::types::reference::Repository;

/// The documents that a build attaches.
#[derive(Clone, Default)]
pub struct AttestRequest {
    /// The list of packages of each image, in this form.
    pub sbom: Option<SpecVersion>,
    /// The signature of each image and of the index.
    pub signature: Option<SignatureRequest>,
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

    fn has_bundles(&self) -> bool {
        self.format != SignatureFormat::Legacy
    }

    fn has_older_form(&self) -> bool {
        self.format != SignatureFormat::Bundle
    }
}

/// All that decides which documents an image gets. The time of a signature does not: one that is there stays.
impl Fingerprint for AttestRequest {
    fn add_to(&self, key: &mut KeyBuilder) {
        let Self { sbom, signature } = self;
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
    /// Adds all documents to a finished image. `layers` has the blobs of its layers, and `planned` the files of ours.
    pub(super) fn add_to(
        &self,
        finished: &mut Finished,
        layers: &dyn Source,
        planned: &BTreeMap<Digest, &LayerSpec>,
    ) -> Result<(), BoxedError> {
        if let Some(version) = self.request.sbom {
            for image in &finished.images {
                let (bill, unknown) = self.bill(image, layers, planned, version)?;
                finished.attachments.push(attachment(image.digest(), bill, None));
                finished.notes.extend(unknown);
            }
        }
        if let Some(request) = self.request.signature.as_ref().filter(|request| request.has_bundles()) {
            for subject in finished.subjects() {
                let signature = self.signature(request, &subject)?;
                finished.attachments.push(attachment(subject.digest, signature, Some(request.key())));
            }
        }
        Ok(())
    }

    /// The list of packages of an image, and what is not in it.
    fn bill(
        &self,
        image: &Image,
        layers: &dyn Source,
        planned: &BTreeMap<Digest, &LayerSpec>,
        version: SpecVersion,
    ) -> Result<(AttachedManifest, Vec<String>), BoxedError> {
        let options = BillOptions {
            repository: Some(self.name),
            store: &self.session.store,
            planned: planned.clone(),
            progress: &self.session.progress,
            interrupt: &self.session.interrupt,
        };
        let bill = bill_of(layers, image, &options)?;
        let unknown = bill.unknown().iter();
        let unknown =
            unknown.map(|part| format!("`{}` is not in the list of packages: {}", part.path, part.why));
        let document = bill.document(version)?;
        let document = AttachedDocument::new(document.version.media_type(), document.bytes);
        Ok((document.refer_to(&image.raw().descriptor())?, unknown.collect()))
    }

    /// The signature of a manifest or index: the one that this machine knows, else one that a target has, else a new one.
    fn signature(
        &self,
        request: &SignatureRequest,
        subject: &Descriptor,
    ) -> Result<AttachedManifest, BoxedError> {
        let (store, key) = (&self.session.store, request.signer.public());
        if let Some(known) = remembered_signature(store, &subject.digest, key) {
            return Ok(known);
        }
        let mut found = None;
        for reader in self.targets.iter().filter_map(|target| target.reader(&subject.digest)) {
            found = found_signature(&*reader, &subject.digest, key)?;
            if found.is_some() {
                break;
            }
        }
        let signed = found.map_or_else(|| signature(subject, &*request.signer, &request.created), Ok)?;
        remember_signature(store, &subject.digest, key, &signed);
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

fn attachment(subject: Digest, made: AttachedManifest, key: Option<KeyId>) -> Attachment {
    let AttachedManifest { document, blobs, entry } = made;
    Attachment { document, blobs, referrer: Some(ReferrerEntry::new(subject, entry, key)) }
}
