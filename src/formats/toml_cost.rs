//! The memory that it takes to read TOML, told before it is read.
//!
//! A parser makes tokens, events and a tree of a text: a few bytes such as `a.b=1` become kilobytes. A limit on bytes alone
//! that lets a lock of a large workspace pass would let a hostile one take gigabytes. So the words are counted first, with
//! the parser's own lexer, which keeps none of them.

use serde::de::DeserializeOwned;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::cost::CostlyText;

/// Copies of the text: as it was read, of errors, of values.
const OF_BYTE: u64 = 4;

/// A token and an event, with the growth of their lists. Measured: 48 to 60.
const OF_TOKEN: u64 = 64;

/// A key or a value in its list, as parsed and as kept. Measured: 53 to 100.
const OF_VALUE: u64 = 110;

/// A table with its first keys, as parsed and as kept. Measured: 1,780 to 2,030.
const OF_TABLE: u64 = 2_100;

/// The memory that it takes at most to read `text` and keep its values, in bytes. Above `most` it stops to
/// count.
#[must_use]
pub fn cost(text: &str, most: u64) -> u64 {
    let mut cost = OF_BYTE * text.len() as u64;
    let mut begins_line = true;
    for token in Source::new(text).lex() {
        if cost > most {
            break;
        }
        let kind = token.kind();
        cost += OF_TOKEN;
        cost += match kind {
            // Each dot in a key is a table; a dot in a number costs nothing, and is taken for one.
            TokenKind::Dot => OF_TABLE,
            TokenKind::LeftCurlyBracket => OF_VALUE + OF_TABLE,
            TokenKind::LeftSquareBracket if begins_line => OF_VALUE + OF_TABLE,
            TokenKind::LeftSquareBracket
            | TokenKind::Atom
            | TokenKind::BasicString
            | TokenKind::LiteralString
            | TokenKind::MlBasicString
            | TokenKind::MlLiteralString => OF_VALUE,
            _ => 0,
        };
        begins_line = match kind {
            TokenKind::Newline => true,
            TokenKind::Whitespace => begins_line,
            _ => false,
        };
    }
    cost
}

/// Reads a text, unless that takes more than `most` bytes of memory.
///
/// # Errors
/// Why it cannot be read, in words without its place.
pub fn read<T: DeserializeOwned>(text: &str, most: u64) -> Result<T, String> {
    check(text, most).map_err(|error| error.to_string())?;
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// The same, of a text that takes at most `most` bytes of memory to read.
///
/// # Errors
/// When it takes more.
pub fn check(text: &str, most: u64) -> Result<u64, CostlyText> {
    CostlyText::check(cost(text, most), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_that_become_tables_are_counted_as_such() {
        let million = |pattern: &str| cost(&pattern.repeat(1_000_000 / pattern.len()), u64::MAX) / 1_000_000;
        // A comment, blanks and a long string are little more than their bytes.
        assert!(cost(&format!("# {}", "x".repeat(1_000_000)), u64::MAX) < 5_000_000);
        assert!(cost(&format!("a = \"{}\"", "[".repeat(1_000_000)), u64::MAX) < 5_000_000);
        assert!(million("[[[[") > 60 && million("]") > 60 && million("=\n") > 60);
        assert!(million("{a=1},") > 400 && million("a.b.c=1\n") > 400 && million("[a]\n") > 500);
        // A quotation mark within a word begins no string.
        assert!(million("a\"[[[[\n") > 60);
    }

    #[test]
    fn a_lock_of_many_images_costs_what_was_measured() {
        let line = "\n[[image]]\nreference = \"registry.example.com/shop/app:1.0\"\ntag = \"1.0\"\ndigest = \"sha256:0\"\n";
        assert!((3_000..6_000).contains(&cost(line, u64::MAX)));
    }
}
