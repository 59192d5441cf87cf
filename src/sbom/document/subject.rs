//! The image that a document is about.

use crate::oci::Image;
use crate::sbom::purl::{Purl, PurlType};
use crate::types::digest::Digest;
use crate::types::reference::Repository;
use crate::types::time::{rfc3339, seconds_of_rfc3339};

/// The image that a document is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSubject {
    /// Its repository, if it has a name.
    repository: Option<String>,
    /// The last part of it.
    name: String,
    /// The digest of its manifest.
    digest: Digest,
    architecture: String,
    /// When it was made, as it says, to the second and in UTC.
    created: String,
}

impl ImageSubject {
    /// An image, and the repository that names it. A tag is no part of it, since tags move.
    #[must_use]
    pub fn new(image: &Image, repository: Option<&Repository>) -> Self {
        let config = image.config();
        let created = config.created.as_deref().and_then(seconds_of_rfc3339).unwrap_or_default();
        Self {
            repository: repository.map(ToString::to_string),
            name: repository
                .and_then(|repository| repository.path().rsplit('/').next())
                .unwrap_or("image")
                .to_owned(),
            digest: image.digest(),
            architecture: config.architecture.clone(),
            // The year has four digits.
            created: rfc3339(created).unwrap_or_default(),
        }
    }

    /// The last part of its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of its manifest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// When it was made, in UTC.
    #[must_use]
    pub fn created(&self) -> &str {
        &self.created
    }

    /// Its package URL.
    #[must_use]
    pub fn purl(&self) -> Option<Purl> {
        let repository = self.repository.as_deref().unwrap_or_default();
        let qualifiers = [("arch", self.architecture.as_str()), ("repository_url", repository)];
        Purl::new(PurlType::Oci, "", &self.name, &self.digest.to_string(), &qualifiers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_without_fractions() {
        let shown =
            |text| seconds_of_rfc3339(text).map(|seconds| rfc3339(seconds).expect("a year of four digits"));
        assert_eq!(shown("2024-02-29T12:00:01.123456789Z").as_deref(), Some("2024-02-29T12:00:01Z"));
        assert_eq!(shown("2024-02-29T12:00:01+02:30").as_deref(), Some("2024-02-29T09:30:01Z"));
        assert_eq!(shown("2024-02-29T12:00:01.5-01:00").as_deref(), Some("2024-02-29T13:00:01Z"));
        assert_eq!((shown("yesterday"), shown("1969-12-31T23:59:59Z")), (None, None));
    }
}
