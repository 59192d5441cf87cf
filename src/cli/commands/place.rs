//! Where images are written to by the commands that take one image and leave another.

use std::sync::Arc;

use super::super::error::CommandError;
use super::super::session::Session;
use crate::digest::Digest;
use crate::reference::{Reference, Repository, Tag};
use crate::registry::Client;
use crate::store::Store;
use crate::transport::archive::ArchiveOutput;
use crate::transport::layout::OciLayout;
use crate::transport::name::Location;
use crate::transport::{Destination, Source, registry};

/// Somewhere to write to, and what the user's spelling says beside that.
pub(super) struct Target {
    /// The place.
    pub destination: Arc<dyn Destination>,
    /// How the image is spelled there by its digest, which is to be appended.
    pub prefix: String,
    /// The tags to set there.
    pub tags: Vec<Tag>,
    /// The digest that the name has.
    pub expected: Option<Digest>,
    /// Blobs that it takes at a time.
    pub parallel: usize,
    /// Whether it must hold every blob.
    pub whole: bool,
}

/// The target of a copy of `source`.
///
/// # Errors
/// When `name` is no place to copy to, cannot be written, or leaves open what the copy is called.
pub(super) fn target(
    session: &Session,
    client: &Client,
    source: &str,
    name: &str,
) -> Result<Target, CommandError> {
    let location = Location::target(name)?;
    let own = Location::base(source)?;
    let progress = &session.progress;
    let tag_of_source = || tag_of(&own).into_iter().collect::<Vec<_>>();
    Ok(match location {
        Location::Registry(reference) => {
            let destination = registry::destination(client.clone(), reference.repository().clone());
            Target {
                tags: tags(&reference, &own, name)?,
                expected: reference.digest(),
                parallel: 4,
                ..Target::new(Arc::new(destination), format!("{}@", reference.repository()))
            }
        }
        Location::Store(reference) => Target {
            tags: tags(&reference, &own, name)?,
            expected: reference.digest(),
            ..in_store(session, &session.store()?, reference.repository())?
        },
        Location::OciLayout { dir, name } => {
            let layout = OciLayout::create(&session.absolute(&dir), name.as_deref(), progress)?;
            Target {
                tags: if name.is_some() { Vec::new() } else { tag_of_source() },
                ..Target::new(Arc::new(layout), format!("oci:{}:", dir.display()))
            }
        }
        Location::OciArchive { file, name } | Location::DockerArchive { file, name } => {
            let repository = match &own {
                Location::Registry(reference) => Some(reference.repository()),
                _ => None,
            };
            let path = session.absolute(&file);
            let archive = ArchiveOutput::new(&path, repository, name.as_deref(), progress)?;
            Target {
                tags: if name.is_some() { Vec::new() } else { tag_of_source() },
                parallel: 1,
                whole: true,
                ..Target::new(Arc::new(archive), format!("oci-archive:{}:", file.display()))
            }
        }
        Location::Scratch | Location::Docker | Location::OwnRegistry => {
            return Err(CommandError::usage(format!("`{name}` is nothing to copy to")));
        }
    })
}

impl Target {
    fn new(destination: Arc<dyn Destination>, prefix: String) -> Self {
        Self { destination, prefix, tags: Vec::new(), expected: None, parallel: 2, whole: false }
    }
}

fn in_store(session: &Session, store: &Store, repository: &Repository) -> Result<Target, CommandError> {
    let layout = OciLayout::of_store(store, repository, &session.progress)?;
    Ok(Target::new(Arc::new(layout), format!("{repository}@")))
}

/// The tag that a source is named by.
fn tag_of(location: &Location) -> Option<Tag> {
    match location {
        Location::Registry(reference) => reference.tag().cloned(),
        Location::OciLayout { name, .. }
        | Location::OciArchive { name, .. }
        | Location::DockerArchive { name, .. } => {
            let name = name.as_ref()?;
            name.parse().ok().or_else(|| name.parse::<Reference>().ok()?.tag().cloned())
        }
        _ => None,
    }
}

/// The tags of a copy: its own, else the source's. `latest` is never made up.
fn tags(reference: &Reference, source: &Location, name: &str) -> Result<Vec<Tag>, CommandError> {
    if let Some(tag) = reference.tag() {
        return Ok(vec![tag.clone()]);
    }
    if reference.digest().is_some() {
        return Ok(Vec::new());
    }
    if let Some(tag) = tag_of(source) {
        return Ok(vec![tag]);
    }
    match source {
        // Named by digest there, and by nothing else here.
        Location::Registry(source) if source.digest().is_some() => Ok(Vec::new()),
        _ => Err(CommandError::usage(format!("`{name}` has no tag, and the source has none to take over"))
            .hint(format!("name one, such as `{name}:1.0`"))),
    }
}

/// An image and the place that it is in, to be written to.
pub(super) struct Place {
    /// The image.
    pub source: Arc<dyn Source>,
    /// The place; its tags are the one that the image was named by, if it was named by one.
    pub target: Target,
}

/// The image `name`, and its own place.
///
/// # Errors
/// When it cannot be opened, or is in an archive, which nothing can be added to.
pub(super) fn place(session: &Session, client: &Client, name: &str) -> Result<Place, CommandError> {
    let location = Location::base(name)?;
    let tags = tag_of(&location).into_iter().collect();
    match &location {
        Location::Registry(reference) => {
            if let Some((stored, found_by)) = session.stored(name, reference)? {
                // Found by its digest, it is what the user calls it.
                let is_name = found_by.parse::<Digest>().is_err();
                let full: Option<Reference> = found_by.parse().ok().filter(|_| is_name);
                let repository = full.as_ref().unwrap_or(reference).repository();
                let target = Target { tags, ..in_store(session, &session.store()?, repository)? };
                return Ok(Place { source: Arc::new(stored), target });
            }
            let repository = reference.repository().clone();
            // A name without a tag is `latest` to a registry.
            let tags = match reference.digest() {
                Some(_) => Vec::new(),
                None => vec![reference.tag().cloned().unwrap_or_else(Tag::latest)],
            };
            let prefix = format!("{repository}@");
            let destination = registry::destination(client.clone(), repository);
            let target = Target { tags, parallel: 4, ..Target::new(Arc::new(destination), prefix) };
            let source = registry::source(client.clone(), reference.clone());
            Ok(Place { source: Arc::new(source), target })
        }
        Location::OciLayout { dir, name } => {
            let path = session.absolute(dir);
            let source = OciLayout::open(&path, name.as_deref())?;
            let layout = OciLayout::create(&path, None, &session.progress)?;
            let target = Target { tags, ..Target::new(Arc::new(layout), format!("oci:{}:", dir.display())) };
            Ok(Place { source: Arc::new(source), target })
        }
        Location::OciArchive { .. } | Location::DockerArchive { .. } => {
            Err(CommandError::usage(format!("nothing can be added to the archive `{name}`"))
                .hint("`pack copy` brings the image to a registry or to `oci:DIR` first"))
        }
        _ => Err(CommandError::usage(format!("`{name}` is not an image"))),
    }
}
