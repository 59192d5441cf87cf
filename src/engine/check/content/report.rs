//! From sightings to findings: how much each matters where it was seen, and its sentence.

use std::collections::BTreeSet;

use super::super::counted::CountedFindings;
use super::case_clash;
use super::jar::{JarFacts, is_signature_file};
use super::library::{LibraryTable, Versions};
use super::packages::Packages;
use super::scan::FileScanner;
use super::sighting::{DatabaseKind, Sighting, What};
use crate::layer::{ContentSource, Entry, EntryKind, EntryPath};
use crate::plan::PlannedLayer;
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;
use crate::types::secret::SecretKind;
use crate::types::shown::shown;

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

impl FoundFile<'_> {
    /// A finding about a line of it, with its file on this machine. A file in an archive has no line there.
    fn place(&self, finding: Finding, line: u32) -> Finding {
        let is_itself = matches!(
            &self.entry.kind,
            EntryKind::File(content) if matches!(content.source, ContentSource::File(..))
        );
        at_entry(finding, self.entry).on_line(if is_itself && self.inner.is_none() { line } else { 0 })
    }
}

/// A finding about an entry, with the file on this machine that has its content.
fn at_entry(finding: Finding, entry: &Entry) -> Finding {
    let EntryKind::File(content) = &entry.kind else { return finding };
    match &content.source {
        ContentSource::File(path, _) => finding.in_file(path),
        ContentSource::Zip(archive, _) => finding.in_file(archive.path()),
        ContentSource::Repacked(repacked) => finding.in_file(repacked.archive().path()),
        ContentSource::Bytes(_) => finding,
    }
}

/// A jar.
pub(super) struct FoundJar<'e> {
    pub(super) entry: &'e Entry,
    pub(super) facts: JarFacts,
}

/// The planned layers, the place of the application's data, and how many findings of a rule are made.
#[derive(Clone, Copy)]
pub(super) struct ReportScope<'l> {
    pub(super) layers: &'l [PlannedLayer],
    pub(super) volumes: &'l BTreeSet<EntryPath>,
    pub(super) most: usize,
}

impl<'l> ReportScope<'l> {
    fn entries(self) -> impl Iterator<Item = &'l Entry> {
        self.layers.iter().flat_map(|layer| layer.spec.entries())
    }

    fn counted(self, rule: Rule) -> CountedFindings {
        CountedFindings::new(rule, self.most)
    }

    /// Whether a volume has the file.
    fn is_in_volume(self, path: &EntryPath) -> bool {
        !self.volumes.is_empty()
            && (self.volumes.contains(path) || path.ancestors().any(|above| self.volumes.contains(&above)))
    }
}

/// The findings about files, but for those about data below volumes.
pub(super) fn files(
    scanner: &FileScanner,
    reported: ReportScope<'_>,
    found: &[FoundFile<'_>],
    interrupt: &Interrupt,
) -> Result<Vec<Finding>, Interrupted> {
    let packages = Packages::of(reported.layers);
    let mut secrets = reported.counted(Rule::Secret);
    repositories(reported, &mut secrets);
    names(scanner, reported, &mut secrets);
    let mut paths = reported.counted(Rule::BuildPath);
    links(scanner, reported, &mut paths);
    let mut data = reported.counted(Rule::MutableData);
    let mut addresses = reported.counted(Rule::BakedAddress);
    for file in found {
        interrupt.check()?;
        let path = &file.path();
        secrets_in(file, &packages, &mut secrets);
        let is_own = !packages.own(path);
        for sighting in &file.sightings {
            match &sighting.what {
                What::BuildPath { path: found, place } => {
                    let verb = || format!("`{path}`, line {}, has", sighting.line);
                    let at = |finding| file.place(finding, sighting.line);
                    build_path(reported, (path, verb), (found, place), at, &mut paths);
                }
                What::Database(kind) if is_own && !reported.is_in_volume(path) => {
                    data.add_usual(|| file.place(database(path, *kind), 0));
                }
                What::Secret { .. } | What::Database(_) | What::Address(_) | What::Rest => {}
            }
        }
        if is_own {
            addresses_in(file, path, &mut addresses);
        }
    }
    logs(reported, &packages, &mut data);
    let mut findings = secrets.finish();
    findings.extend(paths.finish());
    findings.extend(data.finish());
    findings.extend(addresses.finish());
    Ok(findings)
}

/// Texts that were searched in part, and files that were not searched: this is no pass.
pub(super) fn unsearched(found: &[FoundFile<'_>], unsearched: &[EntryPath]) -> Vec<Finding> {
    let is_cut = |file: &&FoundFile<'_>| file.sightings.iter().any(|sighting| sighting.what == What::Rest);
    let cut: Vec<EntryPath> = found.iter().filter(is_cut).map(FoundFile::path).collect();
    let finding = |paths: &[EntryPath], place: &str| {
        let (named, more) = paths.split_at(paths.len().min(3));
        let names: Vec<String> = named.iter().map(|path| format!("`{path}`")).collect();
        let names = match (&names[..], more.len()) {
            ([], _) => return None,
            ([one], 0) => one.clone(),
            ([before @ .., last], 0) => format!("{} and {last}", before.join(", ")),
            (all, 1) => format!("{} and 1 more file", all.join(", ")),
            (all, count) => format!("{} and {count} more files", all.join(", ")),
        };
        let has = if paths.len() == 1 { "has" } else { "have" };
        let message =
            format!("whether {names} {has} a secret{place} cannot be known here: no more is searched");
        let finding = Finding::unknown(Rule::Secret, message).at(Severity::Info);
        let hint = "look for secrets with a tool that reads whole files, such as gitleaks";
        Some(finding.hint(hint).evidence(paths.iter().take(100).map(ToString::to_string).collect()))
    };
    [finding(&cut, " behind the first MiB"), finding(unsearched, "")].into_iter().flatten().collect()
}

/// Links to where the build ran.
fn links(scanner: &FileScanner, reported: ReportScope<'_>, findings: &mut CountedFindings) {
    for entry in reported.entries() {
        let EntryKind::Symlink(target) = &entry.kind else { continue };
        let Some(Sighting { what: What::BuildPath { path, place }, .. }) = scanner.places.in_link(target)
        else {
            continue;
        };
        let verb = || format!("`{}` is a link to", entry.path);
        build_path(reported, (&entry.path, verb), (&path, &place), |finding| finding, findings);
    }
}

/// The finding about a path of the build, unless the image has files in that place.
fn build_path(
    reported: ReportScope<'_>,
    (file, verb): (&EntryPath, impl Fn() -> String),
    (path, place): (&str, &str),
    at: impl Fn(Finding) -> Finding,
    findings: &mut CountedFindings,
) {
    let Ok(place) = EntryPath::new(place.as_bytes()) else { return };
    let has = |layer: &PlannedLayer| layer.spec.get(&place).is_some() || !layer.spec.below(&place).is_empty();
    if reported.layers.iter().any(has) {
        return;
    }
    findings.add_usual(|| {
        let message = format!("{} `{}`, a path of the machine that built it", verb(), shown(path.as_bytes()));
        let finding = Finding::not_met(Rule::BuildPath, message)
            .hint("build it with a path that the image has, or a relative one");
        at(finding.evidence(vec![file.to_string()]))
    });
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
fn logs(reported: ReportScope<'_>, packages: &Packages, findings: &mut CountedFindings) {
    let is_log = |entry: &&Entry| entry.payload_size() > 0 && entry.path.file_name().ends_with(b".log");
    let is_own = |entry: &&Entry| !packages.own(&entry.path) && !reported.is_in_volume(&entry.path);
    for entry in reported.entries().filter(is_log).filter(is_own) {
        findings.add(Severity::Note, || {
            let path = &entry.path;
            let message = format!("`{path}` is a log of a run before the image was made");
            let finding = Finding::not_met(Rule::MutableData, message)
                .hint("leave it out with `exclude` or a line in `.packignore`")
                .evidence(vec![path.to_string()]);
            at_entry(finding, entry)
        });
    }
}

/// One finding for a file with addresses.
fn addresses_in(file: &FoundFile<'_>, path: &EntryPath, findings: &mut CountedFindings) {
    let address = |sighting: &'_ Sighting| match &sighting.what {
        What::Address(address) => Some((sighting.line, address.clone())),
        _ => None,
    };
    let found: Vec<(u32, String)> = file.sightings.iter().filter_map(address).collect();
    let Some((line, address)) = found.first() else { return };
    findings.add_usual(|| {
        let more = match found.len() - 1 {
            0 => String::new(),
            count => format!(", and {count} more of such addresses"),
        };
        let address = shown(address.as_bytes());
        let message = format!(
            "`{path}`, line {line}, has `{address}`{more}: it may be another machine where the image runs"
        );
        let finding = Finding::not_met(Rule::BakedAddress, message)
            .hint("read it from a variable of the environment")
            .evidence(found.iter().map(|(line, _)| format!("{path}:{line}")).collect());
        file.place(finding, *line)
    });
}

/// One finding for each kind of secret in a file, at its first line.
fn secrets_in(file: &FoundFile<'_>, packages: &Packages, findings: &mut CountedFindings) {
    let path = &file.path();
    let mut kinds: Vec<SecretKind> = Vec::new();
    for Sighting { line, what } in &file.sightings {
        let What::Secret { kind, length } = what else { continue };
        if kinds.contains(kind) {
            continue;
        }
        kinds.push(*kind);
        let level =
            if kind.is_certain() && !packages.test_with(path) { Severity::Error } else { Severity::Warning };
        findings.add(level, || {
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
            let evidence = match line {
                0 => path.to_string(),
                line => format!("{path}:{line}"),
            };
            let finding = Finding::not_met(Rule::Secret, message).hint(hint(file));
            file.place(finding.evidence(vec![evidence]), *line)
        });
    }
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

/// Secrets in the names of files, and in the targets of links.
fn names(scanner: &FileScanner, reported: ReportScope<'_>, findings: &mut CountedFindings) {
    let mut above: Option<&EntryPath> = None;
    for entry in reported.entries() {
        // Below a directory that is told already, the entries come next.
        if let Some(found) = scanner.first_secret(entry.path.as_bytes())
            && !above.is_some_and(|told| entry.path.starts_with(told))
        {
            of_name(entry, &format!("the path `{}`", entry.path), found, findings);
            above = Some(&entry.path);
        }
        if let EntryKind::Symlink(target) = &entry.kind
            && let Some(found) = scanner.first_secret(target)
        {
            of_name(entry, &format!("the target of the link `{}`", entry.path), found, findings);
        }
    }
}

fn of_name(entry: &Entry, noun: &str, (kind, length): (SecretKind, usize), findings: &mut CountedFindings) {
    let level = if kind.is_certain() { Severity::Error } else { Severity::Warning };
    findings.add(level, || {
        let finding = Finding::not_met(Rule::Secret, format!("{noun} has {} ({length} bytes)", kind.noun()))
            .hint("give it another name: all who have the image can read it")
            .evidence(vec![entry.path.to_string()]);
        at_entry(finding, entry)
    });
}

/// Directories of git with all history, of which one file may have been a secret once.
fn repositories(reported: ReportScope<'_>, findings: &mut CountedFindings) {
    let is_repository = |entry: &&Entry| entry.is_directory() && entry.path.file_name() == b".git";
    let found: BTreeSet<&EntryPath> =
        reported.entries().filter(is_repository).map(|entry| &entry.path).collect();
    for path in found {
        findings.add(Severity::Warning, || {
            let message = format!("`{path}` goes into the image, and has all that was ever committed");
            Finding::not_met(Rule::Secret, message)
                .hint("write a line `.git/` into `.packignore`")
                .evidence(vec![path.to_string()])
        });
    }
}

/// The findings about jars, and about libraries of two versions.
pub(super) fn jars(reported: ReportScope<'_>, jars: &[FoundJar<'_>]) -> Vec<Finding> {
    let mut signatures = reported.counted(Rule::JarSignature);
    let mut unchecked = Vec::new();
    let mut duplicates = reported.counted(Rule::JarDuplicate);
    let mut libraries = LibraryTable::default();
    for FoundJar { entry, facts } in jars {
        let path = &entry.path;
        libraries.add_jar(path, facts);
        if let Some(forged) = &facts.forged {
            signatures.add_usual(|| {
                let message = format!(
                    "`{}` in `{path}` is not what the jar's signature says: Java refuses it",
                    shown(forged.as_bytes())
                );
                Finding::not_met(Rule::JarSignature, message)
                    .hint("take the jar as its maker signed it, or remove `META-INF/*.SF` from it")
                    .evidence(vec![path.to_string()])
            });
        }
        if let Some(entry) = &facts.unchecked {
            unchecked.push((path, entry));
        }
        if let Some(doubled) = &facts.doubled {
            duplicates.add_usual(|| {
                let message = format!(
                    "`{}` is twice in `{path}`: which one is read depends on the reader",
                    shown(doubled.as_bytes())
                );
                Finding::not_met(Rule::JarDuplicate, message)
                    .hint("make the jar anew, with each entry once")
                    .evidence(vec![path.to_string()])
            });
        }
    }
    let mut findings = signatures.finish();
    findings.extend(not_checked(&unchecked));
    findings.extend(duplicates.finish());
    let entries = || reported.entries();
    // Metadata of Python are directories; a layer may have only their files.
    entries().filter(|entry| entry.is_directory()).for_each(|entry| libraries.add_directory(&entry.path));
    let mut doubled = reported.counted(Rule::DuplicateLibrary);
    libraries.doubled().for_each(|Versions { name, files }| {
        doubled.add_usual(|| {
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
    });
    findings.extend(doubled.finish());
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

/// Signed jars whose entries are more than what is inflated for a check.
fn not_checked(jars: &[(&EntryPath, &String)]) -> Option<Finding> {
    let (path, entry) = jars.first()?;
    let more = match jars.len() - 1 {
        0 => String::new(),
        1 => ", nor those of 1 more jar".to_owned(),
        count => format!(", nor those of {count} more jars"),
    };
    let message = format!(
        "whether `{}` and the signed entries behind it in `{path}` are what the signature says cannot be known here{more}: \
         there is more of it than is read",
        shown(entry.as_bytes())
    );
    let evidence = jars.iter().take(100).map(|(path, _)| path.to_string()).collect();
    Some(
        Finding::unknown(Rule::JarSignature, message)
            .hint("`jarsigner -verify JAR` reads all of it")
            .evidence(evidence),
    )
}

/// Names that differ only by case.
pub(super) fn case_clashes(reported: ReportScope<'_>) -> Vec<Finding> {
    let paths = reported.entries().map(|entry| &entry.path);
    let mut findings = reported.counted(Rule::CaseClash);
    for (one, other) in case_clash::clashes(paths, 10 * reported.most) {
        findings.add_usual(|| {
            let message = format!("`{one}` and `{other}` are one file on systems that ignore case");
            Finding::not_met(Rule::CaseClash, message)
                .hint("rename one of them")
                .evidence(vec![one.to_string(), other.to_string()])
        });
    }
    findings.finish()
}
