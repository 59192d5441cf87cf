//! The archive beside Python's reader and Java's: on archives that are odd in every way that is known, and on changes of
//! honest ones. Both read what is read here, file by file; what they do not read alike is refused.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::fixture::{Item, write_with};
use super::{ArchiveEntryKind, ZipArchive, names};

/// How many archives are made at random.
const CASES: usize = 4_000;

/// Numbers of a linear congruential generator: the same everywhere and for ever.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// The files of an archive: the name of each with the digest of its content.
type Files = Vec<(Vec<u8>, String)>;

const NAMES: [&[u8]; 16] = [
    b"a",
    b"b/c",
    b"b/",
    b"d/",
    b"A",
    b"META-INF/MANIFEST.MF",
    b"a//b/./c",
    b"./x",
    b"../up",
    b"/abs",
    b"back\\slash",
    b"nul\0x",
    b"line\nend",
    "\u{e4}/\u{1f600}".as_bytes(),
    b"caf\x82",
    b"",
];

/// One entry that may be odd.
fn item(lcg: &mut Lcg) -> Item {
    // Most archives have plain names, or none would be read.
    let name = if lcg.one_in(3) {
        lcg.pick(&NAMES)
    } else {
        [&b"f1"[..], b"f2", b"g/h", b"g/i", b"j"][lcg.below(5)]
    };
    let content = [&b""[..], b"x", b"content content content", &[7; 5_000]][lcg.below(4)];
    let is_directory = name.ends_with(b"/") && !lcg.one_in(8);
    let content = if is_directory { b"" } else { content };
    let mut item = if lcg.one_in(2) { Item::stored(name, content) } else { Item::deflated(name, content) };
    if lcg.one_in(4) {
        let plain = [0o100_644, 0o100_755, 0o120_777, 0o010_644, 0];
        // A directory by its mode alone is one here and to `unzip`, and an empty file to the two others.
        item = item.unix(if name.ends_with(b"/") { 0o040_755 } else { lcg.pick(&plain) });
    }
    if lcg.one_in(4) {
        item = item.streamed();
    }
    if lcg.one_in(3) {
        item.flags |= 0x800;
    }
    item.zip64 = lcg.one_in(8);
    item.local_extra = if lcg.one_in(5) { 4 * lcg.below(4) } else { 0 };
    if lcg.one_in(12) {
        match lcg.below(8) {
            0 => item.size = lcg.pick(&[0, 1, 22, 1 << 20]),
            1 => item.compressed_size = lcg.pick(&[0, 1, 3, 1 << 20]),
            2 => item.crc32 ^= 1,
            3 => item.method = lcg.pick(&[0, 8, 9, 12, 99]),
            4 => item.flags |= lcg.pick(&[1, 2, 4, 0x20, 0x40, 0x2000]),
            5 => item.offset = Some(lcg.pick(&[0, 1, 30, 1 << 20])),
            6 => item.made_by = lcg.pick(&[20, 0x0a14, 0x0314, 0x1314]),
            _ => item.extra = unicode_path(&item.name, lcg.pick(&[&b"other"[..], b"../up", b"a", b"\xff"])),
        }
    }
    item
}

/// The extra field of Info-ZIP that has another name of an entry.
pub(super) fn unicode_path(name: &[u8], other: &[u8]) -> Vec<u8> {
    let mut field = b"up".to_vec();
    field.extend(u16::try_from(5 + other.len()).expect("short").to_le_bytes());
    field.push(1);
    field.extend(crc32fast::hash(name).to_le_bytes());
    field.extend(other);
    field
}

/// An archive that may be odd.
fn case(lcg: &mut Lcg) -> Vec<u8> {
    let mut items: Vec<Item> = (0..lcg.below(5)).map(|_| item(lcg)).collect();
    if lcg.one_in(2) {
        // The same name twice is refused here, and is seldom what is to be tried.
        items.sort_by(|one, other| one.name.cmp(&other.name));
        items.dedup_by(|one, other| one.name == other.name);
    }
    let prefix = [&b""[..], b"#!/bin/sh\n", b"PK\x03\x04"][if lcg.one_in(6) { 1 + lcg.below(2) } else { 0 }];
    let comment: Vec<u8> = match lcg.below(16) {
        0 => b"a comment".to_vec(),
        1 => b"PK\x05\x06".to_vec(),
        2 => super::fixture::write(&[]),
        3 => super::fixture::write(&[Item::stored("inner", b"x")]),
        _ => Vec::new(),
    };
    let mut bytes = write_with(&items, prefix, lcg.one_in(2), &comment);
    if lcg.one_in(3) {
        // In the headers, which are most of such a small archive.
        for _ in 0..=lcg.below(3) {
            let at = lcg.below(bytes.len());
            bytes[at] =
                lcg.pick(&[0, 1, 2, 4, 8, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at].wrapping_add(1)]);
        }
    }
    if lcg.one_in(20) {
        let end = bytes.len() - 22.min(bytes.len());
        // The sizes of the end record: other numbers of entries, and another place.
        let at = end + lcg.pick(&[4, 8, 10, 12, 16, 20]);
        bytes[at] = bytes[at].wrapping_add(lcg.pick(&[1, 46, 47, 255]));
    }
    if lcg.one_in(40) {
        let at = lcg.below(bytes.len() + 1);
        bytes.truncate(at);
    }
    if lcg.one_in(40) {
        bytes.extend(lcg.pick(&[&b"x"[..], b"\0\0", b"PK\x05\x06"]));
    }
    bytes
}

/// The files that are read here.
fn read(bytes: &[u8]) -> Result<Files, String> {
    let archive =
        ZipArchive::from_bytes(Path::new("case.zip"), bytes.to_vec()).map_err(|error| error.to_string())?;
    let files =
        archive.entries().iter().enumerate().filter(|(_, entry)| entry.kind != ArchiveEntryKind::Directory);
    files
        .map(|(index, entry)| {
            let content = archive.read(index, 1 << 20).map_err(|error| error.to_string())?;
            Ok((entry.name.clone(), hex(&Sha256::digest(&content))))
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits"))
        .collect()
}

/// The files of each archive as another reader sees them; `None` where it refuses one.
fn read_by(judge: &mut Command, archives: &[Vec<u8>]) -> Vec<Option<Files>> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    for archive in archives {
        file.write_all(&(archive.len() as u64).to_be_bytes()).expect("written");
        file.write_all(archive).expect("written");
    }
    let output = judge.arg(file.path()).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let (mut all, mut files) = (Vec::new(), Files::new());
    for line in text.lines() {
        match line {
            "end" => all.push(Some(std::mem::take(&mut files))),
            "refused" => {
                files.clear();
                all.push(None);
            }
            line => {
                let (name, digest) = line.split_once(' ').expect("a name and a digest");
                // As a name of an entry is written here.
                let name =
                    names::normalise(&unhex(name)).unwrap_or_else(|problem| problem.to_string().into_bytes());
                files.push((name, digest.to_owned()));
            }
        }
    }
    assert_eq!(all.len(), archives.len());
    all
}

#[allow(clippy::disallowed_methods, reason = "whether judges are required is no content")]
fn judge(name: &str) -> Option<Command> {
    let needed = std::env::var_os("PACK_TEST_REQUIRE").is_some();
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let (program, script) = if name == "python" { ("python3", "zip.py") } else { ("java", "Zip.java") };
    let mut command = Command::new(program);
    command.arg(inputs.join(script));
    // Without a compiler, `java` starts no source.
    let works = Command::new(program).arg(inputs.join(script)).arg("/dev/null").output();
    if works.is_ok_and(|output| output.status.success()) {
        return Some(command);
    }
    println!("left out: there is no {name}");
    assert!(!needed, "{name} is needed");
    None
}

fn shown(archive: &[u8]) -> String {
    archive.escape_ascii().to_string()
}

/// Both others read every archive that is read here, and see the same; but for names that are not UTF-8, which Java reads in no
/// archive, so that no kind for Java takes them.
#[test]
fn odd_archives_are_read_as_all_readers_read_them_or_refused() {
    let mut lcg = Lcg(1);
    let archives: Vec<Vec<u8>> = (0..CASES).map(|_| case(&mut lcg)).collect();
    let ours: Vec<_> = archives.iter().map(|archive| read(archive)).collect();
    let taken = ours.iter().filter(|files| files.is_ok()).count();
    // Neither all nor nothing, or there is nothing to compare.
    assert!((CASES / 10..CASES * 9 / 10).contains(&taken), "{taken}");
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in ["python", "java"] {
        let Some(mut judge) = judge(name) else { continue };
        for (at, theirs) in read_by(&mut judge, &archives).into_iter().enumerate() {
            let Ok(files) = &ours[at] else { continue };
            let is_text = files.iter().all(|(name, _)| std::str::from_utf8(name).is_ok());
            if name == "java" && !is_text {
                continue;
            }
            let same = theirs.as_ref().is_some_and(|theirs| {
                let sorted = |files: &Files| -> BTreeMap<Vec<u8>, String> { files.iter().cloned().collect() };
                theirs.len() == files.len() && sorted(theirs) == sorted(files)
            });
            if !same {
                let of = wrong.entry(name).or_default();
                of.push(format!("{at}:\n  {files:?}\n  {theirs:?}\n  of {}", shown(&archives[at])));
            }
        }
    }
    let said: Vec<String> = wrong
        .iter()
        .map(|(name, cases)| {
            format!("{name}: {} of {taken}, such as\n{}", cases.len(), cases[..cases.len().min(4)].join("\n"))
        })
        .collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}
