//! Opens what lies below a directory that others filled: an artifact, the source of a layer, a checkout.
//!
//! A link in such a directory is text of its author. The kernel of this machine would follow an absolute one to a file of
//! this machine, and one with enough `..` too. In the image the same link leads to a file of the image. So a reader
//! follows the links that stay below the directory, as a container does, and no other: a file behind those is none
//! of the artifact. The answer is the same on every machine.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::input::{self, InputRefusal};

/// Links that lead from one to the next; the kernel follows as many.
const MAX_LINKS: usize = 40;

/// A directory whose links lead no reader out of it.
#[derive(Clone, Copy, Debug)]
pub struct TreeReader<'a>(&'a Path);

impl<'a> TreeReader<'a> {
    /// A reader of the files below `root`, which may be a link itself: the user named it. An empty path is the working directory.
    #[must_use]
    pub const fn new(root: &'a Path) -> Self {
        Self(root)
    }

    /// The path without links of what `below` leads to, and its metadata.
    ///
    /// # Errors
    /// [`InputRefusal::LeadsOut`] as an [`io::Error`] where a link leads out, and the system's own errors.
    pub fn resolve(&self, below: &OsStr) -> io::Result<(PathBuf, Metadata)> {
        let split = |path: &[u8]| path.rsplit(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        if below.as_bytes().starts_with(b"/") {
            return Err(InputRefusal::LeadsOut.into());
        }
        // The parts that are still to be walked, the next one last; and what lies at each part that was.
        let mut rest = split(below.as_bytes());
        let mut walked: Vec<OsString> = Vec::new();
        let mut links = 0;
        let mut last = None;
        while let Some(part) = rest.pop() {
            match &part[..] {
                b"" | b"." => continue,
                b".." => {
                    walked.pop().ok_or(InputRefusal::LeadsOut)?;
                    last = None;
                    continue;
                }
                part => walked.push(OsStr::from_bytes(part).to_owned()),
            }
            let path = self.at(&walked);
            let metadata = std::fs::symlink_metadata(&path)?;
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(rustix::io::Errno::LOOP.into());
                }
                let target = std::fs::read_link(&path)?.into_os_string().into_vec();
                if target.starts_with(b"/") {
                    return Err(InputRefusal::LeadsOut.into());
                }
                walked.pop();
                last = None;
                rest.extend(split(&target));
            } else if metadata.is_dir() || rest.is_empty() {
                last = Some(metadata);
            } else {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        let path = self.at(&walked);
        let metadata = match last {
            Some(metadata) => metadata,
            None => std::fs::metadata(if path.as_os_str().is_empty() { Path::new(".") } else { &path })?,
        };
        Ok((path, metadata))
    }

    /// The metadata of what `below` leads to.
    ///
    /// # Errors
    /// As for [`TreeReader::resolve`].
    pub fn metadata(&self, below: impl AsRef<OsStr>) -> io::Result<Metadata> {
        self.resolve(below.as_ref()).map(|(_, metadata)| metadata)
    }

    /// Whether `below` leads to a regular file of the tree.
    #[must_use]
    pub fn is_file(&self, below: impl AsRef<OsStr>) -> bool {
        self.metadata(below).is_ok_and(|metadata| metadata.is_file())
    }

    /// Whether `below` leads to a directory of the tree.
    #[must_use]
    pub fn is_directory(&self, below: impl AsRef<OsStr>) -> bool {
        self.metadata(below).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Opens the regular file that `below` leads to.
    ///
    /// # Errors
    /// As for [`TreeReader::resolve`] and [`input::open`].
    pub fn open(&self, below: impl AsRef<OsStr>) -> io::Result<(File, Metadata)> {
        let (path, _) = self.resolve(below.as_ref())?;
        input::open_real(&path)
    }

    /// The bytes of the regular file that `below` leads to, at most `limit`.
    ///
    /// # Errors
    /// As for [`TreeReader::resolve`] and [`input::read`].
    pub fn read(&self, below: impl AsRef<OsStr>, limit: u64) -> io::Result<Vec<u8>> {
        let (file, metadata) = self.open(below)?;
        input::read_open(file, &metadata, limit)
    }

    /// The names in the directory that `below` leads to, sorted.
    ///
    /// # Errors
    /// As for [`TreeReader::resolve`], and when it is no directory.
    pub fn names(&self, below: impl AsRef<OsStr>) -> io::Result<Vec<OsString>> {
        let (path, _) = self.resolve(below.as_ref())?;
        let entries = std::fs::read_dir(if path.as_os_str().is_empty() { Path::new(".") } else { &path })?;
        let mut names =
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn at(&self, walked: &[OsString]) -> PathBuf {
        let mut path = self.0.to_owned();
        path.extend(walked);
        path
    }
}

/// Whether there is no such file in the tree: nothing is there, a link dangles, leads in a circle, or leads out.
#[must_use]
pub fn is_absent(error: &io::Error) -> bool {
    leads_out(error)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
        || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a link was not followed, because it leads out of the tree.
#[must_use]
pub fn leads_out(error: &io::Error) -> bool {
    error.get_ref().and_then(|why| why.downcast_ref()) == Some(&InputRefusal::LeadsOut)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A file beside the tree that no reader may reach.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).expect("made");
        std::fs::write(root.join("a/b/file"), "in").expect("written");
        std::fs::write(directory.path().join("secret"), "out").expect("written");
        (directory, root)
    }

    #[test]
    fn links_that_stay_in_the_tree_are_followed() {
        let (_directory, root) = tree();
        for (link, target) in [
            ("one", "a/b/file"),
            ("two", "./one"),
            ("a/up", ".."),
            ("a/far", "up/a/b/../b/file"),
            ("directory", "a/b"),
        ] {
            symlink(target, root.join(link)).expect("linked");
        }
        let reader = TreeReader::new(&root);
        for path in ["a/b/file", "one", "two", "a/up/one", "a/far", "directory/file", "./a//b/./file"] {
            assert_eq!(reader.read(path, 10).unwrap_or_else(|error| panic!("{path}: {error}")), b"in");
            assert_eq!(reader.resolve(path.as_ref()).expect(path).0, root.join("a/b/file"));
        }
        assert!(reader.is_directory("directory") && reader.is_directory("") && reader.is_directory("a/.."));
        assert!(!reader.is_file("directory") && reader.is_file("two"));
        assert_eq!(reader.names("directory").expect("read"), ["file"]);
    }

    #[test]
    fn links_that_lead_out_are_not_followed() {
        let (directory, root) = tree();
        let absolute = directory.path().join("secret");
        let own = root.join("a/b/file");
        for (link, target) in [
            ("out", Path::new("../secret")),
            ("absolute", &absolute),
            // On another machine the directory lies elsewhere.
            ("own", &own),
            ("a/b/three", Path::new("../../../secret")),
            ("back", Path::new("../root/a/b/file")),
            ("above", Path::new("..")),
            ("slash", Path::new("/")),
        ] {
            symlink(target, root.join(link)).expect("linked");
        }
        let reader = TreeReader::new(&root);
        for path in
            ["out", "absolute", "own", "a/b/three", "back", "above/secret", "slash/etc/passwd", "../secret"]
        {
            let error = reader.read(path, 10).expect_err(path);
            assert!(leads_out(&error) && is_absent(&error), "{path}: {error}");
            assert!(error.to_string().contains("leads out of the directory"), "{error}");
        }
        assert!(leads_out(&reader.names("above").expect_err("out")));
        assert!(leads_out(&reader.read(absolute, 10).expect_err("absolute")));
    }

    #[test]
    fn a_circle_and_nothing_are_absent_and_a_pipe_is_refused() {
        let (_directory, root) = tree();
        symlink("loop", root.join("loop")).expect("linked");
        symlink("none", root.join("dangling")).expect("linked");
        let reader = TreeReader::new(&root);
        for path in ["loop", "dangling", "none", "a/b/file/x", "a/b/file/.."] {
            let error = reader.read(path, 10).expect_err(path);
            assert!(is_absent(&error) && !leads_out(&error), "{path}: {error}");
        }
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a pipe");
        assert!(input::is_refused(&reader.open("pipe").expect_err("a pipe")));
        assert!(reader.read("a/b/file", 1).expect_err("too large").to_string().contains("more than 1 bytes"));
    }
}
