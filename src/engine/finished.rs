//! An image, or an index of several, that is finished but for delivery.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attest::{ImageStatement, KeyId};
use crate::oci::{Descriptor, Image, MediaType, RawDocument};
use crate::transport::Blob;
use crate::types::digest::Digest;
use crate::types::reference::Tag;

/// An image, or an index of several, that is finished but for delivery.
pub struct Finished {
    /// The manifest or index that tags resolve to.
    pub root: RawDocument,
    /// The images, in the order of the plan.
    pub images: Vec<Image>,
    /// Documents that are published with the images: after their manifests and before their tags.
    pub attachments: Vec<Attachment>,
    /// The tags.
    pub tags: Vec<Tag>,
    /// Those of them that may not move.
    pub fixed: Vec<Tag>,
    /// Notes about the derivation for the user.
    pub notes: Vec<String>,
}

/// A manifest that says something of an image, such as its SOCI index, an SBOM or a signature.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The manifest.
    pub document: RawDocument,
    /// Blobs of it that do not come with the layers.
    pub blobs: Vec<Blob>,
    /// Where the root lists it or the image names it, nothing; else its entry in a list of what refers to an image.
    pub referrer: Option<ReferrerEntry>,
}

/// A statement, and the manifest or index that it is about.
pub(super) struct SubjectStatement {
    pub(super) subject: Descriptor,
    pub(super) statement: ImageStatement,
}

/// An entry in the list of what refers to an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferrerEntry {
    /// The image or index.
    pub subject: Digest,
    /// The manifest of the document.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// Its bytes.
    pub size: u64,
    /// The type of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The annotations of the manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The key, of a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl ReferrerEntry {
    /// The entry for a document that refers to `subject`; `key` is the one of a signature.
    pub(super) fn new(subject: Digest, entry: Descriptor, key: Option<KeyId>) -> Self {
        let Descriptor { digest, media_type, size, artifact_type, annotations, .. } = entry;
        Self {
            subject,
            digest,
            media_type,
            size,
            artifact_type,
            annotations,
            key: key.map(|key| key.to_string()),
        }
    }

    /// As lists of referrers have it.
    fn descriptor(&self) -> Descriptor {
        let Self { subject: _, digest, media_type, size, artifact_type, annotations, key: _ } = self;
        Descriptor {
            artifact_type: artifact_type.clone(),
            annotations: annotations.clone(),
            ..Descriptor::new(media_type.clone(), *digest, *size)
        }
    }
}

impl Finished {
    /// The documents that the root lists, in an order in which they can be stored.
    pub(super) fn documents(&self) -> impl Iterator<Item = &RawDocument> {
        let is_alone = self.root.media_type != MediaType::ImageIndex;
        let images = self.images.iter().map(Image::raw).filter(move |_| !is_alone);
        images.chain(self.listed().map(|attachment| &attachment.document))
    }

    /// The manifests of attachments that the root lists.
    pub(super) fn attached(&self) -> Vec<Descriptor> {
        self.listed().map(|attachment| attachment.document.descriptor()).collect()
    }

    /// The documents to sign: each image, and the index last.
    pub(super) fn subjects(&self) -> Vec<Descriptor> {
        let mut subjects: Vec<Descriptor> = Vec::new();
        for document in self.images.iter().map(Image::raw).chain([&self.root]) {
            if !subjects.iter().any(|known| known.digest == document.digest()) {
                subjects.push(document.descriptor());
            }
        }
        subjects
    }

    /// Blobs of attachments that do not come with the layers.
    pub(super) fn attached_blobs(&self) -> impl Iterator<Item = &Blob> {
        self.attachments.iter().flat_map(|attachment| &attachment.blobs)
    }

    /// Attachments that the root lists.
    fn listed(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter().filter(|attachment| attachment.referrer.is_none())
    }

    /// Attachments that refer to an image or the root, with the entries that list them.
    pub(super) fn referring(&self) -> impl Iterator<Item = (&RawDocument, &ReferrerEntry)> {
        self.attachments.iter().filter_map(|attachment| {
            let referrer = attachment.referrer.as_ref()?;
            Some((&attachment.document, referrer))
        })
    }

    /// The entries of all referrers.
    pub(super) fn referrers(&self) -> Vec<ReferrerEntry> {
        self.referring().map(|(_, entry)| entry.clone()).collect()
    }
}

/// Entries by the image or index that they refer to; those of `root` come first.
pub(super) fn by_subject<'e>(
    root: &Digest,
    entries: impl IntoIterator<Item = &'e ReferrerEntry>,
) -> Vec<(Digest, Vec<Descriptor>)> {
    let mut lists: Vec<(Digest, Vec<Descriptor>)> = Vec::new();
    for entry in entries {
        match lists.iter_mut().find(|(known, _)| *known == entry.subject) {
            Some((_, list)) => list.push(entry.descriptor()),
            None => lists.push((entry.subject, vec![entry.descriptor()])),
        }
    }
    lists.sort_by_key(|(subject, _)| subject != root);
    lists
}
