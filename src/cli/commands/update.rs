//! `pack update`.

use super::super::args::{ImageArgs, UpdateArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::file;
use super::super::format::{count, printable};
use super::super::invocation::{BUILD_FILE, Invocation};
use super::request;
use crate::engine;
use crate::project::lock::Lock;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Moves the lock to what the base means now, or checks it.
///
/// # Errors
/// Whatever stopped it; the lock is then as it was.
pub(super) fn run(invocation: &Invocation, args: &UpdateArgs) -> Result<(), CommandError> {
    check_path(invocation, args)?;
    let image = ImageArgs {
        path: args.path.clone(),
        file: args.file.clone(),
        untrusted: args.untrusted,
        ..ImageArgs::default()
    };
    let mut asked = request::ask(invocation, &image, &[])?;
    let Some(path) = asked.lock_path.clone() else {
        return Err(CommandError::new(
            ExitStatus::Input,
            "there is no build file, so there is no lock to update",
        )
        .coded(ErrorCode::BuildFileMissing)
        .hint("`pack init` writes one"));
    };
    if args.check {
        return check(invocation, args, &asked.request);
    }
    file::check_replaceable(&path)?;
    let old = asked.request.lock.take().unwrap_or_default();
    asked.request.settings.locked = false;
    // The user who asks for it gets all that checks may want to know.
    asked.request.reads_base = true;
    asked.request.plans_refused = true;
    let session = invocation.session(&asked.request.settings)?;
    let (found, unmet) = engine::lock(&session, &asked.request, &engine::BaseTable::default())?;
    let mut new = Lock::default();
    if let Some(found) = found {
        new.update(found);
    }
    new.write(&path)?;
    let changes: Vec<String> = old.changes(&new).iter().map(ToString::to_string).collect();
    // The facts are right whether the image can run or not, and the next plan knows them.
    if let Some(unmet) = unmet {
        for change in changes {
            invocation.printer.note(format!("build.lock: {change}"));
        }
        return Err(CommandError::from(unmet).hint("`build.lock` is written and up to date"));
    }
    if args.format.json {
        invocation.printer.json(&serde_json::json!({ "changes": changes }));
        return Ok(());
    }
    if changes.is_empty() {
        invocation.printer.message("build.lock is up to date");
    }
    for change in changes {
        invocation.printer.result(printable(&change));
    }
    Ok(())
}

/// Asks whether PATH is a project: nothing else has a lock.
fn check_path(invocation: &Invocation, args: &UpdateArgs) -> Result<(), CommandError> {
    let Some(given) = args.path.as_ref().filter(|_| args.file.is_none()) else { return Ok(()) };
    let path = invocation.absolute(given);
    if path.join(BUILD_FILE).is_file() {
        return Ok(());
    }
    let shown = shown_path(&path);
    let init = format!("`pack init {}` writes one", shown_path(given));
    let (message, hint, code) = match std::fs::metadata(&path) {
        Err(error) => {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            let message =
                if is_missing { format!("`{shown}` does not exist") } else { format!("{error}: `{shown}`") };
            (message, "give a directory with a build.toml".to_owned(), ErrorCode::FileMissing)
        }
        Ok(metadata) if metadata.is_dir() => (
            format!("there is no `{BUILD_FILE}` in `{shown}`, so there is no lock to update"),
            init,
            ErrorCode::BuildFileMissing,
        ),
        Ok(_) => (
            format!("`{shown}` is not a directory with a `{BUILD_FILE}`, so there is no lock to update"),
            init,
            ErrorCode::BuildFileMissing,
        ),
    };
    Err(CommandError::new(ExitStatus::Input, message).coded(code).hint(hint))
}

/// Compares the lock with the base's layers.
fn check(invocation: &Invocation, args: &UpdateArgs, request: &engine::Request) -> Result<(), CommandError> {
    let session = invocation.session(&request.settings)?;
    let checked = engine::check_lock(&session, request)?;
    if args.format.json {
        invocation.printer.json(&serde_json::json!({ "checked": checked }));
        return Ok(());
    }
    let paths = count(checked as u64, "path");
    invocation.printer.result(format!("build.lock says what the base's layers say, of {paths}"));
    Ok(())
}
