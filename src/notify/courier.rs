//! Delivery: from the outbox to the receivers.
//!
//! The events of one receiver are sent in their order, and one that fails holds up those after it. Receivers are
//! served side by side. A run spends no more than the receiver's time limit on an event, all tries together; what is
//! left waits for a later run, at longer and longer intervals, for at most a week.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::announcer::Now;
use super::event::EventTime;
use super::form::message;
use super::outbox::{DamagedEntry, HeldEntry, Outbox, OutboxTries};
use super::receiver::{Receiver, SecretError, Variables};
use crate::registry::{Client, RegistryError, WebhookRequest};
use crate::runtime::deadline;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::Reference;
use crate::types::shown::Foreign;
use crate::types::webhook_url::WebhookUrl;

/// Tries of one event in one run.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The first interval between runs, in milliseconds; it doubles.
const FIRST_INTERVAL: u64 = 10_000;
/// The longest interval between runs.
const LONGEST_INTERVAL: u64 = 3_600_000;
/// The longest interval that a receiver may ask for.
const LONGEST_ASKED: u64 = 24 * 3_600_000;
/// An event that is older and cannot be delivered is given up.
pub const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Receivers that are served at the same time.
const SIDE_BY_SIDE: usize = 8;
/// A try has at least so long.
const SHORTEST_TRY: Duration = Duration::from_millis(25);

/// Delivers events.
pub struct Courier<'a> {
    /// Where they are.
    pub outbox: Outbox,
    /// The way to receivers and registries.
    pub client: &'a Client,
    /// The environment, where secrets may be.
    pub variables: Arc<Variables>,
    /// The current time.
    pub now: Arc<Now>,
    /// The user's wish to stop.
    pub interrupt: &'a Interrupt,
}

/// The result of a delivery.
#[derive(Debug, Default)]
pub struct CourierReport {
    /// Events that receivers took.
    pub delivered: usize,
    /// Events that wait, and why.
    pub waiting: Vec<WaitingEvent>,
    /// Events that were given up, and why: sentences.
    pub dropped: Vec<String>,
    /// Files of the outbox that nothing can be delivered from.
    pub damaged: Vec<DamagedEntry>,
}

/// An event that waits.
#[derive(Debug)]
pub struct WaitingEvent {
    /// The receiver.
    pub receiver: WebhookUrl,
    /// Whether it is a required one.
    pub required: bool,
    /// Why it waits.
    pub why: String,
}

/// Why an image cannot be announced to its receivers. It is found before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The secret is not there.
    #[error("cannot sign events for `{url}`: {source}")]
    Secret {
        /// The receiver.
        url: WebhookUrl,
        /// Why.
        source: Box<SecretError>,
    },
    /// Nothing answers.
    #[error("cannot reach `{url}`, which is required")]
    Unreachable {
        /// The receiver.
        url: WebhookUrl,
        /// Why.
        source: Box<RegistryError>,
    },
}

impl Explain for ReceiverError {
    fn kind(&self) -> Kind {
        match self {
            Self::Secret { .. } => Kind::Input,
            Self::Unreachable { source, .. } => source.kind(),
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Secret { .. } => Some(ErrorCode::SecretMissing),
            Self::Unreachable { .. } => Some(ErrorCode::EventUndelivered),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Secret { .. } => Some("set it, or remove `secret-env` and `secret-file`".to_owned()),
            Self::Unreachable { .. } => Some(
                "nothing was pushed; start the receiver, or remove `required` from its `[[webhook]]`"
                    .to_owned(),
            ),
        }
    }
}

impl Courier<'_> {
    /// Checks receivers before a push: their secrets are there, and something answers at the required ones.
    ///
    /// # Errors
    /// When that is not so.
    pub fn check(&self, receivers: &[Receiver]) -> Result<(), ReceiverError> {
        for Receiver { url, secret, required, timeout, .. } in receivers {
            if let Some(secret) = secret {
                secret
                    .key(&*self.variables)
                    .map_err(|source| ReceiverError::Secret { url: url.clone(), source: Box::new(source) })?;
            }
            if *required {
                self.client.reach(url, *timeout).map_err(|source| ReceiverError::Unreachable {
                    url: url.clone(),
                    source: Box::new(source),
                })?;
            }
        }
        Ok(())
    }

    /// Delivers all that is due; with `is_forced`, also what is not due yet.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub fn deliver(&self, is_forced: bool) -> io::Result<CourierReport> {
        let mut report = CourierReport::default();
        let mut queues: BTreeMap<String, Vec<HeldEntry>> = BTreeMap::new();
        let in_memory = self.outbox.take_memory();
        let names = match self.outbox.names() {
            Ok(names) => names,
            // Where the directory cannot be used, all that there is may be in memory.
            Err(_) if !in_memory.is_empty() => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut claimed = Vec::with_capacity(names.len());
        for name in &names {
            match self.outbox.claim(name) {
                Ok(held) => claimed.extend(held),
                Err(damaged) => report.damaged.push(damaged),
            }
        }
        for held in claimed.into_iter().chain(in_memory) {
            if let Some(held) = self.settled(held, &mut report) {
                queues.entry(held.entry.receiver.tag()).or_default().push(held);
            }
        }
        let mut queues: Vec<Vec<HeldEntry>> = queues.into_values().collect();
        while !queues.is_empty() {
            let turn: Vec<Vec<HeldEntry>> = queues.drain(..queues.len().min(SIDE_BY_SIDE)).collect();
            for part in self.serve(turn, is_forced) {
                report.delivered += part.delivered;
                report.waiting.extend(part.waiting);
                report.dropped.extend(part.dropped);
            }
        }
        Ok(report)
    }

    /// Serves receivers side by side.
    fn serve(&self, queues: Vec<Vec<HeldEntry>>, is_forced: bool) -> Vec<CourierReport> {
        if queues.len() == 1 {
            return queues.into_iter().map(|queue| self.serve_one(queue, is_forced)).collect();
        }
        std::thread::scope(|scope| {
            let started = queues
                .into_iter()
                .map(|queue| workers::spawn(scope, "events", move || self.serve_one(queue, is_forced)));
            let started: Vec<_> = started.collect();
            started.into_iter().filter_map(|thread| thread.ok()?.join().ok()).collect()
        })
    }

    fn serve_one(&self, queue: Vec<HeldEntry>, is_forced: bool) -> CourierReport {
        let mut report = CourierReport::default();
        let mut blocked: Option<String> = None;
        for held in queue {
            let tries = held.tries();
            let Receiver { url, required, .. } = held.entry.receiver.clone();
            let mut wait = |held: HeldEntry, why: String| {
                report.waiting.push(WaitingEvent { receiver: url.clone(), required, why });
                held.leave();
            };
            if let Some(why) = &blocked {
                wait(held, why.clone());
                continue;
            }
            // A time that no try ever set is that of a damaged file, or of a clock that went back.
            let rest = tries.not_before.saturating_sub((self.now)().milliseconds());
            if !is_forced && (1..=LONGEST_ASKED).contains(&rest) {
                let next = EventTime::from_milliseconds(tries.not_before);
                let why = format!("{}; the next try is due at {next}", tries.why);
                blocked = Some(why.clone());
                wait(held, why);
                continue;
            }
            match self.send(&held) {
                Ok(()) => {
                    report.delivered += 1;
                    held.remove();
                }
                Err(failure) => {
                    let now = (self.now)();
                    if u128::from(held.age(now)) > LONGEST_WAIT.as_millis() {
                        let event = &held.entry.event;
                        report.dropped.push(format!(
                            "the event of the {} of `{}` was given up, because `{url}` has not taken it for a week: {}",
                            event.kind, event.image, failure.why
                        ));
                        held.remove();
                        continue;
                    }
                    let interval = FIRST_INTERVAL << tries.count.min(16);
                    let asked = failure.retry_after.map_or(0, |asked| {
                        u64::try_from(asked.as_millis()).unwrap_or(u64::MAX).min(LONGEST_ASKED)
                    });
                    let not_before = now.milliseconds() + interval.min(LONGEST_INTERVAL).max(asked);
                    let count = tries.count.saturating_add(1);
                    held.remember(&OutboxTries { count, not_before, why: failure.why.clone() });
                    blocked = Some(failure.why.clone());
                    wait(held, failure.why);
                }
            }
        }
        report
    }

    /// An entry whose event happened. An intent of a process that was killed, or that failed, is asked about.
    fn settled(&self, held: HeldEntry, report: &mut CourierReport) -> Option<HeldEntry> {
        if !held.is_intent() {
            return Some(held);
        }
        let event = &held.entry.event;
        for tag in &event.tags {
            let Ok(reference) = format!("{}:{tag}", event.image).parse::<Reference>() else { continue };
            match self.client.resolve(&reference) {
                Ok(Some(found)) if found.digest == event.digest => {}
                Ok(_) => {
                    report.dropped.push(format!(
                        "no event is sent of an interrupted {} of `{reference}`: the tag does not resolve to {}",
                        event.kind, event.digest
                    ));
                    held.remove();
                    return None;
                }
                Err(error) => {
                    let (receiver, required) =
                        (held.entry.receiver.url.clone(), held.entry.receiver.required);
                    let why = format!("cannot ask whether it happened: {error}");
                    report.waiting.push(WaitingEvent { receiver, required, why });
                    held.leave();
                    return None;
                }
            }
        }
        held.confirm().ok()
    }

    /// Sends an event: some tries within the receiver's time.
    fn send(&self, held: &HeldEntry) -> Result<(), SendFailure> {
        let receiver = &held.entry.receiver;
        let key = receiver.secret.as_ref().map(|place| place.key(&*self.variables)).transpose();
        let key = key.map_err(|error| SendFailure { why: error.to_string(), retry_after: None })?;
        let event = &held.entry.event;
        let (id, message) = (event.id().to_string(), message(event, receiver.form));
        let body = bytes::Bytes::from(message.body);
        let end = deadline::after(receiver.timeout);
        let mut pause = FIRST_PAUSE;
        for number in 1.. {
            let mut headers = message.headers.clone();
            match &key {
                // The time is that of the try: receivers refuse old ones.
                Some(key) => headers.extend(key.headers(&id, (self.now)().seconds(), &body)),
                None => headers.push(("webhook-id", id.clone())),
            }
            let left = end.saturating_duration_since(Instant::now());
            let request = WebhookRequest {
                url: &receiver.url,
                id: id.clone(),
                content_type: message.content_type,
                headers: &headers,
                body: body.clone(),
                timeout: left.max(SHORTEST_TRY),
            };
            let (failure, may_pass) = match self.client.post(&request) {
                Ok(answer) if answer.is_taken() => return Ok(()),
                Ok(answer) => {
                    let may_pass = answer.may_pass();
                    let said = Foreign::short(&answer.said, 300).to_string();
                    let why = format!("`{}` answered {said}", receiver.url);
                    (SendFailure { why, retry_after: answer.retry_after }, may_pass)
                }
                Err(error) => {
                    let may_pass = error.kind() == Kind::Registry;
                    (SendFailure { why: error.to_string(), retry_after: None }, may_pass)
                }
            };
            let next = failure.retry_after.unwrap_or_default().max(pause);
            let has_time = deadline::after(next) < end;
            if !may_pass || number >= TRIES || !has_time || self.interrupt.pause(next).is_err() {
                return Err(failure);
            }
            pause *= 2;
        }
        unreachable!("the loop returns")
    }
}

/// A try that failed.
struct SendFailure {
    why: String,
    retry_after: Option<Duration>,
}
