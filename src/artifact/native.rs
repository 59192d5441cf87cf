//! Modules of machine code in an application: shared libraries that an interpreter loads.
//!
//! A package may bring one module for each of several platforms and load the one that fits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::elf::{ElfFacts, read_module_facts};
use super::error::ArtifactError;
use super::loaded::requirements_of_program;
use super::material::Material;
use super::requirement::Requirement;
use crate::layer::EntryPath;
use crate::layer::scan::{FoundKind, Scanner, TreeItem};
use crate::oci::ConfigFile;
use crate::types::shown::shown;

/// Libraries of a graphics driver, which the container's runtime adds.
const OF_DRIVER: [&str; 2] = ["libcuda.so", "libnvidia-"];

/// A module.
pub(super) struct NativeModule<'a> {
    item: &'a TreeItem,
    facts: Arc<ElfFacts>,
}

/// The modules of an application, by the package that they belong to.
#[derive(Default)]
pub(super) struct NativeModules<'a> {
    packages: BTreeMap<Vec<u8>, Vec<NativeModule<'a>>>,
    /// Modules for another system, by package.
    foreign: BTreeMap<Vec<u8>, &'a TreeItem>,
    /// The names of all files that may be libraries.
    names: BTreeSet<Vec<u8>>,
}

/// Whether a file of this name may be a shared library.
pub(super) fn is_library(name: &[u8]) -> bool {
    name.ends_with(b".so") || memchr::memmem::find(name, b".so.").is_some()
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

impl NativeModule<'_> {
    /// The version of Node.js' interface that it is for: by its symbols, else by its path, as `node-gyp-build` and
    /// `node-pre-gyp` lay addons out. `None` for one of Node-API, which any Node.js loads, and for one that does not say it.
    fn interface(&self) -> Option<u32> {
        let path = String::from_utf8_lossy(self.item.relative());
        let number = |after: &str| {
            let rest = &path[path.rfind(after)? + after.len()..];
            rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
        };
        let is_napi = path.contains("napi");
        self.facts
            .node_interface
            .or_else(|| number("/node-v").or_else(|| number(".abi")))
            .filter(|_| !is_napi)
    }
}

/// Whether an addon is for Electron, which Node.js passes over.
fn is_of_electron(path: &[u8]) -> bool {
    memchr::memmem::find(path, b"electron").is_some()
}

impl<'a> NativeModules<'a> {
    /// Looks at all files of `items` that may be modules by their names; `package_of` names the package of a path.
    pub(super) fn read(
        items: impl Iterator<Item = &'a TreeItem>,
        scanner: &Scanner,
        is_module: impl Fn(&[u8]) -> bool,
        package_of: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<Self, ArtifactError> {
        let mut all = Self::default();
        for item in items {
            let name = file_name(item.relative());
            if is_library(name) {
                all.names.insert(name.to_vec());
            }
            let FoundKind::File { .. } = item.kind else { continue };
            if !is_module(name) {
                continue;
            }
            let package = package_of(item.relative());
            let path: &Path = &item.path;
            let facts =
                scanner.readings().once(path, || read_module_facts(path).map(|facts| facts.map(Arc::new)))?;
            match facts {
                Some(facts) => all.packages.entry(package).or_default().push(NativeModule { item, facts }),
                None => {
                    all.foreign.entry(package).or_insert(item);
                }
            }
        }
        Ok(all)
    }

    /// The packages whose modules are all for another system, with one of these.
    pub(super) fn only_foreign(&self) -> impl Iterator<Item = (&Vec<u8>, &'a TreeItem)> {
        let only = self.foreign.iter().filter(|(package, _)| !self.packages.contains_key(*package));
        only.map(|(package, item)| (package, *item))
    }

    /// Refuses a package whose modules are all for other machines than that of the base.
    pub(super) fn check_platform(
        &self,
        material: &Material,
        base: Option<&ConfigFile>,
    ) -> Result<(), ArtifactError> {
        let Some(base) = base.filter(|base| !base.architecture.is_empty()) else { return Ok(()) };
        let fits = |module: &NativeModule<'_>| module.facts.platform.architecture() == base.architecture;
        for modules in self.packages.values() {
            if let Some(module) = modules.first().filter(|_| !modules.iter().any(fits)) {
                let why = format!(
                    "the module `{}` is for {}, and the base for {}/{}",
                    shown(module.item.relative()),
                    module.facts.platform,
                    base.os,
                    base.architecture
                );
                let hint = format!(
                    "install the packages on {}, or use a base for {}",
                    base.architecture, module.facts.platform
                );
                return Err(ArtifactError::Unfit { path: material.path().to_owned(), why, hint });
            }
        }
        Ok(())
    }

    /// The requirements of the modules of an application at `root`. Of a package with modules for several platforms or C
    /// libraries none is required: which of them is loaded is decided at run time.
    pub(super) fn requirements(&self, root: Option<&EntryPath>) -> Vec<Requirement> {
        let mut all: Vec<Requirement> = Vec::new();
        for modules in self.packages.values() {
            let platforms: BTreeSet<&str> =
                modules.iter().map(|it| it.facts.platform.architecture()).collect();
            let stated: Vec<Requirement> =
                modules.iter().flat_map(|module| self.linked(module, root)).collect();
            let is_libc = |requirement: &&Requirement| matches!(requirement, Requirement::Libc(_));
            let mut libcs: Vec<&Requirement> = stated.iter().filter(is_libc).collect();
            libcs.dedup();
            if platforms.len() > 1 || libcs.len() > 1 {
                continue;
            }
            let platform =
                modules.first().map(|module| Requirement::Platform(module.facts.needed_platform()));
            for requirement in platform.into_iter().chain(stated) {
                if !all.contains(&requirement) {
                    all.push(requirement);
                }
            }
        }
        all
    }

    /// The interfaces of Node.js that the addons of each package are for. One with an addon that says none is for all.
    pub(super) fn interfaces(&self) -> Vec<Requirement> {
        let mut all = Vec::new();
        for modules in self.packages.values() {
            let modules = modules.iter().filter(|module| !is_of_electron(module.item.relative()));
            let versions: Option<BTreeSet<u32>> = modules.clone().map(NativeModule::interface).collect();
            let (Some(versions), Some(first)) = (versions, modules.clone().next()) else { continue };
            all.push(Requirement::NodeAbi { versions, shown_by: shown(first.item.relative()) });
        }
        all
    }

    /// The C library and the other libraries of a module.
    fn linked(&self, module: &NativeModule<'_>, root: Option<&EntryPath>) -> Vec<Requirement> {
        let path = module.item.relative();
        let place = match root {
            Some(root) => root.join(path),
            None => EntryPath::new(path),
        };
        let Ok(place) = place else { return Vec::new() };
        let mut dynamic = module.facts.dynamic.clone();
        // The interpreter's own loader loads it.
        dynamic.interpreter = None;
        // A package may load its own libraries before the modules that need them.
        dynamic.needed.retain(|name| {
            let is_own = self.names.contains(name.as_bytes());
            let is_given = OF_DRIVER.iter().any(|start| name.starts_with(start));
            !is_own && !is_given && !is_loader(name)
        });
        requirements_of_program(&place, &dynamic, &module.facts.platform)
    }
}

/// Whether a library is a dynamic loader, which the interpreter has loaded: modules may name it.
fn is_loader(name: &str) -> bool {
    name.starts_with("ld-linux") || name.starts_with("ld64.so")
}
