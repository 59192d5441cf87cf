//! A connection, and a way through a proxy, each within a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use url::Url;

use super::super::super::wire::advice::{self, shorten};
use super::super::super::wire::proxy::ProxyUrl;
use super::check::Check;
use crate::runtime::deadline;
use crate::types::error_code::ErrorCode;
use crate::types::reference::{DOCKER_HUB, Registry};

/// No connection is made.
const UNREACHABLE: ErrorCode = ErrorCode::RegistryUnreachable;

/// The head of a proxy's answer is not longer.
const MAX_HEAD: usize = 16 << 10;

/// So many of a host's addresses are tried.
const MAX_ADDRESSES: usize = 8;

pub(super) fn dial(
    target: &Url,
    registry: Option<&Registry>,
    timeout: Duration,
) -> Result<(TimedStream, Check), Check> {
    const NAME: &str = "network";
    let host = target.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = target.port_or_known_default().unwrap_or(443);
    let begun = Instant::now();
    let addresses: Vec<SocketAddr> = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses.take(MAX_ADDRESSES).collect(),
        Err(error) => {
            let advice = match registry
                .filter(|registry| registry.host() == host || registry.as_str() == DOCKER_HUB)
            {
                Some(registry) => advice::unknown_host(registry),
                None => advice::NO_PROXY_THERE.to_owned(),
            };
            return Err(Check::bad(NAME, UNREACHABLE, format!("`{host}` does not resolve: {error}"), advice));
        }
    };
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let resolved = format!("`{host}` is {} ({} ms)", ips.join(", "), begun.elapsed().as_millis());
    let mut check = Check::good(NAME, resolved);
    for address in addresses {
        let begun = Instant::now();
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                let check = check.and(format!("{address} accepts ({} ms)", begun.elapsed().as_millis()));
                return Ok((TimedStream { stream, end: deadline::after(timeout) }, check));
            }
            Err(error) => check = check.and(format!("{address} does not accept: {error}")),
        }
    }
    Err(check.fails(UNREACHABLE, "check the port, that the server runs, and firewalls on the way"))
}

/// A connection that everything on must have an end by some time, however slowly the other side goes on.
pub(super) struct TimedStream {
    stream: TcpStream,
    end: Instant,
}

impl TimedStream {
    fn left(&self) -> std::io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for TimedStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for TimedStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Has an HTTP proxy connect to `target` (RFC 9110, 9.3.6).
pub(super) fn tunnel(stream: &mut TimedStream, proxy: &ProxyUrl, target: &Url) -> Result<(), String> {
    let port = target.port_or_known_default().unwrap_or(443);
    let authority = format!("{}:{port}", target.host_str().unwrap_or_default());
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    let url = proxy.expose();
    if !url.username().is_empty() {
        let plain = |text: &str| {
            let pairs = format!("x={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(pairs.as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let pair = format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default()));
        request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(pair)));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    let mut byte = [0];
    // Byte by byte: what follows the head is the registry's.
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        match stream.read(&mut byte) {
            Ok(0) => return Err("nothing".to_owned()),
            Ok(_) => head.push(byte[0]),
            Err(error) => return Err(error.to_string()),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let first = shorten(head.lines().next().unwrap_or_default(), 100);
    if first.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) { Ok(()) } else { Err(first) }
}
