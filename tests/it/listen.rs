//! `pack listen` from the outside: who may send, what is done, what a crash loses, and what hostile senders cost.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::hooks::{Hook, HookAnswer};
use crate::support::{Project, chmod, text};

const SECRET: &str = "right-horse";

/// A running service.
struct Service {
    child: Child,
    address: String,
    said: Arc<Mutex<String>>,
}

impl Service {
    /// Starts it with these settings, and the secret in `HOOK`.
    fn start(project: &Project, settings: &str) -> Self {
        project.write("listen.toml", format!("address = \"127.0.0.1:0\"\nstate = \"state\"\n{settings}"));
        let run = project.pack("listen").env("HOOK", SECRET).env("OUT", project.root().to_str().unwrap());
        let mut child = run.command().stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = shared.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut service = Self { child, address: String::new(), said };
        service.wait_until("it listens", |service| service.said().contains("listening on http://"));
        let said = service.said();
        let address = said.split("listening on http://").nth(1).unwrap();
        service.address = address.lines().next().unwrap().to_owned();
        service
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < Duration::from_secs(60), "not {what}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends bytes as they are; the status and the rest of the answer.
    fn raw(&self, bytes: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        // It may answer and close before it has read all.
        let _ = stream.write_all(bytes);
        answer(stream)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }

    fn post(&self, path: &str, headers: &[(&str, String)], body: &str) -> (u16, String) {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.raw(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
    }

    /// Sends a notification of a registry with the right secret.
    fn notify(&self, body: &str) -> u16 {
        self.post("/registry", &[("authorization", format!("Bearer {SECRET}"))], body).0
    }

    fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let line =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// A signal that nothing can catch.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and returns the exit code.
    fn end(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}

/// As docker-registry sends it.
fn notification(id: &str, tag: &str, content: &str) -> String {
    let digest = digest(content);
    format!(
        r#"{{"events":[{{"id":"{id}","action":"push","target":{{"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "digest":"{digest}","repository":"shop/app","tag":"{tag}"}},"request":{{"host":"localhost:5000"}}}}]}}"#
    )
}

fn digest(content: &str) -> String {
    let hash = Sha256::digest(content.as_bytes());
    format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

const SOURCE: &str = "[[source]]\npath = \"/registry\"\nkind = \"docker-registry\"\nsecret-env = \"HOOK\"\n";

/// An action that has a script of the project run, with these arguments.
fn action(project: &Project, script: &str, arguments: &str, more: &str) -> String {
    project.write("record", format!("#!/bin/sh\n{script}\n"));
    chmod(&project.path("record"), 0o755);
    let program = project.path("record");
    format!("[[action]]\nname = \"record\"\ncommand = [{program:?}{arguments}]\npause = \"100ms\"\n{more}\n")
}

/// Writes each argument in a line of `out`.
const RECORD: &str = "for word; do printf '%s\\n' \"$word\"; done >> \"$OUT/out\"";

fn lines(project: &Project) -> Vec<String> {
    let text = std::fs::read_to_string(project.path("out")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn wait_for_lines(service: &Service, project: &Project, count: usize) -> Vec<String> {
    service.wait_until(&format!("{count} lines"), |_| lines(project).len() >= count);
    lines(project)
}

#[test]
fn a_push_runs_a_command_once() {
    let project = Project::new();
    let settings = SOURCE.to_owned()
        + &action(
            &project,
            RECORD,
            ", \"{reference}\", \"{kind}\"",
            "image = [\"localhost:5000/shop/*\"]\ntag = [\"v*\"]",
        );
    let service = Service::start(&project, &settings);
    assert_eq!(service.get("/healthz").0, 200);
    assert_eq!(service.get("/readyz").0, 200);
    assert_eq!(service.notify(&notification("1", "v1", "a")), 202);
    let expected = [format!("localhost:5000/shop/app:v1@{}", digest("a")), "push".to_owned()];
    assert_eq!(wait_for_lines(&service, &project, 2), expected);
    // The same message, the same image, a tag that no action wants, and a blob.
    assert_eq!(service.notify(&notification("1", "v1", "a")), 200);
    assert_eq!(service.notify(&notification("2", "v1", "a")), 200);
    assert_eq!(service.notify(&notification("3", "latest", "a")), 200);
    let blob = notification("4", "v1", "b")
        .replace("application/vnd.oci.image.manifest.v1+json", "application/octet-stream");
    assert_eq!(service.notify(&blob), 200);
    assert_eq!(service.notify(&notification("5", "v1", "b")), 202);
    assert_eq!(wait_for_lines(&service, &project, 4).len(), 4);
    service.wait_until("done", |service| service.metric("pack_listen_runs_total{outcome=\"done\"}") == 2);
    assert_eq!(service.metric("pack_listen_notices_total{result=\"accepted\"}"), 2);
    assert_eq!(service.metric("pack_listen_notices_total{result=\"duplicate\"}"), 2);
    assert_eq!(service.metric("pack_listen_notices_total{result=\"ignored\"}"), 2);
    let mut service = service;
    assert_eq!(service.end(), Some(0), "{}", service.said());
    // Messages that were seen are remembered.
    let service = Service::start(&project, &settings);
    assert_eq!(service.notify(&notification("5", "v1", "b")), 200);
    assert_eq!(service.notify(&notification("6", "v1", "b")), 200);
}

#[test]
fn a_command_gets_variables_and_no_secret() {
    let project = Project::new();
    let script = "env | sort > \"$OUT/env\"; cat \"$OUT/hook.secret\"; echo \"token: ghp_1 password=hunter2x\"; exit 1";
    let settings = SOURCE.to_owned()
        + "[[source]]\npath = \"/other\"\nkind = \"harbor\"\nsecret-file = \"hook.secret\"\n"
        + &action(&project, script, "", "retries = 0");
    project.write("hook.secret", "file-horse-1234\n");
    let service = Service::start(&project, &settings);
    assert_eq!(service.notify(&notification("1", "v1", "a")), 202);
    service.wait_until("given up", |service| service.said().contains("it is given up after 1 tries"));
    service.wait_until("its output", |service| service.said().contains("the end of its output"));
    let variables = std::fs::read_to_string(project.path("env")).unwrap();
    for (name, value) in [
        ("IMAGE", "localhost:5000/shop/app".to_owned()),
        ("REPOSITORY", "shop/app".to_owned()),
        ("TAG", "v1".to_owned()),
        ("DIGEST", digest("a")),
        ("KIND", "push".to_owned()),
        ("ENVIRONMENT", String::new()),
        ("ID", "1".to_owned()),
    ] {
        assert!(variables.contains(&format!("PACK_EVENT_{name}={value}\n")), "{name}: {variables}");
    }
    assert!(!variables.contains(SECRET), "{variables}");
    for secret in [SECRET, "file-horse-1234", "hunter2x"] {
        assert!(!service.said().contains(secret), "{}", service.said());
    }
    // It has failed: the same image again is news.
    assert_eq!(service.notify(&notification("2", "v1", "a")), 202);
}

fn signed(id: &str, time: u64, body: &str) -> Vec<(&'static str, String)> {
    let content = format!("{id}.{time}.{body}");
    let signature = STANDARD.encode(hmac(SECRET.as_bytes(), content.as_bytes()));
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time.to_string()),
        ("webhook-signature", format!("v1,{signature}")),
    ]
}

/// RFC 2104, for keys of at most a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| (0..64).map(|at| key.get(at).unwrap_or(&0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

#[allow(clippy::disallowed_methods, reason = "signatures have the time of a message")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Another one who knows the secret of a source makes no action run an image of another registry.
#[test]
fn the_registry_of_a_source_counts_for_every_form() {
    let project = Project::new();
    let own = "[[source]]\npath = \"/pack\"\nkind = \"pack\"\nsecret-env = \"HOOK\"\nregistry = \"localhost:5000\"\n";
    let settings = own.to_owned() + &action(&project, RECORD, ", \"{reference}\"", "");
    let service = Service::start(&project, &settings);
    let event = format!(
        r#"{{"id":"e1","kind":"push","image":"evil.example.com/shop/app","digest":"{}","tags":["prod"],"environment":null}}"#,
        digest("a")
    );
    let envelope = notification("e2", "v1", "a").replace("localhost:5000", "evil.example.com");
    assert!(envelope.contains("evil.example.com"), "{envelope}");
    for (id, body) in [("e1", &event), ("e2", &envelope)] {
        assert_eq!(service.post("/pack", &signed(id, now(), body), body).0, 202, "{id}");
    }
    let mut ran = wait_for_lines(&service, &project, 2);
    ran.sort_unstable();
    let of = |tag: &str| format!("localhost:5000/shop/app:{tag}@{}", digest("a"));
    assert_eq!(ran, [of("prod"), of("v1")]);
}

#[test]
fn a_sender_must_know_the_secret() {
    let project = Project::new();
    let own = "[[source]]\npath = \"/pack\"\nkind = \"pack\"\nsecret-env = \"HOOK\"\n";
    let settings = SOURCE.to_owned() + own + &action(&project, RECORD, ", \"{environment}\"", "");
    let service = Service::start(&project, &settings);
    let body = notification("1", "v1", "a");
    let bearer = |secret: &str| vec![("authorization", format!("Bearer {secret}"))];
    for headers in [Vec::new(), bearer("wrong-horse"), bearer(""), bearer("right-horse2")] {
        let (status, said) = service.post("/registry", &headers, &body);
        assert_eq!(status, 401, "{headers:?} {said}");
        assert!(!said.contains(SECRET));
    }
    assert_eq!(service.metric("pack_listen_refused_total{reason=\"unauthorized\"}"), 4);
    let event = format!(
        r#"{{"id":"e1","kind":"promotion","image":"localhost:5000/shop/app","digest":"{}","tags":["prod"],"environment":"prod"}}"#,
        digest("a")
    );
    // A signature of another text, an old one, and the secret itself, which does for registries alone.
    let mut other = signed("e1", now(), &event);
    other[0].1 = "e2".to_owned();
    for headers in [other, signed("e1", now() - 400, &event), bearer(SECRET)] {
        assert_eq!(service.post("/pack", &headers, &event).0, 401, "{headers:?}");
    }
    let headers = signed("e1", now(), &event);
    assert_eq!(service.post("/pack", &headers, &event).0, 202);
    // The same bytes again, as one who has listened could send them.
    assert_eq!(service.post("/pack", &headers, &event).0, 200);
    assert_eq!(wait_for_lines(&service, &project, 1), ["prod"]);
    let breaking = event.replace("\"environment\":\"prod\"", "\"environment\":\"a; id\"").replace("e1", "e9");
    assert_eq!(service.post("/pack", &signed("e9", now(), &breaking), &breaking).0, 400);
}

#[test]
fn hostile_senders_cost_little() {
    let project = Project::new();
    let settings = SOURCE.to_owned() + &action(&project, RECORD, ", \"x\"", "");
    let service = Service::start(&project, &settings);
    let head = format!("POST /registry HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n");
    let with = |rest: &str| service.raw(format!("{head}{rest}").as_bytes()).0;
    assert_eq!(with("content-length: 10000000\r\n\r\n"), 413);
    let mut chunks = "transfer-encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..20 {
        chunks += &format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    }
    assert_eq!(with(&chunks), 413);
    assert_eq!(with(&format!("x-large: {}\r\n\r\n", "x".repeat(40_000))), 431);
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    assert_eq!(with(&format!("{many}\r\n")), 431);
    for body in ["", "null", "{", "[]", "{\"events\":{}}", &"[".repeat(100_000), "\u{0}"] {
        assert_eq!(service.notify(body), 400, "{body:.20}");
    }
    for (from, to) in
        [("shop/app", "../../etc"), ("shop/app", "$(touch x)"), ("stable", "-rf /"), ("stable", "a b")]
    {
        assert_eq!(service.notify(&notification("1", "stable", "a").replace(from, to)), 400, "{to}");
    }
    assert_eq!(service.get("/registry").0, 405);
    assert_eq!(service.post("/other", &[], "").0, 404);
    assert_eq!(service.raw(b"\x16\x03\x01 this is TLS\r\n\r\n").0, 400);
    // Slow ones: a head and a body that do not come to an end. All at once, and others are served meanwhile.
    let begun = Instant::now();
    let slow: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut stream = service.connect();
            let part =
                if number % 2 == 0 { head.clone() } else { format!("{head}content-length: 100\r\n\r\n{{") };
            stream.write_all(part.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(service.notify(&notification("2", "v1", "a")), 202);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    for stream in slow {
        let (status, _) = answer(stream);
        assert!(matches!(status, 0 | 408), "{status}");
    }
    assert!(begun.elapsed() < Duration::from_secs(28), "{:?}", begun.elapsed());
    // Clients that ask for much and read nothing keep their places for a time only.
    let greedy: Vec<TcpStream> = (0..128)
        .map(|_| {
            let mut stream = service.connect();
            let _ = stream.write_all("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400).as_bytes());
            stream
        })
        .collect();
    assert_eq!(service.get("/healthz").0, 200);
    drop(greedy);
    // More connections than it has room for wait, and are served.
    let idle: Vec<TcpStream> = (0..200).map(|_| service.connect()).collect();
    assert_eq!(service.get("/healthz").0, 200);
    drop(idle);
    let peak = peak_memory(service.child.id());
    eprintln!("hostile senders: peak {} KiB", peak >> 10);
    assert!(peak < 256 << 20, "{peak}");
    assert_eq!(lines(&project), ["x"]);
}

fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn one_run_at_a_time_and_the_newest_image_wins() {
    let project = Project::new();
    let script = "mkdir \"$OUT/busy\" || echo twice >> \"$OUT/out\"; sleep 0.5; echo \"$1\" >> \"$OUT/out\"; rmdir \"$OUT/busy\"";
    let settings = SOURCE.to_owned() + "concurrency = 4\n" + &action(&project, script, ", \"{digest}\"", "");
    let settings = settings.replacen("concurrency = 4\n", "", 1);
    let settings = format!("concurrency = 4\n{settings}");
    let service = Service::start(&project, &settings);
    for number in 0..12 {
        assert_eq!(service.notify(&notification(&number.to_string(), "v1", &number.to_string())), 202);
    }
    service.wait_until("idle", |service| {
        service.metric("pack_listen_waiting") == 0 && service.metric("pack_listen_running") == 0
    });
    let ran = lines(&project);
    assert!(!ran.contains(&"twice".to_owned()), "{ran:?}");
    assert!(ran.len() < 12 && ran.last() == Some(&digest("11")), "{ran:?}");
    let superseded = service.metric("pack_listen_notices_total{result=\"superseded\"}");
    assert_eq!(superseded as usize + ran.len(), 12);
}

#[test]
fn a_failed_run_is_tried_again_and_given_up() {
    let project = Project::new();
    let script = "echo try >> \"$OUT/out\"; [ \"$(wc -l < \"$OUT/out\")\" -ge 3 ]";
    let settings = SOURCE.to_owned() + &action(&project, script, "", "retries = 2");
    let service = Service::start(&project, &settings);
    assert_eq!(service.notify(&notification("1", "v1", "a")), 202);
    service.wait_until("done", |service| service.metric("pack_listen_runs_total{outcome=\"done\"}") == 1);
    assert_eq!(lines(&project).len(), 3);
    assert_eq!(service.metric("pack_listen_runs_total{outcome=\"retried\"}"), 2);
    drop(service);
    let project = Project::new();
    let settings = SOURCE.to_owned() + &action(&project, "sleep 30", "", "retries = 1\ntimeout = \"300ms\"");
    let service = Service::start(&project, &settings);
    assert_eq!(service.notify(&notification("1", "v1", "a")), 202);
    service
        .wait_until("given up", |service| service.metric("pack_listen_runs_total{outcome=\"failed\"}") == 1);
    assert!(service.said().contains("it was ended after 0.3 s"), "{}", service.said());
}

/// Kills the service while a run is under way and others wait, and starts it again.
fn killed(repeat: bool) -> (Project, Service) {
    let project = Project::new();
    let script =
        "echo \"begin $1\" >> \"$OUT/out\"; [ -e \"$OUT/go\" ] || sleep 120; echo \"end $1\" >> \"$OUT/out\"";
    let more = format!("repeat = {repeat}");
    let settings = "concurrency = 1\n".to_owned() + SOURCE + &action(&project, script, ", \"{tag}\"", &more);
    let mut service = Service::start(&project, &settings);
    for tag in ["v1", "v2", "v3"] {
        assert_eq!(service.notify(&notification(tag, tag, "a")), 202);
    }
    wait_for_lines(&service, &project, 1);
    service.kill();
    // A half-written line, as a crash of the machine leaves one.
    let journal = project.path("state/journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes.extend_from_slice(b"0123abcd {\"change\":\"acc");
    std::fs::write(&journal, bytes).unwrap();
    project.write("go", "");
    let service = Service::start(&project, &settings);
    (project, service)
}

#[test]
fn a_crash_loses_nothing_and_repeats_only_what_may_be_repeated() {
    let (project, service) = killed(false);
    service.wait_until("done", |service| service.metric("pack_listen_runs_total{outcome=\"done\"}") == 2);
    assert_eq!(lines(&project), ["begin v1", "begin v2", "end v2", "begin v3", "end v3"]);
    assert!(service.said().contains("was under way when the service was killed; it is not repeated"));
    assert!(service.said().contains("1 damaged lines"), "{}", service.said());
    assert_eq!(service.metric("pack_listen_runs_total{outcome=\"interrupted\"}"), 1);
    // It may be sent again.
    assert_eq!(service.notify(&notification("again", "v1", "a")), 202);
    let (project, service) = killed(true);
    service.wait_until("done", |service| service.metric("pack_listen_runs_total{outcome=\"done\"}") == 3);
    let mut ran = lines(&project);
    ran.sort();
    assert_eq!(ran, ["begin v1", "begin v1", "begin v2", "begin v3", "end v1", "end v2", "end v3"]);
}

#[test]
fn it_ends_when_it_is_asked_to() {
    let project = Project::new();
    let script = "echo begin >> \"$OUT/out\"; sleep 1; echo end >> \"$OUT/out\"";
    let settings = "concurrency = 1\n".to_owned() + SOURCE + &action(&project, script, "", "");
    let mut service = Service::start(&project, &settings);
    for tag in ["v1", "v2"] {
        assert_eq!(service.notify(&notification(tag, tag, "a")), 202);
    }
    wait_for_lines(&service, &project, 1);
    // A run has its grace; what waits stays for the next start.
    assert_eq!(service.end(), Some(0), "{}", service.said());
    assert_eq!(lines(&project), ["begin", "end"]);
    service.wait_until("told", |service| service.said().contains("ended; 1 waiting"));
    let service = Service::start(&project, &settings);
    assert_eq!(wait_for_lines(&service, &project, 4).len(), 4);
    drop(service);
    // A run that takes longer is ended, with all that it started.
    let project = Project::new();
    let script = "echo begin >> \"$OUT/out\"; sleep 30; echo end >> \"$OUT/out\"";
    let settings = "grace = \"300ms\"\n".to_owned() + SOURCE + &action(&project, script, "", "repeat = true");
    let mut service = Service::start(&project, &settings);
    assert_eq!(service.notify(&notification("1", "v1", "a")), 202);
    wait_for_lines(&service, &project, 1);
    let begun = Instant::now();
    assert_eq!(service.end(), Some(0), "{}", service.said());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    service.wait_until("told", |service| service.said().contains("it is repeated at the next start"));
    let service = Service::start(&project, &settings);
    assert_eq!(wait_for_lines(&service, &project, 2), ["begin", "begin"]);
    // Two services cannot share what waits.
    let second = project.pack("listen").env("HOOK", SECRET).fails(1).says(&["another `pack listen` uses"]);
    drop((second, service));
}

#[test]
fn an_event_is_posted_on() {
    let (project, hook) = (Project::new(), Hook::start());
    let settings = SOURCE.to_owned()
        + &format!(
            "[[action]]\nname = \"on\"\npost = \"http://{}/on\"\nform = \"cdevents\"\nsecret-env = \"HOOK\"\npause = \"100ms\"\n",
            hook.address()
        );
    hook.answers([HookAnswer::Status(503, String::new())]);
    let service = Service::start(&project, &settings);
    assert_eq!(service.notify(&notification("n1", "v1", "a")), 202);
    let messages = hook.wait(2);
    assert_eq!(messages[0].json(), messages[1].json());
    assert_eq!(messages[0].headers["webhook-id"], "n1");
    assert!(messages[0].headers.contains_key("webhook-signature"));
    assert_eq!(text(&messages[0].json()["context"]["type"]), "dev.cdevents.artifact.published.0.3.0");
    service.wait_until("done", |service| service.metric("pack_listen_runs_total{outcome=\"done\"}") == 1);
}

/// Ten thousand notifications from eight senders, and a crash in between: the newest image of each tag is the last that
/// was run.
#[test]
fn ten_thousand_notifications() {
    const EACH: usize = 1250;
    let project = Project::new();
    let script = "printf '%s %s\\n' \"$1\" \"$2\" >> \"$OUT/out\"";
    let settings =
        SOURCE.to_owned() + &action(&project, script, ", \"{tag}\", \"{digest}\"", "repeat = true");
    let mut service = Service::start(&project, &settings);
    let begun = Instant::now();
    let send = |service: &Service, from: usize, to: usize| {
        std::thread::scope(|scope| {
            for sender in 0..8 {
                scope.spawn(move || {
                    for number in from..to {
                        let tag = format!("t{sender}-{}", number % 10);
                        let body = notification(&format!("{sender}-{number}"), &tag, &number.to_string());
                        assert_eq!(service.notify(&body), 202, "{sender}-{number}");
                    }
                });
            }
        });
    };
    send(&service, 0, EACH / 2);
    let peak = peak_memory(service.child.id());
    service.kill();
    let mut service = Service::start(&project, &settings);
    send(&service, EACH / 2, EACH);
    let took = begun.elapsed();
    let peak = peak.max(peak_memory(service.child.id()));
    service.wait_until("idle", |service| {
        service.metric("pack_listen_waiting") == 0 && service.metric("pack_listen_running") == 0
    });
    eprintln!(
        "10,000 notifications: {:.1} s, {} runs, peak {} KiB, journal {} KiB",
        took.as_secs_f64(),
        lines(&project).len(),
        peak >> 10,
        service.metric("pack_listen_journal_bytes") >> 10
    );
    let mut last = BTreeMap::new();
    for line in lines(&project) {
        let (tag, digest) = line.split_once(' ').unwrap();
        last.insert(tag.to_owned(), digest.to_owned());
    }
    assert_eq!(last.len(), 80);
    for (tag, found) in last {
        let place: usize = tag.rsplit('-').next().unwrap().parse().unwrap();
        let newest = (0..EACH).rev().find(|number| number % 10 == place).unwrap();
        assert_eq!(found, digest(&newest.to_string()), "{tag}");
    }
    assert_eq!(service.end(), Some(0));
}

/// The command lines of the recipes in the documentation, with programs that write down what they get.
#[test]
fn the_recipes_of_the_documentation() {
    let page = include_str!("../../docs/events.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    let recipes: Vec<&&str> = blocks.iter().filter(|block| block.contains("[[action]]")).collect();
    assert!(recipes.len() >= 6, "{}", recipes.len());
    let project = Project::new();
    let bin = project.path("bin");
    for program in ["docker", "podman-redeploy", "kubectl", "docker-compose", "curl", "pack"] {
        project.write(
            &format!("bin/{program}"),
            format!("#!/bin/sh\nset -- {program} \"$@\"\n{RECORD}\necho . >> \"$OUT/out\"\n"),
        );
        chmod(&bin.join(program), 0o755);
    }
    let mut all = String::new();
    for recipe in recipes {
        let actions: String = recipe.split_inclusive("[[action]]").skip(1).collect();
        all += &format!("[[action]]{}", actions.trim_end_matches("[[action]]"));
    }
    for program in ["docker", "podman-redeploy", "kubectl", "docker-compose", "curl", "pack"] {
        let path: PathBuf = bin.join(program);
        all = all.replace(&format!("command = [\"{program}\""), &format!("command = [{path:?}"));
    }
    let own = "[[source]]\npath = \"/pack\"\nkind = \"pack\"\nsecret-env = \"HOOK\"\n";
    // One at a time, so that their lines do not mix.
    let service = Service::start(&project, &("concurrency = 1\n".to_owned() + SOURCE + own + &all));
    for (id, image, tag) in [("1", "base/debian", "12"), ("2", "shop/app", "prod")] {
        let body = notification(id, tag, "a").replace("shop/app", image);
        assert_eq!(service.notify(&body), 202, "{image}");
    }
    service.wait_until("idle", |service| {
        service.metric("pack_listen_waiting") == 0 && service.metric("pack_listen_running") == 0
    });
    let ran = lines(&project).join(" ");
    let mut ran: Vec<&str> = ran.split(" . ").map(|line| line.trim_end_matches(" .")).collect();
    ran.sort_unstable();
    let a = digest("a");
    let reference = format!("localhost:5000/shop/app:prod@{a}");
    insta::assert_snapshot!(ran.join("\n").replace(&reference, "REFERENCE").replace(&a, "DIGEST"), @r#"
    curl -fsS -X PATCH -H content-type: application/json -d {"container":{"docker":{"image":"REFERENCE"}}} http://marathon.example.com:8080/v2/apps/shop
    docker service update --image REFERENCE shop
    docker-compose --file /srv/shop/compose.yaml up --detach shop
    kubectl set image deployment/shop shop=REFERENCE
    pack build /srv/shop --base localhost:5000/base/debian:12@DIGEST --push --allow-retag
    pack rebase localhost:5000/shop/app:dev --base localhost:5000/base/debian:12@DIGEST -t dev --allow-retag
    podman-redeploy shop localhost:5000/shop/app@DIGEST --publish 8080:80
    "#);
}

#[test]
fn a_service_without_settings_says_what_to_write() {
    let said = Project::new().pack("listen --check").fails(1);
    assert!(!said.stderr.contains("pack init"), "{said:?}");
    said.says(&["there is no", "listen.toml", "`[[source]]`", "`--file`"]).hints();
}
