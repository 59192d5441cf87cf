//! Signatures of messages, all from one secret.
//!
//! | header | content | for |
//! |---|---|---|
//! | `webhook-id`, `webhook-timestamp`, `webhook-signature` | `v1,` and base64 of HMAC-SHA256 of `id.timestamp.body` | Standard Webhooks |
//! | `x-hub-signature-256` | `sha256=` and hex of HMAC-SHA256 of the body | what reads GitHub's webhooks |
//! | `x-signature` | the same | Flux's `generic-hmac` |
//!
//! A secret that begins with `whsec_` is base64 to Standard Webhooks and a text to the others, as each of them has it.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::registry::Secret;
use crate::types::digest::hex;

/// The prefix of secrets of Standard Webhooks.
const PREFIX: &str = "whsec_";
/// The prefix of signatures in hexadecimal digits.
const SHA256: &str = "sha256=";
/// How far the clocks of sender and receiver may be apart, in seconds.
pub const TOLERANCE: u64 = 300;

/// The keys that a secret means.
pub struct SigningKey {
    /// For Standard Webhooks.
    standard: hmac::Key,
    /// For all others.
    text: hmac::Key,
}

/// Why a secret cannot be used. It does not repeat the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// There is nothing in it.
    #[error("the secret is empty")]
    Empty,
    /// `whsec_` announces base64.
    #[error("the secret begins with `{PREFIX}`, and what follows is not base64")]
    NotBase64,
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("there is no signature")]
    Missing,
    /// It is not of these bytes and this secret.
    #[error("the signature does not fit")]
    Wrong,
    /// The message is too old, or from the future: somebody may send it again.
    #[error("the timestamp of the signature is more than {TOLERANCE} s away")]
    Stale,
}

impl SigningKey {
    /// The keys of a secret.
    ///
    /// # Errors
    /// When it is empty, or says that it is base64 and is not.
    pub fn new(secret: &Secret) -> Result<Self, SigningKeyError> {
        let text = secret.expose();
        let standard = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| SigningKeyError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if standard.is_empty() {
            return Err(SigningKeyError::Empty);
        }
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Ok(Self { standard: key(&standard), text: key(text.as_bytes()) })
    }

    /// The headers of a message that is sent at `seconds` after 1970.
    #[must_use]
    pub fn headers(&self, id: &str, seconds: u64, body: &[u8]) -> Vec<(&'static str, String)> {
        let standard = hmac::sign(&self.standard, &signed_content(id, &seconds.to_string(), body));
        let text = format!("{SHA256}{}", hex(hmac::sign(&self.text, body).as_ref()));
        vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", format!("v1,{}", STANDARD.encode(standard.as_ref()))),
            ("x-hub-signature-256", text.clone()),
            ("x-signature", text),
        ]
    }

    /// Checks the signature of a message that came at `now`, in seconds after 1970; `header` gives the value of a
    /// header. One that covers id and time counts before one that covers the body alone.
    ///
    /// # Errors
    /// When there is none, or the one that counts is wrong or old.
    pub fn verify<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: u64,
    ) -> Result<(), SignatureError> {
        if let Some(signatures) = header("webhook-signature") {
            let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
            let (Some(id), Some(time)) = (id, time) else { return Err(SignatureError::Missing) };
            let content = signed_content(id, time, body);
            let fits = |signature: &str| {
                let bytes = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
                bytes.is_some_and(|bytes| hmac::verify(&self.standard, &content, &bytes).is_ok())
            };
            if !signatures.split(' ').take(16).any(fits) {
                return Err(SignatureError::Wrong);
            }
            let then: u64 = time.parse().map_err(|_| SignatureError::Wrong)?;
            return if now.abs_diff(then) > TOLERANCE { Err(SignatureError::Stale) } else { Ok(()) };
        }
        let signature = header("x-hub-signature-256").or_else(|| header("x-signature"));
        let signature = signature.ok_or(SignatureError::Missing)?;
        let bytes = signature.strip_prefix(SHA256).and_then(from_hex).ok_or(SignatureError::Wrong)?;
        hmac::verify(&self.text, body, &bytes).map_err(|_| SignatureError::Wrong)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn signed_content(id: &str, time: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", time.as_bytes(), b".", body].concat()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> SigningKey {
        SigningKey::new(&Secret::new(secret)).expect("a key")
    }

    fn find<'h>(headers: &'h [(&'static str, String)]) -> impl Fn(&str) -> Option<&'h str> {
        move |name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The vector of the libraries of Standard Webhooks.
    #[test]
    fn the_vector_of_standard_webhooks() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let headers = key.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        let signature = find(&headers)("webhook-signature");
        assert_eq!(signature, Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    /// The vector of GitHub's documentation, "Validating webhook deliveries".
    #[test]
    fn the_vector_of_github() {
        let headers = key("It's a Secret to Everybody").headers("id", 0, b"Hello, World!");
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(find(&headers)("x-hub-signature-256"), Some(expected));
        assert_eq!(find(&headers)("x-signature"), Some(expected));
    }

    #[test]
    fn only_its_own_message_is_accepted_and_only_in_time() {
        let key = key("a secret");
        let headers = key.headers("id", 1000, b"body");
        assert_eq!(key.verify(find(&headers), b"body", 1300), Ok(()));
        assert_eq!(key.verify(find(&headers), b"body", 1301), Err(SignatureError::Stale));
        assert_eq!(key.verify(find(&headers), b"body", 699), Err(SignatureError::Stale));
        assert_eq!(key.verify(find(&headers), b"Body", 1000), Err(SignatureError::Wrong));
        assert_eq!(
            super::tests::key("b secret").verify(find(&headers), b"body", 1000),
            Err(SignatureError::Wrong)
        );
        let mut moved = headers.clone();
        moved[1].1 = "1200".to_owned();
        assert_eq!(key.verify(find(&moved), b"body", 1200), Err(SignatureError::Wrong));
        let only = |name: &'static str| -> Vec<(&'static str, String)> {
            headers.iter().filter(|(known, _)| *known == name).cloned().collect()
        };
        for name in ["x-hub-signature-256", "x-signature"] {
            assert_eq!(key.verify(find(&only(name)), b"body", 9_999_999), Ok(()));
            assert_eq!(key.verify(find(&only(name)), b"bodY", 0), Err(SignatureError::Wrong));
        }
        assert_eq!(key.verify(find(&only("webhook-signature")), b"body", 1000), Err(SignatureError::Missing));
        assert_eq!(key.verify(find(&[]), b"body", 1000), Err(SignatureError::Missing));
        // A wrong signature of the better kind is not made good by a right one of the other.
        let mut mixed = headers.clone();
        mixed[2].1 = "v1,AAAA v2,x".to_owned();
        assert_eq!(key.verify(find(&mixed), b"body", 1000), Err(SignatureError::Wrong));
    }

    #[test]
    fn a_secret_is_not_printed_and_must_be_one() {
        assert_eq!(format!("{:?}", key("hunter2")), "SigningKey(…)");
        assert_eq!(SigningKey::new(&Secret::new("")).err(), Some(SigningKeyError::Empty));
        assert_eq!(SigningKey::new(&Secret::new("whsec_")).err(), Some(SigningKeyError::Empty));
        assert_eq!(SigningKey::new(&Secret::new("whsec_!")).err(), Some(SigningKeyError::NotBase64));
    }
}
