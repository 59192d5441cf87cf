//! Many members in one run: what they share, how they fail, and which of them are built.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::checkout::{git, git_in};
use crate::support::{Outcome, Project, json, outcome, settle, text};

pub(crate) mod pushed;

use pushed::Pushed;

/// A workspace of three members on two bases, which are in the registry.
fn town(registry: &Pushed) -> Project {
    let project = Project::new();
    for base in ["one", "two"] {
        project.write(&format!("bases/{base}/files/etc/{base}"), base);
        let address = &registry.address;
        project.write(
            &format!("bases/{base}/build.toml"),
            format!(
                "[image]\nname = \"{address}/base/{base}\"\nbase = \"scratch\"\ntags = [\"1\"]\n\
                 [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n"
            ),
        );
        project.pack("build --push").arg(format!("bases/{base}")).ok();
    }
    fs::remove_dir_all(project.path("bases")).unwrap();
    workspace(&project, &registry.address);
    registry.take_log();
    project
}

/// The files of the workspace: the members `a` and `c` stand on one base, and `b` on the other.
fn workspace(project: &Project, address: &str) {
    project.write(
        "build.toml",
        format!(
            "[workspace]\nmembers = [\"services/*\"]\n[workspace.image]\nname = \"{address}/shop\"\n\
             base = \"{address}/base/one:1\"\ntags = [\"1\"]\n[workspace.config]\nuser = \"1000:1000\"\n"
        ),
    );
    project.write("common/all.txt", "for all");
    let last = project.path("services/c/files/own.txt");
    for name in ["a", "b", "c"] {
        let image =
            if name == "b" { format!("[image]\nbase = \"{address}/base/two:1\"\n") } else { String::new() };
        project.write(
            &format!("services/{name}/build.toml"),
            format!(
                "{image}[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n[[layer]]\nname = \"shared\"\n\
                 files = [{{ from = \"../../common\", to = \"/usr/share/all\" }}]\n"
            ),
        );
        project.write(&format!("services/{name}/files/own.txt"), name);
    }
    settle(&last);
}

/// The names of members that a run built, and of those that it left out.
fn built(outcome: &Outcome) -> (Vec<String>, Vec<String>) {
    let json = outcome.json();
    let all = |key: &str| json[key].as_array().unwrap().clone();
    let built = all("members").iter().map(|member| text(&member["member"])).collect();
    (built, all("leftOut").iter().map(text).collect())
}

fn ends(json: &Value) -> Vec<(String, String)> {
    let members = json["members"].as_array().unwrap();
    members.iter().map(|member| (text(&member["member"]), text(&member["end"]))).collect()
}

fn digests(stdout: &str) -> Vec<String> {
    stdout.lines().map(|line| line.split('@').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn members_are_built_in_one_run_with_one_lock() {
    let registry = Pushed::start();
    let project = town(&registry);
    let cold = project.pack("build --workspace --push").ok();
    let names: Vec<&str> = cold.stdout.lines().map(|line| line.split('@').next().unwrap()).collect();
    let expected: Vec<String> =
        ["a", "b", "c"].map(|name| format!("{}/shop/{name}", registry.address)).into();
    assert_eq!(names, expected);
    let log = registry.take_log();
    let asked = |part: &str| log.iter().filter(|line| line.contains(part)).count();
    assert_eq!((asked("/base/one/manifests/1"), asked("/base/two/manifests/1")), (1, 1), "{log:#?}");
    for (name, digest) in ["a", "b", "c"].iter().zip(digests(&cold.stdout)) {
        assert_eq!(registry.tag(&format!("shop/{name}"), "1"), Some(digest));
    }
    // One lock, at the root, of both bases.
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert_eq!(lock.matches("\nreference = ").count(), 2, "{lock}");
    assert!(!project.path("services/a/build.lock").exists());

    // Nothing changed: one request for each member.
    let again = project.pack("build --workspace --push --json").ok();
    let log = registry.take_log();
    assert_eq!(log.len(), 3, "{log:#?}");
    assert!(log.iter().all(|line| line.starts_with("HEAD ") && line.ends_with("/manifests/1")), "{log:#?}");
    let unchanged = |name: &str| (name.to_owned(), "unchanged".to_owned());
    assert_eq!(ends(&again.json()), [unchanged("a"), unchanged("b"), unchanged("c")]);

    // A member by itself is the same, from this store and from an empty one.
    for (name, digest) in ["a", "b", "c"].iter().zip(digests(&cold.stdout)) {
        let alone = project.pack("build --push").arg(format!("services/{name}"));
        assert_eq!(digests(&alone.ok().stdout), std::slice::from_ref(&digest));
        assert_eq!(digests(&alone.cache(&project.beside("empty")).ok().stdout), [digest]);
    }
    assert_eq!(fs::read_to_string(project.path("build.lock")).unwrap(), lock);

    // In another order of work, too.
    for jobs in ["1", "5"] {
        let run = project.pack("build --workspace --jobs").arg(jobs).cache(&project.beside(jobs));
        assert_eq!(digests(&run.ok().stdout), digests(&cold.stdout));
    }
    project.check_store();
}

#[test]
fn one_changed_member_is_built_and_the_others_are_asked_for() {
    let registry = Pushed::start();
    let project = town(&registry);
    project.pack("build --workspace --push").ok();
    registry.take_log();
    project.write("services/b/files/own.txt", "another");
    let refs = project.beside("refs");
    let run = project
        .pack("build --workspace --push --allow-retag --json --image-refs")
        .arg(refs.display().to_string());
    let run = run.ok().says(&["1 built, 2 unchanged"]);
    let end = |name: &str, end: &str| (name.to_owned(), end.to_owned());
    assert_eq!(ends(&run.json()), [end("a", "unchanged"), end("b", "built"), end("c", "unchanged")]);
    assert_eq!(fs::read_to_string(refs).unwrap().lines().count(), 3);
    let log = registry.take_log();
    let of = |name: &str| log.iter().filter(|line| line.contains(&format!("/shop/{name}/"))).count();
    assert_eq!((of("a"), of("c")), (1, 1), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("/base/")), "{log:#?}");
}

#[test]
fn a_run_says_where_its_time_went() {
    let registry = Pushed::start();
    let project = town(&registry);
    let written = |name: &str| {
        let file = project.beside(name);
        let run = project.pack("build --workspace --push").arg(format!("--timings={}", file.display()));
        run.ok().says(&["where the time went"]);
        fs::read_to_string(file).unwrap()
    };
    let page = written("page.html");
    for text in ["a: shared", "b: shared", "c: shared", "3 images"] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert!(text(&json(&written("trace.json"))["otherData"]["result"]).contains("3 images"));
    // Nothing was written where nothing may be.
    project.pack("build --workspace --timings=services/a/files/t.json").fails(1);
}

#[test]
fn equal_layers_are_built_once() {
    let registry = Pushed::start();
    let project = town(&registry);
    let run = project.pack("build --workspace --json").ok().json();
    let layers = run["members"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|member| member["image"]["images"][0]["layers"].as_array().unwrap().clone());
    let shared: Vec<Value> = layers.filter(|layer| layer["name"] == "shared").collect();
    let built = shared.iter().filter(|layer| layer["state"]["kind"] == "built").count();
    assert_eq!((shared.len(), built), (3, 1), "{shared:#?}");
}

#[test]
fn a_member_that_fails_leaves_the_others_right() {
    let registry = Pushed::start();
    let project = town(&registry);
    fs::remove_dir_all(project.path("services/b/files")).unwrap();
    // A fault that is known before the first begins keeps all from beginning.
    let run = project.pack("build --workspace --push").run().has_code(1);
    let run = run.says(&["the member `b` failed", "1 failed, 2 not started"]);
    assert_eq!((run.stdout.as_str(), registry.take_log().len()), ("", 0));
    let run = project.pack("build --workspace --push --keep-going --json").run().has_code(1);
    let run = run.says(&["the member `b` failed", "2 built, 1 failed"]);
    let end = |name: &str, end: &str| (name.to_owned(), end.to_owned());
    assert_eq!(ends(&run.json()), [end("a", "built"), end("b", "failed"), end("c", "built")]);
    assert!(registry.tag("shop/a", "1").is_some() && registry.tag("shop/b", "1").is_none());
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("/base/one:1") && !lock.contains("/base/two:1"), "{lock}");
    // A registry that lacks a base is the registry's failure, and the first failure decides.
    project.write("services/b/files/own.txt", "b");
    let build_file = fs::read_to_string(project.path("services/b/build.toml")).unwrap();
    project.write("services/b/build.toml", build_file.replace("base/two:1", "base/none:1"));
    let run = project.pack("build --workspace --push --keep-going").run();
    assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 2, "{run:?}");
    // Those that had not begun do not begin; that of one worker is known.
    let run = project.pack("build --workspace --jobs 1").cache(&project.beside("fresh")).run();
    assert_ne!(run.code, Some(0));
    assert!(run.says(&["the member `b` failed"]).stdout.lines().count() <= 2);
}

#[test]
fn a_member_that_cannot_be_planned_hides_no_other() {
    let registry = Pushed::start();
    let project = town(&registry);
    fs::remove_dir_all(project.path("services/a/files")).unwrap();
    let plan = project.pack("plan --workspace").run().has_code(1).says(&["the member `a` failed"]);
    assert!(plan.stdout.contains("member    b: ") && plan.stdout.contains("member    c: "), "{plan:?}");
    let plan = project.pack("plan --workspace --json").run().has_code(1).json();
    let members = plan["members"].as_array().unwrap();
    assert!(members[0]["error"].is_string() && members[2]["plan"].is_object(), "{plan}");
    let check =
        project.pack("check --workspace --json").run().has_code(1).says(&["the member `a` failed"]).json();
    let names: Vec<String> =
        check["members"].as_array().unwrap().iter().map(|member| text(&member["member"])).collect();
    assert_eq!(names, ["b", "c", "a"]);
    project.pack("check --workspace --sarif all.sarif").run().has_code(1);
    assert!(project.path("all.sarif").exists());
}

#[test]
fn an_interrupted_run_keeps_what_it_pushed_and_goes_on() {
    let registry = Pushed::start();
    let project = town(&registry);
    let refs = project.beside("refs");
    let run = || {
        let results = project.beside("results.json").display().to_string();
        let run = project.pack("build --workspace --push --json --results").arg(results);
        run.arg("--image-refs").arg(refs.display().to_string())
    };
    registry.hold("PUT /v2/shop/b/manifests/");
    let mut child = run().command().spawn().unwrap();
    // The registry has an image before the command knows of it.
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let done = said.by_ref().filter(|line| line.contains("] done ")).take(2).count();
    assert_eq!(done, 2, "it ended before it could be interrupted");
    let rest = std::thread::spawn(move || said.for_each(drop));
    let begun = Instant::now();
    while !registry.holds_one() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:#?}", registry.take_log());
        std::thread::sleep(Duration::from_millis(5));
    }
    let is_pushed = |name: &str| registry.tag(&format!("shop/{name}"), "1").is_some();
    assert!(is_pushed("a") && is_pushed("c"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let stopped = outcome("interrupted", &child.wait_with_output().unwrap()).has_code(130);
    rest.join().unwrap();
    assert!(!is_pushed("b"));
    registry.release();
    let end = |name: &str, end: &str| (name.to_owned(), end.to_owned());
    let ended = [end("a", "built"), end("b", "stopped"), end("c", "built")];
    assert_eq!(ends(&stopped.json()), ended);
    let results = fs::read_to_string(project.beside("results.json")).unwrap();
    assert_eq!(ends(&json(&results)), ended);
    assert_eq!(fs::read_to_string(&refs).unwrap().lines().count(), 2);
    // The same command goes on.
    let run = run().ok();
    assert_eq!(ends(&run.json()), [end("a", "unchanged"), end("b", "built"), end("c", "unchanged")]);
    assert!(is_pushed("b"));
    project.check_store();
}

/// The names in files for CI, which are those of the command and not of the images that it finished.
#[test]
fn files_about_members_have_the_names_of_members_in_every_run() {
    let registry = Pushed::start();
    let project = committed(&registry);
    // Beside the tree, which would have uncommitted files otherwise.
    let [output, summary, dotenv, metadata] =
        ["output", "summary", "dotenv", "metadata.json"].map(|name| project.beside(name));
    let files = format!(
        "--ci github --ci gitlab={} --metadata-file {} --allow-retag",
        dotenv.display(),
        metadata.display()
    );
    let check = |flags: &str, code: i32, members: &[&str]| {
        fs::write(&output, "").unwrap();
        let run = project.pack("build --push").args(flags).args(&files);
        let run = run.env("GITHUB_OUTPUT", &output.display().to_string());
        run.env("GITHUB_STEP_SUMMARY", &summary.display().to_string()).run().has_code(code);
        let variables = fs::read_to_string(&dotenv).unwrap();
        let names: Vec<&str> = variables.lines().map(|line| line.split('=').next().unwrap()).collect();
        let expected: Vec<String> = members
            .iter()
            .flat_map(|name| ["IMAGE", "DIGEST", "TAG"].map(|what| format!("PACK_{what}_SHOP_{name}")))
            .collect();
        assert_eq!(names, expected, "{flags}");
        let described = json(&fs::read_to_string(&metadata).unwrap());
        let names: Vec<&String> = described.as_object().unwrap().keys().collect();
        let expected: Vec<String> =
            members.iter().map(|name| format!("{}/shop/{}", registry.address, name.to_lowercase())).collect();
        assert_eq!(names, expected.iter().collect::<Vec<_>>(), "{flags}");
        let outputs = fs::read_to_string(&output).unwrap();
        assert_eq!(outputs.matches("<<").count(), 1, "{flags}: {outputs}");
        assert!(outputs.starts_with("images<<"), "{flags}: {outputs}");
    };
    check("--workspace", 0, &["A", "B", "C"]);
    check("-p a", 0, &["A"]);
    check("-p a -p b --shard 1/2", 0, &["A"]);
    check("--workspace --changed-since HEAD", 0, &[]);
    project.write("services/a/files/own.txt", "changed");
    check("-p a -p b --changed-since HEAD", 0, &["A"]);
    fs::remove_dir_all(project.path("services/b/files")).unwrap();
    check("-p a -p b --keep-going", 1, &["A"]);
}

#[test]
fn a_file_that_cannot_be_about_members_is_refused_before_the_first() {
    let registry = Pushed::start();
    let project = town(&registry);
    let refused = |flags: &str, code: i32, words: &[&str]| {
        project.pack("build --push").args(flags).fails(code).says(words).hints();
        let log = registry.take_log();
        assert!(!log.iter().any(|line| !line.starts_with("GET ") && !line.starts_with("HEAD ")), "{log:#?}");
        assert!(log.iter().all(|line| !line.contains("/shop/")), "{flags}: {log:#?}");
    };
    for members in ["--workspace", "-p a -p b", "-p a", "--workspace --keep-going"] {
        for flag in ["--ci jib=jib", "--iidfile id"] {
            refused(&format!("{members} {flag}"), 2, &["is about one image", "are several"]);
        }
    }
    // A member by its path is one image.
    project.pack("build services/a --ci jib=jib --iidfile id").ok();
    for flag in
        ["--ci gitlab=services/a", "--metadata-file=services/a/build.toml/x", "--results=/proc/none/x"]
    {
        let said = project.pack("build --workspace --push").args(flag).fails(1);
        assert!(said.stderr.contains("cannot write"), "{said:?}");
    }
    for flag in
        ["--metadata-file={name}.json", "--results={name}", "--timings=a/{nam}.html", "--ci jib={name}"]
    {
        refused(&format!("--workspace {flag}"), 2, &["has the variable `{na"]);
    }
    // Two images with one variable.
    for (name, other) in [("a", "web-ui"), ("b", "web_ui")] {
        let file = format!("services/{name}/build.toml");
        let toml = fs::read_to_string(project.path(&file)).unwrap();
        let toml = toml.strip_prefix("[image]\n").unwrap_or(&toml);
        project.write(&file, format!("[image]\nname = \"{}/own/{other}\"\n{toml}", registry.address));
    }
    refused(
        "--workspace --ci gitlab=dotenv",
        1,
        &["two images have the same variable `PACK_IMAGE_OWN_WEB_UI`"],
    );
    assert!(!project.path("dotenv").exists());
}

#[test]
fn a_place_with_the_name_of_a_member_is_that_of_a_member() {
    let registry = Pushed::start();
    let project = town(&registry);
    project.pack("build services/a -o oci:out/{name}").ok();
    assert!(project.path("out/a/index.json").exists() && !project.path("out/{name}").exists());
    let said = project.pack("build services/a -o oci:out/{nam}").fails(2);
    said.says(&["`{nam}` is no variable", "did you mean `{name}`"]);
    let alone = Project::small();
    for output in ["oci:out/{name}", "oci-archive:{name}.tar", "docker-archive:out/{name}.tar"] {
        let said = alone.pack("build -o").arg(output).fails(2);
        said.says(&["is the name of a member of a workspace, and this is no member"]).hints();
    }
    alone.pack("build -o oci:out/{nam}").fails(2).says(&["`{nam}` is no variable"]).hints();
    alone.pack("build -o oci:made").ok();
    alone.pack("copy oci:made oci:{name}").fails(2).says(&["this is no member"]).hints();
    alone.pack("build --metadata-file out/{name}.json").fails(2).says(&["has the variable `{name}`"]).hints();
    assert!(!alone.path("out").exists());
}

#[test]
fn members_are_chosen_by_name_and_by_path() {
    let registry = Pushed::start();
    let project = town(&registry);
    let run = |arguments: &str| project.pack("build --json").args(arguments);
    assert_eq!(built(&run("-p c -p a").ok()).0, ["a", "c"]);
    assert_eq!(built(&run("-p services/[ab]").ok()).0, ["a", "b"]);
    assert_eq!(built(&run("--workspace").cwd(&project.path("services/b/files")).ok()).0, ["a", "b", "c"]);
    assert_eq!(built(&run("-p b services/a").ok()).0, ["b"], "PATH says where the workspace is");
    project.pack("build -p d").fails(1).says(&["no member of the workspace is called `d`"]).hints();
    project.pack("build -p [").fails(2).hints();
    project.pack("build").fails(1).says(&["describes no image itself", "`--workspace`"]);
    run("--workspace --name localhost/x").fails(2).says(&["`--name` is about one image"]);
    run("--workspace -f other.toml").fails(2).says(&["`--file` is about one image"]);
    run("--workspace -o oci:out").fails(2).says(&["write `-o oci:out/{name}`"]);
    run("--workspace -o oci:../out/{nam}")
        .fails(2)
        .says(&["`{nam}` is no variable", "did you mean `{name}`"]);
    run("--workspace -o oci:../out/{name}").ok();
    for name in ["a", "b", "c"] {
        project.pack("verify").arg(format!("oci:../out/{name}")).ok();
    }
}

#[test]
fn an_excluded_member_says_that_it_is_and_stands_alone() {
    let registry = Pushed::start();
    let project = town(&registry);
    let root = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write(
        "build.toml",
        root.replace("[workspace.image]", "exclude = [\"services/b\"]\n[workspace.image]"),
    );
    let said = project.pack("build -p b").fails(1);
    said.says(&["`services/b` is no member of the workspace: `exclude` leaves it out"]).hints();
    project.pack("build -p services/").fails(1).says(&["hint: `services/*` matches the members in it"]);
    project.pack("build services/b").ok();
    let said = project.pack("build services/b --push").fails(2);
    said.says(&[
        "to push, the image needs a name",
        "/build.toml` leaves this directory out of the workspace",
    ])
    .hints();
}

/// A command without flags for members tells no such flags.
#[test]
fn the_root_of_a_workspace_is_answered_with_what_the_command_takes() {
    let registry = Pushed::start();
    let project = town(&registry);
    for command in ["build", "plan", "check", "update"] {
        project.pack(command).fails(1).says(&["`--workspace` means all of its members, and `-p NAME` some"]);
        project.pack(command).args("--workspace").ok();
    }
    let said = project.pack("verify --rebuild .").fails(1).says(&[
        "describes no image itself",
        "name one of its members by its path: `--rebuild ",
        "/services/a`",
    ]);
    assert!(!said.stderr.contains("--workspace"), "{}", said.stderr);
}

/// `localhost` and `127.0.0.1` are one registry here: the second member learns which one took its tag.
#[test]
fn a_tag_that_another_member_took_in_this_run_names_it() {
    let registry = Pushed::start();
    let project = town(&registry);
    let other = registry.address.replace("127.0.0.1", "localhost");
    assert_ne!(other, registry.address);
    for (member, address) in [("a", &registry.address), ("c", &other)] {
        let file = format!("services/{member}/build.toml");
        let text = fs::read_to_string(project.path(&file)).unwrap();
        project.write(&file, format!("[image]\nname = \"{address}/dup/x\"\n{text}"));
    }
    let run = project.pack("build -p a -p c --push --jobs 1").run().has_code(4);
    let run = run.says(&["is taken", "pushed that image in this run: "]);
    // Either member may come first.
    let is_named = |one: &str, two: &str| {
        run.stderr.contains(&format!("`{one}/dup/x` and `{two}/dup/x` are one repository"))
    };
    assert!(is_named(&registry.address, &other) || is_named(&other, &registry.address), "{}", run.stderr);
}

#[test]
fn a_workspace_that_is_wrong_is_told_of_before_anything_is_built() {
    let registry = Pushed::start();
    let project = town(&registry);
    let build = || project.pack("build --workspace");
    let root = fs::read_to_string(project.path("build.toml")).unwrap();
    let with = |members: &str| root.replace("\"services/*\"", members);
    project.write("build.toml", with("\"none/*\""));
    build().fails(1).says(&["the pattern `none/*` matches no directory"]);
    project.write("build.toml", with("\"services/d\""));
    build().fails(1).says(&["the member `services/d` has no `build.toml`"]);
    project.write("build.toml", with("\"../x\""));
    build().fails(1).says(&["leads out of the workspace"]);
    project.write("build.toml", with("\"services/a\""));
    project.pack("build services/b").fails(1).says(&["does not list it as a member"]).hints();
    project.write("build.toml", &root);
    let named = |name: &str| {
        let text = fs::read_to_string(project.path(&format!("services/{name}/build.toml"))).unwrap();
        project.write(
            &format!("services/{name}/build.toml"),
            text.replace("[app]", "[image]\nname = \"h/x\"\n[app]"),
        );
    };
    named("a");
    named("c");
    build().fails(1).says(&[
        "two members have the image name `h/x`",
        "services/a/build.toml",
        "services/c/build.toml",
    ]);
    workspace(&project, &registry.address);
    project.write("services/a/build.toml", "[workspace]\nmembers = [\"b\"]\n");
    build().fails(1).says(&["is the root of a workspace itself"]);
    workspace(&project, &registry.address);
    project.append("services/a/build.toml", "[registry.\"h:1\"]\nplain-http = true\n");
    build().fails(1).says(&["differ in `[registry]`"]).hints();
    assert_eq!(registry.take_log(), Vec::<String>::new());
}

/// The workspace in a repository, with everything committed.
fn committed(registry: &Pushed) -> Project {
    let project = town(registry);
    project.pack("build --workspace").ok();
    git(&project, "init -q -b main");
    git(&project, "add .");
    git(&project, "commit -q -m first");
    project
}

#[test]
fn only_members_that_changed_are_built() {
    let registry = Pushed::start();
    let project = committed(&registry);
    let since = |revision: &str| {
        built(
            &project.pack("build --json --changed-since").arg(revision).cache(&project.beside("other")).ok(),
        )
    };
    let none: [&str; 0] = [];
    assert_eq!(since("HEAD"), (none.map(str::to_owned).into(), ["a", "b", "c"].map(str::to_owned).into()));
    // Not committed, then committed, then untracked.
    project.write("services/a/files/own.txt", "new");
    assert_eq!(since("HEAD").0, ["a"]);
    git(&project, "commit -q -a -m second");
    assert_eq!((since("HEAD").0, since("HEAD~1").0), (Vec::new(), vec!["a".to_owned()]));
    project.write("services/c/files/more/x", "new");
    assert_eq!(since("main").0, ["c"]);
    fs::remove_dir_all(project.path("services/c/files/more")).unwrap();
    // Something outside of the members' directories.
    project.write("common/all.txt", "new");
    assert_eq!(since("HEAD").0, ["a", "b", "c"]);
    git(&project, "checkout -q .");
    project.append("build.toml", "env = { A = \"1\" }\n");
    assert_eq!(since("HEAD").0, ["a", "b", "c"]);
    git(&project, "checkout -q .");
    // The lock, for one of the bases.
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    let (before, after) = lock.split_once("base/two:1").unwrap();
    let at = after.find("sha256:").unwrap() + 7;
    let flipped = if &after[at..=at] == "0" { "1" } else { "0" };
    let changed = format!("{before}base/two:1{}{flipped}{}", &after[..at], &after[at + 1..]);
    project.write("build.lock", changed);
    let plan = project.pack("plan --json --changed-since HEAD -p a -p c").ok();
    assert_eq!(plan.json()["leftOut"].as_array().unwrap().len(), 2);
    project
        .pack("plan --changed-since HEAD")
        .cache(&project.beside("none"))
        .run()
        .says(&["the member `b` failed"]);
}

#[test]
fn a_member_is_built_when_a_link_to_its_files_leads_elsewhere() {
    let registry = Pushed::start();
    let project = town(&registry);
    for version in ["one", "two"] {
        project.write(&format!("versions/{version}/etc/all.conf"), version);
    }
    let current = project.path("current");
    let lead_to = |target: &str| {
        let _ = fs::remove_file(&current);
        std::os::unix::fs::symlink(target, &current).unwrap();
    };
    lead_to("versions/one");
    project.append(
        "services/b/build.toml",
        "\n[[layer]]\nname = \"conf\"\nfiles = [{ from = \"../../current/etc\", to = \"/etc/all\" }]\n",
    );
    project.pack("build --workspace").ok();
    git(&project, "init -q -b main");
    git(&project, "add .");
    git(&project, "commit -q -m first");
    let since = || built(&project.pack("build --json --changed-since HEAD").ok()).0;
    assert_eq!(since(), Vec::<String>::new());
    // The files behind it are as they were.
    lead_to("versions/two");
    assert_eq!(since(), ["b"]);
    lead_to("versions/one");
    assert_eq!(since(), Vec::<String>::new());
    project.write("versions/one/etc/all.conf", "more");
    assert_eq!(since(), ["b"]);
}

#[test]
fn an_uncommitted_change_is_that_of_the_members_it_can_be_about() {
    let registry = Pushed::start();
    let project = committed(&registry);
    let all = || digests(&project.pack("build --workspace").ok().stdout);
    let alone =
        |name: &str| digests(&project.pack("build").arg(format!("services/{name}")).ok().stdout).remove(0);
    let clean = all();
    // In no image, and read by no other member.
    project.write("services/a/notes.txt", "new");
    let changed = all();
    assert_ne!(changed[0], clean[0]);
    assert_eq!(changed[1..], clean[1..]);
    assert_eq!(["a", "b", "c"].map(alone), changed[..]);
    project.pack("build -p b -p c").env("CI", "true").ok();
    project.pack("build -p a").env("CI", "true").fails(4).says(&["(the first is `services/a/notes.txt`)"]);
    // Read by another member, too.
    let build_file = fs::read_to_string(project.path("services/c/build.toml")).unwrap();
    project.write("services/c/build.toml", build_file.replace("../../common", "../a"));
    git(&project, "commit -q -a -m second");
    project.pack("build -p b").env("CI", "true").ok();
    let named = "(the first is `services/a/notes.txt`)";
    project.pack("build -p c").env("CI", "true").fails(4).says(&[named]);
    fs::remove_file(project.path("services/a/notes.txt")).unwrap();
    let clean = all();
    // Of no member: a library that any of them may be made of.
    project.write("libs/money.txt", "new");
    let changed = all();
    assert!(clean.iter().zip(&changed).all(|(clean, changed)| clean != changed), "{changed:?}");
    assert_eq!(["a", "b", "c"].map(alone), changed[..]);
    for arguments in ["build -p b", "build services/b", "build --workspace"] {
        project.pack(arguments).env("CI", "true").fails(4).says(&["(the first is `libs/"]);
    }
    fs::remove_dir_all(project.path("libs")).unwrap();
    // The locks are files of pack's own: the second is that of `pack resolve --pin`.
    project.append("build.lock", "\n# a remark\n");
    assert_eq!(all(), clean);
    for place in ["", "services/b/"] {
        project.write(&format!("{place}images.lock"), "version = 1\n");
        assert_eq!(all(), clean, "{place}");
        project.pack("build --workspace").env("CI", "true").ok();
    }
}

#[test]
fn what_git_does_not_look_at_is_built() {
    let registry = Pushed::start();
    let project = committed(&registry);
    project.write(".gitignore", "files/\n");
    git(&project, "rm -q -r --cached services/b/files");
    git(&project, "add .gitignore");
    git(&project, "commit -q -m ignored");
    let run = project.pack("build --json --changed-since HEAD").ok();
    let json = run.json();
    assert_eq!(built(&run).0, ["b"], "the files of the others are still in the index");
    assert!(text(&json["members"][0]["why"]).contains("git does not look at `services/b/files`"), "{json}");
    git(&project, "update-index --assume-unchanged services/c/files/own.txt");
    project.write("services/c/files/own.txt", "changed");
    assert_eq!(built(&project.pack("build --json --changed-since HEAD").ok()).0, ["b", "c"]);
}

#[test]
fn a_revision_that_is_not_there_is_an_error() {
    let registry = Pushed::start();
    let project = committed(&registry);
    let since = |revision: &str| project.pack("build --changed-since").arg(revision);
    since("none").fails(1).says(&["has no commit `none`"]).hints();
    since("--output=x").cwd(&project.root()).run().has_code(2);
    project.pack("build").arg("--changed-since=--output=x").fails(1).says(&["has no commit"]);
    git(&project, "commit -q --allow-empty -m second");
    let clone = project.beside("clone");
    let from = format!("file://{}", project.root().display());
    git_in(&project, &project.beside(""), &["clone", "-q", "--depth=1", &from, &clone.display().to_string()]);
    since("HEAD~1").cwd(&clone).fails(1).says(&["it is a shallow clone", "git fetch --depth"]);
    fs::remove_dir_all(project.path(".git")).unwrap();
    since("HEAD").fails(1).says(&["in no git repository"]).hints();
}

#[test]
fn a_foreign_workspace_reads_nothing_outside_of_it() {
    let registry = Pushed::start();
    let project = town(&registry);
    project.pack("build --workspace --untrusted").ok();
    let run = project.pack("build --workspace --untrusted").cwd(&project.path("services/a"));
    run.fails(2).says(&["PATH must be the root of the workspace"]);
    project.pack("build --workspace --untrusted --push").fails(2).hints();
    // By itself a member may read its own directory alone.
    project.pack("build --untrusted services/a").fails(4).says(&["`--untrusted` forbids"]);
    fs::write(project.beside("secret"), "x").unwrap();
    let build_file = fs::read_to_string(project.path("services/a/build.toml")).unwrap();
    project.write("services/a/build.toml", build_file.replace("../../common", "../../../secret"));
    project.pack("build --workspace --untrusted").run().has_code(4).says(&["`--untrusted` forbids"]);
    assert!(Path::new(&project.beside("secret")).exists());
}

#[test]
fn other_commands_are_about_members_too() {
    let registry = Pushed::start();
    let project = town(&registry);
    let plan = project.pack("plan --workspace --json").ok().json();
    assert_eq!(plan["members"].as_array().unwrap().len(), 3);
    assert!(project.pack("plan -p a").ok().stdout.starts_with("member    a: services/a\n"));
    let check = project.pack("check --workspace --json").run().json();
    assert_eq!(text(&check["members"][1]["member"]), "b");
    let sarif = project.pack("check --workspace --format sarif").run().json();
    assert_eq!(sarif["runs"].as_array().unwrap().len(), 1);
    assert!(!project.path("build.lock").exists());
    registry.take_log();
    let update = project.pack("update --workspace --json").ok().json();
    assert_eq!(update["changes"].as_array().unwrap().len(), 2, "{update}");
    let log = registry.take_log();
    let asked = log.iter().filter(|line| line.ends_with("/base/one/manifests/1")).count();
    assert_eq!(asked, 1, "{log:#?}");
    project.pack("update --workspace --check").ok();
    project.pack("build --workspace --locked").ok();
}
