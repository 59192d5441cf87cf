//! The members that a command is about, each with its request.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::super::args::{ImageArgs, WorkspaceArgs};
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::invocation::Invocation;
use super::super::output_path::outputs_of;
use super::super::request::{CommandRequest, Project, RequestContext, with_git};
use super::share::RunShare;
use crate::project::config::{BaseSetting, Settings};
use crate::project::git::{ChangedFiles, changed_since};
use crate::project::lock::Lock;
use crate::project::workspace::{ChangeReason, Member, MemberReads, Workspace};
use crate::runtime::events::Stage;
use crate::types::error_code::ErrorCode;
use crate::types::fingerprint::fingerprint;
use crate::types::shown::shown_path;

/// A member that is built, or cannot be.
pub(super) struct ChosenMember {
    /// Its name.
    pub(super) name: String,
    /// Its directory, relative to the root.
    pub(super) place: String,
    /// Why it counts as changed, where that was asked.
    pub(super) why: Option<ChangeReason>,
    /// Its request, or what is wrong with its settings.
    pub(super) asked: Result<CommandRequest, CommandError>,
}

/// The members that a command is about.
pub(super) struct ChosenMembers {
    /// In the order of their paths.
    pub(super) members: Vec<ChosenMember>,
    /// The names of those that did not change.
    pub(super) left_out: Vec<String>,
    /// The lock of all, and where it is.
    pub(super) lock: Option<Lock>,
    pub(super) lock_path: PathBuf,
    /// The part of them that this run builds.
    pub(super) share: RunShare,
    /// The root of the workspace.
    pub(super) root: PathBuf,
    /// Whether it is a stranger's.
    pub(super) is_untrusted: bool,
}

impl ChosenMembers {
    /// The members that the flags name. `files` are those that the command writes itself, by flag.
    ///
    /// # Errors
    /// When there is no such member, the workspace is wrong, or flags make no sense for several images. A fault of
    /// one member is told with it.
    pub(super) fn choose(
        invocation: &Invocation,
        image: &ImageArgs,
        flags: &WorkspaceArgs,
        files: &[(&str, &Path)],
    ) -> Result<Self, CommandError> {
        check_flags(image)?;
        let _step = invocation.progress.step(Stage::Look, "settings and git");
        let mut context = RequestContext::new(invocation, image, files, None)?;
        let start = invocation.source(image.path.as_deref().unwrap_or(Path::new("")))?;
        let workspace = Workspace::open(&start)?;
        let lock_path = workspace.lock_path();
        if context.is_untrusted() {
            check_untrusted(&workspace, &start, image)?;
        }
        let members: Vec<&Member> = match &flags.members[..] {
            [] => workspace.members().iter().collect(),
            patterns => workspace.select(patterns)?,
        };
        let share = RunShare::of(invocation, &workspace, &members, image, flags)?;
        let members = share.part(&members);
        let lock = context.lock(Some(&lock_path))?;
        let changes = flags.changed_since.as_deref();
        let changes = changes
            .map(|revision| {
                RevisionChanges::since(invocation, &workspace, revision, &lock, context.is_untrusted())
            })
            .transpose()?;
        let outputs = image.all_outputs();
        outputs_of(&outputs, "member")?;
        let root = workspace.root().directory().to_owned();
        let is_untrusted = context.is_untrusted();
        let mut chosen =
            Self { members: Vec::new(), left_out: Vec::new(), lock, lock_path, share, root, is_untrusted };
        for member in members {
            let limit =
                if context.is_untrusted() { workspace.root().directory() } else { member.directory() };
            let project = Project::member(workspace.root(), member, limit.to_owned());
            let settings = context.settings(&project);
            let mut why = None;
            if let (Some(changes), Ok(settings)) = (&changes, &settings) {
                why = changes.of(&workspace, member, settings);
                if why.is_none() {
                    chosen.left_out.push(member.name().to_owned());
                    continue;
                }
            }
            let asked = settings.and_then(|settings| {
                let outputs = outputs_of(&outputs, member.name())?;
                let asked = context.request(&project, settings, outputs)?;
                check_inputs(&asked.request.settings)?;
                Ok(asked)
            });
            let (name, place) = (member.name().to_owned(), member.place().to_owned());
            chosen.members.push(ChosenMember { name, place, why, asked });
        }
        chosen.check_together()?;
        Ok(chosen)
    }

    /// The requests that there are.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&ChosenMember, &CommandRequest)> {
        self.members.iter().filter_map(|member| Some((member, member.asked.as_ref().ok()?)))
    }

    /// Whether the bases are taken as the lock has them.
    pub(super) fn is_locked(&self) -> bool {
        self.requests().any(|(_, asked)| asked.request.settings.locked)
    }

    /// Checks that members differ in their names, and have the same registries.
    fn check_together(&self) -> Result<(), CommandError> {
        let wrong = |message: String, hint: &str| {
            Err(CommandError::new(ExitStatus::Input, message).coded(ErrorCode::SettingWrong).hint(hint))
        };
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        let mut bases: BTreeMap<String, (PathBuf, &str)> = BTreeMap::new();
        let mut registries = None;
        for (ChosenMember { name, .. }, asked) in self.requests() {
            let request = &asked.request;
            if let Some(other) = names.insert(request.name.to_string(), name) {
                let message =
                    format!("the members `{other}` and `{name}` have the image name `{}`", request.name);
                return wrong(message, "give each a `name` in its `[image]`");
            }
            if let Some(base) = &request.settings.base
                && let Some(path) = path_of(&base.value)
                && let Some((other_path, other)) = bases
                    .insert(base.value.to_string(), (path.clone(), name))
                    .filter(|(other, _)| *other != path)
            {
                let message = format!(
                    "the base `{}` is `{}` for the member `{other}` and `{}` for `{name}`: the lock cannot tell them apart",
                    base.value,
                    other_path.display(),
                    path.display()
                );
                return wrong(
                    message,
                    "write `base` into `[workspace.image]`, or name one of the two by another path",
                );
            }
            let own = fingerprint("registries of a member", &request.settings.registries);
            if let Some((other, others)) = registries.replace((name, own))
                && others != own
            {
                let message = format!("the members `{other}` and `{name}` differ in `[registry]`");
                return wrong(message, "write `[registry]` into the build.toml at the root of the workspace");
            }
        }
        Ok(())
    }
}

/// Asks whether the inputs are there: that one is not would be found out when other members are built already.
fn check_inputs(settings: &Settings) -> Result<(), CommandError> {
    let apps = settings.apps.iter().flat_map(|app| app.paths.as_slice());
    let files = settings.layers.iter().flat_map(|layer| &layer.files).map(|files| &files.from);
    let apps = apps.map(|path| (path, ErrorCode::ArtifactMissing));
    for (path, code) in apps.chain(files.map(|path| (path, ErrorCode::FileMissing))) {
        let found = std::fs::metadata(path.value.path());
        if found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            let message = format!("`{}` does not exist", shown_path(path.value.path()));
            let hint = "check the path, or build the artifact first".to_owned();
            let error = settings.error_at(path.span, message, Some(hint));
            return Err(error.about(code).into());
        }
    }
    Ok(())
}

fn path_of(base: &BaseSetting) -> Option<PathBuf> {
    match base {
        BaseSetting::Layout { path, .. }
        | BaseSetting::OciArchive { path, .. }
        | BaseSetting::DockerArchive { path, .. } => {
            Some(std::fs::canonicalize(path.path()).unwrap_or_else(|_| path.path().to_owned()))
        }
        BaseSetting::Scratch | BaseSetting::Registry(_) | BaseSetting::Store(_) => None,
    }
}

/// Flags that are about one image.
fn check_flags(image: &ImageArgs) -> Result<(), CommandError> {
    let one = [
        ("--file", image.file.is_some()),
        ("--name", image.name.is_some()),
        ("--app", !image.apps.is_empty()),
        ("--root", image.root.is_some()),
        ("--layout", image.layout.is_some()),
    ];
    match one.into_iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => {
            let message = format!("`{flag}` is about one image, and the members of a workspace are several");
            Err(CommandError::usage(message)
                .hint("write it into the member's build.toml, or build the member by its path"))
        }
    }
}

/// A workspace of a stranger is limited to the directory that the user named.
fn check_untrusted(workspace: &Workspace, start: &Path, image: &ImageArgs) -> Result<(), CommandError> {
    let root = workspace.root().directory();
    if std::fs::canonicalize(start).ok().as_deref() != Some(root) {
        let message = "with `--untrusted`, PATH must be the root of the workspace: its members may read what lies below it";
        return Err(CommandError::usage(message).hint(format!("give `{}`", root.display())));
    }
    if image.all_outputs().contains(&"registry") {
        let message = "with `--untrusted`, a push needs `--name`, which is about one image";
        return Err(CommandError::usage(message).hint("push the members one by one, each by its path"));
    }
    Ok(())
}

/// The changes since a revision.
struct RevisionChanges {
    files: ChangedFiles,
    then: Lock,
    now: Lock,
}

impl RevisionChanges {
    fn since(
        invocation: &Invocation,
        workspace: &Workspace,
        revision: &str,
        now: &Option<Lock>,
        is_untrusted: bool,
    ) -> Result<Self, CommandError> {
        let (root, lock_path) = (workspace.root().directory(), workspace.lock_path());
        let files = with_git(invocation, Some(&lock_path), is_untrusted, |around| {
            changed_since(root, revision, &lock_path, around)
        })?;
        // A lock that was not there, or that cannot be read, pinned nothing.
        let then = files.then().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let then = then.and_then(|text| Lock::parse("build.lock", text).ok()).unwrap_or_default();
        Ok(Self { files, then, now: now.clone().unwrap_or_default() })
    }

    fn of(&self, workspace: &Workspace, member: &Member, settings: &Settings) -> Option<ChangeReason> {
        MemberReads::of(workspace.root(), member, settings).changed(&self.files, &self.then, &self.now)
    }
}
