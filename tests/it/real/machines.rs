//! Servers before a registry: certificates, a token server, nginx, a proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::http;
use super::server::free_port;
use super::tools::{line, run};

/// Certificates in a directory: an authority, and what it signed.
pub(crate) struct Authority(PathBuf);

impl Authority {
    /// A new authority.
    pub(crate) fn new(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).expect("can be made");
        run(line("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=authority")
            .current_dir(directory)
            .args(["-keyout", "ca.key", "-out", "ca.pem"]));
        Self(directory.to_owned())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Signs a certificate `NAME.pem` with the key `NAME.key`.
    pub(crate) fn sign(&self, name: &str, names: &str) {
        std::fs::write(self.path("extensions"), format!("subjectAltName={names}\n")).expect("can be written");
        run(line("openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes")
            .current_dir(&self.0)
            .args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key"), "-out", "request"]));
        run(line("openssl x509 -req -days 30 -in request -CA ca.pem -CAkey ca.key -CAcreateserial -extfile extensions")
            .current_dir(&self.0)
            .args(["-out", &format!("{name}.pem")]));
    }

    /// The `http.tls` of a registry with the certificate `name`.
    pub(crate) fn tls(&self, name: &str) -> Value {
        json!({ "certificate": self.path(&format!("{name}.pem")), "key": self.path(&format!("{name}.key")) })
    }
}

/// A server that gives tokens to clients with the password.
pub(super) struct Tokens {
    port: u16,
    certificate: PathBuf,
    /// Scopes that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tokens {
    pub(super) fn start(directory: &Path, user: &str, password: &str) -> Self {
        std::fs::create_dir_all(directory).expect("can be made");
        run(line("openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=tokens -keyout tokens.key -out tokens.pem")
            .current_dir(directory));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("has an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, directory) = (Arc::clone(&asked), directory.to_owned());
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let certificate = directory.join("tokens.pem");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &directory, &login, &seen);
            }
        });
        Self { port, certificate, asked }
    }

    /// The `auth` of a registry that believes these tokens.
    pub(super) fn auth(&self) -> Value {
        json!({ "token": {
            "realm": format!("http://127.0.0.1:{}/token", self.port),
            "service": "shop registry",
            "issuer": "tokens",
            "rootcertbundle": self.certificate,
        }})
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("lock"))
    }
}

/// The head of a request: its first line, and headers with lower-case names.
fn head(reader: &mut impl BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some((first.trim_end().to_owned(), headers))
}

fn answer(mut stream: TcpStream, directory: &Path, login: &str, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("can be cloned"));
    let Some((first, headers)) = head(&mut reader) else { return };
    let target = first.split(' ').nth(1).unwrap_or_default();
    let url = url::Url::parse(&format!("http://tokens{target}")).expect("is an address");
    let scopes: Vec<String> =
        url.query_pairs().filter(|(name, _)| name == "scope").map(|(_, value)| value.into_owned()).collect();
    let is_known = headers.iter().any(|(name, value)| name == "authorization" && value == login);
    let (status, body) = match is_known {
        true => ("200 OK", json!({ "token": token(directory, &scopes), "expires_in": 300 }).to_string()),
        // A server that quotes what it was shown, as some do.
        false => (
            "401 Unauthorized",
            json!({ "errors": [{ "code": "UNAUTHORIZED", "message": format!("bad login: {headers:?}") }] })
                .to_string(),
        ),
    };
    asked.lock().expect("lock").extend(scopes);
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// A JSON Web Token as the registry wants it: RS256, with the certificate inside.
fn token(directory: &Path, scopes: &[String]) -> String {
    let pem = std::fs::read_to_string(directory.join("tokens.pem")).expect("is there");
    let certificate: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let access: Vec<Value> = scopes
        .iter()
        .map(|scope| {
            let (kind, rest) = scope.split_once(':').expect("is a scope");
            let (name, actions) = rest.rsplit_once(':').expect("is a scope");
            json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() })
        })
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("is later").as_secs();
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [certificate] });
    let claims = json!({
        "iss": "tokens", "sub": "shop", "aud": "shop registry", "jti": "1",
        "iat": now, "nbf": now - 10, "exp": now + 300, "access": access,
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(directory.join("tokens.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    openssl.stdin.take().expect("piped").write_all(signed.as_bytes()).expect("reads");
    let signature = openssl.wait_with_output().expect("ends").stdout;
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// nginx with its files in a directory of its own; it is stopped when dropped.
pub(super) struct Nginx {
    process: Child,
    port: u16,
}

impl Nginx {
    /// Starts nginx with one server; `PORT` in `server` is where it listens.
    pub(super) fn start(directory: &Path, server: &str) -> Self {
        std::fs::create_dir_all(directory).expect("can be made");
        let port = free_port();
        let server = server.replace("PORT", &port.to_string());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", directory.display()))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log warn;\nevents {{}}\n\
             http {{\naccess_log {0}/access.log;\n{temporary}proxy_http_version 1.1;\n\
             proxy_request_buffering off;\nserver {{\n{server}\n}}\n}}\n",
            directory.display()
        );
        std::fs::write(directory.join("nginx.conf"), config).expect("can be written");
        let mut process = Command::new("/usr/sbin/nginx")
            .arg("-e")
            .arg(directory.join("error.log"))
            .arg("-p")
            .arg(directory)
            .arg("-c")
            .arg(directory.join("nginx.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let begun = Instant::now();
        while http::get(port, "/v2/").is_none() {
            let errors = || std::fs::read_to_string(directory.join("error.log")).unwrap_or_default();
            assert!(process.try_wait().expect("can be asked").is_none(), "nginx ended: {}", errors());
            assert!(begun.elapsed() < Duration::from_secs(30), "nginx is silent: {}", errors());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port }
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A proxy that wants a password, and brings every host to one port of this machine.
pub(super) struct Proxy {
    port: u16,
    seen: Arc<AtomicUsize>,
}

/// The password of the proxy.
pub(super) const PROXY_PASSWORD: &str = "proxy secret";

impl Proxy {
    pub(super) fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("has an address").port();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || forward(stream, to, &count));
            }
        });
        Self { port, seen }
    }

    /// Its address, with this password.
    pub(super) fn address(&self, password: &str) -> String {
        format!("http://pat:{}@127.0.0.1:{}", password.replace(' ', "%20"), self.port)
    }

    /// How many connections went through since the last call.
    pub(super) fn seen(&self) -> usize {
        self.seen.swap(0, Ordering::Relaxed)
    }
}

fn forward(mut stream: TcpStream, to: u16, count: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().expect("can be cloned"));
    let Some((first, headers)) = head(&mut reader) else { return };
    let login = format!("Basic {}", STANDARD.encode(format!("pat:{PROXY_PASSWORD}")));
    if !headers.iter().any(|(name, value)| name == "proxy-authorization" && *value == login) {
        let _ = stream.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
        return;
    }
    count.fetch_add(1, Ordering::Relaxed);
    let Ok(mut target) = TcpStream::connect(("127.0.0.1", to)) else { return };
    if first.starts_with("CONNECT ") {
        let _ = stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n");
    } else {
        // Servers take the absolute form; what follows on the connection goes to the same one.
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let _ = write!(target, "{first}\r\n{headers}\r\n");
    }
    let mut back = (target.try_clone().expect("can be cloned"), stream);
    let there = std::thread::spawn(move || pump(&mut reader, &mut target));
    pump(&mut back.0, &mut back.1);
    let _ = there.join();
}

fn pump(from: &mut impl Read, to: &mut TcpStream) {
    let _ = std::io::copy(from, to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}
