//! Secrets, which are never printed, and taking them out of what others print.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::formats::json::{FromJson, JsonError, JsonValue};

/// A string that is never printed.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself; every use of this is a place to look at.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromJson for Secret {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        String::decode(value).map(Self)
    }
    fn wanted() -> String {
        String::wanted()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Takes known secrets out of what others wrote, such as a registry that quotes what it was shown.
#[derive(Debug, Default)]
pub(in crate::registry) struct Scrubber(Mutex<BTreeSet<Secret>>);

/// A shorter text is no secret, and taking it out would make any text unreadable.
const SHORTEST: usize = 4;

impl Scrubber {
    /// Remembers a secret in every form that it is sent in.
    pub(in crate::registry) fn learn(&self, secret: &str) {
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let in_json = serde_json::Value::from(secret).to_string();
        let in_json = in_json.trim_matches('"').to_owned();
        for form in [secret.to_owned(), lower_hex(&encoded), encoded, encoded_path(secret), in_json] {
            if form.len() >= SHORTEST {
                secrets.insert(Secret(form));
            }
        }
    }

    /// `text` with `…` for each secret in it. All are looked for in the text as it came, and where some overlap, all that
    /// belongs to any of them goes: nothing of a secret stays because a part of it is another one.
    pub(in crate::registry) fn scrub(&self, text: &str) -> String {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(usize, usize)> =
            secrets.iter().flat_map(|secret| occurrences(text, secret.expose())).collect();
        drop(secrets);
        found.sort_unstable();
        let mut scrubbed = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in found {
            if start >= done {
                scrubbed.push_str(&text[done..start]);
                scrubbed.push('…');
            }
            done = done.max(end);
        }
        scrubbed.push_str(&text[done..]);
        scrubbed
    }
}

/// Where `secret` stands in `text`, overlapping ones included.
fn occurrences(text: &str, secret: &str) -> Vec<(usize, usize)> {
    let step = secret.chars().next().map_or(1, char::len_utf8);
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(secret)) {
        let (start, end) = (from + at, from + at + secret.len());
        match found.last_mut() {
            Some((_, last)) if start <= *last => *last = end,
            _ => found.push((start, end)),
        }
        from = start + step;
    }
    found
}

/// A percent-encoded text with its hexadecimal digits in lower case.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push_str(&format!("%{}{rest}", hex.to_ascii_lowercase()));
    }
    lower
}

/// Percent-encoded, with `%20` for a space.
fn encoded_path(secret: &str) -> String {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    form.replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_known_is_taken_out_in_every_form() {
        let scrubber = Scrubber::default();
        scrubber.learn("pass word&1");
        scrubber.learn("abc");
        let text = "a pass word&1 b pass+word%261 c pass%20word%261 d abc";
        assert_eq!(scrubber.scrub(text), "a … b … c … d abc");
    }

    #[test]
    fn a_secret_in_a_secret_leaves_nothing_of_either() {
        let scrubber = Scrubber::default();
        for secret in ["hunter2", "hunter2-and-more", "more-of-it", "aXaX"] {
            scrubber.learn(secret);
        }
        for (text, expected) in [
            ("a hunter2-and-more b", "a … b"),
            ("a hunter2 b hunter2-and-more", "a … b …"),
            ("hunter2-and-more-of-it", "…"),
            ("aXaXaXaX", "…"),
            ("hunter2hunter2", "…"),
            ("aXa", "aXa"),
        ] {
            assert_eq!(scrubber.scrub(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_secret_survives(secrets in proptest::collection::vec("[ab]{4,8}", 1..5), text in "[abc ]{0,60}") {
            let scrubber = Scrubber::default();
            secrets.iter().for_each(|secret| scrubber.learn(secret));
            let scrubbed = scrubber.scrub(&text);
            prop_assert!(secrets.iter().all(|secret| !scrubbed.contains(secret.as_str())), "{}", scrubbed);
            // Text that belongs to no secret stays, in its order.
            let mut rest = scrubbed.chars().filter(|character| *character != '…');
            let mut all = text.chars();
            prop_assert!(rest.all(|kept| all.any(|character| character == kept)));
        }
    }
}
