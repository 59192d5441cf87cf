//! Reads configurations by `git config`, which acts on none of them.
//!
//! A repository's file is read by us, within bounds, and given to git on standard input, with includes off: so git opens
//! no file that the repository names. The user's own files are git's to find, with all that they include. Neither runs
//! in the repository.

use std::ffi::OsString;
use std::path::Path;

use tempfile::TempDir;

use super::entry::GitConfigEntry;
use super::error::GitError;
use super::process::{Program, Running};
use super::surroundings::Surroundings;
use crate::runtime::input;
use crate::types::shown::shown_path;

/// The variables that say where the user's configuration is, or are a part of it.
const OF_USER: [&str; 7] = [
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
];
/// How many settings in variables are looked at.
const MOST_VARIABLES: usize = 1000;

/// Asks git for configurations, in an empty directory of its own.
pub(super) struct ConfigReader<'a> {
    program: &'a Path,
    around: &'a Surroundings<'a>,
    /// Removed with this.
    directory: TempDir,
}

/// The user's own settings in files and variables.
#[derive(Debug, Default)]
pub(super) struct UserSettings {
    /// Of the system, then of the user: the repository's own settings win.
    pub(super) files: Vec<GitConfigEntry>,
    /// Of this command: they win over the repository's.
    pub(super) given: Vec<GitConfigEntry>,
}

/// The user's settings, asked for.
pub(super) struct AskedUser(Running);

impl<'a> ConfigReader<'a> {
    /// Makes the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(program: &'a Path, around: &'a Surroundings<'a>) -> Result<Self, GitError> {
        let directory = tempfile::Builder::new().prefix("pack-git-").tempdir_in(around.temporary);
        let directory = directory
            .map_err(|source| GitError::Temporary { directory: around.temporary.to_owned(), source })?;
        Ok(Self { program, around, directory })
    }

    /// `git config` with these variables and arguments; `top` is named in errors.
    fn start(
        &self,
        top: &Path,
        variables: Vec<(String, OsString)>,
        arguments: &[&str],
        text: &[u8],
    ) -> Result<Running, GitError> {
        let mut all = vec![("LC_ALL".to_owned(), "C".into())];
        // No repository, whatever the directory lies in.
        all.push(("GIT_DIR".to_owned(), "/dev/null".into()));
        all.extend(variables);
        let program = Program {
            path: self.program,
            directory: self.directory.path(),
            top,
            files: self.directory.path(),
            variables: &all,
            patience: self.around.patience,
            read: None,
        };
        program.start(&[&["config", "--list", "-z"], arguments].concat(), text)
    }

    /// Starts to read the user's own settings.
    ///
    /// # Errors
    /// When git cannot be started.
    pub(super) fn ask_user(&self) -> Result<AskedUser, GitError> {
        let variable = self.around.variable;
        let mut variables: Vec<(String, OsString)> =
            OF_USER.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))).collect();
        let count = variable("GIT_CONFIG_COUNT").and_then(|count| count.to_str()?.parse::<usize>().ok());
        for index in 0..count.unwrap_or_default().min(MOST_VARIABLES) {
            for name in [format!("GIT_CONFIG_KEY_{index}"), format!("GIT_CONFIG_VALUE_{index}")] {
                let value = variable(&name);
                variables.extend(value.map(|value| (name, value)));
            }
        }
        let running = self.start(self.directory.path(), variables, &["--show-scope", "--includes"], b"")?;
        Ok(AskedUser(running))
    }

    /// The entries of the file at `path` of the repository of `top`. It need not be there, and one that is unreadable
    /// is as good as none.
    ///
    /// # Errors
    /// When git could not read it either.
    pub(super) fn file(&self, top: &Path, path: &Path) -> Result<Vec<GitConfigEntry>, GitError> {
        let text = input::read(path, input::MAX_TEXT).unwrap_or_default();
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let none =
            ["GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"].map(|name| (name.to_owned(), "/dev/null".into()));
        let variables = none.into_iter().chain([("GIT_CONFIG_NOSYSTEM".to_owned(), "1".into())]).collect();
        let mut running = self.start(top, variables, &["--no-includes", "--file", "-"], &text)?;
        let mut entries = Vec::new();
        while let Some(record) = running.record(0)? {
            entries.push(GitConfigEntry::parse(&record));
        }
        match running.finish() {
            Ok(()) => Ok(entries),
            Err(GitError::Refused { directory, message }) => {
                let message = format!("`{}` {}", shown_path(path), complaint(&message));
                Err(GitError::Refused { directory, message })
            }
            Err(error) => Err(error),
        }
    }
}

/// Git's message about a file on its standard input, worded for the file itself.
fn complaint(message: &str) -> String {
    let line = message.strip_prefix("bad config line ").and_then(|rest| rest.split(' ').next());
    match line.and_then(|line| line.parse::<usize>().ok()) {
        Some(line) => format!("is not valid at line {line}"),
        None => format!("cannot be read: {message}"),
    }
}

impl AskedUser {
    /// The settings. Where git cannot read them they are none, and a warning says so.
    ///
    /// # Errors
    /// When git could not be run, or took too long.
    pub(super) fn settings(self, warnings: &mut Vec<String>) -> Result<UserSettings, GitError> {
        let mut running = self.0;
        let mut settings = UserSettings::default();
        while let Some(scope) = running.record(0)? {
            let entry = GitConfigEntry::parse(&running.record(0)?.unwrap_or_default());
            match &*scope {
                b"command" => settings.given.push(entry),
                _ => settings.files.push(entry),
            }
        }
        match running.finish() {
            Ok(()) => Ok(settings),
            Err(GitError::Refused { message, .. }) => {
                warnings.push(format!("your git configuration cannot be read and does not count: {message}"));
                Ok(UserSettings::default())
            }
            Err(error) => Err(error),
        }
    }
}

/// The entries that git reads from a repository's file; `None` if it refuses.
#[cfg(test)]
pub(super) fn read_for_test(text: &[u8]) -> Option<Vec<GitConfigEntry>> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config");
    std::fs::write(&path, text).expect("written");
    tests::with_reader(&|_| None, |reader| reader.file(Path::new("/nowhere"), &path).ok())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    pub(super) fn with_reader<T>(
        variable: &dyn Fn(&str) -> Option<OsString>,
        ask: impl FnOnce(&ConfigReader<'_>) -> T,
    ) -> T {
        let temporary = tempfile::tempdir().expect("a directory");
        let search_path = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
        let around = Surroundings {
            search_path: &search_path,
            temporary: temporary.path(),
            variable,
            is_ours: &|_| false,
            patience: Duration::from_secs(60),
            is_untrusted: false,
        };
        let program = around.program().expect("git");
        ask(&ConfigReader::new(&program, &around).expect("a directory"))
    }

    fn shown(text: &[u8]) -> String {
        let Some(entries) = read_for_test(text) else { return "refused".to_owned() };
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines = entries.iter().map(|GitConfigEntry { section, subsection, key, value }| {
            let subsection =
                subsection.as_deref().map(|name| format!(" {:?}", show(name))).unwrap_or_default();
            let value = value.as_deref().map(|value| format!(" = {:?}", show(value))).unwrap_or_default();
            format!("[{section}{subsection}] {key}{value}")
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn files_are_read_by_git() {
        let cases: [(&[u8], &str); 23] = [
            (b"", ""),
            (b"[core]\n\tbare = false\n", "[core] bare = \"false\""),
            (b"\xef\xbb\xbf[core]\r\n\tbare\r\n\teol = lf\r\n", "[core] bare; [core] eol = \"lf\""),
            (b"[core] bare = true ; comment\n# another\n", "[core] bare = \"true\""),
            (b"[remote \"Ori\\\"gin\"]\n\tURL = a b  # no\n", "[remote \"Ori\\\"gin\"] url = \"a b\""),
            (b"[Remote.Origin]\nurl=x\n", "[remote \"origin\"] url = \"x\""),
            (b"[a]\nb = \"x # y\" z\\\n  more\\tend\n", "[a] b = \"x # y z  more\\tend\""),
            (b"[a]\nb = \" x \"  \n", "[a] b = \" x \""),
            (b"[a]\nb = x\\q\n", "refused"),
            (b"[a]\nb = \"x\n", "refused"),
            (b"[a\n", "refused"),
            (b"b = 1\n", "[] b = \"1\""),
            (b"[a]\n1 = 2\n", "refused"),
            (b"[a]\nb c = 2\n", "refused"),
            (b"[a] [b] c = d", "[b] c = \"d\""),
            (b"[a \"b\" ]\nc = d\n", "refused"),
            (b"[a \"b\\\\c\"]\nc = d\n", "[a \"b\\\\c\"] c = \"d\""),
            (b"[a]\nb = \\\n", "[a] b = \"\""),
            (b"[a]\nb =\n", "[a] b = \"\""),
            (b"[a]\nb-c = ;\n", "[a] b-c = \"\""),
            (
                b"[filter \"x\"]\nclean = \"sh -c 'touch y'\"\nrequired\n",
                "[filter \"x\"] clean = \"sh -c 'touch y'\"; [filter \"x\"] required",
            ),
            (b"[a]\nb = \\\"q\\\" \\\\ \\n\n", "[a] b = \"\\\"q\\\" \\\\ \\n\""),
            (
                b"[include]\npath = /etc/passwd\n[a]\nb = c\n",
                "[include] path = \"/etc/passwd\"; [a] b = \"c\"",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn an_invalid_line_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config");
        std::fs::write(&path, "[core]\n\tx = \"\n").expect("written");
        let error =
            with_reader(&|_| None, |reader| reader.file(Path::new("/top"), &path)).expect_err("invalid");
        let expected =
            format!("cannot read the git repository of `/top`: `{}` is not valid at line 2", path.display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(complaint("something else"), "cannot be read: something else");
    }

    #[test]
    fn a_pipe_and_a_device_are_no_file() {
        for file in ["/dev/zero", "/dev/null", "/nowhere"] {
            let entries = with_reader(&|_| None, |reader| reader.file(Path::new("/top"), Path::new(file)));
            assert_eq!(entries.expect("none"), []);
        }
    }

    fn lines(entries: &[GitConfigEntry]) -> Vec<String> {
        let line = |entry: &GitConfigEntry| {
            format!("{}={}", entry.key, String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default()))
        };
        entries.iter().map(line).collect()
    }

    #[test]
    fn the_users_own_files_and_variables_are_found() {
        let home = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("written");
        write(".gitconfig", "[include]\npath = more\n[core]\neol = lf\n");
        write("more", "[core]\nexcludesFile = ~/ignored\neol = crlf\n");
        let lookup = |name: &str| -> Option<OsString> {
            Some(match name {
                "HOME" => home.path().into(),
                "GIT_CONFIG_NOSYSTEM" | "GIT_CONFIG_COUNT" => "1".into(),
                "GIT_CONFIG_KEY_0" => "core.autoCRLF".into(),
                "GIT_CONFIG_VALUE_0" => "input".into(),
                _ => return None,
            })
        };
        let mut warnings = Vec::new();
        let ask = |warnings: &mut Vec<String>| {
            with_reader(&lookup, |reader| reader.ask_user()?.settings(warnings)).expect("settings")
        };
        let UserSettings { files, given } = ask(&mut warnings);
        assert_eq!(lines(&files), ["path=more", "excludesfile=~/ignored", "eol=crlf", "eol=lf"]);
        assert_eq!((lines(&given), warnings.len()), (vec!["autocrlf=input".to_owned()], 0));

        write("more", "[include]\npath = ~/.gitconfig\n[core]\neol = \"\n");
        let settings = ask(&mut warnings);
        assert!(settings.files.is_empty() && settings.given.is_empty());
        assert!(warnings.len() == 1 && warnings[0].contains("does not count"), "{warnings:?}");
    }
}
