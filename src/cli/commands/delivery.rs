//! The build file as far as releases need it: which repository an environment is in, and its conditions.
//!
//! Releases work without a build file, by names alone. The settings of one count for its own image.

use std::path::Path;
use std::sync::Arc;

use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::{BUILD_FILE, Invocation};
use super::events;
use crate::notify::Announcer;
use crate::project::config::{Document, EnvironmentSettings, Overrides, Settings};
use crate::registry::Client;
use crate::release::ledger::Ledger;
use crate::transport::{Source, registry};
use crate::types::location::Location;
use crate::types::reference::{Reference, ReferenceError, Repository};
use crate::types::release::{EnvironmentChoice, EnvironmentName, ReleaseName};

/// The settings of the project at hand, if there is one.
pub(super) struct DeliveryProject {
    settings: Option<Settings>,
}

impl DeliveryProject {
    /// Reads `file`, or the build file of the working directory if there is one.
    ///
    /// # Errors
    /// When the file is not valid, or was named and is not there.
    pub(super) fn read(invocation: &Invocation, file: Option<&Path>) -> Result<Self, CommandError> {
        let path = invocation.absolute(file.unwrap_or_else(|| Path::new(BUILD_FILE)));
        if file.is_none() && !path.exists() {
            return Ok(Self { settings: None });
        }
        let lookup = |name: &str| invocation.environment.text(name).map(str::to_owned);
        let environment = Overrides::from_environment(lookup)?;
        let settings = Settings::resolve(Document::read(&path)?, &Overrides::default(), &environment)?;
        Ok(Self { settings: Some(settings) })
    }

    /// A client with the settings of the project.
    ///
    /// # Errors
    /// When the user's configuration is not valid.
    pub(super) fn client(&self, invocation: &Invocation) -> Result<Client, CommandError> {
        match &self.settings {
            Some(settings) => invocation.client_of(settings),
            None => invocation.client(),
        }
    }

    /// The announcer of releases in `repository`, if the build file has receivers and the repository is its own.
    ///
    /// # Errors
    /// When a secret is not there, or a required receiver does not answer.
    pub(super) fn announcer(
        &self,
        invocation: &Invocation,
        client: &Client,
        repository: &Repository,
    ) -> Result<Option<Announcer>, CommandError> {
        match &self.settings {
            Some(settings) if self.has(repository) => events::announcer(invocation, settings, client),
            _ => Ok(None),
        }
    }

    /// The repository of the image of the build file.
    fn own(&self) -> Option<&Repository> {
        Some(&self.settings.as_ref()?.name.as_ref()?.value)
    }

    /// The settings of an environment.
    fn environment(&self, environment: &EnvironmentName) -> Option<&EnvironmentSettings> {
        self.settings.as_ref()?.environments.get(environment)
    }

    /// The repository that the build file has an environment in.
    fn place(&self, environment: &EnvironmentName) -> Option<Repository> {
        let named = self.environment(environment).and_then(|settings| settings.name.as_ref());
        named.map(|name| name.value.clone()).or_else(|| self.own().cloned())
    }

    /// Whether a repository is that of the image, or of one of its environments.
    fn has(&self, repository: &Repository) -> bool {
        let of_environments = || {
            let environments = self.settings.iter().flat_map(|settings| settings.environments.values());
            environments.filter_map(|settings| settings.name.as_ref()).any(|name| name.value == *repository)
        };
        self.own() == Some(repository) || of_environments()
    }

    /// The settings of an environment of a repository: none if the repository is another image's.
    pub(super) fn settings_of(
        &self,
        environment: &EnvironmentName,
        repository: &Repository,
    ) -> Option<&EnvironmentSettings> {
        self.environment(environment).filter(|_| self.has(repository))
    }

    /// The repository of another environment of the image that `repository` has.
    pub(super) fn beside(&self, repository: &Repository, environment: &EnvironmentName) -> Repository {
        let own = if self.has(repository) { self.place(environment) } else { None };
        own.unwrap_or_else(|| repository.clone())
    }

    /// The repository of an environment of an image as it was written; of the build file's image if none was.
    ///
    /// # Errors
    /// When the name is none, or there is none.
    pub(super) fn repository(
        &self,
        image: Option<&str>,
        environment: &EnvironmentName,
    ) -> Result<Repository, CommandError> {
        let Some(image) = image else {
            return self.place(environment).ok_or_else(|| {
                CommandError::new(
                    ExitStatus::Input,
                    format!("the environment `{environment}` of which image? There is no `{BUILD_FILE}` with a name"),
                )
                .hint(format!("name its repository, such as `localhost:5000/shop/app@{environment}`"))
            });
        };
        // The last part of its name is enough for the image at hand.
        if !image.contains('/')
            && let Some(own) = self.own()
            && own.path().rsplit('/').next() == Some(image)
        {
            return Ok(self.place(environment).unwrap_or_else(|| own.clone()));
        }
        image.parse().map_err(|error: ReferenceError| CommandError::usage(error.to_string()))
    }

    /// The repository of an environment that is given as an argument, with the repository beside it or in it.
    ///
    /// # Errors
    /// As for [`DeliveryProject::repository`].
    pub(super) fn chosen(
        &self,
        choice: &EnvironmentChoice,
        image: Option<&str>,
    ) -> Result<Repository, CommandError> {
        if let (Some(one), Some(other)) = (&choice.image, image) {
            return Err(CommandError::usage(format!("the image is named twice: `{one}` and `{other}`")));
        }
        self.repository(choice.image.as_deref().or(image), &choice.environment)
    }

    /// The repository that a promotion writes to: the one that `--to` names, else that of the source, unless the build
    /// file says where the environment is.
    ///
    /// # Errors
    /// When a name is none, or there is no repository.
    pub(super) fn target(
        &self,
        choice: &EnvironmentChoice,
        source: &str,
    ) -> Result<Repository, CommandError> {
        if choice.image.is_some() {
            return self.chosen(choice, None);
        }
        let from = match ReleaseName::read(source) {
            Some(name) => Some(self.repository(name.image.as_deref(), &name.environment)?),
            None => match Location::parse(source)? {
                Location::Name(name) => Some(name.reference().repository().clone()),
                Location::Registry(reference) => Some(reference.repository().clone()),
                _ => None,
            },
        };
        match from {
            Some(repository) if !self.has(&repository) => Ok(repository),
            _ => self.repository(None, &choice.environment),
        }
    }
}

/// The image of a release, and the reference that it has.
pub(super) type ReleasedImage = (Arc<dyn Source>, Reference);

/// The image that a release has, for commands that compare images; `None` if the text names no release.
///
/// # Errors
/// When it names one, and that is not there.
pub(super) fn released(
    invocation: &Invocation,
    client: &Client,
    text: &str,
) -> Result<Option<ReleasedImage>, CommandError> {
    let Some(name) = ReleaseName::read(text) else { return Ok(None) };
    let project = DeliveryProject::read(invocation, None)?;
    let repository = project.repository(name.image.as_deref(), &name.environment)?;
    let ledger = Ledger::to_read(client.clone(), repository.clone());
    let release = ledger.find(&ledger.numbers()?, &name.environment, name.number)?;
    let reference = repository.at_digest(release.image.digest);
    Ok(Some((Arc::new(registry::source(client.clone(), reference.clone())), reference)))
}
