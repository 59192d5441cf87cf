//! `pack verify --rebuild`: builds a project again, each time with other surroundings, and compares the digests.
//!
//! Each build is a process of its own, since the umask, the user and the working directory are those of a process. All
//! that they write is in the directory for this run.

mod child;
mod copy;
mod project;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::super::args::{Perturbation, VerifyArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::{Invocation, Opened};
use super::super::view::rebuild::{RebuildRow, RebuildView};
use crate::inspect::diff::{DiffOptions, LocatedDifference, locate};
use crate::oci::attestation::digest_without;
use crate::runtime::events::Stage;
use crate::transport::layout::OciLayout;
use crate::transport::{Source, registry};
use crate::types::digest::Digest;
use crate::types::location::Location;
use crate::types::reference::Tag;
use crate::types::shown::shown_path;
use child::{ChildBuild, ChildImage, ChildResult};
use project::RebuiltProject;

/// The user and group `nobody`, by number as on most systems.
const NOBODY: u32 = 65_534;
/// Threads for each processor, where there are to be many.
const MANY: usize = 4;

/// Builds again and compares.
///
/// # Errors
/// When a build fails, or the image that was named cannot be read.
pub(super) fn run(invocation: &Invocation, args: &VerifyArgs) -> Result<ExitStatus, CommandError> {
    let path = args.rebuild.as_ref().and_then(Option::as_deref);
    let project = RebuiltProject::of(invocation, path, &args.flags)?;
    // An image that cannot be read is known before all builds.
    let named = args.image.as_deref().map(|name| open(invocation, &project, name)).transpose()?;
    let failed = |error: std::io::Error| CommandError::from_error(ExitStatus::Input, &error);
    let directory = fs::canonicalize(invocation.scratch.dir().map_err(failed)?).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let rebuild = Rebuild { invocation, project, directory, program };

    let plain = rebuild.run(None)?;
    let mut builds = vec![RebuildRow {
        name: PLAIN.to_owned(),
        digest: Some(plain.result.digest),
        same: Some(true),
        seconds: Some(plain.seconds),
        ..RebuildRow::default()
    }];
    for perturbation in Perturbation::value_variants() {
        let is_first = builds.iter().all(|build| build.same != Some(false));
        let asked = !args.without.contains(perturbation);
        builds.push(rebuild.compared(*perturbation, asked, &plain, is_first)?);
    }
    let image = match named {
        Some(opened) => rebuild.against(&opened, &plain)?,
        None => rebuild.against_registry(&plain)?,
    };
    let same = builds.iter().chain([&image]).all(|row| row.same != Some(false));
    let view = RebuildView { same, digest: plain.result.digest, builds, image };
    if args.format.json {
        invocation.printer.json(&view);
    } else {
        invocation.printer.result(view.text());
    }
    Ok(if same { ExitStatus::Done } else { ExitStatus::Different })
}

/// The name of the first build.
const PLAIN: &str = "plain";

/// The image that was named: a name alone is the registry's, since the pushed image counts.
fn open(invocation: &Invocation, project: &RebuiltProject, name: &str) -> Result<Opened, CommandError> {
    let client = invocation.client_of(&project.asked.request.settings)?;
    let opened = invocation.published(name, &client)?;
    match opened.source.root() {
        Ok(_) => Ok(opened),
        Err(error) => Err(invocation.or_in_store(CommandError::from(error), name)),
    }
}

/// All builds of a project.
struct Rebuild<'a> {
    invocation: &'a Invocation,
    project: RebuiltProject,
    /// The place for all that they write.
    directory: PathBuf,
    program: PathBuf,
}

impl Rebuild<'_> {
    /// Builds with something changed, and compares. `locates` asks for the first difference.
    fn compared(
        &self,
        perturbation: Perturbation,
        asked: bool,
        plain: &ChildImage,
        locates: bool,
    ) -> Result<RebuildRow, CommandError> {
        let name = perturbation.to_string();
        let reason = match asked {
            true => self.prepare(perturbation)?,
            false => Some("`--without` leaves it out".to_owned()),
        };
        if let Some(reason) = reason {
            return Ok(RebuildRow { name, left_out: Some(reason), ..RebuildRow::default() });
        }
        let image = self.run(Some(perturbation)).map_err(|error| match error.status {
            ExitStatus::Interrupted => error,
            _ => error
                .context(format!("the build `{name}` failed"))
                .hint(format!("the first build succeeded; `--without {name}` leaves this one out")),
        })?;
        let digest = image.result.digest;
        let same = digest == plain.result.digest;
        let difference = match same || !locates {
            true => None,
            false => self.difference(plain, &*opened(&image)?)?,
        };
        // Only the first build is needed again.
        let _ = fs::remove_dir_all(self.place(Some(perturbation)));
        Ok(RebuildRow {
            name,
            digest: Some(digest),
            same: Some(same),
            seconds: Some(image.seconds),
            left_out: None,
            difference,
        })
    }

    /// Makes what a build needs; the reason where it cannot be.
    fn prepare(&self, perturbation: Perturbation) -> Result<Option<String>, CommandError> {
        Ok(match perturbation {
            Perturbation::Directory if self.project.is_relative => {
                Some("a flag after `--` names a file from the working directory".to_owned())
            }
            Perturbation::User => self.hidden_from_nobody(),
            Perturbation::Copy => {
                let reason = match self.copied() {
                    Ok(copied) => {
                        let interrupt = &self.invocation.interrupt;
                        copy::copy(&copied.from, &copied.to, &self.directory, interrupt).err()
                    }
                    Err(reason) => Some(reason),
                };
                self.invocation.interrupt.check()?;
                reason
            }
            _ => None,
        })
    }

    /// Why the user `nobody` cannot build this.
    fn hidden_from_nobody(&self) -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("only root can build as another user".to_owned());
        }
        let mut inputs: Vec<PathBuf> = self.project.inputs().into_iter().map(Path::to_owned).collect();
        inputs
            .extend(self.project.path.as_deref().map(|path| copy::root_of(path).unwrap_or(path.to_owned())));
        inputs.extend(self.project.asked.lock_path.clone().filter(|lock| lock.exists()));
        inputs.push(self.program.clone());
        // The directory of this run is opened for that user later.
        inputs.extend(self.directory.parent().map(|parent| parent.join("pack")));
        let hidden = inputs.iter().find_map(|input| copy::unreadable(input))?;
        Some(format!("`{}` cannot be read by another user", shown_path(&hidden)))
    }

    /// Where the copy of the project is, and what is copied.
    fn copied(&self) -> Result<CopiedProject, String> {
        let path = self.project.path.as_deref().ok_or("flags alone name the artifacts")?;
        let from = copy::root_of(path)?;
        let mut inputs = self.project.inputs().into_iter();
        let is_outside = |input: &&Path| fs::canonicalize(input).is_ok_and(|input| !input.starts_with(&from));
        if let Some(outside) = inputs.find(is_outside) {
            return Err(format!("`{}` lies outside of `{}`", shown_path(outside), shown_path(&from)));
        }
        let to = self.place(Some(Perturbation::Copy)).join("project");
        let name = from.file_name().unwrap_or_default();
        let to = if name.is_empty() { to } else { to.join(name) };
        Ok(CopiedProject { from, to })
    }

    /// The directory of a build.
    fn place(&self, perturbation: Option<Perturbation>) -> PathBuf {
        self.directory.join(perturbation.map_or_else(|| PLAIN.to_owned(), |it| it.to_string()))
    }

    fn run(&self, perturbation: Option<Perturbation>) -> Result<ChildImage, CommandError> {
        let words = perturbation.map_or_else(|| PLAIN.to_owned(), |it| it.to_string());
        let _step = self.invocation.progress.step(Stage::Look, &format!("building: {words}"));
        let directory = self.place(perturbation);
        let mut build = ChildBuild {
            program: self.program.clone(),
            arguments: self.project.arguments(self.project.path.as_deref()),
            store: directory.join("store"),
            directory,
            cwd: self.invocation.environment.cwd.clone(),
            jobs: self.invocation.global.jobs.map(Into::into),
            umask: None,
            variables: Vec::new(),
            user: None,
        };
        let processors = std::thread::available_parallelism().map_or(1, Into::into);
        match perturbation {
            None => {}
            Some(Perturbation::Warm) => build.store = self.place(None).join("store"),
            Some(Perturbation::OneThread) => build.jobs = Some(1),
            Some(Perturbation::ManyThreads) => build.jobs = Some(processors * MANY),
            Some(Perturbation::Directory) => build.cwd = PathBuf::from("/"),
            Some(Perturbation::Umask077) => build.umask = Some(0o077),
            Some(Perturbation::Umask000) => build.umask = Some(0),
            Some(Perturbation::Locale) => {
                build.variables = ["TZ", "LC_ALL", "LANG", "LANGUAGE"]
                    .into_iter()
                    .zip(["Asia/Kathmandu", "tr_TR.UTF-8", "tr_TR.UTF-8", "tr"])
                    .collect();
            }
            Some(Perturbation::User) => build.user = Some(NOBODY),
            Some(Perturbation::Copy) => {
                // It could be made a moment ago.
                if let Ok(copied) = self.copied() {
                    let path = self.project.path.as_deref().map(|path| copied.path(path));
                    build.arguments = self.project.arguments(path.as_deref());
                    build.cwd = copied.path(&build.cwd);
                }
            }
        }
        let _open = build.user.map(|_| PassableDirectory::of(&self.directory));
        build.run(&self.invocation.interrupt)
    }

    fn against(&self, opened: &Opened, plain: &ChildImage) -> Result<RebuildRow, CommandError> {
        // Statements in the index are about the image, and are not made again.
        let digest = digest_without(&opened.source.root()?);
        let same = digest == plain.result.digest;
        let difference = if same { None } else { self.difference(plain, &*opened.source)? };
        let name = opened.location.to_string();
        Ok(RebuildRow { name, digest: Some(digest), same: Some(same), difference, ..RebuildRow::default() })
    }

    /// Compares with the first tag in the registry, if the image has a registry, and the registry has the tag.
    fn against_registry(&self, plain: &ChildImage) -> Result<RebuildRow, CommandError> {
        let request = &self.project.asked.request;
        let left_out = |name: String, reason: &str| {
            Ok(RebuildRow { name, left_out: Some(reason.to_owned()), ..RebuildRow::default() })
        };
        let Some(tag) = plain.result.tags.first() else {
            return left_out("image".to_owned(), "the image has no tag");
        };
        let name = format!("docker://{}:{tag}", request.name);
        if request.settings.name.is_none() || request.name.registry().as_str() == "localhost" {
            return left_out(name, "it names no registry");
        }
        if request.settings.offline {
            return left_out(name, "`--offline` does not ask the registry");
        }
        let Ok(tag) = tag.parse::<Tag>() else { return left_out(name, "it is no tag") };
        let client = self.invocation.client_of(&request.settings)?;
        let reference = request.name.at_tag(tag);
        match client.resolve(&reference)? {
            None => left_out(name, "the registry does not have it"),
            Some(found) => {
                let pinned = request.name.at_digest(found.digest);
                let source = std::sync::Arc::new(registry::source(client, pinned));
                self.against(&Opened { source, location: Location::Registry(reference) }, plain)
            }
        }
    }

    fn difference(
        &self,
        plain: &ChildImage,
        other: &dyn Source,
    ) -> Result<Option<LocatedDifference>, CommandError> {
        let options = DiffOptions {
            jobs: self.invocation.jobs(None).get(),
            progress: self.invocation.progress.clone(),
            interrupt: self.invocation.interrupt.clone(),
            ..DiffOptions::default()
        };
        Ok(locate(&*opened(plain)?, other, &options)?)
    }
}

/// The image in the layout of a build.
fn opened(image: &ChildImage) -> Result<Box<dyn Source>, CommandError> {
    let ChildResult { digest, .. } = &image.result;
    Ok(Box::new(OciLayout::open(&image.layout, Some(&Digest::to_string(digest)))?))
}

/// Where a copy comes from and goes to.
struct CopiedProject {
    from: PathBuf,
    to: PathBuf,
}

impl CopiedProject {
    /// The path in the copy; one that is not copied stays.
    fn path(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.from) {
            Ok(rest) if rest.as_os_str().is_empty() => self.to.clone(),
            Ok(rest) => self.to.join(rest),
            Err(_) => path.to_owned(),
        }
    }
}

/// Other users can go through a directory while this lives.
struct PassableDirectory<'a>(&'a Path);

impl<'a> PassableDirectory<'a> {
    fn of(path: &'a Path) -> Self {
        // A build that cannot go through it says so.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o711));
        Self(path)
    }
}

impl Drop for PassableDirectory<'_> {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.0, fs::Permissions::from_mode(0o700));
    }
}
