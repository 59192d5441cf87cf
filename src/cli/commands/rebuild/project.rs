//! The project that is built again: its request, and the flags that each of its builds gets.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use super::super::super::args::{BuildArgs, Cli, Command};
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::invocation::{BUILD_FILE, Invocation};
use super::super::request::{self, CommandRequest};
use crate::project::config::BaseSetting;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// The project that is built again.
pub(super) struct RebuiltProject {
    /// The request that `pack build` would run.
    pub(super) asked: CommandRequest,
    /// The project or artifact, absolute and without links above it; `None` if flags alone name the artifacts.
    pub(super) path: Option<PathBuf>,
    /// The flags of each build.
    flags: Vec<OsString>,
    /// Whether one of them means another file in another working directory.
    pub(super) is_relative: bool,
}

impl RebuiltProject {
    /// The project at `path` with the flags of `pack build` after `--`.
    ///
    /// # Errors
    /// When they are no such flags, or there is nothing to build.
    pub(super) fn of(
        invocation: &Invocation,
        path: Option<&Path>,
        flags: &[OsString],
    ) -> Result<Self, CommandError> {
        let mut args = build_args(flags)?;
        let cwd = &invocation.environment.cwd;
        let is_here = path.is_none() && args.image.file.is_none() && cwd.join(BUILD_FILE).is_file();
        let path = match path {
            Some(path) => Some(resolved(&invocation.source(path)?)),
            None => is_here.then(|| resolved(cwd)),
        };
        args.image.path.clone_from(&path);
        args.image.registries = invocation.registries.clone();
        let asked = request::ask_by_path(invocation, &args.image, |member| {
            let place = args.image.path.as_deref().unwrap_or(cwd).join(member);
            format!("name one of its members by its path: `--rebuild {}`", shown_path(&place))
        })?;
        let base = asked.request.settings.base.as_ref();
        if let Some(BaseSetting::Store(name)) = base.map(|base| &base.value) {
            let message = format!(
                "the base `store:{name}` is in the local store, and each build has a store of its own"
            );
            let hint = format!("copy it with `pack copy store:{name} oci:DIR`, and build on `oci:DIR`");
            return Err(CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::BaseUnusable)
                .hint(hint));
        }
        let mut own = Vec::new();
        if needs_lock(&asked) {
            if asked.request.locked_base().is_none() {
                return Err(CommandError::new(
                    ExitStatus::Input,
                    "the base is not in `build.lock`, so it could be another one in each build",
                )
                .coded(ErrorCode::LockMissing)
                .hint("run `pack build` once, which writes `build.lock`"));
            }
            if !args.image.locked {
                own.push("--locked".into());
            }
        }
        let registries = &invocation.registries;
        let mut add = |flag: &str, value: OsString| own.extend([flag.into(), value]);
        registries.plain_http.iter().for_each(|host| add("--plain-http", host.to_string().into()));
        registries.skip_tls_verify.iter().for_each(|host| add("--skip-tls-verify", host.to_string().into()));
        registries.ca_file.iter().for_each(|file| add("--ca-file", invocation.absolute(file).into()));
        own.extend(flags.iter().cloned());
        Ok(Self { asked, is_relative: is_relative(&args), path, flags: own })
    }

    /// The artifacts, the files of layers, and a base on disk.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        let settings = &self.asked.request.settings;
        let apps = settings.apps.iter().flat_map(|app| app.paths.as_slice());
        let base = settings.base.as_ref().and_then(|base| match &base.value {
            BaseSetting::Layout { path, .. }
            | BaseSetting::OciArchive { path, .. }
            | BaseSetting::DockerArchive { path, .. } => Some(path.path()),
            BaseSetting::Scratch | BaseSetting::Registry(_) | BaseSetting::Store(_) => None,
        });
        let files = settings.layers.iter().flat_map(|layer| &layer.files);
        let files = files.map(|files| files.from.value.path());
        apps.map(|path| path.value.path()).chain(files).chain(base).collect()
    }

    /// The arguments of a build of `path` in the place of the project.
    pub(super) fn arguments(&self, path: Option<&Path>) -> Vec<OsString> {
        path.map(OsString::from).into_iter().chain(self.flags.iter().cloned()).collect()
    }
}

/// Without links in the directories above it. A link itself gives its name to the image.
fn resolved(path: &Path) -> PathBuf {
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match (path.is_dir(), path.parent(), path.file_name()) {
        (false, Some(parent), Some(name)) => whole(parent).join(name),
        _ => whole(path),
    }
}

/// The flags of `pack build`; none that says where the image goes.
fn build_args(flags: &[OsString]) -> Result<BuildArgs, CommandError> {
    let line = ["pack", "build"].into_iter().map(OsString::from).chain(flags.iter().cloned());
    let hint = "after `--` come flags of `pack build`, such as `-- --set config.user=1000`";
    let cli = Cli::try_parse_from(line).map_err(|error| {
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        CommandError::usage(format!("the flags after `--` are not those of a build: {first}")).hint(hint)
    })?;
    let Command::Build(args) = cli.command else {
        return Err(CommandError::usage("the flags after `--` are not those of a build").hint(hint));
    };
    let files = &args.files;
    let writes = !args.image.all_outputs().is_empty()
        || files.metadata_file.is_some()
        || files.image_refs.is_some()
        || files.iidfile.is_some()
        || !files.ci.is_empty()
        || args.timings.is_some()
        || args.attest.sbom.is_some()
        || args.attest.attest.is_some()
        || args.attest.sign
        || args.attest.key.is_some()
        || args.cache_to;
    let is_set_here = cli.global.cache_dir.is_some()
        || cli.global.jobs.is_some()
        || cli.global.quiet
        || cli.global.verbose > 0
        || args.format.json;
    if writes || is_set_here {
        return Err(CommandError::usage(
            "a flag after `--` says where results go or how a build runs, which `--rebuild` decides",
        )
        .hint("give only flags that decide the image, such as `--tag`, `--base` and `--set`"));
    }
    if args.image.path.is_some() {
        return Err(CommandError::usage("a path after `--` is not the project")
            .hint("give it to `--rebuild`: `pack verify --rebuild PATH`"));
    }
    Ok(*args)
}

/// Whether the base comes from `build.lock`.
fn needs_lock(asked: &CommandRequest) -> bool {
    let base = asked.request.settings.base.as_ref();
    asked.lock_path.is_some() && base.is_some_and(|base| base.value != BaseSetting::Scratch)
}

/// Whether a flag names a file from the working directory.
fn is_relative(args: &BuildArgs) -> bool {
    let image = &args.image;
    let base = image.base.as_deref().and_then(|base| base.split_once(':'));
    let of_base = base.filter(|(word, _)| matches!(*word, "oci" | "oci-archive" | "docker-archive"));
    image.file.as_ref().is_some_and(|file| file.is_relative())
        || image.apps.iter().any(|app| !app.starts_with('/'))
        || of_base.is_some_and(|(_, path)| !path.starts_with('/'))
        || args.image.registries.ca_file.iter().any(|file| file.is_relative())
}
