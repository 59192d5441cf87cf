//! The page around the rows: facts, tables that need no script, and the policy.

use std::fmt;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::format::{bytes, count, printable};
use super::rows::{PageRows, push_string};
use crate::types::digest::Digest;

/// The script of the page.
const SCRIPT: &str = include_str!("../../../templates/picture.js");
/// The style: that of all pages, and what only this one has.
const STYLE: &str =
    concat!(include_str!("../../../templates/timings.css"), include_str!("../../../templates/picture.css"));
/// Where the data stands in the template.
const DATA: &str = "%DATA%";
/// Pixels of a bar in a table.
const BAR: u64 = 96;

/// The part of an image that a group belongs to, as the page draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupClass {
    Base,
    Added,
    Removed,
    Changed,
    Other,
}

impl GroupClass {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Other => "other",
        }
    }
}

/// A group of rows: a layer, or a kind of change.
#[derive(Clone, Debug)]
pub(super) struct PageGroup {
    pub(super) label: String,
    pub(super) class: GroupClass,
}

/// The parts of a page.
pub(super) struct PageParts<'a> {
    pub(super) title: &'static str,
    pub(super) subjects: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    /// The meaning of an area of the map.
    pub(super) area: &'static str,
    /// The heading of the column with the groups.
    pub(super) group: &'static str,
    pub(super) groups: Vec<PageGroup>,
    /// The table whose rows choose a group.
    pub(super) chooser: PageTable,
    pub(super) tables: Vec<PageTable>,
    pub(super) modes: Vec<String>,
    pub(super) rows: PageRows,
    pub(super) name: &'a str,
}

/// A table that is there without a script, too.
#[derive(Debug, Default)]
pub(super) struct PageTable {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) columns: Vec<TableColumn>,
    pub(super) rows: Vec<TableRow>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableColumn {
    pub(super) name: &'static str,
    pub(super) is_number: bool,
}

/// A row of a table.
#[derive(Debug, Default)]
pub(super) struct TableRow {
    /// The group that a click chooses.
    pub(super) group: Option<usize>,
    pub(super) cells: Vec<TableCell>,
}

/// A cell of a table.
#[derive(Debug)]
pub(super) struct TableCell {
    text: PageText,
    /// Pixels of a bar.
    bar: Option<u64>,
}

impl TableCell {
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        Self { text: PageText::of(text.as_ref()), bar: None }
    }

    /// An amount of bytes, with a bar for its part of `all`.
    pub(super) fn share(amount: u64, all: u64) -> Self {
        let part = u128::from(amount) * u128::from(BAR);
        let bar = part.checked_div(u128::from(all)).and_then(|part| u64::try_from(part).ok());
        Self { text: PageText::of(&bytes(amount)), bar: Some(bar.unwrap_or(0).min(BAR)) }
    }
}

/// Columns by name; those whose name begins with `#` have numbers.
pub(super) fn columns(names: &[&'static str]) -> Vec<TableColumn> {
    let column = |name: &&'static str| match name.strip_prefix('#') {
        Some(name) => TableColumn { name, is_number: true },
        None => TableColumn { name, is_number: false },
    };
    names.iter().map(column).collect()
}

/// Text of others as it is shown; the template escapes markup.
#[derive(Debug)]
struct PageText(String);

impl PageText {
    fn of(text: &str) -> Self {
        Self(printable(text).into_owned())
    }
}

impl fmt::Display for PageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A figure of the whole.
struct PageFact {
    name: &'static str,
    value: PageText,
}

/// The values of the template.
#[derive(Template)]
#[template(path = "picture.html")]
struct PictureTemplate<'a> {
    policy: String,
    title: &'a str,
    name: PageText,
    subjects: Vec<PageText>,
    facts: Vec<PageFact>,
    area: &'a str,
    chooser: &'a PageTable,
    tables: &'a [PageTable],
    rows: String,
    style: &'static str,
    script: &'static str,
    data: &'static str,
}

/// The page.
///
/// # Errors
/// None but one of the formatter, and a `String` has room.
pub(super) fn page(parts: PageParts<'_>) -> Result<Vec<u8>, fmt::Error> {
    let fact = |(name, value): (&'static str, String)| PageFact { name, value: PageText::of(&value) };
    let text = PictureTemplate {
        policy: policy(),
        title: parts.title,
        name: PageText::of(parts.name),
        subjects: parts.subjects.iter().map(|subject| PageText::of(subject)).collect(),
        facts: parts.facts.into_iter().map(fact).collect(),
        area: parts.area,
        chooser: &parts.chooser,
        tables: &parts.tables,
        rows: count(parts.rows.count(), "row"),
        style: STYLE,
        script: SCRIPT,
        data: DATA,
    }
    .render()
    .map_err(|_| fmt::Error)?;
    // Text of others comes before the data and after it, and may have the mark in it: it is the one in the element.
    let mark = format!("type=\"application/json\">{DATA}</script>");
    let at = text.find(&mark).ok_or(fmt::Error)? + mark.len() - DATA.len() - "</script>".len();
    let mut page = text.as_bytes()[..at].to_vec();
    parts.rows.write(&head(parts.group, &parts.groups, &parts.modes), &mut page);
    page.extend_from_slice(&text.as_bytes()[at + DATA.len()..]);
    page.push(b'\n');
    Ok(page)
}

/// The fields of the data that are no columns.
fn head(group: &str, groups: &[PageGroup], modes: &[String]) -> String {
    let mut head = b"\"group\":".to_vec();
    push_string(&mut head, group);
    for (name, texts) in [
        ("labels", groups.iter().map(|group| group.label.as_str()).collect::<Vec<_>>()),
        ("classes", groups.iter().map(|group| group.class.as_str()).collect()),
        ("modeTexts", modes.iter().map(String::as_str).collect()),
    ] {
        head.extend_from_slice(format!(",\n\"{name}\":[").as_bytes());
        for (at, text) in texts.into_iter().enumerate() {
            if at > 0 {
                head.push(b',');
            }
            push_string(&mut head, text);
        }
        head.push(b']');
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// This script and this style, and nothing else: no other script, no request, no form.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Digest::of(text.as_bytes()).as_bytes()));
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}
