//! The page of two images: what changed between them, and what a pull of the second fetches where the first is.

use std::collections::BTreeSet;

use super::super::error::{CommandError, ExitStatus};
use super::super::format::{bytes, count, number};
use super::largest::{Largest, WalkedPath};
use super::page::{GroupClass, PageGroup, PageParts, PageTable, TableCell, TableRow, columns, page};
use super::rows::{PageRow, PageRows};
use crate::inspect::diff::{
    ChangeKind, FieldDifference, ImageComparison, ImageDiff, LayerDiff, LayerRef, PathDifference, Relation,
};
use crate::runtime::budget::{Budget, OverBudget};
use crate::types::digest::Digest;
use crate::types::error_code::ErrorCode;
use crate::types::shown::excerpt;

/// Bytes that a page may take beside the comparison.
const MAX_KEPT: u64 = 96 << 20;
/// Rows of a table at most.
const MOST: usize = 30;
/// Fields of documents at most.
const FIELDS: usize = 200;
/// Characters of a note.
const NOTE: usize = 400;

/// The page of a comparison.
///
/// # Errors
/// When there are more differences than a page is made of.
pub fn difference_page(report: &ImageComparison) -> Result<Vec<u8>, CommandError> {
    let budget = Budget::new("the page of the differences", MAX_KEPT, 1 << 30);
    let mut rows = PageRows::new(&budget);
    let tally = push_images(&report.images, &mut rows, &budget).map_err(|error: OverBudget| {
        CommandError::from_error(ExitStatus::Input, &error)
            .coded(ErrorCode::LimitReached)
            .hint("`--platform` compares the images of one platform alone")
    })?;
    let mut tables: Vec<PageTable> = Vec::new();
    tables.extend(pull_table(report));
    tables.extend(report.images.iter().map(|image| layer_table(report, image)));
    let (facts, groups, chooser) = (facts(report, &tally), tally.groups(), tally.table());
    tables.extend(tally.largest());
    tables.extend(field_table(report));
    let parts = PageParts {
        title: "Differences of two images",
        name: &format!("{} and {}", report.a.name, report.b.name),
        subjects: vec![
            format!("A  {}  {}", report.a.name, report.a.digest),
            format!("B  {}  {}", report.b.name, report.b.digest),
        ],
        facts,
        area: "Each block is a kind of change, and in it are the directories and files. An area is an amount of bytes: \
               in B, or in A of what is removed.",
        group: "change",
        groups,
        chooser,
        tables,
        modes: Vec::new(),
        rows,
    };
    page(parts)
        .map_err(|error| CommandError::from_error(ExitStatus::Bug, &error).context("the page cannot be made"))
}

/// The changes of each kind in figures.
struct ChangeTally {
    counts: [(u64, u64); 3],
    largest: Largest<[String; 2]>,
}

/// The groups of a page, in their order.
const CHANGES: [(ChangeKind, &str, GroupClass); 3] = [
    (ChangeKind::Added, "+ added", GroupClass::Added),
    (ChangeKind::Removed, "- removed", GroupClass::Removed),
    (ChangeKind::Changed, "~ changed", GroupClass::Changed),
];

impl ChangeTally {
    fn groups(&self) -> Vec<PageGroup> {
        CHANGES.map(|(_, label, class)| PageGroup { label: label.to_owned(), class }).into()
    }

    fn table(&self) -> PageTable {
        let most = self.counts.iter().map(|count| count.1).max().unwrap_or(0);
        let row = |(at, (_, label, _)): (usize, &(ChangeKind, &str, GroupClass))| TableRow {
            group: Some(at),
            cells: vec![
                TableCell::text(label),
                TableCell::text(number(self.counts[at].0)),
                TableCell::share(self.counts[at].1, most),
            ],
        };
        PageTable {
            title: "Changes that a container sees".to_owned(),
            text: String::new(),
            columns: columns(&["change", "#paths", "#bytes"]),
            rows: CHANGES.iter().enumerate().map(row).collect(),
        }
    }

    fn largest(self) -> Option<PageTable> {
        let items = self.largest.into_items();
        let most = items.first()?.0;
        let row = |(size, [path, change]): (u64, [String; 2])| TableRow {
            group: None,
            cells: vec![TableCell::share(size, most), TableCell::text(path), TableCell::text(change)],
        };
        Some(PageTable {
            title: "Largest changed files".to_owned(),
            text: String::new(),
            columns: columns(&["#bytes", "file", "change"]),
            rows: items.into_iter().map(row).collect(),
        })
    }
}

/// A path that differs, as bytes.
struct DifferingPath<'a> {
    bytes: Vec<u8>,
    change: &'a PathDifference,
}

fn push_images(
    images: &[ImageDiff],
    rows: &mut PageRows,
    budget: &Budget,
) -> Result<ChangeTally, OverBudget> {
    let mut tally = ChangeTally { counts: [(0, 0); 3], largest: Largest::new(MOST) };
    rows.push(directory(0, b"."))?;
    for image in images {
        // With several platforms each is a directory at the top.
        let top = image.platform.as_ref().filter(|_| images.len() > 1).map(|name| name.replace('/', " "));
        if let Some(top) = &top {
            rows.push(directory(1, top.as_bytes()))?;
        }
        let mut paths = Vec::new();
        for change in &image.files {
            let bytes = bytes_of(change);
            budget.keep(size_of::<DifferingPath<'_>>() + 24 + bytes.len())?;
            paths.push(DifferingPath { bytes, change });
        }
        // A directory comes before all that is in it, which the order of bytes alone does not give.
        let key = |path: &DifferingPath<'_>| {
            path.bytes.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect::<Vec<u8>>()
        };
        paths.sort_by_cached_key(key);
        push_paths(&paths, usize::from(top.is_some()), rows, &mut tally)?;
    }
    Ok(tally)
}

fn push_paths(
    paths: &[DifferingPath<'_>],
    above: usize,
    rows: &mut PageRows,
    tally: &mut ChangeTally,
) -> Result<(), OverBudget> {
    let mut walked = WalkedPath::new();
    let mut last: Vec<&[u8]> = Vec::new();
    walked.enter(0, b"");
    for path in paths {
        let parts: Vec<&[u8]> =
            path.bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
        let common = parts.iter().zip(&last).take_while(|(one, other)| one == other).count();
        let Some((name, directories)) = parts.split_last() else {
            // The root itself.
            rows.push(PageRow { name: None, ..changed(path.change, 0, b"") })?;
            tally.count(path.change, &walked);
            continue;
        };
        for (depth, part) in directories.iter().enumerate().skip(common) {
            rows.push(directory(above + depth + 1, part))?;
            walked.enter(depth + 1, part);
        }
        walked.enter(parts.len(), name);
        rows.push(changed(path.change, above + parts.len(), name))?;
        tally.count(path.change, &walked);
        last = parts;
    }
    Ok(())
}

impl ChangeTally {
    fn count(&mut self, change: &PathDifference, path: &WalkedPath) {
        let at = group_of(change.change);
        let size = change.size.unwrap_or(0);
        self.counts[at].0 += 1;
        self.counts[at].1 = self.counts[at].1.saturating_add(size);
        self.largest.offer(size, || [path.text(), CHANGES[at].1.to_owned()]);
    }
}

fn group_of(kind: ChangeKind) -> usize {
    CHANGES.iter().position(|(change, ..)| *change == kind).unwrap_or(0)
}

const fn directory(depth: usize, name: &[u8]) -> PageRow<'_> {
    PageRow { depth, name: Some(name), kind: b'i', group: 0, size: None, mode: 0, note: None }
}

fn changed<'a>(change: &PathDifference, depth: usize, name: &'a [u8]) -> PageRow<'a> {
    let kind = match change.kind.as_deref() {
        Some("file") => b'f',
        Some("directory") => b'd',
        Some("symbolic link") => b'l',
        Some("hard link") => b'h',
        _ => b's',
    };
    let size = (kind == b'f').then(|| change.size.unwrap_or(0));
    let doubt = change.uncertain.then(|| "not certain: a shared layer may have it, too".to_owned());
    let notes: Vec<String> = doubt.into_iter().chain(change.fields.iter().map(ToString::to_string)).collect();
    let note = (!notes.is_empty()).then(|| excerpt(&notes.join("; "), NOTE));
    PageRow { depth, name: Some(name), kind, group: group_of(change.change) as u32, size, mode: 0, note }
}

/// The path as it is in the image.
fn bytes_of(change: &PathDifference) -> Vec<u8> {
    let Some(hex) = &change.path.bytes else { return change.path.text.clone().into_bytes() };
    let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0) as u8;
    hex.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, next| (byte << 4) | digit(next))).collect()
}

fn facts(report: &ImageComparison, tally: &ChangeTally) -> Vec<(&'static str, String)> {
    let paths = tally.counts.iter().map(|count| count.0).sum();
    let fetched = fetched(report);
    let size = fetched.iter().fold(0_u64, |sum, (_, layer)| sum.saturating_add(layer.size));
    let uncertain =
        report.images.iter().flat_map(|image| &image.files).filter(|change| change.uncertain).count();
    let mut facts = vec![
        ("paths that differ", number(paths)),
        ("a pull of B fetches", format!("{}, {}", count(fetched.len() as u64, "layer"), bytes(size))),
    ];
    if let Some(first) = &report.first {
        facts.push(("first difference", excerpt(first, NOTE)));
    }
    if uncertain > 0 {
        facts.push(("not certain", format!("{}: `--full` reads all layers", number(uncertain as u64))));
    }
    if report.equal {
        facts.push(("result", "the images are the same".to_owned()));
    }
    facts
}

/// The layers of B that are no layers of A, each once, with their platform.
fn fetched(report: &ImageComparison) -> Vec<(Option<&str>, &LayerRef)> {
    let of = |pick: fn(&LayerDiff) -> Option<&LayerRef>| {
        report.images.iter().flat_map(move |image| {
            let layers = image.layers.iter().filter_map(pick);
            layers.map(move |layer| (image.platform.as_deref(), layer))
        })
    };
    let mut known: BTreeSet<Digest> = of(|layer| layer.a.as_ref()).map(|(_, layer)| layer.digest).collect();
    of(|layer| layer.b.as_ref()).filter(|(_, layer)| known.insert(layer.digest)).collect()
}

fn pull_table(report: &ImageComparison) -> Option<PageTable> {
    let fetched = fetched(report);
    let most = fetched.iter().map(|(_, layer)| layer.size).max()?;
    let row = |(platform, layer): &(Option<&str>, &LayerRef)| TableRow {
        group: None,
        cells: vec![
            TableCell::text(layer.number.to_string()),
            TableCell::text(layer.digest.short()),
            TableCell::text(layer.compression),
            TableCell::share(layer.size, most),
            TableCell::text(platform.filter(|_| report.images.len() > 1).unwrap_or_default()),
        ],
    };
    Some(PageTable {
        title: "Fetched by a pull of B where A is".to_owned(),
        text: "The layers of B whose blobs A does not have. The manifest and the configuration are fetched, too.".to_owned(),
        columns: columns(&["#layer of B", "digest", "compression", "#blob", "platform"]),
        rows: fetched.iter().map(row).collect(),
    })
}

fn layer_table(report: &ImageComparison, image: &ImageDiff) -> PageTable {
    let cell = |layer: &Option<LayerRef>| match layer {
        Some(layer) => format!("{}  {}  {}", layer.number, layer.digest.short(), bytes(layer.size)),
        None => String::new(),
    };
    let row = |pair: &LayerDiff| {
        let relation = match pair.relation {
            Relation::Shared => "= the same blob".to_owned(),
            Relation::Compression => "~ the same files, compressed in another way".to_owned(),
            Relation::Changed => format!("~ {} differ", count(pair.entries.len() as u64, "entry")),
            Relation::OnlyInA => "- only in A".to_owned(),
            Relation::OnlyInB => "+ only in B".to_owned(),
        };
        let first = excerpt(pair.first.as_deref().unwrap_or_default(), NOTE);
        TableRow {
            group: None,
            cells: vec![
                TableCell::text(cell(&pair.a)),
                TableCell::text(cell(&pair.b)),
                TableCell::text(relation),
                TableCell::text(first),
            ],
        }
    };
    let platform = image.platform.as_ref().filter(|_| report.images.len() > 1);
    PageTable {
        title: platform.map_or_else(|| "Layers".to_owned(), |platform| format!("Layers for {platform}")),
        text: String::new(),
        columns: columns(&["A", "B", "relation", "first difference"]),
        rows: image.layers.iter().map(row).collect(),
    }
}

/// The fields in which the documents differ.
fn field_table(report: &ImageComparison) -> Option<PageTable> {
    let named = |name: &'static str, fields: &'_ [FieldDifference]| {
        fields.iter().map(move |field| (name, field.clone())).collect::<Vec<_>>()
    };
    let mut fields = named("index", &report.index);
    for image in &report.images {
        fields.extend(named("manifest", &image.manifest));
        fields.extend(named("configuration", &image.config));
    }
    let more = fields.len().saturating_sub(FIELDS);
    let value = |value: &Option<String>| excerpt(value.as_deref().unwrap_or("(none)"), NOTE);
    let row = |(document, field): &(&str, FieldDifference)| TableRow {
        group: None,
        cells: vec![
            TableCell::text(document),
            TableCell::text(excerpt(&field.name, NOTE)),
            TableCell::text(value(&field.a)),
            TableCell::text(value(&field.b)),
        ],
    };
    (!fields.is_empty()).then(|| PageTable {
        title: "Documents".to_owned(),
        text: if more > 0 { format!("{} more are in `--json`.", number(more as u64)) } else { String::new() },
        columns: columns(&["document", "field", "A", "B"]),
        rows: fields.iter().take(FIELDS).map(row).collect(),
    })
}
