//! Pulling.

use std::io::Read;

use super::super::fake::{Action, End, Fault, Kind, Reply};
use super::*;
use crate::oci::MAX_DOCUMENT;
use crate::types::reference::Reference;

struct Pull {
    bench: Bench,
    bytes: Vec<u8>,
    descriptor: Descriptor,
}

impl Pull {
    /// A registry with a blob that is large enough to be streamed.
    fn new() -> Self {
        let bench = Bench::new();
        let bytes: Vec<u8> =
            (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        bench.fake.put_blob("shop/app", &bytes);
        let descriptor = Descriptor::of(MediaType::ImageLayerGzip, &bytes);
        assert!(descriptor.size > MAX_DOCUMENT);
        Self { bench, bytes, descriptor }
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        let stream = client(quick()).blob(&self.bench.repository, &self.descriptor);
        let mut bytes = Vec::new();
        stream
            .map_err(|error| error.to_string())?
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let cut = || Action::Truncate(1_000_000);
    let no_range = Action::edit(|reply| reply.set("Content-Range", Some("bytes 0-4/5")));
    let cases = [
        ("truncated once", vec![Fault::once("GET", Kind::Blob, cut())]),
        ("truncated thrice", vec![Fault::nth("GET", Kind::Blob, 1, 3, cut())]),
        ("reset first", vec![Fault::once("GET", Kind::Blob, Action::Unanswered(End::Closed))]),
        ("500 first", vec![Fault::once("GET", Kind::Blob, Action::Answer(Reply::new(500)))]),
        (
            "500 on resuming",
            vec![
                Fault::once("GET", Kind::Blob, cut()),
                Fault::nth("GET", Kind::Blob, 2, 2, Action::Answer(Reply::new(503))),
            ],
        ),
        (
            "wrong range",
            vec![Fault::once("GET", Kind::Blob, cut()), Fault::nth("GET", Kind::Blob, 2, 1, no_range)],
        ),
        (
            "range refused",
            vec![
                Fault::once("GET", Kind::Blob, cut()),
                Fault::nth("GET", Kind::Blob, 2, 1, Action::Answer(Reply::new(416))),
            ],
        ),
    ];
    for (name, faults) in cases {
        let pull = Pull::new();
        for fault in faults {
            pull.bench.fake.fault(fault);
        }
        assert!(
            pull.read().map_err(|error| format!("{name}: {error}")).expect("succeeds") == pull.bytes,
            "{name}"
        );
    }
}

#[test]
fn a_registry_without_ranges_is_read_again() {
    let pull = Pull::new();
    pull.bench.fake.fault(Fault::once("GET", Kind::Blob, Action::Truncate(1_000_000)));
    let whole = Reply::new(200).body(pull.bytes.clone());
    pull.bench.fake.fault(Fault::nth("GET", Kind::Blob, 2, 1, Action::Answer(whole)));
    assert!(pull.read().expect("succeeds") == pull.bytes);
}

#[test]
fn blobs_are_asked_for_as_they_are() {
    let pull = Pull::new();
    pull.bench.fake.fault(Fault::once("GET", Kind::Blob, Action::Truncate(1_000_000)));
    assert!(pull.read().expect("succeeds") == pull.bytes);
    let log = pull.bench.fake.take_log();
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|request| request.head.contains("accept-encoding: identity\r\n")), "{log:?}");
}

#[test]
fn wrong_bytes_are_never_passed_on_as_right() {
    let pull = Pull::new();
    let flipped = |reply: &mut Reply| {
        if let Some(byte) = reply.body.last_mut() {
            *byte ^= 1;
        }
    };
    for (name, action, text) in [
        ("flipped", Action::edit(flipped), "hash to"),
        ("longer", Action::edit(|reply| reply.body.push(0)), "more than"),
        ("shorter for ever", Action::edit(|reply| reply.body.clear()), "ended early"),
        ("HTML", Action::Answer(Reply::new(404)), "not found"),
    ] {
        pull.bench.fake.heal();
        pull.bench.fake.fault(Fault::always("GET", Kind::Blob, action));
        let error = pull.read().expect_err(name);
        assert!(error.contains(text), "{name}: {error}");
        assert!(error.contains(&pull.descriptor.digest.to_string()), "{name}: {error}");
    }
}

#[test]
fn small_blobs_are_checked_before_they_are_handed_out() {
    let bench = Bench::new();
    let descriptor = &bench.blobs[0].descriptor;
    bench.fake.fault(Fault::once("GET", Kind::Blob, Action::Truncate(10)));
    let mut bytes = Vec::new();
    client(quick())
        .blob(&bench.repository, descriptor)
        .expect("opens")
        .read_to_end(&mut bytes)
        .expect("reads");
    assert_eq!(bytes, [7; 100_000]);
    bench.fake.fault(Fault::always("GET", Kind::Blob, Action::edit(|reply| reply.body[0] ^= 1)));
    let error = client(quick()).blob(&bench.repository, descriptor).map(|_| ()).expect_err("is noticed");
    assert!(matches!(error, RegistryError::Mismatch { .. }), "{error}");
}

#[test]
fn redirects_are_followed_without_credentials() {
    let pull = Pull::new();
    let fake = &pull.bench.fake;
    fake.set_auth(Auth { login: Some(("alice".into(), "hunter2".into())), ..Auth::default() });
    let cdn = format!("http://{}/cdn/{}", fake.foreign_address(), pull.descriptor.digest);
    fake.fault(Fault::nth(
        "GET",
        Kind::Blob,
        2,
        99,
        Action::Instead(Reply::new(307).header("Location", cdn)),
    ));
    fake.fault(Fault::once("GET", Kind::Cdn, Action::Truncate(3_000_000)));
    // An address that has expired: the registry gives a new one.
    fake.fault(Fault::nth("GET", Kind::Cdn, 2, 1, Action::Answer(Reply::new(403))));
    let mut settings = quick();
    let login = Some(("alice".to_owned(), Secret::new("hunter2")));
    let own = RegistrySettings { login, ..RegistrySettings::default() };
    settings.registries.insert(pull.bench.repository.registry().clone(), own);
    let mut bytes = Vec::new();
    let stream = client(settings).blob(&pull.bench.repository, &pull.descriptor);
    stream.expect("opens").read_to_end(&mut bytes).expect("reads");
    assert!(bytes == pull.bytes);
    let log = fake.take_log();
    assert_eq!(log.iter().filter(|request| request.foreign).count(), 3);
    assert!(log.iter().all(|request| !request.foreign || request.authorization.is_none()));
}

#[test]
fn redirects_end() {
    let pull = Pull::new();
    let here = format!("/v2/shop/app/blobs/{}", pull.descriptor.digest);
    let again = Action::Answer(Reply::new(302).header("Location", here));
    pull.bench.fake.fault(Fault::always("GET", Kind::Blob, again));
    let error = pull.read().expect_err("does not end");
    assert!(error.contains("more than 10 times"), "{error}");
    assert_eq!(pull.bench.fake.take_log().len(), 11);
    let inside = Action::Answer(Reply::new(302).header("Location", "http://169.254.1.1/x"));
    pull.bench.fake.heal();
    pull.bench.fake.fault(Fault::always("GET", Kind::Blob, inside));
    assert!(pull.read().expect_err("is refused").contains("inside a network"));
}

#[test]
fn an_interrupt_ends_a_download() {
    let pull = Pull::new();
    let interrupt = Interrupt::default();
    let client = Client::new(quick(), Progress::default(), interrupt.clone());
    let mut stream = client.blob(&pull.bench.repository, &pull.descriptor).expect("opens");
    let mut some = [0; 1000];
    stream.read_exact(&mut some).expect("reads");
    interrupt.trigger();
    let error = stream.read_to_end(&mut Vec::new()).expect_err("is interrupted");
    assert!(error.to_string().contains("interrupted"), "{error}");
}

#[test]
fn documents_are_what_they_are_asked_for_as() {
    let bench = Bench::new();
    let old = bench.old.to_string();
    let get = |name: &str, expected: Option<&Descriptor>| {
        client(quick()).document(&bench.repository, name, expected).map_err(|error| error.to_string())
    };
    let document = get(TAG, None).expect("succeeds");
    assert_eq!(get(&old, Some(&document.descriptor())), Ok(document.clone()));
    assert!(get("absent", None).expect_err("is absent").contains("not found"));
    let mut other = document.descriptor();
    other.size += 1;
    assert!(get(&old, Some(&other)).expect_err("another size").contains("bytes"));
    other = document.descriptor();
    other.media_type = MediaType::ImageIndex;
    assert!(get(&old, Some(&other)).expect_err("another type").contains("announced as"));

    let answer = |body: &str| Action::Answer(Reply::new(200).body(body));
    let html = Reply::new(200).header("Content-Type", "text/html; charset=utf-8").body("<html>");
    let cases = [
        ("HTML", Action::Answer(html), "HTML page"),
        ("schema 1", answer(r#"{"schemaVersion":1,"fsLayers":[]}"#), "schema 1"),
        ("both", answer(r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#), "at once"),
        ("twice", answer(r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#), "occurs twice"),
        ("no JSON", answer("x"), "not valid JSON"),
        ("huge", answer(&" ".repeat(5 << 20)), "more than 4194304 bytes"),
        ("cut", Action::Truncate(20), "connection broke"),
        ("403", Action::Answer(Reply::error(403, "DENIED", "no")), "DENIED"),
    ];
    for (name, action, text) in cases {
        bench.fake.heal();
        bench.fake.fault(Fault::always("GET", Kind::Manifest, action));
        let error = get(TAG, None).expect_err(name);
        assert!(error.contains(text), "{name}: {error}");
    }
    bench.fake.heal();
    bench.fake.fault(Fault::always("GET", Kind::Manifest, Action::edit(|reply| reply.body.push(b' '))));
    assert!(get(&old, None).expect_err("other bytes").contains("expected sha256:"));
    bench.fake.heal();
    bench.fake.fault(Fault::once("GET", Kind::Manifest, Action::Truncate(20)));
    assert_eq!(get(TAG, None), Ok(document));
}

#[test]
fn resolving_is_one_head_or_one_more_get() {
    let bench = Bench::new();
    let reference = bench.repository.at_tag(TAG.parse().expect("valid"));
    let resolve = |reference: &Reference| client(quick()).resolve(reference);
    let found = resolve(&reference).expect("answers").expect("exists");
    assert_eq!(found.digest, bench.old);
    assert_eq!(bench.fake.take_log().len(), 1);
    let absent = bench.repository.at_tag("absent".parse().expect("valid"));
    assert_eq!(resolve(&absent).expect("answers"), None);
    assert_eq!(bench.fake.take_log().len(), 1);
    bench.fake.fault(Fault::always(
        "HEAD",
        Kind::Manifest,
        Action::edit(|reply| reply.set("Docker-Content-Digest", None)),
    ));
    assert_eq!(resolve(&reference).expect("answers"), Some(found));
    assert_eq!(bench.fake.take_log().len(), 2);
    bench.fake.heal();
    let other = Digest::of(b"x").to_string();
    bench.fake.fault(Fault::always(
        "HEAD",
        Kind::Manifest,
        Action::edit(move |reply| reply.set("Docker-Content-Digest", Some(&other))),
    ));
    let pinned = bench.repository.at_digest(bench.old);
    assert!(matches!(resolve(&pinned), Err(RegistryError::Mismatch { .. })));
}
