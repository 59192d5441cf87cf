//! The diff IDs that configurations have for layers, against the tars of the layers.
//!
//! Two layers with the same entries are read once more: either their tars differ elsewhere, or a configuration is wrong.

use super::options::DiffOptions;
use crate::inspect::layer_reader::tar_digest;
use crate::inspect::reading_error::ReadingError;
use crate::oci::{Descriptor, Image};
use crate::runtime::budget::{Budget, unpacking};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// The reason why tars with the same entries differ, as far as the entries tell.
pub(super) const SAME_ENTRIES: &str = "the entries are the same, padding or the end of the tar is not";

/// A layer with the diff ID that a configuration has for it.
pub(super) struct DescribedLayer<'a> {
    source: &'a dyn Source,
    layer: &'a Descriptor,
    diff_id: Digest,
}

impl<'a> DescribedLayer<'a> {
    pub(super) fn of(source: &'a dyn Source, image: &'a Image, at: usize) -> Self {
        Self { source, layer: &image.layers()[at], diff_id: image.diff_ids()[at] }
    }

    fn tar_digest(&self, budget: &Budget, options: &DiffOptions) -> Result<Digest, BoxedError> {
        let read = tar_digest(self.source.blob(self.layer)?, budget, &options.interrupt);
        Ok(read
            .map_err(|error| ReadingError::of(self.source.name(), self.layer, &options.interrupt, error))?)
    }
}

/// Why layers with the same entries and other diff IDs differ. It reads both.
///
/// # Errors
/// When a layer cannot be read.
pub(super) fn reason(
    a: &DescribedLayer<'_>,
    b: &DescribedLayer<'_>,
    budget: &Budget,
    options: &DiffOptions,
) -> Result<String, BoxedError> {
    budget.allow(unpacking(a.layer.size.saturating_add(b.layer.size)) - unpacking(0));
    let tars = [a.tar_digest(budget, options)?, b.tar_digest(budget, options)?];
    Ok(worded([a.diff_id, b.diff_id], tars))
}

/// The reason, from the diff IDs of the configurations and the digests of the tars.
pub(super) fn worded(diff_ids: [Digest; 2], tars: [Digest; 2]) -> String {
    let mut reason =
        if tars[0] == tars[1] { "the tars are the same".to_owned() } else { SAME_ENTRIES.to_owned() };
    for (at, name) in ["A", "B"].into_iter().enumerate() {
        if diff_ids[at] != tars[at] {
            let (diff_id, tar) = (diff_ids[at], tars[at]);
            reason.push_str(&format!(
                "; the diff ID {diff_id} in {name} is not that of its layer, which is {tar}"
            ));
        }
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_diff_id_is_told_with_the_side_that_has_it() {
        let of = |text: &str| Digest::of(text.as_bytes());
        let (one, other, wrong) = (of("one"), of("other"), of("wrong"));
        assert_eq!(worded([one, other], [one, other]), SAME_ENTRIES);
        let in_b = format!("the diff ID {wrong} in B is not that of its layer, which is");
        assert_eq!(worded([one, wrong], [one, one]), format!("the tars are the same; {in_b} {one}"));
        assert_eq!(worded([one, wrong], [one, other]), format!("{SAME_ENTRIES}; {in_b} {other}"));
        let both = worded([other, wrong], [one, one]);
        assert!(both.contains(" in A is not ") && both.contains(" in B is not "), "{both}");
    }
}
