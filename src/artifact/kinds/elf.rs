//! ELF programs: one executable file.

use std::path::{Path, PathBuf};

use super::super::elf;
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::loaded::requirements_of_program;
use super::super::material::Material;
use super::super::options::{AppOptions, AppRoot};
use super::super::proposal::{Proposal, ProposedLayer};
use super::super::requirement::{Requirement, Requirements, Search};
use super::super::words::count;
use crate::formats::elf::ELF_MAGIC;
use crate::layer::scan::Scanner;
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath, Stamp};
use crate::oci::ConfigFile;
use crate::types::finding::Finding;
use crate::types::platform::Platform;
use crate::types::shown::shown;

/// An ELF program.
pub(super) struct Elf;

impl ArtifactKind for Elf {
    fn name(&self) -> &'static str {
        "elf"
    }

    fn describe(&self) -> &'static str {
        "an ELF program"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::File]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::File).then_some("the ELF magic (a program for Linux)")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        if !glimpse.head().starts_with(ELF_MAGIC) {
            return Ok(None);
        }
        let facts = glimpse.material().elf()?;
        let linked = match (&facts.dynamic.interpreter, facts.dynamic.needed.len()) {
            _ if facts.is_static => "statically linked".to_owned(),
            (Some(interpreter), 0) => format!("with the loader `{interpreter}`"),
            (interpreter, needed) => format!(
                "dynamically linked with {} by the loader `{}`",
                count(needed, "library", "libraries"),
                interpreter.as_deref().unwrap_or("none")
            ),
        };
        let mut why =
            vec![format!("It begins with the ELF magic: a program for {}, {linked}.", facts.platform)];
        if elf::native_image_libraries(glimpse.material().path())?.is_some() {
            why.push(
                "Its section `.svm_heap` shows a native image of GraalVM, such as Quarkus makes.".to_owned(),
            );
        }
        Ok(Some(why))
    }

    /// The libraries that GraalVM puts beside it.
    fn companions(&self, material: &Material) -> Result<Vec<PathBuf>, ArtifactError> {
        let libraries = elf::native_image_libraries(material.path())?.unwrap_or_default();
        Ok(libraries.into_iter().map(|(_, library)| library).collect())
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        _: Option<&ConfigFile>,
        _: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        let facts = material.elf()?;
        let Some(stamp) = material.stamp() else {
            return Err(ArtifactError::NotSupported {
                path: material.path().to_owned(),
                kind: self.describe(),
            });
        };
        let target = target(material, options)?;
        let mut metadata = options.rules.file(true);
        if options.rules.file_mode.is_none() {
            // Not writable, so that a program that is taken over cannot replace itself.
            metadata.mode = 0o555;
        }
        let source = ContentSource::File(material.path().into(), stamp);
        let content = Content { size: stamp.size, source };
        let mut entries = vec![Entry { path: target.clone(), metadata, kind: EntryKind::File(content) }];
        let mut notes = Vec::new();
        for (name, library) in elf::native_image_libraries(material.path())?.unwrap_or_default() {
            let (path, entry) = beside(&target, name, &library, options)?;
            notes.push(format!("`{path}` goes beside the program, which loads it from there"));
            entries.push(entry);
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let why = match notes.len() {
            0 => format!("the program, as `{target}`"),
            libraries => format!(
                "the program, as `{target}`, and {} that GraalVM put beside it",
                count(libraries, "library", "libraries")
            ),
        };
        let command = format!("/{}", String::from_utf8_lossy(target.as_bytes()));
        let layer = ProposedLayer { name: "app".to_owned(), why, entries, is_divisible: false };
        Ok(Proposal {
            layers: vec![layer],
            app_root: Some(target),
            entrypoint: Some(vec![command]),
            platform: Some(facts.platform.clone()),
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
        let facts = material.elf()?;
        let mut all = vec![Requirement::Platform(facts.needed_platform())];
        if !facts.is_static {
            all.extend(requirements_of_program(&target(material, options)?, &facts.dynamic, &facts.platform));
        }
        Ok(Requirements { artifact: material.path().to_owned(), all })
    }

    fn findings(&self, material: &Material, search: Search) -> Result<Vec<Finding>, ArtifactError> {
        elf::findings(material.path(), material.elf()?, search)
    }

    fn platform<'a>(&self, material: &'a Material) -> Option<&'a Platform> {
        material.known_elf().map(|facts| &facts.platform)
    }

    /// One that has its loader.
    fn usual_base(&self, material: &Material) -> String {
        let loader = material.elf().ok().and_then(|facts| facts.dynamic.interpreter.clone());
        match loader {
            None => "scratch",
            Some(loader) if loader.contains("/ld-musl-") => "docker.io/library/alpine",
            Some(_) => "docker.io/library/debian:stable-slim",
        }
        .to_owned()
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app/server\""
    }
}

/// A library that lies beside the program on this machine, and so in the image.
fn beside(
    target: &EntryPath,
    name: &str,
    library: &Path,
    options: &AppOptions,
) -> Result<(EntryPath, Entry), ArtifactError> {
    let bytes = name.as_bytes();
    let path = target.parent().map_or_else(|| EntryPath::new(bytes), |parent| parent.join(bytes));
    let path = path.map_err(|_| ArtifactError::BadName { name: shown(bytes) })?;
    let metadata = std::fs::metadata(library)
        .map_err(|source| ArtifactError::Io { path: library.to_owned(), source })?;
    let stamp = Stamp::of(&metadata);
    let content = Content { size: stamp.size, source: ContentSource::File(library.into(), stamp) };
    let entry =
        Entry { path: path.clone(), metadata: options.rules.file(false), kind: EntryKind::File(content) };
    Ok((path, entry))
}

/// The path of the program in the image.
fn target(material: &Material, options: &AppOptions) -> Result<EntryPath, ArtifactError> {
    let bad = |name: &[u8]| ArtifactError::BadName { name: shown(name) };
    let name = || {
        let own = material.path().file_name().unwrap_or_default().as_encoded_bytes();
        let name = options.name.as_deref().map_or(own, str::as_bytes);
        // The entrypoint is JSON, which has no other bytes.
        let is_name = !name.contains(&b'/') && std::str::from_utf8(name).is_ok();
        is_name.then_some(name).ok_or_else(|| bad(name))
    };
    match &options.root {
        Some(AppRoot::Image) => Err(ArtifactError::FileAsRoot { path: material.path().to_owned() }),
        Some(AppRoot::At(path)) => {
            // The entrypoint is JSON, which has no other bytes.
            std::str::from_utf8(path.as_bytes()).map_err(|_| bad(path.as_bytes()))?;
            if options.into_root {
                path.join(name()?).map_err(|_| bad(path.as_bytes()))
            } else {
                Ok(path.clone())
            }
        }
        None => {
            let name = name()?;
            EntryPath::new(&[b"app/", name].concat())
                .ok()
                .filter(|path| path.parent().is_some())
                .ok_or_else(|| bad(name))
        }
    }
}
