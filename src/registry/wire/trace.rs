//! The lines of `-v` about a request and its answer, without secrets.

use std::time::Instant;

use reqwest::header::HeaderMap;
use url::Url;

use super::advice::shorten;
use super::location;
use super::proxy::Way;
use super::request::{HttpRequest, Payload};
use super::secret::Scrubber;

/// Headers that are never printed.
const SECRET_HEADERS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "docker-upload-uuid"];

/// Names in queries whose values are no secrets.
const OPEN_QUERY: [&str; 6] = ["digest", "mount", "from", "scope", "service", "n"];

/// An address without the values of its query: they may be signatures.
pub(in crate::registry) fn redacted(url: &Url) -> String {
    let mut text = format!("{}://{}{}", url.scheme(), location::host(url), url.path());
    let mut separator = '?';
    for (name, value) in url.query_pairs() {
        let is_open = OPEN_QUERY.contains(&name.as_ref());
        let value = if is_open { shorten(&value, 100) } else { "…".to_owned() };
        text.push_str(&format!("{separator}{}={value}", shorten(&name, 40)));
        separator = '&';
    }
    text
}

/// The same for an address that may be relative.
fn redacted_text(location: &str) -> String {
    match (Url::parse(location), location.split_once('?')) {
        (Ok(url), _) => redacted(&url),
        (Err(_), Some((path, _))) => format!("{path}?…"),
        (Err(_), None) => location.to_owned(),
    }
}

/// The line of `-v` about a request.
pub(in crate::registry) struct RequestTrace {
    request: String,
    begun: Instant,
    sent: u64,
    pub(in crate::registry) outcome: String,
}

impl RequestTrace {
    pub(in crate::registry) fn new(request: &HttpRequest, source: Option<&str>, way: &Way) -> Self {
        let place = match request.is_hidden {
            true => format!("{}://{}/…", request.url.scheme(), location::host(&request.url)),
            false => redacted(&request.url),
        };
        let mut text = format!("{} {place}", request.method);
        if let Way::Through(proxy) = way {
            text.push_str(&format!(" through {proxy}"));
        }
        text.push_str(&format!(" with {}", source.unwrap_or("no login")));
        let sent = match &request.payload {
            Payload::Nothing => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Upload(upload) => http_body::Body::size_hint(upload).exact().unwrap_or(0),
        };
        Self { request: text, begun: Instant::now(), sent, outcome: String::new() }
    }

    pub(in crate::registry) fn answered(&mut self, answer: &reqwest::Response) {
        self.outcome = answer.status().as_u16().to_string();
        if let Some(length) = answer.content_length().filter(|length| *length > 0) {
            self.outcome.push_str(&format!(", {length} bytes"));
        }
    }
}

impl std::fmt::Display for RequestTrace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.begun.elapsed().as_millis();
        write!(f, "{}: {} after {millis} ms", self.request, self.outcome)?;
        if self.sent > 0 { write!(f, ", {} bytes sent", self.sent) } else { Ok(()) }
    }
}

/// Tells headers, for `-vv`: without those that are secrets, and without secrets in the others.
pub(in crate::registry) fn tell_headers(scrubber: &Scrubber, mark: char, headers: &HeaderMap) {
    for (name, value) in headers {
        let is_secret = value.is_sensitive() || SECRET_HEADERS.contains(&name.as_str());
        let value = if is_secret { "…".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        let value = if name == "location" { redacted_text(&value) } else { value.into_owned() };
        tracing::debug!("  {mark} {name}: {}", shorten(&scrubber.scrub(&value), 300));
    }
}
