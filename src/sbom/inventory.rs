//! The components of an image, of what its layers tell.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{
    CataloguedFile, FileCatalog, OsRelease, PackageDatabase, directory_of_lock, normal_python_name,
};
use super::component::{Component, PackagePlace};
use super::layer::LayerCatalog;
use super::node_tree::{NodePackage, NodeTree};
use super::package::{CoordinateEvidence, Ecosystem, PackageFacts};
use super::purl::{Purl, PurlType};
use crate::layer::EntryPath;
use crate::runtime::budget::{Budget, OverBudget};
use crate::types::digest::Digest;
use crate::types::shown::shown;

/// The most licences of a component.
const MAX_LICENCES: usize = 64;
/// So often the facts of a package are in memory: in the inventory, in its lookups, and in a document.
const COPIES: usize = 3;
/// The memory of an edge.
const EDGE: usize = 256;

/// A part of an image whose packages are not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownPart {
    /// Its path.
    pub path: String,
    /// Why they are not known.
    pub why: String,
}

/// The components of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The components, in the order of their references.
    pub components: Vec<Component>,
    /// The parts that could not be read.
    pub unknown: Vec<UnknownPart>,
    /// The operating system, if the image says one.
    pub system: Option<OsRelease>,
}

/// A layer and what it tells.
pub struct CataloguedLayer<'a> {
    /// Its diffID.
    pub diff_id: Digest,
    /// Its catalog.
    pub catalog: &'a LayerCatalog,
}

impl Inventory {
    /// Of layers, bottom first, at the expense of `budget`.
    ///
    /// # Errors
    /// When they have so many packages that it costs too much.
    pub fn of(layers: &[CataloguedLayer<'_>], budget: &Budget) -> Result<Self, OverBudget> {
        let visible = visible(layers, budget)?;
        let mut builder = InventoryBuilder {
            system: system(&visible),
            owned: BTreeSet::new(),
            licences: BTreeMap::new(),
            components: BTreeMap::new(),
            unknown: BTreeSet::new(),
            sightings: Vec::new(),
        };
        builder.note_system(&visible);
        for (number, file) in &visible {
            budget.keep(COPIES * file.catalog.cost())?;
            builder.file(layers, *number, file);
        }
        builder.attach(&visible);
        builder.link(&visible, budget)?;
        Ok(Self {
            components: builder.components.into_values().collect(),
            unknown: builder.unknown.into_iter().collect(),
            system: builder.system,
        })
    }
}

/// The files that a container sees, each with the number of its layer.
fn visible<'a>(
    layers: &[CataloguedLayer<'a>],
    budget: &Budget,
) -> Result<Vec<(usize, &'a CataloguedFile)>, OverBudget> {
    let mut found = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let upper = &layers[number + 1..];
        for file in &layer.catalog.files {
            let depth = memchr::memchr_iter(b'/', file.path.as_bytes()).count() + 1;
            budget.step(1 + upper.len() * depth)?;
            if !upper.iter().any(|upper| upper.catalog.paths.hides(&file.path)) {
                found.push((number, file));
            }
        }
    }
    Ok(found)
}

/// The system of `etc/os-release`, else of the file that it usually links to.
fn system(visible: &[(usize, &CataloguedFile)]) -> Option<OsRelease> {
    let at = |path: &[u8]| {
        visible.iter().find_map(|(_, file)| match &file.catalog {
            FileCatalog::System(system) if file.path.as_bytes() == path => Some(system.clone()),
            _ => None,
        })
    };
    at(b"etc/os-release").or_else(|| at(b"usr/lib/os-release"))
}

struct InventoryBuilder {
    system: Option<OsRelease>,
    owned: BTreeSet<EntryPath>,
    /// By the name of a Debian package.
    licences: BTreeMap<Vec<u8>, Vec<String>>,
    components: BTreeMap<String, Component>,
    unknown: BTreeSet<UnknownPart>,
    sightings: Vec<PackageSighting>,
}

/// A package of one file, whose needs are to be looked up once all are known.
struct PackageSighting {
    reference: String,
    ecosystem: Ecosystem,
    path: EntryPath,
    /// The names that it is found by, beside those that it provides.
    names: Vec<String>,
    requires: Vec<String>,
    provides: Vec<String>,
}

impl InventoryBuilder {
    /// Takes note of what the operating system's packages own, and of their licences.
    fn note_system(&mut self, visible: &[(usize, &CataloguedFile)]) {
        for (_, file) in visible {
            match &file.catalog {
                FileCatalog::Owned(paths) | FileCatalog::Database(_, _, paths) => {
                    self.owned.extend(paths.iter().cloned());
                }
                FileCatalog::Licences(licences) => {
                    let directory = file.path.folder();
                    let package = directory.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                    self.licences.insert(package.to_vec(), licences.clone());
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, layers: &[CataloguedLayer<'_>], number: usize, file: &CataloguedFile) {
        let layer = layers[number].diff_id;
        match &file.catalog {
            // The system's package is listed already.
            FileCatalog::Packages(Ecosystem::Python, _) if self.owned.contains(&file.path) => {}
            FileCatalog::Packages(ecosystem, packages) => {
                let is_owned = self.owned.contains(&file.path);
                let of = |_: &PackageFacts| layer;
                self.packages(*ecosystem, &file.path, packages, is_owned, of);
            }
            FileCatalog::Database(kind, packages, _) => {
                let ecosystem = match kind {
                    PackageDatabase::Dpkg => Ecosystem::Debian,
                    PackageDatabase::Apk => Ecosystem::Alpine,
                    PackageDatabase::Rpm => Ecosystem::Rpm,
                };
                let former = former_states(&layers[..number], &file.path);
                let of = |facts: &PackageFacts| {
                    let states =
                        former.iter().take_while(|(_, packages)| packages.contains(&identity(facts)));
                    states.last().map_or(layer, |(first, _)| *first)
                };
                self.packages(ecosystem, &file.path, packages, false, of);
            }
            FileCatalog::Unread(why) => {
                self.unknown.insert(UnknownPart { path: shown(file.path.as_bytes()), why: why.clone() });
            }
            FileCatalog::System(_)
            | FileCatalog::Owned(_)
            | FileCatalog::Licences(_)
            | FileCatalog::Lock(_)
            | FileCatalog::Link(_)
            | FileCatalog::Attached => {}
        }
    }

    fn packages(
        &mut self,
        ecosystem: Ecosystem,
        path: &EntryPath,
        packages: &[PackageFacts],
        is_owned: bool,
        layer_of: impl Fn(&PackageFacts) -> Digest,
    ) {
        let references: Vec<String> =
            packages.iter().map(|facts| self.reference(ecosystem, facts).0).collect();
        for (facts, reference) in packages.iter().zip(&references) {
            let purl = self.reference(ecosystem, facts).1;
            let text = shown(path.as_bytes());
            let place = PackagePlace {
                path: if facts.within.is_empty() { text } else { format!("{text}!/{}", facts.within) },
                layer: layer_of(facts),
                digest: facts.digest,
            };
            let needs = facts
                .requires_here
                .iter()
                .filter_map(|number| references.get(usize::try_from(*number).ok()?));
            let needs: Vec<String> = needs.filter(|needed| *needed != reference).cloned().collect();
            let licences = match ecosystem {
                Ecosystem::Debian => self.licences.get(facts.name.as_bytes()).cloned().unwrap_or_default(),
                _ => facts.licences.clone(),
            };
            let component = self.components.entry(reference.clone()).or_insert_with(|| Component {
                reference: reference.clone(),
                ecosystem,
                namespace: facts.namespace.clone(),
                name: facts.name.clone(),
                version: facts.version.clone(),
                purl,
                evidence: facts.evidence,
                licences: Vec::new(),
                places: BTreeSet::new(),
                properties: BTreeSet::new(),
                needs: BTreeSet::new(),
            });
            component.evidence = component.evidence.min(facts.evidence);
            component.places.insert(place);
            component.needs.extend(needs);
            component.properties.extend(facts.properties.iter().cloned());
            if is_owned {
                component.properties.insert(("pack:owned-by-system".to_owned(), "true".to_owned()));
            }
            for licence in licences {
                if component.licences.len() < MAX_LICENCES && !component.licences.contains(&licence) {
                    component.licences.push(licence);
                }
            }
            for (_, part) in facts.properties.iter().filter(|(name, _)| name == "pack:unread") {
                let path = format!("{}!/{part}", shown(path.as_bytes()));
                let why = "it lies too deep in other archives, is too large, or is damaged".to_owned();
                self.unknown.insert(UnknownPart { path, why });
            }
            self.sightings.push(PackageSighting {
                reference: reference.clone(),
                ecosystem,
                path: path.clone(),
                names: names_of(ecosystem, facts),
                requires: facts.requires.clone(),
                provides: facts.provides.clone(),
            });
        }
    }

    /// The name of a package in documents, and its package URL. A package that is published nowhere has no URL.
    fn reference(&self, ecosystem: Ecosystem, facts: &PackageFacts) -> (String, Option<Purl>) {
        let is_stated = matches!(facts.evidence, CoordinateEvidence::Stated | CoordinateEvidence::Contained)
            // The path of a Go module is where it is published.
            || (facts.evidence == CoordinateEvidence::Unpublished && ecosystem == Ecosystem::Go);
        let purl = if is_stated { self.purl(ecosystem, facts) } else { None };
        let reference = purl.as_ref().map_or_else(
            || {
                let digest = facts.digest.map(|digest| format!("#{}", digest.hex())).unwrap_or_default();
                format!(
                    "pack:{}/{}/{}@{}{digest}",
                    ecosystem.word(),
                    facts.namespace,
                    facts.name,
                    facts.version
                )
            },
            ToString::to_string,
        );
        (reference, purl)
    }

    fn purl(&self, ecosystem: Ecosystem, facts: &PackageFacts) -> Option<Purl> {
        let PackageFacts { namespace, name, version, architecture, source, .. } = facts;
        let of_system = |kind, otherwise: &str| {
            let distro = self.system.as_ref().map(OsRelease::distro).unwrap_or_default();
            let vendor = self.system.as_ref().map_or(otherwise, |system| system.id.as_str());
            let qualifiers = [("arch", architecture.as_str()), ("distro", &distro), ("upstream", source)];
            Purl::new(kind, vendor, name, version, &qualifiers)
        };
        match ecosystem {
            Ecosystem::Debian => of_system(PurlType::Deb, "debian"),
            Ecosystem::Alpine => of_system(PurlType::Apk, "alpine"),
            Ecosystem::Cargo => Purl::new(PurlType::Cargo, "", name, version, &[]),
            Ecosystem::Go => Purl::new(PurlType::Golang, namespace, name, version, &[]),
            Ecosystem::Java => Purl::new(PurlType::Maven, namespace, name, version, &[]),
            Ecosystem::Node => Purl::new(PurlType::Npm, namespace, name, version, &[]),
            Ecosystem::Python => Purl::new(PurlType::Pypi, "", name, version, &[]),
            Ecosystem::Rpm => self.rpm_purl(facts),
        }
    }

    /// The epoch of a version is a qualifier, and two vendors have other names there than their systems have.
    fn rpm_purl(&self, facts: &PackageFacts) -> Option<Purl> {
        let distro = self.system.as_ref().map(OsRelease::distro).unwrap_or_default();
        let vendor = match self.system.as_ref().map_or("", |system| &system.id) {
            "rhel" => "redhat",
            id if id.starts_with("opensuse") => "opensuse",
            id => id,
        };
        let (epoch, version) = facts.version.split_once(':').unwrap_or(("", &facts.version));
        let qualifiers = [
            ("arch", facts.architecture.as_str()),
            ("distro", &distro),
            ("epoch", epoch),
            ("upstream", &facts.source),
        ];
        Purl::new(PurlType::Rpm, vendor, &facts.name, version, &qualifiers)
    }

    /// Notes the documents that lie in a Python distribution (PEP 770).
    fn attach(&mut self, visible: &[(usize, &CataloguedFile)]) {
        let attached = visible.iter().filter(|(_, file)| file.catalog == FileCatalog::Attached);
        let python = self.sightings.iter().filter(|sighting| sighting.ecosystem == Ecosystem::Python);
        let beside: BTreeMap<&[u8], &str> =
            python.map(|sighting| (sighting.path.folder(), sighting.reference.as_str())).collect();
        for (_, file) in attached {
            let Some(sboms) = file.path.parent() else { continue };
            let reference = beside.get(sboms.folder()).copied();
            if let Some(component) = reference.and_then(|reference| self.components.get_mut(reference)) {
                component.properties.insert(("pack:sbom".to_owned(), shown(file.path.as_bytes())));
            }
        }
    }

    /// Looks up what packages need.
    fn link(&mut self, visible: &[(usize, &CataloguedFile)], budget: &Budget) -> Result<(), OverBudget> {
        let tree = NodeTree::of(visible.iter().map(|(_, file)| *file));
        let mut names = NameTable::new();
        for sighting in &self.sightings {
            let scope = scope(sighting.ecosystem, &sighting.path);
            for name in sighting.names.iter().chain(&sighting.provides).cloned() {
                names
                    .entry((sighting.ecosystem, scope.clone(), name))
                    .or_default()
                    .insert(&sighting.reference);
            }
        }
        let mut edges: Vec<(&str, &str)> = Vec::new();
        for sighting in &self.sightings {
            for required in &sighting.requires {
                let found = match sighting.ecosystem {
                    Ecosystem::Node => tree
                        .find(sighting.path.folder(), required, budget)?
                        .and_then(|package| names.get(&node_key(package.directory))),
                    Ecosystem::Java => maven_artifact(&names, required),
                    ecosystem => names.get(&(ecosystem, scope(ecosystem, &sighting.path), required.clone())),
                };
                let others = found.into_iter().flatten().filter(|found| **found != sighting.reference);
                for other in others {
                    budget.keep(EDGE)?;
                    edges.push((sighting.reference.as_str(), *other));
                }
            }
        }
        for (from, to) in locked_needs(visible, &tree, budget)? {
            let of = |package: NodePackage<'_>| names.get(&node_key(package.directory)).into_iter().flatten();
            for (from, to) in of(from).flat_map(|from| of(to).map(move |to| (*from, *to))) {
                budget.keep(EDGE)?;
                edges.push((from, to));
            }
        }
        for (from, to) in edges.into_iter().filter(|(from, to)| from != to) {
            if let Some(component) = self.components.get_mut(from) {
                component.needs.insert(to.to_owned());
            }
        }
        Ok(())
    }
}

type NameTable<'a> = BTreeMap<(Ecosystem, Vec<u8>, String), BTreeSet<&'a str>>;

/// The directory within which the name of a package of this file means one package; empty where it is the whole image.
fn scope(ecosystem: Ecosystem, path: &EntryPath) -> Vec<u8> {
    match ecosystem {
        // Of `site-packages/a.dist-info/METADATA`, or of `site-packages/a.egg-info`.
        Ecosystem::Python if path.file_name().ends_with(b".egg-info") => path.folder().to_vec(),
        Ecosystem::Python => path.parent().map(|parent| parent.folder().to_vec()).unwrap_or_default(),
        Ecosystem::Node => path.folder().to_vec(),
        _ => Vec::new(),
    }
}

/// The names that packages of its ecosystem find a package by.
fn names_of(ecosystem: Ecosystem, facts: &PackageFacts) -> Vec<String> {
    let PackageFacts { namespace, name, version, evidence, .. } = facts;
    match ecosystem {
        Ecosystem::Python => vec![normal_python_name(name)],
        // The name that it is found by is that of its directory.
        Ecosystem::Node => vec![String::new()],
        // Nothing of a leftover is there.
        Ecosystem::Java if namespace.is_empty() || *evidence == CoordinateEvidence::Leftover => Vec::new(),
        Ecosystem::Java => vec![format!("{namespace}:{name}"), format!("{namespace}:{name}:{version}")],
        _ => vec![name.clone()],
    }
}

/// The artifact of the image that `GROUP:NAME` or `GROUP:NAME:VERSION` stands for: the one of this version, else the only one
/// of the name, whose version the build of the application chose. `None` where there are several.
fn maven_artifact<'n, 'a>(names: &'n NameTable<'a>, required: &str) -> Option<&'n BTreeSet<&'a str>> {
    let find = |name: &str| names.get(&(Ecosystem::Java, Vec::new(), name.to_owned()));
    let without_version = required.match_indices(':').nth(1).map_or(required, |(at, _)| &required[..at]);
    let exact = if without_version == required { None } else { find(required) };
    exact.or_else(|| find(without_version).filter(|found| found.len() == 1))
}

/// The name of the Node package in a directory, in the table of names.
fn node_key(directory: &[u8]) -> (Ecosystem, Vec<u8>, String) {
    (Ecosystem::Node, directory.to_vec(), String::new())
}

/// The needs that locks of npm state, each from the package that has it to the one that it finds. Both are in the image as the
/// lock has them: a lock that is older or newer than its packages says nothing about those that differ.
fn locked_needs<'a>(
    visible: &[(usize, &'a CataloguedFile)],
    tree: &NodeTree<'a>,
    budget: &Budget,
) -> Result<Vec<(NodePackage<'a>, NodePackage<'a>)>, OverBudget> {
    let mut found = Vec::new();
    for (_, file) in visible {
        let FileCatalog::Lock(locked) = &file.catalog else { continue };
        let above = directory_of_lock(&file.path);
        let mut agreed = BTreeMap::new();
        for package in locked {
            let below = package.directory.as_bytes();
            let directory = if above.is_empty() { below.to_vec() } else { [above, b"/", below].concat() };
            budget.step(1)?;
            let there = tree.component(&directory);
            if let Some(there) =
                there.filter(|there| is_package(there.facts, &package.name, &package.version))
            {
                agreed.insert(there.directory, (there, &package.requires));
            }
        }
        for (from, requires) in agreed.values() {
            for name in *requires {
                let to = tree.find(from.directory, name, budget)?;
                if let Some(to) = to.filter(|to| agreed.contains_key(to.directory)) {
                    budget.keep(EDGE)?;
                    found.push((*from, to));
                }
            }
        }
    }
    Ok(found)
}

/// Whether a Node package has this name, with its scope, and this version.
fn is_package(facts: &PackageFacts, name: &str, version: &str) -> bool {
    let own = match &*facts.namespace {
        "" => Some(name),
        scope => name.strip_prefix(scope).and_then(|rest| rest.strip_prefix('/')),
    };
    own == Some(&facts.name) && facts.version == version
}

/// Packages of a database with equal identities are the same.
fn identity(facts: &PackageFacts) -> (&str, &str, &str) {
    (&facts.name, &facts.version, &facts.architecture)
}

/// A database as it was in a lower layer, by that layer's diffID.
type DatabaseState<'a> = (Digest, BTreeSet<(&'a str, &'a str, &'a str)>);

/// The states of a database in lower layers, the uppermost first. A package lies in the lowest layer from which on each of
/// them has it.
fn former_states<'a>(below: &[CataloguedLayer<'a>], path: &EntryPath) -> Vec<DatabaseState<'a>> {
    let state = |layer: &CataloguedLayer<'a>| {
        let files = &layer.catalog.files;
        let index = files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        match &files[index].catalog {
            FileCatalog::Database(_, packages, _) => {
                Some((layer.diff_id, packages.iter().map(identity).collect()))
            }
            _ => None,
        }
    };
    below.iter().rev().filter_map(state).collect()
}
