//! Explaining, step by step, how a registry is reached and what it lets us do.
//!
//! Each step says what was done and what came of it, and a step that fails says what to do. It takes the same
//! decisions by the same code as a build; only addresses and certificates are looked at separately, because the
//! HTTP library does not show them. No secret is part of any step.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};
use serde::Serialize;
use url::Url;

use super::advice::{self, Distrust};
use super::auth::Access;
use super::challenge::{self, Challenge};
use super::credentials::Found;
use super::error::{Context, RegistryError, Step, shorten};
use super::http::{Host, Http, Request, Response, identity, redacted};
use super::location;
use super::proxy::{ProxyUrl, Way};
use super::tls;
use super::x509;
use crate::oci::MediaType;
use crate::types::digest::Digest;
use crate::types::error::Explain;
use crate::types::reference::{DOCKER_HUB, Registry, Repository, Scope};
use crate::types::shown::shown_path;
use crate::types::time::rfc3339;

/// A difference of clocks that tokens can fail by.
const SKEW: u64 = 60;
/// A certificate that ends so soon is worth a word.
const SOON: u64 = 14 * 86_400;
/// The head of a proxy's answer is not longer.
const MAX_HEAD: usize = 16 << 10;
/// So many of a host's addresses are tried.
const MAX_ADDRESSES: usize = 8;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// Worth knowing, and no reason for failure.
    Note,
    /// This is what fails.
    Bad,
    /// Not tried: an earlier step failed, or it was not asked for.
    Skipped,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about, in a word or two.
    pub name: &'static str,
    /// How it went.
    pub health: Health,
    /// What was found, a sentence each.
    pub found: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// All steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// What was looked at.
    pub scope: String,
    /// Whether no step is bad.
    pub well: bool,
    /// The steps, in order.
    pub checks: Vec<Check>,
}

impl Check {
    fn new(name: &'static str, health: Health, found: impl Into<String>) -> Self {
        Self { name, health, found: vec![found.into()], advice: None }
    }

    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Health::Good, found)
    }

    fn skipped(name: &'static str, why: &str) -> Self {
        Self::new(name, Health::Skipped, why)
    }

    fn bad(name: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { advice: Some(advice.to_owned()), ..Self::new(name, Health::Bad, found) }
    }

    fn failed(name: &'static str, error: &RegistryError) -> Self {
        Self { advice: error.hint(), ..Self::new(name, Health::Bad, error.to_string()) }
    }

    fn and(mut self, found: impl Into<String>) -> Self {
        self.found.push(found.into());
        self
    }

    /// Adds what is worth knowing, and makes a good step one of note.
    fn note(mut self, found: impl Into<String>) -> Self {
        if self.health == Health::Good {
            self.health = Health::Note;
        }
        self.and(found)
    }
}

/// Examines a registry, or a repository in it. With `push`, an upload is begun and cancelled.
///
/// `now` is the time, which clocks and certificates are compared with.
pub(super) async fn diagnose(http: &Arc<Http>, scope: &Scope, push: bool, now: SystemTime) -> Diagnosis {
    let begun = Instant::now();
    let mut checks = Vec::new();
    let reached = reach(http, scope.registry(), now, &mut checks).await;
    let logins = logins(http, scope).await;
    checks.push(logins);
    if reached {
        protocol(http, scope, push, now, begun, &mut checks).await;
    } else {
        let rest = ["registry", "login", "pull", "push", "referrers"];
        checks.extend(rest.map(|name| Check::skipped(name, "not tried: it cannot be reached")));
    }
    let well = checks.iter().all(|check| check.health != Health::Bad);
    Diagnosis { scope: scope.to_string(), well, checks }
}

/// Name, proxy, network and certificate. Answers whether the rest makes sense.
async fn reach(http: &Arc<Http>, registry: &Registry, now: SystemTime, checks: &mut Vec<Check>) -> bool {
    let (base, why) = match http.base(registry) {
        Ok(base) => base,
        Err(error) => {
            checks.push(Check::failed("address", &error));
            return false;
        }
    };
    checks.push(address(http, registry, &base, why));
    let way = match http.way(&base) {
        Ok(way) => way,
        Err(error) => {
            checks.push(Check::failed("proxy", &error));
            return false;
        }
    };
    let proxy = match &way {
        Way::Direct(why) => {
            checks.push(Check::good("proxy", format!("none is used: {why}")));
            None
        }
        Way::Through(proxy) => {
            checks.push(Check::good("proxy", format!("{proxy} is used")));
            Some(proxy.clone())
        }
    };
    let (http, registry) = (Arc::clone(http), registry.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let mut checks = Vec::new();
        let reached = connect(&http, &registry, &base, proxy.as_ref(), now, &mut checks);
        (reached, checks)
    });
    match looked.await {
        Ok((reached, mut found)) => {
            checks.append(&mut found);
            reached
        }
        Err(error) => {
            checks.push(Check::bad("network", error.to_string(), "run it again"));
            false
        }
    }
}

fn address(http: &Http, registry: &Registry, base: &Url, why: &str) -> Check {
    let speech = if base.scheme() == "http" { "plain HTTP" } else { "TLS" };
    let mut check = Check::good("address", format!("{registry} is {base}")).and(format!("{speech}: {why}"));
    if registry.as_str() == DOCKER_HUB {
        check = check.and("logins for it are kept under `https://index.docker.io/v1/`");
    }
    let own = http.own(registry);
    let settings = &own.settings;
    for note in &own.notes {
        check = check.and(note.as_str());
    }
    if settings.skip_tls_verify && !own.is_engines() {
        check = check.note("`skip-tls-verify` is set: anyone on the way can read and change what is sent");
    }
    if let Some(chunk) = settings.chunk_size {
        check = check.and(format!("blobs are sent in pieces of {chunk} bytes"));
    }
    for mirror in &settings.mirrors {
        check = check.and(format!("pulls ask {} first", mirror.name()));
    }
    check
}

/// Connects step by step. Answers whether the rest makes sense.
fn connect(
    http: &Http,
    registry: &Registry,
    base: &Url,
    proxy: Option<&ProxyUrl>,
    now: SystemTime,
    checks: &mut Vec<Check>,
) -> bool {
    let target = proxy.map_or(base, ProxyUrl::expose);
    let timeout = http.settings.timeouts.connect;
    let (mut stream, check) = match dial(target, proxy.is_none().then_some(registry), timeout) {
        Ok(dialled) => dialled,
        Err(check) => {
            checks.push(check);
            return false;
        }
    };
    checks.push(check);
    if base.scheme() == "http" {
        return true;
    }
    if let Some(proxy) = proxy {
        if proxy.expose().scheme() == "https" {
            checks.push(Check::skipped(
                "certificate",
                "not looked at: it is behind a proxy with TLS of its own",
            ));
            return true;
        }
        if let Err(why) = tunnel(&mut stream, proxy, base) {
            let advice = match why.contains(" 407") {
                true => "check the proxy's user and password in HTTPS_PROXY".to_owned(),
                false => advice::no_tunnel(registry),
            };
            checks.push(Check::bad("tunnel", format!("the proxy {proxy} answers: {why}"), &advice));
            return false;
        }
        checks.push(Check::good("tunnel", "the proxy connects to it"));
    }
    let check = certificate(http, registry, base, stream, now);
    let reached = check.health != Health::Bad;
    checks.push(check);
    reached
}

fn dial(target: &Url, registry: Option<&Registry>, timeout: Duration) -> Result<(Limited, Check), Check> {
    const NAME: &str = "network";
    let host = target.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = target.port_or_known_default().unwrap_or(443);
    let begun = Instant::now();
    let addresses: Vec<SocketAddr> = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses.take(MAX_ADDRESSES).collect(),
        Err(error) => {
            let advice = match registry
                .filter(|registry| registry.host() == host || registry.as_str() == DOCKER_HUB)
            {
                Some(registry) => advice::unknown_host(registry),
                None => advice::NO_PROXY_THERE.to_owned(),
            };
            return Err(Check::bad(NAME, format!("`{host}` does not resolve: {error}"), &advice));
        }
    };
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let resolved = format!("`{host}` is {} ({} ms)", ips.join(", "), begun.elapsed().as_millis());
    let mut check = Check::good(NAME, resolved);
    for address in addresses {
        let begun = Instant::now();
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                let check = check.and(format!("{address} accepts ({} ms)", begun.elapsed().as_millis()));
                return Ok((Limited { stream, end: Instant::now() + timeout }, check));
            }
            Err(error) => check = check.and(format!("{address} does not accept: {error}")),
        }
    }
    check.health = Health::Bad;
    check.advice = Some("check the port, that the server runs, and firewalls on the way".to_owned());
    Err(check)
}

/// A connection that everything on must have an end by some time, however slowly the other side goes on.
struct Limited {
    stream: TcpStream,
    end: Instant,
}

impl Limited {
    fn left(&self) -> std::io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Has an HTTP proxy connect to `target` (RFC 9110, 9.3.6).
fn tunnel(stream: &mut Limited, proxy: &ProxyUrl, target: &Url) -> Result<(), String> {
    let port = target.port_or_known_default().unwrap_or(443);
    let authority = format!("{}:{port}", target.host_str().unwrap_or_default());
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    let url = proxy.expose();
    if !url.username().is_empty() {
        let plain = |text: &str| {
            let pairs = format!("x={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(pairs.as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let pair = format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default()));
        request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(pair)));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    let mut byte = [0];
    // Byte by byte: what follows the head is the registry's.
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        match stream.read(&mut byte) {
            Ok(0) => return Err("nothing".to_owned()),
            Ok(_) => head.push(byte[0]),
            Err(error) => return Err(error.to_string()),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let first = shorten(head.lines().next().unwrap_or_default(), 100);
    if first.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) { Ok(()) } else { Err(first) }
}

/// What TLS showed.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    version: String,
    protocol: String,
}

fn handshake(
    mut stream: Limited,
    name: &ServerName<'static>,
    config: ClientConfig,
) -> Result<Shown, rustls::Error> {
    let mut connection = ClientConnection::new(Arc::new(config), name.clone())?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| match error.downcast::<rustls::Error>() {
            Ok(error) => error,
            Err(error) => rustls::Error::General(error.to_string()),
        })?;
    }
    let chain = connection.peer_certificates().unwrap_or_default().iter().map(|one| one.clone().into_owned());
    let protocol = connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(Shown {
        chain: chain.collect(),
        version: connection.protocol_version().map_or("TLS", version).to_owned(),
        protocol: match protocol.as_deref() {
            Some("h2") => "HTTP/2".to_owned(),
            _ => "HTTP/1.1".to_owned(),
        },
    })
}

const fn version(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "TLS",
    }
}

fn certificate(http: &Http, registry: &Registry, base: &Url, stream: Limited, now: SystemTime) -> Check {
    const NAME: &str = "certificate";
    let own = http.own(registry);
    let settings = Some(&own.settings);
    let host = base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let seen = || -> Result<_, Check> {
        let identity = identity(settings).map_err(|error| Check::failed(NAME, &error))?;
        let config = tls::curious(identity.map(|(path, pem)| (path.as_path(), pem)));
        let config = config.map_err(|error| Check::failed(NAME, &error))?;
        let name = ServerName::try_from(host.clone());
        let name =
            name.map_err(|error| Check::bad(NAME, error.to_string(), "use the registry's host name"))?;
        let shown = handshake(stream, &name, config).map_err(|error| no_tls(registry, &error))?;
        Ok((name, shown))
    };
    let (name, shown) = match seen() {
        Ok(seen) => seen,
        Err(check) => return check,
    };
    let mut check = Check::good(NAME, format!("{}, {}", shown.version, shown.protocol));
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let read = shown.chain.first().and_then(|first| x509::read(first));
    if let Some(read) = &read {
        let date = |time| rfc3339(time).unwrap_or_else(|_| "a time after the year 9999".to_owned());
        let [from, until] = [read.not_before, read.not_after].map(|time| u64::try_from(time).unwrap_or(0));
        check = check
            .and(format!("it is {}, for {}", read.subject, shorten(&read.names.join(", "), 200)))
            .and(format!("signed by {}", read.issuer))
            .and(format!("good from {} until {}", date(from), date(until)));
        if until > now && until - now < SOON {
            check = check.note(format!("it ends in {} days", (until - now) / 86_400));
        }
    }
    if let Some(path) = settings.and_then(|settings| settings.client_cert.as_ref()) {
        check = check.and(format!("`{}` is shown to it if it asks", shown_path(path)));
    }
    if settings.is_some_and(|settings| settings.skip_tls_verify) {
        let why =
            if own.is_engines() { "a file of Docker or Podman says so" } else { "`skip-tls-verify` is set" };
        return check.note(format!("it is not checked: {why}"));
    }
    trust(http, registry, &shown.chain, &name, check)
}

/// Whom the certificate is trusted by, if by anyone.
fn trust(
    http: &Http,
    registry: &Registry,
    chain: &[CertificateDer<'static>],
    name: &ServerName<'static>,
    check: Check,
) -> Check {
    let own = http.own(registry);
    let files = http.authorities(Some(&own));
    let judged = |files: &[&PathBuf]| match tls::judge(files) {
        Ok(judge) => tls::verdict(&judge, chain, name),
        Err(error) => Err(Distrust::Other(error.to_string())),
    };
    let system = judged(&[]);
    let Err(mut why) = system else { return check.and("trusted by the system's authorities") };
    for file in files {
        match judged(&[file]) {
            Ok(()) => return check.and(format!("trusted by `{}`", shown_path(file))),
            Err(other) => why = other,
        }
    }
    let looked = match http.authorities(Some(&own)) {
        files if files.is_empty() => "the system's authorities".to_owned(),
        files => {
            let names: Vec<String> = files.iter().map(|file| format!("`{}`", shown_path(file))).collect();
            format!("the system's authorities nor {}", names.join(" nor "))
        }
    };
    let mut check = check.and(format!("not trusted by {looked}: {why}"));
    check.health = Health::Bad;
    check.advice = Some(why.advice(registry));
    check
}

fn no_tls(registry: &Registry, error: &rustls::Error) -> Check {
    const NAME: &str = "certificate";
    match error {
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            Check::bad(NAME, "the server does not speak TLS", &advice::no_tls(registry))
        }
        other => Check::bad(
            NAME,
            format!("TLS failed: {}", shorten(&other.to_string(), 200)),
            "see the server's log",
        ),
    }
}

/// The places that logins are looked for in.
async fn logins(http: &Http, scope: &Scope) -> Check {
    const NAME: &str = "credentials";
    if let Some((user, _)) = http.settings.registries.get(scope.registry()).and_then(|own| own.login.as_ref())
    {
        return Check::good(NAME, format!("the login `{user}` was given"));
    }
    let (credentials, scope) = (http.settings.credentials.clone(), scope.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let mut places = Vec::new();
        let found = credentials.search(&scope, &mut |place, what| places.push(format!("{place}: {what}")));
        (found, places)
    });
    let Ok((found, places)) = looked.await else { return Check::skipped(NAME, "the lookup failed") };
    let mut check = Check { name: NAME, health: Health::Good, found: places, advice: None };
    match found {
        Ok(Found { credential: Some(credential), .. }) => {
            check.and(format!("{} is used", credential.describe()))
        }
        Ok(found) => {
            check.advice = found.advice();
            let check =
                found.passed_over.iter().fold(check, |check, passed_over| check.and(passed_over.to_string()));
            check.note("none fits: access is anonymous")
        }
        Err(error) => {
            check.health = Health::Bad;
            check.advice = Some("mend or remove what is broken there".to_owned());
            check.and(error.to_string())
        }
    }
}

/// What the registry says.
async fn protocol(
    http: &Http,
    scope: &Scope,
    push: bool,
    now: SystemTime,
    begun: Instant,
    checks: &mut Vec<Check>,
) {
    let repository = repository(scope);
    let names = ["login", "pull", "push", "referrers"];
    let host = match http.host(scope.registry()) {
        Ok(host) => host,
        Err(error) => {
            checks.push(Check::failed("registry", &error));
            return;
        }
    };
    let context = |step, subject: &str| Context {
        registry: scope.registry().clone(),
        step,
        subject: subject.to_owned(),
    };
    let ping = Request::new(Method::GET, host.url("/v2/"));
    let response = http.exchange(&host, &context(Step::Ping, "whether it is a registry"), ping, None).await;
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            checks.push(Check::failed("registry", &error));
            checks.extend(names.map(|name| Check::skipped(name, "not tried: it does not answer")));
            return;
        }
    };
    let challenges = challenge::parse(response.headers("www-authenticate"));
    let mut check = greeting(&response, &challenges, now + begun.elapsed());
    if check.health == Health::Bad && response.status() == 400 {
        // The body says what was wrong about the request.
        let access = Access::none(scope);
        let error = http.failure(&host, &access, &context(Step::Ping, "it"), response).await;
        check.advice = error.hint().or(check.advice);
        checks.push(check.and(error.to_string()));
        checks.extend(names.map(|name| Check::skipped(name, "not tried: it is no registry")));
        return;
    }
    let is_registry = check.health != Health::Bad;
    checks.push(check);
    if !is_registry {
        checks.extend(names.map(|name| Check::skipped(name, "not tried: it is no registry")));
        return;
    }
    let access = repository.as_ref().map_or_else(|| Access::none(scope), Access::pull);
    let check = login(http, &host, &access, &response, &challenges).await;
    let known = check.health != Health::Bad;
    checks.push(check);
    response.discard().await;
    let Some(repository) = repository.filter(|_| known) else {
        let why = if known { "not tried: no repository was named" } else { "not tried: the login fails" };
        checks.extend(["pull", "push", "referrers"].map(|name| Check::skipped(name, why)));
        return;
    };
    checks.push(pull(http, &host, &repository).await);
    checks.push(match push {
        true => upload(http, &host, &repository).await,
        false => Check::skipped("push", "not tried: `--push` begins an upload and cancels it"),
    });
    checks.push(referrers(http, &host, &repository).await);
}

/// The repository that is meant, if a path was given.
fn repository(scope: &Scope) -> Option<Repository> {
    (!scope.path().is_empty()).then(|| scope.to_string().parse().ok())?
}

fn greeting(response: &Response, challenges: &[Challenge], now: SystemTime) -> Check {
    const NAME: &str = "registry";
    let status = response.status();
    let mut check = Check::good(NAME, format!("`GET /v2/` answers {status}"));
    let api = response.header("docker-distribution-api-version");
    let is_html = response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    if !matches!(status, 200 | 401) || (status == 200 && is_html) {
        check.health = Health::Bad;
        check.advice = Some(match status {
            407 => "the proxy wants a login: write it into HTTPS_PROXY or HTTP_PROXY".to_owned(),
            500..=599 => "the registry or a proxy before it is in trouble: see its log".to_owned(),
            _ => "check that this is the registry's own host and port: every registry has `/v2/`".to_owned(),
        });
        return if is_html { check.and("with an HTML page") } else { check };
    }
    for challenge in challenges {
        let part = |name: &str| challenge.get(name).map(|value| format!(" {name} `{}`", shorten(value, 100)));
        let parts: String = ["realm", "service", "scope"].iter().filter_map(|name| part(name)).collect();
        check = check.and(format!("it asks for a {} login,{parts}", shorten(&challenge.scheme, 40)));
    }
    if status == 401 && challenges.is_empty() {
        check = check.note("it does not say what login it wants (no `WWW-Authenticate`)");
    }
    check = match api {
        Some(api) => check.and(format!("docker-distribution-api-version is `{}`", shorten(api, 60))),
        None => check.and("it does not send docker-distribution-api-version, which nothing needs"),
    };
    if let Some(server) = response.header("server") {
        check = check.and(format!("the server is `{}`", shorten(server, 60)));
    }
    match response.header("date").and_then(|date| httpdate::parse_http_date(date).ok()) {
        None => check,
        Some(date) => {
            let ahead = date.duration_since(now).map(|skew| (skew, "ahead of"));
            let (skew, side) = ahead.unwrap_or_else(|error| (error.duration(), "behind"));
            if skew.as_secs() > SKEW {
                let seconds = skew.as_secs();
                let check = check.note(format!("its clock is {seconds} s {side} this machine's"));
                Check {
                    advice: Some(
                        "set the clock that is wrong: tokens and certificates depend on it".to_owned(),
                    ),
                    ..check
                }
            } else {
                check.and("its clock agrees with this machine's")
            }
        }
    }
}

async fn login(
    http: &Http,
    host: &Host,
    access: &Access,
    response: &Response,
    challenges: &[Challenge],
) -> Check {
    const NAME: &str = "login";
    if response.status() == 200 {
        return Check::good(NAME, "none is asked for");
    }
    let shown = match http.ask_for(host, access, response).await {
        Ok(Some(shown)) => shown,
        Ok(None) => {
            let schemes: Vec<String> = challenges.iter().map(|asked| shorten(&asked.scheme, 40)).collect();
            let found = match schemes.is_empty() {
                true => "there is no login to show".to_owned(),
                false => format!("there is no login that fits `{}`", schemes.join("`, `")),
            };
            return Check::bad(NAME, found, &format!("log in with `pack login {}`", host.registry));
        }
        Err(error) => return Check::failed(NAME, &error),
    };
    let scopes = access.scopes();
    let mut check = match scopes.is_empty() {
        true => Check::good(NAME, format!("{} is shown", shown.source)),
        false => Check::good(NAME, format!("{} is shown, asked for `{}`", shown.source, scopes.join(" "))),
    };
    if let Err(error) = http.greet(host, &Access::none(&access.repository)).await {
        let failed = Check::failed(NAME, &error);
        (check.health, check.advice) = (failed.health, failed.advice);
        return check.and(error.to_string());
    }
    check.and("it is taken")
}

/// Whether a blob may be asked for: one that cannot exist.
async fn pull(http: &Http, host: &Host, repository: &Repository) -> Check {
    const NAME: &str = "pull";
    let access = Access::pull(repository);
    let path = repository.path();
    let url = host.url(&format!("/v2/{path}/blobs/{}", nothing()));
    let context =
        Context { registry: host.registry.clone(), step: Step::CheckBlob, subject: path.to_owned() };
    let response = match http.send(host, &access, &context, Request::new(Method::HEAD, url)).await {
        Ok(response) => response,
        Err(error) => return Check::failed(NAME, &error),
    };
    match response.status() {
        404 => Check::good(NAME, "allowed: a blob that nobody has is not found"),
        200 => Check::good(NAME, "allowed").note("but it claims to have a blob that nobody has"),
        _ => Check::failed(NAME, &http.failure(host, &access, &context, response).await),
    }
}

/// The digest of something that is in no registry.
fn nothing() -> Digest {
    Digest::of(b"pack doctor asks for what does not exist")
}

/// Whether an upload may be begun; it is cancelled.
async fn upload(http: &Http, host: &Host, repository: &Repository) -> Check {
    const NAME: &str = "push";
    let access = Access::push(repository);
    let path = repository.path();
    let url = host.url(&format!("/v2/{path}/blobs/uploads/"));
    let context =
        Context { registry: host.registry.clone(), step: Step::StartUpload, subject: path.to_owned() };
    let request = Request::new(Method::POST, url).header(CONTENT_LENGTH, "0");
    let response = match http.send(host, &access, &context, request).await {
        Ok(response) => response,
        Err(error) => return Check::failed(NAME, &error),
    };
    if !response.is_success() {
        return Check::failed(NAME, &http.failure(host, &access, &context, response).await);
    }
    let mut check = Check::good(NAME, format!("allowed: an upload was begun ({})", response.status()));
    if let Some(minimum) = response.header("oci-chunk-min-length") {
        check = check.and(format!("it takes pieces of {} bytes and more", shorten(minimum, 20)));
    }
    let Some(to) = response.header("location") else {
        let advice = "the registry is not made as the specification says: nothing can be pushed";
        return Check {
            health: Health::Bad,
            advice: Some(advice.to_owned()),
            ..check.and("without a `Location`")
        };
    };
    let target = match location::resolve(&host.base, &response.url, to) {
        Ok(target) => target,
        Err(why) => {
            let advice = "see how the registry, or a proxy before it, is told its own address";
            return Check { health: Health::Bad, advice: Some(advice.to_owned()), ..check.and(why) };
        }
    };
    check = check.and(format!("it is at {}", redacted(&target.url)));
    let context = Context { step: Step::CancelUpload, ..context };
    let cancelled = http.send(host, &access, &context, Request::to(Method::DELETE, &target)).await;
    match cancelled {
        Ok(response) if response.is_success() || response.status() == 404 => check.and("and was cancelled"),
        Ok(response) => {
            check.note(format!("it could not be cancelled ({}); it ends by itself", response.status()))
        }
        Err(error) => check.note(format!("it could not be cancelled: {error}")),
    }
}

async fn referrers(http: &Http, host: &Host, repository: &Repository) -> Check {
    const NAME: &str = "referrers";
    let access = Access::pull(repository);
    let path = repository.path();
    let url = host.url(&format!("/v2/{path}/referrers/{}", nothing()));
    let context = Context { registry: host.registry.clone(), step: Step::Resolve, subject: path.to_owned() };
    match http.send(host, &access, &context, Request::new(Method::GET, url)).await {
        Ok(response) => {
            let is_index = response
                .header("content-type")
                .is_some_and(|kind| kind.starts_with(MediaType::ImageIndex.as_ref()));
            let status = response.status();
            response.discard().await;
            if status == 200 && is_index {
                Check::good(NAME, "the referrers API is there")
            } else {
                Check::good(NAME, format!("there is no referrers API ({status}); tools fall back to tags"))
            }
        }
        Err(error) => Check::new(NAME, Health::Note, error.to_string()),
    }
}
