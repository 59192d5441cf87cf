//! Text without the secrets in it, for all that is printed.
//!
//! A secret that its form shows, and a password in a URL, become the beginning that all secrets of the form have, and `…`: enough
//! to know which one is meant, and nothing to use.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::escaped::UnescapedText;
use super::form::{FoundSecret, SecretFinder};
use super::password::passwords;
use super::variable;

/// In the place of a secret.
const REDACTED: &str = "…";

/// `text` without secrets that their form shows: for results, which show the values of variables.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    redacted(text, &secrets(text, false))
}

/// A message without secrets, also without those that the name of a variable shows.
pub(crate) fn redact_message(text: &str) -> Cow<'_, str> {
    redacted(text, &secrets(text, true))
}

fn redacted<'t>(text: &'t str, secrets: &[Range<usize>]) -> Cow<'t, str> {
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(replaced(text, secrets))
}

/// A text without secrets that has all its lines, and knows where its parts were before.
pub(crate) struct RedactedText<'t> {
    text: Cow<'t, str>,
    /// The parts that were taken out, in their order.
    cuts: Vec<Range<usize>>,
}

impl<'t> RedactedText<'t> {
    /// Such a text of `cuts`, its secrets.
    pub(crate) fn new(text: &'t str, cuts: Vec<Range<usize>>) -> Self {
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

/// The secrets in a text of settings, which may be escaped, in the lines that have them.
pub(crate) fn secrets_of_settings(text: &str) -> Vec<Range<usize>> {
    let mut found = secrets(text, true);
    if let Some(unescaped) = UnescapedText::of(text) {
        found.extend(secrets(&unescaped.text, true).iter().map(|secret| unescaped.place(secret)));
    }
    united(found).into_iter().flat_map(|secret| lines_of(text, secret)).collect()
}

/// A message about a text of settings, without the secrets `values` of it in either case of letters.
pub(crate) fn redact_values(message: &str, values: &[&str]) -> String {
    let mut message = message.to_owned();
    for value in values {
        let unescaped = UnescapedText::of(value).map(|unescaped| unescaped.text);
        for value in [Some(*value), unescaped.as_deref()].into_iter().flatten() {
            // A shorter one is in many words.
            let (lower, value) = (message.to_ascii_lowercase(), value.trim().to_ascii_lowercase());
            if value.len() >= 4 && lower.contains(&value) {
                let cuts: Vec<_> =
                    lower.match_indices(&value).map(|(at, found)| at..at + found.len()).collect();
                message = replaced(&message, &cuts);
            }
        }
    }
    message
}

/// The bytes of all secrets in a text, but for their beginnings, in their order.
fn secrets(text: &str, has_names: bool) -> Vec<Range<usize>> {
    static FINDER: OnceLock<Option<SecretFinder>> = OnceLock::new();
    let bytes = text.as_bytes();
    let found = FINDER.get_or_init(SecretFinder::new).iter().flat_map(|finder| finder.find(bytes));
    let forms: Vec<Range<usize>> =
        found.map(|FoundSecret { bytes, start, .. }| bytes.start + start..bytes.end).collect();
    let is_other = |range: &Range<usize>| {
        // Forms are in their order, and none is in another.
        let after = forms.partition_point(|secret| secret.end <= range.start);
        forms.get(after).is_none_or(|secret| secret.start >= range.end)
    };
    let mut secrets: Vec<Range<usize>> = passwords(bytes).into_iter().filter(is_other).collect();
    if has_names {
        secrets.extend(variable::values(bytes).into_iter().filter(is_other));
    }
    secrets.extend_from_slice(&forms);
    united(secrets)
}

/// Ranges in their order, those that overlap as one.
fn united(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut united: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match united.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
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
        let redacted = RedactedText::new(&text, secrets_of_settings(&text));
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

    #[test]
    fn messages_have_no_value_of_a_secret_variable_and_results_have() {
        let text = "DB_PASSWORD=hunter2!Zq9 node s.js";
        assert_eq!((redact(text), redact_message(text)), (text.into(), "DB_PASSWORD=… node s.js".into()));
        assert_eq!(redact_values("`HUNTER2!zq9@h` is no port", &["hunter2!Zq9", "a"]), "`…@h` is no port");
    }

    #[test]
    fn escapes_hide_no_secret() {
        let text =
            format!("a = \"{}\"\nb = \"hunter\\u0032\"", with_checksum("ghp_").replace('_', "\\u005f"));
        let cuts = secrets_of_settings(&text);
        assert_eq!(RedactedText::new(&text, cuts).into_text(), "a = \"ghp\\u005f…\"\nb = \"hunter\\u0032\"");
    }

    fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
        let entries =
            std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }

    /// The documentation is ordinary text, as are the messages that the tests expect.
    #[test]
    fn ordinary_text_stays() {
        let known = ["k3jsd8fj2lk", "hunter2", "me:TOKEN@", "signs upload sessions"];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut files, mut wrong) = (0, Vec::new());
        for (directory, ending) in
            [("docs", "md"), ("tests/it", "rs"), ("tests/it", "snap"), ("src/cli", "rs")]
        {
            for entry in files_below(&root.join(directory)) {
                if entry.extension().is_none_or(|it| it != ending) {
                    continue;
                }
                files += 1;
                let text = std::fs::read_to_string(&entry).expect("text");
                for line in text.lines() {
                    let cut = redact_message(line);
                    let is_known = known.iter().any(|known| line.contains(known));
                    if cut != line && !is_known {
                        wrong.push(format!("{}: {line}\n{cut}", entry.display()));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(files > 20, "{files}");
    }

    proptest! {
        #[test]
        fn any_text_stays_text(
            text in "(ghp_|TOKEN|=|\"|\\\\u005f|://|:|@|-----BEGIN |PRIVATE KEY-----|-----END |[a-zü\n\r]){0,30}",
            start in 0_usize..40,
            length in 0_usize..40,
        ) {
            for redact in [redact, redact_message] {
                let once = redact(&text).into_owned();
                prop_assert_eq!(redact(&once), once.clone());
            }
            let redacted = RedactedText::new(&text, secrets_of_settings(&text));
            let length = length.min(text.len() - start.min(text.len()));
            let range = redacted.range(&(start.min(text.len())..start.min(text.len()) + length));
            let now = redacted.into_text();
            prop_assert_eq!(now.matches('\n').count(), text.matches('\n').count());
            prop_assert!(range.start <= range.end && range.end <= now.len());
        }
    }
}
