//! `pack listen`.

use std::sync::Arc;

use super::super::args::ListenArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::events;
use crate::listen::{self, ListenOptions, ListenSettings};
use crate::project::config::ConfigError;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Runs the service until it is asked to end, which is no error.
///
/// # Errors
/// When it cannot start, or has to stop.
pub(super) fn run(invocation: &Invocation, args: &ListenArgs) -> Result<(), CommandError> {
    let path = invocation.absolute(&args.file);
    let settings = ListenSettings::read(&path).map_err(|error| match error {
        ConfigError::NotFound(_) => CommandError::new(ExitStatus::Input, error.to_string())
            .coded(ErrorCode::BuildFileMissing)
            .hint("write one with a `[[source]]` and an `[[action]]`, or name it with `--file`"),
        error => error.into(),
    })?;
    let variables = events::variables(invocation);
    if args.check {
        listen::check(&settings, &*variables)?;
        invocation.printer.message(format!("`{}` is right\n", shown_path(&args.file)));
        return Ok(());
    }
    let state = match &settings.state {
        // The settings say where.
        Some(_) => std::path::PathBuf::new(),
        None => {
            let store = invocation.environment.cache_dir(invocation.global.cache_dir.as_deref())?;
            invocation.absolute(&store).join("listen")
        }
    };
    let (news, warnings) = (invocation.printer.clone(), invocation.printer.clone());
    let options = ListenOptions {
        state,
        directory: invocation.environment.cwd.clone(),
        variables,
        now: events::clock(),
        client: invocation.client()?,
        tell: Arc::new(move |text| news.message(format!("{text}\n"))),
        warn: Arc::new(move |text| warnings.warning(text)),
        interrupt: invocation.interrupt.clone(),
    };
    Ok(listen::run(&settings, options)?)
}
