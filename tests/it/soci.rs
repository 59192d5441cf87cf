//! SOCI: gzip layers with tables of contents beside them. `pack verify`, which shares no code with what writes them,
//! decodes every span by itself and compares every entry.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::reproducible::check_golden;
use crate::support::{Built, Project, json, noise, settle, sha256, text, tree_on};

const SOCI: &str = "com.amazon.soci";

/// A tree of which a layer is large enough.
fn project() -> Project {
    let project = Project::with(&tree_on("scratch").replace("tags", "platforms = [\"linux/amd64\"]\ntags"));
    crate::estargz::fill(&project.path("files"));
    project.write("files/chunks/large", noise(7, 11 << 20));
    project.write(&format!("files/{}/{}", "d".repeat(90), "n".repeat(120)), "a PAX record");
    settle(&project.path("files/chunks/large"));
    project
}

fn build(project: &Project, arguments: &str) -> Built {
    let _ = fs::remove_dir_all(project.path("out"));
    let built = project.build(&format!("--set app.buckets=1 -o oci:out {arguments}"));
    project.pack("verify oci:out").ok();
    built
}

fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs/sha256").join(&digest["sha256:".len()..])
}

fn document(layout: &Path, digest: &Value) -> Value {
    json(&fs::read_to_string(blob(layout, &text(digest))).unwrap())
}

/// The index of the only name in a layout.
fn root(layout: &Path) -> Value {
    let index = json(&fs::read_to_string(layout.join("index.json")).unwrap());
    document(layout, &index["manifests"][0]["digest"])
}

/// The image and the SOCI index of a root with one of each.
pub(crate) fn both(layout: &Path) -> (Value, Value) {
    let root = root(layout);
    let entries = root["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{root:#}");
    (document(layout, &entries[0]["digest"]), document(layout, &entries[1]["digest"]))
}

#[test]
fn the_layer_is_that_of_gzip_and_its_table_is_found_from_the_image() {
    let project = project();
    let gzip = build(&project, "");
    let soci = build(&project, "--compression soci");
    assert_eq!(gzip.layers(), soci.layers(), "nothing of the layer changes");
    assert_eq!(soci.encoded_bytes(), 0, "and its bodies were known");
    let out = project.path("out");
    let root = root(&out);
    let (image, index) = both(&out);
    let entry = &root["manifests"][1];
    assert_eq!(entry["artifactType"], "application/vnd.amazon.soci.index.v2+json");
    assert_eq!(entry["platform"], root["manifests"][0]["platform"]);
    assert_eq!(entry["annotations"][format!("{SOCI}.image-manifest-digest")], root["manifests"][0]["digest"]);
    assert_eq!(image["annotations"][format!("{SOCI}.index-digest")], entry["digest"]);
    assert_eq!(index["config"]["mediaType"], "application/vnd.amazon.soci.index.v2+json");
    let table = &index["layers"][0];
    let layer = &image["layers"][0];
    assert_eq!(table["annotations"][format!("{SOCI}.image-layer-digest")], layer["digest"]);
    assert_eq!(table["annotations"][format!("{SOCI}.image-layer-mediaType")], layer["mediaType"]);
    assert_eq!(table["annotations"][format!("{SOCI}.span-size")], "4194304");
    // Docker sees one image, and no tool takes the other manifest for one.
    project.build("--set app.buckets=1 --compression soci -o docker-archive:docker.tar");
    project.pack("verify docker-archive:docker.tar").ok();
    let inspected = project.pack("inspect --platform linux/amd64 --json oci:out").ok().json();
    assert_eq!(inspected["digest"], root["manifests"][0]["digest"], "{inspected:#}");
}

#[test]
fn it_is_the_same_whatever_was_known() {
    let project = project();
    let soci = "--set app.buckets=1 --compression soci";
    let first = build(&project, "--compression soci --jobs 1");
    let (_, index) = both(&project.path("out"));
    // A table that the store has lost is made again, and comes out the same.
    let table = blob(&project.cache(), &text(&index["layers"][0]["digest"]));
    fs::remove_file(&table).unwrap();
    assert_eq!(build(&project, "--compression soci").digest(), first.digest());
    assert!(table.exists());
    // As does one that goes on from an earlier layer.
    project.write("files/zzz", "changed");
    settle(&project.path("files/zzz"));
    let changed = build(&project, "--compression soci");
    assert_ne!(changed.digest(), first.digest());
    let cold = project.pack("build").cache(&project.beside("cold")).built(&format!("{soci} --jobs 2"));
    assert_eq!((cold.digest(), cold.layers()), (changed.digest(), changed.layers()));
    let again = build(&project, "--compression soci");
    assert_eq!((again.digest(), again.encoded_bytes()), (changed.digest(), 0));
    project.check_store();
    check_golden("tree soci", &first);
}

#[test]
fn small_layers_have_no_table() {
    let project = Project::small();
    let run = project.pack("build --compression soci -o oci:out").ok();
    run.says(&["note: no layer has the 10 MiB", "there is no SOCI index"]);
    let soci = project.build("--compression soci");
    assert_eq!(soci.digest(), project.build("").digest(), "it is the image that it is without");
}

/// The base's tables are carried on, by builds and by `rebase`; copies of a part keep what belongs to it.
#[test]
fn a_base_brings_its_tables_along() {
    let base = project();
    let one = build(&base, "--compression soci -t one");
    base.write("files/chunks/large", noise(8, 11 << 20));
    settle(&base.path("files/chunks/large"));
    let two = base.build("--set app.buckets=1 --compression soci -t two -o oci:out:two");
    assert_ne!(one.digest(), two.digest());

    let on = |tag: &str| {
        let project = Project::with(&tree_on(&format!("oci:base:{tag}")).replace("/srv", "/app"));
        project.write("files/a.txt", "small").write("files/noise", noise(9, 11 << 20));
        crate::support::copy_tree(&base.path("out"), &project.path("base"));
        project
    };
    let project = on("one");
    let built = build(&project, "--compression soci");
    let (_, index) = both(&project.path("out"));
    let layers: Vec<String> = index["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| text(&table["annotations"][format!("{SOCI}.image-layer-digest")]))
        .collect();
    assert_eq!(layers, [one.layers()[0].blob.clone(), built.layers()[0].blob.clone()]);
    // Without asking for it, nothing is said of the base either.
    let plain = build(&project, "");
    assert_ne!(plain.digest(), built.digest());
    build(&project, "--compression soci");

    let rebased = project.pack("rebase oci:out --base oci:base:two -t rebased").ok();
    let expected = build(&on("two"), "--compression soci").digest();
    assert_eq!(rebased.stdout.trim_end(), format!("oci:out:{expected}"), "{}", rebased.stderr);
    project.pack("verify oci:out:rebased").ok();

    // All of it for its only platform.
    let copied = project.pack("copy --platform linux/amd64 oci:out:1 oci:copy").ok();
    assert_eq!(copied.stdout.trim_end(), format!("oci:copy:{}", built.digest()));
    project.pack("verify oci:copy").ok();
}

#[test]
fn of_two_platforms_a_copy_of_one_keeps_its_table() {
    let project = project();
    let both = "--platform linux/amd64 --platform linux/arm64";
    build(&project, &format!("--compression soci {both}"));
    let entries = root(&project.path("out"))["manifests"].as_array().unwrap().len();
    assert_eq!(entries, 4);
    project.pack("copy --platform linux/arm64 oci:out oci:copy").ok().says(&["the copy is a new index"]);
    project.pack("verify oci:copy").ok();
    let (image, index) = self::both(&project.path("copy"));
    let table = &index["layers"][0]["annotations"];
    assert_eq!(table[format!("{SOCI}.image-layer-digest")], image["layers"][0]["digest"]);
    assert_eq!(root(&project.path("copy"))["manifests"][0]["platform"]["architecture"], "arm64");
}

/// Puts `bytes` in the place of a blob, and names it in all that named the other.
fn replace(layout: &Path, old: &str, bytes: &[u8]) {
    let new = sha256(bytes);
    fs::remove_file(blob(layout, old)).unwrap();
    fs::write(blob(layout, &new), bytes).unwrap();
    // One that names it may itself be named by another one that does: each time the first that is left.
    let first_naming = || {
        let files = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
        let small = |path: &PathBuf| fs::metadata(path).unwrap().len() <= 1 << 20;
        files.chain([layout.join("index.json")]).filter(small).find_map(|path| {
            let content = fs::read_to_string(&path).ok()?;
            content.contains(old).then_some((path, content))
        })
    };
    while let Some((path, content)) = first_naming() {
        let content = content.replace(old, &new);
        if path.ends_with("index.json") {
            fs::write(&path, content).unwrap();
        } else {
            let name = path.file_name().unwrap().to_str().unwrap();
            replace(layout, &format!("sha256:{name}"), content.as_bytes());
        }
    }
}

#[test]
fn a_table_that_says_something_else_is_found() {
    let project = project();
    build(&project, "--compression soci");
    let out = project.path("out");
    let kept = project.path("kept");
    crate::support::copy_tree(&out, &kept);
    let (_, index) = both(&out);
    let table = text(&index["layers"][0]["digest"]);
    let sound = fs::read(blob(&out, &table)).unwrap();
    let find = |text: &[u8]| sound.windows(text.len()).position(|window| window == text).unwrap();
    // `struct gzip_zinfo`: how many spans, of at least 4 MiB, the first of which begins after ten bytes of the blob.
    let checkpoints = find(&[0, 0, 0x40, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0]) - 4;
    let second = checkpoints + 12 + 17 + 32768;
    let cases = [
        (find(b"srv/run.sh"), "`srv/run.sh` is not what the table of contents says"),
        (find(b"sha256:") + 9, "has the digest sha256:"),
        (second, "span 0 "),
        (second + 9, "span 0 is "),
        (second + 16, "depends on what stands before it"),
        (checkpoints - 4, "the checkpoints are"),
        (find(b"0.9"), "which no reader supports"),
        (0, "no FlatBuffer"),
    ];
    for (at, expected) in cases {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        fs::remove_dir_all(&out).unwrap();
        crate::support::copy_tree(&kept, &out);
        replace(&out, &table, &bytes);
        let run = project.pack("verify oci:out").run();
        assert!(run.stderr.contains(expected), "byte {at}: {expected}\n{}", run.stderr);
    }
}
