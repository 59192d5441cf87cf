//! What the command line decides for the registry client. Nothing here is read from the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::credentials::Credentials;
use super::engines::EngineFiles;
use crate::formats::json::{Decode, JsonError, Value};
use crate::types::reference::{Registry, Repository, Scope};

/// A string that is never printed.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself; every use of this is a place to look at.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Decode for Secret {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        String::decode(value).map(Self)
    }
    fn wanted() -> String {
        String::wanted()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Takes known secrets out of what others wrote, such as a registry that quotes what it was shown.
#[derive(Debug, Default)]
pub(super) struct Scrubber(Mutex<BTreeSet<Secret>>);

/// What is shorter is no secret, and taking it out would make any text unreadable.
const SHORTEST: usize = 4;

impl Scrubber {
    /// Remembers a secret in every form that it is sent in.
    pub(super) fn learn(&self, secret: &str) {
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let in_json = serde_json::Value::from(secret).to_string();
        let in_json = in_json.trim_matches('"').to_owned();
        for form in [secret.to_owned(), lower_hex(&encoded), encoded, encoded_path(secret), in_json] {
            if form.len() >= SHORTEST {
                secrets.insert(Secret(form));
            }
        }
    }

    /// `text` with `…` for each secret in it. All are looked for in the text as it came, and where some overlap, all that
    /// belongs to any of them goes: nothing of a secret stays because a part of it is another one.
    pub(super) fn scrub(&self, text: &str) -> String {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(usize, usize)> =
            secrets.iter().flat_map(|secret| occurrences(text, secret.expose())).collect();
        drop(secrets);
        found.sort_unstable();
        let mut scrubbed = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in found {
            if start >= done {
                scrubbed.push_str(&text[done..start]);
                scrubbed.push('…');
            }
            done = done.max(end);
        }
        scrubbed.push_str(&text[done..]);
        scrubbed
    }
}

/// Where `secret` stands in `text`, overlapping ones included.
fn occurrences(text: &str, secret: &str) -> Vec<(usize, usize)> {
    let step = secret.chars().next().map_or(1, char::len_utf8);
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(secret)) {
        let (start, end) = (from + at, from + at + secret.len());
        match found.last_mut() {
            Some((_, last)) if start <= *last => *last = end,
            _ => found.push((start, end)),
        }
        from = start + step;
    }
    found
}

/// What is percent-encoded, with its hexadecimal digits in lower case.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push_str(&format!("%{}{rest}", hex.to_ascii_lowercase()));
    }
    lower
}

/// Percent-encoded, with `%20` for a space.
fn encoded_path(secret: &str) -> String {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    form.replace('+', "%20")
}

/// Settings of a [`Client`](super::Client).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where credentials may be found.
    pub credentials: Credentials,
    /// What differs for some registries.
    pub registries: BTreeMap<Registry, RegistrySettings>,
    /// PEM bundles of authorities to trust beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// How requests introduce themselves.
    pub user_agent: String,
    /// When to give up.
    pub retry: RetryPolicy,
    /// Blobs in flight per host and direction; one more request is allowed for manifests.
    pub concurrency: usize,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Proxies; none is used unless given here.
    pub proxy: Option<ProxySettings>,
    /// What pauses and time-outs are measured with.
    pub clock: Clock,
    /// Where Docker's and Podman's own files about registries may be.
    pub engines: EngineFiles,
    /// Where a mirror's large blobs wait until they are known to be right; without it they are streamed, and one
    /// that is wrong is an error.
    pub scratch: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            registries: BTreeMap::new(),
            ca_files: Vec::new(),
            user_agent: concat!("pack/", env!("CARGO_PKG_VERSION")).to_owned(),
            retry: RetryPolicy::default(),
            concurrency: 4,
            timeouts: Timeouts::default(),
            proxy: None,
            clock: Clock::default(),
            engines: EngineFiles::default(),
            scratch: None,
        }
    }
}

/// Settings of one registry.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// HTTP without TLS. Unset means: only on this machine.
    pub plain_http: Option<bool>,
    /// Trust any certificate.
    pub skip_tls_verify: bool,
    /// PEM bundle of authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM certificate chain to show.
    pub client_cert: Option<PathBuf>,
    /// PEM key of the certificate.
    pub client_key: Option<PathBuf>,
    /// User and password that override every other source.
    pub login: Option<(String, Secret)>,
    /// Upload in pieces of so many bytes; only for registries or proxies that limit a request's size.
    pub chunk_size: Option<u64>,
    /// Where to look first when pulling, the first of them first.
    pub mirrors: Vec<Mirror>,
}

/// Another registry that has what a registry has, maybe below a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mirror {
    scope: Scope,
    plain_http: bool,
}

impl Mirror {
    /// A registry, or a path in it, that is reached with or without TLS.
    #[must_use]
    pub const fn new(scope: Scope, plain_http: bool) -> Self {
        Self { scope, plain_http }
    }

    /// Its registry.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        self.scope.registry()
    }

    /// Whether it is reached without TLS.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.plain_http
    }

    /// Its address, for people.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}://{}", if self.plain_http { "http" } else { "https" }, self.scope)
    }

    /// What a repository is called there; `None` if that is no name.
    #[must_use]
    pub fn of(&self, repository: &Repository) -> Option<Repository> {
        format!("{}/{}", self.scope, repository.path()).parse().ok()
    }
}

/// When a failed request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in a row without progress, the first included.
    pub attempts: u32,
    /// Upper end of the first pause; it doubles with each.
    pub first: Duration,
    /// Upper end of every pause.
    pub cap: Duration,
    /// The longest pause that a registry may ask for.
    pub retry_after_cap: Duration,
    /// The longest time since the last progress, pauses included.
    pub budget: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            first: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            retry_after_cap: Duration::from_secs(60),
            budget: Duration::from_secs(15 * 60),
        }
    }
}

/// How long to wait. A blob may take as long as it needs, if only it comes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the head of an answer once the request is sent.
    pub header: Duration,
    /// As `header`, after a blob was sent: registries move it before they answer.
    pub commit: Duration,
    /// Between two pieces of a body, in either direction.
    pub idle: Duration,
    /// For the whole body of what is read at once: a document, a token, a list.
    pub document: Duration,
    /// For the whole body of an answer that is an error, or that nobody needs.
    pub rest: Duration,
    /// Over so much time of waiting for a blob, [`Timeouts::least`] bytes must come.
    pub slow: Duration,
    /// The bytes of a blob that must come while it is waited for.
    pub least: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            header: Duration::from_secs(60),
            commit: Duration::from_secs(300),
            idle: Duration::from_secs(60),
            document: Duration::from_secs(60),
            rest: Duration::from_secs(10),
            slow: Duration::from_secs(300),
            least: 256 << 10,
        }
    }
}

/// Proxies by the scheme of the target; URLs may hold passwords.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// For `https` targets.
    pub https: Option<Secret>,
    /// For `http` targets.
    pub http: Option<Secret>,
    /// Hosts, domains and networks that are reached directly, separated by commas; this machine always is.
    pub no_proxy: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_known_is_taken_out_in_every_form() {
        let scrubber = Scrubber::default();
        scrubber.learn("pass word&1");
        scrubber.learn("abc");
        let text = "a pass word&1 b pass+word%261 c pass%20word%261 d abc";
        assert_eq!(scrubber.scrub(text), "a … b … c … d abc");
    }

    #[test]
    fn a_secret_in_a_secret_leaves_nothing_of_either() {
        let scrubber = Scrubber::default();
        for secret in ["hunter2", "hunter2-and-more", "more-of-it", "aXaX"] {
            scrubber.learn(secret);
        }
        for (text, expected) in [
            ("a hunter2-and-more b", "a … b"),
            ("a hunter2 b hunter2-and-more", "a … b …"),
            ("hunter2-and-more-of-it", "…"),
            ("aXaXaXaX", "…"),
            ("hunter2hunter2", "…"),
            ("aXa", "aXa"),
        ] {
            assert_eq!(scrubber.scrub(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_secret_survives(secrets in proptest::collection::vec("[ab]{4,8}", 1..5), text in "[abc ]{0,60}") {
            let scrubber = Scrubber::default();
            secrets.iter().for_each(|secret| scrubber.learn(secret));
            let scrubbed = scrubber.scrub(&text);
            prop_assert!(secrets.iter().all(|secret| !scrubbed.contains(secret.as_str())), "{}", scrubbed);
            // What belongs to no secret stays, in its order.
            let mut rest = scrubbed.chars().filter(|character| *character != '…');
            let mut all = text.chars();
            prop_assert!(rest.all(|kept| all.any(|character| character == kept)));
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let mut settings = Settings::default();
        let login = Some(("alice".to_owned(), Secret::new("hunter2")));
        let registry = "r.example".parse().expect("valid");
        settings.registries.insert(registry, RegistrySettings { login, ..RegistrySettings::default() });
        settings.credentials.docker_auth_config = Some(Secret::new("hunter2"));
        settings.proxy = Some(ProxySettings {
            https: Some(Secret::new("http://u:hunter2@p")),
            ..ProxySettings::default()
        });
        let printed = format!("{settings:?} {settings:#?}");
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("alice"));
    }
}
