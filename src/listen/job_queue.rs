//! The jobs that wait and run, and the messages that were seen: the state that the journal's records lead to.
//!
//! A job is an action for a tag. At most one run of a job is under way, and at most one notice waits for it: a newer one
//! takes the place of an older one that has not begun. The state is a function of the records, so that a restart comes
//! to the same one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::journal::{JournalRecord, RunOutcome};
use super::notice::Notice;
use crate::runtime::deadline;
use crate::types::digest::Digest;

/// An action for a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobKey {
    /// The action's name.
    pub action: String,
    /// The tag's full name.
    pub target: String,
}

/// A run that may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedJob {
    /// The job.
    pub key: JobKey,
    /// Its notice.
    pub notice: Notice,
    /// The number of this try; the first is 1.
    pub attempt: u32,
}

#[derive(Debug, Default)]
struct JobState {
    waiting: Option<WaitingNotice>,
    running: Option<(Notice, u32)>,
    /// The last image that was taken for it, unless its run failed.
    last: Option<Digest>,
}

#[derive(Debug)]
struct WaitingNotice {
    notice: Notice,
    /// Tries that failed before.
    attempts: u32,
    /// Its place among all.
    number: u64,
}

/// All jobs.
#[derive(Debug, Default)]
pub struct JobQueue {
    jobs: BTreeMap<JobKey, JobState>,
    /// Jobs that may begin, oldest first.
    ready: BTreeMap<u64, JobKey>,
    /// Jobs that wait for a time.
    delayed: BTreeMap<(Instant, u64), JobKey>,
    next: u64,
    seen: BTreeSet<u128>,
    seen_order: VecDeque<u128>,
    running: usize,
}

/// The fate of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new.
    New,
    /// It was taken before.
    Duplicate,
    /// There is no room.
    Full,
}

/// Identities that are remembered.
const MOST_SEEN: usize = 50_000;
/// Jobs that are known, waiting or not.
const MOST_JOBS: usize = 20_000;
/// Identities in one record of a compacted journal.
const KEYS_IN_RECORD: usize = 1_000;

impl JobQueue {
    /// Whether a notice is taken for some of `actions`, which are those that want it. Afterwards these are the ones that
    /// it is news for.
    pub fn admit(&mut self, notice: &Notice, actions: &mut Vec<String>) -> Admission {
        if self.seen.contains(&notice.key()) {
            return Admission::Duplicate;
        }
        let target = notice.target();
        let is_news = |action: &String| {
            let key = JobKey { action: action.clone(), target: target.clone() };
            notice.digest.is_none() || self.jobs.get(&key).is_none_or(|job| job.last != notice.digest)
        };
        actions.retain(is_news);
        if actions.is_empty() {
            return Admission::Duplicate;
        }
        self.forget_idle();
        if self.jobs.len() + actions.len() > MOST_JOBS {
            return Admission::Full;
        }
        Admission::New
    }

    /// Makes room among the jobs that neither wait nor run.
    fn forget_idle(&mut self) {
        if self.jobs.len() >= MOST_JOBS {
            self.jobs.retain(|_, job| job.waiting.is_some() || job.running.is_some());
        }
    }

    /// Does what a record says.
    pub fn apply(&mut self, record: &JournalRecord) -> usize {
        let mut superseded = 0;
        match record {
            JournalRecord::Accept { notice, actions } => {
                self.remember(notice.key());
                for action in actions {
                    let key = JobKey { action: action.clone(), target: notice.target() };
                    superseded += usize::from(self.enqueue(key, notice.clone(), 0, None));
                }
            }
            JournalRecord::Start { action, notice, attempt } => {
                let key = JobKey { action: action.clone(), target: notice.target() };
                self.start(&key, notice.clone(), *attempt);
            }
            JournalRecord::End { action, target, outcome } => {
                let key = JobKey { action: action.clone(), target: target.clone() };
                self.end(&key, *outcome, None);
            }
            JournalRecord::Seen { keys } => {
                for key in keys.iter().filter_map(|key| u128::from_str_radix(key, 16).ok()) {
                    self.remember(key);
                }
            }
            JournalRecord::Last { action, target, digest } => {
                let key = JobKey { action: action.clone(), target: target.clone() };
                self.jobs.entry(key).or_default().last = Some(*digest);
            }
        }
        superseded
    }

    fn remember(&mut self, key: u128) {
        if self.seen.insert(key) {
            self.seen_order.push_back(key);
            if self.seen_order.len() > MOST_SEEN
                && let Some(oldest) = self.seen_order.pop_front()
            {
                self.seen.remove(&oldest);
            }
        }
    }

    /// Lets a notice wait; whether it took the place of another.
    fn enqueue(&mut self, key: JobKey, notice: Notice, attempts: u32, not_before: Option<Instant>) -> bool {
        let number = self.next;
        self.next += 1;
        let job = self.jobs.entry(key.clone()).or_default();
        job.last = notice.digest;
        let before = job.waiting.replace(WaitingNotice { notice, attempts, number });
        if let Some(before) = &before {
            self.ready.remove(&before.number);
            self.delayed.retain(|(_, number), _| *number != before.number);
        }
        if job.running.is_none() {
            match not_before {
                Some(time) => drop(self.delayed.insert((time, number), key)),
                None => drop(self.ready.insert(number, key)),
            }
        }
        before.is_some()
    }

    fn start(&mut self, key: &JobKey, notice: Notice, attempt: u32) {
        let job = self.jobs.entry(key.clone()).or_default();
        // A newer notice may wait already, in a journal that is read.
        if let Some(waiting) = job.waiting.take_if(|waiting| waiting.notice.key() == notice.key()) {
            self.ready.remove(&waiting.number);
            self.delayed.retain(|(_, number), _| *number != waiting.number);
        } else if let Some(waiting) = &job.waiting {
            self.ready.remove(&waiting.number);
        }
        if job.running.replace((notice, attempt)).is_none() {
            self.running += 1;
        }
    }

    /// Ends a run; one that is to be tried again waits `pause`, unless a newer notice waits.
    pub fn end(&mut self, key: &JobKey, outcome: RunOutcome, pause: Option<Duration>) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        let Some((notice, attempt)) = job.running.take() else { return };
        self.running -= 1;
        match &job.waiting {
            Some(waiting) => drop(self.ready.insert(waiting.number, key.clone())),
            None => match outcome {
                RunOutcome::Done => {}
                RunOutcome::Retry | RunOutcome::Requeued => {
                    let attempts = if outcome == RunOutcome::Retry { attempt } else { 0 };
                    let not_before = pause.map(deadline::after);
                    self.enqueue(key.clone(), notice, attempts, not_before);
                }
                // The same image again is news: its run has not succeeded.
                RunOutcome::Failed | RunOutcome::Interrupted => job.last = None,
            },
        }
    }

    /// The next run, which counts as begun.
    pub fn next(&mut self, now: Instant) -> Option<StartedJob> {
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, number), key) = entry.remove_entry();
            self.ready.insert(number, key);
        }
        let (_, key) = self.ready.pop_first()?;
        let job = self.jobs.get_mut(&key)?;
        let WaitingNotice { notice, attempts, .. } = job.waiting.take()?;
        let attempt = attempts + 1;
        job.running = Some((notice.clone(), attempt));
        self.running += 1;
        Some(StartedJob { key, notice, attempt })
    }

    /// When the next job that waits for a time is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.delayed.first_key_value().map(|((time, _), _)| *time)
    }

    /// Runs that are under way: after a restart those that a crash interrupted.
    #[must_use]
    pub fn running_jobs(&self) -> Vec<JobKey> {
        self.jobs.iter().filter(|(_, job)| job.running.is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// Jobs whose action is none of `known` any more.
    #[must_use]
    pub fn orphans(&self, known: &BTreeSet<&str>) -> Vec<JobKey> {
        let is_orphan = |(key, job): &(&JobKey, &JobState)| {
            !known.contains(key.action.as_str()) && (job.waiting.is_some() || job.running.is_some())
        };
        self.jobs.iter().filter(is_orphan).map(|(key, _)| key.clone()).collect()
    }

    /// Drops a job with all that waits for it.
    pub fn drop_job(&mut self, key: &JobKey) {
        if let Some(job) = self.jobs.remove(key) {
            if let Some(waiting) = job.waiting {
                self.ready.remove(&waiting.number);
                self.delayed.retain(|(_, number), _| *number != waiting.number);
            }
            self.running -= usize::from(job.running.is_some());
        }
    }

    /// Jobs that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.values().filter(|job| job.waiting.is_some()).count()
    }

    /// Runs under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// Records that lead to this state: a compacted journal.
    #[must_use]
    pub fn records(&self) -> Vec<JournalRecord> {
        let mut records = Vec::new();
        let keys: Vec<String> = self.seen_order.iter().map(|key| format!("{key:x}")).collect();
        records.extend(keys.chunks(KEYS_IN_RECORD).map(|keys| JournalRecord::Seen { keys: keys.to_vec() }));
        let mut waiting: Vec<(u64, JournalRecord)> = Vec::new();
        for (JobKey { action, target }, job) in &self.jobs {
            if let Some(digest) = job.last {
                records.push(JournalRecord::Last { action: action.clone(), target: target.clone(), digest });
            }
            if let Some((notice, attempt)) = &job.running {
                let (notice, attempt) = (notice.clone(), *attempt);
                records.push(JournalRecord::Start { action: action.clone(), notice, attempt });
            }
            if let Some(WaitingNotice { notice, number, .. }) = &job.waiting {
                let (notice, actions) = (notice.clone(), vec![action.clone()]);
                waiting.push((*number, JournalRecord::Accept { notice, actions }));
            }
        }
        waiting.sort_by_key(|(number, _)| *number);
        records.extend(waiting.into_iter().map(|(_, record)| record));
        records
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::notice::example;
    use super::*;

    fn accept(queue: &mut JobQueue, notice: &Notice) -> Admission {
        let mut actions = vec!["a".to_owned()];
        let admission = queue.admit(notice, &mut actions);
        if admission == Admission::New {
            queue.apply(&JournalRecord::Accept { notice: notice.clone(), actions });
        }
        admission
    }

    fn next(queue: &mut JobQueue) -> Option<(String, u32)> {
        queue.next(Instant::now()).map(|job| (job.notice.id, job.attempt))
    }

    fn end(queue: &mut JobQueue, outcome: RunOutcome) {
        let key = queue.running_jobs()[0].clone();
        queue.end(&key, outcome, None);
    }

    #[test]
    fn duplicates_are_dropped_by_id_and_by_image() {
        let mut queue = JobQueue::default();
        assert_eq!(accept(&mut queue, &example("1", "t", "x")), Admission::New);
        assert_eq!(accept(&mut queue, &example("1", "t", "y")), Admission::Duplicate);
        assert_eq!(accept(&mut queue, &example("2", "t", "x")), Admission::Duplicate);
        assert_eq!(accept(&mut queue, &example("1", "u", "x")), Admission::New);
        assert_eq!(accept(&mut queue, &example("3", "t", "y")), Admission::New);
        // Back to the image before: a rollback is news.
        assert_eq!(accept(&mut queue, &example("4", "t", "x")), Admission::New);
    }

    #[test]
    fn the_newest_notice_of_a_tag_wins_and_one_runs_at_a_time() {
        let mut queue = JobQueue::default();
        for (id, content) in [("1", "x"), ("2", "y")] {
            accept(&mut queue, &example(id, "t", content));
        }
        assert_eq!(next(&mut queue), Some(("2".to_owned(), 1)));
        for (id, content) in [("3", "z"), ("4", "w")] {
            accept(&mut queue, &example(id, "t", content));
        }
        assert_eq!(next(&mut queue), None, "one at a time");
        accept(&mut queue, &example("5", "other", "x"));
        assert_eq!(next(&mut queue), Some(("5".to_owned(), 1)), "other tags run beside it");
        let key = JobKey { action: "a".to_owned(), target: "localhost:5000/shop/app:t".to_owned() };
        queue.end(&key, RunOutcome::Done, None);
        assert_eq!(next(&mut queue), Some(("4".to_owned(), 1)));
    }

    #[test]
    fn a_failure_is_tried_again_unless_something_newer_waits() {
        let mut queue = JobQueue::default();
        accept(&mut queue, &example("1", "t", "x"));
        next(&mut queue);
        end(&mut queue, RunOutcome::Retry);
        assert_eq!(next(&mut queue), Some(("1".to_owned(), 2)));
        accept(&mut queue, &example("2", "t", "y"));
        end(&mut queue, RunOutcome::Retry);
        assert_eq!(next(&mut queue), Some(("2".to_owned(), 1)));
        end(&mut queue, RunOutcome::Failed);
        assert_eq!(next(&mut queue), None);
        assert_eq!(accept(&mut queue, &example("3", "t", "y")), Admission::New, "it has not succeeded");
        next(&mut queue);
        let key = queue.running_jobs()[0].clone();
        queue.end(&key, RunOutcome::Retry, Some(Duration::from_secs(60)));
        assert_eq!((next(&mut queue), queue.due().is_some(), queue.waiting()), (None, true, 1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut queue = JobQueue::default();
        for number in 0..MOST_SEEN + 10 {
            queue.remember(number as u128);
        }
        assert_eq!((queue.seen.len(), queue.seen.contains(&0)), (MOST_SEEN, false));
        for number in 0..MOST_JOBS {
            assert_eq!(accept(&mut queue, &example("x", &format!("t{number}"), "x")), Admission::New);
        }
        assert_eq!(accept(&mut queue, &example("x", "more", "x")), Admission::Full);
        next(&mut queue);
        end(&mut queue, RunOutcome::Done);
        assert_eq!(accept(&mut queue, &example("x", "more", "x")), Admission::New);
    }

    proptest! {
        /// A restart at any moment leads to the same waiting and running jobs, from the journal or a compacted one.
        #[test]
        fn a_restart_changes_nothing(steps in proptest::collection::vec((0..5_u8, 0..3_u8, 0..3_u8), 1..40)) {
            let (mut queue, mut journal) = (JobQueue::default(), Vec::new());
            for (number, (step, tag, content)) in steps.into_iter().enumerate() {
                if step < 3 {
                    let notice = example(&number.to_string(), &format!("t{tag}"), &content.to_string());
                    let mut actions = vec!["a".to_owned(), "b".to_owned()];
                    if queue.admit(&notice, &mut actions) == Admission::New {
                        let record = JournalRecord::Accept { notice, actions };
                        queue.apply(&record);
                        journal.push(record);
                    }
                } else if step == 3 {
                    if let Some(StartedJob { key, notice, attempt }) = queue.next(Instant::now()) {
                        journal.push(JournalRecord::Start { action: key.action, notice, attempt });
                    }
                } else if let Some(key) = queue.running_jobs().first() {
                    let outcomes = [RunOutcome::Done, RunOutcome::Failed, RunOutcome::Retry];
                    let outcome = outcomes[usize::from(tag)];
                    let JobKey { action, target } = key.clone();
                    queue.end(key, outcome, None);
                    journal.push(JournalRecord::End { action, target, outcome });
                }
            }
            let state = |records: &[JournalRecord]| {
                let mut queue = JobQueue::default();
                for record in records {
                    queue.apply(record);
                }
                let running = queue.running_jobs();
                for key in &running {
                    queue.end(key, RunOutcome::Interrupted, None);
                }
                let mut waiting = Vec::new();
                while let Some(job) = queue.next(Instant::now()) {
                    waiting.push((job.key, job.notice));
                }
                waiting.sort_by(|one, other| one.0.cmp(&other.0));
                (running, waiting, queue.seen)
            };
            let compacted = queue.records();
            prop_assert_eq!(state(&journal), state(&compacted));
        }
    }
}
