//! The place that an image is verified at, watched: what is wrong with the image is a finding, and what is wrong with the
//! place is a failure, which says nothing about the image. The first failure ends it all.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use crate::oci::{Descriptor, RawDocument};
use crate::registry::RegistryError;
use crate::runtime::interrupt::Interrupt;
use crate::transport::{BlobStream, Source};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, carried, carry, uncarry};
use crate::types::error_code::ErrorCode;
use crate::types::reference::Repository;

/// A source, and the first failure of its place.
pub(super) struct WatchedSource<'a> {
    inner: &'a dyn Source,
    interrupt: Interrupt,
    failure: FirstFailure,
}

type FirstFailure = Arc<Mutex<Option<BoxedError>>>;

/// The answer after the place has failed: the real reason is kept.
#[derive(Debug, thiserror::Error)]
#[error("not read: the place of the image failed before")]
struct PlaceFailed;

impl Explain for PlaceFailed {
    fn kind(&self) -> Kind {
        Kind::Registry
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::RegistryUnreachable)
    }
}

impl<'a> WatchedSource<'a> {
    pub(super) fn new(inner: &'a dyn Source, interrupt: Interrupt) -> Self {
        Self { inner, interrupt, failure: FirstFailure::default() }
    }

    /// The first failure, if there was one.
    pub(super) fn failed(&self) -> Result<(), BoxedError> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    fn ask<T>(&self, question: impl FnOnce() -> Result<T, BoxedError>) -> Result<T, BoxedError> {
        if lock(&self.failure).is_some() {
            return Err(PlaceFailed.into());
        }
        let answer = self.interrupt.check().map_err(BoxedError::from).and_then(|()| question());
        answer.map_err(|error| keep(&self.failure, error))
    }
}

fn lock(failure: &FirstFailure) -> std::sync::MutexGuard<'_, Option<BoxedError>> {
    failure.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an error is about the place and not about what it has.
fn is_failure(error: &(dyn Explain + 'static)) -> bool {
    let error = carried(error).unwrap_or(error);
    let cause: &(dyn std::error::Error + 'static) = error;
    let about_content =
        cause.downcast_ref::<RegistryError>().is_some_and(RegistryError::is_about_the_content);
    match error.kind() {
        Kind::Interrupted => true,
        Kind::Registry => !about_content,
        _ => false,
    }
}

/// Keeps a failure, the first of all, and gives what stands for it; an error that is none is given back.
fn keep(failure: &FirstFailure, error: BoxedError) -> BoxedError {
    if !is_failure(&*error) {
        return error;
    }
    lock(failure).get_or_insert(error);
    PlaceFailed.into()
}

impl Source for WatchedSource<'_> {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        self.ask(|| self.inner.root())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        self.ask(|| self.inner.document(descriptor))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        let inner = self.ask(|| self.inner.blob(descriptor))?;
        let (interrupt, failure) = (self.interrupt.clone(), Arc::clone(&self.failure));
        Ok(Box::new(WatchedStream { inner, interrupt, failure }))
    }

    fn origin(&self) -> Option<Repository> {
        self.inner.origin()
    }

    fn pinned(&self) -> Option<Digest> {
        self.inner.pinned()
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}

struct WatchedStream {
    inner: BlobStream,
    interrupt: Interrupt,
    failure: FirstFailure,
}

impl Read for WatchedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Err(interrupted) = self.interrupt.check() {
            return Err(carry(keep(&self.failure, interrupted.into())));
        }
        self.inner.read(buffer).map_err(|error| match carried(&error) {
            Some(cause) if is_failure(cause) => match uncarry(error) {
                Ok(cause) => carry(keep(&self.failure, cause)),
                Err(error) => error,
            },
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;
    use crate::runtime::interrupt::Interrupted;

    /// A source whose every answer is the same error.
    struct Broken(fn() -> BoxedError);

    impl Source for Broken {
        fn root(&self) -> Result<RawDocument, BoxedError> {
            Err((self.0)())
        }

        fn document(&self, _: &Descriptor) -> Result<RawDocument, BoxedError> {
            Err((self.0)())
        }

        fn blob(&self, _: &Descriptor) -> Result<BlobStream, BoxedError> {
            let error = self.0;
            struct Bad(fn() -> BoxedError);
            impl Read for Bad {
                fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                    Err(carry((self.0)()))
                }
            }
            Ok(Box::new(Bad(error)))
        }

        fn name(&self) -> String {
            "broken".to_owned()
        }
    }

    fn not_found() -> BoxedError {
        let registry = "r.example".parse().expect("valid");
        let step = crate::registry::RequestStep::PullBlob;
        let context = Box::new(crate::registry::Context { registry, step, subject: "a".to_owned() });
        RegistryError::NotFound { context }.into()
    }

    fn setup() -> BoxedError {
        RegistryError::Setup { host: "r.example".to_owned(), why: "broken".to_owned() }.into()
    }

    #[test]
    fn a_failure_of_the_place_is_kept_and_ends_it_all() {
        let descriptor = Descriptor::new(MediaType::ImageLayer, Digest::of(b""), 0);
        let read =
            |source: &WatchedSource<'_>| source.blob(&descriptor).map(|mut it| it.read(&mut [0; 8]).is_err());
        for (error, kind) in [
            (setup as fn() -> BoxedError, Some(Kind::Registry)),
            (|| Interrupted.into(), Some(Kind::Interrupted)),
            (not_found, None),
        ] {
            let broken = Broken(error);
            let place = WatchedSource::new(&broken, Interrupt::default());
            assert!(place.document(&descriptor).is_err());
            assert_eq!(read(&place).is_err(), kind.is_some(), "nothing is asked after a failure");
            assert_eq!(place.failed().err().map(|error| error.kind()), kind);
            let place = WatchedSource::new(&broken, Interrupt::default());
            assert_eq!(read(&place).ok(), Some(true));
            assert_eq!(place.failed().err().map(|error| error.kind()), kind);
        }
    }
}
