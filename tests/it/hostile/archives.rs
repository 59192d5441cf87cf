//! Archives that are broken, odd or made to deceive. Each becomes the same files that Python's reader, Java's and `unzip` see
//! in it, or is refused with the entry and a way out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, Zip, files_below, sha256, skipped};

/// One entry: what its local header says, and what the directory of the archive says.
#[derive(Clone)]
struct Record {
    name: Vec<u8>,
    local_name: Vec<u8>,
    /// The bytes as they lie in the archive.
    data: Vec<u8>,
    method: u16,
    local_method: u16,
    flags: u16,
    crc: u32,
    local_crc: u32,
    size: u32,
    local_size: u32,
    packed: u32,
    system: u8,
    mode: u32,
    extra: Vec<u8>,
    local_extra: Vec<u8>,
    /// The bytes behind the data.
    descriptor: Vec<u8>,
    /// Another place of the local header than the true one.
    offset: Option<u32>,
    is_wide: bool,
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn stored(name: impl AsRef<[u8]>, content: &[u8]) -> Record {
    let (name, crc, size) = (name.as_ref().to_vec(), crc32fast::hash(content), length(content));
    Record {
        local_name: name.clone(),
        name,
        data: content.to_vec(),
        method: 0,
        local_method: 0,
        flags: 0,
        crc,
        local_crc: crc,
        size,
        local_size: size,
        packed: size,
        system: 3,
        mode: 0o100_644,
        extra: Vec::new(),
        local_extra: Vec::new(),
        descriptor: Vec::new(),
        offset: None,
        is_wide: false,
    }
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn deflated(name: &str, content: &[u8]) -> Record {
    let data = deflate(content);
    Record { packed: length(&data), data, method: 8, local_method: 8, ..stored(name, content) }
}

/// As a writer leaves it that cannot go back: checksum and sizes stand behind the data.
fn streamed(name: &str, content: &[u8], has_signature: bool) -> Record {
    let plain = deflated(name, content);
    let mut descriptor = if has_signature { b"PK\x07\x08".to_vec() } else { Vec::new() };
    for word in [plain.crc, plain.packed, plain.size] {
        descriptor.extend(word.to_le_bytes());
    }
    Record { flags: 8, local_crc: 0, local_size: 0, descriptor, ..plain }
}

impl Record {
    fn named(mut self, name: &[u8]) -> Self {
        (self.name, self.local_name) = (name.to_vec(), name.to_vec());
        self
    }

    fn local(&self) -> Vec<u8> {
        let is_silent = self.flags & 8 != 0;
        let packed = if is_silent { 0 } else { self.packed };
        let (packed, size) = if self.is_wide { (u32::MAX, u32::MAX) } else { (packed, self.local_size) };
        let wide = self.wide(false, 0);
        let mut out = b"PK\x03\x04\x14\0".to_vec();
        for half in [self.flags, self.local_method, 0, 0x21] {
            out.extend(half.to_le_bytes());
        }
        for word in [self.local_crc, packed, size] {
            out.extend(word.to_le_bytes());
        }
        out.extend(u16::try_from(self.local_name.len()).unwrap().to_le_bytes());
        out.extend(u16::try_from(self.local_extra.len() + wide.len()).unwrap().to_le_bytes());
        for part in [&self.local_name, &wide, &self.local_extra, &self.data, &self.descriptor] {
            out.extend(part);
        }
        out
    }

    /// The field of zip64.
    fn wide(&self, has_offset: bool, offset: u32) -> Vec<u8> {
        if !self.is_wide {
            return Vec::new();
        }
        let all = [self.size, self.packed, offset];
        let values = &all[..2 + usize::from(has_offset)];
        let mut out = vec![1, 0];
        out.extend(u16::try_from(8 * values.len()).unwrap().to_le_bytes());
        values.iter().for_each(|value| out.extend(u64::from(*value).to_le_bytes()));
        out
    }

    fn central(&self, offset: u32) -> Vec<u8> {
        let offset = self.offset.unwrap_or(offset);
        let wide = self.wide(true, offset);
        let word = |value: u32| if self.is_wide { u32::MAX } else { value };
        let mut out = vec![b'P', b'K', 1, 2, 0x14, self.system, 0x14, 0];
        for half in [self.flags, self.method, 0, 0x21] {
            out.extend(half.to_le_bytes());
        }
        for value in [self.crc, word(self.packed), word(self.size)] {
            out.extend(value.to_le_bytes());
        }
        out.extend(u16::try_from(self.name.len()).unwrap().to_le_bytes());
        out.extend(u16::try_from(self.extra.len() + wide.len()).unwrap().to_le_bytes());
        out.extend([0; 6]);
        out.extend((self.mode << 16).to_le_bytes());
        out.extend(word(offset).to_le_bytes());
        for part in [&self.name, &wide, &self.extra] {
            out.extend(part);
        }
        out
    }
}

/// The end of an archive whose directory has these places.
fn end(entries: usize, size: usize, offset: usize, comment: &[u8]) -> Vec<u8> {
    let mut out = b"PK\x05\x06\0\0\0\0".to_vec();
    out.extend(u16::try_from(entries).unwrap().to_le_bytes());
    out.extend(u16::try_from(entries).unwrap().to_le_bytes());
    out.extend(u32::try_from(size).unwrap().to_le_bytes());
    out.extend(u32::try_from(offset).unwrap().to_le_bytes());
    out.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
    out.extend(comment);
    out
}

/// An archive of these entries behind `prefix`, whose length the offsets have in them if `is_counted`.
fn archive_with(records: &[Record], prefix: &[u8], is_counted: bool, comment: &[u8]) -> Vec<u8> {
    let mut out = prefix.to_vec();
    let before = if is_counted { 0 } else { prefix.len() };
    let mut directory = Vec::new();
    for record in records {
        directory.extend(record.central(u32::try_from(out.len() - before).unwrap()));
        out.extend(record.local());
    }
    let start = out.len() - before;
    out.extend(&directory);
    out.extend(end(records.len(), directory.len(), start, comment));
    out
}

/// A web application with these entries after its own.
fn app(more: &[Record]) -> Vec<u8> {
    archive_with(&[&usual()[..], more].concat(), b"", true, b"")
}

fn usual() -> Vec<Record> {
    let page = b"<h1>a page</h1> <h1>a page</h1> <h1>a page</h1>";
    vec![stored("WEB-INF/web.xml", b"<web-app/>"), deflated("index.html", page)]
}

/// The end of a build with an archive.
enum Fate {
    /// The files that all readers see.
    Files,
    /// The same, but for readers that are named, with the reason.
    FilesBut(&'static [&'static str], &'static str),
    /// An error that says this.
    Refused(&'static [&'static str]),
}

use Fate::{Files, FilesBut, Refused};

/// The extra field of Info-ZIP with another name.
fn second_name(name: &[u8], other: &[u8]) -> Vec<u8> {
    let mut field = b"up".to_vec();
    field.extend(u16::try_from(5 + other.len()).unwrap().to_le_bytes());
    field.push(1);
    field.extend(crc32fast::hash(name).to_le_bytes());
    field.extend(other);
    field
}

/// Entries whose data reaches over the headers of those behind it, so that few bytes are many files.
fn overlapping(count: usize) -> Vec<u8> {
    let kernel = deflated("0", &[b'a'; 100_000]);
    let mut out = archive_with(&usual(), b"", true, b"");
    out.truncate(usual().iter().map(|record| record.local().len()).sum());
    let (mut directory, mut offset) = (Vec::new(), 0);
    for record in usual() {
        directory.extend(record.central(offset));
        offset += length(&record.local());
    }
    for number in 0..count {
        directory.extend(
            Record { offset: Some(offset), ..kernel.clone().named(format!("{number}").as_bytes()) }
                .central(0),
        );
    }
    out.extend(kernel.local());
    let start = out.len();
    out.extend(&directory);
    out.extend(end(count + 2, directory.len(), start, b""));
    out
}

/// Two directories behind each other, of which the end describes both by its place and one by its size.
fn two_directories() -> Vec<u8> {
    let records = [&usual()[..], &[stored("hidden", b"x")]].concat();
    let mut bytes = archive_with(&records, b"", true, b"");
    let last = length(&records[2].central(0));
    let at = bytes.len() - 10;
    bytes[at..at + 4].copy_from_slice(&last.to_le_bytes());
    bytes
}

/// An archive whose end is also that of zip64.
fn wide_end() -> Vec<u8> {
    let records = usual();
    let plain = archive_with(&records, b"", true, b"");
    let start: usize = records.iter().map(|record| record.local().len()).sum();
    let at = plain.len() - 22;
    let mut out = plain[..at].to_vec();
    out.extend(b"PK\x06\x06");
    out.extend(44u64.to_le_bytes());
    out.extend([45, 0, 45, 0]);
    out.extend([0; 8]);
    for value in [records.len(), records.len(), at - start, start] {
        out.extend((value as u64).to_le_bytes());
    }
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend((at as u64).to_le_bytes());
    out.extend([1, 0, 0, 0]);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([0xff; 12]);
    out.extend([0, 0]);
    out
}

fn cases() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let nested = archive_with(&[stored("inner", b"x")], b"", true, b"");
    let with = |record: Record| app(&[record]);
    let text = || stored("a.txt", b"a text");
    vec![
        ("stored and deflated", with(text()), Files),
        ("descriptors", with(streamed("a.txt", b"a text", true)), Files),
        ("descriptors without a signature", with(streamed("a.txt", b"a text", false)), Files),
        ("zip64 in an entry", with(Record { is_wide: true, ..text() }), Files),
        ("zip64 at the end", wide_end(), Files),
        (
            "names that say that they are UTF-8",
            with(Record { flags: 0x800, ..stored("caf\u{e9}.txt", b"x") }),
            Files,
        ),
        ("names in UTF-8 that do not say so", with(stored("caf\u{e9}.txt", b"x")), Files),
        (
            "bytes of a Unix that are no text",
            with(stored(b"caf\xe9.txt", b"x")),
            FilesBut(&["java"], "it opens no such archive"),
        ),
        (
            "a code page of DOS",
            with(Record { system: 0, mode: 0, ..stored(b"caf\x82.txt", b"x") }),
            Refused(&["caf", "in the code page of another system"]),
        ),
        (
            "text that is none",
            with(Record { flags: 0x800, ..stored(b"caf\xe9.txt", b"x") }),
            Refused(&["said to be UTF-8"]),
        ),
        (
            "a second name",
            with(Record { extra: second_name(b"a.txt", b"../b"), ..text() }),
            Refused(&["a.txt", "second name, `../b`"]),
        ),
        ("the same name again", with(Record { extra: second_name(b"a.txt", b"a.txt"), ..text() }), Files),
        ("a start script before it", archive_with(&usual(), b"#!/bin/sh\nexit 1\n", true, b""), Files),
        ("the same, not counted in", archive_with(&usual(), b"#!/bin/sh\nexit 1\n", false, b""), Files),
        ("a comment", archive_with(&usual(), b"", true, b"a comment"), Files),
        (
            "the end of an archive in a comment",
            archive_with(&usual(), b"", true, b"PK\x05\x06 is how it ends"),
            Refused(&["truncated zip archive, or has foreign bytes"]),
        ),
        (
            "an archive in a comment",
            archive_with(&usual(), b"", true, &nested),
            Refused(&["truncated zip archive, or has foreign bytes"]),
        ),
        (
            "bytes behind it",
            [app(&[]), b"x".to_vec()].concat(),
            Refused(&["has foreign bytes after its end"]),
        ),
        ("two archives behind each other", [app(&[text()]), app(&[])].concat(), Refused(&["truncated"])),
        ("one name twice", app(&[text(), text()]), Refused(&["a.txt", "occurs twice"])),
        ("a directory twice", app(&[stored("d/", b""), stored("d/", b""), stored("d/a", b"x")]), Files),
        ("names that differ in case", app(&[stored("A.txt", b"upper"), text()]), Files),
        ("an archive in it", with(stored("WEB-INF/lib/nested.jar", &nested)), Files),
        (
            "a signature that does not fit",
            app(&[
                stored("META-INF/MANIFEST.MF", b"Name: a.txt\nSHA-256-Digest: AAAA\n"),
                stored("META-INF/SHOP.SF", b"x"),
                text(),
            ]),
            Files,
        ),
        (
            "classes for several versions of Java",
            app(&[
                stored("META-INF/MANIFEST.MF", b"Multi-Release: true\n"),
                stored("WEB-INF/classes/A.class", b"\xca\xfe\xba\xbe\0\0\0\x34"),
                stored("META-INF/versions/17/WEB-INF/classes/A.class", b"\xca\xfe\xba\xbe\0\0\0\x3d"),
            ]),
            Files,
        ),
        ("a line end in a name", with(stored("a\nb", b"x")), FilesBut(&["unzip"], "it writes `^J`")),
        ("a name above its root", with(stored("../a", b"x")), Refused(&["../a", "`..`"])),
        ("a name above its root, inside", with(stored("d/../../a", b"x")), Refused(&["`..`"])),
        ("an absolute name", with(stored("/etc/a", b"x")), Refused(&["/etc/a", "absolute"])),
        ("a backslash", with(stored("d\\a", b"x")), Refused(&["d\\a", "backslash"])),
        ("a NUL", with(stored(b"a\0b", b"x")), Refused(&["NUL"])),
        ("no name", with(stored("", b"x")), Refused(&["empty name"])),
        (
            "a directory with content",
            with(stored("d/", b"x")),
            Refused(&["d/", "directory with 1 bytes of content"]),
        ),
        (
            "a file below a file",
            app(&[text(), stored("a.txt/b", b"x")]),
            Refused(&["a.txt/b", "lies below `a.txt`"]),
        ),
        ("a deletion", with(stored("d/.wh.a", b"")), Refused(&[".wh.a", "deletion"])),
        ("a link", app(&[text(), Record { mode: 0o120_777, ..stored("l", b"a.txt") }]), Files),
        (
            "a link out of it",
            with(Record { mode: 0o120_777, ..stored("l", b"../../etc/passwd") }),
            Refused(&["`l` to `../../etc/passwd`"]),
        ),
        ("a named pipe", with(Record { mode: 0o010_644, ..text() }), Refused(&["a.txt", "neither file"])),
        ("a password", with(Record { flags: 1, ..text() }), Refused(&["a.txt", "is encrypted"])),
        ("strong encryption", with(Record { flags: 0x41, ..text() }), Refused(&["a.txt", "is encrypted"])),
        ("deflate64", with(Record { method: 9, local_method: 9, ..text() }), Refused(&["a.txt", "method 9"])),
        (
            "an unknown method",
            with(Record { method: 77, local_method: 77, ..text() }),
            Refused(&["a.txt", "method 77 (unknown)"]),
        ),
        (
            "a wrong checksum",
            with(Record { crc: 1, local_crc: 1, ..text() }),
            Refused(&["a.txt", "has CRC-32"]),
        ),
        (
            "a size that is too small",
            with(Record { size: 5, local_size: 5, ..deflated("a.txt", b"a text") }),
            Refused(&["a.txt", "the 5 bytes"]),
        ),
        (
            "a size that is too large",
            with(Record { size: 7, local_size: 7, ..deflated("a.txt", b"a text") }),
            Refused(&["a.txt", "the 7 bytes"]),
        ),
        (
            "bytes that are not deflated",
            with(Record { method: 8, local_method: 8, ..stored("a.txt", b"\xff\xff\xff\xff\xff\xff") }),
            Refused(&["a.txt", "is damaged"]),
        ),
        (
            "another name in the local header",
            with(Record { local_name: b"b.txt".to_vec(), ..text() }),
            Refused(&["a.txt", "another name in its own header"]),
        ),
        (
            "another method in the local header",
            with(Record { local_method: 8, ..text() }),
            Refused(&["a.txt", "another method in its own header"]),
        ),
        (
            "another size in the local header",
            with(Record { local_size: 3, ..text() }),
            Refused(&["a.txt", "another size in its own header"]),
        ),
        (
            "another checksum in the local header",
            with(Record { local_crc: 3, ..text() }),
            Refused(&["a.txt", "another checksum in its own header"]),
        ),
        ("no local header", with(Record { offset: Some(1), ..text() }), Refused(&["overlaps"])),
        ("one entry in another", with(Record { offset: Some(0), ..text() }), Refused(&["overlaps"])),
        (
            "an entry outside",
            with(Record { offset: Some(1 << 30), ..text() }),
            Refused(&["a.txt", "outside the file"]),
        ),
        ("1,000 files in the bytes of one", overlapping(1_000), Refused(&["overlaps"])),
        (
            "two directories",
            two_directories(),
            Refused(&["the central directory", "another size or place than it declares"]),
        ),
    ]
}

/// The files of the image, by their paths below the application's root; links with their targets.
fn in_image(project: &Project) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files = BTreeMap::new();
    for blob in files_below(&project.path("out/blobs/sha256")) {
        let bytes = fs::read(blob).unwrap();
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            continue;
        }
        let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(&bytes[..]));
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path_bytes().into_owned();
            let Some(name) = path.strip_prefix(b"srv/app/") else { continue };
            let mut content = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
            entry.read_to_end(&mut content).unwrap();
            if !entry.header().entry_type().is_dir() {
                files.insert(name.to_vec(), content);
            }
        }
    }
    files
}

/// The digests of the files in an archive, by their names.
type SeenFiles = BTreeMap<Vec<u8>, String>;

/// The files that a reader of `tests/inputs` sees in each archive; nothing where it refuses one.
fn seen_by(name: &str, archives: &[&[u8]]) -> Option<Vec<Option<SeenFiles>>> {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let (program, script) = if name == "python" { ("python3", "zip.py") } else { ("java", "Zip.java") };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for archive in archives {
        file.write_all(&(archive.len() as u64).to_be_bytes()).unwrap();
        file.write_all(archive).unwrap();
    }
    let said = Command::new(program).arg(inputs.join(script)).arg(file.path()).output();
    let Some(said) = said.ok().filter(|said| said.status.success()) else {
        skipped(&format!("{name} as a judge"), "it is not installed");
        return None;
    };
    let (mut all, mut files) = (Vec::new(), BTreeMap::new());
    for line in String::from_utf8(said.stdout).unwrap().lines() {
        let is_end = line == "end";
        if is_end || line == "refused" {
            let files = std::mem::take(&mut files);
            all.push(is_end.then_some(files));
        } else {
            let (name, digest) = line.split_once(' ').unwrap();
            let digits = name.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            let name: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
            files.insert(name, format!("sha256:{digest}"));
        }
    }
    assert_eq!(all.len(), archives.len());
    Some(all)
}

/// The files that `unzip` writes.
fn unzipped(archive: &[u8]) -> Option<BTreeMap<Vec<u8>, String>> {
    let directory = tempfile::tempdir().unwrap();
    let (path, out) = (directory.path().join("a.zip"), directory.path().join("out"));
    fs::write(&path, archive).unwrap();
    let said = Command::new("unzip")
        .args(["-qq", "-o"])
        .arg(&path)
        .arg("-d")
        .arg(&out)
        .env("LC_ALL", "C.UTF-8")
        .output();
    let said = said.ok()?;
    // 1 is a warning, such as that of bytes before the archive.
    assert!(said.status.code().is_some_and(|code| code <= 1), "{}", String::from_utf8_lossy(&said.stderr));
    let name = |path: &Path| path.strip_prefix(&out).unwrap().as_os_str().as_bytes().to_vec();
    let content = |path: &Path| match fs::read_link(path) {
        Ok(target) => target.as_os_str().as_bytes().to_vec(),
        Err(_) => fs::read(path).unwrap(),
    };
    let all = walkdir::WalkDir::new(&out).into_iter().map(Result::unwrap);
    let files = all.filter(|entry| !entry.file_type().is_dir()).map(walkdir::DirEntry::into_path);
    Some(files.map(|path| (name(&path), sha256(&content(&path)))).collect())
}

#[test]
fn archives_of_every_sort_are_what_all_readers_see_or_refused() {
    let cases = cases();
    let archives: Vec<&[u8]> = cases.iter().map(|(_, bytes, _)| &bytes[..]).collect();
    let judges = ["python", "java"].map(|name| (name, seen_by(name, &archives)));
    let mut wrong = Vec::new();
    for (at, (what, bytes, fate)) in cases.iter().enumerate() {
        let project = Project::with(
            "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\n[app]\npath = \"app.war\"\nroot = \"/srv/app\"\n",
        );
        project.write("app.war", bytes);
        let run = project.pack("build -o oci:out").run();
        let (but, why) = match fate {
            Refused(texts) => {
                let texts = texts.iter().chain(&["app.war", "hint: "]);
                let missing: Vec<&&str> = texts.filter(|text| !run.stderr.contains(**text)).collect();
                if run.code != Some(1) || !missing.is_empty() {
                    wrong.push(format!("{what}: {:?}, without {missing:?}:\n{}", run.code, run.stderr));
                }
                continue;
            }
            Files => (&[][..], ""),
            FilesBut(but, why) => (*but, *why),
        };
        if run.code != Some(0) {
            wrong.push(format!("{what}: {:?}\n{}", run.code, run.stderr));
            continue;
        }
        let ours: BTreeMap<Vec<u8>, String> =
            in_image(&project).into_iter().map(|(name, content)| (name, sha256(&content))).collect();
        let theirs = judges.iter().filter_map(|(name, seen)| Some((*name, seen.as_ref()?[at].clone())));
        let theirs: Vec<_> = theirs.chain([("unzip", unzipped(bytes))]).collect();
        for (name, files) in theirs {
            let is_same = files.as_ref() == Some(&ours);
            if is_same == but.contains(&name) {
                wrong.push(format!("{what}: {name} sees {files:?}, and in the image is {ours:?} ({why})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn an_archive_that_is_cut_off_anywhere_is_refused() {
    let whole = app(&[streamed("a.txt", b"a text", true), Record { is_wide: true, ..stored("b.txt", b"b") }]);
    let starts: Vec<usize> =
        whole.windows(2).enumerate().filter(|(_, pair)| pair == b"PK").map(|(at, _)| at).collect();
    assert!(starts.len() > 8);
    let project = Project::with(
        "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\n[app]\npath = \"app.war\"\nroot = \"/srv/app\"\n",
    );
    for cut in starts.iter().flat_map(|at| [*at, at + 10]).chain([whole.len() - 1]).filter(|cut| *cut > 4) {
        project.write("app.war", &whole[..cut]);
        project.pack("build").fails(1).says(&["app.war"]).hints();
    }
    project.write("app.war", &whole);
    project.pack("build").ok();
}

/// As many files as a large monorepo, in directories.
#[test]
fn an_archive_of_very_many_files_is_built() {
    let mut zip = Zip::default();
    zip.stored("WEB-INF/web.xml", b"<web-app/>");
    for number in 0..60_000 {
        zip.stored(&format!("d{}/f{number}", number % 100), b"x");
    }
    let project = Project::with(
        "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\n[app]\npath = \"app.war\"\nroot = \"/srv/app\"\n",
    );
    project.write("app.war", zip.finish());
    project.pack("build -o oci:out").ok();
    assert_eq!(in_image(&project).len(), 60_001);
}
