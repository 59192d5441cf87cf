//! Promotions, rollbacks and histories as users see them: words, exit codes, and processes that meet.

use std::process::{Child, Stdio};
use std::time::Duration;

use pack_test_registry::{Action, Digest, Fake, Fault, Kind, Quirks, Reply};
use serde_json::Value;

use crate::hooks::Hook;
use crate::support::{Outcome, Project, outcome, text};

/// A project whose image is in a registry of this process.
struct Shop {
    fake: Fake,
    project: Project,
}

impl Shop {
    /// With these tables besides `[image]` and `[app]`.
    fn new(tables: &str) -> Self {
        let fake = Fake::start().unwrap();
        let name = format!("{}/shop/app", fake.address());
        let tables = tables.replace("HOST", &fake.address());
        let project = Project::with(&format!(
            "[image]\nname = \"{name}\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\n\n\
             [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n\n{tables}"
        ));
        Self { fake, project }
    }

    /// Pushes a version of the image; its digest.
    fn push(&self, version: &str) -> String {
        self.project.write("files/page.txt", version);
        let built = self.project.pack("build --push --tag").arg(version).ok();
        built.stdout.trim().rsplit('@').next().unwrap().to_owned()
    }

    /// The image's name.
    fn name(&self) -> String {
        format!("{}/shop/app", self.fake.address())
    }

    fn pack(&self, arguments: &str) -> Outcome {
        self.project.pack(&arguments.replace("NAME", &self.name())).env("USER", "alice").run()
    }

    fn ok(&self, arguments: &str) -> Outcome {
        self.pack(arguments).has_code(0)
    }

    /// It fails so, says why, and prints no result.
    fn fails(&self, code: i32, arguments: &str) -> Outcome {
        let said = self.pack(arguments).has_code(code);
        assert!(said.has_error() && said.stdout.is_empty(), "{said:?}");
        said
    }

    fn tag(&self, tag: &str) -> Option<String> {
        self.fake.tag("shop/app", tag).map(|digest| digest.to_string())
    }

    /// The tags of all records that begin so.
    fn record_tags(&self, begin: &str) -> Vec<String> {
        self.fake.tags("shop/app").into_iter().filter(|tag| tag.starts_with(begin)).collect()
    }

    fn releases(&self, environment: &str) -> Value {
        self.ok(&format!("releases {environment} --json")).json()
    }
}

#[test]
fn from_stage_to_stage_and_back() {
    let shop = Shop::new("");
    let one = shop.push("1.0");
    let said = shop.ok("promote NAME:1.0 --to dev").says(&["dev has ", ": release 1, from "]);
    assert_eq!(said.stdout.trim(), format!("{}@{one}", shop.name()));
    assert_eq!(shop.tag("dev").as_ref(), Some(&one));
    shop.ok("promote @dev --to test --reason tested").says(&["test has ", "release 1, promoted from dev@1"]);
    // The last part of the name is enough where the build file says the rest.
    shop.ok("promote app@test --to app@prod").says(&["prod has ", "promoted from test@1"]);
    let two = shop.push("2.0");
    shop.ok("promote NAME:2.0 --to dev");
    shop.ok("promote dev@2 --to prod --actor bob").says(&["release 2", "; before: release 1, "]);
    assert_eq!(shop.tag("prod").as_ref(), Some(&two));
    shop.ok("promote @dev --to prod").says(&["prod has ", "already: release 2, nothing to do"]);

    let back = shop.ok("rollback prod --reason broken").says(&["prod has ", "release 3, back to prod@1"]);
    assert_eq!(back.stdout.trim(), format!("{}@{one}", shop.name()));
    assert_eq!(shop.tag("prod").as_ref(), Some(&one));
    shop.ok("rollback prod --to 3").says(&["already: release 3, nothing to do"]);
    shop.ok("rollback NAME@prod --to r0002 --dry-run").says(&["prod would get ", "as release 4"]);
    assert_eq!(shop.record_tags("prod-r0004").len(), 0);

    let table = shop.ok("releases prod").stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("RELEASE") && lines[0].contains("REASON"), "{table}");
    assert!(
        lines[1].contains("alice") && lines[1].contains("back to prod@1") && lines[1].ends_with("broken")
    );
    assert!(
        lines[2].contains("bob")
            && lines[2].contains("promoted from dev@2")
            && lines[2].contains("+1 layer -1")
    );
    let json = shop.releases("prod");
    assert_eq!(text(&json["releases"][1]["digest"]), two);
    assert_eq!(json["releases"][1]["change"]["addedLayers"], 1);
    assert_eq!(json["releases"][0]["previous"]["release"], 2);
    assert_eq!((&json["total"], &json["faults"]), (&Value::from(3), &Value::Array(Vec::new())));
    let files = shop.ok("releases NAME@prod --files -n 2").stdout;
    assert!(files.contains("2: ~ srv/page.txt") && files.contains("1 release before these"), "{files}");

    let said = shop.pack("diff prod@1 prod@2").has_code(1);
    assert!(said.stdout.contains("srv/page.txt"), "{said:?}");
    shop.ok("diff prod@1 NAME@prod");
    shop.project.check_store();
}

#[test]
fn names_that_mean_nothing_are_met_with_the_nearest() {
    let shop = Shop::new("");
    shop.push("1.0");
    shop.fails(1, "releases prod")
        .says(&["has no environment `prod`", "hint: `pack promote IMAGE --to prod`"]);
    shop.ok("promote NAME:1.0 --to prod");
    shop.fails(1, "releases porod").says(&["did you mean `prod`?"]);
    shop.fails(1, "rollback prdo").says(&["did you mean `prod`?"]);
    shop.fails(1, "rollback prod --to 5").says(&["has no release 5", "the newest one is 1"]);
    shop.fails(1, "promote @staging --to prod").says(&["has no environment `staging`"]);
    shop.ok("promote prod@1 --to prod").says(&["already: release 1, nothing to do: it is the current one"]);
    shop.push("2.0");
    shop.ok("promote NAME:2.0 --to prod");
    shop.fails(1, "promote prod@1 --to prod").says(&["`pack rollback prod --to 1`"]);
    let record = &shop.record_tags("prod-r0001")[0];
    shop.fails(1, &format!("promote NAME:{record} --to live")).says(&["is the record of a release"]);
    shop.fails(2, "promote NAME:1.0 --to Prod").says(&["is not the name of an environment"]);
    shop.fails(2, "promote NAME:1.0 --to prod --require tested").says(&["the gates are `release:ENV`"]);
    shop.fails(2, "promote NAME:1.0 --to live --reason").hints_or_usage();
    shop.fails(2, "promote prod@0 --to live").says(&["`0` is not the number of a release", "begin with 1"]);
    shop.fails(2, "diff prod@0 prod@1").says(&["`0` is not the number of a release", "begin with 1"]);
    shop.fails(2, "promote app@Prod --to live").says(&["`Prod` is not the name of an environment"]);
    let wrong = shop.fails(2, "inspect NAME@prod");
    let says = format!("has the tag `{}:prod`", shop.name());
    wrong.says(&[
        "`prod` after `@` is not a digest",
        "`pack promote`, `releases`, `rollback` and `diff` alone",
        &says,
    ]);
    shop.fails(3, "promote NAME:9 --to prod").says(&["not found"]);
    shop.fails(3, "promote 127.0.0.1:9/shop/app:1 --to prod").says(&["127.0.0.1:9"]);
    let empty = Project::new();
    let said = empty.pack("releases prod").fails(1);
    assert!(said.stderr.contains("of which image?") && said.stderr.contains("hint: "), "{said:?}");
    empty.pack("releases prod").arg(shop.name()).ok();
}

impl Outcome {
    /// Checks that stderr tells how to do it right.
    #[track_caller]
    fn hints_or_usage(self) -> Self {
        assert!(self.stderr.contains("hint: ") || self.stderr.contains("Usage: "), "{self:?}");
        self
    }
}

/// A short name means an image of Docker Hub. Where a tag or an environment of the project was meant, that is said, and
/// nothing is asked for.
#[test]
fn short_names_that_mean_something_of_the_project() {
    let shop = Shop::new("[environment.prod]\npointer = true\n");
    shop.push("1.0");
    shop.ok("promote NAME:1.0 --to dev");
    let tag = |tag: &str| format!("`{}:{tag}`", shop.name());
    let image = "`docker.io/library/1.0`";
    shop.fails(1, "promote 1.0 --to dev").says(&[image, &tag("1.0")]).hints();
    shop.fails(1, "promote dev --to prod").says(&["docker.io/library/dev", &tag("dev"), "`@dev`"]);
    shop.fails(1, "promote app:1.0 --to prod").says(&["docker.io/library/app", &tag("1.0")]);
    shop.fails(1, "diff 1.0 NAME:1.0").says(&[image, &tag("1.0")]);
    shop.fails(1, "diff NAME:1.0 prod").says(&["docker.io/library/prod", "`@prod`"]);
    shop.fails(1, "promote 1.0 --to NAME-other@dev").says(&[image, &tag("1.0")]);
    // The names of the hints work.
    shop.ok("promote NAME:1.0 --to prod");
    shop.ok("diff NAME:1.0 @prod");
    // The name of another project.
    shop.fails(1, "diff ap@dev app@dev").says(&["did you mean `app@dev`?"]);
    shop.fails(1, "releases shop@dev").says(&["`shop` alone is no repository", "in full"]);
    shop.fails(1, "rollback dev shop").says(&["`shop` alone is no repository"]);
    let empty = Project::new();
    empty.pack("releases shop@dev").fails(1).says(&["`shop` alone is no repository"]).hints();
}

/// A container and a job of `cron` have no variable with the name of the user.
#[test]
fn the_actor_is_known_without_variables() {
    let shop = Shop::new("");
    shop.push("1.0");
    let system = shop.project.beside("etc");
    std::fs::create_dir_all(&system).unwrap();
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    let promote = |to: &str| {
        let line = format!("promote {}:1.0 --to {to} --json", shop.name());
        let said = shop.project.pack(&line).env("PACK_SYSTEM_CONFIG", system.to_str().unwrap()).ok();
        text(&said.json()["actor"])
    };
    assert_eq!(promote("dev"), uid.to_string());
    std::fs::write(system.join("passwd"), format!("other:x:99999:1::/:\nrobot:x:{uid}:1::/:\n")).unwrap();
    assert_eq!(promote("test"), "robot");
}

/// A member stands for its image, with the settings that it and the workspace have.
#[test]
fn members_of_a_workspace_have_releases() {
    let fake = Fake::start().unwrap();
    let project = Project::with(&format!(
        "[workspace]\nmembers = [\"services/*\"]\n\n[workspace.image]\nname = \"{}/team\"\n\
         base = \"scratch\"\nplatforms = [\"linux/amd64\"]\n",
        fake.address()
    ));
    for member in ["shop", "cart"] {
        let gate = "[environment.prod]\nrequire = [\"release:dev\"]\n";
        let text = format!(
            "[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n\n{}",
            if member == "shop" { gate } else { "" }
        );
        project.write(&format!("services/{member}/build.toml"), &text);
        project.write(&format!("services/{member}/files/page.txt"), member);
    }
    project.pack("build --workspace --push --tag 1").ok();
    let image = |member: &str| format!("{}/team/{member}:1", fake.address());
    project
        .pack(&format!("promote {} --to shop@prod", image("shop")))
        .fails(4)
        .says(&["`release:dev` is closed"]);
    project.pack(&format!("promote {} --to shop@dev", image("shop"))).ok();
    project.pack("promote shop@dev --to prod").ok();
    assert_eq!(fake.tag("team/shop", "prod"), fake.tag("team/shop", "1"));
    assert_eq!(project.pack("releases shop@prod --json").ok().json()["total"], 1);
    assert_eq!(project.pack("releases prod shop --json").ok().json()["total"], 1);
    project.pack("releases chop@prod").fails(1).says(&["`chop`", "`shop`"]);
    project.pack("releases cart@prod").fails(1).says(&["has no environment `prod`"]);
    project.pack("diff shop@dev shop@prod").ok();
    // In the directory of a member, and without a name there.
    let said = project.pack("releases prod -f services/shop/build.toml --json").ok();
    assert_eq!(said.json()["total"], 1);
    let said = project.pack("releases prod").fails(1);
    said.says(&["of which image?", "The workspace has several images", "`shop@prod`"]);
    project.pack("rollback dev").fails(1).says(&["of which image?", "`cart@dev`"]);
}

/// At the root of a workspace, a word that means nothing else is no question to Docker Hub, and the way to name what was
/// meant is said.
#[test]
fn short_names_that_mean_something_of_a_workspace() {
    let fake = Fake::start().unwrap();
    let project = Project::with(&format!(
        "[workspace]\nmembers = [\"services/*\"]\n\n[workspace.image]\nname = \"{}/team\"\nbase = \"scratch\"\n\
         platforms = [\"linux/amd64\"]\n",
        fake.address()
    ));
    for member in ["shop", "cart"] {
        let environment = if member == "shop" { "[environment.prod]\n" } else { "" };
        let text = format!("[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n\n{environment}");
        project.write(&format!("services/{member}/build.toml"), text);
        project.write(&format!("services/{member}/files/page.txt"), member);
    }
    project.pack("build --workspace --push --tag 1").ok();
    let shop = format!("{}/team/shop:1", fake.address());
    project.pack(&format!("promote {shop} --to shop@dev")).ok();
    let cart = format!("{}/team/cart", fake.address());
    for (words, says) in [
        ("promote shop --to test", ["docker.io/library/shop", "`shop` is a member", "`shop@ENVIRONMENT`"]),
        ("promote shop:1 --to test", ["docker.io/library/shop", "the tag of the member `shop` is", &shop]),
        (
            "promote prod --to test",
            ["docker.io/library/prod", "the environment of a member is", "`shop@prod`"],
        ),
        ("promote dev --to test", ["docker.io/library/dev", "`cart@dev`", &format!("`{cart}:dev`")]),
        ("promote 1 --to test", ["docker.io/library/1", "a tag of a member is", &format!("`{cart}:1`")]),
        (
            "promote shop:1 --to cart@test",
            ["docker.io/library/shop", "the tag of the member `shop` is", &shop],
        ),
    ] {
        project.pack(words).fails(1).says(&says);
    }
    // The names of the hints work.
    project.pack("promote shop@dev --to test").ok();
    project.pack(&format!("promote {shop} --to prod")).ok();
}

#[test]
fn gates_of_the_build_file_and_of_the_command_line() {
    let tables = "[environment.prod]\nname = \"HOST/prod/app\"\nrequire = [\"release:test\"]\n";
    let shop = Shop::new(tables);
    let one = shop.push("1.0");
    let closed = shop.fails(4, "promote NAME:1.0 --to prod");
    closed.says(&["the gate `release:test` is closed", "promote it to `test` first"]);
    shop.ok("promote NAME:1.0 --to test");
    shop.fails(4, "promote @test --to prod --require referrer:application/spdx+json")
        .says(&["nothing of type `application/spdx+json` refers to it"]);
    shop.ok("promote @test --to prod").says(&["/prod/app ", "promoted from "]);
    let prod = shop.fake.tag("prod/app", "prod").map(|digest| digest.to_string());
    assert_eq!(prod, Some(one), "in its own repository");
    assert_eq!(shop.tag("prod"), None);
    assert_eq!(text(&shop.releases("prod")["releases"][0]["checks"][1]["check"]), "release:test");
    // Another image is not bound by this build file.
    shop.ok("copy NAME:1.0 NAME-other:1.0");
    shop.ok("promote NAME-other:1.0 --to prod");
    assert!(shop.fake.tag("shop/app-other", "prod").is_some());
}

#[test]
fn an_image_from_a_layout_is_sent_first() {
    let shop = Shop::new("");
    shop.project.write("files/page.txt", "1");
    shop.project.build("-o oci:out:1.0");
    shop.ok("promote oci:out:1.0 --to dev").says(&["release 1, from oci:out:1.0", "2 blobs sent"]);
    assert!(shop.tag("dev").is_some() && shop.tag("1.0").is_none());
}

#[test]
fn tags_that_do_not_move() {
    let shop = Shop::new("");
    shop.push("1.0");
    shop.push("2.0");
    let immutable = Some((400, "TAG_INVALID", "the tag already exists and is immutable"));
    shop.fake.set_quirks(Quirks { immutable, ..Quirks::default() });
    shop.ok("promote NAME:1.0 --to prod");
    shop.fails(3, "promote NAME:2.0 --to prod").says(&[
        "is recorded",
        "does not let its tag `prod` move",
        "--no-pointer",
    ]);
    shop.ok("promote NAME:2.0 --to prod --no-pointer").says(&["already: release 2"]);
    shop.ok("rollback prod --no-pointer").says(&["release 3"]);
    let table = shop.ok("releases prod").stdout;
    assert_eq!(table.lines().filter(|line| line.contains("prod@")).count(), 1, "{table}");
}

#[test]
fn records_that_are_not_sound() {
    let shop = Shop::new("");
    for version in ["1.0", "2.0", "3.0"] {
        shop.push(version);
        shop.ok(&format!("promote NAME:{version} --to prod"));
    }
    let record = |tag: &str| {
        let digest = shop.fake.tag("shop/app", tag).unwrap();
        String::from_utf8(shop.fake.manifest("shop/app", &digest).unwrap()).unwrap()
    };
    let index = "application/vnd.oci.image.index.v1+json";
    let put = |tag: &str, bytes: &str| {
        shop.fake.put_manifest("shop/app", tag, index, bytes.as_bytes());
    };
    let tags = ["prod-r0001", "prod-r0002", "prod-r0003"].map(|tag| shop.record_tags(tag).remove(0));
    let [tag_one, tag_two, tag_three] = tags.each_ref().map(String::as_str);
    let (one, two) = (record(tag_one), record(tag_two));
    put(tag_two, &one);
    let said = shop.pack("releases prod").has_code(4);
    let says = format!("tampered: the record `{tag_two}` was tampered with");
    assert!(said.stdout.contains(&says), "{said:?}");
    let said = said.says(&["the releases of `prod` are not sound"]).hints();
    assert!(said.stdout.lines().next().unwrap().starts_with("RELEASE"), "what is sound is shown: {said:?}");
    put(tag_two, &two.replace("alice", "mallory"));
    let json = shop.pack("releases prod --json").has_code(4).json();
    assert_eq!(json["faults"][0]["fault"], "tampered", "{json:#}");
    put(tag_two, &two);
    put(tag_three, &two);
    let says = format!("`{tag_three}` was tampered with");
    shop.fails(4, "promote NAME:1.0 --to prod").says(&[&says]);
    shop.fails(4, "rollback prod").says(&[&says]);
}

/// Every command that reads a record tells that it is missing or was tampered with, and writes no descriptor and no tag.
#[test]
fn commands_that_read_records_tell_what_is_wrong_with_these() {
    let shop = Shop::new("");
    for version in ["1.0", "2.0", "3.0"] {
        shop.push(version);
        shop.ok(&format!("promote NAME:{version} --to prod"));
    }
    shop.project
        .write("pod.yaml", "kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - image: pack://app\n");
    let index = "application/vnd.oci.image.index.v1+json";
    let record =
        |tag: &str| shop.fake.manifest("shop/app", &shop.fake.tag("shop/app", tag).unwrap()).unwrap();
    let [tag_two, tag_three] = ["prod-r0002", "prod-r0003"].map(|tag| shop.record_tags(tag).remove(0));
    let (two, three) = (record(&tag_two), record(&tag_three));
    let is_tampered = format!("`{tag_three}` was tampered with");
    let before = shop.tag("prod");
    for command in
        ["render staging -f pod.yaml -o out", "diff staging@1 prod@1", "promote @staging --to prod"]
    {
        shop.fails(1, command).says(&["`staging`"]).hints();
    }
    shop.fails(1, "diff prod@1 prod@7").says(&["release 7"]).hints();
    // The newest record is another one.
    shop.fake.put_manifest("shop/app", &tag_three, index, &two);
    for command in [
        "render prod -f pod.yaml -o out",
        "diff prod@2 prod@3",
        "promote @prod --to live",
        "rollback prod --to 1",
    ] {
        shop.fails(4, command).says(&[&is_tampered]);
    }
    // A record that is no document.
    shop.fake.put_manifest("shop/app", &tag_three, index, b"{\"schemaVersion\":2,\"manifests\":[]}");
    shop.fails(4, "render prod -f pod.yaml -o out").says(&[&is_tampered]);
    shop.fake.put_manifest("shop/app", &tag_three, index, &three);
    shop.ok("render prod -f pod.yaml -o out");
    std::fs::remove_dir_all(shop.project.path("out")).unwrap();
    assert_eq!((shop.tag("prod"), shop.project.path("out").exists()), (before, false));
}

/// A record that names another registry and repository, with the tag and the identity that it would have.
#[test]
fn a_record_of_another_repository_is_not_taken() {
    let shop = Shop::new("");
    shop.push("1.0");
    shop.ok("promote NAME:1.0 --to dev");
    shop.project
        .write("pod.yaml", "kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - image: pack://app\n");
    let record = Record::of(&shop, "dev");
    let other = Record { text: record.text.replace(&shop.name(), "evil.example.com/x/y"), ..record.clone() };
    put_record(&shop, &other.named("img", 1), "img");
    let said = shop.pack("releases img").has_code(4);
    assert!(said.stdout.contains("its image is `evil.example.com/x/y`"), "{said:?}");
    shop.fails(4, "promote @img --to z").says(&["was tampered with"]);
    shop.fails(4, "rollback img").says(&["was tampered with", "once its tag is deleted"]);
    shop.fails(4, "render img -f pod.yaml").says(&["was tampered with"]);
    shop.fails(4, "diff @img @dev").says(&["was tampered with"]);
    // Another name of the registry is no fault, and is never written.
    let host = shop.fake.address();
    let renamed = Record { text: record.text.replace(&host, "evil.example.com"), ..record };
    put_record(&shop, &renamed.named("moved", 1), "moved");
    let image = &shop.ok("releases moved --json").json()["releases"][0]["image"];
    assert_eq!(text(image), shop.name());
    let rendered = shop.ok("render moved -f pod.yaml").stdout;
    assert!(rendered.contains(&shop.name()) && !rendered.contains("evil"), "{rendered}");
}

/// The JSON of a record, to write others like it, and the document that it is in.
#[derive(Clone)]
struct Record {
    text: String,
    document: String,
    environment: String,
}

impl Record {
    /// The first record of an environment.
    fn of(shop: &Shop, environment: &str) -> Self {
        let tag = shop.record_tags(&format!("{environment}-r0001")).remove(0);
        let bytes = shop.fake.manifest("shop/app", &shop.fake.tag("shop/app", &tag).unwrap()).unwrap();
        let document = String::from_utf8(bytes).unwrap();
        let json: Value = serde_json::from_str(&document).unwrap();
        let text = text(&json["annotations"]["pack.release.record"]);
        Self { text, document, environment: environment.to_owned() }
    }

    /// The same in another environment and of another run.
    fn named(&self, environment: &str, nonce: u64) -> Self {
        let name = |environment: &str| format!("\"environment\":\"{environment}\"");
        let (begin, _) = self.text.rsplit_once("\"nonce\":").unwrap();
        let text = format!("{begin}\"nonce\":\"{nonce:016x}\"}}");
        Self { text: text.replace(&name(&self.environment), &name(environment)), ..self.clone() }
    }

    /// Its document under a number, after another one, and the end of its tag.
    fn document(&self, environment: &str, number: u32, previous: Option<(u32, &str)>) -> (String, String) {
        let id = Digest::of(self.text.as_bytes()).to_string()["sha256:".len()..][..12].to_owned();
        let mut text = self.text.replace("\"number\":1,", &format!("\"number\":{number},"));
        if let Some((release, record)) = previous {
            let image = text.split("\"digest\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            let link = format!(
                "\"previous\":{{\"release\":{release},\"record\":\"{record}\",\"image\":\"{image}\"}},"
            );
            let at = text.find("\"actor\":").unwrap();
            text.insert_str(at, &link);
        }
        let old: Value = serde_json::from_str(&self.document).unwrap();
        let old = serde_json::to_string(&old["annotations"]["pack.release.record"]).unwrap();
        let document = self.document.replace(&old, &serde_json::to_string(&text).unwrap());
        let key = "\"pack.release.environment\":";
        let document = document
            .replace(&format!("{key}\"{}\"", self.environment), &format!("{key}\"{environment}\""))
            .replace("\"pack.release.number\":\"1\"", &format!("\"pack.release.number\":\"{number}\""));
        (document, format!("r{number:04}-{id}"))
    }
}

fn put_record(shop: &Shop, record: &Record, environment: &str) {
    let (document, key) = record.document(environment, 1, None);
    let index = "application/vnd.oci.image.index.v1+json";
    shop.fake.put_manifest("shop/app", &format!("{environment}-{key}"), index, document.as_bytes());
}

/// A run, and how long a processor worked for it: other tests run at the same time. Its peak of memory is bounded.
fn measured(shop: &Shop, line: &str) -> (Outcome, Duration) {
    let mut command = shop.project.pack(&line.replace("NAME", &shop.name())).command();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = format!("/proc/{}", child.id());
    let (sender, receiver) = std::sync::mpsc::channel();
    let watch = std::thread::spawn(move || {
        let read = |name: &str| std::fs::read_to_string(format!("{process}/{name}")).unwrap_or_default();
        let (mut peak, mut ticks) = (0_u64, 0_u64);
        while receiver.recv_timeout(Duration::from_millis(2)).is_err() {
            let status = read("status");
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = peak.max(line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0));
            // After the name in parentheses, the times in user and system mode are the 12th and the 13th.
            let stat = read("stat");
            let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
            ticks = ticks.max(fields.filter_map(|field| field.parse::<u64>().ok()).sum());
        }
        (peak, Duration::from_millis(ticks * 10))
    });
    let output = child.wait_with_output().unwrap();
    sender.send(()).unwrap();
    let (peak, took) = watch.join().unwrap();
    eprintln!(
        "{line}: {} MiB, {took:.1?} of a processor, {} requests",
        peak >> 10,
        shop.fake.take_log().len()
    );
    assert!(peak > 0 && peak < 256 << 10, "{line}: {peak} KiB");
    (outcome(line, &output), took)
}

/// 100,000 tags that look like records, and 10,000 records that are sound.
#[test]
fn a_repository_full_of_releases_costs_little() {
    const LIMIT: Duration = Duration::from_secs(20);
    let shop = Shop::new("");
    shop.push("1.0");
    shop.ok("promote NAME:1.0 --to dev");
    let index = "application/vnd.oci.image.index.v1+json";
    let record = Record::of(&shop, "dev");
    let mut previous: Option<(u32, String)> = None;
    for number in 1..=10_000 {
        let own = record.named("many", u64::from(number));
        let before = previous.as_ref().map(|(number, digest)| (*number, digest.as_str()));
        let (document, key) = own.document("many", number, before);
        let digest = shop.fake.put_manifest("shop/app", &format!("many-{key}"), index, document.as_bytes());
        previous = Some((number, digest.to_string()));
    }
    let _ = shop.fake.take_log();
    let (said, took) = measured(&shop, "releases many --json");
    let json = said.has_code(0).json();
    assert_eq!((&json["total"], &json["faults"]), (&Value::from(10_000), &Value::Array(Vec::new())));
    assert_eq!((json["releases"].as_array().unwrap().len(), &json["older"]), (20, &Value::from(9_980)));
    assert!(took < LIMIT, "{took:?}");
    // All have one image: the search ends.
    let (said, took) = measured(&shop, "rollback many");
    said.has_code(1).says(&["the newest 100 releases of `many`", "--to N"]);
    assert!(took < LIMIT, "{took:?}");
    let (said, _) = measured(&shop, "rollback many --to 5000");
    said.has_code(0).says(&["already: release 10000"]);

    // 100,000 is the most that is read of a list; there are 10,005 tags.
    for number in 0..89_990_u32 {
        let tag = match number % 3 {
            0 => format!("e{number}-r0001-{number:012x}"),
            1 => format!("prod-r{:04}-{number:012x}", number * 100 + 1),
            _ => format!("prod-r0001-{number:012x}"),
        };
        shop.fake.put_manifest("shop/app", &tag, index, b"{\"schemaVersion\":2,\"manifests\":[]}");
    }
    let _ = shop.fake.take_log();
    for (line, code, says) in [
        ("releases prod", 4, "are not sound"),
        ("releases many -n 20", 0, ""),
        ("releases nowhere", 1, "more"),
        ("promote NAME:1.0 --to prod", 4, "was tampered with"),
        ("rollback prod --to 1", 1, "more"),
    ] {
        let (said, took) = measured(&shop, line);
        let said = said.has_code(code).says(&[says]);
        assert!(took < LIMIT, "{line}: {took:?}");
        assert!(said.stderr.len() < 4_000, "{line}: {} bytes", said.stderr.len());
    }
}

/// A registry that takes no records: the release fails whole, with the registry's words.
#[test]
fn a_registry_without_what_releases_need() {
    let shop = Shop::new("");
    shop.push("1.0");
    for (status, code) in [(400, "MANIFEST_INVALID"), (403, "DENIED"), (405, "UNSUPPORTED")] {
        let reply = Reply::error(status, code, "no such things here");
        shop.fake.fault(Fault::always("PUT", Kind::Manifest, Action::Answer(reply)));
        let said = shop.fails(3, "promote NAME:1.0 --to prod");
        let said = said.says(&[&shop.fake.address(), "no such things here"]);
        assert!(!said.stderr.contains("did you mean"), "{said:?}");
        assert_eq!((shop.tag("prod"), shop.record_tags("prod-r").len()), (None, 0), "{status}");
        shop.fake.heal();
    }
    shop.ok("promote NAME:1.0 --to prod").says(&["prod has ", ": release 1, from "]);
}

/// Eight processes release eight images into one environment, all at once: each has its record, in order, none is lost,
/// and the tag means the newest one.
#[test]
fn eight_promoters_at_once() {
    let shop = Shop::new("");
    let mut digests: Vec<String> = (1..=8).map(|version| shop.push(&format!("{version}.0"))).collect();
    let start = |version: usize| -> Child {
        let line = format!("promote {}:{version}.0 --to prod", shop.name());
        shop.project.pack(&line).env("USER", &format!("user-{version}")).command().spawn().unwrap()
    };
    let running: Vec<Child> = (1..=8).map(start).collect();
    for child in running {
        outcome("pack promote", &child.wait_with_output().unwrap()).has_code(0);
    }
    let json = shop.releases("prod");
    assert_eq!((&json["total"], &json["faults"]), (&Value::from(8), &Value::Array(Vec::new())), "{json:#}");
    let releases = json["releases"].as_array().unwrap();
    let numbers: Vec<u64> = releases.iter().map(|release| release["number"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one > next), "{numbers:?}");
    assert_eq!(shop.tag("prod"), Some(text(&releases[0]["digest"])));
    let mut found: Vec<String> = releases.iter().map(|release| text(&release["digest"])).collect();
    found.sort();
    digests.sort();
    assert_eq!(found, digests);
    let mut users: Vec<String> = releases.iter().map(|release| text(&release["actor"])).collect();
    users.sort();
    assert_eq!(users, (1..=8).map(|version| format!("user-{version}")).collect::<Vec<_>>());
}

/// A promotion and a rollback are told to the receivers of the build file, and what changes nothing is not.
#[test]
fn receivers_are_told_of_promotions_and_rollbacks() {
    let hook = Hook::start();
    let shop = Shop::new(&format!(
        "[[webhook]]\nurl = \"http://{}/hook\"\non = [\"promotion\", \"rollback\"]\n",
        hook.address()
    ));
    let (one, two) = (shop.push("1.0"), shop.push("2.0"));
    assert_eq!(hook.take().len(), 0, "a push is not asked for");
    shop.ok("promote NAME:1.0 --to prod --dry-run");
    shop.ok("promote NAME:1.0 --to prod");
    shop.ok("promote NAME:1.0 --to prod");
    shop.ok("promote NAME:2.0 --to prod");
    shop.ok("rollback prod");
    let told: Vec<Value> = hook.take().iter().map(super::hooks::HookMessage::json).collect();
    let field = |name: &str| -> Vec<Value> { told.iter().map(|event| event[name].clone()).collect() };
    assert_eq!(field("kind"), ["promotion", "promotion", "rollback"], "{told:#?}");
    assert_eq!(field("environment"), ["prod"; 3]);
    assert_eq!(field("release"), [1, 2, 3]);
    assert_eq!(field("digest"), [one.as_str(), &two, &one]);
    assert_eq!(field("previous"), [Value::Null, one.as_str().into(), two.as_str().into()]);
}
