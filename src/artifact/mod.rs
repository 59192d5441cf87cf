//! Artifacts: what a path on disk is, and what it becomes in an image.
//!
//! [`detect()`] says what a path is, from its content and never from its name alone; [`propose`] says what goes
//! where and why; [`requirements`] says what the image must have for it to run. Each kind of artifact is one file below `kinds/` and one line in the table of `kinds.rs`.
//!
//! Invariants: a proposal is a pure function of the artifact's content, the options and the base's
//! configuration; its entries are sorted, below the application's root, and without the directories above it.
//! Nothing here compresses, writes or asks a network.

mod boot;
mod class_path;
mod detect;
mod directory;
mod elf;
mod error;
mod find;
#[cfg(test)]
pub(crate) mod fixture;
mod form;
mod found_tree;
mod glimpse;
mod groups;
mod interpreted;
mod jar_surroundings;
mod java;
mod java_words;
mod kind;
mod kinds;
mod lfs;
mod loaded;
mod manifest;
mod material;
mod native;
mod node_flags;
mod options;
mod package_json;
mod placed;
mod proposal;
pub mod requirement;
mod root;
mod uninstalled;
mod unpacked;
mod version;
mod whole_jar;
mod words;

pub use detect::{Artifact, check_supported, detect, detect_as, findings, propose, requirements};
pub use find::{before_pattern, find, fits_beginning};
pub use form::Form;
pub use interpreted::{Interpreted, interpreted};
pub use java_words::{JavaRun, java_options_change_classes};
pub use kind::ArtifactKind;
pub use kinds::{KINDS, kind_named};
pub use loaded::requirements_of_program;
pub use manifest::JarManifest;
pub use node_flags::node_options_change_modules;
pub use options::{AppOptions, AppRoot, ArtifactLayout, StartWay};
pub use proposal::Proposal;
pub use requirement::{
    KeptFact, Libraries, NodeModules, PythonNeeds, Requirement, Requirements, Search, ServletUse,
};
pub use version::{Version, version};

#[cfg(test)]
mod tests;
