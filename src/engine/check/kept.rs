//! Whether a new base has what an image had on its old one.

use super::image::CandidateImage;
use crate::artifact::KeptFact;
use crate::bases::{Container, FileTree, container, java_major};
use crate::types::error::BoxedError;
use crate::types::finding::Finding;
use crate::types::rule::Rule;

/// Compares a fact of the old base with the new base of `image`.
pub(super) fn check<T: FileTree>(
    kept: &KeptFact,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    match kept {
        KeptFact::Libc(old) => libc(old.as_ref(), image),
        KeptFact::Java(old) => java(*old, image),
        KeptFact::Container(old) => Ok(servlet_container(old, image)),
    }
}

type LibcNames = std::collections::BTreeSet<String>;

fn libc<T: FileTree>(
    old: Option<&LibcNames>,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::ElfLibc;
    let (Some(old), Some(new)) = (old, image.system()?.map(|system| system.libc)) else {
        let what = "whether both bases have the same C library";
        return Ok(Finding::unknown(rule, image.unknown(what)).hint(image.cure));
    };
    let named = |names: &LibcNames| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if names.is_empty() { "no C library".to_owned() } else { names.join(" and ") }
    };
    let message = format!("the old base has {}, the new one {}", named(old), named(&new));
    let is_kept = old.is_empty() || old.iter().any(|libc| new.contains(libc));
    Ok(if is_kept { Finding::met(rule, message) } else { Finding::not_met(rule, message) })
}

fn java<T: FileTree>(old: u32, image: &mut CandidateImage<'_, T>) -> Result<Finding, BoxedError> {
    let rule = Rule::JavaVersion;
    let named = image.base.and_then(|base| base.env("JAVA_VERSION")).and_then(java_major);
    let found = match named {
        Some(found) => Some(Some(found)),
        None => image.system()?.map(|system| system.java),
    };
    Ok(match found {
        Some(Some(new)) if new >= old => {
            Finding::met(rule, format!("the old base has Java {old}, the new one Java {new}"))
        }
        Some(Some(new)) => {
            Finding::not_met(rule, format!("the old base has Java {old}, the new one Java {new}"))
        }
        Some(None) => Finding::not_met(rule, format!("the old base has Java {old}, the new one none")),
        None => {
            let what = format!("whether the new base has Java {old}, as the old one has,");
            Finding::unknown(rule, image.unknown(&what)).hint(image.cure)
        }
    })
}

fn servlet_container<T>(old: &Container, image: &CandidateImage<'_, T>) -> Finding {
    let new = image.base.and_then(container);
    let is_kept = new.as_ref().is_some_and(|new| is_same_generation(old, new));
    let new = new.map_or_else(|| "no servlet container".to_owned(), |new| in_full(&new));
    let message = format!("the old base has {}, the new one {new}", in_full(old));
    let rule = Rule::ServletContainer;
    if is_kept { Finding::met(rule, message) } else { Finding::not_met(rule, message) }
}

fn in_full(container: &Container) -> String {
    format!("{} with {}", container.describe(), container.webapps)
}

/// Whether an application for the one is found and run by the other.
fn is_same_generation(old: &Container, new: &Container) -> bool {
    let is_same_api = match (old.servlet(), new.servlet()) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    };
    old.kind == new.kind && is_same_api && old.webapps == new.webapps
}
