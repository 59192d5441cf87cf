//! Large artifacts in several layers: what they unpack to, and what a change costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use crate::support::{Built, LayerDigests, Project, noise, tree_on, webapp};

const MIB: u64 = 1 << 20;

/// A file of mostly zeros: cheap to write, to read and to compress.
fn large(project: &Project, name: &str, size: u64) {
    project.write(name, name);
    fs::File::options().append(true).open(project.path(name)).unwrap().set_len(size).unwrap();
}

/// Twenty packages of 3.5 MiB: just above 64 MiB.
fn large_tree() -> Project {
    let project = Project::with(&tree_on("scratch"));
    for number in 0..20 {
        large(&project, &format!("files/node_modules/package-{number}/data"), 7 * MIB / 2);
        project.write(&format!("files/node_modules/package-{number}/index.js"), noise(number, 500));
    }
    project.write("files/server.js", "start()");
    for name in ["files/node_modules/package-3/same", "files/z-same"] {
        fs::hard_link(project.path("files/node_modules/package-0/index.js"), project.path(name)).unwrap();
    }
    std::os::unix::fs::symlink("package-7", project.path("files/node_modules/link")).unwrap();
    fs::create_dir_all(project.path("files/var/empty")).unwrap();
    project
}

/// The files that the layers unpack to: of each path its kind, mode, owner, time, link and content.
fn unpacked(layout: &Path, built: &Built) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    for layer in built.layers() {
        let blob = layout.join("blobs/sha256").join(layer.blob.trim_start_matches("sha256:"));
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(blob).unwrap()));
        let mut files = BTreeSet::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let link = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
            let header = entry.header().clone();
            let is_hard_link = header.entry_type() == tar::EntryType::Link;
            let is_known = link.as_ref().is_some_and(|link| files.contains(link));
            assert!(!is_hard_link || is_known, "{path} is a link to another layer");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let what = format!(
                "{:?} {:o} {} {} {} {link:?} {}",
                header.entry_type(),
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap(),
                blake3::hash(&content),
            );
            files.insert(path.clone());
            let before = tree.insert(path.clone(), what.clone());
            let is_directory = header.entry_type() == tar::EntryType::Directory;
            assert!(before.is_none() || is_directory && before == Some(what), "{path} twice");
        }
    }
    tree
}

fn names(built: &Built) -> Vec<String> {
    built.layers().into_iter().map(|layer| layer.name).collect()
}

/// The layers that were not there before.
fn new_layers(before: &Built, after: &Built) -> Vec<LayerDigests> {
    let known = before.layers();
    after.layers().into_iter().filter(|layer| !known.contains(layer)).collect()
}

#[test]
fn a_large_tree_is_split_and_unpacks_to_the_same() {
    let project = large_tree();
    let split = project.build("-o oci:split");
    assert_eq!(names(&split), ["app 1/4", "app 2/4", "app 3/4", "app 4/4"]);
    let whole = project.build("-o oci:whole --set app.buckets=1");
    assert_eq!(names(&whole), ["app"]);
    assert_eq!(unpacked(&project.path("split"), &split), unpacked(&project.path("whole"), &whole));

    let again = project.pack("build").cache(&project.beside("other-store")).built("--jobs 1");
    assert_eq!(again.layers(), split.layers());

    // One package changes: its bucket and nothing else.
    project.append("files/node_modules/package-5/index.js", "changed");
    let plan = project.pack("plan").ok();
    assert_eq!(plan.stdout.matches(" cached ").count(), 3, "{plan:?}");
    let changed = project.build("");
    assert_eq!(changed.built_layers().len(), 1, "{changed:?}");
    assert_eq!(new_layers(&split, &changed).len(), 1);

    // One file less, and it is below the size that is split so far.
    for number in 0..12 {
        fs::remove_file(project.path(&format!("files/node_modules/package-{number}/data"))).unwrap();
    }
    assert_eq!(names(&project.build("")), ["app"]);
}

/// An exploded web application with libraries that are named as they are in the wild.
fn web_application(version_of_third: &str) -> Project {
    let project = Project::bookstore();
    for (name, content) in webapp() {
        project.write(&format!("webapp/{name}"), content);
    }
    for number in 0..12 {
        let version = if number == 3 { version_of_third } else { "1.0" };
        project.write(&format!("webapp/WEB-INF/lib/jar{number}-{version}.jar"), noise(number, 20_000));
    }
    project.write("webapp/WEB-INF/lib/own-1.0-SNAPSHOT.jar", noise(99, 1000));
    project
}

#[test]
fn a_new_version_of_a_library_changes_one_layer() {
    let before = web_application("1.0").build("--set app.buckets=4");
    let expected = [
        "conf",
        "dependencies 1/4",
        "dependencies 2/4",
        "dependencies 3/4",
        "dependencies 4/4",
        "snapshots",
        "resources",
        "classes",
    ];
    assert_eq!(names(&before), expected);
    let after = web_application("2.0-rc-1").build("--set app.buckets=4");
    assert_eq!(names(&after), expected);
    let new = new_layers(&before, &after);
    assert_eq!(new.len(), 1, "{new:?}");
    assert!(new[0].name.starts_with("dependencies "), "{new:?}");
}

#[test]
fn the_layers_say_what_is_in_them() {
    let project = web_application("1.0");
    project.build("--set app.buckets=2");
    let plan = project.pack("plan --json --set app.buckets=2").ok().json();
    let layers = plan["images"][0]["layers"].as_array().unwrap();
    let why: Vec<&str> = layers
        .iter()
        .filter(|layer| layer["name"].as_str().unwrap().starts_with("dependencies "))
        .map(|layer| layer["why"].as_str().unwrap())
        .collect();
    assert_eq!(why.len(), 2);
    for why in why {
        assert!(why.contains(" of 18 libraries of `WEB-INF/lib`"), "{why}");
        assert!(why.contains("; by name: jar") && why.ends_with(" more"), "{why}");
    }
}

#[test]
fn there_are_never_too_many_layers() {
    let project = web_application("1.0");
    for number in 0..5 {
        let layer =
            format!("\n[[layer]]\nname = \"more-{number}\"\ndirectories = [{{ path = \"/m{number}\" }}]\n");
        project.append("build.toml", &layer);
    }
    let run = project.pack("build --set app.buckets=16").ok().says(&["at most 4 layers, not 16"]);
    assert_eq!(run.code, Some(0));
    // Six declared, four parts, and three more of the application.
    assert_eq!(project.build("--set app.buckets=16").layers().len(), 13);
}

#[test]
fn a_packed_application_is_one_layer() {
    let project = Project::bookstore();
    project.write("app.war", crate::support::war(&webapp()));
    let build_toml = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", build_toml.replace("path = \"webapp\"", "path = \"app.war\""));
    let built = project.build("--set app.buckets=8 --set app.layout=packaged");
    assert_eq!(names(&built), ["conf", "app"]);
}

#[test]
fn a_wrong_number_is_explained() {
    let project = Project::small();
    for wrong in ["3", "0", "32", "-1", "many"] {
        let failed = project.pack(&format!("build --set app.buckets={wrong}")).fails(2).hints();
        failed.says(&["is not a number of buckets", "1, 2, 4, 8 or 16"]);
    }
    project.build("--set app.buckets=auto");
}
