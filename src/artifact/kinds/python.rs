//! Python applications: a virtual environment, or a directory filled by `pip install --target`. Recognised, not packaged.

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::words::count;

/// A Python application or virtual environment.
pub(super) struct Python;

impl ArtifactKind for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn describe(&self) -> &'static str {
        "a Python application"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::Directory).then_some("installed Python distributions")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        if glimpse.has_name("pyvenv.cfg") {
            let why = "It is a directory with `pyvenv.cfg`, a Python virtual environment.";
            return Ok(Some(vec![why.to_owned()]));
        }
        let distributions = glimpse.names().iter().filter(|name| name.ends_with(b".dist-info")).count();
        Ok((distributions > 0).then(|| {
            let installed = count(distributions, "installed distribution", "installed distributions");
            vec![format!("It is a directory with {installed} (`*.dist-info`).")]
        }))
    }

    fn is_supported(&self) -> bool {
        false
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}
