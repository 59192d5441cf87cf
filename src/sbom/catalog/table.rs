//! Which cataloguer reads which file.

use std::borrow::Cow;

use super::digests::{CatalogDraft, DigestQueue, PendingDigest};
use super::elf::{self, ProgramPackages};
use super::file_body::{FileBody, MAX_MEMORY};
use super::file_catalog::{FileCatalog, PackageDatabase};
use super::os_release::OsRelease;
use super::{alpine, debian, java, node, node_lock, python, rpm};
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

/// Where databases of rpm lie.
const RPM_DIRECTORIES: [&[u8]; 3] = [b"var/lib/rpm", b"usr/lib/sysimage/rpm", b"usr/share/rpm"];
/// Their names, and those of the changes that SQLite has not put into them yet.
const RPM_DATABASES: [&[u8]; 3] = [b"rpmdb.sqlite", b"Packages.db", b"Packages"];
const RPM_JOURNALS: [&[u8]; 2] = [b"rpmdb.sqlite-wal", b"rpmdb.sqlite-journal"];

/// The reader of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cataloguer {
    /// Java archives.
    Archive,
    /// `pom.properties` in a jar that was unpacked.
    Pom,
    /// `package.json`.
    Node,
    /// A lock of npm.
    NodeLock,
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
    /// Changes of a database of rpm that are not in it yet.
    RpmJournal,
    /// ELF files.
    Program,
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
            _ if RPM_DIRECTORIES.contains(&directory) && RPM_DATABASES.contains(&name) => Self::Rpm,
            _ if RPM_DIRECTORIES.contains(&directory) && RPM_JOURNALS.contains(&name) => Self::RpmJournal,
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
            _ if node_lock::is_lock(path) => Self::NodeLock,
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
            Self::Archive | Self::Program | Self::Rpm => MAX_BINARY,
            Self::NodeLock => node_lock::MAX_LOCK,
            // An empty one says that the database has all.
            Self::RpmJournal => 0,
            // It is not read.
            Self::PythonSbom => u64::MAX,
            _ => MAX_TEXT,
        }
    }

    /// The statements of a file that is larger than that.
    #[must_use]
    pub fn too_large(self) -> FileCatalog {
        FileCatalog::Unread(match self {
            // All packages are known without it.
            Self::NodeLock => return FileCatalog::Lock(Vec::new()),
            Self::RpmJournal => {
                "it has changes that the database of rpm may lack, and is not read".to_owned()
            }
            _ => "it is larger than any that is read".to_owned(),
        })
    }

    /// Whether it reads the file's content at all.
    #[must_use]
    pub const fn reads(self) -> bool {
        !matches!(self, Self::PythonSbom | Self::RpmJournal)
    }

    /// Whether a file that begins like this can be of its kind.
    #[must_use]
    pub fn takes(self, start: &[u8]) -> bool {
        self != Self::Program || start.starts_with(ELF_MAGIC)
    }

    /// The statements of the file at `path`, whose digests `queue` computes; `None` where it makes none.
    #[must_use]
    pub fn read(
        self,
        path: &EntryPath,
        body: FileBody,
        budget: &Budget,
        queue: &mut DigestQueue<'_>,
    ) -> Option<CatalogDraft> {
        match self {
            Self::Archive => Some(match java::archive(path.file_name(), body, budget, queue) {
                Ok((packages, pending)) => {
                    CatalogDraft { catalog: FileCatalog::Packages(Ecosystem::Java, packages), pending }
                }
                Err(why) => FileCatalog::Unread(why).into(),
            }),
            Self::Program => program(body, queue),
            _ => self.read_text(&body, budget).map(CatalogDraft::from),
        }
    }

    /// The statements of a file that has no digest of its own.
    fn read_text(self, body: &FileBody, budget: &Budget) -> Option<FileCatalog> {
        let one =
            |ecosystem, facts: Option<PackageFacts>| Some(FileCatalog::Packages(ecosystem, vec![facts?]));
        match self {
            Self::Archive | Self::Program => None,
            Self::Pom => one(Ecosystem::Java, java::pom(body.bytes().unwrap_or_default())),
            Self::Node => {
                // One that describes no package still lies where Node.js finds it.
                let package = node::package(body.bytes().unwrap_or_default());
                Some(FileCatalog::Packages(Ecosystem::Node, package.into_iter().collect()))
            }
            Self::NodeLock => Some(FileCatalog::Lock(node_lock::packages(body.bytes().unwrap_or_default()))),
            Self::Python => one(Ecosystem::Python, python::distribution(&text(body))),
            Self::PythonSbom => Some(FileCatalog::Attached),
            Self::Dpkg => Some(database(PackageDatabase::Dpkg, debian::packages(&text(body)))),
            Self::DpkgPart => Some(match debian::packages(&text(body)) {
                Some(packages) => FileCatalog::Packages(Ecosystem::Debian, packages),
                None => FileCatalog::Unread(TOO_MANY.to_owned()),
            }),
            Self::DpkgFiles => {
                let owned = debian::owned(body.bytes().unwrap_or_default(), is_read_of_system);
                (!owned.is_empty()).then_some(FileCatalog::Owned(owned))
            }
            Self::Copyright => {
                let licences = debian::licences(&text(body));
                (!licences.is_empty()).then_some(FileCatalog::Licences(licences))
            }
            Self::Apk => Some(database(PackageDatabase::Apk, alpine::packages(&text(body)))),
            Self::System => OsRelease::parse(&text(body)).map(FileCatalog::System),
            Self::Rpm => Some(match rpm::database(body, is_read_of_system, budget) {
                Ok(found) => FileCatalog::Database(PackageDatabase::Rpm, found.packages, found.owned),
                Err(why) => FileCatalog::Unread(why.to_string()),
            }),
            Self::RpmJournal => None,
        }
    }
}

/// The packages that a program is linked with; its digest is that of the first one of Go.
fn program(body: FileBody, queue: &mut DigestQueue<'_>) -> Option<CatalogDraft> {
    match elf::program(&body) {
        ProgramPackages::Go(packages) => {
            let size = body.size().unwrap_or_default();
            let held = queue.hold(FileBody::memory(size));
            let ticket = queue.add(size, move || {
                let _held = held;
                body.digest()
            });
            let pending = vec![PendingDigest { package: 0, ticket }];
            Some(CatalogDraft { catalog: FileCatalog::Packages(Ecosystem::Go, packages), pending })
        }
        ProgramPackages::Rust(packages) => Some(FileCatalog::Packages(Ecosystem::Cargo, packages).into()),
        ProgramPackages::Unread(why) => Some(FileCatalog::Unread(why.to_owned()).into()),
        ProgramPackages::Nothing => None,
    }
}

/// Whether a file of a system's package is one that a cataloguer reads for its name.
fn is_read_of_system(path: &EntryPath) -> bool {
    Cataloguer::of_application(path, 0).is_some_and(|by| by != Cataloguer::Program)
}

/// The text of a file that is small.
fn text(body: &FileBody) -> Cow<'_, str> {
    String::from_utf8_lossy(body.bytes().unwrap_or_default())
}

fn database(kind: PackageDatabase, packages: Option<Vec<PackageFacts>>) -> FileCatalog {
    packages.map_or_else(
        || FileCatalog::Unread(TOO_MANY.to_owned()),
        |packages| FileCatalog::Database(kind, packages, Vec::new()),
    )
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
            ("usr/lib/sysimage/rpm/Packages.db", 0o644, Some(Cataloguer::Rpm)),
            ("usr/share/rpm/rpmdb.sqlite-wal", 0o644, Some(Cataloguer::RpmJournal)),
            ("srv/rpmdb.sqlite", 0o644, None),
            ("srv/app.WAR", 0o644, Some(Cataloguer::Archive)),
            ("srv/META-INF/maven/a/b/pom.properties", 0o644, Some(Cataloguer::Pom)),
            ("app/node_modules/a/package.json", 0o644, Some(Cataloguer::Node)),
            ("app/package-lock.json", 0o644, Some(Cataloguer::NodeLock)),
            ("app/node_modules/.package-lock.json", 0o644, Some(Cataloguer::NodeLock)),
            ("app/node_modules/a/test/package-lock.json", 0o644, None),
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
