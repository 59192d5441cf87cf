//! Where an image is: one grammar, which place is meant, and whose word counts about how it is reached.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::{Outcome, Project};

/// A server that has nothing, and remembers what it was asked: a line for each request, and its `Authorization`.
struct Listener {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = Vec::new();
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    head.push(std::mem::take(&mut line).trim_end().to_owned());
                }
                let is_told = |line: &String| line.to_ascii_lowercase().starts_with("authorization:");
                let first = head.first().cloned().unwrap_or_default();
                let login = head.iter().find(|line| is_told(line)).cloned().unwrap_or_default();
                log.lock().unwrap().push(format!("{first} {login}"));
                let answer = match first.contains(" /v2/ ") || first.ends_with("/v2/ HTTP/1.1") {
                    true if login.is_empty() => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"",
                    true => "200 OK",
                    false => "404 Not Found",
                };
                let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, asked }
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Writes the user's own configuration.
fn configure(project: &Project, text: &str) {
    let directory = project.beside("home/.config/pack");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("config.toml"), text).unwrap();
}

#[test]
fn a_build_file_that_lies_about_has_no_say_in_commands_without_a_project() {
    let project = Project::small();
    project.build("-o oci:here:1");
    let hostile = Listener::start();
    // Port 9 is `discard`: nobody listens there.
    let (registry, mirror) = ("127.0.0.1:9", &hostile.address);
    let text = format!("[registry.\"{registry}\"]\nmirrors = [\"http://{mirror}/x\"]\n");
    fs::create_dir_all(project.path("hostile")).unwrap();
    project.write("hostile/build.toml", &text);
    let image = format!("{registry}/a/b:1");
    let local = format!("oci:{}", project.path("here").display());
    let lines = [
        format!("inspect {image}"),
        format!("history {image}"),
        format!("verify {image}"),
        format!("diff {image} {local}"),
        format!("copy {image} oci:out"),
        format!("tag {image} 2"),
        format!("rebase {image} --base {image} -t 2"),
        format!("doctor {registry}"),
    ];
    let hostile_directory = project.path("hostile");
    for line in &lines {
        project.pack(line).cwd(&hostile_directory).run().has_code(3);
        assert_eq!(hostile.asked(), Vec::<String>::new(), "pack {line}");
    }
    // The same from the user's own configuration counts.
    configure(&project, &text);
    for line in &lines[..6] {
        project.pack(line).cwd(&hostile_directory).run().has_code(3);
        assert!(!hostile.asked().is_empty(), "pack {line}");
    }
}

#[test]
fn no_login_goes_in_the_clear_because_of_a_file_that_lies_about() {
    let project = Project::new();
    let proxy = Listener::start();
    project.write("build.toml", "[registry.\"registry.test\"]\nplain-http = true\n");
    let login = |line: &str| {
        let line = format!("login registry.test -u a -p secret {line}");
        project.pack(&line).env("HTTP_PROXY", &format!("http://{}", proxy.address)).run()
    };
    login("").has_code(3);
    assert_eq!(proxy.asked(), Vec::<String>::new());
    // A flag is the user's word, and so is the user's own configuration.
    login("-f build.toml").has_code(0);
    let basic = "Basic YTpzZWNyZXQ=";
    assert!(proxy.asked().iter().any(|asked| asked.contains(basic)));
    login("--plain-http registry.test").has_code(0);
    assert!(proxy.asked().iter().any(|asked| asked.contains(basic)));
    configure(&project, "[registry.\"registry.test\"]\nplain-http = true\n");
    login("").has_code(0);
    assert!(proxy.asked().iter().any(|asked| asked.contains(basic)));
    login("--plain-http registry.test --skip-tls-verify registry.test").has_code(2).hints();
    configure(&project, "[registry.\"registry.test\"]\nplain-htp = true\n");
    login("").has_code(1).says(&["config.toml", "plain-http"]);
    assert_eq!(proxy.asked(), Vec::<String>::new());
}

/// That each of `texts` is in a warning.
#[track_caller]
fn warns(outcome: Outcome, texts: &[&str]) -> Outcome {
    let lines: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    for text in texts {
        assert!(lines.iter().any(|line| line.contains(text)), "no warning says {text:?}: {outcome:?}");
    }
    outcome
}

#[test]
fn what_a_project_adds_to_how_registries_are_reached_is_said() {
    let project = Project::small();
    project.append(
        "build.toml",
        "\n[registry.\"r.example\"]\nplain-http = true\nmirrors = [\"https://m.example/hub\"]\n\
         [registry.\"s.example\"]\nskip-tls-verify = true\nca-file = \"ca.pem\"\n\
         [registry.\"localhost:5000\"]\nplain-http = true\n",
    );
    for command in ["build", "plan", "update"] {
        let said = warns(
            project.pack(command).ok(),
            &[
                "build.toml:12:14: `plain-http` for `r.example`",
                "`mirrors` for `r.example`: this project has pulls ask `https://m.example/hub` first",
                "`skip-tls-verify` for `s.example`",
                "`ca-file` for `s.example`: this project trusts the authorities in `ca.pem`",
            ],
        );
        assert!(!said.stderr.contains("localhost:5000"), "{said:?}");
    }
    // What the user has decided is not the project's to add.
    configure(
        &project,
        "[registry.\"r.example\"]\nplain-http = false\n[registry.\"s.example\"]\nplain-http = false\n",
    );
    let said = warns(project.pack("build").ok(), &["`ca-file` for `s.example`"]);
    assert!(!said.stderr.contains("`plain-http`") && !said.stderr.contains("`skip-tls-verify`"), "{said:?}");
    // And what is typed is the user's word.
    let plain = Project::small();
    let said = plain.pack("build --set").arg("registry.\"r.example\".plain-http=true").ok();
    assert!(!said.stderr.contains("warning: "), "{said:?}");
}

#[test]
fn a_users_configuration_that_cannot_be_read_is_an_error() {
    let project = Project::small();
    project.build("-o oci:here:1");
    configure(&project, "");
    let file = project.beside("home/.config/pack/config.toml");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    project.pack("copy oci:here:1 127.0.0.1:9/a:1").fails(1).says(&["config.toml", "not a regular file"]);
    assert!(Path::new("/dev/zero").exists());
}
