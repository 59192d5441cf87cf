use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::oci::{Descriptor, MediaType};
use crate::plan::{EntryChange, LayerFacts};
use crate::types::digest::Digest;
use crate::types::platform::Platform;

fn layer(name: &str, memo: LayerMemo) -> LayerReport {
    let digest = Digest::of(name.as_bytes());
    LayerReport {
        name: name.into(),
        files: 12,
        size: 5_000_000,
        facts: Some(LayerFacts { digest, size: 812_000, diff_id: digest, toc: None, ztoc: None }),
        known_from: None,
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
        reused: 0,
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
        root_size: None,
        media_type: None,
        attachments: Vec::new(),
        attached: Vec::new(),
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
        findings: Vec::new(),
        cache_entries_written: 0,
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
    classes.work = Some(LayerWork {
        bodies: 12,
        encoded: 2,
        bytes: 6_000_000,
        encoded_bytes: 900_000,
        lost: 1,
        kept: 6,
        kept_bytes: 3_000_000,
    });
    classes.difference = Some(Difference {
        paths: 9,
        content: 8,
        metadata: 1,
        first: vec![
            change("/app/A\u{7}.class", PathStatus::Changed { changes: vec![EntryChange::Content] }),
            change(
                "/app/run",
                PathStatus::Changed {
                    changes: vec![EntryChange::Mode { from: "0644".into(), to: "0755".into() }],
                },
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
    insta::assert_snapshot!(built(&report), @r#"
    build: not known: the inputs are not those of the last build
      changed  /src/app.war: content, times, modes or names
      changed  the setting `config`
      changed  the base, 6b86b273ff34 to d4735e3a265e

    base: 1 layer
      there    localhost:5000/shop/app: layer 1 took it from another of its repositories
      there    oci:out: layer 1 not needed there

    layer lib: reused
      files    12 not read: the size, times and inode of their archive are as remembered
      layer    known: an earlier build made exactly this
      there    localhost:5000/shop/app: had it
      there    oci:out: written, 812.0 kB

    layer classes: built
      files    9 not read: size, times and inode are as remembered
      files    1 touched: other times, size or inode, and the same content
      files    2 with another content
      files    read 7.0 kB to see what changed
      files    1 too young for their times to be trusted next time
      layer    not known: it differs from the one that was built last
      changed  /app/A\u{7}.class: content
      changed  /app/run: mode 0644 to 0755
      changed  7 more; in all 0 added, 0 removed, 8 in content, 1 in metadata alone
      read     the content of the files after the first 3.0 MB of the tar
      bodies   10 of 12 known, 2 encoded: 900.0 kB of 6.0 MB; 1 of them because the blob that had them is gone or damaged; the first 6 as an earlier layer has them: 3.0 MB neither read nor hashed
      there    localhost:5000/shop/app: uploaded while it was made, 812.0 kB
      there    oci:out: written, 812.0 kB
    "#);
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
        Outcome::Told,
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
        archive: Some(ReadReason::Restamped),
        free: 11,
    };
    let mut text = String::new();
    files(&mut text, &all);
    insta::assert_snapshot!(text, @r#"
    files    1 not read: size, times and inode are as remembered
    files    9 not read: the size, times and inode of their archive are as remembered
    files    11 with nothing to read: empty, or made by pack
    files    2 not seen before
    files    4 touched: other times, size or inode, and the same content
    files    5 with another content
    files    3 with other times, size or inode
    files    6 too young in the last build for their times to be trusted
    files    10 read in their archive, which has other times, size or inode than remembered
    files    read 7.0 kB to see what changed
    files    8 too young for their times to be trusted next time
    "#);
    let mut text = String::new();
    files(&mut text, &FileMemo::default());
    assert_eq!(text, "");
}

#[test]
fn what_was_lost_and_made_again_is_told() {
    let mut lost = layer("lib", LayerMemo::Known);
    lost.remade = Some(LayerWork {
        bodies: 4,
        encoded: 4,
        bytes: 4_000_000,
        encoded_bytes: 4_000_000,
        lost: 4,
        ..LayerWork::default()
    });
    let mut other = layer("conf", LayerMemo::Lost);
    other.work = Some(LayerWork {
        bodies: 1,
        encoded: 1,
        bytes: 2048,
        encoded_bytes: 2048,
        lost: 0,
        ..LayerWork::default()
    });
    other.difference = Some(Difference {
        encoder: Some(("gzip:6, layer format 1".into(), "zstd:3, layer format 1".into())),
        times: Some(TimesChange { from: 1, to: 9, paths: 3 }),
        ..Difference::default()
    });
    let mut current = destination("oci:out", false, &[]);
    current.current = true;
    let report = report(Outcome::Lost, vec![lost, other], vec![current]);
    insta::assert_snapshot!(built(&report), @r#"
    build: not known: the inputs are those of the last build, whose record is lost

    base: 1 layer
      there    oci:out: its tags mean this image already, so nothing more was asked or sent

    layer lib: known, and put together again
      layer    known: an earlier build made exactly this
      blob     the store had lost it, and a destination needed it
      bodies   0 of 4 known, 4 encoded: 4.0 MB of 4.0 MB; 4 of them because the blob that had them is gone or damaged
      there    oci:out: its tags mean this image already, so nothing more was asked or sent

    layer conf: built
      layer    not known: it is the one that was built last, whose record is lost
      changed  compression, gzip:6, layer format 1 to zstd:3, layer format 1: every byte of it is another
      changed  the time that 3 paths have in the image, 1 to 9
      read     the content of all its files, 5.0 MB
      bodies   0 of 1 known, 1 encoded: 2.0 kB of 2.0 kB
      there    oci:out: its tags mean this image already, so nothing more was asked or sent
    "#);
}

#[test]
fn the_same_as_json() {
    let report = report(Outcome::New, vec![layer("lib", LayerMemo::New)], Vec::new());
    let json = serde_json::to_value(Explanation::of(&report)).expect("json");
    assert_eq!(json["outcome"]["state"], "new");
    assert_eq!(json["images"][0]["layers"][0]["memo"], "new");
}
