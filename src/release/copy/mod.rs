//! Copying images from one place to another, and giving one more names.
//!
//! Invariants:
//! - A copy keeps all bytes, and so its digest: Docker's formats stay Docker's. The one document that is ever written
//!   here is the index of a choice of platforms.
//! - Nothing is read that the destination has. A blob is opened when it is sent, and checked on its way.
//! - Names are set last, after everything that they reach.

mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use serde::Serialize;

pub use error::CopyError;

use crate::attach::{AttachError, merged, older_tag};
use crate::attest::{BUNDLE, SIMPLE_SIGNING};
use crate::oci::select::{MAX_DEPTH, SelectError, choose};
use crate::oci::{
    Descriptor, Index, MAX_CHILDREN, Manifest, ManifestOrIndex, MediaType, RawDocument, media_type, soci,
    to_json,
};
use crate::release::retag::fix;
use crate::runtime::budget::Budget;
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::transport::deliver::{DeliveryCount, deliver};
use crate::transport::load::{load_image, offers};
use crate::transport::taken_tag::{revision_in, with_revision};
use crate::transport::{Blob, BlobStream, Destination, Source, referrer};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, carried, carry, carry_as};
use crate::types::platform::Platform;
use crate::types::reference::Tag;

/// The depth to which referrers of referrers are followed.
const MAX_REFERRER_DEPTH: usize = 4;

/// How to copy.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    /// Only these images of an index; all of it where there are none.
    pub platforms: Vec<Platform>,
    /// Whether signatures, SBOMs and whatever else refers to the image come along.
    pub referrers: bool,
    /// Of those, artifacts of these types stay where they are.
    pub except: &'static [&'static str],
    /// Whether a tag of a registry may be moved from another image.
    pub allow_retag: bool,
    /// The digest that the copy must have.
    pub expected: Option<Digest>,
    /// Who is told.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

/// The result of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyReport {
    /// Where it came from.
    pub source: String,
    /// Where it is now.
    pub destination: String,
    /// The digest of the manifest or index, here and there.
    pub digest: Digest,
    /// Its media type; absent where nothing had to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The tags that resolve to it now.
    pub tags: Vec<Tag>,
    /// Whether there was nothing to do for the image itself.
    pub current: bool,
    /// Whether the index is a new one, of the platforms that were chosen.
    pub new_index: bool,
    /// Manifests and indexes that were copied, and those that were there.
    pub documents: DocumentCount,
    /// The result for the blobs.
    pub blobs: DeliveryCount,
    /// The referrers of the image that are at the destination now; absent unless they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrers: Option<Vec<Digest>>,
    /// How many of them are signatures.
    #[serde(skip_serializing_if = "is_zero")]
    pub signatures: usize,
    /// The tags of older signatures that went along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub older_signatures: Vec<Tag>,
}

const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How many manifests and indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DocumentCount {
    /// Were copied, the root included.
    pub copied: usize,
    /// Were there, with everything that they refer to.
    pub present: usize,
}

/// Copies what `source` names to `destination`, under `tags`.
///
/// # Errors
/// When anything on the way fails; no tag then resolves to anything new.
pub fn copy(
    source: &Arc<dyn Source>,
    destination: &dyn Destination,
    tags: &[Tag],
    options: &CopyOptions,
) -> Result<CopyReport, BoxedError> {
    let report = |digest, media_type: Option<&MediaType>| CopyReport {
        source: source.name(),
        destination: destination.name(),
        digest,
        media_type: media_type.map(ToString::to_string),
        tags: tags.to_vec(),
        current: false,
        new_index: false,
        documents: DocumentCount::default(),
        blobs: DeliveryCount::default(),
        referrers: None,
        signatures: 0,
        older_signatures: Vec::new(),
    };
    let check_name = |found| match options.expected {
        Some(expected) if expected != found => Err(CopyError::OtherDigest { expected, found }),
        _ => Ok(()),
    };
    fix(destination, tags, options.allow_retag);
    let refused = |error| with_revision(error, || revision_in(&**source));
    // A digest says what to ask the destination for, before the source is asked for anything.
    if let Some(digest) = source.pinned()
        && options.platforms.is_empty()
        && !options.referrers
    {
        check_name(digest)?;
        if destination.is_current(&digest, tags).map_err(refused)? {
            return Ok(CopyReport { current: true, ..report(digest, None) });
        }
    }
    let (root, new_index) = select(&**source, &options.platforms)?;
    let digest = root.digest();
    check_name(digest)?;
    let current = destination.is_current(&digest, tags).map_err(refused)?;
    let mut report = CopyReport { current, new_index, ..report(digest, Some(&root.media_type)) };
    if current && !options.referrers {
        return Ok(report);
    }
    let mut gathered = CopyPlan::new(source, destination, options);
    // A place that lists its own content anew, such as an archive, needs all of it even if the image is there.
    let held = current && destination.holds(&root.descriptor())?;
    gathered.reach(&root, held)?;
    if options.referrers {
        gathered.all_referrers()?;
        gathered.older_signatures()?;
        let all = gathered.referring.iter().flat_map(|(_, list)| list);
        report.signatures = all.filter(|entry| entry.artifact_type.as_deref() == Some(BUNDLE)).count();
        report.referrers = Some(gathered.referring.iter().flat_map(|(_, list)| digests(list)).collect());
    }
    report.blobs = deliver(destination, &gathered.blobs, &options.interrupt)?;
    for document in gathered.documents.iter().filter(|document| document.digest() != digest) {
        options.interrupt.check().map_err(CopyError::from)?;
        destination.document(document)?;
    }
    for (subject, referrers) in &gathered.referring {
        destination.refer(subject, referrers)?;
    }
    for (tag, layers) in &gathered.older {
        if add_older(destination, &digest, tag, layers)? {
            report.older_signatures.push(tag.clone());
        } else {
            let name = destination.name();
            options.progress.note(format!("{name} keeps no older signatures: `{tag}` is not copied"));
        }
    }
    report.documents = gathered.counts;
    options.interrupt.check().map_err(CopyError::from)?;
    if !held {
        destination.finish(&root, tags).map_err(refused)?;
    }
    Ok(report)
}

/// Lets `tags` stand for what `source` names, at the place where it is. `name` is the tag that the source was
/// named by, if it was named by one.
///
/// # Errors
/// When the image is not there, its own tag is moved by somebody else at this very moment, or a new tag is taken.
pub fn tag(
    source: &dyn Source,
    destination: &dyn Destination,
    name: Option<&Tag>,
    tags: &[Tag],
    allow_retag: bool,
) -> Result<CopyReport, BoxedError> {
    let root = source.root()?;
    let digest = root.digest();
    fix(destination, tags, allow_retag);
    let refused = |error| with_revision(error, || revision_in(source));
    let current = destination.is_current(&digest, tags).map_err(refused)?;
    if !current {
        if let Some(name) = name
            && !destination.is_current(&digest, std::slice::from_ref(name))?
        {
            let name = format!("{}:{name}", destination.name());
            return Err(CopyError::Moved { name, expected: digest }.into());
        }
        destination.finish(&root, tags).map_err(refused)?;
    }
    Ok(CopyReport {
        source: source.name(),
        destination: destination.name(),
        digest,
        media_type: Some(root.media_type.to_string()),
        tags: tags.to_vec(),
        current,
        new_index: false,
        documents: DocumentCount::default(),
        blobs: DeliveryCount::default(),
        referrers: None,
        signatures: 0,
        older_signatures: Vec::new(),
    })
}

/// Adds older signatures to those that the destination has under the tag; whether all are there now.
fn add_older(
    destination: &dyn Destination,
    image: &Digest,
    tag: &Tag,
    layers: &[Descriptor],
) -> Result<bool, BoxedError> {
    let there = destination.reader(image).map(|reader| reader.under_tag(tag)).transpose()?.flatten();
    let seen = there.as_ref().map(RawDocument::digest);
    let there = match there.map(|document| document.parse()) {
        Some(Ok(ManifestOrIndex::Manifest(manifest))) => manifest.layers,
        Some(_) => return Err(AttachError::NotSignatures(format!("{}:{tag}", destination.name())).into()),
        None => Vec::new(),
    };
    match merged(&there, layers)? {
        Some((document, config)) => {
            destination.blob(&config)?;
            destination.list_under(tag, &document, seen)
        }
        None => Ok(true),
    }
}

fn digests(descriptors: &[Descriptor]) -> impl Iterator<Item = Digest> + '_ {
    descriptors.iter().map(|descriptor| descriptor.digest)
}

/// The document that `source` names, or the part of it that is for `platforms`. Whether it is an index of our own.
fn select(source: &dyn Source, platforms: &[Platform]) -> Result<(RawDocument, bool), BoxedError> {
    if platforms.is_empty() {
        return Ok((source.root()?, false));
    }
    if let [platform] = platforms {
        let loaded = load_image(source, Some(platform))?;
        if soci::named_by(loaded.image.manifest()).is_none() {
            return Ok((loaded.image.raw().clone(), false));
        }
    }
    let offers = offers(source)?;
    let mut chosen: Vec<&Descriptor> = Vec::new();
    for platform in platforms {
        let offer = choose(&offers, Some(platform))
            .map_err(|error| CopyError::Select { place: source.name(), source: error })?;
        if !chosen.contains(&&offer.descriptor) {
            chosen.push(&offer.descriptor);
        }
    }
    let root = source.root()?;
    let broken = |error| CopyError::Document { place: source.name(), digest: root.digest(), source: error };
    let ManifestOrIndex::Index(index) = root.parse().map_err(broken)? else { return Ok((root, false)) };
    // The documents that their manifests name, and that only an index can bring along.
    let soci: Vec<&Descriptor> = index
        .manifests
        .iter()
        .filter(|entry| chosen.iter().any(|image| soci::belongs_to(entry, &image.digest)))
        .collect();
    if let ([one], []) = (&chosen[..], &soci[..]) {
        return Ok((source.document(one)?, false));
    }
    // In the order of the index, so that the same choice is the same digest.
    let manifests: Vec<Descriptor> = offers
        .iter()
        .map(|offer| &offer.descriptor)
        .filter(|descriptor| chosen.contains(descriptor))
        .chain(soci)
        .cloned()
        .collect();
    if manifests == index.manifests {
        return Ok((root, false));
    }
    let media_type = root.media_type.clone();
    // Its statements about all of its images may be wrong for some; its subject is not that of this index.
    let index = Index {
        media_type: Some(media_type.clone()),
        manifests,
        artifact_type: None,
        subject: None,
        rest: BTreeMap::new(),
        ..*index
    };
    let bytes = to_json("index", &index).map_err(broken)?;
    Ok((RawDocument::new(Some(&media_type), bytes).map_err(broken)?, true))
}

/// A blob of `source` on its way, opened when it is needed.
pub(crate) fn blob_of(source: &Arc<dyn Source>, descriptor: &Descriptor, title: String) -> Blob {
    let (from, layer) = (Arc::clone(source), descriptor.clone());
    let content = move || -> io::Result<BlobStream> {
        let (place, digest) = (from.name(), layer.digest);
        match from.blob(&layer) {
            Ok(stream) => Ok(Box::new(CheckedBlob { stream, place, digest })),
            Err(error) if is_damage(&*error) => {
                let why = error.to_string();
                Err(carry_as(io::ErrorKind::InvalidData, CopyError::Damaged { place, digest, why }))
            }
            Err(error) => Err(carry(error)),
        }
    };
    Blob {
        descriptor: descriptor.clone(),
        content: Arc::new(content),
        origin: source.origin(),
        title,
        is_new: false,
    }
}

/// Whether a blob cannot be opened because it is not what it should be.
fn is_damage(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut reasons = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    reasons.any(|error| error.kind() == io::ErrorKind::InvalidData) && carried(error).is_none()
}

/// A blob as it is read, which says where it is if it is damaged.
struct CheckedBlob {
    stream: BlobStream,
    place: String,
    digest: Digest,
}

impl Read for CheckedBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer).map_err(|error| {
            if error.kind() != io::ErrorKind::InvalidData || carried(&error).is_some() {
                return error;
            }
            let (place, digest, why) = (self.place.clone(), self.digest, error.to_string());
            carry_as(io::ErrorKind::InvalidData, CopyError::Damaged { place, digest, why })
        })
    }
}

/// Everything that is to be brought to the destination.
struct CopyPlan<'a> {
    source: &'a Arc<dyn Source>,
    destination: &'a dyn Destination,
    options: &'a CopyOptions,
    /// In the order in which they can be stored: each after what it refers to.
    documents: Vec<RawDocument>,
    blobs: Vec<Blob>,
    queued: BTreeSet<Digest>,
    /// Documents that were looked at.
    seen: BTreeSet<Digest>,
    /// Manifests and indexes that others may refer to, those that are there included.
    subjects: Vec<Digest>,
    referring: Vec<(Digest, Vec<Descriptor>)>,
    /// The older signatures, by their tags.
    older: Vec<(Tag, Vec<Descriptor>)>,
    counts: DocumentCount,
    /// For the bytes of the documents, which are kept until the end with all that they name.
    budget: Budget,
}

/// The documents of a copy may have so many bytes: a thousand of the largest would fill the memory.
const MAX_COPIED: u64 = 24 << 20;

impl<'a> CopyPlan<'a> {
    fn new(source: &'a Arc<dyn Source>, destination: &'a dyn Destination, options: &'a CopyOptions) -> Self {
        Self {
            source,
            destination,
            options,
            documents: Vec::new(),
            blobs: Vec::new(),
            queued: BTreeSet::new(),
            seen: BTreeSet::new(),
            subjects: Vec::new(),
            referring: Vec::new(),
            older: Vec::new(),
            counts: DocumentCount::default(),
            budget: Budget::new("the image", MAX_COPIED, u64::MAX),
        }
    }

    fn parse(&self, document: &RawDocument) -> Result<ManifestOrIndex, CopyError> {
        let broken =
            |source| CopyError::Document { place: self.source.name(), digest: document.digest(), source };
        document.parse().map_err(broken)
    }

    /// Notes the root and what it reaches; of one that is there already, only what may be referred to.
    fn reach(&mut self, root: &RawDocument, held: bool) -> Result<(), BoxedError> {
        self.seen.insert(root.digest());
        self.subjects.push(root.digest());
        if !held {
            return self.document(root, MAX_DEPTH);
        }
        self.counts.present += 1;
        if let ManifestOrIndex::Index(index) = self.parse(root)? {
            self.subjects.extend(index.manifests.iter().filter(|it| is_document(it)).map(|it| it.digest));
        }
        Ok(())
    }

    fn document(&mut self, document: &RawDocument, depth: usize) -> Result<(), BoxedError> {
        let kept = self.budget.keep(document.bytes.len());
        kept.map_err(|source| CopyError::TooLarge { place: self.source.name(), source })?;
        match self.parse(document)? {
            ManifestOrIndex::Manifest(manifest) => self.blobs_of(&manifest)?,
            ManifestOrIndex::Index(index) => {
                for child in &index.manifests {
                    self.child(child, depth)?;
                }
            }
        }
        self.documents.push(document.clone());
        self.counts.copied += 1;
        Ok(())
    }

    fn child(&mut self, child: &Descriptor, depth: usize) -> Result<(), BoxedError> {
        self.options.interrupt.check().map_err(CopyError::from)?;
        if !self.seen.insert(child.digest) {
            return Ok(());
        }
        if self.seen.len() > MAX_CHILDREN {
            return Err(CopyError::TooMany { place: self.source.name() }.into());
        }
        if !is_document(child) {
            // Not a document that could be walked, but content all the same.
            self.blob(child, child.digest.short());
            return Ok(());
        }
        self.subjects.push(child.digest);
        if self.destination.holds(child)? {
            self.counts.present += 1;
            return Ok(());
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(CopyError::Select { place: self.source.name(), source: SelectError::Depth }.into());
        };
        let document = self.source.document(child)?;
        self.document(&document, depth)
    }

    fn blobs_of(&mut self, manifest: &Manifest) -> Result<(), CopyError> {
        let total = manifest.layers.len();
        for (number, layer) in manifest.layers.iter().enumerate() {
            if is_foreign(layer) {
                if self.destination.capabilities().needs_all_blobs {
                    return Err(CopyError::Foreign(layer.digest));
                }
                let text = format!("layer {} is kept by its owner and left out", layer.digest);
                self.options.progress.note(text);
                continue;
            }
            self.blob(layer, format!("layer {} of {total}", number + 1));
        }
        self.blob(&manifest.config, "config".to_owned());
        Ok(())
    }

    fn blob(&mut self, descriptor: &Descriptor, title: String) {
        if self.queued.insert(descriptor.digest) {
            self.blobs.push(blob_of(self.source, descriptor, title));
        }
    }

    /// Notes what refers to what was reached, and what refers to that.
    fn all_referrers(&mut self) -> Result<(), BoxedError> {
        let mut subjects = self.subjects.clone();
        let mut silent = None;
        let mut found = 0;
        for _ in 0..MAX_REFERRER_DEPTH {
            let mut next = Vec::new();
            for subject in subjects {
                self.options.interrupt.check().map_err(CopyError::from)?;
                let Some(listed) = self.source.referrers(&subject)? else {
                    silent = Some(subject);
                    continue;
                };
                let referrers = self.referrers_of(&subject, &listed)?;
                found += referrers.len();
                if found > MAX_CHILDREN {
                    return Err(CopyError::TooMany { place: self.source.name() }.into());
                }
                next.extend(digests(&referrers));
                if !referrers.is_empty() {
                    self.referring.push((subject, referrers));
                }
            }
            subjects = next;
            if subjects.is_empty() {
                break;
            }
        }
        match (found, silent) {
            (0, Some(subject)) => self.options.progress.note(format!(
                "{} lists nothing that refers to the image: it has neither the referrers API nor the tag `{}`",
                self.source.name(),
                crate::registry::fallback_tag(&subject)
            )),
            (0, None) => self.options.progress.note("nothing refers to the image"),
            _ => {}
        }
        Ok(())
    }

    /// Notes the older signatures of the images, which lie under tags of their own.
    fn older_signatures(&mut self) -> Result<(), BoxedError> {
        for subject in self.subjects.clone() {
            self.options.interrupt.check().map_err(CopyError::from)?;
            let tag = older_tag(&subject);
            let Some(document) = self.source.under_tag(&tag)? else { continue };
            let ManifestOrIndex::Manifest(manifest) = self.parse(&document)? else { continue };
            let is_signature = |layer: &&Descriptor| layer.media_type.to_string() == SIMPLE_SIGNING;
            let layers: Vec<Descriptor> = manifest.layers.iter().filter(is_signature).cloned().collect();
            for layer in &layers {
                self.blob(layer, "signature".to_owned());
            }
            if !layers.is_empty() {
                self.older.push((tag, layers));
            }
        }
        Ok(())
    }

    fn referrers_of(
        &mut self,
        subject: &Digest,
        listed: &[Descriptor],
    ) -> Result<Vec<Descriptor>, BoxedError> {
        let mut referrers = Vec::new();
        for descriptor in listed.iter().filter(|descriptor| is_document(descriptor)) {
            let document = self.source.document(descriptor)?;
            let parsed = self.parse(&document)?;
            let (names, entry) = match &parsed {
                ManifestOrIndex::Manifest(manifest) => {
                    let (kind, digest) = (document.media_type.clone(), descriptor.digest);
                    (manifest.subject.as_ref(), referrer(manifest, kind, digest, descriptor.size))
                }
                ManifestOrIndex::Index(index) => (index.subject.as_ref(), descriptor.clone()),
            };
            // A list that anybody can write proves nothing; the document itself does.
            if names.is_none_or(|link| link.digest != *subject) {
                let (name, digest) = (self.source.name(), descriptor.digest);
                let text = format!("{name}: {digest} is listed as referring to {subject} and does not");
                self.options.progress.warn(text);
                continue;
            }
            let kind = match &parsed {
                ManifestOrIndex::Manifest(_) => entry.artifact_type.as_deref(),
                ManifestOrIndex::Index(index) => index.artifact_type.as_deref(),
            };
            if kind.is_some_and(|kind| self.options.except.contains(&kind)) {
                continue;
            }
            if self.seen.insert(descriptor.digest) {
                if self.destination.holds(descriptor)? {
                    self.counts.present += 1;
                } else {
                    self.document(&document, MAX_DEPTH)?;
                }
            }
            referrers.push(entry);
        }
        Ok(referrers)
    }
}

fn is_document(descriptor: &Descriptor) -> bool {
    media_type::document(&descriptor.media_type).is_some()
}

/// A layer that its owner alone may hand out ("Non-Distributable Layers").
fn is_foreign(layer: &Descriptor) -> bool {
    let is_marked = matches!(
        media_type::to_oci(&layer.media_type),
        MediaType::ImageLayerNonDistributable
            | MediaType::ImageLayerNonDistributableGzip
            | MediaType::ImageLayerNonDistributableZstd
    );
    is_marked && !layer.urls.is_empty()
}
