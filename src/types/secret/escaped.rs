//! A text of TOML or JSON with its escapes read, and where each byte of it was written.

use std::ops::Range;

/// Such a text.
pub(super) struct UnescapedText {
    pub(super) text: String,
    /// Where each byte of it begins in the text before, and the length of that at the end.
    places: Vec<usize>,
}

impl UnescapedText {
    /// The text with its escapes read; `None` where it has none.
    pub(super) fn of(escaped: &str) -> Option<Self> {
        memchr::memchr(b'\\', escaped.as_bytes())?;
        let mut unescaped = Self { text: String::with_capacity(escaped.len()), places: Vec::new() };
        let mut at = 0;
        while let Some(rest) = escaped.get(at..).filter(|rest| !rest.is_empty()) {
            let (character, length) = match rest.strip_prefix('\\').and_then(escape) {
                Some((character, length)) => (character, length + 1),
                None => (rest.chars().next(), rest.chars().next().map_or(1, char::len_utf8)),
            };
            if let Some(character) = character {
                unescaped.text.push(character);
                unescaped.places.resize(unescaped.text.len(), at);
            }
            at += length;
        }
        unescaped.places.push(escaped.len());
        Some(unescaped)
    }

    /// Where `range` of this text was written.
    pub(super) fn place(&self, range: &Range<usize>) -> Range<usize> {
        let at = |position: usize| self.places.get(position).or(self.places.last()).copied().unwrap_or(0);
        at(range.start)..at(range.end)
    }
}

/// The character of the escape whose backslash stands before `rest`, and the bytes that it takes there. A break of a line
/// and the white space behind it are nothing.
fn escape(rest: &str) -> Option<(Option<char>, usize)> {
    let of_digits = |count: usize| {
        let number = u32::from_str_radix(rest.get(1..=count)?, 16).ok()?;
        Some((Some(char::from_u32(number)?), count + 1))
    };
    let first = rest.chars().next()?;
    let character = match first {
        'u' => return of_digits(4),
        'U' => return of_digits(8),
        'x' => return of_digits(2),
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '"' | '\\' | '/' => first,
        ' ' | '\t' | '\r' | '\n' if rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n') => {
            return Some((None, rest.len() - rest.trim_start().len()));
        }
        _ => return None,
    };
    Some((Some(character), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_and_their_places_known() {
        let escaped = "ü\\u005fa\\U0000005f\\x5f\\\\b\\ \n  c\\q";
        let unescaped = UnescapedText::of(escaped).expect("escapes");
        assert_eq!(unescaped.text, "ü_a__\\bc\\q");
        let place = |word: &str| {
            let start = unescaped.text.find(word).expect("a word");
            &escaped[unescaped.place(&(start..start + word.len()))]
        };
        assert_eq!((place("_a"), place("bc"), place("q")), ("\\u005fa", "b\\ \n  c", "q"));
        assert!(UnescapedText::of("plain").is_none());
    }
}
