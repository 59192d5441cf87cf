//! The places of logins, looked at without asking for any: for a diagnosis of this machine.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::credentials::Credentials;
use super::file::{AuthFile, read};

/// A file of logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedLogins {
    /// The file.
    pub path: PathBuf,
    /// The knowledge of it.
    pub state: LoginsState,
}

/// The knowledge of a file of logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginsState {
    /// It does not exist.
    Missing,
    /// It cannot be read, or is not such a file; the reason.
    Broken(String),
    /// It was read.
    Read {
        /// How many logins are written in it.
        logins: usize,
        /// Whether others than its owner can read it.
        is_open: bool,
        /// The helpers that it names, and are not in `PATH`.
        missing_helpers: Vec<String>,
    },
}

impl Credentials {
    /// Looks at each file that may have logins. It runs no helper.
    #[must_use]
    pub fn survey(&self) -> Vec<SurveyedLogins> {
        self.files().into_iter().map(|path| SurveyedLogins { state: self.look_over(&path), path }).collect()
    }

    fn look_over(&self, path: &Path) -> LoginsState {
        let text = match read(path) {
            Ok(Some(text)) => text,
            Ok(None) => return LoginsState::Missing,
            Err(error) => return LoginsState::Broken(error.to_string()),
        };
        let file = match AuthFile::parse(&text) {
            Ok(file) => file,
            Err(error) => return LoginsState::Broken(error.to_string()),
        };
        let programs: BTreeSet<String> =
            file.helpers().into_iter().map(|name| format!("docker-credential-{name}")).collect();
        let is_open = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        let missing_helpers = programs.into_iter().filter(|program| !self.is_in_path(program)).collect();
        LoginsState::Read { logins: file.logins(), is_open, missing_helpers }
    }

    fn is_in_path(&self, program: &str) -> bool {
        let directories = self.helper_path.iter().flat_map(std::env::split_paths);
        directories.map(|directory| directory.join(program)).any(|file| file.is_file())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_looked_over_and_no_helper_runs() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("config.json");
        let credentials = Credentials {
            registry_auth_file: Some(path.clone()),
            helper_path: Some(home.path().as_os_str().to_owned()),
            ..Credentials::default()
        };
        let state = || credentials.survey().remove(0).state;
        assert_eq!(state(), LoginsState::Missing);
        fs::write(&path, "{").expect("written");
        assert!(matches!(state(), LoginsState::Broken(_)));
        fs::write(&path, r#"{"auths":{"a.example":{"auth":"YTpi"},"b.example":{}},"credsStore":"desktop","credHelpers":{"c.example":"there"}}"#)
            .expect("written");
        fs::write(home.path().join("docker-credential-there"), "").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        let missing_helpers = vec!["docker-credential-desktop".to_owned()];
        assert_eq!(
            state(),
            LoginsState::Read { logins: 1, is_open: true, missing_helpers: missing_helpers.clone() }
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        assert_eq!(state(), LoginsState::Read { logins: 1, is_open: false, missing_helpers });
    }
}
