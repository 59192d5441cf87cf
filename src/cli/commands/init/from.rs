//! `pack init --from`: a build file from what another builder reads.

use std::io::Read as _;
use std::path::Path;

use super::super::super::args::InitArgs;
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::file::OutputFile;
use super::super::super::invocation::Invocation;
use super::super::request::BUILD_FILE;
use super::name::name_of;
use crate::import::dockerfile::{self, Imported};
use crate::import::{ImportSurroundings, Weight};
use crate::runtime::input;
use crate::types::location::Location;
use crate::types::shown::{Foreign, shown_path};

/// The most bytes that are read of a Dockerfile, and of `.dockerignore`.
const LIMIT: u64 = 2 << 20;
const IGNORED: u64 = 64 << 10;
const STDIN: &str = "-";

/// Writes a build file from `file`, whose context is the working directory.
///
/// # Errors
/// When the file cannot be read or is no Dockerfile.
pub(super) fn run(
    invocation: &Invocation,
    args: &InitArgs,
    file: &Path,
    target: &Path,
) -> Result<(), CommandError> {
    let cwd = &invocation.environment.cwd;
    let text = text_of(invocation, file)?;
    let is_directory = |path: &str| cwd.join(path).metadata().ok().map(|metadata| metadata.is_dir());
    let ignored = match input::read_text(&cwd.join(".dockerignore"), IGNORED) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(Path::new(".dockerignore"), &error)),
    };
    let around = ImportSurroundings { is_directory: &is_directory, ignored: ignored.as_deref() };
    let imported = dockerfile::read(&text, args.stage.as_deref(), &around);
    let Imported { mut draft, remarks } = imported.map_err(|error| {
        CommandError::from(error).context(format!("`{}` cannot be taken over", shown_path(file)))
    })?;
    if let Some(base) = &args.base {
        draft.base = Some(base.clone());
    }
    if draft.base.as_deref().is_some_and(|base| Location::parse(base).is_err()) {
        let base = draft.base.take().unwrap_or_default();
        invocation
            .printer
            .warning(format!("`{}` is no name of an image: write `base` yourself", Foreign::new(&base)));
    }
    OutputFile::open(invocation, target)?
        .write(invocation, draft.render(&name_of(args), &remarks).as_bytes())?;
    for remark in &remarks {
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
    invocation.printer.result(BUILD_FILE);
    Ok(())
}

fn text_of(invocation: &Invocation, file: &Path) -> Result<String, CommandError> {
    if file.as_os_str() == STDIN {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(LIMIT)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(file, &error))?;
        return Ok(text);
    }
    input::read_text(&invocation.absolute(file), LIMIT).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error).context(format!("cannot read `{}`", shown_path(file)))
}
