use super::*;
use std::io::Read;

/// Bytes of a linear congruential generator: the same everywhere and for ever.
pub(super) fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn level(n: u8) -> Level {
    Level::new(n).unwrap()
}

fn encoded(n: u8, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(level(n), input, &mut Scratch::default(), &mut out);
    out
}

fn inflate(bodies: &[u8]) -> Vec<u8> {
    let mut stream = bodies.to_vec();
    stream.extend([3, 0]);
    let mut decoder = flate2::bufread::DeflateDecoder::new(&stream[..]);
    let mut out = Vec::new();
    decoder.read_to_end(&mut out).unwrap();
    assert_eq!(
        decoder.total_in(),
        stream.len() as u64,
        "BFINAL was set early"
    );
    out
}

#[test]
fn smoke() {
    for n in 1..=9 {
        for len in 0..300 {
            let data: Vec<u8> = random_bytes(len as u64, len)
                .iter()
                .map(|b| b & 3)
                .collect();
            assert!(inflate(&encoded(n, &data)) == data);
        }
    }
}
