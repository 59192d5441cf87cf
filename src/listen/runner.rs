//! Threads that run jobs: mark the start, do it, note the end.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::action::{self, Action, Deed};
use super::job_queue::StartedJob;
use super::journal::{JournalRecord, RunOutcome};
use super::notice::Notice;
use super::process::{self, CommandEnd};
use super::state::ServiceState;
use crate::notify::{SecretPlace, message};
use crate::registry::WebhookRequest;
use crate::types::delivery::EventForm;
use crate::types::reference::Reference;
use crate::types::shown::Foreign;
use crate::types::webhook_url::WebhookUrl;

/// The most characters of a receiver's answer that are shown.
const LONGEST_ANSWER: usize = 300;

/// How long a thread waits before it looks again.
const GLANCE: Duration = Duration::from_millis(250);

/// How a try ended.
enum TryEnd {
    Success,
    Failure(String),
    Stopped,
}

/// Runs jobs until the service ends.
pub fn work(state: &ServiceState) {
    loop {
        let job = {
            let mut queue = state.queue();
            loop {
                if state.is_ending.load(Ordering::Relaxed) {
                    return;
                }
                let now = Instant::now();
                if let Some(job) = queue.next(now) {
                    // Before the lock is given back, so that the journal has it before what comes later.
                    state.journal.append(&JournalRecord::Start {
                        action: job.key.action.clone(),
                        notice: job.notice.clone(),
                        attempt: job.attempt,
                    });
                    break job;
                }
                let wait = queue.due().map_or(GLANCE, |due| due.saturating_duration_since(now).min(GLANCE));
                queue = state.wait_for_work(queue, wait.max(Duration::from_millis(1)));
            }
        };
        // Nothing starts that a restart would not know of.
        if state.journal.wait(state.journal.ticket()).is_err() {
            state.end();
            return;
        }
        run(state, job);
    }
}

fn run(state: &ServiceState, job: StartedJob) {
    let StartedJob { key, mut notice, attempt } = job;
    let Some(action) = state.actions.iter().find(|action| action.name == key.action) else { return };
    let begun = Instant::now();
    let (end, output) = attempt_once(state, action, &mut notice);
    let seconds = begun.elapsed().as_secs_f64();
    let (action_name, target) = (&key.action, &key.target);
    let (outcome, pause) = match &end {
        TryEnd::Success => {
            state.metrics.done.add(1);
            (state.tell)(&format!("`{action_name}` for `{}`: done after {seconds:.1} s", notice.reference()));
            (RunOutcome::Done, None)
        }
        TryEnd::Failure(why) if attempt <= action.retries => {
            state.metrics.retried.add(1);
            let pause = action.pause_after(attempt);
            (state.warn)(&format!(
                "`{action_name}` for `{target}`: {why}; try {} of {} follows in {} s",
                attempt + 1,
                action.retries + 1,
                pause.as_secs_f64()
            ));
            (RunOutcome::Retry, Some(pause))
        }
        TryEnd::Failure(why) => {
            state.metrics.failed.add(1);
            (state.warn)(&format!(
                "`{action_name}` for `{target}`: {why}; it is given up after {attempt} tries"
            ));
            (RunOutcome::Failed, None)
        }
        TryEnd::Stopped => {
            state.metrics.interrupted.add(1);
            let after = if action.repeat { "it is repeated at the next start" } else { "it is not repeated" };
            (state.warn)(&format!(
                "`{action_name}` for `{target}`: interrupted by the end of the service; {after}"
            ));
            let outcome = if action.repeat { RunOutcome::Requeued } else { RunOutcome::Interrupted };
            (outcome, None)
        }
    };
    if !matches!(end, TryEnd::Success) && !output.is_empty() {
        (state.tell)(&format!("the end of its output:\n{}", state.scrubbed(&output)));
    }
    {
        let mut queue = state.queue();
        queue.end(&key, outcome, pause);
        let record = JournalRecord::End { action: key.action.clone(), target: key.target.clone(), outcome };
        state.journal.append(&record);
        state.compact_if_large(&queue);
    }
    state.wake();
    if state.journal.wait(state.journal.ticket()).is_err() {
        state.end();
    }
}

/// One try. A message without a digest gets the one that the tag resolves to now.
fn attempt_once(state: &ServiceState, action: &Action, notice: &mut Notice) -> (TryEnd, String) {
    if notice.digest.is_none() && action.needs_digest() {
        let reference = notice.target().parse::<Reference>();
        match reference.map(|reference| state.client.resolve(&reference)) {
            Ok(Ok(Some(found))) => notice.digest = Some(found.digest),
            Ok(Ok(None)) => return (TryEnd::Failure("the tag does not exist".to_owned()), String::new()),
            Ok(Err(error)) => return (TryEnd::Failure(error.to_string()), String::new()),
            Err(error) => return (TryEnd::Failure(error.to_string()), String::new()),
        }
    }
    match &action.deed {
        Deed::Command(words) => {
            let directory = state.directory.clone();
            let command = action::command(words, notice, &state.hidden, directory, action.timeout);
            let (end, output) = process::run(&command, &|| state.is_out_of_time());
            let end = match end {
                CommandEnd::Success => TryEnd::Success,
                CommandEnd::Failure(why) => TryEnd::Failure(why),
                CommandEnd::Stopped => TryEnd::Stopped,
            };
            (end, output)
        }
        Deed::Post { url, form, secret } => {
            (post(state, action, notice, url, *form, secret.as_ref()), String::new())
        }
    }
}

fn post(
    state: &ServiceState,
    action: &Action,
    notice: &Notice,
    url: &WebhookUrl,
    form: EventForm,
    secret: Option<&SecretPlace>,
) -> TryEnd {
    let Some(event) = action::event(notice) else {
        return TryEnd::Failure("the digest is not known".to_owned());
    };
    let message = message(&event, form);
    let body = bytes::Bytes::from(message.body);
    let mut headers = message.headers;
    // The sender's own id, so that the next receiver can drop duplicates across all of us.
    let id = notice.id.clone();
    match secret.map(|secret| secret.key(&*state.variables)) {
        Some(Ok(key)) => headers.extend(key.headers(&id, (state.now)().seconds(), &body)),
        Some(Err(error)) => return TryEnd::Failure(error.to_string()),
        None => headers.push(("webhook-id", id.clone())),
    }
    let request = WebhookRequest {
        url,
        id,
        content_type: message.content_type,
        headers: &headers,
        body,
        timeout: action.timeout,
    };
    match state.client.post(&request) {
        Ok(answer) if answer.is_taken() => TryEnd::Success,
        Ok(answer) => {
            TryEnd::Failure(format!("`{url}` answered {}", Foreign::short(&answer.said, LONGEST_ANSWER)))
        }
        Err(crate::registry::RegistryError::Interrupted(_)) => TryEnd::Stopped,
        Err(error) => TryEnd::Failure(error.to_string()),
    }
}
