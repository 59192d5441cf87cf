//! Node.js applications: a `package.json` that says how to start, or that has its modules installed.

use std::path::Path;

use serde::Deserialize;

use super::ArtifactError;
use crate::input::MAX_TEXT;

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    scripts: std::collections::BTreeMap<String, serde_json::Value>,
}

/// Why the directory `path`, which has a `package.json`, is one.
///
/// The file alone is no sign: packages of static files have one too.
pub(super) fn detect(path: &Path, modules: bool) -> Result<Option<Vec<String>>, ArtifactError> {
    if modules {
        return Ok(Some(vec!["It is a directory with `package.json` and `node_modules/`.".to_owned()]));
    }
    let file = path.join("package.json");
    let Some(bytes) = super::read_if_file(&file, MAX_TEXT)? else { return Ok(None) };
    let starts =
        serde_json::from_slice::<Package>(&bytes).is_ok_and(|package| package.scripts.contains_key("start"));
    Ok(starts.then(|| vec!["It is a directory with `package.json`, which has a `start` script.".to_owned()]))
}
