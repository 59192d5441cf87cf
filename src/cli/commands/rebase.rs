//! `pack rebase`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::args::RebaseArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::format;
use super::super::invocation::{Invocation, Opened};
use super::super::view;
use super::place::{self, WritableImage};
use super::unnamed::UnnamedImage;
use super::{delivery, events, judgement};
use crate::attach::{list, older_tag};
use crate::attest::BUNDLE;
use crate::bases::SharedIndexes;
use crate::engine::cache::SharedLayers;
use crate::oci::{BASE_DIGEST, BASE_NAME, Descriptor, Image, RawDocument, media_type};
use crate::registry::Client;
use crate::release::rebase::{self, NamedBase, RebaseReport, RebaseRequest};
use crate::transport::load::{load_image, load_manifest, offers};
use crate::transport::{BlobStream, Source, registry};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::error_code::ErrorCode;
use crate::types::location::Location;
use crate::types::platform::Platform;
use crate::types::policy::PolicyRefusal;
use crate::types::reference::Reference;

/// The way out where the base of an image is not known.
const OLD_BASE: &str = "name the base that it was built on with `--old-base`";

/// Puts an image on another base.
///
/// # Errors
/// Whatever stopped it; no tag then resolves to anything new.
pub(super) fn run(invocation: &Invocation, args: &RebaseArgs) -> Result<(), CommandError> {
    let client = invocation.client()?;
    let store = invocation.store_of_run()?;
    let _lease = store.lease();
    let WritableImage { source, mut target } = place::place(invocation, &client, &args.image)?;
    let is_announced = delivery::announce(invocation, &client, &mut target)?;
    let new = named(invocation, &client, &args.base)?;
    judge_base(invocation, args, &source, &new)?;
    let old = match &args.old_base {
        Some(name) => named(invocation, &client, name)?,
        None => own_base(invocation, &client, args, &source)
            .map(|named| InImage::of(named, args, &source))
            .map_err(|error| invocation.or_in_store(error, &args.image))?,
    };
    let old_image = Arc::clone(&source);
    let report = rebase::rebase(&RebaseRequest {
        image: source,
        old: &old,
        new: &new,
        platform: args.platform.clone(),
        force: args.force,
        policy: &args.checks.policy(),
        image_is_near: in_registry(&args.image).is_none(),
        read_bases: args.read_bases,
        shared: shared(&client, &args.image),
        destination: &*target.destination,
        tags: &args.tags,
        allow_retag: args.retag.allow_retag,
        store: &store,
        progress: invocation.progress.clone(),
        interrupt: invocation.interrupt.clone(),
    })
    .map_err(|error| {
        let names = [Some(&args.image), Some(&args.base), args.old_base.as_ref()];
        names.into_iter().flatten().fold(error.into(), |error, name| invocation.or_in_store(error, name))
    })?;
    let reference = format!("{}{}", target.prefix, report.digest);
    invocation.printer.published(&reference);
    view::findings::findings(&invocation.printer, &report.findings, view::findings::ToldNotes::All);
    invocation.printer.message(view::copy::rebased(&report));
    if !report.current {
        tell_left_behind(invocation, &*old_image, &report);
    }
    if args.format.json {
        invocation.printer.json(&report);
    } else {
        invocation.printer.result(reference);
    }
    if is_announced {
        events::deliver(invocation, &client);
    }
    Ok(())
}

/// Judges the new base by the policies that hold: those of the build file of the image, and that of a file.
///
/// # Errors
/// The refusal, before anything is read of a layer.
fn judge_base(
    invocation: &Invocation,
    args: &RebaseArgs,
    image: &Arc<dyn Source>,
    new: &NamedBase,
) -> Result<(), CommandError> {
    let policies = delivery::policies(invocation, image.origin().as_ref(), args.policy.as_deref())?;
    if !policies.is_about_bases() {
        return Ok(());
    }
    let images = match &args.platform {
        Some(platform) => vec![Some(platform.clone())],
        None => offers(&**image)?.into_iter().map(|offer| offer.platform).collect(),
    };
    let reasons = judgement::new_base(invocation, &policies, new, &images)?;
    Ok(PolicyRefusal::unless_empty(&*args.image, reasons)?)
}

/// Says which documents are about old images alone: a digest that did not change keeps all of them. The rebase is done:
/// what cannot be told is not.
fn tell_left_behind(invocation: &Invocation, image: &dyn Source, report: &RebaseReport) {
    let images = report.images.iter().map(|image| (image.previous, image.digest));
    let changed = images.chain([(report.previous, report.digest)]).filter(|(old, new)| old != new);
    let changed: BTreeSet<Digest> = changed.map(|(old, _)| old).collect();
    let mut signatures = Vec::new();
    let mut others = 0_u64;
    for old in &changed {
        for referrer in list(image, old).map(|tree| tree.referrers).unwrap_or_default() {
            match referrer.artifact_type.as_deref() {
                Some(BUNDLE) => signatures.push(referrer.digest.short()),
                _ => others += 1,
            }
        }
        if let Ok(Some(older)) = image.under_tag(&older_tag(old)) {
            signatures.push(older.digest().short());
        }
    }
    if !signatures.is_empty() {
        let (all, which) =
            (signatures.join(", "), if signatures.len() == 1 { "signature" } else { "signatures" });
        invocation.printer.note(format!(
            "the {which} {all} of the image before hold for that one alone; `pack sign` signs the new one"
        ));
    }
    if others > 0 {
        let others = format::count(others, "document");
        invocation
            .printer
            .note(format!("{others} that are attached to the image before tell of that one alone"));
    }
}

/// A base by its name. As in a build, a name alone is the registry's.
fn named(invocation: &Invocation, client: &Client, name: &str) -> Result<NamedBase, CommandError> {
    let Opened { source, location } = invocation.published(name, client)?;
    let name = match location {
        Location::Registry(reference) => Some(reference.to_string()),
        _ => None,
    };
    Ok(NamedBase { is_near: name.is_none(), name, source })
}

/// Other machines' statements about base layers, in the repository of an image in a registry.
fn shared(client: &Client, image: &str) -> Option<Arc<dyn SharedIndexes>> {
    Some(SharedLayers::new(client.clone(), in_registry(image)?.repository().clone()))
}

/// An image in a registry: a name alone is one, since the result is published.
fn in_registry(image: &str) -> Option<Reference> {
    match Location::parse(image) {
        Ok(Location::Registry(reference)) => Some(reference),
        Ok(Location::Name(name)) => Some(name.reference().clone()),
        _ => None,
    }
}

/// The base that an image says it is on: by its digest in the store, where a build leaves the documents of
/// bases, else in the registry that it names.
fn own_base(
    invocation: &Invocation,
    client: &Client,
    args: &RebaseArgs,
    source: &Arc<dyn Source>,
) -> Result<NamedBase, CommandError> {
    let image = match &args.platform {
        Some(platform) => load_image(&**source, Some(platform))?.image,
        None => match offers(&**source)?.first() {
            Some(offer) => load_manifest(&**source, &offer.descriptor)?,
            None => load_image(&**source, None)?.image,
        },
    };
    let says = |key: &str| {
        let labels = image.config().config.as_ref().map(|config| &config.labels);
        image.manifest().annotations.get(key).or_else(|| labels?.get(key)).cloned()
    };
    let (name, digest) =
        (says(BASE_NAME), says(BASE_DIGEST).and_then(|digest| digest.parse::<Digest>().ok()));
    let unknown =
        |why: String| CommandError::new(ExitStatus::Input, why).coded(ErrorCode::NotOnBase).hint(OLD_BASE);
    // The store has documents of bases; reading their layers takes their place as well.
    if let Some(digest) = digest.filter(|_| !args.read_bases || name.is_none())
        && let Some(stored) = in_store(invocation, digest, &image, image.platform().as_ref())
    {
        return Ok(NamedBase { name, source: stored, is_near: false });
    }
    let Some(name) = name else {
        let what = digest.map_or_else(
            || "does not say what its base is".to_owned(),
            |digest| format!("says that its base is {digest}, and nothing says where that is"),
        );
        let error = CommandError::new(ExitStatus::Input, format!("`{}` {what}", args.image))
            .coded(ErrorCode::NotOnBase);
        return Err(match digest {
            Some(_) => error.hint(OLD_BASE),
            // As an image that was built on none does.
            None => error.hint(format!(
                "{OLD_BASE}; an image on `scratch` has none: build it again with the new base"
            )),
        });
    };
    let Ok(reference) = name.parse::<Reference>() else {
        return Err(unknown(format!("`{}` says that its base is `{name}`, which is no name", args.image)));
    };
    let reference = match digest {
        Some(digest) => reference.repository().at_digest(digest),
        None => reference,
    };
    let source = Arc::new(registry::source(client.clone(), reference));
    Ok(NamedBase { name: Some(name), source, is_near: false })
}

/// A base whose layers are read where an image on it is, which has them all.
struct InImage {
    base: Arc<dyn Source>,
    image: Arc<dyn Source>,
}

impl InImage {
    /// The base of an image in a layout or an archive, which is on this machine whatever the store holds.
    fn of(named: NamedBase, args: &RebaseArgs, image: &Arc<dyn Source>) -> NamedBase {
        let location = Location::parse(&args.image);
        let is_whole = |location: &Location| {
            let base = load_image(&*named.source, args.platform.as_ref());
            !matches!(location, Location::Name(_) | Location::Registry(_) | Location::Store(_))
                && base.is_ok_and(|base| base.image.layers().iter().all(|layer| image.blob(layer).is_ok()))
        };
        if !location.is_ok_and(|location| is_whole(&location)) {
            return named;
        }
        let source = Arc::new(Self { base: named.source, image: Arc::clone(image) });
        NamedBase { name: named.name, source, is_near: true }
    }
}

impl Source for InImage {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        self.base.root()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        self.base.document(descriptor)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        match media_type::layer_compression(&descriptor.media_type) {
            Some(_) => self.image.blob(descriptor),
            None => self.base.blob(descriptor),
        }
    }

    fn name(&self) -> String {
        self.base.name()
    }
}

/// The base in the store, if it is all there that is needed of it, for every platform of the image.
fn in_store(
    invocation: &Invocation,
    digest: Digest,
    image: &Image,
    platform: Option<&Platform>,
) -> Option<Arc<dyn Source>> {
    let stored = UnnamedImage { store: invocation.store().ok()?, digest };
    let found = load_image(&stored, platform).ok()?;
    crate::oci::begins_with(image, &found.image)?;
    Some(Arc::new(stored))
}
