//! The page of one image: its layers as a map, the files of each, and what later layers cover.

use super::super::error::{CommandError, ExitStatus};
use super::super::format::{bytes, count, number};
use super::super::view::LayerOrigin;
use super::super::view::inspect::ImageView;
use super::largest::{Largest, WalkedPath};
use super::page::{GroupClass, PageGroup, PageParts, PageTable, TableCell, TableRow, columns, page};
use super::rows::{PageRow, PageRows};
use crate::inspect::files::{EntryState, FileEntry, FileKind, FileRow, ImageFiles, LayerTotals, PathTotals};
use crate::runtime::budget::OverBudget;
use crate::types::error_code::ErrorCode;

/// Rows of a table of the largest.
const MOST: usize = 30;
/// How deep directories are that are in a table.
const DEEP: usize = 3;

/// The page of `image`, which is at `place`.
///
/// # Errors
/// When the image has more files than a page is made of.
pub fn image_page(view: &ImageView, place: &str, files: &ImageFiles) -> Result<Vec<u8>, CommandError> {
    let paths = files.path_totals().map_err(|error| over(&error))?;
    let layers = files.layer_totals();
    let mut rows = PageRows::new(files.budget());
    let mut tables = LargestTables::new();
    files
        .each_row(|row| {
            tables.take(&row, &paths);
            rows.push(page_row(&row))
        })
        .map_err(|error| over(&error))?;
    let mode =
        |mode: &crate::inspect::files::FileMode| format!("{:04o} {}:{}", mode.mode, mode.uid, mode.gid);
    let parts = PageParts {
        title: "Files of an image",
        name: &view.name,
        subjects: vec![place.to_owned(), view.digest.to_string()],
        facts: facts(view, &layers, &paths[0]),
        area: "Each block is a layer, and in it are its directories and files. An area is an amount of bytes, unpacked.",
        group: "layer",
        groups: view.layers.iter().enumerate().map(|(at, layer)| group(at, layer.origin)).collect(),
        chooser: layer_table(view, &layers),
        tables: tables.finish(),
        modes: files.modes().iter().map(mode).collect(),
        rows,
    };
    page(parts)
        .map_err(|error| CommandError::from_error(ExitStatus::Bug, &error).context("the page cannot be made"))
}

fn over(error: &OverBudget) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error)
        .coded(ErrorCode::LimitReached)
        .hint("`pack inspect` without `--html` and `--tree` reads no layer")
}

fn group(at: usize, origin: Option<LayerOrigin>) -> PageGroup {
    let class = match origin {
        Some(LayerOrigin::Base) => GroupClass::Base,
        Some(LayerOrigin::Added) => GroupClass::Added,
        None => GroupClass::Other,
    };
    PageGroup { label: format!("layer {}", at + 1), class }
}

fn facts(view: &ImageView, layers: &[LayerTotals], root: &PathTotals) -> Vec<(&'static str, String)> {
    let bytes_of_layers = layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.bytes));
    let share = (u128::from(root.covered_bytes) * 1000).checked_div(u128::from(bytes_of_layers)).unwrap_or(0);
    let mut facts = Vec::new();
    if let Some(platform) = &view.platform {
        facts.push(("platform", platform.to_string()));
    }
    facts.extend([
        ("layers", number(view.layers.len() as u64)),
        ("as blobs", bytes(view.size)),
        ("unpacked", bytes(bytes_of_layers)),
        ("files in a container", format!("{}, {}", number(root.files), bytes(root.bytes))),
        (
            "covered by later layers",
            format!("{}, {}.{} %", bytes(root.covered_bytes), share / 10, share % 10),
        ),
    ]);
    facts
}

fn layer_table(view: &ImageView, layers: &[LayerTotals]) -> PageTable {
    let most = layers.iter().map(|layer| layer.bytes).max().unwrap_or(0);
    let row =
        |(at, (layer, totals)): (usize, (&super::super::view::inspect::LayerView, &LayerTotals))| TableRow {
            group: Some(at),
            cells: vec![
                TableCell::text(number(at as u64 + 1)),
                TableCell::text(layer.origin.map(LayerOrigin::as_str).unwrap_or_default()),
                TableCell::text(layer.digest.short()),
                TableCell::text(bytes(layer.size)),
                TableCell::share(totals.bytes, most),
                TableCell::text(number(totals.files)),
                TableCell::text(match totals.covered_files {
                    0 => String::new(),
                    covered => format!("{} in {}", bytes(totals.covered_bytes), count(covered, "file")),
                }),
                TableCell::text(layer.created_by.as_deref().unwrap_or_default()),
            ],
        };
    PageTable {
        title: "Layers, bottom first".to_owned(),
        text: "Covered is what a later layer replaces or removes: it is stored and sent, and no container sees it.".to_owned(),
        columns: columns(&["#layer", "part", "digest", "#blob", "#unpacked", "#files", "#covered", "created by"]),
        rows: view.layers.iter().zip(layers).enumerate().map(row).collect(),
    }
}

/// The row of a page for a row of the list.
fn page_row<'a>(row: &FileRow<'a>) -> PageRow<'a> {
    let name: &[u8] = if row.depth == 0 { b"." } else { row.name };
    let name = (!row.is_again).then_some(name);
    let Some(entry) = row.entry else {
        return PageRow { depth: row.depth, name, kind: b'i', group: 0, size: None, mode: 0, note: None };
    };
    PageRow {
        depth: row.depth,
        name,
        kind: letter(entry),
        group: entry.layer - 1,
        size: (entry.kind == FileKind::Regular || entry.has_bytes).then_some(entry.size),
        mode: entry.mode,
        note: note(entry),
    }
}

fn letter(entry: &FileEntry) -> u8 {
    let letter = match entry.kind {
        FileKind::Regular => b'f',
        FileKind::Directory => b'd',
        FileKind::Symlink => b'l',
        FileKind::HardLink if entry.has_bytes => b'b',
        FileKind::HardLink => b'h',
        FileKind::Special => b's',
        FileKind::Whiteout => b'w',
        FileKind::Opaque => b'o',
    };
    // A directory that a later layer has again is the same directory.
    let is_covered = match entry.state {
        EntryState::Seen => false,
        EntryState::Replaced(_) => entry.kind != FileKind::Directory,
        EntryState::Removed(_) => true,
    };
    if is_covered { letter.to_ascii_uppercase() } else { letter }
}

/// The target of a link, and the layer that covers an entry.
fn note(entry: &FileEntry) -> Option<String> {
    let target = entry.link.as_deref().map(String::from_utf8_lossy);
    let link = target.map(|target| match entry.kind {
        FileKind::HardLink => format!("is /{}", target.trim_start_matches("./").trim_start_matches('/')),
        _ => format!("→ {target}"),
    });
    let state = match entry.state {
        EntryState::Replaced(layer) if layer == entry.layer => Some(format!("again in layer {layer} itself")),
        EntryState::Replaced(_) if entry.kind == FileKind::Directory => None,
        EntryState::Replaced(layer) => Some(format!("replaced in layer {layer}")),
        EntryState::Removed(layer) => Some(format!("removed in layer {layer}")),
        EntryState::Seen => None,
    };
    let elsewhere = (entry.kind == FileKind::Regular && !entry.has_bytes)
        .then(|| "still there by another name".to_owned());
    let parts: Vec<String> = link.into_iter().chain(state).chain(elsewhere).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The tables of the largest files, covered files and directories.
struct LargestTables {
    path: WalkedPath,
    files: Largest<[String; 2]>,
    covered: Largest<[String; 3]>,
    directories: Largest<[String; 3]>,
}

impl LargestTables {
    const fn new() -> Self {
        Self {
            path: WalkedPath::new(),
            files: Largest::new(MOST),
            covered: Largest::new(MOST),
            directories: Largest::new(MOST),
        }
    }

    fn take(&mut self, row: &FileRow<'_>, paths: &[PathTotals]) {
        if !row.is_again {
            self.path.enter(row.depth, row.name);
        }
        let Self { path, files, covered, directories } = self;
        let totals = &paths[row.path];
        let is_directory = row.entry.is_none_or(|entry| entry.kind == FileKind::Directory);
        if is_directory && !row.is_again && (1..=DEEP).contains(&row.depth) {
            directories.offer(totals.bytes, || [path.text(), number(totals.files), layers_of(totals)]);
        }
        let Some(entry) = row.entry.filter(|entry| entry.has_bytes) else { return };
        match entry.state {
            EntryState::Seen => files.offer(entry.size, || [path.text(), entry.layer.to_string()]),
            EntryState::Replaced(by) | EntryState::Removed(by) => covered.offer(entry.size, || {
                let verb = if matches!(entry.state, EntryState::Removed(_)) { "removes" } else { "replaces" };
                [path.text(), entry.layer.to_string(), format!("layer {by} {verb} it")]
            }),
        }
    }

    fn finish(self) -> Vec<PageTable> {
        let directories =
            table("Largest directories", &["#bytes", "directory", "#files", "#layers"], self.directories);
        let files = table("Largest files", &["#bytes", "file", "#layer"], self.files);
        let covered =
            table("Largest covered files", &["#bytes", "file", "#layer", "covered by"], self.covered);
        [covered, directories, files].into_iter().flatten().collect()
    }
}

/// The layers with something below a path, as `3` or `1-3`.
pub(super) fn layers_of(totals: &PathTotals) -> String {
    match totals.layers {
        (0, _) => String::new(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    }
}

fn table<const N: usize>(
    title: &str,
    names: &[&'static str],
    items: Largest<[String; N]>,
) -> Option<PageTable> {
    let items = items.into_items();
    let most = items.first()?.0;
    let row = |(size, texts): (u64, [String; N])| TableRow {
        group: None,
        cells: std::iter::once(TableCell::share(size, most))
            .chain(texts.iter().map(TableCell::text))
            .collect(),
    };
    Some(PageTable {
        title: title.to_owned(),
        text: String::new(),
        columns: columns(names),
        rows: items.into_iter().map(row).collect(),
    })
}
