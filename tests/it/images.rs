//! Commands that take one image and leave another: `copy`, `tag`, `diff`, `rebase`.

use std::fs;

use serde_json::Value;

use crate::artifacts::{AMD64, ARM64, library};
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
        ("store:localhost/shop/copy:1.0", "oci-archive:second.tar"),
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
    // Nothing is left to do: the tag came from the archive's one name.
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
    let digest = project.pack("inspect oci:out --json").ok().json()["digest"].as_str().unwrap().to_owned();
    project.pack(&format!("copy oci:out:{digest} localhost:1/a/b")).fails(2).hints().says(&["has no tag"]);
    project.pack("tag oci:out:1 2").ok();
    project.pack("copy oci:out localhost:1/a/b").fails(2).hints().says(&["has no tag"]);
    project.pack("copy oci:out scratch").fails(2);
    project.pack("copy oci:missing oci:x").fails(1);
    let wrong = format!("copy oci:out store:localhost/a@sha256:{}", "0".repeat(64));
    project.pack(&wrong).fails(1).says(&["the copy would be"]);
    // No server listens there.
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
    project.pack("tag store:tree:1 2").ok();
    assert!(project.pack("verify localhost/tree:2").ok().stdout.starts_with(&digest));
    let again = project.pack("tag --json store:tree:1 2").ok().json();
    assert_eq!(again["current"], true);
    project.pack("tag store:tree:1 localhost/other:2").run().has_code(2);
    project.pack("tag store:localhost/none:1 2").fails(1).hints();
    project.pack("tag 127.0.0.1:9/none:1 2").fails(3);
    project.pack("copy oci:out:1 oci-archive:a.tar").ok();
    project.pack("tag oci-archive:a.tar 2").fails(2).hints();
    project.check_store();
}

#[test]
fn a_difference_is_named_and_is_exit_code_1() {
    let project = Project::small();
    let first = project.build("-o oci:a").digest();
    project.pack("copy oci:a:1 oci-archive:a.tar").ok();
    let same = project.pack("diff oci:a oci-archive:a.tar").ok().stdout;
    assert!(same.contains("The images are the same"), "{same}");
    project.write("files/sub/b.txt", "other\n");
    project.write("files/new.txt", "new\n");
    assert_ne!(project.build("-o oci:b").digest(), first);
    let differ = project.pack("diff oci:a oci:b").run().has_code(1);
    assert!(!differ.has_error(), "{differ:?}");
    for line in [
        "+ srv/new.txt",
        "~ srv/sub/b.txt",
        "size: 2 → 6",
        "First difference: layer 1: srv/new.txt: only in B",
    ] {
        assert!(differ.stdout.contains(line), "{line}\n{}", differ.stdout);
    }
    let json = project.pack("diff --json oci:a oci:b").run().has_code(1).json();
    assert_eq!(json["equal"], false);
    assert_eq!(json["images"][0]["files"].as_array().unwrap().len(), 2, "{json:#}");
    project.pack("build --compression zstd -o oci:c").ok();
    let json = project.pack("diff --json oci:b oci:c").run().has_code(1).json();
    assert!(text(&json["first"]).starts_with("layer 1: same files, different compression (gzip"), "{json:#}");
    let missing = project.pack("diff oci:a oci:missing").fails(1);
    assert!(missing.stderr.contains("missing"), "{missing:?}");
}

/// A base with these variables, of one file.
fn base(project: &Project, name: &str, content: &str, env: &str) {
    project.write(&format!("{name}/files/etc/base"), content).write(
        &format!("{name}/build.toml"),
        format!(
            "[image]\nname = \"localhost/{name}\"\nbase = \"scratch\"\ntags = [\"1\"]\n\
             platforms = [\"linux/amd64\"]\n\n[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n\n\
             [config]\nenv = {{ {env} }}\nports = [80]\ncmd = [\"{name}\"]\nlabels = {{ base = \"{name}\", \"{name}\" = \"1\" }}\n"
        ),
    );
    project.pack(&format!("build {name} -o oci:bases/{name}")).ok();
}

/// An application on `bases/BASE`.
fn app(project: &Project, base: &str) -> String {
    project.write("app/files/a.txt", "a\n").write(
        "app/build.toml",
        format!(
            "[image]\nname = \"localhost/app\"\nbase = \"oci:../bases/{base}\"\ntags = [\"{base}\"]\n\n\
             [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n\n\
             [config]\nenv = {{ OWN = \"1\", SHARED = \"own\" }}\nports = [8080]\nuser = \"1000\"\n\
             labels = {{ own = \"1\" }}\nvolumes = [\"/var/x\"]\n"
        ),
    );
    let out = project.path(&format!("app-{base}"));
    fs::remove_file(project.path("app/build.lock")).ok();
    project.build(&format!("app -o oci:{}", out.display())).digest()
}

#[test]
fn a_rebased_image_is_the_one_that_a_build_gives() {
    let project = Project::new();
    base(&project, "one", "1\n", "SHARED = \"base\", OLD = \"1\", KEPT = \"1\"");
    base(&project, "two", "2\n", "SHARED = \"base\", NEW = \"2\", KEPT = \"2\"");
    let (on_one, on_two) = (app(&project, "one"), app(&project, "two"));
    assert_ne!(on_one, on_two);
    let rebased = project.pack("rebase oci:app-one --base oci:bases/two -t patched").ok();
    assert_eq!(rebased.stdout.trim_end(), format!("oci:app-one:{on_two}"));
    project.pack("verify oci:app-one:patched").ok();
    // Once more there is nothing to do; and back, named by hand.
    let again = project.pack("rebase --json oci:app-one:one --base oci:bases/two -t patched").ok().json();
    assert_eq!(again["current"], true, "{again:#}");
    let back = "rebase oci:app-one:patched --base oci:bases/one --old-base oci:bases/two -t back";
    assert!(project.pack(back).ok().stdout.trim_end().ends_with(&on_one));
    // A base that it is not on.
    let wrong = "rebase oci:app-one:patched --base oci:bases/one --old-base oci:bases/one -t wrong";
    project.pack(wrong).fails(1).hints().says(&["does not begin with the layers"]);
    let plain = project.pack("rebase oci:bases/one --base oci:bases/two -t x").fails(1);
    plain.hints().says(&["does not say what its base is", "an image on `scratch` has none: build it again"]);
}

#[test]
fn what_would_not_run_is_refused() {
    let project = Project::new();
    let tomcat = |version: u32, java: &str| {
        format!(
            "CATALINA_HOME = \"/usr/local/tomcat\", TOMCAT_VERSION = \"{version}.0.1\", JAVA_VERSION = \"{java}\""
        )
    };
    base(&project, "nine", "9\n", &tomcat(9, "jdk-17.0.9+9"));
    base(&project, "ten", "10\n", &tomcat(10, "jdk-21.0.2+13"));
    base(&project, "old", "8\n", &tomcat(9, "8u392"));
    app(&project, "nine");
    let before = fs::read(project.path("app-nine/index.json")).unwrap();
    let ten = project.pack("rebase oci:app-nine --base oci:bases/ten -t x").fails(4);
    ten.hints().says(&["the old base has Tomcat 9", "Tomcat 10"]);
    let old = project.pack("rebase oci:app-nine --base oci:bases/old -t x").fails(4);
    old.says(&["the old base has Java 17, the new one Java 8"]);
    assert_eq!(fs::read(project.path("app-nine/index.json")).unwrap(), before);
    let forced = project.pack("rebase oci:app-nine --base oci:bases/old -t x --force").ok();
    forced.says(&["warning:", "Java 8"]);
    project.pack("verify oci:app-nine:x").ok();

    // Another processor, another C library.
    for (name, platform, loader) in [
        ("arm", "linux/arm64", "lib/ld-linux-aarch64.so.1"),
        ("musl", "linux/amd64", "lib/ld-musl-x86_64.so.1"),
        ("glibc", "linux/amd64", "lib64/ld-linux-x86-64.so.2"),
    ] {
        let machine = if name == "arm" { ARM64 } else { AMD64 };
        project.write(&format!("{name}/files/{loader}"), library(machine, &[])).write(
            &format!("{name}/build.toml"),
            format!(
                "[image]\nname = \"localhost/{name}\"\nbase = \"scratch\"\ntags = [\"1\"]\n\
                 platforms = [\"{platform}\"]\n\n[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n"
            ),
        );
        project.pack(&format!("build {name} -o oci:bases/{name}")).ok();
    }
    app(&project, "musl");
    let glibc = project.pack("rebase oci:app-musl --base oci:bases/glibc -t x").fails(4);
    glibc.says(&["the old base has musl, the new one glibc"]);
    let arm = project.pack("rebase oci:app-musl --base oci:bases/arm -t x").fails(4);
    arm.says(&["the image is for linux/amd64, the new base for linux/arm64"]);
}
