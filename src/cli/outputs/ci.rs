//! `--ci FORM`: the files of CI systems.

use std::path::PathBuf;
use std::str::FromStr;

use crate::types::variable::brace_word;

/// A form that `--ci` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CiForm {
    /// `github`: the files `$GITHUB_OUTPUT` and `$GITHUB_STEP_SUMMARY`.
    GitHub,
    /// `gitlab=FILE`: a dotenv report.
    GitLab(PathBuf),
    /// `jib=DIR`: the files of Jib.
    Jib(PathBuf),
    /// `skaffold=FILE`: the builds of Skaffold.
    Skaffold(PathBuf),
}

impl FromStr for CiForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(variable) = brace_word(text) {
            return Err(format!(
                "it has the variable `{variable}`, and one file is about all images of a run"
            ));
        }
        match text.split_once('=') {
            None if text == "github" => Ok(Self::GitHub),
            Some(("gitlab", file)) if !file.is_empty() => Ok(Self::GitLab(file.into())),
            Some(("jib", directory)) if !directory.is_empty() => Ok(Self::Jib(directory.into())),
            Some(("skaffold", file)) if !file.is_empty() => Ok(Self::Skaffold(file.into())),
            _ => Err("a form is `github`, `gitlab=FILE`, `jib=DIR` or `skaffold=FILE`".to_owned()),
        }
    }
}
