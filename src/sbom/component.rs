//! A component of an image: a package, and each place that it lies at.

use std::collections::BTreeSet;

use super::package::{CoordinateEvidence, Ecosystem};
use super::purl::Purl;
use crate::types::digest::Digest;

/// A place that a package lies at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackagePlace {
    /// The path in the image, and behind `!/` the one in an archive.
    pub path: String,
    /// The diffID of the layer.
    pub layer: Digest,
    /// The digest of the file or archive, where the package is one.
    pub digest: Option<Digest>,
}

/// A package of an image, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its name in documents: the package URL, or else ecosystem, name and version. No two components have the same.
    pub reference: String,
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// The group or scope; empty if it has none.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The version; empty where none is known.
    pub version: String,
    /// The package URL, where its coordinates are stated.
    pub purl: Option<Purl>,
    /// How sure the coordinates are: of several places the surest.
    pub evidence: CoordinateEvidence,
    /// Its licences, as they are stated.
    pub licences: Vec<String>,
    /// Where it lies.
    pub places: BTreeSet<PackagePlace>,
    /// More that is known, as names and values.
    pub properties: BTreeSet<(String, String)>,
    /// The references of the components that it needs or contains.
    pub needs: BTreeSet<String>,
}

impl Component {
    /// The digest of its file; `None` where it has several that differ, or none.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        let digests: BTreeSet<Digest> = self.places.iter().filter_map(|place| place.digest).collect();
        if digests.len() == 1 { digests.into_iter().next() } else { None }
    }
}
