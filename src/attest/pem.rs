//! Blocks of PEM (RFC 7468), of which keys are files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::KeyError;

/// A file of keys has at most so many bytes.
pub(super) const MAX_KEY_FILE: usize = 64 << 10;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A block: its label, and the bytes in it.
pub(super) struct PemBlock {
    pub(super) label: String,
    /// `None` where it has headers, which say that a passphrase protects it.
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
}

/// The blocks of a text, in their order.
///
/// # Errors
/// When there is none, or one is damaged.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<PemBlock>, KeyError> {
    if text.len() > MAX_KEY_FILE {
        return Err(KeyError::Pem("it is larger than any key"));
    }
    let text = std::str::from_utf8(text).map_err(|_| KeyError::NoPem)?;
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) else {
            continue;
        };
        let mut base64 = Zeroizing::new(String::with_capacity(text.len()));
        let mut has_headers = false;
        loop {
            let line = lines.next().ok_or(KeyError::Pem("a block has no end"))?;
            if let Some(end) = line.strip_prefix(END).and_then(|rest| rest.strip_suffix(DASHES)) {
                if end != label {
                    return Err(KeyError::Pem("a block ends with another label"));
                }
                break;
            }
            if line.contains(':') {
                has_headers = true;
            } else {
                base64.push_str(line);
            }
        }
        let body = match has_headers {
            true => None,
            false => {
                let bytes = STANDARD.decode(base64.as_bytes());
                Some(Zeroizing::new(bytes.map_err(|_| KeyError::Pem("a block is not base64"))?))
            }
        };
        found.push(PemBlock { label: label.to_owned(), body });
    }
    if found.is_empty() { Err(KeyError::NoPem) } else { Ok(found) }
}

/// A block of PEM.
pub(super) fn write(label: &str, body: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(body));
    let mut text = Zeroizing::new(String::with_capacity(base64.len() * 2 + 128));
    text.push_str(&format!("{BEGIN}{label}{DASHES}\n"));
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = next;
    }
    text.push_str(&format!("{END}{label}{DASHES}\n"));
    text
}
