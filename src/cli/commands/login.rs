//! `pack login` and `pack logout`.

use std::io::Read as _;

use serde_json::{Value, json};

use super::super::args::{LoginArgs, LogoutArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::super::prompt;
use crate::registry::{Greeting, LoginPlace, Secret};
use crate::runtime::interrupt::Interrupt;
use crate::types::shown::shown_path;

/// A password that is longer is a file by mistake.
const MAX_PASSWORD: u64 = 64 << 10;

/// Checks a login and keeps it.
///
/// # Errors
/// When there is none, the registry refuses it, or it cannot be kept.
pub(super) fn run(invocation: &Invocation, args: &LoginArgs) -> Result<(), CommandError> {
    let printer = &invocation.printer;
    let scope = &args.scope;
    let mut registries = invocation.registries(args.file.as_deref())?;
    if args.password.is_some() {
        printer.warning("a password in an argument can be read by other users; `--password-stdin` is safer");
    }
    let (user, password) = ask(args, &invocation.interrupt)?;
    registries.entry(scope.registry().clone()).or_default().login = Some((user.clone(), password.clone()));
    let credentials = invocation.credentials(args.authfile.as_deref());
    let greeting = invocation.client_with(credentials.clone(), registries).check_login(scope)?;
    if greeting == Greeting::NotAsked {
        printer.warning(format!("{} asks for no login, so this one could not be checked", scope.registry()));
    }
    let kept = credentials.keep(scope, &user, &password)?;
    if let Some(other) = &kept.hidden_by {
        printer.warning(format!("it will not be used: {other} comes first"));
    }
    if let LoginPlace::File { path, is_open: true } = &kept.place {
        let path = shown_path(path);
        printer.warning(format!("`{path}` can be read by other users; `chmod 600` makes it yours alone"));
    }
    if args.format.json {
        printer.json(&json!({
            "scope": scope.to_string(),
            "user": user,
            "checked": greeting == Greeting::Known,
            "place": place(&kept.place),
            "hiddenBy": kept.hidden_by,
        }));
    } else {
        printer.message(format!("logged in to {scope} as `{user}`, kept in {}", kept.place));
        if matches!(kept.place, LoginPlace::File { .. }) {
            printer.note("the password is in that file as it is; a credential helper would protect it");
        }
    }
    Ok(())
}

/// Removes a login.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn out(invocation: &Invocation, args: &LogoutArgs) -> Result<(), CommandError> {
    let printer = &invocation.printer;
    let removed = invocation.credentials(args.authfile.as_deref()).forget(&args.scope)?;
    if let Some(left) = &removed.left {
        printer.warning(format!("{left} is still there and will be used"));
    }
    if args.format.json {
        printer.json(&json!({
            "scope": args.scope.to_string(),
            "removed": removed.places.iter().map(place).collect::<Vec<_>>(),
            "left": removed.left,
        }));
    } else if removed.places.is_empty() {
        printer.message(format!("there is no login for {}", args.scope));
    } else {
        let places: Vec<String> = removed.places.iter().map(ToString::to_string).collect();
        printer.message(format!("removed the login for {} from {}", args.scope, places.join(", ")));
    }
    Ok(())
}

fn place(place: &LoginPlace) -> Value {
    match place {
        LoginPlace::File { path, .. } => json!({ "file": path.to_string_lossy() }),
        LoginPlace::Helper(program) => json!({ "helper": program }),
    }
}

/// User and password, from flags, standard input or the terminal.
fn ask(args: &LoginArgs, interrupt: &Interrupt) -> Result<(String, Secret), CommandError> {
    let need = |what: &str| {
        CommandError::usage(format!("there is no terminal to ask for the {what} on"))
            .hint("give `--username USER --password-stdin`, and the password on standard input")
    };
    let user = match &args.username {
        Some(user) => user.clone(),
        None => prompt::line("User: ", false, interrupt)?.ok_or_else(|| need("user"))?.expose().to_owned(),
    };
    let password = if let Some(password) = &args.password {
        password.clone()
    } else if args.password_stdin {
        from_stdin()?
    } else {
        prompt::line(&format!("Password of {user}: "), true, interrupt)?.ok_or_else(|| need("password"))?
    };
    if user.is_empty() || password.expose().is_empty() {
        return Err(CommandError::usage("a login is a user and a password, and neither is empty"));
    }
    Ok((user, password))
}

/// All of standard input without the line end that `echo` adds.
fn from_stdin() -> Result<Secret, CommandError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text);
    read.map_err(|error| {
        CommandError::from_error(ExitStatus::Input, &error).context("the password cannot be read")
    })?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.contains(['\n', '\0']) {
        return Err(CommandError::usage("a password is one line").hint("give nothing else on standard input"));
    }
    Ok(Secret::new(text))
}
