//! The root of a workspace: found above a directory, and asked for one member.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::WorkspaceError;
use super::member::Member;
use super::walk;
use crate::project::config::document::OF_ONE_IMAGE;
use crate::project::config::schema::BuildFile;
use crate::project::config::{BUILD_FILE, Document, WorkspaceSettings};

/// The root of a workspace, and what its build file says.
#[derive(Clone, Debug)]
pub struct WorkspaceRoot {
    /// Without links.
    directory: PathBuf,
    document: Document,
    settings: WorkspaceSettings,
}

impl WorkspaceRoot {
    /// The nearest root at `directory` or above it.
    ///
    /// # Errors
    /// When its build file cannot be read, is wrong, or belongs to another user than what lies below it.
    pub fn around(directory: &Path) -> Result<Option<Self>, WorkspaceError> {
        let Ok(directory) = fs::canonicalize(directory) else { return Ok(None) };
        for above in directory.ancestors() {
            let build_file = above.join(BUILD_FILE);
            if !build_file.is_file() {
                continue;
            }
            let document = Document::read(&build_file)?;
            if document.has_workspace() {
                check_owner(&build_file, &directory)?;
                return Self::of(above, document);
            }
        }
        Ok(None)
    }

    /// The root whose member the build file is, and that member; `None` where it stands alone.
    ///
    /// # Errors
    /// As for [`WorkspaceRoot::around`], and when the root above it does not list it.
    pub fn of_member(build_file: &Path) -> Result<Option<(Self, Member)>, WorkspaceError> {
        if build_file.file_name().is_none_or(|name| name != BUILD_FILE) {
            return Ok(None);
        }
        let Ok(directory) = fs::canonicalize(build_file.parent().unwrap_or(Path::new("."))) else {
            return Ok(None);
        };
        let Some(above) = directory.parent() else { return Ok(None) };
        let Some(root) = Self::around(above)? else { return Ok(None) };
        let place = directory.strip_prefix(&root.directory).unwrap_or(&directory);
        let place = place.to_str().ok_or_else(|| WorkspaceError::Name(directory.clone()))?;
        if walk::is_excluded(&root.settings.exclude, place) {
            return Ok(None);
        }
        if !root.settings.members.iter().any(|pattern| walk::matches(pattern, place)) {
            return Err(WorkspaceError::Unlisted {
                build_file: directory.join(BUILD_FILE),
                root: root.build_file(),
                place: place.to_owned(),
            });
        }
        let member = root.read(place)?;
        // A root below a root is told of where the whole workspace is read.
        if member.document.has_workspace() { Ok(None) } else { Ok(Some((root, member))) }
    }

    /// The root above a build file that lists its directory as a member and then excludes it, if there is one.
    #[must_use]
    pub fn that_excludes(build_file: &Path) -> Option<Self> {
        let directory = fs::canonicalize(build_file.parent()?).ok()?;
        let root = Self::around(directory.parent()?).ok()??;
        let place = directory.strip_prefix(&root.directory).ok()?.to_str()?;
        walk::is_excluded(&root.settings.exclude, place).then_some(root)
    }

    fn of(directory: &Path, document: Document) -> Result<Option<Self>, WorkspaceError> {
        for key in OF_ONE_IMAGE {
            if let Some(span) = document.place_of(key) {
                let message =
                    format!("the root of a workspace has no `[{key}]`: it describes no image itself");
                let hint = match key {
                    "image" | "config" => format!("write `[workspace.{key}]` for what its members leave out"),
                    _ => "put the image into a directory of its own, and name that in `members`".to_owned(),
                };
                return Err(document.sources().error_at(span, message, Some(hint)).into());
            }
        }
        let file: BuildFile = document.decode()?;
        let settings = file.workspace;
        Ok(settings.map(|settings| Self { directory: directory.to_owned(), document, settings }))
    }

    /// Its directory, without links.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its build file.
    #[must_use]
    pub fn build_file(&self) -> PathBuf {
        self.directory.join(BUILD_FILE)
    }

    /// Its build file as a document.
    pub(super) const fn document(&self) -> &Document {
        &self.document
    }

    /// The table `[workspace]`.
    pub(super) const fn settings(&self) -> &WorkspaceSettings {
        &self.settings
    }

    /// Reads the member in a directory, given relative to the root.
    pub(super) fn read(&self, place: &str) -> Result<Member, WorkspaceError> {
        let name = place.rsplit('/').next().unwrap_or(place);
        let build_file = self.directory.join(place).join(BUILD_FILE);
        let document = self.document.read_member(name, &build_file)?;
        Ok(Member { name: name.to_owned(), place: place.to_owned(), build_file, document })
    }
}

/// Whether who wrote the root may decide about what lies in `below`: on a machine of many users, anybody can put a
/// file into a directory above, such as `/tmp`.
fn check_owner(build_file: &Path, below: &Path) -> Result<(), WorkspaceError> {
    let owner = |path: &Path| fs::metadata(path).map(|metadata| metadata.uid()).ok();
    if build_file.parent() == Some(below) || owner(build_file) == owner(below) {
        return Ok(());
    }
    Err(WorkspaceError::Foreign { root: build_file.to_owned(), below: below.to_owned() })
}
