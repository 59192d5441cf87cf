//! Pulling: names, documents and blobs.
//!
//! Nothing that arrives is believed: documents are parsed strictly and hashed, blobs are hashed as they
//! stream. A download that breaks goes on where it stopped, through the registry again, because the address
//! that it was sent to may have expired.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, RANGE};

use super::Client;
use super::auth::Access;
use super::error::{Answer, Chance, Context, Fault, RegistryError, Step, shorten};
use super::http::{Host, Http, Request, Response, Slot, context};
use super::retry::Retry;
use super::settings::{RetryPolicy, Timeouts};
use crate::oci::media_type::{self, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST};
use crate::oci::{Descriptor, DocumentError, MAX_DOCUMENT, MediaType, RawDocument};
use crate::runtime::observer::Task;
use crate::types::digest::{Digest, VerifyingReader};
use crate::types::error::{carry, carry_as};
use crate::types::reference::Repository;

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

impl Http {
    fn manifest_request(host: &Host, method: Method, path: &str, name: &str) -> Request {
        let url = host.url(&format!("/v2/{path}/manifests/{name}"));
        Request::new(method, url).header(ACCEPT, &accept())
    }

    /// What a name resolves to: one HEAD where the registry answers it well, else a GET.
    pub(super) async fn look_up(
        &self,
        host: &Host,
        access: &Access,
        name: &str,
        step: Step,
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
            // HEAD is not for everyone.
            400 | 405 | 415 | 501 | 201..=299 => {}
            _ => return Err(self.failure(host, access, &context, response).await),
        }
        match self.fetch_document(host, access, name, None, step).await {
            Ok(document) => Ok(Some(document.descriptor())),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A manifest or index, checked against its name and against `expected`.
    pub(super) async fn fetch_document(
        &self,
        host: &Host,
        access: &Access,
        name: &str,
        expected: Option<&Descriptor>,
        step: Step,
    ) -> Result<RawDocument, RegistryError> {
        self.fetch_document_up_to(MAX_DOCUMENT, host, access, name, expected, step).await
    }

    /// The same of at most `limit` bytes.
    pub(super) async fn fetch_document_up_to(
        &self,
        limit: u64,
        host: &Host,
        access: &Access,
        name: &str,
        expected: Option<&Descriptor>,
        step: Step,
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
            let answer = Box::new(Answer {
                status: 200,
                message: "an HTML page instead of a manifest".to_owned(),
                ..Answer::default()
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

    /// Opens a blob from byte `from` on.
    async fn open_blob(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        descriptor: &Descriptor,
        from: u64,
    ) -> Result<Opened, RegistryError> {
        let url = host.url(&format!("/v2/{}/blobs/{}", access.repository.path(), descriptor.digest));
        let mut request = Request::new(Method::GET, url).header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, &format!("bytes={from}-"));
        }
        let response = self.send(host, access, context, request).await?;
        match response.status() {
            // The whole blob: what has been read already is read once more and thrown away.
            200 => Ok(Opened { response, skip: from }),
            206 if from > 0 && is_range(&response, from, descriptor.size) => Ok(Opened { response, skip: 0 }),
            206 => Err(RegistryError::Mismatch {
                context: Box::new(context.clone()),
                expected: format!("the bytes from {from} on"),
                found: format!("`{}`", shorten(response.header("content-range").unwrap_or_default(), 100)),
            }),
            404 => {
                response.discard().await;
                Err(RegistryError::NotFound { context: Box::new(context.clone()) })
            }
            _ => Err(self.failure(host, access, context, response).await),
        }
    }
}

struct Opened {
    response: Response,
    skip: u64,
}

/// Whether the answer holds exactly the bytes from `from` to the end.
fn is_range(response: &Response, from: u64, size: u64) -> bool {
    let range = response.header("content-range").and_then(|range| range.trim().strip_prefix("bytes "));
    let Some((range, total)) = range.and_then(|range| range.split_once('/')) else { return false };
    let Some((first, last)) = range.split_once('-') else { return false };
    let is = |text: &str, number: u64| text.trim().parse() == Ok(number);
    is(first, from) && is(last, size - 1) && (total.trim() == "*" || is(total, size))
}

/// A blob as it arrives. The digest is checked by whoever wraps it.
pub(super) struct Download {
    client: Client,
    source: Source,
    /// Where else it is, should this source fail.
    places: VecDeque<Repository>,
    descriptor: Descriptor,
    state: Option<Response>,
    piece: Bytes,
    skip: u64,
    read: u64,
    task: Task,
    whole: bool,
    pace: Pace,
    /// What came since the tries were counted anew.
    achieved: u64,
}

/// What is enough of a blob for the tries to be counted anew: who sends a byte at a time is not asked for ever.
const ENOUGH: u64 = 64 << 10;

/// How fast bytes come, over the time that was waited for them alone.
#[derive(Clone, Copy, Default)]
struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    /// Counts what came after a wait. Answers whether it is too slow to be worth waiting for.
    fn is_too_slow(&mut self, waited: Duration, came: u64, size: u64, timeouts: &Timeouts) -> bool {
        self.waited += waited;
        self.came += came;
        // What is read at once has the time of a document.
        let is_document = size <= MAX_DOCUMENT;
        if self.waited < if is_document { timeouts.document } else { timeouts.slow } {
            return false;
        }
        let too_slow = is_document || self.came < timeouts.least;
        *self = Self::default();
        too_slow
    }
}

/// Where the bytes come from.
struct Source {
    place: Repository,
    access: Access,
    context: Context,
    host: Arc<Host>,
    retry: Retry,
    _slot: Slot,
}

impl Source {
    /// The last place is tried as often as may be, all others once.
    async fn new(
        client: &Client,
        place: Repository,
        descriptor: &Descriptor,
        is_last: bool,
    ) -> Result<Self, RegistryError> {
        let host = client.http().host(place.registry())?;
        let policy = client.http().settings.retry;
        let attempts = if is_last { policy.attempts } else { 1 };
        Ok(Self {
            access: Access::pull(&place),
            context: context(&host.registry, Step::PullBlob, place.path(), &descriptor.digest.to_string()),
            retry: Retry::new(RetryPolicy { attempts, ..policy }, client.http().settings.clock.clone()),
            _slot: host.pull_slot().await,
            host,
            place,
        })
    }
}

impl Download {
    /// Opens the blob at the first of `places` that has it, the last being the registry itself; retries until
    /// there is a first answer.
    pub(super) async fn open(
        client: &Client,
        places: Vec<Repository>,
        descriptor: &Descriptor,
        task: Task,
    ) -> Result<Self, RegistryError> {
        let mut places = VecDeque::from(places);
        let Some(place) = places.pop_front() else { unreachable!("the registry itself is a place") };
        let source = Source::new(client, place, descriptor, places.is_empty()).await?;
        let mut download = Self {
            client: client.clone(),
            source,
            places,
            descriptor: descriptor.clone(),
            state: None,
            piece: Bytes::new(),
            skip: 0,
            read: 0,
            task,
            whole: false,
            pace: Pace::default(),
            achieved: 0,
        };
        while download.state.is_none() {
            if let Err(error) = download.reopen().await {
                download.failed(error).await?;
            }
        }
        Ok(download)
    }

    async fn reopen(&mut self) -> Result<(), RegistryError> {
        let from = if self.whole { 0 } else { self.read };
        let http = self.client.http();
        let opened = http
            .open_blob(&self.source.host, &self.source.access, &self.source.context, &self.descriptor, from)
            .await;
        let skip = if self.whole { self.read } else { 0 };
        let opened = opened?;
        self.skip = opened.skip.max(skip);
        self.state = Some(opened.response);
        Ok(())
    }

    /// Waits for another try, or gives up.
    async fn failed(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        self.state = None;
        let mut chance = error.chance();
        // A range that is refused or not what was asked for: once more from the start.
        let is_range_fault = matches!(error, RegistryError::Mismatch { .. }) || error.status() == Some(416);
        // The address that the registry sent us to has expired: it will give another.
        let has_expired = error.answer().is_some_and(|answer| answer.host.is_some() && answer.status == 403);
        if is_range_fault && !self.whole && self.read > 0 {
            self.whole = true;
            chance = Chance::Later;
        } else if has_expired {
            chance = Chance::Later;
        }
        match self.source.retry.after_chance(error, chance) {
            Ok(pause) => self.source.host.pause(pause).await,
            Err(error) => self.move_on(error).await?,
        }
        Ok(())
    }

    /// Goes on at the next place, with what has been read.
    async fn move_on(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        let Some(place) = self.places.pop_front() else { return Err(error) };
        self.client.0.pass_over(&self.source.place, error)?;
        self.source = Source::new(&self.client, place, &self.descriptor, self.places.is_empty()).await?;
        (self.state, self.whole) = (None, false);
        Ok(())
    }

    /// Begins anew at the next place: what has been read is wrong.
    pub(super) async fn begin_elsewhere(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        self.move_on(error).await?;
        (self.read, self.skip, self.piece) = (0, 0, Bytes::new());
        Ok(())
    }

    /// The next piece, empty at the end.
    async fn fill(&mut self) -> Result<(), RegistryError> {
        while self.piece.is_empty() && self.read < self.descriptor.size {
            let Some(response) = &mut self.state else {
                if let Err(error) = self.reopen().await {
                    self.failed(error).await?;
                }
                continue;
            };
            let begun = self.client.http().settings.clock.now();
            let chunk = response.chunk().await;
            let (timeouts, clock) =
                (&self.client.http().settings.timeouts, &self.client.http().settings.clock);
            let came = chunk.as_ref().map_or(0, |chunk| chunk.as_ref().map_or(0, Bytes::len)) as u64;
            let too_slow = self.pace.is_too_slow(clock.now() - begun, came, self.descriptor.size, timeouts);
            let fault = match chunk {
                Ok(Some(_)) if too_slow => Fault::Stalled("downloading what hardly comes on"),
                Ok(Some(mut piece)) => {
                    let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
                    piece.advance(skipped);
                    self.skip -= skipped as u64;
                    self.achieved += piece.len() as u64;
                    if self.achieved >= ENOUGH {
                        self.achieved = 0;
                        self.source.retry.progress();
                    }
                    self.piece = piece;
                    continue;
                }
                Ok(None) => Fault::Broken("the blob ended early".to_owned()),
                Err(fault) => fault,
            };
            let context = Box::new(self.source.context.clone());
            self.failed(RegistryError::NoAnswer { context, fault, reached_before: true }).await?;
        }
        Ok(())
    }

    /// Whether there is another place, should this one fail.
    pub(super) fn has_elsewhere(&self) -> bool {
        !self.places.is_empty()
    }

    /// The next piece, empty at the end.
    pub(super) async fn piece(&mut self) -> Result<Bytes, RegistryError> {
        self.fill().await?;
        let piece = std::mem::take(&mut self.piece);
        self.took(piece.len());
        Ok(piece)
    }

    /// Everything that is left, for what is small.
    pub(super) async fn rest(&mut self) -> Result<Vec<u8>, RegistryError> {
        let mut all = Vec::new();
        loop {
            self.fill().await?;
            let piece = std::mem::take(&mut self.piece);
            if piece.is_empty() {
                return Ok(all);
            }
            self.took(piece.len());
            all.extend_from_slice(&piece);
            if all.len() as u64 > self.descriptor.size {
                let (expected, found) = (format!("{} bytes", self.descriptor.size), "more".to_owned());
                let context = Box::new(self.source.context.clone());
                return Err(RegistryError::Mismatch { context, expected, found });
            }
        }
    }

    fn took(&mut self, length: usize) {
        self.read += length as u64;
        self.task.advance(length as u64);
    }

    pub(super) fn context(&self) -> &Context {
        &self.source.context
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let client = self.client.clone();
            client.wait(self.fill()).map_err(carry)?;
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        self.took(length);
        Ok(length)
    }
}

/// A large blob, whose bytes are checked as they are read. They cannot be taken back where they turn out
/// wrong at the end, so that the error names who sent them.
pub(super) struct Watched {
    reader: VerifyingReader<Download>,
    from: Context,
}

impl Watched {
    pub(super) fn new(download: Download, digest: Digest, size: u64) -> Self {
        let from = download.context().clone();
        Self { reader: VerifyingReader::new(download, digest, size), from }
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                let (context, why) = (Box::new(self.from.clone()), error.to_string());
                carry_as(io::ErrorKind::InvalidData, RegistryError::Damaged { context, why })
            }
            _ => error,
        })
    }
}
