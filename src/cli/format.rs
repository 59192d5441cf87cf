//! Numbers, times and tables for people.
//!
//! Sizes are decimal, as Docker prints them. Text that comes from an image or a registry goes through
//! [`printable`]: a label must not be able to move the reader's cursor.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::types::shown;

/// Bytes as `999 B`, `12.3 kB`, `1.5 GB`: decimal units, one digit after the point.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut unit, mut index) = (1000_u128, 0);
    // Rounded first: 999,960 bytes are 1.0 MB, not 1000.0 kB.
    let mut tenths = tenths_of(bytes, unit);
    while tenths >= 10_000 {
        unit *= 1000;
        index += 1;
        tenths = tenths_of(bytes, unit);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[index])
}

const fn tenths_of(bytes: u64, unit: u128) -> u128 {
    (bytes as u128 * 10 + unit / 2) / unit
}

/// A duration as `40 ms`, `3.2 s`, `2 min 5 s`, `1 h 2 min`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 950 {
        return format!("{millis} ms");
    }
    let tenths = (millis + 50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    seconds(u64::try_from((millis + 500) / 1000).unwrap_or(u64::MAX))
}

/// Whole seconds as `30 s`, `2 min 5 s`, `1 h 2 min`.
#[must_use]
pub fn seconds(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A number with separators: `1,234,567`.
#[must_use]
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 layer`, `10,000 files`. `noun` is the singular of a regular noun.
#[must_use]
pub fn count(count: u64, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        _ if count == 1 => noun.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", number(count))
}

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

/// The terminal that text is laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// How many characters a line has room for.
    pub columns: usize,
    /// Whether it shows colour, which never carries meaning.
    pub color: bool,
}

impl Screen {
    /// One without colour.
    #[must_use]
    pub const fn plain(columns: usize) -> Self {
        Self { columns, color: false }
    }

    /// What is left of it beside an indentation.
    #[must_use]
    pub const fn indented(self, by: usize) -> Self {
        Self { columns: self.columns.saturating_sub(by), ..self }
    }
}

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// A column of a [`Table`].
#[derive(Clone, Debug)]
pub struct Column {
    title: &'static str,
    align: Align,
    flexible: bool,
}

impl Column {
    /// Text.
    #[must_use]
    pub const fn left(title: &'static str) -> Self {
        Self { title, align: Align::Left, flexible: false }
    }

    /// Numbers.
    #[must_use]
    pub const fn right(title: &'static str) -> Self {
        Self { title, align: Align::Right, flexible: false }
    }

    /// Text that may be cut where the terminal is too narrow.
    #[must_use]
    pub const fn flexible(title: &'static str) -> Self {
        Self { title, align: Align::Left, flexible: true }
    }
}

/// Aligned columns, two spaces apart. A column that is empty in every row is left out.
///
/// A cell is no wider than `WIDEST` and a table no longer than `LONGEST`: each row is as wide as the widest
/// cells of all, and what stands in them may be anyone's words. JSON has everything.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Rows that are not shown.
    more: u64,
}

/// Columns of a terminal that a cell takes at most.
const WIDEST: usize = 400;
/// Rows that are shown at most.
const LONGEST: usize = 10_000;

/// What stays of a flexible column however narrow the terminal is.
const NARROWEST: usize = 12;
const GAP: usize = 2;

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), more: 0 }
    }

    /// Adds a row; cells beyond the columns are dropped, missing ones are empty.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        if self.rows.len() >= LONGEST {
            self.more += 1;
            return;
        }
        let shown = |cell: T| cut(&printable(&shown::cut(cell.as_ref(), WIDEST)), WIDEST).into_owned();
        let mut row: Vec<String> = cells.into_iter().map(shown).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// The lines, each ended by a line break and without trailing spaces. On a `screen`, flexible columns
    /// are cut to fit, and the heading is bold where there is colour. The last line says how many rows are not shown.
    #[must_use]
    pub fn render(&self, screen: Option<Screen>) -> String {
        let used: Vec<usize> = (0..self.columns.len())
            .filter(|&column| self.rows.iter().any(|row| !row[column].is_empty()))
            .collect();
        let mut widths: Vec<usize> = used
            .iter()
            .map(|&column| {
                let cells = self.rows.iter().map(|row| length(&row[column]));
                cells.chain([length(self.columns[column].title)]).max().unwrap_or_default()
            })
            .collect();
        if let Some(screen) = screen {
            self.shrink(&used, &mut widths, screen.columns);
        }
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let titled = titles.iter().any(|title| !title.is_empty());
        let mut text = String::new();
        let is_bold = screen.is_some_and(|screen| screen.color);
        for (index, row) in titled.then_some(&titles).into_iter().chain(&self.rows).enumerate() {
            let mut line = String::new();
            for (&column, &width) in used.iter().zip(&widths) {
                let cell = cut(&row[column], width);
                let padding = " ".repeat(width.saturating_sub(length(&cell)));
                match self.columns[column].align {
                    Align::Left => line.extend([&cell, padding.as_str()]),
                    Align::Right => line.extend([padding.as_str(), &cell]),
                }
                line.push_str("  ");
            }
            let line = line.trim_end();
            match titled && is_bold && index == 0 {
                true => text.extend(["\u{1b}[1m", line, "\u{1b}[0m"]),
                false => text.push_str(line),
            }
            text.push('\n');
        }
        if self.more > 0 {
            let _ = writeln!(
                text,
                "… and {} more {}",
                number(self.more),
                if self.more == 1 { "row" } else { "rows" }
            );
        }
        text
    }

    /// Takes what is too much from the flexible columns, the widest first.
    fn shrink(&self, used: &[usize], widths: &mut [usize], width: usize) {
        let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        while total(widths) > width {
            let widest = (0..used.len())
                .filter(|&index| self.columns[used[index]].flexible && widths[index] > NARROWEST)
                .max_by_key(|&index| widths[index]);
            let Some(widest) = widest else { return };
            widths[widest] -= 1;
        }
    }
}

/// How many columns of a terminal `text` takes: two for each character of East Asian scripts, none for an accent.
pub(super) fn length(text: &str) -> usize {
    text.width()
}

/// `text`, cut to `width` columns with `…` at its end where it is wider.
pub(super) fn cut(text: &str, width: usize) -> Cow<'_, str> {
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
    fn sizes_are_decimal_and_never_a_thousand_of_a_unit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345, "12.3 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (98_200_000, "98.2 MB"),
            (1_500_000_000, "1.5 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (given, text) in cases {
            assert_eq!(bytes(given), text);
        }
    }

    #[test]
    fn durations_and_counts() {
        let cases = [
            (0, "0 ms"),
            (949, "949 ms"),
            (950, "1.0 s"),
            (3_240, "3.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 0 s"),
            (125_000, "2 min 5 s"),
            (3_725_000, "1 h 2 min"),
        ];
        for (given, text) in cases {
            assert_eq!(duration(Duration::from_millis(given)), text);
        }
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "layer"), "0 layers");
        assert_eq!(count(1_234_567, "file"), "1,234,567 files");
        assert_eq!(count(2, "body"), "2 bodies");
        assert_eq!(count(2, "key"), "2 keys");
    }

    fn table() -> Table {
        let mut table = Table::new([
            Column::left("NAME"),
            Column::right("SIZE"),
            Column::left("NEVER"),
            Column::flexible("BY"),
        ]);
        table.row(["classes", "12.3 kB", "", "pack: classes of the application"]);
        table.row(["lib", "6.0 MB", "", "pack: lib\u{1b}[2J"]);
        table
    }

    #[test]
    fn a_table_aligns_and_drops_empty_columns() {
        insta::assert_snapshot!(table().render(None), @r"
        NAME        SIZE  BY
        classes  12.3 kB  pack: classes of the application
        lib       6.0 MB  pack: lib\u{1b}[2J
        ");
    }

    #[test]
    fn a_table_cuts_only_flexible_columns_and_only_so_far() {
        insta::assert_snapshot!(table().render(Some(Screen::plain(36))), @r"
        NAME        SIZE  BY
        classes  12.3 kB  pack: classes of…
        lib       6.0 MB  pack: lib\u{1b}[2J
        ");
        insta::assert_snapshot!(table().render(Some(Screen::plain(5))), @r"
        NAME        SIZE  BY
        classes  12.3 kB  pack: class…
        lib       6.0 MB  pack: lib\u…
        ");
    }

    #[test]
    fn a_table_is_no_wider_and_longer_than_a_reader_bears() {
        let mut table = Table::new([Column::left("A"), Column::left("B")]);
        table.row(["x".repeat(1 << 20), "\u{1b}".repeat(1 << 20)]);
        for _ in 0..20_000 {
            table.row(["", "b"]);
        }
        let text = table.render(None);
        assert!(text.lines().all(|line| length(line) <= 2 * WIDEST + GAP));
        assert_eq!(text.lines().last(), Some("… and 10,001 more rows"));
        assert!(text.len() < 8 << 20, "{}", text.len());
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

    #[test]
    fn a_heading_is_bold_where_there_is_colour_and_nothing_else_changes() {
        let bold = table().render(Some(Screen { columns: 36, color: true }));
        let (heading, rows) = bold.split_once('\n').expect("lines");
        assert!(heading.starts_with("\u{1b}[1mNAME") && heading.ends_with("BY\u{1b}[0m"), "{heading:?}");
        let plain = table().render(Some(Screen::plain(36)));
        assert_eq!(plain.split_once('\n').expect("lines").1, rows);
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        assert_eq!(printable("plain ü"), "plain ü");
        assert_eq!(printable("a\n\u{1b}[31mb\u{202e}"), "a\\n\\u{1b}[31mb\\u{202e}");
        assert_eq!(printable_lines("a\n\tb\r"), "a\n\tb\\r");
    }
}
