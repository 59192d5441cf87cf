//! Small databases of one table.

/// The bytes of a page.
const PAGE: usize = 512;

/// A database whose table has these rows: a number that is the row's own, and a blob. Each row lies on pages of its own.
#[must_use]
pub fn database(table: &str, blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut pages = vec![vec![0; PAGE], vec![0; PAGE]];
    let sql = format!("CREATE TABLE {table}(n INTEGER PRIMARY KEY, blob BLOB)");
    let texts = ["table", table, table].map(str::as_bytes);
    let mut kinds: Vec<u8> = texts.iter().map(|text| text_kind(text)).collect();
    kinds.extend([1, text_kind(sql.as_bytes())]);
    let body = [&texts.concat()[..], &[2], sql.as_bytes()].concat();
    leaf(&mut pages, 0, 100, &record(&kinds, &body));
    let children: Vec<u32> = blobs
        .iter()
        .map(|blob| {
            pages.push(vec![0; PAGE]);
            let page = pages.len() - 1;
            let kind = varint(blob.len() as u64 * 2 + 12);
            leaf(&mut pages, page, 0, &record(&[&[0], &kind[..]].concat(), blob));
            u32::try_from(page + 1).unwrap_or_default()
        })
        .collect();
    interior(&mut pages[1], &children);
    let count = u32::try_from(pages.len()).unwrap_or_default();
    let mut bytes = pages.concat();
    bytes[..16].copy_from_slice(b"SQLite format 3\0");
    bytes[16..18].copy_from_slice(&512_u16.to_be_bytes());
    bytes[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]);
    bytes[28..32].copy_from_slice(&count.to_be_bytes());
    bytes[44..48].copy_from_slice(&4_u32.to_be_bytes());
    bytes[56..60].copy_from_slice(&1_u32.to_be_bytes());
    bytes
}

fn text_kind(text: &[u8]) -> u8 {
    u8::try_from(text.len() * 2 + 13).unwrap_or_default()
}

fn record(kinds: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(kinds.len() + 1).unwrap_or_default();
    [&[length], kinds, body].concat()
}

/// Puts one row on a page that is a leaf, and the rest of it on pages behind all others.
fn leaf(pages: &mut Vec<Vec<u8>>, page: usize, start: usize, row: &[u8]) {
    let (most, least) = (PAGE - 35, (PAGE - 12) * 32 / 255 - 23);
    let local = match row.len() {
        size if size <= most => size,
        size => match least + (size - least) % (PAGE - 4) {
            local if local <= most => local,
            _ => least,
        },
    };
    let mut cell = varint(row.len() as u64);
    cell.push(1);
    cell.extend_from_slice(&row[..local]);
    let rest = &row[local..];
    if !rest.is_empty() {
        cell.extend_from_slice(&u32::try_from(pages.len() + 1).unwrap_or_default().to_be_bytes());
    }
    let at = PAGE - cell.len();
    pages[page][start] = 0x0d;
    pages[page][start + 3..start + 5].copy_from_slice(&1_u16.to_be_bytes());
    pages[page][start + 8..start + 10].copy_from_slice(&u16::try_from(at).unwrap_or_default().to_be_bytes());
    pages[page][at..].copy_from_slice(&cell);
    let mut parts = rest.chunks(PAGE - 4).peekable();
    while let Some(part) = parts.next() {
        let next = if parts.peek().is_some() { pages.len() + 2 } else { 0 };
        let mut page = u32::try_from(next).unwrap_or_default().to_be_bytes().to_vec();
        page.extend_from_slice(part);
        page.resize(PAGE, 0);
        pages.push(page);
    }
}

/// Makes the root of the tree: an empty leaf without children.
fn interior(page: &mut [u8], children: &[u32]) {
    let Some((last, others)) = children.split_last() else {
        page[0] = 0x0d;
        return;
    };
    page[0] = 0x05;
    page[3..5].copy_from_slice(&u16::try_from(others.len()).unwrap_or_default().to_be_bytes());
    page[8..12].copy_from_slice(&last.to_be_bytes());
    for (number, child) in others.iter().enumerate() {
        let at = PAGE - 5 * (number + 1);
        page[at..at + 4].copy_from_slice(&child.to_be_bytes());
        page[at + 4] = 1;
        let place = 12 + 2 * number;
        page[place..place + 2].copy_from_slice(&u16::try_from(at).unwrap_or_default().to_be_bytes());
    }
}

fn varint(value: u64) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(value & 0x7f).unwrap_or_default()];
    let mut rest = value >> 7;
    while rest > 0 {
        bytes.insert(0, u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    bytes
}
