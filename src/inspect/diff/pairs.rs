//! Which layers of two images belong together, and which images of two indexes.

use std::collections::BTreeMap;

use super::report::{LayerDiff, LayerRef, Relation};
use crate::oci::select::Offer;
use crate::oci::{Descriptor, Image, media_type};
use crate::types::digest::Digest;

pub(super) type Pair = (String, Option<Descriptor>, Option<Descriptor>);

/// The images of both, platform by platform; where each has only one, these.
pub(super) fn pairs(a: &[Offer], b: &[Offer]) -> Vec<Pair> {
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

/// Layer `x` of the one beside layer `y` of the other.
pub(super) fn relate(a: &Image, b: &Image, x: Option<usize>, y: Option<usize>) -> LayerDiff {
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
    LayerDiff { a: x, b: y, relation, entries: Vec::new(), first: None, first_entry: None }
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

/// Pairs layers: equal ones by a longest common subsequence, and between those one by one in order.
pub(super) fn align(a: &[Digest], b: &[Digest]) -> Vec<(Option<usize>, Option<usize>)> {
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
