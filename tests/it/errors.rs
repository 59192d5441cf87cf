//! `docs/errors.md`: the situations that have a code, and the commands that end in them.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use pack::testing::Digest;
use pack_test_registry::{Action, Auth, Fake, Fault, Kind, Reply};

use crate::artifacts::{AMD64, base, elf, layout};
use crate::support::{Outcome, Project, REPOSITORY, Zip, tree_on};
use crate::workspace::pushed::Pushed;

/// The headings of `docs/errors.md`, and the text below each.
fn sections() -> &'static [(String, String)] {
    static ALL: OnceLock<Vec<(String, String)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let text = fs::read_to_string(Path::new(REPOSITORY).join("docs/errors.md")).unwrap();
        let parts = text.split("\n## ").skip(1);
        parts
            .map(|part| part.split_once('\n').unwrap())
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect()
    })
}

/// The codes in the messages of a run.
fn codes(stderr: &str) -> impl Iterator<Item = &str> {
    stderr.lines().filter_map(|line| Some(line.strip_prefix("error[")?.split_once("]: ")?.0))
}

/// Holds the messages of a run to the documents: for every run of every test.
#[track_caller]
pub(crate) fn hold(stderr: &str) {
    for code in codes(stderr) {
        assert!(sections().iter().any(|(name, _)| name == code), "docs/errors.md lacks `{code}`:\n{stderr}");
    }
}

#[test]
fn every_section_shows_its_message_and_is_short() {
    let mut seen = BTreeSet::new();
    for (name, text) in sections() {
        assert!(seen.insert(name), "`{name}` is twice");
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines[0], "```", "{name}");
        assert!(lines[1].starts_with(&format!("error[{name}]: ")), "{name}: {}", lines[1]);
        let prose = lines.iter().skip(2).skip_while(|line| **line != "```").count() - 1;
        assert!((1..=5).contains(&prose), "{name}: {prose} lines");
    }
    assert!(seen.len() > 40, "{}", seen.len());
}

/// The codes that the tests of this file have seen.
static SEEN: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// The run ends with this code and this exit code.
#[track_caller]
fn ends(said: Outcome, code: &'static str, exit_code: i32) -> Outcome {
    let said = said.has_code(exit_code);
    assert_eq!(codes(&said.stderr).next(), Some(code), "{said:?}");
    SEEN.lock().unwrap().insert(code);
    said
}

#[test]
fn a_wrong_build_file_has_its_code() {
    let image = "[image]\nname = \"localhost/a\"\nbase = \"scratch\"\ntags = [\"1\"]\n";
    let app = "[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n";
    for (text, code) in [
        ("[image\n".to_owned(), "build-file-broken"),
        (format!("{image}nmae = \"a\"\n{app}"), "setting-unknown"),
        (format!("{image}{app}layout = 1\n"), "setting-wrong"),
        (format!("{}{app}", image.replace("\"1\"", "\"{env.NOPE}\"")), "template-unfilled"),
        (image.to_owned(), "nothing-to-build"),
        (format!("{image}{app}include = [\"*.jsp\"]\n"), "pattern-wrong"),
        (format!("{image}{app}owner = \"shop\"\n"), "owner-unknown"),
        (format!("{image}{}", app.replace("files", "nope")), "artifact-missing"),
        (format!("{image}{app}[config]\nentrypoint = [\"/nope\"]\n"), "check-failed"),
        (
            format!("{image}{app}[[layer]]\nname = \"more\"\nfiles = [{{ from = \"nope\", to = \"/x\" }}]\n"),
            "file-missing",
        ),
        (
            format!(
                "{image}{app}[[layer]]\nname = \"more\"\nfiles = [{{ from = \"files/a.txt\", to = \"/x\" }}, {{ from = \
                 \"files/sub/b.txt\", to = \"/x\" }}]\n"
            ),
            "path-conflict",
        ),
    ] {
        let project = Project::with(&text);
        project.write("files/a.txt", "a").write("files/sub/b.txt", "b");
        ends(project.pack("build").run(), code, 1);
        project.write("build.toml", format!("{image}{app}")).pack("build").ok();
    }
    let project = Project::new();
    ends(project.pack("build").run(), "build-file-missing", 1);
    let untrusted = Project::with(&tree_on("scratch").replace("\"1\"", "\"{env.X}\""));
    untrusted.write("files/a", "a");
    ends(untrusted.pack("build --untrusted").env("X", "1").run(), "untrusted-refused", 4);
    untrusted.pack("build --untrusted --tag 1").ok();
}

#[test]
fn a_wrong_artifact_has_its_code() {
    let project = Project::new();
    let mut war = Zip::default();
    war.stored("WEB-INF/web.xml", b"<web-app/>");
    let war = war.finish();
    let mut unsafe_war = Zip::default();
    unsafe_war.stored("WEB-INF/web.xml", b"<web-app/>").stored("../x", b"x");
    project
        .write("app.war", &war)
        .write("cut.war", &war[..war.len() - 10])
        .write("unsafe.war", unsafe_war.finish())
        .write("notes.txt", "notes\n")
        .write("out/.wh.a", "");
    fs::create_dir(project.path("empty")).unwrap();
    fs::create_dir(project.path("linked")).unwrap();
    symlink("../../secret", project.path("linked/config")).unwrap();
    for (arguments, code) in [
        ("none.war", "artifact-missing"),
        ("*.war", "artifact-ambiguous"),
        ("notes.txt", "artifact-unknown"),
        ("cut.war", "artifact-broken"),
        ("unsafe.war", "archive-unsafe"),
        ("app.war", "root-unknown"),
        ("empty --set app.kind=tree --root /a", "artifact-unfit"),
        ("linked --set app.kind=tree --root /a", "path-outside"),
        ("out --set app.kind=tree --root /a", "path-unfit"),
        ("app.war --root /a -o oci:linked", "file-unwritable"),
    ] {
        let said =
            project.pack(&format!("build --base scratch --name localhost/a --tag 1 {arguments}")).run();
        ends(said, code, 1).hints();
    }
    project.pack("build --base scratch --name localhost/a --tag 1 app.war --root /a -o oci:fresh").ok();
}

#[test]
fn a_wrong_base_or_lock_has_its_code() {
    let on = base(&["linux/amd64"], "", &[]);
    let project = Project::with(&tree_on(&layout(&on)));
    project.write("files/server", elf(AMD64, &[]));
    ends(project.pack("build --locked").run(), "lock-missing", 4).hints();
    project.pack("update").ok();
    project.pack("build --locked").ok();
    ends(project.pack("build --platform linux/arm64").run(), "platform-missing", 1);
    project.write("build.lock", "<<<<<<< a\n");
    ends(project.pack("build").run(), "lock-broken", 1);
    fs::remove_file(project.path("build.lock")).unwrap();
    ends(project.pack("build --base 127.0.0.1:1/base:1 --offline").run(), "offline", 1);
    ends(
        project.pack(&format!("rebase store:nope:1 --base {} -t 2", layout(&on))).run(),
        "image-not-found",
        1,
    );
    let small = Project::small();
    small.build("");
    ends(small.pack(&format!("rebase store:tree:1 --base {} -t 2", layout(&on))).run(), "not-on-base", 1)
        .hints();
}

#[test]
fn a_wrong_place_has_its_code() {
    let project = Project::small();
    project.pack("build -o oci:out:1").ok();
    project.pack("build -o oci:out:2 --set config.user=1").ok();
    project.pack("build -o oci:one").ok();
    ends(project.pack("history oci:out").run(), "image-unclear", 1).hints();
    project.pack("history oci:out:1").ok();
    ends(project.pack("inspect oci:out:3").run(), "image-not-found", 1);
    ends(project.pack("inspect oci:files").run(), "not-an-image", 1);
    ends(project.pack("inspect oci:nope").run(), "file-missing", 1).hints();
    let blob = fs::read_dir(project.path("one/blobs/sha256")).unwrap().next().unwrap().unwrap().path();
    fs::write(blob, "x").unwrap();
    ends(project.pack("verify oci:one").run(), "image-damaged", 1);
    let blobs = project.cache().join("blobs/sha256");
    for blob in fs::read_dir(blobs).unwrap() {
        fs::write(blob.unwrap().path(), "x").unwrap();
    }
    ends(project.pack("cache verify").run(), "store-damaged", 1);
    project.pack("build").ok();
    project.pack("cache verify").ok();
    ends(project.pack("build -o oci:files/out").run(), "output-conflict", 1).hints();
    ends(project.pack("build -o docker").env("DOCKER_HOST", "unix:///nope").run(), "engine-unreachable", 3);
    ends(project.pack("init").run(), "file-exists", 1).hints();
    project.write("Containerfile", "RUN x\n");
    ends(project.pack("init --force --from Containerfile").run(), "import-failed", 1);
    ends(project.pack("build --ci github").run(), "secret-missing", 1).hints();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    ends(project.pack(&format!("serve {}", taken.local_addr().unwrap())).run(), "address-taken", 1).hints();
}

#[test]
fn a_refusing_registry_has_its_code() {
    let registry = Pushed::start();
    let name = format!("{}/shop/app", registry.address);
    let project = Project::small();
    let push = |arguments: &str| project.pack(&format!("build --push --name {name} {arguments}")).run();
    push("--tag 1").has_code(0);
    project.write("files/a.txt", "changed");
    ends(push("--tag 1"), "tag-taken", 4).hints();
    push("--tag 1 --allow-retag").has_code(0);
    ends(project.pack(&format!("inspect {name}:9")).run(), "image-not-found", 3);
    ends(project.pack(&format!("releases {name}@prod")).run(), "release-unknown", 1).hints();
    let with_key = |arguments: &str| project.pack(arguments).env("COSIGN_PASSWORD", "x").run();
    with_key("key generate").has_code(0);
    ends(with_key("key generate"), "file-exists", 1).hints();
    ends(project.pack(&format!("verify {name}:1 --key pack.pub")).run(), "signature-missing", 4);
    ends(with_key(&format!("sign {name}:1 --key pack.pub")), "key-unusable", 1).hints();
    with_key(&format!("sign {name}:1 --key pack.key")).has_code(0);
    project.pack(&format!("verify {name}:1 --key pack.pub")).ok();
    project.append("build.toml", "[policy.push]\nrequire = [\"sbom\"]\n");
    project.append("build.toml", "[policy.base]\nnames = [\"localhost/*\"]\n");
    let said = ends(push("--tag 2 --base 127.0.0.1:1/base:1"), "policy-refused", 4);
    said.says(&["the image has no SBOM", "127.0.0.1:1/base:1"]);
    project.write("build.toml", tree_on("scratch") + "[policy.push]\nrequire = [\"sbom\"]\n");
    ends(push("--tag 2"), "policy-refused", 4);
    push("--tag 2 --sbom").has_code(0);
    ends(project.pack("inspect 127.0.0.1:1/shop/app:1").run(), "registry-unreachable", 3).hints();
    let fake = Fake::start().unwrap();
    fake.set_auth(Auth { login: Some(("a".to_owned(), "b".to_owned())), ..Auth::default() });
    ends(project.pack(&format!("inspect {}/shop/app:1", fake.address())).run(), "login-refused", 3).hints();
}

#[test]
fn descriptors_and_workspaces_have_their_codes() {
    let project = Project::small();
    project.write("broken.yaml", "a: [\n").write("deploy.yaml", "image: localhost:1/shop/app:1\n");
    ends(project.pack("resolve -f none.yaml").run(), "file-missing", 1);
    ends(project.pack("resolve -f broken.yaml").run(), "descriptor-broken", 1);
    project.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: localhost:1/shop/app:1\n",
    );
    ends(project.pack("resolve --check -f pod.yaml").run(), "digest-unknown", 4).hints();
    ends(project.pack("build --workspace").run(), "workspace-unclear", 1).hints();
    project.write("1.json", "{}");
    ends(project.pack("merge 1.json").run(), "shards-disagree", 1).hints();
    let all = Project::with(
        "[workspace]\nmembers = [\"s/*\"]\n[workspace.image]\nname = \"localhost/s\"\nbase = \"scratch\"\n",
    );
    for member in ["good", "bad"] {
        all.write(&format!("s/{member}/files/a"), "a");
        let path = if member == "good" { "files" } else { "missing" };
        let app = format!("[app]\npath = \"{path}\"\nkind = \"tree\"\nroot = \"/a\"\n");
        all.write(&format!("s/{member}/build.toml"), app);
    }
    ends(all.pack("build --workspace -p nope").run(), "member-unknown", 1).hints();
    ends(all.pack("build --workspace --changed-since main").run(), "git-unusable", 1).hints();
    for command in ["build", "plan", "check"] {
        let said = all.pack(&format!("{command} --workspace --json")).run();
        let shown = ends(said, "artifact-missing", 1).json();
        let members = shown["members"].as_array().unwrap();
        let of = |name: &str| members.iter().find(|member| member["member"] == name).unwrap();
        assert_eq!(of("bad")["code"], "artifact-missing", "{command}: {shown:#}");
        assert!(of("good")["code"].is_null(), "{command}: {shown:#}");
    }
}

/// An error about the command line has no code: its hint and `--help` explain it.
#[test]
fn a_wrong_command_line_has_no_code() {
    let project = Project::small();
    for arguments in
        ["biuld", "build --jobs x", "build --name Shop/x", "inspect oci:", "build --set image.nmae=1"]
    {
        let said = project.pack(arguments).fails(2);
        assert!(said.stderr.starts_with("error: ") && codes(&said.stderr).next().is_none(), "{said:?}");
    }
}

/// Texts are those of the documents, 80 columns wide in a pipe.
#[test]
fn help_explains_codes_and_topics() {
    let project = Project::new();
    for (name, text) in sections() {
        let told = project.pack(&format!("help {name}")).ok().stdout;
        assert!(told.starts_with(&format!("{name}\n\n    error[{name}]: ")), "{told}");
        let prose = text.rsplit("```\n").next().unwrap().split(['`', '[', '*']).next().unwrap();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        assert!(words(&told).contains(&words(prose)), "{told}");
    }
    let help = project.pack("help").ok().stdout;
    let (_, topics) = help.split_once("\nTopics (").unwrap();
    let topics: Vec<&str> =
        topics.lines().skip(1).map_while(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    for wanted in
        ["artifacts", "caching", "environment", "errors", "exit-codes", "logins", "places", "reproducible"]
    {
        assert!(topics.contains(&wanted), "{help}");
    }
    for topic in topics {
        let told = project.pack(&format!("help {topic}")).ok();
        let code = told
            .stdout
            .lines()
            .filter(|line| !line.starts_with("    "))
            .find(|line| line.chars().count() > 80);
        assert!(code.is_none() && told.stderr.is_empty(), "{told:?}");
        assert!(!told.stdout.contains("**") && !told.stdout.contains('\u{1b}'), "{told:?}");
    }
    let codes = project.pack("help errors").ok().stdout;
    assert!(sections().iter().all(|(name, _)| codes.contains(&format!("\n  {name} "))), "{codes}");
    // Commands come first.
    assert!(project.pack("help images").ok().stdout.contains("Usage: pack images"));
    // The word in brackets of a finding is a rule.
    let rule = project.pack("help entrypoint-missing").ok().stdout;
    assert_eq!(rule, project.pack("check --explain entrypoint-missing").ok().stdout);
    for (word, hint) in [
        ("enviroment", "did you mean `pack help environment`?"),
        ("tag-takn", "did you mean `pack help tag-taken`?"),
        ("biuld", "did you mean `pack help build`?"),
        ("xyzxyzxyz", "`pack help` lists the commands and topics"),
    ] {
        project.pack(&format!("help {word}")).fails(2).says(&[hint]);
    }
}

/// Whatever command meets a situation, and however: it has its code, which fits, and its hint leads on.
#[test]
fn one_situation_has_one_code() {
    let project = Project::small();
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n", "1".repeat(64));
    for name in ["app.war", "app.jar", "app"] {
        project.write(name, &pointer);
        let line = format!("build {name} --base scratch --name localhost/a --root /a");
        ends(project.pack(&line).run(), "artifact-broken", 1).says(&["hint: `git lfs pull`"]);
    }
    symlink("/nonexistent", project.path("dangling.war")).unwrap();
    let said = project.pack("build dangling.war --base scratch --name localhost/a --root /a").run();
    let said = ends(said, "artifact-missing", 1).says(&["hint: check the path"]);
    assert_eq!(said.stderr.matches("dangling").count(), 1, "{said:?}");
    for output in ["oci-archive:pod.yaml/x", "docker-archive:pod.yaml/x"] {
        project.write("pod.yaml", "");
        ends(project.pack(&format!("build -o {output}")).run(), "file-unwritable", 1)
            .says(&["Not a directory"]);
        project.pack("build -o oci:sound").ok();
        ends(project.pack(&format!("copy oci:sound {output}")).run(), "file-unwritable", 1);
    }
    ends(project.pack("inspect oci-archive:build.toml").run(), "not-an-image", 1).hints();
    project.write("L/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    let wrong = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"}";
    let digest = Digest::of(wrong.as_bytes());
    project.write(&format!("L/blobs/sha256/{}", digest.hex()), wrong).write(
        "L/index.json",
        format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"digest\":\"{digest}\",\"size\":{}}}]}}",
            wrong.len()
        ),
    );
    for command in ["inspect", "history", "verify"] {
        ends(project.pack(&format!("{command} oci:L")).run(), "image-damaged", 1);
    }
    ends(project.pack("doctor 127.0.0.1:1").run(), "registry-unreachable", 3).hints();
    project.write("images.lock", "version = 1\n<<<<<<< HEAD\n");
    let pin = project.pack("resolve --pin --check -f pod.yaml").run();
    ends(pin, "lock-broken", 1).says(&["unresolved merge conflict", "hint: "]);
    project.append("build.toml", "[attest]\nsign = true\n");
    ends(project.pack("build").run(), "key-unusable", 1).hints();
}

#[test]
fn a_file_that_is_no_text_is_broken_and_not_unreadable() {
    let project = Project::small();
    let text = fs::read(project.path("build.toml")).unwrap();
    ends(project.pack("build --base oci:nope").run(), "file-missing", 1);
    project.write("binary", b"\xff\xfe");
    ends(project.pack("merge binary").run(), "shards-disagree", 1);
    ends(project.pack("init --force --from binary").run(), "import-failed", 1);
    project.build("");
    ends(project.pack("verify store:tree:1 --policy nope.toml").run(), "file-missing", 1).hints();
    project.write("build.lock", b"\xff\xfe");
    ends(project.pack("build").run(), "lock-broken", 1);
    fs::remove_file(project.path("build.lock")).unwrap();
    project.write("build.toml", b"\xff\xfe");
    ends(project.pack("build").run(), "build-file-broken", 1);
    fs::remove_file(project.path("build.toml")).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, project.path("build.toml"), pipe, mode, 0).unwrap();
    project.pack("build").fails(1).says(&["it is a named pipe"]);
    fs::remove_file(project.path("build.toml")).unwrap();
    project
        .write("build.toml", String::from_utf8(text).unwrap().replace("name = ", "nmae = ") + "layout = 1\n");
    let said = ends(project.pack("build").run(), "setting-unknown", 1);
    assert_eq!(codes(&said.stderr).collect::<Vec<_>>(), ["setting-unknown", "setting-wrong"], "{said:?}");
}

/// A page of a proxy is not the registry's own answer, and an address behind a redirect not the registry's own.
#[test]
fn what_stands_before_a_registry_is_told_from_it() {
    let fake = Fake::start().unwrap();
    let image = format!("{}/shop/app:1", fake.address());
    let page = Reply::new(200).header("Content-Type", "text/html").body("<html>");
    fake.fault(Fault::always("*", Kind::Manifest, Action::Answer(page)));
    let project = Project::new();
    ends(project.pack(&format!("inspect {image}")).run(), "registry-unsound", 3).says(&["hint: check that"]);
    fake.heal();
    let away = Reply::new(307).header("Location", "http://127.0.0.1:1/x");
    fake.fault(Fault::always("*", Kind::Manifest, Action::Answer(away)));
    let said = ends(project.pack(&format!("inspect {image}")).run(), "registry-unreachable", 3);
    said.says(&["answered before", "`-v` shows each request"]);
}
