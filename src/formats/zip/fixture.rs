//! A zip writer for tests that can lie in every field.

use std::io::Write as _;

/// One entry as it will be written; the public fields are what the headers declare.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) crc32: u32,
    pub(crate) size: u64,
    pub(crate) compressed_size: u64,
    pub(crate) made_by: u16,
    pub(crate) attributes: u32,
    /// Local header offset to declare instead of the true one.
    pub(crate) offset: Option<u64>,
    pub(crate) zip64: bool,
    pub(crate) local_extra: usize,
    /// Extra fields of the directory.
    pub(crate) extra: Vec<u8>,
}

impl Item {
    pub(crate) fn stored(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            data: content.to_vec(),
            method: 0,
            flags: 0,
            crc32: crc32fast::hash(content),
            size: content.len() as u64,
            compressed_size: content.len() as u64,
            made_by: 20,
            attributes: 0,
            offset: None,
            zip64: false,
            local_extra: 0,
            extra: Vec::new(),
        }
    }

    pub(crate) fn deflated(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).expect("to memory");
        let data = encoder.finish().expect("to memory");
        let compressed_size = data.len() as u64;
        Self { data, method: 8, compressed_size, ..Self::stored(name, content) }
    }

    pub(crate) fn unix(mut self, mode: u32) -> Self {
        self.made_by = 3 << 8 | 20;
        self.attributes = mode << 16;
        self
    }

    /// Sizes and checksum only in the central directory and a descriptor after the data.
    pub(crate) fn streamed(mut self) -> Self {
        self.flags |= 8;
        self
    }
}

fn narrow(value: u64, zip64: bool) -> [u8; 4] {
    if zip64 { u32::MAX.to_le_bytes() } else { u32::try_from(value).expect("fits").to_le_bytes() }
}

/// Writes the archive after `prefix`, whose length its offsets include if `adjusted`.
pub(crate) fn write_with(items: &[Item], prefix: &[u8], adjusted: bool, comment: &[u8]) -> Vec<u8> {
    let mut out = prefix.to_vec();
    let start = if adjusted { 0 } else { prefix.len() };
    let mut offsets = Vec::new();
    for item in items {
        offsets.push((out.len() - start) as u64);
        let streamed = item.flags & 8 != 0;
        out.extend(b"PK\x03\x04\x14\0");
        out.extend(item.flags.to_le_bytes());
        out.extend(item.method.to_le_bytes());
        out.extend([0; 4]);
        out.extend(if streamed { 0 } else { item.crc32 }.to_le_bytes());
        out.extend(if streamed { [0; 4] } else { narrow(item.compressed_size, item.zip64) });
        out.extend(if streamed { [0; 4] } else { narrow(item.size, item.zip64) });
        out.extend(u16::try_from(item.name.len()).expect("fits").to_le_bytes());
        out.extend(u16::try_from(item.local_extra).expect("fits").to_le_bytes());
        out.extend(&item.name);
        out.extend(vec![0; item.local_extra]);
        out.extend(&item.data);
        if streamed {
            out.extend(b"PK\x07\x08");
            out.extend(item.crc32.to_le_bytes());
            out.extend(narrow(item.compressed_size, false));
            out.extend(narrow(item.size, false));
        }
    }
    let directory = out.len();
    for (item, offset) in items.iter().zip(offsets) {
        let offset = item.offset.unwrap_or(offset);
        out.extend(b"PK\x01\x02");
        out.extend(item.made_by.to_le_bytes());
        out.extend([20, 0]);
        out.extend(item.flags.to_le_bytes());
        out.extend(item.method.to_le_bytes());
        out.extend([0; 4]);
        out.extend(item.crc32.to_le_bytes());
        out.extend(narrow(item.compressed_size, item.zip64));
        out.extend(narrow(item.size, item.zip64));
        out.extend(u16::try_from(item.name.len()).expect("fits").to_le_bytes());
        let extra = item.extra.len() + if item.zip64 { 28 } else { 0 };
        out.extend(u16::try_from(extra).expect("fits").to_le_bytes());
        out.extend([0; 6]);
        out.extend(item.attributes.to_le_bytes());
        out.extend(narrow(offset, item.zip64));
        out.extend(&item.name);
        if item.zip64 {
            out.extend([1, 0, 24, 0]);
            out.extend(item.size.to_le_bytes());
            out.extend(item.compressed_size.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out.extend(&item.extra);
    }
    let size = out.len() - directory;
    let count = u16::try_from(items.len() % 65_536).expect("fits");
    let zip64 = items.iter().any(|item| item.zip64);
    if zip64 {
        let record = out.len() as u64;
        out.extend(b"PK\x06\x06");
        out.extend(44u64.to_le_bytes());
        out.extend([45, 0, 45, 0]);
        out.extend([0; 8]);
        out.extend((items.len() as u64).to_le_bytes());
        out.extend((items.len() as u64).to_le_bytes());
        out.extend((size as u64).to_le_bytes());
        out.extend(((directory - start) as u64).to_le_bytes());
        out.extend(b"PK\x06\x07");
        out.extend([0; 4]);
        out.extend(record.to_le_bytes());
        out.extend([1, 0, 0, 0]);
    }
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]);
    out.extend(if zip64 { [0xff; 2] } else { count.to_le_bytes() });
    out.extend(if zip64 { [0xff; 2] } else { count.to_le_bytes() });
    out.extend(narrow(size as u64, zip64));
    out.extend(narrow((directory - start) as u64, zip64));
    out.extend(u16::try_from(comment.len()).expect("fits").to_le_bytes());
    out.extend(comment);
    out
}

pub(crate) fn write(items: &[Item]) -> Vec<u8> {
    write_with(items, b"", false, b"")
}
