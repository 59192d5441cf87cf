//! Alpine packages: stanzas of `lib/apk/db/installed`, whose fields have one letter each.

use super::header::{MOST_NAMES, kept, stanzas};
use super::text::{licence, word};
use crate::sbom::package::PackageFacts;

/// The packages that are installed; `None` where there are more than are kept.
pub(super) fn packages(text: &str) -> Option<Vec<PackageFacts>> {
    kept(stanzas(text).filter_map(package))
}

fn package(stanza: &str) -> Option<PackageFacts> {
    let mut facts = PackageFacts::default();
    for line in stanza.lines() {
        // The list of files has most lines, and no field that is read: all of those stand before it.
        let Some((field, value)) = line.split_once(':') else { continue };
        let names = || value.split(' ').filter_map(name_of).take(MOST_NAMES);
        match field {
            "P" => word(value).clone_into(&mut facts.name),
            "V" => word(value).clone_into(&mut facts.version),
            "A" => word(value).clone_into(&mut facts.architecture),
            "o" => word(value).clone_into(&mut facts.source),
            "L" => facts.licences.extend(licence(value)),
            "D" => facts.requires.extend(names()),
            "p" => facts.provides.extend(names()),
            _ => {}
        }
    }
    if facts.source == facts.name {
        facts.source.clear();
    }
    (!facts.name.is_empty() && !facts.version.is_empty()).then_some(facts)
}

/// The name in `so:libc.musl-x86_64.so.1=1` or `musl>=1.2`; none of what must not be there.
fn name_of(text: &str) -> Option<String> {
    let name = word(text.split(['=', '<', '>', '~']).next()?);
    (!name.is_empty() && !name.starts_with('!')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_tells_name_version_licence_and_needs() {
        let text = "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\no:musl\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:ld\n\n\
            P:busybox-binsh\nV:1.36-r0\nA:x86_64\no:busybox\nD:busybox=1.36-r0 so:libc.musl-x86_64.so.1 !x\n\nP:none\n";
        let found = packages(text).expect("few");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].licences[0].as_str(), found[0].source.as_str()), ("MIT", ""));
        assert_eq!(found[0].provides, ["so:libc.musl-x86_64.so.1"]);
        assert_eq!(found[1].requires, ["busybox", "so:libc.musl-x86_64.so.1"]);
        assert_eq!(found[1].source, "busybox");
    }
}
