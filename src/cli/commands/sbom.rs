//! `pack sbom`.

use std::collections::BTreeMap;

use super::super::args::SbomArgs;
use super::super::error::CommandError;
use super::super::file::OutputFile;
use super::super::invocation::{Invocation, Opened};
use super::images::chosen;
use crate::runtime::workers::Workers;
use crate::sbom::{BillOptions, DocumentFormat, bill_of};
use crate::transport::load::load_image;
use crate::types::location::Location;
use crate::types::reference::Repository;

/// Lists the packages of an image.
///
/// # Errors
/// When it cannot be read, or the document cannot be written.
pub(super) fn run(invocation: &Invocation, args: &SbomArgs) -> Result<(), CommandError> {
    let format = DocumentFormat::from(args.format);
    let version = format.version(args.spec_version.as_deref()).ok_or_else(|| {
        let asked = args.spec_version.as_deref().unwrap_or_default();
        CommandError::usage(format!("`--format {format}` has no version {asked}"))
            .hint(format!("it has {}", format.versions()))
    })?;
    let output = args.output.as_ref().map(|path| OutputFile::open(invocation, path)).transpose()?;
    let store = invocation.store_of_run()?.with_scratch(&invocation.scratch);
    let _lease = store.lease();
    let Opened { source, location } = invocation.image(&args.image)?;
    let image = load_image(&*source, chosen(&*source, args.platform.as_ref())?.as_ref())?.image;
    let workers = Workers::new(invocation.jobs(None));
    let options = BillOptions {
        repository: repository(&location),
        store: &store,
        planned: BTreeMap::new(),
        workers: &workers,
        progress: &invocation.progress,
        interrupt: &invocation.interrupt,
    };
    let bill = bill_of(&*source, &image, &options)?;
    for part in bill.unknown() {
        invocation.printer.warning(format!("`{}` is not in the document: {}", part.path, part.why));
    }
    let document = bill.document(version)?;
    match output {
        Some(output) => {
            output.write(invocation, &document.bytes)?;
            let (count, read, all) = (bill.count(), bill.read, image.layers().len());
            let kind = document.version.media_type();
            invocation.printer.message(format!(
                "{location}: {count} components as {kind}; {read} of {all} layers were read"
            ));
        }
        None => invocation.printer.raw(&document.bytes),
    }
    Ok(())
}

/// The repository that names an image; none of one in a file.
const fn repository(location: &Location) -> Option<&Repository> {
    match location {
        Location::Registry(reference) => Some(reference.repository()),
        Location::Store(name) | Location::Name(name) => Some(name.reference().repository()),
        _ => None,
    }
}
