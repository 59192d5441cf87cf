//! The walk over a text of which nothing is known: is it JSON, with each key once?

use std::str;

use super::error::{JsonError, JsonFault};
use super::text::{after_space, unescape, unit};
use super::value::{JsonValue, MAX_DEPTH};

/// Checks that `bytes` are one JSON value in which no object has a key twice.
///
/// # Errors
/// When they are not, or lists and objects are nested deeper than [`MAX_DEPTH`].
pub fn parse(bytes: &[u8]) -> Result<JsonValue<'_>, JsonError> {
    parse_within(bytes, usize::MAX)
}

/// As [`parse`], for a file of tools that pass over the byte order mark that some editors write, as Node.js and npm do.
///
/// # Errors
/// As for [`parse`].
pub fn parse_marked(bytes: &[u8]) -> Result<JsonValue<'_>, JsonError> {
    parse(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes))
}

/// As [`parse`], for a text of at most `values` values, keys not counted.
///
/// # Errors
/// As for [`parse`], and when there are more.
pub fn parse_within(bytes: &[u8], values: usize) -> Result<JsonValue<'_>, JsonError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(syntax(bytes, error.valid_up_to(), NOT_UTF8)),
    };
    let mut checker = JsonChecker { bytes, at: 0, left: values, values };
    checker.space();
    let start = checker.at;
    checker.value(0)?;
    let end = checker.at;
    checker.space();
    if checker.at < bytes.len() {
        return Err(checker.wrong("something after the end of the document"));
    }
    Ok(JsonValue { text: &text[start..end] })
}

/// The values of a text that has any number of them, one after the other; the last may be an error.
pub fn sequence(bytes: &[u8]) -> impl Iterator<Item = Result<JsonValue<'_>, JsonError>> {
    let mut checker = JsonChecker { bytes, at: 0, left: usize::MAX, values: usize::MAX };
    std::iter::from_fn(move || {
        checker.space();
        if checker.at >= bytes.len() {
            return None;
        }
        let start = checker.at;
        let value = checker.value(0).and_then(|()| {
            let text = std::str::from_utf8(&bytes[start..checker.at]);
            text.map_err(|error| syntax(bytes, start + error.valid_up_to(), NOT_UTF8))
        });
        if value.is_err() {
            checker.at = bytes.len();
        }
        Some(value.map(|text| JsonValue { text }))
    })
}

const NOT_UTF8: &str = "bytes that are not UTF-8";

fn syntax(bytes: &[u8], at: usize, what: &'static str) -> JsonError {
    let before = &bytes[..at.min(bytes.len())];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    JsonError::new(JsonFault::Syntax { line, column, what })
}

/// The walk over a text of which nothing is known.
struct JsonChecker<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
    values: usize,
}

impl<'a> JsonChecker<'a> {
    fn wrong(&self, what: &'static str) -> JsonError {
        syntax(self.bytes, self.at, what)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        self.at = after_space(self.bytes, self.at);
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| JsonError::new(JsonFault::Values(self.values)))?;
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("no value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("a number that lacks a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong("a number with a leading zero"));
        }
        Ok(())
    }

    /// The string that begins here, quotes included.
    fn string(&mut self) -> Result<&'a [u8], JsonError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.wrong("a string without an end")),
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => return Err(self.wrong("a control character in a string")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(&self.bytes[start..self.at])
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let unit = |at| unit(self.bytes, at).ok_or_else(|| self.wrong("an incomplete `\\u`"));
                let first = unit(self.at)?;
                // Half a character has no text: Go and others put something else in its place.
                let alone = || self.wrong("half of a character written as `\\u`");
                self.at += match first {
                    0xd800..=0xdbff => match unit(self.at + 6) {
                        Ok(0xdc00..=0xdfff) => 12,
                        _ => return Err(alone()),
                    },
                    0xdc00..=0xdfff => return Err(alone()),
                    _ => 6,
                };
                Ok(())
            }
            _ => Err(self.wrong("an unknown escape in a string")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<(), JsonError> {
        self.open(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        for position in 0.. {
            self.value(depth + 1).map_err(|error| error.at(position))?;
            if !self.goes_on(b']', "no `,` or `]` after an item")? {
                break;
            }
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        self.open(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut keys = Vec::new();
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no key"));
            }
            let key = unescape(self.string()?);
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.wrong("no `:` after a key"));
            }
            self.at += 1;
            self.space();
            self.value(depth + 1).map_err(|error| error.below(&key))?;
            keys.push(key);
            if !self.goes_on(b'}', "no `,` or `}` after a member")? {
                break;
            }
        }
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(JsonError::new(JsonFault::Twice).below(&pair[0])),
            None => Ok(()),
        }
    }

    /// Takes the bracket that opens a list or object, and the space behind it.
    fn open(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth >= MAX_DEPTH {
            return Err(self.wrong("lists and objects nested too deep"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Takes a comma, and says whether it did; otherwise takes the bracket that closes.
    fn goes_on(&mut self, close: u8, what: &'static str) -> Result<bool, JsonError> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.wrong(what)),
        }
    }
}
