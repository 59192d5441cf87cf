//! Executable Spring Boot archives. A jar becomes what its own tools extract, unless another layout is wanted; a WAR is
//! unpacked and started by its launcher.

use super::super::boot::{self, BootStructure};
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::java;
use super::super::kind::ArtifactKind;
use super::super::manifest::{JarManifest, MANIFEST};
use super::super::material::Material;
use super::super::options::{AppOptions, ArtifactLayout};
use super::super::proposal::Proposal;
use super::super::requirement::{Requirements, Search};
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;

/// An executable Spring Boot archive.
pub(super) struct SpringBoot;

impl ArtifactKind for SpringBoot {
    fn name(&self) -> &'static str {
        "spring-boot"
    }

    fn describe(&self) -> &'static str {
        "a Spring Boot archive"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory, Form::Archive]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form != Form::File).then_some("a Spring Boot manifest")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        let manifest = glimpse.material().manifest()?;
        Ok(manifest.and_then(JarManifest::spring_boot).map(|attribute| {
            vec![match glimpse.form() {
                Form::Directory => format!("It is a directory whose `{MANIFEST}` has `{attribute}`."),
                _ => format!("It is a zip archive whose manifest has `{attribute}`."),
            }]
        }))
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        java::check_names(material)?;
        boot::propose(&BootStructure::of(material)?, options, base, scanner)
    }

    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        _: Search,
        _: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        boot::requirements(&BootStructure::of(material)?, options)
    }

    fn layouts(&self) -> &'static [ArtifactLayout] {
        &[ArtifactLayout::Extracted, ArtifactLayout::Exploded, ArtifactLayout::Packaged]
    }

    fn usual_base(&self, _: &Material) -> String {
        java::USUAL_BASE.to_owned()
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}
