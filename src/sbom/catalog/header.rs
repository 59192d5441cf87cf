//! Lines `Name: value` with continuations, as mail has them: METADATA of Python, stanzas of dpkg.

/// The fields of the lines up to the first empty one. A line that begins with a blank belongs to the field before it.
pub fn header_lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
}

/// The stanzas of a text: its parts between empty lines.
pub(super) fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(|stanza| stanza.trim_matches('\n')).filter(|stanza| !stanza.is_empty())
}
