//! Draws the library's events: rows for a person, lines for a log, nothing with `--quiet`.
//!
//! Events only count. A thread of its own, started with the first task, draws what there is to see now and
//! then, so that a worker never waits for a terminal and work that is over at once is never seen.
//!
//! A person sees at most `MAX_ROWS` tasks that move, or fewer of them and how a run of several images stands. Below them
//! is one row for the whole: what was moved, what did not have to be, what waits. No row is wider than the terminal, so none breaks. While no task is open, the last row
//! says so: manifests and tags, or a disk, take their time too.

mod run;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::format::{bytes, cut, duration, length, printable, seconds};
use super::printer::Printer;
use super::timings::Recorder;
use crate::runtime::events::{Event, EventKind, ImageId, Observer, Phase, Progress, Silent, TaskId};
use run::RunDisplay;

/// A task that ends sooner is not drawn: it would only flicker.
const UNSEEN: Duration = Duration::from_millis(150);
/// How often rows are drawn.
const FRAME: Duration = Duration::from_millis(100);
/// More tasks than this are not read by anyone; the last row counts the rest.
const MAX_ROWS: usize = 4;
/// How often a log hears of a task that goes on.
const REPEAT: Duration = Duration::from_secs(5);
/// A log hears of a task that moved no bytes only if it took this long.
const LONG: Duration = Duration::from_secs(1);
/// How long no task is open before a row says that there is still something to do.
const PAUSE: Duration = Duration::from_millis(300);

/// Keeps progress on the terminal; when dropped, rows are gone and stay so.
#[derive(Debug)]
pub struct Guard(Option<Arc<Shared>>);

/// Draws on `printer` what happens, unless it `is_quiet`, until the guard is dropped, and has it recorded.
#[must_use]
pub fn observe(printer: &Printer, recorder: Option<Recorder>, is_quiet: bool) -> (Progress, Guard) {
    if is_quiet || printer.options().quiet {
        let progress = recorder.map_or_else(|| Progress::new(Silent), Progress::new);
        return (progress, Guard(None));
    }
    let shared = Arc::new(Shared {
        printer: printer.clone(),
        drawing: if printer.is_interactive() { Drawing::Rows } else { Drawing::Lines },
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
    Rows,
    Lines,
}

#[derive(Debug)]
struct Shared {
    printer: Printer,
    drawing: Drawing,
    state: Mutex<DisplayState>,
    ticker: OnceLock<()>,
}

#[derive(Debug, Default)]
struct DisplayState {
    closed: bool,
    tasks: BTreeMap<TaskId, TaskDisplay>,
    /// The run, if it is one of several images.
    run: Option<RunDisplay>,
    finished: FinishedLine,
    /// When the last task ended.
    idle: Option<Instant>,
    /// The rows on the screen; the last one is the total.
    rows: Vec<ProgressBar>,
    frames: usize,
}

/// A task under way.
#[derive(Debug)]
struct TaskDisplay {
    phase: Phase,
    name: String,
    total: Option<u64>,
    done: u64,
    started: Instant,
    /// When it was last drawn or told of, and how far it was then.
    seen: (Instant, u64),
    /// Bytes per second, smoothed.
    rate: f64,
}

/// The work of finished tasks.
#[derive(Clone, Copy, Debug, Default)]
struct FinishedLine {
    /// Bytes that went to registries.
    sent: u64,
    /// Bytes that came from registries.
    received: u64,
    /// Bytes that were written to files.
    written: u64,
    /// Bytes that did not have to be moved: they were there, or were mounted.
    reused: u64,
}

struct Drawer(Arc<Shared>);

impl Observer for Drawer {
    fn event(&self, event: Event) {
        self.0.take(event.image, event.kind, Instant::now());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, DisplayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, image: Option<ImageId>, event: EventKind, now: Instant) {
        match event {
            EventKind::Started { id, phase, name, total } => {
                let mut state = self.lock();
                let name = state.name(image, &printable(&name));
                let task =
                    TaskDisplay { phase, name, total, done: 0, started: now, seen: (now, 0), rate: 0.0 };
                state.tasks.insert(id, task);
                drop(state);
                self.start_ticker();
            }
            EventKind::Advanced { id, bytes } => {
                if let Some(task) = self.lock().tasks.get_mut(&id) {
                    task.done = task.done.saturating_add(bytes);
                }
            }
            EventKind::Finished { id, outcome } => {
                let mut state = self.lock();
                let Some(task) = state.tasks.remove(&id) else { return };
                state.finished.add(&task, outcome);
                if state.tasks.is_empty() {
                    state.idle = Some(now);
                }
                // A log of many images has a line for each.
                let closed = state.closed || state.run.is_some();
                drop(state);
                if self.drawing == Drawing::Lines
                    && !closed
                    && let Some(line) = task.last_line(outcome, now)
                {
                    self.printer.message(line);
                }
            }
            EventKind::StepStarted { .. } | EventKind::StepFinished { .. } => {}
            EventKind::RunStarted { images } => {
                self.lock().run = Some(RunDisplay::new(images, now));
                self.start_ticker();
            }
            EventKind::ImageStarted { name } => {
                if let Some(run) = &mut self.lock().run {
                    run.begin(image, printable(&name).into_owned(), now);
                }
            }
            EventKind::ImageEnded { name, end } => {
                let mut state = self.lock();
                let line = state.run.as_mut().and_then(|run| run.end(image, &printable(&name), end, now));
                let closed = state.closed;
                drop(state);
                if let (Drawing::Lines, false, Some(line)) = (self.drawing, closed, line) {
                    self.printer.message(line);
                }
            }
            EventKind::Note(text) => {
                let text = self.lock().name(image, &text);
                self.printer.note(text);
            }
            EventKind::Warning(text) => {
                let text = self.lock().name(image, &text);
                self.printer.warning(text);
            }
        }
    }

    /// A build that finds nothing to do ends before the thread wakes up for the first time.
    fn start_ticker(self: &Arc<Self>) {
        self.ticker.get_or_init(|| {
            let shared = Arc::downgrade(self);
            let pause = match self.drawing {
                Drawing::Rows => FRAME,
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
            Drawing::Rows => {
                let texts = state.frame(now, self.printer.columns());
                while state.rows.len() > texts.len() {
                    state.rows.pop().iter().for_each(|row| self.take_down(row));
                }
                while state.rows.len() < texts.len() {
                    let row = ProgressBar::no_length().with_style(ProgressStyle::default_spinner());
                    if let Ok(style) = ProgressStyle::with_template("{msg}") {
                        row.set_style(style);
                    }
                    state.rows.push(self.printer.bars().add(row));
                }
                let rows = state.rows.clone();
                // Drawn without the lock, so that a worker never waits for the terminal. A row that ends
                // meanwhile has no terminal any more and draws nothing.
                drop(state);
                for (row, text) in rows.iter().zip(texts) {
                    row.set_message(text);
                    row.tick();
                }
            }
            Drawing::Lines => {
                let due = |task: &&mut TaskDisplay| now.duration_since(task.seen.0) >= REPEAT;
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

    /// Ends a row and takes it off the screen for good.
    fn take_down(&self, row: &ProgressBar) {
        row.finish_and_clear();
        self.printer.bars().remove(row);
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for row in std::mem::take(&mut state.rows) {
            self.take_down(&row);
        }
    }
}

impl DisplayState {
    /// A message about one of several images begins with its name.
    fn name(&self, image: Option<ImageId>, text: &str) -> String {
        match self.run.as_ref().and_then(|run| run.name(image)) {
            Some(name) => format!("{name}: {text}"),
            None => text.to_owned(),
        }
    }

    /// The rows to show now, none wider than `columns`.
    fn frame(&mut self, now: Instant, columns: usize) -> Vec<String> {
        self.frames += 1;
        for task in self.tasks.values_mut() {
            task.measure(now);
        }
        let old_enough = |task: &&TaskDisplay| now.duration_since(task.started) >= UNSEEN;
        // A task without a byte waits, for a place or an answer: the last row counts those.
        let moving: Vec<&TaskDisplay> =
            self.tasks.values().filter(old_enough).filter(|task| task.done > 0).collect();
        let of_run = self.run.as_ref().map(|run| run.rows(now, VERB, columns)).unwrap_or_default();
        let shown = moving.iter().take(MAX_ROWS - of_run.len());
        let mut rows: Vec<String> = shown.map(|task| task.row(columns)).collect();
        let shown = rows.len();
        rows.extend(of_run);
        let is_working = self.tasks.values().any(|task| old_enough(&task));
        let is_idle = self.idle.is_some_and(|since| now.duration_since(since) >= PAUSE);
        if is_working || self.tasks.is_empty() && is_idle {
            let more = self.tasks.len() - shown;
            rows.push(cut(&self.total(more), columns).into_owned());
        }
        rows
    }

    /// The last row: `- sent 12.3 MB, reused 48.1 MB, 3 more open`.
    fn total(&self, more: usize) -> String {
        const SPINNER: [char; 4] = ['|', '/', '-', '\\'];
        let mut all = self.finished;
        for task in self.tasks.values() {
            all.add_moved(task.phase, task.done);
        }
        let mut parts = Vec::new();
        for (what, amount) in
            [("sent", all.sent), ("received", all.received), ("wrote", all.written), ("reused", all.reused)]
        {
            if amount > 0 {
                parts.push(format!("{what} {}", bytes(amount)));
            }
        }
        if self.tasks.is_empty() && self.run.is_none() {
            parts.push("finishing".to_owned());
        } else if more > 0 {
            parts.push(format!("{more} waiting"));
        }
        if parts.is_empty() {
            parts.push("working".to_owned());
        }
        let spinner = SPINNER[self.frames % SPINNER.len()];
        format!("{:>VERB$} {}", spinner, parts.join(", "))
    }
}

impl FinishedLine {
    fn add(&mut self, task: &TaskDisplay, outcome: &str) {
        if matches!(outcome, "present" | "mounted") {
            self.reused += task.total.unwrap_or(0);
        } else if outcome != "stopped" {
            self.add_moved(task.phase, task.done);
        }
    }

    const fn add_moved(&mut self, phase: Phase, bytes: u64) {
        let of = match phase {
            Phase::Push => &mut self.sent,
            Phase::Pull => &mut self.received,
            Phase::Write => &mut self.written,
            Phase::Read | Phase::Layer | Phase::Verify => return,
        };
        *of = of.saturating_add(bytes);
    }
}

/// Columns of the word that a row begins with.
const VERB: usize = 9;
/// Columns of a name.
const NAME: usize = 16;
/// Columns that figures want.
const FIGURES: usize = 42;

const fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Read => "reading",
        Phase::Layer => "building",
        Phase::Pull => "pulling",
        Phase::Push => "pushing",
        Phase::Write => "writing",
        Phase::Verify => "verifying",
    }
}

const fn done(phase: Phase) -> &'static str {
    match phase {
        Phase::Read => "read",
        Phase::Layer => "built",
        Phase::Pull => "pulled",
        Phase::Push => "pushed",
        Phase::Write => "wrote",
        Phase::Verify => "verified",
    }
}

impl TaskDisplay {
    /// The row of a task: what, how far as a bar where there is room, and figures.
    fn row(&self, columns: usize) -> String {
        let name = cut(&self.name, NAME);
        let padding = " ".repeat(NAME.saturating_sub(length(&name)));
        let mut row = format!("{:>VERB$} {name}{padding} ", doing(self.phase));
        let room = columns.saturating_sub(length(&row) + FIGURES + 3).min(20);
        if let Some(total) = self.total
            && room >= 5
        {
            let full = (self.done.min(total) as u128 * room as u128).checked_div(total.into()).unwrap_or(0);
            let full = usize::try_from(full).unwrap_or(room);
            let head = if full < room { ">" } else { "" };
            let _ = write!(row, "[{}{head}{}] ", "=".repeat(full), " ".repeat(room - full - head.len()));
        }
        row.push_str(&self.figures(true));
        cut(&row, columns).into_owned()
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

    /// `4.2 of 12.3 MB, 8.1 MB/s, 1 s left`
    fn figures(&self, with_rest: bool) -> String {
        let mut text = bytes(self.done);
        let rate = self.rate.max(0.0) as u64;
        // Writing to a `String` cannot fail.
        if let Some(total) = self.total {
            let total = bytes(total);
            // The same unit is said once.
            if let (Some((number, unit)), Some((_, of))) = (text.split_once(' '), total.split_once(' '))
                && unit == of
            {
                text = number.to_owned();
            }
            let _ = write!(text, " of {total}");
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

    /// The line of a log about a task that goes on.
    fn line(&mut self, now: Instant) -> String {
        self.measure(now);
        format!("{} {}: {}", doing(self.phase), self.name, self.figures(false))
    }

    /// The line of a log about a task that ended, if it is worth one. One that was stopped is not: the error says
    /// why.
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
    use super::super::printer::PrinterOptions;
    use super::super::printer::captured::{Capture, printer};
    use super::*;

    fn shared(drawing: Drawing) -> (Arc<Shared>, Capture) {
        let (printer, _, err) = printer(PrinterOptions::default());
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
                if let EventKind::Started { id, .. } = event.kind {
                    self.0.lock().expect("lock").push(id);
                }
            }
        }
        let ids = Arc::new(Mutex::default());
        let progress = Progress::new(Collect(Arc::clone(&ids)));
        for _ in 0..count {
            drop(progress.task(Phase::Read, "x", None));
        }
        let ids = ids.lock().expect("lock");
        ids.clone()
    }

    fn start(id: TaskId, phase: Phase, name: &str, total: Option<u64>) -> EventKind {
        EventKind::Started { id, phase, name: name.to_owned(), total }
    }

    #[test]
    fn a_log_hears_of_what_moved_bytes_or_took_long() {
        let (shared, err) = shared(Drawing::Lines);
        let ids = ids(6);
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let run = |id, phase, name, bytes, outcome, millis| {
            shared.take(None, start(id, phase, name, Some(bytes)), zero);
            shared.take(None, EventKind::Advanced { id, bytes }, zero);
            shared.take(None, EventKind::Finished { id, outcome }, at(millis));
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
        shared.take(None, start(id, Phase::Pull, "base\u{7} layer", Some(100_000_000)), zero);
        for second in 1..=11 {
            shared.take(None, EventKind::Advanced { id, bytes: 2_000_000 }, zero);
            assert!(shared.tick(zero + Duration::from_secs(second)));
        }
        shared.take(None, EventKind::Warning("slow".into()), zero);
        insta::assert_snapshot!(err.take(), @r"
        pulling base\u{7} layer: 10.0 of 100.0 MB, 2.0 MB/s
        pulling base\u{7} layer: 20.0 of 100.0 MB, 2.0 MB/s
        warning: slow
        ");
    }

    #[test]
    fn rows_come_late_are_few_and_go_at_the_end() {
        let (shared, err) = shared(Drawing::Rows);
        let ids = ids(20);
        let zero = Instant::now();
        for &id in &ids {
            shared.take(None, start(id, Phase::Push, "classes", None), zero);
        }
        let rows = || shared.lock().rows.len();
        shared.tick(zero + Duration::from_millis(100));
        assert_eq!(rows(), 0);
        shared.tick(zero + Duration::from_millis(200));
        assert_eq!(rows(), 1, "they wait, which one row says");
        for &id in &ids {
            shared.take(None, EventKind::Advanced { id, bytes: 1 }, zero);
        }
        shared.tick(zero + Duration::from_millis(300));
        assert_eq!(rows(), MAX_ROWS + 1);
        for &id in &ids[..19] {
            shared.take(None, EventKind::Finished { id, outcome: "uploaded" }, zero);
        }
        shared.tick(zero + Duration::from_millis(400));
        assert_eq!(rows(), 2);
        shared.close();
        assert_eq!(rows(), 0);
        assert!(!shared.tick(zero + Duration::from_millis(500)));
        assert_eq!(err.take(), "");
    }

    /// A state with tasks that began at the instant, as (phase, name, total, done).
    fn state(zero: Instant, tasks: &[(Phase, &str, Option<u64>, u64)]) -> DisplayState {
        let mut state = DisplayState::default();
        for (id, (phase, name, total, done)) in ids(tasks.len()).into_iter().zip(tasks) {
            let (name, seen) = ((*name).to_owned(), (zero, 0));
            let task = TaskDisplay {
                phase: *phase,
                name,
                total: *total,
                done: *done,
                started: zero,
                seen,
                rate: 0.0,
            };
            state.tasks.insert(id, task);
        }
        state
    }

    #[test]
    fn no_row_is_wider_than_the_terminal() {
        let zero = Instant::now();
        let tasks = [
            (Phase::Verify, "a name that is too long for a column", Some(999_900_000), 211_600_000),
            (Phase::Push, "依存関係のライブラリ", Some(48_100_000), 12_000_000),
            (Phase::Pull, "sha256", None, 3_000_000),
            (Phase::Push, "waiting", Some(5_000_000), 0),
        ];
        let mut all = state(zero, &tasks);
        all.finished.reused = 161_500_000;
        let rows = all.frame(zero + Duration::from_secs(1), 80);
        insta::assert_snapshot!(rows.join("\n"), @r"
        verifying a name that is…  [=>      ] 211.6 of 999.9 MB, 211.6 MB/s, 4 s left
          pushing 依存関係のライ…  [=>      ] 12.0 of 48.1 MB, 12.0 MB/s, 4 s left
          pulling sha256           3.0 MB, 3.0 MB/s
                / sent 12.0 MB, received 3.0 MB, reused 161.5 MB, 1 waiting
        ");
        for columns in 0..120 {
            let rows = state(zero, &tasks).frame(zero + Duration::from_secs(1), columns);
            assert!(rows.iter().all(|row| length(row) <= columns.max(1)), "{columns}: {rows:?}");
        }
    }

    #[test]
    fn the_end_of_the_work_is_said_while_it_goes_on() {
        let zero = Instant::now();
        let mut state = DisplayState { idle: Some(zero), ..DisplayState::default() };
        state.finished.written = 12_000_000;
        assert_eq!(state.frame(zero + Duration::from_millis(100), 80), Vec::<String>::new());
        let rows = state.frame(zero + Duration::from_millis(400), 80);
        assert_eq!(rows, ["        - wrote 12.0 MB, finishing"]);
    }

    #[test]
    fn figures_say_how_far_how_fast_and_how_long() {
        let now = Instant::now();
        let mut state = state(now, &[(Phase::Push, "lib", Some(12_300_000), 4_200_000)]);
        let task = state.tasks.values_mut().next().expect("a task");
        task.measure(now + Duration::from_secs(1));
        assert_eq!(task.figures(true), "4.2 of 12.3 MB, 4.2 MB/s, 2 s left");
        (task.done, task.total) = (999, Some(12_300));
        assert_eq!(task.figures(false), "999 B of 12.3 kB, 4.2 MB/s");
    }

    #[test]
    fn quiet_says_nothing() {
        let (printer, _, err) = printer(PrinterOptions { quiet: true, ..PrinterOptions::default() });
        let (progress, guard) = observe(&printer, None, false);
        progress.warn("x");
        drop(guard);
        assert_eq!(err.take(), "");
    }
}
