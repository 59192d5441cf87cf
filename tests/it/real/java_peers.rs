//! Java applications that other build tools made, compared with what their own tools make of them.

use std::io::Read as _;
use std::path::Path;

use super::jars::jre_base;
use super::peers::peer;
use super::server::{Server, free_port};
use super::tools::{Pack, Podman};
use super::{inputs, say, scratch};
use crate::support::files_below;

/// The files below a directory, by their paths in it.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let one = |path: std::path::PathBuf| {
        let name = path.strip_prefix(directory).expect("is below").display().to_string();
        (name, std::fs::read(path).expect("can be read"))
    };
    files_below(directory).into_iter().map(one).collect()
}

/// The entries of an archive as Java sees them: names and contents, in their order.
fn entries(jar: &[u8], directory: &Path) -> Vec<(String, Vec<u8>)> {
    let file = directory.join("entries.jar");
    std::fs::write(&file, jar).expect("can be written");
    let script = "import sys, zipfile\n\
                  jar = zipfile.ZipFile(sys.argv[1])\n\
                  assert jar.testzip() is None\n\
                  for entry in jar.infolist():\n    \
                  sys.stdout.write(entry.filename + '\\n' + jar.read(entry).hex() + '\\n')\n";
    let mut python = std::process::Command::new("python3");
    let printed = super::tools::run(python.args(["-c", script]).arg(&file));
    let lines: Vec<&str> = printed.lines().collect();
    lines.chunks(2).map(|entry| (entry[0].to_owned(), entry[1].as_bytes().to_vec())).collect()
}

/// The files of our layers of an image in a layout, in one directory.
fn unpack(layout: &Path, base_layers: usize, directory: &Path) {
    let json = |digest: &str| -> serde_json::Value {
        let blob = std::fs::read(layout.join("blobs/sha256").join(&digest["sha256:".len()..]));
        serde_json::from_slice(&blob.expect("is there")).expect("is JSON")
    };
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(layout.join("index.json")).expect("is there"))
            .expect("is JSON");
    let manifest = json(index["manifests"][0]["digest"].as_str().expect("is text"));
    for layer in &manifest["layers"].as_array().expect("is a list")[base_layers..] {
        let digest = layer["digest"].as_str().expect("is text");
        let blob = std::fs::File::open(layout.join("blobs/sha256").join(&digest["sha256:".len()..]));
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(blob.expect("is there")).read_to_end(&mut tar).expect("is gzip");
        tar::Archive::new(&tar[..]).unpack(directory).expect("can be unpacked");
    }
}

/// Waits for a page of a container, which must have this text.
fn answers(podman: &Podman, port: u16, path: &str, text: &str) {
    let begun = std::time::Instant::now();
    loop {
        match super::http::get(port, path) {
            Some((200, body)) if body.contains(text) => return,
            answer => assert!(begun.elapsed().as_secs() < 120, "{path}: {answer:?}: {}", podman.logs()),
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn a_boot_jar_is_what_its_own_tools_extract_and_answers() {
    let (Some(inputs), Some(jar)) = (inputs(&["base/jre", "tools/docker-registry"]), peer("boot/shop.jar"))
    else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let base = jre_base(&pack, &inputs, directory);
    let layout = directory.join("layout");
    let output = format!("oci:{}", layout.display());
    let jar_path = jar.to_str().expect("is text");
    pack.strict(&["build", jar_path, "--base", &base, "--name", "localhost/shop", "-t", "1", "-o", &output]);
    let unpacked = directory.join("unpacked");
    unpack(&layout, 2, &unpacked);

    // One directory for each layer there, all in one here.
    let extracted = jar.parent().expect("has a parent").join("extracted");
    let mut expected = Vec::new();
    for layer in ["dependencies", "snapshot-dependencies", "spring-boot-loader", "application"] {
        expected.extend(contents(&extracted.join(layer)));
    }
    let mut found = contents(&unpacked.join("app"));
    expected.sort();
    found.sort();
    let jar_of = |files: &mut Vec<(String, Vec<u8>)>, name: &str| {
        let number = files.iter().position(|(known, _)| known == name).expect(name);
        files.remove(number).1
    };
    let thin = entries(&jar_of(&mut found, "application.jar"), directory);
    assert_eq!(thin, entries(&jar_of(&mut expected, "shop.jar"), directory), "names, contents and order");
    assert!(found.len() > 60, "{}", found.len());
    assert!(found == expected, "the libraries are the same, byte for byte");

    // It answers, in each layout; the WAR does, started by its launcher.
    let server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let war = jar.with_file_name("shop.war");
    let war_path = war.to_str().expect("is text");
    for (tag, artifact, more) in [
        ("extracted", jar_path, &[][..]),
        ("exploded", jar_path, &["--layout", "exploded"][..]),
        ("packaged", jar_path, &["--layout", "packaged"][..]),
        ("war", war_path, &[][..]),
    ] {
        let name = format!("{}/shop/boot", server.host());
        let build = ["build", artifact, "--base", &base, "--name", &name, "-t", tag, "--push"];
        pack.ok(&[&build[..], more].concat());
        let port = free_port();
        let podman = Podman::new(&directory.join(tag));
        podman.start_with(&format!("{name}:{tag}"), &[format!("SERVER_PORT={port}")]);
        answers(&podman, port, "/hello", "hello from Spring Boot");
        answers(&podman, port, "/page.html", "a page of the shop");
    }
}

#[test]
fn a_quarkus_application_answers_in_each_of_its_forms() {
    let (Some(inputs), Some(fast)) =
        (inputs(&["base/jre", "tools/docker-registry"]), peer("quarkus/fast-jar"))
    else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let base = jre_base(&pack, &inputs, directory);
    let server = Server::start(&inputs.join("tools/docker-registry"), &directory.join("registry"), false);
    let beside = |form: &str| fast.with_file_name(form);
    let runner = |form: &str| {
        let mut jars = files_below(&beside(form)).into_iter();
        let is_runner = |path: &std::path::PathBuf| path.to_string_lossy().ends_with("-runner.jar");
        jars.rfind(is_runner).expect("is there")
    };
    for (form, artifact, kind) in [
        ("fast-jar", fast.clone(), "a Quarkus application"),
        ("mutable-jar", beside("mutable-jar"), "a Quarkus application"),
        ("uber-jar", runner("uber-jar"), "an executable jar"),
        ("legacy-jar", runner("legacy-jar"), "a Java archive"),
    ] {
        let name = format!("{}/shop/quarkus", server.host());
        let artifact = artifact.to_str().expect("is text");
        let plan = pack.json(&["plan", artifact, "--base", &base, "--name", &name]);
        assert_eq!(plan["artifacts"][0]["kind"], kind, "{form}");
        pack.strict(&["build", artifact, "--base", &base, "--name", &name, "-t", form, "--push"]);
        let port = free_port();
        let podman = Podman::new(&directory.join(form));
        podman.start_with(&format!("{name}:{form}"), &[format!("QUARKUS_HTTP_PORT={port}")]);
        answers(&podman, port, "/hello", "hello from Quarkus");
    }
}
