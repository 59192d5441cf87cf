//! One request and its answer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use url::{Position, Url};

use super::context::Context;
use super::error::RegistryError;
use super::fault::{self, Fault, through};
use super::host::Host;
use super::lock::lock;
use super::pools::{PoolPurpose, Pools};
use super::request::{HttpRequest, Payload};
use super::response::Response;
use super::retry::Retry;
use super::routes::Routes;
use super::secret::Scrubber;
use super::settings::WireSettings;
use super::trace::{RequestTrace, tell_headers};
use crate::runtime::events::{Progress, Stage};
use crate::types::error::uncarry;
use crate::types::reference::Registry;

/// A header to show, and the words for it.
pub(in crate::registry) struct ShownHeader<'a> {
    pub(in crate::registry) header: &'a HeaderValue,
    /// Whose it is and where that came from, for people.
    pub(in crate::registry) source: &'a str,
}

/// The way to all hosts.
pub(in crate::registry) struct Wire {
    pub(in crate::registry) routes: Routes,
    pools: Pools,
    progress: Progress,
    hosts: Mutex<BTreeMap<Registry, Arc<Host>>>,
    /// The secrets of this run, which nothing that is printed may have in it.
    pub(in crate::registry) scrubber: Scrubber,
}

impl Wire {
    pub(in crate::registry) fn new(settings: WireSettings, progress: Progress) -> Self {
        Self {
            routes: Routes::new(settings, progress.clone()),
            pools: Pools::default(),
            progress,
            hosts: Mutex::default(),
            scrubber: Scrubber::default(),
        }
    }

    pub(in crate::registry) const fn settings(&self) -> &WireSettings {
        &self.routes.settings
    }

    pub(in crate::registry) fn host(&self, registry: &Registry) -> Result<Arc<Host>, RegistryError> {
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(registry) {
            return Ok(Arc::clone(host));
        }
        let (base, _) = self.routes.base(registry)?;
        let settings = self.settings();
        let host = Host::new(registry, base, settings.concurrency.max(1), settings.clock.clone());
        let host = Arc::new(host);
        hosts.insert(registry.clone(), Arc::clone(&host));
        Ok(host)
    }

    /// One request, one answer, whatever its status.
    pub(in crate::registry) async fn exchange(
        &self,
        host: &Host,
        context: &Context,
        request: HttpRequest,
        shown: Option<ShownHeader<'_>>,
    ) -> Result<Response, RegistryError> {
        host.turn().await;
        let way = self.routes.way(&request.url)?;
        let client = self.pools.client(&self.routes, &request.url, PoolPurpose::of(&request.payload))?;
        let mut trace = RequestTrace::new(&request, shown.as_ref().map(|shown| shown.source), &way);
        let HttpRequest { method, url, own, mut headers, payload, is_hidden, .. } = request;
        if let Some(shown) = &shown {
            headers.insert(AUTHORIZATION, shown.header.clone());
        }
        tell_headers(&self.scrubber, '>', &headers);
        // Host and path alone: queries and users have secrets.
        let end = if is_hidden { Position::BeforePath } else { Position::AfterPath };
        let shown = || format!("{method} {}", &url[Position::BeforeHost..end]);
        let step = self.progress.step_with(Stage::Request, shown);
        let builder = client.request(method, url.clone()).headers(headers);
        let (timeouts, clock) = (&self.settings().timeouts, &self.settings().clock);
        let (result, local) = match payload {
            Payload::Upload(upload) => {
                let watch = upload.watch();
                let sent = builder.body(reqwest::Body::wrap(upload)).send();
                let result = tokio::select! {
                    biased;
                    what = watch.stalled(timeouts.idle, timeouts.commit) => Err(what),
                    result = sent => watch.late(timeouts.idle, timeouts.commit).map_or(Ok(result), Err),
                };
                (result, watch.take_error())
            }
            other => {
                let builder = match other {
                    Payload::Bytes(bytes) => builder.body(bytes),
                    _ => builder,
                };
                // The connection has its own limit, and is within this one.
                let limit = timeouts.connect + timeouts.header;
                let result = clock.within(limit, builder.send()).await;
                (result.ok_or("waiting for the answer"), None)
            }
        };
        let context = || Box::new(context.clone());
        if let Some(source) = local {
            // The content may be a blob of another registry, and that failed in its own way.
            return Err(match uncarry(source) {
                Ok(inner) => RegistryError::Source { context: context(), inner },
                Err(source) => RegistryError::Local { context: context(), source },
            });
        }
        let failed = match result {
            Ok(Ok(inner)) => {
                host.reached.store(true, Ordering::Relaxed);
                trace.answered(&inner);
                tracing::info!("{trace}");
                tell_headers(&self.scrubber, '<', inner.headers());
                step.finish(0, inner.status().as_u16().to_string());
                return Ok(Response { inner, url, own, timeouts: *timeouts, clock: clock.clone() });
            }
            Ok(Err(error)) => match through(&way, fault::from_http(error)) {
                Fault::Broken(why) if self.may_be_dismissed(host, &url) => Fault::Dismissed(why),
                fault => fault,
            },
            Err(what) => Fault::Stalled(what),
        };
        trace.outcome = failed.to_string();
        tracing::info!("{trace}");
        let reached_before = host.reached.load(Ordering::Relaxed);
        Err(RegistryError::NoAnswer { context: context(), fault: failed, reached_before })
    }

    /// Whether a connection that breaks may be one that was ended for want of a certificate.
    fn may_be_dismissed(&self, host: &Host, url: &Url) -> bool {
        let shows_one = self.routes.own(&host.registry).settings.client_cert.is_some();
        url.scheme() == "https" && !shows_one && !host.reached.load(Ordering::Relaxed)
    }

    /// Runs what may be repeated until it succeeds or is not worth another try.
    pub(in crate::registry) async fn retrying<T>(
        &self,
        host: &Host,
        mut operation: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut retry = self.retry();
        loop {
            match operation().await {
                Ok(value) => return Ok(value),
                Err(error) => host.pause(retry.after(error)?).await,
            }
        }
    }

    /// The tries of one unit of work, beginning now.
    pub(in crate::registry) fn retry(&self) -> Retry {
        Retry::new(self.settings().retry, self.settings().clock.clone())
    }
}
