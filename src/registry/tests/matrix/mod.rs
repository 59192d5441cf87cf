//! Every operation with every fault, once and for ever, pushing and pulling, and over HTTP/2 those that only it has:
//! each a cell with a name and a registry of its own, played with the limits of production and a clock that stands still.
//!
//! After each cell the same is asked:
//!
//! 1. Success if and only if the tag and all it names are byte-exact.
//! 2. A failure leaves the old image alone; the error names the registry, the step, and the digest or tag.
//! 3. Without the fault, running again succeeds.
//! 4. No digest is uploaded to the end twice, unless the registry lost it.
//! 5. No secret goes to another host, into an error, progress or traces.
//! 6. The number of requests and the time that would have passed are bounded.
//! 7. The local store is sound.
//!
//! Set `PACK_TEST_CELLS` to play only those whose name contains its value.

mod frames;
mod rows;
mod scene;
mod troubles;

use std::any::Any as Payload;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use self::Play::{Both, Chunked, Delete, Index, Pull, Push};
use self::scene::{Play, Protocol, Scene, Traces};
use self::troubles::{Class, Trouble, troubles};
use super::super::fake::{Fault, Kind};
use super::*;

/// A cell that takes longer hangs. Its clock stands still, so no limit of the client ever ends it.
const LIMIT: Duration = Duration::from_secs(60);

/// How a cell ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Succeeds,
    /// It fails, and the error contains one of these.
    Fails(Vec<&'static str>),
    /// Either, as luck has it.
    Any,
}
use Outcome::{Any, Fails, Succeeds};

/// One scene with one trouble.
struct Cell {
    name: String,
    play: Play,
    protocol: Protocol,
    /// The registry loses data or hides them, so that a blob may have to be sent again.
    loses: bool,
    outcome: Outcome,
    prepare: Box<dyn Fn(&Scene) + Send + Sync>,
}

impl Cell {
    fn new(
        name: String,
        (play, protocol): (Play, Protocol),
        outcome: Outcome,
        prepare: impl Fn(&Scene) + Send + Sync + 'static,
    ) -> Self {
        Self { name, play, protocol, loses: false, outcome, prepare: Box::new(prepare) }
    }

    /// Plays it within a time; says what is wrong with it.
    fn run_within(self: &Arc<Self>, limit: Duration) -> Result<(), Wrong> {
        let wrong = |why: String, hangs| Err(Wrong { text: format!("{}: {why}", self.name), hangs });
        let (cell, traces) = (Arc::clone(self), Traces::default());
        let (done, is_done) = mpsc::channel();
        let player = {
            let traces = traces.clone();
            // If the time is over, nothing waits for the result any more.
            thread::spawn(move || drop(done.send(cell.run(traces))))
        };
        match is_done.recv_timeout(limit) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => wrong(why, false),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                // Its thread is left as it is: nothing can end it.
                wrong(format!("hangs for {limit:?}, and said last:\n    {}", traces.tail()), true)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let panic = player.join().err().map(|payload| words(&*payload)).unwrap_or_default();
                wrong(format!("panics: {panic}"), false)
            }
        }
    }

    /// Plays it; says what is wrong with it.
    fn run(&self, traces: Traces) -> Result<(), String> {
        let scene = Scene::new(self.play, self.protocol, traces);
        (self.prepare)(&scene);
        let result = scene.run(self.loses)?;
        match (&result, &self.outcome) {
            (Ok(()), Succeeds) | (_, Any) => {}
            (Err(error), Fails(texts))
                if texts.is_empty() || texts.iter().any(|text| error.contains(text)) => {}
            _ => return Err(format!("{result:?}, should be {:?}", self.outcome)),
        }
        scene.fake.heal();
        if self.outcome != Succeeds {
            scene.restore();
        }
        scene.run(self.loses)?.map_err(|error| format!("3: running again: {error}"))
    }
}

/// A cell that did not end as it should.
struct Wrong {
    text: String,
    hangs: bool,
}

/// The message of a panic.
fn words(payload: &dyn Payload) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}

/// A request of the client to a registry.
struct Step {
    name: &'static str,
    method: &'static str,
    kind: Kind,
    play: Play,
    /// Whether the play cannot do without.
    is_needed: bool,
    /// Whether it is the first that the registry hears.
    is_first: bool,
    /// The words of an error that was met here: one of these.
    says: &'static [&'static str],
}

const fn step(
    name: &'static str,
    method: &'static str,
    kind: Kind,
    play: Play,
    says: &'static [&'static str],
) -> Step {
    Step { name, method, kind, play, is_needed: true, is_first: false, says }
}

const UPLOADING: &[&str] =
    &["uploading blob shop/app@sha256:", "finishing the upload of blob shop/app@sha256:"];
const CHECKING: &[&str] = &["checking blob shop/app@sha256:"];
const STARTING: &[&str] = &["starting the upload of blob shop/app@sha256:"];
const PUSHING: &[&str] =
    &["pushing the manifest shop/app:1.0@sha256:", "pushing the manifest shop/app@sha256:"];
const RESOLVING: &[&str] = &["resolving shop/app:1.0"];
const TOKEN: &[&str] = &["getting a token for shop/"];
const DELETING: &[&str] = &["deleting shop/app@sha256:"];
const MANIFEST: &[&str] = &["pulling the manifest shop/base:1"];
const BLOB: &[&str] = &["pulling blob shop/base@sha256:"];

/// Every operation of every play.
const STEPS: [Step; 29] = [
    step("token", "GET", Kind::Token, Push, TOKEN),
    Step { is_first: true, ..step("HEAD tag", "HEAD", Kind::Manifest, Push, RESOLVING) },
    Step { is_needed: false, ..step("GET previous manifest", "GET", Kind::Manifest, Push, &[]) },
    step("HEAD blob", "HEAD", Kind::Blob, Push, CHECKING),
    step("POST", "POST", Kind::Start, Push, STARTING),
    step("PUT blob", "PUT", Kind::Session, Push, UPLOADING),
    step("PUT manifest", "PUT", Kind::Manifest, Push, PUSHING),
    step("token", "GET", Kind::Token, Pull, TOKEN),
    Step { is_first: true, ..step("GET manifest", "GET", Kind::Manifest, Pull, MANIFEST) },
    step("GET blob", "GET", Kind::Blob, Pull, BLOB),
    step("token", "GET", Kind::Token, Both, TOKEN),
    Step { is_first: true, ..step("HEAD tag", "HEAD", Kind::Manifest, Both, RESOLVING) },
    step("GET manifest", "GET", Kind::Manifest, Both, MANIFEST),
    step("GET blob", "GET", Kind::Blob, Both, BLOB),
    Step { is_needed: false, ..step("mount", "POST", Kind::Mount, Both, &[]) },
    step("HEAD blob", "HEAD", Kind::Blob, Both, CHECKING),
    step("POST", "POST", Kind::Start, Both, STARTING),
    step("PUT blob", "PUT", Kind::Session, Both, UPLOADING),
    step("PUT manifest", "PUT", Kind::Manifest, Both, PUSHING),
    step("POST", "POST", Kind::Start, Chunked, STARTING),
    step("PATCH", "PATCH", Kind::Session, Chunked, UPLOADING),
    step("PUT blob", "PUT", Kind::Session, Chunked, UPLOADING),
    Step { is_first: true, ..step("HEAD tag", "HEAD", Kind::Manifest, Index, RESOLVING) },
    step("HEAD blob", "HEAD", Kind::Blob, Index, CHECKING),
    step("PUT blob", "PUT", Kind::Session, Index, UPLOADING),
    step("PUT manifest", "PUT", Kind::Manifest, Index, PUSHING),
    step("token", "GET", Kind::Token, Delete, TOKEN),
    step("DELETE manifest", "DELETE", Kind::Manifest, Delete, DELETING),
    // Without a way to look afterwards, the answer is believed.
    Step { is_needed: false, ..step("HEAD manifest", "HEAD", Kind::Manifest, Delete, &[]) },
];

impl Step {
    const fn is_upload(&self) -> bool {
        matches!(self.kind, Kind::Session)
    }

    fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// How a cell ends that meets the trouble here.
    fn outcome(&self, trouble: &Trouble, for_ever: bool) -> Outcome {
        if self.is_survived(trouble, for_ever) { Succeeds } else { Fails(self.says.to_vec()) }
    }

    fn has_body(&self) -> bool {
        matches!(self.method, "PUT" | "PATCH")
    }

    /// Whether a trouble is gone through by itself, being met once or for ever. This is the rules P3 to P6,
    /// A3 and V2 in short.
    fn is_survived(&self, trouble: &Trouble, for_ever: bool) -> bool {
        // Whatever looks for a shorter way is never a reason to fail.
        if !self.is_needed || trouble.class == Class::Harmless {
            return true;
        }
        // A stored blob is found by the look for it, after any answer (P3).
        let whole = self.is("PUT blob") || self.is("PUT manifest") || self.is("DELETE manifest");
        if trouble.done && whole {
            return true;
        }
        match trouble.class {
            Class::Harmless => true,
            Class::Passing => !for_ever,
            // Nothing else of it is known yet: it may be another service altogether.
            Class::Garbage => !for_ever && !self.is_first,
            Class::Unauthorized => !for_ever && !self.is("token"),
            Class::TooLong => false,
            Class::Page => match self.name {
                // Not what was asked for, so it is asked for in another way.
                "HEAD tag" | "HEAD blob" => true,
                // Any success after PATCH is one, if the bytes are there; if not, there is another way (P12).
                "PATCH" => true,
                "PUT blob" | "PUT manifest" | "DELETE manifest" => !for_ever,
                _ => false,
            },
            Class::Refused(status) => match self.name {
                // A registry need not answer HEAD.
                "HEAD blob" => true,
                "HEAD tag" => matches!(status, 400 | 403 | 404 | 405 | 415 | 501),
                // The session is lost, or this is not the way: another (P3, P12).
                "PATCH" if matches!(status, 400 | 404 | 405 | 415 | 501) => true,
                "PUT blob" | "PATCH" => !for_ever && !matches!(status, 403 | 413 | 418),
                _ => false,
            },
        }
    }
}

/// All operations with all faults.
fn generated() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (number, step) in STEPS.iter().enumerate() {
        // The realm is known only to a scene; the names, the classes and their number are not of it.
        for (index, trouble) in troubles(step.is_upload(), step.has_body(), "").into_iter().enumerate() {
            let principal = !matches!(step.play, Both | Index) || step.is("mount");
            if !principal && !trouble.is_common {
                continue;
            }
            let is_repeated = trouble.class == Class::Passing && principal;
            let mut times = vec![("once", 1, 1), ("for ever", 1, usize::MAX)];
            if is_repeated
                && matches!(trouble.name.as_str(), "503" | "stall" | "reset when done" | "reset at byte 0")
            {
                times.push(("twice", 1, 2));
            }
            if trouble.is_common
                && principal
                && matches!(step.name, "HEAD blob" | "POST" | "PUT blob" | "PATCH" | "GET blob")
            {
                times.push(("the second time", 2, 1));
            }
            for (when, first, count) in times {
                let outcome = step.outcome(&trouble, count == usize::MAX);
                let prepare = move |scene: &Scene| {
                    let step = &STEPS[number];
                    let realm = format!("http://{}/token", scene.fake.address());
                    let trouble = troubles(step.is_upload(), step.has_body(), &realm).swap_remove(index);
                    scene.fake.fault(Fault::nth(step.method, step.kind, first, count, trouble.action));
                };
                let name = format!("{:?}/{}/{}/{when}", step.play, step.name, trouble.name);
                cells.push(Cell::new(name, (step.play, Protocol::Http1), outcome, prepare));
            }
        }
    }
    cells
}

#[test]
fn every_cell() {
    let mut cells = generated();
    cells.extend(rows::all());
    cells.extend(frames::all());
    #[allow(clippy::disallowed_methods, reason = "which cells to play is no content")]
    let wanted = std::env::var("PACK_TEST_CELLS").unwrap_or_default();
    cells.retain(|cell| cell.name.contains(&wanted));
    let count = cells.len();
    assert!(count >= 400 || !wanted.is_empty(), "{count}");
    let names: std::collections::BTreeSet<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(names.len(), count, "every cell has a name of its own");

    let cells: Vec<Arc<Cell>> = cells.into_iter().map(Arc::new).collect();
    let (start, next) = (Instant::now(), AtomicUsize::new(0));
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::SeqCst));
        let mut wrong = Vec::new();
        for cell in numbers.map_while(|number| cells.get(number)) {
            let Err(it) = cell.run_within(LIMIT) else { continue };
            wrong.push(it.text);
            // One is enough to fail, and each takes its time.
            if it.hangs {
                break;
            }
        }
        wrong
    };
    // Some of the time is spent waiting, so more at once than there are processors.
    let wrong: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    // Past the capture of tests, so that it is seen in every run.
    let line = format!("fault matrix: {count} cells in {:.1} s\n", start.elapsed().as_secs_f32());
    std::io::stderr().write_all(line.as_bytes()).expect("writes");
    assert!(wrong.is_empty(), "{} of {count} cells:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn a_cell_that_hangs_or_panics_is_named() {
    let cell = |prepare: fn(&Scene)| {
        let cell = Cell::new("Push/HEAD tag/some trouble".to_owned(), (Push, Protocol::Http1), Any, prepare);
        Arc::new(cell).run_within(Duration::from_millis(500)).expect_err("it does not end well")
    };
    let hung = cell(|_| thread::sleep(Duration::from_secs(2)));
    assert!(
        hung.hangs && hung.text.starts_with("Push/HEAD tag/some trouble: hangs for 500ms"),
        "{}",
        hung.text
    );
    let panicked = cell(|_| panic!("on purpose"));
    assert_eq!((panicked.hangs, &*panicked.text), (false, "Push/HEAD tag/some trouble: panics: on purpose"));
}
