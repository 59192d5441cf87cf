//! Headers of rpm, as its databases keep them: a list of tags, and the data that these refer to.

/// The bytes of an entry of the list.
const ENTRY: usize = 16;
/// No package has so many tags.
const MAX_ENTRIES: usize = 4096;

/// The tags that are read.
pub(super) mod tag {
    pub const NAME: u32 = 1000;
    pub const VERSION: u32 = 1001;
    pub const RELEASE: u32 = 1002;
    pub const EPOCH: u32 = 1003;
    pub const VENDOR: u32 = 1011;
    pub const LICENSE: u32 = 1014;
    pub const ARCH: u32 = 1022;
    pub const SOURCE_RPM: u32 = 1044;
    pub const PROVIDE_NAME: u32 = 1047;
    pub const REQUIRE_NAME: u32 = 1049;
    pub const DIR_INDEXES: u32 = 1116;
    pub const BASE_NAMES: u32 = 1117;
    pub const DIR_NAMES: u32 = 1118;
    pub const MODULARITY_LABEL: u32 = 5096;
}

/// The forms of data.
mod form {
    pub const INT32: u32 = 4;
    pub const STRING: u32 = 6;
    pub const STRING_ARRAY: u32 = 8;
    pub const I18N_STRING: u32 = 9;
}

/// The header of a package.
#[derive(Clone, Copy)]
pub(super) struct RpmHeader<'a> {
    entries: &'a [u8],
    data: &'a [u8],
}

impl<'a> RpmHeader<'a> {
    /// The header that is all of `blob`; `None` where it is none.
    pub(super) fn parse(blob: &'a [u8]) -> Option<Self> {
        let count = usize::try_from(word(blob, 0)?).ok().filter(|count| *count <= MAX_ENTRIES)?;
        let length = usize::try_from(word(blob, 4)?).ok()?;
        let (entries, data) = blob.get(8..)?.split_at_checked(count * ENTRY)?;
        (data.len() == length).then_some(Self { entries, data })
    }

    /// The data of a tag in one of these forms, and how many values it has.
    fn find(&self, tag: u32, forms: &[u32]) -> Option<(&'a [u8], usize)> {
        let mut entries = self.entries.chunks_exact(ENTRY);
        let entry = entries.find(|entry| word(entry, 0) == Some(tag))?;
        if !forms.contains(&word(entry, 4)?) {
            return None;
        }
        let start = usize::try_from(word(entry, 8)?).ok()?;
        Some((self.data.get(start..)?, usize::try_from(word(entry, 12)?).ok()?))
    }

    /// The first text of a tag.
    pub(super) fn text(&self, tag: u32) -> Option<&'a str> {
        let (data, _) = self.find(tag, &[form::STRING, form::I18N_STRING, form::STRING_ARRAY])?;
        let end = memchr::memchr(0, data)?;
        std::str::from_utf8(&data[..end]).ok()
    }

    /// All texts of a tag, as bytes.
    pub(super) fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut data, count) = self.find(tag, &[form::STRING_ARRAY, form::STRING]).unwrap_or_default();
        (0..count).map_while(move |_| {
            let end = memchr::memchr(0, data)?;
            let (text, rest) = data.split_at(end);
            data = &rest[1..];
            Some(text)
        })
    }

    /// All numbers of a tag.
    pub(super) fn numbers(&self, tag: u32) -> impl Iterator<Item = u32> + use<'a> {
        let (data, count) = self.find(tag, &[form::INT32]).unwrap_or_default();
        data.chunks_exact(4).take(count).filter_map(|bytes| word(bytes, 0))
    }
}

/// The number at `at`, the largest byte first.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
