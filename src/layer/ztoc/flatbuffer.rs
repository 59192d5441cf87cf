//! Writing FlatBuffers ([internals](https://flatbuffers.dev/internals/)): as much as a zTOC needs, always in the
//! same bytes.
//!
//! A reference comes before its target in the buffer, so a buffer is written from its end to its start: all bytes are
//! kept in reverse until it is finished, and places are counted from the end.

use std::collections::BTreeMap;

/// Offsets are signed and of 32 bits.
const MAX: usize = i32::MAX as usize;
/// The size of an offset.
const OFFSET: usize = 4;

/// A buffer that is being written.
#[derive(Default)]
pub(super) struct Builder {
    reversed: Vec<u8>,
    /// The largest alignment so far.
    alignment: usize,
    /// The layouts of tables, by their bytes: one layout serves all tables that look alike.
    vtables: BTreeMap<Vec<u8>, usize>,
    strings: BTreeMap<Vec<u8>, BufferOffset>,
}

/// Where something that was written ends, counted from the end of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BufferOffset(usize);

/// A field of a table. Zero and nothing are left out.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Int(i32),
    Uint(u32),
    Long(i64),
    To(BufferOffset),
    /// One that has its default.
    None,
}

/// A buffer larger than its own offsets can say.
#[derive(Debug)]
pub(super) struct TooLarge;

impl Field {
    const fn size(self) -> usize {
        match self {
            Self::Int(_) | Self::Uint(_) | Self::To(_) => 4,
            Self::Long(_) => 8,
            Self::None => 0,
        }
    }

    const fn is_default(self) -> bool {
        matches!(self, Self::Int(0) | Self::Uint(0) | Self::Long(0) | Self::None)
    }
}

impl Builder {
    /// A string.
    pub(super) fn string(&mut self, bytes: &[u8]) -> BufferOffset {
        self.align(4, bytes.len() + 1);
        self.push(&[0]);
        self.push(bytes);
        self.end_vector(bytes.len())
    }

    /// A string that many tables may refer to.
    pub(super) fn shared(&mut self, bytes: &[u8]) -> BufferOffset {
        if let Some(place) = self.strings.get(bytes) {
            return *place;
        }
        let place = self.string(bytes);
        self.strings.insert(bytes.to_vec(), place);
        place
    }

    /// A vector of bytes that consists of `parts`.
    pub(super) fn bytes(&mut self, parts: &[VectorPart<'_>]) -> BufferOffset {
        let length = parts.iter().map(VectorPart::len).sum();
        self.align(4, length);
        for part in parts.iter().rev() {
            match part {
                VectorPart::Bytes(bytes) => self.push(bytes),
                VectorPart::Zeros(count) => self.reversed.resize(self.reversed.len() + count, 0),
            }
        }
        self.end_vector(length)
    }

    /// A vector of what was written before.
    pub(super) fn vector(&mut self, places: &[BufferOffset]) -> BufferOffset {
        self.align(4, 0);
        for place in places.iter().rev() {
            self.push_offset(*place);
        }
        self.end_vector(places.len())
    }

    /// A table with these fields, in the order of its schema.
    pub(super) fn table(&mut self, fields: &[Field]) -> BufferOffset {
        let largest = fields.iter().filter(|field| !field.is_default()).map(|field| field.size()).max();
        self.align(largest.unwrap_or(4), 0);
        let end = self.reversed.len();
        let mut ends = vec![0; fields.len()];
        // The largest first, so that nothing has to be padded in between.
        for size in [8, 4] {
            for (number, field) in fields.iter().enumerate() {
                if field.size() != size || field.is_default() {
                    continue;
                }
                match *field {
                    Field::Int(value) => self.push(&value.to_le_bytes()),
                    Field::Uint(value) => self.push(&value.to_le_bytes()),
                    Field::Long(value) => self.push(&value.to_le_bytes()),
                    Field::To(place) => self.push_offset(place),
                    Field::None => {}
                }
                ends[number] = self.reversed.len();
            }
        }
        // The table begins with where its description is, which is known only then.
        self.push(&[0; 4]);
        let start = self.reversed.len();
        while ends.last() == Some(&0) {
            ends.pop();
        }
        let mut vtable = Vec::with_capacity(2 * ends.len() + 4);
        for number in [2 * ends.len() + 4, start - end] {
            vtable.extend_from_slice(&(number as u16).to_le_bytes());
        }
        for end in ends {
            let at = if end == 0 { 0 } else { start - end };
            vtable.extend_from_slice(&(at as u16).to_le_bytes());
        }
        let described = match self.vtables.get(&vtable) {
            Some(place) => *place,
            None => {
                self.push(&vtable);
                let place = self.reversed.len();
                self.vtables.insert(vtable, place);
                place
            }
        };
        let distance = described as i64 - start as i64;
        let mut bytes = (distance as i32).to_le_bytes();
        bytes.reverse();
        self.reversed[start - 4..start].copy_from_slice(&bytes);
        BufferOffset(start)
    }

    /// The buffer, which begins with where its root is.
    pub(super) fn finish(mut self, root: BufferOffset) -> Result<Vec<u8>, TooLarge> {
        let alignment = self.alignment.max(4);
        self.align(alignment, 4);
        self.push_offset(root);
        if self.reversed.len() > MAX {
            return Err(TooLarge);
        }
        self.reversed.reverse();
        Ok(self.reversed)
    }

    fn end_vector(&mut self, length: usize) -> BufferOffset {
        self.push(&(length as u32).to_le_bytes());
        BufferOffset(self.reversed.len())
    }

    /// Pads, so that what comes after `following` more bytes is aligned.
    fn align(&mut self, to: usize, following: usize) {
        self.alignment = self.alignment.max(to);
        let length = self.reversed.len();
        self.reversed.resize((length + following).next_multiple_of(to) - following, 0);
    }

    fn push(&mut self, bytes: &[u8]) {
        self.reversed.extend(bytes.iter().rev());
    }

    /// How far it is from here to `place`.
    fn push_offset(&mut self, place: BufferOffset) {
        let distance = self.reversed.len() + OFFSET - place.0;
        self.push(&(distance as u32).to_le_bytes());
    }
}

/// A part of a vector of bytes.
pub(super) enum VectorPart<'a> {
    Bytes(&'a [u8]),
    Zeros(usize),
}

impl VectorPart<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Zeros(count) => *count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_buffer_is_exactly_this() {
        let mut builder = Builder::default();
        let text = builder.shared(b"abc");
        assert_eq!(builder.shared(b"abc"), text);
        let vector = builder.vector(&[text, text]);
        let fields =
            [Field::Long(-2), Field::None, Field::To(vector), Field::Int(0), Field::Uint(7), Field::Int(0)];
        let first = builder.table(&fields);
        let second = builder.table(&fields);
        assert_ne!(first, second);
        let found = builder.finish(second).expect("is small");
        #[rustfmt::skip]
        let expected: [u8; 88] = [
            4, 0, 0, 0, // the root, from here
            0xe6, 0xff, 0xff, 0xff, // a table, which begins with how far behind its description lies: 26
            7, 0, 0, 0,
            56, 0, 0, 0, // the vector, from here
            0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0, 0, 0, 0, 0, 0,
            14, 0, 20, 0, 12, 0, 0, 0, 8, 0, 0, 0, 4, 0, // its length, a table's, and where in a table each field is
            14, 0, 0, 0, // the other table; its description lies before it
            7, 0, 0, 0,
            16, 0, 0, 0,
            0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0, 0, 0, 0,
            2, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, // the vector: its length, and twice the string, from here
            3, 0, 0, 0, b'a', b'b', b'c', 0,
        ];
        assert_eq!(found, expected);
    }
}
