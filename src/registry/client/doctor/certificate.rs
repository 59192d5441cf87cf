//! The facts that TLS shows of the server, and whether it is trusted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};
use url::Url;

use super::super::super::wire::advice::{self, Distrust, shorten};
use super::super::super::wire::tls::{self, identity};
use super::super::api::Api;
use super::check::Check;
use super::network::TimedStream;
use super::x509;
use crate::types::error_code::ErrorCode;
use crate::types::reference::Registry;
use crate::types::shown::shown_path;
use crate::types::time::rfc3339;

/// A certificate that ends so soon is worth a word.
const SOON: u64 = 14 * 86_400;

/// The facts that TLS showed.
struct CertificateFacts {
    chain: Vec<CertificateDer<'static>>,
    version: String,
    protocol: String,
}

fn handshake(
    mut stream: TimedStream,
    name: &ServerName<'static>,
    config: ClientConfig,
) -> Result<CertificateFacts, rustls::Error> {
    let mut connection = ClientConnection::new(Arc::new(config), name.clone())?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| match error.downcast::<rustls::Error>() {
            Ok(error) => error,
            Err(error) => rustls::Error::General(error.to_string()),
        })?;
    }
    let chain = connection.peer_certificates().unwrap_or_default().iter().map(|one| one.clone().into_owned());
    let protocol = connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(CertificateFacts {
        chain: chain.collect(),
        version: connection.protocol_version().map_or("TLS", version).to_owned(),
        protocol: match protocol.as_deref() {
            Some("h2") => "HTTP/2".to_owned(),
            _ => "HTTP/1.1".to_owned(),
        },
    })
}

const fn version(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "TLS",
    }
}

pub(super) fn certificate(
    api: &Api,
    registry: &Registry,
    base: &Url,
    stream: TimedStream,
    now: SystemTime,
) -> Check {
    const NAME: &str = "certificate";
    let own = api.wire().routes.own(registry);
    let settings = Some(&own.settings);
    let host = base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let seen = || -> Result<_, Check> {
        let identity = identity(settings).map_err(|error| Check::failed(NAME, &error))?;
        let config = tls::curious(identity.map(|(path, pem)| (path.as_path(), pem)));
        let config = config.map_err(|error| Check::failed(NAME, &error))?;
        let name = ServerName::try_from(host.clone());
        let name = name.map_err(|error| {
            Check::bad(NAME, ErrorCode::CertificateUnknown, error.to_string(), "use the registry's host name")
        })?;
        let shown = handshake(stream, &name, config).map_err(|error| no_tls(registry, &error))?;
        Ok((name, shown))
    };
    let (name, shown) = match seen() {
        Ok(seen) => seen,
        Err(check) => return check,
    };
    let mut check = Check::good(NAME, format!("{}, {}", shown.version, shown.protocol));
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let read = shown.chain.first().and_then(|first| x509::read(first));
    if let Some(read) = &read {
        let date = |time| rfc3339(time).unwrap_or_else(|_| "a time after the year 9999".to_owned());
        let [from, until] = [read.not_before, read.not_after].map(|time| u64::try_from(time).unwrap_or(0));
        check = check
            .and(format!("it is {}, for {}", read.subject, shorten(&read.names.join(", "), 200)))
            .and(format!("signed by {}", read.issuer))
            .and(format!("good from {} until {}", date(from), date(until)));
        if until > now && until - now < SOON {
            check = check.note(format!("it ends in {} days", (until - now) / 86_400));
        }
    }
    if let Some(path) = settings.and_then(|settings| settings.client_cert.as_ref()) {
        check = check.and(format!("`{}` is shown to it if it asks", shown_path(path)));
    }
    if settings.is_some_and(|settings| settings.skip_tls_verify) {
        let why =
            if own.is_engines() { "a file of Docker or Podman says so" } else { "`skip-tls-verify` is set" };
        return check.note(format!("it is not checked: {why}"));
    }
    trust(api, registry, &shown.chain, &name, check)
}

/// The authorities that trust the certificate, if there are any.
fn trust(
    api: &Api,
    registry: &Registry,
    chain: &[CertificateDer<'static>],
    name: &ServerName<'static>,
    check: Check,
) -> Check {
    let own = api.wire().routes.own(registry);
    let files = api.wire().routes.authorities(Some(&own));
    let judged = |files: &[&PathBuf]| match tls::judge(files) {
        Ok(judge) => tls::verdict(&judge, chain, name),
        Err(error) => Err(Distrust::Other(error.to_string())),
    };
    let system = judged(&[]);
    let Err(mut why) = system else { return check.and("trusted by the system's authorities") };
    for file in files {
        match judged(&[file]) {
            Ok(()) => return check.and(format!("trusted by `{}`", shown_path(file))),
            Err(other) => why = other,
        }
    }
    let looked = match api.wire().routes.authorities(Some(&own)) {
        files if files.is_empty() => "the system's authorities".to_owned(),
        files => {
            let names: Vec<String> = files.iter().map(|file| format!("`{}`", shown_path(file))).collect();
            format!("the system's authorities nor {}", names.join(" nor "))
        }
    };
    check
        .and(format!("not trusted by {looked}: {why}"))
        .fails(ErrorCode::CertificateUnknown, why.advice(registry))
}

fn no_tls(registry: &Registry, error: &rustls::Error) -> Check {
    const NAME: &str = "certificate";
    match error {
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => Check::bad(
            NAME,
            ErrorCode::RegistryUnreachable,
            "the server does not speak TLS",
            advice::no_tls(registry),
        ),
        other => Check::bad(
            NAME,
            ErrorCode::RegistryUnreachable,
            format!("TLS failed: {}", shorten(&other.to_string(), 200)),
            "see the server's log",
        ),
    }
}
