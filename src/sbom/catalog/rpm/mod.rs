//! RPM packages: the headers in `rpmdb.sqlite`, or in `Packages.db` of rpm's own form.
//!
//! A database is read twice where packages need files: then the packages that have these files provide them.

mod error;
#[cfg(any(test, feature = "testing"))]
pub(super) mod fixture;
mod header;
mod ndb;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use header::{RpmHeader, tag};

pub use error::RpmDatabaseError;

use super::file_body::FileBody;
use super::header::{MAX_PACKAGES, MOST_NAMES};
use super::text::{licence, word};
use crate::formats::sqlite::{SQLITE_MAGIC, SqliteError, SqliteFile, SqliteValue, columns};
use crate::layer::EntryPath;
use crate::runtime::budget::Budget;
use crate::sbom::package::PackageFacts;

/// The largest header that is read: those of packages with 100,000 files have less.
const MAX_HEADER: u64 = 24 << 20;
/// The most directories of a package.
const MAX_DIRECTORIES: usize = 200_000;
/// So many bytes of a header are a step: their work is a few times that of copying them.
const STEP: usize = 128;
/// The table of a database of SQLite.
const TABLE: &str = "Packages";
/// Where Berkeley DB has the mark of a hash table, in either order of bytes.
const BERKELEY: (usize, [[u8; 4]; 2]) = (12, [[0, 0x06, 0x15, 0x61], [0x61, 0x15, 0x06, 0]]);

/// The statements of a database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RpmDatabase {
    /// The packages that are installed.
    pub packages: Vec<PackageFacts>,
    /// Their files that a cataloguer reads.
    pub owned: Vec<EntryPath>,
}

/// Files that packages need: directories by names of files.
type NeededFiles = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;

/// The packages in the database in `body`; `is_read` says which files a cataloguer reads.
pub(super) fn database(
    body: &FileBody,
    is_read: impl Fn(&EntryPath) -> bool,
    budget: &Budget,
) -> Result<RpmDatabase, RpmDatabaseError> {
    let mut database = RpmDatabase::default();
    let mut memory = 0;
    each_package(body, budget, &mut |header| {
        let facts = package(header)?;
        memory += facts.cost();
        for path in owned(header, &is_read, budget)? {
            memory += 32 + path.as_bytes().len();
            database.owned.push(path);
        }
        database.packages.push(facts);
        if memory > MAX_PACKAGES { Err(RpmDatabaseError::TooMany) } else { Ok(()) }
    })?;
    let needed = needed_files(&database.packages);
    if !needed.is_empty() {
        let mut packages = database.packages.iter_mut();
        each_package(body, budget, &mut |header| {
            if let Some(facts) = packages.next() {
                facts.provides.extend(provided_files(header, &needed));
            }
            Ok(())
        })?;
    }
    Ok(database)
}

/// Passes each header of a package to `take`, in the order of the database.
fn each_package(
    body: &FileBody,
    budget: &Budget,
    take: &mut dyn FnMut(&RpmHeader<'_>) -> Result<(), RpmDatabaseError>,
) -> Result<(), RpmDatabaseError> {
    each_header(body, budget, &mut |blob| {
        budget.step(1 + blob.len() / STEP)?;
        let header = RpmHeader::parse(blob).ok_or(RpmDatabaseError::Damaged("a header has other sizes"))?;
        // A key that packages are checked with is kept as a package without files.
        if header.text(tag::NAME) == Some("gpg-pubkey") { Ok(()) } else { take(&header) }
    })
}

fn each_header(
    body: &FileBody,
    budget: &Budget,
    take: &mut dyn FnMut(&[u8]) -> Result<(), RpmDatabaseError>,
) -> Result<(), RpmDatabaseError> {
    let size = body.size()?;
    let read = |offset: u64, buffer: &mut [u8]| -> io::Result<()> { body.read_exact_at(buffer, offset) };
    let mut start = [0; 16];
    if size < start.len() as u64 {
        return Err(RpmDatabaseError::Unknown);
    }
    read(0, &mut start)?;
    let (place, marks) = BERKELEY;
    if start == *SQLITE_MAGIC {
        let mut file = SqliteFile::open(size, MAX_HEADER, &read, budget)?;
        file.rows(TABLE, &mut |row| match columns(row)?.get(1) {
            Some(SqliteValue::Blob(blob)) => take(blob),
            _ => Err(SqliteError::Damaged("a package has no header").into()),
        })
    } else if start.starts_with(ndb::NDB_MAGIC) {
        ndb::headers(size, MAX_HEADER, &read, budget, take)
    } else if marks.iter().any(|mark| start[place..] == *mark) {
        Err(RpmDatabaseError::Berkeley)
    } else {
        Err(RpmDatabaseError::Unknown)
    }
}

fn package(header: &RpmHeader<'_>) -> Result<PackageFacts, RpmDatabaseError> {
    let text = |tag| header.text(tag).map(word).unwrap_or_default();
    let (name, version, release) = (text(tag::NAME), text(tag::VERSION), text(tag::RELEASE));
    if name.is_empty() || version.is_empty() || release.is_empty() {
        return Err(RpmDatabaseError::Damaged("a package has no name, version or release"));
    }
    let epoch = header.numbers(tag::EPOCH).next().map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let property = |name: &str, tag| {
        let value = text(tag);
        (!value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    let properties = [property("rpm:vendor", tag::VENDOR), property("rpm:modularity", tag::MODULARITY_LABEL)];
    Ok(PackageFacts {
        licences: header.text(tag::LICENSE).and_then(licence).into_iter().collect(),
        architecture: text(tag::ARCH).to_owned(),
        source: text(tag::SOURCE_RPM).to_owned(),
        properties: properties.into_iter().flatten().collect(),
        requires: names(header, tag::REQUIRE_NAME),
        provides: names(header, tag::PROVIDE_NAME),
        ..PackageFacts::new("", name, format!("{epoch}{version}-{release}"))
    })
}

/// The names of a tag, once each: without those of rpm's own abilities, and without conditions, which begin with a parenthesis.
fn names(header: &RpmHeader<'_>, tag: u32) -> Vec<String> {
    let texts = header.texts(tag).filter_map(|text| std::str::from_utf8(text).ok()).map(word);
    let names = texts
        .filter(|name| !name.is_empty() && !name.starts_with(['(', ' ']) && !name.starts_with("rpmlib("));
    let names: BTreeSet<&str> = names.take(MOST_NAMES).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// The files of a package: directory, with a slash at its end, and name.
fn files<'a>(header: &RpmHeader<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let directories: Vec<&[u8]> = header.texts(tag::DIR_NAMES).take(MAX_DIRECTORIES).collect();
    let names = header.texts(tag::BASE_NAMES);
    header
        .numbers(tag::DIR_INDEXES)
        .zip(names)
        .filter_map(move |(index, name)| Some((*directories.get(usize::try_from(index).ok()?)?, name)))
}

/// The files of a package that a cataloguer reads.
fn owned(
    header: &RpmHeader<'_>,
    is_read: impl Fn(&EntryPath) -> bool,
    budget: &Budget,
) -> Result<Vec<EntryPath>, RpmDatabaseError> {
    let mut owned = Vec::new();
    for (directory, name) in files(header) {
        budget.step(1 + (directory.len() + name.len()) / STEP)?;
        let path = [directory, name].concat();
        owned.extend(EntryPath::new(&path).ok().filter(&is_read));
    }
    Ok(owned)
}

/// The files that packages need by their paths.
fn needed_files(packages: &[PackageFacts]) -> NeededFiles {
    let mut needed = NeededFiles::new();
    for path in packages.iter().flat_map(|facts| &facts.requires) {
        if let Some((directory, name)) = path.starts_with('/').then(|| path.rsplit_once('/')).flatten() {
            needed.entry(name.as_bytes().to_vec()).or_default().insert(format!("{directory}/").into_bytes());
        }
    }
    needed
}

/// The paths of a package's files that others need.
fn provided_files(header: &RpmHeader<'_>, needed: &NeededFiles) -> Vec<String> {
    let is_needed = |(directory, name): &(&[u8], &[u8])| {
        needed.get(*name).is_some_and(|found| found.contains(*directory))
    };
    let found = files(header).filter(is_needed).map(|(directory, name)| [directory, name].concat());
    let found: BTreeSet<String> = found.filter_map(|path| String::from_utf8(path).ok()).collect();
    found.into_iter().collect()
}
