//! `pack serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::args::ServeArgs;
use super::super::error::CommandError;
use super::super::invocation::Invocation;
use crate::serve::{self, ServeOptions};

/// Where it listens if nothing else is said. Port 5000 is that of other registries.
const DEFAULT_PORT: u16 = 5050;

/// Serves the local store until it is asked to end, which is no error.
///
/// # Errors
/// When it cannot start.
pub(super) fn run(invocation: &Invocation, args: &ServeArgs) -> Result<(), CommandError> {
    let address = address(args.address.as_deref())?;
    if !address.ip().is_loopback() && !args.allow_network {
        let message = format!("other machines reach `{address}`, and no login is asked for");
        return Err(CommandError::usage(message)
            .hint("add `--allow-network` if they may have the images, or give `127.0.0.1` with a port"));
    }
    let (printer, warner) = (invocation.printer.clone(), invocation.printer.clone());
    if !address.ip().is_loopback() {
        printer.warning("every machine that reaches this address can pull all images of the local store");
    }
    Ok(serve::run(ServeOptions {
        store: invocation.store_to_read()?,
        client: invocation.client()?,
        address,
        interrupt: invocation.interrupt.clone(),
        tell: Box::new(move |local| printer.message(format!("serving the local store on http://{local}\n"))),
        warn: Box::new(move |fault| warner.warning(fault)),
    })?)
}

/// The address of an argument: a port, or `localhost` or an IP address with a port.
fn address(text: Option<&str>) -> Result<SocketAddr, CommandError> {
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let Some(text) = text else { return Ok(loopback(DEFAULT_PORT)) };
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    let parsed = port.parse::<u16>().ok().map(loopback).or_else(|| text.parse().ok());
    parsed.ok_or_else(|| {
        CommandError::usage(format!("`{text}` is not a port and not an IP address with a port"))
            .hint("write `5050`, `127.0.0.1:5050` or `[::1]:5050`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_whole() {
        let of =
            |text| address(text).map(|address| address.to_string()).map_err(|error| error.chain.join(" "));
        assert_eq!(of(None).as_deref(), Ok("127.0.0.1:5050"));
        assert_eq!(of(Some("0")).as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(of(Some(":81")).as_deref(), Ok("127.0.0.1:81"));
        assert_eq!(of(Some("localhost:81")).as_deref(), Ok("127.0.0.1:81"));
        assert_eq!(of(Some("0.0.0.0:81")).as_deref(), Ok("0.0.0.0:81"));
        assert_eq!(of(Some("[::1]:81")).as_deref(), Ok("[::1]:81"));
        for wrong in ["", "localhost", "70000", "127.0.0.1", "example.com:80", "a"] {
            assert!(of(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
