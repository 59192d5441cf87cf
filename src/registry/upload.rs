//! The body of an upload: read by a thread of its own, hashed on the way, watched for standstill.
//!
//! The last piece is held back until all bytes are known to be what the descriptor says, so a registry
//! never gets a complete blob that is not the announced one.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::http::lock;
use crate::blob::Blob;
use crate::digest::Sha256;
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
    remaining: u64,
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

    pub(super) fn finish(self, outcome: &'static str) {
        self.task.finish(outcome);
    }
}

impl Content {
    /// Starts to read `blob` on a thread of the runtime that this is called in.
    pub(super) fn open(blob: &Blob, progress: Arc<Sent>, clock: Clock) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let state = Moment { moved: clock.now(), done: false, sent: 0, error: None };
        let watch = Arc::new(Watch { state: Mutex::new(state), progress, clock });
        let (blob, reader) = (blob.clone(), Arc::clone(&watch));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = read(&blob, &sender) {
                // Before the channel closes, which is what the request notices.
                lock(&reader.state).error = Some(error);
            }
            drop(sender);
        });
        Self { pieces: Arc::new(Mutex::new(Pieces { receiver, rest: Bytes::new() })), watch }
    }

    /// The next `length` bytes as a request's body.
    pub(super) fn take(&self, length: u64) -> Upload {
        let mut state = lock(&self.watch.state);
        state.moved = self.watch.clock.now();
        state.done = length == 0;
        drop(state);
        Upload { content: self.clone(), remaining: length }
    }
}

/// Sends the blob's bytes, the last piece only if all are as announced.
fn read(blob: &Blob, sender: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let descriptor = &blob.descriptor;
    let changed = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut content = blob.content.open()?;
    let mut hasher = Sha256::new();
    let mut seen = 0;
    let mut held: Option<Bytes> = None;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut content).take(PIECE as u64).read_to_end(&mut piece)?;
        if read == 0 {
            break;
        }
        hasher.update(&piece);
        seen += read as u64;
        if seen > descriptor.size {
            return Err(changed(format!("it has more than the announced {} bytes", descriptor.size)));
        }
        if let Some(held) = held.replace(piece.into())
            && sender.blocking_send(held).is_err()
        {
            // The request is over; whether its answer is good is not decided here.
            return Ok(());
        }
    }
    if seen != descriptor.size {
        return Err(changed(format!("it has {seen} bytes, {} were announced", descriptor.size)));
    }
    let found = hasher.finish();
    if found != descriptor.digest {
        return Err(changed(format!("its digest is {found}, {} was announced", descriptor.digest)));
    }
    if let Some(held) = held {
        let _ = sender.blocking_send(held);
    }
    Ok(())
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
        (state.moved + limit, what)
    }

    /// Why the local content could not be read, if so.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        lock(&self.state).error.take()
    }

    fn advance(&self, bytes: u64, done: bool) {
        let mut state = lock(&self.state);
        state.moved = self.clock.now();
        state.done = done;
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
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let piece = {
            let mut pieces = lock(&self.content.pieces);
            if pieces.rest.is_empty() {
                pieces.rest = match ready!(pieces.receiver.poll_recv(context)) {
                    Some(piece) => piece,
                    None => return Poll::Ready(Some(Err(io::Error::other("the content ended early")))),
                };
            }
            let length = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(pieces.rest.len());
            pieces.rest.split_to(length)
        };
        self.remaining -= piece.len() as u64;
        self.content.watch.advance(piece.len() as u64, self.remaining == 0);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
