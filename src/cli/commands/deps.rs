//! `pack deps`.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::Serialize;

use super::super::args::DepsArgs;
use super::super::error::CommandError;
use super::super::invocation::Invocation;
use super::request;
use crate::artifact;
use crate::engine::{ReadBase, ReadPath, ReadRole};
use crate::types::shown::shown_path;

/// Lists what a build reads.
///
/// # Errors
/// When there is no build file and no artifact, or a setting is wrong.
pub(super) fn run(invocation: &Invocation, args: &DepsArgs) -> Result<(), CommandError> {
    let reads = request::Described::find(invocation, &args.image)?.reads(invocation, &args.image)?;
    let printer = &invocation.printer;
    if args.files_json {
        let files = reads.files()?;
        printer.json(&files.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>());
    } else if args.format.json {
        let paths = reads.paths.iter().map(DependencyView::of).collect();
        printer.json(&DependenciesView { paths, base: reads.base.as_ref() });
    } else {
        let mut told: Vec<PathBuf> = Vec::new();
        for read in &reads.paths {
            // Other programs do not know our patterns: they get the directory in which a match may appear.
            let before = read.is_pattern.then(|| artifact::before_pattern(&read.path)).flatten();
            let path = before.unwrap_or_else(|| read.path.clone());
            if !told.contains(&path) {
                printer.result(shown_path(&path));
                told.push(path);
            }
        }
    }
    Ok(())
}

/// The paths and the base of a build, as JSON.
#[derive(Serialize)]
struct DependenciesView<'a> {
    paths: Vec<DependencyView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a ReadBase>,
}

/// One path that a build reads.
#[derive(Serialize)]
struct DependencyView<'a> {
    path: Cow<'a, str>,
    kind: DependencyKind,
    role: ReadRole,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    exclude: &'a [String],
}

/// The kind of a path.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum DependencyKind {
    /// A file, which need not be there.
    File,
    /// A directory with all below it.
    Directory,
    /// A pattern, of which one path is read.
    Pattern,
}

impl<'a> DependencyView<'a> {
    fn of(read: &'a ReadPath) -> Self {
        let ReadPath { path, role, is_pattern, tree } = read;
        let kind = match (tree, is_pattern) {
            (Some(_), _) => DependencyKind::Directory,
            (None, true) => DependencyKind::Pattern,
            (None, false) => DependencyKind::File,
        };
        Self {
            path: path.to_string_lossy(),
            kind,
            role: *role,
            include: tree.as_ref().map(|tree| &*tree.include).unwrap_or_default(),
            exclude: tree.as_ref().map(|tree| &*tree.exclude).unwrap_or_default(),
        }
    }
}
