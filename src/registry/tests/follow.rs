//! Blobs that are uploaded while they are made.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use super::super::fake::Action::{Answer, Cut, Instead, Lose, Unanswered};
use super::super::fake::Kind::{Session, Start};
use super::super::fake::{Action, At, End, Fault, Reply};
use super::*;
use crate::oci::blob::{GrowingBlob, growing};

/// Makes a blob of `pieces` on a thread of its own.
fn make(pieces: Vec<Vec<u8>>) -> (GrowingBlob, Blob) {
    let blob = layer(&pieces.concat());
    let (growing, grower) = growing("layer");
    let made = blob.clone();
    std::thread::spawn(move || {
        let mut file = tempfile::tempfile().expect("temporary file");
        grower.file(file.try_clone().expect("another handle"));
        for piece in pieces {
            file.write_all(&piece).expect("written");
            grower.push(piece.into());
            std::thread::yield_now();
        }
        grower.finish(made);
    });
    (growing, blob)
}

fn small() -> Vec<Vec<u8>> {
    vec![vec![1; 3000], vec![2; 70_000], vec![3; 10]]
}

/// More than is sent in one piece.
fn large() -> Vec<Vec<u8>> {
    (0..40_u8).map(|n| vec![n; 100_001]).collect()
}

fn methods(fake: &Fake) -> Vec<String> {
    fake.take_log().into_iter().map(|request| request.method).collect()
}

#[test]
fn a_blob_arrives_in_one_session_small_or_large() {
    for (pieces, expected) in [(small(), &["POST", "PUT"][..]), (large(), &["POST", "PATCH", "PUT"])] {
        let bench = Bench::new();
        let (growing, blob) = make(pieces);
        let delivery = client(quick()).follow_blob(&bench.repository, &growing);
        assert_eq!(delivery, Some(Delivery::Uploaded));
        assert_eq!(methods(&bench.fake), expected);
        let bytes = bench.fake.blob(bench.repository.path(), &blob.descriptor.digest).expect("stored");
        assert_eq!(Digest::of(&bytes), blob.descriptor.digest);
        assert_eq!(bench.fake.open_sessions(), 0);
    }
}

#[test]
fn a_blob_that_is_given_up_leaves_nothing() {
    for bytes in [10, 3 << 20] {
        let bench = Bench::new();
        let (growing, grower) = growing("layer");
        let client = client(quick());
        let follower = std::thread::spawn({
            let (repository, client) = (bench.repository.clone(), client.clone());
            move || client.follow_blob(&repository, &growing)
        });
        grower.push(vec![7; bytes].into());
        drop(grower);
        assert_eq!(follower.join().expect("no panic"), None);
        assert_eq!(bench.fake.open_sessions(), 0, "cancelled");
        assert_eq!(bench.fake.commits().len(), 0);
        // It was not the registry's fault.
        let (growing, _) = make(small());
        assert_eq!(client.follow_blob(&bench.repository, &growing), Some(Delivery::Uploaded));
    }
}

#[test]
fn a_blob_that_the_repository_has_is_not_committed() {
    let bench = Bench::new();
    let client = client(quick());
    let (growing, blob) = make(large());
    client.note_blob(&bench.repository, blob.descriptor.digest);
    assert_eq!(client.follow_blob(&bench.repository, &growing), Some(Delivery::Present));
    assert_eq!((bench.fake.commits().len(), bench.fake.open_sessions()), (0, 0));
}

#[test]
fn bytes_that_are_not_those_of_the_blob_are_never_committed() {
    let bench = Bench::new();
    let (growing, grower) = growing("layer");
    let bytes: Vec<Vec<u8>> = (0..20_u8).map(|number| vec![number; 1 << 20]).collect();
    let mut file = tempfile::tempfile().expect("temporary file");
    file.write_all(&bytes.concat()).expect("written");
    // Of the bytes that are no longer in memory when the session is open.
    file.write_all_at(b"other", 7 << 20).expect("damaged");
    grower.file(file);
    let blob = layer(&bytes.concat());
    bytes.into_iter().for_each(|piece| grower.push(piece.into()));
    grower.finish(blob);
    assert_eq!(client(quick()).follow_blob(&bench.repository, &growing), None);
    assert_eq!((bench.fake.commits().len(), bench.fake.open_sessions()), (0, 0));
}

/// Whatever happens to the session, the ordinary upload that follows brings the blob there, once.
#[test]
fn every_fault_leaves_the_blob_to_the_ordinary_upload() {
    let status = |status| Answer(Reply::new(status));
    let no_location = || Action::edit(|reply: &mut Reply| reply.set("Location", None));
    let faults: Vec<(&str, Fault)> = vec![
        ("POST 404", Fault::once("POST", Start, status(404))),
        ("POST 500", Fault::once("POST", Start, status(500))),
        ("POST 429", Fault::once("POST", Start, status(429))),
        ("POST unanswered", Fault::once("POST", Start, Unanswered(End::Reset))),
        ("POST without a place", Fault::once("POST", Start, no_location())),
        ("PATCH 405", Fault::once("PATCH", Session, status(405))),
        ("PATCH 416", Fault::once("PATCH", Session, status(416))),
        ("PATCH 500", Fault::once("PATCH", Session, status(500))),
        ("PATCH 401", Fault::once("PATCH", Session, status(401))),
        ("PATCH broken at once", Fault::once("PATCH", Session, Cut(At::Start, End::Reset))),
        ("PATCH broken on the way", Fault::once("PATCH", Session, Cut(At::Middle, End::Closed))),
        ("PATCH done but unanswered", Fault::once("PATCH", Session, Unanswered(End::Reset))),
        ("PATCH lost", Fault::once("PATCH", Session, Lose)),
        ("PUT 404", Fault::once("PUT", Session, status(404))),
        ("PUT 500", Fault::once("PUT", Session, status(500))),
        ("PUT 400", Fault::once("PUT", Session, Answer(Reply::error(400, "DIGEST_INVALID", "no")))),
        ("PUT done but unanswered", Fault::once("PUT", Session, Unanswered(End::Reset))),
        ("PUT done but 500", Fault::once("PUT", Session, Instead(Reply::new(500)))),
        ("PUT 200 to everything", Fault::once("PUT", Session, status(200))),
    ];
    for (name, fault) in faults {
        for pieces in [small(), large()] {
            let bench = Bench::new();
            bench.fake.fault(fault.clone());
            let client = client(quick());
            let (growing, blob) = make(pieces);
            let digest = blob.descriptor.digest;
            let followed = client.follow_blob(&bench.repository, &growing);
            if followed.is_none() {
                client.push_blob(&bench.repository, &blob).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let bytes = bench.fake.blob(bench.repository.path(), &digest);
            assert_eq!(bytes.map(|bytes| Digest::of(&bytes)), Some(digest), "{name}");
            let commits = bench.fake.commits().get(&digest).copied().unwrap_or(0);
            assert_eq!(commits, 1, "{name}: uploads to the end");
            assert!(bench.fake.take_log().len() < 12, "{name}");
        }
    }
}

#[test]
fn a_refusal_is_remembered_for_the_run() {
    let bench = Bench::new();
    bench.fake.fault(Fault::always("PATCH", Session, Answer(Reply::new(405))));
    let client = client(quick());
    assert_eq!(client.follow_blob(&bench.repository, &make(large()).0), None);
    let _ = bench.fake.take_log();
    assert_eq!(client.follow_blob(&bench.repository, &make(large()).0), None);
    assert!(bench.fake.take_log().is_empty(), "not tried again");
}
