//! XML as elements with their texts and lines. No document type is read, so that no entity of a file means anything.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::error::ImportError;
use super::super::setting::MAX_DEPTH;

/// The most elements of a file.
const MAX_ELEMENTS: usize = 200_000;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct XmlElement {
    /// The name without its prefix.
    pub(super) name: String,
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// The text in it, beside elements.
    pub(super) text: String,
    /// The elements in it.
    pub(super) elements: Vec<XmlElement>,
}

impl XmlElement {
    /// The first element of a name in it.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// An element at a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.find(name))
    }

    /// The text of an element in it.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.find(name).map(|element| element.text.trim()).filter(|text| !text.is_empty())
    }
}

/// Reads a file, as its outermost element.
pub(super) fn read(text: &str) -> Result<XmlElement, ImportError> {
    let mut reader = Reader::from_str(text);
    let mut lines = XmlLines { text, offset: 0, line: 1 };
    let mut open = vec![XmlElement::default()];
    let mut count = 0;
    loop {
        let line = lines.at(reader.buffer_position());
        let wrong = |what: String| ImportError::Syntax { form: "XML", line, what };
        let event = reader.read_event().map_err(|error| wrong(error.to_string()))?;
        let (begins, ends) = (
            matches!(event, Event::Start(_) | Event::Empty(_)),
            matches!(event, Event::End(_) | Event::Empty(_)),
        );
        match event {
            Event::Start(start) | Event::Empty(start) => {
                open.push(XmlElement { name: name_of(&start), line, ..XmlElement::default() });
            }
            Event::Text(text) => open.last_mut().into_iter().for_each(|element| element.text.push_str(&text)),
            Event::CData(text) => {
                open.last_mut().into_iter().for_each(|element| element.text.push_str(&text));
            }
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                let letter = match name {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().map_err(|error| wrong(error.to_string()))?,
                };
                let letter = letter.ok_or_else(|| wrong(format!("the entity `&{name};` is not known")))?;
                open.last_mut().into_iter().for_each(|element| element.text.push(letter));
            }
            Event::Eof => break,
            _ => {}
        }
        if begins {
            count += 1;
            if count > MAX_ELEMENTS || open.len() > MAX_DEPTH {
                return Err(ImportError::TooMuch {
                    line,
                    what: "elements",
                    most: "200,000, and 64 within each other",
                });
            }
        }
        if ends && open.len() > 1 {
            let element = open.pop().unwrap_or_default();
            if let Some(outer) = open.last_mut() {
                outer.elements.push(element);
            }
        }
    }
    if open.len() > 1 {
        let element = open.pop().unwrap_or_default();
        let what = format!("the element `{}` does not end", element.name);
        return Err(ImportError::Syntax { form: "XML", line: element.line, what });
    }
    let root = open.pop().and_then(|mut outer| outer.elements.pop());
    root.ok_or(ImportError::Syntax { form: "XML", line: 1, what: "there is no element in it".to_owned() })
}

fn name_of(start: &BytesStart<'_>) -> String {
    start.local_name().into_inner().to_owned()
}

/// Lines of offsets that only grow.
struct XmlLines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl XmlLines<'_> {
    fn at(&mut self, offset: u64) -> usize {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.text.len());
        let between = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', between).count();
        self.offset = offset;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_their_texts_and_lines() {
        let text = "<?xml version=\"1.0\"?>\n<!-- x -->\n<p:project xmlns:p=\"y\">\n  <a>1 &amp; <![CDATA[<2>]]> &#65;</a>\n  <b/>\n</p:project>\n";
        let root = read(text).expect("XML");
        assert_eq!((root.name.as_str(), root.line), ("project", 3));
        assert_eq!(root.text_of("a"), Some("1 & <2> A"));
        assert_eq!(root.find("b").map(|b| b.line), Some(5));
    }

    #[test]
    fn hostile_xml_is_refused() {
        for text in [
            "",
            "text",
            "<a><b></a>",
            "<a>",
            "<a>&x;</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            &"<a>".repeat(100_000),
            &format!("<r>{}</r>", "<a/>".repeat(200_001)),
        ] {
            let error = read(text).expect_err("no XML").to_string();
            assert!(error.starts_with("line "), "{error}");
        }
    }
}
