//! `pack events`, and the events of other commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::super::args::EventsCommand;
use super::super::error::{CommandError, ExitStatus};
use super::super::format;
use super::super::invocation::Invocation;
use super::super::view;
use crate::engine::{Request, Target};
use crate::notify::{
    AnnouncedDestination, Announcement, Announcer, ChainId, Courier, CourierReport, DEFAULT_TIMEOUT,
    DamagedEntry, DeliveryEvent, EventTime, ImageOrigin, Now, Receiver, SecretPlace, Variables,
};
use crate::oci::{ManifestOrIndex, RawDocument};
use crate::project::config::{Settings, WebhookSettings};
use crate::registry::Client;
use crate::release::append::{PointerState, ReleaseReport, ReleaseWitness};
use crate::release::record::{ReleaseKind, ReleaseNote};
use crate::types::delivery::DeliveryKind;
use crate::types::error::BoxedError;
use crate::types::error_code::ErrorCode;
use crate::types::shown::{listed, shown_path};

/// Lists or delivers what waits.
///
/// # Errors
/// When the outbox cannot be read, or an event still waits after a flush.
pub(super) fn run(invocation: &Invocation, command: &EventsCommand) -> Result<(), CommandError> {
    match command {
        EventsCommand::List(format) => list(invocation, format.json),
        EventsCommand::Flush(args) => flush(invocation, args.format.json),
    }
}

fn list(invocation: &Invocation, is_json: bool) -> Result<(), CommandError> {
    let outbox = invocation.outbox();
    let names = outbox.names().map_err(|error| unreadable(&error))?;
    let (mut entries, mut damaged) = (Vec::new(), Vec::new());
    for name in &names {
        match outbox.look(name) {
            Ok(entry) => entries.extend(entry),
            Err(entry) => damaged.push(entry),
        }
    }
    if let Some(error) = damage(&damaged) {
        invocation.printer.late(&error);
    }
    if is_json {
        invocation.printer.json(&view::events::waiting_json(&entries));
    } else if entries.is_empty() {
        invocation.printer.message("no event waits\n");
    } else {
        let table = view::events::waiting(&entries);
        invocation.printer.result(table.render(invocation.printer.screen()).trim_end());
    }
    Ok(())
}

fn flush(invocation: &Invocation, is_json: bool) -> Result<(), CommandError> {
    let client = invocation.client()?;
    let report = courier(invocation, &client).deliver(true).map_err(|error| unreadable(&error))?;
    invocation.interrupt.check()?;
    tell(invocation, &report, "");
    if is_json {
        let (delivered, waiting) = (report.delivered, report.waiting.len());
        let (dropped, damaged) = (&report.dropped, report.damaged.len());
        let value: Value =
            json!({ "delivered": delivered, "waiting": waiting, "dropped": dropped, "damaged": damaged });
        invocation.printer.json(&value);
    } else {
        let delivered = format::count(report.delivered as u64, "event");
        invocation.printer.message(format!("{delivered} delivered\n"));
    }
    let damage = damage(&report.damaged);
    match report.waiting.len() as u64 {
        0 => damage.map_or(Ok(()), Err),
        one_or_more => {
            damage.iter().for_each(|error| invocation.printer.late(error));
            let waiting = format::count(one_or_more, "event");
            Err(CommandError::new(ExitStatus::Registry, format!("{waiting} not delivered"))
                .coded(ErrorCode::EventUndelivered)
                .hint("`pack events list` shows what waits"))
        }
    }
}

/// The error about files of the outbox that nothing can be delivered from, with the first of them.
fn damage(entries: &[DamagedEntry]) -> Option<CommandError> {
    let first = entries.first()?;
    let (count, verb, it) = match entries.len() as u64 {
        1 => ("1 entry".to_owned(), "is", "it: its event is"),
        more => (format::count(more, "entry"), "are", "them: their events are"),
    };
    let names = listed(entries.iter().map(|entry| shown_path(&entry.path)), "`", ", ");
    let message = format!("{count} of the outbox {verb} damaged: {names}");
    let error =
        CommandError::new(ExitStatus::Input, &first.why).coded(ErrorCode::EventUndelivered).context(message);
    Some(error.hint(format!("no event can be read from such a file; remove {it} never told")))
}

fn unreadable(error: &std::io::Error) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error).context("the outbox in the local store cannot be read")
}

/// The receivers of a build file.
fn receivers(settings: &Settings) -> Vec<Receiver> {
    let receiver = |webhook: &WebhookSettings| Receiver {
        url: webhook.url.value.clone(),
        form: webhook.form.as_ref().map_or(crate::types::delivery::EventForm::Webhook, |form| form.value),
        on: webhook.on.iter().map(|kind| kind.value).collect(),
        secret: match (&webhook.secret_env, &webhook.secret_file) {
            (Some(name), _) => Some(SecretPlace::Env(name.as_str().to_owned())),
            (None, Some(path)) => Some(SecretPlace::File(path.path().to_owned())),
            (None, None) => None,
        },
        required: webhook.required,
        timeout: webhook.timeout.as_ref().map_or(DEFAULT_TIMEOUT, |timeout| timeout.value.duration()),
    };
    settings.webhooks.iter().map(receiver).collect()
}

/// The clock of events.
#[allow(
    clippy::disallowed_methods,
    reason = "an event tells when it happened, and decides nothing in an image"
)]
pub(super) fn clock() -> Arc<Now> {
    Arc::new(|| EventTime::from(SystemTime::now()))
}

/// The environment, where secrets may be.
pub(super) fn variables(invocation: &Invocation) -> Arc<Variables> {
    let environment = invocation.environment.clone();
    Arc::new(move |name| environment.chosen(name).map(str::to_owned))
}

/// The courier of the events in the store.
fn courier<'a>(invocation: &'a Invocation, client: &'a Client) -> Courier<'a> {
    Courier {
        outbox: invocation.outbox().clone(),
        client,
        variables: variables(invocation),
        now: clock(),
        interrupt: &invocation.interrupt,
    }
}

/// The announcer to the receivers of `settings`, after a check that they can be told. Call it before anything
/// is sent. `None` without receivers.
///
/// # Errors
/// When a secret is not there, or a required receiver does not answer.
pub(super) fn announcer(
    invocation: &Invocation,
    settings: &Settings,
    client: &Client,
) -> Result<Option<Announcer>, CommandError> {
    let receivers = receivers(settings);
    if receivers.is_empty() {
        return Ok(None);
    }
    courier(invocation, client).check(&receivers)?;
    let (outbox, progress) = (invocation.outbox().clone(), invocation.progress.clone());
    Ok(Some(Announcer::new(outbox, receivers, clock(), progress)))
}

/// `target`, whose pushes are announced if the build file has receivers.
///
/// # Errors
/// As for [`announcer`].
pub(super) fn announced(
    invocation: &Invocation,
    request: &Request,
    client: &Client,
    target: Target,
) -> Result<Target, CommandError> {
    let Some(announcer) = announcer(invocation, &request.settings, client)? else { return Ok(target) };
    let git = request.facts.git.as_ref();
    let origin = ImageOrigin {
        image: request.name.clone(),
        source: git.and_then(|git| git.origin.clone()),
        revision: git.map(|git| match git.dirty {
            true => format!("{}-dirty", git.commit),
            false => git.commit.clone(),
        }),
    };
    Ok(Arc::new(AnnouncedDestination::new(target, announcer, origin)))
}

/// Delivers what waits, at the end of a command that published something. It never fails the command: the tags have
/// moved.
pub(super) fn deliver(invocation: &Invocation, client: &Client) {
    match courier(invocation, client).deliver(false) {
        Ok(report) => {
            tell(invocation, &report, "; `pack events flush` tries again");
            damage(&report.damaged).iter().for_each(|error| invocation.printer.late(error));
        }
        Err(error) => invocation.printer.late(&unreadable(&error)),
    }
}

fn tell(invocation: &Invocation, report: &CourierReport, advice: &str) {
    let printer = &invocation.printer;
    if report.delivered > 0 {
        printer.detail(format!("{} delivered", format::count(report.delivered as u64, "event")));
    }
    let said = report.waiting.iter().map(|waiting| {
        let required = if waiting.required { "required receiver" } else { "receiver" };
        format!("the {required} `{}` was not told: {}{advice}", waiting.receiver, waiting.why)
    });
    for warning in said.chain(report.dropped.iter().cloned()).collect::<BTreeSet<_>>() {
        printer.warning(warning);
    }
}

/// Announces releases.
pub(super) struct ReleaseEvents {
    announcer: Announcer,
    announced: Mutex<Option<Announcement>>,
}

impl std::fmt::Debug for ReleaseEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReleaseEvents")
    }
}

impl ReleaseEvents {
    /// Announces with `announcer`.
    pub(super) fn new(announcer: Announcer) -> Self {
        Self { announcer, announced: Mutex::new(None) }
    }

    fn event(&self, release: &ReleaseReport, manifest: &RawDocument) -> DeliveryEvent {
        let annotations = match manifest.parse() {
            Ok(ManifestOrIndex::Manifest(manifest)) => manifest.annotations,
            Ok(ManifestOrIndex::Index(index)) => index.annotations,
            Err(_) => BTreeMap::new(),
        };
        let source = annotations.get("org.opencontainers.image.source").map(String::as_str);
        let revision = release.revision.as_ref().map(ReleaseNote::as_str);
        let has_pointer = release.pointer == PointerState::Set;
        DeliveryEvent {
            kind: match release.kind {
                ReleaseKind::Rollback => DeliveryKind::Rollback,
                ReleaseKind::Deploy | ReleaseKind::Promote => DeliveryKind::Promotion,
            },
            image: release.image.clone(),
            digest: release.digest,
            media_type: Some(manifest.media_type.clone()),
            size: Some(release.size),
            tags: if has_pointer { vec![release.environment.pointer()] } else { Vec::new() },
            revision: revision.map(str::to_owned),
            environment: Some(release.environment.to_string()),
            release: Some(u64::from(release.number.get())),
            previous: release.previous.as_ref().map(|previous| previous.image),
            time: self.announcer.now(),
            chain: ChainId::of(&release.image, &release.digest, source, revision),
        }
    }

    fn announced(&self) -> MutexGuard<'_, Option<Announcement>> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReleaseWitness for ReleaseEvents {
    fn before(&self, release: &ReleaseReport, manifest: &RawDocument) -> Result<(), BoxedError> {
        let event = self.event(release, manifest);
        if release.pointer != PointerState::Set {
            // No tag moves: the record is there, and with it the release.
            return Ok(self.announcer.after(&event)?);
        }
        let announcement = self.announcer.before(&event)?;
        *self.announced() = Some(announcement);
        Ok(())
    }

    fn after(&self, has_happened: bool) {
        match self.announced().take() {
            Some(announcement) if has_happened => announcement.happened(),
            // An answer may be lost: whether it happened is asked later.
            announcement => drop(announcement),
        }
    }
}
