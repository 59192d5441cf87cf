//! Any bytes as a descriptor: replaced images are read back, and nothing else changes.

use super::{DescriptorFormat, DescriptorText, ReferenceForm, Replacement, WrittenImage, splice};
use crate::types::digest::Digest;

/// The names that decide how a text is read.
const NAMES: [&str; 8] =
    ["a.yaml", "kustomization.yaml", "values.yaml", "compose.yaml", "a.json", "a.nomad", "a.tf", "a.txt"];

/// The digest that all images get.
pub fn digest() -> Digest {
    Digest::of(b"image")
}

/// Entry point: the first byte chooses the name.
pub fn descriptor(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    check(NAMES[usize::from(*first) % NAMES.len()], bytes);
}

/// Replaces all images of a text, and reads the result.
pub fn check(name: &str, bytes: &[u8]) {
    let Ok(read) = DescriptorText::read(name, bytes, None, &[]) else { return };
    let text = std::str::from_utf8(bytes).expect("it was read");
    let unchanged = splice(bytes, Vec::new()).expect("no changes");
    assert_eq!(unchanged, bytes);
    let mut edits = Vec::new();
    let mut expected = Vec::new();
    for place in &read.images {
        let replacement = match place.image() {
            WrittenImage::Member(_) => Replacement::Image {
                repository: "localhost:5000/shop/app".parse().expect("a name"),
                tag: Some("1.20".parse().expect("a tag")),
                digest: digest(),
            },
            WrittenImage::Foreign { reference, .. } => Replacement::Pin {
                tag: reference.tag().cloned().unwrap_or_else(crate::types::reference::Tag::latest),
                digest: digest(),
            },
            WrittenImage::Unknown(_) => continue,
        };
        let Ok(changes) = place.edits(&replacement, ReferenceForm::Both, text) else { continue };
        for change in &changes {
            assert!(text.get(change.range.clone()).is_some(), "{change:?}");
        }
        edits.extend(changes);
        // A member may stand where no image is looked for.
        if matches!(replacement, Replacement::Pin { .. }) {
            expected.push(place.line);
        }
    }
    // Two images may share a scalar by an alias and want different things of it.
    let Ok(changed) = splice(bytes, edits) else { return };
    let format = match read.formats.as_slice() {
        [DescriptorFormat::Text] => return,
        _ => None,
    };
    let again = DescriptorText::read(name, &changed, format, &[])
        .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&changed)));
    let pinned: Vec<usize> = again
        .images
        .iter()
        .filter(|place| match place.image() {
            WrittenImage::Foreign { digest: found, .. } => found == Some(digest()),
            _ => false,
        })
        .map(|place| place.line)
        .collect();
    for line in expected {
        assert!(pinned.contains(&line), "line {line}: {:?}", String::from_utf8_lossy(&changed));
    }
}
