//! Java applications on a real base, run by a real runtime.

use std::path::Path;

use super::server::Server;
use super::tools::{Pack, Podman};
use super::{inputs, project, say, scratch};
use crate::apps::hello_jar;
use crate::java::{
    Classes, boot_war, distribution, distribution_tar, distribution_zip, gzip, quarkus_app, small_boot_jar,
    thin_jar,
};

/// A Debian with a Java runtime, as a base for other images.
pub(super) fn jre_base(pack: &Pack, inputs: &Path, directory: &Path) -> String {
    let variables = std::fs::read_to_string(inputs.join("base/base.env")).expect("can be read");
    let variable = |name: &str| {
        let found = variables.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.expect("is there").to_owned()
    };
    let tree = |name: &str| inputs.join("base").join(name).display().to_string();
    let base = format!("oci:{}", directory.join("jre").display());
    let text = format!(
        "[image]\nname = \"localhost/jre\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/{}\"]\n\
         compression = \"none\"\n\
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
    base
}

/// Pushes an image of the artifact on the base, and runs it; what it prints until it ends.
fn started(pack: &Pack, podman: &Podman, image: &str, base: &str, artifact: &Path, more: &[&str]) -> String {
    let artifact = artifact.to_str().expect("is text");
    let (repository, tag) = image.rsplit_once(':').expect("has a tag");
    let build = ["build", artifact, "--base", base, "--name", repository, "-t", tag, "--push"];
    pack.strict(&[&build[..], more].concat());
    podman.run(&format!(
        "run -q --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=8192:8192 --tls-verify=false {image}"
    ))
}

#[test]
fn java_applications_start_on_a_real_base() {
    let needed =
        ["base/debian", "base/jre", "base/base.env", "classes/shop/Main.class", "tools/docker-registry"];
    let Some(inputs) = inputs(&needed) else { return };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let base = jre_base(&pack, &inputs, directory);
    let podman = Podman::new(directory);
    let class = |name: &str| std::fs::read(inputs.join("classes").join(name)).expect("can be read");
    let classes = Classes {
        main: class("shop/Main.class"),
        library: class("greeting/Greeting.class"),
        launcher: class("loader/Launcher.class"),
    };
    let write = |name: &str, bytes: Vec<u8>| {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("can be made");
        std::fs::write(&path, bytes).expect("can be written");
        path
    };
    let program = inputs.join("tools/docker-registry");
    let server = Server::start(&program, &directory.join("registry"), false);
    let tags = std::cell::Cell::new(0);
    let run = |artifact: &Path, more: &[&str]| {
        tags.set(tags.get() + 1);
        let image = format!("{}/shop/app:{}", server.host(), tags.get());
        started(&pack, &podman, &image, &base, artifact, more)
    };

    let jar = write("hello-1.0.jar", hello_jar(""));
    assert_eq!(run(&jar, &[]), "hello from a jar\n");

    let boot = write("boot-1.0.jar", small_boot_jar(&classes, "the shop"));
    assert_eq!(run(&boot, &[]), "hello to the shop\n", "extracted");
    assert_eq!(run(&boot, &["--layout", "exploded"]), "hello to the shop\n", "exploded");

    let war = write("boot-1.0.war", boot_war(&classes));
    assert_eq!(run(&war, &[]), "hello to a web application\n");

    for (name, content) in thin_jar(&classes) {
        write(&format!("thin/{name}"), content);
    }
    assert_eq!(run(&directory.join("thin/shop-1.2.jar"), &[]), "hello to a thin jar\n");

    for (name, content) in quarkus_app(&classes) {
        write(name, content);
    }
    assert_eq!(run(&directory.join("quarkus-app"), &[]), "hello to Quarkus\n");

    for (name, content) in distribution(&classes) {
        write(name, content);
    }
    assert_eq!(run(&directory.join("shop-1.2"), &[]), "hello to a distribution\n");
    let zip = write("shop-1.2.zip", distribution_zip(&classes));
    assert_eq!(run(&zip, &[]), "hello to a distribution\n");
    assert_eq!(run(&zip, &["--set", "app.start=java"]), "hello to a distribution\n", "by Java itself");
    let tar = write("shop-1.2.tar.gz", gzip(&distribution_tar(&classes)));
    assert_eq!(run(&tar, &[]), "hello to a distribution\n");
}
