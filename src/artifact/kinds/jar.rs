//! Java archives that are nothing else: recognised, not packaged.

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::manifest::MANIFEST;
use super::super::words::count;

/// Another Java archive.
pub(super) struct Jar;

impl ArtifactKind for Jar {
    fn name(&self) -> &'static str {
        "jar"
    }

    fn describe(&self) -> &'static str {
        "a Java archive"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory, Form::Archive]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::Archive).then_some("a Java manifest or classes")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        let Some(archive) = glimpse.material().archive() else { return Ok(None) };
        let Some(manifest) = glimpse.material().manifest()? else {
            let classes = archive.entries().iter().filter(|entry| entry.name.ends_with(b".class")).count();
            let what = count(classes, "class", "classes");
            return Ok((classes > 0)
                .then(|| vec![format!("It is a zip archive with {what} and without `WEB-INF/`.")]));
        };
        let mut why = vec![format!("It is a zip archive with `{MANIFEST}` and without `WEB-INF/`.")];
        if let Some(main) = manifest.get("Main-Class") {
            why.push(format!("Its main class is `{main}`."));
        }
        Ok(Some(why))
    }

    fn is_supported(&self) -> bool {
        false
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}
