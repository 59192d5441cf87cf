//! `COPY` and `ADD`, read into a stage.

use std::rc::Rc;

use super::super::error::ImportError;
use super::super::setting::shortened;
use super::command::exec_form;
use super::copy::{Copy, CopySource, file_name, in_project, join};
use super::lines::Instruction;
use super::stage::ImageStage;
use super::words::{UnknownVariable, expand, words};

/// The most files and directories that a stage copies: an image has 127 layers.
const MAX_SOURCES: usize = 256;

/// Reads an instruction into the stage.
pub(super) fn read(
    stage: &mut ImageStage,
    instruction: &Instruction,
    escape: char,
    stage_of: &dyn Fn(&str) -> Option<CopySource>,
) -> Result<(), ImportError> {
    let Instruction { line, keyword, rest, documents } = instruction;
    let wrong = |why: String| ImportError::Wrong { line: *line, instruction: keyword.clone(), why };
    let mut copy = Copy {
        line: *line,
        sources: Vec::new(),
        source: CopySource::Context,
        to: String::new(),
        into: false,
        is_adrift: false,
        owner: None,
        mode: None,
        own_owner: None,
        own_mode: None,
        exclude: Rc::default(),
    };
    let mut exclude = Vec::new();
    let shown = format!("{keyword} {}", shortened(rest));
    let unknown = |stage: &mut ImageStage, UnknownVariable(name): UnknownVariable| {
        stage.left(
            *line,
            format!("`{shown}`: the value of `{name}` is not known here; copy it in a `[[layer]]`"),
        );
        Ok(())
    };
    let mut keeps_parents = false;
    let mut rest = rest.as_str();
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let value = match expand(value, escape, stage.variables()) {
            Ok(value) => value,
            Err(variable) => return unknown(stage, variable),
        };
        match name {
            "from" => {
                copy.source = stage_of(&value).unwrap_or(CopySource::Image(value));
            }
            "chown" => copy.owner = Some(value),
            "chmod" => match value.chars().all(|digit| ('0'..='7').contains(&digit)) {
                true => copy.mode = Some(format!("{value:0>4}")),
                false => stage.left(
                    *line,
                    format!(
                        "the mode `{}` is not carried over: write it as `mode` in octal",
                        shortened(&value)
                    ),
                ),
            },
            "exclude" => exclude.push(value),
            "parents" => keeps_parents = value != "false",
            "link" => {}
            "checksum" | "keep-git-dir" | "unpack" if keyword == "ADD" => {}
            other => return Err(wrong(format!("has no flag `--{other}`"))),
        }
        rest = after.trim_start();
    }
    let given = exec_form(rest).unwrap_or_else(|| words(rest, escape));
    let paths: Result<Vec<String>, _> =
        given.iter().map(|word| expand(word, escape, stage.variables())).collect();
    let mut paths = match paths {
        Ok(paths) => paths,
        Err(variable) => return unknown(stage, variable),
    };
    let Some(to) = paths.pop().filter(|_| !paths.is_empty()) else {
        return Err(wrong("needs a source, and then a place in the image".to_owned()));
    };
    if !documents.is_empty() {
        stage.left(
            *line,
            format!(
                "`{shown}` has its text in the Dockerfile: write it to a file, and copy that in a `[[layer]]`"
            ),
        );
        paths.retain(|path| !path.starts_with("<<"));
        if paths.is_empty() {
            return Ok(());
        }
    }
    if keyword == "ADD" {
        paths.retain(|path| match not_added(path) {
            Some(why) => {
                stage.left(*line, format!("`ADD {}` {why}", shortened(path)));
                false
            }
            None => true,
        });
        if paths.is_empty() {
            return Ok(());
        }
    }
    copy.into = to.ends_with('/') || matches!(file_name(&to), "." | "..") || paths.len() > 1;
    let known = stage.resolve(*line, &to);
    copy.is_adrift = known.is_none();
    copy.to = known.unwrap_or_else(|| stage.path(&to));
    copy.into |= stage.is_directory(&copy.to);
    copy.exclude = Rc::new(exclude);
    bounded(stage, *line, &copy, &paths)?;
    if keeps_parents {
        for path in paths {
            let relative = path.rsplit_once("/./").map_or(path.as_str(), |(_, below)| below);
            let to = join(&copy.to, &in_project(relative));
            stage.copies.push(Copy { sources: vec![path], to, into: false, ..copy.clone() });
        }
        return Ok(());
    }
    copy.sources = paths;
    stage.copies.push(copy);
    Ok(())
}

/// Counts what a copy is about to take, which is more than its text where each source gets a copy of its own.
fn bounded(stage: &ImageStage, line: usize, copy: &Copy, paths: &[String]) -> Result<(), ImportError> {
    let sources = paths.len() + stage.copies.iter().map(|copy| copy.sources.len()).sum::<usize>();
    if sources > MAX_SOURCES {
        return Err(ImportError::TooMuch { line, what: "files that are copied", most: "256" });
    }
    let texts = [Some(&copy.to), copy.owner.as_ref(), copy.mode.as_ref()];
    let each = texts.into_iter().flatten().map(String::len).sum::<usize>();
    let all = paths.iter().map(|path| path.len() + each).sum::<usize>();
    match stage.budget.keep(all) && stage.budget.step(stage.directories.len() + sources) {
        true => Ok(()),
        false => Err(ImportError::TooMuch { line, what: "bytes of copies", most: "16 MiB" }),
    }
}

/// Why `ADD` does more with it than to copy it.
fn not_added(path: &str) -> Option<&'static str> {
    let archives = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst"];
    if path.contains("://") || path.starts_with("git@") {
        Some("fetches it: do that before the build, check its digest, and copy it in a `[[layer]]`")
    } else if archives.iter().any(|end| path.ends_with(end)) {
        Some("unpacks it: do that before the build, and copy the directory in a `[[layer]]`")
    } else {
        None
    }
}
