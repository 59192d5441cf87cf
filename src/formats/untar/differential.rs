//! The walk beside Go's reader, Python's and GNU tar: on headers that are odd in every way that is known, and on what
//! real tools write. All of them read what the walk reads; the walk refuses everything that they do not read alike.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::{BLOCK, LAYER, ReadThrough, TarWalk, UntarError};

/// How many tars are made at random.
const CASES: u64 = 8_000;

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

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

struct Block([u8; BLOCK as usize]);

impl Block {
    fn new(kind: u8, name: &[u8], size: usize) -> Self {
        let mut block = Self([0; BLOCK as usize]);
        block.put(257, b"ustar\x0000").put(0, &name[..name.len().min(100)]);
        block.put(100, b"0000644\0").put(108, b"0000000\0").put(116, b"0000000\0");
        block.put(124, format!("{size:011o}\0").as_bytes()).put(136, b"00000000007\0");
        block.0[156] = kind;
        block
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(148, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.put(148, format!("{sum:06o}\0 ").as_bytes());
        self.0.to_vec()
    }
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    content.resize(content.len().next_multiple_of(BLOCK as usize), 0);
    content
}

fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|length| *length == rest + length.to_string().len()).expect("a length");
    [format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat()
}

const NAMES: [&[u8]; 14] = [
    b"file",
    b"dir/",
    b"dir/file",
    b"./a",
    b"a//b/",
    b"/abs",
    b"../up",
    b"",
    b".",
    b"/",
    b"caf\xe9",
    "ä".as_bytes(),
    b"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
    b"ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd/",
];
const KINDS: [u8; 20] = [
    0, 0, 0, b'0', b'0', b'0', b'0', b'0', b'1', b'2', b'3', b'4', b'5', b'5', b'6', b'7', b'S', b'V', b'D',
    b'X',
];
const MAGICS: [&[u8]; 8] = [
    b"ustar\x0000",
    b"ustar  \0",
    b"\0\0\0\0\0\0\0\0",
    b"ustar\0\0\0",
    b"ustar\x0001",
    b"ustar \x00\x00",
    b"ustar000",
    b"USTAR\x0000",
];
const NUMBERS: [&[u8]; 26] = [
    b"0000755\0",
    b"    755\0",
    b"755 \0\0\0\0",
    b"        ",
    b"\0\0\0\0\0\0\0\0",
    b"\x00000755\0",
    b"7\0\0\0\0\0\x005",
    b"77777777",
    b"-000001\0",
    b"+000001\0",
    b"0x1\0\0\0\0\0",
    b"0o7\0\0\0\0\0",
    b"1_0\0\0\0\0\0",
    b"9\0\0\0\0\0\0\0",
    b"junk\0\0\0\0",
    b"\t755\0\0\0\0",
    b"755\0junk",
    b"755 junk",
    b"\x80\0\0\0\0\0\x01\0",
    b"\x80\0\0\x01\0\0\0\0",
    b"\x80\0\0\x02\0\0\0\0",
    b"\x80\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\0\0\0\0\0\0\x01",
    b"\xbf\0\0\0\0\0\0\x01",
    b"\xc0\0\0\0\0\0\0\x01",
];
const LONG_NUMBERS: [&[u8]; 14] = [
    b"00000000003\0",
    b"          3 ",
    b"            ",
    b"777777777777",
    b"\0\x30\0\0\0\0\0\0\0\0\0\0",
    b"\x80\0\0\0\0\0\0\0\0\0\0\x03",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfd",
    b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\0\0\x01\0\0\0\0\0\0\0\0",
    b"3\0\0\0\0\0\0\0\0\0\0\0",
    b"00000000003x",
    b"-0000000003\0",
    b"1777777777 \0",
];
const KEYS: [&[u8]; 20] = [
    b"path",
    b"path",
    b"linkpath",
    b"size",
    b"size",
    b"uid",
    b"gid",
    b"mtime",
    b"atime",
    b"uname",
    b"comment",
    b"SCHILY.xattr.user.a",
    b"SCHILY.xattr.",
    b"SCHILY.xattr.user.a%3Db",
    b"hdrcharset",
    b"GNU.sparse.name",
    b"GNU.sparse.major",
    b"GNU.sparse.map",
    b" path",
    b"pa\0th",
];
const VALUES: [&[u8]; 22] = [
    b"",
    b"3",
    b"0",
    b"007",
    b"-1",
    b"+3",
    b" 3",
    b"3 ",
    b"0x3",
    b"1_0",
    b"4294967296",
    b"99999999999999999999",
    b"1.5",
    b"-1.5",
    b".5",
    b"1e3",
    b"name",
    b"dir/",
    b"a\0b",
    b"caf\xe9",
    "ä".as_bytes(),
    b"BINARY",
];

/// A header with some oddities, and its payload.
fn entry(lcg: &mut Lcg, out: &mut Vec<u8>) {
    let kind = KINDS[lcg.below(KINDS.len())];
    let is_file = matches!(kind, 0 | b'0');
    let name = if is_file && lcg.one_in(2) { b"file" } else { lcg.pick(&NAMES) };
    let payload: &[u8] = if is_file && !name.ends_with(b"/") || lcg.one_in(12) { b"abc" } else { b"" };
    let mut block = Block::new(kind, name, payload.len());
    if matches!(kind, b'1' | b'2') {
        block.put(157, lcg.pick(&[&b"target"[..], b"dir/", b"", b"../x"]));
    }
    for _ in 0..[0, 0, 1, 1, 2][lcg.below(5)] {
        match lcg.below(10) {
            0 => drop(block.put(257, lcg.pick(&MAGICS))),
            1 => drop(block.put(345, lcg.pick(&[&b"prefix"[..], b"pre/fix/", b"00000000001\0", b"/"]))),
            2 => drop(block.put(100, lcg.pick(&NUMBERS))),
            3 => drop(block.put(108 + 8 * lcg.below(2), lcg.pick(&NUMBERS))),
            4 => drop(block.put(124, lcg.pick(&LONG_NUMBERS))),
            5 => drop(block.put(136, lcg.pick(&LONG_NUMBERS))),
            6 => drop(block.put(329 + 8 * lcg.below(2), lcg.pick(&NUMBERS))),
            7 => drop(block.put(508, b"tar\0")),
            8 => drop(block.put(265, lcg.pick(&[&b"root"[..], b"\xff", b"a\0b"]))),
            _ => drop(block.put(476, lcg.pick(&LONG_NUMBERS))),
        }
    }
    out.extend(block.finish());
    out.extend(padded(payload));
}

/// Writes an extension for the entry after it.
fn extension(lcg: &mut Lcg, out: &mut Vec<u8>) {
    let content = match lcg.below(4) {
        0 => {
            let name = [lcg.pick(&NAMES), lcg.pick(&[&b"\0"[..], b"", b"\0junk"])].concat();
            let kind = [b'L', b'K'][lcg.below(2)];
            out.extend(Block::new(kind, b"././@LongLink", name.len()).finish());
            let mut content = padded(&name);
            if lcg.one_in(8) {
                content.iter_mut().skip(name.len()).for_each(|byte| *byte = b'p');
            }
            out.extend(content);
            return;
        }
        1 if lcg.one_in(2) => vec![record(b"path", lcg.pick(&NAMES))],
        1 => vec![record(b"size", lcg.pick(&VALUES))],
        _ => (0..=lcg.below(3)).map(|_| record(lcg.pick(&KEYS), lcg.pick(&VALUES))).collect(),
    };
    let mut content = content.concat();
    match lcg.below(16) {
        0 => content.push(0),
        1 => drop(content.pop()),
        2 => content.insert(0, b'0'),
        3 => content.insert(0, b'+'),
        _ => {}
    }
    let kind = if lcg.one_in(12) { b'g' } else { b'x' };
    out.extend(Block::new(kind, b"pax", content.len()).finish());
    out.extend(padded(&content));
}

fn case(lcg: &mut Lcg) -> Vec<u8> {
    let mut tar = Vec::new();
    for _ in 0..=lcg.below(3) {
        for _ in 0..[0, 0, 0, 0, 1, 1, 2][lcg.below(7)] {
            extension(lcg, &mut tar);
        }
        entry(lcg, &mut tar);
    }
    if lcg.one_in(40) {
        extension(lcg, &mut tar);
    }
    if lcg.one_in(40) {
        tar.extend([0; 512]);
        entry(lcg, &mut tar);
    }
    tar.extend([0; 1024]);
    tar
}

/// The result of the walk, in the words of `tests/inputs/tar.go` and `tar.py`.
fn walked(tar: &[u8]) -> Result<Vec<String>, UntarError> {
    let mut walk = TarWalk::new(ReadThrough(tar), LAYER);
    let mut lines = Vec::new();
    while let Some(entry) = walk.next()? {
        let mut sum = Sha256::new();
        walk.payload(|bytes| sum.update(bytes))?;
        let is_file = entry.kind == EntryType::Regular;
        let size = entry.sparse.unwrap_or(entry.size);
        let content = match entry.sparse {
            Some(_) => "sparse".to_owned(),
            None if is_file && size < 1 << 20 => crate::types::digest::hex(&sum.finalize()),
            None => "-".to_owned(),
        };
        let mut name = &entry.path[..];
        while let Some(shorter) = name.strip_suffix(b"/") {
            name = shorter;
        }
        lines.push(format!(
            "{} name={} link={} size={} mode={:o} owner={}:{} time={} content={content}",
            char::from(entry.kind.as_byte()),
            crate::types::digest::hex(name),
            crate::types::digest::hex(&entry.link),
            if is_file { size } else { 0 },
            entry.mode,
            entry.uid,
            entry.gid,
            entry.mtime,
        ));
    }
    Ok(lines)
}

/// Whether both say the same, but for the content of sparse files, which the walk does not put together.
fn agree(ours: &[String], theirs: &[String]) -> bool {
    let without_content = |line: &str| line.rsplit_once(" content=").map(|(start, _)| start.to_owned());
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            ours == theirs
                || ours.ends_with(" content=sparse") && without_content(ours) == without_content(theirs)
        })
}

/// The lines of a reader about each tar, or nothing if it refuses one.
fn read_by(reader: &mut Command, tars: &[Vec<u8>]) -> Vec<Option<Vec<String>>> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    for tar in tars {
        file.write_all(&(tar.len() as u64).to_be_bytes()).expect("written");
        file.write_all(tar).expect("written");
    }
    let output = reader.arg(file.path()).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = vec![Vec::new()];
    let mut all = Vec::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        match line {
            "end" => all.push(found.pop()),
            "refused" => all.push(None),
            line => {
                found[0].push(line.to_owned());
                continue;
            }
        }
        found = vec![Vec::new()];
    }
    assert_eq!(all.len(), tars.len());
    all
}

#[allow(
    clippy::disallowed_methods,
    reason = "where judges are, and whether they are required, is no content"
)]
fn reader(name: &str) -> Option<Command> {
    let (inputs, needed) = (inputs(), std::env::var_os("PACK_TEST_REQUIRE").is_some());
    let peers = std::env::var_os("PACK_TEST_PEERS").is_some();
    let reader = match name {
        "python" => {
            let mut command = Command::new("python3");
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs/tar.py"));
            Command::new("python3").arg("--version").output().is_ok().then_some(command)
        }
        _ => inputs.filter(|_| peers).map(|inputs| Command::new(inputs.join("tar/reader"))),
    };
    if reader.is_none() {
        println!("left out: there is no {name}");
        assert!(!needed || name == "go" && !peers, "{name} is needed");
    }
    reader
}

#[allow(clippy::disallowed_methods, reason = "tests are told where their inputs are by the environment")]
fn inputs() -> Option<PathBuf> {
    std::env::var_os("PACK_TEST_INPUTS").map(PathBuf::from)
}

/// The number of entries that GNU tar lists, if it refuses nothing.
fn listed_by_gnu(tar: &[u8]) -> Option<usize> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(tar).expect("written");
    let mut command = Command::new("tar");
    command.args(["-tPf"]).arg(file.path()).arg("--quoting-style=escape").env("LC_ALL", "C.UTF-8");
    let output = command.output().expect("it starts");
    output.status.success().then(|| output.stdout.iter().filter(|byte| **byte == b'\n').count())
}

fn shown(tar: &[u8]) -> String {
    String::from_utf8_lossy(tar).replace('\0', "").escape_debug().to_string()
}

#[test]
fn odd_headers_are_read_as_all_readers_read_them_or_refused() {
    let mut lcg = Lcg(1);
    let tars: Vec<Vec<u8>> = (0..CASES).map(|_| case(&mut lcg)).collect();
    let ours: Vec<_> = tars.iter().map(|tar| walked(tar)).collect();
    let taken = ours.iter().filter(|lines| lines.is_ok()).count();
    // Neither all nor nothing, or there is nothing to compare.
    assert!((CASES / 10..CASES * 9 / 10).contains(&(taken as u64)), "{taken}");
    let mut wrong = Vec::new();
    for name in ["go", "python"] {
        let Some(mut reader) = reader(name) else { continue };
        for (at, theirs) in read_by(&mut reader, &tars).iter().enumerate() {
            if let Ok(lines) = &ours[at]
                && !theirs.as_ref().is_some_and(|theirs| agree(lines, theirs))
            {
                wrong.push(format!("{at}: {name}\n  {lines:#?}\n  {theirs:#?} of {}", shown(&tars[at])));
            }
        }
    }
    for (at, (tar, lines)) in tars.iter().zip(&ours).enumerate().step_by(7) {
        if let Ok(lines) = lines
            && listed_by_gnu(tar) != Some(lines.len())
        {
            wrong.push(format!(
                "{at}: GNU tar lists {:?}, not {lines:#?} of {}",
                listed_by_gnu(tar),
                shown(tar)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {taken}, such as {}",
        wrong.len(),
        wrong[..wrong.len().min(3)].join("\n")
    );
}

/// A tree with what needs more than a plain header.
fn tree() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let deep = root.join("d".repeat(90)).join("e".repeat(90));
    std::fs::create_dir_all(&deep).expect("made");
    std::fs::write(deep.join("f".repeat(120)), "long").expect("written");
    std::fs::write(root.join("n".repeat(100)), "full").expect("written");
    std::fs::write(root.join("ä"), "text").expect("written");
    std::fs::hard_link(root.join("ä"), root.join("link")).expect("linked");
    std::os::unix::fs::symlink("t".repeat(150), root.join("far")).expect("linked");
    std::fs::create_dir(root.join("empty")).expect("made");
    let sparse = std::fs::File::create(root.join("sparse")).expect("made");
    sparse.set_len(1 << 20).expect("longer");
    for piece in 0..12 {
        std::os::unix::fs::FileExt::write_at(&sparse, b"x", 70_000 * piece).expect("written");
    }
    directory
}

#[test]
fn what_real_tools_write_is_not_refused() {
    let tree = tree();
    let mut roots = vec![tree.path().to_owned()];
    let base = inputs().map(|inputs| inputs.join("base/jre")).filter(|base| base.is_dir());
    roots.extend(base);
    let mut tars = Vec::new();
    for (number, root) in roots.iter().enumerate() {
        // Of much, only what most tools write.
        let some = |arguments: &&&[&str]| number == 0 || arguments.len() == 1;
        for arguments in [
            &["--format=gnu"][..],
            &["--format=pax"],
            &["--format=ustar"],
            &["--format=v7"],
            &["--format=oldgnu"],
            &["--format=gnu", "-S"],
            &["--format=pax", "-S"],
            &["--format=pax", "-S", "--sparse-version=0.0"],
            &["--format=pax", "-S", "--sparse-version=0.1"],
            &["--format=gnu", "--numeric-owner", "--owner=3000000", "--mtime=@-5"],
            &["--format=pax", "--owner=x:3000000", "--mtime=@9999999999.5"],
        ]
        .iter()
        .filter(some)
        {
            let mut command = Command::new("tar");
            command.args(*arguments).args(["-cf", "-", "-C"]).arg(root).arg(".");
            // Names that a format cannot say are left out with a failure, which is no matter here.
            let output = command.output().expect("it starts");
            tars.push((format!("tar {}", arguments.join(" ")), output.stdout));
        }
        for format in ["GNU_FORMAT", "PAX_FORMAT", "USTAR_FORMAT"] {
            let script = format!(
                "import sys, tarfile\ntar = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.{format})\n\
                 for name in ('usr', 'empty', 'link', 'far', 'ä'):\n    try: tar.add(name)\n    except Exception: pass\ntar.close()"
            );
            let output = Command::new("python3").args(["-c", &script]).current_dir(root).output();
            tars.extend(output.ok().map(|output| (format!("python {format}"), output.stdout)));
        }
    }
    for (name, tar) in &tars {
        let lines = walked(tar).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Some(lines.len()), listed_by_gnu(tar), "{name}");
    }
    let bytes: Vec<Vec<u8>> = tars.iter().map(|(_, tar)| tar.clone()).collect();
    if let Some(mut go) = reader("go") {
        for ((name, tar), theirs) in tars.iter().zip(read_by(&mut go, &bytes)) {
            let ours = walked(tar).expect("it was read");
            assert!(theirs.is_some_and(|theirs| agree(&ours, &theirs)), "{name}");
        }
    }
}
