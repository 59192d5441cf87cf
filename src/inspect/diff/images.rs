//! Two names, platform by platform and layer by layer.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::diff_ids::{self, DescribedLayer};
use super::document;
use super::error::TooMuchToCompare;
use super::explain::{explain, first_of_index};
use super::listing::{LayerListing, first_difference};
use super::options::DiffOptions;
use super::pairs::{align, pairs, relate};
use super::report::{ImageComparison, ImageDiff, Relation, Side};
use super::tree::{ImageTree, layer_changes};
use crate::oci::{Descriptor, Image, ManifestOrIndex};
use crate::runtime::budget::{Budget, unpacking};
use crate::runtime::workers;
use crate::transport::Source;
use crate::transport::load::{load_image, load_manifest, offers};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// Compares what two sources name.
///
/// # Errors
/// When a document or a layer that has to be read cannot be.
pub fn diff(a: &dyn Source, b: &dyn Source, options: &DiffOptions) -> Result<ImageComparison, BoxedError> {
    let (root_a, root_b) = (a.root()?, b.root()?);
    let side = |source: &dyn Source, digest| Side { name: source.name(), digest };
    let mut report = ImageComparison {
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
    let mut read = LayerCache::new(a, b);
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
                document::compare(&root_a.bytes, &root_b.bytes, &read.budget)
                    .map_err(TooMuchToCompare::from)?
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

/// Bytes that may be kept of two images: the files of layers of some hundred thousand entries, and in what they
/// differ.
const MAX_KEPT: u64 = 160 << 20;
/// Steps that may be taken beside those for unpacking.
const STEPS: u64 = 10 << 20;

/// Layers that were read: images for several platforms have some in common.
type Listings = BTreeMap<Digest, LayerListing>;

/// The bytes that were read of two names, and the bytes that may still be read.
struct LayerCache {
    listings: Listings,
    budget: Budget,
}

impl LayerCache {
    fn new(a: &dyn Source, b: &dyn Source) -> Self {
        let name = format!("the comparison of `{}` with `{}`", a.name(), b.name());
        Self {
            listings: Listings::new(),
            budget: Budget::with_unpacking(name, MAX_KEPT, STEPS, unpacking(0)),
        }
    }

    /// Makes room for the images of the next platform, unless all fits.
    fn forget(&mut self) {
        let cost: usize = self.listings.values().map(LayerListing::cost).sum();
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
    options: &DiffOptions,
    read: &mut LayerCache,
) -> Result<ImageDiff, BoxedError> {
    read.forget();
    let LayerCache { listings, budget } = read;
    let manifest =
        document::compare(&a.raw().bytes, &b.raw().bytes, budget).map_err(TooMuchToCompare::from)?;
    let config = document::compare(a.raw_config(), b.raw_config(), budget).map_err(TooMuchToCompare::from)?;
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
        if let (Some(x), Some(y)) = *pair
            && layer.relation != Relation::Shared
            && let (Some(listed_x), Some(listed_y)) = (listing(a, x), listing(b, y))
        {
            let mut first = first_difference(listed_x, listed_y);
            if layer.relation == Relation::Compression && first.entry.is_some() {
                let diff_id = a.diff_ids()[x];
                first
                    .text
                    .push_str(&format!("; both have the diff ID {diff_id}, which is wrong for one of them"));
                layer.relation = Relation::Changed;
            }
            if layer.relation == Relation::Changed {
                if first.entry.is_none() {
                    let both = [DescribedLayer::of(from_a, a, x), DescribedLayer::of(from_b, b, y)];
                    first.text = diff_ids::reason(&both[0], &both[1], budget, options)?;
                }
                layer.entries = layer_changes(listed_x, listed_y, budget).map_err(TooMuchToCompare::from)?;
                (layer.first, layer.first_entry) = (Some(first.text), first.entry);
            }
        }
        layers.push(layer);
    }
    let stack = |image: &Image, first: bool| -> Vec<Option<&LayerListing>> {
        let layer = |pair: &(Option<usize>, Option<usize>)| {
            let number = if first { pair.0 } else { pair.1 }?;
            Some(if is_unread(pair) { None } else { listing(image, number) })
        };
        paired.iter().filter_map(layer).collect()
    };
    let (tree_a, tree_b) = (ImageTree::of(stack(a, true)), ImageTree::of(stack(b, false)));
    let files = tree_a.changes(&tree_b, budget).map_err(TooMuchToCompare::from)?;
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
    options: &DiffOptions,
) -> Result<Listings, BoxedError> {
    let one = |(digest, (source, layer)): (&Digest, &(&dyn Source, &Descriptor))| {
        options.interrupt.check()?;
        Ok((*digest, LayerListing::read(*source, layer, budget, &options.progress, &options.interrupt)?))
    };
    let all = || wanted.par_iter().map(one).collect::<Result<BTreeMap<_, _>, BoxedError>>();
    workers::run(options.jobs, all)?
}
