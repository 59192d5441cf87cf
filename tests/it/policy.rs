//! Policies as users see them: rules in build.toml or in a file of their own, refusals with all reasons, exit code 4.

use crate::shop::Shop;
use crate::support::{Outcome, Project, text};

fn shop(rules: &str) -> Shop {
    Shop::new(rules).with_open_keys(&["ci"])
}

const RELEASE: &str = "[policy.release]\nrequire = [\"sbom\"]\nsigned-by = [\"ci.pub\"]\n\
                       deny = [\"pkg:npm/event-stream@3.3.6\"]\nlicences = { deny = [\"AGPL-*\"] }\n";

#[test]
fn a_release_needs_what_its_policy_asks_for() {
    let shop = shop(RELEASE);
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
    let shop = shop("");
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
    let shop = shop("[environment.prod]\nrequire = [\"sbom\"]\n");
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
    let shop = shop(RELEASE);
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
    let shop = shop("");
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
    let shop = shop("");
    shop.ok("build --push");
    let vex = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.com/vex/1","author":"shop","timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[{"vulnerability":{"name":"CVE-2014-0160"},"products":[{"@id":"pkg:oci/app"}],"status":"not_affected","justification":"component_not_present"}]}"#;
    shop.project.write("vex.json", vex);
    shop.ok("attach IMAGE vex.json --type openvex");
    let listed = shop.ok("referrers IMAGE --json").json();
    assert_eq!(text(&listed["referrers"][0]["artifactType"]), "application/vnd.openvex+json");
    shop.ok("attach IMAGE vex.json --type openvex").says(&["it was there"]);
    shop.ok("promote IMAGE --to prod --require referrer:application/vnd.openvex+json");
}

/// The reasons of a refusal as data: the image, and the rule and the word of each.
fn refused_as_data(said: &Outcome) -> (String, Vec<(String, String)>) {
    let json = said.json();
    assert_eq!(json["policy"]["passes"], false, "{json:#}");
    let reasons = json["policy"]["reasons"].as_array().unwrap();
    for reason in reasons {
        assert!(!text(&reason["message"]).is_empty() && !text(&reason["hint"]).is_empty(), "{json:#}");
    }
    let pairs = reasons.iter().map(|reason| (text(&reason["rule"]), text(&reason["reason"])));
    let image = json.get("image").unwrap_or(&json["place"]);
    (text(image), pairs.collect())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(rule, word)| ((*rule).to_owned(), (*word).to_owned())).collect()
}

#[test]
fn a_refusal_is_data_where_the_result_is() {
    let shop = shop(
        "[policy.base]\nnames = [\"example.com/**\"]\n[policy.push]\nrequire = [\"sbom\", \"checks\"]\n\
         [environment.prod]\nrequire = [\"release:dev\"]\n",
    );
    // Before the build: the documents that it was not asked for, and the name of the base; then all about the base, before
    // anything is built.
    let (image, reasons) = refused_as_data(&shop.refused("build --push --json"));
    let expected = [("require", "missing"), ("require", "missing"), ("base.names", "base-name")];
    assert_eq!((image, reasons), (shop.name.clone(), pairs(&expected)));
    for command in ["build --push --sbom --provenance --json", "plan --json"] {
        let (image, reasons) = refused_as_data(&shop.refused(command));
        assert_eq!((image, reasons), (shop.name.clone(), pairs(&[("base.names", "base-name")])), "{command}");
    }
    // In words alone, stdout stays empty.
    assert_eq!(shop.refused("plan").stdout, "");
    shop.project.write("build.toml", {
        let text = std::fs::read_to_string(shop.project.path("build.toml")).unwrap();
        text.replace("names = [\"example.com/**\"]\n", "").replace("[policy.push]", "[policy.release]")
    });
    shop.ok("build --push");
    let (_, reasons) = refused_as_data(&shop.refused("promote IMAGE --to prod --json"));
    let expected = [("release:dev", "gate"), ("require", "missing"), ("require", "missing")];
    assert_eq!(reasons, pairs(&expected));
    shop.project.write("loose.toml", "[policy.release]\ndeny = [\"pkg:npm/bad\"]\n");
    shop.attach_sbom("pkg:npm/bad@1", "MIT");
    shop.ok("build --push --provenance");
    shop.ok("promote IMAGE --to dev");
    shop.project.write("files/a.txt", "b\n");
    shop.ok("build --push --tag 2 --provenance --sbom");
    shop.ok("promote NAME:2 --to dev");
    let (image, reasons) = refused_as_data(&shop.refused("rollback dev --policy loose.toml --json"));
    assert_eq!(reasons, pairs(&[("deny", "package")]));
    assert!(image.starts_with(&shop.name), "{image}");
    let (_, reasons) = refused_as_data(&shop.refused("verify IMAGE --policy loose.toml --json"));
    assert_eq!(reasons, pairs(&[("deny", "package")]), "the same shape");
}

#[test]
fn a_member_that_is_refused_says_so_as_data() {
    let project = Project::new();
    project.write(
        "build.toml",
        "[workspace]\nmembers = [\"s/*\"]\n[workspace.image]\nname = \"localhost/shop\"\nbase = \"scratch\"\n\
         [policy.base]\nnames = [\"example.com/**\"]\n",
    );
    project.write("s/a/build.toml", "[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n");
    project.write("s/a/files/a.txt", "a");
    for command in ["build --workspace --json", "plan --workspace --json"] {
        let json = project.pack(command).run().has_code(4).json();
        let policy = &json["members"][0]["policy"];
        assert_eq!(text(&policy["reasons"][0]["rule"]), "base.names", "{command}: {json:#}");
    }
}

#[test]
fn a_new_base_of_a_rebase_is_judged() {
    let shop = Shop::on_base("").with_open_keys(&["ci"]);
    let base = format!("{}/base/tree", shop.fake.address());
    shop.ok("build --push");
    let settings = std::fs::read_to_string(shop.project.path("build.toml")).unwrap();
    shop.project.write("files/base.txt", "newer\n").write("newer.toml", {
        settings.replace(&format!("{base}:1"), "scratch").replace(&shop.name, &base)
    });
    shop.ok("build -f newer.toml --push --tag 2");
    let rebase = format!("rebase IMAGE --base {base}:2 -t 2");
    // A file that the user names.
    shop.project
        .write("rules.toml", "[policy.base]\nnames = [\"example.com/**\"]\nsigned-by = [\"ci.pub\"]\n");
    let said = shop.refused(&format!("{rebase} --policy rules.toml --json"));
    let (image, reasons) = refused_as_data(&said);
    let both = pairs(&[("base.names", "base-name"), ("base.signed-by", "base-signature")]);
    assert_eq!((image, reasons), (shop.image.clone(), both));
    assert_eq!(shop.fake.tag("shop/app", "2"), None, "nothing is written");
    // The build file of the image, and of no other one.
    let own = format!("{settings}\n[policy.base]\nsigned-by = [\"ci.pub\"]\n");
    shop.project.write("build.toml", &own);
    shop.refused(&rebase).says(&["the base is not signed by `"]);
    shop.project.write("build.toml", own.replace(&shop.name, "localhost/other"));
    shop.ok(&format!("{rebase}-other"));
    shop.project.write("build.toml", &own);
    shop.ok(&format!("sign {base}:2 --key ci.key --password-file empty.txt"));
    shop.ok(&rebase);
    assert!(shop.fake.tag("shop/app", "2").is_some());
    // A base that is too old, and one that cannot be asked for.
    shop.project.write("rules.toml", "[policy.base]\nmax-age = \"1d\"\n");
    shop.refused(&format!("{rebase}-old --policy rules.toml")).says(&["`max-age` is 1d"]);
    shop.pack(&format!("rebase IMAGE --base {base}:9 -t 9 --policy rules.toml")).has_code(3);
}

#[test]
fn a_copy_is_judged_by_the_file_that_is_named() {
    let shop = shop(RELEASE);
    shop.ok("build --push");
    let copy = format!("{}/mirror/app:1", shop.fake.address());
    // A copy is no release: the policy of the build file does not count by itself.
    shop.ok(&format!("copy IMAGE {copy}"));
    shop.project.write("rules.toml", RELEASE);
    let second = copy.replace("mirror", "second");
    let said = shop.refused(&format!("copy IMAGE {second} --policy rules.toml --json"));
    let (_, reasons) = refused_as_data(&said);
    assert_eq!(reasons, pairs(&[("signed-by", "signature"), ("require", "missing")]));
    assert_eq!(shop.fake.tag("second/app", "1"), None, "nothing is written");
    let document = shop.attach_sbom("pkg:npm/good@1", "MIT");
    for name in [&document, &shop.image] {
        shop.ok(&format!("sign {name} --key ci.key --password-file empty.txt"));
    }
    shop.ok(&format!("copy IMAGE {second} --policy rules.toml"));
}
