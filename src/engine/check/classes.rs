//! The jars and classes that the words of a command have Java run.

use std::collections::BTreeSet;

use super::image::{CandidateImage, absolute};
use crate::bases::{BaseAnswer, BaseNode, FileTree, follow};
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::shown::shown;

/// Where Spring Boot has its launchers, up to version 3.1 and later.
const LAUNCHERS: [&str; 2] = ["org.springframework.boot.loader.", "org.springframework.boot.loader.launch."];

/// So many jars of a hint are named.
const NAMED: usize = 3;

/// A class path as a command has it.
pub(super) struct SearchedClassPath<'a>(pub(super) &'a str);

/// The file of a class, below the directory or in the jar that has it.
fn file_of(class: &str) -> String {
    format!("{}.class", class.replace('.', "/"))
}

impl SearchedClassPath<'_> {
    /// Whether an entry has the class.
    pub(super) fn has<T: FileTree>(
        &self,
        class: &str,
        image: &mut CandidateImage<'_, T>,
    ) -> Result<BaseAnswer<()>, BoxedError> {
        let file = file_of(class);
        let (mut is_known, mut seen) = (true, BTreeSet::new());
        for entry in self.0.split(':').filter(|entry| seen.insert(*entry)) {
            if !image.lookups.look(entry.len())? {
                return Ok(BaseAnswer::Unknown);
            }
            let answer = match entry.strip_suffix('*') {
                Some(directory) if directory.is_empty() || directory.ends_with('/') => {
                    in_all_jars(&absolute(directory, image), &file, image)?
                }
                _ => in_entry(&absolute(entry, image), &file, image)?,
            };
            match answer {
                BaseAnswer::Here(()) => return Ok(BaseAnswer::Here(())),
                BaseAnswer::Nothing => {}
                BaseAnswer::Unknown => is_known = false,
            }
        }
        Ok(if is_known { BaseAnswer::Nothing } else { BaseAnswer::Unknown })
    }

    /// The advice where no entry has the class.
    pub(super) fn remedy<T: FileTree>(
        &self,
        class: &str,
        image: &mut CandidateImage<'_, T>,
    ) -> Result<String, BoxedError> {
        let launcher =
            LAUNCHERS.iter().find_map(|of| class.strip_prefix(of)).filter(|name| !name.contains('.'));
        for of in LAUNCHERS.iter().filter(|_| launcher.is_some()) {
            let other = format!("{of}{}", launcher.unwrap_or_default());
            if other != class && self.has(&other, image)? == BaseAnswer::Here(()) {
                return Ok(format!("write `{other}`, where this version of Spring Boot has it"));
            }
        }
        Ok("name a class of the application with its package, and all directories and jars that it needs: a \
            relative path is looked for in `config.workdir`"
            .to_owned())
    }
}

/// Whether the directory or jar `path` has the class.
fn in_entry<T: FileTree>(
    path: &str,
    file: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<BaseAnswer<()>, BoxedError> {
    match follow(image.tree, path.as_bytes())? {
        BaseAnswer::Here((_, BaseNode::Directory { .. })) => image.has(&format!("{path}/{file}")),
        BaseAnswer::Here((jar, BaseNode::File(_))) => image.tree.has_class(&jar, file.as_bytes()),
        BaseAnswer::Here(_) | BaseAnswer::Nothing => Ok(BaseAnswer::Nothing),
        BaseAnswer::Unknown => Ok(BaseAnswer::Unknown),
    }
}

/// Whether one of the jars in a directory has the class: `DIRECTORY/*`.
fn in_all_jars<T: FileTree>(
    directory: &str,
    file: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<BaseAnswer<()>, BoxedError> {
    let directory = match follow(image.tree, directory.as_bytes())? {
        BaseAnswer::Here((directory, BaseNode::Directory { .. })) => directory,
        BaseAnswer::Here(_) | BaseAnswer::Nothing => return Ok(BaseAnswer::Nothing),
        BaseAnswer::Unknown => return Ok(BaseAnswer::Unknown),
    };
    // The names of the jars that the base has there are not known, nor are those of a volume.
    let mut is_known = image.tree.peek_base(&directory)? == BaseAnswer::Nothing
        && image.tree.volume(&format!("/{directory}/x")).is_none();
    for jar in jars_in(&directory, image) {
        if !image.lookups.look(jar.as_bytes().len())? {
            return Ok(BaseAnswer::Unknown);
        }
        match in_entry(&jar.to_string(), file, image)? {
            BaseAnswer::Here(()) => return Ok(BaseAnswer::Here(())),
            BaseAnswer::Nothing => {}
            BaseAnswer::Unknown => is_known = false,
        }
    }
    Ok(if is_known { BaseAnswer::Nothing } else { BaseAnswer::Unknown })
}

fn jars_in<T: FileTree>(directory: &EntryPath, image: &CandidateImage<'_, T>) -> Vec<EntryPath> {
    let is_jar = |path: &EntryPath| {
        let name = path.file_name();
        name.ends_with(b".jar") || name.ends_with(b".JAR")
    };
    let mut jars: Vec<EntryPath> = image.tree.own_files_in(directory).into_iter().filter(is_jar).collect();
    jars.sort();
    jars.dedup();
    jars
}

/// The advice where a jar that is to be run is missing.
pub(super) fn remedy_of_jar<T: FileTree>(path: &str, image: &CandidateImage<'_, T>) -> String {
    let directory = EntryPath::new(path.as_bytes()).ok().and_then(|path| path.parent());
    let jars = directory.map(|directory| jars_in(&directory, image)).unwrap_or_default();
    let named: Vec<String> =
        jars.iter().take(NAMED).map(|jar| format!("`{}`", shown(jar.to_string().as_bytes()))).collect();
    if named.is_empty() {
        return "correct the path, which is looked for in `config.workdir`, or add the jar in a `[[layer]]`"
            .to_owned();
    }
    format!("name a jar that is there, such as {}", named.join(" or "))
}
