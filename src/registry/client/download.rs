//! A blob as it arrives. Blobs are hashed as they stream. A download that breaks goes on where it stopped, through
//! the registry again, because the address that it was sent to may have expired.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::super::auth::access::Access;
use super::super::wire::context::{Context, RequestStep, context};
use super::super::wire::error::{Chance, RegistryError};
use super::super::wire::fault::Fault;
use super::super::wire::host::{Host, RequestSlot};
use super::super::wire::response::Response;
use super::super::wire::retry::Retry;
use super::super::wire::settings::{RetryPolicy, Timeouts};
use super::handle::Client;
use crate::oci::{Descriptor, MAX_DOCUMENT};
use crate::runtime::events::Task;
use crate::types::digest::{Digest, VerifyingReader};
use crate::types::error::{carry, carry_as};
use crate::types::reference::Repository;

/// A blob as it arrives. The wrapper checks the digest.
pub(in crate::registry) struct Download {
    client: Client,
    source: DownloadStream,
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
    /// The bytes since the tries were counted anew.
    achieved: u64,
}

/// The bytes of a blob after which the tries are counted anew: a server that sends a byte at a time is not asked for
/// ever.
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
        // A blob that is read at once has the time of a document.
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
struct DownloadStream {
    place: Repository,
    access: Access,
    context: Context,
    host: Arc<Host>,
    retry: Retry,
    _slot: RequestSlot,
}

impl DownloadStream {
    /// The last place is tried as often as may be, all others once.
    async fn new(
        client: &Client,
        place: Repository,
        descriptor: &Descriptor,
        is_last: bool,
    ) -> Result<Self, RegistryError> {
        let host = client.api().host(place.registry())?;
        let policy = client.api().wire_settings().retry;
        let attempts = if is_last { policy.attempts } else { 1 };
        Ok(Self {
            access: Access::pull(&place),
            context: context(
                &host.registry,
                RequestStep::PullBlob,
                place.path(),
                &descriptor.digest.to_string(),
            ),
            retry: Retry::new(RetryPolicy { attempts, ..policy }, client.api().wire_settings().clock.clone()),
            _slot: host.pull_slot().await,
            host,
            place,
        })
    }
}

impl Download {
    /// Opens the blob at the first of `places` that has it, the last being the registry itself; retries until
    /// there is a first answer.
    pub(in crate::registry) async fn open(
        client: &Client,
        places: Vec<Repository>,
        descriptor: &Descriptor,
        task: Task,
    ) -> Result<Self, RegistryError> {
        let mut places = VecDeque::from(places);
        let Some(place) = places.pop_front() else { unreachable!("the registry itself is a place") };
        let source = DownloadStream::new(client, place, descriptor, places.is_empty()).await?;
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
        let api = self.client.api();
        let opened = api
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
        self.source =
            DownloadStream::new(&self.client, place, &self.descriptor, self.places.is_empty()).await?;
        (self.state, self.whole) = (None, false);
        Ok(())
    }

    /// Begins anew at the next place: what has been read is wrong.
    pub(in crate::registry) async fn begin_elsewhere(
        &mut self,
        error: RegistryError,
    ) -> Result<(), RegistryError> {
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
            let begun = self.client.api().wire_settings().clock.now();
            let chunk = response.chunk().await;
            let (timeouts, clock) =
                (&self.client.api().wire_settings().timeouts, &self.client.api().wire_settings().clock);
            let came = chunk.as_ref().map_or(0, |chunk| chunk.as_ref().map_or(0, Bytes::len)) as u64;
            let too_slow = self.pace.is_too_slow(clock.now() - begun, came, self.descriptor.size, timeouts);
            let fault = match chunk {
                Ok(Some(_)) if too_slow => Fault::Stalled("downloading at a useful speed"),
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
    pub(in crate::registry) fn has_elsewhere(&self) -> bool {
        !self.places.is_empty()
    }

    /// The next piece, empty at the end.
    pub(in crate::registry) async fn piece(&mut self) -> Result<Bytes, RegistryError> {
        self.fill().await?;
        let piece = std::mem::take(&mut self.piece);
        self.took(piece.len());
        Ok(piece)
    }

    /// Everything that is left, for what is small.
    pub(in crate::registry) async fn rest(&mut self) -> Result<Vec<u8>, RegistryError> {
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

    pub(in crate::registry) fn context(&self) -> &Context {
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
pub(in crate::registry) struct WatchedDownload {
    reader: VerifyingReader<Download>,
    from: Context,
}

impl WatchedDownload {
    pub(in crate::registry) fn new(download: Download, digest: Digest, size: u64) -> Self {
        let from = download.context().clone();
        Self { reader: VerifyingReader::new(download, digest, size), from }
    }
}

impl Read for WatchedDownload {
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
