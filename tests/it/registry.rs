//! Registries, logins and certificates as a user meets them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{
    Outcome, Project, Run, chmod, files_below, is_error, is_root, json, outcome, skipped, text,
};

/// The fault in place of an answer.
#[derive(Clone, Debug)]
enum Fault {
    /// This status, with this body and these lines of headers.
    Answer(u16, &'static str, &'static str),
    /// The first half, then the connection ends; a request for the rest gets this status.
    Midway(u16),
    /// 401 unless it has a token, which everybody gets.
    Token,
    /// The connection ends without an answer.
    Reset,
    /// Nothing, for a long time.
    Silence,
}

/// A registry that has what a layout has, and fails on request.
pub(crate) struct Served {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// By the end of the path.
    documents: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    faults: Mutex<Vec<(String, Fault)>>,
    log: Mutex<Vec<String>>,
    met: AtomicUsize,
}

/// Serves each connection in a thread of its own, until the test ends; the address that it listens at.
pub(crate) fn serve_each<S: Send + Sync + 'static>(
    address: &str,
    state: &Arc<S>,
    serve: fn(&S, &TcpStream),
) -> String {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&state);
            std::thread::spawn(move || serve(&state, &stream));
        }
    });
    address
}

impl Served {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let address = serve_each("127.0.0.1:0", &state, State::serve);
        Self { address, state }
    }

    /// Serves the image of a layout as `NAME:1`.
    pub(crate) fn add(&self, name: &str, layout: &Path) {
        self.add_tag(name, "1", layout);
    }

    /// Serves it as `NAME:TAG`.
    pub(crate) fn add_tag(&self, name: &str, tag: &str, layout: &Path) {
        let index = json(&fs::read_to_string(layout.join("index.json")).unwrap());
        let entry = &index["manifests"][0];
        let mut documents = self.state.documents.lock().unwrap();
        for path in files_below(&layout.join("blobs/sha256")) {
            let digest = format!("sha256:{}", path.file_name().unwrap().to_str().unwrap());
            let bytes = fs::read(&path).unwrap();
            let is_manifest = bytes.starts_with(b"{")
                && !json(std::str::from_utf8(&bytes).unwrap())["schemaVersion"].is_null();
            if is_manifest {
                let kind = json(std::str::from_utf8(&bytes).unwrap())["mediaType"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                if digest == text(&entry["digest"]) {
                    documents.insert(format!("{name}/manifests/{tag}"), (kind.clone(), bytes.clone()));
                }
                documents.insert(format!("{name}/manifests/{digest}"), (kind, bytes));
            } else {
                documents
                    .insert(format!("{name}/blobs/{digest}"), ("application/octet-stream".to_owned(), bytes));
            }
        }
    }

    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}/{name}:1", self.address)
    }

    /// From now on whatever has `part` in its path meets this.
    fn fails(&self, part: &str, fault: Fault) {
        *self.state.faults.lock().unwrap() = vec![(part.to_owned(), fault)];
        self.state.met.store(0, Ordering::SeqCst);
    }

    fn heal(&self) {
        self.state.faults.lock().unwrap().clear();
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut request, mut range, mut has_token) = (String::new(), None, false);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if request.is_empty() {
                    request = line.trim().to_owned();
                } else if line.to_ascii_lowercase().starts_with("authorization: bearer ") {
                    has_token = true;
                } else if let Some(from) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                    range = from.trim().trim_end_matches('-').parse::<usize>().ok();
                }
                line.clear();
            }
            if request.is_empty() || self.answer(stream, &request, range, has_token).is_none() {
                return;
            }
        }
    }

    fn answer(
        &self,
        mut stream: &TcpStream,
        request: &str,
        range: Option<usize>,
        has_token: bool,
    ) -> Option<()> {
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        self.log.lock().unwrap().push(format!("{method} {path}"));
        let fault = self
            .faults
            .lock()
            .unwrap()
            .iter()
            .find(|(part, _)| path.contains(part))
            .map(|(_, fault)| fault.clone());
        let document =
            path.strip_prefix("/v2/").and_then(|name| self.documents.lock().unwrap().get(name).cloned());
        let realm = format!("http://{}/token", stream.local_addr().ok()?);
        let mut send = |status: u16, headers: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
            let body = if method == "HEAD" { &[] } else { body };
            stream.write_all(&[head.as_bytes(), body].concat()).ok()
        };
        if fault.is_some() {
            self.met.fetch_add(1, Ordering::SeqCst);
        }
        match (fault, document) {
            (Some(Fault::Token), _) if path.starts_with("/token") => send(200, "", br#"{"token":"x"}"#),
            (Some(Fault::Token), _) if !has_token => {
                send(401, &format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n"), b"")
            }
            (Some(Fault::Reset), _) => None,
            (Some(Fault::Silence), _) => {
                std::thread::sleep(Duration::from_secs(60));
                None
            }
            (Some(Fault::Midway(_)), Some((_, body))) if range.is_none() && method == "GET" => {
                let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body[..body.len() / 2]].concat()).ok()?;
                None
            }
            (Some(Fault::Midway(status)), _) => send(status, "", b""),
            (Some(Fault::Answer(status, headers, body)), _) => send(status, headers, body.as_bytes()),
            (None | Some(Fault::Token), Some((kind, body))) => {
                send(200, &format!("Content-Type: {kind}\r\n"), &body)
            }
            (None | Some(Fault::Token), None) => send(404, "", b""),
        }
    }
}

/// A project with an image of one file in a layout, which is larger than what is read at once.
fn image(project: &Project, directory: &str, size: usize) -> PathBuf {
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(size)
    .collect();
    project.write("files/noise", noise);
    let layout = project.beside(directory);
    project.pack("build").args("-o").arg(format!("oci:{}", layout.display())).ok();
    layout
}

fn layer_of(layout: &Path) -> String {
    let index = json(&fs::read_to_string(layout.join("index.json")).unwrap());
    let manifest = blob(layout, &text(&index["manifests"][0]["digest"]));
    text(&manifest["layers"][0]["digest"])
}

fn config_of(layout: &Path) -> String {
    let index = json(&fs::read_to_string(layout.join("index.json")).unwrap());
    let manifest = blob(layout, &text(&index["manifests"][0]["digest"]));
    text(&manifest["config"]["digest"])
}

fn blob(layout: &Path, digest: &str) -> serde_json::Value {
    json(&fs::read_to_string(layout.join("blobs/sha256").join(&digest[7..])).unwrap())
}

/// Every command that reads a layer from a registry, and its exit code if the registry says that the layer is not there.
fn readers<'a>(project: &'a Project, served: &Served) -> Vec<(Run<'a>, i32)> {
    let name = served.name("app");
    let out = |kind: &str, to: &str| format!("{kind}:{}", project.beside(to).display());
    let copy = |to: String| (project.pack("copy").arg(&name).arg(to).cache(&project.beside("empty")), 3);
    vec![
        copy(out("oci", "copied")),
        copy(out("oci-archive", "copied.tar")),
        copy(out("docker-archive", "docker.tar")),
        copy("store:localhost/copied:1".to_owned()),
        // That something is missing is what is asked for.
        (project.pack("verify").arg(&name).cache(&project.beside("empty")), 1),
        (project.pack("diff").arg(&name).arg(out("oci", "other")).cache(&project.beside("empty")), 3),
    ]
}

/// Every command that reads a configuration.
fn lookers<'a>(project: &'a Project, served: &Served) -> Vec<Run<'a>> {
    let name = served.name("app");
    let run = |command: &str| project.pack(command).arg(&name).cache(&project.beside("empty"));
    vec![
        run("history"),
        run("inspect"),
        run("diff").arg(format!("oci:{}", project.beside("other").display())),
        run("rebase").args("--old-base").arg(&name).arg("--base").arg(&name).args("--tag 2"),
    ]
}

fn prepared() -> (Project, Served, PathBuf) {
    let project = Project::small();
    let layout = image(&project, "layout", 6 << 20);
    image(&project, "other", 1 << 10);
    let served = Served::start();
    served.add("app", &layout);
    (project, served, layout)
}

/// A registry that refuses, fails or breaks is the registry's fault, whatever was to become of the bytes.
#[test]
fn a_registrys_failure_is_three_for_every_command() {
    let (project, served, layout) = prepared();
    const SOON: &str = "Retry-After: 3600\r\n";
    let layer = layer_of(&layout);
    for fault in [
        Fault::Answer(403, "", "no"),
        Fault::Answer(503, SOON, "not now"),
        Fault::Midway(403),
        Fault::Midway(404),
        Fault::Answer(404, "", "none"),
    ] {
        served.fails(&layer, fault.clone());
        for (run, when_missing) in readers(&project, &served) {
            let is_missing = matches!(fault, Fault::Answer(404, ..) | Fault::Midway(404));
            let code = if is_missing { when_missing } else { 3 };
            run.run().has_code(code).says(&[&layer[7..19]]);
        }
        assert!(served.state.met.load(Ordering::SeqCst) > 0);
    }
    let config = config_of(&layout);
    for fault in
        [Fault::Answer(403, "", "no"), Fault::Answer(503, SOON, "not now"), Fault::Answer(404, "", "none")]
    {
        served.fails(&config, fault);
        for run in lookers(&project, &served) {
            run.run().has_code(3);
        }
    }
    served.heal();
    for (run, _) in readers(&project, &served) {
        let code = run.run().code;
        assert!(matches!(code, Some(0 | 1)), "differences are one: {code:?}");
    }
}

/// Connections that end without an answer are tried again, and then are a failure of the network.
#[test]
fn a_broken_connection_is_three() {
    let (project, served, layout) = prepared();
    served.fails(&layer_of(&layout), Fault::Reset);
    std::thread::scope(|scope| {
        for (run, _) in readers(&project, &served) {
            scope.spawn(move || run.run().has_code(3).says(&["the connection broke"]));
        }
    });
}

/// A base's layer that cannot be had is the registry's failure as well.
#[test]
fn a_base_that_cannot_be_read_is_three() {
    let (project, served, layout) = prepared();
    let build = |output: &str| {
        project
            .write("build.toml", crate::support::tree_on(&served.name("app")).replace("/srv", "/srv/below"));
        project.write("files/noise", "small");
        project.pack("build").args(output).cache(&project.beside("empty"))
    };
    let out = format!("-o oci-archive:{}", project.beside("built.tar").display());
    for fault in
        [Fault::Answer(403, "", "no"), Fault::Answer(503, "Retry-After: 3600\r\n", "no"), Fault::Midway(403)]
    {
        served.fails(&layer_of(&layout), fault);
        let build = build(&out);
        let outcome = build.run();
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
    }
}

/// Ctrl-C while bytes are waited for.
#[test]
fn an_interrupt_is_130_for_every_command() {
    let (project, served, layout) = prepared();
    served.fails(&layer_of(&layout), Fault::Silence);
    for (run, _) in readers(&project, &served) {
        let before = served.state.met.load(Ordering::SeqCst);
        let child = run.command().spawn().unwrap();
        let started = Instant::now();
        while served.state.met.load(Ordering::SeqCst) == before {
            assert!(started.elapsed() < Duration::from_secs(60), "nothing is asked for");
            std::thread::sleep(Duration::from_millis(10));
        }
        let stopped = stop(child);
        assert_eq!(stopped.code, Some(130), "{stopped:?}");
    }
}

fn stop(child: Child) -> Outcome {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    outcome("interrupted", &child.wait_with_output().unwrap())
}

/// Every line of what is said begins with words of ours: nothing that others wrote begins one.
#[track_caller]
fn lines_are_ours(outcome: &Outcome) {
    for line in outcome.stderr.lines() {
        let ours = ["  caused by: ", "hint: ", "note: ", "warning: "];
        assert!(
            is_error(line) || ours.iter().any(|label| line.starts_with(label)),
            "{line:?} in {outcome:?}"
        );
    }
    harmless(&outcome.stderr);
    harmless(&outcome.stdout);
}

#[track_caller]
fn harmless(said: &str) {
    for character in said.chars().filter(|character| !matches!(character, '\n' | '\t')) {
        let active = character.is_control()
            || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!active, "{character:?} in {said:?}");
    }
    for line in said.lines() {
        assert!(!line.trim_start().starts_with("::"), "{line:?}");
        assert!(!line.contains("##[") && !line.contains("##vso["), "{line:?}");
    }
}

/// A registry that writes commands to GitHub and Azure, and characters that turn a line around, into its errors.
#[test]
fn a_registrys_words_are_one_line() {
    const BODY: &str = "{\"errors\":[{\"code\":\"DENIED\\n::error::x\",\"message\":\"\\n::error::a\\r\\n ##vso[task.x]\\u009b2J\\u202e\\u2028 \\u200b\\u007f\"}]}";
    const PLAIN: &str = "\n::error::a\n::set-output name=x::y\n\u{9b}31m\u{202e} ##[group]";
    let project = Project::small();
    let served = Served::start();
    for (status, headers, body) in [
        (403, "", BODY),
        (400, "", BODY),
        (403, "", PLAIN),
        (401, "WWW-Authenticate: Bearer realm=\"https://x::error::y/\"\r\n", PLAIN),
        (429, "Retry-After: 4000\r\n", PLAIN),
        (307, "Location: http://::error::/x\r\n", PLAIN),
        (200, "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", PLAIN),
        (
            200,
            "Content-Type: x/y##vso[z]\r\n",
            "{\"schemaVersion\":2,\"mediaType\":\"\\n::error::\\u202e\",\"layers\":[],\"config\":{}}",
        ),
    ] {
        served.fails("/v2/", Fault::Answer(status, headers, body));
        for command in ["inspect", "verify", "copy"] {
            let mut run = project.pack(command).arg(served.name("app"));
            if command == "copy" {
                run = run.arg(format!("oci:{}", project.beside("out").display()));
            }
            let outcome = run.run();
            assert_ne!(outcome.code, Some(0), "{outcome:?}");
            lines_are_ours(&outcome);
        }
        let doctor = project.pack("doctor").arg(&served.address).run();
        harmless(&doctor.stderr);
        harmless(&doctor.stdout);
    }
}

/// Texts of an image, in text and in JSON.
#[test]
fn an_images_words_are_harmless_in_every_form() {
    const NASTY: &str = "\n::error::x\u{7f}\u{9b}2J\u{202e}\u{2028}\u{200b}##vso[x]";
    let project = Project::small();
    let layout = image(&project, "layout", 1 << 10);
    let index = json(&fs::read_to_string(layout.join("index.json")).unwrap());
    let mut manifest = blob(&layout, &text(&index["manifests"][0]["digest"]));
    let mut config = blob(&layout, &config_of(&layout));
    config["config"]["Labels"] = serde_json::json!({ NASTY: NASTY, "::warning::x": "y" });
    config["config"]["Env"] = serde_json::json!([format!("A={NASTY}"), "::debug::=x"]);
    config["config"]["User"] = NASTY.into();
    config["history"][0]["created_by"] = NASTY.into();
    config["history"][0]["comment"] = NASTY.into();
    let put = |value: &serde_json::Value| {
        let bytes = serde_json::to_vec(value).unwrap();
        let digest = crate::support::sha256(&bytes);
        fs::write(layout.join("blobs/sha256").join(&digest[7..]), &bytes).unwrap();
        (digest, bytes.len())
    };
    let (digest, size) = put(&config);
    manifest["config"]["digest"] = digest.into();
    manifest["config"]["size"] = size.into();
    manifest["annotations"] = serde_json::json!({ NASTY: NASTY });
    let (digest, size) = put(&manifest);
    let mut index = index;
    index["manifests"][0]["digest"] = digest.into();
    index["manifests"][0]["size"] = size.into();
    index["manifests"][0]["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": NASTY });
    fs::write(layout.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    let name = format!("oci:{}", layout.display());
    for command in ["inspect", "history", "verify"] {
        for format in ["", "--json"] {
            let outcome = project.pack(command).arg(&name).args(format).run();
            harmless(&outcome.stdout);
            harmless(&outcome.stderr);
            if !format.is_empty() && outcome.code == Some(0) {
                outcome.json();
            }
        }
    }
    let shown = project.pack("inspect --json").arg(&name).ok().json();
    assert_eq!(shown["config"]["User"].as_str(), Some(NASTY), "JSON means what it meant: {shown}");
    let missing = project.pack("inspect").arg(format!("{name}:other")).run();
    assert_ne!(missing.code, Some(0));
    lines_are_ours(&missing);
    let other = image(&project, "other", 1 << 11);
    for format in ["", "--json", "--layers"] {
        let outcome =
            project.pack("diff").arg(&name).arg(format!("oci:{}", other.display())).args(format).run();
        harmless(&outcome.stdout);
        harmless(&outcome.stderr);
    }
}

/// Names of files, which anybody who adds one to a repository chooses.
#[test]
fn names_of_files_are_harmless() {
    let project = Project::small();
    project.write("files/\n::error::x\u{202e}/##vso[x].wh.", "x");
    std::os::unix::fs::symlink("/etc/\n::error::passwd", project.path("files/link")).unwrap();
    for command in ["plan", "plan --json", "build", "build --json", "plan --explain"] {
        let outcome = project.pack(command).run();
        harmless(&outcome.stdout);
        harmless(&outcome.stderr);
    }
    let outcome = project.pack("inspect").arg("oci:/\n::error::x").run();
    assert_ne!(outcome.code, Some(0));
    lines_are_ours(&outcome);
    let outcome = project.pack("build -f").arg("\n::error::x.toml").run();
    assert_ne!(outcome.code, Some(0));
    lines_are_ours(&outcome);
}

/// A file of logins that this user may not read is passed over, with a word, and named if it would have been needed.
#[test]
fn an_unreadable_file_of_logins_does_not_stop_a_pull() {
    if !is_root() {
        return skipped("a file of logins that may not be read", "it takes root to become another user");
    }
    let (project, served, _) = prepared();
    let file = project.beside("home").join(".docker/config.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "{}").unwrap();
    chmod(&file, 0o600);
    let cache = project.beside("of-nobody");
    fs::create_dir(&cache).unwrap();
    chmod(&cache, 0o777);
    let inspect = project.pack("inspect").arg(served.name("app")).nobody().cache(&cache);
    let shown = format!("`{}` cannot be read", file.display());
    // The registry wants no login, so none is looked for.
    assert_eq!(inspect.ok().stderr, "");
    served.fails("/", Fault::Token);
    inspect.run().has_code(0).says(&["warning: ", &shown]);
    served.fails("/v2/", Fault::Answer(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", "no"));
    inspect.run().has_code(3).says(&["no login found", &shown, "hint: let this user read"]);
    // The hint's advice, which works.
    chmod(&file, 0o644);
    let readable = inspect.run();
    assert!(!readable.stderr.contains("cannot be read"), "{readable:?}");
}

/// A store of logins that is not installed is named, with the file that names it.
#[test]
fn a_missing_credential_helper_is_named() {
    let (project, served, _) = prepared();
    let file = project.beside("home").join(".docker/config.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, r#"{"auths":null,"credsStore":"desktop"}"#).unwrap();
    let inspect = project.pack("inspect").arg(served.name("app"));
    let ok = inspect.ok();
    assert_eq!(ok.stderr, "", "{ok:?}");
    served.fails("/v2/", Fault::Answer(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", "no"));
    let named = format!("`docker-credential-desktop`, which `{}` names, is not in PATH", file.display());
    inspect.run().has_code(3).says(&["no login found", &named, "hint: install `docker-credential-desktop`"]);
}

/// Certificates, keys and logins are read whole, so that they must be files with an end.
#[test]
fn files_that_are_none_are_refused_at_once() {
    let project = Project::small();
    let at = |name: &str| project.beside(name);
    std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    for (file, what) in [("zero", "a character device"), ("pipe", "a named pipe")] {
        let file = at(file).display().to_string();
        let begun = Instant::now();
        for setting in ["ca-file", "client-cert"] {
            project.write(
                "build.toml",
                format!("[image]\nname = \"127.0.0.1:1/a\"\nbase = \"scratch\"\n[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n[registry.\"127.0.0.1:1\"]\nplain-http = false\n{setting} = \"{file}\"\n"),
            );
            let outcome = project.pack("doctor -f build.toml 127.0.0.1:1").run();
            assert_ne!(outcome.code, Some(0), "{outcome:?}");
            let outcome = project.pack("build --push").run();
            assert!(outcome.stderr.contains(what), "{outcome:?}");
        }
        let outcome = project.pack("inspect 127.0.0.1:1/a:1").env("SSL_CERT_FILE", &file).run();
        assert_ne!(outcome.code, Some(0), "{outcome:?}");
        let outcome = project.pack("login 127.0.0.1:1 --username u --password p --authfile").arg(&file).run();
        assert_ne!(outcome.code, Some(0), "{outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

/// A rebase reads each document and each configuration once.
#[test]
fn a_rebase_fetches_each_document_once() {
    let project = Project::small();
    let served = Served::start();
    let old = image(&project, "old", 1 << 10);
    served.add("old", &old);
    project.write("build.toml", crate::support::tree_on(&served.name("old")).replace("/srv", "/srv/app"));
    served.add("built", &image(&project, "app", 1 << 9));
    project.write("build.toml", crate::support::tree_on("scratch")).write("files/new", "new");
    served.add("new", &image(&project, "new", 1 << 11));
    served.take_log();
    project
        .pack("rebase")
        .arg(served.name("built"))
        .args("--tag 2 --old-base")
        .arg(served.name("old"))
        .arg("--base")
        .arg(served.name("new"))
        .cache(&project.beside("fresh"))
        // Nothing can be pushed there.
        .fails(3);
    let mut asked: Vec<String> =
        served.take_log().into_iter().filter(|line| line.starts_with("GET")).collect();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "{asked:?}");
}

/// A server that speaks TLS with a certificate and answers nothing that is of use.
fn tls_server(chain: Vec<Vec<u8>>, key: Vec<u8>) -> String {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            chain.into_iter().map(CertificateDer::from).collect(),
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let mut connection = rustls::ServerConnection::new(config).unwrap();
                let mut stream = stream;
                let mut tls = rustls::Stream::new(&mut connection, &mut stream);
                let mut reader = BufReader::new(&mut tls);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let answer = "HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = reader.into_inner().write_all(answer.as_bytes());
            });
        }
    });
    format!("127.0.0.1:{port}")
}

/// `inspect` and `doctor` say the same about a certificate, in words of ours, and what they advise works.
#[test]
fn certificates_in_the_same_words_everywhere() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    let project = Project::small();
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let ca = project.beside("ca.pem");
    fs::write(&ca, certificate.pem()).unwrap();
    let server = |name: &str, year: i32| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let signed = params.signed_by(&key, &issuer).unwrap();
        tls_server(vec![signed.der().to_vec()], key.serialize_der())
    };
    let said = |command: &str, address: &str, flags: &[&str]| {
        let mut run = project.pack(command);
        run = if command == "doctor" { run.arg(address) } else { run.arg(format!("{address}/app:1")) };
        for flag in flags {
            run = run.arg(*flag);
        }
        let outcome = run.run();
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        format!("{}{}", outcome.stdout, outcome.stderr)
    };
    let config = project.beside("home").join(".config/pack/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let ca_flag = format!("--ca-file={}", ca.display());
    for (address, words, advice, flags) in [
        (
            server("127.0.0.1", 2024),
            "it has expired",
            "renew the server's certificate",
            vec![ca_flag.as_str()],
        ),
        (
            server("r.example", 2100),
            "it is for another name: r.example",
            "as its certificate does",
            vec![&ca_flag],
        ),
        (server("127.0.0.1", 2100), "no authority that is known here signed it", "--ca-file", vec![]),
    ] {
        // On this machine TLS is not the rule.
        fs::write(&config, "").unwrap();
        for command in ["inspect", "doctor"] {
            let text = said(command, &address, &[]);
            assert!(text.contains("plain-http = false"), "{text}");
        }
        // As the hint says.
        fs::write(&config, format!("[registry.\"{address}\"]\nplain-http = false\n")).unwrap();
        for command in ["inspect", "doctor"] {
            let text = said(command, &address, &flags);
            assert!(text.contains(words) && text.contains(advice), "{command}: {text}");
            for internal in ["UnknownIssuer", "DnsName", "CertificateError", "NotValid", "UNIX"] {
                assert!(!text.contains(internal), "{command}: {text}");
            }
        }
        if flags.is_empty() {
            // Followed, the certificate is no matter any more.
            let text = said("inspect", &address, &[&ca_flag]);
            assert!(text.contains("not found"), "{text}");
        }
    }
}

/// Names that do not resolve, uploads that are refused, proxies that do not help.
#[test]
fn hints_say_what_is_the_matter() {
    let (project, served, layout) = prepared();
    let inspect = |name: &str| project.pack("inspect").arg(name);
    inspect("nosuch.invalid/a:1")
        .fails(3)
        .says(&["hint: check the spelling of `nosuch.invalid`", "name server"]);
    // A proxy that understands no CONNECT, and one of another kind.
    let proxy = format!("http://{}", served.address);
    inspect("r.invalid/a:1").env("HTTPS_PROXY", &proxy).fails(3).says(&[
        "does not connect to it",
        "have the proxy allow CONNECT to `r.invalid`",
        "NO_PROXY",
    ]);
    // Followed, the host is looked up here.
    inspect("r.invalid/a:1")
        .env("HTTPS_PROXY", &proxy)
        .env("NO_PROXY", "r.invalid")
        .fails(3)
        .says(&["the host name does not resolve"]);
    let socks = inspect("r.invalid/a:1").env("ALL_PROXY", "socks5://127.0.0.1:1");
    socks.fails(1).says(&["SOCKS", "socks5://", "hint: set HTTPS_PROXY or HTTP_PROXY"]);
    socks.clone().env("HTTPS_PROXY", &proxy).fails(3).says(&["does not connect to it"]);
    socks.env("NO_PROXY", "r.invalid").fails(3).says(&["the host name does not resolve"]);
    // A registry that takes nothing.
    served.fails("/blobs/uploads/", Fault::Answer(405, "", "{\"errors\":[{\"code\":\"UNSUPPORTED\"}]}"));
    project
        .pack("copy")
        .arg(format!("oci:{}", layout.display()))
        .arg(served.name("elsewhere"))
        .fails(3)
        .says(&["405", "takes no uploads: it is read-only"]);
}

/// The locked base is gone from the registry, and its name has a new digest: the hint is followed.
#[test]
fn a_pinned_base_that_is_gone_is_updated() {
    let (project, served, _) = prepared();
    project.write("build.toml", crate::support::tree_on(&served.name("app"))).write("files/noise", "small");
    let out = format!("-o oci-archive:{}", project.beside("out.tar").display());
    project.pack("build").args(&out).ok();
    served.state.documents.lock().unwrap().clear();
    project.write("build.toml", crate::support::tree_on("scratch")).write("files/noise", "another base");
    let layout = project.beside("changed");
    project.pack("build -o").arg(format!("oci:{}", layout.display())).ok();
    served.add("app", &layout);
    project.write("build.toml", crate::support::tree_on(&served.name("app")));
    let build = project.pack("build").args(&out).cache(&project.beside("empty"));
    build.fails(3).says(&["is pinned at sha256:", "not there any more", "hint: `pack update`"]);
    project.pack("update").ok();
    build.ok();
}

/// Without a home there is no store, which an image in an archive or a registry does not need.
#[test]
fn without_a_home_only_the_local_store_is_missing() {
    let (project, served, _) = prepared();
    let homeless = |run: Run<'_>| {
        let mut command = run.command();
        command.env_remove("HOME").env_remove("PACK_CACHE_DIR");
        outcome("without HOME", &command.output().unwrap())
    };
    let tar = format!("oci-archive:{}", project.beside("out.tar").display());
    let built = homeless(project.pack("build -o").arg(&tar)).has_code(0);
    assert!(built.stderr.contains("note: there is no HOME"), "{built:?}");
    homeless(project.pack("verify").arg(&tar)).has_code(0);
    homeless(project.pack("inspect").arg(served.name("app"))).has_code(0);
    homeless(
        project.pack("copy").arg(served.name("app")).arg(format!("oci:{}", project.beside("c").display())),
    )
    .has_code(0);
    homeless(project.pack("build")).has_code(1).says(&["PACK_CACHE_DIR"]);
    homeless(project.pack("cache info")).has_code(1);
    assert_eq!(fs::read_dir(project.beside("tmp")).unwrap().count(), 0, "nothing stays");
}

/// A limit on processes is the system's word and no bug.
#[test]
fn threads_that_are_refused_are_no_bug() {
    if !is_root() {
        return skipped("a limit on processes", "it takes root to become a user without other processes");
    }
    let (project, _, _) = prepared();
    let cache = project.beside("of-nobody");
    fs::create_dir(&cache).unwrap();
    chmod(&cache, 0o777);
    let run = project.pack("plan").nobody().cache(&cache);
    let inner = run.command();
    for limit in [1, 2, 3, 4] {
        let mut command = std::process::Command::new("prlimit");
        command
            .arg(format!("--nproc={limit}"))
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(project.root());
        for (name, value) in inner.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let outcome = outcome("plan", &command.output().unwrap());
        assert!(matches!(outcome.code, Some(0 | 1)), "{limit}: {outcome:?}");
        if outcome.code == Some(1) {
            assert!(
                outcome.stderr.contains("hint: ") && !outcome.stderr.contains("this is a bug"),
                "{limit}: {outcome:?}"
            );
        }
    }
}
