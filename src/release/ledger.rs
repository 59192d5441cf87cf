//! The releases of a repository in its registry: records by their tags, and the tags that mean the newest ones.
//!
//! Tags of records are the truth. The newest release of an environment is the last one in the list of tags, which is one
//! request up to a thousand tags and tells of gaps. The order of writers is the subject of [`super::append`].

use std::time::{Duration, Instant};

use super::list::ReleaseList;
use super::record::{ARTIFACT_TYPE, MAX_RECORD, RecordFault, StoredRelease};
use super::shelf::ReleaseShelf;
use crate::oci::{Descriptor, MAX_DOCUMENT, RawDocument};
use crate::registry::{Client, PushedParts, Referrers, RegistryError};
use crate::runtime::interrupt::Interrupt;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, nearest};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Reference, Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseChoice, ReleaseKey, ReleaseNumber};
use crate::types::shown::{Foreign, listed};

/// So often the list of a repository is asked for that was written to just now.
const LOOKS: u32 = 20;
/// The pause between such looks.
const BLINK: Duration = Duration::from_millis(25);

/// A repository with releases.
#[derive(Clone, Debug)]
pub struct Ledger {
    client: Client,
    repository: Repository,
    /// Whether it is only read: a login may have no right to push.
    reads: bool,
    /// When it was made.
    begun: Instant,
}

/// The way on from a record that is not sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultRemedy {
    /// Another release can be named.
    AnotherRelease,
    /// Nothing can follow the record.
    DeleteTheTag,
    /// The image can be named by itself.
    NameTheImage,
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
    /// The environment has no such release.
    #[error("the environment `{environment}` of `{repository}` has no release {choice}")]
    UnknownRelease {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
        /// The release.
        choice: ReleaseChoice,
        /// The number of the newest one.
        newest: ReleaseNumber,
    },
    /// The writers of a number took later ones.
    #[error(
        "the environment `{environment}` of `{repository}` has no release {}: its writer took a later number",
        number.get()
    )]
    NumberLeft {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
        /// The number.
        number: ReleaseNumber,
    },
    /// A number alone does not tell which release.
    #[error(
        "the environment `{environment}` of `{repository}` has {} releases {}: they were written at once",
        releases.len(),
        releases[0].number.get()
    )]
    SeveralReleases {
        /// The repository.
        repository: Repository,
        /// The environment.
        environment: EnvironmentName,
        /// The releases: more than one.
        releases: Vec<ReleaseKey>,
    },
    /// The history is not sound.
    #[error("{repository}: {fault}")]
    Fault {
        /// The repository.
        repository: Repository,
        /// The fault.
        fault: Box<RecordFault>,
        /// The way on, unless the record is missing.
        remedy: FaultRemedy,
    },
    /// An image that was released is gone, and cannot be put back.
    #[error("`{repository}` does not have all of the image {digest} any more: {}", Foreign::new(why))]
    ImageGone {
        /// The repository.
        repository: Repository,
        /// The image.
        digest: Digest,
        /// The words of the registry.
        why: String,
    },
    /// A repository that is there has no list of tags.
    #[error(
        "`{repository}` has images and does not list its tags: it answers that there is no such repository"
    )]
    NoList {
        /// The repository.
        repository: Repository,
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

impl LedgerError {
    /// A record that is not sound.
    #[must_use]
    pub fn fault(repository: Repository, fault: RecordFault, remedy: FaultRemedy) -> Self {
        Self::Fault { repository, fault: Box::new(fault), remedy }
    }
}

impl Explain for LedgerError {
    fn kind(&self) -> Kind {
        match self {
            Self::UnknownEnvironment { .. }
            | Self::UnknownRelease { .. }
            | Self::NumberLeft { .. }
            | Self::SeveralReleases { .. } => Kind::Input,
            Self::Fault { fault, .. } => fault.kind(),
            Self::PointerRefused { .. } | Self::ImageGone { .. } | Self::NoList { .. } => Kind::Registry,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::UnknownEnvironment { .. }
            | Self::UnknownRelease { .. }
            | Self::NumberLeft { .. }
            | Self::SeveralReleases { .. } => Some(ErrorCode::ReleaseUnknown),
            Self::Fault { fault, .. } => fault.code(),
            Self::ImageGone { .. } => Some(ErrorCode::ImageNotFound),
            Self::NoList { .. } => Some(ErrorCode::RegistryUnsound),
            Self::PointerRefused { .. } => Some(ErrorCode::TagTaken),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownEnvironment { hint, .. } => Some(hint.clone()),
            Self::UnknownRelease { newest, repository, environment, .. } => Some(format!(
                "the newest one is {}; `pack releases {repository}@{environment}` lists all",
                newest.get()
            )),
            Self::NumberLeft { repository, environment, .. } => {
                Some(format!("`pack releases {repository}@{environment}` lists all"))
            }
            Self::SeveralReleases { releases, .. } => {
                let names = releases.iter().map(|key| ReleaseChoice::from(*key));
                Some(format!("say which one: {}", listed(names, "`", " or ")))
            }
            Self::Fault { repository, fault, remedy } => fault.hint().map(|hint| match (fault.kind(), remedy) {
                (Kind::Policy, FaultRemedy::AnotherRelease) => match fault.environment() {
                    Some(environment) => format!("{hint}; `pack releases {repository}@{environment}` lists the sound ones"),
                    None => hint,
                },
                (Kind::Policy, FaultRemedy::DeleteTheTag) => format!(
                    "{hint}; once its tag is deleted, releases go on from the one before it"
                ),
                (Kind::Policy, FaultRemedy::NameTheImage) => {
                    format!("{hint}; name the image by its digest to release it all the same")
                }
                _ => hint,
            }),
            Self::NoList { .. } => Some(
                "the list of tags tells the releases: let the registry and what stands before it answer `/tags/list`"
                    .to_owned(),
            ),
            Self::ImageGone { .. } => Some(
                "a clean-up took it: build or copy the image once more, or name a release whose image is there".to_owned(),
            ),
            Self::PointerRefused { .. } => Some(
                "give `--no-pointer`, or `pointer = false` in `[environment.NAME]`: then the tags of records tell \
                 what is released"
                    .to_owned(),
            ),
        }
    }
}

impl Ledger {
    /// The releases of a repository that is written to.
    #[must_use]
    pub fn new(client: Client, repository: Repository) -> Self {
        Self { client, repository, reads: false, begun: Instant::now() }
    }

    /// The releases of a repository that is only read.
    #[must_use]
    pub fn to_read(client: Client, repository: Repository) -> Self {
        Self { client, repository, reads: true, begun: Instant::now() }
    }

    /// The client that it is reached with.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The newest release of an environment that must be there.
    ///
    /// # Errors
    /// When there is none.
    pub fn newest(
        &self,
        list: &ReleaseList,
        environment: &EnvironmentName,
    ) -> Result<ReleaseKey, LedgerError> {
        list.newest(environment).ok_or_else(|| {
            let known: Vec<&str> = list.environments().map(EnvironmentName::as_str).collect();
            let hint = match nearest(environment.as_str(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => {
                    format!("`pack promote IMAGE --to {environment}` makes its first release")
                }
                None => format!("it has {}", listed(known, "`", ", ")),
            };
            let (repository, environment) = (self.repository.clone(), environment.clone());
            LedgerError::UnknownEnvironment { repository, environment, hint }
        })
    }

    /// The place of a release in the list, or that of the newest one.
    ///
    /// # Errors
    /// When there is none, or when a number alone does not tell which one.
    pub fn choose(
        &self,
        list: &ReleaseList,
        environment: &EnvironmentName,
        choice: Option<ReleaseChoice>,
    ) -> Result<ReleaseKey, LedgerError> {
        let newest = self.newest(list, environment)?;
        let Some(choice) = choice else { return Ok(newest) };
        let (repository, environment) = (self.repository.clone(), environment.clone());
        let mut found = list.with_number(&environment, choice.number);
        if let Some(id) = choice.id {
            found.retain(|key| key.id == id);
        }
        let is_known = !list.records_with_number(&environment, choice.number).is_empty();
        match found.as_slice() {
            [key] => Ok(*key),
            [] if choice.id.is_none() && is_known => {
                Err(LedgerError::NumberLeft { repository, environment, number: choice.number })
            }
            [] if choice.number < newest.number && !is_known => {
                let fault = RecordFault::missing(&environment, choice.number, choice.number);
                Err(LedgerError::fault(repository, fault, FaultRemedy::AnotherRelease))
            }
            [] => Err(LedgerError::UnknownRelease { repository, environment, choice, newest: newest.number }),
            several => {
                Err(LedgerError::SeveralReleases { repository, environment, releases: several.to_vec() })
            }
        }
    }

    /// A release, or the newest one.
    ///
    /// # Errors
    /// When there is none, when a number alone does not tell which one, or when its record is not sound.
    pub fn find(
        &self,
        list: &ReleaseList,
        environment: &EnvironmentName,
        choice: Option<ReleaseChoice>,
    ) -> Result<StoredRelease, BoxedError> {
        ReleaseShelf::read(self, environment, self.choose(list, environment, choice)?)
    }

    /// The releases of all environments; none where there is no such repository yet.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn releases(&self) -> Result<ReleaseList, BoxedError> {
        Ok(self.listed()?.unwrap_or_default())
    }

    /// The releases of a repository that is there, and so has a list.
    ///
    /// # Errors
    /// When the registry cannot be asked, or has no list: that would be taken for a repository without releases.
    pub fn own_releases(&self) -> Result<ReleaseList, BoxedError> {
        let none = || LedgerError::NoList { repository: self.repository.clone() };
        Ok(self.listed()?.ok_or_else(none)?)
    }

    /// The releases; `None` where there is no such repository.
    fn listed(&self) -> Result<Option<ReleaseList>, RegistryError> {
        let listed = match self.reads {
            true => self.client.tags(&self.repository),
            false => self.client.tags_for_push(&self.repository),
        };
        match listed {
            Ok(tags) => Ok(Some(ReleaseList::of(&tags))),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A document of the repository.
    ///
    /// # Errors
    /// When it is not there, or not to be trusted.
    pub fn document(&self, name: &str, expected: Option<&Descriptor>) -> Result<RawDocument, RegistryError> {
        self.client.own_document(&self.repository, name, expected, MAX_DOCUMENT, !self.reads)
    }

    fn resolve_name(&self, reference: &Reference) -> Result<Option<Digest>, RegistryError> {
        let found = match self.reads {
            true => self.client.resolve(reference)?,
            false => self.client.resolve_for_push(reference)?,
        };
        Ok(found.map(|descriptor| descriptor.digest))
    }

    /// The meaning of a registry's refusal of an image or of a name for it.
    fn refused(&self, error: RegistryError, image: &Digest) -> BoxedError {
        match error.lacks_parts() {
            true => {
                let (repository, why) = (self.repository.clone(), error.to_string());
                LedgerError::ImageGone { repository, digest: *image, why }.into()
            }
            false => error.into(),
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

impl ReleaseShelf for Ledger {
    fn repository(&self) -> &Repository {
        &self.repository
    }

    /// After a record was written. A registry may know a new repository a moment later.
    fn list(&self) -> Result<ReleaseList, BoxedError> {
        for _ in 0..LOOKS {
            match self.listed()? {
                Some(list) => return Ok(list),
                None => self.pause(BLINK, &Interrupt::default())?,
            }
        }
        self.own_releases()
    }

    fn read_or_fault(
        &self,
        environment: &EnvironmentName,
        key: ReleaseKey,
    ) -> Result<Result<StoredRelease, RecordFault>, BoxedError> {
        let tag = environment.record_tag(key);
        match self.client.own_document(&self.repository, tag.as_str(), None, MAX_RECORD, !self.reads) {
            Ok(document) => Ok(StoredRelease::read(&document, &self.repository, environment, key)),
            Err(RegistryError::NotFound { .. }) => Ok(Err(RecordFault::Missing { tag: tag.to_string() })),
            // It came as it is, and is no record.
            Err(error) if error.is_about_the_document() => {
                Ok(Err(RecordFault::Tampered { tag, why: error.to_string() }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read(&self, environment: &EnvironmentName, key: ReleaseKey) -> Result<StoredRelease, BoxedError> {
        let found = self.read_or_fault(environment, key)?;
        let remedy = FaultRemedy::AnotherRelease;
        Ok(found.map_err(|fault| LedgerError::fault(self.repository.clone(), fault, remedy))?)
    }

    /// From its record, else from the registry.
    fn manifest(&self, release: &StoredRelease) -> Result<RawDocument, BoxedError> {
        let digest = release.image.digest;
        match &release.manifest {
            Some(manifest) => Ok(manifest.clone()),
            None => match self.document(&digest.to_string(), Some(&release.image)) {
                Err(error @ RegistryError::NotFound { .. }) => {
                    let (repository, why) = (self.repository.clone(), error.to_string());
                    Err(LedgerError::ImageGone { repository, digest, why }.into())
                }
                found => Ok(found?),
            },
        }
    }

    fn resolve(&self, tag: Tag) -> Result<Option<Digest>, BoxedError> {
        Ok(self.resolve_name(&self.repository.at_tag(tag))?)
    }

    fn has_image(&self, image: &Digest) -> Result<bool, BoxedError> {
        Ok(self.resolve_name(&self.repository.at_digest(*image))?.is_some())
    }

    fn write_image(&self, manifest: &RawDocument) -> Result<(), BoxedError> {
        let digest = manifest.digest();
        let pushed = self.client.push_document(
            &self.repository,
            &digest.to_string(),
            manifest,
            PushedParts::default(),
        );
        pushed.map(drop).map_err(|error| self.refused(error, &digest))
    }

    fn write(
        &self,
        release: &StoredRelease,
        record: &RawDocument,
        manifest: &RawDocument,
    ) -> Result<(), BoxedError> {
        let before = PushedParts { blobs: &[], documents: std::slice::from_ref(manifest) };
        let pushed = self.client.push_document(&self.repository, release.tag().as_str(), record, before);
        pushed.map(drop).map_err(|error| self.refused(error, &release.image.digest))
    }

    fn point(
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
            Err(error) => Err(self.refused(error, &manifest.digest())),
        }
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn pause(&self, time: Duration, interrupt: &Interrupt) -> Result<(), BoxedError> {
        Ok(interrupt.pause(time)?)
    }
}
