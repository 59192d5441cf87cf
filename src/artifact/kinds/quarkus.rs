//! Quarkus applications as its build leaves them by default (fast-jar) and as ones that can be built again (mutable-jar): a
//! directory with `quarkus-run.jar`, which finds the rest beside it. Its other forms are jars: `uber-jar` an executable
//! one, `legacy-jar` a thin one; a native one is an ELF program.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::super::class_path;
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::groups::grouped;
use super::super::java::{self, java, unfit};
use super::super::kind::ArtifactKind;
use super::super::manifest::{JarManifest, MANIFEST, MAX_MANIFEST};
use super::super::material::Material;
use super::super::options::{AppOptions, AppRoot};
use super::super::placed;
use super::super::proposal::{Proposal, ProposedLayer, not_empty};
use super::super::requirement::{Requirements, Search};
use super::super::root::root_entry;
use super::super::words::count;
use crate::formats::zip::ZipArchive;
use crate::layer::scan::{FoundKind, Scanner, TreeItem, entries};
use crate::layer::{Entry, EntryPath};
use crate::oci::ConfigFile;
use crate::types::finding::Finding;
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// A Quarkus application.
pub(super) struct Quarkus;

/// The jar that starts it.
const RUN: &str = "quarkus-run.jar";

/// The record of the application that the build makes.
const RECORDED: &str = "quarkus/quarkus-application.dat";

/// Records of large applications have some 100 KiB.
const MAX_RECORD: u64 = 64 << 20;

/// Where it goes.
const ROOT: &[u8] = b"app";

const REBUILD: &str = "build the application again, and give the whole directory `quarkus-app`";

/// The change classes of its files, in layer order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum QuarkusGroup {
    Dependencies,
    Quarkus,
    Application,
}

impl QuarkusGroup {
    fn of(name: &[u8]) -> Self {
        match name {
            _ if name.starts_with(b"lib/") => Self::Dependencies,
            _ if name.starts_with(b"quarkus/") || name == RUN.as_bytes() => Self::Quarkus,
            b"quarkus-app-dependencies.txt" => Self::Quarkus,
            _ => Self::Application,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dependencies => "dependencies",
            Self::Quarkus => "quarkus",
            Self::Application => "application",
        }
    }

    fn why(self, files: usize) -> String {
        match self {
            Self::Dependencies => {
                format!("{} of `lib`, which change seldom", count(files, "library", "libraries"))
            }
            Self::Quarkus => format!("`{RUN}` and what Quarkus generated, {}", count(files, "file", "files")),
            Self::Application => {
                format!("{} of the application, which change most often", count(files, "file", "files"))
            }
        }
    }
}

impl ArtifactKind for Quarkus {
    fn name(&self) -> &'static str {
        "quarkus"
    }

    fn describe(&self) -> &'static str {
        "a Quarkus application"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::Directory).then_some("`quarkus-run.jar`")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        let is_one = glimpse.has_name(RUN) && glimpse.material().has_directory("lib/boot");
        Ok(is_one.then(|| {
            let form = match glimpse.material().has_directory("lib/deployment") {
                true => "a mutable jar, which can be built again in the image",
                false => "a fast jar",
            };
            vec![format!("It is a directory with `{RUN}` and `lib/boot/`: {form}.")]
        }))
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        let root = match &options.root {
            Some(root) => root.clone(),
            None => AppRoot::At(
                EntryPath::new(ROOT).map_err(|error| ArtifactError::BadName { name: error.to_string() })?,
            ),
        };
        check_class_path(material)?;
        check_complete(material)?;
        let found = scanner.scan(material.path(), &options.scan_options())?;
        let names = found.iter().map(|found| (found.relative(), found.kind == FoundKind::Directory));
        let mut layers = Vec::new();
        // Directories without files belong to the application: that of the user's own libraries counts when it is empty.
        for (group, members) in grouped(names, QuarkusGroup::of, &QuarkusGroup::Application) {
            let members: Vec<&TreeItem> =
                members.iter().filter_map(|(_, index)| Some(&found[(*index)?])).collect();
            let files = members.iter().filter(|found| found.kind != FoundKind::Directory).count();
            let mut all: Vec<Entry> = root_entry(&root, options).into_iter().collect();
            all.extend(entries(members, root.path(), &options.rules)?);
            layers.push(ProposedLayer {
                name: group.name().to_owned(),
                why: group.why(files),
                entries: all,
                is_divisible: group == QuarkusGroup::Dependencies,
            });
        }
        not_empty(material.path(), &layers)?;
        Ok(Proposal {
            layers,
            app_root: root.path().cloned(),
            entrypoint: Some(vec![java(base), "-jar".to_owned(), placed::absolute(&root, RUN)]),
            ..Proposal::default()
        })
    }

    /// The jars that the record of the build names are there. The application may start without one that it never uses.
    fn findings(&self, material: &Material, _: Search) -> Result<Vec<Finding>, ArtifactError> {
        const NAMED: usize = 5;
        let record = material.read(RECORDED, MAX_RECORD)?.unwrap_or_default();
        let gone = recorded(&record).into_iter().filter(|name| material.size_of(name).is_none());
        let gone: BTreeSet<&str> = gone.collect();
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let named: Vec<String> =
            gone.iter().take(NAMED).map(|name| format!("`{}`", shown(name.as_bytes()))).collect();
        let more = match gone.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let are = if gone.len() == 1 { "is" } else { "are" };
        let message = format!("`{RECORDED}` names {}{more}, which {are} not there", named.join(", "));
        Ok(vec![Finding::not_met(Rule::ModuleMissing, message).hint(REBUILD)])
    }

    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        _: Search,
        _: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        let mut version: Option<(u32, String)> = None;
        for jar in jars(material)? {
            let Some((java, class)) = java::newest_class(&ZipArchive::open(&jar)?, |_| true)? else {
                continue;
            };
            if version.as_ref().is_none_or(|(known, _)| *known < java) {
                let name = shown(jar.file_name().unwrap_or_default().as_encoded_bytes());
                version = Some((java, format!("`{}` in `app/{name}`", shown(&class))));
            }
        }
        Ok(java::requirements(material, options, version))
    }

    fn usual_base(&self, _: &Material) -> String {
        java::USUAL_BASE.to_owned()
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}

/// The jars in `app`, sorted; none where there is no such directory.
fn jars(material: &Material) -> Result<Vec<PathBuf>, ArtifactError> {
    let names = material.names_in("app")?;
    let jars =
        names.iter().filter(|name| Path::new(OsStr::from_bytes(name)).extension() == Some("jar".as_ref()));
    Ok(jars.filter_map(|name| material.file_on_disk(&[b"app/", &name[..]].concat())).collect())
}

/// Refuses an application that lacks what its start reads, besides the class path: the record of the build and its classes.
fn check_complete(material: &Material) -> Result<(), ArtifactError> {
    let missing = if material.size_of(RECORDED).is_none() {
        format!("`{RECORDED}`")
    } else if jars(material)?.is_empty() {
        "a jar in `app/`".to_owned()
    } else {
        return Ok(());
    };
    Err(unfit(
        material,
        format!("the build is not complete: it lacks {missing}, which its start reads"),
        REBUILD,
    ))
}

/// The jars that the record of a build names: texts of Java's `DataOutput`, each behind its length.
fn recorded(record: &[u8]) -> Vec<&str> {
    let jar = |at: usize| {
        let length: [u8; 2] = record.get(at.checked_sub(2)?..at)?.try_into().ok()?;
        let text = record.get(at..at + usize::from(u16::from_be_bytes(length)))?;
        let text = std::str::from_utf8(text).ok().filter(|text| text.ends_with(".jar"))?;
        text.split('/').all(|part| !matches!(part, "" | "." | "..")).then_some(text)
    };
    let places = ["lib/", "app/", "quarkus/"].iter();
    places.flat_map(|place| memchr::memmem::find_iter(record, place)).filter_map(jar).collect()
}

/// Refuses an application that lacks a library of the class path of the jar that starts it.
fn check_class_path(material: &Material) -> Result<(), ArtifactError> {
    let run = material.file_on_disk(RUN.as_bytes());
    let archive = ZipArchive::open(&run.ok_or_else(|| {
        unfit(material, format!("`{RUN}` in it is no file, or a link that leads out of it"), REBUILD)
    })?)?;
    let manifest = match archive.position(MANIFEST.as_bytes()) {
        Some(index) => JarManifest::read(archive.path(), &archive.read(index, MAX_MANIFEST)?)?,
        None => JarManifest::default(),
    };
    if manifest.text("Main-Class").is_none() {
        return Err(unfit(material, format!("`{RUN}` in it has no main class"), REBUILD));
    }
    for name in class_path::named(&manifest) {
        if material.size_of(name).is_none() {
            let why =
                format!("the class path of `{RUN}` has `{}`, which is not there", shown(name.as_bytes()));
            return Err(unfit(material, why, REBUILD));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_its_jars() {
        let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
        let names =
            ["lib/main/a.b-1.jar", "app/shop.jar", "lib/main/x.txt", "lib/../../x.jar", "see lib/y.jar"];
        let record: Vec<u8> = names.iter().flat_map(|name| text(name)).chain(*b"lib/main/cut.jar").collect();
        assert_eq!(recorded(&record), ["lib/main/a.b-1.jar", "app/shop.jar"]);
        for length in 0..record.len() {
            let _ = recorded(&record[..length]);
        }
    }
}
