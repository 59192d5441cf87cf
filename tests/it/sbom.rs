//! `pack sbom`: the packages in an image, wherever it is.

use serde_json::Value;

use crate::support::{Project, text, tree_on};

const PACKAGE: &str = r#"{"name":"left","version":"1.0.0","license":"MIT"}"#;

/// A project with a Node package, a Python distribution, and a database of Debian packages.
fn project() -> Project {
    let project = Project::with(&tree_on("scratch"));
    project
        .write("files/node_modules/left/package.json", PACKAGE)
        .write("files/site/six-1.0.dist-info/METADATA", "Name: six\nVersion: 1.0\n\n")
        .write("files/tool.jar", "no archive");
    project
}

fn purls(bom: &Value) -> Vec<String> {
    let components = bom["components"].as_array().unwrap();
    components.iter().filter_map(|it| it["purl"].as_str()).map(str::to_owned).collect()
}

fn layer_of(bom: &Value, name: &str) -> String {
    let components = bom["components"].as_array().unwrap();
    let component = components.iter().find(|it| it["name"] == name).unwrap();
    let properties = component["properties"].as_array().unwrap();
    text(&properties.iter().find(|it| it["name"] == "pack:layer").unwrap()["value"])
}

#[test]
fn an_image_has_one_document_wherever_it_is() {
    let project = project();
    project.build("-o oci:out:1 -o oci-archive:out.tar:1");
    let of = |place: &str| project.pack(&format!("sbom {place}")).ok();
    let first = of("oci:out:1");
    let bom = first.json();
    assert_eq!(purls(&bom), ["pkg:npm/left@1.0.0", "pkg:pypi/six@1.0"]);
    first.says(&["warning: `srv/tool.jar` is not in the document: it is no archive that can be read"]);
    assert_eq!(bom["compositions"][0]["aggregate"], "incomplete");
    let first = of("oci:out:1").stdout;
    assert_eq!(of("oci-archive:out.tar:1").stdout, first);
    // Neither a store without memos nor a damaged one tells anything else.
    let memos = project.memos("sbom-layer");
    assert_eq!(memos.len(), 1, "{memos:?}");
    std::fs::write(&memos[0], "damaged").unwrap();
    assert_eq!(of("oci:out:1").stdout, first);
    project.forget("sbom-layer");
    assert_eq!(of("oci:out:1").stdout, first);
    project.check_store();
}

#[test]
fn a_layer_that_is_known_is_not_read_again() {
    let project = project();
    project.build("-o oci:base:1");
    project.pack("sbom oci:base:1 -o first.json").ok().says(&["1 of 1 layers were read"]);
    let upper = project.build("-o oci:upper:1 --base oci:base:1 --set app.root=/opt");
    assert_eq!(upper.built_layers().len(), 1);
    let said = project.pack("sbom oci:upper:1 -o second.json").ok();
    let said = said.says(&["1 of 2 layers were read", "application/vnd.cyclonedx+json"]);
    assert_eq!(said.stdout, "", "the document is in the file");
    // Without its layers, an image that is known still has its document.
    let second = std::fs::read(project.path("second.json")).unwrap();
    for layer in upper.layers() {
        let blob = layer.blob.trim_start_matches("sha256:");
        std::fs::remove_file(project.path("upper/blobs/sha256").join(blob)).unwrap();
    }
    project.pack("sbom oci:upper:1 -o third.json").ok().says(&["0 of 2 layers were read"]);
    assert_eq!(std::fs::read(project.path("third.json")).unwrap(), second);
}

#[test]
fn base_and_application_are_told_apart_and_what_is_replaced_is_gone() {
    let project = project();
    project.build("-o oci:base:1");
    project.write("files/node_modules/left/package.json", PACKAGE.replace("1.0.0", "2.0.0"));
    std::fs::remove_dir_all(project.path("files/site")).unwrap();
    let built = project.build("-o oci:upper:1 --base oci:base:1");
    let bom = project.pack("sbom oci:upper:1").ok().json();
    assert_eq!(purls(&bom), ["pkg:npm/left@2.0.0", "pkg:pypi/six@1.0"]);
    assert_ne!(layer_of(&bom, "left"), layer_of(&bom, "six"));
    let history = project.pack("inspect --json oci:upper:1").ok().json().to_string();
    assert!(history.contains(&built.digest()), "{history}");
}

#[test]
fn the_document_is_about_the_image_by_its_name_and_digest() {
    let project = project();
    let built = project.build("");
    let bom = project.pack(&format!("sbom {}", built.name_and_tag())).ok().json();
    let root = &bom["metadata"]["component"];
    let digest = built.digest().replace(':', "%3A");
    assert!(text(&root["purl"]).starts_with(&format!("pkg:oci/tree@{digest}?arch=")), "{root}");
    assert_eq!(text(&root["version"]), built.digest());
    assert_eq!(root["type"], "container");
}

#[test]
fn forms_and_versions_that_do_not_go_together_are_refused() {
    let project = project();
    project.build("-o oci:out:1");
    let spdx = project.pack("sbom --format spdx oci:out:1").ok().json();
    assert_eq!(spdx["spdxVersion"], "SPDX-2.3");
    let newest = project.pack("sbom --spec-version 1.7 oci:out:1").ok().json();
    assert_eq!(newest["specVersion"], "1.7");
    project.pack("sbom --format spdx --spec-version 1.6 oci:out:1").fails(2).hints().says(&["it has 2.3"]);
    project.pack("sbom --spec-version 2.3 oci:out:1").fails(2).hints().says(&["it has 1.6 and 1.7"]);
    project.pack("sbom oci:missing").fails(1);
    project.pack("sbom scratch").fails(2);
}

#[test]
fn links_and_locks_of_npm_are_edges() {
    let project = Project::with(&tree_on("scratch"));
    let needing = r#"{"name":"right","version":"1.0.0","dependencies":{"left":"^1.0.0"}}"#;
    let lock = r#"{"packages":{"node_modules/left":{"version":"1.0.0","dependencies":{"middle":"1"}},
        "node_modules/middle":{"version":"1.0.0"},"node_modules/right":{"version":"2.0.0","dependencies":{"middle":"1"}}}}"#;
    project
        .write("files/packages/right/package.json", needing)
        .write("files/node_modules/left/package.json", PACKAGE)
        .write("files/node_modules/middle/package.json", PACKAGE.replace("left", "middle"))
        .write("files/node_modules/.package-lock.json", lock);
    std::os::unix::fs::symlink("../packages/right", project.path("files/node_modules/right")).unwrap();
    std::os::unix::fs::symlink("../../../node_modules/left", {
        std::fs::create_dir(project.path("files/packages/right/node_modules")).unwrap();
        project.path("files/packages/right/node_modules/left")
    })
    .unwrap();
    project.build("-o oci:out:1");
    let bom = project.pack("sbom oci:out:1").ok().json();
    let edges = bom["dependencies"].as_array().unwrap();
    let needs = |name: &str| {
        let edge = edges.iter().find(|edge| edge["ref"] == format!("pkg:npm/{name}@1.0.0"));
        edge.map_or(Value::Null, |edge| edge["dependsOn"].clone())
    };
    assert_eq!(needs("right"), serde_json::json!(["pkg:npm/left@1.0.0"]));
    assert_eq!(needs("left"), serde_json::json!(["pkg:npm/middle@1.0.0"]));
}
