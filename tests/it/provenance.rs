//! Provenance and records of checks as users see them: attached by a build, compared with the image, asked for by policies.

use serde_json::Value;

use crate::shop::Shop;
use crate::support::{sha256, text};

/// A project on a base, both in one registry, and two keys.
fn shop(rules: &str) -> Shop {
    Shop::on_base(rules).with_open_keys(&["ci", "other"])
}

const CHECKS: &str = "https://in-toto.io/attestation/test-result/v0.1";
const SIGNED: &str = "--sign --key ci.key --password-file empty.txt";

#[test]
fn a_build_states_how_the_image_was_made() {
    let shop = shop("");
    shop.ok("build --push");
    let digest = shop.fake.tag("shop/app", "1");
    shop.pack("verify IMAGE --provenance")
        .has_code(4)
        .says(&["has no provenance", "pack build --provenance"]);
    shop.ok("build --push --provenance");
    assert_eq!(shop.fake.tag("shop/app", "1"), digest, "no digest moves");
    assert_eq!(shop.referrers("IMAGE").len(), 2, "the provenance and the record of checks");
    shop.ok("build --push --provenance");
    assert_eq!(shop.referrers("IMAGE").len(), 2, "nothing twice");
    let said = shop.ok("verify IMAGE --provenance").stdout;
    for line in [
        "derived: it is about sha256:",
        "derived: the 2 layers that it lists",
        "derived: the image names the base",
        "derived: the digest of the directory `files` is that of its layers",
        " is below",
        "not known: none of the keys",
        "not known: that `urn:pack:builder:local` built it",
        "`pack verify --rebuild` builds them again",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let json = shop.ok("verify IMAGE --provenance --json").json();
    let facts = json["provenance"][0]["facts"].as_array().unwrap().clone();
    assert!(facts.iter().all(|fact| fact["result"] != "contradicted"), "{json}");
    shop.ok("promote IMAGE --to prod --require provenance --require checks");
    shop.project.check_store();
}

#[test]
fn a_signed_build_signs_what_it_states() {
    let rules = "[policy.push]\nrequire = [\"signature\", \"sbom\", \"provenance\", \"checks\"]\nsigned-by = [\"ci.pub\"]\n\
                 [policy.release]\nrequire = [\"signature\", \"sbom\", \"provenance\", \"checks\"]\nsigned-by = [\"ci.pub\"]\n";
    let shop = shop(rules);
    shop.pack("build --push").has_code(4).says(&[
        "the image has no SBOM; `pack build --sbom` attaches one",
        "the image has no provenance; `pack build --provenance` attaches one",
        "the image is not signed by `",
    ]);
    assert_eq!(shop.fake.tag("shop/app", "1"), None, "nothing is pushed");
    let other = SIGNED.replace("ci.key", "other.key");
    shop.pack(&format!("build --push --sbom --provenance {other}")).has_code(4).says(&["is not signed by `"]);
    // A build that pushes nothing needs none of it.
    shop.ok("build -o oci:out");
    shop.ok(&format!("build --push --sbom --provenance {SIGNED}"));
    let count = shop.referrers("IMAGE").len();
    shop.ok(&format!("build --push --sbom --provenance {SIGNED}"));
    assert_eq!(shop.referrers("IMAGE").len(), count, "nothing twice");
    shop.ok("promote IMAGE --to prod");
    shop.ok("verify IMAGE --policy build.toml --provenance --key ci.pub");
    let said = shop.ok("verify IMAGE --provenance --key ci.pub").stdout;
    assert!(said.contains("derived: it is signed by `ci.pub`"), "{said}");
}

#[test]
fn with_a_key_only_signed_provenances_count() {
    let shop = Shop::new("").with_open_keys(&["ci", "other"]);
    shop.ok("build --push --provenance");
    shop.ok("sign IMAGE --key ci.key --password-file empty.txt");
    shop.ok("verify IMAGE --provenance");
    shop.pack("verify IMAGE --provenance --key ci.pub").has_code(4).says(&[
        "no provenance of `",
        "is signed by a key that was asked for",
        "its author is not known",
        "pack sign NAME@DIGEST",
    ]);
    // A document that is not in a bundle is signed as an image is.
    let listed = shop.ok("verify IMAGE --provenance --json").json();
    let document = text(&listed["provenance"][0]["digest"]);
    shop.ok(&format!("sign {}@{document} --key ci.key --password-file empty.txt", shop.name));
    let said = shop.ok("verify IMAGE --provenance --key ci.pub").stdout;
    assert!(said.contains("derived: it is signed by `ci.pub`"), "{said}");
    shop.ok("sign IMAGE --key other.key --password-file empty.txt");
    shop.pack("verify IMAGE --provenance --key other.pub").has_code(4).says(&["no provenance of `"]);
    // A lie refuses where authors do not count, and is named where they do.
    let lie = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":{"buildType":"https://x"},"runDetails":{"builder":{"id":"https://x"}}}}"#;
    shop.project.write("lie.json", lie);
    shop.ok("attach IMAGE lie.json --type application/vnd.in-toto+json");
    shop.pack("verify IMAGE --provenance").has_code(4).says(&["is not that of this image"]);
    let said = shop.ok("verify IMAGE --provenance --key ci.pub").stdout;
    assert!(said.contains("signed it: it does not count"), "{said}");
}

#[test]
fn a_base_is_judged_before_anything_is_sent() {
    let shop =
        shop("[policy.base]\nnames = [\"example.com/**\"]\nmax-age = \"30d\"\nsigned-by = [\"ci.pub\"]\n");
    shop.pack("build --push").has_code(4).says(
        &[
            "for 3 reasons:",
            "is not one of `names`; take a base that `[policy.base]` allows",
            "days old",
            "the base is not signed by `",
        ]
        .map(|line| if line == "days old" { "d old, and `max-age` is 30d" } else { line }),
    );
    assert_eq!(shop.fake.tag("shop/app", "1"), None);
    shop.pack("plan").has_code(4);
    shop.pack("update").has_code(4);
    let toml = std::fs::read_to_string(shop.project.path("build.toml")).unwrap();
    let base = format!("{}/base/tree:1", shop.fake.address());
    shop.ok(&format!("sign {base} --key ci.key --password-file empty.txt"));
    let rules = format!("names = [\"{}/base/*\"]\n", shop.fake.address());
    let toml = toml.replace("names = [\"example.com/**\"]\nmax-age = \"30d\"\n", &rules);
    shop.project.write("build.toml", &toml);
    shop.ok("build --push");
    let lock = std::fs::read_to_string(shop.project.path("build.lock")).unwrap();
    let key = text(&shop.ok(&format!("verify {base} --key ci.pub --json")).json()["signatures"][0]["key"]);
    assert!(lock.contains(&format!("signed-by = [\"{key}\"]")), "{lock}");
    // The lock is believed, and an update proves it again.
    shop.ok("build --push --locked");
    shop.project.write("build.toml", toml.replace("ci.pub", "other.pub"));
    shop.pack("build --push").has_code(4).says(&["the base is not signed by `"]);
    shop.pack("update").has_code(4);
    shop.project.write("build.toml", &toml);
    shop.ok("update");
    shop.ok("verify IMAGE --policy build.toml");
}

#[test]
fn packages_of_a_push_are_judged_before_the_tag() {
    let shop = shop("[policy.push]\ndeny = [\"pkg:npm/event-stream@3.3.6\"]\n");
    let package = r#"{"name":"event-stream","version":"3.3.6","license":"MIT"}"#;
    shop.project.write("files/node_modules/event-stream/package.json", package);
    shop.pack("build --push --sbom").has_code(4).says(&["`pkg:npm/event-stream@3.3.6` is denied"]);
    assert_eq!(shop.fake.tag("shop/app", "1"), None);
    shop.project.write("files/node_modules/event-stream/package.json", package.replace("3.3.6", "4.0.0"));
    shop.ok("build --push --sbom");
}

/// The entries of the index `shop/app:TAG`.
fn listed(shop: &Shop, tag: &str) -> Vec<Value> {
    let digest = shop.fake.tag("shop/app", tag).unwrap();
    let index: Value = serde_json::from_slice(&shop.fake.manifest("shop/app", &digest).unwrap()).unwrap();
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    index["manifests"].as_array().unwrap().clone()
}

#[test]
fn documents_go_into_the_index_where_that_is_asked_for() {
    let shop = shop("");
    let plain = text(&shop.ok("build --push --sbom=spdx --provenance --json").json()["digest"]);
    let command = "build --push --tag 2 --sbom=spdx --provenance --attest=index";
    let built = shop.ok(&format!("{command} --json")).json();
    let entries = listed(&shop, "2");
    assert_eq!(entries.len(), 2, "{entries:#?}");
    assert_eq!(text(&entries[0]["digest"]), plain, "the image itself does not move");
    let statements = &entries[1];
    assert_eq!(statements["platform"], serde_json::json!({ "architecture": "unknown", "os": "unknown" }));
    let expected = serde_json::json!({
        "vnd.docker.reference.digest": plain, "vnd.docker.reference.type": "attestation-manifest"
    });
    assert_eq!(statements["annotations"], expected);
    let digest = text(&statements["digest"]).parse().unwrap();
    let manifest: Value = serde_json::from_slice(&shop.fake.manifest("shop/app", &digest).unwrap()).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    let claims: Vec<String> =
        layers.iter().map(|layer| text(&layer["annotations"]["in-toto.io/predicate-type"])).collect();
    let kinds = ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1", CHECKS];
    assert_eq!(claims, kinds);
    for (layer, kind) in layers.iter().zip(kinds) {
        assert_eq!(text(&layer["mediaType"]), "application/vnd.in-toto+json");
        let blob = shop.fake.blob("shop/app", &text(&layer["digest"]).parse().unwrap()).unwrap();
        let statement: Value = serde_json::from_slice(&blob).unwrap();
        assert_eq!(text(&statement["predicateType"]), kind);
        assert_eq!(format!("sha256:{}", text(&statement["subject"][0]["digest"]["sha256"])), plain);
    }
    // The same from another machine, and nothing is left to do on this one.
    let elsewhere = shop.project.pack(&format!("{command} --json")).cache(&shop.project.beside("elsewhere"));
    assert_eq!(elsewhere.ok().json()["digest"], built["digest"]);
    shop.asked();
    shop.ok(command);
    assert_eq!(shop.asked()[0], "HEAD /v2/shop/app/manifests/2");
    // Every reader of ours.
    let two = format!("{}:2", shop.name);
    shop.ok(&format!("verify {two}"));
    let said = shop.ok(&format!("verify {two} --provenance")).stdout;
    assert!(
        said.contains(&format!("derived: it is about {plain}")) && !said.contains("contradicted"),
        "{said}"
    );
    let inspected = shop.ok(&format!("inspect {two}")).stdout;
    let short = &plain["sha256:".len()..][..12];
    assert!(inspected.contains(&format!("attestation-manifest of {short}")), "{inspected}");
    shop.ok(&format!("promote {two} --to prod --require sbom --require provenance --require checks"));
    let before = shop.fake.tag("shop/app", "2");
    shop.ok(&format!("copy {two} {}/mirror/app:2", shop.fake.address()));
    assert_eq!(shop.fake.tag("mirror/app", "2"), before);
    for output in ["oci:out", "oci-archive:out.tar"] {
        let command = command.replace("--push", &format!("-o {output}"));
        assert_eq!(shop.ok(&format!("{command} --json")).json()["digest"], built["digest"], "{output}");
        shop.ok(&format!("verify {output}{}", if output == "oci:out" { ":2" } else { "" }));
    }
    shop.project.check_store();
}

#[test]
fn an_index_of_statements_is_judged_and_rebuilt() {
    let rules = "[attest]\nsbom = true\nprovenance = true\nplace = \"index\"\n\
                 [policy.push]\nrequire = [\"sbom\", \"provenance\", \"checks\"]\n\
                 [policy.release]\nrequire = [\"sbom\", \"provenance\", \"checks\"]\nsigned-by = [\"ci.pub\"]\n";
    let shop = Shop::new(rules).with_open_keys(&["ci"]);
    shop.ok("build --push --platform linux/amd64,linux/arm64");
    let entries = listed(&shop, "1");
    let kinds: Vec<bool> = entries.iter().map(|entry| entry["annotations"].is_object()).collect();
    assert_eq!(kinds, [false, false, true, true], "images first: {entries:#?}");
    for (image, statements) in entries.iter().zip(&entries[2..]) {
        assert_eq!(statements["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    }
    shop.refused("promote IMAGE --to prod").says(&["the SBOM of the image is not signed by `"]);
    // Who signed the index signed what it lists.
    shop.ok("sign IMAGE --key ci.key --password-file empty.txt");
    shop.ok("promote IMAGE --to prod");
    let said = shop.ok("verify IMAGE --provenance --key ci.pub").stdout;
    assert_eq!(said.matches("derived: it is signed by `ci.pub`").count(), 2, "{said}");
    shop.ok("build --push --tag 2");
    shop.ok("verify --rebuild --without copy,user NAME:2");
    // In bundles, too, where the build signs.
    shop.ok(&format!("build --push --tag 3 {SIGNED}"));
    shop.ok("verify NAME:3 --provenance --key ci.pub --policy build.toml");
    let image = text(&listed(&shop, "3")[0]["digest"]);
    let own = shop.referrers(&format!("{}@{image}", shop.name));
    assert_eq!(own.len(), 4, "a bundle for each statement, and the signature: {own:?}");
    shop.pack("build --attest=index").has_code(0);
    shop.pack("build --attest=index --set attest.sbom=false --set attest.provenance=false")
        .has_code(2)
        .says(&["`--attest` is about the list of packages and the provenance", "add `--sbom`"]);
}

/// Statements of BuildKit are read as ours are, and one that lies about its subject proves nothing.
#[test]
fn statements_of_another_builder_in_an_index_are_read() {
    let shop = shop("");
    shop.ok("build -o oci:out --sbom=spdx --provenance --attest=index");
    let root =
        |index: &Value| index["manifests"][0]["digest"].as_str().unwrap()["sha256:".len()..].to_owned();
    let blob = |digest: &str| shop.project.path(&format!("out/blobs/sha256/{digest}"));
    let read = |path: std::path::PathBuf| -> Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let store = |value: &Value| {
        let bytes = serde_json::to_vec(value).unwrap();
        let digest = sha256(&bytes);
        std::fs::write(blob(&digest["sha256:".len()..]), &bytes).unwrap();
        (digest, bytes.len())
    };
    shop.ok("verify oci:out:1 --provenance");
    let mut layout = read(shop.project.path("out/index.json"));
    let mut index = read(blob(&root(&layout)));
    // BuildKit marks its manifest of today as an artifact with a subject; the entry is the same.
    let entry = index["manifests"][1].clone();
    let mut manifest = read(blob(&text(&entry["digest"])["sha256:".len()..]));
    manifest["artifactType"] = "application/vnd.docker.attestation.manifest.v1+json".into();
    let lie = |manifest: &mut Value, subject: &str| {
        for layer in manifest["layers"].as_array_mut().unwrap() {
            let mut statement = read(blob(&text(&layer["digest"])["sha256:".len()..]));
            statement["subject"][0]["digest"]["sha256"] = subject.into();
            let (digest, size) = store(&statement);
            (layer["digest"], layer["size"]) = (digest.into(), size.into());
        }
        let mut config = read(blob(&text(&manifest["config"]["digest"])["sha256:".len()..]));
        let layers = manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].clone());
        config["rootfs"]["diff_ids"] = layers.collect();
        let (digest, size) = store(&config);
        (manifest["config"]["digest"], manifest["config"]["size"]) = (digest.into(), size.into());
    };
    let list = |index: &mut Value, layout: &mut Value, manifest: &Value| {
        let (digest, size) = store(manifest);
        (index["manifests"][1]["digest"], index["manifests"][1]["size"]) = (digest.into(), size.into());
        let (digest, size) = store(index);
        (layout["manifests"][0]["digest"], layout["manifests"][0]["size"]) = (digest.into(), size.into());
        std::fs::write(shop.project.path("out/index.json"), serde_json::to_vec(layout).unwrap()).unwrap();
    };
    list(&mut index, &mut layout, &manifest);
    shop.project.write("rules.toml", "[policy.release]\nrequire = [\"sbom\", \"provenance\"]\n");
    shop.ok("verify oci:out:1 --provenance --policy rules.toml");
    lie(&mut manifest, &"0".repeat(64));
    list(&mut index, &mut layout, &manifest);
    shop.pack("verify oci:out:1 --provenance").has_code(4).says(&["is not that of this image"]);
    shop.refused("verify oci:out:1 --policy rules.toml").says(&["proves nothing"]);
}
