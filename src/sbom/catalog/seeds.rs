//! Small binary files to begin with.

use super::{elf, go, rpm, rust};
use crate::formats::zip::fixture::{Item, write};

/// A jar in a WAR, databases of rpm, and programs of Go and Rust.
#[must_use]
pub fn binary_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let pom = Item::stored(b"META-INF/maven/g/a/pom.properties", b"groupId=g\nartifactId=a\nversion=1\n");
    let manifest =
        Item::stored(b"META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\nImplementation-Title: a\n\n");
    let jar = write(&[pom, manifest, Item::stored(b"g/a/X.class", b"")]);
    let modules = go::fixture::section(
        "go1.24.1",
        "mod\tx.com/a\t(devel)\ndep\tx.com/b\tv1.0.0\th1:x=\n=>\tx.com/c\tv1\n",
    );
    let list = r#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io","dependencies":[0],"root":true}]}"#;
    vec![
        ("a-1.jar", jar.clone()),
        ("a.war", write(&[Item::stored(b"WEB-INF/lib/a-1.jar", &jar)])),
        ("var/lib/rpm/rpmdb.sqlite", rpm::fixture::sqlite(&rpm::fixture::headers())),
        ("usr/lib/sysimage/rpm/Packages.db", rpm::fixture::ndb(&rpm::fixture::headers())),
        ("usr/bin/a", elf::fixture::elf(go::SECTION, &modules)),
        ("usr/bin/b", elf::fixture::elf(rust::SECTION, &rust::fixture::section(list))),
    ]
}
