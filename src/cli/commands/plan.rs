//! `pack plan`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::args::PlanArgs;
use super::super::error::CommandError;
use super::super::format::{self, Column, Screen, Table};
use super::super::invocation::Invocation;
use super::super::view::explain;
use super::super::view::findings::{ToldNotes, findings};
use super::request;
use crate::engine::{self, BaseTable, Outcome, PreparedBuild, Request, Session};
use crate::oci::Descriptor;
use crate::plan::{KnownFrom, Plan, PlannedImage};
use crate::transport::Blob;
use crate::types::digest::Digest;
use crate::types::reference::Repository;
use crate::types::shown::shown_path;

/// The blobs that would have to be sent to a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Transfer {
    /// The blob is there.
    Present,
    /// The registry can take it from another of its repositories.
    Mountable,
    /// It must be sent.
    ToUpload,
}

/// A plan as JSON has it.
#[derive(Serialize)]
pub(super) struct PlanView<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// By digest, where a registry was asked.
    transfers: BTreeMap<Digest, Transfer>,
    /// Whether the whole build is known, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
}

/// Prints what a build would do.
///
/// # Errors
/// Whatever would stop the build before it begins.
pub(super) fn run(invocation: &Invocation, args: &PlanArgs) -> Result<(), CommandError> {
    let asked = request::ask(invocation, &args.image, &[])?;
    let session = invocation.session(&asked.request.settings)?;
    let _lease = session.store.lease();
    let json = &mut |view: &PlanView<'_>| invocation.printer.json(view);
    show(invocation, args, &session, &asked.request, &BaseTable::default(), json)
}

/// Prints what a build of `request` would do, or gives it to `json` where that is wanted.
///
/// # Errors
/// Whatever would stop the build before it begins.
pub(super) fn show(
    invocation: &Invocation,
    args: &PlanArgs,
    session: &Session,
    request: &Request,
    bases: &BaseTable,
    json: &mut dyn FnMut(&PlanView<'_>),
) -> Result<(), CommandError> {
    let scanner = engine::scanner(session, request);
    let look_up = || engine::look_up(session, request, &scanner);
    let outcome = if args.explain { Some(look_up()?) } else { None };
    let prepared = engine::prepare(session, request, &scanner, bases)?;
    let pushes = args.image.all_outputs().contains(&"registry");
    let transfers = if pushes { transfers(session, request, &prepared)? } else { BTreeMap::new() };
    let plan = &prepared.plan;
    for note in &plan.notes {
        invocation.printer.note(note);
    }
    for warning in &plan.warnings {
        invocation.printer.warning(warning);
    }
    findings(&invocation.printer, &plan.findings, ToldNotes::All);
    if args.format.json {
        json(&PlanView { plan, transfers, outcome });
        return Ok(());
    }
    let printer = &invocation.printer;
    printer.result(head(plan));
    for image in &plan.images {
        printer.result(image_text(image, pushes, &transfers, printer.screen()).trim_end());
    }
    if let Some(outcome) = outcome {
        printer.result("");
        printer.result(explain::planned(plan, &outcome).trim_end());
    }
    Ok(())
}

/// Asks the registry of the image's name for every blob whose digest is known.
fn transfers(
    session: &engine::Session,
    request: &Request,
    prepared: &PreparedBuild<'_>,
) -> Result<BTreeMap<Digest, Transfer>, CommandError> {
    let mut all = BTreeMap::new();
    let mut ask = |descriptor: &Descriptor, origin: Option<&Repository>| -> Result<(), CommandError> {
        let transfer = if session.client.has_blob(&request.name, descriptor)? {
            Transfer::Present
        } else if origin.is_some_and(|origin| origin.registry() == request.name.registry()) {
            Transfer::Mountable
        } else {
            Transfer::ToUpload
        };
        all.insert(descriptor.digest, transfer);
        Ok(())
    };
    for (image, loaded) in prepared.plan.images.iter().zip(&prepared.bases) {
        let blobs: Vec<Blob> = match (&prepared.base, loaded) {
            (Some(base), Some(loaded)) => base.blobs(&loaded.image),
            _ => Vec::new(),
        };
        for blob in &blobs {
            ask(&blob.descriptor, blob.origin.as_ref())?;
        }
        for layer in &image.layers {
            if let Some(facts) = &layer.known {
                let is_shared = layer.known_from == Some(KnownFrom::Registry);
                let origin =
                    request.cache.read.as_ref().filter(|origin| is_shared && **origin != request.name);
                ask(&Descriptor::new(layer.compression.media_type(), facts.digest, facts.size), origin)?;
            }
        }
    }
    Ok(all)
}

fn head(plan: &Plan) -> String {
    let mut text = format!("image     {}\n", plan.name);
    text.push_str(&format!("tags      {}\n", plan.tags.join(", ")));
    if let Some(version) = &plan.version {
        text.push_str(&format!("version   {version}\n"));
    }
    for artifact in &plan.artifacts {
        text.push_str(&format!("artifact  {}: {}\n", shown_path(&artifact.path), artifact.kind));
        for why in &artifact.why {
            text.push_str(&format!("          {}\n", format::printable(why)));
        }
    }
    text
}

fn image_text(
    image: &PlannedImage,
    pushes: bool,
    transfers: &BTreeMap<Digest, Transfer>,
    screen: Option<Screen>,
) -> String {
    let mut text = format!("platform  {}\n", image.platform);
    match &image.base {
        Some(base) => text.push_str(&format!("base      {}@{}\n\n", base.reference, base.digest)),
        None => text.push_str("base      scratch\n\n"),
    }
    let mut columns = vec![
        Column::left("LAYER"),
        Column::right("FILES"),
        Column::right("SIZE"),
        Column::left("BUILD"),
        Column::left("DIGEST"),
    ];
    if pushes {
        columns.push(Column::left("PUSH"));
    }
    columns.push(Column::flexible("WHY"));
    let mut table = Table::new(columns);
    let transfer = |digest: Option<&Digest>| match digest.and_then(|digest| transfers.get(digest)) {
        Some(Transfer::Present) => "present",
        Some(Transfer::Mountable) => "mount",
        Some(Transfer::ToUpload) => "upload",
        None => "upload",
    };
    for (number, layer) in image.base.iter().flat_map(|base| &base.layers).enumerate() {
        let mut row = vec![
            format!("base layer {}", number + 1),
            String::new(),
            format::bytes(layer.size),
            "base".to_owned(),
            layer.digest.short(),
        ];
        if pushes {
            row.push(transfer(Some(&layer.digest)).to_owned());
        }
        row.push(String::new());
        table.row(row);
    }
    for layer in &image.layers {
        let digest = layer.known.map(|facts| facts.digest);
        let mut row = vec![
            layer.name.clone(),
            format::number(layer.files as u64),
            format::bytes(layer.size),
            layer.known_from.map_or_else(|| "build".to_owned(), |from| from.to_string()),
            digest.map_or_else(|| "?".to_owned(), |digest| digest.short()),
        ];
        if pushes {
            row.push(transfer(digest.as_ref()).to_owned());
        }
        row.push(layer.difference.as_ref().map_or_else(|| layer.why.clone(), ToString::to_string));
        table.row(row);
    }
    text.push_str(&table.render(screen));
    text
}
