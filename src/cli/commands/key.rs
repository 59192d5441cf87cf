//! `pack key`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::args::{GenerateArgs, KeyCommand, PublicArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::super::password::{self, Passwords};
use crate::attest::{KeyError, PrivateKey, PublicKey};
use crate::runtime::atomic;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Runs a command of `pack key`.
///
/// # Errors
/// Whatever stopped it.
pub(super) fn run(invocation: &Invocation, command: &KeyCommand) -> Result<(), CommandError> {
    match command {
        KeyCommand::Generate(args) => generate(invocation, args),
        KeyCommand::Public(args) => public(invocation, args),
    }
}

fn generate(invocation: &Invocation, args: &GenerateArgs) -> Result<(), CommandError> {
    let path = |suffix: &str| {
        let mut path = args.output.clone().into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    };
    let (private, public) = (path(".key"), path(".pub"));
    for path in [&private, &public] {
        if invocation.absolute(path).symlink_metadata().is_ok() {
            return Err(there(path));
        }
    }
    let question = format!("A password for {}: ", shown_path(&private));
    let password = Passwords::of(&args.password, 1)?.new_one(invocation, &question)?;
    let key = PrivateKey::generate()?;
    let sealed = key.seal(&password)?;
    write(invocation, &private, sealed.as_bytes(), 0o600)?;
    write(invocation, &public, key.public().to_pem().as_bytes(), 0o666)?;
    if password.is_empty() {
        invocation.printer.warning("the password is empty, so that the file alone is enough to sign");
    }
    if args.format.json {
        invocation.printer.json(&json!({
            "private": private.to_string_lossy(),
            "public": public.to_string_lossy(),
            "key": key.public().id().to_string(),
        }));
    } else {
        invocation.printer.message(format!("the key is {}", key.public().id()));
        invocation.printer.result(format!("{}\n{}", shown_path(&private), shown_path(&public)));
    }
    Ok(())
}

fn there(path: &Path) -> CommandError {
    let message = format!("`{}` is there already, and keys are not replaced", shown_path(path));
    CommandError::new(ExitStatus::Input, message)
        .coded(ErrorCode::FileExists)
        .hint("name other files with `--output PREFIX`")
}

/// Writes a file that was not there.
fn write(invocation: &Invocation, path: &Path, bytes: &[u8], mode: u32) -> Result<(), CommandError> {
    use std::io::Write as _;

    let target = invocation.absolute(path);
    let written = || {
        let mut draft = atomic::draft_in(atomic::directory_of(&target), ".pack-", mode)?;
        draft.write_all(bytes)?;
        draft.as_file().sync_all()?;
        draft.persist_noclobber(&target).map_err(|error| error.error)?;
        Ok::<(), std::io::Error>(())
    };
    written().map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => there(path),
        _ => CommandError::from_error(ExitStatus::Input, &error)
            .or_unwritable()
            .context(format!("cannot write `{}`", shown_path(path))),
    })
}

fn public(invocation: &Invocation, args: &PublicArgs) -> Result<(), CommandError> {
    let text = password::read(invocation, &args.key)?;
    let key: PublicKey = match PublicKey::from_pem(&text) {
        Err(KeyError::Private | KeyError::Label(_)) => {
            password::private_key(invocation, &args.key, &Passwords::of(&args.password, 1)?, 0)?
                .public()
                .clone()
        }
        Err(error) => {
            let context = format!("`{}` cannot be used", shown_path(&args.key));
            return Err(CommandError::from(error).context(context));
        }
        Ok(key) => key,
    };
    if args.format.json {
        let pem = key.to_pem();
        invocation.printer.json(&json!({ "key": key.id().to_string(), "pem": pem }));
    } else {
        invocation.printer.raw(key.to_pem().as_bytes());
    }
    Ok(())
}
