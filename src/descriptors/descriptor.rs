//! A descriptor that was read.

use super::error::DescriptorError;
use super::format::DescriptorFormat;
use super::lines::positions;
use super::literals::HclItem;
use super::place::{ImageParts, ImagePlace, SCHEME, is_name};
use super::selector::ImageSelector;
use super::shape::{is_image_key, of_document};
use super::slot::{ScalarSlot, ScalarSpelling};
use super::walk::{self, Found, MAX_IMAGES, MAX_STEPS, Mention};
use super::{hcl, json, plain, yaml};

/// The most bytes of a descriptor: 16 MiB.
pub const MAX_DESCRIPTOR: usize = 16 << 20;

/// The images of a file.
#[derive(Clone, Debug)]
pub struct DescriptorText {
    /// The formats of its documents, each once. Empty where nothing is known of it.
    pub formats: Vec<DescriptorFormat>,
    /// Whether it is YAML or JSON, and can be one text with others.
    pub is_yaml: bool,
    /// Its images, in the order of the text.
    pub images: Vec<ImagePlace>,
    /// The lines of longer texts with `pack://NAME` in them, which stay as they are.
    pub mentions: Vec<usize>,
}

impl DescriptorText {
    /// Reads a file of the name `name`, as `format` if that is given.
    ///
    /// # Errors
    /// When it is not of its format, or larger than anyone expects.
    pub fn read(
        name: &str,
        bytes: &[u8],
        format: Option<DescriptorFormat>,
        selectors: &[ImageSelector],
    ) -> Result<Self, DescriptorError> {
        if bytes.len() > MAX_DESCRIPTOR {
            return Err(DescriptorError::TooMuch { most: MAX_DESCRIPTOR, what: "bytes" });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(&bytes[..error.valid_up_to()]))?;
        if selectors.iter().map(|selector| selector.steps.len()).sum::<usize>() > MAX_STEPS {
            return Err(DescriptorError::TooMuch { most: MAX_STEPS, what: "steps of paths" });
        }
        let by_name = format.or_else(|| DescriptorFormat::of_name(name));
        let mut reading = Reading { text, by_name, is_given: format.is_some(), ..Reading::default() };
        reading.read(name, selectors)?;
        Ok(reading.finish())
    }
}

/// The place behind `sound`, the text up to a byte that is none.
fn not_utf8(sound: &[u8]) -> DescriptorError {
    let text = std::str::from_utf8(sound).unwrap_or_default();
    let place = positions(text, &[text.len()]).first().copied();
    let (line, column) = place.unwrap_or((1, 1));
    DescriptorError::Encoding { line, column }
}

#[derive(Default)]
struct Reading<'a> {
    text: &'a str,
    by_name: Option<DescriptorFormat>,
    is_given: bool,
    is_yaml: bool,
    formats: Vec<DescriptorFormat>,
    found: Found,
    mentions: Vec<Mention>,
}

/// The syntax of a file.
enum Syntax {
    Yaml,
    Json,
    Hcl,
    Plain,
}

impl Reading<'_> {
    fn read(&mut self, name: &str, selectors: &[ImageSelector]) -> Result<(), DescriptorError> {
        let by_text = DescriptorFormat::of_text(self.text);
        let format = self.by_name.unwrap_or(by_text);
        match syntax(name, format, by_text) {
            Syntax::Plain => self.plain(),
            Syntax::Hcl => self.hcl(format),
            Syntax::Json => {
                self.is_yaml = true;
                let tree = json::document(self.text)?;
                let root = of_document(&tree, format, self.is_given);
                self.formats.extend(root.map(|(format, _)| format));
                walk::document(&tree, root, selectors, &mut self.found, &mut self.mentions)
            }
            Syntax::Yaml => {
                self.is_yaml = true;
                let Self { formats, found, mentions, is_given, text, .. } = self;
                yaml::documents(text, |tree| {
                    let root = of_document(tree, format, *is_given);
                    let format = root.map(|(format, _)| format);
                    formats.extend(format.filter(|format| !formats.contains(format)));
                    walk::document(tree, root, selectors, found, mentions)
                })
            }
        }
    }

    fn plain(&mut self) -> Result<(), DescriptorError> {
        self.formats.push(DescriptorFormat::Text);
        for range in plain::mentions(self.text) {
            let value = self.text[range.clone()].to_owned();
            self.add(ImageParts::Whole(ScalarSlot { range, value, spelling: ScalarSpelling::Bare }))?;
        }
        Ok(())
    }

    fn hcl(&mut self, format: DescriptorFormat) -> Result<(), DescriptorError> {
        self.formats.push(format);
        let is_image = |block: &str, key: &str| match format {
            DescriptorFormat::Nomad => block == "config" && key == "image",
            _ => is_image_key(key),
        };
        hcl::items(self.text, |item| match item {
            HclItem::Literal(literal) => {
                let is_member = literal.text.strip_prefix(SCHEME).is_some_and(is_name);
                let is_foreign = literal.is_alone
                    && is_image(literal.block, literal.key)
                    && (format == DescriptorFormat::Nomad || has_tag(literal.text));
                if is_member || is_foreign {
                    let value = literal.text.to_owned();
                    let slot = ScalarSlot { range: literal.range, value, spelling: ScalarSpelling::Quoted };
                    self.add(ImageParts::Whole(slot))?;
                } else if literal.text.contains(SCHEME) {
                    self.mentions.push(literal.range.start);
                }
                Ok(())
            }
            HclItem::Expression(expression) => {
                // In Terraform, such a key may have anything for its value.
                if format == DescriptorFormat::Nomad && is_image(expression.block, expression.key) {
                    let text = expression.text.chars().take(200).collect();
                    self.add(ImageParts::Expression { offset: expression.range.start, text })?;
                }
                Ok(())
            }
        })
    }

    fn add(&mut self, parts: ImageParts) -> Result<(), DescriptorError> {
        if self.found.len() >= MAX_IMAGES {
            return Err(DescriptorError::TooMuch { most: MAX_IMAGES, what: "images" });
        }
        let place = ImagePlace::new(parts);
        self.found.insert(place.offset(), place);
        Ok(())
    }

    /// Gives all places their lines.
    fn finish(mut self) -> DescriptorText {
        self.mentions.sort_unstable();
        let own = self.found.keys().copied();
        let shared = self.found.values().flat_map(|place| place.shared.iter().copied());
        let offsets: Vec<usize> = own.chain(shared).chain(self.mentions.iter().copied()).collect();
        let positions = positions(self.text, &offsets);
        let mut shared = positions[self.found.len()..].iter().map(|(line, _)| *line);
        let mut images: Vec<ImagePlace> = self.found.into_values().collect();
        for (place, (line, column)) in images.iter_mut().zip(&positions) {
            (place.line, place.column) = (*line, *column);
            place.shared = place.shared.iter().filter_map(|_| shared.next()).collect();
        }
        let mut mentions: Vec<usize> = shared.collect();
        mentions.dedup();
        DescriptorText { formats: self.formats, is_yaml: self.is_yaml, images, mentions }
    }
}

fn syntax(name: &str, format: DescriptorFormat, by_text: DescriptorFormat) -> Syntax {
    use DescriptorFormat as F;
    let name = name.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let is_json = ends(&[".json"]) || (!ends(&[".yaml", ".yml"]) && by_text == F::Json);
    match format {
        F::Text => Syntax::Plain,
        F::Terraform => Syntax::Hcl,
        F::Nomad if !is_json => Syntax::Hcl,
        F::TerraformJson | F::Json => Syntax::Json,
        _ if is_json => Syntax::Json,
        _ => Syntax::Yaml,
    }
}

/// Whether a text is a reference with a tag or a digest. Names of images of machines are words, too.
fn has_tag(text: &str) -> bool {
    let reference = text.parse::<crate::types::reference::Reference>();
    reference.is_ok_and(|reference| reference.tag().is_some() || reference.digest().is_some())
}
