//! `pack build --watch` and `pack deps` from the outside: what starts a build, what does not, and how it ends.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pack_test_registry::Fake;
use serde_json::Value;

use crate::real::peers::peer;
use crate::support::{PACK, Project, REPOSITORY, Zip, has_error, json, text, tree_on};

/// The longest time to wait for a build. Other tests run at the same time.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time in which nothing may happen.
const SILENCE: Duration = Duration::from_millis(700);

/// A running watch with `--json`.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    said: Arc<Mutex<String>>,
}

impl Watch {
    fn start(project: &Project, arguments: &str) -> Self {
        let run = project.pack(&format!("build --watch --json {arguments}"));
        let mut child = run.command().stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let said = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&said);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *shared.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { child, lines, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The document of the next build.
    #[track_caller]
    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("{error}: {}", self.said()));
        crate::schemas::hold(&["build", "--watch", "--json"].map(str::to_owned), &line);
        json(&line)
    }

    /// The digest of the image of the next build.
    #[track_caller]
    fn digest(&self) -> String {
        let next = self.next();
        assert!(next["image"].is_object(), "{next}: {}", self.said());
        text(&next["image"]["digest"])
    }

    /// Documents until one is of an image with another digest than this.
    #[track_caller]
    fn until_other(&self, digest: &str) -> String {
        loop {
            let next = self.next();
            if next["image"].is_object() && next["image"]["digest"] != digest {
                return text(&next["image"]["digest"]);
            }
        }
    }

    /// Waits until it said all of this to people, who may hear of it after programs do.
    #[track_caller]
    fn until_said(&self, words: &[&str]) {
        let begun = Instant::now();
        while !words.iter().all(|word| self.said().contains(word)) {
            assert!(begun.elapsed() < PATIENCE, "{words:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn is_silent(&self) {
        if let Ok(line) = self.lines.recv_timeout(SILENCE) {
            panic!("{line}: {}", self.said());
        }
    }

    /// The exit code after Ctrl-C.
    fn interrupted(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let begun = Instant::now();
        let code = self.child.wait().unwrap().code();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        code
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_change_of_what_is_read_builds_once_and_as_a_build_alone_would() {
    let project = Project::small();
    let mut watch = Watch::start(&project, "");
    let first = watch.next();
    assert_eq!((&first["build"], &first["image"]["isNew"]), (&Value::from(1), &Value::from(true)));
    assert!(first["image"]["stages"]["layersMilliseconds"].is_u64(), "{first}");
    let first = text(&first["image"]["digest"]);
    // The lock that the build wrote, and files that are not read.
    project.write("notes.txt", "x").write("files/.a.txt.swp", "x");
    watch.is_silent();
    std::fs::remove_file(project.path("files/.a.txt.swp")).unwrap();
    project.write("files/a.txt", "other\n");
    let second = watch.next();
    assert_eq!(second["changed"], json(r#"["files/a.txt"]"#));
    let second = text(&second["image"]["digest"]);
    assert_ne!(first, second);
    assert_eq!(project.build("").digest(), second);
    // As vim and IntelliJ save: another file takes the place.
    project.write("files/a.txt___jb_tmp___", "third\n");
    std::fs::rename(project.path("files/a.txt"), project.path("files/a.txt___jb_old___")).unwrap();
    std::fs::rename(project.path("files/a.txt___jb_tmp___"), project.path("files/a.txt")).unwrap();
    std::fs::remove_file(project.path("files/a.txt___jb_old___")).unwrap();
    let third = watch.until_other(&second);
    watch.is_silent();
    assert_eq!(project.build("").digest(), third);
    // A new directory, and what comes into it later.
    project.write("files/new/deep/c.txt", "c\n");
    let fourth = watch.until_other(&third);
    watch.is_silent();
    project.write("files/new/deep/d.txt", "d\n");
    let fifth = watch.until_other(&fourth);
    assert_eq!(project.build("").digest(), fifth);
    assert_eq!(watch.interrupted(), Some(0), "{}", watch.said());
    let said = watch.said();
    assert!(said.contains("watching ") && !said.contains("error"), "{said}");
}

#[test]
fn settings_and_ignore_files_are_followed() {
    let project = Project::small();
    project.write("conf/x.xml", "x");
    let watch = Watch::start(&project, "");
    let first = watch.digest();
    project.append(
        "build.toml",
        "\n[[layer]]\nname = \"conf\"\nfiles = [{ from = \"conf\", to = \"/etc/conf\" }]\n",
    );
    let second = watch.until_other(&first);
    project.write("conf/x.xml", "y");
    let third = watch.until_other(&second);
    project.write("conf/.packignore", "*.tmp\n");
    project.write("conf/a.tmp", "a");
    watch.next();
    project.write("conf/a.tmp", "b");
    watch.is_silent();
    assert_eq!(project.build("").digest(), third);
}

#[test]
fn a_fault_is_told_once_and_the_next_change_mends_it() {
    let project = Project::small();
    let right = std::fs::read_to_string(project.path("build.toml")).unwrap();
    let mut watch = Watch::start(&project, "");
    let first = watch.digest();
    project.write("build.toml", "[image\n");
    let failed = watch.next();
    assert_eq!(failed["error"]["exitCode"], 1, "{failed}");
    watch.until_said(&["error[build-file-broken]: ", "waiting for a change"]);
    project.write("build.toml", right);
    assert_eq!(watch.digest(), first);
    // Without its build file the directory is no artifact.
    std::fs::rename(project.path("build.toml"), project.path("gone")).unwrap();
    let failed = watch.next();
    assert!(failed["error"].is_object(), "{failed}");
    std::fs::rename(project.path("gone"), project.path("build.toml")).unwrap();
    assert_eq!(watch.digest(), first);
    assert_eq!(watch.interrupted(), Some(0));
}

#[test]
fn directories_that_go_and_come_again_are_followed() {
    let project = Project::small();
    let watch = Watch::start(&project, "");
    let first = watch.digest();
    std::fs::remove_dir_all(project.path("files")).unwrap();
    assert!(watch.next()["error"].is_object());
    project.write("files/a.txt", "again\n");
    let second = watch.until_other(&first);
    project.write("files/a.txt", "and again\n");
    watch.until_other(&second);
}

#[test]
fn caches_and_files_that_come_before_the_lock_start_no_build() {
    let project = Project::with(
        "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\ntags = [\"1\"]\n[app]\npath = \".\"\nkind = \"node\"\n\
         [config]\nentrypoint = []\n",
    );
    project.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\", \"main\": \"server.js\"}");
    project.write("server.js", "1").write("node_modules/.keep", "");
    crate::checkout::git(&project, "init -q -b main");
    let deps = project.pack("deps --files-json").ok().stdout;
    assert!(deps.contains("/server.js") && !deps.contains(".git/") && !deps.contains("/./"), "{deps}");
    let watch = Watch::start(&project, "");
    let first = watch.digest();
    project.write(".git/index.lock", "").write(".turbo/x", "").write("node_modules/.cache/x", "");
    project.write(".build.lock.Ab12cd", "");
    watch.is_silent();
    project.write("server.js", "2");
    watch.until_other(&first);
}

#[test]
fn a_link_that_leads_elsewhere_is_a_change() {
    let project = Project::with(&tree_on("scratch").replace("\"files\"", "\"current/files\""));
    project.write("one/files/a", "1").write("two/files/a", "2");
    std::os::unix::fs::symlink("one", project.path("current")).unwrap();
    let watch = Watch::start(&project, "");
    let first = watch.digest();
    std::os::unix::fs::symlink("two", project.path("next")).unwrap();
    std::fs::rename(project.path("next"), project.path("current")).unwrap();
    let second = watch.until_other(&first);
    project.write("two/files/a", "3");
    watch.until_other(&second);
}

/// The jar of an application that has one class.
fn jar(class: &[u8]) -> Vec<u8> {
    let mut jar = Zip::default();
    jar.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nMain-Class: a.Main\r\n\r\n");
    jar.stored("a/Main.class", class);
    jar.finish()
}

#[test]
fn a_jar_that_is_written_in_pieces_is_one_build_without_an_error() {
    use std::io::Write as _;
    let settings = "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\ntags = [\"1\"]\n[app]\npath = \"libs/app.jar\"\nroot = \"/app\"\n\
                    [check.allow]\njava-missing = \"none is run\"\n";
    let project = Project::with(settings);
    let class =
        |last: u8| [b"\xca\xfe\xba\xbe\0\0\0\x41\0\x01\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(), &[last]].concat();
    project.write("libs/app.jar", jar(&class(1)));
    let Some(first) = first_digest(&project) else { return };
    let watch = Watch::start(&project, "");
    assert_eq!(watch.digest(), first);
    let bytes = jar(&class(2));
    let mut file = std::fs::File::create(project.path("libs/app.jar")).unwrap();
    for piece in bytes.chunks(bytes.len() / 3) {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(120));
    }
    drop(file);
    let second = watch.next();
    assert!(second["image"].is_object(), "{second}: {}", watch.said());
    assert_ne!(second["image"]["digest"], Value::from(first));
    // In two writes, each of which closes the file: the first is a broken archive.
    let bytes = jar(&class(3));
    project.write("libs/app.jar", &bytes[..bytes.len() / 2]);
    std::thread::sleep(Duration::from_millis(150));
    project.write("libs/app.jar", &bytes);
    let third = watch.next();
    assert!(third["image"].is_object(), "{third}: {}", watch.said());
    assert!(!has_error(&watch.said()), "{}", watch.said());
    // One that stays broken is told.
    project.write("libs/app.jar", "no jar");
    assert!(watch.next()["error"].is_object());
}

/// The digest of a build alone; `None` if the project cannot be built here, which the caller's own asserts would hide.
#[track_caller]
fn first_digest(project: &Project) -> Option<String> {
    let built = project.pack("build --json").run();
    assert_eq!(built.code, Some(0), "{built:?}");
    Some(text(&built.json()["digest"]))
}

#[test]
fn an_output_in_the_tree_that_is_watched_starts_no_build() {
    let project = Project::small();
    project.write("files/.packignore", "/out/\n*.json\n");
    let watch = Watch::start(&project, "-o oci:files/out --metadata-file files/meta.json");
    let first = watch.digest();
    watch.is_silent();
    project.write("files/a.txt", "other");
    watch.until_other(&first);
    watch.is_silent();
}

#[test]
fn an_artifact_that_is_not_there_yet_is_waited_for() {
    let project = Project::small();
    std::fs::rename(project.path("files"), project.path("elsewhere")).unwrap();
    let mut watch = Watch::start(&project, "");
    let failed = watch.next();
    assert_eq!(
        (&failed["build"], &failed["error"]["exitCode"]),
        (&Value::from(1), &Value::from(1)),
        "{failed}"
    );
    std::fs::rename(project.path("elsewhere"), project.path("files")).unwrap();
    watch.digest();
    assert_eq!(watch.interrupted(), Some(0));
}

#[test]
fn flags_that_a_watch_cannot_have_are_refused() {
    let project = Project::small();
    project.pack("build --watch --workspace").fails(2).hints().says(&["one image", "services/cart"]);
    project.pack("build --watch --timings").fails(2).says(&["--timings"]);
    Project::new().pack("build --watch").fails(1).says(&["build.toml"]);
}

#[test]
fn what_a_build_reads_is_listed() {
    let project = Project::with(
        &(tree_on("localhost:9/base:1")
            + "exclude = [\"*.tmp\"]\n[[layer]]\nname = \"c\"\nfiles = [{ from = \"c.xml\", to = \"/c.xml\" }]\n"),
    );
    project.write("files/a", "a").write("files/b.tmp", "b").write("files/sub/c", "c").write("c.xml", "c");
    project.write("files/.packignore", "/sub/\n");
    let of = |names: &[&str]| {
        names.iter().map(|name| format!("{}\n", project.path(name).display())).collect::<String>()
    };
    let listed = project.pack("deps").ok();
    assert_eq!(listed.stdout, of(&["build.toml", "build.lock", "files/.packignore", "files", "c.xml"]));
    let array = project.pack("deps --files-json").ok().json();
    let names = ["build.lock", "build.toml", "c.xml", "files/.packignore", "files/a"];
    let paths: Vec<String> = names.iter().map(|name| project.path(name).display().to_string()).collect();
    assert_eq!(array, Value::from(paths));
    let document = project.pack("deps --json").ok().json();
    assert_eq!(document["base"]["reference"], "localhost:9/base:1");
    let tree = &document["paths"][3];
    assert_eq!(
        (&tree["kind"], &tree["role"], &tree["exclude"]),
        (&"directory".into(), &"artifact".into(), &json(r#"["*.tmp"]"#))
    );
    // Nothing need be there, and nothing is asked.
    std::fs::remove_dir_all(project.path("files")).unwrap();
    project.write(
        "build.toml",
        tree_on("scratch").replace("\"files\"", "\"libs/app-{version}.jar\"").replace("\"tree\"", "\"jar\""),
    );
    let document = project.pack("deps --json").ok().json();
    assert_eq!((&document["paths"][2]["kind"], &document["base"]), (&"pattern".into(), &Value::Null));
    let listed = project.pack("deps").ok().stdout;
    assert_eq!(listed.lines().last(), Some(&*project.path("libs").display().to_string()), "{listed}");
}

/// Pipes and sockets have no content that a build reads. Programs open the paths of JSON, so none is written as another one.
#[test]
fn lists_for_programs_name_regular_files_and_links_as_they_are() {
    let project = Project::small();
    symlink("a.txt", project.path("files/link")).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, project.path("files/pipe"), pipe, mode, 0).unwrap();
    let _socket = UnixListener::bind(project.path("files/socket")).unwrap();
    let listed = project.pack("deps --files-json").ok().stdout;
    assert!(listed.contains("files/link") && listed.contains("files/a.txt"), "{listed}");
    assert!(!listed.contains("files/pipe") && !listed.contains("files/socket"), "{listed}");
    let name = OsStr::from_bytes(b"caf\xe9.txt");
    std::fs::write(project.path("files").join(name), "x").unwrap();
    let said = project.pack("deps --files-json").fails(1).hints().says(&[
        "files/caf\u{fffd}.txt",
        "error[value-unfit]",
        "not UTF-8",
    ]);
    assert_eq!(said.stdout, "");
    project.pack("deps").ok();
    project.write("files/.packignore", "caf*\n").pack("deps --files-json").ok();
}

/// A match of a pattern may be a link, and no name of a file behind it is told.
#[test]
fn nothing_outside_of_an_untrusted_project_is_listed() {
    let project = Project::with(&tree_on("scratch").replace("\"files\"", "\"l?k/dir\""));
    let secret = project.beside("secret");
    std::fs::create_dir_all(secret.join("dir/sub")).unwrap();
    std::fs::write(secret.join("dir/sub/credentials"), "x").unwrap();
    std::os::unix::fs::symlink(&secret, project.path("lnk")).unwrap();
    for form in ["", "--json", "--files-json"] {
        let said = project.pack(&format!("deps --untrusted {form}")).fails(4);
        said.says(&["l?k/dir` lies outside of the project", "`--untrusted` forbids"]);
    }
    // It may come; a wrong pattern is none.
    for (path, code) in [("a?p/files", 0), ("a?p/../files", 1)] {
        project.write("build.toml", tree_on("scratch").replace("\"files\"", &format!("{path:?}")));
        project.pack("deps --untrusted").run().has_code(code);
    }
}

/// The root of a workspace describes no image: the hint names a member that is there.
#[test]
fn the_root_of_a_workspace_is_not_watched() {
    let project = Project::with("[workspace]\nmembers = [\"services/*\"]\n");
    project.write("services/shop/build.toml", tree_on("scratch")).write("services/shop/files/a", "a");
    let hint = "hint: give the directory of one member, as in `pack build services/shop --watch`";
    project.pack("build --watch").fails(1).says(&["describes no image itself", hint]);
    project.pack("build --watch --workspace").fails(2).says(&[hint]);
    let hint = "hint: give the directory of one of its members, such as `services/shop`";
    project.pack("deps --files-json").fails(1).says(&[hint]);
    project.pack("deps services/shop").ok();
    let above = project.path("services");
    let hint = "`pack build ../services/shop --watch`";
    project.pack("build .. --watch").cwd(&above).fails(1).says(&[hint]);
    let mut watch = Watch::start(&project, "services/shop");
    watch.digest();
    assert_eq!(watch.interrupted(), Some(0));
}

/// The line of a file that has this key, without the key.
fn value_of(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
    line.unwrap_or_else(|| panic!("{key} is missing")).trim().to_owned()
}

/// Runs a line as Skaffold and Tilt do, with `pack` in the path.
fn shell(project: &Project, line: &str, variables: &[(&str, &str)]) -> String {
    let bin = project.beside("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(PACK, bin.join("pack")).unwrap();
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(project.root()).env_clear();
    shell.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("HOME", project.beside("home"));
    shell
        .env("PACK_CACHE_DIR", project.cache())
        .env("PACK_SYSTEM_CONFIG", project.beside("etc"))
        .envs(variables.iter().copied());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Its own schema judges it, and finds the fault in one that has one.
#[test]
fn the_file_for_skaffold_has_its_form() {
    let (Some(schema), Some(python)) = (peer("skaffold/skaffold.json"), peer("ci-schemas/python")) else {
        return;
    };
    let project = Project::new();
    let text =
        std::fs::read_to_string(Path::new(REPOSITORY).join("packaging/skaffold/skaffold.yaml")).unwrap();
    for (text, is_valid) in [(text.clone(), true), (text.replace("buildCommand", "buildComand"), false)] {
        project.write("skaffold.yaml", text);
        let mut judge = Command::new("python3");
        judge.env("PYTHONPATH", &python).args(["-m", "check_jsonschema", "--schemafile"]).arg(&schema);
        let said = judge.arg(project.path("skaffold.yaml")).output().unwrap();
        assert_eq!(said.status.success(), is_valid, "{said:?}");
    }
}

/// Skaffold itself is not asked: building it takes minutes. Its reference of `custom` holds: the command of `dependencies`
/// prints a JSON array of paths, and `buildCommand` pushes `$IMAGE` if `$PUSH_IMAGE` is true.
#[test]
fn the_commands_for_skaffold_build_and_list() {
    let file =
        std::fs::read_to_string(Path::new(REPOSITORY).join("packaging/skaffold/skaffold.yaml")).unwrap();
    let fake = Fake::start().unwrap();
    let project = Project::small();
    let listed: Vec<String> =
        serde_json::from_str(&shell(&project, &value_of(&file, "command:"), &[])).unwrap();
    assert!(listed.contains(&project.path("files/sub/b.txt").display().to_string()), "{listed:?}");
    let image = format!("{}/shop/app:v1-dirty", fake.address());
    let built =
        shell(&project, &value_of(&file, "buildCommand:"), &[("IMAGE", &image), ("PUSH_IMAGE", "true")]);
    assert!(built.starts_with(&format!("{}/shop/app@sha256:", fake.address())), "{built}");
    project.pack(&format!("inspect docker://{image}")).ok();
}

/// The interpreter is that of Tilt, and the functions of Tilt are stubs with the parameters of its reference.
#[test]
fn the_tiltfile_runs_and_its_command_builds() {
    let Some(tilt) = peer("tilt/tilt") else { return };
    let fake = Fake::start().unwrap();
    let project = Project::small();
    std::fs::copy(Path::new(REPOSITORY).join("packaging/tilt/Tiltfile"), project.path("Tiltfile")).unwrap();
    let said = shell(&project, &format!("{} Tiltfile", tilt.display()), &[]);
    let calls: Vec<Value> = said.lines().map(json).collect();
    let build = calls.iter().find(|call| call["function"] == "custom_build").unwrap();
    assert!(
        build["deps"].as_array().unwrap().contains(&Value::from(project.path("files").display().to_string())),
        "{build}"
    );
    let image = format!("{}/shop/app:tilt-build-1", fake.address());
    shell(&project, &text(&build["command"]), &[("EXPECTED_REF", &image)]);
    project.pack(&format!("inspect docker://{image}")).ok();
}

#[test]
fn a_build_under_way_is_stopped() {
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("{}/base:1", silent.local_addr().unwrap());
    let project = Project::small();
    let mut watch = Watch::start(&project, &format!("--base {base}"));
    let (_stream, _) = silent.accept().unwrap();
    assert_eq!(watch.interrupted(), Some(130), "{}", watch.said());
    watch.until_said(&["interrupted"]);
}
