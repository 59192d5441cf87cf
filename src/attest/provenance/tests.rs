//! Provenance, written and read again.

use std::collections::BTreeMap;

use super::*;
use crate::types::digest::Digest;

fn facts() -> BuildFacts {
    let layer = |name: Option<&str>, of: &str, inputs: &[&str]| BuiltLayer {
        name: name.map(str::to_owned),
        digest: Digest::of(of.as_bytes()),
        diff_id: Digest::of(format!("{of} unpacked").as_bytes()),
        inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
    };
    BuildFacts {
        image: "registry.example.com/shop/app".to_owned(),
        build_file: Some(("build.toml".to_owned(), Digest::of(b"format = 1"))),
        settings: BTreeMap::from([("image.base".to_owned(), "tomcat:10".to_owned())]),
        typed: vec!["--set config.user=1000".to_owned()],
        commit: Some(CommitFact {
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            origin: Some("https://git.example.com/shop/app".to_owned()),
            is_dirty: false,
        }),
        base: Some(("tomcat:10".to_owned(), Digest::of(b"base"))),
        inputs: vec![
            InputFact {
                path: "target/app.war".to_owned(),
                kind: "web archive".to_owned(),
                digest: Some(InputDigest::File(Digest::of(b"war"))),
            },
            InputFact {
                path: "conf".to_owned(),
                kind: "files".to_owned(),
                digest: layers_digest([Digest::of(b"upper unpacked")]).map(InputDigest::Layers),
            },
        ],
        images: vec![BuiltImage {
            platform: "linux/amd64".to_owned(),
            manifest: Digest::of(b"manifest"),
            base: Some(Digest::of(b"base of amd64")),
            layers: vec![
                layer(None, "lower", &["base"]),
                layer(Some("app-classes"), "upper", &["target/app.war", "conf"]),
            ],
        }],
        format: 1,
        version: "0.1.0".to_owned(),
    }
}

fn builder() -> ProvenanceBuilder {
    ProvenanceBuilder {
        id: "urn:pack:builder:local".to_owned(),
        level: 1,
        why: "no host signs it".to_owned(),
    }
}

fn json(facts: &BuildFacts) -> serde_json::Value {
    let raw = predicate(facts, &builder()).expect("JSON");
    serde_json::from_str(raw.value().text()).expect("JSON")
}

#[test]
fn a_provenance_says_what_slsa_asks_for() {
    let json = json(&facts());
    let definition = &json["buildDefinition"];
    assert_eq!(definition["buildType"], BUILD_TYPE);
    assert_eq!(definition["externalParameters"]["image"], "registry.example.com/shop/app");
    assert_eq!(
        definition["externalParameters"]["buildFile"]["digest"]["sha256"],
        Digest::of(b"format = 1").hex()
    );
    assert_eq!(definition["internalParameters"]["slsaBuildLevel"], 1);
    let dependencies = definition["resolvedDependencies"].as_array().expect("a list");
    assert_eq!(dependencies.len(), 4);
    assert_eq!(
        dependencies[0]["uri"],
        "git+https://git.example.com/shop/app@0123456789abcdef0123456789abcdef01234567"
    );
    let base = format!(
        "pkg:oci/tomcat@sha256%3A{}?repository_url=docker.io/library/tomcat&tag=10",
        Digest::of(b"base").hex()
    );
    assert_eq!(dependencies[1]["uri"], base);
    assert_eq!(dependencies[2]["digest"]["sha256"], Digest::of(b"war").hex());
    assert_eq!(json["runDetails"]["builder"]["id"], "urn:pack:builder:local");
    // Each descriptor has one of these, as the specification asks.
    let byproducts = json["runDetails"]["byproducts"].as_array().expect("a list");
    let all = dependencies.iter().chain(byproducts);
    assert!(all.clone().all(|it| it["uri"].is_string() || it["digest"].is_object()), "{json}");
    assert_eq!(byproducts.len(), 2);
}

/// Other programs compute it: in lines, sorted, each once.
#[test]
fn the_digest_of_a_directory_is_that_of_its_layers() {
    let [one, two] = [b"one", b"two"].map(|of| Digest::of(of));
    let mut lines = [format!("{one}\n"), format!("{two}\n")];
    lines.sort();
    let expected = Some(Digest::of(lines.concat().as_bytes()));
    assert_eq!(layers_digest([two, one, two]), expected);
    assert_eq!(layers_digest([]), None);
}

#[test]
fn no_time_and_no_run_is_in_it() {
    let json = json(&facts());
    assert!(json["runDetails"].get("metadata").is_none(), "{json}");
    let omitted = &json["buildDefinition"]["internalParameters"]["omitted"];
    assert_eq!(omitted[1], "runDetails.metadata.startedOn");
    assert_eq!(
        predicate(&facts(), &builder()).expect("JSON"),
        predicate(&facts(), &builder()).expect("JSON"),
        "one build has one provenance"
    );
}

#[test]
fn a_provenance_is_read_as_it_was_written() {
    let raw = predicate(&facts(), &builder()).expect("JSON");
    let claim = ProvenanceClaim::read(raw.value().text().as_bytes()).expect("read");
    assert!(claim.is_own() && !claim.is_dirty);
    assert_eq!(claim.level, Some(1));
    assert_eq!(claim.commit.as_deref(), Some("0123456789abcdef0123456789abcdef01234567"));
    assert_eq!(claim.inputs, 1);
    let layers = layers_digest([claim.layers[1].diff_id]).expect("a digest");
    assert_eq!(claim.directories, [ClaimedDirectory { name: "conf".to_owned(), layers }]);
    assert_eq!(claim.layers[1].inputs, ["target/app.war", "conf"]);
    let base = claim.base.expect("a base");
    assert_eq!((base.reference.as_deref(), base.digest), (Some("tomcat:10"), Digest::of(b"base")));
    assert_eq!(claim.layers.len(), 2);
    assert!(claim.layers[0].is_of_base && !claim.layers[1].is_of_base);
    assert_eq!(claim.layers[1].digest, Digest::of(b"upper"));
    assert_eq!(claim.layers[1].manifest, Digest::of(b"manifest"));

    let mut dirty = facts();
    dirty.commit = dirty.commit.map(|commit| CommitFact { is_dirty: true, origin: None, ..commit });
    let raw = predicate(&dirty, &builder()).expect("JSON");
    assert!(ProvenanceClaim::read(raw.value().text().as_bytes()).expect("read").is_dirty);
}

#[test]
fn a_provenance_of_another_builder_is_read_as_far_as_it_goes() {
    let text = r#"{"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1","externalParameters":{"workflow":{}},
        "resolvedDependencies":[{"uri":"git+https://github.com/a/b","digest":{"gitCommit":"abc"}}]},
        "runDetails":{"builder":{"id":"https://github.com/actions/runner/github-hosted"},"metadata":{"invocationId":"x"}}}"#;
    let claim = ProvenanceClaim::read(text.as_bytes()).expect("read");
    assert!(!claim.is_own() && claim.layers.is_empty() && claim.base.is_none());
    assert_eq!((claim.commit.as_deref(), claim.level), (Some("abc"), None));
    for wrong in ["{}", r#"{"buildDefinition":{}}"#, "[]"] {
        assert!(ProvenanceClaim::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
