//! Digests of files and of archives in them, which the worker threads compute while the layer is read on.
//!
//! Which digest belongs to which package is known by tickets, so the order in which the threads finish decides nothing. The
//! files that wait to be hashed take a bounded amount of memory.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::file_catalog::FileCatalog;
use crate::runtime::workers::Workers;
use crate::types::digest::Digest;

/// Files that are only kept to be hashed may take so many bytes of memory, or one file more.
const MAX_HELD: usize = 16 << 20;
/// So many digests may be waited for.
const MAX_WAITING: usize = 256;
/// Fewer bytes are hashed at once: a thread is not worth it.
const SMALL: u64 = 32 << 10;

/// A digest that is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingDigest {
    /// The number of the package, among those of its file.
    pub package: usize,
    /// The number of the digest in its queue.
    pub ticket: usize,
}

/// The statements of a file, whose digests may not be known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogDraft {
    /// The statements.
    pub catalog: FileCatalog,
    /// The digests that they lack.
    pub pending: Vec<PendingDigest>,
}

impl From<FileCatalog> for CatalogDraft {
    fn from(catalog: FileCatalog) -> Self {
        Self { catalog, pending: Vec::new() }
    }
}

impl CatalogDraft {
    /// The statements with their digests, which are those of the queue by their tickets.
    #[must_use]
    pub fn complete(mut self, digests: &[Option<Digest>]) -> FileCatalog {
        if let FileCatalog::Packages(_, packages) = &mut self.catalog {
            for PendingDigest { package, ticket } in self.pending {
                if let (Some(facts), Some(digest)) = (packages.get_mut(package), digests.get(ticket)) {
                    facts.digest = *digest;
                }
            }
        }
        self.catalog
    }
}

/// A digest that a thread computed, with its ticket.
type ComputedDigest = (usize, io::Result<Digest>);

/// Digests that are computed while a layer is read.
pub struct DigestQueue<'w> {
    workers: &'w Workers,
    sender: Sender<ComputedDigest>,
    receiver: Receiver<ComputedDigest>,
    digests: Vec<Option<Digest>>,
    waiting: usize,
    failed: Option<io::Error>,
    held: Arc<HeldBytes>,
}

/// The memory of files that are only kept to be hashed.
#[derive(Debug, Default)]
struct HeldBytes {
    bytes: Mutex<usize>,
    less: Condvar,
}

/// The memory of one such file, until all that hash it are done.
#[derive(Debug)]
pub struct HeldFile {
    bytes: usize,
    all: Arc<HeldBytes>,
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        *self.all.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.all.less.notify_all();
    }
}

impl<'w> DigestQueue<'w> {
    /// An empty queue.
    #[must_use]
    pub fn new(workers: &'w Workers) -> Self {
        let (sender, receiver) = channel();
        let held = Arc::default();
        Self { workers, sender, receiver, digests: Vec::new(), waiting: 0, failed: None, held }
    }

    /// Waits until a file of so many bytes of memory may be kept for its digests. All jobs that need it must own the result.
    pub fn hold(&self, bytes: usize) -> Arc<HeldFile> {
        let held = self.held.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        // Only jobs that run, or will run, hold others.
        let is_full = |held: &mut usize| *held > 0 && *held + bytes > MAX_HELD;
        let mut held = self.held.less.wait_while(held, is_full).unwrap_or_else(PoisonError::into_inner);
        *held += bytes;
        Arc::new(HeldFile { bytes, all: Arc::clone(&self.held) })
    }

    /// Has the digest of `size` bytes computed, and returns its ticket.
    pub fn add(&mut self, size: u64, job: impl FnOnce() -> io::Result<Digest> + Send + 'static) -> usize {
        let ticket = self.digests.len();
        self.digests.push(None);
        // A job of the pool that waits for another one could wait for ever.
        let is_worker = rayon::current_thread_index().is_some();
        let pool = if size <= SMALL || is_worker || self.workers.count() == 1 {
            None
        } else {
            self.workers.pool().ok()
        };
        let Some(pool) = pool else {
            self.take((ticket, job()));
            return ticket;
        };
        while self.waiting >= MAX_WAITING {
            self.wait();
        }
        self.waiting += 1;
        let sender = self.sender.clone();
        // The queue may be gone, where the layer could not be read.
        pool.spawn(move || drop(sender.send((ticket, job()))));
        ticket
    }

    /// The digests by their tickets, once all are there.
    ///
    /// # Errors
    /// When one of them cannot be computed, since its bytes cannot be read.
    pub fn finish(mut self) -> io::Result<Vec<Option<Digest>>> {
        while self.waiting > 0 {
            self.wait();
        }
        self.failed.map_or(Ok(self.digests), Err)
    }

    /// Waits for the next one. The queue has a sender itself, so one comes.
    fn wait(&mut self) {
        self.waiting -= 1;
        if let Ok(computed) = self.receiver.recv() {
            self.take(computed);
        }
    }

    fn take(&mut self, (ticket, digest): ComputedDigest) {
        match digest {
            Ok(digest) => self.digests[ticket] = Some(digest),
            Err(error) => self.failed = Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn each_ticket_has_its_digest_for_any_number_of_threads() {
        for threads in 1..4 {
            let workers = Workers::new(NonZeroUsize::new(threads).expect("some"));
            let mut queue = DigestQueue::new(&workers);
            let jobs: Vec<Vec<u8>> = (0..600).map(|n: usize| vec![n.to_le_bytes()[0]; n * 200]).collect();
            for (number, bytes) in jobs.iter().cloned().enumerate() {
                let held = queue.hold(bytes.len());
                let size = bytes.len() as u64;
                let ticket = queue.add(size, move || {
                    let _held = held;
                    Ok(Digest::of(&bytes))
                });
                assert_eq!(ticket, number);
            }
            let expected: Vec<Option<Digest>> = jobs.iter().map(|bytes| Some(Digest::of(bytes))).collect();
            assert_eq!(queue.finish().expect("digests"), expected);
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_has_no_digest() {
        let workers = Workers::new(NonZeroUsize::new(2).expect("two"));
        let mut queue = DigestQueue::new(&workers);
        queue.add(1 << 20, || Err(io::ErrorKind::InvalidData.into()));
        queue.add(1 << 20, || Ok(Digest::of(b"")));
        queue.finish().expect_err("unread");
    }
}
