//! Commands about many members of a workspace: which they are, and what is done for all of them in one run.

mod build;
mod chosen;
mod plan;
mod results;
mod share;
mod told;
mod update;

pub(super) use build::run as build;
pub(super) use plan::{check, plan};
pub(super) use share::{MOST_RESULTS, read_results};
pub(super) use update::run as update;
