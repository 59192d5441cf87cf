//! Directories whose files go into the image as they are: distributions, root file systems.

use super::super::directory;
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::material::Material;
use super::super::options::AppOptions;
use super::super::proposal::Proposal;
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;

/// A directory of no other kind.
pub(super) struct DirectoryTree;

impl ArtifactKind for DirectoryTree {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn describe(&self) -> &'static str {
        "a directory"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory]
    }

    fn sign(&self, _: Form) -> Option<&'static str> {
        None
    }

    fn detect(&self, _: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        Ok(Some(vec!["Its files are taken as they are.".to_owned()]))
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        directory::propose(self, "app", material, options, base, scanner).map_err(|error| match error {
            ArtifactError::NoRoot { .. } => of_project(material).unwrap_or(error),
            error => error,
        })
    }

    fn has_pages(&self) -> bool {
        true
    }

    fn root_hint(&self) -> &'static str {
        directory::ROOT_HINT
    }
}

/// The error of a directory without a place that is a project whose packages are not installed: a place would not help.
fn of_project(material: &Material) -> Option<ArtifactError> {
    let of_node = super::node::not_installed(material).ok().flatten();
    let (why, hint) = of_node.or_else(|| super::python::not_installed(material))?;
    Some(ArtifactError::Unfit { path: material.path().to_owned(), why, hint })
}
