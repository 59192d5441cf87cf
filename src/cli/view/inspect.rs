//! `pack inspect`: what an image or an index is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::history::to_second;
use super::{BaseView, LayerOrigin, compression, steps};
use crate::cli::format::{Column, Screen, Table, bytes, count, duration, printable, seconds};
use crate::oci::attestation::{REFERENCE_DIGEST, REFERENCE_TYPE};
use crate::oci::{Descriptor, Healthcheck, Image, Index, PlatformFields, RawDocument, RunConfig};
use crate::types::digest::Digest;
use crate::types::platform::Platform;

/// One image. In JSON, field names are in camel case, absent values are left out, and `config` is the
/// image's own in the field names of the image specification.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageView {
    /// The image as the user named it.
    pub name: String,
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// The platform, if the configuration names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// When it was created, RFC 3339, as the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Bytes of all layers as they are stored and sent; a layer that occurs twice counts once.
    pub size: u64,
    /// The base, if the image names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseView>,
    /// The layers, bottom first.
    pub layers: Vec<LayerView>,
    /// The configuration's digest.
    pub config_digest: Digest,
    /// How a container of the image runs.
    pub config: RunConfig,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A layer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerView {
    /// The digest of the compressed blob.
    pub digest: Digest,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The blob's media type.
    pub media_type: String,
    /// The blob's bytes.
    pub size: u64,
    /// `gzip`, `zstd`, `none` or `unknown`.
    pub compression: &'static str,
    /// Whether the layer is the base's or was added on top; absent if nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<LayerOrigin>,
    /// The command that made it, from the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

/// An index: several images under one name.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexView {
    /// The index as the user named it.
    pub name: String,
    /// The index's digest.
    pub digest: Digest,
    /// The index's media type.
    pub media_type: String,
    /// The manifests that it lists, in its order.
    pub manifests: Vec<ChildView>,
    /// The index's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A manifest that an index lists.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildView {
    /// The platform, if it has one that is meant for running: attestations have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's bytes, without layers.
    pub size: u64,
    /// The type of artifact, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The descriptor's annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The view of `image`, which the user called `name`. Without `base`, what the image's annotations say is taken.
#[must_use]
pub fn image(name: &str, image: &Image, base: Option<BaseView>) -> ImageView {
    let base = base.or_else(|| BaseView::of(image));
    let layers = steps(image, base.as_ref())
        .into_iter()
        .filter_map(|step| {
            let (layer, diff_id) = step.layer?;
            Some(LayerView {
                digest: layer.digest,
                diff_id,
                media_type: layer.media_type.to_string(),
                size: layer.size,
                compression: compression(layer),
                origin: step.origin,
                created_by: step.entry.and_then(|entry| entry.created_by.clone()),
            })
        })
        .collect::<Vec<_>>();
    let distinct: BTreeMap<Digest, u64> = layers.iter().map(|layer| (layer.digest, layer.size)).collect();
    ImageView {
        name: name.to_owned(),
        digest: image.digest(),
        media_type: image.raw().media_type.to_string(),
        platform: image.platform(),
        created: image.config().created.clone(),
        size: distinct.values().sum(),
        base,
        layers,
        config_digest: image.manifest().config.digest,
        config: image.config().config.clone().unwrap_or_default(),
        annotations: image.manifest().annotations.clone(),
    }
}

/// The view of the index `document`, which the user called `name`.
#[must_use]
pub fn index(name: &str, document: &RawDocument, index: &Index) -> IndexView {
    IndexView {
        name: name.to_owned(),
        digest: document.digest(),
        media_type: document.media_type.to_string(),
        manifests: index.manifests.iter().map(ChildView::from).collect(),
        annotations: index.annotations.clone(),
    }
}

impl From<&Descriptor> for ChildView {
    fn from(child: &Descriptor) -> Self {
        // BuildKit lists attestations as `unknown/unknown`.
        let platform = child.platform.as_ref().and_then(PlatformFields::normalised);
        Self {
            platform: platform.filter(|platform| platform.os() != "unknown"),
            digest: child.digest,
            media_type: child.media_type.to_string(),
            size: child.size,
            artifact_type: child.artifact_type.clone(),
            annotations: child.annotations.clone(),
        }
    }
}

impl ImageView {
    /// Facts, the layers in a table, the configuration, the annotations. On a `screen`, long commands of
    /// the layers are cut to fit.
    #[must_use]
    pub fn text(&self, screen: Option<Screen>) -> String {
        let mut facts = InspectFacts::default();
        facts.add("Name", &self.name);
        facts.add("Digest", &self.digest.to_string());
        facts.add("Media type", &self.media_type);
        facts.add("Platform", &self.platform.as_ref().map(ToString::to_string).unwrap_or_default());
        facts.add("Created", &self.created.as_deref().map(to_second).unwrap_or_default());
        let layers = count(self.layers.len() as u64, "layer");
        facts.add("Size", &format!("{} compressed, {layers}", bytes(self.size)));
        facts.add("Base", &self.base.as_ref().map(BaseView::reference).unwrap_or_default());
        let sections = [
            ("", facts.text),
            (
                "Layers, bottom first",
                indent(&self.layer_table().render(screen.map(|screen| screen.indented(INDENT)))),
            ),
            ("Configuration", indent(&run_config(&self.config))),
            ("Annotations", indent(&pairs(&self.annotations))),
        ];
        join(sections)
    }

    fn layer_table(&self) -> Table {
        let mut table = Table::new([
            Column::left("ORIGIN"),
            Column::left("DIGEST"),
            Column::right("SIZE"),
            Column::left("COMPRESSION"),
            Column::flexible("CREATED BY"),
        ]);
        for layer in &self.layers {
            table.row([
                layer.origin.map(LayerOrigin::as_str).unwrap_or_default(),
                &layer.digest.short(),
                &bytes(layer.size),
                layer.compression,
                layer.created_by.as_deref().unwrap_or_default(),
            ]);
        }
        table
    }
}

impl IndexView {
    /// Facts, what it lists in a table, the annotations.
    #[must_use]
    pub fn text(&self, screen: Option<Screen>) -> String {
        let mut facts = InspectFacts::default();
        facts.add("Name", &self.name);
        facts.add("Digest", &self.digest.to_string());
        facts.add("Media type", &self.media_type);
        let mut table =
            Table::new([Column::left("PLATFORM"), Column::left("DIGEST"), Column::flexible("TYPE")]);
        for child in &self.manifests {
            let platform = child.platform.as_ref().map(ToString::to_string);
            let described = || {
                let kind = child.annotations.get(REFERENCE_TYPE)?;
                let subject =
                    child.annotations.get(REFERENCE_DIGEST).and_then(|it| it.parse::<Digest>().ok());
                Some(subject.map_or_else(|| kind.clone(), |subject| format!("{kind} of {}", subject.short())))
            };
            let kind = child.artifact_type.clone().or_else(described);
            table.row([
                platform.unwrap_or_else(|| "none".to_owned()),
                child.digest.to_string(),
                kind.unwrap_or_default(),
            ]);
        }
        let sections = [
            ("", facts.text),
            ("Manifests", indent(&table.render(screen.map(|screen| screen.indented(INDENT))))),
            ("Annotations", indent(&pairs(&self.annotations))),
        ];
        join(sections)
    }
}

/// Lines of a name and its values; a name without a value is left out.
#[derive(Default)]
struct InspectFacts {
    text: String,
}

const INDENT: usize = 2;
const LABEL: usize = 14;

impl InspectFacts {
    fn add(&mut self, name: &str, value: &str) {
        self.add_all(name, [value]);
    }

    /// One value a line, the name before the first.
    fn add_all<T: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        let mut name = name;
        for value in values {
            let value = printable(value.as_ref());
            if !value.is_empty() {
                let label = if name.is_empty() { String::new() } else { format!("{name}:") };
                self.text.push_str(&format!("{label:<LABEL$}{value}\n"));
                name = "";
            }
        }
    }
}

fn run_config(run: &RunConfig) -> String {
    let mut facts = InspectFacts::default();
    let command = |words: &Option<Vec<String>>| words.as_deref().map(command_line).unwrap_or_default();
    facts.add("Entrypoint", &command(&run.entrypoint));
    facts.add("Cmd", &command(&run.cmd));
    facts.add("User", &run.user);
    facts.add("Workdir", &run.working_dir);
    facts.add_all("Env", &run.env);
    facts.add("Ports", &joined(run.exposed_ports.keys()));
    facts.add_all("Volumes", run.volumes.keys());
    facts.add("Stop signal", run.stop_signal.as_deref().unwrap_or_default());
    facts.add("Healthcheck", &run.healthcheck.as_ref().map(healthcheck).unwrap_or_default());
    facts.add_all("Labels", run.labels.iter().map(|(name, value)| format!("{name}={value}")));
    facts.add("Other", &joined(run.rest.keys()));
    facts.text
}

/// In the notation of JSON: where one word ends and the next begins must be visible.
fn command_line(words: &[String]) -> String {
    serde_json::to_string(words).unwrap_or_default()
}

fn healthcheck(check: &Healthcheck) -> String {
    let mut parts = vec![command_line(&check.test)];
    let times = [
        ("every", check.interval),
        ("timeout", check.timeout),
        ("start period", check.start_period),
        ("start interval", check.start_interval),
    ];
    for (name, nanos) in times {
        if nanos > 0 {
            let time = Duration::from_nanos(nanos);
            let whole = time.subsec_nanos() == 0;
            let time = if whole { seconds(time.as_secs()) } else { duration(time) };
            parts.push(format!("{name} {time}"));
        }
    }
    if check.retries > 0 {
        parts.push(count(check.retries, "retry"));
    }
    parts.join(", ")
}

fn joined<'a>(items: impl Iterator<Item = &'a String>) -> String {
    items.map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(name, value)| format!("{}={}\n", printable(name), printable(value))).collect()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("{:INDENT$}{line}\n", "")).collect()
}

/// Sections under their headings, an empty line between them; an empty section is left out.
fn join<const N: usize>(sections: [(&str, String); N]) -> String {
    let mut text = String::new();
    for (heading, body) in sections {
        if body.is_empty() {
            continue;
        }
        if !heading.is_empty() {
            text.push_str(&format!("\n{heading}:\n"));
        }
        text.push_str(&body);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::oci::{ManifestOrIndex, MediaType, to_json};

    #[test]
    fn an_image_in_full() {
        let view = image("localhost:5000/shop/bookstore:1.0", &fixture::image("1.0"), None);
        insta::assert_snapshot!(view.text(Some(Screen::plain(100))), @r#"
        Name:         localhost:5000/shop/bookstore:1.0
        Digest:       sha256:06cbfb71c438c4ea87bed8e5b3bb77fcae1e04e669949356158d780512a391ad
        Media type:   application/vnd.oci.image.manifest.v1+json
        Platform:     linux/amd64
        Created:      1970-01-01T00:00:01Z
        Size:         65.9 MB compressed, 4 layers
        Base:         localhost:5000/base/tomcat:10@sha256:97eb7411f685b48c23d3a9ed26fe85b0d9abda1bcc4ae9586502d5a3d548865e

        Layers, bottom first:
          ORIGIN  DIGEST           SIZE  COMPRESSION  CREATED BY
          base    81d93757457f  48.1 MB  gzip         debootstrap
          base    51b912f34ae1  12.0 MB  zstd         COPY /usr/local/tomcat
          added   76b5a3573912   5.8 MB  gzip         pack: lib
          added   62b4c5a23ba0  12.3 kB  gzip         pack: classes

        Configuration:
          Cmd:          ["catalina.sh","run"]
          User:         1000:1000
          Env:          PATH=/usr/bin:/bin
                        CATALINA_HOME=/usr/local/tomcat
          Ports:        8080/tcp
          Healthcheck:  ["CMD","true"], every 30 s, 3 retries
          Labels:       com.example.team=shop

        Annotations:
          org.opencontainers.image.base.digest=sha256:97eb7411f685b48c23d3a9ed26fe85b0d9abda1bcc4ae9586502d5a3d548865e
          org.opencontainers.image.base.name=localhost:5000/base/tomcat:10
          org.opencontainers.image.version=1.0
        "#);
    }

    #[test]
    fn the_json_of_an_image() {
        let mut view = image("bookstore:1.0", &fixture::image("1.0"), None);
        view.layers.drain(1..);
        insta::assert_snapshot!(serde_json::to_string_pretty(&view).expect("json"), @r#"
        {
          "name": "bookstore:1.0",
          "digest": "sha256:06cbfb71c438c4ea87bed8e5b3bb77fcae1e04e669949356158d780512a391ad",
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "platform": "linux/amd64",
          "created": "1970-01-01T00:00:01Z",
          "size": 65912345,
          "base": {
            "name": "localhost:5000/base/tomcat:10",
            "digest": "sha256:97eb7411f685b48c23d3a9ed26fe85b0d9abda1bcc4ae9586502d5a3d548865e"
          },
          "layers": [
            {
              "digest": "sha256:81d93757457f988523814ae0009837ae893f38d3fe123f2c37896f118b4c7804",
              "diffId": "sha256:b96247d410da53c2ba2a053c900024ff28fd3607b954b605ccf67fb408d71600",
              "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
              "size": 48100000,
              "compression": "gzip",
              "origin": "base",
              "createdBy": "debootstrap"
            }
          ],
          "configDigest": "sha256:c481ed8050d164c066a2bb577e5584d6cf56d764554dd2156490c32f6a8f844b",
          "config": {
            "User": "1000:1000",
            "ExposedPorts": {
              "8080/tcp": {}
            },
            "Env": [
              "PATH=/usr/bin:/bin",
              "CATALINA_HOME=/usr/local/tomcat"
            ],
            "Cmd": [
              "catalina.sh",
              "run"
            ],
            "Labels": {
              "com.example.team": "shop"
            },
            "Healthcheck": {
              "Test": [
                "CMD",
                "true"
              ],
              "Interval": 30000000000,
              "Retries": 3
            }
          },
          "annotations": {
            "org.opencontainers.image.base.digest": "sha256:97eb7411f685b48c23d3a9ed26fe85b0d9abda1bcc4ae9586502d5a3d548865e",
            "org.opencontainers.image.base.name": "localhost:5000/base/tomcat:10",
            "org.opencontainers.image.version": "1.0"
          }
        }
        "#);
    }

    #[test]
    fn an_index_lists_platforms_and_digests() {
        let mut arm = fixture::image("1.0").descriptor();
        arm.platform = Some(PlatformFields::from(&"linux/arm64".parse::<Platform>().expect("platform")));
        let mut attestation = Descriptor::of(MediaType::ImageManifest, b"attestation");
        attestation.platform =
            Some(PlatformFields::from(&Platform::new("unknown", "unknown", None).expect("p")));
        let subject = fixture::image("1.0").digest().to_string();
        attestation.annotations = [
            ("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned()),
            ("vnd.docker.reference.digest".to_owned(), subject),
        ]
        .into();
        let written = Index {
            schema_version: 2,
            media_type: Some(MediaType::ImageIndex),
            artifact_type: None,
            manifests: vec![fixture::image("1.0").descriptor(), arm, attestation],
            subject: None,
            annotations: BTreeMap::new(),
            rest: BTreeMap::new(),
        };
        let document = RawDocument::new(None, to_json("index", &written).expect("json")).expect("document");
        let ManifestOrIndex::Index(parsed) = document.parse().expect("index") else { panic!("no index") };
        let view = index("shop/bookstore:1.0", &document, &parsed);
        insta::assert_snapshot!(view.text(None), @r"
        Name:         shop/bookstore:1.0
        Digest:       sha256:23ddc47b3a3d52056b965be8c5832548f20b3f9e1d05b223f36739968e68f8d5
        Media type:   application/vnd.oci.image.index.v1+json

        Manifests:
          PLATFORM     DIGEST                                                                   TYPE
          linux/amd64  sha256:06cbfb71c438c4ea87bed8e5b3bb77fcae1e04e669949356158d780512a391ad
          linux/arm64  sha256:06cbfb71c438c4ea87bed8e5b3bb77fcae1e04e669949356158d780512a391ad
          none         sha256:813a89a296973e35545cfa74fe3efd172a7d19443c97c625d699e9737229b0a2  attestation-manifest of 06cbfb71c438
        ");
    }

    #[test]
    fn a_label_cannot_draw_on_the_terminal() {
        let mut view = image("x", &fixture::image("1.0"), None);
        view.config.labels.insert("evil".into(), "\u{1b}[2Jgone\nName: other".into());
        view.annotations.insert("evil\u{7}".into(), "\r".into());
        let text = view.text(None);
        assert!(!text.contains(['\u{1b}', '\r', '\u{7}']), "{text}");
        assert!(text.contains("evil=\\u{1b}[2Jgone\\nName: other"));
    }
}
