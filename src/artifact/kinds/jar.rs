//! Java archives. One whose manifest names a main class and a class path is a thin jar: it goes into the image with the files
//! of that class path beside it, where it finds them. One without a main class is a library, and is recognised to say so.
//!
//! No jar is changed: signatures stay valid, and Java resolves the names of the manifest as it does on disk.

use std::collections::BTreeMap;

use super::super::class_path::{self, ClassPath, ClassPathFile};
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::jar_surroundings::{check_whole, distribution_of};
use super::super::java::{self, java, unfit};
use super::super::kind::ArtifactKind;
use super::super::manifest::{JarManifest, MANIFEST};
use super::super::material::Material;
use super::super::options::{AppOptions, AppRoot};
use super::super::placed::{self, PlacedFile};
use super::super::proposal::{Proposal, ProposedLayer};
use super::super::requirement::{Requirements, Search};
use super::super::words::count;
use crate::layer::scan::Scanner;
use crate::layer::{Content, ContentSource, EntryKind, EntryPath};
use crate::oci::ConfigFile;
use crate::types::shown::{shown, shown_path};

/// A Java archive with others beside it, or without a main class.
pub(super) struct Jar;

/// Where it goes.
const ROOT: &[u8] = b"app";

/// The jar's name there, the same for each version.
const NAME: &str = "app.jar";

/// How many names a message has.
const NAMED: usize = 5;

impl ArtifactKind for Jar {
    fn name(&self) -> &'static str {
        "jar"
    }

    fn describe(&self) -> &'static str {
        "a Java archive"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Archive]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::Archive).then_some("Java classes")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        let Some(archive) = glimpse.material().archive() else { return Ok(None) };
        let Some(manifest) = glimpse.material().manifest()? else {
            let classes = archive.entries().iter().filter(|entry| entry.name.ends_with(b".class")).count();
            let what = count(classes, "class", "classes");
            return Ok((classes > 0)
                .then(|| vec![format!("It is a zip archive with {what} and without `WEB-INF/`.")]));
        };
        let named = class_path::named(manifest).count();
        Ok(match manifest.text("Main-Class") {
            None => Some(vec![format!("It is a zip archive with `{MANIFEST}` and without `WEB-INF/`.")]),
            // An executable jar.
            Some(_) if named == 0 => None,
            Some(main) => Some(vec![format!(
                "It is a zip archive whose manifest has the main class `{main}`, and a class path of {} beside it.",
                count(named, "entry", "entries")
            )]),
        })
    }

    fn check(&self, material: &Material) -> Result<(), ArtifactError> {
        if material.manifest()?.and_then(|manifest| manifest.text("Main-Class")).is_some() {
            return check_whole(material);
        }
        let why = "it is a library: its manifest has no `Main-Class`, so that `java -jar` cannot start it";
        if let Some(distribution) = distribution_of(material.path()) {
            let hint = format!("give the distribution that has it: `{}`", shown_path(&distribution));
            return Err(unfit(material, why, &hint));
        }
        let hint = "give the application's own jar, or name the main class where the jar is built; a `[[layer]]` copies a \
                    library into an image";
        Err(unfit(material, why, hint))
    }

    fn companions(&self, material: &Material) -> Result<Vec<std::path::PathBuf>, ArtifactError> {
        Ok(class_path::follow(material)?.files.into_iter().map(|file| file.path).collect())
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        _: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        java::check_names(material)?;
        let stamp = material.stamp().ok_or_else(|| unfit(material, "it is a directory", "pack it"))?;
        let ClassPath { files, directories, missing } = class_path::follow(material)?;
        let root = match &options.root {
            Some(root) => root.clone(),
            None => AppRoot::At(
                EntryPath::new(ROOT).map_err(|error| ArtifactError::BadName { name: error.to_string() })?,
            ),
        };
        let file = |source, size| PlacedFile {
            metadata: options.rules.file(false),
            kind: EntryKind::File(Content { size, source }),
        };
        let mut layers: Vec<ProposedLayer> = Vec::new();
        for (name, why, is_divisible, is_snapshot) in [
            ("dependencies", "of its class path, which change seldom", true, false),
            (
                "snapshots",
                "of its class path, named `SNAPSHOT`, which change more often than others",
                false,
                true,
            ),
        ] {
            let mut placed_files: BTreeMap<Vec<u8>, PlacedFile> = BTreeMap::new();
            for ClassPathFile { path, place, stamp } in &files {
                if place == NAME {
                    let why = format!(
                        "its class path has `{NAME}`, which is the name of the jar itself in the image"
                    );
                    return Err(unfit(material, why, "give that file another name"));
                }
                if place.contains("SNAPSHOT") == is_snapshot {
                    let source = ContentSource::File(path.as_path().into(), *stamp);
                    placed_files.insert(place.as_bytes().to_vec(), file(source, stamp.size));
                }
            }
            if !placed_files.is_empty() {
                layers.push(ProposedLayer {
                    name: name.to_owned(),
                    why: format!("{} {why}", count(placed_files.len(), "file", "files")),
                    entries: placed::entries(placed_files, &root, options)?,
                    is_divisible,
                });
            }
        }
        let own = file(ContentSource::File(material.path().into(), stamp), stamp.size);
        layers.push(ProposedLayer {
            name: "app".to_owned(),
            why: format!("the jar as it is, as `{}`", placed::absolute(&root, NAME)),
            entries: placed::entries(BTreeMap::from([(NAME.as_bytes().to_vec(), own)]), &root, options)?,
            is_divisible: false,
        });
        let mut notes = Vec::new();
        if !directories.is_empty() {
            notes.push(format!(
                "The class path names directories, which are left out: {}; a `[[layer]]` copies one.",
                some_of(&directories)
            ));
        }
        if !missing.is_empty() {
            notes.push(format!(
                "Dependencies name files on the class path that are not there, and that Java passes over: {}.",
                some_of(&missing)
            ));
        }
        Ok(Proposal {
            layers,
            app_root: root.path().cloned(),
            entrypoint: Some(vec![java(base), "-jar".to_owned(), placed::absolute(&root, NAME)]),
            notes,
            ..Proposal::default()
        })
    }

    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        _: Search,
        _: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        let main = material.manifest()?.and_then(|manifest: &JarManifest| manifest.text("Main-Class"));
        // The main class of a thin jar may be one of its dependencies'.
        let version = main.map(|main| java::java_of(material, main)).transpose()?.flatten();
        Ok(java::requirements(material, options, version))
    }

    fn usual_base(&self, _: &Material) -> String {
        java::USUAL_BASE.to_owned()
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}

fn some_of(names: &[String]) -> String {
    let mut shown_names: Vec<String> =
        names.iter().take(NAMED).map(|name| format!("`{}`", shown(name.as_bytes()))).collect();
    if names.len() > NAMED {
        shown_names.push(format!("and {} more", names.len() - NAMED));
    }
    shown_names.join(", ")
}
