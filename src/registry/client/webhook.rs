//! Telling others than registries: one POST to an address that the user gave.
//!
//! The request goes the way of all others: proxies, TLS settings of the host, time limits, an interrupt. It carries no
//! login but the one in the address, and a redirect is an answer that is not followed: the event, its signature and
//! the login are for the host that the user named.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};

use super::super::wire::context::{Context, RequestStep};
use super::super::wire::error::{RegistryError, is_transient};
use super::super::wire::fault::Fault;
use super::super::wire::request::{HttpRequest, Payload};
use super::handle::Client;
use crate::types::reference::Registry;
use crate::types::webhook_url::WebhookUrl;

/// A message to a receiver.
#[derive(Debug)]
pub struct WebhookRequest<'a> {
    /// The receiver.
    pub url: &'a WebhookUrl,
    /// The id of the event, for messages.
    pub id: String,
    /// The media type of the body.
    pub content_type: &'a str,
    /// More headers. Their values are not printed.
    pub headers: &'a [(&'static str, String)],
    /// The body.
    pub body: Bytes,
    /// The longest time that it all may take.
    pub timeout: Duration,
}

/// The answer of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// The HTTP status.
    pub status: u16,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The status and the beginning of what the receiver said, for people; secrets are taken out.
    pub said: String,
}

impl WebhookAnswer {
    /// Whether the receiver took the message.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Whether the same may succeed a little later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        is_transient(self.status) || self.status == 425
    }
}

impl Client {
    /// Sends a message once, and returns the answer, whatever it is.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub fn post(&self, request: &WebhookRequest<'_>) -> Result<WebhookAnswer, RegistryError> {
        let context = context(request.url, RequestStep::Notify, &request.id)?;
        let mut sent = HttpRequest::new(Method::POST, request.url.without_login())
            .header(CONTENT_TYPE, request.content_type)
            .payload(Payload::Bytes(request.body.clone()))
            .hidden();
        for (name, value) in request.headers {
            add_secret(&mut sent, HeaderName::from_static(name), value);
        }
        self.exchange_with(request.url, &context, sent, request.timeout)
    }

    /// Asks whether anything answers at an address at all: `HEAD`, and every answer is one.
    ///
    /// # Errors
    /// When nothing answers in time.
    pub fn reach(&self, url: &WebhookUrl, timeout: Duration) -> Result<(), RegistryError> {
        let context = context(url, RequestStep::Reach, &url.to_string())?;
        let request = HttpRequest::new(Method::HEAD, url.without_login()).hidden();
        self.exchange_with(url, &context, request, timeout).map(drop)
    }

    fn exchange_with(
        &self,
        url: &WebhookUrl,
        context: &Context,
        mut request: HttpRequest,
        timeout: Duration,
    ) -> Result<WebhookAnswer, RegistryError> {
        let wire = self.api().wire();
        let path = url.without_login();
        // Services put secrets into the path, as others do into a password.
        for part in path.path_segments().into_iter().flatten().filter(|part| part.len() >= 8) {
            wire.scrubber.learn(part);
        }
        for (_, value) in path.query_pairs() {
            wire.scrubber.learn(&value);
        }
        if let Some((user, password)) = url.login() {
            wire.scrubber.learn(&password);
            let login = STANDARD.encode(format!("{user}:{password}"));
            wire.scrubber.learn(&login);
            add_secret(&mut request, AUTHORIZATION, &format!("Basic {login}"));
        }
        let host = wire.host(&context.registry)?;
        self.wait(async {
            let exchange = async {
                let response = wire.exchange(&host, context, request, None).await?;
                let status = response.status();
                if response.is_success() {
                    response.discard().await;
                    return Ok(WebhookAnswer { status, retry_after: None, said: String::new() });
                }
                let answer = response.answer(&wire.scrubber).await;
                let said = match status {
                    300..=399 => format!("{answer}; a redirect is not followed"),
                    _ => answer.to_string(),
                };
                Ok(WebhookAnswer { status, retry_after: answer.retry_after, said })
            };
            let stalled = || RegistryError::NoAnswer {
                context: Box::new(context.clone()),
                fault: Fault::Stalled("waiting for the answer"),
                reached_before: true,
            };
            wire.settings().clock.within(timeout, exchange).await.unwrap_or_else(|| Err(stalled()))
        })
    }
}

fn add_secret(request: &mut HttpRequest, name: HeaderName, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        request.headers.insert(name, value);
    }
}

fn context(url: &WebhookUrl, step: RequestStep, subject: &str) -> Result<Context, RegistryError> {
    let host = url.host();
    let registry = host.parse::<Registry>().map_err(|_| RegistryError::Setup {
        host: host.clone(),
        why: "its name is not one of a host".to_owned(),
    })?;
    Ok(Context { registry, step, subject: subject.to_owned() })
}
