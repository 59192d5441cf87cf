//! Results that are whole, and results that are not.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::value::RawValue;

use super::error::ResultsError;
use super::*;
use crate::oci::MediaType;
use crate::project::lock::{Lock, LockedBase};
use crate::types::digest::Digest;
use crate::types::error::Explain as _;

const MEMBERS: [&str; 4] = ["a", "b", "c", "d"];

fn record(member: &str, end: MemberEnd, content: &str) -> MemberRecord {
    let image = end.has_image().then(|| {
        let digest = Digest::of(content.as_bytes());
        let text =
            format!("{{\"name\": \"h/{member}\", \"digest\":\"{digest}\", \"tags\":[\"1\"], \"sent\":1}}");
        RawValue::from_string(text).expect("json")
    });
    let exit_code = (end == MemberEnd::Failed).then_some(3);
    let error = exit_code.map(|_| "no".to_owned());
    MemberRecord {
        member: member.to_owned(),
        path: format!("s/{member}"),
        end,
        why: None,
        facts: image.is_some().then(|| ImageFacts {
            media_type: MediaType::ImageManifest,
            size: Some(400),
            config: Some(Digest::of(b"config")),
            platforms: vec!["linux/amd64".parse().expect("a platform")],
            is_pushed: true,
        }),
        image,
        error,
        code: None,
        policy: None,
        exit_code,
    }
}

/// The results of one of two shards, which has these members.
fn shard(index: u32, members: &[(&str, MemberEnd)]) -> RunResults {
    let records: Vec<MemberRecord> = members.iter().map(|(name, end)| record(name, *end, name)).collect();
    RunResults {
        schema_version: SCHEMA_VERSION,
        pack_version: "1.0.0".to_owned(),
        commit: Some("c0ffee".to_owned()),
        settings: Digest::of(b"settings"),
        balanced_by: None,
        shards: ShardSet { count: 2, done: [index].into() },
        command: vec!["pack".to_owned(), "build".to_owned(), "--workspace".to_owned()],
        selection: MEMBERS.map(str::to_owned).into(),
        cost_milliseconds: members
            .iter()
            .map(|(name, _)| ((*name).to_owned(), u64::from(index) * 10))
            .collect(),
        exit_code: records.iter().find_map(|record| record.exit_code).unwrap_or(0),
        members: records,
        left_out: Vec::new(),
        lock: String::new(),
        elapsed: Duration::from_millis(u64::from(index) * 1_500),
    }
}

fn both() -> [RunResults; 2] {
    use MemberEnd::{Built, Unchanged};
    [shard(1, &[("a", Built), ("c", Unchanged)]), shard(2, &[("b", Built), ("d", Built)])]
}

fn named(parts: impl IntoIterator<Item = RunResults>) -> Vec<(String, RunResults)> {
    parts.into_iter().enumerate().map(|(number, part)| (format!("{}.json", number + 1), part)).collect()
}

fn text(results: &RunResults) -> String {
    serde_json::to_string(results).expect("json")
}

fn locked(content: &str) -> String {
    let mut lock = Lock::default();
    lock.update(LockedBase {
        reference: "base:1".to_owned(),
        digest: Digest::of(content.as_bytes()),
        facts: None,
    });
    lock.render()
}

#[test]
fn a_document_is_read_as_it_was_written() {
    let [first, _] = both();
    let first = RunResults { lock: locked("x"), ..first };
    let read = RunResults::parse("x", &text(&first)).expect("whole");
    assert_eq!(text(&read), text(&first));
    assert_eq!(read.elapsed, Duration::from_millis(1_500));
    assert_eq!(read.costs().weights(&["a", "b"]), [10, 10]);
}

#[test]
fn shards_are_put_together_in_the_order_of_the_members() {
    let [first, second] = both();
    let merged = merge(&named([second, first])).expect("of one run");
    let names: Vec<&str> = merged.results.members.iter().map(|member| member.member.as_str()).collect();
    assert_eq!(names, MEMBERS);
    let references: Vec<String> = merged.results.references().collect();
    assert_eq!(references[1], format!("docker.io/h/b@{}", Digest::of(b"b")));
    assert_eq!(merged.results.shards, ShardSet { count: 2, done: [1, 2].into() });
    assert_eq!((merged.results.exit_code, merged.results.elapsed), (0, Duration::from_secs(3)));
    assert_eq!(merged.results.cost_milliseconds["a"], 10);
    assert_eq!((merged.missing_shards, merged.missing_members), (Vec::new(), Vec::new()));
    // Merged results can be merged again.
    let again =
        merge(&named([merged.results.clone(), shard(1, &[("a", MemberEnd::Built)])])).expect("of one run");
    assert_eq!(text(&again.results), text(&merged.results));
}

#[test]
fn a_shard_that_died_is_missing() {
    let [first, _] = both();
    let merged = merge(&named([first])).expect("of one run");
    assert_eq!(merged.missing_shards, [2]);
    assert_eq!(merged.missing_members, ["b", "d"]);
    assert_eq!(merged.results.exit_code, 1);
    assert_eq!(merge(&[]).expect_err("nothing").kind(), crate::types::error::Kind::Usage);
}

#[test]
fn the_exit_code_is_that_of_the_first_member_that_failed() {
    use MemberEnd::{Built, Failed, NotStarted, Stopped};
    let code = |a, b, last: u8| {
        let [first, second] = both();
        let mut parts = named([first, second]);
        parts[0].1.members[0] = record("a", a, "a");
        parts[1].1.members[0] = record("b", b, "b");
        if let Some(code) = &mut parts[1].1.members[0].exit_code {
            *code = 4;
        }
        parts[1].1.exit_code = last;
        merge(&parts).expect("of one run").results.exit_code
    };
    assert_eq!(code(Built, Built, 0), 0);
    assert_eq!(code(Failed, Failed, 4), 3);
    assert_eq!(code(Built, Failed, 4), 4);
    assert_eq!(code(Built, Stopped, 130), 130);
    assert_eq!(code(NotStarted, Built, 0), 1);
}

#[test]
fn a_shard_that_ran_twice_counts_once_when_it_made_the_same() {
    let [first, second] = both();
    let failed = shard(1, &[("a", MemberEnd::Failed), ("c", MemberEnd::NotStarted)]);
    for order in [[failed.clone(), first.clone()], [first.clone(), failed]] {
        let merged = merge(&named(order.into_iter().chain([second.clone()]))).expect("repeated");
        assert_eq!(merged.results.exit_code, 0);
        assert_eq!(merged.results.references().count(), 4);
    }
    let mut other = first.clone();
    other.members[1] = record("c", MemberEnd::Built, "another");
    let error = merge(&named([first, other, second])).expect_err("two images");
    assert!(matches!(&error, ResultsError::TwoImages { member, .. } if &**member == "c"), "{error}");
    assert!(error.to_string().contains("`1.json`") && error.to_string().contains("`2.json`"), "{error}");
}

#[test]
fn results_of_other_runs_are_refused_with_what_differs() {
    let differs = |change: &dyn Fn(&mut RunResults)| {
        let [first, mut second] = both();
        change(&mut second);
        let error = merge(&named([first, second])).expect_err("another run");
        assert!(error.hint().is_some());
        error.to_string()
    };
    assert!(differs(&|part| part.commit = Some("beef".to_owned())).contains("the commit: c0ffee and beef"));
    assert!(differs(&|part| part.commit = None).contains("c0ffee and none"));
    let other = |part: &mut RunResults| part.settings = Digest::of(b"x");
    assert!(
        differs(&other).contains("the settings: the commands are the same, so a build file or a variable")
    );
    let told = differs(&|part| {
        other(part);
        part.command.extend(["-p".to_owned(), "a*".to_owned()]);
    });
    assert!(told.ends_with("`pack build --workspace` and `pack build --workspace -p 'a*'`"), "{told}");
    assert!(
        differs(&|part| part.pack_version = "2".to_owned()).contains("the version of `pack`: 1.0.0 and 2")
    );
    assert!(differs(&|part| part.shards.count = 3).contains("the number of shards: 2 and 3"));
    assert!(differs(&|part| part.balanced_by = Some(Digest::of(b"x"))).contains("the measures"));
    assert!(differs(&|part| part.selection.swap(0, 1)).contains("the members"));
}

#[test]
fn a_member_is_in_one_shard() {
    let [first, mut second] = both();
    second.members.push(record("a", MemberEnd::Built, "a"));
    let error = merge(&named([first.clone(), second])).expect_err("twice");
    assert!(matches!(&error, ResultsError::TwoShards { member, .. } if member == "a"), "{error}");
    let [_, mut second] = both();
    second.members.pop();
    let error = merge(&named([first, second])).expect_err("not there");
    assert_eq!(error, ResultsError::Lost { member: "d".to_owned(), count: 2 });
}

#[test]
fn one_lock_is_made_of_what_the_shards_learned() {
    let parts = |one: &str, two: &str| {
        let [first, second] = both();
        named([RunResults { lock: locked(one), ..first }, RunResults { lock: locked(two), ..second }])
    };
    let merged = merge(&parts("x", "x")).expect("one base");
    assert_eq!(merged.learned.render(), locked("x"));
    assert_eq!(merged.results.lock, locked("x"));
    let error = merge(&parts("x", "y")).expect_err("two bases");
    assert!(matches!(&error, ResultsError::TwoBases { base, .. } if &**base == "base:1"), "{error}");
}

#[test]
fn locked_shards_learn_nothing() {
    let [first, second] = both();
    let locked = |part: &RunResults| {
        let mut part = part.clone();
        part.command.push("--locked".to_owned());
        part
    };
    let is_locked = |parts| merge(&named(parts)).expect("of one run").is_locked;
    assert!(!is_locked([first.clone(), locked(&second)]));
    assert!(is_locked([locked(&first), locked(&second)]));
}

#[test]
fn what_is_no_document_is_refused() {
    let whole = text(&both()[0]);
    let fails = |text: &str| RunResults::parse("x.json", text).expect_err("torn");
    // Cut anywhere.
    for length in 0..whole.len() {
        assert!(matches!(fails(&whole[..length]), ResultsError::Torn { .. }), "{length}");
    }
    let newer = whole.replace("\"schemaVersion\":1", "\"schemaVersion\":2,\"more\":1");
    assert_eq!(fails(&newer), ResultsError::Schema { name: "x.json".to_owned(), version: 2 });
    let replaced = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from} in {whole}");
        let error = fails(&whole.replace(from, to));
        assert!(matches!(error, ResultsError::Torn { .. }), "{error}");
        error.to_string()
    };
    // A clock that went back.
    replaced("\"elapsedSeconds\":1.5", "\"elapsedSeconds\":-1.5");
    replaced("\"a\":10", "\"a\":-10");
    replaced("\"elapsedSeconds\":1.5", "\"elapsedSeconds\":1e300");
    replaced("\"done\":[1]", "\"done\":[3]");
    replaced("\"done\":[1]", "\"done\":[]");
    replaced("\"done\":[1]", "\"done\":[0]");
    // A number that decides how long a report is.
    assert!(replaced("\"count\":2", "\"count\":4294967295").contains("from 1 to 10000 shards"));
    // Names and tags that would not stay on their line.
    replaced("\"h/c\"", "\"h/c\\nFAKE=1\\n::set-output name=a::b\"");
    replaced("\"tags\":[\"1\"]", "\"tags\":[\"a b\"]");
    replaced("\"lock\":\"\"", "\"lock\":\"x\"");
    replaced("\"exitCode\":0", "\"exitCode\":256");
    replaced("\"end\":\"built\"", "\"end\":\"done\"");
    assert!(replaced("\"member\":\"c\"", "\"member\":\"a\"").contains("`a` is there twice"));
    assert!(replaced("\"member\":\"c\"", "\"member\":\"x\"").contains("`x` is none of the selection"));
    assert!(replaced("\"leftOut\":[]", "\"leftOut\":[\"a\"]").contains("`a` is there twice"));
    assert!(replaced("\"selection\":[\"a\"", "\"selection\":[\"b\"").contains("`b` is there twice"));
    assert!(replaced("sha256:", "sha257:").contains("x.json"));
    assert!(replaced("\"end\":\"unchanged\"", "\"end\":\"failed\"").contains("no exit code"));
    // Text that would take many times its bytes of memory.
    for (from, to) in [
        ("\"lock\":\"\"", format!("\"lock\":\"version = {}\"", "[".repeat(2_000_000))),
        ("\"lock\":\"\"", format!("\"lock\":\"{}\"", "a.b.c.d=1\\n".repeat(20_000))),
        ("\"selection\":[", format!("\"selection\":[{}", "\"\",".repeat(2_000_000))),
        ("\"costMilliseconds\":{", format!("\"x\":[{}0],\"costMilliseconds\":{{", "{},".repeat(200_000))),
    ] {
        assert!(replaced(from, &to).contains("MB of memory"), "{from}");
    }
    fails(&format!("{whole}{whole}"));
    fails("[]");
    fails(&"[".repeat(100_000));
}

#[test]
fn all_shards_of_any_number_are_one_run() {
    use super::super::shard::partition;
    let names: Vec<String> = (0..23).map(|number| format!("m{number:02}")).collect();
    for count in 1..30_u32 {
        let members: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let of = partition(&members, count);
        let parts = (1..=count).map(|index| {
            let own = names.iter().zip(&of).filter(|(_, shard)| **shard == index);
            let own: Vec<(&str, MemberEnd)> =
                own.map(|(name, _)| (name.as_str(), MemberEnd::Built)).collect();
            let mut part = shard(index, &own);
            part.shards.count = count;
            part.selection.clone_from(&names);
            part
        });
        let merged = merge(&named(parts)).expect("one run");
        let found: BTreeSet<String> =
            merged.results.members.into_iter().map(|member| member.member).collect();
        assert_eq!(found, names.iter().cloned().collect());
        assert_eq!(merged.results.cost_milliseconds.into_keys().collect::<Vec<_>>(), names);
    }
}
