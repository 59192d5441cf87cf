//! Every member in one shard, and every pair of variables.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::system::CiSystem;
use super::*;
use crate::types::error::Explain as _;

fn shard(index: u32, count: u32) -> Shard {
    Shard::new(index, count).expect("a shard")
}

#[test]
fn a_shard_is_a_number_of_a_number() {
    let parsed = |text: &str| text.parse::<ShardChoice>();
    assert_eq!(parsed("2/4"), Ok(ShardChoice::Given(shard(2, 4))));
    assert_eq!(parsed("auto"), Ok(ShardChoice::Auto { count: None }));
    assert_eq!(parsed("auto/4"), Ok(ShardChoice::Auto { count: Some(4) }));
    assert_eq!(parsed("5/4"), Err(ShardError::Index { index: 5, count: 4 }));
    assert_eq!(parsed("0/4"), Err(ShardError::Index { index: 0, count: 4 }));
    assert_eq!(parsed("0/0"), Err(ShardError::Count(0)));
    assert_eq!(parsed("1/10001"), Err(ShardError::Count(10_001)));
    for wrong in
        ["", "/", "2", "2/", "/4", "+2/4", "2/-4", " 2/4", "2/4/6", "auto/", "auto/x", "4294967296/4"]
    {
        assert!(matches!(parsed(wrong), Err(ShardError::Form(_))), "{wrong}");
    }
    for text in ["2/4", "auto", "auto/4"] {
        assert_eq!(parsed(text).map(|choice| choice.to_string()), Ok(text.to_owned()));
    }
}

fn found(variables: &[(&str, &str)], count: Option<u32>) -> Result<Option<(Shard, CiSystem)>, String> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    found_shard(|name| variables.get(name).map(ToString::to_string), count)
        .map(|found| found.map(|found| (found.shard, found.system)))
        .map_err(|error| {
            assert!(error.hint().is_some_and(|hint| hint.contains("--shard ")), "{error}");
            error.to_string()
        })
}

#[test]
fn the_variables_of_each_system_are_known() {
    let is = |index, count, system| Ok(Some((shard(index, count), system)));
    let gitlab = |index, total| [("CI_NODE_INDEX", index), ("CI_NODE_TOTAL", total)];
    assert_eq!(found(&gitlab("1", "4"), None), is(1, 4, CiSystem::GitLab));
    assert_eq!(found(&gitlab("4", "4"), Some(4)), is(4, 4, CiSystem::GitLab));
    assert_eq!(
        found(&[("CI_NODE_TOTAL", "1")], None),
        is(1, 1, CiSystem::GitLab),
        "a job without `parallel`"
    );
    let circle = |index, total| [("CIRCLE_NODE_INDEX", index), ("CIRCLE_NODE_TOTAL", total)];
    assert_eq!(found(&circle("0", "4"), None), is(1, 4, CiSystem::CircleCi));
    assert_eq!(found(&circle("3", "4"), None), is(4, 4, CiSystem::CircleCi));
    let buildkite =
        |index, total| [("BUILDKITE_PARALLEL_JOB", index), ("BUILDKITE_PARALLEL_JOB_COUNT", total)];
    assert_eq!(found(&buildkite("2", "3"), None), is(3, 3, CiSystem::Buildkite));
    let pod = [("JOB_COMPLETION_INDEX", "1")];
    assert_eq!(found(&pod, Some(2)), is(2, 2, CiSystem::Kubernetes));
    // The runner of another system in a pod.
    assert_eq!(found(&[gitlab("1", "4")[0], gitlab("1", "4")[1], pod[0]], None), is(1, 4, CiSystem::GitLab));
    assert_eq!(found(&[], Some(4)), Ok(None));
}

#[test]
fn variables_that_make_no_shard_are_named() {
    let fails = |variables: &[(&str, &str)], count: Option<u32>, names: &[&str]| {
        let message = found(variables, count).expect_err("no shard");
        assert!(names.iter().all(|name| message.contains(name)), "{message}");
    };
    let both = ["CI_NODE_INDEX", "CI_NODE_TOTAL"];
    fails(&[("CI_NODE_INDEX", "2")], None, &both);
    fails(&[("CI_NODE_TOTAL", "2")], None, &both);
    for (index, total) in [("0", "4"), ("5", "4"), ("1", "0"), ("4294967295", "4")] {
        fails(&[("CI_NODE_INDEX", index), ("CI_NODE_TOTAL", total)], None, &both);
    }
    for (index, total) in [("4", "4"), ("0", "0"), ("4294967295", "4294967295")] {
        let names = ["CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL"];
        fails(&[("CIRCLE_NODE_INDEX", index), ("CIRCLE_NODE_TOTAL", total)], None, &names);
    }
    for wrong in ["x", "-1", "+1", "1.0", "99999999999", " 1"] {
        fails(&[("BUILDKITE_PARALLEL_JOB", wrong)], None, &["BUILDKITE_PARALLEL_JOB", wrong]);
    }
    fails(&[("JOB_COMPLETION_INDEX", "0")], None, &["JOB_COMPLETION_INDEX"]);
    fails(&[("JOB_COMPLETION_INDEX", "4")], Some(4), &["JOB_COMPLETION_INDEX", "4"]);
    fails(&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")], Some(4), &["CI_NODE_TOTAL", "2", "4"]);
    let two = [
        ("CI_NODE_INDEX", "1"),
        ("CI_NODE_TOTAL", "2"),
        ("CIRCLE_NODE_INDEX", "1"),
        ("CIRCLE_NODE_TOTAL", "2"),
    ];
    fails(&two, None, &["CI_NODE_INDEX", "CIRCLE_NODE_INDEX"]);
}

#[test]
fn the_heaviest_go_first_and_names_decide_between_equals() {
    let members = [("a", 1), ("b", 5), ("c", 4), ("d", 3), ("e", 3)];
    assert_eq!(partition(&members, 2), [2, 1, 2, 2, 1]);
    assert_eq!(partition(&[("x", 1), ("a", 1), ("m", 1)], 2), [1, 1, 2]);
    assert_eq!(partition(&[("a", 1)], 3), [1]);
    assert_eq!(partition(&[], 3), [0; 0]);
}

#[test]
fn a_member_that_was_never_measured_weighs_as_the_middle_one() {
    let costs =
        MemberCosts::new([("a", 10), ("b", 0), ("c", 30)].map(|(name, cost)| (name.to_owned(), cost)).into());
    assert_eq!(costs.weights(&["a", "b", "c", "new"]), [10, 1, 30, 10]);
    assert_eq!(MemberCosts::default().weights(&["a", "b"]), [1, 1]);
}

proptest! {
    #[test]
    fn each_member_is_in_one_shard_whatever_the_order(
        weights in prop::collection::vec(prop_oneof![0..20_u64, Just(u64::MAX)], 0..80),
        count in 1..12_u32,
        seed in any::<u64>(),
    ) {
        let names: Vec<String> = (0..weights.len()).map(|number| format!("m{number}")).collect();
        let members: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(weights).collect();
        let of = partition(&members, count);
        prop_assert_eq!(of.len(), members.len());
        prop_assert!(of.iter().all(|shard| (1..=count).contains(shard)));

        let mut shuffled: Vec<usize> = (0..members.len()).collect();
        shuffled.sort_by_key(|at| crate::types::digest::KeyBuilder::new("order").part(&(seed ^ *at as u64).to_le_bytes()).finish());
        let again = partition(&shuffled.iter().map(|&at| members[at]).collect::<Vec<_>>(), count);
        for (&at, shard) in shuffled.iter().zip(again) {
            prop_assert_eq!(of[at], shard);
        }

        let mut loads = vec![0_u128; count as usize];
        for (shard, member) in of.iter().zip(&members) {
            loads[*shard as usize - 1] += u128::from(member.1);
        }
        let all: u128 = loads.iter().sum();
        let heaviest = members.iter().map(|member| u128::from(member.1)).max().unwrap_or(0);
        let most = loads.into_iter().max().unwrap_or(0);
        prop_assert!(most <= all / u128::from(count) + heaviest);
    }
}
