//! The statements of a build about itself: its provenance, and the record of its checks.
//!
//! Both are a function of the inputs and the builder. No path of this machine is in them: a file is named as the build file
//! has it, and one that was named by an argument by its last part.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::error::BuildError;
use super::finished::{Finished, SubjectStatement};
use super::prepared::PreparedBuild;
use super::request::Request;
use crate::attest::provenance::{
    BuildFacts, BuiltImage, BuiltLayer, CommitFact, InputDigest, InputFact, PROVENANCE_PREDICATE,
    ProvenanceBuilder, layers_digest, predicate,
};
use crate::attest::{CHECKS_PREDICATE, ChecksRecord, ImageStatement, ResourceDescriptor};
use crate::formats::json::JsonError;
use crate::layer::{ContentSource, Entry, EntryKind};
use crate::oci::{Descriptor, Image};
use crate::plan::{Plan, PlannedImage, PlannedLayer};
use crate::project::config::{DiskPath, Settings};
use crate::runtime::input;
use crate::types::digest::{Digest, Sha256};
use crate::types::error::BoxedError;
use crate::types::finding::Severity;
use crate::types::shown::shown_path;

/// The name of the base among the inputs of layers.
const BASE: &str = "base";

/// The statements of a finished build: about its root, or about each image where they are listed in the index.
///
/// # Errors
/// When an input cannot be read again.
pub(super) fn statements(
    request: &Request,
    builder: &ProvenanceBuilder,
    prepared: &PreparedBuild<'_>,
    finished: &Finished,
) -> Result<Vec<SubjectStatement>, BoxedError> {
    let checks = checks(request, &prepared.plan).to_raw().map_err(encoded)?;
    let all: Vec<(&PlannedImage, &Image)> = prepared.plan.images.iter().zip(&finished.images).collect();
    let subjects: Vec<(Descriptor, &[(&PlannedImage, &Image)])> = match request.attest.is_in_index() {
        true => all.chunks(1).map(|one| (one[0].1.raw().descriptor(), one)).collect(),
        false => vec![(finished.root.descriptor(), &all[..])],
    };
    let digests = InputDigests::default();
    let mut statements = Vec::new();
    for (subject, images) in subjects {
        let facts = facts(request, prepared, images, &digests)?;
        let built = predicate(&facts, builder).map_err(encoded)?;
        for (kind, predicate) in [(PROVENANCE_PREDICATE, built), (CHECKS_PREDICATE, checks.clone())] {
            let statement = ImageStatement::new(&subject.digest, kind, predicate);
            statements.push(SubjectStatement { subject: subject.clone(), statement });
        }
    }
    Ok(statements)
}

fn encoded(error: JsonError) -> BoxedError {
    BuildError::Statement(error).into()
}

/// The record of the checks: the rules with warnings, among them those that the user allows to be broken.
pub(super) fn checks(request: &Request, plan: &Plan) -> ChecksRecord {
    let (mut warned, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for finding in plan.findings.iter().filter(|finding| !finding.is_pass()) {
        match finding.level {
            Severity::Error => drop(failed.insert(finding.rule.to_string())),
            Severity::Warning => drop(warned.insert(finding.rule.to_string())),
            Severity::Note | Severity::Info if finding.allowed.is_some() => {
                warned.insert(finding.rule.to_string());
            }
            Severity::Note | Severity::Info => {}
        }
    }
    let configuration = build_file(&request.settings)
        .map(|(name, digest)| ResourceDescriptor::named(name).sha256(&digest))
        .into_iter();
    ChecksRecord::new(configuration.collect(), warned.into_iter().collect(), failed.into_iter().collect())
}

/// The build file that describes the image, by its name and digest.
fn build_file(settings: &Settings) -> Option<(String, Digest)> {
    settings.sources.files().last().map(|(name, text)| {
        let last = name.rsplit('/').next().unwrap_or(name);
        (last.to_owned(), Digest::of(text.as_bytes()))
    })
}

fn facts(
    request: &Request,
    prepared: &PreparedBuild<'_>,
    images: &[(&PlannedImage, &Image)],
    digests: &InputDigests,
) -> Result<BuildFacts, BoxedError> {
    let settings = &request.settings;
    let plan = &prepared.plan;
    let inputs = named_inputs(request);
    let images: Vec<BuiltImage> =
        images.iter().map(|(planned, image)| built(planned, image, &inputs)).collect();
    Ok(BuildFacts {
        image: request.name.to_string(),
        build_file: build_file(settings),
        settings: decisive(request),
        typed: settings.sources.typed_names(),
        commit: prepared.facts.git.as_ref().map(|git| CommitFact {
            commit: git.commit.clone(),
            origin: git.origin.clone(),
            is_dirty: git.dirty,
        }),
        base: plan.images.iter().find_map(|image| {
            let base = image.base.as_ref()?;
            let name = if base.is_in_registry { base.reference.clone() } else { "a base on disk".to_owned() };
            Some((name, base.digest))
        }),
        inputs: inputs.iter().map(|input| input.fact(&images, digests)).collect::<Result<_, _>>()?,
        images,
        format: plan.format,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Settings that decide what the image becomes, besides the build file.
fn decisive(request: &Request) -> BTreeMap<String, String> {
    let settings = &request.settings;
    let base = settings.base.as_ref().map(|base| base.value.to_string());
    let platforms: Vec<String> =
        settings.platforms.iter().map(|platform| platform.value.to_string()).collect();
    let all = [
        (
            "image.base",
            base.filter(|base| {
                !base.contains('/') || base.parse::<crate::types::reference::Reference>().is_ok()
            }),
        ),
        ("image.platforms", (!platforms.is_empty()).then(|| platforms.join(","))),
        ("image.compression", Some(settings.compression.to_string())),
        ("time", Some(request.time().to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A file or directory that the settings name.
struct NamedInput<'a> {
    path: &'a Path,
    name: String,
    kind: &'static str,
}

impl<'a> NamedInput<'a> {
    fn new(path: &'a DiskPath, kind: &'static str) -> Self {
        let written = Path::new(path.written());
        let name = match (written.is_absolute(), written.file_name()) {
            (true, Some(last)) => shown_path(Path::new(last)),
            _ => shown_path(written),
        };
        Self { path: path.path(), name, kind }
    }

    fn fact(&self, images: &[BuiltImage], digests: &InputDigests) -> Result<InputFact, BoxedError> {
        let digest = match self.path.is_dir() {
            true => {
                let layers = images.iter().flat_map(|image| &image.layers);
                let own = layers.filter(|layer| layer.inputs.contains(&self.name));
                layers_digest(own.map(|layer| layer.diff_id)).map(InputDigest::Layers)
            }
            false => Some(InputDigest::File(digests.of(self.path)?)),
        };
        Ok(InputFact { path: self.name.clone(), kind: self.kind.to_owned(), digest })
    }
}

fn named_inputs(request: &Request) -> Vec<NamedInput<'_>> {
    let apps = request.settings.apps.iter().flat_map(|app| app.paths.as_slice());
    let apps = apps.map(|path| NamedInput::new(&path.value, "artifact"));
    let files = request.settings.layers.iter().flat_map(|layer| &layer.files);
    let files = files.map(|files| NamedInput::new(&files.from.value, "files"));
    apps.chain(files).collect()
}

/// The digests of files that were read: each is read once, however many images it is in.
#[derive(Default)]
struct InputDigests(RefCell<BTreeMap<PathBuf, Digest>>);

impl InputDigests {
    fn of(&self, path: &Path) -> Result<Digest, BuildError> {
        if let Some(known) = self.0.borrow().get(path) {
            return Ok(*known);
        }
        let digest = hashed(path).map_err(|source| BuildError::Input { path: path.to_owned(), source })?;
        self.0.borrow_mut().insert(path.to_owned(), digest);
        Ok(digest)
    }
}

fn hashed(path: &Path) -> io::Result<Digest> {
    let (mut file, _) = input::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// An image with all its layers: those of the base, and then ours.
fn built(planned: &PlannedImage, image: &Image, inputs: &[NamedInput<'_>]) -> BuiltImage {
    let of_base = image.layers().len().saturating_sub(planned.layers.len());
    let layers = image.layers().iter().zip(image.diff_ids()).enumerate();
    let layers = layers.map(|(number, (layer, diff_id))| {
        let own = number.checked_sub(of_base).and_then(|own| planned.layers.get(own));
        BuiltLayer {
            name: own.map(|own| own.name.clone()),
            digest: layer.digest,
            diff_id: *diff_id,
            inputs: own.map_or_else(|| vec![BASE.to_owned()], |own| sources(own, inputs)),
        }
    });
    BuiltImage {
        platform: planned.platform.to_string(),
        manifest: image.digest(),
        base: planned.base.as_ref().map(|base| base.manifest),
        layers: layers.collect(),
    }
}

/// The inputs that the files of a layer are from. Files that the program makes itself are from none.
fn sources(layer: &PlannedLayer, inputs: &[NamedInput<'_>]) -> Vec<String> {
    let mut names = BTreeSet::new();
    let entries = layer.spec.entries().iter();
    for path in entries.filter_map(source_of) {
        let found = inputs.iter().filter(|input| path.starts_with(input.path));
        // The nearest of those that lie in each other.
        names.extend(found.max_by_key(|input| input.path.as_os_str().len()).map(|input| input.name.clone()));
    }
    names.into_iter().collect()
}

fn source_of(entry: &Entry) -> Option<&Path> {
    let EntryKind::File(content) = &entry.kind else { return None };
    match &content.source {
        ContentSource::File(path, _) => Some(path),
        ContentSource::Zip(archive, _) => Some(archive.path()),
        ContentSource::Repacked(made) => Some(made.archive().path()),
        ContentSource::Bytes(_) => None,
    }
}
