//! Text of others, as a terminal shows it, and the room that it takes there.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::types::shown;

/// `text` on one line and without anything that a terminal or a log acts on.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    shown::one_line(text)
}

/// Like [`printable`], but line breaks and tabs stay: for messages that are laid out in lines.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    shown::lines(text)
}

/// How many columns of a terminal `text` takes: two for each character of East Asian scripts, none for an accent.
pub(in crate::cli) fn length(text: &str) -> usize {
    text.width()
}

/// `text`, cut to `width` columns with `…` at its end where it is wider.
pub(in crate::cli) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    // A character takes at most as many columns as it has bytes, so short text needs no closer look.
    if text.len() <= width || length(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut room = width.saturating_sub(1);
    let fits = |character: &char| {
        let columns = character.width().unwrap_or(0);
        let fits = columns <= room;
        room = room.saturating_sub(columns);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        assert_eq!(printable("plain ü"), "plain ü");
        assert_eq!(printable("a\n\u{1b}[31mb\u{202e}"), "a\\n\\u{1b}[31mb\\u{202e}");
        assert_eq!(printable_lines("a\n\tb\r"), "a\n\tb\\r");
    }
}
