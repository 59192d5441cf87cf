//! Where each format has its images: the keys that lead to one.
//!
//! A [`ShapeContext`] is the meaning of a collection; [`next`] says what a key of it leads to. A list has the context of its
//! items. Keys that are not here lead nowhere, or on in the same context where a format nests freely.

use std::collections::BTreeSet;

use super::format::DescriptorFormat;
use super::tree::{NodeId, ValueTree};

/// The meaning of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ShapeContext {
    /// An object of Kubernetes, or a part of one.
    Kubernetes,
    /// A container of a pod.
    Container,
    /// A volume of a pod.
    Volume,
    /// An image that is a volume.
    VolumeImage,
    /// `spec` of an object that installs a chart, or a step behind its rendering.
    Release,
    /// Values of a chart.
    Values,
    /// A map in the values that a key with `image` leads to.
    ImageValues,
    /// A kustomization.
    Kustomization,
    /// An entry of its `images`.
    KustomizedImage,
    /// A chart that a kustomization renders.
    KustomizedChart,
    /// Operations of a JSON patch.
    Patch,
    /// A Compose file.
    Compose,
    /// The map of its services.
    Services,
    /// A service.
    Service,
    /// An app, a group or a pod of Marathon.
    Marathon,
    /// The container of an app.
    AppContainer,
    /// `docker` in it.
    AppDocker,
    /// A container of a pod of Marathon.
    PodContainer,
    /// The image of that.
    PodImage,
    /// A job of Nomad in JSON.
    Job,
    /// The configuration of a task.
    TaskConfig,
    /// Variables of Terraform.
    Variables,
    /// A step of a selector, by its number among the steps of all selectors.
    Selected(u8),
}

/// The contexts before [`ShapeContext::Selected`].
pub(super) const FIXED: u32 = 22;

impl ShapeContext {
    /// A number below 64 for a set of bits.
    pub(super) const fn bit(self) -> u32 {
        match self {
            Self::Kubernetes => 0,
            Self::Container => 1,
            Self::Volume => 2,
            Self::VolumeImage => 3,
            Self::Release => 4,
            Self::Values => 5,
            Self::ImageValues => 6,
            Self::Kustomization => 7,
            Self::KustomizedImage => 8,
            Self::Compose => 9,
            Self::Services => 10,
            Self::Service => 11,
            Self::Marathon => 12,
            Self::AppContainer => 13,
            Self::AppDocker => 14,
            Self::PodContainer => 15,
            Self::PodImage => 16,
            Self::Job => 17,
            Self::TaskConfig => 18,
            Self::Variables => 19,
            Self::KustomizedChart => 20,
            Self::Patch => 21,
            Self::Selected(step) => FIXED + step as u32,
        }
    }
}

/// The end of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// A map or a list of such.
    To(ShapeContext),
    /// A list of such, and nothing else: a map of this name is something else.
    Items(ShapeContext),
    /// The scalar is an image.
    Image,
    /// The scalar is an image if it looks like one.
    PerhapsImage,
    /// Nothing.
    Nowhere,
}

/// The end of `key` in a collection of this context.
pub(super) fn next(context: ShapeContext, key: &str) -> Lead {
    use ShapeContext as C;
    match (context, key) {
        (C::Kubernetes, "containers" | "initContainers" | "ephemeralContainers") => Lead::Items(C::Container),
        (C::Kubernetes, "volumes") => Lead::Items(C::Volume),
        (C::Kubernetes, "valuesObject") => Lead::To(C::Values),
        (C::Kubernetes, _) => Lead::To(C::Kubernetes),
        (C::Container, "image") => Lead::Image,
        (C::Volume, "image") => Lead::To(C::VolumeImage),
        (C::VolumeImage, "reference") => Lead::Image,
        (C::Release, "values") => Lead::To(C::Values),
        (C::Release, "postRenderers") => Lead::Items(C::Release),
        (C::Release, "kustomize") => Lead::To(C::Kustomization),
        (C::Values | C::ImageValues, _) if is_image_key(key) => Lead::PerhapsImage,
        (C::Values | C::ImageValues, _) => Lead::To(C::Values),
        (C::Kustomization, "images") => Lead::Items(C::KustomizedImage),
        (C::Kustomization, "helmCharts") => Lead::Items(C::KustomizedChart),
        (C::KustomizedChart, "valuesInline") => Lead::To(C::Values),
        (C::Compose, "services") => Lead::To(C::Services),
        (C::Services, _) => Lead::To(C::Service),
        (C::Service, "image") => Lead::Image,
        (C::Marathon, "apps" | "groups") => Lead::Items(C::Marathon),
        (C::Marathon, "container") => Lead::To(C::AppContainer),
        (C::Marathon, "containers") => Lead::Items(C::PodContainer),
        (C::AppContainer, "docker") => Lead::To(C::AppDocker),
        (C::AppDocker, "image") => Lead::Image,
        (C::PodContainer, "image") => Lead::To(C::PodImage),
        (C::PodImage, "id") => Lead::Image,
        (C::Job, "Config") => Lead::To(C::TaskConfig),
        (C::Job, _) => Lead::To(C::Job),
        (C::TaskConfig, "image") => Lead::Image,
        (C::Variables, _) if is_image_key(key) => Lead::PerhapsImage,
        (C::Variables, _) => Lead::To(C::Variables),
        _ => Lead::Nowhere,
    }
}

/// Whether the values of such a key are images: `image`, `sidecarImage`, `sidecar_image`.
pub(super) fn is_image_key(key: &str) -> bool {
    key == "image"
        || ["Image", "_image", "-image", "image_uri", "imageUri"].iter().any(|end| key.ends_with(end))
}

/// Whether a key is about images.
pub(super) fn names_images(key: &str) -> bool {
    key.to_ascii_lowercase().contains("image")
}

/// The format of a document, and the context of its root; `None` where nothing is known of it.
pub(super) fn of_document(
    tree: &ValueTree<'_>,
    by_name: DescriptorFormat,
    is_given: bool,
) -> Option<(DescriptorFormat, ShapeContext)> {
    use DescriptorFormat as F;
    let root = tree.root()?;
    let format = if is_given { by_name } else { by_content(tree, root, by_name) };
    let context = match format {
        F::Kubernetes if is_patch(tree, root) => ShapeContext::Patch,
        F::Kubernetes => ShapeContext::Kubernetes,
        F::Kustomization => ShapeContext::Kustomization,
        F::Helm => ShapeContext::Values,
        F::Compose => ShapeContext::Compose,
        F::Marathon => ShapeContext::Marathon,
        F::Nomad => ShapeContext::Job,
        F::Terraform | F::TerraformJson => ShapeContext::Variables,
        F::Yaml | F::Json | F::Text => return None,
    };
    Some((format, context))
}

fn by_content(tree: &ValueTree<'_>, root: NodeId, by_name: DescriptorFormat) -> DescriptorFormat {
    use DescriptorFormat as F;
    let has = |key: &str| tree.get(root, key).is_some();
    let first = if tree.is_list(root) { tree.children(root).next().unwrap_or(root) } else { root };
    let kind = tree.get_text(first, "kind");
    let version = tree.get_text(first, "apiVersion");
    if let (Some(kind), Some(version)) = (kind, version) {
        let is_kustomization = version.starts_with("kustomize.config.k8s.io/")
            && ["Kustomization", "Component"].contains(&&*kind);
        return if is_kustomization { F::Kustomization } else { F::Kubernetes };
    }
    match by_name {
        F::Yaml | F::Json => {}
        _ => return by_name,
    }
    let services = tree.get(root, "services").filter(|services| tree.is_map(*services));
    let is_service = |value: NodeId| tree.get(value, "image").is_some() || tree.get(value, "build").is_some();
    // Many aliases may lead to one service.
    let mut asked = BTreeSet::new();
    let has_service = services.is_some_and(|services| {
        let mut values = tree.entries(services).filter_map(|(_, value)| tree.resolved(value));
        values.any(|value| asked.insert(value) && is_service(value))
    });
    if has_service {
        return F::Compose;
    }
    let is_app = |app: NodeId| {
        tree.get(app, "id").is_some()
            && ["container", "apps", "groups", "containers"].iter().any(|key| tree.get(app, key).is_some())
    };
    if is_app(first) {
        return F::Marathon;
    }
    match (has("Job") || has("TaskGroups"), is_patch(tree, root)) {
        (true, _) => F::Nomad,
        (_, true) => F::Kubernetes,
        _ => by_name,
    }
}

/// Whether a document is a JSON patch (RFC 6902) of an object.
fn is_patch(tree: &ValueTree<'_>, root: NodeId) -> bool {
    let first = tree.children(root).next().filter(|_| tree.is_list(root));
    first.is_some_and(|first| {
        tree.get(first, "op").is_some()
            && tree.get_text(first, "path").is_some_and(|path| path.starts_with('/'))
    })
}
