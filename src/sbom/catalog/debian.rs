//! Debian packages: stanzas of `var/lib/dpkg/status`, and of one file for each in images without dpkg (`status.d`).

use super::header::{MOST_NAMES, header_lines, kept, stanzas};
use super::text::{licence, word};
use crate::layer::EntryPath;
use crate::sbom::package::PackageFacts;

/// The packages that are installed; `None` where there are more than are kept.
pub(super) fn packages(text: &str) -> Option<Vec<PackageFacts>> {
    kept(stanzas(text).filter_map(package))
}

fn package(stanza: &str) -> Option<PackageFacts> {
    let mut facts = PackageFacts::default();
    for (name, value) in header_lines(stanza) {
        match name {
            "Package" => word(value).clone_into(&mut facts.name),
            "Version" => word(value).clone_into(&mut facts.version),
            "Architecture" => word(value).clone_into(&mut facts.architecture),
            "Source" => facts.source = word(value.split(' ').next().unwrap_or_default()).to_owned(),
            // A package that was removed may have left its settings.
            "Status" if value.split(' ').nth(2) != Some("installed") => return None,
            "Depends" | "Pre-Depends" => {
                facts.requires.extend(value.split([',', '|']).filter_map(relation).take(MOST_NAMES));
            }
            "Provides" => facts.provides.extend(value.split(',').filter_map(relation).take(MOST_NAMES)),
            _ => {}
        }
    }
    if facts.source == facts.name {
        facts.source.clear();
    }
    (!facts.name.is_empty() && !facts.version.is_empty()).then_some(facts)
}

/// The name in `libc6:any (>= 2.36)`.
fn relation(text: &str) -> Option<String> {
    let name = text.trim().split([' ', ':', '(']).next().map(word)?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The licences of a `copyright` file in the machine-readable form (DEP-5), in its order.
pub(super) fn licences(text: &str) -> Vec<String> {
    if !text.trim_start().starts_with("Format:") {
        return Vec::new();
    }
    let mut found: Vec<String> = Vec::new();
    for stanza in stanzas(text) {
        let stated = header_lines(stanza).filter(|(name, _)| *name == "License");
        for one in stated.filter_map(|(_, value)| licence(value)) {
            if !found.contains(&one) && found.len() < 64 {
                found.push(one);
            }
        }
    }
    found
}

/// The files of a list of a package's files that a cataloguer reads.
pub(super) fn owned(text: &[u8], is_read: impl Fn(&EntryPath) -> bool) -> Vec<EntryPath> {
    let paths = text.split(|byte| *byte == b'\n').filter_map(|line| EntryPath::new(line).ok());
    paths.filter(is_read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_told_from_leftovers() {
        let text = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nSource: glibc (2.36)\n\
            Version: 2.36-9+deb12u10\nDepends: libgcc-s1 (>= 3.5), libcrypt1:any | x\nProvides: libc\nDescription: a\n b: c\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: half\nStatus: install ok half-installed\nVersion: 1\n\n\n\
            Package: distroless\nVersion: 1:2\nSource: distroless\n";
        let found = packages(text).expect("few");
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["libc6", "distroless"]);
        assert_eq!((found[0].source.as_str(), found[1].source.as_str()), ("glibc", ""));
        assert_eq!(found[0].requires, ["libgcc-s1", "libcrypt1", "x"]);
        assert_eq!(found[0].provides, ["libc"]);
    }

    #[test]
    fn licences_are_those_of_machine_readable_files() {
        let text = "Format: https://www.debian.org/doc/x\n\nFiles: *\nLicense: GPL-2+\n text\n\nFiles: a\nLicense: MIT\n\nLicense: GPL-2+\n";
        assert_eq!(licences(text), ["GPL-2+", "MIT"]);
        assert!(licences("This is MIT.\nLicense: MIT\n").is_empty());
    }
}
