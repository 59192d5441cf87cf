//! git's configuration files, read without git: the few keys that say how a working tree is compared.
//!
//! A configuration can name programs to run in dozens of keys, and each version of git adds some. So git reads none but the
//! one that is written here, out of keys that are known and values that are checked: numbers of a format, switches,
//! line ends, and files of patterns. Includes are followed in the user's own files only.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::runtime::input;

/// One `key = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// In lower case.
    section: String,
    subsection: Option<Vec<u8>>,
    /// In lower case.
    key: String,
    /// `None` for a key alone, which is a switch that is on.
    value: Option<Vec<u8>>,
}

impl Entry {
    fn is(&self, section: &str, subsection: Option<&[u8]>, key: &str) -> bool {
        self.section == section && self.subsection.as_deref() == subsection && self.key == key
    }

    fn switch(&self) -> Option<bool> {
        let Some(value) = &self.value else { return Some(true) };
        match value.to_ascii_lowercase().as_slice() {
            b"true" | b"yes" | b"on" | b"1" => Some(true),
            b"false" | b"no" | b"off" | b"0" | b"" => Some(false),
            _ => None,
        }
    }
}

/// A line that git would not read either, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadLine(pub(super) usize);

/// What a file says, in its order.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Entry>, BadLine> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut parser = Parser { text, at: 0, line: 1, entries: Vec::new() };
    parser.file().ok_or(BadLine(parser.line))?;
    Ok(parser.entries)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    entries: Vec<Entry>,
}

impl Parser<'_> {
    /// The next byte; a line end of two bytes is one.
    fn next(&mut self) -> Option<u8> {
        let mut byte = *self.text.get(self.at)?;
        self.at += 1;
        if byte == b'\r' && self.text.get(self.at) == Some(&b'\n') {
            byte = b'\n';
            self.at += 1;
        }
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|byte| byte != b'\n') {}
    }

    fn file(&mut self) -> Option<()> {
        // Keys before any section are nobody's.
        let mut section: (String, Option<Vec<u8>>) = (String::new(), None);
        while let Some(byte) = self.next() {
            match byte {
                b'#' | b';' => self.skip_line(),
                b'[' => section = self.header()?,
                byte if byte.is_ascii_whitespace() => {}
                byte if byte.is_ascii_alphabetic() => {
                    let (section, subsection) = section.clone();
                    let key = self.key(byte);
                    let value = self.value()?;
                    self.entries.push(Entry { section, subsection, key, value });
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// `section]`, `section.sub]` or `section "sub"]`.
    fn header(&mut self) -> Option<(String, Option<Vec<u8>>)> {
        let mut name = Vec::new();
        loop {
            match self.next()? {
                b']' => break,
                b' ' | b'\t' => return Some((text(&name), Some(self.subsection()?))),
                byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') => {
                    name.push(byte.to_ascii_lowercase());
                }
                _ => return None,
            }
        }
        let dot = name.iter().position(|byte| *byte == b'.');
        Some(match dot {
            Some(dot) => (text(&name[..dot]), Some(name[dot + 1..].to_vec())),
            None => (text(&name), None),
        })
    }

    fn subsection(&mut self) -> Option<Vec<u8>> {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.next();
        }
        let mut name = Vec::new();
        (self.next()? == b'"').then_some(())?;
        loop {
            match self.next()? {
                b'\n' => return None,
                b'"' => break,
                b'\\' => name.push(self.next().filter(|byte| *byte != b'\n')?),
                byte => name.push(byte),
            }
        }
        (self.next()? == b']').then_some(name)
    }

    fn key(&mut self, first: u8) -> String {
        let mut key = vec![first.to_ascii_lowercase()];
        while let Some(byte) = self.peek().filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            self.at += 1;
            key.push(byte.to_ascii_lowercase());
        }
        text(&key)
    }

    fn value(&mut self) -> Option<Option<Vec<u8>>> {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.next();
        }
        match self.next() {
            None | Some(b'\n') => return Some(None),
            Some(b'=') => {}
            Some(_) => return None,
        }
        let (mut value, mut is_quoted) = (Vec::new(), false);
        // Blanks at the end count only when something follows.
        let mut kept = 0;
        loop {
            match self.next() {
                None | Some(b'\n') if is_quoted => return None,
                None | Some(b'\n') => break,
                Some(b'"') => is_quoted = !is_quoted,
                Some(b'#' | b';') if !is_quoted => {
                    self.skip_line();
                    break;
                }
                Some(b'\\') => match self.next()? {
                    b'\n' => continue,
                    b't' => value.push(b'\t'),
                    b'b' => value.push(8),
                    b'n' => value.push(b'\n'),
                    byte @ (b'\\' | b'"') => value.push(byte),
                    _ => return None,
                },
                Some(byte) if byte.is_ascii_whitespace() && !is_quoted => {
                    if !value.is_empty() {
                        value.push(byte);
                    }
                    continue;
                }
                Some(byte) => value.push(byte),
            }
            kept = value.len();
        }
        value.truncate(kept);
        Some(Some(value))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a file that need not be there; one that is unreadable is as good as none.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, BadLine> {
    input::read(path, input::MAX_TEXT).map_or_else(|_| Ok(Vec::new()), |bytes| parse(&bytes))
}

/// What the user's own files and variables say: system, global, then those of the command.
pub(super) fn of_user(variable: &dyn Fn(&str) -> Option<OsString>) -> [Vec<Entry>; 2] {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = path("HOME");
    let mut files = Vec::new();
    let without_system = variable("GIT_CONFIG_NOSYSTEM").is_some_and(|value| {
        !matches!(value.as_bytes().to_ascii_lowercase().as_slice(), b"" | b"0" | b"false" | b"no" | b"off")
    });
    if !without_system {
        files.push(path("GIT_CONFIG_SYSTEM").unwrap_or_else(|| PathBuf::from("/etc/gitconfig")));
    }
    match path("GIT_CONFIG_GLOBAL") {
        Some(file) => files.push(file),
        None => {
            let directory = path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
            files.extend(directory.map(|directory| directory.join("git/config")));
            files.extend(home.as_ref().map(|home| home.join(".gitconfig")));
        }
    }
    let mut entries = Vec::new();
    let mut left = MOST_FILES;
    for file in files {
        add_file(&file, home.as_deref(), &mut left, &mut entries);
    }
    let number = |name: &str| variable(name)?.to_str()?.parse::<usize>().ok();
    let count = number("GIT_CONFIG_COUNT").unwrap_or(0).min(MOST_VARIABLES);
    let given = (0..count).filter_map(|index| {
        let key = variable(&format!("GIT_CONFIG_KEY_{index}"))?.into_string().ok()?;
        let (section, key) = key.split_once('.')?;
        let value =
            variable(&format!("GIT_CONFIG_VALUE_{index}")).map(OsString::into_vec).unwrap_or_default();
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        Some(Entry { section, subsection: None, key, value: Some(value) })
    });
    [entries, given.collect()]
}

/// How many files of the user's are read, includes among them.
const MOST_FILES: usize = 64;
/// How many settings in variables are looked at.
const MOST_VARIABLES: usize = 1000;

fn add_file(file: &Path, home: Option<&Path>, left: &mut usize, entries: &mut Vec<Entry>) {
    let Some(rest) = left.checked_sub(1) else { return };
    *left = rest;
    for entry in read(file).unwrap_or_default() {
        match &entry.value {
            Some(path) if entry.is("include", None, "path") => {
                let directory = file.parent().unwrap_or(Path::new("/"));
                if let Some(path) = expand(path, home, directory) {
                    add_file(&path, home, left, entries);
                }
            }
            _ => entries.push(entry),
        }
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
pub(super) struct Own {
    core: BTreeMap<&'static str, Vec<u8>>,
    format: Format,
}

/// How objects and references are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Format {
    /// `sha256`, where it is not `sha1`.
    pub(super) objects: Option<String>,
    /// `reftable`, where it is not `files`.
    pub(super) references: Option<String>,
    /// Whether `config.worktree` belongs to it.
    pub(super) has_worktree_file: bool,
    /// Whether it says that there is no working tree.
    pub(super) is_bare: bool,
}

impl Format {
    /// What the repository's own file says.
    ///
    /// # Errors
    /// What this program does not know, and so might read wrongly.
    pub(super) fn of(entries: &[Entry]) -> Result<Self, String> {
        let mut format = Self::default();
        let value = |entry: &Entry| entry.value.as_deref().map(text).unwrap_or_default().to_ascii_lowercase();
        for entry in entries {
            if entry.is("core", None, "repositoryformatversion") && !matches!(&*value(entry), "0" | "1") {
                return Err(format!("its format is {}, which is not known", value(entry)));
            }
            if entry.is("core", None, "bare") {
                format.is_bare = entry.switch() == Some(true);
            }
            if entry.section != "extensions" || entry.subsection.is_some() {
                continue;
            }
            match (&*entry.key, &*value(entry)) {
                ("objectformat", "sha1") => format.objects = None,
                ("objectformat", "sha256") => format.objects = Some("sha256".to_owned()),
                ("refstorage", "files") => format.references = None,
                ("refstorage", "reftable") => format.references = Some("reftable".to_owned()),
                ("worktreeconfig", _) => format.has_worktree_file = entry.switch() == Some(true),
                // They say how to write, or where missing objects come from.
                (
                    "noop" | "noop-v1" | "partialclone" | "preciousobjects" | "relativeworktrees"
                    | "compatobjectformat",
                    _,
                ) => {}
                (key, value) => return Err(format!("its extension `{key} = {value}` is not known")),
            }
        }
        Ok(format)
    }
}

impl Own {
    /// What later entries say wins. Relative paths are relative to `top`.
    pub(super) fn new<'e>(
        entries: impl IntoIterator<Item = &'e Entry>,
        format: &Format,
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

/// `url` of `[remote "origin"]`, the last one as git has it.
pub(super) fn origin(entries: &[Entry]) -> Option<String> {
    let url = entries.iter().rev().find(|entry| entry.is("remote", Some(b"origin"), "url"))?;
    String::from_utf8(url.value.clone()?).ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// As `git config --list -z` prints it.
    fn listed(entries: &[Entry]) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in entries {
            out.extend_from_slice(entry.section.as_bytes());
            if entry.section.is_empty() {
                out.extend_from_slice(entry.key.as_bytes());
                out.extend(entry.value.iter().flat_map(|value| [b"\n", &value[..]].concat()));
                out.push(0);
                continue;
            }
            if let Some(subsection) = &entry.subsection {
                out.push(b'.');
                out.extend_from_slice(subsection);
            }
            out.push(b'.');
            out.extend_from_slice(entry.key.as_bytes());
            if let Some(value) = &entry.value {
                out.push(b'\n');
                out.extend_from_slice(value);
            }
            out.push(0);
        }
        out
    }

    /// What git makes of it; `None` where it refuses.
    fn git(text: &[u8]) -> Option<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let output = Command::new("git")
            .args(["config", "--list", "-z", "--file"])
            .arg(file.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("git runs");
        output.status.success().then_some(output.stdout)
    }

    #[test]
    fn files_are_read_as_git_reads_them() {
        let texts: [&[u8]; 22] = [
            b"",
            b"[core]\n\tbare = false\n",
            b"\xef\xbb\xbf[core]\r\n\tbare\r\n\teol = lf\r\n",
            b"[core] bare = true ; comment\n# another\n",
            b"[remote \"Ori\\\"gin\"]\n\tURL = a b  # no\n",
            b"[Remote.Origin]\nurl=x\n",
            b"[a]\nb = \"x # y\" z\\\n  more\\tend\n",
            b"[a]\nb = \" x \"  \n",
            b"[a]\nb = x\\q\n",
            b"[a]\nb = \"x\n",
            b"[a\n",
            b"b = 1\n",
            b"[a]\n1 = 2\n",
            b"[a]\nb c = 2\n",
            b"[a] [b] c = d",
            b"[a \"b\" ]\nc = d\n",
            b"[a \"b\\\\c\"]\nc = d\n",
            b"[a]\nb = \\\n",
            b"[a]\nb =\n",
            b"[a]\nb-c = ;\n",
            b"[filter \"x\"]\nclean = \"sh -c 'touch y'\"\nrequired\n",
            b"[a]\nb = \\\"q\\\" \\\\ \\n\n",
        ];
        for text in texts {
            let ours = parse(text).ok().map(|entries| listed(&entries));
            let shown = |bytes: &Option<Vec<u8>>| {
                bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            assert_eq!(shown(&ours), shown(&git(text)), "{:?}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text: Vec<u8>, words in "[\\[\\]a-z\"\\\\= #;\n\t.]{0,60}") {
            let _ = parse(&text);
            let _ = parse(words.as_bytes());
        }

        #[test]
        fn what_is_written_is_read_again(path in "[a-z \"\\\\#;=\n]{1,20}") {
            let own = Own {
                core: [("excludesfile", path.clone().into_bytes())].into(),
                format: Format::default(),
            };
            let entries = parse(&own.to_bytes()).expect("our own");
            let found = entries.iter().find(|entry| entry.key == "excludesfile").expect("there");
            prop_assert_eq!(found.value.clone(), Some(path.into_bytes()));
        }
    }

    #[test]
    fn no_key_that_names_a_program_is_taken() {
        let hostile = b"[core]\n fsmonitor = x\n sshCommand = x\n hooksPath = x\n pager = x\n editor = x\n gitProxy = x\n \
            askPass = x\n alternateRefsCommand = x\n eol = x\n autocrlf = touch\n[filter \"f\"]\n clean = x\n process = x\n\
            [diff]\n external = x\n[diff \"d\"]\n textconv = x\n command = x\n[gpg]\n program = x\n[include]\n path = x\n\
            [remote \"o\"]\n uploadpack = x\n promisor = true\n[extensions]\n partialClone = o\n[alias]\n status = !x\n";
        let entries = parse(hostile).expect("parses");
        let format = Format::of(&entries).expect("known");
        let own = Own::new(&entries, &format, None, Path::new("/nowhere"));
        assert_eq!(own.core, BTreeMap::new());
        let text = String::from_utf8(own.to_bytes()).expect("text");
        assert!(!text.contains("= x") && !text.contains("filter") && !text.contains("remote"), "{text}");
    }

    #[test]
    fn what_is_not_known_of_a_format_is_refused() {
        let format = |text: &str| Format::of(&parse(text.as_bytes()).expect("parses"));
        assert_eq!(format("[core]\nrepositoryformatversion = 0\n"), Ok(Format::default()));
        assert_eq!(
            format("[extensions]\nobjectFormat = sha256\nrefStorage = reftable\n"),
            Ok(Format {
                objects: Some("sha256".to_owned()),
                references: Some("reftable".to_owned()),
                ..Format::default()
            })
        );
        assert!(format("[core]\nrepositoryformatversion = 2\n").is_err());
        assert!(format("[extensions]\nfuture = 1\n").is_err());
    }

    #[test]
    fn the_users_own_files_and_variables_are_merged() {
        let home = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("written");
        write(".gitconfig", "[include]\npath = more\n[core]\neol = lf\n");
        write("more", "[include]\npath = ~/.gitconfig\n[core]\nexcludesFile = ~/ignored\neol = crlf\n");
        write("ignored", "x\n");
        let lookup = |name: &str| -> Option<OsString> {
            Some(match name {
                "HOME" => home.path().into(),
                "GIT_CONFIG_NOSYSTEM" | "GIT_CONFIG_COUNT" => "1".into(),
                "GIT_CONFIG_KEY_0" => "core.autoCRLF".into(),
                "GIT_CONFIG_VALUE_0" => "input".into(),
                _ => return None,
            })
        };
        let [files, given] = of_user(&lookup);
        let own = Own::new(files.iter().chain(&given), &Format::default(), Some(home.path()), Path::new("/"));
        let expected = [
            ("autocrlf", b"input".to_vec()),
            ("eol", b"lf".to_vec()),
            ("excludesfile", home.path().join("ignored").into_os_string().into_vec()),
        ];
        assert_eq!(own.core, BTreeMap::from(expected));
    }

    #[test]
    fn origin_is_the_last_one() {
        let entries = parse(b"[remote \"upstream\"]\nurl = no\n[remote \"origin\"]\nurl = no\nURL = yes\n[branch \"x\"]\nurl = no\n");
        assert_eq!(origin(&entries.expect("parses")).as_deref(), Some("yes"));
        assert_eq!(origin(&[]), None);
    }
}
