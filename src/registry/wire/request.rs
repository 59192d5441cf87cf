//! A request that is yet to be sent.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::body::Upload;
use super::location;

/// The body of a request.
pub(in crate::registry) enum Payload {
    Nothing,
    Bytes(Bytes),
    Upload(Upload),
}

/// A request that is yet to be authorised.
pub(in crate::registry) struct HttpRequest {
    pub(in crate::registry) method: Method,
    pub(in crate::registry) url: Url,
    /// Whether it goes to the registry itself.
    pub(in crate::registry) own: bool,
    pub(in crate::registry) headers: HeaderMap,
    pub(in crate::registry) payload: Payload,
    /// Whether the token must not be near its end.
    pub(in crate::registry) fresh: bool,
    /// Whether path and query are secrets, which are not shown.
    pub(in crate::registry) is_hidden: bool,
}

impl HttpRequest {
    pub(in crate::registry) fn new(method: Method, url: Url) -> Self {
        let (headers, payload) = (HeaderMap::new(), Payload::Nothing);
        Self { method, url, own: true, headers, payload, fresh: false, is_hidden: false }
    }

    pub(in crate::registry) fn to(method: Method, target: &location::RedirectTarget) -> Self {
        Self { own: target.own, ..Self::new(method, target.url.clone()) }
    }

    pub(in crate::registry) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(in crate::registry) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(in crate::registry) const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    pub(in crate::registry) const fn fresh(mut self, fresh: bool) -> Self {
        self.fresh = fresh;
        self
    }

    /// The same request once more, unless its body can be read only once.
    pub(in crate::registry) fn again(&self) -> Option<Self> {
        let payload = match &self.payload {
            Payload::Nothing => Payload::Nothing,
            Payload::Bytes(bytes) => Payload::Bytes(bytes.clone()),
            Payload::Upload(_) => return None,
        };
        let (method, url, headers) = (self.method.clone(), self.url.clone(), self.headers.clone());
        Some(Self { method, url, headers, payload, ..*self })
    }
}
