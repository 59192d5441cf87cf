//! From sightings to findings: how much each matters where it was seen, and its sentence.

use std::collections::BTreeSet;

use super::login::is_secret_variable;
use super::scan::FileScanner;
use super::sighting::{SecretKind, Sighting, What};
use crate::engine::apps::Start;
use crate::engine::request::Request;
use crate::layer::{ContentSource, Entry, EntryKind};
use crate::plan::PlannedLayer;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;

/// So many findings of a rule are told one by one.
const MOST: usize = 20;

/// A file in which something was seen.
pub(super) struct FoundFile<'e> {
    pub(super) entry: &'e Entry,
    pub(super) sightings: Vec<Sighting>,
}

/// The findings about files.
pub(super) fn files(layers: &[PlannedLayer], found: &[FoundFile<'_>]) -> Vec<Finding> {
    let mut secrets = repositories(layers);
    if !found.is_empty() {
        let packages = Packages::of(layers);
        secrets.extend(found.iter().flat_map(|file| secrets_in(file, &packages)));
    }
    secrets.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    shortened(Rule::Secret, secrets)
}

/// The first findings, and one that counts the others.
fn shortened(rule: Rule, mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() > MOST {
        let rest = findings.split_off(MOST);
        let level = rest.iter().map(|finding| finding.level).max().unwrap_or(rule.level());
        let message = format!("there are {} more findings of the rule `{rule}`", rest.len());
        let evidence = rest.into_iter().flat_map(|finding| finding.evidence).take(100).collect();
        findings.push(Finding::not_met(rule, message).at(level).evidence(evidence));
    }
    findings
}

/// One finding for each kind of secret in a file, at its first line.
fn secrets_in(file: &FoundFile<'_>, packages: &Packages) -> Vec<Finding> {
    let path = &file.entry.path;
    let mut kinds: Vec<SecretKind> = Vec::new();
    let mut findings = Vec::new();
    for Sighting { line, what: What::Secret { kind, length } } in &file.sightings {
        if kinds.contains(kind) {
            continue;
        }
        kinds.push(*kind);
        let same =
            |other: &&Sighting| matches!(other.what, What::Secret { kind: other, .. } if other == *kind);
        let more = match file.sightings.iter().filter(same).count() - 1 {
            0 => String::new(),
            count => format!(", and {count} more of the kind"),
        };
        let message = match line {
            0 => format!("`{path}` is {}", kind.noun()),
            line => format!("`{path}`, line {line}, has {} ({length} bytes){more}", kind.noun()),
        };
        let level = if kind.is_certain() && !packages.are_tested_by(path.as_bytes()) {
            Severity::Error
        } else {
            Severity::Warning
        };
        let evidence = match line {
            0 => path.to_string(),
            line => format!("{path}:{line}"),
        };
        findings.push(
            Finding::not_met(Rule::Secret, message).at(level).hint(hint(file.entry)).evidence(vec![evidence]),
        );
    }
    findings
}

/// How to leave the file out, by where it comes from.
fn hint(entry: &Entry) -> String {
    let is_packed = matches!(
        &entry.kind,
        EntryKind::File(content) if matches!(content.source, ContentSource::Zip(..) | ContentSource::Repacked(..))
    );
    let leave = if is_packed {
        "build the archive without the file"
    } else {
        "leave the file out with `exclude` or a line in `.packignore`"
    };
    format!("{leave}, and mount the secret when the container starts")
}

/// Directories of git with all history, of which one file may have been a secret once.
fn repositories(layers: &[PlannedLayer]) -> Vec<Finding> {
    let entries = layers.iter().flat_map(|layer| layer.spec.entries());
    let repositories = entries.filter(|entry| entry.is_directory() && entry.path.file_name() == b".git");
    let found: BTreeSet<String> = repositories.map(|entry| entry.path.to_string()).collect();
    let finding = |path: String| {
        let message = format!("`{path}` goes into the image, and has all that was ever committed");
        let hint = "write a line `.git/` into `.packignore`";
        Finding::not_met(Rule::Secret, message).at(Severity::Warning).hint(hint).evidence(vec![path])
    };
    found.into_iter().map(finding).collect()
}

/// Where packages of others lie.
struct Packages {
    /// Directories with `NAME.dist-info`: `pip install --target` makes them of any name.
    python: BTreeSet<Vec<u8>>,
}

/// Directories of packages of others.
const PACKAGES: [&[u8]; 6] =
    [b"node_modules", b"site-packages", b"dist-packages", b"vendor", b"bower_components", b".pnpm"];

/// Directories of packages that nothing runs.
const TESTS: [&[u8]; 14] = [
    b"test",
    b"tests",
    b"__tests__",
    b"testing",
    b"testdata",
    b"spec",
    b"fixtures",
    b"example",
    b"examples",
    b"doc",
    b"docs",
    b"demo",
    b"benchmark",
    b"samples",
];

impl Packages {
    fn of(layers: &[PlannedLayer]) -> Self {
        let entries = layers.iter().flat_map(|layer| layer.spec.entries());
        let metadata = entries
            .filter(|entry| entry.path.file_name() == b"METADATA" || entry.path.file_name() == b"RECORD");
        let python = metadata.filter_map(|entry| {
            let directory = entry.path.parent()?;
            directory.file_name().ends_with(b".dist-info").then(|| directory.directory().to_vec())
        });
        Self { python: python.collect() }
    }

    /// Whether the file belongs to a package's tests, examples or documentation, which anybody can read where the package is.
    fn are_tested_by(&self, path: &[u8]) -> bool {
        let mut is_package = false;
        let mut start = 0;
        for (at, byte) in path.iter().enumerate() {
            if *byte != b'/' {
                continue;
            }
            let part = &path[start..at];
            is_package |= PACKAGES.contains(&part) || self.python.contains(&path[..start]);
            if is_package && TESTS.contains(&part) {
                return true;
            }
            start = at + 1;
        }
        false
    }
}

/// Secrets in variables, labels, and the words of commands.
pub(super) fn settings(scanner: &FileScanner, request: &Request, start: &Start) -> Vec<Finding> {
    let own = &request.settings.config;
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut findings = Vec::new();
    let set = own.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let wanted = start.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in set.chain(wanted) {
        let place = format!("the variable `{name}`");
        let before = findings.len();
        findings.extend(secret_in_text(scanner, &place, value));
        if findings.len() == before && is_secret_variable(name.as_bytes(), value.as_bytes()) {
            let message =
                format!("{place} of the image has a value that looks like a secret ({} bytes)", value.len());
            findings.push(of_setting(message, Severity::Warning));
        }
    }
    for (name, value) in &own.labels {
        let resolved = value.value.resolve(&request.facts).unwrap_or_else(|_| value.value.to_string());
        texts.push((format!("the label `{}`", name.as_str()), resolved));
    }
    let words = |name: &str, words: Option<&[String]>| -> Vec<(String, String)> {
        words.unwrap_or_default().iter().map(|word| (format!("`{name}`"), word.clone())).collect()
    };
    let entrypoint = own.entrypoint.as_ref().map(|words| words.value.as_slice());
    texts.extend(words("entrypoint", entrypoint.or(start.entrypoint.as_deref())));
    let cmd = own.cmd.as_ref().map(|words| words.value.as_slice());
    texts.extend(words("cmd", cmd.or(start.cmd.as_deref())));
    findings.extend(texts.iter().filter_map(|(place, text)| secret_in_text(scanner, place, text)));
    findings
}

fn secret_in_text(scanner: &FileScanner, place: &str, text: &str) -> Option<Finding> {
    let mut sightings = Vec::new();
    scanner.text(text.as_bytes(), &mut sightings);
    let Sighting { what: What::Secret { kind, length }, .. } = sightings.first()?;
    let message = format!("{place} of the image has {} ({length} bytes)", kind.noun());
    Some(of_setting(message, if kind.is_certain() { Severity::Error } else { Severity::Warning }))
}

/// A finding that names no place in the build file: a report would show the line, and the secret in it.
fn of_setting(message: String, level: Severity) -> Finding {
    let hint = "give the value to the container when it starts, as a variable or a mounted file";
    Finding::not_met(Rule::Secret, message).at(level).hint(hint)
}
