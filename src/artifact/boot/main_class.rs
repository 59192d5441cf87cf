//! Whether the main class of a Spring Boot archive is in it.

use std::path::PathBuf;

use super::super::error::ArtifactError;
use super::super::java::{class_file, unfit};
use super::start::LoaderUse;
use super::structure::BootStructure;
use crate::formats::zip::ZipArchive;
use crate::types::shown::shown_start;

/// The launcher that has its own settings for the main class and the class path.
const OF_PROPERTIES: &str = "PropertiesLauncher";

/// The most bytes of a class's name in a message.
const ROOM: usize = 200;

/// Refuses an archive whose main class is in neither its classes nor a library. A library that cannot be looked into may have
/// it.
pub(super) fn check(structure: &BootStructure<'_>, loader: LoaderUse) -> Result<(), ArtifactError> {
    let (material, manifest) = (structure.material(), structure.manifest());
    let Some(class) = manifest.text("Start-Class") else { return Ok(()) };
    let has_settings = manifest.text("Main-Class").is_some_and(|launcher| launcher.ends_with(OF_PROPERTIES));
    if loader == LoaderUse::Started && has_settings {
        return Ok(());
    }
    let file = class_file(class);
    // The root of the archive is on the class path of its launcher.
    let is_at_root = loader == LoaderUse::Started && material.size_of(&file).is_some();
    if is_at_root || material.size_of(&format!("{}{file}", structure.classes)).is_some() {
        return Ok(());
    }
    if may_be_in_library(structure, file.as_bytes())? {
        return Ok(());
    }
    let class = shown_start(class.as_bytes(), ROOM);
    let why = format!(
        "`META-INF/MANIFEST.MF` names `{class}` as `Start-Class`, which is in neither `{}` nor a library of `{}`",
        structure.classes, structure.libraries
    );
    Err(unfit(
        material,
        why,
        "correct the main class in the settings of Spring Boot's plugin, and build it again",
    ))
}

/// Whether a library has the class, or cannot be looked into.
fn may_be_in_library(structure: &BootStructure<'_>, class: &[u8]) -> Result<bool, ArtifactError> {
    let material = structure.material();
    if let Some(archive) = material.archive() {
        return Ok(archive.entries().iter().enumerate().any(|(index, entry)| {
            structure.library(&entry.name).is_some_and(|name| name.ends_with(b".jar"))
                && archive.within(index).is_none_or(|library| library.map_or(true, |it| has(&it, class)))
        }));
    }
    let directories = [Some(&structure.libraries), structure.provided.as_ref()];
    for directory in directories.into_iter().flatten() {
        for name in material.names_in(directory)? {
            let open = |path: PathBuf| ZipArchive::open(&path).map_or(true, |library| has(&library, class));
            let path = [directory.trim_end_matches('/').as_bytes(), b"/", &name].concat();
            // A library behind a link that leads out is in the image, or nowhere.
            if name.ends_with(b".jar") && material.file_on_disk(&path).is_none_or(open) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a library has the class, maybe only for later versions of Java.
fn has(library: &ZipArchive, class: &[u8]) -> bool {
    let of_version = [b"/", class].concat();
    library.position(class).is_some()
        || library
            .entries()
            .iter()
            .any(|entry| entry.name.starts_with(b"META-INF/versions/") && entry.name.ends_with(&of_version))
}
