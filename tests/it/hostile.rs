//! Hostile layers, archives and documents: refused in bounded memory and time.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{PACK, Project, REPOSITORY, is_root, sha256, skipped, tree_on};

/// An entry of a tar: name, mode, content; a name that ends in a slash is a directory.
fn tar_of(entries: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, content) in entries {
        let mut header = tar::Header::new_ustar();
        let kind = if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular };
        header.set_entry_type(kind);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn hex_of(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap()
}

/// An OCI layout with one image of these layers, as tars.
fn layout(directory: &Path, layers: &[Vec<u8>]) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| -> Value {
        let digest = sha256(bytes);
        fs::write(blobs.join(hex_of(&digest)), bytes).unwrap();
        let media_type = format!("application/vnd.oci.image.{media_type}");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let listed: Vec<Value> = layers.iter().map(|layer| blob("layer.v1.tar", layer)).collect();
    let diff_ids: Vec<&Value> = listed.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", config.to_string().as_bytes()), "layers": listed });
    let mut root = blob("manifest.v1+json", manifest.to_string().as_bytes());
    root["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    fs::write(directory.join("index.json"), json!({ "schemaVersion": 2, "manifests": [root] }).to_string())
        .unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// A project with one file below `root`, on the layout `base` beside it.
fn project_on(layers: &[Vec<u8>], root: &str) -> Project {
    let project = Project::new();
    layout(&project.path("base"), layers);
    project.write("build.toml", tree_on("oci:base:1").replace("/srv", root)).write("files/a.txt", "a\n");
    project
}

#[test]
fn a_layer_that_tools_do_not_read_alike_is_refused_by_every_command() {
    let mut odd = tar_of(&[("etc/", 0o755, ""), ("etc/app", 0o644, "x")]);
    // GNU tar unpacks a directory where Go's reader sees a file.
    odd[512..520].copy_from_slice(b"etc/app/");
    odd[660..668].fill(b' ');
    let sum: u32 = odd[512..1024].iter().map(|byte| u32::from(*byte)).sum();
    odd[660..668].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let project = project_on(&[odd.clone()], "/etc/app");
    layout(&project.path("other"), &[tar_of(&[("etc/", 0o755, "")])]);
    let words = ["entry 2 of the tar, at byte 512", "`name`", &sha256(&odd)];
    let report = project.pack("verify oci:base:1 --json").run().has_code(1).json();
    let problem = &report["problems"][0];
    assert_eq!((&problem["check"], &problem["subject"]), (&json!("tar"), &json!(sha256(&odd))));
    assert!(problem["message"].as_str().unwrap().contains(words[0]), "{report}");
    project.pack("build").fails(1).says(&words).hints();
    project.pack("diff oci:base:1 oci:other:1").fails(1).says(&words);
}

#[test]
fn a_whiteout_is_about_lower_layers_wherever_it_stands() {
    let lower = tar_of(&[("a/", 0o755, ""), ("a/kept/", 0o700, "")]);
    let directory = ("a/", 0o755, "");
    let whiteout = ("a/.wh.kept", 0o644, "");
    let opaque = ("a/.wh..wh..opq", 0o644, "");
    let cases = [
        (vec![directory], true),
        (vec![whiteout, directory], false),
        (vec![directory, whiteout], false),
        (vec![directory, opaque], false),
        (vec![opaque, directory], false),
        (vec![(".wh.a", 0o644, ""), directory], false),
        (vec![(".wh..wh..opq", 0o644, ""), directory], false),
    ];
    for (upper, is_there) in cases {
        let layers = [lower.clone(), tar_of(&upper)];
        let project = project_on(&layers, "/a/kept/app");
        project.build("");
        let lock = fs::read_to_string(project.path("build.lock")).unwrap();
        let line = lock.lines().find(|line| line.starts_with("\"/a/kept\"")).unwrap_or_default();
        assert_eq!(line.contains("mode = \"0700\""), is_there, "{upper:?}: {line}");
        assert_eq!(line.contains("missing"), !is_there, "{upper:?}: {line}");
        if !is_root() {
            skipped("umoci as a judge", "it takes root");
            continue;
        }
        // The judge, of the same layers.
        let (layout, bundle) = (project.path("base"), project.beside("bundle"));
        let image = format!("{}:1", layout.display());
        let said = Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle).output();
        match said {
            Ok(said) if said.status.success() => {
                assert_eq!(bundle.join("rootfs/a/kept").exists(), is_there, "{upper:?}");
            }
            Ok(said) => panic!("{upper:?}: {}", String::from_utf8_lossy(&said.stderr)),
            Err(_) => skipped("umoci as a judge", "it is not installed"),
        }
    }
}

/// The lock with `from` replaced by `to`, and the checksum that fits.
fn edited(lock: &str, from: &str, to: &str) -> String {
    let lock = lock.replace(from, to);
    let after = |key: &str| lock.split_once(&format!("\n{key} = \"")).unwrap().1.split_once('"').unwrap();
    let (digest, _) = after("digest");
    let (checksum, facts) = after("checksum");
    let facts = facts.strip_prefix('\n').unwrap();
    let right = sha256(format!("{digest}\n{facts}").as_bytes());
    lock.replace(checksum, &hex_of(&right)[..16])
}

#[test]
fn a_lock_that_lies_about_the_base_is_found_out_by_the_layers() {
    let base = tar_of(&[("etc/", 0o755, ""), ("etc/app/", 0o750, "")]);
    let project = project_on(&[base], "/etc/app/new");
    project.build("");
    let honest = fs::read_to_string(project.path("build.lock")).unwrap();
    assert_eq!(edited(&honest, "nothing", "else"), honest, "the checksum of the test is that of the program");
    project.pack("update --check").ok();
    project.pack("build --locked").ok();

    let lie = edited(&honest, "mode = \"0755\", uid = 0", "mode = \"0777\", uid = 1000");
    assert_ne!(lie, honest);
    project.write("build.lock", &lie);
    let words = ["`/etc`", "0777 of 1000:0", "0755 of 0:0, says layer sha256:"];
    project.pack("build --locked").fails(4).says(&words).hints();
    project.pack("build").fails(1).says(&words).hints();
    project.pack("update --check").fails(4).says(&words).hints();
    // A fresh store knows no index of the layer, and the base lies here all the same.
    project.pack("build --locked").cache(&project.beside("fresh")).fails(4).says(&words);
    // The hint's advice.
    project.pack("update").ok();
    assert_eq!(fs::read_to_string(project.path("build.lock")).unwrap(), honest);
    project.pack("build --locked").ok();

    let lie = edited(
        &honest,
        "\"/etc/app\" = { kind = \"directory\", mode = \"0750\", uid = 0, gid = 0 }",
        "\"/etc/app\" = { kind = \"missing\" }",
    );
    project.write("build.lock", &lie);
    project.pack("update --check").fails(4).says(&["`/etc/app`", "is missing", "a directory 0750 of 0:0"]);
}

#[test]
fn paths_that_are_no_text_are_told_apart_in_json() {
    let mut layer = tar_of(&[("caf1", 0o644, "x"), ("caf2", 0o644, "x")]);
    for (at, byte) in [(3, 0xe9), (1024 + 3, 0xe8)] {
        layer[at] = byte;
        let block = &mut layer[at - 3..][..512];
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let project = project_on(&[layer], "/srv");
    layout(&project.path("other"), &[tar_of(&[("a", 0o644, "x")])]);
    let report = project.pack("diff --json oci:base:1 oci:other:1").run().has_code(1).json();
    let files = report["images"][0]["files"].as_array().unwrap();
    let found: Vec<(&Value, &Value)> = files.iter().map(|file| (&file["path"], &file["pathBytes"])).collect();
    let text = json!("caf\u{fffd}");
    let expected = [(&json!("a"), &Value::Null), (&text, &json!("636166e8")), (&text, &json!("636166e9"))];
    assert_eq!(found, expected);
}

/// `benches/hostile` measures the cost of hostile input of every kind; here is some that is made quickly.
#[test]
fn hostile_images_cost_little_memory() {
    for case in ["variables", "history", "an index", "numbers", "1,900 parts above"] {
        let mut command = Command::new("python3");
        command
            .arg(Path::new(REPOSITORY).join("benches/hostile"))
            .args(["--json", "--only", case, "--pack", PACK]);
        let Ok(output) = command.output() else { return skipped("hostile images", "there is no python3") };
        let rows: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert!(!rows.as_array().unwrap().is_empty(), "{case}");
        for row in rows.as_array().unwrap() {
            assert!(row["memory"].as_u64().unwrap() <= 256, "{row}");
            assert!(matches!(row["code"].as_i64(), Some(0 | 1)), "{row}");
            // Results of hostile images are not larger than a reader bears, either.
            assert!(row["stdout"].as_u64().unwrap() < 64 << 20, "{row}");
        }
    }
}
