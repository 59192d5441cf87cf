//! The files of a Python application: which go into the image, in which layer, and what is written anew.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::{FoundTree, Omissions, add_directories, unlinked_entries};
use super::super::super::material::Material;
use super::super::super::options::AppOptions;
use super::super::super::proposal::ProposedLayer;
use super::super::super::requirement::PythonNeeds;
use super::super::super::words::count;
use super::distributions::{PythonDistribution, PythonDistributions};
use super::environment::{MARKER, PythonEnvironment, PythonVersion, below, setting};
use super::project::PythonProject;
use super::scripts::{MAX_INTERPRETER, with_interpreter};
use crate::layer::scan::{FoundKind, Scanner, TreeItem};
use crate::layer::{Entry, EntryKind, EntryPath};
use crate::runtime::input::{self, MAX_TEXT};
use crate::types::shown::shown;

/// Caches of tools at the root.
pub(super) const CACHES: [&str; 8] =
    [".git", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".tox", ".nox", ".hypothesis", ".coverage"];

/// Files that tools write into an environment for themselves.
const OF_TOOLS: [&str; 3] = [".gitignore", ".lock", "CACHEDIR.TAG"];

/// Compiled modules that Python recognises by the time of their source.
const CACHE: &[u8] = b"__pycache__";

/// An application with its packages.
pub(super) struct PythonFiles {
    pub(super) tree: FoundTree,
    pub(super) environment: PythonEnvironment,
    pub(super) distributions: PythonDistributions,
    pub(super) project: PythonProject,
    omissions: Omissions,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// The version that its modules are for, where they say one.
    pub(super) version: Option<PythonVersion>,
}

impl PythonFiles {
    /// Reads it.
    pub(super) fn read(
        material: &Material,
        options: &AppOptions,
        scanner: &Scanner,
    ) -> Result<Self, ArtifactError> {
        let unfit = |(why, hint): (String, String)| ArtifactError::Unfit {
            path: material.path().to_owned(),
            why,
            hint,
        };
        let found = scanner.scan(material.path(), &options.scan_options())?;
        let tree = FoundTree::new(found).until(scanner.interrupt());
        let environment = PythonEnvironment::of(&tree)?.map_err(unfit)?;
        let distributions = PythonDistributions::read(&tree, environment.site())?.map_err(unfit)?;
        let version = version_of(&tree, &environment).map_err(unfit)?;
        check_links(&tree, &environment).map_err(unfit)?;
        let omissions = Omissions::default();
        let warnings = distributions.warning_of_missing(&tree, environment.site(), material.path())?;
        let mut files = Self {
            tree,
            environment,
            distributions,
            project: PythonProject::of(material)?,
            omissions,
            notes: Vec::new(),
            warnings: warnings.into_iter().collect(),
            version,
        };
        files.leave_behind();
        files.leave_compiled()?;
        files.tree.check(material.path())?;
        Ok(files)
    }

    fn leave_behind(&mut self) {
        let mut wanted: Vec<Vec<u8>> = CACHES.iter().map(|name| name.as_bytes().to_vec()).collect();
        if let PythonEnvironment::Virtual { at, .. } = &self.environment {
            wanted.extend(OF_TOOLS.iter().map(|name| below(at, name.as_bytes())));
        }
        // Scripts that set up a shell of the machine, with its paths in them.
        let programs = self.environment.programs();
        let starts: [&[u8]; 3] = [b"activate", b"Activate", b"deactivate"];
        let names = self.tree.names_in(&programs).map(|(name, _)| name);
        let shell = names.filter(|name| starts.iter().any(|start| name.starts_with(start)));
        wanted.extend(shell.map(|name| below(&programs, name)));
        // A file of uv with the time of the installation.
        let tree = &self.tree;
        wanted.extend(self.distributions.0.iter().map(|of| below(&of.metadata, b"uv_cache.json")));
        wanted.retain(|path| tree.get(path).is_some());
        wanted.iter().for_each(|path| self.omissions.add(path));
        if !wanted.is_empty() {
            const NAMED: usize = 6;
            let mut named: Vec<String> =
                wanted.iter().take(NAMED).map(|path| format!("`{}`", shown(path))).collect();
            if wanted.len() > NAMED {
                named.push(format!("and {} more", wanted.len() - NAMED));
            }
            self.notes.push(format!("caches and files of tools are left out: {}", named.join(", ")));
        }
    }

    /// Leaves out compiled modules with times: the times of an image are others, so that Python would not take them.
    fn leave_compiled(&mut self) -> Result<(), ArtifactError> {
        let mut kept: BTreeSet<&[u8]> = BTreeSet::new();
        let mut compiled = Vec::new();
        let mut caches = Vec::new();
        for item in self.tree.items() {
            let path = item.relative();
            let mut parts = path.rsplit(|byte| *byte == b'/');
            let (name, parent) = (parts.next().unwrap_or_default(), parts.next());
            if name == CACHE && item.kind == FoundKind::Directory {
                caches.push(path.to_vec());
            } else if parent == Some(CACHE)
                && name.ends_with(b".pyc")
                && matches!(item.kind, FoundKind::File { .. })
            {
                if has_time(item)? {
                    compiled.push(path.to_vec());
                } else {
                    kept.insert(&path[..path.len() - name.len() - 1]);
                }
            }
        }
        caches.retain(|cache| !kept.contains(&cache[..]));
        if !compiled.is_empty() {
            self.notes.push(format!(
                "{} left out, which {} valid by the times of {} source on this machine: Python compiles at the first start, \
                 in memory where it may not write (`PYTHONPYCACHEPREFIX` names a place); \
                 `python3 -m compileall -f --invalidation-mode unchecked-hash DIR` makes files that stay",
                count(compiled.len(), "compiled module is", "compiled modules are"),
                if compiled.len() == 1 { "is" } else { "are" },
                if compiled.len() == 1 { "its" } else { "their" },
            ));
        }
        compiled.iter().chain(&caches).for_each(|path| self.omissions.add(path));
        Ok(())
    }

    /// The things that go into the image.
    pub(super) fn kept(&self) -> impl Iterator<Item = &TreeItem> {
        self.tree.items().iter().filter(|item| !self.omissions.contains(item.relative()))
    }

    /// The layers: packages, which may be split by their names, then the application. `python` is the program of the base,
    /// `root` the place of the artifact.
    pub(super) fn layers(
        &self,
        material: &Material,
        root: Option<&EntryPath>,
        python: &str,
        options: &AppOptions,
    ) -> Result<Vec<ProposedLayer>, ArtifactError> {
        let rewritten = self.rewritten(material, root, python)?;
        let is_own = self.own_files()?;
        let mut own_above = BTreeSet::new();
        let mut packages_above = BTreeSet::new();
        for item in self.kept().filter(|item| item.kind != FoundKind::Directory) {
            let path = item.relative();
            let above = if is_own(path) { &mut own_above } else { &mut packages_above };
            let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            above.extend(slashes.map(|(at, _)| &path[..at]));
        }
        // A directory belongs to the layer of the files below it.
        let goes = |item: &TreeItem, own: bool| {
            let path = item.relative();
            let (here, there) =
                if own { (&own_above, &packages_above) } else { (&packages_above, &own_above) };
            match item.kind {
                FoundKind::Directory => here.contains(path) || (!there.contains(path) && is_own(path) == own),
                _ => is_own(path) == own,
            }
        };
        let mut layers = Vec::new();
        for (own, name, what) in
            [(false, "dependencies", "the installed packages"), (true, "app", "the application")]
        {
            let items = self.kept().filter(|item| goes(item, own));
            let (anew, plain): (Vec<&TreeItem>, Vec<&TreeItem>) =
                items.partition(|item| rewritten.contains_key(item.relative()));
            let mut entries = unlinked_entries(plain.into_iter(), root, &options.rules)?;
            for item in anew {
                let path = match root {
                    Some(root) => root.join(item.relative()),
                    None => EntryPath::new(item.relative()),
                };
                let Ok(path) = path else { continue };
                let executable = matches!(item.kind, FoundKind::File { executable: true });
                entries.push(match &rewritten[item.relative()] {
                    Rewritten::Link(target) => Entry {
                        path,
                        metadata: options.rules.symlink(),
                        kind: EntryKind::Symlink(target.clone().into_bytes()),
                    },
                    Rewritten::File(bytes) => Entry::bytes(path, options.rules.file(executable), bytes),
                });
            }
            let files = entries.iter().filter(|entry| !entry.is_directory()).count();
            if files == 0 {
                continue;
            }
            add_directories(&mut entries, root, options);
            let why = format!("{} of {what}", count(files, "file", "files"));
            layers.push(ProposedLayer { name: name.to_owned(), why, entries, is_divisible: !own });
        }
        Ok(layers)
    }

    /// Which paths are the application's own: beside the environment, or of the distribution that is the application.
    fn own_files(&self) -> Result<impl Fn(&[u8]) -> bool + use<>, ArtifactError> {
        let site = self.environment.site().to_vec();
        let application = self.application();
        let mut own = match application {
            Some(application) => application.files(&self.tree, &site)?,
            None => BTreeSet::new(),
        };
        let programs = self.environment.programs();
        own.extend(
            application.iter().flat_map(|of| &of.scripts).map(|(name, _)| below(&programs, name.as_bytes())),
        );
        let metadata = application.map(|application| application.metadata.clone());
        let mut of_packages = BTreeSet::new();
        let mut of_distributions = BTreeSet::new();
        let at = match &self.environment {
            PythonEnvironment::Virtual { at, .. } => Some(at.clone()),
            PythonEnvironment::Target => {
                for distribution in
                    self.distributions.0.iter().filter(|of| Some(&of.metadata) != metadata.as_ref())
                {
                    of_packages.extend(distribution.files(&self.tree, &site)?);
                    of_distributions.insert(distribution.metadata.clone());
                }
                None
            }
        };
        Ok(move |path: &[u8]| {
            if own.contains(path) || metadata.as_ref().is_some_and(|metadata| is_below(path, metadata)) {
                return true;
            }
            match &at {
                Some(at) => !at.is_empty() && !is_below(path, at),
                None => {
                    let is_program = is_below(path, &programs);
                    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
                    let is_about = of_distributions.contains(first);
                    !is_program && !is_about && !of_packages.contains(path)
                }
            }
        })
    }

    /// The files that name the Python of this machine, with the one of the base.
    fn rewritten(
        &self,
        material: &Material,
        root: Option<&EntryPath>,
        python: &str,
    ) -> Result<BTreeMap<Vec<u8>, Rewritten>, ArtifactError> {
        let unfit = |why: String, hint: &str| ArtifactError::Unfit {
            path: material.path().to_owned(),
            why,
            hint: hint.to_owned(),
        };
        let mut all = BTreeMap::new();
        let programs = self.environment.programs();
        let mut interpreter = python.to_owned();
        if let PythonEnvironment::Virtual { at, version, .. } = &self.environment {
            let mut links = Vec::new();
            for (name, _) in self.tree.names_in(&programs).filter(|(name, _)| is_python(name)) {
                links.push(below(&programs, name));
            }
            let Some(first) = links.first() else {
                let why = format!("`{}` has no `python`", shown(&programs));
                return Err(unfit(why, "make the environment again: `python3 -m venv .venv`"));
            };
            interpreter = in_image(root, first);
            all.extend(links.into_iter().map(|link| (link, Rewritten::Link(python.to_owned()))));
            let marker = below(at, MARKER.as_bytes());
            let before = self.tree.read(&marker, MAX_TEXT)?.unwrap_or_default();
            let sees_system =
                setting(&before, "include-system-site-packages").is_some_and(|value| value == "true");
            let home = python.rsplit_once('/').map_or("/", |(home, _)| home);
            let text =
                format!("home = {home}\ninclude-system-site-packages = {sees_system}\nversion = {version}\n");
            all.insert(marker, Rewritten::File(text.into_bytes()));
        }
        if interpreter.len() > MAX_INTERPRETER || interpreter.contains([' ', '\t', '\n']) {
            let why =
                format!("scripts cannot name `{interpreter}` in their first line: it is long or has blanks");
            return Err(unfit(why, "set `app.root` to a short path, such as \"/app\""));
        }
        if interpreter.starts_with('/') {
            for (name, item) in self.tree.names_in(&programs) {
                let path = below(&programs, name);
                if !all.contains_key(&path)
                    && let Some(script) = with_interpreter(item, &interpreter)?
                {
                    all.insert(path, Rewritten::File(script));
                }
            }
        }
        Ok(all)
    }

    /// The distribution that is the application.
    pub(super) fn application(&self) -> Option<&PythonDistribution> {
        self.distributions.application(&self.project)
    }

    /// The distributions that its packages need and that are not beside them.
    pub(super) fn needs(&self) -> Result<Option<PythonNeeds>, ArtifactError> {
        let (at, version) = match &self.environment {
            PythonEnvironment::Virtual { at, version, .. } => (Some(at), Some(*version)),
            PythonEnvironment::Target => (None, self.version),
        };
        let missing = self.distributions.missing(&self.tree, self.environment.site(), version)?;
        if missing.is_empty() {
            return Ok(None);
        }
        let marker = match at {
            Some(at) => self.tree.read(&below(at, MARKER.as_bytes()), MAX_TEXT)?,
            None => None,
        };
        let sees_system = |marker: Vec<u8>| {
            setting(&marker, "include-system-site-packages")
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        let is_isolated = marker.is_some_and(|marker| !sees_system(marker));
        Ok(Some(PythonNeeds { missing, is_isolated }))
    }

    /// The file of a program of `application`, and whether it is a script.
    pub(super) fn program(&self, application: &PythonDistribution) -> Option<(Vec<u8>, String)> {
        let (name, function) = application.program()?;
        Some((below(&self.environment.programs(), name.as_bytes()), function.clone()))
    }
}

/// Another content of a file.
enum Rewritten {
    Link(String),
    File(Vec<u8>),
}

/// The absolute path of `path` in the image.
pub(super) fn in_image(root: Option<&EntryPath>, path: &[u8]) -> String {
    let root = root.map(|root| String::from_utf8_lossy(root.as_bytes()).into_owned()).unwrap_or_default();
    let text = format!("/{root}/{}", String::from_utf8_lossy(path));
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// `python`, `python3`, `python3.11`.
fn is_python(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"python");
    rest.is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
}

/// Whether a compiled module is valid by the time of its source (PEP 552): its flags are 0.
fn has_time(item: &TreeItem) -> Result<bool, ArtifactError> {
    use std::io::Read as _;
    let io = |source| ArtifactError::Io { path: item.path.to_path_buf(), source };
    let (file, _) = input::open(&item.path).map_err(io)?;
    let mut head = Vec::with_capacity(8);
    file.take(8).read_to_end(&mut head).map_err(io)?;
    Ok(head.get(4..8).is_none_or(|flags| flags == [0; 4]))
}

/// The Python that the modules of machine code are for, which is that of their environment.
fn version_of(
    tree: &FoundTree,
    environment: &PythonEnvironment,
) -> Result<Option<PythonVersion>, (String, String)> {
    let name = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    let mut modules: BTreeMap<Vec<u8>, BTreeMap<PythonVersion, Vec<u8>>> = BTreeMap::new();
    for item in tree.items() {
        let path = item.relative();
        let file = name(path);
        if !file.ends_with(b".so") {
            continue;
        }
        if let Some(version) = PythonVersion::of_module(&file) {
            let stem = path.len() - file.len() + memchr::memchr(b'.', &file).unwrap_or(file.len());
            modules.entry(path[..stem].to_vec()).or_default().insert(version, path.to_vec());
        }
    }
    let wanted = match environment {
        PythonEnvironment::Virtual { version, .. } => Some(*version),
        PythonEnvironment::Target => {
            // A module may be there for several versions.
            let mut common: Option<BTreeSet<PythonVersion>> = None;
            for versions in modules.values() {
                let these: BTreeSet<PythonVersion> = versions.keys().copied().collect();
                common = Some(match common {
                    None => these,
                    Some(common) => common.intersection(&these).copied().collect(),
                });
            }
            match common {
                None => return Ok(None),
                Some(common) => common.last().copied(),
            }
        }
    };
    for versions in modules.values() {
        if let Some((version, path)) = versions.iter().next()
            && wanted.is_none_or(|wanted| !versions.contains_key(&wanted))
        {
            let of = wanted.map_or_else(
                || "other modules are not".to_owned(),
                |wanted| format!("the environment is for Python {wanted}"),
            );
            return Err((
                format!("the module `{}` is for Python {version}, and {of}", shown(path)),
                "install all packages with one Python".to_owned(),
            ));
        }
    }
    Ok(wanted)
}

/// Refuses links among packages that lead to this machine.
fn check_links(tree: &FoundTree, environment: &PythonEnvironment) -> Result<(), (String, String)> {
    let programs = environment.programs();
    for item in tree.items() {
        let FoundKind::Symlink(target) = &item.kind else { continue };
        let path = item.relative();
        let is_interpreter = is_below(path, &programs);
        let site = environment.site();
        let is_package = site.is_empty() || is_below(path, site);
        if target.starts_with(b"/") && !is_interpreter && is_package {
            return Err((
                format!("`{}` is a link to `{}`, a path of this machine", shown(path), shown(target)),
                "install with copies: `uv sync --link-mode copy`, or `pip install` again".to_owned(),
            ));
        }
    }
    Ok(())
}
