//! Words in braces, as variables are written in the paths of outputs.

/// The variable for the name of a member of a workspace.
pub const NAME: &str = "{name}";

/// The first part of a text that is written like a variable: a word in braces.
#[must_use]
pub fn brace_word(text: &str) -> Option<&str> {
    let is_word = |word: &str| {
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        !word.is_empty() && word.chars().all(is_part)
    };
    text.match_indices('{').find_map(|(start, _)| {
        let end = start + text[start..].find('}')?;
        is_word(&text[start + 1..end]).then_some(&text[start..=end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_a_word_in_braces() {
        assert_eq!(brace_word("a/{name}/{b}"), Some("{name}"));
        assert_eq!(brace_word("{{git.short}"), Some("{git.short}"));
        for text in ["", "a", "{}", "{a b}", "{a", "a}", "}{"] {
            assert_eq!(brace_word(text), None, "{text}");
        }
    }
}
