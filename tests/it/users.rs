//! Who owns what is in an image, and who it runs as: names, users that are added, and what they may do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;

use crate::artifacts::{base, layout};
use crate::registry::Served;
use crate::reproducible::check_golden;
use crate::support::{Built, Outcome, Project};

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\napp:x:1001:50:App:/srv:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n";
const GROUP: &str = "root:x:0:\nstaff:x:50:web\nweb:x:33:\n";

/// An entry of a layer.
#[derive(Debug, Default)]
struct Packed {
    owner: (u64, u64),
    mode: u32,
    content: String,
}

/// A base with users, in a layout.
fn base_with_users() -> Project {
    base(&["linux/amd64"], "", &[("etc/passwd", PASSWD), ("etc/group", GROUP), ("bin/sh", "sh")])
}

/// A project of the directory `files` at `/srv` on `base`, with more lines for its build file.
fn on(base: &str, more: &str) -> Project {
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n{more}"
    ));
    project
        .write("files/a.txt", "a\n")
        .write("files/bin/run", "#!/bin/sh\n")
        .write("files/data/b.txt", "b\n");
    project
}

/// The entries of the layer `name`, as the image in `oci:out` has them.
fn entries(project: &Project, built: &Built, name: &str) -> BTreeMap<String, Packed> {
    let layers = built.layers();
    let layer = layers.iter().find(|layer| layer.name == name).unwrap_or_else(|| panic!("{layers:?}"));
    let blob = project.path("out/blobs/sha256").join(layer.blob.strip_prefix("sha256:").unwrap());
    let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(fs::File::open(blob).unwrap()));
    let packed = tar.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let header = entry.header();
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        let mode = header.mode().unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        (path, Packed { owner, mode, content })
    });
    packed.collect()
}

fn fails(project: &Project, texts: &[&str]) -> Outcome {
    project.pack("build").fails(1).says(texts).hints()
}

#[test]
fn names_of_owners_are_those_of_the_base() {
    let base = base_with_users();
    for (owner, expected) in [
        ("app", (1001, 50)),
        ("app:web", (1001, 33)),
        ("0:staff", (0, 50)),
        ("7", (7, 7)),
        ("web:1", (33, 1)),
    ] {
        let more = format!(
            "owner = \"{owner}\"\n[[layer]]\nname = \"more\"\nfiles = [{{ from = \"files/a.txt\", to = \"/opt/\", owner = \"{owner}\" }}]\n\
             directories = [{{ path = \"/var/lib/app\", owner = \"{owner}\" }}]\n"
        );
        let project = on(&layout(&base), &more);
        let built = project.build("-o oci:out");
        let app = entries(&project, &built, "app");
        assert_eq!((app["srv/a.txt"].owner, app["srv/data/"].owner), (expected, expected), "{owner}");
        let more = entries(&project, &built, "more");
        assert_eq!((more["opt/a.txt"].owner, more["var/lib/app/"].owner), (expected, expected), "{owner}");
    }
}

#[test]
fn an_owner_that_the_image_does_not_list_is_an_error_with_its_line() {
    let base = base_with_users();
    let base = layout(&base);
    let project = on(&base, "owner = \"ap\"\n");
    fails(&project, &["build.toml:10", "the image has no user `ap`", "did you mean `app`?"]);
    let project = on(&base, "owner = \"nginx:nginx\"\n");
    fails(&project, &["the image has no user `nginx`: `/etc/passwd` does not list it", "[[user]]"]);
    let project = on(&base, "owner = \"app:app\"\n");
    fails(&project, &["the image has no group `app`: `/etc/group` does not list it"]);
    // Nothing has users there.
    fails(&on("scratch", "owner = \"app\"\n"), &["the image has no user `app`"]);
}

#[test]
fn a_planned_file_of_users_counts_before_that_of_the_base() {
    let more =
        "owner = \"new\"\n[[layer]]\nname = \"accounts\"\nfiles = [{ from = \"etc\", to = \"/etc/\" }]\n";
    let base = base_with_users();
    let project = on(&layout(&base), more);
    project.write("etc/passwd", "new:x:5:6::/:/bin/sh\n");
    let built = project.build("-o oci:out");
    assert_eq!(entries(&project, &built, "app")["srv/a.txt"].owner, (5, 6));
    // One that is left out does not count.
    project.write("etc/.packignore", "passwd\n").write("etc/other", "");
    fails(&project, &["the image has no user `new`"]);
}

#[test]
fn a_lock_has_the_files_of_users_and_no_layer_is_read_again() {
    let (base, served) = (base_with_users(), Served::start());
    served.add("base", &base.path("layout"));
    let project = on(&served.name("base"), "owner = \"app\"\n[[user]]\nname = \"new\"\nuid = 2000\n");
    let layers = || -> Vec<String> {
        let is_layer = |line: &String| line.starts_with("GET ") && line.contains("/blobs/");
        served.take_log().into_iter().filter(is_layer).collect()
    };
    let first = project.build("");
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("app:x:1001:50:App:/srv:/bin/sh\\nweb"), "{lock}");
    fs::remove_dir_all(project.cache()).unwrap();
    layers();
    project.pack("plan --locked").ok();
    assert_eq!(layers(), Vec::<String>::new());
    // A fact that was edited is dropped, and derived again.
    project.write("build.lock", lock.replace("app:x:1001", "app:x:1002"));
    assert_eq!(project.build("").digest(), first.digest());
    assert_eq!(fs::read_to_string(project.path("build.lock")).unwrap(), lock);
}

const TWO: &str = "[[user]]\nname = \"shop\"\nuid = 2000\nhome = \"/home/shop\"\ngroups = [\"staff\"]\n\
                   [[user]]\nname = \"job\"\nuid = 2001\ngid = 33\nshell = \"/bin/sh\"\n";

#[test]
fn users_are_added_to_the_files_of_the_base() {
    let base = base_with_users();
    let project = on(&layout(&base), &format!("owner = \"shop\"\n{TWO}[config]\nuser = \"shop\"\n"));
    let built = project.build("-o oci:out");
    let users = entries(&project, &built, "users");
    let paths: Vec<&str> = users.keys().map(String::as_str).collect();
    assert_eq!(paths, ["etc/", "etc/group", "etc/passwd", "home/", "home/shop/"]);
    let added = "shop:*:2000:2000::/home/shop:/sbin/nologin\njob:*:2001:33::/nonexistent:/bin/sh\n";
    assert_eq!(users["etc/passwd"].content, format!("{PASSWD}{added}"));
    assert_eq!(users["etc/group"].content, "root:x:0:\nstaff:x:50:web,shop\nweb:x:33:\nshop:*:2000:\n");
    assert_eq!((users["etc/passwd"].owner, users["etc/passwd"].mode), ((0, 0), 0o644));
    assert_eq!((users["home/shop/"].owner, users["home/shop/"].mode), ((2000, 2000), 0o755));
    assert_eq!(users["home/"].owner, (0, 0));
    assert_eq!(entries(&project, &built, "app")["srv/a.txt"].owner, (2000, 2000));
    check_golden("users", &built);
}

#[test]
fn users_on_scratch_make_the_files() {
    let project = on(
        "scratch",
        &format!("{}[config]\nuser = \"shop:shop\"\n", TWO.replace("groups = [\"staff\"]\n", "")),
    );
    let built = project.build("-o oci:out");
    let users = entries(&project, &built, "users");
    assert!(users["etc/passwd"].content.starts_with("shop:*:2000:2000:"), "{users:?}");
    assert_eq!(users["etc/group"].content, "shop:*:2000:\njob:*:33:\n");
}

#[test]
fn a_user_that_the_base_has_changes_nothing_and_one_that_it_has_otherwise_is_an_error() {
    let base = base_with_users();
    let base = layout(&base);
    let same = "[[user]]\nname = \"app\"\nuid = 1001\ngroup = \"staff\"\nhome = \"/srv\"\n";
    let built = on(&base, same).build("-o oci:out");
    assert!(built.layers().iter().all(|layer| layer.name != "users"), "{built:?}");
    for (user, says) in [
        (
            "name = \"app\"\nuid = 1000\ngroup = \"staff\"",
            "the base has a user `app` already: 1001:50, at home in `/srv`",
        ),
        (
            "name = \"app\"\nuid = 1001\ngroup = \"staff\"\nhome = \"/app\"",
            "the base has a user `app` already",
        ),
        ("name = \"shop\"\nuid = 1001", "the number 1001 of the user `shop` is that of `app` in the base"),
        ("name = \"shop\"\nuid = 50", "the number 50 of the group `shop` is that of `staff` in the base"),
        (
            "name = \"shop\"\nuid = 60\ngroup = \"staff\"\ngid = 60",
            "the base has a group `staff` already, with the number 50",
        ),
        ("name = \"shop\"\nuid = 60\ngroups = [\"none\"]", "the base has no group `none`"),
    ] {
        fails(&on(&base, &format!("[[user]]\n{user}\n")), &[says, "build.toml:"]);
    }
    let file = "[[user]]\nname = \"shop\"\nuid = 60\n[[layer]]\nname = \"accounts\"\nfiles = [{ from = \"files/a.txt\", to = \"/etc/passwd\" }]\n";
    fails(&on(&base, file), &["the layer `accounts` has a file in its place"]);
}
