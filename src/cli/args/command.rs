//! The table of commands. The action of each and its help stand at its arguments.

use clap::Subcommand;

use super::build::BuildArgs;
use super::cache::CacheArgs;
use super::copy::CopyArgs;
use super::diff::DiffArgs;
use super::doctor::DoctorArgs;
use super::format::OutputFormat;
use super::history::HistoryArgs;
use super::init::InitArgs;
use super::inspect::InspectArgs;
use super::login::{LoginArgs, LogoutArgs};
use super::output::{CompletionsArgs, ManArgs};
use super::plan::PlanArgs;
use super::rebase::RebaseArgs;
use super::registries::RegistryArgs;
use super::stored::{ImagesArgs, RmArgs};
use super::tag::TagArgs;
use super::update::UpdateArgs;
use super::verify::VerifyArgs;

/// The commands.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "what each does stands at its arguments")]
pub enum Command {
    Build(BuildArgs),
    Plan(PlanArgs),
    Update(UpdateArgs),
    Init(InitArgs),
    Inspect(InspectArgs),
    History(HistoryArgs),
    Verify(VerifyArgs),
    Images(ImagesArgs),
    Rm(RmArgs),
    Copy(CopyArgs),
    Tag(TagArgs),
    Diff(DiffArgs),
    Rebase(RebaseArgs),
    Login(LoginArgs),
    Logout(LogoutArgs),
    Doctor(DoctorArgs),
    Cache(CacheArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Flags that several commands have.
#[derive(Clone, Copy)]
struct SharedFlags<'a> {
    format: Option<OutputFormat>,
    registries: Option<&'a RegistryArgs>,
}

impl Command {
    /// The flags of this command that others have, too.
    const fn shared(&self) -> SharedFlags<'_> {
        let (format, registries) = match self {
            Self::Build(args) => (Some(args.format), Some(&args.image.registries)),
            Self::Plan(args) => (Some(args.format), Some(&args.image.registries)),
            Self::Update(args) => (Some(args.format), Some(&args.registries)),
            Self::Inspect(args) => (Some(args.format), Some(&args.registries)),
            Self::History(args) => (Some(args.format), Some(&args.registries)),
            Self::Verify(args) => (Some(args.format), Some(&args.registries)),
            Self::Copy(args) => (Some(args.format), Some(&args.registries)),
            Self::Diff(args) => (Some(args.format), Some(&args.registries)),
            Self::Rebase(args) => (Some(args.format), Some(&args.registries)),
            Self::Tag(args) => (Some(args.format), Some(&args.registries)),
            Self::Login(args) => (Some(args.format), Some(&args.registries)),
            Self::Doctor(args) => (Some(args.format), Some(&args.registries)),
            Self::Images(args) => (Some(args.format), None),
            Self::Rm(args) => (Some(args.format), None),
            Self::Logout(args) => (Some(args.format), None),
            Self::Cache(args) => (Some(args.command.format()), None),
            Self::Init(_) | Self::Completions(_) | Self::Man(_) => (None, None),
        };
        SharedFlags { format, registries }
    }

    /// Whether results are asked for as JSON.
    #[must_use]
    pub const fn json(&self) -> bool {
        matches!(self.shared().format, Some(OutputFormat { json: true }))
    }

    /// How registries are to be reached; `None` for commands that reach none.
    #[must_use]
    pub const fn registries(&self) -> Option<&RegistryArgs> {
        self.shared().registries
    }
}
