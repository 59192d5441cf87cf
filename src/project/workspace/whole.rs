//! A workspace with all of its members.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::error::WorkspaceError;
use super::member::Member;
use super::root::WorkspaceRoot;
use super::walk::MemberWalk;
use crate::project::config::{BUILD_FILE, ConfigError, Span};
use crate::project::lock;
use crate::types::error::nearest;
use crate::types::reference::Repository;
use crate::types::shown::shown_path;

/// The most memory that reading the build files of all members may take, in bytes.
const MOST_MEMORY: u64 = 192 << 20;

/// How many names an error says.
const MOST_NAMES: usize = 8;

/// A workspace: its root, and its members in the order of their paths.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: WorkspaceRoot,
    members: Vec<Member>,
    /// The directories that `members` names and `exclude` leaves out.
    left_out: BTreeSet<String>,
}

impl Workspace {
    /// The workspace whose root is at `directory` or above it.
    ///
    /// # Errors
    /// When there is none, or its build file or that of a member is wrong.
    pub fn open(directory: &Path) -> Result<Self, WorkspaceError> {
        let root =
            WorkspaceRoot::around(directory)?.ok_or_else(|| WorkspaceError::NoRoot(directory.to_owned()))?;
        let (places, left_out) = places(&root)?;
        let mut members: Vec<Member> = Vec::with_capacity(places.len());
        let mut cost = 0;
        for (place, span) in &places {
            let member = member(&root, place, *span)?;
            cost += member.document.cost();
            if cost > MOST_MEMORY {
                return Err(WorkspaceError::Costly { most: MOST_MEMORY / 1_000_000 });
            }
            members.push(member);
        }
        check_names(&members)?;
        check_image_names(&members)?;
        Ok(Self { root, members, left_out })
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> &WorkspaceRoot {
        &self.root
    }

    /// The lock of all members.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.root.directory().join(lock::FILE_NAME)
    }

    /// The members, in the order of their paths.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn member(&self, name: &str) -> Result<&Member, WorkspaceError> {
        let found = self.members.iter().find(|member| member.name == name);
        found.ok_or_else(|| {
            self.excluded(|place| name == name_at(place)).unwrap_or_else(|| self.no_member(name))
        })
    }

    /// The members that match any of `patterns`, each once, in the order of their paths. A pattern with a `/` is about
    /// directories relative to the root, any other about names.
    ///
    /// # Errors
    /// When one of them matches none.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<&Member>, WorkspaceError> {
        let mut chosen = vec![false; self.members.len()];
        for pattern in patterns {
            let plain = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
            let glob = GlobBuilder::new(plain).literal_separator(true).build().map_err(|error| {
                WorkspaceError::Pattern { pattern: pattern.clone(), why: error.kind().to_string() }
            })?;
            let glob = glob.compile_matcher();
            let is_place = plain.contains('/');
            let mut any = false;
            for (member, chosen) in self.members.iter().zip(&mut chosen) {
                let name = if is_place { &member.place } else { &member.name };
                if name == plain || glob.is_match(name) {
                    (any, *chosen) = (true, true);
                }
            }
            if !any {
                let is_meant = |place: &str| {
                    let name = if is_place { place } else { name_at(place) };
                    name == plain || glob.is_match(name)
                };
                return Err(self.excluded(is_meant).unwrap_or_else(|| self.no_match(pattern, plain)));
            }
        }
        Ok(self.members.iter().zip(chosen).filter_map(|(member, chosen)| chosen.then_some(member)).collect())
    }

    /// The error about a directory that is meant and that `exclude` leaves out.
    fn excluded(&self, is_meant: impl Fn(&str) -> bool) -> Option<WorkspaceError> {
        let place = self.left_out.iter().find(|place| is_meant(place))?;
        let has_build_file = self.root.directory().join(place).join(BUILD_FILE).is_file();
        Some(WorkspaceError::Excluded { place: place.clone(), has_build_file })
    }

    /// The error about a pattern that no member matches. `plain` is the pattern without `./` and slashes at its end.
    fn no_match(&self, pattern: &str, plain: &str) -> WorkspaceError {
        if matches!(plain, "" | ".") && pattern.starts_with('.') {
            return WorkspaceError::RootAsMember(pattern.to_owned());
        }
        let below = format!("{plain}/");
        let mut inside = self.members.iter().filter_map(|member| member.place.strip_prefix(&below));
        if let Some(first) = inside.next() {
            let is_near = std::iter::once(first).chain(inside).any(|rest| !rest.contains('/'));
            let better = format!("{below}{}", if is_near { "*" } else { "**" });
            return WorkspaceError::Directory { pattern: pattern.to_owned(), better };
        }
        match plain.contains(['*', '?', '[', '{']) {
            true => WorkspaceError::NoMatch { pattern: pattern.to_owned(), known: self.known(pattern) },
            false => self.no_member(pattern),
        }
    }

    fn no_member(&self, name: &str) -> WorkspaceError {
        let names =
            self.members.iter().map(|member| if name.contains('/') { &*member.place } else { &*member.name });
        let near = nearest(name, names).map(str::to_owned);
        WorkspaceError::NoMember { name: name.to_owned(), near, known: self.known(name) }
    }

    /// Some of the members, as `pattern` would name them: by their paths, or by their names.
    fn known(&self, pattern: &str) -> Vec<String> {
        let is_place = pattern.contains('/');
        let names = self.members.iter().map(|member| if is_place { &*member.place } else { &*member.name });
        let mut known: Vec<String> = names.take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
        let more = self.members.len().saturating_sub(MOST_NAMES);
        known.extend((more > 0).then(|| format!("and {more} more")));
        known
    }
}

/// The name of the member in a directory.
fn name_at(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}

/// The directories of the members, and those that are excluded.
fn places(root: &WorkspaceRoot) -> Result<(BTreeMap<String, Span>, BTreeSet<String>), WorkspaceError> {
    let settings = root.settings();
    let mut walk = MemberWalk::new(root.directory(), &settings.exclude);
    for pattern in &settings.members {
        if !walk.add(pattern)? {
            let message = format!("the pattern `{}` matches no directory", pattern.as_str());
            let hint = format!("patterns start at `{}`", shown_path(root.directory()));
            return Err(at(root, pattern.span, message, hint).into());
        }
    }
    Ok(walk.into_found())
}

fn at(root: &WorkspaceRoot, span: Span, message: String, hint: impl Into<String>) -> ConfigError {
    root.document().sources().error_at(span, message, Some(hint.into()))
}

/// The member at `place`, which the pattern at `span` names.
fn member(root: &WorkspaceRoot, place: &str, span: Span) -> Result<Member, WorkspaceError> {
    let directory = root.directory().join(place);
    if !directory.join(BUILD_FILE).is_file() {
        let message = format!("the member `{place}` has no `{BUILD_FILE}`");
        let hint = match directory.is_dir() {
            true => {
                format!("`pack init {place}` writes one; `exclude = [\"{place}\"]` says that it is no member")
            }
            false => format!("there is no directory `{}`", shown_path(&directory)),
        };
        return Err(at(root, span, message, hint).into());
    }
    let real = fs::canonicalize(&directory)
        .map_err(|source| WorkspaceError::Read { path: directory.clone(), source })?;
    if real != directory {
        let leads = format!("the member `{place}` is behind a link, and leads to `{}`", shown_path(&real));
        let hint = match real.strip_prefix(root.directory()) {
            Ok(below) if below.as_os_str().is_empty() => "a workspace is no member of itself".to_owned(),
            Ok(below) => format!("name `{}` itself in `members`", shown_path(below)),
            Err(_) => {
                "a member lies below the root of its workspace: put the directory itself there".to_owned()
            }
        };
        return Err(at(root, span, leads, hint).into());
    }
    let member = root.read(place)?;
    if let Some(inner) = member.document.place_of("workspace") {
        let message = format!("the member `{place}` is the root of a workspace itself");
        let hint = format!("name its members in `{}`, or exclude it there", shown_path(&root.build_file()));
        return Err(member.document.sources().error_at(inner, message, Some(hint)).into());
    }
    Ok(member)
}

/// Two directories with one name.
fn check_names(members: &[Member]) -> Result<(), WorkspaceError> {
    let mut seen: BTreeMap<&str, &Member> = BTreeMap::new();
    for member in members {
        if let Some(other) = seen.insert(&member.name, member) {
            let message = format!(
                "two members are called `{}`: `{}` and `{}`",
                member.name,
                shown_path(&other.build_file),
                shown_path(&member.build_file)
            );
            let sources = member.document.sources();
            let hint = "a member is called like its directory: rename one of them";
            return Err(sources.error_at(Span::NOWHERE, message, Some(hint.to_owned())).into());
        }
    }
    Ok(())
}

/// Two members whose images would replace each other.
fn check_image_names(members: &[Member]) -> Result<(), WorkspaceError> {
    let mut seen: BTreeMap<String, (&Member, Span)> = BTreeMap::new();
    for member in members {
        let Some((name, span)) = member.document.image_name() else { continue };
        // One repository can be written in several ways.
        let repository = name.parse().map_or_else(|_| name.to_owned(), |name: Repository| name.to_string());
        if let Some((other, first)) = seen.insert(repository, (member, span)) {
            let sources = member.document.sources();
            let message = format!(
                "two members have the image name `{name}`: at {} and at {}",
                other.document.sources().location(first),
                sources.location(span)
            );
            let hint = "give each image a name of its own".to_owned();
            return Err(sources.error_at(span, message, Some(hint)).into());
        }
    }
    Ok(())
}
