//! `-o docker`: into a running engine, which here is Podman's service.

use super::tools::{Pack, Podman, Said, line};
use super::{inputs, project, say, scratch};
use crate::support::noise;

#[test]
fn an_image_is_loaded_into_a_running_engine() {
    if inputs(&[]).is_none() {
        return;
    }
    let there = line("podman --version").output().is_ok_and(|output| output.status.success());
    if !there || !rustix::process::geteuid().is_root() {
        say("not run: an engine of its own takes podman and root");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let podman = Podman::new(&directory.join("podman"));
    let (mut service, socket) = podman.serve();
    let pack = Pack::new(&directory.join("home"));
    let app = directory.join("app");
    let text = "[image]\nname = \"localhost/loaded\"\nbase = \"scratch\"\ntags = [\"1\", \"stable\"]\n\
                platforms = [\"linux/amd64\"]\n\n\
                [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n\n\
                [[layer]]\nname = \"data\"\nfiles = [{ from = \"data\", to = \"/data\" }]\n";
    for part in ["files", "data"] {
        std::fs::create_dir_all(app.join(part)).expect("can be made");
    }
    std::fs::write(app.join("data/noise"), noise(5, 3 << 20)).expect("can be written");
    let app_directory = project(&app, text);
    let build = |content: &str| {
        std::fs::write(app.join("files/page"), content).expect("can be written");
        let out = format!("oci:out-{content}");
        let mut command = pack.command(&["build", &app_directory, "-o", "docker", "-o", &out]);
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        let said: Said = command.output().expect("pack starts").into();
        assert_eq!(said.code, Some(0), "{said:?}");
        pack.ok(&["verify", &format!("{out}:1")]);
        let image = pack.json(&["inspect", &format!("{out}:1")]);
        image["configDigest"].as_str().expect("names its configuration").to_owned()
    };
    let id_of = |name: &str| {
        let id = podman.run(&format!("image inspect --format {{{{.Id}}}} {name}"));
        format!("sha256:{}", id.trim().trim_start_matches("sha256:"))
    };
    // Twice the same, the second time known by its ID; then another under the same names.
    for content in ["one", "one", "two"] {
        let config = build(content);
        for tag in ["1", "stable"] {
            assert_eq!(id_of(&format!("localhost/loaded:{tag}")), config);
        }
    }
    let saved = directory.join("saved.tar");
    podman.run(&format!("save -q --format docker-archive -o {} localhost/loaded:1", saved.display()));
    let ok = pack.ok(&["verify", &format!("docker-archive:{}", saved.display())]);
    assert!(ok.contains(": ok, "), "{ok}");
    let _ = service.kill();
    let _ = service.wait();
}
