//! Policies as users see them: rules in build.toml or in a file of their own, refusals with all reasons, exit code 4.

use pack_test_registry::Fake;

use crate::support::{Outcome, Project, text, tree_on};

/// A project that is pushed to a registry of this process.
struct Shop {
    fake: Fake,
    project: Project,
    name: String,
}

impl Shop {
    fn new(rules: &str) -> Self {
        let fake = Fake::start().unwrap();
        let name = format!("{}/shop/app", fake.address());
        let project =
            Project::with(&format!("{}\n{rules}", tree_on("scratch").replace("localhost/tree", &name)));
        project.write("files/a.txt", "a\n");
        project.write("empty.txt", "\n");
        for key in ["ci", "other"] {
            project.pack(&format!("key generate --output {key} --password-file empty.txt")).ok();
        }
        Self { fake, project, name }
    }

    fn pack(&self, arguments: &str) -> Outcome {
        let arguments = arguments.replace("IMAGE", &format!("{}:1", self.name)).replace("NAME", &self.name);
        self.project.pack(&arguments).run()
    }

    fn ok(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(0)
    }

    fn refused(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(4).says(&["error: the policy refuses `"])
    }

    fn attach_sbom(&self, package: &str, licence: &str) -> String {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{{"type":"library","name":"x","purl":"{package}","licenses":[{{"license":{{"id":"{licence}"}}}}]}}]}}"#
        );
        self.project.write("sbom.json", &text);
        let said = self.ok("attach IMAGE sbom.json --type application/vnd.cyclonedx+json");
        said.stdout.trim().to_owned()
    }
}

const RELEASE: &str = "[policy.release]\nrequire = [\"sbom\"]\nsigned-by = [\"ci.pub\"]\n\
                       deny = [\"pkg:npm/event-stream@3.3.6\"]\nlicences = { deny = [\"AGPL-*\"] }\n";

#[test]
fn a_release_needs_what_its_policy_asks_for() {
    let shop = Shop::new(RELEASE);
    shop.ok("build --push");
    shop.refused("promote IMAGE --to prod").says(&[
        "for 2 reasons:",
        "the image is not signed by `",
        "ci.pub`; `pack sign IMAGE --key FILE` signs it",
        "the image has no SBOM; `pack build --sbom` attaches one",
    ]);
    assert_eq!(shop.fake.tag("shop/app", "prod"), None);
    let document = shop.attach_sbom("pkg:npm/good@1", "MIT");
    shop.ok("sign IMAGE --key ci.key --password-file empty.txt");
    shop.refused("promote IMAGE --to prod").says(&["the SBOM of the image is not signed by `"]);
    shop.ok(&format!("sign {document} --key ci.key --password-file empty.txt"));
    shop.ok("promote IMAGE --to prod");
    let checks = shop.ok("releases prod --json").json()["releases"][0]["checks"].to_string();
    assert!(checks.contains(r#""check":"sbom","evidence":"sha256:"#), "{checks}");
    assert!(checks.contains(r#""check":"policy""#), "{checks}");
    // A policy of the one who runs it, which is no build file.
    shop.project.write("strict.toml", "[policy.release]\ndeny = [\"pkg:npm/*\"]\n");
    shop.refused("promote @prod --to dev --policy strict.toml").says(&["`pkg:npm/good@1` is denied"]);
    shop.project.write("none.toml", "[image]\n");
    shop.pack("promote @prod --to dev --policy none.toml").has_code(1).says(&["has no `[policy]`"]);
    shop.project.check_store();
}

#[test]
fn a_rollback_and_a_rendering_need_it_too() {
    let shop = Shop::new("");
    shop.ok("build --push");
    shop.ok("promote IMAGE --to prod");
    shop.project.write("files/a.txt", "b\n");
    shop.ok("build --push --tag 2");
    shop.ok("promote NAME:2 --to prod");
    shop.project.write("policy.toml", "[policy.release]\nrequire = [\"sbom\"]\n");
    let before = shop.fake.tag("shop/app", "prod");
    shop.refused("rollback prod --policy policy.toml").says(&["the image has no SBOM"]);
    assert_eq!(shop.fake.tag("shop/app", "prod"), before);
    shop.project
        .write("deploy.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: pack://app\n");
    shop.ok("render prod -f deploy.yaml");
    let rendered = shop.pack("render prod -f deploy.yaml --policy policy.toml").has_code(4);
    assert_eq!(rendered.says(&["caused by: the policy refuses `", "the image has no SBOM"]).stdout, "");
    shop.attach_sbom("pkg:npm/good@1", "MIT");
    shop.ok("rollback prod --policy policy.toml");
}

#[test]
fn gates_of_evidence_are_judged_like_a_policy() {
    let shop = Shop::new("[environment.prod]\nrequire = [\"sbom\"]\n");
    shop.ok("build --push");
    shop.refused("promote IMAGE --to prod --require checks --require release:dev").says(&[
        "for 3 reasons:",
        "the gate `release:dev` is closed",
        "the image has no SBOM",
        "the image has no record of checks",
    ]);
    shop.attach_sbom("pkg:npm/good@1", "MIT");
    shop.ok("promote IMAGE --to prod");
    shop.pack("promote IMAGE --to dev --require check").has_code(2).says(&["did you mean `checks`?"]);
    shop.pack("promote IMAGE --to dev --require signature").has_code(2).says(&["`signed-by`"]);
}

#[test]
fn reasons_against_packages_are_bounded_and_counted() {
    let shop = Shop::new("[policy.release]\nlicences = { allow = [\"MIT\"] }\n");
    shop.ok("build --push");
    let packages: Vec<String> = (0..1_500).map(|n| format!(r#"{{"name":"p-{n}"}}"#)).collect();
    let text = format!(r#"{{"bomFormat":"CycloneDX","components":[{}]}}"#, packages.join(","));
    shop.project.write("many.json", text);
    shop.ok("attach IMAGE many.json --type application/vnd.cyclonedx+json");
    let json = shop.refused("verify IMAGE --policy build.toml --json").json();
    let reasons = json["policy"]["reasons"].as_array().unwrap();
    assert_eq!((reasons.len(), &reasons[1_000]["reason"]), (1_001, &"more".into()));
    assert_eq!(reasons[1_000]["message"], "there are 500 more reasons against packages");
    shop.refused("promote IMAGE --to prod").says(&["for 1500 reasons:", "and 1480 more reasons"]);
}

#[test]
fn verify_judges_an_image_by_a_file() {
    let shop = Shop::new(RELEASE);
    shop.ok("build --push");
    let refused = shop.refused("verify IMAGE --policy build.toml --json");
    let json = refused.json();
    assert_eq!(json["policy"]["passes"], false);
    let words: Vec<String> =
        json["policy"]["reasons"].as_array().unwrap().iter().map(|reason| text(&reason["reason"])).collect();
    assert_eq!(words, ["signature", "missing"]);
    shop.project.write("sbom.toml", "[policy.release]\nlicences = { deny = [\"AGPL-*\"] }\n");
    shop.attach_sbom("pkg:npm/event-stream@3.3.6", "AGPL-3.0-only");
    shop.refused("verify IMAGE --policy sbom.toml").says(&["the licence `AGPL-3.0-only`", "`AGPL-*` denies"]);
    shop.project.write("other.toml", "[policy.release]\nlicences = { allow = [\"AGPL-*\"] }\n");
    let passes = shop.ok("verify IMAGE --policy other.toml").stdout;
    assert!(
        passes.contains("passes the policy `other.toml`") && passes.contains(": ok, 1 image"),
        "{passes}"
    );
    // An image that names no base cannot be said to have one that is allowed.
    shop.project.write("base.toml", "[policy.base]\nnames = [\"**\"]\n");
    shop.refused("verify IMAGE --policy base.toml").says(&["the base of the image cannot be known"]);
    shop.project.check_store();
}

#[test]
fn a_policy_that_is_wrong_is_refused_where_it_is_written() {
    let shop = Shop::new("");
    shop.ok("build --push");
    for (rules, says) in [
        ("[policy.push]\nrequire = [\"signature\"]\n", "a signature proves something only by a key"),
        ("[policy.push]\nrequire = [\"check\"]\n", "did you mean `checks`?"),
        ("[policy.base]\nmax-age = \"3w\"\n", "`3w` is not an age"),
        ("[policy.base]\nnames = [\"{a,b}\"]\n", "is no pattern"),
        ("[policy.release]\ndeny = [\"log4j\"]\n", "names no package"),
        ("[policy.realease]\n", "did you mean `release`?"),
        ("[policy]\nfile = \"missing.toml\"\n", "missing.toml"),
        ("[policy.release]\nsigned-by = [\"empty.txt\"]\n", "empty.txt` cannot be used"),
    ] {
        shop.project.write("wrong.toml", rules);
        shop.pack("verify IMAGE --policy wrong.toml").has_code(1).says(&[says]);
    }
}

/// OpenVEX documents are attached, listed and copied as any document is.
#[test]
fn openvex_documents_are_attached() {
    let shop = Shop::new("");
    shop.ok("build --push");
    let vex = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.com/vex/1","author":"shop","timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[{"vulnerability":{"name":"CVE-2014-0160"},"products":[{"@id":"pkg:oci/app"}],"status":"not_affected","justification":"component_not_present"}]}"#;
    shop.project.write("vex.json", vex);
    shop.ok("attach IMAGE vex.json --type openvex");
    let listed = shop.ok("referrers IMAGE --json").json();
    assert_eq!(text(&listed["referrers"][0]["artifactType"]), "application/vnd.openvex+json");
    shop.ok("attach IMAGE vex.json --type openvex").says(&["it was there"]);
    shop.ok("promote IMAGE --to prod --require referrer:application/vnd.openvex+json");
}
