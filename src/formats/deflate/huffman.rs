//! Huffman codes of limited length.
//!
//! The lengths are optimal for the frequencies: the plain Huffman code when it respects the limit, else the
//! package-merge code (Larmore & Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", J. ACM 37(3),
//! 1990). The Kraft sum is always exactly one, also for no or one used symbol, since some decoders refuse an
//! incomplete code. Ties are broken by symbol number, so that lengths are a function of the frequencies alone.

/// More symbols than any alphabet of DEFLATE has.
const MAX_SYMBOLS: usize = 288;

/// A code of up to `N` symbols.
#[derive(Clone)]
pub(super) struct Code<const N: usize> {
    /// Code lengths in bits; zero for symbols that do not occur.
    pub(super) lengths: [u8; N],
    /// Codewords, bit-reversed as the stream wants them.
    pub(super) words: [u16; N],
}

impl<const N: usize> Code<N> {
    /// The optimal code for `freqs` with no length above `limit` (at most 15).
    pub(super) fn build(freqs: &[u32; N], limit: u8) -> Self {
        let lengths = lengths(freqs, limit);
        let words = canonical(&lengths);
        Self { lengths, words }
    }

    /// The canonical code of given lengths.
    pub(super) fn from_lengths(lengths: [u8; N]) -> Self {
        let words = canonical(&lengths);
        Self { lengths, words }
    }
}

/// A used symbol: the frequency above the symbol number, so that sorting needs no comparator.
type Leaf = u64;

fn lengths<const N: usize>(freqs: &[u32; N], limit: u8) -> [u8; N] {
    let mut buffer = [0 as Leaf; MAX_SYMBOLS];
    let mut used = 0;
    for (symbol, &freq) in freqs.iter().enumerate() {
        if freq > 0 {
            buffer[used] = (u64::from(freq) << 16) | symbol as u64;
            used += 1;
        }
    }
    let leaves = &mut buffer[..used];
    if used < 2 {
        return degenerate(leaves);
    }
    leaves.sort_unstable();
    let mut depths = [0u8; MAX_SYMBOLS];
    let depths = &mut depths[..used];
    if !huffman(leaves, depths, limit) {
        package_merge(leaves, depths, limit);
    }
    let mut lengths = [0; N];
    for (leaf, &depth) in leaves.iter().zip(depths.iter()) {
        lengths[symbol(*leaf)] = depth;
    }
    lengths
}

/// Two one-bit codes, whatever is used.
fn degenerate<const N: usize>(leaves: &[Leaf]) -> [u8; N] {
    let first = leaves.first().map_or(0, |&leaf| symbol(leaf));
    let second = usize::from(first == 0);
    let mut lengths = [0; N];
    lengths[first] = 1;
    lengths[second] = 1;
    lengths
}

fn symbol(leaf: Leaf) -> usize {
    (leaf & 0xffff) as usize
}

fn weight(leaf: Leaf) -> u64 {
    leaf >> 16
}

/// Depths of the plain Huffman tree of ascending `leaves`, or false when one exceeds `limit`.
fn huffman(leaves: &[Leaf], depths: &mut [u8], limit: u8) -> bool {
    let n = leaves.len();
    // Inner nodes come into being in ascending weight, so two queues replace a heap (van Leeuwen 1976).
    let mut weights = [0u64; MAX_SYMBOLS];
    let mut leaf_parent = [0u16; MAX_SYMBOLS];
    let mut node_parent = [0u16; MAX_SYMBOLS];
    let (mut leaf, mut node) = (0, 0);
    for made in 0..n - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            // On a tie the leaf goes first: of all optimal trees that gives the shallowest.
            if leaf < n && (node == made || weight(leaves[leaf]) <= weights[node]) {
                sum += weight(leaves[leaf]);
                leaf_parent[leaf] = made as u16;
                leaf += 1;
            } else {
                sum += weights[node];
                node_parent[node] = made as u16;
                node += 1;
            }
        }
        weights[made] = sum;
    }
    let mut node_depth = [0u16; MAX_SYMBOLS];
    for node in (0..n - 2).rev() {
        node_depth[node] = node_depth[usize::from(node_parent[node])] + 1;
    }
    for (depth, parent) in depths.iter_mut().zip(&leaf_parent) {
        let deep = node_depth[usize::from(*parent)] + 1;
        if deep > u16::from(limit) {
            return false;
        }
        *depth = deep as u8;
    }
    true
}

/// Optimal depths of ascending `leaves` under `limit`.
fn package_merge(leaves: &[Leaf], depths: &mut [u8], limit: u8) {
    let n = leaves.len();
    // Row r lists, in ascending weight, the leaves mixed with packages (pairs) of row r - 1. Only whether an item is a
    // leaf must be remembered: leaves enter in order, so a count of them names them.
    let mut is_leaf = [[false; 2 * MAX_SYMBOLS]; 16];
    let mut row: Vec<u64> = Vec::new();
    for kinds in is_leaf.iter_mut().take(usize::from(limit)) {
        row = merge_row(leaves, &row, kinds);
    }
    let mut take = 2 * n - 2;
    for kinds in is_leaf[..usize::from(limit)].iter().rev() {
        let picked = kinds[..take].iter().filter(|&&leaf| leaf).count();
        for depth in &mut depths[..picked] {
            *depth += 1;
        }
        take = 2 * (take - picked);
    }
}

/// One row of package-merge, its item kinds put in `kinds`.
fn merge_row(leaves: &[Leaf], below: &[u64], kinds: &mut [bool]) -> Vec<u64> {
    let mut packages = below.chunks_exact(2).map(|pair| pair[0] + pair[1]).peekable();
    let mut leaves = leaves.iter().map(|&leaf| weight(leaf)).peekable();
    let mut row = Vec::with_capacity(2 * MAX_SYMBOLS);
    loop {
        let leaf_next = match (leaves.peek(), packages.peek()) {
            (Some(leaf), Some(package)) => leaf <= package,
            (leaf, _) => leaf.is_some(),
        };
        let next = if leaf_next { leaves.next() } else { packages.next() };
        let Some(weight) = next else { return row };
        kinds[row.len()] = leaf_next;
        row.push(weight);
    }
}

/// Codewords of RFC 1951, section 3.2.2, bit-reversed.
fn canonical<const N: usize>(lengths: &[u8; N]) -> [u16; N] {
    let mut counts = [0u16; 16];
    for &length in lengths {
        counts[usize::from(length & 15)] += 1;
    }
    counts[0] = 0;
    let mut next = [0u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    let mut words = [0; N];
    for (word, &length) in words.iter_mut().zip(lengths) {
        if length > 0 {
            let slot = &mut next[usize::from(length & 15)];
            *word = slot.reverse_bits() >> (16 - length);
            *slot = slot.wrapping_add(1);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The Kraft sum in units of 2^-15.
    fn kraft(lengths: &[u8]) -> u32 {
        lengths.iter().filter(|&&length| length > 0).map(|&length| 1 << (15 - length)).sum()
    }

    fn cost(freqs: &[u32], lengths: &[u8]) -> u64 {
        freqs.iter().zip(lengths).map(|(&freq, &length)| u64::from(freq) * u64::from(length)).sum()
    }

    fn package_merged<const N: usize>(freqs: &[u32; N], limit: u8) -> [u8; N] {
        let mut leaves: Vec<Leaf> = (0u64..).zip(freqs).map(|(s, &f)| (u64::from(f) << 16) | s).collect();
        leaves.sort_unstable();
        let mut depths = [0; N];
        package_merge(&leaves, &mut depths, limit);
        let mut lengths = [0; N];
        for (leaf, depth) in leaves.iter().zip(depths) {
            lengths[symbol(*leaf)] = depth;
        }
        lengths
    }

    #[test]
    fn textbook_code() {
        let code = Code::build(&[5, 9, 12, 13, 16, 45], 15);
        assert_eq!(code.lengths, [4, 4, 3, 3, 3, 1]);
        assert_eq!(code.words[5], 0);
    }

    #[test]
    fn no_or_one_symbol_still_makes_a_complete_code() {
        assert_eq!(lengths(&[0, 0, 0], 7), [1, 1, 0]);
        assert_eq!(lengths(&[9, 0, 0], 7), [1, 1, 0]);
        assert_eq!(lengths(&[0, 0, 9], 7), [1, 0, 1]);
    }

    #[test]
    fn fibonacci_frequencies_stay_in_the_limit() {
        let mut freqs = [1u32; 40];
        for i in 2..40 {
            freqs[i] = freqs[i - 1] + freqs[i - 2];
        }
        for limit in [6, 7, 14, 15] {
            let lengths = lengths(&freqs, limit);
            assert!(lengths.iter().all(|&length| (1..=limit).contains(&length)));
            assert_eq!(kraft(&lengths), 1 << 15);
        }
    }

    proptest! {
        #[test]
        fn complete_limited_and_ordered(
            freqs in proptest::array::uniform32(prop_oneof![Just(0u32), 1..10u32, 1..1_000_000u32]), limit in 5u8..=15
        ) {
            let lengths = lengths(&freqs, limit);
            prop_assert_eq!(kraft(&lengths), 1 << 15);
            prop_assert!(lengths.iter().all(|&length| length <= limit));
            for (a, b) in freqs.iter().zip(lengths).flat_map(|a| freqs.iter().zip(lengths).map(move |b| (a, b))) {
                prop_assert!(a.0 <= b.0 || *b.0 == 0 || a.1 <= b.1, "rarer yet shorter");
            }
        }

        #[test]
        fn package_merge_equals_huffman_where_the_limit_is_slack(freqs in proptest::array::uniform16(1..5000u32)) {
            let plain = lengths(&freqs, 15);
            prop_assert_eq!(cost(&freqs, &plain), cost(&freqs, &package_merged(&freqs, 15)));
        }
    }
}
