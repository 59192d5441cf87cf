//! Java web applications: unpacked into layers by how often they change, or as the one file that they are.
//!
//! Exploded layers, bottom first: `dependencies` (files of `WEB-INF/lib`, and of `WEB-INF/lib-provided`, which
//! Spring Boot's launcher adds to them where the WAR runs without a container), `snapshots` (those named
//! `SNAPSHOT`), `resources` (all the rest, class files outside `WEB-INF/classes` included) and `classes`. Each has
//! the directories that its own files need, so a layer's bytes depend on nothing but its own files.

mod layers;
mod members;
mod servlet;

use std::sync::Arc;

use layers::{layers_of, note_of_loader, note_of_provided, provided};

use super::super::boot::{self, BootStructure};
use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::java;
use super::super::kind::ArtifactKind;
use super::super::manifest::JarManifest;
use super::super::material::Material;
use super::super::options::{AppOptions, AppRoot, ArtifactLayout};
use super::super::proposal::{Proposal, ProposedLayer, not_empty};
use super::super::requirement::{Requirements, Search, ServletSearch};
use super::super::root::{root_entry, root_of};
use super::super::unpacked::Unpacked;
use crate::bases::{Container, ContainerKind, container};
use crate::formats::zip::{ArchiveEntryKind, ZipArchive};
use crate::layer::scan::{FoundKind, Scanner, TreeItem, entries};
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath, EntryPathError};
use crate::oci::ConfigFile;
use crate::types::shown::shown;

/// A Java web application, packed or as a directory.
pub(super) struct War;

impl ArtifactKind for War {
    fn name(&self) -> &'static str {
        "war"
    }

    fn describe(&self) -> &'static str {
        "a web application (WAR)"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory, Form::Archive]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form != Form::File).then_some("`WEB-INF/`")
    }

    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        let material = glimpse.material();
        let has_web_inf = material.has_directory("WEB-INF");
        if glimpse.form() == Form::Directory {
            let why = "It is a directory with `WEB-INF/`, an unpacked WAR.";
            return Ok(has_web_inf.then(|| vec![why.to_owned()]));
        }
        let boot = material.manifest()?.and_then(JarManifest::spring_boot);
        if has_web_inf {
            let mut why = vec!["It is a zip archive with `WEB-INF/`, a WAR.".to_owned()];
            if let Some(attribute) = boot {
                why.push(format!(
                    "Its manifest has `{attribute}`, so Spring Boot can also start it alone, where the base has no \
                     servlet container."
                ));
            }
            return Ok(Some(why));
        }
        let is_named_war =
            material.path().extension().is_some_and(|extension| extension.eq_ignore_ascii_case("war"));
        let why = "It is a zip archive named `.war`; that it has no `WEB-INF/` is unusual but valid.";
        Ok((is_named_war && boot.is_none()).then(|| vec![why.to_owned()]))
    }

    fn propose(
        &self,
        material: &Material,
        options: &AppOptions,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
    ) -> Result<Proposal, ArtifactError> {
        if runs_alone(material, options, Search::on(base))? {
            let mut proposal = boot::propose(&BootStructure::of(material)?, options, base, scanner)?;
            proposal.notes.push(
                "The base has no servlet container that is known: Spring Boot's launcher starts the application; \
                 `app.root` names the directory of a container's applications."
                    .to_owned(),
            );
            return Ok(proposal);
        }
        let proposal = match material.archive() {
            Some(archive) => propose_archive(material, archive, options, base)?,
            None => propose_directory(material, options, base, scanner)?,
        };
        let found = base.and_then(container);
        let server = found.filter(|container| {
            options.root.is_none()
                || proposal.app_root.as_ref().is_some_and(|root| root.starts_with(&container.webapps))
        });
        Ok(Proposal { served_by: server.map(|container| container.describe()), ..proposal })
    }

    fn requirements(
        &self,
        material: &Material,
        options: &AppOptions,
        search: Search,
        scanner: &Scanner,
    ) -> Result<Requirements, ArtifactError> {
        if runs_alone(material, options, search)? {
            return boot::requirements(&BootStructure::of(material)?, options);
        }
        servlet::requirements(material, options, search.servlet, scanner)
    }

    fn layouts(&self) -> &'static [ArtifactLayout] {
        &[ArtifactLayout::Exploded, ArtifactLayout::Packaged]
    }

    fn usual_base(&self, _: &Material) -> String {
        "docker.io/library/tomcat:10".to_owned()
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/usr/local/tomcat/webapps/ROOT\"; known are the images of Tomcat, TomEE, Jetty, WildFly, Liberty, Payara \
         and GlassFish"
    }
}

/// Whether the launcher of an executable WAR starts it: the base has no container, and no place in one is named.
fn runs_alone(material: &Material, options: &AppOptions, search: Search) -> Result<bool, ArtifactError> {
    if search.is_base_empty || search.servlet != ServletSearch::None || options.root.is_some() {
        return Ok(false);
    }
    let manifest = material.manifest()?;
    let is_boot =
        |manifest: &JarManifest| manifest.spring_boot().is_some() && manifest.text("Main-Class").is_some();
    Ok(manifest.is_some_and(is_boot))
}

fn propose_directory(
    material: &Material,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    if is_packaged(material, options, base)? {
        return Err(ArtifactError::NotPacked { path: material.path().to_owned() });
    }
    let (root, mut notes) = place(material, options, base)?;
    let found = scanner.scan(material.path(), &options.scan_options())?;
    let container = base.and_then(container).is_some();
    let files = || found.iter().filter(|found| found.kind != FoundKind::Directory).map(TreeItem::relative);
    notes.extend(note_of_provided(files(), container));
    notes.extend(note_of_loader(files(), container));
    let mut rules = options.rules.clone();
    // An archive cannot say what an absolute target means, and its unpacked form is to be the same.
    rules.absolute_links = false;
    let names = found.iter().map(|found| (found.relative(), found.kind == FoundKind::Directory));
    let layers = layers_of(names, container).into_iter().map(|(group, members)| {
        let provided = provided(&members);
        let members: Vec<&TreeItem> =
            members.iter().filter_map(|(_, index)| Some(&found[(*index)?])).collect();
        let files = members.iter().filter(|found| found.kind != FoundKind::Directory).count();
        let mut all: Vec<Entry> = root_entry(&root, options).into_iter().collect();
        all.extend(entries(members, root.path(), &rules)?);
        Ok(group.layer(files, provided, all))
    });
    let layers = layers.collect::<Result<Vec<_>, ArtifactError>>()?;
    not_empty(material.path(), &layers)?;
    Ok(exploded(layers, &root, notes, marker(&root, options, base)))
}

/// An unpacked application owns its directory: an application of the base there, or packed beside it, is another one. A
/// marker lies beside the directory, in the last layer.
fn exploded(
    mut layers: Vec<ProposedLayer>,
    root: &AppRoot,
    notes: Vec<String>,
    marker: Option<Entry>,
) -> Proposal {
    let app_root = root.path().cloned();
    let packed = app_root.as_ref().and_then(|root| beside(root, &[root.file_name(), b".war"].concat()).ok());
    let replaces = app_root.iter().cloned().chain(packed).collect();
    if let (Some(marker), Some(last)) = (marker, layers.last_mut()) {
        last.why.push_str(&format!(", with the marker `{}`", shown(marker.path.file_name())));
        last.entries.push(marker);
        last.entries.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Proposal { layers, app_root, notes, replaces, ..Proposal::default() }
}

/// The marker that an unpacked application at `root` needs: WildFly deploys only archives without one. It removes the marker
/// when it has deployed the application, for which the directory must be its user's.
fn marker(root: &AppRoot, options: &AppOptions, base: Option<&ConfigFile>) -> Option<Entry> {
    let container = base.and_then(container).filter(|container| container.kind == ContainerKind::WildFly)?;
    let root = root.path().filter(|root| root.parent().as_ref() == Some(&container.webapps))?;
    let path = beside(root, &[root.file_name(), b".dodeploy"].concat()).ok()?;
    Some(Entry::bytes(path, options.rules.file(false), root.file_name()))
}

/// `name` in the directory that `path` is in.
fn beside(path: &EntryPath, name: &[u8]) -> Result<EntryPath, EntryPathError> {
    path.parent().map_or_else(|| EntryPath::new(name), |parent| parent.join(name))
}

fn propose_archive(
    material: &Material,
    archive: &Arc<ZipArchive>,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<Proposal, ArtifactError> {
    let (root, mut notes) = place(material, options, base)?;
    if is_packaged(material, options, base)? {
        return packaged(material, archive, &root, options, notes);
    }
    let unpacked = Unpacked::new(archive)?;
    let container = base.and_then(container).is_some();
    let files = || {
        let files = archive.entries().iter().filter(|entry| entry.kind != ArchiveEntryKind::Directory);
        files.map(|entry| &entry.name[..])
    };
    notes.extend(note_of_provided(files(), container));
    notes.extend(note_of_loader(files(), container));
    let names =
        archive.entries().iter().map(|entry| (&entry.name[..], entry.kind == ArchiveEntryKind::Directory));
    let layers = layers_of(names, container).into_iter().map(|(group, members)| {
        let mut all: Vec<Entry> = root_entry(&root, options).into_iter().collect();
        for (name, index) in &members {
            all.push(unpacked.entry(name, *index, root.path(), options)?);
        }
        let files = all.iter().filter(|entry| !entry.is_directory()).count();
        Ok(group.layer(files, provided(&members), all))
    });
    let layers = layers.collect::<Result<Vec<_>, ArtifactError>>()?;
    not_empty(material.path(), &layers)?;
    Ok(exploded(layers, &root, notes, marker(&root, options, base)))
}

/// Where it goes, with notes about that.
fn place(
    material: &Material,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<(AppRoot, Vec<String>), ArtifactError> {
    let found = base.and_then(container);
    let by_base = |_: &ConfigFile| {
        let container = found.as_ref()?;
        let path = container.webapps.join(&name_in(container, material)).ok()?;
        let why = format!(
            "The base has {} ({}): the application goes to `{path}`.",
            container.describe(),
            container.sign
        );
        Some((path, why))
    };
    let (root, why) = root_of(&War, material, options, base, by_base)?;
    let mut notes: Vec<String> = why.into_iter().collect();
    if options.root.is_none()
        && let Some(container) = found.as_ref().filter(|container| !container.knows_root())
        && let Some(path) = root.path()
    {
        let name = path.file_name();
        notes.push(format!(
            "{} answers for it below `/{}`; `app.root` gives it another name.",
            container.describe(),
            shown(name.strip_suffix(b".war").unwrap_or(name))
        ));
    }
    Ok((root, notes))
}

/// The name of the application in the directory of a container: the one of the address `/` where there is such a name, else its
/// own.
fn name_in(container: &Container, material: &Material) -> Vec<u8> {
    let own = material.path().file_name().unwrap_or_default().as_encoded_bytes();
    match (container.takes_archives(), container.knows_root()) {
        (false, _) => b"ROOT".to_vec(),
        (true, true) => b"ROOT.war".to_vec(),
        (true, false) => [own.strip_suffix(b".war").unwrap_or(own), b".war"].concat(),
    }
}

/// Whether it goes into the image as the archive that it is: by the user's word, else by the container's.
fn is_packaged(
    material: &Material,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<bool, ArtifactError> {
    let container = base.and_then(container).filter(Container::takes_archives);
    let Some(container) = container.filter(|_| options.root.is_none()) else {
        return Ok(options.layout == Some(ArtifactLayout::Packaged));
    };
    let is_unpacked = options.layout == Some(ArtifactLayout::Exploded)
        || (material.archive().is_none() && options.layout.is_none());
    // A marker beside it has it deployed.
    if is_unpacked && container.kind == ContainerKind::WildFly {
        return Ok(false);
    }
    if is_unpacked || material.archive().is_none() {
        let why = format!("{} in the base deploys web applications as archives", container.describe());
        let hint = "give the `.war` file, without a layout";
        return Err(ArtifactError::Unfit { path: material.path().to_owned(), why, hint: hint.to_owned() });
    }
    Ok(true)
}

/// The archive itself, `ROOT.war` beside where the directory `ROOT` would be.
fn packaged(
    material: &Material,
    archive: &Arc<ZipArchive>,
    root: &AppRoot,
    options: &AppOptions,
    notes: Vec<String>,
) -> Result<Proposal, ArtifactError> {
    java::check_names(material)?;
    let Some(root) = root.path() else {
        return Err(ArtifactError::FileAsRoot { path: material.path().to_owned() });
    };
    let stem = match &options.name {
        Some(name)
            if name.is_empty() || name.contains('/') || name.contains('\0') || name.starts_with('.') =>
        {
            return Err(ArtifactError::BadName { name: name.clone() });
        }
        Some(name) => name.strip_suffix(".war").unwrap_or(name).as_bytes().to_vec(),
        None => root.file_name().strip_suffix(b".war").unwrap_or(root.file_name()).to_vec(),
    };
    let name = [&stem[..], b".war"].concat();
    let bad = |_| ArtifactError::BadName { name: shown(&name) };
    let path = beside(root, &name).map_err(bad)?;
    // A container takes the directory of that name for the archive unpacked, and looks no further.
    let replaces = beside(root, &stem).into_iter().collect();
    let stamp = *archive.stamp();
    let content = Content { size: stamp.size, source: ContentSource::File(material.path().into(), stamp) };
    let entry =
        Entry { path: path.clone(), metadata: options.rules.file(false), kind: EntryKind::File(content) };
    let why = format!("the WAR as it is, to `{path}`; the container deploys it when it starts");
    let layers =
        vec![ProposedLayer { name: "app".to_owned(), why, entries: vec![entry], is_divisible: false }];
    Ok(Proposal { layers, app_root: Some(path), notes, replaces, ..Proposal::default() })
}
