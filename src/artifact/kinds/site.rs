//! Static web sites: their files as they are, in the directory that the base's web server shows.

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

/// A static web site.
pub(super) struct Site;

impl ArtifactKind for Site {
    fn name(&self) -> &'static str {
        "site"
    }

    fn describe(&self) -> &'static str {
        "a static site"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::Directory).then_some("`index.html`")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        let index = ["index.html", "index.htm"].into_iter().find(|index| glimpse.has_name(index));
        Ok(index.map(|index| vec![format!("It is a directory with `{index}` at its top.")]))
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        let mut proposal = directory::propose(self, "site", material, options, base, scanner)?;
        if !options.is_kind_given {
            let of_node = super::node::not_installed(material);
            let mut projects = of_node.into_iter().chain(super::python::not_installed(material));
            let project = projects.find(|project| project.is_in(&proposal));
            proposal.warnings.extend(project.map(|project| project.warning(self.name())));
        }
        Ok(proposal)
    }

    fn usual_base(&self, _: &Material) -> String {
        "docker.io/library/nginx:stable".to_owned()
    }

    fn has_pages(&self) -> bool {
        true
    }

    fn root_hint(&self) -> &'static str {
        directory::ROOT_HINT
    }
}
