//! Results as JSON.

use std::io::{self, Write as _};

use serde::Serialize;

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

/// Indented JSON without what a terminal or a log acts on: there is none but in strings.
#[derive(Default)]
struct Quiet(serde_json::ser::PrettyFormatter<'static>);

impl serde_json::ser::Formatter for Quiet {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        out.write_all(shown::json(text).as_bytes())
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
