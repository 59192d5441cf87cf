//! Pushing without faults: how many requests, which thread waits for which, what an interrupt leaves behind.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::fake::{Action, End, Fault, Kind, Logged, Reply};
use super::*;

fn methods(log: &[Logged]) -> Vec<(String, Kind)> {
    log.iter().map(|request| (request.method.clone(), request.kind)).collect()
}

fn expect(log: &[Logged], expected: &[(&str, Kind)]) {
    let expected: Vec<_> = expected.iter().map(|(method, kind)| ((*method).to_owned(), *kind)).collect();
    assert_eq!(methods(log), expected);
}

const UPLOAD: [(&str, Kind); 3] = [("HEAD", Kind::Blob), ("POST", Kind::Start), ("PUT", Kind::Session)];

#[test]
fn no_change_is_one_request() {
    let bench = Bench::new();
    bench.push(&client(quick())).map_err(|error| shown(&error)).expect("succeeds");
    let _ = bench.fake.take_log();
    bench.push(&client(quick())).map_err(|error| shown(&error)).expect("succeeds");
    expect(&bench.fake.take_log(), &[("HEAD", Kind::Manifest)]);
}

#[test]
fn a_new_layer_on_a_known_base_is_nine_requests() {
    let bench = Bench::new();
    bench.push(&client(quick())).map_err(|error| shown(&error)).expect("succeeds");
    let before = [("HEAD", Kind::Manifest), ("GET", Kind::Manifest)];
    let all: Vec<_> =
        before.into_iter().chain(UPLOAD).chain(UPLOAD).chain([("PUT", Kind::Manifest)]).collect();
    expect(&bench.fake.take_log(), &all);
}

#[test]
fn a_build_that_begins_asks_for_no_blob_of_the_image_before() {
    let bench = Bench::new();
    let destination = destination(client(quick()), bench.repository.clone());
    destination.begin(&Bench::tags()).expect("answers");
    for blob in &bench.blobs {
        destination.blob(blob).expect("pushed");
    }
    destination.finish(bench.image.raw(), &Bench::tags()).expect("pushed");
    assert!(bench.holds_the_image());
    assert_eq!(bench.fake.take_log().len(), 9);
}

#[test]
fn a_mount_is_a_look_and_a_request() {
    let bench = Bench::new();
    let other: Repository = format!("{}/shop/other", bench.fake.address()).parse().expect("valid");
    let blob = Blob { origin: Some(bench.repository.clone()), ..bench.blobs[0].clone() };
    let client = client(quick());
    assert_eq!(client.push_blob(&other, &blob).expect("succeeds"), Delivery::Mounted);
    expect(&bench.fake.take_log(), &[("HEAD", Kind::Blob), ("POST", Kind::Mount)]);
    assert_eq!(client.push_blob(&other, &blob).expect("succeeds"), Delivery::Present);
    assert_eq!(client.push_blob(&bench.repository, &blob).expect("succeeds"), Delivery::Present);
    assert_eq!(bench.fake.take_log().len(), 0);
}

#[test]
fn what_was_pushed_to_one_repository_is_mounted_in_the_next() {
    let bench = Bench::new();
    let client = client(quick());
    let blob = &bench.blobs[1];
    assert_eq!(client.push_blob(&bench.repository, blob).expect("succeeds"), Delivery::Uploaded);
    let other: Repository = format!("{}/shop/other", bench.fake.address()).parse().expect("valid");
    assert_eq!(client.push_blob(&other, blob).expect("succeeds"), Delivery::Mounted);
    assert!(bench.fake.commits().values().all(|times| *times == 1));
}

#[test]
fn a_mount_that_fails_is_no_failure() {
    let answers = [
        Action::Answer(Reply::error(400, "UNSUPPORTED", "")),
        Action::Answer(Reply::error(401, "UNAUTHORIZED", "")),
        Action::Answer(Reply::error(403, "DENIED", "")),
        Action::Answer(Reply::error(404, "NAME_UNKNOWN", "")),
        Action::Answer(Reply::new(500)),
        Action::Answer(Reply::new(201)),
        Action::Answer(Reply::new(202)),
        Action::Unanswered(End::Closed),
    ];
    for action in answers {
        let bench = Bench::new();
        bench.fake.fault(Fault::always("POST", Kind::Mount, action));
        let other: Repository = format!("{}/shop/other", bench.fake.address()).parse().expect("valid");
        let blob = Blob { origin: Some(bench.repository.clone()), ..bench.blobs[0].clone() };
        client(quick()).push_blob(&other, &blob).expect("succeeds");
        assert!(bench.fake.blob("shop/other", &blob.descriptor.digest).is_some());
        assert_eq!(bench.fake.open_sessions(), 0);
    }
}

#[test]
fn a_declined_mount_gives_a_session() {
    let bench = Bench::new();
    let other: Repository = format!("{}/shop/other", bench.fake.address()).parse().expect("valid");
    let nowhere: Repository = format!("{}/shop/nowhere", bench.fake.address()).parse().expect("valid");
    let blob = Blob { origin: Some(nowhere), ..bench.blobs[0].clone() };
    assert_eq!(client(quick()).push_blob(&other, &blob).expect("succeeds"), Delivery::Uploaded);
    expect(&bench.fake.take_log(), &[("HEAD", Kind::Blob), ("POST", Kind::Mount), ("PUT", Kind::Session)]);
    // And where the blob is, nothing is mounted.
    let bench = Bench::new();
    let nowhere: Repository = format!("{}/shop/nowhere", bench.fake.address()).parse().expect("valid");
    let blob = Blob { origin: Some(nowhere), ..bench.blobs[0].clone() };
    assert_eq!(client(quick()).push_blob(&bench.repository, &blob).expect("succeeds"), Delivery::Present);
    expect(&bench.fake.take_log(), &[("HEAD", Kind::Blob)]);
}

#[test]
fn the_same_blob_is_sent_once_by_many_threads() {
    let bench = Bench::new();
    let client = client(quick());
    let deliveries: Vec<Delivery> = std::thread::scope(|scope| {
        let push = || client.push_blob(&bench.repository, &bench.blobs[1]).expect("succeeds");
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(push)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(deliveries.iter().filter(|delivery| **delivery == Delivery::Uploaded).count(), 1);
    assert_eq!(bench.fake.commits()[&bench.added()], 1);
}

#[test]
fn two_pushers_at_once_both_succeed() {
    let bench = Bench::new();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| bench.push(&client(quick())).map_err(|error| shown(&error)).expect("succeeds"));
        }
    });
    assert!(bench.holds_the_image());
}

#[test]
fn a_slow_registry_is_not_stopped_from_storing() {
    let bench = Bench::new();
    bench.fake.fault(Fault::once("PUT", Kind::Session, Action::Delay(Duration::from_millis(900))));
    client(quick()).push_blob(&bench.repository, &bench.blobs[1]).expect("succeeds");
    let log = bench.fake.take_log();
    let at =
        |method: &str, kind| log.iter().rposition(|request| request.method == method && request.kind == kind);
    assert!(at("HEAD", Kind::Blob) < at("DELETE", Kind::Session), "{:?}", methods(&log));
    assert_eq!(bench.fake.commits()[&bench.added()], 1);
}

#[test]
fn a_host_gets_few_requests_at_once() {
    let bench = Bench::new();
    let client = client(quick());
    for kind in [Kind::Blob, Kind::Session] {
        bench.fake.fault(Fault::always("*", kind, Action::Delay(Duration::from_millis(20))));
    }
    std::thread::scope(|scope| {
        for number in 0..16_u8 {
            let (client, repository) = (&client, &bench.repository);
            scope.spawn(move || client.push_blob(repository, &layer(&[number; 100])).expect("succeeds"));
        }
    });
    assert!(bench.fake.most_busy() <= 4, "{}", bench.fake.most_busy());
}

#[test]
fn changed_local_bytes_are_never_sent_whole_nor_again() {
    let bench = Bench::new();
    let opened = std::sync::Arc::new(AtomicUsize::new(0));
    let lengths = [299_999_usize, 300_000, 300_001];
    for length in lengths {
        let (opened, bytes) = (opened.clone(), vec![1_u8; length]);
        let content = move || {
            opened.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(io::Cursor::new(bytes.clone())) as BlobStream)
        };
        let blob = Blob { content: std::sync::Arc::new(content), ..bench.blobs[1].clone() };
        let error = client(quick()).push_blob(&bench.repository, &blob).expect_err("is noticed");
        assert!(matches!(error, RegistryError::Local { .. }), "{error}");
        assert_eq!(error.kind(), crate::types::error::Kind::Input);
    }
    // Once to send it, once the checked way for its keeper to see what is wrong.
    assert_eq!(opened.load(Ordering::SeqCst), 2 * lengths.len());
    assert!(bench.fake.commits().is_empty());
    assert_eq!(bench.fake.open_sessions(), 0);
}

#[test]
fn missing_local_bytes_are_a_clear_error() {
    let bench = Bench::new();
    let content = || Err(io::Error::from(io::ErrorKind::NotFound));
    let blob = Blob { content: std::sync::Arc::new(content), ..bench.blobs[1].clone() };
    let error = client(quick()).push_blob(&bench.repository, &blob).expect_err("is noticed");
    assert!(matches!(error, RegistryError::Local { .. }), "{error}");
}

#[test]
fn an_empty_blob_is_pushed() {
    let bench = Bench::new();
    let blob = layer(b"");
    assert_eq!(client(quick()).push_blob(&bench.repository, &blob).expect("succeeds"), Delivery::Uploaded);
    assert_eq!(bench.fake.blob("shop/app", &Digest::of(b"")), Some(Vec::new()));
}

#[test]
fn chunks_when_asked_for() {
    let bench = Bench::new();
    let mut settings = quick();
    let own = RegistrySettings { chunk_size: Some(70_000), ..RegistrySettings::default() };
    settings.registries.insert(bench.repository.registry().clone(), own);
    bench.fake.fault(Fault::always(
        "POST",
        Kind::Start,
        Action::edit(|reply| reply.set("OCI-Chunk-Min-Length", Some("100000"))),
    ));
    client(settings).push_blob(&bench.repository, &bench.blobs[1]).expect("succeeds");
    let log = bench.fake.take_log();
    assert_eq!(log.iter().filter(|request| request.method == "PATCH").count(), 3);
    assert!(bench.fake.blob("shop/app", &bench.added()).is_some());
}

#[test]
fn an_interrupt_ends_an_upload_and_cancels_its_session() {
    let bench = Bench::new();
    let interrupt = Interrupt::default();
    let settings = ClientSettings { timeouts: Timeouts::default(), ..quick() };
    let client = Client::new(settings, Progress::default(), interrupt.clone());
    let (started, waits) = std::sync::mpsc::channel();
    let content = move || {
        let _ = started.send(());
        struct Slow(usize);
        impl io::Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_millis(20));
                self.0 += 1;
                let length = if self.0 < 200 { buffer.len().min(1000) } else { 0 };
                Ok(length)
            }
        }
        Ok(Box::new(Slow(0)) as BlobStream)
    };
    let blob = Blob { content: std::sync::Arc::new(content), ..bench.blobs[1].clone() };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let push = scope.spawn(|| client.push_blob(&bench.repository, &blob));
        waits.recv().expect("the upload starts");
        interrupt.trigger();
        let error = push.join().expect("no panic").expect_err("is interrupted");
        assert!(matches!(error, RegistryError::Interrupted(_)), "{error}");
    });
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let log = bench.fake.take_log();
    assert_eq!(
        log.last().map(|request| (request.method.as_str(), request.kind)),
        Some(("DELETE", Kind::Session))
    );
    assert_eq!(bench.fake.open_sessions(), 0);
    assert!(client.push_blob(&bench.repository, &blob).is_err());
}

#[test]
fn a_failed_push_leaves_no_session() {
    let bench = Bench::new();
    bench.fake.fault(Fault::always("PUT", Kind::Session, Action::Answer(Reply::new(413))));
    assert!(client(quick()).push_blob(&bench.repository, &bench.blobs[1]).is_err());
    assert_eq!(bench.fake.open_sessions(), 0);
}

#[test]
fn nobody_there_is_said_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let repository: Repository = format!("{address}/a").parse().expect("valid");
    let start = Instant::now();
    let error =
        client(ClientSettings::default()).resolve(&repository.at_tag(Tag::latest())).expect_err("refused");
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("nothing listens")));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn tls_to_a_plain_registry_says_what_to_set() {
    let bench = Bench::new();
    let mut settings = quick();
    let own =
        RegistrySettings { plain_http: Some(false), skip_tls_verify: true, ..RegistrySettings::default() };
    settings.registries.insert(bench.repository.registry().clone(), own);
    let error = client(settings).resolve(&bench.repository.at_tag(Tag::latest())).expect_err("no TLS");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("plain-http = true")));
}

#[test]
fn a_blob_may_come_from_a_registry() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    bench.fake.put_blob("shop/app", &bytes);
    let descriptor = Descriptor::of(MediaType::ImageLayerGzip, &bytes);
    let mut settings = quick();
    settings.concurrency = 1;
    let client = client(settings);
    let copy = |to: &str| {
        let (source, repository, wanted) = (client.clone(), bench.repository.clone(), descriptor.clone());
        let content = move || source.blob(&repository, &wanted).map_err(crate::types::error::carry);
        let content = std::sync::Arc::new(content);
        let blob = Blob {
            descriptor: descriptor.clone(),
            content,
            origin: None,
            title: "copied".to_owned(),
            is_new: false,
        };
        let to: Repository = format!("{}/{to}", bench.fake.address()).parse().expect("valid");
        client.push_blob(&to, &blob)
    };
    // Both directions at once on one host, with one slot each.
    assert_eq!(copy("shop/one").expect("succeeds"), Delivery::Uploaded);
    assert!(bench.fake.blob("shop/one", &descriptor.digest).as_ref() == Some(&bytes));

    bench.fake.fault(Fault::always("POST", Kind::Mount, Action::Answer(Reply::new(400))));
    bench.fake.fault(Fault::always("GET", Kind::Blob, Action::Answer(Reply::new(404))));
    let error = copy("shop/two").expect_err("has no source");
    assert!(matches!(error, RegistryError::Source { .. }), "{error}");
    assert!(error.to_string().contains("pulling blob shop/app@"), "{error}");
}

#[test]
fn what_was_believed_wrongly_is_asked_for_when_the_manifest_is_refused() {
    let bench = Bench::new();
    let client = client(quick());
    for blob in &bench.blobs {
        client.note_blob(&bench.repository, blob.descriptor.digest);
        assert_eq!(client.push_blob(&bench.repository, blob).expect("succeeds"), Delivery::Present);
    }
    let before = PushedParts { blobs: &bench.blobs, ..PushedParts::default() };
    let pushed = client.push_document(&bench.repository, TAG, bench.image.raw(), before);
    assert_eq!(pushed.expect("succeeds"), Delivery::Uploaded);
    assert!(bench.holds_the_image());
    assert!(bench.fake.commits().values().all(|times| *times == 1));
}

#[test]
fn an_early_refusal_is_heard() {
    let bench = Bench::new();
    bench.fake.fault(Fault::always("PUT", Kind::Session, Action::Early(Reply::new(413))));
    let blob = layer(&vec![1; 8_000_000]);
    let error = client(quick()).push_blob(&bench.repository, &blob).expect_err("is too large");
    assert!(error.to_string().contains("413"), "{error}");
}

#[test]
fn a_proxy_is_used_only_where_it_is_given() {
    let bench = Bench::new();
    let reference = "registry.invalid/shop/app:1.0".parse().expect("valid");
    let mut settings = quick();
    let own = RegistrySettings { plain_http: Some(true), ..RegistrySettings::default() };
    settings.registries.insert("registry.invalid".parse().expect("valid"), own);
    let error = client(settings.clone()).resolve(&reference).expect_err("does not exist");
    assert!(error.to_string().contains("does not resolve"), "{error}");
    let http = Some(Secret::new(format!("http://{}", bench.fake.address())));
    settings.proxy = Some(ProxySettings { http, ..ProxySettings::default() });
    assert!(client(settings.clone()).resolve(&reference).expect("answers").is_some());
    if let Some(proxy) = &mut settings.proxy {
        proxy.no_proxy = "example.com,registry.invalid".to_owned();
    }
    assert!(client(settings).resolve(&reference).is_err());
}
