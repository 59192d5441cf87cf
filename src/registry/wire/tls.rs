//! TLS for a registry with a certificate file of its own.
//!
//! The file adds to the system's authorities. It may also be the server's own certificate, as the usual recipe for a
//! registry of one's own makes it: an authority that signed itself. WebPKI refuses that as a server's certificate, so
//! it is accepted here if it is in the file byte for byte and names the host. The server still has to prove that it
//! has the key. The owner of the file decides how long such a certificate is good.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::advice::{Distrust, shorten};
use super::error::RegistryError;
use super::settings::HostSettings;
use crate::runtime::input::MAX_TEXT;

/// A client that trusts the system's authorities and those in `files`, and shows the certificate and key in
/// `identity`.
pub(in crate::registry) fn config(
    files: &[&PathBuf],
    identity: Option<(&Path, Vec<u8>)>,
) -> Result<ClientConfig, RegistryError> {
    with_verifier(Arc::new(judge(files)?), identity)
}

/// A client that takes any certificate, for looking at it: nothing may be sent over what it opens.
pub(in crate::registry) fn curious(
    identity: Option<(&Path, Vec<u8>)>,
) -> Result<ClientConfig, RegistryError> {
    with_verifier(Arc::new(Curious(Arc::new(aws_lc_rs::default_provider()))), identity)
}

fn with_verifier(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<(&Path, Vec<u8>)>,
) -> Result<ClientConfig, RegistryError> {
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(Path::new("TLS"), &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((path, pem)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            let chain = chain.map_err(|error| bad(path, &error))?;
            let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| bad(path, &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| bad(path, &error))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The verifier that decides whether a server is trusted, with the authorities in `files` besides the system's.
pub(in crate::registry) fn judge(
    files: &[&PathBuf],
) -> Result<impl ServerCertVerifier + use<>, RegistryError> {
    let mut given = Vec::new();
    for path in files {
        let pem = read(path)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        given.extend(certificates.map_err(|error| bad(path, &error))?);
    }
    let first = files.first().map_or(Path::new("the system's certificates"), |path| path.as_path());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let system = Verifier::new_with_extra_roots(given.iter().cloned(), provider)
        .map_err(|error| bad(first, &error))?;
    Ok(ClientIdentity { system, given })
}

/// Whether `judge` trusts the first of `chain` for `name`, and if not, why.
pub(in crate::registry) fn verdict(
    judge: &impl ServerCertVerifier,
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
) -> Result<(), Distrust> {
    let Some((first, rest)) = chain.split_first() else {
        return Err(Distrust::Other("there is no certificate".to_owned()));
    };
    let judged = judge.verify_server_cert(first, rest, name, &[], UnixTime::now());
    judged.map(drop).map_err(|error| match error {
        Error::InvalidCertificate(why) => Distrust::from(&why),
        other => Distrust::Other(shorten(&other.to_string(), 200)),
    })
}

/// The certificate that a registry is shown, and its key.
pub(in crate::registry) fn identity(
    registry: Option<&HostSettings>,
) -> Result<Option<(&PathBuf, Vec<u8>)>, RegistryError> {
    let Some(registry) = registry else { return Ok(None) };
    let Some(path) = &registry.client_cert else {
        return match &registry.client_key {
            None => Ok(None),
            Some(key) => Err(RegistryError::Certificate {
                path: key.clone(),
                why: "a `client-key` needs a `client-cert`".to_owned(),
            }),
        };
    };
    let mut pem = read(path)?;
    if let Some(key) = &registry.client_key {
        pem.push(b'\n');
        pem.extend(read(key)?);
    }
    Ok(Some((path, pem)))
}

pub(in crate::registry) fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    crate::runtime::input::read(path, MAX_TEXT)
        .map_err(|error| RegistryError::Certificate { path: path.to_owned(), why: error.to_string() })
}

fn bad(path: &Path, error: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Certificate { path: path.to_owned(), why: error.to_string() }
}

/// The system's judgement, except for certificates that were given themselves.
#[derive(Debug)]
struct ClientIdentity {
    system: Verifier,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for ClientIdentity {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.system.verify_server_cert(certificate, chain, name, ocsp, now);
        if judged.is_err() && self.given.contains(certificate) {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

/// Trusts everyone, so that even what is wrong can be shown.
#[derive(Debug)]
struct Curious(Arc<CryptoProvider>);

impl ServerCertVerifier for Curious {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
