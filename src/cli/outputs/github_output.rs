//! `--ci github`: outputs of a step, which are appended to the file `$GITHUB_OUTPUT`.
//!
//! Every value is written between two lines with a random word, as the runner reads it: `NAME<<WORD`, the value, `WORD`.
//! The word is none of the value's, so that no value can end early and name an output of its own.

use std::hash::{BuildHasher as _, Hasher as _};

use serde_json::{Value, json};

use super::{OutputImage, OutputSubject};

/// The outputs: `image`, `digest`, `name`, `tags` and `id` of the image where the command is about one, and `images` of
/// all as JSON.
#[must_use]
pub fn outputs(images: &[OutputImage], subject: OutputSubject) -> Vec<u8> {
    let mut text = String::new();
    if let (OutputSubject::Image, [image]) = (subject, images) {
        text.push_str(&output("image", &image.reference()));
        text.push_str(&output("digest", &image.digest.to_string()));
        text.push_str(&output("name", &image.name));
        text.push_str(&output("tags", &image.tags.join("\n")));
        text.push_str(&output("id", &image.id().to_string()));
    }
    let all: Vec<Value> = images
        .iter()
        .map(|image| {
            json!({
                "image": image.reference(),
                "name": image.name,
                "digest": image.digest.to_string(),
                "tags": image.tags,
            })
        })
        .collect();
    text.push_str(&output("images", &Value::from(all).to_string()));
    text.into_bytes()
}

/// One output. The name is ours; the value may be any text, of which a carriage return becomes a line feed, since the
/// runner ends lines at both.
#[must_use]
pub fn output(name: &str, value: &str) -> String {
    let value = value.replace("\r\n", "\n").replace('\r', "\n");
    let word = loop {
        let word = format!("pack_{}", random());
        if !value.contains(&word) {
            break word;
        }
    };
    format!("{name}<<{word}\n{value}\n{word}\n")
}

/// 128 random bits, from the keys that the standard library takes from the system.
fn random() -> String {
    let number = || std::hash::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}
