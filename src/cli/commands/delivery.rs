//! The build file as far as releases need it: which repository an environment is in, and its conditions.
//!
//! Releases work without a build file, by names alone. The settings of one count for its own image.

use std::path::Path;
use std::sync::Arc;

use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::{BUILD_FILE, Invocation};
use super::events;
use super::place::CopyTarget;
use crate::notify::{AnnouncedDestination, Announcer, ImageOrigin};
use crate::project::config::{Document, EnvironmentSettings, Overrides, Settings};
use crate::project::workspace::{Workspace, WorkspaceRoot};
use crate::registry::Client;
use crate::release::ledger::Ledger;
use crate::transport::{Source, registry};
use crate::types::location::Location;
use crate::types::reference::{Reference, ReferenceError, Repository};
use crate::types::release::{EnvironmentChoice, EnvironmentName, ReleaseName};

/// The settings of the project at hand, if there is one.
pub(super) struct DeliveryProject {
    settings: Option<Settings>,
    /// The name of the member of a workspace that was asked for.
    member: Option<String>,
}

impl DeliveryProject {
    /// Reads `file`, or the build file of the working directory if there is one. `image` is the image as the user wrote it:
    /// the name of a member of the workspace around the working directory means that member.
    ///
    /// # Errors
    /// When the file is not valid, or was named and is not there, or when the workspace has no such member.
    pub(super) fn read(
        invocation: &Invocation,
        file: Option<&Path>,
        image: Option<&str>,
    ) -> Result<Self, CommandError> {
        let path = invocation.absolute(file.unwrap_or_else(|| Path::new(BUILD_FILE)));
        let here = match file.is_none() && !path.exists() {
            true => Self { settings: None, member: None },
            false => Self { settings: build_file(invocation, &path)?, member: None },
        };
        let Some(name) = image.filter(|name| file.is_none() && is_short(name) && !here.is_called(name))
        else {
            return Ok(here);
        };
        let directory = &invocation.environment.cwd;
        if WorkspaceRoot::around(directory)?.is_none() {
            return Ok(here);
        }
        let workspace = Workspace::open(directory)?;
        let document = workspace.member(name)?.document().clone();
        Ok(Self { settings: Some(settings(invocation, document)?), member: Some(name.to_owned()) })
    }

    /// Whether a name alone means the image of the project: the last part of its repository does, and the member.
    fn is_called(&self, name: &str) -> bool {
        let last = self.own().and_then(|own| own.path().rsplit('/').next());
        last == Some(name) || self.member.as_deref() == Some(name)
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
        if is_short(image)
            && self.is_called(image)
            && let Some(place) = self.place(environment)
        {
            return Ok(place);
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

/// A name that is no repository of a registry yet.
fn is_short(image: &str) -> bool {
    !image.contains(['/', ':'])
}

/// The settings of a build file, with those that its workspace gives; none of the root of a workspace, which describes no
/// image.
fn build_file(invocation: &Invocation, path: &Path) -> Result<Option<Settings>, CommandError> {
    let document = match WorkspaceRoot::of_member(path)? {
        Some((_, member)) => member.document().clone(),
        None => Document::read(path)?,
    };
    if document.has_workspace() { Ok(None) } else { settings(invocation, document).map(Some) }
}

fn settings(invocation: &Invocation, document: Document) -> Result<Settings, CommandError> {
    let lookup = |name: &str| invocation.environment.text(name).map(str::to_owned);
    let environment = Overrides::from_environment(lookup)?;
    Ok(Settings::resolve(document, &Overrides::default(), &environment)?)
}

/// Announces what `target` gets, if the build file at hand has receivers and `target` is in a repository of its own;
/// whether it does. A build file that is not valid is no reason not to publish an image.
///
/// # Errors
/// When a secret is not there, or a required receiver does not answer.
pub(super) fn announce(
    invocation: &Invocation,
    client: &Client,
    target: &mut CopyTarget,
) -> Result<bool, CommandError> {
    let Some(repository) = target.repository.clone() else { return Ok(false) };
    let project = match DeliveryProject::read(invocation, None, None) {
        Ok(project) => project,
        Err(error) => {
            let warning = format!("no receiver is told, because `{BUILD_FILE}` cannot be read");
            invocation.printer.late(&error.context(warning));
            return Ok(false);
        }
    };
    let Some(announcer) = project.announcer(invocation, client, &repository)? else { return Ok(false) };
    // The image says itself where it is from.
    let origin = ImageOrigin { image: repository, source: None, revision: None };
    let inner = Arc::clone(&target.destination);
    target.destination = Arc::new(AnnouncedDestination::new(inner, announcer, origin));
    Ok(true)
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
    let project = DeliveryProject::read(invocation, None, name.image.as_deref())?;
    let repository = project.repository(name.image.as_deref(), &name.environment)?;
    let ledger = Ledger::to_read(client.clone(), repository.clone());
    let release = ledger.find(&ledger.releases()?, &name.environment, name.number)?;
    let reference = repository.at_digest(release.image.digest);
    Ok(Some((Arc::new(registry::source(client.clone(), reference.clone())), reference)))
}
