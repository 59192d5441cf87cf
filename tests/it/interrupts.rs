//! Ctrl-C is heard at once, whatever the program is busy with: build files and trees that take it long.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::support::{Outcome, Project, Zip, outcome, tree_on};

/// The longest time from the signal to the end of the program. Other tests run at the same time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lines, each with its number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", line(number));
        text
    })
}

/// Waits until the program has set up its handlers, so that the signal does not end it before.
fn wait_for_handlers(pid: u32) {
    let begun = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        // SIGINT is 2.
        if mask & 2 != 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no handler");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The outcome of a command that is interrupted `after` its handlers are there; `None` where it has ended before.
fn interrupted(project: &Project, command: &str, after: Duration) -> Option<Outcome> {
    let mut child = project.pack(command).command().stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_for_handlers(child.id());
    std::thread::sleep(after);
    if child.try_wait().unwrap().is_some() {
        return None;
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let sent = Instant::now();
    let ended = outcome(command, &child.wait_with_output().unwrap());
    assert!(sent.elapsed() < PATIENCE, "{command}: {:?} {ended:?}", sent.elapsed());
    Some(ended)
}

/// At several moments of the work.
#[track_caller]
fn is_interrupted(what: &str, project: &Project) {
    for command in ["check", "plan", "build -o oci:out"] {
        for (number, after) in [0, 100, 400].into_iter().enumerate() {
            let Some(ended) = interrupted(project, command, Duration::from_millis(after)) else { continue };
            // It may have ended between the look at it and the signal.
            let is_late = number > 0 && matches!(ended.code, Some(0 | 1));
            assert!(ended.code == Some(130) || is_late, "{what}, {command} after {after} ms: {ended:?}");
        }
    }
}

fn with(settings: &str) -> Project {
    let project = Project::with(&(tree_on("scratch") + settings));
    project.write("files/a", "a");
    project
}

#[test]
fn many_users_and_owners() {
    let user = |number: usize| format!("[[user]]\nname = \"g{number}\"\nuid = {}", 1000 + number);
    let groups = lines(100, |number| format!("\"g{number}\","));
    let members = lines(1000, |number| format!("{}\ngroups = [{groups}]", user(100 + number)));
    let owned = lines(20_000, |number| format!("{{ path = \"/d/{number}\", owner = \"g99\" }},"));
    let layer = format!("[[layer]]\nname = \"l\"\ndirectories = [\n{owned}]\n");
    is_interrupted("users", &with(&(lines(100, user) + &members + &layer)));
}

#[test]
fn many_directories_and_volumes() {
    let directories = lines(30_000, |number| format!("{{ path = \"/d{number}\" }},"));
    let volumes = lines(5_000, |number| format!("\"/v/{number}\","));
    let settings = format!(
        "[config]\nuser = \"1000\"\nvolumes = [\n{volumes}]\n[[layer]]\nname = \"l\"\ndirectories = [\n{directories}]\n"
    );
    is_interrupted("directories", &with(&settings));
}

#[test]
fn many_permissions_and_files() {
    let tables =
        lines(300, |number| format!("[[app.permissions]]\npath = \"**/*1*/**/*2*\"\nowner = \"{number}\""));
    let project = with(&tables);
    for number in 0..3_000 {
        project.write(&format!("files/d{}1/e{}/f2-{number}.log", number % 10, number % 100), "x");
    }
    is_interrupted("permissions", &project);
}

#[test]
fn texts_of_secrets() {
    let project = with("");
    let settings =
        "<settings>".to_owned() + &lines(20_000, |number| format!("<password>hunter{number}!</password>"));
    let keys =
        lines(14_000, |_| format!("aws_secret_access_key={}", "Zx81kQv93LmTr0aBcDy7HnWp45JfUgE2Zx81kQv9"));
    for number in 0..12 {
        project.write(&format!("files/{number}/settings.xml"), settings.clone() + &number.to_string());
        project.write(&format!("files/{number}/keys.txt"), keys.clone() + &number.to_string());
    }
    is_interrupted("texts", &project);
}

#[test]
fn texts_and_signatures_in_a_jar() {
    let section = lines(30_000, |number| {
        format!("Name: c{number}\r\nSHA-256-Digest: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r")
    });
    let mut jar = Zip::default();
    jar.deflated(
        "META-INF/MANIFEST.MF",
        format!("Manifest-Version: 1.0\r\nMain-Class: a.A\r\n\r\n{section}").as_bytes(),
    );
    jar.deflated("META-INF/A.SF", format!("Signature-Version: 1.0\r\n\r\n{section}").as_bytes());
    jar.deflated("a/A.class", b"\xca\xfe\xba\xbe\0\0\0\x3d");
    let text = "a line of a text\n".repeat(61_000);
    for number in 0..100 {
        jar.deflated(&format!("{number}.txt"), format!("{text}{number}").as_bytes());
    }
    let project = Project::with(
        "[image]\nname = \"localhost/a\"\nbase = \"scratch\"\n[app]\npath = \"app.jar\"\nkind = \"jar\"\n",
    );
    project.write("app.jar", jar.finish());
    is_interrupted("jar", &project);
    let project = with("");
    project.write("files/lib/a-1.jar", jar.finish());
    is_interrupted("library", &project);
}

#[test]
fn an_engine_that_never_answers_is_not_waited_for() {
    let project = Project::small();
    let socket = project.beside("engine.sock");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let host = format!("unix://{}", socket.display());
    let child = project.pack("build -o docker").env("DOCKER_HOST", &host).command().spawn().unwrap();
    wait_for_handlers(child.id());
    std::thread::sleep(Duration::from_millis(500));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let sent = Instant::now();
    outcome("build -o docker", &child.wait_with_output().unwrap()).has_code(130);
    assert!(sent.elapsed() < PATIENCE, "{:?}", sent.elapsed());
}
