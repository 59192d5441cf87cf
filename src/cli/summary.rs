//! The end of a build: what every layer cost, where the image is, and what was sent.
//!
//! A view of the build's report; the same data as text and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::format::{Column, Screen, Table, bytes, count, duration, printable};
use crate::engine::{DestinationReport, ImageReport, LayerReport, ReferrerEntry, Report, Totals};
use crate::layer::LayerWork;
use crate::oci::Descriptor;
use crate::plan::KnownFrom;
use crate::transport::Delivery;
use crate::types::digest::Digest;
use crate::types::finding::Finding;
use crate::types::platform::Platform;

/// The result of a build.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The image's name, without tag and digest.
    pub name: String,
    /// The digest of the manifest, or of the index for several platforms.
    pub digest: Digest,
    /// The tags that resolve to it now.
    pub tags: Vec<String>,
    /// One per platform.
    pub images: Vec<ImageSummary>,
    /// Whether all outputs had all of it already.
    #[serde(skip)]
    pub(super) is_unchanged: bool,
    /// The documents that are attached to the images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<ReferrerEntry>,
    /// The findings of the checks.
    pub findings: Vec<Finding>,
    /// Where it was written to, as the user would write it; empty for the local store alone.
    pub outputs: Vec<String>,
    /// Bytes of blobs that were sent to registries.
    pub sent: u64,
    /// Bytes of blobs that were written to other outputs.
    pub written: u64,
    /// Bytes of blobs that the outputs had already, or took from another of their repositories.
    pub reused: u64,
    /// How long it all took; `elapsedSeconds` in JSON.
    #[serde(rename = "elapsedSeconds", serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// One platform's part of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSummary {
    /// The platform.
    pub platform: Platform,
    /// The manifest's digest.
    pub digest: Digest,
    /// The layers, bottom first.
    pub layers: Vec<LayerSummary>,
}

/// One layer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerSummary {
    /// Its name: `classes`, or `base layer 2`.
    pub name: String,
    /// The blob's digest.
    pub digest: Digest,
    /// Files and directories in it, where known: a base layer is not opened to count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Bytes of the compressed blob.
    pub size: u64,
    /// The work that was done for it.
    pub state: LayerState,
    /// How it came to the destination; absent for the local store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Whether that destination is behind a network.
    #[serde(skip)]
    pub is_remote: bool,
    /// Time spent on it; absent for no time. `seconds` in JSON.
    #[serde(
        rename = "seconds",
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_seconds"
    )]
    pub time: Option<Duration>,
}

/// The work that was done for a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum LayerState {
    /// It is the base's.
    Base,
    /// It was known as a whole.
    Cached {
        /// The author of the step.
        from: KnownFrom,
    },
    /// It was put together from bodies, of which some were known.
    Built(LayerWork),
}

impl LayerState {
    fn text(self) -> String {
        match self {
            Self::Base => "base".to_owned(),
            Self::Cached { from } => from.to_string(),
            Self::Built(LayerWork { bodies, encoded, .. }) if encoded == bodies => "built".to_owned(),
            Self::Built(LayerWork { bytes, encoded_bytes, .. }) => {
                let kept = u128::from(bytes.saturating_sub(encoded_bytes)) * 100;
                format!("built, {} % reused", kept.checked_div(bytes.into()).unwrap_or(100))
            }
        }
    }
}

const fn delivery(delivery: Delivery, is_remote: bool) -> &'static str {
    match delivery {
        Delivery::Present => "present",
        Delivery::Mounted => "mounted",
        Delivery::Uploaded if is_remote => "sent",
        Delivery::Uploaded => "written",
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_millis() as f64 / 1000.0)
}

fn optional_seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    seconds(&time.unwrap_or_default(), serializer)
}

impl Summary {
    /// The summary of a build that took so long; `None` if it has no image.
    #[must_use]
    pub fn of(report: &Report, elapsed: Duration) -> Option<Self> {
        let Totals { sent, written, reused, .. } = Totals::of(report);
        let images = report.images.iter().map(|image| ImageSummary::of(image, &report.destinations));
        Some(Self {
            name: report.name.as_ref()?.to_string(),
            digest: report.digest?,
            tags: report.tags.iter().map(ToString::to_string).collect(),
            images: images.collect::<Option<_>>()?,
            is_unchanged: report.destinations.iter().all(|destination| destination.current),
            attached: report.attached.clone(),
            findings: report.findings.clone(),
            outputs: report.destinations.iter().map(output).collect(),
            sent,
            written,
            reused,
            elapsed,
        })
    }

    /// The result: the one line of stdout.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// The table of layers and a line in total, for stderr. On a `screen`, names are cut to fit.
    #[must_use]
    pub fn text(&self, screen: Option<Screen>) -> String {
        let mut text = String::new();
        for image in &self.images {
            if self.images.len() > 1 {
                text.push_str(&format!("{}  {}\n", image.platform, image.digest.short()));
            }
            text.push_str(&image.table().render(screen));
        }
        text.push_str(&self.total());
        text.push('\n');
        text
    }

    /// The whole in a line: the name, where it went, and how long it took.
    #[must_use]
    pub fn total(&self) -> String {
        let tags = if self.tags.is_empty() { String::new() } else { format!(":{}", self.tags.join(",")) };
        let mut parts =
            vec![format!("{} {}", printable(&format!("{}{tags}", self.name)), self.digest.short())];
        if !self.outputs.is_empty() {
            parts.push(format!("to {}", printable(&self.outputs.join(" and "))));
        }
        // A build without changes attaches nothing.
        if !self.attached.is_empty() && !self.is_unchanged {
            parts.push(format!("attached {}", count(self.attached.len() as u64, "document")));
        }
        for (what, amount) in [("sent", self.sent), ("wrote", self.written), ("reused", self.reused)] {
            if amount > 0 {
                parts.push(format!("{what} {}", bytes(amount)));
            }
        }
        parts.push(duration(self.elapsed));
        parts.join(", ")
    }
}

fn output(destination: &DestinationReport) -> String {
    if destination.current { format!("{} (unchanged)", destination.name) } else { destination.name.clone() }
}

impl ImageSummary {
    fn of(image: &ImageReport, destinations: &[DestinationReport]) -> Option<Self> {
        let base = image.base.iter().enumerate();
        let base = base.map(|(number, layer)| Some(LayerSummary::of_base(number, layer, destinations)));
        let ours = image.layers.iter().map(|layer| LayerSummary::of(layer, destinations));
        let layers = base.chain(ours).collect::<Option<_>>()?;
        Some(Self { platform: image.platform.clone(), digest: image.digest?, layers })
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            Column::flexible("LAYER"),
            Column::right("FILES"),
            Column::right("SIZE"),
            Column::left("BUILD"),
            Column::left("DELIVERY"),
            Column::right("TIME"),
        ]);
        for layer in &self.layers {
            table.row([
                layer.name.clone(),
                layer.files.map(super::format::number).unwrap_or_default(),
                bytes(layer.size),
                layer.state.text(),
                layer.delivery.map(|how| delivery(how, layer.is_remote)).unwrap_or_default().to_owned(),
                layer.time.map(duration).unwrap_or_default(),
            ]);
        }
        table
    }
}

impl LayerSummary {
    fn of_base(number: usize, layer: &Descriptor, destinations: &[DestinationReport]) -> Self {
        let (delivery, is_remote) = delivery_of(&layer.digest, destinations);
        Self {
            name: format!("base layer {}", number + 1),
            digest: layer.digest,
            files: None,
            size: layer.size,
            state: LayerState::Base,
            delivery,
            is_remote,
            time: None,
        }
    }

    fn of(layer: &LayerReport, destinations: &[DestinationReport]) -> Option<Self> {
        let facts = layer.facts?;
        let (delivery, is_remote) = delivery_of(&facts.digest, destinations);
        // Unknown when the build began, it was built for another platform.
        let cached = LayerState::Cached { from: layer.known_from.unwrap_or(KnownFrom::Store) };
        Some(Self {
            name: layer.name.clone(),
            digest: facts.digest,
            files: Some(layer.files as u64),
            size: facts.size,
            state: layer.work.map_or(cached, LayerState::Built),
            delivery,
            is_remote,
            time: layer.work.map(|_| Duration::from_millis(layer.milliseconds)),
        })
    }
}

/// How a layer came to the first place that it came to, and whether that is behind a network. In the local store it is
/// where it was built.
fn delivery_of(layer: &Digest, destinations: &[DestinationReport]) -> (Option<Delivery>, bool) {
    let mut others = destinations.iter().filter(|destination| !destination.is_local);
    let found = others.find_map(|destination| Some((*destination.blobs.get(layer)?, destination.is_remote)));
    let (delivery, is_remote) = found.unzip();
    (delivery, is_remote.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, size: u64, state: LayerState) -> LayerSummary {
        LayerSummary {
            name: name.into(),
            digest: Digest::of(name.as_bytes()),
            files: None,
            size,
            state,
            delivery: None,
            is_remote: true,
            time: None,
        }
    }

    fn summary() -> Summary {
        let work = |encoded| LayerWork {
            bodies: 12,
            encoded,
            bytes: 6_000_000,
            encoded_bytes: 500_000,
            lost: 0,
            ..LayerWork::default()
        };
        let layers = vec![
            LayerSummary {
                delivery: Some(Delivery::Mounted),
                ..layer("base layer 1", 48_100_000, LayerState::Base)
            },
            LayerSummary {
                files: Some(1_234),
                delivery: Some(Delivery::Present),
                ..layer("lib", 5_800_000, LayerState::Cached { from: KnownFrom::Store })
            },
            LayerSummary {
                files: Some(12),
                delivery: Some(Delivery::Uploaded),
                time: Some(Duration::from_millis(31)),
                ..layer("web", 812_000, LayerState::Built(work(1)))
            },
            LayerSummary {
                files: Some(3),
                delivery: Some(Delivery::Uploaded),
                time: Some(Duration::from_millis(4)),
                ..layer("classes", 12_345, LayerState::Built(work(12)))
            },
        ];
        Summary {
            name: "localhost:5000/shop/bookstore".into(),
            digest: Digest::of(b"image"),
            tags: vec!["1.0".into(), "3f2a1b9".into()],
            images: vec![ImageSummary {
                platform: Platform::linux_amd64(),
                digest: Digest::of(b"image"),
                layers,
            }],
            is_unchanged: false,
            attached: Vec::new(),
            findings: Vec::new(),
            outputs: vec!["registry".into()],
            sent: 824_345,
            written: 0,
            reused: 53_900_000,
            elapsed: Duration::from_millis(1_240),
        }
    }

    #[test]
    fn a_build_in_a_table_and_a_line() {
        insta::assert_snapshot!(summary().text(None), @r"
        LAYER         FILES      SIZE  BUILD               DELIVERY   TIME
        base layer 1          48.1 MB  base                mounted
        lib           1,234    5.8 MB  cached              present
        web              12  812.0 kB  built, 91 % reused  sent      31 ms
        classes           3   12.3 kB  built               sent       4 ms
        localhost:5000/shop/bookstore:1.0,3f2a1b9 6105d6cc76af, to registry, sent 824.3 kB, reused 53.9 MB, 1.2 s
        ");
    }

    #[test]
    fn the_local_store_has_no_delivery_and_a_second_platform_a_heading() {
        let mut summary = summary();
        (summary.sent, summary.reused) = (0, 0);
        summary.outputs.clear();
        for layer in &mut summary.images[0].layers {
            layer.delivery = None;
        }
        summary.images[0].layers.truncate(1);
        let mut arm = summary.images[0].clone();
        arm.platform = "linux/arm64".parse().expect("platform");
        summary.images.push(arm);
        insta::assert_snapshot!(summary.text(None), @r"
        linux/amd64  6105d6cc76af
        LAYER            SIZE  BUILD
        base layer 1  48.1 MB  base
        linux/arm64  6105d6cc76af
        LAYER            SIZE  BUILD
        base layer 1  48.1 MB  base
        localhost:5000/shop/bookstore:1.0,3f2a1b9 6105d6cc76af, 1.2 s
        ");
    }

    #[test]
    fn the_same_as_json() {
        let mut summary = summary();
        summary.images[0].layers.drain(..2);
        summary.images[0].layers.truncate(1);
        let json = serde_json::to_string_pretty(&summary).expect("json");
        insta::assert_snapshot!(json, @r#"
        {
          "name": "localhost:5000/shop/bookstore",
          "digest": "sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
          "tags": [
            "1.0",
            "3f2a1b9"
          ],
          "images": [
            {
              "platform": "linux/amd64",
              "digest": "sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
              "layers": [
                {
                  "name": "web",
                  "digest": "sha256:4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2",
                  "files": 12,
                  "size": 812000,
                  "state": {
                    "kind": "built",
                    "bodies": 12,
                    "encoded": 1,
                    "bytes": 6000000,
                    "encodedBytes": 500000,
                    "lost": 0,
                    "kept": 0,
                    "keptBytes": 0
                  },
                  "delivery": "uploaded",
                  "seconds": 0.031
                }
              ]
            }
          ],
          "findings": [],
          "outputs": [
            "registry"
          ],
          "sent": 824345,
          "written": 0,
          "reused": 53900000,
          "elapsedSeconds": 1.24
        }
        "#);
    }
}
