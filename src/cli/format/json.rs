//! Results as JSON.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::ser::CharEscape;

use crate::types::secret::redact;
use crate::types::shown;

/// Writes a result as indented JSON, in which no text of others can upset a terminal, piece by piece: a report can
/// be as large as what it is about.
///
/// # Errors
/// When it cannot be written, or a part of it cannot be JSON: our own types can.
pub fn write_json(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 << 10, out);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Quiet::default());
    value.serialize(&mut serializer)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Indented JSON without secrets and without what a terminal or a log acts on: there is none but in strings.
#[derive(Default)]
struct Quiet {
    layout: serde_json::ser::PrettyFormatter<'static>,
    /// The string that is being written: a secret may have an escaped character in it.
    string: String,
}

impl serde_json::ser::Formatter for Quiet {
    fn begin_string<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.string.clear();
        Ok(())
    }

    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, _: &mut W, text: &str) -> io::Result<()> {
        self.string.push_str(text);
        Ok(())
    }

    fn write_char_escape<W: io::Write + ?Sized>(&mut self, _: &mut W, escape: CharEscape) -> io::Result<()> {
        self.string.push(match escape {
            CharEscape::Quote => '"',
            CharEscape::ReverseSolidus => '\\',
            CharEscape::Solidus => '/',
            CharEscape::Backspace => '\u{8}',
            CharEscape::FormFeed => '\u{c}',
            CharEscape::LineFeed => '\n',
            CharEscape::CarriageReturn => '\r',
            CharEscape::Tab => '\t',
            CharEscape::AsciiControl(byte) => char::from(byte),
        });
        Ok(())
    }

    fn end_string<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        let string = serde_json::to_string(&redact(&self.string))?;
        out.write_all(shown::json(&string).as_bytes())
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.begin_array(out)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_array(out)
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.layout.begin_array_value(out, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_array_value(out)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.begin_object(out)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_object(out)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.layout.begin_object_key(out, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.begin_object_value(out)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::secret::with_checksum;

    #[test]
    fn json_has_no_secret() {
        let token = with_checksum("ghp_");
        let value = serde_json::json!({ "a": format!("x\n{token}\"\u{1}"), token: [] });
        let mut out = Vec::new();
        write_json(&value, &mut out).expect("written");
        let text = String::from_utf8(out).expect("text");
        let expected = serde_json::json!({ "a": "x\nghp_…\"\u{1}", "ghp_…": [] });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), expected);
    }

    #[test]
    fn json_is_written_piece_by_piece_and_quietly() {
        let value =
            serde_json::json!({ "a\u{202e}": ["\u{1b}[2J", "##[error]", "\u{85}\n\"ü"], "e": {}, "l": [] });
        let mut out = Vec::new();
        write_json(&value, &mut out).expect("written");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
        assert!(!text.chars().any(|it| it == '\u{1b}' || it == '\u{202e}' || it == '\u{85}'), "{text}");
        assert!(!text.contains("##[") && text.contains("\n  \"l\": []\n}\n"), "{text}");
    }
}
