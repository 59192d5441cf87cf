//! `pack inspect`, `pack history`, `pack verify`: looking at an image wherever it is.

use super::super::args::{HistoryArgs, InspectArgs, VerifyArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::format;
use super::super::session::Session;
use super::super::view::{self, Base};
use crate::error::BoxedError;
use crate::image::{Descriptor, Image, MAX_DOCUMENT, ManifestOrIndex, MediaType, RawDocument};
use crate::platform::Platform;
use crate::transport::layout::OciLayout;
use crate::transport::load::load_image;
use crate::transport::name::Location;
use crate::transport::{BlobStream, Source};
use crate::verify;

/// Shows an image or an index.
///
/// # Errors
/// When it cannot be read.
pub(super) fn inspect(session: &Session, args: &InspectArgs) -> Result<(), CommandError> {
    let source = session.image(&args.image)?;
    let root = source.root()?;
    let width = session.printer.width();
    if args.platform.is_none()
        && let ManifestOrIndex::Index(index) =
            root.parse().map_err(|error| CommandError::from_error(ExitStatus::Input, &error))?
    {
        let view = view::inspect::index(&args.image, &root, &index);
        if args.format.json {
            session.printer.json(&view);
        } else {
            session.printer.result(view.text(width));
        }
        return Ok(());
    }
    let loaded = load_image(&*source, args.platform.as_ref())?;
    let view = view::inspect::image(&args.image, &loaded.image, base(session, &*source, &loaded.image));
    if args.format.json {
        session.printer.json(&view);
    } else {
        session.printer.result(view.text(width));
    }
    Ok(())
}

/// Shows how an image came to be.
///
/// # Errors
/// When it cannot be read.
pub(super) fn history(session: &Session, args: &HistoryArgs) -> Result<(), CommandError> {
    let source = session.image(&args.image)?;
    let loaded = load_image(&*source, chosen(&*source, args.platform.as_ref())?.as_ref())?;
    let view = view::history::view(&args.image, &loaded.image, base(session, &*source, &loaded.image));
    if args.format.json {
        session.printer.json(&view);
    } else {
        let width = if args.no_trunc { None } else { session.printer.width() };
        session.printer.result(view.text(width));
    }
    Ok(())
}

/// What the image says of its base, and how many layers are the base's where its manifest is at hand: in the
/// local store since the build, or in the registry that the image itself was read from. Elsewhere the history
/// has to tell.
fn base(session: &Session, source: &dyn Source, image: &Image) -> Option<Base> {
    let base = Base::of(image)?;
    let found = stored_base(session, &base, image).or_else(|| neighbour(session, source, &base, image));
    Some(match found {
        Some(found) => base.counted(image, &found),
        None => base,
    })
}

fn stored_base(session: &Session, base: &Base, image: &Image) -> Option<Image> {
    let store = session.store().ok()?;
    let digest = base.digest?;
    let size = store.blobs().contains(&digest)?;
    let bytes =
        store.blobs().read(&Descriptor::new(MediaType::ImageManifest, digest, size), MAX_DOCUMENT).ok()?;
    let root = RawDocument::new(None, bytes).ok()?;
    let stored = OciLayout::all_of_store(&store);
    let source = OnePlatform { source: &stored, root };
    Some(load_image(&source, image.platform().as_ref()).ok()?.image)
}

fn neighbour(session: &Session, source: &dyn Source, base: &Base, image: &Image) -> Option<Image> {
    let here = source.origin()?;
    let Ok(Location::Registry(reference)) = Location::base(base.name.as_deref()?) else { return None };
    let repository = reference.repository();
    if repository.registry() != here.registry() {
        return None;
    }
    let source = session.image(&repository.at_digest(base.digest?).to_string()).ok()?;
    Some(load_image(&*source, image.platform().as_ref()).ok()?.image)
}

/// The platform asked for, else this machine's where an index offers it.
fn chosen(source: &dyn Source, asked: Option<&Platform>) -> Result<Option<Platform>, CommandError> {
    if asked.is_some() {
        return Ok(asked.cloned());
    }
    let here = Platform::new("linux", std::env::consts::ARCH, None).ok();
    let offers = crate::transport::load::offers(source)?;
    Ok(here
        .filter(|here| offers.len() > 1 && offers.iter().any(|offer| offer.platform.as_ref() == Some(here))))
}

/// Re-derives every digest of an image.
///
/// # Errors
/// When it cannot be read, and when anything in it is not what its name says.
pub(super) fn verify(session: &Session, args: &VerifyArgs) -> Result<(), CommandError> {
    let source = session.image(&args.image)?;
    if args.platforms.is_empty() {
        return verify_source(session, args, &*source);
    }
    for platform in &args.platforms {
        let root = load_image(&*source, Some(platform))?.image.raw().clone();
        verify_source(session, args, &OnePlatform { source: &*source, root })?;
    }
    Ok(())
}

/// One platform of an index, as if it were all there is.
struct OnePlatform<'a> {
    source: &'a dyn Source,
    root: RawDocument,
}

impl Source for OnePlatform<'_> {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        self.source.document(descriptor)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        self.source.blob(descriptor)
    }

    fn name(&self) -> String {
        self.source.name()
    }
}

fn verify_source(session: &Session, args: &VerifyArgs, source: &dyn Source) -> Result<(), CommandError> {
    let options = verify::Options {
        jobs: session.jobs(None),
        progress: session.progress.clone(),
        ..verify::Options::default()
    };
    let report = verify::verify(source, &options)?;
    for warning in &report.warnings {
        session.printer.warning(format!("{}: {}", warning.subject, warning.message));
    }
    if args.format.json {
        session.printer.json(&report);
    } else if report.problems.is_empty() {
        let blobs = format::count(report.blobs, "blob");
        session.printer.result(format!("{}: ok, {blobs}, {}", report.root, format::bytes(report.bytes)));
    }
    if report.problems.is_empty() {
        return Ok(());
    }
    let count = format::count(report.problems.len() as u64, "problem");
    let mut error = CommandError::new(ExitStatus::Input, format!("`{}` has {count}", args.image));
    error
        .chain
        .extend(report.problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.message)));
    Err(error)
}
