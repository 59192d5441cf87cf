//! One request and its answer: hosts, clients, time limits, redirects, what a failure means.
//!
//! No library below may redirect, retry, decompress or read the environment's proxies: all of that is
//! decided here, because it decides where credentials go. Nothing is opened before the first request to a
//! host, and a host without TLS never loads the system's certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Identity, Method, Proxy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::auth::{self, Access, Authorization, Tried};
use super::clock::Clock;
use super::engines::{Engines, Own, speaks_tls};
use super::error::{Answer, Context, Fault, RegistryError, Step, shorten};
use super::location;
use super::proxy::{self, Way};
use super::retry::{Pause, Retry, retry_after};
use super::settings::{RegistrySettings, Scrubber, Settings, Timeouts};
use super::tls;
use super::upload::Upload;
use crate::formats::json::{self, Decode, JsonError, Object, Value};
use crate::runtime::input::MAX_TEXT;
use crate::runtime::observer::{Progress, Stage};
use crate::types::digest::Digest;
use crate::types::error::uncarry;
use crate::types::reference::{DOCKER_HUB, Registry};

/// An error or token answer that is longer is cut or refused.
pub(super) const MAX_ANSWER: u64 = 64 << 10;
/// A download may be redirected so often.
const MAX_REDIRECTS: u32 = 10;
/// A body that is longer, in bytes, has an HTTP/1.1 connection of its own. In HTTP/2 a server lets only so many
/// bytes of a stream be on their way (RFC 9113, 5.2), often 64 KiB, which at 50 ms is 1.3 MB/s; TCP's window grows.
const BULK: u64 = 1 << 20;

/// All hosts of one client.
pub(super) struct Http {
    pub(super) settings: Settings,
    progress: Progress,
    clients: Mutex<BTreeMap<(ClientKey, Bodies), reqwest::Client>>,
    hosts: Mutex<BTreeMap<Registry, Arc<Host>>>,
    /// The secrets of this run, which nothing that is printed may have in it.
    pub(super) scrubber: Scrubber,
    /// What our settings and the files of Docker and Podman say together, once it was asked for.
    owns: Mutex<BTreeMap<Registry, Arc<Own>>>,
    engines: OnceLock<Engines>,
    /// What the user was warned of.
    warned: Mutex<BTreeSet<String>>,
}

/// One connection pool for each way of setting up TLS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ClientKey {
    Plain,
    System,
    Own(Registry),
}

/// What a connection pool is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bodies {
    Any,
    /// Above [`BULK`], or of unknown length.
    Large,
}

impl Bodies {
    fn of(payload: &Payload) -> Self {
        match payload {
            Payload::Upload(upload)
                if http_body::Body::size_hint(upload).exact().is_none_or(|it| it > BULK) =>
            {
                Self::Large
            }
            _ => Self::Any,
        }
    }
}

/// One registry.
pub(super) struct Host {
    pub(super) registry: Registry,
    /// Scheme, host and port, with the path `/`.
    pub(super) base: Url,
    pub(super) auth: auth::State,
    pub(super) chunk_size: Option<u64>,
    /// Whether it refused whole blobs in one PUT.
    pub(super) wants_patch: AtomicBool,
    /// Whether an upload failed that was begun before its end was known.
    pub(super) refused_following: AtomicBool,
    /// Whether it refused blobs in pieces.
    pub(super) refuses_chunks: AtomicBool,
    reached: AtomicBool,
    not_before: Mutex<Option<Instant>>,
    // Reading and writing have slots of their own: a blob that is copied within a host needs both at once.
    pull: Arc<Semaphore>,
    push: Arc<Semaphore>,
    documents: Arc<Semaphore>,
    clock: Clock,
}

/// A slot among the requests that a host gets at the same time.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

impl Host {
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    pub(super) async fn pull_slot(&self) -> Slot {
        Arc::clone(&self.pull).acquire_owned().await.ok()
    }

    pub(super) async fn push_slot(&self) -> Slot {
        Arc::clone(&self.push).acquire_owned().await.ok()
    }

    /// A manifest takes a free slot, or the one that blobs never take.
    pub(super) async fn document_slot(&self) -> Slot {
        tokio::select! {
            biased;
            slot = Arc::clone(&self.pull).acquire_owned() => slot.ok(),
            slot = Arc::clone(&self.documents).acquire_owned() => slot.ok(),
        }
    }

    /// Waits, and if the registry asked for it, makes everyone wait.
    pub(super) async fn pause(&self, pause: Pause) {
        if pause.shared {
            let until = self.clock.now() + pause.time;
            let mut not_before = lock(&self.not_before);
            *not_before = Some(not_before.map_or(until, |other| other.max(until)));
        }
        self.clock.pause(pause.time).await;
    }

    async fn turn(&self) {
        let until = *lock(&self.not_before);
        if let Some(wait) = until.and_then(|until| until.checked_duration_since(self.clock.now())) {
            self.clock.pause(wait).await;
        }
    }
}

/// A mutex whose holder panicked is as good as any: what is in it is replaced whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a request carries.
pub(super) enum Payload {
    Nothing,
    Bytes(Bytes),
    Upload(Upload),
}

/// A request that is yet to be authorised.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Whether it goes to the registry itself.
    pub(super) own: bool,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    /// Whether the token must not be near its end.
    pub(super) fresh: bool,
}

impl Request {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, own: true, headers: HeaderMap::new(), payload: Payload::Nothing, fresh: false }
    }

    pub(super) fn to(method: Method, target: &location::Target) -> Self {
        Self { own: target.own, ..Self::new(method, target.url.clone()) }
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(super) const fn fresh(mut self, fresh: bool) -> Self {
        self.fresh = fresh;
        self
    }

    /// The same request once more, unless its body can be read only once.
    fn again(&self) -> Option<Self> {
        let payload = match &self.payload {
            Payload::Nothing => Payload::Nothing,
            Payload::Bytes(bytes) => Payload::Bytes(bytes.clone()),
            Payload::Upload(_) => return None,
        };
        let (method, url, headers) = (self.method.clone(), self.url.clone(), self.headers.clone());
        Some(Self { method, url, own: self.own, headers, payload, fresh: self.fresh })
    }
}

/// An answer whose body is yet to be read.
pub(super) struct Response {
    inner: reqwest::Response,
    /// Where it came from.
    pub(super) url: Url,
    /// Whether the registry itself answered.
    pub(super) own: bool,
    timeouts: Timeouts,
    clock: Clock,
}

impl Response {
    pub(super) fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    pub(super) fn is_success(&self) -> bool {
        self.inner.status().is_success()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.inner.headers().get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// The header and not the body's length: an answer to HEAD has no body.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// `Docker-Content-Digest`, where it is a digest that we know.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.header("docker-content-digest")?.trim().parse().ok()
    }

    /// The next piece of the body.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.clock.within(self.timeouts.idle, self.inner.chunk()).await {
            Some(Ok(chunk)) => Ok(chunk),
            Some(Err(error)) => Err(fault(error)),
            None => Err(Fault::Stalled("reading the answer")),
        }
    }

    /// The body, if it has at most `limit` bytes and comes in the time that a document may take.
    pub(super) async fn body(self, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        let (time, clock) = (self.timeouts.document, self.clock.clone());
        let read = clock.within(time, self.body_in_any_time(limit)).await;
        read.unwrap_or(Err(Fault::Stalled("reading the whole answer")))
    }

    async fn body_in_any_time(mut self, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }

    /// Reads a short rest that comes soon, so that the connection can be used again.
    pub(super) async fn discard(self) {
        if self.content_length().is_some_and(|length| length <= MAX_ANSWER) {
            let (time, clock) = (self.timeouts.rest, self.clock.clone());
            let _ = clock.within(time, self.body_in_any_time(MAX_ANSWER)).await;
        }
    }

    /// The beginning of a body: not more than the limit of bytes and time.
    async fn beginning(&mut self) -> Vec<u8> {
        let end = self.clock.now() + self.timeouts.rest;
        let clock = self.clock.clone();
        let mut body = Vec::new();
        while (body.len() as u64) < MAX_ANSWER {
            let left = end.saturating_duration_since(clock.now());
            // A broken rest is no reason to lose what came before.
            let Some(Ok(Some(chunk))) = clock.within(left, self.chunk()).await else { break };
            body.extend_from_slice(&chunk);
        }
        body
    }

    /// What the registry says, for an answer that is not the one hoped for.
    async fn answer(mut self, scrubber: &Scrubber) -> Answer {
        let status = self.status();
        let retry_after = retry_after(self.header("retry-after"), self.header("date"));
        let host = (!self.own).then(|| location::host(&self.url));
        let is_html = self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let body = self.beginning().await;
        let (code, message) = explain(&body, is_html, scrubber);
        let digests = digests(&String::from_utf8_lossy(&body));
        Answer { status, code, message, retry_after, host, digests }
    }
}

/// Code and message of an error body: `{"errors":[{"code","message","detail"}]}` or whatever it is. Secrets are taken out
/// of what JSON means, in which they may be written in other ways.
pub(super) fn explain(body: &[u8], is_html: bool, scrubber: &Scrubber) -> (Option<String>, String) {
    let shorten = |text: &str, limit| shorten(&scrubber.scrub(text), limit);
    if let Ok(ErrorBody(errors)) = json::decode(body)
        && let Some(ErrorEntry { code, message }) = errors.into_iter().next()
    {
        return (code.map(|code| shorten(&code, 60)), shorten(&message, 300));
    }
    let text = String::from_utf8_lossy(body);
    (None, if is_html { "an HTML page".to_owned() } else { shorten(&text, 300) })
}

struct ErrorBody(Vec<ErrorEntry>);

struct ErrorEntry {
    code: Option<String>,
    message: String,
}

impl Decode for ErrorBody {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        Object::open(value, &["errors"])?.require("errors").map(Self)
    }
    fn wanted() -> String {
        "an object".to_owned()
    }
}

impl Decode for ErrorEntry {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        let mut entry = Object::open(value, &["code", "message", "detail"])?;
        // Some registries have numbers.
        let code: Option<json::Raw> = entry.take("code")?;
        let code = code.map(|code| code.value().as_str().unwrap_or(code.value().text().into()).into_owned());
        Ok(Self { code, message: entry.take_or_default("message")? })
    }
    fn wanted() -> String {
        "an object".to_owned()
    }
}

/// All digests that a text names.
pub(super) fn digests(text: &str) -> Vec<Digest> {
    text.match_indices("sha256:").filter_map(|(at, _)| text.get(at..at + 71)?.parse().ok()).collect()
}

impl Http {
    pub(super) fn new(mut settings: Settings, progress: Progress) -> Self {
        let mirrors: Vec<_> =
            settings.registries.values().flat_map(|registry| registry.mirrors.iter().cloned()).collect();
        for mirror in mirrors {
            // The address says whether it is plain, unless the mirror has settings of its own.
            let own = settings.registries.entry(mirror.registry().clone()).or_default();
            own.plain_http.get_or_insert(mirror.is_plain());
        }
        Self {
            settings,
            progress,
            clients: Mutex::default(),
            hosts: Mutex::default(),
            scrubber: Scrubber::default(),
            owns: Mutex::default(),
            engines: OnceLock::new(),
            warned: Mutex::default(),
        }
    }

    pub(super) fn host(&self, registry: &Registry) -> Result<Arc<Host>, RegistryError> {
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(registry) {
            return Ok(Arc::clone(host));
        }
        let chunk_size = self.settings.registries.get(registry).and_then(|settings| settings.chunk_size);
        let (base, _) = self.base(registry)?;
        let slots = self.settings.concurrency.max(1);
        let host = Arc::new(Host {
            registry: registry.clone(),
            base,
            auth: auth::State::default(),
            chunk_size,
            wants_patch: AtomicBool::new(false),
            refused_following: AtomicBool::new(false),
            refuses_chunks: AtomicBool::new(false),
            reached: AtomicBool::new(false),
            not_before: Mutex::new(None),
            pull: Arc::new(Semaphore::new(slots)),
            push: Arc::new(Semaphore::new(slots)),
            documents: Arc::new(Semaphore::new(1)),
            clock: self.settings.clock.clone(),
        });
        hosts.insert(registry.clone(), Arc::clone(&host));
        Ok(host)
    }

    /// A registry's address, and why it is plain HTTP or not.
    pub(super) fn base(&self, registry: &Registry) -> Result<(Url, &'static str), RegistryError> {
        let own = self.own(registry);
        let (plain, why) = match own.settings.plain_http {
            Some(true) if own.is_engines() => {
                (true, "Docker's or Podman's files call it insecure, and it speaks no TLS")
            }
            Some(false) if own.is_engines() => (false, "Docker's or Podman's files have something for it"),
            Some(true) => (true, "`plain-http = true` is set"),
            Some(false) => (false, "`plain-http = false` is set"),
            None if registry.is_loopback() => (true, "it is on this machine"),
            None => (false, "TLS is the rule"),
        };
        let scheme = if plain { "http" } else { "https" };
        let authority = match registry.as_str() {
            DOCKER_HUB => "registry-1.docker.io",
            other => other,
        };
        let base = Url::parse(&format!("{scheme}://{authority}/"))
            .map_err(|error| RegistryError::Setup { host: registry.to_string(), why: error.to_string() })?;
        Ok((base, why))
    }

    /// Sends a request with what the registry wants to see, follows redirects of what can be sent again,
    /// and answers one 401 with a new token.
    ///
    /// Boxed, because it is large and all that waits for it would have room for it, once for each place: a
    /// thread's stack would be touched for 40 kB to ask whether a blob is there.
    pub(super) async fn send(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        request: Request,
    ) -> Result<Response, RegistryError> {
        Box::pin(self.send_here(host, access, context, request)).await
    }

    async fn send_here(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        mut request: Request,
    ) -> Result<Response, RegistryError> {
        let mut refreshed = false;
        let mut redirects = 0;
        loop {
            let authorization =
                if request.own { self.authorization(host, access, request.fresh).await? } else { None };
            let again = request.again();
            let response = self.exchange(host, context, request, authorization.as_ref()).await?;
            if response.status() == 401 && response.own && !refreshed {
                refreshed = true;
                if self.learn(host, access, &response, authorization.as_ref()).await?
                    && let Some(again) = again
                {
                    response.discard().await;
                    request = again;
                    continue;
                }
                return Ok(response);
            }
            let Some((next, mut again)) = redirect(&response).zip(again) else { return Ok(response) };
            redirects += 1;
            let refuse = |why: String| RegistryError::Location { context: Box::new(context.clone()), why };
            if redirects > MAX_REDIRECTS {
                return Err(refuse(format!("redirected more than {MAX_REDIRECTS} times")));
            }
            let target = location::resolve(&host.base, &response.url, next).map_err(refuse)?;
            // Who was once led away is not given credentials again on the way back.
            again.own = response.own && target.own;
            again.url = target.url;
            response.discard().await;
            request = again;
        }
    }

    /// One request, one answer, whatever its status.
    pub(super) async fn exchange(
        &self,
        host: &Host,
        context: &Context,
        request: Request,
        authorization: Option<&Authorization>,
    ) -> Result<Response, RegistryError> {
        host.turn().await;
        let way = self.way(&request.url)?;
        let client = self.client(&request.url, Bodies::of(&request.payload))?;
        let mut told = Told::new(&request, authorization, &way);
        let Request { method, url, own, mut headers, payload, .. } = request;
        if let Some(authorization) = authorization {
            headers.insert(reqwest::header::AUTHORIZATION, authorization.header.clone());
        }
        self.tell_headers('>', &headers);
        // The path alone: queries have secrets.
        let step = self.progress.step_with(Stage::Request, || format!("{method} {}", url.path()));
        let builder = client.request(method, url.clone()).headers(headers);
        let (timeouts, clock) = (&self.settings.timeouts, &self.settings.clock);
        let (result, local) = match payload {
            Payload::Upload(upload) => {
                let watch = upload.watch();
                let sent = builder.body(reqwest::Body::wrap(upload)).send();
                let result = tokio::select! {
                    biased;
                    what = watch.stalled(timeouts.idle, timeouts.commit) => Err(what),
                    result = sent => watch.late(timeouts.idle, timeouts.commit).map_or(Ok(result), Err),
                };
                (result, watch.take_error())
            }
            other => {
                let builder = match other {
                    Payload::Bytes(bytes) => builder.body(bytes),
                    _ => builder,
                };
                // The connection has its own limit, and is within this one.
                let limit = timeouts.connect + timeouts.header;
                let result = clock.within(limit, builder.send()).await;
                (result.ok_or("waiting for the answer"), None)
            }
        };
        let context = || Box::new(context.clone());
        if let Some(source) = local {
            // The content may be a blob of another registry, and that failed in its own way.
            return Err(match uncarry(source) {
                Ok(inner) => RegistryError::Source { context: context(), inner },
                Err(source) => RegistryError::Local { context: context(), source },
            });
        }
        let failed = match result {
            Ok(Ok(inner)) => {
                host.reached.store(true, Ordering::Relaxed);
                told.answered(&inner);
                tracing::info!("{told}");
                self.tell_headers('<', inner.headers());
                step.finish(0, inner.status().as_u16().to_string());
                return Ok(Response { inner, url, own, timeouts: *timeouts, clock: clock.clone() });
            }
            Ok(Err(error)) => match through(&way, fault(error)) {
                Fault::Broken(why) if self.may_be_dismissed(host, &url) => Fault::Dismissed(why),
                fault => fault,
            },
            Err(what) => Fault::Stalled(what),
        };
        told.outcome = failed.to_string();
        tracing::info!("{told}");
        let reached_before = host.reached.load(Ordering::Relaxed);
        Err(RegistryError::NoAnswer { context: context(), fault: failed, reached_before })
    }

    /// Whether a connection that breaks may be one that was ended for want of a certificate.
    fn may_be_dismissed(&self, host: &Host, url: &Url) -> bool {
        let shows_one = self.own(&host.registry).settings.client_cert.is_some();
        url.scheme() == "https" && !shows_one && !host.reached.load(Ordering::Relaxed)
    }

    /// The error that an answer means.
    pub(super) async fn failure(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        response: Response,
    ) -> RegistryError {
        let (status, own) = (response.status(), response.own);
        let answer = Box::new(response.answer(&self.scrubber).await);
        let context = Box::new(context.clone());
        if own && matches!(status, 401 | 403) {
            let Tried { what: tried, anonymous, advice } = self.tried(host, access).await;
            return RegistryError::Denied { context, answer, tried, anonymous, advice };
        }
        RegistryError::Refused { context, answer }
    }

    /// Runs what may be repeated until it succeeds or is not worth another try.
    pub(super) async fn retrying<T>(
        &self,
        host: &Host,
        mut operation: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut retry = self.retry();
        loop {
            match operation().await {
                Ok(value) => return Ok(value),
                Err(error) => host.pause(retry.after(error)?).await,
            }
        }
    }

    /// The tries of one unit of work, beginning now.
    pub(super) fn retry(&self) -> Retry {
        Retry::new(self.settings.retry, self.settings.clock.clone())
    }

    /// Tells headers, for `-vv`: without those that are secrets, and without secrets in the others.
    fn tell_headers(&self, mark: char, headers: &HeaderMap) {
        for (name, value) in headers {
            let is_secret = value.is_sensitive() || SECRET_HEADERS.contains(&name.as_str());
            let value = if is_secret { "…".into() } else { String::from_utf8_lossy(value.as_bytes()) };
            let value = if name == "location" { redacted_text(&value) } else { value.into_owned() };
            tracing::debug!("  {mark} {name}: {}", shorten(&self.scrubber.scrub(&value), 300));
        }
    }

    /// Warns of something, however often it is met.
    pub(super) fn warn_once(&self, text: &str) {
        if lock(&self.warned).insert(text.to_owned()) {
            self.progress.warn(text);
        }
    }

    /// How an address is reached.
    pub(super) fn way(&self, url: &Url) -> Result<Way, RegistryError> {
        let way = proxy::way(self.settings.proxy.as_ref(), url);
        way.map_err(|why| RegistryError::Proxy { host: location::host(url), why })
    }

    fn client(&self, url: &Url, bodies: Bodies) -> Result<reqwest::Client, RegistryError> {
        let registry = location::host(url).parse::<Registry>().ok();
        let own = registry.filter(|registry| {
            let own = self.own(registry);
            own.settings.skip_tls_verify
                || own.settings.ca_file.is_some()
                || own.settings.client_cert.is_some()
                || own.settings.client_key.is_some()
                || !own.authorities.is_empty()
        });
        let key = match own {
            // This is HTTP/1.1 in any case.
            _ if url.scheme() == "http" => (ClientKey::Plain, Bodies::Any),
            Some(registry) => (ClientKey::Own(registry), bodies),
            None => (ClientKey::System, bodies),
        };
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key, url)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// The files of authorities that count for a registry.
    pub(super) fn authorities<'a>(&'a self, own: Option<&'a Own>) -> Vec<&'a PathBuf> {
        let of_registry = own.into_iter().flat_map(|own| own.settings.ca_file.iter().chain(&own.authorities));
        self.settings.ca_files.iter().chain(of_registry).collect()
    }

    /// How a registry is reached: our own settings, and what they leave open from the files of Docker and Podman.
    pub(super) fn own(&self, registry: &Registry) -> Arc<Own> {
        if let Some(own) = lock(&self.owns).get(registry) {
            return Arc::clone(own);
        }
        let said = self.engines().of(registry);
        let own =
            Own::new(self.settings.registries.get(registry), said, registry, || self.speaks_tls(registry));
        let own = Arc::new(own);
        Arc::clone(lock(&self.owns).entry(registry.clone()).or_insert(own))
    }

    /// Whether a registry that may do without TLS speaks it. What is behind a proxy is taken to.
    fn speaks_tls(&self, registry: &Registry) -> bool {
        let Ok(url) = Url::parse(&format!("https://{registry}/")) else { return true };
        !matches!(self.way(&url), Ok(Way::Direct(_))) || speaks_tls(&url, self.settings.timeouts.connect)
    }

    fn engines(&self) -> &Engines {
        self.engines.get_or_init(|| Engines::read(&self.settings.engines, &self.progress))
    }

    /// Refuses to pull what `registries.conf` blocks.
    pub(super) fn check_not_blocked(&self, registry: &Registry, path: &str) -> Result<(), RegistryError> {
        match self.engines().blocking(registry, path) {
            Some(file) => {
                Err(RegistryError::Blocked { name: format!("{registry}/{path}"), file: file.to_owned() })
            }
            None => Ok(()),
        }
    }

    fn build(
        &self,
        (key, bodies): &(ClientKey, Bodies),
        url: &Url,
    ) -> Result<reqwest::Client, RegistryError> {
        let setup = |error: reqwest::Error| RegistryError::Setup {
            host: location::host(url),
            why: root_cause(&error.without_url()),
        };
        let settings = &self.settings;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(settings.user_agent.as_str())
            .connect_timeout(settings.timeouts.connect)
            // Shorter than what servers and balancers keep: a request on a closing connection is lost.
            .pool_idle_timeout(Duration::from_secs(30))
            .tls_backend_rustls();
        if let Some(proxies) = settings.proxy.clone() {
            builder = builder.proxy(Proxy::custom(move |url| match proxy::way(Some(&proxies), url) {
                Ok(Way::Through(proxy)) => Some(proxy.expose().clone()),
                _ => None,
            }));
        }
        let registry = match key {
            ClientKey::Plain => return builder.http1_only().tls_certs_only([]).build().map_err(setup),
            ClientKey::System => None,
            ClientKey::Own(registry) => Some(self.own(registry)),
        };
        let own = registry.as_deref();
        let registry = own.map(|own| &own.settings);
        if *bodies == Bodies::Large {
            builder = builder.http1_only();
        }
        let files = self.authorities(own);
        let identity = identity(registry)?;
        if registry.is_some_and(|registry| registry.skip_tls_verify) {
            builder = builder.tls_danger_accept_invalid_certs(true);
            if let Some((path, pem)) = identity {
                builder =
                    builder.identity(Identity::from_pem(&pem).map_err(|error| certificate(path, &error))?);
            }
        } else if !files.is_empty() || identity.is_some() {
            let identity = identity.map(|(path, pem)| (path.as_path(), pem));
            let mut config = tls::config(&files, identity)?;
            if *bodies == Bodies::Large {
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
            }
            builder = builder.tls_backend_preconfigured(config);
        }
        builder.build().map_err(setup)
    }
}

/// The certificate that a registry is shown, and its key.
pub(super) fn identity(
    registry: Option<&RegistrySettings>,
) -> Result<Option<(&PathBuf, Vec<u8>)>, RegistryError> {
    let Some(registry) = registry else { return Ok(None) };
    let Some(path) = &registry.client_cert else {
        return match &registry.client_key {
            None => Ok(None),
            Some(key) => Err(RegistryError::Certificate {
                path: key.clone(),
                why: "a `client-key` needs a `client-cert`".to_owned(),
            }),
        };
    };
    let mut pem = read(path)?;
    if let Some(key) = &registry.client_key {
        pem.push(b'\n');
        pem.extend(read(key)?);
    }
    Ok(Some((path, pem)))
}

/// Headers that are never printed.
const SECRET_HEADERS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "docker-upload-uuid"];

/// Names in queries whose values are no secrets.
const OPEN_QUERY: [&str; 6] = ["digest", "mount", "from", "scope", "service", "n"];

/// An address without the values of its query: they may be signatures.
pub(super) fn redacted(url: &Url) -> String {
    let mut text = format!("{}://{}{}", url.scheme(), location::host(url), url.path());
    let mut separator = '?';
    for (name, value) in url.query_pairs() {
        let is_open = OPEN_QUERY.contains(&name.as_ref());
        let value = if is_open { shorten(&value, 100) } else { "…".to_owned() };
        text.push_str(&format!("{separator}{}={value}", shorten(&name, 40)));
        separator = '&';
    }
    text
}

/// The same for an address that may be relative.
fn redacted_text(location: &str) -> String {
    match (Url::parse(location), location.split_once('?')) {
        (Ok(url), _) => redacted(&url),
        (Err(_), Some((path, _))) => format!("{path}?…"),
        (Err(_), None) => location.to_owned(),
    }
}

/// What `-v` tells of a request.
struct Told {
    request: String,
    begun: Instant,
    sent: u64,
    outcome: String,
}

impl Told {
    fn new(request: &Request, authorization: Option<&Authorization>, way: &Way) -> Self {
        let mut text = format!("{} {}", request.method, redacted(&request.url));
        if let Way::Through(proxy) = way {
            text.push_str(&format!(" through {proxy}"));
        }
        let source = authorization.map_or("no login", |authorization| authorization.source.as_str());
        text.push_str(&format!(" with {source}"));
        let sent = match &request.payload {
            Payload::Nothing => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Upload(upload) => http_body::Body::size_hint(upload).exact().unwrap_or(0),
        };
        Self { request: text, begun: Instant::now(), sent, outcome: String::new() }
    }

    fn answered(&mut self, answer: &reqwest::Response) {
        self.outcome = answer.status().as_u16().to_string();
        if let Some(length) = answer.content_length().filter(|length| *length > 0) {
            self.outcome.push_str(&format!(", {length} bytes"));
        }
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.begun.elapsed().as_millis();
        write!(f, "{}: {} after {millis} ms", self.request, self.outcome)?;
        if self.sent > 0 { write!(f, ", {} bytes sent", self.sent) } else { Ok(()) }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    crate::runtime::input::read(path, MAX_TEXT)
        .map_err(|error| RegistryError::Certificate { path: path.to_owned(), why: error.to_string() })
}

fn certificate(path: &Path, error: &reqwest::Error) -> RegistryError {
    RegistryError::Certificate { path: path.to_owned(), why: root_cause(error) }
}

/// Where an answer redirects to, if it does.
fn redirect(response: &Response) -> Option<&str> {
    // 303 and the rest are for what has no body; uploads are never redirected to another method.
    matches!(response.status(), 301 | 302 | 303 | 307 | 308).then(|| response.header("location"))?
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| {
        // An I/O error shows its inner error as itself and names only the source of that one.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner as &(dyn std::error::Error + 'static)))
    })
}

fn root_cause(error: &reqwest::Error) -> String {
    shorten(&causes(error).last().map(ToString::to_string).unwrap_or_default(), 300)
}

/// What a failure means where a proxy stands between: it is the proxy that was connected to.
fn through(way: &Way, fault: Fault) -> Fault {
    match (way, &fault) {
        (Way::Through(proxy), Fault::Refused | Fault::UnknownHost(_)) => {
            Fault::Proxy(format!("{proxy} cannot be reached: {fault}"))
        }
        (Way::Through(proxy), Fault::Broken(why)) if why.contains("tunnel") || why.contains("proxy auth") => {
            Fault::NoTunnel(format!("{proxy} does not connect to it: {why}"))
        }
        _ => fault,
    }
}

/// What a failure of the HTTP library means.
fn fault(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    for cause in causes(&error) {
        match cause.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(why)) => {
                return Fault::Untrusted(why.into());
            }
            Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
                return Fault::NotTls;
            }
            Some(other) => return Fault::Tls(shorten(&other.to_string(), 300)),
            None => {}
        }
        if cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
            == Some(std::io::ErrorKind::ConnectionRefused)
        {
            return Fault::Refused;
        }
    }
    let why = root_cause(&error);
    if error.is_dns() {
        return Fault::UnknownHost(why);
    }
    if error.is_timeout() {
        return Fault::Stalled("connecting");
    }
    // HTTP/2 passes on no more than the words.
    if why.contains("received fatal alert") {
        return Fault::Tls(why);
    }
    if why.starts_with("invalid HTTP") {
        return Fault::NotHttp(why);
    }
    Fault::Broken(why)
}

/// The context of a step on a named part of a repository.
pub(super) fn context(registry: &Registry, step: Step, path: &str, name: &str) -> Context {
    let separator = if name.starts_with("sha256:") { '@' } else { ':' };
    Context { registry: registry.clone(), step, subject: format!("{path}{separator}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_error_body() {
        let explain = |body: &[u8]| explain(body, body == b"<html>", &Scrubber::default());
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u0007 way","detail":{"x":1}}]}"#;
        assert_eq!(explain(body), (Some("DENIED".to_owned()), "no way".to_owned()));
        assert_eq!(explain(b"<html>"), (None, "an HTML page".to_owned()));
        assert_eq!(explain(b" plain\ntext "), (None, "plain text".to_owned()));
        assert_eq!(explain(br#"{"errors":[]}"#).0, None);
        assert_eq!(explain(br#"{"errors":[{"code":7}]}"#).0, Some("7".to_owned()));
        assert_eq!(explain(b"\xff\xfe").0, None);
        // What is no strict JSON of this kind is text.
        for odd in [
            r#"{"errors":[{"code":"A","code":"B"}]}"#,
            r#"{"errors":[{"code":"A","Code":"B"}]}"#,
            r#"{"errors":[],"Errors":[{"code":"B"}]}"#,
            r#"[[["A","no"]]]"#,
            r#"{"errors":[["A","no"]]}"#,
        ] {
            assert_eq!(explain(odd.as_bytes()), (None, odd.to_owned()));
        }
        let raw = br#"{"errors":[{"code":{"$serde_json::private::RawValue":"[1"},"message":null}]}"#;
        let code = r#"{"$serde_json::private::RawValue":"[1"}"#;
        assert_eq!(explain(raw), (Some(code.to_owned()), String::new()));
    }

    #[test]
    fn a_secret_that_json_writes_in_another_way_is_taken_out() {
        let scrubber = Scrubber::default();
        scrubber.learn("hunter/2\"");
        let body = br#"{"errors":[{"code":"\u0068unter\/2\"","message":"not \u0068unter\/2\u0022 again"}]}"#;
        assert_eq!(explain(body, false, &scrubber), (Some("…".to_owned()), "not … again".to_owned()));
    }

    #[test]
    fn finds_the_digests_that_a_message_names() {
        let digest = Digest::of(b"x");
        let text = format!(r#"{{"detail":{{"Digest":"{digest}"}}}} sha256:short {digest}é sha256:"#);
        assert_eq!(digests(&text), [digest, digest]);
    }
}
