use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::oci::{ConfigFile, Descriptor, MediaType, RawDocument};
use crate::oci::{History, Image, to_json};
use crate::runtime::events::Progress;
use crate::transport::layout::OciLayout;
use crate::transport::{Blob, Destination};
use crate::types::digest::Digest;
use crate::types::reference::Tag;

fn tar_of(name: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    // Not through `set_path`, which refuses what is to be found here.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(3);
    header.set_mode(0o644);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b"abc"[..]).expect("appended");
    builder.into_inner().expect("finished")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// A layout with one image, whose configuration can be changed before it is written.
struct Case {
    _dir: tempfile::TempDir,
    layout: OciLayout,
    image: Image,
}

impl Case {
    fn new(layers: &[(MediaType, Vec<u8>, Vec<u8>)], change: impl FnOnce(&mut ConfigFile)) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let layout = OciLayout::create(&dir.path().join("l"), None, &Progress::default()).expect("created");
        let mut config =
            ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..Default::default() };
        let mut descriptors = Vec::new();
        for (media_type, packed, plain) in layers {
            config.rootfs.diff_ids.push(Digest::of(plain));
            config.history.push(History::default());
            let descriptor = Descriptor::of(media_type.clone(), packed);
            descriptors.push(descriptor.clone());
            let blob = Blob::in_memory(descriptor, packed.clone(), "layer");
            Destination::blob(&layout, &blob).expect("stored");
        }
        change(&mut config);
        let image = Image::new(&config, descriptors, BTreeMap::new()).expect("an image");
        let raw = image.raw_config().to_vec();
        let blob = Blob::in_memory(image.manifest().config.clone(), raw, "config");
        Destination::blob(&layout, &blob).expect("stored");
        layout.finish(image.raw(), &["1.0".parse::<Tag>().expect("a tag")]).expect("finished");
        Self { _dir: dir, layout, image }
    }

    fn one(change: impl FnOnce(&mut ConfigFile)) -> Self {
        let plain = tar_of("a/file");
        Self::new(&[(MediaType::ImageLayerGzip, gzip(&plain), plain)], change)
    }

    fn report(&self) -> Verification {
        verify(&self.layout, &VerifyOptions { jobs: 2, ..VerifyOptions::default() }).expect("a root")
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.layout.layout().blobs().path(digest)
    }
}

fn checks(findings: &[Disagreement]) -> Vec<DisagreementKind> {
    findings.iter().map(|finding| finding.check).collect()
}

#[test]
fn sound_images_are_sound() {
    let (one, two) = (tar_of("one"), tar_of("two"));
    let members = [gzip(&one[..700]), gzip(&one[700..])].concat();
    let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).expect("compressed");
    let frames = [frame(&two[..700]), frame(&two[700..])].concat();
    let case = Case::new(
        &[
            (MediaType::ImageLayerGzip, members, one.clone()),
            (MediaType::ImageLayerZstd, frames, two.clone()),
            (MediaType::ImageLayer, one.clone(), one),
        ],
        |_| {},
    );
    let report = case.report();
    assert!(report.is_sound(), "{report:#?}");
    assert!(report.warnings.is_empty(), "{report:#?}");
    assert_eq!((report.images.len(), report.images[0].layers, report.blobs), (1, 3, 3));
    assert_eq!(report.bytes, report.images[0].bytes);
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["images"][0]["platform"], "linux/amd64");
}

#[test]
fn every_damage_of_a_blob_has_its_name() {
    for (damage, check) in
        [(&b"short"[..], DisagreementKind::Unreadable), (b"", DisagreementKind::Unreadable)]
    {
        let case = Case::one(|_| {});
        let layer = case.image.layers()[0].digest;
        std::fs::write(case.path(&layer), damage).expect("damaged");
        assert_eq!(checks(&case.report().problems), [check]);
    }
    for target in 0..2 {
        let case = Case::one(|_| {});
        let digest = [case.image.layers()[0].digest, case.image.manifest().config.digest][target];
        let sound = std::fs::read(case.path(&digest)).expect("there");
        for position in (0..sound.len()).step_by(13) {
            let mut bytes = sound.clone();
            bytes[position] ^= 0x10;
            std::fs::write(case.path(&digest), bytes).expect("damaged");
            let report = case.report();
            assert_eq!(checks(&report.problems), [DisagreementKind::Digest], "{report:#?}");
            assert_eq!(report.problems[0].subject, digest);
        }
        std::fs::remove_file(case.path(&digest)).expect("removed");
        assert_eq!(checks(&case.report().problems), [DisagreementKind::Unreadable]);
    }
}

#[test]
fn all_disagreements_are_listed_at_once() {
    let wrong = Digest::of(b"wrong");
    let case = Case::one(|config| {
        config.rootfs.diff_ids[0] = wrong;
        config.history.push(History::default());
    });
    let report = case.report();
    assert_eq!(checks(&report.problems), [DisagreementKind::HistoryCount, DisagreementKind::DiffId]);
    let plain = tar_of("a/file");
    let diff_id = &report.problems[1];
    assert_eq!(diff_id.expected, Some(wrong.to_string()));
    assert_eq!(diff_id.found, Some(Digest::of(&plain).to_string()));
    let empty = Case::one(|config| {
        config.history.push(History { empty_layer: true, ..History::default() });
    });
    assert!(empty.report().is_sound());
}

#[test]
fn layers_that_are_not_what_they_say() {
    let plain = tar_of("a");
    let layer = |media_type, packed: Vec<u8>, plain: &[u8]| {
        Case::new(&[(media_type, packed, plain.to_vec())], |_| {}).report()
    };
    for (media_type, packed) in
        [(MediaType::ImageLayerGzip, plain.clone()), (MediaType::ImageLayer, gzip(&plain))]
    {
        let report = layer(media_type, packed, &plain);
        assert!(report.is_sound(), "runtimes read it");
        assert_eq!(checks(&report.warnings), [DisagreementKind::MediaType]);
    }
    let packed = gzip(&plain);
    let report = layer(MediaType::ImageLayerGzip, packed[..packed.len() - 6].to_vec(), &plain);
    assert_eq!(checks(&report.problems), [DisagreementKind::Compression]);
    let report = layer(MediaType::ImageLayerGzip, [&packed[..], b"junk"].concat(), &plain);
    assert_eq!(checks(&report.problems), [DisagreementKind::Compression]);
    let report = layer(MediaType::ImageLayerGzip, gzip(b"no tar at all"), b"no tar at all");
    assert_eq!(checks(&report.problems), [DisagreementKind::Tar]);
    let report = layer(MediaType::ImageLayer, plain[..1024].to_vec(), &plain[..1024]);
    assert!(report.is_sound());
    assert_eq!(checks(&report.warnings), [DisagreementKind::Tar], "no end marker");
    let report = layer(MediaType::ImageLayer, plain[..515].to_vec(), &plain[..515]);
    assert!(report.is_sound(), "only padding is missing");
    assert_eq!(checks(&report.warnings), [DisagreementKind::Tar]);
    let report = layer(MediaType::ImageLayer, plain[..514].to_vec(), &plain[..514]);
    assert_eq!(checks(&report.problems), [DisagreementKind::Tar]);
    for name in ["../up", "/absolute", "a/../b"] {
        let odd = tar_of(name);
        let report = layer(MediaType::ImageLayer, odd.clone(), &odd);
        assert!(report.is_sound());
        assert_eq!(checks(&report.warnings), [DisagreementKind::Path], "{name}");
    }
}

#[test]
fn a_layer_that_unpacks_without_end_is_stopped() {
    let plain = vec![0; 4 << 20];
    let case = Case::new(&[(MediaType::ImageLayerGzip, gzip(&plain), plain)], |_| {});
    let options = VerifyOptions { max_unpacked: Some(1 << 20), ..VerifyOptions::default() };
    let report = verify(&case.layout, &options).expect("a root");
    assert_eq!(checks(&report.problems), [DisagreementKind::Compression]);
    assert!(report.problems[0].message.contains("takes more than 1024 steps"));
}

#[test]
fn an_index_is_walked_and_compared() {
    let case = Case::one(|_| {});
    let mut index = crate::store::empty_index();
    let mut entry = case.image.descriptor();
    if let Some(platform) = &mut entry.platform {
        platform.architecture = "arm64".to_owned();
    }
    index.manifests.push(entry);
    index.manifests.push(Descriptor::of(MediaType::ImageManifest, b"missing"));
    let root = RawDocument::new(None, to_json("index", &index).expect("JSON")).expect("an index");
    case.layout.finish(&root, &["1.0".parse().expect("a tag")]).expect("finished");
    let report = case.report();
    assert_eq!(report.root, root.digest());
    assert_eq!(checks(&report.problems), [DisagreementKind::Platform, DisagreementKind::Unreadable]);
    assert_eq!(report.problems[0].expected.as_deref(), Some("linux/arm64"));
}
