//! `--metadata-file`: the report of `pack`, with the keys that BuildKit's metadata files have.
//!
//! One image is an object; members of a workspace are an object of such objects by name, as `docker buildx bake` writes
//! them by target.

use serde_json::{Map, Value, json};

use super::{OutputImage, OutputSubject};

/// The metadata of images.
#[must_use]
pub fn metadata(images: &[OutputImage], subject: OutputSubject) -> Value {
    match (subject, images) {
        (OutputSubject::Image, [image]) => of(image),
        (_, images) => {
            images.iter().map(|image| (image.name.clone(), of(image))).collect::<Map<_, _>>().into()
        }
    }
}

fn of(image: &OutputImage) -> Value {
    let mut value = image.report.clone();
    let Some(object) = value.as_object_mut() else { return value };
    object.insert("containerimage.digest".to_owned(), image.digest.to_string().into());
    if let Some(config) = image.config {
        object.insert("containerimage.config.digest".to_owned(), config.to_string().into());
    }
    if let Some(size) = image.size {
        let descriptor = json!({ "mediaType": image.media_type.as_ref(), "digest": image.digest.to_string(), "size": size });
        object.insert("containerimage.descriptor".to_owned(), descriptor);
    }
    object.insert("image.name".to_owned(), image.tagged().join(",").into());
    value
}
