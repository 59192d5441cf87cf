//! `pack verify`: derives every digest, size and diff ID of an image again and lists all that disagrees.
//!
//! This is the oracle at the end of build tests, so it shares as little as it can with what writes images:
//! another SHA-256 (the `sha2` crate), and decoders that take any stream the formats allow rather than the
//! one shape that is written here. It judges bytes, not taste.

mod flatbuffer;
mod place;
pub(crate) mod soci;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Cursor, Read};

use rayon::prelude::*;
use serde::Serialize;
use sha2::Digest as _;

use self::place::Place;
use crate::formats::untar::{LAYER, ReadThrough, Walk};
use crate::oci::media_type::{self, LayerCompression};
use crate::oci::select::{MAX_DEPTH, is_attestation};
use crate::oci::{
    self, ConfigFile, Descriptor, MAX_DOCUMENT, Manifest, ManifestOrIndex, MediaType, RawDocument,
    parse_strict,
};
use crate::runtime::budget::{Budget, OverBudget};
use crate::runtime::interrupt::Interrupt;
use crate::runtime::observer::{Phase, Progress, Task};
use crate::runtime::workers;
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::platform::Platform;
use crate::types::shown::one_line;
use crate::types::time::is_rfc3339;

/// How to verify.
#[derive(Clone, Debug)]
pub struct Options {
    /// Layers checked at a time; 0 for one per processor.
    pub jobs: usize,
    /// A layer that unpacks to more bytes is reported and not read on.
    pub max_layer_bytes: u64,
    /// Told about the layers.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: 0,
            max_layer_bytes: 64 << 30,
            progress: Progress::default(),
            interrupt: Interrupt::default(),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was verified, as the user wrote it.
    pub source: String,
    /// The manifest or index that it resolves to.
    pub root: Digest,
    /// The images, in the index's order.
    pub images: Vec<ImageReport>,
    /// How many different blobs were read.
    pub blobs: u64,
    /// How many bytes were hashed, as stored.
    pub bytes: u64,
    /// What is wrong.
    pub problems: Vec<Finding>,
    /// What is odd.
    pub warnings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageReport {
    /// Its digest.
    pub digest: Digest,
    /// What its configuration says it runs on.
    pub platform: Option<Platform>,
    /// How many layers it has.
    pub layers: usize,
    /// Bytes of configuration and layers, as stored.
    pub bytes: u64,
}

/// What kind of disagreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// It cannot be read at all.
    Unreadable,
    /// A document is no valid document.
    Document,
    /// The bytes have another digest.
    Digest,
    /// There are more or fewer bytes.
    Size,
    /// The content is not of the announced type.
    MediaType,
    /// The uncompressed layer has another digest than the configuration says.
    DiffId,
    /// The configuration has more or fewer diff IDs than there are layers.
    LayerCount,
    /// The history has more or fewer layers than there are.
    HistoryCount,
    /// A time that other tools cannot read.
    Time,
    /// Index and configuration name different platforms.
    Platform,
    /// A layer does not decompress.
    Compression,
    /// A layer is no tar that can be read to its end.
    Tar,
    /// A layer has a path that leads out of the image, or that readers take differently.
    Path,
    /// A table of contents does not say what is in its layer, or is not found from its image.
    Contents,
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// The blob or document that it is about.
    pub subject: Digest,
    /// For people.
    pub message: String,
    /// What should be, where that is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Finding {
    fn new(check: Check, subject: Digest, message: impl Into<String>) -> Self {
        let message = one_line(&message.into()).into_owned();
        Self { check, subject, message, expected: None, found: None }
    }

    fn other(
        check: Check,
        subject: Digest,
        message: &str,
        expected: &dyn ToString,
        found: &dyn ToString,
    ) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        let message = format!("{message}: expected {expected}, found {found}");
        Self { expected: Some(expected), found: Some(found), ..Self::new(check, subject, message) }
    }
}

/// All documents of an image or index may have at most so many bytes together.
const MAX_DOCUMENTS: u64 = 24 << 20;

/// Reads everything that `source` reaches and lists what disagrees.
///
/// # Errors
/// When the root document cannot be read, and when the place of the image fails or the user interrupts: neither says
/// anything about the image.
pub fn verify(source: &dyn Source, options: &Options) -> Result<Report, BoxedError> {
    let place = Place::new(source, options.interrupt.clone());
    let source: &dyn Source = &place;
    let root = source.root().map_err(|error| place.failed().err().unwrap_or(error))?;
    let mut graph = Graph::new(source);
    graph.document(&root, root.digest(), None, MAX_DEPTH);
    let tables = graph.tables();
    let Graph { mut report, blobs, .. } = graph;

    let blobs: Vec<Wanted> = blobs.into_values().collect();
    let check = || {
        let of_blobs = blobs.par_iter().map(|wanted| check_blob(source, wanted, options));
        let of_tables = tables.par_iter().map(|(table, layer)| soci::check(source, table, layer, options));
        of_blobs.chain(of_tables).collect::<Vec<_>>()
    };
    let checked = workers::run(options.jobs, check)?;
    place.failed()?;
    for outcome in checked {
        report.problems.extend(outcome.problems);
        report.warnings.extend(outcome.warnings);
        report.bytes += outcome.bytes;
    }
    Ok(Report {
        source: source.name(),
        root: root.digest(),
        images: report.images,
        blobs: blobs.len() as u64,
        bytes: report.bytes,
        problems: report.problems,
        warnings: report.warnings,
    })
}

#[derive(Default)]
struct Parts {
    images: Vec<ImageReport>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
    bytes: u64,
}

/// A blob that is to be read once, and everything that is said about it.
struct Wanted {
    descriptor: Descriptor,
    /// The diff IDs that configurations give it, with their images.
    diff_ids: Vec<(Digest, Digest)>,
}

/// The walk over documents, which are few and small.
struct Graph<'a> {
    source: &'a dyn Source,
    report: Parts,
    /// What was walked; manifests of images with what their configurations say they run on.
    seen: BTreeMap<(Digest, u64, String), Option<(Digest, ConfigFile)>>,
    /// Two descriptors of one digest may disagree about size or type; then at least one is wrong.
    blobs: BTreeMap<(Digest, u64, String), Wanted>,
    /// SOCI indexes that were seen, with their tables of contents.
    soci: BTreeMap<Digest, Vec<Descriptor>>,
    /// Images that name one.
    named: Vec<(Digest, Digest)>,
    /// For the bytes of all documents.
    budget: Budget,
}

impl<'a> Graph<'a> {
    fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            report: Parts::default(),
            seen: BTreeMap::new(),
            blobs: BTreeMap::new(),
            soci: BTreeMap::new(),
            named: Vec::new(),
            budget: Budget::new("the documents of the image", MAX_DOCUMENTS, u64::MAX),
        }
    }

    /// Tables of contents with their layers. What does not belong together is odd, and harms nobody.
    fn tables(&mut self) -> Vec<(Descriptor, Descriptor)> {
        let mut odd = |subject, message: String| {
            self.report.warnings.push(Finding::new(Check::Contents, subject, message));
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

    fn problem(&mut self, finding: Finding) {
        self.report.problems.push(finding);
    }

    fn document(
        &mut self,
        document: &RawDocument,
        expected: Digest,
        entry: Option<&Descriptor>,
        depth: usize,
    ) {
        let found = sha256(&document.bytes);
        if found != expected {
            self.problem(Finding::other(
                Check::Digest,
                expected,
                "digest of the document",
                &expected,
                &found,
            ));
        }
        if let Some(entry) = entry {
            let (size, length) = (entry.size, document.bytes.len());
            if size != length as u64 {
                self.problem(Finding::other(Check::Size, expected, "size of the document", &size, &length));
            }
            if entry.media_type != document.media_type {
                let message = "media type of the document";
                let (announced, inside) = (&entry.media_type, &document.media_type);
                self.problem(Finding::other(Check::MediaType, expected, message, announced, inside));
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
            Err(message) => self.problem(Finding::new(Check::Document, expected, message)),
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
            return self.problem(Finding::new(Check::Document, index, message));
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
        // What is announced as larger than what is left need not be fetched.
        if let Err(error) = self.afford(entry.size) {
            return self.problem(Finding::new(Check::Document, entry.digest, error.to_string()));
        }
        match self.source.document(entry) {
            Ok(document) => self.document(&document, entry.digest, Some(entry), depth - 1),
            Err(error) => self.problem(Finding::new(Check::Unreadable, entry.digest, error.to_string())),
        }
    }

    fn want(&mut self, descriptor: &Descriptor, diff_id: Option<(Digest, Digest)>) {
        let wanted = self
            .blobs
            .entry(key(descriptor))
            .or_insert_with(|| Wanted { descriptor: needed(descriptor), diff_ids: Vec::new() });
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
                self.problem(Finding::other(Check::LayerCount, subject, message, &layers, &diff_ids.len()));
            }
            let steps = config.history.iter().filter(|step| !step.empty_layer).count();
            if !config.history.is_empty() && steps != layers {
                let message = "history entries that are layers";
                self.problem(Finding::other(Check::HistoryCount, subject, message, &layers, &steps));
            }
            if config.rootfs.kind != "layers" {
                let message = "type of the root file system";
                self.problem(Finding::other(
                    Check::Document,
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
                self.report.warnings.push(Finding::new(Check::MediaType, layer.digest, message));
            }
            self.want(layer, diff_ids.get(position).map(|diff_id| (*diff_id, digest)));
        }
        if is_attestation {
            return;
        }
        self.report.images.push(ImageReport {
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
        self.problem(Finding::new(Check::Time, subject, message));
    }

    fn platform(&mut self, config: &ConfigFile, subject: Digest, entry: Option<&Descriptor>) {
        let stated = config.platform();
        if stated.is_none() {
            let message = "the configuration names no platform";
            self.report.warnings.push(Finding::new(Check::Platform, subject, message));
        }
        let listed = entry.and_then(|entry| entry.platform.as_ref()?.normalised());
        // A configuration may lack the variant that the index names.
        if let (Some(stated), Some(listed)) = (stated, listed)
            && !config.fits(&listed)
        {
            let message = "platform in the configuration";
            self.problem(Finding::other(Check::Platform, subject, message, &listed, &stated));
        }
    }

    /// Reads and checks a configuration.
    fn config(&mut self, manifest: &Manifest) -> Option<ConfigFile> {
        let descriptor = &manifest.config;
        let digest = descriptor.digest;
        if descriptor.size > MAX_DOCUMENT {
            let message = "the configuration is larger than any honest one";
            self.problem(Finding::new(Check::Size, digest, message));
            return None;
        }
        if let Err(error) = self.afford(descriptor.size) {
            self.problem(Finding::new(Check::Document, digest, error.to_string()));
            return None;
        }
        let stream = match self.source.blob(descriptor) {
            Ok(stream) => stream,
            Err(error) => {
                self.problem(Finding::new(Check::Unreadable, digest, error.to_string()));
                return None;
            }
        };
        let mut stream = Hashed::new(stream, u64::MAX, None);
        let mut bytes = Vec::new();
        // An error stays in the stream, which knows what it means.
        let _ = (&mut stream).take(MAX_DOCUMENT).read_to_end(&mut bytes);
        self.report.bytes += stream.length;
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
                self.problem(Finding::new(Check::Document, digest, message));
                None
            }
        }
    }
}

/// Two descriptors of one digest may disagree about size or type; then at least one is wrong.
fn key(descriptor: &Descriptor) -> (Digest, u64, String) {
    (descriptor.digest, descriptor.size, descriptor.media_type.to_string())
}

/// What of a descriptor is looked at later: a thousand of them may have annotations of megabytes.
fn needed(descriptor: &Descriptor) -> Descriptor {
    let is_needed = |name: &str| name == TOC_DIGEST || oci::soci::ANNOTATIONS.contains(&name);
    let annotations = descriptor.annotations.iter().filter(|(name, _)| is_needed(name));
    Descriptor {
        annotations: annotations.map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..Descriptor::new(descriptor.media_type.clone(), descriptor.digest, descriptor.size)
    }
}

#[derive(Default)]
struct Outcome {
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
    bytes: u64,
}

fn check_blob(source: &dyn Source, wanted: &Wanted, options: &Options) -> Outcome {
    let descriptor = &wanted.descriptor;
    let mut outcome = Outcome::default();
    let stream = match source.blob(descriptor) {
        Ok(stream) => stream,
        Err(error) => {
            let finding = Finding::new(Check::Unreadable, descriptor.digest, error.to_string());
            // Registries do not hold such layers, and nothing but Windows needs them.
            if is_foreign(&descriptor.media_type) { &mut outcome.warnings } else { &mut outcome.problems }
                .push(finding);
            return outcome;
        }
    };
    let task = options.progress.task(Phase::Verify, descriptor.digest.short(), Some(descriptor.size));
    let mut raw = Hashed::new(stream, u64::MAX, Some(&task));
    let unpacked = media_type::layer_compression(&descriptor.media_type)
        .map(|announced| unpack(&mut raw, announced, descriptor, options, &mut outcome));
    // What a decoder left is still content.
    let _ = io::copy(&mut raw, &mut io::sink());
    outcome.bytes = raw.length;
    if let Some(finding) = raw.compare(descriptor, "blob") {
        // Wrong bytes explain everything that they led to.
        outcome.problems = vec![finding];
        outcome.warnings.clear();
        task.finish("damaged");
        return outcome;
    }
    let diff_id = match unpacked {
        Some(diff_id) => diff_id,
        None => Some(raw.digest()),
    };
    let mut expected: Vec<&(Digest, Digest)> = wanted.diff_ids.iter().collect();
    expected.sort_unstable();
    expected.dedup();
    for (diff_id_expected, image) in expected {
        if let Some(found) = diff_id
            && found != *diff_id_expected
        {
            let message = format!("diff ID in the configuration of {image}");
            let subject = descriptor.digest;
            outcome.problems.push(Finding::other(Check::DiffId, subject, &message, diff_id_expected, &found));
        }
    }
    task.finish(if outcome.problems.is_empty() { "sound" } else { "damaged" });
    outcome
}

const fn is_foreign(media_type: &MediaType) -> bool {
    matches!(
        media_type,
        MediaType::ImageLayerNonDistributable
            | MediaType::ImageLayerNonDistributableGzip
            | MediaType::ImageLayerNonDistributableZstd
    )
}

/// Decompresses a layer and reads its tar; the digest of the tar, if it could be read to its end.
fn unpack(
    raw: &mut Hashed<'_, impl Read>,
    announced: LayerCompression,
    descriptor: &Descriptor,
    options: &Options,
    outcome: &mut Outcome,
) -> Option<Digest> {
    let mut start = Vec::new();
    if raw.take(media_type::MAGIC as u64).read_to_end(&mut start).is_err() {
        return None;
    }
    let actual = LayerCompression::of_bytes(&start);
    // Not a problem: runtimes go by the bytes, and so do builds on such a layer.
    if actual != announced {
        let message = "compression of the layer, which readers that go by its media type cannot read";
        let (announced, actual) = (compression_name(announced), compression_name(actual));
        let subject = descriptor.digest;
        outcome.warnings.push(Finding::other(Check::MediaType, subject, message, &announced, &actual));
    }
    let packed = BufReader::with_capacity(128 << 10, Cursor::new(start).chain(raw));
    match actual {
        LayerCompression::None => read_tar(packed, descriptor, options, outcome),
        LayerCompression::Gzip => {
            read_tar(flate2::bufread::MultiGzDecoder::new(packed), descriptor, options, outcome)
        }
        LayerCompression::Zstd => match zstd::stream::read::Decoder::with_buffer(packed) {
            Ok(decoder) => read_tar(decoder, descriptor, options, outcome),
            Err(error) => {
                outcome.problems.push(Finding::new(Check::Compression, descriptor.digest, error.to_string()));
                None
            }
        },
    }
}

const fn compression_name(compression: LayerCompression) -> &'static str {
    match compression {
        LayerCompression::None => "none",
        LayerCompression::Gzip => "gzip",
        LayerCompression::Zstd => "zstd",
    }
}

/// What an eStargz layer's descriptor says of its table of contents, and the entry that this is.
const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
const TOC: &[u8] = b"stargz.index.json";

/// Odd paths of one layer that are listed one by one.
const MAX_PATHS: usize = 10;

fn read_tar(
    plain: impl Read,
    descriptor: &Descriptor,
    options: &Options,
    outcome: &mut Outcome,
) -> Option<Digest> {
    let subject = descriptor.digest;
    let mut plain = Hashed::new(plain, options.max_layer_bytes, None);
    let mut walk = Walk::new(ReadThrough(&mut plain), LAYER);
    let mut odd = 0;
    let announced = descriptor.annotations.get(TOC_DIGEST);
    let mut contents = None;
    let tar = loop {
        match walk.next() {
            Ok(Some(entry)) => {
                if announced.is_some() && entry.path == TOC {
                    let mut hasher = sha2::Sha256::new();
                    if let Err(error) = walk.payload(|bytes| hasher.update(bytes)) {
                        break Err(error);
                    }
                    contents = Some(Digest::from_bytes(hasher.finalize().into()));
                }
                if let Some(why) = oddity(&entry) {
                    odd += 1;
                    if odd <= MAX_PATHS {
                        let message = format!("`{}` {why}", String::from_utf8_lossy(&entry.path));
                        outcome.warnings.push(Finding::new(Check::Path, subject, message));
                    }
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if odd > MAX_PATHS {
        let message = format!("{} more such paths", odd - MAX_PATHS);
        outcome.warnings.push(Finding::new(Check::Path, subject, message));
    }
    let (terminated, entries) = (walk.is_terminated(), walk.entries());
    // The digest is over everything, also over what lies behind the tar's end.
    let _ = io::copy(&mut plain, &mut io::sink());
    if let Some(error) = &plain.error {
        outcome.problems.push(Finding::new(Check::Compression, subject, error.to_string()));
        return None;
    }
    if let (Some(announced), Ok(())) = (announced, &tar)
        && contents.is_none_or(|found| found.to_string() != *announced)
    {
        let found = contents.map_or_else(|| "none".to_owned(), |found| found.to_string());
        let what = "digest of the table of contents";
        outcome.problems.push(Finding::other(Check::Digest, subject, what, announced, &found));
    }
    match tar {
        Err(error) => outcome.problems.push(Finding::new(Check::Tar, subject, error.to_string())),
        // Nothing at all is an empty layer as some tools write it.
        Ok(()) if !terminated && entries > 0 => {
            let message = "the tar ends without an end marker";
            outcome.warnings.push(Finding::new(Check::Tar, subject, message));
        }
        Ok(()) => {}
    }
    Some(plain.digest())
}

/// Why a path is not what a layer should have.
fn oddity(entry: &crate::formats::untar::Entry) -> Option<&'static str> {
    let climbs = |path: &[u8]| path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if climbs(&entry.path) {
        return Some("contains `..`");
    }
    // The root itself is an entry of many layers, in any spelling.
    if entry.path.starts_with(b"/") && entry.path != b"/" {
        return Some("is absolute");
    }
    if entry.path.contains(&0) {
        return Some("contains a NUL byte");
    }
    if entry.kind == tar::EntryType::Link && climbs(&entry.link) {
        return Some("is a hard link through `..`");
    }
    None
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Hashes and counts what is read, and keeps the first error.
struct Hashed<'a, R> {
    inner: R,
    hasher: sha2::Sha256,
    length: u64,
    limit: u64,
    error: Option<io::Error>,
    task: Option<&'a Task>,
}

impl<'a, R: Read> Hashed<'a, R> {
    fn new(inner: R, limit: u64, task: Option<&'a Task>) -> Self {
        Self { inner, hasher: sha2::Sha256::new(), length: 0, limit, error: None, task }
    }

    fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    /// Compares what was read, to its end, with what was announced.
    fn compare(&self, descriptor: &Descriptor, what: &str) -> Option<Finding> {
        let subject = descriptor.digest;
        // A source checks as well, and refuses wrong bytes with this kind: those are measured here.
        if let Some(error) = &self.error
            && error.kind() != io::ErrorKind::InvalidData
        {
            return Some(Finding::new(Check::Unreadable, subject, error.to_string()));
        }
        if self.length != descriptor.size {
            let message = format!("size of the {what}");
            return Some(Finding::other(Check::Size, subject, &message, &descriptor.size, &self.length));
        }
        let found = self.digest();
        if found != descriptor.digest {
            let message = format!("digest of the {what}");
            return Some(Finding::other(Check::Digest, subject, &message, &descriptor.digest, &found));
        }
        self.error.as_ref().map(|error| Finding::new(Check::Size, subject, error.to_string()))
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.error {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        let mut result = self.inner.read(buffer);
        if let Ok(read) = result {
            self.hasher.update(&buffer[..read]);
            self.length += read as u64;
            if let Some(task) = self.task {
                task.advance(read as u64);
            }
            if self.length > self.limit {
                let message = format!("it unpacks to more than {} bytes", self.limit);
                result = Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
            }
        }
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.error = Some(io::Error::new(error.kind(), error.to_string()));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;
    use crate::oci::{History, Image, to_json};
    use crate::transport::layout::OciLayout;
    use crate::transport::{Blob, Destination};
    use crate::types::reference::Tag;

    fn tar_of(name: &str) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        // Not through `set_path`, which refuses what is to be found here.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(3);
        header.set_mode(0o644);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &b"abc"[..]).expect("appended");
        builder.into_inner().expect("finished")
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("compressed");
        encoder.finish().expect("compressed")
    }

    /// A layout with one image, whose configuration can be changed before it is written.
    struct Case {
        _dir: tempfile::TempDir,
        layout: OciLayout,
        image: Image,
    }

    impl Case {
        fn new(layers: &[(MediaType, Vec<u8>, Vec<u8>)], change: impl FnOnce(&mut ConfigFile)) -> Self {
            let dir = tempfile::tempdir().expect("temporary directory");
            let layout =
                OciLayout::create(&dir.path().join("l"), None, &Progress::default()).expect("created");
            let mut config =
                ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..Default::default() };
            let mut descriptors = Vec::new();
            for (media_type, packed, plain) in layers {
                config.rootfs.diff_ids.push(Digest::of(plain));
                config.history.push(History::default());
                let descriptor = Descriptor::of(media_type.clone(), packed);
                descriptors.push(descriptor.clone());
                let blob = Blob::in_memory(descriptor, packed.clone(), "layer");
                Destination::blob(&layout, &blob).expect("stored");
            }
            change(&mut config);
            let image = Image::new(&config, descriptors, BTreeMap::new()).expect("an image");
            let raw = image.raw_config().to_vec();
            let blob = Blob::in_memory(image.manifest().config.clone(), raw, "config");
            Destination::blob(&layout, &blob).expect("stored");
            layout.finish(image.raw(), &["1.0".parse::<Tag>().expect("a tag")]).expect("finished");
            Self { _dir: dir, layout, image }
        }

        fn one(change: impl FnOnce(&mut ConfigFile)) -> Self {
            let plain = tar_of("a/file");
            Self::new(&[(MediaType::ImageLayerGzip, gzip(&plain), plain)], change)
        }

        fn report(&self) -> Report {
            verify(&self.layout, &Options { jobs: 2, ..Options::default() }).expect("a root")
        }

        fn path(&self, digest: &Digest) -> PathBuf {
            self.layout.layout().blobs().path(digest)
        }
    }

    fn checks(findings: &[Finding]) -> Vec<Check> {
        findings.iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn sound_images_are_sound() {
        let (one, two) = (tar_of("one"), tar_of("two"));
        let members = [gzip(&one[..700]), gzip(&one[700..])].concat();
        let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).expect("compressed");
        let frames = [frame(&two[..700]), frame(&two[700..])].concat();
        let case = Case::new(
            &[
                (MediaType::ImageLayerGzip, members, one.clone()),
                (MediaType::ImageLayerZstd, frames, two.clone()),
                (MediaType::ImageLayer, one.clone(), one),
            ],
            |_| {},
        );
        let report = case.report();
        assert!(report.is_sound(), "{report:#?}");
        assert!(report.warnings.is_empty(), "{report:#?}");
        assert_eq!((report.images.len(), report.images[0].layers, report.blobs), (1, 3, 3));
        assert_eq!(report.bytes, report.images[0].bytes);
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["images"][0]["platform"], "linux/amd64");
    }

    #[test]
    fn every_damage_of_a_blob_has_its_name() {
        for (damage, check) in [(&b"short"[..], Check::Unreadable), (b"", Check::Unreadable)] {
            let case = Case::one(|_| {});
            let layer = case.image.layers()[0].digest;
            std::fs::write(case.path(&layer), damage).expect("damaged");
            assert_eq!(checks(&case.report().problems), [check]);
        }
        for target in 0..2 {
            let case = Case::one(|_| {});
            let digest = [case.image.layers()[0].digest, case.image.manifest().config.digest][target];
            let sound = std::fs::read(case.path(&digest)).expect("there");
            for position in (0..sound.len()).step_by(13) {
                let mut bytes = sound.clone();
                bytes[position] ^= 0x10;
                std::fs::write(case.path(&digest), bytes).expect("damaged");
                let report = case.report();
                assert_eq!(checks(&report.problems), [Check::Digest], "{report:#?}");
                assert_eq!(report.problems[0].subject, digest);
            }
            std::fs::remove_file(case.path(&digest)).expect("removed");
            assert_eq!(checks(&case.report().problems), [Check::Unreadable]);
        }
    }

    #[test]
    fn all_disagreements_are_listed_at_once() {
        let wrong = Digest::of(b"wrong");
        let case = Case::one(|config| {
            config.rootfs.diff_ids[0] = wrong;
            config.history.push(History::default());
        });
        let report = case.report();
        assert_eq!(checks(&report.problems), [Check::HistoryCount, Check::DiffId]);
        let plain = tar_of("a/file");
        let diff_id = &report.problems[1];
        assert_eq!(diff_id.expected, Some(wrong.to_string()));
        assert_eq!(diff_id.found, Some(Digest::of(&plain).to_string()));
        let empty = Case::one(|config| {
            config.history.push(History { empty_layer: true, ..History::default() });
        });
        assert!(empty.report().is_sound());
    }

    #[test]
    fn layers_that_are_not_what_they_say() {
        let plain = tar_of("a");
        let layer = |media_type, packed: Vec<u8>, plain: &[u8]| {
            Case::new(&[(media_type, packed, plain.to_vec())], |_| {}).report()
        };
        for (media_type, packed) in
            [(MediaType::ImageLayerGzip, plain.clone()), (MediaType::ImageLayer, gzip(&plain))]
        {
            let report = layer(media_type, packed, &plain);
            assert!(report.is_sound(), "runtimes read it");
            assert_eq!(checks(&report.warnings), [Check::MediaType]);
        }
        let packed = gzip(&plain);
        let report = layer(MediaType::ImageLayerGzip, packed[..packed.len() - 6].to_vec(), &plain);
        assert_eq!(checks(&report.problems), [Check::Compression]);
        let report = layer(MediaType::ImageLayerGzip, [&packed[..], b"junk"].concat(), &plain);
        assert_eq!(checks(&report.problems), [Check::Compression]);
        let report = layer(MediaType::ImageLayerGzip, gzip(b"no tar at all"), b"no tar at all");
        assert_eq!(checks(&report.problems), [Check::Tar]);
        let report = layer(MediaType::ImageLayer, plain[..1024].to_vec(), &plain[..1024]);
        assert!(report.is_sound());
        assert_eq!(checks(&report.warnings), [Check::Tar], "no end marker");
        let report = layer(MediaType::ImageLayer, plain[..515].to_vec(), &plain[..515]);
        assert!(report.is_sound(), "only padding is missing");
        assert_eq!(checks(&report.warnings), [Check::Tar]);
        let report = layer(MediaType::ImageLayer, plain[..514].to_vec(), &plain[..514]);
        assert_eq!(checks(&report.problems), [Check::Tar]);
        for name in ["../up", "/absolute", "a/../b"] {
            let odd = tar_of(name);
            let report = layer(MediaType::ImageLayer, odd.clone(), &odd);
            assert!(report.is_sound());
            assert_eq!(checks(&report.warnings), [Check::Path], "{name}");
        }
    }

    #[test]
    fn a_layer_that_unpacks_without_end_is_stopped() {
        let plain = vec![0; 4 << 20];
        let case = Case::new(&[(MediaType::ImageLayerGzip, gzip(&plain), plain)], |_| {});
        let options = Options { max_layer_bytes: 1 << 20, ..Options::default() };
        let report = verify(&case.layout, &options).expect("a root");
        assert_eq!(checks(&report.problems), [Check::Compression]);
        assert!(report.problems[0].message.contains("more than 1048576 bytes"));
    }

    #[test]
    fn an_index_is_walked_and_compared() {
        let case = Case::one(|_| {});
        let mut index = crate::store::empty_index();
        let mut entry = case.image.descriptor();
        if let Some(platform) = &mut entry.platform {
            platform.architecture = "arm64".to_owned();
        }
        index.manifests.push(entry);
        index.manifests.push(Descriptor::of(MediaType::ImageManifest, b"missing"));
        let root = RawDocument::new(None, to_json("index", &index).expect("JSON")).expect("an index");
        case.layout.finish(&root, &["1.0".parse().expect("a tag")]).expect("finished");
        let report = case.report();
        assert_eq!(report.root, root.digest());
        assert_eq!(checks(&report.problems), [Check::Platform, Check::Unreadable]);
        assert_eq!(report.problems[0].expected.as_deref(), Some("linux/arm64"));
    }
}
