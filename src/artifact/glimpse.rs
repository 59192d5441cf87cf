//! The parts of a path that all kinds look at, read once: the first bytes of a file, the names in a
//! directory, the directory of a zip archive.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ArtifactError;
use super::form::Form;
use super::lfs::is_lfs_pointer;
use super::material::Material;
use crate::formats::elf::ELF_MAGIC;
use crate::formats::zip::ZipArchive;
use crate::layer::Stamp;
use crate::runtime::input;
use crate::types::error::nearest;

/// How many bytes of a file are looked at: a tar archive is known by what stands at 257.
const HEAD: usize = 512;

/// A first look at a path.
#[derive(Debug)]
pub struct Glimpse {
    material: Material,
    names: Vec<Vec<u8>>,
    head: Vec<u8>,
}

impl Glimpse {
    /// Looks at `path`. A tar archive is unpacked for that, into a nameless file in `scratch`.
    ///
    /// # Errors
    /// When there is nothing, it cannot be read, has no files, is neither a file nor a directory, or is a damaged
    /// archive.
    pub(super) fn at(path: &Path, scratch: &Path) -> Result<Self, ArtifactError> {
        let metadata = std::fs::metadata(path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                ArtifactError::NotFound { path: path.to_owned(), nearest: nearest_sibling(path) }
            } else {
                ArtifactError::Io { path: path.to_owned(), source }
            }
        })?;
        if metadata.is_dir() {
            return Self::at_directory(path);
        }
        if !metadata.is_file() {
            return Err(ArtifactError::NotAFile { path: path.to_owned() });
        }
        let mut head = Vec::with_capacity(HEAD);
        input::open(path)
            .and_then(|(file, _)| file.take(HEAD as u64).read_to_end(&mut head))
            .map_err(|source| ArtifactError::Io { path: path.to_owned(), source })?;
        // An executable jar and a zipapp begin with a script, so any other file may be an archive if its name says so.
        let named = path.extension().is_some_and(|extension| {
            ["jar", "war", "zip", "pyz", "pex"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        let is_archive =
            !head.starts_with(ELF_MAGIC) && (ZipArchive::is_zip(&head) || named && !is_lfs_pointer(&head));
        let path = path.to_owned();
        let material = if ZipArchive::is_tar(&head) {
            let archive = Arc::new(ZipArchive::from_tar(&path, scratch)?);
            Material::of_tar(path, archive)
        } else if is_archive {
            let archive = Arc::new(ZipArchive::open(&path)?);
            Material::of_archive(path, archive)
        } else {
            Material::file(path, Stamp::of(&metadata))
        };
        Ok(Self { material, names: Vec::new(), head })
    }

    fn at_directory(path: &Path) -> Result<Self, ArtifactError> {
        let io = |source| ArtifactError::Io { path: path.to_owned(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(io)? {
            names.push(entry.map_err(io)?.file_name().into_encoded_bytes());
        }
        if names.is_empty() {
            return Err(ArtifactError::Empty { path: path.to_owned() });
        }
        names.sort_unstable();
        Ok(Self { material: Material::directory(path.to_owned()), names, head: Vec::new() })
    }

    /// The material that is looked at.
    #[must_use]
    pub const fn material(&self) -> &Material {
        &self.material
    }

    /// The same, without what is only needed to tell kinds apart.
    pub(super) fn into_material(self) -> Material {
        self.material
    }

    /// Its form on disk.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.material.form()
    }

    /// The names at the top of a directory, sorted; empty for a file.
    #[must_use]
    pub fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    /// Whether a directory has `name` at its top.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known[..].cmp(name.as_bytes())).is_ok()
    }

    /// The first bytes of a file; empty for a directory.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

/// A sibling with nearly the same name.
fn nearest_sibling(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let parent = path.parent()?;
    let place = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let mut names: Vec<String> = std::fs::read_dir(place)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // Nor a link that leads to nothing.
        .filter(|other| other != name && place.join(other).exists())
        .collect();
    names.sort_unstable();
    nearest(name, names.iter().map(String::as_str)).map(|name| parent.join(name))
}
