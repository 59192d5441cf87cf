//! Bad input: each gets an error that names what is wrong, leaves nothing half-written, and is over once the
//! input is mended.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{
    Outcome, Project, Zip, chmod, copy_tree, files_below, is_root, noise, skipped, tree_on, war, webapp,
};

/// Builds to the store and to a layout: both fail, say all of `texts`, and leave nothing.
#[track_caller]
fn refused(project: &Project, code: i32, texts: &[&str]) -> Outcome {
    let outcome = project.pack("build").fails(code).says(texts);
    project.pack("build -o oci:out").fails(code).says(texts);
    project.pack("build -o oci-archive:out.tar").fails(code).says(texts);
    assert!(!project.path("out.tar").exists(), "an archive was left");
    assert!(!project.path("out/index.json").exists() || is_empty_layout(&project.path("out")));
    project.check_store();
    outcome
}

/// Whether nothing in a layout can be reached, and what is there is whole.
fn is_empty_layout(layout: &Path) -> bool {
    let index = crate::support::json(&fs::read_to_string(layout.join("index.json")).unwrap());
    let is_whole = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        pack::testing::Digest::of(&fs::read(path).unwrap()).to_string() == format!("sha256:{name}")
    };
    index["manifests"].as_array().unwrap().is_empty()
        && files_below(&layout.join("blobs")).iter().all(is_whole)
}

fn replace(project: &Project, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(project.path(file)).unwrap();
    assert!(text.contains(from), "{text}");
    project.write(file, text.replace(from, to));
}

#[test]
fn no_build_file() {
    let project = Project::new();
    project.pack("build").fails(1).says(&["build.toml"]).hints();
}

#[test]
fn an_unknown_key() {
    let project = Project::small();
    replace(&project, "build.toml", "tags =", "tgas =");
    refused(&project, 1, &["build.toml", "tgas", "^^^^", "tags"]);
    replace(&project, "build.toml", "tgas =", "tags =");
    project.build("");
}

#[test]
fn a_value_of_the_wrong_type() {
    let project = Project::small();
    replace(&project, "build.toml", "[\"1\"]", "1");
    refused(&project, 1, &["build.toml", "tags", "^"]);
    replace(&project, "build.toml", "tags = 1", "tags = [\"1\"]");
    project.build("");
}

#[test]
fn no_toml_at_all() {
    let project = Project::small();
    project.append("build.toml", "\n[app\n");
    refused(&project, 1, &["build.toml", "^"]);
}

#[test]
fn a_missing_artifact() {
    let project = Project::small();
    fs::rename(project.path("files"), project.path("elsewhere")).unwrap();
    refused(&project, 1, &["files"]);
    fs::rename(project.path("elsewhere"), project.path("files")).unwrap();
    project.build("");
}

/// The bookstore with this file as its application.
fn with_war(bytes: &[u8]) -> Project {
    let project = Project::bookstore();
    replace(&project, "build.toml", "\"webapp\"", "\"app.war\"");
    project.write("app.war", bytes);
    project
}

#[track_caller]
fn war_refused(bytes: &[u8], texts: &[&str]) {
    let project = with_war(bytes);
    refused(&project, 1, &[texts, &["app.war"]].concat());
    project.write("app.war", war(&webapp()));
    project.build("");
}

#[test]
fn an_archive_that_is_none() {
    war_refused(b"this is not a zip archive, whatever it is called\n", &["zip"]);
}

#[test]
fn an_empty_archive_file() {
    war_refused(b"", &["empty"]);
}

#[test]
fn a_truncated_archive() {
    let whole = war(&webapp());
    war_refused(&whole[..whole.len() - 100], &["truncated"]);
    war_refused(&whole[..whole.len() / 2], &[]);
}

#[test]
fn a_damaged_archive() {
    let mut bytes = war(&webapp());
    bytes[200] ^= 0xff;
    war_refused(&bytes, &["index.html"]);
}

#[test]
fn archive_entries_with_bad_names() {
    let names = [
        ("../../etc/passwd", ".."),
        ("WEB-INF/../../x", ".."),
        ("/etc/passwd", "absolute"),
        ("a\\b", "backslash"),
        ("WEB-INF/.wh.lib", "deletion"),
    ];
    for (name, why) in names {
        let mut zip = Zip::default();
        zip.stored("WEB-INF/web.xml", b"<web-app/>").stored(name, b"x");
        war_refused(&zip.finish(), &[&name[..2], why]);
    }
}

#[test]
fn archive_entries_with_one_name() {
    let mut zip = Zip::default();
    zip.stored("WEB-INF/web.xml", b"<web-app/>").stored("twice.txt", b"1").stored("twice.txt", b"2");
    war_refused(&zip.finish(), &["twice.txt", "occurs twice"]);
}

#[test]
fn a_link_that_leaves_the_tree() {
    for target in ["../../outside", "/etc/passwd"] {
        let project = Project::small();
        let link = project.path("files/sub/link");
        symlink(target, &link).unwrap();
        let outcome = project.pack("build").run();
        if target.starts_with('/') && outcome.code == Some(0) {
            continue;
        }
        refused(&project, 1, &["files/sub/link", target]).hints();
        fs::remove_file(&link).unwrap();
        project.build("");
    }
}

#[test]
fn a_name_that_deletes() {
    let project = Project::small();
    project.write("files/sub/.wh.a", "");
    refused(&project, 1, &[".wh.a", "deletion"]);
    fs::remove_file(project.path("files/sub/.wh.a")).unwrap();
    project.build("");
}

#[test]
fn a_long_name_that_is_not_text() {
    let project = Project::small();
    let mut name = vec![b'x'; 200];
    name.push(0xff);
    let path = project.path("files").join(std::ffi::OsStr::from_bytes(&name));
    fs::write(&path, "x").unwrap();
    refused(&project, 1, &["not UTF-8", "too long"]);
    fs::remove_file(path).unwrap();
    project.build("");
}

#[test]
fn a_socket() {
    let project = Project::small();
    let path = project.path("files/socket");
    let listener = UnixListener::bind(&path).unwrap();
    refused(&project, 1, &["files/socket", "socket"]).hints();
    drop(listener);
    fs::remove_file(path).unwrap();
    project.build("");
}

#[test]
fn a_named_pipe() {
    let project = Project::small();
    let path = project.path("files/pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    refused(&project, 1, &["files/pipe"]).hints();
}

#[test]
fn an_unreadable_file() {
    let project = Project::small();
    let path = project.path("files/secret");
    fs::write(&path, "x").unwrap();
    chmod(&path, 0);
    fs::create_dir(project.cache()).unwrap();
    chmod(&project.cache(), 0o777);
    let run = project.pack("build");
    let run = if is_root() { run.nobody() } else { run };
    run.fails(1).says(&["files/secret", "ermission denied"]);
    chmod(&path, 0o644);
    run.built("");
}

#[test]
fn an_unreadable_file_of_one_layer_stops_the_others_and_is_what_is_told() {
    for secret in ["large", "middle", "small"] {
        let project = Project::with(&tree_on("scratch"));
        for (number, (name, size)) in
            [("large", 30_000_000), ("middle", 9_000_000), ("small", 4000)].iter().enumerate()
        {
            project.write(&format!("{name}/file"), noise(number as u64 + 1, *size));
            project.append("build.toml", &format!("\n[[layer]]\nname = \"{name}\"\nfiles = [{{ from = \"{name}\", to = \"/opt/{name}\" }}]\n"));
        }
        project.write("files/a.txt", "a");
        let path = project.path(&format!("{secret}/file"));
        chmod(&path, 0);
        fs::create_dir(project.cache()).unwrap();
        chmod(&project.cache(), 0o777);
        let run = project.pack("build");
        let run = if is_root() { run.nobody() } else { run };
        let said = run.fails(1).says(&[&format!("{secret}/file"), "ermission denied"]);
        assert!(!said.stderr.contains("interrupted"), "{said:?}");
        chmod(&path, 0o644);
        run.built("");
    }
}

#[test]
fn a_file_that_changes_while_it_is_read() {
    let project = Project::small();
    let path = project.path("files/growing.log");
    project.write("files/growing.log", noise(1, 40_000_000));
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let growing = path.clone();
    let writer = std::thread::spawn(move || {
        let mut file = fs::File::options().append(true).open(growing).unwrap();
        while stopped.recv_timeout(Duration::from_millis(1)).is_err() {
            std::io::Write::write_all(&mut file, b"more\n").unwrap();
        }
    });
    let outcome = project.pack("build").run();
    stop.send(()).unwrap();
    writer.join().unwrap();
    let outcome = outcome.has_code(1).says(&["growing.log", "changed while it was read"]).hints();
    assert_eq!(outcome.stdout, "");
    project.check_store();
    project.build("");
}

#[test]
fn a_base_that_is_not_there() {
    let project = Project::with(&tree_on("oci:missing"));
    project.write("files/a", "a");
    refused(&project, 1, &["missing"]);
    fs::create_dir(project.path("missing")).unwrap();
    refused(&project, 1, &["missing", "not an OCI image layout"]);
}

#[test]
fn a_base_in_a_registry_that_is_down() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("127.0.0.1:{port}");
    let project = Project::with(&tree_on(&format!("{host}/base:1")));
    project.write("files/a", "a");
    project.pack("build").fails(3).says(&[&host]);
    project.pack("build --offline").fails(1).says(&["network must not be used"]);
    project.check_store();
    replace(&project, "build.toml", &format!("{host}/base:1"), "scratch");
    project.build("");
}

#[test]
fn a_base_for_another_platform() {
    let project = Project::bookstore();
    project.pack("build --platform linux/arm64").fails(1).says(&["linux/arm64", "linux/amd64"]);
    project.check_store();
    project.build("--platform linux/amd64");
}

#[test]
fn a_damaged_base() {
    let blobs = files_below(&Project::bookstore().path("base/blobs"));
    assert_eq!(blobs.len(), 3);
    for blob in blobs {
        for same_length in [true, false] {
            let project = Project::bookstore();
            let name = blob.file_name().unwrap().to_str().unwrap();
            let path = project.path("base/blobs/sha256").join(name);
            let good = fs::read(&path).unwrap();
            let mut bytes = good.clone();
            if same_length {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            } else {
                bytes.truncate(bytes.len() / 2);
            }
            fs::write(&path, bytes).unwrap();
            project.pack("build").fails(1).says(&[&name[..12]]);
            project.pack("build -o oci:out").fails(1).says(&[&name[..12]]);
            project.check_store();
            fs::write(&path, good).unwrap();
            project.build("");
            project.build("-o oci:out");
        }
    }
}

#[test]
fn a_program_that_the_base_cannot_start() {
    let program = ["/bin/dash", "/bin/bash"].into_iter().find(|path| Path::new(path).exists());
    let Some(program) = program else { return skipped("dynamic program", "no shell is where shells are") };
    let project = Project::with(
        "[image]\nname = \"localhost/tool\"\nbase = \"scratch\"\ntags = [\"1\"]\n[app]\npath = \"tool\"\n",
    );
    fs::copy(program, project.path("tool")).unwrap();
    let refused = refused(&project, 1, &["tool", "lacks `/lib64/ld-linux", "has no C library at all"]);
    let refused = refused.hints();
    assert!(!refused.stderr.contains("libc.so.6"), "one sentence, not three: {refused:?}");
}

/// The beginning of a class file with this name in its constant pool.
fn class_using(name: &str) -> Vec<u8> {
    let mut class = b"\xca\xfe\xba\xbe\0\0\0\x34\0\x03\x07\0\x02\x01".to_vec();
    class.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
    class.extend(name.as_bytes());
    class.extend([0; 16]);
    class
}

#[test]
fn an_application_for_another_servlet_api() {
    let mut files = webapp();
    let class = "WEB-INF/classes/shop/Hello.class".to_owned();
    files.push((class.clone(), class_using("javax/servlet/http/HttpServlet")));
    let project = with_war(&war(&files));
    refused(&project, 1, &["app.war", "javax.servlet", "Hello.class", "Tomcat 10"]).hints();
    files.pop();
    files.push((class, class_using("jakarta/servlet/http/HttpServlet")));
    project.write("app.war", war(&files));
    project.build("");
}

#[test]
fn an_output_that_is_something_else() {
    let project = Project::small();
    project.write("out/precious.txt", "mine");
    project.pack("build -o oci:out").fails(1).says(&["out", "not empty"]);
    assert_eq!(files_below(&project.path("out")), [project.path("out/precious.txt")]);
    assert_eq!(fs::read_to_string(project.path("out/precious.txt")).unwrap(), "mine");
    project.build("-o oci:other");
}

#[test]
fn an_output_below_a_file() {
    let project = Project::small();
    project.pack("build -o oci-archive:files/a.txt/out.tar").fails(1).says(&["files/a.txt"]);
    project.check_store();
}

/// Unmounts at the end.
struct Mount(std::path::PathBuf);

impl Mount {
    fn small(directory: &Path) -> Option<Self> {
        fs::create_dir_all(directory).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(directory);
        let output = mount.output().ok()?;
        output.status.success().then(|| Self(directory.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_disk() {
    let project = Project::small();
    project.write("files/large", noise(3, 8_000_000));
    let Some(_cache) = Mount::small(&project.cache()) else {
        return skipped("full disk", "mounting is not permitted");
    };
    project.pack("build").fails(1).says(&["No space left on device"]).hints();
    project.check_store();
    let Some(_out) = Mount::small(&project.path("out")) else { return };
    let elsewhere = project.beside("large-cache");
    let run = project.pack("build -o oci-archive:out/image.tar").cache(&elsewhere);
    run.fails(1).says(&["image.tar", "No space left on device"]);
    assert_eq!(files_below(&project.path("out")), Vec::<std::path::PathBuf>::new());
    fs::write(project.path("files/large"), "small now").unwrap();
    project.build("");
}

#[test]
fn a_cache_that_cannot_be_written() {
    if !is_root() {
        return skipped("read-only cache", "only root can become another user");
    }
    let project = Project::small();
    let good = project.build("");
    chmod(&project.root(), 0o777);
    let run = project.pack("build").nobody();
    run.fails(1).says(&["cannot be written"]).hints();
    let built = project.pack("build").nobody().built("-o oci:out");
    assert_eq!(built.digest(), good.digest());
    project.check_store();
}

/// Files that this user may not read are not called damaged, and stay where they are.
#[test]
fn files_of_a_store_that_may_not_be_read_are_no_damage() {
    if !is_root() {
        return skipped("a file of another user", "only root can become another user");
    }
    let project = Project::small();
    let layer = project.build("").layers()[0].blob.replace("sha256:", "blobs/sha256/");
    let layer = project.cache().join(layer);
    let memo = files_below(&project.cache().join("memo")).pop().unwrap();
    chmod(&project.cache(), 0o777);
    for path in [&layer, &memo] {
        chmod(path, 0o600);
        let said = project.pack("cache verify").nobody().fails(1).hints();
        said.says(&["error[store-unusable]", "Permission denied", &path.display().to_string()]);
        assert!(path.exists(), "{path:?}");
        chmod(path, 0o644);
    }
    project.check_store();
}

/// A command that is about the store says so; a build only warns and works without.
#[test]
fn a_store_that_may_not_be_read_is_unusable_for_each_command_about_it() {
    if !is_root() {
        return skipped("a store of another user", "only root can become another user");
    }
    let project = Project::small();
    project.build("--name localhost/demo -t 1");
    chmod(&project.cache(), 0o700);
    for command in [
        "images",
        "rm localhost/demo:1",
        "inspect store:localhost/demo:1",
        "copy store:localhost/demo:1 oci:out:1",
        "diff store:localhost/demo:1 store:localhost/demo:1",
        "cache info",
        "cache verify",
        "serve 127.0.0.1:0",
    ] {
        let run = project.pack(command).nobody();
        run.fails(1)
            .says(&["[store-unusable]", "may not read the local store", "hint: let this user"])
            .hints();
    }
}

#[test]
fn a_cache_that_is_a_file() {
    let project = Project::small();
    fs::write(project.cache(), "not a directory").unwrap();
    project.pack("build").fails(1).says(&["cannot be written"]).hints();
    project.build("-o oci:out");
}

/// Interrupts a build once something of it is in `directory`.
#[track_caller]
fn interrupted(project: &Project, arguments: &str) {
    let mut child = project.pack(arguments).command().spawn().unwrap();
    let begun = Instant::now();
    let is_partial = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(".tmp") && fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
    };
    while !files_below(&project.cache()).iter().any(is_partial) {
        assert!(child.try_wait().unwrap().is_none(), "finished before it could be interrupted");
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing was written");
        std::thread::sleep(Duration::from_millis(2));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(output.stdout.is_empty(), "{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
}

#[test]
fn an_interrupted_build() {
    let project = Project::small();
    let before = project.build("");
    project.build("-o oci:out:1");
    for number in 0..6 {
        project.write(&format!("files/large-{number}"), noise(number, 10_000_000));
    }
    interrupted(&project, "build --jobs 1 --compression gzip:9");
    interrupted(&project, "build --jobs 1 --compression gzip:9 -o oci:out:1");
    interrupted(&project, "build --jobs 1 --compression gzip:9 -o oci-archive:out.tar");
    project.check_store();
    assert!(!project.path("out.tar").exists());
    let left = fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = left.filter(|name| name.as_bytes().starts_with(b".")).collect();
    assert_eq!(hidden, Vec::<std::ffi::OsString>::new(), "temporary files beside the output");
    for name in ["localhost/tree:1", "oci:out:1"] {
        let verified = project.pack(&format!("verify {name}")).ok();
        assert!(verified.stdout.starts_with(&before.digest()), "the old tag was moved: {verified:?}");
    }
    let after = project.build("");
    assert_ne!(after.digest(), before.digest());
}

#[test]
fn a_lock_that_is_none() {
    let project = Project::bookstore();
    project.append("build.lock", "\n<<<<<<< ours\n");
    project.pack("build").fails(1).says(&["build.lock", "merge conflict"]).hints();
    project.check_store();
}

#[test]
fn bad_input_does_not_touch_what_is_there() {
    let project = Project::small();
    project.build("-o oci:out");
    let copy = project.beside("before");
    copy_tree(&project.path("out"), &copy);
    symlink("../../../outside", project.path("files/link")).unwrap();
    project.pack("build -o oci:out").fails(1);
    let listing = |root: &Path| -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let files = files_below(root).into_iter();
        files.map(|path| (path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
    };
    assert_eq!(listing(&project.path("out")), listing(&copy));
}
