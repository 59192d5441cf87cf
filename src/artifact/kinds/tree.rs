//! Directories whose files go into the image as they are: distributions, root file systems.

use super::super::directory;
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::material::Material;
use super::super::options::AppOptions;
use super::super::proposal::Proposal;
use super::super::uninstalled::UninstalledProject;
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
        let proposal = directory::propose(self, "app", material, options, base, scanner);
        if options.is_kind_given {
            return proposal;
        }
        match proposal {
            Ok(proposal) => match projects(material).find(|project| project.is_in(&proposal)) {
                Some(project) => Err(project.refused(material.path())),
                None => Ok(proposal),
            },
            // A place would not help.
            Err(error @ ArtifactError::NoRoot { .. }) => {
                Err(projects(material).next().map_or(error, |project| project.refused(material.path())))
            }
            Err(error) => Err(error),
        }
    }

    fn has_pages(&self) -> bool {
        true
    }

    fn root_hint(&self) -> &'static str {
        directory::ROOT_HINT
    }
}

/// The projects that the directory is, which would be applications with their packages.
fn projects(material: &Material) -> impl Iterator<Item = UninstalledProject> {
    let of_node = super::node::not_installed(material).or_else(|| super::node::damaged(material));
    of_node.into_iter().chain(super::python::not_installed(material))
}
