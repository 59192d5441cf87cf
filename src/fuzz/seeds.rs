//! Small honest inputs, made here rather than kept: a fuzzer finds its way from them.

use std::io::Write;

use super::layer;
use crate::formats::zip::fixture::{Item, write, write_with};
use crate::layer::{BodyList, BodyRecord};
use crate::oci::media_type::{DOCKER_CONFIG, DOCKER_FOREIGN_LAYER, DOCKER_LAYER_GZIP, DOCKER_MANIFEST};
use crate::types::digest::{Digest, KeyBuilder};

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn reference() -> Vec<Vec<u8>> {
    let digest = format!("localhost:5000/a/b:1.0@{}", Digest::of(b""));
    let rest =
        ["debian", "ghcr.io/a/b__c-d:1", "[::1]:5000/a", "https://r.example/team/", "index.docker.io/a"];
    texts(&[&rest[..], &[&digest]].concat())
}

pub(super) fn platform() -> Vec<Vec<u8>> {
    texts(&["linux/amd64", "linux/arm/v7", "Linux/x86_64/v1", "macos/aarch64/8", "linux/arm/6"])
}

pub(super) fn cache_entry() -> Vec<Vec<u8>> {
    use crate::layer::Compression;
    let seed = crate::engine::cache::fuzz::seed;
    [seed(Compression::default(), 4), seed(Compression::None, u64::MAX)].into_iter().flatten().collect()
}

pub(super) fn challenge() -> Vec<Vec<u8>> {
    texts(&[
        r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull""#,
        r#"Negotiate YWJj==, Basic realm="a \"quoted\" name", Digest qop=auth"#,
        "BEARER  Realm = \"/token\" , Service=plain",
    ])
}

pub(super) fn location() -> Vec<Vec<u8>> {
    texts(&[
        "/v2/a/blobs/uploads/1?_state=x%2f+&y",
        "https://cdn.example:8443/x?sig=a%3D#f",
        "//r.example/x",
        "http://10.0.0.1/x",
        "https://user:pass@[::ffff:10.0.0.1]/../x",
        "https://localhost./x",
        "..\\x",
    ])
}

pub(super) fn retry_after() -> Vec<Vec<u8>> {
    texts(&[
        "7",
        "99999999999999999999999",
        "18446744073709551615",
        "Tue, 01 Jul 2025 10:00:07 GMT\nTue, 01 Jul 2025 10:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT\nThu, 01 Jan 1970 00:00:00 GMT",
    ])
}

pub(super) fn error_body() -> Vec<Vec<u8>> {
    let digest = format!("blob {} unknown", Digest::of(b"x"));
    let mut seeds = texts(&[
        r#"{"errors":[{"code":"DENIED","message":"no\u0007 way","detail":{"x":1}}]}"#,
        r#"{"errors":[{"code":7}]}"#,
        "<html>\r\n<title>502 Bad Gateway</title>",
        &digest,
    ]);
    seeds.push(b"\xff\xfe not text".to_vec());
    seeds
}

pub(super) fn credentials() -> Vec<Vec<u8>> {
    texts(&[
        "",
        r#"{"auths":{"r.example":{"auth":"dXNlcjpoZXJlIGlzIGEgc2VjcmV0"},"https://index.docker.io/v1/":{"identitytoken":"a-long-token"}}}"#,
        "{\n\t\"auths\": {\n\t\t\"r.example/team\": {\n\t\t\t\"username\": \"u\", \"password\": \"a long password\"\n\t\t}\n\t},\n\t\"HttpHeaders\": {\"a\": 1}\n}\n",
        r#"{"credsStore":"desktop","credHelpers":{"r.example":"x"},"auths":{"r.example":null}}"#,
        r#"{"auths":{"r.example":{"registrytoken":"registry-token"}},"credHelpers":{"other":"../../bin/sh"}}"#,
    ])
}

pub(super) fn build_toml() -> Vec<Vec<u8>> {
    texts(&[
        include_str!("../../build.toml.example"),
        include_str!("../../fixtures/bookstore/build.toml"),
        include_str!("../../fixtures/base/build.toml"),
        "[image]\nbase = \"scratch\"\ntags = [\"1\", \"{git.commit}\"]\n[app]\npath = \"a.war\"\nconfig.user = 1000",
        "[workspace]\nmembers = [\"*\"]\n[workspace.image]\nbase = 'debian'\n[workspace.config]\nenv = { A = \"1\" }\n",
    ])
}

pub(super) fn build_lock() -> Vec<Vec<u8>> {
    texts(&[include_str!("../../fixtures/bookstore/build.lock"), "version = 1\n"])
}

pub(super) fn ignore() -> Vec<Vec<u8>> {
    texts(&[
        "src/main.rs\n.git/\n*.map\n!keep.map\n/target\n# a remark\ndocs/**/*.md\n",
        "a b\na\\ \n[a-z]?{x,y}\n!**/b",
        "x\n\\#x\n\\!y\n**/node_modules/\n",
    ])
}

fn descriptor(media_type: &str, content: &[u8], more: &str) -> String {
    let (digest, size) = (Digest::of(content), content.len());
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{more}}}"#)
}

const OCI: &str = "application/vnd.oci.image.";

pub(super) fn manifest() -> Vec<Vec<u8>> {
    let oci = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI}manifest.v1+json","config":{},"layers":[{}],"annotations":{{"a":"b"}},"x":[1.5,1e300,-0,18446744073709551616]}}"#,
        descriptor(&format!("{OCI}config.v1+json"), b"c", ""),
        descriptor(&format!("{OCI}layer.v1.tar+gzip"), b"l", r#","annotations":{"k":"v"}"#),
    );
    let docker = format!(
        r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{},"layers":[{},{}]}}"#,
        descriptor(DOCKER_CONFIG, b"c", ""),
        descriptor(DOCKER_FOREIGN_LAYER, b"f", r#","urls":["https://cdn.example/f"]"#),
        descriptor(DOCKER_LAYER_GZIP, b"l", ""),
    );
    let mut seeds = texts(&[&oci, &docker, r#"{"schemaVersion":1,"fsLayers":[]}"#]);
    seeds.extend(index());
    seeds
}

pub(super) fn index() -> Vec<Vec<u8>> {
    let manifest = format!("{OCI}manifest.v1+json");
    let platform = |text: &str| format!(r#","platform":{text}"#);
    let several = format!(
        r#"{{"schemaVersion":2,"manifests":[{},{},{},{}]}}"#,
        descriptor(&manifest, b"a", &platform(r#"{"os":"linux","architecture":"amd64"}"#)),
        descriptor(&manifest, b"b", &platform(r#"{"os":"linux","architecture":"arm","variant":"v7"}"#)),
        descriptor(
            &manifest,
            b"c",
            &platform(r#"{"os":"windows","architecture":"amd64","os.version":"10"}"#)
        ),
        descriptor(&manifest, b"d", &platform(r#"{"os":"unknown","architecture":"unknown"}"#)),
    );
    let nested = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI}index.v1+json","manifests":[{}],"subject":{}}}"#,
        descriptor(&format!("{OCI}index.v1+json"), b"n", ""),
        descriptor(&manifest, b"s", ""),
    );
    texts(&[&several, &nested, r#"{"schemaVersion":2,"manifests":[]}"#])
}

pub(super) fn json() -> Vec<Vec<u8>> {
    let odd = r#"{"$serde_json::private::RawValue":"[","a":[-0,1E400,0.10,"\ud83d\ude00\/"],"A":{"b":null,"\u0042":true}}"#;
    let mut seeds = texts(&[odd, "[[1],{\"x\":[]}]", " \"text\" "]);
    seeds.extend(config());
    seeds
}

pub(super) fn config() -> Vec<Vec<u8>> {
    let full = format!(
        r#"{{"created":"1970-01-01T00:00:01Z","architecture":"arm64","os":"linux","variant":"v8","config":{{"User":"1000","Env":["A=1"],"ExposedPorts":{{"80/tcp":{{}}}},"Healthcheck":{{"Test":["CMD","x"],"Interval":1}},"Shell":["sh"]}},"rootfs":{{"type":"layers","diff_ids":["{}"]}},"history":[{{"created_by":"x","empty_layer":true}},{{}}],"x":0.1}}"#,
        Digest::of(b"x")
    );
    texts(&[&full, r#"{"config":null,"rootfs":{"type":"layers","diff_ids":null},"history":null}"#])
}

/// One entry of a tar, in whatever format.
pub(super) fn entry(
    builder: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    name: &str,
    link: &str,
    content: &[u8],
) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind == tar::EntryType::Directory { 0o1777 } else { 0o644 });
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_mtime(1);
    header.set_size(content.len() as u64);
    // Byte for byte, as the crate refuses what is to be tried.
    let bytes = header.as_mut_bytes();
    bytes[..name.len().min(100)].copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
    bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    // Writing to memory cannot fail.
    let _ = builder.append(&header, content);
}

pub(super) fn tar() -> Vec<Vec<u8>> {
    use tar::EntryType as T;
    let finished = |fill: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let mut builder = tar::Builder::new(Vec::new());
        fill(&mut builder);
        builder.into_inner().unwrap_or_default()
    };
    let usual = finished(&|it| {
        entry(it, T::Directory, "usr/", "", b"");
        entry(it, T::Regular, "usr/a", "", b"content");
        entry(it, T::Symlink, "bin", "usr", b"");
        entry(it, T::Link, "b", "usr/a", b"");
        entry(it, T::Regular, "usr/.wh.gone", "", b"");
        entry(it, T::Regular, "usr/.wh..wh..opq", "", b"");
    });
    let records = finished(&|it| {
        entry(it, T::XGlobalHeader, "pax_global_header", "", b"14 comment=abc\n");
        entry(it, T::XHeader, "PaxHeaders/x", "", b"12 path=a/b\n13 uid=70000\n19 SCHILY.xattr.u=\n");
        entry(it, T::Directory, "short", "", b"");
        entry(it, T::GNULongName, "././@LongLink", "", &[&[b'n'; 300][..], b"\0"].concat());
        entry(it, T::GNULongLink, "././@LongLink", "", &[&[b'l'; 300][..], b"\0"].concat());
        entry(it, T::Symlink, "cut", "off", b"");
    });
    let sparse = finished(&|it| {
        entry(
            it,
            T::XHeader,
            "x",
            "",
            b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=f\n",
        );
        entry(it, T::Regular, "GNUSparseFile.0/f", "", b"1\n0\n3\nabc");
    });
    let odd = finished(&|it| {
        for name in ["../up", "/absolute", "./dot", "a//b/", "a/../b", "twice", "twice", "."] {
            entry(it, T::Regular, name, "", b"x");
        }
    });
    vec![usual, records, sparse, odd, vec![0; 1024]]
}

pub(super) fn verify() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = tar().iter().map(|tar| [&[0], &tar[..]].concat()).collect();
    let plain = &tar()[0];
    let mut gzip = flate2::write::GzEncoder::new(vec![1], flate2::Compression::fast());
    let _ = gzip.write_all(plain);
    seeds.extend(gzip.finish());
    seeds.extend(zstd::bulk::compress(plain, 3).map(|frame| [&[2], &frame[..]].concat()));
    seeds
}

pub(super) fn zip() -> Vec<Vec<u8>> {
    let items = [
        Item::deflated("WEB-INF/web.xml", b"<web-app/> <web-app/> <web-app/>").unix(0o100_644),
        Item::stored("a/", b"").unix(0o040_755),
        Item::stored("a/b", b"content"),
        Item::stored("link", b"a/b").unix(0o120_777),
    ];
    let wide = Item { zip64: true, local_extra: 5, ..Item::stored("wide", b"x") };
    vec![
        write(&items),
        write(&[Item::deflated("s", &[7; 5000]).streamed(), wide]),
        write_with(&items[2..3], b"#!/bin/sh\n", true, b"a comment"),
        write(&[]),
        write(&[Item::stored("../up", b"x")]),
    ]
}

pub(super) fn deflate() -> Vec<Vec<u8>> {
    let text = include_bytes!("../../build.toml.example");
    let mixed: Vec<u8> = (0..3000_u32).flat_map(|at| (at * at).to_le_bytes()).collect();
    vec![
        b"\x04\x00".to_vec(),
        [b"\x04\x01", &text[..]].concat(),
        [b"\x08\x03", &mixed[..]].concat(),
        [b"\x00\x3f", &[0; 1000][..]].concat(),
    ]
}

pub(super) fn memo() -> Vec<Vec<u8>> {
    vec![Vec::new(), crate::store::fuzz::seed(b"value"), crate::store::fuzz::seed(b"")]
}

pub(super) fn bodies() -> Vec<Vec<u8>> {
    let key = |text: &str| KeyBuilder::new("fuzz").part(text.as_bytes()).finish();
    let blob = layer::BLOB;
    let bodies = vec![
        BodyRecord::new(key("a"), b"plain", &blob[10..14]),
        BodyRecord::new(key("b"), b"more of it", &blob[14..20]),
        BodyRecord { encoded_length: u32::MAX, ..BodyRecord::new(key("c"), b"", b"") },
    ];
    let list = BodyList { bodies, ..BodyList::default() };
    let index = super::layer::index(&tar()[0], crate::oci::media_type::LayerCompression::None);
    let listing = [(&crate::layer::EntryPath::new(b"a/b").ok(), key("a"))];
    let listing: Vec<_> = listing.iter().filter_map(|(path, key)| Some((path.as_ref()?, key))).collect();
    let (_, _, goes_on) = crate::layer::sample(blob);
    [
        postcard::to_stdvec(&list).ok(),
        postcard::to_stdvec(&goes_on).ok(),
        index.ok().and_then(|index| postcard::to_stdvec(&index).ok()),
        postcard::to_stdvec(&listing).ok(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn ztoc() -> Vec<Vec<u8>> {
    vec![crate::layer::ztoc_fuzz::seed()]
}
