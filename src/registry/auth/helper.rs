//! Running a credential helper: a program of somebody else's that is asked one question.
//!
//! It gets a limited time, and what it leaves behind is not waited for: it runs in a process group of its own, which
//! is ended with it. So it cannot ask on the terminal. Its output is foreign text, from which secrets are taken out.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::wire::advice::shorten;
use super::super::wire::secret::Scrubber;
use crate::formats::json::{self, JsonError, JsonKind, JsonValue};
use crate::runtime::deadline;

/// A helper that says more than this, in bytes, is broken.
const LIMIT: u64 = 1 << 20;
/// How long the output of a helper that has ended is waited for: a program that it left behind may hold it open.
const LINGER: Duration = Duration::from_millis(500);
/// How often waiting looks whether the helper has ended.
const GLANCE: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
pub(in crate::registry) enum HelperError {
    #[error("the helper's name has characters other than letters, digits, `.`, `_` and `-`")]
    Name,
    #[error("the program is not in PATH")]
    Missing,
    #[error("it cannot be run: {0}")]
    Run(#[from] std::io::Error),
    #[error("it did not answer within {0} s{1}")]
    Timeout(u64, String),
    #[error("it failed: {0}")]
    Failed(String),
    #[error("its answer is not JSON with `Username` and `Secret`: {0}")]
    NotJson(JsonError),
}

/// The answer of a helper.
pub(in crate::registry) struct HelperOutput {
    pub(in crate::registry) success: bool,
    /// Its standard output.
    pub(in crate::registry) text: String,
    /// Its standard error.
    complaint: String,
    status: ExitStatus,
}

impl HelperOutput {
    /// Why it failed, in its own words: what it wrote, without `secrets` and any that it gave itself.
    pub(in crate::registry) fn reason(&self, secrets: &[&str]) -> String {
        let scrubber = Scrubber::default();
        secrets.iter().for_each(|secret| scrubber.learn(secret));
        let said = [&self.text, &self.complaint].map(|text| match secrets_in(text) {
            Some(given) => {
                given.iter().for_each(|secret| scrubber.learn(secret));
                &**text
            }
            None => "something that may hold a secret",
        });
        let said = said.map(|text| shorten(&scrubber.scrub(text), 200));
        let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
        if said.is_empty() { format!("it says nothing ({})", self.status) } else { said.join("; ") }
    }
}

/// The secrets that a helper's words give, under whatever spelling of the name; `None` where that cannot be told.
fn secrets_in(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    match json::parse(text.as_bytes()) {
        Ok(value) => collect(value, false, &mut found),
        Err(_) if text.trim_start().starts_with('{') => return None,
        Err(_) if text.to_ascii_lowercase().contains("\"secret\"") => return None,
        Err(_) => {}
    }
    Some(found)
}

fn collect(value: JsonValue<'_>, is_secret: bool, found: &mut Vec<String>) {
    match value.kind() {
        JsonKind::Object => value.members().for_each(|(key, value)| {
            collect(value, is_secret || json::fold(&key) == "secret", found);
        }),
        JsonKind::List => value.items().for_each(|item| collect(item, is_secret, found)),
        _ if is_secret => found.push(value.as_str().unwrap_or_else(|| value.text().into()).into_owned()),
        _ => {}
    }
}

/// Runs `PROGRAM ACTION`, without a shell.
pub(in crate::registry) fn run(
    program: &Path,
    action: &str,
    input: &str,
    timeout: Duration,
) -> Result<HelperOutput, HelperError> {
    let mut child = Command::new(program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let (sender, receiver) = mpsc::channel();
    feed(&mut child, input);
    listen(HelperAnswer::Answer, child.stdout.take(), sender.clone());
    listen(HelperAnswer::Complaint, child.stderr.take(), sender);
    let mut heard = Heard::default();
    let status = wait(&mut child, &mut heard, &receiver, timeout);
    if !matches!(status, Ok(Some(_))) || heard.open > 0 {
        // Best effort: the group may be empty.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    match status {
        Ok(Some(status)) => Ok(HelperOutput {
            success: status.success(),
            text: String::from_utf8_lossy(&heard.answer).into_owned(),
            complaint: String::from_utf8_lossy(&heard.complaint).into_owned(),
            status,
        }),
        Ok(None) => {
            child.wait()?;
            let complaint = shorten(&String::from_utf8_lossy(&heard.complaint), 200);
            let complaint = if complaint.is_empty() { complaint } else { format!(": {complaint}") };
            Err(HelperError::Timeout(timeout.as_secs(), complaint))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Clone, Copy)]
enum HelperAnswer {
    Answer,
    Complaint,
}

/// The output so far, and the pipes that may still bring something.
struct Heard {
    answer: Vec<u8>,
    complaint: Vec<u8>,
    open: usize,
}

impl Default for Heard {
    fn default() -> Self {
        Self { answer: Vec::new(), complaint: Vec::new(), open: 2 }
    }
}

type Piece = (HelperAnswer, Option<Vec<u8>>);

/// Waits until the helper has ended and its output too, or, a little later, until it has ended; nothing if it does not.
fn wait(
    child: &mut Child,
    heard: &mut Heard,
    receiver: &Receiver<Piece>,
    timeout: Duration,
) -> std::io::Result<Option<ExitStatus>> {
    let mut end = deadline::after(timeout);
    let mut status = None;
    loop {
        if status.is_none() {
            status = child.try_wait()?;
            if status.is_some() {
                end = end.min(deadline::after(LINGER));
            }
        }
        if (status.is_some() && heard.open == 0) || Instant::now() >= end {
            return Ok(status);
        }
        match receiver.recv_timeout(GLANCE) {
            Ok((HelperAnswer::Answer, Some(piece))) => heard.answer.extend(piece),
            Ok((HelperAnswer::Complaint, Some(piece))) => heard.complaint.extend(piece),
            Ok((_, None)) => heard.open -= 1,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                heard.open = 0;
                std::thread::sleep(GLANCE);
            }
        }
    }
}

/// Writes the question on a thread: a helper that does not read it may still answer.
fn feed(child: &mut Child, input: &str) {
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
}

/// Passes on what comes, on a thread, which lasts as long as somebody holds the pipe.
fn listen(said: HelperAnswer, pipe: Option<impl Read + Send + 'static>, sender: Sender<Piece>) {
    std::thread::spawn(move || {
        let mut pipe = pipe.map(|pipe| pipe.take(LIMIT));
        let mut buffer = vec![0; 8 << 10];
        while let Some(Ok(read @ 1..)) = pipe.as_mut().map(|pipe| pipe.read(&mut buffer)) {
            if sender.send((said, Some(buffer[..read].to_vec()))).is_err() {
                return;
            }
        }
        // The receiver may be gone.
        let _ = sender.send((said, None));
    });
}

/// Writes a program for a test. Another process holds the file open for that: were it this one, a program that another
/// thread starts at that moment would hold it too, and the system refuses to run what is open for writing.
#[cfg(test)]
pub(super) fn write_program(path: &Path, text: &str) {
    use std::io::Write as _;

    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "mkdir -p \"${1%/*}\" && rm -f \"$1\" && cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path);
    let mut writer = command.stdin(std::process::Stdio::piped()).spawn().expect("a shell");
    writer.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read");
    assert!(writer.wait().expect("waited for").success(), "{}", path.display());
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn script(directory: &Path, text: &str) -> PathBuf {
        let path = directory.join("helper");
        write_program(&path, &format!("#!/bin/sh\n{text}\n"));
        path
    }

    /// Whether a process is there and not merely waiting to be buried.
    fn lives(pid: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    #[test]
    fn what_a_helper_leaves_behind_is_not_waited_for_and_ended() {
        let directory = tempfile::tempdir().expect("writable");
        let pid = directory.path().join("pid");
        let left = format!("sleep 100 & echo $! > {}", pid.display());
        for (text, answer) in
            [(format!("{left}; echo answer"), Some("answer\n")), (format!("{left}; wait"), None)]
        {
            let program = script(directory.path(), &text);
            let begun = Instant::now();
            let output = run(&program, "get", "question", Duration::from_secs(2));
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
            match (answer, output) {
                (Some(answer), Ok(output)) => assert!(output.success && output.text == answer),
                (None, Err(HelperError::Timeout(2, _))) => {}
                (_, other) => panic!("{:?}", other.map(|output| output.text)),
            }
            let pid = std::fs::read_to_string(&pid).expect("written");
            let patience = Instant::now();
            while lives(&pid) && patience.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(GLANCE);
            }
            assert!(!lives(&pid), "{pid} still runs");
        }
    }

    #[test]
    fn a_helper_that_neither_reads_nor_ends_is_ended() {
        let directory = tempfile::tempdir().expect("writable");
        let program = script(directory.path(), "echo locked >&2; exec sleep 100");
        let question = "x".repeat(1 << 20);
        match run(&program, "store", &question, Duration::from_secs(1)) {
            Err(error) => assert_eq!(error.to_string(), "it did not answer within 1 s: locked"),
            Ok(output) => panic!("{}", output.text),
        }
    }

    #[test]
    fn the_reason_is_what_it_says_without_secrets() {
        let directory = tempfile::tempdir().expect("writable");
        let reason = |text: &str| {
            let output =
                run(&script(directory.path(), text), "store", "", Duration::from_secs(20)).expect("runs");
            assert!(!output.success);
            output.reason(&["hunter2", "hunter2-long"])
        };
        assert_eq!(reason("exit 3"), "it says nothing (exit status: 3)");
        assert_eq!(reason("echo no; echo 'hunter2-long is bad' >&2; exit 1"), "no; … is bad");
        assert_eq!(
            reason(r#"echo '{"Username":"u","Secret":"s3cr3t"}'; echo 's3cr3t ::x' >&2; exit 1"#),
            r#"{"Username":"u","Secret":"…"}; … ::x"#
        );
        assert_eq!(
            reason(r#"echo '{"secret":["s3cr3t",12345]}'; echo '{"a":[{"SECRET":"other"}]} ' >&2; exit 1"#),
            r#"{"secret":["…",…]}; {"a":[{"SECRET":"…"}]}"#
        );
        // If readers disagree, or the parts cannot be told apart, nothing of it is shown.
        for odd in
            [r#"{"Secret":"s3cr3t","S\u0065cret":"x"}"#, r#"{"Secret":"s3cr3t""#, r#"no "secret":"s3cr3t""#]
        {
            let said = reason(&format!("cat <<'END'\n{odd}\nEND\nexit 1"));
            assert_eq!(said, "something that may hold a secret", "{odd}");
        }
        assert_eq!(reason("echo '[ERROR] locked'; exit 1"), "[ERROR] locked");
    }
}
