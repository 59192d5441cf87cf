//! Commands that take one image and leave another: `copy`, `tag`, `diff`, `rebase`.

use std::fs;

use serde_json::Value;

use crate::support::{Project, files_below, text};

/// Every blob of a layout, by name, with its bytes.
fn blobs(project: &Project, layout: &str) -> Vec<(String, Vec<u8>)> {
    files_below(&project.path(layout).join("blobs"))
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn a_copy_keeps_every_byte_through_every_kind_of_place() {
    let project = Project::bookstore();
    let built = project.build("-o oci:first:1.0");
    let digest = built.digest();
    for (from, to) in [
        ("oci:first:1.0", "store:localhost/shop/copy"),
        ("localhost/shop/copy:1.0", "oci-archive:second.tar"),
        ("oci-archive:second.tar", "oci:third:2.0"),
        ("oci:third:2.0", "docker-archive:fourth.tar:localhost/shop/copy:2.0"),
        ("oci-archive:fourth.tar", "oci:last"),
    ] {
        let copied = project.pack(&format!("copy {from} {to}")).ok();
        assert!(copied.stdout.trim_end().ends_with(&digest), "{copied:?}");
        let verified = project.pack("verify").arg(copied.stdout.trim_end()).ok();
        assert!(verified.stdout.starts_with(&digest), "{verified:?}");
    }
    assert_eq!(blobs(&project, "first"), blobs(&project, "last"));
    // Nothing is left to do.
    let again = project.pack("copy --json oci:third:2.0 oci:last").ok().json();
    assert_eq!(again["current"], false, "another tag than before: {again}");
    let again = project.pack("copy --json oci:third:2.0 oci:last").ok().json();
    assert_eq!(again["current"], true, "{again}");
    project.check_store();
}

#[test]
fn a_copy_of_some_platforms_says_so() {
    let project = Project::new();
    project.write("files/a.txt", "a\n").write(
        "build.toml",
        "[image]\nname = \"localhost/tree\"\nbase = \"scratch\"\ntags = [\"1\"]\n\
         platforms = [\"linux/amd64\", \"linux/arm64\", \"linux/s390x\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n",
    );
    let built = project.build("-o oci:all:1");
    let inspected = project.pack("inspect --json oci:all:1").ok().json();
    let entry = |architecture: &str| {
        let entries = inspected["manifests"].as_array().unwrap().iter();
        let of = |entry: &&Value| entry.to_string().contains(architecture);
        text(&entries.clone().find(of).unwrap()["digest"])
    };
    let one = project.pack("copy --platform linux/arm64 oci:all:1 oci:one:1").ok();
    assert_eq!(one.stdout.trim_end(), format!("oci:one:{}", entry("arm64")));
    let two = project.pack("copy --platform linux/arm64,linux/amd64 oci:all:1 oci:two:1").ok();
    let two = two.says(&["the copy is a new index"]);
    assert_ne!(two.stdout.trim_end(), format!("oci:two:{}", built.digest()));
    project.pack("verify oci:two:1").ok();
    let all = project.pack("copy --all oci:all:1 oci:whole:1").ok();
    assert_eq!(all.stdout.trim_end(), format!("oci:whole:{}", built.digest()));
    project.pack("copy --platform linux/riscv64 oci:all:1 oci:none:1").fails(1).says(&["linux/s390x"]);
    project.pack("copy --platform linux/arm64 --all oci:all:1 oci:none:1").run().has_code(2);
}

#[test]
fn a_copy_never_makes_up_a_name() {
    let project = Project::small();
    project.build("-o oci:out");
    project.pack("copy oci:out localhost:1/a/b").fails(2).hints().says(&["has no tag"]);
    project.pack("copy oci:out scratch").fails(2);
    project.pack("copy oci:missing oci:x").fails(1);
    let wrong = format!("copy oci:out store:localhost/a@sha256:{}", "0".repeat(64));
    project.pack(&wrong).fails(1).says(&["the copy would be"]);
    // Nobody listens there.
    project.pack("copy oci:out localhost:1/a/b:1").fails(3);
}

#[test]
fn tags_are_added_in_a_layout_and_in_the_store() {
    let project = Project::small();
    let digest = project.build("-o oci:out:1").digest();
    let before = blobs(&project, "out");
    let tagged = project.pack("tag oci:out:1 stable latest").ok();
    assert_eq!(tagged.stdout.trim_end(), format!("oci:out:{digest}"));
    for name in ["oci:out:stable", "oci:out:latest", "oci:out:1"] {
        let verified = project.pack("verify").arg(name).ok();
        assert!(verified.stdout.starts_with(&digest), "{verified:?}");
    }
    assert_eq!(blobs(&project, "out"), before);
    project.build("");
    project.pack("tag tree:1 2").ok();
    assert!(project.pack("verify localhost/tree:2").ok().stdout.starts_with(&digest));
    let again = project.pack("tag --json tree:1 2").ok().json();
    assert_eq!(again["current"], true);
    project.pack("tag tree:1 localhost/other:2").run().has_code(2);
    project.pack("tag localhost/none:1 2").fails(3);
    project.pack("copy oci:out:1 oci-archive:a.tar").ok();
    project.pack("tag oci-archive:a.tar 2").fails(2).hints();
    project.check_store();
}
