//! Paths of the machine that built a file: they lead nowhere in the image.
//!
//! Only places count that are read when a program runs: the first line of a script, settings of Python's environments, files of
//! libtool and pkg-config, lists of installed files, and targets of links. Texts that merely mention a path do not.
//! The places of builds are the project's directory, which is an input of the build, and those that CI systems and people have.

use std::path::Path;

use crate::types::secret::redact;
use crate::types::shown::cut;

use super::sighting::{Sighting, What};
use crate::types::secret::text::{LineCounter, run};

/// Directories where builds run. `*` is one name.
const PLACES: [&str; 8] = [
    "/home/*/",
    "/Users/*/",
    "/builds/",
    "/workspace/",
    "/github/workspace/",
    "/home/runner/work/",
    "/tmp/pip-",
    "/private/tmp/",
];

/// The longest path that is told.
const MOST: usize = 200;

/// The directories that builds run in.
pub(super) struct BuildPlaces {
    project: Option<Vec<u8>>,
}

/// A path of a build.
struct BuildPath<'t> {
    at: usize,
    path: &'t [u8],
    /// The part of it that is a place of builds.
    place: &'t [u8],
}

impl BuildPlaces {
    /// With the directory of the project, unless it is one that images have as well.
    pub(super) fn new(project: &Path) -> Self {
        let bytes = project.as_os_str().as_encoded_bytes();
        let is_deep = bytes.iter().filter(|byte| **byte == b'/').count() >= 2;
        Self { project: is_deep.then(|| [bytes, b"/"].concat()) }
    }

    /// Whether a place of builds may begin with these bytes: a cheap answer for most paths.
    fn may_begin(&self, text: &[u8]) -> bool {
        let begins =
            |place: &&str| place.split('*').next().is_some_and(|start| text.starts_with(start.as_bytes()));
        PLACES.iter().any(begins) || self.project.as_ref().is_some_and(|own| text.starts_with(own))
    }

    /// The place of builds that `path` begins with.
    fn place<'t>(&self, path: &'t [u8]) -> Option<&'t [u8]> {
        let own = self.project.iter().map(|project| path.starts_with(project).then_some(project.len()));
        let known = PLACES.iter().map(|place| match place.split_once('*') {
            Some((start, end)) => {
                let name = run(path, start.len(), |byte| byte != b'/').len();
                let rest = path.get(start.len() + name..).unwrap_or_default();
                let is_there =
                    path.starts_with(start.as_bytes()) && name > 0 && rest.starts_with(end.as_bytes());
                is_there.then_some(start.len() + name + end.len())
            }
            None => path.starts_with(place.as_bytes()).then_some(place.len()),
        });
        own.chain(known).flatten().max().map(|length| &path[..length])
    }

    /// The first path of a build in a text.
    fn find<'t>(&self, text: &'t [u8]) -> Option<BuildPath<'t>> {
        memchr::memchr_iter(b'/', text).find_map(|at| {
            let is_start = at.checked_sub(1).is_none_or(|before| !is_path_byte(text[before]));
            let path = (is_start && self.may_begin(&text[at..]))
                .then(|| run(text, at, |byte| is_path_byte(byte) || b"@+~".contains(&byte)))?;
            self.place(path).map(|place| BuildPath { at, path, place })
        })
    }

    /// The interpreter of a script.
    pub(super) fn in_script(&self, text: &[u8], into: &mut Vec<Sighting>) {
        let Some(rest) = text.strip_prefix(b"#!") else { return };
        let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        if let Some(found) = self.find(line) {
            into.push(found.sighting(1));
        }
    }

    /// The first path in a file of paths. A line with the command that made an environment is never read.
    pub(super) fn in_paths(&self, text: &[u8], into: &mut Vec<Sighting>) {
        let mut start = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if !line.starts_with(b"command")
                && let Some(found) = self.find(line)
            {
                into.push(found.sighting(LineCounter::new(text).at(start + found.at)));
                return;
            }
            start += line.len();
        }
    }

    /// The target of a link.
    pub(super) fn in_link(&self, target: &[u8]) -> Option<Sighting> {
        let found = self.find(target).filter(|found| found.at == 0)?;
        Some(found.sighting(0))
    }
}

impl BuildPath<'_> {
    fn sighting(&self, line: u32) -> Sighting {
        let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).into_owned();
        // A secret that is cut in two has no form any more.
        let path = cut(&redact(&String::from_utf8_lossy(self.path)), MOST).into_owned();
        Sighting { line, what: What::BuildPath { path, place: text(self.place) } }
    }
}

const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> BuildPlaces {
        BuildPlaces::new(Path::new("/srv/ci/shop"))
    }

    fn paths(find: impl Fn(&BuildPlaces, &mut Vec<Sighting>)) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        find(&places(), &mut found);
        let path = |sighting: Sighting| match sighting.what {
            What::BuildPath { path, .. } => (sighting.line, path),
            _ => unreachable!(),
        };
        found.into_iter().map(path).collect()
    }

    #[test]
    fn paths_of_the_build_are_found_where_they_are_read() {
        let script = |text: &str| paths(|places, into| places.in_script(text.as_bytes(), into));
        assert_eq!(
            script("#!/home/me/shop/.venv/bin/python\n"),
            [(1, "/home/me/shop/.venv/bin/python".to_owned())]
        );
        assert_eq!(script("#!/srv/ci/shop/bin/python -I\n").len(), 1);
        let list = |text: &str| paths(|places, into| places.in_paths(text.as_bytes(), into));
        assert_eq!(list("a=1\nlibdir='/builds/shop/lib'\n"), [(2, "/builds/shop/lib".to_owned())]);
        assert_eq!(list("/tmp/pip-install-abc/x,,\n").len(), 1);
        assert!(places().in_link(b"/workspace/a").is_some());
    }

    #[test]
    fn other_paths_are_none() {
        let script = |text: &str| paths(|places, into| places.in_script(text.as_bytes(), into));
        for text in [
            "#!/usr/bin/env python3\n",
            "#!/usr/bin/python\n# /home/me/x\n",
            "/home/me/x",
            "#!/srv/ci/other/python\n",
        ] {
            assert_eq!(script(text), [], "{text}");
        }
        let list = |text: &str| paths(|places, into| places.in_paths(text.as_bytes(), into));
        for text in [
            "home = /usr/bin\ncommand = /home/me/bin/python -m venv /home/me/x\n",
            "prefix=/usr/home/me/\n",
            "/home/",
        ] {
            assert_eq!(list(text), [], "{text}");
        }
        assert!(places().in_link(b"../home/me/a").is_none());
        assert!(
            BuildPlaces::new(Path::new("/app")).in_link(b"/app/a").is_none(),
            "images have such a directory"
        );
    }
}
