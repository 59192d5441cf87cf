//! The real run: a base of Debian, Java and Tomcat, made by `pack` itself, a web application on it, real
//! registries, and other tools as judges. `tests/run` prepares what it needs.
#![allow(clippy::disallowed_methods, reason = "tests are told where their inputs are by the environment")]

mod cache;
mod descriptors;
mod doors;
mod engines;
mod failing;
mod http;
mod images;
mod jars;
mod java_peers;
mod machine_code;
pub(crate) mod machines;
mod packaging;
pub(crate) mod peers;
mod programs;
mod redeploy;
mod registries;
mod releases;
mod runtimes;
mod sbom;
pub(crate) mod server;
mod serving;
mod signatures;
mod tools;
mod users;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::Digest as _;

use crate::support::settle;
use server::{Server, fetched, mounted, uploaded};
use tools::{Pack, Podman, Said, line, run};

const ROOT: &str = "/var/lib/tomcat10/webapps/ROOT";
const PAGE: &str = "jsp/jsp2/el/basic-arithmetic.jsp";

/// The prepared inputs; without them, a test has nothing to do.
pub(crate) fn inputs(needed: &[&str]) -> Option<PathBuf> {
    let required = std::env::var_os("PACK_TEST_REQUIRE").is_some();
    let Some(inputs) = std::env::var_os("PACK_TEST_INPUTS").map(PathBuf::from) else {
        assert!(!required, "PACK_TEST_INPUTS is not set");
        say("not run: `tests/run` prepares what this needs");
        return None;
    };
    for name in needed {
        if !inputs.join(name).exists() {
            assert!(!required, "{} is missing", inputs.join(name).display());
            say(&format!("not run: `{name}` is missing; `tests/run` prepares it"));
            return None;
        }
    }
    Some(inputs)
}

/// A place for a test's files, which goes with it.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("can be made")
}

/// A line past libtest's capture.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// A line with the time since `begun`, which begins anew.
fn tell(begun: &mut Instant, what: &str) {
    say(&format!("{:8.1} s  {what}", begun.elapsed().as_secs_f64()));
    *begun = Instant::now();
}

/// Writes `text` as the build file of the project `directory`, which is made.
fn project(directory: &Path, text: &str) -> String {
    std::fs::create_dir_all(directory).expect("can be made");
    std::fs::write(directory.join("build.toml"), text).expect("can be written");
    directory.to_str().expect("is text").to_owned()
}

/// The digests of the layers of `image`, by whose they are.
fn layers(pack: &Pack, image: &str, origin: &str) -> Vec<String> {
    let history = pack.json(&["history", image]);
    let steps = history["history"].as_array().expect("is a list").iter();
    let digest = |step: &Value| step["layer"]["digest"].as_str().map(str::to_owned);
    steps.filter(|step| step["origin"] == origin).filter_map(digest).collect()
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

/// Builds the base's three images, each on the one before, and pushes them.
fn make_base(pack: &Pack, inputs: &Path, directory: &Path, host: &str) {
    let variables = std::fs::read_to_string(inputs.join("base/base.env")).expect("can be read");
    let variables: BTreeMap<&str, &str> =
        variables.lines().filter_map(|variable| variable.split_once('=')).collect();
    let env = |names: &[&str]| {
        let one = |name: &&str| format!("{name} = \"{}\"", variables[*name]);
        format!("env = {{ {} }}", names.iter().map(one).collect::<Vec<_>>().join(", "))
    };
    let platform = format!("platforms = [\"linux/{}\"]", std::env::consts::ARCH);
    let run = "workdir = \"/var/lib/tomcat10\"\ncmd = [\"/usr/share/tomcat10/bin/catalina.sh\", \"run\"]\nports = [8080]";
    let steps = [
        ("debian", "scratch".to_owned(), platform.as_str(), env(&["PATH"])),
        ("jre", format!("{host}/base/debian:1"), "", env(&["JAVA_HOME"])),
        (
            "tomcat",
            format!("{host}/base/jre:1"),
            "",
            format!("{}\n{run}", env(&["CATALINA_HOME", "CATALINA_BASE"])),
        ),
    ];
    for (name, base, more, config) in steps {
        let tree = inputs.join("base").join(name);
        let text = format!(
            "[image]\nname = \"{host}/base/{name}\"\nbase = \"{base}\"\ntags = [\"1\"]\n{more}\n\
             compression = \"gzip:1\"\n[[layer]]\nname = \"{name}\"\n\
             files = [{{ from = \"{}\", to = \"/\", keep-modes = true, keep-owners = true }}]\n\
             [config]\n{config}\n",
            tree.display()
        );
        pack.ok(&["build", &project(&directory.join(name), &text), "--push"]);
    }
}

#[test]
fn a_web_application_on_a_real_base() {
    let needed = [
        "base/tomcat",
        "base/base.env",
        "artifacts/examples",
        "artifacts/examples.war",
        "tools/docker-registry",
    ];
    let Some(inputs) = inputs(&needed) else { return };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return;
    }
    let all = Instant::now();
    let mut clock = Instant::now();
    let directory = scratch();
    let directory = directory.path();
    let program = inputs.join("tools/docker-registry");
    let mut server = Server::start(&program, &directory.join("registry"), false);
    let host = server.host();

    // A base of three layers, from trees.
    let maker = Pack::new(&directory.join("maker"));
    make_base(&maker, &inputs, &directory.join("base"), &host);
    let log = server.requests();
    let base = format!("{host}/base/tomcat:1");
    let base_layers = sorted(maker.json(&["inspect", &base])["layers"].as_array().map_or(vec![], |layers| {
        layers.iter().filter_map(|layer| layer["digest"].as_str()).map(str::to_owned).collect()
    }));
    assert_eq!(base_layers.len(), 3);
    assert_eq!(uploaded(&log).len(), 3 + 3, "each layer once, and a configuration each: {log:#?}");
    assert_eq!(mounted(&log).len(), 1 + 2, "{log:#?}");
    assert!(fetched(&log).iter().all(|digest| !base_layers.contains(digest)), "{log:#?}");
    tell(&mut clock, &format!("base of three layers built and pushed, {} requests", log.len()));

    // The application, on the machine that made the base.
    let war = directory.join("examples.war");
    std::fs::copy(inputs.join("artifacts/examples.war"), &war).expect("can be copied");
    let app = project(
        &directory.join("app"),
        &format!(
            "[image]\nname = \"{host}/shop/examples\"\nbase = \"{base}\"\n[app]\npath = \"{}\"\nroot = \"{ROOT}\"\n",
            war.display()
        ),
    );
    server.requests();
    let first = maker.strict(&["build", &app, "--push", "--tag", "1"]);
    let log = server.requests();
    assert_eq!(mounted(&log), base_layers, "{log:#?}");
    assert!(fetched(&log).iter().all(|digest| !base_layers.contains(digest)), "{log:#?}");
    let image = format!("{host}/shop/examples:1");
    let own = layers(&maker, &image, "added");
    assert!(own.len() >= 2, "{own:?}");
    assert_eq!(uploaded(&log).len(), own.len() + 1, "{log:#?}");
    tell(&mut clock, &format!("application built and pushed, {} requests, {} layers", log.len(), own.len()));

    // Another machine, with the lock and an empty store: nothing of the base is read there either.
    let other = Pack::new(&directory.join("other"));
    server.requests();
    let again = other.ok(&["build", &app, "--push", "--tag", "1"]);
    let log = server.requests();
    assert_eq!(again, first, "another machine makes the same image");
    assert!(fetched(&log).iter().all(|digest| !base_layers.contains(digest)), "{log:#?}");
    assert!(uploaded(&log).is_empty(), "{log:#?}");
    tell(&mut clock, &format!("the same on another machine, {} requests", log.len()));

    judge(&maker, directory, &image, &first);
    tell(&mut clock, "skopeo, umoci and oci-image-tool agree");

    serve(&directory.join("podman"), &image, "<td>42</td>");
    tell(&mut clock, "podman runs it: a page, a JSP and a servlet answer 200");

    // A changed page.
    change(&inputs, directory, &war, "changed");
    server.requests();
    let second = maker.ok(&["build", &app, "--push", "--tag", "2"]);
    assert_ne!(second, first);
    let log = server.requests();
    let changed = format!("{host}/shop/examples:2");
    let now = layers(&maker, &changed, "added");
    let new: Vec<String> = now.iter().filter(|layer| !own.contains(layer)).cloned().collect();
    assert_eq!(new.len(), 1, "a page is in one layer: {own:?} {now:?}");
    let config = config_digest(&maker, &changed);
    assert_eq!(uploaded(&log), sorted(vec![new[0].clone(), config]), "{log:#?}");
    assert!(fetched(&log).iter().all(|digest| !base_layers.contains(digest)), "{log:#?}");
    tell(&mut clock, &format!("a changed page pushed, {} requests", log.len()));
    server.requests();
    let third = maker.ok(&["build", &app, "--push", "--tag", "2"]);
    assert_eq!(third, second);
    let log = server.requests();
    assert!(log.len() == 1 && log[0].method == "HEAD", "{log:#?}");
    tell(&mut clock, "nothing changed, 1 request");

    // Two versions share their base visibly.
    for pack in [&maker, &other, &Pack::new(&directory.join("visitor"))] {
        for image in [&image, &changed] {
            assert_eq!(sorted(layers(pack, image, "base")), base_layers, "{image}");
            assert_eq!(layers(pack, image, "added").len(), own.len(), "{image}");
        }
    }
    let text = maker.ok(&["history", &changed]);
    assert_eq!(text.lines().filter(|line| line.starts_with("base ")).count(), 3 + 1, "{text}");
    tell(&mut clock, "history marks the base");

    let again = || change(&inputs, directory, &war, "again");
    another_registry(&program, directory, &mut server, &app, &base_layers, again);
    tell(&mut clock, "another registry gets what it lacks");

    serve(&directory.join("podman-2"), &changed, "<p>changed 21</p>");
    tell(&mut clock, "podman runs the changed page");
    tell(&mut all.clone(), "in all");
}

/// Pushes to a second registry: the base is streamed to it once, then nothing more of it.
fn another_registry(
    program: &Path,
    directory: &Path,
    first: &mut Server,
    app: &str,
    base_layers: &[String],
    change: impl FnOnce(),
) {
    let mut second = Server::start(program, &directory.join("registry-2"), false);
    let name = format!("{}/shop/examples", second.host());
    // A machine that holds nothing of the base streams it from the first registry.
    let streamer = Pack::new(&directory.join("streamer"));
    first.requests();
    streamer.ok(&["build", app, "--push", "--tag", "2", "--name", &name]);
    let (from, to) = (first.requests(), second.requests());
    let mut fetched_layers = fetched(&from);
    fetched_layers.retain(|digest| base_layers.contains(digest));
    assert_eq!(fetched_layers, base_layers, "each once: {from:#?}");
    let own = layers(&streamer, &format!("{name}:2"), "added");
    assert_eq!(uploaded(&to).len(), base_layers.len() + own.len() + 1, "{to:#?}");
    assert!(mounted(&to).is_empty(), "{to:#?}");
    // Now it lacks nothing of the base.
    change();
    first.requests();
    second.requests();
    streamer.ok(&["build", app, "--push", "--tag", "2", "--name", &name, "--allow-retag"]);
    let (from, to) = (first.requests(), second.requests());
    assert!(fetched(&from).iter().all(|digest| !base_layers.contains(digest)), "{from:#?}");
    assert_eq!(uploaded(&to).len(), 1 + 1, "the new layer and the configuration: {to:#?}");
    let ok = streamer.ok(&["verify", &format!("{name}:2")]);
    assert!(ok.contains(": ok, "), "{ok}");
}

fn config_digest(pack: &Pack, image: &str) -> String {
    let digest = pack.json(&["inspect", image])["configDigest"].as_str().map(str::to_owned);
    digest.expect("names its configuration")
}

/// Other tools, and our own eyes, look at the image in the registry.
fn judge(pack: &Pack, directory: &Path, image: &str, reference: &str) {
    let layout = directory.join("layout");
    let copied = format!("oci:{}:app", layout.display());
    run(line("skopeo copy -q --src-tls-verify=false").arg(format!("docker://{image}")).arg(&copied));
    let blob = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").expect("is SHA-256");
        std::fs::File::open(layout.join("blobs/sha256").join(hex)).expect("is in the layout")
    };
    let document =
        |digest: &str| -> Value { serde_json::from_reader(blob(digest)).expect("is a JSON document") };
    let digest = |value: &Value| value["digest"].as_str().expect("has a digest").to_owned();
    let index: Value =
        serde_json::from_reader(std::fs::File::open(layout.join("index.json")).expect("is there"))
            .expect("is JSON");
    let root = digest(&index["manifests"][0]);
    assert_eq!(reference.trim().rsplit('@').next(), Some(root.as_str()), "skopeo keeps the digest");
    let manifest = document(&root);
    let config = document(&digest(&manifest["config"]));
    let found: Vec<Value> = manifest["layers"]
        .as_array()
        .expect("is a list")
        .iter()
        .map(|layer| {
            let mut hasher = sha2::Sha256::new();
            let mut tar = flate2::read::MultiGzDecoder::new(blob(&digest(layer)));
            let mut buffer = vec![0; 1 << 18];
            loop {
                let count = tar.read(&mut buffer).expect("decompresses");
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
            }
            let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            Value::from(format!("sha256:{hex}"))
        })
        .collect();
    assert_eq!(config["rootfs"]["diff_ids"], Value::from(found));

    let bundle = directory.join("bundle");
    run(line("umoci unpack --image").arg(format!("{}:app", layout.display())).arg(&bundle));
    let mode = |path: &str| {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::symlink_metadata(bundle.join("rootfs").join(path)).expect(path);
        (format!("{:o}", metadata.mode() & 0o7777), metadata.uid(), metadata.gid())
    };
    assert_eq!(mode("tmp"), ("1777".into(), 0, 0));
    assert_eq!(mode("usr/bin/su"), ("4755".into(), 0, 0));
    assert_eq!(mode("etc/shadow"), ("640".into(), 0, 42));
    assert_eq!(mode("var/lib/tomcat10/webapps"), ("775".into(), 999, 999), "the base's directory stays");
    assert_eq!(mode("var/lib/tomcat10/webapps/ROOT/index.html"), ("644".into(), 0, 0));
    std::fs::remove_dir_all(&bundle).expect("can be removed");
    run(line("oci-image-tool validate --type image --ref name=app").arg(&layout));
    let ok = pack.ok(&["verify", image]);
    assert!(ok.contains(": ok, "), "{ok}");
    std::fs::remove_dir_all(&layout).expect("can be removed");
}

/// Runs the image; the page must have `text` in it.
fn serve(directory: &Path, image: &str, text: &str) {
    let port = server::free_port();
    let podman = Podman::new(directory);
    podman.start(image, port);
    let begun = Instant::now();
    let patience = Duration::from_secs(90);
    while http::get(port, "/").is_none() {
        assert!(begun.elapsed() < patience, "no answer: {}", podman.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
    let pages = [
        ("/", "Apache Tomcat Examples"),
        (&format!("/{PAGE}"), text),
        ("/servlets/servlet/HelloWorldExample", "Hello World!"),
    ];
    for (path, text) in pages {
        let answer = http::get(port, path).expect("answers");
        assert_eq!(answer.0, 200, "{path}: {}\n{}", answer.1, podman.logs());
        assert!(answer.1.contains(text), "{path}: {}", answer.1);
    }
}

/// Changes one page of the WAR, as a build would.
fn change(inputs: &Path, directory: &Path, war: &Path, word: &str) {
    let page = std::fs::read_to_string(inputs.join("artifacts/examples").join(PAGE)).expect("can be read");
    let changed = page.replacen("</body>", &format!("<p>{word} ${{3 * 7}}</p></body>"), 1);
    assert_ne!(changed, page);
    let file = directory.join("edit").join(PAGE);
    std::fs::create_dir_all(file.parent().expect("has a parent")).expect("can be made");
    std::fs::write(&file, changed).expect("can be written");
    run(line("zip -q -X").arg(war).arg(PAGE).current_dir(directory.join("edit")));
    settle(war);
}

/// A project with one small layer and, if that is wanted, one that takes its time to upload.
fn small_project(directory: &Path, host: &str, bulk: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(bulk / 8)
    .flatten()
    .collect();
    let text = format!(
        "[image]\nname = \"{host}/shop/files\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\
         [[layer]]\nname = \"files\"\nfiles = [{{ from = \"files\", to = \"/srv/\" }}]\n"
    );
    let path = project(directory, &text);
    std::fs::create_dir_all(directory.join("files")).expect("can be made");
    std::fs::write(directory.join("files/noise"), noise).expect("can be written");
    path
}

#[test]
fn a_registry_that_wants_a_login() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), true);
    let host = server.host();
    let app = small_project(&directory.join("app"), &host, 800);
    let pack = Pack::new(&directory.join("home"));
    let push = ["build", app.as_str(), "--push"];

    let nobody: Said = pack.run(&push);
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    assert!(nobody.stderr.contains(&host) && nobody.stdout.is_empty(), "{nobody:?}");
    pack.log_in(&host, server::USER.0, "wrong horse");
    let wrong = pack.run(&push);
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(wrong.stderr.contains("config.json"), "names where the login came from: {wrong:?}");
    assert!(!wrong.stderr.contains("wrong horse") && wrong.stdout.is_empty(), "{wrong:?}");
    pack.log_in(&host, server::USER.0, server::USER.1);
    pack.ok(&push);
    let ok = pack.ok(&["verify", &format!("{host}/shop/files:1")]);
    assert!(ok.contains(": ok, "), "{ok}");
}

#[test]
fn a_registry_that_dies_in_the_middle() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let host = server.host();
    let pack = Pack::new(&directory.join("home"));
    let app = small_project(&directory.join("app"), &host, 800);
    let image = format!("{host}/shop/files:1");
    let before = pack.ok(&["build", &app, "--push"]);

    let app = small_project(&directory.join("app"), &host, 200_000_000);
    let push =
        pack.command(&["build", app.as_str(), "--push", "--allow-retag"]).spawn().expect("pack starts");
    server.wait_for_upload("shop/files");
    server.kill();
    let failed: Said = push.wait_with_output().expect("ends").into();
    assert_eq!(failed.code, Some(3), "{failed:?}");
    assert!(failed.stderr.contains(&host) && failed.stdout.is_empty(), "{failed:?}");
    server.resume();
    let digest = |pack: &Pack| pack.json(&["inspect", &image])["digest"].as_str().map(str::to_owned);
    let visitor = Pack::new(&directory.join("visitor"));
    assert_eq!(digest(&visitor).as_deref(), before.trim().rsplit('@').next(), "the tag is where it was");
    let after = pack.ok(&["build", &app, "--push", "--allow-retag"]);
    assert_eq!(digest(&visitor).as_deref(), after.trim().rsplit('@').next());
    assert_ne!(after, before);
}
