//! The new text of a descriptor, and the check that nothing is left to resolve.

use std::collections::BTreeMap;
use std::fmt;

use globset::GlobSet;
use serde::Serialize;

use super::error::ResolveError;
use super::files::{DescriptorFile, ReadDescriptors};
use super::image_lock::ImageLock;
use super::overlooked::counts;
use super::pins::{Pins, is_excluded, tagged};
use crate::descriptors::{ImagePlace, ReferenceForm, Replacement, WrittenImage, splice};
use crate::types::digest::Digest;
use crate::types::reference::{Repository, Tag};
use crate::types::shown::Foreign;

/// An image of this project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberImage {
    /// The repository.
    pub repository: Repository,
    /// A tag that leads to it.
    pub tag: Option<Tag>,
    /// Its digest.
    pub digest: Digest,
}

/// One image that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageChange {
    /// The name of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The image before.
    pub before: String,
    /// The image now.
    pub after: String,
    /// Lines that share it by an alias.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<usize>,
}

/// A descriptor with its new text.
#[derive(Clone, Debug)]
pub struct ResolvedDescriptor {
    /// The text; `None` where nothing changes.
    pub bytes: Option<Vec<u8>>,
    /// The images that were replaced.
    pub changes: Vec<ImageChange>,
    /// Images that stay as they are, and why.
    pub notes: Vec<String>,
}

/// An image that nothing pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpinned {
    /// The name of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The image.
    pub image: String,
    /// The reason.
    pub why: &'static str,
}

/// A line of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DescriptorLine {
    /// The name of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for DescriptorLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, line {}", self.file, self.line)
    }
}

/// The names behind `pack://`.
#[derive(Debug, Default)]
pub struct NamedMembers {
    /// Each once, with the first place that has it.
    pub names: BTreeMap<String, DescriptorLine>,
    /// Places that have something else behind `pack://`.
    pub wrong: Vec<ResolveError>,
}

/// The names behind `pack://` in `files`.
#[must_use]
pub fn members(files: &[DescriptorFile]) -> NamedMembers {
    let mut named = NamedMembers::default();
    for file in files {
        for place in &file.text.images {
            match place.image() {
                WrittenImage::Member(name) => {
                    let here = || DescriptorLine { file: file.name.clone(), line: place.line };
                    named.names.entry(name).or_insert_with(here);
                }
                WrittenImage::Unknown(text) if text.starts_with("pack://") => {
                    let (name, line) = (file.name.clone(), place.line);
                    named.wrong.push(ResolveError::NoName { name, line, text });
                }
                _ => {}
            }
        }
    }
    named
}

/// Makes the new text of a descriptor. Without `pins`, images of others stay as they are.
///
/// # Errors
/// When a place cannot take its image.
pub fn resolve(
    file: &DescriptorFile,
    members: &BTreeMap<String, MemberImage>,
    pins: Option<&Pins>,
    form: ReferenceForm,
) -> Result<ResolvedDescriptor, ResolveError> {
    let text = std::str::from_utf8(&file.bytes).unwrap_or_default();
    let mut resolution = ResolvedDescriptor { bytes: None, changes: Vec::new(), notes: Vec::new() };
    let mut edits = Vec::new();
    for place in &file.text.images {
        let image = place.image();
        let (replacement, after) = match &image {
            WrittenImage::Member(name) => {
                let Some(MemberImage { repository, tag, digest }) = members.get(name).cloned() else {
                    continue;
                };
                let after = shown(&repository.to_string(), tag.as_ref(), &digest, form);
                (Replacement::Image { repository, tag, digest }, after)
            }
            WrittenImage::Foreign { name, reference, .. } => {
                let Some(digest) = pins.and_then(|pins| pins.get(reference)) else { continue };
                let tag = reference.tag().cloned().unwrap_or_else(Tag::latest);
                let bare = name.strip_suffix(&format!(":{tag}")).unwrap_or(name);
                let after = shown(bare, Some(&tag), &digest, form);
                (Replacement::Pin { tag, digest }, after)
            }
            WrittenImage::Unknown(text) => {
                if pins.is_some() {
                    let text = Foreign::new(text);
                    resolution.notes.push(format!(
                        "`{}`, line {}: `{text}` stays as it is, since only another program knows its value",
                        file.name, place.line
                    ));
                }
                continue;
            }
        };
        let changes = place.edits(&replacement, form, text).map_err(|source| ResolveError::Place {
            name: file.name.clone(),
            line: place.line,
            image: image.to_string(),
            source,
        })?;
        if changes.is_empty() {
            continue;
        }
        edits.extend(changes);
        resolution.changes.push(change(file, place, &image, after));
    }
    for line in &file.text.mentions {
        resolution
            .notes
            .push(format!("`{}`, line {line}: `pack://` in a longer text stays as it is", file.name));
    }
    for line in &file.text.beside_tags {
        resolution.notes.push(format!(
            "`{}`, line {line}: the whole image stands here, and the tag or digest beside it stays as it is",
            file.name
        ));
    }
    if !edits.is_empty() {
        let shared = |offset: usize| ResolveError::Shared {
            name: file.name.clone(),
            line: 1 + memchr::memchr_iter(b'\n', &file.bytes[..offset.min(file.bytes.len())]).count(),
        };
        let bytes = splice(&file.bytes, edits).map_err(shared)?;
        resolution.bytes = (bytes != file.bytes).then_some(bytes);
    }
    Ok(resolution)
}

fn change(file: &DescriptorFile, place: &ImagePlace, image: &WrittenImage, after: String) -> ImageChange {
    ImageChange {
        file: file.name.clone(),
        line: place.line,
        column: place.column,
        before: image.to_string(),
        after,
        shared: place.shared.clone(),
    }
}

fn shown(name: &str, tag: Option<&Tag>, digest: &Digest, form: ReferenceForm) -> String {
    let tag = tag.map(|tag| format!(":{tag}")).filter(|_| form != ReferenceForm::Digest).unwrap_or_default();
    match form {
        ReferenceForm::Tag => format!("{name}{tag}"),
        _ => format!("{name}{tag}@{digest}"),
    }
}

/// The images of `files` without a digest. An entry of the lock counts, where there is one.
#[must_use]
pub fn check(read: &ReadDescriptors, exclude: &GlobSet, lock: Option<&ImageLock>) -> Vec<Unpinned> {
    let mut found = Vec::new();
    for file in read.files.iter().chain(&read.others) {
        for place in &file.text.images {
            let image = place.image();
            let why = match &image {
                WrittenImage::Foreign { digest: Some(_), .. } => continue,
                WrittenImage::Foreign { name, reference, .. } if is_excluded(exclude, name, reference) => {
                    continue;
                }
                WrittenImage::Foreign { reference, .. } => {
                    if lock.is_some_and(|lock| lock.get(&tagged(reference)).is_some()) {
                        continue;
                    }
                    "it has no digest"
                }
                WrittenImage::Member(_) => "it is not resolved",
                WrittenImage::Unknown(text) if exclude.is_match(text) => continue,
                WrittenImage::Unknown(_) => "only another program knows its value",
            };
            found.push(Unpinned {
                file: file.name.clone(),
                line: place.line,
                column: place.column,
                image: image.to_string(),
                why,
            });
        }
        for overlooked in &file.text.overlooked {
            let image = overlooked.place.image();
            let is_left = matches!(
                &image,
                WrittenImage::Foreign { name, reference, .. } if is_excluded(exclude, name, reference)
            );
            if counts(overlooked.why, &image) && !is_left {
                found.push(Unpinned {
                    file: file.name.clone(),
                    line: overlooked.place.line,
                    column: overlooked.place.column,
                    image: image.to_string(),
                    why: UNKNOWN_FORM,
                });
            }
        }
    }
    found
}

/// Why a value that looks like an image fails a check.
pub const UNKNOWN_FORM: &str = "the form of its file is not known";
