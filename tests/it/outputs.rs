//! Outputs, files beside them, and how a run ends.

use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::real;
use crate::real::server::Server;
use crate::support::{Outcome, PACK, Project, chmod, files_below, is_root, json, outcome, skipped, tree_on};

/// A project whose application is its own directory.
fn whole_directory() -> Project {
    let project = Project::with(
        "[image]\nname = \"localhost/whole\"\nbase = \"oci:base\"\ntags = [\"1\"]\n\n\
         [app]\npath = \".\"\nkind = \"tree\"\nroot = \"/srv\"\n",
    );
    project.write("a.txt", "a\n").write("sub/b.txt", "b\n");
    let base = Project::with("[image]\nname = \"localhost/base\"\ntags = [\"1\"]\n[config]\nuser = \"1\"\n");
    base.append("build.toml", "[[layer]]\nname = \"etc\"\nfiles = [{ from = \"x\", to = \"/etc/x\" }]\n");
    base.write("x", "x\n");
    base.pack("build").arg("-o").arg(format!("oci:{}", project.path("base").display())).ok();
    project
}

/// The paths in the application's layer of the image in `oci:DIR` beside the project.
fn paths_in(project: &Project, dir: &str) -> Vec<String> {
    let place = format!("oci:{}", project.beside(dir).display());
    let layers = project.pack("inspect --json").arg(&place).ok().json();
    let layers = layers["layers"].as_array().unwrap();
    let digest = layers.last().unwrap()["digest"].as_str().unwrap().replace(':', "/");
    let blob = project.beside(dir).join("blobs").join(digest);
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(blob).unwrap()));
    let paths = tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    paths.filter(|path| path.starts_with("srv/")).collect()
}

#[test]
fn what_says_how_an_image_is_made_is_no_part_of_it() {
    let project = whole_directory();
    let first = project.build("");
    assert!(project.path("build.lock").exists(), "written beside the build file");
    project.write(".build.lock.x9Y8z7", "a killed writer left this");
    let second = project.build("");
    assert_eq!(first.digest(), second.digest());
    let other = project.pack("build -o").arg(format!("oci:{}", project.beside("out").display())).ok();
    assert!(other.stdout.trim().ends_with(&first.digest()), "{other:?}");
    assert_eq!(paths_in(&project, "out"), ["srv/", "srv/a.txt", "srv/sub/", "srv/sub/b.txt"]);
    let said = project.pack("plan").ok();
    said.says(&["`base`, `build.lock`, `build.toml` are left out of `", "they say how the image is made"]);
    // In another directory they are files like any other.
    project.write("sub/build.toml", "format = 1\n");
    project.pack("build -o").arg(format!("oci:{}", project.beside("again").display())).ok();
    assert!(paths_in(&project, "again").contains(&"srv/sub/build.toml".to_owned()));
}

#[test]
fn a_lock_that_is_an_input_by_name_is_refused_and_a_build_file_is_not() {
    let project = Project::small();
    let layer = |from: &str| {
        format!("[[layer]]\nname = \"own\"\nfiles = [{{ from = \"{from}\", to = \"/etc/own\" }}]\n")
    };
    let toml = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", format!("{toml}{}", layer("build.toml")));
    project.pack("build").ok();
    project
        .write("build.toml", format!("{toml}{}", layer("build.lock")))
        .write("build.lock", "version = 1\n");
    project.pack("build").fails(1).says(&["`build.lock` is written over it"]).hints();
}

#[test]
fn outputs_inside_an_input_are_refused_whether_they_exist_or_not() {
    let project = whole_directory();
    symlink(".", project.path("link")).unwrap();
    symlink("sub/dangling.json", project.path("to-file")).unwrap();
    fs::remove_dir_all(project.cache()).ok();
    for arguments in [
        "build -o oci:dist",
        "build -o oci:deep/er/dist",
        "build -o oci:sub",
        "build -o oci:.",
        "build -o oci-archive:out.tar",
        "build -o docker-archive:link/sub/../out.tar",
        "build --metadata-file meta.json",
        "build --metadata-file to-file",
        "build --image-refs sub/refs",
        "build --timings",
        "build --cache-dir store",
        "build --cache-dir=sub/../link/store",
        "plan -o oci:dist",
    ] {
        let refuse = || project.pack(arguments).fails(1).says(&["goes into the image"]).hints();
        refuse();
        refuse();
    }
    let names: Vec<_> =
        fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 6, "nothing was made: {names:?}");
    // The same of files and directories of a layer, and of a directory within an output.
    let project = Project::small();
    project
        .append("build.toml", "[[layer]]\nname = \"more\"\nfiles = [{ from = \"more\", to = \"/more\" }]\n");
    project.write("more/x", "x\n");
    project
        .pack("build -o oci-archive:more/out.tar")
        .fails(1)
        .says(&["`-o oci-archive:more/out.tar` lies in"]);
    project.pack("build --metadata-file files/sub/m.json").fails(1).says(&["goes into the image"]);
    let inside = Project::small();
    let toml = fs::read_to_string(inside.path("build.toml")).unwrap();
    inside.write("build.toml", toml.replace("\"files\"", "\"blobs/files\"")).write("blobs/files/a", "a");
    inside.write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    inside.pack("build -o oci:.").fails(1).says(&["is written over it"]).hints();
}

#[test]
fn an_output_inside_that_globs_leave_out_changes_nothing() {
    let project = whole_directory();
    project.write(".packignore", "");
    let expected = project.build("").digest();
    for (arguments, path) in [
        ("-o oci:dist", "dist"),
        ("-o oci-archive:out[1].tar", "out[1].tar"),
        ("--metadata-file sub/meta.json", "sub/meta.json"),
        ("--cache-dir store", "store"),
    ] {
        let refused = project.pack("build").args(arguments).fails(1);
        let (_, hint) = refused.stderr.split_once("write the line `").unwrap();
        let line = hint.split_once('`').unwrap().0;
        // The hint's advice, which works.
        project.write(".packignore", format!("{line}\n"));
        for _ in 0..2 {
            let built = project.pack("build").args(arguments).ok();
            assert!(built.stdout.trim().ends_with(&expected), "{arguments}: {built:?}");
        }
        assert!(project.path(path).exists());
        assert!(project.pack("build").ok().stdout.trim().ends_with(&expected));
        let path = project.path(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

#[test]
fn an_output_replaces_neither_an_input_nor_another_output() {
    let project = Project::small();
    project.append("build.toml", "[[layer]]\nname = \"more\"\nfiles = [{ from = \"x\", to = \"/x\" }]\n");
    project.write("x", "x\n");
    let before = fs::read(project.path("build.toml")).unwrap();
    for (arguments, says) in [
        ("--metadata-file build.toml", "which the build reads"),
        ("--image-refs build.lock", "which the build reads"),
        ("-o oci-archive:x", "is written over it"),
        ("--metadata-file m --image-refs ./m", "are the same file"),
        ("-o oci-archive:o -o docker-archive:o", "are the same file"),
    ] {
        project.pack("build").args(arguments).fails(1).says(&[says]).hints();
    }
    assert_eq!(fs::read(project.path("build.toml")).unwrap(), before);
    assert_eq!(fs::read_to_string(project.path("x")).unwrap(), "x\n");
    assert!(!project.path("m").exists() && !project.path("o").exists());
}

#[test]
fn logins_do_not_go_into_an_image() {
    let project = whole_directory();
    project.write(".docker/config.json", "{}");
    let docker = project.path(".docker").display().to_string();
    let run = project.pack("build").env("DOCKER_CONFIG", &docker);
    run.fails(1).says(&["the file of logins", "goes into the image", "`/.docker/config.json`"]);
    project.write(".packignore", "/.docker\n");
    run.ok();
}

#[test]
fn a_result_that_is_redirected_into_the_input_is_refused() {
    let project = whole_directory();
    let mut command = project.pack("build").command();
    command.stdout(fs::File::create(project.path("digest.txt")).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("standard output lies in"), "{said}");
    assert!(Path::new(&project.path("digest.txt")).exists());
}

/// The digest that a command printed in its last line.
#[track_caller]
fn digest_in(stdout: &str) -> String {
    let line = stdout.lines().last().unwrap_or_else(|| panic!("no result: {stdout:?}"));
    line.rsplit_once('@').unwrap_or_else(|| panic!("no digest: {stdout}")).1.to_owned()
}

/// A real registry beside a project.
fn registry(project: &Project, read_only: bool) -> Option<Server> {
    let inputs = real::inputs(&["tools/docker-registry"])?;
    let (program, directory) = (inputs.join("tools/docker-registry"), project.beside("registry"));
    Some(Server::start_with(&program, &directory, |config| {
        config["storage"]["maintenance"]["readonly"]["enabled"] = read_only.into();
    }))
}

/// The digest that another tool computes for the image.
fn skopeo_digest(image: &str) -> String {
    let said = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"])
        .arg(format!("docker://{image}"))
        .output()
        .unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[test]
fn files_that_cannot_be_written_are_refused_before_anything_is_sent() {
    let project = Project::small();
    let Some(mut server) = registry(&project, false) else { return };
    let push = format!("build --push --name {}/app", server.host());
    project.write("taken/x", "").write("file", "");
    for flag in ["--metadata-file", "--image-refs", "--timings"] {
        for file in ["taken", "file/x", "file/x/y"] {
            let argument = format!("{flag}={file}");
            project.pack(&push).arg(&argument).fails(1).says(&["cannot write", file]);
        }
    }
    for output in ["-o oci-archive:file/x", "-o oci-archive:taken", "-o oci:file/x", "-o oci:taken"] {
        project.pack(&push).args(output).fails(1);
    }
    assert_eq!(server.requests().len(), 0, "nothing was asked");
}

/// Whatever is written, the directories above it are made, once there is something to write.
#[test]
fn missing_directories_are_made_for_every_output() {
    let project = Project::small();
    let outputs = [
        ("-o oci-archive:", "a/b/image.tar"),
        ("-o docker-archive:", "c/d/image.tar"),
        ("-o oci:", "e/f/image"),
        ("--metadata-file=", "g/h/file"),
        ("--image-refs=", "i/j/file"),
        ("--timings=", "k/l/file"),
    ];
    let arguments: Vec<String> = outputs.iter().map(|(flag, path)| format!("{flag}{path}")).collect();
    let line = format!("build {}", arguments.join(" "));
    project.pack(&line).args("--base oci:none").fails(1);
    for (_, path) in outputs {
        assert!(!project.path(&path[..1]).exists(), "nothing is made for a build that fails: {path}");
    }
    project.pack(&line).ok();
    for (_, path) in outputs {
        assert!(project.path(path).exists(), "{path}");
    }
}

#[test]
fn a_lock_that_cannot_be_written_is_told_of_before_the_push() {
    if !is_root() {
        return skipped("a lock that cannot be written", "root's own files are always writable");
    }
    let project = Project::with(&tree_on("oci:base"));
    project.write("files/a", "a");
    let base = Project::small();
    base.pack("build").arg("-o").arg(format!("oci:{}", project.path("base").display())).ok();
    let Some(mut server) = registry(&project, false) else { return };
    chmod(&project.root(), 0o555);
    project.pack("build").nobody().cache(&project.beside("tmp/cache")).fails(1).says(&["build.lock"]).hints();
    let push = format!("build --push --name {}/app", server.host());
    let run = project.pack(&push).nobody().cache(&project.beside("tmp/cache"));
    run.fails(1).says(&["cannot write", "build.lock"]).hints();
    assert_eq!(server.requests().len(), 0);
    project.pack("update").nobody().cache(&project.beside("tmp/cache")).fails(1).says(&["cannot write"]);
    // One that says all there is to say need not be written.
    chmod(&project.root(), 0o755);
    project.pack("build").ok();
    let written = fs::metadata(project.path("build.lock")).unwrap().modified().unwrap();
    chmod(&project.root(), 0o555);
    let said = run.ok();
    assert_eq!(skopeo_digest(&format!("{}/app:1", server.host())), digest_in(&said.stdout));
    assert_eq!(fs::metadata(project.path("build.lock")).unwrap().modified().unwrap(), written);
    chmod(&project.root(), 0o755);
}

#[test]
fn a_lock_that_says_the_same_in_other_lines_is_left_alone() {
    let project = whole_directory();
    project.pack("build").ok();
    let unix = fs::read_to_string(project.path("build.lock")).unwrap();
    let windows = unix.replace('\n', "\r\n") + "# checked in\r\n";
    project.write("build.lock", &windows);
    project.pack("build").ok();
    assert_eq!(fs::read_to_string(project.path("build.lock")).unwrap(), windows);
    // An edited entry is derived again.
    project.write(
        "build.lock",
        unix.replace("mode = \"0755\"", "mode = \"0700\"").replace("size = ", "size = 1"),
    );
    project.pack("build").ok();
    assert_eq!(fs::read_to_string(project.path("build.lock")).unwrap(), unix);
}

#[test]
fn what_fails_after_a_push_is_told_and_the_digest_is_printed() {
    let project = Project::small();
    let Some(server) = registry(&project, false) else { return };
    let push = format!("build --push --name {}/app", server.host());
    for flag in ["--metadata-file", "--image-refs", "--timings"] {
        for quiet in ["", " -q"] {
            let said =
                project.pack(&format!("{push}{quiet}")).arg(format!("{flag}=/dev/full")).run().has_code(1);
            assert_eq!(digest_in(&said.stdout), skopeo_digest(&format!("{}/app:1", server.host())));
            // Who reads the file later would take an old one for that of this build.
            said.says(&["error: cannot write `/dev/full`", "No space left", "the image itself is done"])
                .hints();
        }
    }
    // The result itself cannot be written: it is said where it can be read.
    let copy = format!("copy {0}/app:1 {0}/copy:1", server.host());
    let tag = format!("tag {}/app:1 2", server.host());
    for command in [push.as_str(), &copy, &tag] {
        let mut full = project.pack(command).command();
        full.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
        let said = outcome(command, &full.output().unwrap()).has_code(0);
        assert_eq!(said.warnings().len(), 1, "{said:?}");
        said.says(&["cannot be written to standard output", "@sha256:"]);
        // The pipe has no reader.
        let mut closed = project.pack(command).command();
        let mut child = closed.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{command}");
    }
    let mut full = project.pack("inspect").arg(format!("{}/app:1", server.host())).command();
    full.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
    assert_eq!(full.output().unwrap().status.code(), Some(1), "nothing was done but to print");
}

/// A file system that takes no file, not even of root.
const NO_FILES: &str = "/proc/pack-test";

#[test]
fn a_place_that_takes_no_file_is_refused_before_anything_is_written() {
    let project = Project::small();
    for output in ["-o oci-archive:", "-o docker-archive:", "--metadata-file=", "--image-refs=", "--timings="]
    {
        let refused = project.pack("build -o oci:layout").args(&format!("{output}{NO_FILES}/x"));
        refused.fails(1).says(&["/proc"]);
        assert!(!project.path("layout").exists(), "{output}");
    }
}

/// Runs `pack` where `/mnt` has no room for a layer; `None` where that cannot be done.
fn with_a_full_disk(project: &Project, arguments: &str) -> Option<crate::support::Outcome> {
    let run = project.pack(arguments);
    let inner = run.command();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "mount -t tmpfs -o size=100k tmpfs /mnt && exec \"$@\"", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).env_clear().current_dir(project.root());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = outcome("unshare", &command.output().unwrap());
    if !is_root() || said.stderr.contains("mount: ") {
        skipped("an archive on a full disk", &said.stderr);
        return None;
    }
    Some(said)
}

#[test]
fn a_layout_gets_its_tag_after_the_archives_are_written() {
    let project = Project::small();
    project.write("files/noise", crate::support::noise(1, 300_000));
    for outputs in ["-o oci:layout -o oci-archive:/mnt/a.tar", "-o oci-archive:/mnt/a.tar -o oci:layout"] {
        let Some(said) = with_a_full_disk(&project, &format!("build {outputs}")) else { return };
        said.has_code(1);
        assert!(!project.path("layout").exists(), "a layout without an image goes again");
    }
}

#[test]
fn the_tag_moves_after_all_other_outputs_are_written() {
    let project = Project::small();
    let Some(server) = registry(&project, false) else { return };
    project.write("files/noise", crate::support::noise(1, 300_000));
    let push = format!("build --push --name {}/app -o oci-archive:/mnt/a.tar", server.host());
    let Some(said) = with_a_full_disk(&project, &push) else { return };
    let said = said.has_code(1);
    assert_eq!(said.stdout, "");
    assert_eq!(skopeo_digest(&format!("{}/app:1", server.host())), "", "no tag has moved");
}

#[test]
fn devices_pipes_and_links_are_written_into_and_not_replaced() {
    let project = Project::small();
    let expected = project.build("").digest();
    let said = project.pack("build --metadata-file /dev/stdout").ok();
    let (metadata, line) = said.stdout.trim().rsplit_once('\n').unwrap();
    assert_eq!(json(metadata)["containerimage.digest"], expected);
    assert!(line.ends_with(&expected), "{line}");
    project.pack("build --metadata-file /dev/null --image-refs /dev/stderr").ok().says(&[&expected]);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());

    // A pipe is waited for until somebody reads.
    let pipe = project.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            fs::read_to_string(pipe).unwrap()
        }
    });
    project.pack("build --image-refs pipe").ok();
    assert!(reader.join().unwrap().trim().ends_with(&expected));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

    // The file at the end of a link is replaced, whole, and keeps its mode; the link stays.
    project.write("real/refs", "old");
    chmod(&project.path("real/refs"), 0o640);
    symlink("real/refs", project.path("link")).unwrap();
    symlink("real/new", project.path("dangling")).unwrap();
    let mut open = fs::File::open(project.path("real/refs")).unwrap();
    project.pack("build --image-refs link --metadata-file dangling").ok();
    assert!(fs::symlink_metadata(project.path("link")).unwrap().is_symlink());
    assert!(fs::read_to_string(project.path("real/refs")).unwrap().trim().ends_with(&expected));
    assert_eq!(fs::metadata(project.path("real/refs")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(
        json(&fs::read_to_string(project.path("real/new")).unwrap())["containerimage.digest"],
        expected
    );
    let mut before = String::new();
    open.read_to_string(&mut before).unwrap();
    assert_eq!(before, "old", "whoever had it open reads the old one");

    // The same for build files.
    let new = Project::new();
    new.write("site/index.html", "<p>").write("elsewhere", "");
    symlink("elsewhere", new.path("build.toml")).unwrap();
    new.pack("init site --force").ok();
    assert!(fs::symlink_metadata(new.path("build.toml")).unwrap().is_symlink());
    assert!(fs::read_to_string(new.path("elsewhere")).unwrap().contains("[app]"));
}

/// The user names a directory, and a checkout of others may hold links in it.
#[test]
fn nothing_is_written_through_links_inside_of_an_output_directory() {
    let project = Project::small();
    project.write("target/file", "theirs");
    let theirs = || fs::read_to_string(project.path("target/file")).unwrap();
    let linked = |place: &str, target: &str| {
        let place = project.path(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(target, place).unwrap();
    };
    let text = "services: {a: {image: nginx}}\n";
    project.write("in/x.yaml", text).write("in/sub/file.yaml", text);
    linked("flat/x.yaml", "../target/file");
    linked("nested/sub", "../target");
    for (directory, link) in [("flat", "flat/x.yaml"), ("nested", "nested/sub")] {
        let said = project.pack(&format!("resolve -f in -o {directory}")).fails(1).hints();
        said.says(&["cannot write", &format!("{link}` is a link inside of the output directory")]);
    }
    assert!(!project.path("flat/sub").exists(), "all are asked before one is written");
    assert_eq!(fs::read_dir(project.path("target")).unwrap().count(), 1, "nothing is new there");

    linked("man/pack.1", "../target/file");
    project.pack("man --dir man").fails(1).says(&["man/pack.1` is a link inside of the output directory"]);
    linked("jib/jib-image.id", "../target/new");
    let said = project.pack("build --ci jib=jib").fails(1).hints();
    said.says(&["jib/jib-image.id` is a link inside of the output directory"]);
    assert!(!project.path("target/new").exists());

    project.pack("build -o oci:layout").ok();
    fs::rename(project.path("layout/blobs/sha256"), project.path("away")).unwrap();
    linked("layout/blobs/sha256", "../../away");
    let said = project.pack("build -o oci:layout").fails(1).hints();
    said.says(&["layout/blobs/sha256` is a link, and blobs are written through none"]);
    // The directory itself is the user's own word, and so is a link to it.
    linked("one", "two");
    fs::create_dir(project.path("two")).unwrap();
    project.pack("resolve -f in -o one").ok();
    assert!(project.path("two/sub/file.yaml").is_file());
    assert_eq!(theirs(), "theirs");
}

#[test]
fn a_result_in_a_file_is_not_overwritten_by_a_file_of_the_same_name() {
    let project = Project::small();
    let file = fs::File::create(project.path("both")).unwrap();
    let mut command = project.pack("build --metadata-file both").command();
    assert_eq!(command.stdout(file).status().unwrap().code(), Some(0));
    let text = fs::read_to_string(project.path("both")).unwrap();
    let (metadata, line) = text.trim().rsplit_once('\n').unwrap();
    assert_eq!(json(metadata)["containerimage.digest"], digest_in(line));
}

#[test]
fn what_fails_leaves_no_layout_behind() {
    let project = Project::small();
    let Some(server) = registry(&project, true) else { return };
    let push = format!("build --push --name {}/app", server.host());
    for _ in 0..2 {
        project.pack(&push).args("-o oci:deep/er/out").fails(3);
        assert!(!project.path("deep").exists(), "{:?}", files_below(&project.path("deep")));
    }
    // Nor does what another build made there go.
    project.pack("build -o oci:there").ok();
    let before = files_below(&project.path("there"));
    project.write("files/a.txt", "changed");
    project.pack(&push).args("-o oci:there").fails(3);
    project.pack("verify oci:there").ok();
    assert!(before.iter().all(|path| path.exists()));
    // A copy of what turns out to be damaged.
    let is_layer = |path: &std::path::PathBuf| fs::read(path).unwrap().starts_with(b"\x1f\x8b");
    for layer in files_below(&project.path("there/blobs")).into_iter().filter(is_layer) {
        fs::write(layer, "damaged").unwrap();
    }
    project
        .pack("copy oci:there oci:copied/out")
        .fails(1)
        .says(&["project/there: blob", "is damaged"])
        .hints();
    assert!(!project.path("copied").exists());
    project
        .pack("copy oci:there oci-archive:copied.tar")
        .fails(1)
        .says(&["project/there: blob", "is damaged"])
        .hints();
    assert!(!project.path("copied.tar").exists());
}

#[test]
fn a_run_without_a_store_leaves_nothing_in_the_temporary_directory() {
    let project = Project::small();
    let left = || {
        let names = fs::read_dir(project.beside("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    fs::write(project.beside("file"), "").unwrap();
    let no_store = project.beside("file/store");
    // As a killed run leaves it, and what only looks like it.
    let dead = project.beside("tmp/pack-dEad01");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join(".pack-scratch"), "").unwrap();
    fs::write(dead.join("blob"), [0; 1000]).unwrap();
    chmod(&dead, 0o700);
    fs::create_dir(project.beside("tmp/pack-others")).unwrap();
    project.pack("build -o oci-archive:out.tar").cache(&no_store).ok();
    assert_eq!(left(), ["pack-others"]);
    project.pack("verify oci-archive:out.tar").cache(&no_store).ok();
    project.pack("build").cache(&no_store).fails(1).says(&["the local store cannot be written"]).hints();
    let Some(server) = registry(&project, true) else { return };
    let push = format!("build --push --name {}/app", server.host());
    project.pack(&push).cache(&no_store).fails(3);
    assert_eq!(left(), ["pack-others"]);
    // A prune takes it, too, and says so.
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join(".pack-scratch"), "").unwrap();
    chmod(&dead, 0o700);
    let said = project.pack("cache prune").ok();
    assert!(said.stdout.contains("1 directory of killed runs"), "{said:?}");
    assert_eq!(left(), ["pack-others"]);
}

#[test]
fn a_run_that_is_interrupted_leaves_nothing_in_the_temporary_directory() {
    let project = Project::small();
    for number in 0..20 {
        project.write(&format!("files/noise-{number}"), crate::support::noise(number, 1_000_000));
    }
    fs::write(project.beside("file"), "").unwrap();
    let run = project.pack("build -o oci-archive:out.tar -j 1").cache(&project.beside("file/store"));
    let child = run.command().spawn().unwrap();
    let tmp = project.beside("tmp");
    let has_begun = || fs::read_dir(&tmp).unwrap().next().is_some();
    for _ in 0..1000 {
        if has_begun() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said = outcome("interrupted", &child.wait_with_output().unwrap());
    assert!(matches!(said.code, Some(0 | 130)), "{said:?}");
    assert!(!has_begun(), "{:?}", files_below(&tmp));
}

#[test]
fn a_prune_waits_for_those_who_use_the_store_and_says_why_it_keeps() {
    let project = Project::small();
    project.pack("build").ok();
    let lease = project.cache().join("locks/lease");
    let mut holder = Command::new("flock").arg("-s").arg(&lease).args(["sleep", "1"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let said = project.pack("cache prune").ok().says(&["waiting for those who use the local store"]);
    assert!(holder.try_wait().unwrap().is_some(), "it waited");
    for why in ["kept ", "images that have a name (`--all` takes these, too)", "younger than 60 minutes"] {
        assert!(said.stdout.contains(why), "{said:?}");
    }
    // Images beyond the limit go with their names, and images within it stay with theirs.
    let said = project.pack("cache prune --all --max-size 1GB --json").ok().json();
    assert_eq!((said["names"].as_u64(), said["blobs"].as_u64()), (Some(0), Some(0)), "{said}");
    project.pack("verify localhost/tree:1").ok();
    let said = project.pack("cache prune --all --max-size 1 --json").ok().json();
    assert_eq!((said["names"].as_u64(), said["kept_bytes"].as_u64()), (Some(1), Some(0)), "{said}");
    let said = project.pack("cache info --json").ok().json();
    assert_eq!(said["usage"]["blobs"].as_u64(), Some(0), "{said}");
}

#[test]
fn threads_are_as_many_as_make_sense_and_as_the_system_gives() {
    let project = Project::small();
    for number in 0..30 {
        project.write(&format!("files/text-{number}"), crate::support::prose(number, 100_000));
    }
    let expected = project.build("").digest();
    let counted = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=clone,clone3", "-o"])
        .arg(project.beside("calls"))
        .arg(PACK)
        .args(["build", "-j", "100000", "--cache-dir"])
        .arg(project.beside("other"))
        .current_dir(project.root())
        .output();
    if let Ok(output) = counted
        && output.status.success()
    {
        assert!(String::from_utf8_lossy(&output.stdout).trim().ends_with(&expected));
        let calls = fs::read_to_string(project.beside("calls")).unwrap().lines().count();
        let most = 16 * std::thread::available_parallelism().unwrap().get() + 50;
        assert!(calls <= most, "{calls} threads");
    }
    if !is_root() {
        return skipped("a limit of threads", "root alone becomes a user without other processes");
    }
    // A user with no other process, so that the limit is ours alone.
    project.pack("--version").nobody().ok();
    chmod(&project.root(), 0o777);
    for (command, name) in
        [("build -o oci-archive:limited.tar", "build"), ("verify oci-archive:whole.tar", "verify")]
    {
        project.pack("build -o oci-archive:whole.tar").ok();
        let mut works = false;
        for limit in 1..24_u32 {
            let directory = tempfile::tempdir_in(project.beside("tmp")).unwrap();
            chmod(directory.path(), 0o777);
            let user = (61_000 + limit).to_string();
            let inner = project.pack(command).cache(&directory.path().join("store")).command();
            let mut limited = Command::new("setpriv");
            limited.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--inh-caps=-all", "--"]);
            limited.args(["prlimit", &format!("--nproc={limit}"), "--"]).arg(project.beside("pack"));
            limited.args(inner.get_args()).current_dir(project.root()).env_clear();
            limited.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let said: Outcome = outcome(command, &limited.stdin(Stdio::null()).output().unwrap());
            fs::remove_file(project.path("limited.tar")).ok();
            match said.code {
                Some(0) => works = true,
                Some(1) => drop(said.says(&["threads", "hint: raise the limit"])),
                _ => panic!("{name}, {limit}: {said:?}"),
            }
        }
        assert!(works, "{name}: 23 threads are enough");
    }
}

#[test]
fn an_archive_is_called_what_it_was_called_and_standard_output_is_none() {
    let project = Project::small();
    project
        .pack("build -o oci-archive:-")
        .fails(2)
        .says(&["standard input or output", "`oci-archive:./-`"])
        .hints();
    assert!(!project.path("-").exists());
    project.pack("build -o oci-archive:./-").ok();
    assert!(project.path("-").exists());
    for word in ["oci-archive", "docker-archive"] {
        let said = project.pack(&format!("copy oci-archive:./- {word}:copy.tar")).ok();
        assert!(said.stdout.starts_with(&format!("{word}:copy.tar:sha256:")), "{said:?}");
        project.pack("verify").arg(said.stdout.trim()).ok();
        let said = project.pack(&format!("build -o {word}:built.tar")).ok();
        said.says(&[&format!("{word}:{}", project.path("built.tar").display())]);
    }
}

#[test]
fn a_path_that_is_no_text_is_no_obstacle_to_json() {
    let project = Project::new();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::create_dir(project.root().join(name)).unwrap();
    fs::write(project.root().join(name).join("a"), "a").unwrap();
    let mut command = project.pack("plan --json --root /srv").command();
    let said = outcome("plan", &command.arg(name).output().unwrap()).has_code(0).json();
    assert!(said["artifacts"][0]["path"].as_str().unwrap().ends_with("caf\u{fffd}"), "{said}");
    let mut command = project.pack("build --json --metadata-file m.json --root /srv").command();
    outcome("build", &command.arg(name).output().unwrap()).has_code(0).json();
    let metadata = json(&fs::read_to_string(project.path("m.json")).unwrap());
    assert!(metadata["containerimage.digest"].is_string());
    let mut command = project.pack("cache info --json").command();
    let said = command.env("PACK_CACHE_DIR", project.beside("").join(name)).output().unwrap();
    outcome("info", &said).has_code(0).json();
}

#[test]
fn an_output_is_called_what_the_command_line_says() {
    let project = Project::small();
    project.pack("build -t 1 -o oci:out:v9 -o docker-archive:out.tar:v9").ok();
    for place in ["oci:out:v9", "oci-archive:out.tar:v9"] {
        project.pack(&format!("verify {place}")).ok();
    }
    project.pack("verify oci:out:1").fails(1).says(&["there is no image `1`"]);
    let mut tar = Command::new("tar");
    let said = tar.args(["-xOf", "out.tar", "manifest.json"]).current_dir(project.root()).output().unwrap();
    let saved = json(&String::from_utf8(said.stdout).unwrap());
    assert!(saved[0]["RepoTags"][0].as_str().unwrap().ends_with(":v9"), "{saved}");
}

#[test]
fn a_file_beside_an_image_does_not_replace_one_of_a_layout() {
    let project = Project::small();
    project.pack("build -o oci:../out").ok();
    for file in ["../out/index.json", "../out/oci-layout", "../out/new.json"] {
        project
            .pack(&format!("build -o oci:../out --metadata-file {file}"))
            .fails(1)
            .says(&["whose files are not to be replaced"])
            .hints();
    }
    let store = project.cache().join("index.json");
    project.pack("build --image-refs").arg(store.display().to_string()).fails(1);
    project.pack("verify oci:../out").ok();
    project.check_store();
}

#[test]
fn a_platform_that_is_asked_for_is_looked_at_in_equal_images_too() {
    let project = Project::small();
    project.pack("build -o oci:../out").ok();
    project.pack("diff --platform linux/amd64 oci:../out oci:../out").ok();
    project.pack("diff --platform linux/s390x oci:../out oci:../out").fails(1).says(&["not linux/s390x"]);
}

#[test]
fn no_output_takes_the_place_of_an_image_that_is_read() {
    let project = Project::small();
    project.pack("build --tag 1 -o oci:layout -o oci-archive:image.tar -o docker-archive:docker.tar").ok();
    std::fs::hard_link(project.path("image.tar"), project.path("same.tar")).unwrap();
    let index = project.cache().join("index.json").display().to_string();
    let whole = |path: &str| std::fs::read(project.path(path)).unwrap();
    let files = ["layout/index.json", "layout/oci-layout", "image.tar", "docker.tar"];
    let before = files.map(whole);
    let stored = std::fs::read(&index).unwrap();
    for command in [
        "inspect oci:layout --html layout/index.json",
        "inspect oci-archive:image.tar --html image.tar",
        "inspect oci-archive:image.tar --html same.tar",
        "inspect docker-archive:docker.tar --html docker.tar",
        "diff oci:layout docker-archive:docker.tar --html layout/oci-layout",
        "diff oci:layout docker-archive:docker.tar --html docker.tar",
        "sbom oci:layout -o layout/index.json",
        "sbom oci-archive:image.tar -o image.tar",
        &format!("inspect localhost/tree:1 --html {index}"),
    ] {
        project.pack(command).fails(1).hints().says(&["would be written over", "name another file"]);
    }
    assert_eq!(files.map(whole), before);
    assert_eq!(std::fs::read(&index).unwrap(), stored);
    project.pack("inspect oci:layout --html page.html").ok();
}

/// A file where a directory must be is told by every output, with a way out, and nothing is built.
#[test]
fn a_file_on_the_way_to_an_output_is_told() {
    let project = Project::small();
    fs::write(project.path("taken"), "").unwrap();
    for arguments in [
        "-o oci-archive:taken/image.tar",
        "-o docker-archive:taken/image.tar",
        "--metadata-file taken/build.json",
        "--iidfile taken/id",
        "--timings=taken/build.html",
    ] {
        let said = project.pack("build").args(arguments).fails(1);
        said.says(&["taken", "hint: check the path: a part of it before the last one is a file"]);
    }
    assert_eq!(fs::read(project.path("taken")).unwrap(), b"");
}
