//! Why there is no answer.

use std::fmt;

use super::advice::{Distrust, shorten};
use super::proxy::Way;
use crate::types::error_code::ErrorCode;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing listens there.
    Refused,
    /// The host name does not resolve.
    UnknownHost(String),
    /// The proxy cannot be reached.
    Proxy(String),
    /// The proxy does not connect to the host.
    NoTunnel(String),
    /// The connection broke.
    Broken(String),
    /// The connection over TLS ended before the first answer: what a client without a certificate sees of a
    /// server that wants one, where the server's reason is lost on the way.
    Dismissed(String),
    /// Nothing came for too long.
    Stalled(&'static str),
    /// A list came page by page for too long. Asking for it again would take as long.
    Endless(&'static str),
    /// The certificate is not trusted, or not for this host.
    Untrusted(Distrust),
    /// The other side does not speak TLS.
    NotTls,
    /// TLS failed in another way.
    Tls(String),
    /// The other side does not speak HTTP.
    NotHttp(String),
}

impl Fault {
    /// The situation that it is.
    pub(in crate::registry) const fn code(&self) -> ErrorCode {
        match self {
            Self::Proxy(_) | Self::NoTunnel(_) => ErrorCode::ProxyRefused,
            Self::Untrusted(_) | Self::Tls(_) => ErrorCode::CertificateUnknown,
            _ => ErrorCode::RegistryUnreachable,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::UnknownHost(why) => write!(f, "the host name does not resolve: {why}"),
            Self::Proxy(why) | Self::NoTunnel(why) => write!(f, "the proxy {why}"),
            Self::Broken(why) | Self::Dismissed(why) => write!(f, "the connection broke: {why}"),
            Self::Stalled(what) => write!(f, "timed out while {what}"),
            Self::Endless(what) => write!(f, "timed out while reading the whole list of {what}"),
            Self::Untrusted(why) => write!(f, "the TLS certificate is not trusted: {why}"),
            Self::NotTls => f.write_str("the server does not speak TLS"),
            Self::Tls(why) => write!(f, "TLS failed: {why}"),
            Self::NotHttp(why) => write!(f, "the answer is not HTTP: {why}"),
        }
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| {
        // An I/O error shows its inner error as itself and names only the source of that one.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner as &(dyn std::error::Error + 'static)))
    })
}

pub(in crate::registry) fn root_cause(error: &reqwest::Error) -> String {
    shorten(&causes(error).last().map(ToString::to_string).unwrap_or_default(), 300)
}

/// The meaning of a failure behind a proxy: the connection led to the proxy.
pub(in crate::registry) fn through(way: &Way, fault: Fault) -> Fault {
    match (way, &fault) {
        (Way::Through(proxy), Fault::Refused | Fault::UnknownHost(_)) => {
            Fault::Proxy(format!("{proxy} cannot be reached: {fault}"))
        }
        (Way::Through(proxy), Fault::Broken(why)) if why.contains("tunnel") || why.contains("proxy auth") => {
            Fault::NoTunnel(format!("{proxy} does not connect to it: {why}"))
        }
        _ => fault,
    }
}

/// The meaning of a failure of the HTTP library.
pub(in crate::registry) fn from_http(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    for cause in causes(&error) {
        match cause.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(why)) => {
                return Fault::Untrusted(why.into());
            }
            Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
                return Fault::NotTls;
            }
            Some(other) => return Fault::Tls(shorten(&other.to_string(), 300)),
            None => {}
        }
        if cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
            == Some(std::io::ErrorKind::ConnectionRefused)
        {
            return Fault::Refused;
        }
    }
    let why = root_cause(&error);
    if error.is_dns() {
        return Fault::UnknownHost(why);
    }
    if error.is_timeout() {
        return Fault::Stalled("connecting");
    }
    // HTTP/2 passes on no more than the words.
    if why.contains("received fatal alert") {
        return Fault::Tls(why);
    }
    if why.starts_with("invalid HTTP") {
        return Fault::NotHttp(why);
    }
    Fault::Broken(why)
}
