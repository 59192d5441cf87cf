//! Putting an image's own layers and settings on another base, without building them again.
//!
//! The image's own settings are those that its configuration has and its old base's has not; they are derived on the
//! new base as a build derives them. The result for an image that was built here is the one that a build on the new
//! base gives, byte for byte.

use std::collections::BTreeSet;

use super::derive::OWN_LABELS;
use super::{
    ConfigChange, Descriptor, History, Image, ImageError, NewLayer, RawDocument, RunConfig, derive,
    media_type, soci,
};
use crate::types::platform::Platform;

/// The annotation and label with the name of the base.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The annotation and label with the digest of the base.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// How many of the image's layers are `base`'s, if it begins with all of them.
#[must_use]
pub fn begins_with(image: &Image, base: &Image) -> Option<usize> {
    let count = base.diff_ids().len();
    image.diff_ids().starts_with(base.diff_ids()).then_some(count)
}

/// An image on another base.
pub struct RebasedImage {
    /// The image.
    pub image: Image,
    /// Its SOCI index, if it has one.
    pub soci: Option<RawDocument>,
    /// For the user.
    pub notes: Vec<String>,
}

/// `image` on `new` instead of `old`, which it begins with, for `platform`; `name` and `digest` are those of the new
/// base, `tables` the tables of contents of all layers that have one.
///
/// # Errors
/// When the parts do not belong together.
pub fn rebase(
    image: &Image,
    old: &Image,
    new: &Image,
    platform: &Platform,
    (name, digest): (Option<&str>, &str),
    tables: Vec<Descriptor>,
) -> Result<RebasedImage, ImageError> {
    let count = old.layers().len();
    let mut change = own(image, old);
    for texts in [&mut change.labels, &mut change.annotations] {
        let named = texts.contains_key(BASE_DIGEST) || texts.contains_key(BASE_NAME);
        texts.remove(BASE_NAME);
        if named {
            texts.insert(BASE_DIGEST.to_owned(), digest.to_owned());
            texts.extend(name.map(|name| (BASE_NAME.to_owned(), name.to_owned())));
        }
    }
    // The next rebase has to know.
    change.annotations.insert(BASE_DIGEST.to_owned(), digest.to_owned());
    change.annotations.extend(name.map(|name| (BASE_NAME.to_owned(), name.to_owned())));
    let soci = soci::index(tables, &mut change.annotations)?;
    let no_layers: [NewLayer; 0] = [];
    let (below, notes) = derive(Some(new), platform, &no_layers, &change)?;

    let mut config = below.config().clone();
    config.config = config.config.take().map(|run| without(run, image, old));
    let (ours, theirs) = (image.config(), old.config());
    if ours.author != theirs.author {
        config.author.clone_from(&ours.author);
    }
    config.created.clone_from(&ours.created);
    config.history.extend(history(image, old));
    config.rootfs.diff_ids.extend(&image.diff_ids()[count..]);
    let mut layers = below.layers().to_vec();
    layers.extend(image.layers()[count..].iter().map(|layer| {
        let mut layer = layer.clone();
        layer.media_type = media_type::to_oci(&layer.media_type);
        layer
    }));
    Ok(RebasedImage { image: Image::new(&config, layers, change.annotations)?, soci, notes })
}

/// The changes of `image` to the configuration of `old`.
fn own(image: &Image, old: &Image) -> ConfigChange {
    let empty = RunConfig::default();
    let (ours, theirs) = (image.config(), old.config());
    let (run, base) = (ours.config.as_ref().unwrap_or(&empty), theirs.config.as_ref().unwrap_or(&empty));
    let key = |variable: &str| variable.split_once('=').map_or(variable, |(key, _)| key).to_owned();
    let value = |variable: &str| variable.split_once('=').map_or("", |(_, value)| value).to_owned();
    let (variables, inherited) = (effective(&run.env), effective(&base.env));
    let inherited: BTreeSet<&String> = inherited.into_iter().collect();
    let set: BTreeSet<String> = run.env.iter().map(|variable| key(variable)).collect();
    let differs = |ours: &String, theirs: &String| (ours != theirs).then(|| ours.clone());
    let is_own = |name: &str| OWN_LABELS.contains(&name);
    ConfigChange {
        created: ours.created.clone().unwrap_or_default(),
        env: variables
            .iter()
            .filter(|variable| !inherited.contains(*variable))
            .map(|variable| (key(variable), value(variable)))
            .collect(),
        unset_env: base.env.iter().map(|variable| key(variable)).filter(|name| !set.contains(name)).collect(),
        labels: run
            .labels
            .iter()
            .filter(|(name, value)| is_own(name) || base.labels.get(*name) != Some(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        unset_labels: base.labels.keys().filter(|name| !run.labels.contains_key(*name)).cloned().collect(),
        ports: run.exposed_ports.keys().filter(|it| !base.exposed_ports.contains_key(*it)).cloned().collect(),
        volumes: run.volumes.keys().filter(|it| !base.volumes.contains_key(*it)).cloned().collect(),
        user: differs(&run.user, &base.user),
        working_dir: differs(&run.working_dir, &base.working_dir),
        entrypoint: run.entrypoint.clone().filter(|_| run.entrypoint != base.entrypoint),
        // A command belongs to its entrypoint.
        cmd: run.cmd.clone().filter(|_| run.cmd != base.cmd || run.entrypoint != base.entrypoint),
        healthcheck: run.healthcheck.clone().filter(|_| run.healthcheck != base.healthcheck),
        stop_signal: run.stop_signal.clone().filter(|_| run.stop_signal != base.stop_signal),
        annotations: image.manifest().annotations.clone(),
    }
}

/// Of several variables of one name the last, which is the one that a process gets.
fn effective(env: &[String]) -> Vec<&String> {
    let key = |variable: &str| variable.split_once('=').map_or(variable.len(), |(key, _)| key.len());
    let mut seen = BTreeSet::new();
    let mut kept: Vec<&String> =
        env.iter().rev().filter(|variable| seen.insert(&variable[..key(variable)])).collect();
    kept.reverse();
    kept
}

/// Applies the changes that a [`ConfigChange`] cannot express: settings that the image took away from its base, and fields
/// beyond the specification.
fn without(mut run: RunConfig, image: &Image, old: &Image) -> RunConfig {
    let empty = RunConfig::default();
    let ours = image.config().config.as_ref().unwrap_or(&empty);
    let theirs = old.config().config.as_ref().unwrap_or(&empty);
    run.exposed_ports
        .retain(|port, _| !theirs.exposed_ports.contains_key(port) || ours.exposed_ports.contains_key(port));
    run.volumes.retain(|path, _| !theirs.volumes.contains_key(path) || ours.volumes.contains_key(path));
    if ours.entrypoint.is_none() && theirs.entrypoint.is_some() {
        run.entrypoint = None;
    }
    if ours.cmd.is_none() && theirs.cmd.is_some() {
        run.cmd = None;
    }
    if ours.healthcheck.is_none() && theirs.healthcheck.is_some() {
        run.healthcheck = None;
    }
    if ours.stop_signal.is_none() && theirs.stop_signal.is_some() {
        run.stop_signal = None;
    }
    // Triggers are for the next build, and are left out of every image that is derived.
    for (name, value) in ours.rest.iter().filter(|(name, _)| *name != "OnBuild") {
        if theirs.rest.get(name) != Some(value) {
            run.rest.insert(name.clone(), value.clone());
        }
    }
    run.rest.retain(|name, _| !theirs.rest.contains_key(name) || ours.rest.contains_key(name));
    run
}

/// The steps of the image's history that are not its old base's: one for each of its own layers at least.
fn history(image: &Image, old: &Image) -> Vec<History> {
    let (steps, count) = (&image.config().history, old.layers().len());
    let layers = steps.iter().filter(|step| !step.empty_layer).count();
    if layers != image.layers().len() {
        let unknown = || History {
            created: image.config().created.clone(),
            created_by: Some("layer without history".to_owned()),
            ..History::default()
        };
        return image.layers()[count..].iter().map(|_| unknown()).collect();
    }
    let mut seen = 0;
    let below = |(at, step): &(usize, &History)| {
        // Empty steps after the base's last layer are the base's as long as they are the same there.
        let is_theirs = seen < count || (step.empty_layer && old.config().history.get(*at) == Some(*step));
        seen += usize::from(!step.empty_layer && is_theirs);
        is_theirs
    };
    steps.iter().enumerate().skip_while(below).map(|(_, step)| step.clone()).collect()
}
