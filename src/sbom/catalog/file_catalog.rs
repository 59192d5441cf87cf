//! The statements of one file.

use serde::{Deserialize, Serialize};

use super::node_lock::LockedPackage;
use super::os_release::OsRelease;
use crate::layer::EntryPath;
use crate::sbom::package::{Ecosystem, PackageFacts};

/// A database of packages: the uppermost layer that has it has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PackageDatabase {
    /// dpkg's.
    Dpkg,
    /// apk's.
    Apk,
    /// rpm's.
    Rpm,
}

/// The statements of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileCatalog {
    /// Packages that the file is or has.
    Packages(Ecosystem, Vec<PackageFacts>),
    /// Packages that are installed elsewhere in the image, and files of theirs, as far as the database itself lists them.
    Database(PackageDatabase, Vec<PackageFacts>, Vec<EntryPath>),
    /// The operating system.
    System(OsRelease),
    /// Files that belong to a package of the operating system.
    Owned(Vec<EntryPath>),
    /// Licences of a package of the operating system.
    Licences(Vec<String>),
    /// Needs of Node packages that lie below.
    Lock(Vec<LockedPackage>),
    /// The target of a symbolic link where a Node package would be.
    Link(Vec<u8>),
    /// A document about the package beside it.
    Attached,
    /// It has packages that are not known, and why.
    Unread(String),
}

/// A file that tells something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CataloguedFile {
    /// Where it is.
    pub path: EntryPath,
    /// Its statements.
    pub catalog: FileCatalog,
}

impl FileCatalog {
    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn cost(&self) -> usize {
        match self {
            Self::Packages(_, packages) => packages.iter().map(PackageFacts::cost).sum(),
            Self::Database(_, packages, owned) => {
                packages.iter().map(PackageFacts::cost).sum::<usize>() + cost_of_paths(owned)
            }
            Self::Owned(paths) => cost_of_paths(paths),
            Self::Licences(licences) => licences.iter().map(|licence| 32 + licence.len()).sum(),
            Self::Lock(packages) => packages.iter().map(LockedPackage::cost).sum(),
            Self::Link(target) => 64 + target.len(),
            Self::System(_) | Self::Attached => 256,
            Self::Unread(why) => why.len(),
        }
    }
}

fn cost_of_paths(paths: &[EntryPath]) -> usize {
    paths.iter().map(|path| 32 + path.as_bytes().len()).sum()
}
