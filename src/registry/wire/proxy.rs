//! Which way a request goes: directly or through a proxy, and why.
//!
//! Decided here and not in the HTTP library, so that what is explained is what is done. The rules are
//! those of curl: `NO_PROXY` has hosts, domains, addresses and networks, maybe with a port; this machine is
//! always reached directly.

use std::net::IpAddr;

use url::{Host, Url};

use super::location;
use super::secret::Secret;
use super::settings::ProxySettings;

/// How an address is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) enum Way {
    /// Without a proxy, for this reason.
    Direct(String),
    /// Through the proxy at this address, which may hold a password.
    Through(ProxyUrl),
}

/// The address of a proxy, printed without user and password.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::registry) struct ProxyUrl(Url);

impl ProxyUrl {
    /// The address with whatever secret is in it.
    pub(in crate::registry) const fn expose(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), location::host(&self.0))
    }
}

impl std::fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// How `url` is reached with these settings.
pub(in crate::registry) fn way(settings: Option<&ProxySettings>, url: &Url) -> Result<Way, String> {
    let direct = |why: &str| Ok(Way::Direct(why.to_owned()));
    let Some(settings) = settings else { return direct("no proxy is set") };
    if is_here(url) {
        return direct("it is on this machine");
    }
    let (name, proxy) = match url.scheme() {
        "https" => ("HTTPS_PROXY", &settings.https),
        _ => ("HTTP_PROXY", &settings.http),
    };
    let Some(proxy) = proxy else { return direct(&format!("{name} is not set")) };
    if let Some(entry) = settings.no_proxy.split(',').map(str::trim).find(|entry| excepts(entry, url)) {
        return direct(&format!("NO_PROXY has `{entry}`"));
    }
    parse(proxy).map(Way::Through)
}

/// `HOST:PORT` counts as `http://HOST:PORT`.
fn parse(proxy: &Secret) -> Result<ProxyUrl, String> {
    let text = proxy.expose();
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // The text may hold a password and is not quoted.
    let url = Url::parse(&full).map_err(|error| format!("the proxy's address is not valid: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(ProxyUrl(url)),
        other if other.starts_with("socks") => {
            Err(format!("the proxy is a SOCKS one (`{other}://…`), and only HTTP proxies are supported"))
        }
        other => Err(format!("a proxy is `http://…` or `https://…`, not `{other}://…`")),
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether an entry of `NO_PROXY` is about `url`.
fn excepts(entry: &str, url: &Url) -> bool {
    if entry.is_empty() {
        return false;
    }
    if entry == "*" {
        return true;
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    if let Some((network, bits)) = entry.split_once('/') {
        return match (network.parse(), bits.parse(), address) {
            (Ok(network), Ok(bits), Some(address)) => is_within(address, network, bits),
            _ => false,
        };
    }
    if let Ok(own) = entry.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return address == Some(own);
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) => (name, port.parse::<u16>().ok()),
        None => (entry, None),
    };
    if port.is_some() && port != url.port_or_known_default() {
        return false;
    }
    let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        bits <= width && (bits == 0 || (a ^ b).checked_shr(width - bits).unwrap_or(0) == 0)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(no_proxy: &str) -> ProxySettings {
        ProxySettings {
            https: Some(Secret::new("http://alice:hunter2@proxy.example:3128")),
            http: Some(Secret::new("plain.example")),
            no_proxy: no_proxy.to_owned(),
        }
    }

    fn shown(no_proxy: &str, url: &str) -> String {
        match way(Some(&settings(no_proxy)), &url.parse().expect(url)).expect("valid") {
            Way::Direct(why) => why,
            Way::Through(proxy) => proxy.to_string(),
        }
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        assert_eq!(shown("", "https://r.example/v2/"), "http://proxy.example:3128");
        assert_eq!(shown("", "http://r.example/v2/"), "http://plain.example");
        let only = ProxySettings { https: None, ..settings("") };
        let found = way(Some(&only), &"https://r.example".parse().expect("valid"));
        assert_eq!(found, Ok(Way::Direct("HTTPS_PROXY is not set".to_owned())));
    }

    #[test]
    fn this_machine_is_never_behind_a_proxy() {
        for url in ["http://localhost:5000", "http://127.0.0.2", "https://[::1]:1", "http://a.localhost"] {
            assert_eq!(shown("", url), "it is on this machine", "{url}");
        }
    }

    #[test]
    fn exceptions_in_every_form() {
        let direct = [
            ("*", "https://r.example"),
            ("r.example", "https://r.example"),
            ("R.example", "https://r.example"),
            (".example", "https://r.example"),
            ("*.example", "https://r.example"),
            ("example", "https://a.r.example:5000"),
            ("other, r.example:5000", "https://r.example:5000"),
            ("r.example:443", "https://r.example"),
            ("10.1.2.3", "https://10.1.2.3"),
            ("10.0.0.0/8", "https://10.1.2.3"),
            ("0.0.0.0/0", "https://10.1.2.3"),
            ("fd00::/8", "https://[fd12::1]"),
            ("[fd12::1]", "https://[fd12::1]"),
        ];
        for (entry, url) in direct {
            assert!(shown(entry, url).starts_with("NO_PROXY has `"), "{entry} {url}");
        }
        let through = [
            ("", "https://r.example"),
            ("xample", "https://r.example"),
            ("r.example.org", "https://r.example"),
            ("r.example:5000", "https://r.example"),
            ("10.0.0.0/8", "https://11.1.2.3"),
            ("10.0.0.0/33", "https://10.1.2.3"),
            ("10.1.2.3", "https://10.1.2.3.example"),
            ("::/0", "https://10.1.2.3"),
            ("nonsense/x", "https://r.example"),
        ];
        for (entry, url) in through {
            assert_eq!(shown(entry, url), "http://proxy.example:3128", "{entry} {url}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_an_error_without_the_password() {
        for text in ["http://a:hunter2@", "socks5://a:hunter2@p:1", "http://a:hunter2@p:x"] {
            let settings = ProxySettings { https: Some(Secret::new(text)), ..ProxySettings::default() };
            let error = way(Some(&settings), &"https://r.example".parse().expect("valid")).expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
        let proxy = parse(&Secret::new("http://a:hunter2@p:1")).expect("valid");
        assert!(!format!("{proxy} {proxy:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_exception_is_survived(no_proxy in "\\PC{0,40}", host in "[a-z0-9.]{1,12}") {
            if let Ok(url) = format!("https://{host}/").parse() {
                let _ = way(Some(&settings(&no_proxy)), &url);
            }
        }
    }
}
