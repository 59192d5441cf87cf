//! An image in a descriptor: the scalars that name it.

use std::fmt;

use super::slot::ScalarSlot;
use crate::types::digest::Digest;
use crate::types::reference::Reference;
use crate::types::shown::Foreign;

/// The beginning of a name that stands for an image of this project.
pub(super) const SCHEME: &str = "pack://";

/// The keys of charts that mean the same as `repository`.
pub(super) const NAME_KEYS: [&str; 2] = ["repo", "name"];

/// Whether all of `text` is meant as a name: one word behind `pack://`, if only an empty one.
pub(super) fn is_written_name(text: &str) -> bool {
    text.trim().strip_prefix(SCHEME).is_some_and(|name| !name.contains(char::is_whitespace))
}

/// Whether `text` is a name behind `pack://`: a member, or a repository.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b':');
    text.bytes().all(is_part) && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// An image in a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePlace {
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// The lines of aliases that take the same scalar.
    pub shared: Vec<usize>,
    pub(super) parts: ImageParts,
}

/// The scalars that name an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ImageParts {
    /// One has all of it.
    Whole(ScalarSlot),
    /// It is in parts.
    Split(SplitImage),
    /// An expression, whose value only another program knows.
    Expression { offset: usize, text: String },
}

/// An image in parts, as Helm's values and kustomizations have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SplitImage {
    pub registry: Option<ScalarSlot>,
    /// Kustomize's `newName`, or else its `name`.
    pub repository: ScalarSlot,
    pub tag: Option<ScalarSlot>,
    pub digest: Option<ScalarSlot>,
    /// The key for the digest where there is none, for a hint.
    pub digest_key: &'static str,
}

/// The image that a place names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenImage {
    /// `pack://NAME`: an image of this project.
    Member(String),
    /// An image of others.
    Foreign {
        /// As it is written, with its tag and without its digest.
        name: String,
        /// The same, read.
        reference: Box<Reference>,
        /// The digest, if it has one.
        digest: Option<Digest>,
    },
    /// No reference: a variable or an expression is in it, or it is none.
    Unknown(String),
}

impl fmt::Display for WrittenImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => write!(f, "{SCHEME}{name}"),
            Self::Foreign { name, digest: Some(digest), .. } => write!(f, "{name}@{digest}"),
            Self::Foreign { name, digest: None, .. } => f.write_str(name),
            Self::Unknown(text) => Foreign::new(text).fmt(f),
        }
    }
}

/// The image that a text names.
pub(super) fn written(text: &str) -> WrittenImage {
    if let Some(name) = text.strip_prefix(SCHEME) {
        return match is_name(name) {
            true => WrittenImage::Member(name.to_owned()),
            false => WrittenImage::Unknown(text.to_owned()),
        };
    }
    let unknown = || WrittenImage::Unknown(text.to_owned());
    let Ok(reference) = text.parse::<Reference>() else { return unknown() };
    let name = text.split_once('@').map_or(text, |(name, _)| name).to_owned();
    WrittenImage::Foreign { name, digest: reference.digest(), reference: Box::new(reference) }
}

impl SplitImage {
    /// All of it as one text.
    fn text(&self) -> String {
        let value = |slot: &Option<ScalarSlot>| {
            slot.as_ref().map(|slot| slot.value.trim().to_owned()).filter(|value| !is_null(value))
        };
        let repository = self.repository.value.trim();
        if repository.starts_with(SCHEME) {
            return repository.to_owned();
        }
        let mut text = value(&self.registry).map(|registry| format!("{registry}/")).unwrap_or_default();
        text.push_str(repository);
        let tag = value(&self.tag).unwrap_or_default();
        // A digest behind the tag, as Renovate writes it.
        let (tag, of_tag) = tag.split_once('@').map_or((&*tag, None), |(tag, digest)| (tag, Some(digest)));
        if !tag.is_empty() {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = value(&self.digest).as_deref().or(of_tag) {
            text.push('@');
            text.push_str(digest);
        }
        text
    }
}

impl SplitImage {
    /// The image. Without a tag and a digest it is one that only the chart or the kustomization knows: `latest` would be
    /// another one.
    fn image(&self) -> WrittenImage {
        match written(&self.text()) {
            WrittenImage::Foreign { name, reference, digest: None } if reference.tag().is_none() => {
                WrittenImage::Unknown(name)
            }
            image => image,
        }
    }
}

/// Whether a value of YAML is none.
fn is_null(value: &str) -> bool {
    matches!(value, "" | "~" | "null" | "Null" | "NULL")
}

impl ImagePlace {
    /// The place of the parts; lines come later.
    pub(super) fn new(parts: ImageParts) -> Self {
        Self { line: 0, column: 0, shared: Vec::new(), parts }
    }

    /// Where it begins, in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        match &self.parts {
            ImageParts::Whole(slot) => slot.range.start,
            ImageParts::Split(split) => split.repository.range.start,
            ImageParts::Expression { offset, .. } => *offset,
        }
    }

    /// The bytes of the values that it keeps.
    pub(super) fn kept_bytes(&self) -> usize {
        match &self.parts {
            ImageParts::Whole(slot) => slot.value.len(),
            ImageParts::Split(split) => {
                let slots = [&split.registry, &split.tag, &split.digest].into_iter().flatten();
                split.repository.value.len() + slots.map(|slot| slot.value.len()).sum::<usize>()
            }
            ImageParts::Expression { text, .. } => text.len(),
        }
    }

    /// The image that it names.
    #[must_use]
    pub fn image(&self) -> WrittenImage {
        match &self.parts {
            ImageParts::Whole(slot) => written(slot.value.trim()),
            ImageParts::Split(split) => split.image(),
            ImageParts::Expression { text, .. } => WrittenImage::Unknown(text.clone()),
        }
    }
}
