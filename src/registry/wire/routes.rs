//! How each registry is reached: our own settings and the files of Docker and Podman put together, with TLS or
//! without, directly or through a proxy.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use url::Url;

use super::engines::{Engines, HostRoute, speaks_tls};
use super::error::RegistryError;
use super::location;
use super::lock::lock;
use super::proxy::{self, Way};
use super::settings::WireSettings;
use crate::runtime::events::Progress;
use crate::types::reference::{DOCKER_HUB, Registry};

/// The ways to all registries.
pub(in crate::registry) struct Routes {
    pub(in crate::registry) settings: WireSettings,
    progress: Progress,
    /// The combined settings of `pack` and of Docker's and Podman's files, for registries that were asked for.
    owns: Mutex<BTreeMap<Registry, Arc<HostRoute>>>,
    engines: OnceLock<Engines>,
}

impl Routes {
    pub(in crate::registry) fn new(settings: WireSettings, progress: Progress) -> Self {
        Self { settings, progress, owns: Mutex::default(), engines: OnceLock::new() }
    }

    /// A registry's address, and why it is plain HTTP or not.
    pub(in crate::registry) fn base(
        &self,
        registry: &Registry,
    ) -> Result<(Url, &'static str), RegistryError> {
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

    /// How an address is reached.
    pub(in crate::registry) fn way(&self, url: &Url) -> Result<Way, RegistryError> {
        let way = proxy::way(self.settings.proxy.as_ref(), url);
        way.map_err(|why| RegistryError::Proxy { host: location::host(url), why })
    }

    /// The files of authorities that count for a registry.
    pub(in crate::registry) fn authorities<'a>(&'a self, own: Option<&'a HostRoute>) -> Vec<&'a PathBuf> {
        let of_registry = own.into_iter().flat_map(|own| own.settings.ca_file.iter().chain(&own.authorities));
        self.settings.ca_files.iter().chain(of_registry).collect()
    }

    /// How a registry is reached: our own settings, and what they leave open from the files of Docker and Podman.
    pub(in crate::registry) fn own(&self, registry: &Registry) -> Arc<HostRoute> {
        if let Some(own) = lock(&self.owns).get(registry) {
            return Arc::clone(own);
        }
        let said = self.engines().of(registry);
        let own =
            HostRoute::new(self.settings.hosts.get(registry), said, registry, || self.speaks_tls(registry));
        let own = Arc::new(own);
        Arc::clone(lock(&self.owns).entry(registry.clone()).or_insert(own))
    }

    /// Whether a registry that may do without TLS speaks it. A registry behind a proxy is assumed to speak it.
    fn speaks_tls(&self, registry: &Registry) -> bool {
        let Ok(url) = Url::parse(&format!("https://{registry}/")) else { return true };
        !matches!(self.way(&url), Ok(Way::Direct(_))) || speaks_tls(&url, self.settings.timeouts.connect)
    }

    fn engines(&self) -> &Engines {
        self.engines.get_or_init(|| Engines::read(&self.settings.engines, &self.progress))
    }

    /// Refuses to pull what `registries.conf` blocks.
    pub(in crate::registry) fn check_not_blocked(
        &self,
        registry: &Registry,
        path: &str,
    ) -> Result<(), RegistryError> {
        match self.engines().blocking(registry, path) {
            Some(file) => {
                Err(RegistryError::Blocked { name: format!("{registry}/{path}"), file: file.to_owned() })
            }
            None => Ok(()),
        }
    }
}
