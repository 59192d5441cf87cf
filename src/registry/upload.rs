//! The body of an upload: read by a thread of its own, hashed on the way, watched for standstill.
//!
//! The last piece is held back until all bytes are known to be what the descriptor says, so a registry
//! never gets a complete blob that is not the announced one.

use std::cmp::Ordering;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::http::lock;
use crate::blob::{Blob, Delivery, Growing};
use crate::digest::{Digest, Sha256};
use crate::image::Descriptor;
use crate::observer::Task;

/// Large enough to keep system calls rare, small enough that several wait per upload.
const PIECE: usize = 128 << 10;
/// Pieces read ahead of the network.
const AHEAD: usize = 4;

/// Bytes of a blob that are read once; several requests may take them one after the other.
#[derive(Clone)]
pub(super) struct Content {
    pieces: Arc<Mutex<Pieces>>,
    watch: Arc<Watch>,
}

struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

/// One request's share of a [`Content`].
pub(super) struct Upload {
    content: Content,
    /// Bytes to go; `None` for all that come.
    remaining: Option<u64>,
}

/// The beginning of a content.
pub(super) enum Gathered {
    /// These are all its bytes, and they are what they should be.
    All(Bytes),
    /// There are more.
    Start(Bytes),
}

/// How far an upload has got, for everyone who asks.
pub(super) struct Watch {
    state: Mutex<Moment>,
    progress: Arc<Sent>,
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
pub(super) struct Sent {
    task: Task,
    reported: Mutex<u64>,
}

impl Sent {
    pub(super) fn new(task: Task) -> Self {
        Self { task, reported: Mutex::new(0) }
    }

    fn reach(&self, sent: u64) {
        let mut reported = lock(&self.reported);
        if sent > *reported {
            self.task.advance(sent - *reported);
            *reported = sent;
        }
    }

    /// Says how it went, once nobody else reports.
    pub(super) fn conclude(sent: Arc<Self>, delivery: Delivery) {
        if let Some(sent) = Arc::into_inner(sent) {
            sent.task.finish(match delivery {
                Delivery::Present => "present",
                Delivery::Mounted => "mounted",
                Delivery::Uploaded => "uploaded",
            });
        }
    }
}

impl Content {
    /// Starts to read `blob` on a thread of the runtime that this is called in.
    pub(super) fn open(blob: &Blob, progress: Arc<Sent>, clock: Clock) -> Self {
        let blob = blob.clone();
        Self::start(progress, clock, move |sender| read(&blob, sender))
    }

    /// Starts to read what is being made, as it is made.
    pub(super) fn follow(growing: &Growing, progress: Arc<Sent>, clock: Clock) -> Self {
        let growing = growing.clone();
        Self::start(progress, clock, move |sender| follow(&growing, sender))
    }

    fn start(
        progress: Arc<Sent>,
        clock: Clock,
        read: impl FnOnce(&mpsc::Sender<Bytes>) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let state = Moment { moved: clock.now(), done: false, waits: false, sent: 0, error: None };
        let watch = Arc::new(Watch { state: Mutex::new(state), progress, clock });
        let reader = Arc::clone(&watch);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = read(&sender) {
                // Before the channel closes, which is what the request notices.
                lock(&reader.state).error = Some(error);
            }
            drop(sender);
        });
        Self { pieces: Arc::new(Mutex::new(Pieces { receiver, rest: Bytes::new() })), watch }
    }

    /// Takes bytes until there are more than `limit` or no more.
    pub(super) async fn gather(&self, limit: usize) -> Gathered {
        let mut bytes = BytesMut::new();
        loop {
            let next = std::future::poll_fn(|context| lock(&self.pieces).receiver.poll_recv(context)).await;
            match next {
                Some(piece) => bytes.extend_from_slice(&piece),
                None if self.failed() => return Gathered::Start(bytes.freeze()),
                None => return Gathered::All(bytes.freeze()),
            }
            if bytes.len() > limit {
                return Gathered::Start(bytes.freeze());
            }
        }
    }

    /// `start` and all that come after it as a request's body.
    pub(super) fn rest(&self, start: Bytes) -> Upload {
        lock(&self.pieces).rest = start;
        lock(&self.watch.state).moved = self.watch.clock.now();
        Upload { content: self.clone(), remaining: None }
    }

    /// How many bytes requests have taken.
    pub(super) fn sent(&self) -> u64 {
        lock(&self.watch.state).sent
    }

    /// Why the content could not be read, if so.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.watch.take_error()
    }

    fn failed(&self) -> bool {
        lock(&self.watch.state).error.is_some()
    }

    /// The next `length` bytes as a request's body.
    pub(super) fn take(&self, length: u64) -> Upload {
        let mut state = lock(&self.watch.state);
        state.moved = self.watch.clock.now();
        state.done = length == 0;
        drop(state);
        Upload { content: self.clone(), remaining: Some(length) }
    }
}

/// Memory that pieces are read into, used again once they are sent: fresh memory is cleared by the system first.
#[derive(Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

/// A piece in memory that goes back to its pool.
struct Lent {
    memory: Vec<u8>,
    length: usize,
    home: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// The next piece, as long as a piece can be; an empty one at the end.
    fn next_piece(&self, content: &mut impl Read) -> io::Result<Bytes> {
        let mut memory = lock(&self.0).pop().unwrap_or_else(|| vec![0; PIECE]);
        let mut length = 0;
        while length < PIECE {
            match content.read(&mut memory[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes::from_owner(Lent { memory, length, home: Arc::clone(&self.0) }))
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        lock(&self.home).push(std::mem::take(&mut self.memory));
    }
}

/// Sends bytes as they are made; fails at the end unless they are what they were made to be.
fn follow(growing: &Growing, sender: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let mut content = growing.reader();
    let (pool, mut sum) = (Pool::default(), crc32fast::Hasher::new());
    loop {
        let piece = pool.next_piece(&mut content)?;
        if piece.is_empty() {
            break;
        }
        sum.update(&piece);
        if sender.blocking_send(piece).is_err() {
            return Ok(());
        }
    }
    // What did not grow before our eyes was opened in the way that checks it.
    let is_right = growing.finished().is_some() && growing.crc32().is_none_or(|made| made == sum.finalize());
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "what was read back is not the layer");
    if is_right { Ok(()) } else { Err(wrong()) }
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
        let piece = pool.next_piece(&mut content)?;
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

/// What to say of content that is not as announced. Reading it the checked way first gives its keeper the
/// chance to put it right.
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
    /// Returns once nothing has moved for `idle`, or, all being sent, no answer has come for `commit`.
    pub(super) async fn stalled(&self, idle: Duration, commit: Duration) -> &'static str {
        loop {
            if let Some(what) = self.late(idle, commit) {
                return what;
            }
            let (until, _) = self.limit(idle, commit);
            self.clock.reach(until).await;
        }
    }

    /// What has taken too long, if anything.
    pub(super) fn late(&self, idle: Duration, commit: Duration) -> Option<&'static str> {
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
    pub(super) fn take_error(&self) -> Option<io::Error> {
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
    pub(super) fn watch(&self) -> Arc<Watch> {
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
        let watch = &self.content.watch;
        let piece = {
            let mut pieces = lock(&self.content.pieces);
            if pieces.rest.is_empty() {
                let next = pieces.receiver.poll_recv(context);
                lock(&watch.state).waits = next.is_pending();
                match ready!(next) {
                    Some(piece) => pieces.rest = piece,
                    None if self.remaining.is_none() && !self.content.failed() => {
                        watch.advance(0, true);
                        return Poll::Ready(None);
                    }
                    None => return Poll::Ready(Some(Err(io::Error::other("the content ended early")))),
                }
            }
            let there = pieces.rest.len();
            let length = self
                .remaining
                .map_or(there, |remaining| usize::try_from(remaining).unwrap_or(usize::MAX).min(there));
            pieces.rest.split_to(length)
        };
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
