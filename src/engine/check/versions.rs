//! Versions of symbols: those that programs and modules need of their libraries, beside those that the libraries define.
//!
//! A loader compares names. So does this, and libraries without any versions fit everything, as they do for loaders.
//! Modules of one application often lack the same versions: they are told together, once for each library.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::image::CandidateImage;
use crate::bases::FileTree;
use crate::types::finding::Finding;
use crate::types::rule::Rule;
use crate::types::shown::Foreign;

/// So many files are named in the evidence of one finding.
const MAX_NAMED: usize = 20;

/// A library that is older than the symbols that files need of it.
struct OldLibrary {
    /// Whether a planned layer has it.
    is_own: bool,
    defined: BTreeSet<String>,
    /// The missing versions, by the file that needs them.
    missing: BTreeMap<String, BTreeSet<String>>,
}

/// The versions that were compared for one artifact.
#[derive(Default)]
pub(super) struct VersionReport {
    /// By the path of the library.
    old: BTreeMap<String, OldLibrary>,
    /// Libraries whose versions nothing at hand tells, and a file that needs some.
    unknown: BTreeMap<String, String>,
    /// Files of which it is not known what they need.
    unread: BTreeSet<String>,
    /// Whether anything was compared.
    has_compared: bool,
}

/// A library with the versions that it defines.
pub(super) struct DefinedBy<'a> {
    pub(super) path: &'a str,
    pub(super) is_own: bool,
    /// `None` where nothing at hand tells.
    pub(super) versions: Option<BTreeSet<String>>,
}

impl VersionReport {
    /// The file `by` needs `names` of a library.
    pub(super) fn compare(&mut self, by: &str, names: &[String], library: DefinedBy<'_>) {
        let Some(defined) = library.versions else {
            self.unknown.entry(library.path.to_owned()).or_insert_with(|| by.to_owned());
            return;
        };
        self.has_compared = true;
        if defined.is_empty() {
            return;
        }
        let missing: BTreeSet<String> =
            names.iter().filter(|name| !defined.contains(*name)).cloned().collect();
        if !missing.is_empty() {
            let is_own = library.is_own;
            let new = || OldLibrary { is_own, defined, missing: BTreeMap::new() };
            let old = self.old.entry(library.path.to_owned()).or_insert_with(new);
            old.missing.entry(by.to_owned()).or_default().extend(missing);
        }
    }

    /// Nothing tells which versions the file `by` needs.
    pub(super) fn add_unread(&mut self, by: &str) {
        self.unread.insert(by.to_owned());
    }

    /// The findings for an image; none where nothing needs a version.
    pub(super) fn findings<T: FileTree>(self, image: &CandidateImage<'_, T>) -> Vec<Finding> {
        let rule = Rule::ElfSymbolVersion;
        let mut findings: Vec<Finding> =
            self.old.iter().map(|(path, old)| old.finding(path, image.base_name)).collect();
        for (library, by) in &self.unknown {
            let what = format!("whether `{library}` has the versions of symbols that `{by}` needs");
            findings.push(Finding::unknown(rule, image.unknown(&what)).hint(image.cure));
        }
        if let Some(by) = self.unread.first() {
            let more = more_files(self.unread.len());
            let message =
                format!("which versions of symbols `{by}`{more} needs cannot be known: its table is damaged");
            findings.push(Finding::unknown(rule, message));
        }
        if findings.is_empty() && self.has_compared {
            let message = format!("{} has all versions of symbols that its programs need", image.name);
            findings.push(Finding::met(rule, message));
        }
        findings
    }
}

/// ` and 2 more files`, after the first.
fn more_files(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        2 => " and 1 more file".to_owned(),
        _ => format!(" and {} more files", count - 1),
    }
}

impl OldLibrary {
    fn finding(&self, path: &str, base_name: &str) -> Finding {
        let all: BTreeSet<&String> = self.missing.values().flatten().collect();
        // The newest of each kind says all.
        let mut newest: BTreeMap<&str, &str> = BTreeMap::new();
        for name in all {
            let known = newest.entry(kind(name)).or_insert(name);
            if order(name, known).is_gt() {
                *known = name;
            }
        }
        let wanted = newest.values().map(|name| Foreign::new(name).to_string()).collect::<Vec<_>>();
        let library = path.rsplit('/').next().unwrap_or_default();
        let by = self.missing.keys().next().map_or("", String::as_str);
        let needs = if self.missing.len() > 1 { "need" } else { "needs" };
        let defines = newest.keys().filter_map(|kind| self.newest_of(kind)).collect::<BTreeSet<_>>();
        let defines = match defines.into_iter().collect::<Vec<_>>().join(" and ") {
            none if none.is_empty() => "defines no such version".to_owned(),
            upto => format!("defines up to {}", Foreign::new(&upto)),
        };
        let whose =
            if self.is_own { format!("`{path}` of a layer") } else { format!("{base_name}'s `{path}`") };
        let message = format!(
            "`{by}`{} {needs} {} of `{library}`, and {whose} {defines}",
            more_files(self.missing.len()),
            wanted.join(", ")
        );
        let files = self.missing.iter().take(MAX_NAMED);
        let evidence = files.map(|(file, names)| {
            let names: Vec<String> = names.iter().map(|name| Foreign::new(name).to_string()).collect();
            format!("`{file}` needs {}", names.join(", "))
        });
        Finding::not_met(Rule::ElfSymbolVersion, message)
            .hint(self.remedy(&newest))
            .evidence(evidence.collect())
    }

    /// The newest version of a kind, or of what begins like it.
    fn newest_of(&self, wanted: &str) -> Option<&str> {
        let newest = |is_it: &dyn Fn(&str) -> bool| {
            let numbered = self.defined.iter().map(String::as_str).filter(|name| !numbers(name).is_empty());
            numbered.filter(|name| is_it(name)).max_by(|a, b| order(a, b))
        };
        let first_word = wanted.split('_').next().unwrap_or_default();
        newest(&|name| kind(name) == wanted)
            .or_else(|| newest(&|name| kind(name).trim_end_matches('_') == first_word))
    }

    fn remedy(&self, newest: &BTreeMap<&str, &str>) -> String {
        if self.is_own {
            return "put the library that the file was linked with into the layer, or leave it out so that the base's is taken".to_owned();
        }
        match newest.get("GLIBC_") {
            Some(name) => {
                let version = Foreign::new(name.trim_start_matches("GLIBC_")).to_string();
                format!(
                    "use a base with glibc {version} or a later one, or build the file (or install its package) on a system with \
                     the glibc of the base or an older one"
                )
            }
            None => "use a newer base, or build the file on a system that is as old as the base".to_owned(),
        }
    }
}

/// The part of a name before its numbers: `GLIBC_` of `GLIBC_2.34`.
fn kind(name: &str) -> &str {
    &name[..name.find(|character: char| character.is_ascii_digit()).unwrap_or(name.len())]
}

fn numbers(name: &str) -> Vec<u64> {
    let rest = &name[kind(name).len()..];
    rest.split(|character: char| !character.is_ascii_digit()).map_while(|part| part.parse().ok()).collect()
}

fn order(one: &str, other: &str) -> Ordering {
    numbers(one).cmp(&numbers(other)).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(wanted: &[&str], defined: &[&str]) -> Option<String> {
        let mut report = VersionReport::default();
        let names: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let versions = Some(defined.iter().map(|name| (*name).to_owned()).collect());
        report.compare("/app/server", &names, DefinedBy { path: "/lib/libc.so.6", is_own: false, versions });
        report.old.iter().map(|(path, old)| old.finding(path, "the base").message).next()
    }

    #[test]
    fn names_of_versions_are_compared_and_told_by_number() {
        let base = ["GLIBC_2.2.5", "GLIBC_2.9", "GLIBC_2.36", "GLIBC_PRIVATE"];
        assert_eq!(finding(&["GLIBC_2.9"], &base), None);
        assert_eq!(finding(&["GLIBC_2.9"], &[]), None, "no versions at all");
        assert_eq!(
            finding(&["GLIBC_2.100", "GLIBC_2.38"], &base).as_deref(),
            Some(
                "`/app/server` needs GLIBC_2.100 of `libc.so.6`, and the base's `/lib/libc.so.6` defines up to GLIBC_2.36"
            )
        );
        assert!(
            finding(&["GLIBC_ABI_DT_RELR"], &base)
                .is_some_and(|message| message.ends_with("up to GLIBC_2.36"))
        );
        assert!(
            finding(&["SHOP_2"], &base).is_some_and(|message| message.ends_with("defines no such version"))
        );
    }
}
