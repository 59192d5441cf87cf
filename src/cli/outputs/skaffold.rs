//! `--ci skaffold=FILE`: the builds of a run, as `skaffold build --file-output` writes them and `skaffold deploy
//! --build-artifacts` reads them.

use serde_json::{Value, json};

use super::OutputImage;

/// The builds: the name that manifests have, and the image that replaces it.
#[must_use]
pub fn builds(images: &[OutputImage]) -> Value {
    let builds = images.iter().map(|image| {
        let tagged = image.tagged().first().cloned().unwrap_or_else(|| image.name.clone());
        json!({ "imageName": image.name, "tag": format!("{tagged}@{}", image.digest) })
    });
    json!({ "builds": builds.collect::<Vec<_>>() })
}
