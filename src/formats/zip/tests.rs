use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::fixture::{Item, write, write_with};
use super::*;
use crate::types::error::Explain as _;

fn open(bytes: &[u8]) -> Result<ZipArchive, ZipError> {
    ZipArchive::from_bytes(Path::new("test.zip"), bytes.to_vec())
}

fn on_disk(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("test.zip");
    std::fs::write(&path, bytes).expect("written");
    (directory, path)
}

fn problem(items: &[Item]) -> EntryProblem {
    match open(&write(items)) {
        Err(ZipError::Entry { problem, .. }) => problem,
        other => panic!("expected a refused entry, got {other:?}"),
    }
}

/// The error of reading the first entry to its end.
fn read_problem(items: &[Item]) -> EntryProblem {
    let archive = open(&write(items)).expect("opens");
    match archive.read(0, u64::MAX) {
        Err(ZipError::Entry { problem, .. }) => problem,
        other => panic!("expected a refused entry, got {other:?}"),
    }
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| b"abcdefgh "[(at * at / 7) % 9]).collect()
}

fn sample() -> Vec<Item> {
    vec![
        Item::stored("META-INF/", b"").unix(0o040_755),
        Item::deflated("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n").streamed(),
        Item::stored("plain.txt", &text(100)),
        Item::deflated("big.txt", &text(200_000)).unix(0o100_755),
        Item::stored("empty", b""),
        Item::deflated("empty too", b"").streamed(),
    ]
}

fn assert_sample(archive: &ZipArchive) {
    let names: Vec<_> = archive.entries().iter().map(|entry| String::from_utf8_lossy(&entry.name)).collect();
    assert_eq!(names, ["META-INF", "META-INF/MANIFEST.MF", "plain.txt", "big.txt", "empty", "empty too"]);
    assert_eq!(archive.entries()[0].kind, ArchiveEntryKind::Directory);
    assert!(archive.entries()[3].is_executable());
    assert_eq!(archive.read(1, 100).expect("reads"), b"Manifest-Version: 1.0\r\n");
    assert_eq!(archive.read(2, 100).expect("reads"), text(100));
    assert_eq!(archive.read(3, 1 << 20).expect("reads"), text(200_000));
    assert_eq!(archive.read(4, 0).expect("reads"), b"");
    assert_eq!(archive.read(5, 0).expect("reads"), b"");
    assert_eq!(archive.position(b"empty"), Some(4));
}

#[test]
fn reads_what_was_written() {
    assert_sample(&open(&write(&sample())).expect("opens"));
    let (_directory, path) = on_disk(&write(&sample()));
    assert_sample(&ZipArchive::open(&path).expect("opens"));
}

#[test]
fn prefixes_comments_and_zip64() {
    let script = b"#!/bin/sh\nexec java -jar $0\n";
    assert_sample(&open(&write_with(&sample(), script, false, b"")).expect("prefixed"));
    assert_sample(&open(&write_with(&sample(), script, true, b"")).expect("prefixed and adjusted"));
    assert_sample(&open(&write_with(&sample(), b"", false, b"PK a comment")).expect("comment"));
    assert_sample(&open(&write_with(&sample(), b"", false, &[b'c'; 65_535])).expect("long comment"));
    let mut wide = sample();
    for item in &mut wide {
        item.zip64 = true;
        item.flags = 0;
        item.local_extra = 20;
    }
    assert_sample(&open(&write(&wide)).expect("zip64"));
}

#[test]
fn an_archive_without_entries_is_one() {
    assert!(open(&write(&[])).expect("opens").entries().is_empty());
}

#[test]
fn more_entries_than_the_old_count_holds() {
    let items: Vec<Item> = (0..70_000).map(|at| Item::stored(format!("d{}/{at}", at % 100), b"")).collect();
    assert_eq!(open(&write(&items)).expect("opens").entries().len(), 70_000);
}

#[test]
fn hostile_names() {
    let named = |name: &[u8]| problem(&[Item::stored(name, b"x")]);
    for name in [&b".."[..], b"../x", b"a/../../x", b"a/..", b"a/../b"] {
        assert_eq!(named(name), EntryProblem::Parent);
    }
    assert_eq!(named(b"/etc/passwd"), EntryProblem::Absolute);
    assert_eq!(named(b"..\\x"), EntryProblem::Backslash);
    assert_eq!(named(b"C:\\x"), EntryProblem::Backslash);
    assert_eq!(named(b"a\0b"), EntryProblem::Nul);
    assert_eq!(named(b""), EntryProblem::EmptyName);
    assert_eq!(named(b"."), EntryProblem::EmptyName);
    let archive = open(&write(&[Item::stored("./", b""), Item::stored("./a//b/./c", b"x")])).expect("opens");
    assert_eq!(archive.entries().len(), 1);
    assert_eq!(archive.entries()[0].name, b"a/b/c");
    let odd = open(&write(&[Item::stored(b"\xff\n", b"x").unix(0o100_644)])).expect("opens");
    assert_eq!(odd.entries()[0].name, b"\xff\n");
}

#[test]
fn a_name_means_the_same_to_every_program() {
    let old = Item::stored(b"caf\x82", b"x");
    assert_eq!(problem(std::slice::from_ref(&old)), EntryProblem::CodePage);
    assert_eq!(problem(&[Item { made_by: 0x0a14, ..old.clone() }]), EntryProblem::CodePage);
    assert_eq!(problem(&[Item { flags: 0x800, ..old.clone() }.unix(0o100_644)]), EntryProblem::NotUtf8);
    let text = Item { flags: 0x800, ..Item::stored("caf\u{e9}", b"x") };
    assert_eq!(open(&write(&[text])).expect("opens").entries()[0].name, "caf\u{e9}".as_bytes());
    let with = |extra: Vec<u8>| Item { extra, ..Item::stored("a", b"x") };
    let second = EntryProblem::SecondName(b"../b".to_vec());
    assert_eq!(problem(&[with(super::differential::unicode_path(b"a", b"../b"))]), second);
    // The same name again, that of a name that the entry had once, and one that is cut off.
    for field in [(&b"a"[..], &b"a"[..]), (b"old", b"b")] {
        assert!(open(&write(&[with(super::differential::unicode_path(field.0, field.1))])).is_ok());
    }
    assert!(open(&write(&[with(b"up\x02\0\x01\0".to_vec())])).is_ok());
}

#[test]
fn a_local_header_says_what_the_directory_says() {
    let bytes = write(&[Item::stored("name", b"content")]);
    for (at, differs) in
        [(30, "name"), (8, "method"), (6, "word on encryption"), (14, "checksum"), (18, "size"), (22, "size")]
    {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let archive = open(&bytes).expect("opens");
        let Err(ZipError::Entry { problem, .. }) = archive.read(0, 100) else { panic!("{at} is read") };
        assert_eq!(problem, EntryProblem::LocalHeader(differs), "{at}");
    }
    // Nothing is said of what was not known.
    let mut silent = bytes;
    silent[14..26].fill(0);
    assert_eq!(open(&silent).expect("opens").read(0, 100).expect("read"), b"content");
}

/// A directory before another one, of which readers that go by the size of a directory see only the second.
#[test]
fn a_directory_has_the_size_that_it_declares() {
    let bytes = write(&[Item::stored("hidden", b"x"), Item::stored("seen", b"y")]);
    let end = bytes.len() - 22;
    let mut two = bytes.clone();
    two[end + 12..end + 16].copy_from_slice(&(46_u32 + 4).to_le_bytes());
    assert!(open(&bytes).is_ok());
    assert!(matches!(open(&two), Err(ZipError::Directory { .. })));
    // A place behind the true one, which bytes before the archive cannot explain.
    let mut later = bytes;
    later[end + 16] += 1;
    assert!(matches!(open(&later), Err(ZipError::Directory { .. })));
}

#[test]
fn one_path_once() {
    let stored = |name: &str| Item::stored(name, b"");
    let twice = |a: &str, b: &str| problem(&[stored(a), stored("between"), stored(b)]);
    assert_eq!(twice("a", "a"), EntryProblem::Duplicate);
    assert_eq!(twice("a/b", "./a//b"), EntryProblem::Duplicate);
    assert_eq!(twice("a", "a/"), EntryProblem::Duplicate);
    assert_eq!(twice("a/", "a"), EntryProblem::Duplicate);
    assert_eq!(twice("a", "a/b"), EntryProblem::BelowFile(b"a".to_vec()));
    assert_eq!(twice("a/b/c", "a"), EntryProblem::BelowFile(b"a".to_vec()));
    assert_eq!(twice("a/b", "a/b/c/d"), EntryProblem::BelowFile(b"a/b".to_vec()));
    let link = Item::stored("l", b"/etc").unix(0o120_777);
    assert_eq!(problem(&[link, stored("l/passwd")]), EntryProblem::BelowFile(b"l".to_vec()));
    assert!(open(&write(&[stored("a/b"), stored("a/"), stored("a/c"), stored("ab")])).is_ok());
}

#[test]
fn a_directory_that_is_listed_again_is_one() {
    let stored = |name: &str| Item::stored(name, b"");
    let items = [
        stored("a/"),
        Item::stored("a/x", b"first"),
        stored("a/").unix(0o040_755),
        stored("./a//"),
        Item::stored("b/y", b"second"),
        stored("b/"),
        stored("b/"),
    ];
    let archive = open(&write(&items)).expect("opens");
    let names: Vec<&[u8]> = archive.entries().iter().map(|entry| &entry.name[..]).collect();
    assert_eq!(names, [&b"a"[..], b"a/x", b"b/y", b"b"]);
    // Entries behind the removed ones are still found in their places.
    for (name, content) in [("a/x", &b"first"[..]), ("b/y", b"second")] {
        let index = archive.position(name.as_bytes()).expect("there");
        assert_eq!(archive.read(index, 10).expect("read"), content);
    }
}

#[test]
fn names_have_a_budget() {
    let longest = "x".repeat(MAX_NAME);
    assert!(open(&write(&[Item::stored(&longest, b"")])).is_ok());
    let problem = problem(&[Item::stored(longest + "x", b"")]);
    assert_eq!(problem, EntryProblem::LongName { length: MAX_NAME + 1 });
    // Each name of 4,000 bytes implies 2,000 directories, whose paths have 4 MB.
    let deep = |first: usize| Item::stored(format!("{first}{}", "/a".repeat(1_998)), b"");
    assert!(open(&write(&[deep(0), deep(1)])).is_ok());
    let bomb: Vec<Item> = (0..6).map(deep).collect();
    let error = open(&write(&bomb)).expect_err("too much");
    assert!(matches!(error, ZipError::Names { .. }), "{error}");
    assert!(error.hint().is_some());
    // Many short names count as well: whatever is kept of one is a record.
    let many: Vec<Item> = (0..320_000).map(|at| Item::stored(format!("{at}/"), b"")).collect();
    assert!(matches!(open(&write(&many)), Err(ZipError::Names { .. })));
}

#[test]
fn a_large_web_application_fits_and_the_worst_does_not() {
    let classes =
        |at: usize| format!("WEB-INF/classes/com/example/shop/part{}/order/OrderView{at}.class", at / 50);
    let large: Vec<Item> = (0..100_000).map(|at| Item::stored(classes(at), b"")).collect();
    assert_eq!(open(&write(&large)).expect("it fits").entries().len(), 100_000);
    // The shortest names there are: what is kept of so many paths takes more than 256 MiB.
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let short = |at: usize| {
        let digit = |place: u32| char::from(digits[at / digits.len().pow(place) % digits.len()]);
        format!("{}{}{}/a", digit(0), digit(1), digit(2))
    };
    let worst: Vec<Item> = (0..152_000).map(|at| Item::stored(short(at), b"")).collect();
    assert!(matches!(open(&write(&worst)), Err(ZipError::Names { .. })));
    assert!(open(&write(&worst[..130_000])).is_ok());
}

#[test]
fn what_is_not_read() {
    let item = Item::stored("a", b"x");
    for flags in [1, 1 << 6, 1 << 13] {
        assert_eq!(problem(&[Item { flags, ..item.clone() }]), EntryProblem::Encrypted);
    }
    assert_eq!(problem(&[Item { flags: 0x20, ..item.clone() }]), EntryProblem::Patch);
    let bzip2 = EntryProblem::Method { id: 12, name: Some("BZIP2") };
    assert_eq!(problem(&[Item { method: 12, ..item.clone() }]), bzip2);
    assert_eq!(problem(&[item.clone().unix(0o010_644)]), EntryProblem::Special { kind: 0o010_000 });
    assert_eq!(problem(&[Item::stored("d/", b"x")]), EntryProblem::DirectoryWithContent { size: 1 });
}

#[test]
fn kinds_and_modes() {
    let archive = open(&write(&[
        Item::stored("link", b"target").unix(0o120_777),
        Item::stored("file", b"x").unix(0o104_755),
        Item::stored("dos", b"x"),
        Item::stored("directory", b"").unix(0o040_700),
        Item::stored("no mode", b"x").unix(0),
    ]))
    .expect("opens");
    let kinds: Vec<_> = archive.entries().iter().map(|entry| (entry.kind, entry.mode)).collect();
    assert_eq!(
        kinds,
        [
            (ArchiveEntryKind::Symlink, Some(0o777)),
            (ArchiveEntryKind::File, Some(0o4755)),
            (ArchiveEntryKind::File, None),
            (ArchiveEntryKind::Directory, Some(0o700)),
            (ArchiveEntryKind::File, None),
        ]
    );
}

#[test]
fn sizes_that_lie() {
    let stored = Item::stored("a", &text(1000));
    let deflated = Item::deflated("a", &text(1000));
    let impossible = |item: Item| matches!(problem(&[item]), EntryProblem::ImpossibleSize { .. });
    assert!(impossible(Item { size: 999, ..stored.clone() }));
    assert!(impossible(Item { size: 1 << 31, ..deflated.clone() }));

    let wrong = |declared| EntryProblem::WrongSize { declared };
    assert_eq!(read_problem(&[Item { size: 999, ..deflated.clone() }]), wrong(999));
    assert_eq!(read_problem(&[Item { size: 1001, ..deflated.clone() }]), wrong(1001));
    assert_eq!(read_problem(&[Item { size: 0, ..deflated.clone() }]), wrong(0));
    // Bytes after the end of the deflate stream.
    let mut longer = deflated.clone();
    longer.data.extend(b"more");
    longer.compressed_size += 4;
    assert_eq!(read_problem(&[longer]), wrong(1000));
    let mut shorter = deflated.clone();
    shorter.compressed_size -= 1;
    assert!(matches!(read_problem(&[shorter]), EntryProblem::Damaged(_)));
    let mut broken = deflated.clone();
    broken.data[0] = 0xff;
    assert!(matches!(read_problem(&[broken]), EntryProblem::Damaged(_)));
    let crc32 = deflated.crc32 ^ 1;
    for item in [Item { crc32, ..deflated }, Item { crc32, ..stored }] {
        let found = crc32 ^ 1;
        assert_eq!(read_problem(&[item]), EntryProblem::WrongChecksum { declared: crc32, found });
    }
}

#[test]
fn a_lie_is_noticed_with_the_last_byte() {
    let mut item = Item::deflated("a", &text(1000));
    item.crc32 ^= 1;
    let archive = open(&write(&[item])).expect("opens");
    let mut reader = archive.reader(0).expect("reader");
    let mut exactly = vec![0; 1000];
    let error = reader.read_exact(&mut exactly).expect_err("checked");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let again = reader.read(&mut exactly).expect_err("stays failed");
    assert_eq!(again.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_bomb_gives_no_more_than_it_declares() {
    let bomb = Item { size: 10, ..Item::deflated("a", &vec![0; 10 << 20]) };
    let archive = open(&write(&[bomb])).expect("opens");
    let mut given = Vec::new();
    let result = archive.reader(0).expect("reader").read_to_end(&mut given);
    assert!(result.is_err());
    assert!(given.len() <= 10);
}

#[test]
fn entries_that_overlap_or_lie_outside() {
    let two = |offset| {
        let second = Item { offset: Some(offset), ..Item::stored("b", &text(50)) };
        vec![Item::stored("a", &text(50)), second]
    };
    assert_eq!(problem(&two(0)), EntryProblem::Overlap);
    assert_eq!(problem(&two(40)), EntryProblem::Overlap);
    assert_eq!(problem(&two(1 << 30)), EntryProblem::Outside);
    let wide = Item { zip64: true, offset: Some(u64::MAX), ..Item::stored("b", b"x") };
    assert_eq!(problem(&[Item::stored("a", b""), wide]), EntryProblem::Outside);
    // The local header says that its data begins later than the directory can know.
    let mut bytes = write(&[Item::stored("a", &text(50)), Item::stored("b", b"x")]);
    bytes[28] = 10;
    let archive = open(&bytes).expect("opens");
    assert!(matches!(archive.reader(0), Err(ZipError::Entry { problem: EntryProblem::Overlap, .. })));
    bytes[0] = b'X';
    assert!(open(&bytes).is_ok_and(|archive| archive.reader(0).is_err()));
}

#[test]
fn compressed_ranges() {
    let item = Item { local_extra: 7, ..Item::deflated("name", &text(500)) };
    let (data, len) = (item.data.clone(), item.compressed_size);
    let bytes = write(&[Item::stored("a", b"xyz"), item]);
    let range = open(&bytes).expect("opens").compressed_range(1).expect("range");
    assert_eq!((range.len, range.method), (len, Method::Deflate));
    let at = usize::try_from(range.offset).expect("small");
    assert_eq!(&bytes[at..at + data.len()], data);
}

#[test]
fn truncated_anywhere_is_an_error() {
    // A stored archive inside: the end of the inner one must not pass for the end of the outer one.
    let inner = write(&[Item::stored("x", b"inner"), Item::deflated("y", &text(40))]);
    let mut items = sample();
    items[3] = Item::deflated("big.txt", &text(300)).unix(0o100_755);
    items.insert(2, Item::stored("lib/inner.jar", &inner));
    let outer = write(&items);
    assert!(open(&outer).is_ok());
    for length in 0..outer.len() {
        assert!(open(&outer[..length]).is_err(), "{length} of {} bytes", outer.len());
    }
    let first = [vec![Item::stored("lib/inner.jar", &inner)], items[..2].to_vec()].concat();
    let outer = write(&first);
    for length in 0..outer.len() {
        assert!(open(&outer[..length]).is_err(), "{length} of {} bytes", outer.len());
    }
}

#[test]
fn foreign_bytes_after_the_end() {
    let mut bytes = write(&sample());
    bytes.push(0);
    assert!(matches!(open(&bytes), Err(ZipError::Truncated { .. })));
}

#[test]
fn a_wrong_count() {
    let mut bytes = write(&sample());
    let end = bytes.len() - 22;
    bytes[end + 8] = 5;
    bytes[end + 10] = 5;
    assert!(matches!(open(&bytes), Err(ZipError::Directory { .. })));
}

#[test]
fn not_archives() {
    let (directory, path) = on_disk(b"");
    assert!(matches!(ZipArchive::open(&path), Err(ZipError::EmptyFile { .. })));
    assert!(matches!(ZipArchive::open(directory.path()), Err(ZipError::NotAFile { .. })));
    let missing = ZipArchive::open(&directory.path().join("no.zip")).expect_err("missing");
    assert!(matches!(missing, ZipError::Io { .. }));
    assert!(missing.hint().is_some());
    assert!(matches!(open(b"hello"), Err(ZipError::NotZip { .. })));
    assert!(matches!(open(&[0; 100_000]), Err(ZipError::NotZip { .. })));
    assert!(matches!(open(b"PK\x03\x04 and no more"), Err(ZipError::Truncated { .. })));
}

#[test]
fn a_change_is_noticed() {
    let (_directory, path) = on_disk(&write(&sample()));
    let archive = ZipArchive::open(&path).expect("opens");
    let mut reader = archive.reader(3).expect("reader");
    let mut start = [0; 10];
    reader.read_exact(&mut start).expect("reads");
    let file = std::fs::OpenOptions::new().append(true).open(&path).expect("opens");
    io::Write::write_all(&mut &file, b"x").expect("writes");
    let error = reader.read_to_end(&mut Vec::new()).expect_err("changed");
    assert!(error.to_string().contains("was changed"), "{error}");
    assert!(matches!(archive.read(3, 1 << 20), Err(ZipError::Changed { .. })));
    file.set_len(100).expect("truncates");
    // Its header was never read, so that it is read now, and is not there.
    assert!(matches!(archive.reader(2), Err(ZipError::Changed { .. })));
}

#[test]
fn many_readers_at_once() {
    let (_directory, path) = on_disk(&write(&sample()));
    let archive = ZipArchive::open(&path).expect("opens");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(archive.read(3, 1 << 20).expect("reads"), text(200_000));
                }
            });
        }
    });
}

#[test]
fn errors_name_the_entry_and_do_not_upset_the_terminal() {
    let error = open(&write(&[Item::stored("a\x1b[2J/../b", b"x")])).expect_err("refused");
    assert_eq!(error.to_string(), "`a\\u{1b}[2J/../b` in `test.zip` has a `..` in its path");
}

proptest! {
    #[test]
    fn any_content_comes_back(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..8), piece in 1usize..5000) {
        let items: Vec<Item> = contents.iter().enumerate().map(|(at, content)| {
            if at % 2 == 0 { Item::stored(format!("{at}"), content) } else { Item::deflated(format!("{at}"), content) }
        }).collect();
        let archive = open(&write(&items)).expect("opens");
        for (index, content) in contents.iter().enumerate() {
            let mut reader = archive.reader(index).expect("reader");
            let (mut given, mut buffer) = (Vec::new(), vec![0; piece]);
            loop {
                let count = reader.read(&mut buffer).expect("reads");
                if count == 0 { break }
                given.extend_from_slice(&buffer[..count]);
            }
            prop_assert_eq!(&given, content);
        }
    }

    #[test]
    fn damage_never_panics_and_never_gives_wrong_bytes(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut items = sample();
        items[3] = Item::deflated("big.txt", &text(300));
        let mut bytes = write(&items);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(archive) = open(&bytes) {
            for (index, entry) in archive.entries().iter().enumerate() {
                if let Ok(given) = archive.read(index, 1 << 20) {
                    prop_assert_eq!(given.len() as u64, entry.size);
                    prop_assert_eq!(crc32fast::hash(&given), entry.crc32);
                }
            }
        }
    }

    #[test]
    fn noise_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&bytes).is_err());
        bytes.extend(b"PK\x05\x06");
        bytes.extend([0; 18]);
        let _ = open(&bytes);
    }
}
