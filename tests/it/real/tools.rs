//! Running `pack` and the tools that judge what it made.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// One machine's `pack`: its store, its home, nothing of this machine's environment.
pub(super) struct Pack {
    home: PathBuf,
}

/// The output of a command.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Pack {
    /// With a home and a store in `home`, which is made.
    pub(super) fn new(home: &Path) -> Self {
        std::fs::create_dir_all(home).expect("can be made");
        Self { home: home.to_owned() }
    }

    /// A command that was not started yet.
    pub(super) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pack"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("PACK_CACHE_DIR", self.home.join("store"))
            .env("PACK_SYSTEM_CONFIG", self.home.join("etc"))
            // An image that is built here belongs to no commit, although it lies in the target directory of a
            // repository.
            .env("GIT_CEILING_DIRECTORIES", env!("CARGO_TARGET_TMPDIR"))
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end, whatever that is.
    pub(super) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Said {
        self.command(arguments).output().expect("pack starts").into()
    }

    /// Runs it; what it prints.
    pub(super) fn ok<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        let said = self.run(arguments);
        let shown: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        assert_eq!(said.code, Some(0), "pack {shown:?}: {}", said.stderr);
        said.stdout
    }

    /// Runs a build that ends well if no rule of the checks finds fault, not even as a warning; what it prints.
    pub(super) fn strict(&self, arguments: &[&str]) -> String {
        self.ok(&[arguments, &["--strict"]].concat())
    }

    /// Runs it with `--json`.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).expect("is JSON")
    }

    /// Has the user's own configuration say this of registries.
    pub(super) fn configure(&self, text: &str) {
        let directory = self.home.join(".config/pack");
        std::fs::create_dir_all(&directory).expect("can be made");
        std::fs::write(directory.join("config.toml"), text).expect("can be written");
    }

    /// Writes `config.json` with a login for `host`.
    pub(super) fn log_in(&self, host: &str, user: &str, password: &str) {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let config = serde_json::json!({ "auths": { host: { "auth": auth } } });
        std::fs::create_dir_all(self.home.join(".docker")).expect("can be made");
        std::fs::write(self.home.join(".docker/config.json"), config.to_string()).expect("can be written");
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Runs another tool, which must succeed; what it prints.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// `words` as a command line, without quoting.
pub(super) fn line(words: &str) -> Command {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words);
    command
}

/// Waits until a program listens on its socket.
pub(super) fn wait_for(program: &mut std::process::Child, socket: &Path) {
    assert!(is_listening(program, socket), "nobody at the socket: {:?}", program.try_wait());
}

/// Whether a program listens on its socket before it ends, and within a minute.
pub(super) fn is_listening(program: &mut std::process::Child, socket: &Path) -> bool {
    let begun = std::time::Instant::now();
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        let ended = program.try_wait().expect("can be asked");
        if ended.is_some() || begun.elapsed().as_secs() >= 60 {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    true
}

/// Containers in a directory of their own; they are stopped and removed when dropped.
pub(super) struct Podman {
    directory: PathBuf,
    /// Sockets are below it, so that its name may not be longer than 50 bytes.
    short: tempfile::TempDir,
}

impl Podman {
    /// With its images below `directory`.
    pub(super) fn new(directory: &Path) -> Self {
        let short = tempfile::Builder::new().prefix("pack-").tempdir_in("/tmp").expect("can be made");
        Self { directory: directory.to_owned(), short }
    }

    /// Its command line.
    pub(super) fn line(&self, rest: &str) -> Command {
        let (d, s) = (self.directory.display(), self.short.path().display());
        line(&format!(
            "podman --root {d}/root --runroot {s}/run --tmpdir {s}/tmp --storage-driver overlay \
             --events-backend file --cgroup-manager cgroupfs --runtime runc --runtime-flag root={s}/runc {rest}"
        ))
    }

    /// Starts Tomcat of `image` on `port`.
    pub(super) fn start(&self, image: &str, port: u16) {
        self.start_with(image, &[format!("CATALINA_OPTS=-Dhttp.port={port} -Dhttp.address=127.0.0.1")]);
    }

    /// Starts a container of `image` with these variables.
    pub(super) fn start_with(&self, image: &str, variables: &[String]) {
        let mut command = self.line(
            "run -d --name app --network=host --ulimit nofile=1024:1024 --ulimit nproc=8192:8192 --tls-verify=false",
        );
        for variable in variables {
            command.arg("-e").arg(variable);
        }
        run(command.arg(image));
    }

    /// Starts the service that Docker's clients are served by; it listens on the socket that comes with it.
    pub(super) fn serve(&self) -> (std::process::Child, PathBuf) {
        let socket = self.short.path().join("s");
        let mut command = self.line("system service --time=0");
        command.arg(format!("unix://{}", socket.display())).stdin(Stdio::null());
        let mut service = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("podman starts");
        wait_for(&mut service, &socket);
        (service, socket)
    }

    /// Runs podman to its end; what it printed.
    pub(super) fn run(&self, rest: &str) -> String {
        run(&mut self.line(rest))
    }

    /// The output of the container.
    pub(super) fn logs(&self) -> String {
        let output = self.line("logs app").output().expect("podman starts");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let silent = |mut command: Command| {
            let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        };
        silent(self.line("rm -f -t 0 app"));
        silent(self.line("rmi -a -f"));
        let mut unmount = line("umount -q");
        unmount.arg(self.directory.join("root/overlay"));
        silent(unmount);
    }
}
