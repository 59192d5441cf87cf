//! eStargz layers, read by the words of their specification alone: footer, table of contents, one member.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Built, Project, chmod, files_below, json, noise, prose, settle, sha256, text, tree_on};
use serde_json::Value;

/// Small files in several members, files in several chunks, and everything that has no bytes.
pub(crate) fn fill(root: &Path) {
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for number in 0..300 {
        write(&format!("many/{number:03}.txt"), &prose(number, 3000 + number as usize));
    }
    write("empty", b"");
    write("größe", b"UTF-8");
    write("run.sh", b"#!/bin/sh\n");
    write("one-chunk", &noise(1, 262_144));
    write("chunks/text", &prose(2, 3_000_000));
    write("chunks/whole-pieces", &noise(3, 2 << 20));
    write("after", b"what follows a large file");
    chmod(&root.join("run.sh"), 0o755);
    fs::create_dir_all(root.join("empty-directory")).unwrap();
    symlink("run.sh", root.join("link")).unwrap();
    fs::hard_link(root.join("after"), root.join("zz-hard")).unwrap();
}

fn project() -> Project {
    let project = Project::with(&tree_on("scratch"));
    fill(&project.path("files"));
    settle(&project.path("files/after"));
    project
}

/// The descriptor of the only layer of the image in a layout, and its blob.
pub(crate) fn layer_in(layout: &Path) -> (Value, Vec<u8>) {
    let blob = |digest: &Value| {
        fs::read(layout.join("blobs/sha256").join(&text(digest)["sha256:".len()..])).unwrap()
    };
    let index = json(&fs::read_to_string(layout.join("index.json")).unwrap());
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0]["digest"])).unwrap();
    let layer = manifest["layers"][0].clone();
    let bytes = blob(&layer["digest"]);
    (layer, bytes)
}

/// The member that begins at `offset`.
fn member(blob: &[u8], offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let start = usize::try_from(offset).unwrap();
    flate2::bufread::GzDecoder::new(&blob[start..]).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The table of contents of a blob, which must have this digest.
fn contents_of(blob: &[u8], digest: &str) -> Vec<Value> {
    let footer = &blob[blob.len() - 51..];
    assert_eq!(footer[..16], [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0, b'S', b'G', 22, 0]);
    assert_eq!(&footer[32..38], b"STARGZ");
    let offset = u64::from_str_radix(std::str::from_utf8(&footer[16..32]).unwrap(), 16).unwrap();
    assert_eq!(member(footer, 0), b"", "an empty member");
    let member = member(blob, offset);
    let mut archive = tar::Archive::new(&member[..]);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(&*entry.path_bytes(), b"stargz.index.json");
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).unwrap();
    assert_eq!(sha256(&bytes), digest);
    let contents: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(contents["version"], 1);
    contents["entries"].as_array().unwrap().clone()
}

/// Every regular file's bytes, each found by the table of contents alone and checked by its digests.
fn files_of(blob: &[u8], contents: &[Value]) -> BTreeMap<String, Vec<u8>> {
    let number = |entry: &Value, name: &str| entry[name].as_u64().unwrap_or(0);
    let mut members: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut sizes = BTreeMap::new();
    for entry in contents.iter().filter(|entry| matches!(entry["type"].as_str(), Some("reg" | "chunk"))) {
        let name = text(&entry["name"]);
        if entry["type"] == "reg" {
            sizes.insert(name.clone(), (number(entry, "size"), entry["digest"].clone()));
            files.insert(name.clone(), Vec::new());
        }
        let (size, _) = sizes[&name];
        if size == 0 {
            continue;
        }
        let (offset, inner) = (number(entry, "offset"), number(entry, "innerOffset"));
        assert!(offset > 0, "{entry}: readers take 0 for none");
        // The first of a member has no `innerOffset`: readers find the members' beginnings by that.
        assert_eq!(members.contains_key(&offset), inner > 0, "{entry}");
        let bytes = members.entry(offset).or_insert_with(|| member(blob, offset));
        let file = files.get_mut(&name).unwrap();
        assert_eq!(number(entry, "chunkOffset"), file.len() as u64, "{entry}");
        let length = match number(entry, "chunkSize") {
            0 => size - file.len() as u64,
            length => length,
        };
        let inner = usize::try_from(inner).unwrap();
        let chunk = &bytes[inner..inner + usize::try_from(length).unwrap()];
        assert_eq!(sha256(chunk), text(&entry["chunkDigest"]), "{entry}");
        file.extend_from_slice(chunk);
    }
    for (name, (size, digest)) in sizes {
        assert_eq!(files[&name].len() as u64, size, "{name}");
        if size > 0 {
            assert_eq!(sha256(&files[&name]), text(&digest), "{name}");
        }
    }
    files
}

/// Path, kind, mode and link of every entry of the tar.
fn tar_of(blob: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(blob));
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let link = entry.link_name_bytes().map(|link| String::from_utf8(link.into_owned()).unwrap());
        format!("{path} {:?} {:o} {} {link:?}", header.entry_type(), header.mode().unwrap(), entry.size())
    });
    entries.collect()
}

fn build(project: &Project, arguments: &str) -> Built {
    let _ = fs::remove_dir_all(project.path("out"));
    project.build(&format!("--set app.buckets=1 -o oci:out {arguments}"))
}

#[test]
fn every_file_is_found_by_the_table_of_contents() {
    let project = project();
    let built = build(&project, "--compression estargz");
    let (layer, blob) = layer_in(&project.path("out"));
    assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let annotations = &layer["annotations"];
    let contents = contents_of(&blob, &text(&annotations["containerd.io/snapshot/stargz/toc.digest"]));
    let mut files = files_of(&blob, &contents);
    assert_eq!(files.remove(".no.prefetch.landmark"), Some(vec![0x0f]));

    let root = project.path("files");
    for path in files_below(&root) {
        let below = path.strip_prefix(&root).unwrap();
        let name = format!("srv/{}", String::from_utf8(below.as_os_str().as_bytes().to_vec()).unwrap());
        if path.is_symlink() || name == "srv/zz-hard" {
            continue;
        }
        assert_eq!(files.remove(&name).as_deref(), Some(&fs::read(&path).unwrap()[..]), "{name}");
    }
    assert!(files.is_empty(), "{:?}", files.keys());
    let of =
        |name: &str| contents.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!((&of("srv/link")["type"], &of("srv/link")["linkName"]), (&"symlink".into(), &"run.sh".into()));
    assert_eq!(of("srv/zz-hard")["linkName"], "srv/after");
    assert_eq!(of("srv/run.sh")["mode"], 0o755);
    assert_eq!(of("srv/empty-directory/")["type"], "dir");
    assert_eq!(of("srv/empty-directory/")["modtime"], "1970-01-01T00:00:01Z");
    let time = text(&of("srv/after")["modtime"]);
    assert!(time.starts_with("202"), "{time} is made of the content");

    // To everybody else it is the layer that it would be without, and two files.
    let mut entries = tar_of(&blob);
    assert!(entries.pop().unwrap().starts_with("stargz.index.json "));
    assert!(entries.pop().unwrap().starts_with(".no.prefetch.landmark "));
    build(&project, "--compression gzip");
    let (_, plain) = layer_in(&project.path("out"));
    assert_eq!(entries, tar_of(&plain));
    let tar_size = text(&annotations["io.containers.estargz.uncompressed-size"]);
    let mut tar = Vec::new();
    flate2::read::MultiGzDecoder::new(&blob[..]).read_to_end(&mut tar).unwrap();
    assert_eq!(tar.len().to_string(), tar_size);
    assert_eq!(sha256(&tar), built.layers()[0].diff_id);
}

#[test]
fn it_is_the_same_whatever_was_known() {
    let project = project();
    let first = build(&project, "--compression estargz --jobs 1");
    project.write("files/many/150.txt", "changed");
    settle(&project.path("files/many/150.txt"));
    let changed = build(&project, "--compression estargz");
    assert_ne!(changed.digest(), first.digest());
    let bytes = changed.encoded_bytes();
    assert!(bytes < 600_000, "{bytes} bytes encoded for one small file");
    let cold = project
        .pack("build")
        .cache(&project.beside("cold"))
        .built("--set app.buckets=1 --compression estargz --jobs 2");
    assert_eq!((cold.digest(), cold.layers()), (changed.digest(), changed.layers()));
    // Nothing to do, and from the store alone.
    let again = build(&project, "--compression estargz");
    assert_eq!((again.digest(), again.encoded_bytes()), (changed.digest(), 0));
    let (layer, blob) = layer_in(&project.path("out"));
    let digest = text(&layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"]);
    files_of(&blob, &contents_of(&blob, &digest));
    project.check_store();
}

#[test]
fn what_cannot_be_said_in_json_is_refused() {
    use std::ffi::OsStr;
    let project = Project::with(&tree_on("scratch"));
    fs::create_dir_all(project.path("files")).unwrap();
    fs::write(project.path("files").join(OsStr::from_bytes(b"latin1-\xe9")), "x").unwrap();
    project
        .pack("build --compression estargz")
        .fails(1)
        .says(&["layer `app`", "not UTF-8", "latin1-"])
        .hints();
    let project = Project::with(&tree_on("scratch").replace("/srv", "/"));
    project.write("files/stargz.index.json", "{}");
    project.pack("build --compression estargz").fails(1).says(&["/stargz.index.json of its own"]).hints();
}

#[test]
fn a_table_of_contents_that_is_another_is_found() {
    let project = project();
    let out = project.path("out");
    let built = build(&project, "--compression estargz");
    let path = out.join("blobs/sha256").join(&built.digest()["sha256:".len()..]);
    let manifest = fs::read_to_string(&path).unwrap();
    let (layer, _) = layer_in(&out);
    let digest = text(&layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"]);
    let other = manifest.replace(&digest, &sha256(b"another"));
    let name = sha256(other.as_bytes());
    fs::write(out.join("blobs/sha256").join(&name["sha256:".len()..]), other).unwrap();
    let index = fs::read_to_string(out.join("index.json")).unwrap();
    fs::write(out.join("index.json"), index.replace(&built.digest(), &name)).unwrap();
    project.pack("verify oci:out").fails(1).says(&["digest of the table of contents", &digest]);
}
