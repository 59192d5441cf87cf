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

/// Stands for a class file.
const CLASS: &str = "\u{0}";

/// The parts of an application as its target reads them.
fn application(parts: &[(&str, &str)]) -> Vec<u8> {
    const CLASS_FILE: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x37 javax/servlet/ ";
    let mut text = Vec::new();
    for (path, content) in parts {
        text.extend([b"=== ", path.as_bytes(), b"\n"].concat());
        text.extend(if *content == CLASS { CLASS_FILE } else { content.as_bytes() });
        text.push(b'\n');
    }
    text
}

pub(super) fn app_boot() -> Vec<Vec<u8>> {
    const MANIFEST: &str = "Manifest-Version: 1.0\r\nMain-Class: loader.Launcher\r\nStart-Class: shop.Main\r\nMulti-Release: true\r\n\
         Spring-Boot-Classes: BOOT-INF/classes/\r\nSpring-Boot-Lib: BOOT-INF/lib/\r\n\
         Spring-Boot-Classpath-Index: BOOT-INF/classpath.idx\r\nSpring-Boot-Layers-Index: BOOT-INF/la\r\n yers.idx\r\n\r\n";
    const CLASS_PATH: &str = "- \"BOOT-INF/lib/a.jar\"\n- \"b-1-SNAPSHOT.jar\"\n";
    const LAYERS: &str = "- \"dependencies\":\n  - \"BOOT-INF/lib/a.jar\"\n- \"empty\":\n- \"my own\":\r\n  - \"BOOT-INF/\"\n  - \"loader/\"\n  - \"META-INF/\"\n";
    const TWICE: &str = "- \"a\":\n  - \"BOOT-INF/lib/a.jar\"\n- \"b\":\n  - \"BOOT-INF/lib/a.jar\"\n";
    let jar = |manifest: &str, class_path: &str, layers: &str, more: &[(&str, &str)]| {
        let usual = [
            ("app.jar!META-INF/MANIFEST.MF", manifest),
            ("app.jar!loader/Launcher.class", CLASS),
            ("app.jar!BOOT-INF/classes/", ""),
            ("app.jar!BOOT-INF/classes/shop/Main.class", CLASS),
            ("app.jar!BOOT-INF/lib/a.jar", "PK"),
            ("app.jar!BOOT-INF/lib/b-1-SNAPSHOT.jar", "PK"),
            ("app.jar!BOOT-INF/classpath.idx", class_path),
            ("app.jar!BOOT-INF/layers.idx", layers),
        ];
        application(&[&usual[..], more].concat())
    };
    let war = MANIFEST.replace("BOOT-INF", "WEB-INF");
    let signed = [("app.jar!META-INF/SHOP.SF", "x"), ("app.jar!BOOT-INF/classes/META-INF/SHOP.SF", "x")];
    vec![
        jar(MANIFEST, CLASS_PATH, LAYERS, &[]),
        jar(MANIFEST, "- \"BOOT-INF/lib/gone.jar\"\n", TWICE, &[]),
        jar(MANIFEST, "", "", &signed),
        application(&[
            ("app.jar!META-INF/MANIFEST.MF", &war),
            ("app.jar!loader/Launcher.class", CLASS),
            ("app.jar!WEB-INF/classes/shop/Main.class", CLASS),
            ("app.jar!WEB-INF/lib-provided/a.jar", "PK"),
            (
                "app.jar!WEB-INF/web.xml",
                "<web-app xmlns='https://jakarta.ee/xml/ns/jakartaee' version='6.0'><!-- x --><servlet-class>a.B</servlet-class></web-app>",
            ),
        ]),
    ]
}

pub(super) fn app_jar() -> Vec<Vec<u8>> {
    let thin = |class_path: &str, more: &[(&str, &str)]| {
        let manifest = format!("Manifest-Version: 1.0\nMain-Class: a.A\nClass-Path: {class_path}\n");
        let usual = [("app.jar!META-INF/MANIFEST.MF", &*manifest), ("app.jar!a/A.class", CLASS)];
        application(&[&usual[..], more].concat())
    };
    let back = "Class-Path: ../app.jar ../lib/a%20b+c.jar none.jar http://x/y.jar\n";
    vec![
        thin(
            "lib/a%20b+c.jar config/ ./x.jar",
            &[("lib/a b+c.jar!META-INF/MANIFEST.MF", back), ("x.jar!a", "b")],
        ),
        thin("../up.jar file:/etc/passwd /etc/passwd %2e%2e/x %zz", &[]),
        thin("@lib/l.jar lib/l.jar", &[("@lib/l.jar", "../../../x"), ("lib/d/x", "")]),
        application(&[("app.jar!META-INF/MANIFEST.MF", "Main-Class: a.A\n"), ("app.jar!a/A.class", CLASS)]),
        application(&[
            ("app.jar!__main__.py", "import x\n"),
            ("app.jar!PEX-INFO", "{}"),
            ("app.jar!x.cpython-311-x86_64-linux-gnu.so", ""),
        ]),
    ]
}

pub(super) fn app_node() -> Vec<Vec<u8>> {
    const PACKAGE: &str = r#"{"name":"shop","version":"1.0.0","main":"lib/x","scripts":{"start":"node -r ./x server.js --port 80","prestart":"x"},
        "dependencies":{"a":"1","@s/b":"^2"},"optionalDependencies":{"o":"1"},"devDependencies":{"t":"1"},"peerDependencies":{"p":"*"}}"#;
    const LOCK: &str = r#"{"lockfileVersion":3,"packages":{"":{"name":"shop"},"node_modules/a":{"version":"1.0.0"},
        "node_modules/@s/b":{"version":"2.0.0","optional":true},"node_modules/t":{"version":"1.0.0","dev":true},"node_modules/l":{"link":true}}}"#;
    const OLD_LOCK: &str = r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","dependencies":{"c":{"version":"3.0.0"}}},"t":{"version":"1.0.0","dev":true}}}"#;
    let app = |more: &[(&str, &str)]| {
        let usual = [
            ("package.json", PACKAGE),
            ("server.js", "require('a')\n"),
            ("node_modules/a/package.json", r#"{"name":"a","version":"1.0.0","dependencies":{"c":"3"}}"#),
            ("node_modules/a/node_modules/c/package.json", r#"{"version":"3.0.0"}"#),
            ("node_modules/@s/b/package.json", r#"{"version":"2.0.0","os":["linux"]}"#),
            ("node_modules/t/package.json", r#"{"version":"1.0.0"}"#),
        ];
        application(&[&usual[..], more].concat())
    };
    let yarn = "# yarn lockfile v1\n\na@1:\n  version \"1.0.0\"\n";
    let stored = r#"{"version":"1.0.0","dependencies":{"c":"1"}}"#;
    vec![
        app(&[("package-lock.json", LOCK), ("node_modules/.package-lock.json", LOCK)]),
        app(&[("package-lock.json", OLD_LOCK), ("@node_modules/.bin/a", "../a/cli.js")]),
        app(&[("yarn.lock", yarn), ("node_modules/.yarn-integrity", "{}")]),
        app(&[("node_modules/a/build/x.node", "\x7fELF"), ("node_modules/t/x.node", "MZ")]),
        application(&[
            ("package.json", PACKAGE),
            ("server.js", ""),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
            ("node_modules/.modules.yaml", "storeDir: /home/me/store\n"),
            ("node_modules/.pnpm/a@1/node_modules/a/package.json", stored),
            ("@node_modules/.pnpm/a@1/node_modules/c", "../../c@1/node_modules/c"),
            ("@node_modules/.pnpm/c@1/node_modules/c", "c"),
            ("@node_modules/a", ".pnpm/a@1/node_modules/a"),
            ("@node_modules/@s/b", "../../../up"),
        ]),
        application(&[
            ("package.json", "{}"),
            ("server.js", ""),
            (".next/server/x.js", ""),
            ("node_modules/next/package.json", "{}"),
        ]),
    ]
}

pub(super) fn app_python() -> Vec<Vec<u8>> {
    let installed = |site: &str, more: &[(&str, &str)]| {
        let about = "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\nRequires-Dist: greet[x]>=1; extra == 'y'\n\nA text\n";
        let files = [
            ("hello/__init__.py", "def main(): pass\n"),
            ("hello-1.0.dist-info/METADATA", about),
            (
                "hello-1.0.dist-info/RECORD",
                "hello/__init__.py,sha256=x,12\n\"a,b\",,\n../../../bin/hello,,\n",
            ),
            (
                "hello-1.0.dist-info/WHEEL",
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: cp312-cp312-linux_x86_64\n",
            ),
            (
                "hello-1.0.dist-info/entry_points.txt",
                "[console_scripts]\n# a remark\nhello = hello:main [x]\nb=c:d\n",
            ),
            (
                "hello-1.0.dist-info/direct_url.json",
                r#"{"url":"file:///home/me/hello","dir_info":{"editable":false}}"#,
            ),
            ("greet/x.cpython-311-x86_64-linux-gnu.so", "\x7fELF"),
            ("greet/__pycache__/x.cpython-311.pyc", "\u{0}\r\r\n\0\0\0\0\0\0\0\0"),
            ("greet-1.0.dist-info/METADATA", "Name: greet\n"),
            ("paths.pth", "# a remark\nimport x\nsub\n"),
        ];
        let files = files.map(|(name, content)| (format!("{site}{name}"), content));
        let files: Vec<(&str, &str)> = files.iter().map(|(name, content)| (&**name, *content)).collect();
        application(&[&files[..], more].concat())
    };
    let site = "lib/python3.11/site-packages/";
    let long = "#!/bin/sh\n'''exec' \"/home/my user/bin/python\" \"$0\" \"$@\"\n' '''\nimport sys\n";
    vec![
        installed(
            site,
            &[
                ("pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n"),
                ("@bin/python", "/usr/bin/python3.11"),
                ("bin/hello", "#!/home/me/.venv/bin/python3\nimport sys\n"),
                ("bin/long", long),
                ("bin/activate", "x"),
                ("@lib64", "lib"),
            ],
        ),
        installed(
            &format!(".venv/{site}"),
            &[
                (".venv/pyvenv.cfg", "home = /gone\nuv = 0.9\nversion_info = 3.11.1\n"),
                ("@.venv/bin/python3", "/gone/python"),
                ("__main__.py", "x"),
            ],
        ),
        installed("", &[("__editable__.hello-1.0.pth", "/home/me/hello/src\n")]),
        installed("", &[("bin/hello", "#!/usr/bin/env python3\n")]),
    ]
}

pub(super) fn app_quarkus() -> Vec<Vec<u8>> {
    vec![application(&[
        (
            "quarkus-run.jar!META-INF/MANIFEST.MF",
            "Main-Class: io.quarkus.Run\nClass-Path: lib/boot/a.jar lib/main/b.jar\n",
        ),
        ("quarkus-app-dependencies.txt", "a:b::jar:1\n"),
        ("quarkus/quarkus-application.dat", "\u{1}\u{2}"),
        ("quarkus/generated-bytecode.jar!x", "x"),
        ("lib/boot/a.jar!META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"),
        ("lib/main/b.jar!b/B.class", CLASS),
        ("app/shop.jar!shop/Main.class", CLASS),
    ])]
}

pub(super) fn app_script() -> Vec<Vec<u8>> {
    const GRADLE: &str = "#!/bin/sh\nAPP_HOME=$( cd -P \"${APP_HOME:-./}..\" > /dev/null && pwd )\nCLASSPATH=$APP_HOME/lib/shop-1.2.jar:$APP_HOME/lib/a.jar\n\
                          case \"$( uname )\" in esac\nxargs -n1 | sed ' s~x~y~ ' | tr '\\n' ' '\n";
    const SBT: &str =
        "#!/usr/bin/env bash\ndeclare -r app_classpath=\"$lib_dir/shop.shop-1.2.jar:$lib_dir/a.jar\"\n";
    let of = |script: &str| {
        application(&[("bin/shop", script), ("lib/shop-1.2.jar!a/A.class", CLASS), ("lib/a.jar!x", "x")])
    };
    let zip = application(&[
        ("app.jar!shop-1.2/bin/shop", GRADLE),
        ("app.jar!shop-1.2/bin/other", "#!/bin/bash\n"),
        ("app.jar!shop-1.2/lib/shop-1.2.jar", "PK"),
        ("app.jar!shop-1.2/lib/a-1-SNAPSHOT.jar", "PK"),
    ]);
    vec![of(GRADLE), of(SBT), zip]
}

/// A program of 64 or 32 bits, of either byte order, that is linked with these libraries.
pub(super) fn program(is_64: bool, is_little: bool, needed: &[&str]) -> Vec<u8> {
    let put = |out: &mut Vec<u8>, value: usize, width: usize| {
        let mut bytes = (value as u64).to_le_bytes()[..width].to_vec();
        if !is_little {
            bytes.reverse();
        }
        out.extend(bytes);
    };
    let word = if is_64 { 8 } else { 4 };
    let (header, segment, machine) = if is_64 { (64, 56, 62) } else { (52, 32, 8) };
    let loader: &[u8] = b"/lib/ld.so\0";
    let mut strings = vec![0];
    let mut tags: Vec<(usize, usize)> = Vec::new();
    for name in needed {
        tags.push((1, strings.len()));
        strings.extend([name.as_bytes(), b"\0"].concat());
    }
    let at_loader = header + 3 * segment;
    let at_strings = at_loader + loader.len();
    let at_tags = (at_strings + strings.len()).next_multiple_of(8);
    tags.extend([(5, 0x1000 + at_strings), (0x1d, 1), (0, 0)]);
    let total = at_tags + tags.len() * 2 * word;
    let mut out = vec![0x7f, b'E', b'L', b'F', 1 + u8::from(is_64), 2 - u8::from(is_little), 1];
    out.resize(16, 0);
    let fields = [(3, 2), (machine, 2), (1, 4), (0x1040, word), (header, word), (0, word), (0, 4)];
    fields.iter().for_each(|(value, width)| put(&mut out, *value, *width));
    [header, segment, 3, 0, 0, 0].iter().for_each(|value| put(&mut out, *value, 2));
    for (kind, at, size) in [(1, 0, total), (3, at_loader, loader.len()), (2, at_tags, tags.len() * 2 * word)]
    {
        let fields = if is_64 {
            [(kind, 4), (4, 4), (at, 8), (0x1000 + at, 8), (0, 8), (size, 8), (size, 8), (8, 8)]
        } else {
            [(kind, 4), (at, 4), (0x1000 + at, 4), (0, 4), (size, 4), (size, 4), (4, 4), (8, 4)]
        };
        fields.iter().for_each(|(value, width)| put(&mut out, *value, *width));
    }
    out.extend(loader);
    out.extend(&strings);
    out.resize(at_tags, 0);
    for (tag, value) in tags {
        put(&mut out, tag, word);
        put(&mut out, value, word);
    }
    out
}

/// The first byte is the name of the file, by its place in a table.
pub(super) fn descriptors() -> Vec<Vec<u8>> {
    texts(&[
        "\u{0}apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: &i 'nginx:1'\n  - {image: *i}\n---\na: |\n  pack://a\n",
        "\u{1}images:\n- name: a\n  newName: pack://b\n  newTag: 1.20\n  digest:\n",
        "\u{2}image: {registry: r, repository: a/b, tag: 1.20, digest: \"\"}\nx: {image: a, imageTag: 1}\n",
        "\u{3}x: &x {image: a:1}\nservices: {a: {<<: *x}, b: {image: \"${A}\"}}\n",
        "\u{4}{\"id\": \"/a\", \"container\": {\"docker\": {\"image\": \"pack:\\/\\/a\"}}}",
        "\u{5}job \"a\" {\n  config { image = \"a:1\" } # x\n  t = <<-E\n  x\n  E\n  u = [\"${a[\"b\"]}\"]\n}\n",
        "\u{6}a_image = x ? \"a:1\" : \"b\"\nimages = { a = \"pack://b\", \"c\" : \"d:1\" }\n",
        "\u{7}docker run pack://app, then stop\n",
    ])
}

pub(super) fn elf() -> Vec<Vec<u8>> {
    let needed = ["libc.so.6", "libz.so.1", "$ORIGIN/../lib"];
    let forms = [(true, true), (true, false), (false, true), (false, false)];
    let mut seeds: Vec<Vec<u8>> =
        forms.iter().map(|(is_64, is_little)| program(*is_64, *is_little, &needed)).collect();
    seeds.push(program(true, true, &[]));
    seeds
}

pub(super) fn content() -> Vec<Vec<u8>> {
    texts(&[
        ".env\nPASSWORD=correct-horse-battery\nAPI_KEY='x'\nURL=http://10.0.0.1:8080/\n",
        ".npmrc\n//registry.npmjs.org/:_authToken=npm_0123456789abcdefghijABCDEFGHIJ012345\n_auth = dTpw\n",
        "root/.docker/config.json\n{\"auths\":{\"r.example\":{\"auth\":\"dXNlcjpwYXNzd29yZA==\"}}}\n",
        "etc/key.pem\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIBOgIBAAJBAKj34GkxFhD9\n-----END RSA PRIVATE KEY-----\n",
        ".netrc\nmachine r.example login me password secret-word\n",
        ".git/config\n[remote \"origin\"]\n\turl = https://me:secret@r.example/a.git\n",
        "settings.xml\n<settings><servers><server><password>secret</password></server></servers></settings>\n",
        "app/run\n#!/home/me/shop/.venv/bin/python\nAKIAIOSFODNN7EXAMPLE ghp_0123456789abcdefghijABCDEFGHIJ012345\n",
        "terraform.tfstate\n{\"version\":4,\"resources\":[]}\n",
        "data.db\nSQLite format 3\0",
    ])
}
