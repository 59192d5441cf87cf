//! A Java application in one jar, on a real base, run by a real runtime.

use std::path::Path;

use super::tools::{Pack, Podman};
use super::{inputs, project, say, scratch};
use crate::apps::hello_jar;

#[test]
fn a_jar_starts_on_a_real_base() {
    let Some(inputs) = inputs(&["base/debian", "base/jre", "base/base.env"]) else { return };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let variables = std::fs::read_to_string(inputs.join("base/base.env")).expect("can be read");
    let variable = |name: &str| {
        let found = variables.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.expect("is there").to_owned()
    };
    let tree = |name: &str| inputs.join("base").join(name).display().to_string();
    let base = format!("oci:{}", directory.join("jre").display());
    let text = format!(
        "[image]\nname = \"localhost/jre\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/{}\"]\n\
         [[layer]]\nname = \"debian\"\nfiles = [{{ from = \"{}\", to = \"/\", keep-modes = true, keep-owners = true }}]\n\
         [[layer]]\nname = \"jre\"\nfiles = [{{ from = \"{}\", to = \"/\", keep-modes = true, keep-owners = true }}]\n\
         [config]\nenv = {{ PATH = \"{}\", JAVA_HOME = \"{}\" }}\n",
        std::env::consts::ARCH,
        tree("debian"),
        tree("jre"),
        variable("PATH"),
        variable("JAVA_HOME"),
    );
    pack.ok(&["build", &project(&directory.join("base"), &text), "-o", &base]);

    let jar = directory.join("hello-1.0.jar");
    std::fs::write(&jar, hello_jar("")).expect("can be written");
    let archive = directory.join("app.tar");
    let jar = jar.to_str().expect("is text");
    let output = format!("oci-archive:{}", archive.display());
    pack.ok(&["build", jar, "--base", &base, "--name", "localhost/hello", "-t", "1", "-o", &output]);
    assert_eq!(started(directory, &archive), "hello from a jar\n");
}

/// The output of a container of the image in `archive` until it ends.
fn started(directory: &Path, archive: &Path) -> String {
    let podman = Podman::new(directory);
    podman.run(&format!(
        "run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=8192:8192 oci-archive:{}",
        archive.display()
    ))
}
