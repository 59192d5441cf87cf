//! Dockerfiles: what their last stage, or the one that is asked for, has.
//!
//! A stage is followed from its first line to its last, with the stages that it begins with. `RUN` cannot be carried over,
//! since nothing runs in an image here; of its commands, those that only make directories, links, users, owners and modes
//! are understood. A file that a stage copies from another one comes from the project's own build, and is looked for
//! where that stage had the project.

mod budget;
mod command;
mod copies;
mod copy;
mod ignore;
mod layers;
mod lines;
mod owners;
mod place;
mod project;
mod run;
mod script;
mod stage;
mod stages;
mod transfer;
mod values;
mod words;

use self::lines::instructions;
use self::stages::ImageStages;
use super::ImportSurroundings;
use super::draft::Imported;
use super::error::ImportError;

/// Reads a Dockerfile. `stage` is the name or the number of a stage; without it, the last one is taken.
///
/// # Errors
/// When it is no Dockerfile, or has no such stage.
pub fn read(
    text: &str,
    stage: Option<&str>,
    around: &ImportSurroundings<'_>,
) -> Result<Imported, ImportError> {
    let instructions = instructions(text)?;
    let mut stages = ImageStages::new(instructions.escape);
    for instruction in &instructions.all {
        stages.add(instruction)?;
    }
    let number = match stage {
        Some(name) => stages.find(name).ok_or_else(|| ImportError::NoStage(name.to_owned()))?,
        None => stages.last().ok_or(ImportError::Empty)?,
    };
    let (draft, mut remarks) = stages.draft(number, around);
    if stages.is_spent() {
        let line = instructions.all.last().map_or(1, |last| last.line);
        return Err(ImportError::TooMuch { line, what: "steps to follow them", most: "4 million" });
    }
    remarks.sort_by_key(|remark| remark.line);
    remarks.dedup();
    Ok(Imported { draft, remarks })
}

#[cfg(test)]
mod tests;
