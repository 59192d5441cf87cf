//! cosign's older signatures: layers of a manifest under the tag `sha256-HEX.sig`.

use std::io::Read as _;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::error::AttachError;
use crate::attest::{PublicKey, SIGNATURE_ANNOTATION, SIMPLE_SIGNING, Signer, SimplePayload};
use crate::oci::blob::{Blob, BlobStream};
use crate::oci::{Descriptor, ManifestOrIndex, MediaType, RawDocument, artifact::OciArtifact};
use crate::registry::{Client, PushedParts, RegistryError};
use crate::store::Store;
use crate::transport::Source;
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::error::BoxedError;
use crate::types::reference::{Repository, Tag};

/// The namespace of lists in the store's memos.
const NAMESPACE: &str = "older-signature";
/// A payload has at most so many bytes.
const MAX_PAYLOAD: u64 = 64 << 10;
/// So many older signatures of an image are read.
const MOST: usize = 200;
/// So often the list is read and written again because somebody else wrote it in between.
const TRIES: u32 = 20;

/// A repository with tags of older signatures.
#[derive(Clone, Debug)]
pub struct LegacyPlace {
    client: Client,
    repository: Repository,
    store: Option<Store>,
}

/// An older signature, before anything of it is believed.
pub(super) struct FoundPayload {
    pub(super) digest: Digest,
    pub(super) payload: Vec<u8>,
    pub(super) signature: String,
}

/// The list under a tag, and what the tag resolves to.
#[derive(Default)]
struct LegacyList {
    layers: Vec<Descriptor>,
    seen: Option<Digest>,
}

impl LegacyPlace {
    /// The tags of this repository.
    #[must_use]
    pub const fn new(client: Client, repository: Repository) -> Self {
        Self { client, repository, store: None }
    }

    /// With a store that remembers lists in which a key has signed.
    #[must_use]
    pub fn with_store(self, store: &Store) -> Self {
        Self { store: Some(store.clone()), ..self }
    }

    fn memo_key(&self, subject: &Digest, key: &PublicKey) -> Key {
        let repository = self.repository.to_string();
        KeyBuilder::new("pack older signature 1")
            .part(repository.as_bytes())
            .part(subject.as_bytes())
            .part(key.id().to_string().as_bytes())
            .finish()
    }

    /// Remembers that the key has signed in this list.
    fn remember(&self, list: &LegacyList, key: &PublicKey, subject: &Digest) {
        if let (Some(store), Some(seen)) = (&self.store, list.seen) {
            store.memo_save(NAMESPACE, &self.memo_key(subject, key), &seen);
        }
    }

    /// Whether the key has signed the image. A list that is remembered is not read again.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn is_signed(&self, key: &PublicKey, subject: &Digest) -> Result<bool, BoxedError> {
        let known = self.store.as_ref();
        let known =
            known.and_then(|store| store.memo_load::<Digest>(NAMESPACE, &self.memo_key(subject, key)));
        if let Some(known) = known {
            let found = self.client.resolve(&self.repository.at_tag(older_tag(subject)))?;
            if found.is_some_and(|found| found.digest == known) {
                return Ok(true);
            }
        }
        let list = self.list(subject)?;
        let has = self.has(&list, key, subject)?;
        if has {
            self.remember(&list, key, subject);
        }
        Ok(has)
    }

    fn list(&self, subject: &Digest) -> Result<LegacyList, BoxedError> {
        let tag = older_tag(subject);
        let Some(found) = self.client.resolve(&self.repository.at_tag(tag.clone()))? else {
            return Ok(LegacyList::default());
        };
        let document = self.client.document(&self.repository, &found.digest.to_string(), Some(&found))?;
        match document.parse() {
            Ok(ManifestOrIndex::Manifest(manifest)) => {
                Ok(LegacyList { layers: manifest.layers, seen: Some(found.digest) })
            }
            _ => Err(AttachError::NotSignatures(format!("{}:{tag}", self.repository)).into()),
        }
    }

    /// Gives `visit` each older signature of an image, one at a time, until it has enough; an error where there are more than are
    /// read. `source` is in this repository.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub(super) fn each(
        &self,
        source: &dyn Source,
        subject: &Digest,
        visit: &mut dyn FnMut(&FoundPayload) -> bool,
    ) -> Result<Option<BoxedError>, BoxedError> {
        let tag = older_tag(subject);
        let Some(document) = source.under_tag(&tag)? else { return Ok(None) };
        let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else {
            return Err(AttachError::NotSignatures(format!("{}:{tag}", self.repository)).into());
        };
        let has_more = each_payload(&manifest.layers, &|layer| source.blob(layer), visit)?;
        let (name, subject) = (source.name(), *subject);
        Ok(has_more.then(|| AttachError::TooMany { name, subject, most: MOST }.into()))
    }

    fn has(&self, list: &LegacyList, key: &PublicKey, subject: &Digest) -> Result<bool, BoxedError> {
        let mut has = false;
        let read = |layer: &Descriptor| Ok(self.client.blob(&self.repository, layer)?);
        each_payload(&list.layers, &read, &mut |found| {
            has = SimplePayload::prove(&found.payload, &found.signature, key, subject).is_ok();
            !has
        })?;
        Ok(has)
    }

    /// Adds a signature by the signer, unless there is one; whether it was added. Signatures of others stay.
    ///
    /// # Errors
    /// When it cannot be made or stored.
    pub fn add(&self, signer: &dyn Signer, subject: &Digest) -> Result<bool, BoxedError> {
        let mut list = self.list(subject)?;
        if self.has(&list, signer.public(), subject)? {
            self.remember(&list, signer.public(), subject);
            return Ok(false);
        }
        let payload = SimplePayload::bytes(&self.repository, subject);
        let signature = signer.sign(&payload)?;
        let mut layer = Descriptor::of(MediaType::Other(SIMPLE_SIGNING.to_owned()), &payload);
        layer.annotations.insert(SIGNATURE_ANNOTATION.to_owned(), signature.to_base64());
        let tag = older_tag(subject);
        for tried in 0..TRIES {
            list.layers.push(layer.clone());
            let (document, config) = list_of(&list.layers)?;
            let blobs = [Blob::in_memory(layer.clone(), payload.clone(), "signature").made_now(), config];
            for blob in &blobs {
                self.client.push_blob(&self.repository, blob)?;
            }
            let parts = PushedParts { blobs: &blobs, documents: &[] };
            match self.client.push_document_over(&self.repository, &tag, &document, list.seen, parts) {
                Ok(_) => {}
                Err(RegistryError::Moved { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // Another writer may have seen the old list, too.
            let spread = u64::from(signature.to_base64().bytes().map(u32::from).sum::<u32>() % 40);
            thread::sleep(Duration::from_millis(20 + spread * u64::from(tried.min(4))));
            list = self.list(subject)?;
            if list.layers.iter().any(|found| found == &layer) {
                self.remember(&list, signer.public(), subject);
                return Ok(true);
            }
        }
        Err(AttachError::Contended(*subject).into())
    }
}

/// Gives `visit` each payload of a list, one at a time, until it has enough; whether there are more than are read.
fn each_payload(
    layers: &[Descriptor],
    read: &dyn Fn(&Descriptor) -> Result<BlobStream, BoxedError>,
    visit: &mut dyn FnMut(&FoundPayload) -> bool,
) -> Result<bool, BoxedError> {
    let is_payload =
        |layer: &&Descriptor| layer.media_type.to_string() == SIMPLE_SIGNING && layer.size <= MAX_PAYLOAD;
    let signed = layers.iter().filter(is_payload);
    let signed = signed.filter_map(|layer| Some((layer, layer.annotations.get(SIGNATURE_ANNOTATION)?)));
    for (number, (layer, signature)) in signed.enumerate() {
        if number == MOST {
            return Ok(true);
        }
        let mut payload = Vec::new();
        // A damaged payload is no signature.
        if read(layer)?.take(MAX_PAYLOAD + 1).read_to_end(&mut payload).is_err() {
            continue;
        }
        if !visit(&FoundPayload { digest: layer.digest, payload, signature: signature.clone() }) {
            break;
        }
    }
    Ok(false)
}

/// The tag of the older signatures of an image.
#[must_use]
pub fn older_tag(subject: &Digest) -> Tag {
    let tag = format!("sha256-{}.sig", subject.hex());
    tag.parse().unwrap_or_else(|_| unreachable!("letters, digits, a hyphen and a dot are a tag"))
}

/// The signatures of two lists in one, with its configuration; nothing where the first has all of the second.
///
/// # Errors
/// When it has more in it than a manifest may have.
pub fn merged(
    first: &[Descriptor],
    second: &[Descriptor],
) -> Result<Option<(RawDocument, Blob)>, AttachError> {
    let mut layers = first.to_vec();
    layers.extend(second.iter().filter(|layer| !first.contains(layer)).cloned());
    if layers.len() == first.len() {
        return Ok(None);
    }
    let (document, config) = list_of(&layers)?;
    Ok(Some((document, config)))
}

/// The manifest of a list of signatures, and its configuration.
fn list_of(layers: &[Descriptor]) -> Result<(RawDocument, Blob), AttachError> {
    let config = config(layers);
    let of_config = Descriptor::of(MediaType::ImageConfig, &config);
    let blob = Blob::in_memory(of_config.clone(), config, "config").made_now();
    let artifact = OciArtifact::of_config(of_config).layers(layers.iter().cloned());
    Ok((artifact.document("signatures")?, blob))
}

/// The configuration of such a manifest: an image that consists of the payloads.
fn config(layers: &[Descriptor]) -> Vec<u8> {
    let layers: Vec<String> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let config = json!({
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": layers },
    });
    config.to_string().into_bytes()
}
