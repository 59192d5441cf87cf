//! SHA-256 by another implementation than that of what writes images.

use std::io::{self, Read};

use sha2::Digest as _;

use super::report::{Disagreement, DisagreementKind};
use crate::oci::Descriptor;
use crate::runtime::events::Task;
use crate::types::digest::Digest;

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Hashes and counts what is read, and keeps the first error.
pub(super) struct HashingReader<'a, R> {
    pub(super) inner: R,
    hasher: sha2::Sha256,
    pub(super) length: u64,
    pub(super) error: Option<io::Error>,
    task: Option<&'a Task>,
}

impl<'a, R: Read> HashingReader<'a, R> {
    pub(super) fn new(inner: R, task: Option<&'a Task>) -> Self {
        Self { inner, hasher: sha2::Sha256::new(), length: 0, error: None, task }
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    /// Compares what was read, to its end, with what was announced.
    pub(super) fn compare(&self, descriptor: &Descriptor, what: &str) -> Option<Disagreement> {
        let subject = descriptor.digest;
        // A source checks as well, and refuses wrong bytes with this kind: those are measured here.
        if let Some(error) = &self.error
            && error.kind() != io::ErrorKind::InvalidData
        {
            return Some(Disagreement::new(DisagreementKind::Unreadable, subject, error.to_string()));
        }
        if self.length != descriptor.size {
            let message = format!("size of the {what}");
            return Some(Disagreement::other(
                DisagreementKind::Size,
                subject,
                &message,
                &descriptor.size,
                &self.length,
            ));
        }
        let found = self.digest();
        if found != descriptor.digest {
            let message = format!("digest of the {what}");
            return Some(Disagreement::other(
                DisagreementKind::Digest,
                subject,
                &message,
                &descriptor.digest,
                &found,
            ));
        }
        self.error.as_ref().map(|error| Disagreement::new(DisagreementKind::Size, subject, error.to_string()))
    }
}

impl<R: Read> Read for HashingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.error {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        let result = self.inner.read(buffer);
        if let Ok(read) = result {
            self.hasher.update(&buffer[..read]);
            self.length += read as u64;
            if let Some(task) = self.task {
                task.advance(read as u64);
            }
        }
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.error = Some(io::Error::new(error.kind(), error.to_string()));
        }
        result
    }
}
