//! Descriptors with the tools of their formats as judges: PyYAML, ruamel.yaml, kustomize, kbld, the schemas of
//! Kubernetes, the libraries of Compose and Helm, HashiCorp's parser.

use std::path::{Path, PathBuf};
use std::process::Command;

use pack_test_registry::Fake;

use super::peers::peer;
use super::{say, tools::run};
use crate::support::{Project, REPOSITORY, copy_tree, files_below};

/// The packages with the judges.
fn judges() -> Option<PathBuf> {
    peer("descriptors/python")?.parent().map(Path::to_owned)
}

fn python(judges: &Path) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", judges.join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A project with the image `app`, and the registry that it goes to.
fn project() -> (Project, Fake) {
    let fake = Fake::start().expect("a port");
    let project = Project::with(&format!(
        "[image]\nname = \"{}/shop/app\"\nbase = \"scratch\"\ntags = [\"1.20\"]\n\n[app]\npath = \"files\"\nkind = \
         \"tree\"\nroot = \"/srv\"\n",
        fake.address()
    ));
    project.write("files/a.txt", "a\n");
    (project, fake)
}

fn image(fake: &Fake) -> String {
    let digest = fake.tag("shop/app", "1.20").expect("it was pushed");
    format!("{}/shop/app:1.20@{digest}", fake.address())
}

const POD: &str = "# é\napiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n  containers:\n  - {name: a, image: \
    pack://app}\n  - name: b\n    image: &i 'pack://app' # twice\n  - name: c\n    image: *i\n  - name: d\n    image: >-\n      \
    pack://app\n  initContainers:\n  - name: e\n    image: \"pack://app\"\n";

/// The schemas of Kubernetes take the objects.
#[test]
fn the_schema_of_kubernetes_takes_resolved_objects() {
    let Some(judges) = judges() else { return };
    let (project, fake) = project();
    project.write("pod.yaml", POD);
    project.pack("resolve -f pod.yaml -o out").ok();
    let text = std::fs::read_to_string(project.path("out/pod.yaml")).expect("written");
    assert_eq!(text, POD.replace("pack://app", &image(&fake)));
    let code = "import sys, yaml, kubernetes_validate as k\n\
        k.validate(yaml.safe_load(open(sys.argv[1])), k.latest_version(), strict=True)\nprint('valid')";
    let said = run(python(&judges).args(["-c", code]).arg(project.path("out/pod.yaml")));
    assert_eq!(said.trim(), "valid");
}

/// Kustomize puts the parts of an image together as they were meant.
#[test]
fn kustomize_builds_what_was_resolved() {
    let Some(judges) = judges() else { return };
    let (project, fake) = project();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n  - {name: a, image: app}\n  - {name: b, \
        image: other}\n  - {name: c, image: third}\n";
    let images = "resources: [pod.yaml]\nimages:\n- name: app\n  newName: pack://app\n  newTag: dev\n- name: other\n  newName: \
        pack://app\n  newTag: dev\n  digest: \"\"\n- name: third\n  newName: pack://app\n  digest:\n";
    project.write("k/pod.yaml", pod).write("k/kustomization.yaml", images);
    project.pack("resolve -f k --in-place").ok();
    let said = run(Command::new(judges.join("python/bin/kubectl")).arg("kustomize").arg(project.path("k")));
    let image = image(&fake);
    assert_eq!(said.matches(&image).count(), 2, "{said}");
    assert!(said.contains(&image.replace(":1.20@", "@")), "{said}");
}

/// HashiCorp's parser reads the same but for the images.
#[test]
fn the_parser_of_hashicorp_reads_what_was_resolved() {
    let (Some(judges), Some(_)) = (judges(), peer("descriptors/node_modules")) else { return };
    let (project, fake) = project();
    let job = "job \"é\" {\n  # image = \"x\"\n  group \"g\" {\n    task \"t\" {\n      config {\n        image = \"pack://app\"\n        \
        args  = [\"${attr.a}\", \"b\"]\n      }\n      template {\n        data = <<-EOF\n          image = \"pack://app\"\n        \
        EOF\n      }\n    }\n  }\n}\n\nlocals {\n  x = true ? \"pack://app\" : upper(\"a\")\n}\n";
    project.write("a.nomad.hcl", job);
    project.pack("resolve -f a.nomad.hcl -o out").ok();
    let code = "require('@cdktf/hcl2json').parse('a.hcl', require('fs').readFileSync(process.argv[1], 'utf8'))\
        .then(value => console.log(JSON.stringify(value)))";
    let read = |path: &Path| {
        run(Command::new("node")
            .args(["-e", code])
            .arg(path)
            .current_dir(&judges)
            .env("NODE_PATH", judges.join("node_modules")))
    };
    let (before, after) = (read(&project.path("a.nomad.hcl")), read(&project.path("out/a.nomad.hcl")));
    let image = image(&fake);
    assert_eq!(after.matches(&image).count(), 2, "{after}");
    // The one in the heredoc stays.
    assert_eq!(after.replace(&image, "pack://app"), before);
}

/// Runs a judge over a file.
fn judged(form: &str, path: &Path) -> Option<String> {
    Some(run(Command::new(peer("judges/judge")?).arg(form).arg(path)))
}

/// The library that Docker Compose reads its files with loads what was resolved, and sees the image in each service.
#[test]
fn compose_loads_what_was_resolved() {
    let (project, fake) = project();
    let compose = "x-web: &web\n  image: pack://app\n  restart: always\nservices:\n  a:\n    <<: *web\n  b: {image: 'pack://app', \
        ports: [\"80:80\"]} # twice\n  c:\n    image: nginx:1.25\n    deploy: {replicas: 2}\n";
    project.write("compose.yaml", compose);
    project.pack("resolve -f compose.yaml -o out").ok();
    let Some(said) = judged("compose", &project.path("out/compose.yaml")) else { return };
    let image = image(&fake);
    assert_eq!(said, format!("a {image}\nb {image}\nc nginx:1.25\n"));
}

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\n";
const TEMPLATE: &str = "kind: Pod\nspec:\n  containers:\n  - image: {{ .Values.one.repository }}:{{ .Values.one.tag }}\n  - \
    image: {{ .Values.two.registry }}/{{ .Values.two.repository }}:{{ .Values.two.tag }}@{{ .Values.two.digest }}\n  - image: {{ \
    .Values.sidecarImage }}\n";

/// The library of Helm puts the values of a chart together as they were meant.
#[test]
fn helm_renders_what_was_resolved() {
    let (project, fake) = project();
    let values = "one:\n  repository: pack://app\n  tag: dev # moved\ntwo:\n  registry: example.com\n  repository: \
        pack://app\n  tag: \"\"\n  digest: \"\"\nsidecarImage: pack://app\n";
    project.write("chart/Chart.yaml", CHART).write("chart/templates/pod.yaml", TEMPLATE);
    project.write("chart/values.yaml", values);
    project.pack("resolve -f chart/values.yaml --in-place").ok();
    let Some(said) = judged("helm", &project.path("chart")) else { return };
    assert_eq!(said.matches(&image(&fake)).count(), 3, "{said}");
}

/// kbld finds the same images in objects of Kubernetes, and gives them the same digests.
#[test]
fn kbld_pins_the_same_images() {
    let (Some(judges), Some(kbld)) = (judges(), peer("kbld/kbld")) else { return };
    let (project, fake) = project();
    let index = "application/vnd.oci.image.index.v1+json";
    for (repository, tag) in [("db", "16"), ("db", "17-alpine"), ("shop/web", "latest")] {
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{index}\",\"manifests\":[],\"annotations\":{{\"a\":\"{repository}:{tag}\"}}}}"
        );
        fake.put_manifest(repository, tag, index, manifest.as_bytes());
    }
    let host = fake.address();
    let objects = format!(
        "# of others\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: shop, labels: {{mode: '0362525'}}}}\nspec:\n  \
         template:\n    spec:\n      initContainers:\n      - {{name: i, image: \"{host}/db:17-alpine\"}}\n      containers:\n      \
         - name: a # the first\n        image:  {host}/db:16\n      - name: b\n        image: {host}/shop/web\n---\napiVersion: \
         batch/v1\nkind: CronJob\nmetadata: {{name: tidy}}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          \
         containers:\n          - image: '{host}/db:16'\n            name: c\n"
    );
    project.write("objects.yaml", objects);
    let ours = project.pack("resolve -f objects.yaml --pin --form digest").ok().stdout;
    let flags = ["--registry-insecure", "--images-annotation=false", "--sort=false", "-f"];
    let theirs = run(Command::new(kbld).args(flags).arg(project.path("objects.yaml")));
    project.write("ours.yaml", &ours).write("theirs.yaml", theirs);
    let code = "import json, sys, yaml\nfor name in sys.argv[1:]:\n    print(json.dumps(list(yaml.safe_load_all(open(name))), \
        sort_keys=True))";
    let read = run(python(&judges)
        .args(["-c", code])
        .args(["ours.yaml", "theirs.yaml"].map(|name| project.path(name))));
    let (ours_read, theirs_read) = read.trim_end().split_once('\n').expect("two lines");
    assert_eq!(ours_read, theirs_read);
    assert_eq!(ours_read.matches("@sha256:").count(), 4, "{ours}");
}

/// The manifests that come with the judges, or those in the directory that `PACK_TEST_MANIFESTS` names.
fn manifests() -> Option<PathBuf> {
    match std::env::var_os("PACK_TEST_MANIFESTS") {
        Some(directory) => Some(PathBuf::from(directory)),
        None => peer("judges/manifests"),
    }
}

fn descriptors_script(judges: &Path) -> Command {
    let mut command = python(judges);
    command.arg(Path::new(REPOSITORY).join("tests/inputs/descriptors.py"));
    command
}

/// Of manifests of others, PyYAML and ruamel.yaml read the same after all images were replaced, but for the images.
#[test]
fn manifests_of_others_keep_all_but_their_images() {
    let (Some(judges), Some(source)) = (judges(), manifests()) else { return };
    let (project, fake) = project();
    let (before, after) = (project.path("before"), project.path("after"));
    let numbers = |command: &mut Command| -> Vec<u32> {
        run(command).split_whitespace().map(|word| word.parse().expect("a number")).collect()
    };
    let prepared = numbers(descriptors_script(&judges).arg("prepare").args([&source, &before]));
    project.pack("resolve -f before -o after").ok();
    let compared =
        numbers(descriptors_script(&judges).arg("compare").args([&before, &after]).arg(image(&fake)));
    say(&format!("files and images: {prepared:?}; files, scalars and files of ruamel.yaml: {compared:?}"));
    assert!(compared[1] >= prepared[1] && prepared[1] > 0, "{prepared:?} {compared:?}");
    if std::env::var_os("PACK_TEST_MANIFESTS").is_none() {
        assert!(compared.iter().all(|count| *count >= 200), "{prepared:?} {compared:?}");
    }
}

/// Places of images in objects whose kinds are not those of Kubernetes.
const SELECTORS: [&str; 6] = [
    "Workflow=spec.templates[].container.image",
    "Workflow=spec.templates[].script.image",
    "Task=spec.steps[].image",
    "TaskRun=spec.taskSpec.steps[].image",
    "PipelineRun=spec.pipelineSpec.tasks[].taskSpec.steps[].image",
    "Pipeline=spec.tasks[].taskSpec.steps[].image",
];

/// In manifests of others, each image is found at the line and column where PyYAML sees it, and no file changes where
/// nothing is replaced.
#[test]
fn all_images_of_manifests_are_found() {
    let (Some(judges), Some(source)) = (judges(), peer("judges/manifests")) else { return };
    let (project, _) = project();
    copy_tree(&source, &project.path("manifests"));
    let seen = run(descriptors_script(&judges).arg("images").arg(&source).args(SELECTORS));
    let mut seen: Vec<&str> = seen.lines().collect();
    let selected: Vec<String> = SELECTORS.iter().map(|path| format!("--image-path {path}")).collect();
    let check = project.pack("resolve --check -f manifests").args(&selected.join(" ")).run().has_code(4);
    let mut found: Vec<String> = check
        .stdout
        .lines()
        .map(|line| {
            line.trim_start_matches("manifests/").splitn(4, ':').take(3).collect::<Vec<_>>().join(":")
        })
        .collect();
    seen.sort_unstable();
    found.sort_unstable();
    assert!(seen.len() >= 500, "{}", seen.len());
    assert_eq!(found, seen);

    project.pack("resolve -f manifests --in-place").args(&selected.join(" ")).ok();
    for file in files_below(&source) {
        let below = file.strip_prefix(&source).expect("below");
        let now = std::fs::read(project.path("manifests").join(below)).expect("there");
        assert!(now == std::fs::read(&file).expect("there"), "{}", below.display());
    }
}

/// A line of HCL, JSON or YAML with `pack://app` in the place of an image that is written out; `None` for another line.
fn with_member(line: &str, is_image: bool) -> Option<String> {
    let key = if is_image { "id" } else { "image" };
    let start = line.find(key)?;
    let is_key = line[..start].trim_matches([' ', '"', '{', '-']).is_empty();
    let (between, value) = line[start + key.len()..].split_once(['=', ':'])?;
    let value = value.trim().trim_end_matches(',').trim_matches('"');
    let is_key = is_key && between.trim_matches([' ', '"']).is_empty();
    let is_whole = is_key && !value.is_empty() && !value.contains(['$', '{', '"', ' ']);
    (is_whole && !value.starts_with("var.")).then(|| line.replacen(value, "pack://app", 1))
}

/// All lines, and how many images they have. A pod of Marathon has the `id` of an image.
fn with_members(text: &str) -> (String, usize) {
    let (mut named, mut count, mut is_image) = (String::new(), 0, false);
    for line in text.split_inclusive('\n') {
        let found = with_member(line, is_image);
        is_image = line.contains("\"image\": {") || (is_image && !line.contains('}'));
        count += usize::from(found.is_some());
        named.push_str(found.as_deref().unwrap_or(line));
    }
    (named, count)
}

/// Jobs of Nomad, apps of Marathon and stacks of Swarm that others wrote change in nothing but their images.
#[test]
fn files_of_other_schedulers_keep_all_but_their_images() {
    let Some(source) = peer("scheduler-files") else { return };
    let (project, fake) = project();
    let before = project.path("before");
    copy_tree(&source, &before);
    project.pack("resolve -f before --in-place").ok();
    let mut files = Vec::new();
    for file in files_below(&before) {
        let text = std::fs::read_to_string(&file).expect("text");
        let below = file.strip_prefix(&before).expect("below").to_owned();
        let theirs = std::fs::read_to_string(source.join(&below)).expect("text");
        assert_eq!(text, theirs, "{}", below.display());
        let (named, count) = with_members(&text);
        std::fs::write(&file, &named).expect("written");
        files.push((below, named, count));
    }
    project.pack("resolve -f before -o after").ok();
    let image = image(&fake);
    for (below, named, count) in &files {
        let after =
            std::fs::read_to_string(project.path("after").join(below)).unwrap_or_else(|_| named.clone());
        assert_eq!(after, named.replace("pack://app", &image), "{} with {count} images", below.display());
    }
    for (directory, least) in [("nomad", 90), ("marathon", 12), ("swarm", 8)] {
        let of = || files.iter().filter(|(below, ..)| below.starts_with(directory));
        let images: usize = of().map(|(_, _, count)| count).sum();
        say(&format!("{directory}: {} files, {images} images", of().count()));
        assert!(images >= least, "{directory}: {images}");
    }
}
