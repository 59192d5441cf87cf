//! The facts about a base.

use std::collections::BTreeSet;

use crate::types::digest::Digest;
use crate::types::policy::{JudgedBase, KeyName, Knowledge};
use crate::types::time::seconds_of_rfc3339;

/// When a base says that it was made; several platforms are as old as the oldest.
#[must_use]
pub fn age_of<'a>(created: impl Iterator<Item = Option<&'a str>>) -> Knowledge<u64> {
    let mut oldest = None;
    for created in created {
        match created.and_then(seconds_of_rfc3339) {
            Some(seconds) => oldest = Some(oldest.map_or(seconds, |oldest: u64| oldest.min(seconds))),
            None => return Knowledge::Unknown("its configuration has no date".to_owned()),
        }
    }
    oldest.map_or_else(|| Knowledge::Unknown("its configuration was not read".to_owned()), Knowledge::Known)
}

/// The facts about a base with this name and these digests.
#[must_use]
pub fn judged_base(
    name: &str,
    digests: impl IntoIterator<Item = Digest>,
    created: Knowledge<u64>,
    signers: Knowledge<BTreeSet<KeyName>>,
) -> JudgedBase {
    JudgedBase { name: Some(name.to_owned()), digests: digests.into_iter().collect(), created, signers }
}
