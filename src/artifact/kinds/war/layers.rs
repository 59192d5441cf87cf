//! Which layer each file of a WAR belongs to.

use std::collections::BTreeMap;

use super::super::super::groups::{LayerMembers, grouped};
use super::super::super::proposal::ProposedLayer;
use super::super::super::words::count;
use crate::layer::Entry;

/// Where an executable WAR has the libraries that a servlet container brings itself: `WarLauncher` of Spring Boot has
/// this path in its code.
const PROVIDED: &[u8] = b"WEB-INF/lib-provided/";

/// Where an executable WAR has the classes of Spring Boot that start it.
const LOADER: &[u8] = b"org/springframework/boot/loader/";

/// Whether a file or directory only serves to start the WAR without a container.
fn is_of_launcher(name: &[u8]) -> bool {
    name.starts_with(PROVIDED) || name.starts_with(LOADER)
}

/// A note about the classes of the launcher, where a container leaves them without use.
pub(super) fn note_of_loader<'a>(names: impl Iterator<Item = &'a [u8]>, container: bool) -> Option<String> {
    let files = names.filter(|name| name.starts_with(LOADER) && !name.ends_with(b"/")).count();
    (container && files > 0).then(|| {
        format!(
            "{} of Spring Boot's launcher only serve to start the WAR without a container, so they are left out",
            count(files, "class", "classes")
        )
    })
}

/// A note about them for the user.
pub(super) fn note_of_provided<'a>(names: impl Iterator<Item = &'a [u8]>, container: bool) -> Option<String> {
    let files = names.filter(|name| name.starts_with(PROVIDED) && name.len() > PROVIDED.len()).count();
    (files > 0).then(|| {
        format!(
            "{} of `WEB-INF/lib-provided` only serve to start the WAR without a container: a servlet container does \
             not load them{}",
            count(files, "library", "libraries"),
            if container { ", so they are left out" } else { "" }
        )
    })
}

/// The change classes of a WAR's files, in layer order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    Dependencies,
    Snapshots,
    Resources,
    Classes,
}

impl Group {
    /// Of a file, by its path in the archive.
    pub(super) fn of(name: &[u8]) -> Self {
        let library = name.strip_prefix(b"WEB-INF/lib/").or_else(|| name.strip_prefix(PROVIDED));
        if let Some(library) = library
            && !library.contains(&b'/')
        {
            return if memchr::memmem::find(library, b"SNAPSHOT").is_some() {
                Self::Snapshots
            } else {
                Self::Dependencies
            };
        }
        if name.starts_with(b"WEB-INF/classes/") && name.ends_with(b".class") {
            Self::Classes
        } else {
            Self::Resources
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dependencies => "dependencies",
            Self::Snapshots => "snapshots",
            Self::Resources => "resources",
            Self::Classes => "classes",
        }
    }

    /// The layer of `entries`, in which `files` are no directories and `provided` of these are the launcher's.
    pub(super) fn layer(self, files: usize, provided: usize, entries: Vec<Entry>) -> ProposedLayer {
        // The other groups are what changes from build to build.
        let is_divisible = self == Self::Dependencies;
        let why = self.why(files, provided);
        ProposedLayer { name: self.name().to_owned(), why, entries, is_divisible }
    }

    fn why(self, files: usize, provided: usize) -> String {
        let libraries = count(files, "library", "libraries");
        let places = match provided {
            0 => "`WEB-INF/lib`".to_owned(),
            _ if provided == files => "`WEB-INF/lib-provided`".to_owned(),
            _ => format!("`WEB-INF/lib`, {provided} of them of `WEB-INF/lib-provided`"),
        };
        match self {
            Self::Dependencies => format!("{libraries} of {places}, which change seldom"),
            Self::Snapshots => {
                format!("{libraries} of {places}, named `SNAPSHOT`, which change more often than others")
            }
            Self::Resources => {
                format!("{}, neither library nor class of the application", count(files, "file", "files"))
            }
            Self::Classes => {
                format!("{} of `WEB-INF/classes`, which change most often", count(files, "class", "classes"))
            }
        }
    }
}

/// Sorts files and directories, given by path, into the layers that have any.
///
/// The launcher's classes and libraries are left out where a `container` runs the application.
pub(super) fn layers_of<'a>(
    names: impl Iterator<Item = (&'a [u8], bool)>,
    container: bool,
) -> BTreeMap<Group, LayerMembers<'a>> {
    let group_of = |name: &[u8]| (!container || !is_of_launcher(name)).then(|| Group::of(name));
    let groups = grouped(names, group_of, &Some(Group::Resources));
    groups.into_iter().filter_map(|(group, members)| Some((group?, members))).collect()
}

/// How many files of a layer are the launcher's libraries.
pub(super) fn provided(members: &LayerMembers<'_>) -> usize {
    members
        .iter()
        .filter(|(name, _)| name.strip_prefix(PROVIDED).is_some_and(|rest| !rest.is_empty()))
        .count()
}
