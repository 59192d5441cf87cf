//! The requirements of an image on a new base.

use std::path::PathBuf;

use crate::artifact::{KeptFact, Requirement, Requirements, requirements_of_program};
use crate::bases::{Overlay, container, java_major};
use crate::layer::Account;
use crate::oci::ConfigFile;
use crate::project::lock::SystemFacts;
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
