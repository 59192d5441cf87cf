//! The rules about bases.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::digest::Digest;
use super::facts::{JudgedBase, KeyName, Knowledge};
use super::pattern::{MatchSteps, NamePattern};
use super::reason::{PolicyFact, PolicyReason};
use super::signers::unsigned;

/// The bases that may be used. A list that is empty allows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePolicy {
    /// Their names.
    pub names: Vec<NamePattern>,
    /// Their digests.
    pub digests: BTreeSet<Digest>,
    /// Their greatest age.
    pub max_age: Option<Duration>,
    /// Any of these keys signed them.
    pub signed_by: Vec<KeyName>,
}

const DAY: u64 = 24 * 3600;

impl BasePolicy {
    /// The reasons against a base. `now` is in seconds since 1970.
    #[must_use]
    pub fn judge(&self, base: &JudgedBase, now: u64) -> Vec<PolicyReason> {
        let mut reasons = Vec::new();
        let steps = MatchSteps::default();
        let is_named = |name: &String| self.names.iter().any(|pattern| pattern.matches(name, &steps));
        if !self.names.is_empty() && !base.name.as_ref().is_some_and(is_named) {
            reasons.push(PolicyReason::BaseName(base.name.clone()));
        }
        // An image without a base has none that is too old or that a stranger could have signed.
        if base.name.is_none() {
            return reasons;
        }
        if !self.digests.is_empty() && base.digests.is_disjoint(&self.digests) {
            reasons.push(PolicyReason::BaseDigest(base.digests.iter().copied().collect()));
        }
        reasons.extend(self.max_age.and_then(|most| too_old(&base.created, most, now)));
        let signers =
            unsigned(&self.signed_by, &base.signers, PolicyFact::BaseSigner, PolicyReason::BaseSignature);
        reasons.extend(signers);
        reasons
    }
}

fn too_old(created: &Knowledge<u64>, most: Duration, now: u64) -> Option<PolicyReason> {
    let unknown = |why: String| Some(PolicyReason::Unknown(PolicyFact::BaseAge, why));
    match created {
        // Clocks differ a little; a base from next week has a wrong date, and would be young for ever.
        Knowledge::Known(created) if *created > now.saturating_add(DAY) => {
            unknown("its date is in the future".to_owned())
        }
        Knowledge::Known(created) => {
            let age = Duration::from_secs(now.saturating_sub(*created));
            (age > most).then_some(PolicyReason::BaseAge { age, most })
        }
        Knowledge::Unknown(why) | Knowledge::TooMuch(why) => unknown(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<KeyName> {
        names.iter().map(|name| KeyName((*name).to_owned())).collect()
    }

    fn base() -> JudgedBase {
        JudgedBase {
            name: Some("docker.io/library/tomcat:10".to_owned()),
            digests: [Digest::of(b"one")].into(),
            created: Knowledge::Known(1_000 * DAY),
            signers: Knowledge::Known(keys(&["base.pub"]).into_iter().collect()),
        }
    }

    #[test]
    fn a_base_is_judged_by_all_that_is_said() {
        let all = BasePolicy {
            names: vec!["docker.io/library/*".parse().expect("a pattern")],
            digests: [Digest::of(b"one"), Digest::of(b"two")].into(),
            max_age: Some(Duration::from_secs(90 * DAY)),
            signed_by: keys(&["other.pub", "base.pub"]),
        };
        assert_eq!(all.judge(&base(), 1_090 * DAY), []);
        let mut wrong = base();
        wrong.name = Some("example.com/tomcat:10".to_owned());
        wrong.digests = [Digest::of(b"three")].into();
        wrong.signers = Knowledge::Known(BTreeSet::new());
        let words: Vec<_> = all.judge(&wrong, 1_091 * DAY).iter().map(PolicyReason::word).collect();
        assert_eq!(words, ["base-name", "base-digest", "base-age", "base-signature"]);
        assert_eq!(BasePolicy::default().judge(&wrong, 0), []);
    }

    #[test]
    fn a_fact_that_is_not_known_is_no_pass() {
        let policy = BasePolicy {
            max_age: Some(Duration::from_secs(90 * DAY)),
            signed_by: keys(&["base.pub"]),
            ..BasePolicy::default()
        };
        let words = |base: &JudgedBase| -> Vec<_> {
            policy.judge(base, 1_000 * DAY).iter().map(PolicyReason::word).collect()
        };
        let unknown = JudgedBase {
            created: Knowledge::Unknown("no date".to_owned()),
            signers: Knowledge::Unknown("no answer".to_owned()),
            ..base()
        };
        assert_eq!(words(&unknown), ["unknown", "unknown"]);
        assert_eq!(words(&base()), Vec::<&str>::new());
        let later = JudgedBase { created: Knowledge::Known(1_002 * DAY), ..base() };
        assert_eq!(words(&later), ["unknown"], "a date in the future");
    }

    #[test]
    fn an_image_without_a_base_is_refused_by_names_alone() {
        let none = JudgedBase { name: None, digests: BTreeSet::new(), ..base() };
        let policy = BasePolicy { max_age: Some(Duration::from_secs(1)), ..BasePolicy::default() };
        assert_eq!(policy.judge(&none, u64::MAX), []);
        let policy = BasePolicy { names: vec!["**".parse().expect("a pattern")], ..policy };
        assert_eq!(policy.judge(&none, 0), [PolicyReason::BaseName(None)]);
    }
}
