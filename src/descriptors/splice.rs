//! Changes of a text that leave the rest of its bytes as they are.

use std::ops::Range;

/// The bytes of a range, replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// The bytes that go.
    pub range: Range<usize>,
    /// The text that comes.
    pub text: String,
}

/// `text` with all of the changes, which may come in any order and more than once.
///
/// # Errors
/// Where two of them touch the same bytes and differ, or one lies outside: the offset of the second.
pub fn splice(text: &[u8], mut edits: Vec<TextEdit>) -> Result<Vec<u8>, usize> {
    edits.sort_by(|one, other| {
        let key = |edit: &TextEdit| (edit.range.start, edit.range.end);
        key(one).cmp(&key(other)).then_with(|| one.text.cmp(&other.text))
    });
    edits.dedup();
    let more: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Vec::with_capacity(text.len() + more);
    let mut at = 0;
    for (number, edit) in edits.iter().enumerate() {
        let is_after = edit.range.start >= at && edit.range.start <= edit.range.end;
        let is_twice = number > 0 && edits[number - 1].range == edit.range;
        if !is_after || is_twice || edit.range.end > text.len() {
            return Err(edit.range.start);
        }
        out.extend_from_slice(&text[at..edit.range.start]);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.range.end;
    }
    out.extend_from_slice(&text[at..]);
    Ok(out)
}
