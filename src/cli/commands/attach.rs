//! `pack attach`, `pack referrers`.

use super::super::args::{AttachArgs, ReferrersArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::super::view;
use super::place::{self, WritableImage};
use crate::attach::{attach_document, tree};
use crate::oci::attached::AttachedDocument;
use crate::runtime::input;
use crate::types::artifact_type::ArtifactType;
use crate::types::shown::shown_path;

/// A document that is attached has at most so many bytes.
const MAX_DOCUMENT: u64 = 64 << 20;

/// Attaches a document.
///
/// # Errors
/// When it cannot be read or stored, or the image is not there.
pub(super) fn run(invocation: &Invocation, args: &AttachArgs) -> Result<(), CommandError> {
    let bytes = input::read(&invocation.absolute(&args.document), MAX_DOCUMENT).map_err(|error| {
        CommandError::from_error(ExitStatus::Input, &error)
            .context(format!("the document `{}` cannot be read", shown_path(&args.document)))
    })?;
    let mut document = AttachedDocument::new(args.kind.as_str(), bytes);
    for (name, value) in &args.annotation {
        document = document.annotation(name, value.clone());
    }
    let client = invocation.client()?;
    let _lease = invocation.store().ok().map(|store| store.lease());
    let WritableImage { source, target } = place::place(invocation, &client, &args.image)?;
    let report = attach_document(&*source, &*target.destination, document, &invocation.interrupt)
        .map_err(|error| invocation.or_in_store(error.into(), &args.image))?;
    let how = if report.current { "it was there" } else { "attached" };
    invocation.printer.message(format!(
        "{}: {how}, {} to {}",
        source.name(),
        args.kind,
        report.subject.short()
    ));
    if args.format.json {
        invocation.printer.json(&report);
    } else {
        invocation.printer.result(format!("{}{}", target.prefix, report.digest));
    }
    Ok(())
}

/// Lists what refers to an image.
///
/// # Errors
/// When the image is not there, or its place cannot be asked.
pub(super) fn list(invocation: &Invocation, args: &ReferrersArgs) -> Result<(), CommandError> {
    let source = invocation.image(&args.image)?.source;
    let subject = match source.pinned() {
        Some(digest) => digest,
        None => source.root().map_err(|error| invocation.or_in_store(error.into(), &args.image))?.digest(),
    };
    let tree = tree(&*source, &subject, args.kind.as_ref().map(ArtifactType::as_str))?;
    if !tree.listed {
        let name = source.name();
        invocation.printer.note(format!(
            "{name} lists nothing: it has neither the referrers API nor the tag `{}`",
            crate::registry::fallback_tag(&subject)
        ));
    }
    if args.format.json {
        invocation.printer.json(&tree);
    } else {
        invocation.printer.result(view::referrers::text(&tree));
    }
    Ok(())
}
