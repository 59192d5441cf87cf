//! Connections: what arrives, what happens to it, what goes back.

use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::auth::{Auth, Token};
use super::content::Machines;
use super::fault::{Action, End, Fault};
use super::message::{Kind, Logged, Reply, Request};
use super::quirks::Quirks;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::runtime::runtime;

/// How long a client may say nothing.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    addresses: [SocketAddr; 2],
    pub(super) stopped: AtomicBool,
    pub(super) most_busy: AtomicUsize,
    busy: AtomicUsize,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) auth: Option<Auth>,
    pub(super) quirks: Quirks,
    pub(super) content: Machines,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) commits: BTreeMap<Digest, usize>,
    pub(super) faults: Vec<Fault>,
    pub(super) log: Vec<Logged>,
    pub(super) next: usize,
    /// Host and port of the second port.
    pub(super) foreign: String,
}

impl State {
    /// Logs a request; what happens to it, the first fault first.
    pub(super) fn note(&mut self, request: &mut Request) -> Option<Action> {
        request.replica = self.content.turn();
        self.log.push(request.logged());
        let kind = request.kind();
        // Every fault counts, whichever acts.
        let met: Vec<Action> =
            self.faults.iter_mut().filter_map(|fault| fault.meet(&request.method, kind)).collect();
        met.into_iter().next()
    }
}

/// One of the requests that are served at the moment.
pub(super) struct Busy<'a>(&'a Shared);

impl<'a> Busy<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        let busy = shared.busy.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_busy.fetch_max(busy, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The fate of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Ends(End),
}

impl Shared {
    pub(super) fn new(addresses: [SocketAddr; 2], clock: Arc<dyn Clock>) -> Self {
        let state = State { foreign: addresses[1].to_string(), ..State::default() };
        Self {
            state: Mutex::new(state),
            clock,
            addresses,
            stopped: AtomicBool::new(false),
            most_busy: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves everyone who comes, each on a thread of its own.
    pub(super) fn listen(self: Arc<Self>, listener: TcpListener, foreign: bool) {
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if self.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&self);
                std::thread::spawn(move || {
                    if shared.serve(&stream, foreign) == End::Reset {
                        reset(stream);
                    }
                });
            }
        });
    }

    fn serve(&self, stream: &TcpStream, foreign: bool) -> End {
        // A client that goes away is its own affair.
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        loop {
            let mut request = match Request::read(&mut reader, foreign) {
                Ok(Some(request)) => request,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    // Somebody speaks TLS.
                    let _ = (&mut &*stream).write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
                    return End::Closed;
                }
                _ => return End::Closed,
            };
            match self.answer(&mut request, &mut reader, stream) {
                Ok(Then::GoOn) if !self.stopped.load(Ordering::SeqCst) => {}
                Ok(Then::Ends(end)) => return end,
                _ => return End::Closed,
            }
        }
    }

    /// Serves one request.
    fn answer(
        &self,
        request: &mut Request,
        reader: &mut BufReader<&TcpStream>,
        mut stream: &TcpStream,
    ) -> io::Result<Then> {
        let action = self.state().note(request);
        let busy = Busy::new(self);
        match &action {
            Some(Action::Cut(at, end)) => {
                request.read_body(reader, at.of(request.length().unwrap_or(2000)))?;
                return Ok(Then::Ends(*end));
            }
            Some(Action::Early(reply)) => {
                stream.write_all(&reply.clone().header("Connection", "close").bytes(false))?;
                // Lingers a little, as servers do, so that the answer is not lost with the connection.
                stream.shutdown(Shutdown::Write)?;
                std::thread::sleep(Duration::from_millis(100));
                return Ok(Then::Ends(End::Closed));
            }
            Some(Action::Stall(time)) => {
                // Time goes by for who waits, not for who still sends.
                request.read_body(reader, usize::MAX)?;
                self.stand_still(*time, reader);
                return Ok(Then::Ends(End::Closed));
            }
            Some(Action::HalfClose) => {
                stream.shutdown(Shutdown::Write)?;
                drain(reader);
                return Ok(Then::Ends(End::Closed));
            }
            Some(action) if action.refuses() => return Ok(Then::Ends(End::Closed)),
            _ => request.read_body(reader, usize::MAX)?,
        }
        if let Some(Action::Raw(bytes)) = &action {
            stream.write_all(bytes)?;
            return Ok(Then::Ends(End::Closed));
        }
        let reply = self.reply(request, action.as_ref());
        // Before the answer, because its receiver may ask for more at once.
        drop(busy);
        self.send(action.as_ref(), &reply, request.is("HEAD"), reader, stream)
    }

    /// The answer, wherever it goes from here.
    pub(super) fn reply(&self, request: &Request, action: Option<&Action>) -> Reply {
        let mut reply = match action {
            Some(Action::Answer(reply)) => reply.clone(),
            Some(Action::Lose) => {
                let before = self.state().content.snapshot();
                let reply = self.perform(request);
                self.state().content.restore(before);
                reply
            }
            _ => self.perform(request),
        };
        match action {
            Some(Action::Instead(other)) => reply = other.clone(),
            Some(Action::Edit(change)) => change(&mut reply),
            Some(Action::Delay(time)) => self.clock.advance(*time),
            _ => {}
        }
        reply
    }

    fn send(
        &self,
        action: Option<&Action>,
        reply: &Reply,
        is_head: bool,
        reader: &mut BufReader<&TcpStream>,
        mut stream: &TcpStream,
    ) -> io::Result<Then> {
        match action {
            Some(Action::Unanswered(end)) => return Ok(Then::Ends(*end)),
            Some(Action::ResetStream { .. } | Action::GoAway { .. }) => return Ok(Then::Ends(End::Closed)),
            Some(Action::CutAnswer(at, end)) => {
                let bytes = reply.bytes(is_head);
                stream.write_all(&bytes[..at.of(bytes.len())])?;
                return Ok(Then::Ends(*end));
            }
            Some(Action::Truncate(length)) => {
                let mut bytes = reply.bytes(true);
                bytes.extend(&reply.body[..(*length).min(reply.body.len())]);
                stream.write_all(&bytes)?;
                return Ok(Then::Ends(End::Closed));
            }
            Some(Action::Trickle(time)) => {
                stream.write_all(&reply.bytes(true))?;
                for byte in if is_head { &[][..] } else { &reply.body } {
                    self.clock.advance(*time);
                    stream.write_all(&[*byte])?;
                    // Time for it to arrive alone, where the clock's takes none.
                    std::thread::sleep(Duration::from_micros(300));
                }
                return Ok(Then::GoOn);
            }
            Some(Action::StallAnswer(time)) => {
                let bytes = reply.bytes(is_head);
                stream.write_all(&bytes[..bytes.len() / 2])?;
                self.stand_still(*time, reader);
                return Ok(Then::Ends(End::Closed));
            }
            _ => {}
        }
        stream.write_all(&reply.bytes(is_head))?;
        Ok(Then::GoOn)
    }

    /// Lets time go by until the client ends the connection. A client on a busy machine may begin to wait only after
    /// the clock was moved, so that it is moved again for one that is still there.
    fn stand_still(&self, time: Duration, reader: &mut BufReader<&TcpStream>) {
        let stream = *reader.get_ref();
        let end = Instant::now() + PATIENCE;
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        loop {
            self.clock.advance(time);
            let ended = io::copy(reader, &mut io::sink());
            let waits =
                ended.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
            if !waits || Instant::now() >= end {
                return;
            }
        }
    }

    fn perform(&self, request: &Request) -> Reply {
        let (kind, now) = (request.kind(), self.clock.now());
        let mut state = self.state();
        // The address for another host contains the credentials itself, as signed addresses do.
        if !request.foreign
            && let Some(refused) = state.refuse(request, &self.addresses[0], now)
        {
            return refused;
        }
        let foreign = self.addresses[1].to_string();
        match (kind, request.method.as_str()) {
            (Kind::Ping, "GET" | "HEAD") => {
                Reply::new(200).header("Docker-Distribution-API-Version", "registry/2.0")
            }
            (Kind::Token, "GET" | "POST") => state.issue(request, now),
            (Kind::Cdn, "GET" | "HEAD") => state.cdn(request),
            (Kind::Tags, "GET") => state.tags(request),
            (Kind::Referrers, "GET") => state.referrers(request),
            (Kind::Manifest, "GET" | "HEAD") => state.get_manifest(request),
            (Kind::Manifest, "PUT") => state.put_manifest(request),
            (Kind::Manifest, "DELETE") => state.delete_manifest(request),
            (Kind::Blob, "GET" | "HEAD") => state.get_blob(request, &foreign),
            (Kind::Blob, "DELETE") => state.delete_blob(request),
            (Kind::Mount, "POST") => state.mount(request),
            (Kind::Start, "POST") => state.open(request),
            (Kind::Session, "GET" | "PATCH" | "PUT" | "DELETE") => state.session(request),
            (Kind::Other, _) => Reply::error(404, "NOT_FOUND", "no such page"),
            _ => Reply::error(405, "UNSUPPORTED", "no such operation"),
        }
    }
}

/// Reads on until the client ends the connection.
fn drain(reader: &mut impl Read) {
    // However it ends.
    let _ = io::copy(reader, &mut io::sink());
}

/// Ends a connection with RST rather than FIN.
fn reset(stream: TcpStream) {
    let Ok(runtime) = runtime() else { return };
    let _guard = runtime.enter();
    // The standard library cannot ask for it yet. Where it cannot be had, it is a FIN.
    if stream.set_nonblocking(true).is_ok()
        && let Ok(stream) = tokio::net::TcpStream::from_std(stream)
    {
        let _ = stream.set_zero_linger();
    }
}
