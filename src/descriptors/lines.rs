//! Lines and columns of places in a text.

/// The line, and the column in characters, of each of `offsets`; all from 1. Reads the text once.
pub(super) fn positions(text: &str, offsets: &[usize]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..offsets.len()).collect();
    order.sort_by_key(|at| offsets[*at]);
    let bytes = text.as_bytes();
    let mut found = vec![(1, 1); offsets.len()];
    let (mut at, mut line, mut start) = (0, 1, 0);
    for number in order {
        let offset = text.floor_char_boundary(offsets[number]);
        for newline in memchr::memchr_iter(b'\n', &bytes[at.min(offset)..offset]) {
            line += 1;
            start = at + newline + 1;
        }
        at = at.max(offset);
        // A line may be as long as the text: its columns are counted as far as a person would look.
        let line_start = start.max(text.floor_char_boundary(offset.saturating_sub(MAX_COLUMNS)));
        found[number] = (line, text[line_start.min(offset)..offset].chars().count() + 1);
    }
    found
}

/// The bytes before a place that its column is counted from, at most.
const MAX_COLUMNS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::positions;

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "a\r\né: b\n\nc";
        let at = |part: &str| text.find(part).expect(part);
        let offsets = [at("c"), at("a"), at("b"), text.len()];
        assert_eq!(positions(text, &offsets), [(4, 1), (1, 1), (2, 4), (4, 2)]);
    }
}
