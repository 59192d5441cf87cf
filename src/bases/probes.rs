//! A table of probes: facts that are read from a few small files while a layer streams by.
//!
//! A probe says which paths it is about, how much of such a file is read, and what is kept of it. To look at another
//! file of a base, add a line to [`PROBES`] and a variant to [`ProbeResult`]. Text that does not have the expected form
//! is left out; a file that is too large is not read at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::formats::elf::Dynamic;
use crate::layer::{AccountFile, AccountKind, EntryPath, MAX_ACCOUNTS};

/// A line of the table.
struct Probe {
    /// Whether it is about the file at a path.
    is_about: fn(&[u8]) -> bool,
    /// The longest file that is read, in bytes.
    limit: u64,
    /// The kept facts; `None` if the file does not have the expected form.
    read: fn(&[u8]) -> Option<ProbeResult>,
}

/// All probes; the first that is about a path reads it.
const PROBES: [Probe; 8] = [
    Probe { is_about: |path| is_one(path, &OS_RELEASE), limit: 64 << 10, read: os_release },
    Probe { is_about: |path| ends(path, b"release"), limit: 64 << 10, read: java_release },
    Probe { is_about: is_loader_configuration, limit: 64 << 10, read: loader_directories },
    Probe { is_about: |path| path == b"etc/passwd", limit: MAX_ACCOUNTS, read: accounts },
    Probe { is_about: |path| path == b"etc/group", limit: MAX_ACCOUNTS, read: accounts },
    Probe { is_about: is_dpkg_status, limit: MAX_PACKAGES, read: dpkg_packages },
    Probe { is_about: |path| path == b"lib/apk/db/installed", limit: MAX_PACKAGES, read: apk_packages },
    Probe {
        is_about: |path| path.ends_with(b"/include/node/node_version.h"),
        limit: 64 << 10,
        read: node_header,
    },
];

/// Databases of packages of large images have 2 MiB.
const MAX_PACKAGES: u64 = 8 << 20;
/// So many packages are kept; large images have a thousand.
const PACKAGES: usize = 10_000;
/// Names and versions are shorter, in bytes.
const MAX_WORD: usize = 256;
const OS_RELEASE: [&[u8]; 2] = [b"etc/os-release", b"usr/lib/os-release"];
/// The cost of an element of a list or map beside its text.
const EACH: usize = 64;

/// The facts that were read from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeResult {
    /// The distribution.
    System {
        /// For people, such as `Debian GNU/Linux 12 (bookworm)`.
        name: String,
    },
    /// The major version of a Java runtime.
    Java(u32),
    /// Lines of a configuration of the dynamic loader.
    Loader(Vec<LoaderLine>),
    /// The users or groups.
    Accounts(AccountFile),
    /// Installed packages with their versions.
    Packages(BTreeMap<String, String>),
    /// The dynamic section of a program or library.
    Elf(Dynamic),
    /// The version of Node.js, such as `20.11.1`.
    Node(String),
}

/// A line of `ld.so.conf`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoaderLine {
    /// A directory of libraries.
    Directory(String),
    /// More files, by a pattern.
    Include(String),
}

impl ProbeResult {
    /// Whether a probe is about the file at `path`, which has `size` bytes, and it is small enough.
    #[must_use]
    pub fn is_wanted(path: &EntryPath, size: u64) -> bool {
        probe_of(path).is_some_and(|probe| size <= probe.limit)
    }

    /// The facts in the bytes of the file at `path`.
    #[must_use]
    pub fn of(path: &EntryPath, bytes: &[u8]) -> Option<Self> {
        let probe = probe_of(path)?;
        if bytes.len() as u64 > probe.limit { None } else { (probe.read)(bytes) }
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn cost(&self) -> usize {
        match self {
            Self::System { name } | Self::Node(name) => EACH + name.len(),
            Self::Java(_) => EACH,
            Self::Loader(lines) => lines
                .iter()
                .map(|line| match line {
                    LoaderLine::Directory(text) | LoaderLine::Include(text) => EACH + text.len(),
                })
                .sum(),
            Self::Accounts(file) => file.cost(),
            Self::Elf(dynamic) => dynamic.cost(),
            Self::Packages(packages) => {
                packages.iter().map(|(name, version)| 2 * EACH + name.len() + version.len()).sum()
            }
        }
    }
}

fn probe_of(path: &EntryPath) -> Option<&'static Probe> {
    static TABLE: [Probe; PROBES.len()] = PROBES;
    TABLE.iter().find(|probe| (probe.is_about)(path.as_bytes()))
}

fn is_one(path: &[u8], paths: &[&[u8]]) -> bool {
    paths.contains(&path)
}

fn ends(path: &[u8], name: &[u8]) -> bool {
    path.strip_suffix(name).is_some_and(|rest| rest.ends_with(b"/"))
}

/// glibc's configuration, and musl's list of directories.
fn is_loader_configuration(path: &[u8]) -> bool {
    let Some(name) = path.strip_prefix(b"etc/") else { return false };
    name == b"ld.so.conf"
        || name.strip_prefix(b"ld.so.conf.d/").is_some_and(|name| !name.contains(&b'/'))
        || (name.starts_with(b"ld-musl-") && name.ends_with(b".path"))
}

/// Debian's database, and the parts of it that distroless images have.
fn is_dpkg_status(path: &[u8]) -> bool {
    path == b"var/lib/dpkg/status"
        || path.strip_prefix(b"var/lib/dpkg/status.d/").is_some_and(|name| !name.contains(&b'/'))
}

/// The value of `NAME=value` or `NAME="value"` on a line of its own.
fn variable(bytes: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn os_release(bytes: &[u8]) -> Option<ProbeResult> {
    let name = variable(bytes, "PRETTY_NAME").or_else(|| variable(bytes, "NAME"))?;
    Some(ProbeResult::System {
        name: name.chars().filter(|character| !character.is_control()).take(200).collect(),
    })
}

fn java_release(bytes: &[u8]) -> Option<ProbeResult> {
    java_major(&variable(bytes, "JAVA_VERSION")?).map(ProbeResult::Java)
}

/// The major version of Java: of `jdk-21.0.2+13`, `17.0.9`, `8u392`, `1.8.0_392`.
#[must_use]
pub fn java_major(version: &str) -> Option<u32> {
    let start = version.find(|character: char| character.is_ascii_digit())?;
    let mut numbers = version[start..].split(|character: char| !character.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        major => Some(major),
    }
}

/// `#define NODE_MAJOR_VERSION 20`, and the same of the other two numbers.
fn node_header(bytes: &[u8]) -> Option<ProbeResult> {
    let text = String::from_utf8_lossy(bytes);
    let number = |part: &str| -> Option<u32> {
        let name = format!("NODE_{part}_VERSION");
        let value = text.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            (words.next() == Some("#define") && words.next() == Some(&name)).then(|| words.next())?
        });
        value?.parse().ok()
    };
    let [major, minor, patch] = [number("MAJOR")?, number("MINOR")?, number("PATCH")?];
    Some(ProbeResult::Node(format!("{major}.{minor}.{patch}")))
}

fn loader_directories(bytes: &[u8]) -> Option<ProbeResult> {
    let text = String::from_utf8_lossy(bytes);
    // musl separates directories by colons or line ends, glibc by either or by blanks.
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let lines = lines.flat_map(|line| match line.strip_prefix("include ") {
        Some(pattern) => vec![LoaderLine::Include(pattern.trim().to_owned())],
        None => line
            .split([':', ' ', '\t', ','])
            .filter(|part| part.starts_with('/'))
            // libc5's `DIR=TYPE` is of another time.
            .map(|part| LoaderLine::Directory(part.split('=').next().unwrap_or_default().to_owned()))
            .collect(),
    });
    Some(ProbeResult::Loader(lines.take(1000).collect()))
}

#[expect(clippy::unnecessary_wraps, reason = "the form of the table")]
fn accounts(bytes: &[u8]) -> Option<ProbeResult> {
    Some(ProbeResult::Accounts(AccountFile::new(bytes.to_vec())))
}

/// Paragraphs of `Package:` and `Version:`.
fn dpkg_packages(bytes: &[u8]) -> Option<ProbeResult> {
    let field = |line: &str, name: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
    packages(bytes, |line| field(line, "Package:"), |line| field(line, "Version:"))
}

/// Paragraphs of `P:` and `V:`.
fn apk_packages(bytes: &[u8]) -> Option<ProbeResult> {
    let field = |line: &str, name: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
    packages(bytes, |line| field(line, "P:"), |line| field(line, "V:"))
}

fn packages(
    bytes: &[u8],
    name: impl Fn(&str) -> Option<String>,
    version: impl Fn(&str) -> Option<String>,
) -> Option<ProbeResult> {
    let text = String::from_utf8_lossy(bytes);
    let mut all = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        if line.is_empty() {
            current = None;
        } else if let Some(name) = name(line).filter(|name| name.len() <= MAX_WORD) {
            current = Some(name);
        } else if let (Some(name), Some(version)) = (&current, version(line))
            && version.len() <= MAX_WORD
            && all.len() < PACKAGES
        {
            all.insert(name.clone(), version);
        }
    }
    (!all.is_empty()).then_some(ProbeResult::Packages(all))
}

/// Which kind of account the readings of the file at `path` are about.
#[must_use]
pub(super) fn account_file(kind: AccountKind) -> Option<EntryPath> {
    EntryPath::new(kind.file().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Option<ProbeResult> {
        ProbeResult::of(&EntryPath::new(path.as_bytes()).expect("a path"), text.as_bytes())
    }

    #[test]
    fn what_is_read_off_files_of_real_bases() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n";
        let name = "Debian GNU/Linux 12 (bookworm)".to_owned();
        assert_eq!(read("usr/lib/os-release", debian), Some(ProbeResult::System { name }));
        let release = "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_VERSION=\"17.0.9\"\n";
        assert_eq!(read("opt/java/openjdk/release", release), Some(ProbeResult::Java(17)));
        assert_eq!(read("opt/node/release", "NODE=20\n"), None);
        let directory = |path: &str| LoaderLine::Directory(path.to_owned());
        let include = LoaderLine::Include("/etc/ld.so.conf.d/*.conf".to_owned());
        assert_eq!(
            read("etc/ld.so.conf", "# first\ninclude /etc/ld.so.conf.d/*.conf\n/opt/lib # ours\n"),
            Some(ProbeResult::Loader(vec![include, directory("/opt/lib")]))
        );
        assert_eq!(
            read("etc/ld-musl-x86_64.path", "/lib:/usr/local/lib\n/opt/lib\n"),
            Some(ProbeResult::Loader(vec![
                directory("/lib"),
                directory("/usr/local/lib"),
                directory("/opt/lib")
            ]))
        );
        let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\nPackage: zlib1g\nVersion: 1:1.2\n";
        let two = [("libc6", "2.36-9"), ("zlib1g", "1:1.2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(read("var/lib/dpkg/status", status), Some(ProbeResult::Packages(two.into())));
        let apk = "C:Q1\nP:musl\nV:1.2.4-r2\n\nP:busybox\nV:1.36\n";
        let two = [("busybox", "1.36"), ("musl", "1.2.4-r2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(read("lib/apk/db/installed", apk), Some(ProbeResult::Packages(two.into())));
        let header =
            "#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 11\n  #define NODE_PATCH_VERSION 1\n";
        let node = Some(ProbeResult::Node("20.11.1".to_owned()));
        assert_eq!(read("usr/local/include/node/node_version.h", header), node);
        assert_eq!(read("etc/hosts", "127.0.0.1 localhost"), None);
    }

    #[test]
    fn versions_of_java() {
        for (version, major) in
            [("jdk-21.0.2+13", 21), ("17.0.9", 17), ("8u392", 8), ("1.8.0_392", 8), ("11", 11)]
        {
            assert_eq!(java_major(version), Some(major), "{version}");
        }
        assert_eq!(java_major("latest"), None);
    }

    #[test]
    fn large_and_foreign_files_are_not_kept() {
        let path = EntryPath::new(b"etc/os-release").expect("a path");
        assert!(ProbeResult::is_wanted(&path, 64 << 10) && !ProbeResult::is_wanted(&path, (64 << 10) + 1));
        assert!(!ProbeResult::is_wanted(&EntryPath::new(b"etc/hosts").expect("a path"), 1));
        assert_eq!(read("etc/os-release", "\u{1}\u{2}"), None);
    }
}
