//! Properties of whole bodies: they decode to their input, keep the promises of the module, and never change.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::io::Read;

/// Numbers of a linear congruential generator: the same everywhere and for ever.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

pub(super) fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut lcg = Lcg(seed);
    (0..len).map(|_| (lcg.below(1 << 24) >> 16) as u8).collect()
}

/// Words of a made-up language, common ones more often.
fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut lcg = Lcg(seed);
    let word =
        |lcg: &mut Lcg| -> Vec<u8> { (0..2 + lcg.below(8)).map(|_| b'a' + lcg.below(26) as u8).collect() };
    let words: Vec<Vec<u8>> = (0..2000).map(|_| word(&mut lcg)).collect();
    let mut out = Vec::new();
    while out.len() < len {
        let limit = 1 + lcg.below(words.len());
        out.extend(&words[lcg.below(limit)]);
        out.push(if lcg.below(12) == 0 { b'\n' } else { b' ' });
    }
    out.truncate(len);
    out
}

/// Records of counters, small numbers and zeros.
fn records(seed: u64, len: usize) -> Vec<u8> {
    let mut lcg = Lcg(seed);
    let mut out = Vec::new();
    for number in 0u32.. {
        out.extend(number.to_le_bytes());
        out.extend([lcg.below(4) as u8, 0, 0, lcg.below(100) as u8, 0xff, 0, 0, 0]);
        if out.len() >= len {
            break;
        }
    }
    out.truncate(len);
    out
}

/// Text, noise, zeros, records, and a repeat of the noise.
fn mixed() -> Vec<u8> {
    let noise = random_bytes(1, 60_000);
    [&text(2, 90_000)[..], &noise, &[0; 70_000], &records(3, 50_000), &noise[..20_000], &noise[..20_000]]
        .concat()
}

fn level(n: u8) -> DeflateLevel {
    DeflateLevel::new(n).unwrap()
}

fn encoded(n: u8, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(level(n), input, &mut DeflateScratch::default(), &mut out);
    out
}

fn inflate(bodies: &[u8]) -> Vec<u8> {
    let stream = [bodies, &[3, 0]].concat();
    let mut decoder = flate2::bufread::DeflateDecoder::new(&stream[..]);
    let mut out = Vec::new();
    decoder.read_to_end(&mut out).unwrap();
    // Stopping before the last block would mean that an earlier one was marked final.
    assert_eq!(decoder.total_in(), stream.len() as u64);
    out
}

/// Encodes and checks everything that any body must fulfil.
fn check(n: u8, input: &[u8], scratch: &mut DeflateScratch) {
    let mut out = b"before".to_vec();
    encode(level(n), input, scratch, &mut out);
    let body = out.strip_prefix(b"before").unwrap();
    assert!(inflate(body) == input, "level {n} does not round trip");
    assert!(body.ends_with(&[0, 0, 0xff, 0xff]), "level {n} does not end with an empty stored block");
    assert!(body.len() <= max_encoded_len(input.len()), "level {n}: {} from {}", body.len(), input.len());
    assert!(body == encoded(n, input), "level {n}: used scratch memory changes the output");
}

fn check_all(input: &[u8]) {
    let mut scratch = DeflateScratch::default();
    for n in 1..=9 {
        check(n, input, &mut scratch);
    }
}

#[test]
fn levels_are_one_to_nine() {
    assert_eq!((DeflateLevel::new(0), DeflateLevel::new(10)), (None, None));
    assert_eq!(DeflateLevel::new(9).map(DeflateLevel::get), Some(9));
    assert_eq!(DeflateLevel::new(DeflateLevel::default().get()), Some(DeflateLevel::default()));
}

#[test]
fn nothing_is_an_empty_stored_block() {
    assert_eq!(encoded(5, b""), [0, 0, 0, 0xff, 0xff]);
}

#[test]
fn short_inputs_of_every_length() {
    let sources = [random_bytes(5, 300), text(5, 300), vec![b'x'; 300], b"ab".repeat(150)];
    let mut scratch = DeflateScratch::default();
    for source in &sources {
        for len in 0..=300 {
            for n in [1, 3, 5, 9] {
                check(n, &source[..len], &mut scratch);
            }
        }
    }
}

#[test]
fn inputs_of_every_kind() {
    check_all(&text(1, 300_000));
    check_all(&records(1, 300_000));
    check_all(&mixed());
    check_all(&vec![0; 1 << 20]);
    check_all(&b"xy".repeat(100_000));
}

#[test]
fn a_repeat_at_the_edge_of_the_window() {
    for gap in 32_700..32_800 {
        let data = [text(9, 40), vec![0; gap - 40], text(9, 40)].concat();
        for n in [1, 5] {
            assert!(inflate(&encoded(n, &data)) == data, "gap {gap}");
        }
    }
}

#[test]
fn noise_is_stored_in_the_largest_blocks() {
    for len in [1, 65_534, 65_535, 65_536, 131_070, 131_071, 1_300_000] {
        let noise = random_bytes(11, len);
        check_all(&noise);
        assert_eq!(encoded(5, &noise).len(), max_encoded_len(len), "{len} bytes of noise");
    }
}

/// Many short stretches of noise and of barely compressible bytes must not add up to more than noise does.
#[test]
fn alternation_does_not_expand() {
    let mut data = Vec::new();
    for seed in 0..60 {
        data.extend(random_bytes(seed, 3000));
        data.extend(random_bytes(seed, 5000).iter().map(|byte| byte % 250));
        data.extend([seed as u8; 9]);
    }
    check_all(&data);
}

/// Frequencies for which unlimited codes would be far too long.
#[test]
fn fibonacci_frequencies() {
    let (mut a, mut b) = (1usize, 1);
    let mut symbols = Vec::new();
    for byte in 0..24u8 {
        symbols.extend(std::iter::repeat_n(byte.wrapping_mul(37), a));
        (a, b) = (b, a + b);
    }
    let mut lcg = Lcg(4);
    for last in (1..symbols.len()).rev() {
        symbols.swap(last, lcg.below(last + 1));
    }
    check_all(&symbols);
}

#[test]
fn bodies_join_in_any_order() {
    let parts = [text(1, 5000), Vec::new(), random_bytes(2, 70_000), records(3, 20_000), vec![7; 3]];
    let bodies: Vec<Vec<u8>> = (1..).zip(&parts).map(|(n, part)| encoded(n, part)).collect();
    assert!(inflate(&bodies.concat()) == parts.concat());
    let turned: Vec<&[u8]> = bodies.iter().rev().map(Vec::as_slice).collect();
    let expected: Vec<&[u8]> = parts.iter().rev().map(Vec::as_slice).collect();
    assert!(inflate(&turned.concat()) == expected.concat());
}

#[test]
fn running_out_of_position_numbers_changes_nothing() {
    let data = text(8, 100_000);
    for n in 1..=9 {
        let mut scratch = DeflateScratch::default();
        check(n, &data, &mut scratch);
        for left in [0, 40_000, 132_768, 132_769, 132_770, 200_000] {
            scratch.tables.exhaust(left);
            check(n, &data, &mut scratch);
        }
    }
}

#[test]
fn higher_levels_do_not_give_larger_bodies() {
    for data in [text(6, 200_000), records(6, 200_000), mixed()] {
        let sizes: Vec<usize> = (1..=9).map(|n| encoded(n, &data).len()).collect();
        // Greed may win by luck on some inputs, but not by much.
        assert!(sizes.windows(2).all(|pair| pair[1] <= pair[0] + pair[0] / 20), "{sizes:?}");
        assert!(sizes[8] < sizes[0], "{sizes:?}");
    }
}

#[test]
fn scratch_memory_is_as_documented() {
    let fixed = Tables::SIZE + Window::SIZE + SampleTable::SIZE;
    assert_eq!(fixed, 491_528, "update the documentation of `Scratch`");
}

/// The first eight bytes of the BLAKE3 hash of each output, by level. A change here is a new `ENCODER_ID`.
#[rustfmt::skip]
const GOLDEN: [(&str, [&str; 9]); 4] = [
    ("text", [
        "2627560f0f2cd950", "298e983558a5acc7", "9cbd85d3399ef7b9", "5e057bfc2d0af97f", "993aaf4f95aa6a33",
        "7acc19951db1bced", "958377f62d9642c4", "68c310dc30bae4b7", "68c310dc30bae4b7",
    ]),
    ("records", [
        "3b947eaaee029b48", "52a27d6ba74a27cd", "b257d1fe9e787266", "cba7c93438e3e1cf", "8cd69ba784f11b21",
        "c2a5abf432f8212e", "92dc0d6553d04337", "12b4c1d6388e0710", "e81644b87cc41708",
    ]),
    ("noise", [
        "c2f6d46058fdba30", "c2f6d46058fdba30", "c2f6d46058fdba30", "c2f6d46058fdba30", "c2f6d46058fdba30",
        "c2f6d46058fdba30", "c2f6d46058fdba30", "c2f6d46058fdba30", "c2f6d46058fdba30",
    ]),
    ("mixed", [
        "2cc76eb208999f2e", "659fe2a211feca7e", "be91baf568718349", "51b9df9d77347a0e", "754bd277b37515bb",
        "36cab9bde0934d56", "b71d30c91bc0c0fb", "85ab50ea852dc172", "2001dda1e2ca4a68",
    ]),
];

#[test]
fn outputs_never_change() {
    let inputs = [text(42, 250_000), records(42, 150_000), random_bytes(42, 100_000), mixed()];
    for ((name, hashes), input) in GOLDEN.iter().zip(&inputs) {
        let found: Vec<String> =
            (1..=9).map(|n| blake3::hash(&encoded(n, input)).to_hex()[..16].to_owned()).collect();
        assert_eq!(found, hashes, "{name}");
    }
}

/// The generators above are part of the golden hashes: if this fails, they moved, not the encoder.
#[test]
fn golden_inputs_never_change() {
    let inputs = [text(42, 250_000), records(42, 150_000), random_bytes(42, 100_000), mixed()].concat();
    assert_eq!(&blake3::hash(&inputs).to_hex()[..16], "e0c8fd8abdac92c5");
}

/// Bytes with structure: a few pieces, each noise, a run, few symbols, or a copy of what came before.
fn structured() -> impl Strategy<Value = Vec<u8>> {
    let piece = (0..4u8, any::<u64>(), 0..3000usize, 1..40_000usize);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| {
        let mut data: Vec<u8> = Vec::new();
        for (kind, seed, len, back) in pieces {
            match kind {
                0 => data.extend(random_bytes(seed, len)),
                1 => data.extend(vec![seed as u8; len]),
                2 => data.extend(random_bytes(seed, len).iter().map(|byte| byte & 3)),
                _ => {
                    let start = data.len().saturating_sub(back);
                    data.extend_from_within(start..data.len().min(start + len));
                }
            }
        }
        data
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn structured_bytes(data in structured(), n in 1..=9u8) {
        check(n, &data, &mut DeflateScratch::default());
    }

    #[test]
    fn arbitrary_bytes(data in prop::collection::vec(any::<u8>(), 0..2000), n in 1..=9u8) {
        check(n, &data, &mut DeflateScratch::default());
    }

    #[test]
    fn few_symbols(data in prop::collection::vec(0..3u8, 0..5000), n in 1..=9u8) {
        check(n, &data, &mut DeflateScratch::default());
    }

    /// Bodies of several levels through one scratch: each as from a fresh one.
    #[test]
    fn reuse(bodies in prop::collection::vec((structured(), 1..=9u8), 1..6)) {
        let mut scratch = DeflateScratch::default();
        for (data, n) in &bodies {
            check(*n, data, &mut scratch);
        }
    }
}
