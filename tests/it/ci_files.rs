//! The job files of `docs/examples/ci`: their commands are run with the variables of their systems, and their forms are checked
//! by the schemas of these systems.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real::peers::peer;
use crate::shards::{MEMBERS, machine, town};
use crate::support::{PACK, Project, REPOSITORY, files_below, outcome};
use crate::workspace::pushed::Pushed;

/// A job file, and the variables of its part `number` of four, from 0.
struct JobFile {
    name: &'static str,
    variables: fn(u32) -> Vec<(&'static str, String)>,
}

const JOB_FILES: [JobFile; 7] = [
    JobFile {
        name: "kubernetes-job.yaml",
        variables: |number| vec![("JOB_COMPLETION_INDEX", number.to_string())],
    },
    JobFile { name: "argo-workflow.yaml", variables: |number| vec![("SHARD", (number + 1).to_string())] },
    JobFile { name: "tekton-pipeline.yaml", variables: |number| vec![("SHARD", (number + 1).to_string())] },
    JobFile {
        name: "gitlab-ci.yml",
        variables: |number| {
            vec![("CI_NODE_INDEX", (number + 1).to_string()), ("CI_NODE_TOTAL", "4".to_owned())]
        },
    },
    JobFile { name: "github-workflow.yml", variables: |number| vec![("SHARD", (number + 1).to_string())] },
    JobFile {
        name: "circleci.yml",
        variables: |number| {
            vec![("CIRCLE_NODE_INDEX", number.to_string()), ("CIRCLE_NODE_TOTAL", "4".to_owned())]
        },
    },
    JobFile {
        name: "buildkite.yml",
        variables: |number| {
            vec![
                ("BUILDKITE_PARALLEL_JOB", number.to_string()),
                ("BUILDKITE_PARALLEL_JOB_COUNT", "4".to_owned()),
            ]
        },
    },
];

fn path(name: &str) -> PathBuf {
    Path::new(REPOSITORY).join("docs/examples/ci").join(name)
}

/// The lines of a job file that call `pack COMMAND`, as its shell gets them.
fn commands(name: &str, command: &str) -> String {
    let text = fs::read_to_string(path(name)).unwrap().replace("\\\n", " ").replace("$$", "$");
    let start = format!("pack {command} ");
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let line = lines.find_map(|line| line.find(&start).map(|at| line[at..].to_owned())).unwrap();
    assert!(!lines.any(|line| line.contains(&start)), "{name} has two");
    line
}

/// Runs a line of a job file.
fn shell(project: &Project, directory: &Path, line: &str, variables: &[(&str, String)]) -> String {
    let bin = project.beside("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(PACK, bin.join("pack")).unwrap();
    }
    let mut sh = Command::new("sh");
    sh.args(["-euc", line]).current_dir(directory).env_clear();
    sh.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
    sh.env("HOME", project.beside("home")).env("TMPDIR", project.beside("tmp")).env("CI", "true");
    sh.env("PACK_SYSTEM_CONFIG", project.beside("etc"));
    sh.envs(variables.iter().map(|(name, value)| (name, value)));
    outcome(line, &sh.output().unwrap()).has_code(0).stdout
}

#[test]
fn the_commands_of_each_job_file_build_all_members() {
    let registry = Pushed::start();
    let project = town(&registry);
    project.pack("update --workspace").ok();
    crate::checkout::git(&project, "add build.lock");
    crate::checkout::git(&project, "commit -q -m lock");
    for JobFile { name, variables } in JOB_FILES {
        let gathered = project.beside(&format!("gathered-{name}"));
        fs::create_dir_all(gathered.join("results")).unwrap();
        for number in 0..4 {
            let checkout = machine(&project, number);
            let mut variables = variables(number);
            variables.push(("RESULTS", gathered.display().to_string()));
            variables
                .push(("PACK_CACHE_DIR", project.beside(&format!("store-{number}")).display().to_string()));
            let line = commands(name, "build").replace("\"/results/", &format!("\"{}/", gathered.display()));
            if line.contains("results/$CIRCLE") {
                fs::create_dir_all(checkout.join("results")).unwrap();
            }
            shell(&project, &checkout, &line, &variables);
            // As a system gathers the files of its jobs.
            for file in files_below(&checkout) {
                let below = file.strip_prefix(&checkout).unwrap();
                if below.to_string_lossy().starts_with("results") {
                    fs::rename(&file, gathered.join(below)).unwrap();
                }
            }
        }
        let merged = shell(&project, &gathered, &commands(name, "merge"), &[]);
        assert_eq!(merged.lines().count(), MEMBERS.len(), "{name}");
        assert_eq!(fs::read_to_string(gathered.join("images.txt")).unwrap(), merged, "{name}");
        assert!(gathered.join("all.json").exists(), "{name}");
    }
}

/// Runs a program of a peer over a file.
fn accepts(program: &mut Command, name: &str) {
    let said = program.arg(path(name)).output().unwrap();
    assert!(said.status.success(), "{name}: {said:?}");
}

#[test]
fn the_job_files_have_the_forms_of_their_systems() {
    if let Some(python) = peer("ci-schemas/python") {
        let module = |module: &str| {
            let mut command = Command::new("python3");
            command.env("PYTHONPATH", &python).args(["-m", module]);
            command
        };
        for (schema, name) in [
            ("github-workflows", "github-workflow.yml"),
            ("gitlab-ci", "gitlab-ci.yml"),
            ("circle-ci", "circleci.yml"),
            ("buildkite", "buildkite.yml"),
        ] {
            let schema = format!("vendor.{schema}");
            accepts(module("check_jsonschema").args(["--builtin-schema", &schema]), name);
        }
        accepts(module("kubernetes_validate").args(["--strict", "-k", "1.37"]), "kubernetes-job.yaml");
    }
    if let Some(judge) = peer("judges/judge") {
        accepts(Command::new(&judge).arg("argo"), "argo-workflow.yaml");
        accepts(Command::new(&judge).arg("tekton"), "tekton-pipeline.yaml");
    }
    if let Some(actionlint) = peer("actionlint/actionlint") {
        accepts(&mut Command::new(actionlint), "github-workflow.yml");
    }
}
