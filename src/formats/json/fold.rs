//! Keys as Go compares them with the names of a struct's fields.

use std::borrow::Cow;

use super::error::{JsonError, JsonFault};

/// A key as Go compares it with the names of a struct's fields: equal keys are one field (`encoding/json`, `foldName`).
#[must_use]
pub fn fold(key: &str) -> Cow<'_, str> {
    if key.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.chars().map(fold_char).collect())
}

/// One of the characters that are the same by Unicode's simple case folding, the same one for all of them.
fn fold_char(character: char) -> char {
    // Its uppercase is `I`, of which it is no lowercase: it stands for itself.
    if character == 'ı' {
        return character;
    }
    // A character without a simple mapping keeps its form here, such as `ß`, which has two capitals.
    fn simple(mapped: impl Iterator<Item = char>, otherwise: char) -> char {
        let mut mapped = mapped;
        match (mapped.next(), mapped.next()) {
            (Some(single), None) => single,
            _ => otherwise,
        }
    }
    let lower = simple(character.to_lowercase(), character);
    let upper = simple(lower.to_uppercase(), lower);
    simple(upper.to_lowercase(), upper)
}

/// Refuses two keys that are one to Go.
pub(super) fn check_folded<'a>(keys: impl Iterator<Item = &'a str>) -> Result<(), JsonError> {
    let mut keys: Vec<(Cow<'_, str>, &str)> = keys.map(|key| (fold(key), key)).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => {
            let (one, other) = (pair[0].1.to_owned(), pair[1].1.to_owned());
            Err(JsonError::new(JsonFault::Folded { one, other }))
        }
        None => Ok(()),
    }
}
