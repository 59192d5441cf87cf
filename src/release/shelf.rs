//! Where records are kept, as far as writers of releases need it: few operations that each take effect at some moment
//! between their call and their end, and a clock of the writer. Tests have another shelf, whose time and order they choose.

use std::fmt;
use std::time::Duration;

use super::list::ReleaseList;
use super::record::{RecordFault, StoredRelease};
use crate::oci::RawDocument;
use crate::runtime::interrupt::Interrupt;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseKey, ReleaseNumber};

/// The records and tags of a repository.
pub(super) trait ReleaseShelf: fmt::Debug {
    /// The repository.
    fn repository(&self) -> &Repository;

    /// The releases that are there now.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    fn list(&self) -> Result<ReleaseList, BoxedError>;

    /// The release that the tag of a record names, or what is wrong with its record.
    ///
    /// # Errors
    /// When the registry cannot be asked: that says nothing about the record.
    fn read_or_fault(
        &self,
        environment: &EnvironmentName,
        key: ReleaseKey,
    ) -> Result<Result<StoredRelease, RecordFault>, BoxedError>;

    /// The release that the tag of a record names.
    ///
    /// # Errors
    /// When it is not there, or its record is not sound.
    fn read(&self, environment: &EnvironmentName, key: ReleaseKey) -> Result<StoredRelease, BoxedError>;

    /// The manifest or index that a release has.
    ///
    /// # Errors
    /// When it is not there any more.
    fn manifest(&self, release: &StoredRelease) -> Result<RawDocument, BoxedError>;

    /// The digest that a tag resolves to.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    fn resolve(&self, tag: Tag) -> Result<Option<Digest>, BoxedError>;

    /// Whether the manifest or index of an image is there.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    fn has_image(&self, image: &Digest) -> Result<bool, BoxedError>;

    /// Writes the manifest or index of an image under its digest.
    ///
    /// # Errors
    /// When it cannot be written, such as where its blobs are gone.
    fn write_image(&self, manifest: &RawDocument) -> Result<(), BoxedError>;

    /// Writes a record under its own tag. An image that the registry has collected since it was released is sent again.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write(
        &self,
        release: &StoredRelease,
        record: &RawDocument,
        manifest: &RawDocument,
    ) -> Result<(), BoxedError>;

    /// Lets the tag of an environment mean what a release has.
    ///
    /// # Errors
    /// When the tag cannot be set.
    fn point(
        &self,
        environment: &EnvironmentName,
        number: ReleaseNumber,
        manifest: &RawDocument,
    ) -> Result<(), BoxedError>;

    /// The time since this writer began, by its own clock.
    fn elapsed(&self) -> Duration;

    /// Waits so long at least.
    ///
    /// # Errors
    /// When the user interrupts.
    fn pause(&self, time: Duration, interrupt: &Interrupt) -> Result<(), BoxedError>;
}
