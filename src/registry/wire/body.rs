//! The body of an upload, watched for standstill: a stored blob, read by a thread of its own and hashed on the way, or
//! one that is being made, taken as it comes.
//!
//! The last piece of a stored blob is held back until all bytes are known to be what the descriptor says, so a registry
//! never gets a complete blob that is not the announced one.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::lock::lock;
use crate::oci::Descriptor;
use crate::oci::blob::{Blob, BlobPart, Delivery, GrowingBlob, GrowingReader};
use crate::runtime::events::Task;
use crate::types::digest::{Digest, Sha256};

/// Large enough to keep system calls rare, small enough that several wait per upload.
const PIECE: usize = 128 << 10;
/// Pieces read ahead of the network.
const AHEAD: usize = 4;

/// Bytes of a blob that are read once; several requests may take them one after the other.
#[derive(Clone)]
pub(in crate::registry) struct BodyContent {
    pieces: Arc<Mutex<Pieces>>,
    watch: Arc<Watch>,
}

struct Pieces {
    source: BodySource,
    /// The bytes that were taken from the source and not yet sent.
    rest: VecDeque<Bytes>,
}

enum BodySource {
    /// A thread reads.
    Stored(mpsc::Receiver<Bytes>),
    Growing(GrowingPieces),
}

/// The pieces of a blob that is being made.
struct GrowingPieces {
    reader: GrowingReader,
    /// Where those are that were taken from the reader and have not come out yet: one, while the one before is sent.
    next: Option<Next>,
    pool: Pool,
}

enum Next {
    Here(Bytes),
    /// A thread reads it.
    Reading(JoinHandle<io::Result<Bytes>>),
}

/// One request's share of a [`BodyContent`].
pub(in crate::registry) struct Upload {
    content: BodyContent,
    /// Bytes to go; `None` for all that come.
    remaining: Option<u64>,
}

/// The beginning of a content.
pub(in crate::registry) enum BufferedStart {
    /// These are all its bytes, and they are what they should be.
    All(Bytes),
    /// There are more: they begin what is left.
    Start,
}

/// How far an upload has got, for everyone who asks.
pub(in crate::registry) struct Watch {
    state: Mutex<Moment>,
    progress: Arc<SentBytes>,
    clock: Clock,
}

struct Moment {
    moved: Instant,
    done: bool,
    /// Whether the network waits for bytes and not the bytes for the network.
    waits: bool,
    sent: u64,
    error: Option<io::Error>,
}

/// Bytes reported as sent; another try of the same blob does not count them again.
pub(in crate::registry) struct SentBytes {
    task: Task,
    reported: Mutex<u64>,
}

impl SentBytes {
    pub(in crate::registry) fn new(task: Task) -> Self {
        Self { task, reported: Mutex::new(0) }
    }

    fn reach(&self, sent: u64) {
        let mut reported = lock(&self.reported);
        if sent > *reported {
            self.task.advance(sent - *reported);
            *reported = sent;
        }
    }

    /// Reports the result, after all other reports.
    pub(in crate::registry) fn conclude(sent: Arc<Self>, delivery: Delivery) {
        if let Some(sent) = Arc::into_inner(sent) {
            sent.task.finish(match delivery {
                Delivery::Present => "present",
                Delivery::Mounted => "mounted",
                Delivery::Uploaded => "uploaded",
            });
        }
    }
}

impl BodyContent {
    /// Starts to read `blob` on a thread of the runtime that this is called in.
    pub(in crate::registry) fn open(blob: &Blob, progress: Arc<SentBytes>, clock: Clock) -> Self {
        let blob = blob.clone();
        let (sender, receiver) = mpsc::channel(AHEAD);
        let content = Self::new(BodySource::Stored(receiver), Watch::new(progress, clock));
        let watch = Arc::clone(&content.watch);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = read(&blob, &sender) {
                // Before the channel closes, which is what the request notices.
                lock(&watch.state).error = Some(error);
            }
            drop(sender);
        });
        content
    }

    /// Takes what is being made, as it is made.
    pub(in crate::registry) fn follow(growing: &GrowingBlob, progress: Arc<SentBytes>, clock: Clock) -> Self {
        let source = BodySource::Growing(GrowingPieces {
            reader: growing.reader(),
            next: None,
            pool: Pool::default(),
        });
        Self::new(source, Watch::new(progress, clock))
    }

    fn new(source: BodySource, watch: Watch) -> Self {
        let pieces = Pieces { source, rest: VecDeque::new() };
        Self { pieces: Arc::new(Mutex::new(pieces)), watch: Arc::new(watch) }
    }

    /// Takes bytes until there are more than `limit` or no more.
    pub(in crate::registry) async fn gather(&self, limit: usize) -> BufferedStart {
        let mut gathered = VecDeque::new();
        let mut length = 0;
        while length <= limit {
            match std::future::poll_fn(|context| self.poll_next(context)).await {
                Some(piece) => {
                    length += piece.len();
                    gathered.push_back(piece);
                }
                None if self.failed() => break,
                None => return BufferedStart::All(joined(gathered)),
            }
        }
        lock(&self.pieces).rest = gathered;
        BufferedStart::Start
    }

    /// All that is left as a request's body.
    pub(in crate::registry) fn rest(&self) -> Upload {
        lock(&self.watch.state).moved = self.watch.clock.now();
        Upload { content: self.clone(), remaining: None }
    }

    /// The next piece of the source; nothing at its end, which may be that it has failed.
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.failed() {
            // A piece after a missing one cannot be used.
            return Poll::Ready(None);
        }
        let next = ready!(lock(&self.pieces).source.poll_next(context));
        Poll::Ready(next.unwrap_or_else(|error| {
            lock(&self.watch.state).error = Some(error);
            None
        }))
    }

    /// How many bytes requests have taken.
    pub(in crate::registry) fn sent(&self) -> u64 {
        lock(&self.watch.state).sent
    }

    /// Why the content could not be read, if so.
    pub(in crate::registry) fn take_error(&self) -> Option<io::Error> {
        self.watch.take_error()
    }

    fn failed(&self) -> bool {
        lock(&self.watch.state).error.is_some()
    }

    /// The next `length` bytes as a request's body.
    pub(in crate::registry) fn take(&self, length: u64) -> Upload {
        let mut state = lock(&self.watch.state);
        state.moved = self.watch.clock.now();
        state.done = length == 0;
        drop(state);
        Upload { content: self.clone(), remaining: Some(length) }
    }
}

/// Memory that pieces are read into, used again once they are sent: fresh memory is cleared by the system first.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

/// A piece in memory that goes back to its pool.
struct SharedSlice {
    memory: Vec<u8>,
    length: usize,
    home: Pool,
}

impl Pool {
    fn take(&self, size: usize) -> Vec<u8> {
        let mut memory = lock(&self.0).pop().unwrap_or_default();
        memory.resize(size, 0);
        memory
    }

    fn lend(&self, memory: Vec<u8>, length: usize) -> Bytes {
        Bytes::from_owner(SharedSlice { memory, length, home: self.clone() })
    }

    /// The next piece, of at most `most` bytes; an empty one at the end.
    fn next_piece(&self, content: &mut impl Read, most: usize) -> io::Result<Bytes> {
        let mut memory = self.take(most);
        let mut length = 0;
        while length < most {
            match content.read(&mut memory[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.lend(memory, length))
    }
}

impl AsRef<[u8]> for SharedSlice {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for SharedSlice {
    fn drop(&mut self) {
        lock(&self.home.0).push(std::mem::take(&mut self.memory));
    }
}

impl BodySource {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        match self {
            Self::Stored(receiver) => receiver.poll_recv(context).map(Ok),
            Self::Growing(following) => following.poll_next(context),
        }
    }
}

impl GrowingPieces {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let next = match self.next.take() {
            Some(next) => next,
            None => match ready!(self.reader.poll_next(context))? {
                Some(part) => self.begin(part),
                None => return Poll::Ready(Ok(None)),
            },
        };
        let bytes = match next {
            Next::Here(bytes) => bytes,
            Next::Reading(mut reading) => match Pin::new(&mut reading).poll(context) {
                Poll::Ready(read) => read.map_err(io::Error::other)??,
                Poll::Pending => {
                    self.next = Some(Next::Reading(reading));
                    return Poll::Pending;
                }
            },
        };
        // A failure here repeats itself.
        if let Poll::Ready(Ok(Some(part))) = self.reader.poll_next(context) {
            self.next = Some(self.begin(part));
        }
        Poll::Ready(Ok(Some(bytes)))
    }

    fn begin(&self, part: BlobPart) -> Next {
        match part {
            BlobPart::Memory(bytes) => Next::Here(bytes),
            BlobPart::Stored(part) => {
                let pool = self.pool.clone();
                Next::Reading(tokio::task::spawn_blocking(move || {
                    let mut memory = pool.take(part.size());
                    let skip = part.read(&mut memory)?;
                    Ok(pool.lend(memory, part.size()).slice(skip..))
                }))
            }
        }
    }
}

/// All pieces in one.
fn joined(mut pieces: VecDeque<Bytes>) -> Bytes {
    if pieces.len() <= 1 {
        return pieces.pop_front().unwrap_or_default();
    }
    let mut bytes = Vec::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
    bytes.into()
}

/// Sends the blob's bytes, the last piece only if all are as announced.
fn read(blob: &Blob, sender: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let descriptor = &blob.descriptor;
    let mut content = blob.content.open_unchecked()?;
    let mut hasher = Sha256::new();
    let mut seen = 0;
    let mut held: Option<Bytes> = None;
    let pool = Pool::default();
    while seen <= descriptor.size {
        // One more than there should be shows whether there is more.
        let most = usize::try_from(descriptor.size - seen).map_or(PIECE, |left| PIECE.min(left.max(1)));
        let piece = pool.next_piece(&mut content, most)?;
        if piece.is_empty() {
            break;
        }
        hasher.update(&piece);
        seen += piece.len() as u64;
        if let Some(held) = held.replace(piece)
            && sender.blocking_send(held).is_err()
        {
            // The request is over; whether its answer is good is not decided here.
            return Ok(());
        }
    }
    let found = hasher.finish();
    if seen != descriptor.size || found != descriptor.digest {
        return Err(wrong(blob, seen, found));
    }
    if let Some(held) = held {
        let _ = sender.blocking_send(held);
    }
    Ok(())
}

/// The message about content that is not as announced. Reading it the checked way first gives its keeper the chance
/// to put it right.
fn wrong(blob: &Blob, seen: u64, found: Digest) -> io::Error {
    if let Err(error) = blob.content.open().and_then(|mut content| io::copy(&mut content, &mut io::sink())) {
        return error;
    }
    let Descriptor { size, digest, .. } = &blob.descriptor;
    let what = match seen.cmp(size) {
        Ordering::Greater => format!("it has more than the announced {size} bytes"),
        Ordering::Less => format!("it has {seen} bytes, {size} were announced"),
        Ordering::Equal => format!("its digest is {found}, {digest} was announced"),
    };
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Watch {
    fn new(progress: Arc<SentBytes>, clock: Clock) -> Self {
        let state = Moment { moved: clock.now(), done: false, waits: false, sent: 0, error: None };
        Self { state: Mutex::new(state), progress, clock }
    }

    /// Returns once nothing has moved for `idle`, or, all being sent, no answer has come for `commit`.
    pub(in crate::registry) async fn stalled(&self, idle: Duration, commit: Duration) -> &'static str {
        loop {
            if let Some(what) = self.late(idle, commit) {
                return what;
            }
            let (until, _) = self.limit(idle, commit);
            self.clock.reach(until).await;
        }
    }

    /// The step that has taken too long, if there is one.
    pub(in crate::registry) fn late(&self, idle: Duration, commit: Duration) -> Option<&'static str> {
        let (until, what) = self.limit(idle, commit);
        (self.clock.now() >= until).then_some(what)
    }

    /// When something has taken too long, and what.
    fn limit(&self, idle: Duration, commit: Duration) -> (Instant, &'static str) {
        let state = lock(&self.state);
        let (limit, what) = if state.done { (commit, "waiting for the answer") } else { (idle, "sending") };
        // While there is nothing to send, nothing stands still.
        let moved = if state.waits { self.clock.now() } else { state.moved };
        (moved + limit, what)
    }

    /// Why the local content could not be read, if so.
    pub(in crate::registry) fn take_error(&self) -> Option<io::Error> {
        lock(&self.state).error.take()
    }

    fn advance(&self, bytes: u64, done: bool) {
        let mut state = lock(&self.state);
        state.moved = self.clock.now();
        state.done = done;
        state.waits = false;
        state.sent += bytes;
        let sent = state.sent;
        drop(state);
        self.progress.reach(sent);
    }
}

impl Upload {
    pub(in crate::registry) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.content.watch)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.remaining == Some(0) {
            return Poll::Ready(None);
        }
        let content = &self.content;
        let watch = &content.watch;
        let taken = lock(&content.pieces).rest.pop_front();
        let mut piece = match taken {
            Some(piece) => piece,
            None => {
                let next = content.poll_next(context);
                lock(&watch.state).waits = next.is_pending();
                match ready!(next) {
                    Some(piece) => piece,
                    None if self.remaining.is_none() && !content.failed() => {
                        watch.advance(0, true);
                        return Poll::Ready(None);
                    }
                    None => return Poll::Ready(Some(Err(io::Error::other("the content ended early")))),
                }
            }
        };
        // Not more at once than shows that something moves.
        let most =
            self.remaining.map_or(PIECE, |left| usize::try_from(left).map_or(PIECE, |left| left.min(PIECE)));
        if piece.len() > most {
            let rest = piece.split_off(most);
            lock(&content.pieces).rest.push_front(rest);
        }
        self.remaining = self.remaining.map(|remaining| remaining - piece.len() as u64);
        self.content.watch.advance(piece.len() as u64, self.remaining == Some(0));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
