//! A finished image, as the forms need it.

use super::ExpectedImage;
use crate::engine::Report;
use crate::oci::MediaType;
use crate::project::results::{ImageFacts, MemberRecord};
use crate::types::digest::Digest;
use crate::types::platform::Platform;

/// A finished image, as the forms need it.
#[derive(Clone, Debug)]
pub struct OutputImage {
    /// Its repository.
    pub name: String,
    /// Its tags, in the order in which they were written.
    pub tags: Vec<String>,
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// Whether that is a manifest or an index.
    pub media_type: MediaType,
    /// Its bytes, where they are known.
    pub size: Option<u64>,
    /// The digest of the configuration; none where there are several platforms.
    pub config: Option<Digest>,
    /// Its platforms.
    pub platforms: Vec<Platform>,
    /// Whether it is in a registry now.
    pub is_pushed: bool,
    /// The report, as JSON has it.
    pub report: serde_json::Value,
}

impl OutputImage {
    /// The image of a build; `None` if that has none.
    #[must_use]
    pub fn of(report: &Report) -> Option<Self> {
        let [one] = &report.images[..] else {
            return Self::with_config(report, None);
        };
        Self::with_config(report, one.config)
    }

    fn with_config(report: &Report, config: Option<Digest>) -> Option<Self> {
        Some(Self {
            name: report.name.as_ref()?.to_string(),
            tags: report.tags.iter().map(ToString::to_string).collect(),
            digest: report.digest?,
            media_type: report.media_type.clone()?,
            size: report.root_size,
            config,
            platforms: report.images.iter().map(|image| image.platform.clone()).collect(),
            is_pushed: report.destinations.iter().any(|destination| destination.is_remote),
            report: serde_json::to_value(report).unwrap_or_default(),
        })
    }

    /// The image of a member, from the results of its run; `None` if these do not describe it.
    #[must_use]
    pub fn recorded(record: &MemberRecord) -> Option<Self> {
        let (image, facts) = (record.image()?, record.facts.clone()?);
        Some(Self {
            name: image.name.to_string(),
            tags: image.tags.iter().map(ToString::to_string).collect(),
            digest: image.digest,
            media_type: facts.media_type,
            size: facts.size,
            config: facts.config,
            platforms: facts.platforms,
            is_pushed: facts.is_pushed,
            report: serde_json::from_str(record.image.as_ref()?.get()).ok()?,
        })
    }

    /// The same before it was built.
    #[must_use]
    pub fn expected(&self) -> ExpectedImage {
        ExpectedImage { name: self.name.clone(), tag: self.tags.first().cloned() }
    }

    /// The facts that the results of a run keep for such files.
    #[must_use]
    pub fn facts(self) -> ImageFacts {
        ImageFacts {
            media_type: self.media_type,
            size: self.size,
            config: self.config,
            platforms: self.platforms,
            is_pushed: self.is_pushed,
        }
    }

    /// `NAME@DIGEST`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// `NAME:TAG` for each tag.
    #[must_use]
    pub fn tagged(&self) -> Vec<String> {
        self.tags.iter().map(|tag| format!("{}:{tag}", self.name)).collect()
    }

    /// Docker's image ID: the digest of the configuration, or of the index of several platforms.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.config.unwrap_or(self.digest)
    }
}
