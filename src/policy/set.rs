//! The rules that hold.

use std::collections::BTreeMap;

use crate::attest::PublicKey;
use crate::types::digest::KeyBuilder;
use crate::types::fingerprint::Fingerprint;
use crate::types::policy::{BasePolicy, ImagePolicy, JudgedBase, JudgedImage, KeyName, Policy, PolicyReason};

/// The rules that hold, with their keys. All of them count.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    policies: Vec<Policy>,
    keys: BTreeMap<KeyName, PublicKey>,
}

impl PolicySet {
    /// These rules; `keys` has those that they name.
    #[must_use]
    pub fn new(policies: Vec<Policy>, keys: BTreeMap<KeyName, PublicKey>) -> Self {
        Self { policies, keys }
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &BTreeMap<KeyName, PublicKey> {
        &self.keys
    }

    /// The rules about bases.
    pub fn bases(&self) -> impl Iterator<Item = &BasePolicy> {
        self.policies.iter().map(|policy| &policy.base)
    }

    /// Whether there is a rule about bases.
    #[must_use]
    pub fn is_about_bases(&self) -> bool {
        self.bases().any(|base| *base != BasePolicy::default())
    }

    /// Whether the judgement of a base depends on the day.
    #[must_use]
    pub fn asks_for_age(&self) -> bool {
        self.bases().any(|base| base.max_age.is_some())
    }

    /// The keys that may sign bases.
    #[must_use]
    pub fn base_keys(&self) -> BTreeMap<KeyName, PublicKey> {
        self.named(self.bases().flat_map(|base| &base.signed_by))
    }

    /// The conditions of a push that say something.
    pub fn of_push(&self) -> impl Iterator<Item = &ImagePolicy> {
        self.policies.iter().map(|policy| &policy.push).filter(|push| !push.is_empty())
    }

    /// The conditions of a release that say something.
    pub fn of_release(&self) -> impl Iterator<Item = &ImagePolicy> {
        self.policies.iter().map(|policy| &policy.release).filter(|release| !release.is_empty())
    }

    /// The keys with these names.
    pub fn named<'a>(&self, names: impl Iterator<Item = &'a KeyName>) -> BTreeMap<KeyName, PublicKey> {
        names.filter_map(|name| Some((name.clone(), self.keys.get(name)?.clone()))).collect()
    }

    /// The reasons against a base. `now` is in seconds since 1970.
    #[must_use]
    pub fn judge_base(&self, base: &JudgedBase, now: u64) -> Vec<PolicyReason> {
        distinct(self.bases().flat_map(|policy| policy.judge(base, now)))
    }
}

/// The reasons of these rules against an image.
pub fn judge<'a>(rules: impl Iterator<Item = &'a ImagePolicy>, image: &JudgedImage) -> Vec<PolicyReason> {
    distinct(rules.flat_map(|rules| rules.judge(image)))
}

/// Two policies may say the same.
fn distinct(reasons: impl Iterator<Item = PolicyReason>) -> Vec<PolicyReason> {
    let mut seen = std::collections::BTreeSet::new();
    reasons.filter(|reason| seen.insert(reason.to_string())).collect()
}

/// All rules, and the bytes of all keys: a file may have another key tomorrow.
impl Fingerprint for PolicySet {
    fn add_to(&self, key: &mut KeyBuilder) {
        let Self { policies, keys } = self;
        key.text(&format!("{policies:?}"));
        for (name, public) in keys {
            key.text(&name);
            key.text(&public.id());
        }
    }
}
