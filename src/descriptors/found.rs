//! The images that were found in a file so far, and what has to be said about the file.

use std::collections::{BTreeMap, BTreeSet};

use super::error::DescriptorError;
use super::limits::{MAX_DESCRIPTOR, MAX_IMAGES};
use super::lines::positions;
use super::overlooked::{OverlookedReason, SelectorUse};
use super::place::ImagePlace;

/// The kinds of objects that a hint may name.
const MOST_KINDS: usize = 100;

/// The images of a file, by their place in bytes.
#[derive(Debug, Default)]
pub(super) struct FoundImages {
    pub places: BTreeMap<usize, ImagePlace>,
    /// Longer texts that have `pack://` in them.
    pub mentions: Vec<usize>,
    /// Images that stand whole beside a key for a tag.
    pub beside_tags: Vec<usize>,
    /// Values that look like images, and are not taken as such.
    pub overlooked: BTreeMap<usize, (ImagePlace, OverlookedReason)>,
    /// Documents of no known form, by their place.
    pub unknown: Vec<usize>,
    /// Whether each selector found something.
    pub selectors: Vec<SelectorUse>,
    /// Kinds of objects.
    pub kinds: BTreeSet<String>,
    /// The bytes of all values that are kept: an alias gives one value to many images.
    bytes: usize,
}

impl FoundImages {
    /// Adds an image of `text`.
    ///
    /// # Errors
    /// When there are too many, or one is a part of another.
    pub(super) fn add(&mut self, place: ImagePlace, text: &str) -> Result<(), DescriptorError> {
        let offset = place.offset();
        if let Some(before) = self.places.get(&offset) {
            if before.parts == place.parts {
                return Ok(());
            }
            let line = positions(text, &[offset]).first().map_or(1, |(line, _)| *line);
            return Err(DescriptorError::TwoUses { line });
        }
        self.keep(&place)?;
        self.places.insert(offset, place);
        Ok(())
    }

    /// Notes a value that looks like an image.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn overlook(
        &mut self,
        place: ImagePlace,
        why: OverlookedReason,
    ) -> Result<(), DescriptorError> {
        self.keep(&place)?;
        self.overlooked.insert(place.offset(), (place, why));
        Ok(())
    }

    fn keep(&mut self, place: &ImagePlace) -> Result<(), DescriptorError> {
        if self.places.len() + self.overlooked.len() >= MAX_IMAGES {
            return Err(DescriptorError::TooMuch { most: MAX_IMAGES, what: "images" });
        }
        self.bytes += place.kept_bytes();
        match self.bytes > MAX_DESCRIPTOR {
            true => Err(DescriptorError::TooMuch { most: MAX_DESCRIPTOR, what: "bytes of names of images" }),
            false => Ok(()),
        }
    }

    /// Notes the kind of an object.
    pub(super) fn add_kind(&mut self, kind: &str) {
        if self.kinds.len() < MOST_KINDS && !self.kinds.contains(kind) && kind.len() < 256 {
            self.kinds.insert(kind.to_owned());
        }
    }
}
