//! The policies that hold: of a build file, of the file that it names, and of a file that the user names.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{CommandError, ExitStatus};
use super::invocation::Invocation;
use super::password;
use crate::engine::untrusted;
use crate::policy::PolicySet;
use crate::project::config::{ConfigError, Document, Overrides, PolicySettings, Settings};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// The policies of `settings`, and those of `file`.
///
/// # Errors
/// When a file of them cannot be read or is not valid.
pub fn of(
    invocation: &Invocation,
    settings: Option<&PolicySettings>,
    file: Option<&Path>,
) -> Result<PolicySet, CommandError> {
    let mut all: Vec<PolicySettings> = settings.cloned().into_iter().collect();
    if let Some(file) = file {
        all.push(read(&invocation.absolute(file))?.policy);
    }
    with_keys(invocation, all, None)
}

/// The policies of a project; with `limit`, the files that its own files name may not lie outside of that directory.
///
/// # Errors
/// As for [`of`], and when a file lies outside.
pub fn of_project(
    invocation: &Invocation,
    settings: &PolicySettings,
    limit: Option<&Path>,
) -> Result<PolicySet, CommandError> {
    with_keys(invocation, vec![settings.clone()], limit)
}

/// The rules, those of the files that they name, and the keys of all.
fn with_keys(
    invocation: &Invocation,
    mut all: Vec<PolicySettings>,
    limit: Option<&Path>,
) -> Result<PolicySet, CommandError> {
    for named in all.clone().iter().filter_map(|policy| policy.file.as_ref()) {
        let path = named.value.path();
        let settings = read(path)?;
        if let Some(limit) = limit {
            untrusted::check_policy(&settings, path, limit)?;
        }
        let policy = settings.policy;
        if policy.file.is_some() {
            let message = format!("`{}` is a policy, and names another one in `file`", shown_path(path));
            return Err(CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::SettingWrong)
                .hint("write all rules into one of them"));
        }
        all.push(policy);
    }
    let (mut policies, mut keys) = (Vec::new(), BTreeMap::new());
    for rules in all.iter().map(PolicySettings::rules) {
        for (name, path) in rules.keys {
            keys.insert(name, password::public_key(invocation, &path)?);
        }
        policies.push(rules.policy);
    }
    Ok(PolicySet::new(policies, keys))
}

/// The settings of a file, which must have a `[policy]`.
fn read(path: &Path) -> Result<Settings, CommandError> {
    let document = Document::read(path).map_err(|error| match error {
        ConfigError::NotFound(_) => CommandError::new(ExitStatus::Input, error.to_string()).coded(ErrorCode::FileMissing).hint(
            "give the path of a TOML file that has `[policy.base]`, `[policy.push]` or `[policy.release]`",
        ),
        other => other.into(),
    })?;
    let is_there = document.has_policy();
    let settings = Settings::resolve(document, &Overrides::default(), &Overrides::default())?;
    if !is_there {
        let message = format!("`{}` has no `[policy]`", shown_path(path));
        return Err(CommandError::new(ExitStatus::Input, message)
            .coded(ErrorCode::SettingWrong)
            .hint("write its rules into `[policy.base]`, `[policy.push]` and `[policy.release]`"));
    }
    Ok(settings)
}
