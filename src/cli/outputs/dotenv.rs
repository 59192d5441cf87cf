//! `--ci gitlab=FILE`: a dotenv report of GitLab: `PACK_IMAGE`, `PACK_DIGEST`, `PACK_TAG`.
//!
//! GitLab knows neither quotes nor escapes nor values of several lines, and takes at most 5 KB. Of several images, each
//! variable ends in the image's name: `PACK_IMAGE_SHOP_APP`.

use std::collections::BTreeSet;

use super::{OutputError, OutputImage};

/// The most bytes of the file.
const MOST: usize = 5 * 1024;

/// The file.
///
/// # Errors
/// When a value cannot be written, two images have one variable, or it is all too long.
pub fn variables(images: &[OutputImage]) -> Result<Vec<u8>, OutputError> {
    let mut text = String::new();
    let mut names = BTreeSet::new();
    for image in images {
        let suffix = if images.len() == 1 { String::new() } else { format!("_{}", variable(&image.name)) };
        let tag = image.tags.first().cloned().unwrap_or_default();
        for (name, value) in
            [("PACK_IMAGE", image.reference()), ("PACK_DIGEST", image.digest.to_string()), ("PACK_TAG", tag)]
        {
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
