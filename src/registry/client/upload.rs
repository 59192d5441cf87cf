//! Uploading: the unit that is retried is the whole of look, mount, open, send and verify.
//!
//! After any ambiguous outcome the registry is asked what it has: present means success, absent means a new session.
//! A request of an old session is never sent again. After any answer other than `201` with the digest, the client
//! checks that the blob exists.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};

use super::super::auth::access::Access;
use super::super::wire::body::{BodyContent, SentBytes};
use super::super::wire::context::{Context, RequestStep, context};
use super::super::wire::error::{Chance, RegistryError};
use super::super::wire::host::Host;
use super::super::wire::location::{self, RedirectTarget};
use super::super::wire::lock::lock;
use super::super::wire::request::{HttpRequest, Payload};
use super::super::wire::response::Response;
use super::api::{Api, UploadShape};
use crate::oci::Descriptor;
use crate::oci::blob::{Blob, Delivery};
use crate::types::digest::Digest;
use crate::types::reference::Repository;

/// The longest time for giving up a session, because the user waits for it.
const CANCEL: Duration = Duration::from_secs(3);

/// Above this size a token is renewed before the blob is sent.
pub(in crate::registry) const LARGE: u64 = 8 << 20;

/// A new blob that is no larger is sent together with the request for a session.
const AT_ONCE: u64 = 1 << 20;

/// The media type of a blob's bytes on their way.
pub(in crate::registry) const OCTETS: &str = "application/octet-stream";

/// The sessions that an upload may have left open, the current one last.
///
/// They are cancelled when all is over and not between two tries: a registry that was too slow to answer
/// may still be storing what it got, and cancelling would undo that.
pub(in crate::registry) type OpenSessions = Mutex<Vec<RedirectTarget>>;

/// Upload sessions of one repository.
pub(in crate::registry) struct Uploads<'a> {
    pub(in crate::registry) api: &'a Api,
    pub(in crate::registry) host: &'a Host,
    pub(in crate::registry) repository: &'a Repository,
    /// The subject of the upload, for messages: a digest, or a title if the digest is not known yet.
    pub(in crate::registry) subject: String,
    pub(in crate::registry) sessions: &'a OpenSessions,
}

/// One blob on its way to one repository.
pub(in crate::registry) struct Push<'a> {
    pub(in crate::registry) api: &'a Api,
    pub(in crate::registry) host: &'a Host,
    pub(in crate::registry) repository: &'a Repository,
    pub(in crate::registry) blob: &'a Blob,
    /// Where it can be mounted from.
    pub(in crate::registry) from: Option<Repository>,
    /// Upload whatever the registry says it has.
    pub(in crate::registry) force: bool,
    pub(in crate::registry) sessions: &'a OpenSessions,
    pub(in crate::registry) progress: Arc<SentBytes>,
    pub(in crate::registry) shape: Arc<UploadShape>,
}

/// How a try went that did not succeed.
struct UploadFailure {
    error: RegistryError,
    /// Whether bytes may have arrived.
    sent: bool,
}

impl From<RegistryError> for UploadFailure {
    fn from(error: RegistryError) -> Self {
        Self { error, sent: false }
    }
}

impl Push<'_> {
    /// Brings the blob there, by whatever is cheapest.
    pub(in crate::registry) async fn run(mut self) -> Result<Delivery, RegistryError> {
        let mut retry = self.api.retry();
        let mut sent = false;
        let (mut renewed, mut lost) = (false, false);
        let mut is_absent = false;
        let mut is_new = self.blob.is_new;
        loop {
            let failure = match self.attempt(is_absent, std::mem::take(&mut is_new)).await {
                // A blob that an earlier try sent was not there before.
                Ok(Delivery::Present) if sent => return Ok(Delivery::Uploaded),
                Ok(delivery) => return Ok(delivery),
                Err(failure) => failure,
            };
            self.from = None;
            sent |= failure.sent;
            is_absent = false;
            let error = failure.error;
            let mut chance = error.chance();
            if chance == Chance::Never && failure.sent && !error.is_ours() {
                let found = if self.force { Ok(false) } else { self.is_there().await };
                if matches!(found, Ok(true)) {
                    return Ok(Delivery::Uploaded);
                }
                // Who was told that it is absent need not look once more; who was told nothing must.
                is_absent = found.is_ok();
                chance = self.second_chance(&error, &mut renewed, &mut lost);
            }
            self.host.pause(retry.after_chance(error, chance)?).await;
        }
    }

    /// The remaining options after a definite refusal of the bytes, if the blob is missing.
    fn second_chance(&self, error: &RegistryError, renewed: &mut bool, lost: &mut bool) -> Chance {
        let Some(answer) = error.answer() else { return Chance::Never };
        let shape =
            if self.chunk(0).is_some() { &self.shape.refuses_chunks } else { &self.shape.wants_patch };
        let is_lost = answer.is_code(&["BLOB_UPLOAD_UNKNOWN", "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID"]);
        match answer.status {
            // The token ended on the way; once.
            401 if !*renewed => {
                *renewed = true;
                Chance::Later
            }
            // Not a session that is lost, and again: some take no whole blobs, and say it so.
            404 if !answer.is_code(&["BLOB_UPLOAD_UNKNOWN"]) && std::mem::replace(lost, true) => {
                shape.store(true, Ordering::Relaxed);
                Chance::Later
            }
            404 | 409 | 416 => Chance::Later,
            400 if is_lost => Chance::Later,
            // Not in this shape: try the other one, once per host.
            400 | 405 | 411 | 415 | 501 if !shape.swap(true, Ordering::Relaxed) => Chance::Later,
            // The bytes that were sent were right, so the registry lost some of them.
            _ if answer.misreads() => Chance::Later,
            _ => Chance::Never,
        }
    }

    /// One try. A blob that `is_new` is not asked for, and is sent with the request for a session if it is small.
    async fn attempt(&self, is_absent: bool, is_new: bool) -> Result<Delivery, UploadFailure> {
        let mut session = None;
        if is_new && self.blob.descriptor.size <= AT_ONCE && self.chunk(0).is_none() {
            match self.send_at_once().await? {
                AtOnce::Done => return Ok(Delivery::Uploaded),
                AtOnce::Session(target) => session = Some(target),
                AtOnce::Refused => {}
            }
            lock(self.sessions).extend(session.clone());
        } else if !self.force && !is_absent && !is_new {
            // Most pushes are not the first to their repository: the base is there, and asking is cheaper for
            // the registry than mounting, and needs no right to read elsewhere.
            if self.is_there().await? {
                return Ok(Delivery::Present);
            }
            if let Some(from) = &self.from {
                match self.mount(from).await {
                    Mount::Done => return Ok(Delivery::Mounted),
                    Mount::Session(target) => session = Some(target),
                    Mount::Refused => {}
                    Mount::Unclear if self.is_there().await? => return Ok(Delivery::Present),
                    Mount::Unclear => {}
                }
                lock(self.sessions).extend(session.clone());
            }
        }
        let (session, chunk_minimum) = match session {
            Some(session) => (session, 0),
            None => self.uploads().open().await?,
        };
        let response = self.send(session, chunk_minimum).await?;
        let (status, found) = (response.status(), response.digest());
        response.discard().await;
        lock(self.sessions).pop();
        let digest = self.blob.descriptor.digest;
        // A forced upload is for a registry whose HEAD is wrong: only the manifest can tell.
        let verified = match found {
            Some(found) => found == digest && (status == 201 || self.look().await?),
            None => self.force || self.look().await?,
        };
        if verified {
            return Ok(Delivery::Uploaded);
        }
        let context = Box::new(self.context(RequestStep::CommitUpload));
        Err(UploadFailure { error: RegistryError::Unverified { context, status }, sent: true })
    }

    /// Sends the blob in the body of the request that opens a session (distribution specification, "Single POST"). A registry
    /// that takes no blob so answers with a session.
    async fn send_at_once(&self) -> Result<AtOnce, UploadFailure> {
        if self.shape.wants_session.load(Ordering::Relaxed) {
            return Ok(AtOnce::Refused);
        }
        let Descriptor { digest, size, .. } = self.blob.descriptor;
        let mut url = self.host.url(&format!("/v2/{}/blobs/uploads/", self.repository.path()));
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let clock = self.api.wire_settings().clock.clone();
        let content = BodyContent::open(self.blob, Arc::clone(&self.progress), clock);
        let request = HttpRequest::new(Method::POST, url)
            .header(CONTENT_TYPE, OCTETS)
            .payload(Payload::Upload(content.take(size)));
        let access = Access::push(self.repository);
        let answer = self.api.send(self.host, &access, &self.context(RequestStep::SendBlob), request).await;
        let response = answer.map_err(|error| UploadFailure { error, sent: true })?;
        let (status, found) = (response.status(), response.digest());
        let target = self.uploads().location(RequestStep::StartUpload, &response).ok();
        response.discard().await;
        if status == 201 && found.is_none_or(|found| found == digest) {
            let is_there = found.is_some() || self.look().await?;
            if is_there {
                return Ok(AtOnce::Done);
            }
        }
        self.shape.wants_session.store(true, Ordering::Relaxed);
        Ok(match target.filter(|_| status == 202) {
            Some(target) => AtOnce::Session(target),
            None => AtOnce::Refused,
        })
    }

    async fn look(&self) -> Result<bool, UploadFailure> {
        self.is_there().await.map_err(|error| UploadFailure { error, sent: true })
    }

    async fn is_there(&self) -> Result<bool, RegistryError> {
        let access = Access::push(self.repository);
        self.api.has_blob(self.host, &access, &self.blob.descriptor).await
    }

    fn context(&self, step: RequestStep) -> Context {
        self.uploads().context(step)
    }

    fn uploads(&self) -> Uploads<'_> {
        let Self { api, host, repository, sessions, .. } = *self;
        Uploads { api, host, repository, subject: self.blob.descriptor.digest.to_string(), sessions }
    }

    /// Asks the registry to take the blob from `from`. Whatever fails here is no failure of the push, and
    /// its token is not the push's: a scope that is refused must not take the other along.
    async fn mount(&self, from: &Repository) -> Mount {
        let mut url = self.host.url(&format!("/v2/{}/blobs/uploads/", self.repository.path()));
        let digest = self.blob.descriptor.digest;
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from.path());
        let access = Access { from: Some(from.clone()), ..Access::push(self.repository) };
        let request = HttpRequest::new(Method::POST, url).header(CONTENT_LENGTH, "0");
        let Ok(response) =
            self.api.send(self.host, &access, &self.context(RequestStep::Mount), request).await
        else {
            return Mount::Unclear;
        };
        let (status, found) = (response.status(), response.digest());
        let target = self.uploads().location(RequestStep::Mount, &response).ok();
        response.discard().await;
        match status {
            201 if found == Some(digest) => Mount::Done,
            202 => target.map_or(Mount::Refused, Mount::Session),
            400..=499 => Mount::Refused,
            _ => Mount::Unclear,
        }
    }

    /// How long the pieces are, if the blob is sent in pieces.
    fn chunk(&self, minimum: u64) -> Option<u64> {
        let chunk = self.shape.chunk_size.map(|chunk| chunk.max(minimum));
        let is_shorter = |chunk: &u64| *chunk > 0 && *chunk < self.blob.descriptor.size;
        chunk.filter(is_shorter).filter(|_| !self.shape.refuses_chunks.load(Ordering::Relaxed))
    }

    async fn send(&self, session: RedirectTarget, chunk_minimum: u64) -> Result<Response, UploadFailure> {
        let sent = |error: RegistryError| UploadFailure { error, sent: true };
        let uploads = self.uploads();
        let size = self.blob.descriptor.size;
        let clock = self.api.wire_settings().clock.clone();
        let content = BodyContent::open(self.blob, Arc::clone(&self.progress), clock);
        let upload = |method: Method, target: &RedirectTarget, length: u64| {
            HttpRequest::to(method, target)
                .header(CONTENT_TYPE, OCTETS)
                .payload(Payload::Upload(content.take(length)))
                .fresh(size > LARGE)
        };
        let chunk = self.chunk(chunk_minimum);
        let wants_patch = self.shape.wants_patch.load(Ordering::Relaxed);
        let session = match chunk {
            None if !wants_patch => {
                let target = commit(&session, &self.blob.descriptor.digest);
                return uploads
                    .request(RequestStep::SendBlob, upload(Method::PUT, &target, size))
                    .await
                    .map_err(sent);
            }
            None => {
                let response = uploads
                    .request(RequestStep::SendBlob, upload(Method::PATCH, &session, size))
                    .await
                    .map_err(sent)?;
                uploads.next(session, response).await.map_err(sent)?
            }
            Some(chunk) => {
                let mut session = session;
                let mut at = 0;
                while at < size {
                    let length = chunk.min(size - at);
                    let range = format!("{at}-{}", at + length - 1);
                    let request = upload(Method::PATCH, &session, length).header(CONTENT_RANGE, &range);
                    let response = uploads.request(RequestStep::SendBlob, request).await.map_err(sent)?;
                    session = uploads.next(session, response).await.map_err(sent)?;
                    at += length;
                }
                session
            }
        };
        let target = commit(&session, &self.blob.descriptor.digest);
        let request = HttpRequest::to(Method::PUT, &target).header(CONTENT_LENGTH, "0").fresh(true);
        uploads.request(RequestStep::CommitUpload, request).await.map_err(sent)
    }
}

impl Uploads<'_> {
    pub(in crate::registry) fn context(&self, step: RequestStep) -> Context {
        context(&self.host.registry, step, self.repository.path(), &self.subject)
    }

    /// Opens a session, to be cancelled if it comes to nothing; with it comes the smallest chunk that the
    /// registry takes.
    pub(in crate::registry) async fn open(&self) -> Result<(RedirectTarget, u64), RegistryError> {
        let url = self.host.url(&format!("/v2/{}/blobs/uploads/", self.repository.path()));
        let request = HttpRequest::new(Method::POST, url).header(CONTENT_LENGTH, "0");
        let response = self.request(RequestStep::StartUpload, request).await?;
        let target = self.location(RequestStep::StartUpload, &response)?;
        let minimum = response.header("oci-chunk-min-length").and_then(|value| value.trim().parse().ok());
        response.discard().await;
        lock(self.sessions).push(target.clone());
        Ok((target, minimum.unwrap_or(0)))
    }

    fn location(&self, step: RequestStep, response: &Response) -> Result<RedirectTarget, RegistryError> {
        let refuse = |why| RegistryError::Location { context: Box::new(self.context(step)), why };
        let location =
            response.header("location").filter(|location| !location.trim().is_empty()).ok_or_else(|| {
                refuse("the registry does not say where to upload to (no `Location`)".to_owned())
            })?;
        let target = location::resolve(&self.host.base, &response.url, location).map_err(refuse)?;
        // A session at another host leads nowhere that our credentials may follow.
        Ok(RedirectTarget { own: target.own && response.own, ..target })
    }

    /// A request whose success is any 2xx.
    pub(in crate::registry) async fn request(
        &self,
        step: RequestStep,
        request: HttpRequest,
    ) -> Result<Response, RegistryError> {
        let (access, context) = (Access::push(self.repository), self.context(step));
        let response = self.api.send(self.host, &access, &context, request).await?;
        if response.is_success() {
            return Ok(response);
        }
        Err(self.api.failure(self.host, &access, &context, response).await)
    }

    /// The session after a PATCH: it may move with each.
    pub(in crate::registry) async fn next(
        &self,
        session: RedirectTarget,
        response: Response,
    ) -> Result<RedirectTarget, RegistryError> {
        let next = match response.header("location") {
            Some(_) => self.location(RequestStep::SendBlob, &response)?,
            None => session,
        };
        response.discard().await;
        let mut sessions = lock(self.sessions);
        sessions.pop();
        sessions.push(next.clone());
        drop(sessions);
        Ok(next)
    }
}

enum AtOnce {
    Done,
    /// Not taken, but with a session to upload to.
    Session(RedirectTarget),
    Refused,
}

enum Mount {
    Done,
    /// Declined, but with a session to upload to.
    Session(RedirectTarget),
    Refused,
    /// It may be mounted: only looking tells.
    Unclear,
}

pub(in crate::registry) fn commit(session: &RedirectTarget, digest: &Digest) -> RedirectTarget {
    RedirectTarget { url: location::with_digest(&session.url, digest), own: session.own }
}

/// Cancels what is open, best effort.
pub(in crate::registry) async fn cancel(
    api: &Api,
    host: &Host,
    repository: &Repository,
    sessions: &OpenSessions,
) {
    let sessions = std::mem::take(&mut *lock(sessions));
    let context = context(&host.registry, RequestStep::CancelUpload, repository.path(), "");
    let access = Access::push(repository);
    let all = async {
        for target in sessions {
            let request = HttpRequest::to(Method::DELETE, &target);
            if let Ok(response) = api.send(host, &access, &context, request).await {
                response.discard().await;
            }
        }
    };
    // Whatever is left ends by itself some day.
    let _ = api.wire_settings().clock.within(CANCEL, all).await;
}
