//! The service: it listens, answers on threads, and sends bodies piece by piece.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

use super::answer::{AnswerBody, RegistryAnswer, RequestHead, StoreRegistry};
use super::catalog::Catalog;
use super::connections::{self, ConnectionBounds};
use crate::oci::blob::BlobStream;
use crate::registry::Client;
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;

/// Connections at the same time.
const MOST_CONNECTIONS: usize = 128;
/// For the next request of a connection, and its head.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// For a connection: a client that is this slow may connect again and go on with a range.
const WHOLE_TIME: Duration = Duration::from_secs(3600);
/// For requests that are under way at the end.
const END_TIME: Duration = Duration::from_secs(5);
/// Bytes of a blob that are read at once.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be sent.
const WAITING: usize = 2;

/// The part that the command line passes in.
pub struct ServeOptions {
    /// The store.
    pub store: Store,
    /// The way to registries of bases.
    pub client: Client,
    /// Where it listens.
    pub address: SocketAddr,
    /// Set when it is to end.
    pub interrupt: Interrupt,
    /// Told of the address that it has, once it listens.
    pub tell: Box<dyn Fn(SocketAddr)>,
    /// Told of faults of the store, and of answers that broke off.
    pub warn: Box<dyn Fn(String) + Send + Sync>,
}

/// Why it cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on `{address}`")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no threads, or the server failed.
    #[error("the server failed")]
    Server(#[source] io::Error),
}

impl Explain for ServeError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Address { .. } => Some(ErrorCode::AddressTaken),
            Self::Server(source) => io_code(source, ErrorCode::SystemLimit),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address { .. } => {
                Some("give another address, such as `pack serve 127.0.0.1:5051`".to_owned())
            }
            Self::Server(_) => None,
        }
    }
}

/// Serves until it is interrupted.
///
/// # Errors
/// When it cannot start.
pub fn run(options: ServeOptions) -> Result<(), ServeError> {
    let ServeOptions { store, client, address, interrupt, tell, warn } = options;
    let cannot_listen = |source| ServeError::Address { address, source };
    let listener = TcpListener::bind(address).map_err(cannot_listen)?;
    let local = listener.local_addr().map_err(cannot_listen)?;
    let only_loopback = local.ip().is_loopback();
    let catalog = Catalog::new(store);
    let registry =
        Arc::new(StoreRegistry { catalog, client, only_loopback, warn, checked: Mutex::default() });
    let routes = Router::new().fallback(handle).with_state(registry);
    let bounds = ConnectionBounds {
        most: MOST_CONNECTIONS,
        keep_alive: true,
        head_time: HEAD_TIME,
        whole_time: WHOLE_TIME,
        end_time: END_TIME,
        // Each connection may read a body, and one more answers.
        threads: 2 * MOST_CONNECTIONS,
        name: "serve",
    };
    tell(local);
    let is_over = || interrupt.is_triggered();
    connections::serve(listener, &routes, bounds, &Arc::new(AtomicUsize::new(0)), &is_over)
        .map_err(ServeError::Server)
}

async fn handle(State(registry): State<Arc<StoreRegistry>>, request: Request) -> Response {
    // A body says nothing here; it is not read, and the connection ends with it.
    let (parts, _) = request.into_parts();
    let answering = Arc::clone(&registry);
    let work = move || {
        let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        answering.answer(&RequestHead {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            host: text(header::HOST).or_else(|| parts.uri.host()),
            range: text(header::RANGE),
            if_range: text(header::IF_RANGE),
        })
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => response(answer, registry),
        Err(_) => {
            let mut failed = Response::new(Body::empty());
            *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            failed
        }
    }
}

fn response(answer: RegistryAnswer, registry: Arc<StoreRegistry>) -> Response {
    let RegistryAnswer { status, headers, length, body } = answer;
    let body = match body {
        None => Body::empty(),
        Some(AnswerBody::Bytes(bytes)) => Body::from(bytes),
        Some(AnswerBody::Stream(stream)) => Body::new(PieceBody::of(stream, length, registry)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// A body that a thread reads while it is sent. The last piece waits until the end is reached without an error, so that no client has
/// all bytes of a blob that is damaged.
struct PieceBody {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: u64,
}

impl PieceBody {
    fn of(mut stream: BlobStream, length: u64, registry: Arc<StoreRegistry>) -> Self {
        let (sender, pieces) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let mut before: Option<Vec<u8>> = None;
            loop {
                let mut piece = vec![0; PIECE];
                let read = match stream.read(&mut piece) {
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        (registry.warn)(format!("an answer was broken off: {error}"));
                        let _ = sender.blocking_send(Err(error));
                        return;
                    }
                };
                piece.truncate(read);
                if let Some(before) = before.replace(piece)
                    && sender.blocking_send(Ok(before.into())).is_err()
                {
                    // The client is gone.
                    return;
                }
                if read == 0 {
                    return;
                }
            }
        });
        Self { pieces, rest: length }
    }
}

impl http_body::Body for PieceBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.pieces.poll_recv(context).map(|piece| {
            Some(piece?.map(|bytes| {
                self.rest = self.rest.saturating_sub(bytes.len() as u64);
                Frame::data(bytes)
            }))
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest)
    }
}
