//! Keys in files, and their passwords: from a file, standard input, `COSIGN_PASSWORD` or the terminal, never from an argument.

use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::args::PasswordArgs;
use super::error::{CommandError, ExitStatus};
use super::invocation::Invocation;
use super::prompt;
use crate::attest::{KeyFile, PrivateKey, PublicKey};
use crate::runtime::input;
use crate::types::shown::shown_path;

/// A file of a key has at most so many bytes.
const MAX_KEY: u64 = 64 << 10;
/// A password that is longer is a file by mistake.
const MAX_PASSWORD: u64 = 64 << 10;
/// The variable that cosign has for it.
const VARIABLE: &str = "COSIGN_PASSWORD";

/// The private key in a file, opened by its password if it has one.
///
/// # Errors
/// When it cannot be read, or the password is wrong or cannot be had.
pub fn private_key(
    invocation: &Invocation,
    path: &Path,
    args: &PasswordArgs,
) -> Result<PrivateKey, CommandError> {
    let text = read(invocation, path)?;
    let named = |error: crate::attest::KeyError| {
        CommandError::from(error).context(format!("`{}` cannot be used", shown_path(path)))
    };
    match KeyFile::read(&text).map_err(named)? {
        KeyFile::Open(key) => Ok(key),
        KeyFile::Sealed(key) => {
            let question = format!("Password of {}: ", shown_path(path));
            key.open(&password(invocation, args, &question, false)?).map_err(named)
        }
    }
}

/// The public key in a file.
///
/// # Errors
/// When it cannot be read.
pub fn public_key(invocation: &Invocation, path: &Path) -> Result<PublicKey, CommandError> {
    let text = read(invocation, path)?;
    PublicKey::from_pem(&text)
        .map_err(|error| CommandError::from(error).context(format!("`{}` cannot be used", shown_path(path))))
}

/// The bytes of a key's file.
///
/// # Errors
/// When it cannot be read.
pub fn read(invocation: &Invocation, path: &Path) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let bytes = input::read(&invocation.absolute(path), MAX_KEY).map_err(|error| {
        CommandError::from_error(ExitStatus::Input, &error)
            .context(format!("the key `{}` cannot be read", shown_path(path)))
    })?;
    Ok(Zeroizing::new(bytes))
}

/// A password; a new one is asked for twice.
///
/// # Errors
/// When nothing gives one.
pub fn password(
    invocation: &Invocation,
    args: &PasswordArgs,
    question: &str,
    is_new: bool,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::from_error(ExitStatus::Input, &error).context("the password cannot be read")
    };
    if let Some(path) = &args.password_file {
        let text = input::read(&invocation.absolute(path), MAX_PASSWORD).map_err(failed)?;
        return Ok(without_line_end(text));
    }
    if args.password_stdin {
        let mut text = Vec::new();
        std::io::stdin().lock().take(MAX_PASSWORD).read_to_end(&mut text).map_err(failed)?;
        return Ok(without_line_end(text));
    }
    if let Some(text) = invocation.environment.text(VARIABLE) {
        return Ok(Zeroizing::new(text.as_bytes().to_vec()));
    }
    let ask = |question: &str| {
        let line = prompt::line(question, true, &invocation.interrupt)?.ok_or_else(|| {
            CommandError::usage("there is no terminal to ask for the password of the key on")
                .hint(format!("give `--password-file FILE`, `--password-stdin` or `{VARIABLE}`"))
        })?;
        Ok::<_, CommandError>(Zeroizing::new(line.expose().as_bytes().to_vec()))
    };
    let password = ask(question)?;
    if is_new && ask("The same again: ")? != password {
        return Err(CommandError::new(ExitStatus::Input, "the two passwords differ"));
    }
    Ok(password)
}

/// Without the line end that `echo` and editors add.
fn without_line_end(text: Vec<u8>) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(text);
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
    text
}
