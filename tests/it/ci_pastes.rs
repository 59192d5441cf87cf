//! The files of `packaging/` to paste into CI systems: their commands are run with the variables of their systems, and their
//! forms are checked by the schemas of these systems.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pack_test_registry::Fake;

use crate::checkout::git;
use crate::real::peers::peer;
use crate::support::{PACK, Project, REPOSITORY, outcome};

/// A file, and texts of it that its system replaces.
struct Paste {
    file: &'static str,
    inputs: &'static [(&'static str, &'static str)],
}

const PASTES: [Paste; 6] = [
    Paste { file: "github/action.yml", inputs: &[] },
    Paste {
        file: "gitlab/templates/image.yml",
        inputs: &[
            ("$[[ inputs.image ]]", "registry.example.com/tools/pack-sh:1"),
            ("$[[ inputs.stage ]]", "build"),
            ("$[[ inputs.arguments ]]", "--locked"),
            ("$[[ inputs.path ]]", "."),
            ("$[[ inputs.environment ]]", "dev"),
        ],
    },
    Paste {
        file: "jenkins/Jenkinsfile",
        inputs: &[("sh 'pack", "pack"), ("txt'\n", "txt\n"), ("dev'\n", "dev\n")],
    },
    Paste { file: "tekton/task.yaml", inputs: &[] },
    Paste { file: "buildkite/pipeline.yml", inputs: &[("$$", "$"), ("prod", "dev")] },
    Paste { file: "argo/workflow-template.yaml", inputs: &[] },
];

impl Paste {
    fn path(&self) -> PathBuf {
        Path::new(REPOSITORY).join("packaging").join(self.file)
    }

    /// As its system sees it.
    fn text(&self) -> String {
        let text = fs::read_to_string(self.path()).unwrap();
        self.inputs.iter().fold(text, |text, (from, to)| text.replace(from, to))
    }

    /// The one line that calls `pack COMMAND`.
    fn line(&self, command: &str) -> String {
        let (text, start) = (self.text(), format!("pack {command} "));
        let mut lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', '/']));
        let line = lines.find_map(|line| line.find(&start).map(|at| line[at..].to_owned()));
        assert!(!lines.any(|line| line.contains(&start)), "{} has two of `{start}`", self.file);
        line.unwrap_or_else(|| panic!("{} has no `{start}`", self.file))
    }
}

/// Runs a line as its system does, as bash.
fn shell(project: &Project, line: &str) {
    let bin = project.beside("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(PACK, bin.join("pack")).unwrap();
        // The agent of Buildkite, which remembers one text here.
        fs::write(bin.join("buildkite-agent"), "#!/bin/sh\n[ \"$2\" = get ] && exec cat image.txt\nexit 0\n")
            .unwrap();
        crate::support::chmod(&bin.join("buildkite-agent"), 0o755);
    }
    let ours = |name: &str| project.beside(name).display().to_string();
    let mut bash = Command::new("bash");
    bash.args(["-euc", line]).current_dir(project.root()).env_clear();
    bash.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
    bash.env("HOME", ours("home")).env("TMPDIR", ours("tmp")).env("CI", "true").env("USER", "ci");
    bash.env("PACK_SYSTEM_CONFIG", ours("etc")).env("PACK_CACHE_DIR", project.cache());
    bash.env("GITHUB_OUTPUT", ours("output")).env("GITHUB_STEP_SUMMARY", ours("summary"));
    bash.env("BUILD_PATH", ".").env("ARGUMENTS", "--locked").env("ENVIRONMENT", "dev");
    outcome(line, &bash.output().unwrap()).has_code(0);
}

#[test]
fn the_commands_of_each_paste_push_and_release_an_image() {
    for paste in &PASTES {
        let fake = Fake::start().unwrap();
        let project = Project::with(&format!(
            "[image]\nname = \"{}/shop/app\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\ntags = [\"1\"]\n\n\
             [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n",
            fake.address()
        ));
        project.write("files/page.txt", paste.file).write(".gitignore", "image.txt\npack.env\n");
        project.write("../output", "").write("../summary", "");
        git(&project, "init -q");
        git(&project, "add .");
        git(&project, "commit -q -m one");
        // The image's name in the file that the build wrote, as each system hands it on.
        let image = match paste.file {
            "github/action.yml" => "IMAGE=$(sed -n '2p' \"$GITHUB_OUTPUT\"); ",
            "gitlab/templates/image.yml" => ". ./pack.env; ",
            _ => "",
        };
        let here = |line: String| line.replace("/tmp/image.txt", "image.txt");
        let arguments = "read -r -a arguments <<< \"$ARGUMENTS\"; ";
        shell(&project, &format!("{arguments}{}", here(paste.line("build"))));
        let pushed = fake.tag("shop/app", "1").expect("the tag").to_string();
        shell(&project, &format!("{image}{}", here(paste.line("promote"))));
        assert_eq!(
            fake.tag("shop/app", "dev").expect("the environment").to_string(),
            pushed,
            "{}",
            paste.file
        );
    }
}

#[test]
fn the_pastes_have_the_forms_of_their_systems() {
    let scratch = tempfile::tempdir().unwrap();
    let accepts = |program: &mut Command, path: &Path| {
        let said = program.arg(path).output().unwrap();
        assert!(said.status.success(), "{}: {said:?}", path.display());
    };
    let packaging = Path::new(REPOSITORY).join("packaging");
    if let Some(python) = peer("ci-schemas/python") {
        let module = |module: &str| {
            let mut command = Command::new("python3");
            command.env("PYTHONPATH", &python).args(["-m", module]);
            command
        };
        // The second document of a component is the pipeline that includes it.
        let text = PASTES[1].text();
        let pipeline = scratch.path().join("gitlab-ci.yml");
        fs::write(&pipeline, text.split_once("\n---\n").expect("two documents").1).unwrap();
        for (schema, path) in [
            ("github-actions", packaging.join("github/action.yml")),
            ("buildkite", packaging.join("buildkite/pipeline.yml")),
            ("gitlab-ci", pipeline),
        ] {
            let schema = format!("vendor.{schema}");
            accepts(module("check_jsonschema").args(["--builtin-schema", &schema]), &path);
        }
        let pod = packaging.join("jenkins/pod.yaml");
        accepts(module("kubernetes_validate").args(["--strict", "-k", "1.37"]), &pod);
    }
    if let Some(judge) = peer("judges/judge") {
        accepts(Command::new(&judge).arg("argo"), &packaging.join("argo/workflow-template.yaml"));
        accepts(Command::new(&judge).arg("tekton"), &packaging.join("tekton/task.yaml"));
    }
    if let Some(actionlint) = peer("actionlint/actionlint") {
        // It reads the action for the workflow that uses it: inputs that it lacks are faults.
        let repository = scratch.path().join("repository");
        fs::create_dir_all(repository.join(".github/workflows")).unwrap();
        fs::create_dir_all(repository.join("packaging")).unwrap();
        crate::support::copy_tree(&packaging.join("github"), &repository.join("packaging/github"));
        fs::create_dir_all(repository.join(".git")).unwrap();
        let workflow = repository.join(".github/workflows/image.yml");
        let text = "on: push\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      \
                    - id: image\n        uses: ./packaging/github\n        with:\n          environment: dev\n      \
                    - run: echo \"${{ steps.image.outputs.image }}\"\n";
        fs::write(&workflow, text).unwrap();
        accepts(Command::new(actionlint).current_dir(&repository), &workflow);
    }
}
