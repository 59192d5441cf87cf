//! `pack init --from`: a build file from what another builder reads.

use std::io::Read as _;
use std::path::Path;

use super::super::super::args::InitArgs;
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::file::OutputFile;
use super::super::super::invocation::Invocation;
use super::super::request::BUILD_FILE;
use super::name::name_of;
use crate::import::ko::{self, KoBuild};
use crate::import::{
    ImportError, ImportForm, ImportSurroundings, Imported, NewBuildFile, Weight, dockerfile, jib,
};
use crate::runtime::input;
use crate::runtime::tree_reader::TreeReader;
use crate::types::error::text_code;
use crate::types::error_code::ErrorCode;
use crate::types::location::Location;
use crate::types::reference::Repository;
use crate::types::shown::{Foreign, shown_path};

/// The most bytes that are read of a description and of the files beside it, and of `.dockerignore`.
const LIMIT: u64 = 1 << 20;
const IGNORED: u64 = 64 << 10;
/// The entries of a directory that are looked at.
const MOST_ENTRIES: usize = 10_000;
const STDIN: &str = "-";

/// Writes a build file from `file`, whose context is the working directory.
///
/// # Errors
/// When the file cannot be read or is of no form that is known.
pub(super) fn run(invocation: &Invocation, args: &InitArgs, file: &Path) -> Result<(), CommandError> {
    let cwd = &invocation.environment.cwd;
    let text = text_of(invocation, file)?;
    let refused = |error: ImportError| {
        CommandError::from(error).context(format!("`{}` cannot be taken over", shown_path(file)))
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let form = ImportForm::of(&name, &text).ok_or_else(|| refused(ImportError::Form))?;
    if args.stage.is_some() && form != ImportForm::Dockerfile {
        return Err(CommandError::new(ExitStatus::Usage, "`--stage` is for a Dockerfile"));
    }
    let is_directory = |path: &str| cwd.join(path).metadata().ok().map(|metadata| metadata.is_dir());
    let read = |path: &str| String::from_utf8(TreeReader::new(cwd).read(path, LIMIT).ok()?).ok();
    let directories = |path: &str| directories_in(&cwd.join(path));
    let ignored = match form {
        ImportForm::Dockerfile => ignored(invocation, file)?,
        ImportForm::Jib(_) | ImportForm::Ko => None,
    };
    let around = ImportSurroundings {
        is_directory: &is_directory,
        directories: &directories,
        read: &read,
        ignored: ignored.as_deref(),
    };
    let path = invocation.absolute(file);
    let path = path.strip_prefix(cwd).unwrap_or_else(|_| Path::new(&*name)).to_string_lossy().into_owned();
    let imported = match form {
        ImportForm::Dockerfile => dockerfile::read(&text, args.stage.as_deref(), &around),
        ImportForm::Jib(form) => jib::read(form, &text, &path, &around),
        ImportForm::Ko => {
            let builds = ko::read(&text, &around).map_err(refused)?;
            return write_builds(invocation, args, builds);
        }
    };
    let imported = imported.map_err(refused)?;
    write_one(invocation, args, imported)
}

/// Writes the only build file.
fn write_one(invocation: &Invocation, args: &InitArgs, imported: Imported) -> Result<(), CommandError> {
    let file = new_file(invocation, args, imported, None)?;
    write(invocation, build_file(invocation, Path::new(BUILD_FILE))?, &file)?;
    invocation.printer.result(BUILD_FILE);
    Ok(())
}

/// Writes the builds of ko: one file, or a workspace with one file for each. All of them can be written before the first is.
fn write_builds(
    invocation: &Invocation,
    args: &InitArgs,
    mut builds: Vec<KoBuild>,
) -> Result<(), CommandError> {
    if let [_] = &builds[..] {
        return write_one(invocation, args, builds.remove(0).imported);
    }
    let cwd = &invocation.environment.cwd;
    let root = ko::workspace(&builds);
    let workspace = build_file(invocation, Path::new(BUILD_FILE))?;
    let mut outputs = Vec::new();
    for build in &builds {
        let directory = cwd.join(&build.directory);
        let target = Path::new(&build.directory).join(BUILD_FILE);
        let shown = shown_path(Path::new(&build.directory));
        if build.directory.is_empty() || !directory.is_dir() {
            return Err(CommandError::new(
                ExitStatus::Input,
                format!("the build `{}` has no directory `{shown}`", Foreign::new(&build.name)),
            )
            .coded(ErrorCode::ImportFailed)
            .hint("each build of several needs a directory of its own: correct `dir` and `main`"));
        }
        if cwd.join(&target).symlink_metadata().is_ok() && !args.force {
            return Err(CommandError::new(
                ExitStatus::Input,
                format!("there is a `{shown}/{BUILD_FILE}` already"),
            )
            .coded(ErrorCode::FileExists)
            .hint("`--force` replaces it"));
        }
        outputs.push((build_file(invocation, &target)?, target));
    }
    let mut files = Vec::new();
    for build in builds {
        let name = format!("{}/{}", name_of(args, None), build.name.to_lowercase());
        files.push(new_file(invocation, args, build.imported, Some(name))?);
    }
    let mut targets = Vec::new();
    for ((output, target), file) in outputs.into_iter().zip(&files) {
        write(invocation, output, file)?;
        targets.push(target.display().to_string());
    }
    workspace.write(invocation, root.as_bytes())?;
    targets.iter().for_each(|target| invocation.printer.result(target));
    invocation.printer.result(BUILD_FILE);
    Ok(())
}

/// The output for a build file. That of the project may be a link, if `--force` says that it is replaced; on the way to one in a
/// directory no link is followed.
fn build_file(invocation: &Invocation, target: &Path) -> Result<OutputFile, CommandError> {
    match target == Path::new(BUILD_FILE) {
        true => OutputFile::open(invocation, target),
        false => OutputFile::open_below(invocation, &invocation.environment.cwd, target),
    }
}

/// The text of a build file, and what to know about it.
fn new_file(
    invocation: &Invocation,
    args: &InitArgs,
    mut imported: Imported,
    name: Option<String>,
) -> Result<NewBuildFile, CommandError> {
    let Imported { draft, .. } = &mut imported;
    if let Some(base) = &args.base {
        draft.base = Some(base.clone());
    }
    if draft.base.as_deref().is_some_and(|base| Location::parse(base).is_err()) {
        let base = draft.base.take().unwrap_or_default();
        invocation
            .printer
            .warning(format!("`{}` is no name of an image: write `base` yourself", Foreign::new(&base)));
    }
    let own = draft.name.take();
    let is_repository = own.as_deref().is_none_or(|own| own.parse::<Repository>().is_ok());
    if !is_repository {
        let own = own.as_deref().unwrap_or_default();
        invocation
            .printer
            .warning(format!("`{}` is no name of a repository: write `name` yourself", Foreign::new(own)));
    }
    let name = name.unwrap_or_else(|| name_of(args, own.filter(|_| is_repository)));
    Ok(imported.into_file(&name)?)
}

/// Writes one build file, and says what to know about it.
fn write(invocation: &Invocation, output: OutputFile, file: &NewBuildFile) -> Result<(), CommandError> {
    let NewBuildFile { text, remarks } = file;
    output.write(invocation, text.as_bytes())?;
    for remark in remarks {
        match remark.weight {
            Weight::Left => invocation.printer.warning(remark.to_string()),
            Weight::Check => invocation.printer.note(remark.to_string()),
        }
    }
    let left = remarks.iter().filter(|remark| remark.weight == Weight::Left).count();
    match left {
        0 => invocation.printer.note("everything is carried over; `pack plan` shows the image"),
        1 => invocation.printer.note("1 thing is not in the image: the new file says it, too"),
        left => invocation
            .printer
            .note(format!("{left} things are not in the image: the new file says them, too")),
    }
    Ok(())
}

/// The names of the directories in a directory, if there are few enough to look at.
fn directories_in(path: &Path) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (count, entry) in path.read_dir().ok()?.enumerate() {
        let entry = entry.ok().filter(|_| count < MOST_ENTRIES)?;
        if entry.path().metadata().is_ok_and(|metadata| metadata.is_dir()) {
            names.push(entry.file_name().into_string().ok()?);
        }
    }
    Some(names)
}

/// The text of the file that says what is left out: that of the Dockerfile's own name wins, as in BuildKit.
fn ignored(invocation: &Invocation, file: &Path) -> Result<Option<String>, CommandError> {
    let mut own = invocation.absolute(file).into_os_string();
    own.push(".dockerignore");
    let of_project = invocation.environment.cwd.join(".dockerignore");
    let own = (file.as_os_str() != STDIN).then(|| own.into());
    for path in own.into_iter().chain([of_project]) {
        match input::read_text(&path, IGNORED) {
            Ok(text) => return Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(Path::new(path.file_name().unwrap_or_default()), &error)),
        }
    }
    Ok(None)
}

fn text_of(invocation: &Invocation, file: &Path) -> Result<String, CommandError> {
    if file.as_os_str() == STDIN {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(LIMIT + 1)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(file, &error))?;
        return Ok(text);
    }
    input::read_text(&invocation.absolute(file), LIMIT).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error)
        .coded(text_code(error, ErrorCode::ImportFailed))
        .context(format!("cannot read `{}`", shown_path(file)))
}
