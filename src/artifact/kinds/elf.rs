//! ELF programs: one executable file.

use super::super::elf;
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::{ELF_MAGIC, Glimpse};
use super::super::kind::ArtifactKind;
use super::super::loaded::requirements_of_program;
use super::super::material::Material;
use super::super::options::{AppOptions, AppRoot};
use super::super::proposal::{Proposal, ProposedLayer};
use super::super::requirement::{Requirement, Requirements, Search};
use super::super::words::count;
use crate::layer::scan::Scanner;
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath};
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
        Ok(Some(vec![format!("It begins with the ELF magic: a program for {}, {linked}.", facts.platform)]))
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
        let entries = vec![Entry { path: target.clone(), metadata, kind: EntryKind::File(content) }];
        let command = format!("/{}", String::from_utf8_lossy(target.as_bytes()));
        let layer = ProposedLayer {
            name: "app".to_owned(),
            why: format!("the program, as `{target}`"),
            entries,
            is_divisible: false,
        };
        Ok(Proposal {
            layers: vec![layer],
            app_root: Some(target),
            entrypoint: Some(vec![command]),
            platform: Some(facts.platform.clone()),
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

    fn root_hint(&self) -> &'static str {
        "such as \"/app/server\""
    }
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
