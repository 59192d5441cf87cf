//! Text without the secrets in it, for all that is printed.
//!
//! A secret that its form shows, and a password in a URL, become the beginning that all secrets of the form have, and `…`: enough
//! to know which one is meant, and nothing to use.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::form::{FoundSecret, SecretFinder};
use super::text::{is_placeholder, run};

/// In the place of a secret.
const REDACTED: &str = "…";

/// `text` without secrets.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let secrets = secrets(text);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(replaced(text, &secrets))
}

/// A text without secrets that has all its lines, and knows where its parts were before.
pub(crate) struct RedactedText<'t> {
    text: Cow<'t, str>,
    /// The parts that were taken out, in their order.
    cuts: Vec<Range<usize>>,
}

impl<'t> RedactedText<'t> {
    /// Such a text.
    pub(crate) fn new(text: &'t str) -> Self {
        let cuts: Vec<Range<usize>> =
            secrets(text).into_iter().flat_map(|secret| lines_of(text, secret)).collect();
        let text = if cuts.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(replaced(text, &cuts)) };
        Self { text, cuts }
    }

    /// Where `range` of the text before is now: a part of a secret is all that stands in its place.
    pub(crate) fn range(&self, range: &Range<usize>) -> Range<usize> {
        self.at(range.start, false)..self.at(range.end, true).max(self.at(range.start, false))
    }

    fn at(&self, position: usize, is_end: bool) -> usize {
        let (mut taken, mut given) = (0, 0);
        for cut in &self.cuts {
            if position >= cut.end {
                (taken, given) = (taken + cut.len(), given + REDACTED.len());
            } else if position > cut.start {
                return cut.start - taken + given + if is_end { REDACTED.len() } else { 0 };
            } else {
                break;
            }
        }
        position - taken + given
    }

    /// The text.
    pub(crate) fn into_text(self) -> Cow<'t, str> {
        self.text
    }
}

/// The bytes of all secrets in a text, but for their beginnings, in their order.
fn secrets(text: &str) -> Vec<Range<usize>> {
    static FINDER: OnceLock<Option<SecretFinder>> = OnceLock::new();
    let bytes = text.as_bytes();
    let found = FINDER.get_or_init(SecretFinder::new).iter().flat_map(|finder| finder.find(bytes));
    let mut secrets: Vec<Range<usize>> =
        found.map(|FoundSecret { bytes, start, .. }| bytes.start + start..bytes.end).collect();
    let forms = secrets.len();
    for at in memchr::memmem::find_iter(bytes, b"://") {
        if let Some(password) = password(bytes, at + 3)
            && !secrets[..forms]
                .iter()
                .any(|secret| secret.start < password.end && password.start < secret.end)
        {
            secrets.push(password);
        }
    }
    if secrets.len() > forms {
        secrets.sort_by_key(|secret| secret.start);
    }
    secrets
}

/// The password of a URL whose authority begins at `start`: `user:password@host`.
fn password(text: &[u8], start: usize) -> Option<Range<usize>> {
    let authority = run(text, start, |byte| byte.is_ascii_graphic() && !b"/?#\"'<>`".contains(&byte));
    let login = &authority[..memchr::memrchr(b'@', authority)?];
    let colon = memchr::memchr(b':', login)?;
    let password = &login[colon + 1..];
    // The digest of an image is no host.
    let is_digest = authority[login.len()..].starts_with(b"@sha256:");
    let is_secret = !password.is_empty() && !is_digest && !is_placeholder(password);
    is_secret.then(|| start + colon + 1..start + login.len())
}

/// The parts of a secret in each line.
fn lines_of(text: &str, secret: Range<usize>) -> Vec<Range<usize>> {
    let mut start = secret.start;
    let lines = text.get(secret).unwrap_or_default().split_inclusive('\n').map(|line| {
        let range = start..start + line.trim_end_matches(['\n', '\r']).len();
        start += line.len();
        range
    });
    lines.filter(|range| !range.is_empty()).collect()
}

fn replaced(text: &str, cuts: &[Range<usize>]) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for cut in cuts {
        replaced.push_str(text.get(end..cut.start).unwrap_or_default());
        replaced.push_str(REDACTED);
        end = cut.end;
    }
    replaced.push_str(text.get(end..).unwrap_or_default());
    replaced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::form::tests::with_checksum;
    use super::super::pem::tests::{der, pem};
    use super::*;

    #[test]
    fn secrets_are_left_out_and_all_else_stays() {
        let token = with_checksum("ghp_");
        let key = pem("EC PRIVATE KEY", &der(120));
        for (text, expected) in [
            ("plain ü".to_owned(), "plain ü".to_owned()),
            (format!("`a --token={token}`"), "`a --token=ghp_…`".to_owned()),
            (format!("x_{token}_y {token}"), "x_ghp_…_y ghp_…".to_owned()),
            (format!("a\n{key}b"), "a\n-----BEGIN …-----END EC PRIVATE KEY-----\nb".to_owned()),
            ("https://me:hunter2@host/a@b".to_owned(), "https://me:…@host/a@b".to_owned()),
            (format!("https://{token}@host"), "https://ghp_…@host".to_owned()),
            (format!("https://me:{token}@host"), "https://me:ghp_…@host".to_owned()),
            (
                format!("aws_secret_access_key={}", "Zx81kQv93LmTr0aBcDy7HnWp45JfUgE2Zx81kQv9"),
                "aws_secret_access_key=…".to_owned(),
            ),
        ] {
            assert_eq!(redact(&text), expected);
            assert_eq!(redact(&expected), expected, "again");
        }
        for text in [
            "docker://alpine:3@sha256:0123",
            "https://host:8080/@scope/a",
            "https://user:${PASSWORD}@host",
            "ghp_x",
            "http://[::1]:80",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn lines_and_places_stay() {
        let token = with_checksum("ghp_");
        let text = format!("a = \"{token}\" b\n{}c", pem("EC PRIVATE KEY", &der(120)));
        let place =
            |word: &str| text.find(word).expect("a word")..text.find(word).expect("a word") + word.len();
        let redacted = RedactedText::new(&text);
        let (b, secret, c) = (
            redacted.range(&place(" b")),
            redacted.range(&place(&token)),
            redacted.range(&place("-----\nc")),
        );
        let inner = redacted.range(&(place(&token).start + 7..place(&token).start + 9));
        let now = redacted.into_text();
        assert_eq!(now.lines().count(), text.lines().count());
        assert_eq!((&now[b], &now[secret], &now[inner]), (" b", "ghp_…", "…"));
        assert_eq!(&now[c.start..], "-----\nc");
        assert!(now.starts_with("a = \"ghp_…\" b\n-----BEGIN …\n…\n"), "{now}");
    }

    proptest! {
        #[test]
        fn any_text_stays_text(
            text in "(ghp_|://|:|@|-----BEGIN |PRIVATE KEY-----|-----END |[a-zü\n\r]){0,30}",
            start in 0_usize..40,
            length in 0_usize..40,
        ) {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once), once.clone());
            let redacted = RedactedText::new(&text);
            let length = length.min(text.len() - start.min(text.len()));
            let range = redacted.range(&(start.min(text.len())..start.min(text.len()) + length));
            let now = redacted.into_text();
            prop_assert_eq!(now.matches('\n').count(), text.matches('\n').count());
            prop_assert!(range.start <= range.end && range.end <= now.len());
        }
    }
}
