//! Paths on disk and in the image.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::super::decode::{Decode, Decoder, FromText, Wrong, text_values};
use super::super::node::TomlNode;
use crate::layer::EntryPath;

/// An absolute, normal path in the image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePath {
    text: String,
    entry: Option<EntryPath>,
    slash: bool,
}

impl ImagePath {
    /// The path: absolute, without a trailing slash unless it is `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as entries have it; `None` for `/`.
    #[must_use]
    pub const fn entry(&self) -> Option<&EntryPath> {
        self.entry.as_ref()
    }

    /// Whether it was written with a trailing slash: a directory to put things into.
    #[must_use]
    pub const fn has_trailing_slash(&self) -> bool {
        self.slash
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromText for ImagePath {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if !text.starts_with('/') {
            return Err(Wrong::new(format!("`{text}` is not an absolute path"))
                .hint(format!("write `\"/{text}\"`: paths in the image start with `/`")));
        }
        let slash = text.ends_with('/');
        if text.split('/').all(|part| matches!(part, "" | ".")) {
            return Ok(Self { text: "/".to_owned(), entry: None, slash });
        }
        let entry = EntryPath::new(text.as_bytes()).map_err(|error| Wrong::new(error.to_string()))?;
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        Ok(Self { text: format!("/{}", parts.join("/")), entry: Some(entry), slash })
    }
}

/// The path in the image of the program that a login starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellPath(ImagePath);

impl ShellPath {
    /// The path, which is absolute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromText for ShellPath {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let is_name = !text.is_empty() && !text.contains('/');
        ImagePath::from_text(text).map(Self).map_err(|wrong| {
            // No search path leads a login to its shell.
            let directory = if text == "nologin" { "/sbin" } else { "/bin" };
            if is_name {
                Wrong::new(format!("`{text}` is not an absolute path")).hint(format!(
                    "write the path of the shell in the image, such as `\"{directory}/{text}\"`"
                ))
            } else {
                wrong
            }
        })
    }
}

/// A path on disk: as it was written, and relative to where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskPath {
    written: String,
    path: PathBuf,
}

impl DiskPath {
    /// A path that was given as an argument.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { written: path.display().to_string(), path: path.to_owned() }
    }

    /// The path to open: joined to the directory of the file that it was written in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path as it was written, for messages and for whatever must not depend on the machine.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// This path, where what was written is a pattern that means `path`.
    #[must_use]
    pub fn found(&self, path: PathBuf) -> Self {
        Self { written: self.written.clone(), path }
    }

    /// The path without what a pattern means in it, so that a name made of it is the same for each version.
    #[must_use]
    pub fn without_pattern(&self) -> PathBuf {
        let written = Path::new(&self.written);
        if written.file_name().is_none() || written.file_name() == self.path.file_name() {
            return self.path.clone();
        }
        PathBuf::from(self.written.replace("{version}", "*"))
    }

    pub(super) fn parse(text: &str, directory: &Path) -> Result<Self, Wrong> {
        if text.is_empty() || text.contains('\0') {
            return Err(Wrong::new("a path cannot be empty or contain a NUL character"));
        }
        if let Some((message, hint)) = url_as_source(text) {
            return Err(Wrong::new(message).hint(hint));
        }
        Ok(Self { written: text.to_owned(), path: without_dots(&directory.join(text)) })
    }
}

/// The same path without components that are a dot, which say nothing and look odd in messages.
#[must_use]
pub fn without_dots(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let is_odd = bytes.ends_with(b"/.") || bytes.windows(3).any(|part| part == b"/./");
    if is_odd { path.components().collect() } else { path.to_owned() }
}

/// Why a URL is no source of files, and what to do instead; `None` for a path.
#[must_use]
pub fn url_as_source(text: &str) -> Option<(String, &'static str)> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
        return None;
    }
    let message = format!(
        "`{text}` is a URL, and `pack` copies files: what a server gives may change, and the image with it"
    );
    let hint = "download it before the build and check its digest: \
                `curl -fsSL -o FILE URL && echo \"SHA256  FILE\" | sha256sum -c`";
    Some((message, hint))
}

/// The target of a symbolic link, as the link has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkTarget(String);

impl LinkTarget {
    /// The target.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for LinkTarget {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        // The kernel takes no longer ones.
        if text.is_empty() || text.contains('\0') || text.len() > 4095 {
            return Err(Wrong::new("the target of a link has 1 to 4095 bytes and no NUL character"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Decode for DiskPath {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = decoder.string(node)?;
        match Self::parse(&text, decoder.sources.directory(node.span)) {
            Ok(path) => Some(path),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

text_values!(ImagePath, LinkTarget, ShellPath);

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn image_paths_are_absolute_and_normal() {
        let path: ImagePath = ok("/a//./b/");
        assert_eq!((path.as_str(), path.has_trailing_slash()), ("/a/b", true));
        assert_eq!(path.entry().map(EntryPath::as_bytes), Some(&b"a/b"[..]));
        assert_eq!(ok::<ImagePath>("/").entry(), None);
        assert_eq!(ok::<ImagePath>("//.").as_str(), "/");
        let hint = |text: &str| ShellPath::from_text(text).expect_err(text).hint.unwrap_or_default();
        for (text, works) in [("bash", "/bin/bash"), ("nologin", "/sbin/nologin"), ("bin/sh", "/bin/sh")] {
            assert!(hint(text).contains(&format!("`\"{works}\"`")), "{}", hint(text));
            assert_eq!(ok::<ShellPath>(works).as_str(), works);
        }
        all_wrong::<ImagePath>(&["", "a", "./a", "/a/../b", "/..", "/\0"]);
    }
}
