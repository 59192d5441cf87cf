//! Uploading a blob while it is being made: the session is opened when the work begins, bytes are sent as they
//! come, and the digest is said last.
//!
//! This is tried once, on one session, without a second try of anything: whatever goes wrong, the blob is
//! uploaded again from where it is stored, and that is what retries, verifies and reports. Until the digest is
//! said the registry has nothing, so a session that is given up changes nothing.

use std::io;
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::super::auth::access::Access;
use super::super::wire::body::{BodyContent, BufferedStart, SentBytes, Upload};
use super::super::wire::context::RequestStep;
use super::super::wire::error::RegistryError;
use super::super::wire::location::RedirectTarget;
use super::super::wire::lock::lock;
use super::super::wire::request::{HttpRequest, Payload};
use super::upload::{LARGE, OCTETS, Uploads, commit};
use crate::oci::Descriptor;
use crate::oci::blob::{Blob, Delivery, GrowingBlob};
use crate::types::digest::Digest;

/// A blob that is finished before so many bytes are sent in one piece, like one that was known from the start.
const SMALL: usize = 256 << 10;

/// A blob on its way to a repository while it is made.
pub(in crate::registry) struct Follow<'a> {
    pub(in crate::registry) uploads: Uploads<'a>,
    pub(in crate::registry) growing: &'a GrowingBlob,
    pub(in crate::registry) progress: Arc<SentBytes>,
}

impl Follow<'_> {
    /// Brings the blob there. `known` tells of digests that are there already.
    pub(in crate::registry) async fn run(
        &self,
        known: impl Fn(&Digest) -> bool,
    ) -> Result<Delivery, RegistryError> {
        let host = self.uploads.host;
        let slot = host.push_slot().await;
        let session = self.uploads.open().await?.0;
        // While nothing of it is there to be sent, others go first.
        let slot = slot.filter(|_| self.growing.has_begun());
        let clock = self.uploads.api.wire_settings().clock.clone();
        let content = BodyContent::follow(self.growing, Arc::clone(&self.progress), clock);
        let gathered = content.gather(SMALL).await;
        let _slot = if slot.is_some() { slot } else { host.push_slot().await };
        let (session, payload) = match gathered {
            BufferedStart::All(bytes) => (session, Payload::Bytes(bytes)),
            BufferedStart::Start => {
                let sending = self.send(session, content.rest());
                tokio::select! {
                    session = sending => (session?, Payload::Nothing),
                    () = self.is_needless(&content, &known) => return Ok(Delivery::Present),
                }
            }
        };
        let blob = match content.take_error() {
            None => self.growing.ended().await,
            Some(source) => return Err(self.local(source)),
        };
        let Blob { descriptor, .. } = blob.ok_or_else(|| self.local(abandoned()))?;
        if known(&descriptor.digest) {
            return Ok(Delivery::Present);
        }
        self.commit(&session, payload, &descriptor).await
    }

    /// Sends all bytes as they come, in one request of unknown length.
    async fn send(&self, session: RedirectTarget, body: Upload) -> Result<RedirectTarget, RegistryError> {
        let request = HttpRequest::to(Method::PATCH, &session)
            .header(CONTENT_TYPE, OCTETS)
            .payload(Payload::Upload(body))
            .fresh(true);
        let response = self.uploads.request(RequestStep::SendBlob, request).await?;
        self.uploads.next(session, response).await
    }

    async fn commit(
        &self,
        session: &RedirectTarget,
        payload: Payload,
        descriptor: &Descriptor,
    ) -> Result<Delivery, RegistryError> {
        let request = HttpRequest::to(Method::PUT, &commit(session, &descriptor.digest)).fresh(true);
        let request = match payload {
            Payload::Nothing => request.header(CONTENT_LENGTH, "0"),
            payload => request.header(CONTENT_TYPE, OCTETS).payload(payload),
        };
        let response = self.uploads.request(RequestStep::CommitUpload, request).await?;
        let (status, found) = (response.status(), response.digest());
        response.discard().await;
        lock(self.uploads.sessions).pop();
        if status == 201 && found == Some(descriptor.digest) || self.is_there(descriptor).await? {
            return Ok(Delivery::Uploaded);
        }
        let context = Box::new(self.uploads.context(RequestStep::CommitUpload));
        Err(RegistryError::Unverified { context, status })
    }

    /// Returns if the blob is finished, much of it is yet to be sent, and it turns out to be there already.
    async fn is_needless(&self, content: &BodyContent, known: impl Fn(&Digest) -> bool) {
        if let Some(Blob { descriptor, .. }) = self.growing.ended().await
            && descriptor.size.saturating_sub(content.sent()) > LARGE
            && (known(&descriptor.digest) || self.is_there(&descriptor).await.unwrap_or(false))
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    async fn is_there(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        let Uploads { api, host, repository, .. } = self.uploads;
        api.has_blob(host, &Access::push(repository), descriptor).await
    }

    fn local(&self, source: io::Error) -> RegistryError {
        RegistryError::Local { context: Box::new(self.uploads.context(RequestStep::SendBlob)), source }
    }
}

fn abandoned() -> io::Error {
    io::Error::other("it was not made to its end")
}
