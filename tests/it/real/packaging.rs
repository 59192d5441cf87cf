//! The packages that `packaging/build` makes: each form is installed as its users do it, and runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::peers::peer;
use super::tools::{Pack, Podman, line, run};
use super::{inputs, say, scratch};
use crate::support::{PACK, REPOSITORY};

/// Makes all packages of the program under test.
fn packages(directory: &Path, name: &str, key: &Path, variables: &[(&str, &str)]) -> PathBuf {
    let made = directory.join(name);
    let mut build = Command::new(Path::new(REPOSITORY).join("packaging/build"));
    build.arg("--output").arg(&made).args(["--quick", "--binary", PACK, "--key"]).arg(key);
    build.current_dir(directory).env("SOURCE_DATE_EPOCH", "1700000000").envs(variables.iter().copied());
    run(&mut build);
    made
}

/// The package whose name ends in `end`.
fn package(made: &Path, end: &str) -> PathBuf {
    let mut found = fs::read_dir(made).unwrap().map(|file| file.unwrap().path());
    found.find(|file| file.to_string_lossy().ends_with(end)).unwrap_or_else(|| panic!("no {end}"))
}

fn says_its_version(program: &Path) {
    let said = run(Command::new(program).arg("--version"));
    assert_eq!(said.trim(), concat!("pack ", env!("CARGO_PKG_VERSION")), "{}", program.display());
}

#[test]
fn a_release_is_the_same_twice_and_each_of_its_packages_runs() {
    let Some(_) = inputs(&[]) else { return };
    let directory = scratch();
    let at = directory.path();
    let key = at.join("key.pem");
    run(line("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out").arg(&key));
    let made = packages(at, "made", &key, &[]);
    let again =
        packages(at, "again", &key, &[("TZ", "Asia/Tokyo"), ("LC_ALL", "C"), ("PYTHONHASHSEED", "7")]);
    let sums = fs::read_to_string(made.join("SHA256SUMS")).unwrap();
    assert_eq!(sums, fs::read_to_string(again.join("SHA256SUMS")).unwrap());
    assert_eq!(sums.lines().count(), fs::read_dir(&made).unwrap().count() - 2, "{sums}");
    run(line("sha256sum -c --quiet SHA256SUMS").current_dir(&made));
    run(line("openssl pkey -pubout -out key.pub -in").arg(&key).current_dir(at));
    run(line("openssl dgst -sha256 -verify ../key.pub -signature SHA256SUMS.sig SHA256SUMS")
        .current_dir(&made));

    let unpacked = at.join("tar");
    fs::create_dir(&unpacked).unwrap();
    run(line("tar --strip-components=1 -xzf").arg(package(&made, "-linux.tar.gz")).arg("-C").arg(&unpacked));
    says_its_version(&unpacked.join("bin/pack"));
    for file in ["share/man/man1/pack-build.1", "share/completions/_pack", "LICENSE"] {
        assert!(unpacked.join(file).is_file(), "{file}");
    }

    let debian = package(&made, ".deb");
    let faults = run(line("lintian --allow-root --tag-display-limit 0").arg(&debian));
    assert_eq!(faults, "");
    run(line("dpkg-deb -x").arg(&debian).arg(at.join("deb")));
    says_its_version(&at.join("deb/usr/bin/pack"));
    let page = at.join("deb/usr/share/man/man1/pack.1.gz");
    assert!(run(line("gzip -dc").arg(page)).contains(".TH pack 1"));

    the_wheel_is_installed(&package(&made, ".whl"), at);
    npm_installs(&made, at);
    the_image_builds_an_image(&package(&made, ".oci.tar"), at);
}

/// By pip into an environment of its own; without pip, as an archive.
fn the_wheel_is_installed(wheel: &Path, at: &Path) {
    let environment = at.join("venv");
    if peer("sbom/python").is_some() {
        run(line("python3 -m venv").arg(&environment));
        run(Command::new(environment.join("bin/pip")).args(["install", "-q", "--no-index"]).arg(wheel));
    } else {
        run(line("unzip -q").arg(wheel).arg("-d").arg(&environment));
        let data = format!("pack_oci-{}.data/scripts", env!("CARGO_PKG_VERSION"));
        fs::rename(environment.join(data), environment.join("bin")).unwrap();
    }
    says_its_version(&environment.join("bin/pack"));
}

/// The package and that of this processor, without a registry.
fn npm_installs(made: &Path, at: &Path) {
    if peer("esbuild").is_none() {
        return;
    }
    let version = env!("CARGO_PKG_VERSION");
    let main = package(made, &format!("pack-oci-{version}.tgz"));
    let mut names = fs::read_dir(made).unwrap().map(|file| file.unwrap().path());
    let platform = names.find(|file| file.to_string_lossy().contains("pack-oci-linux-")).unwrap();
    let place = at.join("npm");
    fs::create_dir(&place).unwrap();
    let mut npm = line("npm install --silent --no-audit --no-fund --omit=optional --prefix");
    run(npm.arg(&place).arg(&main).arg(&platform).env("npm_config_cache", at.join("npm-cache")));
    let program = place.join("node_modules/.bin/pack");
    says_its_version(&program);
    let refused = Command::new(&program).arg("no-such-command").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    fs::remove_file(place.join(format!("node_modules/pack-oci-linux-{}/bin/pack", node_name()))).unwrap();
    let without = Command::new(&program).arg("--version").output().unwrap();
    assert_eq!(without.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&without.stderr).contains("is not installed; install again"),
        "{without:?}"
    );
}

const fn node_name() -> &'static str {
    if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" }
}

/// As in a pod: a user without a name, a root file system that cannot be written, no network, a project to read.
fn the_image_builds_an_image(archive: &Path, at: &Path) {
    let pack = Pack::new(&at.join("home"));
    pack.ok(&["verify", &format!("oci-archive:{}", archive.display())]);
    if !super::engines::can_run("podman") {
        say("not run: podman cannot run here");
        return;
    }
    let project = at.join("bookstore");
    run(line("cp -r").arg(Path::new(REPOSITORY).join("fixtures/bookstore")).arg(&project));
    run(line("chmod -R a+rwX").arg(&project));
    let podman = Podman::new(&at.join("podman"));
    podman.run(&format!("load -q -i {}", archive.display()));
    let options = format!(
        "--read-only --tmpfs /tmp --ulimit nofile=1024:1024 --ulimit nproc=8192:8192 --user 12345:12345 --network none --cap-drop all -v {}:/work",
        project.display()
    );
    let image = format!("localhost/pack:{}", env!("CARGO_PKG_VERSION"));
    let digest = podman.run(&format!("run --rm --name app {options} {image} build --quiet"));
    assert!(digest.starts_with("localhost:5000/shop/bookstore@sha256:"), "{digest}");
}
