//! Tables, and the terminal that they are laid out for.

use std::fmt::Write as _;

use super::figures::number;
use super::shown::{cut, length, printable};
use crate::types::shown::excerpt;

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
    #[cfg(test)]
    pub const fn plain(columns: usize) -> Self {
        Self { columns, color: false }
    }

    /// The rest of it beside an indentation.
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

/// The least width of a flexible column on a narrow terminal.
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
        let shown = |cell: T| cut(&printable(&excerpt(cell.as_ref(), WIDEST)), WIDEST).into_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_heading_is_bold_where_there_is_colour_and_nothing_else_changes() {
        let bold = table().render(Some(Screen { columns: 36, color: true }));
        let (heading, rows) = bold.split_once('\n').expect("lines");
        assert!(heading.starts_with("\u{1b}[1mNAME") && heading.ends_with("BY\u{1b}[0m"), "{heading:?}");
        let plain = table().render(Some(Screen::plain(36)));
        assert_eq!(plain.split_once('\n').expect("lines").1, rows);
    }
}
