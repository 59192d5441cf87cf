//! The image configuration (image specification, `config.md`), with everything that it does not name kept.
//!
//! Maps are ordered and unknown fields survive, so that a configuration that is parsed, extended and
//! written again differs only where it was meant to. Which names a Go reader takes for fields is listed beside each
//! type: those of the specification, and those that Docker, Podman and Buildah add.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::formats::json::{FromJson, JsonError, JsonKind, JsonValue, Object, Raw};
use crate::types::digest::Digest;
use crate::types::platform::Platform;

/// An image configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConfigFile {
    /// When it was created, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Processor architecture.
    pub architecture: String,
    /// Operating system.
    pub os: String,
    /// Version of the operating system.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features that the operating system must have.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Variant of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How to run it.
    pub config: Option<RunConfig>,
    /// The uncompressed layers.
    pub rootfs: RootFs,
    /// How each layer came to be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

/// The layers by the digests of their uncompressed tars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bottom layer first.
    pub diff_ids: Vec<Digest>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new(), rest: BTreeMap::new() }
    }
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By what command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The author of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

/// How a container of the image runs: the `config` object, in Go's field names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// User and group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports as `8080/tcp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Raw>,
    /// Environment as `KEY=value`, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Arguments to the entrypoint, or the program where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Mount points.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Raw>,
    /// Working directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels, in key order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Signal to stop a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How to tell whether a container is well; Docker's extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Fields that this version does not know: `Shell`, `OnBuild`, `ArgsEscaped` and others.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

/// Docker's health check; durations in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", …]` or `["NONE"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: u64,
    /// Time after which a check has failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: u64,
    /// Time for the container to come up.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: u64,
    /// Time between checks while it comes up.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: u64,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The names of a configuration's fields.
const CONFIG_FILE: &[&str] = &[
    "created",
    "author",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "config",
    "rootfs",
    "history",
    // Docker's.
    "id",
    "parent",
    "comment",
    "container",
    "container_config",
    "docker_version",
];

const ROOT_FS: &[&str] = &["type", "diff_ids"];

const HISTORY: &[&str] = &["created", "created_by", "author", "comment", "empty_layer"];

/// The names of the fields of `config`.
const RUN_CONFIG: &[&str] = &[
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
    "Memory",
    "MemorySwap",
    "CpuShares",
    "Healthcheck",
    // Docker's.
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Image",
    "NetworkDisabled",
    "MacAddress",
    "OnBuild",
    "StopTimeout",
    "Shell",
];

const HEALTHCHECK: &[&str] = &["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"];

impl FromJson for ConfigFile {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, CONFIG_FILE)?;
        Ok(Self {
            created: object.take("created")?,
            author: object.take("author")?,
            architecture: object.take_or_default("architecture")?,
            os: object.take_or_default("os")?,
            os_version: object.take("os.version")?,
            os_features: object.take_or_default("os.features")?,
            variant: object.take("variant")?,
            config: object.take("config")?,
            // As Go has it: there are no layers, and they are of no type.
            rootfs: object
                .take("rootfs")?
                .unwrap_or_else(|| RootFs { kind: String::new(), ..RootFs::default() }),
            history: object.take_or_default("history")?,
            rest: object.rest()?,
        })
    }
}

impl FromJson for RootFs {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, ROOT_FS)?;
        Ok(Self {
            kind: object.take_or_default("type")?,
            diff_ids: object.take_or_default("diff_ids")?,
            rest: object.rest()?,
        })
    }
}

impl FromJson for History {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, HISTORY)?;
        Ok(Self {
            created: object.take("created")?,
            created_by: object.take("created_by")?,
            author: object.take("author")?,
            comment: object.take("comment")?,
            empty_layer: object.take_or_default("empty_layer")?,
            rest: object.rest()?,
        })
    }
    fn several() -> String {
        "objects".to_owned()
    }
}

impl FromJson for RunConfig {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, RUN_CONFIG)?;
        Ok(Self {
            user: object.take_or_default("User")?,
            exposed_ports: marks(&mut object, "ExposedPorts")?,
            env: object.take_or_default("Env")?,
            entrypoint: object.take("Entrypoint")?,
            cmd: object.take("Cmd")?,
            volumes: marks(&mut object, "Volumes")?,
            working_dir: object.take_or_default("WorkingDir")?,
            labels: object.take_or_default("Labels")?,
            stop_signal: object.take("StopSignal")?,
            healthcheck: object.take("Healthcheck")?,
            rest: object.rest()?,
        })
    }
}

/// The value in a map that is a set: an object, which Go does not look into.
struct SetValue(Raw);

impl FromJson for SetValue {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        if value.kind() == JsonKind::Object { Raw::decode(value).map(Self) } else { Err(Self::wrong(value)) }
    }
    fn several() -> String {
        "objects".to_owned()
    }
    fn of_null() -> Option<Self> {
        Raw::of_null().map(Self)
    }
}

fn marks(object: &mut Object<'_>, name: &'static str) -> Result<BTreeMap<String, Raw>, JsonError> {
    let marks: BTreeMap<String, SetValue> = object.take_or_default(name)?;
    Ok(marks.into_iter().map(|(key, SetValue(raw))| (key, raw)).collect())
}

impl FromJson for Healthcheck {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, HEALTHCHECK)?;
        Ok(Self {
            test: object.take_or_default("Test")?,
            interval: object.take_or_default("Interval")?,
            timeout: object.take_or_default("Timeout")?,
            start_period: object.take_or_default("StartPeriod")?,
            start_interval: object.take_or_default("StartInterval")?,
            retries: object.take_or_default("Retries")?,
            rest: object.rest()?,
        })
    }
}

impl ConfigFile {
    /// The platform that it was made for, if it names one.
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref()).ok()
    }

    /// Whether nothing that it says speaks against `platform`: what it leaves open may be as there.
    #[must_use]
    pub fn fits(&self, platform: &Platform) -> bool {
        fn or<'a>(stated: &'a str, otherwise: &'a str) -> &'a str {
            if stated.is_empty() { otherwise } else { stated }
        }
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty()).or(platform.variant());
        let (os, architecture) =
            (or(&self.os, platform.os()), or(&self.architecture, platform.architecture()));
        Platform::new(os, architecture, variant).is_ok_and(|stated| stated == *platform)
    }

    /// The value of an environment variable: of several of one name the last, as runtimes give it to a process.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<&str> {
        let variables = self.config.iter().flat_map(|config| &config.env);
        variables.rev().find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='))
    }
}
