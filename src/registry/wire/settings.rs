//! How registries are reached, as the command line decides. Nothing here is read from the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::clock::Clock;
use super::secret::Secret;
use crate::types::reference::Registry;

/// The settings of requests.
#[derive(Clone, Debug)]
pub(in crate::registry) struct WireSettings {
    /// The settings that differ for some registries.
    pub(in crate::registry) hosts: BTreeMap<Registry, HostSettings>,
    /// PEM bundles of authorities to trust beside the system's.
    pub(in crate::registry) ca_files: Vec<PathBuf>,
    /// How requests introduce themselves.
    pub(in crate::registry) user_agent: String,
    /// When to give up.
    pub(in crate::registry) retry: RetryPolicy,
    /// Blobs in flight per host and direction; one more request is allowed for manifests.
    pub(in crate::registry) concurrency: usize,
    /// How long to wait for what.
    pub(in crate::registry) timeouts: Timeouts,
    /// Proxies; none is used unless given here.
    pub(in crate::registry) proxy: Option<ProxySettings>,
    /// The clock of pauses and time-outs.
    pub(in crate::registry) clock: Clock,
    /// Where Docker's and Podman's own files about registries may be.
    pub(in crate::registry) engines: EngineFiles,
}

/// How one registry is reached.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct HostSettings {
    /// HTTP without TLS. Unset means: only on this machine.
    pub(in crate::registry) plain_http: Option<bool>,
    /// Trust any certificate.
    pub(in crate::registry) skip_tls_verify: bool,
    /// PEM bundle of authorities to trust beside the system's.
    pub(in crate::registry) ca_file: Option<PathBuf>,
    /// PEM certificate chain to show.
    pub(in crate::registry) client_cert: Option<PathBuf>,
    /// PEM key of the certificate.
    pub(in crate::registry) client_key: Option<PathBuf>,
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
    /// For the whole body of an answer that is an error, or that is not needed.
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

/// Where the files may be; where a list has several, the first that exists counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFiles {
    /// Directories with a directory for each host.
    pub certificates: Vec<PathBuf>,
    /// `registries.conf`.
    pub registries_conf: Vec<PathBuf>,
    /// Directories with files that are read after it, each over those before.
    pub drop_ins: Vec<PathBuf>,
    /// `daemon.json`: all of them.
    pub daemon_json: Vec<PathBuf>,
}
