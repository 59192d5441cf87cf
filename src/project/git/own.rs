//! The configuration that git is given: written here, out of keys that are known and values that are checked.
//!
//! A configuration can name programs to run in dozens of keys, and each version of git adds some. So git acts on none but
//! this one: numbers of a format, switches, line ends, and files of patterns.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::entry::GitConfigEntry;
use super::format::RepositoryFormat;

/// The keys of `[core]` that are switches.
const SWITCHES: [&str; 7] = [
    "filemode",
    "symlinks",
    "ignorecase",
    "trustctime",
    "precomposeunicode",
    "sparsecheckout",
    "sparsecheckoutcone",
];
/// The keys of `[core]` with a few possible values.
const CHOICES: [(&str, &[&[u8]]); 3] = [
    ("autocrlf", &[b"true", b"false", b"input"]),
    ("eol", &[b"lf", b"crlf", b"native"]),
    ("checkstat", &[b"default", b"minimal"]),
];
/// The keys of `[core]` that name a file of patterns.
const FILES: [&str; 2] = ["excludesfile", "attributesfile"];

/// The configuration that git is given.
pub(super) struct GivenConfig {
    core: BTreeMap<&'static str, Vec<u8>>,
    format: RepositoryFormat,
}

impl GivenConfig {
    /// Later entries win. Relative paths are relative to `top`.
    pub(super) fn new<'e>(
        entries: impl IntoIterator<Item = &'e GitConfigEntry>,
        format: &RepositoryFormat,
        home: Option<&Path>,
        top: &Path,
    ) -> Self {
        let mut core = BTreeMap::new();
        for entry in entries.into_iter().filter(|entry| entry.section == "core" && entry.subsection.is_none())
        {
            if let Some(key) = SWITCHES.into_iter().find(|key| entry.key == *key) {
                let value = entry.switch().map(|on| if on { b"true".to_vec() } else { b"false".to_vec() });
                core.extend(value.map(|value| (key, value)));
            }
            if let Some((key, choices)) = CHOICES.into_iter().find(|(key, _)| entry.key == *key) {
                let value = match (&entry.value, entry.switch()) {
                    (_, Some(true)) => b"true".to_vec(),
                    (_, Some(false)) => b"false".to_vec(),
                    (value, None) => value.clone().unwrap_or_default().to_ascii_lowercase(),
                };
                core.extend(choices.contains(&&*value).then_some((key, value)));
            }
            if let Some(key) = FILES.into_iter().find(|key| entry.key == *key) {
                let file = expand(entry.value.as_deref().unwrap_or_default(), home, top);
                // git waits for ever for what a named pipe says.
                match file.filter(|file| file.is_file()) {
                    Some(file) => core.insert(key, file.into_os_string().into_vec()),
                    None => core.remove(key),
                };
            }
        }
        Self { core, format: format.clone() }
    }

    /// As a configuration file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let version = u8::from(self.format.objects.is_some() || self.format.references.is_some());
        let mut out = format!(
            "[core]\n\trepositoryformatversion = {version}\n\tbare = false\n\tfsmonitor = false\n\thooksPath = /dev/null\n\
             \tpager = cat\n\tsafecrlf = false\n\taskPass = /bin/false\n[safe]\n\tbareRepository = explicit\n\
             [protocol]\n\tallow = never\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[submodule]\n\trecurse = false\n"
        )
        .into_bytes();
        out.extend_from_slice(b"[extensions]\n");
        for (key, value) in [("objectformat", &self.format.objects), ("refstorage", &self.format.references)]
        {
            out.extend(value.iter().flat_map(|value| format!("\t{key} = {value}\n").into_bytes()));
        }
        out.extend_from_slice(b"[core]\n");
        for (key, value) in &self.core {
            out.extend_from_slice(format!("\t{key} = \"").as_bytes());
            for byte in value {
                match byte {
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\\' | b'"' => out.extend_from_slice(&[b'\\', *byte]),
                    _ => out.push(*byte),
                }
            }
            out.extend_from_slice(b"\"\n");
        }
        out
    }
}

/// A path as git writes it: `~/` is the home directory.
fn expand(written: &[u8], home: Option<&Path>, directory: &Path) -> Option<PathBuf> {
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    match written {
        [] => None,
        [b'~', b'/', rest @ ..] => Some(home?.join(path(rest))),
        // Another user's home, or the directory that git is installed in.
        [b'~', ..] | [b'%', b'(', ..] => None,
        _ => Some(directory.join(path(written))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::read_for_test;
    use super::*;

    #[test]
    fn no_key_that_names_a_program_is_taken() {
        let hostile = b"[core]\n fsmonitor = x\n sshCommand = x\n hooksPath = x\n pager = x\n editor = x\n gitProxy = x\n \
            askPass = x\n alternateRefsCommand = x\n eol = x\n autocrlf = touch\n[filter \"f\"]\n clean = x\n process = x\n\
            [diff]\n external = x\n[diff \"d\"]\n textconv = x\n command = x\n[gpg]\n program = x\n[include]\n path = x\n\
            [remote \"o\"]\n uploadpack = x\n promisor = true\n[extensions]\n partialClone = o\n[alias]\n status = !x\n";
        let entries = read_for_test(hostile).expect("git reads it");
        assert_eq!(entries.len(), 21);
        let format = RepositoryFormat::of(&entries).expect("known");
        let own = GivenConfig::new(&entries, &format, None, Path::new("/nowhere"));
        assert_eq!(own.core, BTreeMap::new());
        let text = String::from_utf8(own.to_bytes()).expect("text");
        assert!(!text.contains("= x") && !text.contains("filter") && !text.contains("remote"), "{text}");
    }

    #[test]
    fn git_reads_again_what_is_written() {
        for path in ["/a b", "/\"q\" \\ # ;=", "/line\nfeed", " /x ", "/ü"] {
            let core = [("excludesfile", path.as_bytes().to_vec())].into();
            let own = GivenConfig { core, format: RepositoryFormat::default() };
            let entries = read_for_test(&own.to_bytes()).expect("our own");
            let found = entries.iter().find(|entry| entry.key == "excludesfile").expect("there");
            assert_eq!(found.value.as_deref(), Some(path.as_bytes()), "{path:?}");
        }
    }

    #[test]
    fn later_settings_win_and_files_are_files() {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::write(home.path().join("ignored"), "x\n").expect("written");
        let entries: Vec<GitConfigEntry> = [
            "core.eol\ncrlf",
            "core.excludesfile\n~/ignored",
            "core.attributesfile\n/dev/zero",
            "core.eol\nlf",
            "core.autocrlf\ninput",
            "core.filemode",
            "core.symlinks\nperhaps",
        ]
        .iter()
        .map(|record| GitConfigEntry::parse(record.as_bytes()))
        .collect();
        let own = GivenConfig::new(&entries, &RepositoryFormat::default(), Some(home.path()), Path::new("/"));
        let expected = [
            ("autocrlf", b"input".to_vec()),
            ("eol", b"lf".to_vec()),
            ("excludesfile", home.path().join("ignored").into_os_string().into_vec()),
            ("filemode", b"true".to_vec()),
        ];
        assert_eq!(own.core, BTreeMap::from(expected));
    }
}
