//! Commands about many members of a workspace: which they are, and what is done for all of them in one run.

mod build;
mod chosen;
mod outputs;
mod plan;
mod told;
mod update;

pub(super) use build::run as build;
pub(super) use plan::{check, plan};
pub(super) use update::run as update;
