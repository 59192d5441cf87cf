//! Properties that hold for any bytes.

use std::borrow::Cow;

use super::*;

/// Whatever is read is JSON to another reader too, and is written so that it says the same.
pub(crate) fn json(data: &[u8]) {
    let strict = parse(data);
    let lenient = serde_json::from_slice::<serde::de::IgnoredAny>(data);
    let Ok(value) = strict else {
        if let (Err(error), Ok(_)) = (strict, lenient) {
            let known = ["twice", "half of", "too deep", "not UTF-8"];
            assert!(known.iter().any(|why| error.to_string().contains(why)), "{error}");
        }
        return;
    };
    // The other one's stack ends a level earlier.
    assert!(lenient.is_ok() || lenient.is_err_and(|error| error.to_string().contains("recursion")));
    let Ok(raw) = Raw::decode(value) else { return };
    let written = raw.value().text();
    assert_eq!(written.parse().as_ref(), Ok(&raw), "written alike again");
    assert_eq!(serde_json::to_string(&raw).ok().as_deref(), Some(written));
    let numbers = |text: &str| {
        let mut found = Vec::new();
        collect(JsonValue { text }, &mut found);
        found.sort_unstable();
        found
    };
    assert_eq!(numbers(value.text), numbers(written));
}

/// Every string as its text, every other scalar as it is written.
fn collect(value: JsonValue<'_>, found: &mut Vec<String>) {
    match value.kind() {
        JsonKind::String => found.extend(value.as_str().map(Cow::into_owned)),
        JsonKind::List => value.items().for_each(|item| collect(item, found)),
        JsonKind::Object => value.members().for_each(|(key, value)| {
            found.push(key.into_owned());
            collect(value, found);
        }),
        _ => found.push(value.text.to_owned()),
    }
}
