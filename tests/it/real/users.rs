//! A program that runs as a user that the image adds, with owners, modes and capabilities by patterns.

use super::runtimes::{base, ready};
use super::tools::{Pack, Podman};
use super::{project, scratch};

/// Prints the user, the effective capabilities, the paths that can be written to, and the attribute of the program.
const SCRIPT: &str = r#"
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.getuid(), os.getgid(), os.environ["HOME"])
print("effective", status["CapEff"].strip())
for path in ["/srv/data/written", "/home/shop/written", "/srv/etc/written", "/srv/app.py"]:
    try:
        open(path, "a").close()
        print(path, "written")
    except PermissionError:
        print(path, "refused")
try:
    print("attribute", os.getxattr("/srv/bin/server", "security.capability").hex())
except OSError:
    print("attribute none")
"#;

/// The output of the program in a container, where `bin/*` has these settings besides its mode.
fn started(pack: &Pack, directory: &std::path::Path, base: &str, capabilities: &str) -> String {
    let text = format!(
        r#"
[image]
name = "localhost/app"
base = "{base}"
tags = ["1"]
[app]
path = "files"
kind = "tree"
root = "/srv"
[[app.permissions]]
path = "**"
owner = "0:shop"
mode = "0640"
directory-mode = "0750"
[[app.permissions]]
path = "bin/*"
mode = "0750"
{capabilities}
[[app.permissions]]
path = "data"
owner = "shop"
directory-mode = "0700"
[[user]]
name = "shop"
uid = 2000
home = "/home/shop"
[config]
user = "shop"
entrypoint = ["/srv/bin/server", "/srv/app.py"]
"#
    );
    let project = project(&directory.join("project"), &text);
    let archive = directory.join("app.tar");
    pack.ok(&["build", &project, "-o", &format!("oci-archive:{}", archive.display())]);
    let containers = tempfile::tempdir_in(directory).expect("can be made");
    Podman::new(containers.path()).run(&format!(
        "run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=8192:8192 oci-archive:{}",
        archive.display()
    ))
}

#[test]
fn a_program_runs_as_an_added_user_with_its_capabilities() {
    let Some(inputs) = ready("runtimes/python") else { return };
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let base = base(&pack, &inputs, directory, "python");
    let files = directory.join("project/files");
    for name in ["bin", "data", "etc"] {
        std::fs::create_dir_all(files.join(name)).expect("made");
    }
    std::fs::copy(inputs.join("runtimes/python/usr/bin/python3.11"), files.join("bin/server"))
        .expect("copied");
    std::fs::write(files.join("app.py"), SCRIPT).expect("written");
    let rest = "/srv/data/written written\n/home/shop/written written\n\
                /srv/etc/written refused\n/srv/app.py refused\n";
    assert_eq!(
        started(&pack, directory, &base, "capabilities = \"cap_net_bind_service=ep\""),
        format!(
            "2000 2000 /home/shop\neffective 0000000000000400\n{rest}\
             attribute 0100000200040000000000000000000000000000\n"
        )
    );
    assert_eq!(
        started(&pack, directory, &base, ""),
        format!("2000 2000 /home/shop\neffective 0000000000000000\n{rest}attribute none\n")
    );
}
