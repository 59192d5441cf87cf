//! The rows of a page as data: columns in JSON, each as short as its values allow.
//!
//! A row is a path with one of its entries, and a directory comes before all that is in it. `names` has the last part of each path,
//! with a slash between two: no name has one. An empty name is the path of the row before, again. A byte that is no
//! UTF-8 is the surrogate U+DC80 to U+DCFF, which no text has, so that each name can be told from all others.
//! `groups` and `modes` are runs: a value and how often it follows. `sizes` has one for each `f` and `b`.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::runtime::budget::{Budget, OverBudget};
use crate::types::secret::redact;
use crate::types::shown::is_active;

/// A row.
#[derive(Clone, Debug)]
pub(super) struct PageRow<'a> {
    pub(super) depth: usize,
    /// The last part of its path; `None` for the path of the row before.
    pub(super) name: Option<&'a [u8]>,
    /// A letter: `f` for a regular file, `b` for a hard link that its bytes are counted at; see `KINDS` in
    /// `templates/picture.js`. In capitals if no container sees it.
    pub(super) kind: u8,
    /// The number of its group: the layer, or the kind of change.
    pub(super) group: u32,
    /// Of an `f` or a `b`.
    pub(super) size: Option<u64>,
    /// The number of its permissions and owner.
    pub(super) mode: u32,
    /// More about it.
    pub(super) note: Option<String>,
}

/// A column of numbers that seldom change: pairs of a value and how often it follows.
#[derive(Debug, Default)]
struct ValueRuns {
    text: Vec<u8>,
    run: Option<(u32, u64)>,
}

impl ValueRuns {
    fn push(&mut self, value: u32) {
        match &mut self.run {
            Some((last, count)) if *last == value => *count += 1,
            _ => {
                self.end();
                self.run = Some((value, 1));
            }
        }
    }

    fn end(&mut self) {
        if let Some((value, count)) = self.run.take() {
            comma(&mut self.text);
            push_number(&mut self.text, u64::from(value));
            comma(&mut self.text);
            push_number(&mut self.text, count);
        }
    }
}

/// The columns.
#[derive(Debug)]
pub(super) struct PageRows {
    count: u64,
    names: Vec<u8>,
    depths: Vec<u8>,
    kinds: Vec<u8>,
    groups: ValueRuns,
    sizes: Vec<u8>,
    modes: ValueRuns,
    /// Pairs: how many rows after the last one with a note, and the number of the text.
    notes: Vec<u8>,
    noted: u64,
    texts: BTreeMap<String, u64>,
    budget: Budget,
}

/// Bytes of a row beside its name and note, twice: they are put together into a page at the end.
const ROW: usize = 2 * 40;

impl PageRows {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            count: 0,
            names: Vec::new(),
            depths: Vec::new(),
            kinds: Vec::new(),
            groups: ValueRuns::default(),
            sizes: Vec::new(),
            modes: ValueRuns::default(),
            notes: Vec::new(),
            noted: 0,
            texts: BTreeMap::new(),
            budget: budget.clone(),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the page becomes too much.
    pub(super) fn push(&mut self, row: PageRow<'_>) -> Result<(), OverBudget> {
        if self.count > 0 {
            self.names.push(b'/');
            self.depths.push(b',');
        }
        let before = self.names.len();
        if let Some(name) = row.name {
            push_name(&mut self.names, name);
        }
        self.budget.keep(ROW + 2 * (self.names.len() - before))?;
        push_number(&mut self.depths, row.depth as u64);
        self.kinds.push(row.kind);
        self.groups.push(row.group);
        self.modes.push(row.mode);
        if let Some(size) = row.size {
            comma(&mut self.sizes);
            push_number(&mut self.sizes, size);
        }
        if let Some(note) = row.note {
            self.note(note)?;
        }
        self.count += 1;
        Ok(())
    }

    fn note(&mut self, note: String) -> Result<(), OverBudget> {
        comma(&mut self.notes);
        push_number(&mut self.notes, self.count - self.noted);
        self.noted = self.count;
        let next = self.texts.len() as u64;
        // As text in the tree and in the page, where a character can take six bytes.
        self.budget.keep(if self.texts.contains_key(&note) { 0 } else { 200 + 13 * note.len() })?;
        let number = *self.texts.entry(note).or_insert(next);
        self.notes.push(b',');
        push_number(&mut self.notes, number);
        Ok(())
    }

    /// How many rows there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Writes the columns as JSON after `head`, the fields of an object without its braces.
    pub(super) fn write(mut self, head: &str, page: &mut Vec<u8>) {
        self.groups.end();
        self.modes.end();
        let mut texts = vec![""; self.texts.len()];
        for (text, number) in &self.texts {
            texts[*number as usize] = text;
        }
        page.extend_from_slice(b"{");
        page.extend_from_slice(head.as_bytes());
        for (name, column, marks) in [
            ("names", &self.names, ["\"", "\""]),
            ("kinds", &self.kinds, ["\"", "\""]),
            ("depths", &self.depths, ["[", "]"]),
            ("groups", &self.groups.text, ["[", "]"]),
            ("modes", &self.modes.text, ["[", "]"]),
            ("sizes", &self.sizes, ["[", "]"]),
            ("notes", &self.notes, ["[", "]"]),
        ] {
            // Writing to a vector cannot fail.
            let _ = write!(page, ",\n\"{name}\":{}", marks[0]);
            page.extend_from_slice(column);
            page.extend_from_slice(marks[1].as_bytes());
        }
        page.extend_from_slice(b",\n\"texts\":[");
        for (number, text) in texts.into_iter().enumerate() {
            if number > 0 {
                page.push(b',');
            }
            push_string(page, text);
        }
        page.extend_from_slice(b"]}");
    }
}

fn comma(column: &mut Vec<u8>) {
    if !column.is_empty() {
        column.push(b',');
    }
}

fn push_number(column: &mut Vec<u8>, number: u64) {
    // Writing to a vector cannot fail.
    let _ = write!(column, "{number}");
}

/// A string of JSON for a script's data: without secrets, and with nothing that ends the element or acts on a reader of the source.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_text(out, &redact(text));
    out.push(b'"');
}

/// A name between two slashes.
fn push_name(out: &mut Vec<u8>, name: &[u8]) {
    for chunk in name.utf8_chunks() {
        if !chunk.valid().is_empty() {
            push_text(out, &redact(chunk.valid()));
        }
        for byte in chunk.invalid() {
            push_unit(out, 0xdc00 | u16::from(*byte));
        }
    }
}

/// A code unit of UTF-16, escaped.
fn push_unit(out: &mut Vec<u8>, unit: u16) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |shift: u16| DIGITS[usize::from((unit >> shift) & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut units = [0; 2];
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            // No end of the element, no comment in it, no command to a system that reads logs.
            '<' | '>' | '&' | '#' => push_unit(out, character as u16),
            character if is_active(character) => {
                for unit in character.encode_utf16(&mut units) {
                    push_unit(out, *unit);
                }
            }
            character => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
