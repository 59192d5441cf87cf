//! Copies between registries in this process, layouts and archives. Each ends with the same question: are the
//! bytes there, all of them and no other ones?

use std::sync::{Arc, Mutex};

use super::*;
use crate::inspect::verify;
use crate::oci::{ConfigFile, Image, RootFs};
use crate::registry::fake::{Action, Fake, Fault, Kind as Asked, Reply};
use crate::registry::{self, Client, RetryPolicy, fallback_tag};
use crate::runtime::events::{Event, EventKind, Observer};
use crate::transport::archive::{Archive, ArchiveOutput, ArchiveWord};
use crate::transport::layout::OciLayout;
use crate::types::error::Kind;

/// The messages to the user.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Observer for Heard {
    fn event(&self, event: Event) {
        if let EventKind::Note(text) | EventKind::Warning(text) = event.kind {
            self.0.lock().expect("no panic").push(text);
        }
    }
}

fn client() -> Client {
    let quick = std::time::Duration::from_millis(1);
    let retry = RetryPolicy { attempts: 2, first: quick, cap: quick, ..RetryPolicy::default() };
    let settings = registry::ClientSettings { retry, ..registry::ClientSettings::default() };
    Client::new(settings, Progress::default(), Interrupt::default())
}

/// An image with these layers, as documents and blobs.
struct Made {
    image: Image,
    blobs: Vec<Vec<u8>>,
}

fn tar_of(text: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "file", text.as_bytes()).expect("appended");
    builder.into_inner().expect("finished")
}

fn made(architecture: &str, layers: &[&str]) -> Made {
    let blobs: Vec<Vec<u8>> = layers.iter().map(|text| tar_of(text)).collect();
    let config = ConfigFile {
        os: "linux".into(),
        architecture: architecture.into(),
        rootfs: RootFs { diff_ids: blobs.iter().map(|blob| Digest::of(blob)).collect(), ..RootFs::default() },
        ..ConfigFile::default()
    };
    let layers = blobs.iter().map(|blob| Descriptor::of(MediaType::ImageLayer, blob)).collect();
    let image = Image::new(&config, layers, BTreeMap::new()).expect("an image");
    Made { image, blobs }
}

impl Made {
    fn put(&self, fake: &Fake, repository: &str) {
        self.blobs.iter().for_each(|blob| {
            fake.put_blob(repository, blob);
        });
        fake.put_blob(repository, self.image.raw_config());
        put(fake, repository, "unnamed", self.image.raw());
    }
}

fn put(fake: &Fake, repository: &str, tag: &str, document: &RawDocument) {
    fake.put_manifest(repository, tag, document.media_type.as_ref(), &document.bytes);
}

/// An index of two images with a layer in common, with unusual blanks.
fn index() -> (RawDocument, [Made; 2]) {
    let images = [made("amd64", &["common", "one"]), made("arm64", &["common", "two"])];
    let entries: Vec<Descriptor> = images.iter().map(|made| made.image.descriptor()).collect();
    let entries = serde_json::to_string_pretty(&entries).expect("JSON");
    let text = format!(r#"{{ "schemaVersion": 2,  "annotations": {{"a": "b"}}, "manifests": {entries} }}"#);
    (RawDocument::new(Some(&MediaType::ImageIndex), text.into_bytes()).expect("an index"), images)
}

/// A registry that has `shop/app:1.0`, an index.
fn shop() -> (Fake, RawDocument, [Made; 2]) {
    let fake = Fake::start().expect("ports");
    let (root, images) = index();
    images.iter().for_each(|made| made.put(&fake, "shop/app"));
    put(&fake, "shop/app", "1.0", &root);
    (fake, root, images)
}

fn source(client: &Client, fake: &Fake, name: &str) -> Arc<dyn Source> {
    let reference = format!("{}/{name}", fake.address()).parse().expect("a reference");
    Arc::new(crate::transport::registry::source(client.clone(), reference))
}

fn destination(client: &Client, fake: &Fake, name: &str) -> impl Destination + use<> {
    let repository = format!("{}/{name}", fake.address()).parse().expect("a repository");
    crate::transport::registry::destination(client.clone(), repository)
}

fn tags() -> Vec<Tag> {
    vec!["1.0".parse().expect("a tag")]
}

fn options() -> CopyOptions {
    CopyOptions::default()
}

/// Requests since the last look, as `METHOD kind`.
fn asked(fake: &Fake) -> Vec<(String, Asked)> {
    fake.take_log().into_iter().map(|logged| (logged.method, logged.kind)).collect()
}

fn count(asked: &[(String, Asked)], method: &str, kind: Asked) -> usize {
    asked.iter().filter(|(found, of)| found == method && *of == kind).count()
}

fn has_all(fake: &Fake, repository: &str, made: &Made) -> bool {
    let blobs = made.blobs.iter().map(Vec::as_slice).chain([made.image.raw_config()]);
    blobs.into_iter().all(|bytes| fake.blob(repository, &Digest::of(bytes)).as_deref() == Some(bytes))
        && fake.manifest(repository, &made.image.digest()).as_ref() == Some(&made.image.raw().bytes)
}

fn is_sound(source: &dyn Source) {
    let report = verify::verify(source, &verify::VerifyOptions::default()).expect("readable");
    assert!(report.is_sound(), "{:?}", report.problems);
}

#[test]
fn an_index_keeps_its_bytes_and_only_what_lacks_is_sent() {
    let (from, root, images) = shop();
    let to = Fake::start().expect("ports");
    let client = client();
    to.put_blob("mirror/app", &images[0].blobs[0]);
    let report = copy(
        &source(&client, &from, "shop/app:1.0"),
        &destination(&client, &to, "mirror/app"),
        &tags(),
        &options(),
    )
    .expect("copied");
    assert_eq!(to.tag("mirror/app", "1.0"), Some(root.digest()));
    assert_eq!(to.manifest("mirror/app", &root.digest()).as_ref(), Some(&root.bytes));
    assert!(images.iter().all(|made| has_all(&to, "mirror/app", made)));
    assert_eq!((report.blobs.present, report.blobs.uploaded, report.documents.copied), (1, 4, 3));
    // The layer that was there was asked for once, and never opened.
    let log = asked(&from);
    assert_eq!(count(&log, "GET", Asked::Blob), 4, "{log:?}");
    is_sound(&*source(&client, &to, "mirror/app:1.0"));
}

#[test]
fn a_target_that_is_current_costs_one_request() {
    let (from, root, _) = shop();
    let to = Fake::start().expect("ports");
    let one = client();
    let target = destination(&one, &to, "mirror/app");
    copy(&source(&one, &from, "shop/app:1.0"), &target, &tags(), &options()).expect("copied");
    let _ = (from.take_log(), to.take_log());
    let again = client();
    let target = destination(&again, &to, "mirror/app");
    let report = copy(&source(&again, &from, "shop/app:1.0"), &target, &tags(), &options()).expect("current");
    assert!(report.current);
    assert_eq!(asked(&to), [("HEAD".to_owned(), Asked::Manifest)]);
    assert_eq!(asked(&from), [("GET".to_owned(), Asked::Manifest)]);
    // By digest, the source is not asked at all.
    let again = client();
    let pinned = source(&again, &from, &format!("shop/app@{}", root.digest()));
    copy(&pinned, &destination(&again, &to, "mirror/app"), &tags(), &options()).expect("current");
    assert_eq!((asked(&from).len(), asked(&to).len()), (0, 1));
}

#[test]
fn within_a_registry_blobs_are_mounted() {
    let (fake, root, images) = shop();
    let client = client();
    let report = copy(
        &source(&client, &fake, "shop/app:1.0"),
        &destination(&client, &fake, "other/app"),
        &tags(),
        &options(),
    )
    .expect("copied");
    assert_eq!((report.blobs.mounted, report.blobs.uploaded), (5, 0));
    let log = asked(&fake);
    assert_eq!(count(&log, "GET", Asked::Blob), 0, "{log:?}");
    assert_eq!(fake.tag("other/app", "1.0"), Some(root.digest()));
    assert!(images.iter().all(|made| has_all(&fake, "other/app", made)));
}

#[test]
fn children_that_are_there_cost_one_question() {
    let (from, root, images) = shop();
    let to = Fake::start().expect("ports");
    images[0].put(&to, "mirror/app");
    let client = client();
    let target = destination(&client, &to, "mirror/app");
    let report = copy(&source(&client, &from, "shop/app:1.0"), &target, &tags(), &options()).expect("copied");
    assert_eq!((report.documents.copied, report.documents.present), (2, 1));
    assert_eq!(to.tag("mirror/app", "1.0"), Some(root.digest()));
    assert!(images.iter().all(|made| has_all(&to, "mirror/app", made)));
}

#[test]
fn dockers_formats_stay() {
    let fake = Fake::start().expect("ports");
    let made = made("amd64", &["one"]);
    made.put(&fake, "a");
    let text = |media_type: &MediaType| media_type.to_string();
    let docker = String::from_utf8(made.image.raw().bytes.clone())
        .expect("text")
        .replace(&text(&MediaType::ImageManifest), media_type::DOCKER_MANIFEST)
        .replace(&text(&MediaType::ImageConfig), media_type::DOCKER_CONFIG)
        .replace(&text(&MediaType::ImageLayer), media_type::DOCKER_LAYER);
    let docker = RawDocument::new(None, docker.into_bytes()).expect("a manifest");
    put(&fake, "a", "1.0", &docker);
    let client = client();
    let from = source(&client, &fake, "a:1.0");
    let dir = tempfile::tempdir().expect("a directory");
    let layout = OciLayout::create(&dir.path().join("l"), Some("1.0"), &Progress::default()).expect("made");
    copy(&from, &layout, &[], &options()).expect("copied");
    let layout: Arc<dyn Source> =
        Arc::new(OciLayout::open(&dir.path().join("l"), Some("1.0")).expect("opened"));
    copy(&layout, &destination(&client, &fake, "b"), &tags(), &options()).expect("copied");
    assert_eq!(fake.tag("b", "1.0"), Some(docker.digest()));
    let found = source(&client, &fake, "b:1.0").root().expect("there");
    assert_eq!(found, docker, "bytes and type");
}

#[test]
fn platforms_are_picked() {
    let (from, root, images) = shop();
    let to = Fake::start().expect("ports");
    let client = client();
    let run = |platforms: &[&str], name: &str| {
        let platforms = platforms.iter().map(|text| text.parse().expect("a platform")).collect();
        let options = CopyOptions { platforms, ..options() };
        copy(&source(&client, &from, "shop/app:1.0"), &destination(&client, &to, name), &tags(), &options)
    };
    let report = run(&["linux/arm64"], "one").expect("copied");
    assert_eq!((report.digest, report.new_index), (images[1].image.digest(), false));
    assert!(has_all(&to, "one", &images[1]) && !has_all(&to, "one", &images[0]));
    // All that there is: nothing new.
    let report = run(&["linux/arm64", "linux/amd64"], "all").expect("copied");
    assert_eq!((report.digest, report.new_index), (root.digest(), false));
    let error = run(&["linux/s390x", "linux/amd64"], "none").expect_err("not there");
    assert!(error.to_string().contains("linux/s390x"), "{error}");
    assert_eq!(to.tag("none", "1.0"), None);

    // With a third, two are a choice, whatever their order.
    let third = made("riscv64", &["three"]);
    third.put(&from, "shop/app");
    let ManifestOrIndex::Index(mut index) = root.parse().expect("an index") else { panic!("no index") };
    index.manifests.push(third.image.descriptor());
    let bytes = to_json("index", &*index).expect("JSON");
    put(&from, "shop/app", "1.0", &RawDocument::new(Some(&MediaType::ImageIndex), bytes).expect("an index"));
    let chosen = run(&["linux/riscv64", "linux/amd64"], "two").expect("copied");
    assert!(chosen.new_index);
    assert_eq!(run(&["linux/amd64", "linux/riscv64"], "two").expect("current").digest, chosen.digest);
    let found = source(&client, &to, "two:1.0").root().expect("there");
    let ManifestOrIndex::Index(found) = found.parse().expect("an index") else { panic!("no index") };
    assert_eq!(found.manifests, [images[0].image.descriptor(), third.image.descriptor()]);
    assert_eq!(found.annotations, index.annotations);
    is_sound(&*source(&client, &to, "two:1.0"));
}

/// A signature of `subject`.
fn signature(fake: &Fake, repository: &str, subject: &Descriptor, text: &str) -> (RawDocument, Descriptor) {
    let blob = Descriptor::of(MediaType::Other("application/x".into()), text.as_bytes());
    let config = Descriptor::of(MediaType::Other("application/vnd.oci.empty.v1+json".into()), b"{}");
    fake.put_blob(repository, text.as_bytes());
    fake.put_blob(repository, b"{}");
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::ImageManifest),
        artifact_type: Some("application/signature".into()),
        config,
        layers: vec![blob],
        subject: Some(subject.clone()),
        annotations: BTreeMap::from([("by".to_owned(), text.to_owned())]),
        rest: BTreeMap::new(),
    };
    let bytes = to_json("manifest", &manifest).expect("JSON");
    let document = RawDocument::new(Some(&MediaType::ImageManifest), bytes).expect("a manifest");
    put(fake, repository, "unnamed", &document);
    let (kind, digest) = (document.media_type.clone(), document.digest());
    let entry = referrer(&manifest, kind, digest, document.bytes.len() as u64);
    (document, entry)
}

/// A registry of before the referrers API.
fn start_without_referrers() -> Fake {
    let fake = Fake::start().expect("ports");
    without_referrers(&fake);
    fake
}

fn without_referrers(fake: &Fake) {
    let unknown = Reply::error(404, "NOT_FOUND", "there is no such thing");
    fake.fault(Fault::always("GET", Asked::Referrers, Action::Answer(unknown)));
}

fn list(entries: &[Descriptor]) -> Vec<u8> {
    let index = Index {
        schema_version: 2,
        media_type: Some(MediaType::ImageIndex),
        artifact_type: None,
        manifests: entries.to_vec(),
        subject: None,
        annotations: BTreeMap::new(),
        rest: BTreeMap::new(),
    };
    to_json("index", &index).expect("JSON")
}

#[test]
fn referrers_come_along_by_their_tag() {
    let (from, root, images) = shop();
    let to = start_without_referrers();
    without_referrers(&from);
    let of_root = signature(&from, "shop/app", &root.descriptor(), "of the index");
    let of_child = signature(&from, "shop/app", &images[0].image.descriptor(), "of an image");
    let of_signature = signature(&from, "shop/app", &of_root.0.descriptor(), "of the signature");
    // Somebody lists what does not refer to it.
    let foreign = of_child.1.clone();
    let lists = [
        (root.digest(), vec![of_root.1.clone(), foreign]),
        (images[0].image.digest(), vec![of_child.1.clone()]),
        (of_root.0.digest(), vec![of_signature.1.clone()]),
    ];
    for (subject, entries) in &lists {
        let tag = fallback_tag(subject);
        from.put_manifest("shop/app", tag.as_str(), MediaType::ImageIndex.as_ref(), &list(entries));
    }
    let (client, heard) = (client(), Heard::default());
    let with = CopyOptions { referrers: true, progress: Progress::new(heard.clone()), ..options() };
    let run = |from: &Arc<dyn Source>, to: &dyn Destination| copy(from, to, &tags(), &with).expect("copied");
    let report = run(&source(&client, &from, "shop/app:1.0"), &destination(&client, &to, "mirror/app"));
    let all = [&of_root, &of_child, &of_signature];
    let digests: BTreeSet<Digest> = all.iter().map(|(document, _)| document.digest()).collect();
    assert_eq!(report.referrers.expect("asked for").into_iter().collect::<BTreeSet<_>>(), digests);
    let warned = heard.0.lock().expect("no panic").clone();
    assert!(warned.len() == 1 && warned[0].contains("does not"), "{warned:?}");
    for (subject, entry) in [
        (root.digest(), &of_root.1),
        (images[0].image.digest(), &of_child.1),
        (of_root.0.digest(), &of_signature.1),
    ] {
        let listed = to.tag("mirror/app", fallback_tag(&subject).as_str()).expect("listed");
        assert_eq!(to.manifest("mirror/app", &listed), Some(list(std::slice::from_ref(entry))));
    }
    for text in ["of the index", "of an image", "of the signature"] {
        assert!(to.blob("mirror/app", &Digest::of(text.as_bytes())).is_some(), "{text}");
    }
    // Once more: nothing is sent, and the tags of lists do not move.
    let _ = to.take_log();
    let again = run(&source(&client, &from, "shop/app:1.0"), &destination(&client, &to, "mirror/app"));
    assert_eq!((again.current, again.blobs), (true, DeliveryCount::default()));
    assert_eq!(count(&asked(&to), "PUT", Asked::Manifest), 0);

    // Into a layout and an archive, and back: they are listed beside the image, which stays the only one.
    let dir = tempfile::tempdir().expect("a directory");
    let layout = OciLayout::create(&dir.path().join("l"), None, &Progress::default()).expect("made");
    run(&source(&client, &to, "mirror/app:1.0"), &layout);
    let layout: Arc<dyn Source> = Arc::new(OciLayout::open(&dir.path().join("l"), None).expect("opened"));
    assert_eq!(layout.root().expect("one image").digest(), root.digest());
    let file = dir.path().join("a.tar");
    run(
        &layout,
        &ArchiveOutput::new(ArchiveWord::Oci, &file, None, None, &Progress::default()).expect("made"),
    );
    let archive: Arc<dyn Source> = Arc::new(Archive::open_oci(&file, None).expect("opened"));
    assert_eq!(archive.root().expect("one image").digest(), root.digest());
    let back = run(&archive, &destination(&client, &to, "back/app"));
    assert_eq!(back.referrers.expect("asked for").into_iter().collect::<BTreeSet<_>>(), digests);
    assert!(to.tag("back/app", fallback_tag(&root.digest()).as_str()).is_some());
    is_sound(&*archive);
}

#[test]
fn referrers_come_along_by_the_api_page_by_page() {
    let from = Fake::start().expect("ports");
    let image = made("amd64", &["one"]);
    image.put(&from, "a");
    put(&from, "a", "1.0", image.image.raw());
    let subject = image.image.raw().descriptor();
    let signatures: Vec<_> =
        ["first", "second"].map(|text| signature(&from, "a", &subject, text)).into_iter().collect();
    let page = |number: usize| {
        Reply::new(200)
            .header("Content-Type", MediaType::ImageIndex.to_string())
            .body(list(std::slice::from_ref(&signatures[number].1)))
    };
    let more = format!("</v2/a/referrers/{}?page=2>; rel=\"next\"", subject.digest);
    from.fault(Fault::nth("GET", Asked::Referrers, 1, 1, Action::Answer(page(0).header("Link", more))));
    from.fault(Fault::nth("GET", Asked::Referrers, 2, 1, Action::Answer(page(1))));
    // The API has nothing on the signatures themselves.
    let none = Reply::new(200).header("Content-Type", MediaType::ImageIndex.to_string()).body(list(&[]));
    from.fault(Fault::nth("GET", Asked::Referrers, 3, 2, Action::Answer(none.clone())));
    // The target has the API, too, and needs no tag.
    let to = Fake::start().expect("ports");
    to.fault(Fault::always("GET", Asked::Referrers, Action::Answer(none)));
    let client = client();
    let with = CopyOptions { referrers: true, ..options() };
    let report = copy(&source(&client, &from, "a:1.0"), &destination(&client, &to, "b"), &tags(), &with)
        .expect("copied");
    let digests: Vec<Digest> = signatures.iter().map(|(document, _)| document.digest()).collect();
    assert_eq!(report.referrers, Some(digests.clone()));
    assert!(digests.iter().all(|digest| to.manifest("b", digest).is_some()));
    assert_eq!(to.tag("b", fallback_tag(&subject.digest).as_str()), None);
    let log = from.take_log();
    let pages: Vec<&str> = log
        .iter()
        .filter(|logged| logged.kind == Asked::Referrers)
        .map(|logged| logged.target.split(&subject.digest.to_string()).last().expect("a part"))
        .collect();
    assert_eq!(pages[..2], ["", "?page=2"], "{log:?}");
}

#[test]
fn a_list_of_referrers_stays_with_its_registry_and_within_limits() {
    let fake = Fake::start().expect("ports");
    let subject = Digest::of(b"x");
    let client = client();
    let repository = format!("{}/a", fake.address()).parse().expect("a repository");
    let reply = |link: String| {
        Reply::new(200)
            .header("Content-Type", MediaType::ImageIndex.to_string())
            .header("Link", link)
            .body(list(&[]))
    };
    let away = format!("<http://{}/v2/a/referrers/x>; rel=\"next\"", fake.foreign_address());
    fake.fault(Fault::always("GET", Asked::Referrers, Action::Answer(reply(away))));
    let error = client.referrers(&repository, &subject, None).expect_err("another host");
    assert!(error.to_string().contains("another host"), "{error}");
    fake.heal();
    let round = format!("</v2/a/referrers/{subject}>; rel=\"next\"");
    fake.fault(Fault::always("GET", Asked::Referrers, Action::Answer(reply(round))));
    let error = client.referrers(&repository, &subject, None).expect_err("without end");
    assert!(error.to_string().contains("goes round in a circle"), "{error}");
    fake.heal();
    fake.fault(Fault::always("GET", Asked::Referrers, Action::Answer(Reply::error(500, "X", "no"))));
    assert!(client.referrers(&repository, &subject, None).is_err(), "a failure is not an empty list");
    fake.heal();
    fake.fault(Fault::always("GET", Asked::Referrers, Action::Answer(Reply::new(200).body("<html>"))));
    assert_eq!(client.referrers(&repository, &subject, None).expect("no API"), registry::Referrers::Nothing);
}

#[test]
fn a_registry_without_referrers_is_told_of() {
    let (from, _, _) = shop();
    let to = start_without_referrers();
    without_referrers(&from);
    let (client, heard) = (client(), Heard::default());
    let with = CopyOptions { referrers: true, progress: Progress::new(heard.clone()), ..options() };
    let target = destination(&client, &to, "mirror/app");
    let report = copy(&source(&client, &from, "shop/app:1.0"), &target, &tags(), &with).expect("copied");
    assert_eq!(report.referrers, Some(Vec::new()));
    let heard = heard.0.lock().expect("no panic").clone();
    assert!(heard.len() == 1 && heard[0].contains("neither the referrers API nor the tag"), "{heard:?}");
}

#[test]
fn what_fails_leaves_the_tag_alone() {
    let (from, root, images) = shop();
    let to = Fake::start().expect("ports");
    let old = made("amd64", &["old"]);
    old.put(&to, "mirror/app");
    put(&to, "mirror/app", "1.0", old.image.raw());
    let wrong = Fault::always(
        "GET",
        Asked::Blob,
        Action::edit(|reply| {
            if let Some(byte) = reply.body.last_mut() {
                *byte ^= 1;
            }
        }),
    );
    from.fault(wrong);
    let run = || {
        let client = client();
        copy(
            &source(&client, &from, "shop/app:1.0"),
            &destination(&client, &to, "mirror/app"),
            &tags(),
            &CopyOptions { allow_retag: true, ..options() },
        )
    };
    let error = run().expect_err("damaged");
    assert_eq!(error.kind(), Kind::Registry, "{error}");
    assert_eq!(to.tag("mirror/app", "1.0"), Some(old.image.digest()));
    from.heal();
    to.fault(Fault::always("PUT", Asked::Manifest, Action::Answer(Reply::error(403, "DENIED", "no"))));
    let error = run().expect_err("refused");
    assert_eq!(error.kind(), Kind::Registry, "{error}");
    assert_eq!(to.tag("mirror/app", "1.0"), Some(old.image.digest()));
    to.heal();
    let interrupted = CopyOptions { interrupt: Interrupt::default(), allow_retag: true, ..options() };
    interrupted.interrupt.trigger();
    let client = client();
    let target = destination(&client, &to, "mirror/app");
    let error = copy(&source(&client, &from, "shop/app:1.0"), &target, &tags(), &interrupted)
        .expect_err("interrupted");
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(to.tag("mirror/app", "1.0"), Some(old.image.digest()));
    run().expect("copied");
    assert_eq!(to.tag("mirror/app", "1.0"), Some(root.digest()));
    assert!(images.iter().all(|made| has_all(&to, "mirror/app", made)));
}

#[test]
fn a_digest_in_the_targets_name_is_a_promise() {
    let (from, root, _) = shop();
    let to = Fake::start().expect("ports");
    let client = client();
    let run = |expected| {
        let options = CopyOptions { expected: Some(expected), ..options() };
        copy(&source(&client, &from, "shop/app:1.0"), &destination(&client, &to, "a"), &[], &options)
    };
    assert!(run(Digest::of(b"other")).is_err());
    assert_eq!(asked(&to), []);
    run(root.digest()).expect("copied");
    assert!(to.manifest("a", &root.digest()).is_some());
}

#[test]
fn layers_of_others_are_left_out() {
    let fake = Fake::start().expect("ports");
    let mut image = made("amd64", &["theirs", "ours"]);
    let mut layers = image.image.layers().to_vec();
    layers[0].media_type = MediaType::ImageLayerNonDistributable;
    layers[0].urls = vec!["https://example.com/layer".into()];
    let theirs = image.blobs.remove(0);
    image.image = Image::new(image.image.config(), layers, BTreeMap::new()).expect("an image");
    image.put(&fake, "a");
    put(&fake, "a", "1.0", image.image.raw());
    let client = client();
    let from = source(&client, &fake, "a:1.0");
    let dir = tempfile::tempdir().expect("a directory");
    let layout = OciLayout::create(&dir.path().join("l"), None, &Progress::default()).expect("made");
    copy(&from, &layout, &tags(), &options()).expect("copied");
    assert_eq!(layout.layout().blobs().contains(&Digest::of(&theirs)), None);
    let archive =
        ArchiveOutput::new(ArchiveWord::Oci, &dir.path().join("a"), None, None, &Progress::default())
            .expect("made");
    let error = copy(&from, &archive, &tags(), &options()).expect_err("left out");
    assert!(error.kind() == Kind::Input && error.hint().is_some(), "{error}");
}

#[test]
fn tags_are_added_and_nothing_is_sent() {
    let (fake, root, _) = shop();
    let client = client();
    let new: Vec<Tag> = ["stable", "1"].map(|text| text.parse().expect("a tag")).into();
    let from = source(&client, &fake, "shop/app:1.0");
    let target = destination(&client, &fake, "shop/app");
    let report = tag(&*from, &target, tags().first(), &new, false).expect("tagged");
    assert_eq!((report.digest, report.current), (root.digest(), false));
    for name in &new {
        assert_eq!(fake.tag("shop/app", name.as_str()), Some(root.digest()));
    }
    let log = asked(&fake);
    assert!(log.iter().all(|(_, kind)| *kind == Asked::Manifest), "{log:?}");
    assert_eq!(count(&log, "PUT", Asked::Manifest), 2);
    // A tag that moved since it was read is not given another name.
    let from = source(&client, &fake, "shop/app:1.0");
    from.root().expect("read");
    let other = made("amd64", &["other"]);
    other.put(&fake, "shop/app");
    put(&fake, "shop/app", "1.0", other.image.raw());
    let late: Vec<Tag> = vec!["late".parse().expect("a tag")];
    let error = tag(&*from, &destination(&client, &fake, "shop/app"), tags().first(), &late, false)
        .expect_err("moved");
    assert_eq!(error.kind(), Kind::Registry, "{error}");
    assert_eq!(fake.tag("shop/app", "late"), None);
}

#[test]
fn documents_are_bounded_in_bytes_together() {
    let (client, from) = (client(), Fake::start().expect("ports"));
    let made = made("amd64", &["one"]);
    made.put(&from, "shop/app");
    let mut entries = Vec::new();
    for number in 0..8 {
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&made.image.raw().bytes).expect("is JSON");
        manifest["annotations"] = serde_json::json!({ "text": format!("{number}{}", "x".repeat(3_500_000)) });
        let document = RawDocument::new(None, manifest.to_string().into_bytes()).expect("a manifest");
        put(&from, "shop/app", &format!("n{number}"), &document);
        entries.push(document.descriptor());
    }
    for (count, fits) in [(6, true), (8, false)] {
        let root = RawDocument::new(Some(&MediaType::ImageIndex), list(&entries[..count])).expect("an index");
        put(&from, "shop/app", "1.0", &root);
        let to = Fake::start().expect("ports");
        let result = copy(
            &source(&client, &from, "shop/app:1.0"),
            &destination(&client, &to, "shop/app"),
            &tags(),
            &options(),
        );
        match result {
            Ok(_) => assert!(fits, "{count} documents"),
            Err(error) => {
                let text = format!("{error} {}", error.hint().unwrap_or_default());
                assert!(!fits && text.contains("24 MiB of memory") && text.contains("one by one"), "{text}");
                let log = asked(&to);
                assert!(log.iter().all(|(method, _)| method == "HEAD"), "nothing was sent: {log:?}");
            }
        }
    }
}
