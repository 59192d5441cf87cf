//! The rules of `[policy]`, from what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::schema::{BasePolicySettings, ImagePolicySettings, PolicySettings};
use super::source::Spanned;
use super::value::DiskPath;
use crate::types::policy::{BasePolicy, ImagePolicy, KeyName, LicencePolicy, Policy};
use crate::types::shown::shown_path;

/// The rules of a `[policy]`, and where its keys lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRules {
    /// The rules.
    pub policy: Policy,
    /// The files of the keys.
    pub keys: BTreeMap<KeyName, PathBuf>,
}

impl PolicySettings {
    /// The rules that stand here, without those of `file`.
    #[must_use]
    pub fn rules(&self) -> PolicyRules {
        let Self { file: _, base, push, release } = self;
        let mut keys = BTreeMap::new();
        let BasePolicySettings { names, digests, max_age, signed_by } = base;
        let base = BasePolicy {
            names: values(names).collect(),
            digests: values(digests).collect(),
            max_age: max_age.as_ref().map(|age| age.value.duration()),
            signed_by: named(signed_by, &mut keys),
        };
        let policy = Policy { base, push: image(push, &mut keys), release: image(release, &mut keys) };
        PolicyRules { policy, keys }
    }

    /// The files that are read for it.
    pub fn files(&self) -> impl Iterator<Item = &Spanned<DiskPath>> {
        let of_images = [&self.push, &self.release].into_iter().flat_map(|image| &image.signed_by);
        self.file.iter().chain(&self.base.signed_by).chain(of_images)
    }
}

fn values<T: Clone>(written: &[Spanned<T>]) -> impl Iterator<Item = T> {
    written.iter().map(|one| one.value.clone())
}

fn named(paths: &[Spanned<DiskPath>], keys: &mut BTreeMap<KeyName, PathBuf>) -> Vec<KeyName> {
    let name = |path: &Spanned<DiskPath>| {
        let path = path.value.path();
        let name = KeyName(shown_path(path));
        keys.insert(name.clone(), path.to_owned());
        name
    };
    paths.iter().map(name).collect()
}

fn image(settings: &ImagePolicySettings, keys: &mut BTreeMap<KeyName, PathBuf>) -> ImagePolicy {
    let ImagePolicySettings { require, signed_by, deny, licences } = settings;
    ImagePolicy {
        require: values(require).collect::<BTreeSet<_>>(),
        signed_by: named(signed_by, keys),
        deny: values(deny).collect(),
        licences: LicencePolicy {
            allow: values(&licences.allow).collect(),
            deny: values(&licences.deny).collect(),
        },
    }
}
