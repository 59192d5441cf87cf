//! The members of a workspace that a command is about.

use clap::Args;

use super::shards::ShardArgs;

/// The members of a workspace that a command is about.
#[derive(Clone, Debug, Default, Args)]
pub struct WorkspaceArgs {
    /// All members of the workspace that PATH is in
    ///
    /// Its root is the nearest build.toml with a table `[workspace]`, in PATH or above it.
    #[arg(long, help_heading = "Workspace")]
    pub workspace: bool,

    /// This member of the workspace; may be repeated, and may be a pattern such as 'shop-*'
    ///
    /// A member is called like its directory. With a slash it is a path below the root: 'services/*'.
    #[arg(short = 'p', long = "member", value_name = "NAME", help_heading = "Workspace")]
    pub members: Vec<String>,

    /// Only members that changed since this revision of git, committed or not
    ///
    /// A member counts as changed when git sees a change in its directory or in anything else that it reads, when the
    /// lock says something else of its base, and when git does not look at something that goes into its image, such as
    /// an ignored artifact. One that turns out to be as before costs one request.
    #[arg(long, value_name = "REV", help_heading = "Workspace")]
    pub changed_since: Option<String>,

    /// The part of them that this machine builds.
    #[command(flatten)]
    pub shards: ShardArgs,
}

impl WorkspaceArgs {
    /// Whether the command is about members of a workspace.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.workspace || !self.members.is_empty() || self.changed_since.is_some() || self.shards.is_given()
    }
}
