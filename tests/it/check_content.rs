//! The rules about what files hold: what is found, what is not, that no secret is told, and that the store decides nothing.

use std::os::unix::fs::symlink;

use base64::Engine as _;
use sha2::Digest as _;

use crate::artifacts::{base, layout};
use crate::support::{Outcome, Project, Zip, settle, tree_on};
use crate::verdicts::damage;

/// A token of GitHub with a right checksum, put together here so that no text of a token is in the repository.
fn token(start: &str) -> String {
    ["zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"].iter().fold(start.to_owned(), |token, part| token + part)
}

/// A text that has the form of a private key, which opens nothing.
fn private_key() -> String {
    let body = format!("MIGI{}", "q1Wk8".repeat(37));
    // The head says that 136 bytes follow it.
    let lines: Vec<&str> =
        body.as_bytes()[..186].chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let marker = |word: &str| format!("-----{word} PRIVATE {}-----", "KEY");
    format!("{}\n{}\n{}\n", marker("BEGIN"), lines.join("\n"), marker("END"))
}

fn tree(files: &[(&str, &str)]) -> Project {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/page.html", "<p>A page.</p>");
    for (name, content) in files {
        project.write(&format!("files/{name}"), content);
    }
    project
}

/// The findings of these rules in a plan: level, rule and message.
fn findings(project: &Project) -> Vec<String> {
    of(&project.pack("plan --json").ok())
}

fn of(outcome: &Outcome) -> Vec<String> {
    let plan = outcome.json();
    let found = plan["findings"].as_array().unwrap().iter();
    // Trees of data start nothing, which is no matter of their content.
    let found = found.filter(|finding| finding["answer"] == "not-met" && finding["rule"] != "no-entrypoint");
    let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_owned();
    found
        .map(|finding| {
            format!("{} {}: {}", text(finding, "level"), text(finding, "rule"), text(finding, "message"))
        })
        .collect()
}

#[track_caller]
fn has(found: &[String], start: &str, part: &str) {
    assert!(
        found.iter().any(|line| line.starts_with(start) && line.contains(part)),
        "{start} … {part}: {found:#?}"
    );
}

#[test]
fn secrets_are_refused_and_never_told() {
    let cases: [(&str, String, &str); 5] = [
        (
            "src/app.js",
            format!("const token = '{}';", token("ghp_")),
            "line 1, has a token of GitHub (40 bytes)",
        ),
        ("tls/server.key", private_key(), "line 1, has a private key"),
        (
            ".npmrc",
            "a=b\n//r.test/:_authToken=k3jsd8fj2lk\n".to_owned(),
            "line 2, has a login of npm (11 bytes)",
        ),
        (
            ".env",
            "PORT=80\nDB_PASSWORD=k3jsd8fj2lk\n".to_owned(),
            "line 2, has a variable with a secret (11 bytes)",
        ),
        (
            "root/.docker/config.json",
            "{\"auths\":{\"r\":{\"auth\":\"azNqc2Q4ZmoybGs=\"}}}".to_owned(),
            "a login to a registry",
        ),
    ];
    for (name, content, says) in cases {
        let project = tree(&[(name, &content)]);
        for command in ["build", "plan --json", "build --json -v", "build --log debug"] {
            let outcome = project.pack(command).run();
            assert!(
                !outcome.stdout.contains("k3jsd8fj2lk") && !outcome.stderr.contains("k3jsd8fj2lk"),
                "{name}"
            );
            assert!(!outcome.stderr.contains("zQWBuTSOo") && !outcome.stderr.contains("azNqc2Q4"), "{name}");
        }
        project.pack("build").fails(1).says(&[&format!("`/srv/{name}`"), says, "[secret]"]);
        let allowed = project.pack("plan --json").arg("--allow").arg("secret=it is a fixture").ok();
        assert!(allowed.json()["findings"].to_string().contains("it is a fixture"));
    }
}

#[test]
fn what_may_be_a_secret_is_a_warning() {
    let project = tree(&[
        (".env.production", "PORT=80\n"),
        (".ssh/id_ed25519", "not a key"),
        ("terraform.tfstate", "{}"),
        (".git/config", "[core]\n"),
        ("node_modules/a/test/server.key", &private_key()),
    ]);
    let found = findings(&project);
    for part in [
        ".env.production` is variables",
        "id_ed25519` is the name",
        "tfstate` is a state",
        "`/srv/.git` goes",
        "a/test/server.key`, line 1",
    ] {
        has(&found, "warning secret:", part);
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn placeholders_public_keys_and_examples_are_no_secrets() {
    let certificate = private_key().replace("PRIVATE KEY", "CERTIFICATE");
    let project = tree(&[
        (".env.example", "DB_PASSWORD=k3jsd8fj2lk\n"),
        (".npmrc", "//r.test/:_authToken=${NPM_TOKEN}\n"),
        ("README.md", "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n"),
        ("tls/ca.pem", &certificate),
        ("pem.js", &format!("const begin = '-----BEGIN PRIVATE {}-----';", "KEY")),
        ("id_rsa.pub", "ssh-rsa AAAA"),
        ("docs/token.md", &token("ghp_").replace("0mLq17", "0mLq18")),
    ]);
    assert_eq!(findings(&project), Vec::<String>::new());
}

#[test]
fn secrets_of_the_configuration_are_found_and_their_lines_are_not_shown() {
    let project = tree(&[]);
    project.append(
        "build.toml",
        &format!(
            "\n[config]\nenv = {{ GH = \"{0}\" }}\nlabels = {{ a = \"{0}\" }}\ncmd = [\"run\", \"{0}\"]\n",
            token("ghp_")
        ),
    );
    let outcome = project.pack("build").fails(1);
    for place in ["the variable `GH`", "the label `a`", "`cmd`"] {
        assert!(outcome.stderr.contains(place), "{}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("zQWBuTSOo"), "{}", outcome.stderr);
    let project = tree(&[]);
    project.append(
        "build.toml",
        "\n[config]\nenv = { DB_PASSWORD = \"k3jsd8fj2lk\", TOKEN_FILE = \"/run/token\" }\n",
    );
    let found = findings(&project);
    has(
        &found,
        "warning secret:",
        "the variable `DB_PASSWORD` of the image has a value that looks like a secret",
    );
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn paths_of_the_build_machine_are_told_where_they_are_read() {
    let project = tree(&[
        ("bin/run", "#!/home/me/shop/.venv/bin/python\n"),
        ("lib/libshop.la", "# libtool\nlibdir='/builds/shop/lib'\n"),
        ("pyvenv.cfg", "home = /usr/bin\ncommand = /home/me/bin/python -m venv /home/me/x\n"),
        ("README.md", "see /home/me/shop\n"),
        ("bin/good", "#!/usr/bin/env python3\n"),
    ]);
    let root = std::fs::canonicalize(project.root()).unwrap();
    project.write("files/bin/own", format!("#!{}/bin/python\n", root.display()));
    symlink("/workspace/shop/a", project.path("files/link")).unwrap();
    let found = findings(&project);
    for part in [
        "/srv/bin/run`, line 1, has `/home/me/shop/.venv/bin/python`",
        "libshop.la`, line 2",
        "bin/own`, line 1",
        "`/srv/link` is a link to",
    ] {
        has(&found, "warning build-path:", part);
    }
    assert_eq!(found.len(), 4, "{found:#?}");
    // An image that has files there knows the path.
    let project = Project::with(&tree_on("scratch").replace("/srv", "/home/me/shop"));
    project.write("files/bin/run", "#!/home/me/shop/bin/python\n").write("files/bin/python", "python");
    assert_eq!(findings(&project), Vec::<String>::new());
}

#[test]
fn data_and_addresses_are_told_outside_of_volumes_and_packages() {
    let database = "SQLite format 3\0rest";
    let files = [
        ("data/shop.db", database),
        ("site-packages/a/zones.db", database),
        ("logs/access.log", "GET /\n"),
        ("application.properties", "a=1\nspring.datasource.url=jdbc:postgresql://localhost:5432/shop\n"),
        ("node_modules/a/config.json", "{\"host\": \"10.1.2.3\"}"),
        ("allow.yml", "networks: 10.0.0.0/8\n"),
    ];
    let project = tree(&files);
    let found = findings(&project);
    has(&found, "warning mutable-data:", "`/srv/data/shop.db` is a database of SQLite");
    has(&found, "note mutable-data:", "`/srv/logs/access.log` is a log");
    has(&found, "note baked-address:", "`/srv/application.properties`, line 2, has `localhost:5432`");
    assert_eq!(found.len(), 3, "{found:#?}");
    project.append("build.toml", "\n[config]\nvolumes = [\"/srv/data\", \"/srv/logs\"]\n");
    assert_eq!(findings(&project).len(), 1);
}

#[test]
fn findings_are_the_same_whatever_the_store_holds_and_a_clean_file_is_remembered() {
    let project = tree(&[
        ("bin/run", "#!/home/me/shop/.venv/bin/python\n"),
        (".env", "PORT=80\n"),
        ("data/shop.db", "SQLite format 3\0"),
    ]);
    settle(&project.path("files"));
    let cold = findings(&project);
    assert_eq!(cold.len(), 3, "{cold:#?}");
    project.pack("build").ok();
    assert_eq!(project.memos("scans").len(), 1);
    assert_eq!(findings(&project), cold, "warm");
    project.write("files/other.txt", "other");
    assert_eq!(findings(&project), cold, "another file");
    project.write("files/bin/run", "#!/bin/sh\n");
    assert_eq!(findings(&project).len(), 2, "the file was mended");
    project.write("files/bin/run", "#!/home/me/shop/.venv/bin/python\n");
    damage(&project.cache().join("memo"));
    assert_eq!(findings(&project), cold, "damaged");
    project.forget("scans");
    assert_eq!(findings(&project), cold, "forgotten");
}

#[test]
fn files_in_a_packed_application_are_looked_at() {
    let mut jar = Zip::default();
    jar.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nMain-Class: A\r\n\r\n");
    jar.stored("A.class", b"\xca\xfe\xba\xbe\0\0\0\x3d")
        .deflated("app.properties", format!("token={}\n", token("ghp_")).as_bytes());
    let project = Project::with(
        &tree_on("scratch").replace("\"files\"\nkind = \"tree\"\nroot = \"/srv\"", "\"shop.jar\""),
    );
    project.write("shop.jar", jar.finish());
    let (_java, base) = crate::apps::base_with_java("17");
    let outcome = project.pack("build").arg("--base").arg(base).fails(1);
    assert!(
        outcome.stderr.contains("`/app/app.jar/app.properties`, line 1, has a token of GitHub"),
        "{}",
        outcome.stderr
    );
}

/// The compressed bytes may be known; the stated checksum is not.
#[test]
fn a_wrong_checksum_in_a_packed_application_is_found_whatever_the_store_holds() {
    let settings = "\n[app]\npath = \"app.jar\"\nkind = \"executable-jar\"\nroot = \"/app/app.jar\"\n";
    let image = "[image]\nname = \"localhost/jar\"\nbase = \"scratch\"\n[check]\nallow = { entrypoint-missing = \"none\", java-missing = \"none\" }\n";
    let project = Project::with(&format!("{image}{settings}"));
    let text = "shop.name = the name of the shop\n";
    let mut zip = Zip::default();
    zip.stored("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\nMain-Class: Shop\n");
    zip.stored("Shop.class", b"\xca\xfe\xba\xbe\0\0\0\x37").deflated("shop.properties", text.as_bytes());
    let sound = zip.finish();
    let mut lying = sound.clone();
    let checksum = crc32fast::hash(text.as_bytes()).to_le_bytes();
    while let Some(at) = lying.windows(4).position(|window| window == checksum) {
        lying[at] ^= 1;
    }
    project.write("app.jar", &lying);
    let said = project.pack("plan").fails(1).stderr;
    assert!(said.contains("CRC-32"), "{said}");
    project.write("app.jar", &sound);
    settle(&project.path("app.jar"));
    project.build("");
    project.write("app.jar", &lying);
    settle(&project.path("app.jar"));
    for command in ["plan", "check", "build"] {
        assert_eq!(project.pack(command).fails(1).stderr, said, "{command}");
    }
}

#[test]
fn two_versions_of_a_library_are_told_and_classifiers_are_not() {
    let project = tree(&[
        ("lib/shop-core-1.0.jar", "one"),
        ("lib/shop-core-1.1.jar", "two"),
        ("lib/netty-2.0-linux-x86_64.jar", "linux"),
        ("lib/netty-2.0-osx-x86_64.jar", "osx"),
        ("plugins/a-1.jar", "one"),
        ("plugins/a-2.jar", "two"),
        ("site-packages/shop_core-1.0.dist-info/METADATA", "Name: shop-core"),
        ("site-packages/Shop.Core-2.0.dist-info/METADATA", "Name: shop-core"),
    ]);
    let found = findings(&project);
    has(
        &found,
        "warning duplicate-library:",
        "`shop-core` is there in 2 versions: `shop-core-1.0.jar` and `shop-core-1.1.jar`",
    );
    has(&found, "warning duplicate-library:", ".dist-info`");
    assert_eq!(found.len(), 2, "{found:#?}");
}

/// A signed jar with a class that was signed as `signed`.
fn signed_jar(signed: &[u8]) -> Vec<u8> {
    let digest = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes));
    let section = format!("Name: A.class\r\nSHA-256-Digest: {}\r\n\r\n", digest(signed));
    let manifest = format!("Manifest-Version: 1.0\r\n\r\n{section}");
    let signature = format!(
        "Signature-Version: 1.0\r\nSHA-256-Digest-Manifest: {}\r\n\r\nName: A.class\r\nSHA-256-Digest: {}\r\n\r\n",
        digest(manifest.as_bytes()),
        digest(section.as_bytes())
    );
    let mut jar = Zip::default();
    jar.stored("META-INF/MANIFEST.MF", manifest.as_bytes()).stored("META-INF/SHOP.SF", signature.as_bytes());
    jar.stored("META-INF/SHOP.RSA", b"signature").deflated("A.class", b"class");
    jar.finish()
}

#[test]
fn jars_that_java_refuses_are_told() {
    let project = tree(&[]);
    let mut doubled = Zip::default();
    doubled.stored("a.txt", b"one").stored("a.txt", b"two");
    project
        .write("files/lib/good.jar", signed_jar(b"class"))
        .write("files/lib/doubled.jar", doubled.finish());
    let found = findings(&project);
    has(&found, "warning jar-duplicate:", "`a.txt` is twice in `/srv/lib/doubled.jar`");
    assert_eq!(found.len(), 1, "{found:#?}");
    project.write("files/lib/changed.jar", signed_jar(b"another"));
    project.pack("build").fails(1).says(&[
        "`A.class` in `/srv/lib/changed.jar` is not what the jar's signature says",
        "[jar-signature]",
    ]);
}

#[test]
fn names_that_differ_by_case_are_told() {
    let project = tree(&[("README.md", "a"), ("readme.md", "b"), ("sub/Readme.md", "c")]);
    let found = findings(&project);
    has(&found, "note case-clash:", "`/srv/README.md` and `/srv/readme.md` are one file");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn replaced_files_of_the_base_are_told() {
    let below = base(
        &["linux/amd64"],
        "",
        &[("etc/shop.conf", "old"), ("usr/lib/libshop.so.1", "library"), ("usr/share/shop/a", "a")],
    );
    let place = layout(&below);
    let on_base = |files: &[(&str, &str)]| {
        let project = Project::with(&tree_on(&place).replace("/srv", "/"));
        for (name, content) in files {
            project.write(&format!("files/{name}"), content);
        }
        project
    };
    let found = findings(&on_base(&[("etc/shop.conf", "new"), ("etc/other.conf", "new")]));
    has(&found, "note clobbers-base:", "`/etc/shop.conf` of the base would be replaced");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(findings(&on_base(&[("etc/other.conf", "new")])), Vec::<String>::new());
    let broken = on_base(&[("usr/lib/libshop.so.1", "text")]);
    broken.pack("build").fails(1).says(&[
        "`/usr/lib/libshop.so.1` is a library of the base, and no library in the image",
        "[clobbers-base]",
    ]);
}

/// A build tells the first findings of a rule and counts the others; a check tells them, unless they are a thousand.
#[test]
fn a_check_tells_all_findings_and_a_build_the_first() {
    let project = tree(&[]);
    for number in 0..67 {
        project.write(&format!("files/{number:02}/.env"), "DB_PASSWORD=hunter2!\n");
    }
    let all = of(&project.pack("check --json").run().has_code(1));
    assert_eq!(all.iter().filter(|line| line.starts_with("error secret: ")).count(), 67, "{all:#?}");
    let plan = of(&project.pack("plan --json --allow secret=none").ok());
    let told: Vec<&String> = plan.iter().filter(|line| line.contains(" secret: ")).collect();
    assert_eq!(told.len(), 21, "{told:#?}");
    assert!(told[20].ends_with("there are 47 more findings of the rule `secret`"), "{told:#?}");
    let sarif = project.pack("check --format sarif").run().has_code(1).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap().iter();
    assert_eq!(results.filter(|result| result["ruleId"] == "secret").count(), 67);
}

/// Directories with a user are told in the same way, each with its line.
#[test]
fn many_directories_that_the_user_cannot_write_to_are_counted() {
    let directories: String = (0..3_000).map(|number| format!("{{ path = \"/d{number:04}\" }},\n")).collect();
    let settings =
        format!("[config]\nuser = \"1000\"\n[[layer]]\nname = \"l\"\ndirectories = [\n{directories}]\n");
    let project = Project::with(&(tree_on("scratch") + &settings));
    project.write("files/a", "a");
    let report = project.pack("check --json").ok().json();
    let found = report["findings"].as_array().unwrap().iter();
    let found: Vec<&serde_json::Value> =
        found.filter(|finding| finding["rule"] == "user-cannot-write").collect();
    assert_eq!(found.len(), 1_001);
    let line = std::fs::read_to_string(project.path("build.toml")).unwrap();
    let line = line.lines().position(|line| line.contains("/d0999")).unwrap() + 1;
    assert_eq!(found[999]["setting"]["line"], line, "{}", found[999]);
    let more = "there are 2000 more findings of the rule `user-cannot-write`";
    assert_eq!(
        (found[1000]["message"].as_str(), found[1000]["level"].as_str()),
        (Some(more), Some("warning"))
    );
}

/// A text is searched in its first MiB, and a check says that this is not all of it.
#[test]
fn the_rest_of_a_long_text_is_not_known() {
    let project = tree(&[]);
    project.write("files/long.txt", "line\n".repeat(230_000) + &token("ghp_"));
    let unknown = || -> Vec<String> {
        let report = project.pack("check --json").ok().json();
        let found = report["findings"].as_array().unwrap().iter();
        let found = found.filter(|finding| finding["rule"] == "secret" && finding["answer"] == "unknown");
        found.map(|finding| finding["message"].as_str().unwrap().to_owned()).collect()
    };
    let first = unknown();
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(
        first[0].contains("`/srv/long.txt` has a secret behind the first MiB cannot be known here"),
        "{first:?}"
    );
    // A scan that is remembered says the same.
    assert_eq!(unknown(), first);
    for command in ["check", "plan", "build -o oci:out"] {
        project.pack(command).ok().says(&["note: whether `/srv/long.txt` has a secret behind the first MiB"]);
    }
    project.write("files/long.txt", "line\n".repeat(200_000));
    assert_eq!(unknown(), Vec::<String>::new());
}
