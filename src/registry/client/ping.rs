//! Asking a registry whether it knows us.

use reqwest::Method;

use super::super::auth::access::Access;
use super::super::wire::context::{Context, RequestStep};
use super::super::wire::error::RegistryError;
use super::super::wire::host::Host;
use super::super::wire::request::HttpRequest;
use super::api::Api;
use super::handle::Client;
use crate::types::reference::Scope;

/// The registry's answer to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It asked for a login and took it.
    Known,
    /// It asked for no login, so that none could be checked.
    NotAsked,
}

impl Client {
    /// Asks a registry whether it knows us: `GET /v2/`, with a token of no scope where it wants one.
    ///
    /// # Errors
    /// When it refuses the login, cannot be asked, or is no registry.
    pub fn check_login(&self, scope: &Scope) -> Result<Greeting, RegistryError> {
        let host = self.api().host(scope.registry())?;
        let access = Access::none(scope);
        self.wait(async { self.api().retrying(&host, async || self.api().greet(&host, &access).await).await })
    }
}

impl Api {
    /// Whether the registry knows us.
    pub(in crate::registry) async fn greet(
        &self,
        host: &Host,
        access: &Access,
    ) -> Result<Greeting, RegistryError> {
        let subject = "whether it knows us".to_owned();
        let context = Context { registry: host.registry.clone(), step: RequestStep::Ping, subject };
        let request = HttpRequest::new(Method::GET, host.url("/v2/"));
        let response = self.send(host, access, &context, request).await?;
        match response.status() {
            200 => {}
            404 => {
                let why = "it answers 404 Not Found to `/v2/`, which every registry has".to_owned();
                return Err(RegistryError::NotARegistry { context: Box::new(context), why });
            }
            _ => return Err(self.failure(host, access, &context, response).await),
        }
        if response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            let why = "it answers `/v2/` with an HTML page".to_owned();
            return Err(RegistryError::NotARegistry { context: Box::new(context), why });
        }
        response.discard().await;
        Ok(if self.auth.was_asked(host) { Greeting::Known } else { Greeting::NotAsked })
    }
}
