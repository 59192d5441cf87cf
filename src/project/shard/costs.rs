//! Costs of members in an earlier run.

use std::collections::BTreeMap;

/// Costs of members in an earlier run, in milliseconds of work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberCosts(BTreeMap<String, u64>);

impl MemberCosts {
    /// Costs by the name of the member.
    #[must_use]
    pub const fn new(costs: BTreeMap<String, u64>) -> Self {
        Self(costs)
    }

    /// The cost of a member, where it is known.
    #[must_use]
    pub fn get(&self, member: &str) -> Option<u64> {
        self.0.get(member).copied()
    }

    /// The weights of members: what each cost, and for one that is not known the middle of the others. All weigh the
    /// same where none is known, and none weighs nothing.
    #[must_use]
    pub fn weights(&self, members: &[&str]) -> Vec<u64> {
        let mut known: Vec<u64> = members.iter().filter_map(|member| self.get(member)).collect();
        known.sort_unstable();
        let middle = known.get(known.len() / 2).copied().unwrap_or(1);
        members.iter().map(|member| self.get(member).unwrap_or(middle).max(1)).collect()
    }
}
