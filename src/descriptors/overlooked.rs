//! Values that look like images and are not taken as such, and places that were named and not found.

use super::place::ImagePlace;

/// Why a value that looks like an image is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OverlookedReason {
    /// Its document is of no known form.
    UnknownForm,
    /// It stands where objects of Kubernetes have no image; a kind of one's own may have one there.
    OtherPlace,
    /// Compose builds the image, and gives it this name.
    Built,
}

/// A value that looks like an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlookedImage {
    /// Where it is.
    pub place: ImagePlace,
    /// Why it is left as it is.
    pub why: OverlookedReason,
}

/// Whether a selector found something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelectorUse {
    /// Whether an object is of its kind.
    pub has_kind: bool,
    /// Whether an image is at its path.
    pub has_image: bool,
}

impl SelectorUse {
    /// Adds what another file says.
    pub fn add(&mut self, other: Self) {
        self.has_kind |= other.has_kind;
        self.has_image |= other.has_image;
    }
}
