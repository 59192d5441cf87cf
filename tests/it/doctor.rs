//! `pack doctor` about this machine.

use std::fs;

use serde_json::Value;

use crate::support::{Project, chmod, is_root, text};

/// The health and the advice of a step.
fn step(diagnosis: &Value, name: &str) -> (String, String) {
    let checks = diagnosis["checks"].as_array().unwrap();
    let check =
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {diagnosis:#}"));
    (text(&check["health"]), check["advice"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn this_machine_is_looked_at() {
    let project = Project::small();
    let said = project.pack("doctor").ok();
    assert_eq!(said.stderr, "");
    for name in ["program", "clock", "store", "temporary", "config", "credentials", "git", "engine"] {
        assert!(said.stdout.lines().any(|line| line.starts_with(name)), "{name}: {said:?}");
    }
    assert!(said.stdout.contains("does not exist: the first build makes it"), "{said:?}");
    assert!(!project.cache().exists(), "nothing is changed");
    project.pack("build").ok();
    let said = project.pack("doctor").ok();
    assert!(said.stdout.contains("blobs, "), "{said:?}");
    let json = project.pack("doctor --json").ok().json();
    assert_eq!((&json["scope"], &json["well"]), (&"this machine".into(), &true.into()));
    assert_eq!(step(&json, "store").0, "good");
    project.pack("doctor --push").fails(2).hints();
}

#[test]
fn each_fault_of_this_machine_has_advice() {
    let project = Project::small();
    let home = project.beside("home");
    let docker = home.join(".docker/config.json");
    fs::create_dir_all(docker.parent().unwrap()).unwrap();
    fs::write(&docker, "{\"auths\":{\"r.example\":{\"auth\":\"YTpi\"}},\"credsStore\":\"nowhere\"}").unwrap();
    chmod(&docker, 0o644);
    let config = home.join(".config/pack/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[registry.\"r.example\"]\nclient-cert = \"cert.pem\"\nclient-key = \"key.pem\"\n")
        .unwrap();
    fs::write(config.with_file_name("key.pem"), "").unwrap();
    chmod(&config.with_file_name("key.pem"), 0o640);
    chmod(&config, 0o666);
    let json = project.pack("doctor --json").env("DOCKER_HOST", "unix:///nowhere.sock").ok().json();
    for (name, advice) in [
        ("credentials", "install `docker-credential-nowhere`"),
        ("config", "`chmod 600 "),
        ("engine", "only `-o docker` needs an engine"),
    ] {
        let (health, found) = step(&json, name);
        assert!(health == "note" && found.contains(advice), "{name}: {json:#}");
    }
    let shown = json.to_string();
    assert!(
        shown.contains("other users can change it") && shown.contains("other users can read"),
        "{json:#}"
    );
    assert!(!shown.contains("YTpi"), "no secret is shown");
    // Faults that stop every build.
    fs::write(&config, "[registry\n").unwrap();
    fs::write(&docker, "{").unwrap();
    let said = project.pack("doctor --json").run().has_code(1);
    let said = said.says(&["this machine: 2 steps failed: config, credentials", "hint: mend "]);
    let json = said.json();
    assert_eq!((step(&json, "config").0, step(&json, "credentials").0), ("bad".to_owned(), "bad".to_owned()));
    assert_eq!(json["well"], false);
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    if !is_root() {
        return;
    }
    let project = Project::small();
    project.pack("build").ok();
    let json = project.pack("doctor --json").nobody().run().json();
    let (health, advice) = step(&json, "store");
    assert!(health == "note" && advice.contains("PACK_CACHE_DIR"), "{json:#}");
    let closed = project.beside("closed");
    fs::create_dir(&closed).unwrap();
    chmod(&closed, 0o755);
    let run = project.pack("doctor --json").nobody().env("TMPDIR", &closed.display().to_string());
    let said = run.run().has_code(1);
    assert_eq!(step(&said.json(), "temporary").0, "bad", "{said:?}");
}

#[test]
fn a_place_that_is_no_directory_and_an_engine_that_is_silent_are_told() {
    let project = Project::small();
    project.write("file", "");
    for place in ["file", "file/below"] {
        let said = project.pack("doctor --json --cache-dir").arg(place).run().has_code(1);
        assert_eq!(step(&said.json(), "store").0, "bad", "{said:?}");
        let temporary = project.path(place).display().to_string();
        let said = project.pack("doctor --json").env("TMPDIR", &temporary).run().has_code(1);
        assert_eq!(step(&said.json(), "temporary").0, "bad", "{said:?}");
    }
    // It is not made into a store.
    fs::create_dir(project.path("empty")).unwrap();
    let said = project.pack("doctor --cache-dir empty").ok();
    assert!(said.stdout.contains("has no store: the first build makes it"), "{said:?}");
    assert_eq!(fs::read_dir(project.path("empty")).unwrap().count(), 0);
    // It takes connections and never answers.
    let socket = project.beside("engine.sock");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let host = format!("unix://{}", socket.display());
    let json = project.pack("doctor --json").env("DOCKER_HOST", &host).ok().json();
    assert_eq!(step(&json, "engine").0, "note", "{json:#}");
}
