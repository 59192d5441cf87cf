//! From sightings to findings: how much each matters where it was seen, and its sentence.

use std::collections::BTreeSet;

use super::case_clash;
use super::jar::{JarFacts, is_signature_file};
use super::library::{LibraryTable, Versions};
use super::login::is_secret_variable;
use super::packages::Packages;
use super::scan::FileScanner;
use super::sighting::{DatabaseKind, Sighting, What};
use crate::engine::apps::Start;
use crate::engine::request::Request;
use crate::layer::{ContentSource, Entry, EntryKind, EntryPath};
use crate::plan::PlannedLayer;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;
use crate::types::secret::SecretKind;
use crate::types::shown::shown;

/// So many findings of a rule are told one by one.
const MOST: usize = 20;

/// A file in which something was seen.
pub(super) struct FoundFile<'e> {
    pub(super) entry: &'e Entry,
    /// Where it is in the archive that the entry is.
    pub(super) inner: Option<EntryPath>,
    pub(super) sightings: Vec<Sighting>,
}

impl FoundFile<'_> {
    /// Its path in the image, through the archive.
    fn path(&self) -> EntryPath {
        match &self.inner {
            Some(inner) => inner.below(&self.entry.path),
            None => self.entry.path.clone(),
        }
    }
}

/// A jar.
pub(super) struct FoundJar<'e> {
    pub(super) entry: &'e Entry,
    pub(super) facts: JarFacts,
}

/// The findings about files, but for those about data below `volumes`.
pub(super) fn files(
    scanner: &FileScanner,
    layers: &[PlannedLayer],
    found: &[FoundFile<'_>],
    volumes: &[EntryPath],
) -> Vec<Finding> {
    let packages = Packages::of(layers);
    let mut secrets = repositories(layers);
    let (mut paths, mut data, mut addresses) = (links(scanner, layers), Vec::new(), Vec::new());
    for file in found {
        let path = &file.path();
        secrets.extend(secrets_in(file, &packages));
        for sighting in &file.sightings {
            match &sighting.what {
                What::Secret { .. } => {}
                What::BuildPath { path: found, place } => {
                    let verb = format!("`{path}`, line {}, has", sighting.line);
                    paths.extend(build_path(layers, path, &verb, found, place));
                }
                What::Database(kind)
                    if !packages.own(path) && !volumes.iter().any(|volume| path.starts_with(volume)) =>
                {
                    data.push(database(path, *kind));
                }
                What::Address(address) if !packages.own(path) => {
                    addresses.push((path.clone(), sighting.line, address));
                }
                What::Database(_) | What::Address(_) => {}
            }
        }
    }
    data.extend(logs(layers, &packages, volumes));
    secrets.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let mut findings = shortened(Rule::Secret, secrets);
    findings.extend(shortened(Rule::BuildPath, paths));
    findings.extend(shortened(Rule::MutableData, data));
    findings.extend(shortened(Rule::BakedAddress, by_file(&addresses)));
    findings
}

/// Links to where the build ran.
fn links(scanner: &FileScanner, layers: &[PlannedLayer]) -> Vec<Finding> {
    let entries = layers.iter().flat_map(|layer| layer.spec.entries());
    let found = entries.filter_map(|entry| {
        let EntryKind::Symlink(target) = &entry.kind else { return None };
        let What::BuildPath { path, place } = scanner.places.in_link(target)?.what else { return None };
        build_path(layers, &entry.path, &format!("`{}` is a link to", entry.path), &path, &place)
    });
    found.collect()
}

/// The finding about a path of the build, unless the image has files in that place.
fn build_path(
    layers: &[PlannedLayer],
    file: &EntryPath,
    verb: &str,
    path: &str,
    place: &str,
) -> Option<Finding> {
    let place = EntryPath::new(place.as_bytes()).ok()?;
    let mut entries = layers.iter().flat_map(|layer| layer.spec.entries());
    if entries.any(|entry| entry.path.starts_with(&place)) {
        return None;
    }
    let message = format!("{verb} `{}`, a path of the machine that built it", shown(path.as_bytes()));
    let finding = Finding::not_met(Rule::BuildPath, message)
        .hint("build it with a path that the image has, or a relative one");
    Some(finding.evidence(vec![file.to_string()]))
}

fn database(path: &EntryPath, kind: DatabaseKind) -> Finding {
    let message = format!(
        "`{path}` is a database of {}: what a container writes to it is lost with the container",
        kind.name()
    );
    let hint = "leave it out and mount a volume there, or allow the rule if it is only read";
    Finding::not_met(Rule::MutableData, message).hint(hint).evidence(vec![path.to_string()])
}

/// Files of logs, of the application itself.
fn logs(layers: &[PlannedLayer], packages: &Packages, volumes: &[EntryPath]) -> Vec<Finding> {
    let entries = layers.iter().flat_map(|layer| layer.spec.entries());
    let is_log = |entry: &&Entry| entry.payload_size() > 0 && entry.path.file_name().ends_with(b".log");
    let is_own = |entry: &&Entry| {
        !packages.own(&entry.path) && !volumes.iter().any(|volume| entry.path.starts_with(volume))
    };
    let found = entries.filter(is_log).filter(is_own).map(|entry| {
        let path = &entry.path;
        let message = format!("`{path}` is a log of a run before the image was made");
        let finding = Finding::not_met(Rule::MutableData, message).at(Severity::Note);
        finding
            .hint("leave it out with `exclude` or a line in `.packignore`")
            .evidence(vec![path.to_string()])
    });
    found.collect()
}

/// One finding for each file with addresses.
fn by_file(addresses: &[(EntryPath, u32, &String)]) -> Vec<Finding> {
    let of_one_file = addresses.chunk_by(|(one, ..), (other, ..)| one == other);
    let finding = |found: &[(EntryPath, u32, &String)]| {
        let (path, line, address) = found.first()?;
        let more = match found.len() - 1 {
            0 => String::new(),
            count => format!(", and {count} more of such addresses"),
        };
        let address = shown(address.as_bytes());
        let message = format!(
            "`{path}`, line {line}, has `{address}`{more}: it may be another machine where the image runs"
        );
        let evidence = found.iter().map(|(path, line, _)| format!("{path}:{line}")).collect();
        Some(
            Finding::not_met(Rule::BakedAddress, message)
                .hint("read it from a variable of the environment")
                .evidence(evidence),
        )
    };
    of_one_file.filter_map(finding).collect()
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
    let path = &file.path();
    let mut kinds: Vec<SecretKind> = Vec::new();
    let mut findings = Vec::new();
    for Sighting { line, what } in &file.sightings {
        let What::Secret { kind, length } = what else { continue };
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
        let level =
            if kind.is_certain() && !packages.test_with(path) { Severity::Error } else { Severity::Warning };
        let evidence = match line {
            0 => path.to_string(),
            line => format!("{path}:{line}"),
        };
        findings.push(
            Finding::not_met(Rule::Secret, message).at(level).hint(hint(file)).evidence(vec![evidence]),
        );
    }
    findings
}

/// How to leave the file out, by where it comes from.
fn hint(file: &FoundFile<'_>) -> String {
    let is_packed = matches!(
        &file.entry.kind,
        EntryKind::File(content) if matches!(content.source, ContentSource::Zip(..) | ContentSource::Repacked(..))
    );
    let leave = if is_packed || file.inner.is_some() {
        "build the archive without the file"
    } else {
        "leave the file out with `exclude` or a line in `.packignore`"
    };
    format!(
        "{leave}, and mount the secret when the container starts; `--allow secret=WHY` allows what is none"
    )
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

/// The findings about jars, and about libraries of two versions.
pub(super) fn jars(layers: &[PlannedLayer], jars: &[FoundJar<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut libraries = LibraryTable::default();
    for FoundJar { entry, facts } in jars {
        let path = &entry.path;
        libraries.add_jar(path, facts);
        if let Some(forged) = &facts.forged {
            let message = format!(
                "`{}` in `{path}` is not what the jar's signature says: Java refuses it",
                shown(forged.as_bytes())
            );
            let hint = "take the jar as its maker signed it, or remove `META-INF/*.SF` from it";
            findings.push(
                Finding::not_met(Rule::JarSignature, message).hint(hint).evidence(vec![path.to_string()]),
            );
        }
        if let Some(doubled) = &facts.doubled {
            let message = format!(
                "`{}` is twice in `{path}`: which one is read depends on the reader",
                shown(doubled.as_bytes())
            );
            let finding =
                Finding::not_met(Rule::JarDuplicate, message).hint("make the jar anew, with each entry once");
            findings.push(finding.evidence(vec![path.to_string()]));
        }
    }
    let entries = || layers.iter().flat_map(|layer| layer.spec.entries());
    // Metadata of Python are directories; a layer may have only their files.
    entries().filter(|entry| entry.is_directory()).for_each(|entry| libraries.add_directory(&entry.path));
    let doubled = libraries.doubled().map(|Versions { name, files }| {
        let files: Vec<String> =
            files.into_values().map(|file| format!("`{}`", shown(file.as_bytes()))).collect();
        let message = format!(
            "`{}` is there in {} versions: {}",
            shown(name.as_bytes()),
            files.len(),
            files.join(" and ")
        );
        Finding::not_met(Rule::DuplicateLibrary, message)
            .hint("remove one of them from the build")
            .evidence(files)
    });
    findings.extend(shortened(Rule::DuplicateLibrary, doubled.collect()));
    let signatures = entries().filter(|entry| {
        let below =
            memchr::memmem::rfind(entry.path.as_bytes(), b"META-INF/").map(|at| &entry.path.as_bytes()[at..]);
        !entry.is_directory() && below.is_some_and(is_signature_file)
    });
    findings.extend(signatures.take(1).map(|entry| {
        let message = format!("`{}` signs nothing any more: the jar that it was in is exploded", entry.path);
        Finding::not_met(Rule::JarSignature, message)
            .at(Severity::Note)
            .evidence(vec![entry.path.to_string()])
    }));
    findings
}

/// Names that differ only by case.
pub(super) fn case_clashes(layers: &[PlannedLayer]) -> Vec<Finding> {
    let paths = layers.iter().flat_map(|layer| layer.spec.entries()).map(|entry| &entry.path);
    let found = case_clash::clashes(paths, 10 * MOST).into_iter().map(|(one, other)| {
        let message = format!("`{one}` and `{other}` are one file on systems that ignore case");
        Finding::not_met(Rule::CaseClash, message)
            .hint("rename one of them")
            .evidence(vec![one.to_string(), other.to_string()])
    });
    shortened(Rule::CaseClash, found.collect())
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
    let What::Secret { kind, length } = &sightings.first()?.what else { return None };
    let message = format!("{place} of the image has {} ({length} bytes)", kind.noun());
    Some(of_setting(message, if kind.is_certain() { Severity::Error } else { Severity::Warning }))
}

/// A finding that names no place in the build file: a report would show the line, and the secret in it.
fn of_setting(message: String, level: Severity) -> Finding {
    let hint = "give the value to the container when it starts, as a variable or a mounted file";
    Finding::not_met(Rule::Secret, message).at(level).hint(hint)
}
