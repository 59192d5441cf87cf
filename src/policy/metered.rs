//! A place with a bound on what is read of it: strangers attach documents, to documents that strangers attached.

use crate::oci::{Descriptor, RawDocument};
use crate::runtime::budget::Budget;
use crate::transport::{BlobStream, Source};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::policy::TOO_MUCH_ADVICE;
use crate::types::reference::{Repository, Tag};
use crate::types::shown::Foreign;

/// So many questions are asked about one image and all that is attached to it.
const MOST_REQUESTS: u64 = 1_200;
/// So many bytes of documents are read of it.
const MOST_BYTES: u64 = 64 << 20;

/// More is attached to an image than is read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TooMuchAttached {
    /// So much that this was the last question.
    #[error("more is attached to `{}` than {MOST_REQUESTS} requests read", Foreign::new(.0))]
    Requests(String),
    /// So much that the next document is too large.
    #[error("the documents that are attached to `{}` have more than {} MiB", Foreign::new(.0), MOST_BYTES >> 20)]
    Bytes(String),
    /// Something that is said of one list or document.
    #[error("{0}")]
    Part(String),
}

impl Explain for TooMuchAttached {
    fn kind(&self) -> Kind {
        Kind::Policy
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::LimitReached)
    }

    fn hint(&self) -> Option<String> {
        Some(TOO_MUCH_ADVICE.to_owned())
    }
}

/// A place that answers until the bounds are reached: one for each image that is judged.
pub(super) struct MeteredSource<'a> {
    source: &'a dyn Source,
    budget: Budget,
}

impl<'a> MeteredSource<'a> {
    pub(super) fn new(source: &'a dyn Source) -> Self {
        Self { source, budget: Budget::new(source.name(), MOST_BYTES, MOST_REQUESTS) }
    }

    fn ask(&self) -> Result<(), TooMuchAttached> {
        self.budget.step(1).map_err(|over| TooMuchAttached::Requests(over.input))
    }
}

impl Source for MeteredSource<'_> {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        self.ask()?;
        self.source.root()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        self.ask()?;
        self.source.document(descriptor)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        self.ask()?;
        let size = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        self.budget.keep(size).map_err(|over| TooMuchAttached::Bytes(over.input))?;
        self.source.blob(descriptor)
    }

    fn origin(&self) -> Option<Repository> {
        self.source.origin()
    }

    fn pinned(&self) -> Option<Digest> {
        self.source.pinned()
    }

    fn own_name(&self) -> Option<String> {
        self.source.own_name()
    }

    fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, BoxedError> {
        self.ask()?;
        self.source.referrers(subject)
    }

    fn under_tag(&self, tag: &Tag) -> Result<Option<RawDocument>, BoxedError> {
        self.ask()?;
        self.source.under_tag(tag)
    }

    fn check(&self) -> Result<(), BoxedError> {
        self.source.check()
    }

    fn name(&self) -> String {
        self.source.name()
    }
}
