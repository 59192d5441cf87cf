//! The paths that a member reads, and whether any of them changed since a revision.
//!
//! A member counts as changed when git sees a change in its directory, its build file, the root's build file, or anything
//! that its settings name; when the lock says something else of its base; and when git does not look at something that
//! goes into the image, such as an artifact that is ignored. So nothing that changed is left out.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::member::Member;
use super::root::WorkspaceRoot;
use crate::project::config::{BaseSetting, Settings};
use crate::project::git::{ChangeState, ChangedFiles};
use crate::project::lock::Lock;
use crate::types::shown::shown_path;

/// Why a member counts as changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeReason {
    /// git sees a change at this path.
    File(PathBuf),
    /// The lock says something else of this base.
    Base(String),
    /// git does not look at this path, which goes into the image.
    Unseen(PathBuf),
}

impl fmt::Display for ChangeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "`{}` changed", shown_path(path)),
            Self::Base(base) => write!(f, "`build.lock` changed for the base `{base}`"),
            Self::Unseen(path) => write!(f, "git does not look at `{}`", shown_path(path)),
        }
    }
}

/// The paths that a member reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReads {
    /// Whatever changes in these is a change of the member.
    around: Vec<PathBuf>,
    /// These go into the image.
    inputs: Vec<PathBuf>,
    base: Option<String>,
}

impl MemberReads {
    /// The paths that a member with these settings reads. Patterns in the names of artifacts count as their directories.
    #[must_use]
    pub fn of(root: &WorkspaceRoot, member: &Member, settings: &Settings) -> Self {
        let mut around = vec![root.build_file(), member.directory().to_owned()];
        let mut inputs = Vec::new();
        for path in settings.apps.iter().flat_map(|app| app.paths.as_slice()) {
            let path = without_pattern(path.value.path());
            // Jars and libraries that it needs may lie beside it.
            if !path.is_dir() {
                let parent = path.parent().map(Path::to_owned);
                let has_companions = path.extension().is_none_or(|extension| extension == "jar");
                if has_companions { inputs.extend(parent) } else { around.extend(parent) }
            }
            inputs.push(path);
        }
        let files = settings.layers.iter().flat_map(|layer| &layer.files);
        inputs.extend(files.map(|files| files.from.value.path().to_owned()));
        let base = settings.base.as_ref().map(|base| &base.value);
        match base {
            Some(BaseSetting::Layout { path, .. }) => inputs.push(path.path().to_owned()),
            Some(BaseSetting::OciArchive { path, .. } | BaseSetting::DockerArchive { path, .. }) => {
                inputs.push(path.path().to_owned());
            }
            None | Some(BaseSetting::Scratch | BaseSetting::Registry(_) | BaseSetting::Store(_)) => {}
        }
        let base = base.filter(|base| !matches!(base, BaseSetting::Scratch)).map(ToString::to_string);
        Self { around, inputs, base }
    }

    /// A path that the member reads and that git sees a change at.
    #[must_use]
    pub fn changed_file(&self, files: &ChangedFiles) -> Option<PathBuf> {
        let seen = self.around.iter().chain(&self.inputs).flat_map(|path| places(path));
        seen.into_iter().find_map(|path| files.changed_below(&path))
    }

    /// Why the member counts as changed; `None` if it does not. `then` and `now` are the locks.
    #[must_use]
    pub fn changed(&self, files: &ChangedFiles, then: &Lock, now: &Lock) -> Option<ChangeReason> {
        if let Some(path) = self.changed_file(files) {
            return Some(ChangeReason::File(path));
        }
        if let Some(base) = &self.base
            && then.get(base) != now.get(base)
        {
            return Some(ChangeReason::Base(base.clone()));
        }
        self.inputs.iter().flat_map(|path| places(path)).find_map(|path| match files.state(&path) {
            ChangeState::Same => None,
            ChangeState::Changed(path) => Some(ChangeReason::File(path)),
            ChangeState::Unseen(path) => Some(ChangeReason::Unseen(path)),
        })
    }
}

/// More links on the way to a file are a circle, as for the system.
const MOST_LINKS: usize = 40;

/// Where a path leads, after each link on the way: a link that leads elsewhere than before is a change as well.
#[must_use]
pub fn places(path: &Path) -> Vec<PathBuf> {
    let mut links = Vec::new();
    let mut real = PathBuf::new();
    let mut left: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(next) = left.pop() {
        let mut components = next.components();
        let Some(first) = components.next() else { continue };
        let rest = components.as_path();
        if !rest.as_os_str().is_empty() {
            left.push(rest.to_owned());
        }
        match first {
            Component::CurDir => continue,
            Component::ParentDir => {
                real.pop();
                continue;
            }
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => real.push(first),
        }
        if links.len() < MOST_LINKS
            && let Ok(target) = std::fs::read_link(&real)
        {
            links.push(real.clone());
            real.pop();
            left.push(target);
        }
    }
    links.push(real);
    links
}

/// The directory that a pattern is about, or the path itself.
fn without_pattern(path: &Path) -> PathBuf {
    let is_pattern = |part: &Path| part.to_string_lossy().contains(['*', '?', '[', '{']);
    let mut plain = path;
    for above in path.ancestors() {
        if above.file_name().is_some_and(|name| is_pattern(Path::new(name))) && !above.exists() {
            plain = above.parent().unwrap_or(above);
        }
    }
    plain.to_owned()
}
