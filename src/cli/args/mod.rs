//! The command line of the user: the one definition behind the parser, the help, the manual and the completions.
//!
//! Values are checked here only where a core type does it (platforms, repositories, numbers). An argument with a
//! grammar of its own, such as a base or `--set`, stays text: the module that owns the grammar reads it, and says
//! whether a flag or `build.toml` was wrong.
//!
//! One file for each command, or for a group of flags that several have; the table of commands is in `command`, and
//! what holds for all of them is tested in `tests`.

mod attach;
mod attest;
mod build;
mod cache;
mod check;
mod command;
mod copy;
mod deps;
mod descriptors;
mod diff;
mod doctor;
mod events;
mod files;
mod format;
mod global;
mod history;
mod image;
mod init;
mod inspect;
mod key;
mod line;
mod listen;
mod login;
mod merge;
mod output;
mod password;
mod places;
mod plan;
mod policy;
mod rebase;
mod registries;
mod release;
mod render;
mod resolve;
mod retag;
mod sbom;
mod schema;
mod serve;
mod shards;
mod sign;
mod stored;
mod tag;
mod update;
mod values;
mod verify;
mod workspace;

pub use attach::{AttachArgs, ReferrersArgs};
pub use attest::{AttestArgs, AttestPlaceArg};
pub use build::BuildArgs;
pub use cache::{CacheCommand, PruneArgs};
pub use check::{CheckArgs, CheckFormat};
pub use command::Command;
pub use copy::CopyArgs;
pub use deps::DepsArgs;
pub use descriptors::DescriptorArgs;
pub use diff::DiffArgs;
pub use doctor::DoctorArgs;
pub use events::EventsCommand;
pub use files::FileArgs;
pub use format::OutputFormat;
pub use global::Global;
pub use history::HistoryArgs;
pub use image::ImageArgs;
pub use init::InitArgs;
pub use inspect::InspectArgs;
pub use key::{GenerateArgs, KeyCommand, PublicArgs};
pub use line::Cli;
pub use listen::ListenArgs;
pub use login::{LoginArgs, LogoutArgs};
pub use merge::MergeArgs;
pub use output::ManArgs;
pub use password::PasswordArgs;
pub use plan::PlanArgs;
pub use rebase::RebaseArgs;
pub use registries::RegistryArgs;
pub use release::{PromoteArgs, ReleaseFlags, ReleasesArgs, RollbackArgs};
pub use render::RenderArgs;
pub use resolve::ResolveArgs;
pub use sbom::{SbomArgs, SbomFormat};
pub use schema::SchemaArgs;
pub use serve::ServeArgs;
pub use sign::{SignArgs, SignatureFormatArg};
pub use stored::{ImagesArgs, RmArgs};
pub use tag::TagArgs;
pub use update::UpdateArgs;
pub use values::ValueFault;
pub use verify::{Perturbation, VerifyArgs};
pub use workspace::WorkspaceArgs;

#[cfg(test)]
mod tests;
