//! `--ci gitlab=FILE`: a dotenv report of GitLab: `PACK_IMAGE`, `PACK_DIGEST`, `PACK_TAG`.
//!
//! GitLab knows neither quotes nor escapes nor values of several lines, and takes at most 5 KB. Of members of a workspace,
//! each variable ends in the image's name: `PACK_IMAGE_SHOP_APP`.

use std::collections::BTreeSet;

use super::{ExpectedImage, OutputError, OutputImage, OutputSubject};
use crate::types::digest::Digest;

/// The most bytes of the file.
const MOST: usize = 5 * 1024;

/// The file.
///
/// # Errors
/// When a value cannot be written, two images have one variable, or it is all too long.
pub fn variables(images: &[OutputImage], subject: OutputSubject) -> Result<Vec<u8>, OutputError> {
    text(
        subject,
        images.iter().map(|image| (&*image.name, image.digest, image.tags.first().map(|tag| &**tag))),
    )
}

/// Asks whether the images that a run is to build can be in one file, as far as that is known before.
///
/// # Errors
/// As for [`variables`].
pub fn check(images: &[ExpectedImage], subject: OutputSubject) -> Result<(), OutputError> {
    let digest = Digest::of(b"any");
    text(subject, images.iter().map(|image| (&*image.name, digest, image.tag.as_deref()))).map(drop)
}

fn text<'a>(
    subject: OutputSubject,
    images: impl Iterator<Item = (&'a str, Digest, Option<&'a str>)>,
) -> Result<Vec<u8>, OutputError> {
    let mut text = String::new();
    let mut names = BTreeSet::new();
    for (image, digest, tag) in images {
        let suffix = match subject {
            OutputSubject::Image => String::new(),
            OutputSubject::Members => format!("_{}", variable(image)),
        };
        let (reference, digest) = (format!("{image}@{digest}"), digest.to_string());
        let tag = tag.unwrap_or_default().to_owned();
        for (name, value) in [("PACK_IMAGE", reference), ("PACK_DIGEST", digest), ("PACK_TAG", tag)] {
            let name = format!("{name}{suffix}");
            text.push_str(&line(&name, &value)?);
            if !names.insert(name.clone()) {
                return Err(OutputError::SameName(name));
            }
        }
    }
    if text.len() > MOST {
        return Err(OutputError::TooLong(text.len()));
    }
    Ok(text.into_bytes())
}

/// One variable. Its value has only characters that every reader takes as they are.
///
/// # Errors
/// When the value has others.
pub fn line(name: &str, value: &str) -> Result<String, OutputError> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-/:@+".contains(character);
    if value.chars().all(is_plain) {
        return Ok(format!("{name}={value}\n"));
    }
    Err(OutputError::Value { name: name.to_owned(), value: value.to_owned() })
}

/// The path of a repository as a part of a variable's name.
fn variable(name: &str) -> String {
    let path = name.split_once('/').map_or(name, |(_, path)| path);
    let fit = |character: char| {
        if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' }
    };
    path.chars().map(fit).collect()
}
