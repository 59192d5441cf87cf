//! From the base and finished layers to images: configuration, annotations, tags.

use std::collections::BTreeMap;

use super::finished::{Attachment, Finished};
use super::prepared::PreparedBuild;
use super::request::Request;
use crate::bases::{PlatformBase, soci_config};
use crate::layer::Compression;
use crate::oci::{
    self, ConfigChange, ConfigFile, Descriptor, Image, Index, MediaType, NewLayer, RawDocument, soci,
};
use crate::plan::{LayerFacts, Plan, PlannedImage, PlannedLayer};
use crate::project::config::{
    Arguments, Facts, Spanned, TagTemplate, Template, TemplateError, exposed_ports,
};
use crate::types::digest::Sha256;
use crate::types::error::{BoxedError, Explain as _};
use crate::types::reference::Tag;
use crate::types::time::{TooLate, rfc3339};

/// Derives the images from the base and the finished layers, `layers[image][layer]`.
pub(super) fn finish(
    request: &Request,
    prepared: &PreparedBuild<'_>,
    layers: &[Vec<NewLayer>],
) -> Result<Finished, BoxedError> {
    let derived = DerivedImages::without_content(request, prepared, layers)?;
    let facts = Facts { content: Some(derived.content()), ..prepared.facts.clone() };
    let tags = tags(request, &facts)?;
    let settings = &request.settings;
    let mut texts = settings.config.labels.values().chain(settings.annotations.values());
    let derived = match texts.any(|text| text.value.needs_content(&facts)) {
        true => DerivedImages::of(request, prepared, layers, &facts)?,
        false => derived,
    };
    let DerivedImages { images, indexes, notes } = derived;
    let root = match (&images[..], &indexes[..]) {
        ([image], [None]) if !request.attest.is_in_index() => image.raw().clone(),
        _ => {
            let manifests = soci::entries(&images, &indexes);
            index_of(manifests, annotations(request, prepared.plan.images.first(), &facts)?)?
        }
    };
    let soci = indexes.into_iter().flatten();
    let attachments =
        soci.map(|document| Attachment { document, blobs: vec![soci_config()], referrer: None }).collect();
    let fixed = fixed(request, &facts, &tags);
    Ok(Finished { root, images, attachments, tags, fixed, notes })
}

/// The images of a build, each with its SOCI index.
struct DerivedImages {
    images: Vec<Image>,
    indexes: Vec<Option<RawDocument>>,
    notes: Vec<String>,
}

impl DerivedImages {
    /// With these facts in their labels and annotations.
    fn of(
        request: &Request,
        prepared: &PreparedBuild<'_>,
        layers: &[Vec<NewLayer>],
        facts: &Facts,
    ) -> Result<Self, BoxedError> {
        let mut derived = Self { images: Vec::new(), indexes: Vec::new(), notes: Vec::new() };
        for ((planned, base), layers) in prepared.plan.images.iter().zip(&prepared.bases).zip(layers) {
            let base_config = base.as_ref().map(|base| base.image.config());
            let mut change = change(request, planned, base_config, facts)?;
            let mut tables = base.as_ref().map(PlatformBase::tables).transpose()?.unwrap_or_default();
            tables.extend(layers.iter().filter_map(|layer| layer.table.clone()));
            let index = soci::index(tables, &mut change.annotations)?;
            if index.is_none() && matches!(prepared.compression, Compression::Soci(_)) {
                derived.notes.push(
                    "no layer has the 10 MiB from which on SOCI is worth while: there is no SOCI index"
                        .into(),
                );
            }
            let base = base.as_ref().map(|base| &base.image);
            let (image, more) = oci::derive(base, &planned.platform, layers, &change)?;
            derived.images.push(image);
            derived.indexes.push(index);
            derived.notes.extend(more);
        }
        derived.notes.dedup();
        Ok(derived)
    }

    /// With nothing in the place of `{content}`.
    fn without_content(
        request: &Request,
        prepared: &PreparedBuild<'_>,
        layers: &[Vec<NewLayer>],
    ) -> Result<Self, BoxedError> {
        let facts = Facts { content: Some(String::new()), ..prepared.facts.clone() };
        Self::of(request, prepared, layers, &facts)
    }

    /// Twelve digits over the whole of each image: `{content}` stands for them. Two images of one build file that differ have
    /// different ones, so that a tag of it is never taken.
    fn content(&self) -> String {
        let mut hasher = Sha256::new();
        for image in &self.images {
            hasher.update(image.digest().as_bytes());
        }
        hasher.finish().short()
    }
}

fn index_of(
    manifests: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
) -> Result<RawDocument, oci::ImageError> {
    let index = Index {
        schema_version: 2,
        media_type: Some(MediaType::ImageIndex),
        artifact_type: None,
        manifests,
        subject: None,
        annotations,
        rest: BTreeMap::new(),
    };
    let bytes = oci::to_json("index", &index)?;
    Ok(RawDocument::new(Some(&MediaType::ImageIndex), bytes)?)
}

/// Checks every template of tags, labels and annotations before anything is built or sent. Until the artifact was
/// looked at, one that asks for its version has the benefit of the doubt.
///
/// # Errors
/// When one has no value, or gives no tag.
pub(super) fn check(request: &Request, facts: &Facts) -> Result<(), BoxedError> {
    preview_tags(request, facts)?;
    let settings = &request.settings;
    for template in settings.config.labels.values().chain(settings.annotations.values()) {
        resolve(request, template, |text| text.check(facts))?;
    }
    Ok(())
}

/// The facts that are known before the artifact is looked at.
pub(super) fn early(facts: &Facts) -> Facts {
    let version = facts.version.clone().or_else(|| Some("0".to_owned()));
    Facts { version, ..facts.clone() }
}

/// The tags as far as they are known, with `{content}` where that is not.
pub(super) fn preview_tags(request: &Request, facts: &Facts) -> Result<Vec<String>, BoxedError> {
    let settings = &request.settings;
    if settings.tags.is_empty() {
        return Ok(vec![Template::default_tag(facts).preview_tag(facts)?]);
    }
    let mut tags: Vec<String> = Vec::new();
    for template in &settings.tags {
        let tag =
            resolve(request, template, |template: &TagTemplate| template.template().preview_tag(facts))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// The tags of a plan: all of them if every layer is known.
pub(super) fn planned_tags(
    request: &Request,
    prepared: &PreparedBuild<'_>,
) -> Result<Vec<String>, BoxedError> {
    let known = tags_need_content(request, &prepared.facts).then(|| all_known(&prepared.plan)).flatten();
    let derived =
        known.map(|layers| DerivedImages::without_content(request, prepared, &layers)).transpose()?;
    let content = derived.map(|derived| derived.content());
    preview_tags(request, &Facts { content, ..prepared.facts.clone() })
}

fn tags_need_content(request: &Request, facts: &Facts) -> bool {
    let tags = &request.settings.tags;
    match tags.is_empty() {
        true => Template::default_tag(facts).needs_content(facts),
        false => tags.iter().any(|tag| tag.value.template().needs_content(facts)),
    }
}

/// The tags that `request` names, with what `facts` say.
pub(super) fn tags(request: &Request, facts: &Facts) -> Result<Vec<Tag>, BoxedError> {
    let settings = &request.settings;
    if settings.tags.is_empty() {
        return Ok(vec![Template::default_tag(facts).resolve_tag(facts)?]);
    }
    let mut tags: Vec<Tag> = Vec::new();
    for template in &settings.tags {
        let tag =
            resolve(request, template, |template: &TagTemplate| template.template().resolve_tag(facts))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// Those of `tags` that may not move, by what the build file or the tag itself says of them.
pub(super) fn fixed(request: &Request, facts: &Facts, tags: &[Tag]) -> Vec<Tag> {
    if request.allow_retag {
        return Vec::new();
    }
    let moving = request.settings.tags.iter().filter(|template| template.value.moves(facts));
    // One that has no value is reported where it is used.
    let mut moving: Vec<Tag> =
        moving.filter_map(|template| template.value.template().resolve_tag(facts).ok()).collect();
    if request.settings.tags.is_empty() {
        let default = Template::default_tag(facts);
        moving.extend(default.moves(facts).then(|| default.resolve_tag(facts).ok()).flatten());
    }
    tags.iter().filter(|tag| !moving.contains(tag)).cloned().collect()
}

fn resolve<T, V>(
    request: &Request,
    written: &Spanned<T>,
    with: impl Fn(&T) -> Result<V, TemplateError>,
) -> Result<V, BoxedError> {
    with(&written.value).map_err(|error| {
        let hint = error.hint();
        request.settings.error_at(written.span, error.to_string(), hint).about(error.code()).into()
    })
}

/// The changes of the settings and the artifact to the base's configuration.
fn change(
    request: &Request,
    planned: &PlannedImage,
    base: Option<&ConfigFile>,
    facts: &Facts,
) -> Result<ConfigChange, BoxedError> {
    let config = &request.settings.config;
    let annotations = annotations(request, Some(planned), facts)?;
    let mut labels = standard(request, planned, facts)?;
    for (name, template) in &config.labels {
        labels.insert(name.as_str().to_owned(), resolve(request, template, |text| text.resolve(facts))?);
    }
    let arguments = |arguments: &Option<Spanned<Arguments>>| {
        arguments.as_ref().map(|arguments| arguments.value.as_slice().to_vec())
    };
    let entrypoint = arguments(&config.entrypoint);
    // The artifact's arguments belong to the artifact's entrypoint.
    let cmd =
        arguments(&config.cmd).or_else(|| if entrypoint.is_none() { planned.cmd.clone() } else { None });
    let mut env: Vec<(String, String)> = config
        .env
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
        .collect();
    let is_unset = |name: &str| config.unset_env.iter().any(|unset| unset.value.as_str() == name);
    for (name, value) in &planned.env {
        let is_set = base.is_some_and(|base| base.env(name).is_some())
            || config.env.iter().any(|(set, _)| set.as_str() == name);
        if !is_unset(name) && !is_set {
            env.push((name.clone(), value.clone()));
        }
    }
    Ok(ConfigChange {
        created: rfc3339(request.time())?,
        env,
        unset_env: config.unset_env.iter().map(|name| name.value.as_str().to_owned()).collect(),
        labels,
        unset_labels: config.unset_labels.iter().map(|name| name.value.as_str().to_owned()).collect(),
        ports: exposed_ports(config.ports.iter().map(|ports| ports.value)),
        volumes: config.volumes.iter().map(|path| path.value.as_str().to_owned()).collect(),
        user: config.user.as_ref().map(|user| user.value.as_str().to_owned()),
        working_dir: config
            .workdir
            .as_ref()
            .map(|path| path.value.as_str().to_owned())
            .or_else(|| planned.workdir.clone()),
        entrypoint: entrypoint.or_else(|| planned.entrypoint.clone()),
        cmd,
        healthcheck: config.healthcheck.as_ref().map(|health| health.value.to_image()),
        stop_signal: config.stop_signal.as_ref().map(|signal| signal.value.as_str().to_owned()),
        annotations,
    })
}

/// The annotations of a manifest or index: the standard ones, and the user's over them.
fn annotations(
    request: &Request,
    planned: Option<&PlannedImage>,
    facts: &Facts,
) -> Result<BTreeMap<String, String>, BoxedError> {
    let mut all = planned.map(|planned| standard(request, planned, facts)).transpose()?.unwrap_or_default();
    for (name, template) in &request.settings.annotations {
        all.insert(name.as_str().to_owned(), resolve(request, template, |text| text.resolve(facts))?);
    }
    Ok(all)
}

/// `org.opencontainers.image.*` of the image specification's `annotations.md`, where they are known.
fn standard(
    request: &Request,
    planned: &PlannedImage,
    facts: &Facts,
) -> Result<BTreeMap<String, String>, TooLate> {
    let git = facts.git.as_ref();
    let dirty = |commit: &str, dirty| if dirty { format!("{commit}-dirty") } else { commit.to_owned() };
    let title = request.name.path().rsplit('/').next().map(str::to_owned);
    let base = planned.base.as_ref();
    // A path of this machine must not appear in the image, and would make the digest depend on the directory.
    let base_name = base.filter(|base| base.is_in_registry).map(|base| base.reference.clone());
    let values = [
        ("created", Some(rfc3339(request.time())?)),
        ("revision", git.map(|git| dirty(&git.commit, git.dirty))),
        ("source", git.and_then(|git| git.origin.clone())),
        ("version", facts.version.clone()),
        ("title", title),
        ("base.name", base_name),
        ("base.digest", base.map(|base| base.digest.to_string())),
    ];
    let named =
        |(name, value): (&str, Option<String>)| Some((format!("org.opencontainers.image.{name}"), value?));
    Ok(values.into_iter().filter_map(named).collect())
}

/// All layers of all images, if every one of them is known.
pub(super) fn all_known(plan: &Plan) -> Option<Vec<Vec<NewLayer>>> {
    plan.images
        .iter()
        .map(|image| image.layers.iter().map(|layer| Some(new_layer(layer, layer.known.as_ref()?))).collect())
        .collect()
}

/// The layer as an image has it.
pub(super) fn new_layer(planned: &PlannedLayer, facts: &LayerFacts) -> NewLayer {
    NewLayer {
        descriptor: facts.descriptor(planned.compression),
        diff_id: facts.diff_id,
        name: planned.name.clone(),
        table: facts.table(planned.compression),
    }
}
