//! The requirements of an image on a new base.

use std::path::PathBuf;

use crate::artifact::{KeptFact, Requirement, Requirements, requirements_of_program};
use crate::bases::{BaseAnswer, FileTree, Overlay, container, follow, java_major};
use crate::layer::Account;
use crate::oci::ConfigFile;
use crate::project::lock::SystemFacts;
use crate::types::error::BoxedError;
use crate::types::platform::Platform;

/// So many programs of an image's own layers are checked.
const MAX_PROGRAMS: usize = 1000;

/// The facts of the old base that the image's layers may rely on. `system` are those of its layers.
pub(super) fn kept(old: &ConfigFile, system: Option<&SystemFacts>) -> Vec<Requirement> {
    let java = old.env("JAVA_VERSION").and_then(java_major).or_else(|| system.and_then(|system| system.java));
    let libc = KeptFact::Libc(system.map(|system| system.libc.clone()));
    let facts = [Some(libc), java.map(KeptFact::Java), container(old).map(KeptFact::Container)];
    facts.into_iter().flatten().map(Requirement::Kept).collect()
}

/// The program that the image starts by words of its own, which the new base may have to bring.
pub(super) fn started(
    image: &ConfigFile,
    old: &ConfigFile,
    new: &ConfigFile,
    name: String,
) -> Option<Requirements> {
    let run = image.config.as_ref()?;
    let entrypoint = |config: &ConfigFile| config.config.as_ref().and_then(|run| run.entrypoint.clone());
    let cmd = |config: &ConfigFile| config.config.as_ref().and_then(|run| run.cmd.clone());
    // Words that equal the old base's are the base's.
    let own_entrypoint = run.entrypoint.as_ref().filter(|words| entrypoint(old).as_ref() != Some(*words));
    let is_kept = own_entrypoint.is_none() && entrypoint(new).is_some_and(|words| !words.is_empty());
    let own_cmd = run.cmd.as_ref().filter(|words| !is_kept && cmd(old).as_ref() != Some(*words));
    let words = own_entrypoint.filter(|words| !words.is_empty()).or(own_cmd)?;
    let program = Requirement::Executable { name: words.first()?.clone(), home: None };
    Some(Requirements { artifact: PathBuf::from(name), all: vec![program] })
}

/// Directories in which images have their applications, and no base has its programs.
const OF_APPLICATIONS: [&str; 5] = ["/app/", "/srv/", "/home/", "/workspace/", "/deployments/"];

/// That program, unless it is one of the image's own files, whose layers are not read.
///
/// # Errors
/// When a layer cannot be read.
pub(super) fn of_base<T: FileTree>(
    started: Option<Requirements>,
    old: &mut T,
) -> Result<Option<Requirements>, BoxedError> {
    let path = started.iter().flat_map(|started| &started.all).find_map(|requirement| match requirement {
        Requirement::Executable { name, .. } if name.starts_with('/') => Some(name.clone()),
        _ => None,
    });
    let Some(path) = path else { return Ok(started) };
    let is_own = match follow(old, path.as_bytes())? {
        BaseAnswer::Here(_) => false,
        BaseAnswer::Nothing => true,
        BaseAnswer::Unknown => OF_APPLICATIONS.iter().any(|start| path.starts_with(start)),
    };
    Ok(started.filter(|_| !is_own))
}

/// The requirements that the image states itself: its user, and the programs in its own layers.
pub(super) fn stated<B>(
    image: &ConfigFile,
    layers: &Overlay<'_, B>,
    platform: &Platform,
) -> Vec<Requirements> {
    let user = image.config.as_ref().map_or("", |run| run.user.as_str());
    let accounts = Account::named_in(user).into_iter().map(Requirement::Account).collect();
    let of_user = Requirements { artifact: PathBuf::from("config.user"), all: accounts };
    let programs = layers.own_programs().filter(|(_, dynamic)| dynamic.interpreter.is_some());
    let of_programs = programs.take(MAX_PROGRAMS).map(|(path, dynamic)| Requirements {
        artifact: PathBuf::from(path.to_string()),
        all: requirements_of_program(path, dynamic, platform),
    });
    std::iter::once(of_user).chain(of_programs).collect()
}
