//! Running a command: without a shell, in a process group of its own, for a limited time, with limited output.
//!
//! The group is ended when the time is over, when the service ends, and after the command has ended: what it leaves
//! behind in its group is not waited for.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::runtime::deadline;
use crate::types::shown::{Foreign, lines};

/// A command, ready to run.
#[derive(Debug)]
pub struct ReadyCommand {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Variables besides those of the service.
    pub variables: Vec<(&'static str, String)>,
    /// Variables of the service that the command does not get.
    pub hidden: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// How long it may take.
    pub timeout: Duration,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// With status 0.
    Success,
    /// In another way: the words for it.
    Failure(String),
    /// It was ended because the service ends.
    Stopped,
}

/// The end of the output, in bytes, that is kept.
const KEPT: usize = 16 << 10;
/// How often waiting looks.
const GLANCE: Duration = Duration::from_millis(20);
/// How long a command may go on after it was asked to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the output of a command that has ended is waited for.
const LINGER: Duration = Duration::from_millis(300);

/// Runs a command; `stopped` says whether the service has no more time for it. Returns also the end of what it wrote,
/// without secrets whose form shows them.
pub fn run(command: &ReadyCommand, stopped: &dyn Fn() -> bool) -> (CommandEnd, String) {
    let Some((program, arguments)) = command.words.split_first() else {
        return (CommandEnd::Failure("there is no program".to_owned()), String::new());
    };
    let mut process = Command::new(program);
    process
        .args(arguments)
        .envs(command.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(&command.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    for name in &command.hidden {
        process.env_remove(OsString::from(name));
    }
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => {
            let why = format!("`{}` cannot be started: {error}", Foreign::short(program, 200));
            return (CommandEnd::Failure(why), String::new());
        }
    };
    let (sender, receiver) = mpsc::channel();
    read(child.stdout.take(), sender.clone());
    read(child.stderr.take(), sender);
    let mut output = OutputTail::default();
    let end = wait(&mut child, &receiver, &mut output, command.timeout, stopped);
    // The rest of its group ends with the command. The group is gone if there is no rest.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let linger = deadline::after(LINGER);
    while let Ok(piece) = receiver.recv_timeout(linger.saturating_duration_since(Instant::now())) {
        output.add(&piece);
    }
    (end, output.text())
}

fn wait(
    child: &mut Child,
    receiver: &Receiver<Vec<u8>>,
    output: &mut OutputTail,
    timeout: Duration,
    stopped: &dyn Fn() -> bool,
) -> CommandEnd {
    let end = deadline::after(timeout);
    loop {
        while let Ok(piece) = receiver.try_recv() {
            output.add(&piece);
        }
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return CommandEnd::Success,
            Ok(Some(status)) => return CommandEnd::Failure(format!("it ended with {status}")),
            Ok(None) => {}
            Err(error) => return CommandEnd::Failure(format!("it cannot be waited for: {error}")),
        }
        if stopped() {
            finish(child);
            return CommandEnd::Stopped;
        }
        if Instant::now() >= end {
            finish(child);
            return CommandEnd::Failure(format!("it was ended after {} s", timeout.as_secs_f64()));
        }
        match receiver.recv_timeout(GLANCE) {
            Ok(piece) => output.add(&piece),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Its output is closed, and it goes on.
            Err(mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(GLANCE),
        }
    }
}

/// Asks the whole group to end, and ends it.
fn finish(child: &mut Child) {
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    let end = deadline::after(LAST_WORDS);
    while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(GLANCE);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// Passes on what a stream has, until it ends.
fn read(stream: Option<impl Read + Send + 'static>, sender: Sender<Vec<u8>>) {
    let Some(mut stream) = stream else { return };
    let work = move || {
        let mut buffer = vec![0; 8 << 10];
        while let Ok(length) = stream.read(&mut buffer) {
            if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    };
    // Without a thread the output is lost, and the command may have to wait for a reader until its time is over.
    let _ = std::thread::Builder::new().name("output".to_owned()).spawn(work);
}

/// The end of an output.
#[derive(Default)]
struct OutputTail(Vec<u8>);

impl OutputTail {
    fn add(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
        if self.0.len() > 2 * KEPT {
            self.0.drain(..self.0.len() - KEPT);
        }
    }

    fn text(&self) -> String {
        let start = self.0.len().saturating_sub(KEPT);
        let text = String::from_utf8_lossy(&self.0[start..]);
        let text = crate::types::secret::redact_message(&text);
        lines(text.trim_end()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> ReadyCommand {
        ReadyCommand {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            variables: vec![("PACK_EVENT_TAG", "1".to_owned())],
            hidden: vec!["PATH_THAT_IS_NOT_THERE".to_owned()],
            directory: "/".into(),
            timeout: Duration::from_secs(20),
        }
    }

    fn run_to_end(words: &[&str]) -> (CommandEnd, String) {
        run(&command(words), &|| false)
    }

    #[test]
    fn arguments_and_variables_come_as_they_are() {
        let (end, output) =
            run_to_end(&["/bin/sh", "-c", "echo \"$1:$PACK_EVENT_TAG\"", "x", "$(id) `id`; id"]);
        assert_eq!((end, output.as_str()), (CommandEnd::Success, "$(id) `id`; id:1"));
        let (end, output) = run_to_end(&["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]);
        assert_eq!(end, CommandEnd::Failure("it ended with exit status: 3".to_owned()));
        assert!(output.contains("out") && output.contains("err"), "{output}");
        let (end, _) = run_to_end(&["/nonexistent/program"]);
        assert!(matches!(end, CommandEnd::Failure(why) if why.contains("cannot be started")));
    }

    #[test]
    fn a_whole_group_ends_when_its_time_is_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("late");
        let script = format!("trap '' TERM; (sleep 4; echo x > {}) & sleep 60", file.display());
        let hanging =
            ReadyCommand { timeout: Duration::from_millis(300), ..command(&["/bin/sh", "-c", &script]) };
        let begun = Instant::now();
        let (end, _) = run(&hanging, &|| false);
        assert_eq!(end, CommandEnd::Failure("it was ended after 0.3 s".to_owned()));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        std::thread::sleep(
            Duration::from_secs(4).saturating_sub(begun.elapsed()) + Duration::from_millis(500),
        );
        assert!(!file.exists(), "its child went on");
    }

    #[test]
    fn the_end_of_the_service_ends_it() {
        let (end, _) = run(&command(&["/bin/sleep", "60"]), &|| true);
        assert_eq!(end, CommandEnd::Stopped);
    }

    #[test]
    fn output_is_bounded_and_without_secrets() {
        let (end, output) =
            run_to_end(&["/bin/sh", "-c", "yes line | head -c 3000000; echo; echo https://u:hunter2x@h/"]);
        assert_eq!(end, CommandEnd::Success);
        assert!(
            output.len() <= KEPT && output.ends_with("@h/") && !output.contains("hunter2x"),
            "{output:.100}"
        );
        // A process that it leaves behind does not keep it from ending.
        let begun = Instant::now();
        let (end, _) = run_to_end(&["/bin/sh", "-c", "sleep 30 &"]);
        assert_eq!(end, CommandEnd::Success);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
