//! The command line's settings for the client. Nothing here is read from the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::auth::authenticator::AuthSettings;
use super::super::auth::credentials::Credentials;
use super::super::wire::clock::Clock;
use super::super::wire::secret::Secret;
use super::super::wire::settings::{
    EngineFiles, HostSettings, ProxySettings, RetryPolicy, Timeouts, WireSettings,
};
use crate::types::reference::{Registry, Repository, Scope};

/// Settings of a `Client`.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Where credentials may be found.
    pub credentials: Credentials,
    /// The settings that differ for some registries.
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
    /// The clock of pauses and time-outs.
    pub clock: Clock,
    /// Where Docker's and Podman's own files about registries may be.
    pub engines: EngineFiles,
    /// Where a mirror's large blobs wait until they are known to be right; without it they are streamed, and one
    /// that is wrong is an error.
    pub scratch: Option<PathBuf>,
}

impl Default for ClientSettings {
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

    /// The name of a repository there; `None` if that is no name.
    #[must_use]
    pub fn of(&self, repository: &Repository) -> Option<Repository> {
        format!("{}/{}", self.scope, repository.path()).parse().ok()
    }
}

impl ClientSettings {
    /// The parts that requests and logins go by.
    pub(in crate::registry) fn parts(&self) -> (WireSettings, AuthSettings) {
        let hosts = self.registries.iter().map(|(registry, own)| (registry.clone(), own.host()));
        let mut hosts: BTreeMap<Registry, HostSettings> = hosts.collect();
        for mirror in self.registries.values().flat_map(|own| &own.mirrors) {
            // The address says whether it is plain, unless the mirror has settings of its own.
            let own = hosts.entry(mirror.registry().clone()).or_default();
            own.plain_http.get_or_insert(mirror.is_plain());
        }
        let logins = self.registries.iter().filter_map(|(registry, own)| {
            let login = own.login.clone()?;
            Some((registry.clone(), login))
        });
        let auth = AuthSettings { credentials: self.credentials.clone(), logins: logins.collect() };
        let wire = WireSettings {
            hosts,
            ca_files: self.ca_files.clone(),
            user_agent: self.user_agent.clone(),
            retry: self.retry,
            concurrency: self.concurrency,
            timeouts: self.timeouts,
            proxy: self.proxy.clone(),
            clock: self.clock.clone(),
            engines: self.engines.clone(),
        };
        (wire, auth)
    }
}

impl RegistrySettings {
    fn host(&self) -> HostSettings {
        HostSettings {
            plain_http: self.plain_http,
            skip_tls_verify: self.skip_tls_verify,
            ca_file: self.ca_file.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed() {
        let mut settings = ClientSettings::default();
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
