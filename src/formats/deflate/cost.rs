//! Estimates of what a block costs, in integers: floating point logarithms may differ between machines.

use super::parse::Histogram;
use super::symbols::END;

/// Fraction bits of a logarithm.
const FRACTION: u32 = 8;
const UNIT: u64 = 1 << FRACTION;

/// Logarithms to base two of 1 + i/256.
const LOG2: [u16; 256] = log2_table();

const fn log2_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        // Squaring doubles the logarithm; each time the square passes two, a fraction bit is one.
        let mut x = (256 + i as u64) << 22;
        let mut log = 0u16;
        let mut bit = 0;
        while bit < FRACTION {
            x = (x * x) >> 30;
            log <<= 1;
            if x >> 31 != 0 {
                log |= 1;
                x >>= 1;
            }
            bit += 1;
        }
        table[i] = log;
        i += 1;
    }
    table
}

/// The logarithm of `n` (at least 1) to base two, in units of 1/256.
#[inline(always)]
fn log2(n: u32) -> u64 {
    let top = 31 - n.leading_zeros();
    let mantissa = ((u64::from(n) << FRACTION) >> top) as usize & 255;
    u64::from(top) * UNIT + u64::from(LOG2[mantissa])
}

/// Bits of a dynamic block of these symbols, extra bits left out: their entropy and a guess of the header.
pub(super) fn estimate(histogram: &Histogram) -> u64 {
    let (litlen, lits) = alphabet(&histogram.litlen[..END]);
    let (lengths, lens) = alphabet(&histogram.litlen[END..]);
    let (dist, dists) = alphabet(&histogram.dist);
    let total = lits.1 + lens.1;
    // The two halves of the literal/length alphabet share one code, hence one total.
    let shared = total * log2((total.max(1)) as u32);
    let split = dists.1 * log2((dists.1.max(1)) as u32);
    let entropy = (shared + split).saturating_sub(litlen + lengths + dist) / UNIT;
    entropy + HEADER + HEADER_PER_SYMBOL * (lits.0 + lens.0 + dists.0)
}

/// Bits of a dynamic header that do not depend on the symbols used.
const HEADER: u64 = 80;
/// Bits that a used symbol adds to it.
const HEADER_PER_SYMBOL: u64 = 3;

/// The sum of `c log2 c` over the counts, with the number of used symbols and the sum of the counts.
fn alphabet(counts: &[u32]) -> (u64, (u64, u64)) {
    let (mut sum, mut used, mut total) = (0, 0, 0);
    for &count in counts {
        if count > 0 {
            sum += u64::from(count) * log2(count);
            used += 1;
            total += u64::from(count);
        }
    }
    (sum, (used, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_exact_at_powers_and_close_between() {
        for n in 1..100_000u32 {
            let exact = f64::from(n).log2() * 256.0;
            let ours = log2(n) as f64;
            assert!(ours <= exact + 1e-6 && ours > exact - 3.0, "{n}: {ours} for {exact}");
        }
        assert_eq!(log2(1 << 20), 20 * 256);
    }

    #[test]
    fn a_uniform_block_costs_its_bits() {
        let mut histogram = Histogram::default();
        histogram.litlen[..256].fill(64);
        assert_eq!(estimate(&histogram), 256 * 64 * 8 + HEADER + HEADER_PER_SYMBOL * 256);
    }
}
