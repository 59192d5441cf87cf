//! `--image-refs`: `NAME@DIGEST`, one a line, as ko writes it.

use super::OutputImage;

/// The references of images.
#[must_use]
pub fn references(images: &[OutputImage]) -> Vec<u8> {
    images.iter().map(|image| format!("{}\n", image.reference())).collect::<String>().into_bytes()
}
