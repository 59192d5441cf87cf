//! `pack inspect`, `pack history`, `pack verify`: looking at an image wherever it is.

use super::super::args::{HistoryArgs, InspectArgs, VerifyArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::format;
use super::super::session::Session;
use super::super::view::{self, Base};
use crate::digest::Digest;
use crate::error::BoxedError;
use crate::image::{Descriptor, Image, MAX_DOCUMENT, ManifestOrIndex, MediaType, RawDocument};
use crate::platform::Platform;
use crate::store::Store;
use crate::transport::load::load_image;
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
    let view = view::inspect::image(&args.image, &loaded.image, base_of(session, &loaded.image));
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
    let view = view::history::view(&args.image, &loaded.image, base_of(session, &loaded.image));
    if args.format.json {
        session.printer.json(&view);
    } else {
        let width = if args.no_trunc { None } else { session.printer.width() };
        session.printer.result(view.text(width));
    }
    Ok(())
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

/// The base that `image` names, with its layers counted where the store still has its documents.
fn base_of(session: &Session, image: &Image) -> Option<Base> {
    let base = Base::of(image)?;
    let stored =
        session.store().ok().zip(base.digest).and_then(|(store, digest)| stored(&store, digest, image));
    Some(match stored {
        Some(stored) => base.counted(image, &stored),
        None => base,
    })
}

/// The image that `image` was put on, from the documents that the build kept: `digest`, or what an index of
/// this digest lists.
fn stored(store: &Store, digest: Digest, image: &Image) -> Option<Image> {
    let size = store.blobs().contains(&digest)?;
    let load = |descriptor: &Descriptor| {
        let bytes = store.blobs().read(descriptor, MAX_DOCUMENT).ok()?;
        RawDocument::new(None, bytes).ok()
    };
    let root = load(&Descriptor::new(MediaType::ImageManifest, digest, size))?;
    let manifests = match root.parse().ok()? {
        ManifestOrIndex::Manifest(_) => vec![root],
        ManifestOrIndex::Index(index) => index.manifests.iter().filter_map(load).collect(),
    };
    manifests.into_iter().find_map(|manifest| {
        let ManifestOrIndex::Manifest(parsed) = manifest.parse().ok()? else { return None };
        let config = store.blobs().read(&parsed.config, MAX_DOCUMENT).ok()?;
        let base = Image::from_raw(manifest, config).ok()?;
        image.diff_ids().starts_with(base.diff_ids()).then_some(base)
    })
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
        let images = format::count(report.images.len() as u64, "image");
        let layers: usize = report.images.iter().map(|image| image.layers).sum();
        let layers = format::count(layers as u64, "layer");
        session.printer.result(format!(
            "{}: ok, {images}, {layers}, {}",
            report.root,
            format::bytes(report.bytes)
        ));
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
