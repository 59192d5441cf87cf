//! Promotion: the same digest in another environment, in the same repository or another one.

use std::sync::Arc;

use super::append::{EnvironmentHead, NewRelease, ReleaseOptions, ReleaseReport, append};
use super::copy::{CopyOptions, copy};
use super::gate::{self, GateImage};
use super::ledger::{FaultRemedy, Ledger, LedgerError};
use super::list::ReleaseList;
use super::record::{ARTIFACT_TYPE, PassedGate, ReleaseKind, ReleaseNote, StoredRelease};
use super::shelf::ReleaseShelf as _;
use crate::attach::LegacyPlace;
use crate::inspect::verify::{VerifyOptions, verify_documents};
use crate::oci::blob::BlobStream;
use crate::oci::{Descriptor, ManifestOrIndex, RawDocument};
use crate::runtime::events::Progress;
use crate::transport::load::{load_manifest, offers};
use crate::transport::{Source, registry};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, Gate, ReleaseChoice, ReleaseNumber};
use crate::types::shown::Foreign;

/// The key of the commit in annotations and labels.
const REVISION: &str = "org.opencontainers.image.revision";

/// The thing that is promoted.
pub enum PromotionSource {
    /// A release of an environment, or its newest one.
    Release {
        /// The repository.
        ledger: Ledger,
        /// The environment.
        environment: EnvironmentName,
        /// Which one; the newest where there is none.
        choice: Option<ReleaseChoice>,
    },
    /// An image, wherever it is.
    Image {
        /// The image.
        source: Arc<dyn Source>,
        /// As the user wrote it.
        name: String,
    },
}

/// A promotion.
pub struct PromotionRequest<'a> {
    /// The thing to promote.
    pub source: PromotionSource,
    /// The repository of the environment.
    pub target: Ledger,
    /// The environment.
    pub environment: EnvironmentName,
    /// The conditions.
    pub gates: &'a [Gate],
    /// The repository in which an environment is, for conditions that name one.
    pub place: &'a dyn Fn(&EnvironmentName) -> Ledger,
    /// How to write the release.
    pub options: ReleaseOptions,
    /// Receives events.
    pub progress: Progress,
}

/// Why something is not promoted.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// The documents of the image disagree.
    #[error("`{}` does not verify: {}", Foreign::new(name), Foreign::new(why))]
    Unsound {
        /// The image.
        name: String,
        /// The first disagreement.
        why: String,
    },
    /// A record is no image.
    #[error("`{}` is the record of a release and not an image", Foreign::new(name))]
    Record {
        /// The name.
        name: String,
    },
    /// A release is put into its own environment.
    #[error("the release {} of `{environment}` is in that environment already", number.get())]
    Same {
        /// The environment.
        environment: EnvironmentName,
        /// The number.
        number: ReleaseNumber,
    },
}

impl Explain for PromoteError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unsound { .. } => Kind::Policy,
            Self::Record { .. } | Self::Same { .. } => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Unsound { .. } => Some(ErrorCode::ImageDamaged),
            Self::Record { .. } => Some(ErrorCode::NotAnImage),
            Self::Same { .. } => Some(ErrorCode::ReleaseUnknown),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unsound { name, .. } => Some(format!("`pack verify {name}` says all that is wrong")),
            Self::Record { .. } => Some("name the release as `IMAGE@ENV@N`".to_owned()),
            Self::Same { environment, number } => {
                Some(format!("`pack rollback {environment} --to {}` goes back to it", number.get()))
            }
        }
    }
}

/// The image that is promoted, once it is known.
struct PromotionCandidate {
    new: NewRelease,
    /// Where it is.
    source: Arc<dyn Source>,
    /// The release that it is.
    release: Option<StoredRelease>,
    /// The repository that it is in.
    ledger: Option<Ledger>,
}

/// Promotes.
///
/// # Errors
/// When anything on the way fails. A record that is there stays, and running again goes on from it.
pub fn promote(request: &PromotionRequest<'_>) -> Result<ReleaseReport, BoxedError> {
    let PromotionRequest { source, target, environment, options, progress, .. } = request;
    // The list of tags is made as late as can be: a record that comes later is not in it.
    let image = match source {
        PromotionSource::Image { source, name } => Some(of_image(source, name, target, options)?),
        PromotionSource::Release { .. } => None,
    };
    let looked = target.elapsed();
    let is_there = image.as_ref().and_then(|image| image.ledger.as_ref());
    let list = match is_there.is_some_and(|own| own.repository() == target.repository()) {
        true => target.own_releases()?,
        false => target.releases()?,
    };
    let mut candidate = match (source, image) {
        (_, Some(image)) => image,
        (PromotionSource::Release { ledger, environment: from, choice }, None) => {
            let is_near = ledger.repository() == target.repository();
            let release = if is_near {
                to_promote(ledger, &list, from, *choice)?
            } else {
                to_promote(ledger, &ledger.releases()?, from, *choice)?
            };
            of_release(ledger, release, is_near)?
        }
        (PromotionSource::Image { .. }, None) => unreachable!("an image is read above"),
    };
    let newest = list.newest(environment);
    let head = EnvironmentHead::read(target, environment, newest, looked, options)?;
    let digest = candidate.new.manifest.digest();
    if !head.has(&digest)
        && let (PromotionSource::Release { ledger, environment: from, .. }, Some(release)) =
            (source, &candidate.release)
        && ledger.repository() == target.repository()
        && from == environment
    {
        let number = release.record.number;
        return Err(PromoteError::Same { environment: from.clone(), number }.into());
    }
    // A release that is there already was perhaps not judged by these rules, or not at all.
    let passed = judged(request, &candidate)?;
    candidate.new.checks.extend(passed);
    let is_near = candidate.ledger.as_ref().is_some_and(|own| own.repository() == target.repository());
    let (mut blobs, mut referrers) = (None, None);
    if !head.has(&digest) && !is_near && !options.dry_run {
        let copied = bring(&candidate, target, options, progress)?;
        (blobs, referrers) = (Some(copied.blobs), copied.referrers);
    }
    let admits = |manifest: &RawDocument| admit(request, manifest);
    let report = append(target, environment, head, &candidate.new, options, &admits)?;
    Ok(ReleaseReport { blobs, referrers, ..report })
}

/// Lets the image that is promoted pass all conditions.
fn judged(
    request: &PromotionRequest<'_>,
    candidate: &PromotionCandidate,
) -> Result<Vec<PassedGate>, BoxedError> {
    let own = candidate.source.origin();
    let image = GateImage {
        manifest: &candidate.new.manifest,
        source: &*candidate.source,
        legacy: own.map(|own| LegacyPlace::new(request.target.client().clone(), own)),
        release: candidate.release.as_ref(),
        ledger: candidate.ledger.as_ref(),
        place: request.place,
    };
    gate::pass(request.gates, &request.options.policies, &image)
}

/// Makes sure that another image of the environment, which others released at the same time, passes all conditions.
fn admit(request: &PromotionRequest<'_>, manifest: &RawDocument) -> Result<(), BoxedError> {
    let (client, repository) = (request.target.client(), request.target.repository());
    let source = registry::source(client.clone(), repository.at_digest(manifest.digest()));
    let image = GateImage {
        manifest,
        source: &source,
        legacy: Some(LegacyPlace::new(client.clone(), repository.clone())),
        release: None,
        ledger: Some(&request.target),
        place: request.place,
    };
    gate::pass(request.gates, &request.options.policies, &image).map(drop)
}

/// The release to promote. If its record is not sound, its image can still be named by itself.
fn to_promote(
    ledger: &Ledger,
    list: &ReleaseList,
    environment: &EnvironmentName,
    choice: Option<ReleaseChoice>,
) -> Result<StoredRelease, BoxedError> {
    let found = ledger.read_or_fault(environment, ledger.choose(list, environment, choice)?)?;
    let unsound = |fault| LedgerError::fault(ledger.repository().clone(), fault, FaultRemedy::NameTheImage);
    Ok(found.map_err(unsound)?)
}

/// A release of another environment: it was verified when it was released.
fn of_release(
    ledger: &Ledger,
    release: StoredRelease,
    is_near: bool,
) -> Result<PromotionCandidate, BoxedError> {
    let manifest = ledger.manifest(&release)?;
    let record = &release.record;
    let short = format!("{}@{}", record.environment, record.number.get());
    let name = if is_near { short } else { format!("{}@{short}", ledger.repository()) };
    let reference = ledger.repository().at_digest(release.image.digest);
    let source = PromotedImage {
        source: registry::source(ledger.client().clone(), reference),
        manifest: manifest.clone(),
    };
    let source: Arc<dyn Source> = Arc::new(source);
    let documents = record.checks.iter().filter(|gate| gate.check.as_str() == gate::DOCUMENTS);
    let new = NewRelease {
        manifest,
        kind: ReleaseKind::Promote,
        source: ReleaseNote::fitted(&name).unwrap_or_else(gate::documents),
        revision: record.revision.clone(),
        checks: documents.cloned().collect(),
    };
    Ok(PromotionCandidate { new, source, release: Some(release), ledger: Some(ledger.clone()) })
}

/// The image of a release. Its record has the manifest, even where the repository has lost it.
struct PromotedImage<S> {
    source: S,
    manifest: RawDocument,
}

impl<S: Source> Source for PromotedImage<S> {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        Ok(self.manifest.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        self.source.document(descriptor)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
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
        self.source.referrers(subject)
    }

    fn under_tag(&self, tag: &Tag) -> Result<Option<RawDocument>, BoxedError> {
        self.source.under_tag(tag)
    }

    fn name(&self) -> String {
        self.source.name()
    }
}

/// An image by its name: its documents must agree.
fn of_image(
    source: &Arc<dyn Source>,
    name: &str,
    target: &Ledger,
    options: &ReleaseOptions,
) -> Result<PromotionCandidate, BoxedError> {
    let manifest = source.root()?;
    if let Ok(ManifestOrIndex::Index(index)) = manifest.parse()
        && index.artifact_type.as_deref() == Some(ARTIFACT_TYPE)
    {
        return Err(PromoteError::Record { name: name.to_owned() }.into());
    }
    let how = VerifyOptions { interrupt: options.interrupt.clone(), ..VerifyOptions::default() };
    let found = verify_documents(&**source, &how)?;
    if let Some(problem) = found.problems.first() {
        let why = problem.message.clone();
        return Err(PromoteError::Unsound { name: name.to_owned(), why }.into());
    }
    let revision = revision(&**source, &manifest)?;
    let ledger =
        source.origin().map(|repository: Repository| Ledger::to_read(target.client().clone(), repository));
    let new = NewRelease {
        manifest,
        kind: ReleaseKind::Deploy,
        source: ReleaseNote::fitted(name).unwrap_or_else(gate::documents),
        revision: revision.as_deref().and_then(ReleaseNote::fitted),
        checks: vec![PassedGate { check: gate::documents(), evidence: None }],
    };
    Ok(PromotionCandidate { new, source: Arc::clone(source), release: None, ledger })
}

/// The commit that an image names: in its annotations, else in the labels of its first platform.
fn revision(source: &dyn Source, manifest: &RawDocument) -> Result<Option<String>, BoxedError> {
    let annotations = match manifest.parse() {
        Ok(ManifestOrIndex::Manifest(manifest)) => manifest.annotations,
        Ok(ManifestOrIndex::Index(index)) => index.annotations,
        Err(_) => return Ok(None),
    };
    if let Some(revision) = annotations.get(REVISION) {
        return Ok(Some(revision.clone()));
    }
    let Some(first) = offers(source)?.into_iter().next() else { return Ok(None) };
    let image = load_manifest(source, &first.descriptor)?;
    let labels = image.config().config.as_ref().map(|config| &config.labels);
    let of_manifest = image.manifest().annotations.get(REVISION).cloned();
    Ok(of_manifest.or_else(|| labels?.get(REVISION).cloned()))
}

/// Brings the image and its referrers to the repository of the environment. Records stay: they tell of other
/// environments.
fn bring(
    candidate: &PromotionCandidate,
    target: &Ledger,
    options: &ReleaseOptions,
    progress: &Progress,
) -> Result<super::copy::CopyReport, BoxedError> {
    let destination = registry::destination(target.client().clone(), target.repository().clone());
    let digest: Digest = candidate.new.manifest.digest();
    let how = CopyOptions {
        referrers: true,
        except: &[ARTIFACT_TYPE],
        expected: Some(digest),
        progress: progress.clone(),
        interrupt: options.interrupt.clone(),
        ..CopyOptions::default()
    };
    copy(&candidate.source, &destination, &[], &how)
}
