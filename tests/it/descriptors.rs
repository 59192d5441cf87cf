//! Descriptors as a user meets them: `pack resolve` and `pack render`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use pack_test_registry::{Fake, Kind};
use serde_json::Value;

use crate::support::{Outcome, PACK, Project, REPOSITORY, Run, chmod, outcome, text};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A project whose image goes to a registry, and the registry.
fn project() -> (Project, Fake) {
    let fake = Fake::start().unwrap();
    let project = Project::new();
    let name = format!("{}/shop/app", fake.address());
    project.write("build.toml", build_file(&name)).write("files/a.txt", "a\n");
    (project, fake)
}

fn build_file(name: &str) -> String {
    format!(
        "[image]\nname = \"{name}\"\nbase = \"scratch\"\ntags = [\"1.20\"]\n\n[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n"
    )
}

/// Puts an image of others into the registry; its digest.
fn foreign(fake: &Fake, repository: &str, tag: &str) -> String {
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[],\"annotations\":{{\"a\":\"{repository}:{tag}\"}}}}"
    );
    fake.put_manifest(repository, tag, INDEX, manifest.as_bytes()).to_string()
}

/// The digest of a tag of the registry.
fn digest(fake: &Fake, repository: &str, tag: &str) -> String {
    fake.tag(repository, tag).expect("it was pushed").to_string()
}

/// Runs with something on standard input.
fn with_input(run: &Run<'_>, input: &str) -> Outcome {
    let mut child = run.command().stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    outcome("pack with input", &child.wait_with_output().unwrap())
}

const POD: &str = "# The shop\r\napiVersion: v1\r\nkind: Pod\r\nmetadata: {name: shop}\r\nspec:\r\n  containers:\r\n    - \
    name: app # ours\r\n      image:  \"pack://app\"\r\n";

#[test]
fn a_name_becomes_an_image_that_was_pushed_and_nothing_else_changes() {
    let (project, fake) = project();
    project.write("deploy/pod.yaml", POD);
    let said = project.pack("resolve -f deploy/pod.yaml").ok();
    let digest = digest(&fake, "shop/app", "1.20");
    let image = format!("{}/shop/app:1.20@{digest}", fake.address());
    assert_eq!(said.stdout, POD.replace("pack://app", &image));
    // The image that a build pushes.
    let built = project.pack("build --push").ok();
    assert_eq!(built.stdout.trim(), format!("{}/shop/app@{digest}", fake.address()));
    let _ = fake.take_log();
    let again = project.pack("resolve -f deploy/pod.yaml --form digest").ok();
    assert_eq!(again.stdout, POD.replace("pack://app", &image.replace(":1.20@", "@")));
    let log = fake.take_log();
    assert_eq!(log.len(), 1, "one request where nothing changed: {log:?}");
    let by_tag = project.pack("resolve -f deploy/pod.yaml --form tag").ok();
    assert!(by_tag.stdout.contains(&format!("\"{}/shop/app:1.20\"\r\n", fake.address())), "{by_tag:?}");
    let piped = with_input(&project.pack("resolve -f -"), POD);
    assert_eq!(piped.has_code(0).stdout, POD.replace("pack://app", &image));
}

#[test]
fn an_image_is_built_once_however_often_it_is_named() {
    let (project, fake) = project();
    let full = format!("pack://{}/shop/app", fake.address());
    let pods = format!(
        "{POD}---\n{}---\n{}",
        POD.replace("pack://app", "pack://shop/app"),
        POD.replace("pack://app", &full)
    );
    project.write("pods.yaml", &pods);
    let said = project.pack("resolve -f pods.yaml").ok();
    assert_eq!(said.stdout.matches(&digest(&fake, "shop/app", "1.20")).count(), 3, "{said:?}");
    let puts = fake.take_log().into_iter().filter(|one| one.method == "PUT" && one.kind == Kind::Manifest);
    assert_eq!(puts.count(), 1, "one image, with its tag");
}

#[test]
fn names_that_mean_nothing_are_refused_with_what_was_meant() {
    let (project, fake) = project();
    project.write("a.yaml", POD.replace("pack://app", "pack://ap"));
    project.pack("resolve -f a.yaml").fails(1).says(&[
        "`a.yaml`, line 8: cannot resolve `pack://ap`",
        "`ap` is not the image of",
        "did you mean `pack://app`?",
    ]);
    project.write("a.yaml", POD.replace("pack://app", "pack://"));
    project.pack("resolve -f a.yaml").fails(1).says(&["`a.yaml`, line 8", "has no name of an image"]).hints();
    project.write("a.yaml", POD).write("sub/x", "");
    project.pack("resolve -f a.yaml --project sub").fails(1).hints();
    project.pack("resolve -f none.yaml").fails(1).says(&["cannot read"]);
    project.pack("resolve -f sub").fails(1).says(&["`sub` has no descriptor"]).hints();
    project.pack("resolve -f a.yaml --as helms").fails(2);
    project.pack("resolve -f a.yaml --image-path x").fails(2);
    project.pack("resolve").fails(2);
    project.pack("resolve -f - --in-place").fails(2).hints();
    project.pack("resolve -f a.yaml --pin --form tag").fails(2).hints();
    project.pack("resolve -f a.yaml --update").fails(2);
    project.pack("resolve -f a.yaml --pin --exclude [").fails(1).says(&["`[` is not a pattern"]);
    assert!(fake.take_log().is_empty(), "nothing was asked");
}

#[test]
fn without_a_build_the_image_must_be_there() {
    let (project, fake) = project();
    project.write("a.yaml", POD);
    project.pack("resolve -f a.yaml --no-build").fails(3).says(&["1.20` is not in its registry"]).hints();
    assert!(fake.take_log().iter().all(|one| one.method == "HEAD"), "nothing is sent");
    project.pack("build --push").ok();
    let said = project.pack("resolve -f a.yaml --no-build").ok();
    assert!(said.stdout.contains(&digest(&fake, "shop/app", "1.20")), "{said:?}");
}

/// Without a commit, or with changes, only a build knows the tag.
#[test]
fn a_tag_that_only_a_build_knows_is_said_to_be_that() {
    let (project, fake) = project();
    project.write("a.yaml", POD);
    let text = build_file(&format!("{}/shop/app", fake.address()));
    for tags in ["", "tags = [\"{content}\"]\n"] {
        project.write("build.toml", text.replace("tags = [\"1.20\"]\n", tags));
        let said = project.pack("resolve -f a.yaml --no-build").fails(1);
        said.says(&["`a.yaml`, line 8", "cannot tell the tag of `app` without a build", "{content}"]).hints();
    }
}

/// A gate that looked at nothing says so.
#[test]
fn a_check_tells_what_it_did_not_look_at() {
    let (project, fake) = project();
    let object = "apiVersion: x/v1\nkind: Database\nspec: {image: \"jre:1\"}\n";
    project.write("cr.yaml", object);
    let check = |line: &str| project.pack(&format!("resolve --check --no-build {line}"));
    check("-f cr.yaml").ok().says(&["`cr.yaml`, line 3: this looks like an image", "--image-path KIND=PATH"]);
    check("-f cr.yaml --image-path Database=spec.image").run().has_code(4);
    check("-f cr.yaml --image-path Databse=spec.image")
        .ok()
        .says(&["finds no image", "did you mean `Database`?"]);
    check("-f cr.yaml --image-path Database=spec.nope").ok().says(&["no value is at the path"]);
    project.write("d/ci.yaml", "step: {image: \"node:18\"}\n").write("d/none.yaml", "a: b\n");
    for line in ["-f d/ci.yaml", "-f d"] {
        let said = check(line).run().has_code(4);
        assert_eq!(said.stdout, "d/ci.yaml:1:15: node:18: the form of its file is not known\n");
        said.says(&["`--as FORMAT`"]);
    }
    check("-f d --exclude node*").ok().says(&["`d/none.yaml`"]);
    check("-f d/none.yaml").ok().says(&["line 1: a document of no known form"]);
    project.write("empty.yaml", "").write("notes", "FROM nginx\n");
    check("-f empty.yaml").ok().says(&["`empty.yaml` is empty"]);
    check("-f notes").ok().says(&["`notes` is read as plain text"]);
    project.write("patch.yaml", "containers:\n- image: jre:1\n");
    assert_eq!(check("-f patch.yaml").run().has_code(4).stdout, "patch.yaml:2:10: jre:1: it has no digest\n");
    project.write("compose.yaml", "services: {a: {image: \"own:${TAG}\", build: .}}\n");
    check("-f compose.yaml").ok().says(&["Compose builds this image"]);
    project.write("compose.yaml", "services: {a: {image: \"own:1\", build: .}}\n");
    let said = project.pack("resolve -f compose.yaml --pin").ok().says(&["Compose builds this image"]);
    assert_eq!(said.stdout, "services: {a: {image: \"own:1\", build: .}}\n");
    assert!(fake.take_log().is_empty(), "nothing was asked");
}

/// All names that mean nothing are told, each with its place.
#[test]
fn each_name_that_means_nothing_is_told_with_its_place() {
    let (project, fake) = project();
    let text = build_file(&format!("{}/shop/api", fake.address()));
    project.write("build.toml", "[workspace]\nmembers = [\"api\"]\n").write("api/build.toml", text);
    project.write("api/files/a.txt", "a\n");
    project
        .write("d/a.yaml", "image: pack://nope\n")
        .write("d/b.yaml", "\nimage: pack://\nother: pack://api:1.0\n");
    project.pack("resolve -f d --no-build").fails(1).says(&[
        "`d/a.yaml`, line 1",
        "called `nope`",
        "`d/b.yaml`, line 2",
        "has no name of an image",
        "`d/b.yaml`, line 3",
        "has no tag, and this one has `1.0`",
        "write `pack://api`",
    ]);
    assert!(fake.take_log().is_empty());
}

#[test]
fn broken_descriptors_are_refused_before_anything_is_built() {
    let (project, fake) = project();
    for (name, content, says) in [
        ("a.yaml", "kind: [\n", "line 1, column 7: not valid YAML"),
        ("a.yaml", "a:\n\tb: pack://app\n", "line 2, column 2: not valid YAML"),
        ("a.yaml", "x: 1\na: *b\n", "line 2, column 4: not valid YAML"),
        ("a.yaml", "x: 1\na: \u{1}\n", "line 2, column 4: not valid YAML"),
        ("a.json", "{\"x\": 1,\n\"a\": }", "line 2, column 6: not valid JSON"),
        ("a.nomad.hcl", "job \"a\" {\n", "line 2, column 1: not valid HCL"),
        (
            "a.nomad.hcl",
            "job \"a\" {\n  image = \"x }\n}\n",
            "line 2, column 11: not valid HCL: the string does not end",
        ),
        ("a.tf", "b = 1\na = {\n", "line 3, column 1: not valid HCL: `}` is missing"),
    ] {
        project.write("b.yaml", POD).write(name, content);
        let said = project.pack(&format!("resolve -f b.yaml -f {name}")).fails(1);
        said.says(&[&format!("error: `{name}`: {says}")]);
        fs::remove_file(project.path(name)).unwrap();
    }
    project.write("latin.yaml", b"b: 1\na: \xe9\n");
    let said = project.pack("resolve -f latin.yaml").fails(1);
    said.says(&["`latin.yaml`: line 2, column 4: it is not UTF-8"]);
    assert!(fake.take_log().is_empty(), "nothing was built");
}

#[test]
fn tabs_line_ends_and_byte_order_marks_stay() {
    let (project, fake) = project();
    let texts = [
        (
            "a.yaml",
            "# tabs\there\r\nkind: Pod\r\napiVersion: v1\r\nspec:\r\n  containers:\r\n  - image:\tpack://app\t# end\t\r\n    args: [a,\tb]\r\n",
        ),
        (
            "compose.yml",
            "services:\n  a:\t{image: pack://app,\tports: [1]}\r\n  b: {image: 'pack://app'}\n\t\n",
        ),
        (
            "a.json",
            "{\r\n\t\"kind\": \"Pod\", \"apiVersion\": \"v1\",\r\n\t\"spec\":\t{\"containers\": [{\"image\":\t\"pack://app\"}]}\r\n}\r\n",
        ),
        (
            "a.nomad.hcl",
            "job \"a\" {\r\n\tgroup \"g\" {\r\n\t\ttask \"t\" {\r\n\t\t\tconfig {\r\n\t\t\t\timage\t=\t\"pack://app\"\t// end\r\n\t\t\t}\r\n\t\t}\r\n\t}\r\n}\r\n",
        ),
        ("a.tf", "locals {\r\n\timage = \"pack://app\"\t# end\n}\r\n"),
        ("a.txt", "run\tpack://app\r\n\tthen\r\n"),
    ];
    for mark in ["", "\u{feff}"] {
        for (name, text) in texts {
            let text = format!("{mark}{text}");
            project.write(name, &text);
            project.pack(&format!("resolve -f {name} -o out")).ok();
            let image = format!("{}/shop/app:1.20@{}", fake.address(), digest(&fake, "shop/app", "1.20"));
            let written = fs::read_to_string(project.path("out").join(name)).unwrap();
            assert_eq!(written, text.replace("pack://app", &image), "{name}");
        }
    }
}

#[test]
fn directories_are_read_in_order_and_written_elsewhere() {
    let (project, fake) = project();
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    project
        .write("deploy/b/pod.yaml", POD)
        .write("deploy/a.yml", config)
        .write("deploy/c.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"pack://app\"}]}}")
        .write("deploy/package.json", "{\"name\": \"x\"}")
        .write("deploy/.hidden/x.yaml", "a: [")
        .write("deploy/chart/templates/x.yaml", "{{ if .Values.x }}\na: {{ .b }}\n{{ end }}\n")
        .write("deploy/tsconfig.json", "// a comment\n{}\n")
        .write("deploy/notes.md", "pack://app");
    let said =
        project.pack("resolve -f deploy").ok().says(&["`deploy/chart/templates/x.yaml` is a template"]);
    let image = format!("{}/shop/app:1.20@{}", fake.address(), digest(&fake, "shop/app", "1.20"));
    let pod = POD.replace("pack://app", &image);
    let json = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {{\"containers\": [{{\"image\": \"{image}\"}}]}}}}"
    );
    assert_eq!(said.stdout, format!("{config}---\n{pod}---\n{json}"));

    let said = project.pack("resolve -f deploy -o out").ok();
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("deploy/b/pod.yaml:8:15: pack://app → "), "{lines:?}");
    let read = |name: &str| fs::read_to_string(project.path(name)).unwrap();
    assert_eq!(
        (read("out/a.yml"), read("out/b/pod.yaml"), read("out/c.json")),
        (config.to_owned(), pod, json)
    );
    assert_eq!(read("deploy/b/pod.yaml"), POD);

    project.write("other/a.yml", config).write("x.tf", "image = \"pack://app\"\n");
    project.pack("resolve -f deploy/a.yml -f other/a.yml -o out").fails(1).says(&["would both be written"]);
    project.pack("resolve -f deploy/a.yml -f x.tf").fails(2).says(&["`x.tf` cannot be one text"]).hints();
    let json = project.pack("resolve -f x.tf --json").ok().json();
    assert_eq!(text(&json["images"][0]["after"]), image);
    assert_eq!(json["files"], Value::from(vec!["x.tf"]));
}

#[test]
fn files_are_changed_in_their_place_all_or_none() {
    let (project, _fake) = project();
    let plain = "apiVersion: v1\nkind: ConfigMap\n";
    project.write("d/a.yaml", POD).write("d/b.yaml", plain).write("d/c.yaml", POD);
    chmod(&project.path("d/a.yaml"), 0o640);
    let stamp = |name: &str| {
        let metadata = fs::metadata(project.path(name)).unwrap();
        (metadata.ino(), metadata.mtime_nsec(), metadata.mode())
    };
    let before = stamp("d/b.yaml");
    project.pack("resolve -f d --in-place").ok();
    let read = |name: &str| fs::read_to_string(project.path(name)).unwrap();
    assert!(read("d/a.yaml").contains("/shop/app:1.20@sha256:") && read("d/c.yaml").contains("@sha256:"));
    assert_eq!(stamp("d/a.yaml").2 & 0o777, 0o640);
    assert_eq!(
        (stamp("d/b.yaml"), read("d/b.yaml")),
        (before, plain.to_owned()),
        "nobody asked for this one"
    );
    // Nothing is left to do, and nothing is written.
    let before = stamp("d/a.yaml");
    assert_eq!(project.pack("resolve -f d --in-place").ok().stdout, "");
    assert_eq!(stamp("d/a.yaml"), before);
    // One that cannot be replaced leaves the others as they are.
    project.write("e/a.yaml", POD).write("e/values.yaml", "image: {repository: pack://app}\n");
    let error = project.pack("resolve -f e --in-place").fails(1);
    error.says(&["`e/values.yaml`, line 1: `pack://app` cannot be replaced", "add `digest: \"\"` beside it"]);
    assert_eq!(read("e/a.yaml"), POD);
}

#[test]
fn images_of_others_get_the_digests_of_their_tags() {
    let (project, fake) = project();
    let address = fake.address();
    let (one, two) = (foreign(&fake, "db", "16"), foreign(&fake, "db", "17-alpine"));
    foreign(&fake, "skip", "1");
    let compose = format!(
        "services:\n  a: {{image: {address}/db:16}}\n  b: {{image: \"{address}/db:17-alpine\"}}\n  c: {{image: {address}/db:16}}\n  \
         d: {{image: {address}/skip:1}}\n  e: {{image: \"{address}/${{X}}\"}}\n"
    );
    project.write("compose.yaml", &compose);
    let _ = fake.take_log();
    let line = format!("resolve -f compose.yaml --pin --exclude {address}/skip*");
    let said = project.pack(&line).ok().says(&["line 6:", "only another program knows its value"]);
    let expected = compose
        .replace("db:16", &format!("db:16@{one}"))
        .replace("db:17-alpine", &format!("db:17-alpine@{two}"));
    assert_eq!(said.stdout, expected);
    let mut asked: Vec<String> = fake.take_log().iter().map(ToString::to_string).collect();
    asked.sort();
    assert_eq!(asked, ["HEAD /v2/db/manifests/16", "HEAD /v2/db/manifests/17-alpine"], "each reference once");
    let lock = fs::read_to_string(project.path("images.lock")).unwrap();
    assert!(
        lock.contains(&format!("reference = \"{address}/db:16\"\ntag = \"16\"\ndigest = \"{one}\"\n")),
        "{lock}"
    );

    // The tag moves; the lock holds until it is updated.
    let moved = fake.put_manifest("db", "16", INDEX, br#"{"schemaVersion":2,"manifests":[]}"#).to_string();
    assert_eq!(project.pack(&line).ok().stdout, expected);
    let said = project.pack(&line).arg("--update").ok().says(&["images.lock: ", "db:16: "]);
    assert_eq!(said.stdout, expected.replace(&one, &moved));

    // A digest that the registry does not have passes nowhere.
    let lost = format!("sha256:{}", "0".repeat(64));
    let lock = fs::read_to_string(project.path("images.lock")).unwrap();
    project.write("images.lock", lock.replace(&moved, &lost));
    project.pack(&line).fails(3).says(&[&lost, "is not in its registry", "--update"]);
    project.write("images.lock", "nonsense");
    project.pack(&line).fails(1).says(&["is not a lock of images"]);
    fs::remove_file(project.path("images.lock")).unwrap();
    project.write("compose.yaml", format!("services: {{a: {{image: \"{address}/db:16@{lost}\"}}}}\n"));
    project.pack(&line).fails(3).says(&[&lost, "is not in its registry"]);
    project.write("compose.yaml", format!("services: {{a: {{image: \"{address}/none:1\"}}}}\n"));
    project.pack(&line).fails(3).says(&["none:1`, at `compose.yaml`, line 1, is not in its registry"]);
    assert!(!project.path("images.lock").exists(), "a failure writes no lock");
}

#[test]
fn a_check_fails_on_what_has_no_digest_and_asks_nothing() {
    let (project, fake) = project();
    let digest = format!("sha256:{}", "a".repeat(64));
    project
        .write("d/a.yaml", POD)
        .write("d/compose.yml", format!("services:\n  a: {{image: nginx:1.20}}\n  b: {{image: \"redis:7@{digest}\"}}\n  c: {{image: '${{I}}'}}\n"));
    let said = project.pack("resolve -f d --check").run().has_code(4);
    assert_eq!(
        said.stdout,
        "d/a.yaml:8:15: pack://app: it is not resolved\n\
         d/compose.yml:2:14: nginx:1.20: it has no digest\n\
         d/compose.yml:4:14: ${I}: only another program knows its value\n"
    );
    said.says(&["error: 3 images have no digest"]).hints();
    let json = project.pack("resolve -f d --check --json").run().has_code(4).json();
    assert_eq!((text(&json[1]["image"]), json[1]["line"].as_u64()), ("nginx:1.20".to_owned(), Some(2)));
    project.write(
        "images.lock",
        format!(
            "version = 1\n[[image]]\nreference = \"nginx:1.20\"\ntag = \"1.20\"\ndigest = \"{digest}\"\n"
        ),
    );
    let said = project.pack("resolve -f d/compose.yml --check --pin --exclude $[{]*").run().has_code(0);
    assert_eq!(said.stdout, "");
    assert!(fake.take_log().is_empty());
}

#[test]
fn members_of_a_workspace_are_resolved_by_their_names() {
    let fake = Fake::start().unwrap();
    let project = Project::with("[workspace]\nmembers = [\"services/*\"]\n");
    for name in ["cart", "pay"] {
        project
            .write(
                &format!("services/{name}/build.toml"),
                build_file(&format!("{}/shop/{name}", fake.address())),
            )
            .write(&format!("services/{name}/files/a.txt"), name);
    }
    project.write(
        "compose.yaml",
        "services:\n  a: {image: pack://cart}\n  b: {image: pack://pay}\n  c: {image: pack://cart}\n",
    );
    let said = project.pack("resolve -f compose.yaml").ok();
    for (name, count) in [("cart", 2), ("pay", 1)] {
        let image =
            format!("{}/shop/{name}:1.20@{}", fake.address(), digest(&fake, &format!("shop/{name}"), "1.20"));
        assert_eq!(said.stdout.matches(&image).count(), count, "{said:?}");
    }
    // An alias has one value for both.
    let shared = "one:\n  image: {repository: pack://cart, tag: x, digest: &d ''}\ntwo:\n  image: {repository: pack://pay, \
        tag: x, digest: *d}\n";
    project.write("values.yaml", shared);
    let said = project.pack("resolve -f values.yaml").fails(1).hints();
    said.says(&["`values.yaml`, line 2: two images share this value by an alias"]);
    project.write("compose.yaml", "services: {a: {image: pack://crat}}\n");
    let said = project.pack("resolve -f compose.yaml").fails(1);
    said.says(&["`compose.yaml`, line 1: cannot resolve `pack://crat`", "is called `crat`", "`cart`"])
        .hints();
    // They have one lock, with the base of each.
    for (name, base) in [("cart", "one"), ("pay", "two")] {
        crate::hostile::layout(&project.path(base), &[]);
        let place = format!("oci:{}:1", project.path(base).display());
        let text = build_file(&format!("{}/shop/{name}", fake.address())).replace("scratch", &place);
        project.write(&format!("services/{name}/build.toml"), text.replace("1.20", "1.21"));
    }
    project.write("compose.yaml", "services:\n  a: {image: pack://cart}\n  b: {image: pack://pay}\n");
    project.pack("resolve -f compose.yaml").ok();
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("/one:1") && lock.contains("/two:1"), "{lock}");
    // A member that fails leaves no descriptor.
    fs::remove_dir_all(project.path("services/pay/files")).unwrap();
    project.write("compose.yaml", "services:\n  a: {image: pack://cart}\n  b: {image: pack://pay}\n");
    project.pack("resolve -f compose.yaml -o out").fails(1).says(&["cannot build `pay`"]);
    assert!(!project.path("out").exists());
}

#[test]
fn aliases_and_longer_texts_are_told() {
    let (project, _fake) = project();
    project.write(
        "compose.yaml",
        "x-i: &i pack://app\nservices:\n  a: {image: *i}\n  b: {image: *i, command: [--image=pack://app]}\n",
    );
    let said = project.pack("resolve -f compose.yaml").ok();
    let said =
        said.says(&["line 1: lines 3, 4 share this image", "line 4: `pack://` in a longer text stays"]);
    assert_eq!(said.stdout.matches("@sha256:").count(), 1, "{said:?}");
}

#[test]
fn a_hostile_descriptor_ends_within_its_limits() {
    let (project, _fake) = project();
    let bomb: String = (0..30)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 30].join(",")))
        .skip(1)
        .collect();
    for (name, content, code) in [
        ("deep.yaml", "[".repeat(100_000), 1),
        ("deep.json", "[".repeat(100_000), 1),
        ("deep.tf", "a = [".repeat(100_000), 1),
        (
            "bomb.yaml",
            format!("a0: &a0 {{containers: [{{image: a}}]}}\n{bomb}kind: Pod\napiVersion: v1\n"),
            0,
        ),
        ("large.yaml", "- a\n".repeat(4 << 20), 1),
        ("too-large.yaml", "#".repeat((16 << 20) + 1), 1),
    ] {
        project.write(name, content);
        let start = std::time::Instant::now();
        let mut limited = std::process::Command::new("sh");
        let line = "ulimit -v 2000000; exec /usr/bin/env time -f %M \"$0\" \"$@\"";
        let run = project.pack(&format!("resolve -f {name}"));
        let command = run.command();
        limited.arg("-c").arg(if std::path::Path::new("/usr/bin/time").exists() {
            line
        } else {
            "exec \"$0\" \"$@\""
        });
        limited.arg(command.get_program()).args(command.get_args()).current_dir(project.root());
        limited.env_clear().envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let output = limited.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(start.elapsed().as_secs() < 20, "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn an_environment_is_rendered_as_it_runs() {
    let (project, fake) = project();
    project.write("a.yaml", POD);
    project.pack("render prod -f a.yaml").fails(1).says(&["has no environment `prod`"]).hints();
    project.pack("render Prod -f a.yaml").fails(2);
    let log = fake.take_log();
    assert!(log.iter().all(|one| one.method == "GET" || one.method == "HEAD"), "{log:?}");
    project.pack("build --push").ok();
    project.pack(&format!("promote {}/shop/app:1.20 --to prod", fake.address())).ok();
    let digest = digest(&fake, "shop/app", "1.20");
    let _ = fake.take_log();
    let said = project.pack("render prod -f a.yaml").ok();
    let tag = fake.tags("shop/app").into_iter().find(|tag| tag.starts_with("prod-r0001-")).unwrap();
    let image = format!("{}/shop/app:{tag}@{digest}", fake.address());
    assert_eq!(said.stdout, POD.replace("pack://app", &image));
    assert!(fake.take_log().len() <= 3, "a list of tags, and a record");
    project.pack("render pord -f a.yaml").fails(1).says(&["did you mean `prod`?"]);
}

/// The command lines of the document do what Skaffold and Tilt expect: they push what a variable names.
#[test]
fn other_tools_get_the_image_that_they_ask_for() {
    let document = fs::read_to_string(std::path::Path::new(REPOSITORY).join("docs/descriptors.md")).unwrap();
    for (variable, tag) in [("IMAGE", "v1-dirty"), ("EXPECTED_REF", "tilt-1")] {
        let (project, fake) = project();
        let marker = format!("${{{variable}%:*}}");
        let line = document.lines().find(|line| line.contains(&marker)).expect("a command line");
        let start = line.find("pack build services/cart").expect("the command");
        let end = line.find("--push").expect("the command") + "--push".len();
        let command = line[start..end].replace("pack build services/cart", &format!("{PACK} build ."));
        let run = project.pack("").env(variable, &format!("{}/team/cart:{tag}", fake.address()));
        let mut shell = std::process::Command::new("sh");
        let given = run.command();
        shell.args(["-c", &command]).current_dir(project.root()).env_clear();
        shell.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outcome(&command, &shell.output().unwrap()).has_code(0);
        assert!(fake.tag("team/cart", tag).is_some(), "{command}");
    }
}
