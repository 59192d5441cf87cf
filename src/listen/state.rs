//! The state that the server and the runs share: what a message leads to, and what a crash left.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::action::Action;
use super::job_queue::{Admission, JobKey, JobQueue};
use super::journal::{Journal, JournalRecord, RunOutcome};
use super::metrics::{Gauges, Metrics};
use super::parse::{SourceKind, parse};
use super::verify::{MessageHead, SourceSecret};
use crate::notify::{Now, Variables};
use crate::registry::Client;
use crate::runtime::interrupt::Interrupt;
use crate::types::reference::Registry;

/// A journal is compacted when it is longer than this, and twice as long as after the last time.
const LARGE_JOURNAL: u64 = 8 << 20;

/// Tells the operator something.
pub type Tell = dyn Fn(&str) + Send + Sync;

/// A source of messages.
#[derive(Debug)]
pub struct MessageSource {
    /// Its path.
    pub path: String,
    /// Its sender.
    pub kind: SourceKind,
    /// The registry that its images are in, whatever the messages say.
    pub registry: Option<Registry>,
    /// The secret that its sender knows.
    pub secret: SourceSecret,
}

/// The state that the server and the runs share.
pub struct ServiceState {
    /// The jobs; see [`ServiceState::queue`].
    pub jobs: Mutex<JobQueue>,
    /// Told when there may be work.
    pub work: Condvar,
    /// The journal.
    pub journal: Journal,
    /// Its length after it was compacted, in bytes.
    pub compacted: AtomicU64,
    /// The counters.
    pub metrics: Metrics,
    /// Open connections.
    pub connections: Arc<AtomicUsize>,
    /// The sources.
    pub sources: Vec<MessageSource>,
    /// The actions.
    pub actions: Vec<Action>,
    /// The way to registries and receivers.
    pub client: Client,
    /// The environment.
    pub variables: Arc<Variables>,
    /// The current time.
    pub now: Arc<Now>,
    /// Where commands run.
    pub directory: PathBuf,
    /// Variables that no command gets.
    pub hidden: Vec<String>,
    /// Receives news.
    pub tell: Arc<Tell>,
    /// Receives what an operator should look at.
    pub warn: Arc<Tell>,
    /// Whether nothing new begins.
    pub is_ending: AtomicBool,
    /// Until when runs may go on.
    pub deadline: Mutex<Option<Instant>>,
    /// Set when the service is to end.
    pub interrupt: Interrupt,
}

/// The answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The text, a line.
    pub text: String,
}

impl ReceiptAnswer {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

impl ServiceState {
    /// The jobs.
    pub fn queue(&self) -> MutexGuard<'_, JobQueue> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there may be work, at most `time`.
    pub fn wait_for_work<'a>(
        &self,
        queue: MutexGuard<'a, JobQueue>,
        time: Duration,
    ) -> MutexGuard<'a, JobQueue> {
        self.work.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says that there may be work.
    pub fn wake(&self) {
        self.work.notify_all();
    }

    /// Whether the end was asked for, from outside or by [`ServiceState::end`].
    #[must_use]
    pub fn should_end(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed) || self.interrupt.is_triggered()
    }

    /// Asks for the end.
    pub fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// A text without the secrets of the sources, which a command may print.
    #[must_use]
    pub fn scrubbed(&self, text: &str) -> String {
        self.sources.iter().fold(text.to_owned(), |text, source| source.secret.scrubbed(&text))
    }

    /// Whether runs have no more time.
    #[must_use]
    pub fn is_out_of_time(&self) -> bool {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether messages can be taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.should_end() && self.journal.is_sound()
    }

    /// The text of the metrics.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let (waiting, running) = {
            let queue = self.queue();
            (queue.waiting(), queue.running())
        };
        let connections = self.connections.load(Ordering::Relaxed);
        self.metrics.text(Gauges { waiting, running, connections, journal: self.journal.length() })
    }

    /// Takes a message that came to a source. A message that is answered with 202 is durable.
    pub fn receive(&self, source: &MessageSource, head: &MessageHead<'_>, body: &[u8]) -> ReceiptAnswer {
        let now = (self.now)();
        if !self.is_ready() {
            return ReceiptAnswer::new(503, "the service ends");
        }
        if let Err(why) = source.secret.verify(source.kind, head, body, now.seconds()) {
            self.metrics.unauthorized.add(1);
            return ReceiptAnswer::new(401, why.to_string());
        }
        let parsed = match parse(source.kind, &source.path, source.registry.as_ref(), body) {
            Ok(parsed) => parsed,
            Err(why) => {
                self.metrics.invalid.add(1);
                return ReceiptAnswer::new(400, why.to_string());
            }
        };
        let (mut accepted, mut duplicates) = (0, 0);
        let mut ignored = parsed.others + parsed.invalid;
        let mut is_full = false;
        for mut notice in parsed.notices {
            notice.received = now;
            let wanting = self.actions.iter().filter(|action| action.wants(&notice));
            let mut actions: Vec<String> = wanting.map(|action| action.name.clone()).collect();
            if actions.is_empty() {
                ignored += 1;
                continue;
            }
            let mut queue = self.queue();
            match queue.admit(&notice, &mut actions) {
                Admission::New => {
                    accepted += 1;
                    let record = JournalRecord::Accept { notice, actions };
                    self.metrics.superseded.add(queue.apply(&record) as u64);
                    self.journal.append(&record);
                }
                Admission::Duplicate => duplicates += 1,
                Admission::Full => is_full = true,
            }
        }
        self.metrics.accepted.add(accepted);
        self.metrics.duplicates.add(duplicates);
        self.metrics.ignored.add(ignored as u64);
        // Also for duplicates: the first of them may not be durable yet.
        if (accepted > 0 || duplicates > 0)
            && let Err(error) = self.journal.wait(self.journal.ticket())
        {
            (self.warn)(&format!("the journal cannot be written: {error}"));
            self.end();
            return ReceiptAnswer::new(503, "the message cannot be kept");
        }
        if accepted > 0 {
            self.wake();
        }
        if is_full {
            self.metrics.full.add(1);
            return ReceiptAnswer::new(503, "too much waits already");
        }
        let text = format!("{accepted} accepted, {duplicates} known, {ignored} ignored");
        ReceiptAnswer::new(if accepted > 0 { 202 } else { 200 }, text)
    }

    /// Compacts the journal if it has grown. The lock on `queue` keeps all others from appending.
    pub fn compact_if_large(&self, queue: &JobQueue) {
        let compacted = self.compacted.load(Ordering::Relaxed);
        if self.journal.length() > LARGE_JOURNAL + 2 * compacted {
            self.compact(queue);
        }
    }

    fn compact(&self, queue: &JobQueue) {
        if let Err(error) = self.journal.compact(&queue.records()) {
            (self.warn)(&format!("the journal cannot be compacted: {error}"));
        }
        // After a failure, too, so that it is not tried again at once.
        self.compacted.store(self.journal.length(), Ordering::Relaxed);
    }

    /// Says what a crash left, and decides what becomes of it.
    pub fn recover(&self) {
        let mut queue = self.queue();
        let known: BTreeSet<&str> = self.actions.iter().map(|action| action.name.as_str()).collect();
        for key in queue.orphans(&known) {
            let JobKey { action, target } = &key;
            (self.warn)(&format!("`{action}` for `{target}` is dropped: there is no such action any more"));
            queue.drop_job(&key);
        }
        for key in queue.running_jobs() {
            let repeats = self.actions.iter().any(|action| action.name == key.action && action.repeat);
            let (outcome, after) = match repeats {
                true => (RunOutcome::Requeued, "it is repeated"),
                false => (RunOutcome::Interrupted, "it is not repeated, because `repeat` is not set"),
            };
            self.metrics.interrupted.add(1);
            let JobKey { action, target } = &key;
            (self.warn)(&format!(
                "`{action}` for `{target}` was under way when the service was killed; {after}"
            ));
            queue.end(&key, outcome, None);
        }
        self.compact(&queue);
    }
}
