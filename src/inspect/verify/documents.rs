//! The walk over documents, which are few and small: what each says, and which blobs they name.

use std::collections::BTreeMap;
use std::io::Read;

use super::hashing::{HashingReader, sha256};
use super::report::{Disagreement, DisagreementKind, Findings, VerifiedImage};
use crate::oci::media_type;
use crate::oci::select::{MAX_DEPTH, is_attestation};
use crate::oci::{
    self, ConfigFile, Descriptor, MAX_DOCUMENT, Manifest, ManifestOrIndex, MediaType, RawDocument,
    parse_strict,
};
use crate::runtime::budget::{Budget, OverBudget};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::time::is_rfc3339;

/// All documents of an image or index may have at most so many bytes together.
const MAX_DOCUMENTS: u64 = 24 << 20;

/// The annotation of an eStargz layer's descriptor: the digest of its table of contents.
pub(super) const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";

/// A blob that is to be read once, and everything that is said about it.
pub(super) struct ExpectedBlob {
    pub(super) descriptor: Descriptor,
    /// The diff IDs that configurations give it, with their images.
    pub(super) diff_ids: Vec<(Digest, Digest)>,
}

/// The walk over documents, which are few and small.
pub(super) struct DocumentWalk<'a> {
    source: &'a dyn Source,
    pub(super) images: Vec<VerifiedImage>,
    pub(super) findings: Findings,
    /// The documents of the walk; manifests of images with the platforms of their configurations.
    seen: BTreeMap<(Digest, u64, String), Option<(Digest, ConfigFile)>>,
    /// Two descriptors of one digest may disagree about size or type; then at least one is wrong.
    pub(super) blobs: BTreeMap<(Digest, u64, String), ExpectedBlob>,
    /// SOCI indexes that were seen, with their tables of contents.
    soci: BTreeMap<Digest, Vec<Descriptor>>,
    /// Images that name one.
    named: Vec<(Digest, Digest)>,
    /// For the bytes of all documents.
    budget: Budget,
}

impl<'a> DocumentWalk<'a> {
    pub(super) fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            images: Vec::new(),
            findings: Findings::default(),
            seen: BTreeMap::new(),
            blobs: BTreeMap::new(),
            soci: BTreeMap::new(),
            named: Vec::new(),
            budget: Budget::new("the documents of the image", MAX_DOCUMENTS, u64::MAX),
        }
    }

    /// Tables of contents with their layers. A pair that does not belong together is unusual, and does no harm.
    pub(super) fn tables(&mut self) -> Vec<(Descriptor, Descriptor)> {
        let mut odd = |subject, message: String| {
            self.findings.warnings.push(Disagreement::new(DisagreementKind::Contents, subject, message));
        };
        for (image, index) in &self.named {
            if !self.soci.contains_key(index) {
                odd(*image, format!("its SOCI index {index} is not here"));
            }
        }
        let mut found = Vec::new();
        for (index, tables) in &self.soci {
            if !self.named.iter().any(|(_, named)| named == index) {
                odd(*index, "no image names this SOCI index".to_owned());
            }
            for table in tables {
                let layer = oci::soci::layer_of(table).and_then(|layer| {
                    let (_, first) = self.blobs.range((layer, 0, String::new())..).next()?;
                    (first.descriptor.digest == layer).then_some(first)
                });
                match layer {
                    Some(layer) => found.push((table.clone(), layer.descriptor.clone())),
                    None => odd(table.digest, "the table of contents is of no layer here".to_owned()),
                }
            }
        }
        found
    }

    fn problem(&mut self, finding: Disagreement) {
        self.findings.problems.push(finding);
    }

    pub(super) fn document(
        &mut self,
        document: &RawDocument,
        expected: Digest,
        entry: Option<&Descriptor>,
        depth: usize,
    ) {
        let found = sha256(&document.bytes);
        if found != expected {
            self.problem(Disagreement::other(
                DisagreementKind::Digest,
                expected,
                "digest of the document",
                &expected,
                &found,
            ));
        }
        if let Some(entry) = entry {
            let (size, length) = (entry.size, document.bytes.len());
            if size != length as u64 {
                self.problem(Disagreement::other(
                    DisagreementKind::Size,
                    expected,
                    "size of the document",
                    &size,
                    &length,
                ));
            }
            if entry.media_type != document.media_type {
                let message = "media type of the document";
                let (announced, inside) = (&entry.media_type, &document.media_type);
                self.problem(Disagreement::other(
                    DisagreementKind::MediaType,
                    expected,
                    message,
                    announced,
                    inside,
                ));
            }
        }
        let parsed = match self.budget.keep(document.bytes.len()) {
            Ok(()) => document.parse().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match parsed {
            Ok(ManifestOrIndex::Manifest(manifest)) => self.manifest(&manifest, expected, entry),
            Ok(ManifestOrIndex::Index(index)) => {
                for entry in &index.manifests {
                    self.child(expected, entry, depth);
                }
            }
            Err(message) => self.problem(Disagreement::new(DisagreementKind::Document, expected, message)),
        }
    }

    /// Whether a document of so many bytes is within the budget.
    fn afford(&self, size: u64) -> Result<(), OverBudget> {
        let size = usize::try_from(size.min(MAX_DOCUMENT)).unwrap_or(usize::MAX);
        self.budget.keep(size)?;
        self.budget.release(size);
        Ok(())
    }

    fn child(&mut self, index: Digest, entry: &Descriptor, depth: usize) {
        if media_type::document(&entry.media_type).is_none() {
            // Not a document that could be walked, but content all the same.
            self.want(entry, None);
            return;
        }
        if depth == 0 {
            let message = format!("indexes are nested more than {MAX_DEPTH} deep");
            return self.problem(Disagreement::new(DisagreementKind::Document, index, message));
        }
        let key = key(entry);
        if let Some(seen) = self.seen.get(&key) {
            // Listed again, perhaps for another platform.
            if let Some((subject, config)) = seen.clone() {
                self.platform(&config, subject, Some(entry));
            }
            return;
        }
        self.seen.insert(key, None);
        // A document that is announced as larger than the rest of the budget need not be fetched.
        if let Err(error) = self.afford(entry.size) {
            return self.problem(Disagreement::new(
                DisagreementKind::Document,
                entry.digest,
                error.to_string(),
            ));
        }
        match self.source.document(entry) {
            Ok(document) => self.document(&document, entry.digest, Some(entry), depth - 1),
            Err(error) => {
                self.problem(Disagreement::new(
                    DisagreementKind::Unreadable,
                    entry.digest,
                    error.to_string(),
                ));
            }
        }
    }

    fn want(&mut self, descriptor: &Descriptor, diff_id: Option<(Digest, Digest)>) {
        let wanted = self
            .blobs
            .entry(key(descriptor))
            .or_insert_with(|| ExpectedBlob { descriptor: needed(descriptor), diff_ids: Vec::new() });
        wanted.diff_ids.extend(diff_id);
    }

    fn manifest(&mut self, manifest: &Manifest, digest: Digest, entry: Option<&Descriptor>) {
        let is_image = media_type::to_oci(&manifest.config.media_type) == MediaType::ImageConfig;
        let config = if is_image { self.config(manifest) } else { None };
        if !is_image {
            self.want(&manifest.config, None);
        }
        if oci::soci::is_index(manifest) {
            self.soci.insert(digest, manifest.layers.iter().map(needed).collect());
        }
        self.named.extend(oci::soci::named_by(manifest).map(|index| (digest, index)));
        // BuildKit dresses attestations up as images, with layers of JSON.
        let is_attestation = entry.is_some_and(is_attestation);
        let layers = manifest.layers.len();
        let mut diff_ids = Vec::new();
        if let Some(config) = &config {
            diff_ids.clone_from(&config.rootfs.diff_ids);
            let subject = manifest.config.digest;
            if diff_ids.len() != layers {
                let message = "diff IDs in the configuration";
                self.problem(Disagreement::other(
                    DisagreementKind::LayerCount,
                    subject,
                    message,
                    &layers,
                    &diff_ids.len(),
                ));
            }
            let steps = config.history.iter().filter(|step| !step.empty_layer).count();
            if !config.history.is_empty() && steps != layers {
                let message = "history entries that are layers";
                self.problem(Disagreement::other(
                    DisagreementKind::HistoryCount,
                    subject,
                    message,
                    &layers,
                    &steps,
                ));
            }
            if config.rootfs.kind != "layers" {
                let message = "type of the root file system";
                self.problem(Disagreement::other(
                    DisagreementKind::Document,
                    subject,
                    message,
                    &"layers",
                    &config.rootfs.kind,
                ));
            }
            self.times(config, subject);
            if let Some(seen) = entry.and_then(|entry| self.seen.get_mut(&key(entry))) {
                let (os, architecture) = (config.os.clone(), config.architecture.clone());
                let variant = config.variant.clone();
                *seen = Some((subject, ConfigFile { os, architecture, variant, ..ConfigFile::default() }));
            }
            self.platform(config, subject, entry);
        }
        for (position, layer) in manifest.layers.iter().enumerate() {
            let opaque = media_type::layer_compression(&layer.media_type).is_none();
            if is_image && !is_attestation && opaque {
                let message = format!(
                    "layer {} has the type `{}`: only its digest is checked",
                    position + 1,
                    layer.media_type
                );
                self.findings.warnings.push(Disagreement::new(
                    DisagreementKind::MediaType,
                    layer.digest,
                    message,
                ));
            }
            self.want(layer, diff_ids.get(position).map(|diff_id| (*diff_id, digest)));
        }
        if is_attestation {
            return;
        }
        self.images.push(VerifiedImage {
            digest,
            platform: config.as_ref().and_then(ConfigFile::platform),
            layers,
            bytes: manifest
                .layers
                .iter()
                .fold(manifest.config.size, |sum, layer| sum.saturating_add(layer.size)),
        });
    }

    /// Readers in Go refuse a whole configuration for one time that is none.
    fn times(&mut self, config: &ConfigFile, subject: Digest) {
        let of_steps = config.history.iter().enumerate();
        let of_steps = of_steps
            .filter_map(|(at, step)| Some((format!("history[{at}].created"), step.created.as_ref()?)));
        let all = config.created.iter().map(|time| ("created".to_owned(), time)).chain(of_steps);
        let mut wrong = all.filter(|(_, time)| !is_rfc3339(time)).map(|(field, _)| field);
        let Some(first) = wrong.next() else { return };
        let more = wrong.count();
        let others = if more == 0 { String::new() } else { format!("; {more} others are neither") };
        let message =
            format!("`{first}` is not a time of the years 0000 to 9999 as RFC 3339 writes it{others}");
        self.problem(Disagreement::new(DisagreementKind::Time, subject, message));
    }

    fn platform(&mut self, config: &ConfigFile, subject: Digest, entry: Option<&Descriptor>) {
        let stated = config.platform();
        if stated.is_none() {
            let message = "the configuration names no platform";
            self.findings.warnings.push(Disagreement::new(DisagreementKind::Platform, subject, message));
        }
        let listed = entry.and_then(|entry| entry.platform.as_ref()?.normalised());
        // A configuration may lack the variant that the index names.
        if let (Some(stated), Some(listed)) = (stated, listed)
            && !config.fits(&listed)
        {
            let message = "platform in the configuration";
            self.problem(Disagreement::other(DisagreementKind::Platform, subject, message, &listed, &stated));
        }
    }

    /// Reads and checks a configuration.
    fn config(&mut self, manifest: &Manifest) -> Option<ConfigFile> {
        let descriptor = &manifest.config;
        let digest = descriptor.digest;
        if descriptor.size > MAX_DOCUMENT {
            let message = "the configuration is larger than any honest one";
            self.problem(Disagreement::new(DisagreementKind::Size, digest, message));
            return None;
        }
        if let Err(error) = self.afford(descriptor.size) {
            self.problem(Disagreement::new(DisagreementKind::Document, digest, error.to_string()));
            return None;
        }
        let stream = match self.source.blob(descriptor) {
            Ok(stream) => stream,
            Err(error) => {
                self.problem(Disagreement::new(DisagreementKind::Unreadable, digest, error.to_string()));
                return None;
            }
        };
        let mut stream = HashingReader::new(stream, None);
        let mut bytes = Vec::new();
        // An error stays in the stream, which knows what it means.
        let _ = (&mut stream).take(MAX_DOCUMENT).read_to_end(&mut bytes);
        self.findings.bytes += stream.length;
        if let Some(finding) = stream.compare(descriptor, "configuration") {
            self.problem(finding);
            return None;
        }
        let parsed = match self.budget.keep(bytes.len()) {
            Ok(()) => parse_strict("image configuration", &bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match parsed {
            Ok(config) => Some(config),
            Err(message) => {
                self.problem(Disagreement::new(DisagreementKind::Document, digest, message));
                None
            }
        }
    }
}

/// Two descriptors of one digest may disagree about size or type; then at least one is wrong.
fn key(descriptor: &Descriptor) -> (Digest, u64, String) {
    (descriptor.digest, descriptor.size, descriptor.media_type.to_string())
}

/// The parts of a descriptor that are needed later: a thousand of them may have annotations of megabytes.
fn needed(descriptor: &Descriptor) -> Descriptor {
    let is_needed = |name: &str| name == TOC_DIGEST || oci::soci::ANNOTATIONS.contains(&name);
    let annotations = descriptor.annotations.iter().filter(|(name, _)| is_needed(name));
    Descriptor {
        annotations: annotations.map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..Descriptor::new(descriptor.media_type.clone(), descriptor.digest, descriptor.size)
    }
}
