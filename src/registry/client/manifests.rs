//! Manifests and indexes: resolved, fetched and stored. Nothing that arrives is believed: documents are parsed
//! strictly and hashed, and what is stored is looked up unless the registry confirms it.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, IF_NONE_MATCH};

use super::super::auth::access::Access;
use super::super::wire::answer::ErrorAnswer;
use super::super::wire::context::{Context, RequestStep, context};
use super::super::wire::error::{Chance, RegistryError};
use super::super::wire::fault::Fault;
use super::super::wire::host::Host;
use super::super::wire::request::{HttpRequest, Payload};
use super::super::wire::response::Response;
use super::api::Api;
use crate::oci::blob::Delivery;
use crate::oci::media_type::{self, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST};
use crate::oci::{Descriptor, DocumentError, MAX_DOCUMENT, MediaType, RawDocument};
use crate::types::digest::Digest;
use crate::types::reference::Repository;

/// Once to ask for what was only believed to be there, once to upload whatever the registry says.
const MAX_HEALS: u32 = 2;

/// The way in which parts were sent that a registry says it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum HealOutcome {
    /// Parts were sent now.
    Sent,
    /// Nothing was sent now, and this run has sent parts before: another machine of the registry may not know them yet.
    SentBefore,
    /// Nothing was sent in this run: the answer will stay the same.
    Nothing,
}

/// Every type that we can read. Some registries convert or refuse what is not listed.
fn accept() -> String {
    let (manifest, index) = (MediaType::ImageManifest, MediaType::ImageIndex);
    format!("{manifest}, {index}, {DOCKER_MANIFEST}, {DOCKER_MANIFEST_LIST}")
}

/// `Content-Type` without parameters.
fn content_type(response: &Response) -> Option<MediaType> {
    let value = response.header("content-type")?.split(';').next()?.trim();
    (!value.is_empty()).then(|| MediaType::from(value))
}

impl Api {
    fn manifest_request(host: &Host, method: Method, path: &str, name: &str) -> HttpRequest {
        let url = host.url(&format!("/v2/{path}/manifests/{name}"));
        HttpRequest::new(method, url).header(ACCEPT, &accept())
    }

    /// The digest that a name resolves to: one HEAD if the registry answers it well, else a GET.
    pub(in crate::registry) async fn look_up(
        &self,
        host: &Host,
        access: &Access,
        name: &str,
        step: RequestStep,
    ) -> Result<Option<Descriptor>, RegistryError> {
        let path = access.repository.path();
        let context = context(&host.registry, step, path, name);
        let request = Self::manifest_request(host, Method::HEAD, path, name);
        let response = self.send(host, access, &context, request).await?;
        match response.status() {
            404 => return Ok(None),
            200 => {
                let parts = (content_type(&response), response.digest(), response.content_length());
                if let (Some(media_type), Some(digest), Some(size)) = parts
                    && media_type::document(&media_type).is_some()
                {
                    let asked: Option<Digest> = name.parse().ok();
                    if let Some(asked) = asked.filter(|asked| *asked != digest) {
                        let (expected, found) = (asked.to_string(), digest.to_string());
                        return Err(RegistryError::Mismatch { context: Box::new(context), expected, found });
                    }
                    return Ok(Some(Descriptor::new(media_type, digest, size)));
                }
            }
            // HEAD is not for everyone: some proxies refuse it where they let GET through.
            400 | 403 | 405 | 415 | 501 | 201..=299 => {}
            _ => return Err(self.failure(host, access, &context, response).await),
        }
        match self.fetch_document(host, access, name, None, step).await {
            Ok(document) => Ok(Some(document.descriptor())),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A manifest or index, checked against its name and against `expected`.
    pub(in crate::registry) async fn fetch_document(
        &self,
        host: &Host,
        access: &Access,
        name: &str,
        expected: Option<&Descriptor>,
        step: RequestStep,
    ) -> Result<RawDocument, RegistryError> {
        self.fetch_document_up_to(MAX_DOCUMENT, host, access, name, expected, step).await
    }

    /// The same of at most `limit` bytes.
    pub(in crate::registry) async fn fetch_document_up_to(
        &self,
        limit: u64,
        host: &Host,
        access: &Access,
        name: &str,
        expected: Option<&Descriptor>,
        step: RequestStep,
    ) -> Result<RawDocument, RegistryError> {
        let path = access.repository.path();
        let context = context(&host.registry, step, path, name);
        let boxed = || Box::new(context.clone());
        let request = Self::manifest_request(host, Method::GET, path, name);
        let response = self.send(host, access, &context, request).await?;
        match response.status() {
            200 => {}
            404 => {
                response.discard().await;
                return Err(RegistryError::NotFound { context: boxed() });
            }
            _ => return Err(self.failure(host, access, &context, response).await),
        }
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(RegistryError::TooLarge { context: boxed(), limit });
        }
        if response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            let answer = Box::new(ErrorAnswer {
                status: 200,
                message: "an HTML page instead of a manifest".to_owned(),
                ..ErrorAnswer::default()
            });
            return Err(RegistryError::Refused { context: boxed(), answer });
        }
        let announced = content_type(&response);
        let length = response.content_length();
        let broken = |fault| RegistryError::NoAnswer { context: boxed(), fault, reached_before: true };
        let body = response.body(limit).await.map_err(broken)?;
        let body = body.ok_or_else(|| RegistryError::TooLarge { context: boxed(), limit })?;
        if length.is_some_and(|length| length != body.len() as u64) {
            return Err(broken(Fault::Broken("the answer ended early".to_owned())));
        }
        let found = Digest::of(&body);
        for digest in [name.parse().ok(), expected.map(|expected| expected.digest)].into_iter().flatten() {
            if digest != found {
                let (expected, found) = (digest.to_string(), found.to_string());
                return Err(RegistryError::Mismatch { context: boxed(), expected, found });
            }
        }
        if let Some(expected) = expected
            && expected.size != body.len() as u64
        {
            let (expected, found) = (format!("{} bytes", expected.size), format!("{} bytes", body.len()));
            return Err(RegistryError::Mismatch { context: boxed(), expected, found });
        }
        let document =
            |source: DocumentError| RegistryError::Document { context: boxed(), source: Box::new(source) };
        let linked = expected.map(|expected| &expected.media_type);
        let raw = RawDocument::new(announced.as_ref(), body).map_err(document)?;
        match linked {
            Some(linked) if *linked != raw.media_type => {
                let (inside, outside) = (raw.media_type, linked.clone());
                Err(document(DocumentError::MediaType { inside, outside }))
            }
            _ => Ok(raw),
        }
    }

    /// Stores a document under a tag or its digest. `heal` sends again what the registry says is missing, and
    /// says what it did. A name that is to be `new` and resolves to another document is not written a second time.
    pub(in crate::registry) async fn push_document(
        &self,
        host: &Host,
        repository: &Repository,
        (name, new): (&str, bool),
        document: &RawDocument,
        heal: impl AsyncFn(&ErrorAnswer) -> Result<HealOutcome, RegistryError>,
    ) -> Result<Delivery, RegistryError> {
        let digest = document.digest();
        let mut context = context(&host.registry, RequestStep::PushManifest, repository.path(), name);
        if name.parse::<Digest>().is_err() {
            context.subject.push_str(&format!("@{digest}"));
        }
        let access = Access::push(repository);
        let mut retry = self.retry();
        let mut healed = 0;
        loop {
            let error = match self.put_document(host, &access, &context, (name, new), document).await {
                Ok(()) => return Ok(Delivery::Uploaded),
                Err(error) => error,
            };
            // It names what the registry does not have, or another machine of the registry does not know yet.
            let missing = error.answer().filter(|answer| answer.lacks_parts()).cloned();
            let mut may_come = missing.is_some();
            if healed < MAX_HEALS
                && let Some(answer) = &missing
            {
                healed += 1;
                match heal(answer).await? {
                    HealOutcome::Sent => continue,
                    HealOutcome::SentBefore => {}
                    HealOutcome::Nothing => may_come = false,
                }
            }
            // It may have been stored all the same, by this push or by another.
            let found = match &error {
                RegistryError::Unverified { .. } => None,
                _ => self.manifest_digest(host, &access, name).await.ok().flatten(),
            };
            if found == Some(digest) {
                return Ok(Delivery::Present);
            }
            if new && found.is_some() && !error.is_ours() {
                return Err(RegistryError::Moved { context: Box::new(context), expected: None, found });
            }
            if let (
                Some(found),
                RegistryError::Refused { context, answer } | RegistryError::Denied { context, answer, .. },
            ) = (found, &error)
                && is_immutable(answer.status, &answer.code, &answer.message)
            {
                let (context, answer) = (context.clone(), answer.clone());
                return Err(RegistryError::Immutable { context, found, answer });
            }
            let again = may_come || error.answer().is_some_and(ErrorAnswer::misreads);
            let chance = if again { Chance::Later } else { error.chance() };
            host.pause(retry.after_chance(error, chance)?).await;
        }
    }

    async fn put_document(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        (name, new): (&str, bool),
        document: &RawDocument,
    ) -> Result<(), RegistryError> {
        let url = host.url(&format!("/v2/{}/manifests/{name}", access.repository.path()));
        let mut request = HttpRequest::new(Method::PUT, url)
            .header(CONTENT_TYPE, document.media_type.as_ref())
            .payload(Payload::Bytes(document.bytes.clone().into()))
            .fresh(true);
        if new {
            // Most registries do not look at it (distribution specification, issue 251).
            request = request.header(IF_NONE_MATCH, "*");
        }
        let response = self.send(host, access, context, request).await?;
        if !response.is_success() {
            return Err(self.failure(host, access, context, response).await);
        }
        let (status, found) = (response.status(), response.digest());
        response.discard().await;
        let digest = document.digest();
        if status == 201 && found == Some(digest) {
            return Ok(());
        }
        if self.manifest_digest(host, access, name).await? == Some(digest) {
            return Ok(());
        }
        Err(RegistryError::Unverified { context: Box::new(context.clone()), status })
    }

    /// The digest that a name resolves to now.
    pub(in crate::registry) async fn manifest_digest(
        &self,
        host: &Host,
        access: &Access,
        name: &str,
    ) -> Result<Option<Digest>, RegistryError> {
        let found = self.look_up(host, access, name, RequestStep::Confirm).await?;
        Ok(found.map(|descriptor| descriptor.digest))
    }
}

/// Words of registries about a tag that must not move: ECR, Harbor, Artifact Registry, Docker Hub, GitLab, ACR.
const WORDS: [&str; 8] = [
    "immutab",
    "already exist",
    "alreadyexist",
    "overwrite",
    "tag_invalid",
    "protected",
    "locked",
    "operation is disallowed",
];

/// Every registry has its own words for a tag that must not move.
fn is_immutable(status: u16, code: &Option<String>, message: &str) -> bool {
    let text = format!("{} {message}", code.as_deref().unwrap_or_default()).to_ascii_lowercase();
    matches!(status, 400 | 403 | 405 | 409 | 412) && WORDS.iter().any(|word| text.contains(word))
}
