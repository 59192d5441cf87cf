//! From arguments to a build request: finds the build file, merges flags and variables, asks git.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::super::args::ImageArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::super::outputs::ExpectedImage;
use super::super::policy;
use super::events;
use super::output_path::outputs_of_one;
use crate::artifact;
use crate::engine::own::{Apart, OutputShape, OwnFiles};
use crate::engine::{
    AttestRequest, BuildReads, CachePolicy, DescribingFiles, Request, Target, apps, known_tags, project_of,
    untrusted,
};
use crate::project::config::{self, Document, Facts, KeyFlag, Overrides, Settings};
use crate::project::git::{self, GitFacts};
use crate::project::lock::{self, Lock};
use crate::project::workspace::{Member, MemberChange, UncommittedChanges, Workspace, WorkspaceRoot};
use crate::release::resolve::LOCK_NAME;
use crate::runtime::events::Stage;
use crate::transport::archive::{ArchiveOutput, ArchiveWord};
use crate::transport::layout::OciLayout;
use crate::types::error::Explain as _;
use crate::types::error_code::ErrorCode;
use crate::types::location::Location;
use crate::types::reference::Repository;
use crate::types::shown::shown_path;

pub(super) use super::super::invocation::BUILD_FILE;

/// A request and where its lock is.
pub(super) struct CommandRequest {
    /// The image to build.
    pub request: Request,
    /// Where the lock is kept; `None` without a build file.
    pub lock_path: Option<PathBuf>,
    /// Where the image goes, with the name of a member filled in.
    pub outputs: Vec<String>,
}

/// Resolves everything that decides what is built. `files` are those that the command writes itself, by flag.
///
/// # Errors
/// When there is no build file and no artifact, a setting is wrong, or something that is written would be in
/// the image.
pub(super) fn ask(
    invocation: &Invocation,
    args: &ImageArgs,
    files: &[(&str, &Path)],
) -> Result<CommandRequest, CommandError> {
    request_of(invocation, args, files, |_| {
        "`--workspace` means all of its members, and `-p NAME` some of them; PATH can also be a member"
            .to_owned()
    })
}

/// The same for a command that has no flags for members of a workspace. `by_path` is the hint that names a member, given
/// by its directory relative to the root.
///
/// # Errors
/// As [`ask`].
pub(super) fn ask_by_path(
    invocation: &Invocation,
    args: &ImageArgs,
    by_path: impl FnOnce(&str) -> String,
) -> Result<CommandRequest, CommandError> {
    request_of(invocation, args, &[], |root| {
        let workspace = Workspace::open(root).ok();
        let member = workspace.as_ref().and_then(|workspace| workspace.members().first());
        member.map_or_else(
            || "give the directory of one of its members".to_owned(),
            |first| by_path(first.place()),
        )
    })
}

/// The request for one image. `members` is the hint where the directory given to it is the root of a workspace.
fn request_of(
    invocation: &Invocation,
    args: &ImageArgs,
    files: &[(&str, &Path)],
    members: impl FnOnce(&Path) -> String,
) -> Result<CommandRequest, CommandError> {
    let _step = invocation.progress.step(Stage::Look, "settings and git");
    let project = Project::find(invocation, args)?;
    let mut context = RequestContext::new(invocation, args, files, project.artifact.clone())?;
    let settings = context.settings(&project)?;
    if settings.workspace.is_some() {
        let message = "a file with `[workspace]` describes no image itself";
        return Err(CommandError::new(ExitStatus::Input, message)
            .coded(ErrorCode::WorkspaceUnclear)
            .hint(members(&project.directory)));
    }
    let member = project.member.as_ref().map(|member| &*member.name);
    let outputs = outputs_of_one(&args.all_outputs(), member)?;
    context.request(&project, settings, outputs)
}

/// The common ground of the requests of a run: flags and variables, where things are written, and answers that are the same
/// for all.
pub(super) struct RequestContext<'a> {
    invocation: &'a Invocation,
    args: &'a ImageArgs,
    environment: Overrides,
    flags: Overrides,
    /// Written besides the outputs.
    written: Vec<Apart>,
    logins: Vec<Apart>,
    /// By the top of the working tree.
    git: BTreeMap<PathBuf, Option<GitFacts>>,
    /// Of the workspaces in changed working trees, by root.
    uncommitted: BTreeMap<PathBuf, UncommittedChanges>,
    /// By path.
    locks: BTreeMap<PathBuf, Option<Lock>>,
}

impl<'a> RequestContext<'a> {
    /// The context of requests by `args`, about `artifact` where one is given. `files` are those that the command writes
    /// itself, by flag.
    ///
    /// # Errors
    /// When a flag or variable is wrong.
    pub(super) fn new(
        invocation: &'a Invocation,
        args: &'a ImageArgs,
        files: &[(&str, &Path)],
        artifact: Option<PathBuf>,
    ) -> Result<Self, CommandError> {
        let lookup = |name: &str| invocation.environment.text(name).map(str::to_owned);
        Ok(Self {
            invocation,
            args,
            environment: Overrides {
                refuse_changes: invocation.environment.is_ci().then_some(true),
                ..Overrides::from_environment(lookup)?
            },
            flags: overrides(invocation, args, artifact)?,
            written: written(invocation, files),
            logins: logins(invocation),
            git: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
            locks: BTreeMap::new(),
        })
    }

    /// Whether the author of the build file may not decide about this machine.
    pub(super) fn is_untrusted(&self) -> bool {
        self.flags.untrusted.or(self.environment.untrusted) == Some(true)
    }

    /// The settings of a project, in which artifacts may still be named by patterns.
    ///
    /// # Errors
    /// When a setting is wrong or may not be.
    pub(super) fn settings(&self, project: &Project) -> Result<Settings, CommandError> {
        if self.is_untrusted() {
            for file in &project.checked {
                untrusted::check_file(file, &project.limit)?;
            }
        }
        let document = match (&project.document, &project.build_file) {
            (Some(document), _) => document.clone(),
            (None, Some(file)) => Document::read(file)?,
            (None, None) => Document::empty(&self.invocation.environment.cwd),
        };
        let settings = Settings::resolve(document, &self.flags, &self.environment)?;
        apps::check_kinds(&settings)?;
        // A pattern is searched for only in directories that the file may name.
        self.check(&settings, project)?;
        Ok(settings)
    }

    fn check(&self, settings: &Settings, project: &Project) -> Result<(), CommandError> {
        if settings.untrusted {
            untrusted::check(settings, &project.limit, self.args.all_outputs().contains(&"registry"))?;
        }
        Ok(())
    }

    /// The request for the image of a project that has these settings.
    ///
    /// # Errors
    /// When an artifact is missing, a file cannot be read, or something that is written would be in the image.
    pub(super) fn request(
        &mut self,
        project: &Project,
        mut settings: Settings,
        outputs: Vec<String>,
    ) -> Result<CommandRequest, CommandError> {
        let invocation = self.invocation;
        let version = find_artifacts(&mut settings, project.build_file.is_some())?;
        // The match of a pattern may be a link.
        self.check(&settings, project)?;
        let git = self.git_facts(project, &settings)?;
        let names: Vec<String> = settings.env_names().map(str::to_owned).collect();
        let env = names
            .into_iter()
            .filter_map(|name| {
                invocation.environment.chosen(&name).map(|value| (name.clone(), value.to_owned()))
            })
            .collect();
        let lock = self.lock(project.lock_path.as_deref())?;
        let name = name_of(&settings, project);
        let mut written = self.written.clone();
        written.extend(outputs_apart(invocation, &outputs)?);
        let mut secrets = self.logins.clone();
        secrets.extend(settings.attest.key.as_ref().map(|key| Apart {
            path: key.value.path().to_owned(),
            name: format!("the key `{}`", key.value.written()),
            shape: OutputShape::File,
        }));
        let lock_path = project.lock_path.as_deref();
        let beside = project.locks_beside();
        let own = OwnFiles::new(&settings, &project.read, lock_path, &beside, &written, &secrets)?;
        let artifact = project.artifact.as_deref().or(first_app(&settings));
        let request = Request {
            has_build_file: project.build_file.is_some(),
            facts: Facts { git, version, version_sought: Vec::new(), env, content: None },
            lock,
            project: project_of(project.build_file.as_deref(), artifact),
            allow_retag: false,
            cache: reading(&settings, &name, &outputs),
            policies: Arc::new(policy::of_project(
                invocation,
                &settings.policy,
                settings.untrusted.then_some(project.limit.as_path()),
            )?),
            now: invocation.environment.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            reads_base: false,
            plans_refused: false,
            attest: AttestRequest::default(),
            most_findings: crate::engine::FIRST_FINDINGS,
            name,
            settings,
            own,
        };
        Ok(CommandRequest { request, lock_path: project.lock_path.clone(), outputs })
    }

    /// The lock at `path`, which is read once.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn lock(&mut self, path: Option<&Path>) -> Result<Option<Lock>, CommandError> {
        let Some(path) = path else { return Ok(None) };
        if let Some(lock) = self.locks.get(path) {
            return Ok(lock.clone());
        }
        let lock = Lock::read(path)?;
        self.locks.insert(path.to_owned(), lock.clone());
        Ok(lock)
    }

    /// The facts of git about a project. Uncommitted changes in a workspace are those that count for the member.
    fn git_facts(
        &mut self,
        project: &Project,
        settings: &Settings,
    ) -> Result<Option<GitFacts>, CommandError> {
        let mut facts = self.repository_facts(project, settings.untrusted)?;
        if let (Some(facts), Some(member)) = (&mut facts, &project.member)
            && facts.dirty
        {
            match self.change(project, member, settings)? {
                // The first change of all may be that of another member.
                MemberChange::Path(path) => facts.first_change = Some(path),
                MemberChange::Unlisted => {}
                MemberChange::None => (facts.dirty, facts.first_change) = (false, None),
            }
        }
        Ok(facts)
    }

    /// The uncommitted change that counts for a member. A workspace is asked about once.
    fn change(
        &mut self,
        project: &Project,
        member: &ProjectMember,
        settings: &Settings,
    ) -> Result<MemberChange, CommandError> {
        if git::top_of(&project.directory)? != git::top_of(&member.root)? {
            return Ok(MemberChange::Unlisted);
        }
        if !self.uncommitted.contains_key(&member.root) {
            // Where another member cannot be read, it cannot be told whose changes these are.
            let Ok(workspace) = Workspace::open(&member.root) else { return Ok(MemberChange::Unlisted) };
            let files =
                with_git(self.invocation, project.lock_path.as_deref(), settings.untrusted, |around| {
                    git::uncommitted(&member.root, around)
                })?;
            self.uncommitted.insert(member.root.clone(), UncommittedChanges::new(workspace, files));
        }
        let changes = self.uncommitted.get(&member.root).zip(project.build_file.as_deref());
        Ok(changes.map_or(MemberChange::Unlisted, |(changes, build_file)| changes.of(build_file, settings)))
    }

    /// The facts of git about the repository of a project, which is asked once.
    fn repository_facts(
        &mut self,
        project: &Project,
        is_untrusted: bool,
    ) -> Result<Option<GitFacts>, CommandError> {
        let Some(top) = git::top_of(&project.directory)? else { return Ok(None) };
        if let Some(facts) = self.git.get(&top) {
            return Ok(facts.clone());
        }
        let answer = with_git(self.invocation, project.lock_path.as_deref(), is_untrusted, |around| {
            git::facts(&project.directory, around)
        })?;
        for warning in &answer.warnings {
            self.invocation.printer.warning(warning);
        }
        self.git.insert(top, answer.facts.clone());
        Ok(answer.facts)
    }
}

/// Where an image is described, and the files that describe it.
pub(super) struct Project {
    /// The build file.
    build_file: Option<PathBuf>,
    /// Its text, where others than the file have a part in it.
    document: Option<Document>,
    /// The artifact that was given itself.
    pub(super) artifact: Option<PathBuf>,
    /// The directory of the build file or artifact.
    directory: PathBuf,
    /// With `--untrusted`, what the project names may not lie outside of it.
    limit: PathBuf,
    /// The files that describe the image, which must not lead out of it then.
    checked: Vec<PathBuf>,
    /// The lock.
    lock_path: Option<PathBuf>,
    /// The build files.
    read: Vec<PathBuf>,
    /// The member of a workspace that it is.
    member: Option<ProjectMember>,
}

/// A project as a member of a workspace.
struct ProjectMember {
    /// The name, after which the image is named where nothing else says how.
    name: String,
    /// The directory of the workspace.
    root: PathBuf,
}

impl Project {
    /// The meaning of PATH and `--file`: a directory with a build file is a project, and maybe a member of a workspace;
    /// anything else is an artifact, with the settings of `--file` if that is given.
    ///
    /// # Errors
    /// When there is neither, or the workspace cannot be read.
    pub(super) fn find(invocation: &Invocation, args: &ImageArgs) -> Result<Self, CommandError> {
        let path = invocation.source(args.path.as_deref().unwrap_or(Path::new("")))?;
        if let Some(file) = args.file.as_ref().map(|file| invocation.absolute(file)) {
            let artifact =
                args.path.is_some().then_some(path).filter(|path| !path.join(BUILD_FILE).is_file());
            return Ok(Self::alone(invocation, Some(file), artifact));
        }
        let build_file = path.join(BUILD_FILE);
        // Whatever has the name: reading it says what is wrong with a pipe or a directory.
        if std::fs::symlink_metadata(&build_file).is_ok() {
            return Ok(match WorkspaceRoot::of_member(&build_file)? {
                Some((root, member)) => Self::member(&root, &member, member.directory().to_owned()),
                None => Self::alone(invocation, Some(build_file), None),
            });
        }
        let is_set = |set: &String| ["app.path", "app", "layer"].iter().any(|key| sets(set, key));
        if args.path.is_none() && (!args.apps.is_empty() || args.set.iter().any(is_set)) {
            return Ok(Self::alone(invocation, None, None));
        }
        if args.path.is_none() {
            let error = CommandError::from(config::ConfigError::NotFound(PathBuf::from(BUILD_FILE)));
            return Err(match path.join("Dockerfile").is_file() {
                true => error.hint("`pack init --from Dockerfile` takes the Dockerfile over"),
                false => error,
            });
        }
        Ok(Self::alone(invocation, None, Some(path)))
    }

    fn alone(invocation: &Invocation, build_file: Option<PathBuf>, artifact: Option<PathBuf>) -> Self {
        let of = |path: &PathBuf| path.parent().map(Path::to_owned);
        let place = |path: &PathBuf| if path.is_dir() { Some(path.clone()) } else { of(path) };
        let directory = build_file
            .as_ref()
            .and_then(of)
            .or_else(|| artifact.as_ref().and_then(place))
            .unwrap_or_else(|| invocation.environment.cwd.clone());
        let lock_path = build_file.as_ref().map(|file| file.with_file_name(lock::FILE_NAME));
        Self {
            document: None,
            artifact,
            limit: directory.clone(),
            directory,
            checked: build_file.iter().chain(&lock_path).cloned().collect(),
            read: build_file.iter().cloned().collect(),
            lock_path,
            build_file,
            member: None,
        }
    }

    /// The locks of other commands beside its files.
    fn locks_beside(&self) -> BTreeSet<PathBuf> {
        let files = self.read.iter().map(PathBuf::as_path).chain(self.lock_path.as_deref());
        files.map(|path| path.with_file_name(LOCK_NAME)).collect()
    }

    /// A member of a workspace, which has the lock of the workspace.
    pub(super) fn member(root: &WorkspaceRoot, member: &Member, limit: PathBuf) -> Self {
        let build_file = member.build_file().to_owned();
        Self {
            document: Some(member.document().clone()),
            artifact: None,
            directory: member.directory().to_owned(),
            limit,
            checked: vec![build_file.clone()],
            lock_path: Some(root.directory().join(lock::FILE_NAME)),
            read: vec![build_file.clone(), root.build_file()],
            build_file: Some(build_file),
            member: Some(ProjectMember { name: member.name().to_owned(), root: root.directory().to_owned() }),
        }
    }
}

/// An image as its project describes it, before anything of it need be there.
pub(super) struct Described(Project);

impl Described {
    /// The project that `args` mean.
    ///
    /// # Errors
    /// As [`Project::find`].
    pub(super) fn find(invocation: &Invocation, args: &ImageArgs) -> Result<Self, CommandError> {
        Project::find(invocation, args).map(Self)
    }

    /// Whether the same files describe it as the other.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.0.read == other.0.read && self.0.artifact == other.0.artifact
    }

    /// The directory of the project.
    pub(super) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Where the lock is, if there can be one.
    pub(super) fn lock_path(&self) -> Option<&Path> {
        self.0.lock_path.as_deref()
    }

    /// The directories of the members, as arguments, if it is the root of a workspace, which describes no image itself. Settings
    /// that are wrong are the build's to tell.
    pub(super) fn members(&self, invocation: &Invocation, args: &ImageArgs) -> Option<Vec<PathBuf>> {
        let Self(project) = self;
        let context = RequestContext::new(invocation, args, &[], project.artifact.clone()).ok()?;
        context.settings(project).ok()?.workspace?;
        let workspace = Workspace::open(&project.directory).ok();
        let above = args.path.as_deref().unwrap_or(Path::new(""));
        let members = workspace.iter().flat_map(Workspace::members);
        Some(members.map(|member| above.join(member.place())).collect())
    }

    /// The paths that a build of it reads.
    ///
    /// # Errors
    /// When a setting or the lock is wrong.
    pub(super) fn reads(
        &self,
        invocation: &Invocation,
        args: &ImageArgs,
    ) -> Result<BuildReads, CommandError> {
        let Self(project) = self;
        let mut context = RequestContext::new(invocation, args, &[], project.artifact.clone())?;
        let settings = context.settings(project)?;
        if settings.workspace.is_some() {
            let message = "a file with `[workspace]` describes no image itself";
            let first = self.members(invocation, args).into_iter().flatten().next();
            let first = first.map(|place| format!(", such as `{}`", shown_path(&place))).unwrap_or_default();
            return Err(CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::WorkspaceUnclear)
                .hint(format!("give the directory of one of its members{first}")));
        }
        context.check(&with_present_artifacts(&settings)?, project)?;
        let lock = context.lock(project.lock_path.as_deref())?;
        let described = DescribingFiles {
            build_files: &project.read,
            lock_path: project.lock_path.as_deref(),
            lock: lock.as_ref(),
            beside: &project.locks_beside(),
        };
        Ok(BuildReads::of(&settings, &described, invocation.scratch.parent()))
    }

    /// The paths that are known of it while its settings are wrong.
    pub(super) fn described_by(&self) -> BuildReads {
        BuildReads::described_by(&self.0.read, self.0.artifact.as_deref())
    }
}

/// All that a command writes besides its outputs: `files` by flag, the store, and where the standard streams go.
fn written(invocation: &Invocation, files: &[(&str, &Path)]) -> Vec<Apart> {
    let mut written = Vec::new();
    let mut add = |path: &Path, name: String, shape| {
        written.push(Apart { path: invocation.absolute(path), name, shape });
    };
    for (flag, file) in files {
        add(file, format!("`{flag} {}`", shown_path(file)), OutputShape::File);
    }
    // Where nothing says where the store is, none is written.
    if let Ok(store) = invocation.environment.cache_dir(invocation.global.cache_dir.as_deref()) {
        add(&store, format!("the local store `{}`", shown_path(&store)), OutputShape::Store);
    }
    for (number, name) in [(1, "standard output"), (2, "standard error")] {
        // A terminal, pipe or device is no file of a tree.
        let link = PathBuf::from(format!("/proc/self/fd/{number}"));
        if std::fs::metadata(&link).is_ok_and(|metadata| metadata.is_file()) {
            add(&link, name.to_owned(), OutputShape::Stream);
        }
    }
    written
}

/// The files and layouts that the outputs are.
fn outputs_apart(invocation: &Invocation, outputs: &[String]) -> Result<Vec<Apart>, CommandError> {
    let mut written = Vec::new();
    for output in outputs {
        let (path, shape) = match Location::output(output)? {
            Location::OciLayout { dir, .. } => (dir, OutputShape::Layout),
            Location::OciArchive { file, .. } | Location::DockerArchive { file, .. } => {
                (file, OutputShape::File)
            }
            _ => continue,
        };
        written.push(Apart { path: invocation.absolute(&path), name: format!("`-o {output}`"), shape });
    }
    Ok(written)
}

/// Files of logins, which an image would give to everyone who pulls it.
fn logins(invocation: &Invocation) -> Vec<Apart> {
    let environment = &invocation.environment;
    let file = |directory: Option<PathBuf>, name: &str| directory.map(|directory| directory.join(name));
    let files = [
        environment.registry_auth_file(),
        file(environment.runtime_dir(), "containers/auth.json"),
        file(environment.config_home(), "containers/auth.json"),
        file(environment.docker_config(), "config.json"),
    ];
    let apart = |path: PathBuf| Apart {
        name: format!("the file of logins `{}`", shown_path(&path)),
        path,
        shape: OutputShape::File,
    };
    files.into_iter().flatten().map(apart).collect()
}

/// Puts the paths of artifacts in the place of patterns, and returns the version that their names say.
fn find_artifacts(settings: &mut Settings, has_build_file: bool) -> Result<Option<String>, CommandError> {
    let mut version = None;
    let mut apps = std::mem::take(&mut settings.apps);
    for path in apps.iter_mut().flat_map(|app| app.paths.as_mut_slice()) {
        match artifact::find(path.value.path()) {
            Ok(found) => {
                path.value = path.value.found(found.path);
                version = version.or(found.version);
            }
            Err(error) if has_build_file => {
                let at = settings.error_at(path.span, error.to_string(), error.hint());
                return Err(at.about(error.code()).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    settings.apps = apps;
    Ok(version)
}

/// The same settings with the artifacts that are there in the place of patterns: a match may be a link.
fn with_present_artifacts(settings: &Settings) -> Result<Settings, CommandError> {
    let mut found = settings.clone();
    for path in found.apps.iter_mut().flat_map(|app| app.paths.as_mut_slice()) {
        match artifact::find(path.value.path()) {
            Ok(there) => path.value = path.value.found(there.path),
            Err(error) if error.code() == Some(ErrorCode::PatternWrong) => {
                return Err(settings
                    .error_at(path.span, error.to_string(), error.hint())
                    .about(error.code())
                    .into());
            }
            // It may come.
            Err(_) => {}
        }
    }
    Ok(found)
}

/// How long one run of git may take. Not measured with very large repositories on a slow disk.
const PATIENCE_WITH_GIT: Duration = Duration::from_secs(60);

/// Asks git with the surroundings of this command. A lock of ours is no change: `build.lock` is an input that is named by its
/// digests, and `images.lock` is none, so that their first writing does not make the next image another one.
pub(super) fn with_git<T, E>(
    invocation: &Invocation,
    lock_path: Option<&Path>,
    is_untrusted: bool,
    ask: impl FnOnce(&git::Surroundings<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let environment = &invocation.environment;
    let lookup = |name: &str| environment.raw(name).map(OsString::from);
    let own_directory = lock_path.and_then(|path| std::fs::canonicalize(path.parent()?).ok());
    let is_ours = |path: &Path| {
        let is_lock = path.file_name().is_some_and(|name| name == lock::FILE_NAME || name == LOCK_NAME)
            && (path.parent() == own_directory.as_deref() || path.with_file_name(BUILD_FILE).is_file());
        is_lock || invocation.files.is_wanted(path)
    };
    let search_path = environment.search_path();
    let temporary = invocation.scratch.parent().to_owned();
    ask(&git::Surroundings {
        search_path: &search_path,
        temporary: &temporary,
        variable: &lookup,
        is_ours: &is_ours,
        patience: PATIENCE_WITH_GIT,
        is_untrusted,
    })
}

/// How the cache in a registry is read: a build that needs a layer's bytes has no use for it.
fn reading(settings: &Settings, name: &Repository, outputs: &[String]) -> CachePolicy {
    let only_pushes = outputs == ["registry"] && !settings.offline;
    let reads = only_pushes && settings.cache.read.unwrap_or(true);
    CachePolicy {
        read: reads.then(|| cache_repository(settings, name)),
        write: None,
        verify: settings.cache.verify.unwrap_or_default(),
    }
}

/// The repository with the entries of the cache.
fn cache_repository(settings: &Settings, name: &Repository) -> Repository {
    settings.cache.repository.as_ref().map_or_else(|| name.clone(), |repository| repository.value.clone())
}

impl CommandRequest {
    /// The image, as far as the files about it are known to need it before it is built.
    pub(super) fn expected_image(&self) -> ExpectedImage {
        // Some tags are known only after the build.
        let tag = known_tags(&self.request).ok().and_then(|tags| Some(tags.first()?.to_string()));
        ExpectedImage { name: self.request.name.to_string(), tag }
    }

    /// Has the build write to the cache in the registry.
    ///
    /// # Errors
    /// When it does not push.
    pub(super) fn write_cache(&mut self, args: &ImageArgs) -> Result<(), CommandError> {
        if !args.all_outputs().contains(&"registry") {
            return Err(CommandError::usage("`--cache-to` needs `--push`")
                .hint("entries of the cache name layers that a registry has"));
        }
        self.request.cache.write = Some(cache_repository(&self.request.settings, &self.request.name));
        Ok(())
    }
}

/// Whether `--set` gives this key.
fn sets(set: &str, key: &str) -> bool {
    set.split_once('=').is_some_and(|(name, _)| name.trim() == key)
}

fn overrides(
    invocation: &Invocation,
    args: &ImageArgs,
    artifact: Option<PathBuf>,
) -> Result<Overrides, CommandError> {
    let mut set = args.set.clone();
    set.extend(args.cache_verify.map(|percent| format!("cache.verify={percent}")));
    set.extend((args.cache_from || args.no_cache_from).then(|| format!("cache.read={}", args.cache_from)));
    let texts = [
        ("--root", ["app", "root"], args.root.clone()),
        ("--layout", ["app", "layout"], args.layout.map(|layout| layout.as_str().to_owned())),
        ("--cache-repo", ["cache", "repository"], args.cache_repo.as_ref().map(ToString::to_string)),
    ];
    let keys = texts.into_iter().filter_map(|(flag, key, value)| Some(KeyFlag { flag, key, value: value? }));
    Ok(Overrides {
        artifact,
        apps: args.apps.clone(),
        name: args.name.as_ref().map(ToString::to_string),
        base: args.base.clone(),
        tags: args.tags.clone(),
        platforms: args.platforms.iter().map(ToString::to_string).collect(),
        compression: args.compression.clone(),
        set,
        keys: keys.collect(),
        offline: args.offline.then_some(true),
        locked: args.locked.then_some(true),
        untrusted: args.untrusted.then_some(true),
        allow: args.checks.allow.clone(),
        strict: args.checks.strict.then_some(true),
        refuse_changes: None,
        jobs: invocation.global.jobs,
        source_date_epoch: invocation.environment.source_date_epoch()?,
    })
}

/// The path of the first artifact.
fn first_app(settings: &Settings) -> Option<&Path> {
    settings.apps.first()?.paths.as_slice().first().map(|path| path.value.path())
}

/// The image's name: as given, else `localhost/` and the artifact's, as podman names local images.
fn name_of(settings: &Settings, project: &Project) -> Repository {
    if let Some(name) = &settings.name {
        return name.value.clone();
    }
    let app = settings.apps.first().and_then(|app| app.paths.as_slice().first());
    let named = app.map(|path| path.value.without_pattern());
    let path = named.as_deref().or(project.artifact.as_deref()).unwrap_or(&project.directory);
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = project.member.as_ref().map_or(stem, |member| member.name.clone()).to_lowercase();
    let plain: String = stem
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let name = if words.is_empty() { "image".to_owned() } else { words.join("-") };
    let parsed = format!("localhost/{name}").parse();
    parsed.unwrap_or_else(|_| unreachable!("words of letters and digits are a name"))
}

/// The root of the workspace that leaves the project out, if there is one.
fn root_that_excludes(asked: &CommandRequest) -> Option<WorkspaceRoot> {
    WorkspaceRoot::that_excludes(&asked.lock_path.as_ref()?.with_file_name(BUILD_FILE))
}

/// The targets that the outputs mean; without any, the local store.
///
/// # Errors
/// When an output is none, or cannot be written.
pub(super) fn targets(
    invocation: &Invocation,
    asked: &CommandRequest,
    session: &crate::engine::Session,
    outputs: &[String],
) -> Result<Vec<Target>, CommandError> {
    let name = &asked.request.name;
    let progress = &session.progress;
    if outputs.is_empty() {
        if !session.store.is_writable() {
            return Err(CommandError::new(
                ExitStatus::Input,
                "the local store cannot be written, and no other output was given",
            )
            .coded(ErrorCode::StoreUnusable)
            .hint("give `-o oci:DIR` or `--push`, or set PACK_CACHE_DIR"));
        }
        // One that lasts for this run alone is no place for an image.
        invocation.store()?;
        let store = OciLayout::of_store(&session.store, name, progress)?;
        return Ok(vec![std::sync::Arc::new(store)]);
    }
    let mut targets: Vec<Target> = Vec::new();
    for output in outputs {
        let location = Location::output(output)?;
        let word = match location {
            Location::DockerArchive { .. } => ArchiveWord::Docker,
            _ => ArchiveWord::Oci,
        };
        let target: Target = match location {
            Location::OciLayout { dir, name } => {
                let layout = OciLayout::create(&invocation.absolute(&dir), name.as_deref(), progress)?;
                std::sync::Arc::new(layout)
            }
            Location::OciArchive { file, name: tag } | Location::DockerArchive { file, name: tag } => {
                let file = invocation.absolute(&file);
                let archive = ArchiveOutput::new(word, &file, Some(name), tag.as_deref(), progress)?;
                std::sync::Arc::new(archive)
            }
            Location::OwnRegistry => {
                if asked.request.settings.name.is_none() {
                    let error = CommandError::usage("to push, the image needs a name")
                        .hint("give `--name REGISTRY/REPOSITORY`, or write `name` into `[image]`");
                    return Err(match root_that_excludes(asked) {
                        Some(root) => error.hint(format!(
                            "`exclude` in `{}` leaves this directory out of the workspace, so it has no name from there",
                            shown_path(&root.build_file())
                        )),
                        None => error,
                    });
                }
                if asked.request.settings.offline {
                    return Err(CommandError::usage("`--offline` and pushing exclude each other"));
                }
                let registry = crate::transport::registry::destination(session.client.clone(), name.clone());
                let registry = std::sync::Arc::new(registry.with_store(&session.store));
                events::announced(invocation, &asked.request, &session.client, registry)?
            }
            Location::Docker => {
                let archive = ArchiveOutput::into_engine(invocation.engine()?, name, progress);
                std::sync::Arc::new(archive)
            }
            Location::Name(_) | Location::Registry(_) | Location::Scratch | Location::Store(_) => {
                return Err(CommandError::usage(format!("`{output}` is not an output"))
                    .hint("to push, give `--name` and `--push`"));
            }
        };
        targets.push(target);
    }
    Ok(targets)
}
