//! `--iidfile`: the image ID alone, as Docker writes it, without a line end. It is about one image.

use super::OutputImage;

/// The ID of an image.
#[must_use]
pub fn id(image: &OutputImage) -> Vec<u8> {
    image.id().to_string().into_bytes()
}
