//! Reading FlatBuffers ([internals](https://flatbuffers.dev/internals/)) of unknown origin: every place is checked
//! before it is read. Offsets lead towards the end only, so nothing can go round in circles.

/// A place that lies outside.
#[derive(Debug)]
pub(super) struct Broken;

/// A table of a buffer.
#[derive(Clone, Copy)]
pub(super) struct FlatTable<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A vector of tables or strings.
#[derive(Clone, Copy)]
pub(super) struct Vector<'a> {
    bytes: &'a [u8],
    first: usize,
    length: usize,
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Broken> {
    let end = at.checked_add(N).ok_or(Broken)?;
    bytes.get(at..end).and_then(|bytes| bytes.try_into().ok()).ok_or(Broken)
}

/// Where the offset at this place leads.
fn follow(bytes: &[u8], at: usize) -> Result<usize, Broken> {
    at.checked_add(u32::from_le_bytes(read(bytes, at)?) as usize).ok_or(Broken)
}

/// The bytes of the vector or string at this place, and how many elements they are.
fn sized(bytes: &[u8], at: usize, element: usize) -> Result<(usize, usize), Broken> {
    let length = u32::from_le_bytes(read(bytes, at)?) as usize;
    let first = at + 4;
    let end = length.checked_mul(element).and_then(|size| first.checked_add(size)).ok_or(Broken)?;
    if end > bytes.len() { Err(Broken) } else { Ok((first, length)) }
}

fn text(bytes: &[u8], at: usize) -> Result<&[u8], Broken> {
    let (first, length) = sized(bytes, at, 1)?;
    Ok(&bytes[first..first + length])
}

impl<'a> FlatTable<'a> {
    /// The table that a buffer is.
    pub(super) fn root(bytes: &'a [u8]) -> Result<Self, Broken> {
        Ok(Self { bytes, at: follow(bytes, 0)? })
    }

    /// The table at a [`position`](Self::position) in the same buffer.
    pub(super) const fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, at: position }
    }

    /// Where in its buffer it is.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Where a field is; `None` if it has its default.
    fn field(&self, number: usize) -> Result<Option<usize>, Broken> {
        let distance = i64::from(i32::from_le_bytes(read(self.bytes, self.at)?));
        let description = usize::try_from(self.at as i64 - distance).map_err(|_| Broken)?;
        let size = usize::from(u16::from_le_bytes(read(self.bytes, description)?));
        let at = 4 + 2 * number;
        if at + 2 > size {
            return Ok(None);
        }
        let offset = usize::from(u16::from_le_bytes(read(self.bytes, description + at)?));
        Ok((offset != 0).then_some(self.at + offset))
    }

    pub(super) fn byte(&self, number: usize) -> Result<Option<u8>, Broken> {
        Ok(self.field(number)?.map(|at| read(self.bytes, at)).transpose()?.map(|[byte]| byte))
    }

    /// A number of four bytes.
    pub(super) fn int(&self, number: usize) -> Result<i64, Broken> {
        let bytes = self.field(number)?.map(|at| read(self.bytes, at)).transpose()?;
        Ok(bytes.map_or(0, |bytes| i64::from(u32::from_le_bytes(bytes))))
    }

    /// A number of eight bytes.
    pub(super) fn long(&self, number: usize) -> Result<i64, Broken> {
        let bytes = self.field(number)?.map(|at| read(self.bytes, at)).transpose()?;
        Ok(bytes.map_or(0, i64::from_le_bytes))
    }

    /// A string, or a vector of bytes.
    pub(super) fn text(&self, number: usize) -> Result<&'a [u8], Broken> {
        self.field(number)?.map_or(Ok(&[]), |at| text(self.bytes, follow(self.bytes, at)?))
    }

    pub(super) fn table(&self, number: usize) -> Result<Self, Broken> {
        let at = self.field(number)?.ok_or(Broken)?;
        Ok(Self { bytes: self.bytes, at: follow(self.bytes, at)? })
    }

    pub(super) fn vector(&self, number: usize) -> Result<Vector<'a>, Broken> {
        let bytes = self.bytes;
        let Some(at) = self.field(number)? else { return Ok(Vector { bytes, first: 0, length: 0 }) };
        let (first, length) = sized(bytes, follow(bytes, at)?, 4)?;
        Ok(Vector { bytes, first, length })
    }
}

impl<'a> Vector<'a> {
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn tables(self) -> impl Iterator<Item = Result<FlatTable<'a>, Broken>> {
        self.places().map(move |at| Ok(FlatTable { bytes: self.bytes, at: at? }))
    }

    pub(super) fn texts(self) -> impl Iterator<Item = Result<&'a [u8], Broken>> {
        self.places().map(move |at| text(self.bytes, at?))
    }

    fn places(self) -> impl Iterator<Item = Result<usize, Broken>> {
        (0..self.length).map(move |number| follow(self.bytes, self.first + 4 * number))
    }
}
