//! The alphabets of RFC 1951, section 3.2.5: which symbol and which extra bits stand for a length or a distance.

/// Literals, the end of block symbol and 29 length symbols.
pub(super) const LITLEN: usize = 286;
/// Distance symbols.
pub(super) const DIST: usize = 30;
/// The symbol that ends a block.
pub(super) const END: usize = 256;
/// The first length symbol.
pub(super) const FIRST_LENGTH: usize = 257;
pub(super) const MIN_MATCH: usize = 3;
pub(super) const MAX_MATCH: usize = 258;
/// How far back a match may reach.
pub(super) const WINDOW: usize = 32768;

/// Extra bits of each length symbol.
pub(super) const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// The length symbol (less 257) of each length, which is given less three.
pub(super) const LENGTH_SLOT: [u8; 256] = length_slots();

/// The smallest length, less three, of each length symbol.
pub(super) const LENGTH_BASE: [u8; 29] = length_bases();

const fn length_bases() -> [u8; 29] {
    let mut bases = [0; 29];
    let mut slot = 1;
    while slot < 28 {
        bases[slot] = bases[slot - 1] + (1 << LENGTH_EXTRA[slot - 1]);
        slot += 1;
    }
    // 258 has a symbol of its own, so that the longest match costs no extra bits.
    bases[28] = 255;
    bases
}

const fn length_slots() -> [u8; 256] {
    let mut slots = [0; 256];
    let mut slot = 0;
    while slot < 29 {
        let mut length = LENGTH_BASE[slot] as usize;
        while length < 256 {
            slots[length] = slot as u8;
            length += 1;
        }
        slot += 1;
    }
    slots
}

/// The distance symbol of `distance` (1..=32768).
#[inline(always)]
pub(super) fn distance_slot(distance: u32) -> u8 {
    // Two symbols per power of two: the position of the top bit, and the bit below it. Setting the lowest two
    // bits' worth aside keeps the shift valid for distances 1 and 2.
    let below = distance - 1;
    if below < 2 {
        return below as u8;
    }
    let top = 31 - below.leading_zeros();
    (2 * top + ((below >> (top - 1)) & 1)) as u8
}

/// Extra bits of a distance symbol.
#[inline(always)]
pub(super) const fn distance_extra(slot: usize) -> u32 {
    (slot as u32 >> 1).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_map_as_in_the_rfc() {
        let of = |length: usize| FIRST_LENGTH + usize::from(LENGTH_SLOT[length - MIN_MATCH]);
        for (length, symbol) in [(3, 257), (10, 264), (11, 265), (12, 265), (13, 266), (130, 280), (131, 281)]
        {
            assert_eq!(of(length), symbol, "length {length}");
        }
        assert_eq!((of(257), of(258)), (284, 285));
    }

    #[test]
    fn distances_map_as_in_the_rfc() {
        for (distance, slot) in [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 3),
            (5, 4),
            (6, 4),
            (7, 5),
            (9, 6),
            (16384, 27),
            (24577, 29),
            (32768, 29),
        ] {
            assert_eq!(distance_slot(distance), slot, "distance {distance}");
        }
        assert_eq!((distance_extra(1), distance_extra(4), distance_extra(29)), (0, 1, 13));
    }
}
