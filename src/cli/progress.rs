//! Draws the library's events: bars for a person, lines for a log, nothing with `--quiet`.
//!
//! Events only count. A thread of its own, started with the first task, draws what there is to see now and
//! then, so that a worker never waits for a terminal and work that is over at once is never seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::format::{bytes, duration, printable, seconds};
use super::printer::Printer;
use super::timings::Recorder;
use crate::observer::{Event, Observer, Phase, Progress, Silent, TaskId};

/// What is over sooner is not drawn: it would only flicker.
const UNSEEN: Duration = Duration::from_millis(150);
/// How often bars are drawn.
const FRAME: Duration = Duration::from_millis(100);
/// More bars than this are not read by anyone.
const MAX_BARS: usize = 10;
/// How often a log hears of a task that goes on.
const REPEAT: Duration = Duration::from_secs(5);
/// A log hears of a task that moved no bytes only if it took this long.
const LONG: Duration = Duration::from_secs(1);

/// Keeps progress on the terminal; when dropped, bars are gone and stay so.
#[derive(Debug)]
pub struct Guard(Option<Arc<Shared>>);

/// Draws on `printer` what happens, until the guard is dropped, and has it recorded.
#[must_use]
pub fn observe(printer: &Printer, recorder: Option<Recorder>) -> (Progress, Guard) {
    if printer.options().quiet {
        let progress = recorder.map_or_else(|| Progress::new(Silent), Progress::new);
        return (progress, Guard(None));
    }
    let shared = Arc::new(Shared {
        printer: printer.clone(),
        drawing: if printer.is_interactive() { Drawing::Bars } else { Drawing::Lines },
        state: Mutex::default(),
        ticker: OnceLock::new(),
    });
    let drawer = Drawer(Arc::clone(&shared));
    let progress = match recorder {
        Some(recorder) => Progress::new(Both(drawer, recorder)),
        None => Progress::new(drawer),
    };
    (progress, Guard(Some(shared)))
}

/// Draws and records.
struct Both(Drawer, Recorder);

impl Observer for Both {
    fn event(&self, event: Event) {
        // First, so that drawing is in no time that is recorded.
        self.1.event(event.clone());
        self.0.event(event);
    }

    fn wants_steps(&self) -> bool {
        self.1.wants_steps()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.close();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drawing {
    Bars,
    Lines,
}

#[derive(Debug)]
struct Shared {
    printer: Printer,
    drawing: Drawing,
    state: Mutex<State>,
    ticker: OnceLock<()>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    tasks: BTreeMap<TaskId, Task>,
}

/// A task under way.
#[derive(Debug)]
struct Task {
    phase: Phase,
    name: String,
    total: Option<u64>,
    done: u64,
    started: Instant,
    /// When it was last drawn or told of, and how far it was then.
    seen: (Instant, u64),
    /// Bytes per second, smoothed.
    rate: f64,
    bar: Option<ProgressBar>,
}

struct Drawer(Arc<Shared>);

impl Observer for Drawer {
    fn event(&self, event: Event) {
        self.0.take(event, Instant::now());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, event: Event, now: Instant) {
        match event {
            Event::Started { id, phase, name, total } => {
                let name = printable(&name).into_owned();
                let task =
                    Task { phase, name, total, done: 0, started: now, seen: (now, 0), rate: 0.0, bar: None };
                self.lock().tasks.insert(id, task);
                self.start_ticker();
            }
            Event::Advanced { id, bytes } => {
                if let Some(task) = self.lock().tasks.get_mut(&id) {
                    task.done = task.done.saturating_add(bytes);
                }
            }
            Event::Finished { id, outcome } => {
                let mut state = self.lock();
                let Some(task) = state.tasks.remove(&id) else { return };
                let closed = state.closed;
                drop(state);
                if let Some(bar) = &task.bar {
                    self.take_down(bar);
                }
                if self.drawing == Drawing::Lines
                    && !closed
                    && let Some(line) = task.last_line(outcome, now)
                {
                    self.printer.message(line);
                }
            }
            Event::StepStarted { .. } | Event::StepFinished { .. } => {}
            Event::Note(text) => self.printer.note(text),
            Event::Warning(text) => self.printer.warning(text),
        }
    }

    /// A build that finds nothing to do ends before the thread wakes up for the first time.
    fn start_ticker(self: &Arc<Self>) {
        self.ticker.get_or_init(|| {
            let shared = Arc::downgrade(self);
            let pause = match self.drawing {
                Drawing::Bars => FRAME,
                Drawing::Lines => LONG,
            };
            let tick = move || {
                loop {
                    std::thread::sleep(pause);
                    let Some(shared) = shared.upgrade() else { return };
                    if !shared.tick(Instant::now()) {
                        return;
                    }
                }
            };
            // Without the thread there is nothing to see, which is no reason to stop.
            let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(tick);
        });
    }

    /// Draws; returns whether to go on.
    fn tick(&self, now: Instant) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        match self.drawing {
            Drawing::Bars => {
                let frame = self.frame(&mut state, now);
                // Drawn without the lock, so that a worker never waits for the terminal. A bar that ends
                // meanwhile has no terminal any more and draws nothing.
                drop(state);
                for (bar, message, position) in frame {
                    bar.set_message(message);
                    bar.set_position(position);
                    bar.tick();
                }
            }
            Drawing::Lines => {
                let due = |task: &&mut Task| now.duration_since(task.seen.0) >= REPEAT;
                let lines: Vec<String> =
                    state.tasks.values_mut().filter(due).map(|task| task.line(now)).collect();
                drop(state);
                for line in lines {
                    self.printer.message(line);
                }
            }
        }
        true
    }

    /// What every bar has to show now.
    fn frame(&self, state: &mut State, now: Instant) -> Vec<(ProgressBar, String, u64)> {
        let mut shown = state.tasks.values().filter(|task| task.bar.is_some()).count();
        let mut frame = Vec::new();
        for task in state.tasks.values_mut() {
            if task.bar.is_none() && now.duration_since(task.started) >= UNSEEN && shown < MAX_BARS {
                let bar = task.total.map_or_else(ProgressBar::no_length, ProgressBar::new);
                let bar = self.printer.bars().add(bar.with_style(style(task.total.is_some())));
                bar.set_prefix(task.title());
                task.bar = Some(bar);
                shown += 1;
            }
            task.measure(now);
            if let Some(bar) = &task.bar {
                let position = task.total.map_or(task.done, |total| task.done.min(total));
                frame.push((bar.clone(), task.figures(true), position));
            }
        }
        frame
    }

    /// Ends a bar and takes it off the screen for good.
    fn take_down(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.printer.bars().remove(bar);
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for task in state.tasks.values_mut() {
            if let Some(bar) = task.bar.take() {
                self.take_down(&bar);
            }
        }
    }
}

/// ASCII, and no colour: bars look the same everywhere.
fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total { "{prefix} [{bar:20}] {msg}" } else { "{prefix} {spinner} {msg}" };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .tick_chars("|/-\\ ")
}

const fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Hash => "hashing",
        Phase::Layer => "building",
        Phase::Pull => "pulling",
        Phase::Push => "pushing",
        Phase::Write => "writing",
        Phase::Verify => "verifying",
    }
}

const fn done(phase: Phase) -> &'static str {
    match phase {
        Phase::Hash => "hashed",
        Phase::Layer => "built",
        Phase::Pull => "pulled",
        Phase::Push => "pushed",
        Phase::Write => "wrote",
        Phase::Verify => "verified",
    }
}

impl Task {
    /// Where a bar begins: columns that stand below each other.
    fn title(&self) -> String {
        const NAME: usize = 20;
        let mut name: String = self.name.chars().take(NAME).collect();
        if self.name.chars().count() > NAME {
            name.pop();
            name.push('…');
        }
        format!("{:>10} {name:<NAME$}", doing(self.phase))
    }

    /// Updates the rate: the average at first, then the last second or two count most.
    fn measure(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.seen.0).as_secs_f64();
        if elapsed > 0.0 {
            let current = (self.done - self.seen.1) as f64 / elapsed;
            let share = elapsed / now.duration_since(self.started).as_secs_f64();
            let weight = share.max(1.0 - (-elapsed).exp());
            self.rate += weight * (current - self.rate);
            self.seen = (now, self.done);
        }
    }

    /// `4.2 MB of 12.3 MB, 8.1 MB/s, 1 s left`
    fn figures(&self, with_rest: bool) -> String {
        let mut text = bytes(self.done);
        let rate = self.rate.max(0.0) as u64;
        // Writing to a `String` cannot fail.
        if let Some(total) = self.total {
            let _ = write!(text, " of {}", bytes(total));
        }
        if rate > 0 {
            let _ = write!(text, ", {}/s", bytes(rate));
        }
        if let Some(total) = self.total
            && with_rest
            && rate > 0
            && total > self.done
        {
            let _ = write!(text, ", {} left", seconds((total - self.done).div_ceil(rate)));
        }
        text
    }

    /// What a log hears of a task that goes on.
    fn line(&mut self, now: Instant) -> String {
        self.measure(now);
        format!("{} {}: {}", doing(self.phase), self.name, self.figures(false))
    }

    /// What a log hears of a task that ended, if it is worth a line. One that was stopped is not: the error
    /// says why.
    fn last_line(&self, outcome: &str, now: Instant) -> Option<String> {
        let took = now.duration_since(self.started);
        let moves = matches!(self.phase, Phase::Pull | Phase::Push | Phase::Write);
        if outcome == "stopped" || !(took >= LONG || moves && self.done > 0) {
            return None;
        }
        let mut line = format!("{} {}", done(self.phase), self.name);
        if self.done > 0 {
            let _ = write!(line, " {}", bytes(self.done));
        }
        if took >= LONG {
            let _ = write!(line, " in {}", duration(took));
        }
        if matches!(outcome, "present" | "mounted" | "cached") {
            let _ = write!(line, " ({outcome})");
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::printer::Options;
    use super::super::printer::captured::{Capture, printer};
    use super::*;

    fn shared(drawing: Drawing) -> (Arc<Shared>, Capture) {
        let (printer, _, err) = printer(Options::default());
        let ticker = OnceLock::new();
        // The tests tick by hand.
        ticker.set(()).expect("empty");
        (Arc::new(Shared { printer, drawing, state: Mutex::default(), ticker }), err)
    }

    /// Ids come only from a `Progress`, so that one is asked for them.
    fn ids(count: usize) -> Vec<TaskId> {
        struct Collect(Arc<Mutex<Vec<TaskId>>>);
        impl Observer for Collect {
            fn event(&self, event: Event) {
                if let Event::Started { id, .. } = event {
                    self.0.lock().expect("lock").push(id);
                }
            }
        }
        let ids = Arc::new(Mutex::default());
        let progress = Progress::new(Collect(Arc::clone(&ids)));
        for _ in 0..count {
            drop(progress.task(Phase::Hash, "x", None));
        }
        let ids = ids.lock().expect("lock");
        ids.clone()
    }

    fn start(id: TaskId, phase: Phase, name: &str, total: Option<u64>) -> Event {
        Event::Started { id, phase, name: name.to_owned(), total }
    }

    #[test]
    fn a_log_hears_of_what_moved_bytes_or_took_long() {
        let (shared, err) = shared(Drawing::Lines);
        let ids = ids(6);
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let run = |id, phase, name, bytes, outcome, millis| {
            shared.take(start(id, phase, name, Some(bytes)), zero);
            shared.take(Event::Advanced { id, bytes }, zero);
            shared.take(Event::Finished { id, outcome }, at(millis));
        };
        run(ids[0], Phase::Push, "classes", 12_300, "uploaded", 20);
        run(ids[1], Phase::Push, "base layer 1", 0, "mounted", 20);
        run(ids[2], Phase::Layer, "lib", 6_000_000, "built", 20);
        run(ids[3], Phase::Layer, "big", 500_000_000, "built", 4_200);
        run(ids[4], Phase::Push, "broken", 500, "stopped", 9_000);
        run(ids[5], Phase::Push, "slow", 0, "mounted", 1_500);
        insta::assert_snapshot!(err.take(), @r"
        pushed classes 12.3 kB
        built big 500.0 MB in 4.2 s
        pushed slow in 1.5 s (mounted)
        ");
    }

    #[test]
    fn a_log_hears_every_few_seconds_of_what_goes_on() {
        let (shared, err) = shared(Drawing::Lines);
        let id = ids(1)[0];
        let zero = Instant::now();
        shared.take(start(id, Phase::Pull, "base\u{7} layer", Some(100_000_000)), zero);
        for second in 1..=11 {
            shared.take(Event::Advanced { id, bytes: 2_000_000 }, zero);
            assert!(shared.tick(zero + Duration::from_secs(second)));
        }
        shared.take(Event::Warning("slow".into()), zero);
        insta::assert_snapshot!(err.take(), @r"
        pulling base\u{7} layer: 10.0 MB of 100.0 MB, 2.0 MB/s
        pulling base\u{7} layer: 20.0 MB of 100.0 MB, 2.0 MB/s
        warning: slow
        ");
    }

    #[test]
    fn a_bar_comes_late_and_goes_at_the_end() {
        let (shared, err) = shared(Drawing::Bars);
        let ids = ids(20);
        let zero = Instant::now();
        for &id in &ids {
            shared.take(start(id, Phase::Push, "classes", None), zero);
        }
        let bars = || shared.lock().tasks.values().filter(|task| task.bar.is_some()).count();
        shared.tick(zero + Duration::from_millis(100));
        assert_eq!(bars(), 0);
        shared.tick(zero + Duration::from_millis(200));
        assert_eq!(bars(), MAX_BARS);
        for &id in &ids[..15] {
            shared.take(Event::Finished { id, outcome: "uploaded" }, zero);
        }
        shared.tick(zero + Duration::from_millis(300));
        assert_eq!(bars(), 5);
        shared.close();
        assert_eq!(bars(), 0);
        assert!(!shared.tick(zero + Duration::from_millis(400)));
        assert_eq!(err.take(), "");
    }

    #[test]
    fn figures_say_how_far_how_fast_and_how_long() {
        let now = Instant::now();
        let mut task = Task {
            phase: Phase::Push,
            name: "a name that is too long for a column".into(),
            total: Some(12_300_000),
            done: 4_200_000,
            started: now,
            seen: (now, 0),
            rate: 0.0,
            bar: None,
        };
        task.measure(now + Duration::from_secs(1));
        assert_eq!(task.figures(true), "4.2 MB of 12.3 MB, 4.2 MB/s, 2 s left");
        assert_eq!(task.title(), "   pushing a name that is too …");
    }

    #[test]
    fn quiet_says_nothing() {
        let (printer, _, err) = printer(Options { quiet: true, ..Options::default() });
        let (progress, guard) = observe(&printer, None);
        progress.warn("x");
        drop(guard);
        assert_eq!(err.take(), "");
    }
}
