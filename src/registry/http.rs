//! One request and its answer: hosts, clients, time limits, redirects, what a failure means.
//!
//! No library below may redirect, retry, decompress or read the environment's proxies: all of that is
//! decided here, because it decides where credentials go. Nothing is opened before the first request to a
//! host, and a host without TLS never loads the system's certificates.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Identity, Method, NoProxy, Proxy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::auth::{self, Access, Authorization};
use super::clock::Clock;
use super::error::{Answer, Context, Fault, RegistryError, Step, shorten};
use super::location;
use super::retry::{Pause, Retry, retry_after};
use super::settings::Settings;
use super::tls;
use super::upload::Upload;
use crate::digest::Digest;
use crate::reference::{DOCKER_HUB, Registry};

/// An error or token answer that is longer is cut or refused.
pub(super) const MAX_ANSWER: u64 = 64 << 10;
/// A download may be redirected so often.
const MAX_REDIRECTS: u32 = 10;

/// All hosts of one client.
pub(super) struct Http {
    pub(super) settings: Settings,
    clients: Mutex<BTreeMap<ClientKey, reqwest::Client>>,
    hosts: Mutex<BTreeMap<Registry, Arc<Host>>>,
}

/// One connection pool for each way of setting up TLS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ClientKey {
    Plain,
    System,
    Own(Registry),
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
    idle: Duration,
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
        match self.clock.within(self.idle, self.inner.chunk()).await {
            Some(Ok(chunk)) => Ok(chunk),
            Some(Err(error)) => Err(fault(error)),
            None => Err(Fault::Stalled("reading the answer")),
        }
    }

    /// The body, if it has at most `limit` bytes.
    pub(super) async fn body(mut self, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }

    /// Reads a short rest, so that the connection can be used again.
    pub(super) async fn discard(self) {
        if self.content_length().is_some_and(|length| length <= MAX_ANSWER) {
            let _ = self.body(MAX_ANSWER).await;
        }
    }

    /// What the registry says, for an answer that is not the one hoped for.
    async fn answer(mut self) -> Answer {
        let status = self.status();
        let retry_after = retry_after(self.header("retry-after"), self.header("date"));
        let host = (!self.own).then(|| location::host(&self.url));
        let is_html = self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let mut body = Vec::new();
        // Not more than the limit, and a broken rest is no reason to lose the status.
        while let Ok(Some(chunk)) = self.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() as u64 >= MAX_ANSWER {
                break;
            }
        }
        let (code, message) = explain(&body, is_html);
        let digests = digests(&String::from_utf8_lossy(&body));
        Answer { status, code, message, retry_after, host, digests }
    }
}

/// Code and message of an error body: `{"errors":[{"code","message","detail"}]}` or whatever it is.
fn explain(body: &[u8], is_html: bool) -> (Option<String>, String) {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(default)]
        code: Option<serde_json::Value>,
        #[serde(default)]
        message: Option<String>,
    }
    if let Ok(Body { errors }) = serde_json::from_slice(body)
        && let Some(entry) = errors.into_iter().next()
    {
        let code = entry.code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        return (code.map(|code| shorten(&code, 60)), shorten(&entry.message.unwrap_or_default(), 300));
    }
    let text = String::from_utf8_lossy(body);
    (None, if is_html { "an HTML page".to_owned() } else { shorten(&text, 300) })
}

/// All digests that a text names.
fn digests(text: &str) -> Vec<Digest> {
    text.match_indices("sha256:").filter_map(|(at, _)| text.get(at..at + 71)?.parse().ok()).collect()
}

impl Http {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, clients: Mutex::default(), hosts: Mutex::default() }
    }

    pub(super) fn host(&self, registry: &Registry) -> Result<Arc<Host>, RegistryError> {
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(registry) {
            return Ok(Arc::clone(host));
        }
        let settings = self.settings.registries.get(registry);
        let plain =
            settings.and_then(|settings| settings.plain_http).unwrap_or_else(|| registry.is_loopback());
        let scheme = if plain { "http" } else { "https" };
        let authority = match registry.as_str() {
            DOCKER_HUB => "registry-1.docker.io",
            other => other,
        };
        let base = Url::parse(&format!("{scheme}://{authority}/"))
            .map_err(|error| RegistryError::Setup { host: registry.to_string(), why: error.to_string() })?;
        let slots = self.settings.concurrency.max(1);
        let host = Arc::new(Host {
            registry: registry.clone(),
            base,
            auth: auth::State::default(),
            chunk_size: settings.and_then(|settings| settings.chunk_size),
            wants_patch: AtomicBool::new(false),
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

    /// Sends a request with what the registry wants to see, follows redirects of what can be sent again,
    /// and answers one 401 with a new token.
    pub(super) async fn send(
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
        let client = self.client(&request.url)?;
        let Request { method, url, own, mut headers, payload, .. } = request;
        if let Some(authorization) = authorization {
            headers.insert(reqwest::header::AUTHORIZATION, authorization.header.clone());
        }
        tracing::debug!(%method, host = location::host(&url), path = url.path(), "request");
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
            return Err(match source.downcast::<RegistryError>() {
                Ok(source) => RegistryError::Source { context: context(), source: Box::new(source) },
                Err(source) => RegistryError::Local { context: context(), source },
            });
        }
        let failed = match result {
            Ok(Ok(inner)) => {
                host.reached.store(true, Ordering::Relaxed);
                tracing::debug!(status = inner.status().as_u16(), "answer");
                return Ok(Response { inner, url, own, idle: timeouts.idle, clock: clock.clone() });
            }
            Ok(Err(error)) => fault(error),
            Err(what) => Fault::Stalled(what),
        };
        tracing::debug!(%failed, "no answer");
        let reached_before = host.reached.load(Ordering::Relaxed);
        Err(RegistryError::NoAnswer { context: context(), fault: failed, reached_before })
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
        let answer = Box::new(response.answer().await);
        let context = Box::new(context.clone());
        if own && matches!(status, 401 | 403) {
            let (tried, anonymous) = self.tried(host, access).await;
            return RegistryError::Denied { context, answer, tried, anonymous };
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

    fn client(&self, url: &Url) -> Result<reqwest::Client, RegistryError> {
        let registry = location::host(url).parse::<Registry>().ok();
        let own = registry.filter(|registry| {
            self.settings.registries.get(registry).is_some_and(|settings| {
                settings.skip_tls_verify || settings.ca_file.is_some() || settings.client_cert.is_some()
            })
        });
        let key = match own {
            _ if url.scheme() == "http" => ClientKey::Plain,
            Some(registry) => ClientKey::Own(registry),
            None => ClientKey::System,
        };
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key, url)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, key: &ClientKey, url: &Url) -> Result<reqwest::Client, RegistryError> {
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
        if let Some(proxy) = &settings.proxy {
            let direct = format!("localhost,127.0.0.0/8,::1,{}", proxy.no_proxy);
            let no_proxy = || NoProxy::from_string(&direct);
            if let Some(https) = &proxy.https {
                builder = builder.proxy(Proxy::https(https.expose()).map_err(setup)?.no_proxy(no_proxy()));
            }
            if let Some(http) = &proxy.http {
                builder = builder.proxy(Proxy::http(http.expose()).map_err(setup)?.no_proxy(no_proxy()));
            }
        }
        let registry = match key {
            ClientKey::Plain => return builder.http1_only().tls_certs_only([]).build().map_err(setup),
            ClientKey::System => None,
            ClientKey::Own(registry) => settings.registries.get(registry),
        };
        let files: Vec<_> =
            settings.ca_files.iter().chain(registry.and_then(|registry| registry.ca_file.as_ref())).collect();
        let identity = match registry.and_then(|registry| registry.client_cert.as_ref()) {
            None => None,
            Some(path) => {
                let mut pem = read(path)?;
                if let Some(key) = registry.and_then(|registry| registry.client_key.as_ref()) {
                    pem.push(b'\n');
                    pem.extend(read(key)?);
                }
                Some((path, pem))
            }
        };
        if registry.is_some_and(|registry| registry.skip_tls_verify) {
            builder = builder.tls_danger_accept_invalid_certs(true);
            if let Some((path, pem)) = identity {
                builder =
                    builder.identity(Identity::from_pem(&pem).map_err(|error| certificate(path, &error))?);
            }
        } else if !files.is_empty() || identity.is_some() {
            let identity = identity.map(|(path, pem)| (path.as_path(), pem));
            builder = builder.tls_backend_preconfigured(tls::config(&files, identity)?);
        }
        builder.build().map_err(setup)
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path)
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
        // An I/O error passes its inner error off as itself and names only that one's source.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner as &(dyn std::error::Error + 'static)))
    })
}

fn root_cause(error: &reqwest::Error) -> String {
    shorten(&causes(error).last().map(ToString::to_string).unwrap_or_default(), 300)
}

/// What a failure of the HTTP library means.
fn fault(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    for cause in causes(&error) {
        match cause.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(why)) => {
                return Fault::Untrusted(shorten(&why.to_string(), 300));
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
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u0007 way","detail":{"x":1}}]}"#;
        assert_eq!(explain(body, false), (Some("DENIED".to_owned()), "no way".to_owned()));
        assert_eq!(explain(b"<html>", true), (None, "an HTML page".to_owned()));
        assert_eq!(explain(b" plain\ntext ", false), (None, "plain text".to_owned()));
        assert_eq!(explain(br#"{"errors":[]}"#, false).0, None);
        assert_eq!(explain(br#"{"errors":[{"code":7}]}"#, false).0, Some("7".to_owned()));
        assert_eq!(explain(b"\xff\xfe", false).0, None);
    }

    #[test]
    fn finds_the_digests_that_a_message_names() {
        let digest = Digest::of(b"x");
        let text = format!(r#"{{"detail":{{"Digest":"{digest}"}}}} sha256:short {digest}é sha256:"#);
        assert_eq!(digests(&text), [digest, digest]);
    }
}
