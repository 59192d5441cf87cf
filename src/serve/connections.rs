//! Connections of an HTTP/1.1 server: hyper's, with bounds on their number, their heads and their time.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 << 10;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;
/// How often it looks whether the service is to end.
const GLANCE: Duration = Duration::from_millis(50);

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionBounds {
    /// Connections at the same time; more wait in the system's queue.
    pub most: usize,
    /// Whether a connection may have more than one request.
    pub keep_alive: bool,
    /// For the head of a request, from the end of the one before.
    pub head_time: Duration,
    /// For a connection as a whole: a client that does not read its answer must not keep its place.
    pub whole_time: Duration,
    /// For requests that are under way at the end.
    pub end_time: Duration,
    /// Threads that work for requests.
    pub threads: usize,
    /// The name of the threads.
    pub name: &'static str,
}

/// Serves these routes until the service should end. `open` counts the connections.
///
/// # Errors
/// When threads or the listener cannot be had.
pub fn serve(
    listener: TcpListener,
    routes: &Router,
    bounds: ConnectionBounds,
    open: &Arc<AtomicUsize>,
    should_end: &dyn Fn() -> bool,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(bounds.threads)
        .thread_name(bounds.name)
        .enable_all()
        .build()?;
    runtime.block_on(accept(listener, routes, bounds, open, should_end))?;
    runtime.shutdown_timeout(bounds.end_time);
    Ok(())
}

async fn accept(
    listener: TcpListener,
    routes: &Router,
    bounds: ConnectionBounds,
    open: &Arc<AtomicUsize>,
    should_end: &dyn Fn() -> bool,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let slots = Arc::new(Semaphore::new(bounds.most));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = ended(should_end) => break,
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
            .keep_alive(bounds.keep_alive)
            // A client that has said all may close its half and wait for the answer.
            .half_close(true)
            .header_read_timeout(bounds.head_time)
            .max_buf_size(LONGEST_HEAD)
            .max_headers(MOST_HEADERS);
        let service = TowerToHyperService::new(routes.clone());
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        let open = Arc::clone(open);
        open.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            // An error of a connection concerns its client alone.
            let _ = tokio::time::timeout(bounds.whole_time, connection).await;
            open.fetch_sub(1, Ordering::Relaxed);
            drop(slot);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(bounds.end_time, graceful.shutdown()).await;
    Ok(())
}

async fn ended(should_end: &dyn Fn() -> bool) {
    while !should_end() {
        tokio::time::sleep(GLANCE).await;
    }
}
