//! The program at a terminal: questions, and the state in which it leaves the terminal.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::support::Project;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// All signals do what they do in a program that a shell starts.
const AS_BY_A_SHELL: &str = "--default-signal=INT,TERM,HUP,QUIT";

/// A pseudo terminal, and the end of it that programs see.
struct Terminal {
    controller: OwnedFd,
    program_end: OwnedFd,
}

impl Terminal {
    fn open() -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let program_end = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        Self { controller, program_end }
    }

    /// Runs the command on it, with signals as this option of env(1) has them.
    fn spawn(&self, command: &Command, signals: &str) -> Child {
        let mut child = Command::new("env");
        child.arg(signals).arg(command.get_program()).args(command.get_args());
        child.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        child.current_dir(command.get_current_dir().unwrap());
        let end = || Stdio::from(self.program_end.try_clone().unwrap());
        child.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
    }

    /// The text on the screen once it has `text`.
    fn wait_for(&self, text: &str) -> String {
        let (started, mut shown) = (Instant::now(), Vec::new());
        loop {
            let screen = String::from_utf8_lossy(&shown).into_owned();
            if screen.contains(text) {
                return screen;
            }
            assert!(started.elapsed() < PATIENCE, "no {text:?} on the screen: {screen:?}");
            let wait = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let ready = poll(&mut [PollFd::new(&self.controller, PollFlags::IN)], Some(&wait)).unwrap();
            if ready > 0 {
                let mut buffer = [0; 4096];
                let count = rustix::io::read(&self.controller, &mut buffer).unwrap();
                shown.extend_from_slice(&buffer[..count]);
            }
        }
    }

    fn press(&self, keys: &[u8]) {
        assert_eq!(rustix::io::write(&self.controller, keys).unwrap(), keys.len());
    }

    fn modes(&self) -> LocalModes {
        tcgetattr(&self.program_end).unwrap().local_modes
    }
}

fn code(mut child: Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the program goes on");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_at_the_password_leaves_the_terminal_as_it_was() {
    let project = Project::new();
    let login = project.pack("login 127.0.0.1:1 --username ci").command();
    for signals in [
        &[Signal::TERM][..],
        &[Signal::INT],
        &[Signal::HUP],
        &[Signal::QUIT],
        // The second one exits at once.
        &[Signal::TERM, Signal::TERM],
        &[Signal::HUP, Signal::INT],
    ] {
        let terminal = Terminal::open();
        let before = terminal.modes();
        assert!(before.contains(LocalModes::ECHO));
        let child = terminal.spawn(&login, AS_BY_A_SHELL);
        terminal.wait_for("Password of ci: ");
        assert!(!terminal.modes().contains(LocalModes::ECHO), "a password is not shown");
        for signal in signals {
            // The first may have been enough.
            let _ = kill_process(Pid::from_child(&child), *signal);
        }
        assert_eq!(code(child), Some(130), "{signals:?}");
        assert_eq!(terminal.modes(), before, "{signals:?}");
        let screen = terminal.wait_for("\n");
        assert!(!screen.contains("stopping"), "{screen:?}");
    }
}

#[test]
fn keys_end_a_question_and_what_is_typed_ahead_is_for_the_next() {
    let project = Project::new();
    for (keys, expected) in
        [(&b"\x03"[..], 130), (b"ci\nhun\x03", 130), (b"\x04", 130), (b"ci\nhunter2\n", 3)]
    {
        let terminal = Terminal::open();
        let before = terminal.modes();
        let child = terminal.spawn(&project.pack("login 127.0.0.1:1").command(), AS_BY_A_SHELL);
        terminal.wait_for("User: ");
        terminal.press(keys);
        let screen = terminal.wait_for(if expected == 130 { "error: " } else { "error[" });
        assert!(!screen.contains("hun"), "{screen:?}");
        assert_eq!(code(child), Some(expected), "{keys:?}: {screen}");
        assert_eq!(terminal.modes(), before, "{keys:?}");
    }
}

#[test]
fn a_hangup_that_nohup_ignores_stops_nothing() {
    let project = Project::new();
    let terminal = Terminal::open();
    let login = project.pack("login 127.0.0.1:1 --username ci").command();
    let child = terminal.spawn(&login, "--ignore-signal=HUP");
    terminal.wait_for("Password of ci: ");
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    terminal.press(b"hunter2\n");
    terminal.wait_for("error[registry-unreachable]: ");
    assert_eq!(code(child), Some(3));
}
