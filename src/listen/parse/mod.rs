//! Messages of registries and of `pack`, as notices.

mod body;
mod docker_hub;
mod docker_registry;
mod harbor;
mod own;
mod table;

pub use table::{SourceKind, parse};
