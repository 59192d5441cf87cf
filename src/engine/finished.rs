//! An image, or an index of several, that is finished but for delivery.

use crate::oci::{Descriptor, Image, MediaType, RawDocument};
use crate::transport::Blob;
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
    /// Where the root lists it or the image names it, nothing; else its entry in the list of what refers to the image.
    pub referrer: Option<Descriptor>,
}

impl Finished {
    /// The documents that the root lists, in an order in which they can be stored.
    pub(super) fn documents(&self) -> impl Iterator<Item = &RawDocument> {
        let is_alone = self.root.media_type != MediaType::ImageIndex;
        let images = self.images.iter().map(Image::raw).filter(move |_| !is_alone);
        images.chain(self.listed().map(|attachment| &attachment.document))
    }

    /// The manifests of all attachments.
    pub(super) fn attached(&self) -> Vec<Descriptor> {
        self.attachments.iter().map(|attachment| attachment.document.descriptor()).collect()
    }

    /// Blobs of attachments that do not come with the layers.
    pub(super) fn attached_blobs(&self) -> impl Iterator<Item = &Blob> {
        self.attachments.iter().flat_map(|attachment| &attachment.blobs)
    }

    /// Attachments that the root lists.
    fn listed(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter().filter(|attachment| attachment.referrer.is_none())
    }

    /// Attachments that refer to the root, with the entries that list them.
    pub(super) fn referring(&self) -> impl Iterator<Item = (&RawDocument, &Descriptor)> {
        self.attachments.iter().filter_map(|attachment| {
            let referrer = attachment.referrer.as_ref()?;
            Some((&attachment.document, referrer))
        })
    }
}
