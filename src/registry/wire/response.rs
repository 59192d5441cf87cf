//! An answer whose body is yet to be read.

use bytes::Bytes;
use url::Url;

use super::answer::{ErrorAnswer, digests, explain};
use super::clock::Clock;
use super::fault::{self, Fault};
use super::location;
use super::retry::retry_after;
use super::secret::Scrubber;
use super::settings::Timeouts;
use crate::types::digest::Digest;

/// An error or token answer that is longer is cut or refused.
pub(in crate::registry) const MAX_ANSWER: u64 = 64 << 10;

/// An answer whose body is yet to be read.
pub(in crate::registry) struct Response {
    pub(in crate::registry) inner: reqwest::Response,
    /// Where it came from.
    pub(in crate::registry) url: Url,
    /// Whether the registry itself answered.
    pub(in crate::registry) own: bool,
    pub(in crate::registry) timeouts: Timeouts,
    pub(in crate::registry) clock: Clock,
}

impl Response {
    pub(in crate::registry) fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    pub(in crate::registry) fn is_success(&self) -> bool {
        self.inner.status().is_success()
    }

    pub(in crate::registry) fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    pub(in crate::registry) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.inner.headers().get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// The header and not the body's length: an answer to HEAD has no body.
    pub(in crate::registry) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// `Docker-Content-Digest`, where it is a digest that we know.
    pub(in crate::registry) fn digest(&self) -> Option<Digest> {
        self.header("docker-content-digest")?.trim().parse().ok()
    }

    /// The next piece of the body.
    pub(in crate::registry) async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.clock.within(self.timeouts.idle, self.inner.chunk()).await {
            Some(Ok(chunk)) => Ok(chunk),
            Some(Err(error)) => Err(fault::from_http(error)),
            None => Err(Fault::Stalled("reading the answer")),
        }
    }

    /// The body, if it has at most `limit` bytes and comes in the time that a document may take.
    pub(in crate::registry) async fn body(self, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        let (time, clock) = (self.timeouts.document, self.clock.clone());
        let read = clock.within(time, self.body_in_any_time(limit)).await;
        read.unwrap_or(Err(Fault::Stalled("reading the whole answer")))
    }

    async fn body_in_any_time(mut self, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }

    /// Reads a short rest that comes soon, so that the connection can be used again.
    pub(in crate::registry) async fn discard(self) {
        if self.content_length().is_some_and(|length| length <= MAX_ANSWER) {
            let (time, clock) = (self.timeouts.rest, self.clock.clone());
            let _ = clock.within(time, self.body_in_any_time(MAX_ANSWER)).await;
        }
    }

    /// The beginning of a body: not more than the limit of bytes and time.
    async fn beginning(&mut self) -> Vec<u8> {
        let end = self.clock.now() + self.timeouts.rest;
        let clock = self.clock.clone();
        let mut body = Vec::new();
        while (body.len() as u64) < MAX_ANSWER {
            let left = end.saturating_duration_since(clock.now());
            // A broken rest is no reason to lose what came before.
            let Some(Ok(Some(chunk))) = clock.within(left, self.chunk()).await else { break };
            body.extend_from_slice(&chunk);
        }
        body
    }

    /// The registry's text in an unexpected answer.
    pub(in crate::registry) async fn answer(mut self, scrubber: &Scrubber) -> ErrorAnswer {
        let status = self.status();
        let retry_after = retry_after(self.header("retry-after"), self.header("date"));
        let host = (!self.own).then(|| location::host(&self.url));
        let is_html = self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let body = self.beginning().await;
        let (code, message) = explain(&body, is_html, scrubber);
        let digests = digests(&String::from_utf8_lossy(&body));
        ErrorAnswer { status, code, message, retry_after, host, digests }
    }
}

/// Where an answer redirects to, if it does.
pub(in crate::registry) fn redirect(response: &Response) -> Option<&str> {
    // 303 and the rest are for what has no body; uploads are never redirected to another method.
    matches!(response.status(), 301 | 302 | 303 | 307 | 308).then(|| response.header("location"))?
}
