//! The releases of a repository, as its list of tags tells them.
//!
//! Each record has a tag of its own, with the number and the identity of the release, so no writer writes over the record
//! of another one. A writer that met others takes a later number and writes its release once more: the later number
//! counts, and the earlier one is given up. Every reader of the same tags sees the same releases in the same order.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::reference::Tag;
use crate::types::release::{EnvironmentName, ReleaseId, ReleaseKey, ReleaseNumber};

/// The releases of all environments of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseList(BTreeMap<EnvironmentName, EnvironmentReleases>);

/// The releases of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct EnvironmentReleases {
    /// In their order.
    releases: BTreeSet<ReleaseKey>,
    /// Numbers that writers gave up for later ones.
    left: BTreeSet<ReleaseKey>,
}

impl EnvironmentReleases {
    fn of(keys: &BTreeSet<ReleaseKey>) -> Self {
        let mut last: BTreeMap<ReleaseId, ReleaseKey> = BTreeMap::new();
        let mut left = BTreeSet::new();
        for key in keys {
            left.extend(last.insert(key.id, *key));
        }
        Self { releases: last.into_values().collect(), left }
    }
}

/// The keys of a number.
fn with_number(keys: &BTreeSet<ReleaseKey>, number: ReleaseNumber) -> impl Iterator<Item = ReleaseKey> + '_ {
    keys.range(ReleaseKey::of_number(number)).copied()
}

impl ReleaseList {
    /// The releases that these tags tell of.
    #[must_use]
    pub fn of(tags: &[Tag]) -> Self {
        let mut keys: BTreeMap<EnvironmentName, BTreeSet<ReleaseKey>> = BTreeMap::new();
        for (environment, key) in tags.iter().filter_map(EnvironmentName::of_record_tag) {
            keys.entry(environment).or_default().insert(key);
        }
        Self(keys.into_iter().map(|(name, keys)| (name, EnvironmentReleases::of(&keys))).collect())
    }

    /// The newest release.
    #[must_use]
    pub fn newest(&self, environment: &EnvironmentName) -> Option<ReleaseKey> {
        self.0.get(environment)?.releases.last().copied()
    }

    /// The releases of an environment, oldest first.
    pub fn of_environment(
        &self,
        environment: &EnvironmentName,
    ) -> impl DoubleEndedIterator<Item = ReleaseKey> + '_ {
        self.0.get(environment).into_iter().flat_map(|of| &of.releases).copied()
    }

    /// The releases that have a number: one, unless their writers met and one of them did not come to its end.
    #[must_use]
    pub fn with_number(&self, environment: &EnvironmentName, number: ReleaseNumber) -> Vec<ReleaseKey> {
        self.0.get(environment).map(|of| with_number(&of.releases, number).collect()).unwrap_or_default()
    }

    /// The records that have a number, those that were given up for later numbers too.
    #[must_use]
    pub fn records_with_number(
        &self,
        environment: &EnvironmentName,
        number: ReleaseNumber,
    ) -> Vec<ReleaseKey> {
        let of = self.0.get(environment);
        let both =
            of.map(|of| with_number(&of.releases, number).chain(with_number(&of.left, number)).collect());
        both.unwrap_or_default()
    }

    /// The numbers that records of an environment have, those that were given up too.
    #[must_use]
    pub fn numbers(&self, environment: &EnvironmentName) -> BTreeSet<ReleaseNumber> {
        let keys = self.0.get(environment).into_iter().flat_map(|of| of.releases.iter().chain(&of.left));
        keys.map(|key| key.number).collect()
    }

    /// Whether a release is listed under this number still.
    #[must_use]
    pub fn has(&self, environment: &EnvironmentName, key: ReleaseKey) -> bool {
        self.0.get(environment).is_some_and(|of| of.releases.contains(&key))
    }

    /// Adds a release that the registry has and does not list yet.
    pub fn add(&mut self, environment: &EnvironmentName, key: ReleaseKey) {
        self.0.entry(environment.clone()).or_default().releases.insert(key);
    }

    /// The environments.
    pub fn environments(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tags: &[&str]) -> ReleaseList {
        let tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().expect("a tag")).collect();
        ReleaseList::of(&tags)
    }

    fn shown(keys: impl IntoIterator<Item = ReleaseKey>) -> Vec<String> {
        keys.into_iter().map(|key| key.to_string()).collect()
    }

    #[test]
    fn releases_come_from_tags_in_any_order() {
        let list = list(&[
            "prod-r0002-000000000002",
            "1.0",
            "prod",
            "prod-r0010-000000000010",
            "test-r0001-000000000001",
            "prod-r0001-000000000001",
            "prod-r0003",
            "x-r1-000000000001",
            "latest",
        ]);
        let prod: EnvironmentName = "prod".parse().expect("a name");
        assert_eq!(
            shown(list.of_environment(&prod)),
            ["r0001-000000000001", "r0002-000000000002", "r0010-000000000010"]
        );
        assert_eq!(shown(list.newest(&prod)), ["r0010-000000000010"]);
        assert_eq!(list.environments().map(EnvironmentName::as_str).collect::<Vec<_>>(), ["prod", "test"]);
        assert_eq!(list.newest(&"dev".parse().expect("a name")), None);
    }

    /// Three writers met at 1. One kept it, one went on to 2, and one did not come to its end.
    #[test]
    fn a_later_number_of_a_release_counts() {
        let list = list(&[
            "prod-r0001-cccccccccccc",
            "prod-r0002-bbbbbbbbbbbb",
            "prod-r0001-bbbbbbbbbbbb",
            "prod-r0001-aaaaaaaaaaaa",
        ]);
        let prod: EnvironmentName = "prod".parse().expect("a name");
        let releases = ["r0001-aaaaaaaaaaaa", "r0001-cccccccccccc", "r0002-bbbbbbbbbbbb"];
        assert_eq!(shown(list.of_environment(&prod)), releases);
        assert_eq!(shown(list.with_number(&prod, ReleaseNumber::FIRST)), releases[..2]);
        let all = shown(list.records_with_number(&prod, ReleaseNumber::FIRST));
        assert_eq!(all, [releases[0], releases[1], "r0001-bbbbbbbbbbbb"]);
        let given_up = list.records_with_number(&prod, ReleaseNumber::FIRST)[2];
        assert!(!list.has(&prod, given_up) && list.has(&prod, list.newest(&prod).expect("there is one")));
    }
}
