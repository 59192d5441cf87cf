//! Finding one's way in a text that was found to be JSON.

use std::borrow::Cow;

pub(super) fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The code unit that `\uXXXX` at this place stands for.
pub(super) fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

/// The text of a checked string, which comes with its quotes.
pub(super) fn unescape(quoted: &[u8]) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let plain = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(plain(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut at = 0;
    while at < inner.len() {
        let run = inner[at..].iter().position(|byte| *byte == b'\\').unwrap_or(inner.len() - at);
        text.push_str(plain(&inner[at..at + run]));
        at += run;
        let Some(escape) = inner.get(at + 1) else { break };
        let simple = match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = unit(inner, at).unwrap_or_default();
                at += 6;
                let code = if (0xd800..0xdc00).contains(&first) {
                    let second = unit(inner, at).unwrap_or_default();
                    at += 6;
                    0x10000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00)
                } else {
                    first
                };
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                continue;
            }
            other => char::from(*other),
        };
        text.push(simple);
        at += 2;
    }
    Cow::Owned(text)
}

/// Where the value that begins at `at` ends, in a checked text.
pub(super) fn value_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at),
        Some(b'{' | b'[') => {
            let (mut at, mut depth) = (at, 0_usize);
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'"' => {
                        at = string_end(bytes, at);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            at
        }
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
            bytes[at.min(bytes.len())..].iter().position(ends).map_or(bytes.len(), |length| at + length)
        }
    }
}

pub(super) fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}
