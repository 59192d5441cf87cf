//! `pack verify --rebuild`: a project is built again in other surroundings, and the first difference is named.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::real::inputs;
use crate::real::server::Server;
use crate::support::{Outcome, PACK, Project, chmod, files_below, is_root, outcome, text};

const BUILDS: [&str; 10] = [
    "plain",
    "warm",
    "one-thread",
    "many-threads",
    "directory",
    "umask-077",
    "umask-000",
    "locale",
    "user",
    "copy",
];

/// Runs it from a place that every user can reach.
fn rebuilt(project: &Project, arguments: &str) -> Outcome {
    let program = project.beside("pack");
    if !program.exists() && fs::hard_link(PACK, &program).is_err() {
        fs::copy(PACK, &program).unwrap();
    }
    let run = project.pack(arguments).command();
    let mut command = Command::new(program);
    command.args(run.get_args()).env_clear().current_dir(project.root());
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let said = outcome(arguments, &command.output().unwrap());
    let left: Vec<_> = fs::read_dir(project.beside("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    said
}

fn build<'a>(said: &'a Value, name: &str) -> &'a Value {
    said["builds"].as_array().unwrap().iter().find(|build| build["name"] == name).unwrap()
}

#[test]
fn a_reproducible_project_has_one_digest_in_all_surroundings() {
    let project = Project::small();
    let before = files_below(&project.root());
    let said = rebuilt(&project, "verify --rebuild --json").has_code(0).json();
    let names: Vec<String> = said["builds"].as_array().unwrap().iter().map(|it| text(&it["name"])).collect();
    assert_eq!(names, BUILDS);
    for name in BUILDS {
        let build = build(&said, name);
        if name == "user" && !is_root() {
            assert!(text(&build["leftOut"]).contains("only root"), "{build}");
            continue;
        }
        assert_eq!((&build["same"], &build["digest"]), (&true.into(), &said["digest"]), "{build}");
        assert!(build["seconds"].as_f64().unwrap() > 0.0);
    }
    assert!(text(&said["image"]["leftOut"]).contains("no registry"), "{said}");
    assert_eq!(files_below(&project.root()), before, "the project is as it was");
    assert!(!project.cache().join("index.json").exists(), "the store is as it was");
    assert_eq!(project.build("").digest(), text(&said["digest"]));
    let shown = rebuilt(&project, "verify --rebuild . --without copy,user").has_code(0).stdout;
    assert!(
        shown.contains("same      warm") && shown.contains("left out  copy           `--without`"),
        "{shown}"
    );
}

#[test]
fn a_file_that_others_cannot_read_leaves_the_other_user_out() {
    let project = Project::small();
    chmod(&project.path("files/a.txt"), 0o600);
    let said = rebuilt(&project, "verify --rebuild --json").has_code(0).json();
    let reason = text(&build(&said, "user")["leftOut"]);
    let expected = if is_root() { "a.txt` cannot be read by another user" } else { "only root" };
    assert!(reason.contains(expected), "{reason}");
}

#[test]
fn files_of_a_layer_that_a_build_cannot_have_leave_it_out() {
    let project = Project::small();
    project.write("../common/x", "x");
    project.append(
        "build.toml",
        "\n[[layer]]\nname = \"common\"\nfiles = [{ from = \"../common\", to = \"/etc/x\" }]\n",
    );
    let left_out = |name: &str| {
        let said = rebuilt(&project, "verify --rebuild --json").has_code(0).json();
        build(&said, name)["leftOut"].as_str().unwrap_or_default().to_owned()
    };
    assert!(left_out("copy").contains("common` lies outside of"), "{}", left_out("copy"));
    chmod(&project.beside("common/x"), 0o600);
    let expected = if is_root() { "x` cannot be read by another user" } else { "only root" };
    assert!(left_out("user").contains(expected), "{}", left_out("user"));
}

#[test]
fn an_image_that_depends_on_the_modes_of_the_checkout_is_found() {
    let project = Project::with(
        "[image]\nname = \"localhost/modes\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n[[layer]]\nname = \"etc\"\n\
         files = [{ from = \"conf\", to = \"/etc/app\", keep-modes = true }]\n",
    );
    project.write("conf/a", "a");
    chmod(&project.path("conf/a"), 0o644);
    chmod(&project.path("conf"), 0o755);
    let said = rebuilt(&project, "verify --rebuild --json").has_code(1).json();
    assert_eq!((&said["same"], &build(&said, "umask-077")["same"]), (&false.into(), &true.into()), "{said}");
    let difference = &build(&said, "copy")["difference"];
    assert_eq!(text(&difference["path"]), "etc/app", "{difference}");
    assert_eq!(difference["field"], serde_json::json!({ "name": "mode", "a": "0755", "b": "0700" }));
    rebuilt(&project, "verify --rebuild --without copy").has_code(0);
}

#[test]
fn an_artifact_that_changes_between_builds_is_found() {
    let project = Project::small();
    project.write("../changed", "aXc\n").write("files/a.txt", "abc\n");
    let (tmp, changed, file) =
        (project.beside("tmp"), project.beside("changed"), project.path("files/a.txt"));
    let change = std::thread::spawn(move || {
        // When the second build has its directory, the first one has ended.
        let begun = Instant::now();
        let has_begun = || {
            let runs = fs::read_dir(&tmp).unwrap().flatten();
            runs.into_iter().any(|run| run.path().join("one-thread").is_dir())
        };
        while !has_begun() {
            assert!(begun.elapsed() < Duration::from_secs(120), "no build");
            std::thread::sleep(Duration::from_millis(1));
        }
        fs::rename(changed, file).unwrap();
    });
    let said = rebuilt(&project, "verify --rebuild --json").has_code(1).json();
    change.join().unwrap();
    let differing = said["builds"].as_array().unwrap().iter().find(|build| build["same"] == false).unwrap();
    let difference = &differing["difference"];
    assert_eq!(
        (text(&difference["path"]), text(&difference["field"]["name"])),
        ("srv/a.txt".into(), "content".into())
    );
    assert_eq!(difference["byte"], serde_json::json!({ "offset": 1, "a": b'b', "b": b'X' }));
}

#[test]
fn an_image_of_other_content_is_named_to_the_byte() {
    let project = Project::small();
    project.pack("build -o oci:out").ok();
    let few = "--rebuild --without user,copy,umask-000,umask-077,locale,directory,many-threads";
    rebuilt(&project, &format!("verify oci:out {few}")).has_code(0);
    project.write("files/sub/b.txt", "bc\n");
    let said = rebuilt(&project, &format!("verify oci:out {few}")).has_code(1);
    for words in ["differs   oci:out", "srv/sub/b.txt: size: 3 → 2", "first differing byte 1: 0x63 → 0x0a"]
    {
        assert!(said.stdout.contains(words), "{said:?}");
    }
    // Flags decide the image as in its build.
    let flagged = rebuilt(&project, &format!("verify oci:out {few} --json -- --set config.user=7"));
    let said = flagged.has_code(1).json();
    assert_eq!(build(&said, "warm")["same"], true);
    project.write("files/sub/b.txt", "b\n");
    let flagged = rebuilt(&project, &format!("verify oci:out {few} --json -- --set config.user=7"));
    let difference = flagged.has_code(1).json()["image"]["difference"].clone();
    assert!(difference["layer"].is_null() && difference["byte"]["offset"].is_u64(), "{difference}");
    assert_eq!(text(&difference["field"]["name"]), "config.User", "{difference}");
}

#[test]
fn the_tag_in_the_registry_is_compared() {
    const REGISTRY: &str = "tools/docker-registry";
    let Some(program) = inputs(&[REGISTRY]) else { return };
    let project = Project::small();
    let server = Server::start(&program.join(REGISTRY), &project.beside("registry"), false);
    let name = format!("{}/shop/app", server.host());
    let few = "--without user,copy,umask-000,umask-077,locale,directory,many-threads,warm";
    let verify = format!("verify --rebuild {few} --json -- --name {name} -t 1");
    let said = rebuilt(&project, &verify).has_code(0).json();
    assert!(text(&said["image"]["leftOut"]).contains("does not have it"), "{said}");
    project.pack(&format!("build --name {name} -t 1 --push")).ok();
    assert_eq!(rebuilt(&project, &verify).has_code(0).json()["image"]["same"], true);
    project.write("files/a.txt", "b\n");
    let difference = rebuilt(&project, &verify).has_code(1).json()["image"]["difference"].clone();
    assert_eq!((text(&difference["path"]), &difference["byte"]["offset"]), ("srv/a.txt".into(), &0.into()));
    drop(server);
    rebuilt(&project, &verify).has_code(3);
    rebuilt(&project, &format!("verify {name}:1 --rebuild")).has_code(3);
}

#[test]
fn a_wrong_command_is_refused_before_any_build() {
    let project = Project::small();
    let fails = |arguments: &str, code: i32| rebuilt(&project, arguments).has_code(code);
    fails("verify", 2);
    fails("verify oci:out --without copy", 2);
    fails("verify --rebuild --platform linux/amd64", 2);
    fails("verify --rebuild -- --push", 2).says(&["`--rebuild` decides"]).hints();
    fails("verify --rebuild -- --no-such-flag", 2).says(&["--no-such-flag"]).hints();
    fails("verify --rebuild -- files", 2).hints();
    fails("verify --rebuild nowhere", 1);
    fails("verify oci:nowhere --rebuild", 1);
    project.write("../other/build.toml", "[image]\nbase = \"oci:../project/base\"\n\n[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n");
    project.write("../other/files/a", "a").pack("build -o oci:base").ok();
    let other = project.beside("other").display().to_string();
    fails(&format!("verify --rebuild {other}"), 1).says(&["build.lock"]).hints();
    // The hint works.
    project.pack(&format!("build {other}")).ok();
    let shown = fails(&format!("verify --rebuild {other}"), 0).stdout;
    assert!(shown.contains("project/base` lies outside of"), "{shown}");
    fails("verify --rebuild -- --base store:localhost/tree:1", 1).says(&["a store of its own"]).hints();
}

#[test]
fn an_interrupt_ends_the_builds_and_leaves_nothing() {
    let project = Project::small();
    let child = project.pack("verify --rebuild").command().spawn().unwrap();
    let tmp = project.beside("tmp");
    let begun = Instant::now();
    while !fs::read_dir(&tmp).unwrap().flatten().any(|run| run.path().join("plain/stderr").exists()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no build");
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    outcome("verify --rebuild", &child.wait_with_output().unwrap()).has_code(130);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}
