//! Messages and advice about failures on the way to a registry: one source of words for errors and for `doctor`.

use std::fmt;

use rustls::CertificateError;

use crate::types::reference::{DOCKER_HUB, Registry};
use crate::types::shown::Foreign;

/// Why a certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYet,
    /// It is for these names, and not for the one that was asked for; none where they are not known.
    OtherName(Vec<String>),
    /// The signer is not known here.
    UnknownAuthority,
    /// It is an authority and not the certificate of a server.
    Authority,
    /// Its authority took it back.
    Revoked,
    /// It is broken, or its signature is.
    Broken,
    /// Something else.
    Other(String),
}

impl From<&CertificateError> for Distrust {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::NotValidForName => Self::OtherName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::OtherName(presented.iter().map(|name| bare(name)).collect())
            }
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::BadEncoding | CertificateError::BadSignature => Self::Broken,
            other => match other.to_string() {
                why if why.contains("CaUsedAsEndEntity") => Self::Authority,
                why => Self::Other(shorten(&why, 200)),
            },
        }
    }
}

/// `DnsName("r.example")` and `IpAddress(10.0.0.1)` as people write them.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    shorten(inner.trim_matches('"'), 80)
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("it has expired"),
            Self::NotYet => f.write_str("it is not valid yet"),
            Self::OtherName(names) if names.is_empty() => f.write_str("it is for another name"),
            Self::OtherName(names) => {
                let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
                let more = if names.len() > shown.len() { ", …" } else { "" };
                write!(f, "it is for another name: {}{more}", shown.join(", "))
            }
            Self::UnknownAuthority => f.write_str("no authority that is known here signed it"),
            Self::Authority => f.write_str("it is the certificate of an authority, not of a server"),
            Self::Revoked => f.write_str("its authority has revoked it"),
            Self::Broken => f.write_str("it is broken, or its signature is"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl Distrust {
    /// The next thing to do about it.
    pub(in crate::registry) fn advice(&self, registry: &Registry) -> String {
        match self {
            Self::Expired | Self::NotYet => {
                "renew the server's certificate, or set this machine's clock if it is wrong".to_owned()
            }
            Self::OtherName(names) if !names.is_empty() => {
                "name the registry as its certificate does, or give the server a certificate for this name"
                    .to_owned()
            }
            Self::OtherName(_) => "give the server a certificate for this name".to_owned(),
            Self::UnknownAuthority => format!(
                "give the authority's certificate with `--ca-file FILE`, or as `ca-file` {}",
                under(registry)
            ),
            Self::Authority => format!(
                "to trust just this certificate, give it with `--ca-file FILE`, or as `ca-file` {}",
                under(registry)
            ),
            Self::Revoked | Self::Broken => "give the server a new certificate".to_owned(),
            Self::Other(_) => format!(
                "mend the server's certificate; for a test registry, `--skip-tls-verify {registry}` skips the check"
            ),
        }
    }
}

/// Where a setting of a registry is written.
pub(in crate::registry) fn under(registry: &Registry) -> String {
    format!("under `[registry.\"{registry}\"]` in `~/.config/pack/config.toml`")
}

/// The other side does not speak TLS.
pub(in crate::registry) fn no_tls(registry: &Registry) -> String {
    format!(
        "if it is meant to be plain HTTP, give `--plain-http {registry}`, or set `plain-http = true` {}",
        under(registry)
    )
}

/// The other side speaks TLS, and was not asked to.
pub(in crate::registry) fn speaks_tls(registry: &Registry) -> String {
    format!("it speaks TLS: set `plain-http = false` {}", under(registry))
}

/// Whether the answer to a plain request says that the server wants TLS, in Go's, nginx's and Apache's words.
pub(in crate::registry) fn wants_tls(status: u16, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    matches!(status, 400 | 497)
        && ["https server", "https port", "ssl-enabled server port"]
            .iter()
            .any(|words| message.contains(words))
}

/// The name does not resolve.
pub(in crate::registry) fn unknown_host(registry: &Registry) -> String {
    if registry.as_str() == DOCKER_HUB {
        return "this machine cannot look up Docker Hub: check its network and name server, and HTTPS_PROXY if it is \
                behind a proxy"
            .to_owned();
    }
    format!("check the spelling of `{}`, and that this machine's name server knows it", registry.host())
}

/// The proxy itself cannot be reached.
pub(in crate::registry) const NO_PROXY_THERE: &str =
    "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; hosts in NO_PROXY are reached directly";

/// The proxy does not let anything through to the host.
pub(in crate::registry) fn no_tunnel(registry: &Registry) -> String {
    let host = registry.host();
    format!("have the proxy allow CONNECT to `{host}`, or put `{host}` into NO_PROXY to reach it directly")
}

/// A deletion that the registry does not do.
pub(in crate::registry) fn keeps(registry: &Registry) -> String {
    format!(
        "`{registry}` does not delete what it is asked to: allow deletion in its configuration, or delete in its own \
         interface"
    )
}

/// A deletion of a tag that the registry does not do.
pub(in crate::registry) fn keeps_tags(registry: &Registry) -> String {
    format!(
        "`{registry}` does not delete single tags: name the image by its digest, which deletes it with all its tags"
    )
}

/// An upload that the registry does not know.
pub(in crate::registry) fn read_only(registry: &Registry) -> String {
    format!(
        "`{registry}` takes no uploads: it is read-only, such as a mirror or a registry under maintenance; push elsewhere"
    )
}

/// The readable beginning of foreign text: one line that cannot upset a terminal.
pub(in crate::registry) fn shorten(text: &str, limit: usize) -> String {
    Foreign::short(text, limit).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(shorten("a\n\u{1b}[31mb\t c", 20), "a [31mb c");
        assert_eq!(shorten(&"x".repeat(30), 5), "xxxxx…");
    }

    #[test]
    fn certificates_in_words_without_a_librarys() {
        let names = || vec!["DnsName(\"a.example\")".to_owned(), "IpAddress(10.0.0.1)".to_owned()];
        let expected = rustls::pki_types::ServerName::try_from("r.example").expect("a name");
        let cases = [
            (CertificateError::Expired, "it has expired", "renew"),
            (CertificateError::NotValidYet, "it is not valid yet", "clock"),
            (
                CertificateError::NotValidForNameContext { expected, presented: names() },
                "it is for another name: a.example, 10.0.0.1",
                "as its certificate does",
            ),
            (CertificateError::UnknownIssuer, "no authority that is known here signed it", "--ca-file"),
        ];
        let registry = "r.example".parse().expect("valid");
        for (error, words, advice) in cases {
            let distrust = Distrust::from(&error);
            assert_eq!(distrust.to_string(), words);
            assert!(distrust.advice(&registry).contains(advice), "{}", distrust.advice(&registry));
        }
    }
}
