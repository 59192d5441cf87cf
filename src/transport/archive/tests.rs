//! Round trips through our own reader, the `tar` crate and GNU tar, and the shapes that `docker save` has had.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::oci::{ConfigFile, Descriptor, Image, MediaType, PlatformFields, RawDocument, to_json};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::transport::docker::Engine;
use crate::transport::layout::OciLayout;
use crate::transport::load::{load_image, offers};
use crate::transport::{Blob, BlobStream, Destination, Source};
use crate::types::platform::Platform;
use crate::types::reference::{Repository, Tag};

/// A layer that is a real tar.
fn layer(text: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "etc/text", text.as_bytes()).expect("appended");
    builder.into_inner().expect("finished")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// An image and its blobs.
struct Sample {
    image: Image,
    blobs: Vec<Blob>,
}

fn sample(architecture: &str, texts: &[&str]) -> Sample {
    let mut config =
        ConfigFile { os: "linux".into(), architecture: architecture.into(), ..Default::default() };
    let mut blobs = Vec::new();
    let mut layers = Vec::new();
    for text in texts {
        let plain = layer(text);
        config.rootfs.diff_ids.push(Digest::of(&plain));
        let packed = gzip(&plain);
        let descriptor = Descriptor::of(MediaType::ImageLayerGzip, &packed);
        layers.push(descriptor.clone());
        blobs.push(Blob::in_memory(descriptor, packed, text));
    }
    let image = Image::new(&config, layers, BTreeMap::new()).expect("an image");
    let raw = image.raw_config().to_vec();
    blobs.push(Blob::in_memory(image.manifest().config.clone(), raw, "config"));
    Sample { image, blobs }
}

fn tags(names: &[&str]) -> Vec<Tag> {
    names.iter().map(|name| name.parse().expect("a tag")).collect()
}

fn repository() -> Repository {
    "localhost:5000/shop/bookstore".parse().expect("a repository")
}

fn output(path: &Path) -> ArchiveOutput {
    ArchiveOutput::new(ArchiveWord::Oci, path, Some(&repository()), None, &Progress::default())
        .expect("an output")
}

fn send(destination: &dyn Destination, sample: &Sample, names: &[&str]) {
    for blob in &sample.blobs {
        destination.blob(blob).expect("stored");
    }
    destination.document(sample.image.raw()).expect("stored");
    destination.finish(sample.image.raw(), &tags(names)).expect("finished");
}

fn read_all(source: &dyn Source, descriptor: &Descriptor) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.blob(descriptor).expect("there").read_to_end(&mut bytes).expect("sound");
    bytes
}

#[test]
fn one_file_is_both_archives() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("image.tar");
    let sample = sample("amd64", &["one", "two", "one"]);
    let archive = output(&path);
    assert!(!archive.is_current(&sample.image.digest(), &tags(&["1.0"])).expect("asked"));
    send(&archive, &sample, &["1.0", "stable"]);

    for name in [None, Some("1.0"), Some("localhost:5000/shop/bookstore:stable")] {
        let source = Archive::open_oci(&path, name).expect("an OCI archive");
        let loaded = load_image(&source, Some(&Platform::linux_amd64())).expect("an image");
        assert_eq!(loaded.image.digest(), sample.image.digest());
        for blob in &sample.blobs {
            assert_eq!(Digest::of(&read_all(&source, &blob.descriptor)), blob.descriptor.digest);
        }
    }
    for name in [None, Some("localhost:5000/shop/bookstore:1.0")] {
        let source = Archive::open_docker(&path, name).expect("a Docker archive");
        let loaded = load_image(&source, None).expect("an image");
        assert_eq!(loaded.image.digest(), sample.image.digest(), "even the manifest is the same");
        assert_eq!(read_all(&source, &loaded.image.layers()[0]).len() as u64, loaded.image.layers()[0].size);
    }
    let error = Archive::open_oci(&path, Some("stabel")).expect_err("no such name");
    assert_eq!(error.hint().as_deref(), Some("did you mean `stable`?"));
    assert!(Archive::open_docker(&path, Some("other")).is_err());

    let digest = sample.image.digest();
    assert!(archive.is_current(&digest, &tags(&["1.0", "stable"])).expect("asked"));
    assert!(!archive.is_current(&digest, &tags(&["1.0"])).expect("asked"));
    assert!(!archive.is_current(&Digest::of(b"x"), &tags(&["1.0", "stable"])).expect("asked"));
    let length = std::fs::metadata(&path).expect("there").len();
    std::fs::File::options().write(true).open(&path).expect("opened").set_len(length - 1536).expect("cut");
    assert!(!archive.is_current(&digest, &tags(&["1.0", "stable"])).expect("asked"));
}

#[test]
fn the_bytes_do_not_depend_on_the_order_of_arrival() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut sample = sample("amd64", &["one", "two", "three"]);
    let (first, second) = (dir.path().join("a.tar"), dir.path().join("b.tar"));
    send(&output(&first), &sample, &["1.0"]);
    sample.blobs.reverse();
    send(&output(&second), &sample, &["1.0"]);
    let bytes = std::fs::read(&first).expect("there");
    assert_eq!(bytes, std::fs::read(&second).expect("there"));

    let mut names = Vec::new();
    for entry in tar::Archive::new(&bytes[..]).entries().expect("a tar") {
        let entry = entry.expect("an entry");
        let header = entry.header();
        assert_eq!((header.mtime().expect("time"), header.uid().expect("uid")), (1, 0));
        names.push(entry.path().expect("a path").display().to_string());
    }
    assert!(names.is_sorted());
    assert_eq!(names.len(), 5 + 3 + 2, "{names:?}");
    assert!(bytes.ends_with(&[0; 1024]));
    assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 2, "nothing else is left");
}

#[test]
fn gnu_tar_unpacks_it_to_a_layout() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("image.tar");
    let sample = sample("amd64", &["one"]);
    send(&output(&path), &sample, &["1.0"]);
    let out = dir.path().join("out");
    std::fs::create_dir(&out).expect("created");
    let Ok(status) = std::process::Command::new("tar").arg("-xf").arg(&path).arg("-C").arg(&out).status()
    else {
        return;
    };
    assert!(status.success());
    let source = OciLayout::open(&out, Some("1.0")).expect("a layout");
    assert_eq!(load_image(&source, None).expect("an image").image.digest(), sample.image.digest());
}

#[test]
fn without_tags_nothing_is_tagged() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("image.tar");
    let sample = sample("amd64", &["one"]);
    send(&output(&path), &sample, &[]);
    let text = String::from_utf8_lossy(&std::fs::read(&path).expect("there")).into_owned();
    assert!(text.contains(r#""RepoTags":[]"#));
    assert!(!text.contains("image.ref.name"));
    assert!(output(&path).is_current(&sample.image.digest(), &[]).expect("asked"));
    Archive::open_docker(&path, None).expect("readable");
}

#[test]
fn several_platforms_are_an_index() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("image.tar");
    let samples = [sample("amd64", &["one", "shared"]), sample("arm64", &["two", "shared"])];
    let archive = output(&path);
    let mut index = crate::store::empty_index();
    for sample in &samples {
        for blob in &sample.blobs {
            archive.blob(blob).expect("stored");
        }
        archive.document(sample.image.raw()).expect("stored");
        let mut entry = sample.image.descriptor();
        entry.platform = sample.image.platform().as_ref().map(PlatformFields::from);
        index.manifests.push(entry);
    }
    let bytes = to_json("index", &index).expect("JSON");
    let root = RawDocument::new(None, bytes).expect("an index");
    archive.finish(&root, &tags(&["1.0"])).expect("finished");
    let source = Archive::open_oci(&path, None).expect("readable");
    for sample in &samples {
        let loaded = load_image(&source, sample.image.platform().as_ref()).expect("there");
        assert_eq!(loaded.image.digest(), sample.image.digest());
        assert_eq!(loaded.root, root);
    }
    assert!(load_image(&source, None).is_err(), "several");
    assert_eq!(offers(&source).expect("listed").len(), 2);
    let docker = Archive::open_docker(&path, None).expect("readable");
    let loaded = load_image(&docker, None).expect("one image");
    assert_eq!(loaded.image.digest(), samples[0].image.digest());
}

#[test]
fn a_failure_leaves_the_old_file() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("image.tar");
    let mut sample = sample("amd64", &["one"]);
    let archive = output(&path);
    archive.document(sample.image.raw()).expect("stored");
    let error = archive.finish(sample.image.raw(), &[]).expect_err("blobs are missing");
    assert_eq!(error.kind(), Kind::Bug);
    send(&output(&path), &sample, &["1.0"]);
    let before = std::fs::read(&path).expect("there");
    for wrong in [&b"wrong"[..], b"", &[0; 5000]] {
        sample.blobs[0].content = Arc::new(move || Ok(Box::new(wrong) as BlobStream));
        let archive = output(&path);
        for blob in &sample.blobs {
            archive.blob(blob).expect("noted");
        }
        archive.document(sample.image.raw()).expect("noted");
        archive.finish(sample.image.raw(), &tags(&["2.0"])).expect_err("other bytes");
        assert_eq!(std::fs::read(&path).expect("there"), before);
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1, "nothing else is left");
    assert!(ArchiveOutput::new(ArchiveWord::Oci, dir.path(), None, None, &Progress::default()).is_err());
}

/// An archive as Docker before 25 wrote it: a directory for each layer, equal layers as links.
#[test]
fn reads_an_old_docker_archive() {
    let (one, two) = (layer("one"), layer("two"));
    let mut config = ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..Default::default() };
    config.rootfs.diff_ids = [&one, &two, &one].map(|layer| Digest::of(layer)).to_vec();
    let raw_config = to_json("config", &config).expect("JSON");
    let name = format!("{}.json", Digest::of(&raw_config).hex());
    let manifest = format!(
        r#"[{{"Config":"{name}","RepoTags":["shop:1.0","shop:latest"],"Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]}}]"#
    );
    let write = |layer_two: &[u8]| {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let mut builder = tar::Builder::new(file.as_file());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content).expect("appended");
        };
        add("a/VERSION", b"1.0");
        add("a/layer.tar", &one);
        add("b/layer.tar", layer_two);
        add(&name, &raw_config);
        add("./manifest.json", manifest.as_bytes());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "c/layer.tar", "../a/layer.tar").expect("appended");
        builder.finish().expect("finished");
        drop(builder);
        file
    };
    let file = write(&two);
    let mut digests = Vec::new();
    for name in [None, Some("shop:1.0"), Some("shop"), Some("docker.io/library/shop:latest")] {
        let source = Archive::open_docker(file.path(), name).expect("readable");
        let loaded = load_image(&source, Some(&Platform::linux_amd64())).expect("an image");
        assert_eq!(read_all(&source, &loaded.image.layers()[2]), one);
        assert_eq!(read_all(&source, &loaded.image.layers()[1]), two);
        digests.push(loaded.image.digest());
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "the made-up manifest is always the same");
    let error = Archive::open_oci(file.path(), None).expect_err("no OCI archive");
    assert!(error.hint().expect("a hint").starts_with("read it as `docker-archive:"));

    // A compressed layer is taken as it is; one that is not what the configuration says is found out.
    let packed = gzip(&two);
    let file = write(&packed);
    let source = Archive::open_docker(file.path(), None).expect("readable");
    let image = load_image(&source, None).expect("an image").image;
    assert_eq!(image.layers()[1], Descriptor::of(MediaType::ImageLayerGzip, &packed));
    let file = write(&layer("bad"));
    let source = Archive::open_docker(file.path(), None).expect("readable");
    let image = load_image(&source, None).expect("an image").image;
    let mut stream = source.blob(&image.layers()[1]).expect("there");
    stream.read_to_end(&mut Vec::new()).expect_err("not what its diff ID says");
}

#[test]
fn refuses_what_is_no_archive() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("x.tar");
    assert!(Archive::open_oci(&path, None).is_err());
    assert!(matches!(Archive::open_oci(dir.path(), None), Err(ArchiveError::NotAFile(_))));
    std::fs::write(&path, gzip(b"x")).expect("written");
    let error = Archive::open_docker(&path, None).expect_err("compressed");
    assert!(error.to_string().ends_with("is compressed with gzip"));
    for bytes in [&b""[..], &[0; 1024], b"not a tar", &[7; 2000]] {
        std::fs::write(&path, bytes).expect("written");
        assert!(Archive::open_oci(&path, None).is_err());
        assert!(Archive::open_docker(&path, None).is_err());
    }
    // A link that leads to itself.
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "index.json", "index.json").expect("appended");
    std::fs::write(&path, builder.into_inner().expect("finished")).expect("written");
    assert!(matches!(Archive::open_oci(&path, None), Err(ArchiveError::NoIndex { .. })));
}

/// The layout is the other half of the same contract.
#[test]
fn a_layout_round_trips() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("layout");
    let sample = sample("arm64", &["one", "two"]);
    let layout = OciLayout::create(&path, None, &Progress::default()).expect("created");
    send(&layout, &sample, &["1.0", "stable"]);
    let digest = sample.image.digest();
    assert!(layout.is_current(&digest, &tags(&["1.0", "stable"])).expect("asked"));
    assert!(layout.is_current(&digest, &[]).expect("asked"));
    assert!(!layout.is_current(&digest, &tags(&["2.0"])).expect("asked"));
    let source = OciLayout::open(&path, Some("stable")).expect("opened");
    let loaded = load_image(&source, Some(&"linux/arm64/v8".parse().expect("valid"))).expect("an image");
    assert_eq!(loaded.image.digest(), digest);
    let error = load_image(&source, Some(&Platform::linux_amd64())).expect_err("another platform");
    assert!(error.to_string().ends_with("is for linux/arm64, not linux/amd64"), "{error}");
    let again = Destination::blob(&layout, &sample.blobs[0]).expect("asked");
    assert_eq!(again, crate::transport::Delivery::Present);

    std::fs::remove_file(layout.layout().blobs().path(&sample.blobs[0].descriptor.digest)).expect("removed");
    assert!(!layout.is_current(&digest, &tags(&["1.0"])).expect("asked"));
    assert!(OciLayout::open(&path, Some("none")).expect("a layout").root().is_err());
}

/// An engine that says `id` of every name once something was loaded, or from the start; what was loaded.
fn engine(id: &str, from_the_start: bool) -> (Engine, tempfile::TempDir, Arc<Mutex<Vec<Vec<u8>>>>) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let socket = dir.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("listens");
    let engine = Engine::find([socket], &Interrupt::default()).expect("somebody listens");
    let loaded = Arc::new(Mutex::new(Vec::new()));
    let (id, heard) = (id.to_owned(), Arc::clone(&loaded));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = std::io::BufReader::new(stream.expect("comes"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).is_ok_and(|read| read > 0) {}
            let body =
                |length: &str| vec![0; length.lines().next().expect("a line").parse().expect("a number")];
            let says = if let Some((_, length)) = head.split_once("Content-Length: ") {
                let mut archive = body(length);
                stream.read_exact(&mut archive).expect("all comes");
                heard.lock().expect("sound").push(archive);
                "200 OK\r\n\r\n{\"stream\":\"Loaded image\"}".to_owned()
            } else if from_the_start || !heard.lock().expect("sound").is_empty() {
                format!("200 OK\r\n\r\n{{\"Id\":\"{id}\"}}")
            } else {
                "404 Not Found\r\n\r\n{\"message\":\"no such image\"}".to_owned()
            };
            let _ = write!(stream.get_mut(), "HTTP/1.0 {says}");
        }
    });
    (engine, dir, loaded)
}

#[test]
fn an_engine_gets_the_bytes_of_the_file_and_only_if_it_lacks_the_image() {
    let sample = sample("amd64", &["one", "two"]);
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("image.tar");
    send(&output(&path), &sample, &["1.0", "stable"]);
    let file = std::fs::read(&path).expect("readable");
    let config = sample.image.manifest().config.digest;
    let into = |engine| ArchiveOutput::into_engine(engine, &repository(), &Progress::default());

    for (id, from_the_start, times) in [
        (config.to_string(), false, 1),
        (config.hex(), false, 1),
        (sample.image.digest().to_string(), false, 1),
        (config.to_string(), true, 0),
    ] {
        let (engine, _dir, loaded) = engine(&id, from_the_start);
        send(&into(engine), &sample, &["1.0", "stable"]);
        let loaded = loaded.lock().expect("sound");
        assert_eq!(loaded.len(), times, "{id}");
        assert!(loaded.iter().all(|archive| *archive == file), "the same bytes");
    }

    let (engine, _dir, _) = engine(&Digest::of(b"another").to_string(), false);
    let archive = into(engine);
    for blob in &sample.blobs {
        archive.blob(blob).expect("noted");
    }
    let error = archive.finish(sample.image.raw(), &tags(&["1.0"])).expect_err("is another image");
    assert_eq!(error.kind(), Kind::Registry);
    assert!(error.to_string().contains(&config.to_string()), "{error}");
}
