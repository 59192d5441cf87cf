//! Private keys in PEM (RFC 7468), as OpenSSH, OpenSSL and GnuPG write them, also inside strings of JSON.
//!
//! A marker alone is no key: documentation and parsers have it. A key has a body of base64 behind its marker that decodes to
//! what keys begin with, and DER says a length that fits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::kind::SecretKind;

/// How far the body of a key is followed: one of 16,384 bits has 13 KiB.
const MAX_BODY: usize = 32 << 10;
/// The beginning of a marker.
pub(super) const BEGIN: &[u8] = b"-----BEGIN ";

/// The key whose first line has `PRIVATE KEY` at `at`: where it begins, its length, and its kind.
pub(super) fn private_key(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let before = &text[at.saturating_sub(64)..at];
    let begin = memchr::memmem::rfind(before, BEGIN)?;
    let label = &before[begin + BEGIN.len()..];
    if !label.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b' ') {
        return None;
    }
    let start = at - before.len() + begin;
    let rest = &text[at + "PRIVATE KEY".len()..];
    let is_block = rest.starts_with(b" BLOCK");
    let rest = rest.strip_prefix(b" BLOCK").unwrap_or(rest).strip_prefix(b"-----")?;
    let body = &rest[..rest.len().min(MAX_BODY)];
    // No body has such a line but at its end, and each place is searched for one key alone.
    let end = memchr::memmem::find(body, b"-----").filter(|end| body[*end..].starts_with(b"-----END "))?;
    #[cfg(test)]
    super::text::steps::add(end);
    let body = KeyBody::read(&body[..end])?;
    let is_key = if is_block { body.is_openpgp() } else { body.is_der() || body.is_openssh() };
    let is_locked =
        body.is_locked || memchr::memmem::find(label, b"ENCRYPTED").is_some() || body.is_openssh_locked();
    let kind = match is_key {
        false => return None,
        true if is_locked => SecretKind::EncryptedPrivateKey,
        true => SecretKind::PrivateKey,
    };
    let length = text.len() - rest.len() + end - start;
    Some((start, length, kind))
}

/// The decoded body of a key.
struct KeyBody {
    bytes: Vec<u8>,
    /// Whether its headers say that a passphrase protects it.
    is_locked: bool,
}

impl KeyBody {
    /// Takes headers, line ends, quotes and escaped line ends away; `None` where anything else is between the lines.
    fn read(text: &[u8]) -> Option<Self> {
        let mut base64 = Vec::with_capacity(text.len());
        let mut is_locked = false;
        let text = unescaped(text);
        for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = line.trim_ascii();
            if memchr::memchr(b':', line).is_some() {
                is_locked |= memchr::memmem::find(line, b"ENCRYPTED").is_some();
                continue;
            }
            // A checksum of OpenPGP.
            if line.first() == Some(&b'=') {
                continue;
            }
            for byte in line {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => base64.push(*byte),
                    b'=' | b'"' | b'\'' | b',' | b' ' | b'\t' | b';' | b'\\' => {}
                    _ => return None,
                }
            }
        }
        // Whole groups alone: what is cut off there decides nothing.
        base64.truncate(base64.len() - usize::from(base64.len() % 4 == 1));
        let engine = base64::engine::GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
        );
        let bytes = engine.decode(&base64).or_else(|_| STANDARD_NO_PAD.decode(&base64)).ok()?;
        (bytes.len() >= 30).then_some(Self { bytes, is_locked })
    }

    /// A sequence of DER that is as long as it says. One under a passphrase of old (`Proc-Type`) is random.
    fn is_der(&self) -> bool {
        if self.is_locked {
            return super::text::distinct(&self.bytes) >= 20;
        }
        let length = match &self.bytes[..] {
            [0x30, short @ ..=0x7f, ..] => 2 + usize::from(*short),
            [0x30, 0x81, length, ..] => 3 + usize::from(*length),
            [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => return false,
        };
        length == self.bytes.len()
    }

    fn is_openssh(&self) -> bool {
        self.bytes.starts_with(b"openssh-key-v1\0") && self.bytes.len() > 100
    }

    /// Whether a cipher is named: a length of four bytes, then a name that is not `none`.
    fn is_openssh_locked(&self) -> bool {
        self.bytes.strip_prefix(b"openssh-key-v1\0").is_some_and(|rest| !rest.starts_with(b"\0\0\0\x04none"))
    }

    /// A packet of OpenPGP with a secret key, of the old or the new form.
    fn is_openpgp(&self) -> bool {
        matches!(self.bytes[0], 0x94..=0x97 | 0xc5)
    }
}

/// The text with `\n` and `\r` of string literals as line ends.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(b'n' | b'r')) => {
                bytes.next();
                plain.push(b'\n');
            }
            _ => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A text with this label that has the form of a key, which opens nothing.
    pub(crate) fn pem(label: &str, bytes: &[u8]) -> String {
        let body = base64::engine::general_purpose::STANDARD.encode(bytes);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("text")).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    pub(crate) fn der(length: u8) -> Vec<u8> {
        let mut bytes = vec![0x30, 0x81, length];
        bytes.extend((0..length).map(|byte| byte.wrapping_mul(37)));
        bytes
    }

    fn found(text: &str) -> Option<SecretKind> {
        let at = memchr::memmem::find(text.as_bytes(), b"PRIVATE KEY")?;
        private_key(text.as_bytes(), at).map(|(_, _, kind)| kind)
    }

    #[test]
    fn a_key_has_a_body_that_decodes() {
        let key = pem("RSA PRIVATE KEY", &der(200));
        assert_eq!(found(&key), Some(SecretKind::PrivateKey));
        assert_eq!(found(&key.replace('\n', "\\n")), Some(SecretKind::PrivateKey));
        for end in ["\r\n", "\r"] {
            assert_eq!(found(&key.replace('\n', end)), Some(SecretKind::PrivateKey), "{end:?}");
        }
        let quoted = key.lines().map(|line| format!("\"{line}\\n\" +\n")).collect::<String>();
        assert_eq!(found(&quoted.replace(" +", "")), Some(SecretKind::PrivateKey));
        assert_eq!(found(&pem("ENCRYPTED PRIVATE KEY", &der(200))), Some(SecretKind::EncryptedPrivateKey));
        let openssh = [&b"openssh-key-v1\0\0\0\0\x04none"[..], &der(200)].concat();
        assert_eq!(found(&pem("OPENSSH PRIVATE KEY", &openssh)), Some(SecretKind::PrivateKey));
        let locked = [&b"openssh-key-v1\0\0\0\0\x0aaes256-ctr"[..], &der(200)].concat();
        assert_eq!(found(&pem("OPENSSH PRIVATE KEY", &locked)), Some(SecretKind::EncryptedPrivateKey));
        assert_eq!(
            found(&pem("PGP PRIVATE KEY BLOCK", &[&[0x95, 1][..], &der(200)].concat())),
            Some(SecretKind::PrivateKey)
        );
    }

    #[test]
    fn a_marker_is_no_key() {
        for text in [
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBg\n-----END PRIVATE KEY-----",
            "if text.contains(\"PRIVATE KEY\")",
            "-----BEGIN RSA PRIVATE KEY-----\" + body + \"-----END RSA PRIVATE KEY-----",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(found(&pem("PRIVATE KEY", &[7; 200])), None, "no DER");
        assert_eq!(found(&pem("PRIVATE KEY", &der(200)[..150])), None, "cut off");
    }
}
