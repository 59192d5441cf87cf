//! The changes that put another image into a place.

use std::str::FromStr;

use super::place::{ImageParts, ImagePlace, SplitImage, WrittenImage};
use super::slot::{NoPlace, ScalarSlot};
use super::splice::TextEdit;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Repository, Tag};

/// How an image is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferenceForm {
    /// `name:tag@digest`
    #[default]
    Both,
    /// `name@digest`
    Digest,
    /// `name:tag`
    Tag,
}

impl FromStr for ReferenceForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "both" => Ok(Self::Both),
            "digest" => Ok(Self::Digest),
            "tag" => Ok(Self::Tag),
            _ => Err("it is none of both, digest, tag".to_owned()),
        }
    }
}

/// The image that a place gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Another image.
    Image {
        /// The repository.
        repository: Repository,
        /// A tag that leads to it.
        tag: Option<Tag>,
        /// Its digest.
        digest: Digest,
    },
    /// The same image with a digest.
    Pin {
        /// The tag that the digest came from.
        tag: Tag,
        /// The digest.
        digest: Digest,
    },
}

/// A place that cannot have the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImagePlaceError {
    /// No key for the digest or the tag.
    #[error("there is no key for the digest: neither `{digest_key}` nor one for the tag")]
    NoDigestKey {
        /// The key.
        digest_key: &'static str,
    },
    /// A form with a tag, and no tag.
    #[error("the image has no tag")]
    NoTag,
    /// A scalar that is written in a way that cannot be changed.
    #[error("it is written in a way that cannot be changed in its place")]
    Spelling,
}

impl Explain for ImagePlaceError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::DescriptorBroken)
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoDigestKey { digest_key } => Some(format!("add `{digest_key}: \"\"` beside it")),
            Self::NoTag => Some("give the image a tag, or use `--form digest`".to_owned()),
            Self::Spelling => Some("write the value on one line, in quotes".to_owned()),
        }
    }
}

impl From<NoPlace> for ImagePlaceError {
    fn from(_: NoPlace) -> Self {
        Self::Spelling
    }
}

/// `:tag`, `@digest` or both.
fn suffix(
    tag: Option<&Tag>,
    digest: &Digest,
    form: ReferenceForm,
) -> Result<(Option<String>, Option<String>), ImagePlaceError> {
    let tag = tag.map(ToString::to_string);
    Ok(match form {
        ReferenceForm::Both => (tag, Some(digest.to_string())),
        ReferenceForm::Digest => (None, Some(digest.to_string())),
        ReferenceForm::Tag => (Some(tag.ok_or(ImagePlaceError::NoTag)?), None),
    })
}

impl ImagePlace {
    /// The changes of `text`, which the place is in, that put an image there. None where it is there already.
    ///
    /// # Errors
    /// When there is no scalar that could take a part of it.
    pub fn edits(
        &self,
        replacement: &Replacement,
        form: ReferenceForm,
        text: &str,
    ) -> Result<Vec<TextEdit>, ImagePlaceError> {
        let (tag, digest) = match replacement {
            Replacement::Image { tag, digest, .. } => suffix(tag.as_ref(), digest, form)?,
            Replacement::Pin { tag, digest } => suffix(Some(tag), digest, form)?,
        };
        match &self.parts {
            ImageParts::Whole(slot) => {
                let mut value = match replacement {
                    Replacement::Image { repository, .. } => repository.to_string(),
                    Replacement::Pin { .. } => self.bare_name(),
                };
                if let Some(tag) = tag {
                    value = format!("{value}:{tag}");
                }
                if let Some(digest) = digest {
                    value = format!("{value}@{digest}");
                }
                Ok(slot.edit(&value, text)?.into_iter().collect())
            }
            ImageParts::Split(split) => {
                let repository = match replacement {
                    Replacement::Image { repository, .. } => Some(repository),
                    Replacement::Pin { .. } => None,
                };
                split.edits(repository, tag, digest, text)
            }
            ImageParts::Expression { .. } => Err(ImagePlaceError::Spelling),
        }
    }

    /// The name as it is written, without tag and digest.
    fn bare_name(&self) -> String {
        match self.image() {
            WrittenImage::Foreign { name, reference, .. } => match reference.tag() {
                Some(tag) => name.strip_suffix(&format!(":{tag}")).map_or(name.clone(), ToOwned::to_owned),
                None => name,
            },
            WrittenImage::Member(name) | WrittenImage::Unknown(name) => name,
        }
    }
}

impl SplitImage {
    fn edits(
        &self,
        repository: Option<&Repository>,
        tag: Option<String>,
        digest: Option<String>,
        text: &str,
    ) -> Result<Vec<TextEdit>, ImagePlaceError> {
        let mut edits = Vec::new();
        let mut set = |slot: &ScalarSlot, value: &str| -> Result<(), ImagePlaceError> {
            edits.extend(slot.edit(value, text)?);
            Ok(())
        };
        if let Some(repository) = repository {
            match self.registry.as_ref().filter(|registry| !registry.value.trim().is_empty()) {
                Some(registry) => {
                    set(registry, repository.registry().as_str())?;
                    set(&self.repository, repository.path())?;
                }
                None => set(&self.repository, &repository.to_string())?,
            }
        }
        match (&self.digest, &self.tag, tag, digest) {
            (Some(slot), tag_slot, tag, Some(digest)) => {
                set(slot, &digest)?;
                if let (Some(slot), Some(tag)) = (tag_slot, tag) {
                    set(slot, &tag)?;
                }
            }
            (None, Some(slot), Some(tag), Some(digest)) => set(slot, &format!("{tag}@{digest}"))?,
            (digest_slot, Some(slot), Some(tag), None) => {
                set(slot, &tag)?;
                // A digest that was there is that of another image.
                if let Some(slot) = digest_slot.as_ref().filter(|slot| !slot.value.is_empty()) {
                    set(slot, "")?;
                }
            }
            _ => return Err(ImagePlaceError::NoDigestKey { digest_key: self.digest_key }),
        }
        Ok(edits)
    }
}
