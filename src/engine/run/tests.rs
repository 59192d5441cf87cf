//! Runs of several images, against the fake registry: what they share is made and sent once, and what one of them
//! does changes no digest of another.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::engine::RefusedImage;
use crate::engine::build_event::BuildEvent;
use crate::engine::cache::CachePolicy;
use crate::engine::own::OwnFiles;
use crate::engine::report_fold::ReportFold;
use crate::plan::LayerMemo;
use crate::project::config::{Document, Facts, Overrides, Settings};
use crate::registry::fake::{self, Action, Fake, Fault, Reply};
use crate::registry::{self, Client, Clock};
use crate::runtime::events::{Event, EventKind, Observer, Phase, Progress, Stage};
use crate::runtime::workers::Workers;
use crate::store::Store;
use crate::transport;
use crate::types::digest::Digest;

/// Projects side by side, each with a layer of its own and one that all have.
struct Town {
    fake: Fake,
    clock: Clock,
    projects: TempDir,
    requests: Vec<Request>,
}

fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

fn text(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    (0..length).map(|_| b"etaoin shrdlu\n"[(random(&mut state) >> 27) % 14]).collect()
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
    std::fs::write(path, content).expect("written");
}

impl Town {
    fn new(count: usize) -> Self {
        let clock = Clock::standing();
        let fake = Fake::with_clock(clock.clone()).expect("ports");
        let projects = tempfile::tempdir().expect("a directory");
        let mut town = Self { fake, clock, projects, requests: Vec::new() };
        town.write_shared(count, 0);
        for number in 0..count {
            write(&town.dir(number).join("own/name"), number.to_string().as_bytes());
            write(&town.dir(number).join("own/text"), &text(100 + number, 5_000));
            town.requests.push(town.request(number, "own/"));
        }
        town
    }

    fn dir(&self, number: usize) -> std::path::PathBuf {
        self.projects.path().join(number.to_string())
    }

    /// Three bodies that all projects have.
    fn write_shared(&self, count: usize, seed: usize) {
        for number in 0..count {
            write(&self.dir(number).join("shared/large"), &text(seed, 2_500_000));
            write(&self.dir(number).join("shared/small"), b"small");
        }
    }

    fn request(&self, number: usize, own: &str) -> Request {
        self.request_on("scratch", number, own)
    }

    fn request_on(&self, base: &str, number: usize, own: &str) -> Request {
        let build_file = format!(
            "[image]\nbase = \"{base}\"\ntags = [\"1\"]\n\
             [[layer]]\nname = \"shared\"\nmtime = 1\nfiles = [{{ from = \"shared/\", to = \"/srv/shared\" }}]\n\
             [[layer]]\nname = \"own\"\nmtime = 1\nfiles = [{{ from = \"{own}\", to = \"/srv/own\" }}]\n"
        );
        self.request_of(number, &build_file)
    }

    fn request_of(&self, number: usize, build_file: &str) -> Request {
        let document = Document::parse("build.toml", &self.dir(number), build_file).expect("parses");
        let none = Overrides::default();
        Request {
            policies: std::sync::Arc::default(),
            now: 0,
            reads_base: false,
            plans_refused: false,
            attest: crate::engine::AttestRequest::default(),
            most_findings: crate::engine::FIRST_FINDINGS,
            settings: Settings::resolve(document, &none, &none).expect("settings"),
            has_build_file: true,
            facts: Facts::default(),
            lock: None,
            project: self.dir(number),
            name: format!("{}/shop/{number}", self.fake.address()).parse().expect("valid"),
            // The same tags get one image after the other.
            allow_retag: true,
            cache: CachePolicy::default(),
            own: OwnFiles::default(),
        }
    }

    fn session(&self, store: &Path, workers: usize, progress: Progress, interrupt: Interrupt) -> Session {
        let settings =
            registry::ClientSettings { clock: self.clock.clone(), ..registry::ClientSettings::default() };
        let client = Client::new(settings, progress.clone(), interrupt.clone());
        let workers = Workers::new(NonZeroUsize::new(workers).expect("not none"));
        Session::new(Store::open(store, &progress), client, workers, progress, interrupt, i64::MAX)
    }

    /// The repository that a project is pushed to.
    fn targets(&self, session: &Session, number: usize) -> [Target; 1] {
        let name = self.requests[number].name.clone();
        [Arc::new(transport::registry::destination(session.client.clone(), name))]
    }

    /// Builds the projects with these numbers in this order, and pushes them.
    fn run(
        &self,
        session: &Session,
        numbers: &[usize],
        on_failure: OnFailure,
    ) -> Vec<Result<Report, BoxedError>> {
        let targets: Vec<[Target; 1]> = numbers.iter().map(|number| self.targets(session, *number)).collect();
        let pairs = numbers.iter().zip(&targets);
        let jobs: Vec<Job<'_>> =
            pairs.map(|(number, targets)| Job { request: &self.requests[*number], targets }).collect();
        session.run(&jobs, on_failure).images
    }

    fn run_well(&self, store: &Path, workers: usize, numbers: &[usize]) -> Vec<Report> {
        let session = self.session(store, workers, Progress::default(), Interrupt::default());
        let results = self.run(&session, numbers, OnFailure::GoOn);
        results.into_iter().map(|result| result.unwrap_or_else(|error| panic!("{error}"))).collect()
    }

    fn tag(&self, number: usize) -> Option<Digest> {
        self.fake.tag(&format!("shop/{number}"), "1")
    }

    /// How often the shared layer was uploaded.
    fn uploads_of_shared(&self, report: &Report) -> usize {
        let digest = report.images[0].layers[0].facts.expect("built").digest;
        self.fake.commits().get(&digest).copied().unwrap_or(0)
    }
}

fn bodies_of_shared(reports: &[Report]) -> Vec<Option<(usize, usize)>> {
    let work = |report: &Report| report.images[0].layers[0].work.map(|work| (work.bodies, work.encoded));
    reports.iter().map(work).collect()
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn what_two_images_share_is_built_and_sent_once() {
    let town = Town::new(2);
    let store = temporary();
    // Nothing is known: only the bytes of the built layer, and then the files of the other, tell that they are equal.
    let cold = town.run_well(store.path(), 2, &[0, 1]);
    assert_eq!(bodies_of_shared(&cold).iter().flatten().count(), 1, "{:?}", bodies_of_shared(&cold));
    assert_eq!(town.uploads_of_shared(&cold[0]), 1);
    let shared = |report: &Report| report.images[0].layers[0].facts;
    assert_eq!(shared(&cold[0]), shared(&cold[1]));
    let memos: BTreeSet<bool> =
        cold.iter().map(|report| report.images[0].layers[0].memo == LayerMemo::SameAsAnother).collect();
    assert_eq!(memos.len(), 2, "one was built, and the other is the same");
    // Now files are hashed ahead, so that both keys are known before anything is built.
    town.write_shared(2, 7);
    let warm = town.run_well(store.path(), 2, &[0, 1]);
    assert_ne!(shared(&cold[0]), shared(&warm[0]));
    assert_eq!(bodies_of_shared(&warm).iter().flatten().count(), 1, "{:?}", bodies_of_shared(&warm));
    assert_eq!(town.uploads_of_shared(&warm[0]), 1);
    assert_eq!(town.fake.open_sessions(), 0);
    for (number, report) in warm.iter().enumerate() {
        assert_eq!(town.tag(number), report.digest);
    }
}

#[test]
fn images_of_a_run_see_the_same_base_and_ask_for_it_once() {
    let mut town = Town::new(3);
    town.run_well(temporary().path(), 1, &[0]);
    let base = format!("{}/shop/0:1", town.fake.address());
    for number in [1, 2] {
        town.requests[number] = town.request_on(&base, number, "own/");
    }
    let _ = town.fake.take_log();
    let store = temporary();
    let reports = town.run_well(store.path(), 2, &[1, 2]);
    let asked = town.fake.take_log().into_iter();
    let asked: Vec<_> = asked.filter(|request| request.target.ends_with("/v2/shop/0/manifests/1")).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let layers = |report: &Report| report.images[0].base.iter().map(|layer| layer.digest).collect::<Vec<_>>();
    assert_eq!(layers(&reports[0]).len(), 2);
    assert_eq!(layers(&reports[0]), layers(&reports[1]));
}

#[test]
fn layers_that_only_look_alike_are_built_both() {
    let town = Town::new(2);
    write(&town.dir(1).join("shared/large"), &text(3, 2_500_000));
    let store = temporary();
    let reports = town.run_well(store.path(), 2, &[0, 1]);
    assert_eq!(bodies_of_shared(&reports).iter().flatten().count(), 2);
    assert_ne!(reports[0].images[0].layers[0].facts, reports[1].images[0].layers[0].facts);
}

#[test]
fn twenty_images_have_the_digests_of_twenty_runs_in_any_order_and_on_any_number_of_workers() {
    let town = Town::new(20);
    let alone: Vec<Option<Digest>> =
        (0..20).map(|number| town.run_well(temporary().path(), 1, &[number])[0].digest).collect();
    assert_eq!(alone.iter().collect::<BTreeSet<_>>().len(), 20);
    for (workers, step) in [(1, 1), (3, 7), (2, 19)] {
        let order: Vec<usize> = (0..20).map(|number| number * step % 20).collect();
        let reports = town.run_well(temporary().path(), workers, &order);
        for (number, report) in order.iter().zip(&reports) {
            assert_eq!(report.digest, alone[*number], "{number} of {workers} workers");
            assert_eq!(town.tag(*number), report.digest);
        }
        assert_eq!(bodies_of_shared(&reports).iter().flatten().count(), 1);
    }
}

#[test]
fn a_second_run_finds_that_nothing_changed() {
    let town = Town::new(3);
    let store = temporary();
    let first = town.run_well(store.path(), 2, &[0, 1, 2]);
    let second = town.run_well(store.path(), 2, &[2, 1, 0]);
    for (number, report) in [2, 1, 0].into_iter().zip(&second) {
        assert_eq!(report.digest, first[number].digest);
        assert!(report.destinations.iter().all(|destination| destination.current));
    }
}

#[test]
fn an_image_that_fails_leaves_the_others_right() {
    let mut town = Town::new(4);
    town.requests[1] = town.request(1, "nowhere/");
    let store = temporary();
    let session = town.session(store.path(), 2, Progress::default(), Interrupt::default());
    let results = town.run(&session, &[0, 1, 2, 3], OnFailure::GoOn);
    assert!(results[1].as_ref().is_err_and(|error| error.to_string().contains("nowhere")));
    assert_eq!(town.tag(1), None);
    for number in [0, 2, 3] {
        let report = results[number].as_ref().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(town.tag(number), report.digest);
    }
}

#[test]
fn what_an_image_that_fails_shares_is_there_for_the_others() {
    let town = Town::new(2);
    let store = temporary();
    let session = town.session(store.path(), 2, Progress::default(), Interrupt::default());
    let places = temporary();
    let layout =
        transport::layout::OciLayout::create(&places.path().join("good"), None, &Progress::default());
    let (bad, good): ([Target; 1], [Target; 1]) =
        ([Arc::new(Refusing)], [Arc::new(layout.unwrap_or_else(|error| panic!("{error}")))]);
    let jobs = [
        Job { request: &town.requests[0], targets: &bad },
        Job { request: &town.requests[1], targets: &good },
    ];
    let results = session.run(&jobs, OnFailure::GoOn).images;
    assert!(results[0].is_err());
    let report = results[1].as_ref().unwrap_or_else(|error| panic!("{error}"));
    let alone = town.run_well(temporary().path(), 1, &[1]);
    assert_eq!(report.digest, alone[0].digest);
}

#[test]
fn all_stop_at_the_first_failure_where_that_is_asked_for() {
    let mut town = Town::new(8);
    town.requests[0] = town.request(0, "nowhere/");
    let store = temporary();
    let session = town.session(store.path(), 1, Progress::default(), Interrupt::default());
    let results = town.run(&session, &[0, 1, 2, 3, 4, 5, 6, 7], OnFailure::Stop);
    assert!(results[0].is_err());
    assert!(results[1..].iter().any(Result::is_err), "not all were done by then");
    for (number, result) in results.iter().enumerate() {
        assert_eq!(town.tag(number), result.as_ref().ok().and_then(|report| report.digest));
    }
}

#[test]
fn no_other_begins_after_a_failure_where_that_is_asked_for() {
    let mut town = Town::new(40);
    town.requests[0] = town.request(0, "nowhere/");
    let store = temporary();
    let session = town.session(store.path(), 1, Progress::default(), Interrupt::default());
    let numbers: Vec<usize> = (0..40).collect();
    let targets: Vec<[Target; 1]> = numbers.iter().map(|number| town.targets(&session, *number)).collect();
    let pairs = numbers.iter().zip(&targets);
    let jobs: Vec<Job<'_>> =
        pairs.map(|(number, targets)| Job { request: &town.requests[*number], targets }).collect();
    let report = session.run(&jobs, OnFailure::StartNoMore);
    assert!(report.images[0].is_err() && report.begun[0]);
    assert!(report.begun.iter().any(|begun| !begun), "more than are under way at a time");
    for (number, (result, begun)) in report.images.iter().zip(&report.begun).enumerate().skip(1) {
        assert_eq!(result.is_ok(), *begun, "{number}: one that has begun is finished");
        assert_eq!(town.tag(number).is_some(), *begun);
    }
}

/// A place that takes nothing.
struct Refusing;

impl transport::Destination for Refusing {
    fn blob(&self, _: &Blob) -> Result<Delivery, BoxedError> {
        Err(BuildError::Nothing.into())
    }

    fn document(&self, _: &crate::oci::RawDocument) -> Result<Delivery, BoxedError> {
        Err(BuildError::Nothing.into())
    }

    fn finish(
        &self,
        _: &crate::oci::RawDocument,
        _: &[crate::types::reference::Tag],
    ) -> Result<Delivery, BoxedError> {
        Err(BuildError::Nothing.into())
    }

    fn is_current(&self, _: &Digest, _: &[crate::types::reference::Tag]) -> Result<bool, BoxedError> {
        Ok(false)
    }

    fn capabilities(&self) -> transport::Capabilities {
        transport::Capabilities {
            locality: transport::Locality::Machine,
            parallel_blobs: 1,
            follows: false,
            needs_all_blobs: true,
            referrers: false,
            deletes: false,
            mounts_from: None,
        }
    }

    fn name(&self) -> String {
        "nowhere".to_owned()
    }
}

/// Triggers an interrupt at one of the events.
struct Trap {
    at: usize,
    seen: Arc<AtomicUsize>,
    interrupt: Interrupt,
}

impl Observer for Trap {
    fn event(&self, _: Event) {
        if self.seen.fetch_add(1, Ordering::Relaxed) == self.at {
            self.interrupt.trigger();
        }
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

#[test]
fn an_interrupt_at_any_moment_leaves_whole_images_and_no_half_ones() {
    let mut interrupted = 0;
    for at in (0..120).step_by(3).chain([usize::MAX]) {
        let town = Town::new(3);
        let store = temporary();
        let interrupt = Interrupt::default();
        let seen = Arc::new(AtomicUsize::new(0));
        let trap = Trap { at, seen: Arc::clone(&seen), interrupt: interrupt.clone() };
        let session = town.session(store.path(), 2, Progress::new(trap), interrupt);
        let results = town.run(&session, &[0, 1, 2], OnFailure::GoOn);
        for (number, result) in results.iter().enumerate() {
            match result {
                Ok(report) => assert_eq!(town.tag(number), report.digest, "at {at}"),
                Err(error) => {
                    interrupted += 1;
                    assert_eq!(error.kind(), Kind::Interrupted, "at {at}: {error}");
                    // A tag that moved in the last moment names a whole image: a registry takes no other.
                    if let Some(digest) = town.tag(number) {
                        assert!(town.fake.manifest(&format!("shop/{number}"), &digest).is_some());
                    }
                }
            }
        }
    }
    assert!(interrupted > 10, "{interrupted}");
}

/// Does the work of a node, as the scheduler would.
fn take(run: &Run<'_>, node: Node) {
    run.scheduler.with(|graph| graph.begin(node));
    assert_eq!(run.work(node), WorkResult::Done, "{node:?}");
    run.scheduler.with(|graph| graph.end(node));
}

fn layer(number: usize) -> Node {
    Node::Layer(LayerId(number))
}

/// A run of projects 0 and 1 that are planned, one after the other.
fn planned<'r>(session: &'r Session, jobs: &'r [Job<'r>]) -> Run<'r> {
    let run = Run::new(session, jobs, OnFailure::GoOn);
    for image in [ImageId(0), ImageId(1)].into_iter().take(jobs.len()) {
        take(&run, Node::Scan(image));
        take(&run, Node::Plan(image));
    }
    run
}

fn finish(run: Run<'_>) -> Vec<Report> {
    run.scheduler.walk(&run);
    let results = run.images.into_iter().map(Slot::into_result);
    results.map(|result| result.unwrap_or_else(|error| panic!("{error}"))).collect()
}

#[test]
fn a_layer_that_was_offered_and_turns_out_equal_is_sent() {
    let town = Town::new(3);
    write(&town.dir(2).join("shared/large"), &text(9, 2_500_000));
    let store = temporary();
    let session = town.session(store.path(), 2, Progress::default(), Interrupt::default());
    let targets = [town.targets(&session, 0), town.targets(&session, 1)];
    let job = |number: usize| Job { request: &town.requests[number], targets: &targets[number] };
    let jobs = [job(0), job(1)];
    let run = Run::new(&session, &jobs, OnFailure::GoOn);
    // Files are hashed ahead where the store knows anything: not those of the first image, and those of the second.
    take(&run, Node::Scan(ImageId(0)));
    take(&run, Node::Plan(ImageId(0)));
    town.run_well(store.path(), 1, &[2]);
    take(&run, Node::Scan(ImageId(1)));
    take(&run, Node::Plan(ImageId(1)));
    let has_keys = |image| {
        let layers = lock(&run.slot(image).build).unknown_layers().expect("planned");
        layers.iter().map(|layer| layer.planned().keys.is_some()).collect::<Vec<_>>()
    };
    assert_eq!((has_keys(ImageId(0)), has_keys(ImageId(1))), (vec![false, false], vec![true, true]));
    // The first is built, and then the second is offered to its target before it begins.
    take(&run, layer(0));
    take(&run, layer(2));
    let reports = finish(run);
    assert_eq!(reports[0].images[0].layers[0].facts, reports[1].images[0].layers[0].facts);
    assert_eq!(reports[1].images[0].layers[0].memo, LayerMemo::SameAsAnother);
    assert_eq!(town.uploads_of_shared(&reports[1]), 1);
    assert_eq!(town.tag(1), reports[1].digest);
}

#[test]
fn an_equal_layer_waits_until_the_built_one_is_sent() {
    let town = Town::new(2);
    let store = temporary();
    let session = town.session(store.path(), 2, Progress::default(), Interrupt::default());
    let targets = [town.targets(&session, 0), town.targets(&session, 1)];
    let job = |number: usize| Job { request: &town.requests[number], targets: &targets[number] };
    let jobs = [job(0), job(1)];
    let run = planned(&session, &jobs);
    // Both are finished, and nothing is sent yet.
    take(&run, layer(0));
    take(&run, layer(2));
    let sends = |run: &Run<'_>, image| {
        let is_sent = |node: &Node| match node {
            Node::Send(id) => run.sends.destination(*id).is_some_and(|(of, _)| of == image),
            _ => false,
        };
        run.scheduler.with(|graph| graph.ready().filter(is_sent).count())
    };
    while let Some(look) =
        run.scheduler.with(|graph| graph.ready().find(|node| matches!(node, Node::Look(_))))
    {
        take(&run, look);
    }
    // The first has two layers and its configuration to send. The second has its configuration alone: the layer of both
    // waits, and its own may still turn out to be one of the first's.
    assert_eq!((sends(&run, ImageId(0)), sends(&run, ImageId(1))), (3, 1));
    let reports = finish(run);
    assert_eq!(town.uploads_of_shared(&reports[0]), 1);
}

/// Holds back the first thread that offers a layer to a target, until another thread offers it and so has begun it; at
/// most so long that a thread that must wait for the first offer lets it end.
#[derive(Default)]
struct Gate(Mutex<GateState>, Condvar);

#[derive(Default)]
struct GateState {
    /// The thread that is held back.
    first: Option<ThreadId>,
    is_reached: bool,
    has_begun: bool,
}

impl Gate {
    const PATIENCE: Duration = Duration::from_secs(1);

    fn hold_back(&self, first: Option<ThreadId>) {
        lock(&self.0).first = first;
    }

    fn pass(&self) {
        let mut state = lock(&self.0);
        let Some(first) = state.first else { return };
        self.1.notify_all();
        if first == thread::current().id() {
            state.is_reached = true;
            drop(self.1.wait_timeout_while(state, Self::PATIENCE, |state| !state.has_begun));
        } else {
            state.has_begun = true;
        }
    }

    fn wait_until_reached(&self) {
        let limit = Duration::from_secs(30);
        let waited = self.1.wait_timeout_while(lock(&self.0), limit, |state| !state.is_reached);
        assert!(waited.expect("no panic").0.is_reached, "no layer was offered");
    }
}

/// A registry that offers pass a gate to.
struct GatedRegistry {
    inner: Target,
    gate: Arc<Gate>,
}

impl transport::Destination for GatedRegistry {
    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError> {
        self.inner.blob(blob)
    }

    fn follow(&self, growing: &transport::GrowingBlob) -> Option<Delivery> {
        self.inner.follow(growing)
    }

    fn document(&self, document: &crate::oci::RawDocument) -> Result<Delivery, BoxedError> {
        self.inner.document(document)
    }

    fn finish(
        &self,
        root: &crate::oci::RawDocument,
        tags: &[crate::types::reference::Tag],
    ) -> Result<Delivery, BoxedError> {
        self.inner.finish(root, tags)
    }

    fn is_current(&self, digest: &Digest, tags: &[crate::types::reference::Tag]) -> Result<bool, BoxedError> {
        self.inner.is_current(digest, tags)
    }

    fn capabilities(&self) -> transport::Capabilities {
        self.gate.pass();
        self.inner.capabilities()
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}

/// A layer is offered to the first of two registries, begins, and is offered to the second. Without the lock over both the
/// first would wait for bytes that never come, and get no manifest.
#[test]
fn a_layer_that_begins_while_it_is_offered_comes_to_all_targets() {
    let mut town = Town::new(1);
    let other = Fake::with_clock(town.clock.clone()).expect("ports");
    // One layer more than are offered when the image is planned.
    let layers: String = (0..=AHEAD)
        .map(|number| {
            write(&town.dir(0).join(format!("part{number}/file")), &text(number, 9_000 - number));
            format!("[[layer]]\nname = \"{number}\"\nfiles = [{{ from = \"part{number}/\", to = \"/{number}\" }}]\n")
        })
        .collect();
    town.requests[0] = town.request_of(0, &format!("[image]\nbase = \"scratch\"\ntags = [\"1\"]\n{layers}"));
    let store = temporary();
    let session = town.session(store.path(), 2, Progress::default(), Interrupt::default());
    let gate = Arc::new(Gate::default());
    let [first] = town.targets(&session, 0);
    let name = format!("{}/shop/0", other.address()).parse().expect("valid");
    let inner: Target = Arc::new(transport::registry::destination(session.client.clone(), name));
    let targets: [Target; 2] = [first, Arc::new(GatedRegistry { inner, gate: Arc::clone(&gate) })];
    let jobs = [Job { request: &town.requests[0], targets: &targets }];
    let run = planned(&session, &jobs);
    gate.hold_back(Some(thread::current().id()));
    thread::scope(|scope| {
        let last = scope.spawn(|| {
            gate.wait_until_reached();
            take(&run, layer(AHEAD));
        });
        // It offers the last one, which was not offered by the plan.
        take(&run, layer(0));
        last.join().expect("no panic");
    });
    gate.hold_back(None);
    let reports = finish(run);
    assert_eq!(town.tag(0), reports[0].digest);
    assert_eq!(other.tag("shop/0", "1"), reports[0].digest);
}

/// A run that keeps the events of each image until its tags move.
struct Recorded<'r> {
    run: Run<'r>,
    told: Mutex<BTreeMap<ImageId, Vec<BuildEvent>>>,
}

impl NodeWork for Recorded<'_> {
    fn demand(&self, node: Node) -> Demand {
        self.run.demand(node)
    }

    fn work(&self, node: Node) -> WorkResult {
        if let Node::Tag(image) = node {
            lock(&self.told).insert(image, self.run.slot(image).log.told());
        }
        self.run.work(node)
    }

    fn settled(&self, image: ImageId) {
        self.run.settled(image);
    }

    fn panicked(&self, node: Node) {
        self.run.panicked(node);
    }
}

#[test]
fn the_report_of_a_recorded_run_does_not_depend_on_which_thread_was_faster() {
    let town = Town::new(3);
    let store = temporary();
    let session = town.session(store.path(), 2, Progress::default(), Interrupt::default());
    let targets: Vec<[Target; 1]> = (0..3).map(|number| town.targets(&session, number)).collect();
    let job = |number: usize| Job { request: &town.requests[number], targets: &targets[number] };
    let jobs: Vec<Job<'_>> = (0..3).map(job).collect();
    let recorded = Recorded { run: Run::new(&session, &jobs, OnFailure::GoOn), told: Mutex::default() };
    recorded.run.scheduler.walk(&recorded);
    let told = recorded.told.into_inner().expect("no panic");
    let reports = recorded.run.images.into_iter().map(Slot::into_result);
    let mut state = 3;
    for ((image, events), report) in told.into_iter().zip(reports) {
        let count = |of: fn(&BuildEvent) -> bool| events.iter().filter(|event| of(event)).count();
        assert_eq!(count(|event| matches!(event, BuildEvent::LayerFinished { .. })), 2, "{image:?}");
        assert_eq!(count(|event| matches!(event, BuildEvent::Delivered { .. })), 3, "{image:?}");
        let json = |report: Report| serde_json::to_string(&report).expect("JSON");
        let report = json(report.unwrap_or_else(|error| panic!("{error}")));
        for _ in 0..100 {
            let mut shuffled = events.clone();
            for last in (1..shuffled.len()).rev() {
                shuffled.swap(last, random(&mut state) % (last + 1));
            }
            assert_eq!(json(ReportFold::of(shuffled)), report);
        }
    }
}

/// A count of each kind of event, by image.
type Counts = BTreeMap<(&'static str, Option<usize>), usize>;

/// Counts tasks and bodies by image.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<Counts>>);

impl Observer for Tally {
    fn event(&self, event: Event) {
        let what = match event.kind {
            EventKind::Started { phase: Phase::Layer, .. } => "layer",
            EventKind::Started { phase: Phase::Push, .. } => "push",
            EventKind::StepStarted { stage: Stage::Body, .. } => "body",
            EventKind::StepStarted { stage: Stage::Request, .. } => "request",
            EventKind::StepStarted { stage: Stage::Conclude, .. } => "conclude",
            _ => return,
        };
        *lock(&self.0).entry((what, event.image.map(|image| image.0))).or_default() += 1;
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

#[test]
fn every_event_says_which_image_it_is_about() {
    let town = Town::new(2);
    let store = temporary();
    let tally = Tally::default();
    let session = town.session(store.path(), 2, Progress::new(tally.clone()), Interrupt::default());
    let results = town.run(&session, &[0, 1], OnFailure::GoOn);
    assert!(results.iter().all(Result::is_ok));
    let tally = lock(&tally.0).clone();
    assert!(tally.keys().all(|(_, image)| image.is_some()), "{tally:?}");
    let of = |what| (tally.get(&(what, Some(0))).copied(), tally.get(&(what, Some(1))).copied());
    assert_eq!(of("conclude"), (Some(1), Some(1)));
    let (first, second) = of("layer");
    assert_eq!(first.unwrap_or(0) + second.unwrap_or(0), 3, "two of their own, and one for both");
}

/// Pushes project 0 to these names together.
fn push_to(town: &Town, store: &Path, names: &[&str]) -> Result<Report, BoxedError> {
    let session = town.session(store, 2, Progress::default(), Interrupt::default());
    let target = |name: &&str| -> Target {
        let name = format!("{}/{name}", town.fake.address()).parse().expect("valid");
        Arc::new(transport::registry::destination(session.client.clone(), name).with_store(&session.store))
    };
    let targets: Vec<Target> = names.iter().map(target).collect();
    build(&session, &town.requests[0], &targets)
}

#[test]
fn a_session_is_opened_while_the_only_target_is_asked_for_its_tags() {
    let (town, store) = (Town::new(1), temporary());
    let (opened, is_opened) = mpsc::channel();
    let (answered, was_opened) = mpsc::channel();
    let is_opened = Mutex::new(is_opened);
    town.fake.fault(Fault::once(
        "HEAD",
        fake::Kind::Manifest,
        Action::edit(move |_| {
            let waited = lock(&is_opened).recv_timeout(Duration::from_secs(60));
            answered.send(waited.is_ok()).expect("it is read below");
        }),
    ));
    // There may be several sessions; who waits hears of the first.
    town.fake.fault(Fault::always(
        "POST",
        fake::Kind::Start,
        Action::edit(move |_| {
            let _ = opened.send(());
        }),
    ));
    push_to(&town, store.path(), &["shop/0"]).expect("pushed");
    assert!(was_opened.recv().expect("asked"), "the tag was answered for before a session was opened");
    assert_eq!(town.fake.open_sessions(), 0);
}

#[test]
fn no_target_receives_anything_before_all_have_answered() {
    let (town, store) = (Town::new(1), temporary());
    town.fake.fault(Fault::nth("HEAD", fake::Kind::Manifest, 2, usize::MAX, Action::Answer(Reply::new(500))));
    push_to(&town, store.path(), &["shop/0", "shop/other"]).expect_err("the second refuses");
    let log: Vec<String> = town.fake.take_log().iter().map(ToString::to_string).collect();
    assert!(log.iter().all(|request| request.starts_with("HEAD ") || request.starts_with("GET ")), "{log:?}");
}

#[test]
fn what_was_pushed_from_here_is_not_fetched_to_see_which_blobs_are_there() {
    let (town, store) = (Town::new(1), temporary());
    let push = |own: &[u8]| {
        write(&town.dir(0).join("own/text"), own);
        let _ = town.fake.take_log();
        let report = push_to(&town, store.path(), &["shop/0"]).expect("pushed");
        let log = town.fake.take_log();
        let fetched = log.iter().filter(|it| it.method == "GET" && it.kind == fake::Kind::Manifest).count();
        let asked = log.iter().filter(|it| it.method == "HEAD" && it.kind == fake::Kind::Blob).count();
        assert_eq!(town.tag(0), report.digest);
        (fetched, asked)
    };
    push(b"first");
    assert_eq!(push(b"second"), (0, 0));
    for memo in
        std::fs::read_dir(store.path().join("memo")).expect("memos").map(|entry| entry.expect("entry"))
    {
        if memo.file_name().to_string_lossy().starts_with("pushed-") {
            let mut bytes = std::fs::read(memo.path()).expect("read");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(memo.path(), bytes).expect("written");
        }
    }
    assert_eq!(push(b"third"), (1, 0), "a damaged memo is a miss");
    assert_eq!(push(b"fourth"), (0, 0));
}

/// A push of project 0 whose tag may not move.
fn push_fixed(town: &mut Town, store: &Path) -> (Result<Report, BoxedError>, Vec<String>) {
    town.requests[0].allow_retag = false;
    let _ = town.fake.take_log();
    let result = push_to(town, store, &["shop/0"]);
    (result, town.fake.take_log().iter().map(ToString::to_string).collect())
}

#[test]
fn a_tag_with_another_image_is_refused_before_anything_is_sent() {
    let (mut town, store) = (Town::new(1), temporary());
    let (first, log) = push_fixed(&mut town, store.path());
    let first = first.expect("a new tag").digest.expect("a digest");
    let tag =
        |method: &str| log.iter().filter(|it| **it == format!("{method} /v2/shop/0/manifests/1")).count();
    assert_eq!((tag("HEAD"), tag("PUT")), (3, 1), "asked ahead, before and after: {log:?}");
    write(&town.dir(0).join("own/text"), b"changed");
    // With what the store knows of layers, and without.
    for store in [store.path(), temporary().path()] {
        let (result, log) = push_fixed(&mut town, store);
        let error = result.expect_err("taken");
        assert_eq!(error.kind(), Kind::Policy, "{error}");
        let refused = RefusedImage::behind(&error).expect("with its image");
        assert_eq!(
            (refused.taken.found, refused.taken.digest),
            (first, refused.image.root().expect("one").digest())
        );
        assert!(log.iter().all(|it| it.starts_with("HEAD ") || it.starts_with("GET ")), "{log:?}");
        assert_eq!(town.tag(0), Some(first));
    }
    town.requests[0].allow_retag = true;
    let moved = push_to(&town, store.path(), &["shop/0"]).expect("allowed");
    assert_eq!(town.tag(0), moved.digest);
    assert_ne!(moved.digest, Some(first));
}

#[test]
fn the_same_image_under_a_fixed_tag_is_one_question_from_any_machine() {
    let (mut town, store) = (Town::new(1), temporary());
    let digest = push_fixed(&mut town, store.path()).0.expect("pushed").digest;
    for store in [store.path(), temporary().path()] {
        let (again, log) = push_fixed(&mut town, store);
        assert_eq!(again.expect("the same").digest, digest);
        assert_eq!(log, ["HEAD /v2/shop/0/manifests/1"]);
    }
}

#[test]
fn a_missing_tag_beside_a_fixed_one_is_made_without_sending_a_layer() {
    let (mut town, store) = (Town::new(1), temporary());
    let digest = push_fixed(&mut town, store.path()).0.expect("pushed").digest;
    let build_file = "[image]\nbase = \"scratch\"\ntags = [\"1\", \"2\", { name = \"dev\", moves = true }]\n\
                      [[layer]]\nname = \"shared\"\nmtime = 1\nfiles = [{ from = \"shared/\", to = \"/srv/shared\" }]\n\
                      [[layer]]\nname = \"own\"\nmtime = 1\nfiles = [{ from = \"own/\", to = \"/srv/own\" }]\n";
    town.requests[0] = town.request_of(0, build_file);
    for store in [temporary().path(), store.path()] {
        let (again, log) = push_fixed(&mut town, store);
        assert_eq!(again.expect("the same").digest, digest);
        assert!(!log.iter().any(|it| it.contains("/blobs/")), "{log:?}");
        for tag in ["1", "2", "dev"] {
            assert_eq!(town.fake.tag("shop/0", tag), digest);
        }
    }
}

#[test]
fn a_strict_build_refuses_uncommitted_changes() {
    let (mut town, store) = (Town::new(1), temporary());
    let facts = crate::project::git::GitFacts {
        commit: "0".repeat(40),
        branch: None,
        time: 1,
        dirty: true,
        first_change: Some("src/a.rs".into()),
        origin: None,
    };
    town.requests[0].facts.git = Some(facts);
    town.requests[0].settings.refuse_changes = true;
    let error = push_to(&town, store.path(), &["shop/0"]).expect_err("refused");
    assert!(
        error.kind() == Kind::Policy
            && error.to_string().contains("uncommitted changes (the first is `src/a.rs`)"),
        "{error}"
    );
    assert_eq!(town.fake.take_log().len(), 0);
    town.requests[0].settings.refuse_changes = false;
    push_to(&town, store.path(), &["shop/0"]).expect("built");
}
