//! A registry of Debian's `docker-registry`, with its data in a directory of its own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http;

/// The login that a registry with accounts knows.
pub(crate) const USER: (&str, &str) = ("shop", "right horse");
/// The same for the server: bcrypt, the only hash that it takes.
const HTPASSWD: &str = "shop:$2b$04$omb0HRH2BGLwJMN54tc2H.y4jD5IKy7hNOgf61IEENlQYwGLVmDjW\n";

/// The `auth` of a registry that knows [`USER`].
pub(super) fn accounts_in(directory: &Path) -> Value {
    let file = directory.join("htpasswd");
    std::fs::write(&file, HTPASSWD).expect("can be written");
    json!({ "htpasswd": { "realm": "shop", "path": file } })
}

/// A running registry; it is stopped when dropped.
pub(crate) struct Server {
    program: PathBuf,
    directory: PathBuf,
    port: u16,
    process: Option<Child>,
    seen: usize,
}

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
}

impl Server {
    /// Starts a registry with its files in `directory`, which is made.
    pub(crate) fn start(program: &Path, directory: &Path, accounts: bool) -> Self {
        Self::start_with(program, directory, |config| {
            if accounts {
                config["auth"] = accounts_in(directory);
            }
        })
    }

    /// The same with a configuration that `change` has the last word on.
    pub(crate) fn start_with(program: &Path, directory: &Path, change: impl FnOnce(&mut Value)) -> Self {
        std::fs::create_dir_all(directory).expect("can be made");
        let mut server = Self {
            program: program.to_owned(),
            directory: directory.to_owned(),
            port: free_port(),
            process: None,
            seen: 0,
        };
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "error", "formatter": "json", "accesslog": { "disabled": false } },
            "storage": {
                "filesystem": { "rootdirectory": server.data() },
                "delete": { "enabled": true },
                "cache": { "blobdescriptor": "inmemory" },
                "maintenance": { "uploadpurging": { "enabled": false } },
            },
            "http": { "addr": server.host(), "secret": "signs upload sessions" },
        });
        change(&mut config);
        std::fs::write(directory.join("config.json"), config.to_string()).expect("can be written");
        server.resume();
        server
    }

    /// Starts the server again, with what it had and where it was.
    pub(super) fn resume(&mut self) {
        let log = |name: &str| {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(self.directory.join(name));
            Stdio::from(file.expect("can be written"))
        };
        let mut process = Command::new(&self.program)
            .arg("serve")
            .arg(self.directory.join("config.json"))
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log("access.log"))
            .stderr(log("error.log"))
            .spawn()
            .expect("docker-registry starts");
        let begun = Instant::now();
        while http::get(self.port, "/v2/").is_none() {
            let ended = process.try_wait().expect("can be asked");
            let errors = || std::fs::read_to_string(self.directory.join("error.log")).unwrap_or_default();
            assert!(ended.is_none(), "docker-registry ended: {}", errors());
            assert!(begun.elapsed() < Duration::from_secs(30), "docker-registry is silent: {}", errors());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
        self.requests();
    }

    /// Stops it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Deletes a manifest; whether it was there.
    pub(super) fn delete(&self, path: &str) -> bool {
        http::send(self.port, "DELETE", path).is_some_and(|(status, _)| status == 202)
    }

    /// Waits until an upload to `repository` has begun to arrive.
    pub(super) fn wait_for_upload(&self, repository: &str) {
        let uploads = self.data().join("docker/registry/v2/repositories").join(repository).join("_uploads");
        let begun = Instant::now();
        loop {
            let arriving =
                std::fs::read_dir(&uploads).into_iter().flatten().flatten().any(|upload| {
                    std::fs::metadata(upload.path().join("data")).is_ok_and(|data| data.len() > 0)
                });
            if arriving {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing arrives");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The requests since the last call. The log has a request only when it is complete.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        let read = || std::fs::read_to_string(self.directory.join("access.log")).expect("can be read");
        let mut log = read();
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let now = read();
            if now == log {
                break;
            }
            log = now;
        }
        let all: Vec<Request> = log.lines().filter_map(Request::parse).collect();
        let new = all.into_iter().skip(self.seen).collect::<Vec<_>>();
        self.seen += new.len();
        new
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Request {
    /// `127.0.0.1 - - [time] "PATCH /v2/… HTTP/1.1" 202 0 "" "agent"`
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split('"');
        let mut words = parts.nth(1)?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let status = parts.next()?.split_whitespace().next()?.parse().ok()?;
        Some(Self { method, path, status })
    }

    fn hex(&self, after: &str) -> Option<String> {
        let (_, rest) = self.path.split_once(after)?;
        let hex: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        Some(format!("sha256:{hex}"))
    }
}

fn digests(requests: &[Request], method: &str, status: u16, after: &str) -> Vec<String> {
    let of = |request: &&Request| request.method == method && request.status == status;
    let mut all: Vec<String> = requests.iter().filter(of).filter_map(|request| request.hex(after)).collect();
    all.sort();
    all
}

/// The blobs that were uploaded.
pub(super) fn uploaded(requests: &[Request]) -> Vec<String> {
    digests(requests, "PUT", 201, "digest=sha256%3A")
}

/// The blobs that were mounted from another repository.
pub(super) fn mounted(requests: &[Request]) -> Vec<String> {
    digests(requests, "POST", 201, "mount=sha256%3A")
}

/// The blobs whose bytes were fetched.
pub(super) fn fetched(requests: &[Request]) -> Vec<String> {
    digests(requests, "GET", 200, "/blobs/sha256:")
}

/// A free port.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("has an address").port()
}

/// Whether anybody listens.
pub(super) fn connect(port: u16) -> Option<TcpStream> {
    TcpStream::connect(("127.0.0.1", port)).ok()
}
