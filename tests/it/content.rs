//! Files that are taken from disk, and the part of them that is in the image.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    Built, Project, Run, chmod, is_root, json, settle, skipped, text, tree_on, war, webapp,
};

/// Nothing here takes longer, on any machine.
const SOON: Duration = Duration::from_secs(20);

/// A build file of one layer on `base`, with these lines in its table.
fn layer_on(base: &str, lines: &str) -> String {
    format!(
        "[image]\nname = \"localhost/layer\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n[[layer]]\nname = \"own\"\n{lines}\n"
    )
}

fn layer(lines: &str) -> String {
    layer_on("scratch", lines)
}

/// The entries of the built layers, in their order, as Python reads them.
fn entries(project: &Project, built: &Built) -> Vec<Value> {
    const READ: &str = "import json, sys, tarfile
for name in sys.argv[1:]:
    for e in tarfile.open(name):
        keys = {k[13:]: v for k, v in e.pax_headers.items() if k.startswith('SCHILY.xattr.')}
        print(json.dumps({'name': e.name, 'type': e.type.decode(), 'mode': '%04o' % e.mode,
                          'owner': '%d:%d' % (e.uid, e.gid), 'link': e.linkname, 'size': e.size,
                          'devices': [e.devmajor, e.devminor], 'xattrs': keys}))";
    let blobs = built.layers().into_iter().map(|layer| {
        let hex = layer.blob.strip_prefix("sha256:").unwrap().to_owned();
        project.path("out/blobs/sha256").join(hex)
    });
    let output = Command::new("python3").arg("-c").arg(READ).args(blobs).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(json).collect()
}

fn build(project: &Project) -> Vec<Value> {
    // Each test builds more than once, and each build is looked at by itself.
    fs::remove_dir_all(project.path("out")).ok();
    entries(project, &project.build("-o oci:out"))
}

/// One of them.
#[track_caller]
fn entry<'a>(entries: &'a [Value], name: &str) -> &'a Value {
    let found = entries.iter().rfind(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {entries:#?}"))
}

/// Runs it, and it ends soon.
#[track_caller]
fn soon<T>(run: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = run();
    assert!(begin.elapsed() < SOON, "it took {:?}", begin.elapsed());
    result
}

fn named_pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

/// The directory that is copied keeps what those in it keep, and a change of it alone is seen by the next build.
#[test]
fn a_copied_directory_keeps_its_own_mode_and_owner() {
    let project = Project::new();
    project.write("spool/in/a", "a").write("spool/b", "b");
    let spool = project.path("spool");
    chmod(&spool, 0o1770);
    chmod(&project.path("spool/in"), 0o2750);
    if is_root() {
        std::os::unix::fs::chown(&spool, Some(12), Some(34)).unwrap();
        chmod(&spool, 0o1770);
    }
    let owner =
        fs::metadata(&spool).map(|metadata| format!("{}:{}", metadata.uid(), metadata.gid())).unwrap();
    let seen = |more: &str, mode: &str, owner: &str| {
        let files = format!("files = [{{ from = \"spool\", to = \"/var/spool/x\"{more} }}]");
        project.write("build.toml", layer(&files));
        let entries = build(&project);
        let entry = entry(&entries, "var/spool/x");
        assert_eq!((&entry["mode"], &entry["owner"]), (&mode.into(), &owner.into()), "{more}");
    };
    seen("", "0755", "0:0");
    seen(", keep-modes = true", "1770", "0:0");
    seen(", keep-owners = true", "0755", &owner);
    seen(", keep-modes = true, keep-owners = true", "1770", &owner);
    settle(&spool);
    seen(", keep-modes = true", "1770", "0:0");
    chmod(&spool, 0o700);
    seen(", keep-modes = true", "0700", "0:0");
}

#[test]
fn one_file_keeps_what_a_tree_keeps() {
    let project = Project::new();
    project.write("bin/prog", "program\n");
    let prog = project.path("bin/prog");
    chmod(&prog, 0o4751);
    if is_root() {
        std::os::unix::fs::chown(&prog, Some(1234), Some(2345)).unwrap();
        chmod(&prog, 0o4751);
    }
    let owner = fs::metadata(&prog).map(|metadata| format!("{}:{}", metadata.uid(), metadata.gid())).unwrap();
    // cap_net_bind_service=ep, as `setcap` writes it.
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let mut expected: Vec<&str> = Vec::new();
    if xattr::set(&prog, "user.note", b"kept").is_ok() {
        expected.push("user.note");
    }
    if xattr::set(&prog, "security.capability", capability).is_ok() {
        expected.push("security.capability");
    } else {
        skipped("capabilities", "only root sets them, and not on every file system");
    }
    chmod(&prog, 0o4751);
    symlink("prog", project.path("bin/link")).unwrap();
    let kept = "keep-modes = true, keep-owners = true, xattrs = true";
    // Itself, through a link, and as one of a tree: the same.
    for (from, to, name) in [
        ("bin/prog", "/usr/bin/prog", "usr/bin/prog"),
        ("bin/link", "/usr/bin/", "usr/bin/link"),
        ("bin", "/usr/bin", "usr/bin/prog"),
    ] {
        project
            .write("build.toml", layer(&format!("files = [{{ from = \"{from}\", to = \"{to}\", {kept} }}]")));
        let entries = build(&project);
        let entry = entry(&entries, name);
        assert_eq!((&entry["mode"], &entry["owner"]), (&"4751".into(), &owner.clone().into()), "{entry}");
        let found: Vec<&String> = entry["xattrs"].as_object().unwrap().keys().collect();
        let mut found: Vec<&str> = found.into_iter().map(String::as_str).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(found, expected, "{from}");
    }
    project.write("build.toml", layer("files = [{ from = \"bin/prog\", to = \"/usr/bin/prog\" }]"));
    let plain = build(&project);
    let plain = entry(&plain, "usr/bin/prog");
    assert_eq!((&plain["mode"], &plain["owner"]), (&"0755".into(), &"0:0".into()));
    assert_eq!(plain["xattrs"], serde_json::json!({}));
}

#[test]
fn globs_of_one_file_are_an_error_and_not_dropped() {
    for (key, from) in [("include", "a"), ("exclude", "a")] {
        let project = Project::new();
        project.write("dir/a", "a\n").write(
            "build.toml",
            layer(&format!("files = [{{ from = \"dir/{from}\", to = \"/a\", {key} = [\"b\"] }}]")),
        );
        let said = project.pack("build").fails(1).hints();
        said.says(&["choose from a directory, and `dir/a` is none", "build.toml:8:"]);
        // The hint's advice: the directory that it is in.
        let files = format!("files = [{{ from = \"dir\", to = \"/\", {key} = [\"a*\"] }}]");
        project.write("build.toml", layer(&files));
        let taken = project.pack("build -o oci:out").run();
        assert_eq!(taken.code, Some(0), "{taken:?}");
    }
}

#[test]
fn what_is_no_file_is_no_file_of_an_image() {
    let project = Project::new();
    project.write("files/a", "a\n");
    named_pipe(&project.path("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(project.path("socket")).unwrap();
    let from = |from: &str, more: &str| {
        project
            .write("build.toml", layer(&format!("files = [{{ from = \"{from}\", to = \"/dev/x\"{more} }}]")));
    };
    for (path, what) in
        [("pipe", "a named pipe"), ("/dev/zero", "a character device"), ("socket", "a socket")]
    {
        from(path, "");
        let said = soon(|| project.pack("build").fails(1)).hints();
        said.says(&[what, path, "build.toml:8:"]);
    }
    // The hint's advice.
    from("pipe", ", keep-modes = true");
    assert_eq!(entry(&build(&project), "dev/x")["type"], "6");
    from("/dev/zero", ", keep-modes = true");
    let zero = &build(&project);
    assert_eq!(
        (&entry(zero, "dev/x")["type"], &entry(zero, "dev/x")["devices"]),
        (&"3".into(), &serde_json::json!([1, 5]))
    );
    symlink("nowhere", project.path("dangling")).unwrap();
    from("dangling", "");
    project.pack("build").fails(1).says(&["hint: it is a symbolic link that leads nowhere"]);
}

#[test]
fn devices_of_a_tree_are_taken_as_the_hint_says() {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/a", "a\n");
    named_pipe(&project.path("files/pipe"));
    let said = project.pack("build").fails(1).hints();
    let said = said.says(&["is a named pipe", "`keep-modes = true` in `files` of a `[[layer]]`"]);
    assert!(!said.stderr.contains("declare"), "{said:?}");
    project.write("files/.packignore", "pipe\n");
    assert!(!build(&project).iter().any(|entry| entry["name"] == "srv/pipe"));
    fs::remove_file(project.path("files/.packignore")).unwrap();
    project.write("build.toml", layer("files = [{ from = \"files\", to = \"/srv\", keep-modes = true }]"));
    assert_eq!(entry(&build(&project), "srv/pipe")["type"], "6");
}

/// Sets a flag when it goes.
struct Finally<'a>(&'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Files are exchanged all the time, some of them after they were looked at and before they are read.
#[test]
fn a_file_that_becomes_a_named_pipe_does_not_block() {
    let project = Project::small();
    for (number, name) in ["a.txt", "sub/b.txt"].into_iter().enumerate() {
        let path = project.path("files").join(name);
        // Many others come before it, so that there is time between a look and a read.
        for at in 0..3000 {
            project.write(&format!("files/0/{number}/{at}"), format!("{number} {at}"));
        }
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The build must end, whenever it happens.
                while !is_done.load(Ordering::Relaxed) {
                    fs::remove_file(&path).ok();
                    named_pipe(&path);
                    std::thread::sleep(Duration::from_millis(1));
                    fs::remove_file(&path).ok();
                    fs::write(&path, "again").unwrap();
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            // Also where an assertion fails, so that this is said.
            let _done = Finally(&is_done);
            for _ in 0..5 {
                let said = soon(|| project.pack("build").run());
                assert!(matches!(said.code, Some(0 | 1)), "{said:?}");
            }
        });
    }
}

#[test]
fn two_sources_of_one_path_are_both_named() {
    let project = Project::new();
    project.write("a", "a\n").write("b", "b\n").write("app/app.conf", "c\n").write("other/app.conf", "d\n");
    let fails = |lines: &str, texts: &[&str]| {
        project.write("build.toml", layer(lines));
        project.pack("build").fails(1).hints().says(texts);
    };
    fails(
        "files = [{ from = \"a\", to = \"/etc/x\" }, { from = \"b\", to = \"/etc/x\" }]",
        &["two things at /etc/x", "a file from `a`", "a file from `b`", "build.toml:8:"],
    );
    fails(
        "files = [{ from = \"app\", to = \"/etc\" }, { from = \"other\", to = \"/etc\" }]",
        &["two things at /etc/app.conf", "`app`", "`other`", "`exclude`"],
    );
    // As the hint says.
    project.write(
        "build.toml",
        layer("files = [{ from = \"app\", to = \"/etc\" }, { from = \"other\", to = \"/etc\", exclude = [\"app.conf\"] }]"),
    );
    assert_eq!(entry(&build(&project), "etc/app.conf")["size"], 2);
    // A file where another source makes a directory.
    let in_place = "{ from = \"a\", to = \"/etc/app\" }";
    let tree = "{ from = \"app\", to = \"/etc/app\" }";
    for both in [format!("{in_place}, {tree}"), format!("{tree}, {in_place}")] {
        fails(
            &format!("files = [{both}]"),
            &["two things at /etc/app", "a file from `a`", "a directory from `app`", "`to = \"/etc/app/\"`"],
        );
    }
    let files = format!("files = [{{ from = \"a\", to = \"/etc/app/\" }}, {tree}]");
    project.write("build.toml", layer(&files));
    assert_eq!(entry(&build(&project), "etc/app/a")["size"], 2);
    fails(
        "files = [{ from = \"a\", to = \"/var/lib/x\" }]\ndirectories = [{ path = \"/var/lib/x\" }]",
        &["two things at /var/lib/x", "`a`", "`directories`"],
    );
    fails(
        "directories = [{ path = \"/x\", mode = \"0700\" }, { path = \"/x\", mode = \"0755\" }]",
        &["two things at /x", "hint: remove one"],
    );
    // Below what is no directory.
    symlink("/data", project.path("other/link")).unwrap();
    fails(
        "files = [{ from = \"other\", to = \"/srv\" }, { from = \"a\", to = \"/srv/link/a\" }]",
        &["/srv/link/a below /srv/link, which is not a directory", "`other`", "`a`"],
    );
    fails("directories = [{ path = \"/x/.wh.y\" }]", &[".wh.", "`directories`", "build.toml:8:"]);
    fails("files = [{ from = \"a\", to = \"/.wh.d/a\" }]", &[".wh.", "`a`", "build.toml:8:"]);
}

#[test]
fn directories_may_meet_if_they_say_the_same() {
    let project = Project::new();
    project.write("a/sub/x", "x\n").write("b/sub/y", "y\n");
    let files = |owner: &str| {
        format!("files = [{{ from = \"a\", to = \"/opt\" }}, {{ from = \"b\", to = \"/opt\"{owner} }}]")
    };
    project.write("build.toml", layer(&files("")));
    let names: Vec<String> = build(&project).iter().map(|entry| text(&entry["name"])).collect();
    assert_eq!(names, ["opt", "opt/sub", "opt/sub/x", "opt/sub/y"]);
    let other = files(", owner = \"7:7\"");
    project.write("build.toml", layer(&other));
    let said = project.pack("build").fails(1);
    said.says(&[
        "the directory /opt would have two owners or modes",
        "`a`",
        "`b`",
        "hint: list it in `directories`",
    ]);
    // As the hint says: what stands there decides.
    let directories =
        "directories = [{ path = \"/opt\", mode = \"0750\" }, { path = \"/opt/sub\", owner = \"8:8\" }]";
    project.write("build.toml", layer(&format!("{other}\n{directories}")));
    let entries = build(&project);
    assert_eq!(
        (&entry(&entries, "opt")["mode"], &entry(&entries, "opt")["owner"]),
        (&"0750".into(), &"0:0".into())
    );
    assert_eq!(entry(&entries, "opt/sub")["owner"], "8:8");
    assert_eq!(entry(&entries, "opt/sub/y")["owner"], "7:7");
}

/// A layout of a base that is laid out as Debian is, with what is easily lost.
fn merged_base(project: &Project) {
    for (name, content) in [
        ("usr/lib/base.so", "base\n"),
        ("usr/bin/tool", "tool\n"),
        ("etc/passwd", "root:x:0:0::/:\n"),
        ("etc/ssl/private/key", "key\n"),
        ("usr/local/share/man/page", "page\n"),
        ("srv/www/old.html", "old\n"),
    ] {
        project.write(&format!("base/files/{name}"), content);
    }
    for (link, target) in [("lib", "usr/lib"), ("bin", "usr/bin"), ("usr/local/man", "share/man")] {
        symlink(target, project.path("base/files").join(link)).unwrap();
    }
    project.write(
        "base/build.toml",
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [[layer]]\nname = \"base\"\nfiles = [{ from = \"files\", to = \"/\" }]\n\
         directories = [{ path = \"/etc/ssl/private\", mode = \"0710\" }]\n\n[config]\ncmd = [\"x\"]\n",
    );
    project.pack("build base -o oci:merged").ok();
}

/// The tree that umoci unpacks from the built image.
fn unpacked(project: &Project) -> PathBuf {
    for name in ["out", "bundle"] {
        fs::remove_dir_all(project.path(name)).ok();
    }
    project.build("-o oci:out");
    let bundle = project.path("bundle");
    let mut umoci = Command::new("umoci");
    umoci.args(["unpack", "--image"]).arg(format!("{}:1", project.path("out").display())).arg(&bundle);
    if !is_root() {
        umoci.arg("--rootless");
    }
    let output = umoci.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    bundle.join("rootfs")
}

#[test]
fn directories_go_where_the_links_of_the_base_lead() {
    let project = Project::new();
    merged_base(&project);
    project.write("files/x.so", "x\n").write("files/man/own", "own\n");
    let keeps_links = |root: &Path| {
        for (link, target) in [("lib", "usr/lib"), ("bin", "usr/bin"), ("usr/local/man", "share/man")] {
            assert_eq!(fs::read_link(root.join(link)).ok(), Some(PathBuf::from(target)), "{link}");
        }
        assert!(root.join("lib/base.so").is_file() && root.join("bin/tool").is_file());
        assert!(root.join("usr/local/man/page").is_file());
    };
    let app = tree_on("oci:merged").replace("/srv", "/lib");
    let copied = layer_on("oci:merged", "files = [{ from = \"files\", to = \"/lib\" }]");
    for build_toml in [app, copied] {
        project.write("build.toml", build_toml);
        let root = unpacked(&project);
        keeps_links(&root);
        assert_eq!(fs::read_to_string(root.join("usr/lib/x.so")).unwrap(), "x\n");
    }
    let made =
        "directories = [{ path = \"/lib\", mode = \"0711\" }, { path = \"/bin/sub\", mode = \"0700\" }]";
    project.write("build.toml", layer_on("oci:merged", made));
    let root = unpacked(&project);
    keeps_links(&root);
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("usr/lib"), mode("usr/bin/sub")), (0o711, 0o700));
    // A link below what is the application's own.
    project.write("build.toml", tree_on("oci:merged").replace("/srv", "/usr/local"));
    let root = unpacked(&project);
    keeps_links(&root);
    assert!(root.join("usr/local/share/man/own").is_file());
    // With kept modes everything is the layer's own, and links are links still.
    project.write("files/lib/deep/y", "y\n");
    let kept = "files = [{ from = \"files\", to = \"/\", keep-modes = true }]";
    project.write("build.toml", layer_on("oci:merged", kept));
    let root = unpacked(&project);
    keeps_links(&root);
    assert!(root.join("usr/lib/deep/y").is_file());
}

#[test]
fn what_the_base_has_is_not_replaced_by_something_else() {
    let project = Project::new();
    merged_base(&project);
    project.write("files/a", "a\n").write("one", "1\n").write("links/x", "x\n");
    let fails = |build_toml: &str, texts: &[&str]| {
        project.write("build.toml", build_toml);
        // A second run has the lock and knows no more of the base.
        for run in [project.pack("build"), project.pack("build").cache(&project.beside("other"))] {
            run.fails(1).hints().says(texts);
        }
    };
    let app = |root: &str| tree_on("oci:merged").replace("\"/srv\"", &format!("\"{root}\""));
    fails(
        &app("/etc/passwd"),
        &["/etc/passwd is a file in the base, and must be a directory", "build.toml:9:"],
    );
    fails(
        &app("/etc/passwd/sub"),
        &["/etc/passwd is a file in the base, and /etc/passwd/sub must go below it"],
    );
    let own = |lines: &str| layer_on("oci:merged", lines);
    fails(
        &own("directories = [{ path = \"/etc/passwd\" }]"),
        &["/etc/passwd is a file in the base", "`directories`", "build.toml:8:"],
    );
    for to in ["/etc", "/lib", "/usr/local/man"] {
        let hint = format!("write `to = \"{to}/\"`");
        fails(
            &own(&format!("files = [{{ from = \"one\", to = \"{to}\" }}]")),
            &[&format!("{to} is a directory in the base"), "`one`", &hint],
        );
        project.write("build.toml", own(&format!("files = [{{ from = \"one\", to = \"{to}/\" }}]")));
        assert!(unpacked(&project).join(&to[1..]).join("one").is_file());
    }
    // A link of a tree in the place of a directory.
    symlink("/data", project.path("links/srv")).unwrap();
    fails(
        &own("files = [{ from = \"links\", to = \"/\" }]"),
        &["/srv is a directory in the base: a link in its place would remove all that is in it", "`links`"],
    );
    // A program whose own path is a directory of the base.
    let program = "[image]\nname = \"localhost/p\"\nbase = \"oci:merged\"\ntags = [\"1\"]\n\n[app]\npath = \"prog\"\nroot = \"/usr/bin\"\n";
    fs::copy("/usr/bin/true", project.path("prog")).unwrap();
    fails(program, &["/usr/bin is a directory in the base: a file in its place", "/usr/bin/NAME"]);
    // A file of the base may be replaced by one, and a link by a file.
    project.write("build.toml", own("files = [{ from = \"one\", to = \"/etc/passwd\" }]"));
    assert_eq!(fs::read_to_string(unpacked(&project).join("etc/passwd")).unwrap(), "1\n");
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("\"/etc/passwd\" = { kind = \"file\", mode = \"0644\" }"), "{lock}");
}

#[test]
fn paths_that_links_of_the_base_make_one_are_both_named() {
    let project = Project::new();
    merged_base(&project);
    project.write("a", "a\n").write("b", "b\n");
    let fails = |lines: &str, texts: &[&str]| {
        project.write("build.toml", layer_on("oci:merged", lines));
        project.pack("build").fails(1).hints().says(texts);
    };
    let same = "by links of the base, /bin/x and /usr/bin/x are the same";
    fails(
        "files = [{ from = \"a\", to = \"/bin/x\" }, { from = \"b\", to = \"/usr/bin/x\" }]",
        &["/usr/bin/x would be two things", same, "`a`", "`b`"],
    );
    fails(
        "directories = [{ path = \"/bin/x\", mode = \"0700\" }, { path = \"/usr/bin/x\" }]",
        &["two owners or modes", same, "`directories`"],
    );
}

#[test]
fn a_directory_that_one_layer_makes_is_kept_by_the_next() {
    let project = Project::new();
    merged_base(&project);
    project.write("files/x", "x\n");
    project.write(
        "build.toml",
        tree_on("oci:merged").replace("/srv", "/data/app")
            + "\n[[layer]]\nname = \"data\"\ndirectories = [{ path = \"/data\", owner = \"7:8\", mode = \"0710\" }]\n\
               \n[[layer]]\nname = \"key\"\nfiles = [{ from = \"files/x\", to = \"/etc/\" }, { from = \"files/x\", to = \"/etc/ssl/private/\" }]\n",
    );
    let root = unpacked(&project);
    let metadata = |path: &str| fs::metadata(root.join(path)).unwrap();
    assert_eq!(metadata("data").mode() & 0o7777, 0o710);
    if is_root() {
        assert_eq!((metadata("data").uid(), metadata("data").gid()), (7, 8));
    }
    assert_eq!(metadata("etc/ssl/private").mode() & 0o7777, 0o710, "the base's own");
    assert!(root.join("data/app/x").is_file());
}

#[test]
fn an_ignore_file_of_windows_excludes_its_first_line() {
    let project = Project::small();
    project.write("files/secret.txt", "secret\n");
    for lines in ["\u{feff}secret.txt\r\n", "\u{feff}./secret.txt\nx\n", "x\r\n\u{feff}/secret.txt"] {
        project.write("files/.packignore", lines);
        let names: Vec<String> = build(&project).iter().map(|entry| text(&entry["name"])).collect();
        assert_eq!(names, ["srv", "srv/a.txt", "srv/sub", "srv/sub/b.txt"], "{lines:?}");
    }
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for (bytes, why) in [
        (wide("\u{feff}secret.txt\n"), "it is UTF-16"),
        (wide("secret.txt\n"), "NUL characters, as UTF-16 has"),
        (b"gr\xfc\xdfe\n".to_vec(), "it is not UTF-8"),
        (b"secret.txt\rother\r".to_vec(), "line ends of old Macs"),
        (b"../secret.txt\n".to_vec(), "it can never match"),
    ] {
        project.write("files/.packignore", bytes);
        project.pack("build").fails(1).hints().says(&["files/.packignore", why]);
    }
}

#[test]
fn an_ignore_file_that_is_none_neither_blocks_nor_is_passed_over() {
    let project = Project::small();
    let path = project.path("files/.packignore");
    let fails = |texts: &[&str]| {
        let begin = Instant::now();
        for command in ["plan", "build"] {
            project.pack(command).fails(1).says(texts);
        }
        assert!(begin.elapsed() < SOON);
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
    };
    symlink("/dev/zero", &path).unwrap();
    fails(&["cannot read", ".packignore", "a character device, not a regular file"]);
    named_pipe(&path);
    fails(&["a named pipe, not a regular file"]);
    symlink("nowhere", &path).unwrap();
    fails(&["cannot read", ".packignore"]);
    fs::create_dir(&path).unwrap();
    fails(&["a directory, not a regular file"]);
    fs::write(&path, "#\n".repeat(1 << 20)).unwrap();
    fails(&["more than 1 MiB"]);
    // A link to a file is one.
    project.write("lines", "a.txt\n");
    symlink("../lines", &path).unwrap();
    assert!(!build(&project).iter().any(|entry| entry["name"] == "srv/a.txt"));
}

#[test]
fn docker_ignore_files_are_spoken_of() {
    let project = Project::small();
    project.write("files/.dockerignore", "a.txt\n");
    let note = "files/.dockerignore` is not read";
    project.pack("build").ok().says(&[note, "`.packignore`"]);
    project.write("files/.packignore", ".dockerignore\n");
    let said = project.pack("build").ok();
    assert!(!said.stderr.contains(note), "{said:?}");
}

#[test]
fn what_only_its_owner_may_read_is_not_published_in_silence() {
    let project = Project::small();
    chmod(&project.path("files"), 0o755);
    let quiet = project.build("-o oci:out");
    project.write("files/.env", "TOKEN=1\n");
    chmod(&project.path("files/.env"), 0o600);
    let said = project.pack("build").ok();
    said.says(&["warning: 1 file in `", "can be read only by the owner on this machine", "`.env`", "`mode`"]);
    // A build without a change says it again.
    std::thread::sleep(Duration::from_millis(60));
    for _ in 0..3 {
        project.pack("build").ok().says(&["`.env`"]);
    }
    assert_eq!(entry(&build(&project), "srv/.env")["mode"], "0644");
    let is_quiet = || {
        let said = project.pack("build").ok();
        assert!(!said.stderr.contains("can be read only"), "{said:?}");
    };
    // As it says.
    project.append("build.toml", "mode = \"0600\"\n");
    is_quiet();
    assert_eq!(entry(&build(&project), "srv/.env")["mode"], "0600");
    project.write("build.toml", tree_on("scratch")).write("files/.packignore", ".env\n");
    is_quiet();
    // Under a umask of 077 all files are like that, and the image is the same as ever.
    fs::remove_file(project.path("files/.env")).unwrap();
    fs::remove_file(project.path("files/.packignore")).unwrap();
    for (path, mode) in [("files", 0o700), ("files/a.txt", 0o600), ("files/sub/b.txt", 0o600)] {
        chmod(&project.path(path), mode);
    }
    is_quiet();
    assert_eq!(project.build("-o oci:out").digest(), quiet.digest());
    // One file by itself.
    project.write("key/k.pem", "key\n");
    chmod(&project.path("key/k.pem"), 0o600);
    chmod(&project.path("key"), 0o755);
    let one = |more: &str| layer(&format!("files = [{{ from = \"key/k.pem\", to = \"/k.pem\"{more} }}]"));
    project.write("build.toml", one(""));
    project.pack("build").ok().says(&["k.pem` can be read only by its owner"]);
    for more in [", mode = \"0640\"", ", keep-modes = true"] {
        project.write("build.toml", one(more));
        is_quiet();
    }
    project.write("build.toml", one(""));
    chmod(&project.path("key"), 0o700);
    is_quiet();
}

#[test]
fn names_with_brackets_can_be_written() {
    let project = Project::new();
    project.write("pages/[id].js", "1\n").write("pages/i.js", "2\n").write("pages/{a}.js", "3\n");
    let files = |key: &str, patterns: &str| {
        layer(&format!("files = [{{ from = \"pages\", to = \"/p\", {key} = [{patterns}] }}]"))
    };
    let names = |project: &Project| -> Vec<String> {
        build(project).iter().skip(1).map(|entry| text(&entry["name"])).collect()
    };
    // Nothing else matches: an error that says how.
    project.write("build.toml", files("include", "\"[id]?.js\""));
    project.pack("build").fails(1).says(&["nothing in", "`[id]?.js`"]);
    project.write("build.toml", files("include", "\"{a}.js\""));
    project.pack("build").fails(1).says(&["matches `{a}.js`", "write `[{]a[}].js` for the name itself"]);
    project.write("build.toml", files("include", "\"[{]a[}].js\""));
    assert_eq!(names(&project), ["p/{a}.js"]);
    // Others match: a note.
    project.write("build.toml", files("include", "\"*.css\", \"[[]id].js\", \"{a}.js\""));
    project.pack("build").ok().says(&["matches `*.css`, `{a}.js`", "write `[{]a[}].js`"]);
    assert_eq!(names(&project), ["p/[id].js"]);
    // A file that was to be left out stays: a warning.
    project.write("build.toml", files("exclude", "\"[id].js\""));
    let said = project.pack("build").ok();
    said.says(&["[id].js` is not left out by `[id].js`", "write `[[]id].js` for the name itself"]);
    assert_eq!(names(&project), ["p/[id].js", "p/{a}.js"]);
    project.write("build.toml", files("exclude", "\"[[]id].js\", '\\[id].js'"));
    assert_eq!(names(&project), ["p/i.js", "p/{a}.js"]);
    project.write("build.toml", layer("files = [{ from = \"pages\", to = \"/p\" }]"));
    project.write("pages/.packignore", "[id].js\n");
    project.pack("build").ok().says(&["is not left out by `[id].js`", "write `[[]id].js`"]);
    project.write("pages/.packignore", "[[]id].js\n\\{a\\}.js\n");
    assert_eq!(names(&project), ["p/i.js"]);
    // Not a glob at all.
    project.write("build.toml", files("include", "\"[id.js\""));
    project.pack("build").fails(1).says(&["`[id.js` is not a pattern", "write `\"[[]id.js\"`"]);
}

#[test]
fn links_that_leave_their_tree_are_all_named() {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/sub/a", "a\n");
    for at in 0..12 {
        symlink(format!("../../{at}"), project.path(&format!("files/sub/l{at:02}"))).unwrap();
    }
    let said = project.pack("build").fails(1).hints();
    let said = said.says(&[
        "12 symbolic links lead out of their tree",
        "l00` to `../../0`",
        "l09` to",
        "and 2 more",
    ]);
    assert!(!said.stderr.contains("l10`"), "{said:?}");
    // Each of the ways that the hint names.
    project.write("files/.packignore", "l0?\n");
    for at in [10, 11] {
        fs::remove_file(project.path(&format!("files/sub/l{at}"))).unwrap();
    }
    symlink("/etc/hosts", project.path("files/sub/l10")).unwrap();
    project.write("files/sub/l11", "what it leads to\n");
    let entries = build(&project);
    assert_eq!(entry(&entries, "srv/sub/l10")["link"], "/etc/hosts");
    assert_eq!(entry(&entries, "srv/sub/l11")["size"], 17);
    // A web application takes no absolute targets, and the hint does not say so.
    project
        .write("app/WEB-INF/web.xml", "<web-app/>")
        .write("build.toml", tree_on("scratch").replace("files", "app").replace("\"tree\"\n", "\"war\"\n"));
    symlink("/etc/hosts", project.path("app/hosts")).unwrap();
    let said = project.pack("build").fails(1).hints();
    let said =
        said.says(&["app/hosts` to `/etc/hosts` leads out of its tree", "replace the link with the file"]);
    assert!(!said.stderr.contains("absolute"), "{said:?}");
    fs::remove_file(project.path("app/hosts")).unwrap();
    project.write("app/hosts", "127.0.0.1\n");
    project.build("-o oci:out");
    // Links to this machine.
    project.write("build.toml", tree_on("scratch"));
    for name in ["m1", "m2"] {
        symlink(project.path("files/sub/a"), project.path("files").join(name)).unwrap();
    }
    project
        .pack("build")
        .fails(1)
        .says(&["2 symbolic links lead to paths of this machine", "relative to its link"]);
    for name in ["m1", "m2"] {
        fs::remove_file(project.path("files").join(name)).unwrap();
        symlink("sub/a", project.path("files").join(name)).unwrap();
    }
    assert_eq!(entry(&build(&project), "srv/m1")["link"], "sub/a");
}

#[test]
fn hints_about_trees_work() {
    let project = Project::small();
    let ignoring = |line: &str| {
        project.write("files/.packignore", line);
        build(&project);
        fs::remove_file(project.path("files/.packignore")).unwrap();
    };
    project.write("files/.wh.x", "x\n");
    project.pack("build").fails(1).says(&["means a deletion", "rename it, or leave it out with a line in"]);
    ignoring(".wh.x\n");
    fs::rename(project.path("files/.wh.x"), project.path("files/x")).unwrap();
    build(&project);
    let socket = std::os::unix::net::UnixListener::bind(project.path("files/s")).unwrap();
    project.pack("build").fails(1).says(&["is a socket", "remove it, or leave it out with a line in"]);
    ignoring("s\n");
    drop(socket);
    fs::remove_file(project.path("files/s")).unwrap();
    project.write("files/.packignore", "[x\n");
    project.pack("build").fails(1).says(&["`[x` in `", "is not a glob", "`[[]`"]);
    project.write("files/[x", "x\n");
    ignoring("[[]x\n");
    if !is_root() {
        return skipped("unreadable files", "only root can become a user who may not read them");
    }
    let nobody = || -> Run<'_> { project.pack("plan").cache(&project.beside("nobody")).nobody() };
    chmod(&project.root(), 0o777);
    fs::create_dir(project.beside("nobody")).unwrap();
    chmod(&project.beside("nobody"), 0o777);
    for name in ["files/secret", "files/shut/secret"] {
        project.write(name, "x\n");
    }
    chmod(&project.path("files/secret"), 0o600);
    chmod(&project.path("files/shut"), 0o700);
    let refused = |name: &str| {
        let said = nobody().fails(1).says(&["make it readable, or leave it out with a line in"]);
        assert!(said.stderr.contains(name), "{said:?}");
    };
    refused("files/s");
    project.write("files/.packignore", "secret\n");
    refused("files/shut");
    project.write("files/.packignore", "secret\nshut\n");
    let said = nobody().run();
    assert!(!said.stderr.contains("make it readable"), "{said:?}");
    fs::remove_file(project.path("files/.packignore")).unwrap();
    project.write("build.toml", layer("files = [{ from = \"files/secret\", to = \"/s\" }]"));
    let said = nobody().fails(1).says(&["files/secret", "hint: make it readable"]);
    assert!(!said.stderr.contains(".packignore"), "{said:?}");
}

#[test]
fn patterns_of_others_do_not_fill_memory() {
    let project = Project::small();
    // A megabyte of patterns, each of which is compiled to a thousand times its size.
    let lines =
        |count: usize| -> String { (0..count).map(|at| format!("{}{at}\n", "a*".repeat(2000))).collect() };
    let limited = |run: Run<'_>| {
        let mut command = Command::new("sh");
        command.arg("-c").arg("ulimit -v 1000000; exec \"$0\" \"$@\"");
        let run = run.command();
        command.arg(run.get_program()).args(run.get_args()).current_dir(run.get_current_dir().unwrap());
        command.env_clear();
        for (name, value) in run.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        crate::support::outcome("pack", &command.output().unwrap())
    };
    project.write("files/.packignore", lines(250));
    let said = soon(|| limited(project.pack("build"))).has_code(1);
    said.hints().says(&["the patterns for `", "takes more than 64 MiB of memory"]);
    fs::remove_file(project.path("files/.packignore")).unwrap();
    let list =
        |count: usize| -> String { lines(count).lines().map(|line| format!("\"{line}\", ")).collect() };
    for key in ["include", "exclude"] {
        project.write("build.toml", tree_on("scratch") + &format!("{key} = [{}]\n", list(250)));
        let said = soon(|| limited(project.pack("build"))).has_code(1);
        said.hints().says(&["the patterns for `", "takes more than 64 MiB of memory"]);
    }
    project.write("build.toml", tree_on("scratch") + &format!("exclude = [{}]\n", list(300)));
    let said = soon(|| limited(project.pack("build"))).has_code(1);
    said.hints().says(&["all patterns together are longer than 1048576 bytes", "build.toml:10:"]);
    // Names without wildcards are cheap, and a list of them may be long.
    project.write("build.toml", tree_on("scratch"));
    project.write(
        "files/.packignore",
        (0..20_000).map(|at| format!("/some/where/{at}\n")).collect::<String>() + "a.txt\n",
    );
    assert!(!build(&project).iter().any(|entry| entry["name"] == "srv/a.txt"));
}

#[test]
fn globs_of_a_packed_artifact_are_an_error_and_not_dropped() {
    let project = Project::new();
    let files = webapp();
    project.write("a.war", war(&files));
    for (name, content) in &files {
        project.write(&format!("unpacked/{name}"), content);
    }
    let build_toml = |path: &str| {
        format!(
            "[image]\nname = \"localhost/a\"\ntags = [\"1\"]\n\n[app]\npath = \"{path}\"\nroot = \"/app\"\nexclude = [\"*.txt\"]\n"
        )
    };
    project.write("build.toml", build_toml("a.war"));
    let said = project.pack("build").fails(1).hints();
    said.says(&["choose from a directory, and `a.war` is none", "build.toml:8:"]);
    project.write("build.toml", build_toml("unpacked"));
    assert!(!build(&project).iter().any(|entry| entry["name"] == "app/empty.txt"));
}

/// On a machine with nothing but the lock, a new directory asks for nothing of the base.
#[test]
fn new_directories_in_one_of_the_base_need_no_layer_of_it() {
    let project = Project::new();
    merged_base(&project);
    project.write("build.toml", tree_on("oci:merged").replace("/srv", "/srv/www"));
    project.write("files/one/a", "a\n").write("files/two/b", "b\n").write("files/top", "t\n");
    project.build("-o oci:out");
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("names = [\"old.html\"]") && !lock.contains("\"/srv/www/one\""), "{lock}");
    // The only layer of the base is gone, and so is what the store knew of it.
    let manifest = json(&fs::read_to_string(blob_named(&project, "merged")).unwrap());
    let layer = text(&manifest["layers"][0]["digest"]);
    fs::remove_file(project.path("merged/blobs/sha256").join(layer.strip_prefix("sha256:").unwrap()))
        .unwrap();
    project.write("files/three/c", "c\n");
    let cold = project.beside("cold");
    project.pack("plan --locked").cache(&cold).ok();
    // Whether the base has the name, only the base can tell.
    project.write("files/old.html/d", "d\n");
    project.pack("plan --locked").cache(&cold).fails(1);
}

/// The manifest of a layout of one image.
fn blob_named(project: &Project, layout: &str) -> PathBuf {
    let index = json(&fs::read_to_string(project.path(layout).join("index.json")).unwrap());
    let digest = text(&index["manifests"][0]["digest"]);
    project.path(layout).join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
}

/// A file that is gone when it is read, after it was there when it was looked at.
#[test]
fn a_file_that_vanishes_is_named_and_nothing_is_written() {
    let project = Project::new();
    for at in 0..4000 {
        project.write(&format!("files/0/{at}"), format!("{at}"));
    }
    project.write("files/z", "z\n").write("build.toml", tree_on("scratch"));
    let is_done = AtomicBool::new(false);
    let path = project.path("files/z");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                fs::remove_file(&path).ok();
                std::thread::sleep(Duration::from_millis(1));
                fs::write(&path, "z\n").unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let _done = Finally(&is_done);
        for number in 0..8 {
            let out = format!("out{number}");
            let said = soon(|| project.pack(&format!("build -o oci:{out}")).run());
            match said.code {
                Some(0) => drop(project.pack(&format!("verify oci:{out}")).ok()),
                Some(1) => drop(said.hints().says(&["files/z"])),
                _ => panic!("{said:?}"),
            }
        }
    });
}

#[test]
fn a_path_of_thousands_of_directories_is_refused() {
    let deep = "/a".repeat(2000);
    let table = format!("\n[[layer]]\nname = \"x\"\ndirectories = [{{ path = \"{deep}\" }}]\n");
    let project = Project::small();
    project.append("build.toml", &table);
    project.pack("build").fails(1).says(&["lies in more than 500 directories"]).hints();
    let project = Project::small();
    project.append("build.toml", &table.replace(&deep, &"/a".repeat(400)));
    project.build("");
}

#[test]
fn an_owner_that_changes_nothing_is_none() {
    let project = Project::with(&format!(
        "{}[[layer]]\nname = \"x\"\ndirectories = [{{ path = \"/d\", owner = \"4294967295\" }}]\n",
        tree_on("scratch")
    ));
    project.write("files/a", "a");
    project.pack("build").fails(1).says(&["is not an owner", "4294967294"]);
}

/// All kinds of artifacts that may be directories obey the file, and none packs it.
#[test]
fn directories_of_every_kind_leave_out_what_packignore_names() {
    let kinds: [(&str, &[(&str, &str)]); 5] = [
        ("tree", &[("a.txt", "a")]),
        ("site", &[("index.html", "<p>a</p>")]),
        ("war", &[("WEB-INF/web.xml", "<web-app/>"), ("index.jsp", "a")]),
        ("node", &[("package.json", r#"{"name":"a","version":"1.0.0","main":"a.js"}"#), ("a.js", "1\n")]),
        ("python", &[("__main__.py", "print(1)\n"), ("a.py", "a = 1\n")]),
    ];
    for (kind, files) in kinds {
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/x\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n\
             [app]\npath = \"files\"\nkind = \"{kind}\"\nroot = \"/srv\"\n\n[config]\nentrypoint = []\n"
        ));
        for (name, content) in files {
            project.write(&format!("files/{name}"), content);
        }
        project.write("files/notes/left-out.md", "n\n").write("files/.packignore", "notes/\n");
        let built = project.pack("build -o oci:out").run();
        let mut paths = Vec::new();
        for blob in crate::support::files_below(&project.path("out/blobs/sha256")) {
            let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(fs::File::open(blob).unwrap()));
            // Documents are no archives.
            let entries = tar.entries().unwrap().map_while(Result::ok);
            paths.extend(entries.map(|entry| entry.path().unwrap().display().to_string()));
        }
        let last = files.last().unwrap().0;
        assert!(paths.contains(&format!("srv/{last}")), "{kind}: {paths:?} {built:?}");
        let is_left = |path: &String| path.contains("notes") || path.contains("packignore");
        assert!(!paths.iter().any(is_left), "{kind}: {paths:?}");
    }
}
