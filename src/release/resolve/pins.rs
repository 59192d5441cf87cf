//! The digests of images of others: from the lock, else from their registries, each reference once.
//!
//! A digest is that of the index where the tag is one. Digests that are there already, in a descriptor or in the lock, are
//! asked for too: one that the registry has lost would fail when it is pulled.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};
use rayon::prelude::*;

use super::error::ResolveError;
use super::files::DescriptorFile;
use super::image_lock::ImageLock;
use crate::descriptors::{ImagePlace, WrittenImage};
use crate::registry::Client;
use crate::runtime::workers::Workers;
use crate::types::digest::Digest;
use crate::types::reference::{Reference, Tag};

/// The digests of references with a tag.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    found: BTreeMap<String, Digest>,
    /// The entries of the lock that got another digest: reference, before, after.
    pub moved: Vec<(String, Digest, Digest)>,
}

/// The reference with the tag that it means.
pub(super) fn tagged(reference: &Reference) -> Reference {
    let tag = reference.tag().cloned().unwrap_or_else(Tag::latest);
    reference.repository().at_tag(tag)
}

/// Patterns of images that stay as they are: of the name as it is written, or of its full form.
///
/// # Errors
/// When one is no pattern.
pub fn exclusions(patterns: &[String]) -> Result<GlobSet, ResolveError> {
    let pattern = |pattern: &String, why: &globset::Error| ResolveError::Pattern {
        pattern: pattern.clone(),
        why: why.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for text in patterns {
        set.add(Glob::new(text).map_err(|error| pattern(text, &error))?);
    }
    set.build().map_err(|error| pattern(&patterns.join(" "), &error))
}

/// Whether an image stays as it is.
pub(super) fn is_excluded(exclude: &GlobSet, name: &str, reference: &Reference) -> bool {
    exclude.is_match(name)
        || exclude.is_match(tagged(reference).to_string())
        || exclude.is_match(reference.repository().to_string())
}

/// A question to a registry.
struct DigestLookup<'f> {
    /// The question: by digest where one is known.
    reference: Reference,
    file: &'f DescriptorFile,
    place: &'f ImagePlace,
    is_locked: bool,
    /// The reference with a tag that gets the answer.
    tagged: Option<Reference>,
}

impl Pins {
    /// Finds the digests of all images of others in `files`, and enters them into `lock`. With `update`, tags are asked for
    /// even where a digest is known.
    ///
    /// # Errors
    /// When a registry cannot be asked, or does not have one.
    pub fn find(
        files: &[DescriptorFile],
        exclude: &GlobSet,
        lock: &mut ImageLock,
        update: bool,
        client: &Client,
        workers: &Workers,
    ) -> Result<Self, ResolveError> {
        let mut lookups: BTreeMap<String, DigestLookup<'_>> = BTreeMap::new();
        for file in files {
            for place in &file.text.images {
                let WrittenImage::Foreign { name, reference, digest } = place.image() else { continue };
                if is_excluded(exclude, &name, &reference) {
                    continue;
                }
                let tag = tagged(&reference);
                let locked = lock.get(&tag).filter(|_| digest.is_none());
                // Without a tag, a digest says all.
                let moves = update && (digest.is_none() || reference.tag().is_some());
                let known = digest.or(locked).filter(|_| !moves);
                let asked = known.map_or_else(|| tag.clone(), |digest| tag.repository().at_digest(digest));
                let takes = digest.is_none() || moves;
                let key = format!("{asked} {takes} {tag}");
                lookups.entry(key).or_insert(DigestLookup {
                    reference: asked,
                    file,
                    place,
                    is_locked: locked.is_some() && !moves,
                    tagged: takes.then_some(tag),
                });
            }
        }
        let lookups: Vec<DigestLookup<'_>> = lookups.into_values().collect();
        let mut asked: Vec<&Reference> = lookups.iter().map(|lookup| &lookup.reference).collect();
        asked.sort();
        asked.dedup();
        let pool = workers.pool().map_err(|error| ResolveError::Other(error.into()))?;
        let answers: BTreeMap<&Reference, _> = pool
            .install(|| {
                asked.par_iter().map(|reference| (*reference, client.resolve(reference))).collect::<Vec<_>>()
            })
            .into_iter()
            .collect();
        let mut answers = answers;
        let mut pins = Self::default();
        for DigestLookup { reference, file, place, is_locked, tagged } in &lookups {
            let (name, line) = (file.name.clone(), place.line);
            let shown = reference.to_string();
            let digest = match answers.get(reference) {
                Some(Ok(Some(found))) => found.digest,
                Some(Ok(None)) | None => {
                    return Err(ResolveError::Missing {
                        reference: shown,
                        name,
                        line,
                        is_locked: *is_locked,
                    });
                }
                Some(Err(_)) => {
                    let Some(Err(source)) = answers.remove(reference) else { continue };
                    return Err(ResolveError::Registry {
                        reference: shown,
                        name,
                        line,
                        source: Box::new(source),
                    });
                }
            };
            if let Some(tagged) = tagged {
                pins.found.insert(tagged.to_string(), digest);
                if let Some(before) = lock.set(tagged, digest).filter(|before| *before != digest) {
                    pins.moved.push((tagged.to_string(), before, digest));
                }
            }
        }
        Ok(pins)
    }

    /// The digest of an image; `None` for one that stays as it is.
    pub(super) fn get(&self, reference: &Reference) -> Option<Digest> {
        self.found.get(&tagged(reference).to_string()).copied()
    }
}
