//! `-o docker`: into a running engine, Podman's service and, where it is installed, Docker itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::tools::{Pack, Podman, Said, is_listening, line, run};
use super::{inputs, project, say, scratch};
use crate::support::noise;

/// An engine of the test's own.
pub(super) trait Engine {
    fn socket(&self) -> &Path;
    /// The output of its own client.
    fn client(&self, line: &str) -> String;
}

#[test]
fn an_image_is_loaded_into_podman() {
    if !can_run("podman") {
        return;
    }
    let directory = scratch();
    let podman = Podman::new(&directory.path().join("podman"));
    let (service, socket) = podman.serve();
    walk(&Service { podman, process: service, socket }, directory.path(), "--format docker-archive");
}

#[test]
fn an_image_is_loaded_into_docker() {
    if !can_run("dockerd") {
        return;
    }
    let directory = scratch();
    let Some(docker) = Docker::start(&directory.path().join("docker")) else { return };
    walk(&docker, directory.path(), "");
}

/// Whether an engine of the test's own can be had.
pub(super) fn can_run(program: &str) -> bool {
    if inputs(&[]).is_none() {
        return false;
    }
    let there = line(&format!("{program} --version")).output().is_ok_and(|output| output.status.success());
    let can = there && rustix::process::geteuid().is_root();
    if !can {
        say(&format!("not run: an engine of its own takes {program} and root"));
    }
    can
}

struct Service {
    podman: Podman,
    process: Child,
    socket: PathBuf,
}

impl Engine for Service {
    fn socket(&self) -> &Path {
        &self.socket
    }

    fn client(&self, line: &str) -> String {
        self.podman.run(line)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// Docker with its data in a directory of its own, without a network.
pub(super) struct Docker {
    process: Child,
    /// Sockets have short names.
    short: tempfile::TempDir,
    socket: PathBuf,
}

impl Docker {
    /// None where the machine does not let it start, which is said.
    pub(super) fn start(directory: &Path) -> Option<Self> {
        let short = tempfile::Builder::new().prefix("pack-").tempdir_in("/tmp").expect("can be made");
        let socket = short.path().join("s");
        let log = File::create(short.path().join("log")).expect("can be made");
        let mut command = line(&format!(
            "dockerd --data-root {} --exec-root {s}/exec --pidfile {s}/pid --host unix://{} --bridge none \
             --iptables=false --ip6tables=false --storage-driver vfs",
            directory.display(),
            socket.display(),
            s = short.path().display(),
        ));
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut docker = Self { process: command.spawn().expect("dockerd starts"), short, socket };
        if is_listening(&mut docker.process, &docker.socket) {
            return Some(docker);
        }
        let log = std::fs::read_to_string(docker.short.path().join("log")).unwrap_or_default();
        say(&format!("not run: Docker does not start here: {}", log.lines().last().unwrap_or_default()));
        None
    }
}

impl Engine for Docker {
    fn socket(&self) -> &Path {
        &self.socket
    }

    fn client(&self, rest: &str) -> String {
        run(&mut line(&format!("docker --host unix://{} {rest}", self.socket.display())))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It ends what it has started when it is asked to, not when it is killed.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let begun = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && begun.elapsed().as_secs() < 20 {
            std::thread::sleep(Duration::from_millis(20));
        }
        stop(&mut self.process);
        let mut unmount = line("umount -q -l");
        unmount.arg(self.short.path().join("exec/netns/default"));
        let _ = unmount.stderr(Stdio::null()).status();
    }
}

pub(super) fn stop(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

fn walk(engine: &dyn Engine, directory: &Path, format: &str) {
    let pack = Pack::new(&directory.join("home"));
    let app = directory.join("app");
    let text = "[image]\nname = \"localhost/loaded\"\nbase = \"scratch\"\ntags = [\"1\", \"stable\"]\n\
                platforms = [\"linux/amd64\"]\n\n\
                [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n\n\
                [[layer]]\nname = \"data\"\nfiles = [{ from = \"data\", to = \"/data\" }]\n";
    for part in ["files", "data"] {
        std::fs::create_dir_all(app.join(part)).expect("can be made");
    }
    std::fs::write(app.join("data/noise"), noise(5, 3 << 20)).expect("can be written");
    let app_directory = project(&app, text);
    let build = |content: &str| {
        std::fs::write(app.join("files/page"), content).expect("can be written");
        let out = format!("oci:out-{content}");
        let mut command = pack.command(&["build", &app_directory, "-o", "docker", "-o", &out]);
        command.env("DOCKER_HOST", format!("unix://{}", engine.socket().display()));
        let said: Said = command.output().expect("pack starts").into();
        assert_eq!(said.code, Some(0), "{said:?}");
        pack.ok(&["verify", &format!("{out}:1")]);
        let image = pack.json(&["inspect", &format!("{out}:1")]);
        image["configDigest"].as_str().expect("names its configuration").to_owned()
    };
    let id_of = |name: &str| {
        let id = engine.client(&format!("image inspect --format {{{{.Id}}}} {name}"));
        format!("sha256:{}", id.trim().trim_start_matches("sha256:"))
    };
    // Twice the same, the second time known by its ID; then another under the same names.
    for content in ["one", "one", "two"] {
        let config = build(content);
        for tag in ["1", "stable"] {
            assert_eq!(id_of(&format!("localhost/loaded:{tag}")), config);
        }
    }
    let saved = directory.join("saved.tar");
    engine.client(&format!("save {format} -o {} localhost/loaded:1", saved.display()));
    let ok = pack.ok(&["verify", &format!("docker-archive:{}", saved.display())]);
    assert!(ok.contains(": ok, "), "{ok}");
}
