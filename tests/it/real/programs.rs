//! Programs and sites as images that podman and runc start: programs of several languages, linked in each way, and pages that
//! nginx sends.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::runtimes::ready;
use super::server::free_port;
use super::tools::{Pack, Podman};
use super::{http, inputs, project, say, scratch};

/// The output of a container of this program.
fn printed(pack: &Pack, directory: &Path, base: &str, program: &Path, arguments: &str) -> String {
    let archive = directory.join("program.tar");
    let output = format!("oci-archive:{}", archive.display());
    let program = program.to_str().expect("is text");
    let build = ["build", program, "--base", base, "--name", "localhost/program", "-t", "1", "-o", &output];
    // No finding of the checks is right but that nothing has no certificates for programs that could fetch.
    pack.strict(&[&build[..], &["--allow", "ca-certificates=it is asked for its version"]].concat());
    let containers = tempfile::tempdir_in(directory).expect("can be made");
    Podman::new(containers.path()).run(&format!(
        "run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=8192:8192 oci-archive:{} {arguments}",
        archive.display()
    ))
}

#[test]
fn programs_start_on_what_they_need() {
    let Some(inputs) = ready("artifacts/dash") else { return };
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    // Linked statically, they start on nothing: one of C, and where they are there, one of Go and one of Rust.
    for (program, arguments, says) in [
        ("artifacts/busybox-static", "echo hello", "hello\n"),
        ("esbuild/amd64/bin/esbuild", "--version", "0."),
        ("ruff/ruff", "--version", "ruff "),
    ] {
        let path = inputs.join(program);
        if !path.is_file() {
            say(&format!("not run: `{program}` is missing; `tests/run --peers` prepares it"));
            continue;
        }
        let said = printed(&pack, directory, "scratch", &path, arguments);
        assert!(said.contains(says), "{program}: {said}");
    }
    // Linked dynamically, they start on a base with their libraries: one of C, and one of Go that uses the C library.
    let debian = format!("oci:{}", directory.join("debian").display());
    let text = format!(
        "[image]\nname = \"localhost/debian\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/{}\"]\n\
         compression = \"none\"\n[[layer]]\nname = \"debian\"\n\
         files = [{{ from = \"{}\", to = \"/\", keep-modes = true, keep-owners = true }}]\n",
        std::env::consts::ARCH,
        inputs.join("base/debian").display()
    );
    pack.ok(&["build", &project(&directory.join("base"), &text), "-o", &debian]);
    let dash = inputs.join("artifacts/dash");
    assert_eq!(printed(&pack, directory, &debian, &dash, "-c pwd"), "/\n");
    let registry = inputs.join("tools/docker-registry");
    if registry.is_file() {
        let said = printed(&pack, directory, &debian, &registry, "--version");
        assert!(said.contains("docker-registry"), "{said}");
    }
}

/// The libraries of a program, as its loader finds them here.
fn libraries_of(program: &str) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let paths = text.lines().filter_map(|line| line.split(" => ").nth(1)?.split(' ').next());
    paths.map(|path| std::fs::canonicalize(path).expect("a library")).collect()
}

#[test]
fn a_site_is_sent_by_nginx_in_a_container() {
    const NGINX: &str = "/usr/sbin/nginx";
    let Some(inputs) = inputs(&["base/debian", "artifacts/site"]) else { return };
    if !rustix::process::geteuid().is_root() || !Path::new(NGINX).exists() {
        say("not run: a base's files, and running it, are root's, and nginx is needed");
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let port = free_port();
    let config = directory.join("nginx.conf");
    let text = format!(
        "daemon off; master_process off; pid /tmp/pid;\nevents {{}}\nhttp {{ access_log off; client_body_temp_path /tmp/a;\n\
         proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;\n\
         server {{ listen 127.0.0.1:{port}; root /usr/share/nginx/html; gzip_static on; }} }}\n"
    );
    std::fs::write(&config, text).expect("written");
    // This machine's nginx with its libraries under the names that its loader looks for.
    let mut files = vec![
        format!("{{ from = \"{NGINX}\", to = \"{NGINX}\", mode = \"0755\" }}"),
        format!("{{ from = \"{}\", to = \"/etc/site.conf\" }}", config.display()),
    ];
    let output = Command::new("ldd").arg(NGINX).output().expect("ldd runs");
    let names = String::from_utf8(output.stdout).expect("text");
    let names =
        names.lines().filter(|line| line.contains(" => ")).filter_map(|line| line.split_whitespace().next());
    for (name, path) in names.zip(libraries_of(NGINX)) {
        let to = format!("/usr/lib/{}-linux-gnu/{name}", std::env::consts::ARCH);
        // The base's own libraries go with its loader.
        if inputs.join("base/debian").join(&to[1..]).symlink_metadata().is_ok() {
            continue;
        }
        files.push(format!("{{ from = \"{}\", to = \"{to}\", mode = \"0755\" }}", path.display()));
    }
    let base_of_nginx = format!("oci:{}", directory.join("nginx").display());
    let text = format!(
        "[image]\nname = \"localhost/nginx\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/{}\"]\n\
         compression = \"none\"\n[[layer]]\nname = \"debian\"\n\
         files = [{{ from = \"{}\", to = \"/\", keep-modes = true, keep-owners = true }}]\n\
         [[layer]]\nname = \"nginx\"\nfiles = [\n{}\n]\n\
         [config]\nenv = {{ PATH = \"/usr/sbin:/usr/bin\", NGINX_VERSION = \"1.22.1\" }}\n\
         entrypoint = [\"{NGINX}\", \"-e\", \"stderr\", \"-c\", \"/etc/site.conf\"]\n",
        std::env::consts::ARCH,
        inputs.join("base/debian").display(),
        files.join(",\n")
    );
    pack.ok(&["build", &project(&directory.join("base"), &text), "-o", &base_of_nginx]);
    let archive = directory.join("site.tar");
    let output = format!("oci-archive:{}", archive.display());
    let site = inputs.join("artifacts/site");
    let site = site.to_str().expect("is text");
    let build =
        ["build", site, "--base", &base_of_nginx, "--name", "localhost/site", "-t", "1", "-o", &output];
    pack.strict(&[&build[..], &["--set", "app.precompress=[\"gz\"]"]].concat());
    let podman = Podman::new(directory);
    podman.start_with(&format!("oci-archive:{}", archive.display()), &[]);
    let begun = std::time::Instant::now();
    let page = loop {
        if let Some((200, page)) = http::get(port, "/") {
            break page;
        }
        assert!(begun.elapsed().as_secs() < 60, "no answer: {}", podman.logs());
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert!(page.contains("<html"), "{page}");
}
