//! Any text: `pack://NAME` where it stands.

use std::ops::Range;

use super::place::{SCHEME, is_name};

/// The places of `pack://` in a text, with the name behind it; the second value says whether there is a name. Text
/// before it makes it a part of another word.
pub(super) fn mentions(text: &str) -> impl Iterator<Item = (Range<usize>, bool)> + '_ {
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
            if !before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
                return Some((start..end, is_name(name)));
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
        let found: Vec<(&str, bool)> =
            mentions(text).map(|(range, is_name)| (&text[range], is_name)).collect();
        let names = ["pack://shop/app", "pack://a", "pack://", "pack://c", "pack://d"];
        assert_eq!(found, names.map(|name| (name, name != "pack://")));
    }
}
