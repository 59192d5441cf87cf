//! Node.js applications: a directory with a `package.json` that says how to start, or that has its packages installed,
//! or one file that a bundler wrote.

mod bundle;
mod installed;
mod layout;
mod modules;
mod package_search;
mod script;
mod start;
mod surroundings;

use std::collections::BTreeMap;

use installed::{Manager, named};
use layout::NodeFiles;
use modules::StartedScript;
use start::{NoCommand, NodeCommand};
use surroundings::ScriptSurroundings;

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::found_tree::PathEnd;
use super::super::glimpse::Glimpse;
use super::super::interpreted::{Interpreted, changes_modules, interpreted};
use super::super::kind::ArtifactKind;
use super::super::material::Material;
use super::super::native::NativeModules;
use super::super::options::{AppOptions, AppRoot};
use super::super::package_json::{CORRECT_PACKAGE, PackageJson, member, package};
use super::super::proposal::{Proposal, not_empty};
use super::super::requirement::{InterpreterPlace, Requirement, Requirements, Search};
use super::super::uninstalled::UninstalledProject;
use crate::formats::node_range::NodeRange;
use crate::layer::EntryPath;
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;
use crate::runtime::input::MAX_TEXT;
use crate::types::shown::shown;

/// A Node.js application.
pub(super) struct NodeApp;

const PACKAGE: &str = "package.json";

/// Where it goes.
const ROOT: &[u8] = b"app";

impl ArtifactKind for NodeApp {
    fn name(&self) -> &'static str {
        "node"
    }

    fn describe(&self) -> &'static str {
        "a Node.js application"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory, Form::File]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        match form {
            Form::Directory => Some("`package.json` with a start script"),
            Form::File => Some("JavaScript (`.js`, `.mjs`, `.cjs`)"),
            Form::Archive | Form::Tar => None,
        }
    }

    fn caches(&self) -> &'static [&'static str] {
        &layout::CACHES
    }

    /// `package.json` alone is no sign: packages of static files have one too.
    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        if glimpse.form() == Form::File {
            return Ok(bundle::detect(glimpse));
        }
        if glimpse.has_name(start::NITRO) && glimpse.material().size_of(start::NITRO_SERVER).is_some() {
            let why = format!(
                "It is a directory with `{}` and `{}`, as Nitro makes it.",
                start::NITRO,
                start::NITRO_SERVER
            );
            return Ok(Some(vec![why]));
        }
        if !glimpse.has_name(PACKAGE) {
            return Ok(None);
        }
        if glimpse.has_name("node_modules") {
            return Ok(Some(vec!["It is a directory with `package.json` and `node_modules/`.".to_owned()]));
        }
        if glimpse.has_name(".pnp.cjs") {
            return Ok(Some(vec!["It is a directory with `package.json` and `.pnp.cjs`.".to_owned()]));
        }
        let Some(bytes) = glimpse.material().read(PACKAGE, MAX_TEXT)? else { return Ok(None) };
        let scripts = package(&bytes).ok().and_then(|package| member(package, "scripts"));
        let starts = scripts.is_some_and(|scripts| member(scripts, "start").is_some());
        Ok(starts
            .then(|| vec!["It is a directory with `package.json`, which has a `start` script.".to_owned()]))
    }

    /// An application whose packages are not installed yet is one on no base.
    fn check(&self, material: &Material) -> Result<(), ArtifactError> {
        if material.form() != Form::Directory || material.has_directory("node_modules") {
            return Ok(());
        }
        let Some(bytes) = material.read(PACKAGE, MAX_TEXT)? else { return Ok(()) };
        let needs = PackageJson::parse(&bytes).map(|package| package.dependencies).unwrap_or_default();
        if material.size_of(".pnp.cjs").is_some() || needs.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = needs.iter().map(String::as_str).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        let has = |name: &str| material.size_of(name).is_some();
        Err(ArtifactError::Unfit {
            path: material.path().to_owned(),
            why: format!("{} of its `dependencies` {are} not in `node_modules`", named(&names)),
            hint: Manager::by_lock(has).hint_to_install(has),
        })
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        if material.form() == Form::File {
            return bundle::propose(material, options, node(Search::on(base).interpreter).to_owned());
        }
        let files = NodeFiles::read(material, options, scanner)?;
        check_modules(material, &files, base, scanner)?;
        let root = root(options)?;
        start::check_root(root.as_ref())?;
        let entrypoint = if options.has_entrypoint {
            None
        } else {
            Some(
                NodeCommand::of(&files.package, &files.tree, |path| files.is_kept(path))
                    .map_err(|error| without_command(material, &files, error))?,
            )
        };
        let layers = files.layers(root.as_ref(), options)?;
        not_empty(material.path(), &layers)?;
        let (mut notes, mut warnings) = (files.notes, files.warnings);
        notes.extend(entrypoint.iter().map(|command| format!("it starts {}", command.why)));
        if entrypoint.is_some()
            && let Some(hook) = files.package.scripts.get("prestart")
        {
            let hook = crate::types::shown::Foreign::short(hook, 100);
            warnings.push(format!(
                "the script `prestart` (`{hook}`) does not run in the container: run it before the build"
            ));
        }
        let mut env = BTreeMap::from([("NODE_ENV".to_owned(), "production".to_owned())]);
        env.extend(entrypoint.iter().flat_map(|command| command.variables.iter().cloned()));
        if files.is_next {
            // Container engines set it to the container's name, which is one address of it.
            env.insert("HOSTNAME".to_owned(), "0.0.0.0".to_owned());
        }
        Ok(Proposal {
            layers,
            entrypoint: entrypoint
                .map(|command| command.at(node(Search::on(base).interpreter).to_owned(), root.as_ref())),
            workdir: root.clone(),
            app_root: root,
            env,
            notes,
            warnings,
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
        if !options.has_entrypoint {
            let name = node(search.interpreter).to_owned();
            requirements.all.push(Requirement::Executable { name, home: None });
        }
        if material.form() == Form::File {
            requirements.all.extend(bundle::requirements(material, options)?);
        }
        if material.form() == Form::Directory {
            let files = NodeFiles::read(material, options, scanner)?;
            let range = files.package.node.clone().filter(|range| NodeRange::parse(range).is_some());
            requirements.all.extend(range.map(|range| Requirement::Node { range }));
            requirements.all.extend(started(&files, options, root(options)?.as_ref())?);
            let modules = modules(&files, scanner)?;
            requirements.all.extend(modules.interfaces());
            requirements.all.extend(modules.requirements(root(options)?.as_ref()));
        }
        Ok(requirements)
    }

    fn usual_base(&self, _: &Material) -> String {
        "docker.io/library/node:22-slim".to_owned()
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
}

/// The project that a directory with a `package.json` and without packages is; `None` where it needs no packages.
pub(super) fn not_installed(material: &Material) -> Option<UninstalledProject> {
    if material.form() != Form::Directory || material.has_directory("node_modules") {
        return None;
    }
    let bytes = material.read(PACKAGE, MAX_TEXT).ok().flatten()?;
    let needs = PackageJson::parse(&bytes).ok()?.dependencies;
    if needs.is_empty() {
        return None;
    }
    let names: Vec<&str> = needs.iter().map(String::as_str).collect();
    let why = format!("it is a project of Node.js without its packages ({})", named(&names));
    let has = |name: &str| material.size_of(name).is_some();
    Some(UninstalledProject { file: PACKAGE, why, hint: Manager::by_lock(has).hint_to_install(has) })
}

/// The project that a directory without packages may be: its `package.json` cannot be read.
pub(super) fn damaged(material: &Material) -> Option<UninstalledProject> {
    let bytes = material.read(PACKAGE, MAX_TEXT).ok().flatten()?;
    let error = PackageJson::parse(&bytes).err()?;
    let why = format!("`{PACKAGE}` is damaged: {error}");
    Some(UninstalledProject { file: PACKAGE, why, hint: CORRECT_PACKAGE.to_owned() })
}

/// Where it goes; `None` is the image's root.
fn root(options: &AppOptions) -> Result<Option<EntryPath>, ArtifactError> {
    match &options.root {
        Some(AppRoot::Image) => Ok(None),
        Some(AppRoot::At(path)) => Ok(Some(path.clone())),
        None => EntryPath::new(ROOT).map(Some).map_err(|_| ArtifactError::BadName { name: shown(ROOT) }),
    }
}

/// The requirements of the file that starts it.
fn started(
    files: &NodeFiles,
    options: &AppOptions,
    root: Option<&EntryPath>,
) -> Result<Vec<Requirement>, ArtifactError> {
    let file = if options.has_entrypoint {
        file_of_settings(options, root)
    } else {
        let command = NodeCommand::of(&files.package, &files.tree, |path| files.is_kept(path));
        let command = command.ok().filter(|command| !command.changes_modules());
        command.and_then(|command| command.file().map(str::to_owned))
    };
    let Some(path) = file.and_then(|file| start::module_file(&files.tree, &file)) else {
        return Ok(Vec::new());
    };
    let PathEnd::Here(path, item) = files.tree.follow(path.as_bytes()) else { return Ok(Vec::new()) };
    let target = match root {
        Some(root) => root.join(&path),
        None => EntryPath::new(&path),
    };
    let Ok(target) = target else { return Ok(Vec::new()) };
    let script = StartedScript {
        path: &item.path,
        size: item.stamp.size,
        target,
        surroundings: Some(ScriptSurroundings::of(&path, &files.tree, root)),
        is_open: files.leaves_kind_open(&path)?,
    };
    script.requirements()
}

/// The file that the settings have `node` run, below the application's root.
fn file_of_settings(options: &AppOptions, root: Option<&EntryPath>) -> Option<String> {
    if changes_modules(&options.command) {
        return None;
    }
    let (_, Interpreted::Script(file)) = interpreted(&options.command).first().copied()? else { return None };
    let root = root.map(ToString::to_string).unwrap_or_default();
    let path = match (file.starts_with('/'), &options.directory) {
        (true, _) => file.to_owned(),
        (false, Some(directory)) => format!("{directory}/{file}"),
        (false, None) => format!("{root}/{file}"),
    };
    let path = script::normal(path.trim_start_matches('/'))?;
    let below = path.strip_prefix(root.trim_start_matches('/'))?;
    (below.is_empty() || root.is_empty() || below.starts_with('/'))
        .then(|| below.trim_start_matches('/').to_owned())
}

/// The program that starts it: the one on the `PATH`, except in images that have it elsewhere.
const fn node(interpreter: InterpreterPlace) -> &'static str {
    match interpreter {
        InterpreterPlace::Distroless => "/nodejs/bin/node",
        InterpreterPlace::Usual | InterpreterPlace::Local => "node",
    }
}

fn without_command(
    material: &Material,
    files: &NodeFiles,
    NoCommand { why, hint }: NoCommand,
) -> ArtifactError {
    let is_next_project = files.tree.is_directory(b".next") && !files.is_next;
    let hint = if let Some(hint) = hint {
        return ArtifactError::Unfit { path: material.path().to_owned(), why, hint };
    } else if is_next_project {
        "set `output: \"standalone\"` in `next.config.js`, build, and give `.next/standalone`"
    } else {
        "write the command as `entrypoint` into `[config]`, or give it with \
         `--set 'config.entrypoint=[\"node\", \"server.js\"]'`; it runs in the application's directory"
    };
    ArtifactError::Unfit { path: material.path().to_owned(), why, hint: hint.to_owned() }
}

/// The native modules of its packages.
fn modules<'a>(files: &'a NodeFiles, scanner: &Scanner) -> Result<NativeModules<'a>, ArtifactError> {
    NativeModules::read(files.kept(), scanner, |name| name.ends_with(b".node"), package_of)
}

/// The directory of the innermost package that a path belongs to.
fn package_of(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let Some(at) = parts.iter().rposition(|part| *part == b"node_modules") else { return Vec::new() };
    let scoped = parts.get(at + 1).is_some_and(|name| name.starts_with(b"@"));
    parts[..parts.len().min(at + 2 + usize::from(scoped))].join(&b'/')
}

/// Refuses a package that was compiled for another machine or system, and has nothing for that of the base.
fn check_modules(
    material: &Material,
    files: &NodeFiles,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<(), ArtifactError> {
    let modules = modules(files, scanner)?;
    modules.check_platform(material, base)?;
    for (package, item) in modules.only_foreign() {
        let manifest = files.tree.read(&[package, &b"/package.json"[..]].concat(), MAX_TEXT)?;
        let manifest = manifest.and_then(|bytes| super::super::package_json::PackageJson::parse(&bytes).ok());
        // Of packages for one system each, those for others do no harm.
        if manifest.is_some_and(|manifest| manifest.is_for_one_platform) {
            continue;
        }
        let command = Manager::of(&files.tree).install(|path| files.tree.get(path.as_bytes()).is_some());
        return Err(ArtifactError::Unfit {
            path: material.path().to_owned(),
            why: format!("the module `{}` is for another system than Linux", shown(item.relative())),
            hint: format!("install the packages on Linux: `{command}` there"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
