//! Facts about an image that follow from all of its layers: distribution, C library, Java, and the directories in
//! which the loader searches for libraries.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::index::BaseNode;
use super::interpreters;
use super::known::{KnownLayers, MAX_INCLUDES};
use super::probes::{LoaderLine, ProbeResult};
use super::seen::BaseAnswer;
use super::tree::follow;
use crate::layer::EntryPath;
use crate::project::lock::SystemFacts;
use crate::types::error::BoxedError;

/// A C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Libc {
    /// GNU's.
    Glibc,
    /// musl.
    Musl,
}

impl Libc {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Glibc, Self::Musl];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where musl's and GNU's loaders lie, one for each architecture.
const LOADERS: [(Libc, &str, &str); 21] = [
    (Libc::Musl, "amd64", "/lib/ld-musl-x86_64.so.1"),
    (Libc::Musl, "arm64", "/lib/ld-musl-aarch64.so.1"),
    (Libc::Musl, "arm", "/lib/ld-musl-armhf.so.1"),
    (Libc::Musl, "arm", "/lib/ld-musl-arm.so.1"),
    (Libc::Musl, "386", "/lib/ld-musl-i386.so.1"),
    (Libc::Musl, "ppc64le", "/lib/ld-musl-powerpc64le.so.1"),
    (Libc::Musl, "s390x", "/lib/ld-musl-s390x.so.1"),
    (Libc::Musl, "riscv64", "/lib/ld-musl-riscv64.so.1"),
    (Libc::Musl, "loong64", "/lib/ld-musl-loongarch64.so.1"),
    (Libc::Glibc, "amd64", "/lib64/ld-linux-x86-64.so.2"),
    (Libc::Glibc, "arm64", "/lib/ld-linux-aarch64.so.1"),
    (Libc::Glibc, "arm", "/lib/ld-linux-armhf.so.3"),
    (Libc::Glibc, "arm", "/lib/ld-linux.so.3"),
    (Libc::Glibc, "386", "/lib/ld-linux.so.2"),
    (Libc::Glibc, "ppc64le", "/lib64/ld64.so.2"),
    (Libc::Glibc, "s390x", "/lib/ld64.so.1"),
    (Libc::Glibc, "riscv64", "/lib/ld-linux-riscv64-lp64d.so.1"),
    (Libc::Glibc, "loong64", "/lib64/ld-linux-loongarch-lp64d.so.1"),
    (Libc::Glibc, "ppc64", "/lib64/ld64.so.1"),
    (Libc::Glibc, "mips64le", "/lib64/ld.so.1"),
    (Libc::Glibc, "mipsle", "/lib/ld.so.1"),
];

/// Where the loader of a C library lies for an architecture.
pub fn loaders(libc: Libc, architecture: &str) -> impl Iterator<Item = &'static str> {
    LOADERS.iter().filter(move |(of, on, _)| *of == libc && *on == architecture).map(|(.., path)| *path)
}

/// The most directories of libraries that are kept, and the longest of them in bytes.
const MAX_DIRECTORIES: usize = 64;
const MAX_DIRECTORY: usize = 256;
/// The facts of the image that these layers are.
///
/// # Errors
/// Never: all layers are known.
pub(super) fn system(view: &mut KnownLayers) -> Result<SystemFacts, BoxedError> {
    let mut libc = BTreeSet::new();
    for (of, _, path) in LOADERS {
        if let BaseAnswer::Here((path, BaseNode::File(_))) = follow(view, path.as_bytes())?
            && view.is_loader(&path)
        {
            libc.insert(of.name().to_owned());
        }
    }
    Ok(SystemFacts {
        os: os(view)?,
        libc,
        java: java(view),
        library_path: library_path(view)?,
        node: interpreters::node(view),
        python: interpreters::python(view),
    })
}

fn os(view: &mut KnownLayers) -> Result<Option<String>, BoxedError> {
    for path in ["etc/os-release", "usr/lib/os-release"] {
        if let BaseAnswer::Here((path, _)) = follow(view, path.as_bytes())?
            && let Some(ProbeResult::System { name }) = view.reading(&path)
        {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

/// The newest Java of the image.
fn java(view: &KnownLayers) -> Option<u32> {
    let readings = view.0.iter().flat_map(|index| index.readings());
    let java = readings.filter_map(|(path, reading)| match reading {
        // A file that a layer above replaced or removed does not count.
        ProbeResult::Java(major) if view.reading(path) == Some(reading) => Some(*major),
        _ => None,
    });
    java.max()
}

/// The directories that the configurations of the loaders name, in their order.
fn library_path(view: &mut KnownLayers) -> Result<Vec<String>, BoxedError> {
    let mut directories: Vec<String> = Vec::new();
    let mut files: Vec<EntryPath> = EntryPath::new(b"etc/ld.so.conf").into_iter().collect();
    let etc = EntryPath::new(b"etc").into_iter().flat_map(|etc| {
        let names = view.names(&etc).into_iter();
        names.filter(|name| name.starts_with(b"ld-musl-")).filter_map(move |name| etc.join(&name).ok())
    });
    let etc: Vec<EntryPath> = etc.collect();
    files.extend(etc);
    let mut at = 0;
    while at < files.len().min(MAX_INCLUDES) {
        let lines = match view.reading(&files[at]) {
            Some(ProbeResult::Loader(lines)) => lines.clone(),
            _ => Vec::new(),
        };
        at += 1;
        for line in lines {
            match line {
                LoaderLine::Directory(path) if path.len() <= MAX_DIRECTORY => {
                    if directories.len() < MAX_DIRECTORIES && !directories.contains(&path) {
                        directories.push(path);
                    }
                }
                LoaderLine::Directory(_) => {}
                LoaderLine::Include(pattern) => {
                    for file in included(view, &pattern) {
                        if !files.contains(&file) {
                            files.push(file);
                        }
                    }
                }
            }
        }
    }
    Ok(directories)
}

/// The files that a pattern means, whose `*` is in its last part.
fn included(view: &KnownLayers, pattern: &str) -> Vec<EntryPath> {
    let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/{pattern}") };
    let Some((directory, name)) = pattern.rsplit_once('/') else { return Vec::new() };
    let Ok(directory) = EntryPath::new(directory.as_bytes()) else { return Vec::new() };
    let Some((start, end)) = name.split_once('*') else {
        return directory.join(name.as_bytes()).into_iter().collect();
    };
    let (start, end) = (start.as_bytes(), end.as_bytes());
    let fits = |found: &Vec<u8>| {
        found.len() >= start.len() + end.len() && found.starts_with(start) && found.ends_with(end)
    };
    let names = view.names(&directory).into_iter().filter(fits);
    names.filter_map(|name| directory.join(&name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bases::LayerIndex;
    use crate::oci::media_type::LayerCompression;
    use crate::runtime::budget::Budget;

    /// The first bytes of one whose headers nothing understands.
    const LOADER: &str = "\u{7f}ELF\u{3}\u{1}\u{1}\0\0\0\0\0\0\0\0\0\u{3}\0\u{3e}\0";

    fn layer(files: &[(&str, &str)]) -> Arc<LayerIndex> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            if let Some(target) = content.strip_prefix("-> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target).expect("entry");
            } else {
                header.set_size(content.len() as u64);
                if name.ends_with('/') {
                    header.set_entry_type(tar::EntryType::Directory);
                }
                builder.append_data(&mut header, name, content.as_bytes()).expect("entry");
            }
        }
        let tar = builder.into_inner().expect("tar");
        let budget = Budget::new("it", 1 << 20, 1 << 20);
        Arc::new(LayerIndex::read(&tar[..], LayerCompression::None, &budget).expect("read"))
    }

    #[test]
    fn facts_follow_from_all_layers_together() {
        let debian = [
            ("etc/", ""),
            ("usr/", ""),
            ("usr/lib/", ""),
            ("etc/os-release", "-> ../usr/lib/os-release"),
            ("usr/lib/os-release", "PRETTY_NAME=\"Debian 12\"\n"),
            ("lib64", "-> usr/lib64"),
            ("usr/lib64/", ""),
            ("usr/lib64/ld-linux-x86-64.so.2", "-> ../lib/ld.so"),
            ("usr/lib/ld.so", LOADER),
            ("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"),
            ("etc/ld.so.conf.d/", ""),
            ("etc/ld.so.conf.d/a.conf", "/opt/a\n"),
            ("etc/ld.so.conf.d/b.conf", "/opt/b\n/opt/a\n"),
            ("opt/jdk/release", "JAVA_VERSION=\"17.0.9\"\n"),
        ];
        let bottom = layer(&debian);
        let facts = system(&mut KnownLayers(vec![Arc::clone(&bottom)])).expect("facts");
        assert_eq!(facts.os.as_deref(), Some("Debian 12"));
        assert_eq!(facts.libc, BTreeSet::from(["glibc".to_owned()]));
        assert_eq!(
            (facts.java, facts.library_path),
            (Some(17), vec!["/opt/a".to_owned(), "/opt/b".to_owned()])
        );
        // A layer above removes some of it, and brings another Java.
        let above = layer(&[
            ("etc/ld.so.conf.d/.wh.a.conf", ""),
            ("opt/.wh.jdk", ""),
            ("usr/lib64/.wh.ld-linux-x86-64.so.2", ""),
            ("usr/java/release", "JAVA_VERSION=\"1.8.0_392\"\n"),
        ]);
        let facts = system(&mut KnownLayers(vec![bottom, above])).expect("facts");
        assert_eq!(facts.libc, BTreeSet::new());
        assert_eq!(
            (facts.java, facts.library_path),
            (Some(8), vec!["/opt/b".to_owned(), "/opt/a".to_owned()])
        );
    }

    #[test]
    fn a_directory_without_an_entry_is_there_for_what_is_below() {
        let files = [("lib64/ld-linux-x86-64.so.2", LOADER), ("etc/os-release", "PRETTY_NAME=\"Small\"\n")];
        let bottom = layer(&files);
        let facts = system(&mut KnownLayers(vec![Arc::clone(&bottom)])).expect("facts");
        assert_eq!(facts.libc, BTreeSet::from(["glibc".to_owned()]));
        assert_eq!(facts.os.as_deref(), Some("Small"));
        let above = layer(&[(".wh.lib64", "")]);
        let facts = system(&mut KnownLayers(vec![bottom, above])).expect("facts");
        assert_eq!(facts.libc, BTreeSet::new());
    }

    #[test]
    fn nothing_at_all_has_no_facts() {
        let facts = system(&mut KnownLayers(Vec::new())).expect("facts");
        assert_eq!(facts, SystemFacts::default());
    }
}
