//! The interpreters of an image, by their files: Node.js and Python.

use std::collections::BTreeSet;

use super::index::BaseNode;
use super::known::KnownLayers;
use super::probes::ProbeResult;
use crate::layer::EntryPath;

/// Where distributions and official images have their programs.
const PROGRAMS: [&str; 2] = ["usr/bin", "usr/local/bin"];
/// No Python has a higher minor version.
const LAST_PYTHON: u32 = 40;
/// The programs of Node.js, and beside each the header that has its version.
const NODES: [(&str, &str); 3] = [
    ("usr/local/bin/node", "usr/local/include/node/node_version.h"),
    ("usr/bin/node", "usr/include/node/node_version.h"),
    ("nodejs/bin/node", "nodejs/include/node/node_version.h"),
];

/// The first version of Node.js with each version of its interface for addons (`NODE_MODULE_VERSION`): the registry
/// `doc/abi_version_registry.json` of Node.js.
const INTERFACES: [(u32, u32); 15] = [
    (64, 10),
    (67, 11),
    (72, 12),
    (79, 13),
    (83, 14),
    (88, 15),
    (93, 16),
    (102, 17),
    (108, 18),
    (111, 19),
    (115, 20),
    (120, 21),
    (127, 22),
    (131, 23),
    (137, 24),
];

/// The version of the interface for addons that a major version of Node.js has, as far as it is known here.
#[must_use]
pub fn node_interface(major: u32) -> Option<u32> {
    INTERFACES.iter().find(|(_, of)| *of == major).map(|(interface, _)| *interface)
}

/// The major version of Node.js with this interface for addons.
#[must_use]
pub fn node_with_interface(interface: u32) -> Option<u32> {
    INTERFACES.iter().find(|(of, _)| *of == interface).map(|(_, major)| *major)
}

fn path(text: &str) -> Option<EntryPath> {
    EntryPath::new(text.as_bytes()).ok()
}

/// The minor versions of Python that it has programs of.
pub(super) fn python(view: &KnownLayers) -> BTreeSet<String> {
    let versions = (0..=LAST_PYTHON).map(|minor| format!("3.{minor}"));
    let is_there = |version: &String| {
        PROGRAMS.iter().any(|directory| {
            let found = path(&format!("{directory}/python{version}"));
            let found = found.and_then(|path| view.find(&path).map(|(_, node)| node.clone()));
            matches!(found, Some(BaseNode::File(_) | BaseNode::Symlink(_)))
        })
    };
    versions.filter(is_there).collect()
}

/// The version of Node.js: that of a header, else of a package, else the major version by the name of its library.
pub(super) fn node(view: &KnownLayers) -> Option<String> {
    let (program, header) = NODES.into_iter().find_map(|(program, header)| {
        let program = path(program)?;
        view.find(&program).is_some().then_some((program, header))
    })?;
    if let Some(ProbeResult::Node(version)) = path(header).and_then(|header| view.reading(&header)) {
        return Some(version.clone());
    }
    // A package has no other program.
    let is_packaged = program.as_bytes() == b"usr/bin/node";
    let packages = view.0.iter().filter(|_| is_packaged).flat_map(|index| index.readings());
    let installed = packages.filter_map(|(path, reading)| match reading {
        ProbeResult::Packages(packages) if view.reading(path) == Some(reading) => packages.get("nodejs"),
        _ => None,
    });
    if let Some(version) = installed.last().and_then(|version| upstream(version)) {
        return Some(version);
    }
    let Some(ProbeResult::Elf(dynamic)) = view.reading(&program) else { return None };
    let interface = dynamic.needed.iter().find_map(|name| name.strip_prefix("libnode.so.")?.parse().ok());
    interface.and_then(node_with_interface).map(|major| major.to_string())
}

/// `18.19.0` of a package's version such as `1:18.19.0+dfsg-6~deb12u2` or `20.11.1-r0`.
fn upstream(version: &str) -> Option<String> {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|character: char| !character.is_ascii_digit() && character != '.');
    let version = version[..end.unwrap_or(version.len())].trim_end_matches('.');
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_versions_of_node() {
        assert_eq!(upstream("18.19.0+dfsg-6~deb12u2").as_deref(), Some("18.19.0"));
        assert_eq!(upstream("1:20.11.1-r0").as_deref(), Some("20.11.1"));
        assert_eq!(upstream("unknown"), None);
        assert_eq!(
            (node_interface(20), node_with_interface(108), node_interface(9)),
            (Some(115), Some(18), None)
        );
    }
}
