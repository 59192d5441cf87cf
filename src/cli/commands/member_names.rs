//! The words that mean something in a workspace: its members and their environments.

use std::path::Path;

use crate::project::config::{Overrides, Settings};
use crate::project::workspace::{Member, Workspace, WorkspaceRoot};
use crate::types::release::EnvironmentName;

/// The meaning of a word in a workspace.
pub(super) struct MemberWord {
    /// The way to write what it means.
    pub(super) hint: String,
    /// Whether nothing else can be meant.
    pub(super) is_sure: bool,
}

/// The meaning of `text`, which has no `/` and no `@`, in the workspace around `directory`; `None` if there is no workspace
/// that can be read, or if it means nothing there.
pub(super) fn meaning(directory: &Path, text: &str) -> Option<MemberWord> {
    let workspace = around(directory)?;
    let (name, tag) = text.split_once(':').map_or((text, None), |(name, tag)| (name, Some(tag)));
    if let Ok(member) = workspace.member(name) {
        return Some(MemberWord { hint: of_member(member, tag), is_sure: true });
    }
    if tag.is_some() {
        return None;
    }
    let environment: Option<EnvironmentName> = text.parse().ok();
    let has_it = |member: &&Member| {
        let settings = settings(member).zip(environment.as_ref());
        settings.is_some_and(|(settings, name)| settings.environments.contains_key(name))
    };
    if let Some(member) = workspace.members().iter().find(has_it) {
        let hint = format!("the environment of a member is `{}@{text}`", member.name());
        return Some(MemberWord { hint, is_sure: true });
    }
    let member = workspace.members().first()?;
    let tag = image_of(member).map(|image| format!("a tag of a member is `{image}:{text}`"));
    let release = environment.map(|name| format!("its environment is `{}@{name}`", member.name()));
    let hint = [tag, release].into_iter().flatten().collect::<Vec<_>>().join(", and ");
    let number = text.strip_prefix('v').unwrap_or(text);
    Some(MemberWord { hint, is_sure: number.starts_with(|first: char| first.is_ascii_digit()) })
}

/// An environment of the first member of the workspace around `directory`, as commands take it.
pub(super) fn example(directory: &Path, environment: &EnvironmentName) -> Option<String> {
    let workspace = around(directory)?;
    let members = workspace.members();
    let has_it =
        |member: &&Member| settings(member).is_some_and(|of| of.environments.contains_key(environment));
    let member = members.iter().find(has_it).or_else(|| members.first())?;
    Some(format!("{}@{environment}", member.name()))
}

fn around(directory: &Path) -> Option<Workspace> {
    WorkspaceRoot::around(directory).ok().flatten()?;
    Workspace::open(directory).ok()
}

fn of_member(member: &Member, tag: Option<&str>) -> String {
    let name = member.name();
    match (image_of(member), tag) {
        (Some(image), Some(tag)) => format!("the tag of the member `{name}` is `{image}:{tag}`"),
        (Some(image), None) => {
            format!(
                "`{name}` is a member: name a tag of it, `{image}:TAG`, or an environment, `{name}@ENVIRONMENT`"
            )
        }
        (None, _) => format!("`{name}` is a member: name an environment of it, `{name}@ENVIRONMENT`"),
    }
}

/// The settings of a member, without flags and variables.
fn settings(member: &Member) -> Option<Settings> {
    Settings::resolve(member.document().clone(), &Overrides::default(), &Overrides::default()).ok()
}

fn image_of(member: &Member) -> Option<String> {
    Some(settings(member)?.name?.value.to_string())
}
