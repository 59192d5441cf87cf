//! `pack resolve` and `pack render`: the images that were replaced, a line each.

use crate::release::resolve::{ImageChange, Unpinned};

/// One image that was replaced.
#[must_use]
pub fn change(change: &ImageChange) -> String {
    let ImageChange { file, line, column, before, after, .. } = change;
    format!("{file}:{line}:{column}: {before} → {after}")
}

/// A note on aliases that take a value that was replaced.
#[must_use]
pub fn shared(change: &ImageChange) -> Option<String> {
    let lines: Vec<String> = change.shared.iter().map(ToString::to_string).collect();
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    (!lines.is_empty()).then(|| {
        let (file, line) = (&change.file, change.line);
        format!("`{file}`, line {line}: {noun} {} share this image by an alias", lines.join(", "))
    })
}

/// An image that nothing pins.
#[must_use]
pub fn unpinned(unpinned: &Unpinned) -> String {
    let Unpinned { file, line, column, image, why } = unpinned;
    format!("{file}:{line}:{column}: {image}: {why}")
}
