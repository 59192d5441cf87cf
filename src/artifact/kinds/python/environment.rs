//! Where the packages of a Python application lie, and for which Python they are.

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::FoundTree;
use super::super::super::requirement::InterpreterPlace;
use crate::layer::scan::FoundKind;
use crate::runtime::input::MAX_TEXT;
use crate::types::shown::shown;

/// The names that the directory of an environment in a project usually has.
pub(super) const USUAL: [&str; 3] = [".venv", "venv", "env"];

/// The file that makes a directory a virtual environment (PEP 405).
pub(super) const MARKER: &str = "pyvenv.cfg";

/// The directory that makes a directory an environment of conda.
pub(super) const CONDA: &str = "conda-meta";

/// A minor version of Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PythonVersion {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl std::fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl PythonVersion {
    /// Of `3.12`, `3.12.1`, `3.13.0rc1`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split('.');
        let minor_digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?;
        Some(Self { major, minor: minor[..minor_digits(minor)].parse().ok()? })
    }

    /// The version in the name of a module such as `x.cpython-312-x86_64-linux-gnu.so`; none is in `x.abi3.so`.
    pub(super) fn of_module(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let rest = &name[name.find(".cpython-")? + ".cpython-".len()..];
        let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
        let (major, minor) = digits.split_at_checked(1)?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

/// Where packages are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PythonEnvironment {
    /// A virtual environment: its directory below the artifact, nothing where it is the artifact.
    Virtual { at: Vec<u8>, site: Vec<u8>, version: PythonVersion },
    /// The artifact itself, as `pip install --target` fills a directory.
    Target,
}

/// Why there is none: the reason and the remedy.
pub(super) type EnvironmentFault = (String, String);

impl PythonEnvironment {
    /// Looks for it.
    pub(super) fn of(tree: &FoundTree) -> Result<Result<Self, EnvironmentFault>, ArtifactError> {
        if tree.is_directory(CONDA.as_bytes()) {
            let why = "it is an environment of conda, whose programs and libraries only work in the directory that it was \
                       made in";
            let hint = "install the packages into a virtual environment (`python3 -m venv .venv`, `.venv/bin/pip \
                        install …`); or set `kind = \"tree\"`, `root` to that directory, and `entrypoint` in `[config]`";
            return Ok(Err((why.to_owned(), hint.to_owned())));
        }
        let has = |at: &str| tree.get(below(at.as_bytes(), MARKER.as_bytes()).as_slice()).is_some();
        let Some(at) = std::iter::once("").chain(USUAL).find(|at| has(at)) else {
            return Ok(Ok(Self::Target));
        };
        let at = at.as_bytes().to_vec();
        let configuration = tree.read(&below(&at, MARKER.as_bytes()), MAX_TEXT)?.unwrap_or_default();
        let lib = below(&at, b"lib");
        let mut sites = Vec::new();
        for (name, item) in tree.names_in(&lib) {
            let version = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix("python"));
            let site = [&lib[..], b"/", name, b"/site-packages"].concat();
            if let (FoundKind::Directory, Some(version)) =
                (&item.kind, version.and_then(PythonVersion::parse))
                && tree.is_directory(&site)
            {
                sites.push((site, version));
            }
        }
        let again = "make it again: `python3 -m venv .venv`, and install the packages into it".to_owned();
        let shown_at = if at.is_empty() { "it".to_owned() } else { format!("`{}`", shown(&at)) };
        let Some((site, version)) = sites.pop() else {
            return Ok(Err((
                format!("{shown_at} has `{MARKER}` and no `lib/python3.N/site-packages`"),
                again,
            )));
        };
        if let Some((_, other)) = sites.pop() {
            return Ok(Err((
                format!("{shown_at} has packages for Python {other} and for Python {version}"),
                again,
            )));
        }
        if let Some(made) = version_of(&configuration).filter(|made| *made != version) {
            let why = format!("its `{MARKER}` says Python {made}, and its packages are for Python {version}");
            return Ok(Err((why, again)));
        }
        Ok(Ok(Self::Virtual { at, site, version }))
    }

    /// The directory that holds the packages.
    pub(super) fn site(&self) -> &[u8] {
        match self {
            Self::Virtual { site, .. } => site,
            Self::Target => b"",
        }
    }

    /// The directory of programs.
    pub(super) fn programs(&self) -> Vec<u8> {
        match self {
            Self::Virtual { at, .. } => below(at, b"bin"),
            Self::Target => b"bin".to_vec(),
        }
    }
}

/// `name` below a directory, which may be the root.
pub(super) fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// Lower case, with one dash for each run of `-`, `_` and `.` (PEP 503).
pub(super) fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// The version that a `pyvenv.cfg` says: `version` of the standard library, `version_info` of others.
fn version_of(configuration: &[u8]) -> Option<PythonVersion> {
    setting(configuration, "version_info")
        .or_else(|| setting(configuration, "version"))
        .and_then(|text| PythonVersion::parse(&text))
}

/// The value of a line `NAME = VALUE`.
pub(super) fn setting(configuration: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(configuration);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .next()
}

/// The directory of the base's own Python.
pub(super) const fn home(interpreter: InterpreterPlace) -> &'static str {
    match interpreter {
        InterpreterPlace::Local => "/usr/local/bin",
        InterpreterPlace::Usual | InterpreterPlace::Distroless => "/usr/bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let version = |major, minor| Some(PythonVersion { major, minor });
        assert_eq!(PythonVersion::parse("3.12.1"), version(3, 12));
        assert_eq!(PythonVersion::parse(" 3.13rc1 "), version(3, 13));
        assert_eq!(PythonVersion::parse("3"), None);
        assert_eq!(PythonVersion::of_module(b"_x.cpython-311-x86_64-linux-gnu.so"), version(3, 11));
        assert_eq!(PythonVersion::of_module(b"_x.cpython-39.so"), version(3, 9));
        assert_eq!(PythonVersion::of_module(b"_x.abi3.so"), None);
        assert_eq!(version_of(b"home = /usr/bin\nversion = 3.11.2\n"), version(3, 11));
        assert_eq!(version_of(b"uv = 0.9\nversion_info = 3.12.1\n"), version(3, 12));
        assert_eq!(version_of(b"home = /usr/bin\n"), None);
    }
}
