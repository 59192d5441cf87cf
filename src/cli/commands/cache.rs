//! `pack cache info`, `prune`, `verify`.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::super::args::{CacheCommand, OutputFormat, PruneArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::format::{self, Column, Table};
use super::super::invocation::Invocation;
use crate::store::{self, Damage, PruneOptions, Store, StoreError};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// How often it is looked whether the store is free.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks at the store, or cleans it.
///
/// # Errors
/// When the store cannot be read or written, or is damaged.
pub(super) fn run(invocation: &Invocation, command: &CacheCommand) -> Result<(), CommandError> {
    match command {
        CacheCommand::Info(format) => info(invocation, *format),
        CacheCommand::Prune(args) => prune(invocation, args),
        CacheCommand::Verify(format) => verify(invocation, *format),
    }
}

fn info(invocation: &Invocation, format: OutputFormat) -> Result<(), CommandError> {
    let store = invocation.store_to_read()?;
    let usage = store.usage()?;
    if format.json {
        invocation.printer.json(&json!({ "directory": shown_path(store.dir()), "usage": usage }));
        return Ok(());
    }
    let mut table = Table::new([Column::left("WHAT"), Column::right("COUNT"), Column::right("SIZE")]);
    table.row(["blobs", &format::number(usage.blobs), &format::bytes(usage.blob_bytes)]);
    for (namespace, memos) in &usage.memos {
        let name = format!("memos: {namespace}");
        table.row([&name, &format::number(memos.count), &format::bytes(memos.bytes)]);
    }
    table.row(["leftovers", "", &format::bytes(usage.leftover_bytes)]);
    let printer = &invocation.printer;
    printer.result(format!("{}\n", shown_path(store.dir())));
    printer.result(table.render(printer.screen()).trim_end());
    if !usage.images.is_empty() {
        let names: Vec<_> = usage.images.iter().map(|name| format::printable(name)).collect();
        printer.result(format!("\nimages:\n  {}", names.join("\n  ")));
    }
    Ok(())
}

fn prune(invocation: &Invocation, args: &PruneArgs) -> Result<(), CommandError> {
    let no_limits = args.max_size.is_none() && args.max_age.is_none();
    let options = PruneOptions {
        max_bytes: args.max_size,
        // Without limits everything that no name reaches goes.
        max_age: if no_limits { Some(Duration::ZERO) } else { args.max_age },
        keep_named: !args.all,
        // A lease protects the files of a running build; the grace is for builds on other machines.
        grace: if args.all { Duration::ZERO } else { PruneOptions::default().grace },
    };
    // Remains of killed runs have no owner, in any state of the store.
    let scratch = store::sweep(invocation.scratch.parent());
    let pruned = prune_when_free(invocation, &invocation.store()?, &options)?;
    if args.format.json {
        invocation.printer.json(&PruneView { pruned, scratch });
        return Ok(());
    }
    let mut removed = vec![
        format::count(pruned.blobs, "blob"),
        format::count(pruned.memos, "memo"),
        format::count(pruned.leftovers, "leftover"),
    ];
    if pruned.names > 0 {
        removed.insert(0, format::count(pruned.names, "name"));
    }
    let freed = pruned.bytes + scratch.bytes;
    let mut text = format!(
        "removed {}; {} freed, {} kept",
        removed.join(", "),
        format::bytes(freed),
        format::bytes(pruned.kept_bytes)
    );
    if scratch.directories > 0 {
        let directories = format::count(scratch.directories, "directory");
        text.push_str(&format!(
            "\n{directories} of killed runs in `{}`",
            invocation.scratch.parent().display()
        ));
    }
    let grace = options.grace.as_secs() / 60;
    for (bytes, why) in [
        (pruned.kept_named_bytes, "of images that have a name (`--all` takes these, too)".to_owned()),
        (
            pruned.kept_young_bytes,
            format!("younger than {grace} minutes: a build that is running elsewhere may need them"),
        ),
        (pruned.kept_within_bytes, "within the limits".to_owned()),
    ] {
        if bytes > 0 {
            text.push_str(&format!("\nkept {} {why}", format::bytes(bytes)));
        }
    }
    invocation.printer.result(text);
    Ok(())
}

/// The removed files, for machines.
#[derive(Serialize)]
struct PruneView {
    #[serde(flatten)]
    pruned: store::PruneResult,
    scratch: store::ScratchSweep,
}

/// Waits for builds and checks that are under way.
fn prune_when_free(
    invocation: &Invocation,
    store: &Store,
    options: &PruneOptions,
) -> Result<store::PruneResult, CommandError> {
    let mut told = false;
    loop {
        match store.prune(options) {
            Err(StoreError::InUse(dir)) => {
                if !std::mem::replace(&mut told, true) {
                    let dir = dir.display();
                    invocation.printer.note(format!("waiting for those who use the local store `{dir}`"));
                }
                invocation.interrupt.check()?;
                std::thread::sleep(PAUSE);
            }
            result => return Ok(result?),
        }
    }
}

fn verify(invocation: &Invocation, format: OutputFormat) -> Result<(), CommandError> {
    let found = invocation.store_to_read()?.verify()?;
    if format.json {
        invocation.printer.json(&found);
    } else if found.is_empty() {
        invocation.printer.result("the store is undamaged");
    }
    if found.is_empty() {
        return Ok(());
    }
    let count = format::count(found.len() as u64, "damaged record");
    let mut error =
        CommandError::new(ExitStatus::Input, format!("the store has {count}")).coded(ErrorCode::StoreDamaged);
    error.chain.extend(found.iter().map(describe));
    Err(error.hint("blobs are set aside and memos removed; the next build makes them again"))
}

fn describe(damage: &Damage) -> String {
    match damage {
        Damage::Blob { digest, reason } => format!("blob {digest}: {reason}"),
        Damage::Memo { path } => format!("memo `{}`", shown_path(path)),
        Damage::Index { reason } => format!("index.json: {reason}"),
        Damage::Missing { image, digest } => format!("image `{image}` lacks {digest}"),
    }
}
