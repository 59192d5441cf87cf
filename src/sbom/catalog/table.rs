//! Which cataloguer reads which file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::elf::{self, ProgramPackages};
use super::file_body::{FileBody, MAX_MEMORY};
use super::os_release::OsRelease;
use super::{alpine, debian, java, node, python};
use crate::formats::elf::{ELF_MAGIC, is_library_name};
use crate::layer::EntryPath;
use crate::runtime::budget::Budget;
use crate::sbom::package::{Ecosystem, PackageFacts};

/// The largest text that is read: 1 MiB for one package, and 64 MiB for a database.
const MAX_TEXT: u64 = 1 << 20;
/// A larger database would not be in memory, and no image of this world has one.
const MAX_DATABASE: u64 = MAX_MEMORY;
/// Why a database of packages is not read.
const TOO_MANY: &str = "it tells of more packages than are kept";
/// The largest archive or program that is read.
const MAX_BINARY: u64 = 2 << 30;

/// The reader of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cataloguer {
    /// Java archives.
    Archive,
    /// `pom.properties` in a jar that was unpacked.
    Pom,
    /// `package.json`.
    Node,
    /// BomMetadata of Python distributions.
    Python,
    /// An SBOM in a Python distribution (PEP 770).
    PythonSbom,
    /// The database of dpkg.
    Dpkg,
    /// One package in an image without dpkg.
    DpkgPart,
    /// The files of one package of dpkg.
    DpkgFiles,
    /// The licences of a Debian package.
    Copyright,
    /// The database of apk.
    Apk,
    /// `os-release`.
    System,
    /// A database of rpm.
    Rpm,
    /// ELF files.
    Program,
}

/// A database of packages: the uppermost layer that has it has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PackageDatabase {
    /// dpkg's.
    Dpkg,
    /// apk's.
    Apk,
}

/// The statements of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileCatalog {
    /// Packages that the file is or has.
    Packages(Ecosystem, Vec<PackageFacts>),
    /// Packages that are installed elsewhere in the image.
    Database(PackageDatabase, Vec<PackageFacts>),
    /// The operating system.
    System(OsRelease),
    /// Files that belong to a package of the operating system.
    Owned(Vec<EntryPath>),
    /// Licences of a package of the operating system.
    Licences(Vec<String>),
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

impl Cataloguer {
    /// The one for a regular file at `path` with these permissions.
    #[must_use]
    pub fn of(path: &EntryPath, mode: u32) -> Option<Self> {
        let (whole, name, directory) = (path.as_bytes(), path.file_name(), path.folder());
        Some(match whole {
            b"var/lib/dpkg/status" => Self::Dpkg,
            b"lib/apk/db/installed" | b"usr/lib/apk/db/installed" => Self::Apk,
            b"etc/os-release" | b"usr/lib/os-release" => Self::System,
            b"var/lib/rpm/rpmdb.sqlite"
            | b"var/lib/rpm/Packages"
            | b"var/lib/rpm/Packages.db"
            | b"usr/lib/sysimage/rpm/rpmdb.sqlite"
            | b"usr/lib/sysimage/rpm/Packages.db" => Self::Rpm,
            _ if directory == b"var/lib/dpkg/status.d" && !name.ends_with(b".md5sums") => Self::DpkgPart,
            _ if directory == b"var/lib/dpkg/info" && name.ends_with(b".list") => Self::DpkgFiles,
            _ if name == b"copyright" && is_in_doc(directory) => Self::Copyright,
            _ => return Self::of_application(path, mode),
        })
    }

    fn of_application(path: &EntryPath, mode: u32) -> Option<Self> {
        let (name, directory) = (path.file_name(), path.folder());
        let lies_in = |suffix: &[u8]| directory.ends_with(suffix);
        Some(match name {
            b"package.json" if node::is_of_package(path) => Self::Node,
            b"METADATA" if lies_in(b".dist-info") => Self::Python,
            b"PKG-INFO" if lies_in(b".egg-info") => Self::Python,
            b"pom.properties" if memchr::memmem::find(directory, b"META-INF/maven/").is_some() => Self::Pom,
            _ if name.ends_with(b".egg-info") => Self::Python,
            _ if lies_in(b".dist-info/sboms") => Self::PythonSbom,
            _ if java::is_archive(name) => Self::Archive,
            _ if mode & 0o111 != 0 || is_library_name(name) => Self::Program,
            _ => return None,
        })
    }

    /// The largest file that it reads, in bytes.
    #[must_use]
    pub const fn limit(self) -> u64 {
        match self {
            Self::Dpkg | Self::Apk => MAX_DATABASE,
            Self::Archive | Self::Program => MAX_BINARY,
            // It is not read.
            Self::PythonSbom | Self::Rpm => u64::MAX,
            _ => MAX_TEXT,
        }
    }

    /// Whether it reads the file's content at all.
    #[must_use]
    pub const fn reads(self) -> bool {
        !matches!(self, Self::PythonSbom | Self::Rpm)
    }

    /// Whether a file that begins like this can be of its kind.
    #[must_use]
    pub fn takes(self, start: &[u8]) -> bool {
        self != Self::Program || start.starts_with(ELF_MAGIC)
    }

    /// The statements of the file at `path`; `None` where it makes none.
    #[must_use]
    pub fn read(self, path: &EntryPath, body: FileBody, budget: &Budget) -> Option<FileCatalog> {
        let one =
            |ecosystem, facts: Option<PackageFacts>| Some(FileCatalog::Packages(ecosystem, vec![facts?]));
        match self {
            Self::Archive => Some(match java::archive(path.file_name(), body, budget) {
                Ok(packages) => FileCatalog::Packages(Ecosystem::Java, packages),
                Err(why) => FileCatalog::Unread(why),
            }),
            Self::Pom => one(Ecosystem::Java, java::pom(body.bytes().unwrap_or_default())),
            Self::Node => one(Ecosystem::Node, node::package(body.bytes().unwrap_or_default())),
            Self::Python => one(Ecosystem::Python, python::distribution(&text(&body))),
            Self::PythonSbom => Some(FileCatalog::Attached),
            Self::Dpkg => Some(database(PackageDatabase::Dpkg, debian::packages(&text(&body)))),
            Self::DpkgPart => Some(match debian::packages(&text(&body)) {
                Some(packages) => FileCatalog::Packages(Ecosystem::Debian, packages),
                None => FileCatalog::Unread(TOO_MANY.to_owned()),
            }),
            Self::DpkgFiles => {
                let is_read =
                    |path: &EntryPath| Self::of_application(path, 0).is_some_and(|by| by != Self::Program);
                let owned = debian::owned(body.bytes().unwrap_or_default(), is_read);
                (!owned.is_empty()).then_some(FileCatalog::Owned(owned))
            }
            Self::Copyright => {
                let licences = debian::licences(&text(&body));
                (!licences.is_empty()).then_some(FileCatalog::Licences(licences))
            }
            Self::Apk => Some(database(PackageDatabase::Apk, alpine::packages(&text(&body)))),
            Self::System => OsRelease::parse(&text(&body)).map(FileCatalog::System),
            Self::Rpm => Some(FileCatalog::Unread(
                "it is a database of rpm, which is not read: its packages are unknown".to_owned(),
            )),
            Self::Program => {
                let program = elf::program(&body);
                let with_digest = |mut packages: Vec<PackageFacts>| {
                    if let Some(main) = packages.first_mut() {
                        main.digest = body.digest().ok();
                    }
                    packages
                };
                match program {
                    ProgramPackages::Go(packages) => {
                        Some(FileCatalog::Packages(Ecosystem::Go, with_digest(packages)))
                    }
                    ProgramPackages::Rust(packages) => {
                        Some(FileCatalog::Packages(Ecosystem::Cargo, packages))
                    }
                    ProgramPackages::Unread(why) => Some(FileCatalog::Unread(why.to_owned())),
                    ProgramPackages::Nothing => None,
                }
            }
        }
    }
}

/// The text of a file that is small.
fn text(body: &FileBody) -> Cow<'_, str> {
    String::from_utf8_lossy(body.bytes().unwrap_or_default())
}

fn database(kind: PackageDatabase, packages: Option<Vec<PackageFacts>>) -> FileCatalog {
    packages.map_or_else(
        || FileCatalog::Unread(TOO_MANY.to_owned()),
        |packages| FileCatalog::Database(kind, packages),
    )
}

impl FileCatalog {
    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn cost(&self) -> usize {
        match self {
            Self::Packages(_, packages) | Self::Database(_, packages) => {
                packages.iter().map(PackageFacts::cost).sum()
            }
            Self::Owned(paths) => paths.iter().map(|path| 32 + path.as_bytes().len()).sum(),
            Self::Licences(licences) => licences.iter().map(|licence| 32 + licence.len()).sum(),
            Self::System(_) | Self::Attached => 256,
            Self::Unread(why) => why.len(),
        }
    }
}

/// Whether a directory is `usr/share/doc/PACKAGE`.
fn is_in_doc(directory: &[u8]) -> bool {
    directory.strip_prefix(b"usr/share/doc/").is_some_and(|package| !package.contains(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_the_cataloguer_of_its_path() {
        for (path, mode, expected) in [
            ("var/lib/dpkg/status", 0o644, Some(Cataloguer::Dpkg)),
            ("var/lib/dpkg/status.d/base", 0o644, Some(Cataloguer::DpkgPart)),
            ("var/lib/dpkg/status.d/base.md5sums", 0o644, None),
            ("var/lib/dpkg/info/libc6:amd64.list", 0o644, Some(Cataloguer::DpkgFiles)),
            ("usr/share/doc/libc6/copyright", 0o644, Some(Cataloguer::Copyright)),
            ("usr/share/doc/libc6/deep/copyright", 0o644, None),
            ("lib/apk/db/installed", 0o644, Some(Cataloguer::Apk)),
            ("usr/lib/os-release", 0o644, Some(Cataloguer::System)),
            ("var/lib/rpm/rpmdb.sqlite", 0o644, Some(Cataloguer::Rpm)),
            ("srv/app.WAR", 0o644, Some(Cataloguer::Archive)),
            ("srv/META-INF/maven/a/b/pom.properties", 0o644, Some(Cataloguer::Pom)),
            ("app/node_modules/a/package.json", 0o644, Some(Cataloguer::Node)),
            ("x/a-1.dist-info/METADATA", 0o644, Some(Cataloguer::Python)),
            ("x/a-1.dist-info/sboms/a.cdx.json", 0o644, Some(Cataloguer::PythonSbom)),
            ("x/a.egg-info/PKG-INFO", 0o644, Some(Cataloguer::Python)),
            ("x/a-1.egg-info", 0o644, Some(Cataloguer::Python)),
            ("usr/bin/tool", 0o755, Some(Cataloguer::Program)),
            ("usr/lib/libx.so.1", 0o644, Some(Cataloguer::Program)),
            ("usr/share/text", 0o644, None),
        ] {
            assert_eq!(
                Cataloguer::of(&EntryPath::new(path.as_bytes()).expect("path"), mode),
                expected,
                "{path}"
            );
        }
    }
}
