//! The directories of an image as a tree for the terminal: sizes, and the layers that they come from.

use super::super::error::{CommandError, ExitStatus};
use super::super::format::{Column, Screen, Table, bytes, count, printable};
use super::super::view::LayerOrigin;
use super::super::view::inspect::ImageView;
use super::image::layers_of;
use crate::inspect::files::{FileKind, ImageFiles, PathTotals};
use crate::types::error_code::ErrorCode;

/// Names in a directory that are shown, the largest first; a row says what the others come to.
const NAMES: usize = 12;
/// Characters of a bar.
const BAR: u64 = 10;

/// The layers and the tree of directories, at most `depth` of them deep.
///
/// # Errors
/// When the image has too many files.
pub fn directory_tree(
    view: &ImageView,
    files: &ImageFiles,
    depth: usize,
    screen: Option<Screen>,
) -> Result<String, CommandError> {
    let totals = files.path_totals().map_err(|error| {
        CommandError::from_error(ExitStatus::Input, &error).coded(ErrorCode::LimitReached)
    })?;
    let tree = ShownTree { files, totals: &totals, depth };
    Ok(format!("{}\n{}", layers(view, files).render(screen), tree.table().render(screen)))
}

/// A bar for a part of the whole. It says nothing that the figures beside it do not say.
fn bar(part: u64, all: u64) -> String {
    // Rounded up: what is not empty is seen.
    let full = (u128::from(part) * u128::from(BAR)).div_ceil(u128::from(all.max(1)));
    "=".repeat(usize::try_from(full).unwrap_or(0).min(BAR as usize))
}

fn layers(view: &ImageView, files: &ImageFiles) -> Table {
    let mut table = Table::new([
        Column::right("LAYER"),
        Column::left("ORIGIN"),
        Column::right("BLOB"),
        Column::right("UNPACKED"),
        Column::left(""),
        Column::right("COVERED"),
        Column::flexible("CREATED BY"),
    ]);
    let totals = files.layer_totals();
    let most = totals.iter().map(|layer| layer.bytes).max().unwrap_or(0);
    for (at, (layer, totals)) in view.layers.iter().zip(&totals).enumerate() {
        table.row([
            (at + 1).to_string(),
            layer.origin.map(LayerOrigin::as_str).unwrap_or_default().to_owned(),
            bytes(layer.size),
            bytes(totals.bytes),
            bar(totals.bytes, most),
            if totals.covered_files > 0 { bytes(totals.covered_bytes) } else { String::new() },
            layer.created_by.clone().unwrap_or_default(),
        ]);
    }
    table
}

struct ShownTree<'a> {
    files: &'a ImageFiles,
    totals: &'a [PathTotals],
    depth: usize,
}

/// A row that waits for its turn.
enum ShownItem {
    /// A path: its number, how deep it is, and its name.
    Path(usize, usize, String),
    /// The rest of a directory, which is not shown: how deep, how many names, their bytes.
    More(usize, u64, u64),
}

impl ShownTree<'_> {
    fn table(&self) -> Table {
        let mut table = Table::new([
            Column::right("SIZE"),
            Column::left(""),
            Column::right("COVERED"),
            Column::right("LAYERS"),
            Column::flexible("PATH"),
        ]);
        let all = self.totals[0].bytes;
        let mut waiting = vec![ShownItem::Path(0, 0, String::new())];
        while let Some(item) = waiting.pop() {
            match item {
                ShownItem::Path(path, deep, name) => {
                    let totals = &self.totals[path];
                    let covered =
                        if totals.covered_bytes > 0 { bytes(totals.covered_bytes) } else { String::new() };
                    let name = format!("{}{name}{}", indent(deep), self.mark(path));
                    table.row([
                        bytes(totals.bytes),
                        bar(totals.bytes, all),
                        covered,
                        layers_of(totals),
                        name,
                    ]);
                    if deep < self.depth {
                        waiting.extend(self.below(path, deep + 1).into_iter().rev());
                    }
                }
                ShownItem::More(deep, names, size) => {
                    let text = format!("{}… {}", indent(deep), count(names, "more name"));
                    table.row([bytes(size), bar(size, all), String::new(), String::new(), text]);
                }
            }
        }
        table
    }

    /// The names in a directory, the largest first.
    fn below(&self, path: usize, deep: usize) -> Vec<ShownItem> {
        let mut children: Vec<(&[u8], usize)> = self.files.children(path).collect();
        // Equal ones stay in the order of their names.
        children.sort_by_key(|(_, path)| {
            let totals = &self.totals[*path];
            std::cmp::Reverse((totals.bytes, totals.covered_bytes))
        });
        // One more takes no more room than the row which says that there is one.
        let shown = if children.len() == NAMES + 1 { NAMES + 1 } else { children.len().min(NAMES) };
        let rest = &children[shown..];
        let name = |(name, path): &(&[u8], usize)| {
            ShownItem::Path(*path, deep, printable(&String::from_utf8_lossy(name)).into_owned())
        };
        let mut items: Vec<ShownItem> = children[..shown].iter().map(name).collect();
        if !rest.is_empty() {
            let size = rest.iter().fold(0_u64, |sum, (_, path)| sum.saturating_add(self.totals[*path].bytes));
            items.push(ShownItem::More(deep, rest.len() as u64, size));
        }
        items
    }

    /// The sign after a name, as ls(1) has it, and whether the path is removed.
    fn mark(&self, path: usize) -> &'static str {
        let entry = self.files.main_entry(path);
        let is_directory = entry.map_or_else(
            || self.files.children(path).next().is_some() || !self.files.is_removed(path),
            |entry| entry.kind == FileKind::Directory,
        );
        // A later layer may have something in a removed directory without an entry for the directory.
        match (is_directory, self.files.is_removed(path) && self.totals[path].layers.1 == 0) {
            (true, false) => "/",
            (true, true) => "/ (removed)",
            (false, true) => " (removed)",
            (false, false) if entry.is_some_and(|entry| entry.kind == FileKind::Symlink) => "@",
            (false, false) => "",
        }
    }
}

fn indent(deep: usize) -> String {
    "  ".repeat(deep.min(60))
}
