//! Changes of seeds, always the same ones: for want of a fuzzer, and for what a fuzzer does not reach.

/// Numbers of a linear congruential generator: the same everywhere and for ever.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// Pieces that parsers have opinions on.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"/",
    b"..",
    b"//",
    b":",
    b"@",
    b"=",
    b",",
    b"\n",
    b"\0",
    b"\xff",
    b"-",
    b"+",
    b"{}",
    b"[]",
    b"null",
    b"1e400",
    b"18446744073709551616",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc3\xa4",
    b"**",
    b"99999999999",
];

fn change(lcg: &mut Lcg, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[lcg.below(seeds.len())].clone();
    for _ in 0..=lcg.below(4) {
        let at = lcg.below(bytes.len() + 1);
        let end = (at + lcg.below(32)).min(bytes.len());
        match lcg.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << lcg.below(8),
            1 if at < bytes.len() => bytes[at] = lcg.below(256) as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = lcg.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            5 => {
                let other = &seeds[lcg.below(seeds.len())];
                let from = lcg.below(other.len() + 1);
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let piece = PIECES[lcg.below(PIECES.len())];
                let over = if lcg.below(2) == 0 { at } else { (at + piece.len()).min(bytes.len()) };
                bytes.splice(at..over, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Changed seeds without end. There must be a seed.
pub fn changes(seeds: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let mut lcg = Lcg(1);
    std::iter::repeat_with(move || change(&mut lcg, seeds))
}
