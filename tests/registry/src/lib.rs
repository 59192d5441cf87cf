//! A registry in memory that misbehaves on request.
//!
//! Without faults it is an ordinary registry over plain HTTP/1.1, and over HTTP/2 and TLS if that is asked for. It passes what the distribution specification's conformance list asks of pushing, pulling,
//! discovery, management and referrers; its own tests are that list. A [`Fault`] picks requests by method, kind
//! and position and says what happens to them, down to the bytes at which a connection is reset. [`Quirks`]
//! are what a well-known registry does differently all the time, and [`PROFILES`] names those. [`Replicas`]
//! are two machines that learn of each other late.
//!
//! Everything that arrives is logged, so that a test can count requests and look where secrets went. It
//! listens on two ports with one content: the second is "another host".

mod auth;
mod blobs;
mod clock;
#[cfg(test)]
mod conformance;
mod content;
mod digest;
mod fault;
mod http2;
mod manifests;
mod message;
mod profile;
mod quirks;
mod runtime;
mod server;
mod uploads;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use self::auth::Auth;
pub use self::clock::{Clock, MachineClock};
use self::content::Document;
pub use self::content::Replicas;
pub use self::digest::Digest;
pub use self::fault::{Action, At, End, Fate, Fault};
pub use self::message::{Kind, Logged, Reply};
pub use self::profile::{PROFILES, Profile};
pub use self::quirks::{Mount, Place, Quirks};
use self::server::Shared;

/// A running registry; stops when dropped.
pub struct Fake {
    shared: Arc<Shared>,
    /// Its own, the other host's, and that of HTTP/2 if that is served.
    addresses: Vec<SocketAddr>,
}

impl Fake {
    /// Starts one on free ports of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> io::Result<Self> {
        Self::with_clock(MachineClock)
    }

    /// The same, with delays that move `clock` rather than take their time.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn with_clock(clock: impl Clock + 'static) -> io::Result<Self> {
        let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let addresses = [listeners[0].local_addr()?, listeners[1].local_addr()?];
        let shared = Arc::new(Shared::new(addresses, Arc::new(clock)));
        for (listener, foreign) in listeners.into_iter().zip([false, true]) {
            Arc::clone(&shared).listen(listener, foreign);
        }
        Ok(Self { shared, addresses: addresses.to_vec() })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.addresses[0].to_string()
    }

    /// Host and port of the second port, which counts as another host.
    #[must_use]
    pub fn foreign_address(&self) -> String {
        self.addresses[1].to_string()
    }

    /// The same registry over TLS, by HTTP/2 alone, on another port; whose certificate it shows.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn listen_http2(&mut self) -> io::Result<(SocketAddr, &'static str)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        self.addresses.push(address);
        http2::listen(Arc::clone(&self.shared), listener)?;
        Ok((address, http2::certificate()))
    }

    /// From now on asks for a login.
    pub fn set_auth(&self, auth: Auth) {
        self.shared.state().auth = Some(auth);
    }

    /// From now on differs from what the specification says.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.shared.state().quirks = quirks;
    }

    /// From now on is two machines.
    pub fn set_replicas(&self, replicas: Replicas) {
        self.shared.state().content.split(replicas);
    }

    /// Becomes a well-known registry.
    pub fn become_like(&self, profile: &Profile) {
        self.set_quirks((profile.quirks)());
        self.set_auth((profile.auth)(&self.foreign_address()));
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// Removes all faults; two machines become one that has what either had.
    pub fn heal(&self) {
        let mut state = self.shared.state();
        state.faults.clear();
        state.content.join();
    }

    /// Forgets what was logged and returns it.
    #[must_use]
    pub fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut self.shared.state().log)
    }

    /// Puts a blob into a repository.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.shared.state().content.everywhere(|content| content.put_blob(repository, digest, bytes.into()));
        digest
    }

    /// Puts a manifest into a repository, under a tag.
    pub fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let document = Document { media_type: media_type.to_owned(), bytes: bytes.into() };
        self.shared.state().content.everywhere(|content| {
            content.put_manifest(repository, digest, document.clone());
            content.put_tag(repository, tag, digest);
        });
        digest
    }

    /// A blob's bytes.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.shared
            .state()
            .content
            .any(|content| content.blob(repository, digest).map(|bytes| bytes.to_vec()))
    }

    /// A manifest's bytes.
    #[must_use]
    pub fn manifest(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = |document: &Document| document.bytes.to_vec();
        self.shared.state().content.any(|content| content.manifest(repository, digest).map(bytes))
    }

    /// The digest that a tag resolves to.
    #[must_use]
    pub fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        self.shared.state().content.any(|content| content.tag(repository, tag))
    }

    /// All tags of a repository, in order.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let tags = |tags: Vec<String>| if tags.is_empty() { None } else { Some(tags) };
        self.shared.state().content.any(|content| tags(content.tags(repository))).unwrap_or_default()
    }

    /// How often each blob was uploaded to the end, in all repositories together.
    #[must_use]
    pub fn commits(&self) -> BTreeMap<Digest, usize> {
        self.shared.state().commits.clone()
    }

    /// Upload sessions that are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.shared.state().content.open_sessions()
    }

    /// The largest number of requests that were served at the same time.
    #[must_use]
    pub fn most_busy(&self) -> usize {
        self.shared.most_busy.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for address in &self.addresses {
            // Wakes the listener; if that fails there is nothing to wake.
            let _ = TcpStream::connect_timeout(address, Duration::from_secs(1));
        }
    }
}
