//! Deleting, moving a tag only if no other client did, and listing referrers by their type.

use super::super::fake::{Action, Fault, Kind, Reply};
use super::*;
use crate::oci::artifact::{OciArtifact, empty_blob};
use crate::oci::{ManifestOrIndex, RawDocument};
use crate::transport::taken_tag::TakenTag;

fn asked(bench: &Bench, method: &str) -> Vec<String> {
    let log = bench.fake.take_log();
    log.iter().filter(|logged| logged.method == method).map(|logged| logged.target.clone()).collect()
}

#[test]
fn a_manifest_is_deleted_with_its_tags_and_a_tag_alone() {
    let bench = Bench::new();
    let raw = bench.image.raw();
    let (path, media_type) = (bench.repository.path(), raw.media_type.as_ref());
    for blob in &bench.blobs {
        client(quick()).push_blob(&bench.repository, blob).expect("pushed");
    }
    let digest = bench.fake.put_manifest(path, "a", media_type, &raw.bytes);
    bench.fake.put_manifest(path, "b", media_type, &raw.bytes);
    let client = client(quick());
    let tag = |name: &str| bench.repository.at_tag(name.parse().expect("a tag"));
    assert!(client.delete(&tag("a")).expect("deleted"));
    assert_eq!((bench.fake.tag(path, "a"), bench.fake.tag(path, "b")), (None, Some(digest)));
    assert!(!client.delete(&tag("a")).expect("it was not there"));
    assert!(client.delete(&bench.repository.at_digest(digest)).expect("deleted"));
    assert_eq!((bench.fake.tag(path, "b"), bench.fake.manifest(path, &digest)), (None, None));
    assert_eq!(bench.fake.tag(path, TAG), Some(bench.old), "others stay");
}

#[test]
fn the_right_to_delete_is_asked_for() {
    let bench = Bench::new();
    bench.fake.set_auth(Auth { bearer: true, login: None, ..Auth::default() });
    assert!(client(quick()).delete(&bench.repository.at_digest(bench.old)).expect("deleted"));
    let log = bench.fake.take_log();
    let tokens: Vec<&str> =
        log.iter().filter(|logged| logged.kind == Kind::Token).map(|logged| logged.target.as_str()).collect();
    assert_eq!(tokens, ["/token?scope=repository:shop/app:pull,delete&service=fake"]);
}

#[test]
fn a_registry_that_does_not_delete_is_named_with_a_way_out() {
    for (status, code) in [(405, "UNSUPPORTED"), (400, "UNSUPPORTED"), (403, "DENIED"), (404, "NAME_UNKNOWN")]
    {
        let bench = Bench::new();
        let refusal = Action::Answer(Reply::error(status, code, "no"));
        bench.fake.fault(Fault::always("DELETE", Kind::Manifest, refusal));
        let error = client(quick()).delete(&bench.repository.at_digest(bench.old)).expect_err("refused");
        let (text, hint) = (error.to_string(), error.hint().unwrap_or_default());
        assert!(text.contains("deleting shop/app@sha256:") && text.contains(code), "{text}");
        assert_eq!(hint.contains("does not delete"), code == "UNSUPPORTED", "{hint}");
        assert_eq!(asked(&bench, "DELETE").len(), 1, "a definite answer is not asked for twice");
        assert_eq!(bench.fake.tag("shop/app", TAG), Some(bench.old));
    }
}

#[test]
fn a_tag_moves_only_from_what_it_was_seen_to_be() {
    let bench = Bench::new();
    let tag: Tag = TAG.parse().expect("a tag");
    let client = client(quick());
    for blob in &bench.blobs {
        client.push_blob(&bench.repository, blob).expect("pushed");
    }
    let over = |tag: &Tag, expected: Option<Digest>| {
        client.push_document_over(&bench.repository, tag, bench.image.raw(), expected, PushedParts::default())
    };
    for wrong in [None, Some(Digest::of(b"other"))] {
        let error = over(&tag, wrong).expect_err("it is another");
        assert!(matches!(&error, RegistryError::Moved { found: Some(found), .. } if *found == bench.old));
        assert!(error.to_string().contains(&bench.old.to_string()) && error.hint().is_some(), "{error}");
    }
    assert_eq!(asked(&bench, "PUT").iter().filter(|target| target.contains("manifests")).count(), 0);
    assert_eq!(over(&tag, Some(bench.old)).expect("moved"), Delivery::Uploaded);
    assert_eq!(bench.fake.tag("shop/app", TAG), Some(bench.image.digest()));
    // It is what it should be, whatever it was.
    assert_eq!(over(&tag, Some(bench.old)).expect("is there"), Delivery::Present);
    let new: Tag = "new".parse().expect("a tag");
    assert_eq!(over(&new, None).expect("made"), Delivery::Uploaded);
}

#[test]
fn who_loses_the_race_for_a_tag_is_told() {
    let bench = Bench::new();
    let tag: Tag = TAG.parse().expect("a tag");
    let client = client(quick());
    for blob in &bench.blobs {
        client.push_blob(&bench.repository, blob).expect("pushed");
    }
    // Between the push and the look somebody else is faster.
    let old = bench.old.to_string();
    let size = bench.fake.manifest("shop/app", &bench.old).expect("there").len().to_string();
    let theirs = Action::edit(move |reply| {
        reply.set("Docker-Content-Digest", Some(&old));
        reply.set("Content-Length", Some(&size));
    });
    bench.fake.fault(Fault::nth("HEAD", Kind::Manifest, 2, usize::MAX, theirs));
    let raw = bench.image.raw();
    let error = client
        .push_document_over(&bench.repository, &tag, raw, Some(bench.old), PushedParts::default())
        .expect_err("lost");
    assert!(matches!(error, RegistryError::Moved { .. }), "{error}");
}

#[test]
fn of_two_who_make_a_fixed_tag_at_once_the_one_whose_image_it_is_succeeds() {
    let bench = Bench::new();
    let raw = bench.fake.manifest("shop/app", &bench.old).expect("there");
    let old = RawDocument::new(None, raw).expect("a document");
    for blob in &bench.blobs {
        client(quick()).push_blob(&bench.repository, blob).expect("pushed");
    }
    for round in 0..20 {
        let tag: Tag = format!("round-{round}").parse().expect("a tag");
        let make = |document: &RawDocument| {
            let destination = destination(client(quick()), bench.repository.clone());
            destination.fix(std::slice::from_ref(&tag));
            destination.finish(document, std::slice::from_ref(&tag))
        };
        let documents = [bench.image.raw(), &old];
        let results = std::thread::scope(|scope| {
            documents.map(|document| scope.spawn(|| make(document))).map(|it| it.join().expect("no panic"))
        });
        let found = bench.fake.tag("shop/app", tag.as_str()).expect("one of both");
        for (document, result) in documents.into_iter().zip(results) {
            match result {
                Ok(_) => {}
                Err(error) => {
                    assert_ne!(document.digest(), found, "{error}");
                    let taken = TakenTag::behind(&error).expect("told why");
                    assert_eq!((taken.found, taken.digest), (found, document.digest()));
                }
            }
        }
    }
}

/// `localhost` and `127.0.0.1` are one registry here, which a client cannot know.
#[test]
fn of_two_of_one_run_who_make_a_fixed_tag_under_two_names_one_is_told() {
    let bench = Bench::new();
    let raw = bench.fake.manifest("shop/app", &bench.old).expect("there");
    let old = RawDocument::new(None, raw).expect("a document");
    for blob in &bench.blobs {
        client(quick()).push_blob(&bench.repository, blob).expect("pushed");
    }
    let other = bench.repository.to_string().replace("127.0.0.1", "localhost");
    let repositories = [bench.repository.clone(), other.parse().expect("a repository")];
    assert_ne!(repositories[0], repositories[1]);
    for round in 0..20 {
        let tag: Tag = format!("round-{round}").parse().expect("a tag");
        let shared = client(quick());
        let make = |repository: &Repository, document: &RawDocument| {
            let destination = destination(shared.clone(), repository.clone());
            destination.fix(std::slice::from_ref(&tag));
            destination.finish(document, std::slice::from_ref(&tag))
        };
        let documents = [bench.image.raw(), &old];
        let results = std::thread::scope(|scope| {
            let both = repositories.iter().zip(documents);
            let running: Vec<_> = both.map(|(name, it)| scope.spawn(|| make(name, it))).collect();
            running.into_iter().map(|it| it.join().expect("no panic")).collect::<Vec<_>>()
        });
        let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert_eq!(refused.len(), 1, "round {round}");
        assert!(TakenTag::behind(refused[0]).is_some(), "{}", refused[0]);
    }
}

#[test]
fn a_fixed_tag_is_asked_to_be_new_and_looked_at_again() {
    let bench = Bench::new();
    for blob in &bench.blobs {
        client(quick()).push_blob(&bench.repository, blob).expect("pushed");
    }
    let tags: Vec<Tag> = ["2.0", "latest"].map(|tag| tag.parse().expect("a tag")).to_vec();
    let _ = bench.fake.take_log();
    let push = || {
        let destination = destination(client(quick()), bench.repository.clone());
        destination.fix(&tags[..1]);
        destination.finish(bench.image.raw(), &tags).map_err(|error| error.to_string()).expect("made");
        bench.fake.take_log()
    };
    let log = push();
    let manifests = log.iter().filter(|logged| logged.kind == Kind::Manifest);
    let asked: Vec<(&str, bool)> = manifests
        .map(|logged| (logged.method.as_str(), logged.head.to_ascii_lowercase().contains("if-none-match: *")))
        .collect();
    assert_eq!(asked, [("HEAD", false), ("PUT", true), ("HEAD", false), ("PUT", false)]);
    let again = push();
    let puts = again.iter().filter(|logged| logged.method == "PUT" && logged.target.ends_with("/2.0"));
    assert_eq!(puts.count(), 0, "the same digest writes nothing");
}

/// Two referrers of the old image, of different types.
fn with_referrers(bench: &Bench) -> Vec<RawDocument> {
    let old = bench.fake.manifest("shop/app", &bench.old).expect("there");
    let subject = Descriptor::new(MediaType::ImageManifest, bench.old, old.len() as u64);
    let client = client(quick());
    client.push_blob(&bench.repository, &empty_blob("config")).expect("pushed");
    let documents = ["application/sbom", "application/signature"].map(|kind| {
        let artifact =
            OciArtifact::new(kind).layers([empty_blob("config").descriptor]).subject(subject.clone());
        artifact.document("referrer").expect("written")
    });
    for document in &documents {
        let name = document.digest().to_string();
        client.push_document(&bench.repository, &name, document, PushedParts::default()).expect("pushed");
    }
    documents.to_vec()
}

#[test]
fn referrers_are_listed_by_their_type_whoever_filters() {
    let bench = Bench::new();
    let documents = with_referrers(&bench);
    let kinds = |wanted: Option<&str>| match client(quick())
        .referrers(&bench.repository, &bench.old, wanted)
        .expect("listed")
    {
        Referrers::Api(listed) | Referrers::Tag(listed, _) => {
            listed.iter().map(|listed| listed.digest).collect::<Vec<_>>()
        }
        Referrers::Nothing => Vec::new(),
    };
    assert_eq!(kinds(None).len(), 2);
    assert_eq!(kinds(Some("application/sbom")), [documents[0].digest()]);
    assert!(asked(&bench, "GET").iter().any(|target| target.ends_with("?artifactType=application/sbom")));
    assert_eq!(kinds(Some("application/other")), []);
    // A registry that leaves the filter out.
    let all = bench.fake.take_log();
    drop(all);
    let listed = match client(quick()).referrers(&bench.repository, &bench.old, None).expect("listed") {
        Referrers::Api(listed) => listed,
        other => panic!("{other:?}"),
    };
    let index = crate::oci::Index { manifests: listed, ..crate::store::empty_index() };
    let body = crate::oci::to_json("index", &index).expect("written");
    let whole = Reply::new(200).header("Content-Type", MediaType::ImageIndex.as_ref()).body(body.clone());
    bench.fake.fault(Fault::always("GET", Kind::Referrers, Action::Answer(whole)));
    assert_eq!(kinds(Some("application/signature")), [documents[1].digest()]);
    // One without the API, and with the tag that stands in for it.
    let bench = Bench::new();
    let documents = with_referrers(&bench);
    bench.fake.fault(Fault::always("GET", Kind::Referrers, Action::Answer(Reply::new(404))));
    bench.fake.put_manifest(
        "shop/app",
        fallback_tag(&bench.old).as_str(),
        MediaType::ImageIndex.as_ref(),
        &body,
    );
    let found = client(quick()).referrers(&bench.repository, &bench.old, Some("application/sbom"));
    let Ok(Referrers::Tag(listed, _)) = found else { panic!("{found:?}") };
    assert_eq!(listed.iter().map(|listed| listed.digest).collect::<Vec<_>>(), [documents[0].digest()]);
}

#[test]
fn two_who_write_the_list_of_referrers_at_once_do_not_lose_each_others() {
    let bench = Bench::new();
    let documents = with_referrers(&bench);
    bench.fake.fault(Fault::always("GET", Kind::Referrers, Action::Answer(Reply::new(404))));
    std::thread::scope(|scope| {
        for document in &documents {
            let repository = bench.repository.clone();
            let subject = bench.old;
            scope.spawn(move || {
                let destination = destination(client(quick()), repository);
                destination.refer(&subject, &[document.descriptor()]).expect("listed");
            });
        }
    });
    // A client that was overwritten between its look and the other's push was told, unless both pushed at the same
    // moment; a second look then finds the loss.
    let destination = destination(client(quick()), bench.repository.clone());
    for document in &documents {
        destination.refer(&bench.old, &[document.descriptor()]).expect("listed");
    }
    let list = bench.fake.tag("shop/app", fallback_tag(&bench.old).as_str()).expect("there");
    let bytes = bench.fake.manifest("shop/app", &list).expect("there");
    let index = RawDocument::new(None, bytes).expect("a document").parse().expect("an index");
    let ManifestOrIndex::Index(index) = index else { panic!("an index") };
    assert_eq!(index.manifests.len(), 2);
}

/// A proxy that lets GET through and refuses HEAD.
#[test]
fn where_head_is_refused_get_is_tried() {
    let bench = Bench::new();
    let no = || Action::Answer(Reply::error(403, "DENIED", "no HEAD here"));
    bench.fake.fault(Fault::always("HEAD", Kind::Manifest, no()));
    bench.fake.fault(Fault::always("HEAD", Kind::Blob, no()));
    let client = client(quick());
    let tag = bench.repository.at_tag(TAG.parse().expect("a tag"));
    let found = client.resolve(&tag).expect("resolved").expect("there");
    assert_eq!(found.digest, bench.old);
    let base = &bench.blobs[0].descriptor;
    assert!(client.has_blob(&bench.repository, base).expect("asked"));
    assert!(!client.has_blob(&bench.repository, &bench.blobs[1].descriptor).expect("asked"));
    bench.push(&client).map_err(|error| shown(&error)).expect("pushed");
    assert!(bench.holds_the_image());
    assert_eq!(bench.fake.commits().get(&base.digest), None, "what is there is not sent");
}
