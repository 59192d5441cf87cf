//! Executable Spring Boot archives, packed or not: recognised, not packaged.

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::manifest::{JarManifest, MANIFEST};

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

    fn is_supported(&self) -> bool {
        false
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}
