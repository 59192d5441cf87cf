//! `pack resolve` and `pack render`: the images that were replaced, a line each.

use crate::release::resolve::{ImageChange, Unpinned};

/// One image that was replaced.
#[must_use]
pub fn change(change: &ImageChange) -> String {
    let ImageChange { file, line, column, before, after, .. } = change;
    format!("{file}:{line}:{column}: {before} → {after}")
}

/// How many lines a note names.
const MOST_LINES: usize = 10;

/// A note on aliases that take a value that was replaced.
#[must_use]
pub fn shared(change: &ImageChange) -> Option<String> {
    let (shown, left) = change.shared.split_at(change.shared.len().min(MOST_LINES));
    let mut lines = shown.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !left.is_empty() {
        lines.push_str(&format!(" and {} more", left.len()));
    }
    let (noun, verb) = if change.shared.len() == 1 { ("line", "shares") } else { ("lines", "share") };
    (!change.shared.is_empty()).then(|| {
        let (file, line) = (&change.file, change.line);
        format!("`{file}`, line {line}: {noun} {lines} {verb} this image by an alias")
    })
}

/// An image that nothing pins.
#[must_use]
pub fn unpinned(unpinned: &Unpinned) -> String {
    let Unpinned { file, line, column, image, why } = unpinned;
    format!("{file}:{line}:{column}: {image}: {why}")
}
