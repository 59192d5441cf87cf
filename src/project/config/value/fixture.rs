//! Values of the tests.

use super::super::decode::FromText;

/// The value that `text` is.
pub(super) fn ok<T: FromText>(text: &str) -> T {
    T::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

/// Fails if one of `texts` is a value.
pub(super) fn all_wrong<T: FromText>(texts: &[&str]) {
    for text in texts {
        assert!(T::from_text(text).is_err(), "{text}");
    }
}
