//! `pack rebase`: another base under the layers of an image, which are neither built nor read nor sent again.
//!
//! A new base must meet the requirements of the image: what it had on the old one (platform, C library, Java, servlet
//! container), and what the programs and the user of its own layers need, as far as these can be read. The checks are
//! those of a build.

use std::sync::Arc;

use serde::Serialize;

use crate::bases::{
    Base, BaseLayers, FileTree as _, LayerIndex, Mounted, Overlay, PlatformBase, Reach, SharedIndexes,
    Volumes, soci_config,
};
use crate::engine::BuildError;
use crate::engine::check::{CandidateImage, PathLookups, check, check_all};
use crate::oci::select::{Offer, is_attestation};
use crate::oci::{
    self, ConfigFile, Descriptor, DocumentError, Image, ImageError, Index, ManifestOrIndex, MediaType,
    RawDocument, soci, to_json,
};
use crate::release::copy::{CopyError, blob_of};
use crate::release::retag::fix;
use crate::runtime::budget::{Budget, OverBudget};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;
use crate::transport::deliver::{DeliveryCount, deliver};
use crate::transport::load::{load_image, load_manifest, offers, platform_of, soci_index};
use crate::transport::taken_tag::{revision_of, with_revision};
use crate::transport::{Blob, Destination, Source};
use crate::types::check_policy::CheckPolicy;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::finding::{Answer, Finding, Severity};
use crate::types::platform::Platform;
use crate::types::reference::Tag;
use crate::types::rule::Rule;
use crate::types::shown::{Foreign, listed};

/// A base as the user named it, or as the image does.
#[derive(Clone)]
pub struct NamedBase {
    /// The name for annotations; none for a path of this machine, which must not appear in the image.
    pub name: Option<String>,
    /// Where it is.
    pub source: Arc<dyn Source>,
    /// Whether the user named a place on this machine, whose layers may be read.
    pub is_near: bool,
}

/// A request to rebase.
pub struct RebaseRequest<'a> {
    /// The image.
    pub image: Arc<dyn Source>,
    /// The base that it is on now.
    pub old: &'a NamedBase,
    /// The base that it is to be on.
    pub new: &'a NamedBase,
    /// Only the image for this platform.
    pub platform: Option<Platform>,
    /// Do what is refused otherwise.
    pub force: bool,
    /// The user's policy about findings.
    pub policy: &'a CheckPolicy,
    /// Whether the image is on this machine, so that its own layers may be read.
    pub image_is_near: bool,
    /// Read layers in a registry where nothing else tells what they have.
    pub read_bases: bool,
    /// Other machines' statements about layers.
    pub shared: Option<Arc<dyn SharedIndexes>>,
    /// Where the result goes, and under which tags.
    pub destination: &'a dyn Destination,
    /// The tags.
    pub tags: &'a [Tag],
    /// Whether a tag of a registry may be moved from another image.
    pub allow_retag: bool,
    /// The local store: what is known of bases.
    pub store: &'a Store,
    /// Who is told.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

/// The advice after a refused rebase.
const FORCE: &str = "`--force` does it all the same; building again is safer";

/// Why an image cannot be put on another base.
#[derive(Debug, thiserror::Error)]
pub enum RebaseError {
    /// It does not begin with the layers that the old base has.
    #[error("{image} does not begin with the layers of {base}{}", on(.platform))]
    NotOnBase {
        /// The image.
        image: String,
        /// The base that was assumed.
        base: String,
        /// For which platform.
        platform: Option<Platform>,
    },
    /// A policy refuses.
    #[error("{image} cannot be put on {base}: {}", list(.reasons))]
    Refused {
        /// The image.
        image: String,
        /// The new base.
        base: String,
        /// The requirements that it does not meet.
        reasons: Vec<Finding>,
    },
    /// The result is no image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its documents for all platforms are too large together.
    #[error(transparent)]
    TooMuch(#[from] OverBudget),
    /// The result is no index.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// More layers than runtimes take.
    #[error("the image would have {0} layers, more than the 127 that overlay file systems stack")]
    TooManyLayers(usize),
}

fn on(platform: &Option<Platform>) -> String {
    platform.as_ref().map_or_else(String::new, |platform| format!(" for {platform}"))
}

fn list(reasons: &[Finding]) -> String {
    let sentence = |reason: &Finding| format!("{} [{}]", reason.message, reason.rule);
    let sentences: Vec<String> = reasons.iter().map(sentence).collect();
    Foreign::new(&sentences.join("; ")).to_string()
}

impl Explain for RebaseError {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused { .. } => Kind::Policy,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NotOnBase { .. } => Some(ErrorCode::NotOnBase),
            Self::Refused { .. } => Some(ErrorCode::CheckFailed),
            Self::Image(error) => error.code(),
            Self::TooMuch(_) | Self::TooManyLayers(_) => Some(ErrorCode::LimitReached),
            Self::Document(_) => Some(ErrorCode::ImageDamaged),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotOnBase { .. } => Some(
                "name the base that it was built on with `--old-base`, by digest if its tag moved".into(),
            ),
            Self::Refused { .. } => Some(FORCE.into()),
            _ => None,
        }
    }
}

/// The result of a rebase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebaseReport {
    /// Where the result is.
    pub destination: String,
    /// Its digest.
    pub digest: Digest,
    /// The image's digest before.
    pub previous: Digest,
    /// The tags that resolve to it now.
    pub tags: Vec<Tag>,
    /// Whether it was there already.
    pub current: bool,
    /// Platform by platform.
    pub images: Vec<RebaseResult>,
    /// The result for the blobs.
    pub blobs: DeliveryCount,
    /// The findings of the checks.
    pub findings: Vec<Finding>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebaseResult {
    /// The platform, if one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Before.
    pub previous: Digest,
    /// After.
    pub digest: Digest,
    /// The old base's manifest.
    pub old_base: Digest,
    /// The new base's manifest.
    pub new_base: Digest,
    /// Layers of the new base.
    pub base_layers: usize,
    /// Layers of the image's own.
    pub own_layers: usize,
}

/// Puts the image of `request` on its new base and delivers it.
///
/// # Errors
/// When a document cannot be read, the image is not on the old base, a policy refuses, or the result cannot be
/// delivered. No tag then resolves to anything new.
pub fn rebase(request: &RebaseRequest<'_>) -> Result<RebaseReport, BoxedError> {
    let root = request.image.root()?;
    let images = images(request, &root)?;
    let (old, new) = (base(request, request.old), base(request, request.new));
    let mut rebased = Vec::new();
    let mut indexes = Vec::new();
    let mut parts = Vec::new();
    let mut blobs: Vec<Blob> = Vec::new();
    let mut findings: Vec<Finding> = Vec::new();
    for (image, platform) in &images {
        request.interrupt.check().map_err(CopyError::from)?;
        let one = one(request, &root, (&old, &new), (image, platform.as_ref()))?;
        let below = new.blobs(&one.base.image);
        let count = below.len();
        blobs.extend(below);
        blobs.extend(new.table_blobs(&one.base.tables()?));
        for table in &one.own_tables {
            blobs.push(blob_of(&request.image, table, "table of a layer".to_owned()));
        }
        if one.soci.is_some() {
            blobs.push(soci_config());
        }
        let total = one.result.layers().len();
        for (number, layer) in one.result.layers().iter().enumerate().skip(count) {
            blobs.push(blob_of(&request.image, layer, format!("layer {} of {total}", number + 1)));
        }
        let config = one.result.manifest().config.clone();
        blobs.push(Blob::in_memory(config, one.result.raw_config().to_vec(), "config"));
        parts.push(RebaseResult {
            platform: platform.clone(),
            previous: image.digest(),
            digest: one.result.digest(),
            old_base: one.old,
            new_base: one.base.image.digest(),
            base_layers: count,
            own_layers: total - count,
        });
        for finding in one.findings {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        rebased.push(one.result);
        indexes.push(one.soci);
    }
    let has_soci = indexes.iter().any(Option::is_some);
    let result = match (&rebased[..], root.parse().map_err(RebaseError::from)?) {
        ([image], ManifestOrIndex::Manifest(_)) => image.raw().clone(),
        ([image], _) if request.platform.is_some() && !has_soci => image.raw().clone(),
        (images, ManifestOrIndex::Index(index)) => index_of(images, &indexes, *index, &parts)?,
        (images, ManifestOrIndex::Manifest(_)) => {
            index_of(images, &indexes, crate::store::empty_index(), &parts)?
        }
    };
    request.policy.notes(&findings).into_iter().for_each(|note| request.progress.note(note));
    let digest = result.digest();
    fix(request.destination, request.tags, request.allow_retag);
    let refused = |error| with_revision(error, || rebased.first().and_then(revision_of));
    let mut report = RebaseReport {
        destination: request.destination.name(),
        digest,
        previous: root.digest(),
        tags: request.tags.to_vec(),
        current: request.destination.is_current(&digest, request.tags).map_err(refused)?,
        images: parts,
        blobs: DeliveryCount::default(),
        findings,
    };
    if report.current {
        return Ok(report);
    }
    let mut seen = std::collections::BTreeSet::new();
    blobs.retain(|blob| seen.insert(blob.descriptor.digest));
    report.blobs = deliver(request.destination, &blobs, &request.interrupt)?;
    request.interrupt.check().map_err(CopyError::from)?;
    if result.media_type == MediaType::ImageIndex {
        for document in rebased.iter().map(Image::raw).chain(indexes.iter().flatten()) {
            request.destination.document(document)?;
        }
    }
    request.destination.finish(&result, request.tags).map_err(refused)?;
    Ok(report)
}

/// The images that are to be put on the new base, with what they run on.
fn images(
    request: &RebaseRequest<'_>,
    root: &RawDocument,
) -> Result<Vec<(Image, Option<Platform>)>, BoxedError> {
    if let Some(platform) = &request.platform {
        let loaded = load_image(&*request.image, Some(platform))?;
        return Ok(vec![(loaded.image, loaded.platform)]);
    }
    if let Ok(ManifestOrIndex::Manifest(_)) = root.parse() {
        let image = load_manifest(&*request.image, &root.descriptor())?;
        let platform = image.platform();
        return Ok(vec![(image, platform)]);
    }
    let offers = offers(&*request.image)?;
    if let Ok(ManifestOrIndex::Index(index)) = root.parse()
        && index.manifests.iter().any(|entry| is_attestation(entry) && !soci::is_entry(entry))
    {
        request.progress.note(
            "what the index has beside images, such as attestations, is about the old ones and left out",
        );
    }
    let is_windows =
        |offer: &&Offer| offer.platform.as_ref().is_some_and(|platform| platform.os() == "windows");
    let (windows, others): (Vec<&Offer>, Vec<&Offer>) = offers.iter().partition(is_windows);
    // If there are no others, the reason is an error and not a note.
    if !others.is_empty() && !windows.is_empty() {
        request.progress.note(
            "the images for Windows are left out: their layers have a form of their own, and pack makes those of Linux",
        );
    }
    let budget = Budget::new(request.image.name(), oci::MAX_IMAGES, u64::MAX);
    let load = |offer: &Offer| {
        let image = load_manifest(&*request.image, &offer.descriptor)?;
        budget.keep(image.weight()).map_err(RebaseError::from)?;
        let platform = platform_of(&image, offer.platform.as_ref());
        Ok((image, platform))
    };
    if others.is_empty() { windows } else { others }.into_iter().map(load).collect()
}

/// An index of the results, with what the old one says of them.
fn index_of(
    images: &[Image],
    soci: &[Option<RawDocument>],
    old: Index,
    parts: &[RebaseResult],
) -> Result<RawDocument, RebaseError> {
    let mut annotations = old.annotations;
    if let (true, Some(part)) =
        (annotations.contains_key(oci::BASE_DIGEST), images.first().zip(parts.first()))
    {
        let (image, _) = part;
        for name in [oci::BASE_DIGEST, oci::BASE_NAME] {
            match image.manifest().annotations.get(name) {
                Some(value) => annotations.insert(name.to_owned(), value.clone()),
                None => annotations.remove(name),
            };
        }
    }
    let index = Index { manifests: soci::entries(images, soci), annotations, ..crate::store::empty_index() };
    let bytes = to_json("index", &index)?;
    Ok(RawDocument::new(Some(&MediaType::ImageIndex), bytes)?)
}

struct ImageRebase {
    result: Image,
    /// Its SOCI index, if the image had one.
    soci: Option<RawDocument>,
    /// The tables in that which the image brings along.
    own_tables: Vec<Descriptor>,
    base: PlatformBase,
    old: Digest,
    findings: Vec<Finding>,
}

fn base(request: &RebaseRequest<'_>, named: &NamedBase) -> Base {
    let reference = named.name.clone().unwrap_or_else(|| named.source.name());
    Base::new(reference, Arc::clone(&named.source), None, request.store, false)
}

fn one(
    request: &RebaseRequest<'_>,
    root: &RawDocument,
    (old_base, new): (&Base, &Base),
    (image, platform): (&Image, Option<&Platform>),
) -> Result<ImageRebase, BoxedError> {
    let platform = platform.cloned();
    if let Some(windows) = platform.as_ref().filter(|platform| platform.os() == "windows") {
        return Err(BuildError::Windows(windows.clone()).into());
    }
    let not_on_base = || RebaseError::NotOnBase {
        image: request.image.name(),
        base: request.old.source.name(),
        platform: platform.clone(),
    };
    let old = old_base.load(platform.as_ref())?;
    let count = oci::begins_with(image, &old.image).ok_or_else(not_on_base)?;
    let shown = |platform: &Option<Platform>| {
        platform.as_ref().map_or_else(|| "no platform".to_owned(), ToString::to_string)
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut found = match new.load(platform.as_ref()) {
        Ok(found) => found,
        // Not for this platform, or not there at all: what there is, if it is only one, tells which.
        Err(error) => match new.load(None) {
            Ok(other) => {
                findings.push(other_platform(&shown(&platform), &other.platform.to_string()));
                other
            }
            Err(_)
                if matches!(error.kind(), Kind::Input)
                    && new.platforms().is_ok_and(|all| !all.is_empty()) =>
            {
                let all = listed(new.platforms()?, "", ", ");
                return Err(refused(request, vec![other_platform(&shown(&platform), &all)]).into());
            }
            Err(_) => return Err(error),
        },
    };
    let scene = RebaseScene { image, old: &old, new: &found, own: count };
    findings.extend(scene.findings(request, old_base, new)?);
    let mut findings: Vec<Finding> = request.policy.apply(findings).into_iter().map(with_advice).collect();
    let reasons: Vec<Finding> =
        findings.iter().filter(|finding| finding.level == Severity::Error).cloned().collect();
    if !reasons.is_empty() {
        let refused = refused(request, reasons);
        if !request.force {
            return Err(refused.into());
        }
        request.progress.warn(format!("{refused}; done all the same, as `--force` asks"));
        // That warning says it.
        findings.iter_mut().for_each(|finding| finding.level = finding.level.min(Severity::Info));
    }
    let layers = found.image.layers().len() + image.layers().len() - count;
    if layers > 127 {
        return Err(RebaseError::TooManyLayers(layers).into());
    }
    let digest = found.root.digest().to_string();
    let name = request.new.name.as_deref();
    let mut own_tables = Vec::new();
    if let Some(index) = soci_index(&*request.image, root, image)? {
        found.soci = new.soci_index(&found)?;
        own_tables = soci::tables(&index, &image.layers()[count..])?;
    }
    let tables = [found.tables()?, own_tables.clone()].concat();
    let oci::RebasedImage { image: result, soci, notes } =
        oci::rebase(image, &old.image, &found.image, &found.platform, (name, &digest), tables)
            .map_err(RebaseError::from)?;
    notes.into_iter().for_each(|note| request.progress.note(note));
    Ok(ImageRebase { result, soci, own_tables, base: found, old: old.image.digest(), findings })
}

fn refused(request: &RebaseRequest<'_>, reasons: Vec<Finding>) -> RebaseError {
    RebaseError::Refused { image: request.image.name(), base: request.new.source.name(), reasons }
}

fn other_platform(image: &str, base: &str) -> Finding {
    let message = format!("the image is for {image}, the new base for {base}");
    Finding::not_met(Rule::ElfArchitecture, message).hint(FORCE)
}

/// An image, the base that it is on, and the one that it is to be on.
struct RebaseScene<'a> {
    image: &'a Image,
    old: &'a PlatformBase,
    new: &'a PlatformBase,
    /// The first of its own layers.
    own: usize,
}

impl RebaseScene<'_> {
    /// The findings about the image on its new base. A requirement that the old base does not meet either is no reason.
    fn findings(
        &self,
        request: &RebaseRequest<'_>,
        old_base: &Base,
        new_base: &Base,
    ) -> Result<Vec<Finding>, BoxedError> {
        let mut old = layers(request, old_base, self.old, request.old.is_near);
        let mut new = layers(request, new_base, self.new, request.new.is_near);
        let own = self.own_layers(request)?;
        let (old_config, new_config) = (self.old.image.config(), self.new.image.config());
        let settings =
            CheckedSettings::new(self.image.config(), old_config, new_config, why_unknown(request));
        let volumes = |config: &ConfigFile| -> Vec<String> {
            config.config.iter().flat_map(|run| run.volumes.keys().cloned()).collect()
        };
        let volumes = [volumes(self.image.config()), volumes(new_config)].concat();
        let volumes: Volumes = volumes.iter().map(String::as_str).collect();
        let mut started =
            requirements::started(self.image.config(), old_config, new_config, request.image.name());
        let are_own_known = own.iter().all(Option::is_some);
        if !are_own_known {
            started = requirements::of_base(started, &mut old)?;
        }
        // Without the image's own layers, the new base alone may lack the program.
        let mut lacks_alone = false;
        if let Some(started) = started.as_ref().filter(|_| !are_own_known) {
            let mut mounted = Mounted { tree: &mut new, volumes: &volumes };
            let mut alone = settings.image(&mut mounted, &self.new.platform, new_config, &request.interrupt);
            let found = check_all(started, |_| true, &mut alone)?;
            lacks_alone = found.iter().any(|finding| finding.answer == Answer::NotMet);
        }
        let mut before = Overlay { base: &mut old, layers: &own };
        let kept = requirements::kept(old_config, before.system()?.as_ref());
        let mut stated = requirements::stated(self.image.config(), &before, &self.new.platform);
        let of_settings = stated.len();
        stated.extend(started);
        let mut before = Mounted { tree: &mut before, volumes: &volumes };
        let mut after = Overlay { base: &mut new, layers: &own };
        let mut after = Mounted { tree: &mut after, volumes: &volumes };
        let mut new_image = settings.image(&mut after, &self.new.platform, new_config, &request.interrupt);
        let mut findings = Vec::new();
        for requirement in kept {
            findings.extend(check(&requirement, "the image", &mut new_image)?);
        }
        let is_all_known = findings.iter().all(|finding| finding.answer != Answer::Unknown);
        if is_all_known && own.iter().any(Option::is_none) {
            let what = "which libraries the programs in the image's own layers need";
            let finding = Finding::unknown(Rule::ElfLibrary, new_image.unknown(what));
            findings.push(finding.at(Severity::Note).hint(READ_BASES));
        }
        let mut old_image = settings.image(&mut before, &self.old.platform, old_config, &request.interrupt);
        for (number, requirements) in stated.into_iter().enumerate() {
            let mut found = check_all(&requirements, |_| true, &mut new_image)?;
            if lacks_alone && number == of_settings {
                found.iter_mut().for_each(only_own_layers_unknown);
            }
            let is_wrong = |finding: &Finding| finding.answer == Answer::NotMet;
            let was_wrong = found.iter().any(is_wrong)
                && check_all(&requirements, |_| true, &mut old_image)?.iter().any(is_wrong);
            findings.extend(found.into_iter().filter(|finding| !finding.is_pass()).map(|finding| {
                if was_wrong && is_wrong(&finding) {
                    let message = format!("{}, as on the old base", finding.message);
                    Finding { message, ..finding.at(Severity::Note) }
                } else {
                    finding
                }
            }));
        }
        Ok(findings)
    }

    /// The indexes of the image's own layers, as far as they may be read.
    fn own_layers(&self, request: &RebaseRequest<'_>) -> Result<Vec<Option<Arc<LayerIndex>>>, BoxedError> {
        let base = Base::new(request.image.name(), Arc::clone(&request.image), None, request.store, false);
        let of_image = PlatformBase {
            image: self.image.clone(),
            root: self.image.raw().clone(),
            platform: self.old.platform.clone(),
            soci: None,
        };
        let reach = reach(request, request.image_is_near);
        let mut layers =
            BaseLayers::new(&base, &of_image, request.store, &request.progress).with_reach(reach);
        (self.own..self.image.layers().len()).map(|number| layers.layer(number)).collect()
    }
}

/// The new base lacks a program: only layers of the image, which are not read, may have it.
fn only_own_layers_unknown(finding: &mut Finding) {
    if finding.answer == Answer::Unknown {
        finding.message = finding.message.replacen("whether the new base has", "the new base lacks", 1);
        if let Some((lacks, _)) = finding.message.split_once(", cannot be known here") {
            finding.message = format!(
                "{lacks}; whether the image's own layers have it cannot be known here: they are in a registry"
            );
        }
    }
}

/// The advice where a rebase is refused.
fn with_advice(finding: Finding) -> Finding {
    if finding.level == Severity::Error { finding.hint(FORCE) } else { finding }
}

/// The layers of a base: those on this machine, what other machines say, or as the user asks those in the registry.
fn layers<'a>(
    request: &'a RebaseRequest<'_>,
    base: &'a Base,
    found: &'a PlatformBase,
    is_near: bool,
) -> BaseLayers<'a> {
    BaseLayers::new(base, found, request.store, &request.progress)
        .with_reach(reach(request, is_near))
        .with_shared(request.shared.clone())
        .with_interrupt(&request.interrupt)
}

const fn reach(request: &RebaseRequest<'_>, is_near: bool) -> Reach {
    if request.read_bases || is_near { Reach::All } else { Reach::Needed }
}

/// The settings of the image on a base that checks ask for: its own, else those of the base.
struct CheckedSettings {
    library_path: Option<String>,
    why_unknown: &'static str,
    path: Option<String>,
    user: String,
    directory: Option<String>,
}

impl CheckedSettings {
    fn new(image: &ConfigFile, old: &ConfigFile, new: &ConfigFile, why_unknown: &'static str) -> Self {
        // A setting that equals the old base's is the base's.
        let variable = |name: &str| {
            let own = image.env(name).filter(|value| old.env(name) != Some(value));
            own.or_else(|| new.env(name)).map(str::to_owned)
        };
        let directory = |config: &ConfigFile| config.config.as_ref().map(|run| run.working_dir.clone());
        Self {
            why_unknown,
            library_path: variable("LD_LIBRARY_PATH"),
            path: variable("PATH"),
            user: image.config.as_ref().map(|run| run.user.clone()).unwrap_or_default(),
            directory: directory(image).filter(|own| directory(old).as_ref() != Some(own)).or(directory(new)),
        }
    }

    fn image<'a, T>(
        &self,
        tree: &'a mut T,
        platform: &'a Platform,
        base: &'a ConfigFile,
        interrupt: &Interrupt,
    ) -> CandidateImage<'a, T> {
        CandidateImage {
            tree,
            platform,
            base: Some(base),
            library_path: self.library_path.clone(),
            path: self.path.clone(),
            node_path: None,
            node_options: None,
            user: self.user.clone(),
            directory: self.directory.clone(),
            cure: READ_BASES,
            name: "the new base",
            base_name: "the new base",
            why_unknown: self.why_unknown,
            lookups: PathLookups::new(interrupt),
        }
    }
}

/// Why the content of layers is not known.
const fn why_unknown(request: &RebaseRequest<'_>) -> &'static str {
    if request.image_is_near && request.new.is_near && !request.old.is_near {
        "of the old base, the image tells only the name; `--old-base` names a copy on this machine"
    } else if request.shared.is_none() {
        "layers are not on this machine, or only the store may have them"
    } else {
        "layers are in a registry, and the cache in the registry of the image does not tell what they have"
    }
}

/// How to learn what the layers of bases have.
const READ_BASES: &str = "`--read-bases` reads the layers of both bases and of the image";

mod requirements;

#[cfg(test)]
mod tests;
