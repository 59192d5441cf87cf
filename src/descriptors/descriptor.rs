//! A descriptor that was read.

use std::collections::BTreeSet;

use super::error::DescriptorError;
use super::format::DescriptorFormat;
use super::found::FoundImages;
use super::limits::MAX_DESCRIPTOR;
use super::lines::positions;
use super::literals::HclItem;
use super::overlooked::{OverlookedImage, OverlookedReason, SelectorUse};
use super::place::{ImageParts, ImagePlace, SCHEME, WrittenImage, is_written_name};
use super::selector::ImageSelector;
use super::shape::{ShapeContext, is_image_key, of_document};
use super::slot::{ScalarSlot, ScalarSpelling};
use super::tree::ValueTree;
use super::walk::{self, MAX_STEPS};
use super::{hcl, json, plain, yaml};
use crate::types::shown::excerpt;

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
    /// The lines of images of this project that stand whole beside a key for a tag, which stays as it is.
    pub beside_tags: Vec<usize>,
    /// Values that look like images without a digest, and are left as they are.
    pub overlooked: Vec<OverlookedImage>,
    /// The lines at which documents of no known form begin. Only `pack://NAME` counts in these.
    pub unknown: Vec<usize>,
    /// Whether each selector found something.
    pub selectors: Vec<SelectorUse>,
    /// The kinds of its objects, as far as a hint may name them.
    pub kinds: BTreeSet<String>,
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
        reading.found.selectors = vec![SelectorUse::default(); selectors.len()];
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
    found: FoundImages,
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
                self.document(&tree, format, selectors)
            }
            Syntax::Yaml => {
                self.is_yaml = true;
                yaml::documents(self.text, |tree| self.document(tree, format, selectors))
            }
        }
    }

    fn document(
        &mut self,
        tree: &ValueTree<'_>,
        by_name: DescriptorFormat,
        selectors: &[ImageSelector],
    ) -> Result<(), DescriptorError> {
        let Some(root) = tree.root().filter(|root| !tree.is_null(*root)) else { return Ok(()) };
        let (context, why) = match of_document(tree, by_name, self.is_given) {
            Some((format, context)) => {
                self.add_format(format);
                let is_open = format == DescriptorFormat::Kubernetes;
                (Some(context), is_open.then_some(OverlookedReason::OtherPlace))
            }
            // The name says the format: nothing else is meant.
            None if self.is_given => (None, None),
            None => (Some(ShapeContext::Kubernetes), Some(OverlookedReason::UnknownForm)),
        };
        let before = self.found.places.len();
        if let Some(context) = context {
            walk::places(tree, context, selectors, &mut self.found)?;
        }
        match why {
            // A patch of a kustomization may have neither `apiVersion` nor `kind`; its containers say what it is.
            Some(OverlookedReason::UnknownForm) if self.found.places.len() > before => {
                self.add_format(DescriptorFormat::Kubernetes);
                self.overlook(tree, OverlookedReason::OtherPlace)?;
            }
            Some(OverlookedReason::UnknownForm) => {
                self.found.unknown.push(tree.range(root).start);
                self.overlook(tree, OverlookedReason::UnknownForm)?;
            }
            Some(why) => self.overlook(tree, why)?,
            None => {}
        }
        walk::members(tree, &mut self.found)
    }

    /// Notes the values that would be images in the values of a chart and have a tag.
    fn overlook(&mut self, tree: &ValueTree<'_>, why: OverlookedReason) -> Result<(), DescriptorError> {
        let mut guessed = FoundImages::default();
        match walk::places(tree, ShapeContext::Values, &[], &mut guessed) {
            Err(DescriptorError::TwoUses { .. }) => return Ok(()),
            done => done?,
        }
        for (offset, place) in guessed.places {
            let has_tag = matches!(
                place.image(),
                WrittenImage::Foreign { digest: None, reference, .. } if reference.tag().is_some()
            );
            if has_tag && !self.found.places.contains_key(&offset) {
                self.found.overlook(place, why)?;
            }
        }
        Ok(())
    }

    fn add_format(&mut self, format: DescriptorFormat) {
        if !self.formats.contains(&format) {
            self.formats.push(format);
        }
    }

    fn plain(&mut self) -> Result<(), DescriptorError> {
        self.formats.push(DescriptorFormat::Text);
        for (range, is_name) in plain::mentions(self.text) {
            if !is_name {
                self.found.mentions.push(range.start);
                continue;
            }
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
                let is_member = is_written_name(literal.text);
                let is_foreign = literal.is_alone
                    && is_image(literal.block, literal.key)
                    && (format == DescriptorFormat::Nomad || has_tag(literal.text));
                if is_member || is_foreign {
                    let value = literal.text.to_owned();
                    let slot = ScalarSlot { range: literal.range, value, spelling: ScalarSpelling::Quoted };
                    self.add(ImageParts::Whole(slot))?;
                } else if literal.text.contains(SCHEME) {
                    self.found.mentions.push(literal.range.start);
                }
                Ok(())
            }
            HclItem::Expression(expression) => {
                // In Terraform, such a key may have anything for its value.
                if format == DescriptorFormat::Nomad && is_image(expression.block, expression.key) {
                    let text = excerpt(expression.text, 200);
                    self.add(ImageParts::Expression { offset: expression.range.start, text })?;
                }
                Ok(())
            }
        })
    }

    fn add(&mut self, parts: ImageParts) -> Result<(), DescriptorError> {
        self.found.add(ImagePlace::new(parts), self.text)
    }

    /// Gives all places their lines.
    fn finish(self) -> DescriptorText {
        let FoundImages { places, mentions, beside_tags, overlooked, unknown, selectors, kinds, .. } =
            self.found;
        let mut images: Vec<ImagePlace> = places.into_values().collect();
        let mut overlooked: Vec<OverlookedImage> =
            overlooked.into_values().map(|(place, why)| OverlookedImage { place, why }).collect();
        let mut all: Vec<&mut ImagePlace> = images.iter_mut().collect();
        all.extend(overlooked.iter_mut().map(|image| &mut image.place));
        let offsets: Vec<usize> = all.iter().map(|place| place.offset()).collect();
        for (place, (line, column)) in all.iter_mut().zip(positions(self.text, &offsets)) {
            (place.line, place.column) = (line, column);
        }
        let shared: Vec<usize> = all.iter().flat_map(|place| place.shared.iter().copied()).collect();
        let mut lines = positions(self.text, &shared).into_iter().map(|(line, _)| line);
        for place in &mut all {
            place.shared.iter_mut().zip(&mut lines).for_each(|(shared, line)| *shared = line);
        }
        let lines_of = |offsets: &[usize]| {
            let mut lines: Vec<usize> =
                positions(self.text, offsets).into_iter().map(|(line, _)| line).collect();
            lines.sort_unstable();
            lines.dedup();
            lines
        };
        DescriptorText {
            formats: self.formats,
            is_yaml: self.is_yaml,
            images,
            mentions: lines_of(&mentions),
            beside_tags: lines_of(&beside_tags),
            overlooked,
            unknown: lines_of(&unknown),
            selectors,
            kinds,
        }
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
