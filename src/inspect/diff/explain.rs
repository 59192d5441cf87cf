//! The first difference that explains why two digests are not the same.

use super::report::{FieldDifference, ImageComparison, LayerDiff, LayerRef, Relation};
use crate::oci::Image;

/// Why two roots differ, if not because of an image.
pub(super) fn first_of_index(report: &ImageComparison, other_type: bool) -> Option<String> {
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

/// The reason why the digests differ, from the bottom up: content decides the configuration, and both decide the
/// manifest.
pub(super) fn explain(
    layers: &[LayerDiff],
    manifest: &[FieldDifference],
    config: &[FieldDifference],
    a: &Image,
    b: &Image,
) -> String {
    let has_other_diff_id = |layer: &LayerDiff| match (&layer.a, &layer.b) {
        (Some(x), Some(y)) => x.diff_id != y.diff_id,
        _ => false,
    };
    if let Some(layer) =
        layers.iter().find(|layer| layer.relation != Relation::Shared || has_other_diff_id(layer))
    {
        return match (&layer.a, &layer.b) {
            (Some(x), Some(y)) => {
                let place = if x.number == y.number {
                    format!("layer {}", x.number)
                } else {
                    format!("layer {} ({} in B)", x.number, y.number)
                };
                match &layer.first {
                    Some(first) => format!("{place}: {first}"),
                    None if layer.relation == Relation::Shared => format!(
                        "{place}: the same blob has the diff ID {} in A and {} in B, and one of them is wrong",
                        x.diff_id, y.diff_id
                    ),
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
    if let Some(field) = manifest.first() {
        return format!("manifest: {field}");
    }
    if a.raw_config() != b.raw_config() {
        return "the configurations say the same and are written differently".to_owned();
    }
    "the manifests say the same and are written differently".to_owned()
}
