//! The policies that hold: of a build file, of the file that it names, and of a file that the user names.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{CommandError, ExitStatus};
use super::invocation::Invocation;
use super::password;
use crate::policy::PolicySet;
use crate::project::config::{Document, Overrides, PolicySettings, Settings};
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
        all.push(read(&invocation.absolute(file))?);
    }
    for named in all.clone().iter().filter_map(|policy| policy.file.as_ref()) {
        let path = named.value.path();
        let policy = read(path)?;
        if policy.file.is_some() {
            let message = format!("`{}` is a policy, and names another one in `file`", shown_path(path));
            return Err(
                CommandError::new(ExitStatus::Input, message).hint("write all rules into one of them")
            );
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

/// The `[policy]` of a file, which must have one.
fn read(path: &Path) -> Result<PolicySettings, CommandError> {
    let document = Document::read(path)?;
    let is_there = document.has_policy();
    let settings = Settings::resolve(document, &Overrides::default(), &Overrides::default())?;
    if !is_there {
        let message = format!("`{}` has no `[policy]`", shown_path(path));
        return Err(CommandError::new(ExitStatus::Input, message)
            .hint("write its rules into `[policy.base]`, `[policy.push]` and `[policy.release]`"));
    }
    Ok(settings.policy)
}
