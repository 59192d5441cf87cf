//! Images for people and for scripts: pure functions from documents to a view, which is text or JSON.

pub mod check;
pub mod copy;
pub mod diff;
pub mod events;
pub mod explain;
pub mod findings;
pub mod history;
pub mod inspect;
pub mod merged;
pub mod rebuild;
pub mod rebuilt;
pub mod referrers;
pub mod release;
pub mod resolve;
pub mod sarif;
pub mod workspace;

use serde::Serialize;

use crate::oci::{Descriptor, History, Image, media_type};
use crate::types::digest::Digest;

/// The facts about an image's base, from the image or elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseView {
    /// The base as its builder wrote it: `org.opencontainers.image.base.name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of the base's manifest: `org.opencontainers.image.base.digest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// How many of the image's layers are the base's, where the base was looked at.
    #[serde(skip)]
    pub layers: Option<usize>,
}

const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// The beginning of the history entries of our own layers.
const OURS: &str = "pack: ";

impl BaseView {
    /// The base in the annotations of `image`; `None` if they name none.
    #[must_use]
    pub fn of(image: &Image) -> Option<Self> {
        let annotation = |key| image.manifest().annotations.get(key);
        let base = Self {
            name: annotation(BASE_NAME).cloned(),
            digest: annotation(BASE_DIGEST).and_then(|digest| digest.parse().ok()),
            layers: None,
        };
        (base.name.is_some() || base.digest.is_some()).then_some(base)
    }

    /// Counts the layers of `image` that are those of `base`: exact, where the history alone cannot tell
    /// a base that was itself made by this tool from what was put on it.
    #[must_use]
    pub fn counted(mut self, image: &Image, base: &Image) -> Self {
        self.layers = image.diff_ids().starts_with(base.diff_ids()).then(|| base.diff_ids().len());
        self
    }

    /// `name@digest`, or what there is of it.
    fn reference(&self) -> String {
        match (&self.name, self.digest) {
            (Some(name), Some(digest)) => format!("{name}@{digest}"),
            (Some(name), None) => name.clone(),
            (None, Some(digest)) => digest.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// Whose a layer or a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerOrigin {
    /// The base's.
    Base,
    /// Added on top of the base.
    Added,
}

impl LayerOrigin {
    pub(in crate::cli) const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Added => "added",
        }
    }
}

/// A step of an image's making with the layer that it made, if it made one.
#[derive(Clone, Copy, Debug)]
struct ImageStep<'a> {
    /// The entry of the history; `None` where the history is shorter than the layers.
    entry: Option<&'a History>,
    /// The layer and its diff ID.
    layer: Option<(&'a Descriptor, Digest)>,
    /// Whose it is; `None` if nothing tells.
    origin: Option<LayerOrigin>,
}

/// The history of `image` paired with its layers, oldest first.
///
/// The n-th entry that is not empty belongs to the n-th layer (image specification, `config.md`). Layers
/// beyond the history get steps without an entry; entries beyond the layers have no layer.
fn steps<'a>(image: &'a Image, base: Option<&BaseView>) -> Vec<ImageStep<'a>> {
    let mut layers = image.layers().iter().zip(image.diff_ids().iter().copied());
    let history = &image.config().history;
    let mut steps: Vec<ImageStep<'_>> = history
        .iter()
        .map(|entry| {
            let layer = if entry.empty_layer { None } else { layers.next() };
            ImageStep { entry: Some(entry), layer, origin: None }
        })
        .collect();
    steps.extend(layers.map(|layer| ImageStep { entry: None, layer: Some(layer), origin: None }));
    if let Some(first) = first_added(&steps, base) {
        for (index, step) in steps.iter_mut().enumerate() {
            step.origin = Some(if index < first { LayerOrigin::Base } else { LayerOrigin::Added });
        }
    }
    steps
}

/// The first step that is not the base's. Known where the base's layers were counted; else what we write is
/// what ends the history, entry by entry. `None` if nothing tells that there is a base.
fn first_added(steps: &[ImageStep<'_>], base: Option<&BaseView>) -> Option<usize> {
    let is_ours = |step: &ImageStep<'_>| {
        step.entry.and_then(|entry| entry.created_by.as_deref()).is_some_and(|by| by.starts_with(OURS))
    };
    if let Some(count) = base.and_then(|base| base.layers) {
        let mut seen = 0;
        let last = steps.iter().position(|step| {
            seen += usize::from(step.layer.is_some());
            seen == count && step.layer.is_some()
        });
        let after = last.map_or(0, |last| last + 1);
        // Empty steps after the base's last layer are the base's: we write none.
        let empty = steps[after..].iter().take_while(|step| step.layer.is_none() && !is_ours(step)).count();
        return Some(after + empty);
    }
    let ours = steps.iter().rev().take_while(|step| is_ours(step)).count();
    (ours > 0 || base.is_some()).then_some(steps.len() - ours)
}

/// How a layer is compressed, in a word.
fn compression(layer: &Descriptor) -> &'static str {
    use media_type::LayerCompression as C;
    match media_type::layer_compression(&layer.media_type) {
        Some(C::None) => "none",
        Some(C::Gzip) => "gzip",
        Some(C::Zstd) => "zstd",
        None => "unknown",
    }
}

/// The added and the base's part: how many layers, how many bytes.
fn parts(steps: &[ImageStep<'_>]) -> Vec<(LayerOrigin, u64, u64)> {
    let part = |origin| {
        let layers = || steps.iter().filter(|step| step.origin == Some(origin)).filter_map(|step| step.layer);
        (origin, layers().count() as u64, layers().map(|(layer, _)| layer.size).sum())
    };
    if steps.iter().all(|step| step.origin.is_none()) {
        return Vec::new();
    }
    [LayerOrigin::Added, LayerOrigin::Base].map(part).to_vec()
}

#[cfg(test)]
pub(super) mod fixture {
    use std::collections::BTreeMap;

    use super::*;
    use crate::oci::{ConfigChange, ConfigFile, Healthcheck, MediaType, NewLayer, RootFs, RunConfig, derive};
    use crate::types::platform::Platform;

    /// A base of two layers and an empty step.
    pub(in crate::cli) fn base() -> Image {
        let entry = |by: &str, empty_layer| History {
            created: Some("2024-05-01T10:00:00Z".into()),
            created_by: Some(by.into()),
            empty_layer,
            ..History::default()
        };
        let config = ConfigFile {
            architecture: "amd64".into(),
            os: "linux".into(),
            config: Some(RunConfig {
                env: vec!["PATH=/usr/bin:/bin".into(), "CATALINA_HOME=/usr/local/tomcat".into()],
                cmd: Some(vec!["catalina.sh".into(), "run".into()]),
                ..RunConfig::default()
            }),
            rootfs: RootFs {
                diff_ids: vec![Digest::of(b"debian diff"), Digest::of(b"tomcat diff")],
                ..RootFs::default()
            },
            history: vec![
                entry("debootstrap", false),
                entry("COPY /usr/local/tomcat", false),
                entry("CMD [\"catalina.sh\" \"run\"]", true),
            ],
            ..ConfigFile::default()
        };
        let layers = vec![
            Descriptor::new(MediaType::ImageLayerGzip, Digest::of(b"debian"), 48_100_000),
            Descriptor::new(MediaType::ImageLayerZstd, Digest::of(b"tomcat"), 12_000_000),
        ];
        Image::new(&config, layers, BTreeMap::new()).expect("image")
    }

    /// A version of an application on that base.
    pub(in crate::cli) fn image(version: &str) -> Image {
        let base = base();
        let layer = |name: &str, content: &str, size| NewLayer {
            descriptor: Descriptor::new(MediaType::ImageLayerGzip, Digest::of(content.as_bytes()), size),
            diff_id: Digest::of(format!("{content} diff").as_bytes()),
            name: name.into(),
            table: None,
        };
        let layers =
            [layer("lib", "lib", 5_800_000), layer("classes", &format!("classes {version}"), 12_345)];
        let change = ConfigChange {
            created: "1970-01-01T00:00:01Z".into(),
            ports: vec!["8080/tcp".into()],
            user: Some("1000:1000".into()),
            healthcheck: Some(Healthcheck {
                test: vec!["CMD".into(), "true".into()],
                interval: 30_000_000_000,
                retries: 3,
                ..Healthcheck::default()
            }),
            labels: [("com.example.team".to_owned(), "shop".to_owned())].into(),
            annotations: [
                (BASE_NAME.to_owned(), "localhost:5000/base/tomcat:10".to_owned()),
                (BASE_DIGEST.to_owned(), base.digest().to_string()),
                ("org.opencontainers.image.version".to_owned(), version.to_owned()),
            ]
            .into(),
            ..ConfigChange::default()
        };
        derive(Some(&base), &Platform::linux_amd64(), &layers, &change).expect("image").0
    }

    /// An image on `image`, made by us as well.
    pub(in crate::cli) fn grandchild() -> Image {
        let layer = NewLayer {
            descriptor: Descriptor::new(MediaType::ImageLayerGzip, Digest::of(b"conf"), 900),
            diff_id: Digest::of(b"conf diff"),
            name: "conf".into(),
            table: None,
        };
        let change = ConfigChange { created: "1970-01-01T00:00:01Z".into(), ..ConfigChange::default() };
        derive(Some(&image("1.0")), &Platform::linux_amd64(), &[layer], &change).expect("image").0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(image: &Image, base: Option<&BaseView>) -> String {
        let letter = |step: &ImageStep<'_>| match (step.origin, step.layer) {
            (Some(LayerOrigin::Base), Some(_)) => 'B',
            (Some(LayerOrigin::Base), None) => 'b',
            (Some(LayerOrigin::Added), Some(_)) => 'A',
            (Some(LayerOrigin::Added), None) => 'a',
            (None, _) => '?',
        };
        steps(image, base).iter().map(letter).collect()
    }

    #[test]
    fn what_we_write_ends_the_history() {
        let image = fixture::image("1.0");
        assert_eq!(origins(&image, BaseView::of(&image).as_ref()), "BBbAA");
        assert_eq!(origins(&image, None), "BBbAA");
        assert_eq!(origins(&fixture::base(), None), "???");
    }

    #[test]
    fn a_base_of_our_own_is_told_apart_by_counting() {
        let child = fixture::grandchild();
        assert_eq!(origins(&child, None), "BBbAAA");
        let counted = BaseView::default().counted(&child, &fixture::image("1.0"));
        assert_eq!(origins(&child, Some(&counted)), "BBbBBA");
        let counted = BaseView::default().counted(&child, &fixture::base());
        assert_eq!(origins(&child, Some(&counted)), "BBbAAA");
        let other = BaseView::default().counted(&fixture::base(), &child);
        assert_eq!(other.layers, None);
    }

    #[test]
    fn layers_beyond_the_history_are_not_lost() {
        let mut config = fixture::base().config().clone();
        config.history.truncate(1);
        let image =
            Image::new(&config, fixture::base().layers().to_vec(), Default::default()).expect("image");
        let steps = steps(&image, None);
        assert_eq!(steps.len(), 2);
        assert!(steps[1].entry.is_none() && steps[1].layer.is_some());
    }
}
