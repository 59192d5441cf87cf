//! Registries: a host, and a port.

use std::fmt;
use std::str::FromStr;

use super::error::{NameFault, ReferenceError, cited, without_login};

/// The word for a registry in errors.
pub(super) const REGISTRY: &str = "a registry";

/// The registry that a reference without a host means.
pub const DOCKER_HUB: &str = "docker.io";

/// A registry's host and optional port, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registry(String);

impl Registry {
    /// The registry that a reference without a host means.
    pub(super) fn docker_hub() -> Self {
        Self(DOCKER_HUB.to_owned())
    }

    /// The host, with the port if one was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host alone; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.0.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.0,
        }
    }

    /// Whether the host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Registry {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse_registry(text).map_err(|fault| fault.of(REGISTRY, text))
    }
}

/// The registry that `text` names.
pub(super) fn parse_registry(text: &str) -> Result<Registry, NameFault> {
    if let Some((_, host)) = text.split_once("://") {
        return Err(NameFault::new("a registry has no scheme")
            .hint(format!("write `{}`", cited(without_login(host.trim_end_matches('/'))))));
    }
    if text.contains('@') {
        return Err(NameFault::new("a registry has no user and no password before it")
            .hint(format!("write `{}`", cited(without_login(text)))));
    }
    let lower = text.to_ascii_lowercase();
    let (host, port) = match lower.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (lower.as_str(), None),
    };
    // A number may be written with a sign, a port may not.
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if let Some(port) = port.filter(|port| !is_port(port)) {
        return Err(NameFault::new(format!("its port `{}` is not a number below 65536", cited(port))));
    }
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label) && is_same_in_urls(host),
    };
    if !valid {
        return Err(NameFault::new(format!("`{}` is not a host name", cited(host))));
    }
    Ok(Registry(match lower.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        _ => lower,
    }))
}

/// Whether URLs take a name for the same host: they refuse some names that end in a number or begin with `xn--`,
/// and take `127.1` for another one (WHATWG URL Standard, "host parsing").
fn is_same_in_urls(host: &str) -> bool {
    url::Host::parse(host).is_ok_and(|parsed| parsed.to_string() == host)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether the first part of a name is a registry: Docker's rule.
pub(super) fn is_host(part: &str) -> bool {
    part.contains(['.', ':', '[']) || part == "localhost"
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
