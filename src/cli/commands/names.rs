//! Names: the tags of a repository, the images in the local store (`pack images`), taking names away (`pack rm`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::args::{ImagesArgs, InspectArgs, RmArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::format::{self, Column, Table};
use super::super::invocation::Invocation;
use crate::oci::Descriptor;
use crate::store::{Store, name_of};
use crate::transport::Source as _;
use crate::transport::layout::OciLayout;
use crate::transport::load::{load_manifest, offers};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, nearest_name};
use crate::types::error_code::ErrorCode;
use crate::types::location::{Location, Name};
use crate::types::platform::Platform;
use crate::types::reference::Reference;

/// The images under the name of a repository or of a layout, if it does not name one image.
#[derive(Debug, Serialize)]
pub(super) struct NameListing {
    /// Where: a place that names no other.
    place: String,
    /// The tags of a repository, or the names of a layout.
    tags: Vec<String>,
}

/// The listing that `pack inspect` shows for a repository, or for a layout of several images; `None` where one image
/// is named.
///
/// # Errors
/// When the registry cannot be asked.
pub(super) fn listing(
    invocation: &Invocation,
    args: &InspectArgs,
) -> Result<Option<NameListing>, CommandError> {
    let location = Location::parse(&args.image)?;
    let is_whole = |reference: &Reference| reference.tag().is_none() && reference.digest().is_none();
    let listing = match &location {
        Location::Registry(reference) if is_whole(reference) => in_registry(invocation, reference)?,
        Location::Name(name) if is_whole(name.reference()) => {
            let stored = in_store(invocation, name).unwrap_or_default();
            let hint = format!("`pack inspect store:{name}` lists those in the local store");
            match in_registry(invocation, name.reference()) {
                Ok(listing) => {
                    if !stored.is_empty() {
                        invocation.printer.note(hint);
                    }
                    listing
                }
                Err(error) if stored.is_empty() => return Err(error),
                Err(error) => return Err(error.hint(hint)),
            }
        }
        Location::Store(name) if is_whole(name.reference()) => match in_store(invocation, name)? {
            tags if tags.is_empty() => return Ok(None),
            tags => NameListing { place: location.to_string(), tags },
        },
        Location::OciLayout { dir, name: None } if args.platform.is_none() => {
            let layout = OciLayout::open(&invocation.absolute(dir), None)?;
            let entries = layout.layout().index()?.manifests;
            if crate::store::pick(&entries, None).is_ok() {
                return Ok(None);
            }
            let tags: Vec<String> = entries.iter().filter_map(name_of).map(str::to_owned).collect();
            if tags.is_empty() {
                return Ok(None);
            }
            NameListing { place: location.to_string(), tags }
        }
        _ => return Ok(None),
    };
    if args.platform.is_some() {
        let error =
            CommandError::usage(format!("`{}` names a repository, and `--platform` an image", args.image));
        return Err(match listing.tags.first() {
            Some(tag) => error.hint(format!("name one of its tags, such as `{}:{tag}`", args.image)),
            None => error,
        });
    }
    Ok(Some(listing))
}

fn in_registry(invocation: &Invocation, reference: &Reference) -> Result<NameListing, CommandError> {
    let tags = invocation.client()?.tags(reference.repository())?;
    let place = Location::Registry(reference.clone()).to_string();
    Ok(NameListing { place, tags: tags.iter().map(ToString::to_string).collect() })
}

/// The tags that the local store has of the repository `name`, under any of the names that it may have there.
fn in_store(invocation: &Invocation, name: &Name) -> Result<Vec<String>, CommandError> {
    let entries = invocation.store_to_read()?.layout().index()?.manifests;
    let repositories = name.in_store();
    let tag = |entry: &Descriptor| {
        let entry = name_of(entry)?;
        repositories.iter().find_map(|name| Some(entry.strip_prefix(name)?.strip_prefix(':')?.to_owned()))
    };
    Ok(entries.iter().filter_map(tag).collect())
}

/// Shows a listing: where, then a tag a line.
///
/// # Errors
/// When there is nothing in it.
pub(super) fn show_listing(
    invocation: &Invocation,
    json: bool,
    listing: &NameListing,
) -> Result<(), CommandError> {
    if json {
        invocation.printer.json(listing);
        return Ok(());
    }
    let lines: Vec<String> = std::iter::once(&listing.place).chain(&listing.tags).cloned().collect();
    invocation.printer.result(lines.join("\n"));
    Ok(())
}

/// An image in the local store.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredImage {
    name: String,
    digest: Digest,
    media_type: String,
    /// Bytes of all that it reaches, each blob once; absent where something of it is missing or damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    platforms: Vec<Platform>,
}

/// Lists the names in the local store.
///
/// # Errors
/// When its index cannot be read.
pub(super) fn images(invocation: &Invocation, args: ImagesArgs) -> Result<(), CommandError> {
    let store = invocation.store_to_read()?;
    let _lease = store.lease();
    let entries = store.layout().index()?.manifests;
    let mut images: Vec<StoredImage> =
        entries.iter().filter_map(|entry| Some(stored_image(&store, entry, name_of(entry)?))).collect();
    images.sort_by(|one, other| one.name.cmp(&other.name));
    if args.format.json {
        invocation.printer.json(&images);
        return Ok(());
    }
    if images.is_empty() {
        invocation.printer.message("the local store has no images");
        return Ok(());
    }
    let mut table = Table::new([
        Column::left("NAME"),
        Column::left("DIGEST"),
        Column::right("SIZE"),
        Column::left("PLATFORMS"),
    ]);
    for image in &images {
        let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
        let size = image.size.map_or_else(|| "damaged".to_owned(), format::bytes);
        table.row([&image.name, &image.digest.short(), &size, &platforms.join(", ")]);
    }
    invocation.printer.result(table.render(invocation.printer.screen()).trim_end());
    Ok(())
}

fn stored_image(store: &Store, entry: &Descriptor, name: &str) -> StoredImage {
    let looked = name.parse().ok().and_then(|name: Name| look(store, &name).ok());
    let (size, platforms) = looked.map_or((None, Vec::new()), |(size, platforms)| (Some(size), platforms));
    StoredImage {
        name: name.to_owned(),
        digest: entry.digest,
        media_type: entry.media_type.to_string(),
        size,
        platforms,
    }
}

/// How many bytes an image in the store has, and for which platforms it is.
fn look(store: &Store, name: &Name) -> Result<(u64, Vec<Platform>), BoxedError> {
    let source = OciLayout::stored(store, name)?;
    let root = source.root()?;
    let mut sizes = BTreeMap::from([(root.digest(), root.bytes.len() as u64)]);
    let mut platforms = Vec::new();
    for offer in offers(&source)? {
        let image = load_manifest(&source, &offer.descriptor)?;
        let manifest = image.manifest();
        sizes.insert(image.digest(), image.raw().bytes.len() as u64);
        sizes.extend(manifest.layers.iter().chain([&manifest.config]).map(|blob| (blob.digest, blob.size)));
        platforms.extend(offer.platform);
    }
    Ok((sizes.values().sum(), platforms))
}

/// Takes names out of the local store.
///
/// # Errors
/// When the store has no image of one of the names; then all stay.
pub(super) fn remove(invocation: &Invocation, args: &RmArgs) -> Result<(), CommandError> {
    let store = invocation.store_to_read()?;
    let layout = store.writable_layout()?;
    let entries = layout.index()?.manifests;
    let existing: Vec<&str> = entries.iter().filter_map(name_of).collect();
    let mut names = Vec::new();
    for given in &args.names {
        let name = match Location::parse(given)? {
            Location::Name(name) | Location::Store(name) => name,
            other => return Err(CommandError::usage(format!("`{other}` is not in the local store"))),
        };
        let candidates = name.in_store();
        let Some(found) = candidates.iter().find(|name| existing.contains(&name.as_str())) else {
            return Err(unknown(given, &existing));
        };
        if !names.contains(found) {
            names.push(found.clone());
        }
    }
    if let Some(gone) = layout.remove_all(&names)?.first() {
        return Err(unknown(gone, &existing));
    }
    if args.format.json {
        invocation.printer.json(&serde_json::json!({ "removed": names }));
        return Ok(());
    }
    invocation.printer.result(names.join("\n"));
    let count = format::count(names.len() as u64, "name");
    invocation
        .printer
        .message(format!("removed {count}; `pack cache prune` removes the blobs that no name needs"));
    Ok(())
}

fn unknown(name: &str, existing: &[&str]) -> CommandError {
    let error = CommandError::new(
        ExitStatus::Input,
        format!("there is no image `{name}` in the local store, and nothing was removed"),
    )
    .coded(ErrorCode::ImageNotFound);
    let short = |known: &str| known.strip_prefix("localhost/").map(str::to_owned);
    let shorts: Vec<String> = existing.iter().filter_map(|known| short(known)).collect();
    let known = existing.iter().copied().chain(shorts.iter().map(String::as_str));
    match nearest_name(name, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`pack images` lists what there is"),
    }
}
