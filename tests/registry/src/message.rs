//! Requests and answers, and how they are read from and written to a connection.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Read};

use url::form_urlencoded;

use crate::digest::Digest;

/// The subject of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `/v2/`.
    Ping,
    /// `/token`.
    Token,
    /// `/v2/…/manifests/…`.
    Manifest,
    /// `/v2/…/blobs/DIGEST`.
    Blob,
    /// POST `/v2/…/blobs/uploads/` with `mount`.
    Mount,
    /// POST `/v2/…/blobs/uploads/` without.
    Start,
    /// `/v2/…/blobs/uploads/SESSION`.
    Session,
    /// `/v2/…/tags/list`.
    Tags,
    /// `/v2/…/referrers/DIGEST`.
    Referrers,
    /// `/cdn/DIGEST`: a blob for every client that knows its address.
    Cdn,
    /// Anything else.
    Other,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Method.
    pub method: String,
    /// Kind.
    pub kind: Kind,
    /// Path and query.
    pub target: String,
    /// `Authorization`.
    pub authorization: Option<String>,
    /// Request line and headers as they came.
    pub head: String,
    /// Whether it came to the second port.
    pub foreign: bool,
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers; `Content-Length` is added unless it is here.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer without a body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// An error as registries write it.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Self::new(status).header("Content-Type", "application/json").body(body)
    }

    /// Sets or removes a header.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// A header's first value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Everything as it goes over the line; an answer to HEAD has no body.
    pub(super) fn bytes(&self, is_head: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} x\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // RFC 9110, 8.6: none with 204.
        if self.get("content-length").is_none() && self.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !is_head {
            bytes.extend(&self.body);
        }
        bytes
    }
}

/// A request; the body is read later, if at all.
#[derive(Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, Vec<String>>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) foreign: bool,
    /// Where it came to, if by TLS: `https://HOST:PORT`.
    pub(super) secure: Option<String>,
    /// Which of the machines it came to.
    pub(super) replica: usize,
}

impl Request {
    /// The next request's head; `None` at the end of the connection.
    pub(super) fn read(reader: &mut impl BufRead, foreign: bool) -> io::Result<Option<Self>> {
        let mut head = String::new();
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        let mut words = head.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        // A proxy is asked for whole addresses; what is asked for is here all the same.
        let target = target
            .strip_prefix("http://")
            .map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
        let mut request = Self::new(method, target);
        request.foreign = foreign;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            head.push_str(&line);
        }
        request.head = head;
        Ok(Some(request))
    }

    /// A request without headers for a path with a query.
    pub(super) fn new(method: &str, target: &str) -> Self {
        let (path, encoded) = target.split_once('?').unwrap_or((target, ""));
        let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(encoded.as_bytes()) {
            query.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self { method: method.to_owned(), path: path.to_owned(), query, ..Self::default() }
    }

    /// Reads the body up to its end or to `limit`, whichever comes first.
    pub(super) fn read_body(&mut self, reader: &mut impl BufRead, limit: usize) -> io::Result<()> {
        if self.header("transfer-encoding").is_none_or(|coding| !coding.eq_ignore_ascii_case("chunked")) {
            self.body = vec![0; self.length().unwrap_or(0).min(limit)];
            return reader.read_exact(&mut self.body);
        }
        while self.body.len() < limit {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                // No trailers are expected: the empty line ends it.
                return reader.read_line(&mut String::new()).map(|_| ());
            }
            let wanted = size.min(limit - self.body.len());
            reader.by_ref().take(wanted as u64).read_to_end(&mut self.body)?;
            if wanted == size {
                reader.read_line(&mut String::new())?;
            }
        }
        Ok(())
    }

    /// How long the body is, if the head says so.
    pub(super) fn length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)?.first().map(String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The digest in the query.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.query("digest")?.parse().ok()
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.method == method
    }

    /// Repository and what follows `part` in `/v2/REPOSITORY/PART/REST`.
    pub(super) fn split(&self, part: &str) -> Option<(String, String)> {
        let (repository, rest) = self.path.strip_prefix("/v2/")?.split_once(part)?;
        is_name(repository).then(|| (repository.to_owned(), rest.to_owned()))
    }

    /// The repository, whatever is asked of it.
    pub(super) fn repository(&self) -> &str {
        let path = self.path.strip_prefix("/v2/").unwrap_or_default();
        let parts = ["/manifests/", "/blobs/", "/tags/", "/referrers/"];
        &path[..parts.iter().find_map(|part| path.find(part)).unwrap_or(path.len())]
    }

    pub(super) fn kind(&self) -> Kind {
        let path = self.path.as_str();
        match () {
            () if path == "/v2/" => Kind::Ping,
            () if path == "/token" => Kind::Token,
            () if path.starts_with("/cdn/") => Kind::Cdn,
            () if path.contains("/manifests/") => Kind::Manifest,
            () if path.ends_with("/tags/list") => Kind::Tags,
            () if path.contains("/referrers/") => Kind::Referrers,
            () if path.ends_with("/blobs/uploads/") && self.query("mount").is_some() => Kind::Mount,
            () if path.ends_with("/blobs/uploads/") => Kind::Start,
            () if path.contains("/blobs/upload") => Kind::Session,
            () if path.contains("/blobs/") => Kind::Blob,
            () => Kind::Other,
        }
    }

    pub(super) fn logged(&self) -> Logged {
        let query: Vec<String> =
            self.query.iter().flat_map(|(k, vs)| vs.iter().map(move |v| format!("{k}={v}"))).collect();
        let target =
            if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) };
        Logged {
            method: self.method.clone(),
            kind: self.kind(),
            target,
            authorization: self.header("authorization").map(str::to_owned),
            head: self.head.clone(),
            foreign: self.foreign,
        }
    }
}

/// Whether a repository may have this name, by the specification's pattern.
fn is_name(name: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = |part: &str| {
        let bytes = part.as_bytes();
        let ends = bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word);
        ends && bytes.iter().all(|byte| is_word(byte) || b"._-".contains(byte))
    };
    name.split('/').all(good)
}
