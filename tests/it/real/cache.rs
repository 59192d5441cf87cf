//! The registry as a cache of layers: two machines, a real registry.

use super::server::{Request, Server, fetched, uploaded};
use super::tools::Pack;
use super::{Value, inputs, project, scratch};

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
