//! Rules that hold each time: a repeated release, a base of another repository, documents that hide others, other spellings of a
//! package, and evidence that a push was not asked for.

use std::fs;

use pack_test_registry::Fake;

use crate::support::{Outcome, Project, tree_on};

const INDEX: &str = "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n";
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

/// A project that is pushed to a registry of this process.
struct Gated {
    fake: Fake,
    project: Project,
    name: String,
}

impl Gated {
    fn new(rules: &str) -> Self {
        let fake = Fake::start().unwrap();
        let name = format!("{}/shop/app", fake.address());
        let project = Project::new();
        let gated = Self { fake, project, name };
        gated.settings("scratch", rules);
        gated.project.write("files/a.txt", "a\n").write("empty.txt", "\n");
        gated.project.pack("key generate --output ci --password-file empty.txt").ok();
        gated
    }

    /// Writes the build file, on this base; `rules` may begin with more of `[image]`.
    fn settings(&self, base: &str, rules: &str) {
        let text = tree_on(base).replace("localhost/tree", &self.name);
        let text = match rules.strip_prefix("[image]\n") {
            Some(rules) => {
                let (of_image, rules) = rules.split_once("\n").unwrap_or((rules, ""));
                format!("{}\n{rules}", text.replace("[image]\n", &format!("[image]\n{of_image}\n")))
            }
            None => format!("{text}\n{rules}"),
        };
        self.project.write("build.toml", text);
    }

    fn policy(&self, rules: &str) {
        self.project.write("policy.toml", rules);
    }

    fn pack(&self, arguments: &str) -> Outcome {
        let arguments = arguments.replace("IMAGE", &format!("{}:1", self.name)).replace("NAME", &self.name);
        self.project.pack(&arguments).run()
    }

    fn ok(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(0)
    }

    fn refused(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(4)
    }

    fn attach(&self, document: &str) {
        self.project.write("document.json", document);
        self.ok(&format!("attach IMAGE document.json --type {CYCLONEDX}"));
    }

    fn attach_package(&self, purl: &str) {
        self.attach(&format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{{"type":"library","name":"x","purl":"{purl}"}}]}}"#
        ));
    }
}

const EMPTY_LIST: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}"#;
const SIGNED: &str = "--sign --key ci.key --password-file empty.txt";

/// Everyone who may push can write a record. The rules of the one who promotes count all the same.
#[test]
fn a_release_that_is_there_already_is_judged_again() {
    let gated = Gated::new("");
    gated.ok("build --push");
    gated.ok("promote IMAGE --to prod --no-pointer");
    gated.policy("[policy.release]\nrequire = [\"signature\", \"sbom\"]\nsigned-by = [\"ci.pub\"]\n");
    let again = "promote IMAGE --to prod";
    gated.refused(&format!("{again} --policy policy.toml")).says(&["is not signed by", "has no SBOM"]);
    gated.refused(&format!("{again} --require sbom")).says(&["the image has no SBOM"]);
    gated.refused(&format!("{again} --require release:test")).says(&["the gate `release:test` is closed"]);
    gated.refused("promote @prod --to prod --policy policy.toml").says(&["has no SBOM"]);
    gated.refused("rollback prod --to 1 --policy policy.toml").says(&["has no SBOM"]);
    gated.refused(&format!("{again} --policy policy.toml --dry-run"));
    assert_eq!(gated.fake.tag("shop/app", "prod"), None, "no tag moves");
    gated.ok(&format!("build --push --sbom {SIGNED}"));
    gated.ok(&format!("{again} --policy policy.toml --require sbom"));
    assert_eq!(gated.fake.tag("shop/app", "prod"), gated.fake.tag("shop/app", "1"));
}

/// The digest of a base in another repository, which the store has, is no base of the repository that the image names.
#[test]
fn a_base_is_that_of_the_repository_that_the_image_names() {
    let gated = Gated::new("");
    let host = gated.fake.address();
    for base in ["good", "evil"] {
        gated.project.write(&format!("{base}/base.txt"), base);
        let text = tree_on("scratch").replace("localhost/tree", &format!("{host}/{base}/base"));
        gated.project.write("base.toml", text.replace("\"files\"", &format!("\"{base}\"")));
        gated.ok("build -f base.toml --push");
    }
    gated.settings(&format!("{host}/evil/base:1"), "");
    gated.ok("build --push");
    gated.policy(&format!("[policy.base]\nnames = [\"{host}/evil/*\"]\n"));
    gated.ok("verify IMAGE --policy policy.toml");
    let digest = gated.fake.tag("shop/app", "1").unwrap();
    let manifest = String::from_utf8(gated.fake.manifest("shop/app", &digest).unwrap()).unwrap();
    let lying = manifest.replace(&format!("{host}/evil/base:1"), &format!("{host}/good/base:1"));
    assert_ne!(manifest, lying);
    gated.fake.put_manifest("shop/app", "1", "application/vnd.oci.image.manifest.v1+json", lying.as_bytes());
    gated.policy(&format!("[policy.base]\nnames = [\"{host}/good/*\"]\n"));
    let said = gated.refused("verify IMAGE --policy policy.toml").hints();
    said.says(&["good/base:1` does not have sha256:", "hint: build it again on"]);
    // The author of a foreign project writes its lock, too.
    let lock = fs::read_to_string(gated.project.path("build.lock")).unwrap();
    gated.project.write("build.lock", lock.replace("/evil/base:1", "/good/base:1"));
    gated.settings(&format!("{host}/good/base:1"), &format!("[policy.base]\nnames = [\"{host}/good/*\"]\n"));
    gated.ok("plan");
    gated.pack("plan --untrusted").has_code(3);
}

/// A document at an index takes nothing away from those at its images, and one without a signature nothing from signed ones.
#[test]
fn documents_of_an_index_hide_none_of_its_images() {
    let gated = Gated::new(INDEX);
    let package = r#"{"name":"event-stream","version":"3.3.6","license":"MIT"}"#;
    gated.project.write("files/node_modules/event-stream/package.json", package);
    gated.ok(&format!("build --push --sbom --provenance {SIGNED}"));
    gated.policy("[policy.release]\ndeny = [\"pkg:npm/event-stream\"]\n");
    gated.refused("verify IMAGE --policy policy.toml").says(&["event-stream@3.3.6` is denied"]);
    gated.attach(EMPTY_LIST);
    gated.refused("verify IMAGE --policy policy.toml").says(&["event-stream@3.3.6` is denied"]);
    let signed = "[policy.release]\nrequire = [\"sbom\", \"checks\"]\nsigned-by = [\"ci.pub\"]\n";
    gated.policy(signed);
    gated.ok("verify IMAGE --policy policy.toml");
    gated.policy(&format!("{signed}deny = [\"pkg:npm/other\"]\n"));
    gated.attach_package("pkg:npm/other@1");
    gated.attach("{}");
    gated.ok("verify IMAGE --policy policy.toml");
}

#[test]
fn a_package_is_denied_in_any_spelling() {
    for (pattern, purl) in [
        ("pkg:npm/@scope/name", "pkg:npm/%40scope/name@1"),
        ("pkg:npm/%40scope/name", "pkg:npm/@scope/name@1"),
        ("pkg:pypi/Foo_Bar", "pkg:pypi/foo-bar@1"),
        ("pkg:npm/evil", "pkg:NPM/evil@1"),
        ("pkg:npm/evil@1", "pkg://npm//%65vil@1?a=b"),
    ] {
        let gated = Gated::new("");
        gated.ok("build --push");
        gated.attach_package(purl);
        gated.policy(&format!("[policy.release]\ndeny = [\"{pattern}\"]\n"));
        gated.refused("verify IMAGE --policy policy.toml").says(&[&format!("is denied by `{pattern}`")]);
    }
    let gated = Gated::new("");
    gated.ok("build --push");
    for (pattern, instead) in [
        ("pkg:npm/@scope", "pkg:npm/@scope/*"),
        ("pkg:maven/log4j:log4j", "pkg:maven/log4j/log4j"),
        ("pkg:maven/a/b?type=jar", "pkg:maven/a/b"),
    ] {
        gated.policy(&format!("[policy.release]\ndeny = [\"{pattern}\"]\n"));
        let said = gated.pack("verify IMAGE --policy policy.toml").has_code(1);
        said.says(&[&format!("`{pattern}` names no package"), &format!("such as `{instead}`")]);
    }
}

/// A push is refused before it builds if it was not asked for what it needs, and what the hint says helps.
#[test]
fn a_push_is_asked_for_the_record_of_checks_and_for_a_signature() {
    let gated = Gated::new("[policy.push]\nrequire = [\"checks\"]\n");
    let said = gated.refused("build --push").hints();
    said.says(&["the image has no record of checks", "hint: `pack build --provenance` attaches one"]);
    assert_eq!(gated.fake.tag("shop/app", "1"), None);
    gated.ok("build --push --provenance");
    gated.policy("[policy.release]\nrequire = [\"checks\"]\n");
    gated.ok("verify IMAGE --policy policy.toml");
    let gated = Gated::new("[policy.push]\nrequire = [\"signature\"]\nsigned-by = [\"ci.pub\"]\n");
    let said = gated.refused("build --push").hints();
    said.says(&["is not signed by `", "hint: `pack build --sign --key FILE` signs what it pushes"]);
    gated.ok(&format!("build --push {SIGNED}"));
}

#[test]
fn hints_of_a_policy_are_about_it() {
    let gated = Gated::new("");
    gated.ok("build --push");
    let said = gated.pack("verify IMAGE --policy missing.toml").has_code(1).hints();
    said.says(&["there is no `", "missing.toml`", "a TOML file that has `[policy.base]`"]);
    gated.policy("[policy.base]\nnames = [\"**\"]\n");
    let said = gated.refused("verify IMAGE --policy policy.toml").hints();
    said.says(&["does not name it with its digest", "an image on `scratch` has none"]);
    // A registry that fails is no answer.
    let lying = r#""annotations":{"org.opencontainers.image.base.name":"localhost:1/a/b:1","org.opencontainers.image.base.digest":"DIGEST"},"#;
    let digest = gated.fake.tag("shop/app", "1").unwrap();
    let manifest = String::from_utf8(gated.fake.manifest("shop/app", &digest).unwrap()).unwrap();
    let lying = lying.replace("DIGEST", &digest.to_string());
    let manifest = manifest.replacen("{", &format!("{{{lying}"), 1);
    gated.fake.put_manifest(
        "shop/app",
        "1",
        "application/vnd.oci.image.manifest.v1+json",
        manifest.as_bytes(),
    );
    gated.pack("verify IMAGE --policy policy.toml").has_code(3);
}

#[test]
fn a_build_without_changes_says_that_it_attaches_nothing() {
    let gated = Gated::new("");
    let command = format!("build --push --sbom --provenance {SIGNED}");
    gated.ok(&command).says(&["attached 5 documents"]);
    let again = gated.ok(&command).says(&["(unchanged)"]);
    assert!(!again.stderr.contains("attached"), "{again:?}");
}

/// The files that a policy of an untrusted project names are files of the project, too.
#[test]
fn a_policy_of_an_untrusted_project_reads_nothing_outside() {
    let gated = Gated::new("[policy]\nfile = \"sub/policy.toml\"\n");
    fs::copy(gated.project.path("ci.pub"), gated.project.beside("outside.pub")).unwrap();
    let outside = gated.project.beside("outside.pub").display().to_string();
    let policy = |key: &str| format!("[policy.push]\nsigned-by = [\"{key}\"]\n");
    for key in [outside.as_str(), "../../outside.pub", "../../missing.pub"] {
        gated.project.write("sub/policy.toml", policy(key));
        for command in ["plan --untrusted", "build --untrusted"] {
            gated.refused(command).says(&["lies outside of the project", "`--untrusted` forbids"]);
        }
    }
    gated.project.write("sub/policy.toml", policy("../ci.pub"));
    gated.ok("plan --untrusted");
    // The user names a policy elsewhere, with its keys.
    let own = gated.project.beside("own.toml");
    fs::write(&own, policy("outside.pub")).unwrap();
    gated.settings("scratch", "");
    gated.project.pack("plan --untrusted --set").arg(format!("policy.file=\"{}\"", own.display())).ok();
}
