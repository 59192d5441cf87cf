//! `pack serve` by clients and judges of others.

use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use super::engines::{Docker, Engine as _, can_run, stop};
use super::peers::peer;
use super::tools::{Podman, is_listening, line, run};
use super::{inputs, say};
use crate::serve::Served;
use crate::support::{Project, text};

#[test]
fn skopeo_and_podman_pull_from_the_store() {
    if inputs(&[]).is_none() {
        return;
    }
    let project = Project::small();
    let built = project.build("");
    let served = Served::start(&project);
    let image = format!("{}/tree:1", served.address);
    let found = run(&mut line(&format!(
        "skopeo inspect --tls-verify=false --format {{{{.Digest}}}} docker://{image}"
    )));
    assert_eq!(found.trim(), built.digest());
    let copied = project.beside("copied");
    run(&mut line(&format!(
        "skopeo copy -q --src-tls-verify=false docker://{image} oci:{}:1",
        copied.display()
    )));
    assert!(copied.join("blobs/sha256").join(&built.digest()["sha256:".len()..]).is_file());
    let tags =
        run(&mut line(&format!("skopeo list-tags --tls-verify=false docker://{}/tree", served.address)));
    assert!(tags.contains("\"1\""), "{tags}");
    if can_run("podman") {
        let podman = Podman::new(&project.beside("podman"));
        podman.run(&format!("pull -q --tls-verify=false {image}"));
        let pulled = podman.run(&format!("image inspect --format {{{{.Digest}}}} {image}"));
        assert_eq!(pulled.trim(), built.digest());
    }
}

#[test]
fn docker_pulls_from_the_store() {
    if !can_run("dockerd") {
        return;
    }
    let project = Project::small();
    let built = project.build("--name shop");
    let served = Served::start(&project);
    let Some(docker) = Docker::start(&project.beside("docker")) else { return };
    // An image of Docker Hub by its short name.
    for path in ["shop", "library/shop"] {
        let image = format!("{}/{path}:1", served.address);
        docker.client(&format!("pull -q {image}"));
        let digests = docker.client(&format!("image inspect --format {{{{.RepoDigests}}}} {image}"));
        assert!(digests.contains(&format!("{path}@{}", built.digest())), "{digests}");
    }
}

/// As k3s does it, whose engine this is.
#[test]
fn containerd_takes_the_store_for_the_registry_of_an_image() {
    if !can_run("containerd") {
        return;
    }
    let project = Project::small();
    let built = project.build("--name registry.example/shop/tree");
    let served = Served::start(&project);
    let Some(containerd) = Containerd::start(&project.beside("containerd")) else { return };
    let hosts = project.beside("hosts");
    std::fs::create_dir_all(hosts.join("registry.example")).unwrap();
    std::fs::write(
        hosts.join("registry.example/hosts.toml"),
        format!("[host.\"http://{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n", served.address),
    )
    .unwrap();
    let image = "registry.example/shop/tree:1";
    containerd.client(&format!("images pull --hosts-dir {} {image}", hosts.display()));
    let images = containerd.client("images ls");
    assert!(images.lines().any(|line| line.starts_with(image) && line.contains(&built.digest())), "{images}");
}

/// containerd with its data in a directory of its own.
struct Containerd {
    process: Child,
    /// Sockets have short names.
    short: TempDir,
}

impl Containerd {
    /// None where the machine does not let it start, which is said.
    fn start(directory: &Path) -> Option<Self> {
        let short = tempfile::Builder::new().prefix("pack-").tempdir_in("/tmp").expect("can be made");
        let s = short.path().display();
        let settings = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{s}/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{s}/s\"\n[ttrpc]\naddress = \"{s}/t\"\n",
            directory.display()
        );
        std::fs::write(short.path().join("settings"), settings).expect("can be written");
        let mut command = line(&format!("containerd --config {s}/settings"));
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut containerd = Self { process: command.spawn().expect("containerd starts"), short };
        let socket = containerd.short.path().join("s");
        if is_listening(&mut containerd.process, &socket) {
            return Some(containerd);
        }
        say("not run: containerd does not start here");
        None
    }

    /// The output of its own client.
    fn client(&self, rest: &str) -> String {
        run(&mut line(&format!("ctr --address {}/s {rest}", self.short.path().display())))
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

#[test]
fn the_suite_of_the_specification_finds_no_fault() {
    let (Some(_), Some(suite)) = (inputs(&[]), peer("conformance/conformance")) else { return };
    let project = Project::small();
    let built = project.build("--sbom --tag a --tag b --tag c --tag d");
    let served = Served::start(&project);
    let manifest =
        std::fs::read(project.cache().join("blobs/sha256").join(&built.digest()["sha256:".len()..])).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let blobs: Vec<String> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&manifest["config"]])
        .map(|blob| text(&blob["digest"]))
        .collect();
    let mut command = std::process::Command::new(suite);
    command.current_dir(project.root()).env_clear().env("OCI_LOG", "warn").env("OCI_VERSION", "1.1");
    command.env("OCI_REGISTRY", &served.address).env("OCI_TLS", "disabled").env("OCI_REPO1", "tree");
    for (name, value) in [
        ("API_PUSH", "false"),
        ("API_BLOBS_DELETE", "false"),
        ("API_MANIFESTS_DELETE", "false"),
        ("API_TAGS_DELETE", "false"),
        ("RO_DATA_TAGS", "a b c d"),
        ("RO_DATA_MANIFESTS", &built.digest()),
        ("RO_DATA_BLOBS", &blobs.join(" ")),
        ("RO_DATA_REFERRERS", &built.digest()),
    ] {
        command.env(format!("OCI_{name}"), value);
    }
    // Its exit code says nothing: of a registry that it cannot push to, this version ends with a panic after the report.
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("OCI Conformance Result: Pass") && !said.contains("FAIL: "), "{said}");
    for api in [
        "Tag listing",
        "Blob get",
        "Blob head",
        "Manifest get by digest",
        "Manifest get by tag",
        "Manifest head by tag",
        "Referrers",
    ] {
        let line = said.lines().find(|line| line.trim_start().starts_with(&format!("{api}.")));
        assert!(line.is_some_and(|line| line.ends_with(" Pass")), "{api}: {said}");
    }
}
