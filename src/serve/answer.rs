//! The answer to a request, without a connection: what status, which headers, which bytes.
//!
//! No byte of the store is trusted: a blob is checked before the last of it is sent, and before a part of it is.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::catalog::{Catalog, CatalogState, FoundRepository, ServedContent, ServedRepository};
use super::query::{BytesRange, DigestText, Route, decoded, parameter};
use crate::oci::blob::BlobStream;
use crate::oci::{Descriptor, MediaType};
use crate::registry::{Client, RegistryError};
use crate::types::digest::Digest;

/// The way to get content back that the store has lost.
const BUILD_AGAIN: &str = "build the image again";
/// A blob of at most so many bytes is read before it is answered.
const SMALL: u64 = 256 << 10;

/// The head of a request.
pub struct RequestHead<'a> {
    /// `GET` or `HEAD`, or another.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query.
    pub query: Option<&'a str>,
    /// The host that the client asked for.
    pub host: Option<&'a str>,
    /// The part that is wanted.
    pub range: Option<&'a str>,
    /// The condition for the part.
    pub if_range: Option<&'a str>,
}

/// An answer.
pub struct RegistryAnswer {
    /// The status.
    pub status: u16,
    /// The headers, without the length.
    pub headers: Vec<(&'static str, String)>,
    /// The length of the body, also where it is not sent.
    pub length: u64,
    /// The body; `None` for HEAD.
    pub body: Option<AnswerBody>,
}

/// The body of an answer.
pub enum AnswerBody {
    /// All of it.
    Bytes(Vec<u8>),
    /// To be read. An error after the last byte says that all of them are wrong.
    Stream(BlobStream),
}

/// A blob as it was when all of it was read: its file and the time of its last change.
type WholeBlob = (Digest, u64, i64, i64);

/// An error as the specification words it.
struct Refused {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refused {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

/// Answers requests.
pub struct StoreRegistry {
    /// The content.
    pub catalog: Catalog,
    /// The way to registries of bases.
    pub client: Client,
    /// Whether only those are answered who ask for a loopback address.
    pub only_loopback: bool,
    /// Told of faults of the store.
    pub warn: Box<dyn Fn(String) + Send + Sync>,
    /// The blobs that were read as a whole, so that parts of them can be sent.
    pub checked: Mutex<BTreeSet<WholeBlob>>,
}

impl StoreRegistry {
    /// The answer to a request. It may read files, and ask the registry of a base.
    #[must_use]
    pub fn answer(&self, head: &RequestHead<'_>) -> RegistryAnswer {
        let mut answer = self.found(head).unwrap_or_else(|refused| {
            let Refused { status, code, message } = refused;
            let body = json!({ "errors": [{ "code": code, "message": message }] });
            let mut answer = document(status, "application/json", body.to_string().into_bytes());
            if status == 405 {
                answer.headers.push(("allow", "GET, HEAD".to_owned()));
            }
            answer
        });
        answer.headers.push(("docker-distribution-api-version", "registry/2.0".to_owned()));
        answer.headers.push(("x-content-type-options", "nosniff".to_owned()));
        if head.method == "HEAD" {
            answer.body = None;
        }
        answer
    }

    fn found(&self, head: &RequestHead<'_>) -> Result<RegistryAnswer, Refused> {
        if self.only_loopback && !head.host.is_some_and(is_loopback) {
            let message = "this registry answers only those who ask for localhost or a loopback address";
            return Err(Refused::new(403, "DENIED", message));
        }
        if !matches!(head.method, "GET" | "HEAD") {
            let message = "this registry is the local store of `pack`, which only `pack` writes to";
            return Err(Refused::new(405, "UNSUPPORTED", message));
        }
        let path = decoded(head.path);
        let route =
            Route::of(&path).ok_or_else(|| Refused::new(404, "NOT_FOUND", "there is no such path"))?;
        if route == Route::Base {
            return Ok(document(200, "application/json", b"{}".to_vec()));
        }
        let state = self.catalog.state().map_err(|error| {
            (self.warn)(error.to_string());
            Refused::new(500, "UNKNOWN", "the local store cannot be read")
        })?;
        match route {
            Route::Base => Err(Refused::new(404, "NOT_FOUND", "there is no such path")),
            Route::Catalog => listed(head, "repositories", None, state.names().into_iter()),
            Route::Tags { name } => {
                let repository = repository(&state, name, head)?;
                listed(head, "tags", Some(name), repository.tags.keys().map(String::as_str))
            }
            Route::Manifest { name, reference } => self.manifest(repository(&state, name, head)?, reference),
            Route::Blob { name, digest } => self.blob(repository(&state, name, head)?, digest, head),
            Route::Referrers { name, digest } => {
                repository(&state, name, head)?;
                referrers(&state, digest, head)
            }
        }
    }

    fn manifest(&self, repository: &ServedRepository, reference: &str) -> Result<RegistryAnswer, Refused> {
        let unknown = || Refused::new(404, "MANIFEST_UNKNOWN", format!("there is no manifest `{reference}`"));
        let descriptor = match DigestText::of(reference) {
            DigestText::Known(digest) => {
                let content = repository.content.get(&digest).filter(|content| content.is_document);
                &content.ok_or_else(unknown)?.descriptor
            }
            DigestText::Other => return Err(unknown()),
            DigestText::Invalid if reference.contains(':') => {
                return Err(Refused::new(400, "DIGEST_INVALID", "this is no digest"));
            }
            DigestText::Invalid => repository.tags.get(reference).ok_or_else(unknown)?,
        };
        let layout = self.catalog.store().layout();
        let found = layout.document(descriptor).map_err(|error| {
            (self.warn)(error.to_string());
            let message =
                format!("the local store has lost the manifest {}: {BUILD_AGAIN}", descriptor.digest);
            Refused::new(404, "MANIFEST_UNKNOWN", message)
        })?;
        let mut answer = document(200, found.media_type.as_ref(), found.bytes);
        tag(&mut answer, &descriptor.digest);
        Ok(answer)
    }

    fn blob(
        &self,
        repository: &ServedRepository,
        digest: &str,
        head: &RequestHead<'_>,
    ) -> Result<RegistryAnswer, Refused> {
        let unknown = || Refused::new(404, "BLOB_UNKNOWN", format!("there is no blob `{digest}`"));
        let digest = match DigestText::of(digest) {
            DigestText::Known(digest) => digest,
            DigestText::Other => return Err(unknown()),
            DigestText::Invalid => return Err(Refused::new(400, "DIGEST_INVALID", "this is no digest")),
        };
        let content = repository.content.get(&digest).ok_or_else(unknown)?;
        let mut answer = match self.stored(&content.descriptor, head) {
            Some(answer) => answer,
            None => self.passed_on(content, head.method)?,
        };
        tag(&mut answer, &digest);
        Ok(answer)
    }

    /// A blob of the store; `None` if the store does not have it.
    fn stored(&self, descriptor: &Descriptor, head: &RequestHead<'_>) -> Option<RegistryAnswer> {
        let blobs = self.catalog.store().layout().blobs();
        let size = descriptor.size;
        if blobs.contains(&descriptor.digest) != Some(size) {
            return None;
        }
        let is_same = head.if_range.is_none_or(|tag| tag == entity_tag(&descriptor.digest));
        let range = head.range.filter(|_| is_same && head.method == "GET");
        let mut headers = vec![("accept-ranges", "bytes".to_owned())];
        let answer = |status, headers, length, body| RegistryAnswer { status, headers, length, body };
        match BytesRange::of(range, size) {
            BytesRange::All => {
                let mut reader = blobs.reader(descriptor).ok()?;
                let body = if size > SMALL {
                    AnswerBody::Stream(Box::new(reader))
                } else {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes).map_err(|error| self.damaged(&error)).ok()?;
                    AnswerBody::Bytes(bytes)
                };
                headers.push(("content-type", "application/octet-stream".to_owned()));
                Some(answer(200, headers, size, Some(body)))
            }
            BytesRange::Part(first, last) => {
                self.check(descriptor).map_err(|error| self.damaged(&error)).ok()?;
                let mut file = blobs.open(&descriptor.digest).ok()?;
                file.seek(SeekFrom::Start(first)).ok()?;
                headers.push(("content-type", "application/octet-stream".to_owned()));
                headers.push(("content-range", format!("bytes {first}-{last}/{size}")));
                let length = last - first + 1;
                let part = Box::new(file.take(length));
                Some(answer(206, headers, length, Some(AnswerBody::Stream(part))))
            }
            BytesRange::Unsatisfiable => {
                headers.push(("content-range", format!("bytes */{size}")));
                Some(answer(416, headers, 0, Some(AnswerBody::Bytes(Vec::new()))))
            }
        }
    }

    /// Reads a blob to its end, so that its digest is checked, unless that was done since its file last changed.
    fn check(&self, descriptor: &Descriptor) -> io::Result<()> {
        let blobs = self.catalog.store().layout().blobs();
        let file = blobs.open(&descriptor.digest)?.metadata()?;
        let blob = (descriptor.digest, file.ino(), file.ctime(), file.ctime_nsec());
        if self.checked().contains(&blob) {
            return Ok(());
        }
        io::copy(&mut blobs.reader(descriptor)?, &mut io::sink())?;
        self.checked().insert(blob);
        Ok(())
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, BTreeSet<WholeBlob>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a blob was damaged: reading has put it out of the way.
    fn damaged(&self, error: &io::Error) {
        (self.warn)(error.to_string());
    }

    /// A blob of the base, from its own registry.
    fn passed_on(&self, content: &ServedContent, method: &str) -> Result<RegistryAnswer, Refused> {
        let ServedContent { descriptor, base, .. } = content;
        let lost = format!("the local store has lost the blob {}", descriptor.digest);
        let unknown = |message| Refused::new(404, "BLOB_UNKNOWN", message);
        let Some(base) = base else { return Err(unknown(format!("{lost}: {BUILD_AGAIN}"))) };
        let lost = || unknown(format!("{lost}, and the base `{base}` does not have it: {BUILD_AGAIN}"));
        let failed = |error: RegistryError| match error {
            RegistryError::NotFound { .. } => lost(),
            error => {
                let message = format!("cannot get the blob {} from `{base}`: {error}", descriptor.digest);
                Refused::new(502, "BLOB_UNKNOWN", message)
            }
        };
        let body = if method == "HEAD" {
            if !self.client.has_blob(base, descriptor).map_err(failed)? {
                return Err(lost());
            }
            None
        } else {
            Some(AnswerBody::Stream(self.client.blob(base, descriptor).map_err(failed)?))
        };
        let headers = vec![("content-type", "application/octet-stream".to_owned())];
        Ok(RegistryAnswer { status: 200, headers, length: descriptor.size, body })
    }
}

fn document(status: u16, media_type: &str, bytes: Vec<u8>) -> RegistryAnswer {
    RegistryAnswer {
        status,
        headers: vec![("content-type", media_type.to_owned())],
        length: bytes.len() as u64,
        body: Some(AnswerBody::Bytes(bytes)),
    }
}

fn entity_tag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Says which content the answer is.
fn tag(answer: &mut RegistryAnswer, digest: &Digest) {
    answer.headers.push(("docker-content-digest", digest.to_string()));
    answer.headers.push(("etag", entity_tag(digest)));
}

fn repository<'a>(
    state: &'a CatalogState,
    name: &str,
    head: &RequestHead<'_>,
) -> Result<&'a ServedRepository, Refused> {
    // containerd says so which registry it asks this one in place of.
    match state.find(name, parameter(head.query, "ns").as_deref()) {
        FoundRepository::One(found) => Ok(found),
        FoundRepository::None => {
            Err(Refused::new(404, "NAME_UNKNOWN", format!("the local store has no image of `{name}`")))
        }
        FoundRepository::Several(names) => {
            let message = format!("several registries have `{name}`: ask for one of {}", names.join(", "));
            Err(Refused::new(404, "NAME_UNKNOWN", message))
        }
    }
}

/// A page of a list.
fn listed<'a>(
    head: &RequestHead<'_>,
    what: &str,
    name: Option<&str>,
    all: impl Iterator<Item = &'a str>,
) -> Result<RegistryAnswer, Refused> {
    let wrong = || Refused::new(400, "PAGINATION_NUMBER_INVALID", "`n` is no number");
    let most =
        parameter(head.query, "n").map(|most| most.parse::<usize>().map_err(|_| wrong())).transpose()?;
    let last = parameter(head.query, "last");
    let mut rest = all.filter(|item| last.as_deref().is_none_or(|last| *item > last)).peekable();
    let page: Vec<&str> = rest.by_ref().take(most.unwrap_or(usize::MAX)).collect();
    let mut value = json!({ what: page });
    if let Some(name) = name {
        value["name"] = json!(name);
    }
    let mut answer = document(200, "application/json", value.to_string().into_bytes());
    if let (Some(most), Some(end), Some(_)) = (most, page.last(), rest.peek()) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("n", &most.to_string()).append_pair("last", end);
        if let Some(registry) = parameter(head.query, "ns") {
            query.append_pair("ns", &registry);
        }
        answer.headers.push(("link", format!("<{}?{}>; rel=\"next\"", decoded(head.path), query.finish())));
    }
    Ok(answer)
}

fn referrers(state: &CatalogState, digest: &str, head: &RequestHead<'_>) -> Result<RegistryAnswer, Refused> {
    let found = match DigestText::of(digest) {
        DigestText::Known(digest) => state.referrers(&digest),
        DigestText::Other => &[],
        DigestText::Invalid => return Err(Refused::new(400, "DIGEST_INVALID", "this is no digest")),
    };
    let wanted = parameter(head.query, "artifactType");
    let is_wanted = |entry: &&Descriptor| wanted.is_none() || entry.artifact_type == wanted;
    let manifests: Vec<&Descriptor> = found.iter().filter(is_wanted).collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageIndex.to_string(),
        "manifests": manifests,
    });
    let mut answer = document(200, MediaType::ImageIndex.as_ref(), index.to_string().into_bytes());
    if wanted.is_some() {
        answer.headers.push(("oci-filters-applied", "artifactType".to_owned()));
    }
    Ok(answer)
}

/// Whether a `Host` header names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_this_machine_or_not() {
        for right in ["localhost", "localhost:5050", "127.0.0.1", "127.1.2.3:80", "[::1]:5050", "LOCALHOST"] {
            assert!(is_loopback(right), "{right}");
        }
        for wrong in
            ["", "evil.example", "evil.example:5050", "127.0.0.1.evil.example", "10.0.0.1:5050", "[::2]"]
        {
            assert!(!is_loopback(wrong), "{wrong}");
        }
    }
}
