//! Outputs, files beside them, and how a run ends.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::Project;

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
        // What the hint says is done, and works.
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
