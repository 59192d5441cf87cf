//! The whole chain, with a real registry and real containers: a new base is pushed, `pack listen` has the image put on
//! it and promoted, and a running container is replaced; then a rollback brings the old one back.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::server::{Server, free_port};
use super::tools::{Pack, Podman};
use super::{http, inputs, project, say, scratch, tell};

const SECRET: &str = "right-horse-of-the-chain";

/// A running `pack listen`.
struct Listener {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Listener {
    fn start(pack: &Pack, settings: &Path) -> Self {
        let mut command = pack.command(&["listen", "--file", settings.to_str().expect("is text")]);
        let mut child = command.env("HOOK", SECRET).stdout(Stdio::null()).spawn().expect("pack starts");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let said = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = shared.lock().expect("whole");
                *said += &format!("{line}\n");
            }
        });
        let listener = Self { child, said };
        listener.wait_for("listening on", 1);
        listener
    }

    fn said(&self) -> String {
        self.said.lock().expect("whole").clone()
    }

    /// Waits until it has said something so often.
    #[track_caller]
    fn wait_for(&self, what: &str, times: usize) {
        let begun = Instant::now();
        while self.said().matches(what).count() < times {
            assert!(begun.elapsed() < Duration::from_secs(120), "no {what:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A registry that tells a port of each push.
fn registry(inputs: &Path, directory: &Path, port: u16) -> Server {
    Server::start_with(&inputs.join("tools/docker-registry"), directory, |config| {
        config["notifications"] = serde_json::json!({ "endpoints": [{
            "name": "pack",
            "url": format!("http://127.0.0.1:{port}/registry"),
            "headers": { "Authorization": [format!("Bearer {SECRET}")] },
            "timeout": "10s",
            "threshold": 5,
            "backoff": "200ms",
        }] });
    })
}

fn listen(port: u16, state: &Path, actions: &str) -> String {
    format!(
        "address = \"127.0.0.1:{port}\"\nstate = {state:?}\nconcurrency = 2\n\n\
         [[source]]\npath = \"/registry\"\nkind = \"docker-registry\"\nsecret-env = \"HOOK\"\n\n{actions}"
    )
}

/// The messages of docker-registry: blobs and manifests, and each of them again if the receiver was away.
#[test]
fn notifications_of_a_real_registry() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let port = free_port();
    let server = registry(&inputs, &directory.join("registry"), port);
    let pack = Pack::new(&directory.join("home"));
    let out = directory.join("out");
    let actions = format!(
        "[[action]]\nname = \"record\"\ntag = [\"v*\"]\n\
         command = [\"sh\", \"-c\", 'echo \"$1\" >> {}', \"x\", \"{{reference}}\"]\n",
        out.display()
    );
    let settings = directory.join("listen.toml");
    std::fs::write(&settings, listen(port, &directory.join("state"), &actions)).expect("written");
    let app = directory.join("app");
    std::fs::create_dir_all(app.join("files")).expect("made");
    let name = format!("{}/shop/app", server.host());
    let text = format!(
        "[image]\nname = \"{name}\"\nbase = \"scratch\"\n[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n"
    );
    let app_directory = project(&app, &text);
    let push = |content: &str, tag: &str| {
        std::fs::write(app.join("files/page"), content).expect("written");
        pack.json(&["build", &app_directory, "--push", "--allow-retag", "--tag", tag])["digest"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    // Pushed before anything listens: the registry tries again.
    let first = push("one", "v1");
    let listener = Listener::start(&pack, &settings);
    listener.wait_for(": done after", 1);
    let second = push("two", "v1");
    listener.wait_for(": done after", 2);
    push("three", "other");
    let third = push("three", "v2");
    listener.wait_for(": done after", 3);
    let expected: Vec<String> = [("v1", first), ("v1", second), ("v2", third)]
        .map(|(tag, digest)| format!("{name}:{tag}@{digest}"))
        .to_vec();
    let found = std::fs::read_to_string(out).expect("read");
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

/// An image with a page of its own on a base of Debian, Python and another page, which Python serves.
struct Shop<'a> {
    pack: &'a Pack,
    inputs: PathBuf,
    directory: &'a Path,
    host: String,
}

impl Shop<'_> {
    fn push_base(&self, page: &str) {
        let base = self.directory.join("base");
        std::fs::create_dir_all(base.join("page")).expect("made");
        std::fs::write(base.join("page/base.txt"), page).expect("written");
        let layer = |name: &str, tree: &Path, to: &str| {
            format!(
                "[[layer]]\nname = \"{name}\"\nfiles = [{{ from = {tree:?}, to = \"{to}\", keep-modes = true, keep-owners = true }}]\n"
            )
        };
        let text = format!(
            "[image]\nname = \"{}/base/python\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/{}\"]\n\
             compression = \"none\"\n{}{}{}[config]\nenv = {{ PATH = \"/usr/local/bin:/usr/bin:/bin\" }}\n",
            self.host,
            std::env::consts::ARCH,
            layer("debian", &self.inputs.join("base/debian"), "/"),
            layer("python", &self.inputs.join("runtimes/python"), "/"),
            layer("page", Path::new("page"), "/srv/www/"),
        );
        self.pack.ok(&["build", &project(&base, &text), "--push", "--allow-retag"]);
    }

    fn push_app(&self, port: u16) {
        let app = self.directory.join("app");
        std::fs::create_dir_all(app.join("files")).expect("made");
        std::fs::write(app.join("files/index.html"), "the shop\n").expect("written");
        let text = format!(
            "[image]\nname = \"{h}/shop/app\"\nbase = \"{h}/base/python:1\"\ntags = [\"dev\"]\n\
             [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv/www\"\n\
             [config]\nentrypoint = [\"python3\", \"-m\", \"http.server\", \"{port}\", \"--bind\", \"127.0.0.1\", \"--directory\", \"/srv/www\"]\n",
            h = self.host
        );
        self.pack.ok(&["build", &project(&app, &text), "--push"]);
    }
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\nset -eu\n{text}\n")).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("changed");
}

fn wait_for_page(port: u16, page: &str, listener: &Listener) {
    let begun = Instant::now();
    loop {
        match http::get(port, "/base.txt") {
            Some((200, body)) if body == page => return,
            answer => {
                assert!(begun.elapsed() < Duration::from_secs(120), "{answer:?}: {}", listener.said());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

#[test]
fn a_pushed_base_replaces_a_running_container_and_a_rollback_brings_the_old_one_back() {
    let needed = ["base/debian", "runtimes/python", "tools/docker-registry"];
    let Some(inputs) = inputs(&needed) else { return };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let (port, page_port) = (free_port(), free_port());
    let server = registry(&inputs, &directory.join("registry"), port);
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    let podman = Podman::new(directory);
    let redeploy = directory.join("podman-redeploy");
    let podman_line = |rest: &str| {
        let command = podman.line(rest);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    };
    script(
        &redeploy,
        &format!(
            "{} \"$1\"\n{}\n{} \"$1\"",
            podman_line("pull --quiet --tls-verify=false"),
            podman_line("rm --force --time 0 --ignore app"),
            podman_line(
                "run --detach --name app --network=host --ulimit nofile=1024:1024 --ulimit nproc=8192:8192"
            ),
        ),
    );
    let program = env!("CARGO_BIN_EXE_pack");
    let image = format!("{host}/shop/app");
    let actions = format!(
        "[[action]]\nname = \"rebase\"\nimage = [\"{host}/base/python\"]\ntag = [\"1\"]\nretries = 0\n\
         command = [\"{program}\", \"rebase\", \"{image}:dev\", \"--base\", \"{{image}}:{{tag}}\", \"-t\", \"dev\", \"--allow-retag\"]\n\n\
         [[action]]\nname = \"promote\"\nimage = [\"{image}\"]\ntag = [\"dev\"]\n\
         command = [\"{program}\", \"promote\", \"{image}@{{digest}}\", \"--to\", \"{image}@prod\"]\n\n\
         [[action]]\nname = \"redeploy\"\nimage = [\"{image}\"]\ntag = [\"prod\"]\nrepeat = true\n\
         command = [{redeploy:?}, \"{{image}}@{{digest}}\"]\n"
    );
    let settings = directory.join("listen.toml");
    std::fs::write(&settings, listen(port, &directory.join("state"), &actions)).expect("written");
    let shop = Shop { pack: &pack, inputs, directory, host };
    let mut begun = Instant::now();
    shop.push_base("the old base\n");
    let listener = Listener::start(&pack, &settings);
    // There is no image yet that could be put on it.
    listener.wait_for("`rebase`", 1);
    tell(&mut begun, "base pushed");
    shop.push_app(page_port);
    wait_for_page(page_port, "the old base\n", &listener);
    assert_eq!(http::get(page_port, "/index.html"), Some((200, "the shop\n".to_owned())));
    tell(&mut begun, "image pushed, promoted, container started");
    shop.push_base("the new base\n");
    wait_for_page(page_port, "the new base\n", &listener);
    assert_eq!(http::get(page_port, "/index.html"), Some((200, "the shop\n".to_owned())));
    tell(&mut begun, "new base pushed, image rebased and promoted, container replaced");
    pack.ok(&["rollback", &format!("{image}@prod")]);
    wait_for_page(page_port, "the old base\n", &listener);
    tell(&mut begun, "rolled back, container replaced");
}
