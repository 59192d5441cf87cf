//! The table of commands. The action of each and its help stand at its arguments.

use clap::Subcommand;

use super::attach::{AttachArgs, ReferrersArgs};
use super::build::BuildArgs;
use super::cache::CacheArgs;
use super::check::CheckArgs;
use super::copy::CopyArgs;
use super::deps::DepsArgs;
use super::diff::DiffArgs;
use super::doctor::DoctorArgs;
use super::events::{EventsArgs, EventsCommand};
use super::history::HistoryArgs;
use super::init::InitArgs;
use super::inspect::InspectArgs;
use super::key::KeyArgs;
use super::listen::ListenArgs;
use super::login::{LoginArgs, LogoutArgs};
use super::merge::MergeArgs;
use super::output::{CompletionsArgs, ManArgs};
use super::plan::PlanArgs;
use super::rebase::RebaseArgs;
use super::registries::RegistryArgs;
use super::release::{PromoteArgs, ReleasesArgs, RollbackArgs};
use super::render::RenderArgs;
use super::resolve::ResolveArgs;
use super::sbom::SbomArgs;
use super::schema::SchemaArgs;
use super::serve::ServeArgs;
use super::sign::SignArgs;
use super::stored::{ImagesArgs, RmArgs};
use super::tag::TagArgs;
use super::update::UpdateArgs;
use super::verify::VerifyArgs;

/// The commands.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "what each does stands at its arguments")]
pub enum Command {
    Build(Box<BuildArgs>),
    Plan(PlanArgs),
    Check(CheckArgs),
    Deps(DepsArgs),
    Merge(MergeArgs),
    Update(UpdateArgs),
    Init(InitArgs),
    Inspect(InspectArgs),
    History(HistoryArgs),
    Verify(VerifyArgs),
    Sbom(SbomArgs),
    Images(ImagesArgs),
    Rm(RmArgs),
    Serve(ServeArgs),
    Copy(CopyArgs),
    Tag(TagArgs),
    Diff(DiffArgs),
    Rebase(RebaseArgs),
    Promote(PromoteArgs),
    Releases(ReleasesArgs),
    Rollback(RollbackArgs),
    Sign(SignArgs),
    Attach(AttachArgs),
    Referrers(ReferrersArgs),
    Key(KeyArgs),
    Events(EventsArgs),
    Resolve(ResolveArgs),
    Render(RenderArgs),
    Listen(ListenArgs),
    Login(LoginArgs),
    Logout(LogoutArgs),
    Doctor(DoctorArgs),
    Cache(CacheArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    Schema(SchemaArgs),
}

impl Command {
    /// Whether the command prints its result as JSON, and can be refused by a policy. `pack verify` prints a refusal as a
    /// part of its report.
    #[must_use]
    pub const fn tells_refusals_as_json(&self) -> bool {
        match self {
            Self::Build(args) => args.format.json,
            Self::Plan(args) => args.format.json,
            Self::Update(args) => args.format.json,
            Self::Promote(args) => args.release.format.json,
            Self::Rollback(args) => args.release.format.json,
            Self::Render(args) => args.format.json,
            Self::Rebase(args) => args.format.json,
            Self::Copy(args) => args.format.json,
            _ => false,
        }
    }

    /// How registries are to be reached; `None` for commands that reach none.
    #[must_use]
    pub const fn registries(&self) -> Option<&RegistryArgs> {
        Some(match self {
            Self::Build(args) => &args.image.registries,
            Self::Plan(args) => &args.image.registries,
            Self::Check(args) => &args.image.registries,
            Self::Deps(args) => &args.image.registries,
            Self::Update(args) => &args.registries,
            Self::Inspect(args) => &args.registries,
            Self::History(args) => &args.registries,
            Self::Verify(args) => &args.registries,
            Self::Sbom(args) => &args.registries,
            Self::Copy(args) => &args.registries,
            Self::Diff(args) => &args.registries,
            Self::Rebase(args) => &args.registries,
            Self::Promote(args) => &args.release.registries,
            Self::Releases(args) => &args.registries,
            Self::Rollback(args) => &args.release.registries,
            Self::Tag(args) => &args.registries,
            Self::Sign(args) => &args.registries,
            Self::Attach(args) => &args.registries,
            Self::Referrers(args) => &args.registries,
            Self::Events(EventsArgs { command: EventsCommand::Flush(args) }) => &args.registries,
            Self::Resolve(args) => &args.registries,
            Self::Render(args) => &args.registries,
            Self::Listen(args) => &args.registries,
            Self::Serve(args) => &args.registries,
            Self::Login(args) => &args.registries,
            Self::Doctor(args) => &args.registries,
            Self::Events(EventsArgs { command: EventsCommand::List(_) })
            | Self::Key(_)
            | Self::Images(_)
            | Self::Rm(_)
            | Self::Merge(_)
            | Self::Logout(_)
            | Self::Cache(_)
            | Self::Init(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Schema(_) => return None,
        })
    }
}
