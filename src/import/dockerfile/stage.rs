//! A stage: the state that an image would have after the instructions so far.

use std::collections::{BTreeMap, BTreeSet};

use super::super::draft::{DraftConfig, DraftLines, DraftLink, DraftUser};
use super::super::remark::Remark;
use super::super::setting::shortened;
use super::budget::ImportBudget;
use super::command::StartCommand;
use super::copy::{Copy, is_below};
use super::words::StageVariables;

/// The most directories, links, users and groups of a stage that commands make. More are not understood.
pub(super) const MOST_MADE: usize = 1000;

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

/// Official images of Docker Hub whose working directory is `/`.
const BASES_AT_ROOT: [&str; 12] = [
    "alpine",
    "amazoncorretto",
    "busybox",
    "caddy",
    "debian",
    "eclipse-temurin",
    "fedora",
    "nginx",
    "node",
    "openjdk",
    "python",
    "ubuntu",
];

/// How the working directory is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WorkingPlace {
    /// Not: it is that of the base, or has a variable that is not known here.
    #[default]
    Lost,
    /// It is `/`, which an official image has.
    OfBase,
    /// By the lines so far.
    Known,
}

impl WorkingPlace {
    /// That of a stage that begins with an image.
    pub(super) fn of(base: Option<&str>) -> Self {
        match base {
            Some("scratch") => Self::Known,
            Some(base) if official(base).is_some_and(|name| BASES_AT_ROOT.contains(&name)) => Self::OfBase,
            _ => Self::Lost,
        }
    }
}

/// The name of an official image of Docker Hub.
pub(super) fn official(base: &str) -> Option<&str> {
    let name = base.strip_prefix("docker.io/").unwrap_or(base);
    let name = name.strip_prefix("library/").unwrap_or(name);
    if name.contains('/') { None } else { name.split(['@', ':']).next() }
}

/// Whether each base with files has a directory at a path.
pub(super) fn is_of_system(path: &str) -> bool {
    path == "/" || SYSTEM_DIRECTORIES.contains(&path)
}

/// The state of an image after the instructions so far.
#[derive(Clone, Debug, Default)]
pub(super) struct ImageStage {
    pub(super) name: Option<String>,
    pub(super) base: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) variables: StageVariables,
    pub(super) workdir: String,
    pub(super) place: WorkingPlace,
    /// All working directories so far: they are there.
    pub(super) workdirs: BTreeSet<String>,
    pub(super) copies: Vec<Copy>,
    pub(super) directories: Vec<(String, Option<String>, Option<String>)>,
    pub(super) links: Vec<DraftLink>,
    pub(super) users: Vec<DraftUser>,
    /// The groups that commands made, each with its number and line.
    pub(super) groups: BTreeMap<String, (Option<u32>, usize)>,
    pub(super) config: DraftConfig,
    /// The lines that its values come from.
    pub(super) lines: DraftLines,
    pub(super) shell: Vec<String>,
    pub(super) command: Option<StartCommand>,
    pub(super) arguments: Option<StartCommand>,
    /// Whether the user has a variable that is not known here.
    pub(super) is_user_lost: bool,
    pub(super) budget: ImportBudget,
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

    /// A path of the image, if it is known where it is; with a remark where the base is trusted.
    pub(super) fn resolve(&mut self, line: usize, path: &str) -> Option<String> {
        if !path.starts_with('/') {
            match self.place {
                WorkingPlace::Lost => return None,
                WorkingPlace::OfBase => {
                    let base = self.base.clone().unwrap_or_default();
                    self.check(
                        line,
                        format!("`{}` lies in `/`, the working directory of `{base}`", shortened(path)),
                    );
                }
                WorkingPlace::Known => {}
            }
        }
        Some(self.path(path))
    }

    /// Goes to a directory, which is there from now on; whether it is known which.
    pub(super) fn enter(&mut self, line: usize, path: &str) -> bool {
        let known = self.resolve(line, path);
        self.workdir = self.path(path);
        let Some(known) = known else { return false };
        self.place = WorkingPlace::Known;
        if let Some(user) = self.acting_user().filter(|_| !self.is_directory(&known)) {
            let text =
                format!("the directory `{known}` belongs to `{user}`, as it does where the base lacks it");
            self.check(line, text);
            self.lines.set("directories", &known, line);
            self.directories.push((known.clone(), Some(user), None));
        }
        self.workdirs.insert(known);
        true
    }

    /// The user who runs commands, if that is not root.
    pub(super) fn acting_user(&self) -> Option<String> {
        let is_root = |user: &String| matches!(user.split(':').next(), Some("root" | "0"));
        self.config.user.clone().filter(|user| !is_root(user))
    }

    /// Whether anything was put to a place that begins so.
    pub(super) fn has_at(&self, begin: &str) -> bool {
        let begin = begin.trim_end_matches('/');
        let is_within = |copy: &Copy| copy.to != "/" && is_below(begin, &copy.to);
        self.copies.iter().any(|copy| copy.to.starts_with(begin) || is_within(copy))
            || self.directories.iter().any(|(path, ..)| path.starts_with(begin))
            || self.links.iter().any(|link| link.path.starts_with(begin))
    }

    /// Whether a path of the image is a directory already, so that a file is copied into it.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        let has_system = self.base.as_deref().is_some_and(|base| base != "scratch");
        path == "/"
            || has_system && is_of_system(path)
            || self.workdirs.iter().any(|known| is_below(known, path))
            || self.directories.iter().any(|(known, ..)| is_below(known, path))
            || self.users.iter().any(|user| user.home.as_deref() == Some(path))
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
