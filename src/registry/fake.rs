//! A registry in memory that misbehaves on request.
//!
//! Without faults it is an ordinary registry over plain HTTP/1.1: blobs, mounts, upload sessions, manifests,
//! tags, ranges, Basic and token logins. A [`Fault`] picks requests by method, kind and position and says
//! what happens to them. Everything that arrives is logged, so that a test can count requests and look where
//! secrets went. It listens on two ports with one content: the second is "another host".

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use url::form_urlencoded;

use crate::digest::Digest;

/// What a request is about.
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
    /// `/cdn/DIGEST`: a blob for whoever knows its address.
    Cdn,
    /// Anything else.
    Other,
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
}

/// What happens to a request.
#[derive(Clone)]
pub enum Action {
    /// It is not done, and this is the answer.
    Answer(Reply),
    /// It is done, and this is the answer.
    Instead(Reply),
    /// It is done, and the answer is changed.
    Edit(Arc<dyn Fn(&mut Reply) + Send + Sync>),
    /// It is answered as if it were done, but is not.
    Lose,
    /// This is the answer, before the body is read; the connection closes.
    Early(Reply),
    /// The connection closes after so many bytes of the body; nothing is done.
    CloseAfter(usize),
    /// It is done, and the connection closes without an answer.
    CloseUnanswered,
    /// It is done, but the answer's body ends after so many bytes.
    Truncate(usize),
    /// It is done, and answered late.
    Delay(Duration),
    /// These bytes are the answer.
    Raw(Vec<u8>),
}

impl Action {
    /// Changes the answer.
    pub fn edit(change: impl Fn(&mut Reply) + Send + Sync + 'static) -> Self {
        Self::Edit(Arc::new(change))
    }
}

/// Which requests something happens to.
#[derive(Clone)]
pub struct Fault {
    method: &'static str,
    kind: Kind,
    first: usize,
    times: usize,
    action: Action,
    seen: usize,
}

impl Fault {
    /// The first request with this method and of this kind.
    #[must_use]
    pub const fn once(method: &'static str, kind: Kind, action: Action) -> Self {
        Self { method, kind, first: 1, times: 1, action, seen: 0 }
    }

    /// Every such request.
    #[must_use]
    pub const fn always(method: &'static str, kind: Kind, action: Action) -> Self {
        Self { method, kind, first: 1, times: usize::MAX, action, seen: 0 }
    }

    /// So many of such requests, beginning with the `first`, counted from 1.
    #[must_use]
    pub const fn nth(method: &'static str, kind: Kind, first: usize, times: usize, action: Action) -> Self {
        Self { method, kind, first, times, action, seen: 0 }
    }
}

/// How the registry wants to be asked.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// Tokens rather than Basic.
    pub bearer: bool,
    /// The login; none means that anyone gets a token.
    pub login: Option<(String, String)>,
    /// A refresh token that is as good.
    pub identity: Option<String>,
    /// A token is good for so many requests.
    pub uses: Option<usize>,
    /// The token server refuses every request for a scope that contains this.
    pub refused_scope: Option<String>,
    /// The realm, if it is not the true one.
    pub realm: Option<String>,
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
    /// Whether it came to the second port.
    pub foreign: bool,
}

impl std::fmt::Display for Logged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

/// A running registry; stops when dropped.
pub struct Fake {
    shared: Arc<Shared>,
    addresses: [SocketAddr; 2],
}

struct Shared {
    state: Mutex<State>,
    stopped: AtomicBool,
    busy: AtomicUsize,
    most_busy: AtomicUsize,
    addresses: [SocketAddr; 2],
}

#[derive(Default)]
struct State {
    auth: Option<Auth>,
    blobs: BTreeMap<String, BTreeMap<Digest, Vec<u8>>>,
    manifests: BTreeMap<String, BTreeMap<Digest, (String, Vec<u8>)>>,
    tags: BTreeMap<(String, String), Digest>,
    sessions: BTreeMap<String, (String, Vec<u8>)>,
    tokens: BTreeMap<String, (BTreeSet<String>, usize)>,
    commits: BTreeMap<Digest, usize>,
    faults: Vec<Fault>,
    log: Vec<Logged>,
    next: usize,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, Vec<String>>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)?.first().map(String::as_str)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Repository and what follows `kind` in `/v2/REPOSITORY/KIND/REST`.
    fn split(&self, kind: &str) -> Option<(String, String)> {
        let (repository, rest) = self.path.strip_prefix("/v2/")?.split_once(kind)?;
        Some((repository.to_owned(), rest.to_owned()))
    }

    fn kind(&self) -> Kind {
        let path = self.path.as_str();
        match () {
            () if path == "/v2/" => Kind::Ping,
            () if path == "/token" => Kind::Token,
            () if path.starts_with("/cdn/") => Kind::Cdn,
            () if path.contains("/manifests/") => Kind::Manifest,
            () if path.ends_with("/blobs/uploads/") && self.query("mount").is_some() => Kind::Mount,
            () if path.ends_with("/blobs/uploads/") => Kind::Start,
            () if path.contains("/blobs/uploads/") => Kind::Session,
            () if path.contains("/blobs/") => Kind::Blob,
            () => Kind::Other,
        }
    }
}

impl Fake {
    /// Starts one on free ports of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> io::Result<Self> {
        let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let addresses = [listeners[0].local_addr()?, listeners[1].local_addr()?];
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            stopped: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            most_busy: AtomicUsize::new(0),
            addresses,
        });
        for (listener, foreign) in listeners.into_iter().zip([false, true]) {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.serve(&stream, foreign));
                }
            });
        }
        Ok(Self { shared, addresses })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.addresses[0].to_string()
    }

    /// Host and port of the second port, which counts as another host.
    #[must_use]
    pub fn foreign_address(&self) -> String {
        self.addresses[1].to_string()
    }

    /// From now on asks for a login.
    pub fn set_auth(&self, auth: Auth) {
        self.shared.state().auth = Some(auth);
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    /// Forgets what was logged and returns it.
    #[must_use]
    pub fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut self.shared.state().log)
    }

    /// Puts a blob into a repository.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let mut state = self.shared.state();
        state.blobs.entry(repository.to_owned()).or_default().insert(digest, bytes.to_vec());
        digest
    }

    /// Puts a manifest into a repository, under a tag.
    pub fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let mut state = self.shared.state();
        let manifests = state.manifests.entry(repository.to_owned()).or_default();
        manifests.insert(digest, (media_type.to_owned(), bytes.to_vec()));
        state.tags.insert((repository.to_owned(), tag.to_owned()), digest);
        digest
    }

    /// A blob's bytes.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.shared.state().blobs.get(repository)?.get(digest).cloned()
    }

    /// A manifest's bytes.
    #[must_use]
    pub fn manifest(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.shared.state().manifests.get(repository)?.get(digest).map(|(_, bytes)| bytes.clone())
    }

    /// What a tag resolves to.
    #[must_use]
    pub fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        self.shared.state().tags.get(&(repository.to_owned(), tag.to_owned())).copied()
    }

    /// How often each blob was uploaded to the end.
    #[must_use]
    pub fn commits(&self) -> BTreeMap<Digest, usize> {
        self.shared.state().commits.clone()
    }

    /// Upload sessions that are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.shared.state().sessions.len()
    }

    /// The largest number of requests that were served at the same time.
    #[must_use]
    pub fn most_busy(&self) -> usize {
        self.shared.most_busy.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for address in self.addresses {
            // Wakes the listener; if that fails there is nothing to wake.
            let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream, foreign: bool) {
        // A client that goes away is its own affair.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        loop {
            let mut request = match read_head(&mut reader) {
                Ok(Some(request)) => request,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    // Somebody speaks TLS.
                    let _ = (&mut &*stream).write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
                    return;
                }
                _ => return,
            };
            let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_busy.fetch_max(busy, Ordering::SeqCst);
            let goes_on = self.answer(&mut request, &mut reader, stream, foreign);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            if !matches!(goes_on, Ok(true)) || self.stopped.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Serves one request. Whether the connection goes on.
    fn answer(
        &self,
        request: &mut Request,
        reader: &mut impl Read,
        mut stream: &TcpStream,
        foreign: bool,
    ) -> io::Result<bool> {
        let kind = request.kind();
        let action = self.state().note(request, kind, foreign);
        let length: usize = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if let Some(Action::CloseAfter(bytes)) = action {
            let mut some = vec![0; bytes.min(length)];
            reader.read_exact(&mut some)?;
            return Ok(false);
        }
        if let Some(Action::Early(reply)) = &action {
            write!(stream, "HTTP/1.1 {} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", reply.status)?;
            // Lingers a little, as servers do, so that the answer is not lost with the connection.
            stream.shutdown(std::net::Shutdown::Write)?;
            std::thread::sleep(Duration::from_millis(100));
            return Ok(false);
        }
        request.body = vec![0; length];
        reader.read_exact(&mut request.body)?;
        let is_head = request.method == "HEAD";
        let mut reply = match &action {
            Some(Action::Answer(reply)) => reply.clone(),
            Some(Action::Raw(bytes)) => {
                stream.write_all(bytes)?;
                return Ok(false);
            }
            Some(Action::Lose) => {
                let before = self.state().content();
                let reply = self.perform(request, kind, foreign);
                self.state().restore(before);
                reply
            }
            _ => self.perform(request, kind, foreign),
        };
        let mut cut = None;
        match action {
            Some(Action::Instead(other)) => reply = other,
            Some(Action::Edit(change)) => change(&mut reply),
            Some(Action::CloseUnanswered) => return Ok(false),
            Some(Action::Truncate(bytes)) => cut = Some(bytes),
            Some(Action::Delay(time)) => std::thread::sleep(time),
            _ => {}
        }
        let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !is_head {
            bytes.extend(&reply.body[..cut.unwrap_or(usize::MAX).min(reply.body.len())]);
        }
        stream.write_all(&bytes)?;
        Ok(cut.is_none())
    }

    fn perform(&self, request: &Request, kind: Kind, foreign: bool) -> Reply {
        let mut state = self.state();
        // What another host is given is addressed by what it knows, as signed addresses are.
        if !foreign && let Some(refused) = state.refuse(request, kind, &self.addresses[0]) {
            return refused;
        }
        match (kind, request.method.as_str()) {
            (Kind::Ping, _) => Reply::new(200),
            (Kind::Token, _) => state.issue(request),
            (Kind::Cdn, "GET" | "HEAD") => state.cdn(request),
            (Kind::Manifest, "GET" | "HEAD") => state.get_manifest(request),
            (Kind::Manifest, "PUT") => state.set_manifest(request),
            (Kind::Blob, "GET" | "HEAD") => state.get_blob(request),
            (Kind::Mount, "POST") => state.mount(request),
            (Kind::Start, "POST") => state.open(request),
            (Kind::Session, "PATCH" | "PUT" | "DELETE") => state.session(request),
            _ => Reply::error(405, "UNSUPPORTED", "no such operation"),
        }
    }
}

type ContentOfState = (BTreeMap<String, BTreeMap<Digest, Vec<u8>>>, StoredManifests, StoredTags, Sessions);
type StoredManifests = BTreeMap<String, BTreeMap<Digest, (String, Vec<u8>)>>;
type StoredTags = BTreeMap<(String, String), Digest>;
type Sessions = BTreeMap<String, (String, Vec<u8>)>;

impl State {
    fn content(&self) -> ContentOfState {
        (self.blobs.clone(), self.manifests.clone(), self.tags.clone(), self.sessions.clone())
    }

    fn restore(&mut self, content: ContentOfState) {
        (self.blobs, self.manifests, self.tags, self.sessions) = content;
    }

    fn note(&mut self, request: &Request, kind: Kind, foreign: bool) -> Option<Action> {
        let query: Vec<String> =
            request.query.iter().flat_map(|(k, vs)| vs.iter().map(move |v| format!("{k}={v}"))).collect();
        let target = if query.is_empty() {
            request.path.clone()
        } else {
            format!("{}?{}", request.path, query.join("&"))
        };
        let (method, authorization) =
            (request.method.clone(), request.header("authorization").map(str::to_owned));
        self.log.push(Logged { method, kind, target, authorization, foreign });
        let mut action = None;
        for fault in &mut self.faults {
            if fault.kind == kind && (fault.method == request.method || fault.method == "*") {
                fault.seen += 1;
                let active = fault.seen >= fault.first && fault.seen - fault.first < fault.times;
                if active && action.is_none() {
                    action = Some(fault.action.clone());
                }
            }
        }
        action
    }

    fn refuse(&mut self, request: &Request, kind: Kind, address: &SocketAddr) -> Option<Reply> {
        let auth = self.auth.clone()?;
        if matches!(kind, Kind::Token | Kind::Cdn) {
            return None;
        }
        let path = request.path.strip_prefix("/v2/").unwrap_or_default();
        let end = ["/manifests/", "/blobs/"].iter().find_map(|part| path.find(part)).unwrap_or(path.len());
        let repository = &path[..end];
        let action = if matches!(request.method.as_str(), "GET" | "HEAD") { "pull" } else { "push" };
        let shown = request.header("authorization").unwrap_or_default();
        if !auth.bearer {
            let good = auth.login.as_ref().is_some_and(|(user, password)| shown == basic(user, password));
            return (!good).then(|| {
                Reply::error(401, "UNAUTHORIZED", "who are you")
                    .header("WWW-Authenticate", "Basic realm=\"fake\"")
            });
        }
        let token = shown.strip_prefix("Bearer ").and_then(|token| self.tokens.get_mut(token));
        if let Some((scopes, uses)) = token {
            // Whoever has any token is known.
            let allowed = kind == Kind::Ping
                || scopes.iter().any(|scope| {
                    scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':')).is_some_and(
                        |(name, actions)| name == repository && actions.split(',').any(|has| has == action),
                    )
                });
            if allowed && *uses > 0 {
                *uses -= 1;
                return None;
            }
        }
        let realm = auth.realm.unwrap_or_else(|| format!("http://{address}/token"));
        let scope = match (kind, action) {
            (Kind::Ping, _) => String::new(),
            (_, "push") => format!(r#",scope="repository:{repository}:pull,push""#),
            _ => format!(r#",scope="repository:{repository}:pull""#),
        };
        Some(
            Reply::error(401, "UNAUTHORIZED", "authentication required")
                .header("WWW-Authenticate", format!(r#"Bearer realm="{realm}",service="fake"{scope}"#)),
        )
    }

    fn issue(&mut self, request: &Request) -> Reply {
        let Some(auth) = self.auth.clone() else { return Reply::new(404) };
        let form: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
        let good = match (&auth.login, &auth.identity) {
            (_, Some(identity)) if request.method == "POST" => form.get("refresh_token") == Some(identity),
            (Some((user, password)), _) => {
                request.header("authorization") == Some(basic(user, password).as_str())
            }
            (None, None) => true,
            (None, Some(_)) => false,
        };
        if !good {
            return Reply::error(401, "UNAUTHORIZED", "wrong login");
        }
        let asked = request.query.get("scope").cloned();
        let scopes = asked.unwrap_or_else(|| {
            form.get("scope").map(|scopes| scopes.split(' ').map(str::to_owned).collect()).unwrap_or_default()
        });
        let refused = auth.refused_scope.as_ref();
        if refused.is_some_and(|refused| scopes.iter().any(|scope| scope.contains(refused.as_str()))) {
            return Reply::error(403, "DENIED", "not this scope");
        }
        self.next += 1;
        let token = format!("token-{}", self.next);
        self.tokens.insert(token.clone(), (scopes.into_iter().collect(), auth.uses.unwrap_or(usize::MAX)));
        Reply::new(200).body(format!(r#"{{"token":"{token}","expires_in":300}}"#))
    }

    fn cdn(&self, request: &Request) -> Reply {
        let digest: Option<Digest> = request.path.strip_prefix("/cdn/").and_then(|text| text.parse().ok());
        let found = digest.and_then(|digest| self.blobs.values().find_map(|blobs| blobs.get(&digest)));
        found.map_or_else(|| Reply::new(403), |bytes| ranged(request, bytes))
    }

    fn get_manifest(&self, request: &Request) -> Reply {
        let unknown = || Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        let Some((repository, name)) = request.split("/manifests/") else { return unknown() };
        let digest = name.parse().ok().or_else(|| self.tags.get(&(repository.clone(), name)).copied());
        let found = digest.and_then(|digest| Some((digest, self.manifests.get(&repository)?.get(&digest)?)));
        let Some((digest, (media_type, bytes))) = found else { return unknown() };
        Reply::new(200)
            .header("Content-Type", media_type.clone())
            .header("Docker-Content-Digest", digest.to_string())
            .body(bytes.clone())
    }

    fn set_manifest(&mut self, request: &Request) -> Reply {
        let Some((repository, name)) = request.split("/manifests/") else { return Reply::new(404) };
        let digest = Digest::of(&request.body);
        if name.parse::<Digest>().is_ok_and(|named| named != digest) {
            return Reply::error(400, "DIGEST_INVALID", "other bytes");
        }
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&request.body) else {
            return Reply::error(400, "MANIFEST_INVALID", "no JSON");
        };
        let layers = json["layers"].as_array().cloned().unwrap_or_default();
        let linked =
            layers.iter().chain([&json["config"]]).filter_map(|link| link["digest"].as_str()?.parse().ok());
        let children = json["manifests"].as_array().cloned().unwrap_or_default();
        let blobs = self.blobs.get(&repository);
        for blob in linked {
            if !blobs.is_some_and(|blobs| blobs.contains_key(&blob)) {
                return Reply::error(400, "MANIFEST_BLOB_UNKNOWN", &format!("blob unknown: {blob}"));
            }
        }
        let manifests = self.manifests.entry(repository.clone()).or_default();
        for child in children.iter().filter_map(|link| link["digest"].as_str()?.parse::<Digest>().ok()) {
            if !manifests.contains_key(&child) {
                return Reply::error(400, "MANIFEST_UNKNOWN", "child unknown");
            }
        }
        let media_type = request.header("content-type").unwrap_or_default().to_owned();
        manifests.insert(digest, (media_type, request.body.clone()));
        if name.parse::<Digest>().is_err() {
            self.tags.insert((repository.clone(), name), digest);
        }
        Reply::new(201)
            .header("Location", format!("/v2/{repository}/manifests/{digest}"))
            .header("Docker-Content-Digest", digest.to_string())
    }

    fn get_blob(&self, request: &Request) -> Reply {
        let unknown = || Reply::error(404, "BLOB_UNKNOWN", "blob unknown");
        let Some((repository, digest)) = request.split("/blobs/") else { return unknown() };
        let digest: Option<Digest> = digest.parse().ok();
        let found = digest.and_then(|digest| Some((digest, self.blobs.get(&repository)?.get(&digest)?)));
        let Some((digest, bytes)) = found else { return unknown() };
        ranged(request, bytes).header("Docker-Content-Digest", digest.to_string())
    }

    fn mount(&mut self, request: &Request) -> Reply {
        let Some((repository, _)) = request.split("/blobs/uploads/") else { return Reply::new(404) };
        let digest: Option<Digest> = request.query("mount").and_then(|text| text.parse().ok());
        let found = digest.and_then(|digest| {
            let bytes = self.blobs.get(request.query("from")?)?.get(&digest)?.clone();
            Some((digest, bytes))
        });
        let Some((digest, bytes)) = found else { return self.open(request) };
        self.blobs.entry(repository.clone()).or_default().insert(digest, bytes);
        Reply::new(201)
            .header("Location", format!("/v2/{repository}/blobs/{digest}"))
            .header("Docker-Content-Digest", digest.to_string())
    }

    fn open(&mut self, request: &Request) -> Reply {
        let Some((repository, _)) = request.split("/blobs/uploads/") else { return Reply::new(404) };
        self.next += 1;
        let session = format!("session-{}", self.next);
        self.sessions.insert(session.clone(), (repository.clone(), Vec::new()));
        Reply::new(202).header("Location", format!("/v2/{repository}/blobs/uploads/{session}"))
    }

    fn session(&mut self, request: &Request) -> Reply {
        let unknown = || Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown");
        let Some((repository, id)) = request.split("/blobs/uploads/") else { return unknown() };
        let Some((_, mut bytes)) = self.sessions.remove(&id).filter(|(owner, _)| *owner == repository) else {
            return unknown();
        };
        if request.method == "DELETE" {
            return Reply::new(204);
        }
        let here = format!("/v2/{repository}/blobs/uploads/{id}");
        if let Some(range) = request.header("content-range")
            && range.split('-').next().and_then(|start| start.parse().ok()) != Some(bytes.len())
        {
            let range = format!("0-{}", bytes.len().saturating_sub(1));
            self.sessions.insert(id, (repository, bytes));
            return Reply::new(416).header("Location", here).header("Range", range);
        }
        bytes.extend(&request.body);
        if request.method == "PATCH" {
            let range = format!("0-{}", bytes.len().saturating_sub(1));
            self.sessions.insert(id, (repository, bytes));
            return Reply::new(202).header("Location", here).header("Range", range);
        }
        let digest = Digest::of(&bytes);
        if request.query("digest").and_then(|text| text.parse().ok()) != Some(digest) {
            return Reply::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        self.blobs.entry(repository.clone()).or_default().insert(digest, bytes);
        *self.commits.entry(digest).or_default() += 1;
        Reply::new(201)
            .header("Location", format!("/v2/{repository}/blobs/{digest}"))
            .header("Docker-Content-Digest", digest.to_string())
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let from = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match from {
        Some(from) if from < bytes.len() => Reply::new(206)
            .header("Content-Range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()))
            .body(&bytes[from..]),
        Some(_) => Reply::new(416),
        None => Reply::new(200).header("Content-Type", "application/octet-stream").body(bytes),
    }
}

/// A request's head; `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    // A proxy is asked for whole addresses; what is asked for is here all the same.
    let target =
        target.strip_prefix("http://").map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: BTreeMap::new(),
        headers: BTreeMap::new(),
        body: Vec::new(),
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        request.query.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else { return Ok(Some(request)) };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}
