use super::*;
use std::io::{self, Read as _};

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_key_is_one_hash_of_all_its_parts_however_many() {
    let bytes: Vec<u8> = (0..=255).cycle().take(90_000).collect();
    for lengths in [&[1_usize, 2, 3][..], &[40_000, 1, 40_000, 0], &[8 << 10], &[(8 << 10) - 40; 3]] {
        let mut key = KeyBuilder::new("domain");
        let mut whole = [&6_u64.to_le_bytes()[..], b"domain"].concat();
        for length in lengths {
            key.add(&bytes[..*length]);
            whole.extend_from_slice(&(*length as u64).to_le_bytes());
            whole.extend_from_slice(&bytes[..*length]);
        }
        assert_eq!(key.finish(), Key(*blake3::hash(&whole).as_bytes()), "{lengths:?}");
    }
}

#[test]
fn prints_what_it_parses() {
    assert_eq!(Digest::of(b"").to_string(), EMPTY);
    assert_eq!(EMPTY.parse::<Digest>(), Ok(Digest::of(b"")));
}

#[test]
fn refuses_everything_else() {
    let upper = EMPTY.to_uppercase();
    let long = format!("{EMPTY}0");
    let cases = ["", "sha256:", "sha256:..", "../etc/passwd", &upper, &long, &EMPTY[..70], "sha256:é"];
    for text in cases {
        assert!(text.parse::<Digest>().is_err(), "{text}");
    }
    assert_eq!(
        format!("sha512:{}", "0".repeat(128)).parse::<Digest>(),
        Err(DigestError::Algorithm("sha512".into()))
    );
}

#[test]
fn verifying_reader_passes_only_the_announced_bytes() {
    let read = |bytes: &[u8], digest, size| {
        let mut out = Vec::new();
        VerifyingReader::new(bytes, digest, size).read_to_end(&mut out).map(|_| out)
    };
    let digest = Digest::of(b"abc");
    assert_eq!(read(b"abc", digest, 3).expect("same bytes"), b"abc");
    for (bytes, size) in [(&b"abd"[..], 3), (b"ab", 3), (b"abcd", 3), (b"abc", 4)] {
        let error = read(bytes, digest, size).expect_err("different bytes");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn key_parts_do_not_run_together() {
    let joined = KeyBuilder::new("d").part(b"ab").part(b"").finish();
    let split = KeyBuilder::new("d").part(b"a").part(b"b").finish();
    assert_ne!(joined, split);
}
