//! The HTTP server: axum's routes, with bounds on all that a client can make large or slow.
//!
//! A message is handed to a thread as soon as it is whole.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::state::ServiceState;
use super::verify::MessageHead;
use crate::serve::connections::{self, ConnectionBounds};

/// Connections at the same time; more wait in the system's queue.
const MOST_CONNECTIONS: usize = 128;
/// The longest message, in bytes.
const LONGEST_BODY: usize = 512 << 10;
/// For the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// For the body of a request.
const BODY_TIME: Duration = Duration::from_secs(10);
/// For a connection, which has one request: a client that does not read its answer must not keep its place either.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// For requests that are under way at the end.
const END_TIME: Duration = Duration::from_secs(5);
/// Threads that take messages.
const THREADS: usize = 32;
/// Seconds after which a sender may come again.
const COME_AGAIN: &str = "10";

/// Serves until the service is to end.
///
/// # Errors
/// When threads or the listener cannot be had.
pub fn serve(state: &Arc<ServiceState>, listener: TcpListener) -> io::Result<()> {
    let bounds = ConnectionBounds {
        most: MOST_CONNECTIONS,
        keep_alive: false,
        head_time: HEAD_TIME,
        whole_time: CONNECTION_TIME,
        end_time: END_TIME,
        threads: THREADS,
        name: "listen",
    };
    connections::serve(listener, &routes(state), bounds, &state.connections, &|| state.should_end())
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
