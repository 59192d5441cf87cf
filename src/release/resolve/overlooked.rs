//! Words about what `pack` did not look at: files of no known form, values that look like images, paths that lead
//! nowhere.

use crate::descriptors::{DescriptorFormat, OverlookedReason, WrittenImage};
use crate::types::error::nearest;
use crate::types::shown::Foreign;

use super::files::{DescriptorFile, ReadDescriptors};
use crate::descriptors::ImageSelector;

/// How many lines or files a sentence names.
const MOST_NAMED: usize = 5;

/// Sentences about what was not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlooked {
    /// Mistakes, perhaps.
    pub warnings: Vec<String>,
    /// Things that are as they should be.
    pub notes: Vec<String>,
}

/// A list that ends with the number of those that are left out.
fn listed(names: &[String]) -> String {
    let (shown, left) = names.split_at(names.len().min(MOST_NAMED));
    let more = if left.is_empty() { String::new() } else { format!(" and {} more", left.len()) };
    format!("{}{more}", shown.join(", "))
}

fn at_lines(lines: &[usize]) -> String {
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    format!("{noun} {}", listed(&lines.iter().map(ToString::to_string).collect::<Vec<_>>()))
}

/// The selectors that found nothing, a sentence each.
#[must_use]
pub fn unused_selectors(read: &ReadDescriptors, selectors: &[ImageSelector]) -> Vec<String> {
    let unused = selectors.iter().zip(&read.selectors).filter(|(_, used)| !used.has_image);
    unused
        .map(|(selector, used)| {
            let kind = selector.kind();
            let given = format!("`--image-path {}` finds no image", Foreign::new(&selector.to_string()));
            if used.has_kind {
                return format!("{given}: there are objects of the kind, and no value is at the path");
            }
            let near = nearest(kind, read.kinds.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean `{}`?", Foreign::new(near)));
            format!("{given}: no object has the kind{}", near.unwrap_or_default())
        })
        .collect()
}

/// The parts of the descriptors that a check, or a run that pins images of others, did not look at.
#[must_use]
pub fn overlooked(read: &ReadDescriptors, is_format_given: bool) -> Overlooked {
    let mut said = Overlooked::default();
    for file in &read.files {
        of_file(file, is_format_given, &mut said);
    }
    let others: Vec<String> = read.others.iter().map(|file| format!("`{}`", file.name)).collect();
    for file in &read.others {
        of_values(file, &mut said);
    }
    if !others.is_empty() {
        let is = if others.len() == 1 { "is" } else { "are" };
        said.notes.push(format!(
            "{} {is} of no known form; `--as FORMAT` says how a file is read",
            listed(&others)
        ));
    }
    said
}

fn of_file(file: &DescriptorFile, is_format_given: bool, said: &mut Overlooked) {
    let (name, text) = (&file.name, &file.text);
    if file.bytes.iter().all(u8::is_ascii_whitespace) {
        said.warnings.push(format!("`{name}` is empty"));
    } else if text.formats == [DescriptorFormat::Text] && !is_format_given {
        said.warnings.push(format!(
            "`{name}` is read as plain text, in which only `pack://NAME` counts; `--as FORMAT` says how it is read"
        ));
    } else if !text.unknown.is_empty() {
        said.warnings.push(format!(
            "`{name}`, {}: a document of no known form, in which only `pack://NAME` counts; `--as FORMAT`, such as \
             `--as kubernetes`, says how it is read",
            at_lines(&text.unknown)
        ));
    }
    of_values(file, said);
}

fn of_values(file: &DescriptorFile, said: &mut Overlooked) {
    let lines = |why| -> Vec<usize> {
        let images = file.text.overlooked.iter().filter(|image| image.why == why);
        images.map(|image| image.place.line).collect()
    };
    let name = &file.name;
    let unknown = lines(OverlookedReason::UnknownForm);
    if !unknown.is_empty() {
        said.warnings.push(format!(
            "`{name}`, {}: this looks like an image, and stays as it is, since the form of the file is not known",
            at_lines(&unknown)
        ));
    }
    let other = lines(OverlookedReason::OtherPlace);
    if !other.is_empty() {
        said.warnings.push(format!(
            "`{name}`, {}: this looks like an image at a place where `pack` knows of none; `--image-path KIND=PATH` \
             says that it is one",
            at_lines(&other)
        ));
    }
    let built = lines(OverlookedReason::Built);
    if !built.is_empty() {
        said.notes.push(format!(
            "`{name}`, {}: Compose builds this image (`build`), so it gets no digest",
            at_lines(&built)
        ));
    }
}

/// Whether a value that looks like an image counts as one without a digest: the form of its file is not known, so that
/// nothing says that it is none.
pub(super) fn counts(why: OverlookedReason, image: &WrittenImage) -> bool {
    why == OverlookedReason::UnknownForm && matches!(image, WrittenImage::Foreign { digest: None, .. })
}
