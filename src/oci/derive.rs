//! Deriving an image from a base: the inheritance rules, in one place.
//!
//! Base layers and history are kept as they are; ours come on top. Of the configuration, whatever is not
//! changed here survives, unknown fields and Docker's health check included.

use std::collections::{BTreeMap, BTreeSet};

use super::{ConfigFile, Descriptor, Healthcheck, History, Image, ImageError, RunConfig, media_type};
use crate::formats::json::Raw;
use crate::types::digest::Digest;
use crate::types::platform::Platform;

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

/// Changes to the base's configuration. `None` and empty mean: as the base has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigChange {
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
    change: &ConfigChange,
) -> Result<(Image, Vec<String>), ImageError> {
    let mut notes = Vec::new();
    let mut config = base.map_or_else(ConfigFile::default, |base| base.config().clone());
    name_platform(&mut config, platform);
    // The only type there is; a base without layers may not say it.
    "layers".clone_into(&mut config.rootfs.kind);
    config.created = Some(change.created.clone());
    // They describe the container that the base was committed from, host name included.
    for field in ["container", "container_config", "docker_version", "id", "parent"] {
        config.rest.remove(field);
    }
    config.config = Some(change_run(config.config.take().unwrap_or_default(), change, &mut notes));
    notes.extend(extend_history(&mut config, layers, &change.created));
    config.rootfs.diff_ids.extend(layers.iter().map(|layer| layer.diff_id));

    let mut descriptors: Vec<Descriptor> = base.map_or_else(Vec::new, |base| base.layers().to_vec());
    for descriptor in &mut descriptors {
        descriptor.media_type = media_type::to_oci(&descriptor.media_type);
    }
    descriptors.extend(layers.iter().map(|layer| layer.descriptor.clone()));
    let image = Image::new(&config, descriptors, change.annotations.clone())?;
    Ok((image, notes))
}

fn change_run(mut run: RunConfig, change: &ConfigChange, notes: &mut Vec<String>) -> RunConfig {
    let unset: BTreeSet<&str> = change.unset_env.iter().map(String::as_str).collect();
    run.env.retain(|variable| !unset.contains(key(variable)));
    run.env = with_variables(run.env, &change.env);
    let unset: BTreeSet<&String> = change.unset_labels.iter().collect();
    run.labels.retain(|name, _| !OWN_LABELS.contains(&name.as_str()) && !unset.contains(name));
    run.labels.extend(change.labels.clone());
    run.exposed_ports.extend(change.ports.iter().map(|port| (port.clone(), Raw::empty_object())));
    run.volumes.extend(change.volumes.iter().map(|path| (path.clone(), Raw::empty_object())));
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
    let triggers = run.rest.remove("OnBuild").map_or(0, |triggers| triggers.value().items().count());
    if triggers > 0 {
        notes.push(format!(
            "the base has {triggers} ONBUILD instructions, which only `docker build` can run; they are left out"
        ));
    }
    run
}

fn key(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(key, _)| key)
}

/// Sets variables, each where the first of its name is, and leaves out others of that name: readers differ in which of
/// several they take.
fn with_variables(env: Vec<String>, changes: &[(String, String)]) -> Vec<String> {
    let values: BTreeMap<&str, &str> =
        changes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut placed = BTreeSet::new();
    let mut result = Vec::with_capacity(env.len() + changes.len());
    for old in env {
        match values.get_key_value(key(&old)) {
            Some((name, value)) if placed.insert(*name) => result.push(format!("{name}={value}")),
            Some(_) => {}
            None => result.push(old),
        }
    }
    for (name, _) in changes {
        if placed.insert(name.as_str()) {
            result.push(format!("{name}={}", values[name.as_str()]));
        }
    }
    result
}

/// Says what the image runs on where its base does not: a configuration may lack all of it, or the variant that only
/// the index names.
fn name_platform(config: &mut ConfigFile, platform: &Platform) {
    if config.platform().as_ref() == Some(platform) || !config.fits(platform) {
        return;
    }
    let absent = |text: &str| text.is_empty();
    if absent(&config.os) {
        platform.os().clone_into(&mut config.os);
    }
    if absent(&config.architecture) {
        platform.architecture().clone_into(&mut config.architecture);
    }
    if config.variant.as_deref().is_none_or(absent) {
        config.variant = platform.variant().map(str::to_owned);
    }
}

/// One history entry per layer, because consumers pair entries with layers: a base that has too few gets the missing
/// ones, and of one that has too many the last are marked as having made none.
fn extend_history(config: &mut ConfigFile, layers: &[NewLayer], created: &str) -> Option<String> {
    let below = config.rootfs.diff_ids.len();
    let mut present = 0;
    for entry in config.history.iter_mut().filter(|entry| !entry.empty_layer) {
        present += 1;
        entry.empty_layer = present > below;
    }
    let base = (present..below)
        .map(|_| History { created_by: Some("base layer without history".to_owned()), ..History::default() });
    let ours = layers.iter().map(|layer| History {
        created: Some(created.to_owned()),
        created_by: Some(format!("pack: {}", layer.name)),
        ..History::default()
    });
    let added: Vec<History> = base.chain(ours).collect();
    config.history.extend(added);
    (present > below).then(|| {
        format!(
            "the history of the base has {present} entries for its {below} layers; the last {} are marked as steps \
             without a layer, so that each of the others belongs to one",
            present - below
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Manifest, MediaType, RawDocument, to_json};

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
        let change = ConfigChange {
            created: "1970-01-01T00:00:01Z".into(),
            env: vec![("A".into(), "2".into()), ("B".into(), "3".into())],
            ports: vec!["8080/tcp".into()],
            ..ConfigChange::default()
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

    /// A base of one layer with this configuration.
    fn base_with(config: &str) -> Image {
        let config = config.replace("LAYER", &Digest::of(b"layer").to_string()).into_bytes();
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::ImageManifest),
            artifact_type: None,
            config: Descriptor::of(MediaType::ImageConfig, &config),
            layers: vec![Descriptor::new(MediaType::ImageLayerGzip, Digest::of(b"blob"), 4)],
            subject: None,
            annotations: BTreeMap::new(),
            rest: BTreeMap::new(),
        };
        let bytes = to_json("manifest", &manifest).expect("json");
        Image::from_raw(RawDocument::new(None, bytes).expect("document"), config).expect("image")
    }

    fn derived(config: &str, platform: &str, change: &ConfigChange) -> (ConfigFile, Vec<String>) {
        let platform = platform.parse().expect("a platform");
        let (image, notes) = derive(Some(&base_with(config)), &platform, &[layer()], change).expect("image");
        (image.config().clone(), notes)
    }

    const ROOT: &str = r#""rootfs":{"type":"layers","diff_ids":["LAYER"]}"#;

    #[test]
    fn a_variable_is_there_once() {
        let base = format!(r#"{{{ROOT},"config":{{"Env":["A=1","X=1","B=2","A=3","X=2"]}}}}"#);
        assert_eq!(base_with(&base).config().env("A"), Some("3"), "runtimes take the last");
        let change = ConfigChange {
            env: vec![("A".into(), "9".into())],
            unset_env: vec!["B".into()],
            ..ConfigChange::default()
        };
        let (config, _) = derived(&base, "linux/amd64", &change);
        assert_eq!(config.config.expect("config").env, ["A=9", "X=1", "X=2"]);
    }

    #[test]
    fn every_image_says_what_it_runs_on() {
        let stated = |fields: &str, platform: &str| {
            let (config, _) = derived(&format!("{{{fields}{ROOT}}}"), platform, &ConfigChange::default());
            (config.os, config.architecture, config.variant)
        };
        let of = |os: &str, architecture: &str, variant: Option<&str>| {
            (os.to_owned(), architecture.to_owned(), variant.map(str::to_owned))
        };
        assert_eq!(stated("", "linux/arm/v6"), of("linux", "arm", Some("v6")));
        assert_eq!(stated(r#""os":null,"architecture":"arm64","#, "linux/arm64"), of("linux", "arm64", None));
        let arm = r#""os":"linux","architecture":"arm","#;
        assert_eq!(stated(arm, "linux/arm/v6"), of("linux", "arm", Some("v6")), "as the index has it");
        assert_eq!(stated(arm, "linux/arm/v7"), of("linux", "arm", None), "that is what it means");
        let odd = r#""os":"linux","architecture":"x86_64","#;
        assert_eq!(stated(odd, "linux/amd64"), of("linux", "x86_64", None), "as the base spells it");
        assert_eq!(stated(odd, "linux/arm64"), of("linux", "x86_64", None), "the base knows better");
    }

    #[test]
    fn each_layer_has_one_step_and_unknown_fields_survive() {
        let base = r#"{"history":[{"created_by":"a","x":-0},{"created_by":"b"},{"empty_layer":true},{"created_by":"c"}],
            "config":{"Healthcheck":{"Test":["NONE"],"OnFailure":"kill"}},
            "rootfs":{"type":"layers","diff_ids":["LAYER"],"base_layer":123456789012345678901234567890}}"#;
        let (config, notes) = derived(base, "linux/amd64", &ConfigChange::default());
        let steps: Vec<(Option<&str>, bool)> =
            config.history.iter().map(|step| (step.created_by.as_deref(), step.empty_layer)).collect();
        assert_eq!(
            steps,
            [
                (Some("a"), false),
                (Some("b"), true),
                (None, true),
                (Some("c"), true),
                (Some("pack: classes"), false)
            ]
        );
        assert!(notes[0].contains("3 entries for its 1 layers"), "{notes:?}");
        assert_eq!(config.history[0].rest["x"].value().text(), "-0");
        assert_eq!(config.rootfs.rest["base_layer"].value().text(), "123456789012345678901234567890");
        let check = config.config.and_then(|run| run.healthcheck).expect("a health check");
        assert_eq!(check.rest["OnFailure"].value().text(), "\"kill\"");
    }

    #[test]
    fn an_entrypoint_drops_the_base_command() {
        let base = docker_base();
        let change = ConfigChange { entrypoint: Some(vec!["/app".into()]), ..ConfigChange::default() };
        let (image, _) = derive(Some(&base), &Platform::linux_amd64(), &[], &change).expect("image");
        assert_eq!(image.config().config.as_ref().expect("config").cmd, None);
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        let make = || {
            let change = ConfigChange {
                labels: (0..20).map(|i| (format!("l{i}"), "x".into())).collect(),
                ..ConfigChange::default()
            };
            derive(Some(&docker_base()), &Platform::linux_amd64(), &[layer()], &change).expect("image").0
        };
        assert_eq!(make().digest(), make().digest());
    }

    #[test]
    fn oci_spec_reads_what_we_write() {
        let (image, _) =
            derive(Some(&docker_base()), &Platform::linux_amd64(), &[layer()], &ConfigChange::default())
                .expect("image");
        let manifest = oci_spec::image::ImageManifest::from_reader(&image.raw().bytes[..]).expect("manifest");
        assert_eq!(manifest.layers().len(), 2);
        let config = oci_spec::image::ImageConfiguration::from_reader(image.raw_config()).expect("config");
        assert_eq!(config.rootfs().diff_ids().len(), 2);
    }
}
