//! Executable Spring Boot archives: their structure as the manifest tells it, and the layouts that they can have in an image.

mod exploded;
mod extracted;
mod layers;
mod layout;
mod main_class;
mod start;
mod structure;

pub(super) use layout::{propose, requirements};
pub(super) use structure::BootStructure;
