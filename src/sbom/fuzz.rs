//! Files of packages from a fuzzer.

use super::catalog::{Cataloguer, DigestQueue, FileBody};
use super::document::{ImageSubject, SpecVersion, write};
use super::inventory::{CataloguedLayer, Inventory};
use super::layer::{LayerCatalog, LayerMeans};
use super::stated::{stated_budget, stated_packages};
use crate::layer::EntryPath;
use crate::oci::media_type::LayerCompression;
use crate::oci::{ConfigFile, Image};
use crate::runtime::budget::Budget;
use crate::runtime::workers::Workers;
use crate::types::digest::Digest;

/// A path and a line feed, then the file's bytes: no cataloguer panics, or costs more than its budget.
pub fn file(data: &[u8]) {
    let Some(end) = memchr::memchr(b'\n', data) else { return };
    let (Ok(path), content) = (EntryPath::new(&data[..end]), &data[end + 1..]) else { return };
    let Some(cataloguer) = Cataloguer::of(&path, 0o755) else { return };
    let budget = Budget::new("the file", 64 << 20, 1 << 20);
    if cataloguer.takes(content) {
        let workers = Workers::default();
        let mut queue = DigestQueue::new(&workers);
        let draft = cataloguer.read(&path, FileBody::Memory(content.to_vec()), &budget, &mut queue);
        let digests = queue.finish().expect("digests of bytes in memory");
        assert!(draft.is_none_or(|draft| draft.complete(&digests).cost() < 1 << 30));
    }
}

/// A layer: documents of whatever it tells are JSON, and the same each time.
pub fn layer(data: &[u8]) {
    let budget = Budget::new("the layer", 64 << 20, 1 << 20);
    let (scratch, workers) = (std::path::PathBuf::from("/tmp"), Workers::default());
    let means = LayerMeans { scratch: &scratch, budget: &budget, workers: &workers };
    let Ok(catalog) = LayerCatalog::read(data, LayerCompression::None, means) else { return };
    let layers = [CataloguedLayer { diff_id: Digest::of(data), catalog: &catalog }];
    let Ok(inventory) = Inventory::of(&layers, &budget) else { return };
    let Ok(image) = Image::new(&ConfigFile::default(), Vec::new(), std::collections::BTreeMap::new()) else {
        return;
    };
    let subject = ImageSubject::new(&image, None);
    for version in [SpecVersion::CycloneDx16, SpecVersion::CycloneDx17, SpecVersion::Spdx23] {
        let document = write(&inventory, &subject, version).expect("written");
        let json: serde_json::Value = serde_json::from_slice(&document.bytes).expect("JSON");
        assert!(json.is_object());
    }
}

/// Small honest files.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let texts: [(&str, &str); 8] = [
        (
            "var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nDepends: b (>= 1) | c\n\n",
        ),
        ("lib/apk/db/installed", "P:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\nD:so:x !y\np:so:z=1\n\n"),
        (
            "node_modules/a/package.json",
            r#"{"name":"a","version":"1","license":["MIT"],"dependencies":{"b":"1"}}"#,
        ),
        (
            "a/package-lock.json",
            r#"{"packages":{"":{"name":"a"},"node_modules/@s/b":{"version":"1","dependencies":{"c":"1"}}}}"#,
        ),
        (
            "a/npm-shrinkwrap.json",
            r#"{"dependencies":{"b":{"version":"1","requires":{"c":"1"},"dependencies":{"c":{"version":"1"}}}}}"#,
        ),
        ("x/a-1.dist-info/METADATA", "Name: a\nVersion: 1\nRequires-Dist: b[c]>=1; python_version>'3'\n\n"),
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("usr/share/doc/a/copyright", "Format: x\n\nFiles: *\nLicense: GPL-2+\n"),
    ];
    let mut seeds: Vec<Vec<u8>> =
        texts.iter().map(|(path, text)| format!("{path}\n{text}").into_bytes()).collect();
    seeds.extend(
        super::catalog::binary_seeds()
            .into_iter()
            .map(|(path, bytes)| [path.as_bytes(), b"\n", &bytes].concat()),
    );
    seeds
}

/// A document of others: it is read or refused, and each package has a name.
pub fn stated(data: &[u8]) {
    if let Ok(packages) = stated_packages(data, &[Digest::of(b"image")], &stated_budget()) {
        assert!(packages.len() <= data.len());
    }
}

/// Documents to begin with.
pub fn stated_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"bomFormat":"CycloneDX","components":[{"type":"library","name":"a","purl":"pkg:npm/a@1","licenses":[{"expression":"MIT OR ISC"}],"components":[{"name":"b"}]}]}"#,
        r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","licenseDeclared":"MIT","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:oci/a@sha256%3A00"}]}]}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
