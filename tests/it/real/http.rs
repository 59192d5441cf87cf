//! As much of HTTP as a page takes.

use std::io::{Read, Write};
use std::time::Duration;

use super::server::connect;

/// Status and body, or nothing without an answer.
pub(super) fn get(port: u16, path: &str) -> Option<(u16, String)> {
    send(port, "GET", path)
}

/// The same of any request without a body.
pub(super) fn send(port: u16, method: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = connect(port)?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
