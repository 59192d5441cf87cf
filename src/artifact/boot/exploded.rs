//! The archive unpacked, in the layers of its index, started by the launcher that its manifest names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::error::ArtifactError;
use super::super::groups::grouped;
use super::super::java::{class_file, java, unfit};
use super::super::options::{AppOptions, AppRoot};
use super::super::proposal::{Proposal, ProposedLayer, not_empty};
use super::super::root::root_entry;
use super::super::unpacked::Unpacked;
use super::super::words::count;
use super::layers::BootLayers;
use super::structure::BootStructure;
use crate::formats::zip::ArchiveEntryKind;
use crate::layer::Entry;
use crate::layer::scan::{FoundKind, Scanner, TreeItem, entries};
use crate::oci::ConfigFile;

/// The layers of an archive or directory of this structure, at `root`.
pub(in super::super) fn propose(
    structure: &BootStructure<'_>,
    root: &AppRoot,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    let material = structure.material();
    let launcher = structure.launcher()?;
    if material.read(&class_file(launcher), super::super::java::MAX_CLASS)?.is_none() {
        let why = format!("its launcher `{launcher}` is not in it");
        return Err(unfit(material, why, "build it again with Spring Boot's plugin"));
    }
    let found: Arc<Vec<TreeItem>>;
    let unpacked = material.archive().map(Unpacked::new).transpose()?;
    let names: Vec<(&[u8], bool)> = match material.archive() {
        Some(archive) => {
            found = Arc::default();
            let entries = archive.entries().iter();
            entries.map(|entry| (&entry.name[..], entry.kind == ArchiveEntryKind::Directory)).collect()
        }
        None => {
            found = scanner.scan(material.path(), &options.scan_options())?;
            found.iter().map(|found| (found.relative(), found.kind == FoundKind::Directory)).collect()
        }
    };
    let layers = BootLayers::of(structure, names.iter().map(|(name, _)| *name))?;
    let mut of_file: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (name, is_directory) in &names {
        if !is_directory {
            of_file.insert(name, layers.layer_of(structure, name)?);
        }
    }
    let application = layers.application();
    let layer_of = |name: &[u8]| of_file.get(name).copied().unwrap_or(application);
    let mut proposed = Vec::new();
    for (number, members) in grouped(names.iter().copied(), layer_of, &application) {
        let mut all: Vec<Entry> = root_entry(root, options).into_iter().collect();
        match &unpacked {
            Some(unpacked) => {
                for (name, index) in &members {
                    all.push(unpacked.entry(name, *index, root.path(), options)?);
                }
            }
            None => {
                let members: Vec<&TreeItem> =
                    members.iter().filter_map(|(_, index)| Some(&found[(*index)?])).collect();
                all.extend(entries(members, root.path(), &options.rules)?);
            }
        }
        let files: Vec<&Entry> = all.iter().filter(|entry| !entry.is_directory()).collect();
        let is_divisible = members
            .iter()
            .filter(|(name, _)| of_file.contains_key(name))
            .all(|(name, _)| structure.library(name).is_some());
        let what = match is_divisible {
            true => count(files.len(), "library", "libraries"),
            false => count(files.len(), "file", "files"),
        };
        proposed.push(ProposedLayer {
            name: layers.names[number].clone(),
            why: format!("{what}, {}", layers.source),
            entries: all,
            is_divisible,
        });
    }
    not_empty(material.path(), &proposed)?;
    let mut warnings = Vec::new();
    let versions = format!("{}META-INF/versions/", structure.classes);
    let is_multi_release =
        structure.manifest().text("Multi-Release").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_multi_release && names.iter().any(|(name, _)| name.starts_with(versions.as_bytes())) {
        warnings.push(format!(
            "the classes below `{versions}` for later versions of Java are not used: only a jar can have such; \
             `layout = \"packaged\"` keeps them"
        ));
    }
    let directory = root
        .path()
        .map_or_else(|| "/".to_owned(), |root| format!("/{}", String::from_utf8_lossy(root.as_bytes())));
    Ok(Proposal {
        layers: proposed,
        app_root: root.path().cloned(),
        entrypoint: Some(vec![java(base), "-cp".to_owned(), directory, launcher.to_owned()]),
        warnings,
        ..Proposal::default()
    })
}
