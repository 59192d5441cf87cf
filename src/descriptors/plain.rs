//! Any text: `pack://NAME` where it stands.

use std::ops::Range;

use super::place::{SCHEME, is_name};

/// The places of `pack://NAME` in a text. Text before it makes it a part of another word.
pub(super) fn mentions(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let finder = memchr::memmem::Finder::new(SCHEME);
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + finder.find(&text.as_bytes()[from..])?;
            let rest = &text[start + SCHEME.len()..];
            let length = rest.bytes().take_while(|byte| is_name_byte(*byte)).count();
            // The period of a sentence is no part of a name.
            let name = rest[..length].trim_end_matches(['.', ':', '/', '-', '_']);
            let end = start + SCHEME.len() + name.len();
            from = end.max(start + SCHEME.len());
            let before = text[..start].bytes().next_back();
            if is_name(name) && !before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
                return Some(start..end);
            }
        }
    })
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b':')
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn names_end_before_punctuation() {
        let text = "run pack://shop/app. Or (pack://a), xpack://b pack:// pack://c:\n'pack://d'";
        let found: Vec<&str> = mentions(text).map(|range| &text[range]).collect();
        assert_eq!(found, ["pack://shop/app", "pack://a", "pack://c", "pack://d"]);
    }
}
