//! Descriptors with the tools of their formats as judges: PyYAML, kustomize, the schemas of Kubernetes, HashiCorp's parser.

use std::path::{Path, PathBuf};
use std::process::Command;

use pack_test_registry::Fake;

use super::peers::peer;
use super::{say, tools::run};
use crate::support::{Project, REPOSITORY};

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

/// Manifests of others, in a directory that `PACK_TEST_MANIFESTS` names: what PyYAML reads of them stays, but for the
/// images. Without that, those of this file.
#[test]
fn manifests_of_others_keep_all_but_their_images() {
    let Some(judges) = judges() else { return };
    let (project, fake) = project();
    project.write(
        "own/pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n  containers:\n  - name: a\n    image: nginx:1.20 # as \
         it is\n  - name: b\n    image: 'busybox'\n",
    );
    let source = match std::env::var_os("PACK_TEST_MANIFESTS") {
        Some(directory) => PathBuf::from(directory),
        None => project.path("own"),
    };
    let script = Path::new(REPOSITORY).join("tests/inputs/descriptors.py");
    let (before, after) = (project.path("before"), project.path("after"));
    let prepared = run(python(&judges).arg(&script).arg("prepare").args([&source, &before]));
    project.pack("resolve -f before -o after").ok();
    let compared = run(python(&judges).arg(&script).arg("compare").args([&before, &after]).arg(image(&fake)));
    say(&format!("files and images: {}; compared files and scalars: {}", prepared.trim(), compared.trim()));
    assert!(!compared.starts_with("0 "), "{compared}");
}
