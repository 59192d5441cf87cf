//! Output and files of the commands, beyond building.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, REPOSITORY, json, settle, text, tree_on};

#[test]
fn a_plan_says_what_would_be_done_and_why() {
    let project = Project::bookstore();
    let plan = project.pack("plan").ok().stdout;
    assert!(plan.contains("base layer 1") && plan.contains("build") && !plan.contains("cached"), "{plan}");
    let info = project.pack("cache info --json").ok().json();
    assert_eq!(info["usage"]["images"], serde_json::json!([]), "a plan sets no name");
    project.build("");
    let plan = project.pack("plan --json").ok().json();
    let layers = plan["images"][0]["layers"].as_array().unwrap();
    assert!(layers.iter().all(|layer| layer["known"].is_object() && layer["size"].as_u64() > Some(0)));
    assert_eq!(layers.iter().map(|layer| text(&layer["name"])).collect::<Vec<_>>(), ["conf", "resources"]);
    assert_eq!(layers[1]["files"], 3);
    project.append("webapp/index.jsp", "changed\n");
    let plan = project.pack("plan").ok().stdout;
    let row = |name: &str| plan.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("conf").contains("cached"), "{plan}");
    assert!(row("resources").contains("build"), "{plan}");
    assert!(row("resources").contains("webapps/ROOT/index.jsp changed"), "{plan}");
    let built = project.build("");
    assert_eq!(built.built_layers(), ["resources"]);
}

#[test]
fn the_part_of_the_base_is_marked() {
    let project = Project::bookstore();
    let built = project.build("");
    let history = project.pack(&format!("history --json {}", built.name_and_tag())).ok().json();
    let shown = history.to_string();
    let origins = |origin: &str| shown.matches(&format!("\"origin\":\"{origin}\"")).count();
    assert_eq!((origins("base"), origins("added")), (1, 2), "{history:#}");
    let history = project.pack(&format!("history {}", built.name_and_tag())).ok().stdout;
    let tomcat = history.lines().find(|line| line.contains("pack: tomcat")).unwrap();
    assert!(tomcat.starts_with("base"), "{history}");
    let shown = project.pack(&format!("inspect {}", built.name_and_tag())).ok().stdout;
    assert!(shown.contains(&built.digest()), "{shown}");
    assert!(shown.contains("catalina.sh") && shown.contains("CATALINA_HOME=/usr/local/tomcat"), "{shown}");
}

#[test]
fn verify_finds_a_changed_byte() {
    let project = Project::bookstore();
    let built = project.build("-o oci:out");
    let mut named: Vec<String> = built.layers().into_iter().map(|layer| layer.blob).collect();
    named.extend([built.digest(), text(&built.metadata["containerimage.config.digest"])]);
    for digest in named {
        let path = project.path("out/blobs/sha256").join(digest.trim_start_matches("sha256:"));
        let good = fs::read(&path).unwrap();
        let mut bytes = good.clone();
        let last = bytes.len() - 1;
        bytes[last / 2] ^= 1;
        fs::write(&path, &bytes).unwrap();
        project.pack("verify oci:out").run().has_code(1).says(&[&digest]);
        fs::write(&path, &bytes[..last]).unwrap();
        project.pack("verify oci:out").run().has_code(1).says(&[&digest[7..19]]);
        fs::remove_file(&path).unwrap();
        project.pack("verify oci:out").run().has_code(1);
        fs::write(&path, good).unwrap();
    }
    let report = project.pack("verify oci:out --json").ok().json();
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(0));
    assert_eq!(report["images"][0]["layers"], 3);
}

#[test]
fn the_cache_is_shown_checked_and_cleaned() {
    let project = Project::small();
    let built = project.build("");
    let info = project.pack("cache info --json").ok().json();
    assert_eq!(info["usage"]["images"][0], "localhost/tree:1");
    assert!(info["usage"]["blobs"].as_u64() >= Some(3), "{info}");
    assert!(project.pack("cache info").ok().stdout.contains("localhost/tree:1"));

    let layer = built.layers()[0].blob.trim_start_matches("sha256:").to_owned();
    let path = project.cache().join("blobs/sha256").join(&layer);
    let mut bytes = fs::read(&path).unwrap();
    bytes[30] ^= 1;
    fs::write(&path, bytes).unwrap();
    project.pack("cache verify").run().has_code(1).says(&[&layer]).hints();
    assert_eq!(project.build("").digest(), built.digest());
    project.check_store();

    project.append("files/a.txt", "more\n");
    let newer = project.build("");
    project.pack("cache prune").ok();
    assert!(path.exists(), "what is young stays: a build may be about to name it");
    project.pack("verify localhost/tree:1").ok();
    project.pack("cache prune --all").ok();
    assert!(!path.exists(), "all is all");
    assert_eq!(project.build("").digest(), newer.digest());
}

#[test]
fn a_damaged_layer_is_mended_on_its_way_out() {
    let project = Project::small();
    let built = project.build("");
    let layer = built.layers()[0].blob.trim_start_matches("sha256:").to_owned();
    let path = project.cache().join("blobs/sha256").join(layer);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&path, bad).unwrap();
    assert_eq!(project.build("-o oci:out").digest(), built.digest());
    assert_eq!(fs::read(&path).unwrap(), good, "the store is mended, too");
}

#[test]
fn results_alone_are_on_stdout() {
    let project = Project::small();
    let reference = format!("localhost/tree@{}\n", project.build("").digest());
    assert_eq!(project.pack("build").ok().stdout, reference);
    let quiet = project.pack("build --quiet --compression gzip:1").ok();
    assert_eq!(quiet.stderr, "");
    assert_eq!(quiet.stdout.lines().count(), 1);
    let shown = project.pack("build --json").ok().json();
    assert_eq!(format!("localhost/tree@{}\n", text(&shown["digest"])), reference);
    assert_eq!(shown["tags"][0], "1");
    project.pack("build --image-refs refs.txt --metadata-file metadata.json").ok();
    assert_eq!(fs::read_to_string(project.path("refs.txt")).unwrap(), reference);
    let metadata = json(&fs::read_to_string(project.path("metadata.json")).unwrap());
    assert_eq!(metadata["containerimage.digest"], shown["digest"]);
    assert_eq!(metadata["image.name"], "localhost/tree:1");
}

#[test]
fn one_archive_is_both_kinds() {
    let project = Project::bookstore();
    let in_store = project.build("");
    for output in ["oci-archive", "docker-archive"] {
        let built = project.build(&format!("-o {output}:{output}.tar"));
        assert_eq!(built.digest(), in_store.digest());
    }
    let bytes = |name: &str| fs::read(project.path(name)).unwrap();
    assert!(bytes("oci-archive.tar") == bytes("docker-archive.tar"), "one format for both");
    let oci = project.pack("inspect --json oci-archive:oci-archive.tar").ok().json();
    let docker = project.pack("inspect --json docker-archive:oci-archive.tar").ok().json();
    assert_eq!(text(&oci["digest"]), in_store.digest());
    let diff_ids = |shown: &serde_json::Value| -> Vec<String> {
        shown["layers"].as_array().unwrap().iter().map(|layer| text(&layer["diffId"])).collect()
    };
    assert_eq!(diff_ids(&oci), diff_ids(&docker));
    project.pack("verify docker-archive:oci-archive.tar").ok();
    // And it is a base.
    let project_on_it = Project::with(&tree_on("oci-archive:base.tar"));
    project_on_it.write("files/a", "a").write("base.tar", bytes("oci-archive.tar"));
    project_on_it.build("");
    let on_docker = project_on_it.pack("build --base docker-archive:base.tar").ok();
    assert!(on_docker.stdout.starts_with("localhost/tree@sha256:"));
}

#[test]
fn the_lock_pins_the_base() {
    let project = Project::bookstore();
    let lock = || fs::read_to_string(project.path("build.lock")).unwrap();
    let first_lock = lock();
    let first = project.build("--locked");
    // The base moves.
    let base = Project::new();
    crate::support::copy_tree(&Path::new(REPOSITORY).join("fixtures/base"), &base.root());
    base.append("tree/etc/passwd", "shop:x:1000:1000::/:/bin/false\n");
    base.build("-o oci:made");
    fs::remove_dir_all(project.path("base")).unwrap();
    crate::support::copy_tree(&base.path("made"), &project.path("base"));
    // A store that does not know the pinned one cannot get it any more.
    let moved = project.pack("build --locked --cache-dir elsewhere").run();
    let moved = moved.has_code(1).says(&["build.toml"]);
    let pinned = first_lock.split('"').find(|word| word.starts_with("sha256:")).unwrap();
    assert!(moved.stderr.contains(pinned), "{moved:?}");
    assert_eq!(lock(), first_lock);
    let updated = project.pack("update").ok();
    assert_ne!(lock(), first_lock, "{updated:?}");
    let second = project.build("--locked --offline");
    assert_ne!(second.digest(), first.digest());
    // A bot writes another digest; the rest is derived again.
    let moved_lock = lock();
    let digest = |lock: &str| {
        let line = lock.lines().find(|line| line.starts_with("digest = ")).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let (old, new) = (digest(&first_lock), digest(&moved_lock));
    fs::write(project.path("build.lock"), first_lock.replacen(&old, &new, 1)).unwrap();
    let third = project.build("");
    assert_eq!(third.digest(), second.digest());
    assert_eq!(lock(), moved_lock);
}

#[test]
fn a_build_without_a_lock_writes_one() {
    let project = Project::bookstore();
    let committed = fs::read(project.path("build.lock")).unwrap();
    fs::remove_file(project.path("build.lock")).unwrap();
    project.pack("build --locked").fails(4).says(&["build.lock", "--locked"]).hints();
    project.build("");
    assert_eq!(fs::read(project.path("build.lock")).unwrap(), committed);
}

fn git(project: &Project, arguments: &str) -> String {
    let mut git = Command::new("git");
    git.current_dir(project.root()).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    git.env("HOME", project.beside("home")).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "n").env(format!("GIT_{who}_EMAIL"), "n@example.com");
        git.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    let output = git.args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn tags_come_from_git() {
    let project = Project::small();
    let tags = |arguments: &str| -> Vec<String> {
        let metadata = project.build(arguments).metadata;
        metadata["tags"].as_array().unwrap().iter().map(text).collect()
    };
    let build_toml = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", build_toml.replace("tags = [\"1\"]\n", ""));
    let without = tags("");
    assert_eq!(without.len(), 1, "the content where there is no commit: {without:?}");
    git(&project, "init -q -b main");
    git(&project, "add .");
    git(&project, "commit -q -m first");
    let commit = git(&project, "rev-parse HEAD");
    let clean = tags("");
    assert_eq!(clean.len(), 1);
    assert!(commit.starts_with(&clean[0]), "{clean:?} {commit}");
    assert_eq!(tags("--tag {git.branch}-{git.short}"), [format!("main-{}", clean[0])]);
    project.append("files/a.txt", "not committed\n");
    let dirty = tags("");
    assert!(dirty[0].starts_with(&clean[0]) && dirty[0] != clean[0], "{dirty:?}");
    assert_eq!(tags(""), dirty, "derived from the content, not from the time");
    project.append("files/a.txt", "more\n");
    assert_ne!(tags(""), dirty);
    assert_eq!(tags("--tag latest"), ["latest"]);
}

#[test]
fn configuration_is_inherited_and_set() {
    let project = Project::bookstore();
    project.append(
        "build.toml",
        "labels = { \"com.example.team\" = \"shop\" }\nuser = \"1000:1000\"\nvolumes = [\"/data\"]\n\
         unset-env = [\"TOMCAT_VERSION\"]\n",
    );
    let built = project.build("-o oci:out");
    let config = |built: &crate::support::Built| {
        let digest = text(&built.metadata["containerimage.config.digest"]);
        let path = project.path("out/blobs/sha256").join(digest.trim_start_matches("sha256:"));
        json(&fs::read_to_string(path).unwrap())["config"].clone()
    };
    let config_of = config(&built);
    assert_eq!(config_of["Cmd"], serde_json::json!(["catalina.sh", "run"]), "inherited");
    assert_eq!(config_of["WorkingDir"], "/usr/local/tomcat");
    assert_eq!(config_of["User"], "1000:1000");
    assert_eq!(config_of["Labels"]["com.example.team"], "shop");
    assert_eq!(config_of["Volumes"], serde_json::json!({ "/data": {} }));
    assert_eq!(config_of["ExposedPorts"], serde_json::json!({ "8080/tcp": {} }));
    let env: Vec<String> = config_of["Env"].as_array().unwrap().iter().map(text).collect();
    assert!(env.contains(&"JAVA_OPTS=-Xmx256m".to_owned()), "{env:?}");
    assert!(env.contains(&"CATALINA_HOME=/usr/local/tomcat".to_owned()), "{env:?}");
    assert!(!env.iter().any(|variable| variable.starts_with("TOMCAT_VERSION=")), "{env:?}");
    project.write("start", "#!/usr/bin/run\n").append(
        "build.toml",
        "\n[[layer]]\nname = \"start\"\nfiles = [{ from = \"start\", to = \"/usr/bin/run\", mode = \"0755\" }]\n",
    );
    let other = project.pack("build -o oci:out --set").arg("config.entrypoint=[\"run\"]").ok();
    assert!(other.stdout.contains("@sha256:"));
    let other = project.pack("build").arg("--set").arg("config.entrypoint=[\"run\"]").built("-o oci:out");
    assert_eq!(config(&other)["Entrypoint"], serde_json::json!(["run"]));
    assert!(config(&other)["Cmd"].is_null(), "an entrypoint drops the base's arguments");
}

#[test]
fn a_layer_has_the_owners_and_modes_that_it_says() {
    let project = Project::with(
        "[image]\nname = \"localhost/l\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n[[layer]]\nname = \"conf\"\n\
         files = [{ from = \"conf\", to = \"/etc/app/\", include = [\"**/*.xml\"], mode = \"0640\", owner = \"7:8\" }]\n\
         directories = [{ path = \"/var/data\", owner = \"1000:1001\", mode = \"0750\" }]\n",
    );
    project.write("conf/a.xml", "<a/>").write("conf/b.txt", "no").write("conf/deep/c.xml", "<c/>");
    let built = project.build("-o oci:out --compression none");
    let blob = built.layers()[0].blob.clone();
    assert_eq!(blob, built.layers()[0].diff_id, "not compressed");
    let file = fs::File::open(project.path("out/blobs/sha256").join(&blob[7..])).unwrap();
    let mut archive = tar::Archive::new(file);
    let entries: Vec<(String, u32, u64, u64)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let name = entry.path().unwrap().display().to_string();
            (name, header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap())
        })
        .collect();
    let has = |name: &str, mode, uid, gid| {
        let wanted = (name.to_owned(), mode, uid, gid);
        assert!(entries.contains(&wanted), "{wanted:?} is not in {entries:?}");
    };
    has("etc/app/a.xml", 0o640, 7, 8);
    has("etc/app/deep/c.xml", 0o640, 7, 8);
    has("var/data/", 0o750, 1000, 1001);
    assert!(!entries.iter().any(|(name, ..)| name.contains("b.txt")), "{entries:?}");
}

#[test]
fn an_index_has_an_image_for_each_platform() {
    let base = Project::with(&tree_on("scratch"));
    base.write("files/a", "base");
    let built = base.build("--platform linux/amd64 --platform linux/arm64 -o oci:index");
    assert_eq!(built.metadata["mediaType"], "application/vnd.oci.image.index.v1+json");
    let project = Project::with(&tree_on("oci:base"));
    project.write("files/b", "app");
    crate::support::copy_tree(&base.path("index"), &project.path("base"));
    let built = project.build("-o oci:out");
    let platforms: Vec<String> =
        built.metadata["images"].as_array().unwrap().iter().map(|image| text(&image["platform"])).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let report = project.pack("verify --json oci:out").ok().json();
    assert_eq!(report["images"].as_array().map(Vec::len), Some(2));
    project.pack("inspect oci:out --platform linux/arm64").ok();
    project.pack("history oci:out --platform linux/amd64").ok();
    project.pack("inspect oci:out --platform linux/s390x").fails(1).says(&["linux/s390x", "linux/arm64"]);
    let one = project.build("--platform linux/arm64 -o oci:one");
    assert_eq!(one.metadata["mediaType"], "application/vnd.oci.image.manifest.v1+json");
}

#[test]
fn the_program_explains_itself() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(project.pack(&format!("completions {shell}")).ok().stdout.contains("pack"));
    }
    assert!(project.pack("man").ok().stdout.contains(".TH pack"));
    assert!(project.pack("man cache prune").ok().stdout.contains("prune"));
    for command in ["build", "plan", "update", "init", "inspect", "history", "verify", "cache"] {
        let help = project.pack(&format!("{command} --help")).ok().stdout;
        assert!(help.contains("Usage: pack"), "{help}");
    }
    assert!(project.pack("--version").ok().stdout.starts_with("pack "));
    let unknown = project.pack("biuld").fails(2).says(&["build"]);
    assert_eq!(unknown.code, Some(2));
    let long_and_short = project.pack("build --help").ok().stdout;
    assert!(long_and_short.contains("SOURCE_DATE_EPOCH") && long_and_short.contains("Exit codes"));
}

#[test]
fn an_artifact_needs_no_build_file() {
    let project = Project::new();
    project.write("public/index.html", "<h1>hello</h1>\n");
    let built = project.build("public --base scratch --root /srv --tag 1");
    assert_eq!(built.name_and_tag(), "localhost/public:1");
    project.pack("init public").ok();
    assert!(project.path("build.toml").exists());
}

#[test]
fn an_engine_that_is_not_there_is_missed_before_anything_is_built() {
    let project = Project::new();
    project.write("public/index.html", "<h1>hello</h1>\n");
    let run = project.pack("build public --base scratch --root /srv --tag 1 -o docker");
    let nobody = project.path("nobody.sock").display().to_string();
    run.clone()
        .env("DOCKER_HOST", &format!("unix://{nobody}"))
        .fails(3)
        .says(&["no Docker or Podman answers", &nobody])
        .hints();
    run.env("DOCKER_HOST", "tcp://127.0.0.1:2375").fails(1).says(&["tcp://127.0.0.1:2375"]).hints();
}

#[test]
fn what_an_engine_complains_of_is_told() {
    let project = Project::new();
    project.write("public/index.html", "<h1>hello</h1>\n");
    let missing = "HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"no such image\"}";
    let full = "HTTP/1.0 200 OK\r\n\r\n{\"stream\":\"x\"}\n{\"error\":\"no space left on device\"}\n";
    let other = "HTTP/1.0 200 OK\r\n\r\n{\"Id\":\"sha256:00\"}";
    let build = |socket: &str| {
        project
            .pack("build public --base scratch --root /srv --tag 1 --name localhost/shop -o docker")
            .env("DOCKER_HOST", &format!("unix://{}", project.path(socket).display()))
    };
    engine(&project.path("full.sock"), missing, full);
    build("full.sock").fails(3).says(&["no space left on device", "full.sock"]);
    engine(&project.path("other.sock"), other, "HTTP/1.0 200 OK\r\n\r\n");
    build("other.sock").fails(3).says(&["`localhost/shop:1` is sha256:00", "other.sock"]);
    engine(&project.path("web.sock"), "<html>", "<html>");
    build("web.sock").fails(3).says(&["does not answer as Docker or Podman do", "<html>"]);
}

/// That it has the image shows only when all of it is ready to be sent, and then nothing is.
#[test]
fn an_engine_that_has_the_image_is_sent_nothing() {
    let project = Project::new();
    project.write("public/index.html", "<h1>hello</h1>\n");
    let line = "build public --base scratch --root /srv --tag 1 --name localhost/shop";
    project.pack(&format!("{line} -o oci:out")).ok();
    let index = json(&fs::read_to_string(project.path("out/index.json")).unwrap());
    let digest = text(&index["manifests"][0]["digest"]);
    let manifest = project.path("out/blobs/sha256").join(&digest["sha256:".len()..]);
    let manifest = json(&fs::read_to_string(manifest).unwrap());
    let answer = format!("HTTP/1.0 200 OK\r\n\r\n{{\"Id\":{}}}", manifest["config"]["digest"]);
    engine(&project.path("has.sock"), answer.leak(), "HTTP/1.0 500 Nothing Was To Come\r\n\r\n");
    let host = format!("unix://{}", project.path("has.sock").display());
    let run = project.pack(&format!("{line} -o docker")).env("DOCKER_HOST", &host);
    run.ok().says(&["(unchanged)"]);
    let report = project.pack(&format!("{line} -o docker --json")).env("DOCKER_HOST", &host).ok().json();
    assert_eq!((&report["sent"], &report["written"]), (&0.into(), &0.into()), "{report:#}");
    assert!(report["images"][0]["layers"][0]["delivery"].is_null(), "{report:#}");
}

/// An engine that gives the same answers to all questions and all loads, until the tests end.
fn engine(socket: &std::path::Path, asked: &'static str, loaded: &'static str) {
    use std::io::{Read as _, Write as _};
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            let _ = std::io::copy(&mut (&stream).take(length), &mut std::io::sink());
            let _ = stream.write_all(if head.starts_with("POST") { loaded } else { asked }.as_bytes());
        }
    });
}

/// A remembered outcome of a build with the same inputs is enough to do nothing, and never enough to do the wrong
/// thing.
#[test]
fn a_build_of_what_is_as_it_was_needs_its_outcome_alone() {
    let project = Project::bookstore();
    // Stamps must be old enough to be trusted; the base's index is one of them.
    settle(&project.path("base/index.json"));
    let first = project.build("-o oci:out");
    let outcomes = || project.memos("outcome").len();
    assert!(outcomes() > 0, "the outcome was remembered");
    for memo in ["files", "layer", "bodies", "blobs", "layer-index"] {
        project.forget(memo);
    }
    let again = project.build("-o oci:out");
    assert_eq!((again.digest(), again.built_layers().len()), (first.digest(), 0));
    // Another target lacks it, so it is built.
    let other = project.build("-o oci:other");
    assert_eq!((other.digest(), other.built_layers().len()), (first.digest(), 2));
    // Settings that are no file count as well, and so does a file's mode.
    let labelled = project.build("-o oci:out --set config.labels.team=shop");
    assert_ne!(labelled.digest(), first.digest());
    assert_eq!(project.build("-o oci:out").digest(), first.digest());
    let page = project.path("webapp/index.jsp");
    fs::set_permissions(&page, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_ne!(project.build("-o oci:out").digest(), first.digest());
    project.pack("verify oci:out").ok();
}

#[test]
fn the_cache_in_a_registry_is_written_only_by_who_pushes() {
    let project = Project::small();
    project.pack("build --cache-to").fails(2).says(&["`--cache-to` needs `--push`"]).hints();
    project.pack("build --cache-to -o oci:out").fails(2).hints();
    project.pack("build --cache-verify 101").fails(2);
    project.append("build.toml", "[cache]\nverify = 101\n");
    project.pack("build").fails(1).says(&["`cache.verify` must be between 0 and 100"]);
}

#[test]
fn what_is_not_there_is_named() {
    let project = Project::small();
    let missing = format!("`{}` does not exist", project.path("nope").display());
    project.pack("update nope").fails(1).hints().says(&[&missing]);
    fs::create_dir(project.path("empty")).unwrap();
    project
        .pack("update empty")
        .fails(1)
        .says(&["there is no `build.toml` in", "`pack init empty` writes one"]);
    project.pack("update files/a.txt").fails(1).hints().says(&["is not a directory with a `build.toml`"]);
    project.pack("update .").ok();
    project.pack("update --file build.toml").ok();
    project.pack("verify oci-archive:nope.tar").fails(1).says(&["there is no file `"]);
    project.pack("verify oci:nope").fails(1).says(&["there is no directory `"]);
    project.pack("man nope").fails(2).hints().says(&["`nope`"]);
}

/// Results alone go to standard output, and `-` is no name for it.
#[test]
fn a_dash_is_no_file() {
    let project = Project::small();
    for flag in ["--metadata-file=-", "--image-refs=-", "--timings=-"] {
        let said = project.pack("build").arg(flag).fails(2);
        said.says(&["standard output", "`--json`", "`/dev/stdout`", "`./-`"]);
    }
    let built = project.pack("build --image-refs=/dev/stdout").ok().stdout;
    let lines: Vec<&str> = built.lines().collect();
    assert!(lines.len() == 2 && lines[0] == lines[1], "{built}");
    project.pack("build --quiet --metadata-file ./-").ok();
    assert!(json(&fs::read_to_string(project.path("-")).unwrap())["containerimage.digest"].is_string());
}

#[test]
fn the_store_names_other_tags_of_the_image_alone() {
    let project = Project::small();
    project.build("");
    project.build("--tag other --name localhost/another");
    let said =
        project.pack("verify store:localhost/tree:2").fails(1).says(&["; there is localhost/tree:1\n"]);
    assert!(!said.stderr.contains("another"), "{said:?}");
    let said = project.pack("verify store:localhost/none:2").fails(1).hints();
    assert!(!said.stderr.contains("tree") && !said.stderr.contains("another"), "{said:?}");
}
