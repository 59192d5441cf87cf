//! Keys in files, and their passwords: from a file, standard input, `COSIGN_PASSWORD` or the terminal, never from an argument.

use std::cell::OnceCell;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::args::PasswordArgs;
use super::error::{CommandError, ExitStatus};
use super::format::count;
use super::invocation::Invocation;
use super::prompt;
use crate::attest::{KeyError, KeyFile, PrivateKey, PublicKey};
use crate::runtime::input;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// A file of a key has at most so many bytes.
const MAX_KEY: u64 = 64 << 10;
/// A password that is longer is a file by mistake.
const MAX_PASSWORD: u64 = 64 << 10;
/// The variable that cosign has for it.
const VARIABLE: &str = "COSIGN_PASSWORD";

/// The private key in a file, opened by its password if it has one; it is the one with this number among several.
///
/// # Errors
/// When it cannot be read, or the password is wrong or cannot be had.
pub fn private_key(
    invocation: &Invocation,
    path: &Path,
    passwords: &Passwords<'_>,
    number: usize,
) -> Result<PrivateKey, CommandError> {
    let text = read(invocation, path)?;
    let named =
        |error: KeyError| CommandError::from(error).context(format!("`{}` cannot be used", shown_path(path)));
    let sealed = match KeyFile::read(&text).map_err(named)? {
        KeyFile::Open(key) => return Ok(key),
        KeyFile::Sealed(key) => key,
    };
    let question = format!("Password of {}: ", shown_path(path));
    let (password, is_for_all) = passwords.of_key(invocation, number, &question)?;
    match sealed.open(&password) {
        Err(KeyError::Password) if is_for_all => {
            // One password of several keys may be that of another one.
            match ask(invocation, &question)? {
                Some(own) => sealed.open(&own).map_err(named),
                None => Err(named(KeyError::Password).hint(
                    "for several keys with passwords of their own, give `--password-file FILE` for each, in the order of \
                     the keys",
                )),
            }
        }
        opened => opened.map_err(named),
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

/// The passwords of the keys of a command.
pub struct Passwords<'a> {
    args: &'a PasswordArgs,
    keys: usize,
    /// The lines of standard input, once they are read.
    lines: OnceCell<Vec<Zeroizing<Vec<u8>>>>,
}

impl<'a> Passwords<'a> {
    /// Of so many keys.
    ///
    /// # Errors
    /// When there are several files, and not one for each key.
    pub fn of(args: &'a PasswordArgs, keys: usize) -> Result<Self, CommandError> {
        let files = args.password_file.len();
        if files > 1 && files != keys {
            let message = format!("there are {files} `--password-file`, and {}", count(keys as u64, "key"));
            return Err(
                CommandError::usage(message).hint("give one for all keys, or one for each, in their order")
            );
        }
        Ok(Self { args, keys, lines: OnceCell::new() })
    }

    /// A new password, which a terminal is asked for twice.
    ///
    /// # Errors
    /// When nothing gives one.
    pub fn new_one(
        &self,
        invocation: &Invocation,
        question: &str,
    ) -> Result<Zeroizing<Vec<u8>>, CommandError> {
        if let Some(password) = self.given(invocation, 0)? {
            return Ok(password);
        }
        let password = asked(invocation, question)?;
        if asked(invocation, "The same again: ")? != password {
            return Err(CommandError::new(ExitStatus::Input, "the two passwords differ")
                .coded(ErrorCode::KeyUnusable));
        }
        Ok(password)
    }

    /// The password of the key with this number, and whether it is one for several keys.
    fn of_key(
        &self,
        invocation: &Invocation,
        number: usize,
        question: &str,
    ) -> Result<(Zeroizing<Vec<u8>>, bool), CommandError> {
        match self.given(invocation, number)? {
            Some(password) => {
                let is_own =
                    self.args.password_file.len() > 1 || self.lines.get().is_some_and(|it| it.len() > 1);
                Ok((password, self.keys > 1 && !is_own))
            }
            None => Ok((asked(invocation, question)?, false)),
        }
    }

    /// The password that a file, standard input or the variable gives.
    fn given(
        &self,
        invocation: &Invocation,
        number: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, CommandError> {
        let files = &self.args.password_file;
        if let Some(path) = files.get(number).or_else(|| files.first()) {
            let text = input::read(&invocation.absolute(path), MAX_PASSWORD)
                .map_err(|error| not_read(path, &error))?;
            return Ok(Some(without_line_end(text)));
        }
        if self.args.password_stdin {
            let lines = self.lines()?;
            return Ok(lines.get(number).or_else(|| lines.first()).cloned());
        }
        let variable = invocation.environment.text(VARIABLE);
        Ok(variable.map(|text| Zeroizing::new(text.as_bytes().to_vec())))
    }

    /// The passwords on standard input: all of it is one where there is one key.
    fn lines(&self) -> Result<&[Zeroizing<Vec<u8>>], CommandError> {
        if let Some(known) = self.lines.get() {
            return Ok(known);
        }
        let mut text = Vec::new();
        std::io::stdin().lock().take(MAX_PASSWORD).read_to_end(&mut text).map_err(|error| failed(&error))?;
        let text = without_line_end(text);
        let lines: Vec<Zeroizing<Vec<u8>>> = match self.keys {
            1 => vec![text],
            _ => text.split(|byte| *byte == b'\n').map(|line| without_line_end(line.to_vec())).collect(),
        };
        if lines.len() > 1 && lines.len() != self.keys {
            let message = format!(
                "standard input has {} passwords, and there are {}",
                lines.len(),
                count(self.keys as u64, "key")
            );
            return Err(CommandError::usage(message)
                .hint("write one for all keys, or one line for each, in their order"));
        }
        Ok(self.lines.get_or_init(|| lines))
    }
}

/// Of a file. A shell gives the output of a command as a pipe with a name.
fn not_read(path: &Path, error: &std::io::Error) -> CommandError {
    let failed = CommandError::from_error(ExitStatus::Input, error)
        .context(format!("the password in `{}` cannot be read", shown_path(path)));
    match error.kind() {
        ErrorKind::InvalidInput => failed.hint("`--password-stdin` reads what a command prints"),
        _ => failed,
    }
}

fn failed(error: &std::io::Error) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error).context("the password cannot be read")
}

/// A password from the terminal.
fn asked(invocation: &Invocation, question: &str) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    ask(invocation, question)?.ok_or_else(|| {
        CommandError::usage("there is no terminal to ask for the password of the key on")
            .hint(format!("give `--password-file FILE`, `--password-stdin` or `{VARIABLE}`"))
    })
}

/// A password from the terminal, if there is one.
fn ask(invocation: &Invocation, question: &str) -> Result<Option<Zeroizing<Vec<u8>>>, CommandError> {
    let line = prompt::line(question, true, &invocation.interrupt)?;
    Ok(line.map(|line| Zeroizing::new(line.expose().as_bytes().to_vec())))
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
