//! Lines and columns of places in a text.

/// The line, and the column in characters, of each of `offsets`; all from 1. Reads the text once.
pub(super) fn positions(text: &str, offsets: &[usize]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..offsets.len()).collect();
    order.sort_by_key(|at| offsets[*at]);
    let bytes = text.as_bytes();
    let mut found = vec![(1, 1); offsets.len()];
    // The place before, with its line and column.
    let (mut at, mut line, mut column) = (0, 1, 1);
    for number in order {
        let offset = text.floor_char_boundary(offsets[number]).max(at);
        let mut start = at;
        for newline in memchr::memchr_iter(b'\n', &bytes[at..offset]) {
            (line, column, start) = (line + 1, 1, at + newline + 1);
        }
        column += text[start..offset].chars().count();
        at = offset;
        found[number] = (line, column);
    }
    found
}

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
