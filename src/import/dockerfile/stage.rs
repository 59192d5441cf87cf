//! A stage: the state that an image would have after the instructions so far.

use std::collections::{BTreeMap, BTreeSet};

use super::super::draft::{DraftConfig, DraftLink, DraftUser};
use super::super::remark::Remark;
use super::command::StartCommand;
use super::copy::{Copy, is_below};
use super::words::StageVariables;

/// Directories that every base with files has.
const SYSTEM_DIRECTORIES: [&str; 18] = [
    "/bin",
    "/etc",
    "/home",
    "/lib",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/share",
    "/var",
];

/// The state of an image after the instructions so far.
#[derive(Clone, Debug, Default)]
pub(super) struct ImageStage {
    pub(super) name: Option<String>,
    pub(super) base: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) variables: StageVariables,
    pub(super) workdir: String,
    /// Whether the working directory has a variable in it that is not known here.
    pub(super) is_lost: bool,
    /// All working directories so far: they are there.
    pub(super) workdirs: BTreeSet<String>,
    pub(super) copies: Vec<Copy>,
    pub(super) directories: Vec<(String, Option<String>, Option<String>)>,
    pub(super) links: Vec<DraftLink>,
    pub(super) users: Vec<DraftUser>,
    /// The groups that commands made, each with its number and line.
    pub(super) groups: BTreeMap<String, (Option<u32>, usize)>,
    pub(super) config: DraftConfig,
    pub(super) shell: Vec<String>,
    pub(super) command: Option<StartCommand>,
    pub(super) arguments: Option<StartCommand>,
    /// About so many bytes it takes.
    pub(super) bytes: usize,
    /// The commands that were run.
    pub(super) runs: Vec<String>,
    pub(super) remarks: Vec<Remark>,
}

impl ImageStage {
    /// A path of the image, from the working directory where it is relative.
    pub(super) fn path(&self, path: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        let workdir = if path.starts_with('/') { "" } else { &self.workdir };
        for part in workdir.split('/').chain(path.split('/')) {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }

    /// Groups are made for users: one without a user has no name in the image, and its number stands where it is an owner.
    pub(super) fn groups_without_users(&self) -> impl Iterator<Item = (&str, Option<u32>, usize)> {
        let has_user = |name: &String| self.users.iter().any(|user| user.group.as_ref() == Some(name));
        let groups = self.groups.iter().filter(move |(name, _)| !has_user(name));
        groups.map(|(name, (number, line))| (name.as_str(), *number, *line))
    }

    /// Goes to a directory, which is there from now on.
    pub(super) fn enter(&mut self, path: &str) {
        self.is_lost &= !path.starts_with('/');
        self.workdir = self.path(path);
        if !self.is_lost {
            self.workdirs.insert(self.workdir.clone());
        }
    }

    /// Whether a path of the image is a directory already, so that a file is copied into it.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        let has_system = self.base.as_deref().is_some_and(|base| base != "scratch");
        path == "/"
            || has_system && SYSTEM_DIRECTORIES.contains(&path)
            || self.workdirs.iter().any(|known| is_below(known, path))
            || self.directories.iter().any(|(known, ..)| is_below(known, path))
            || self.copies.iter().any(|copy| copy.into && is_below(&copy.to, path))
    }

    pub(super) const fn variables(&self) -> &StageVariables {
        &self.variables
    }

    pub(super) fn left(&mut self, line: usize, text: impl Into<String>) {
        self.remarks.push(Remark::left(line, text));
    }

    pub(super) fn check(&mut self, line: usize, text: impl Into<String>) {
        self.remarks.push(Remark::check(line, text));
    }
}

/// The beginning of a long text.
pub(super) fn short(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
