//! Provenance and records of checks as users see them: attached by a build, compared with the image, asked for by policies.

use pack_test_registry::Fake;

use crate::support::{Outcome, Project, text, tree_on};

/// A project on a base, both in a registry of this process.
struct Shop {
    fake: Fake,
    project: Project,
    name: String,
}

impl Shop {
    fn new(rules: &str) -> Self {
        let fake = Fake::start().unwrap();
        let (name, base) =
            (format!("{}/shop/app", fake.address()), format!("{}/base/tree:1", fake.address()));
        let project = Project::with(&tree_on("scratch").replace("localhost/tree", &base.replace(":1", "")));
        project.write("files/base.txt", "base\n");
        project.pack("build --push").ok();
        let text = tree_on(&base).replace("localhost/tree", &name);
        project.write("build.toml", format!("{text}\n{rules}"));
        project.write("files/a.txt", "a\n");
        project.write("empty.txt", "\n");
        for key in ["ci", "other"] {
            project.pack(&format!("key generate --output {key} --password-file empty.txt")).ok();
        }
        Self { fake, project, name }
    }

    fn pack(&self, arguments: &str) -> Outcome {
        let arguments = arguments.replace("IMAGE", &format!("{}:1", self.name));
        self.project.pack(&arguments).run()
    }

    fn ok(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(0)
    }

    fn referrers(&self) -> usize {
        self.ok("referrers IMAGE --json").json()["referrers"].as_array().map_or(0, Vec::len)
    }
}

const SIGNED: &str = "--sign --key ci.key --password-file empty.txt";

#[test]
fn a_build_states_how_the_image_was_made() {
    let shop = Shop::new("");
    shop.ok("build --push");
    let digest = shop.fake.tag("shop/app", "1");
    shop.pack("verify IMAGE --provenance")
        .has_code(4)
        .says(&["has no provenance", "pack build --provenance"]);
    shop.ok("build --push --provenance");
    assert_eq!(shop.fake.tag("shop/app", "1"), digest, "no digest moves");
    assert_eq!(shop.referrers(), 2, "the provenance and the record of checks");
    shop.ok("build --push --provenance");
    assert_eq!(shop.referrers(), 2, "nothing twice");
    let said = shop.ok("verify IMAGE --provenance").stdout;
    for line in [
        "derived: it is about sha256:",
        "derived: the 2 layers that it lists",
        "derived: the image names the base",
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
    let shop = Shop::new(rules);
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
    let count = shop.referrers();
    shop.ok(&format!("build --push --sbom --provenance {SIGNED}"));
    assert_eq!(shop.referrers(), count, "nothing twice");
    shop.ok("promote IMAGE --to prod");
    shop.ok("verify IMAGE --policy build.toml --provenance --key ci.pub");
    let said = shop.ok("verify IMAGE --provenance --key ci.pub").stdout;
    assert!(said.contains("derived: it is signed by `ci.pub`"), "{said}");
}

#[test]
fn with_a_key_only_signed_provenances_count() {
    let shop = Shop::new("");
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
    let shop = Shop::new(
        "[policy.base]\nnames = [\"example.com/**\"]\nmax-age = \"30d\"\nsigned-by = [\"ci.pub\"]\n",
    );
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
    let shop = Shop::new("[policy.push]\ndeny = [\"pkg:npm/event-stream@3.3.6\"]\n");
    let package = r#"{"name":"event-stream","version":"3.3.6","license":"MIT"}"#;
    shop.project.write("files/node_modules/event-stream/package.json", package);
    shop.pack("build --push --sbom").has_code(4).says(&["`pkg:npm/event-stream@3.3.6` is denied"]);
    assert_eq!(shop.fake.tag("shop/app", "1"), None);
    shop.project.write("files/node_modules/event-stream/package.json", package.replace("3.3.6", "4.0.0"));
    shop.ok("build --push --sbom");
}
