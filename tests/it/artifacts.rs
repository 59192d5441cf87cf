//! Artifacts, bases and platforms: what is recognised, what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Outcome, Project, Zip, chmod, copy_tree, is_root};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
pub(crate) const AMD64: u16 = 62;
pub(crate) const ARM64: u16 = 183;
const WEBAPPS: &str = "var/lib/tomcat10/webapps";
const TOMCAT: &str =
    "env = { CATALINA_HOME = \"/usr/share/tomcat10\", CATALINA_BASE = \"/var/lib/tomcat10\" }\n";
pub(crate) const JAKARTA: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x3d jakarta/servlet/http/HttpServlet";
const JAVAX: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x34 javax/servlet/http/HttpServlet";

/// A program for a machine, with a loader if it needs libraries.
pub(crate) fn elf(machine: u16, needed: &[&str]) -> Vec<u8> {
    elf_with(machine, needed, None)
}

/// The same, with directories that its loader searches first.
pub(crate) fn elf_with(machine: u16, needed: &[&str], run_path: Option<&str>) -> Vec<u8> {
    elf_of(machine, needed, run_path, &[], &[])
}

/// The same, with the versions of symbols that it needs of libraries, and those that it defines.
pub(crate) fn elf_of(
    machine: u16,
    needed: &[&str],
    run_path: Option<&str>,
    needs: &[(&str, &[&str])],
    defines: &[&str],
) -> Vec<u8> {
    let mut strings = vec![0];
    let mut dynamic: Vec<(u64, u64)> = Vec::new();
    let mut string = |text: &str| {
        let at = strings.len();
        strings.extend(text.as_bytes());
        strings.push(0);
        at as u32
    };
    for name in needed {
        dynamic.push((1, string(name).into()));
    }
    if let Some(path) = run_path {
        dynamic.push((29, string(path).into()));
    }
    let words =
        |out: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| out.extend(word.to_le_bytes()));
    let (mut need_table, mut define_table) = (Vec::new(), Vec::new());
    for (number, (library, names)) in needs.iter().enumerate() {
        let size = 16 + 16 * names.len() as u32;
        let next = if number + 1 == needs.len() { 0 } else { size };
        words(&mut need_table, &[1 | (names.len() as u32) << 16, string(library), 16, next]);
        for (number, name) in names.iter().enumerate() {
            let next = if number + 1 == names.len() { 0 } else { 16 };
            words(&mut need_table, &[0, 2 << 16, string(name), next]);
        }
    }
    for (number, name) in defines.iter().enumerate() {
        let next = if number + 1 == defines.len() { 0 } else { 28 };
        words(&mut define_table, &[1, 1 << 16, 0, 20, next, string(name), 0]);
    }
    let interpreter: Vec<u8> =
        if needed.is_empty() { Vec::new() } else { [LOADER.as_bytes(), &[0]].concat() };
    let is_dynamic = !needed.is_empty() || !defines.is_empty();
    let headers = 64 + 3 * 56;
    let (at_interpreter, at_strings) = (headers, headers + interpreter.len());
    let at_needs = (at_strings + strings.len()).next_multiple_of(8);
    let at_defines = at_needs + need_table.len();
    let at_dynamic = (at_defines + define_table.len()).next_multiple_of(8);
    dynamic.push((5, 0x1000 + at_strings as u64));
    if !needs.is_empty() {
        dynamic.extend([(0x6fff_fffe, 0x1000 + at_needs as u64), (0x6fff_ffff, needs.len() as u64)]);
    }
    if !defines.is_empty() {
        dynamic.extend([(0x6fff_fffc, 0x1000 + at_defines as u64), (0x6fff_fffd, defines.len() as u64)]);
    }
    dynamic.push((0, 0));
    let total = at_dynamic + dynamic.len() * 16;
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    out.extend(machine.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    for value in [0x1040u64, 64, 0] {
        out.extend(value.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 3, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    let mut segment = |kind: u32, offset: usize, size: usize| {
        out.extend(kind.to_le_bytes());
        out.extend(4u32.to_le_bytes());
        for value in [offset as u64, 0x1000 + offset as u64, 0, size as u64, size as u64, 8] {
            out.extend(value.to_le_bytes());
        }
    };
    segment(1, 0, total);
    segment(if needed.is_empty() { 0 } else { 3 }, at_interpreter, interpreter.len());
    segment(if is_dynamic { 2 } else { 0 }, at_dynamic, dynamic.len() * 16);
    out.extend(&interpreter);
    out.extend(&strings);
    out.resize(at_needs, 0);
    out.extend(&need_table);
    out.extend(&define_table);
    out.resize(at_dynamic, 0);
    for (tag, value) in dynamic {
        out.extend(tag.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out
}

/// A library that defines these versions of symbols.
pub(crate) fn library_defining(machine: u16, versions: &[&str]) -> Vec<u8> {
    as_library(elf_of(machine, &[], None, &[], versions))
}

/// `ET_DYN`, and no interpreter.
fn as_library(mut file: Vec<u8>) -> Vec<u8> {
    file[16] = 3;
    file[64 + 56..][..4].fill(0);
    file
}

/// A library for a machine.
pub(crate) fn library(machine: u16, needed: &[&str]) -> Vec<u8> {
    as_library(elf(machine, needed))
}

/// A base in a layout, made of these files. A loader or library without content is a real one.
pub(crate) fn base(platforms: &[&str], config: &str, files: &[(&str, &str)]) -> Project {
    let platforms: Vec<String> = platforms.iter().map(|platform| format!("\"{platform}\"")).collect();
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [{}]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n\n[config]\n{config}",
        platforms.join(", ")
    ));
    project.write("files/etc/base", "");
    let machine = if platforms.iter().any(|platform| platform.contains("arm64")) { ARM64 } else { AMD64 };
    for (name, content) in files {
        let path = format!("files/{name}");
        if content.is_empty() && name.contains(".so.") {
            project.write(&path, library(machine, &[]));
        } else {
            project.write(&path, content);
        }
        // The kernel starts a loader as it starts a program.
        if name.contains("/ld-") {
            chmod(&project.path(&path), 0o755);
        }
    }
    project.pack("build -o oci:layout").ok();
    project
}

pub(crate) fn layout(base: &Project) -> String {
    format!("oci:{}", base.path("layout").display())
}

/// A project of `path` on a base, with more lines for its build file.
fn app(path: &str, base: &str, more: &str) -> Project {
    Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n[app]\npath = {path}\n{more}"
    ))
}

/// A WAR of these files, directories among them.
pub(crate) fn war(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = Zip::default();
    for (name, content) in files {
        zip.stored(name, content);
    }
    zip.finish()
}

/// The paths in a layer of an image in a layout.
pub(crate) fn paths_in(project: &Project, layer: &str, arguments: &str) -> Vec<String> {
    let built = project.build(&format!("{arguments} -o oci:out"));
    let layers = built.layers();
    let layer = layers.iter().find(|found| found.name == layer).unwrap_or_else(|| panic!("{layers:?}"));
    let hex = layer.blob.strip_prefix("sha256:").unwrap();
    let blob = fs::File::open(project.path("out/blobs/sha256").join(hex)).unwrap();
    let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(blob));
    tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

/// The root file system that another tool makes of an image.
fn unpacked(project: &Project, layout: &str) -> PathBuf {
    let bundle = project.beside("bundle");
    let _ = fs::remove_dir_all(&bundle);
    let mut umoci = Command::new("umoci");
    umoci.args(["unpack", "--image", &format!("{layout}:1")]).arg(&bundle).current_dir(project.root());
    if !is_root() {
        umoci.arg("--rootless");
    }
    let output = umoci.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    bundle.join("rootfs")
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn several_artifacts_are_for_several_platforms() {
    let project = app("[\"a.war\", \"b.war\"]", "scratch", "root = \"/srv\"\n");
    let application = war(&[("WEB-INF/web.xml", b"<web-app/>")]);
    project.write("a.war", &application).write("b.war", &application);
    project.pack("build").fails(1).says(&["a.war` and `", "b.war` are for the same platforms"]).hints();
    project.pack("plan").fails(1).says(&["a.war", "b.war"]);

    let project = app("[\"one\", \"two\", \"arm\"]", "scratch", "");
    project.write("one", elf(AMD64, &[])).write("two", elf(AMD64, &[])).write("arm", elf(ARM64, &[]));
    project.pack("build").fails(1).says(&["one` and `", "two` are for linux/amd64"]).hints();
}

/// A program that `native-image` could have made: with a section for the objects that exist at its start.
fn native_image(needed: &[&str]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.svm_heap\0.shstrtab\0";
    let mut file = elf(AMD64, needed);
    let at_names = file.len() as u64;
    file.extend(NAMES);
    file.resize(file.len().next_multiple_of(8), 0);
    let at_sections = file.len() as u64;
    let mut section = |name: u32, kind: u32, offset: u64, size: u64| {
        file.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
        for value in [0, 0, offset, size] {
            file.extend(value.to_le_bytes());
        }
        file.extend([0; 8]);
        file.extend([1_u64.to_le_bytes(), 0_u64.to_le_bytes()].concat());
    };
    section(0, 0, 0, 0);
    section(1, 1, 0, 64);
    section(11, 3, at_names, NAMES.len() as u64);
    file[40..48].copy_from_slice(&at_sections.to_le_bytes());
    for (at, value) in [(58, 64_u16), (60, 3), (62, 2)] {
        file[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    file
}

#[test]
fn a_native_image_of_graalvm_has_its_libraries_beside_it() {
    let project = app("\"target/shop-1.0-runner\"", "scratch", "");
    project.write("target/shop-1.0-runner", native_image(&[]));
    fs::set_permissions(project.path("target/shop-1.0-runner"), fs::Permissions::from_mode(0o644)).unwrap();
    project.write("target/shop-1.0.jar", "no part of it").write("target/libother.so", "no part of it");
    let plan = project.pack("plan --json").ok().json();
    let why = plan["artifacts"][0]["why"].to_string();
    assert!(why.contains("a native image of GraalVM"), "{why}");
    let alone = project.build("");
    assert_eq!(paths_in(&project, "app", ""), ["app/", "app/shop-1.0-runner"]);

    project.write("target/libawt.so", library(AMD64, &[])).write("target/libjvm.so", library(AMD64, &[]));
    let said = project.pack("plan").ok();
    said.says(&["`/app/libawt.so` goes beside the program"]);
    let with = project.build("");
    assert_ne!(with.digest(), alone.digest(), "the libraries are inputs");
    assert_eq!(
        paths_in(&project, "app", ""),
        ["app/", "app/libawt.so", "app/libjvm.so", "app/shop-1.0-runner"]
    );
    let root = unpacked_layer(&project);
    assert_eq!(fs::metadata(root.join("app/shop-1.0-runner")).unwrap().permissions().mode() & 0o777, 0o555);
    // Of another program they are no part.
    project.write("target/shop-1.0-runner", elf(AMD64, &[]));
    project.build("");
    assert_eq!(paths_in(&project, "app", ""), ["app/", "app/shop-1.0-runner"]);
    // Its libraries are checked as those of any program: here the base has no libz.
    project.write("target/shop-1.0-runner", native_image(&["libz.so.1"]));
    project.pack("build").fails(1).hints();
}

/// The files of the only layer of `oci:out`, unpacked.
fn unpacked_layer(project: &Project) -> PathBuf {
    let built = project.build("-o oci:out");
    let hex = built.layers()[0].blob["sha256:".len()..].to_owned();
    let blob = fs::File::open(project.path("out/blobs/sha256").join(hex)).unwrap();
    let root = project.beside("layer");
    tar::Archive::new(flate2::read::MultiGzDecoder::new(blob)).unpack(&root).unwrap();
    root
}

#[test]
fn programs_of_several_platforms_are_one_index() {
    const MACHINES: [(&str, u16); 4] =
        [("amd64", AMD64), ("arm64", ARM64), ("ppc64le", 21), ("riscv64", 243)];
    let project = app(
        "[\"app-amd64\", \"app-arm64\", \"app-ppc64le\", \"app-riscv64\"]",
        "scratch",
        "root = \"/app/app\"\n",
    );
    for (name, machine) in MACHINES {
        project.write(&format!("app-{name}"), elf(machine, &[]));
    }
    let built = project.build("-o oci:index");
    let images = built.metadata["images"].as_array().unwrap();
    let platforms: Vec<String> =
        images.iter().map(|image| image["platform"].as_str().unwrap().to_owned()).collect();
    assert_eq!(platforms, MACHINES.map(|(name, _)| format!("linux/{name}")));
    let digest = project.build("").digest();
    // The order in which they are written decides nothing about an image.
    assert_eq!(built.digest(), digest);

    let two = base(&["linux/amd64", "linux/arm64"], "", &[]);
    let lacking = project.pack("build").args(&format!("--base {}", layout(&two))).fails(1);
    lacking.says(&["app-ppc64le` is for linux/ppc64le", "--platform linux/amd64,linux/arm64"]).hints();
    let some = project.build(&format!("--base {} --platform linux/amd64,linux/arm64", layout(&two)));
    assert_eq!(some.metadata["images"].as_array().unwrap().len(), 2);
}

#[test]
fn a_platform_without_a_program_for_it_is_refused() {
    let project = app("\"server\"", "scratch", "");
    project.write("server", elf(AMD64, &[]));
    let asked = project.pack("build --platform linux/arm64").fails(1);
    asked.says(&["no artifact is for linux/arm64", "server` is for linux/amd64"]).hints();
    // A name of the same machine is the same, however often and in whatever way it is given.
    let built = project.build("--platform linux/amd64,linux/x86_64 --platform linux/amd64");
    assert_eq!(built.metadata["images"].as_array().unwrap().len(), 1);
    let built = project.pack("build").env("PACK_PLATFORMS", "linux/amd64,linux/amd64").built("");
    assert_eq!(built.metadata["images"].as_array().unwrap().len(), 1);
}

#[test]
fn each_program_needs_its_platform_in_the_base() {
    let amd64 = base(&["linux/amd64"], "", &[]);
    let project = app("[\"amd\", \"arm\"]", &layout(&amd64), "");
    project.write("amd", elf(AMD64, &[])).write("arm", elf(ARM64, &[]));
    let said = project.pack("build").fails(1);
    said.says(&["arm` is for linux/arm64, and the base", "is for linux/amd64", "`--platform linux/amd64`"])
        .hints();
    // As the hint says.
    let said = project.pack("build --platform linux/amd64").ok();
    said.says(&["note: ", "arm` is left out: it is for linux/arm64"]);
    let built = project.build("--platform linux/amd64");
    let images = built.metadata["images"].as_array().unwrap();
    assert_eq!((images.len(), images[0]["platform"].as_str()), (1, Some("linux/amd64")));

    let both = base(&["linux/amd64", "linux/arm64", "linux/386"], "", &[]);
    let built = project.build(&format!("--base {}", layout(&both)));
    assert_eq!(built.metadata["images"].as_array().unwrap().len(), 2);
    let plan = project.pack(&format!("plan --base {}", layout(&both))).ok();
    assert!(plan.stdout.contains("amd: an ELF program") && plan.stdout.contains("arm: an ELF"), "{plan:?}");

    let neither = base(&["linux/s390x"], "", &[]);
    let refused = project.pack(&format!("build --base {}", layout(&neither))).fails(1);
    refused.says(&["no platform in common", "linux/amd64", "linux/arm64", "linux/s390x"]).hints();
}

/// Debian's base has an application at the root; it is not what a container of ours shows, packed or not.
#[test]
fn the_application_of_a_base_does_not_run_in_ours_stead() {
    let old = [
        (&*format!("{WEBAPPS}/ROOT/index.html"), "It works"),
        (&*format!("{WEBAPPS}/ROOT/META-INF/context.xml"), "<Context/>"),
        (&*format!("{WEBAPPS}/ROOT.war"), "old"),
        (&*format!("{WEBAPPS}/other/index.html"), "stays"),
    ]
    .map(|(name, content)| (name.to_owned(), content));
    let files: Vec<(&str, &str)> = old.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let tomcat = base(&["linux/amd64"], TOMCAT, &files);
    let project = app("\"shop.war\"", &layout(&tomcat), "");
    project.write("shop.war", war(&[("WEB-INF/web.xml", b"<web-app/>"), ("index.jsp", b"ours")]));
    let webapps = |root: PathBuf| {
        let mut names: Vec<String> = walkdir::WalkDir::new(root.join(WEBAPPS))
            .min_depth(1)
            .into_iter()
            .map(|entry| {
                entry.unwrap().path().strip_prefix(root.join(WEBAPPS)).unwrap().display().to_string()
            })
            .collect();
        names.sort();
        names
    };
    let exploded =
        ["ROOT", "ROOT/WEB-INF", "ROOT/WEB-INF/web.xml", "ROOT/index.jsp", "other", "other/index.html"];
    let packed = ["ROOT.war", "other", "other/index.html"];
    for (layout, removed, expected) in [
        ("exploded", vec![".wh.ROOT", ".wh.ROOT.war"], &exploded[..]),
        ("packaged", vec![".wh.ROOT"], &packed[..]),
    ] {
        for compression in ["gzip", "estargz", "zstd"] {
            let arguments = format!("--layout {layout} --compression {compression}");
            let said = project.pack(&format!("build {arguments} -o oci:out")).ok();
            said.says(&["note: The base has an application of its own", "webapps/ROOT`", "`[[layer]]`"]);
            if compression == "zstd" {
                // umoci 0.4 of Debian does not read it; `verify` does.
                project.build(&format!("{arguments} -o oci:out"));
                continue;
            }
            if compression == "gzip" {
                let names: Vec<String> = removed.iter().map(|name| format!("{WEBAPPS}/{name}")).collect();
                let found = paths_in(&project, "removals", &arguments);
                assert_eq!(
                    found.iter().filter(|path| path.contains(".wh.")).collect::<Vec<_>>(),
                    names.iter().collect::<Vec<_>>()
                );
            }
            assert_eq!(webapps(unpacked(&project, "out")), expected, "{arguments}");
        }
    }
    // Without the application, nothing is removed, and another place hides nothing.
    let elsewhere = project.pack(&format!("build --root /{WEBAPPS}/shop -o oci:out")).ok();
    assert!(!elsewhere.stderr.contains("application of its own"), "{elsewhere:?}");
    let found = webapps(unpacked(&project, "out"));
    assert!(
        ["ROOT.war", "ROOT/index.html", "shop/index.jsp"]
            .iter()
            .all(|name| found.contains(&(*name).to_owned())),
        "{found:?}"
    );
}

#[test]
fn what_a_layer_adds_to_the_application_stays() {
    let tomcat = base(&["linux/amd64"], TOMCAT, &[(&format!("{WEBAPPS}/ROOT/index.html"), "It works")]);
    let more = format!(
        "\n[[layer]]\nname = \"conf\"\nfiles = [{{ from = \"own.xml\", to = \"/{WEBAPPS}/ROOT/WEB-INF/own.xml\" }}]\n"
    );
    let project = app("\"shop.war\"", &layout(&tomcat), &more);
    project.write("own.xml", "<own/>").write("shop.war", war(&[("WEB-INF/web.xml", b"<web-app/>")]));
    project.build("-o oci:out");
    let root = unpacked(&project, "out").join(WEBAPPS).join("ROOT");
    assert!(root.join("WEB-INF/own.xml").exists() && root.join("WEB-INF/web.xml").exists());
    assert!(!root.join("index.html").exists());
    // Another base under it, and the same image compared with itself.
    project.pack("build").ok();
    let new = base(&["linux/amd64"], TOMCAT, &[("etc/new", ""), (&format!("{WEBAPPS}/ROOT/a.html"), "")]);
    project
        .pack(&format!("rebase oci:out:1 --base {} --old-base {} -t 2", layout(&new), layout(&tomcat)))
        .run();
    project.pack("diff oci:out:1 oci:out:1").ok();
}

#[test]
fn a_file_below_a_volume_of_the_base_is_warned_of() {
    let with_volume = base(&["linux/amd64"], "volumes = [\"/data\"]\n", &[]);
    let project = app("\"files\"", &layout(&with_volume), "kind = \"tree\"\nroot = \"/data/app\"\n");
    project.write("files/a", "").write("files/b", "").write("files/c", "");
    let warned = project.pack("build").ok();
    warned.says(&[
        "warning: `/data/app/a` and 2 more files would be below `/data`, a volume of the base",
        "`app.root`",
    ]);
    // The advice works.
    let elsewhere = project.pack("build --root /srv/app").ok();
    assert!(elsewhere.warnings().is_empty(), "{elsewhere:?}");
}

const PASSWD: &str = "root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n";
const GROUP: &str = "root:x:0:\nstaff:x:50:\n";

#[test]
fn a_user_is_one_that_the_image_has() {
    let known = base(&["linux/amd64"], "", &[("etc/passwd", PASSWD), ("etc/group", GROUP)]);
    let project = app("\"files\"", &layout(&known), "kind = \"tree\"\nroot = \"/srv\"\n");
    project.write("files/a", "");
    let with = |user: &str| project.pack("build").arg("--set").arg(format!("config.user={user}"));
    for user in ["web", "web:staff", "1000", "1000:staff", "4711:4712"] {
        let said = with(user).ok();
        assert!(!said.stderr.contains("config.user"), "{said:?}");
    }
    with("nosuch").fails(1).says(&["the user nosuch in `config.user` is not in `/etc/passwd`"]).hints();
    with("web:nosuch").fails(1).says(&["the group nosuch in `config.user` is not in `/etc/group`"]).hints();
    // The hint is followed, for a user and for a group.
    let toml = fs::read_to_string(project.path("build.toml")).unwrap();
    for user in ["nosuch", "web:nosuch"] {
        project.write("build.toml", &toml);
        with(user).fails(1).says(&["hint: add a `[[user]]` with `name = \"nosuch\"` and `uid = 10001`"]);
        project.append("build.toml", "\n[[user]]\nname = \"nosuch\"\nuid = 10001\n");
        let said = with(user).arg("--strict").arg("--allow=no-entrypoint=data").ok();
        assert!(!said.stderr.contains("clobbers-base"), "{said:?}");
    }
    project.write("build.toml", &toml);
    // With the lock of an earlier build, and without a store.
    fs::remove_dir_all(project.cache()).unwrap();
    with("nosuch").fails(1).says(&["the user nosuch"]);
    with("web").ok();

    let empty = project.pack("build --base scratch --set config.user=web");
    empty.fails(1).says(&["the user web in `config.user` is not in `/etc/passwd` of the image"]).hints();
    project.pack("build --base scratch --set config.user=1000").ok();
    // The hint's advice: a layer of ours that has the name.
    project.append(
        "build.toml",
        "\n[[layer]]\nname = \"users\"\nfiles = [{ from = \"passwd\", to = \"/etc/passwd\" }]\n\n[config]\nuser = \"own\"\n",
    );
    project.write("passwd", "own:x:7:7::/:\n");
    project.pack("build --base scratch").ok();
    project.pack("build").ok();
    // It replaces the base's.
    let refused = project.pack("build --set config.user=web").fails(1);
    refused.says(&["the user web"]);
    project.write("passwd", "other:x:7:7::/:\n");
    project.pack("build").fails(1).says(&["the user own", "build.toml", "user = \"own\""]);
}

#[test]
fn a_link_in_place_of_the_list_of_users_leaves_it_open() {
    let project = Project::with(
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n",
    );
    fs::create_dir_all(project.path("files/etc")).unwrap();
    symlink("/usr/lib/passwd", project.path("files/etc/passwd")).unwrap();
    project.pack("build -o oci:layout").ok();
    let other = app("\"files\"", &layout(&project), "kind = \"tree\"\nroot = \"/srv\"\n");
    other.write("files/a", "");
    other
        .pack("build --set config.user=web")
        .ok()
        .says(&["whether the image has the user web of `config.user` cannot be known here"]);
}

#[test]
fn a_war_may_list_its_directories_again() {
    let bytes = war(&[
        ("META-INF/", b""),
        ("WEB-INF/", b""),
        ("WEB-INF/web.xml", b"<web-app/>"),
        ("META-INF/", b""),
        ("WEB-INF/", b""),
        ("index.html", b"page"),
    ]);
    let once = war(&[
        ("META-INF/", b""),
        ("WEB-INF/", b""),
        ("WEB-INF/web.xml", b"<web-app/>"),
        ("index.html", b"page"),
    ]);
    let project = app("\"shop.war\"", "scratch", "root = \"/srv/ROOT\"\n");
    let digest = |bytes: &[u8]| {
        project.write("shop.war", bytes);
        project.build("").digest()
    };
    assert_eq!(digest(&bytes), digest(&once), "the same directories are the same image");
    project.write("shop.war", &bytes);
    project.build("--layout packaged");
    let root = {
        project.build("-o oci:out");
        unpacked(&project, "out").join("srv/ROOT")
    };
    assert_eq!(fs::read(root.join("index.html")).unwrap(), b"page");
    assert!(root.join("META-INF").is_dir());
}

/// A base with the variables of the official image of a Tomcat version.
pub(crate) fn tomcat_of(version: &str) -> Project {
    base(
        &["linux/amd64"],
        &format!("env = {{ CATALINA_HOME = \"/usr/local/tomcat\", TOMCAT_VERSION = \"{version}\" }}\n"),
        &[],
    )
}

#[test]
fn an_initializer_in_a_library_settles_the_servlet_api() {
    let (nine, ten) = (tomcat_of("9.0.80"), tomcat_of("10.1.24"));
    let jar = |package: &str| {
        let service = format!("META-INF/services/{package}.servlet.ServletContainerInitializer");
        war(&[(&service, b"org.example.Initializer\n")])
    };
    // As Spring Boot's: no class of its own names the API.
    let plain: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x3d org/springframework/boot/web/servlet/support/SpringBootServletInitializer";
    let with = |library: &str, package: &str| {
        war(&[("WEB-INF/classes/app/Main.class", plain), (library, &jar(package))])
    };
    for (base, package, runs) in
        [(&nine, "jakarta", false), (&ten, "jakarta", true), (&nine, "javax", true), (&ten, "javax", false)]
    {
        let project = app("\"boot.war\"", &layout(base), "");
        project.write("boot.war", with("WEB-INF/lib/spring-web-6.1.0.jar", package));
        if runs {
            project
                .pack("build")
                .ok()
                .says(&[&format!("written for {package}.servlet (`META-INF/services/")]);
        } else {
            let refused = project.pack("build").fails(1);
            refused
                .says(&["`META-INF/services/", "of `WEB-INF/lib/spring-web-6.1.0.jar`", "but Tomcat"])
                .hints();
        }
        // A library that only the launcher loads says nothing about the container.
        project.write("boot.war", with("WEB-INF/lib-provided/tomcat-embed.jar", package));
        project.pack("build").ok();
    }
}

#[test]
fn libraries_of_the_launcher_are_dependencies() {
    let project = app("\"boot.war\"", "scratch", "root = \"/srv/ROOT\"\n");
    project.write(
        "boot.war",
        war(&[
            ("WEB-INF/lib/a-1.jar", b"a"),
            ("WEB-INF/lib-provided/b-1.jar", b"b"),
            ("WEB-INF/lib-provided/c-1-SNAPSHOT.jar", b"c"),
            ("index.jsp", b"page"),
        ]),
    );
    let plan = project.pack("plan").ok();
    assert!(
        plan.stdout.contains("2 libraries of `WEB-INF/lib`, 1 of them of `WEB-INF/lib-provided`"),
        "{plan:?}"
    );
    plan.says(&[
        "note: 2 libraries of `WEB-INF/lib-provided` only serve to start the WAR without a container",
    ]);
    let has = |layer: &str, path: &str| paths_in(&project, layer, "").contains(&path.to_owned());
    assert!(has("dependencies", "srv/ROOT/WEB-INF/lib-provided/b-1.jar"));
    assert!(has("snapshots", "srv/ROOT/WEB-INF/lib-provided/c-1-SNAPSHOT.jar"));
    assert!(!has("resources", "srv/ROOT/WEB-INF/lib-provided/"));
}

#[test]
fn a_note_about_the_servlet_api_has_a_reason() {
    let ten = tomcat_of("10.1.24");
    let project = app("\"shop.war\"", &layout(&ten), "");
    let plain: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x3d java/lang/Object";
    let said = |files: &[(&str, &[u8])]| {
        project.write("shop.war", war(files));
        project.pack("build").ok().stderr.contains("servlet API")
    };
    assert!(!said(&[("WEB-INF/web.xml", b"<web-app/>"), ("index.html", b"")]), "there is no code");
    assert!(!said(&[("WEB-INF/classes/A.class", plain), ("index.jsp", b"")]), "the container compiles pages");
    assert!(said(&[("WEB-INF/classes/A.class", plain), ("index.html", b"")]));
}

#[test]
fn all_links_of_a_packed_war_that_lead_out_are_named() {
    let project = app("\"webapp.war\"", "scratch", "root = \"/srv/ROOT\"\n");
    let mut zip = Zip::default();
    zip.stored("WEB-INF/web.xml", b"<web-app/>")
        .symlink("a.js", b"/etc/passwd")
        .symlink("b/c.js", b"../../x");
    project.write("webapp.war", zip.finish());
    let refused = project.pack("build").fails(1);
    refused.says(&["2 symbolic links", "`a.js` to `/etc/passwd`", "`b/c.js` to `../../x`"]).hints();
}

#[test]
fn files_that_are_none_are_refused_at_once() {
    let begun = Instant::now();
    for name in ["META-INF/MANIFEST.MF", "package.json", "WEB-INF/web.xml"] {
        for is_pipe in [true, false] {
            let project = app("\"tree\"", "scratch", "root = \"/srv\"\n");
            project.write("tree/file", "");
            let path = project.path("tree").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if is_pipe {
                mkfifo(&path);
            } else {
                symlink("/dev/zero", &path).unwrap();
            }
            let outcome = project.pack("build").run();
            // The image has the link, and leads to no device of this machine; a Java application is none with it.
            let is_copied = !is_pipe && name == "package.json";
            assert_eq!(outcome.code, Some(i32::from(!is_copied)), "{name}: {outcome:?}");
            assert!(is_copied || outcome.stderr.contains(name), "{outcome:?}");
        }
    }
    let project = app("\"pipe\"", "scratch", "root = \"/srv\"\n");
    mkfifo(&project.path("pipe"));
    project.pack("build").fails(1).says(&["pipe", "neither a file nor a directory"]);
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_library_may_come_by_a_layer() {
    let program = elf(AMD64, &["libshop.so.1"]);
    let libraries = "\n[[layer]]\nname = \"libraries\"\nfiles = [{ from = \"lib/\", to = \"/usr/lib/\" }, \
                     { from = \"ld\", to = \"/lib64/ld-linux-x86-64.so.2\" }]\n";
    for base_of in ["scratch", "layout"] {
        let empty = base(&["linux/amd64"], "", &[]);
        let base = if base_of == "scratch" { "scratch".to_owned() } else { layout(&empty) };
        let without = app("\"server\"", &base, "");
        without.write("server", &program);
        let refused = without.pack("build").fails(1);
        let refused = refused.says(&[
            "lacks `/lib64/ld-linux-x86-64.so.2`, the loader of `",
            "and has no C library at all",
            "`[[layer]]`",
        ]);
        assert!(!refused.stderr.contains("libshop"), "the loader says all: {refused:?}");
        let with = app("\"server\"", &base, libraries);
        with.write("server", &program)
            .write("lib/libshop.so.1.2", library(AMD64, &[]))
            .write("ld", library(AMD64, &[]));
        chmod(&with.path("ld"), 0o755);
        symlink("libshop.so.1.2", with.path("lib/libshop.so.1")).unwrap();
        with.pack("build").ok();
    }
}

/// The states of a store when a build begins.
const STORES: [&str; 4] = ["cold", "warm", "foreign", "damaged"];

/// Builds on `bad`, with a store that knows all layers of the image in one way or another: every one says the same.
fn the_verdict_is_the_same(project: &Project, good: &str, bad: &str, texts: &[&str]) {
    let elsewhere = Project::new();
    copy_tree(&project.root(), &elsewhere.root());
    elsewhere.pack(&format!("build --base {good}")).ok();
    let mut said: Vec<Outcome> = Vec::new();
    for store in STORES {
        let _ = fs::remove_dir_all(project.cache());
        match store {
            "cold" => {}
            "foreign" => copy_tree(&elsewhere.cache(), &project.cache()),
            _ => drop(project.pack(&format!("build --base {good}")).ok()),
        }
        if store == "damaged" {
            for file in crate::support::files_below(&project.cache()) {
                let mut bytes = fs::read(&file).unwrap();
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 0xff;
                }
                // The base's own layout may have the same file.
                fs::remove_file(&file).unwrap();
                fs::write(&file, bytes).unwrap();
            }
        }
        for command in ["build", "plan"] {
            let outcome = project.pack(&format!("{command} --base {bad}")).fails(1).says(texts);
            said.push(outcome);
        }
        // And what suits is built, whatever came before.
        project.pack(&format!("build --base {good}")).ok();
    }
    // That the store is damaged is said before.
    let verdict = |outcome: &Outcome| {
        let at = outcome.stderr.find("error[").unwrap();
        outcome.stderr[at..].to_owned()
    };
    for outcome in &said {
        assert_eq!(verdict(outcome), verdict(&said[0]), "one verdict, in the same words");
    }
}

#[test]
fn the_servlet_check_does_not_depend_on_the_store() {
    let (nine, ten) = (tomcat_of("9.0.80"), tomcat_of("10.1.24"));
    let project = app("\"shop.war\"", "scratch", "");
    project
        .write("shop.war", war(&[("WEB-INF/classes/A.class", JAKARTA), ("WEB-INF/web.xml", b"<web-app/>")]));
    the_verdict_is_the_same(&project, &layout(&ten), &layout(&nine), &["jakarta.servlet", "Tomcat 9"]);
    project.write("shop.war", war(&[("WEB-INF/classes/A.class", JAVAX), ("WEB-INF/web.xml", b"<web-app/>")]));
    the_verdict_is_the_same(&project, &layout(&nine), &layout(&ten), &["javax.servlet", "Tomcat 10"]);
}

#[test]
fn the_check_of_libraries_does_not_depend_on_the_store() {
    let files = [("lib64/ld-linux-x86-64.so.2", ""), ("usr/lib/libshop.so.1", "")];
    let (with, without) = (base(&["linux/amd64"], "", &files), base(&["linux/amd64"], "", &files[..1]));
    let project = app("\"server\"", "scratch", "");
    project.write("server", elf(AMD64, &["libshop.so.1"]));
    the_verdict_is_the_same(&project, &layout(&with), &layout(&without), &["lacks `libshop.so.1`"]);
}

#[test]
fn the_check_of_a_programs_platform_does_not_depend_on_the_store() {
    let (amd64, arm64) = (base(&["linux/amd64"], "", &[]), base(&["linux/arm64"], "", &[]));
    let project = app("\"server\"", "scratch", "");
    project.write("server", elf(AMD64, &[]));
    the_verdict_is_the_same(&project, &layout(&amd64), &layout(&arm64), &["linux/amd64", "linux/arm64"]);
}

#[test]
fn the_check_of_the_user_does_not_depend_on_the_store() {
    let with = base(&["linux/amd64"], "", &[("etc/passwd", PASSWD)]);
    let without = base(&["linux/amd64"], "", &[]);
    let project =
        app("\"files\"", "scratch", "kind = \"tree\"\nroot = \"/srv\"\n\n[config]\nuser = \"web\"\n");
    project.write("files/a", "");
    the_verdict_is_the_same(&project, &layout(&with), &layout(&without), &["the user web"]);
}

#[test]
fn init_refuses_what_build_refuses() {
    let project = Project::new();
    project.write("vnu.jar", war(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n\n")]));
    let text = "it is a library: its manifest has no `Main-Class`";
    project.pack("init vnu.jar").fails(1).says(&["vnu.jar", text]).hints();
    assert!(!project.path("build.toml").exists());
    project.pack("build vnu.jar --base scratch").fails(1).says(&["vnu.jar", text]).hints();
}

#[test]
fn init_takes_the_newest_version() {
    let project = Project::new();
    let archive = war(&[("WEB-INF/web.xml", b"<web-app/>")]);
    for name in ["shop-1.9.war", "shop-1.10.war", "shop-1.10-SNAPSHOT.war", "shop-1.2.war"] {
        project.write(&format!("target/{name}"), &archive);
    }
    project.pack("init").ok().says(&["`target/shop-1.10.war` is the newest of 4 versions"]);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \"target/shop-1.10.war\""), "{written}");
    // Different things are all named.
    project.write("target/admin-2.0.war", &archive);
    project.pack("init --force").ok().says(&["another artifact here"]);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("\npath = \"target/admin-2.0.war\""), "{written}");
    assert!(written.contains("\n# path = \"target/shop-1.10.war\""), "{written}");
    project.pack("init --force target/admin-2.0.war").ok();
}

#[test]
fn init_looks_into_a_directory_for_the_artifact() {
    let project = Project::new();
    project.write("module/target/shop-1.0.war", war(&[("WEB-INF/web.xml", b"<web-app/>")]));
    project.write("module/pom.xml", "<project/>");
    project.pack("init module").ok();
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \"module/target/shop-1.0.war\""), "{written}");
    // One that is an artifact is one.
    project.write("webapp/WEB-INF/web.xml", "<web-app/>").write("webapp/target/x.war", "");
    project.pack("init --force webapp").ok();
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \"webapp\""), "{written}");
}

/// Another tool finds the user and the group that were found here.
#[test]
fn another_tool_finds_the_same_user() {
    let known = base(&["linux/amd64"], "", &[("etc/passwd", PASSWD), ("etc/group", GROUP)]);
    let project = app("\"files\"", &layout(&known), "kind = \"tree\"\nroot = \"/srv\"\n");
    project.write("files/a", "");
    project.build("--set config.user=web:staff -o oci:out");
    let root = unpacked(&project, "out");
    let config = fs::read_to_string(root.parent().unwrap().join("config.json")).unwrap();
    let config = crate::support::json(&config);
    assert_eq!(
        (config["process"]["user"]["uid"].as_u64(), config["process"]["user"]["gid"].as_u64()),
        (Some(1000), Some(50))
    );
}

/// The page of each kind says the same four things.
#[test]
fn the_document_says_the_same_of_each_kind() {
    const SECTIONS: [(&str, &str); 11] = [
        ("elf", "## ELF program"),
        ("war", "### WAR"),
        ("spring-boot", "### Spring Boot jar"),
        ("jar", "### Jar with a class path"),
        ("executable-jar", "### Executable jar"),
        ("quarkus", "### Quarkus"),
        ("distribution", "### Distribution with a start script"),
        ("python", "## Python"),
        ("node", "## Node.js"),
        ("site", "## Static site"),
        ("tree", "## Directory tree"),
    ];
    let text = fs::read_to_string(Path::new(crate::support::REPOSITORY).join("docs/artifacts.md")).unwrap();
    let rows =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(name, _)| name);
    let kinds: Vec<&str> = rows.take_while(|name| !name.contains(' ')).take(SECTIONS.len() + 1).collect();
    for kind in SECTIONS.map(|(kind, _)| kind) {
        assert!(kinds.contains(&kind), "{kind} is in no row: {kinds:?}");
    }
    for (kind, heading) in SECTIONS {
        let (_, section) =
            text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section of {kind}"));
        let section = section.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
        for part in ["Recognised", "Image", "Checked", "Cost of a change"] {
            assert!(section.contains(&format!("\n- **{part}.**")), "docs/artifacts.md, {kind}: {part}");
        }
    }
}
