//! Values of the tests.

use super::super::decode::FromText;
use super::super::json_schema::{JsonSchema, takes};

/// The value that `text` is; the schema accepts the text, too.
pub(super) fn ok<T: FromText + JsonSchema>(text: &str) -> T {
    assert!(takes::<T>(text), "{text}: refused by the schema");
    T::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

/// Fails if one of `texts` is a value.
pub(super) fn all_wrong<T: FromText>(texts: &[&str]) {
    for text in texts {
        assert!(T::from_text(text).is_err(), "{text}");
    }
}
