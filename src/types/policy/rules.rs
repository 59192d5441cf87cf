//! A whole policy.

use super::base::BasePolicy;
use super::facts::KeyName;
use super::image::ImagePolicy;

/// A whole policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The bases that may be used.
    pub base: BasePolicy,
    /// The conditions of a push.
    pub push: ImagePolicy,
    /// The conditions of a release.
    pub release: ImagePolicy,
}

impl Policy {
    /// The keys that it names.
    pub fn keys(&self) -> impl Iterator<Item = &KeyName> {
        let of_images = [&self.push, &self.release].into_iter().flat_map(|image| &image.signed_by);
        self.base.signed_by.iter().chain(of_images)
    }
}
