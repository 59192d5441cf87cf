//! Bodies of earlier builds: which blobs are searched for them, whatever else is built in the same store.

use std::path::Path;

use crate::support::{Project, copy_tree, settle, tree_on};

/// How many other projects are built in the store.
const OTHERS: usize = 75;

/// A layer of several bodies.
fn project() -> Project {
    let project = Project::with(&tree_on("scratch"));
    for number in 0..40_u8 {
        let line = format!(
            "{number} {}\n",
            "some text that is the same in no two files ".repeat(usize::from(number))
        );
        project.write(&format!("files/{number:02}.txt"), line.repeat(20));
    }
    settle(&project.path("files"));
    project
}

/// Changes one file, in the middle.
fn change(project: &Project, text: &str) {
    project.append("files/20.txt", text);
    settle(&project.path("files/20.txt"));
}

/// Builds other projects in the store of `project`, eight at a time.
fn build_others(project: &Project) {
    let build = |number: usize| {
        let other = format!("other-{number}");
        let build_toml = tree_on("scratch").replace("localhost/tree", &format!("localhost/{other}"));
        let root = project.beside(&other);
        std::fs::create_dir_all(root.join("files")).unwrap();
        std::fs::write(root.join("build.toml"), build_toml).unwrap();
        std::fs::write(root.join("files/a.txt"), format!("the file of {other}\n")).unwrap();
        project.pack("build").cwd(&root).ok();
    };
    std::thread::scope(|scope| {
        for first in 0..8 {
            scope.spawn(move || (first..OTHERS).step_by(8).for_each(build));
        }
    });
}

/// The same project in another place, with a file changed.
fn copy(project: &Project, image: &str) -> Project {
    let copy = Project::new();
    copy_tree(&project.root(), &copy.root());
    copy.write("build.toml", tree_on("scratch").replace("localhost/tree", image));
    change(&copy, "changed\n");
    copy
}

fn encoded_in(project: &Project, store: &Path) -> u64 {
    project.pack("build").cache(store).built("-o oci:out").encoded_bytes()
}

#[test]
fn a_change_encodes_the_same_after_many_builds_of_other_projects() {
    let project = project();
    let alone = project.beside("alone");
    let all = encoded_in(&project, &project.cache());
    assert_eq!(encoded_in(&project, &alone), all);
    build_others(&project);
    change(&project, "changed\n");
    let expected = encoded_in(&project, &alone);
    assert!(expected > 0 && expected < all / 2, "{expected} of {all}");
    assert_eq!(encoded_in(&project, &project.cache()), expected);
    // On a runner that has the project in another directory.
    let elsewhere = copy(&project, "localhost/tree");
    change(&elsewhere, "and again\n");
    let again = encoded_in(&elsewhere, &project.cache());
    assert!(again > 0 && again <= expected + 1000, "{again} of {expected}");
    project.check_store();
}

#[test]
fn a_renamed_project_in_another_place_finds_its_bodies() {
    let project = project();
    let all = encoded_in(&project, &project.cache());
    let renamed = copy(&project, "localhost/renamed");
    let encoded = encoded_in(&renamed, &project.cache());
    assert!(encoded > 0 && encoded < all / 2, "{encoded} of {all}");
}

#[test]
fn content_that_moves_to_another_layer_is_not_encoded_again() {
    let project = project();
    project.write("files/large.bin", vec![7; 700_000]);
    project.build("");
    std::fs::create_dir(project.path("apart")).unwrap();
    std::fs::rename(project.path("files/large.bin"), project.path("apart/large.bin")).unwrap();
    project.append(
        "build.toml",
        "[[layer]]\nname = \"apart\"\nfiles = [{ from = \"apart\", to = \"/apart\" }]\n",
    );
    let encoded = project.build("").encoded_bytes();
    assert!(encoded > 0 && encoded < 700_000, "{encoded}");
}

#[test]
fn two_builds_of_a_project_at_the_same_time_are_both_known() {
    let project = project();
    project.build("");
    let (one, other) = (copy(&project, "localhost/tree"), copy(&project, "localhost/tree"));
    for (changed, file) in [(&one, "files/05.txt"), (&other, "files/35.txt")] {
        changed.append(file, "another line\n");
        settle(&changed.path(file));
    }
    let store = project.cache();
    std::thread::scope(|scope| {
        scope.spawn(|| encoded_in(&one, &store));
        encoded_in(&other, &store);
    });
    for (built, text) in [(&one, "1\n"), (&other, "and two\n")] {
        let alone = built.beside("alone");
        encoded_in(built, &alone);
        let next = copy(built, "localhost/tree");
        change(&next, text);
        assert_eq!(encoded_in(&next, &store), encoded_in(&next, &alone));
    }
    project.check_store();
}
