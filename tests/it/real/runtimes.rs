//! Applications of Node.js and Python, on bases of Debian's packages, run by the real interpreters.

use std::path::{Path, PathBuf};

use super::tools::{Pack, Podman, line, run};
use super::{inputs, project, say, scratch};
use crate::{node, python};

/// A base of Debian and one of the runtimes, in a layout.
pub(super) fn base(pack: &Pack, inputs: &Path, directory: &Path, runtime: &str) -> String {
    let base = format!("oci:{}", directory.join(runtime).display());
    let layer = |name: &str, tree: PathBuf| {
        format!(
            "[[layer]]\nname = \"{name}\"\nfiles = [{{ from = \"{}\", to = \"/\", keep-modes = true, keep-owners = true }}]\n",
            tree.display()
        )
    };
    let text = format!(
        "[image]\nname = \"localhost/{runtime}\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/{}\"]\n\
         compression = \"none\"\n{}{}[config]\nenv = {{ PATH = \"/usr/local/bin:/usr/bin:/bin\" }}\n",
        std::env::consts::ARCH,
        layer("debian", inputs.join("base/debian")),
        layer(runtime, inputs.join("runtimes").join(runtime)),
    );
    pack.ok(&["build", &project(&directory.join("base"), &text), "-o", &base]);
    base
}

/// The output of a container of `artifact` on `base`, until it ends.
pub(super) fn started(pack: &Pack, directory: &Path, base: &str, artifact: &Path) -> String {
    let archive = directory.join("app.tar");
    let output = format!("oci-archive:{}", archive.display());
    let artifact = artifact.to_str().expect("is text");
    let build = ["build", artifact, "--base", base, "--name", "localhost/app", "-t", "1", "-o", &output];
    // A script that was installed elsewhere names the interpreter of there; here, the command names one.
    let right: &[&str] = if artifact.ends_with("/target") {
        &["--allow", "build-path=python3 is given the script"]
    } else {
        &[]
    };
    pack.strict(&[&build[..], right].concat());
    let containers = tempfile::tempdir_in(directory).expect("can be made");
    Podman::new(containers.path()).run(&format!(
        "run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=8192:8192 oci-archive:{}",
        archive.display()
    ))
}

/// The inputs, where a container can be run.
pub(super) fn ready(runtime: &str) -> Option<PathBuf> {
    let inputs = inputs(&["base/debian", runtime])?;
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return None;
    }
    Some(inputs)
}

#[test]
fn applications_of_node_answer_on_a_real_base() {
    let Some(inputs) = ready("runtimes/node") else { return };
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let base = base(&pack, &inputs, directory, "node");
    node::lay_out(&directory.join("npm"), node::NPM);
    assert_eq!(started(&pack, directory, &base, &directory.join("npm")).trim(), node::ANSWER);
    let files = node::pnpm();
    node::lay_out(&directory.join("pnpm"), files.iter().map(|(name, text)| (&**name, &**text)));
    assert_eq!(started(&pack, directory, &base, &directory.join("pnpm")).trim(), node::ANSWER);
    std::fs::write(directory.join("bundle.cjs"), "console.log('bundled', process.cwd())\n").expect("written");
    assert_eq!(started(&pack, directory, &base, &directory.join("bundle.cjs")), "bundled /app\n");
}

#[test]
fn applications_of_python_answer_on_a_real_base() {
    let Some(inputs) = ready("runtimes/python") else { return };
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let base = base(&pack, &inputs, directory, "python");
    for (name, files) in [
        ("venv", python::environment("")),
        ("project", python::environment(".venv/")),
        ("target", python::target()),
    ] {
        node::lay_out(&directory.join(name), python::texts(&files));
        let said = started(&pack, directory, &base, &directory.join(name));
        let prefix = if name == "target" { "/usr" } else { "/app/.venv" };
        assert_eq!(said, format!("hello world {prefix}\n"), "{name}");
    }
    let app = directory.join("app.pyz");
    std::fs::create_dir(directory.join("zipped")).expect("made");
    std::fs::write(directory.join("zipped/__main__.py"), "import sys; print('zipped', sys.argv[0])")
        .expect("written");
    run(line("python3 -m zipapp -p /usr/bin/python3").arg(directory.join("zipped")).arg("-o").arg(&app));
    assert_eq!(started(&pack, directory, &base, &app), "zipped /app/app.pyz\n");
}

/// An environment that the standard library makes on this machine.
#[test]
fn an_environment_of_this_machine_runs_on_a_real_base() {
    let Some(inputs) = ready("runtimes/python") else { return };
    let directory = scratch();
    let directory = directory.path();
    let Ok(version) =
        std::process::Command::new("python3").args(["-c", "import sys; print(sys.version_info[1])"]).output()
    else {
        say("not run: python3 is missing");
        return;
    };
    if version.stdout != b"11\n" {
        say("not run: python3 is another than the base's 3.11");
        return;
    }
    let environment = directory.join("venv");
    run(line("python3 -m venv --without-pip").arg(&environment));
    let files = python::environment("");
    let packages = files.iter().filter(|(name, _)| name.starts_with("lib/"));
    node::lay_out(&environment, packages.map(|(name, text)| (&**name, &**text)));
    // The modules are compiled here, for the times of here.
    run(line("python3 -m compileall -q").arg(environment.join("lib")));
    let pack = Pack::new(&directory.join("home"));
    let base = base(&pack, &inputs, directory, "python");
    assert_eq!(started(&pack, directory, &base, &environment), "hello world /app/.venv\n");
}
