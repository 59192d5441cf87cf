//! One workspace on several machines: each has its own checkout and store, and they share one registry.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::checkout::{git, git_in};
use crate::real::inputs;
use crate::real::server::Server;
use crate::support::{Outcome, Project, Run, copy_tree, noise, outcome, settle, text};
use crate::workspace::pushed::Pushed;

pub(crate) const MEMBERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const SHARDS: u32 = 4;

/// A workspace of eight members on one base, with one layer that all have, in a repository.
pub(crate) fn town(registry: &Pushed) -> Project {
    let project = town_of(&registry.address);
    registry.take_log();
    project
}

fn town_of(address: &str) -> Project {
    let project = Project::new();
    project.write("base/files/etc/base", "base").write(
        "base/build.toml",
        format!(
            "[image]\nname = \"{address}/base\"\nbase = \"scratch\"\ntags = [\"1\"]\n\
             [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n"
        ),
    );
    project.pack("build --push base").ok();
    fs::remove_dir_all(project.path("base")).unwrap();
    project.write(
        "build.toml",
        format!(
            "[workspace]\nmembers = [\"services/*\"]\n[workspace.image]\nname = \"{address}/shop\"\n\
             base = \"{address}/base:1\"\ntags = [\"1\"]\n"
        ),
    );
    project.write("common/all.bin", noise(1, 600_000));
    for (seed, name) in (2..).zip(MEMBERS) {
        project.write(
            &format!("services/{name}/build.toml"),
            "[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n[[layer]]\nname = \"shared\"\n\
             files = [{ from = \"../../common\", to = \"/usr/share/all\" }]\n",
        );
        project.write(&format!("services/{name}/files/own.bin"), noise(seed, 50_000));
    }
    git(&project, "init -q -b main");
    git(&project, "add .");
    git(&project, "commit -q -m first");
    settle(&project.path("services/h/files/own.bin"));
    project
}

/// The checkout of a machine.
pub(crate) fn machine(project: &Project, number: u32) -> PathBuf {
    let directory = project.beside(&format!("machine-{number}"));
    if !directory.exists() {
        fs::create_dir(&directory).unwrap();
        copy_tree(&project.root(), &directory);
    }
    directory
}

fn results_of(project: &Project, number: u32) -> String {
    project.beside(&format!("{number}.json")).display().to_string()
}

/// The run of a shard on a machine of its own.
fn shard<'a>(project: &'a Project, registry: &Pushed, number: u32) -> Run<'a> {
    shard_of(project, &registry.address, number)
}

fn shard_of<'a>(project: &'a Project, address: &str, number: u32) -> Run<'a> {
    project
        .pack(&format!("build --workspace --push --cache-to --cache-repo {address}/cache"))
        .args(&format!("--shard {number}/{SHARDS} --results"))
        .arg(results_of(project, number))
        .cwd(&machine(project, number))
        .cache(&project.beside(&format!("store-{number}")))
}

fn merge<'a>(project: &'a Project, numbers: &[u32]) -> Run<'a> {
    numbers.iter().fold(project.pack("merge"), |run, number| run.arg(results_of(project, *number)))
}

/// Runs all at the same time.
fn together(runs: &[Run<'_>]) -> Vec<Outcome> {
    let children: Vec<Child> = runs.iter().map(|run| run.command().spawn().unwrap()).collect();
    let ended = children.into_iter().map(|child| child.wait_with_output().unwrap());
    ended.map(|output| outcome("a shard", &output).has_code(0)).collect()
}

fn read(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn members(results: &Value) -> Vec<String> {
    results["members"].as_array().unwrap().iter().map(|member| text(&member["member"])).collect()
}

#[test]
fn four_machines_make_what_one_makes() {
    let registry = Pushed::start();
    let project = town(&registry);
    let one = project.pack("build --workspace").cwd(&machine(&project, 0)).ok();
    let runs: Vec<Run<'_>> = (1..=SHARDS).map(|number| shard(&project, &registry, number)).collect();
    for ended in together(&runs) {
        ended.says(&["of 4 of all 8 members"]);
    }
    let (refs, all, lock) =
        (project.beside("refs"), project.beside("all.json"), project.beside("build.lock"));
    let merged = merge(&project, &[3, 1, 4, 2])
        .args("--results")
        .arg(all.display().to_string())
        .arg("--image-refs")
        .arg(refs.display().to_string())
        .arg("--lock")
        .arg(lock.display().to_string())
        .ok()
        .says(&["4 of 4 shards, 8 built"]);
    assert_eq!(merged.stdout, one.stdout);
    assert_eq!(fs::read_to_string(&refs).unwrap(), one.stdout);
    assert_eq!(members(&read(&all)), MEMBERS);
    for (name, line) in MEMBERS.iter().zip(one.stdout.lines()) {
        let digest = line.split('@').nth(1).map(str::to_owned);
        assert_eq!(registry.tag(&format!("shop/{name}"), "1"), digest);
    }

    // The lock of all is enough for a build that may not change it, and the next shards get equal parts by the measures.
    registry.take_log();
    for number in 1..=SHARDS {
        fs::copy(&lock, machine(&project, number).join("build.lock")).unwrap();
    }
    let balanced = |number| {
        let fresh = project.beside(&format!("fresh-{number}"));
        shard(&project, &registry, number)
            .args("--locked --json --balance-by")
            .arg(all.display().to_string())
            .cache(&fresh)
    };
    let again = together(&(1..=SHARDS).map(balanced).collect::<Vec<_>>());
    let mut found: Vec<String> = again.iter().flat_map(|ended| members(&ended.json())).collect();
    found.sort_unstable();
    assert_eq!(found, MEMBERS, "each member in one shard");
    let log = registry.take_log();
    assert!(!log.iter().any(|line| line.starts_with("POST ")), "nothing is sent again: {log:#?}");
    assert_eq!(merge(&project, &[1, 2, 3, 4]).ok().stdout, one.stdout);
}

#[test]
fn the_files_of_merged_parts_are_those_of_one_run() {
    let registry = Pushed::start();
    let project = town(&registry);
    let files = "--image-refs refs --ci gitlab=dotenv --ci skaffold=tags.json --metadata-file metadata.json";
    let one = machine(&project, 0);
    project.pack("build --workspace --push").args(files).cwd(&one).ok();
    together(&(1..=SHARDS).map(|number| shard(&project, &registry, number)).collect::<Vec<_>>());
    let all = project.beside("all");
    fs::create_dir(&all).unwrap();
    let (output, summary) = (project.beside("output"), project.beside("summary"));
    let merged = merge(&project, &[1, 2, 3, 4]).args(files).args("--ci github").cwd(&all);
    let merged = merged.env("GITHUB_OUTPUT", &output.display().to_string());
    merged.env("GITHUB_STEP_SUMMARY", &summary.display().to_string()).ok();
    for name in ["refs", "dotenv", "tags.json"] {
        let [merged, expected] =
            [&all, &one].map(|directory| fs::read_to_string(directory.join(name)).unwrap());
        assert_eq!(merged, expected, "{name}");
    }
    // How much was sent is of each run.
    let [merged, expected] = [&all, &one].map(|directory| {
        let metadata = read(directory.join("metadata.json"));
        let images = metadata.as_object().unwrap().iter().map(|(name, image)| {
            let keys = image.as_object().unwrap().iter().filter(|(key, _)| {
                key.starts_with("containerimage.")
                    || ["image.name", "name", "tags", "digest"].contains(&&***key)
            });
            (name.clone(), keys.map(|(key, value)| (key.clone(), value.clone())).collect())
        });
        images.collect::<BTreeMap<String, BTreeMap<String, Value>>>()
    });
    assert_eq!(merged.len(), MEMBERS.len());
    assert!(merged.values().all(|image| image.len() == 7), "{merged:#?}");
    assert_eq!(merged, expected);
    let output = fs::read_to_string(output).unwrap();
    assert!(output.starts_with("images<<pack_") && !output.contains("image<<"), "{output}");
    assert_eq!(fs::read_to_string(summary).unwrap().matches("sha256").count(), MEMBERS.len());

    // The files of Jib are about one image; a result without its image can be in none.
    for flag in ["--ci jib=jib", "--iidfile id"] {
        let said = merge(&project, &[1, 2, 3, 4]).args(flag).cwd(&all).fails(2);
        said.says(&["is about one image", "the members of a workspace are several"]).hints();
    }
    // A file cannot be below a file: nothing is printed.
    merge(&project, &[1, 2, 3, 4]).args("--image-refs refs/ids").cwd(&all).fails(1).says(&["refs/ids"]);
    let mut results = read(results_of(&project, 1));
    for member in results["members"].as_array_mut().unwrap() {
        assert!(member.as_object_mut().unwrap().remove("facts").is_some());
    }
    fs::write(results_of(&project, 9), results.to_string()).unwrap();
    let without = merge(&project, &[9]).args("--image-refs other").cwd(&all).fails(1);
    without.says(&["the results of the member `a` do not describe its image"]).hints();
}

#[test]
fn four_machines_share_a_real_registry() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let program = inputs.join("tools/docker-registry");
    let mut server = Server::start(&program, &directory.path().join("registry"), false);
    let host = server.host();
    let project = town_of(&host);
    let one = project.pack("build --workspace").cwd(&machine(&project, 0)).ok();
    together(&(1..=SHARDS).map(|number| shard_of(&project, &host, number)).collect::<Vec<_>>());
    let lock = project.beside("build.lock");
    let merged = merge(&project, &[1, 2, 3, 4]).arg("--lock").arg(lock.display().to_string()).ok();
    assert_eq!(merged.stdout, one.stdout);
    server.requests();
    let fresh = (1..=SHARDS).map(|number| {
        let store = project.beside(&format!("fresh-{number}"));
        shard_of(&project, &host, number).cache(&store)
    });
    together(&fresh.collect::<Vec<_>>());
    let log = server.requests();
    let is_sent = log.iter().any(|request| request.method == "POST");
    assert!(!log.is_empty() && !is_sent, "nothing is sent again: {log:#?}");
    assert_eq!(merge(&project, &[1, 2, 3, 4]).ok().stdout, one.stdout);
}

#[test]
fn a_layer_that_another_machine_pushed_is_not_built() {
    let registry = Pushed::start();
    let project = town(&registry);
    let states = |number| {
        let ended = shard(&project, &registry, number).arg("--json").ok().json();
        let layers = ended["members"].as_array().unwrap().iter().flat_map(|member| {
            let layers = member["image"]["images"][0]["layers"].as_array().unwrap().clone();
            layers.into_iter().filter(|layer| layer["name"] == "shared")
        });
        layers.map(|layer| text(&layer["state"]["kind"])).collect::<Vec<String>>()
    };
    let first = states(1);
    assert_eq!(first.iter().filter(|state| *state == "built").count(), 1, "{first:?}");
    for number in 2..=SHARDS {
        let states = states(number);
        assert!(!states.is_empty() && states.iter().all(|state| state == "cached"), "{states:?}");
    }
    let sent: usize =
        registry.take_log().iter().filter(|line| line.contains("PUT ") && line.contains("/blobs/")).count();
    assert!(sent > 0);
}

#[test]
fn a_shard_that_was_killed_is_missing_and_is_repeated_without_harm() {
    let registry = Pushed::start();
    let project = town(&registry);
    let one = project.pack("build --workspace").cwd(&machine(&project, 0)).ok();
    together(&[1, 3, 4].map(|number| shard(&project, &registry, number)));
    // At several moments of its work.
    for pause in [5, 20, 60, 120] {
        let mut killed = shard(&project, &registry, 2).command().spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    let _ = fs::remove_file(results_of(&project, 2));
    let missing = merge(&project, &[1, 3, 4]).run().has_code(1);
    let missing = missing.says(&["shard 2 of 4 has no results", "3 of 4 shards, 6 built, 2 missing"]);
    assert_eq!(missing.stdout.lines().count(), 6);
    // The hint is followed as it is.
    let (_, hint) = missing.stderr.split_once("`pack build").unwrap();
    let (command, _) = hint.split_once('`').unwrap();
    assert!(command.contains("--shard 2/4 --results 2.json"), "{command}");
    let words = command.replace("--results 2.json", &format!("--results {}", results_of(&project, 2)));
    let repeated = project.pack("build").args(&words).cwd(&machine(&project, 2));
    repeated.cache(&project.beside("store-2")).ok();
    assert_eq!(merge(&project, &[1, 2, 3, 4]).ok().stdout, one.stdout);
    // Twice is once.
    fs::copy(results_of(&project, 2), results_of(&project, 5)).unwrap();
    assert_eq!(merge(&project, &[1, 2, 3, 4, 5]).ok().stdout, one.stdout);
}

#[test]
fn the_exit_code_is_as_of_one_run() {
    let registry = Pushed::start();
    let project = town(&registry);
    fs::remove_dir_all(project.path("services/f/files")).unwrap();
    let mut codes = BTreeMap::new();
    for number in 1..=SHARDS {
        let run = shard(&project, &registry, number).arg("--keep-going").run();
        codes.insert(number, run.code);
    }
    assert_eq!(codes.values().filter(|code| **code == Some(1)).count(), 1, "{codes:?}");
    let merged = merge(&project, &[1, 2, 3, 4]).run().has_code(1);
    let merged = merged.says(&["the member `f` failed", "4 of 4 shards, 7 built, 1 failed"]);
    assert_eq!(merged.stdout.lines().count(), 7);
}

#[test]
fn results_that_are_not_of_one_run_are_refused() {
    let registry = Pushed::start();
    let project = town(&registry);
    shard(&project, &registry, 1).ok();
    let other = machine(&project, 2);
    git_in(&project, &other, &["commit", "-q", "--allow-empty", "-m", "second"]);
    shard(&project, &registry, 2).ok();
    merge(&project, &[1, 2]).fails(1).says(&["they differ in the commit"]).hints();
    shard(&project, &registry, 3).args("--set config.user=5 --allow-retag").ok();
    merge(&project, &[1, 3]).fails(1).says(&["they differ in the settings"]).hints();
    // Torn on its way, of another version, none at all.
    let whole = fs::read_to_string(results_of(&project, 1)).unwrap();
    fs::write(results_of(&project, 9), &whole[..whole.len() / 2]).unwrap();
    merge(&project, &[9]).fails(1).says(&["is not the results of a run"]).hints();
    fs::write(results_of(&project, 9), whole.replace("\"schemaVersion\": 1", "\"schemaVersion\": 7"))
        .unwrap();
    merge(&project, &[9]).fails(1).says(&["has version 7 of the results"]).hints();
    merge(&project, &[8]).fails(1).says(&["cannot read"]);
    project.pack("merge").run().has_code(2);
    // One member with two images.
    let digest = text(&read(results_of(&project, 1))["members"][0]["image"]["digest"]);
    let changed = format!("sha256:{}", "0".repeat(64));
    fs::write(results_of(&project, 9), whole.replacen(&digest, &changed, 1)).unwrap();
    merge(&project, &[1, 9])
        .fails(1)
        .says(&["the member `a` is", "from the same commit and settings"])
        .hints();
}

#[test]
fn the_shard_is_taken_from_ci_where_that_is_asked_for() {
    let registry = Pushed::start();
    let project = town(&registry);
    let plan = |arguments: &str, variables: &[(&str, &str)]| {
        let run = project.pack("plan --workspace --json").args(arguments);
        variables.iter().fold(run, |run, (name, value)| run.env(name, value))
    };
    let of = |arguments: &str, variables: &[(&str, &str)]| {
        let ended = plan(arguments, variables).ok();
        assert_eq!(ended.warnings(), Vec::<&str>::new());
        members(&ended.json())
    };
    let second = of("--shard 2/4", &[]);
    assert_eq!(second, ["b", "f"]);
    assert_eq!(of("--shard auto", &[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "4")]), second);
    assert_eq!(of("--shard auto", &[("CIRCLE_NODE_INDEX", "1"), ("CIRCLE_NODE_TOTAL", "4")]), second);
    let buildkite = [("BUILDKITE_PARALLEL_JOB", "1"), ("BUILDKITE_PARALLEL_JOB_COUNT", "4")];
    assert_eq!(of("--shard auto", &buildkite), second);
    assert_eq!(of("--shard auto/4", &[("JOB_COMPLETION_INDEX", "1")]), second);
    assert_eq!(of("--shard auto", &[("CI_NODE_TOTAL", "1")]), MEMBERS);
    assert_eq!(of("--shard 9/9", &[]), Vec::<String>::new());

    // Unasked, all are built, and a job that CI repeats is told of.
    let gitlab = [("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "4")];
    let all = plan("", &gitlab).ok();
    assert_eq!((members(&all.json()).len(), all.warnings().len()), (8, 1));
    all.says(&["GitLab runs this job 4 times", "`--shard auto`"]);
    plan("", &[("JOB_COMPLETION_INDEX", "1")]).ok().says(&["`JOB_COMPLETION_INDEX`", "`--shard auto/N`"]);
    assert_eq!(of("--shard 1/1", &gitlab), MEMBERS);

    plan("--shard auto", &[]).fails(2).hints();
    plan("--shard auto", &gitlab[..1]).fails(2).says(&["CI_NODE_INDEX", "CI_NODE_TOTAL"]).hints();
    plan("--shard auto", &[("JOB_COMPLETION_INDEX", "1")]).fails(2).says(&["JOB_COMPLETION_INDEX"]).hints();
    let wrong = [("CIRCLE_NODE_INDEX", "4"), ("CIRCLE_NODE_TOTAL", "4")];
    plan("--shard auto", &wrong).fails(2).says(&["CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL"]).hints();
    for shard in ["5/4", "0/4", "1/0", "x"] {
        assert_eq!(plan(&format!("--shard {shard}"), &[]).run().code, Some(2), "{shard}");
    }
    assert_eq!(members(&project.pack("plan --json --shard 2/4").ok().json()), second);
    project.pack("build services/a --results x.json").fails(2).says(&["`--results` is about"]).hints();
    project.pack("build --workspace --balance-by x.json").run().has_code(2);
    project.pack("update --workspace --shard 1/2").run().has_code(2);
}
