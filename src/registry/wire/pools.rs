//! Connections: one pool for each way of setting up TLS, and for large bodies one of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Identity, Proxy};
use url::Url;

use super::error::RegistryError;
use super::fault::root_cause;
use super::location;
use super::lock::lock;
use super::proxy::{self, Way};
use super::request::Payload;
use super::routes::Routes;
use super::tls::{self, identity};
use crate::types::reference::Registry;

/// A body that is longer, in bytes, has an HTTP/1.1 connection of its own. In HTTP/2 a server lets only so many
/// bytes of a stream be on their way (RFC 9113, 5.2), often 64 KiB, which at 50 ms is 1.3 MB/s; TCP's window grows.
const BULK: u64 = 1 << 20;

/// One connection pool for each way of setting up TLS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ClientKey {
    Plain,
    System,
    Own(Registry),
}

/// The purpose of a connection pool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) enum PoolPurpose {
    Any,
    /// Above [`BULK`], or of unknown length.
    Large,
}

impl PoolPurpose {
    pub(in crate::registry) fn of(payload: &Payload) -> Self {
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

/// All pools of one client.
#[derive(Default)]
pub(in crate::registry) struct Pools {
    clients: Mutex<BTreeMap<(ClientKey, PoolPurpose), reqwest::Client>>,
}

impl Pools {
    /// The pool for requests to `url` with bodies of this kind.
    pub(in crate::registry) fn client(
        &self,
        routes: &Routes,
        url: &Url,
        bodies: PoolPurpose,
    ) -> Result<reqwest::Client, RegistryError> {
        let registry = location::host(url).parse::<Registry>().ok();
        let own = registry.filter(|registry| {
            let own = routes.own(registry);
            own.settings.skip_tls_verify
                || own.settings.ca_file.is_some()
                || own.settings.client_cert.is_some()
                || own.settings.client_key.is_some()
                || !own.authorities.is_empty()
        });
        let key = match own {
            // This is HTTP/1.1 in any case.
            _ if url.scheme() == "http" => (ClientKey::Plain, PoolPurpose::Any),
            Some(registry) => (ClientKey::Own(registry), bodies),
            None => (ClientKey::System, bodies),
        };
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = build(routes, &key, url)?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

fn build(
    routes: &Routes,
    (key, bodies): &(ClientKey, PoolPurpose),
    url: &Url,
) -> Result<reqwest::Client, RegistryError> {
    let setup = |error: reqwest::Error| RegistryError::Setup {
        host: location::host(url),
        why: root_cause(&error.without_url()),
    };
    let settings = &routes.settings;
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
        ClientKey::Own(registry) => Some(routes.own(registry)),
    };
    let own = registry.as_deref();
    let registry = own.map(|own| &own.settings);
    if *bodies == PoolPurpose::Large {
        builder = builder.http1_only();
    }
    let files = routes.authorities(own);
    let identity = identity(registry)?;
    if registry.is_some_and(|registry| registry.skip_tls_verify) {
        builder = builder.tls_danger_accept_invalid_certs(true);
        if let Some((path, pem)) = identity {
            builder = builder.identity(Identity::from_pem(&pem).map_err(|error| certificate(path, &error))?);
        }
    } else if !files.is_empty() || identity.is_some() {
        let identity = identity.map(|(path, pem)| (path.as_path(), pem));
        let mut config = tls::config(&files, identity)?;
        if *bodies == PoolPurpose::Large {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        builder = builder.tls_backend_preconfigured(config);
    }
    builder.build().map_err(setup)
}

fn certificate(path: &Path, error: &reqwest::Error) -> RegistryError {
    RegistryError::Certificate { path: path.to_owned(), why: root_cause(error) }
}
