//! Where a layer can go on from an earlier blob that begins alike.
//!
//! The two digests of a layer are sequential, so a change in the middle needs nothing of what stands before it but
//! the states of both hashes at that place. A blob's list holds them after every few bodies, each under a *trail*:
//! a hash over all that decides the bodies so far. A layer with the same trail has the same bytes up to there: its
//! files are not read, nothing is hashed, and the encoded bodies are copied.

use serde::{Deserialize, Serialize};

use super::body::{Bodies, Body, Segment};
use super::encode::Compression;
use super::identity::FORMAT;
use super::spec::LayerSpec;
use crate::types::digest::{Key, KeyBuilder, Midstate};

/// After how many bodies the states are kept: about 200 bytes for each half to four MiB of tar.
const EVERY: usize = 4;

/// The states of a blob's hashes after some of its bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// How many bodies.
    pub(super) bodies: usize,
    /// Of the uncompressed tar.
    pub(super) tar: Midstate,
    /// Of the blob, which begins with the compression's prologue.
    pub(super) blob: Midstate,
}

/// A [`Mark`] with what a layer must begin with to go on from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(super) trail: Key,
    pub(super) mark: Mark,
}

/// Whether states are kept after so many bodies.
pub(super) const fn is_marked(bodies: usize) -> bool {
    bodies > 0 && bodies.is_multiple_of(EVERY)
}

/// The checkpoints of a layer whose entries have these keys, from the marks that were made while it was built.
pub(super) fn checkpoints(
    layer: &LayerSpec,
    compression: Compression,
    keys: &[Key],
    marks: Vec<Mark>,
) -> Vec<Checkpoint> {
    if marks.is_empty() {
        return Vec::new();
    }
    let mut marks = marks.into_iter().peekable();
    let mut found = Vec::new();
    for (bodies, trail) in Trails::new(layer, compression, keys) {
        while let Some(mark) = marks.next_if(|mark| mark.bodies <= bodies) {
            if mark.bodies == bodies {
                found.push(Checkpoint { trail, mark });
            }
        }
    }
    found
}

/// The trails of a layer at the places where marks are made, with the number of bodies before each.
pub(super) struct Trails<'a> {
    bodies: Bodies<'a>,
    keys: &'a [Key],
    trail: Key,
    count: usize,
}

impl<'a> Trails<'a> {
    /// `keys` are those of the layer's entries.
    pub(super) fn new(layer: &'a LayerSpec, compression: Compression, keys: &'a [Key]) -> Self {
        let start =
            KeyBuilder::new("pack trail").number(FORMAT).part(compression.encoder_id().as_bytes()).finish();
        Self { bodies: compression.bodies(layer.entries()), keys, trail: start, count: 0 }
    }

    fn step(&mut self, body: &Body) {
        let mut key = KeyBuilder::new("pack step").part(&self.trail.0).part(body.kind.name().as_bytes());
        for segment in &body.segments {
            key = match *segment {
                Segment::Header(entry) => key.part(b"header").part(&self.keys[entry].0),
                Segment::Payload { entry, offset, length } => {
                    key.part(b"payload").part(&self.keys[entry].0).number(offset).number(length)
                }
                Segment::Zeros(length) => key.part(b"zeros").number(length as u64),
            };
        }
        self.trail = key.finish();
        self.count += 1;
    }
}

impl Iterator for Trails<'_> {
    type Item = (usize, Key);

    fn next(&mut self) -> Option<(usize, Key)> {
        loop {
            // An entry that cannot be written as tar is found when the layer is built.
            let body = self.bodies.next()?.ok()?;
            self.step(&body);
            if is_marked(self.count) {
                return Some((self.count, self.trail));
            }
        }
    }
}
