//! `pack inspect`, `pack history`, `pack verify`: looking at an image wherever it is.

use serde::Serialize;

use super::super::args::{HistoryArgs, InspectArgs, VerifyArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::format;
use super::super::invocation::{Invocation, Opened};
use super::super::picture::{directory_tree, image_page};
use super::super::view::{self, BaseView};
use super::judgement::{self, PolicyVerdict};
use super::page::PageOutput;
use super::unnamed::UnnamedImage;
use super::{names, sign};
use crate::attach::{ProvedSignature, Referrer, ReferrerTree, list, tree};
use crate::inspect::files::{FilesOptions, ImageFiles};
use crate::inspect::verify;
use crate::oci::{Descriptor, Image, ManifestOrIndex, RawDocument};
use crate::policy::ProvenanceReport;
use crate::transport::load::load_image;
use crate::transport::{BlobStream, Source};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::location::Location;
use crate::types::platform::Platform;
use crate::types::reference::Reference;

/// Shows an image or an index.
///
/// # Errors
/// When it cannot be read.
pub(super) fn inspect(invocation: &Invocation, args: &InspectArgs) -> Result<(), CommandError> {
    let page = PageOutput::open(invocation, args.html.as_deref())?;
    if let Some(listing) = names::listing(invocation, args)? {
        if page.is_some() || args.tree {
            let message = format!("`{}` names no single image, whose files could be shown", args.image);
            return Err(CommandError::usage(message).hint("give the name with a tag or a digest"));
        }
        return names::show_listing(invocation, args.format.json, &listing);
    }
    let opened = invocation.image(&args.image)?;
    let files = match args.tree || page.is_some() {
        true => Some(ShownFiles::read(invocation, args, &opened, page.is_some())?),
        false => None,
    };
    // After all that can fail: an error comes without a result.
    match files.as_ref().and_then(|files| files.tree.as_ref()) {
        Some(tree) => invocation.printer.result(format!("{}\n{tree}", opened.location)),
        None if page.as_ref().is_some_and(PageOutput::is_result) => {}
        None => show_documents(invocation, args, &opened)?,
    }
    match (page, files.and_then(|files| files.page)) {
        (Some(output), Some(page)) => output.write(invocation, &page, &opened.location.to_string()),
        _ => Ok(()),
    }
}

/// The files of an image, as far as they are asked for.
struct ShownFiles {
    /// The directories, for `--tree`.
    tree: Option<String>,
    /// The page, for `--html`.
    page: Option<Vec<u8>>,
}

impl ShownFiles {
    fn read(
        invocation: &Invocation,
        args: &InspectArgs,
        Opened { source, location }: &Opened,
        has_page: bool,
    ) -> Result<Self, CommandError> {
        let image = load_image(&**source, chosen(&**source, args.platform.as_ref())?.as_ref())?.image;
        let base = base_of(invocation, &**source, &image);
        let view = view::inspect::image(&args.image, &image, base);
        let options =
            FilesOptions { progress: invocation.progress.clone(), interrupt: invocation.interrupt.clone() };
        let files = ImageFiles::read(&**source, &image, &options)?;
        let screen = invocation.printer.screen();
        let tree = args.tree.then(|| directory_tree(&view, &files, args.depth, screen)).transpose()?;
        let page = has_page.then(|| image_page(&view, &location.to_string(), &files)).transpose()?;
        Ok(Self { tree, page })
    }
}

/// Shows the documents of an image or an index.
fn show_documents(
    invocation: &Invocation,
    args: &InspectArgs,
    Opened { source, location }: &Opened,
) -> Result<(), CommandError> {
    let root = source.root()?;
    let screen = invocation.printer.screen();
    if args.platform.is_none()
        && let ManifestOrIndex::Index(index) = root.parse().map_err(|error| {
            CommandError::from_error(ExitStatus::Input, &error).coded(ErrorCode::ImageDamaged)
        })?
    {
        let view = view::inspect::index(&args.image, &root, &index);
        let attached = attached(invocation, args, &**source, &root.digest())?;
        show_inspected(invocation, args, location, &view, attached, || view.text(screen));
        return Ok(());
    }
    let loaded = load_image(&**source, args.platform.as_ref())?;
    let base = base_of(invocation, &**source, &loaded.image);
    let view = view::inspect::image(&args.image, &loaded.image, base);
    let attached = attached(invocation, args, &**source, &loaded.image.digest())?;
    show_inspected(invocation, args, location, &view, attached, || view.text(screen));
    Ok(())
}

/// The documents that refer to an image; nothing where the place cannot tell.
fn attached(
    invocation: &Invocation,
    args: &InspectArgs,
    source: &dyn Source,
    digest: &Digest,
) -> Result<Option<ReferrerTree>, CommandError> {
    let found = if args.referrers { tree(source, digest, None) } else { list(source, digest) };
    match found {
        Ok(found) => Ok(Some(found).filter(|found| found.listed)),
        Err(error) if args.referrers || error.kind() == Kind::Interrupted => Err(error.into()),
        Err(error) => {
            invocation.printer.note(format!("cannot tell what is attached to the image: {error}"));
            Ok(None)
        }
    }
}

/// Shows an image with what is attached to it.
fn show_inspected(
    invocation: &Invocation,
    args: &InspectArgs,
    location: &Location,
    view: &impl Serialize,
    attached: Option<ReferrerTree>,
    text: impl FnOnce() -> String,
) {
    let lines = attached.as_ref().map(|attached| view::referrers::attached(&attached.referrers));
    let view = InspectedImage { view, attached: attached.map(|attached| attached.referrers) };
    show(invocation, args.format.json, location, &view, || {
        let text = text();
        match lines.filter(|lines| !lines.is_empty()) {
            Some(lines) => format!("{}\nattached{lines}", text.trim_end_matches('\n')),
            None => text,
        }
    });
}

/// An image with what is attached to it.
#[derive(Serialize)]
struct InspectedImage<'a, T> {
    #[serde(flatten)]
    view: &'a T,
    /// Absent where the place cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    attached: Option<Vec<Referrer>>,
}

/// Shows a view, and with it where the image is: a name alone does not say.
fn show(
    invocation: &Invocation,
    json: bool,
    location: &Location,
    view: &impl Serialize,
    text: impl FnOnce() -> String,
) {
    if json {
        invocation.printer.json(&LocatedImage { place: location.to_string(), view });
    } else {
        invocation.printer.result(format!("{location}\n{}", text()));
    }
}

/// A view of an image, and where the image is.
#[derive(Serialize)]
struct LocatedImage<'a, T> {
    /// As the user can write it to mean this place and no other.
    place: String,
    #[serde(flatten)]
    view: &'a T,
}

/// Shows how an image came to be.
///
/// # Errors
/// When it cannot be read.
pub(super) fn history(invocation: &Invocation, args: &HistoryArgs) -> Result<(), CommandError> {
    let Opened { source, location } = invocation.image(&args.image)?;
    let loaded = load_image(&*source, chosen(&*source, args.platform.as_ref())?.as_ref())?;
    let base = base_of(invocation, &*source, &loaded.image);
    let view = view::history::view(&args.image, &loaded.image, base);
    let screen = if args.no_trunc { None } else { invocation.printer.screen() };
    show(invocation, args.format.json, &location, &view, || view.text(screen));
    Ok(())
}

/// The facts in `image` about its base, with the base's layers counted if the base can be read: the history alone
/// cannot tell layers that were put on a base from those of a base made by this tool. A build leaves its base's
/// documents in the store; for an image in a registry the base's own registry is asked, too.
fn base_of(invocation: &Invocation, source: &dyn Source, image: &Image) -> Option<BaseView> {
    let base = BaseView::of(image)?;
    let found = base.digest.and_then(|digest| {
        let platform = image.platform();
        let load = |source: &dyn Source| load_image(source, platform.as_ref()).ok();
        let stored = invocation.store().ok().and_then(|store| load(&UnnamedImage { store, digest }));
        stored.or_else(|| {
            // Where the network was not needed for the image, it is not worth waiting for.
            source.origin()?;
            let reference: Reference = base.name.as_deref()?.parse().ok()?;
            let client = invocation.client().ok()?;
            load(&crate::transport::registry::source(client, reference.repository().at_digest(digest)))
        })
    });
    Some(match found {
        Some(found) => base.counted(image, &found.image),
        None => base,
    })
}

/// The platform asked for, else this machine's where an index offers it.
pub(super) fn chosen(
    source: &dyn Source,
    asked: Option<&Platform>,
) -> Result<Option<Platform>, CommandError> {
    if asked.is_some() {
        return Ok(asked.cloned());
    }
    if let Ok(ManifestOrIndex::Manifest(_)) = source.root()?.parse() {
        return Ok(None);
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
pub(super) fn verify(invocation: &Invocation, args: &VerifyArgs) -> Result<(), CommandError> {
    // Only `--rebuild` can do without one.
    let image = args.image.as_deref().unwrap_or_default();
    let opened = invocation.image(image)?;
    // First: what is not signed need not be read.
    let signatures = sign::check(invocation, &opened, &args.keys)?;
    let Opened { source, location } = opened;
    let verdict =
        args.policy.as_ref().map(|file| judgement::judge(invocation, &*source, file)).transpose()?;
    let place = location.to_string();
    if let Some(verdict) = &verdict
        && let Err(refusal) = verdict.accept(&place)
    {
        if args.format.json {
            let report = serde_json::json!({ "place": place, "signatures": signatures, "policy": verdict });
            invocation.printer.json(&report);
        }
        return Err(refusal.into());
    }
    let provenance = match args.provenance {
        true => judgement::provenance(invocation, &*source, &args.keys)?,
        false => Vec::new(),
    };
    let mut reports = Vec::new();
    if args.platforms.is_empty() {
        reports.push(verify_source(invocation, &*source)?);
    }
    for platform in &args.platforms {
        let root = load_image(&*source, Some(platform))?.image.raw().clone();
        reports.push(verify_source(invocation, &OnePlatform { source: &*source, root })?);
    }
    if args.format.json {
        // One document, whatever was asked for.
        match &reports[..] {
            [report] => {
                let view = SignedImage { report, signatures, policy: verdict, provenance: &provenance };
                invocation.printer.json(&LocatedImage { place, view: &view });
            }
            reports => invocation.printer.json(&serde_json::json!({
                "place": place, "reports": reports, "signatures": signatures, "policy": verdict,
                "provenance": provenance,
            })),
        }
    } else {
        for signature in &signatures {
            invocation.printer.result(format!("{}: signed by `{}`", signature.subject, signature.key));
        }
        if let Some(verdict) = &verdict {
            invocation.printer.result(format!("{place}: passes the policy `{}`", verdict.file()));
        }
        for line in provenance.iter().flat_map(judgement::provenance_lines) {
            invocation.printer.result(line);
        }
        for report in reports.iter().filter(|report| report.problems.is_empty()) {
            invocation.printer.result(sound(report, &location));
        }
    }
    let problems: Vec<_> = reports.iter().flat_map(|report| &report.problems).collect();
    if problems.is_empty() {
        return judgement::accept_provenance(&provenance, &location.to_string());
    }
    let count = format::count(problems.len() as u64, "problem");
    let mut error = CommandError::new(ExitStatus::Input, format!("`{location}` has {count}"))
        .coded(ErrorCode::ImageDamaged);
    error.chain.extend(problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.message)));
    Err(error)
}

/// A report, and the signatures that were asked for.
#[derive(Serialize)]
struct SignedImage<'a> {
    #[serde(flatten)]
    report: &'a verify::Verification,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<ProvedSignature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyVerdict>,
    #[serde(skip_serializing_if = "<[ProvenanceReport]>::is_empty")]
    provenance: &'a [ProvenanceReport],
}

/// That an image is what its name says, and where.
fn sound(report: &verify::Verification, location: &Location) -> String {
    let images = format::count(report.images.len() as u64, "image");
    let layers: usize = report.images.iter().map(|image| image.layers).sum();
    let layers = format::count(layers as u64, "layer");
    format!("{}: ok, {images}, {layers}, {}, {location}", report.root, format::bytes(report.bytes))
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

fn verify_source(invocation: &Invocation, source: &dyn Source) -> Result<verify::Verification, CommandError> {
    let options = verify::VerifyOptions {
        jobs: invocation.jobs(None).get(),
        progress: invocation.progress.clone(),
        interrupt: invocation.interrupt.clone(),
        ..verify::VerifyOptions::default()
    };
    let report = verify::verify(source, &options)?;
    for warning in &report.warnings {
        invocation.printer.warning(format!("{}: {}", warning.subject, warning.message));
    }
    Ok(report)
}
