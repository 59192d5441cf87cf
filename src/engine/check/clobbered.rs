//! Files of the base that planned layers replace.
//!
//! A replaced file is a note: configuration is often meant so. A library that becomes something else, and a directory that becomes
//! a file or the reverse, break the programs of the base. Removals by the application's own layer are not told here.

use std::collections::{BTreeMap, BTreeSet};

use crate::bases::{BaseAnswer, BaseNode, FileTree};
use crate::layer::{self, Entry, EntryKind, EntryPath};
use crate::plan::PlannedLayer;
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;

/// The lists of accounts, without which the base's own users have no names.
const ACCOUNTS: [&[u8]; 4] = [b"etc/passwd", b"etc/group", b"etc/shadow", b"etc/gshadow"];

/// How many replaced files the evidence names.
const MOST: usize = 100;

/// The files of the base that something of `layers` takes the place of. Files at the paths in `extended` have all that those of
/// the base have.
pub(in crate::engine) fn clobbered<T: FileTree>(
    layers: &[PlannedLayer],
    extended: &[EntryPath],
    base: &mut T,
) -> Result<Vec<Finding>, BoxedError> {
    let removed = removed(layers);
    let mut directories: BTreeMap<EntryPath, BaseAnswer<()>> = BTreeMap::new();
    let (mut replaced, mut findings, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut is_known = true;
    // The uppermost layer has what the image has.
    for entry in layers.iter().rev().flat_map(|layer| layer.spec.entries()) {
        let path = &entry.path;
        if path.file_name().starts_with(b".wh.")
            || !seen.insert(path)
            || extended.contains(path)
            || path.ancestors().any(|above| removed.contains(&above))
            || removed.contains(path)
        {
            continue;
        }
        match parent_in(base, path, &mut directories)? {
            BaseAnswer::Here(()) => {}
            BaseAnswer::Nothing => continue,
            BaseAnswer::Unknown => {
                is_known = false;
                continue;
            }
        }
        match base.peek(path)? {
            BaseAnswer::Here(node) => match clash(entry, &node)? {
                Some(Clash::Replaced) => replaced.push(path),
                Some(Clash::Broken(how)) => findings.push(broken(path, how)),
                None => {}
            },
            BaseAnswer::Nothing => {}
            BaseAnswer::Unknown => is_known = false,
        }
    }
    replaced.sort_unstable();
    findings.extend(note(&replaced));
    if !is_known {
        let message = "whether files of the base are replaced cannot be known without its layers".to_owned();
        findings.push(Finding::unknown(Rule::ClobbersBase, message).at(Severity::Info));
    }
    Ok(findings)
}

/// The paths that planned layers remove.
fn removed(layers: &[PlannedLayer]) -> BTreeSet<EntryPath> {
    let entries = layers.iter().flat_map(|layer| layer.spec.entries());
    let removed = entries.filter_map(|entry| {
        let name = entry.path.file_name().strip_prefix(b".wh.")?;
        EntryPath::new(&[entry.path.directory(), name].concat()).ok()
    });
    removed.collect()
}

/// Whether the directory of `path` is in the base: of most directories of an application it is not.
fn parent_in<T: FileTree>(
    base: &mut T,
    path: &EntryPath,
    known: &mut BTreeMap<EntryPath, BaseAnswer<()>>,
) -> Result<BaseAnswer<()>, BoxedError> {
    let Some(parent) = path.parent() else { return Ok(BaseAnswer::Here(())) };
    if let Some(answer) = known.get(&parent) {
        return Ok(answer.clone());
    }
    let answer = match parent_in(base, &parent, known)? {
        BaseAnswer::Here(()) => match base.peek(&parent)? {
            BaseAnswer::Here(BaseNode::Directory { .. }) => BaseAnswer::Here(()),
            BaseAnswer::Here(_) | BaseAnswer::Nothing => BaseAnswer::Nothing,
            BaseAnswer::Unknown => BaseAnswer::Unknown,
        },
        other => other,
    };
    known.insert(parent, answer.clone());
    Ok(answer)
}

/// The fate of a node of the base.
enum Clash {
    /// It is another one of its kind.
    Replaced,
    /// Programs that use it fail, for this reason.
    Broken(&'static str),
}

fn clash(entry: &Entry, node: &BaseNode) -> Result<Option<Clash>, BoxedError> {
    let path = &entry.path;
    Ok(match (node, &entry.kind) {
        (BaseNode::Directory { .. }, EntryKind::Directory) | (BaseNode::Symlink(_), EntryKind::Directory) => {
            None
        }
        (BaseNode::Directory { .. }, _) => {
            Some(Clash::Broken("is a directory of the base, and no directory in the image"))
        }
        (BaseNode::File(_), EntryKind::Directory) => {
            Some(Clash::Broken("is a file of the base, and a directory in the image"))
        }
        (BaseNode::File(_), EntryKind::File(content)) if is_library(path) => {
            let head = layer::read_start(content, 4).map_err(crate::engine::error::BuildError::Content)?;
            match head.starts_with(b"\x7fELF") {
                true => Some(Clash::Replaced),
                false => Some(Clash::Broken("is a library of the base, and no library in the image")),
            }
        }
        _ => Some(Clash::Replaced),
    })
}

/// Whether a path is that of a shared library in a directory of libraries.
fn is_library(path: &EntryPath) -> bool {
    let name = path.file_name();
    let is_named = name.ends_with(b".so") || memchr::memmem::find(name, b".so.").is_some();
    is_named && path.directory().split(|byte| *byte == b'/').any(|part| part.starts_with(b"lib"))
}

fn broken(path: &EntryPath, how: &str) -> Finding {
    let message = format!("`{path}` {how}: programs of the base that need it fail");
    Finding::not_met(Rule::ClobbersBase, message)
        .at(Severity::Error)
        .hint("put it at another path")
        .evidence(vec![path.to_string()])
}

/// One note about all files that are replaced.
fn note(replaced: &[&EntryPath]) -> Option<Finding> {
    let first = replaced.iter().find(|path| ACCOUNTS.contains(&path.as_bytes())).or(replaced.first())?;
    let level = if ACCOUNTS.contains(&first.as_bytes()) { Severity::Warning } else { Severity::Note };
    let more = match replaced.len() - 1 {
        0 => String::new(),
        1 => " and 1 more file".to_owned(),
        count => format!(" and {count} more files"),
    };
    let message = format!("`{first}`{more} of the base would be replaced");
    let evidence = replaced.iter().take(MOST).map(ToString::to_string).collect();
    let finding = Finding::not_met(Rule::ClobbersBase, message).at(level);
    Some(finding.hint("put it at another path, or allow the rule if it is meant").evidence(evidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_their_names_and_directories() {
        let is = |path: &str| is_library(&EntryPath::new(path.as_bytes()).expect("a path"));
        assert!(is("usr/lib/x86_64-linux-gnu/libc.so.6") && is("lib64/ld-linux-x86-64.so.2"));
        assert!(!is("etc/ld.so.conf") && !is("usr/lib/os-release") && !is("srv/a.so"));
    }
}
