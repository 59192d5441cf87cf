//! A destination whose pushes are announced: an intent before the tags move, the event after.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::announcer::Announcer;
use super::event::{ChainId, DeliveryEvent};
use crate::oci::{Descriptor, ManifestOrIndex, RawDocument};
use crate::transport::{Blob, Capabilities, Delivery, Destination, GrowingBlob, ImageName, Source};
use crate::types::delivery::DeliveryKind;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::reference::{Repository, Tag};

/// The facts about an image that are known before it is built.
#[derive(Clone, Debug)]
pub struct ImageOrigin {
    /// The repository that it is pushed to.
    pub image: Repository,
    /// Where its sources are.
    pub source: Option<String>,
    /// The commit.
    pub revision: Option<String>,
}

/// A repository whose pushes are announced. A push without tags, or of what was there, is not.
pub struct AnnouncedDestination {
    inner: Arc<dyn Destination>,
    announcer: Announcer,
    origin: ImageOrigin,
}

impl AnnouncedDestination {
    /// Announces what goes to `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Destination>, announcer: Announcer, origin: ImageOrigin) -> Self {
        Self { inner, announcer, origin }
    }

    fn event(&self, root: &RawDocument, tags: &[Tag]) -> DeliveryEvent {
        let image = &self.origin.image;
        let annotations = match root.parse() {
            Ok(ManifestOrIndex::Manifest(manifest)) => manifest.annotations,
            Ok(ManifestOrIndex::Index(index)) => index.annotations,
            Err(_) => BTreeMap::new(),
        };
        // Where nothing is known of the sources, the image may know.
        let of_image = |key: &str| annotations.get(key).cloned();
        let source = self.origin.source.clone().or_else(|| of_image("org.opencontainers.image.source"));
        let revision = self.origin.revision.clone().or_else(|| of_image("org.opencontainers.image.revision"));
        let descriptor = root.descriptor();
        DeliveryEvent {
            kind: DeliveryKind::Push,
            image: image.clone(),
            digest: descriptor.digest,
            media_type: Some(descriptor.media_type),
            size: Some(descriptor.size),
            tags: tags.to_vec(),
            chain: ChainId::of(image, &descriptor.digest, source.as_deref(), revision.as_deref()),
            revision,
            environment: None,
            release: None,
            previous: None,
            time: self.announcer.now(),
        }
    }
}

impl Destination for AnnouncedDestination {
    fn begin(&self, tags: &[Tag]) -> Result<(), BoxedError> {
        self.inner.begin(tags)
    }

    fn fix(&self, tags: &[Tag]) {
        self.inner.fix(tags);
    }

    fn has_fixed(&self) -> bool {
        self.inner.has_fixed()
    }

    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError> {
        self.inner.blob(blob)
    }

    fn follow(&self, growing: &GrowingBlob) -> Option<Delivery> {
        self.inner.follow(growing)
    }

    fn document(&self, document: &RawDocument) -> Result<Delivery, BoxedError> {
        self.inner.document(document)
    }

    fn holds(&self, document: &Descriptor) -> Result<bool, BoxedError> {
        self.inner.holds(document)
    }

    fn refer(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<(), BoxedError> {
        self.inner.refer(subject, referrers)
    }

    fn lacks(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<Vec<Digest>, BoxedError> {
        self.inner.lacks(subject, referrers)
    }

    fn has_listed(&self, subject: &Digest, referrers: &[Descriptor]) -> bool {
        self.inner.has_listed(subject, referrers)
    }

    fn reader(&self, digest: &Digest) -> Option<Box<dyn Source>> {
        self.inner.reader(digest)
    }

    fn list_under(
        &self,
        tag: &Tag,
        document: &RawDocument,
        seen: Option<Digest>,
    ) -> Result<bool, BoxedError> {
        self.inner.list_under(tag, document, seen)
    }

    fn finish(&self, root: &RawDocument, tags: &[Tag]) -> Result<Delivery, BoxedError> {
        if tags.is_empty() {
            return self.inner.finish(root, tags);
        }
        let announcement = self.announcer.before(&self.event(root, tags))?;
        // After an error some tags may have moved all the same: the intents stay, and the registry is asked later.
        let delivery = self.inner.finish(root, tags)?;
        match delivery {
            Delivery::Present => announcement.did_not_happen(),
            Delivery::Mounted | Delivery::Uploaded => announcement.happened(),
        }
        Ok(delivery)
    }

    fn is_current(&self, digest: &Digest, tags: &[Tag]) -> Result<bool, BoxedError> {
        self.inner.is_current(digest, tags)
    }

    fn delete(&self, name: &ImageName) -> Result<bool, BoxedError> {
        self.inner.delete(name)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}
