//! Where images are written to by the commands that take one image and leave another.

use std::sync::Arc;

use super::super::error::CommandError;
use super::super::invocation::{Invocation, Opened};
use super::output_path::check_literal;
use crate::registry::Client;
use crate::store::Store;
use crate::transport::archive::{ArchiveOutput, ArchiveWord};
use crate::transport::layout::OciLayout;
use crate::transport::{Destination, Source, registry};
use crate::types::digest::Digest;
use crate::types::location::Location;
use crate::types::reference::{Reference, Repository, Tag};

/// Somewhere to write to, and what the user's spelling says beside that.
pub(super) struct CopyTarget {
    /// The place.
    pub destination: Arc<dyn Destination>,
    /// How the image is spelled there by its digest, which is to be appended.
    pub prefix: String,
    /// The tags to set there.
    pub tags: Vec<Tag>,
    /// The digest that the name has.
    pub expected: Option<Digest>,
    /// The repository, if the place is one.
    pub repository: Option<Repository>,
}

/// The target of a copy of `source`, which was written as `from`.
///
/// # Errors
/// When `name` is no place to copy to, cannot be written, or leaves open what the copy is called.
pub(super) fn target(
    invocation: &Invocation,
    client: &Client,
    (from, source): (&str, &dyn Source),
    name: &str,
) -> Result<CopyTarget, CommandError> {
    let location = Location::parse(name)?;
    check_literal("", name)?;
    let own = Location::parse(from)?;
    let progress = &invocation.progress;
    // An image that is asked for without a name or digest may have one name in its place.
    let is_unnamed = matches!(
        own,
        Location::OciLayout { name: None, .. }
            | Location::OciArchive { name: None, .. }
            | Location::DockerArchive { name: None, .. }
    );
    let own_tag = tag_of(&own).or_else(|| tag_in(&source.own_name().filter(|_| is_unnamed)?));
    let tag_of_source = || own_tag.clone().into_iter().collect::<Vec<_>>();
    Ok(match location {
        Location::Name(name) => in_registry(client, name.reference(), (&own, own_tag))?,
        Location::Registry(reference) => in_registry(client, &reference, (&own, own_tag))?,
        Location::Store(name) => CopyTarget {
            tags: tags(name.reference(), (&own, own_tag), &format!("store:{name}"))?,
            expected: name.reference().digest(),
            ..in_store(invocation, &invocation.store()?, name.reference().repository())?
        },
        Location::OciLayout { dir, name } => {
            let layout = OciLayout::create(&invocation.absolute(&dir), name.as_deref(), progress)?;
            CopyTarget {
                tags: if name.is_some() { Vec::new() } else { tag_of_source() },
                ..CopyTarget::new(Arc::new(layout), format!("oci:{}:", dir.display()))
            }
        }
        Location::OciArchive { ref file, name: ref tag }
        | Location::DockerArchive { ref file, name: ref tag } => {
            let word = if matches!(location, Location::OciArchive { .. }) {
                ArchiveWord::Oci
            } else {
                ArchiveWord::Docker
            };
            let repository = named(&own).map(Reference::repository);
            let path = invocation.absolute(file);
            let archive = ArchiveOutput::new(word, &path, repository, tag.as_deref(), progress)?;
            CopyTarget {
                tags: if tag.is_some() { Vec::new() } else { tag_of_source() },
                ..CopyTarget::new(Arc::new(archive), format!("{}:{}:", word.as_str(), file.display()))
            }
        }
        Location::Scratch | Location::Docker | Location::OwnRegistry => {
            return Err(CommandError::usage(format!("`{name}` is nothing to copy to")));
        }
    })
}

impl CopyTarget {
    fn new(destination: Arc<dyn Destination>, prefix: String) -> Self {
        Self { destination, prefix, tags: Vec::new(), expected: None, repository: None }
    }
}

fn in_registry(
    client: &Client,
    reference: &Reference,
    source: (&Location, Option<Tag>),
) -> Result<CopyTarget, CommandError> {
    let destination = registry::destination(client.clone(), reference.repository().clone());
    Ok(CopyTarget {
        tags: tags(reference, source, &reference.to_string())?,
        expected: reference.digest(),
        repository: Some(reference.repository().clone()),
        ..CopyTarget::new(Arc::new(destination), format!("{}@", reference.repository()))
    })
}

fn in_store(
    invocation: &Invocation,
    store: &Store,
    repository: &Repository,
) -> Result<CopyTarget, CommandError> {
    let layout = OciLayout::of_store(store, repository, &invocation.progress)?;
    Ok(CopyTarget::new(Arc::new(layout), format!("store:{repository}@")))
}

/// The reference that a place is named by.
const fn named(location: &Location) -> Option<&Reference> {
    match location {
        Location::Name(name) | Location::Store(name) => Some(name.reference()),
        Location::Registry(reference) => Some(reference),
        _ => None,
    }
}

/// The tag that a source is named by.
fn tag_of(location: &Location) -> Option<Tag> {
    match location {
        Location::OciLayout { name, .. }
        | Location::OciArchive { name, .. }
        | Location::DockerArchive { name, .. } => tag_in(name.as_ref()?),
        _ => named(location)?.tag().cloned(),
    }
}

/// The tag that a name is, or has. A digest has none.
fn tag_in(name: &str) -> Option<Tag> {
    if name.parse::<Digest>().is_ok() {
        return None;
    }
    name.parse().ok().or_else(|| name.parse::<Reference>().ok()?.tag().cloned())
}

/// The tags of a copy: its own, else the source's. `latest` is never made up.
fn tags(
    reference: &Reference,
    (source, own_tag): (&Location, Option<Tag>),
    name: &str,
) -> Result<Vec<Tag>, CommandError> {
    if let Some(tag) = reference.tag() {
        return Ok(vec![tag.clone()]);
    }
    if reference.digest().is_some() {
        return Ok(Vec::new());
    }
    if let Some(tag) = own_tag {
        return Ok(vec![tag]);
    }
    match named(source) {
        // Named by digest there, and by nothing else here.
        Some(source) if source.digest().is_some() => Ok(Vec::new()),
        _ => Err(CommandError::usage(format!("`{name}` has no tag, and the source has none to take over"))
            .hint(format!("name one, such as `{name}:1.0`"))),
    }
}

/// An image and the place that it is in, to be written to.
pub(super) struct WritableImage {
    /// The image.
    pub source: Arc<dyn Source>,
    /// The place; its tags are the one that the image was named by, if it was named by one.
    pub target: CopyTarget,
}

/// The image `name`, and its own place: that of a name alone is its registry.
///
/// # Errors
/// When it cannot be opened, or is in an archive, which nothing can be added to.
pub(super) fn place(
    invocation: &Invocation,
    client: &Client,
    name: &str,
) -> Result<WritableImage, CommandError> {
    if let Location::OciArchive { .. } | Location::DockerArchive { .. } = Location::parse(name)? {
        return Err(CommandError::usage(format!("nothing can be added to the archive `{name}`"))
            .hint("`pack copy` brings the image to a registry or to `oci:DIR` first"));
    }
    let Opened { source, location } = invocation.published(name, client)?;
    let tags: Vec<Tag> = tag_of(&location).into_iter().collect();
    let target = match &location {
        Location::Registry(reference) => {
            let repository = reference.repository().clone();
            // A name without a tag is `latest` to a registry.
            let tags = match reference.digest() {
                Some(_) => Vec::new(),
                None => vec![reference.tag().cloned().unwrap_or_else(Tag::latest)],
            };
            let prefix = format!("{repository}@");
            let mut destination = registry::destination(client.clone(), repository.clone());
            if let Ok(store) = invocation.store() {
                destination = destination.with_store(&store);
            }
            CopyTarget {
                tags,
                repository: Some(repository),
                ..CopyTarget::new(Arc::new(destination), prefix)
            }
        }
        Location::Store(name) => {
            CopyTarget { tags, ..in_store(invocation, &invocation.store()?, name.reference().repository())? }
        }
        Location::OciLayout { dir, .. } => {
            let layout = OciLayout::create(&invocation.absolute(dir), None, &invocation.progress)?;
            CopyTarget { tags, ..CopyTarget::new(Arc::new(layout), format!("oci:{}:", dir.display())) }
        }
        _ => return Err(CommandError::usage(format!("`{name}` is not an image"))),
    };
    Ok(WritableImage { source, target })
}
