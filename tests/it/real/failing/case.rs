//! A case: an image with one fault, the words of those who find it, and the same image without the fault.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::bases::Base;

/// An image that does not start, beside one that does.
pub(super) struct Case {
    /// The name, which is the image's tag too.
    pub(super) name: &'static str,
    /// The words of `pack` about it.
    pub(super) found: Found,
    /// Makes the files of the image with the fault.
    pub(super) faulty: Make,
    /// Makes those of the image without it.
    pub(super) mended: Make,
    /// Words of a container with the fault.
    pub(super) fails: &'static str,
    /// Words of a container without it.
    pub(super) runs: &'static str,
}

/// The words of `pack` about a fault.
pub(super) enum Found {
    /// These rules are not met, and no other.
    Rules(&'static [&'static str]),
    /// The artifact is refused with these words, whatever the base. The image with the fault is put together without it.
    Refused { says: &'static str, by_hand: Make },
}

/// Writes the files of an image, and says how it is built.
pub(super) type Make = fn(&Place) -> Image;

/// An image to build.
pub(super) struct Image {
    pub(super) base: Base,
    /// The tables of its build file after the first.
    pub(super) text: String,
    /// The path of a page, where it is a server.
    pub(super) page: Option<&'static str>,
}

impl Image {
    pub(super) fn on(base: Base, text: impl Into<String>) -> Self {
        Self { base, text: text.into(), page: None }
    }

    /// It answers requests for this page.
    pub(super) fn with_page(mut self, page: &'static str) -> Self {
        self.page = Some(page);
        self
    }
}

/// Where the files of a case go, and where prepared ones come from.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) inputs: PathBuf,
}

impl Place {
    /// A prepared file.
    pub(super) fn input(&self, name: &str) -> Vec<u8> {
        let path = self.inputs.join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes a file of mode 0644.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.directory.join(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("can be made");
        std::fs::write(path, content).expect("can be written");
        self
    }

    /// Writes a file of mode 0755.
    pub(super) fn program(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        self.write(name, content).mode(name, 0o755)
    }

    /// Makes a link.
    pub(super) fn link(&self, name: &str, target: &str) -> &Self {
        let path = self.directory.join(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("can be made");
        symlink(target, path).expect("can be made");
        self
    }

    pub(super) fn mode(&self, name: &str, mode: u32) -> &Self {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.directory.join(name), permissions).expect("can be changed");
        self
    }

    pub(super) fn remove(&self, name: &str) -> &Self {
        std::fs::remove_file(self.directory.join(name)).expect("can be removed");
        self
    }

    /// Writes files by their names; a text that begins with an arrow is the target of a link.
    pub(super) fn files<N: AsRef<str>, T: AsRef<[u8]>>(
        &self,
        below: &str,
        files: impl IntoIterator<Item = (N, T)>,
    ) -> &Self {
        for (name, content) in files {
            let name = format!("{below}{}", name.as_ref());
            match content.as_ref().strip_prefix(b"-> ") {
                Some(target) => self.link(&name, std::str::from_utf8(target).expect("is text")),
                None => self.write(&name, content),
            };
        }
        self
    }

    pub(super) fn path(&self) -> &Path {
        &self.directory
    }
}

/// The artifact `path`, of a kind that is found.
pub(super) fn app(path: &str) -> String {
    format!("[app]\npath = \"{path}\"\n")
}

/// The directory `path`, as it is at `root`.
pub(super) fn tree(path: &str, root: &str) -> String {
    format!("[app]\npath = \"{path}\"\nkind = \"tree\"\nroot = \"{root}\"\n")
}

/// The table of the configuration with this entrypoint and more lines.
pub(super) fn config(entrypoint: &[&str], more: &str) -> String {
    format!("[config]\nentrypoint = {entrypoint:?}\n{more}\n")
}
