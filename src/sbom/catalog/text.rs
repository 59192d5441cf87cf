//! Text of packages, which anybody may have written.

/// The longest name or version that is taken, in bytes. Longer ones are an attack.
const MAX_WORD: usize = 1024;
/// The longest statement of a licence. A longer one is the licence's text, and not its name.
const MAX_LICENCE: usize = 256;

/// A name or version: without blanks around it, and nothing where it is too long or has controls.
pub(super) fn word(text: &str) -> &str {
    let text = text.trim();
    if text.len() > MAX_WORD || text.chars().any(char::is_control) { "" } else { text }
}

/// A licence as it is stated: one line; `None` where that says nothing.
pub(super) fn licence(text: &str) -> Option<String> {
    let text = text.trim();
    let says_nothing = text.is_empty()
        || text.len() > MAX_LICENCE
        || text.chars().any(char::is_control)
        || ["UNKNOWN", "NOASSERTION", "NONE", "UNLICENSED"].contains(&text.to_uppercase().as_str());
    (!says_nothing).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_of_one_line() {
        assert_eq!((word(" a b "), word("a\x1bb"), word(&"x".repeat(MAX_WORD + 1))), ("a b", "", ""));
        assert_eq!(licence(" MIT \n").as_deref(), Some("MIT"));
        for nothing in ["", "UNKNOWN", "a\nb", &"x".repeat(300)] {
            assert_eq!(licence(nothing), None);
        }
    }
}
