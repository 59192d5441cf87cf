//! The releases of a repository: records by their tags, and the tags that mean the newest ones.
//!
//! Tags of records are the truth. The newest release of an environment is the record with the highest number in the list
//! of tags, which is one request up to a thousand tags and tells of gaps. Nothing here decides who wins a race.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeFrom;

use super::record::{ARTIFACT_TYPE, RecordFault, StoredRelease};
use crate::oci::{Descriptor, RawDocument};
use crate::registry::{Client, PushedParts, Referrers, RegistryError};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, nearest};
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseNumber};
use crate::types::shown::Foreign;

/// A repository with releases.
#[derive(Clone, Debug)]
pub struct Ledger {
    client: Client,
    repository: Repository,
    /// Whether it is only read: a login may have no right to push.
    reads: bool,
}

/// The numbers of all releases of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseNumbers(BTreeMap<EnvironmentName, BTreeSet<ReleaseNumber>>);

/// Whether a record got its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagClaim {
    /// It has the tag, as far as the registry says.
    Written,
    /// Another record has it.
    Taken,
}

/// Why a release cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The repository has no such environment.
    #[error("`{repository}` has no environment `{environment}`")]
    UnknownEnvironment {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
        /// A hint: the name that was probably meant, or those that there are.
        hint: String,
    },
    /// The environment has no release of this number.
    #[error("the environment `{environment}` of `{repository}` has no release {}", number.get())]
    UnknownRelease {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
        /// The number.
        number: ReleaseNumber,
        /// The newest one.
        newest: ReleaseNumber,
    },
    /// The history is not sound.
    #[error("{repository}: {fault}")]
    Fault {
        /// The repository.
        repository: Repository,
        /// The fault.
        fault: Box<RecordFault>,
    },
    /// The tag of an environment does not move.
    #[error(
        "the release {} of `{environment}` is recorded, and `{repository}` does not let its tag `{environment}` move: {}",
        number.get(),
        Foreign::new(why)
    )]
    PointerRefused {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
        /// The number of the release.
        number: ReleaseNumber,
        /// The words of the registry.
        why: String,
    },
}

impl Explain for LedgerError {
    fn kind(&self) -> Kind {
        match self {
            Self::UnknownEnvironment { .. } | Self::UnknownRelease { .. } => Kind::Input,
            Self::Fault { fault, .. } => fault.kind(),
            Self::PointerRefused { .. } => Kind::Registry,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownEnvironment { hint, .. } => Some(hint.clone()),
            Self::UnknownRelease { newest, environment, .. } => Some(format!(
                "the newest one is {}; `pack releases {environment}` lists all",
                newest.get()
            )),
            Self::Fault { fault, .. } => fault.hint(),
            Self::PointerRefused { .. } => Some(
                "give `--no-pointer`, or `pointer = false` in `[environment.NAME]`: then the tags of records tell \
                 what is released"
                    .to_owned(),
            ),
        }
    }
}

impl ReleaseNumbers {
    fn of(tags: &[Tag]) -> Self {
        let mut numbers = Self::default();
        for (environment, number) in tags.iter().filter_map(EnvironmentName::of_record_tag) {
            numbers.0.entry(environment).or_default().insert(number);
        }
        numbers
    }

    /// The number of the newest release.
    #[must_use]
    pub fn newest(&self, environment: &EnvironmentName) -> Option<ReleaseNumber> {
        self.0.get(environment)?.last().copied()
    }

    /// The numbers of an environment, oldest first.
    pub fn of_environment(
        &self,
        environment: &EnvironmentName,
    ) -> impl DoubleEndedIterator<Item = ReleaseNumber> + '_ {
        self.0.get(environment).into_iter().flatten().copied()
    }

    /// The environments.
    pub fn environments(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.0.keys()
    }
}

impl Ledger {
    /// The releases of a repository that is written to.
    #[must_use]
    pub const fn new(client: Client, repository: Repository) -> Self {
        Self { client, repository, reads: false }
    }

    /// The releases of a repository that is only read.
    #[must_use]
    pub const fn to_read(client: Client, repository: Repository) -> Self {
        Self { client, repository, reads: true }
    }

    /// The repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The client that it is reached with.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The numbers of all releases; none where there is no such repository yet.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn numbers(&self) -> Result<ReleaseNumbers, BoxedError> {
        let listed = match self.reads {
            true => self.client.tags(&self.repository),
            false => self.client.tags_for_push(&self.repository),
        };
        match listed {
            Ok(tags) => Ok(ReleaseNumbers::of(&tags)),
            Err(RegistryError::NotFound { .. }) => Ok(ReleaseNumbers::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// The number of the newest release of an environment that must be there.
    ///
    /// # Errors
    /// When there is none.
    pub fn newest(
        &self,
        numbers: &ReleaseNumbers,
        environment: &EnvironmentName,
    ) -> Result<ReleaseNumber, LedgerError> {
        numbers.newest(environment).ok_or_else(|| {
            let known: Vec<&str> = numbers.environments().map(EnvironmentName::as_str).collect();
            let hint = match nearest(environment.as_str(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => {
                    format!("`pack promote IMAGE --to {environment}` makes its first release")
                }
                None => format!(
                    "it has {}",
                    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            let (repository, environment) = (self.repository.clone(), environment.clone());
            LedgerError::UnknownEnvironment { repository, environment, hint }
        })
    }

    /// A release, or the newest one.
    ///
    /// # Errors
    /// When there is none, or its record is not sound.
    pub fn find(
        &self,
        numbers: &ReleaseNumbers,
        environment: &EnvironmentName,
        number: Option<ReleaseNumber>,
    ) -> Result<StoredRelease, BoxedError> {
        let newest = self.newest(numbers, environment)?;
        let number = number.unwrap_or(newest);
        if !numbers.of_environment(environment).any(|known| known == number) {
            let (repository, environment) = (self.repository.clone(), environment.clone());
            if number < newest {
                let fault = RecordFault::Missing { tag: environment.record_tag(number) };
                return Err(LedgerError::Fault { repository, fault: Box::new(fault) }.into());
            }
            return Err(LedgerError::UnknownRelease { repository, environment, number, newest }.into());
        }
        self.read(environment, number)
    }

    /// The release that a tag of a record names.
    ///
    /// # Errors
    /// When it is not there, or its record is not sound.
    pub fn read(
        &self,
        environment: &EnvironmentName,
        number: ReleaseNumber,
    ) -> Result<StoredRelease, BoxedError> {
        let found = self.read_or_fault(environment, number)?;
        Ok(found.map_err(|fault| LedgerError::Fault {
            repository: self.repository.clone(),
            fault: Box::new(fault),
        })?)
    }

    /// The release that a tag of a record names, or what is wrong with its record.
    ///
    /// # Errors
    /// When the registry cannot be asked: that says nothing about the record.
    pub fn read_or_fault(
        &self,
        environment: &EnvironmentName,
        number: ReleaseNumber,
    ) -> Result<Result<StoredRelease, RecordFault>, BoxedError> {
        let tag = environment.record_tag(number);
        match self.document(tag.as_str(), None) {
            Ok(document) => Ok(StoredRelease::read(&document, environment, number)),
            Err(RegistryError::NotFound { .. }) => Ok(Err(RecordFault::Missing { tag })),
            // It came as it is, and is no record.
            Err(error) if error.is_about_the_document() => {
                Ok(Err(RecordFault::Tampered { tag, why: error.to_string() }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The manifest or index that a release has: from its record, else from the registry.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn manifest(&self, release: &StoredRelease) -> Result<RawDocument, BoxedError> {
        match &release.manifest {
            Some(manifest) => Ok(manifest.clone()),
            None => Ok(self.document(&release.image.digest.to_string(), Some(&release.image))?),
        }
    }

    /// A document of the repository.
    ///
    /// # Errors
    /// When it is not there, or not to be trusted.
    pub fn document(&self, name: &str, expected: Option<&Descriptor>) -> Result<RawDocument, RegistryError> {
        self.client.own_document(&self.repository, name, expected, !self.reads)
    }

    /// The digest that a tag resolves to.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn resolve(&self, tag: Tag) -> Result<Option<Digest>, BoxedError> {
        let reference = self.repository.at_tag(tag);
        let found = match self.reads {
            true => self.client.resolve(&reference)?,
            false => self.client.resolve_for_push(&reference)?,
        };
        Ok(found.map(|descriptor| descriptor.digest))
    }

    /// Writes a record under a tag that did not exist a moment ago. An image that the registry has collected since it was
    /// released is sent again from its record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn claim(
        &self,
        release: &StoredRelease,
        record: &RawDocument,
        manifest: &RawDocument,
    ) -> Result<TagClaim, BoxedError> {
        let before = PushedParts { blobs: &[], documents: std::slice::from_ref(manifest) };
        match self.client.push_new_tag(&self.repository, &release.tag(), record, before) {
            Ok(_) => Ok(TagClaim::Written),
            Err(RegistryError::Moved { .. } | RegistryError::Immutable { .. }) => Ok(TagClaim::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a record anew under the tag that it has.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(&self, release: &StoredRelease, record: &RawDocument) -> Result<(), BoxedError> {
        let tag = release.tag();
        self.client.push_document(&self.repository, tag.as_str(), record, PushedParts::default())?;
        Ok(())
    }

    /// Lets the tag of an environment mean what a release has.
    ///
    /// # Errors
    /// When the tag cannot be set.
    pub fn point(
        &self,
        environment: &EnvironmentName,
        number: ReleaseNumber,
        manifest: &RawDocument,
    ) -> Result<(), BoxedError> {
        let name = environment.pointer();
        match self.client.push_document(&self.repository, name.as_str(), manifest, PushedParts::default()) {
            Ok(_) => Ok(()),
            Err(RegistryError::Immutable { answer, .. }) => Err(LedgerError::PointerRefused {
                repository: self.repository.clone(),
                environment: environment.clone(),
                number,
                why: answer.to_string(),
            }
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the tag mean the newest release, from one number on: others may have been written since. The newest release
    /// wins, however late the tag of an older one was set.
    ///
    /// # Errors
    /// When the registry cannot be asked or refuses.
    pub fn follow(
        &self,
        environment: &EnvironmentName,
        from: ReleaseNumber,
    ) -> Result<ReleaseNumber, BoxedError> {
        let mut newest = from;
        loop {
            let mut later = newest;
            let numbers: RangeFrom<u32> = newest.get() + 1..;
            for number in numbers.map_while(ReleaseNumber::new) {
                if self.resolve(environment.record_tag(number))?.is_none() {
                    break;
                }
                later = number;
            }
            if later == newest {
                return Ok(newest);
            }
            let manifest = self.manifest(&self.read(environment, later)?)?;
            self.point(environment, later, &manifest)?;
            newest = later;
        }
    }

    /// The records of all environments that a registry lists as referring to an image, by their annotations; `None`
    /// where it has no such list.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn listed_for(&self, image: &Digest) -> Result<Option<Vec<Descriptor>>, BoxedError> {
        Ok(match self.client.referrers(&self.repository, image, Some(ARTIFACT_TYPE))? {
            Referrers::Api(found) => Some(found),
            Referrers::Tag(..) | Referrers::Nothing => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_tags_in_any_order() {
        let tags: Vec<Tag> =
            ["prod-r0002", "1.0", "prod", "prod-r0010", "test-r0001", "prod-r0001", "x-r1", "latest"]
                .map(|tag| tag.parse().expect("a tag"))
                .to_vec();
        let numbers = ReleaseNumbers::of(&tags);
        let prod: EnvironmentName = "prod".parse().expect("a name");
        assert_eq!(numbers.newest(&prod).map(ReleaseNumber::get), Some(10));
        assert_eq!(numbers.of_environment(&prod).map(ReleaseNumber::get).collect::<Vec<_>>(), [1, 2, 10]);
        assert_eq!(numbers.environments().map(EnvironmentName::as_str).collect::<Vec<_>>(), ["prod", "test"]);
        assert_eq!(numbers.newest(&"dev".parse().expect("a name")), None);
    }
}
