//! The `permissions` of a build file: owners, modes and capabilities of the paths that match patterns.
//!
//! The tables apply in their order, so that of several about one path the last decides, each setting by itself. A pattern
//! that matches nothing, and a table that changes nothing, is an error: nothing that was named is dropped in silence.
//! All names of one file have one owner and mode, so that a pattern about one of them is about all.

use std::collections::BTreeMap;
use std::path::Path;

use super::draft::{Draft, OwnedDirectories};
use super::error::BuildError;
use super::owners::Owners;
use super::request::Request;
use crate::layer::capabilities::ATTRIBUTE;
use crate::layer::scan::PathGlobs;
use crate::layer::{Entry, EntryKind, EntryPath};
use crate::project::config::{ImagePattern, PermissionSettings, Spanned};
use crate::runtime::interrupt::Interrupt;
use crate::types::error::BoxedError;
use crate::types::error_code::ErrorCode;

/// A table of `permissions` with the numbers of its owner.
struct ResolvedPermission<'a> {
    settings: &'a PermissionSettings,
    owner: Option<(u64, u64)>,
    changes_something: bool,
}

/// A pattern of a table.
struct NamedPattern<'a> {
    written: &'a Spanned<ImagePattern>,
    /// The number of its table.
    table: usize,
    matches_something: bool,
}

/// Applies the tables to `drafts`, the layers of `of`, whose relative patterns are about paths below `root`.
///
/// # Errors
/// When a name is not known, or a pattern or a table has no effect; with its line. When the user interrupts.
pub(super) fn apply(
    (request, interrupt): (&Request, &Interrupt),
    owners: &Owners,
    tables: &[PermissionSettings],
    (of, root): (&str, Option<&EntryPath>),
    drafts: &mut [Draft<'_>],
) -> Result<(), BoxedError> {
    if tables.is_empty() {
        return Ok(());
    }
    let mut permissions = tables
        .iter()
        .map(|settings| {
            let owner = settings.owner.as_ref().map(|owner| owners.of(request, owner)).transpose()?;
            Ok(ResolvedPermission { settings, owner, changes_something: false })
        })
        .collect::<Result<Vec<_>, BoxedError>>()?;
    let patterns = tables.iter().enumerate().flat_map(|(table, settings)| {
        let named = move |written| NamedPattern { written, table, matches_something: false };
        settings.paths.as_slice().iter().map(named)
    });
    let mut patterns: Vec<NamedPattern<'_>> = patterns.collect();
    let absolute = GlobList::new(&patterns, true)?;
    let relative = GlobList::new(&patterns, false)?;
    for draft in drafts {
        let names = first_names(&draft.entries);
        let matching = |path: &EntryPath| -> Result<Vec<usize>, BoxedError> {
            interrupt.check().map_err(BuildError::from)?;
            let mut found = absolute.matching(path.as_bytes())?;
            if let Some(below) = below(root, path) {
                found.extend(relative.matching(below)?);
            }
            Ok(found)
        };
        let mut of_other_names: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (name, file) in &names {
            of_other_names.entry(*file).or_default().extend(matching(&draft.entries[*name].path)?);
        }
        for at in (0..draft.entries.len()).filter(|at| !names.contains_key(at)) {
            let path = draft.entries[at].path.clone();
            let mut found = matching(&path)?;
            found.extend(of_other_names.remove(&at).unwrap_or_default());
            found.sort_unstable();
            for pattern in found {
                let pattern = &mut patterns[pattern];
                pattern.matches_something = true;
                let permission = &mut permissions[pattern.table];
                permission.changes_something |= permission.set(&mut draft.entries[at]);
                if draft.entries[at].is_directory()
                    && pattern.written.value.is_literal()
                    && let OwnedDirectories::Some(owned) = &mut draft.owned
                {
                    owned.insert(path.clone());
                }
            }
        }
        for (name, file) in names {
            draft.entries[name].metadata = draft.entries[file].metadata.clone();
        }
    }
    check(request, (of, root), &permissions, &patterns)
}

impl ResolvedPermission<'_> {
    /// Sets what the table says of an entry; whether it says anything.
    fn set(&self, entry: &mut Entry) -> bool {
        let PermissionSettings { mode, directory_mode, capabilities, .. } = self.settings;
        let (mode, capabilities) = match &entry.kind {
            EntryKind::Directory => (directory_mode.as_ref(), None),
            EntryKind::Symlink(_) => (None, None),
            EntryKind::File(_) => (mode.as_ref(), capabilities.as_ref()),
            _ => (mode.as_ref(), None),
        };
        if let Some((uid, gid)) = self.owner {
            (entry.metadata.uid, entry.metadata.gid) = (uid, gid);
        }
        if let Some(mode) = mode {
            entry.metadata.mode = mode.value.bits();
        }
        if let Some(capabilities) = capabilities {
            entry.metadata.xattrs.insert(ATTRIBUTE.to_owned(), capabilities.value.get().to_bytes());
        }
        self.owner.is_some() || mode.is_some() || capabilities.is_some()
    }
}

/// The patterns of one sort, with their places in the list of all.
struct GlobList {
    globs: PathGlobs,
    places: Vec<usize>,
}

impl GlobList {
    fn new(patterns: &[NamedPattern<'_>], is_absolute: bool) -> Result<Self, BoxedError> {
        let chosen = patterns.iter().enumerate();
        let chosen = chosen.filter(|(_, pattern)| pattern.written.value.is_absolute() == is_absolute);
        let (places, texts): (Vec<usize>, Vec<String>) =
            chosen.map(|(place, pattern)| (place, pattern.written.value.glob().to_owned())).unzip();
        Ok(Self { globs: PathGlobs::new(Path::new("permissions"), &texts)?, places })
    }

    fn matching(&self, path: &[u8]) -> Result<Vec<usize>, BoxedError> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.globs.matching(path)?.into_iter().map(|at| self.places[at]).collect())
    }
}

/// The path below `root`; `None` for the root itself and what lies elsewhere.
fn below<'p>(root: Option<&EntryPath>, path: &'p EntryPath) -> Option<&'p [u8]> {
    match root {
        None => Some(path.as_bytes()),
        Some(root) if path.starts_with(root) => path.as_bytes().get(root.as_bytes().len() + 1..),
        Some(_) => None,
    }
}

/// The places of other names of files → those of their first names.
fn first_names(entries: &[Entry]) -> BTreeMap<usize, usize> {
    let links = entries.iter().enumerate().filter_map(|(at, entry)| match &entry.kind {
        EntryKind::Hardlink(target) => Some((at, target)),
        _ => None,
    });
    let links: Vec<(usize, &EntryPath)> = links.collect();
    if links.is_empty() {
        return BTreeMap::new();
    }
    let files: BTreeMap<&EntryPath, usize> =
        entries.iter().enumerate().map(|(at, entry)| (&entry.path, at)).collect();
    links.into_iter().filter_map(|(at, target)| Some((at, *files.get(target)?))).collect()
}

fn check(
    request: &Request,
    (of, root): (&str, Option<&EntryPath>),
    permissions: &[ResolvedPermission<'_>],
    patterns: &[NamedPattern<'_>],
) -> Result<(), BoxedError> {
    let error = |pattern: &NamedPattern<'_>, message: String, hint: String| {
        let error = request.settings.error_at(pattern.written.span, message, Some(hint));
        Err(error.about(ErrorCode::PatternWrong).into())
    };
    if let Some(pattern) = patterns.iter().find(|pattern| !pattern.matches_something) {
        let message = format!("`{}` of `permissions` matches nothing in {of}", pattern.written.value);
        let place = root.map_or_else(|| "/".to_owned(), ToString::to_string);
        let hint = if pattern.written.value.is_absolute() {
            "it is about paths in the image: `**` crosses directories, and `DIR/**` is all below a directory"
                .to_owned()
        } else {
            format!("it is about paths below `{place}`; one that begins with `/` is about the whole image")
        };
        return error(pattern, message, hint);
    }
    let idle = |pattern: &&NamedPattern<'_>| !permissions[pattern.table].changes_something;
    let Some(pattern) = patterns.iter().find(idle) else { return Ok(()) };
    let (has, lacks, instead) = if permissions[pattern.table].settings.directory_mode.is_some() {
        ("`directory-mode` is for directories", "no directory", "write `mode`")
    } else {
        (
            "`mode` and `capabilities` are for files",
            "no file",
            "write `directory-mode`, or `DIR/**` for what is in a directory",
        )
    };
    let message = format!("{has}, and `{}` matches {lacks} in {of}", pattern.written.value);
    error(pattern, message, instead.to_owned())
}
