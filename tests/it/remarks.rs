//! The matrix of remarks: notes, warnings and findings are the same whatever the store holds, in text and in JSON.

use std::collections::BTreeSet;
use std::fs;

use crate::artifacts::{AMD64, ARM64, JAKARTA, base, elf, layout, war};
use crate::registry::Served;
use crate::support::{Outcome, Project, Run, copy_tree, tree_on};
use crate::verdicts::{GLIBC, STORES, TEN, damage};

/// An image that something must be said of.
struct Scene {
    /// The tables of the artifacts.
    apps: &'static str,
    /// Its files.
    files: fn() -> Vec<(&'static str, Vec<u8>)>,
    base: fn() -> Project,
    /// A part of each remark, with its level.
    says: &'static [&'static str],
}

fn web_application() -> Vec<(&'static str, Vec<u8>)> {
    let classes: &[(&str, &[u8])] =
        &[("WEB-INF/classes/A.class", JAKARTA), ("WEB-INF/web.xml", b"<web-app/>")];
    vec![("shop.war", war(classes))]
}

fn tomcat() -> Project {
    let files = [("usr/local/tomcat/webapps/ROOT/index.html", "old"), ("srv/shop/old.txt", "old")];
    base(&["linux/amd64"], TEN, &files)
}

fn scenes() -> Vec<Scene> {
    vec![
        Scene {
            apps: "[[app]]\npath = \"amd\"\n\n[[app]]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv/shop\"\n",
            files: || vec![("amd", elf(AMD64, &[])), ("files/a.txt", b"a".to_vec())],
            base: || base(&["linux/amd64"], "", &[GLIBC, ("srv/shop/old.txt", "old")]),
            says: &["note: the base has /srv/shop already"],
        },
        Scene {
            apps: "[[app]]\npath = [\"amd\", \"arm\"]\n\n[[app]]\npath = \"more\"\nroot = \"/opt/more\"\n\n\
                   [config]\nentrypoint = [\"/app/amd\"]\n",
            files: || vec![("amd", elf(AMD64, &[])), ("arm", elf(ARM64, &[])), ("more", elf(AMD64, &[]))],
            base: || base(&["linux/amd64", "linux/arm64"], "", &[GLIBC]),
            says: &["note: `arm` is left out: it is for linux/arm64, and `more` is for linux/amd64"],
        },
        Scene {
            apps: "[app]\npath = \"shop.war\"\n",
            files: web_application,
            base: tomcat,
            says: &[
                "note: The base has Tomcat 10 (",
                "note: The base has an application of its own",
                "note: The application is written for jakarta.servlet",
            ],
        },
    ]
}

impl Scene {
    fn project(&self, base: &str) -> Project {
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n{}",
            self.apps
        ));
        for (name, content) in (self.files)() {
            project.write(name, content);
        }
        project
    }
}

/// The notes and warnings that were printed, but those about a lock, which is an input, and about damage of the store itself.
fn remarks(project: &Project, outcome: &Outcome) -> Vec<String> {
    let root = format!("{}/", project.root().display());
    let store = project.cache().display().to_string();
    let lines = outcome.stderr.lines();
    let lines = lines.filter(|line| line.starts_with("note: ") || line.starts_with("warning: "));
    // A plan says advice in text, a build in JSON alone.
    let is_advice = |line: &&str| line.contains("[runs-as-root]") || line.contains("[no-healthcheck]");
    let lines = lines.filter(|line| !is_advice(line));
    let of_image = lines.filter(|line| !line.starts_with("note: build.lock: ") && !line.contains(&store));
    of_image.map(|line| line.replace(&root, "")).collect()
}

/// All that a command says in both forms; JSON has the findings.
fn said(project: &Project, run: &Run<'_>) -> (Vec<String>, String) {
    let text = remarks(project, &run.ok());
    let outcome = run.clone().arg("--json").ok();
    assert_eq!(remarks(project, &outcome), text, "beside JSON the same is said");
    (text, outcome.json()["findings"].to_string())
}

#[test]
fn notes_warnings_and_findings_do_not_depend_on_the_store() {
    for scene in scenes() {
        let of_scene = (scene.base)();
        let served = Served::start();
        served.add("base", &of_scene.path("layout"));
        for on in [layout(&of_scene), served.name("base")] {
            let project = scene.project(&on);
            // The same artifacts in another image on another base.
            let elsewhere = scene.project(&on);
            let other = (scene.base)();
            elsewhere.pack("build --name localhost/other --base").arg(layout(&other)).ok();
            let mut all: BTreeSet<(Vec<String>, String)> = BTreeSet::new();
            for store in STORES {
                for has_lock in [false, true] {
                    for line in ["plan", "build", "build", "build --set config.env.WHO=me", "plan"] {
                        if line != "build" || all.is_empty() {
                            let _ = fs::remove_dir_all(project.cache());
                            match store {
                                "cold" => {}
                                "foreign" => copy_tree(&elsewhere.cache(), &project.cache()),
                                _ => drop(project.pack("build").ok()),
                            }
                            if store == "damaged" {
                                damage(&project.cache());
                            }
                        }
                        if !has_lock {
                            let _ = fs::remove_file(project.path("build.lock"));
                        }
                        all.insert(said(&project, &project.pack(line)));
                    }
                }
            }
            assert_eq!(all.len(), 1, "the same is said: {all:#?}");
            let (text, _) = all.pop_first().unwrap();
            for expected in scene.says {
                assert!(text.iter().any(|line| line.starts_with(expected)), "{expected}: {text:#?}");
            }
            let mut once = text.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), text.len(), "nothing is said twice: {text:#?}");
        }
    }
}

/// Notes of a plan are in its JSON and in the report of a build, also where nothing of it had to be done.
#[test]
fn the_notes_of_a_known_build_are_in_its_report() {
    let amd64 = base(&["linux/amd64"], "", &[GLIBC]);
    let project = Project::with(
        &tree_on(&layout(&amd64))
            .replace("\"files\"", "[\"amd\", \"arm\"]")
            .replace("kind = \"tree\"\nroot = \"/srv\"\n", ""),
    );
    project.write("amd", elf(AMD64, &[])).write("arm", elf(ARM64, &[]));
    let platform = "--platform linux/amd64";
    let plan = project.pack("plan --json").args(platform).ok().json();
    let built = project.build(platform);
    let known = project.build(platform);
    let again = project.build(&format!("{platform} --set config.env.WHO=me"));
    assert!(plan["notes"][0].as_str().unwrap().contains("arm` is left out"), "{plan}");
    for built in [built, known, again] {
        assert_eq!(built.metadata["notes"], plan["notes"]);
        assert_eq!(built.metadata["warnings"], plan["warnings"]);
        assert_eq!(built.metadata["findings"], plan["findings"]);
    }
}
