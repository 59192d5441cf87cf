//! An image, or an index of several, that is finished but for delivery.

use crate::oci::{Image, MediaType, RawDocument};
use crate::types::reference::Tag;

/// An image, or an index of several, that is finished but for delivery.
pub struct Finished {
    /// The manifest or index that tags resolve to.
    pub root: RawDocument,
    /// The images, in the order of the plan.
    pub images: Vec<Image>,
    /// The SOCI indexes of those that have one.
    pub soci: Vec<Option<RawDocument>>,
    /// The tags.
    pub tags: Vec<Tag>,
    /// Notes about the derivation for the user.
    pub notes: Vec<String>,
}

impl Finished {
    /// The documents that the root lists, in an order in which they can be stored.
    pub(super) fn documents(&self) -> impl Iterator<Item = &RawDocument> {
        let is_alone = self.root.media_type != MediaType::ImageIndex;
        let images = self.images.iter().map(Image::raw).filter(move |_| !is_alone);
        images.chain(self.soci.iter().flatten())
    }
}
