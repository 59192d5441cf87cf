//! `pack deps`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::args::DepsArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::request;
use crate::artifact;
use crate::engine::{ReadBase, ReadPath, ReadRole};
use crate::types::error_code::ErrorCode;
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
        let texts: Result<Vec<&str>, CommandError> = files.iter().map(|path| json_text(path)).collect();
        printer.json(&texts?);
    } else if args.format.json {
        let paths: Result<Vec<_>, CommandError> = reads.paths.iter().map(DependencyView::of).collect();
        printer.json(&DependenciesView { paths: paths?, base: reads.base.as_ref() });
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

/// A path as JSON has it: other programs open it, so no other name may stand in its place.
fn json_text(path: &Path) -> Result<&str, CommandError> {
    path.to_str().ok_or_else(|| {
        let message = format!("JSON cannot have the path `{}`, which is not UTF-8", shown_path(path));
        CommandError::new(ExitStatus::Input, message)
            .coded(ErrorCode::ValueUnfit)
            .hint("rename it, or leave it out with `exclude` or `.packignore`; `pack deps` lists it as text")
    })
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
    path: &'a str,
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
    fn of(read: &'a ReadPath) -> Result<Self, CommandError> {
        let ReadPath { path, role, is_pattern, tree } = read;
        let kind = match (tree, is_pattern) {
            (Some(_), _) => DependencyKind::Directory,
            (None, true) => DependencyKind::Pattern,
            (None, false) => DependencyKind::File,
        };
        Ok(Self {
            path: json_text(path)?,
            kind,
            role: *role,
            include: tree.as_ref().map(|tree| &*tree.include).unwrap_or_default(),
            exclude: tree.as_ref().map(|tree| &*tree.exclude).unwrap_or_default(),
        })
    }
}
