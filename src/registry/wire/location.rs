//! Where a registry may send us: `Location` of uploads, redirects of downloads, token realms.
//!
//! A `Location` after POST is not a redirect, so no HTTP library guards it: this module does.
//! Credentials go to one (scheme, host, port) only; TLS is never given up; addresses inside a network are
//! reachable only for registries that are inside themselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::types::digest::Digest;

/// A place that may be contacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) struct RedirectTarget {
    pub(in crate::registry) url: Url,
    /// Whether it is the registry itself, which alone sees `Authorization`.
    pub(in crate::registry) own: bool,
}

/// Resolves `location` against the URL of the request that it answers (RFC 3986, 5.2).
///
/// `registry` is the registry's base URL.
pub(in crate::registry) fn resolve(
    registry: &Url,
    request: &Url,
    location: &str,
) -> Result<RedirectTarget, String> {
    let shown = || host(request);
    let mut url = request
        .join(location.trim())
        .map_err(|error| format!("{} sends to no valid address: {error}", shown()))?;
    url.set_fragment(None);
    // A proxy that ends TLS makes registries believe that they were called without.
    if registry.scheme() == "https" && url.scheme() == "http" && url.host() == registry.host() {
        let port = url.port();
        if url.set_scheme("https").is_err() || url.set_port(port).is_err() {
            return Err("the address cannot be upgraded to https".to_owned());
        }
    }
    check(registry, &url)?;
    let own = same_origin(registry, &url);
    Ok(RedirectTarget { url, own })
}

/// Whether `url` may be contacted on behalf of `registry`.
pub(in crate::registry) fn check(registry: &Url, url: &Url) -> Result<(), String> {
    let shown = host(url);
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("it sends to a `{}` address", crate::types::shown::cut(url.scheme(), 40)));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("it sends to {shown} with a password in the address"));
    }
    if same_origin(registry, url) {
        return Ok(());
    }
    if url.scheme() == "http" && registry.scheme() != "http" {
        return Err(format!("it sends to {shown} without TLS"));
    }
    let (from, to) = (reach(registry), reach(url));
    let inside = match to {
        AddressReach::Public => true,
        AddressReach::Private => from == AddressReach::Private,
        AddressReach::Loopback => from == AddressReach::Loopback,
        AddressReach::LinkLocal => false,
    };
    if inside { Ok(()) } else { Err(format!("it sends to {shown}, an address inside a network")) }
}

/// Whether both have the same scheme, host and port.
pub(in crate::registry) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// Host and port, for messages: paths and queries may hold secrets.
pub(in crate::registry) fn host(url: &Url) -> String {
    // A name is not longer than 255 bytes (RFC 1035, 2.3.4); what claims to be one may be.
    match (url.host_str().map(|host| crate::types::shown::cut(host, 260)), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.into_owned(),
        (None, _) => "nowhere".to_owned(),
    }
}

/// Adds `digest=` to the query and leaves every byte that is there: it may be signed.
pub(in crate::registry) fn with_digest(url: &Url, digest: &Digest) -> Url {
    let mut url = url.clone();
    let digest = format!("digest=sha256%3A{}", digest.hex());
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&{digest}"),
        _ => digest,
    };
    url.set_query(Some(&query));
    url
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddressReach {
    Public,
    Private,
    Loopback,
    LinkLocal,
}

/// Host names count as public: what they resolve to is not ours to judge.
fn reach(url: &Url) -> AddressReach {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => embedded(address).map_or(IpAddr::V6(address), IpAddr::V4),
        Some(Host::Domain(name)) => {
            // A dot at the end says that the name is complete, and not that it is another one.
            let name = name.trim_end_matches('.');
            let loopback = name == "localhost" || name.ends_with(".localhost");
            return if loopback { AddressReach::Loopback } else { AddressReach::Public };
        }
        _ => return AddressReach::Public,
    };
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => AddressReach::Loopback,
        IpAddr::V4(v4)
            if v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() =>
        {
            AddressReach::LinkLocal
        }
        // 100.64.0.0/10 is shared address space (RFC 6598), where some clouds keep their metadata.
        IpAddr::V4(v4) if v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64) => {
            AddressReach::Private
        }
        IpAddr::V6(v6) if v6.is_loopback() => AddressReach::Loopback,
        IpAddr::V6(v6) if v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() => {
            AddressReach::LinkLocal
        }
        IpAddr::V6(v6) if v6.is_unique_local() => AddressReach::Private,
        _ => AddressReach::Public,
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped (RFC 4291, 2.5.5.2), or for a translator (RFC 6052, 2.1).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    address.to_ipv4_mapped()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    fn from(registry: &str, location: &str) -> Result<(String, bool), String> {
        let request = url(registry).join("v2/a/blobs/uploads/").expect("joins");
        resolve(&url(registry), &request, location).map(|target| (target.url.to_string(), target.own))
    }

    #[test]
    fn follows_the_registry_in_every_spelling() {
        let cases = [
            ("/v2/a/blobs/uploads/1", "https://r.example/v2/a/blobs/uploads/1"),
            ("1?_state=x", "https://r.example/v2/a/blobs/uploads/1?_state=x"),
            ("//r.example/x", "https://r.example/x"),
            ("https://r.example:443/x", "https://r.example/x"),
            ("https://R.EXAMPLE/x#y", "https://r.example/x"),
            ("http://r.example/x", "https://r.example/x"),
        ];
        for (location, full) in cases {
            assert_eq!(from("https://r.example/", location), Ok((full.to_owned(), true)), "{location}");
        }
        assert_eq!(
            from("https://r.example:5000/", "http://r.example:5000/x"),
            Ok(("https://r.example:5000/x".to_owned(), true))
        );
    }

    #[test]
    fn other_hosts_are_foreign() {
        for location in ["https://cdn.example/x", "https://r.example:8443/x", "https://r.example.evil/x"] {
            assert_eq!(from("https://r.example/", location), Ok((location.to_owned(), false)), "{location}");
        }
        assert_eq!(from("http://r.example/", "https://r.example/x").map(|target| target.1), Ok(false));
    }

    #[test]
    fn refuses_what_is_an_attack() {
        let cases = [
            "http://cdn.example/x",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/x",
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://[fe80::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://[64:ff9b::10.0.0.1]/x",
            "https://localhost./x",
            "https://a.localhost./x",
            "https://100.100.100.200/x",
            "https://0x7f000001/x",
            "https://user:pass@cdn.example/x",
            "ftp://r.example/x",
            "file:///etc/passwd",
            "https://",
        ];
        for location in cases {
            assert!(from("https://r.example/", location).is_err(), "{location}");
        }
    }

    #[test]
    fn a_registry_inside_may_send_inside() {
        assert!(from("http://localhost:5000/", "http://127.0.0.1:5001/x").is_ok());
        assert!(from("http://10.0.0.5:5000/", "http://10.0.0.6/x").is_ok());
        assert!(from("http://10.0.0.5:5000/", "http://127.0.0.1/x").is_err());
        assert!(from("http://127.0.0.1:5000/", "http://10.0.0.5/x").is_err());
        assert!(from("http://127.0.0.1:5000/", "http://169.254.169.254/x").is_err());
    }

    #[test]
    fn keeps_the_query_bytes() {
        let digest = Digest::of(b"");
        let hex = digest.hex();
        let with = |text: &str| with_digest(&url(text), &digest).to_string();
        assert_eq!(with("https://r/x"), format!("https://r/x?digest=sha256%3A{hex}"));
        assert_eq!(with("https://r/x?"), format!("https://r/x?digest=sha256%3A{hex}"));
        assert_eq!(
            with("https://r/x?b=%2f%2B+&a=1%3D&b"),
            format!("https://r/x?b=%2f%2B+&a=1%3D&b&digest=sha256%3A{hex}")
        );
    }

    proptest! {
        #[test]
        fn credentials_stay_with_the_registry(location in "[ -~]{0,60}") {
            let registry = url("https://r.example/");
            if let Ok(target) = resolve(&registry, &url("https://r.example/v2/"), &location) {
                prop_assert_eq!(target.own, same_origin(&registry, &target.url));
                prop_assert_eq!(target.url.scheme(), "https");
            }
        }

        #[test]
        fn queries_survive(query in "[a-zA-Z0-9%._~&=+/?:@!$(),;-]{1,60}") {
            let full = format!("https://r.example/x?{query}");
            prop_assume!(url(&full).query() == Some(query.as_str()));
            let signed = with_digest(&url(&full), &Digest::of(b""));
            prop_assert!(signed.query().is_some_and(|found| found.starts_with(&query)));
        }
    }
}
