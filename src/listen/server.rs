//! The HTTP server: axum's routes on hyper's connections, with bounds on all that a client can make large or slow.
//!
//! Besides `registry` this is the one place that is asynchronous. A message is handed to a thread as soon as it is
//! whole.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use super::state::ServiceState;
use super::verify::MessageHead;

/// Connections at the same time; more wait in the system's queue.
const MOST_CONNECTIONS: usize = 128;
/// The longest message, in bytes.
const LONGEST_BODY: usize = 512 << 10;
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 << 10;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;
/// For the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// For the body of a request.
const BODY_TIME: Duration = Duration::from_secs(10);
/// For a connection, which has one request: a client that does not read its answer must not keep its place either.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// For requests that are under way at the end.
const END_TIME: Duration = Duration::from_secs(5);
/// How often it looks whether the service is to end.
const GLANCE: Duration = Duration::from_millis(50);
/// Threads that take messages.
const THREADS: usize = 32;
/// Seconds after which a sender may come again.
const COME_AGAIN: &str = "10";

/// Serves until the service is to end.
///
/// # Errors
/// When threads or the listener cannot be had.
pub fn serve(state: &Arc<ServiceState>, listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .thread_name("listen")
        .enable_all()
        .build()?;
    runtime.block_on(accept(state, listener))?;
    runtime.shutdown_timeout(END_TIME);
    Ok(())
}

async fn accept(state: &Arc<ServiceState>, listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let routes = routes(state);
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = ended(state) => break,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            } => accepted,
        };
        let (Ok(slot), Ok((stream, _))) = accepted else {
            // No file descriptors are left, or the client is gone already.
            tokio::time::sleep(GLANCE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let mut server = hyper::server::conn::http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .keep_alive(false)
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(LONGEST_HEAD)
            .max_headers(MOST_HEADERS);
        let service = TowerToHyperService::new(routes.clone());
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        let state = Arc::clone(state);
        state.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            // An error of a connection concerns its client alone.
            let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
            state.connections.fetch_sub(1, Ordering::Relaxed);
            drop(slot);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(END_TIME, graceful.shutdown()).await;
    Ok(())
}

async fn ended(state: &ServiceState) {
    while !state.should_end() {
        tokio::time::sleep(GLANCE).await;
    }
}

fn routes(state: &Arc<ServiceState>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { text(StatusCode::OK, "alive") }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    for source in &state.sources {
        router = router.route(&source.path, post(receive));
    }
    router.with_state(Arc::clone(state))
}

fn text(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{text}\n")).into_response()
}

async fn ready(State(state): State<Arc<ServiceState>>) -> Response {
    match state.is_ready() {
        true => text(StatusCode::OK, "ready"),
        false => text(StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    }
}

async fn metrics(State(state): State<Arc<ServiceState>>) -> Response {
    let text = tokio::task::spawn_blocking(move || state.metrics_text()).await.unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn receive(State(state): State<Arc<ServiceState>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match read(&parts.headers, body).await {
        Ok(body) => body,
        // The rest of the body is not read, so the connection cannot go on.
        Err(status) => return closing(text(status, status.canonical_reason().unwrap_or("refused"))),
    };
    let work = move || answer(&state, &parts.uri, &parts.headers, &body);
    match tokio::task::spawn_blocking(work).await {
        Ok(response) => response,
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "failed"),
    }
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, StatusCode> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > LONGEST_BODY as u64)
    {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, LONGEST_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Too long without saying so, or broken: it makes no difference to the client that is gone.
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

fn answer(state: &ServiceState, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    let Some(source) = state.sources.iter().find(|source| source.path == uri.path()) else {
        return text(StatusCode::NOT_FOUND, "there is no such source");
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let head = MessageHead { header: &header, query: uri.query() };
    let answer = state.receive(source, &head, body);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text(status, &answer.text);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(COME_AGAIN));
    }
    response
}
