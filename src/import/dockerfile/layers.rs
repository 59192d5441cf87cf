//! The rows of one copy as layers. A layer has one thing at a place; of two files that a copy puts there, Docker keeps the last.

use super::super::draft::DraftFiles;
use super::super::remark::Remark;
use super::super::setting::shortened;
use super::copy::{file_name, in_project, join};
use super::ignore::matches;
use super::project::ProjectView;

/// The most layers of one copy.
const MOST: usize = 8;

/// Rows as layers, bottom first. Those of a source that may bring a file of another source stand in a layer above it.
pub(super) fn layers_of(
    sources: &[Vec<DraftFiles>],
    line: usize,
    project: &ProjectView<'_>,
    remarks: &mut Vec<Remark>,
) -> Vec<Vec<DraftFiles>> {
    let places: Vec<Option<String>> = sources.iter().map(|rows| place_of_file(rows, project)).collect();
    let mut layers: Vec<Vec<DraftFiles>> = Vec::new();
    // The sources in the last layer, by their numbers.
    let mut together: Vec<usize> = Vec::new();
    for (own, rows) in sources.iter().enumerate() {
        let later = places.get(own + 1..).unwrap_or_default();
        if places[own].is_some() && later.contains(&places[own]) {
            let text = format!(
                "`{}` is replaced by a later file of this copy at the same place, as in Docker",
                shortened(&rows[0].from)
            );
            remarks.push(Remark::check(line, text));
            continue;
        }
        let is_apart = |other: &usize| {
            project.step(1)
                && may_share(
                    (&sources[*other], places[*other].as_deref()),
                    (rows, places[own].as_deref()),
                    project,
                )
        };
        let begins = layers.len() < MOST && together.iter().any(is_apart);
        match layers.last_mut().filter(|_| !begins) {
            Some(layer) => layer.extend(rows.iter().cloned()),
            None => {
                layers.push(rows.clone());
                together.clear();
            }
        }
        together.push(own);
    }
    layers
}

/// The place of a source that is one file.
fn place_of_file(rows: &[DraftFiles], project: &ProjectView<'_>) -> Option<String> {
    let [row] = rows else { return None };
    let is_many = !row.include.is_empty() || !row.exclude.is_empty() || project.is_directory(&row.from);
    match row.to.strip_suffix('/') {
        _ if is_many => None,
        Some(directory) => Some(join(directory, file_name(&row.from))),
        None => Some(row.to.clone()),
    }
}

/// Whether two sources may bring a file to one place: two directories, or a file and a directory or pattern that has it.
fn may_share(
    one: (&[DraftFiles], Option<&str>),
    other: (&[DraftFiles], Option<&str>),
    project: &ProjectView<'_>,
) -> bool {
    match (one, other) {
        ((_, Some(_)), (_, Some(_))) => false,
        (([one], None), ([other], None)) => {
            let is_whole = |row: &DraftFiles| row.include.is_empty() && project.is_directory(&row.from);
            one.to == other.to && is_whole(one) && is_whole(other)
        }
        ((rows, None), (_, Some(file))) | ((_, Some(file)), (rows, None)) => {
            rows.first().is_some_and(|row| brings(row, file, project))
        }
        ((_, None), (_, None)) => false,
    }
}

/// Whether a row of several files brings one to a place.
fn brings(row: &DraftFiles, place: &str, project: &ProjectView<'_>) -> bool {
    let relative = place.strip_prefix(row.to.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    relative.is_some_and(|name| {
        let is_taken = row.include.is_empty() || row.include.iter().any(|pattern| matches(pattern, name));
        is_taken && project.kind(&in_project(&join(&row.from, name))).is_some()
    })
}
