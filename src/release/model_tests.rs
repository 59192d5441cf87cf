//! Writers of releases on a modelled registry: each request takes effect and is answered after times that a test chooses,
//! from microseconds to minutes, and some writers are killed. Time passes only while all writers wait.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::append::{
    EnvironmentHead, NewRelease, PointerState, ReleaseClock, ReleaseOptions, ReleaseReport, append,
};
use super::history::{HistoryReader, PastRecord};
use super::ledger::LedgerError;
use super::list::ReleaseList;
use super::record::{RecordFault, ReleaseKind, ReleaseNonce, ReleaseNote, StoredRelease};
use super::shelf::ReleaseShelf;
use crate::oci::artifact::OciArtifact;
use crate::oci::{Descriptor, MediaType, RawDocument};
use crate::runtime::interrupt::Interrupt;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::policy::{PolicyReason, PolicyRefusal};
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseKey, ReleaseNumber, ReleaseTime};

/// Tags and what they resolve to.
type Tags = BTreeMap<Tag, RawDocument>;

/// A request of a writer.
enum ModelRequest {
    Tags,
    Put(Tag, RawDocument),
    Pause(Duration),
}

/// The end of a request: the time, and the tags as they were when it took effect; `None` for a writer that is killed.
type ModelAnswer = Option<(Duration, Tags)>;

/// Times that a test chooses, one after the other, over and over.
#[derive(Clone, Debug)]
struct Delays {
    times: Vec<Duration>,
    next: usize,
}

impl Delays {
    fn take(&mut self) -> Duration {
        let time = self.times[self.next % self.times.len()];
        self.next += 1;
        time
    }
}

/// The modelled registry, as one writer sees it.
#[derive(Debug)]
struct ModelShelf {
    repository: Repository,
    writer: usize,
    requests: Sender<(usize, Option<ModelRequest>)>,
    answers: Receiver<ModelAnswer>,
    now: std::cell::Cell<Duration>,
}

impl Drop for ModelShelf {
    fn drop(&mut self) {
        let _ = self.requests.send((self.writer, None));
    }
}

impl ModelShelf {
    fn ask(&self, request: ModelRequest) -> Result<Tags, BoxedError> {
        self.requests.send((self.writer, Some(request))).expect("the model runs");
        match self.answers.recv().expect("the model answers") {
            Some((now, tags)) => {
                self.now.set(now);
                Ok(tags)
            }
            None => Err(LedgerError::UnknownEnvironment {
                repository: self.repository.clone(),
                environment: environment(),
                hint: "killed".to_owned(),
            }
            .into()),
        }
    }
}

impl ReleaseShelf for ModelShelf {
    fn repository(&self) -> &Repository {
        &self.repository
    }

    fn list(&self) -> Result<ReleaseList, BoxedError> {
        let tags: Vec<Tag> = self.ask(ModelRequest::Tags)?.into_keys().collect();
        Ok(ReleaseList::of(&tags))
    }

    fn read_or_fault(
        &self,
        environment: &EnvironmentName,
        key: ReleaseKey,
    ) -> Result<Result<StoredRelease, RecordFault>, BoxedError> {
        let tag = environment.record_tag(key);
        Ok(match self.ask(ModelRequest::Tags)?.get(&tag) {
            Some(document) => StoredRelease::read(document, &self.repository, environment, key),
            None => Err(RecordFault::Missing { tag: tag.to_string() }),
        })
    }

    fn read(&self, environment: &EnvironmentName, key: ReleaseKey) -> Result<StoredRelease, BoxedError> {
        Ok(self.read_or_fault(environment, key)?.expect("a record that is sound"))
    }

    fn manifest(&self, release: &StoredRelease) -> Result<RawDocument, BoxedError> {
        Ok(release.manifest.clone().expect("a small manifest"))
    }

    fn resolve(&self, tag: Tag) -> Result<Option<Digest>, BoxedError> {
        Ok(self.ask(ModelRequest::Tags)?.get(&tag).map(RawDocument::digest))
    }

    fn has_image(&self, _: &Digest) -> Result<bool, BoxedError> {
        Ok(true)
    }

    fn write_image(&self, _: &RawDocument) -> Result<(), BoxedError> {
        unreachable!("all images are there")
    }

    fn write(
        &self,
        release: &StoredRelease,
        record: &RawDocument,
        _: &RawDocument,
    ) -> Result<(), BoxedError> {
        self.ask(ModelRequest::Put(release.tag(), record.clone())).map(drop)
    }

    fn point(
        &self,
        environment: &EnvironmentName,
        _: ReleaseNumber,
        manifest: &RawDocument,
    ) -> Result<(), BoxedError> {
        self.ask(ModelRequest::Put(environment.pointer(), manifest.clone())).map(drop)
    }

    fn elapsed(&self) -> Duration {
        self.now.get()
    }

    fn pause(&self, time: Duration, _: &Interrupt) -> Result<(), BoxedError> {
        self.ask(ModelRequest::Pause(time)).map(drop)
    }
}

fn repository() -> Repository {
    "localhost:5000/shop/app".parse().expect("a repository")
}

fn environment() -> EnvironmentName {
    "prod".parse().expect("a name")
}

/// The image of a writer.
fn image(writer: usize) -> RawDocument {
    let config = Descriptor::of(MediaType::ImageConfig, format!("{writer}").as_bytes());
    OciArtifact::of_config(config).document("image").expect("a manifest")
}

/// One promotion, as `pack promote` does it; a policy refuses the image of the writer `refused` to all others.
fn release(shelf: &ModelShelf, refused: Option<usize>) -> Result<ReleaseReport, BoxedError> {
    let note = |text: &str| ReleaseNote::new("text", text).expect("a line");
    let options = ReleaseOptions {
        policies: std::sync::Arc::default(),
        actor: None,
        reason: None,
        pointer: true,
        dry_run: false,
        // All at the same time: the identities must differ all the same.
        clock: ReleaseClock::starting(ReleaseTime::from_milliseconds(1)),
        nonce: ReleaseNonce((shelf.writer as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        witness: None,
        interrupt: Interrupt::default(),
    };
    let new = NewRelease {
        manifest: image(shelf.writer),
        kind: ReleaseKind::Deploy,
        source: note("image"),
        revision: None,
        checks: Vec::new(),
    };
    let looked = shelf.elapsed();
    let newest = shelf.list()?.newest(&environment());
    let head = EnvironmentHead::read(shelf, &environment(), newest, looked, &options)?;
    let admits = |manifest: &RawDocument| {
        let is_refused = refused.is_some_and(|writer| image(writer).digest() == manifest.digest());
        let reasons = if is_refused { vec![PolicyReason::FailedChecks] } else { Vec::new() };
        Ok(PolicyRefusal::unless_empty("an image", reasons)?)
    };
    append(shelf, &environment(), head, &new, &options, &admits)
}

/// The end of a writer.
#[derive(Debug)]
struct WriterEnd {
    begun: Duration,
    ended: Duration,
    report: Option<ReleaseReport>,
}

/// A case: when each writer begins, the times of all requests, and the request after or before which a writer is killed.
#[derive(Clone, Debug)]
struct ModelCase {
    begins: Vec<Duration>,
    delays: Delays,
    killed: BTreeMap<usize, (usize, bool)>,
    refused: Option<usize>,
}

/// The moments of a request.
enum Moment {
    Effect(ModelRequest),
    Answer(Tags),
}

impl ModelCase {
    /// Runs it; the tags at the end, and what became of each writer.
    fn run(mut self) -> (Tags, Vec<WriterEnd>) {
        let (requests, asked) = channel();
        let refused = self.refused;
        let repository = repository();
        let mut tags = Tags::new();
        thread::scope(|scope| {
            let (mut answers, mut ends) = (Vec::new(), Vec::new());
            for writer in 0..self.begins.len() {
                let (answer, own_answers) = channel();
                answers.push(answer);
                let shelf = ModelShelf {
                    repository: repository.clone(),
                    writer,
                    requests: requests.clone(),
                    answers: own_answers,
                    now: std::cell::Cell::default(),
                };
                ends.push(scope.spawn(move || {
                    let begun = shelf.pause(Duration::ZERO, &Interrupt::default()).map(|()| shelf.elapsed());
                    let report = release(&shelf, refused).ok();
                    WriterEnd { begun: begun.unwrap_or_default(), ended: shelf.elapsed(), report }
                }));
            }
            let mut moments: BTreeMap<(Duration, usize), (usize, Moment)> = BTreeMap::new();
            let mut counts = vec![0; self.begins.len()];
            let (mut serial, mut now, mut waiting) = (0, Duration::ZERO, self.begins.len());
            let mut running = self.begins.len();
            loop {
                // Each writer that was answered asks for something else, or ends.
                for _ in 0..waiting {
                    let (writer, request) = asked.recv().expect("a writer");
                    let Some(request) = request else {
                        running -= 1;
                        continue;
                    };
                    let delay = match (&request, counts[writer]) {
                        (_, 0) => self.begins[writer],
                        (ModelRequest::Pause(time), _) => *time,
                        _ => self.delays.take(),
                    };
                    serial += 1;
                    moments.insert((now + delay, serial), (writer, Moment::Effect(request)));
                }
                waiting = 0;
                let Some(((time, _), (writer, moment))) = moments.pop_first() else { break };
                now = time;
                match moment {
                    Moment::Effect(request) => {
                        let count = counts[writer];
                        counts[writer] += 1;
                        let kill = self.killed.get(&writer).filter(|(at, _)| *at == count);
                        if kill.is_none_or(|(_, has_effect)| *has_effect)
                            && let ModelRequest::Put(tag, document) = request
                        {
                            tags.insert(tag, document);
                        }
                        if kill.is_some() {
                            answers[writer].send(None).expect("a writer");
                            waiting = 1;
                            continue;
                        }
                        serial += 1;
                        let later = (now + self.delays.take(), serial);
                        moments.insert(later, (writer, Moment::Answer(tags.clone())));
                    }
                    Moment::Answer(seen) => {
                        answers[writer].send(Some((now, seen))).expect("a writer");
                        waiting = 1;
                    }
                }
            }
            assert_eq!(running, 0);
            let ends = ends.into_iter().map(|end| end.join().expect("a writer ends")).collect();
            (tags, ends)
        })
    }

    /// Runs it and checks that nothing is lost, that all is in order, and that the tag means the newest release.
    fn check(self) {
        let what = format!("{self:?}");
        let is_killed = !self.killed.is_empty();
        let (tags, ends) = self.run();
        let list = ReleaseList::of(&tags.keys().cloned().collect::<Vec<_>>());
        let keys: Vec<ReleaseKey> = list.of_environment(&environment()).collect();
        let record = |key: ReleaseKey| {
            let document = &tags[&environment().record_tag(key)];
            StoredRelease::read(document, &repository(), &environment(), key).expect("a record that is sound")
        };
        // Each that ended has one release, under the number that it was told.
        let mut own: Vec<(usize, ReleaseKey)> = Vec::new();
        for (writer, end) in ends.iter().enumerate() {
            let with_image = keys.iter().filter(|key| record(**key).image.digest == image(writer).digest());
            let found: Vec<ReleaseKey> = with_image.copied().collect();
            match &end.report {
                Some(report) => {
                    assert_eq!(
                        found.iter().map(|key| key.number).collect::<Vec<_>>(),
                        [report.number],
                        "{what}"
                    );
                    own.push((writer, found[0]));
                }
                None => assert!(is_killed && found.len() <= 1, "{what}"),
            }
        }
        // A promotion that began when another one had ended comes after it.
        for (one, key) in &own {
            for (other, later) in &own {
                assert!(ends[*one].ended >= ends[*other].begun || key < later, "{what}");
            }
        }
        // No two of them have one number.
        let mut numbers: Vec<ReleaseNumber> = own.iter().map(|(_, key)| key.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), own.len(), "{what}");
        // The tag means the newest release; each that was told that it set the tag has a moment for that.
        let pointer = tags.get(&environment().pointer()).map(RawDocument::digest);
        if !is_killed {
            let newest = record(*keys.last().expect("there are releases")).image.digest;
            assert_eq!(pointer, Some(newest), "{what}");
        }
        for end in ends.iter().filter_map(|end| end.report.as_ref()) {
            assert!(matches!(end.pointer, PointerState::Set | PointerState::Passed), "{what}");
        }
        // A reader finds no fault.
        let reader = FixedShelf { repository: repository(), tags };
        let environment = environment();
        let interrupt = Interrupt::default();
        let mut history = HistoryReader::new(&reader, &environment, &list, &interrupt);
        let mut count = 0;
        let mut receive = |_: PastRecord| -> Result<(), BoxedError> {
            count += 1;
            Ok(())
        };
        history.read(1000, &mut receive).expect("a history");
        assert_eq!((history.faults.as_slice(), count), ([].as_slice(), keys.len()), "{what}");
    }
}

/// Tags that do not change any more.
#[derive(Debug)]
struct FixedShelf {
    repository: Repository,
    tags: Tags,
}

impl ReleaseShelf for FixedShelf {
    fn repository(&self) -> &Repository {
        &self.repository
    }

    fn list(&self) -> Result<ReleaseList, BoxedError> {
        Ok(ReleaseList::of(&self.tags.keys().cloned().collect::<Vec<_>>()))
    }

    fn read_or_fault(
        &self,
        environment: &EnvironmentName,
        key: ReleaseKey,
    ) -> Result<Result<StoredRelease, RecordFault>, BoxedError> {
        Ok(StoredRelease::read(&self.tags[&environment.record_tag(key)], &self.repository, environment, key))
    }

    fn read(&self, environment: &EnvironmentName, key: ReleaseKey) -> Result<StoredRelease, BoxedError> {
        Ok(self.read_or_fault(environment, key)?.expect("a record that is sound"))
    }

    fn manifest(&self, release: &StoredRelease) -> Result<RawDocument, BoxedError> {
        Ok(release.manifest.clone().expect("a small manifest"))
    }

    fn resolve(&self, tag: Tag) -> Result<Option<Digest>, BoxedError> {
        Ok(self.tags.get(&tag).map(RawDocument::digest))
    }

    fn has_image(&self, _: &Digest) -> Result<bool, BoxedError> {
        Ok(true)
    }

    fn write_image(&self, _: &RawDocument) -> Result<(), BoxedError> {
        unreachable!("all images are there")
    }

    fn write(&self, _: &StoredRelease, _: &RawDocument, _: &RawDocument) -> Result<(), BoxedError> {
        unreachable!("a reader writes nothing")
    }

    fn point(&self, _: &EnvironmentName, _: ReleaseNumber, _: &RawDocument) -> Result<(), BoxedError> {
        unreachable!("a reader writes nothing")
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn pause(&self, _: Duration, _: &Interrupt) -> Result<(), BoxedError> {
        Ok(())
    }
}

/// Times of requests: fast, slow, about the times that the protocol decides by, and of a machine that stands still.
fn delay() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..3_000_u64).prop_map(Duration::from_micros),
        3 => (0..40_000_u64).prop_map(Duration::from_micros),
        2 => (0..2_000_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::from_secs(100)),
    ]
}

fn delays() -> impl Strategy<Value = Delays> {
    proptest::collection::vec(delay(), 1..120).prop_map(|times| Delays { times, next: 0 })
}

fn begins() -> impl Strategy<Value = Vec<Duration>> {
    let at_once = proptest::collection::vec((0..2_000_u64).prop_map(Duration::from_micros), 2..9);
    let apart = proptest::collection::vec((0..300_u64).prop_map(Duration::from_millis), 2..9);
    prop_oneof![at_once, apart]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever the speed and the order of the writers.
    #[test]
    fn no_time_loses_a_release(begins in begins(), delays in delays()) {
        ModelCase { begins, delays, killed: BTreeMap::new(), refused: None }.check();
    }

    /// Writers that are killed take none of the others with them.
    #[test]
    fn no_killed_writer_loses_a_release(
        begins in begins(),
        delays in delays(),
        killed in proptest::collection::btree_map(0..8_usize, (1..12_usize, any::<bool>()), 1..4),
    ) {
        ModelCase { begins, delays, killed, refused: None }.check();
    }

    /// A record that a policy refuses, and whose writer has not set the tag: no other writer sets the tag to its image.
    #[test]
    fn no_writer_sets_the_tag_to_what_its_policy_refuses(
        begins in begins(),
        delays in delays(),
        killed in 2..5_usize,
    ) {
        let killed = BTreeMap::from([(0, (killed, true))]);
        let (tags, _) = ModelCase { begins, delays, killed, refused: Some(0) }.run();
        let pointer = tags.get(&environment().pointer()).map(RawDocument::digest);
        assert_ne!(pointer, Some(image(0).digest()));
    }
}
