//! The partition: the heaviest members first, each to the shard that has the least.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The shard of each member, from 1, in the order in which `members` are given: their names, which differ, and their
/// weights.
///
/// No shard has more than an equal share of all and the heaviest member (Graham 1969).
#[must_use]
pub fn partition(members: &[(&str, u64)], count: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_unstable_by_key(|&at| (Reverse(members[at].1), members[at].0));
    // The lightest is taken first; of equal ones that with fewer members, then the first.
    let mut shards: BinaryHeap<Reverse<(u128, u32, u32)>> =
        (1..=count).map(|shard| Reverse((0, 0, shard))).collect();
    let mut of = vec![0; members.len()];
    for at in order {
        let Some(Reverse((load, number, shard))) = shards.pop() else { break };
        of[at] = shard;
        shards.push(Reverse((load + u128::from(members[at].1), number + 1, shard)));
    }
    of
}
