//! The class path that the manifest of a jar names: other files, by URLs that are relative to it.
//!
//! Java reads them so: separated by blanks after lines are joined, percent signs decoded, a `+` is a `+`; what is named by a
//! jar on the class path counts as well, and what is not there is passed over. Only files below the directory of the
//! first jar are taken: anything else has no place in the image, and its author could name any file of this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::ArtifactError;
use super::java::unfit;
use super::manifest::{JarManifest, MANIFEST, MAX_MANIFEST};
use super::material::Material;
use crate::formats::zip::ZipArchive;
use crate::layer::Stamp;
use crate::runtime::tree_reader::{TreeReader, is_absent, leads_out};
use crate::types::shown::{shown, shown_path};

const OUTSIDE: &str = "put the file below the directory of the jar, and name it by a relative path; or build one jar with all \
                       dependencies in it";

/// How many files are followed.
const MOST_FILES: usize = 10_000;

/// How many names of files all jars together may have: each of them is looked at.
const MOST_NAMES: usize = 1_000_000;

/// A file of a class path.
#[derive(Clone, Debug)]
pub(super) struct ClassPathFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its place below the directory of the jar.
    pub(super) place: String,
    /// Its stamp when it was looked at.
    pub(super) stamp: Stamp,
}

/// The files of a class path, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct ClassPath {
    pub(super) files: Vec<ClassPathFile>,
    /// Directories that it names, which are not taken.
    pub(super) directories: Vec<String>,
    /// Files that only dependencies name, and that are not there: Java passes over them.
    pub(super) missing: Vec<String>,
}

/// The entries of the attribute.
pub(super) fn named(manifest: &JarManifest) -> impl Iterator<Item = &str> {
    manifest.get("Class-Path").unwrap_or_default().split_ascii_whitespace()
}

/// Follows the class path of a jar on disk, and of the jars on it.
///
/// # Errors
/// When a file that the jar itself names is not there, one cannot be read, or one is outside of the jar's directory.
pub(super) fn follow(material: &Material) -> Result<ClassPath, ArtifactError> {
    let io = |path: &Path, source| ArtifactError::Io { path: path.to_owned(), source };
    let jar = material.path();
    let above = match jar.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let tree = TreeReader::new(above);
    let mut found = ClassPath::default();
    // A class path that leads back to a jar ends there.
    let mut seen: BTreeSet<String> =
        jar.file_name().and_then(|name| name.to_str()).map(str::to_owned).into_iter().collect();
    let mut seen_directories: BTreeSet<String> = BTreeSet::new();
    // Jars, and not the names in them: those of one are kept at a time.
    let mut waiting: Vec<(String, PathBuf)> = Vec::new();
    let mut next = material.manifest()?.map(|manifest| (String::new(), own_names(manifest)));
    let (mut is_own, mut looked_at) = (true, 0);
    while let Some((directory, names)) = next {
        looked_at += names.len();
        if looked_at > MOST_NAMES {
            let why = format!("the jars of its class path have more than {MOST_NAMES} names on theirs");
            return Err(unfit(material, why, "build one jar with all dependencies in it"));
        }
        let mut below = Vec::new();
        for name in &names {
            let place = match place(&directory, name) {
                Ok(place) => place,
                // A dependency may name what its author's machine had.
                Err(_) if !is_own => continue,
                Err(why) => {
                    let why = format!("its `Class-Path` names `{}`, {why}", shown(name.as_bytes()));
                    return Err(unfit(material, why, OUTSIDE));
                }
            };
            if place.is_empty() || place.ends_with('/') {
                let place = if place.is_empty() { "./".to_owned() } else { place };
                if seen_directories.insert(place.clone()) {
                    found.directories.push(place);
                }
                continue;
            }
            if !seen.insert(place.clone()) {
                continue;
            }
            let path = above.join(&place);
            let (real, metadata) = match tree.resolve(place.as_ref()) {
                Ok(found) => found,
                Err(error) if leads_out(&error) => {
                    let why = format!(
                        "its `Class-Path` names `{}`, a link that leads out of the directory of the jar",
                        shown_path(&path)
                    );
                    return Err(unfit(material, why, OUTSIDE));
                }
                Err(error) if is_absent(&error) => {
                    if !is_own {
                        found.missing.push(place);
                        continue;
                    }
                    let why = format!("its `Class-Path` names `{}`, which is not there", shown_path(&path));
                    let hint = "build the application with its dependencies beside it, such as by `mvn \
                                dependency:copy-dependencies` or `gradle installDist`; or build one jar with all \
                                of them in it";
                    return Err(unfit(material, why, hint));
                }
                Err(error) => return Err(io(&path, error)),
            };
            if metadata.is_dir() {
                found.directories.push(place);
                continue;
            }
            if !metadata.is_file() {
                return Err(ArtifactError::NotAFile { path });
            }
            if found.files.len() == MOST_FILES {
                let why = format!("its class path has more than {MOST_FILES} files");
                return Err(unfit(material, why, "build one jar with all dependencies in it"));
            }
            let directory = place.rsplit_once('/').map_or_else(String::new, |(above, _)| format!("{above}/"));
            below.push((directory, real.clone()));
            found.files.push(ClassPathFile { path: real, place, stamp: Stamp::of(&metadata) });
        }
        is_own = false;
        waiting.extend(below.into_iter().rev());
        next = match waiting.pop() {
            Some((directory, path)) => Some((directory, named_by(&path)?)),
            None => None,
        };
    }
    Ok(found)
}

/// The names that a manifest has on its class path: no more than are too many.
fn own_names(manifest: &JarManifest) -> Vec<String> {
    named(manifest).take(MOST_NAMES + 1).map(str::to_owned).collect()
}

/// The files that a file of the class path names, if it is a jar.
fn named_by(path: &Path) -> Result<Vec<String>, ArtifactError> {
    let is_jar = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jar"));
    if !is_jar {
        return Ok(Vec::new());
    }
    let archive = ZipArchive::open(path)?;
    let manifest = match archive.position(MANIFEST.as_bytes()) {
        Some(index) => JarManifest::read(path, &archive.read(index, MAX_MANIFEST)?)?,
        None => return Ok(Vec::new()),
    };
    Ok(own_names(&manifest))
}

/// The place that a URL relative to `directory` means; a directory's ends with a slash.
fn place(directory: &str, url: &str) -> Result<String, &'static str> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        !scheme.is_empty()
            && !scheme.contains('/')
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
    };
    if scheme.is_some_and(is_scheme) || url.starts_with('/') {
        return Err("which is not relative to the jar");
    }
    let url = url.split(['#', '?']).next().unwrap_or_default();
    let decoded = decode(url).ok_or("which is no URL of a file: a percent sign is wrong in it")?;
    let is_directory = decoded.is_empty()
        || decoded.ends_with(['/', '.']) && matches!(decoded.rsplit('/').next(), Some("" | "." | ".."));
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("which is above the directory of the jar")?;
            }
            part if part.contains('\0') => return Err("which is no path of a file"),
            part => parts.push(part),
        }
    }
    let slash = if is_directory && !parts.is_empty() { "/" } else { "" };
    Ok(parts.join("/") + slash)
}

/// Replaces `%XX`, as a URL has it, by bytes that must be UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_relative_to_the_jar() {
        for (directory, url, expected) in [
            ("", "lib/a.jar", Ok("lib/a.jar")),
            ("", "lib/a%20b+c.jar", Ok("lib/a b+c.jar")),
            ("", "./lib//a.jar", Ok("lib/a.jar")),
            ("lib/", "../b.jar", Ok("b.jar")),
            ("lib/", "b.jar", Ok("lib/b.jar")),
            ("", "config/", Ok("config/")),
            ("", "./", Ok("")),
            ("", ".", Ok("")),
            ("", "a%C3%BC.jar", Ok("a\u{fc}.jar")),
        ] {
            assert_eq!(place(directory, url), expected.map(str::to_owned), "{url}");
        }
        for url in [
            "../a.jar",
            "/a.jar",
            "file:a.jar",
            "http://x/a.jar",
            "a%2.jar",
            "a%zz",
            "%ff",
            "%2e%2e/a",
            "a%00",
        ] {
            assert!(place("", url).is_err(), "{url}");
        }
    }

    proptest! {
        /// As Java decodes them: bytes that are encoded come back, and no place is above the jar.
        #[test]
        fn what_is_encoded_comes_back(parts in proptest::collection::vec("[^/\0\n]{1,12}", 1..4)) {
            prop_assume!(parts.iter().all(|part| part != "." && part != ".."));
            let path = parts.join("/");
            let url: String = path.bytes().map(|byte| match byte {
                b'/' | b'a'..=b'z' | b'+' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            }).collect();
            prop_assert_eq!(place("", &url), Ok(path));
        }

        #[test]
        fn nothing_is_above_the_jar(url in "[a/.%2eE:]{0,20}") {
            if let Ok(place) = place("", &url) {
                prop_assert!(!place.starts_with('/') && place.split('/').all(|part| part != ".."), "{}", place);
            }
        }
    }
}
