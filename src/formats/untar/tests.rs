use proptest::prelude::*;

use super::*;
use std::io;

use tar::EntryType;

fn entries(bytes: &[u8], limits: Limits) -> Result<Vec<TarEntry>, UntarError> {
    let mut walk = TarWalk::new(ReadThrough(bytes), limits);
    let mut found = Vec::new();
    while let Some(entry) = walk.next()? {
        found.push(entry);
    }
    Ok(found)
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).expect("appended");
    }
    builder.into_inner().expect("finished")
}

#[test]
fn finds_what_the_tar_crate_wrote() {
    let long = "d/".repeat(200) + "file";
    let bytes = tar_of(&[("a", b"one"), (&long, &[7; 1000]), ("empty", b"")]);
    for found in [entries(&bytes, ARCHIVE).expect("read"), {
        let mut walk = TarWalk::new(SeekInput(io::Cursor::new(&bytes)), ARCHIVE);
        std::iter::from_fn(|| walk.next().expect("read")).collect()
    }] {
        let names: Vec<_> = found.iter().map(|entry| String::from_utf8_lossy(&entry.path)).collect();
        assert_eq!(names, ["a", long.as_str(), "empty"]);
        let start = usize::try_from(found[1].offset).expect("small");
        assert_eq!(bytes[start..start + 1000], [7; 1000]);
    }
}

#[test]
fn understands_pax() {
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions([("path", "ä".as_bytes()), ("mtime", b"1.5"), ("linkpath", b"x")])
        .expect("appended");
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_entry_type(EntryType::Symlink);
    header.set_cksum();
    builder.append(&header, io::empty()).expect("appended");
    let found = entries(&builder.into_inner().expect("finished"), ARCHIVE).expect("read");
    assert_eq!((found[0].path.as_slice(), found[0].link.as_slice()), ("ä".as_bytes(), &b"x"[..]));
    assert_eq!(found[0].records, [(b"mtime".to_vec(), b"1.5".to_vec())].into());
    assert_eq!(found[0].mtime, 1);
}

#[test]
fn a_payload_is_read_or_passed_over() {
    let bytes = tar_of(&[("a", b"one"), ("b", &[7; 40_000]), ("c", b"three")]);
    for read in [[true, true, true], [false, true, false], [true, false, true]] {
        let mut walk = TarWalk::new(ReadThrough(&bytes[..]), ARCHIVE);
        let mut found = Vec::new();
        for read in read {
            walk.next().expect("read").expect("an entry");
            let mut payload = Vec::new();
            if read {
                walk.payload(|piece| payload.extend_from_slice(piece)).expect("read");
            }
            found.push(payload);
        }
        assert!(walk.next().expect("read").is_none());
        let all = [b"one".to_vec(), vec![7; 40_000], b"three".to_vec()];
        for ((found, all), read) in found.iter().zip(&all).zip(read) {
            assert!(if read { found == all } else { found.is_empty() });
        }
    }
}

#[test]
fn limits_are_errors() {
    let small = Limits { entries: 1, path: 10, extension: 100, sparse: false };
    assert!(entries(&tar_of(&[("a", b"")]), small).is_ok());
    for files in [&[("a", &b""[..]), ("b", b"")][..], &[("much-too-long", b"")], &[(&"x".repeat(200), b"")]] {
        assert!(matches!(entries(&tar_of(files), small), Err(UntarError::Limit { .. })), "{files:?}");
    }
}

#[test]
fn damage_is_an_error() {
    let bytes = tar_of(&[("a", b"one")]);
    let mut flipped = bytes.clone();
    flipped[3] ^= 1;
    assert!(matches!(entries(&flipped, ARCHIVE), Err(UntarError::Header { at: 0, .. })));
    assert!(entries(&bytes[..100], ARCHIVE).is_err());
    assert!(entries(&bytes[..514], ARCHIVE).is_err());
    assert!(entries(&bytes[..515], ARCHIVE).is_ok(), "only padding is missing");
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 512..2048), kind in "[0-9xLKgS]") {
        bytes[156] = kind.as_bytes()[0];
        let sum: u32 = bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..512]).map(|byte| u32::from(*byte)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let _ = entries(&bytes, ARCHIVE);
    }
}
