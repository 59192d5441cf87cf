//! The installed distributions of a Python application: their files, their programs, and what they need, as the directories
//! `*.dist-info` say it (binary distribution format, PEP 376, PEP 610).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::{FoundTree, read_item};
use super::super::super::material::Material;
use super::super::super::package_json::{member, package};
use super::environment::{PythonVersion, below, normalised};
use super::markers::counts;
use super::project::PythonProject;
use crate::layer::scan::FoundKind;
use crate::runtime::input::MAX_TEXT;
use crate::runtime::tree_reader::{TreeReader, leads_out};
use crate::types::shown::shown;

/// A `RECORD` has a line for each file; the largest have some ten thousand.
const MAX_RECORD: u64 = 32 << 20;
/// So many of the files that it lists and that are not there are looked for.
const MAX_MISSING: usize = 10_000;

/// Distributions that install others, and are no application.
const INSTALLERS: [&str; 6] = ["pip", "setuptools", "wheel", "uv", "virtualenv", "distribute"];

/// One distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PythonDistribution {
    /// Its name, normalised (PEP 503).
    pub(super) name: String,
    /// Its directory of metadata.
    pub(super) metadata: Vec<u8>,
    /// The programs that it brings, with the function of each.
    pub(super) scripts: Vec<(String, String)>,
    /// Its version.
    pub(super) version: Option<String>,
    /// The names of those that it needs.
    needs: Vec<String>,
    /// The requirements, as `METADATA` has them.
    requires: Vec<String>,
    /// Whether it was installed from files of a machine, as a project is, and not from an index.
    is_local: bool,
}

/// All distributions in a directory.
#[derive(Debug, Default)]
pub(super) struct PythonDistributions(pub(super) Vec<PythonDistribution>);

/// The most requirements that are told of as missing.
const MAX_NEEDS: usize = 100;

/// Why they cannot be taken: the reason and the remedy.
pub(super) type DistributionFault = (String, String);

impl PythonDistributions {
    /// Those in `site`.
    pub(super) fn read(
        tree: &FoundTree,
        site: &[u8],
    ) -> Result<Result<Self, DistributionFault>, ArtifactError> {
        let mut all = Vec::new();
        for (name, item) in tree.names_in(site) {
            let Some(stem) = name.strip_suffix(b".dist-info") else { continue };
            if item.kind != FoundKind::Directory {
                continue;
            }
            let directory = below(site, name);
            let file = |name: &str| tree.read(&below(&directory, name.as_bytes()), MAX_TEXT);
            let origin = file("direct_url.json")?;
            let is_local = origin.as_deref().is_some_and(is_local);
            if let Some(origin) = origin.filter(|bytes| is_editable(bytes)) {
                let origin = package(&origin)
                    .ok()
                    .and_then(|origin| Some(member(origin, "url")?.as_str()?.into_owned()));
                let origin = origin.map(|origin| format!(", which leads to `{}`", shown(origin.as_bytes())));
                let stem = String::from_utf8_lossy(stem).into_owned();
                return Ok(Err(editable(&format!(
                    "`{}`{}",
                    shown(stem.as_bytes()),
                    origin.unwrap_or_default()
                ))));
            }
            let about = file("METADATA")?.unwrap_or_default();
            let programs = file("entry_points.txt")?.unwrap_or_default();
            let parsed = PythonDistribution::parse(stem, directory.clone(), &about, &programs);
            all.push(PythonDistribution { is_local, ..parsed });
        }
        if let Some(fault) = paths_of_machine(tree, site)? {
            return Ok(Err(fault));
        }
        Ok(Ok(Self(all)))
    }

    /// A warning about modules that a distribution says it has, and that are not there: an installation that was broken
    /// off, or files that someone deleted. Those that the user leaves out are there.
    pub(super) fn warning_of_missing(
        &self,
        tree: &FoundTree,
        site: &[u8],
        on_disk: &Path,
    ) -> Result<Option<String>, ArtifactError> {
        const NAMED: usize = 3;
        let mut missing: Vec<String> = Vec::new();
        for distribution in &self.0 {
            let is_gone =
                |path: &[u8]| (path.ends_with(b".py") || path.ends_with(b".so")) && tree.get(path).is_none();
            for path in distribution.listed(tree, site, is_gone, MAX_MISSING)? {
                if TreeReader::new(on_disk)
                    .metadata(OsStr::from_bytes(&path))
                    .is_err_and(|error| !leads_out(&error))
                {
                    missing.push(format!("`{}` of `{}`", shown(&path), shown(distribution.name.as_bytes())));
                }
            }
        }
        let more = missing.len().saturating_sub(NAMED);
        missing.truncate(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Ok((!missing.is_empty()).then(|| {
            format!(
                "modules are missing that `RECORD` names: {}{more}; install the packages again",
                missing.join(", ")
            )
        }))
    }

    /// Those that installed ones need for certain and that are not there, each with one that needs it.
    pub(super) fn missing(
        &self,
        tree: &FoundTree,
        site: &[u8],
        python: Option<PythonVersion>,
    ) -> Result<Vec<(String, String)>, ArtifactError> {
        let mut places = vec![site.to_vec()];
        places.extend(added_directories(tree, site)?);
        let mut there: BTreeSet<String> = self.0.iter().map(|of| of.name.clone()).collect();
        for place in &places {
            for (name, _) in tree.names_in(place) {
                let name = String::from_utf8_lossy(name);
                let stem =
                    [".egg-info", ".dist-info", ".egg"].iter().find_map(|ending| name.strip_suffix(ending));
                there.extend(stem.map(|stem| normalised(stem.split('-').next().unwrap_or_default())));
                // Another distribution may have the module: `psycopg2-binary` has `psycopg2`.
                if stem.is_none() {
                    there.insert(normalised(name.strip_suffix(".py").unwrap_or(&name)));
                }
            }
        }
        let mut missing = BTreeMap::new();
        for distribution in &self.0 {
            let needs = distribution.needs.iter().zip(&distribution.requires);
            for (name, _) in needs
                .filter(|(name, _)| !there.contains(*name) && !has_variant(&there, name))
                .filter(|(_, requirement)| counts(requirement, python) == Some(true))
            {
                missing.entry(name.clone()).or_insert_with(|| distribution.name.clone());
            }
        }
        Ok(missing.into_iter().take(MAX_NEEDS).collect())
    }

    /// Those in a directory on disk, without a look at anything else in it.
    pub(super) fn in_directory(material: &Material, site: &str) -> Result<Self, ArtifactError> {
        let mut all = Vec::new();
        for name in material.names_in(site)? {
            let Some(stem) = name.strip_suffix(b".dist-info") else { continue };
            let Ok(text) = std::str::from_utf8(&name) else { continue };
            let above = if site.is_empty() { String::new() } else { format!("{site}/") };
            let file = |of: &str| material.read(&format!("{above}{text}/{of}"), MAX_TEXT);
            let about = file("METADATA")?.unwrap_or_default();
            let programs = file("entry_points.txt")?.unwrap_or_default();
            let origin = file("direct_url.json")?;
            let is_local = origin.as_deref().is_some_and(is_local);
            let parsed = PythonDistribution::parse(stem, name.clone(), &about, &programs);
            all.push(PythonDistribution { is_local, ..parsed });
        }
        Ok(Self(all))
    }

    /// The application: the distribution of the project, else the only one with programs that no other needs. Beside
    /// programs of the project, no distribution of others is one.
    pub(super) fn application(&self, project: &PythonProject) -> Option<&PythonDistribution> {
        if let Some(own) = self.0.iter().find(|of| project.name.as_ref() == Some(&of.name)) {
            return Some(own);
        }
        self.only(|of| of.is_local).or_else(|| self.only(|_| project.programs.is_empty()))
    }

    /// The only one of these with programs that no other needs.
    fn only(&self, is_meant: impl Fn(&PythonDistribution) -> bool) -> Option<&PythonDistribution> {
        let needed: BTreeSet<&str> = self
            .0
            .iter()
            .flat_map(|of| of.needs.iter().filter(|name| **name != of.name).map(String::as_str))
            .collect();
        let is_application = |it: &&PythonDistribution| {
            is_meant(it)
                && !it.scripts.is_empty()
                && !needed.contains(&*it.name)
                && !INSTALLERS.contains(&&*it.name)
        };
        let mut found = self.0.iter().filter(is_application);
        found.next().filter(|_| found.next().is_none())
    }
}

impl PythonDistribution {
    /// The distribution whose directory of metadata is `STEM.dist-info`, by its `METADATA` and `entry_points.txt`.
    fn parse(stem: &[u8], metadata: Vec<u8>, about: &[u8], programs: &[u8]) -> Self {
        let about = String::from_utf8_lossy(about);
        let field = |line: &str, name: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
        let mut distribution = Self {
            name: normalised(String::from_utf8_lossy(stem).split('-').next().unwrap_or_default()),
            metadata,
            scripts: scripts(programs),
            ..Self::default()
        };
        for line in about.lines().take_while(|line| !line.is_empty()) {
            if let Some(name) = field(line, "Name:") {
                distribution.name = normalised(&name);
            } else if let Some(version) = field(line, "Version:") {
                distribution.version = Some(version);
            } else if let Some(needed) = field(line, "Requires-Dist:") {
                distribution.needs.push(requirement_name(&needed));
                distribution.requires.push(needed);
            }
        }
        distribution
    }

    /// The program that is the application: its only one, or the one of its name.
    pub(super) fn program(&self) -> Option<&(String, String)> {
        match &self.scripts[..] {
            [one] => Some(one),
            all => all.iter().find(|(name, _)| normalised(name) == self.name),
        }
    }

    /// The paths of its files that are there, as its `RECORD` lists them; none of those outside of the tree.
    pub(super) fn files(&self, tree: &FoundTree, site: &[u8]) -> Result<BTreeSet<Vec<u8>>, ArtifactError> {
        self.listed(tree, site, |path| tree.get(path).is_some(), usize::MAX)
    }

    /// At most so many of the paths in its `RECORD` that are meant, none outside of the tree. A list may have any number of names of
    /// files that are not there.
    fn listed(
        &self,
        tree: &FoundTree,
        site: &[u8],
        is_meant: impl Fn(&[u8]) -> bool,
        most: usize,
    ) -> Result<BTreeSet<Vec<u8>>, ArtifactError> {
        let Some(item) = tree.get(&below(&self.metadata, b"RECORD")) else { return Ok(BTreeSet::new()) };
        let record = read_item(item, MAX_RECORD)?;
        let lines = record.split(|byte| *byte == b'\n');
        let listed = lines.filter_map(|line| normal(site, &path_of(line)?));
        Ok(listed.filter(|path| is_meant(path)).take(most).collect())
    }
}

/// The path in a line of a `RECORD`, which is comma-separated and may be quoted.
fn path_of(line: &[u8]) -> Option<Vec<u8>> {
    if let Some(quoted) = line.strip_prefix(b"\"") {
        let end = quoted.windows(2).position(|pair| pair == b"\",")?;
        return Some(String::from_utf8_lossy(&quoted[..end]).replace("\"\"", "\"").into_bytes());
    }
    let path = line.split(|byte| *byte == b',').next()?;
    (!path.is_empty()).then(|| path.to_vec())
}

/// `path` below `site` without `..`; `None` where it leads out of the tree.
fn normal(site: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    if path.starts_with(b"/") {
        return None;
    }
    let mut parts: Vec<&[u8]> = site.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The programs in an `entry_points.txt`.
fn scripts(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let mut is_in = false;
    let mut all = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            is_in = line == "[console_scripts]";
        } else if let (true, Some((name, function))) =
            (is_in && !line.starts_with(['#', ';']), line.split_once('='))
        {
            let function = function.split('[').next().unwrap_or_default().trim();
            all.push((name.trim().to_owned(), function.to_owned()));
        }
    }
    all
}

/// The name at the beginning of a requirement (PEP 508), normalised.
fn requirement_name(text: &str) -> String {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    normalised(&text[..text.find(|character| !is_name(character)).unwrap_or(text.len())])
}

/// Whether a `direct_url.json` says that it was installed from files of a machine.
fn is_local(bytes: &[u8]) -> bool {
    let Ok(origin) = package(bytes) else { return false };
    let url = member(origin, "url").and_then(|url| url.as_str().map(std::borrow::Cow::into_owned));
    member(origin, "dir_info").is_some() || url.is_some_and(|url| url.starts_with("file:"))
}

/// The directories in the tree that `.pth` files add to the search path.
fn added_directories(tree: &FoundTree, site: &[u8]) -> Result<Vec<Vec<u8>>, ArtifactError> {
    let mut added = Vec::new();
    for (name, item) in tree.names_in(site) {
        if name.ends_with(b".pth") && matches!(item.kind, FoundKind::File { .. }) {
            let text = read_item(item, MAX_TEXT)?;
            let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"import "));
            added.extend(lines.filter_map(|line| normal(site, line)).filter(|path| tree.is_directory(path)));
        }
    }
    Ok(added)
}

/// Whether a `direct_url.json` says that the sources are used where they lie.
fn is_editable(bytes: &[u8]) -> bool {
    let value = package(bytes).ok().and_then(|origin| member(member(origin, "dir_info")?, "editable"));
    value.is_some_and(|value| value.text() == "true")
}

fn editable(what: &str) -> DistributionFault {
    (
        format!("the distribution {what}, is installed as editable: its files are not in it"),
        "install it as it would be released: `pip install .` instead of `pip install -e .`, `uv sync --no-editable`, \
         `poetry build` and `pip install dist/*.whl`"
            .to_owned(),
    )
}

/// A `.pth` file that adds directories of this machine to the search path: editable installs of all tools do that.
fn paths_of_machine(tree: &FoundTree, site: &[u8]) -> Result<Option<DistributionFault>, ArtifactError> {
    for (name, item) in tree.names_in(site) {
        if !name.ends_with(b".pth") || !matches!(item.kind, FoundKind::File { .. }) {
            continue;
        }
        if name.starts_with(b"__editable__") {
            return Ok(Some(editable(&format!("of `{}`", shown(name)))));
        }
        let text = read_item(item, MAX_TEXT)?;
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().map(str::trim);
        let is_path =
            |line: &&str| !line.is_empty() && !line.starts_with('#') && !line.starts_with("import ");
        for line in lines.filter(is_path) {
            let is_outside = line.starts_with('/') || normal(site, line.as_bytes()).is_none();
            if is_outside {
                let what = format!("of `{}`, which adds `{}`", shown(name), shown(line.as_bytes()));
                return Ok(Some(editable(&what)));
            }
        }
    }
    Ok(None)
}

/// Whether a distribution of a longer name is there, which may stand for this one: `tensorflow-cpu` for `tensorflow`.
fn has_variant(there: &BTreeSet<String>, name: &str) -> bool {
    let start = format!("{name}-");
    there.range(start.clone()..).next().is_some_and(|other| other.starts_with(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_of_a_longer_name_may_stand_for_another() {
        let there: BTreeSet<String> = ["psycopg", "psycopg2-binary", "z"].map(str::to_owned).into();
        for (name, expected) in [("psycopg2", true), ("psycopg", false), ("psycopg2-b", false), ("zz", false)]
        {
            assert_eq!(has_variant(&there, name), expected, "{name}");
        }
    }

    #[test]
    fn lines_of_records_and_entry_points() {
        assert_eq!(path_of(b"shop/__init__.py,sha256=x,12").as_deref(), Some(&b"shop/__init__.py"[..]));
        assert_eq!(path_of(b"\"a,b.py\",sha256=x,1").as_deref(), Some(&b"a,b.py"[..]));
        assert_eq!(path_of(b""), None);
        let site = b"lib/python3.11/site-packages";
        assert_eq!(normal(site, b"../../../bin/shop").as_deref(), Some(&b"bin/shop"[..]));
        assert_eq!(normal(site, b"../../../../x"), None);
        let text = b"[gui_scripts]\na = b:c\n[console_scripts]\n# no\nshop = shop.main:run [extra]\nb=m:f\n\n[x]\ny = z\n";
        let pair = |name: &str, function: &str| (name.to_owned(), function.to_owned());
        assert_eq!(scripts(text), [pair("shop", "shop.main:run"), pair("b", "m:f")]);
        for (text, name) in
            [("Flask[async]>=2 ; extra == 'x'", "flask"), ("a_b.C (>=1)", "a-b-c"), ("x@ https://y", "x")]
        {
            assert_eq!(requirement_name(text), name);
        }
    }

    #[test]
    fn the_application_is_what_no_other_needs() {
        let of = |name: &str, needs: &[&str], scripts: &[&str]| PythonDistribution {
            name: name.to_owned(),
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            scripts: scripts.iter().map(|name| ((*name).to_owned(), "m:f".to_owned())).collect(),
            ..PythonDistribution::default()
        };
        let application = |all: Vec<PythonDistribution>| {
            PythonDistributions(all)
                .application(&PythonProject::default())
                .map(|found| (found.name.clone(), found.program().cloned().map(|it| it.0)))
        };
        let some = |name: &str, program: Option<&str>| Some((name.to_owned(), program.map(str::to_owned)));
        let flask = || of("flask", &["click", "flask"], &["flask"]);
        assert_eq!(
            application(vec![flask(), of("click", &[], &[]), of("pip", &[], &["pip"])]),
            some("flask", Some("flask"))
        );
        assert_eq!(
            application(vec![flask(), of("shop", &["flask"], &["shop-admin", "shop"])]),
            some("shop", Some("shop"))
        );
        assert_eq!(application(vec![of("shop", &[], &["a", "b"])]), some("shop", None));
        assert_eq!(application(vec![flask(), of("gunicorn", &[], &["gunicorn"])]), None);
        assert_eq!(application(Vec::new()), None);
        let project = PythonProject { programs: vec!["app.py"], ..PythonProject::default() };
        let all = PythonDistributions(vec![flask(), of("click", &[], &[])]);
        assert_eq!(all.application(&project), None, "a program of the project is the application");
        let own = PythonDistribution { is_local: true, ..of("shop", &["flask"], &["shop"]) };
        let all = PythonDistributions(vec![flask(), own, of("gunicorn", &[], &["gunicorn"])]);
        assert_eq!(all.application(&project).map(|of| &*of.name), Some("shop"));
        let project = PythonProject { name: Some("gunicorn".to_owned()), ..project };
        assert_eq!(all.application(&project).map(|of| &*of.name), Some("gunicorn"));
    }
}
