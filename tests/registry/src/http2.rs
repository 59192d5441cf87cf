//! The registry over TLS and HTTP/2, for the two faults that HTTP/1.1 has no words for: GOAWAY, and RST_STREAM.
//!
//! The protocol is a library's, which never says that it did not take a request that it has read. So a GOAWAY
//! is written between its frames.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::fault::{Action, Fate};
use super::message::{Reply, Request};
use super::server::{Busy, PATIENCE, Shared};
use crate::runtime::{lock, runtime};

struct Identity {
    pem: String,
    config: Arc<ServerConfig>,
}

/// Made once: a key takes longer than a test.
fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they belong together");
        config.alpn_protocols = vec![b"h2".to_vec()];
        Identity { pem: made.cert.pem(), config: Arc::new(config) }
    })
}

/// Its certificate, as PEM.
pub(super) fn certificate() -> &'static str {
    &identity().pem
}

/// Serves everyone who comes.
pub(super) fn listen(shared: Arc<Shared>, listener: TcpListener) -> io::Result<()> {
    let runtime = runtime().map_err(io::Error::other)?;
    listener.set_nonblocking(true)?;
    let _guard = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if shared.stopped.load(Ordering::SeqCst) {
                return;
            }
            // A client that goes away is its own affair.
            drop(tokio::spawn(serve(Arc::clone(&shared), stream)));
        }
    });
    Ok(())
}

/// An order to the connection, from an answer.
enum Order {
    /// Send what is to be said between frames.
    Flush,
    Close,
}

/// The next step of a connection.
enum Next {
    Request(Box<(http::Request<RecvStream>, SendResponse<Bytes>)>),
    Order(Order),
}

/// How answers reach their connection.
#[derive(Clone)]
struct Line {
    between: Between,
    orders: mpsc::UnboundedSender<Order>,
}

impl Line {
    /// Not a word more on a stream, whose answer must be kept for that, until the connection ends.
    async fn end(&self, now: bool) -> Option<()> {
        if now {
            self.orders.send(Order::Close).ok()?;
        }
        self.orders.closed().await;
        None
    }
}

async fn serve(shared: Arc<Shared>, stream: tokio::net::TcpStream) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let stream = TlsAcceptor::from(Arc::clone(&identity().config)).accept(stream).await.ok()?;
    let between = Between::default();
    let spliced = Spliced { inner: stream, between: between.clone(), head: Vec::new(), payload: 0 };
    let mut connection = h2::server::handshake(spliced).await.ok()?;
    let (orders, mut ordered) = mpsc::unbounded_channel();
    let line = Line { between, orders };
    loop {
        let next = async {
            tokio::select! {
                // Pending frames go out before anything else is read.
                biased;
                request = connection.accept() => Some(Next::Request(Box::new(request?.ok()?))),
                order = ordered.recv() => order.map(Next::Order),
            }
        };
        // As over HTTP/1.1: a client does not wait for ever for an answer that never comes.
        match tokio::time::timeout(PATIENCE, next).await.ok()?? {
            Next::Request(request) => {
                let (request, respond) = *request;
                tokio::spawn(answer(Arc::clone(&shared), request, respond, line.clone()));
            }
            Next::Order(Order::Flush) => {}
            Next::Order(Order::Close) => return None,
        }
        if shared.stopped.load(Ordering::SeqCst) {
            return None;
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    line: Line,
) -> Option<()> {
    let stream = respond.stream_id().as_u32();
    let (mut request, mut body) = read_head(request);
    let action = shared.state().note(&mut request);
    let reply = if action.as_ref().is_some_and(Action::refuses) {
        None
    } else {
        while let Some(piece) = body.data().await {
            let piece = piece.ok()?;
            request.body.extend_from_slice(&piece);
            body.flow_control().release_capacity(piece.len()).ok()?;
        }
        let _busy = Busy::new(&shared);
        Some(shared.reply(&request, action.as_ref()))
    };
    match action {
        Some(Action::ResetStream { code, .. }) => {
            respond.send_reset(Reason::from(code));
            return None;
        }
        Some(Action::GoAway { code, fate }) => {
            // Streams of clients have odd numbers.
            let last = if fate == Fate::Refused { stream.saturating_sub(2) } else { stream };
            line.between.goaway(last, code);
            line.orders.send(Order::Flush).ok()?;
            match fate {
                Fate::Answered => {}
                Fate::Lost => return line.end(true).await,
                Fate::Refused => return line.end(false).await,
            }
        }
        Some(Action::Unanswered(_)) => return line.end(true).await,
        _ => {}
    }
    send(&reply?, request.is("HEAD"), &mut respond).ok()
}

fn read_head(request: http::Request<RecvStream>) -> (Request, RecvStream) {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::new(head.method.as_str(), target);
    request.secure = head.uri.authority().map(|authority| format!("https://{authority}"));
    request.head = format!("{} {target} HTTP/2\r\n", head.method);
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        request.head.push_str(&format!("{name}: {value}\r\n"));
        request.headers.insert(name.as_str().to_owned(), value);
    }
    (request, body)
}

fn send(reply: &Reply, is_head: bool, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut response = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if reply.get("content-length").is_none() && reply.status != 204 {
        response = response.header("content-length", reply.body.len());
    }
    let response = response.body(()).expect("is an answer");
    let is_empty = is_head || reply.body.is_empty();
    let mut stream = respond.send_response(response, is_empty)?;
    if !is_empty {
        stream.send_data(reply.body.clone().into(), true)?;
    }
    Ok(())
}

/// The bytes to send between two frames.
#[derive(Clone, Default)]
struct Between(Arc<Mutex<VecDeque<u8>>>);

impl Between {
    /// A GOAWAY frame: the last stream that was taken, and why.
    fn goaway(&self, last: u32, code: u32) {
        let mut bytes = lock(&self.0);
        bytes.extend([0, 0, 8, 7, 0, 0, 0, 0, 0]);
        bytes.extend(last.to_be_bytes());
        bytes.extend(code.to_be_bytes());
    }
}

/// A connection with words between the frames that are written to it.
struct Spliced<S> {
    inner: S,
    between: Between,
    /// The written part of a frame's head, and the rest of its payload.
    head: Vec<u8>,
    payload: usize,
}

/// A frame's head: length, type, flags, stream (RFC 9113, 4.1).
const HEAD: usize = 9;

impl<S: AsyncWrite + Unpin> Spliced<S> {
    /// Follows the frames through `bytes`.
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = if self.payload > 0 {
                let taken = self.payload.min(bytes.len());
                self.payload -= taken;
                taken
            } else {
                let taken = (HEAD - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..taken]);
                if self.head.len() == HEAD {
                    let length = [0, self.head[0], self.head[1], self.head[2]];
                    self.payload = u32::from_be_bytes(length) as usize;
                    self.head.clear();
                }
                taken
            };
            bytes = &bytes[taken..];
        }
    }

    /// Says what is to be said, if a frame has just ended.
    fn splice(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.payload > 0 || !self.head.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = lock(&self.between.0);
        while !bytes.is_empty() {
            let written = match Pin::new(&mut self.inner).poll_write(context, bytes.make_contiguous()) {
                Poll::Ready(written) => written?,
                Poll::Pending => return Poll::Pending,
            };
            bytes.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Spliced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Spliced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.splice(context)?.is_pending() {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = written {
            self.pass(&bytes[..written]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.splice(context)?.is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
