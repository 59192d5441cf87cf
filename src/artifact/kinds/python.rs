//! Python applications: a virtual environment, a project with one in it, a directory that `pip install --target` filled, or
//! one archive that Python runs.

mod distributions;
mod environment;
mod layout;
mod markers;
mod project;
mod scripts;
mod zipapp;

use std::collections::BTreeMap;

use distributions::PythonDistributions;
use environment::{CONDA, MARKER, PythonEnvironment, PythonVersion, USUAL, home};
use layout::{PythonFiles, in_image};
use project::PythonProject;
use zipapp::ZipAppKind;

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::material::Material;
use super::super::native::{NativeModules, is_library};
use super::super::options::{AppOptions, AppRoot};
use super::super::proposal::{Proposal, not_empty};
use super::super::requirement::{InterpreterPlace, Requirement, Requirements, Search};
use super::super::uninstalled::UninstalledProject;
use super::super::words::count;
use crate::layer::EntryPath;
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;
use crate::types::shown::shown;

/// A Python application.
pub(super) struct Python;

/// Where a project or a filled directory goes, and where an environment alone goes.
const ROOT: &[u8] = b"app";
const ROOT_OF_ENVIRONMENT: &[u8] = b"app/.venv";

impl ArtifactKind for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn describe(&self) -> &'static str {
        "a Python application"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory, Form::Archive]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        match form {
            Form::Directory => Some("installed Python distributions"),
            Form::Archive => Some("`__main__.py`"),
            Form::File | Form::Tar => None,
        }
    }

    fn caches(&self) -> &'static [&'static str] {
        &layout::CACHES
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        if let Some(archive) = glimpse.material().archive() {
            return Ok(ZipAppKind::of(archive).map(|kind| vec![kind.why().to_owned()]));
        }
        if glimpse.has_name(CONDA) {
            return Ok(Some(vec![format!("It is a directory with `{CONDA}`, an environment of conda.")]));
        }
        if glimpse.has_name(MARKER) {
            let why = format!("It is a directory with `{MARKER}`, a Python virtual environment.");
            return Ok(Some(vec![why]));
        }
        for name in USUAL.iter().filter(|name| glimpse.has_name(name)) {
            let marker = format!("{name}/{MARKER}");
            if glimpse.material().read(&marker, crate::runtime::input::MAX_TEXT)?.is_some() {
                return Ok(Some(vec![format!(
                    "It is a directory with the Python virtual environment `{name}`."
                )]));
            }
        }
        let distributions = glimpse.names().iter().filter(|name| name.ends_with(b".dist-info")).count();
        Ok((distributions > 0).then(|| {
            let installed = count(distributions, "installed distribution", "installed distributions");
            vec![format!("It is a directory with {installed} (`*.dist-info`).")]
        }))
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        let place = Search::on(base).interpreter;
        if let Some(archive) = material.archive() {
            let kind = ZipAppKind::of(archive).unwrap_or(ZipAppKind::Plain);
            let version = zipapp::version(archive);
            return zipapp::propose(material, kind, options, program(version));
        }
        let files = PythonFiles::read(material, options, scanner)?;
        modules(&files, scanner)?.check_platform(material, base)?;
        let root = root(options, &files.environment)?;
        check_root(root.as_ref())?;
        let python = interpreter(&files, place);
        let start = if options.has_entrypoint {
            None
        } else {
            Some(start(material, &files, root.as_ref(), &python)?)
        };
        let layers = files.layers(material, root.as_ref(), &python, options)?;
        not_empty(material.path(), &layers)?;
        let mut notes = files.notes.clone();
        let mut env = BTreeMap::new();
        match &files.environment {
            PythonEnvironment::Virtual { at, .. } => {
                let at =
                    if at.is_empty() { "the environment".to_owned() } else { format!("`{}`", shown(at)) };
                notes.push(format!("{at} uses `{python}` of the base"));
            }
            PythonEnvironment::Target => {
                env.insert("PYTHONPATH".to_owned(), in_image(root.as_ref(), b""));
            }
        }
        notes.extend(start.iter().map(|(_, why)| format!("it starts {why}")));
        let is_alone = matches!(&files.environment, PythonEnvironment::Virtual { at, .. } if at.is_empty());
        let workdir = if is_alone { root.as_ref().and_then(EntryPath::parent) } else { root.clone() };
        Ok(Proposal {
            layers,
            entrypoint: start.map(|(command, _)| command),
            workdir,
            app_root: root,
            env,
            notes,
            warnings: files.warnings,
            ..Proposal::default()
        })
    }

    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        search: Search,
        scanner: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        let mut requirements = Requirements::none(material.path().to_owned());
        let executable = |name: String| Requirement::Executable { name, home: None };
        if let Some(archive) = material.archive() {
            requirements.all.extend(zipapp::version(archive).map(compiled));
            if !options.has_entrypoint {
                requirements.all.push(executable(program(zipapp::version(archive))));
            }
            return Ok(requirements);
        }
        let files = PythonFiles::read(material, options, scanner)?;
        let is_virtual = matches!(files.environment, PythonEnvironment::Virtual { .. });
        requirements.all.extend(match &files.environment {
            PythonEnvironment::Virtual { version, site, .. } => Some(Requirement::Python {
                version: version.to_string(),
                shown_by: format!("`{}`", shown(site)),
                is_compiled: false,
            }),
            PythonEnvironment::Target => files.version.map(compiled),
        });
        if is_virtual || !options.has_entrypoint {
            requirements.all.push(executable(interpreter(&files, search.interpreter)));
        }
        requirements.all.extend(files.needs()?.map(Requirement::PythonPackages));
        let root = root(options, &files.environment)?;
        requirements.all.extend(modules(&files, scanner)?.requirements(root.as_ref()));
        Ok(requirements)
    }

    fn version(&self, material: &Material) -> Result<Option<(Option<String>, &'static str)>, ArtifactError> {
        const WHERE: &str = "`METADATA` of the application's distribution";
        let project = PythonProject::of(material)?;
        for site in sites(material)? {
            let distributions = PythonDistributions::in_directory(material, &site)?;
            if let Some(version) = distributions.application(&project).and_then(|of| of.version.clone()) {
                return Ok(Some((Some(version), WHERE)));
            }
        }
        Ok(Some(match project.version {
            Some(version) => (Some(version), "`version` in `pyproject.toml`"),
            None => (None, WHERE),
        }))
    }

    fn usual_base(&self, material: &Material) -> String {
        let sites = sites(material).unwrap_or_default();
        let version = sites.iter().find_map(|site| {
            let (_, rest) = site.split_once("lib/python")?;
            PythonVersion::parse(rest.split('/').next()?)
        });
        let version = version.map_or_else(|| "3.12".to_owned(), |version| version.to_string());
        format!("docker.io/library/python:{version}-slim")
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}

/// The project that a directory with the files of a Python project and without packages is; `None` where it needs none.
pub(super) fn not_installed(material: &Material) -> Option<UninstalledProject> {
    let (file, command) = project::uninstalled(material)?;
    let why = format!("it is a project of Python (`{file}`) without its packages");
    let hint =
        format!("run `{command}` in its directory, or `pip install --target` into a directory and give that");
    Some(UninstalledProject { file, why, hint })
}

/// Where its packages may lie: the artifact itself, and the packages of environments in the usual places.
fn sites(material: &Material) -> Result<Vec<String>, ArtifactError> {
    let mut sites = vec![String::new()];
    for at in [""].iter().chain(&USUAL) {
        let lib = if at.is_empty() { "lib".to_owned() } else { format!("{at}/lib") };
        let names = material.names_in(&lib)?.into_iter().filter_map(|name| String::from_utf8(name).ok());
        let pythons = names.filter(|name| name.starts_with("python"));
        sites.extend(pythons.map(|name| format!("{lib}/{name}/site-packages")));
    }
    Ok(sites)
}

/// Where it goes; `None` is the image's root.
fn root(options: &AppOptions, environment: &PythonEnvironment) -> Result<Option<EntryPath>, ArtifactError> {
    let usual = match environment {
        PythonEnvironment::Virtual { at, .. } if at.is_empty() => ROOT_OF_ENVIRONMENT,
        _ => ROOT,
    };
    match &options.root {
        Some(AppRoot::Image) => Ok(None),
        Some(AppRoot::At(path)) => Ok(Some(path.clone())),
        None => EntryPath::new(usual).map(Some).map_err(|_| ArtifactError::BadName { name: shown(usual) }),
    }
}

/// The command and the configuration are JSON, which has no other bytes than text.
fn check_root(root: Option<&EntryPath>) -> Result<(), ArtifactError> {
    let bytes = root.map(EntryPath::as_bytes).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(ArtifactError::BadName { name: shown(bytes) }),
    }
}

/// The Python of the base that runs an application: by its path for an environment, which names it in a link.
fn interpreter(files: &PythonFiles, place: InterpreterPlace) -> String {
    match &files.environment {
        PythonEnvironment::Virtual { version, .. } => format!("{}/python{version}", home(place)),
        PythonEnvironment::Target => program(files.version),
    }
}

/// A Python of this version on the `PATH`.
fn program(version: Option<PythonVersion>) -> String {
    version.map_or_else(|| "python3".to_owned(), |version| format!("python{version}"))
}

/// The requirement of compiled modules that are for one version.
fn compiled(version: PythonVersion) -> Requirement {
    let shown_by = "by the names of compiled modules".to_owned();
    Requirement::Python { version: version.to_string(), shown_by, is_compiled: true }
}

/// The native modules of its packages, by the directory below the packages that they are in.
fn modules<'a>(files: &'a PythonFiles, scanner: &Scanner) -> Result<NativeModules<'a>, ArtifactError> {
    let site = files.environment.site();
    let package_of = |path: &[u8]| {
        let below = path.strip_prefix(site).unwrap_or(path);
        let mut parts = below.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        parts.next().unwrap_or_default().to_vec()
    };
    NativeModules::read(files.kept(), scanner, is_library, package_of)
}

/// The command, and the reason for it.
fn start(
    material: &Material,
    files: &PythonFiles,
    root: Option<&EntryPath>,
    python: &str,
) -> Result<(Vec<String>, String), ArtifactError> {
    let programs = files.environment.programs();
    let own = match &files.environment {
        PythonEnvironment::Virtual { .. } => in_image(root, &[&programs[..], b"/python"].concat()),
        PythonEnvironment::Target => python.to_owned(),
    };
    if files.tree.is_file(b"__main__.py") {
        return Ok((vec![own, in_image(root, b"")], "by `__main__.py`".to_owned()));
    }
    let application = files.application();
    if let Some((application, (path, function))) =
        application.and_then(|application| Some((application, files.program(application)?)))
    {
        let why = format!("by the program `{}` of the distribution `{}`", shown(&path), application.name);
        if files.tree.is_file(&path) {
            return Ok((vec![own, in_image(root, &path)], why));
        }
        if let Some((module, name)) = function.split_once(':') {
            let code = format!("import sys; from {module} import {name}; sys.exit({name}())");
            return Ok((vec![own, "-c".to_owned(), code], why));
        }
    }
    if let Some(program) = files.project.program().filter(|name| files.tree.is_file(name.as_bytes())) {
        let why = format!("by `{program}`, the program of the project");
        return Ok((vec![own, in_image(root, program.as_bytes())], why));
    }
    let programs: Vec<String> = files.project.programs.iter().map(|name| format!("`{name}`")).collect();
    let example = files.project.programs.first().map(|name| in_image(root, name.as_bytes()));
    let why = match application {
        Some(application) if application.scripts.is_empty() => {
            format!("the distribution `{}`, which is the project, has no programs", application.name)
        }
        None if !programs.is_empty() => {
            format!("nothing says which program of the project starts it: it has {}", programs.join(", "))
        }
        Some(application) => {
            format!("the distribution `{}` has several programs, and none of its own name", application.name)
        }
        None => "it has no `__main__.py`, and not one distribution alone with programs that no other needs"
            .to_owned(),
    };
    let words = match example {
        Some(program) => format!("\"{own}\", \"{program}\""),
        None => format!("\"{own}\", \"-m\", \"MODULE\""),
    };
    let hint = format!(
        "write the command as `entrypoint` into `[config]`, or give it with `--set 'config.entrypoint=[{words}]'`"
    );
    Err(ArtifactError::Unfit { path: material.path().to_owned(), why, hint })
}

#[cfg(test)]
mod tests;
