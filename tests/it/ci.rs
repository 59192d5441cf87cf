//! Files for CI systems, and builds that a CI system runs.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::real::peers::peer;
use crate::support::{Project, json, text};

#[test]
fn every_form_names_the_image_that_was_built() {
    let project = Project::small();
    project.write("../output", "before=1").write("../summary", "");
    let run = project
        .pack(
            "build -o oci:out --ci github --ci gitlab=build.env --ci jib=jib --iidfile id --image-refs refs",
        )
        .args("--metadata-file metadata.json --ci skaffold=tags.json")
        .env("GITHUB_OUTPUT", &project.beside("output").display().to_string())
        .env("GITHUB_STEP_SUMMARY", &project.beside("summary").display().to_string());
    let reference = run.ok().stdout.trim_end().to_owned();
    let (name, digest) = reference.split_once('@').unwrap();
    let read = |path: &str| fs::read_to_string(project.path(path)).unwrap();
    assert_eq!(read("build.env"), format!("PACK_IMAGE={reference}\nPACK_DIGEST={digest}\nPACK_TAG=1\n"));
    assert_eq!(read("refs"), format!("{reference}\n"));
    let metadata = json(&read("metadata.json"));
    assert_eq!(text(&metadata["containerimage.descriptor"]["digest"]), digest);
    let manifest = project.path(&format!("out/blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap()));
    assert_eq!(metadata["containerimage.descriptor"]["size"], fs::metadata(manifest).unwrap().len());
    assert_eq!(read("id"), text(&metadata["containerimage.config.digest"]));
    assert_eq!(read("jib/jib-image.id"), read("id"));
    assert_eq!(read("jib/jib-image.digest"), digest);
    let jib = json(&read("jib/jib-image.json"));
    assert_eq!((text(&jib["image"]), &jib["imagePushed"]), (format!("{name}:1"), &false.into()));
    let builds =
        serde_json::json!({ "builds": [{ "imageName": name, "tag": format!("{name}:1@{digest}") }] });
    assert_eq!(json(&read("tags.json")), builds);
    let output = fs::read_to_string(project.beside("output")).unwrap();
    assert!(output.starts_with("before=1\nimage<<pack_"), "{output}");
    assert!(output.contains(&format!("\n{reference}\n")), "{output}");
    let summary = fs::read_to_string(project.beside("summary")).unwrap();
    assert!(summary.starts_with("### ") && summary.contains(&digest[7..]), "{summary}");
    // A second build in the same step, of which everything is known, adds the same.
    run.ok();
    assert_eq!(fs::read_to_string(project.beside("output")).unwrap().matches("image<<").count(), 2);
    assert_eq!(
        json(&read("metadata.json"))["containerimage.descriptor"],
        metadata["containerimage.descriptor"]
    );
}

#[test]
fn a_form_that_cannot_be_written_is_refused_before_the_build() {
    let project = Project::small();
    project.pack("build --ci github").fails(1).says(&["`GITHUB_OUTPUT`, which is not set"]).hints();
    project
        .pack("build --ci travis")
        .fails(2)
        .says(&["`github`, `gitlab=FILE`, `jib=DIR` or `skaffold=FILE`"]);
    for form in ["gitlab", "jib", "skaffold"] {
        let twice = format!("build --ci {form}=a --ci {form}=b");
        project.pack(&twice).fails(2).says(&[&format!("`--ci {form}` was given twice")]).hints();
    }
    project.pack("build --ci gitlab=files/build.env").fails(1).says(&["--ci gitlab"]);
    assert!(project.memos("layer").is_empty(), "nothing was built");
}

/// A repository with everything committed.
fn committed() -> Project {
    let project = Project::small();
    for arguments in [
        &["init", "-q"][..],
        &["add", "."],
        &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"],
    ] {
        let status = Command::new("git").args(arguments).current_dir(project.root()).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }
    project
}

#[test]
fn the_files_of_an_earlier_pipeline_make_no_tree_dirty() {
    let project = committed();
    let store = project.path(".pack-store");
    let build = "build --image-refs image.txt --metadata-file about.json --ci gitlab=pack.env --iidfile id";
    for round in 0..2 {
        project.pack(build).cache(&store).env("CI", "true").ok();
        assert!(store.join(".gitignore").exists() && project.path("image.txt").exists(), "{round}");
    }
    // Of another command they are files like any other.
    project.pack("build").cache(&store).env("CI", "true").fails(4).says(&["uncommitted changes"]);
}

#[test]
fn outputs_in_a_new_directory_make_no_tree_dirty() {
    let project = committed();
    let build = "build --image-refs new/out/image.txt --metadata-file new/about.json";
    for _ in 0..2 {
        std::fs::create_dir_all(project.path("new/out")).unwrap();
        project.pack(build).env("CI", "true").ok();
    }
    project.write("new/out/other", "not an output");
    project.pack(build).env("CI", "true").fails(4).says(&["uncommitted changes", "`new/`"]);
}

#[test]
fn a_ci_system_builds_from_what_is_committed() {
    let project = committed();
    project.pack("build").env("CI", "true").ok();
    project.write("files/a.txt", "changed\n");
    project.pack("build").ok();
    let refused = project.pack("build").env("CI", "true").fails(4).says(&["uncommitted changes"]).hints();
    drop(refused);
    project.pack("build --allow-dirty").env("CI", "true").ok();
    project.pack("build --set image.strict=false").env("CI", "true").ok();
    project.pack("build --set image.strict=true").fails(4);
}

#[test]
fn dotenv_reads_the_variables() {
    let Some(dotenv) = peer("dotenv/package") else { return };
    let project = Project::small();
    let reference = project.pack("build --ci gitlab=build.env").ok().stdout.trim_end().to_owned();
    let script = "console.log(JSON.stringify(require(process.argv[1]).parse(require('fs').readFileSync(process.argv[2]))))";
    let said = Command::new("node")
        .args(["-e", script])
        .arg(dotenv)
        .arg(project.path("build.env"))
        .output()
        .expect("node starts");
    let found: BTreeMap<String, String> = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(found["PACK_IMAGE"], reference);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["PACK_DIGEST", "PACK_IMAGE", "PACK_TAG"]);
}
