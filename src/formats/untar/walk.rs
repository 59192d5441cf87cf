//! The walk from header to header.

use std::io::{self, Read};

use tar::EntryType;

use super::entry::{TarEntry, describe};
use super::error::UntarError;
use super::header::{self, BLOCK, Block, Dispute, TarHeader};
use super::input::Skip;
use super::limits::Limits;
use super::records::{self, Extensions};
use super::sparse;

/// A walk over entries.
pub(crate) struct TarWalk<R> {
    input: R,
    limits: Limits,
    position: u64,
    pending: u64,
    padding: u64,
    entries: u64,
    terminated: bool,
}

impl<R: Skip> TarWalk<R> {
    /// Starts at the first byte of `input`.
    pub(crate) fn new(input: R, limits: Limits) -> Self {
        Self { input, limits, position: 0, pending: 0, padding: 0, entries: 0, terminated: false }
    }

    /// How many entries were seen.
    pub(crate) const fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether the end was marked as it should be, by a block of zeros.
    pub(crate) const fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<TarEntry>, UntarError> {
        let mut extensions = Extensions::default();
        loop {
            self.input.skip(self.pending)?;
            // Go writers that are not closed leave out the last padding, and Go readers do not miss it.
            let is_cut = !self.input.skip_if_there(self.padding)?;
            self.position += std::mem::take(&mut self.pending) + std::mem::take(&mut self.padding);
            let at = self.position;
            let mut block = [0; BLOCK as usize];
            if is_cut || !fill(&mut self.input, &mut block)? {
                return self.end(at, &extensions);
            }
            self.position += BLOCK;
            if block == [0; BLOCK as usize] {
                self.check_end()?;
                self.terminated = true;
                return self.end(at, &extensions);
            }
            header::check_sum(&block).map_err(|why| UntarError::Header { at, why: why.to_owned() })?;
            let header = TarHeader::parse(&block).map_err(|dispute| self.ambiguous(at, dispute))?;
            let read = match header.kind() {
                b'x' | b'L' | b'K' => self.extension(&header, &mut extensions)?,
                b'g' if !extensions.is_empty() => {
                    let why = "a global header stands between an entry and what extends it";
                    Err(Dispute::new("type", why))
                }
                b'g' => records::check_global(&self.record(header.size)?.0),
                _ => {
                    self.entries += 1;
                    if self.entries > self.limits.entries {
                        return Err(UntarError::Limit {
                            what: "too many entries",
                            limit: self.limits.entries,
                        });
                    }
                    return self.entry(at, &header, &block, extensions).map(Some);
                }
            };
            read.map_err(|dispute| self.ambiguous(at, dispute))?;
        }
    }

    fn ambiguous(&self, at: u64, dispute: Dispute) -> UntarError {
        UntarError::Ambiguous { entry: self.entries + 1, at, field: dispute.field, why: dispute.why }
    }

    /// Nothing follows.
    fn end(&self, at: u64, extensions: &Extensions) -> Result<Option<TarEntry>, UntarError> {
        if extensions.is_empty() {
            return Ok(None);
        }
        Err(self.ambiguous(at, Dispute::new("type", "no entry follows what extends it")))
    }

    /// Reads what extends the next entry.
    fn extension(
        &mut self,
        header: &TarHeader<'_>,
        extensions: &mut Extensions,
    ) -> Result<Result<(), Dispute>, UntarError> {
        let (record, padding) = self.record(header.size)?;
        if (extensions.raw.len() + record.len()) as u64 > 3 * self.limits.extension {
            let limit = self.limits.extension;
            return Err(UntarError::Limit { what: "too many extension records", limit });
        }
        extensions.raw.push(header.kind());
        extensions.raw.extend_from_slice(&record);
        Ok(match header.kind() {
            b'x' => extensions.add_records(&record),
            b'L' => extensions.add_long_name(&record, &padding),
            _ => extensions.add_long_link(&record, &padding),
        })
    }

    fn entry(
        &mut self,
        at: u64,
        header: &TarHeader<'_>,
        block: &Block,
        mut extensions: Extensions,
    ) -> Result<TarEntry, UntarError> {
        let number = self.entries;
        let ambiguous = |Dispute { field, why }| UntarError::Ambiguous { entry: number, at, field, why };
        let mut entry = describe(header, block, &mut extensions).map_err(ambiguous)?;
        if !extensions.sparse.is_empty() || entry.kind == EntryType::GNUSparse {
            if !self.limits.sparse {
                return Err(UntarError::Sparse(String::from_utf8_lossy(&entry.path).into_owned()));
            }
            self.sparse(&mut entry, header, block, &extensions)?.map_err(ambiguous)?;
        } else {
            self.payload_of(at, entry.size)?;
        }
        if entry.path.len().max(entry.link.len()) > self.limits.path {
            let limit = self.limits.path as u64;
            return Err(UntarError::Limit { what: "a path that is too long", limit });
        }
        entry.offset = self.position;
        entry.size = self.pending;
        entry.records = extensions.others;
        entry.extensions = extensions.raw;
        Ok(entry)
    }

    fn payload_of(&mut self, at: u64, size: u64) -> Result<(), UntarError> {
        let padding = padding(size)
            .ok_or_else(|| UntarError::Header { at, why: "its size is larger than any file".to_owned() })?;
        (self.pending, self.padding) = (size, padding);
        Ok(())
    }

    /// Reads the map of a sparse file, which stands before or at the beginning of its payload.
    fn sparse(
        &mut self,
        entry: &mut TarEntry,
        header: &TarHeader<'_>,
        block: &Block,
        extensions: &Extensions,
    ) -> Result<Result<(), Dispute>, UntarError> {
        let at = self.position - BLOCK;
        if entry.kind == EntryType::GNUSparse {
            if !extensions.sparse.is_empty() || extensions.size.is_some() {
                return Ok(Err(Dispute::new("sparse map", "two records say it in different ways")));
            }
            let mut map = sparse::Map::default();
            let mut next = map.add_header(header, block);
            let mut passed = 0;
            while let Ok(true) = next {
                passed += BLOCK;
                self.check_map(passed)?;
                next = map.add_block(&self.block()?);
            }
            self.payload_of(at, entry.size)?;
            entry.kind = EntryType::Regular;
            return Ok(next.and_then(|_| {
                let real = sparse::Map::real_size(block)?;
                entry.sparse = Some(real);
                map.check(real, entry.size)
            }));
        }
        if entry.kind != EntryType::Regular {
            return Ok(Err(Dispute::new("sparse map", "only files can have one")));
        }
        let told = match sparse::SparseDescription::parse(&extensions.sparse) {
            Ok(told) => told,
            Err(dispute) => return Ok(Err(dispute)),
        };
        self.payload_of(at, entry.size)?;
        if let Some(name) = told.name {
            entry.path = name;
        }
        entry.sparse = Some(told.real_size);
        if entry.path.ends_with(b"/") {
            return Ok(Err(Dispute::new("path", "the name of a file ends in a slash")));
        }
        if let Some(map) = told.map {
            return Ok(map.check(told.real_size, entry.size));
        }
        let mut lines = sparse::Lines::default();
        let mut passed = 0;
        loop {
            passed += BLOCK;
            self.check_map(passed)?;
            if self.pending < BLOCK {
                return Ok(Err(Dispute::new("sparse map", "it does not end")));
            }
            let block = self.block()?;
            self.pending -= BLOCK;
            match lines.add(&block) {
                Ok(Some(map)) => return Ok(map.check(told.real_size, self.pending)),
                Ok(None) => {}
                Err(dispute) => return Ok(Err(dispute)),
            }
        }
    }

    fn check_map(&self, bytes: u64) -> Result<(), UntarError> {
        let limit = self.limits.extension;
        if bytes > limit {
            return Err(UntarError::Limit { what: "a sparse map that is too long", limit });
        }
        Ok(())
    }

    /// Reads a block that must be there.
    fn block(&mut self) -> Result<Block, UntarError> {
        let mut block = [0; BLOCK as usize];
        if !fill(&mut self.input, &mut block)? {
            return Err(early_end().into());
        }
        self.position += BLOCK;
        Ok(block)
    }

    /// A block of zeros ends a tar, and a second one stands behind it unless all ends there. Entries behind a
    /// single one are read by some readers and not by others.
    fn check_end(&mut self) -> Result<(), UntarError> {
        let mut block = [0; BLOCK as usize];
        if fill(&mut self.input, &mut block)? && block != [0; BLOCK as usize] {
            let why = "it follows a single block of zeros".to_owned();
            return Err(UntarError::Header { at: self.position, why });
        }
        self.position += BLOCK;
        Ok(())
    }

    /// Reads what stands behind the end, which may only be zeros: readers differ in whether they go on there.
    pub(crate) fn finish(mut self) -> Result<(), UntarError> {
        let mut buffer = [0; 16 << 10];
        loop {
            let length = match self.input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(first) = buffer[..length].iter().position(|byte| *byte != 0) {
                let why = "it stands behind the end of the archive".to_owned();
                return Err(UntarError::Header { at: self.position + first as u64, why });
            }
            self.position += length as u64;
        }
    }

    /// Reads the payload of the entry that came last, piece by piece.
    pub(crate) fn payload(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), UntarError> {
        let mut buffer = [0; 16 << 10];
        while self.pending > 0 {
            let length = usize::try_from(self.pending).unwrap_or(usize::MAX).min(buffer.len());
            let read = match self.input.read(&mut buffer[..length]) {
                Ok(0) => {
                    return Err(
                        io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends within a file").into()
                    );
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            take(&buffer[..read]);
            self.pending -= read as u64;
            self.position += read as u64;
        }
        Ok(())
    }

    /// Reads an extension record and the padding after it.
    fn record(&mut self, size: u64) -> Result<(Vec<u8>, Vec<u8>), UntarError> {
        if size > self.limits.extension {
            let limit = self.limits.extension;
            return Err(UntarError::Limit { what: "an extension record that is too long", limit });
        }
        let length = size.next_multiple_of(BLOCK);
        let mut record = Vec::new();
        (&mut self.input).take(length).read_to_end(&mut record)?;
        if record.len() as u64 != length {
            return Err(early_end().into());
        }
        self.position += length;
        let padding = record.split_off(usize::try_from(size).unwrap_or(0));
        Ok((record, padding))
    }
}

/// No file is larger than Linux has them, so no sum of offsets overflows.
fn padding(size: u64) -> Option<u64> {
    (size <= i64::MAX as u64 / 2).then(|| size.next_multiple_of(BLOCK) - size)
}

fn early_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends within a header")
}

/// Fills a block; `false` at the very end.
fn fill(input: &mut impl Read, block: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(early_end()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
