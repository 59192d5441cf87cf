//! A registry that takes what is pushed, and writes down what was asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use crate::registry::serve_each;

/// A registry that takes what is pushed.
pub(crate) struct Pushed {
    pub(crate) address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// By path: the media type and the bytes.
    stored: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    /// The bytes that were sent to an upload so far.
    uploads: Mutex<BTreeMap<String, Vec<u8>>>,
    log: Mutex<Vec<String>>,
    /// Requests that begin with this are not answered, and how many of them wait.
    held: Mutex<(Option<String>, usize)>,
}

struct Asked {
    method: String,
    path: String,
    kind: String,
    body: Vec<u8>,
}

impl Pushed {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let address = serve_each("127.0.0.1:0", &state, State::serve);
        Self { address, state }
    }

    /// The requests since the last time, as `METHOD PATH`.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }

    /// Answers no request from now on that begins with `start`, as `METHOD PATH`.
    pub(crate) fn hold(&self, start: &str) {
        *self.state.held.lock().unwrap() = (Some(start.to_owned()), 0);
    }

    /// Whether a request waits that is not answered.
    pub(crate) fn holds_one(&self) -> bool {
        self.state.held.lock().unwrap().1 > 0
    }

    /// Drops the requests that wait, and answers others again.
    pub(crate) fn release(&self) {
        *self.state.held.lock().unwrap() = (None, 0);
    }

    /// The digest that a tag means.
    pub(crate) fn tag(&self, name: &str, tag: &str) -> Option<String> {
        let stored = self.state.stored.lock().unwrap();
        stored.get(&format!("/v2/{name}/manifests/{tag}")).map(|(_, bytes)| digest(bytes))
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl State {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(asked) = read(&mut reader, stream) {
            let request = format!("{} {}", asked.method, asked.path);
            self.log.lock().unwrap().push(request.clone());
            if self.is_held(&request) || self.answer(&asked, stream).is_none() {
                return;
            }
        }
    }

    /// Waits while the request is held; whether it was.
    fn is_held(&self, request: &str) -> bool {
        let mut was_held = false;
        loop {
            let mut held = self.held.lock().unwrap();
            if !held.0.as_ref().is_some_and(|start| request.starts_with(start)) {
                return was_held;
            }
            held.1 += usize::from(!was_held);
            was_held = true;
            drop(held);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn answer(&self, asked: &Asked, mut stream: &TcpStream) -> Option<()> {
        let Asked { method, path, kind, body } = asked;
        let mut send = |status: u16, headers: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
            let body = if method == "HEAD" { &[] } else { body };
            stream.write_all(&[head.as_bytes(), body].concat()).ok()
        };
        let (place, query) = path.split_once('?').unwrap_or((path, ""));
        let mut stored = self.stored.lock().unwrap();
        let mut uploads = self.uploads.lock().unwrap();
        match &**method {
            "POST" => {
                let upload = format!("{place}{}", uploads.len());
                uploads.insert(upload.clone(), Vec::new());
                send(202, &format!("Location: {upload}\r\n"), b"")
            }
            "PATCH" => {
                let upload = uploads.entry(place.to_owned()).or_default();
                upload.extend_from_slice(body);
                let last = upload.len().saturating_sub(1);
                send(202, &format!("Location: {place}\r\nRange: 0-{last}\r\n"), b"")
            }
            "PUT" if place.contains("/blobs/uploads/") => {
                let mut bytes = uploads.get(place).cloned().unwrap_or_default();
                bytes.extend_from_slice(body);
                let wanted = query.split('&').find_map(|pair| pair.strip_prefix("digest="))?;
                let wanted = wanted.replace("%3A", ":");
                if digest(&bytes) != wanted {
                    return send(400, "", b"{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}");
                }
                let name = place.split("/blobs/uploads/").next()?;
                stored
                    .insert(format!("{name}/blobs/{wanted}"), ("application/octet-stream".to_owned(), bytes));
                send(
                    201,
                    &format!("Docker-Content-Digest: {wanted}\r\nLocation: {name}/blobs/{wanted}\r\n"),
                    b"",
                )
            }
            "PUT" => {
                let digest = digest(body);
                let name = place.split("/manifests/").next()?;
                for place in [place.to_owned(), format!("{name}/manifests/{digest}")] {
                    stored.insert(place, (kind.clone(), body.clone()));
                }
                send(201, &format!("Docker-Content-Digest: {digest}\r\nLocation: {place}\r\n"), b"")
            }
            _ => match stored.get(place) {
                Some((kind, bytes)) => {
                    let digest = digest(bytes);
                    send(200, &format!("Content-Type: {kind}\r\nDocker-Content-Digest: {digest}\r\n"), bytes)
                }
                None if place == "/v2/" => send(200, "", b"{}"),
                None => send(404, "", b"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}"),
            },
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        let mut headers = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    if header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = Vec::new();
    if header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = header("content-length") {
        body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
    }
    let mut words = lines.first()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Asked { method, path, kind: header("content-type").unwrap_or_default(), body })
}
