//! Deriving an image from a base: the inheritance rules, in one place.
//!
//! Base layers and history are kept as they are; ours come on top. Of the configuration, whatever is not
//! changed here survives, unknown fields and Docker's health check included.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ConfigFile, Descriptor, Healthcheck, History, Image, ImageError, RunConfig, media_type};
use crate::digest::Digest;
use crate::platform::Platform;

/// Labels that describe one image and are wrong for every image made from it.
pub(super) const OWN_LABELS: [&str; 8] = [
    "org.opencontainers.image.created",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.source",
    "org.opencontainers.image.version",
    "org.opencontainers.image.title",
    "org.opencontainers.image.ref.name",
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.base.digest",
];

/// A layer to put on top.
#[derive(Clone, Debug)]
pub struct NewLayer {
    /// The blob.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Its name, for the history.
    pub name: String,
    /// A table of contents beside it.
    pub table: Option<Descriptor>,
}

/// What changes in the configuration. `None` and empty mean: as the base has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// When the image says it was created, RFC 3339.
    pub created: String,
    /// Variables to set, in order.
    pub env: Vec<(String, String)>,
    /// Variables of the base to remove.
    pub unset_env: Vec<String>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Labels of the base to remove.
    pub unset_labels: Vec<String>,
    /// Ports to add, as `8080/tcp`.
    pub ports: Vec<String>,
    /// Mount points to add.
    pub volumes: Vec<String>,
    /// User and group.
    pub user: Option<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Entrypoint; drops the base's command.
    pub entrypoint: Option<Vec<String>>,
    /// Command.
    pub cmd: Option<Vec<String>>,
    /// Health check.
    pub healthcheck: Option<Healthcheck>,
    /// Signal to stop a container.
    pub stop_signal: Option<String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Makes an image of `layers` on top of `base`, or of nothing. Returns notes for the user beside it.
///
/// # Errors
/// When the parts do not belong together, which only a caller's bug can cause.
pub fn derive(
    base: Option<&Image>,
    platform: &Platform,
    layers: &[NewLayer],
    change: &Change,
) -> Result<(Image, Vec<String>), ImageError> {
    let mut notes = Vec::new();
    let mut config = base.map_or_else(ConfigFile::default, |base| base.config().clone());
    if base.is_none() {
        config.os = platform.os().to_owned();
        config.architecture = platform.architecture().to_owned();
        config.variant = platform.variant().map(str::to_owned);
    }
    config.created = Some(change.created.clone());
    // They describe the container that the base was committed from, host name included.
    for field in ["container", "container_config", "docker_version", "id", "parent"] {
        config.rest.remove(field);
    }
    config.config = Some(change_run(config.config.take().unwrap_or_default(), change, &mut notes));
    extend_history(&mut config, layers, &change.created);
    config.rootfs.diff_ids.extend(layers.iter().map(|layer| layer.diff_id));

    let mut descriptors: Vec<Descriptor> = base.map_or_else(Vec::new, |base| base.layers().to_vec());
    for descriptor in &mut descriptors {
        descriptor.media_type = media_type::to_oci(&descriptor.media_type);
    }
    descriptors.extend(layers.iter().map(|layer| layer.descriptor.clone()));
    let image = Image::new(&config, descriptors, change.annotations.clone())?;
    Ok((image, notes))
}

fn change_run(mut run: RunConfig, change: &Change, notes: &mut Vec<String>) -> RunConfig {
    run.env.retain(|variable| !change.unset_env.iter().any(|name| name == key(variable)));
    for (name, value) in &change.env {
        let variable = format!("{name}={value}");
        match run.env.iter_mut().find(|old| key(old) == name) {
            Some(old) => *old = variable,
            None => run.env.push(variable),
        }
    }
    run.labels.retain(|name, _| !OWN_LABELS.contains(&name.as_str()) && !change.unset_labels.contains(name));
    run.labels.extend(change.labels.clone());
    let empty = || Value::Object(serde_json::Map::new());
    run.exposed_ports.extend(change.ports.iter().map(|port| (port.clone(), empty())));
    run.volumes.extend(change.volumes.iter().map(|path| (path.clone(), empty())));
    if let Some(user) = &change.user {
        run.user.clone_from(user);
    }
    if let Some(directory) = &change.working_dir {
        run.working_dir.clone_from(directory);
    }
    if let Some(entrypoint) = &change.entrypoint {
        run.entrypoint = Some(entrypoint.clone());
        run.cmd = None;
    }
    if let Some(cmd) = &change.cmd {
        run.cmd = Some(cmd.clone());
    }
    if let Some(healthcheck) = &change.healthcheck {
        run.healthcheck = Some(healthcheck.clone());
    }
    if let Some(signal) = &change.stop_signal {
        run.stop_signal = Some(signal.clone());
    }
    if let Some(Value::Array(triggers)) = run.rest.remove("OnBuild")
        && !triggers.is_empty()
    {
        notes.push(format!(
            "the base has {} ONBUILD instructions, which only `docker build` can run; they are left out",
            triggers.len()
        ));
    }
    run
}

fn key(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(key, _)| key)
}

/// One history entry per layer of ours; a base that has too few gets the missing ones, because consumers
/// pair entries with layers.
fn extend_history(config: &mut ConfigFile, layers: &[NewLayer], created: &str) {
    let present = config.history.iter().filter(|entry| !entry.empty_layer).count();
    let missing = config.rootfs.diff_ids.len().saturating_sub(present);
    let base = (0..missing)
        .map(|_| History { created_by: Some("base layer without history".to_owned()), ..History::default() });
    let ours = layers.iter().map(|layer| History {
        created: Some(created.to_owned()),
        created_by: Some(format!("pack: {}", layer.name)),
        ..History::default()
    });
    let added: Vec<History> = base.chain(ours).collect();
    config.history.extend(added);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Manifest, MediaType, RawDocument, to_json};

    /// A base as Docker writes it, unknown fields and all.
    fn docker_base() -> Image {
        let layer = Digest::of(b"layer");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","docker_version":"20.10","container":"host1",
            "moby.buildkit.trace":{{"b":1,"a":2}},
            "config":{{"Env":["PATH=/bin","A=1"],"Cmd":["sh"],"Entrypoint":null,"OnBuild":["RUN x"],
              "Healthcheck":{{"Test":["CMD","true"],"Interval":30000000000}},"Shell":["/bin/bash"],
              "Labels":{{"org.opencontainers.image.title":"base","keep":"me"}},"ExposedPorts":{{"80/tcp":{{}}}}}},
            "rootfs":{{"type":"layers","diff_ids":["{layer}"]}},"history":null}}"#
        )
        .into_bytes();
        let docker = |text: &str| MediaType::Other(text.to_owned());
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(docker(media_type::DOCKER_MANIFEST)),
            artifact_type: None,
            config: Descriptor::of(docker(media_type::DOCKER_CONFIG), &config),
            layers: vec![Descriptor::new(docker(media_type::DOCKER_LAYER_GZIP), Digest::of(b"blob"), 4)],
            subject: None,
            annotations: BTreeMap::new(),
            rest: BTreeMap::new(),
        };
        let bytes = to_json("manifest", &manifest).expect("json");
        Image::from_raw(RawDocument::new(None, bytes).expect("document"), config).expect("image")
    }

    fn layer() -> NewLayer {
        NewLayer {
            descriptor: Descriptor::new(MediaType::ImageLayerGzip, Digest::of(b"new"), 3),
            diff_id: Digest::of(b"diff"),
            name: "classes".into(),
            table: None,
        }
    }

    #[test]
    fn what_is_not_changed_survives() {
        let base = docker_base();
        let change = Change {
            created: "1970-01-01T00:00:01Z".into(),
            env: vec![("A".into(), "2".into()), ("B".into(), "3".into())],
            ports: vec!["8080/tcp".into()],
            ..Change::default()
        };
        let (image, notes) =
            derive(Some(&base), &Platform::linux_amd64(), &[layer()], &change).expect("image");
        assert_eq!(notes.len(), 1, "{notes:?}");
        let run = image.config().config.as_ref().expect("config");
        assert_eq!(run.env, ["PATH=/bin", "A=2", "B=3"]);
        assert_eq!(run.cmd.as_deref(), Some(&["sh".to_owned()][..]));
        assert_eq!(run.exposed_ports.keys().collect::<Vec<_>>(), ["80/tcp", "8080/tcp"]);
        assert_eq!(run.labels.keys().collect::<Vec<_>>(), ["keep"]);
        assert_eq!(run.healthcheck.as_ref().expect("healthcheck").interval, 30_000_000_000);
        assert!(run.rest.contains_key("Shell") && !run.rest.contains_key("OnBuild"));
        let rest: Vec<&str> = image.config().rest.keys().map(String::as_str).collect();
        assert_eq!(rest, ["moby.buildkit.trace"]);
        assert_eq!(image.config().history.len(), image.layers().len());
        assert_eq!(image.layers()[0].media_type, MediaType::ImageLayerGzip);
        assert_eq!(image.layers()[0].digest, base.layers()[0].digest);
        assert_eq!(image.raw().media_type, MediaType::ImageManifest);
    }

    #[test]
    fn an_entrypoint_drops_the_base_command() {
        let base = docker_base();
        let change = Change { entrypoint: Some(vec!["/app".into()]), ..Change::default() };
        let (image, _) = derive(Some(&base), &Platform::linux_amd64(), &[], &change).expect("image");
        assert_eq!(image.config().config.as_ref().expect("config").cmd, None);
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        let make = || {
            let change = Change {
                labels: (0..20).map(|i| (format!("l{i}"), "x".into())).collect(),
                ..Change::default()
            };
            derive(Some(&docker_base()), &Platform::linux_amd64(), &[layer()], &change).expect("image").0
        };
        assert_eq!(make().digest(), make().digest());
    }

    #[test]
    fn oci_spec_reads_what_we_write() {
        let (image, _) =
            derive(Some(&docker_base()), &Platform::linux_amd64(), &[layer()], &Change::default())
                .expect("image");
        let manifest = oci_spec::image::ImageManifest::from_reader(&image.raw().bytes[..]).expect("manifest");
        assert_eq!(manifest.layers().len(), 2);
        let config = oci_spec::image::ImageConfiguration::from_reader(image.raw_config()).expect("config");
        assert_eq!(config.rootfs().diff_ids().len(), 2);
    }
}
