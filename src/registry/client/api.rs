//! The common part of all verbs: requests with logins, and the way in which each registry wants blobs to be sent.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::super::auth::access::Access;
use super::super::auth::authenticator::Authenticator;
use super::super::wire::context::Context;
use super::super::wire::error::RegistryError;
use super::super::wire::exchange::Wire;
use super::super::wire::host::Host;
use super::super::wire::lock::lock;
use super::super::wire::request::HttpRequest;
use super::super::wire::response::Response;
use super::super::wire::retry::Retry;
use super::super::wire::settings::WireSettings;
use super::settings::{ClientSettings, RegistrySettings};
use crate::runtime::events::Progress;
use crate::types::reference::Registry;

/// The API of all registries.
pub(in crate::registry) struct Api {
    pub(in crate::registry) auth: Authenticator,
    pub(in crate::registry) settings: ClientSettings,
    shapes: Mutex<BTreeMap<Registry, Arc<UploadShape>>>,
}

/// In which shape a registry takes blobs.
#[derive(Default)]
pub(in crate::registry) struct UploadShape {
    /// The length of the pieces that the user wants.
    pub(in crate::registry) chunk_size: Option<u64>,
    /// Whether it refused whole blobs in one PUT.
    pub(in crate::registry) wants_patch: AtomicBool,
    /// Whether an upload failed that was begun before its end was known.
    pub(in crate::registry) refused_following: AtomicBool,
    /// Whether it takes no blob together with the request for a session.
    pub(in crate::registry) wants_session: AtomicBool,
    /// Whether it refused blobs in pieces.
    pub(in crate::registry) refuses_chunks: AtomicBool,
}

impl Api {
    pub(in crate::registry) fn new(settings: ClientSettings, progress: &Progress) -> Self {
        let (wire, auth) = settings.parts();
        let wire = Wire::new(wire, progress.clone());
        Self { auth: Authenticator::new(wire, auth, progress.clone()), settings, shapes: Mutex::default() }
    }

    pub(in crate::registry) const fn wire(&self) -> &Wire {
        &self.auth.wire
    }

    pub(in crate::registry) const fn wire_settings(&self) -> &WireSettings {
        self.auth.wire.settings()
    }

    /// The settings of a registry.
    pub(in crate::registry) fn own(&self, registry: &Registry) -> Option<&RegistrySettings> {
        self.settings.registries.get(registry)
    }

    pub(in crate::registry) fn host(&self, registry: &Registry) -> Result<Arc<Host>, RegistryError> {
        self.wire().host(registry)
    }

    pub(in crate::registry) fn shape(&self, registry: &Registry) -> Arc<UploadShape> {
        let chunk_size = self.own(registry).and_then(|own| own.chunk_size);
        let new = || Arc::new(UploadShape { chunk_size, ..UploadShape::default() });
        Arc::clone(lock(&self.shapes).entry(registry.clone()).or_insert_with(new))
    }

    /// As [`Authenticator::send`].
    pub(in crate::registry) async fn send(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        request: HttpRequest,
    ) -> Result<Response, RegistryError> {
        self.auth.send(host, access, context, request).await
    }

    /// As [`Authenticator::failure`].
    pub(in crate::registry) async fn failure(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        response: Response,
    ) -> RegistryError {
        self.auth.failure(host, access, context, response).await
    }

    /// As [`Wire::retrying`].
    pub(in crate::registry) async fn retrying<T>(
        &self,
        host: &Host,
        operation: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        self.wire().retrying(host, operation).await
    }

    pub(in crate::registry) fn retry(&self) -> Retry {
        self.wire().retry()
    }
}
