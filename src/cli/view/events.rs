//! The events that wait for their receivers, as a table and as JSON.

use serde_json::{Value, json};

use crate::cli::format::{Column, Table};
use crate::notify::{EventTime, OutboxEntry, OutboxTries};

/// An entry, how often it was tried, and whether it is an intent.
type Waiting = (OutboxEntry, OutboxTries, bool);

/// One row for each event and receiver.
#[must_use]
pub fn waiting(entries: &[Waiting]) -> Table {
    let mut table = Table::new([
        Column::left("TIME"),
        Column::left("EVENT"),
        Column::left("IMAGE"),
        Column::left("RECEIVER"),
        Column::right("TRIES"),
        Column::flexible("WHY"),
    ]);
    for (OutboxEntry { event, receiver }, tries, is_intent) in entries {
        let tag = event.tags.first().map(|tag| format!(":{tag}")).unwrap_or_default();
        let why = if *is_intent { "not known yet whether it happened" } else { &tries.why };
        table.row([
            event.time.to_string(),
            event.kind.to_string(),
            format!("{}{tag}", event.image),
            receiver.url.to_string(),
            tries.count.to_string(),
            why.to_owned(),
        ]);
    }
    table
}

/// The same, with all that is known.
#[must_use]
pub fn waiting_json(entries: &[Waiting]) -> Value {
    let one = |(OutboxEntry { event, receiver }, tries, is_intent): &Waiting| {
        let next = (tries.count > 0).then(|| EventTime::from_milliseconds(tries.not_before).to_string());
        json!({
            "id": event.id().to_string(),
            "kind": event.kind.as_str(),
            "time": event.time.to_string(),
            "image": event.image.to_string(),
            "digest": event.digest.to_string(),
            "tags": event.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "environment": event.environment,
            "receiver": receiver.url.to_string(),
            "form": receiver.form.as_str(),
            "required": receiver.required,
            "isConfirmed": !is_intent,
            "tries": tries.count,
            "nextTry": next,
            "why": tries.why,
        })
    };
    entries.iter().map(one).collect()
}
