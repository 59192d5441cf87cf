//! `--ci jib=DIR`: the three files that Jib leaves, by name. They are about one image.

use serde_json::json;

use super::OutputImage;

/// The names of the files.
pub const FILES: [&str; 3] = ["jib-image.json", "jib-image.digest", "jib-image.id"];

/// The contents of [`FILES`].
#[must_use]
pub fn files(image: &OutputImage) -> [Vec<u8>; 3] {
    let metadata = json!({
        "image": image.tagged().first().cloned().unwrap_or_else(|| image.reference()),
        "imageId": image.id().to_string(),
        "imageDigest": image.digest.to_string(),
        "tags": image.tags,
        "imagePushed": image.is_pushed,
    });
    [
        metadata.to_string().into_bytes(),
        image.digest.to_string().into_bytes(),
        image.id().to_string().into_bytes(),
    ]
}
