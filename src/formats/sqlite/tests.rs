//! Tables of databases that are whole, and of damaged ones.

use super::*;

fn budget() -> Budget {
    Budget::new("the database", 64 << 20, 1 << 20)
}

/// The blobs in the table `t`.
fn blobs(bytes: &[u8]) -> Result<Vec<Vec<u8>>, SqliteError> {
    let read = |offset: u64, buffer: &mut [u8]| {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = bytes.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    };
    let budget = budget();
    let mut found = Vec::new();
    let mut file = SqliteFile::open(bytes.len() as u64, 1 << 20, &read, &budget)?;
    file.rows("t", &mut |row| -> Result<(), SqliteError> {
        match columns(row)?[..] {
            [SqliteValue::Null, SqliteValue::Blob(blob)] => found.push(blob.to_vec()),
            _ => return Err(SqliteError::Damaged("other columns")),
        }
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn rows_of_any_size_are_read_whole_and_in_order() {
    let rows: Vec<Vec<u8>> = [0, 1, 400, 470, 471, 472, 480, 900, 5000, 70_000]
        .iter()
        .map(|size| (0..*size).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect())
        .collect();
    assert_eq!(blobs(&fixture::database("t", &rows)).expect("rows"), rows);
    assert_eq!(blobs(&fixture::database("t", &[])).expect("no rows"), Vec::<Vec<u8>>::new());
    assert!(matches!(blobs(&fixture::database("other", &rows)), Err(SqliteError::NoTable("t"))));
}

#[test]
fn a_file_that_ends_early_never_has_fewer_rows() {
    let rows = [vec![1; 2000], vec![2; 10]];
    let whole = fixture::database("t", &rows);
    for end in 0..whole.len() {
        blobs(&whole[..end]).expect_err("a part of it");
    }
}

#[test]
fn pages_that_are_in_two_places_end_it() {
    // The second page that the long row continues on leads back to the first one.
    let mut circle = fixture::database("t", &[vec![1; 2000]]);
    circle[4 * 512..4 * 512 + 4].copy_from_slice(&4_u32.to_be_bytes());
    assert!(matches!(blobs(&circle), Ok(rows) if rows[0].len() == 2000) || blobs(&circle).is_err());
    // A tree whose root is its own child.
    let mut own = fixture::database("t", &[vec![1; 10]]);
    own[512 + 8..512 + 12].copy_from_slice(&2_u32.to_be_bytes());
    assert!(matches!(blobs(&own), Err(SqliteError::Damaged(_))));
}

#[test]
fn numbers_have_signs_and_nine_bytes_at_most() {
    assert_eq!(varint(&[0x81, 0x00, 7]).expect("two bytes"), (128, &[7][..]));
    assert_eq!(varint(&[0xff; 9]).expect("nine bytes"), (u64::MAX, &[][..]));
    varint(&[0xff; 8]).expect_err("no end");
    assert_eq!((integer(&[0xff]), integer(&[0x01, 0x00]), integer(&[])), (-1, 256, 0));
    columns(&[200, 1]).expect_err("longer than the row");
    columns(&[2, 40]).expect_err("a blob that is not there");
}
