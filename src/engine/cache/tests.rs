//! Machines that share a registry: one tells it of its layers, another with an empty store builds the same.
//!
//! Whatever the cache says or fails to say, three questions are the same: the image is that of a build without
//! a cache, it verifies, and a machine that only reads has written no entry.

use std::num::NonZeroUsize;
use std::path::Path;

use tempfile::TempDir;

use super::super::own::OwnFiles;
use super::super::{Report, Request, Session, Target, build};
use super::*;
use crate::inspect::verify;
use crate::oci::{MediaType, RawDocument};
use crate::plan::KnownFrom;
use crate::project::config::{Document, Facts, Overrides, Settings};
use crate::registry::fake::{Action, At, End, Fake, Fault, Kind, Mount, Quirks, Reply};
use crate::registry::{self, Clock, RetryPolicy};
use crate::runtime::events::{Event, EventKind, Observer, Progress};
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers::Workers;
use crate::store::Store;
use crate::transport::{self, Delivery};
use crate::types::digest::{Digest, KeyBuilder};
use crate::types::reference::Tag;

const BUILD_FILE: &str = r#"
[image]
name = "shop/app"
base = "scratch"
tags = ["1"]
[[layer]]
name = "one"
mtime = 1
files = [{ from = "one/", to = "/srv/one" }]
[[layer]]
name = "two"
mtime = 1
files = [{ from = "two/", to = "/srv/two" }]
"#;

/// A project, a registry and time.
struct Town {
    fake: Fake,
    clock: Clock,
    project: TempDir,
    build_file: String,
}

/// The result of a build on a machine.
struct Built {
    report: Report,
    /// The warnings.
    warnings: Vec<String>,
}

#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

impl Observer for Listener {
    fn event(&self, event: Event) {
        if let EventKind::Warning(text) = event.kind {
            self.0.lock().expect("no panic").push(text);
        }
    }
}

impl Town {
    fn new() -> Self {
        let clock = Clock::standing();
        let fake = Fake::with_clock(clock.clone()).expect("ports");
        let project = tempfile::tempdir().expect("a directory");
        for (name, content) in
            [("one/a", "alpha".repeat(9000)), ("one/b", "b".into()), ("two/c", "c\n".into())]
        {
            let path = project.path().join(name);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
            std::fs::write(path, content).expect("written");
        }
        Self { fake, clock, project, build_file: BUILD_FILE.to_owned() }
    }

    fn repository(&self, path: &str) -> Repository {
        format!("{}/{path}", self.fake.address()).parse().expect("valid")
    }

    /// Reads the cache of the image's own repository.
    fn reader(&self) -> CachePolicy {
        CachePolicy { read: Some(self.repository("shop/app")), ..CachePolicy::default() }
    }

    /// The same, and writes to it.
    fn writer(&self) -> CachePolicy {
        CachePolicy { write: Some(self.repository("shop/app")), ..self.reader() }
    }

    /// The same as the reader, and builds all of it to compare.
    fn checker(&self) -> CachePolicy {
        let settings = "[cache]\nverify = 100\n";
        let document = Document::parse("build.toml", Path::new(""), settings).expect("parses");
        let none = Overrides::default();
        let settings = Settings::resolve(document, &none, &none).expect("settings");
        CachePolicy { verify: settings.cache.verify.expect("given"), ..self.reader() }
    }

    /// Builds with the store in `store` and pushes to `name` under `tag`.
    fn try_build(
        &self,
        store: &Path,
        name: &str,
        tag: &str,
        cache: CachePolicy,
    ) -> (Result<Report, BoxedError>, Vec<String>) {
        let listener = Listener::default();
        let progress = Progress::new(listener.clone());
        let interrupt = Interrupt::default();
        let retry = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
        let settings = registry::ClientSettings {
            clock: self.clock.clone(),
            retry,
            ..registry::ClientSettings::default()
        };
        let client = Client::new(settings, progress.clone(), interrupt.clone());
        let (store, workers) = (Store::open(store, &progress), Workers::new(NonZeroUsize::MIN));
        let session = Session::new(store, client.clone(), workers, progress, interrupt, i64::MAX);
        let document = Document::parse("build.toml", self.project.path(), &self.build_file).expect("parses");
        let flags = Overrides { tags: vec![tag.to_owned()], ..Overrides::default() };
        let settings = Settings::resolve(document, &flags, &Overrides::default()).expect("settings");
        let name = self.repository(name);
        let request = Request {
            policies: std::sync::Arc::default(),
            now: 0,
            reads_base: false,
            plans_refused: false,
            attest: crate::engine::AttestRequest::default(),
            most_findings: crate::engine::FIRST_FINDINGS,
            settings,
            has_build_file: true,
            facts: Facts::default(),
            lock: None,
            project: self.project.path().to_owned(),
            name: name.clone(),
            // The same tags get one image after the other.
            allow_retag: true,
            cache,
            own: OwnFiles::default(),
        };
        let target: Target = Arc::new(transport::registry::destination(client, name));
        let report = build(&session, &request, &[target]);
        let warnings = std::mem::take(&mut *listener.0.lock().expect("no panic"));
        (report, warnings)
    }

    fn build_at(&self, store: &Path, name: &str, tag: &str, cache: CachePolicy) -> Built {
        let (report, warnings) = self.try_build(store, name, tag, cache);
        Built { report: report.unwrap_or_else(|error| panic!("{error}")), warnings }
    }

    /// Builds with an empty store, verifies what was pushed, and checks that nothing was written to the cache
    /// unless that was asked for.
    fn cold(&self, tag: &str, cache: CachePolicy) -> Built {
        let store = tempfile::tempdir().expect("a directory");
        let writes = cache.write.is_some();
        let before = self.entries();
        let built = self.build_at(store.path(), "shop/app", tag, cache);
        assert!(writes || self.entries() == before, "who only reads wrote");
        self.fake.heal();
        self.verify("shop/app", tag, &built);
        built
    }

    /// An image that no cache had a part in.
    fn plain(&self) -> Built {
        self.cold("plain", CachePolicy::default())
    }

    /// A machine that builds and tells the cache.
    fn teach(&self) -> Built {
        let built = self.cold("1", self.writer());
        assert_eq!(built.report.cache_entries_written, 2);
        assert_eq!(built.states(), [None, None]);
        let _ = self.fake.take_log();
        built
    }

    fn verify(&self, name: &str, tag: &str, built: &Built) {
        let tag: Tag = tag.parse().expect("valid");
        let settings =
            registry::ClientSettings { clock: self.clock.clone(), ..registry::ClientSettings::default() };
        let client = Client::new(settings, Progress::default(), Interrupt::default());
        let source = transport::registry::source(client, self.repository(name).at_tag(tag));
        let found = verify::verify(&source, &verify::VerifyOptions::default()).expect("can be read");
        assert!(found.is_sound(), "{:?}", found.problems);
        assert_eq!(Some(found.root), built.report.digest);
        let _ = self.fake.take_log();
    }

    /// The digests that the tags of all layers' entries resolve to.
    fn entries(&self) -> Vec<Option<Digest>> {
        self.keys().iter().map(|key| self.fake.tag("shop/app", record::tag(key).as_str())).collect()
    }

    /// The keys of the layers, as a machine finds them.
    fn keys(&self) -> Vec<Key> {
        let spec = |name: &str| {
            let scanner = crate::layer::Scanner::default();
            let path = self.project.path().join(name);
            let found = scanner.scan(&path, &crate::layer::ScanOptions::default()).expect("scanned");
            let to = crate::layer::EntryPath::new(format!("srv/{name}").as_bytes()).expect("a path");
            let rules = crate::layer::Rules::default();
            let mut entries = crate::layer::entries(found.iter(), Some(&to), &rules).expect("entries");
            entries.push(crate::layer::Entry {
                path: to,
                metadata: rules.directory(),
                kind: crate::layer::EntryKind::Directory,
            });
            let placed = crate::plan::place(entries, |_| true, |_| true, &mut crate::bases::Empty)
                .expect("can be placed");
            crate::layer::LayerSpec::new(name, placed).expect("a layer")
        };
        let store = tempfile::tempdir().expect("a directory");
        let store = Store::open(store.path(), &Progress::default());
        let mut memos = super::super::memo::Memos::open(
            &store,
            super::super::memo::MemoWriter::new(&store),
            self.project.path(),
            &"localhost/shop/app".parse().expect("a name"),
            0,
        );
        let mut key = |name| {
            memos.keys(&spec(name), Compression::default(), || true).expect("read").0.expect("known").layer
        };
        vec![key("one"), key("two")]
    }

    /// Puts an entry for a layer's key.
    fn put_entry(&self, key: &Key, bytes: &[u8]) {
        let media_type = MediaType::ImageManifest.to_string();
        let marker = record::marker().expect("can be written");
        self.fake.put_manifest("shop/app", record::marker_tag().as_str(), &media_type, &marker.bytes);
        self.fake.put_manifest("shop/app", record::tag(key).as_str(), &media_type, bytes);
    }

    /// Puts an entry that is written as it should be, and says this.
    fn forge(&self, key: &Key, facts: LayerFacts) {
        let document = record::write(key, Compression::default(), &facts).expect("can be written");
        self.put_entry(key, &document.bytes);
    }

    /// The bytes of an entry.
    fn entry(&self, key: &Key) -> Vec<u8> {
        let digest = self.fake.tag("shop/app", record::tag(key).as_str()).expect("there is one");
        self.fake.manifest("shop/app", &digest).expect("there is one")
    }
}

impl Built {
    /// Who knew the layers; `None` for those that were built.
    fn states(&self) -> Vec<Option<KnownFrom>> {
        let layers = &self.report.images[0].layers;
        assert!(layers.iter().all(|layer| layer.work.is_some() == layer.known_from.is_none()));
        layers.iter().map(|layer| layer.known_from).collect()
    }

    fn facts(&self, layer: usize) -> LayerFacts {
        self.report.images[0].layers[layer].facts.expect("finished")
    }

    fn deliveries(&self) -> Vec<Delivery> {
        let of = |layer: &super::super::LayerReport| {
            self.report.destinations[0].blobs[&layer.facts.expect("finished").digest]
        };
        self.report.images[0].layers.iter().map(of).collect()
    }
}

const SHARED: [Option<KnownFrom>; 2] = [Some(KnownFrom::Registry), Some(KnownFrom::Registry)];

#[test]
fn a_cold_machine_builds_and_sends_no_layer() {
    let town = Town::new();
    let first = town.teach();
    let commits = town.fake.commits();
    let store = tempfile::tempdir().expect("a directory");
    let second = town.build_at(store.path(), "shop/app", "2", town.reader());
    let log = town.fake.take_log();
    assert_eq!(second.report.digest, first.report.digest);
    assert_eq!(second.states(), SHARED);
    assert_eq!(second.deliveries(), [Delivery::Present; 2]);
    assert_eq!(town.fake.commits(), commits, "nothing was uploaded");
    let lookups = log.iter().filter(|request| request.target.contains("/manifests/pack-cache-"));
    assert_eq!(lookups.map(|request| request.method.as_str()).collect::<Vec<_>>(), ["GET"; 2], "{log:?}");
    for layer in 0..2 {
        assert_eq!(
            Store::open(store.path(), &Progress::default()).blobs().contains(&second.facts(layer).digest),
            None
        );
    }
    town.verify("shop/app", "2", &second);
    // Once more on the same machine: one question.
    let third = town.build_at(store.path(), "shop/app", "2", town.reader());
    assert_eq!(third.report.digest, first.report.digest);
    let log = town.fake.take_log();
    assert_eq!(log.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["HEAD"], "{log:?}");
}

#[test]
fn where_there_is_no_cache_that_is_the_only_question() {
    let town = Town::new();
    let store = tempfile::tempdir().expect("a directory");
    let built = town.build_at(store.path(), "shop/app", "1", town.reader());
    assert_eq!(built.states(), [None; 2]);
    let log = town.fake.take_log();
    let asked = log.iter().filter(|request| request.target.contains("pack-cache"));
    let asked: Vec<&str> = asked.map(|request| request.target.as_str()).collect();
    assert_eq!(asked, ["/v2/shop/app/manifests/pack-cache"], "{log:?}");
}

#[test]
fn a_small_layer_of_ours_that_changed_is_not_asked_for() {
    let town = Town::new();
    town.teach();
    let store = tempfile::tempdir().expect("a directory");
    town.build_at(store.path(), "shop/app", "2", CachePolicy::default());
    std::fs::write(town.project.path().join("two/c"), "changed").expect("written");
    let _ = town.fake.take_log();
    let built = town.build_at(store.path(), "shop/app", "3", town.reader());
    assert_eq!(built.states(), [Some(KnownFrom::Store), None]);
    let log = town.fake.take_log();
    assert!(!log.iter().any(|request| request.target.contains("pack-cache")), "{log:?}");
    assert_eq!(built.report.digest, town.plain().report.digest);
    // A build that compares with the cache asks.
    std::fs::write(town.project.path().join("two/c"), "changed again").expect("written");
    let _ = town.fake.take_log();
    town.build_at(store.path(), "shop/app", "4", town.checker());
    assert!(town.fake.take_log().iter().any(|request| request.target.contains("pack-cache")));
}

#[test]
fn what_others_built_is_not_remembered_as_ours() {
    let town = Town::new();
    town.teach();
    let store = tempfile::tempdir().expect("a directory");
    assert_eq!(town.build_at(store.path(), "shop/app", "2", town.reader()).states(), SHARED);
    let own = town.build_at(store.path(), "shop/app", "2", CachePolicy::default());
    assert_eq!(own.states(), [None, None], "without the cache it must be built");
    let now_ours = [Some(KnownFrom::Store); 2];
    assert_eq!(town.build_at(store.path(), "shop/app", "3", town.reader()).states(), now_ours);
}

#[test]
fn who_knows_its_layers_tells_them_once_and_mends_what_is_wrong() {
    let town = Town::new();
    let store = tempfile::tempdir().expect("a directory");
    let build = |cache| town.build_at(store.path(), "shop/app", "1", cache);
    assert_eq!(build(town.reader()).report.cache_entries_written, 0);
    assert_eq!(town.entries(), [None, None]);
    assert_eq!(build(town.writer()).report.cache_entries_written, 2, "though nothing changed");
    let entries = town.entries();
    let _ = town.fake.take_log();
    build(town.writer());
    let log = town.fake.take_log();
    assert_eq!(log.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["HEAD"], "{log:?}");
    town.put_entry(&town.keys()[0], br#"{"schemaVersion":2,"config":{},"layers":[]}"#);
    let again = town.build_at(store.path(), "shop/app", "2", town.writer());
    assert_eq!(again.report.cache_entries_written, 1);
    assert_eq!(town.entries(), entries);
    // A machine does not publish results that it only read.
    let other = tempfile::tempdir().expect("a directory");
    let heard = town.build_at(other.path(), "shop/app", "3", town.writer());
    assert_eq!((heard.states(), heard.report.cache_entries_written), (SHARED.to_vec(), 0));
}

#[test]
fn one_changed_layer_is_built_and_the_other_found() {
    let town = Town::new();
    town.teach();
    std::fs::write(town.project.path().join("two/c"), "changed").expect("written");
    let built = town.cold("2", town.reader());
    assert_eq!(built.states(), [Some(KnownFrom::Registry), None]);
    assert_eq!(built.report.digest, town.plain().report.digest);
}

#[test]
fn every_entry_that_is_none_is_a_miss() {
    let town = Town::new();
    let plain = town.plain();
    town.teach();
    let key = town.keys()[0];
    let good = town.entry(&key);
    let text = String::from_utf8(good.clone()).expect("is text");
    let (first, second) = (plain.facts(0), plain.facts(1));
    let (digest, other) = (first.digest.to_string(), second.digest.to_string());
    let (diff_id, other_diff_id) = (first.diff_id.to_string(), second.diff_id.to_string());
    let other_entry = town.entry(&town.keys()[1]);
    let image = town.fake.manifest("shop/app", &plain.report.digest.expect("built")).expect("is there");
    let index =
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let hostile: Vec<(&str, Vec<u8>)> = vec![
        ("another digest", text.replace(&digest, &other).into_bytes()),
        ("another diffID", text.replace(&diff_id, &other_diff_id).into_bytes()),
        ("an entry for another key", other_entry),
        ("an image", image),
        ("an index", index.to_vec()),
        ("garbage", vec![0xff; 900]),
        ("nothing", Vec::new()),
        ("cut", good[..good.len() / 2].to_vec()),
        ("huge", [&good[..], &vec![b' '; 5 << 20]].concat()),
        ("a little too long", [&good[..], &vec![b' '; 9 << 10]].concat()),
    ];
    for (what, bytes) in hostile {
        town.put_entry(&key, &bytes);
        let built = town.cold("2", town.reader());
        assert_eq!(built.report.digest, plain.report.digest, "{what}");
        assert_eq!(built.states(), [None, SHARED[1]], "{what}");
        assert_eq!(built.warnings, Vec::<String>::new(), "{what}");
    }
}

#[test]
fn no_flipped_byte_of_an_entry_changes_the_image() {
    let town = Town::new();
    let plain = town.teach();
    let key = town.keys()[0];
    let good = town.entry(&key);
    for at in (0..good.len()).step_by(good.len() / 24) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        town.put_entry(&key, &bytes);
        let built = town.cold("2", town.reader());
        assert_eq!(built.report.digest, plain.report.digest, "byte {at}");
        assert_eq!(built.states(), [None, SHARED[1]], "byte {at}");
    }
}

#[test]
fn no_fault_of_the_registry_fails_a_build_or_takes_long() {
    let long = PATIENCE + Duration::from_secs(1);
    let faults: Vec<(&str, Action)> = vec![
        ("500", Action::Answer(Reply::new(500))),
        ("503 and an hour", Action::Answer(Reply::new(503).header("Retry-After", "3600"))),
        ("401", Action::Answer(Reply::new(401))),
        ("403", Action::Answer(Reply::error(403, "DENIED", "no"))),
        ("404", Action::Answer(Reply::error(404, "MANIFEST_UNKNOWN", "no"))),
        ("a page", Action::Answer(Reply::new(200).header("Content-Type", "text/html").body("<html>"))),
        ("garbage", Action::Raw(b"garbage\r\n\r\n".to_vec())),
        ("reset", Action::Unanswered(End::Reset)),
        ("cut", Action::CutAnswer(At::Middle, End::Closed)),
        ("silence", Action::Stall(long)),
        ("half and silence", Action::StallAnswer(long)),
        ("a loop", Action::Answer(Reply::new(307).header("Location", "/v2/"))),
    ];
    let town = Town::new();
    let plain = town.plain();
    town.teach();
    for (what, action) in faults {
        town.fake.fault(Fault::always("GET", Kind::Manifest, action));
        let before = town.clock.elapsed();
        let built = town.cold("2", town.reader());
        assert_eq!(built.report.digest, plain.report.digest, "{what}");
        assert_eq!(built.states(), [None, None], "{what}");
        // A fault causes no second request.
        let limit = if what.contains("silence") { 3 * long } else { Duration::ZERO };
        assert!(town.clock.elapsed() - before <= limit, "{what}: {:?}", town.clock.elapsed() - before);
    }
}

#[test]
fn a_blob_that_the_registry_lost_is_built_and_sent() {
    let town = Town::new();
    let first = town.teach();
    town.fake.fault(Fault::always("HEAD", Kind::Blob, Action::Answer(Reply::new(404))));
    let built = town.cold("2", town.reader());
    assert_eq!(built.report.digest, first.report.digest);
    assert_eq!(built.states(), SHARED);
    assert_eq!(built.deliveries(), [Delivery::Uploaded; 2]);
}

#[test]
fn an_entry_that_names_a_blob_that_is_not_there_is_found_out() {
    let town = Town::new();
    let plain = town.teach();
    let true_facts = plain.facts(0);
    let other = Digest::of(b"an absent blob");
    let lies = [
        LayerFacts { digest: other, ..true_facts },
        LayerFacts { size: true_facts.size + 1, digest: other, diff_id: other, toc: None, ztoc: None },
    ];
    for facts in lies {
        town.forge(&town.keys()[0], facts);
        let built = town.cold("2", town.reader());
        assert_eq!(built.report.digest, plain.report.digest);
        assert_eq!(built.states()[1], None, "nor is the other entry believed");
        let [warning] = &built.warnings[..] else { panic!("{:?}", built.warnings) };
        assert!(warning.contains("`one`") && warning.contains(&true_facts.digest.to_string()), "{warning}");
        assert_eq!(town.fake.open_sessions(), 0);
    }
}

#[test]
fn a_lie_about_a_diff_id_is_found_out_where_it_is_looked_for() {
    let town = Town::new();
    let plain = town.teach();
    let lie = LayerFacts { diff_id: Digest::of(b"another tar"), ..plain.facts(0) };
    town.forge(&town.keys()[0], lie);
    let built = town.cold("2", town.checker());
    assert_eq!(built.report.digest, plain.report.digest);
    assert_eq!(built.warnings.len(), 1, "{:?}", built.warnings);
    // So it is when the blob must be made.
    town.fake.fault(Fault::always("HEAD", Kind::Blob, Action::Answer(Reply::new(404))));
    let built = town.cold("3", town.reader());
    assert_eq!(built.report.digest, plain.report.digest);
    assert_eq!(built.warnings.len(), 1, "{:?}", built.warnings);
    // Else who may write the cache is believed, as `docs/cache.md` says; but not for longer than it is asked.
    let store = tempfile::tempdir().expect("a directory");
    let believed = town.build_at(store.path(), "shop/app", "4", town.reader());
    assert_ne!(believed.report.digest, plain.report.digest);
    let own = town.build_at(store.path(), "shop/app", "4", CachePolicy::default());
    assert_eq!(own.report.digest, plain.report.digest);
}

#[test]
fn a_true_cache_is_silent_when_it_is_compared() {
    let town = Town::new();
    let plain = town.teach();
    let built = town.cold("2", town.checker());
    assert_eq!(built.report.digest, plain.report.digest);
    assert_eq!((built.states(), built.warnings), (vec![None, None], Vec::new()));
}

#[test]
fn a_share_is_the_same_on_every_machine_and_about_as_large_as_asked() {
    let document = Document::parse("build.toml", Path::new(""), "[cache]\nverify = 20\n").expect("parses");
    let none = Overrides::default();
    let verify = Settings::resolve(document, &none, &none).expect("settings").cache.verify.expect("given");
    let policy = CachePolicy { verify, ..CachePolicy::default() };
    let keys = (0..1000_u64).map(|number| KeyBuilder::new("test").number(number).finish());
    let count = keys.filter(|key| policy.verifies(key)).count();
    assert!((150..250).contains(&count), "{count}");
    let all = CachePolicy { verify: Percent::ALL, ..CachePolicy::default() };
    let ends = [Key([0; 32]), Key([255; 32])];
    assert!(ends.iter().all(|key| all.verifies(key) && !CachePolicy::default().verifies(key)));
}

#[test]
fn a_cache_that_cannot_be_written_fails_no_build() {
    let town = Town::new();
    let plain = town.plain();
    let store = tempfile::tempdir().expect("a directory");
    let refusal = Action::Answer(Reply::error(403, "DENIED", "read only"));
    // The first manifest is the image's.
    town.fake.fault(Fault::nth("PUT", Kind::Manifest, 2, usize::MAX, refusal));
    let built = town.build_at(store.path(), "shop/app", "1", town.writer());
    assert_eq!(built.report.digest, plain.report.digest);
    assert_eq!(built.report.cache_entries_written, 0);
    let [warning] = &built.warnings[..] else { panic!("{:?}", built.warnings) };
    assert!(warning.contains("the cache cannot be written"), "{warning}");
    // It is tried again, though nothing else is to be done.
    town.fake.heal();
    let again = town.build_at(store.path(), "shop/app", "1", town.writer());
    assert_eq!((again.report.cache_entries_written, again.warnings), (2, Vec::new()));
}

#[test]
fn another_repository_of_the_registry_gives_blobs_by_mounting() {
    let town = Town::new();
    let first = town.teach();
    let store = tempfile::tempdir().expect("a directory");
    let commits = town.fake.commits();
    let other = town.build_at(store.path(), "shop/other", "1", town.reader());
    assert_eq!((other.states(), other.deliveries()), (SHARED.to_vec(), vec![Delivery::Mounted; 2]));
    let layers: Vec<usize> = (0..2)
        .map(|layer| town.fake.commits()[&first.facts(layer).digest] - commits[&first.facts(layer).digest])
        .collect();
    assert_eq!(layers, [0, 0]);
    town.verify("shop/other", "1", &other);
    // And takes them where the cache is kept apart from the images.
    let apart = CachePolicy { write: Some(town.repository("shop/cache")), ..CachePolicy::default() };
    let apart = town.build_at(store.path(), "shop/other", "1", apart);
    assert_eq!(apart.report.cache_entries_written, 2, "{:?}", apart.warnings);
    let digest = first.facts(0).digest;
    let log = town.fake.take_log();
    let into_cache = |request: &&registry::fake::Logged| {
        request.kind == Kind::Mount && request.target.starts_with("/v2/shop/cache/")
    };
    assert_eq!(log.iter().filter(into_cache).count(), 2, "mounted, not sent: {log:?}");
    assert!(town.fake.blob("shop/cache", &digest).is_some(), "the entry's blob is kept with it");
}

#[test]
fn a_mount_that_is_declined_is_no_error() {
    let town = Town::new();
    let first = town.teach();
    town.fake.set_quirks(Quirks { mount: Mount::Refused(403), ..Quirks::default() });
    let store = tempfile::tempdir().expect("a directory");
    let other = town.build_at(store.path(), "shop/other", "1", town.reader());
    assert_eq!((other.facts(0), other.facts(1)), (first.facts(0), first.facts(1)));
    assert_eq!(other.deliveries(), [Delivery::Uploaded; 2]);
    town.verify("shop/other", "1", &other);
}

#[test]
fn a_registry_that_is_away_is_the_push_s_error() {
    let town = Town::new();
    town.teach();
    town.fake.fault(Fault::always("*", Kind::Manifest, Action::Unanswered(End::Closed)));
    let store = tempfile::tempdir().expect("a directory");
    let (result, _) = town.try_build(store.path(), "shop/app", "2", town.reader());
    assert!(result.is_err());
}

#[test]
fn an_entry_is_a_manifest_that_registries_take() {
    let town = Town::new();
    let first = town.teach();
    for (layer, key) in town.keys().iter().enumerate() {
        let document =
            RawDocument::new(Some(&MediaType::ImageManifest), town.entry(key)).expect("a manifest");
        assert_eq!(record::read(&document, key, Compression::default()), Ok(first.facts(layer)));
    }
}

/// Noise that makes a layer large enough for a table of contents.
fn noise() -> Vec<u8> {
    let mut noise = vec![0; 11 << 20];
    let mut state = 1_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    noise
}

/// A tag whose image lacks what belongs to it is not current: that is put back, and nothing else.
#[test]
fn what_is_attached_and_deleted_at_the_registry_is_put_back() {
    let mut town = Town::new();
    town.build_file = BUILD_FILE.replace("tags", "compression = \"soci\"\ntags");
    std::fs::write(town.project.path().join("two/noise"), noise()).expect("written");
    let store = tempfile::tempdir().expect("a directory");
    let first = town.build_at(store.path(), "shop/app", "1", CachePolicy::default());
    let attached = first.report.attachments.clone();
    assert_eq!(attached.len(), 1);
    let again = town.build_at(store.path(), "shop/app", "1", CachePolicy::default());
    assert!(again.report.destinations[0].current, "all of it is there");
    let client = Client::new(registry::ClientSettings::default(), Progress::default(), Interrupt::default());
    let repository = town.repository("shop/app");
    assert!(client.delete(&repository.at_digest(attached[0].digest)).expect("deleted"));
    let _ = town.fake.take_log();
    let mended = town.build_at(store.path(), "shop/app", "1", CachePolicy::default());
    assert_eq!(mended.report.digest, first.report.digest);
    let log = town.fake.take_log();
    let sent: Vec<String> = log
        .iter()
        .filter(|logged| !matches!(logged.method.as_str(), "GET" | "HEAD"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(sent, [format!("PUT /v2/shop/app/manifests/{}", attached[0].digest)]);
    assert!(town.fake.manifest("shop/app", &attached[0].digest).is_some());
}

/// A table of contents comes along, and is built again if it is missing.
#[test]
fn a_table_of_contents_is_known_with_its_layer() {
    let mut town = Town::new();
    town.build_file = BUILD_FILE.replace("tags", "compression = \"soci\"\ntags");
    std::fs::write(town.project.path().join("two/noise"), noise()).expect("written");
    let first = town.teach();
    let ztoc = first.facts(1).ztoc.expect("it is large enough");
    assert_eq!(first.facts(0).ztoc, None);

    let known = town.cold("2", town.reader());
    assert_eq!(known.states(), [Some(KnownFrom::Registry); 2]);
    assert_eq!((known.facts(1).ztoc, known.report.digest), (Some(ztoc), first.report.digest));
    // Another repository has neither, and this machine builds what it sends there.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let sent = town.build_at(elsewhere.path(), "other/app", "1", town.reader());
    assert_eq!(sent.report.digest, first.report.digest);
    town.verify("other/app", "1", &sent);
    // One without is another layer's.
    town.build_file = BUILD_FILE.to_owned();
    assert_eq!(town.cold("3", town.reader()).states(), [None, None]);
}
