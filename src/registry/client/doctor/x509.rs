//! The fields of a certificate (RFC 5280), for people: names, issuer, and how long it is good.
//!
//! Nothing is decided by what is read here; whether a certificate is trusted is rustls' to say.

use std::net::IpAddr;

use super::super::super::wire::advice::shorten;
use crate::types::time::Civil;

/// The fields of a certificate that people ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Certificate {
    /// `CN=…, O=…`
    pub(in crate::registry) subject: String,
    /// The same of its signer.
    pub(in crate::registry) issuer: String,
    /// Seconds since 1970.
    pub(in crate::registry) not_before: i64,
    /// Seconds since 1970.
    pub(in crate::registry) not_after: i64,
    /// DNS names and addresses that it is for.
    pub(in crate::registry) names: Vec<String>,
}

const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`: the version, before everything else.
const VERSION: u8 = 0xa0;
/// `[3]`: the extensions, after everything else.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Reads a certificate in DER; `None` for what is none.
pub(in crate::registry) fn read(der: &[u8]) -> Option<Certificate> {
    let mut certificate = Der(Der(der).take(SEQUENCE)?);
    let mut body = Der(certificate.take(SEQUENCE)?);
    if body.0.first() == Some(&VERSION) {
        body.next()?;
    }
    body.next()?; // serial number
    body.next()?; // algorithm of the signature
    let issuer = name(body.take(SEQUENCE)?);
    let mut validity = Der(body.take(SEQUENCE)?);
    let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
    let subject = name(body.take(SEQUENCE)?);
    let mut names = Vec::new();
    while let Some((tag, content)) = body.next() {
        if tag == EXTENSIONS {
            names = alternative_names(content).unwrap_or_default();
        }
    }
    Some(Certificate { subject, issuer, not_before, not_after, names })
}

/// Elements one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Tag and content of the next element.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 4 {
                return None;
            }
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// A distinguished name; what has no short name of its own is left out.
fn name(content: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut sets = Der(content);
    while let Some((_, set)) = sets.next() {
        let mut pairs = Der(set);
        while let Some((_, pair)) = pairs.next() {
            let mut pair = Der(pair);
            let (Some(kind), Some((_, value))) = (pair.take(OBJECT), pair.next()) else { continue };
            let kind = match kind {
                [0x55, 0x04, 0x03] => "CN",
                [0x55, 0x04, 0x06] => "C",
                [0x55, 0x04, 0x0a] => "O",
                [0x55, 0x04, 0x0b] => "OU",
                _ => continue,
            };
            parts.push(format!("{kind}={}", shorten(&String::from_utf8_lossy(value), 80)));
        }
    }
    if parts.is_empty() { "no name".to_owned() } else { parts.join(", ") }
}

fn alternative_names(content: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(Der(content).take(SEQUENCE)?);
    while let Some((_, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.take(OBJECT) != Some(SUBJECT_ALT_NAME) {
            continue;
        }
        // Whether it is critical may stand between.
        let value = loop {
            match extension.next()? {
                (OCTETS, value) => break value,
                _ => continue,
            }
        };
        let mut names = Vec::new();
        let mut all = Der(Der(value).take(SEQUENCE)?);
        while let Some((tag, value)) = all.next() {
            let name = match tag {
                0x82 => Some(shorten(&String::from_utf8_lossy(value), 80)),
                0x87 => address(value),
                _ => None,
            };
            names.extend(name);
        }
        return Some(names);
    }
    None
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` in seconds since 1970.
fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => text.split_at_checked(2)?,
        GENERALIZED_TIME => text.split_at_checked(4)?,
        _ => return None,
    };
    let mut year: i64 = year.parse().ok()?;
    if tag == UTC_TIME {
        year += if year < 50 { 2000 } else { 1900 };
    }
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(Civil { year, month, day, hour: part(4)?, minute: part(6)?, second: part(8)? }.seconds())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Made with OpenSSL, for these tests alone.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\n\
        MIICHjCCAcSgAwIBAgIULjb2whYNQHoJ25W66AeB382vOeUwCgYIKoZIzj0EAwIw\n\
        QDELMAkGA1UEBhMCREUxFjAUBgNVBAoMDVNob3AgJiBTw7ZobmUxGTAXBgNVBAMM\n\
        EHJlZ2lzdHJ5LmV4YW1wbGUwIBcNMjYxMTIxMTEwNjUzWhgPMjEzNjA1MjgxMTA2\n\
        NTNaMEAxCzAJBgNVBAYTAkRFMRYwFAYDVQQKDA1TaG9wICYgU8O2aG5lMRkwFwYD\n\
        VQQDDBByZWdpc3RyeS5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n\
        QKncguE2oR0teN52JyGBUOIyr+5b54pse+8EalXuGlL5Ium8gsRQGaWwip2/XLvH\n\
        0i8oXsK00jP4NnCMKxXNsqOBmTCBljAdBgNVHQ4EFgQUB6wWQB4xuxK2pe3tfLkM\n\
        Wv2Z36YwHwYDVR0jBBgwFoAUB6wWQB4xuxK2pe3tfLkMWv2Z36YwDwYDVR0TAQH/\n\
        BAUwAwEB/zBDBgNVHREEPDA6ghByZWdpc3RyeS5leGFtcGxlgg4qLnRlYW0uZXhh\n\
        bXBsZYcEfwAAAYcQAAAAAAAAAAAAAAAAAAAAATAKBggqhkjOPQQDAgNIADBFAiBb\n\
        FFK0tDRk3tU10vwN2tsuUN5LMeeIUo3ijImwARWOeQIhAJKHFAtcNmPJB7fqpG4Y\n\
        y/qY84nJ3ZvuJ9h8GT4bq9bS\n\
        -----END CERTIFICATE-----";

    fn der() -> Vec<u8> {
        CertificateDer::from_pem_slice(PEM.as_bytes()).expect("PEM").to_vec()
    }

    #[test]
    fn reads_what_openssl_wrote() {
        let read = read(&der()).expect("a certificate");
        assert_eq!(read.subject, "C=DE, O=Shop & Söhne, CN=registry.example");
        assert_eq!(read.issuer, read.subject);
        assert_eq!(
            crate::types::time::rfc3339(read.not_before.cast_unsigned()).as_deref(),
            Ok("2026-11-21T11:06:53Z")
        );
        assert_eq!(read.not_after - read.not_before, 40_000 * 86_400);
        assert_eq!(read.names, ["registry.example", "*.team.example", "127.0.0.1", "::1"]);
    }

    #[test]
    fn times_of_both_forms() {
        assert_eq!(time((UTC_TIME, b"700101000000Z")), Some(0));
        assert_eq!(time((UTC_TIME, b"491231235959Z")), Some(2_524_607_999));
        assert_eq!(time((UTC_TIME, b"500101000000Z")), Some(-631_152_000));
        assert_eq!(time((GENERALIZED_TIME, b"20240229120000Z")), Some(1_709_208_000));
        assert_eq!(time((GENERALIZED_TIME, b"20501231000000Z")), Some(2_556_057_600));
        for wrong in ["", "Z", "7001010000Z", "701301000000Z", "700101000000", "70010100000xZ"] {
            assert_eq!(time((UTC_TIME, wrong.as_bytes())), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_damage_is_survived(at in 0_usize..2000, byte in any::<u8>(), end in 0_usize..2000) {
            let mut bytes = der();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(end % (length + 1));
            let _ = read(&bytes);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&bytes);
        }
    }
}
