use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::filter::{Filter, MAX_BRACES, MAX_PATTERN};
use super::*;
use crate::layer::{DEFAULT_MTIME, Entry, EntryKind, EntryPath};
use crate::runtime::workers::Workers;
use crate::types::error::Explain as _;
use crate::types::shown::shown;
use crate::types::stamp::Stamp;

fn scan(root: &Path, options: &ScanOptions) -> Result<Vec<TreeItem>, ScanError> {
    super::scan(root, options, &Workers::default())
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(OsStr::from_bytes(name.as_ref()));
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(&path, name.as_ref()).expect("written");
        path
    }

    fn link(&self, name: &str, target: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        symlink(OsStr::from_bytes(target.as_ref()), path).expect("linked");
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(mode)).expect("mode set");
    }

    fn scan(&self) -> Vec<TreeItem> {
        scan(self.path(), &ScanOptions::default()).expect("scans")
    }

    fn names(&self, options: &ScanOptions) -> Vec<String> {
        let found = scan(self.path(), options).expect("scans");
        found.iter().map(|found| shown(found.relative())).collect()
    }

    fn entries(&self, root: Option<&str>, rules: &Rules) -> Result<Vec<Entry>, ScanError> {
        let options =
            ScanOptions { directories: rules.keeps_what_directories_have(), ..ScanOptions::default() };
        entries(&scan(self.path(), &options)?, root.map(at).as_ref(), rules)
    }
}

fn at(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).expect("a path")
}

fn patterns(list: &[&str]) -> Vec<String> {
    list.iter().map(|pattern| (*pattern).to_owned()).collect()
}

#[test]
fn odd_names_and_long_paths() {
    let tree = Tree::new();
    let long = "d/".repeat(150) + &"n".repeat(255);
    for name in [&b"a\nb"[..], b"\xff\xfe", "größe/日本".as_bytes(), b" ", b"-rf", b"a\\b", long.as_bytes()]
    {
        tree.file(name);
    }
    let found = tree.scan();
    assert!(found.is_sorted_by(|a, b| a.relative() < b.relative()));
    assert_eq!(found.iter().filter(|found| found.kind != FoundKind::Directory).count(), 7);
    let entries = tree.entries(Some("app"), &Rules::default()).expect("entries");
    let names: Vec<&[u8]> = entries.iter().map(|entry| entry.path.as_bytes()).collect();
    assert!(names.contains(&&b"app/a\nb"[..]) && names.contains(&&b"app/\xff\xfe"[..]));
    assert!(names.contains(&format!("app/{long}").as_bytes()));
}

#[test]
fn a_root_may_be_written_in_more_than_one_way() {
    let tree = Tree::new();
    tree.file("a/b");
    for end in ["", "/", "//", "/.", "/a/.."] {
        let root = PathBuf::from(format!("{}{end}", tree.path().display()));
        let found = scan(&root, &ScanOptions::default()).expect("scans");
        let names: Vec<&[u8]> = found.iter().map(TreeItem::relative).collect();
        assert_eq!(names, [&b"a"[..], b"a/b"], "{end:?}");
        assert!(found.iter().all(|found| found.path.exists()), "{end:?}");
    }
}

#[test]
fn links_are_never_followed() {
    let tree = Tree::new();
    tree.file("real/file");
    tree.link("loop", "loop");
    tree.link("real/up", "..");
    tree.link("dangling", "nowhere");
    tree.link("directory", "real");
    let names = tree.names(&ScanOptions::default());
    assert_eq!(names, ["dangling", "directory", "loop", "real", "real/file", "real/up"]);
    let entries = tree.entries(Some("app"), &Rules::default()).expect("entries");
    assert!(matches!(&entries[1].kind, EntryKind::Symlink(target) if target == b"real"));
    assert_eq!(entries[1].metadata.mode, 0o777);
}

#[test]
fn links_that_leave() {
    for target in ["../x", "a/../../x", "..", "./../x"] {
        let tree = Tree::new();
        tree.link("l", target);
        let error = tree.entries(Some("app"), &Rules::default()).expect_err("leaves");
        assert!(matches!(error, ScanError::LinksLeave { .. }), "{target}");
        assert!(error.hint().is_some());
        assert!(tree.entries(None, &Rules::default()).is_ok(), "the kernel stops at the image's root");
    }
    // One through the other, in two layers too.
    let tree = Tree::new();
    tree.link("d/u", "..");
    tree.link("e", "d/u/../etc");
    let error = tree.entries(Some("app"), &Rules::default()).expect_err("leaves");
    assert!(matches!(&error, ScanError::LinksLeave { links, .. } if links.len() == 1), "{error}");
    let found = tree.scan();
    let only = found.iter().filter(|item| item.relative() == b"e").collect::<Vec<_>>();
    let root = EntryPath::new(b"app").expect("a path");
    let alone = entries(only, Some(&root), &Rules::default());
    assert!(matches!(alone, Err(ScanError::LinksLeave { .. })));
    let tree = Tree::new();
    tree.link("d/l", "../x");
    tree.link("absolute", "/etc/alternatives/x");
    assert!(tree.entries(Some("app"), &Rules::default()).is_ok());
    let strict = Rules { absolute_links: false, ..Rules::default() };
    assert!(matches!(tree.entries(Some("app"), &strict), Err(ScanError::LinksLeave { .. })));
}

#[test]
fn links_to_this_machine() {
    let tree = Tree::new();
    let file = tree.file("file");
    tree.link("l", file.as_os_str().as_bytes());
    let error = scan(tree.path(), &ScanOptions::default()).expect_err("a path of this machine");
    assert!(matches!(error, ScanError::LinksToMachine { .. }));
}

#[test]
fn default_modes_and_kept_ones() {
    let tree = Tree::new();
    for (name, mode) in [("d/su", 0o4755), ("d/secret", 0o640), ("d/run", 0o700)] {
        tree.file(name);
        tree.mode(name, mode);
    }
    tree.mode("d", 0o1777);
    let modes = |rules: &Rules| -> Vec<(String, u32)> {
        let entries = tree.entries(None, rules).expect("entries");
        entries.iter().map(|entry| (entry.path.to_string(), entry.metadata.mode)).collect()
    };
    let named = |modes: [u32; 4]| -> Vec<(String, u32)> {
        ["/d", "/d/run", "/d/secret", "/d/su"].map(str::to_owned).into_iter().zip(modes).collect()
    };
    assert_eq!(modes(&Rules::default()), named([0o755, 0o755, 0o644, 0o755]));
    assert_eq!(modes(&Rules { keep_modes: true, ..Rules::default() }), named([0o1777, 0o700, 0o640, 0o4755]));
    let fixed =
        Rules { keep_modes: true, file_mode: Some(0o444), directory_mode: Some(0o555), ..Rules::default() };
    assert_eq!(modes(&fixed), named([0o555, 0o444, 0o444, 0o444]));
}

#[test]
fn directories_are_looked_at_where_somebody_wants_it() {
    let tree = Tree::new();
    tree.file("d/f");
    tree.mode("d", 0o700);
    for (directories, mode) in [(false, 0o755), (true, 0o700)] {
        let found = scan(tree.path(), &ScanOptions { directories, ..ScanOptions::default() }).expect("scans");
        assert_eq!((found[0].kind.clone(), found[0].mode), (FoundKind::Directory, mode));
        assert_eq!(found[0].stamp == Stamp::default(), !directories);
        assert_ne!(found[1].stamp, Stamp::default());
    }
}

#[test]
fn owners_and_time() {
    let tree = Tree::new();
    let file = tree.file("f");
    let (uid, gid) = fs::metadata(&file).map(|metadata| (metadata.uid(), metadata.gid())).expect("metadata");
    let one = |rules: Rules| tree.entries(None, &rules).expect("entries").remove(0).metadata;
    let default = one(Rules::default());
    assert_eq!((default.uid, default.gid, default.mtime), (0, 0, DEFAULT_MTIME));
    let kept = one(Rules { keep_owners: true, mtime: 7, ..Rules::default() });
    assert_eq!((kept.uid, kept.gid, kept.mtime), (uid.into(), gid.into(), 7));
    let given = one(Rules { keep_owners: true, owner: Some((10, 20)), ..Rules::default() });
    assert_eq!((given.uid, given.gid), (10, 20));
}

#[test]
fn hard_links() {
    let tree = Tree::new();
    let first = tree.file("b/first");
    fs::hard_link(&first, tree.path().join("b/second")).expect("linked");
    fs::hard_link(&first, tree.path().join("a")).expect("linked");
    tree.file("c");
    let entries = tree.entries(Some("app"), &Rules::default()).expect("entries");
    let kinds: Vec<String> = entries
        .iter()
        .map(|entry| match &entry.kind {
            EntryKind::Hardlink(target) => format!("{} = {target}", entry.path),
            _ => entry.path.to_string(),
        })
        .collect();
    assert_eq!(kinds, ["/app/a", "/app/b", "/app/b/first = /app/a", "/app/b/second = /app/a", "/app/c"]);
}

#[test]
fn special_files() {
    let tree = Tree::new();
    mknodat(CWD, tree.path().join("pipe"), FileType::Fifo, Mode::RUSR, 0).expect("made");
    let error = tree.entries(None, &Rules::default()).expect_err("not declared");
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is a named pipe, not a file, a directory or a link",
            tree.path().join("pipe").display()
        )
    );
    let declared = Rules { devices: true, ..Rules::default() };
    assert!(matches!(tree.entries(None, &declared).expect("entries")[0].kind, EntryKind::Fifo));

    // Only root makes devices, and not in every sandbox.
    let device = rustix::fs::makedev(1, 3);
    let null = tree.path().join("null");
    if mknodat(CWD, &null, FileType::CharacterDevice, Mode::RUSR, device).is_ok() {
        let entries = tree.entries(None, &declared).expect("entries");
        assert!(matches!(entries[0].kind, EntryKind::CharacterDevice(1, 3)));
        assert!(tree.entries(None, &Rules::default()).is_err());
    }

    let tree = Tree::new();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path().join("s")).expect("bound");
    assert!(matches!(tree.entries(None, &declared), Err(ScanError::Socket { .. })));
}

#[test]
fn names_of_deletions() {
    let tree = Tree::new();
    tree.file("d/.wh.x");
    assert!(matches!(scan(tree.path(), &ScanOptions::default()), Err(ScanError::Whiteout { .. })));
    let options = ScanOptions { exclude: patterns(&["**/.wh.*"]), ..ScanOptions::default() };
    assert_eq!(tree.names(&options), ["d"]);
}

#[test]
fn roots_that_are_no_directories() {
    let tree = Tree::new();
    let file = tree.file("f");
    assert!(matches!(scan(&file, &ScanOptions::default()), Err(ScanError::NotADirectory { .. })));
    let missing = scan(&tree.path().join("no"), &ScanOptions::default()).expect_err("missing");
    assert!(matches!(missing, ScanError::Io { .. }));
    assert_eq!(scan(Tree::new().path(), &ScanOptions::default()).expect("empty").len(), 0);
    tree.link("l", ".");
    assert_eq!(scan(&tree.path().join("l"), &ScanOptions::default()).expect("through a link").len(), 2);
}

/// Root reads everything, so the check runs in a child without its rights.
#[test]
fn unreadable() {
    const CHILD: &str = "PACK_TEST_UNREADABLE";
    #[allow(clippy::disallowed_methods, reason = "tells the child from the parent")]
    if let Some(place) = std::env::var_os(CHILD) {
        for name in ["file", "directory"] {
            let error = scan(&Path::new(&place).join(name), &ScanOptions::default()).expect_err("unreadable");
            let ScanError::Io { path, source, .. } = &error else { panic!("{error:?}") };
            assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
            assert!(path.ends_with(format!("{name}/closed")), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains(IGNORE_FILE)));
            let options = ScanOptions { exclude: patterns(&["closed"]), ..ScanOptions::default() };
            assert!(scan(&Path::new(&place).join(name), &options).is_ok());
        }
        return;
    }
    let tree = Tree::new();
    tree.file("file/closed");
    tree.file("directory/closed/x");
    for (name, mode) in [("", 0o755), ("file/closed", 0o200), ("directory/closed", 0o000)] {
        tree.mode(name, mode);
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("own path"));
    child.args(["--exact", "layer::scan::tests::unreadable"]).env(CHILD, tree.path());
    if rustix::process::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut child, 65_534);
    }
    match child.output() {
        // A test binary in a closed directory cannot be started by another user.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        output => {
            let output = output.expect("runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
    tree.mode("directory/closed", 0o755);
}

#[test]
fn includes_and_excludes() {
    let tree = Tree::new();
    for name in ["a.xml", "a.txt", "conf/b.xml", "conf/deep/c.xml", "conf/d.txt", "lib/x", "lib/y/z"] {
        tree.file(name);
    }
    fs::create_dir(tree.path().join("empty")).expect("made");
    let of = |include: &[&str], exclude: &[&str]| {
        let (include, exclude) = (patterns(include), patterns(exclude));
        tree.names(&ScanOptions { include, exclude, ..ScanOptions::default() })
    };
    assert_eq!(of(&["**/*.xml"], &[]), ["a.xml", "conf", "conf/b.xml", "conf/deep", "conf/deep/c.xml"]);
    assert_eq!(of(&["*.xml"], &[]), ["a.xml"]);
    assert_eq!(of(&["lib/"], &[]), ["lib", "lib/x", "lib/y", "lib/y/z"]);
    assert_eq!(of(&["./empty", "lib/y"], &[]), ["empty", "lib", "lib/y", "lib/y/z"]);
    assert_eq!(of(&["**/*.xml"], &["conf"]), ["a.xml"]);
    assert_eq!(of(&[], &["conf/**", "lib/", "*.txt"]), ["a.xml", "conf", "empty"]);
    let of = |include: &[&str]| {
        scan(tree.path(), &ScanOptions { include: patterns(include), ..ScanOptions::default() })
    };
    assert!(matches!(of(&["*.nothing"]), Err(ScanError::NothingIncluded { .. })));
    assert!(matches!(of(&["[a"]), Err(ScanError::Glob { .. })));
    assert!(matches!(of(&["/"]), Err(ScanError::Glob { .. })));
}

#[test]
fn patterns_without_end_are_refused() {
    let nested = |depth: usize| format!("{}x{}", "{a,".repeat(depth), "}".repeat(depth));
    assert_eq!(pattern_is_too_much(&nested(MAX_BRACES)), None);
    for much in [nested(MAX_BRACES + 1), nested(100_000), "a".repeat(MAX_PATTERN + 1)] {
        let tree = Tree::new();
        tree.file("a");
        let options = ScanOptions { exclude: vec![much.clone()], ..ScanOptions::default() };
        assert!(matches!(Scanner::default().scan(tree.path(), &options), Err(ScanError::Glob { .. })));
        fs::write(tree.path().join(IGNORE_FILE), much).expect("written");
        let options = ScanOptions { ignore_file: true, ..ScanOptions::default() };
        assert!(matches!(Scanner::default().scan(tree.path(), &options), Err(ScanError::Glob { .. })));
    }
}

#[test]
fn a_visit_shows_what_a_scan_finds() {
    let tree = Tree::new();
    for name in ["a/b/c.js", "a/b/d.txt", "a-b/e.js", "f/g/h.txt", "a.js", "x/y/z/w.js"] {
        tree.file(name);
    }
    tree.link("l.js", "a.js");
    for include in [&[][..], &["**/*.js"], &["a/b"], &["x/*/z", "f"]] {
        let options = ScanOptions { include: patterns(include), ..ScanOptions::default() };
        let scanner = Scanner::default();
        let visited = || {
            let mut seen = Vec::new();
            let see =
                |path: &[u8], facts: &ItemFacts| seen.push((shown(path), facts.kind.clone(), facts.stamp));
            scanner.visit(tree.path(), &options, see).expect("scans");
            seen
        };
        let before = visited();
        let found = scanner.scan(tree.path(), &options).expect("scans");
        let found: Vec<_> =
            found.iter().map(|item| (shown(item.relative()), item.kind.clone(), item.stamp)).collect();
        assert_eq!((&before, &visited()), (&found, &found), "{include:?}");
        let beside = Scanner::default().beside_others(true);
        assert_eq!(beside.scan(tree.path(), &options).expect("scans").len(), found.len());
        assert!(before.is_sorted_by_key(|(path, ..)| path), "{before:?}");
    }
}

#[test]
fn ignore_files() {
    let tree = Tree::new();
    for name in [
        "a.log",
        "keep.log",
        "d/b.log",
        "d/c",
        "tmp/x",
        "d/tmp",
        "d/e/only",
        "only",
        "#x",
        "!y",
        "s ",
        "doc/a/b.md",
    ] {
        tree.file(name);
    }
    let lines = "# comment\n\n*.log\n!keep.log\ntmp/\n/only\n\\#x\n\\!y\ns\\ \ndoc/**/*.md  \n";
    fs::write(tree.path().join(IGNORE_FILE), lines).expect("written");
    let options = ScanOptions { ignore_file: true, ..ScanOptions::default() };
    assert_eq!(tree.names(&options), ["d", "d/c", "d/e", "d/e/only", "d/tmp", "doc", "doc/a", "keep.log"]);
    assert!(tree.names(&ScanOptions::default()).contains(&IGNORE_FILE.to_owned()));
    fs::write(tree.path().join(IGNORE_FILE), "ok\n[z\n").expect("written");
    let error = scan(tree.path(), &options).expect_err("no glob");
    assert!(error.to_string().contains(&format!("`[z` in `{}", tree.path().display())), "{error}");
}

#[test]
fn ignore_files_of_windows() {
    let tree = Tree::new();
    for name in ["a", "b", "c", "d/a"] {
        tree.file(name);
    }
    let options = ScanOptions { ignore_file: true, ..ScanOptions::default() };
    for lines in ["\u{feff}/a\r\nb\r\n", "\u{feff}./a\n!./c\n\u{feff}b", "b\n\u{feff}/a \r\n"] {
        fs::write(tree.path().join(IGNORE_FILE), lines).expect("written");
        assert_eq!(tree.names(&options), ["c", "d", "d/a"], "{lines:?}");
    }
    for bytes in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0\n\0", b"\xff", b"a\rb", b"a/../b"] {
        fs::write(tree.path().join(IGNORE_FILE), bytes).expect("written");
        let error = scan(tree.path(), &options).expect_err("no list of patterns");
        assert!(error.hint().is_some(), "{error}");
    }
}

#[test]
fn patterns_have_a_budget_for_all_lists_together() {
    let tree = Tree::new();
    tree.file("a");
    // 40 kB in either list: each is within the budget, both are not.
    let many = || (0..10).map(|at| format!("{}{at}", "?".repeat(4000))).collect::<Vec<String>>();
    let of = |include, exclude, lines: &str| {
        fs::write(tree.path().join(IGNORE_FILE), lines).expect("written");
        scan(tree.path(), &ScanOptions { include, exclude, ignore_file: true, ..ScanOptions::default() })
    };
    assert!(of(Vec::new(), many(), "").is_ok());
    assert!(of(Vec::new(), Vec::new(), &many().join("\n")).is_ok());
    for over in [
        of(many(), many(), ""),
        of(many(), Vec::new(), &many().join("\n")),
        of(Vec::new(), many(), &many().join("\n")),
    ] {
        let error = over.expect_err("too much");
        assert!(matches!(error, ScanError::TooMuch(_)) && error.hint().is_some(), "{error}");
    }
    let options = ScanOptions { exclude: many(), ..ScanOptions::default() };
    let filter = Filter::new(tree.path(), &options).expect("globs");
    assert!(filter.excludes(&[b'a'; 4096], false).is_ok());
    assert!(matches!(filter.excludes(&vec![b'a'; 10_000_000], false), Err(ScanError::TooMuch(_))));
    // Names are looked up, however many there are.
    let names = (0..50_000).map(|at| format!("d/{at}")).collect();
    let options = ScanOptions { exclude: names, ..ScanOptions::default() };
    assert!(Filter::new(tree.path(), &options).expect("names").excludes(b"d/77", false).expect("cheap"));
}

#[test]
fn brackets_are_escaped() {
    for (pattern, literal) in [
        ("[id].js", Some("[[]id].js")),
        ("a/{b}/[...c]/*.js", Some("a/[{]b[}]/[[]...c]/*.js")),
        ("plain*?.js", None),
    ] {
        assert_eq!(literally(pattern).as_deref(), literal);
        let Some(literal) = literal else { continue };
        let tree = Tree::new();
        tree.file(pattern.replace('*', "x"));
        let options = ScanOptions { include: vec![literal.to_owned()], ..ScanOptions::default() };
        assert!(scan(tree.path(), &options).is_ok(), "{literal}");
    }
}

#[test]
fn one_file_is_found_as_its_directory_has_it() {
    let tree = Tree::new();
    let path = tree.file("d/f");
    tree.mode("d/f", 0o4640);
    tree.link("d/l", "f");
    let in_tree = scan(&tree.path().join("d"), &ScanOptions::default()).expect("scans");
    let alone = look_at_file(&path, true).expect("a file");
    assert_eq!((alone.relative(), alone.mode, alone.stamp), (&b"f"[..], 0o4640, in_tree[0].stamp));
    let linked = look_at_file(&tree.path().join("d/l"), true).expect("a file");
    assert_eq!((linked.relative(), &linked.kind, linked.stamp), (&b"l"[..], &alone.kind, alone.stamp));
    assert!(look_at_file(&tree.path().join("none"), false).is_err());
}

#[test]
fn extended_attributes_only_when_asked() {
    let tree = Tree::new();
    let file = tree.file("f");
    // Not every file system has them.
    if xattr::set(&file, "user.pack", b"\0value").is_err() {
        return;
    }
    assert!(tree.scan()[0].xattrs.is_empty());
    let found = scan(tree.path(), &ScanOptions { xattrs: true, ..ScanOptions::default() }).expect("scans");
    let entries = entries(&found, None, &Rules::default()).expect("entries");
    assert_eq!(
        entries[0].metadata.xattrs,
        BTreeMap::from([("user.pack".to_owned(), b"\0value".to_vec())]).into()
    );
}

#[test]
fn threads_and_creation_order_do_not_matter() {
    let (tree, reversed) = (Tree::new(), Tree::new());
    let names: Vec<String> = (0..1200).map(|at| format!("d{}/s{}/f{at}", at % 40, at % 7)).collect();
    names.iter().for_each(|name| drop(tree.file(name)));
    names.iter().rev().for_each(|name| drop(reversed.file(name)));
    for at in 0..600 {
        tree.file(format!("flat/{at}"));
        reversed.file(format!("flat/{}", 599 - at));
    }
    let expected = tree.names(&ScanOptions::default());
    assert_eq!(reversed.names(&ScanOptions::default()), expected);
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        assert_eq!(pool.install(|| tree.names(&ScanOptions::default())), expected);
    }
}

proptest! {
    #[test]
    fn the_order_is_that_of_the_bytes_whatever_the_names(paths in prop::collection::btree_set("[a!.0~]{1,2}(/[a!.0~]{1,2}){0,4}", 1..30)) {
        let tree = Tree::new();
        for path in paths.iter().filter(|path| !path.split('/').any(|name| matches!(name, "." | ".."))) {
            let path = tree.path().join(path);
            // An existing file cannot become a directory, and the other way round.
            if fs::create_dir_all(path.parent().expect("a parent")).is_ok() {
                let _ = fs::write(&path, b"");
            }
        }
        let mut expected: Vec<Vec<u8>> = walkdir::WalkDir::new(tree.path())
            .min_depth(1)
            .into_iter()
            .map(|entry| entry.expect("readable").into_path())
            .map(|path| path.strip_prefix(tree.path()).expect("below").as_os_str().as_bytes().to_vec())
            .collect();
        expected.sort_unstable();
        let found: Vec<Vec<u8>> = tree.scan().into_iter().map(|found| found.relative().to_vec()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn leaving_is_what_the_components_say(relative in "[ab]{1,2}(/[ab]{1,2}){0,3}", target in "(\\.\\.|\\.|c|)(/(\\.\\.|\\.|c|)){0,6}") {
        // An absolute one is another question.
        prop_assume!(!target.starts_with('/'));
        let mut place: Vec<&str> = relative.split('/').collect();
        place.pop();
        let mut out = false;
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => out |= place.pop().is_none(),
                part => place.push(part),
            }
        }
        let mut chains = LinkChains::new([(relative.as_bytes(), target.as_bytes())]);
        prop_assert_eq!(chains.leave(relative.as_bytes()), out);
    }
}
