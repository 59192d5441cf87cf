//! The trait of kinds of artifacts. The rest of the program knows kinds through it alone.

use std::fmt;
use std::path::PathBuf;

use super::error::ArtifactError;
use super::form::Form;
use super::glimpse::Glimpse;
use super::material::Material;
use super::options::{AppOptions, ArtifactLayout, StartWay};
use super::proposal::Proposal;
use super::requirement::{Requirements, Search};
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;
use crate::types::finding::Finding;
use crate::types::platform::Platform;

/// A kind of artifact.
///
/// Every kind is a value without state in the table [`super::KINDS`]. The answer of a method is a function of its
/// arguments.
pub trait ArtifactKind: Sync {
    /// Its name in `build.toml` and on the command line. It never changes.
    fn name(&self) -> &'static str;

    /// The name that people use, with its article.
    fn describe(&self) -> &'static str;

    /// The forms that it can have on disk, where the user says the kind.
    fn forms(&self) -> &'static [Form];

    /// The content that shows this kind in a path of this form, as a noun; `None` where nothing does.
    fn sign(&self, form: Form) -> Option<&'static str>;

    /// Why what is seen is of this kind, in sentences; `None` where it is not.
    ///
    /// # Errors
    /// When a file that tells cannot be read, or is damaged so that it can be no other kind either.
    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError>;

    /// Refuses an artifact of this kind that could not be packaged on any base.
    ///
    /// # Errors
    /// When it could not, or cannot be read.
    fn check(&self, material: &Material) -> Result<(), ArtifactError> {
        let _ = material;
        Ok(())
    }

    /// The files beside it that belong to it, where it is one file. They are inputs of a build as it is.
    ///
    /// # Errors
    /// When they cannot be read or are missing.
    fn companions(&self, material: &Material) -> Result<Vec<PathBuf>, ArtifactError> {
        let _ = material;
        Ok(Vec::new())
    }

    /// Caches in a directory of this kind that no build reads, whatever is in them.
    fn caches(&self) -> &'static [&'static str] {
        &[]
    }

    /// Its layers and settings on a base with the configuration `base`; `None` is an empty base.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, when the base does not say where it belongs and neither do the
    /// options, and for kinds that are not supported.
    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        let _ = (options, base, scanner);
        Err(ArtifactError::NotSupported { path: material.path().to_owned(), kind: self.describe() })
    }

    /// The requirements that its image must meet: a function of its content, its file's name, the options and the
    /// extent of the search. The engine remembers them by these.
    ///
    /// # Errors
    /// When it cannot be read.
    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        search: Search,
        scanner: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        let _ = (options, search, scanner);
        Ok(Requirements::none(material.path().to_owned()))
    }

    /// Findings about it beside its requirements: a function of the same.
    ///
    /// # Errors
    /// When it cannot be read.
    fn findings(&self, material: &Material, search: Search) -> Result<Vec<Finding>, ArtifactError> {
        let _ = (material, search);
        Ok(Vec::new())
    }

    /// The version that it says of itself in a place that only this kind has, and what that place is called.
    ///
    /// # Errors
    /// When it cannot be read.
    fn version(&self, material: &Material) -> Result<Option<(Option<String>, &'static str)>, ArtifactError> {
        let _ = material;
        Ok(None)
    }

    /// The platform that the artifact is for, where it is for one alone.
    fn platform<'a>(&self, material: &'a Material) -> Option<&'a Platform> {
        let _ = material;
        None
    }

    /// The layouts that it can have in an image; empty where there is no choice.
    fn layouts(&self) -> &'static [ArtifactLayout] {
        &[]
    }

    /// Whether its files are pages, which a web server sends as they are.
    fn has_pages(&self) -> bool {
        false
    }

    /// The ways in which it can start; empty where there is no choice.
    fn starts(&self) -> &'static [StartWay] {
        &[]
    }

    /// The base that a new build file begins with.
    fn usual_base(&self, material: &Material) -> String {
        let _ = material;
        "scratch".to_owned()
    }

    /// An example of `app.root`, for the hint where neither settings nor base say it.
    fn root_hint(&self) -> &'static str;
}

impl fmt::Debug for dyn ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for dyn ArtifactKind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn ArtifactKind {}
