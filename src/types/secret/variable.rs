//! Values that are secrets by the names of their variables: `DB_PASSWORD=…`.

use std::ops::Range;
use std::sync::OnceLock;

use super::text::is_placeholder;

/// Parts of the names of variables that hold secrets.
const SECRET_NAMES: [&[u8]; 9] = [
    b"PASSWORD",
    b"PASSWD",
    b"SECRET",
    b"TOKEN",
    b"API_KEY",
    b"APIKEY",
    b"PRIVATE_KEY",
    b"ACCESS_KEY",
    b"CREDENTIALS",
];

/// Ends of the names of variables that say something about a secret and hold none.
const OTHER_ENDS: [&[u8]; 13] = [
    b"_FILE", b"_ENV", b"_PATH", b"_DIR", b"_URL", b"_URI", b"_NAME", b"_ID", b"_TTL", b"_EXPIRY",
    b"_HEADER", b"_LENGTH", b"_ISSUER",
];

/// Whether a variable of this name holds a secret, and this value is one. A path to a secret is none, nor is a number or switch.
pub(crate) fn is_secret_variable(name: &[u8], value: &[u8]) -> bool {
    is_secret_name(name) && is_secret_value(value)
}

fn is_secret_name(name: &[u8]) -> bool {
    let name = name.to_ascii_uppercase();
    let name: Vec<u8> = name.into_iter().map(|byte| if byte == b'-' { b'_' } else { byte }).collect();
    let has = |word: &[u8]| memchr::memmem::find(&name, word).is_some();
    let is_other = OTHER_ENDS.iter().any(|end| name.ends_with(end))
        || name.starts_with(b"NEXT_PUBLIC_")
        || has(b"PUBLIC_KEY");
    !is_other && SECRET_NAMES.iter().any(|word| has(word))
}

fn is_secret_value(value: &[u8]) -> bool {
    let is_plain = value.starts_with(b"/") || value.len() < 6 || value.iter().all(u8::is_ascii_digit);
    !is_plain && !is_placeholder(value)
}

/// The values of such variables in a text: `NAME=VALUE`, `NAME = "VALUE"`, `"NAME": "VALUE"`, `NAME = ["VALUE"]`.
pub(super) fn values(text: &[u8]) -> Vec<Range<usize>> {
    static NAMES: OnceLock<Option<aho_corasick::AhoCorasick>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        aho_corasick::AhoCorasick::builder().ascii_case_insensitive(true).build(SECRET_NAMES).ok()
    });
    let mut values = Vec::new();
    let mut end = 0;
    for found in names.iter().flat_map(|names| names.find_iter(text)) {
        if found.start() < end {
            continue;
        }
        let before = text[end..found.start()].iter().rev().take_while(|byte| is_name_byte(**byte)).count();
        let name = found.start() - before..skip(text, found.end(), is_name_byte);
        end = name.end;
        if !is_secret_name(&text[name.clone()]) || is_rule(text, &name) {
            continue;
        }
        let Some(at) = value_start(text, &name) else { continue };
        match text.get(at) {
            Some(b'[') => {
                let mut at = at + 1;
                loop {
                    at = skip(text, at, |byte| byte.is_ascii_whitespace() || byte == b',');
                    let Some((value, after)) = quoted(text, at) else { break };
                    add(text, value, &mut values);
                    at = after;
                }
                end = at;
            }
            Some(_) => {
                let value = match quoted(text, at) {
                    Some((value, _)) => value,
                    None => at..skip(text, at, is_bare_byte),
                };
                let value_end = value.end;
                if add(text, value, &mut values) {
                    end = value_end;
                }
            }
            None => {}
        }
    }
    values
}

fn add(text: &[u8], value: Range<usize>, values: &mut Vec<Range<usize>>) -> bool {
    let is_secret = is_secret_value(&text[value.clone()]);
    if is_secret {
        values.push(value);
    }
    is_secret
}

/// Where the value behind a name begins, with its quote.
fn value_start(text: &[u8], name: &Range<usize>) -> Option<usize> {
    let is_blank = |byte| byte == b' ' || byte == b'\t';
    let quote = text.get(name.end).filter(|byte| matches!(byte, b'"' | b'\''));
    let is_quoted = quote.is_some() && name.start.checked_sub(1).and_then(|at| text.get(at)) == quote;
    let sign = skip(text, name.end + usize::from(is_quoted), is_blank);
    let at = skip(text, sign + 1, is_blank);
    let has_blank = sign > name.end + usize::from(is_quoted) || at > sign + 1;
    let is_string = matches!(text.get(at)?, b'"' | b'\'' | b'[');
    match text.get(sign)? {
        // A blank before a bare word makes it another word.
        b'=' if is_string || !has_blank => Some(at),
        b':' if is_quoted && is_string => Some(at),
        _ => None,
    }
}

/// The content of the string that begins at `at`, and the place behind it. One that does not end ends with its line.
fn quoted(text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let quote = *text.get(at).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let triple = [quote; 3];
    if text[at..].starts_with(&triple) {
        let start = at + 3;
        let end = memchr::memmem::find(&text[start..], &triple).map_or(text.len(), |length| start + length);
        return Some((start..end, text.len().min(end + 3)));
    }
    let start = at + 1;
    let mut end = start;
    while let Some(&byte) = text.get(end)
        && byte != quote
        && byte != b'\n'
    {
        end += if byte == b'\\' && text.get(end + 1).is_some_and(|next| *next != b'\n') { 2 } else { 1 };
    }
    let end = end.min(text.len());
    Some((start..end, text.len().min(end + 1)))
}

/// Whether the name is that of the rule, in `allow` or `levels`.
fn is_rule(text: &[u8], name: &Range<usize>) -> bool {
    if &text[name.clone()] != b"secret" {
        return false;
    }
    // The name of a table, a flag or a key is near.
    let near = &text[name.start.saturating_sub(200)..name.start];
    let line = &near[memchr::memrchr(b'\n', near).map_or(0, |end| end + 1)..];
    let has = |text: &[u8], word: &[u8]| memchr::memmem::find(text, word).is_some();
    has(line, b"allow") || has(line, b"level") || has(near, b"[check")
}

fn skip(text: &[u8], start: usize, is_part: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len())
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// A byte of a value without quotes.
const fn is_bare_byte(byte: u8) -> bool {
    !byte.is_ascii_whitespace()
        && !matches!(byte, b'"' | b'\'' | b'`' | b',' | b';' | b'&' | b'|' | b')' | b'}' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_tell_with_their_values() {
        for (name, value, is) in [
            ("DB_PASSWORD", "hunter2!", true),
            ("apiKey", "kd83jsU2l", true),
            ("DB_PASSWORD_FILE", "/run/secrets/db", false),
            ("TOKEN_TTL", "36000000", false),
            ("PASSWORD", "changeme", false),
            ("PASSWORD", "true", false),
            ("JAVA_HOME", "kd83jsU2l", false),
        ] {
            assert_eq!(is_secret_variable(name.as_bytes(), value.as_bytes()), is, "{name}");
        }
    }

    #[test]
    fn values_are_found_behind_their_names() {
        for text in [
            "DB_PASSWORD=PW node s.js",
            "`node --password=PW && x`",
            "jdbc:postgresql://db/x?user=joe&password=PW&x=1",
            "env = { DB_PASSWORD = \"PW\", X = 1 }",
            "env={DB_PASSWORD='PW'}",
            "{\"DB_PASSWORD\": \"PW\"}",
            "labels = { \"db.password\" = \"PW\" }",
            "DB_PASSWORD = [ \"PW\" ]",
            "DB_PASSWORD = \"\"\"PW\"\"\"",
            "secret = \"PW\"",
            "DB_PASSWORD = \"PW",
        ] {
            let text = text.replace("PW", "hunter2!Zq9");
            let found: Vec<&str> = values(text.as_bytes()).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, ["hunter2!Zq9"], "{text}");
        }
        for text in [
            "the token: hunter2!Zq9",
            "a token = hunter2!Zq9",
            "DB_PASSWORD=$hunter2!Zq9",
            "DB_PASSWORD_FILE=hunter2!Zq9",
            "secret-env = \"HOOK_SECRET\"",
            "secret-file = \"hook.secret\"",
            "[check]\nallow = { secret = \"a key of the tests\" }",
            "[check.levels]\nsecret = \"warning\"",
            "pack build --allow secret=tests-only",
            "the variable `DB_PASSWORD` of the image has a value that looks like a secret",
        ] {
            assert!(values(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
