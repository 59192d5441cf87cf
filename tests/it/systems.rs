//! The examples of `docs/systems.md` and `docs/languages.md`.

use std::fs;
use std::path::Path;

use pack_test_registry::Fake;

use crate::apps::{base_with_java, hello_jar};
use crate::artifacts::{AMD64, ARM64, elf};
use crate::support::{Project, REPOSITORY, chmod, is_root};

/// The blocks of code in this language below a heading of a page.
fn blocks(page: &str, heading: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(REPOSITORY).join("docs").join(page)).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let section = section.split("\n## ").next().unwrap();
    let fence = format!("\n```{language}\n");
    let after = section.split(&fence).skip(1);
    let found: Vec<String> =
        after.map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n").collect();
    assert!(!found.is_empty(), "{page}: {heading}: {language}");
    found
}

/// A project whose image goes to a registry of this process.
fn project(fake: &Fake) -> Project {
    let project = Project::with(&format!(
        "[image]\nname = \"{}/shop/app\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\ntags = [\"1\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n",
        fake.address()
    ));
    project.write("files/a.txt", "a");
    project
}

#[test]
fn the_examples_of_other_systems_work() {
    let fake = Fake::start().unwrap();
    let project = project(&fake);
    project.pack("build --push").ok();
    project.pack(&format!("promote {}/shop/app:1 --to prod", fake.address())).ok();
    for (heading, language, name) in [
        ("Terraform", "hcl", "shop.tf"),
        ("Kubernetes", "yaml", "pod.yaml"),
        ("Docker Swarm", "yaml", "stack.yaml"),
        ("Marathon", "json", "marathon.json"),
    ] {
        let text = blocks("systems.md", heading, language).remove(0);
        project.write(name, &text);
        let count = text.matches("pack://app").count();
        for command in ["resolve", "render prod"] {
            project.pack(&format!("{command} -f {name} -o out")).ok();
            let written = fs::read_to_string(project.path("out").join(name)).unwrap();
            assert_eq!(written.matches("/shop/app:").count(), count, "{command} {name}: {written}");
            assert!(written.contains("@sha256:") && !written.contains("pack://"), "{written}");
        }
    }
    project.pack("build -o docker-archive:image.tar").ok();
    let first = fs::read(project.path("image.tar")).unwrap();
    project.pack("build -o docker-archive:image.tar").ok();
    assert_eq!(fs::read(project.path("image.tar")).unwrap(), first);
    project.pack("build --push --image-refs image.txt").ok();
    assert!(fs::read_to_string(project.path("image.txt")).unwrap().contains("@sha256:"));
}

#[test]
fn layers_of_settings_are_built_as_the_page_says() {
    let project = Project::new();
    let head = "[image]\nbase = \"scratch\"\n";
    let tables = blocks("systems.md", "Consul and confd", "toml");
    project.write("build.toml", format!("{head}{}", tables[0]));
    project.pack("build").ok();
    project
        .write("tools/confd", elf(AMD64, &[]))
        .write("confd/conf.d/shop.toml", "a")
        .write("start", elf(AMD64, &[]));
    chmod(&project.path("tools/confd"), 0o755);
    let start = "[[layer]]\nname = \"start\"\nfiles = [{ from = \"start\", to = \"/usr/local/bin/start\", mode = \"0555\" }]\n";
    project.write("build.toml", format!("{head}{start}{}", tables[1]));
    project.pack("build").ok();
    if is_root() {
        project.write("rootfs/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        project.write("build.toml", blocks("systems.md", "Packer", "toml").remove(0));
        project.pack("build").ok();
    }
}

/// Those that need only what is small; the bases of the others are real ones, and real applications are tested elsewhere.
#[test]
fn the_examples_of_languages_are_build_files_that_work() {
    let (_base, java) = base_with_java("21.0.1");
    let project = Project::new();
    project.write("target/shop-1.0.jar", hello_jar(""));
    let spring = blocks("languages.md", "Java with Spring Boot", "toml").remove(0);
    project.write("build.toml", spring.replace("eclipse-temurin:21-jre", &java));
    project.pack("build").ok();
    project.write("build/app-amd64", elf(AMD64, &[])).write("build/app-arm64", elf(ARM64, &[]));
    project.write("build.toml", blocks("languages.md", "Go, Rust and other programs", "toml").remove(0));
    let built = project.build("");
    assert_eq!(built.metadata["images"].as_array().unwrap().len(), 2);
}
