//! The directory around a jar, where that is the artifact: the jar alone would not start.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::error::ArtifactError;
use super::java::unfit;
use super::material::Material;
use crate::runtime::tree_reader::TreeReader;
use crate::types::shown::shown_path;

/// The class that starts a Quarkus application, from a record beside its jar.
const OF_QUARKUS: &str = "io.quarkus.bootstrap.runner.QuarkusEntryPoint";

/// The record.
const RECORDED: &str = "quarkus/quarkus-application.dat";

/// So many entries of a directory are looked at.
const MOST_ENTRIES: usize = 1000;

/// Refuses a jar that starts the application of its directory, and finds the rest there.
pub(super) fn check_whole(material: &Material) -> Result<(), ArtifactError> {
    let main = material.manifest()?.and_then(|manifest| manifest.text("Main-Class"));
    let Some(directory) = above(material.path()) else { return Ok(()) };
    if main != Some(OF_QUARKUS) && !directory.join(RECORDED).is_file() {
        return Ok(());
    }
    let why = "it starts the Quarkus application around it, which it needs beside it";
    Err(unfit(material, why, &format!("give the whole directory: `{}`", shown_path(&directory))))
}

/// The distribution that has this jar in its `lib`, with others: its start script gives them all to Java.
pub(super) fn distribution_of(jar: &Path) -> Option<PathBuf> {
    let libraries = above(jar)?;
    let distribution = above(&libraries)?;
    let is_lib = std::fs::canonicalize(&libraries).is_ok_and(|path| path.ends_with("lib"));
    let tree = TreeReader::new(&distribution);
    let names = |tree: TreeReader<'_>, directory: &str| {
        tree.names(directory).unwrap_or_default().into_iter().take(MOST_ENTRIES)
    };
    let is_script = |name: OsString| {
        let mut start = [0; 2];
        let path = Path::new("bin").join(name);
        tree.open(path).is_ok_and(|(mut file, _)| file.read_exact(&mut start).is_ok()) && start == *b"#!"
    };
    let is_other_jar = |name: OsString| {
        Path::new(&name).extension().is_some_and(|extension| extension == "jar")
            && Some(name.as_os_str()) != jar.file_name()
    };
    let has_others = is_lib && names(TreeReader::new(&libraries), "").any(is_other_jar);
    let is_one = has_others && names(tree, "bin").any(is_script);
    is_one.then_some(distribution)
}

fn above(path: &Path) -> Option<PathBuf> {
    match path.parent()? {
        parent if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent if parent == Path::new(".") || parent.ends_with("..") => Some(parent.join("..")),
        parent => Some(parent.to_owned()),
    }
}
