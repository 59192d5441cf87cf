//! An answer that is not the one hoped for: its status, and what its body says.

use std::fmt;
use std::time::Duration;

use super::advice::shorten;
use super::secret::Scrubber;
use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object};
use crate::types::digest::Digest;

/// An answer that is not the one hoped for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The registry's error code, such as `NAME_UNKNOWN`.
    pub code: Option<String>,
    /// The registry's message, shortened.
    pub message: String,
    /// How long the registry asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The host that answered, where it was not the registry itself.
    pub host: Option<String>,
    /// Digests that the message names.
    pub digests: Vec<Digest>,
}

/// Registries' codes for a manifest that names blobs which they do not have, and for an index that names such manifests.
/// docker-registry has the code of blobs for manifests, too.
const MISSING_PARTS: [&str; 3] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", UNKNOWN_MANIFEST];

/// Registries' code for an index with a missing manifest.
pub(in crate::registry) const UNKNOWN_MANIFEST: &str = "MANIFEST_UNKNOWN";

impl ErrorAnswer {
    /// Whether a manifest is refused because the registry does not have all that it names.
    #[must_use]
    pub fn lacks_parts(&self) -> bool {
        matches!(self.status, 400 | 404) && self.is_code(&MISSING_PARTS)
    }

    /// Whether bytes are refused as if they were others. docker-registry 2.8 says it of a manifest, too, while another request writes a
    /// link that it reads: it writes links in place.
    #[must_use]
    pub fn misreads(&self) -> bool {
        self.status == 400 && self.is_code(&["DIGEST_INVALID"])
    }

    /// Whether the registry's code is one of `codes`.
    #[must_use]
    pub fn is_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host} said ")?;
        }
        write!(f, "{}", self.status)?;
        let reason = reqwest::StatusCode::from_u16(self.status).ok();
        if let Some(reason) = reason.and_then(|status| status.canonical_reason()) {
            write!(f, " {reason}")?;
        }
        match (&self.code, self.message.as_str()) {
            (Some(code), "") => write!(f, ": {code}"),
            (Some(code), message) => write!(f, ": {code}: {message}"),
            (None, "") => Ok(()),
            (None, message) => write!(f, ": {message}"),
        }
    }
}

/// Code and message of an error body: `{"errors":[{"code","message","detail"}]}` or whatever it is. Secrets are taken out
/// of what JSON means, in which they may be written in other ways.
pub(in crate::registry) fn explain(
    body: &[u8],
    is_html: bool,
    scrubber: &Scrubber,
) -> (Option<String>, String) {
    let shorten = |text: &str, limit| shorten(&scrubber.scrub(text), limit);
    if let Ok(ErrorBody(errors)) = json::decode(body)
        && let Some(ErrorEntry { code, message }) = errors.into_iter().next()
    {
        return (code.map(|code| shorten(&code, 60)), shorten(&message, 300));
    }
    let text = String::from_utf8_lossy(body);
    (None, if is_html { "an HTML page".to_owned() } else { shorten(&text, 300) })
}

struct ErrorBody(Vec<ErrorEntry>);

struct ErrorEntry {
    code: Option<String>,
    message: String,
}

impl FromJson for ErrorBody {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        Object::open(value, &["errors"])?.require("errors").map(Self)
    }
}

impl FromJson for ErrorEntry {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut entry = Object::open(value, &["code", "message", "detail"])?;
        // Some registries have numbers.
        let code: Option<json::Raw> = entry.take("code")?;
        let code = code.map(|code| code.value().as_str().unwrap_or(code.value().text().into()).into_owned());
        Ok(Self { code, message: entry.take_or_default("message")? })
    }
}

/// All digests that a text names.
pub(in crate::registry) fn digests(text: &str) -> Vec<Digest> {
    text.match_indices("sha256:").filter_map(|(at, _)| text.get(at..at + 71)?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_error_body() {
        let explain = |body: &[u8]| explain(body, body == b"<html>", &Scrubber::default());
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u0007 way","detail":{"x":1}}]}"#;
        assert_eq!(explain(body), (Some("DENIED".to_owned()), "no way".to_owned()));
        assert_eq!(explain(b"<html>"), (None, "an HTML page".to_owned()));
        assert_eq!(explain(b" plain\ntext "), (None, "plain text".to_owned()));
        assert_eq!(explain(br#"{"errors":[]}"#).0, None);
        assert_eq!(explain(br#"{"errors":[{"code":7}]}"#).0, Some("7".to_owned()));
        assert_eq!(explain(b"\xff\xfe").0, None);
        // A text that is no strict JSON of this kind stays text.
        for odd in [
            r#"{"errors":[{"code":"A","code":"B"}]}"#,
            r#"{"errors":[{"code":"A","Code":"B"}]}"#,
            r#"{"errors":[],"Errors":[{"code":"B"}]}"#,
            r#"[[["A","no"]]]"#,
            r#"{"errors":[["A","no"]]}"#,
        ] {
            assert_eq!(explain(odd.as_bytes()), (None, odd.to_owned()));
        }
        let raw = br#"{"errors":[{"code":{"$serde_json::private::RawValue":"[1"},"message":null}]}"#;
        let code = r#"{"$serde_json::private::RawValue":"[1"}"#;
        assert_eq!(explain(raw), (Some(code.to_owned()), String::new()));
    }

    #[test]
    fn a_secret_that_json_writes_in_another_way_is_taken_out() {
        let scrubber = Scrubber::default();
        scrubber.learn("hunter/2\"");
        let body = br#"{"errors":[{"code":"\u0068unter\/2\"","message":"not \u0068unter\/2\u0022 again"}]}"#;
        assert_eq!(explain(body, false, &scrubber), (Some("…".to_owned()), "not … again".to_owned()));
    }

    #[test]
    fn finds_the_digests_that_a_message_names() {
        let digest = Digest::of(b"x");
        let text = format!(r#"{{"detail":{{"Digest":"{digest}"}}}} sha256:short {digest}é sha256:"#);
        assert_eq!(digests(&text), [digest, digest]);
    }
}
