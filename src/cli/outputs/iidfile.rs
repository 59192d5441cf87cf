//! `--iidfile`: the image ID alone, as Docker writes it, without a line end.

use super::OutputImage;

/// The IDs of images, a line each; of one image, without a line end.
#[must_use]
pub fn ids(images: &[OutputImage]) -> Vec<u8> {
    let ids: Vec<String> = images.iter().map(|image| image.id().to_string()).collect();
    ids.join("\n").into_bytes()
}
