//! What two images have in common and what not: documents field by field, layers, files, and the first
//! difference that explains why the digests are not the same.
//!
//! Layers that both have, by digest or by diff ID, are not fetched. Of the others every entry is kept with its
//! metadata and the hash of its content, so that memory grows with the number of files and not with their size.
//! Whether the images are what their digests say is for `verify` to tell.

mod document;
mod listing;
#[cfg(test)]
mod tests;
mod tree;

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use std::io;

    /// The paths of a layer as they are written, once it was read twice with one result.
    pub(crate) fn listing(blob: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let budget = super::Budget::new("the input", 1 << 30, 1 << 22);
        let read =
            || super::Listing::read_blob(blob, &budget, &crate::runtime::interrupt::Interrupt::default());
        let listing = read()?;
        let same = super::first_difference(&listing, &read()?);
        assert_eq!(same, "the entries are the same, padding or the end of the tar is not");
        let tree = super::Tree::of([Some(&listing), Some(&listing)]);
        drop(tree);
        Ok(listing.entries.iter().map(|entry| entry.written().to_vec()).collect())
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use rayon::prelude::*;
use serde::Serialize;

use listing::{Listing, Node, first_difference};
use tree::Tree;

use crate::oci::select::Offer;
use crate::oci::{Descriptor, Image, ManifestOrIndex, media_type};
use crate::runtime::budget::{Budget, OverBudget, unpacking};
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::runtime::observer::Progress;
use crate::runtime::workers;
use crate::transport::Source;
use crate::transport::load::{load_image, load_manifest, offers};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, kind_behind};
use crate::types::platform::Platform;

/// How to compare.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only the images for this platform.
    pub platform: Option<Platform>,
    /// Read layers that both have, too, so that no difference is uncertain.
    pub full: bool,
    /// Layers read at a time; 0 for one per processor.
    pub jobs: usize,
    /// Who is told.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

/// Why images cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A layer cannot be read.
    #[error("{place}: layer {layer}: {source}")]
    Layer {
        /// The image.
        place: String,
        /// The layer.
        layer: Digest,
        /// Why.
        source: io::Error,
    },
    /// The images are too much to compare.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for DiffError {
    fn kind(&self) -> Kind {
        match self {
            Self::Interrupted(_) => Kind::Interrupted,
            Self::OverBudget(_) => Kind::Input,
            // A registry that failed in the middle of a layer says so itself.
            Self::Layer { source, .. } => kind_behind(source, Kind::Input),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Layer { .. } => Some("`pack verify` tells what is wrong with an image".to_owned()),
            Self::OverBudget(_) => Some("`--platform` compares the images of one platform alone".to_owned()),
            Self::Interrupted(_) => None,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The one.
    pub a: Side,
    /// The other.
    pub b: Side,
    /// Whether they have the same digest.
    pub equal: bool,
    /// The first difference that explains why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Fields in which the indexes differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub index: Vec<Field>,
    /// Platforms for which both have the same image.
    pub same: Vec<String>,
    /// Platforms that only the one has.
    pub only_in_a: Vec<String>,
    /// Platforms that only the other has.
    pub only_in_b: Vec<String>,
    /// The images that differ.
    pub images: Vec<ImageDiff>,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// As the user would write it.
    pub name: String,
    /// The digest of the manifest or index.
    pub digest: Digest,
}

/// Two images for one platform.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageDiff {
    /// The platform, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The manifest of the one.
    pub a: Digest,
    /// The manifest of the other.
    pub b: Digest,
    /// The first difference that explains the digests.
    pub first: String,
    /// Fields in which the manifests differ.
    pub manifest: Vec<Field>,
    /// Fields in which the configurations differ.
    pub config: Vec<Field>,
    /// The layers, bottom first.
    pub layers: Vec<LayerDiff>,
    /// The files that a container would see.
    pub files: Vec<Change>,
    /// Layers that both have and that were not read.
    pub unread: usize,
}

/// A layer of the one, of the other, or of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerDiff {
    /// In the one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<LayerRef>,
    /// In the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<LayerRef>,
    /// How they relate.
    pub relation: Relation,
    /// Entries in which they differ; empty unless both are there and differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<Change>,
    /// The first entry, or whatever else, that makes the tars different.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// A layer in an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerRef {
    /// Counted from 1, the bottom layer.
    pub number: usize,
    /// The digest of the blob.
    pub digest: Digest,
    /// The digest of the tar.
    pub diff_id: Digest,
    /// The size of the blob in bytes.
    pub size: u64,
    /// How the blob is compressed.
    pub compression: &'static str,
}

/// How two layers relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// The same blob.
    Shared,
    /// The same tar in other blobs.
    Compression,
    /// Other tars.
    Changed,
    /// There is none in the other.
    OnlyInA,
    /// There is none in the one.
    OnlyInB,
}

/// A field with both its values; `None` where it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name, with a path of dots.
    pub name: String,
    /// In the one.
    pub a: Option<String>,
    /// In the other.
    pub b: Option<String>,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        write!(f, "{}: {} → {}", self.name, shown(&self.a), shown(&self.b))
    }
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only the other has it.
    Added,
    /// Only the one has it.
    Removed,
    /// Both have it, and not the same.
    Changed,
}

/// A path in an image, which is any bytes: in JSON `path`, and `pathBytes` where that cannot say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    /// As text; U+FFFD stands for what is no UTF-8.
    #[serde(rename = "path")]
    pub text: String,
    /// The bytes in hexadecimal, if the text does not say them.
    #[serde(rename = "pathBytes", skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl From<&[u8]> for Path {
    fn from(path: &[u8]) -> Self {
        let text = String::from_utf8_lossy(path);
        let bytes = (text.as_bytes() != path).then(|| crate::types::digest::hex(path));
        Self { text: text.into_owned(), bytes }
    }
}

/// A path in which two trees or layers differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The path, without a slash at its beginning.
    #[serde(flatten)]
    pub path: Path,
    /// What became of it.
    pub change: ChangeKind,
    /// Whether layers that were not read may have the path, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// What it is: of two, what it is in the other.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Bytes of content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// In what they differ, if both have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

impl Change {
    fn new(path: &[u8], change: ChangeKind, node: Option<&Node>) -> Self {
        Self {
            path: path.into(),
            change,
            uncertain: false,
            kind: node.map(|node| node.kind.name().to_owned()),
            size: node.filter(|node| node.content.is_some()).map(|node| node.size),
            fields: Vec::new(),
        }
    }

    fn uncertain(path: &[u8], change: ChangeKind, node: Option<&Node>) -> Self {
        Self { uncertain: true, ..Self::new(path, change, node) }
    }
}

/// Compares what two sources name.
///
/// # Errors
/// When a document or a layer that has to be read cannot be.
pub fn diff(a: &dyn Source, b: &dyn Source, options: &Options) -> Result<Report, BoxedError> {
    let (root_a, root_b) = (a.root()?, b.root()?);
    let side = |source: &dyn Source, digest| Side { name: source.name(), digest };
    let mut report = Report {
        a: side(a, root_a.digest()),
        b: side(b, root_b.digest()),
        equal: root_a == root_b,
        first: None,
        index: Vec::new(),
        same: Vec::new(),
        only_in_a: Vec::new(),
        only_in_b: Vec::new(),
        images: Vec::new(),
    };
    if report.equal && options.platform.is_none() {
        return Ok(report);
    }
    let mut read = Read::new(a, b);
    if let Some(platform) = &options.platform {
        let (x, y) = (load_image(a, Some(platform))?.image, load_image(b, Some(platform))?.image);
        (report.a.digest, report.b.digest) = (x.digest(), y.digest());
        report.equal = x.digest() == y.digest();
        if report.equal {
            report.same.push(platform.to_string());
        } else {
            report.images.push(compare(&x, &y, (a, b), Some(platform.to_string()), options, &mut read)?);
        }
    } else {
        for pair in pairs(&offers(a)?, &offers(b)?) {
            match pair {
                (name, Some(_), None) => report.only_in_a.push(name),
                (name, None, Some(_)) => report.only_in_b.push(name),
                (name, Some(x), Some(y)) if x.digest == y.digest => report.same.push(name),
                (name, Some(x), Some(y)) => {
                    let (x, y) = (load_manifest(a, &x)?, load_manifest(b, &y)?);
                    report.images.push(compare(&x, &y, (a, b), Some(name), options, &mut read)?);
                }
                (_, None, None) => {}
            }
        }
        report.index = match (root_a.parse(), root_b.parse()) {
            (Ok(ManifestOrIndex::Index(_)), Ok(ManifestOrIndex::Index(_))) => {
                document::compare(&root_a.bytes, &root_b.bytes, &read.budget).map_err(DiffError::from)?
            }
            _ => Vec::new(),
        };
        report.first = first_of_index(&report, root_a.media_type != root_b.media_type);
    }
    if !report.equal && report.first.is_none() {
        report.first = report.images.first().map(|image| image.first.clone());
    }
    Ok(report)
}

/// Why two roots differ, if not because of an image.
fn first_of_index(report: &Report, other_type: bool) -> Option<String> {
    if let Some(image) = report.images.first() {
        let total = report.images.len() + report.same.len();
        let platform = image.platform.as_ref().filter(|_| total > 1);
        return Some(platform.map_or_else(|| image.first.clone(), |it| format!("{it}: {}", image.first)));
    }
    if let Some(platform) = report.only_in_a.first() {
        return Some(format!("{platform}: only in A"));
    }
    if let Some(platform) = report.only_in_b.first() {
        return Some(format!("{platform}: only in B"));
    }
    if let Some(field) = report.index.first() {
        return Some(format!("index: {field}"));
    }
    Some(if other_type {
        "the images are the same, the one is in an index and the other is not".to_owned()
    } else {
        "the images are the same, the index is written differently".to_owned()
    })
}

type Pair = (String, Option<Descriptor>, Option<Descriptor>);

/// The images of both, platform by platform; where each has only one, these.
fn pairs(a: &[Offer], b: &[Offer]) -> Vec<Pair> {
    let name = |offer: &Offer| {
        offer.platform.as_ref().map_or_else(|| offer.descriptor.digest.to_string(), ToString::to_string)
    };
    if let ([x], [y]) = (a, b) {
        let both = if name(x) == name(y) { name(x) } else { format!("{} → {}", name(x), name(y)) };
        return vec![(both, Some(x.descriptor.clone()), Some(y.descriptor.clone()))];
    }
    let mut pairs: BTreeMap<String, (Option<Descriptor>, Option<Descriptor>)> = BTreeMap::new();
    // Of several for one platform the first is the one that is chosen.
    for offer in a {
        pairs.entry(name(offer)).or_default().0.get_or_insert_with(|| offer.descriptor.clone());
    }
    for offer in b {
        pairs.entry(name(offer)).or_default().1.get_or_insert_with(|| offer.descriptor.clone());
    }
    pairs.into_iter().map(|(name, (a, b))| (name, a, b)).collect()
}

/// Bytes that may be kept of two images: the files of layers of some hundred thousand entries, and in what they
/// differ.
const MAX_KEPT: u64 = 160 << 20;
/// Steps that may be taken beside those for unpacking.
const STEPS: u64 = 10 << 20;

/// Layers that were read: images for several platforms have some in common.
type Listings = BTreeMap<Digest, Listing>;

/// What was read of two names, and what more may be.
struct Read {
    listings: Listings,
    budget: Budget,
}

impl Read {
    fn new(a: &dyn Source, b: &dyn Source) -> Self {
        let name = format!("the comparison of `{}` with `{}`", a.name(), b.name());
        Self { listings: Listings::new(), budget: Budget::new(name, MAX_KEPT, STEPS + unpacking(0)) }
    }

    /// Makes room for the images of the next platform, unless all fits.
    fn forget(&mut self) {
        let cost: usize = self.listings.values().map(Listing::cost).sum();
        if cost as u64 > MAX_KEPT / 8 {
            self.listings.clear();
            self.budget.release(cost);
        }
    }
}

fn compare(
    a: &Image,
    b: &Image,
    (from_a, from_b): (&dyn Source, &dyn Source),
    platform: Option<String>,
    options: &Options,
    read: &mut Read,
) -> Result<ImageDiff, BoxedError> {
    read.forget();
    let Read { listings, budget } = read;
    let manifest = document::compare(&a.raw().bytes, &b.raw().bytes, budget).map_err(DiffError::from)?;
    let config = document::compare(a.raw_config(), b.raw_config(), budget).map_err(DiffError::from)?;
    let paired = align(a.diff_ids(), b.diff_ids());
    let is_unread = |pair: &(Option<usize>, Option<usize>)| match *pair {
        (Some(x), Some(y)) => !options.full && a.diff_ids()[x] == b.diff_ids()[y],
        _ => false,
    };
    // Each layer that has to be read, once, though both sides may have it.
    let mut wanted: BTreeMap<Digest, (&dyn Source, &Descriptor)> = BTreeMap::new();
    for pair in paired.iter().filter(|pair| !is_unread(pair)) {
        if let Some(y) = pair.1 {
            wanted.insert(b.layers()[y].digest, (from_b, &b.layers()[y]));
        }
        if let Some(x) = pair.0 {
            wanted.insert(a.layers()[x].digest, (from_a, &a.layers()[x]));
        }
    }
    wanted.retain(|digest, _| !listings.contains_key(digest));
    let packed = wanted.values().fold(0, |sum: u64, (_, layer)| sum.saturating_add(layer.size));
    budget.allow(unpacking(packed) - unpacking(0));
    listings.extend(read_all(&wanted, budget, options)?);
    let listings = &*listings;
    let listing = |image: &Image, number: usize| listings.get(&image.layers()[number].digest);

    let mut layers = Vec::new();
    for pair in &paired {
        let mut layer = relate(a, b, pair.0, pair.1);
        if let (Relation::Changed, (Some(x), Some(y))) = (layer.relation, *pair)
            && let (Some(x), Some(y)) = (listing(a, x), listing(b, y))
        {
            layer.entries = tree::layer_changes(x, y, budget).map_err(DiffError::from)?;
            layer.first = Some(first_difference(x, y));
        }
        layers.push(layer);
    }
    let stack = |image: &Image, first: bool| -> Vec<Option<&Listing>> {
        let layer = |pair: &(Option<usize>, Option<usize>)| {
            let number = if first { pair.0 } else { pair.1 }?;
            Some(if is_unread(pair) { None } else { listing(image, number) })
        };
        paired.iter().filter_map(layer).collect()
    };
    let (tree_a, tree_b) = (Tree::of(stack(a, true)), Tree::of(stack(b, false)));
    let files = tree_a.changes(&tree_b, budget).map_err(DiffError::from)?;
    let first = explain(&layers, &manifest, &config, a, b);
    Ok(ImageDiff {
        platform,
        a: a.digest(),
        b: b.digest(),
        first,
        manifest,
        config,
        files,
        unread: paired.iter().filter(|pair| is_unread(pair)).count(),
        layers,
    })
}

fn read_all(
    wanted: &BTreeMap<Digest, (&dyn Source, &Descriptor)>,
    budget: &Budget,
    options: &Options,
) -> Result<Listings, BoxedError> {
    let one = |(digest, (source, layer)): (&Digest, &(&dyn Source, &Descriptor))| {
        options.interrupt.check().map_err(DiffError::from)?;
        Ok((*digest, Listing::read(*source, layer, budget, &options.progress, &options.interrupt)?))
    };
    let all = || wanted.par_iter().map(one).collect::<Result<BTreeMap<_, _>, BoxedError>>();
    workers::run(options.jobs, all)?
}

fn relate(a: &Image, b: &Image, x: Option<usize>, y: Option<usize>) -> LayerDiff {
    let layer = |image: &Image, at: usize| LayerRef {
        number: at + 1,
        digest: image.layers()[at].digest,
        diff_id: image.diff_ids()[at],
        size: image.layers()[at].size,
        compression: compression(&image.layers()[at]),
    };
    let (x, y) = (x.map(|at| layer(a, at)), y.map(|at| layer(b, at)));
    let relation = match (&x, &y) {
        (Some(x), Some(y)) if x.digest == y.digest => Relation::Shared,
        (Some(x), Some(y)) if x.diff_id == y.diff_id => Relation::Compression,
        (Some(_), Some(_)) => Relation::Changed,
        (Some(_), None) => Relation::OnlyInA,
        (None, _) => Relation::OnlyInB,
    };
    LayerDiff { a: x, b: y, relation, entries: Vec::new(), first: None }
}

fn compression(layer: &Descriptor) -> &'static str {
    use media_type::LayerCompression as C;
    match media_type::layer_compression(&layer.media_type) {
        Some(C::None) => "none",
        Some(C::Gzip) => "gzip",
        Some(C::Zstd) => "zstd",
        None => "unknown",
    }
}

/// What made the digests differ, from the bottom up: content decides the configuration, and both the manifest.
fn explain(layers: &[LayerDiff], manifest: &[Field], config: &[Field], a: &Image, b: &Image) -> String {
    if let Some(layer) = layers.iter().find(|layer| layer.relation != Relation::Shared) {
        return match (&layer.a, &layer.b) {
            (Some(x), Some(y)) => {
                let place = if x.number == y.number {
                    format!("layer {}", x.number)
                } else {
                    format!("layer {} ({} in B)", x.number, y.number)
                };
                match &layer.first {
                    Some(first) => format!("{place}: {first}"),
                    None => {
                        let packed = |it: &LayerRef| format!("{}, {} bytes", it.compression, it.size);
                        format!("{place}: same files, different compression ({} → {})", packed(x), packed(y))
                    }
                }
            }
            (Some(x), None) => format!("layer {}: only in A", x.number),
            (None, Some(y)) => format!("layer {}: only in B", y.number),
            (None, None) => String::new(),
        };
    }
    if let Some(field) = config.first() {
        return format!("config: {field}");
    }
    if a.diff_ids() != b.diff_ids() {
        return "config: the same layers have other diff IDs, of which one list is wrong".to_owned();
    }
    if let Some(field) = manifest.first() {
        return format!("manifest: {field}");
    }
    if a.raw_config() != b.raw_config() {
        return "the configurations say the same and are written differently".to_owned();
    }
    "the manifests say the same and are written differently".to_owned()
}

/// Pairs layers: equal ones by a longest common subsequence, and between those one by one in order.
fn align(a: &[Digest], b: &[Digest]) -> Vec<(Option<usize>, Option<usize>)> {
    // Lengths of the longest common subsequences of all ends; a manifest has at most some hundred layers.
    let width = b.len() + 1;
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    for x in (0..a.len()).rev() {
        for y in (0..b.len()).rev() {
            longest[x * width + y] = if a[x] == b[y] {
                longest[(x + 1) * width + y + 1] + 1
            } else {
                longest[(x + 1) * width + y].max(longest[x * width + y + 1])
            };
        }
    }
    let mut pairs = Vec::new();
    let (mut x, mut y) = (0, 0);
    let (mut only_a, mut only_b) = (Vec::new(), Vec::new());
    let flush = |pairs: &mut Vec<_>, only_a: &mut Vec<usize>, only_b: &mut Vec<usize>| {
        for at in 0..only_a.len().max(only_b.len()) {
            pairs.push((only_a.get(at).copied(), only_b.get(at).copied()));
        }
        only_a.clear();
        only_b.clear();
    };
    while x < a.len() || y < b.len() {
        if x < a.len() && y < b.len() && a[x] == b[y] {
            flush(&mut pairs, &mut only_a, &mut only_b);
            pairs.push((Some(x), Some(y)));
            (x, y) = (x + 1, y + 1);
        } else if y >= b.len() || (x < a.len() && longest[(x + 1) * width + y] >= longest[x * width + y + 1])
        {
            only_a.push(x);
            x += 1;
        } else {
            only_b.push(y);
            y += 1;
        }
    }
    flush(&mut pairs, &mut only_a, &mut only_b);
    pairs
}
