use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::digest::Digest;
use crate::image::{Descriptor, MediaType};
use crate::plan::{Change, How, LayerFacts};
use crate::platform::Platform;

fn layer(name: &str, memo: LayerMemo) -> LayerReport {
    let digest = Digest::of(name.as_bytes());
    LayerReport {
        name: name.into(),
        files: 12,
        size: 5_000_000,
        facts: Some(LayerFacts { digest, size: 812_000, diff_id: digest }),
        memo,
        file_memo: None,
        work: None,
        remade: None,
        milliseconds: 0,
        difference: None,
    }
}

fn destination(name: &str, is_remote: bool, blobs: &[(&str, Delivery)]) -> DestinationReport {
    let blobs = blobs.iter().map(|(name, delivery)| (Digest::of(name.as_bytes()), *delivery));
    DestinationReport {
        name: name.into(),
        is_local: false,
        is_remote,
        current: false,
        blobs: blobs.collect(),
        followed: BTreeSet::new(),
        uploaded: 0,
    }
}

fn report(outcome: Outcome, layers: Vec<LayerReport>, destinations: Vec<DestinationReport>) -> Report {
    let base = Descriptor::new(MediaType::ImageLayerGzip, Digest::of(b"base"), 48_000_000);
    Report {
        outcome,
        compression: "gzip:6".into(),
        name: None,
        tags: Vec::new(),
        digest: None,
        media_type: None,
        images: vec![ImageReport {
            platform: Platform::linux_amd64(),
            digest: None,
            config: None,
            base: vec![base],
            layers,
        }],
        destinations,
        notes: Vec::new(),
        warnings: Vec::new(),
        locked: None,
    }
}

#[test]
fn a_change_is_followed_through_all_stages() {
    let change = |path: &str, how| PathChange { path: path.into(), how };
    let mut classes = layer("classes", LayerMemo::Changed);
    classes.file_memo = Some(FileMemo {
        remembered: 9,
        changed: 2,
        touched: 1,
        read_bytes: 7000,
        young: 1,
        ..FileMemo::default()
    });
    classes.work = Some(Work { bodies: 12, encoded: 2, bytes: 6_000_000, encoded_bytes: 900_000, lost: 1 });
    classes.difference = Some(Difference {
        paths: 9,
        content: 8,
        metadata: 1,
        first: vec![
            change("/app/A\u{7}.class", How::Changed { changes: vec![Change::Content] }),
            change(
                "/app/run",
                How::Changed { changes: vec![Change::Mode { from: "0644".into(), to: "0755".into() }] },
            ),
        ],
        ..Difference::default()
    });
    let mut lib = layer("lib", LayerMemo::Known);
    lib.file_memo = Some(FileMemo { archive_remembered: 12, ..FileMemo::default() });
    let mut registry = destination(
        "localhost:5000/shop/app",
        true,
        &[("base", Delivery::Mounted), ("lib", Delivery::Present), ("classes", Delivery::Uploaded)],
    );
    registry.followed.insert(Digest::of(b"classes"));
    let disk = destination("oci:out", false, &[("lib", Delivery::Uploaded), ("classes", Delivery::Uploaded)]);
    let inputs = vec![
        InputChange::Path { path: "/src/app.war".into() },
        InputChange::Setting { name: "config".into() },
        InputChange::Base { from: Some(Digest::of(b"1")), to: Some(Digest::of(b"2")) },
    ];
    let report = report(Outcome::Changed { inputs }, vec![lib, classes], vec![registry, disk]);
    insta::assert_snapshot!(built(&report), @"");
}

#[test]
fn every_reason_has_a_sentence_of_its_own() {
    let outcomes = [
        Outcome::Known,
        Outcome::NotThere { target: "oci:x".into() },
        Outcome::NotPinned,
        Outcome::New,
        Outcome::Changed { inputs: Vec::new() },
        Outcome::Untrusted,
        Outcome::Lost,
    ];
    let first = |outcome: &Outcome| {
        let mut text = String::new();
        whole(&mut text, outcome);
        text
    };
    let texts: BTreeSet<String> = outcomes.iter().map(first).collect();
    assert_eq!(texts.len(), outcomes.len());
    use LayerMemo::{Changed, Known, Lost, New, NotAsked, NothingKnown, SameAsAnother};
    let memos = [Known, NotAsked, NothingKnown, New, Changed, Lost, SameAsAnother];
    let texts: BTreeMap<&str, LayerMemo> = memos.iter().map(|one| (memo(*one), *one)).collect();
    assert_eq!(texts.len(), memos.len());
}

#[test]
fn files_are_counted_by_reason() {
    let all = FileMemo {
        remembered: 1,
        new: 2,
        restamped: 3,
        touched: 4,
        changed: 5,
        untrusted: 6,
        read_bytes: 7_000,
        young: 8,
        archive_remembered: 9,
        archive_read: 10,
        archive: Some(Unknown::Restamped),
        free: 11,
    };
    insta::assert_snapshot!(files(&all), @"");
    assert_eq!(files(&FileMemo::default()), "none");
}

#[test]
fn what_was_lost_and_made_again_is_told() {
    let mut lost = layer("lib", LayerMemo::Known);
    lost.remade = Some(Work { bodies: 4, encoded: 4, bytes: 4_000_000, encoded_bytes: 4_000_000, lost: 4 });
    let mut other = layer("conf", LayerMemo::Lost);
    other.work = Some(Work { bodies: 1, encoded: 1, bytes: 2048, encoded_bytes: 2048, lost: 0 });
    other.difference = Some(Difference {
        encoder: Some(("gzip:6, layer format 1".into(), "zstd:3, layer format 1".into())),
        all_times: Some((1, 9)),
        ..Difference::default()
    });
    let mut current = destination("oci:out", false, &[]);
    current.current = true;
    let report = report(Outcome::Lost, vec![lost, other], vec![current]);
    insta::assert_snapshot!(built(&report), @"");
}

#[test]
fn the_same_as_json() {
    let report = report(Outcome::New, vec![layer("lib", LayerMemo::New)], Vec::new());
    let json = serde_json::to_value(Explanation::of(&report)).expect("json");
    assert_eq!(json["outcome"]["state"], "new");
    assert_eq!(json["images"][0]["layers"][0]["memo"], "new");
}
