//! The registry as a cache of layers: two machines, a real registry.

use std::path::Path;

use super::server::{Request, Server, fetched, uploaded};
use super::tools::Pack;
use super::{Value, inputs, project, scratch};
use crate::artifacts::{AMD64, elf, library};
use crate::support::files_below;

/// The requests about entries of the cache, by method.
fn about_entries<'a>(log: &'a [Request], method: &str) -> Vec<&'a str> {
    let is_entry =
        |request: &&Request| request.method == method && request.path.contains("/manifests/pack-cache-");
    log.iter().filter(is_entry).map(|request| request.path.as_str()).collect()
}

/// The source of each of our layers: `registry`, `store`, or `built`.
fn states(summary: &Value) -> Vec<String> {
    let layers = summary["images"][0]["layers"].as_array().expect("is a list").iter();
    let state = |layer: &Value| match layer["state"]["kind"].as_str() {
        Some("cached") => layer["state"]["from"].as_str().expect("is named").to_owned(),
        kind => kind.expect("is named").to_owned(),
    };
    layers.map(state).collect()
}

#[test]
fn a_cold_machine_finds_its_layers_in_the_registry() {
    let Some(inputs) = inputs(&["artifacts/examples.war", "tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let name = format!("{}/shop/examples", server.host());
    let war = directory.join("examples.war");
    std::fs::copy(inputs.join("artifacts/examples.war"), &war).expect("can be copied");
    let text = format!(
        "[image]\nname = \"{name}\"\nbase = \"scratch\"\n[app]\npath = \"{}\"\nroot = \"/srv/app\"\n",
        war.display()
    );
    let app = project(&directory.join("app"), &text);
    let machine = |number: usize| Pack::new(&directory.join(format!("machine-{number}")));

    // A machine without a cache writes nothing to it; one with it tells of each layer.
    let teacher = machine(1);
    let plain = teacher.json(&["build", &app, "--push", "--tag", "1"]);
    assert!(about_entries(&server.requests(), "PUT").is_empty());
    assert!(states(&plain).iter().all(|state| state == "built"), "{plain}");
    let layers = states(&plain).len();
    assert!(layers >= 2, "{plain}");
    let taught = teacher.json(&["build", &app, "--push", "--tag", "1", "--cache-to"]);
    assert_eq!(taught["digest"], plain["digest"]);
    let log = server.requests();
    assert_eq!(about_entries(&log, "PUT").len(), layers, "{log:#?}");
    assert_eq!(uploaded(&log).len(), 1, "the empty configuration of entries: {log:#?}");

    // An empty store: one GET for each layer, nothing built, nothing sent but the tag.
    let learner = machine(2);
    let learned = learner.json(&["build", &app, "--push", "--tag", "2"]);
    let log = server.requests();
    assert_eq!(learned["digest"], plain["digest"]);
    assert_eq!(states(&learned), vec!["registry"; layers]);
    assert_eq!(about_entries(&log, "GET").len(), layers, "{log:#?}");
    assert_eq!(about_entries(&log, "PUT").len(), 0, "{log:#?}");
    assert!(uploaded(&log).is_empty() && fetched(&log).is_empty(), "{log:#?}");
    assert!(log.iter().all(|request| request.method != "POST" && request.method != "PATCH"), "{log:#?}");
    let ok = learner.ok(&["verify", &format!("{name}:2")]);
    assert!(ok.contains(": ok, "), "{ok}");

    // The plan says so, and asks for no more than it needs.
    let plan = machine(3).json(&["plan", &app, "--push"]);
    let known: Vec<&Value> = plan["images"][0]["layers"].as_array().expect("is a list").iter().collect();
    assert!(known.iter().all(|layer| layer["knownFrom"] == "registry"), "{plan}");
    let text = machine(3).ok(&["plan", &app, "--push"]);
    assert_eq!(text.matches("cached (registry)").count(), layers, "{text}");

    // Not asked, and compared: all of it is built, and is the same.
    for (number, flags) in [(4, "--no-cache-from"), (5, "--cache-verify=100")] {
        let built = machine(number).json(&["build", &app, "--push", "--tag", "3", flags]);
        assert_eq!(built["digest"], plain["digest"], "{flags}");
        assert_eq!(states(&built), vec!["built"; layers], "{flags}");
    }

    // A cache of its own: blobs are mounted into it, and out of it.
    server.requests();
    let apart = format!("{}/shop/cache", server.host());
    let told = ["build", &app, "--push", "--tag", "1", "--cache-to", "--cache-repo", &apart];
    teacher.ok(&told);
    let log = server.requests();
    assert_eq!(super::mounted(&log).len(), layers, "{log:#?}");
    let other = format!("{}/shop/other", server.host());
    let learner = machine(6);
    let learned =
        learner.json(&["build", &app, "--push", "--tag", "1", "--name", &other, "--cache-repo", &apart]);
    let log = server.requests();
    assert_eq!(states(&learned), vec!["registry"; layers]);
    assert_eq!(super::mounted(&log).len(), layers, "{log:#?}");
    assert_eq!(uploaded(&log).len(), 1, "the configuration: {log:#?}");
    let ok = learner.ok(&["verify", &format!("{other}:1")]);
    assert!(ok.contains(": ok, "), "{ok}");
}

/// Damages the packed indexes of base layers in the files of a registry; how many there were.
fn damage_indexes(registry: &Path) -> usize {
    let mut damaged = 0;
    for file in files_below(registry) {
        let mut bytes = std::fs::read(&file).expect("readable");
        if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let end = bytes.len() - 1;
            bytes[end] ^= 0xff;
            std::fs::write(&file, bytes).expect("writable");
            damaged += 1;
        }
    }
    damaged
}

/// One machine reads the layers of a base and tells the cache; others know then, and fetch no base layer for it.
#[test]
fn a_cold_machine_is_told_what_a_base_has() {
    let Some(inputs) = inputs(&["tools/docker-registry"]) else { return };
    let directory = scratch();
    let directory = directory.path();
    let mut server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let machine = |number: usize| Pack::new(&directory.join(format!("machine-{number}")));
    let teacher = machine(1);

    let host = server.host();
    let base = format!("{host}/base/small");
    let text = format!(
        "[image]\nname = \"{base}\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\n\n[app]\npath = \"files\"\n\
         kind = \"tree\"\nroot = \"/\"\n"
    );
    let files = directory.join("base/files");
    for (name, content) in [
        ("lib64/ld-linux-x86-64.so.2", library(AMD64, &[])),
        ("usr/lib/libshop.so.1", library(AMD64, &["libdeep.so.1"])),
        ("usr/lib/libdeep.so.1", library(AMD64, &["libshop.so.1"])),
    ] {
        std::fs::create_dir_all(files.join(name).parent().expect("a parent")).expect("a directory");
        std::fs::write(files.join(name), content).expect("written");
        crate::support::chmod(&files.join(name), 0o755);
    }
    teacher.ok(&["build", &project(&directory.join("base"), &text), "--push", "--tag", "1"]);
    let history = teacher.json(&["history", &format!("{base}:1")]);
    let steps = history["history"].as_array().expect("is a list").iter();
    let layers: Vec<String> =
        steps.filter_map(|step| step["layer"]["digest"].as_str()).map(str::to_owned).collect();
    assert!(!layers.is_empty(), "{history}");
    let is_base_layer = |hex: &String| layers.iter().any(|layer| layer.ends_with(hex.as_str()));

    // A lock that another artifact wrote says nothing of libraries.
    let on_base = |name: &str, app: &str| {
        format!("[image]\nname = \"{host}/{name}\"\nbase = \"{base}:1\"\n\n[app]\n{app}")
    };
    let other = project(
        &directory.join("other"),
        &on_base("other", "path = \"files\"\nkind = \"tree\"\nroot = \"/app\"\n"),
    );
    std::fs::create_dir_all(directory.join("other/files")).expect("a directory");
    std::fs::write(directory.join("other/files/a.txt"), "a").expect("written");
    machine(9).ok(&["update", &other]);
    let lock = std::fs::read(directory.join("other/build.lock")).expect("a lock");

    let shop = |number: usize, has_lock: bool| {
        let at = directory.join(format!("shop-{number}"));
        let app = project(&at, &on_base("shop", "path = \"server\"\n"));
        std::fs::write(at.join("server"), elf(AMD64, &["libshop.so.1"])).expect("written");
        if has_lock {
            std::fs::write(at.join("build.lock"), &lock).expect("written");
        }
        app
    };
    let unknown = |built: &Value| {
        let findings = built["findings"].as_array().expect("a list");
        findings.iter().filter(|finding| finding["answer"] == "unknown").count()
    };

    let answers = |built: &Value| -> Vec<(String, String)> {
        let findings = built["findings"].as_array().expect("a list").iter();
        findings.map(|finding| (finding["rule"].to_string(), finding["answer"].to_string())).collect()
    };

    // Before anything was told, nothing at hand tells.
    let early = shop(2, true);
    let asked = machine(2).json(&["build", &early, "--push", "--tag", "2"]);
    assert_eq!(unknown(&asked), 1, "{asked}");

    let taught = teacher.json(&["build", &shop(1, false), "--push", "--tag", "1", "--cache-to"]);
    assert_eq!(unknown(&taught), 0, "{taught}");
    let told = about_entries(&server.requests(), "PUT").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert!(told.iter().any(|path| path.contains("pack-cache-base-")), "{told:?}");

    // The same inputs: the earlier outcome is not taken, since another machine has told.
    let again = machine(2).json(&["build", &early, "--push", "--tag", "2"]);
    assert_eq!((unknown(&again), &again["digest"]), (0, &asked["digest"]), "{again}");

    // A cold machine with that lock is told, and fetches no layer of the base; without one it reads them in any case.
    for (number, has_lock) in [(3, true), (4, false)] {
        server.requests();
        let learned = machine(number).json(&["build", &shop(number, has_lock), "--push", "--tag", "3"]);
        assert_eq!(answers(&learned), answers(&taught), "lock: {has_lock}");
        let got = fetched(&server.requests());
        assert_eq!(got.iter().any(is_base_layer), !has_lock, "{got:?}");
    }
    let alone = machine(5).json(&["build", &shop(5, true), "--push", "--tag", "4", "--no-cache-from"]);
    assert_eq!(unknown(&alone), 1, "{alone}");

    // A build that compares reads the layer itself.
    server.requests();
    let arguments = ["build", &shop(8, true), "--push", "--tag", "7", "--cache-verify=100"];
    let compared = machine(8).json(&arguments);
    assert_eq!(answers(&compared), answers(&taught));
    assert!(fetched(&server.requests()).iter().any(is_base_layer));

    // A rebase on a cold machine is told, too, and fetches no layer.
    let image = format!("{host}/shop:1");
    let base_of = format!("{base}:1");
    server.requests();
    let arguments = ["rebase", &image, "--base", &base_of, "--old-base", &base_of, "-t", "5"];
    let rebased = machine(6).json(&arguments);
    let findings = rebased["findings"].as_array().expect("a list");
    let libc = findings.iter().find(|finding| finding["rule"] == "elf-libc").expect("a finding");
    assert_eq!(libc["answer"], "met", "{rebased}");
    let got = fetched(&server.requests());
    assert!(!got.iter().any(is_base_layer), "{got:?}");

    // An entry that is damaged tells nothing.
    assert!(damage_indexes(&directory.join("registry")) > 0);
    let built = machine(7).json(&["build", &shop(7, true), "--push", "--tag", "6"]);
    assert_eq!((unknown(&built), &built["digest"]), (1, &taught["digest"]), "{built}");
}
