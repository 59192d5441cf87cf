//! The memory that it takes to read JSON into values, told before it is read.
//!
//! As for TOML: `{"":0}` is a map of hundreds of bytes. The signs between values are counted; text in strings has none.

use super::cost::CostlyText;

/// Copies of the text.
const OF_BYTE: u64 = 3;

/// A value in its list, with the growth of that.
const OF_VALUE: u64 = 80;

/// An object with its first keys.
const OF_OBJECT: u64 = 700;

/// The memory that it takes at most to read `text` into values, in bytes. Text that is no JSON has a number
/// as well. Above `most` it stops to count.
#[must_use]
pub fn cost(text: &[u8], most: u64) -> u64 {
    let mut cost = OF_BYTE * text.len() as u64;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if cost > most {
            break;
        }
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'{' => cost += OF_VALUE + OF_OBJECT,
            b'[' | b',' | b':' => cost += OF_VALUE,
            _ => {}
        }
    }
    cost
}

/// The same, of a text that takes at most `most` bytes of memory to read.
///
/// # Errors
/// When it takes more.
pub fn check(text: &[u8], most: u64) -> Result<u64, CostlyText> {
    CostlyText::check(cost(text, most), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_in_strings_are_no_values() {
        let of = |text: &str| cost(text.as_bytes(), u64::MAX) - OF_BYTE * text.len() as u64;
        assert_eq!(of(r#""{,[:\"{{{{""#), 0);
        assert_eq!(of(r#"{"a":[0,1]}"#), 4 * OF_VALUE + OF_OBJECT);
        assert_eq!(of(r#"["\\",{}]"#), 3 * OF_VALUE + OF_OBJECT);
        assert_eq!(of("\"open {"), 0);
        assert!(check(b"[]", 100).is_ok());
        let refused = check("{\"\":0},".repeat(1_000_000).as_bytes(), 128 << 20);
        assert!(refused.is_err_and(|error| error.to_string().contains("more than 134 MB")));
    }
}
