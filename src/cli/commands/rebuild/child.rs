//! One build in a process of its own, with surroundings of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::{Pid, Signal, kill_process, umask};
use serde::Deserialize;

use super::super::super::error::{CommandError, ExitStatus};
use crate::runtime::interrupt::Interrupt;
use crate::types::digest::Digest;
use crate::types::error_code::ErrorCode;

/// How often to look whether the process has ended.
const GLANCE: Duration = Duration::from_millis(10);
/// How long a process may take to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of its messages is read.
const MOST_SAID: usize = 64 << 10;

/// A build that can be started.
pub(super) struct ChildBuild {
    /// This program.
    pub(super) program: PathBuf,
    /// After `build`, without what follows from the directories.
    pub(super) arguments: Vec<OsString>,
    /// The place for everything that it writes.
    pub(super) directory: PathBuf,
    /// Its store.
    pub(super) store: PathBuf,
    /// Its working directory.
    pub(super) cwd: PathBuf,
    /// Threads; the default if it is not given.
    pub(super) jobs: Option<usize>,
    /// Its umask; this process's if it is not given.
    pub(super) umask: Option<u32>,
    /// Variables beside those of this process.
    pub(super) variables: Vec<(&'static str, &'static str)>,
    /// The number of its user and group; those of this process if they are not given.
    pub(super) user: Option<u32>,
}

/// The image that a build gave.
pub(super) struct ChildImage {
    pub(super) result: ChildResult,
    /// The layout with the image.
    pub(super) layout: PathBuf,
    pub(super) seconds: f64,
}

/// The part of `pack build --json` that counts here.
#[derive(Deserialize)]
pub(super) struct ChildResult {
    pub(super) digest: Digest,
    pub(super) tags: Vec<String>,
}

impl ChildBuild {
    /// Runs it to its end, or until the user interrupts.
    ///
    /// # Errors
    /// When it cannot be started or fails; with its own message and exit code.
    pub(super) fn run(&self, interrupt: &Interrupt) -> Result<ChildImage, CommandError> {
        let failed = |error: io::Error| CommandError::from_error(ExitStatus::Input, &error);
        let (out, errors) = (self.directory.join("stdout"), self.directory.join("stderr"));
        let layout = self.directory.join("image");
        let begun = Instant::now();
        let mut child = self.start(&layout, &out, &errors).map_err(failed)?;
        let status = child.wait(interrupt)?;
        let seconds = begun.elapsed().as_secs_f64();
        if !status.success() {
            let said = fs::read(errors).unwrap_or_default();
            return Err(error_of(
                status.code(),
                &String::from_utf8_lossy(&said[..said.len().min(MOST_SAID)]),
            ));
        }
        let said = fs::read(out).map_err(failed)?;
        let result = serde_json::from_slice(&said)
            .map_err(|error| CommandError::from_error(ExitStatus::Bug, &error))?;
        Ok(ChildImage { result, layout, seconds })
    }

    fn start(&self, layout: &Path, out: &Path, errors: &Path) -> io::Result<RunningBuild> {
        let temporary = self.directory.join("tmp");
        fs::create_dir_all(&temporary)?;
        let mut output = OsString::from("oci:");
        output.push(layout);
        let mut command = Command::new(&self.program);
        command.args(["build", "--quiet", "--json", "--color", "never", "--output"]).arg(output);
        command.arg("--cache-dir").arg(&self.store);
        // Documents beside the image are not compared, and there is no terminal for a password.
        command.args(["--set", "attest.sign=false", "--set", "attest.sbom=false"]);
        command.args(["--set", "attest.place=referrers"]);
        if let Some(jobs) = self.jobs {
            command.arg("--jobs").arg(jobs.to_string());
        }
        command
            .args(&self.arguments)
            .current_dir(&self.cwd)
            .env("TMPDIR", &temporary)
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(out)?)
            .stderr(File::create(errors)?);
        if let Some(user) = self.user {
            for directory in [&self.directory, &temporary] {
                chown(directory, Some(user), Some(user))?;
            }
            command.uid(user).gid(user);
        }
        let _umask = self.umask.map(UmaskGuard::set);
        Ok(RunningBuild(command.spawn()?))
    }
}

/// The umask of this process is another one while this lives: processes that are started then inherit it.
struct UmaskGuard(Mode);

impl UmaskGuard {
    fn set(mask: u32) -> Self {
        Self(umask(Mode::from_raw_mode(mask)))
    }
}

impl Drop for UmaskGuard {
    fn drop(&mut self) {
        umask(self.0);
    }
}

/// A process that does not outlive this value.
struct RunningBuild(Child);

impl RunningBuild {
    fn wait(&mut self, interrupt: &Interrupt) -> Result<std::process::ExitStatus, CommandError> {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => {
                    // Ctrl-C reaches both: then it is this command that was stopped.
                    interrupt.check()?;
                    return Ok(status);
                }
                Ok(None) => {}
                Err(error) => return Err(CommandError::from_error(ExitStatus::Bug, &error)),
            }
            interrupt.check()?;
            std::thread::sleep(GLANCE);
        }
    }
}

impl Drop for RunningBuild {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        // It removes what it has begun; a signal to a process that has just ended does nothing.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let asked = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
            std::thread::sleep(GLANCE);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The error that a build ended with, as it said it.
fn error_of(code: Option<i32>, said: &str) -> CommandError {
    let status = match code {
        Some(2) => ExitStatus::Usage,
        Some(3) => ExitStatus::Registry,
        Some(4) => ExitStatus::Policy,
        Some(130) => ExitStatus::Interrupted,
        Some(1) => ExitStatus::Input,
        _ => ExitStatus::Bug,
    };
    let of = |label: &str| -> Vec<&str> {
        said.lines().filter_map(|line| line.trim_start().strip_prefix(label)).map(str::trim).collect()
    };
    let (codes, errors): (Vec<_>, Vec<_>) = said.lines().filter_map(coded_message).unzip();
    let mut messages = errors.into_iter().chain(of("caused by:"));
    let first = messages.next().map_or_else(
        || match code {
            Some(code) => format!("it ended with exit code {code} and said nothing"),
            None => "it was killed by a signal".to_owned(),
        },
        str::to_owned,
    );
    let mut error = CommandError::new(status, first).coded(codes.into_iter().next().flatten());
    error.chain.extend(messages.map(str::to_owned));
    of("hint:").into_iter().fold(error, CommandError::hint)
}

/// The code and the message of a line that begins with `error:` or `error[CODE]:`.
fn coded_message(line: &str) -> Option<(Option<ErrorCode>, &str)> {
    let rest = line.trim_start().strip_prefix("error")?;
    if let Some(message) = rest.strip_prefix(':') {
        return Some((None, message.trim()));
    }
    let (code, message) = rest.strip_prefix('[')?.split_once("]:")?;
    Some((Some(code.parse().ok()?), message.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_code_its_causes_and_its_hints() {
        let error = error_of(
            Some(3),
            "note: x\nerror[registry-unreachable]: it is gone\n  caused by: no network\nhint: look\n",
        );
        assert_eq!(error.status, ExitStatus::Registry);
        assert_eq!(error.code, Some(ErrorCode::RegistryUnreachable));
        assert_eq!(error.chain, ["it is gone", "no network"]);
        assert_eq!(error_of(Some(1), "error: x").code, None);
        assert_eq!(error.hints, ["look"]);
        assert!(error_of(None, "").chain[0].contains("signal"));
        assert_eq!(error_of(Some(99), "").status, ExitStatus::Bug);
    }
}
