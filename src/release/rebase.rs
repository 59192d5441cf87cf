//! `pack rebase`: another base under the layers of an image, which are neither built nor read nor sent again.
//!
//! A base on which the image would surely not run is refused, as far as the configurations and the known contents of
//! the bases tell: another platform, another C library, an older Java, another generation of the servlet container.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::bases::{
    Base, BaseLayers, Container, FileTree as _, PlatformBase, Reach, SharedIndexes, container, java_major,
    soci_config,
};
use crate::engine::BuildError;
use crate::oci::select::{Offer, is_attestation};
use crate::oci::{
    self, ConfigFile, Descriptor, DocumentError, Image, ImageError, Index, ManifestOrIndex, MediaType,
    RawDocument, soci, to_json,
};
use crate::project::lock::SystemFacts;
use crate::release::copy::{CopyError, DeliveryCount, blob_of, deliver};
use crate::runtime::budget::{Budget, OverBudget};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;
use crate::transport::load::{load_image, load_manifest, offers, platform_of, soci_index};
use crate::transport::{Blob, Destination, Source};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::finding::{Finding, Rule, Severity};
use crate::types::platform::Platform;
use crate::types::reference::Tag;
use crate::types::shown::Foreign;

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
    /// Read layers of bases in a registry where nothing else tells what they have.
    pub read_bases: bool,
    /// Other machines' statements about layers.
    pub shared: Option<Arc<dyn SharedIndexes>>,
    /// Where the result goes, and under which tags.
    pub destination: &'a dyn Destination,
    /// The tags.
    pub tags: &'a [Tag],
    /// The local store: what is known of bases.
    pub store: &'a Store,
    /// Who is told.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

/// Why a base cannot take the other's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is for another platform.
    Platform {
        /// The image's.
        image: String,
        /// The new base's.
        base: String,
    },
    /// It has another C library.
    Libc {
        /// The old base's.
        old: String,
        /// The new base's.
        new: String,
    },
    /// It has an older Java.
    Java {
        /// The old base's major version.
        old: u32,
        /// The new base's; `None` where it has none.
        new: Option<u32>,
    },
    /// It has another servlet container, or another place for applications.
    Container {
        /// The old base's.
        old: String,
        /// The new base's.
        new: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform { image, base } => write!(f, "the image is for {image}, the new base for {base}"),
            Self::Libc { old, new } => write!(f, "the old base has {old}, the new one {new}"),
            Self::Java { old, new: Some(new) } => {
                write!(f, "the old base has Java {old}, the new one Java {new}")
            }
            Self::Java { old, new: None } => write!(f, "the old base has Java {old}, the new one none"),
            Self::Container { old, new } => {
                let (old, new) = (Foreign::new(old), Foreign::new(new));
                write!(f, "the old base has {old}, the new one {new}")
            }
        }
    }
}

impl Reason {
    /// The finding that says so.
    fn finding(&self) -> Finding {
        let rule = match self {
            Self::Platform { .. } => Rule::Platform,
            Self::Libc { .. } => Rule::ElfLibc,
            Self::Java { .. } => Rule::JavaVersion,
            Self::Container { .. } => Rule::ServletContainer,
        };
        Finding::not_met(rule, self.to_string()).hint(FORCE)
    }
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
        /// Why.
        reasons: Vec<Reason>,
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

fn list(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Explain for RebaseError {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused { .. } => Kind::Policy,
            _ => Kind::Input,
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
    let digest = result.digest();
    let mut report = RebaseReport {
        destination: request.destination.name(),
        digest,
        previous: root.digest(),
        tags: request.tags.to_vec(),
        current: request.destination.is_current(&digest, request.tags)?,
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
    request.destination.finish(&result, request.tags)?;
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
    let mut reasons = Vec::new();
    let mut found = match new.load(platform.as_ref()) {
        Ok(found) => found,
        // Not for this platform, or not there at all: what there is, if it is only one, tells which.
        Err(error) => match new.load(None) {
            Ok(other) => {
                let named = |platform: &Option<Platform>| {
                    platform.as_ref().map_or_else(|| "no platform".to_owned(), ToString::to_string)
                };
                reasons.push(Reason::Platform { image: named(&platform), base: other.platform.to_string() });
                other
            }
            Err(_)
                if matches!(error.kind(), Kind::Input)
                    && new.platforms().is_ok_and(|all| !all.is_empty()) =>
            {
                let all = new.platforms()?.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let image_platform =
                    platform.as_ref().map_or_else(|| "no platform".to_owned(), ToString::to_string);
                return Err(
                    refused(request, vec![Reason::Platform { image: image_platform, base: all }]).into()
                );
            }
            Err(_) => return Err(error),
        },
    };
    reasons.extend(incompatible(old.image.config(), found.image.config()));
    let mut findings = Vec::new();
    let systems = Systems {
        old: system(request, old_base, &old, request.old)?,
        new: system(request, new, &found, request.new)?,
    };
    systems.compare(old.image.config(), found.image.config(), request, &mut reasons, &mut findings);
    // A forced rebase has a warning of its own about it.
    let level = if request.force { Severity::Info } else { Severity::Error };
    findings.extend(reasons.iter().map(|reason| reason.finding().at(level)));
    if !reasons.is_empty() {
        let refused = refused(request, reasons);
        if !request.force {
            return Err(refused.into());
        }
        request.progress.warn(format!("{refused}; done all the same, as `--force` asks"));
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

fn refused(request: &RebaseRequest<'_>, reasons: Vec<Reason>) -> RebaseError {
    RebaseError::Refused { image: request.image.name(), base: request.new.source.name(), reasons }
}

/// The contradictions between two configurations.
#[must_use]
pub fn incompatible(old: &ConfigFile, new: &ConfigFile) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let (Some(old), Some(new)) = (java(old), java(new))
        && new < old
    {
        reasons.push(Reason::Java { old, new: Some(new) });
    }
    if let Some(before) = container(old) {
        let after = container(new);
        let same = after.as_ref().is_some_and(|after| same_generation(&before, after));
        if !same {
            let new = after.map_or_else(|| "no servlet container".to_owned(), |it| in_full(&it));
            reasons.push(Reason::Container { old: in_full(&before), new });
        }
    }
    reasons
}

fn in_full(container: &Container) -> String {
    format!("{} with {}", container.describe(), container.webapps)
}

/// Whether an application for the one is found and run by the other.
fn same_generation(old: &Container, new: &Container) -> bool {
    let same_api = match (old.servlet(), new.servlet()) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    };
    old.kind == new.kind && same_api && old.webapps == new.webapps
}

/// The major version of Java that a configuration names.
fn java(config: &ConfigFile) -> Option<u32> {
    config.env("JAVA_VERSION").and_then(java_major)
}

/// The facts that follow from the layers of both bases, if all of them are known.
struct Systems {
    old: Option<SystemFacts>,
    new: Option<SystemFacts>,
}

impl Systems {
    /// The image's requirements on the new base because it ran on the old one: its C library, and its Java.
    fn compare(
        &self,
        old_config: &ConfigFile,
        new_config: &ConfigFile,
        request: &RebaseRequest<'_>,
        reasons: &mut Vec<Reason>,
        findings: &mut Vec<Finding>,
    ) {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => {
                let named = |system: &SystemFacts| {
                    let names: Vec<&str> = system.libc.iter().map(String::as_str).collect();
                    if names.is_empty() { "no C library".to_owned() } else { names.join(" and ") }
                };
                if old.libc.is_empty() || old.libc.iter().any(|libc| new.libc.contains(libc)) {
                    let message = format!("the old base has {}, the new one {}", named(old), named(new));
                    findings.push(Finding::met(Rule::ElfLibc, message));
                } else {
                    reasons.push(Reason::Libc { old: named(old), new: named(new) });
                }
            }
            _ => findings.push(
                Finding::unknown(
                    Rule::ElfLibc,
                    request.unknown("whether both bases have the same C library"),
                )
                .hint(READ_BASES),
            ),
        }
        // Facts that both configurations name were compared already.
        let of_layers = |system: &Option<SystemFacts>| system.as_ref().and_then(|system| system.java);
        let Some(old) = java(old_config).or_else(|| of_layers(&self.old)) else { return };
        if java(old_config).is_some() && java(new_config).is_some() {
            return;
        }
        match (java(new_config), &self.new) {
            (None, None) => findings.push(
                Finding::unknown(
                    Rule::JavaVersion,
                    request.unknown(&format!("whether the new base has Java {old}, as the old one has,")),
                )
                .hint(READ_BASES),
            ),
            (named, system) => {
                let new = named.or_else(|| of_layers(system));
                if new.is_none_or(|new| new < old) {
                    reasons.push(Reason::Java { old, new });
                }
            }
        }
    }
}

/// How to learn what the layers of bases have.
const READ_BASES: &str = "`--read-bases` reads the layers of both bases";

impl RebaseRequest<'_> {
    /// The sentence about something that cannot be known.
    fn unknown(&self, what: &str) -> String {
        format!(
            "{what} cannot be known here: the layers of a base are in a registry, and the cache in the registry of the image \
             does not tell what they have"
        )
    }
}

/// The facts of a base, from layers on this machine, from what other machines say, or as the user asks from the registry.
fn system(
    request: &RebaseRequest<'_>,
    base: &Base,
    found: &PlatformBase,
    named: &NamedBase,
) -> Result<Option<SystemFacts>, BoxedError> {
    let reach = if request.read_bases || named.is_near { Reach::All } else { Reach::Needed };
    BaseLayers::new(base, found, request.store, &request.progress)
        .with_reach(reach)
        .with_shared(request.shared.clone())
        .system()
}

#[cfg(test)]
mod tests;
