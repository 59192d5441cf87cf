//! The table of kinds. To add one, write its file below `kinds/`, name it here, and document it in `docs/build-toml.md`.

mod distribution;
mod elf;
mod executable_jar;
mod jar;
mod node;
mod python;
mod quarkus;
mod site;
mod spring_boot;
mod tree;
mod war;

use super::kind::ArtifactKind;

/// All kinds, the surest signs first: what a path is, is the first kind that recognises it.
pub static KINDS: &[&dyn ArtifactKind] = &[
    &elf::Elf,
    &war::War,
    &spring_boot::SpringBoot,
    &jar::Jar,
    &executable_jar::ExecutableJar,
    &quarkus::Quarkus,
    &distribution::Distribution,
    &python::Python,
    &node::NodeApp,
    &site::Site,
    &tree::DirectoryTree,
];

/// The kind of this name.
#[must_use]
pub fn kind_named(name: &str) -> Option<&'static dyn ArtifactKind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
