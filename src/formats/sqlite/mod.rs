//! Rows of one table of a SQLite database (the file format, version 3), read where the database lies.
//!
//! Only what a table needs is read: the schema, the pages of the table's tree, and those that its rows continue on. Indexes,
//! journals and free pages are not looked at.
//!
//! Invariants: no page is read twice and no two rows share a byte, so the work and the output are at most as large as the
//! file; a row is in memory for as long as it is looked at. A file that breaks the format is an error, and never fewer rows.

use std::io;

use crate::runtime::budget::{Budget, OverBudget, STEP};

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

/// The first bytes of a database.
pub const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The header before the first page's own.
const FILE_HEADER: usize = 100;
/// A tree of more levels would have more pages than a file can have.
const MAX_DEPTH: usize = 24;
/// The kinds of pages of a table's tree.
const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0d;

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It breaks the format.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It is of a form that is not read.
    #[error("it is of a form that is not read: {0}")]
    Unsupported(&'static str),
    /// The table is not there.
    #[error("it has no table `{0}`")]
    NoTable(&'static str),
    /// A row is larger than any that is read.
    #[error("a row has {0} bytes, which is more than is read")]
    LargeRow(u64),
    /// It costs too much.
    #[error(transparent)]
    TooMuch(#[from] OverBudget),
}

/// The value of a column. Numbers with a fraction are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqliteValue<'a> {
    /// Nothing, or a number with a fraction.
    Null,
    /// A whole number.
    Integer(i64),
    /// The bytes of a text.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// Reads exactly as many bytes as the buffer takes, from an offset on.
pub type ReadAt<'a> = dyn Fn(u64, &mut [u8]) -> io::Result<()> + 'a;

/// An open database.
pub struct SqliteFile<'a> {
    read: &'a ReadAt<'a>,
    budget: &'a Budget,
    page_size: usize,
    /// The bytes of a page that tables use.
    usable: usize,
    pages: u32,
    /// How many pages may still be read: each is read once.
    unread: u32,
    /// The largest row that is read, in bytes.
    largest: u64,
}

impl<'a> SqliteFile<'a> {
    /// The database of `size` bytes that `read` reads, whose rows have at most `largest` bytes each.
    ///
    /// # Errors
    /// When it is none, or of a form that is not read.
    pub fn open(
        size: u64,
        largest: u64,
        read: &'a ReadAt<'a>,
        budget: &'a Budget,
    ) -> Result<Self, SqliteError> {
        if size < FILE_HEADER as u64 {
            return Err(SqliteError::Damaged("it is shorter than a header"));
        }
        let mut header = [0; FILE_HEADER];
        read(0, &mut header)?;
        if !header.starts_with(SQLITE_MAGIC) {
            return Err(SqliteError::Damaged("it is no database of SQLite"));
        }
        // 65,536 does not fit into two bytes.
        let page_size = match usize::from(half(&header, 16)) {
            1 => 1 << 16,
            size => size,
        };
        if !page_size.is_power_of_two() || page_size < 512 {
            return Err(SqliteError::Damaged("its pages have no size of SQLite"));
        }
        if !(1..=2).contains(&header[19]) {
            return Err(SqliteError::Unsupported("a later version of the format"));
        }
        if word(&header, 56) > 1 {
            return Err(SqliteError::Unsupported("its texts are no UTF-8"));
        }
        let usable = page_size - usize::from(header[20]);
        let pages = u32::try_from(size / page_size as u64).unwrap_or(u32::MAX);
        if usable < 480 || pages == 0 {
            return Err(SqliteError::Damaged("it has no whole page"));
        }
        Ok(Self { read, budget, page_size, usable, pages, unread: pages, largest })
    }

    /// Passes each row of a table to `take`, which decodes it by [`columns`].
    ///
    /// # Errors
    /// When there is no such table, the file breaks the format, or it costs too much.
    pub fn rows<E: From<SqliteError>>(
        &mut self,
        table: &'static str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut root = None;
        self.unread = self.pages;
        self.tree(1, &mut |row| -> Result<(), SqliteError> {
            let mut columns = columns(row)?.into_iter();
            let (kind, name, number) = (columns.next(), columns.next(), columns.nth(1));
            if let (
                Some(SqliteValue::Text(b"table")),
                Some(SqliteValue::Text(name)),
                Some(SqliteValue::Integer(number)),
            ) = (kind, name, number)
                && name == table.as_bytes()
            {
                root = u32::try_from(number).ok();
            }
            Ok(())
        })?;
        let root = root.ok_or(SqliteError::NoTable(table))?;
        // The schema may share no page with the table, but the table is read again where a caller asks twice.
        self.unread = self.pages;
        self.tree(root, take)
    }

    /// Passes the rows of the tree at `root` to `take`, in their order.
    fn tree<E: From<SqliteError>>(
        &mut self,
        root: u32,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        // The pages to read, the next one last, each with its level.
        let mut pending = vec![(root, 0_usize)];
        while let Some((number, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                return Err(SqliteError::Damaged("its tree is too deep").into());
            }
            let page = self.page(number)?;
            let start = if number == 1 { FILE_HEADER } else { 0 };
            match page[start] {
                INTERIOR => {
                    let children = self.children(&page, start)?;
                    self.budget.step(children.len()).map_err(SqliteError::from)?;
                    pending.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
                    if pending.len() > self.pages as usize {
                        return Err(SqliteError::Damaged("a page is in two places").into());
                    }
                }
                LEAF => self.leaf(&page, start, take)?,
                _ => return Err(SqliteError::Damaged("a page of a table is of another kind").into()),
            }
        }
        Ok(())
    }

    /// The bytes of page `number`, counted from 1.
    fn page(&mut self, number: u32) -> Result<Vec<u8>, SqliteError> {
        if number == 0 || number > self.pages {
            return Err(SqliteError::Damaged("a page is missing"));
        }
        self.unread = self.unread.checked_sub(1).ok_or(SqliteError::Damaged("a page is in two places"))?;
        self.budget.step(1 + self.page_size / (STEP as usize))?;
        let mut page = vec![0; self.page_size];
        (self.read)(u64::from(number - 1) * self.page_size as u64, &mut page)?;
        page.truncate(self.usable);
        Ok(page)
    }

    /// The pages below an interior one, in their order.
    fn children(&self, page: &[u8], start: usize) -> Result<Vec<u32>, SqliteError> {
        let cells = cells(page, start, 12)?;
        let mut children = Vec::with_capacity(cells.len() + 1);
        for cell in cells {
            children.push(wide(page, cell)?);
        }
        children.push(wide(page, start + 8)?);
        Ok(children)
    }

    fn leaf<E: From<SqliteError>>(
        &mut self,
        page: &[u8],
        start: usize,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut used = 0;
        for cell in cells(page, start, 8)? {
            let (size, here, link) = self.cell(page, cell)?;
            used += here.len();
            if used > page.len() {
                return Err(SqliteError::Damaged("rows lie in each other").into());
            }
            if here.len() == size {
                take(here)?;
                continue;
            }
            self.budget.keep(size).map_err(SqliteError::from)?;
            let taken = match self.continued(size, here, link) {
                Ok(row) => take(&row),
                Err(error) => Err(error.into()),
            };
            self.budget.release(size);
            taken?;
        }
        Ok(())
    }

    /// The size of the row in a cell, the part of it that lies here, and the bytes after that.
    fn cell<'p>(&self, page: &'p [u8], cell: usize) -> Result<(usize, &'p [u8], &'p [u8]), SqliteError> {
        let outside = || SqliteError::Damaged("a row lies outside of its page");
        let (size, after) = varint(page.get(cell..).ok_or_else(outside)?)?;
        let (_, after) = varint(after)?;
        if size > self.largest {
            return Err(SqliteError::LargeRow(size));
        }
        // It fits, since the largest one does.
        let size = usize::try_from(size).map_err(|_| SqliteError::LargeRow(size))?;
        let (here, link) = after.split_at_checked(self.local(size)).ok_or_else(outside)?;
        Ok((size, here, link))
    }

    /// How many bytes of a row of `size` bytes lie in its page.
    const fn local(&self, size: usize) -> usize {
        let most = self.usable - 35;
        if size <= most {
            return size;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (size - least) % (self.usable - 4);
        if local <= most { local } else { least }
    }

    /// A row that continues on other pages, the first of which `link` names.
    fn continued(&mut self, size: usize, here: &[u8], link: &[u8]) -> Result<Vec<u8>, SqliteError> {
        let mut row = Vec::with_capacity(size);
        row.extend_from_slice(here);
        let mut next = wide(link, 0)?;
        while row.len() < size {
            let page = self.page(next)?;
            next = wide(&page, 0)?;
            let wanted = (size - row.len()).min(page.len() - 4);
            row.extend_from_slice(&page[4..4 + wanted]);
        }
        Ok(row)
    }
}

/// Where the cells of a page begin; the page's own header has `header` bytes.
fn cells(page: &[u8], start: usize, header: usize) -> Result<Vec<usize>, SqliteError> {
    let damaged = SqliteError::Damaged("a page lists cells that it has not");
    let Some(count) = page.get(start + 3..start + 5) else { return Err(damaged) };
    let count = usize::from(half(count, 0));
    let first = start + header;
    let Some(list) = page.get(first..first + 2 * count) else { return Err(damaged) };
    Ok(list.chunks_exact(2).map(|pair| usize::from(half(pair, 0))).collect())
}

/// The columns of a row.
///
/// # Errors
/// When they do not fit into it.
pub fn columns(row: &[u8]) -> Result<Vec<SqliteValue<'_>>, SqliteError> {
    let damaged = || SqliteError::Damaged("a row has columns that do not fit");
    let (length, after) = varint(row)?;
    let length = usize::try_from(length).map_err(|_| damaged())?;
    let mut kinds =
        after.get(..length.checked_sub(row.len() - after.len()).ok_or_else(damaged)?).ok_or_else(damaged)?;
    let mut body = row.get(length..).ok_or_else(damaged)?;
    let mut values = Vec::new();
    while !kinds.is_empty() {
        let (kind, rest) = varint(kinds)?;
        kinds = rest;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(damaged()),
            kind => (kind - 12) / 2,
        };
        let size = usize::try_from(size).map_err(|_| damaged())?;
        let (value, rest) = body.split_at_checked(size).ok_or_else(damaged)?;
        body = rest;
        values.push(match kind {
            0 | 7 => SqliteValue::Null,
            8 => SqliteValue::Integer(0),
            9 => SqliteValue::Integer(1),
            1..=6 => SqliteValue::Integer(integer(value)),
            kind if kind % 2 == 0 => SqliteValue::Blob(value),
            _ => SqliteValue::Text(value),
        });
    }
    Ok(values)
}

/// A number of up to eight bytes with a sign, the largest byte first.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value, byte| value << 8 | i64::from(*byte))
}

/// A number in groups of seven bits, the largest first; the ninth byte has eight. Returns the bytes after it.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), SqliteError> {
    let mut value = 0;
    for (number, byte) in bytes.iter().enumerate().take(9) {
        if number == 8 {
            return Ok((value << 8 | u64::from(*byte), &bytes[9..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[number + 1..]));
        }
    }
    Err(SqliteError::Damaged("a number has no end"))
}

/// The two bytes at `at` of bytes that are long enough.
fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The four bytes at `at` of bytes that are long enough.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The number of a page at `at`.
fn wide(bytes: &[u8], at: usize) -> Result<u32, SqliteError> {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(SqliteError::Damaged("a page ends too early"))
}
