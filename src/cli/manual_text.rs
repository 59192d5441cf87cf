//! Pages of `docs/` as plain text: wrapped, without marks for links and bold words, and with a table as a list.
//!
//! It reads the Markdown that these pages have, and no more of Markdown.

/// The text of the sections of a page with these headings, in this order; of the page up to its first section for "".
/// A section ends at the next heading of its level or a higher one.
#[must_use]
pub fn sections<'t>(page: &'t str, headings: &[&str]) -> Vec<&'t str> {
    headings.iter().filter_map(|heading| section(page, heading)).collect()
}

fn section<'t>(page: &'t str, heading: &str) -> Option<&'t str> {
    let starts = heading_starts(page);
    let (at, level) = match heading {
        "" => (0, 1),
        _ => starts.iter().copied().find(|(at, level)| {
            page[*at..].lines().next().is_some_and(|line| line[*level..].trim() == heading)
        })?,
    };
    let level = if heading.is_empty() { usize::MAX } else { level };
    let end =
        starts.iter().find(|(start, other)| *start > at && *other <= level).map_or(page.len(), |(at, _)| *at);
    Some(page[at..end].trim())
}

/// Where headings begin, and their levels. A line of a block of code is none.
fn heading_starts(page: &str) -> Vec<(usize, usize)> {
    let (mut starts, mut at, mut is_code) = (Vec::new(), 0, false);
    for line in page.split_inclusive('\n') {
        is_code ^= line.starts_with("```");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if !is_code && level > 0 {
            starts.push((at, level));
        }
        at += line.len();
    }
    starts
}

/// The width of a line that is read with ease, whatever room there is.
const WIDEST: usize = 80;

/// The text, laid out for so many columns.
#[must_use]
pub fn plain(markdown: &str, columns: usize) -> String {
    let mut page = PlainPage { columns: columns.min(WIDEST), text: String::new() };
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.starts_with("```"));
            code.for_each(|line| page.line(&format!("    {line}")));
            page.end_block();
        } else if line.starts_with('#') {
            page.line(&inline(line.trim_start_matches('#').trim()));
            page.end_block();
        } else if line.starts_with('|') {
            let mut table = vec![cells(line)];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                table.push(cells(row));
            }
            page.table(&table);
        } else if line.trim().is_empty() {
            page.end_block();
        } else {
            let mut whole = line.trim().to_owned();
            let goes_on =
                |next: &&str| !next.trim().is_empty() && !is_item(next) && !next.starts_with(['|', '#', '`']);
            let goes_on = |next: &&str| goes_on(next) || (next.starts_with('`') && !next.starts_with("```"));
            while let Some(next) = lines.next_if(|next| goes_on(next)) {
                whole.push(' ');
                whole.push_str(next.trim());
            }
            let hanging = if is_item(&whole) { whole.find(' ').map_or(0, |end| end + 1) } else { 0 };
            page.wrapped(&inline(&whole), 0, hanging);
            if !lines.peek().is_some_and(|next| is_item(next)) {
                page.end_block();
            }
        }
    }
    page.text.truncate(page.text.trim_end().len());
    page.text.push('\n');
    page.text
}

/// Whether a line begins an item of a list.
fn is_item(line: &str) -> bool {
    let number = line.trim_start_matches(|character: char| character.is_ascii_digit());
    line.starts_with("- ") || (number.len() < line.len() && number.starts_with(". "))
}

fn cells(row: &str) -> Vec<String> {
    let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| inline(cell.trim())).collect()
}

/// A line without marks of links and bold words.
fn inline(text: &str) -> String {
    let part = |(number, part): (usize, &str)| match number % 2 {
        1 => part.to_owned(),
        _ => part.replace("**", ""),
    };
    without_links(&text.split('`').enumerate().map(part).collect::<Vec<_>>().join("`"))
}

/// `[text](place)` as its text. A bracket without a place is one of the text.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        plain.push_str(before);
        match behind.split_once("](").and_then(|(shown, behind)| Some((shown, behind.split_once(')')?.1))) {
            Some((shown, behind)) if !shown.contains('[') => {
                plain.push_str(shown);
                rest = behind;
            }
            _ => {
                plain.push('[');
                rest = behind;
            }
        }
    }
    plain + rest
}

struct PlainPage {
    columns: usize,
    text: String,
}

/// A first column up to this width stands beside the second.
const NARROW: usize = 24;

impl PlainPage {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn end_block(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Words in lines: the first indented by `first`, and the others by `others`.
    fn wrapped(&mut self, text: &str, first: usize, others: usize) {
        let mut line = " ".repeat(first);
        let mut is_empty = true;
        for word in text.split_whitespace() {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > self.columns {
                self.line(&line);
                line = " ".repeat(others);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.line(&line);
    }

    /// A table: of two narrow columns side by side, of others each row as a term and what there is about it.
    fn table(&mut self, rows: &[Vec<String>]) {
        let [titles, _, rows @ ..] = rows else { return };
        let widest = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or_default();
        for row in rows {
            let term = row[0].trim();
            if titles.len() == 2 && widest <= NARROW {
                let text = row.get(1).map(String::as_str).unwrap_or_default();
                let start = self.text.len();
                self.wrapped(text, widest + 4, widest + 4);
                let label = format!("  {term}");
                self.text.replace_range(start..start + label.chars().count(), &label);
                continue;
            }
            self.wrapped(term, 2, 4);
            for (title, text) in titles.iter().zip(row).skip(1).filter(|(_, text)| !text.is_empty()) {
                let text = if titles.len() > 2 && !title.is_empty() {
                    format!("{title}: {text}")
                } else {
                    text.clone()
                };
                self.wrapped(&text, 6, 8);
            }
        }
        self.end_block();
    }
}
