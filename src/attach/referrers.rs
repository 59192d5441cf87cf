//! The documents that refer to an image, and those that refer to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::oci::artifact::listed_type;
use crate::oci::{Descriptor, ManifestOrIndex};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// The depth to which referrers of referrers are followed.
const MAX_DEPTH: usize = 4;

/// So many referrers are listed.
const MOST: usize = 1000;

/// The documents that refer to an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferrerTree {
    /// The image.
    pub subject: Digest,
    /// Whether the place can list any at all: it has the referrers API, or the tag that stands in for it.
    pub listed: bool,
    /// Those that were found, in the order of their types and digests.
    pub referrers: Vec<Referrer>,
    /// Whether there are more than are shown.
    pub truncated: bool,
}

/// A manifest that refers to another one, as the list has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// The manifest.
    pub digest: Digest,
    /// Its type of artifact.
    pub artifact_type: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Those that refer to it in turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referrers: Vec<Referrer>,
}

/// Lists what refers to `subject`, those of one type alone if one is named, each with what refers to it.
///
/// # Errors
/// When the place cannot be asked.
pub fn tree(source: &dyn Source, subject: &Digest, kind: Option<&str>) -> Result<ReferrerTree, BoxedError> {
    let mut walk = ReferrerWalk { source, seen: BTreeSet::from([*subject]), truncated: false };
    let found = source.referrers(subject)?;
    let listed = found.is_some();
    let mut found = found.unwrap_or_default();
    if let Some(kind) = kind {
        found.truncate(MOST);
        for entry in &mut found {
            entry.artifact_type = own_type(source, entry)?;
        }
        found.retain(|entry| entry.artifact_type.as_deref() == Some(kind));
    }
    let referrers = walk.below(found, 1)?;
    Ok(ReferrerTree { subject: *subject, listed, referrers, truncated: walk.truncated })
}

/// Lists what refers to `subject`, as the list has it: one question, whatever it lists.
///
/// # Errors
/// When the place cannot be asked.
pub fn list(source: &dyn Source, subject: &Digest) -> Result<ReferrerTree, BoxedError> {
    let found = source.referrers(subject)?;
    let listed = found.is_some();
    let found = found.unwrap_or_default();
    let truncated = found.len() > MOST;
    let referrers = found.into_iter().take(MOST).map(|entry| Referrer {
        digest: entry.digest,
        artifact_type: listed_type(&entry).map(str::to_owned),
        size: entry.size,
        annotations: entry.annotations,
        referrers: Vec::new(),
    });
    let mut referrers: Vec<Referrer> = referrers.collect();
    sort(&mut referrers);
    Ok(ReferrerTree { subject: *subject, listed, referrers, truncated })
}

/// The type of an artifact: that of its manifest, where the list does not say it.
fn own_type(source: &dyn Source, entry: &Descriptor) -> Result<Option<String>, BoxedError> {
    if let Some(listed) = listed_type(entry) {
        return Ok(Some(listed.to_owned()));
    }
    Ok(match source.document(entry)?.parse() {
        Ok(ManifestOrIndex::Manifest(manifest)) => manifest.artifact_type,
        Ok(ManifestOrIndex::Index(index)) => index.artifact_type,
        Err(_) => None,
    })
}

struct ReferrerWalk<'a> {
    source: &'a dyn Source,
    seen: BTreeSet<Digest>,
    truncated: bool,
}

impl ReferrerWalk<'_> {
    fn below(&mut self, listed: Vec<Descriptor>, depth: usize) -> Result<Vec<Referrer>, BoxedError> {
        let mut referrers = Vec::new();
        for entry in listed {
            if self.seen.len() > MOST {
                self.truncated = true;
                break;
            }
            // A list may name itself.
            if !self.seen.insert(entry.digest) {
                continue;
            }
            let below = match depth < MAX_DEPTH {
                true => self.source.referrers(&entry.digest)?.unwrap_or_default(),
                false => Vec::new(),
            };
            referrers.push(Referrer {
                digest: entry.digest,
                artifact_type: own_type(self.source, &entry)?,
                size: entry.size,
                annotations: entry.annotations,
                referrers: self.below(below, depth + 1)?,
            });
        }
        sort(&mut referrers);
        Ok(referrers)
    }
}

/// Puts them in the order of their types and digests: registries list them in any order.
fn sort(referrers: &mut [Referrer]) {
    referrers.sort_by(|a, b| (&a.artifact_type, a.digest).cmp(&(&b.artifact_type, b.digest)));
}
