//! Refusals: of a policy, as data; of a tag that is taken, with the first difference where one revision gave two images.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::args::Command;
use super::super::error::CommandError;
use super::super::invocation::Invocation;
use crate::engine::{RefusedImage, Session};
use crate::inspect::diff::{self, DiffOptions};
use crate::oci::Image;
use crate::transport::load::{load_manifest, offers};
use crate::transport::taken_tag::TakenTag;
use crate::transport::{Source, registry};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::policy::PolicyRefusal;
use crate::types::reference::Repository;

/// Prints the refusal of a policy where the result would be JSON, in the form of `pack verify --policy --json`.
pub(super) fn as_data(invocation: &Invocation, command: &Command, error: CommandError) -> CommandError {
    if let Some(refusal) = error.refusal.as_ref().filter(|_| command.tells_refusals_as_json()) {
        invocation.printer.json(&RefusedView { image: refusal.subject(), policy: refusal });
    }
    error
}

/// An image that a policy refuses.
#[derive(Serialize)]
struct RefusedView<'a> {
    image: &'a str,
    policy: &'a PolicyRefusal,
}

/// Layers of so many bytes may be fetched to find the first difference.
const MOST_FETCHED: u64 = 64 << 20;

/// The error of a build. If it is about a taken tag of the same revision, it says that the build is not reproducible.
pub(super) fn explained(
    invocation: &Invocation,
    session: &Session,
    name: &Repository,
    error: BoxedError,
) -> CommandError {
    let first =
        RefusedImage::behind(&error).filter(|refused| refused.taken.is_same_revision()).map(|refused| {
            let there = registry::source(session.client.clone(), name.at_digest(refused.taken.found));
            let first = first_difference(invocation, &there, &*refused.image);
            (refused.taken.name.clone(), first.unwrap_or_else(|| "it cannot be read".to_owned()))
        });
    let is_taken = RefusedImage::behind(&error).is_some() || TakenTag::behind(&error).is_some();
    let mut error = CommandError::from(error);
    if is_taken {
        error = error.hint("in build.toml, `{ name = \"…\", moves = true }` in `tags` is a tag that moves");
    }
    if let Some((tag, first)) = first {
        error.chain.push(format!(
            "the build is not reproducible from its revision alone; first difference: {first}"
        ));
        error = error.hint(format!(
            "to see all differences, run `pack build` without `--push`, then `pack diff docker://{tag} store:{tag}`"
        ));
    }
    error
}

/// The first difference between two images, by their content if that is at hand or small, else by their digests.
fn first_difference(invocation: &Invocation, there: &dyn Source, own: &dyn Source) -> Option<String> {
    let (a, b) = (images(there).ok()?, images(own).ok()?);
    let kept: BTreeSet<Digest> = layers(&b).map(|(digest, _)| digest).collect();
    let fetched = layers(&a).filter(|(digest, _)| !kept.contains(digest)).map(|(_, size)| size);
    let options = DiffOptions {
        jobs: invocation.jobs(None).get(),
        progress: invocation.progress.clone(),
        interrupt: invocation.interrupt.clone(),
        ..DiffOptions::default()
    };
    let compared = if fetched.fold(0, u64::saturating_add) <= MOST_FETCHED {
        diff::diff(there, own, &options).ok().and_then(|report| report.first)
    } else {
        None
    };
    compared.or_else(|| by_digest(&a, &b))
}

fn images(source: &dyn Source) -> Result<Vec<Image>, BoxedError> {
    offers(source)?.iter().map(|offer| load_manifest(source, &offer.descriptor)).collect()
}

fn layers(images: &[Image]) -> impl Iterator<Item = (Digest, u64)> + '_ {
    images.iter().flat_map(Image::layers).map(|layer| (layer.digest, layer.size))
}

/// The first layer that differs, or the part besides.
fn by_digest(a: &[Image], b: &[Image]) -> Option<String> {
    if a.len() != b.len() {
        return Some(format!("{} images there, and {} here", a.len(), b.len()));
    }
    let (a, b) = a.iter().zip(b).find(|(a, b)| a.digest() != b.digest())?;
    let pairs = a.layers().iter().zip(b.layers()).enumerate();
    let differing = pairs.into_iter().find(|(_, (a, b))| a.digest != b.digest);
    Some(match differing {
        Some((number, (a, b))) => format!("layer {}: {} → {}", number + 1, a.digest, b.digest),
        None if a.layers().len() != b.layers().len() => {
            format!("{} layers there, and {} here", a.layers().len(), b.layers().len())
        }
        None if a.manifest().config.digest != b.manifest().config.digest => "the configuration".to_owned(),
        None => "the manifest".to_owned(),
    })
}
