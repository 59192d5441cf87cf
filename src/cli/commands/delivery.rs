//! The build file as far as releases need it: which repository an environment is in, and its conditions.
//!
//! Releases work without a build file, by names alone. The settings of one count for its own image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::{BUILD_FILE, Invocation, Opened};
use super::super::policy;
use super::events;
use super::member_names;
use super::place::CopyTarget;
use crate::notify::{AnnouncedDestination, Announcer, ImageOrigin};
use crate::policy::PolicySet;
use crate::project::config::{Document, EnvironmentSettings, Overrides, Settings};
use crate::project::workspace::{Workspace, WorkspaceRoot};
use crate::registry::Client;
use crate::release::ledger::Ledger;
use crate::transport::{Source, registry};
use crate::types::error::nearest;
use crate::types::error_code::ErrorCode;
use crate::types::location::Location;
use crate::types::reference::{Reference, ReferenceError, Repository};
use crate::types::release::{EnvironmentChoice, EnvironmentName, ReleaseName, ReleaseNumber};

/// Why no image is known without a name.
const NO_NAME: &str = "There is no `build.toml` with a name";

/// The settings of the project at hand, if there is one.
pub(super) struct DeliveryProject {
    settings: Option<Settings>,
    /// The name of the member of a workspace that was asked for.
    member: Option<String>,
    /// The directory of the build file that was looked for.
    directory: PathBuf,
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
        let found = match file.is_none() && !path.exists() {
            true => None,
            false => build_file(invocation, &path)?,
        };
        let directory = path.parent().unwrap_or(&path).to_owned();
        let here = Self { settings: found, member: None, directory };
        let Some(name) = image.filter(|name| file.is_none() && is_short(name) && !here.is_called(name))
        else {
            return Ok(here);
        };
        if WorkspaceRoot::around(&here.directory)?.is_none() {
            return Ok(here);
        }
        let workspace = Workspace::open(&here.directory)?;
        let document = workspace.member(name)?.document().clone();
        Ok(Self { settings: Some(settings(invocation, document)?), member: Some(name.to_owned()), ..here })
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

    /// The policies of a release in `repository`: those of its own build file, and that of a file that was named.
    ///
    /// # Errors
    /// When a file of them cannot be read or is not valid.
    pub(super) fn policies(
        &self,
        invocation: &Invocation,
        repository: &Repository,
        file: Option<&Path>,
    ) -> Result<PolicySet, CommandError> {
        let settings = self.settings.as_ref().filter(|_| self.has(repository));
        policy::of(invocation, settings.map(|settings| &settings.policy), file)
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
            return self.place(environment).ok_or_else(|| self.no_image(environment));
        };
        if is_short(image)
            && self.is_called(image)
            && let Some(place) = self.place(environment)
        {
            return Ok(place);
        }
        if is_short(image) {
            return Err(self.no_repository(image, environment));
        }
        image.parse().map_err(|error: ReferenceError| CommandError::usage(error.to_string()))
    }

    /// No build file says of which image an environment is.
    fn no_image(&self, environment: &EnvironmentName) -> CommandError {
        let (why, hint) = match member_names::example(&self.directory, environment) {
            Some(example) => {
                ("The workspace has several images", format!("name the member, such as `{example}`"))
            }
            None => {
                (NO_NAME, format!("name its repository, such as `localhost:5000/shop/app@{environment}`"))
            }
        };
        let message = format!("the environment `{environment}` of which image? {why}");
        CommandError::new(ExitStatus::Input, message).coded(ErrorCode::ReleaseUnknown).hint(hint)
    }

    /// A word alone is an image of Docker Hub, which has no releases.
    fn no_repository(&self, image: &str, environment: &EnvironmentName) -> CommandError {
        let message =
            format!("`{image}` alone is no repository with releases, and not the image of `{BUILD_FILE}`");
        let own = self.own().and_then(|own| own.path().rsplit('/').next());
        let error = CommandError::new(ExitStatus::Input, message).coded(ErrorCode::ReleaseUnknown);
        match own.and_then(|own| nearest(image, [own])) {
            Some(near) => error.hint(format!("did you mean `{near}@{environment}`?")),
            None => error.hint(format!(
                "write the repository in full, such as `localhost:5000/shop/app@{environment}`; `@{environment}` is the \
                 environment of the image of `{BUILD_FILE}`"
            )),
        }
    }

    /// Refuses a source that has not the form of a release and cannot be an image, and a short name that means a tag or an
    /// environment of the project. `is_sent` says that an image of any place is sent to another repository.
    ///
    /// # Errors
    /// The meaning of the name, with those that the user may have meant.
    pub(super) fn check_source(&self, text: &str, is_sent: bool) -> Result<(), CommandError> {
        check_release(text)?;
        match ProjectWord::read(self, text) {
            Some(word) if !is_sent || word.is_sure => Err(word.error()),
            _ => Ok(()),
        }
    }

    /// An image with this short name could not be read. The user may have meant something of the project.
    pub(super) fn with_meaning(&self, text: &str, error: CommandError) -> CommandError {
        match ProjectWord::read(self, text) {
            Some(word) if error.status == ExitStatus::Registry => {
                error.hint(format!("`{text}` is the image `{}` of Docker Hub; {}", word.image, word.hint))
            }
            _ => error,
        }
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

/// A short name that means an image of Docker Hub, and perhaps something of the project for the user.
struct ProjectWord {
    text: String,
    image: String,
    /// The way to write what the user may have meant.
    hint: String,
    /// Whether no image of Docker Hub can be meant.
    is_sure: bool,
}

impl ProjectWord {
    fn read(project: &DeliveryProject, text: &str) -> Option<Self> {
        if text.contains(['/', '@']) {
            return None;
        }
        let Ok(Location::Name(name)) = Location::parse(text) else { return None };
        let image = name.reference().repository().to_string();
        let (hint, is_sure) = Self::meaning(project, text).or_else(|| {
            let word = member_names::meaning(&project.directory, text)?;
            Some((word.hint, word.is_sure))
        })?;
        Some(Self { text: text.to_owned(), image, hint, is_sure })
    }

    /// The meaning of a text in the project that has an image, and whether it is sure.
    fn meaning(project: &DeliveryProject, text: &str) -> Option<(String, bool)> {
        let own = project.own()?;
        let (tag, environment, is_sure) = match text.split_once(':') {
            Some((name, tag)) if project.is_called(name) => (tag, None, true),
            Some(_) => return None,
            None => {
                let number = text.strip_prefix('v').unwrap_or(text);
                let environment: Option<EnvironmentName> = text.parse().ok();
                let is_known = environment.as_ref().is_some_and(|name| project.environment(name).is_some());
                (text, environment, is_known || number.starts_with(|first: char| first.is_ascii_digit()))
            }
        };
        let tag = tag.parse().ok().map(|tag| format!("the tag of this project is `{}`", own.at_tag(tag)));
        let environment = environment.map(|name| format!("its environment is `@{name}`"));
        Some(([tag, environment].into_iter().flatten().collect::<Vec<_>>().join(", and "), is_sure))
    }

    fn error(self) -> CommandError {
        let message = format!("`{}` means the image `{}` of Docker Hub", self.text, self.image);
        CommandError::new(ExitStatus::Input, message).coded(ErrorCode::ImageNotFound).hint(self.hint)
    }
}

/// Refuses a text that is neither a release nor an image, if it was meant as a release.
fn check_release(text: &str) -> Result<(), CommandError> {
    let Some((_, last)) = text.rsplit_once('@').filter(|(_, last)| !last.contains(':') && !last.is_empty())
    else {
        return Ok(());
    };
    if ReleaseName::read(text).is_some() || Location::parse(text).is_ok() {
        return Ok(());
    }
    let digits = last.strip_prefix('r').unwrap_or(last);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(last.parse::<EnvironmentName>().map(drop)?);
    }
    Err(CommandError::usage(format!("`{last}` is not the number of a release")).hint(format!(
        "releases begin with 1 and end with {}; without a number, it is the newest one",
        ReleaseNumber::LAST.get()
    )))
}

/// Refuses an image of Docker Hub that is to be compared, if the name surely means something of the project.
///
/// # Errors
/// The meaning of the name, with those that the user may have meant.
pub(super) fn check_compared(
    invocation: &Invocation,
    text: &str,
    opened: &Opened,
) -> Result<(), CommandError> {
    let is_near = !matches!(opened.location, Location::Registry(_) | Location::Name(_));
    match word_at_hand(invocation, text).filter(|word| word.is_sure && !is_near) {
        Some(word) => Err(word.error()),
        None => Ok(()),
    }
}

/// Adds what short names may mean in the project to an error of a registry.
pub(super) fn with_meanings(invocation: &Invocation, names: [&str; 2], error: CommandError) -> CommandError {
    if error.status != ExitStatus::Registry {
        return error;
    }
    let words = names.into_iter().filter_map(|name| Some((name, word_at_hand(invocation, name)?)));
    words.fold(error, |error, (name, word)| {
        error.hint(format!("`{name}` is the image `{}` of Docker Hub; {}", word.image, word.hint))
    })
}

/// The meaning of a short name in the project at hand, if there is one whose build file can be read.
fn word_at_hand(invocation: &Invocation, text: &str) -> Option<ProjectWord> {
    if text.contains(['/', '@']) {
        return None;
    }
    ProjectWord::read(&DeliveryProject::read(invocation, None, None).ok()?, text)
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

/// The policies that hold for an image in `repository`: those of the build file at hand, if the image is its own, and that
/// of `file`.
///
/// # Errors
/// When a file of them cannot be read or is not valid.
pub(super) fn policies(
    invocation: &Invocation,
    repository: Option<&Repository>,
    file: Option<&Path>,
) -> Result<PolicySet, CommandError> {
    let Some(repository) = repository else { return policy::of(invocation, None, file) };
    DeliveryProject::read(invocation, None, None)?.policies(invocation, repository, file)
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
    let Some(name) = ReleaseName::read(text) else { return check_release(text).map(|()| None) };
    let project = DeliveryProject::read(invocation, None, name.image.as_deref())?;
    let repository = project.repository(name.image.as_deref(), &name.environment)?;
    let ledger = Ledger::to_read(client.clone(), repository.clone());
    let release = ledger.find(&ledger.releases()?, &name.environment, name.number)?;
    let reference = repository.at_digest(release.image.digest);
    Ok(Some((Arc::new(registry::source(client.clone(), reference.clone())), reference)))
}
