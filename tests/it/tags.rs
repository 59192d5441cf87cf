//! Tags of a registry that are taken: every command refuses to move one, and says what helps.

use std::process::Command;

use crate::real::inputs;
use crate::real::server::Server;
use crate::support::{Project, text, tree_on};

/// A project of one commit whose files are no part of it, a registry, and the name to push to.
fn ignored_files() -> Option<(Project, Server, String)> {
    const REGISTRY: &str = "tools/docker-registry";
    let program = inputs(&[REGISTRY])?.join(REGISTRY);
    let project = Project::small();
    project.write(".gitignore", "files/\n");
    for arguments in [
        &["init", "-q"][..],
        &["add", "."],
        &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"],
    ] {
        let status = Command::new("git").args(arguments).current_dir(project.root()).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }
    let server = Server::start(&program, &project.beside("registry"), false);
    let name = format!("{}/shop/app", server.host());
    Some((project, server, name))
}

#[test]
fn one_commit_with_two_images_is_refused_with_the_first_difference() {
    let Some((project, _server, name)) = ignored_files() else { return };
    let push = format!("build --name {name} -t 1.0 --push");
    let first = project.pack(&push).ok().stdout;
    assert_eq!(project.pack(&push).ok().stdout, first);
    project.write("files/a.txt", "changed\n");
    let taken = format!("the tag `{name}:1.0` is taken: it resolves to sha256:");
    let refused = project.pack(&push).fails(4).hints();
    let refused = refused.says(&[&taken, "of revision", "not reproducible", "srv/a.txt", "--allow-retag"]);
    assert!(refused.stderr.contains(first.trim_end().rsplit('@').next().unwrap()), "{refused:?}");
    // The hint works.
    project.pack(&format!("build --name {name} -t 1.0")).ok();
    let said = project.pack(&format!("diff docker://{name}:1.0 store:{name}:1.0")).run().has_code(1);
    assert!(said.stdout.contains("srv/a.txt"), "{said:?}");
    let moved = project.pack(&push).args("--allow-retag").ok().stdout;
    assert_ne!(moved, first);
}

#[test]
fn copies_and_tags_move_nothing_but_latest() {
    let Some((project, _server, name)) = ignored_files() else { return };
    let push = |tag: &str| project.pack(&format!("build --name {name} -t {tag} --push")).ok().stdout;
    let first = push("1");
    project.write("files/a.txt", "changed\n");
    let second = push("2");
    for command in ["tag", "copy"] {
        let to = |from: &str, to: &str| match command {
            "tag" => format!("tag {name}:{from} {to}"),
            _ => format!("copy {name}:{from} {name}:{to}"),
        };
        project.pack(&to("1", command)).ok();
        project.pack(&to("1", command)).ok();
        project.pack(&to("2", command)).fails(4).says(&["is taken"]).hints();
        project.pack(&to("2", command)).args("--allow-retag").ok();
        project.pack(&to("1", "latest")).ok();
        project.pack(&to("2", "latest")).ok();
        let found =
            text(&project.pack(&format!("inspect --json docker://{name}:{command}")).ok().json()["digest"]);
        assert!(second.contains(&found) && !first.contains(&found));
    }
}

#[test]
fn the_tag_of_a_build_without_git_is_that_of_the_whole_image() {
    let fake = pack_test_registry::Fake::start().unwrap();
    let project = Project::small();
    project.write("build.toml", tree_on("scratch").replace("tags = [\"1\"]\n", ""));
    let push = format!("build --name {}/tree --push", fake.address());
    let first = project.pack(&push).ok().stdout;
    assert_eq!(project.pack(&push).ok().stdout, first);
    for change in
        ["config.ports=[9090]", "image.annotations.a=\"{content}\"", "config.labels.a=\"{content}\""]
    {
        let other = project.pack(&push).arg("--set").arg(change).ok().stdout;
        assert_ne!(other, first, "{change}");
        assert_eq!(project.pack(&push).arg("--set").arg(change).ok().stdout, other, "{change}");
    }
    assert_eq!(fake.tags("tree").len(), 4);
}
